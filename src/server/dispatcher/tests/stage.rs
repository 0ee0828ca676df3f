//! A service and its dispatcher over the model of a store, with receivers without sockets.

use crate::server::ambient::Ambient;
use crate::server::dispatcher::health::Limits;
use crate::server::dispatcher::schedule::Schedule;
use crate::server::dispatcher::state::Capacity;
use crate::server::dispatcher::{Disabling, Dispatcher, Parts, Policy, Webhooks};
use crate::server::keys::Role;
use crate::server::service::attempt::{Attempt, Attempted};
use crate::server::service::caller::Caller;
use crate::server::service::outlet::Outlet;
use crate::server::service::{self, Service};
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, EventId, EventQuery, Message, MessageRow, NewEvent, NewMessage, Outbox,
    TenantEvents,
};
use crate::server::store::contract::{DeliveryRow, Store};
use crate::server::store::memory::Memory;
use crate::server::store::seal;
use bytes::Bytes;
use hooksieve::delivery::{MessageId, Request, Response};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Patch, Rules, Timestamp, Webhook, WebhookDocument, WebhookId};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a receiver does with a request: how long it takes, and the outcome.
pub(super) type Answer = (Duration, Result<Response, String>);

pub(super) fn status(status: u16) -> Result<Response, String> {
    Ok(Response {
        status: status.try_into().unwrap(),
        headers: Default::default(),
        body: "".into(),
    })
}

pub(super) fn later(status_code: u16, retry_after: &str) -> Result<Response, String> {
    status(status_code).map(|mut response| {
        response.headers.insert("retry-after", retry_after.parse().unwrap());
        response
    })
}

type Behaviour = dyn Fn(&Request) -> Answer + Send + Sync;

/// What happened, in its order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    Start(WebhookId, MessageId, Timestamp),
    End(WebhookId, MessageId, Timestamp),
    /// The dispatcher disables a webhook.
    Disable(WebhookId, Timestamp),
    /// A user begins to change a webhook; has changed it, and whether it is enabled now.
    Changing(WebhookId),
    Changed(WebhookId, bool),
    /// A server starts, after the one before was stopped or killed.
    Restart,
}

/// The receivers of all webhooks.
pub(super) struct Receivers {
    pub(super) log: Mutex<Vec<Entry>>,
    /// The clock of the server that runs.
    ambient: Mutex<Option<Ambient>>,
    pub(super) behaviour: Mutex<Arc<Behaviour>>,
    /// The attempts in flight by webhook, and the maximum that there ever were.
    pub(super) in_flight: Mutex<HashMap<WebhookId, (usize, usize)>>,
    pub(super) all_in_flight: AtomicUsize,
    pub(super) max_in_flight: AtomicUsize,
    /// The number of attempts that have ended, and of those that a receiver accepted.
    pub(super) ended: AtomicUsize,
    pub(super) accepted: AtomicUsize,
}

impl Default for Receivers {
    fn default() -> Self {
        Self {
            log: Mutex::default(),
            ambient: Mutex::default(),
            behaviour: Mutex::new(Arc::new(|_| (Duration::ZERO, status(204)))),
            in_flight: Mutex::default(),
            all_in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
        }
    }
}

