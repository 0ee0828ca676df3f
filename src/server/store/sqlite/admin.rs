//! Backs up and checks a store, even while a server uses it.
//!
//! Both only read, on their own connections and without the lock of the directory. SQLite's
//! write-ahead log shows each of them one state of the store while the writer continues. Until they
//! end, the log cannot be emptied and grows with every write.
//!
//! A backup is written under another name and linked to its own when it is complete: a file with the
//! right name is a whole backup. It has no log of its own, so that one file is all there is to copy.
//!
//! A check reports as much as it can read. SQLite's own check finds damaged pages and indexes; the
//! [invariants](INVARIANTS) find what is well formed and cannot have been written by this program.

use super::error::{Broken, file, sqlite};
use super::file::{find, open_read_only, sync_parent};
use crate::server::files::private;
use crate::server::store::contract::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Row};
use serde::de::IgnoredAny;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Copies the store in a directory to a new file, which can serve as the store in another
/// directory. An existing file is never overwritten.
pub(crate) fn backup(directory: &Path, to: &Path) -> Result<(), StoreError> {
    let from = find(directory)?;
    let cannot = |error: &_| file(&format!("cannot write {}", to.display()), error);
    if to.exists() {
        let what = format!("{} already exists: choose another name", to.display());
        return Err(StoreError::Unusable(what));
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
    let done = copy(&from, &part).map_err(StoreError::from).and_then(|()| {
        // Unlike a rename, a hard link does not replace a file that was created meanwhile.
        std::fs::hard_link(&part, to).map_err(|error| cannot(&error))
    });
    // Also after a failure: a part of a backup must not be taken for one.
    let removed = std::fs::remove_file(&part).map_err(|error| cannot(&error));
    done.and(removed)?;
    sync_parent(to)
}

fn copy(from: &Path, to: &Path) -> Result<(), Broken> {
    let from = open_read_only(from)?;
    let mut to = Connection::open(to)?;
    to.pragma_update(None, "synchronous", "EXTRA")?;
    let mut attempts = 0;
    let backup = Backup::new(&from, &mut to)?;
    loop {
        // One step for all pages. Between steps, a commit of another process would restart the
        // backup, and a busy server would never let it end.
        match backup.step(-1)? {
            StepResult::Done => break,
            _ if attempts < 100 => {
                attempts += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            _ => {
                let what = "another process has locked the store for more than 5 s";
                return Err(StoreError::Failed(what.to_owned()).into());
            }
        }
    }
    drop(backup);
    // The copy is a single file without a log.
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    to.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Returns a description of every problem of the store in a directory; empty if it is sound.
///
/// Reads the whole store: runs SQLite's own check, and compares the tables with each other.
pub(crate) fn check(directory: &Path) -> Result<Vec<String>, StoreError> {
    let path = find(directory)?;
    let mut problems = Vec::new();
    let checked = open_read_only(&path).and_then(|mut connection| {
        let transaction = connection.transaction()?;
        // First, since the other checks rely on the tables and the columns.
        super::schema::verify(&transaction)?;
        integrity(&transaction, &mut problems)?;
        for &(what, sql) in INVARIANTS {
            invariant(&transaction, what, sql, &mut problems)?;
        }
        documents(&transaction, &mut problems)?;
        Ok(())
    });
    match checked {
        Ok(()) => Ok(problems),
        // The damage prevents the check from continuing.
        Err(Broken::Sqlite(error)) => match sqlite(&error) {
            StoreError::Unusable(what) => {
                problems.push(what);
                Ok(problems)
            }
            other => Err(other),
        },
        Err(Broken::Refused(StoreError::Unusable(what))) => Ok(vec![what]),
        Err(Broken::Refused(error)) => Err(error),
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
                "integrity_check" => problems.push(text),
                _ => problems.push(format!("a row of `{text}` refers to a missing row")),
            }
        }
    }
    Ok(())
}

/// The invariants of the tables: the description of a violation, and a query for the rows that
/// violate it.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "tenant has a webhook of a later revision than its own",
        "SELECT t.name FROM tenant t JOIN webhook w ON w.tenant = t.key WHERE w.revision > t.revision",
    ),
    (
        "tenant has no change at its own revision",
        "SELECT name FROM tenant t WHERE revision > floor
            AND NOT EXISTS (SELECT 1 FROM webhook w WHERE w.tenant = t.key AND w.revision = t.revision)
            AND NOT EXISTS (SELECT 1 FROM removal r WHERE r.tenant = t.key AND r.revision = t.revision)",
    ),
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
];

fn invariant(
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

/// Checks that documents are JSON.
fn documents(connection: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    for table in ["webhook", "delivery"] {
        let mut statement = connection.prepare(&format!("SELECT id, document FROM {table}"))?;
        let mut rows = statement.query([])?;
        let mut found = 0;
        // Row by row, since the documents of a store do not fit into memory.
        while let Some(row) = rows.next()?.filter(|_| found < MAX) {
            if !is_json(row)? {
                problems
                    .push(format!("{table} document is not JSON: {}", row.get::<_, String>(0)?));
                found += 1;
            }
        }
    }
    Ok(())
}

fn is_json(row: &Row<'_>) -> rusqlite::Result<bool> {
    let document = row.get_ref(1)?.as_blob()?;
    Ok(serde_json::from_slice::<IgnoredAny>(document).is_ok())
}
