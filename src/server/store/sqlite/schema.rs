//! The tables, and the migrations from older versions.
//!
//! `PRAGMA user_version` counts the migrations that a file has had. Each migration runs in one
//! transaction with the change of the version, so that a crash leaves the file at one version or
//! the other. A released migration never changes; new ones are appended.
//!
//! Deliveries are stored in the order of recording, which is almost that of time: new rows fill the
//! last pages, and expiry frees whole pages at the other end. Clustering rows by webhook would make
//! a page of a list slightly faster and writes five times slower.
//!
//! The index `delivery_by_time` splits the history of a webhook into *runs*, one for each event
//! type and status. Within a run, rows are in the order of a list. So each combination of filters
//! is a merge of a few runs, and a filter never reads rows that it does not select. The index
//! `delivery_by_status` does the same for lists sorted by status. Both indexes contain every column
//! that a list compares, so that only the rows of the page are fetched.
//!
//! ```text
//! tenant (name, revision, floor)
//!   ├── webhook (id, revision, document)
//!   │     ├── delivery (id, event_type, status, …) ──┐
//!   │     ├── endpoint (due, failures, …)            │
//!   │     ├── hour (successes, failures)             ▼
//!   │     └───────────────────────────────────── message (id, outcome, at, …)
//!   ├── event (id, received_at, body, …) ◀───────────┘
//!   ├── event_key (key, id)
//!   └── removal (webhook, revision)
//!       removals after the floor
//!
//! removed, erased   the keys of webhooks and tenants that are gone, and whose rows are still to be
//!                   deleted in slices
//! ```
//!
//! The messages of a removed webhook outlive it, with their events.
//!
//! # What is due
//!
//! `endpoint.due` is derived from the messages of a webhook. A claim walks the index
//! `endpoint_by_due`, and takes the first messages of each endpoint from `message_waiting`. So
//! 100,000 messages that wait for one endpoint are one step on the way to the next one.
//!
//! # Bodies
//!
//! The body of an event is stored once. A delivery sent mostly the same bytes, so that its document
//! would contain the body again, as a JSON string. That string is taken out of the document when it
//! is stored, and put back when it is read. A document without it, such as one with a converted body,
//! is stored as it is.
//!
//! # Changes
//!
//! There is no log of changes: the changes after a revision are the webhooks and the removals with
//! a later one. [`check`](super::check) verifies what the tables cannot express.

use super::error::Broken;
use crate::server::store::contract::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// The application id in the header of every store: `hksv`.
pub(super) const APPLICATION_ID: i32 = 0x686b_7376;

