//! What the program reads: files and standard input, webhooks, and streams of events.
//!
//! # Which module reads what
//!
//! ```text
//! --webhooks FILE   items ──▶ webhooks        one document after another, each checked
//! EVENTS…           events ─▶ batches ──▶ event_reader ──▶ match
//!                                     └──▶ history ───────▶ diff, try
//! EVENT             history (Single) ────────────────────▶ explain, requests
//! errors            json_error (text that is not JSON), bad_event (text that is no event)
//! ```
//!
//! # Limits
//!
//! A file of webhooks is read as a whole, since a duplicate id and the tenant of the file are known
//! only at its end. Events are a stream of any length, and are read in batches. A file of webhooks
//! and a single event have a limit of bytes, so that a wrong file, such as a disk image, ends with
//! a message and not with the memory of the machine.

pub(crate) mod bad_event;
pub(crate) mod batches;
pub(crate) mod event_reader;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod items;
pub(crate) mod json_error;
pub(crate) mod webhooks;

use crate::cli::Failure;
use crate::cli::output::plain;
use crate::cli::usage;
use clap::ValueEnum;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum AccessArgument {
    /// Only the event's owner may access its resource
    Owner,
    /// Every user may access it
    All,
}

impl AccessArgument {
    pub(crate) fn access(self) -> hooksieve::matcher::Access<'static> {
        match self {
            Self::Owner => hooksieve::matcher::Access::EventOwner,
            Self::All => hooksieve::matcher::Access::Everyone,
        }
    }
}

/// Parses a tenant id from the command line. An empty one is most likely an unset shell variable.
pub(crate) fn tenant(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("a tenant id must not be empty") } else { Ok(text.to_owned()) }
}

/// Returns the parser for the name of a file that the program keeps, for which `-` is a mistake.
#[cfg(feature = "serve")]
pub(crate) fn file_name() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    use clap::builder::{PathBufValueParser, TypedValueParser};
    PathBufValueParser::new().try_map(|path| match path.as_os_str() == STDIN_ARGUMENT {
        false => Ok(path),
        true => Err("expected a file, not a standard stream; for a file of this name write `./-`"),
    })
}

/// The maximum size in bytes of a file with one item: an event, a patch, or a catalogue.
pub(crate) const MAX_FILE: u64 = 16 << 20;

/// The maximum size in bytes of a file of webhooks, enough for millions of them.
pub(crate) const MAX_TOTAL: u64 = 1 << 30;

/// Reads a whole file or standard input, of at most `max` bytes.
///
/// Returns its name for messages, and its content without a leading byte order mark.
pub(crate) fn read(path: &Path, max: u64) -> Result<(String, Vec<u8>), Failure> {
    let mut bytes = Vec::new();
    let (name, read) = match path.as_os_str() == STDIN_ARGUMENT {
        // One byte more than allowed shows that the limit is exceeded. The size of a pipe is not
        // known.
        true => (STDIN.to_owned(), stdin()?.take(max + 1).read_to_end(&mut bytes)),
        false => {
            let file = std::fs::File::open(path);
            let read = file.and_then(|file| file.take(max + 1).read_to_end(&mut bytes));
            (plain(&path.display().to_string()), read)
        }
    };
    read.map_err(|error| Failure::Input(name.clone(), error))?;
    if bytes.len() as u64 > max {
        return Err(Failure::Usage(format!("{name} is longer than {max} bytes")));
    }
    // Some editors write the mark, and JSON does not allow it (RFC 8259 section 8.1).
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(..3);
    }
    Ok((name, bytes))
}

/// Locks standard input, or fails if it was already taken.
pub(crate) fn stdin() -> Result<io::StdinLock<'static>, Failure> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    // The second reader would get only the end of the input, as if its file were empty.
    match TAKEN.swap(true, Ordering::Relaxed) {
        false => {
            usage::announce_stdin();
            Ok(io::stdin().lock())
        }
        true => Err(Failure::duplicate_stdin()),
    }
}

/// Like [`check_stdin_once`], for an optional list: an empty one does not mean standard input.
pub(crate) fn check_stdin_once_if_any(files: &[PathBuf]) -> Result<(), Failure> {
    if files.is_empty() { Ok(()) } else { check_stdin_once(files, []) }
}

/// Fails if standard input is given more than once. An empty `files` means standard input.
pub(crate) fn check_stdin_once<'p>(
    files: &'p [PathBuf],
    others: impl IntoIterator<Item = &'p PathBuf>,
) -> Result<(), Failure> {
    let is = |path: &&PathBuf| path.as_os_str() == STDIN_ARGUMENT;
    // Checked before anything is read, so that no verb fails in the middle of its output.
    let count = files.iter().chain(others).filter(is).count() + usize::from(files.is_empty());
    if count > 1 { Err(Failure::duplicate_stdin()) } else { Ok(()) }
}

/// The argument that means standard input.
pub(crate) const STDIN_ARGUMENT: &str = "-";

/// The name of standard input in messages.
pub(crate) const STDIN: &str = "<stdin>";
