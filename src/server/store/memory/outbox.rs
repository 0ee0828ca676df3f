//! The events and messages of the model.

use super::{Memory, answer};
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, Claimed, Endpoint, EventId, EventQuery, EventRow, EventRows, HourRow,
    Message, NewEvent, Next, Outbox, Outcome, Room, Settled, TenantEvents, hour,
};
use crate::server::store::contract::{Answer, DeliveryRow, StoreError};
use bytes::Bytes;
use hooksieve::delivery::MessageId;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The events by number.
    pub(super) events: BTreeMap<u64, Event>,
    /// The messages by number.
    pub(super) messages: BTreeMap<u64, Row>,
    /// The numbers of events and messages that were accepted.
    pub(super) accepted: (u64, u64),
    /// The number, id and time of the event of each key.
    pub(super) keys: BTreeMap<(TenantId, [u8; 32]), (u64, EventId, Timestamp)>,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) tenant: TenantId,
    pub(super) id: EventId,
    pub(super) revision: u64,
    pub(super) received_at: Timestamp,
    pub(super) content: NewEvent,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) event: u64,
    pub(super) tenant: TenantId,
    pub(super) webhook: WebhookId,
    /// The number of the webhook.
    pub(super) of: u64,
    pub(super) id: MessageId,
    pub(super) attempts: u32,
    pub(super) is_claimed: bool,
    pub(super) outcome: Option<Outcome>,
    pub(super) at: Timestamp,
}

impl Row {
    fn waits(&self) -> bool {
        self.outcome.is_none() && !self.is_claimed
    }
}

impl State {
    /// Forgets the message of a delivery if the webhook has no such message.
    pub(super) fn relate(&self, webhook: u64, delivery: &mut DeliveryRow) {
        let known =
            |id: &MessageId| self.messages.values().any(|row| row.of == webhook && row.id == *id);
        delivery.attempt.message = delivery.attempt.message.take().filter(known);
    }

    /// Ends the waiting messages of a removed webhook.
    pub(super) fn remove(&mut self, number: u64) {
        let rows = self.messages.values_mut();
        rows.filter(|row| row.of == number && row.waits())
            .for_each(|row| row.outcome = Some(Outcome::Removed));
    }

    pub(super) fn erase(&mut self, tenant: &TenantId) {
        self.events.retain(|_, event| event.tenant != *tenant);
        self.messages.retain(|_, row| row.tenant != *tenant);
        self.keys.retain(|(of, _), _| of != tenant);
    }
}

impl super::State {
    fn accept(
        &mut self,
        all: Vec<TenantEvents>,
        times: AcceptTimes,
    ) -> Result<Vec<Vec<Accepted>>, StoreError> {
        for TenantEvents { tenant, revision, .. } in &all {
            let current = self.tenants.get(tenant).map_or(0, |tenant| tenant.revision);
            if current != *revision {
                return Err(StoreError::Conflict { expected: *revision, current });
            }
        }
        let accepted = all.into_iter().map(|TenantEvents { tenant, revision, events }| {
            let events = events.into_iter();
            events.map(|event| self.accept_one(&tenant, revision, event, times)).collect()
        });
        Ok(accepted.collect())
    }

    fn accept_one(
        &mut self,
        tenant: &TenantId,
        revision: u64,
        content: NewEvent,
        times: AcceptTimes,
    ) -> Accepted {
        let outbox = &mut self.outbox;
        let key = content.key.map(|key| (tenant.clone(), key));
        if let Some((_, id, at)) = key.as_ref().and_then(|key| outbox.keys.get(key))
            && *at > times.unique_since
        {
            return Accepted::Duplicate(id.clone());
        }
        let is_free =
            |id: &EventId| !outbox.events.values().any(|e| e.tenant == *tenant && e.id == *id);
        let id = content.own_id.clone().filter(is_free).unwrap_or_else(|| content.id.clone());
        outbox.accepted.0 += 1;
        let number = outbox.accepted.0;
        if let Some(key) = key {
            outbox.keys.insert(key, (number, id.clone(), times.now));
        }
        let webhooks = &self.tenants.entry(tenant.clone()).or_default().webhooks;
        for message in &content.messages {
            let Some(webhook) = webhooks.get(&message.webhook) else { continue };
            outbox.accepted.1 += 1;
            let row = Row {
                event: number,
                tenant: tenant.clone(),
                webhook: message.webhook.clone(),
                of: webhook.number,
                id: message.id.clone(),
                attempts: 0,
                is_claimed: message.claimed,
                outcome: None,
                at: times.now,
            };
            outbox.messages.insert(outbox.accepted.1, row);
        }
        let event = Event { tenant: tenant.clone(), id, revision, received_at: times.now, content };
        let id = event.id.clone();
        outbox.events.insert(number, event);
        Accepted::New(id)
    }

