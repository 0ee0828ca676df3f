//! The loops over the store: one claims what is due, one settles what was sent.
//!
//! ```text
//! claim    room? ──▶ store.claim ──▶ State ──▶ attempts       until nothing is due, or no room
//!            ▲                                        │
//!            └──── room again, new messages, the time ┘
//!
//! settle   all outcomes that wait ──▶ store.settle ──▶ park, disable ──▶ room
//!            ▲                          meanwhile others arrive │
//!            └──────────────────────────────────────────────────┘
//! ```
//!
//! An error of the store ends no loop. It waits, longer each time, and tries again.

use super::health::Action;
use super::message::Done;
use super::schedule::Verdict;
use super::{Inner, Webhooks};
use crate::server::store::contract::outbox::{Claimed, Endpoint, Next};
use crate::server::store::contract::{Answer, StoreError};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, Webhook, WebhookId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;

/// The wait before an operation of the store is tried again. Each further wait is twice as long.
pub(super) const RETRY: Duration = Duration::from_millis(100);

/// The maximum of that wait.
const MAX_RETRY: Duration = Duration::from_secs(5);

/// The maximum time between two claims. The clock may be set forward meanwhile.
const POLL: Duration = Duration::from_secs(5);

/// The maximum number of outcomes that are settled at once.
const AT_ONCE: usize = 1_024;

/// The interval of the beat, and the time for which a loop may wait for the store meanwhile.
pub(in crate::server) const BEAT: Duration = Duration::from_secs(1);

/// The time for which outcomes are not settled while a webhook is disabled.
const DISABLE: Duration = Duration::from_secs(1);

/// The loops, as indexes of what they wait for.
const CLAIM: usize = 0;
const SETTLE: usize = 1;

impl Inner {
    /// Loads which endpoints are parked, before the first attempt: new messages must not pass by
    /// those that wait for a probe.
    pub(super) async fn load(&self, webhooks: &dyn Webhooks) {
        for tenant in self.tried(CLAIM, || self.parts.store.tenants()).await {
            for ids in webhooks.ids(&tenant).chunks(AT_ONCE) {
                let load = || self.parts.store.endpoints(&tenant, ids);
                let endpoints = self.tried(CLAIM, load).await;
                for (id, endpoint) in ids.iter().zip(endpoints) {
                    let Some(until) = endpoint.parked_until else { continue };
                    let released = self.state().park(&tenant, id, until);
                    self.release(released);
                }
            }
        }
    }

    /// Claims what is due whenever there is room for it.
    pub(super) async fn claim(self: &Arc<Self>) {
        loop {
            let room = self.state().room();
            if self.state().is_closed() {
                return;
            }
            let Some(room) = room else {
                self.claims.notified().await;
                continue;
            };
            let claimed = self.tried(CLAIM, || {
                let now = self.parts.ambient.now();
                let lease = SystemTime::from(now).checked_add(self.parts.policy.lease);
                self.parts.store.claim(now, lease.map_or(now, Into::into), room.clone())
            });
            let Claimed { messages, next } = claimed.await;
            let (now, is_new) = (self.parts.ambient.now(), !messages.is_empty());
            let released = self.state().claimed(messages, now);
            self.release(released);
            self.start();
            let wait = match next.map(|next| SystemTime::from(next).duration_since(now.into())) {
                // Due, and there was no room for it. Without progress, the room is waited for.
                Some(Err(_)) if is_new => continue,
                Some(Ok(wait)) => wait.min(POLL),
                Some(Err(_)) | None => POLL,
            };
            let _ = tokio::time::timeout(wait, self.claims.notified()).await;
        }
    }

    /// Settles outcomes as they arrive, until the dispatcher is closed and all are settled.
    pub(super) async fn settle(self: &Arc<Self>) {
        loop {
            let batch: Vec<Done> = {
                let mut outcomes = self.outcomes();
                let count = outcomes.len().min(AT_ONCE);
                outcomes.drain(..count).collect()
            };
            if batch.is_empty() {
                if self.state().has_ended() {
                    return;
                }
                self.settles.notified().await;
                continue;
            }
            self.settle_all(batch).await;
        }
    }

