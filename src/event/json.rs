//! The words of JSON, read strictly: a string, number or literal is accepted where
//! `serde_json::Value` accepts it, and refused at a byte. Nothing is built; strings are handed out
//! as ranges of the text.

use super::marks::Marks;
use super::{Error, ErrorKind};
use std::borrow::Cow;

/// Where a string stands in a text, without its quotes.
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

    /// Its bytes as they are written.
    #[inline(always)]
    pub(super) fn bytes(self, text: &str) -> Option<&[u8]> {
        text.as_bytes().get(self.from..self.to)
    }

    /// Its text as it is written. Both ends are quotes, so characters are whole.
    #[inline(always)]
    pub(super) fn written(self, text: &str) -> &str {
        text.get(self.from..self.to).unwrap_or_default()
    }

    /// What it stands for, if it may have escapes.
    #[cold]
    #[inline(never)]
    pub(super) fn value(self, text: &str) -> Cow<'_, str> {
        let written = self.written(text);
        if !written.contains('\\') {
            return Cow::Borrowed(written);
        }
        // Its escapes were checked when it was read.
        let quoted = Span { from: self.from - 1, to: self.to + 1 };
        serde_json::from_str(quoted.written(text)).map(Cow::Owned).unwrap_or_default()
    }
}

/// A place in a text. Methods are inlined, so that it lives in registers; what is rare or long
/// is a function of plain values instead, since a reference would put all of it into memory.
pub(super) struct Words<'a, M> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Whether any string so far has escapes.
    pub(super) escapes: bool,
    marks: M,
}

impl<'a, M: Marks> Words<'a, M> {
    pub(super) fn new(text: &'a str, marks: M) -> Self {
        Self { text, at: 0, escapes: false, marks }
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    pub(super) fn skip_spaces(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.at = behind_spaces(self.text, self.at);
        }
    }

    /// Steps over white space, and over `byte` where it stands there.
    #[inline(always)]
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        if self.peek() != Some(byte) {
            self.skip_spaces();
            if self.peek() != Some(byte) {
                return false;
            }
        }
        self.at += 1;
        true
    }

    /// Steps over `byte` and an opening quote, where they stand here.
    #[inline(always)]
    pub(super) fn takes_and_quote(&mut self, byte: u8) -> bool {
        let rest = self.text.as_bytes().get(self.at..);
        let stands = rest.and_then(|rest| rest.first_chunk()) == Some(&[byte, b'"']);
        if stands {
            self.at += 2;
        }
        stands
    }

    #[inline(always)]
    pub(super) fn error<T>(&self, kind: ErrorKind, message: &str) -> Result<T, Error> {
        Err(Error::new(kind, self.at, message))
    }

    /// What must stand here and does not.
    #[inline(always)]
    pub(super) fn expected<T>(&self, what: &str) -> Result<T, Error> {
        Err(expected(self.text, self.at, what))
    }

    /// Reads a string from behind its opening quote.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<Span, Error> {
        self.plain_string().or_else(|mark| self.odd_string(mark))
    }

    /// Reads a string without escapes; for another one tells where its first mark stands.
    #[inline(always)]
    pub(super) fn plain_string(&mut self) -> Result<Span, usize> {
        let from = self.at;
        let to = self.marks.next(self.text.as_bytes(), from);
        if self.text.as_bytes().get(to) != Some(&b'"') {
            return Err(to);
        }
        self.at = to + 1;
        Ok(Span { from, to })
    }

    /// Reads a string whose first mark is no quote.
    #[inline(always)]
    pub(super) fn odd_string(&mut self, mut mark: usize) -> Result<Span, Error> {
        let from = self.at;
        self.escapes = true;
        loop {
            let behind = behind_escape(self.text, mark)?;
            mark = self.marks.next(self.text.as_bytes(), behind);
            if self.text.as_bytes().get(mark) == Some(&b'"') {
                self.at = mark + 1;
                return Ok(Span { from, to: mark });
            }
        }
    }

    /// Reads a number or a literal.
    #[inline(always)]
    pub(super) fn scalar(&mut self) -> Result<(), Error> {
        self.at = behind_scalar(self.text, self.at)?;
        Ok(())
    }
}

