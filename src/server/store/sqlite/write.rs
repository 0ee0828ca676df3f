//! The statements of each write, inside the writer's transaction.
//!
//! A write runs in a savepoint and may run again after its transaction was rolled back, so it has
//! no effect but its statements. It is given as a value, not as a closure, so that the writer can
//! see what it costs and whether it leaves something to sweep.
//!
//! Invariants between the statements, which [`check`](super::check) verifies:
//!
//! - A change takes the tenant's next revision and gives it to the webhook or to its removal. So
//!   each webhook, existing or removed after the floor, has the revision of its last change.
//! - A webhook that has deliveries is entered into `removed` before its row disappears, so that the
//!   sweep finds every delivery without a webhook.

use super::error::Broken;
use crate::server::store::contract::{DeliveryRow, StoreError, WebhookChange, WebhookRow};
use hooksieve::delivery::Status;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A write. It can run again if its transaction was rolled back.
#[derive(Debug)]
pub(super) enum Write {
    Commit { tenant: TenantId, expected: u64, change: WebhookChange },
    Record { tenant: TenantId, deliveries: Vec<DeliveryRow> },
    Expire { before: Timestamp, max: usize },
    Erase { tenant: TenantId },
    Ping,
}

impl Write {
    /// Returns the approximate number of bytes that it writes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Commit { change: WebhookChange::Put(row), .. } => row.document.len() + 1024,
            Self::Record { deliveries, .. } => {
                deliveries.iter().map(|row| row.document.len() + 256).sum()
            }
            // Removed rows are overwritten, which counts as writing.
            Self::Expire { max, .. } => max.saturating_mul(1024),
            Self::Commit { .. } | Self::Erase { .. } | Self::Ping => 1024,
        }
    }

    /// Returns whether it can leave deliveries of removed webhooks.
    pub(super) fn removes(&self) -> bool {
        matches!(self, Self::Commit { change: WebhookChange::Remove(_), .. } | Self::Erase { .. })
    }

    /// Runs the write, and returns the revision of a commit or the number of expired rows.
    pub(super) fn run(&self, connection: &Connection, log: u64) -> Result<u64, Broken> {
        match self {
            Self::Commit { tenant, expected, change } => {
                let at = Change { connection, tenant, expected: *expected, log };
                at.commit(change)
            }
            Self::Record { tenant, deliveries } => {
                record(connection, tenant, deliveries)?;
                Ok(0)
            }
            Self::Expire { before, max } => expire(connection, *before, *max),
            Self::Erase { tenant } => {
                erase(connection, tenant)?;
                Ok(0)
            }
            Self::Ping => {
                // A statement that changes nothing would commit without a flush, and prove nothing.
                let sql = "UPDATE meta SET value = (value + 1) % 1000000 WHERE name = 'pings'";
                execute(connection, sql, [])?;
                Ok(0)
            }
        }
    }
}

pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

/// Converts to SQLite's signed integers. The largest one stands for every number beyond it, which
/// is exact where this is used: a revision or a number of rows that no store can reach.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Converts a maximum number of rows; see [`integer`].
pub(super) fn count(max: usize) -> i64 {
    integer(max as u64)
}

/// Reads the revision in a column.
pub(super) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    let invalid = |_| rusqlite::Error::IntegralValueOutOfRange(column, number);
    u64::try_from(number).map_err(invalid)
}

/// Returns nanoseconds since 1970. Times outside the years 1970 to 2262, which no delivery has but
/// a cursor may name, become the first or the last one, so that comparisons stay correct.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    let since = SystemTime::from(time).duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Reads the time in a column.
pub(super) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let number: i64 = row.get(column)?;
    let invalid = |_| rusqlite::Error::IntegralValueOutOfRange(column, number);
    let since = Duration::from_nanos(u64::try_from(number).map_err(invalid)?);
    Ok((SystemTime::UNIX_EPOCH + since).into())
}

/// Returns the number of a status. Numbers have the order of the words.
pub(super) fn status_number(status: Status) -> i64 {
    match status {
        Status::Fail => 0,
        Status::Success => 1,
    }
}

/// Returns the key and the revision of a tenant.
pub(super) fn tenant(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<Option<(i64, u64)>> {
    let mut statement =
        connection.prepare_cached("SELECT key, revision FROM tenant WHERE name = ?1")?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, revision(row, 1)?));
    statement.query_row([tenant.as_str()], read).optional()
}

/// Returns the key of a webhook.
pub(super) fn webhook(
    connection: &Connection,
    tenant: i64,
    webhook: &WebhookId,
) -> rusqlite::Result<Option<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT key FROM webhook WHERE tenant = ?1 AND id = ?2")?;
    statement.query_row((tenant, webhook.as_str()), |row| row.get(0)).optional()
}

/// A change of a tenant's webhooks at an expected revision.
struct Change<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    expected: u64,
    /// The number of revisions whose removals are kept.
    log: u64,
}

