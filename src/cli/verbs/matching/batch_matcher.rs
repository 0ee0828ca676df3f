//! Matches batches of events, and renders the output for them.
//!
//! The index is built at the first event: its tenant may be that of webhooks without one, and its
//! values size the columns of the table. From then on [`BatchMatcher::fork`] gives each thread a
//! matcher that shares the index. The output leaves in chunks, so that its memory does not grow
//! with the number of matches in a batch.
//!
//! # From a batch to chunks
//!
//! ```text
//! batch   e1 e2 e3 … e16 │ e17 …            events are matched in groups of 16
//! chunk   out: rows of e1, e2               64 KiB of output, or 1,024 messages, end a chunk
//!         messages: (offset in out, text)
//!         …
//! chunk   end: Continues                    the last one; always sent, even if it has no rows
//! ```
//!
//! # Why groups
//!
//! The matcher takes several events at once ([`Matcher::matches_all`]), so that their memory
//! accesses overlap. A group is small, so the first event of a live stream is not kept waiting: a
//! batch of one event is a group of one.
//!
//! # Invariants
//!
//! - The index is immutable once it is shared. A fork has scratch memory and a shape cache of its
//!   own.
//! - Names are rendered once for each webhook, in the output's format, and are copied for each
//!   match.
//! - A message has its offset in the output of its chunk, so both streams can be merged in order.

use crate::cli::Failure;
use crate::cli::input::AccessArgument;
use crate::cli::input::bad_event::BadEvent;
use crate::cli::input::batches::Batch;
use crate::cli::input::event_reader::EventReader;
use crate::cli::input::events::{Document, ReadError};
use crate::cli::input::webhooks::{Tenancy, Webhooks, line_of};
use crate::cli::output::table::{self, Columns};
use crate::cli::output::{Format, plain, quote};
use hooksieve::event::{Error, ErrorKind, Event, ShapeCache};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Matcher, Matches, Scratch, Slot};
use serde::Serialize;
use std::sync::Arc;

/// A part of the output for a batch.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) out: Vec<u8>,
    /// Messages for standard error, each with its position in `out`.
    pub(crate) messages: Vec<(usize, String)>,
    pub(crate) events: u64,
    pub(crate) matches: u64,
    /// The number of events with errors, those of another tenant included.
    pub(crate) bad: u64,
    /// The number of bytes read from all sources; set in the last chunk.
    pub(crate) taken: u64,
    /// `None` if more chunks follow.
    pub(crate) end: Option<End>,
}

/// How a batch ended.
pub(crate) enum End {
    Continues,
    /// The input is malformed and cannot be read further.
    Broken,
    Failed(Failure),
}

/// The output size in bytes at which a chunk is handed on, which bounds its memory.
pub(crate) const CHUNK: usize = 1 << 16;

/// The number of messages at which a chunk is handed on.
const MAX_MESSAGES: usize = 1 << 10;

/// The number of events that are matched together.
const GROUP: usize = 16;

/// Matches events against the webhooks.
pub(crate) struct BatchMatcher {
    profile: Profile,
    access: AccessArgument,
    format: Format,
    /// The tenant of all webhooks, if they are of one and it is known.
    tenant: Option<String>,
    /// The tenant of events without one.
    default_tenant: Option<String>,
    /// The webhooks until the first event, whose tenant they may get.
    webhooks: Option<Webhooks>,
    /// The index from then on.
    index: Option<Arc<Index>>,
    /// Whether the table's head must still be printed.
    head: bool,
    scratch: Scratch,
    shapes: ShapeCache,
}

struct Index {
    matcher: Matcher,
    names: Names,
    columns: Columns,
}

/// The printed names of the webhooks, by slot.
///
/// A new matcher assigns slots in ascending order, so each slot has the name that was pushed with it.
struct Names {
    text: Vec<u8>,
    /// Where each name begins in the text, and the end of the last one.
    bounds: Vec<usize>,
}

impl BatchMatcher {
    /// Returns a matcher; `default_tenant` is the tenant of events without one.
    pub(crate) fn new(
        webhooks: Webhooks,
        access: AccessArgument,
        format: Format,
        default_tenant: Option<String>,
    ) -> Self {
        Self {
            default_tenant,
            profile: webhooks.rules.profile().clone(),
            access,
            format,
            tenant: match &webhooks.tenancy {
                Tenancy::One(tenant) => tenant.clone(),
                Tenancy::Named => None,
            },
            webhooks: Some(webhooks),
            index: None,
            // Only the first matcher prints the head, since a fork is made after that.
            head: format == Format::Text,
            scratch: Scratch::default(),
            shapes: ShapeCache::default(),
        }
    }

    /// Returns whether an event was matched, after which the matcher can be forked.
    pub(crate) fn is_ready(&self) -> bool {
        self.index.is_some() && !self.head
    }

