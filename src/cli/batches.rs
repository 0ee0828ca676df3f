//! The events of all sources, in batches of those at hand.

use super::events::{Document, Documents, Trouble};
use super::{STDIN, STDIN_ARGUMENT};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// What one read of a source gave, so that nobody waits for a batch to fill, and its size is
/// bounded by that of a read and of a document.
pub(super) struct Batch {
    /// The source's, for messages.
    pub(super) name: Arc<str>,
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// What stands behind the documents, if they do not go on.
    pub(super) trouble: Option<Trouble>,
    /// Bytes taken of all sources so far.
    pub(super) taken: u64,
}

struct Place {
    line: usize,
    item: Option<usize>,
    end: usize,
    alone: bool,
}

impl Batch {
    fn new(name: Arc<str>) -> Self {
        Self { name, bytes: Vec::new(), places: Vec::new(), trouble: None, taken: 0 }
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = Document<'_>> {
        let mut begin = 0;
        self.places.iter().map(move |Place { line, item, end, alone }| {
            let bytes = self.bytes.get(begin..*end).unwrap_or_default();
            begin = *end;
            Document { line: *line, item: *item, bytes, alone: *alone }
        })
    }

    /// How many documents it has.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    fn keep(&mut self, document: &Document<'_>) {
        self.bytes.extend_from_slice(document.bytes);
        let Document { line, item, alone, .. } = *document;
        self.places.push(Place { line, item, end: self.bytes.len(), alone });
    }
}

/// Sources, read one after another.
pub(super) struct Batches {
    sources: std::vec::IntoIter<PathBuf>,
    open: Option<Open>,
    /// Bytes of the sources that were read.
    taken: u64,
}

struct Open {
    name: Arc<str>,
    documents: Documents<Box<dyn Read + Send>>,
}

impl Batches {
    /// Standard input is among the files once at most.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let sources = if files.is_empty() { vec![STDIN_ARGUMENT.into()] } else { files };
        Self { sources: sources.into_iter(), open: None, taken: 0 }
    }

    /// The next batch, of so many documents at most.
    pub(super) fn next(&mut self, most: usize) -> Option<Batch> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(mut batch) = open.batch(most) {
                    batch.taken += self.taken;
                    return Some(batch);
                }
                self.taken += open.documents.taken();
                self.open = None;
            }
            match Open::new(&self.sources.next()?) {
                (_, Ok(open)) => self.open = Some(open),
                (name, Err(error)) => {
                    let trouble = Some(Trouble::Io(error));
                    return Some(Batch { trouble, taken: self.taken, ..Batch::new(name) });
                }
            }
        }
    }
}

impl Open {
    fn new(path: &PathBuf) -> (Arc<str>, io::Result<Self>) {
        let (name, input): (Arc<str>, io::Result<Box<dyn Read + Send>>) =
            if path.as_os_str() == STDIN_ARGUMENT {
                super::usage::announce_stdin();
                (STDIN.into(), Ok(Box::new(io::stdin())))
            } else {
                let name = path.display().to_string();
                (name.into(), File::open(path).map(|file| Box::new(file) as _))
            };
        let open = input.map(|input| Self { name: name.clone(), documents: Documents::new(input) });
        (name, open)
    }

    /// None where nothing is left.
    fn batch(&mut self, most: usize) -> Option<Batch> {
        let Self { name, documents } = self;
        let mut batch = Batch::new(name.clone());
        loop {
            match documents.next() {
                Ok(Some(document)) => batch.keep(&document),
                Ok(None) if batch.places.is_empty() => return None,
                Ok(None) => break,
                Err(trouble) => {
                    batch.trouble = Some(trouble);
                    break;
                }
            }
            if batch.len() >= most || !documents.at_hand() {
                break;
            }
        }
        batch.taken = documents.taken();
        Some(batch)
    }
}
