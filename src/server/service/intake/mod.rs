//! The use case of producers: accept events.
//!
//! ```text
//! body ──▶ lane ──▶ events ──▶ rate ──▶ task: ids, places ──▶ store.accept ──▶ hand over ──▶ receipts
//!          503     400 each    429      │                      503   │
//!                  or all               └──── match again ◀── conflict
//! ```
//!
//! What is answered with a receipt is on the disk: the events of a request and their messages are
//! one commit. So a request that is refused as a whole left nothing, and may be sent again.
//!
//! # Changes of webhooks
//!
//! An event is matched in memory, without a lock, and the store refuses the commit if a webhook of
//! the tenant was changed in between. Then the events are matched again while the tenant's lock is
//! held, so that no change can come between a second time. A change that was answered before an
//! event was sent therefore holds for the event, and a tenant whose webhooks change all the time
//! does not keep its events waiting.

mod lanes;
mod place;
mod reader;
mod submission;

use crate::server::ambient::Ambient;
use crate::server::limits::EventRate;
use crate::server::service::Service;
use crate::server::service::caller::{Area, Caller};
use crate::server::service::outlet::Place;
use crate::server::service::problem::Problem;
use crate::server::store::contract::StoreError;
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, EventId, Message, NewEvent, NewMessage, TenantEvents,
};
use hooksieve::delivery::MessageId;
use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::TenantId;
use hooksieve::registry::Registry;
use hooksieve::webhook::Timestamp;
use lanes::{Entered, Lanes};
use reader::{Incoming, Reader};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
pub(crate) use submission::{Binary, Form, Submission};

/// The tenant of a producer's key that may send the events of any tenant.
const ANY_TENANT: &str = "*";

/// The number of times that events are matched and committed while the tenants are locked. Only
/// another process can then change a tenant.
const TRIES: usize = 3;

/// What became of an event of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It was accepted.
    Accepted {
        /// Its id.
        id: EventId,
        /// The number of webhooks that want it.
        webhooks: usize,
        /// The tenant's revision at which it was matched.
        revision: u64,
    },
    /// It is a duplicate of the event with this id.
    Duplicate(EventId),
    /// It was refused.
    Refused(Diagnostic),
}

impl Receipt {
    /// Returns why the event was refused, if it was.
    pub(crate) fn error(&self) -> Option<&Diagnostic> {
        match self {
            Self::Refused(error) => Some(error),
            Self::Accepted { .. } | Self::Duplicate(_) => None,
        }
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut receipt = serializer.serialize_map(None)?;
        match self {
            Self::Accepted { id, webhooks, revision } => {
                receipt.serialize_entry("id", &id.0)?;
                receipt.serialize_entry("webhooks", webhooks)?;
                receipt.serialize_entry("revision", revision)?;
            }
            Self::Duplicate(id) => {
                receipt.serialize_entry("id", &id.0)?;
                receipt.serialize_entry("duplicate", &true)?;
            }
            Self::Refused(error) => receipt.serialize_entry("error", error)?,
        }
        receipt.end()
    }
}

/// The state of the intake.
pub(super) struct Intake {
    lanes: Lanes,
    reader: Reader,
    rate: EventRate,
    /// The time for which a message that is handed over is claimed.
    lease: Duration,
}

impl Intake {
    /// Creates an intake that reads at most `reading` large bodies at once, and accepts a number of
    /// events per second and tenant; 0 is no limit.
    pub(super) fn new(
        registry: Registry,
        reading: usize,
        lease: Duration,
        per_second: u32,
    ) -> Self {
        let (lanes, reader) = (Lanes::default(), Reader::new(registry, reading));
        Self { lanes, reader, rate: EventRate::new(per_second), lease }
    }

    /// Waits until a request of a tenant may go on.
    async fn enter(&self, tenant: &TenantId, bytes: usize) -> Result<Entered, Problem> {
        self.lanes.enter(tenant, bytes).await.map_err(|_| Problem::Busy)
    }

    /// Waits until the events of each tenant may go on.
    async fn enter_all(&self, events: &[Incoming]) -> Result<Vec<Entered>, Problem> {
        let mut entered = Vec::new();
        // In the order of the names, as every request does that enters several lanes.
        for (tenant, of) in by_tenant(events) {
            let bytes = of.iter().map(|(_, event)| event.body.len()).sum();
            entered.push(self.enter(tenant, bytes).await?);
        }
        Ok(entered)
    }
}

