//! Documents out of a stream, one at a time, in constant memory: NDJSON, an array, or
//! (pretty-printed) objects one after another.

use memchr::{memchr, memchr2};
use std::io::{self, BufRead, BufReader, Read};

/// Longest document; a longer one is refused.
const LONGEST: usize = 16 << 20;

/// Lines of a stream, without blank ones.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    number: usize,
    buffer: Vec<u8>,
}

/// A line, or why it could not be kept.
pub(super) struct Line<'l> {
    pub(super) number: usize,
    pub(super) bytes: Result<&'l [u8], String>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(1 << 18, input), number: 0, buffer: Vec::new() }
    }

    /// Whether the next line is there without a wait for more input.
    pub(super) fn at_hand(&self) -> bool {
        memchr(b'\n', self.input.buffer().trim_ascii_start()).is_some()
    }

    /// Skips the byte order mark that some editors put before a text.
    fn skip_mark(&mut self) -> io::Result<()> {
        if self.input.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
            self.input.consume(3);
        }
        Ok(())
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        if self.number == 0 {
            self.skip_mark()?;
        }
        loop {
            self.buffer.clear();
            let ahead = self.input.buffer();
            if let Some(line) = memchr(b'\n', ahead).and_then(|end| ahead.get(..=end)) {
                self.buffer.extend_from_slice(line);
                self.input.consume(self.buffer.len());
            } else {
                // The line and its end.
                let most = LONGEST as u64 + 1;
                if (&mut self.input).take(most).read_until(b'\n', &mut self.buffer)? == 0 {
                    return Ok(None);
                }
            }
            self.number += 1;
            let number = self.number;
            if self.buffer.len() > LONGEST && self.buffer.last() != Some(&b'\n') {
                self.input.skip_until(b'\n')?;
                return Ok(Some(Line { number, bytes: Err(too_long()) }));
            }
            if !trimmed(&self.buffer).is_empty() {
                return Ok(Some(Line { number, bytes: Ok(trimmed(&self.buffer)) }));
            }
        }
    }
}

/// Without white space at the end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

fn behind_spaces(bytes: &[u8]) -> &[u8] {
    let begin = bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(bytes.len());
    bytes.get(begin..).unwrap_or_default()
}

/// White space of JSON.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn too_long() -> String {
    format!("is longer than {LONGEST} bytes")
}

/// Documents of a stream.
pub(super) struct Documents<R> {
    lines: Lines<R>,
    shape: Shape,
    /// The line at which the stream stands, between documents of `Shape::Lines` aside.
    line: usize,
    /// How many items of an array were begun.
    items: usize,
    /// Bytes taken from the stream.
    taken: u64,
    /// Of the next document, where it was looked at.
    length: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Unknown,
    /// A document a line; one that cannot be read leaves the others be.
    Lines,
    /// Before the first item of an array.
    ArrayBegin,
    /// Behind an item of an array.
    ItemEnd,
    /// Objects one after another, over any number of lines.
    Objects,
    Done,
}

/// A document of a stream.
#[derive(Clone, Copy)]
pub(super) struct Document<'d> {
    /// Where it begins.
    pub(super) line: usize,
    /// Its number in an array or a page, counted from 1.
    pub(super) item: Option<usize>,
    pub(super) bytes: &'d [u8],
    /// Whether the stream can be read on where this is malformed.
    pub(super) alone: bool,
}

/// Why a stream gives no document.
pub(super) enum Trouble {
    Io(io::Error),
    /// A line that is passed over.
    Line {
        line: usize,
        message: String,
    },
    /// The stream makes no sense from here on.
    Broken {
        line: usize,
        message: String,
    },
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<R: Read> Documents<R> {
    pub(super) fn new(input: R) -> Self {
        let (lines, shape) = (Lines::new(input), Shape::Unknown);
        Self { lines, shape, line: 1, items: 0, taken: 0, length: None }
    }

    /// Whether the next document is there without a wait for more input.
    pub(super) fn at_hand(&mut self) -> bool {
        let ahead = behind_spaces(self.lines.input.buffer());
        let document = match self.shape {
            Shape::Lines => return self.lines.at_hand(),
            Shape::Objects => Some(ahead),
            Shape::ItemEnd => ahead.strip_prefix(b",").map(behind_spaces),
            Shape::Unknown | Shape::ArrayBegin | Shape::Done => None,
        };
        self.length = document.and_then(|document| Nesting::default().end(document));
        self.length.is_some()
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn next(&mut self) -> Result<Option<Document<'_>>, Trouble> {
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
                    Some(_) => Err(self.broken("expected `,` or `]` behind an item of the array")),
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

    fn next_line(&mut self) -> Result<Option<Document<'_>>, Trouble> {
        let line = self.lines.next()?;
        let Some(Line { number, bytes }) = line else {
            return Ok(None);
        };
        match bytes {
            Ok(bytes) => {
                self.taken += bytes.len() as u64 + 1;
                Ok(Some(Document { line: number, item: None, bytes, alone: true }))
            }
            Err(message) => Err(Trouble::Line { line: number, message }),
        }
    }

    /// The first line tells NDJSON from an object over several lines: where it ends inside an
    /// object, outside a string, and what follows can continue it, it is the latter.
    fn first_line(&mut self) -> Result<Option<Document<'_>>, Trouble> {
        let begin = self.line;
        self.lines.number = begin - 1;
        self.shape = Shape::Lines;
        let mut nesting = Nesting::default();
        match self.lines.next()? {
            None => return Ok(None),
            Some(Line { number, bytes: Err(message) }) => {
                return Err(Trouble::Line { line: number, message });
            }
            Some(Line { bytes: Ok(bytes), .. }) => nesting.scan(bytes),
        }
        self.taken += self.lines.buffer.len() as u64;
        // Only a line that may go on is worth waiting for the next one.
        if nesting.is_inside() && self.lines.buffer.ends_with(b"\n") {
            self.line = begin + 1;
            self.skip_spaces()?;
            if nesting.goes_on(self.peek()?) {
                self.shape = Shape::Objects;
                return self.object(begin, nesting);
            }
            self.lines.number = self.line - 1;
        }
        let bytes = trimmed(&self.lines.buffer);
        Ok(Some(Document { line: begin, item: None, bytes, alone: true }))
    }

