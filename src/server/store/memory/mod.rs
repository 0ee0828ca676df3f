//! The model of a store: maps under one lock, lost when the process ends.
//!
//! Every backend is compared with it, so it is simple rather than fast: a page sorts all deliveries
//! of a webhook. It decides what the contract leaves open:
//!
//! - A removal takes a revision even if the webhook does not exist.
//! - A webhook keeps its first delivery with an id; later ones with the same id are ignored.
//! - Expiry removes the oldest deliveries first, and of equally old ones those recorded first; then
//!   the oldest events; then the oldest hours; then keys in the order in which their events were
//!   accepted, up to the first one that is kept.
//! - A delivery keeps the id of its message only if its webhook has the message.
//! - Of failed messages, those that failed first are made due again first.
//! - Of endpoints whose oldest messages are due at the same time, the one of the webhook that was
//!   created first is first; of messages, the one that was accepted first.
//! - The changes after a revision that the tenant has not reached, such as one from before an
//!   erasure, are unknown, so that the tenant must be loaded.
//! - So are those after a revision that is too old, even if no webhook was removed since.

mod events;
mod outbox;

use crate::server::store::contract::outbox::{Endpoint, hour};
use crate::server::store::contract::{
    Answer, DeliveryRow, DeliveryRows, Store, StoreError, TenantRows, WebhookChange, WebhookRow,
};
use bytes::Bytes;
use hooksieve::delivery::{DeliveryId, ListQuery, Lookup, SortBy, SortKey, Status};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An in-memory store.
#[derive(Debug)]
pub(crate) struct Memory {
    /// The number of revisions of a tenant whose removals are kept.
    log: u64,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    tenants: BTreeMap<TenantId, Tenant>,
    /// The number of recorded deliveries, which is the sequence number of the next one.
    recorded: u64,
    /// The number of webhooks that were created, which is the number of the last one.
    created: u64,
    outbox: outbox::State,
}

#[derive(Clone, Debug, Default)]
struct Tenant {
    revision: u64,
    webhooks: BTreeMap<WebhookId, Webhook>,
    /// The last change of each webhook.
    changes: BTreeMap<u64, WebhookChange>,
}

#[derive(Clone, Debug, Default)]
struct Webhook {
    /// Distinguishes it from removed webhooks with the same id.
    number: u64,
    document: Bytes,
    endpoint: Endpoint,
    /// The numbers of successful and failed attempts in each hour since 1970.
    hours: BTreeMap<u64, (u64, u64)>,
    /// The deliveries with their sequence numbers.
    deliveries: BTreeMap<DeliveryId, (u64, DeliveryRow)>,
}

impl Webhook {
    fn record(&mut self, number: u64, delivery: DeliveryRow) {
        let Entry::Vacant(place) = self.deliveries.entry(delivery.id.clone()) else { return };
        let (status, at) = (delivery.status, delivery.triggered_at);
        self.endpoint.note(status, at);
        let (successes, failures) = self.hours.entry(hour(at)).or_default();
        match status {
            Status::Success => *successes += 1,
            Status::Fail => *failures += 1,
        }
        place.insert((number, delivery));
    }
}

impl Memory {
    /// Creates an empty store that keeps the removals of this number of revisions of a tenant.
    pub(crate) fn new(log: u64) -> Self {
        Self { log, state: Mutex::default() }
    }