    /// Returns the numbers of the messages that wait and are due for each endpoint outside of the
    /// exceptions, with the time from which they may be claimed and their maximum, in the order of a claim.
    fn waiting(&self, room: &Room) -> Vec<(Timestamp, usize, Vec<u64>)> {
        let mut endpoints: BTreeMap<u64, _> = BTreeMap::new();
        for (number, row) in &self.outbox.messages {
            let excepted = room.except_tenants.contains(&row.tenant)
                || room.except.contains(&(row.tenant.clone(), row.webhook.clone()));
            let tenant = self.tenants.get(&row.tenant);
            let webhook = tenant.and_then(|tenant| tenant.webhooks.get(&row.webhook));
            let Some(webhook) = webhook.filter(|webhook| webhook.number == row.of) else {
                continue;
            };
            if excepted || row.outcome.is_some() {
                continue;
            }
            let entry = endpoints.entry(row.of).or_insert((webhook.endpoint, Vec::new(), false));
            match row.is_claimed {
                true => entry.2 = true,
                false => entry.1.push((row.at, *number)),
            }
        }
        let mut all = Vec::new();
        for (of, (endpoint, mut rows, is_claimed)) in endpoints {
            // The probe of a parked endpoint is out.
            if rows.is_empty() || (endpoint.parked_until.is_some() && is_claimed) {
                continue;
            }
            rows.sort_unstable();
            let (first, max) = match endpoint.parked_until {
                Some(until) => (until.max(rows.first().map_or(until, |(at, _)| *at)), 1),
                None => (
                    rows.first().map_or(Timestamp::from(SystemTime::UNIX_EPOCH), |r| r.0),
                    room.of_webhook,
                ),
            };
            all.push(((first, of), max, rows));
        }
        all.sort_by_key(|(order, _, _)| *order);
        let numbers = |rows: Vec<(Timestamp, u64)>| rows.into_iter().map(|(_, n)| n).collect();
        all.into_iter().map(|((first, _), max, rows)| (first, max, numbers(rows))).collect()
    }

    fn claim(&mut self, now: Timestamp, room: &Room) -> Claimed {
        let mut messages = Vec::new();
        for (first, max, numbers) in self.waiting(room) {
            if first > now {
                break;
            }
            let outbox = &mut self.outbox;
            for number in numbers.into_iter().take(max.min(room.of_webhook)) {
                let Some(row) = outbox.messages.get_mut(&number).filter(|row| row.at <= now) else {
                    break;
                };
                if messages.len() == room.messages {
                    break;
                }
                row.is_claimed = true;
                let Some(event) = outbox.events.get(&row.event) else { continue };
                messages.push(Message {
                    tenant: row.tenant.clone(),
                    webhook: row.webhook.clone(),
                    id: row.id.clone(),
                    event: event.id.clone(),
                    body: event.content.body.clone(),
                    attempts: row.attempts,
                    received_at: event.received_at,
                });
            }
        }
        let next = self.waiting(room).first().map(|(first, _, _)| *first);
        Claimed { messages, next }
    }

