//! Reads an event in one pass over its bytes: the *walk*.
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
//! 0        9          20    26     33            48
//!
//! step                   then in  key     effect
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
//! [`event`] then picks for each field the first of its keys whose string is not empty: the type at
//! 9..10, the tenant at 48..49, `id` at 26..27. Only a document with an escape in any string
//! unescapes those few strings.
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
use super::marks::{Bits, Marks};
use super::paths::{ATTRIBUTES, OTHER, ROOT, TENANT, TYPE};
use super::shapes::{Kind, ShapeCache};
use super::{AttributePaths, Envelope, Error, ErrorKind, Event, Fields};
use std::borrow::Cow;

/// Reads an event without shapes.
pub(super) fn read<'a>(paths: &'a AttributePaths, bytes: &'a [u8]) -> Result<Event<'a>, Error> {
    read_by(paths, utf8(bytes)?, Bits::default())
}

/// Checks the encoding of the whole input, before any offset into it is used as one into text.
#[inline(always)]
fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    simdutf8::compat::from_utf8(bytes)
        .map_err(|error| Error::new(ErrorKind::Utf8, error.valid_up_to(), "invalid UTF-8"))
}

/// Reads an event like [`read`], first by comparing it with the shapes of earlier documents.
///
/// A document of a known shape is not walked. The result is the same either way; see
/// [`shapes`](super::shapes).
pub(super) fn read_shaped<'a>(
    paths: &'a AttributePaths,
    bytes: &'a [u8],
    shapes: &mut ShapeCache,
) -> Result<Event<'a>, Error> {
    let text = utf8(bytes)?;
    if !shapes.is_due(paths) {
        return read_by(paths, text, Bits::default());
    }
    // As in `read_by`: the size of the table is known to the compiler.
    if paths.key_count() <= FEW {
        shaped::<FEW>(paths, text, shapes)
    } else {
        shaped::<{ AttributePaths::MAX_KEYS + 1 }>(paths, text, shapes)
    }
}

/// Tries the shapes, and walks the document if none of them is its shape.
#[inline(always)]
fn shaped<'a, const N: usize>(
    paths: &'a AttributePaths,
    text: &'a str,
    shapes: &mut ShapeCache,
) -> Result<Event<'a>, Error> {
    let mut found = [Span::default(); N];
    if let Some(escapes) = shapes.recognize(text, &mut found) {
        // A document with a duplicate key is never learned, so a known shape has none.
        return event(paths, text, &found, Read { escapes, duplicate: None });
    }
    // A failed comparison may have filled a part of the table: both branches begin with a new one.
    if shapes.miss() {
        learn::<N>(paths, text, shapes)
    } else {
        read_by(paths, text, Bits::default())
    }
}

/// Walks a document and remembers its shape, if it is accepted.
///
/// Not inlined: where shapes are of use, it is rare.
#[cold]
#[inline(never)]
fn learn<'a, const N: usize>(
    paths: &'a AttributePaths,
    text: &'a str,
    shapes: &mut ShapeCache,
) -> Result<Event<'a>, Error> {
    let mut found = [Span::default(); N];
    let read = walk(paths, text, Bits::default(), &mut found, shapes.slots())?;
    // Only an accepted document is learned; what follows relies on it.
    let event = event(paths, text, &found, read)?;
    shapes.learn(text);
    Ok(event)
}

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

/// Reads an event with the given search for marks.
fn read_by<'a>(
    paths: &'a AttributePaths,
    text: &'a str,
    marks: impl Marks,
) -> Result<Event<'a>, Error> {
    // The table has a fixed size, so that it needs no allocation and the compiler knows its length.
    // The small one is cleared faster, and nearly all paths fit into it.
    if paths.key_count() <= FEW {
        let mut found = [Span::default(); FEW];
        let read = walk(paths, text, marks, &mut found, ())?;
        event(paths, text, &found, read)
    } else {
        let mut found = [Span::default(); AttributePaths::MAX_KEYS + 1];
        let read = walk(paths, text, marks, &mut found, ())?;
        event(paths, text, &found, read)
    }
}