    /// Returns a copy of the store.
    #[cfg(test)]
    pub(crate) fn fork(&self) -> Self {
        Self { log: self.log, state: Mutex::new(self.state().clone()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No operation panics while it changes the maps, so a poisoned lock protects valid maps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(
        &self,
        tenant: &TenantId,
        expected: u64,
        change: WebhookChange,
    ) -> Result<u64, StoreError> {
        let mut state = self.state();
        let current = state.tenants.get(tenant).map_or(0, |tenant| tenant.revision);
        if current != expected {
            return Err(StoreError::Conflict { expected, current });
        }
        let State { tenants, created, outbox, .. } = &mut *state;
        let tenant = tenants.entry(tenant.clone()).or_default();
        tenant.revision += 1;
        let id = match &change {
            WebhookChange::Put(row) => {
                let new = || {
                    *created += 1;
                    Webhook { number: *created, ..Webhook::default() }
                };
                let webhook = tenant.webhooks.entry(row.id.clone()).or_insert_with(new);
                webhook.document = row.document.clone();
                webhook.endpoint = Endpoint::default();
                &row.id
            }
            WebhookChange::Remove(id) => {
                if let Some(webhook) = tenant.webhooks.remove(id) {
                    outbox.remove(webhook.number);
                }
                id
            }
        };
        // Compacted: only the last change of each webhook is kept.
        tenant.changes.retain(|_, change| change.webhook() != id);
        tenant.changes.insert(tenant.revision, change);
        Ok(tenant.revision)
    }

    fn record_all(&self, tenant: &TenantId, deliveries: Vec<DeliveryRow>) {
        let mut state = self.state();
        let State { tenants, recorded, outbox, .. } = &mut *state;
        let Some(tenant) = tenants.get_mut(tenant) else { return };
        for mut delivery in deliveries {
            let Some(webhook) = tenant.webhooks.get_mut(&delivery.webhook) else { continue };
            outbox.relate(webhook.number, &mut delivery);
            *recorded += 1;
            webhook.record(*recorded, delivery);
        }
    }

    fn page(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        lookup: &Lookup<'_>,
        since: Timestamp,
    ) -> DeliveryRows {
        let state = self.state();
        let webhook = state.tenants.get(tenant).and_then(|tenant| tenant.webhooks.get(webhook));
        let all = webhook.into_iter().flat_map(|webhook| webhook.deliveries.values());
        let wanted = all.map(|(_, row)| row).filter(|row| {
            row.triggered_at > since
                && lookup.status.is_none_or(|status| status == row.status)
                && lookup.event_type.is_none_or(|name| name == row.event_type.as_str())
        });
        let mut rows: Vec<_> = wanted.cloned().collect();
        rows.sort_by(|a, b| order(lookup, a, key(lookup, b), b.id.as_str()));
        let count = |is: fn(Ordering) -> bool, key, id| {
            rows.iter().filter(|row| is(order(lookup, row, key, id))).count()
        };
        let (from, to) = match lookup.place {
            None => (0, lookup.limit),
            Some(place) if place.backwards => {
                let to = count(Ordering::is_lt, place.key, place.id);
                (to.saturating_sub(lookup.limit), to)
            }
            Some(place) => {
                let from = count(Ordering::is_le, place.key, place.id);
                (from, from + lookup.limit)
            }
        };
        let (before, after) = (from > 0, to < rows.len());
        let rows = rows.into_iter().take(to).skip(from).collect();
        DeliveryRows { rows, before, after }
    }

    fn remove_before(&self, before: Timestamp, max: usize) -> usize {
        let mut state = self.state();
        let tenants = state.tenants.values_mut();
        let mut maps: Vec<_> = tenants
            .flat_map(|tenant| tenant.webhooks.values_mut())
            .map(|webhook| &mut webhook.deliveries)
            .collect();
        let all = maps.iter().flat_map(|map| map.values());
        let old = all.filter(|(_, row)| row.triggered_at < before);
        let mut old: Vec<_> = old.map(|(place, row)| (row.triggered_at, *place)).collect();
        old.sort_unstable();
        old.truncate(max);
        for map in &mut maps {
            map.retain(|_, (place, row)| !old.contains(&(row.triggered_at, *place)));
        }
        old.len()
    }
}

fn key(lookup: &Lookup<'_>, row: &DeliveryRow) -> SortKey {
    match lookup.sort {
        SortBy::Status => SortKey::Status(row.status),
        SortBy::TriggeredAt => SortKey::TriggeredAt(row.triggered_at),
    }
}

/// Compares a row with a place in the order of the query.
fn order(lookup: &Lookup<'_>, row: &DeliveryRow, key: SortKey, id: &str) -> Ordering {
    let keys = match key {
        SortKey::Status(status) => row.status.as_str().cmp(status.as_str()),
        SortKey::TriggeredAt(time) => row.triggered_at.cmp(&time),
    };
    let keys = if lookup.descending { keys.reverse() } else { keys };
    keys.then_with(|| row.id.as_str().cmp(id))
}

fn answer<'a, T: Send + 'a>(result: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(ready(result))
}

impl Store for Memory {
    fn tenants(&self) -> Answer<'_, Vec<TenantId>> {
        answer(Ok(self.state().tenants.keys().cloned().collect()))
    }

    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, TenantRows> {
        let rows = self.state().tenants.get(tenant).map(|tenant| {
            let webhooks = tenant.webhooks.iter();
            let row = |(id, webhook): (&WebhookId, &Webhook)| WebhookRow {
                id: id.clone(),
                document: webhook.document.clone(),
            };
            TenantRows { revision: tenant.revision, webhooks: webhooks.map(row).collect() }
        });
        // An unknown tenant is one without changes.
        answer(Ok(rows.unwrap_or_default()))
    }

    fn commit<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: u64,
        change: WebhookChange,
    ) -> Answer<'a, u64> {
        answer(self.change(tenant, expected, change))
    }

    fn changes<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: u64,
    ) -> Answer<'a, Option<Vec<(u64, WebhookChange)>>> {
        let state = self.state();
        let tenant = state.tenants.get(tenant);
        let revision = tenant.map_or(0, |tenant| tenant.revision);
        // The same for every tenant at a revision, whether or not something was removed.
        let known = revision.saturating_sub(self.log)..=revision;
        let changes = tenant.into_iter().flat_map(|tenant| &tenant.changes);
        let changes = changes.filter(|(revision, _)| **revision > after);
        let changes = changes.map(|(revision, change)| (*revision, change.clone())).collect();
        answer(Ok(known.contains(&after).then_some(changes)))
    }

    fn record<'a>(&'a self, tenant: &'a TenantId, deliveries: Vec<DeliveryRow>) -> Answer<'a, ()> {
        self.record_all(tenant, deliveries);
        answer(Ok(()))
    }

    fn deliveries<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        query: &'a ListQuery,
        since: Timestamp,
    ) -> Answer<'a, DeliveryRows> {
        answer(Ok(self.page(tenant, webhook, &query.lookup(), since)))
    }

    fn delivery<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        id: &'a DeliveryId,
        since: Timestamp,
    ) -> Answer<'a, Option<DeliveryRow>> {
        let state = self.state();
        let webhook = state.tenants.get(tenant).and_then(|tenant| tenant.webhooks.get(webhook));
        let row = webhook.and_then(|webhook| webhook.deliveries.get(id)).map(|(_, row)| row);
        answer(Ok(row.filter(|row| row.triggered_at > since).cloned()))
    }

    fn expire(&self, before: Timestamp, unique_before: Timestamp, max: usize) -> Answer<'_, usize> {
        let removed = self.remove_before(before, max);
        answer(Ok(removed + self.state().expire(before, unique_before, max - removed)))
    }

    fn erase<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        let mut state = self.state();
        state.tenants.remove(tenant);
        state.outbox.erase(tenant);
        answer(Ok(()))
    }

    fn ping(&self) -> Answer<'_, ()> {
        answer(Ok(()))
    }
}
