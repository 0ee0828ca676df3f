//! The use cases of accepted events: what became of them, and why no other webhook got one.
//!
//! | caller | events | webhooks, attempts and reasons | body |
//! | --- | --- | --- | --- |
//! | tenant-admin | all of the tenant | all | yes |
//! | user | all of the tenant | those of webhooks that the user sees | if one of them wanted it or would |
//!
//! So a user learns that an event happened, and nothing of the webhooks of others. The body of an
//! event may have data that only its owner may see, so a user gets it only if a webhook of the user's
//! could: such a webhook receives only events whose owner is the user.
//!
//! An event is shown for the retention time, whether or not it was already removed from the store.

mod explain;
mod query;
mod stored;

use crate::server::keys::Role;
use crate::server::service::caller::{Area, Caller};
use crate::server::service::problem::Problem;
use crate::server::service::{Answered, Inner, Service};
use crate::server::store::contract::outbox::{EventId, EventRow, MessageRow, Outcome};
use crate::server::store::contract::{Cause, DeliveryRow};
use bytes::Bytes;
use hooksieve::delivery::{DeliveryId, Status};
use hooksieve::event::{Event, EventType};
use hooksieve::matcher::{Access, Verdict};
use hooksieve::registry::subscription;
use hooksieve::webhook::{Timestamp, WebhookId};
pub(crate) use query::EventList;
use query::Links;
pub(super) use query::Parameters;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// A page of events.
#[derive(Serialize)]
struct Page<'p> {
    data: Vec<Listed<'p>>,
    links: Links,
}

/// An event without its body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'e> {
    id: &'e str,
    #[serde(rename = "type")]
    event_type: &'e EventType,
    source: &'e str,
    received_at: Timestamp,
    revision: u64,
    /// The number of webhooks that wanted it, for callers who see all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<u64>,
    webhooks: Vec<Recipient<'e>>,
}

/// A webhook that wanted an event.
#[derive(Serialize)]
struct Recipient<'e> {
    id: &'e WebhookId,
    #[serde(flatten)]
    state: State,
    /// Only of a single event.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Vec<Attempt<'e>>>,
}

/// What became of a message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    outcome: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
}

/// An attempt to send a message, which is a delivery of the webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempt<'e> {
    id: &'e DeliveryId,
    number: u32,
    status: Status,
    cause: &'static str,
    triggered_at: Timestamp,
    duration_ms: u128,
}

/// An event with its body.
#[derive(Serialize)]
struct Whole<'e> {
    #[serde(flatten)]
    event: Listed<'e>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'e RawValue>,
}

impl From<&MessageRow> for State {
    fn from(row: &MessageRow) -> Self {
        let outcome = match row.outcome {
            None => "pending",
            Some(Outcome::Delivered) => "delivered",
            Some(Outcome::Failed) => "failed",
            Some(Outcome::Removed) => "removed",
            Some(Outcome::Disabled) => "disabled",
            Some(Outcome::Unsendable) => "unsendable",
        };
        let next_attempt_at = row.outcome.is_none().then_some(row.at);
        Self { outcome, attempts: row.attempts, next_attempt_at }
    }
}

impl<'e> From<&'e DeliveryRow> for Attempt<'e> {
    fn from(row: &'e DeliveryRow) -> Self {
        let cause = match row.attempt.cause {
            Cause::Event => "event",
            Cause::Resend(_) => "resend",
            Cause::Test => "test",
        };
        Self {
            id: &row.id,
            number: row.attempt.number,
            status: row.status,
            cause,
            triggered_at: row.triggered_at,
            duration_ms: row.attempt.duration.as_millis(),
        }
    }
}

impl<'e> Listed<'e> {
    /// Creates the form of an event. `attempts` are those of its messages, for a single event.
    fn new(caller: &Caller, row: &'e EventRow, attempts: Option<&'e [Vec<DeliveryRow>]>) -> Self {
        let recipient = |(at, message): (usize, &'e MessageRow)| {
            let attempts = attempts.and_then(|all| all.get(at));
            Recipient {
                id: &message.webhook,
                state: message.into(),
                deliveries: attempts.map(|rows| rows.iter().map(Attempt::from).collect()),
            }
        };
        Self {
            id: &row.id.0,
            event_type: &row.event_type,
            source: &row.source,
            received_at: row.received_at,
            revision: row.revision,
            wanted: sees_all(caller).then_some(row.wanted),
            webhooks: row.messages.iter().enumerate().map(recipient).collect(),
        }
    }
}

