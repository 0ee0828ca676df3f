//! Events and messages: the part of the contract that the intake and the dispatcher use.
//!
//! An accepted *event* is stored once. For each webhook that wants it there is a *message*, which is
//! sent in one or more attempts, and ends with an [`Outcome`].
//!
//! ```text
//!             ┌────────────── retry, release; or the lease ends ──────────────┐
//!             ▼                                                               │
//! accept ──▶ waiting ──claim──▶ claimed ──settle──▶ delivered │ failed │ removed │ disabled │ unsendable
//!     └─ claimed at once ────────▲                                 └── requeue ──▶ waiting
//! ```
//!
//! # Endpoints
//!
//! The *endpoint* of a webhook has the facts about its last attempts, by which the dispatcher
//! decides when to try again and when to disable the webhook. Work is claimed endpoint by endpoint,
//! those first whose oldest message has been due for longest, and a few messages of each. So the
//! messages of an endpoint that does not answer delay no other, however many they are.
//!
//! A *parked* endpoint is not claimed from until a time. After that, one message at a time is
//! claimed, as a probe, until an attempt succeeds or the webhook is changed. A change of the webhook
//! resets its endpoint: it is most likely the repair.
//!
//! # Consistency
//!
//! - `accept` is one transaction: all events of a call are stored, or none.
//! - It returns `Conflict` if a tenant has another revision than the events were matched at. So a
//!   change that was answered before an event holds for the event.
//! - Messages of webhooks that were removed end as [`Outcome::Removed`], at the latest when they are
//!   claimed; such messages are not returned.
//! - A claimed message is not claimed again until its lease ends. A store that only one process uses
//!   keeps a claim until it is opened again, and then forgets all claims.
//! - A message belongs to the webhook that existed when it was accepted: after a removal, a new
//!   webhook with the same id does not get it.

use super::{Answer, DeliveryRow};
use bytes::Bytes;
use hooksieve::delivery::{MessageId, Status};
use hooksieve::event::{EventType, TenantId};
use hooksieve::webhook::{Timestamp, WebhookId};
use std::collections::BTreeSet;
use std::time::SystemTime;

/// The id of an accepted event, unique in its tenant as long as the event is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EventId(pub(crate) Box<str>);

/// The events of a tenant that are to be accepted, with the revision at which they were matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantEvents {
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// The tenant's revision at which the events were matched.
    pub(crate) revision: u64,
    /// The events.
    pub(crate) events: Vec<NewEvent>,
}

/// An event that is to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    /// A new id, which no other event has.
    pub(crate) id: EventId,
    /// The id that the event has itself. It is used in place of the new one, unless another event of
    /// the tenant has it.
    pub(crate) own_id: Option<EventId>,
    /// A digest of the source and id. An event with the same one is a duplicate for a time.
    pub(crate) key: Option<[u8; 32]>,
    /// The type.
    pub(crate) event_type: EventType,
    /// The source; empty if there is none.
    pub(crate) source: Box<str>,
    /// The bytes of the event as they were received.
    pub(crate) body: Bytes,
    /// A message for each webhook that wants the event.
    pub(crate) messages: Vec<NewMessage>,
}

/// A message that is to be accepted with its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewMessage {
    /// A new id, which no other message has.
    pub(crate) id: MessageId,
    /// The webhook.
    pub(crate) webhook: WebhookId,
    /// Whether the caller claims the message, as if by [`Outbox::claim`].
    pub(crate) claimed: bool,
}

/// The times of an [`accept`](Outbox::accept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AcceptTimes {
    /// The time of receipt, at which the messages are due.
    pub(crate) now: Timestamp,
    /// The end of the lease of claimed messages.
    pub(crate) lease: Timestamp,
    /// An event is a duplicate of one that was received after this time.
    pub(crate) unique_since: Timestamp,
}

/// The result of an accepted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The event was stored with its messages.
    New(EventId),
    /// The event is a duplicate of the one with this id, and was not stored.
    Duplicate(EventId),
}

