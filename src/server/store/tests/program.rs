//! Operations on a store, and their results.

use super::all;
use super::random::{TENANTS, WEBHOOKS};
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, Claimed, Endpoint, EventId, EventQuery, EventRow, EventRows, HourRow,
    NewEvent, Room, Settled, TenantEvents,
};
use crate::server::store::contract::{
    Answer, DeliveryRow, DeliveryRows, Store, StoreError, TenantRows, WebhookChange,
};
use bytes::Bytes;
use hooksieve::delivery::{DeliveryId, ListQuery, MessageId};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;

/// One operation on a store.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Tenants,
    Load(TenantId),
    /// Concurrent writes, in this order.
    Write(TenantId, Vec<Write>),
    /// The changes after a revision relative to the tenant's.
    Changes(TenantId, i64),
    Deliveries(TenantId, WebhookId, String, Timestamp),
    Delivery(TenantId, WebhookId, DeliveryId, Timestamp),
    Events(TenantId, EventQuery, Timestamp),
    Event(TenantId, EventId, Option<BTreeSet<WebhookId>>, Timestamp),
    Attempts(TenantId, WebhookId, MessageId, Timestamp),
    /// The endpoints and hours of all webhooks.
    Facts(TenantId, Timestamp),
    /// Closes the store and opens it again.
    Reopen,
}

/// A write to a tenant, or to all.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// A change at a revision relative to the tenant's before the first write.
    Commit(i64, WebhookChange),
    Record(Vec<DeliveryRow>),
    /// Events of the tenant at such a revision, and of others at theirs.
    Accept(i64, Vec<NewEvent>, Vec<(TenantId, Vec<NewEvent>)>, AcceptTimes),
    Claim(Timestamp, Room),
    Settle(Vec<Settled>, Timestamp),
    Park(WebhookId, Timestamp),
    Requeue(WebhookId, Timestamp, usize, Timestamp),
    Expire(Timestamp, Timestamp, usize),
    Erase,
    Ping,
}

/// The result of an operation, which can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Tenants(Vec<TenantId>),
    Rows(TenantRows),
    Written(Vec<Result<Written, StoreError>>),
    Changes(Option<Vec<(u64, WebhookChange)>>),
    Page(DeliveryRows),
    Delivery(Option<DeliveryRow>),
    Events(EventRows),
    Event(Option<(EventRow, Bytes)>),
    Attempts(Vec<DeliveryRow>),
    Facts(Vec<Endpoint>, Vec<Vec<HourRow>>),
    Reopened,
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// A revision or a count.
    Number(u64),
    Accepted(Vec<Vec<Accepted>>),
    Claimed(Claimed),
    Endpoints(Vec<Endpoint>),
}

impl Write {
    /// Starts the write.
    fn begin<'a>(
        &'a self,
        store: &'a dyn Store,
        tenant: &'a TenantId,
        revisions: &BTreeMap<TenantId, u64>,
    ) -> Answer<'a, Written> {
        let current = |tenant| revisions.get(tenant).copied().unwrap_or(0);
        let count = |count: usize| Written::Number(count as u64);
        let nothing = |()| Written::Number(0);
        match self {
            Self::Commit(at, change) => {
                let expected = current(tenant).saturating_add_signed(*at);
                written(store.commit(tenant, expected, change.clone()), Written::Number)
            }
            Self::Record(rows) => written(store.record(tenant, rows.clone()), nothing),
            Self::Accept(at, events, others, times) => {
                let of = |tenant: &TenantId, events: &[NewEvent], revision| TenantEvents {
                    tenant: tenant.clone(),
                    revision,
                    events: events.to_vec(),
                };
                let first = of(tenant, events, current(tenant).saturating_add_signed(*at));
                let others =
                    others.iter().map(|(tenant, events)| of(tenant, events, current(tenant)));
                let events = std::iter::once(first).chain(others).collect();
                written(store.accept(events, *times), Written::Accepted)
            }
            Self::Claim(now, room) => {
                written(store.claim(*now, *now, room.clone()), Written::Claimed)
            }
            Self::Settle(settled, now) => {
                written(store.settle(settled.clone(), *now), Written::Endpoints)
            }
            Self::Park(webhook, until) => written(store.park(tenant, webhook, *until), nothing),
            Self::Requeue(webhook, since, max, now) => {
                written(store.requeue(tenant, webhook, *since, *max, *now), count)
            }
            Self::Expire(before, unique_before, max) => {
                written(store.expire(*before, *unique_before, *max), count)
            }
            Self::Erase => written(store.erase(tenant), nothing),
            Self::Ping => written(store.ping(), nothing),
        }
    }
}

fn written<'a, T: 'a>(
    answer: Answer<'a, T>,
    write: impl FnOnce(T) -> Written + Send + 'a,
) -> Answer<'a, Written> {
    Box::pin(async move { answer.await.map(write) })
}

