//! JSON output without misleading characters.
//!
//! # Why escapes and not removal
//!
//! A line of JSON is read by programs, so it must keep every character. A terminal shows it too,
//! and must not act on it. An escape does both: `"\u202e"` is the same string as the character
//! itself, and harmless. Only strings of JSON can contain such a character, so escaping whole
//! fragments never changes the structure.

use crate::cli::output::{is_plain, readable};
use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// Writes a value as JSON on one line, with misleading characters as `\u` escapes.
pub(crate) fn write(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::Serializer::with_formatter(out, Readable);
    Ok(value.serialize(&mut json)?)
}

/// serde_json's compact format, with misleading characters escaped.
struct Readable;

impl Formatter for Readable {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Most fragments are plain, and are written without a copy.
        match is_plain(fragment) {
            true => writer.write_all(fragment.as_bytes()),
            false => writer.write_all(readable(fragment).as_bytes()),
        }
    }

    /// Escapes raw JSON as a whole: such characters occur only inside its strings.
    fn write_raw_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.write_string_fragment(writer, fragment)
    }
}