/// What a [`claim`](Outbox::claim) may return.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// The maximum number of messages.
    pub(crate) messages: usize,
    /// The maximum number of messages of one webhook.
    pub(crate) of_webhook: usize,
    /// Tenants from which nothing is claimed.
    pub(crate) except_tenants: BTreeSet<TenantId>,
    /// Webhooks from which nothing is claimed.
    pub(crate) except: BTreeSet<(TenantId, WebhookId)>,
}

/// A claimed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// The webhook.
    pub(crate) webhook: WebhookId,
    /// The message's id, the same for every attempt.
    pub(crate) id: MessageId,
    /// The event's id.
    pub(crate) event: EventId,
    /// The bytes of the event.
    pub(crate) body: Bytes,
    /// The number of attempts that were made.
    pub(crate) attempts: u32,
    /// The time at which the event was received.
    pub(crate) received_at: Timestamp,
}

/// The result of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// The messages, those of each webhook in the order in which they were due.
    pub(crate) messages: Vec<Message>,
    /// When the next unclaimed message outside of the exceptions is due; in the past if the room did
    /// not suffice.
    pub(crate) next: Option<Timestamp>,
}

/// What became of a claimed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// The webhook.
    pub(crate) webhook: WebhookId,
    /// The message's id.
    pub(crate) id: MessageId,
    /// What is next.
    pub(crate) next: Next,
    /// The attempt that was made; `None` if none was made. Its status decides whether the endpoint
    /// has succeeded or failed.
    pub(crate) attempt: Option<DeliveryRow>,
}

/// What is next for a settled message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is due again at a time.
    Wait(Timestamp),
    /// Nothing: it has ended.
    End(Outcome),
}

/// How a message has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// The receiver accepted it.
    Delivered,
    /// Every attempt failed, or the receiver refused it for good.
    Failed,
    /// The webhook was removed.
    Removed,
    /// The webhook was disabled.
    Disabled,
    /// No request can be made of the event.
    Unsendable,
}

/// The facts about the last attempts of a webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The number of failed attempts since the last success or change of the webhook.
    pub(crate) failures: u32,
    /// The time of the first of them.
    pub(crate) failing_since: Option<Timestamp>,
    /// The time of the last successful attempt since the last change of the webhook.
    pub(crate) last_success: Option<Timestamp>,
    /// The time until which nothing is claimed. It stays set when the time is over, until an attempt
    /// succeeds or the webhook is changed.
    pub(crate) parked_until: Option<Timestamp>,
}

impl Endpoint {
    /// Adds an attempt.
    pub(crate) fn note(&mut self, status: Status, at: Timestamp) {
        match status {
            Status::Success => *self = Self { last_success: Some(at), ..Self::default() },
            Status::Fail => {
                self.failures = self.failures.saturating_add(1);
                self.failing_since.get_or_insert(at);
            }
        }
    }
}

/// A list of events, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventQuery {
    /// The maximum number of events.
    pub(crate) limit: usize,
    /// The event after which, or before which, the page is; `None` for the first page.
    pub(crate) place: Option<EventPlace>,
    /// Only events of this type.
    pub(crate) event_type: Option<EventType>,
    /// Only events that were received at this time or later.
    pub(crate) from: Option<Timestamp>,
    /// Only events that were received before this time.
    pub(crate) to: Option<Timestamp>,
    /// Only events that no webhook wanted.
    pub(crate) unmatched: bool,
    /// Only messages of these webhooks are returned; `None` for all. Events are returned anyway.
    pub(crate) webhooks: Option<BTreeSet<WebhookId>>,
}

/// The place of an event in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventPlace {
    /// The time of receipt.
    pub(crate) received_at: Timestamp,
    /// The number of the event, which is larger than that of every event accepted before.
    pub(crate) number: u64,
    /// Whether the page is before the place, with newer events.
    pub(crate) backwards: bool,
}

/// An event as the store keeps it, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventRow {
    /// The id.
    pub(crate) id: EventId,
    /// The type.
    pub(crate) event_type: EventType,
    /// The source; empty if there is none.
    pub(crate) source: Box<str>,
    /// The time of receipt.
    pub(crate) received_at: Timestamp,
    /// The number of the event; see [`EventPlace`].
    pub(crate) number: u64,
    /// The revision at which the event was matched.
    pub(crate) revision: u64,
    /// The number of webhooks that wanted it.
    pub(crate) wanted: u64,
    /// The first [`MAX_MESSAGES`] of its messages, in the order of their webhooks' ids.
    pub(crate) messages: Vec<MessageRow>,
}

