//! Reads from the store, on blocking threads with their own connections.
//!
//! SQLite blocks its thread, so a read runs on a blocking thread of the runtime; a semaphore limits
//! how many run at once, because each needs a connection. A read is one transaction: everything in
//! it is of one revision, while the writer goes on.
//!
//! ```text
//! read ──▶ permit ──▶ idle connection, or a new one ──▶ BEGIN … COMMIT ──▶ idle again
//!                                                        └── error: the connection is closed
//! ```
//!
//! A cancelled read ends with its statement, not at once. Its permit is kept until then, so that
//! callers who give up cannot start more reads than there are connections.

use super::claim::message_id;
use super::document;
use super::error::Broken;
use super::file::{DirectoryLock, open_read_only};
use super::write::{integer, nanoseconds, number, tenant, timestamp, webhook};
use super::writer::Health;
use crate::server::store::contract::outbox::{HourRow, hour};
use crate::server::store::contract::{
    Attempt, Cause, DeliveryRow, StoreError, TenantRows, WebhookChange, WebhookRow,
};
use hooksieve::delivery::{DeliveryId, MessageId, Status};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The maximum number of concurrent reads; others wait.
const CONNECTIONS: usize = 4;

/// The idle connections, at most [`CONNECTIONS`].
#[derive(Clone, Debug)]
pub(super) struct Readers {
    permits: Arc<Semaphore>,
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    health: Arc<Health>,
    /// Holds the lock of the directory until the last read has ended.
    _lock: Arc<DirectoryLock>,
}

impl Readers {
    /// Opens all connections at the start, since file descriptors may run out later.
    pub(super) fn open(
        path: PathBuf,
        health: Arc<Health>,
        lock: Arc<DirectoryLock>,
    ) -> Result<Self, Broken> {
        let idle = (0..CONNECTIONS).map(|_| open_read_only(&path)).collect::<Result<_, _>>()?;
        let pool = Pool { path, idle: Mutex::new(idle), health, _lock: lock };
        Ok(Self { permits: Arc::new(Semaphore::new(CONNECTIONS)), pool: Arc::new(pool) })
    }

    /// Runs a read on one snapshot of the store.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed = |what: &dyn std::fmt::Display| StoreError::Failed(what.to_string());
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|error| failed(&error))?;
        let pool = Arc::clone(&self.pool);
        let run = move || {
            // Kept by the read, not by the future that waits for it.
            let _permit = permit;
            pool.read(read)
        };
        tokio::task::spawn_blocking(run).await.map_err(|error| failed(&error))?
    }
}

impl Pool {
    fn read<T>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // The lock is not held while reading.
        let kept = idle().pop();
        let attempt = || -> Result<T, Broken> {
            let mut connection = match kept {
                Some(connection) => connection,
                None => open_read_only(&self.path)?,
            };
            let transaction = connection.transaction()?;
            let found = read(&transaction)?;
            // Only a connection without an open transaction is used again.
            transaction.finish()?;
            idle().push(connection);
            Ok(found)
        };
        attempt().map_err(|broken| {
            // Damage that a read finds also stops the writer, which could spread it.
            let error = StoreError::from(broken);
            self.health.note(&error);
            error
        })
    }
}

pub(super) fn tenants(connection: &Connection) -> rusqlite::Result<Vec<TenantId>> {
    let mut statement = connection.prepare_cached("SELECT name FROM tenant ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok(row.get::<_, String>(0)?.into()))?;
    rows.collect()
}

pub(super) fn load(connection: &Connection, name: &TenantId) -> rusqlite::Result<TenantRows> {
    // Not an error: a tenant exists for the store with its first change.
    let Some((key, revision)) = tenant(connection, name)? else {
        return Ok(TenantRows::default());
    };
    let sql = "SELECT id, document FROM webhook WHERE tenant = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let (id, document): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        Ok(WebhookRow { id: id.into(), document: document.into() })
    };
    let webhooks = statement.query_map([key], read)?.collect::<Result<_, _>>()?;
    Ok(TenantRows { revision, webhooks })
}

/// Merges the webhooks and the removals after a revision, by revision. No two have the same one.
pub(super) fn changes(
    connection: &Connection,
    name: &TenantId,
    after: u64,
) -> rusqlite::Result<Option<Vec<(u64, WebhookChange)>>> {
    let sql = "SELECT key, revision, floor FROM tenant WHERE name = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, number(row, 1)?, number(row, 2)?));
    let Some((key, last, floor)) = statement.query_row([name.as_str()], read).optional()? else {
        // An unknown tenant is at revision 0, and has no changes.
        return Ok((after == 0).then(Vec::new));
    };
    if after >= last || after < floor {
        return Ok((after == last).then(Vec::new));
    }
    let sql = "SELECT revision, id, document FROM webhook WHERE tenant = ?1 AND revision > ?2 \
        UNION ALL \
        SELECT revision, webhook, NULL FROM removal WHERE tenant = ?1 AND revision > ?2 \
        ORDER BY 1";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let id: WebhookId = row.get::<_, String>(1)?.into();
        let change = match row.get::<_, Option<Vec<u8>>>(2)? {
            Some(document) => WebhookChange::Put(WebhookRow { id, document: document.into() }),
            None => WebhookChange::Remove(id),
        };
        Ok((number(row, 0)?, change))
    };
    statement.query_map((key, integer(after)), read)?.collect::<Result<Vec<_>, _>>().map(Some)
}

