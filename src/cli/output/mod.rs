//! What the program prints: formats, text that is safe on a terminal, reports and tables.
//!
//! # Which function for which text
//!
//! | function | for | length |
//! | --- | --- | --- |
//! | [`quote`] | a part of a message | at most 80 characters |
//! | [`plain`] | a name or path that must be complete | any |
//! | [`quoted`] | a value, as a JSON string with its quotes | any |
//! | [`readable`] | JSON text, also on several lines | any |
//!
//! None of them is needed for a text of this program. Every text of the input needs one of them.

pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod table;
pub(crate) mod why;

use clap::ValueEnum;
use hooksieve::diagnostic::{excerpt, is_misleading};
use std::io::{self, BufWriter, Write};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Readable text
    Text,
    /// One JSON object per line
    Json,
}

/// Buffered standard output.
pub(crate) struct Out {
    stream: BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>,
}

impl Out {
    /// Removes colors from text that does not go to a terminal. JSON is written byte for byte.
    pub(crate) fn new(format: Format) -> Self {
        // Locked for the whole run, so that a line is never interrupted and each write takes no
        // lock.
        let stdout = io::stdout().lock();
        // Colors are escape sequences of this program. In JSON there are none, and a body may
        // contain any bytes.
        let stream = match format {
            Format::Text => anstream::AutoStream::auto(stdout),
            Format::Json => anstream::AutoStream::always_ansi(stdout),
        };
        Self { stream: BufWriter::with_capacity(1 << 16, stream) }
    }

    pub(crate) fn json(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        json::write(&mut self.stream, line)?;
        self.stream.write_all(b"\n")
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Returns whether a text has only printable ASCII characters.
///
/// A fast path: none of them is misleading, and most texts have no others.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns the whole of an untrusted text, with misleading characters escaped.
pub(crate) fn plain(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { excerpt(text, usize::MAX) }
}

/// Formats a value as a JSON string with misleading characters escaped.
///
/// Different values look different.
pub(crate) fn quoted(value: &str) -> String {
    plain(&serde_json::Value::from(value).to_string())
}

/// Replaces misleading characters in JSON text by `\u` escapes, so that it stays the same JSON.
pub(crate) fn readable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    // Tabs, line feeds and carriage returns occur only between tokens: a JSON string escapes them.
    // A carriage return moves a terminal's cursor back, so that the text after it hides what is
    // before.
    for c in json.chars().filter(|c| *c != '\r') {
        if !matches!(c, '\n' | '\t') && is_misleading(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Shortens and escapes an untrusted text for a message.
pub(crate) fn quote(text: &str) -> String {
    excerpt(text, 80)
}

/// Formats a count with its noun in the singular or plural.
pub(crate) fn counted(count: u64, singular: &str, plural: &str) -> String {
    match count {
        1 => format!("1 {singular}"),
        _ => format!("{count} {plural}"),
    }
}
