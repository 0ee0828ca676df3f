//! The lists of events of the model.

use crate::server::store::contract::outbox::{
    EventPlace, EventQuery, EventRow, EventRows, MAX_MESSAGES, MessageRow,
};
use crate::server::store::memory::outbox::{Event, State};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::cmp::Reverse;
use std::collections::BTreeSet;

impl State {
    /// Returns the rows of a page with those messages of an event that a query wants.
    pub(super) fn row(
        &self,
        number: u64,
        event: &Event,
        webhooks: Option<&BTreeSet<WebhookId>>,
    ) -> EventRow {
        let mut all: Vec<_> = self.messages.iter().filter(|(_, row)| row.event == number).collect();
        let wanted = all.len() as u64;
        all.retain(|(_, row)| webhooks.is_none_or(|only| only.contains(&row.webhook)));
        all.sort_by_key(|(number, row)| (row.webhook.clone(), **number));
        let messages = all.into_iter().take(MAX_MESSAGES).map(|(_, row)| MessageRow {
            id: row.id.clone(),
            webhook: row.webhook.clone(),
            attempts: row.attempts,
            outcome: row.outcome,
            at: row.at,
        });
        EventRow {
            id: event.id.clone(),
            event_type: event.content.event_type.clone(),
            source: event.content.source.clone(),
            received_at: event.received_at,
            number,
            revision: event.revision,
            wanted,
            messages: messages.collect(),
        }
    }

    pub(super) fn page(
        &self,
        tenant: &TenantId,
        query: &EventQuery,
        since: Timestamp,
    ) -> EventRows {
        let wants = |(number, event): &(&u64, &Event)| {
            let at = event.received_at;
            event.tenant == *tenant
                && at > since
                && query.event_type.as_ref().is_none_or(|name| *name == event.content.event_type)
                && query.from.is_none_or(|from| at >= from)
                && query.to.is_none_or(|to| at < to)
                && !(query.unmatched && self.messages.values().any(|row| row.event == **number))
        };
        let mut all: Vec<_> = self.events.iter().filter(wants).collect();
        all.sort_by_key(|(number, event)| Reverse((event.received_at, **number)));
        let place = |place: &EventPlace| (place.received_at, place.number);
        let newer = |of: (Timestamp, u64)| {
            all.iter().filter(|(number, event)| (event.received_at, **number) > of).count()
        };
        let is_at = |of| all.iter().any(|(number, event)| (event.received_at, **number) == of);
        let (from, to) = match &query.place {
            None => (0, query.limit),
            Some(at) if at.backwards => {
                let to = newer(place(at));
                (to.saturating_sub(query.limit), to)
            }
            Some(at) => {
                let from = newer(place(at)) + usize::from(is_at(place(at)));
                (from, from + query.limit)
            }
        };
        let (before, after) = (from > 0, to < all.len());
        let rows = all.into_iter().take(to).skip(from);
        let rows = rows.map(|(number, event)| self.row(*number, event, query.webhooks.as_ref()));
        EventRows { rows: rows.collect(), before, after }
    }
}