    /// Returns a matcher that shares the index and renders the same output.
    pub(crate) fn fork(&self) -> Self {
        Self {
            profile: self.profile.clone(),
            tenant: self.tenant.clone(),
            default_tenant: self.default_tenant.clone(),
            webhooks: None,
            index: self.index.clone(),
            scratch: Scratch::default(),
            shapes: ShapeCache::default(),
            // What is left is `Copy`. A new field that is not makes the compiler ask what a fork
            // shares.
            ..*self
        }
    }

    /// Renders the output for a batch, and passes it to `print` in chunks. The last one has an end.
    pub(crate) fn process<E>(
        &mut self,
        mut batch: Batch,
        mut print: impl FnMut(Chunk) -> Result<(), E>,
    ) -> Result<(), E> {
        // Reported after the documents, since it occurred after them in the input.
        let read_error = batch.error.take();
        let profile = self.profile.clone();
        let mut chunk = Chunk::default();
        // Taken out while the events borrow from it, so that `self` can be changed in the loop.
        let mut shapes = std::mem::take(&mut self.shapes);
        let default_tenant = self.default_tenant.clone();
        let reader = EventReader { profile: &profile, tenant: default_tenant.as_deref() };
        let mut documents = reader.read(batch.documents(), &mut shapes);
        let end = loop {
            let together: Vec<_> = documents.by_ref().take(GROUP).collect();
            if together.is_empty() {
                break read_error.map_or(End::Continues, |error| {
                    chunk.read_error(self.format, &batch.name, error)
                });
            }
            let name = &*batch.name;
            match self.together((name, reader), &together, &mut chunk, &mut print)? {
                End::Continues => {}
                end => break end,
            }
        };
        drop(documents);
        self.shapes = shapes;
        print(Chunk { taken: batch.taken, end: Some(end), ..chunk })
    }

    /// Matches a group of events, and renders a row or an error for each.
    ///
    /// The matcher returns one result for each event without an error, in the order of the queries.
    /// An event of another tenant is an error: without a match, it would look like one that no
    /// webhook wants. A webhook that cannot be indexed is a failure of the run, and not of this
    /// event.
    fn together<E>(
        &mut self,
        (name, reader): (&str, EventReader<'_>),
        documents: &[(Document<'_>, Result<Event<'_>, Error>)],
        chunk: &mut Chunk,
        print: &mut impl FnMut(Chunk) -> Result<(), E>,
    ) -> Result<End, E> {
        let events = || documents.iter().filter_map(|(_, event)| event.as_ref().ok());
        if let Err(failure) = self.prepare(events()) {
            return Ok(End::Failed(failure));
        }
        let Self { access, format, tenant, index, head, scratch, .. } = self;
        let queries: Vec<_> = events().map(|event| (event, access.access())).collect();
        let mut hits = index.as_ref().map(|index| index.matcher.matches_all(&queries, scratch));
        for (document, event) in documents {
            match event {
                Ok(event) => {
                    let hits = hits.as_mut().and_then(Iterator::next);
                    if let Some(tenant) = tenant.as_deref().filter(|own| *own != event.tenant()) {
                        chunk.bad(*format, &of_other_tenant(name, document, event, tenant));
                    } else if let (Some(index), Some(hits)) = (index.as_ref(), hits) {
                        if std::mem::take(head) {
                            index.columns.head(&mut chunk.out);
                        }
                        chunk.events += 1;
                        chunk.matches += hits.len() as u64;
                        index.row(&mut chunk.out, *format, event, hits);
                    } else {
                        debug_assert!(false, "an event of the webhooks' tenant has hits");
                    }
                }
                Err(error) => {
                    // Other errors are in well-formed JSON, so the start of the next event is
                    // known.
                    let broken = matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Utf8);
                    if broken && !document.recoverable {
                        let line = document.line + line_of(document.bytes, error) - 1;
                        let position = (line, document.item);
                        return Ok(chunk.broken(*format, name, position, within_event(error)));
                    }
                    let error = (error, within_event(error));
                    chunk.bad(*format, &BadEvent::of(name, document, error, reader));
                }
            }
            if chunk.out.len() >= CHUNK || chunk.messages.len() >= MAX_MESSAGES {
                print(std::mem::take(chunk))?;
            }
        }
        Ok(End::Continues)
    }

    /// Builds the index at the first event of the webhooks' tenant.
    fn prepare<'a, 'e: 'a>(
        &mut self,
        mut events: impl Iterator<Item = &'a Event<'e>>,
    ) -> Result<(), Failure> {
        // Absent once the index is built.
        let Some(webhooks) = &self.webhooks else { return Ok(()) };
        let tenant = self.tenant.as_deref();
        // The first event of the webhooks' tenant, so that an event of another one decides nothing.
        let first = events.find(|event| tenant.is_none_or(|tenant| tenant == event.tenant()));
        // All these events are of other tenants, or malformed.
        let Some(first) = first else { return Ok(()) };
        self.index = Some(Arc::new(Index::new(webhooks, first, self.format)?));
        // From here on, an event of another tenant is an error.
        if matches!(webhooks.tenancy, Tenancy::One(_)) {
            self.tenant = Some(first.tenant().to_owned());
        }
        self.webhooks = None;
        Ok(())
    }
}

