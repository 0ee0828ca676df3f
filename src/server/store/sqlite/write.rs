//! The statements of each write, inside the writer's transaction.
//!
//! A write is refused only before its first statement that changes something, and may run again after
//! its transaction was rolled back. So it has no effect but its statements. It is given as a value, not
//! as a closure, so that the writer can see what it costs and whether it leaves something to sweep.
//!
//! Invariants between the statements, which [`check`](super::check) verifies:
//!
//! - A change takes the tenant's next revision and gives it to the webhook or to its removal. So
//!   each webhook, existing or removed after the floor, has the revision of its last change.
//! - A webhook is entered into `removed`, and a tenant into `erased`, before its row disappears, so
//!   that the sweep finds every row that refers to it.
//! - An event has a hold for each message that has not ended, and for each delivery of its messages.
//! - `endpoint.due` is when the first waiting message of a webhook may be claimed.

use super::endpoint;
use super::error::Broken;
use crate::server::store::contract::outbox::Outcome;
use crate::server::store::contract::{StoreError, WebhookChange, WebhookRow};
use hooksieve::delivery::Status;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use std::time::{Duration, SystemTime};

/// A write. It can run again if its transaction was rolled back.
pub(super) trait Write: Send + 'static {
    /// What its caller receives.
    type Output: Send + 'static;

    /// Returns the approximate number of bytes that it writes.
    fn weight(&self) -> usize {
        1024
    }

    /// Returns what it leaves to do after its transaction.
    fn left(&self) -> Left {
        Left::Nothing
    }

    /// Runs the statements. A refusal must come before any of them changes something.
    fn run(&self, connection: &Connection) -> Result<Self::Output, Broken>;
}

/// What a write leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// Rows of removed webhooks.
    Rows,
    /// Rows of an erased tenant, and its content in the log. The write is answered when both are
    /// gone.
    Content,
}

/// Commits a transaction without content.
#[derive(Debug)]
pub(super) struct Ping;

impl Write for Ping {
    type Output = ();

    fn run(&self, connection: &Connection) -> Result<(), Broken> {
        // A statement that changes nothing would commit without a flush, and prove nothing.
        let sql = "UPDATE meta SET value = (value + 1) % 1000000 WHERE name = 'pings'";
        execute(connection, sql, [])?;
        Ok(())
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

/// Reads a number that is not negative, such as a revision, in a column.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
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
    match row.get(column)? {
        number @ 0.. => Ok(time(number)),
        number => Err(rusqlite::Error::IntegralValueOutOfRange(column, number)),
    }
}

/// Returns the time of nanoseconds since 1970, which are not negative.
pub(super) fn time(nanoseconds: i64) -> Timestamp {
    (SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds.unsigned_abs())).into()
}

/// Returns the number of a status. Numbers have the order of the words.
pub(super) fn status_number(status: Status) -> i64 {
    match status {
        Status::Fail => 0,
        Status::Success => 1,
    }
}

/// Returns the number of an outcome.
pub(super) fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Delivered => 0,
        Outcome::Failed => 1,
        Outcome::Removed => 2,
        Outcome::Disabled => 3,
        Outcome::Unsendable => 4,
    }
}

/// Returns the key and the revision of a tenant.
pub(super) fn tenant(
    connection: &Connection,
    tenant: &TenantId,
) -> rusqlite::Result<Option<(i64, u64)>> {
    let mut statement =
        connection.prepare_cached("SELECT key, revision FROM tenant WHERE name = ?1")?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, number(row, 1)?));
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

/// Returns the key of a tenant that may be new.
pub(super) fn tenant_or_new(connection: &Connection, name: &TenantId) -> rusqlite::Result<i64> {
    if let Some((key, _)) = tenant(connection, name)? {
        return Ok(key);
    }
    // The keys of erased tenants are used again only when no row has them.
    let sql = "INSERT INTO tenant (key, name, revision) SELECT coalesce(max(key), 0) + 1, ?1, 0 \
        FROM (SELECT max(key) AS key FROM tenant UNION ALL SELECT max(tenant) FROM erased)";
    execute(connection, sql, [name.as_str()])?;
    Ok(connection.last_insert_rowid())
}

/// A change of a tenant's webhooks at an expected revision.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) tenant: TenantId,
    pub(super) expected: u64,
    pub(super) change: WebhookChange,
    /// The number of revisions whose removals are kept.
    pub(super) log: u64,
}

impl Write for Commit {
    type Output = u64;

    fn weight(&self) -> usize {
        match &self.change {
            WebhookChange::Put(row) => row.document.len() + 1024,
            WebhookChange::Remove(_) => 1024,
        }
    }

