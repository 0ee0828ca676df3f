//! Reads the lines of a snapshot in order, and checks their structure and checksums.
//!
//! This is all that one thread does at a time before the webhooks are checked: it finds the ends of
//! the lines, counts them, and updates a checksum, which takes 2 % of the time of a restart.

use crate::diagnostic::quote;
use crate::event::TenantId;
use crate::registry::snapshot::{
    Checksum, End, FORMAT, Header, LONGEST, Section, VERSION, checksum,
};
use crate::registry::{SnapshotError, SnapshotErrorKind};
use serde_json::{Number, Value};
use std::io::{BufRead, Read};
use std::ops::Range;

/// The bytes of lines in the first chunk and in the largest ones.
///
/// The bytes double from chunk to chunk, so that a short snapshot is divided among the threads,
/// too. The model checker gets a line in each chunk.
const CHUNK: Range<usize> = if cfg!(shuttle) { 1..1 } else { 1 << 10..64 << 10 };

/// What a line, or the end of a tenant, means for the registry. `W` is a webhook.
pub(super) enum Item<W> {
    /// The first line of a tenant.
    Tenant { id: TenantId, revision: u64, webhooks: usize },
    /// A webhook of the tenant.
    Webhook(W),
    /// The tenant is complete, and its checksum is right.
    Verified,
    /// The last line.
    End { tenants: usize },
    /// The structure is damaged. No item follows.
    Damaged(SnapshotError),
}

/// Some consecutive lines, which one thread checks. Its memory is reused.
pub(super) struct Chunk {
    /// The number of chunks before it.
    pub(super) number: u64,
    /// The tenant of the webhooks that come before the first tenant of the chunk.
    pub(super) tenant: TenantId,
    /// The items, each with the number of its line.
    pub(super) items: Vec<(usize, Item<Range<usize>>)>,
    /// The lines of the webhooks.
    text: Vec<u8>,
}

impl Default for Chunk {
    fn default() -> Self {
        Self { number: 0, tenant: TenantId::from(""), items: Vec::new(), text: Vec::new() }
    }
}

impl Chunk {
    /// Returns the line of one of its webhooks.
    #[expect(clippy::indexing_slicing, reason = "`Reader::fill` made the range of its text")]
    pub(super) fn line(&self, range: &Range<usize>) -> &[u8] {
        &self.text[range.clone()]
    }
}

/// What the next line must be.
enum Expected {
    Header,
    TenantOrEnd,
    /// One of so many webhooks, or the checksum if there are none left.
    Webhooks(usize),
    Nothing,
}

