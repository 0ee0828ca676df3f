//! Events of files, for the verbs about past events and about one event.

use super::batches::Batches;
use super::events::{Document, Trouble};
use super::items::{error_response, line_at};
use super::reading::{Follows, Reader};
use super::refusal::Refusal;
use super::{Failure, Format, Out, plain, quote};
use hooksieve::event::{Error, Event, ShapeCache};
use std::io::Write;
use std::path::PathBuf;

/// Gives every event with its place to `take`, and for what is not an event the reason. Returns how
/// many were bad.
pub(super) fn each_event(
    files: Vec<PathBuf>,
    reader: Reader<'_>,
    mut take: impl FnMut(Result<(&Place<'_>, &Event<'_>), &Refusal<'_>>) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let several = files.len() > 1;
    let (mut batches, mut shapes, mut bad) = (Batches::new(files), ShapeCache::default(), 0);
    while let Some(mut batch) = batches.next(usize::MAX) {
        let trouble = batch.trouble.take();
        let name = plain(&batch.name);
        let file = &*batch.name;
        let refusal =
            |line, code, title, detail| Refusal { file, line, item: None, code, title, detail };
        // Events borrow from the reader, so it is one that lives as long as the batch.
        let reader = Reader { ..reader };
        for (document, event) in reader.read(batch.documents(), &mut shapes) {
            match event {
                Ok(event) => {
                    let Document { line, item, .. } = document;
                    take(Ok((&Place { file: &name, line, item, several }, &event)))?;
                }
                Err(error) => {
                    bad += 1;
                    let error = (&error, error.to_string());
                    take(Err(&Refusal::of(file, &document, error, reader)))?;
                }
            }
        }
        match trouble {
            None => {}
            Some(Trouble::Io(error)) => return Err(Failure::Input(name, error)),
            Some(Trouble::Line { line, message }) => {
                bad += 1;
                let (title, help) =
                    (format!("line {message}"), "give smaller events, one per line");
                take(Err(&refusal(line, "event-too-long", title, help.to_owned())))?;
            }
            Some(Trouble::Broken { line, message }) => {
                let help = "fix the file; nothing after it was read".to_owned();
                take(Err(&refusal(line, "event-syntax", message, help)))?;
                return Ok(bad + 1);
            }
        }
    }
    Ok(bad)
}

/// The input of a verb that takes one event.
pub(super) struct Single<'a> {
    /// The verb and how it prints.
    pub(super) verb: &'static str,
    pub(super) format: Format,
    pub(super) reader: Reader<'a>,
    pub(super) file: &'a str,
    pub(super) bytes: &'a [u8],
}

impl<'a> Single<'a> {
    /// Gives the event to `take`, or each event of a page of the vendor's listing, with its bytes and
    /// its number in the page, counted from 1; reports what is not an event. Returns whether all were good.
    pub(super) fn each(
        &self,
        out: &mut Out,
        mut take: impl FnMut(&mut Out, &Event<'a>, &'a [u8], Option<usize>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let mut shapes = ShapeCache::default();
        let document = Document { line: 1, item: None, bytes: self.bytes, alone: true };
        let mut events = self.reader.read(std::iter::once(document), &mut shapes);
        let (mut count, mut good) = (0, true);
        while let Some((document, event)) = events.next() {
            let in_page = events.is_paged();
            count += 1;
            match event {
                Ok(event) => take(out, &event, document.bytes, document.item)?,
                Err(error) => {
                    good = false;
                    self.refuse(out, &document, &error, in_page)?;
                }
            }
        }
        if count == 0 {
            let file = plain(self.file);
            let _ = writeln!(std::io::stderr(), "{file}: the listing has no events");
        }
        Ok(good)
    }

    /// Reports why bytes are not an event.
    fn refuse(
        &self,
        out: &mut Out,
        document: &Document<'_>,
        error: &Error,
        in_page: bool,
    ) -> Result<(), Failure> {
        let Self { verb, format, reader, file, .. } = self;
        let mut refusal = Refusal::of(file, document, (error, error.to_string()), *reader);
        let is_response = |bytes| error_response(bytes, "events").is_some();
        let takes = format!("{verb} takes one event, a JSON object");
        match Follows::find(document.bytes, error) {
            Some(Follows::Event(at)) => {
                refusal.line = line_at(document.bytes.get(..at).unwrap_or_default());
                refusal.title = format!("more than one event: the second one begins at byte {at}");
                refusal.detail = takes;
            }
            Some(Follows::Comma(at)) => {
                refusal.title = format!("a comma follows the event at byte {at}");
                refusal.detail = takes;
            }
            None if in_page || is_response(document.bytes) => {}
            None => refusal.detail = format!("{}; {takes}", refusal.detail),
        }
        Ok(refusal.print(*format, out)?)
    }
}

/// Where an event is.
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    /// Its number in an array or a page, counted from 1.
    pub(super) item: Option<usize>,
    /// Whether there are more files.
    several: bool,
}

/// The name of an event of a page: its id, if it has one, and its number.
pub(super) fn called_in_page(item: usize, event: &Event<'_>) -> String {
    match event.id() {
        Some(id) => format!("{} (item {item})", quote(id)),
        None => format!("(no id) (item {item})"),
    }
}

/// The name of an event: its id, if it has one, and its place.
pub(super) fn called(place: &Place<'_>, event: &Event<'_>) -> String {
    let Place { file, line, item, several } = place;
    let line = if *several { format!("{file}:{line}") } else { format!("line {line}") };
    let item = item.map_or(String::new(), |item| format!(", item {item}"));
    let place = line + &item;
    match event.id() {
        Some(id) => format!("{} ({place})", quote(id)),
        None => place,
    }
}
