//! Makes an event from its bytes: by a known shape or by a walk, then by picking each field.
//!
//! ```text
//! bytes ──▶ UTF-8? ──▶ a known shape? ── yes ─▶ recognize ──▶ found ──▶ event: envelope, fields
//!                            └── no ──────▶ walk ─────────────▲
//!                                              └─▶ learn the shape, sometimes
//! ```
//!
//! [`walk`](super::walk) and [`shapes`](super::shapes) fill the same table `found`: the span of each
//! string that is looked for, by the number of its key. A field may have several keys, in the order
//! of precedence that [`AttributePaths`] has for it. [`best`] picks the first whose string is not
//! empty.
//!
//! # Invariants
//!
//! - A shape and a walk give the same event. A law compares them on sequences of events.
//! - Strings borrow from the bytes. Only a document that has an escape in any string pays for
//!   looking for escapes in the strings that it keeps.

use super::json::Span;
use super::marks::{Bits, Marks};
use super::paths::{ATTRIBUTES, ROOT, TENANT, TYPE};
use super::shapes::ShapeCache;
use super::walk::{Read, walk};
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
    let Some(envelope) = Envelope::detect(keys(TYPE).iter().map(full)) else {
        return missing(ErrorKind::MissingType, "event has no type");
    };
    if !keys(TENANT).iter().any(full) {
        return missing(ErrorKind::MissingTenant, "event has no tenant");
    }
    Ok(Event { paths, envelope, text, fields: fields(paths, text, found, read.escapes) })
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
    let keys = paths.fields().get(TYPE).into_iter().flatten();
    let envelope = Envelope::detect(keys.map(full)).ok_or(error)?;
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

#[cfg(test)]
mod tests;
