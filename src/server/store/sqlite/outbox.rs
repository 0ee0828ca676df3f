//! Events and messages.

use super::Sqlite;
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, Claimed, Endpoint, EventId, EventQuery, EventRow, EventRows, HourRow,
    Outbox, Room, Settled, TenantEvents,
};
use crate::server::store::contract::{Answer, DeliveryRow, StoreError};
use bytes::Bytes;
use hooksieve::delivery::MessageId;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::collections::BTreeSet;

fn missing<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::Aborted("not built yet".to_owned()))))
}

impl Outbox for Sqlite {
    fn accept(&self, _: Vec<TenantEvents>, _: AcceptTimes) -> Answer<'_, Vec<Vec<Accepted>>> {
        missing()
    }
    fn claim(&self, _: Timestamp, _: Timestamp, _: Room) -> Answer<'_, Claimed> {
        missing()
    }
    fn settle(&self, _: Vec<Settled>, _: Timestamp) -> Answer<'_, Vec<Endpoint>> {
        missing()
    }
    fn park<'a>(&'a self, _: &'a TenantId, _: &'a WebhookId, _: Timestamp) -> Answer<'a, ()> {
        missing()
    }
    fn requeue<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a WebhookId,
        _: Timestamp,
        _: usize,
        _: Timestamp,
    ) -> Answer<'a, usize> {
        missing()
    }
    fn events<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a EventQuery,
        _: Timestamp,
    ) -> Answer<'a, EventRows> {
        missing()
    }
    fn event<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a EventId,
        _: Option<&'a BTreeSet<WebhookId>>,
        _: Timestamp,
    ) -> Answer<'a, Option<(EventRow, Bytes)>> {
        missing()
    }
    fn attempts<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a WebhookId,
        _: &'a MessageId,
        _: Timestamp,
    ) -> Answer<'a, Vec<DeliveryRow>> {
        missing()
    }
    fn endpoints<'a>(&'a self, _: &'a TenantId, _: &'a [WebhookId]) -> Answer<'a, Vec<Endpoint>> {
        missing()
    }
    fn hours<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a [WebhookId],
        _: Timestamp,
    ) -> Answer<'a, Vec<Vec<HourRow>>> {
        missing()
    }
}