    /// Settles a batch, however long it takes.
    async fn settle_all(self: &Arc<Self>, batch: Vec<Done>) {
        let settle = || {
            let settled = batch.iter().map(|done| done.settled.clone()).collect();
            self.parts.store.settle(settled, self.parts.ambient.now())
        };
        let endpoints = match self.waits_for(SETTLE, settle()).await {
            Ok(endpoints) => endpoints,
            // One of them may be the cause. The others are settled without it.
            Err(StoreError::Aborted(error)) => {
                self.mark(SETTLE, |_| None);
                return self.settle_apart(batch, &error).await;
            }
            Err(_) => self.tried(SETTLE, settle).await,
        };
        self.judge(&batch, &endpoints).await;
        // The claims may sleep for longer than until a message is due again, or an endpoint is not
        // parked any more.
        let mut more = batch.iter().any(|done| matches!(done.settled.next, Next::Wait(_)));
        {
            let mut state = self.state();
            for done in &batch {
                let Done { settled, bytes, .. } = done;
                if done.keeps_permit() {
                    state.finished(&settled.tenant, &settled.webhook);
                }
                more |= state.settled(&settled.tenant, &settled.webhook, (&settled.id, *bytes));
            }
        }
        self.start();
        self.freed(more);
    }

    /// Settles each outcome of a batch that the store did not complete. A single one is tried again
    /// later, so that it does not keep others from being settled.
    async fn settle_apart(self: &Arc<Self>, batch: Vec<Done>, error: &str) {
        if batch.len() > 1 {
            for done in batch {
                Box::pin(self.settle_all(vec![done])).await;
            }
            return;
        }
        tracing::error!(error, "cannot settle a message; trying again");
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(MAX_RETRY).await;
            batch.into_iter().for_each(|done| inner.settled(done));
        });
    }

    /// Wakes what waits for room, or for the end.
    pub(super) fn freed(&self, more: bool) {
        if more {
            self.claims.notify_one();
        }
        let state = self.state();
        if state.is_empty() {
            self.empty.notify_waiters();
        }
        if state.has_ended() {
            self.settles.notify_one();
        }
    }

    /// Parks endpoints and disables webhooks by the outcomes of a batch.
    async fn judge(self: &Arc<Self>, batch: &[Done], endpoints: &[Endpoint]) {
        let now = self.parts.ambient.now();
        // The last outcome of an endpoint counts: its facts include those before.
        let mut actions = HashMap::new();
        // At once, so that the store makes few transactions of all of them.
        let mut tasks = JoinSet::new();
        for (Done { settled, judged, webhook, .. }, endpoint) in batch.iter().zip(endpoints) {
            let (Some((number, verdict)), Some(webhook)) = (*judged, webhook) else { continue };
            // What an earlier form of the webhook has caused does not concern the present one.
            if !self.is_current(&settled.tenant, webhook) {
                continue;
            }
            let step = self.parts.policy.schedule.step(number);
            let action = self.parts.policy.health.action(endpoint, verdict, step, now);
            let key = (&settled.tenant, &settled.webhook);
            match action {
                // A later success of another message does not make up for it.
                Action::Disable(reason) => {
                    let (inner, tenant) = (Arc::clone(self), settled.tenant.clone());
                    let webhook = Arc::clone(webhook);
                    tasks.spawn(async move { inner.disable(&tenant, webhook, reason).await });
                }
                action => drop(actions.insert(key, action)),
            }
        }
        for ((tenant, webhook), action) in actions {
            match action {
                Action::Park(until) => {
                    let (inner, tenant) = (Arc::clone(self), tenant.clone());
                    let webhook = webhook.clone();
                    tasks.spawn(async move { inner.park(&tenant, &webhook, until).await });
                }
                _ => self.state().unpark(tenant, webhook),
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Returns whether a webhook is still the one that was sent to.
    fn is_current(&self, tenant: &TenantId, webhook: &Arc<Webhook>) -> bool {
        let webhooks = self.webhooks().clone();
        let current = webhooks.and_then(|webhooks| webhooks.current(tenant, webhook.id()));
        current.is_some_and(|current| Arc::ptr_eq(&current, webhook))
    }

    async fn park(&self, tenant: &TenantId, webhook: &WebhookId, until: Timestamp) {
        // Here first: what the store returns until it knows is released again.
        let released = self.state().park(tenant, webhook, until);
        self.release(released);
        self.tried(SETTLE, || self.parts.store.park(tenant, webhook, until)).await;
        let (tenant, webhook) = (tenant.as_str(), webhook.as_str());
        tracing::info!(tenant, webhook, %until, "parked an endpoint that fails");
    }

    /// Disables a webhook, and waits for it: nothing more is sent meanwhile. The wait is limited, since
    /// other changes of the tenant may be made first, and the other outcomes are to be settled.
    async fn disable(&self, tenant: &TenantId, webhook: Arc<Webhook>, reason: String) {
        let webhooks = self.webhooks().clone();
        let Some(webhooks) = webhooks else { return };
        let disabling = webhooks.disable(tenant.clone(), Arc::clone(&webhook), reason);
        let (tenant, webhook) = (tenant.clone(), webhook.id().clone());
        let task = tokio::spawn(async move {
            if let Err(error) = disabling.await {
                // The next failure tries again.
                let (tenant, webhook) = (tenant.as_str(), webhook.as_str());
                tracing::error!(tenant, webhook, error, "cannot disable a webhook");
            }
        });
        let _ = tokio::time::timeout(DISABLE, task).await;
    }

    /// Judges an endpoint after an attempt that was recorded by another part.
    pub(super) async fn judge_recorded(
        self: Arc<Self>,
        tenant: TenantId,
        webhook: WebhookId,
        gone: bool,
    ) {
        let ids = [webhook];
        let endpoints = self.parts.store.endpoints(&tenant, &ids).await;
        let [webhook] = &ids;
        let endpoint = match endpoints {
            Ok(endpoints) => endpoints.first().copied().unwrap_or_default(),
            Err(error) => {
                let (tenant, webhook) = (tenant.as_str(), webhook.as_str());
                return tracing::error!(tenant, webhook, %error, "cannot judge an endpoint");
            }
        };
        let verdict = match (gone, endpoint.failures) {
            (true, _) => Verdict::Gone,
            (false, 0) => Verdict::Delivered,
            (false, _) => Verdict::Failed { retry_after: None },
        };
        let step = self.parts.policy.schedule.step(1);
        match self.parts.policy.health.action(&endpoint, verdict, step, self.parts.ambient.now()) {
            Action::Disable(reason) => {
                let webhooks = self.webhooks().clone();
                let current = webhooks.and_then(|webhooks| webhooks.current(&tenant, webhook));
                if let Some(webhook) = current {
                    self.disable(&tenant, webhook, reason).await;
                }
            }
            Action::Park(_) => {}
            Action::None => {
                self.state().unpark(&tenant, webhook);
                self.claims.notify_one();
            }
        }
    }

    /// Runs an operation of the store until it succeeds.
    async fn tried<'a, T>(&self, of: usize, operation: impl Fn() -> Answer<'a, T>) -> T {
        let mut wait = RETRY;
        loop {
            match self.waits_for(of, operation()).await {
                Ok(result) => return result,
                Err(error) => tracing::error!(%error, "cannot use the store; trying again"),
            }
            tokio::time::sleep(wait).await;
            wait = MAX_RETRY.min(wait * 2);
        }
    }

    /// Waits for an operation of the store. Until it succeeds, its loop makes no progress.
    async fn waits_for<T>(&self, of: usize, operation: Answer<'_, T>) -> Result<T, StoreError> {
        let now = self.parts.ambient.since_start();
        self.mark(of, |since| Some(since.unwrap_or(now)));
        let result = operation.await;
        if result.is_ok() {
            self.mark(of, |_| None);
        }
        result
    }

    fn mark(&self, of: usize, change: impl Fn(Option<Duration>) -> Option<Duration>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = waiting.get_mut(of) {
            *since = change(*since);
        }
    }

    /// Calls `beat` once a second, unless a loop has been waiting for the store for longer. Ends
    /// with the dispatcher.
    pub(super) async fn beat(&self, beat: impl Fn() + Send) {
        let mut ticks = tokio::time::interval(BEAT);
        loop {
            ticks.tick().await;
            let now = self.parts.ambient.since_start();
            let waiting = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let is_stuck = |since: Duration| now.saturating_sub(since) > BEAT;
            if !waiting.into_iter().flatten().any(is_stuck) {
                beat();
            }
            if self.state().has_ended() {
                return;
            }
        }
    }
}