impl Receivers {
    pub(super) fn behave(&self, behaviour: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// Logs the beginning or the end of an attempt whose message is known.
    fn log(&self, request: &Request, entry: fn(WebhookId, MessageId, Timestamp) -> Entry) {
        let now = self.ambient.lock().unwrap().as_ref().unwrap().now();
        if let Some(id) = request.header("webhook-id") {
            let id = MessageId::new(id.to_str().unwrap()).unwrap();
            let entry = entry(request.webhook().id().clone(), id, now);
            self.log.lock().unwrap().push(entry);
        }
    }

    /// Forgets what was in flight when a server was killed.
    pub(super) fn reset(&self) {
        self.in_flight.lock().unwrap().values_mut().for_each(|(now, _)| *now = 0);
        self.all_in_flight.store(0, Ordering::SeqCst);
    }

    pub(super) fn in_flight(&self, webhook: &WebhookId) -> usize {
        self.in_flight.lock().unwrap().get(webhook).map_or(0, |(now, _)| *now)
    }

    pub(super) fn max_at_once(&self) -> usize {
        let in_flight = self.in_flight.lock().unwrap();
        in_flight.values().map(|(_, max)| *max).max().unwrap_or(0)
    }
}

impl Attempt for Receivers {
    fn post<'a>(&'a self, request: &'a Request) -> Attempted<'a> {
        Box::pin(async move {
            let all = self.all_in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.max_in_flight.fetch_max(all, Ordering::SeqCst);
            let webhook = request.webhook().id();
            {
                let mut in_flight = self.in_flight.lock().unwrap();
                let (now, max) = in_flight.entry(webhook.clone()).or_default();
                *now += 1;
                *max = (*max).max(*now);
            }
            self.log(request, Entry::Start);
            let behaviour = Arc::clone(&self.behaviour.lock().unwrap());
            let (time, outcome) = behaviour(request);
            if !time.is_zero() {
                tokio::time::sleep(time).await;
            }
            self.log(request, Entry::End);
            self.in_flight.lock().unwrap().get_mut(webhook).unwrap().0 -= 1;
            self.all_in_flight.fetch_sub(1, Ordering::SeqCst);
            self.ended.fetch_add(1, Ordering::SeqCst);
            let is_accepted = outcome.as_ref().is_ok_and(|response| response.status.is_success());
            self.accepted.fetch_add(usize::from(is_accepted), Ordering::SeqCst);
            outcome
        })
    }
}

/// The webhooks of a service. Logs when the dispatcher disables them.
struct Watched {
    service: Service,
    ambient: Ambient,
    receivers: Arc<Receivers>,
}

impl Webhooks for Watched {
    fn ids(&self, tenant: &TenantId) -> Vec<WebhookId> {
        Webhooks::ids(&self.service, tenant)
    }

    fn current(&self, tenant: &TenantId, id: &WebhookId) -> Option<Arc<Webhook>> {
        Webhooks::current(&self.service, tenant, id)
    }

    fn disable(&self, tenant: TenantId, webhook: Arc<Webhook>, reason: String) -> Disabling {
        let entry = Entry::Disable(webhook.id().clone(), self.ambient.now());
        self.receivers.log.lock().unwrap().push(entry);
        Webhooks::disable(&self.service, tenant, webhook, reason)
    }
}

/// What survives a restart.
#[derive(Clone)]
pub(super) struct World {
    pub(super) store: Arc<Memory>,
    pub(super) receivers: Arc<Receivers>,
    pub(super) skew: Arc<AtomicI64>,
    pub(super) policy: Policy,
    /// The time of day at the next start, and the seed of the ids.
    pub(super) now: SystemTime,
    pub(super) seed: u64,
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn policy() -> Policy {
    let waits = [5, 60, 300, 1_800, 7_200, 21_600, 43_200];
    Policy {
        schedule: Schedule::new(waits.map(Duration::from_secs).to_vec()),
        health: Limits {
            park_after: 10,
            park_time: 60 * SECOND,
            disable_after: 20,
            disable_time: 86_400 * SECOND,
        },
        capacity: Capacity { messages: 8_192, attempts: 1_024, of_endpoint: 64, at_once: 4 },
        lease: 600 * SECOND,
    }
}

impl World {
    pub(super) fn new(policy: Policy, seed: u64) -> Self {
        Self {
            store: Arc::new(Memory::new(1_000)),
            receivers: Arc::default(),
            skew: Arc::default(),
            policy,
            // A day in 2026.
            now: UNIX_EPOCH + Duration::from_secs(1_780_000_000),
            seed,
        }
    }

