//! The directory of a store: the lock, and the identification and creation of the file.
//!
//! ```text
//! lock                locked by the process that uses the directory, until it ends
//! hooksieve.db        the store
//! hooksieve.db-wal    the last commits: without them the store is incomplete
//! hooksieve.db-shm    an index of the last commits, rebuilt when it is missing
//! ```
//!
//! A backup must be restored into an empty directory: next to the log of another store, SQLite
//! would apply that log to it.
//!
//! A file is identified before SQLite opens it: SQLite would treat an empty file as an empty
//! database, and would write to another program's database. A new store is created under another
//! name and renamed when it is complete, so a file with the right name and a wrong header was never
//! created by this program.

use super::Settings;
use super::error::{Broken, RIGHTS, file, unusable};
use super::schema::{self, APPLICATION_ID, MIGRATIONS};
use super::write::integer;
use crate::server::files::{self, private};
use crate::server::store::contract::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the store's file.
pub(super) const NAME: &str = "hooksieve.db";

/// The time to wait for another process that has locked the store, such as the program `sqlite3`.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The header of a SQLite database (file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The lock of a directory, released when this value is dropped or the process ends.
#[derive(Debug)]
pub(super) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that was just forked may still have the file open.
        let _ = self.0.unlock();
    }
}

/// Creates a directory that only the server's user may read, unless it exists.
pub(super) fn make_directory(directory: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let what = || format!("cannot create the directory {}", directory.display());
    if directory.is_dir() {
        return Ok(());
    }
    builder.create(directory).map_err(|error| file(&what(), &error))?;
    sync_parent(directory)
}

/// Locks a directory; an error if another process has locked it.
pub(super) fn lock(directory: &Path) -> Result<DirectoryLock, StoreError> {
    let path = directory.join("lock");
    let what = |error: &_| file(&format!("cannot lock {}", path.display()), error);
    let opened = private().write(true).create(true).truncate(false).open(&path);
    let opened = opened.map_err(|error| what(&error))?;
    match opened.try_lock() {
        Ok(()) => Ok(DirectoryLock(opened)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
            "another process uses {}: stop it, or choose another directory",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(what(&error)),
    }
}

/// Makes the entry of a new file or directory durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let directory = files::parent(path).display();
    files::sync_parent(path).map_err(|error| file(&format!("cannot flush {directory}"), &error))
}

/// Returns the path of the store in a directory, and creates the store if there is none. Changes no
/// existing file. The store may be of this version or an older one.
pub(super) fn find_or_create(directory: &Path) -> Result<PathBuf, StoreError> {
    match find(directory) {
        Err(Unidentified::Missing(_)) => {
            let path = directory.join(NAME);
            create(directory, &path)?;
            Ok(path)
        }
        found => Ok(found?),
    }
}

/// Returns whether a directory has a file with the name of a store.
pub(crate) fn exists(directory: &Path) -> bool {
    directory.join(NAME).exists()
}

/// The reason why a directory has no store that this program can open.
#[derive(Debug)]
pub(super) enum Unidentified {
    /// There is no file.
    Missing(String),
    /// The file is not a store, or its beginning is damaged.
    NotAStore(String),
    /// The file cannot be read, or was written by a newer version.
    Error(StoreError),
}

impl From<Unidentified> for StoreError {
    fn from(unidentified: Unidentified) -> Self {
        match unidentified {
            Unidentified::Missing(what) | Unidentified::NotAStore(what) => Self::Unusable(what),
            Unidentified::Error(error) => error,
        }
    }
}

/// Returns the path of the store in a directory, which must exist.
pub(super) fn find(directory: &Path) -> Result<PathBuf, Unidentified> {
    let path = directory.join(NAME);
    let mut header = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(100).read_to_end(&mut header));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Unidentified::Missing(format!(
                "there is no {NAME} in {}: name the data directory of a server; only `serve` and \
                 `store import --create` make a new store",
                directory.display()
            )));
        }
        Err(error) => {
            let what = format!("cannot read {}", path.display());
            return Err(Unidentified::Error(file(&what, &error)));
        }
        Ok(_) => {}
    }
    let refused = |what: &str| Err(Unidentified::NotAStore(format!("{} {what}", path.display())));
    if header.get(..16) != Some(MAGIC) {
        return refused(
            "is not a store, or its beginning is damaged: restore a backup into an empty \
             directory, or choose another one",
        );
    }
    // Offset 68: the application id (file format, section 1.3).
    if header.get(68..72) != Some(&APPLICATION_ID.to_be_bytes()) {
        return refused("is a database of another program: choose another directory");
    }
    // A newer version is refused before a writer opens the file and changes its header.
    let version = read_version(&path).map_err(|broken| match StoreError::from(broken) {
        StoreError::Unusable(what) => Unidentified::NotAStore(what),
        error => Unidentified::Error(error),
    })?;
    schema::accept(version, MIGRATIONS).map_err(Unidentified::Error)?;
    Ok(path)
}