/// The size of the small table; few profiles have more keys.
const FEW: usize = 32;

/// The result of a walk, apart from the strings.
pub(super) struct Read {
    /// Whether any string of the document has an escape.
    escapes: bool,
    /// The first duplicate key.
    duplicate: Option<Span>,
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
        Some(_) if walk.cursor.eat(b'"') => drop(walk.cursor.string()?),
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

/// Makes the event from the strings that were found.
///
/// # Errors
///
/// In this order: a duplicate key, no type, no tenant.
fn event<'a>(
    paths: &'a AttributePaths,
    text: &'a str,
    found: &[Span],
    read: Read,
) -> Result<Event<'a>, Error> {
    if let Some(key) = read.duplicate {
        let message = format!("duplicate key `{}`", key.value(text));
        // The offset is that of the opening quote.
        return Err(Error::new(ErrorKind::DuplicateKey, key.from - 1, message));
    }
    let keys = |field: usize| paths.fields().get(field).map_or(&[][..], |keys| keys);
    let full = |key: &u16| found.get(usize::from(*key)).is_some_and(|span| !span.is_empty());
    let missing = |kind, message| Err(Error::new(kind, text.len(), message));
    let Some(envelope) = envelope(keys(TYPE), full) else {
        return missing(ErrorKind::MissingType, "event has no type");
    };
    if !keys(TENANT).iter().any(full) {
        return missing(ErrorKind::MissingTenant, "event has no tenant");
    }
    Ok(Event { paths, envelope, text, fields: fields(paths, text, found, read.escapes) })
}

/// Returns the envelope, given which keys of the type are `full`; `None` if none is.
///
/// The first key is `type`, that of CloudEvents 1.0; the others are those of the legacy envelope.
#[inline(always)]
fn envelope(keys: &[u16], full: impl Fn(&u16) -> bool) -> Option<Envelope> {
    match (keys.first().is_some_and(&full), keys.iter().skip(1).any(&full)) {
        (true, false) => Some(Envelope::CloudEvents),
        (false, true) => Some(Envelope::Legacy),
        (true, true) => Some(Envelope::Mixed),
        (false, false) => None,
    }
}

/// Reads an event like [`read`], with `tenant` for an event that names none.
pub(super) fn read_for<'a>(
    paths: &'a AttributePaths,
    bytes: &'a [u8],
    tenant: &'a str,
) -> Result<Event<'a>, Error> {
    let error = match read(paths, bytes) {
        Err(error) if error.kind() == ErrorKind::MissingTenant && !tenant.is_empty() => error,
        read => return read,
    };
    // A missing tenant is the last check, so everything else is valid. The second walk is the price
    // of a rare call; the ordinary one would pay for a parameter.
    let text = utf8(bytes)?;
    let mut found = [Span::default(); AttributePaths::MAX_KEYS + 1];
    let read = walk(paths, text, Bits::default(), &mut found, ())?;
    let full = |key: &u16| found.get(usize::from(*key)).is_some_and(|span| !span.is_empty());
    let envelope = paths.fields().get(TYPE).and_then(|keys| envelope(keys, full)).ok_or(error)?;
    let mut fields = fields(paths, text, &found, read.escapes);
    if let Some(field) = fields.get_mut(TENANT) {
        *field = Some(Cow::Borrowed(tenant));
    }
    Ok(Event { paths, envelope, text, fields })
}

/// Picks the string of each field.
///
/// Not inlined, so that the fields are written to their place in the event and not moved there.
#[inline(never)]
fn fields<'a>(paths: &AttributePaths, text: &'a str, found: &[Span], escapes: bool) -> Fields<'a> {
    let mut fields = Fields::new();
    for (field, keys) in paths.fields().iter().enumerate() {
        let (_, best) = best(field, keys, found);
        fields.push(match best.to {
            // Not found, or not a string.
            0 => None,
            // Rare: some string of the document has an escape, perhaps one of these.
            _ if escapes => Some(best.value(text)),
            _ => Some(Cow::Borrowed(best.written(text))),
        });
    }
    fields
}

