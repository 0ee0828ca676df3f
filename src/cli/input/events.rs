//! Splits a stream into documents: NDJSON, a JSON array, or objects one after another.
//!
//! The objects may be pretty-printed. Documents are returned one at a time, so the memory is
//! bounded by the longest one. On a live stream each is returned as soon as its last byte has been
//! read.
//!
//! # The forms, and how one is recognized
//!
//! ```text
//! [ …                            an array: the first byte
//! {"id":"e1"}↵{"id":"e2"}↵        NDJSON: the first line ends outside every bracket
//! {↵  "id": "e1"↵}↵{↵ …           objects: the first line ends inside a bracket, and the next
//!                                one can continue it
//! ```
//!
//! # Why not a JSON parser
//!
//! A parser reads a document to know where it ends, and the event reader then reads it again. Here
//! only brackets and strings are followed ([`Nesting`]), which is enough to find the end of a
//! well-formed document. A document that is not well formed may end in the wrong place. In NDJSON
//! that affects one line. In the other forms the reader stops there, since what follows may be the
//! inside of an event.
//!
//! # Invariants
//!
//! - A document is returned as soon as its end is certain, without waiting for the next one.
//! - At most [`MAX_DOCUMENT`] bytes of a document are kept, regardless of its length.
//! - `line` counts the line breaks that were taken, so a message has the line of the whole stream.

use memchr::{memchr, memchr2};
use std::io::{self, BufRead, BufReader, Read};

/// The maximum length of a document in bytes.
const MAX_DOCUMENT: usize = 16 << 20;

/// The lines of a stream that are not blank.
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    number: usize,
    buffer: Vec<u8>,
}

/// A line with its number, or the message about one that is too long.
pub(crate) struct Line<'l> {
    pub(crate) number: usize,
    pub(crate) bytes: Result<&'l [u8], String>,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(1 << 18, input), number: 0, buffer: Vec::new() }
    }

    /// Returns whether the next line can be read without waiting for input.
    pub(crate) fn is_buffered(&self) -> bool {
        // Blank lines are skipped, so they do not count as the next line.
        memchr(b'\n', self.input.buffer().trim_ascii_start()).is_some()
    }

    /// Skips a byte order mark, which some editors write at the start of a file.
    fn skip_mark(&mut self) -> io::Result<()> {
        if self.input.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
            self.input.consume(3);
        }
        Ok(())
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        if self.number == 0 {
            self.skip_mark()?;
        }
        loop {
            self.buffer.clear();
            // The usual case: the whole line is in the buffer, and is copied without another read.
            let ahead = self.input.buffer();
            if let Some(line) = memchr(b'\n', ahead).and_then(|end| ahead.get(..=end)) {
                self.buffer.extend_from_slice(line);
                self.input.consume(self.buffer.len());
            } else {
                // One more byte, for the line break.
                let max = MAX_DOCUMENT as u64 + 1;
                if (&mut self.input).take(max).read_until(b'\n', &mut self.buffer)? == 0 {
                    return Ok(None);
                }
            }
            self.number += 1;
            let number = self.number;
            if self.buffer.len() > MAX_DOCUMENT && self.buffer.last() != Some(&b'\n') {
                // The rest of the line is dropped without keeping it, so a line of any length costs
                // no memory.
                self.input.skip_until(b'\n')?;
                return Ok(Some(Line { number, bytes: Err(too_long()) }));
            }
            if !trim_end(&self.buffer).is_empty() {
                return Ok(Some(Line { number, bytes: Ok(trim_end(&self.buffer)) }));
            }
        }
    }
}

/// Returns the bytes without white space at the end.
fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let Some((_, rest)) = bytes.split_last().filter(|(last, _)| is_space(**last)) {
        bytes = rest;
    }
    bytes
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let Some((_, rest)) = bytes.split_first().filter(|(first, _)| is_space(**first)) {
        bytes = rest;
    }
    bytes
}

/// Returns whether a byte is white space in JSON.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn too_long() -> String {
    format!("is longer than {MAX_DOCUMENT} bytes")
}

/// The documents of a stream.
pub(crate) struct Documents<R> {
    lines: Lines<R>,
    shape: Shape,
    /// The current line of the stream; not maintained for `Shape::Lines`.
    line: usize,
    /// The number of array items read so far.
    items: usize,
    /// The number of bytes read from the stream.
    taken: u64,
    /// The length of the next document, if `is_buffered` has found it.
    length: Option<usize>,
}

/// The form of a stream and, for an array, the position in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Unknown,
    /// One document per line; a malformed one does not affect the others.
    Lines,
    /// Before the first item of an array.
    ArrayBegin,
    /// After an item of an array.
    ItemEnd,
    /// Objects one after another, each on any number of lines.
    Objects,
    Done,
}

/// A document of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Document<'d> {
    /// The line in which it begins.
    pub(crate) line: usize,
    /// Its number in an array or a page, counted from 1.
    pub(crate) item: Option<usize>,
    pub(crate) bytes: &'d [u8],
    /// Whether the stream can be read further if this document is malformed.
    pub(crate) recoverable: bool,
}

