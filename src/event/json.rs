//! Reads the tokens of JSON strictly: strings, numbers, literals and white space.
//!
//! A token is accepted exactly if `serde_json::Value` accepts it, and refused with the offset of a
//! byte. Nothing is built: a string is returned as a [`Span`] of the text.
//!
//! ```text
//! {"a\"b": -1.5e3 }
//!  ^                 eat(b'"')          at the quote: move after it
//!   ^---^            string()           plain_string stops at `\`, escaped_string goes on
//!        ^           eat(b':')
//!          ^----^    scalar()           white space was skipped by the caller
//! ```
//!
//! # Why so many functions are not methods
//!
//! A [`Cursor`] is inlined into the walk, so that the offset lives in a register. A call that takes
//! `&mut self` and is not inlined would force all of the cursor into memory, at every step.
//! Whatever is rare or long is therefore a function of plain values, which takes an offset and
//! returns the next one: `after_spaces`, `after_escape`, `after_scalar`. Those marked `cold` are
//! kept out of the walk's code.
//!
//! # Invariants
//!
//! - The text is UTF-8, so an offset after an ASCII byte is a boundary of characters.
//! - The range of numbers and the meaning of escapes are left to serde_json, the reference. Only
//!   what the form does not decide is given to it: numbers with an exponent or of more
//!   than 300 characters, and the few strings with escapes that an event keeps.

use super::marks::Marks;
use super::{Error, ErrorKind};
use std::borrow::Cow;

/// The offsets of a string in a text, without its quotes, or of a number or literal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Span {
    #[inline(always)]
    pub(super) fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// Returns its bytes as written.
    #[inline(always)]
    pub(super) fn bytes(self, text: &str) -> Option<&[u8]> {
        text.as_bytes().get(self.from..self.to)
    }

    /// Returns its text as written. A quote is at both ends, so no character is split.
    #[inline(always)]
    pub(super) fn written(self, text: &str) -> &str {
        text.get(self.from..self.to).unwrap_or_default()
    }

    /// Returns its value, with escapes replaced.
    #[cold]
    #[inline(never)]
    pub(super) fn value(self, text: &str) -> Cow<'_, str> {
        let written = self.written(text);
        if !written.contains('\\') {
            return Cow::Borrowed(written);
        }
        // Its escapes were checked when it was read, so serde_json accepts it.
        let quoted = Span { from: self.from - 1, to: self.to + 1 };
        serde_json::from_str(quoted.written(text)).map(Cow::Owned).unwrap_or_default()
    }
}

/// An offset in a text, and the search for marks from there.
pub(super) struct Cursor<'a, M> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Whether any string so far has escapes.
    pub(super) escapes: bool,
    marks: M,
}

impl<'a, M: Marks> Cursor<'a, M> {
    /// Starts at the beginning of a text.
    pub(super) fn new(text: &'a str, marks: M) -> Self {
        Self { text, at: 0, escapes: false, marks }
    }

    /// Returns the byte at the cursor.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Moves after white space.
    #[inline(always)]
    pub(super) fn skip_spaces(&mut self) {
        // No token of JSON begins with a byte up to the space, so one comparison is enough here.
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.at = after_spaces(self.text, self.at);
        }
    }

    /// Skips white space, then moves after `byte` if it is next; returns whether it was.
    #[inline(always)]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        // Most documents have no white space, so `byte` is tried first.
        if self.peek() != Some(byte) {
            self.skip_spaces();
            if self.peek() != Some(byte) {
                return false;
            }
        }
        self.at += 1;
        true
    }

    /// Moves after `byte` and a quote if both are next; returns whether they were.
    #[inline(always)]
    pub(super) fn eat_with_quote(&mut self, byte: u8) -> bool {
        let rest = self.text.as_bytes().get(self.at..);
        let found = rest.and_then(|rest| rest.first_chunk()) == Some(&[byte, b'"']);
        if found {
            self.at += 2;
        }
        found
    }

    /// Returns an error at the cursor.
    #[inline(always)]
    pub(super) fn error<T>(&self, kind: ErrorKind, message: &str) -> Result<T, Error> {
        Err(Error::new(kind, self.at, message))
    }

    /// Returns the error that `what` is missing at the cursor.
    #[inline(always)]
    pub(super) fn expected<T>(&self, what: &str) -> Result<T, Error> {
        Err(expected(self.text, self.at, what))
    }

    /// Reads a string, starting after its opening quote.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Span, Error> {
        self.plain_string().or_else(|mark| self.escaped_string(mark))
    }

    /// Reads a string without escapes.
    ///
    /// # Errors
    ///
    /// The offset of its first mark, if that is not a quote; the cursor is then unchanged.
    #[inline(always)]
    pub(super) fn plain_string(&mut self) -> Result<Span, usize> {
        let from = self.at;
        let to = self.marks.next(self.text.as_bytes(), from);
        if self.text.as_bytes().get(to) != Some(&b'"') {
            return Err(to);
        }
        // After the closing quote, which is not part of the span.
        self.at = to + 1;
        Ok(Span { from, to })
    }

    /// Reads a string whose first mark is not a quote.
    #[inline(always)]
    pub(super) fn escaped_string(&mut self, mut mark: usize) -> Result<Span, Error> {
        let from = self.at;
        self.escapes = true;
        loop {
            // The escape is skipped as a whole, so a quote in it does not end the string.
            let after = after_escape(self.text, mark)?;
            mark = self.marks.next(self.text.as_bytes(), after);
            if self.text.as_bytes().get(mark) == Some(&b'"') {
                self.at = mark + 1;
                return Ok(Span { from, to: mark });
            }
        }
    }

    /// Reads a number or a literal.
    #[inline(always)]
    pub(super) fn scalar(&mut self) -> Result<(), Error> {
        self.at = after_scalar(self.text, self.at)?;
        Ok(())
    }
}

