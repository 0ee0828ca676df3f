//! Reads JSON in one pass over its bytes and keeps the strings that are looked for: the *walk*.
//!
//! # The idea
//!
//! A match needs about ten strings of an event. The walk checks every byte of the JSON and keeps
//! only the *spans* of these strings: pairs of offsets into the text. So no string is copied or
//! unescaped while the walk runs, and no tree is built.
//!
//! # Data structures
//!
//! [`AttributePaths`] gives each key that is looked for a number. The number of a key is also the
//! number of the object that is its value, so an object is known by one number as well. `found` is
//! a table of spans by the number of the key:
//!
//! ```text
//! found[key]     from   to    meaning
//!                0      0     the key has not occurred
//!                k      0     the key occurred at k; its value is not a string
//!                a      b     the value is the string at a..b, without its quotes
//! ```
//!
//! No key or string begins at offset 0, so 0 can mean "none".
//! Open objects and arrays are kept in `outer`, an array of 127 numbers. There is no recursion, so
//! the depth of a hostile document costs no stack.
//!
//! # Example
//!
//! The paths are those of the envelope and `data.id`. Numbers: `type` 1, `tenantid` 3, `data` 14,
//! `data.id` 15. Every other key has the number `OTHER`.
//!
//! ```text
//! {"type":"a","data":{"id":"7","n":1},"tenantid":"t"}
//! 0        9          20    26                    48
//!
//! step                   object   key     effect     (object: the innermost one after the step)
//! {                      ROOT             depth 1
//! "type":"a",            ROOT     1       found[1]  = 9..10     straight path
//! "data":{               14       14      found[14] = 13..0     depth 2
//! "id":"7",              14       15      found[15] = 26..27    straight path
//! "n":1                  14       OTHER   nothing               a scalar, checked and dropped
//! }                      ROOT             depth 1
//! "tenantid":"t"         ROOT     3       found[3]  = 48..49
//! }                                       depth 0: the end
//! ```
//!
//! [`read`](super::read) then picks for each field the first of its keys whose string is not empty:
//! the type at 9..10, the tenant at 48..49, `id` at 26..27.
//!
//! The *straight path* is a key, `:`, a string and `,` without white space between them. Most
//! members of an event have this form; the path compares the byte pairs `:"` and `,"` and skips the
//! general states.
//!
//! # Invariants
//!
//! - The text is UTF-8 before the walk begins. Spans begin and end at quotes, which are ASCII, so
//!   slices of the text never split a character.
//! - The walk accepts what `serde_json::Value` accepts, except a duplicate of a key that is looked
//!   for. A law compares the two on damaged documents.
//! - A malformed document is reported as malformed, so that a reader of a longer stream knows
//!   whether it can go on. A duplicate key is therefore reported only after the walk.
//! - The walk is generic over [`Marks`], the search for the end of a string, and never relies on
//!   more than "the next mark at or after this offset". A plain loop is the oracle in tests.
//! - `walk` is one function. All that changes at each step (offset, key, object, depth) fits into
//!   registers as long as no call takes a reference to it. Common steps are therefore
//!   `inline(always)`, and rare or long ones are functions of plain values.
//!
//! # Rejected
//!
//! Times are those of prototypes on an event of 722 bytes. The prototype of this design took 167 to
//! 185 ns, depending on the vectors.
//!
//! - A serde visitor: 591 ns. It also lets lone surrogates, numbers out of range and any depth pass
//!   in the parts that it skips.
//! - Checking the grammar by bit operations on blocks of 64 bytes: 277 ns.
//! - Searching the bitmap from an offset instead of taking its bits in order: 193 ns instead of
//!   167, as the next string then waits for the last one.

use super::json::{Cursor, Span};
use super::marks::Marks;
use super::paths::{OTHER, ROOT};
use super::shapes::Kind;
use super::{AttributePaths, Error, ErrorKind};

/// Receives every string, number and literal of a document, in their order.
///
/// This is how shapes learn. An ordinary walk uses `()`, which compiles to nothing.
pub(super) trait Record {
    /// Receives one value: a string without its quotes and the number of the key before it, or a
    /// number or literal with the key [`OTHER`].
    fn value(&mut self, value: Span, key: u16, kind: Kind);
}

/// Records nothing.
impl Record for () {
    #[inline(always)]
    fn value(&mut self, _: Span, _: u16, _: Kind) {}
}