/// An error in a stream.
pub(crate) enum ReadError {
    Io(io::Error),
    /// A line that is skipped.
    Line {
        line: usize,
        message: String,
    },
    /// Malformed input after which no further document can be found.
    Broken {
        line: usize,
        message: String,
    },
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<R: Read> Documents<R> {
    pub(crate) fn new(input: R) -> Self {
        let (lines, shape) = (Lines::new(input), Shape::Unknown);
        Self { lines, shape, line: 1, items: 0, taken: 0, length: None }
    }

    /// Returns whether the next document can be read without waiting for input.
    pub(crate) fn is_buffered(&mut self) -> bool {
        let ahead = trim_start(self.lines.input.buffer());
        let document = match self.shape {
            Shape::Lines => return self.lines.is_buffered(),
            Shape::Objects => Some(ahead),
            Shape::ItemEnd => ahead.strip_prefix(b",").map(trim_start),
            Shape::Unknown | Shape::ArrayBegin | Shape::Done => None,
        };
        // Kept for `next`, which would otherwise scan the same bytes again.
        self.length = document.and_then(|document| Nesting::default().end(document));
        self.length.is_some()
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn next(&mut self) -> Result<Option<Document<'_>>, ReadError> {
        if self.shape == Shape::Unknown {
            self.lines.skip_mark()?;
            self.skip_spaces()?;
            if self.peek()? == Some(b'[') {
                self.take(1);
                self.shape = Shape::ArrayBegin;
            } else {
                return self.first_line();
            }
        }
        match self.shape {
            Shape::Lines => self.next_line(),
            Shape::ArrayBegin => self.item(true),
            Shape::ItemEnd => {
                self.skip_spaces()?;
                match self.peek()? {
                    Some(b',') => {
                        self.take(1);
                        self.item(false)
                    }
                    Some(b']') => {
                        self.take(1);
                        self.array_end()
                    }
                    Some(_) => Err(self.broken("expected `,` or `]` after an item of the array")),
                    None => Err(self.broken("the input ends inside an array")),
                }
            }
            Shape::Objects => {
                self.skip_spaces()?;
                match self.peek()? {
                    None => Ok(None),
                    Some(b'{') => {
                        self.lines.buffer.clear();
                        self.object(self.line, Nesting::default())
                    }
                    // `{…}, {…}` is an array without its brackets, a frequent mistake with a fix of
                    // its own.
                    Some(b',') => Err(self.broken(
                        "expected `{` or the end of the input, found `,`: remove the commas between \
                         events, or put the events into an array",
                    )),
                    Some(_) => Err(self.broken("expected `{` or the end of the input")),
                }
            }
            Shape::Unknown | Shape::Done => Ok(None),
        }
    }

    fn next_line(&mut self) -> Result<Option<Document<'_>>, ReadError> {
        let line = self.lines.next()?;
        let Some(Line { number, bytes }) = line else {
            return Ok(None);
        };
        match bytes {
            Ok(bytes) => {
                self.taken += bytes.len() as u64 + 1;
                Ok(Some(Document { line: number, item: None, bytes, recoverable: true }))
            }
            Err(message) => Err(ReadError::Line { line: number, message }),
        }
    }

