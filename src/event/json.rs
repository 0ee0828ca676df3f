//! The words of JSON, read strictly: what stands between brackets and commas is accepted where
//! `serde_json::Value` accepts it, and refused at a byte. Nothing is built; strings are handed out
//! as ranges of the text.

use super::marks::Marks;
use super::{Error, ErrorKind};
use std::borrow::Cow;

/// A place in a text. Its methods are inlined, so that it lives in registers: what is rare is a
/// function of plain values beside it, since a reference would put it into memory.
pub(super) struct Words<'a, M> {
    text: &'a str,
    pub(super) at: usize,
    marks: M,
    /// Whether any string so far has escapes.
    pub(super) escapes: bool,
}

impl<'a, M: Marks> Words<'a, M> {
    pub(super) fn new(text: &'a str, marks: M) -> Self {
        Self { text, at: 0, marks, escapes: false }
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

    #[inline(always)]
    pub(super) fn error<T>(&self, kind: ErrorKind, message: &str) -> Result<T, Error> {
        Err(Error::new(kind, self.at, message))
    }

    /// What must stand here and does not.
    #[inline(always)]
    pub(super) fn expected<T>(&self, what: &str) -> Result<T, Error> {
        Err(expected(self.text, self.at, what))
    }

    /// The bytes of a string as they are written.
    #[inline(always)]
    pub(super) fn written(&self, from: usize, to: usize) -> Option<&'a [u8]> {
        self.text.as_bytes().get(from..to)
    }

    /// Reads a string from behind its opening quote; returns where its closing quote stands, and
    /// whether it has escapes.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<(usize, bool), Error> {
        let mark = self.marks.next(self.text.as_bytes(), self.at);
        if self.text.as_bytes().get(mark) == Some(&b'"') {
            self.at = mark + 1;
            return Ok((mark, false));
        }
        self.odd_string(mark)
    }

    /// A string whose first mark is no quote.
    #[inline(always)]
    fn odd_string(&mut self, mut mark: usize) -> Result<(usize, bool), Error> {
        self.escapes = true;
        loop {
            self.at = behind_escape(self.text, mark)?;
            mark = self.marks.next(self.text.as_bytes(), self.at);
            if self.text.as_bytes().get(mark) == Some(&b'"') {
                self.at = mark + 1;
                return Ok((mark, true));
            }
        }
    }

    /// Whether the last string is followed at once by `byte` and another string; then the walk
    /// stands behind the opening quote of that.
    #[inline(always)]
    pub(super) fn string_follows(&mut self, byte: u8) -> bool {
        let rest = self.text.as_bytes().get(self.at..);
        let next = rest.and_then(|rest| rest.first_chunk());
        let follows = next == Some(&[byte, b'"']);
        if follows {
            self.at += 2;
        }
        follows
    }

    /// Reads a number or a literal.
    #[inline(always)]
    pub(super) fn scalar(&mut self) -> Result<(), Error> {
        self.at = behind_scalar(self.text, self.at)?;
        Ok(())
    }
}

#[inline(never)]
fn behind_spaces(text: &str, mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.as_bytes().get(at) {
        at += 1;
    }
    at
}

#[inline(never)]
fn behind_scalar(text: &str, at: usize) -> Result<usize, Error> {
    let word = match text.as_bytes().get(at) {
        Some(b't') => "true",
        Some(b'f') => "false",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => return behind_number(text, at),
        _ => return Err(expected(text, at, "a value")),
    };
    if !text.get(at..).is_some_and(|rest| rest.starts_with(word)) {
        return Err(expected(text, at, &format!("`{word}`")));
    }
    Ok(at + word.len())
}

fn behind_number(text: &str, from: usize) -> Result<usize, Error> {
    let peek = |at| text.as_bytes().get(at);
    let digits = |from| match behind_digits(text.as_bytes(), from) {
        at if at == from => Err(expected(text, at, "a digit")),
        at => Ok(at),
    };
    let mut at = from + usize::from(peek(from) == Some(&b'-'));
    at = if peek(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if peek(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = peek(at) {
        let sign = matches!(peek(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(sign))?;
    } else if at - from <= 300 {
        return Ok(at);
    }
    // Others may not fit: the referee itself decides.
    match serde_json::from_str::<serde_json::Number>(text.get(from..at).unwrap_or_default()) {
        Ok(_) => Ok(at),
        Err(_) => Err(Error::new(ErrorKind::Number, from, "number is out of range")),
    }
}

#[cold]
#[inline(never)]
fn expected(text: &str, at: usize, what: &str) -> Error {
    let message = match text.as_bytes().get(at) {
        None => format!("input ends where {what} must stand"),
        Some(_) => format!("expected {what}"),
    };
    Error::new(ErrorKind::Syntax, at, message)
}

/// Where the first byte that is no digit stands, eight bytes at a time.
#[inline(always)]
fn behind_digits(bytes: &[u8], mut at: usize) -> usize {
    const EACH: u64 = u64::MAX / 0xff;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        // A digit's upper half is 3, and still is after six more; no byte of UTF-8 carries then.
        let upper = |bytes: u64| (bytes & (EACH * 0xf0)) ^ (EACH * 0x30);
        let others = upper(eight) | upper(eight.wrapping_add(EACH * 6));
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

#[cold]
#[inline(never)]
pub(super) fn unescaped(written: &str) -> Cow<'_, str> {
    if !written.contains('\\') {
        return Cow::Borrowed(written);
    }
    // Its escapes were checked when it was read.
    serde_json::from_str(&format!("\"{written}\"")).map(Cow::Owned).unwrap_or_default()
}

/// Steps over the escape at a mark that is no quote.
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