    /// Runs a server on a paused clock until the future ends, and kills it.
    pub(super) fn run<T>(&mut self, script: impl AsyncFnOnce(&Stage) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        self.store.reopen();
        self.receivers.reset();
        self.receivers.log.lock().unwrap().push(Entry::Restart);
        let (result, now) = runtime.block_on(async {
            let stage = Stage::start(self).await;
            let result = script(&stage).await;
            (result, SystemTime::from(stage.ambient.now()))
        });
        // The time has the skew already.
        self.skew.store(0, Ordering::Relaxed);
        (self.now, self.seed) = (now, self.seed.wrapping_add(0x1234_5678_9abc_def1));
        result
    }
}

/// A server that runs.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) ambient: Ambient,
    pub(super) service: Service,
    pub(super) dispatcher: Dispatcher,
    pub(super) beats: Arc<AtomicUsize>,
}

impl Stage {
    async fn start(world: &World) -> Self {
        let ambient = Ambient::simulated(world.now, Arc::clone(&world.skew), world.seed);
        let store = Arc::clone(&world.store) as Arc<dyn Store>;
        Self::over(world, store, ambient).await
    }

    /// Starts a server over a store that forwards to that of the world.
    pub(super) async fn over(world: &World, store: Arc<dyn Store>, ambient: Ambient) -> Self {
        let attempt = Arc::clone(&world.receivers) as Arc<dyn Attempt>;
        Self::sending(world, store, ambient, attempt).await
    }

    /// Starts a server that sends by other means than to the receivers of the world.
    pub(super) async fn sending(
        world: &World,
        store: Arc<dyn Store>,
        ambient: Ambient,
        attempt: Arc<dyn Attempt>,
    ) -> Self {
        let rules = Rules::default();
        let dispatcher = Dispatcher::new(Parts {
            store: Arc::clone(&store),
            attempt: Arc::clone(&attempt),
            ambient: ambient.clone(),
            profile: rules.profile().clone(),
            policy: world.policy.clone(),
        });
        let parts = service::Parts {
            store,
            rules,
            keys: seal::Keys::parse(&seal::new_line(&[7; 32])).unwrap(),
            ambient: ambient.clone(),
            attempt,
            outlet: Arc::new(dispatcher.clone()),
            lease: world.policy.lease,
            events_per_second: 0,
            max_per_user: None,
            computing: 1,
        };
        let (service, _) = Service::start(parts).await.unwrap();
        let receivers = Arc::clone(&world.receivers);
        *receivers.ambient.lock().unwrap() = Some(ambient.clone());
        let watched = Watched { service: service.clone(), ambient: ambient.clone(), receivers };
        let beats = Arc::<AtomicUsize>::default();
        let (running, beat) = (dispatcher.clone(), Arc::clone(&beats));
        tokio::spawn(async move {
            let beat = move || {
                beat.fetch_add(1, Ordering::SeqCst);
            };
            running.run(Arc::new(watched), beat).await;
        });
        Self { world: world.clone(), ambient, service, dispatcher, beats }
    }

    pub(super) fn store(&self) -> &Memory {
        &self.world.store
    }

    pub(super) fn now(&self) -> Timestamp {
        self.ambient.now()
    }

    /// Creates a webhook and returns its id.
    pub(super) async fn webhook(&self, tenant: &str) -> WebhookId {
        let document = json!({
            "name": "n", "url": "https://hooks.example.com/", "enabled": true,
            "eventTypes": ["com.qlik.v1.app.created"],
            // With it, a request has the message's id.
            "secret": "0123456789abcdef0123456789abcdef",
        });
        let document = WebhookDocument::from(document);
        let created = self.service.create(admin(tenant), document).await.unwrap();
        let shown = serde_json::to_value(created.body.unwrap()).unwrap();
        shown["id"].as_str().unwrap().into()
    }

    pub(super) async fn patch(&self, tenant: &str, id: &WebhookId, path: &str, value: Value) {
        let patch = json!([{"op": "replace", "path": path, "value": value}]);
        let patch = Patch::read(&serde_json::to_vec(&patch).unwrap()).unwrap();
        self.service.patch(admin(tenant), id.clone(), patch).await.unwrap();
    }

