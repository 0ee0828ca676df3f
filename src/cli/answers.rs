//! What is printed of a batch of events.

use super::batches::Batch;
use super::events::{Document, Trouble};
use super::reading::Reader;
use super::refusal::Refusal;
use super::table::{self, Columns};
use super::webhooks::{Tenancy, Webhooks, line_of};
use super::{AccessArgument, Failure, Format, plain, quote};
use hooksieve::event::{Error, ErrorKind, Event, ShapeCache};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Matcher, Matches, Scratch};
use serde::Serialize;
use std::sync::Arc;

/// A part of what is printed of a batch.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) out: Vec<u8>,
    /// What is said on standard error, behind so many bytes of `out`.
    pub(super) said: Vec<(usize, String)>,
    pub(super) events: u64,
    pub(super) matches: u64,
    /// Events that are none, or of another tenant.
    pub(super) bad: u64,
    /// Bytes taken of all sources, where it is the last one.
    pub(super) taken: u64,
    /// None where more pieces follow.
    pub(super) end: Option<End>,
}

/// How a batch ended.
pub(super) enum End {
    GoesOn,
    /// Nothing behind it makes sense.
    Broken,
    Failed(Failure),
}

/// Bytes from which a piece is handed on, so that memory does not grow with what a batch gives.
pub(super) const PIECE: usize = 1 << 16;

/// The same, in messages.
const SAID: usize = 1 << 10;

/// Events that are matched at once.
const TOGETHER: usize = 16;

/// Answers events.
pub(super) struct Answers {
    profile: Profile,
    access: AccessArgument,
    format: Format,
    /// The tenant that all webhooks are of, once it is known.
    tenant: Option<String>,
    /// The tenant of events that name none.
    given: Option<String>,
    /// Until the first event, from which a tenant may be learned.
    webhooks: Option<Webhooks>,
    /// From then on.
    index: Option<Arc<Index>>,
    /// Whether the head of the table is still to be printed.
    head: bool,
    scratch: Scratch,
    shapes: ShapeCache,
}

struct Index {
    matcher: Matcher,
    names: Names,
    columns: Columns,
}

/// What is printed of each webhook, by its slot's index.
#[derive(Default)]
struct Names {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Answers {
    /// `given` is the tenant of events that name none.
    pub(super) fn new(
        webhooks: Webhooks,
        access: AccessArgument,
        format: Format,
        given: Option<String>,
    ) -> Self {
        Self {
            given,
            profile: webhooks.rules.profile().clone(),
            access,
            format,
            tenant: match &webhooks.tenancy {
                Tenancy::One(tenant) => tenant.clone(),
                Tenancy::Named => None,
            },
            webhooks: Some(webhooks),
            index: None,
            head: format == Format::Text,
            scratch: Scratch::default(),
            shapes: ShapeCache::default(),
        }
    }

    /// Whether an event was answered, and with it all is known that twins need.
    pub(super) fn are_ready(&self) -> bool {
        self.index.is_some() && !self.head
    }

    /// Others that answer the same.
    pub(super) fn twin(&self) -> Self {
        Self {
            profile: self.profile.clone(),
            tenant: self.tenant.clone(),
            given: self.given.clone(),
            webhooks: None,
            index: self.index.clone(),
            scratch: Scratch::default(),
            shapes: ShapeCache::default(),
            ..*self
        }
    }

    /// Hands on what is printed of a batch, piece by piece; the last one has an end.
    pub(super) fn answer<E>(
        &mut self,
        mut batch: Batch,
        mut print: impl FnMut(Piece) -> Result<(), E>,
    ) -> Result<(), E> {
        let trouble = batch.trouble.take();
        let profile = self.profile.clone();
        let mut piece = Piece::default();
        let mut shapes = std::mem::take(&mut self.shapes);
        let given = self.given.clone();
        let reader = Reader { profile: &profile, tenant: given.as_deref() };
        let mut documents = reader.read(batch.documents(), &mut shapes);
        let end = loop {
            let together: Vec<_> = documents.by_ref().take(TOGETHER).collect();
            if together.is_empty() {
                break trouble.map_or(End::GoesOn, |trouble| {
                    piece.trouble(self.format, &batch.name, trouble)
                });
            }
            let name = &*batch.name;
            match self.together((name, reader), &together, &mut piece, &mut print)? {
                End::GoesOn => {}
                end => break end,
            }
        };
        drop(documents);
        self.shapes = shapes;
        print(Piece { taken: batch.taken, end: Some(end), ..piece })
    }