#[cold]
#[inline(never)]
fn expected(text: &str, at: usize, what: &str) -> Error {
    let message = match text.as_bytes().get(at..).unwrap_or_default() {
        [] => format!("expected {what}, found the end of the input"),
        // A byte order mark, which nobody sees.
        [0xef, 0xbb, 0xbf, ..] => format!("expected {what}, not a byte order mark,"),
        _ => format!("expected {what}"),
    };
    Error::new(ErrorKind::Syntax, at, message)
}

#[inline(never)]
fn behind_spaces(text: &str, mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.as_bytes().get(at) {
        at += 1;
    }
    at
}

/// Steps over the escape that must stand at a mark that is no quote.
#[cold]
#[inline(never)]
fn behind_escape(text: &str, at: usize) -> Result<usize, Error> {
    let refused = |message: &str| Err(Error::new(ErrorKind::Syntax, at, message));
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b'\\') => {}
        Some(_) => return refused("control character stands in a string"),
        None => return Err(expected(text, at, "a closing `\"`")),
    }
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let Some(unit) = hex4(bytes, at + 2) else {
                return refused("`\\u` lacks its four hexadecimal digits");
            };
            let pair = bytes.get(at + 6..at + 8) == Some(b"\\u");
            let low = if pair { hex4(bytes, at + 8) } else { None };
            match (unit, low) {
                (0xd800..0xdc00, Some(0xdc00..0xe000)) => Ok(at + 12),
                (0xd800..0xe000, _) => refused("half of a surrogate pair stands"),
                _ => Ok(at + 6),
            }
        }
        _ => refused("escape is not one of JSON"),
    }
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

#[inline(never)]
fn behind_scalar(text: &str, at: usize) -> Result<usize, Error> {
    match text.as_bytes().get(at) {
        Some(b't') => behind_literal(text, at, b"true", "`true`"),
        Some(b'f') => behind_literal(text, at, b"false", "`false`"),
        Some(b'n') => behind_literal(text, at, b"null", "`null`"),
        Some(b'-' | b'0'..=b'9') => behind_number(text, at),
        _ => Err(expected(text, at, "a value")),
    }
}

#[inline(always)]
fn behind_literal(text: &str, at: usize, word: &[u8], what: &str) -> Result<usize, Error> {
    let to = at + word.len();
    match text.as_bytes().get(at..to) == Some(word) {
        true => Ok(to),
        false => Err(expected(text, at, what)),
    }
}

#[inline(always)]
fn behind_number(text: &str, from: usize) -> Result<usize, Error> {
    let peek = |at| text.as_bytes().get(at);
    let mut at = from;
    if peek(at) == Some(&b'-') {
        at += 1;
    }
    at = if peek(at) == Some(&b'0') { at + 1 } else { behind_digits(text, at)? };
    if peek(at) == Some(&b'.') {
        at = behind_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = peek(at) {
        at += 1;
        if let Some(b'+' | b'-') = peek(at) {
            at += 1;
        }
        at = behind_digits(text, at)?;
    } else if at - from <= 300 {
        return Ok(at);
    }
    in_range(text, Span { from, to: at })
}

/// Numbers that may not fit a 64-bit float: the referee itself decides.
#[cold]
#[inline(never)]
fn in_range(text: &str, number: Span) -> Result<usize, Error> {
    match serde_json::from_str::<serde_json::Number>(number.written(text)) {
        Ok(_) => Ok(number.to),
        Err(_) => Err(Error::new(ErrorKind::Number, number.from, "number is out of range")),
    }
}

/// Steps over digits, of which there must be one.
#[inline(always)]
fn behind_digits(text: &str, from: usize) -> Result<usize, Error> {
    let rest = text.as_bytes().get(from..);
    if let Some(eight) = rest.and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        // A digit's upper half is 3, and still is after six more; no byte of UTF-8 carries then.
        let upper = |bytes: u64| (bytes & 0xf0f0_f0f0_f0f0_f0f0) ^ 0x3030_3030_3030_3030;
        let others = upper(eight) | upper(eight + 0x0606_0606_0606_0606);
        let count = others.trailing_zeros() as usize / 8;
        if (1..8).contains(&count) {
            return Ok(from + count);
        }
    }
    behind_many_digits(text, from)
}

#[inline(never)]
fn behind_many_digits(text: &str, from: usize) -> Result<usize, Error> {
    let mut at = from;
    while let Some(b'0'..=b'9') = text.as_bytes().get(at) {
        at += 1;
    }
    if at == from { Err(expected(text, at, "a digit")) } else { Ok(at) }
}
