//! A dispatch server that embeds hooksieve: the webhooks API, events in, signed requests out.
//!
//! The parts that every server has its own of are as simple as possible here: authentication, ids,
//! the clock, the client that sends, and the store, which is memory. The server does not retry.

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::{HeaderName, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use hooksieve::delivery::{self, Delivery, MessageId, Request, RequestBuilder};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::{TenantId, UserId};
use hooksieve::matcher::Access;
use hooksieve::registry::{Change, ChangeError, DeliverError, Limits, Registry};
use hooksieve::webhook::{
    Checked, Edit, Level, ListQuery, MAX_PER_USER, NewWebhook, Patch, Rules, Timestamp, Webhook,
    WebhookDocument, WebhookId,
};
use serde::Serialize;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tokio::sync::{Mutex, Semaphore};

/// Sends a request and returns the response, or why there is none.
///
/// In a real server this is the place for TLS, limits of time and size, and the look-up of the
/// host. It calls `hooksieve::webhook::check_address` with the address that it connects to, and
/// follows no redirects.
pub type Client = Arc<dyn Fn(axum::http::Request<Bytes>) -> Sending + Send + Sync>;
pub type Sending = Pin<Box<dyn Future<Output = Result<delivery::Response, String>> + Send>>;

pub struct Dispatch {
    registry: Registry,
    builder: RequestBuilder,
    client: Client,
    /// Held from finding a webhook until it is removed, so that of two requests that delete it the
    /// second one gets `404`.
    deleting: Mutex<()>,
    /// The latest deliveries of each webhook, oldest first.
    history: Mutex<HashMap<WebhookId, VecDeque<Delivery>>>,
    /// The room for requests that are being sent.
    room: Arc<Semaphore>,
    ids: AtomicU64,
}

/// The maximum number of requests that are sent at a time. An event waits until there is room.
const MAX_IN_FLIGHT: u32 = 256;
/// The maximum number of deliveries that are kept of a webhook.
const MAX_KEPT: usize = 100;

type Server = State<Arc<Dispatch>>;
type Reply = Result<Response, Refusal>;
/// A reply with the revision in a header and the webhook as the body.
type Put = (Revision, Response);
type Revision = [(HeaderName, String); 1];

fn revision(change: &Change) -> Revision {
    [(HeaderName::from_static("x-revision"), change.revision.to_string())]
}

/// A webhook as the API shows it after a change, with the warnings about it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    webhook: Option<&'a Webhook>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [Diagnostic],
}

fn put(change: &Change, warnings: &[Diagnostic]) -> Put {
    let shown = Shown { webhook: change.after.as_deref(), warnings };
    (revision(change), Json(shown).into_response())
}

