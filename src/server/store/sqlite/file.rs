//! The directory of a store: its lock, its file, and whether that is a store at all.
//!
//! ```text
//! lock                locked by the process that uses the directory, until it ends
//! hooksieve.db        the store
//! hooksieve.db-wal    its last commits: without them it is incomplete
//! hooksieve.db-shm    an index of those, made again when it is missing
//! ```
//!
//! A backup is restored into an empty directory: beside the log of another store it would be
//! taken for the store that the log belongs to.
//!
//! A file is looked at before SQLite gets it: SQLite would take an empty file for an empty
//! database and would write to another program's. A new store is made under another name and
//! renamed when it is complete, so that a file of the right name without the right header is
//! never one that this program began.

use super::error::{Broken, file, unusable};
use super::schema::{self, APPLICATION_ID, MIGRATIONS};
use crate::server::store::contract::StoreError;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the store in its directory.
pub(super) const NAME: &str = "hooksieve.db";

/// How long to wait for another process that has the store locked, such as the program `sqlite3`
/// of a person who looks at it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Of a SQLite database (file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The lock of a directory, which ends with this value or with the process.
#[derive(Debug)]
pub(super) struct DirectoryLock(File);

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing would not do while a process that was forked a moment ago has the file, too.
        let _ = self.0.unlock();
    }
}

/// Options for files that only the server's user may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a directory that only the server's user may read, where there is none.
pub(super) fn make_directory(directory: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let what = || format!("cannot make the directory {}", directory.display());
    if directory.is_dir() {
        return Ok(());
    }
    builder.create(directory).map_err(|error| file(&what(), &error))?;
    sync_parent(directory)
}

/// Takes the lock of a directory, or says that another process has it.
pub(super) fn lock(directory: &Path) -> Result<DirectoryLock, StoreError> {
    let path = directory.join("lock");
    let what = |error: &_| file(&format!("cannot lock {}", path.display()), error);
    let opened = private().write(true).create(true).truncate(false).open(&path);
    let opened = opened.map_err(|error| what(&error))?;
    match opened.try_lock() {
        Ok(()) => Ok(DirectoryLock(opened)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
            "another process uses {}: stop it, or give this one another directory",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(what(&error)),
    }
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| file(&format!("cannot flush {}", directory.display()), &error))
}

/// Makes the name of a new file or directory durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// The path of the store in a directory, which is a store of this version or an older one, or was
/// just made. Changes no file that is there.
pub(super) fn find_or_create(directory: &Path) -> Result<PathBuf, StoreError> {
    let path = directory.join(NAME);
    match identify(&path) {
        Ok(()) => Ok(path),
        Err(Unidentified::Missing) => {
            create(directory, &path)?;
            Ok(path)
        }
        Err(Unidentified::Error(error)) => Err(error),
    }
}

/// The path of the store in a directory, which must be there.
pub(super) fn find(directory: &Path) -> Result<PathBuf, StoreError> {
    let path = directory.join(NAME);
    match identify(&path) {
        Ok(()) => Ok(path),
        Err(Unidentified::Error(error)) => Err(error),
        Err(Unidentified::Missing) => {
            let what = format!("there is no {NAME} in {}", directory.display());
            Err(StoreError::Unusable(what))
        }
    }
}

enum Unidentified {
    Missing,
    Error(StoreError),
}

fn identify(path: &Path) -> Result<(), Unidentified> {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(100).read_to_end(&mut header));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Unidentified::Missing),
        Err(error) => {
            let what = format!("cannot read {}", path.display());
            return Err(Unidentified::Error(file(&what, &error)));
        }
        Ok(_) => {}
    }
    let refused = |what: &str| {
        let text = format!("{} {what}", path.display());
        Err(Unidentified::Error(StoreError::Unusable(text)))
    };
    if header.get(..16) != Some(MAGIC) {
        return refused(
            "is not a store, or its beginning is damaged: restore a backup into an empty \
             directory, or give another one",
        );
    }
    // Offset 68: the application id (file format, section 1.3).
    if header.get(68..72) != Some(&APPLICATION_ID.to_be_bytes()) {
        return refused("is a database of another program: give another directory");
    }
    let version = read_version(path).map_err(StoreError::from);
    let accepted = version.and_then(|version| schema::accept(version, MIGRATIONS));
    accepted.map_err(Unidentified::Error)
}

/// The version of one of our files. A file that was killed on its way to a write-ahead log, such
/// as a backup at its first use, has a journal instead, which only a writer can undo.
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
    let log = directory.join(format!("{NAME}-wal"));
    if log.exists() {
        return Err(unusable(&format!("{} is there without {NAME}", log.display())));
    }
    let new = directory.join(format!("{NAME}.new"));
    let cannot = |error: &_| file(&format!("cannot create {}", new.display()), error);
    // Of a start that was interrupted; nothing was ever answered from it.
    for end in ["", "-journal", "-wal", "-shm"] {
        match std::fs::remove_file(directory.join(format!("{NAME}.new{end}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(&error)),
            _ => {}
        }
    }
    private().write(true).create_new(true).open(&new).map_err(|error| cannot(&error))?;
    fill(&new)?;
    std::fs::rename(&new, path).map_err(|error| cannot(&error))?;
    sync_directory(directory)
}

fn fill(new: &Path) -> Result<(), StoreError> {
    let made = || -> Result<(), Broken> {
        let mut connection = Connection::open_with_flags(new, flags(true))?;
        connection.pragma_update(None, "page_size", 4096)?;
        connection.pragma_update(None, "synchronous", "EXTRA")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        schema::migrate(&mut connection, MIGRATIONS)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    };
    made().map_err(StoreError::from)
}

/// For a file that exists; connections are never shared between threads.
fn flags(writes: bool) -> OpenFlags {
    let access = match writes {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
}

/// Opens a store for reading. Never changes it.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, Broken> {
    let connection = Connection::open_with_flags(path, flags(false))?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens a store for its writer.
pub(super) fn open_writer(path: &Path, max_bytes: Option<u64>) -> Result<Connection, Broken> {
    let connection = Connection::open_with_flags(path, flags(true))?;
    configure(&connection)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let what = format!("the log cannot be kept beside {}", path.display());
        return Err(StoreError::Unusable(what).into());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is removed is overwritten, so that nothing of an erased tenant stays on free pages.
    // `PRAGMA secure_delete` answers with its value.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    // After a large transaction the log is cut back to this.
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    if let Some(max_bytes) = max_bytes {
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = max_bytes / u64::from(page.max(1));
        let pages = u32::try_from(pages).unwrap_or(u32::MAX).clamp(1, u32::MAX - 1);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(()))
}
