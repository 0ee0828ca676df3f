//! Maps errors of SQLite and of files to errors of the store.

use crate::server::store::contract::StoreError;
use rusqlite::ErrorCode;

/// An error from SQLite, or a refusal by the store.
#[derive(Debug)]
pub(crate) enum Broken {
    /// An error from SQLite.
    Sqlite(rusqlite::Error),
    /// A refusal by the store.
    Refused(StoreError),
}

impl Broken {
    /// Returns whether the file is damaged or unreadable, as opposed to, for example, a lack of
    /// memory.
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

/// Returns the error for a damaged file, with what to do.
pub(super) fn unusable(what: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the file is damaged: {what}; restore a backup into an empty directory"
    ))
}

/// Maps an error of SQLite.
pub(super) fn sqlite(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(
            "the disk or the configured size is used up; free space or raise `max-store-bytes`"
                .to_owned(),
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => unusable(&error.to_string()),
        Some(_) => StoreError::Failed(error.to_string()),
        // The error is not from SQLite itself: the schema does not allow a value of a row.
        None => unusable(&error.to_string()),
    }
}

/// Maps an error of a file operation, described by `what`.
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
