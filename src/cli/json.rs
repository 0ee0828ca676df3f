//! JSON for programs, which shows no character that misleads a person who looks at it.

use super::{is_plain, readable};
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// Writes a value as JSON on one line, with misleading characters as `\u` escapes: the same JSON.
pub(super) fn write(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::Serializer::with_formatter(out, Readable);
    Ok(value.serialize(&mut json)?)
}

/// Like serde_json's compact form, but for misleading characters.
struct Readable;

impl Formatter for Readable {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        match is_plain(fragment) {
            true => writer.write_all(fragment.as_bytes()),
            false => writer.write_all(readable(fragment).as_bytes()),
        }
    }

    /// JSON that was kept as it was written: only its strings hold such characters.
    fn write_raw_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.write_string_fragment(writer, fragment)
    }
}
