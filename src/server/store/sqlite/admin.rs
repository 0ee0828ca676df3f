//! Backs up and checks a store, even while a server uses it.
//!
//! Both only read, on their own connections and without the lock of the directory. SQLite's
//! write-ahead log shows each of them one state of the store while the writer continues. Until they
//! end, the log cannot be emptied and grows with every write.
//!
//! A backup is written under another name, checked, and linked to its own name when it is complete
//! and sound: a file with the right name is a whole backup. The copy is checked and not the store,
//! so that the log can be emptied meanwhile. It has no log of its own, so that one file is all there
//! is to copy.
//!
//! A check reports as much as it can read. SQLite's own check finds damaged pages and indexes; the
//! [invariants](INVARIANTS) find what is well formed and cannot have been written by this program.
//! Those that are [inexpensive](AT_START) are also checked at each start, since a server that
//! started without the webhooks of a lost tenant would look sound.

use super::document;
use super::error::{Broken, message, sqlite, unusable};
use super::file::{Unidentified, find, open_read_only};
use super::schema;
use super::write::{nanoseconds, status_number};
use crate::server::files::{private, sync_parent};
use crate::server::store::contract::StoreError;
use hooksieve::delivery::Delivery;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, Row, ffi};
use serde::Deserialize;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An error of a backup.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BackupError {
    /// The store cannot be read, or has problems.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new file cannot be written.
    #[error("{0}")]
    File(String),
}

/// Copies the store in a directory to a new file, which can serve as the store in another
/// directory. An existing file is never overwritten, and nothing is left of a backup that fails.
pub(crate) fn backup(directory: &Path, to: &Path) -> Result<(), BackupError> {
    let from = find(directory).map_err(StoreError::from)?;
    if to.exists() {
        return Err(BackupError::File("the file already exists: choose another name".to_owned()));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // Created before SQLite opens it, which would let other users read it.
    private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&part)
        .map_err(|error| cannot(&error))?;
    let done = copy(&from, &part)
        .and_then(|()| Ok(require_sound(&part)?))
        // Unlike a rename, a hard link does not replace a file that was created meanwhile.
        .and_then(|()| std::fs::hard_link(&part, to).map_err(|error| cannot(&error)));
    // Also after a failure: a part of a backup must not be taken for one.
    let removed = std::fs::remove_file(&part).map_err(|error| cannot(&error));
    done.and(removed)?;
    sync_parent(to).map_err(|error| cannot(&error))
}

/// Returns the error for the new file.
fn cannot(error: &io::Error) -> BackupError {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let help = match error.kind() {
        NotFound => "; create its directory first",
        PermissionDenied | ReadOnlyFilesystem => "; choose a directory that you may write",
        StorageFull => "; choose a disk with more space",
        _ => "",
    };
    BackupError::File(format!("cannot write the backup: {error}{help}"))
}

