//! What is said of input that is no event.

use super::{Format, Out, plain};
use serde::Serialize;
use std::io::{self, Write};

/// Something wrong with one event, or with what stands where one is to be.
pub(super) struct Refusal<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    pub(super) code: &'static str,
    pub(super) title: String,
    pub(super) detail: String,
}

/// The same for programs.
#[derive(Serialize)]
struct Record<'a> {
    file: &'a str,
    line: usize,
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'static str,
    title: &'a str,
    detail: &'a str,
}

impl Refusal<'_> {
    /// For people: a line for standard error.
    pub(super) fn text(&self) -> String {
        let Self { file, line, code, title, detail } = self;
        let (file, title, detail) = (plain(file), plain(title), plain(detail));
        format!("{file}:{line}: error[{code}]: {title}; {detail}")
    }

    /// For programs: a line for standard output, without its end.
    pub(super) fn record(&self) -> impl Serialize + '_ {
        let Self { file, line, code, title, detail } = self;
        Record { file, line: *line, error: Reason { code, title, detail } }
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