    pub(super) async fn remove(&self, tenant: &str, id: &WebhookId) {
        self.service.remove(admin(tenant), id.clone()).await.unwrap();
    }

    pub(super) async fn shown(&self, tenant: &str, id: &WebhookId) -> Value {
        let shown = self.service.webhook(&admin(tenant), id).unwrap();
        serde_json::to_value(shown.body).unwrap()
    }

    /// Accepts an event with a message for each webhook, as the intake does, and returns the ids of
    /// the messages.
    pub(super) async fn accept(&self, tenant: &str, webhooks: &[&WebhookId]) -> Vec<MessageId> {
        self.accept_bytes(
            tenant,
            webhooks,
            br#"{"type": "com.qlik.v1.app.created", "tenantid": "t"}"#,
        )
        .await
    }

    pub(super) async fn accept_bytes(
        &self,
        tenant: &str,
        webhooks: &[&WebhookId],
        body: &[u8],
    ) -> Vec<MessageId> {
        let (tenant, body) = (TenantId::from(tenant), Bytes::copy_from_slice(body));
        let revision = self.store().load(&tenant).await.unwrap().revision;
        let mut places = Vec::new();
        let (mut messages, mut ids) = (Vec::new(), Vec::new());
        for webhook in webhooks {
            let place = self.dispatcher.reserve(&tenant, webhook, body.len());
            let id = MessageId::new(&self.ambient.id().unwrap()).unwrap();
            let (webhook, claimed) = (WebhookId::clone(webhook), place.is_some());
            messages.push(NewMessage { id: id.clone(), webhook, claimed });
            ids.push(id);
            places.push(place);
        }
        let event = NewEvent {
            id: EventId(self.ambient.id().unwrap().into()),
            own_id: None,
            key: None,
            event_type: "com.qlik.v1.app.created".into(),
            source: "".into(),
            body: body.clone(),
            messages: messages.clone(),
        };
        let now = self.now();
        let times = AcceptTimes { now, lease: now, unique_since: now };
        let events = vec![TenantEvents { tenant: tenant.clone(), revision, events: vec![event] }];
        let accepted = self.store().accept(events, times).await.unwrap();
        let Accepted::New(event) = &accepted[0][0] else { panic!("a duplicate") };
        for (place, NewMessage { id, webhook, .. }) in places.into_iter().zip(messages) {
            match place {
                Some(place) => place.hand_over(Message {
                    tenant: tenant.clone(),
                    webhook,
                    id,
                    event: event.clone(),
                    body: body.clone(),
                    attempts: 0,
                    received_at: now,
                }),
                None => self.dispatcher.wake(),
            }
        }
        ids
    }

    /// Returns the messages of a tenant.
    pub(super) async fn messages(&self, tenant: &str) -> Vec<MessageRow> {
        let query = EventQuery { limit: usize::MAX, ..EventQuery::default() };
        let since = UNIX_EPOCH.into();
        let page = self.store().events(&tenant.into(), &query, since).await.unwrap();
        page.rows.into_iter().flat_map(|event| event.messages).collect()
    }

    /// Returns the only message with an id.
    pub(super) async fn message(&self, tenant: &str, id: &MessageId) -> MessageRow {
        let all = self.messages(tenant).await;
        all.into_iter().find(|message| message.id == *id).unwrap()
    }

    /// Returns the recorded attempts of a message.
    pub(super) async fn attempts(
        &self,
        tenant: &str,
        webhook: &WebhookId,
        message: &MessageId,
    ) -> Vec<DeliveryRow> {
        let since = UNIX_EPOCH.into();
        self.store().attempts(&tenant.into(), webhook, message, since).await.unwrap()
    }
}

pub(super) fn admin(tenant: &str) -> Caller {
    let (tenant, user) = (TenantId::from(tenant), "admin".into());
    Caller { tenant, user, role: Role::TenantAdmin, key: "k".to_owned() }
}
