//! A strict walk over JSON: it accepts what `serde_json::Value` accepts, and says at which byte
//! it does not. Nothing is built; strings are handed out as ranges of the input.

use super::marks::Marks;
use super::{Error, ErrorKind};
use std::borrow::Cow;
use std::num::NonZeroUsize;

/// Most objects and arrays that may be open at once, as in serde_json.
const MAX_DEPTH: u32 = 127;

/// Where a string stands in the text, known to be well formed: without its quotes.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) from: usize,
    /// 0 for no string.
    pub(super) to: usize,
    pub(super) escaped: bool,
}

impl Place {
    pub(super) fn is_empty(self) -> bool {
        self.from == self.to
    }
}

/// The end of a string that was read, and whether it has escapes, in one word: a result of more
/// than that goes through memory, which costs more than reading the string.
#[derive(Clone, Copy)]
pub(super) struct End(NonZeroUsize);

impl End {
    #[inline]
    fn new(to: usize, escaped: bool) -> Self {
        // Text is at most isize::MAX bytes long, and no string ends at its first one.
        Self(NonZeroUsize::MIN.saturating_add(to << 1 | usize::from(escaped)))
    }

    #[inline]
    fn place(self, from: usize) -> Place {
        let word = self.0.get() - 1;
        Place { from, to: word >> 1, escaped: word & 1 == 1 }
    }
}

pub(super) struct Walk<'a, 'm, M> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    marks: &'m mut M,
    /// Where the string begins that was read last.
    from: usize,
}

impl<'a, 'm, M: Marks> Walk<'a, 'm, M> {
    pub(super) fn new(text: &'a str, marks: &'m mut M) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0, marks, from: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Where the string stands that was read last.
    #[inline]
    pub(super) fn last(&self, end: End) -> Place {
        end.place(self.from)
    }

