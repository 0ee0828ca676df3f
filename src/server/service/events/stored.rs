//! The newest events of a tenant with their bodies, one by one.
//!
//! They are read while they are used, so that the memory holds a page of rows and one body, whatever
//! the number of events. The reader blocks its thread, so it is used on a blocking one.

use crate::server::service::problem::Problem;
use crate::server::service::{Inner, Service};
use crate::server::store::contract::outbox::{EventId, EventPlace, EventQuery, EventRow};
use bytes::Bytes;
use hooksieve::event::TenantId;
use hooksieve::webhook::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The number of rows that are read at once.
const PAGE: usize = 100;

/// The newest events of a tenant.
pub(in crate::server::service) struct StoredEvents {
    inner: Arc<Inner>,
    runtime: Handle,
    tenant: TenantId,
    since: Timestamp,
    query: EventQuery,
    rows: std::vec::IntoIter<EventRow>,
    /// How many events are still to be read.
    left: usize,
    /// Whether the store may have more events after the rows.
    more: bool,
}

impl Service {
    /// Returns at most `max` of a tenant's newest events.
    pub(in crate::server::service) fn newest(&self, tenant: &TenantId, max: usize) -> StoredEvents {
        StoredEvents {
            inner: Arc::clone(&self.0),
            runtime: Handle::current(),
            tenant: tenant.clone(),
            since: self.since(),
            // No messages are needed, only events.
            query: EventQuery { webhooks: Some(BTreeSet::new()), ..EventQuery::default() },
            rows: Vec::new().into_iter(),
            left: max,
            more: true,
        }
    }
}

impl StoredEvents {
    /// Returns the next event, or `None` after the last one. Blocks the thread.
    pub(in crate::server::service) fn next(&mut self) -> Result<Option<(EventId, Bytes)>, Problem> {
        loop {
            if self.rows.len() == 0 && !self.read()? {
                return Ok(None);
            }
            let Some(row) = self.rows.next() else { return Ok(None) };
            let (tenant, only) = (&self.tenant, self.query.webhooks.as_ref());
            let found = self.inner.store.event(tenant, &row.id, only, self.since);
            // One that has expired since its row was read is skipped.
            if let Some((row, body)) = self.runtime.block_on(found)? {
                return Ok(Some((row.id, body)));
            }
        }
    }

    /// Returns whether the tenant has more events than were returned.
    pub(in crate::server::service) fn is_cut(&self) -> bool {
        self.left == 0 && self.more
    }

    /// Reads the next rows, and returns whether there may be any.
    fn read(&mut self) -> Result<bool, Problem> {
        if self.left == 0 || !self.more {
            return Ok(false);
        }
        self.query.limit = self.left.min(PAGE);
        let page = self.inner.store.events(&self.tenant, &self.query, self.since);
        let page = self.runtime.block_on(page)?;
        self.more = page.after;
        self.left -= page.rows.len();
        self.query.place = page.rows.last().map(|row| EventPlace {
            received_at: row.received_at,
            number: row.number,
            backwards: false,
        });
        self.rows = page.rows.into_iter();
        Ok(true)
    }
}