impl Service {
    /// Accepts the events of a request: commits them with a message for each webhook that wants
    /// one, and returns a receipt for each event in order.
    ///
    /// # Errors
    ///
    /// After an error, nothing was accepted, except that the outcome of a failed commit is unknown.
    pub(crate) async fn accept(
        &self,
        caller: &Caller,
        submission: Submission,
    ) -> Result<Vec<Receipt>, Problem> {
        caller.may(Area::Intake)?;
        let intake = &self.0.intake;
        let is_any = caller.tenant.as_str() == ANY_TENANT;
        let entered = intake.enter(&caller.tenant, submission.body.len()).await?;
        let only = (!is_any).then(|| caller.tenant.clone());
        let read = intake.reader.read(submission, only).await?;
        let mut places = Vec::with_capacity(read.len());
        let mut events = Vec::with_capacity(read.len());
        for result in read {
            places.push(result.map(|event| events.push(event)));
        }
        let entered = match is_any {
            false => vec![entered],
            // From the lane of the key to those of the events, so that a tenant does not wait for
            // another one that has the same producer.
            true => {
                drop(entered);
                intake.enter_all(&events).await?
            }
        };
        let counts = by_tenant(&events).into_iter().map(|(tenant, of)| (tenant, of.len()));
        let counts: Vec<_> = counts.collect();
        let taken = intake.rate.take(&counts, self.0.ambient.since_start());
        taken.map_err(Problem::TooManyEvents)?;
        if events.is_empty() {
            return Ok(receipts(places, Vec::new()));
        }
        let service = self.clone();
        // A task of its own: what was committed must be handed over, even if the producer is gone.
        let committed = self.0.tasks.spawn(async move {
            let _entered = entered;
            service.accept_events(events).await
        });
        let committed = committed.await.map_err(|error| Problem::Internal(error.to_string()))?;
        Ok(receipts(places, committed?))
    }
}

/// Puts the receipts of accepted events among those of refused ones.
fn receipts(places: Vec<Result<(), Diagnostic>>, accepted: Vec<Receipt>) -> Vec<Receipt> {
    let mut accepted = accepted.into_iter();
    let next = |place| match place {
        Ok(()) => accepted.next(),
        Err(error) => Some(Receipt::Refused(error)),
    };
    places.into_iter().filter_map(next).collect()
}

/// Groups events by tenant, each with its position.
fn by_tenant(events: &[Incoming]) -> BTreeMap<&TenantId, Vec<(usize, &Incoming)>> {
    let mut tenants: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        tenants.entry(&event.tenant).or_default().push((at, event));
    }
    tenants
}

impl Service {
    /// Commits events, matching them again if webhooks were changed since.
    async fn accept_events(&self, mut events: Vec<Incoming>) -> Result<Vec<Receipt>, Problem> {
        match self.commit_events(&events).await {
            Err(Problem::Store(StoreError::Conflict { .. })) => {}
            committed => return committed,
        }
        let ids: Vec<TenantId> = by_tenant(&events).into_keys().cloned().collect();
        let tenants: Result<Vec<_>, _> = ids.iter().map(|id| self.0.tenant(id)).collect();
        let tenants = tenants?;
        // In the order of their names, as every request does that locks several.
        let mut turns = Vec::with_capacity(tenants.len());
        for tenant in &tenants {
            turns.push((tenant, tenant.turn.lock().await));
        }
        let mut tries = 0;
        loop {
            for (tenant, turn) in &mut turns {
                self.0.follow(tenant, turn).await?;
            }
            events = self.0.intake.reader.rematch(events).await?;
            tries += 1;
            match self.commit_events(&events).await {
                Err(Problem::Store(StoreError::Conflict { .. })) if tries < TRIES => {}
                committed => return committed,
            }
        }
    }