    /// The bytes of a string as they are written.
    #[inline]
    pub(super) fn written(&self, place: Place) -> &'a [u8] {
        self.bytes.get(place.from..place.to).unwrap_or_default()
    }

    /// A string's value, borrowed where nothing is escaped.
    #[inline]
    pub(super) fn value(&self, place: Place) -> Result<Cow<'a, str>, Error> {
        if place.escaped {
            return self.unescaped(place).map(Cow::Owned);
        }
        // Both ends are quotes, so characters are whole.
        Ok(Cow::Borrowed(self.text.get(place.from..place.to).unwrap_or_default()))
    }

    #[cold]
    fn unescaped(&self, place: Place) -> Result<String, Error> {
        let quoted = self.text.get(place.from - 1..place.to + 1).unwrap_or_default();
        serde_json::from_str(quoted)
            .map_err(|_| Error::new(ErrorKind::Syntax, place.from - 1, "escape is not valid"))
    }

    #[inline]
    pub(super) fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn error<T>(&self, kind: ErrorKind, message: impl Into<Box<str>>) -> Result<T, Error> {
        Err(Error::new(kind, self.at, message))
    }

    /// What must stand here and does not.
    fn expected<T>(&self, what: &str) -> Result<T, Error> {
        let message = match self.peek() {
            None => format!("input ends where {what} must stand"),
            Some(_) => format!("expected {what}"),
        };
        self.error(ErrorKind::Syntax, message)
    }

    #[inline]
    fn take(&mut self, byte: u8, what: &str) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return self.expected(what);
        }
        self.at += 1;
        Ok(())
    }

    /// Moves into an object: past its opening brace.
    pub(super) fn enter_object(&mut self) -> Result<(), Error> {
        self.take(b'{', "`{`")?;
        self.deepen()
    }

    #[inline]
    fn deepen(&mut self) -> Result<(), Error> {
        if self.depth == MAX_DEPTH {
            self.at -= 1;
            return self.error(ErrorKind::TooDeep, "objects and arrays are nested 128 deep");
        }
        self.depth += 1;
        Ok(())
    }

    /// The next key of the object that was entered, the walk then standing at its value; `None`
    /// past the closing brace. `first` until one key has been read.
    #[inline]
    pub(super) fn next_key(&mut self, first: &mut bool) -> Result<Option<End>, Error> {
        self.skip_spaces();
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                self.depth -= 1;
                return Ok(None);
            }
            Some(b',') if !*first => {
                self.at += 1;
                self.skip_spaces();
            }
            Some(_) if *first => {}
            _ => return self.expected(if *first { "a key or `}`" } else { "`,` or `}`" }),
        }
        *first = false;
        if self.peek() != Some(b'"') {
            return self.expected("a key in double quotes");
        }
        let key = self.string()?;
        self.skip_spaces();
        self.take(b':', "`:`")?;
        self.skip_spaces();
        Ok(Some(key))
    }

    /// The end of the input, white space aside.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.skip_spaces();
        match self.peek() {
            None => Ok(()),
            Some(_) => self.expected("the end of the input"),
        }
    }

    /// Reads a string, the walk standing at its opening quote.
    #[inline]
    pub(super) fn string(&mut self) -> Result<End, Error> {
        self.from = self.at + 1;
        let to = self.marks.next(self.from);
        if self.bytes.get(to) != Some(&b'"') {
            return self.odd_string(to);
        }
        self.at = to + 1;
        Ok(End::new(to, false))
    }

    /// A string whose first mark is no quote.
    #[cold]
    fn odd_string(&mut self, mark: usize) -> Result<End, Error> {
        self.at = mark;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(End::new(self.at - 1, true));
                }
                Some(b'\\') => self.escape()?,
                Some(_) => {
                    return self.error(ErrorKind::Syntax, "control character stands in a string");
                }
                None => return self.expected("a closing `\"`"),
            }
            self.at = self.marks.next(self.at);
        }
    }

    fn escape(&mut self) -> Result<(), Error> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let Some(unit) = self.hex4(self.at + 2) else {
                    return self
                        .error(ErrorKind::Syntax, "`\\u` lacks its four hexadecimal digits");
                };
                let pair = self.bytes.get(self.at + 6..self.at + 8) == Some(b"\\u");
                let low = if pair { self.hex4(self.at + 8) } else { None };
                self.at += match (unit, low) {
                    (0xd800..0xdc00, Some(0xdc00..0xe000)) => 12,
                    (0xd800..0xe000, _) => {
                        return self.error(ErrorKind::Syntax, "half of a surrogate pair stands");
                    }
                    _ => 6,
                };
            }
            _ => return self.error(ErrorKind::Syntax, "escape is not one of JSON"),
        }
        Ok(())
    }

    fn hex4(&self, at: usize) -> Option<u32> {
        let digits = self.bytes.get(at..at + 4)?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    }

    /// Passes over a value of any kind, checking all of it, without recursion.
    pub(super) fn skip_value(&mut self) -> Result<(), Error> {
        let outside = self.depth;
        // One bit for each container that is open, the innermost lowest: set for an object.
        let mut objects = 0u128;
        loop {
            // Here stands a value.
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{') => {
                    self.enter_object()?;
                    objects = objects << 1 | 1;
                    if self.next_key(&mut true)?.is_some() {
                        continue;
                    }
                    objects >>= 1;
                }
                Some(b'[') => {
                    self.at += 1;
                    self.deepen()?;
                    objects <<= 1;
                    self.skip_spaces();
                    if self.peek() != Some(b']') {
                        continue;
                    }
                    self.at += 1;
                    self.depth -= 1;
                    objects >>= 1;
                }
                Some(b't') => self.literal("true")?,
                Some(b'f') => self.literal("false")?,
                Some(b'n') => self.literal("null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => return self.expected("a value"),
            }
            // Behind a value: close what ends here, and go on to the next one.
            loop {
                if self.depth == outside {
                    return Ok(());
                }
                if objects & 1 == 1 {
                    if self.next_key(&mut false)?.is_some() {
                        break;
                    }
                } else {
                    self.skip_spaces();
                    match self.peek() {
                        Some(b',') => {
                            self.at += 1;
                            self.skip_spaces();
                            break;
                        }
                        Some(b']') => {
                            self.at += 1;
                            self.depth -= 1;
                        }
                        _ => return self.expected("`,` or `]`"),
                    }
                }
                objects >>= 1;
            }
        }
    }

    #[inline]
    fn literal(&mut self, word: &'static str) -> Result<(), Error> {
        let found = self.bytes.get(self.at..self.at + word.len());
        if found != Some(word.as_bytes()) {
            return self.expected(&format!("`{word}`"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Result<(), Error> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if self.digits() == 0 {
            return self.expected("a digit");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.expected("a digit");
            }
        }
        let mut large = self.at - from > 300;
        if let Some(b'e' | b'E') = self.peek() {
            large = true;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.expected("a digit");
            }
        }
        // Shorter ones without an exponent fit; for the rest the referee itself decides.
        let text = self.text.get(from..self.at).unwrap_or_default();
        if large && serde_json::from_str::<serde_json::Number>(text).is_err() {
            return Err(Error::new(ErrorKind::Number, from, "number is out of range"));
        }
        Ok(())
    }
}