    fn left(&self) -> Left {
        match self.change {
            WebhookChange::Put(_) => Left::Nothing,
            WebhookChange::Remove(_) => Left::Rows,
        }
    }

    fn run(&self, connection: &Connection) -> Result<u64, Broken> {
        let expected = self.expected;
        // In the transaction, so that no other change can be between the comparison and the change.
        let current = tenant(connection, &self.tenant)?.map_or(0, |(_, revision)| revision);
        if current != expected {
            return Err(StoreError::Conflict { expected, current }.into());
        }
        let key = tenant_or_new(connection, &self.tenant)?;
        let revision = current + 1;
        let sql = "UPDATE tenant SET revision = ?2 WHERE key = ?1";
        execute(connection, sql, (key, integer(revision)))?;
        match &self.change {
            WebhookChange::Put(row) => put(connection, key, revision, row)?,
            WebhookChange::Remove(id) => {
                remove(connection, key, id)?;
                let sql = "INSERT INTO removal (tenant, webhook, revision) VALUES (?1, ?2, ?3) \
                    ON CONFLICT (tenant, webhook) DO UPDATE SET revision = excluded.revision";
                execute(connection, sql, (key, id.as_str(), integer(revision)))?;
            }
        }
        trim(connection, key, revision.saturating_sub(self.log))?;
        Ok(revision)
    }
}

fn put(
    connection: &Connection,
    tenant: i64,
    revision: u64,
    row: &WebhookRow,
) -> rusqlite::Result<()> {
    let WebhookRow { id, document } = row;
    let sql = "INSERT INTO webhook (tenant, id, revision, document) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (tenant, id) \
        DO UPDATE SET revision = excluded.revision, document = excluded.document";
    execute(connection, sql, (tenant, id.as_str(), integer(revision), &**document))?;
    // Only the last change of a webhook is known.
    let sql = "DELETE FROM removal WHERE tenant = ?1 AND webhook = ?2";
    execute(connection, sql, (tenant, id.as_str()))?;
    if let Some(key) = webhook(connection, tenant, id)? {
        endpoint::reset(connection, key)?;
    }
    Ok(())
}

/// Forgets the removals up to a revision. The floor never falls, even if the setting is raised:
/// what was forgotten stays unknown.
fn trim(connection: &Connection, tenant: i64, floor: u64) -> rusqlite::Result<()> {
    if floor == 0 {
        return Ok(());
    }
    let sql = "DELETE FROM removal WHERE tenant = ?1 AND revision <= ?2";
    execute(connection, sql, (tenant, integer(floor)))?;
    let sql = "UPDATE tenant SET floor = max(floor, ?2) WHERE key = ?1";
    execute(connection, sql, (tenant, integer(floor)))?;
    Ok(())
}

/// Removes a webhook. Its rows can no longer be found; the writer ends its messages and deletes the
/// other rows in slices, so that a long history does not delay other writes.
fn remove(connection: &Connection, tenant: i64, id: &WebhookId) -> rusqlite::Result<()> {
    if let Some(key) = webhook(connection, tenant, id)? {
        execute(connection, "INSERT INTO removed VALUES (?1)", [key])?;
        // Without an endpoint, no message of it is claimed.
        execute(connection, "DELETE FROM endpoint WHERE webhook = ?1", [key])?;
        execute(connection, "DELETE FROM webhook WHERE key = ?1", [key])?;
    }
    Ok(())
}

/// Removes a tenant. The writer deletes the rows that refer to it.
#[derive(Debug)]
pub(super) struct Erase {
    pub(super) tenant: TenantId,
}

impl Write for Erase {
    type Output = ();

    fn left(&self) -> Left {
        Left::Content
    }

    fn run(&self, connection: &Connection) -> Result<(), Broken> {
        let Some((tenant, _)) = tenant(connection, &self.tenant)? else { return Ok(()) };
        for sql in [
            "INSERT INTO removed SELECT key FROM webhook WHERE tenant = ?1",
            "INSERT INTO erased VALUES (?1)",
            // In the order of the references: what refers to a row is removed before it.
            "DELETE FROM endpoint WHERE webhook IN (SELECT key FROM webhook WHERE tenant = ?1)",
            "DELETE FROM webhook WHERE tenant = ?1",
            "DELETE FROM removal WHERE tenant = ?1",
            "DELETE FROM tenant WHERE key = ?1",
        ] {
            execute(connection, sql, [tenant])?;
        }
        Ok(())
    }
}