impl Change<'_> {
    fn commit(&self, change: &WebhookChange) -> Result<u64, Broken> {
        let &Self { connection, tenant: name, expected, log } = self;
        let found = tenant(connection, name)?;
        // In the transaction, so that no other change can be between the comparison and the change.
        let current = found.map_or(0, |(_, revision)| revision);
        if current != expected {
            return Err(StoreError::Conflict { expected, current }.into());
        }
        let revision = current + 1;
        let key = match found {
            Some((key, _)) => {
                let sql = "UPDATE tenant SET revision = ?2 WHERE key = ?1";
                execute(connection, sql, (key, integer(revision)))?;
                key
            }
            None => {
                let sql = "INSERT INTO tenant (name, revision) VALUES (?1, ?2)";
                execute(connection, sql, (name.as_str(), integer(revision)))?;
                connection.last_insert_rowid()
            }
        };
        match change {
            WebhookChange::Put(WebhookRow { id, document }) => {
                let sql = "INSERT INTO webhook (tenant, id, revision, document) \
                    VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant, id) \
                    DO UPDATE SET revision = excluded.revision, document = excluded.document";
                execute(connection, sql, (key, id.as_str(), integer(revision), &**document))?;
                // Only the last change of a webhook is known.
                let sql = "DELETE FROM removal WHERE tenant = ?1 AND webhook = ?2";
                execute(connection, sql, (key, id.as_str()))?;
            }
            WebhookChange::Remove(id) => {
                remove(connection, key, id)?;
                let sql = "INSERT INTO removal (tenant, webhook, revision) VALUES (?1, ?2, ?3) \
                    ON CONFLICT (tenant, webhook) DO UPDATE SET revision = excluded.revision";
                execute(connection, sql, (key, id.as_str(), integer(revision)))?;
            }
        }
        self.trim(key, revision.saturating_sub(log))?;
        Ok(revision)
    }

    /// Forgets the removals up to a revision. The floor never falls, even if the setting is raised:
    /// what was forgotten stays unknown.
    fn trim(&self, key: i64, floor: u64) -> rusqlite::Result<()> {
        if floor == 0 {
            return Ok(());
        }
        let sql = "DELETE FROM removal WHERE tenant = ?1 AND revision <= ?2";
        execute(self.connection, sql, (key, integer(floor)))?;
        let sql = "UPDATE tenant SET floor = max(floor, ?2) WHERE key = ?1";
        execute(self.connection, sql, (key, integer(floor)))?;
        Ok(())
    }
}

/// Removes a webhook. Its deliveries can no longer be found; the writer deletes them in slices, so
/// that a long history does not delay other writes.
fn remove(connection: &Connection, tenant: i64, id: &WebhookId) -> rusqlite::Result<()> {
    if let Some(key) = webhook(connection, tenant, id)? {
        let sql = "INSERT INTO removed SELECT ?1 \
            WHERE EXISTS (SELECT 1 FROM delivery WHERE webhook = ?1)";
        execute(connection, sql, [key])?;
        execute(connection, "DELETE FROM webhook WHERE key = ?1", [key])?;
    }
    Ok(())
}

fn record(
    connection: &Connection,
    name: &TenantId,
    deliveries: &[DeliveryRow],
) -> rusqlite::Result<()> {
    let Some((tenant, _)) = tenant(connection, name)? else { return Ok(()) };
    let sql = "INSERT INTO delivery (webhook, id, event_type, status, triggered_at, document) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (webhook, id) DO NOTHING";
    let mut insert = connection.prepare_cached(sql)?;
    // Deliveries of one event go to many webhooks, and those of a retry to one: each is looked up
    // once.
    let mut keys = BTreeMap::new();
    for row in deliveries {
        let key = match keys.get(&row.webhook) {
            Some(key) => *key,
            None => {
                let key = webhook(connection, tenant, &row.webhook)?;
                keys.insert(&row.webhook, key);
                key
            }
        };
        // The webhook was removed meanwhile.
        let Some(key) = key else { continue };
        insert.execute((
            key,
            row.id.as_str(),
            row.event_type.as_str(),
            status_number(row.status),
            nanoseconds(row.triggered_at),
            &*row.document,
        ))?;
    }
    Ok(())
}

fn expire(connection: &Connection, before: Timestamp, max: usize) -> Result<u64, Broken> {
    let sql = "DELETE FROM delivery WHERE seq IN ( \
        SELECT seq FROM delivery INDEXED BY delivery_by_age \
        WHERE triggered_at < ?1 AND webhook NOT IN (SELECT webhook FROM removed) \
        ORDER BY triggered_at, seq LIMIT ?2)";
    let removed = execute(connection, sql, (nanoseconds(before), count(max)))?;
    Ok(removed as u64)
}

fn erase(connection: &Connection, name: &TenantId) -> rusqlite::Result<()> {
    let Some((tenant, _)) = tenant(connection, name)? else { return Ok(()) };
    // In the order of the references: what refers to a row is removed before it.
    let sql = "INSERT INTO removed SELECT key FROM webhook WHERE tenant = ?1 \
        AND EXISTS (SELECT 1 FROM delivery WHERE webhook = webhook.key)";
    execute(connection, sql, [tenant])?;
    for sql in [
        "DELETE FROM webhook WHERE tenant = ?1",
        "DELETE FROM removal WHERE tenant = ?1",
        "DELETE FROM tenant WHERE key = ?1",
    ] {
        execute(connection, sql, [tenant])?;
    }
    Ok(())
}

/// Deletes up to `max` deliveries of a removed webhook, and returns whether there may be more.
pub(super) fn sweep(connection: &Connection, max: usize) -> rusqlite::Result<bool> {
    let first = "SELECT webhook FROM removed ORDER BY webhook LIMIT 1";
    let first = connection.prepare_cached(first)?.query_row([], |row| row.get(0)).optional()?;
    let Some(key): Option<i64> = first else { return Ok(false) };
    let sql = "DELETE FROM delivery WHERE seq IN \
        (SELECT seq FROM delivery WHERE webhook = ?1 LIMIT ?2)";
    execute(connection, sql, (key, count(max)))?;
    let sql = "DELETE FROM removed WHERE webhook = ?1 \
        AND NOT EXISTS (SELECT 1 FROM delivery WHERE webhook = ?1)";
    execute(connection, sql, [key])?;
    Ok(true)
}