/// The webhook whose rows are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    pub(super) id: &'a WebhookId,
    pub(super) key: i64,
}

/// The start of a statement whose rows [`delivery_row`] reads. The body of the event is read only if
/// the document needs it.
pub(super) const DELIVERIES: &str = "SELECT d.id, d.event_type, d.status, d.triggered_at, \
    d.document, d.number, d.duration, d.cause, d.parent, m.id, d.cut, e.body \
    FROM delivery d LEFT JOIN message m ON m.seq = d.message \
    LEFT JOIN event e ON e.seq = m.event AND d.cut IS NOT NULL";

pub(super) fn delivery_row(webhook: Of<'_>, row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    let (id, event_type): (String, String) = (row.get(0)?, row.get(1)?);
    let document = match row.get(10)? {
        None => row.get(4)?,
        Some(at) => {
            let (document, body) = (row.get_ref(4)?.as_blob()?, row.get_ref(11)?.as_blob()?);
            let invalid = || rusqlite::Error::IntegralValueOutOfRange(10, at);
            document::join(document, at, body).ok_or_else(invalid)?
        }
    };
    let message = match row.get_ref(9)? {
        ValueRef::Null => None,
        _ => Some(message_id(row, 9)?),
    };
    let cause = match row.get(7)? {
        0 => Cause::Event,
        1 => Cause::Resend(row.get::<_, String>(8)?.into()),
        2 => Cause::Test,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(7, other)),
    };
    let attempt = Attempt {
        message,
        number: row.get(5)?,
        duration: Duration::from_millis(number(row, 6)?),
        cause,
    };
    Ok(DeliveryRow {
        id: id.into(),
        webhook: webhook.id.clone(),
        event_type: event_type.into(),
        status: if row.get(2)? { Status::Success } else { Status::Fail },
        triggered_at: timestamp(row, 3)?,
        document: document.into(),
        attempt,
    })
}

/// Returns the key of a tenant's webhook.
pub(super) fn webhook_key(
    connection: &Connection,
    name: &TenantId,
    id: &WebhookId,
) -> rusqlite::Result<Option<i64>> {
    match tenant(connection, name)? {
        Some((key, _)) => webhook(connection, key, id),
        None => Ok(None),
    }
}

pub(super) fn delivery(
    connection: &Connection,
    webhook: Of<'_>,
    id: &DeliveryId,
    since: Timestamp,
) -> rusqlite::Result<Option<DeliveryRow>> {
    let sql = format!("{DELIVERIES} WHERE d.webhook = ?1 AND d.id = ?2 AND d.triggered_at > ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let params = (webhook.key, id.as_str(), nanoseconds(since));
    statement.query_row(params, |row| delivery_row(webhook, row)).optional()
}

/// Returns the deliveries of a message, oldest first.
pub(super) fn attempts(
    connection: &Connection,
    webhook: Of<'_>,
    message: &MessageId,
    since: Timestamp,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sql = format!(
        "{DELIVERIES} WHERE d.message IN (SELECT seq FROM message WHERE id = ?2 AND webhook = ?1) \
         AND d.triggered_at > ?3 ORDER BY d.triggered_at, d.seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let params = (webhook.key, message.as_str(), nanoseconds(since));
    statement.query_map(params, |row| delivery_row(webhook, row))?.collect()
}

/// Returns the numbers of attempts of a webhook in each hour.
pub(super) fn hours(
    connection: &Connection,
    webhook: i64,
    since: Timestamp,
) -> rusqlite::Result<Vec<HourRow>> {
    let sql = "SELECT hour, successes, failures FROM hour \
        WHERE webhook = ?1 AND hour >= ?2 ORDER BY hour";
    let read = |row: &Row<'_>| {
        Ok(HourRow { hour: number(row, 0)?, successes: number(row, 1)?, failures: number(row, 2)? })
    };
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map((webhook, integer(hour(since))), read)?.collect()
}

/// Returns what is read of each webhook; the default of one that does not exist.
pub(super) fn each<T: Default>(
    connection: &Connection,
    name: &TenantId,
    ids: &[WebhookId],
    read: impl Fn(i64) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let known = tenant(connection, name)?;
    let of = |id| match known {
        Some((tenant, _)) => webhook(connection, tenant, id),
        None => Ok(None),
    };
    ids.iter().map(|id| of(id)?.map_or_else(|| Ok(T::default()), &read)).collect()
}