/// Reads the version of a store. A file that was interrupted while it changed to a write-ahead log,
/// such as a backup at its first use, has a rollback journal, which only a writer can apply.
fn read_version(path: &Path) -> Result<i64, Broken> {
    let read = open_read_only(path).and_then(|connection| Ok(schema::version(&connection)?));
    match read {
        Err(Broken::Sqlite(error))
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) =>
        {
            let connection = Connection::open_with_flags(path, flags(true))?;
            configure(&connection)?;
            Ok(schema::version(&connection)?)
        }
        read => read,
    }
}

fn create(directory: &Path, path: &Path) -> Result<(), StoreError> {
    // The store was deleted or moved without its log. SQLite would apply the log to the new file.
    let log = directory.join(format!("{NAME}-wal"));
    if log.exists() {
        return Err(unusable(&format!("{} exists without {NAME}", log.display())));
    }
    let new = directory.join(format!("{NAME}.new"));
    let cannot = |error: &_| file(&format!("cannot create {}", new.display()), error);
    // Left by an interrupted start, which answered no request.
    for end in ["", "-journal", "-wal", "-shm"] {
        match std::fs::remove_file(directory.join(format!("{NAME}.new{end}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(&error)),
            _ => {}
        }
    }
    private().write(true).create_new(true).open(&new).map_err(|error| cannot(&error))?;
    fill(&new)?;
    // From here on the store exists. A crash before leaves only the file with the other name.
    std::fs::rename(&new, path).map_err(|error| cannot(&error))?;
    sync_parent(path)
}

fn fill(new: &Path) -> Result<(), StoreError> {
    let made = || -> Result<(), Broken> {
        let mut connection = Connection::open_with_flags(new, flags(true))?;
        connection.pragma_update(None, "page_size", 4096)?;
        // Also flushes the directory, so that the schema is complete before the rename.
        connection.pragma_update(None, "synchronous", "EXTRA")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        schema::migrate(&mut connection, MIGRATIONS)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    };
    made().map_err(StoreError::from)
}

/// Opens an existing file. Connections are never shared between threads.
fn flags(writes: bool) -> OpenFlags {
    let access = match writes {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
}

/// Opens a store for reading only.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, Broken> {
    let connection = Connection::open_with_flags(path, flags(false))?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens a store for the writer.
pub(super) fn open_writer(path: &Path, settings: &Settings) -> Result<Connection, Broken> {
    let connection = Connection::open_with_flags(path, flags(true))?;
    // SQLite opens a file that it may not write for reading, and fails at the first write.
    if connection.is_readonly(rusqlite::MAIN_DB)? {
        return Err(
            StoreError::Unusable(format!("cannot write {}; {RIGHTS}", path.display())).into()
        );
    }
    configure(&connection)?;
    connection.busy_timeout(settings.patience)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let what = format!("cannot use a write-ahead log next to {}", path.display());
        return Err(StoreError::Unusable(what).into());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Deleted content is overwritten. Copies of rows that SQLite had moved to another page are not;
    // an erasure rewrites the file because of them. The pragma returns its value.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    // The log is truncated to this size after a large transaction.
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    // Negative numbers are KiB: 32 MiB, so that the upper pages of the indexes stay in memory.
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    // The writer copies the log into the file between its transactions.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    if let Some(max_bytes) = settings.max_bytes {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = max_bytes / u64::from(page.max(1));
        // SQLite counts pages in 32 bits and ignores a limit of 0. A larger limit is no limit.
        let pages = pages.clamp(1, u64::from(u32::MAX - 1));
        connection.pragma_update_and_check(None, "max_page_count", integer(pages), |_| Ok(()))?;
    }
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(128);
    // Plans must not depend on bound values: SQLite would prepare a statement again whenever the value
    // of its LIMIT changes, which took an eighth of the writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // A file that was prepared by others must not run functions, or read beyond its pages.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // With mapped files, an error of the disk would be a signal that ends the process.
    connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(()))
}