impl Operation {
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Write(..))
    }

    /// Returns whether the result depends on what was removed before.
    pub(super) fn expires(&self) -> bool {
        matches!(self, Self::Write(_, writes) if matches!(writes[..], [Write::Expire(..)]))
    }

    /// Returns the operations that an interrupted one may have been: any prefix of its writes.
    pub(super) fn interrupted(&self) -> Vec<Self> {
        match self {
            Self::Write(tenant, writes) => (1..=writes.len())
                .map(|count| Self::Write(tenant.clone(), writes[..count].to_vec()))
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// Returns the operations that one with failed writes may have been: any part of its writes.
    pub(super) fn partial(&self) -> Vec<Self> {
        match self {
            Self::Write(tenant, writes) => (0..1_u32 << writes.len())
                .map(|mask| {
                    let kept = (0..).zip(writes).filter(|(bit, _)| mask & (1 << bit) != 0);
                    Self::Write(tenant.clone(), kept.map(|(_, write)| write.clone()).collect())
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// Runs the operation. A conflict is a result, and any other error is an error of the store.
    pub(super) async fn run(&self, store: &dyn Store) -> Result<Outcome, StoreError> {
        Ok(match self {
            Self::Tenants => Outcome::Tenants(store.tenants().await?),
            Self::Load(tenant) => Outcome::Rows(store.load(tenant).await?),
            Self::Write(tenant, writes) => Outcome::Written(write(store, tenant, writes).await?),
            Self::Changes(tenant, at) => {
                let current = store.load(tenant).await?.revision;
                let after = current.saturating_add_signed(*at);
                Outcome::Changes(store.changes(tenant, after).await?)
            }
            Self::Deliveries(tenant, webhook, query, since) => {
                let query = ListQuery::read(query).unwrap();
                Outcome::Page(store.deliveries(tenant, webhook, &query, *since).await?)
            }
            Self::Delivery(tenant, webhook, id, since) => {
                Outcome::Delivery(store.delivery(tenant, webhook, id, *since).await?)
            }
            Self::Events(tenant, query, since) => {
                Outcome::Events(store.events(tenant, query, *since).await?)
            }
            Self::Event(tenant, id, webhooks, since) => {
                Outcome::Event(store.event(tenant, id, webhooks.as_ref(), *since).await?)
            }
            Self::Attempts(tenant, webhook, id, since) => {
                Outcome::Attempts(store.attempts(tenant, webhook, id, *since).await?)
            }
            Self::Facts(tenant, since) => {
                let ids: Vec<WebhookId> = WEBHOOKS.iter().map(|id| (*id).into()).collect();
                let endpoints = store.endpoints(tenant, &ids).await?;
                Outcome::Facts(endpoints, store.hours(tenant, &ids, *since).await?)
            }
            Self::Reopen => Outcome::Reopened,
        })
    }
}

async fn write(
    store: &dyn Store,
    tenant: &TenantId,
    writes: &[Write],
) -> Result<Vec<Result<Written, StoreError>>, StoreError> {
    let mut revisions = BTreeMap::new();
    for tenant in TENANTS.iter().map(|name| TenantId::from(*name)) {
        let revision = store.load(&tenant).await?.revision;
        revisions.insert(tenant, revision);
    }
    let begun = writes.iter().map(|write| write.begin(store, tenant, &revisions));
    let results = all(begun.collect()).await;
    for result in &results {
        match result {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.clone()),
        }
    }
    Ok(results)
}

/// The complete content of a store.
pub(super) type Everything = BTreeMap<TenantId, (TenantRows, Vec<Outcome>)>;

pub(super) async fn everything(store: &dyn Store) -> Result<Everything, StoreError> {
    let mut everything = Everything::new();
    for tenant in store.tenants().await? {
        let rows = store.load(&tenant).await?;
        let mut outcomes = Vec::new();
        for after in 0..=rows.revision {
            outcomes.push(Outcome::Changes(store.changes(&tenant, after).await?));
        }
        let since = UNIX_EPOCH.into();
        let query = ListQuery::read("limit=100").unwrap();
        for webhook in &rows.webhooks {
            let page = store.deliveries(&tenant, &webhook.id, &query, since).await?;
            assert!(!page.before && !page.after, "all deliveries fit on one page");
            outcomes.push(Outcome::Page(page));
        }
        outcomes.push(Operation::Facts(tenant.clone(), since).run(store).await?);
        let query = EventQuery { limit: usize::MAX, ..EventQuery::default() };
        let events = store.events(&tenant, &query, since).await?;
        for row in &events.rows {
            outcomes.push(Outcome::Event(store.event(&tenant, &row.id, None, since).await?));
        }
        outcomes.push(Outcome::Events(events));
        everything.insert(tenant, (rows, outcomes));
    }
    Ok(everything)
}
