//! Files that only the server's user may read, and that survive a crash of the machine.
//!
//! A flushed file can still be lost with its name: the name is in the directory, which is flushed
//! separately. So every function that creates, links or renames a file also calls [`sync_parent`].

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Returns options for files that only the server's user may read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the entry of a new, linked or renamed file or directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

/// Returns the directory of a path; a bare name is in the current one.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
