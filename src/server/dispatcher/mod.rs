//! Sends messages to receivers: decides when, how often and how many at once.
//!
//! ```text
//!  intake ── hand_over ──▶ ┌───────┐ next ──▶ attempt: request, post, verdict ──┐
//!                          │ State │                                            │
//!  store ─── claim ──────▶ └───────┘ ◀── finished: the permit is free ── success ┤
//!    ▲                         ▲                                                ▼
//!    │                         └── settled: permit and room free ◀─ settle ◀─ outcomes
//!    └──────────────────────── one call for all outcomes that wait ◀──┘
//! ```
//!
//! | file | what it decides |
//! | --- | --- |
//! | `state` | which messages are in memory, and which is next: permits, fairness, parked endpoints |
//! | `schedule` | what an outcome means, and when the message is due again |
//! | `health` | when an endpoint is parked and a webhook disabled |
//! | `message` | what is sent of a message, and what becomes of it |
//! | `work` | the loops over the store: claims, settles |
//! | `attempt` | one request over the network |
//!
//! Only the last two wait for anything. The rest are functions and a state machine.
//!
//! # What is lost, and what is sent again
//!
//! A message is in the store until it is settled, so nothing is lost: what is in memory when the
//! process ends is due again at the next start. A message whose attempt has ended and is not
//! settled by then is sent again, with the same id. At a stop, the attempts in flight end and are
//! settled; what waits is released. So a clean stop causes no duplicates.
//!
//! # When the store fails
//!
//! The loops wait and try the same again, and outcomes stay in memory until they are settled. What
//! is held is bounded, so that no new attempts begin then. The dispatcher shows no progress, and
//! `/readyz` fails.

pub(crate) mod attempt;
pub(crate) mod health;
mod message;
pub(crate) mod schedule;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod work;

use crate::server::ambient::Ambient;
use crate::server::service::attempt::Attempt;
use crate::server::service::outlet::{Outlet, Place};
use crate::server::store::contract::Store;
use crate::server::store::contract::outbox::Message;
use hooksieve::event::TenantId;
use hooksieve::filter::Profile;
use hooksieve::webhook::{Webhook, WebhookId};
use message::Done;
use schedule::Schedule;
use state::{Capacity, State};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The result of [`Webhooks::disable`]: nothing, or what to log.
pub(crate) type Disabling = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The webhooks, as the dispatcher needs them.
pub(crate) trait Webhooks: Send + Sync + 'static {
    /// Returns the ids of a tenant's webhooks.
    fn ids(&self, tenant: &TenantId) -> Vec<WebhookId>;

    /// Returns a webhook as it is now; `None` if it does not exist.
    fn current(&self, tenant: &TenantId, id: &WebhookId) -> Option<Arc<Webhook>>;

    /// Disables a webhook for a reason, unless it was removed or changed since.
    fn disable(&self, tenant: TenantId, webhook: Arc<Webhook>, reason: String) -> Disabling;
}

/// The numbers by which the dispatcher decides.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// The waits between attempts.
    pub(crate) schedule: Schedule,
    /// When endpoints are parked and webhooks disabled.
    pub(crate) health: health::Limits,
    /// What is held and sent at once.
    pub(crate) capacity: Capacity,
    /// The time for which a message is claimed.
    pub(crate) lease: Duration,
}

/// What the dispatcher depends on.
pub(crate) struct Parts {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// The sender of attempts.
    pub(crate) attempt: Arc<dyn Attempt>,
    /// The clock and the source of random bytes.
    pub(crate) ambient: Ambient,
    /// The profile by which events are read.
    pub(crate) profile: Profile,
    /// The numbers.
    pub(crate) policy: Policy,
}

/// The dispatcher. Clones share state.
#[derive(Clone)]
pub(crate) struct Dispatcher(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// The service while the dispatcher runs. It hands messages over to the dispatcher, so that each
    /// would keep the other, and the store, in memory afterwards.
    webhooks: Mutex<Option<Arc<dyn Webhooks>>>,
    state: Mutex<State>,
    /// The outcomes that are not settled yet.
    outcomes: Mutex<Vec<Done>>,
    /// There may be something to claim.
    claims: Notify,
    /// There are outcomes.
    settles: Notify,
    /// Nothing is held any more.
    empty: Notify,
    /// Since when each of the loops waits for the store.
    waiting: Mutex<[Option<Duration>; 2]>,
}