/// The maximum number of messages in an [`EventRow`].
pub(crate) const MAX_MESSAGES: usize = 100;

/// A message as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageRow {
    /// The id.
    pub(crate) id: MessageId,
    /// The webhook, which may be removed.
    pub(crate) webhook: WebhookId,
    /// The number of attempts that were made.
    pub(crate) attempts: u32,
    /// How it has ended; `None` while it is waiting or claimed.
    pub(crate) outcome: Option<Outcome>,
    /// When it is due, or was due when it was claimed; the time at which it ended if it has.
    pub(crate) at: Timestamp,
}

/// A page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventRows {
    /// The events of the page, newest first.
    pub(crate) rows: Vec<EventRow>,
    /// Whether there are events before the page, which are newer.
    pub(crate) before: bool,
    /// Whether there are events after the page, which are older.
    pub(crate) after: bool,
}

/// The numbers of attempts of a webhook in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HourRow {
    /// The number of hours from 1970 to the beginning of the hour.
    pub(crate) hour: u64,
    /// The number of attempts that succeeded.
    pub(crate) successes: u64,
    /// The number of attempts that failed.
    pub(crate) failures: u64,
}

/// Returns the number of whole hours from 1970 to a time, by which attempts are counted.
pub(crate) fn hour(time: Timestamp) -> u64 {
    let since = SystemTime::from(time).duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() / 3600)
}

/// The storage of events and their messages.
pub(crate) trait Outbox: Send + Sync + 'static {
    /// Accepts events with their messages, and returns the result of each, by tenant in order.
    ///
    /// Messages for webhooks that do not exist, which is not possible at the right revision, are
    /// ignored.
    fn accept(
        &self,
        events: Vec<TenantEvents>,
        times: AcceptTimes,
    ) -> Answer<'_, Vec<Vec<Accepted>>>;

    /// Claims messages that are due, until the end of a lease.
    fn claim(&self, now: Timestamp, lease: Timestamp, room: Room) -> Answer<'_, Claimed>;

    /// Settles claimed messages one after the other, records their attempts, and returns the endpoint
    /// after each. A message that is not claimed is ignored, but for its attempt. The attempt of a
    /// webhook that was removed is ignored, and its message does not wait but ends as removed.
    ///
    /// An attempt counts as one of the message, resets the endpoint or adds a failure to it, and is
    /// counted in its hour.
    fn settle(&self, settled: Vec<Settled>, now: Timestamp) -> Answer<'_, Vec<Endpoint>>;

    /// Claims nothing from a webhook until a time.
    fn park<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        until: Timestamp,
    ) -> Answer<'a, ()>;

    /// Makes at most `max` messages of a webhook that failed after `since` due again, as if they
    /// were new, and returns how many.
    fn requeue<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        since: Timestamp,
        max: usize,
        now: Timestamp,
    ) -> Answer<'a, usize>;

    /// Returns a page of a tenant's events that were received after `since`.
    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a EventQuery,
        since: Timestamp,
    ) -> Answer<'a, EventRows>;

    /// Returns an event with its body if it was received after `since`. Its messages are restricted
    /// to `webhooks`, unless that is `None`.
    fn event<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a EventId,
        webhooks: Option<&'a BTreeSet<WebhookId>>,
        since: Timestamp,
    ) -> Answer<'a, Option<(EventRow, Bytes)>>;

    /// Returns the attempts to send a message that were made after `since`, oldest first.
    fn attempts<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        message: &'a MessageId,
        since: Timestamp,
    ) -> Answer<'a, Vec<DeliveryRow>>;

    /// Returns the endpoints of webhooks, each the default if no attempt was made.
    fn endpoints<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
    ) -> Answer<'a, Vec<Endpoint>>;

    /// Returns the numbers of attempts of webhooks in each hour in which there were any, from the
    /// hour of `since`, oldest first.
    fn hours<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
        since: Timestamp,
    ) -> Answer<'a, Vec<Vec<HourRow>>>;
}
