//! A dispatch server that embeds hooksieve: the webhooks API, events in, signed requests out.
//!
//! What a server brings itself stands here in its simplest form: who is asking, ids, the clock, the
//! client that sends, and the store, which is memory. It does not retry.

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::{HeaderName, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use hooksieve::delivery::{self, Delivery, MessageId, Request, RequestBuilder};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::{TenantId, UserId};
use hooksieve::matcher::Access;
use hooksieve::registry::{
    Change, ChangeError, DeliverError, Limits, NotLoaded, Registry, UpdateError,
};
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

/// Sends a request and waits for the answer, or tells why there is none.
///
/// Here are TLS, limits of time and size, and the look-up of the host, which asks
/// `hooksieve::webhook::check_address` of the address that it dials; redirects are not followed.
pub type Client = Arc<dyn Fn(axum::http::Request<Bytes>) -> Sending + Send + Sync>;
pub type Sending = Pin<Box<dyn Future<Output = Result<delivery::Response, String>> + Send>>;

pub struct Dispatch {
    registry: Registry,
    sender: RequestBuilder,
    client: Client,
    /// Held from finding a webhook until it is removed, so that of two who delete it the second is
    /// told that it is gone.
    deleting: Mutex<()>,
    /// What is kept of each webhook's deliveries, the oldest first.
    history: Mutex<HashMap<WebhookId, VecDeque<Delivery>>>,
    free: Arc<Semaphore>,
    ids: AtomicU64,
}

/// Most requests on their way at a time; those who bring events wait for room.
const ON_THEIR_WAY: u32 = 256;
/// Most deliveries that are kept of a webhook.
const KEPT: usize = 100;

type Server = State<Arc<Dispatch>>;
type Answer = Result<Response, Refusal>;
/// The header that tells the revision, and the webhook as it is shown.
type Put = (Revision, Response);
type Revision = [(HeaderName, String); 1];

fn revision(change: &Change) -> Revision {
    [(HeaderName::from_static("x-revision"), change.revision.to_string())]
}

/// A webhook as its author is shown it, with what is probably unintended.
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
            sender: RequestBuilder::default(),
            client,
            deleting: Mutex::default(),
            history: Mutex::default(),
            free: Arc::new(Semaphore::new(ON_THEIR_WAY as usize)),
            ids: AtomicU64::new(1),
        }))
    }

    /// What users ask.
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

    /// Where events come in: not for users.
    pub fn intake(self: &Arc<Self>) -> Router {
        Router::new().route("/events", post(take)).with_state(Arc::clone(self))
    }

    /// Waits until all that was accepted has been sent: for the end of the process.
    pub async fn drained(&self) {
        let _all = self.free.acquire_many(ON_THEIR_WAY).await;
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// A webhook that a caller may see.
    fn webhook(&self, caller: &Caller, id: &WebhookId) -> Result<Arc<Webhook>, Refusal> {
        let found = self.registry.get(&caller.tenant, id);
        let seen = found.filter(|webhook| caller.may_access(webhook));
        seen.ok_or_else(|| Refusal::not_found("webhook"))
    }

    /// A webhook that is to be, if the caller may have it so.
    fn allowed(caller: &Caller, webhook: Webhook) -> Result<Webhook, Refusal> {
        let what = "only administrators have webhooks of level `tenant` or of other users";
        let refusal = || Refusal::new(StatusCode::FORBIDDEN, "forbidden", what);
        if caller.may_access(&webhook) { Ok(webhook) } else { Err(refusal()) }
    }

    /// Changes a webhook as a whole, whatever others do meanwhile.
    fn change(
        &self,
        caller: &Caller,
        id: &WebhookId,
        changed: impl FnOnce(&Webhook, &Rules, Edit) -> Result<Checked, Diagnostics>,
    ) -> Result<(Change, Vec<Diagnostic>), Refusal> {
        self.webhook(caller, id)?;
        let stamp = Edit::new(caller.user.as_str(), now());
        let mut told = Vec::new();
        let change = |webhook: &Webhook| {
            let Checked { webhook, warnings } = changed(webhook, &self.registry.rules(), stamp)?;
            told = warnings;
            Self::allowed(caller, webhook)
        };
        let change = self.registry.update(&caller.tenant, id, change)?;
        Ok((change, told))
    }

    /// The requests for an event, and the revision of its tenant by which they were chosen.
    fn requests(&self, event: Bytes) -> Result<(u64, Vec<Request>), DeliverError> {
        // Tasks wander between threads; a reader that each thread keeps saves a fraction of this.
        let mut session = self.registry.session();
        let requests = session.deliveries(&self.sender, event, Access::EventOwner)?;
        Ok((requests.revision(), requests.collect()))
    }

    /// Sends a request, and keeps what came of it.
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
        // One that is gone has no history.
        let kept = |tenant| self.registry.get(tenant, webhook.id()).is_some();
        if webhook.tenant().is_some_and(kept) {
            let kept = history.entry(webhook.id().clone()).or_default();
            kept.push_back(delivery.clone());
            while kept.len() > KEPT || kept.front().is_some_and(|oldest| !oldest.is_kept(at)) {
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

async fn create(State(server): Server, caller: Caller, body: Bytes) -> Answer {
    let draft = WebhookDocument::read(&body)?;
    let new = NewWebhook::new(server.id("w"), caller.user.as_str(), now());
    let new = new.of_tenant(caller.tenant.as_str());
    let Checked { webhook, warnings } = Webhook::create(&draft, &server.registry.rules(), new)?;
    let webhook = Dispatch::allowed(&caller, webhook)?;
    let change = server.registry.put(&caller.tenant, webhook)?;
    let (revision, shown) = put(&change, &warnings);
    Ok((StatusCode::CREATED, revision, shown).into_response())
}

async fn list(State(server): Server, caller: Caller, RawQuery(query): RawQuery) -> Answer {
    let list = ListQuery::read(&query.unwrap_or_default())?;
    let webhooks = server.registry.webhooks(&caller.tenant).ok_or(NotLoaded)?;
    let seen = webhooks.iter().map(|webhook| &**webhook);
    let page = list.apply(seen.filter(|webhook| caller.may_access(webhook)));
    Ok(Json(page.body("/api/v1/webhooks")).into_response())
}

async fn show(State(server): Server, caller: Caller, Path(id): Path<WebhookId>) -> Answer {
    Ok(Json(&*server.webhook(&caller, &id)?).into_response())
}

async fn replace(
    State(server): Server,
    caller: Caller,
    Path(id): Path<WebhookId>,
    body: Bytes,
) -> Answer {
    let draft = WebhookDocument::read(&body)?;
    let replaced = |old: &Webhook, rules: &_, stamp| old.replaced(&draft, rules, stamp);
    let (change, warnings) = server.change(&caller, &id, replaced)?;
    Ok(put(&change, &warnings).into_response())
}

async fn patch(
    State(server): Server,
    caller: Caller,
    Path(id): Path<WebhookId>,
    body: Bytes,
) -> Answer {
    let patch = Patch::read(&body)?;
    let patched = |old: &Webhook, rules: &_, stamp| old.patched(&patch, rules, stamp);
    let (change, warnings) = server.change(&caller, &id, patched)?;
    // The answer has no body, so the codes are in a header.
    let codes: Vec<_> = warnings.iter().map(Diagnostic::code).collect();
    let told = [(HeaderName::from_static("x-warnings"), codes.join(", "))];
    Ok((StatusCode::NO_CONTENT, revision(&change), told).into_response())
}

async fn remove(State(server): Server, caller: Caller, Path(id): Path<WebhookId>) -> Answer {
    let _deleting = server.deleting.lock().await;
    let webhook = server.webhook(&caller, &id)?;
    let change = server.registry.remove(&caller.tenant, &id)?;
    server.history.lock().await.remove(webhook.id());
    Ok((StatusCode::NO_CONTENT, revision(&change)).into_response())
}

async fn event_types(State(server): Server, _: Caller) -> Answer {
    Ok(Json(server.registry.rules().catalogue()).into_response())
}

async fn deliveries(
    State(server): Server,
    caller: Caller,
    Path(id): Path<WebhookId>,
    RawQuery(query): RawQuery,
) -> Answer {
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
) -> Answer {
    let (_, delivery) = server.delivery(&caller, &id, &delivery).await?;
    Ok(Json(delivery).into_response())
}

async fn resend(State(server): Server, caller: Caller, Path((id, delivery)): OfDelivery) -> Answer {
    let (webhook, delivery) = server.delivery(&caller, &id, &delivery).await?;
    let request = server.sender.resend(&webhook, &delivery);
    let again = server.deliver(request, delivery.message_id()).await;
    Ok((StatusCode::CREATED, Json(again)).into_response())
}

/// Takes an event. One that must not be lost is stored before this answers.
async fn take(State(server): Server, event: Bytes) -> Answer {
    let (revision, requests) = server.requests(event)?;
    let accepted = Json(json!({"revision": revision, "requests": requests.len()}));
    // As a task, so that all are sent even if whoever brought the event hangs up.
    let sending = tokio::spawn(async move {
        for request in requests {
            let Ok(room) = Arc::clone(&server.free).acquire_owned().await else { return };
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

/// Who is asking: here the words of the token, `tenant/user` or `tenant/user/admin`, of which
/// nothing is verified.
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
            _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", "who is asking?")),
        }
    }
}

/// The answer to a request that cannot be fulfilled: what is wrong, with its status.
struct Refusal(Diagnostics);

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        Self(Diagnostic::error(code, message.to_string(), "").with_status(status).into())
    }

    fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no such {what}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0.status(), Json(json!(self.0.body(None)))).into_response()
    }
}

impl From<Diagnostics> for Refusal {
    fn from(errors: Diagnostics) -> Self {
        Self(errors)
    }
}

impl From<Refusal> for Diagnostics {
    fn from(Refusal(errors): Refusal) -> Self {
        errors
    }
}

impl From<NotLoaded> for Refusal {
    fn from(NotLoaded: NotLoaded) -> Self {
        Self::not_found("tenant")
    }
}

impl From<UpdateError<Refusal>> for Refusal {
    fn from(error: UpdateError<Refusal>) -> Self {
        Self(error.into())
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        Self(Diagnostic::from(&error).into())
    }
}

impl From<DeliverError> for Refusal {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::NotLoaded(error) => error.into(),
            error => Self(Diagnostic::from(&error).into()),
        }
    }
}
