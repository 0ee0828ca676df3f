//! Which messages are held in memory, and which of them is sent next.
//!
//! This is a state machine without clock, store or network, so that its rules can be tested without
//! them: what arrives is an argument, and what is to be done is returned.
//!
//! ```text
//!  reserve, hand_over ─┐                  next                  finished            settled
//!                      ├──▶ waiting ─────────────▶ in flight ─────────────▶ settling ──────▶ gone
//!  room, claimed ──────┘       └── park, close: released ────────────────────▲
//!                      ◀─────────────────────── held ──────────────────────────────▶
//! ```
//!
//! # Who may hold how much
//!
//! | | messages in memory | attempts in flight |
//! | --- | --- | --- |
//! | all together | `messages` | `attempts` |
//! | a tenant | as many as are still free | as many as are still free |
//! | an endpoint | `of_endpoint` | `at_once` |
//!
//! The limit of a tenant is a *dynamic threshold* (Choudhury and Hahne, 1998): a single tenant gets
//! half of the room, two get a third each, and there is always room for one that comes next. A
//! fixed share would be too small for a single tenant or too large for many. What a tenant holds
//! cannot keep another from being served, and an endpoint that hangs holds its own permits only.
//!
//! Attempts begin round-robin by tenant, and within a tenant by endpoint, whatever the order in
//! which messages arrived. A message counts once, and once more for each 16 KiB of its body.
//!
//! # Parked endpoints
//!
//! The store decides when a parked endpoint is tried again. What is known of it here only keeps new
//! messages from passing it by in memory, and returns those that were claimed before it was parked.

use crate::server::store::contract::outbox::{Message, Room};
use hooksieve::delivery::MessageId;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// The limits of what is held and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// The maximum of messages in memory.
    pub(crate) messages: usize,
    /// The maximum of attempts in flight.
    pub(crate) attempts: usize,
    /// The maximum of messages of an endpoint in memory.
    pub(crate) of_endpoint: usize,
    /// The maximum of attempts in flight to an endpoint.
    pub(crate) at_once: usize,
}

impl Capacity {
    /// Returns the maximum of messages that one claim returns. It is a small part of all, so that
    /// a claim exceeds the limits of a tenant by little.
    fn claim(&self) -> usize {
        (self.messages / 32).max(1)
    }

    /// Returns the maximum of messages of an endpoint that one claim returns.
    fn claim_of_endpoint(&self) -> usize {
        (self.of_endpoint / 2).max(1)
    }
}

/// Returns how much of the room a message with a body of this size takes.
fn weight(bytes: usize) -> usize {
    1 + (bytes >> 14)
}

