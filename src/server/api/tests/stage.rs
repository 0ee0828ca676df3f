//! The API over an in-memory store that fails on request, and a receiver without sockets.

use super::desk::Desk;
use crate::server::ambient::Ambient;
use crate::server::api::health::Health;
use crate::server::api::origin::Origin;
use crate::server::api::{Api, Bounds, router};
use crate::server::keys::{Keys, KeysFile, NewKey, Role};
use crate::server::limits::{Buckets, Rates};
use crate::server::service::attempt::{Attempt, Attempted};
use crate::server::service::outlet::Outlet;
use crate::server::service::{Parts, Service};
use crate::server::store::contract::outbox::*;
use crate::server::store::contract::{
    Answer, DeliveryRow, DeliveryRows, Store, StoreError, TenantRows, WebhookChange,
};
use crate::server::store::memory::Memory;
use crate::server::store::seal;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use hooksieve::delivery::{self, DeliveryId, ListQuery, MessageId, Response};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Rules, Timestamp, WebhookId};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt;

/// A store whose next commit fails on request, and whose commits take a time.
pub(super) struct Flaky {
    memory: Memory,
    next: Mutex<Option<StoreError>>,
    /// The result of the next commit, which is made nevertheless.
    lost: Mutex<Option<Lost>>,
    pub(super) commit_time: Mutex<Duration>,
    /// Whether pages of deliveries never arrive, and how many calls wait for one.
    pub(super) hangs: AtomicBool,
    pub(super) waiting: Arc<AtomicUsize>,
    /// Held by a test that lets events wait for their commit.
    pub(super) gate: tokio::sync::RwLock<()>,
    /// Changes of the tenant `north` that another process makes, each before the next events are
    /// accepted.
    pub(super) changes: Mutex<Vec<WebhookChange>>,
}

/// What arrives in place of the result of a commit.
pub(super) enum Lost {
    Error(StoreError),
    Panic,
}

/// Counts a call until it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Default for Flaky {
    fn default() -> Self {
        Self {
            memory: Memory::new(100),
            next: Mutex::default(),
            lost: Mutex::default(),
            commit_time: Mutex::default(),
            hangs: AtomicBool::new(false),
            waiting: Arc::default(),
            gate: tokio::sync::RwLock::default(),
            changes: Mutex::default(),
        }
    }
}

/// Returns the keys that seal secrets in all tests.
pub(super) fn seal_keys() -> seal::Keys {
    seal::Keys::parse(&seal::new_line(&[7; 32])).unwrap()
}

impl Flaky {
    pub(super) fn fail(&self, error: StoreError) {
        *self.next.lock().unwrap() = Some(error);
    }

    pub(super) fn lose(&self, lost: Lost) {
        *self.lost.lock().unwrap() = Some(lost);
    }
}

impl Outbox for Flaky {
    fn accept(
        &self,
        events: Vec<TenantEvents>,
        times: AcceptTimes,
    ) -> Answer<'_, Vec<Vec<Accepted>>> {
        if let Some(error) = self.next.lock().unwrap().take() {
            return Box::pin(std::future::ready(Err(error)));
        }
        Box::pin(async move {
            let _open = self.gate.read().await;
            let change = self.changes.lock().unwrap().pop();
            if let Some(change) = change {
                let north = TenantId::from("north");
                let revision = self.memory.load(&north).await.unwrap().revision;
                self.memory.commit(&north, revision, change).await.unwrap();
            }
            self.memory.accept(events, times).await
        })
    }
    fn claim(&self, now: Timestamp, lease: Timestamp, room: Room) -> Answer<'_, Claimed> {
        self.memory.claim(now, lease, room)
    }
    fn settle(&self, settled: Vec<Settled>, now: Timestamp) -> Answer<'_, Vec<Endpoint>> {
        self.memory.settle(settled, now)
    }
    fn park<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        until: Timestamp,
    ) -> Answer<'a, ()> {
        self.memory.park(tenant, webhook, until)
    }
    fn requeue<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        since: Timestamp,
        max: usize,
        now: Timestamp,
    ) -> Answer<'a, usize> {
        self.memory.requeue(tenant, webhook, since, max, now)
    }
    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a EventQuery,
        since: Timestamp,
    ) -> Answer<'a, EventRows> {
        self.memory.events(tenant, query, since)
    }
    fn event<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a EventId,
        webhooks: Option<&'a BTreeSet<WebhookId>>,
        since: Timestamp,
    ) -> Answer<'a, Option<(EventRow, Bytes)>> {
        self.memory.event(tenant, id, webhooks, since)
    }
    fn attempts<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        message: &'a MessageId,
        since: Timestamp,
    ) -> Answer<'a, Vec<DeliveryRow>> {
        self.memory.attempts(tenant, webhook, message, since)
    }
    fn endpoints<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
    ) -> Answer<'a, Vec<Endpoint>> {
        self.memory.endpoints(tenant, webhooks)
    }
    fn hours<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
        since: Timestamp,
    ) -> Answer<'a, Vec<Vec<HourRow>>> {
        self.memory.hours(tenant, webhooks, since)
    }
}

