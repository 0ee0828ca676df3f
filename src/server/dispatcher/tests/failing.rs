//! A store whose claims and settles fail on request.

use crate::server::store::contract::outbox::*;
use crate::server::store::contract::*;
use crate::server::store::memory::Memory;
use bytes::Bytes;
use hooksieve::delivery::{DeliveryId, ListQuery, MessageId};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub(super) struct Failing {
    memory: Arc<Memory>,
    error: Mutex<Option<StoreError>>,
    /// The number of calls that failed.
    pub(super) calls: AtomicUsize,
    /// Whether settles never return.
    pub(super) hangs: AtomicBool,
    /// A webhook whose messages cannot be settled.
    pub(super) refused: Mutex<Option<WebhookId>>,
}

impl Failing {
    pub(super) fn new(memory: Arc<Memory>) -> Self {
        Self {
            memory,
            error: Mutex::default(),
            calls: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
            refused: Mutex::default(),
        }
    }

    /// Lets all claims and settles fail from now on, or none.
    pub(super) fn fail(&self, error: Option<StoreError>) {
        *self.error.lock().unwrap() = error;
    }

    fn failure<T>(&self) -> Option<Answer<'_, T>>
    where
        T: Send + 'static,
    {
        let error = self.error.lock().unwrap().clone()?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        Some(Box::pin(std::future::ready(Err(error))))
    }
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $name<'a>(&'a self, $($arg: $type),*) -> Answer<'a, $result> {
            self.memory.$name($($arg),*)
        })*
    };
}

impl Outbox for Failing {
    fn accept(
        &self,
        events: Vec<TenantEvents>,
        times: AcceptTimes,
    ) -> Answer<'_, Vec<Vec<Accepted>>> {
        self.memory.accept(events, times)
    }

    fn claim(&self, now: Timestamp, lease: Timestamp, room: Room) -> Answer<'_, Claimed> {
        self.failure().unwrap_or_else(|| self.memory.claim(now, lease, room))
    }

    fn settle(&self, settled: Vec<Settled>, now: Timestamp) -> Answer<'_, Vec<Endpoint>> {
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let refused = self.refused.lock().unwrap().clone();
        if settled.iter().any(|settled| Some(&settled.webhook) == refused.as_ref()) {
            let error = StoreError::Aborted("refused".to_owned());
            return Box::pin(std::future::ready(Err(error)));
        }
        self.failure().unwrap_or_else(|| self.memory.settle(settled, now))
    }

    forward! {
        park(tenant: &'a TenantId, webhook: &'a WebhookId, until: Timestamp) -> ();
        requeue(
            tenant: &'a TenantId, webhook: &'a WebhookId, since: Timestamp, max: usize, now: Timestamp
        ) -> usize;
        events(tenant: &'a TenantId, query: &'a EventQuery, since: Timestamp) -> EventRows;
        event(
            tenant: &'a TenantId, id: &'a EventId, webhooks: Option<&'a BTreeSet<WebhookId>>, since: Timestamp
        ) -> Option<(EventRow, Bytes)>;
        attempts(
            tenant: &'a TenantId, webhook: &'a WebhookId, message: &'a MessageId, since: Timestamp
        ) -> Vec<DeliveryRow>;
        endpoints(tenant: &'a TenantId, webhooks: &'a [WebhookId]) -> Vec<Endpoint>;
        hours(
            tenant: &'a TenantId, webhooks: &'a [WebhookId], since: Timestamp
        ) -> Vec<Vec<HourRow>>;
    }
}

impl Store for Failing {
    fn tenants(&self) -> Answer<'_, Vec<TenantId>> {
        self.memory.tenants()
    }

    fn expire(&self, before: Timestamp, unique: Timestamp, max: usize) -> Answer<'_, usize> {
        self.memory.expire(before, unique, max)
    }

    fn ping(&self) -> Answer<'_, ()> {
        self.memory.ping()
    }

    forward! {
        load(tenant: &'a TenantId) -> TenantRows;
        commit(tenant: &'a TenantId, expected: u64, change: WebhookChange) -> u64;
        changes(tenant: &'a TenantId, after: u64) -> Option<Vec<(u64, WebhookChange)>>;
        record(tenant: &'a TenantId, deliveries: Vec<DeliveryRow>) -> ();
        deliveries(
            tenant: &'a TenantId, webhook: &'a WebhookId, query: &'a ListQuery, since: Timestamp
        ) -> DeliveryRows;
        delivery(
            tenant: &'a TenantId, webhook: &'a WebhookId, id: &'a DeliveryId, since: Timestamp
        ) -> Option<DeliveryRow>;
        erase(tenant: &'a TenantId) -> ();
    }
}