/// Returns whether a caller sees all webhooks of the tenant.
fn sees_all(caller: &Caller) -> bool {
    match caller.role {
        Role::TenantAdmin => true,
        Role::User | Role::Producer | Role::Operator => false,
    }
}

/// An event as the store keeps it.
struct Found {
    row: EventRow,
    body: Bytes,
}

impl Service {
    /// Returns a page of events as the JSON of the API's response. `path` is the path of the list.
    pub(crate) async fn events(
        &self,
        caller: &Caller,
        query: &str,
        path: String,
    ) -> Result<Answered<Vec<u8>>, Problem> {
        caller.may(Area::Events)?;
        let list = EventList::read(query).map_err(|error| Problem::Invalid(error.into()))?;
        let revision = self.0.tenant(&caller.tenant)?.state().revision;
        let mut query = list.query.clone();
        query.webhooks = self.seen(caller).await?;
        // For a user, an event that others wanted is one that none of the user's webhooks wanted. The
        // store does not select by that, so a page may have fewer events than its limit.
        let unmatched = query.unmatched && !sees_all(caller);
        query.unmatched &= !unmatched;
        let mut page = self.0.store.events(&caller.tenant, &query, self.since()).await?;
        let links = list.links(&path, &page);
        if unmatched {
            page.rows.retain(|row| row.messages.is_empty());
        }
        let data = page.rows.iter().map(|row| Listed::new(caller, row, None)).collect();
        Ok(Answered::new(json(&Page { data, links })?, revision))
    }

    /// Returns an event with its body and the attempts of its messages, as JSON.
    pub(crate) async fn event(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<Answered<Vec<u8>>, Problem> {
        let (found, revision) = self.found(caller, id).await?;
        let mut attempts = Vec::with_capacity(found.row.messages.len());
        for MessageRow { id, webhook, .. } in &found.row.messages {
            let tenant = &caller.tenant;
            attempts.push(self.0.store.attempts(tenant, webhook, id, self.since()).await?);
        }
        let caller = caller.clone();
        // A body may be as large as a request.
        self.off_thread(move |inner| {
            let event = Listed::new(&caller, &found.row, Some(&attempts));
            let body: Option<&RawValue> = match inner.may_read(&caller, &found)? {
                true => Some(serde_json::from_slice(&found.body).map_err(internal)?),
                false => None,
            };
            Ok(Answered::new(json(&Whole { event, body })?, revision))
        })
        .await
    }

    /// Returns an event of the caller's tenant, and the tenant's revision.
    async fn found(&self, caller: &Caller, id: &str) -> Result<(Found, u64), Problem> {
        caller.may(Area::Events)?;
        // First, so that the webhooks that explain the event are at least as new.
        let revision = self.0.tenant(&caller.tenant)?.state().revision;
        let (seen, id) = (self.seen(caller).await?, EventId(id.into()));
        let found = self.0.store.event(&caller.tenant, &id, seen.as_ref(), self.since()).await?;
        let (row, body) = found.ok_or(Problem::NotFound("event"))?;
        Ok((Found { row, body }, revision))
    }

    /// Returns the webhooks that the caller sees; `None` if those are all.
    async fn seen(&self, caller: &Caller) -> Result<Option<BTreeSet<WebhookId>>, Problem> {
        if sees_all(caller) {
            return Ok(None);
        }
        let caller = caller.clone();
        let seen = self.off_thread(move |inner| {
            let webhooks = inner.webhooks(&caller)?.into_iter();
            Ok(webhooks.map(|webhook| webhook.id().clone()).collect())
        });
        seen.await.map(Some)
    }
}

impl Inner {
    /// Returns whether the caller may read the body of an event.
    fn may_read(&self, caller: &Caller, found: &Found) -> Result<bool, Problem> {
        // The messages are those of webhooks that the caller sees.
        if sees_all(caller) || !found.row.messages.is_empty() {
            return Ok(true);
        }
        let event = self.read(found)?;
        let rules = self.registry.rules();
        Ok(self.webhooks(caller)?.iter().any(|webhook| {
            let subscription = subscription(webhook, &caller.tenant, rules.catalogue());
            subscription.verdict(&event, Access::EventOwner) == Verdict::Matched
        }))
    }

    /// Reads the body of an event.
    fn read<'e>(&'e self, found: &'e Found) -> Result<Event<'e>, Problem> {
        self.registry.profile().read_event(&found.body).map_err(internal)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> Problem {
    Problem::Internal(error.to_string())
}
