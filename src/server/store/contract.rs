//! The contract between the server and its stores.
//!
//! A tenant is a sequence of revisions, as the registry has it: each change of a webhook takes the
//! next one. The store keeps the webhooks as of the last revision and the log of changes, the
//! history of deliveries, and later the events and what is due to be sent. It knows no rules, no
//! clock and no secrets: documents arrive sealed, times as arguments.
//!
//! One law holds for every backend: a program of operations gives the same answers as
//! [`memory`](super::memory), across kills and restarts.

use bytes::Bytes;
use hooksieve::delivery::{DeliveryId, ListQuery, Status};
use hooksieve::event::{EventType, TenantId};
use hooksieve::webhook::{Timestamp, WebhookId};
use std::future::Future;
use std::pin::Pin;

/// What a store operation returns; dropping it may leave the operation done or undone.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// An error of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// The disk, or the configured size, is full. Nothing was written; later writes may succeed.
    #[error("the store is full: {0}")]
    Full(String),
    /// Another change took the revision. Nothing was written: load the tenant and try again.
    #[error("the tenant is at revision {current}, not {expected}")]
    Conflict {
        /// The revision that the change expected.
        expected: u64,
        /// The tenant's revision.
        current: u64,
    },
    /// Reading or writing failed. No write is accepted until the store is opened again, since
    /// after a failed flush nobody knows what reached the disk.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The file is not a store, is damaged, or was written by a newer version.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

/// A webhook as it is kept: its id, and its sealed document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebhookRow {
    /// The webhook's id.
    pub(crate) id: WebhookId,
    /// The JSON of `Webhook::stored`, with the values of secrets sealed.
    pub(crate) document: Bytes,
}

/// A change of a tenant's webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WebhookChange {
    /// Inserts a webhook or replaces the one with its id.
    Put(WebhookRow),
    /// Removes a webhook with its deliveries.
    Remove(WebhookId),
}

/// A tenant's webhooks as of a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TenantRows {
    /// The revision of the last change; 0 if there was none.
    pub(crate) revision: u64,
    /// The webhooks, by id.
    pub(crate) webhooks: Vec<WebhookRow>,
}

/// An attempt to deliver, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeliveryRow {
    /// The delivery's id, unique in the tenant.
    pub(crate) id: DeliveryId,
    /// The webhook it was made for.
    pub(crate) webhook: WebhookId,
    /// When the request was sent.
    pub(crate) triggered_at: Timestamp,
    /// How it ended.
    pub(crate) status: Status,
    /// The type of the event as it was sent.
    pub(crate) event_type: EventType,
    /// The JSON of `Delivery::stored`, in which secrets are omitted.
    pub(crate) document: Bytes,
}

/// A page of a webhook's deliveries, in the order asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeliveryRows {
    /// The deliveries of the page.
    pub(crate) rows: Vec<DeliveryRow>,
    /// Whether there are deliveries before the page.
    pub(crate) before: bool,
    /// Whether there are deliveries after the page.
    pub(crate) after: bool,
}

/// Where the server keeps what must survive it.
///
/// Every write is durable when its answer arrives. Operations of one tenant are seen in the order
/// in which they were answered.
pub(crate) trait Store: Send + Sync + 'static {
    /// The tenants that have, or had, webhooks.
    fn tenants(&self) -> Answer<'_, Vec<TenantId>>;

    /// A tenant's webhooks; none at revision 0 for a tenant that the store does not know.
    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, TenantRows>;

    /// Makes a change at the revision after `expected`, which it returns.
    fn commit<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: u64,
        change: WebhookChange,
    ) -> Answer<'a, u64>;

    /// The changes after a revision, each with its own, in their order; `None` if the log does not
    /// reach back so far, so that the tenant must be loaded.
    fn changes<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: u64,
    ) -> Answer<'a, Option<Vec<(u64, WebhookChange)>>>;

    /// Adds deliveries to the history; those of webhooks that were removed are dropped.
    fn record<'a>(&'a self, tenant: &'a TenantId, deliveries: Vec<DeliveryRow>) -> Answer<'a, ()>;

    /// A page of a webhook's deliveries that were triggered after `since`.
    fn deliveries<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        query: &'a ListQuery,
        since: Timestamp,
    ) -> Answer<'a, DeliveryRows>;

    /// A delivery of a webhook by its id, if it was triggered after `since`.
    fn delivery<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        id: &'a DeliveryId,
        since: Timestamp,
    ) -> Answer<'a, Option<DeliveryRow>>;

    /// Removes deliveries that were triggered before a time, at most `max` of them, and returns how
    /// many were removed.
    fn expire(&self, before: Timestamp, max: usize) -> Answer<'_, usize>;

    /// Removes a tenant with everything that is kept of it.
    fn erase<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()>;

    /// Commits an empty transaction: whether the store still writes.
    fn ping(&self) -> Answer<'_, ()>;
}
