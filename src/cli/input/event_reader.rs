//! Reads events from documents. A document is an event, or a page of the vendor's listing of past
//! events.
//!
//! A page is `{"data": [event, …], "links": …}`. It has no type and no other member of an
//! [`ENVELOPE`]. So only a document that failed because it has no type is examined for a page, and
//! support for pages costs nothing for events.
//!
//! # Example
//!
//! ```text
//! document                                        events
//! {"type": "x", "tenantid": "t"}                  1
//! {"data": [{"id": "e1", …}, {"id": "e2", …}]}    2, with the numbers 1 and 2
//! {"data": {"id": "a"}}                           an error: an event without a type
//! {"id": "e1", "data": [1, 2]}                    the same, since `id` is of an envelope
//! ```

use crate::cli::input::events::{Document, Nesting};
use crate::cli::input::items::line_at;
use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::{Error, ErrorKind, Event, ShapeCache};
use hooksieve::filter::Profile;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// The settings for reading events.
#[derive(Clone, Copy)]
pub(crate) struct EventReader<'b> {
    pub(crate) profile: &'b Profile,
    /// The tenant of events without one.
    pub(crate) tenant: Option<&'b str>,
}

impl<'b> EventReader<'b> {
    fn event(self, bytes: &'b [u8], shapes: &mut ShapeCache) -> Result<Event<'b>, Error> {
        // First as it is: most events have a tenant, and `--tenant` must not replace it.
        match (self.profile.read_event_with(bytes, shapes), self.tenant) {
            (Err(error), Some(tenant)) if error.kind() == ErrorKind::MissingTenant => {
                Event::read_for(self.profile.attribute_paths(), bytes, tenant)
            }
            (read, _) => read,
        }
    }

    /// Returns the help for an error, with the option that could fix it.
    pub(crate) fn help(self, error: &Error) -> String {
        match (error.kind(), self.tenant) {
            (ErrorKind::MissingTenant, None) => {
                format!("{}, or give --tenant", Diagnostic::from(error).help())
            }
            _ => Diagnostic::from(error).help().to_owned(),
        }
    }

    /// Returns the events of documents.
    pub(crate) fn read<'s, D: Iterator<Item = Document<'b>>>(
        self,
        documents: D,
        shapes: &'s mut ShapeCache,
    ) -> Events<'b, 's, D> {
        Events { reader: self, documents, shapes, items: Vec::new().into_iter(), paged: false }
    }
}

/// An iterator over events, or the errors in their place, each with its document.
pub(crate) struct Events<'b, 's, D> {
    reader: EventReader<'b>,
    documents: D,
    shapes: &'s mut ShapeCache,
    /// The remaining items of the current page.
    items: std::vec::IntoIter<Document<'b>>,
    paged: bool,
}

impl<D> Events<'_, '_, D> {
    /// Returns whether any document was a page.
    pub(crate) fn is_paged(&self) -> bool {
        self.paged
    }
}

impl<'b, D: Iterator<Item = Document<'b>>> Iterator for Events<'b, '_, D> {
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

/// The members of an event other than `data`, in every envelope.
///
/// A document with one of them, even if it is `null`, is an event and not a page.
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

/// Returns the items of a document without a type if it is a page.
fn page<'b>(document: &Document<'b>) -> Option<Vec<Document<'b>>> {
    let members: HashMap<Cow<'b, str>, &'b RawValue> =
        serde_json::from_slice(document.bytes).ok()?;
    // An event with a list in `data` must not be taken for a page: its items would be matched.
    if ENVELOPE.iter().any(|name| members.contains_key(*name)) {
        return None;
    }
    // In a page `data` is an array. An event that lacks only its type mostly has an object there.
    let data: Vec<&'b RawValue> = serde_json::from_str(members.get("data")?.get()).ok()?;
    let (mut line, mut rest) = (document.line, document.bytes);
    let items = data.into_iter().enumerate().map(|(at, item)| {
        let bytes = item.get().as_bytes();
        // Items are parts of the document, in its order.
        let (before, from_item) = rest.split_at(bytes.as_ptr() as usize - rest.as_ptr() as usize);
        line += line_at(before) - 1;
        rest = from_item;
        Document { line, item: Some(at + 1), bytes, recoverable: document.recoverable }
    });
    Some(items.collect())
}

/// The text after a well-formed event in the same document.
pub(crate) enum Trailing {
    /// Another event, which begins at this byte.
    Event(usize),
    /// A comma at this byte with nothing after it.
    Comma(usize),
}

impl Trailing {
    /// Returns what follows a well-formed event, if that caused the error.
    pub(crate) fn find(document: &[u8], error: &Error) -> Option<Self> {
        let event = document.trim_ascii_start();
        let begin = document.len() - event.len();
        if error.kind() != ErrorKind::Syntax || !event.starts_with(b"{") {
            return None;
        }
        // The first object ends here. An error before its end is inside the event, and nothing
        // follows.
        let end = begin + Nesting::default().end(event)?;
        if error.offset() < end {
            return None;
        }
        let skipped = |from: usize| {
            let (_, rest) = document.split_at(from);
            from + (rest.len() - rest.trim_ascii_start().len())
        };
        let mut next = skipped(end);
        let comma = document.get(next) == Some(&b',');
        // `{…},` is a line of an array that was cut into lines, so what follows the comma is looked
        // at, too.
        if comma {
            next = skipped(next + 1);
        }
        match document.get(next) {
            // Only `{` begins another event. Any other text is an error of the parser, with its own
            // message.
            Some(b'{') => Some(Self::Event(next)),
            None if comma => Some(Self::Comma(skipped(end))),
            _ => None,
        }
    }

    /// Returns the message and the help for a line with such text.
    pub(crate) fn line_error(&self) -> (String, String) {
        let (title, help) = match self {
            Self::Event(at) => (
                format!("more than one event on a line: the second begins at byte {at}"),
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