/// Makes the error that `what` is missing at an offset.
#[cold]
#[inline(never)]
fn expected(text: &str, at: usize, what: &str) -> Error {
    let message = match text.as_bytes().get(at..).unwrap_or_default() {
        [] => format!("expected {what}, found end of input"),
        // A byte order mark is invisible in most editors.
        [0xef, 0xbb, 0xbf, ..] => format!("expected {what}, found a byte order mark"),
        _ => format!("expected {what}"),
    };
    Error::new(ErrorKind::Syntax, at, message)
}

/// Returns the offset after white space.
#[inline(never)]
fn after_spaces(text: &str, mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.as_bytes().get(at) {
        at += 1;
    }
    at
}

/// Returns the offset after the escape at a mark that is not a quote.
#[cold]
#[inline(never)]
fn after_escape(text: &str, at: usize) -> Result<usize, Error> {
    let refused = |message: &str| Err(Error::new(ErrorKind::Syntax, at, message));
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b'\\') => {}
        Some(_) => return refused("unescaped control character in a string"),
        None => return Err(expected(text, at, "a closing `\"`")),
    }
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let Some(unit) = hex4(bytes, at + 2) else {
                return refused("expected four hexadecimal digits after `\\u`");
            };
            // A high surrogate is valid only if an escaped low one follows it (RFC 8259 section 7).
            let pair = bytes.get(at + 6..at + 8) == Some(b"\\u");
            let low = if pair { hex4(bytes, at + 8) } else { None };
            match (unit, low) {
                (0xd800..0xdc00, Some(0xdc00..0xe000)) => Ok(at + 12),
                (0xd800..0xe000, _) => refused("unpaired surrogate"),
                _ => Ok(at + 6),
            }
        }
        _ => refused("unknown escape"),
    }
}

/// Returns the value of the four hexadecimal digits at an offset.
fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// Returns the offset after a number or literal.
#[inline(never)]
fn after_scalar(text: &str, at: usize) -> Result<usize, Error> {
    match text.as_bytes().get(at) {
        Some(b't') => after_literal(text, at, b"true", "`true`"),
        Some(b'f') => after_literal(text, at, b"false", "`false`"),
        Some(b'n') => after_literal(text, at, b"null", "`null`"),
        Some(b'-' | b'0'..=b'9') => after_number(text, at),
        _ => Err(expected(text, at, "a value")),
    }
}

/// Returns the offset after `true`, `false` or `null`.
#[inline(always)]
fn after_literal(text: &str, at: usize, word: &[u8], what: &str) -> Result<usize, Error> {
    let to = at + word.len();
    match text.as_bytes().get(at..to) == Some(word) {
        true => Ok(to),
        false => Err(expected(text, at, what)),
    }
}

/// Returns the offset after a number (RFC 8259 section 6).
#[inline(always)]
fn after_number(text: &str, from: usize) -> Result<usize, Error> {
    let peek = |at| text.as_bytes().get(at);
    let mut at = from;
    if peek(at) == Some(&b'-') {
        at += 1;
    }
    // A leading zero is the whole integer part: a digit after it is an error of what comes next.
    at = if peek(at) == Some(&b'0') { at + 1 } else { after_digits(text, at)? };
    if peek(at) == Some(&b'.') {
        at = after_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = peek(at) {
        at += 1;
        if let Some(b'+' | b'-') = peek(at) {
            at += 1;
        }
        at = after_digits(text, at)?;
    } else if at - from <= 300 {
        // Without an exponent this is below 1e300, and the largest float is about 1.8e308.
        return Ok(at);
    }
    in_range(text, Span { from, to: at })
}

/// Checks a number that may not fit a 64-bit float, as serde_json does.
#[cold]
#[inline(never)]
fn in_range(text: &str, number: Span) -> Result<usize, Error> {
    match serde_json::from_str::<serde_json::Number>(number.written(text)) {
        Ok(_) => Ok(number.to),
        Err(_) => Err(Error::new(ErrorKind::Number, number.from, "number is out of range")),
    }
}

/// Returns the offset after one or more digits.
#[inline(always)]
fn after_digits(text: &str, from: usize) -> Result<usize, Error> {
    let rest = text.as_bytes().get(from..);
    if let Some(eight) = rest.and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        // The upper half of a digit is 3, and is still 3 after adding 6. This holds for no other
        // byte. No byte of UTF-8 is above 0xf4, so the addition never carries into the next byte.
        let upper = |bytes: u64| (bytes & 0xf0f0_f0f0_f0f0_f0f0) ^ 0x3030_3030_3030_3030;
        let others = upper(eight) | upper(eight + 0x0606_0606_0606_0606);
        // The lowest set bit is in the first byte that is not a digit.
        let count = others.trailing_zeros() as usize / 8;
        if (1..8).contains(&count) {
            return Ok(from + count);
        }
    }
    after_many_digits(text, from)
}

/// Returns the offset after digits one by one: none, eight or more, or near the end of the text.
#[inline(never)]
fn after_many_digits(text: &str, from: usize) -> Result<usize, Error> {
    let mut at = from;
    while let Some(b'0'..=b'9') = text.as_bytes().get(at) {
        at += 1;
    }
    if at == from { Err(expected(text, at, "a digit")) } else { Ok(at) }
}