/// The input of a snapshot, read up to a line.
pub(super) struct Reader<R> {
    input: R,
    /// The number of the current line, counted from 1.
    number: usize,
    expected: Expected,
    /// The current tenant, whose id is empty before the first one.
    tenant: TenantId,
    crc: crc32fast::Hasher,
    chunks: u64,
    size: usize,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        let (expected, tenant) = (Expected::Header, TenantId::from(""));
        let crc = crc32fast::Hasher::new();
        Self { input, number: 0, expected, tenant, crc, chunks: 0, size: CHUNK.start }
    }

    /// Replaces a chunk by the next one, or returns `false` after the last one.
    ///
    /// A chunk has at most [`CHUNK`] bytes before its last line.
    pub(super) fn fill(&mut self, chunk: &mut Chunk) -> bool {
        if matches!(self.expected, Expected::Nothing) {
            return false;
        }
        chunk.text.clear();
        chunk.items.clear();
        chunk.number = self.chunks;
        chunk.tenant.clone_from(&self.tenant);
        self.chunks += 1;
        let mut read = 0;
        while read < self.size && !matches!(self.expected, Expected::Nothing) {
            let start = chunk.text.len();
            let item = self.line(&mut chunk.text, start);
            read += chunk.text.len() - start;
            let is_webhook = matches!(item, Ok(Some(Item::Webhook(_))));
            if !is_webhook {
                chunk.text.truncate(start);
            }
            match item {
                // The header has no item.
                Ok(None) => {}
                Ok(Some(item)) => chunk.items.push((self.number, item)),
                Err(error) => {
                    self.expected = Expected::Nothing;
                    chunk.items.push((self.number, Item::Damaged(error)));
                }
            }
        }
        self.size = (2 * self.size).min(CHUNK.end);
        true
    }

    /// Appends the next line to a text, and returns what it is.
    fn line(
        &mut self,
        text: &mut Vec<u8>,
        start: usize,
    ) -> Result<Option<Item<Range<usize>>>, SnapshotError> {
        self.next(text, start)?;
        let line = text.get(start..).unwrap_or_default();
        match self.expected {
            Expected::Header => self.header(line).map(|()| None),
            Expected::TenantOrEnd => self.tenant_or_end(line).map(Some),
            Expected::Webhooks(0) => self.checksum(line).map(Some),
            Expected::Webhooks(left) => {
                self.crc.update(line);
                self.expected = Expected::Webhooks(left - 1);
                Ok(Some(Item::Webhook(start..text.len())))
            }
            Expected::Nothing => Ok(None),
        }
    }

    /// Reads the first line: the format and its version.
    fn header(&mut self, line: &[u8]) -> Result<(), SnapshotError> {
        let header: Option<Header<'_>> = serde_json::from_slice(line).ok();
        let version = match header {
            Some(Header { format, version }) if format == FORMAT => version,
            _ => {
                let message = "expected the header of a snapshot";
                return Err(self.error(SnapshotErrorKind::NotASnapshot, message));
            }
        };
        if version.as_u64() == Some(VERSION) {
            self.expected = Expected::TenantOrEnd;
            return Ok(());
        }
        // A number beyond `u64` is a later version, too, so it is compared as a float.
        let is_newer =
            |version: &Number| version.as_f64().is_some_and(|version| version > VERSION as f64);
        let (kind, message) = match &version {
            Value::Number(number) if is_newer(number) => (
                SnapshotErrorKind::Newer,
                format!(
                    "the snapshot has version {number}, but this crate reads version {VERSION}"
                ),
            ),
            Value::Number(number) => (
                SnapshotErrorKind::NotASnapshot,
                format!("unknown snapshot version {number}, expected {VERSION}"),
            ),
            _ => (
                SnapshotErrorKind::NotASnapshot,
                format!("the snapshot's version is not a number, expected {VERSION}"),
            ),
        };
        Err(self.error(kind, message))
    }

    /// Reads the first line of a tenant, or the last line of the snapshot.
    fn tenant_or_end(&mut self, line: &[u8]) -> Result<Item<Range<usize>>, SnapshotError> {
        if let Ok(End { end: true, tenants }) = serde_json::from_slice(line) {
            self.expected = Expected::Nothing;
            return Ok(Item::End { tenants });
        }
        let Ok(Section { tenant, revision, webhooks }) = serde_json::from_slice(line) else {
            return Err(self.damaged("expected a tenant or the end of the snapshot"));
        };
        self.tenant = TenantId::from(&*tenant);
        self.crc = crc32fast::Hasher::new();
        self.crc.update(line);
        self.expected = Expected::Webhooks(webhooks);
        Ok(Item::Tenant { id: self.tenant.clone(), revision, webhooks })
    }

    /// Reads the line with a tenant's checksum, and compares it with that of the lines before.
    fn checksum(&mut self, line: &[u8]) -> Result<Item<Range<usize>>, SnapshotError> {
        let written: Option<Checksum<'_>> = serde_json::from_slice(line).ok();
        if written.is_none_or(|written| written.crc32 != checksum(&self.crc)) {
            let tenant = quote(self.tenant.as_str());
            return Err(self.damaged(format!("the checksum of tenant `{tenant}` does not match")));
        }
        self.expected = Expected::TenantOrEnd;
        Ok(Item::Verified)
    }

    /// Appends the next line, with its line feed, to a text.
    fn next(&mut self, text: &mut Vec<u8>, start: usize) -> Result<(), SnapshotError> {
        self.number += 1;
        // `take` bounds what a damaged stream without line feeds can make this hold.
        let read = self.input.by_ref().take(LONGEST).read_until(b'\n', text);
        if let Err(source) = read {
            let error = self.error(SnapshotErrorKind::Io, "the snapshot could not be read");
            return Err(SnapshotError { source: Some(source), ..error });
        }
        let line = text.get(start..).unwrap_or_default();
        if line.last() == Some(&b'\n') {
            return Ok(());
        }
        let long = line.len() as u64 == LONGEST;
        let message = if long { "the line is too long" } else { "the snapshot is truncated" };
        Err(match self.number {
            1 => self.error(SnapshotErrorKind::NotASnapshot, message),
            _ => self.damaged(message),
        })
    }

    fn error(&self, kind: SnapshotErrorKind, message: impl Into<Box<str>>) -> SnapshotError {
        SnapshotError::new(kind, self.number, message)
    }

    fn damaged(&self, message: impl Into<Box<str>>) -> SnapshotError {
        self.error(SnapshotErrorKind::Damaged, message)
    }
}
