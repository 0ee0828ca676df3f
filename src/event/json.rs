//! A strict walk over JSON: it accepts what `serde_json::Value` accepts, and says at which byte
//! it does not. Nothing is built; strings are handed out as ranges of the input.

use super::{Error, ErrorKind};
use std::borrow::Cow;

/// Most objects and arrays that may be open at once, as in serde_json.
const MAX_DEPTH: u32 = 127;

/// A JSON string as it stands in the text, known to be well formed.
#[derive(Clone, Copy)]
pub(super) struct RawStr<'a> {
    /// With its quotes.
    raw: &'a str,
    escaped: bool,
    /// Where its opening quote stands.
    pub(super) offset: usize,
}

impl<'a> RawStr<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.raw.len() == 2
    }

    /// The string's value, borrowed where nothing is escaped.
    #[inline]
    pub(super) fn value(self) -> Result<Cow<'a, str>, Error> {
        if self.escaped {
            serde_json::from_str(self.raw)
                .map(Cow::Owned)
                .map_err(|_| Error::new(ErrorKind::Syntax, self.offset, "escape is not valid"))
        } else {
            let inner = self.raw.len().saturating_sub(1);
            Ok(Cow::Borrowed(self.raw.get(1..inner).unwrap_or_default()))
        }
    }
}

pub(super) struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
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
    pub(super) fn next_key(&mut self, first: &mut bool) -> Result<Option<RawStr<'a>>, Error> {
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
    pub(super) fn string(&mut self) -> Result<RawStr<'a>, Error> {
        let offset = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_run(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    let raw = self.text.get(offset..self.at).unwrap_or_default();
                    return Ok(RawStr { raw, escaped, offset });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => {
                    return self.error(ErrorKind::Syntax, "control character stands in a string");
                }
                None => return self.expected("a closing `\"`"),
            }
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

    fn literal(&mut self, word: &str) -> Result<(), Error> {
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

/// Whether a byte ends a run of plain characters in a string.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// How many bytes come before the first special one.
fn plain_run(bytes: &[u8]) -> usize {
    // Eight bytes at once: the high bit of each byte of `found` up to the first special one tells
    // whether it is special; behind that one a borrow may have spoilt them.
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = 0x80 * ONES;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = zero_bytes(word ^ (u64::from(b'"') * ONES));
        let backslashes = zero_bytes(word ^ (u64::from(b'\\') * ONES));
        let controls = word.wrapping_sub(0x20 * ONES) & !word & HIGH;
        let found = quotes | backslashes | controls;
        if found != 0 {
            return 8 * at + found.trailing_zeros() as usize / 8;
        }
    }
    let before = rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len());
    8 * words.len() + before
}

#[cfg(test)]
mod tests {
    use super::{is_special, plain_run};

    /// The plain loop is the oracle of the fast one, for every byte in every place.
    #[test]
    fn runs_end_where_a_plain_loop_ends_them() {
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    for filler in [b'a', 0x7f, 0x80, 0xff, 0x21, 0x23, 0x5b, 0x5d, 0x20] {
                        let mut bytes = vec![filler; length];
                        bytes[place] = byte;
                        let plain = bytes.iter().position(|byte| is_special(*byte));
                        assert_eq!(plain_run(&bytes), plain.unwrap_or(length), "{bytes:?}");
                    }
                }
            }
        }
    }
}