/// The migrations: the `n`th one takes a file from version `n` to `n + 1`.
pub(crate) const MIGRATIONS: &[&str] = &[
    "
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
    ",
    "
    -- The log of changes kept the documents of replaced and removed webhooks. Now the last change
    -- of a webhook is its own row, or one here. The removals after the tenant's `floor` are known.
    CREATE TABLE removal (
        tenant INTEGER NOT NULL REFERENCES tenant,
        webhook TEXT NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (tenant, webhook)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE tenant ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;

    INSERT INTO removal SELECT tenant, webhook, max(revision) FROM change
        WHERE NOT EXISTS
            (SELECT 1 FROM webhook w WHERE w.tenant = change.tenant AND w.id = change.webhook)
        GROUP BY tenant, webhook;
    UPDATE tenant SET floor = coalesce(
        (SELECT min(change.revision) - 1 FROM change WHERE change.tenant = tenant.key), revision);
    DROP TABLE change;

    CREATE INDEX removal_by_revision ON removal (tenant, revision);
    CREATE INDEX webhook_by_revision ON webhook (tenant, revision);
    ",
    "
    -- Events and messages, and what attempts leave besides deliveries. Numbers of events are never
    -- used again. wanted: the number of messages. holds: the number of its messages that have not
    -- ended, and of the deliveries of its messages; an event is kept while it is above 0.
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        tenant INTEGER NOT NULL,
        id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        source TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        wanted INTEGER NOT NULL,
        holds INTEGER NOT NULL CHECK (holds >= 0),
        body BLOB NOT NULL,
        UNIQUE (tenant, id)
    ) STRICT;
    CREATE INDEX event_by_time ON event (tenant, received_at);
    CREATE INDEX event_by_type ON event (tenant, event_type, received_at);
    CREATE INDEX event_unmatched ON event (tenant, received_at) WHERE wanted = 0;
    CREATE INDEX event_unmatched_by_type ON event (tenant, event_type, received_at)
        WHERE wanted = 0;
    CREATE INDEX event_by_age ON event (received_at) WHERE holds = 0;

    -- What recognizes duplicates. id: the id of the event, which may be gone.
    CREATE TABLE event_key (
        event INTEGER PRIMARY KEY,
        tenant INTEGER NOT NULL,
        key BLOB NOT NULL,
        id TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        UNIQUE (tenant, key)
    ) STRICT;

    -- webhook: its key; webhook_id: its id, which outlives it. outcome: NULL while the message waits
    -- or is claimed; see `outcome_number`. at: when it is due, or has ended.
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY,
        event INTEGER NOT NULL,
        webhook INTEGER NOT NULL,
        webhook_id TEXT NOT NULL,
        id TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        claimed INTEGER NOT NULL CHECK (claimed = 0 OR claimed = 1 AND outcome IS NULL),
        outcome INTEGER CHECK (outcome BETWEEN 0 AND 4),
        at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX message_by_id ON message (id);
    CREATE INDEX message_by_event ON message (event, webhook_id);
    CREATE INDEX message_waiting ON message (webhook, at) WHERE outcome IS NULL AND claimed = 0;
    CREATE INDEX message_claimed ON message (webhook) WHERE claimed = 1;
    CREATE INDEX message_failed ON message (webhook, at) WHERE outcome = 1;

    -- due: when its first waiting message is due, or `parked_until` if that is later; NULL if no
    -- message waits.
    CREATE TABLE endpoint (
        webhook INTEGER PRIMARY KEY,
        due INTEGER,
        failures INTEGER NOT NULL,
        failing_since INTEGER,
        last_success INTEGER,
        parked_until INTEGER
    ) STRICT;
    CREATE INDEX endpoint_by_due ON endpoint (due) WHERE due IS NOT NULL;

    -- The attempts of a webhook in an hour since 1970.
    CREATE TABLE hour (
        webhook INTEGER NOT NULL,
        hour INTEGER NOT NULL,
        successes INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        PRIMARY KEY (webhook, hour)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hour_by_age ON hour (hour, webhook);

    -- Erased tenants whose events are still to be deleted.
    CREATE TABLE erased (tenant INTEGER PRIMARY KEY) STRICT;

    -- duration: milliseconds. cause: 0 is an event, 1 the resend of `parent`, 2 a test. cut: where
    -- the body of the event was taken out of the document.
    ALTER TABLE delivery ADD COLUMN message INTEGER;
    ALTER TABLE delivery ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE delivery ADD COLUMN duration INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE delivery ADD COLUMN parent TEXT;
    ALTER TABLE delivery ADD COLUMN cause INTEGER NOT NULL DEFAULT 0
        CHECK (cause IN (0, 2) OR cause = 1 AND parent IS NOT NULL);
    ALTER TABLE delivery ADD COLUMN cut INTEGER CHECK (cut IS NULL OR message IS NOT NULL);
    CREATE INDEX delivery_by_message ON delivery (message) WHERE message IS NOT NULL;
    ",
];

/// Returns the version of a file.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Returns an error if a newer version of the program wrote the file.
pub(super) fn accept(version: i64, migrations: &[&str]) -> Result<(), StoreError> {
    applied(version, migrations).map(drop)
}

/// Returns how many of the migrations a file of a version has had.
fn applied(version: i64, migrations: &[&str]) -> Result<usize, StoreError> {
    let known = migrations.len();
    let applied = usize::try_from(version).ok().filter(|applied| *applied <= known);
    applied.ok_or_else(|| {
        StoreError::Unusable(format!(
            "it has version {version}, and this program knows versions up to {known}: \
             use the program that wrote it, or a newer one"
        ))
    })
}

/// Runs the migrations that the file has not had.
pub(crate) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Broken> {
    let done = applied(version(connection)?, migrations)?;
    for (to, migration) in (1i64..).zip(migrations).skip(done) {
        // SQLite's statements that change the schema are transactional, and so is the version, which is
        // in the header of the file.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Returns the tables and indexes of a file, with the statements that created them.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let sql =
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Returns an error if a table or an index of the file's version is missing or was altered.
/// Additional ones are ignored. Returns whether the version is this program's.
pub(super) fn verify(connection: &Connection) -> Result<bool, Broken> {
    let applied = applied(version(connection)?, MIGRATIONS)?;
    // Compared with a store that was just made, so that this function needs no list of its own.
    let mut model = Connection::open_in_memory()?;
    migrate(&mut model, MIGRATIONS.get(..applied).unwrap_or(MIGRATIONS))?;
    let found = objects(connection)?;
    for object in objects(&model)? {
        if !found.contains(&object) {
            return Err(Broken::Damaged(format!("`{}` is missing or was altered", object.0)));
        }
    }
    Ok(applied == MIGRATIONS.len())
}
