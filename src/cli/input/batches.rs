//! Reads documents from several sources, in batches that never wait for more input.
//!
//! # Why a batch does not wait
//!
//! ```text
//! cat events.ndjson | hooksieve match …     each read returns up to 256 KiB: large batches
//! tail -f events.log | hooksieve match …    each read returns one line: batches of one event
//! ```
//!
//! A batch ends when the next document is not completely in the buffer. So a file is read in large
//! batches, which threads share well, and a live stream is answered at once, with the same code.
//!
//! # What a batch owns
//!
//! The documents of a source are valid only until the next one is read. A batch copies their bytes,
//! one after another, so it can be sent to another thread and needs one allocation and not one per
//! event.

use crate::cli::input::events::{Document, Documents, ReadError};
use crate::cli::input::{STDIN, STDIN_ARGUMENT};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// The documents that one read of a source completed.
///
/// A batch does not wait for further input, so a live stream is answered event by event. Its size
/// is bounded by one read and one document.
pub(crate) struct Batch {
    /// The name of the source, for messages.
    pub(crate) name: Arc<str>,
    bytes: Vec<u8>,
    extents: Vec<Extent>,
    /// The error after the documents, if there is one.
    pub(crate) error: Option<ReadError>,
    /// The number of bytes read from all sources so far.
    pub(crate) taken: u64,
}

/// The position of a document in its source, and its length in the batch's bytes.
struct Extent {
    line: usize,
    item: Option<usize>,
    length: usize,
    recoverable: bool,
}

impl Batch {
    fn new(name: Arc<str>) -> Self {
        Self { name, bytes: Vec::new(), extents: Vec::new(), error: None, taken: 0 }
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = Document<'_>> {
        let mut rest = self.bytes.as_slice();
        self.extents.iter().map(move |Extent { line, item, length, recoverable }| {
            // The lengths are those of the copied documents, so together they are the length of
            // `bytes`.
            let (bytes, after) = rest.split_at(*length);
            rest = after;
            Document { line: *line, item: *item, bytes, recoverable: *recoverable }
        })
    }

    /// Returns the number of documents.
    pub(crate) fn len(&self) -> usize {
        self.extents.len()
    }

    fn push(&mut self, document: &Document<'_>) {
        self.bytes.extend_from_slice(document.bytes);
        let Document { line, item, recoverable, .. } = *document;
        self.extents.push(Extent { line, item, length: document.bytes.len(), recoverable });
    }
}

/// Reads sources one after another.
pub(crate) struct Batches {
    sources: std::vec::IntoIter<PathBuf>,
    open: Option<Open>,
    /// The number of bytes of the sources that were read to their end.
    taken: u64,
}

struct Open {
    name: Arc<str>,
    documents: Documents<Box<dyn Read + Send>>,
}

impl Batches {
    /// Reads standard input if there are no files. It occurs at most once among them.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        // A filter in a pipe reads standard input without an argument.
        let sources = if files.is_empty() { vec![STDIN_ARGUMENT.into()] } else { files };
        Self { sources: sources.into_iter(), open: None, taken: 0 }
    }

    /// Returns the next batch, of at most `max` documents.
    pub(crate) fn next(&mut self, max: usize) -> Option<Batch> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(mut batch) = open.batch(max) {
                    batch.taken += self.taken;
                    return Some(batch);
                }
                // The sources that were read count on, since the progress is that of all files.
                self.taken += open.documents.taken();
                self.open = None;
            }
            match Open::new(&self.sources.next()?) {
                (_, Ok(open)) => self.open = Some(open),
                (name, Err(error)) => {
                    let error = Some(ReadError::Io(error));
                    // A file that cannot be opened is reported at its place among the others, after
                    // their events.
                    return Some(Batch { error, taken: self.taken, ..Batch::new(name) });
                }
            }
        }
    }
}

impl Open {
    fn new(path: &PathBuf) -> (Arc<str>, io::Result<Self>) {
        let (name, input): (Arc<str>, io::Result<Box<dyn Read + Send>>) =
            if path.as_os_str() == STDIN_ARGUMENT {
                crate::cli::usage::announce_stdin();
                (STDIN.into(), Ok(Box::new(io::stdin())))
            } else {
                let name = path.display().to_string();
                (name.into(), File::open(path).map(|file| Box::new(file) as _))
            };
        let open = input.map(|input| Self { name: name.clone(), documents: Documents::new(input) });
        (name, open)
    }

    /// Returns the next batch of the source, or `None` at its end.
    fn batch(&mut self, max: usize) -> Option<Batch> {
        let Self { name, documents } = self;
        let mut batch = Batch::new(name.clone());
        loop {
            match documents.next() {
                Ok(Some(document)) => batch.push(&document),
                Ok(None) if batch.extents.is_empty() => return None,
                Ok(None) => break,
                Err(error) => {
                    batch.error = Some(error);
                    break;
                }
            }
            // Asked after each document, so that at least one is read, even if that waits for
            // input.
            if batch.len() >= max || !documents.is_buffered() {
                break;
            }
        }
        batch.taken = documents.taken();
        Some(batch)
    }
}