    fn settle(&mut self, settled: Settled, now: Timestamp) -> Endpoint {
        let Self { tenants, recorded, outbox, .. } = self;
        let webhooks = tenants.get_mut(&settled.tenant).map(|tenant| &mut tenant.webhooks);
        let mut webhook = webhooks.and_then(|webhooks| webhooks.get_mut(&settled.webhook));
        let row = outbox.messages.values_mut().find(|row| {
            row.tenant == settled.tenant && row.webhook == settled.webhook && row.id == settled.id
        });
        // A new webhook with the id of a removed one did not make the attempt.
        if row.as_ref().is_some_and(|row| webhook.as_ref().is_none_or(|w| w.number != row.of)) {
            webhook = None;
        }
        if let Some(row) = row.filter(|row| row.is_claimed) {
            row.is_claimed = false;
            row.attempts += u32::from(settled.attempt.is_some());
            (row.outcome, row.at) = match settled.next {
                Next::End(outcome) => (Some(outcome), now),
                Next::Wait(due) if webhook.is_some() => (None, due),
                Next::Wait(_) => (Some(Outcome::Removed), now),
            };
        }
        let Some(webhook) = webhook else { return Endpoint::default() };
        if let Some(mut attempt) = settled.attempt {
            outbox.relate(webhook.number, &mut attempt);
            *recorded += 1;
            webhook.record(*recorded, attempt);
        }
        webhook.endpoint
    }

    pub(super) fn expire(
        &mut self,
        before: Timestamp,
        unique_before: Timestamp,
        max: usize,
    ) -> usize {
        let webhooks = self.tenants.values().flat_map(|tenant| tenant.webhooks.values());
        let recorded = webhooks.flat_map(|webhook| webhook.deliveries.values());
        let kept: Vec<_> = recorded.filter_map(|(_, row)| row.attempt.message.clone()).collect();
        let State { events, messages, keys, .. } = &mut self.outbox;
        let ended = |number: &u64| {
            let mut of = messages.values().filter(|row| row.event == *number);
            of.all(|row| row.outcome.is_some() && !kept.contains(&row.id))
        };
        let old =
            events.iter().filter(|(number, event)| event.received_at < before && ended(number));
        let mut old: Vec<_> = old.map(|(number, event)| (event.received_at, *number)).collect();
        old.sort_unstable();
        let mut removed = 0;
        for (_, number) in old {
            if removed >= max {
                break;
            }
            let before = messages.len();
            events.remove(&number);
            messages.retain(|_, row| row.event != number);
            removed += 1 + before - messages.len();
        }
        let webhooks = self.tenants.values_mut().flat_map(|tenant| tenant.webhooks.values_mut());
        let mut hours: Vec<_> =
            webhooks.map(|webhook| (webhook.number, &mut webhook.hours)).collect();
        let all = hours.iter().flat_map(|(of, hours)| hours.keys().map(|hour| (*hour, *of)));
        let mut old: Vec<_> = all.filter(|(of, _)| *of < hour(before)).collect();
        old.sort_unstable();
        old.truncate(max.saturating_sub(removed));
        for (of, hours) in &mut hours {
            hours.retain(|hour, _| !old.contains(&(*hour, *of)));
        }
        removed += old.len();
        let mut old: Vec<_> =
            keys.iter().map(|(key, (number, _, at))| (*number, *at, key.clone())).collect();
        old.sort_unstable();
        let old = old.into_iter().take_while(|(_, at, _)| *at < unique_before);
        for (_, _, key) in old.take(max.saturating_sub(removed)) {
            keys.remove(&key);
            removed += 1;
        }
        removed
    }
}

#[cfg(test)]
impl Memory {
    /// Forgets all claims, as a store that is opened again.
    pub(crate) fn reopen(&self) {
        let mut state = self.state();
        let super::State { tenants, outbox, .. } = &mut *state;
        for row in outbox.messages.values_mut().filter(|row| row.is_claimed) {
            row.is_claimed = false;
            let webhooks = tenants.get(&row.tenant).map(|tenant| &tenant.webhooks);
            let webhook = webhooks.and_then(|webhooks| webhooks.get(&row.webhook));
            if webhook.is_none_or(|webhook| webhook.number != row.of) {
                row.outcome = Some(Outcome::Removed);
            }
        }
    }
}

