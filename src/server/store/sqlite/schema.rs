//! The tables, and how a file of an older version becomes one of this version.
//!
//! `PRAGMA user_version` counts the migrations that a file has had. Each runs in a transaction
//! together with its version, so that a crash leaves the file at one version or the other. A
//! migration that was released never changes; a new one is added after it.
//!
//! Deliveries are kept in the order in which they are recorded, and so nearly of time: new rows
//! fill the last pages, and expiry frees whole pages at the other end. Rows clustered by webhook
//! would make a page of a list a little faster, and writing five times slower.
//!
//! The index `delivery_by_time` splits the history of a webhook into *runs*, one for each event
//! type and status. In a run, rows are in the order of a list, so each combination of filters is
//! a merge of a few runs, and no filter makes a list read rows that it does not want. The index
//! `delivery_by_status` does the same for lists sorted by status. Both hold every column that a
//! list compares, so that only the rows of the page itself are fetched.

use super::error::{Broken, unusable};
use crate::server::store::contract::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// In the header of every store: `hksv`.
pub(super) const APPLICATION_ID: i32 = 0x686b_7376;

/// What makes a file of version `n` one of version `n + 1`.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE tenant (
        key INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        revision INTEGER NOT NULL
    ) STRICT;

    -- Keys are never used again, since deliveries of removed webhooks still have them.
    CREATE TABLE webhook (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant INTEGER NOT NULL REFERENCES tenant,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        document BLOB NOT NULL,
        UNIQUE (tenant, id)
    ) STRICT;

    -- The last changes of each tenant; without a document, a removal.
    CREATE TABLE change (
        tenant INTEGER NOT NULL REFERENCES tenant,
        revision INTEGER NOT NULL,
        webhook TEXT NOT NULL,
        document BLOB,
        PRIMARY KEY (tenant, revision)
    ) STRICT, WITHOUT ROWID;

    -- status: 0 is fail, 1 is success. triggered_at: nanoseconds since 1970.
    CREATE TABLE delivery (
        seq INTEGER PRIMARY KEY,
        webhook INTEGER NOT NULL,
        id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        status INTEGER NOT NULL CHECK (status IN (0, 1)),
        triggered_at INTEGER NOT NULL,
        document BLOB NOT NULL,
        UNIQUE (webhook, id)
    ) STRICT;
    CREATE INDEX delivery_by_time
        ON delivery (webhook, event_type, status, triggered_at DESC, id);
    CREATE INDEX delivery_by_status
        ON delivery (webhook, event_type, status, id, triggered_at);
    CREATE INDEX delivery_by_age ON delivery (triggered_at);

    -- Removed webhooks whose deliveries are still to be deleted.
    CREATE TABLE removed (webhook INTEGER PRIMARY KEY) STRICT;

    INSERT INTO meta VALUES ('pings', 0);
    "];

/// The version of a file.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Refuses a file that was written by a newer version of the program.
pub(super) fn accept(version: i64, migrations: &[&str]) -> Result<(), StoreError> {
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    match version {
        0.. if version <= known => Ok(()),
        _ => Err(StoreError::Unusable(format!(
            "it has version {version}, and this program knows versions up to {known}: \
             use the program that wrote it, or a newer one"
        ))),
    }
}

/// Runs the migrations that a file has not had.
pub(crate) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Broken> {
    let from = version(connection)?;
    accept(from, migrations)?;
    let done = usize::try_from(from).unwrap_or_default();
    for (to, migration) in (1i64..).zip(migrations).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The tables and indexes of a file, with the statements that made them.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql =
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Refuses a file that lacks a table or an index of its version. Others are left alone.
pub(super) fn verify(connection: &Connection) -> Result<(), Broken> {
    let mut model = Connection::open_in_memory()?;
    migrate(&mut model, MIGRATIONS)?;
    let found = objects(connection)?;
    for object in objects(&model)? {
        if !found.contains(&object) {
            let what = format!("`{}` is missing from it or was altered", object.0);
            return Err(unusable(&what).into());
        }
    }
    Ok(())
}