    /// Commits events at the revisions at which they were matched, and hands their messages over.
    async fn commit_events(&self, events: &[Incoming]) -> Result<Vec<Receipt>, Problem> {
        let Batch { tenants, reserved, waits } = self.batch(events)?;
        let now = self.0.ambient.now();
        let lease =
            SystemTime::from(now).checked_add(self.0.intake.lease).map_or(now, Timestamp::from);
        let times = AcceptTimes { now, lease, unique_since: self.unique_since() };
        let accepted = self.0.store.accept(tenants, times).await?;
        if waits {
            self.0.outlet.wake();
        }
        let mut receipts = vec![None; events.len()];
        for (accepted, Reserved { at, event, places }) in
            accepted.into_iter().flatten().zip(reserved)
        {
            if let Some(receipt) = receipts.get_mut(at) {
                *receipt = Some(finish(event, accepted, places, now));
            }
        }
        Ok(receipts.into_iter().flatten().collect())
    }

    /// Makes what is committed of events.
    fn batch<'e>(&self, events: &'e [Incoming]) -> Result<Batch<'e>, Problem> {
        let (tenants, reserved) = (Vec::new(), Vec::with_capacity(events.len()));
        let mut batch = Batch { tenants, reserved, waits: false };
        for (tenant, of) in by_tenant(events) {
            let current = of.iter().map(|(_, event)| event.revision).max().unwrap_or(0);
            // The tenant was changed after the first of its events was matched.
            if let Some((_, old)) = of.iter().find(|(_, event)| event.revision != current) {
                return Err(StoreError::Conflict { expected: old.revision, current }.into());
            }
            let mut list = Vec::with_capacity(of.len());
            for (at, event) in of {
                let (new, places) = self.new_event(event)?;
                batch.waits |= places.len() < new.messages.len();
                batch.reserved.push(Reserved { at, event, places });
                list.push(new);
            }
            let tenant = tenant.clone();
            batch.tenants.push(TenantEvents { tenant, revision: current, events: list });
        }
        Ok(batch)
    }

    /// Makes the new event with its messages, and reserves places for those that can be sent now.
    fn new_event(&self, event: &Incoming) -> Result<(NewEvent, Vec<Reservation>), Problem> {
        let (mut messages, mut places) = (Vec::with_capacity(event.webhooks.len()), Vec::new());
        for webhook in &event.webhooks {
            let id = message_id(&self.0.ambient)?;
            let place = self.0.outlet.reserve(&event.tenant, webhook, event.body.len());
            let message = NewMessage { id, webhook: webhook.clone(), claimed: place.is_some() };
            places.extend(place.map(|place| (place, message.clone())));
            messages.push(message);
        }
        let new = NewEvent {
            id: EventId(self.0.ambient.id()?.into()),
            own_id: event.own_id.clone(),
            key: event.key,
            event_type: event.event_type.clone(),
            source: event.source.clone(),
            body: event.body.clone(),
            messages,
        };
        Ok((new, places))
    }
}

/// A place in the dispatcher, and the message for which it was reserved.
type Reservation = (Box<dyn Place>, NewMessage);

/// What is committed of a request.
struct Batch<'e> {
    tenants: Vec<TenantEvents>,
    /// For each event, in the order of `tenants`.
    reserved: Vec<Reserved<'e>>,
    /// Whether any message has no place, and so waits in the store.
    waits: bool,
}

/// An event with its position in the request, and the places for its messages.
struct Reserved<'e> {
    at: usize,
    event: &'e Incoming,
    places: Vec<Reservation>,
}

fn message_id(ambient: &Ambient) -> Result<MessageId, Problem> {
    let id = MessageId::new(&ambient.id()?);
    id.map_err(|error| Problem::Internal(error.to_string()))
}

/// Hands the messages of an accepted event over, and returns the receipt.
fn finish(
    event: &Incoming,
    accepted: Accepted,
    places: Vec<Reservation>,
    received_at: Timestamp,
) -> Receipt {
    let id = match accepted {
        Accepted::New(id) => id,
        // The places are free again.
        Accepted::Duplicate(id) => return Receipt::Duplicate(id),
    };
    for (place, message) in places {
        place.hand_over(Message {
            tenant: event.tenant.clone(),
            webhook: message.webhook,
            id: message.id,
            event: id.clone(),
            body: event.body.clone(),
            attempts: 0,
            received_at,
        });
    }
    Receipt::Accepted { id, webhooks: event.webhooks.len(), revision: event.revision }
}
