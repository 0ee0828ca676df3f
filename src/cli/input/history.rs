//! Reads events from files, for the verbs about past events and about one event.
//!
//! # Two ways to read
//!
//! - [`each_event`] reads a history: any number of events in any number of files. An error in one
//!   event is passed on in its place, and the next event follows.
//! - [`Single`] reads one event, for a verb about it. A second event is an error, since the output
//!   would not show which event it is about. A page of the vendor's listing is allowed, and then
//!   each of its items is an event with a number.
//!
//! # Names of events
//!
//! ```text
//! e1 (line 3)                an event of the only file
//! e1 (events.json:3)         of one of several files
//! e1 (line 1, item 2)        of an array or a page
//! line 3                     an event without an id
//! ```

use crate::cli::Failure;
use crate::cli::input::bad_event::BadEvent;
use crate::cli::input::batches::Batches;
use crate::cli::input::event_reader::{EventReader, Trailing};
use crate::cli::input::events::{Document, ReadError};
use crate::cli::input::items::{error_response, line_at};
use crate::cli::output::{Format, Out, plain, quote};
use hooksieve::event::{Error, Event, ShapeCache};
use std::io::Write;
use std::path::PathBuf;

/// An event and its origin, or the error in its place.
pub(crate) type EventResult<'a, 'e> =
    Result<(&'a EventOrigin<'a>, &'a Event<'e>), &'a BadEvent<'a>>;

/// Calls `take` with every event and its origin, or with the error in its place.
///
/// Returns the number of errors.
pub(crate) fn each_event(
    files: Vec<PathBuf>,
    reader: EventReader<'_>,
    mut take: impl FnMut(EventResult<'_, '_>) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let several = files.len() > 1;
    let (mut batches, mut shapes, mut bad) = (Batches::new(files), ShapeCache::default(), 0);
    // A batch is as large as one read of the file: only its order matters here, not its size.
    while let Some(mut batch) = batches.next(usize::MAX) {
        let read_error = batch.error.take();
        let name = plain(&batch.name);
        let file = &*batch.name;
        let bad_event =
            |line, code, title, detail| BadEvent { file, line, item: None, code, title, detail };
        // Events borrow from the reader, so this copy has the lifetime of the batch.
        let reader = EventReader { ..reader };
        for (document, event) in reader.read(batch.documents(), &mut shapes) {
            match event {
                Ok(event) => {
                    let Document { line, item, .. } = document;
                    take(Ok((&EventOrigin { file: &name, line, item, several }, &event)))?;
                }
                Err(error) => {
                    bad += 1;
                    let error = (&error, error.to_string());
                    take(Err(&BadEvent::of(file, &document, error, reader)))?;
                }
            }
        }
        match read_error {
            None => {}
            // The rest of the file is unknown, so the run fails.
            Some(ReadError::Io(error)) => return Err(Failure::Input(name, error)),
            Some(ReadError::Line { line, message }) => {
                bad += 1;
                let (title, help) =
                    (format!("line {message}"), "split it into smaller events, one per line");
                take(Err(&bad_event(line, "event-too-long", title, help.to_owned())))?;
            }
            // In an array, the end of a damaged item cannot be found, so the items after it are
            // unreadable.
            Some(ReadError::Broken { line, message }) => {
                let help = "fix this; the rest of the input was not read".to_owned();
                take(Err(&bad_event(line, "event-syntax", message, help)))?;
                return Ok(bad + 1);
            }
        }
    }
    Ok(bad)
}

/// The input and the settings of a verb that takes one event.
pub(crate) struct Single<'a> {
    pub(crate) verb: &'static str,
    pub(crate) format: Format,
    pub(crate) reader: EventReader<'a>,
    pub(crate) file: &'a str,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Single<'a> {
    /// Calls `take` with the event, or with each event of a page of the vendor's listing.
    ///
    /// `take` also gets the event's bytes and its number in the page, counted from 1. Errors are
    /// printed. Returns whether there were none.
    pub(crate) fn each(
        &self,
        out: &mut Out,
        mut take: impl FnMut(&mut Out, &Event<'a>, &'a [u8], Option<usize>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let mut shapes = ShapeCache::default();
        // The whole file is one document: a text after the event is then an error of that document.
        let document = Document { line: 1, item: None, bytes: self.bytes, recoverable: true };
        let mut events = self.reader.read(std::iter::once(document), &mut shapes);
        let (mut count, mut all_valid) = (0, true);
        while let Some((document, event)) = events.next() {
            let in_page = events.is_paged();
            count += 1;
            match event {
                Ok(event) => take(out, &event, document.bytes, document.item)?,
                Err(error) => {
                    all_valid = false;
                    self.print_error(out, &document, &error, in_page)?;
                }
            }
        }
        // A page may be empty. Without a word, no output would look like an event that nothing
        // matches.
        if count == 0 {
            let file = plain(self.file);
            let _ = writeln!(std::io::stderr(), "{file}: the listing has no events");
        }
        Ok(all_valid)
    }

    /// Prints why a document is not an event.
    fn print_error(
        &self,
        out: &mut Out,
        document: &Document<'_>,
        error: &Error,
        in_page: bool,
    ) -> Result<(), Failure> {
        let Self { verb, format, reader, file, .. } = self;
        let mut bad_event = BadEvent::of(file, document, (error, error.to_string()), *reader);
        let is_response = |bytes| error_response(bytes, "events").is_some();
        let takes = format!("{verb} takes one event, a JSON object");
        match Trailing::find(document.bytes, error) {
            // The general message asks for one event per line, which this verb does not take
            // either.
            Some(Trailing::Event(at)) => {
                bad_event.line = line_at(document.bytes.split_at(at).0);
                bad_event.title = format!("more than one event: the second begins at byte {at}");
                bad_event.detail = takes;
            }
            Some(Trailing::Comma(at)) => {
                bad_event.title = format!("a comma follows the event at byte {at}");
                bad_event.detail = takes;
            }
            // Such a document was understood, so "takes one event" would mislead.
            None if in_page || is_response(document.bytes) => {}
            None => bad_event.detail = format!("{}; {takes}", bad_event.detail),
        }
        Ok(bad_event.print(*format, out)?)
    }
}

/// The position of an event in the input.
pub(crate) struct EventOrigin<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: usize,
    /// Its number in an array or a page, counted from 1.
    pub(crate) item: Option<usize>,
    /// Whether the input has several files.
    several: bool,
}

/// Returns the name of an event in a page: its id and its number.
pub(crate) fn page_item_label(item: usize, event: &Event<'_>) -> String {
    match event.id() {
        Some(id) => format!("{} (item {item})", quote(id)),
        None => format!("(no id) (item {item})"),
    }
}

/// Returns the name of an event: its id, if it has one, and its position.
pub(crate) fn event_label(origin: &EventOrigin<'_>, event: &Event<'_>) -> String {
    let EventOrigin { file, line, item, several } = origin;
    let line = if *several { format!("{file}:{line}") } else { format!("line {line}") };
    let item = item.map_or(String::new(), |item| format!(", item {item}"));
    let position = line + &item;
    match event.id() {
        Some(id) => format!("{} ({position})", quote(id)),
        None => position,
    }
}
