//! The message about input that is not an event.

use super::events::Document;
use super::items::error_response;
use super::reading::{Follows, Reader};
use super::webhooks::line_of;
use super::{Format, Out, plain};
use hooksieve::event::{Error, ErrorKind};
use serde::Serialize;
use std::io::{self, Write};

/// Something wrong with one event, or with what is in its place.
pub(super) struct Refusal<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    /// Its number in an array or a page, counted from 1.
    pub(super) item: Option<usize>,
    pub(super) code: &'static str,
    pub(super) title: String,
    pub(super) detail: String,
}

/// The same for programs.
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

impl<'a> Refusal<'a> {
    /// Why a document of a stream is not an event; `message` is that of the error.
    pub(super) fn of(
        file: &'a str,
        document: &Document<'_>,
        (error, message): (&Error, String),
        reader: Reader<'_>,
    ) -> Self {
        let line = document.line + line_of(document.bytes, error) - 1;
        let response = || match error.kind() {
            ErrorKind::MissingType => error_response(document.bytes, "events")
                .map(|(title, help)| (title, help.to_owned())),
            _ => None,
        };
        let (title, detail) = match Follows::find(document.bytes, error) {
            Some(follows) => follows.on_a_line(),
            None => response().unwrap_or_else(|| (message, reader.help(error))),
        };
        Self { file, line, item: document.item, code: error.kind().code(), title, detail }
    }

    /// For people: a line for standard error.
    pub(super) fn text(&self) -> String {
        let Self { file, line, item, code, title, detail } = self;
        let (file, title, detail) = (plain(file), plain(title), plain(detail));
        let item = item.map_or(String::new(), |item| format!(": item {item}"));
        format!("{file}:{line}{item}: error[{code}]: {title}; {detail}")
    }

    /// For programs: a line for standard output, without its end.
    pub(super) fn record(&self) -> impl Serialize + '_ {
        let Self { file, line, item, code, title, detail } = self;
        Record { file, line: *line, item: *item, error: Reason { code, title, detail } }
    }

    pub(super) fn print(&self, format: Format, out: &mut Out) -> io::Result<()> {
        match format {
            Format::Json => out.json(&self.record()),
            Format::Text => {
                let _ = writeln!(io::stderr(), "{}", self.text());
                Ok(())
            }
        }
    }
}
