//! From an error of SQLite to one of the store.

use crate::server::store::contract::StoreError;
use rusqlite::ErrorCode;

/// Why something could not be done.
#[derive(Debug)]
pub(crate) enum Broken {
    /// SQLite said so.
    Sqlite(rusqlite::Error),
    /// The store refuses it.
    Refused(StoreError),
}

impl Broken {
    /// Whether the file could not be read or is damaged, and not only, say, memory was short.
    pub(super) fn is_of_the_file(&self) -> bool {
        use ErrorCode::{DatabaseCorrupt, NotADatabase, SystemIoFailure};
        match self {
            Self::Refused(_) => false,
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                None | Some(DatabaseCorrupt | NotADatabase | SystemIoFailure)
            ),
        }
    }
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
            Broken::Sqlite(error) => sqlite(&error),
        }
    }
}

/// The error that a file is damaged, and what to do.
pub(super) fn unusable(what: &str) -> StoreError {
    StoreError::Unusable(format!("it is damaged: {what}; restore a backup into an empty directory"))
}

/// What an error of SQLite means for the store.
pub(super) fn sqlite(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(
            "the disk or the configured size is used up; free space or raise the size".to_owned(),
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => unusable(&error.to_string()),
        Some(_) => StoreError::Failed(error.to_string()),
        // Not from SQLite itself: a value in a row is not what the schema allows.
        None => unusable(&error.to_string()),
    }
}

/// An error of a file operation, and on what.
pub(super) fn file(what: &str, error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => StoreError::Full(format!("{what}: {error}")),
        PermissionDenied | ReadOnlyFilesystem => StoreError::Unusable(format!(
            "{what}: {error}; give the server's user the right to write there"
        )),
        _ => StoreError::Failed(format!("{what}: {error}")),
    }
}