/// The result of a walk, apart from the strings.
pub(super) struct Read {
    /// Whether any string of the document has an escape.
    pub(super) escapes: bool,
    /// The first duplicate key.
    pub(super) duplicate: Option<Span>,
}

/// Walks a whole text and fills `found`.
///
/// It is one function, not inlined, so that all of its state stays in registers.
///
/// # Errors
///
/// The first byte at which the text is not JSON; otherwise a document that is not an object.
#[inline(never)]
pub(super) fn walk<const N: usize>(
    paths: &AttributePaths,
    text: &str,
    marks: impl Marks,
    found: &mut [Span; N],
    record: impl Record,
) -> Result<Read, Error> {
    let mut walk = Walk { paths, cursor: Cursor::new(text, marks), found, duplicate: None, record };
    walk.cursor.skip_spaces();
    let begin = walk.cursor.at;
    let first = walk.cursor.peek();
    // A document of another type is walked as well: it must not hide that the bytes are not JSON.
    match first {
        None => return walk.cursor.expected("`{`"),
        Some(b'{' | b'[') => walk.containers()?,
        Some(b'"') => {
            walk.cursor.at += 1;
            let _ = walk.cursor.string()?;
        }
        Some(_) => walk.cursor.scalar()?,
    }
    walk.cursor.skip_spaces();
    if walk.cursor.peek().is_some() {
        return walk.cursor.expected("end of input");
    }
    // After the walk, since an error of the syntax comes first.
    if first != Some(b'{') {
        return Err(Error::new(ErrorKind::NotAnObject, begin, "event is not an object"));
    }
    Ok(Read { escapes: walk.cursor.escapes, duplicate: walk.duplicate })
}

/// The limit of open objects and arrays, as in serde_json.
const MAX_DEPTH: usize = 127;

/// The number of an array, which is not the number of any object.
const ARRAY: u16 = OTHER - 1;

/// The state of a walk.
struct Walk<'a, 'f, M, R, const N: usize> {
    paths: &'a AttributePaths,
    cursor: Cursor<'a, M>,
    /// The spans by the number of the key.
    found: &'f mut [Span; N],
    /// The first duplicate key.
    duplicate: Option<Span>,
    record: R,
}

/// The objects and arrays that are open at one point of a walk.
struct Open {
    /// The numbers of those around `inside`: `outer[..depth]`, the outermost first.
    outer: [u16; MAX_DEPTH],
    depth: usize,
    /// The number of the innermost one, or [`ARRAY`].
    inside: u16,
}

// A step takes its state by reference and is inlined into `containers`, where the state then is in
// registers again.
impl<M: Marks, R: Record, const N: usize> Walk<'_, '_, M, R, N> {
    /// Reads an object or array with everything in it, without recursion.
    ///
    /// ```text
    ///        ┌────────────── a key that is not straight, an item of an array
    ///        ▼
    /// ──▶ value ──▶ close ──▶ members      until `close` ends the outermost container
    ///        │        ▲          │
    ///        │        └──────────┘ after a straight member
    ///        └── entered ───────▶
    /// ```
    #[inline(always)]
    fn containers(&mut self) -> Result<(), Error> {
        let mut open = Open { outer: [OTHER; MAX_DEPTH], depth: 0, inside: OTHER };
        // The key of the next value; that of the document is `ROOT`.
        let mut key = ROOT;
        loop {
            let mut entered = self.value(&mut open, key)?;
            loop {
                if !entered && self.close(&mut open)? {
                    return Ok(());
                }
                entered = false;
                if open.inside == ARRAY {
                    key = OTHER;
                    break;
                }
                if let Some(next) = self.members(open.inside)? {
                    key = next;
                    break;
                }
            }
        }
    }

    /// Reads a string, number or literal, or opens a container.
    ///
    /// Returns whether a container was opened that has something in it.
    #[inline(always)]
    fn value(&mut self, open: &mut Open, key: u16) -> Result<bool, Error> {
        if self.cursor.eat(b'"') {
            self.string(key)?;
        } else if let Some(begin @ (b'{' | b'[')) = self.cursor.peek() {
            return self.enter(open, begin, key);
        } else {
            let from = self.cursor.at;
            self.cursor.scalar()?;
            let value = Span { from, to: self.cursor.at };
            self.record.value(value, OTHER, Kind::Scalar);
        }
        Ok(false)
    }