impl Dispatch {
    pub fn new(
        tenants: impl IntoIterator<Item = impl Into<TenantId>>,
        client: Client,
    ) -> Result<Arc<Self>, ChangeError> {
        let registry =
            Registry::with_limits(&Rules::default(), Limits::default().per_user(MAX_PER_USER));
        for tenant in tenants {
            let _ = registry.load(tenant, [])?;
        }
        Ok(Arc::new(Self {
            registry,
            builder: RequestBuilder::default(),
            client,
            deleting: Mutex::default(),
            history: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_IN_FLIGHT as usize)),
            ids: AtomicU64::new(1),
        }))
    }

    /// Returns the routes of the webhooks API.
    pub fn api(self: &Arc<Self>) -> Router {
        let one = get(show).put(replace).patch(patch).delete(remove);
        Router::new()
            .route("/api/v1/webhooks", get(list).post(create))
            .route("/api/v1/webhooks/event-types", get(event_types))
            .route("/api/v1/webhooks/{id}", one)
            .route("/api/v1/webhooks/{id}/deliveries", get(deliveries))
            .route("/api/v1/webhooks/{id}/deliveries/{delivery}", get(show_delivery))
            .route("/api/v1/webhooks/{id}/deliveries/{delivery}/actions/resend", post(resend))
            .fallback(async || Refusal::not_found("resource"))
            .with_state(Arc::clone(self))
    }

    /// Returns the route that events come in by. It is not for users.
    pub fn intake(self: &Arc<Self>) -> Router {
        Router::new().route("/events", post(take)).with_state(Arc::clone(self))
    }

    /// Waits until all accepted requests have been sent, before the process ends.
    pub async fn drained(&self) {
        let _all = self.room.acquire_many(MAX_IN_FLIGHT).await;
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns a webhook that the caller may see.
    fn webhook(&self, caller: &Caller, id: &WebhookId) -> Result<Arc<Webhook>, Refusal> {
        let found = self.registry.get(&caller.tenant, id);
        let visible = found.filter(|webhook| caller.may_access(webhook));
        visible.ok_or_else(|| Refusal::not_found("webhook"))
    }

    /// Returns a new or changed webhook if the caller may have it.
    fn allowed(caller: &Caller, webhook: Webhook) -> Result<Webhook, Diagnostics> {
        let message = "only administrators have webhooks of level `tenant` or of other users";
        let refusal = || Refusal::new(StatusCode::FORBIDDEN, "forbidden", message).0;
        if caller.may_access(&webhook) { Ok(webhook) } else { Err(refusal()) }
    }

    /// Changes a webhook, as one step that no other change can come between.
    fn change(
        &self,
        caller: &Caller,
        id: &WebhookId,
        changed: impl FnOnce(&Webhook, &Rules, Edit) -> Result<Checked, Diagnostics>,
    ) -> Result<(Change, Vec<Diagnostic>), Refusal> {
        self.webhook(caller, id)?;
        let edit = Edit::new(caller.user.as_str(), now());
        let mut reported = Vec::new();
        let change = |webhook: &Webhook| {
            let Checked { webhook, warnings } = changed(webhook, &self.registry.rules(), edit)?;
            reported = warnings;
            Self::allowed(caller, webhook)
        };
        let change = self.registry.update(&caller.tenant, id, change)?;
        Ok((change, reported))
    }

    /// Returns the requests for an event, and the revision of its tenant at which it was matched.
    fn requests(&self, event: Bytes) -> Result<(u64, Vec<Request>), DeliverError> {
        // Tasks move between threads, so each event has a session of its own. One session per
        // thread would save a fraction of the cost.
        let mut session = self.registry.session();
        let requests = session.deliveries(&self.builder, event, Access::EventOwner)?;
        Ok((requests.revision(), requests.collect()))
    }

    /// Sends a request, and keeps the delivery.
    async fn deliver(&self, request: Request, message: Option<MessageId>) -> Delivery {
        let (id, at) = (self.id("d"), now());
        let request = match message.or_else(|| MessageId::new(&id).ok()) {
            Some(message) => request.with_standard_headers(&message, at),
            None => request,
        };
        let response = (self.client)((&request).into()).await;
        let outcome = response.as_ref().map_err(String::as_str);
        let delivery = Delivery::new(id, &request, at, outcome);

        let webhook = request.webhook();
        let mut history = self.history.lock().await;
        // A webhook that was removed meanwhile has no history any more.
        let exists = |tenant| self.registry.get(tenant, webhook.id()).is_some();
        if webhook.tenant().is_some_and(exists) {
            let kept = history.entry(webhook.id().clone()).or_default();
            kept.push_back(delivery.clone());
            while kept.len() > MAX_KEPT || kept.front().is_some_and(|oldest| !oldest.is_kept(at)) {
                kept.pop_front();
            }
        }
        delivery
    }

    async fn delivery(
        &self,
        caller: &Caller,
        id: &WebhookId,
        delivery: &str,
    ) -> Result<(Arc<Webhook>, Delivery), Refusal> {
        let webhook = self.webhook(caller, id)?;
        let history = self.history.lock().await;
        let mut kept = history.get(id).into_iter().flatten();
        let found = kept.find(|kept| kept.id().as_str() == delivery && kept.is_kept(now()));
        let found = found.ok_or_else(|| Refusal::not_found("delivery"))?;
        Ok((webhook, found.clone()))
    }
}

async fn create(State(server): Server, caller: Caller, body: Bytes) -> Reply {
    let document = WebhookDocument::read(&body)?;
    let new = NewWebhook::new(server.id("w"), caller.user.as_str(), now());
    let new = new.of_tenant(caller.tenant.as_str());
    let Checked { webhook, warnings } = Webhook::create(&document, &server.registry.rules(), new)?;
    let webhook = Dispatch::allowed(&caller, webhook)?;
    let change = server.registry.put(&caller.tenant, webhook)?;
    let (revision, shown) = put(&change, &warnings);
    Ok((StatusCode::CREATED, revision, shown).into_response())
}

async fn list(State(server): Server, caller: Caller, RawQuery(query): RawQuery) -> Reply {
    let list = ListQuery::read(&query.unwrap_or_default())?;
    let webhooks = server.registry.webhooks(&caller.tenant);
    let webhooks = webhooks.ok_or_else(|| Refusal::not_found("tenant"))?;
    let all = webhooks.iter().map(|webhook| &**webhook);
    let page = list.apply(all.filter(|webhook| caller.may_access(webhook)));
    Ok(Json(page.body("/api/v1/webhooks")).into_response())
}

async fn show(State(server): Server, caller: Caller, Path(id): Path<WebhookId>) -> Reply {
    Ok(Json(&*server.webhook(&caller, &id)?).into_response())
}

