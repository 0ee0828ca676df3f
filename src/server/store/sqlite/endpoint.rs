//! The endpoint of a webhook: the facts about its last attempts, and when a claim may take from it.
//!
//! `due` is derived: the time at which the first waiting message is due, but not before the endpoint
//! is parked no longer. Whatever changes a waiting message or `parked_until` writes it again, in the
//! same transaction:
//!
//! | change | `due` |
//! | --- | --- |
//! | a message comes to wait | its time, if that is earlier |
//! | a message is claimed; the endpoint is parked, succeeds or is reset | read from the messages |
//! | a message is accepted as claimed, and delivered | unchanged, and nothing is read |

use super::error::Broken;
use super::write::{Write, count, execute, nanoseconds, tenant, timestamp, webhook};
use crate::server::store::contract::outbox::Endpoint;
use hooksieve::delivery::Status;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::{Connection, OptionalExtension, Row};

/// Returns the endpoint of a webhook; the default if nothing is known of it.
pub(super) fn read(connection: &Connection, webhook: i64) -> rusqlite::Result<Endpoint> {
    let sql = "SELECT failures, failing_since, last_success, parked_until \
        FROM endpoint WHERE webhook = ?1";
    let time = |row: &Row<'_>, column| match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => timestamp(row, column).map(Some),
    };
    let read = |row: &Row<'_>| {
        Ok(Endpoint {
            failures: row.get(0)?,
            failing_since: time(row, 1)?,
            last_success: time(row, 2)?,
            parked_until: time(row, 3)?,
        })
    };
    let found = connection.prepare_cached(sql)?.query_row([webhook], read).optional()?;
    Ok(found.unwrap_or_default())
}

/// Replaces the facts about a webhook, except when it is due.
pub(super) fn write(
    connection: &Connection,
    webhook: i64,
    endpoint: &Endpoint,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO endpoint (webhook, failures, failing_since, last_success, parked_until) \
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (webhook) DO UPDATE SET \
        failures = excluded.failures, failing_since = excluded.failing_since, \
        last_success = excluded.last_success, parked_until = excluded.parked_until";
    let params = (
        webhook,
        endpoint.failures,
        endpoint.failing_since.map(nanoseconds),
        endpoint.last_success.map(nanoseconds),
        endpoint.parked_until.map(nanoseconds),
    );
    execute(connection, sql, params)?;
    Ok(())
}

/// Adds an attempt, and returns the endpoint afterwards.
pub(super) fn note(
    connection: &Connection,
    webhook: i64,
    status: Status,
    at: Timestamp,
) -> rusqlite::Result<Endpoint> {
    let before = read(connection, webhook)?;
    let mut endpoint = before;
    endpoint.note(status, at);
    write(connection, webhook, &endpoint)?;
    if endpoint.parked_until != before.parked_until {
        refresh(connection, webhook)?;
    }
    Ok(endpoint)
}

/// Notes that a message of a webhook waits from a time on.
pub(super) fn wait(connection: &Connection, webhook: i64, at: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO endpoint (webhook, due, failures) VALUES (?1, ?2, 0) \
        ON CONFLICT (webhook) DO UPDATE SET due = max(excluded.due, coalesce(parked_until, 0)) \
        WHERE due IS NULL OR due > max(excluded.due, coalesce(parked_until, 0))";
    execute(connection, sql, (webhook, at))?;
    Ok(())
}

/// Finds again when a webhook is due, after a message has ceased to wait or the endpoint to be parked.
pub(super) fn refresh(connection: &Connection, webhook: i64) -> rusqlite::Result<()> {
    // `max` of a NULL is NULL: without a message that waits, nothing is due.
    let sql = "UPDATE endpoint SET due = max(coalesce(parked_until, 0), \
        (SELECT at FROM message INDEXED BY message_waiting \
            WHERE webhook = ?1 AND outcome IS NULL AND claimed = 0 ORDER BY at LIMIT 1)) \
        WHERE webhook = ?1";
    execute(connection, sql, [webhook])?;
    Ok(())
}

/// Forgets the facts about a webhook that was changed.
pub(super) fn reset(connection: &Connection, webhook: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE endpoint SET failures = 0, failing_since = NULL, last_success = NULL, \
        parked_until = NULL WHERE webhook = ?1";
    if execute(connection, sql, [webhook])? > 0 {
        refresh(connection, webhook)?;
    }
    Ok(())
}

/// Claims nothing from a webhook until a time.
#[derive(Debug)]
pub(super) struct Park {
    pub(super) tenant: TenantId,
    pub(super) webhook: WebhookId,
    pub(super) until: Timestamp,
}

impl Write for Park {
    type Output = ();

    fn run(&self, connection: &Connection) -> Result<(), Broken> {
        let Some((tenant, _)) = tenant(connection, &self.tenant)? else { return Ok(()) };
        let Some(key) = webhook(connection, tenant, &self.webhook)? else { return Ok(()) };
        let endpoint = Endpoint { parked_until: Some(self.until), ..read(connection, key)? };
        write(connection, key, &endpoint)?;
        refresh(connection, key)?;
        Ok(())
    }
}

/// Makes failed messages of a webhook due again.
#[derive(Debug)]
pub(super) struct Requeue {
    pub(super) tenant: TenantId,
    pub(super) webhook: WebhookId,
    pub(super) since: Timestamp,
    pub(super) max: usize,
    pub(super) now: Timestamp,
}

impl Write for Requeue {
    type Output = usize;

    fn weight(&self) -> usize {
        self.max.saturating_mul(256)
    }

    fn run(&self, connection: &Connection) -> Result<usize, Broken> {
        let Some((tenant, _)) = tenant(connection, &self.tenant)? else { return Ok(0) };
        let Some(key) = webhook(connection, tenant, &self.webhook)? else { return Ok(0) };
        let sql = "UPDATE message SET outcome = NULL, attempts = 0, at = ?4 WHERE seq IN ( \
            SELECT seq FROM message INDEXED BY message_failed \
            WHERE webhook = ?1 AND outcome = 1 AND at > ?2 ORDER BY at, seq LIMIT ?3) \
            RETURNING event";
        let mut statement = connection.prepare_cached(sql)?;
        let now = nanoseconds(self.now);
        let params = (key, nanoseconds(self.since), count(self.max), now);
        let events = statement.query_map(params, |row| row.get(0))?;
        let events = events.collect::<Result<Vec<i64>, _>>()?;
        for event in &events {
            execute(connection, "UPDATE event SET holds = holds + 1 WHERE seq = ?1", [event])?;
        }
        if !events.is_empty() {
            wait(connection, key, now)?;
        }
        Ok(events.len())
    }
}