/// Returns the error of a copy, which is about the new file if only that is written.
fn copying(error: &rusqlite::Error) -> BackupError {
    use ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
    let is_read = |code| matches!(code, ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ);
    match error.sqlite_error().map(|error| (error.code, error.extended_code)) {
        Some((DiskFull, _)) => cannot(&io::ErrorKind::StorageFull.into()),
        Some((CannotOpen | ReadOnly, _)) => cannot(&io::ErrorKind::PermissionDenied.into()),
        Some((SystemIoFailure, code)) if !is_read(code) => BackupError::File(format!(
            "cannot write the backup: {}; check its disk",
            message(error)
        )),
        _ => sqlite(error).into(),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let from = open_read_only(from).map_err(StoreError::from)?;
    let copied = || -> Result<bool, rusqlite::Error> {
        let mut to = Connection::open(to)?;
        to.pragma_update(None, "synchronous", "EXTRA")?;
        if !copy_pages(&from, &mut to)? {
            return Ok(false);
        }
        // The copy is a single file without a log.
        to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        to.close().map_err(|(_, error)| error)?;
        Ok(true)
    };
    match copied() {
        Ok(true) => Ok(()),
        Ok(false) => {
            let what = "another process has locked the store for more than 5 s: stop it";
            Err(StoreError::Aborted(what.to_owned()).into())
        }
        Err(error) => Err(copying(&error)),
    }
}

/// Copies all pages, and returns false if another process keeps the store locked.
fn copy_pages(from: &Connection, to: &mut Connection) -> rusqlite::Result<bool> {
    let backup = Backup::new(from, to)?;
    for _ in 0..100 {
        // One step for all pages. Between steps, a commit of another process would restart the
        // backup, and a busy server would never let it end.
        if let StepResult::Done = backup.step(-1)? {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(false)
}

/// Returns a description of every problem of the store in a directory; empty if it is sound.
///
/// Reads the whole store: runs SQLite's own check, and compares the tables with each other. A store
/// of an older version is checked only by SQLite, and for its tables.
pub(crate) fn check(directory: &Path) -> Result<Vec<String>, StoreError> {
    match find(directory) {
        Ok(path) => problems(&path),
        Err(Unidentified::NotAStore(what)) => Ok(vec![what]),
        Err(error) => Err(error.into()),
    }
}

/// Returns an error if a [check](problems) of a file finds a problem.
pub(super) fn require_sound(path: &Path) -> Result<(), StoreError> {
    let problems = problems(path)?;
    match &*problems {
        [] => Ok(()),
        [only] => Err(unusable(only)),
        [first, others @ ..] => Err(unusable(&format!("{first}, and {} more", others.len()))),
    }
}

fn problems(path: &Path) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    let checked = open_read_only(path).and_then(|mut connection| {
        let transaction = connection.transaction()?;
        // First, since the other checks rely on the tables and the columns.
        let is_current = schema::verify(&transaction)?;
        integrity(&transaction, &mut problems)?;
        if is_current {
            for &(what, sql) in AT_START.iter().chain(INVARIANTS).chain(OUTBOX_INVARIANTS) {
                violations(&transaction, what, sql, &mut problems)?;
            }
            documents(&transaction, &mut problems)?;
        }
        Ok(())
    });
    match checked {
        Ok(()) => {}
        // The damage prevents the check from continuing.
        Err(Broken::Damaged(what)) => problems.push(what),
        Err(Broken::Sqlite(error)) if matches!(sqlite(&error), StoreError::Unusable(_)) => {
            problems.push(message(&error));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(problems)
}

/// Returns an error if the store violates an invariant that takes little time to check.
pub(super) fn verify_at_start(connection: &Connection) -> Result<(), Broken> {
    let mut problems = Vec::new();
    for &(what, sql) in AT_START {
        violations(connection, what, sql, &mut problems)?;
    }
    match problems.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(Broken::Damaged(first)),
    }
}

/// The maximum number of problems of one kind in the result.
const MAX: usize = 20;

fn integrity(connection: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    // The first one returns `ok` or texts, the second one the table of each row that refers to none.
    for pragma in ["integrity_check", "foreign_key_check"] {
        let mut statement = connection.prepare(&format!("PRAGMA {pragma}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            match pragma {
                _ if text == "ok" => {}
                // A text may have several lines; the one that names the file is no problem.
                "integrity_check" => problems.extend(
                    text.lines().filter(|line| !line.starts_with("***")).map(str::to_owned),
                ),
                _ => problems.push(format!("a row of `{text}` refers to a missing row")),
            }
        }
    }
    Ok(())
}

/// An invariant of the tables: the description of a violation, and a query for the names of the
/// rows that violate it.
type Invariant = (&'static str, &'static str);

/// The invariants without which a start would lose webhooks silently. They read only indexes, and
/// the rows of tenants.
const AT_START: &[Invariant] = &[
    (
        "webhook belongs to no tenant",
        "SELECT w.id FROM webhook w WHERE NOT EXISTS (SELECT 1 FROM tenant t WHERE t.key = w.tenant)",
    ),
    (
        "tenant has a webhook outside its revisions",
        "SELECT t.name FROM tenant t JOIN webhook w ON w.tenant = t.key
            WHERE w.revision > t.revision OR w.revision < 1",
    ),
    (
        "tenant has no change at its own revision",
        "SELECT name FROM tenant t WHERE revision > floor
            AND NOT EXISTS (SELECT 1 FROM webhook w WHERE w.tenant = t.key AND w.revision = t.revision)
            AND NOT EXISTS (SELECT 1 FROM removal r WHERE r.tenant = t.key AND r.revision = t.revision)",
    ),
    (
        "tenant has a floor above its revision",
        "SELECT name FROM tenant WHERE floor NOT BETWEEN 0 AND revision",
    ),
    // Without it, a test of the store would write nothing, and always succeed.
    (
        "table `meta` lacks a row",
        "SELECT 'pings' WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'pings')",
    ),
];

/// The other invariants.
const INVARIANTS: &[Invariant] = &[
    (
        "tenant has a removal outside its revisions",
        "SELECT t.name FROM tenant t JOIN removal r ON r.tenant = t.key
            WHERE r.revision > t.revision OR r.revision <= t.floor",
    ),
    (
        "tenant has two changes at one revision",
        "SELECT t.name FROM tenant t JOIN
            (SELECT tenant, revision FROM webhook UNION ALL SELECT tenant, revision FROM removal) c
            ON c.tenant = t.key GROUP BY t.key, c.revision HAVING count(*) > 1",
    ),
    (
        "webhook exists and is removed",
        "SELECT w.id FROM webhook w JOIN removal r ON r.tenant = w.tenant AND r.webhook = w.id",
    ),
    (
        "webhook was removed but still exists",
        "SELECT w.id FROM removed r JOIN webhook w ON w.key = r.webhook",
    ),
    (
        "delivery has no webhook",
        "SELECT id FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM webhook w WHERE w.key = d.webhook)
            AND NOT EXISTS (SELECT 1 FROM removed r WHERE r.webhook = d.webhook)",
    ),
    // A new webhook with an old key would have the deliveries of the removed one.
    (
        "key of a webhook can be used again",
        "SELECT CAST(key AS TEXT) FROM (SELECT key FROM webhook UNION ALL SELECT webhook FROM removed)
            WHERE key > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'webhook'), 0)",
    ),
];

/// The invariants of events and messages.
const OUTBOX_INVARIANTS: &[Invariant] = &[
    (
        "tenant was erased but still exists",
        "SELECT t.name FROM erased e JOIN tenant t ON t.key = e.tenant",
    ),
    (
        "event has no tenant",
        "SELECT id FROM event WHERE tenant NOT IN (SELECT key FROM tenant UNION SELECT tenant FROM erased)",
    ),
    (
        "key of an event has no tenant",
        "SELECT id FROM event_key
            WHERE tenant NOT IN (SELECT key FROM tenant UNION SELECT tenant FROM erased)",
    ),
    (
        "event was not matched at a revision of its tenant",
        "SELECT e.id FROM event e JOIN tenant t ON t.key = e.tenant WHERE e.revision > t.revision",
    ),
    (
        "event has not as many messages as webhooks that wanted it",
        "SELECT id FROM event e
            WHERE wanted <> (SELECT count(*) FROM message m WHERE m.event = e.seq)",
    ),
    (
        "event is not held by its messages and deliveries",
        "SELECT id FROM event e WHERE holds <>
            (SELECT count(*) FROM message m WHERE m.event = e.seq AND outcome IS NULL) +
            (SELECT count(*) FROM message m JOIN delivery d ON d.message = m.seq WHERE m.event = e.seq)",
    ),
    (
        "message has no event",
        "SELECT id FROM message m WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.seq = m.event)",
    ),
    (
        "message is for another webhook",
        "SELECT m.id FROM message m JOIN webhook w ON w.key = m.webhook JOIN event e ON e.seq = m.event
            WHERE w.id <> m.webhook_id OR w.tenant <> e.tenant",
    ),
    (
        "message waits for no webhook",
        "SELECT id FROM message m WHERE outcome IS NULL AND claimed = 0
            AND NOT EXISTS (SELECT 1 FROM webhook w WHERE w.key = m.webhook)
            AND NOT EXISTS (SELECT 1 FROM removed r WHERE r.webhook = m.webhook)",
    ),
    (
        "delivery is of another message",
        "SELECT d.id FROM delivery d LEFT JOIN message m ON m.seq = d.message
            WHERE d.message IS NOT NULL AND m.webhook IS NOT d.webhook",
    ),
    (
        "endpoint has no webhook",
        "SELECT CAST(webhook AS TEXT) FROM endpoint WHERE webhook NOT IN (SELECT key FROM webhook)",
    ),
    (
        "endpoint is not due when its messages are",
        "SELECT w.id FROM webhook w LEFT JOIN endpoint e ON e.webhook = w.key
            WHERE e.due IS NOT max(coalesce(e.parked_until, 0), (SELECT min(at) FROM message m
                WHERE m.webhook = w.key AND outcome IS NULL AND claimed = 0))",
    ),
    (
        "hour has no webhook",
        "SELECT CAST(hour AS TEXT) FROM hour h
            WHERE NOT EXISTS (SELECT 1 FROM webhook w WHERE w.key = h.webhook)
            AND NOT EXISTS (SELECT 1 FROM removed r WHERE r.webhook = h.webhook)",
    ),
];

fn violations(
    connection: &Connection,
    what: &str,
    sql: &str,
    problems: &mut Vec<String>,
) -> rusqlite::Result<()> {
    // A damaged store can violate an invariant in every row.
    let mut statement = connection.prepare(&format!("{sql} LIMIT {MAX}"))?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in names {
        problems.push(format!("{what}: {}", name?));
    }
    Ok(())
}

/// Finds what is wrong with the document of a row, which has the row's id in its first column.
type Judge = fn(&Row<'_>) -> rusqlite::Result<Option<&'static str>>;

/// Compares documents with their rows.
fn documents(connection: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    let kinds: [(&str, Judge); 2] = [
        ("SELECT id, document FROM webhook", of_webhook),
        (
            "SELECT d.id, d.document, d.event_type, d.status, d.triggered_at, w.id, d.cut, e.body \
                FROM delivery d LEFT JOIN webhook w ON w.key = d.webhook \
                LEFT JOIN message m ON m.seq = d.message \
                LEFT JOIN event e ON e.seq = m.event AND d.cut IS NOT NULL",
            of_delivery,
        ),
    ];
    for (sql, judge) in kinds {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut found = 0;
        // Row by row, since the documents of a store do not fit into memory.
        while let Some(row) = rows.next()?.filter(|_| found < MAX) {
            if let Some(what) = judge(row)? {
                problems.push(format!("{what}: {}", row.get::<_, String>(0)?));
                found += 1;
            }
        }
    }
    Ok(())
}

fn of_webhook(row: &Row<'_>) -> rusqlite::Result<Option<&'static str>> {
    /// The member that the row repeats.
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    let id = row.get_ref(0)?.as_str()?;
    Ok(match serde_json::from_slice::<Document<'_>>(row.get_ref(1)?.as_blob()?) {
        Ok(document) if document.id == id => None,
        Ok(_) => Some("webhook document has another id"),
        Err(_) => Some("webhook document is not JSON with an id"),
    })
}

fn of_delivery(row: &Row<'_>) -> rusqlite::Result<Option<&'static str>> {
    let (document, body) = (row.get_ref(1)?.as_blob()?, row.get_ref(7)?.as_blob_or_null()?);
    let document = match (row.get(6)?, body) {
        (None, _) => Some(document.into()),
        (Some(at), Some(body)) => document::join(document, at, body),
        (Some(_), None) => None,
    };
    let Some(Ok(delivery)) = document.map(|document: Vec<u8>| Delivery::read(&document)) else {
        return Ok(Some("delivery document cannot be read"));
    };
    let webhook = row.get_ref(5)?.as_str_or_null()?;
    let agrees = delivery.id().as_str() == row.get_ref(0)?.as_str()?
        && delivery.event_type().as_str() == row.get_ref(2)?.as_str()?
        && status_number(delivery.status()) == row.get::<_, i64>(3)?
        && nanoseconds(delivery.triggered_at()) == row.get::<_, i64>(4)?
        && webhook.is_none_or(|webhook| webhook == delivery.webhook().as_str());
    Ok((!agrees).then_some("delivery document differs from its row"))
}