impl Chunk {
    fn bad(&mut self, format: Format, bad: &BadEvent<'_>) {
        self.bad += 1;
        match format {
            Format::Json => {
                json(&mut self.out, &bad.record());
                self.out.push(b'\n');
            }
            Format::Text => self.messages.push((self.out.len(), bad.text())),
        }
    }

    fn broken(
        &mut self,
        format: Format,
        file: &str,
        (line, item): (usize, Option<usize>),
        title: String,
    ) -> End {
        let detail = "fix this; the rest of the input was not read".to_owned();
        self.bad(format, &BadEvent { file, line, item, code: "event-syntax", title, detail });
        End::Broken
    }

    fn read_error(&mut self, format: Format, name: &str, error: ReadError) -> End {
        match error {
            ReadError::Io(error) => return End::Failed(Failure::Input(name.to_owned(), error)),
            ReadError::Broken { line, message } => {
                return self.broken(format, name, (line, None), message);
            }
            ReadError::Line { line, message } => {
                let title = format!("line {message}");
                let detail = "split it into smaller events, one per line".to_owned();
                let code = "event-too-long";
                self.bad(format, &BadEvent { file: name, line, item: None, code, title, detail });
            }
        }
        End::Continues
    }
}

fn of_other_tenant<'a>(
    file: &'a str,
    document: &Document<'_>,
    event: &Event<'_>,
    tenant: &str,
) -> BadEvent<'a> {
    let Document { line, item, .. } = *document;
    let title = format!(
        "event is of tenant `{}`, but the webhooks are assumed to be of tenant `{}`",
        quote(event.tenant()),
        quote(tenant)
    );
    let detail = "give --tenant, or add `tenantId` to each webhook".to_owned();
    BadEvent { file, line, item, code: "event-second-tenant", title, detail }
}

/// Returns the message of an error, whose position counts from the event's first byte.
fn within_event(error: &Error) -> String {
    match error.kind() {
        ErrorKind::MissingType | ErrorKind::MissingTenant => error.to_string(),
        _ => format!("{error} of the event"),
    }
}

impl Index {
    /// Builds the index. Webhooks without a tenant get that of the first event.
    fn new(webhooks: &Webhooks, first: &Event<'_>, format: Format) -> Result<Self, Failure> {
        let mut matcher = Matcher::new(webhooks.rules.profile());
        let mut names = Names { text: Vec::new(), bounds: vec![0] };
        let mut columns = Columns::new(first, webhooks.tenants() > 1);
        for listed in &webhooks.list {
            let subscription = listed.subscription(first.tenant());
            columns.widen(&subscription);
            let slot = matcher.insert(&subscription);
            slot.map_err(|error| Failure::Usage(error.to_string()))?;
            names.push(listed.id(), format);
        }
        if let Some(width) = table::terminal() {
            columns.fit(width);
        }
        Ok(Self { matcher, names, columns })
    }

    fn row(&self, out: &mut Vec<u8>, format: Format, event: &Event<'_>, hits: Matches<'_>) {
        match format {
            Format::Json => {
                // Written by hand, since the names are JSON already and a serializer would escape
                // them again.
                out.extend_from_slice(b"{\"event\":");
                json(out, &event.id());
                out.extend_from_slice(b",\"type\":");
                json(out, &event.event_type());
                out.extend_from_slice(b",\"tenant\":");
                json(out, &event.tenant());
                out.extend_from_slice(b",\"webhooks\":[");
                for (at, slot) in hits.enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(self.names.get(slot));
                }
                out.extend_from_slice(b"]}\n");
            }
            Format::Text => {
                self.columns.row(out, event, hits.map(|slot| self.names.get(slot)));
            }
        }
    }
}

impl Names {
    fn push(&mut self, id: &str, format: Format) {
        match format {
            Format::Json => json(&mut self.text, &id),
            Format::Text => self.text.extend_from_slice(plain(id).as_bytes()),
        }
        // The end of this name is the beginning of the next, so one offset serves both.
        self.bounds.push(self.text.len());
    }

    #[expect(clippy::indexing_slicing, reason = "each slot of the matcher has a name")]
    fn get(&self, slot: Slot) -> &[u8] {
        let at = slot.index();
        &self.text[self.bounds[at]..self.bounds[at + 1]]
    }
}

/// Appends a value as JSON; writing to memory cannot fail.
fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    let _ = crate::cli::output::json::write(out, value);
}