impl Outbox for Memory {
    fn accept(
        &self,
        events: Vec<TenantEvents>,
        times: AcceptTimes,
    ) -> Answer<'_, Vec<Vec<Accepted>>> {
        answer(self.state().accept(events, times))
    }

    fn claim(&self, now: Timestamp, _: Timestamp, room: Room) -> Answer<'_, Claimed> {
        answer(Ok(self.state().claim(now, &room)))
    }

    fn settle(&self, settled: Vec<Settled>, now: Timestamp) -> Answer<'_, Vec<Endpoint>> {
        let mut state = self.state();
        answer(Ok(settled.into_iter().map(|one| state.settle(one, now)).collect()))
    }

    fn park<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        until: Timestamp,
    ) -> Answer<'a, ()> {
        let mut state = self.state();
        let tenant = state.tenants.get_mut(tenant);
        if let Some(webhook) = tenant.and_then(|tenant| tenant.webhooks.get_mut(webhook)) {
            webhook.endpoint.parked_until = Some(until);
        }
        answer(Ok(()))
    }

    fn requeue<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        since: Timestamp,
        max: usize,
        now: Timestamp,
    ) -> Answer<'a, usize> {
        let mut state = self.state();
        let super::State { tenants, outbox, .. } = &mut *state;
        let known = tenants.get(tenant).and_then(|tenant| tenant.webhooks.get(webhook));
        let Some(number) = known.map(|webhook| webhook.number) else { return answer(Ok(0)) };
        let failed = outbox.messages.values_mut().filter(|row| {
            row.of == number && row.outcome == Some(Outcome::Failed) && row.at > since
        });
        let mut failed: Vec<_> = failed.collect();
        // A stable sort: of those that failed at the same time, the first accepted is first.
        failed.sort_by_key(|row| row.at);
        let requeued = failed.into_iter().take(max).map(|row| {
            (row.outcome, row.attempts, row.at) = (None, 0, now);
        });
        answer(Ok(requeued.count()))
    }

    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a EventQuery,
        since: Timestamp,
    ) -> Answer<'a, EventRows> {
        answer(Ok(self.state().outbox.page(tenant, query, since)))
    }

    fn event<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a EventId,
        webhooks: Option<&'a BTreeSet<WebhookId>>,
        since: Timestamp,
    ) -> Answer<'a, Option<(EventRow, Bytes)>> {
        let state = self.state();
        let outbox = &state.outbox;
        let found = outbox.events.iter().find(|(_, event)| {
            event.tenant == *tenant && event.id == *id && event.received_at > since
        });
        let row = found.map(|(number, event)| {
            (outbox.row(*number, event, webhooks), event.content.body.clone())
        });
        answer(Ok(row))
    }

    fn attempts<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        message: &'a MessageId,
        since: Timestamp,
    ) -> Answer<'a, Vec<DeliveryRow>> {
        let state = self.state();
        let webhook = state.tenants.get(tenant).and_then(|tenant| tenant.webhooks.get(webhook));
        let all = webhook.into_iter().flat_map(|webhook| webhook.deliveries.values());
        let of = all.filter(|(_, row)| {
            row.attempt.message.as_ref() == Some(message) && row.triggered_at > since
        });
        let mut of: Vec<_> = of.collect();
        of.sort_by_key(|(number, row)| (row.triggered_at, *number));
        answer(Ok(of.into_iter().map(|(_, row)| row.clone()).collect()))
    }

    fn endpoints<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
    ) -> Answer<'a, Vec<Endpoint>> {
        let state = self.state();
        let known = state.tenants.get(tenant);
        let webhook = |id| known.and_then(|tenant| tenant.webhooks.get(id));
        let endpoint = |id| webhook(id).map_or(Endpoint::default(), |webhook| webhook.endpoint);
        answer(Ok(webhooks.iter().map(endpoint).collect()))
    }

    fn hours<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
        since: Timestamp,
    ) -> Answer<'a, Vec<Vec<HourRow>>> {
        let state = self.state();
        let known = state.tenants.get(tenant);
        let hours = |id| {
            let webhook = known.and_then(|tenant| tenant.webhooks.get(id));
            let all = webhook.into_iter().flat_map(|webhook| webhook.hours.range(hour(since)..));
            let row = |(hour, (successes, failures)): (&u64, &(u64, u64))| HourRow {
                hour: *hour,
                successes: *successes,
                failures: *failures,
            };
            all.map(row).collect()
        };
        answer(Ok(webhooks.iter().map(hours).collect()))
    }
}
