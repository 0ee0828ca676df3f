//! The error message for an event that cannot be used.
//!
//! The same error has two forms:
//!
//! ```text
//! text   e.ndjson:4: error[event-missing-type]: event has no type; set `type` …
//! json   {"file":"e.ndjson","line":4,"error":{"code":"event-missing-type","title":"event has …
//! ```
//!
//! In JSON it is a line among the results, in the order of the input, so a program sees which event
//! has no result, and why. As text it goes to standard error, and the table has rows of events
//! only.

use crate::cli::input::event_reader::{EventReader, Trailing};
use crate::cli::input::events::Document;
use crate::cli::input::items::error_response;
use crate::cli::input::webhooks::line_of;
use crate::cli::output::{Format, Out, plain};
use hooksieve::event::{Error, ErrorKind};
use serde::Serialize;
use std::io::{self, Write};

/// An error in one event, or in the text in its place.
pub(crate) struct BadEvent<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: usize,
    /// Its number in an array or a page, counted from 1.
    pub(crate) item: Option<usize>,
    pub(crate) code: &'static str,
    pub(crate) title: String,
    pub(crate) detail: String,
}

/// The JSON form of a [`BadEvent`].
#[derive(Serialize)]
struct Record<'a> {
    file: &'a str,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'static str,
    title: &'a str,
    detail: &'a str,
}

impl<'a> BadEvent<'a> {
    /// Describes why a document is not an event; `message` is the text of the error.
    pub(crate) fn of(
        file: &'a str,
        document: &Document<'_>,
        (error, message): (&Error, String),
        reader: EventReader<'_>,
    ) -> Self {
        // The error counts lines from the document, and the document begins at a line of the file.
        let line = document.line + line_of(document.bytes, error) - 1;
        // A saved response such as `{"errors": […]}` has no type either, but "set `type`" would not
        // help.
        let response = || match error.kind() {
            ErrorKind::MissingType => error_response(document.bytes, "events")
                .map(|(title, help)| (title, help.to_owned())),
            _ => None,
        };
        // The most specific cause wins: a second event on the line, then a response, then the error
        // as it is.
        let (title, detail) = match Trailing::find(document.bytes, error) {
            Some(trailing) => trailing.line_error(),
            None => response().unwrap_or_else(|| (message, reader.help(error))),
        };
        Self { file, line, item: document.item, code: error.kind().code(), title, detail }
    }

    /// Returns the text form, one line without its line break.
    pub(crate) fn text(&self) -> String {
        let Self { file, line, item, code, title, detail } = self;
        let (file, title, detail) = (plain(file), plain(title), plain(detail));
        let item = item.map_or(String::new(), |item| format!(": item {item}"));
        format!("{file}:{line}{item}: error[{code}]: {title}; {detail}")
    }

    /// Returns the JSON form.
    pub(crate) fn record(&self) -> impl Serialize + '_ {
        let Self { file, line, item, code, title, detail } = self;
        Record { file, line: *line, item: *item, error: Reason { code, title, detail } }
    }

    /// Prints JSON on standard output, or text on standard error.
    pub(crate) fn print(&self, format: Format, out: &mut Out) -> io::Result<()> {
        match format {
            Format::Json => out.json(&self.record()),
            Format::Text => {
                let _ = writeln!(io::stderr(), "{}", self.text());
                Ok(())
            }
        }
    }
}