    /// Reads the first line, which decides between NDJSON and objects on several lines.
    ///
    /// It begins an object on several lines if it ends inside an object, outside a string, and the
    /// next line can continue it.
    fn first_line(&mut self) -> Result<Option<Document<'_>>, ReadError> {
        let begin = self.line;
        // Blank lines before the first document were skipped, so the count goes on from here.
        self.lines.number = begin - 1;
        self.shape = Shape::Lines;
        let mut nesting = Nesting::default();
        match self.lines.next()? {
            None => return Ok(None),
            Some(Line { number, bytes: Err(message) }) => {
                return Err(ReadError::Line { line: number, message });
            }
            Some(Line { bytes: Ok(bytes), .. }) => nesting.scan(bytes),
        }
        self.taken += self.lines.buffer.len() as u64;
        // Waits for the next line only if it can matter.
        if nesting.is_inside() && self.lines.buffer.ends_with(b"\n") {
            self.line = begin + 1;
            self.skip_spaces()?;
            if nesting.continues(self.peek()?) {
                self.shape = Shape::Objects;
                return self.object(begin, nesting);
            }
            // The blank lines up to the next document were skipped here.
            self.lines.number = self.line - 1;
        }
        let bytes = trim_end(&self.lines.buffer);
        Ok(Some(Document { line: begin, item: None, bytes, recoverable: true }))
    }

    /// Reads the rest of an object; `nesting` has scanned the part in the buffer.
    fn object(
        &mut self,
        line: usize,
        mut nesting: Nesting,
    ) -> Result<Option<Document<'_>>, ReadError> {
        match self.keep(&mut nesting)? {
            true => {
                let bytes = &self.lines.buffer;
                Ok(Some(Document { line, item: None, bytes, recoverable: false }))
            }
            false => Err(self.broken("the input ends inside an object")),
        }
    }

    /// Reads the next item of an array. The array may end instead if it is the first one.
    fn item(&mut self, first: bool) -> Result<Option<Document<'_>>, ReadError> {
        self.skip_spaces()?;
        if first && self.peek()? == Some(b']') {
            self.take(1);
            return self.array_end();
        }
        // The line where the item begins; reading it moves on to the line where it ends.
        let line = self.line;
        self.lines.buffer.clear();
        if matches!(self.peek()?, Some(b',' | b']')) {
            return Err(self.broken("expected an item of the array"));
        }
        if !self.keep(&mut Nesting::default())? {
            return Err(self.broken("the input ends inside an array"));
        }
        self.shape = Shape::ItemEnd;
        self.items += 1;
        let item = Some(self.items);
        Ok(Some(Document { line, item, bytes: &self.lines.buffer, recoverable: false }))
    }

    fn array_end(&mut self) -> Result<Option<Document<'_>>, ReadError> {
        self.shape = Shape::Done;
        self.skip_spaces()?;
        match self.peek()? {
            None => Ok(None),
            Some(_) => Err(self.broken("expected the end of the input after the array")),
        }
    }

    fn broken(&mut self, message: &str) -> ReadError {
        self.shape = Shape::Done;
        ReadError::Broken { line: self.line, message: message.to_owned() }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.lines.input.fill_buf()?.first().copied())
    }

    fn take(&mut self, count: usize) {
        self.lines.input.consume(count);
        self.taken += count as u64;
    }

    /// Appends the input up to the end of a document to the buffer.
    ///
    /// Returns false if the stream ends inside the document.
    fn keep(&mut self, nesting: &mut Nesting) -> Result<bool, ReadError> {
        loop {
            let ahead = self.lines.input.fill_buf()?;
            if ahead.is_empty() {
                return Ok(false);
            }
            let end = self.length.take().or_else(|| nesting.end(ahead));
            // Without an end, the document goes on after these bytes.
            let length = end.unwrap_or(ahead.len());
            // Kept up to the limit only, and then refused, so that the memory is bounded at every
            // step.
            let room = MAX_DOCUMENT.saturating_sub(self.lines.buffer.len());
            let (kept, _) = ahead.split_at(length.min(room));
            self.line += kept.iter().filter(|byte| **byte == b'\n').count();
            self.lines.buffer.extend_from_slice(kept);
            let kept = kept.len();
            self.take(kept);
            if kept < length {
                return Err(self.broken(&format!("a document {}", too_long())));
            }
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn skip_spaces(&mut self) -> io::Result<()> {
        while let Some(byte) = self.peek()?.filter(|byte| is_space(*byte)) {
            self.line += usize::from(byte == b'\n');
            self.take(1);
        }
        Ok(())
    }
}

/// The brackets and strings that are open at a position of a document, well formed or not.
#[derive(Default)]
pub(crate) struct Nesting {
    /// The brackets that are open.
    open: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// The last byte scanned that is not white space.
    last: u8,
}

impl Nesting {
    pub(crate) fn scan(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
            if !is_space(*byte) {
                self.last = *byte;
            }
        }
    }

    /// Scans the next bytes, and returns the end of the document if it is among them.
    ///
    /// The end is after the closing bracket, or before the separator after a value without
    /// brackets.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.in_string && !self.escaped {
                // Most bytes of a document are in strings, so their ends are searched with SIMD.
                at += memchr2(b'"', b'\\', bytes.split_at(at).1)?;
            }
            let byte = *bytes.get(at)?;
            // A value without brackets, such as `5`, ends before the byte that separates it from
            // the next.
            if self.is_outside() && (matches!(byte, b',' | b']') || is_space(byte)) {
                return Some(at);
            }
            self.step(byte);
            at += 1;
            if self.is_outside() && matches!(byte, b'}' | b']') {
                return Some(at);
            }
        }
    }

    #[inline]
    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.open.push(byte),
                b'}' | b']' => {
                    self.open.pop();
                }
                _ => {}
            }
        }
    }

    /// Returns whether no bracket or string is open.
    fn is_outside(&self) -> bool {
        self.open.is_empty() && !self.in_string
    }

    /// Returns whether a bracket is open, and no string.
    fn is_inside(&self) -> bool {
        !self.open.is_empty() && !self.in_string
    }

    /// Returns whether a document continues on the next line, which begins with the byte `next`.
    ///
    /// The scanned line must end inside a bracket and outside a string. A brace on the next line
    /// continues the document only after a colon or as an item of an array; otherwise it begins a
    /// new one.
    pub(crate) fn continues(&self, next: Option<u8>) -> bool {
        // `{"a": 1,` and then `{` cannot be one object: a member name must follow. The first line
        // is damaged, and the second one is a document of its own.
        let item = self.last == b'[' || self.last == b',' && self.open.last() == Some(&b'[');
        let possible = next != Some(b'{') || self.last == b':' || item;
        self.is_inside() && next.is_some() && possible
    }
}