/// Chooses the key that gives a field its value; returns it with its span.
///
/// The first string that is not empty wins. If there is none, an attribute takes an empty string,
/// since the empty string is a value that a filter can compare.
#[inline(always)]
fn best(field: usize, keys: &[u16], found: &[Span]) -> (u16, Span) {
    let mut best = (ROOT, Span::default());
    for key in keys {
        match found.get(usize::from(*key)) {
            Some(found) if !found.is_empty() => return (*key, *found),
            // Fields of the envelope are never empty: an empty tenant counts as missing.
            Some(found) if found.to != 0 && field >= ATTRIBUTES => best = (*key, *found),
            _ => {}
        }
    }
    best
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

impl<M: Marks, R: Record, const N: usize> Walk<'_, '_, M, R, N> {
    /// Reads an object or array with everything in it, without recursion.
    ///
    /// The outer loop begins at a value, the inner one after a value. `inside` is the number of the
    /// innermost open container, and `outer[..depth]` are the numbers of those around it.
    #[inline(always)]
    fn containers(&mut self) -> Result<(), Error> {
        let mut outer = [OTHER; MAX_DEPTH];
        let mut depth = 0;
        // `key` is the key of the next value; that of the document is `ROOT`.
        let (mut inside, mut key) = (OTHER, ROOT);
        loop {
            // A value begins here, after white space.
            let mut entered = false;
            if self.cursor.eat(b'"') {
                self.string(key)?;
            } else if let Some(open @ (b'{' | b'[')) = self.cursor.peek() {
                let Some(outer) = outer.get_mut(depth) else {
                    let message = "objects and arrays are nested 128 levels deep";
                    return self.cursor.error(ErrorKind::TooDeep, message);
                };
                *outer = inside;
                depth += 1;
                self.cursor.at += 1;
                // A key's number is that of its object. In `OTHER`, which includes every item of an
                // array, no key is looked for.
                inside = if open == b'{' { key } else { ARRAY };
                self.cursor.skip_spaces();
                // An empty container is closed below, like one after its last value.
                match self.cursor.peek() {
                    Some(b'}') if open == b'{' => {}
                    Some(b']') if open == b'[' => {}
                    None if open == b'{' => return self.cursor.expected("a key or `}`"),
                    _ => entered = true,
                }
            } else {
                let from = self.cursor.at;
                self.cursor.scalar()?;
                let value = Span { from, to: self.cursor.at };
                self.record.value(value, OTHER, Kind::Scalar);
            }
            loop {
                // After a value: close every container that ends here, up to the next `,`.
                while !entered && !self.cursor.eat(b',') {
                    let (end, what) = match inside {
                        ARRAY => (b']', "`,` or `]`"),
                        _ => (b'}', "`,` or `}`"),
                    };
                    if !self.cursor.eat(end) {
                        return self.cursor.expected(what);
                    }
                    // `depth` is at least 1: the loop ends when the outermost container does.
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                    // `depth` is below `MAX_DEPTH`, where a container was opened.
                    inside = outer.get(depth).copied().unwrap_or(OTHER);
                }
                entered = false;
                if inside == ARRAY {
                    key = OTHER;
                    break;
                }
                if !self.cursor.eat(b'"') {
                    return self.cursor.expected("a key in double quotes");
                }
                // The straight path: `"key":"string",` without white space, as often as it repeats.
                let straight = loop {
                    key = self.key(inside)?;
                    if !self.cursor.eat_with_quote(b':') {
                        break false;
                    }
                    self.string(key)?;
                    if !self.cursor.eat_with_quote(b',') {
                        break true;
                    }
                };
                // Not straight: the last key has another value, or white space follows it.
                if !straight {
                    if !self.cursor.eat(b':') {
                        return self.cursor.expected("`:`");
                    }
                    break;
                }
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

#[cfg(test)]
mod tests;
