//! The contract's events and messages: each call becomes a write or a read.

use super::accept::Accept;
use super::claim::Claim;
use super::endpoint::{self, Park, Requeue};
use super::reader::{self, Of};
use super::settle::Settle;
use super::{Sqlite, events};
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, Claimed, Endpoint, EventId, EventQuery, EventRow, EventRows, HourRow,
    Outbox, Room, Settled, TenantEvents,
};
use crate::server::store::contract::{Answer, DeliveryRow};
use bytes::Bytes;
use hooksieve::delivery::MessageId;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::collections::BTreeSet;

impl Outbox for Sqlite {
    fn accept(
        &self,
        events: Vec<TenantEvents>,
        times: AcceptTimes,
    ) -> Answer<'_, Vec<Vec<Accepted>>> {
        Box::pin(self.writer.write(Accept { events, times }))
    }

    fn claim(&self, now: Timestamp, _: Timestamp, room: Room) -> Answer<'_, Claimed> {
        // No lease ends while the process lives that made it, and the next one forgets all claims.
        Box::pin(self.writer.write(Claim { now, room }))
    }

    fn settle(&self, settled: Vec<Settled>, now: Timestamp) -> Answer<'_, Vec<Endpoint>> {
        Box::pin(self.writer.write(Settle { settled, now }))
    }

    fn park<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        until: Timestamp,
    ) -> Answer<'a, ()> {
        let (tenant, webhook) = (tenant.clone(), webhook.clone());
        Box::pin(self.writer.write(Park { tenant, webhook, until }))
    }

    fn requeue<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        since: Timestamp,
        max: usize,
        now: Timestamp,
    ) -> Answer<'a, usize> {
        let (tenant, webhook) = (tenant.clone(), webhook.clone());
        Box::pin(self.writer.write(Requeue { tenant, webhook, since, max, now }))
    }

    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a EventQuery,
        since: Timestamp,
    ) -> Answer<'a, EventRows> {
        let (tenant, query) = (tenant.clone(), query.clone());
        Box::pin(self.readers.read(move |store| events::page(store, &tenant, &query, since)))
    }

    fn event<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a EventId,
        webhooks: Option<&'a BTreeSet<WebhookId>>,
        since: Timestamp,
    ) -> Answer<'a, Option<(EventRow, Bytes)>> {
        let (tenant, id, webhooks) = (tenant.clone(), id.clone(), webhooks.cloned());
        Box::pin(
            self.readers
                .read(move |store| events::event(store, &tenant, &id, webhooks.as_ref(), since)),
        )
    }

    fn attempts<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        message: &'a MessageId,
        since: Timestamp,
    ) -> Answer<'a, Vec<DeliveryRow>> {
        let (tenant, id, message) = (tenant.clone(), webhook.clone(), message.clone());
        Box::pin(self.readers.read(move |store| match reader::webhook_key(store, &tenant, &id)? {
            Some(key) => reader::attempts(store, Of { id: &id, key }, &message, since),
            None => Ok(Vec::new()),
        }))
    }

    fn endpoints<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
    ) -> Answer<'a, Vec<Endpoint>> {
        let (tenant, ids) = (tenant.clone(), webhooks.to_vec());
        Box::pin(self.readers.read(move |store| {
            reader::each(store, &tenant, &ids, |key| endpoint::read(store, key))
        }))
    }

    fn hours<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhooks: &'a [WebhookId],
        since: Timestamp,
    ) -> Answer<'a, Vec<Vec<HourRow>>> {
        let (tenant, ids) = (tenant.clone(), webhooks.to_vec());
        Box::pin(self.readers.read(move |store| {
            reader::each(store, &tenant, &ids, |key| reader::hours(store, key, since))
        }))
    }
}
