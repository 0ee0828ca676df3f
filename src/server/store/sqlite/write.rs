//! The statements of each write, inside the writer's transaction.

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
            Self::Commit { change: WebhookChange::Put(row), .. } => 2 * row.document.len(),
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

/// Converts to SQLite's signed integers. Revisions and counts stay far below the limit.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads the revision in a column.
pub(super) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    let invalid = |_| rusqlite::Error::IntegralValueOutOfRange(column, number);
    u64::try_from(number).map_err(invalid)
}

/// Returns nanoseconds since 1970. Times after the year 2262 become the last one.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    let since = SystemTime::from(time).duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
}

pub(super) fn timestamp(nanoseconds: i64) -> Timestamp {
    let since = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default());
    (SystemTime::UNIX_EPOCH + since).into()
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
    /// The maximum number of changes in the log.
    log: u64,
}

impl Change<'_> {
    fn commit(&self, change: &WebhookChange) -> Result<u64, Broken> {
        let &Self { connection, tenant: name, expected, log } = self;
        let found = tenant(connection, name)?;
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
        let (id, document) = match change {
            WebhookChange::Put(WebhookRow { id, document }) => (id, Some(&**document)),
            WebhookChange::Remove(id) => (id, None),
        };
        match document {
            Some(document) => {
                let sql = "INSERT INTO webhook (tenant, id, revision, document) \
                    VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant, id) \
                    DO UPDATE SET revision = excluded.revision, document = excluded.document";
                execute(connection, sql, (key, id.as_str(), integer(revision), document))?;
            }
            None => remove(connection, key, id)?,
        }
        let sql =
            "INSERT INTO change (tenant, revision, webhook, document) VALUES (?1, ?2, ?3, ?4)";
        execute(connection, sql, (key, integer(revision), id.as_str(), document))?;
        let sql = "DELETE FROM change WHERE tenant = ?1 AND revision <= ?2";
        execute(connection, sql, (key, integer(revision.saturating_sub(log))))?;
        Ok(revision)
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
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let removed = execute(connection, sql, (nanoseconds(before), max))?;
    Ok(removed as u64)
}

fn erase(connection: &Connection, name: &TenantId) -> rusqlite::Result<()> {
    let Some((tenant, _)) = tenant(connection, name)? else { return Ok(()) };
    let sql = "INSERT INTO removed SELECT key FROM webhook WHERE tenant = ?1 \
        AND EXISTS (SELECT 1 FROM delivery WHERE webhook = webhook.key)";
    execute(connection, sql, [tenant])?;
    for sql in [
        "DELETE FROM webhook WHERE tenant = ?1",
        "DELETE FROM change WHERE tenant = ?1",
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
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let sql = "DELETE FROM delivery WHERE seq IN \
        (SELECT seq FROM delivery WHERE webhook = ?1 LIMIT ?2)";
    execute(connection, sql, (key, max))?;
    let sql = "DELETE FROM removed WHERE webhook = ?1 \
        AND NOT EXISTS (SELECT 1 FROM delivery WHERE webhook = ?1)";
    execute(connection, sql, [key])?;
    Ok(true)
}