    /// Reads on to the end of an object of which `nesting` has seen what is in the buffer.
    fn object(
        &mut self,
        line: usize,
        mut nesting: Nesting,
    ) -> Result<Option<Document<'_>>, Trouble> {
        match self.keep(&mut nesting)? {
            true => {
                let bytes = &self.lines.buffer;
                Ok(Some(Document { line, item: None, bytes, alone: false }))
            }
            false => Err(self.broken("the input ends inside an object")),
        }
    }

    /// Reads the next item of an array, `first` where an empty array may end.
    fn item(&mut self, first: bool) -> Result<Option<Document<'_>>, Trouble> {
        self.skip_spaces()?;
        if first && self.peek()? == Some(b']') {
            self.take(1);
            return self.array_end();
        }
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
        Ok(Some(Document { line, item, bytes: &self.lines.buffer, alone: false }))
    }

    fn array_end(&mut self) -> Result<Option<Document<'_>>, Trouble> {
        self.shape = Shape::Done;
        self.skip_spaces()?;
        match self.peek()? {
            None => Ok(None),
            Some(_) => Err(self.broken("expected the end of the input behind the array")),
        }
    }

    fn broken(&mut self, message: &str) -> Trouble {
        self.shape = Shape::Done;
        Trouble::Broken { line: self.line, message: message.to_owned() }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.lines.input.fill_buf()?.first().copied())
    }

    fn take(&mut self, count: usize) {
        self.lines.input.consume(count);
        self.taken += count as u64;
    }

    /// Keeps what comes up to the end of a document; false where the stream ends before.
    fn keep(&mut self, nesting: &mut Nesting) -> Result<bool, Trouble> {
        loop {
            let ahead = self.lines.input.fill_buf()?;
            if ahead.is_empty() {
                return Ok(false);
            }
            let end = self.length.take().or_else(|| nesting.end(ahead));
            let length = end.unwrap_or(ahead.len());
            let room = LONGEST.saturating_sub(self.lines.buffer.len());
            let kept = ahead.get(..length.min(room)).unwrap_or_default();
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

/// Where a scan stands in a document, well formed or not.
#[derive(Default)]
pub(super) struct Nesting {
    /// The brackets that are open.
    open: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// The last byte of a scan that is no white space.
    last: u8,
}

impl Nesting {
    pub(super) fn scan(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
            if !is_space(*byte) {
                self.last = *byte;
            }
        }
    }

    /// Scans to the end of the document and says where that is, if it is there: behind the bracket
    /// that closes it, or before what follows a value without brackets.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.in_string && !self.escaped {
                // Strings are most of a document.
                at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
            }
            let byte = *bytes.get(at)?;
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

    /// Whether no bracket or string is open.
    fn is_outside(&self) -> bool {
        self.open.is_empty() && !self.in_string
    }

    /// Whether a bracket is open, and no string.
    fn is_inside(&self) -> bool {
        !self.open.is_empty() && !self.in_string
    }

    /// Whether a line that was scanned is the first of a document of several, going by the first
    /// byte of the next line. It ends inside of brackets and outside of strings, and an opening
    /// brace can only follow a colon, or stand in an array.
    pub(super) fn goes_on(&self, next: Option<u8>) -> bool {
        let item = self.last == b'[' || self.last == b',' && self.open.last() == Some(&b'[');
        let possible = next != Some(b'{') || self.last == b':' || item;
        self.is_inside() && next.is_some() && possible
    }
}