impl Dispatcher {
    /// Creates a dispatcher, which sends nothing until [`run`](Self::run).
    pub(crate) fn new(parts: Parts) -> Self {
        let state = Mutex::new(State::new(parts.policy.capacity));
        Self(Arc::new(Inner {
            parts,
            webhooks: Mutex::default(),
            state,
            outcomes: Mutex::default(),
            claims: Notify::new(),
            settles: Notify::new(),
            empty: Notify::new(),
            waiting: Mutex::default(),
        }))
    }

    /// Sends messages until the future is dropped, or [`stop`](Self::stop) and all are settled. Calls
    /// `beat` once a second while it makes progress.
    pub(crate) async fn run(&self, webhooks: Arc<dyn Webhooks>, beat: impl Fn() + Send) {
        let _running = Running(&self.0);
        let work = async {
            self.0.load(&*webhooks).await;
            *self.0.webhooks() = Some(webhooks);
            self.0.start();
            tokio::join!(self.0.claim(), self.0.settle());
        };
        // In one task: if one of them panics, none beats any more.
        tokio::join!(work, self.0.beat(beat));
    }

    /// Begins no attempt any more, and releases the messages that wait.
    pub(crate) fn stop(&self) {
        let released = self.0.state().close();
        self.0.release(released);
        self.0.claims.notify_one();
        self.0.settles.notify_one();
    }

    /// Waits until nothing is held: every attempt has ended and is settled.
    pub(crate) async fn idle(&self) {
        loop {
            // Before the check, so that a change between the two is noticed.
            let emptied = self.0.empty.notified();
            if self.0.state().is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

/// Lets go of the webhooks when the dispatcher ends, also if its future is dropped.
struct Running<'d>(&'d Inner);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let webhooks = self.0.webhooks().take();
        // Not while the lock is held: it may be the last reference.
        drop(webhooks);
    }
}

impl Inner {
    fn webhooks(&self) -> MutexGuard<'_, Option<Arc<dyn Webhooks>>> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No method of the state panics, so a poisoned lock protects a valid one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outcomes(&self) -> MutexGuard<'_, Vec<Done>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the attempts for which there are permits.
    fn start(self: &Arc<Self>) {
        let webhooks = self.webhooks().clone();
        let Some(webhooks) = webhooks else { return };
        loop {
            let next = self.state().next();
            let Some(message) = next else { return };
            tokio::spawn(message::send(Arc::clone(self), Arc::clone(&webhooks), message));
        }
    }

    /// Queues an outcome to be settled.
    fn settled(&self, done: Done) {
        self.outcomes().push(done);
        self.settles.notify_one();
    }

    /// Returns messages to the store, due at once.
    fn release(&self, messages: Vec<Message>) {
        let now = self.parts.ambient.now();
        for message in messages {
            self.settled(Done::released(message, now));
        }
    }
}

/// Room for a message in memory.
struct Reserved {
    dispatcher: Arc<Inner>,
    tenant: TenantId,
    webhook: WebhookId,
    bytes: usize,
    is_used: bool,
}

impl Place for Reserved {
    fn hand_over(mut self: Box<Self>, message: Message) {
        self.is_used = true;
        // The room is returned by what the message says.
        debug_assert_eq!(
            (&self.tenant, &self.webhook, self.bytes),
            (&message.tenant, &message.webhook, message.body.len()),
        );
        let released = self.dispatcher.state().hand_over(message);
        self.dispatcher.release(released.into_iter().collect());
        self.dispatcher.start();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.is_used {
            let more = self.dispatcher.state().unreserve(&self.tenant, &self.webhook, self.bytes);
            self.dispatcher.freed(more);
        }
    }
}

impl Outlet for Dispatcher {
    fn reserve(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        bytes: usize,
    ) -> Option<Box<dyn Place>> {
        if !self.0.state().reserve(tenant, webhook, bytes) {
            return None;
        }
        let (tenant, webhook) = (tenant.clone(), webhook.clone());
        let dispatcher = Arc::clone(&self.0);
        Some(Box::new(Reserved { dispatcher, tenant, webhook, bytes, is_used: false }))
    }

    fn wake(&self) {
        self.0.claims.notify_one();
    }

    fn changed(&self, tenant: &TenantId, webhook: &WebhookId) {
        self.0.state().unpark(tenant, webhook);
        // What was parked in the store is due now.
        self.wake();
    }

    fn recorded(&self, tenant: &TenantId, webhook: &WebhookId, gone: bool) {
        let (inner, tenant, webhook) = (Arc::clone(&self.0), tenant.clone(), webhook.clone());
        tokio::spawn(async move { inner.judge_recorded(tenant, webhook, gone).await });
    }
}