/// The messages in memory.
#[derive(Debug)]
pub(super) struct State {
    capacity: Capacity,
    /// The weight of all messages that are held.
    held: usize,
    in_flight: usize,
    /// The tenants with messages that are held.
    tenants: HashMap<TenantId, Tenant>,
    /// The tenants with endpoints that are ready, each once.
    ready: VecDeque<TenantId>,
    /// The messages that are held, but for reserved room.
    ids: HashSet<MessageId>,
    parked: HashMap<TenantId, HashMap<WebhookId, Timestamp>>,
    /// Whether the last claim was not made for want of room.
    skipped: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Tenant {
    held: usize,
    in_flight: usize,
    /// The endpoints with messages that are held.
    endpoints: HashMap<WebhookId, Endpoint>,
    /// The endpoints with a message that may be sent, each once.
    ready: VecDeque<WebhookId>,
    /// Whether the last claim excepted it.
    skipped: bool,
}

#[derive(Debug, Default)]
struct Endpoint {
    /// The number of messages that are held or for which room is reserved.
    held: usize,
    in_flight: usize,
    waiting: VecDeque<Message>,
    is_ready: bool,
    /// Whether the last claim excepted it.
    skipped: bool,
}

impl State {
    /// Creates a state without messages.
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            held: 0,
            in_flight: 0,
            tenants: HashMap::new(),
            ready: VecDeque::new(),
            ids: HashSet::new(),
            parked: HashMap::new(),
            skipped: false,
            closed: false,
        }
    }

    fn free(&self) -> usize {
        // A claim may exceed the limit, since it does not know how large bodies are.
        self.capacity.messages.saturating_sub(self.held)
    }

    /// Reserves room for a new message, and returns whether there is any.
    pub(super) fn reserve(&mut self, tenant: &TenantId, webhook: &WebhookId, bytes: usize) -> bool {
        let (free, weight) = (self.free(), weight(bytes));
        let known = self.tenants.get(tenant);
        let held = known.map_or(0, |tenant| tenant.held);
        let endpoint = known.and_then(|tenant| tenant.endpoints.get(webhook));
        let of_endpoint = endpoint.map_or(0, |endpoint| endpoint.held);
        let fits = held + weight <= free && of_endpoint < self.capacity.of_endpoint;
        // What the last claim passed by is older, and would wait for as long as new messages arrive.
        let is_next = !self.skipped
            && known.is_none_or(|tenant| !tenant.skipped)
            && endpoint.is_none_or(|endpoint| !endpoint.skipped);
        if self.closed || !fits || !is_next || self.parked_until(tenant, webhook).is_some() {
            return false;
        }
        self.hold(tenant, webhook, weight);
        true
    }

    /// Returns reserved room. Returns whether there is room again for messages that the last claim
    /// passed by.
    pub(super) fn unreserve(
        &mut self,
        tenant: &TenantId,
        webhook: &WebhookId,
        bytes: usize,
    ) -> bool {
        self.release(tenant, webhook, weight(bytes))
    }

    /// Takes a message for which room was reserved. Returns it if it is to be released.
    pub(super) fn hand_over(&mut self, message: Message) -> Option<Message> {
        self.ids.insert(message.id.clone());
        if self.closed || self.parked_until(&message.tenant, &message.webhook).is_some() {
            return Some(message);
        }
        self.push(message);
        None
    }

    /// Returns the room for a claim; `None` if there is none.
    pub(super) fn room(&mut self) -> Option<Room> {
        let (free, claim) = (self.free(), self.capacity.claim());
        self.skipped = free < claim;
        if self.closed || self.skipped {
            return None;
        }
        let of_webhook = self.capacity.claim_of_endpoint();
        let mut room = Room {
            messages: claim,
            of_webhook,
            except_tenants: BTreeSet::new(),
            except: BTreeSet::new(),
        };
        for (name, tenant) in &mut self.tenants {
            tenant.skipped = tenant.held + claim > free;
            if tenant.skipped {
                room.except_tenants.insert(name.clone());
                continue;
            }
            for (id, endpoint) in &mut tenant.endpoints {
                endpoint.skipped = endpoint.held + of_webhook > self.capacity.of_endpoint;
                if endpoint.skipped {
                    room.except.insert((name.clone(), id.clone()));
                }
            }
        }
        Some(room)
    }

    /// Takes messages that were claimed at the time `now`, and returns those that are to be
    /// released.
    pub(super) fn claimed(&mut self, messages: Vec<Message>, now: Timestamp) -> Vec<Message> {
        let mut released = Vec::new();
        for message in messages {
            self.hold(&message.tenant, &message.webhook, weight(message.body.len()));
            // It was settled and was due again before this is known here; or its lease has ended.
            if !self.ids.insert(message.id.clone()) {
                released.push(message);
                continue;
            }
            // Claimed before it was parked; or a second one beside the probe.
            let is_parked = match self.parked_until(&message.tenant, &message.webhook) {
                Some(until) => now < until || self.is_used(&message.tenant, &message.webhook),
                None => false,
            };
            match self.closed || is_parked {
                true => released.push(message),
                false => self.push(message),
            }
        }
        released
    }

    /// Takes the next message to send, for which a permit is taken.
    pub(super) fn next(&mut self) -> Option<Message> {
        for _ in 0..self.ready.len() {
            let free = self.capacity.attempts.saturating_sub(self.in_flight);
            if free == 0 {
                return None;
            }
            let name = self.ready.pop_front()?;
            // A tenant with a ready endpoint holds messages, so it is known.
            let Some(tenant) = self.tenants.get_mut(&name) else { continue };
            // A tenant at its limit keeps its place in the round.
            let may = tenant.in_flight < free;
            let next = if may { tenant.next(self.capacity.at_once) } else { None };
            if !tenant.ready.is_empty() {
                self.ready.push_back(name);
            }
            if next.is_some() {
                self.in_flight += 1;
                return next;
            }
        }
        None
    }

    /// Returns the permit of a message whose attempt has ended. The message is still held.
    pub(super) fn finished(&mut self, tenant: &TenantId, webhook: &WebhookId) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(known) = self.tenants.get_mut(tenant) else { return };
        known.in_flight = known.in_flight.saturating_sub(1);
        if let Some(endpoint) = known.endpoints.get_mut(webhook) {
            endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        }
        self.make_ready(tenant, webhook);
    }

    /// Forgets a message that was settled. Returns whether there is room again for messages that
    /// the last claim passed by.
    pub(super) fn settled(
        &mut self,
        tenant: &TenantId,
        webhook: &WebhookId,
        (id, bytes): (&MessageId, usize),
    ) -> bool {
        self.ids.remove(id);
        self.release(tenant, webhook, weight(bytes))
    }

    /// Sends nothing to an endpoint until the store returns a probe after a time, and returns the
    /// messages that are to be released.
    pub(super) fn park(
        &mut self,
        tenant: &TenantId,
        webhook: &WebhookId,
        until: Timestamp,
    ) -> Vec<Message> {
        match self.parked.get_mut(tenant) {
            Some(parked) => parked.insert(webhook.clone(), until),
            None => {
                let parked = HashMap::from([(webhook.clone(), until)]);
                self.parked.insert(tenant.clone(), parked);
                None
            }
        };
        let Some(known) = self.tenants.get_mut(tenant) else { return Vec::new() };
        let Some(endpoint) = known.endpoints.get_mut(webhook) else { return Vec::new() };
        // The queues have only what can be sent, so that each entry in them is one turn.
        if std::mem::take(&mut endpoint.is_ready) {
            known.ready.retain(|id| id != webhook);
            if known.ready.is_empty() {
                self.ready.retain(|name| name != tenant);
            }
        }
        endpoint.waiting.drain(..).collect()
    }

    /// Forgets that an endpoint is parked.
    pub(super) fn unpark(&mut self, tenant: &TenantId, webhook: &WebhookId) {
        let Some(parked) = self.parked.get_mut(tenant) else { return };
        parked.remove(webhook);
        if parked.is_empty() {
            self.parked.remove(tenant);
        }
    }

    /// Sends nothing any more, and returns the messages that are to be released.
    pub(super) fn close(&mut self) -> Vec<Message> {
        self.closed = true;
        self.ready.clear();
        let mut released = Vec::new();
        for tenant in self.tenants.values_mut() {
            tenant.ready.clear();
            for endpoint in tenant.endpoints.values_mut() {
                endpoint.is_ready = false;
                released.extend(endpoint.waiting.drain(..));
            }
        }
        released
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns whether nothing more will happen.
    pub(super) fn has_ended(&self) -> bool {
        self.closed && self.is_empty()
    }

    /// Returns whether no message is held and no room is reserved.
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    fn parked_until(&self, tenant: &TenantId, webhook: &WebhookId) -> Option<Timestamp> {
        self.parked.get(tenant)?.get(webhook).copied()
    }

    /// Returns whether a message of an endpoint waits or is sent.
    fn is_used(&self, tenant: &TenantId, webhook: &WebhookId) -> bool {
        let endpoint = self.tenants.get(tenant).and_then(|tenant| tenant.endpoints.get(webhook));
        endpoint.is_some_and(|endpoint| endpoint.in_flight > 0 || !endpoint.waiting.is_empty())
    }

    fn hold(&mut self, tenant: &TenantId, webhook: &WebhookId, weight: usize) {
        self.held += weight;
        // Names are cloned only where they are not known yet.
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.clone(), Tenant::default());
        }
        let Some(known) = self.tenants.get_mut(tenant) else { return };
        known.held += weight;
        match known.endpoints.get_mut(webhook) {
            Some(endpoint) => endpoint.held += 1,
            None => {
                let endpoint = Endpoint { held: 1, ..Endpoint::default() };
                known.endpoints.insert(webhook.clone(), endpoint);
            }
        }
    }

    /// Returns the room of a message, and whether messages that the last claim passed by fit now.
    fn release(&mut self, tenant: &TenantId, webhook: &WebhookId, weight: usize) -> bool {
        self.held = self.held.saturating_sub(weight);
        let (free, claim) = (self.free(), self.capacity.claim());
        let mut fits = self.skipped && free >= claim;
        let Some(known) = self.tenants.get_mut(tenant) else { return fits };
        known.held = known.held.saturating_sub(weight);
        fits |= known.skipped && known.held + claim <= free;
        if let Some(endpoint) = known.endpoints.get_mut(webhook) {
            endpoint.held = endpoint.held.saturating_sub(1);
            let more = self.capacity.claim_of_endpoint();
            fits |= endpoint.skipped && endpoint.held + more <= self.capacity.of_endpoint;
            if endpoint.held == 0 {
                known.endpoints.remove(webhook);
            }
        }
        if known.endpoints.is_empty() {
            self.tenants.remove(tenant);
        }
        fits
    }

    fn push(&mut self, message: Message) {
        let (tenant, webhook) = (message.tenant.clone(), message.webhook.clone());
        let known = self.tenants.get_mut(&tenant);
        if let Some(endpoint) = known.and_then(|tenant| tenant.endpoints.get_mut(&webhook)) {
            endpoint.waiting.push_back(message);
        }
        self.make_ready(&tenant, &webhook);
    }

    /// Queues an endpoint that has a message and a permit for it.
    fn make_ready(&mut self, tenant: &TenantId, webhook: &WebhookId) {
        let Some(known) = self.tenants.get_mut(tenant) else { return };
        let Some(endpoint) = known.endpoints.get_mut(webhook) else { return };
        if endpoint.is_ready
            || endpoint.waiting.is_empty()
            || endpoint.in_flight >= self.capacity.at_once
        {
            return;
        }
        endpoint.is_ready = true;
        if known.ready.is_empty() {
            self.ready.push_back(tenant.clone());
        }
        known.ready.push_back(webhook.clone());
    }
}

impl Tenant {
    /// Takes the next message of an endpoint that has a permit.
    fn next(&mut self, at_once: usize) -> Option<Message> {
        let id = self.ready.pop_front()?;
        let endpoint = self.endpoints.get_mut(&id)?;
        let next = endpoint.waiting.pop_front()?;
        (self.in_flight, endpoint.in_flight) = (self.in_flight + 1, endpoint.in_flight + 1);
        endpoint.is_ready = !endpoint.waiting.is_empty() && endpoint.in_flight < at_once;
        if endpoint.is_ready {
            self.ready.push_back(id);
        }
        Some(next)
    }
}
