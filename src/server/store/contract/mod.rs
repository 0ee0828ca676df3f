//! The contract between the server and its stores.
//!
//! A tenant is a sequence of revisions, as in the registry: each change of a webhook takes the next
//! one. The store keeps the webhooks as of the last revision, the removals of the last revisions
//! and the history of deliveries; later also the events and the pending attempts. It knows no
//! rules, clock or secrets: documents are sealed before they reach it, and times are arguments.
//!
//! ```text
//! revision   1         2         3          4            5
//! change     put a     put b     put a'     remove b     put c
//!
//! load         → revision 5: a', c
//! changes(0)   → 3: put a'   4: remove b   5: put c      the last change of each webhook
//! changes(3)   → 4: remove b   5: put c
//! ```
//!
//! The log is *compacted*: of several changes of a webhook only the last one is returned. A
//! follower that applies them in order ends at the same webhooks and the same revision, and the
//! store keeps no document that a later change has replaced or removed. The alternative, a log of
//! every document, kept sealed secrets of removed webhooks and grew with the size of each change.
//!
//! Every backend obeys one law: a random program of operations returns the same results as over
//! [`memory`](super::memory), across kills and restarts.
//!
//! | error | what was done | what the caller does |
//! | --- | --- | --- |
//! | `Full` | nothing | answers 503; later writes may fit |
//! | `Conflict` | nothing | loads the tenant again |
//! | `Aborted` | nothing, or all but emptying the log | answers 503; the caller may try again |
//! | `Failed`, `Unusable` | unknown | loads a changed tenant again; answers 503 until a restart |

pub(crate) mod outbox;

use bytes::Bytes;
use hooksieve::delivery::{DeliveryId, ListQuery, MessageId, Status};
use hooksieve::event::{EventType, TenantId};
use hooksieve::webhook::{Timestamp, WebhookId};
use outbox::Outbox;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// The result of a store operation. If the future is dropped, the operation may or may not be done.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// An error of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// The disk or the configured size is used up. Nothing was written. Later writes may succeed.
    #[error("the store is full: {0}")]
    Full(String),
    /// Another change has taken the revision. Nothing was written. Load the tenant and try again.
    #[error("the tenant is at revision {current}, expected {expected}")]
    Conflict {
        /// The revision that the change expected.
        expected: u64,
        /// The tenant's revision.
        current: u64,
    },
    /// An operation was not completed, for a reason of its own or one that passes: a value that the
    /// schema refuses, a lock of another process, a lack of memory. Other operations are not
    /// affected, and trying again is safe.
    #[error("the operation was not completed: {0}")]
    Aborted(String),
    /// A read or flush of the disk failed. All writes are refused until the store is opened again:
    /// after a failed flush it is unknown what reached the disk.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The file is not a store, is damaged, or was written by a newer version.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

/// A webhook as the store keeps it: its id and its sealed document.
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

impl WebhookChange {
    /// Returns the id of the webhook.
    pub(crate) fn webhook(&self) -> &WebhookId {
        match self {
            Self::Put(row) => &row.id,
            Self::Remove(id) => id,
        }
    }
}

/// A tenant's webhooks at a revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TenantRows {
    /// The revision of the last change; 0 if there was none.
    pub(crate) revision: u64,
    /// The webhooks, in ascending order of ids.
    pub(crate) webhooks: Vec<WebhookRow>,
}

/// A delivery as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeliveryRow {
    /// The delivery's id, unique in the tenant.
    pub(crate) id: DeliveryId,
    /// The webhook to which the request was sent.
    pub(crate) webhook: WebhookId,
    /// The time at which the request was sent.
    pub(crate) triggered_at: Timestamp,
    /// The status.
    pub(crate) status: Status,
    /// The type of the event, as in the sent body.
    pub(crate) event_type: EventType,
    /// The JSON of `Delivery::stored`, in which secrets are omitted.
    pub(crate) document: Bytes,
    /// The attempt that the delivery records.
    pub(crate) attempt: Attempt,
}

/// Which attempt a delivery records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The message that was sent; `None` if it has no event in the store.
    pub(crate) message: Option<MessageId>,
    /// The number of the attempt, counted from 1; 0 if it is unknown.
    pub(crate) number: u32,
    /// How long it took, in whole milliseconds.
    pub(crate) duration: Duration,
    /// Why it was made.
    pub(crate) cause: Cause,
}

/// Why an attempt was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An event was accepted.
    #[default]
    Event,
    /// A user asked to send this delivery again.
    Resend(DeliveryId),
    /// A user asked for a test.
    Test,
}

/// A page of a webhook's deliveries, in the order of the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeliveryRows {
    /// The deliveries of the page.
    pub(crate) rows: Vec<DeliveryRow>,
    /// Whether there are deliveries before the page.
    pub(crate) before: bool,
    /// Whether there are deliveries after the page.
    pub(crate) after: bool,
}

/// The storage of everything that must survive the process.
///
/// Every write is durable when its result arrives. Operations on one tenant take effect in the
/// order of their results.
pub(crate) trait Store: Outbox {
    /// Returns the tenants that have, or had, webhooks.
    fn tenants(&self) -> Answer<'_, Vec<TenantId>>;

    /// Returns a tenant's webhooks; none at revision 0 if the store does not know the tenant.
    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, TenantRows>;

    /// Makes a change at the revision after `expected`, and returns that revision.
    fn commit<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: u64,
        change: WebhookChange,
    ) -> Answer<'a, u64>;

    /// Returns the last change of each webhook that was changed after a revision, in the order of
    /// their revisions; `None` if the removals do not reach back that far, or if the tenant has not
    /// reached the revision, so that the tenant must be loaded.
    fn changes<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: u64,
    ) -> Answer<'a, Option<Vec<(u64, WebhookChange)>>>;

    /// Adds deliveries to the history, and counts them for the endpoints and hours of their webhooks.
    /// Deliveries of removed webhooks are ignored.
    fn record<'a>(&'a self, tenant: &'a TenantId, deliveries: Vec<DeliveryRow>) -> Answer<'a, ()>;

    /// Returns a page of a webhook's deliveries that were triggered after `since`.
    fn deliveries<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        query: &'a ListQuery,
        since: Timestamp,
    ) -> Answer<'a, DeliveryRows>;

    /// Returns a delivery of a webhook if it was triggered after `since`.
    fn delivery<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        id: &'a DeliveryId,
        since: Timestamp,
    ) -> Answer<'a, Option<DeliveryRow>>;

    /// Removes at most `max` deliveries that were triggered before a time, and returns how many rows
    /// it has removed in all.
    ///
    /// Then, within the same maximum, removes the events that were received before the time, if none
    /// of their messages waits or is claimed and none of their deliveries is left; the counts of
    /// earlier hours; and what is kept to recognize duplicates of events that were received before
    /// `unique_before`. An event is removed together with its messages, which may exceed the maximum.
    fn expire(&self, before: Timestamp, unique_before: Timestamp, max: usize) -> Answer<'_, usize>;

    /// Removes a tenant and everything that is kept for it. When the result arrives, no file of the
    /// store has its content.
    fn erase<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()>;

    /// Commits a transaction without content, to check that the store can write.
    fn ping(&self) -> Answer<'_, ()>;
}