impl Store for Flaky {
    fn tenants(&self) -> Answer<'_, Vec<TenantId>> {
        self.memory.tenants()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, TenantRows> {
        self.memory.load(tenant)
    }

    fn commit<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: u64,
        change: WebhookChange,
    ) -> Answer<'a, u64> {
        match self.next.lock().unwrap().take() {
            Some(error) => Box::pin(std::future::ready(Err(error))),
            None => Box::pin(async move {
                let time = *self.commit_time.lock().unwrap();
                tokio::time::sleep(time).await;
                let committed = self.memory.commit(tenant, expected, change).await;
                let lost = self.lost.lock().unwrap().take();
                match lost {
                    None => committed,
                    Some(Lost::Error(error)) => Err(error),
                    Some(Lost::Panic) => panic!("a panic on request"),
                }
            }),
        }
    }

    fn changes<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: u64,
    ) -> Answer<'a, Option<Vec<(u64, WebhookChange)>>> {
        self.memory.changes(tenant, after)
    }

    fn record<'a>(&'a self, tenant: &'a TenantId, deliveries: Vec<DeliveryRow>) -> Answer<'a, ()> {
        self.memory.record(tenant, deliveries)
    }

    fn deliveries<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        query: &'a ListQuery,
        since: Timestamp,
    ) -> Answer<'a, DeliveryRows> {
        if self.hangs.load(Ordering::SeqCst) {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let waiting = Waiting(Arc::clone(&self.waiting));
            return Box::pin(async move {
                let _waiting = waiting;
                std::future::pending().await
            });
        }
        self.memory.deliveries(tenant, webhook, query, since)
    }

    fn delivery<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        id: &'a DeliveryId,
        since: Timestamp,
    ) -> Answer<'a, Option<DeliveryRow>> {
        self.memory.delivery(tenant, webhook, id, since)
    }

    fn expire(&self, before: Timestamp, unique_before: Timestamp, max: usize) -> Answer<'_, usize> {
        self.memory.expire(before, unique_before, max)
    }

    fn erase<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        self.memory.erase(tenant)
    }

    fn ping(&self) -> Answer<'_, ()> {
        match self.next.lock().unwrap().clone() {
            Some(error) => Box::pin(std::future::ready(Err(error))),
            None => self.memory.ping(),
        }
    }
}

/// A request as the receiver got it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sent {
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// A receiver that gives every attempt the same outcome and keeps the requests.
pub(super) struct Receiver {
    pub(super) outcome: Mutex<Result<u16, &'static str>>,
    pub(super) sent: Mutex<Vec<Sent>>,
}

impl Attempt for Receiver {
    fn post<'a>(&'a self, request: &'a delivery::Request) -> Attempted<'a> {
        let header = |(name, value): (&str, &axum::http::HeaderValue)| {
            (name.to_ascii_lowercase(), value.to_str().unwrap().to_owned())
        };
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let headers = request.headers().map(header).collect();
        let sent = Sent { url: request.url().to_owned(), headers, body };
        self.sent.lock().unwrap().push(sent);
        let outcome = *self.outcome.lock().unwrap();
        assert_ne!(outcome, Err("panic"), "a panic on request");
        let response = |status| Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: Default::default(),
            body: "thanks".into(),
        };
        Box::pin(std::future::ready(outcome.map(response).map_err(str::to_owned)))
    }
}

/// The API of a server without sockets.
pub(super) struct Stage {
    pub(super) router: Router,
    pub(super) service: Service,
    pub(super) store: Arc<Flaky>,
    pub(super) receiver: Arc<Receiver>,
    pub(super) desk: Arc<Desk>,
    pub(super) admin: String,
    pub(super) user: String,
    pub(super) elsewhere: String,
    /// A producer of the tenant `north`.
    pub(super) producer: String,
    /// A producer of any tenant.
    pub(super) any: String,
    folder: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: axum::http::HeaderMap,
    pub(super) body: Value,
}