async fn replace(
    State(server): Server,
    caller: Caller,
    Path(id): Path<WebhookId>,
    body: Bytes,
) -> Reply {
    let document = WebhookDocument::read(&body)?;
    let replaced = |old: &Webhook, rules: &_, edit| old.replaced(&document, rules, edit);
    let (change, warnings) = server.change(&caller, &id, replaced)?;
    Ok(put(&change, &warnings).into_response())
}

async fn patch(
    State(server): Server,
    caller: Caller,
    Path(id): Path<WebhookId>,
    body: Bytes,
) -> Reply {
    let patch = Patch::read(&body)?;
    let patched = |old: &Webhook, rules: &_, edit| old.patched(&patch, rules, edit);
    let (change, warnings) = server.change(&caller, &id, patched)?;
    // The response has no body, so the codes of the warnings are in a header.
    let codes: Vec<_> = warnings.iter().map(Diagnostic::code).collect();
    let codes = [(HeaderName::from_static("x-warnings"), codes.join(", "))];
    Ok((StatusCode::NO_CONTENT, revision(&change), codes).into_response())
}

async fn remove(State(server): Server, caller: Caller, Path(id): Path<WebhookId>) -> Reply {
    let _deleting = server.deleting.lock().await;
    let webhook = server.webhook(&caller, &id)?;
    let change = server.registry.remove(&caller.tenant, &id)?;
    server.history.lock().await.remove(webhook.id());
    Ok((StatusCode::NO_CONTENT, revision(&change)).into_response())
}

async fn event_types(State(server): Server, _: Caller) -> Reply {
    Ok(Json(server.registry.rules().catalogue()).into_response())
}

async fn deliveries(
    State(server): Server,
    caller: Caller,
    Path(id): Path<WebhookId>,
    RawQuery(query): RawQuery,
) -> Reply {
    let list = delivery::ListQuery::read(&query.unwrap_or_default())?;
    server.webhook(&caller, &id)?;
    let (history, now) = (server.history.lock().await, now());
    let kept = history.get(&id).into_iter().flatten().filter(|delivery| delivery.is_kept(now));
    let page = list.apply(kept);
    Ok(Json(page.body(&format!("/api/v1/webhooks/{id}/deliveries"))).into_response())
}

type OfDelivery = Path<(WebhookId, String)>;

async fn show_delivery(
    State(server): Server,
    caller: Caller,
    Path((id, delivery)): OfDelivery,
) -> Reply {
    let (_, delivery) = server.delivery(&caller, &id, &delivery).await?;
    Ok(Json(delivery).into_response())
}

async fn resend(State(server): Server, caller: Caller, Path((id, delivery)): OfDelivery) -> Reply {
    let (webhook, delivery) = server.delivery(&caller, &id, &delivery).await?;
    let request = server.builder.resend(&webhook, &delivery);
    let again = server.deliver(request, delivery.message_id()).await;
    Ok((StatusCode::CREATED, Json(again)).into_response())
}

/// Accepts an event. A server that must not lose events stores them before it replies.
async fn take(State(server): Server, event: Bytes) -> Reply {
    // All tenants are loaded at the start, so one that is not loaded does not exist.
    let (revision, requests) = match server.requests(event) {
        Err(DeliverError::NotLoaded(_)) => return Err(Refusal::not_found("tenant")),
        requests => requests?,
    };
    let accepted = Json(json!({"revision": revision, "requests": requests.len()}));
    // A task of its own sends all requests even if the client closes the connection.
    let sending = tokio::spawn(async move {
        for request in requests {
            let Ok(room) = Arc::clone(&server.room).acquire_owned().await else { return };
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                server.deliver(request, None).await;
                drop(room);
            });
        }
    });
    match sending.await {
        Ok(()) => Ok((StatusCode::ACCEPTED, accepted).into_response()),
        Err(error) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error)),
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The user of a request: the words of the token, `tenant/user` or `tenant/user/admin`.
///
/// Nothing is verified here.
struct Caller {
    tenant: TenantId,
    user: UserId,
    is_admin: bool,
}

impl Caller {
    fn may_access(&self, webhook: &Webhook) -> bool {
        let owns = webhook.level() == Level::User && webhook.owner() == Some(&self.user);
        self.is_admin || owns
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        match *token.split('/').collect::<Vec<_>>() {
            [tenant, user, ref rest @ ..] if !user.is_empty() => {
                Ok(Self { tenant: tenant.into(), user: user.into(), is_admin: *rest == ["admin"] })
            }
            _ => Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the request has no token with a tenant and a user",
            )),
        }
    }
}

/// The response to a request that is refused: the errors with their status.
struct Refusal(Diagnostics);

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        Self(Diagnostic::error(code, message.to_string(), "").with_status(status).into())
    }

    fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("{what} not found"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0.status(), Json(json!(self.0.body()))).into_response()
    }
}

/// Every error of the library converts into diagnostics.
impl<E: Into<Diagnostics>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