    fn together<E>(
        &mut self,
        (name, reader): (&str, Reader<'_>),
        documents: &[(Document<'_>, Result<Event<'_>, Error>)],
        piece: &mut Piece,
        print: &mut impl FnMut(Piece) -> Result<(), E>,
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
                        piece.bad(*format, &of_other_tenant(name, document, event, tenant));
                    } else if let (Some(index), Some(hits)) = (index.as_ref(), hits) {
                        if std::mem::take(head) {
                            index.columns.head(&mut piece.out);
                        }
                        piece.events += 1;
                        piece.matches += hits.len() as u64;
                        index.row(&mut piece.out, *format, event, hits);
                    }
                }
                Err(error) => {
                    // Others are well-formed JSON, so that where the next event begins is known.
                    let broken = matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Utf8);
                    if broken && !document.alone {
                        let line = document.line + line_of(document.bytes, error) - 1;
                        let place = (line, document.item);
                        return Ok(piece.broken(*format, name, place, within_event(error)));
                    }
                    let error = (error, within_event(error));
                    piece.bad(*format, &Refusal::of(name, document, error, reader));
                }
            }
            if piece.out.len() >= PIECE || piece.said.len() >= SAID {
                print(std::mem::take(piece))?;
            }
        }
        Ok(End::GoesOn)
    }

    /// Makes the index as soon as there is an event that it can answer.
    fn prepare<'a, 'e: 'a>(
        &mut self,
        mut events: impl Iterator<Item = &'a Event<'e>>,
    ) -> Result<(), Failure> {
        let Some(webhooks) = &self.webhooks else { return Ok(()) };
        let tenant = self.tenant.as_deref();
        let first = events.find(|event| tenant.is_none_or(|tenant| tenant == event.tenant()));
        let Some(first) = first else { return Ok(()) };
        self.index = Some(Arc::new(Index::new(webhooks, first, self.format)?));
        if matches!(webhooks.tenancy, Tenancy::One(_)) {
            self.tenant = Some(first.tenant().to_owned());
        }
        self.webhooks = None;
        Ok(())
    }
}

impl Piece {
    fn bad(&mut self, format: Format, bad: &Refusal<'_>) {
        self.bad += 1;
        match format {
            Format::Json => {
                json(&mut self.out, &bad.record());
                self.out.push(b'\n');
            }
            Format::Text => self.said.push((self.out.len(), bad.text())),
        }
    }

    fn broken(
        &mut self,
        format: Format,
        file: &str,
        (line, item): (usize, Option<usize>),
        title: String,
    ) -> End {
        let detail = "the rest is not read".to_owned();
        self.bad(format, &Refusal { file, line, item, code: "event-syntax", title, detail });
        End::Broken
    }

    fn trouble(&mut self, format: Format, name: &str, trouble: Trouble) -> End {
        match trouble {
            Trouble::Io(error) => return End::Failed(Failure::Input(name.to_owned(), error)),
            Trouble::Broken { line, message } => {
                return self.broken(format, name, (line, None), message);
            }
            Trouble::Line { line, message } => {
                let title = format!("line {message}");
                let detail = "send smaller events, one per line".to_owned();
                let code = "event-too-long";
                self.bad(format, &Refusal { file: name, line, item: None, code, title, detail });
            }
        }
        End::GoesOn
    }
}

fn of_other_tenant<'a>(
    file: &'a str,
    document: &Document<'_>,
    event: &Event<'_>,
    tenant: &str,
) -> Refusal<'a> {
    let Document { line, item, .. } = *document;
    let title = format!(
        "event is of tenant `{}`, the webhooks are taken to be of `{}`",
        quote(event.tenant()),
        quote(tenant)
    );
    let detail = "give --tenant, or a `tenantId` in each webhook".to_owned();
    Refusal { file, line, item, code: "event-second-tenant", title, detail }
}

/// The message of an error, whose place counts from the event's first byte.
fn within_event(error: &Error) -> String {
    match error.kind() {
        ErrorKind::MissingType | ErrorKind::MissingTenant => error.to_string(),
        _ => format!("{error} of the event"),
    }
}

impl Index {
    /// Webhooks without a tenant are of that of the first event.
    fn new(webhooks: &Webhooks, first: &Event<'_>, format: Format) -> Result<Self, Failure> {
        let mut matcher = Matcher::new(webhooks.rules.profile());
        let mut names = Names::default();
        let mut columns = Columns::new(first, webhooks.tenants() > 1);
        // Slots are given out in the file's order.
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
                    out.extend_from_slice(self.names.get(slot.index()));
                }
                out.extend_from_slice(b"]}\n");
            }
            Format::Text => {
                self.columns.row(out, event, hits.map(|slot| self.names.get(slot.index())));
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
        self.ends.push(self.text.len());
    }

    fn get(&self, at: usize) -> &[u8] {
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let (begin, end) = (begin.copied().unwrap_or(0), self.ends.get(at).copied());
        self.text.get(begin..end.unwrap_or(begin)).unwrap_or_default()
    }
}

/// Writing to memory does not fail.
fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    let _ = super::json::write(out, value);
}