impl Answered {
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.body["errors"][0]["code"]), (status, &code.into()));
        assert!(self.body["traceId"].is_string());
    }
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::over(Arc::default(), &Rules::default()).await
    }

    /// Starts a server over a store with content.
    pub(super) async fn over(store: Arc<Flaky>, rules: &Rules) -> Self {
        Self::with(store, rules, Duration::from_secs(10)).await
    }

    /// Starts a server with a time limit of a request.
    pub(super) async fn with(store: Arc<Flaky>, rules: &Rules, request_time: Duration) -> Self {
        Self::start(store, rules, request_time, 0).await
    }

    /// Starts a server with a limit of events per second.
    pub(super) async fn start(
        store: Arc<Flaky>,
        rules: &Rules,
        request_time: Duration,
        events_per_second: u32,
    ) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("hooksieve-api-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (file, ambient) = (KeysFile::new(folder.join("keys.toml")), Ambient::machine());
        let key = |tenant: &str, user: &str, role| {
            let (tenant, user) = (tenant.to_owned(), user.to_owned());
            file.add(NewKey { tenant, user, role }, &ambient).unwrap()
        };
        let admin = key("north", "admin", Role::TenantAdmin);
        let user = key("north", "user", Role::User);
        let elsewhere = key("south", "admin", Role::TenantAdmin);
        let producer = key("north", "producer", Role::Producer);
        let any = key("*", "producer", Role::Producer);
        let receiver = Arc::new(Receiver { outcome: Mutex::new(Ok(200)), sent: Mutex::default() });
        let desk = Arc::<Desk>::default();
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            rules: rules.clone(),
            keys: seal_keys(),
            ambient: ambient.clone(),
            attempt: Arc::clone(&receiver) as Arc<dyn Attempt>,
            outlet: Arc::clone(&desk) as Arc<dyn Outlet>,
            lease: Duration::from_secs(60),
            events_per_second,
            max_per_user: None,
            computing: 1,
        };
        let (service, _) = Service::start(parts).await.unwrap();
        let second = Duration::from_secs(10);
        let api = Api {
            service: service.clone(),
            keys: Arc::new(Keys::open(file.clone()).unwrap()),
            buckets: Arc::new(Buckets::new(Rates { tier1: 0, tier2: 0 })),
            ambient,
            bounds: Bounds { max_body: 2 << 20, body_time: second, request_time },
            origin: Origin::Http,
            health: Arc::new(Health::new(second, second, second)),
        };
        let router = router(api);
        Self {
            router,
            service,
            store,
            receiver,
            desk,
            admin,
            user,
            elsewhere,
            producer,
            any,
            folder,
        }
    }

    pub(super) async fn ask(
        &self,
        key: &str,
        (method, path): (&str, &str),
        body: Option<&Value>,
    ) -> Answered {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(key, (method, path), &[], body).await
    }

    /// Sends a request with headers and any body.
    pub(super) async fn send(
        &self,
        key: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answered {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"));
        let add = |request: axum::http::request::Builder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        let request = headers.iter().fold(request, add);
        let request = request.body(body.into()).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answered { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(super) async fn get(&self, path: &str) -> Answered {
        self.ask(&self.admin, ("GET", path), None).await
    }

    /// Returns the text of a response to the administrator.
    pub(super) async fn text(&self, path: &str) -> String {
        let request = Request::builder().uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.admin));
        let request = request.body(Body::empty()).unwrap();
        let body = self.router.clone().oneshot(request).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
    }

    /// Creates a webhook as the administrator and returns its path.
    pub(super) async fn create(&self, body: &Value) -> String {
        let path = "/api/v1/webhooks";
        let created = self.ask(&self.admin, ("POST", path), Some(body)).await.is(201);
        format!("{path}/{}", created["id"].as_str().unwrap())
    }
}

/// Returns the document of a webhook owned by the user.
pub(super) fn document() -> Value {
    json!({
        "name": "n", "url": "https://hooks.example.com/", "enabled": true, "level": "user",
        "ownerId": "user", "eventTypes": ["com.qlik.v1.app.created"],
    })
}
