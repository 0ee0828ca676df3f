//! Classifies errors of SQLite and of files as errors of the store.
//!
//! The classes differ in what is known about the disk afterwards. SQLite undoes a failed statement
//! or transaction completely, so most errors concern only the operation that met them. Three kinds
//! do not:
//!
//! ```text
//! error of SQLite                            class      writes afterwards
//! ─────────────────────────────────────────────────────────────────────────────────────
//! FULL                                       Full       go on; some may fit
//! BUSY, LOCKED                               Aborted    retried by the writer, then go on
//! NOMEM, CONSTRAINT, TOOBIG, INTERRUPT, …    Aborted    go on
//! IOERR while writing the log (EFBIG, EIO)   Aborted    go on: no committed frame was touched
//! IOERR while reading or flushing            Failed     refused: what is on the disk is unknown
//! CORRUPT, NOTADB, a value of another type   Unusable   refused: a write could spread the damage
//! ```
//!
//! A failed *flush* is fatal because the kernel may have dropped the pages and reported it once: a
//! later flush that succeeds would say nothing about them (Rebello et al., "Can Applications
//! Recover from fsync Failures?", 2020). A failed *write* of the log is not: transactions append to
//! the log, and readers stop at the last commit, so the incomplete frames are never read.

use crate::server::store::contract::StoreError;
use rusqlite::{ErrorCode, ffi};

/// An error from SQLite, damage, or a refusal by the store.
#[derive(Debug)]
pub(crate) enum Broken {
    /// An error from SQLite.
    Sqlite(rusqlite::Error),
    /// Damage that SQLite itself does not notice.
    Damaged(String),
    /// A refusal by the store.
    Refused(StoreError),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Refused(error) => error,
            Broken::Damaged(what) => unusable(&what),
            Broken::Sqlite(error) => sqlite(&error),
        }
    }
}

impl StoreError {
    /// Returns whether no later write may be tried: the file is damaged, or it is unknown what
    /// reached the disk.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::Failed(_) | Self::Unusable(_) => true,
            Self::Full(_) | Self::Conflict { .. } | Self::Aborted(_) => false,
        }
    }
}

/// Returns whether another connection holds a lock, so that the same statement may succeed later.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// What to check if a file cannot be opened or written.
pub(super) const RIGHTS: &str =
    "the server's user needs the right to read and write the data directory and its files";

/// Returns the error for a damaged file, with what to do.
pub(super) fn unusable(what: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the file is damaged: {what}; restore a backup into an empty directory (`hooksieve store \
         check` lists the damage)"
    ))
}

/// Returns the message of an error on one line, without the statement that met it.
pub(super) fn message(error: &rusqlite::Error) -> String {
    let text = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        error => error.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Maps an error of SQLite.
pub(super) fn sqlite(error: &rusqlite::Error) -> StoreError {
    let what = message(error);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(
            "the disk or the configured size is used up; free space or raise `max-store-bytes`"
                .to_owned(),
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => unusable(&what),
        Some(ErrorCode::SystemIoFailure) if !is_harmless(error) => {
            StoreError::Failed(format!("{what}; check the disk and the log of the system"))
        }
        // Also a log without its index, `-shm`, in a directory that may not be written.
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::Aborted(format!("{what}; {RIGHTS}"))
        }
        Some(_) => StoreError::Aborted(what),
        // The error is not from SQLite itself: the schema does not allow a value of a row.
        None => unusable(&what),
    }
}

/// Returns whether an I/O error leaves everything as it was: a write of the log that was cut short,
/// or a failure to allocate or to lock, which SQLite also reports as I/O errors.
fn is_harmless(error: &rusqlite::Error) -> bool {
    let Some(error) = error.sqlite_error() else { return false };
    matches!(
        error.extended_code,
        ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_NOMEM
            | ffi::SQLITE_IOERR_BLOCKED
            | ffi::SQLITE_IOERR_LOCK
            | ffi::SQLITE_IOERR_RDLOCK
            | ffi::SQLITE_IOERR_SHMLOCK
    )
}

/// Maps an error of a file operation, described by `what`.
pub(super) fn file(what: &str, error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => StoreError::Full(format!("{what}: {error}")),
        PermissionDenied | ReadOnlyFilesystem => {
            StoreError::Unusable(format!("{what}: {error}; {RIGHTS}"))
        }
        _ => StoreError::Failed(format!("{what}: {error}")),
    }
}
