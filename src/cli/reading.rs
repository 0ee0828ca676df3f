//! Events out of documents: a document is an event, or a page of the vendor's listing of past events.
//!
//! A page is `{"data": [event, …], "links": …}`. It differs from an event by what it lacks: a page has
//! no type and no other member of an [`ENVELOPE`]. So only a document that failed for want of a type is
//! looked at again, and an event costs what it did without pages.

use super::events::{Document, Nesting};
use super::items::line_at;
use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::{Error, ErrorKind, Event, ShapeCache};
use hooksieve::filter::Profile;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// How events are read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'b> {
    pub(super) profile: &'b Profile,
    /// That of events that name none.
    pub(super) tenant: Option<&'b str>,
}

impl<'b> Reader<'b> {
    fn event(self, bytes: &'b [u8], shapes: &mut ShapeCache) -> Result<Event<'b>, Error> {
        match (self.profile.read_event_with(bytes, shapes), self.tenant) {
            (Err(error), Some(tenant)) if error.kind() == ErrorKind::MissingTenant => {
                Event::read_for(self.profile.attribute_paths(), bytes, tenant)
            }
            (read, _) => read,
        }
    }

    /// What a producer or a user can do about an error.
    pub(super) fn help(self, error: &Error) -> String {
        match (error.kind(), self.tenant) {
            (ErrorKind::MissingTenant, None) => {
                format!("{}, or give --tenant", Diagnostic::from(error).help())
            }
            _ => Diagnostic::from(error).help().to_owned(),
        }
    }

    /// The events of documents.
    pub(super) fn read<'s, D: Iterator<Item = Document<'b>>>(
        self,
        documents: D,
        shapes: &'s mut ShapeCache,
    ) -> Reading<'b, 's, D> {
        Reading { reader: self, documents, shapes, items: Vec::new().into_iter(), paged: false }
    }
}

/// Events, or what is read in their place, each with the document that it is.
pub(super) struct Reading<'b, 's, D> {
    reader: Reader<'b>,
    documents: D,
    shapes: &'s mut ShapeCache,
    /// Of the page that is being read.
    items: std::vec::IntoIter<Document<'b>>,
    paged: bool,
}

impl<D> Reading<'_, '_, D> {
    /// Whether a page was read.
    pub(super) fn is_paged(&self) -> bool {
        self.paged
    }
}

impl<'b, D: Iterator<Item = Document<'b>>> Iterator for Reading<'b, '_, D> {
    type Item = (Document<'b>, Result<Event<'b>, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.next() {
                return Some((item, self.reader.event(item.bytes, self.shapes)));
            }
            let document = self.documents.next()?;
            let event = self.reader.event(document.bytes, self.shapes);
            match &event {
                Err(error) if error.kind() == ErrorKind::MissingType => match page(&document) {
                    Some(items) => {
                        self.paged = true;
                        self.items = items.into_iter();
                    }
                    None => return Some((document, event)),
                },
                _ => return Some((document, event)),
            }
        }
    }
}

/// The members of an event other than `data`, in every form: a document that has one of them, even as
/// `null`, is an event.
const ENVELOPE: [&str; 37] = [
    "specversion",
    "type",
    "id",
    "source",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "data_base64",
    "tenantid",
    "userid",
    "ownerid",
    "spaceid",
    "toplevelresourceid",
    "host",
    "reason",
    "authtype",
    "clientid",
    "sessionid",
    "authclaims",
    "originip",
    "tracestate",
    "traceparent",
    // Legacy (CloudEvents 0.1).
    "cloudEventsVersion",
    "eventId",
    "eventID",
    "eventType",
    "eventTime",
    "eventTypeVersion",
    "contentType",
    "schemaURL",
    "extensions",
    // Of an item of the vendor's listing.
    "tenantId",
    "userId",
    "ownerId",
    "spaceId",
    "topLevelResourceId",
];

/// The items of a document without a type, where it is a page.
fn page<'b>(document: &Document<'b>) -> Option<Vec<Document<'b>>> {
    let members: HashMap<Cow<'b, str>, &'b RawValue> =
        serde_json::from_slice(document.bytes).ok()?;
    if ENVELOPE.iter().any(|name| members.contains_key(*name)) {
        return None;
    }
    let data: Vec<&'b RawValue> = serde_json::from_str(members.get("data")?.get()).ok()?;
    let (mut line, mut counted) = (document.line, 0);
    let items = data.into_iter().enumerate().map(|(at, item)| {
        let bytes = item.get().as_bytes();
        let offset = (bytes.as_ptr() as usize).saturating_sub(document.bytes.as_ptr() as usize);
        line += line_at(document.bytes.get(counted..offset).unwrap_or_default()) - 1;
        counted = offset;
        Document { line, item: Some(at + 1), bytes, alone: document.alone }
    });
    Some(items.collect())
}

/// What follows an event where its document should end.
pub(super) enum Follows {
    /// Another event, from this byte on.
    Event(usize),
    /// A comma at this byte, and nothing after it.
    Comma(usize),
}

impl Follows {
    /// What follows an event that is well formed, where that made the document malformed.
    pub(super) fn find(document: &[u8], error: &Error) -> Option<Self> {
        let begin = document.len() - document.trim_ascii_start().len();
        let event = document.get(begin..)?;
        if error.kind() != ErrorKind::Syntax || !event.starts_with(b"{") {
            return None;
        }
        let end = begin + Nesting::default().end(event)?;
        if error.offset() < end {
            return None;
        }
        let skipped = |from: usize| {
            let rest = document.get(from..).unwrap_or_default();
            from + (rest.len() - rest.trim_ascii_start().len())
        };
        let mut next = skipped(end);
        let comma = document.get(next) == Some(&b',');
        if comma {
            next = skipped(next + 1);
        }
        match document.get(next) {
            Some(b'{') => Some(Self::Event(next)),
            None if comma => Some(Self::Comma(skipped(end))),
            _ => None,
        }
    }

    /// What is wrong with a line of events, and what to do.
    pub(super) fn on_a_line(&self) -> (String, String) {
        let (title, help) = match self {
            Self::Event(at) => (
                format!("more than one event on a line: the second one begins at byte {at}"),
                "write one event per line, or put the events into an array",
            ),
            Self::Comma(at) => (
                format!("a comma follows the event at byte {at}"),
                "write one event per line without commas, or put the events into an array",
            ),
        };
        (title, help.to_owned())
    }
}