    /// Opens a container, given its first byte, and returns whether it has something in it.
    #[inline(always)]
    fn enter(&mut self, open: &mut Open, begin: u8, key: u16) -> Result<bool, Error> {
        let Some(outer) = open.outer.get_mut(open.depth) else {
            let message = "objects and arrays are nested 128 levels deep";
            return self.cursor.error(ErrorKind::TooDeep, message);
        };
        *outer = open.inside;
        open.depth += 1;
        self.cursor.at += 1;
        // A key's number is that of its object. In `OTHER`, which includes every item of an array,
        // no key is looked for.
        open.inside = if begin == b'{' { key } else { ARRAY };
        self.cursor.skip_spaces();
        // An empty container is closed like one after its last value.
        match self.cursor.peek() {
            Some(b'}') if begin == b'{' => Ok(false),
            Some(b']') if begin == b'[' => Ok(false),
            None if begin == b'{' => self.cursor.expected("a key or `}`"),
            _ => Ok(true),
        }
    }

    /// Closes every container that ends after a value, up to the next `,`.
    ///
    /// Returns whether the outermost one has ended.
    #[inline(always)]
    fn close(&mut self, open: &mut Open) -> Result<bool, Error> {
        while !self.cursor.eat(b',') {
            let (end, what) = match open.inside {
                ARRAY => (b']', "`,` or `]`"),
                _ => (b'}', "`,` or `}`"),
            };
            if !self.cursor.eat(end) {
                return self.cursor.expected(what);
            }
            // `depth` is at least 1: the walk ends when the outermost container does.
            open.depth -= 1;
            if open.depth == 0 {
                return Ok(true);
            }
            // `depth` is below `MAX_DEPTH`, where a container was opened.
            open.inside = open.outer.get(open.depth).copied().unwrap_or(OTHER);
        }
        Ok(false)
    }

    /// Reads members of an object as long as they are straight: `"key":"string",` without white
    /// space.
    ///
    /// Returns the key of a member whose value is still to be read, or `None` after a value.
    #[inline(always)]
    fn members(&mut self, object: u16) -> Result<Option<u16>, Error> {
        if !self.cursor.eat(b'"') {
            return self.cursor.expected("a key in double quotes");
        }
        loop {
            let key = self.key(object)?;
            if !self.cursor.eat_with_quote(b':') {
                // Another value than a string, or white space before it.
                if !self.cursor.eat(b':') {
                    return self.cursor.expected("`:`");
                }
                return Ok(Some(key));
            }
            self.string(key)?;
            if !self.cursor.eat_with_quote(b',') {
                return Ok(None);
            }
        }
    }

    /// Reads the string after a key, starting after its opening quote.
    #[inline(always)]
    fn string(&mut self, key: u16) -> Result<(), Error> {
        let value = self.cursor.string()?;
        self.record.value(value, key, Kind::String);
        // `OTHER` is beyond the table.
        if let Some(found) = self.found.get_mut(usize::from(key)) {
            *found = value;
        }
        Ok(())
    }

    /// Reads a key, starting after its opening quote, and returns its number.
    #[inline(always)]
    fn key(&mut self, object: u16) -> Result<u16, Error> {
        let (span, key) = match self.cursor.plain_string() {
            // No key of such an object is looked for, so it is not hashed.
            Ok(span) if object == OTHER => (span, OTHER),
            Ok(span) => {
                let written = span.bytes(self.cursor.text);
                (span, written.map_or(OTHER, |key| self.paths.key(object, key)))
            }
            Err(mark) => {
                let span = self.cursor.escaped_string(mark)?;
                (span, escaped_key(self.paths, object, self.cursor.text, span))
            }
        };
        if let Some(found) = self.found.get_mut(usize::from(key)) {
            if found.from != 0 {
                self.duplicate = first(self.duplicate, span);
            }
            // Replaced by `string`, if the value is one.
            *found = Span { from: span.from, to: 0 };
        }
        Ok(key)
    }
}

/// Looks up a key that has escapes.
#[cold]
#[inline(never)]
fn escaped_key(paths: &AttributePaths, object: u16, text: &str, key: Span) -> u16 {
    paths.key(object, key.value(text).as_bytes())
}

/// Keeps the first duplicate key. Not inlined, so that other keys do not pay for it.
#[cold]
#[inline(never)]
fn first(one: Option<Span>, other: Span) -> Option<Span> {
    one.or(Some(other))
}
