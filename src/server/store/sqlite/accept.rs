//! Accepts events with their messages.

use super::endpoint;
use super::error::Broken;
use super::write::{Write, execute, integer, nanoseconds, tenant, tenant_or_new, webhook};
use crate::server::store::contract::StoreError;
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, EventId, NewEvent, NewMessage, TenantEvents,
};
use hooksieve::webhook::WebhookId;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashMap;

/// Accepts events of tenants, all or none.
#[derive(Debug)]
pub(super) struct Accept {
    pub(super) events: Vec<TenantEvents>,
    pub(super) times: AcceptTimes,
}

impl Write for Accept {
    type Output = Vec<Vec<Accepted>>;

    fn weight(&self) -> usize {
        let events = self.events.iter().flat_map(|of| &of.events);
        events.map(|event| event.body.len() + 512 + 256 * event.messages.len()).sum()
    }

    fn run(&self, connection: &Connection) -> Result<Self::Output, Broken> {
        for TenantEvents { tenant: name, revision: expected, .. } in &self.events {
            let current = tenant(connection, name)?.map_or(0, |(_, revision)| revision);
            if current != *expected {
                return Err(StoreError::Conflict { expected: *expected, current }.into());
            }
        }
        check_room(connection)?;
        self.events.iter().map(|of| Ok(self.tenant(connection, of)?)).collect()
    }
}

/// Returns an error if the store is nearly full. A quarter is kept free of events: what is accepted
/// can be delivered only while there is room for the outcomes.
fn check_room(connection: &Connection) -> Result<(), Broken> {
    let read = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    let max = read("PRAGMA max_page_count")?;
    let used = read("PRAGMA page_count")? - read("PRAGMA freelist_count")?;
    if used > max - max / 4 {
        let what = "three quarters of its maximum size are used; the rest is for deliveries";
        return Err(StoreError::Full(what.to_owned()).into());
    }
    Ok(())
}

impl Accept {
    fn tenant(
        &self,
        connection: &Connection,
        of: &TenantEvents,
    ) -> rusqlite::Result<Vec<Accepted>> {
        // A tenant without webhooks is new to the store.
        let Some(_) = of.events.first() else { return Ok(Vec::new()) };
        let key = tenant_or_new(connection, &of.tenant)?;
        let mut place = Place {
            connection,
            tenant: key,
            revision: integer(of.revision),
            times: self.times,
            now: nanoseconds(self.times.now),
            webhooks: HashMap::new(),
        };
        of.events.iter().map(|event| place.accept(event)).collect()
    }
}

/// Where events are accepted.
struct Place<'a> {
    connection: &'a Connection,
    tenant: i64,
    revision: i64,
    times: AcceptTimes,
    now: i64,
    /// The keys of webhooks that were looked up. The events of a call mostly go to the same ones.
    webhooks: HashMap<&'a WebhookId, Option<i64>>,
}

impl<'a> Place<'a> {
    fn accept(&mut self, event: &'a NewEvent) -> rusqlite::Result<Accepted> {
        let known = match &event.key {
            Some(key) => self.known(key)?,
            None => None,
        };
        if let Some((_, id, received_at)) = &known
            && *received_at > nanoseconds(self.times.unique_since)
        {
            return Ok(Accepted::Duplicate(EventId((**id).into())));
        }
        let id = match &event.own_id {
            Some(id) if self.is_free(id)? => id,
            _ => &event.id,
        };
        let mut messages = Vec::with_capacity(event.messages.len());
        for message in &event.messages {
            if let Some(webhook) = self.webhook(&message.webhook)? {
                messages.push((webhook, message));
            }
        }
        let seq = self.insert(event, id, integer(messages.len() as u64))?;
        if let Some(key) = &event.key {
            if let Some((old, _, _)) = known {
                execute(self.connection, "DELETE FROM event_key WHERE event = ?1", [old])?;
            }
            let sql = "INSERT INTO event_key (event, tenant, key, id, received_at) \
                VALUES (?1, ?2, ?3, ?4, ?5)";
            execute(self.connection, sql, (seq, self.tenant, key, &*id.0, self.now))?;
        }
        for (webhook, message) in messages {
            self.message(seq, webhook, message)?;
        }
        Ok(Accepted::New(id.clone()))
    }

    /// Returns the number, the id and the time of the event with a key.
    fn known(&self, key: &[u8; 32]) -> rusqlite::Result<Option<(i64, String, i64)>> {
        let sql = "SELECT event, id, received_at FROM event_key WHERE tenant = ?1 AND key = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        statement.query_row((self.tenant, key), read).optional()
    }

    fn is_free(&self, id: &EventId) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM event WHERE tenant = ?1 AND id = ?2";
        Ok(!self.connection.prepare_cached(sql)?.exists((self.tenant, &*id.0))?)
    }

    fn webhook(&mut self, id: &'a WebhookId) -> rusqlite::Result<Option<i64>> {
        if let Some(key) = self.webhooks.get(id) {
            return Ok(*key);
        }
        let key = webhook(self.connection, self.tenant, id)?;
        self.webhooks.insert(id, key);
        Ok(key)
    }

    fn insert(&self, event: &NewEvent, id: &EventId, wanted: i64) -> rusqlite::Result<i64> {
        // Each message holds its event until it has ended.
        let sql = "INSERT INTO event \
            (tenant, id, event_type, source, received_at, revision, wanted, holds, body) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)";
        let params = (
            self.tenant,
            &*id.0,
            event.event_type.as_str(),
            &*event.source,
            self.now,
            self.revision,
            wanted,
            &*event.body,
        );
        execute(self.connection, sql, params)?;
        Ok(self.connection.last_insert_rowid())
    }

    fn message(&self, event: i64, webhook: i64, message: &NewMessage) -> rusqlite::Result<()> {
        let sql = "INSERT INTO message (event, webhook, webhook_id, id, attempts, claimed, at) \
            VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6)";
        let (id, of) = (message.id.as_str(), message.webhook.as_str());
        execute(self.connection, sql, (event, webhook, of, id, message.claimed, self.now))?;
        if !message.claimed {
            endpoint::wait(self.connection, webhook, self.now)?;
        }
        Ok(())
    }
}
