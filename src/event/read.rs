use super::json::{Span, Words};
use super::marks::{Bits, Marks};
use super::paths::{ATTRIBUTES, OTHER, ROOT, TENANT, TYPE};
use super::shapes::{Kind, ShapeCache};
use super::{AttributePaths, Envelope, Error, ErrorKind, Event, Fields, JsonPath};
use std::borrow::Cow;

pub(super) fn read<'a>(paths: &'a AttributePaths, bytes: &'a [u8]) -> Result<Event<'a>, Error> {
    read_by(paths, utf8(bytes)?, Bits::default())
}

#[inline(always)]
fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    simdutf8::compat::from_utf8(bytes)
        .map_err(|error| Error::new(ErrorKind::Utf8, error.valid_up_to(), "bytes are not UTF-8"))
}

/// As [`read`], by the shapes of documents that were read before.
pub(super) fn read_shaped<'a>(
    paths: &'a AttributePaths,
    bytes: &'a [u8],
    shapes: &mut ShapeCache,
) -> Result<Event<'a>, Error> {
    let text = utf8(bytes)?;
    if !shapes.are_due(paths) {
        return read_by(paths, text, Bits::default());
    }
    if paths.numbers() <= FEW {
        shaped::<FEW>(paths, text, shapes)
    } else {
        shaped::<{ AttributePaths::MAX_KEYS + 1 }>(paths, text, shapes)
    }
}

#[inline(always)]
fn shaped<'a, const N: usize>(
    paths: &'a AttributePaths,
    text: &'a str,
    shapes: &mut ShapeCache,
) -> Result<Event<'a>, Error> {
    let mut found = [Found::default(); N];
    if let Some(escapes) = shapes.agree(text, &mut found) {
        // A document with a doubled key is not learned.
        return event(paths, text, &found, Read { escapes, doubled: None });
    }
    if shapes.miss() {
        learn::<N>(paths, text, shapes)
    } else {
        read_by(paths, text, Bits::default())
    }
}

/// Apart, since it is rare where shapes are of use.
#[cold]
#[inline(never)]
fn learn<'a, const N: usize>(
    paths: &'a AttributePaths,
    text: &'a str,
    shapes: &mut ShapeCache,
) -> Result<Event<'a>, Error> {
    let mut found = [Found::default(); N];
    let read = walk(paths, text, Bits::default(), &mut found, shapes.slots())?;
    let event = event(paths, text, &found, read)?;
    shapes.learn(text);
    Ok(event)
}

/// Told of the values that are no objects or arrays, in their order.
pub(super) trait Record {
    /// A string without its quotes, behind a key of this number, or a number or literal.
    fn value(&mut self, value: Span, key: u16, kind: Kind);
}

/// Where nothing is to be remembered.
impl Record for () {
    #[inline(always)]
    fn value(&mut self, _: Span, _: u16, _: Kind) {}
}

fn read_by<'a>(
    paths: &'a AttributePaths,
    text: &'a str,
    marks: impl Marks,
) -> Result<Event<'a>, Error> {
    // A place for each key: few are sooner made, and their number is known to the compiler.
    if paths.numbers() <= FEW {
        let mut found = [Found::default(); FEW];
        let read = walk(paths, text, marks, &mut found, ())?;
        event(paths, text, &found, read)
    } else {
        let mut found = [Found::default(); AttributePaths::MAX_KEYS + 1];
        let read = walk(paths, text, marks, &mut found, ())?;
        event(paths, text, &found, read)
    }
}

/// More than the keys of most layouts.
const FEW: usize = 32;

/// What a walk found beside the strings.
struct Read {
    escapes: bool,
    /// The first key that stands twice.
    doubled: Option<Span>,
}

/// Reads a whole text. All that changes stays in registers, so it is one function.
#[inline(never)]
fn walk<const N: usize>(
    paths: &AttributePaths,
    text: &str,
    marks: impl Marks,
    found: &mut [Found; N],
    record: impl Record,
) -> Result<Read, Error> {
    let mut walk = Walk { paths, words: Words::new(text, marks), found, doubled: None, record };
    walk.words.skip_spaces();
    let begin = walk.words.at;
    let first = walk.words.peek();
    match first {
        None => return walk.words.expected("`{`"),
        Some(b'{' | b'[') => walk.containers()?,
        Some(_) if walk.words.takes(b'"') => drop(walk.words.string()?),
        Some(_) => walk.words.scalar()?,
    }
    walk.words.skip_spaces();
    if walk.words.peek().is_some() {
        return walk.words.expected("the end of the input");
    }
    // Bytes that are no JSON say so first, whatever else is wrong with them.
    if first != Some(b'{') {
        return Err(Error::new(ErrorKind::NotAnObject, begin, "event is not an object"));
    }
    Ok(Read { escapes: walk.words.escapes, doubled: walk.doubled })
}

/// Picks the strings of an event: for each field the first one that is not empty.
fn event<'a>(
    paths: &'a AttributePaths,
    text: &'a str,
    found: &[Found],
    read: Read,
) -> Result<Event<'a>, Error> {
    if let Some(key) = read.doubled {
        let message = format!("duplicate key `{}`", key.value(text));
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

/// The envelope, by which keys of the type are `full`; `None` where none is.
#[inline(always)]
fn envelope(keys: &[u16], full: impl Fn(&u16) -> bool) -> Option<Envelope> {
    match (keys.first().is_some_and(&full), keys.iter().skip(1).any(&full)) {
        (true, false) => Some(Envelope::CloudEvents),
        (false, true) => Some(Envelope::Legacy),
        (true, true) => Some(Envelope::Mixed),
        (false, false) => None,
    }
}

/// As [`read`], with `tenant` for an event that names none.
pub(super) fn read_for<'a>(
    paths: &'a AttributePaths,
    bytes: &'a [u8],
    tenant: &'a str,
) -> Result<Event<'a>, Error> {
    let error = match read(paths, bytes) {
        Err(error) if error.kind() == ErrorKind::MissingTenant && !tenant.is_empty() => error,
        read => return read,
    };
    // All else is there: a missing tenant is the last thing that is checked.
    let text = utf8(bytes)?;
    let mut found = [Found::default(); AttributePaths::MAX_KEYS + 1];
    let read = walk(paths, text, Bits::default(), &mut found, ())?;
    let full = |key: &u16| found.get(usize::from(*key)).is_some_and(|span| !span.is_empty());
    let envelope = paths.fields().get(TYPE).and_then(|keys| envelope(keys, full)).ok_or(error)?;
    let mut fields = fields(paths, text, &found, read.escapes);
    if let Some(field) = fields.get_mut(TENANT) {
        *field = Some(Cow::Borrowed(tenant));
    }
    Ok(Event { paths, envelope, text, fields })
}

/// Apart, so that fields are written where the event is going to be, and not moved there.
#[inline(never)]
fn fields<'a>(paths: &AttributePaths, text: &'a str, found: &[Found], escapes: bool) -> Fields<'a> {
    let mut fields = Fields::new();
    for (field, keys) in paths.fields().iter().enumerate() {
        let (_, best) = best(field, keys, found);
        fields.push(match best.to {
            0 => None,
            _ if escapes => Some(best.value(text)),
            _ => Some(Cow::Borrowed(best.written(text))),
        });
    }
    fields
}

/// The key that gives a field its value, and what stands behind it.
#[inline(always)]
fn best(field: usize, keys: &[u16], found: &[Found]) -> (u16, Found) {
    let mut best = (ROOT, Found::default());
    for key in keys {
        match found.get(usize::from(*key)) {
            Some(found) if !found.is_empty() => return (*key, *found),
            // The envelope's fields are not empty.
            Some(found) if found.to != 0 && field >= ATTRIBUTES => best = (*key, *found),
            _ => {}
        }
    }
    best
}

/// Where each attribute stands in a text that was read.
pub(super) fn places(paths: &AttributePaths, text: &str) -> Vec<Option<JsonPath>> {
    let mut found = [Found::default(); AttributePaths::MAX_KEYS + 1];
    if walk(paths, text, Bits::default(), &mut found, ()).is_err() {
        return Vec::new();
    }
    let holds = |key: &&u16, full: bool| {
        let found = found.get(usize::from(**key));
        found.is_some_and(|found| if full { !found.is_empty() } else { found.to != 0 })
    };
    let place = |keys: &Vec<u16>| {
        // As `best` chooses the value; of several empty strings the first one names the place.
        let key = keys.iter().find(|key| holds(key, true));
        let key = key.or_else(|| keys.iter().find(|key| holds(key, false)));
        key.map(|key| paths.place(*key))
    };
    paths.fields().iter().skip(ATTRIBUTES).map(place).collect()
}

/// What stands behind a key that is looked for: `from` is 0 until the key is read, and `to` where
/// it is no string.
pub(super) type Found = Span;

/// Most objects and arrays that may be open at once, as in serde_json.
const MAX_DEPTH: usize = 127;

/// The number of an array, beside those of objects.
const ARRAY: u16 = OTHER - 1;

struct Walk<'a, 'f, M, R, const N: usize> {
    paths: &'a AttributePaths,
    words: Words<'a, M>,
    /// By the number of the key.
    found: &'f mut [Found; N],
    /// The first key that stands twice.
    doubled: Option<Span>,
    record: R,
}

impl<M: Marks, R: Record, const N: usize> Walk<'_, '_, M, R, N> {
    /// Reads an object or array with all that is in it, without recursion.
    #[inline(always)]
    fn containers(&mut self) -> Result<(), Error> {
        let mut outer = [OTHER; MAX_DEPTH];
        let mut depth = 0;
        // The object or array that the walk is in, and the key whose value stands here.
        let (mut inside, mut key) = (OTHER, ROOT);
        loop {
            // Here stands a value.
            let mut entered = false;
            if self.words.takes(b'"') {
                self.string(key)?;
            } else if let Some(open @ (b'{' | b'[')) = self.words.peek() {
                let Some(outer) = outer.get_mut(depth) else {
                    let message = "objects and arrays are nested 128 deep";
                    return self.words.error(ErrorKind::TooDeep, message);
                };
                *outer = inside;
                depth += 1;
                self.words.at += 1;
                inside = if open == b'{' { key } else { ARRAY };
                self.words.skip_spaces();
                // An end at once is found below.
                match self.words.peek() {
                    Some(b'}') if open == b'{' => {}
                    Some(b']') if open == b'[' => {}
                    None if open == b'{' => return self.words.expected("a key or `}`"),
                    _ => entered = true,
                }
            } else {
                let from = self.words.at;
                self.words.scalar()?;
                let value = Span { from, to: self.words.at };
                self.record.value(value, OTHER, Kind::Scalar);
            }
            loop {
                // Behind a value: close what ends here.
                while !entered && !self.words.takes(b',') {
                    let (end, what) = match inside {
                        ARRAY => (b']', "`,` or `]`"),
                        _ => (b'}', "`,` or `}`"),
                    };
                    if !self.words.takes(end) {
                        return self.words.expected(what);
                    }
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                    inside = outer.get(depth).copied().unwrap_or(OTHER);
                }
                entered = false;
                if inside == ARRAY {
                    key = OTHER;
                    break;
                }
                if !self.words.takes(b'"') {
                    return self.words.expected("a key in double quotes");
                }
                // Strings behind keys without white space take the straight path.
                let straight = loop {
                    key = self.key(inside)?;
                    if !self.words.takes_and_quote(b':') {
                        break false;
                    }
                    self.string(key)?;
                    if !self.words.takes_and_quote(b',') {
                        break true;
                    }
                };
                if !straight {
                    if !self.words.takes(b':') {
                        return self.words.expected("`:`");
                    }
                    break;
                }
            }
        }
    }

    /// Reads the string behind a key, from behind its opening quote.
    #[inline(always)]
    fn string(&mut self, key: u16) -> Result<(), Error> {
        let value = self.words.string()?;
        self.record.value(value, key, Kind::String);
        if let Some(found) = self.found.get_mut(usize::from(key)) {
            *found = value;
        }
        Ok(())
    }

    /// Reads a key from behind its opening quote; returns its number.
    #[inline(always)]
    fn key(&mut self, object: u16) -> Result<u16, Error> {
        let (span, key) = match self.words.plain_string() {
            Ok(span) if object == OTHER => (span, OTHER),
            Ok(span) => {
                let written = span.bytes(self.words.text);
                (span, written.map_or(OTHER, |key| self.paths.key(object, key)))
            }
            Err(mark) => {
                let span = self.words.odd_string(mark)?;
                (span, escaped_key(self.paths, object, self.words.text, span))
            }
        };
        if let Some(found) = self.found.get_mut(usize::from(key)) {
            if found.from != 0 {
                self.doubled = first(self.doubled, span);
            }
            *found = Found { from: span.from, to: 0 };
        }
        Ok(key)
    }
}

#[cold]
#[inline(never)]
fn escaped_key(paths: &AttributePaths, object: u16, text: &str, key: Span) -> u16 {
    paths.key(object, key.value(text).as_bytes())
}

/// Apart, as a branch that other keys do not pay for.
#[cold]
#[inline(never)]
fn first(one: Option<Span>, other: Span) -> Option<Span> {
    one.or(Some(other))
}

#[cfg(test)]
mod tests {
    use super::{read, read_by};
    use crate::event::marks::Plain;
    use crate::event::{AttributePaths, JsonPath};

    /// The plain search for marks is the oracle of the fast one: over damaged events of any length
    /// both read the same or fail at the same byte.
    #[test]
    fn plain_and_fast_marks_read_the_same() {
        let places =
            vec![JsonPath::new(["data", "id"]), JsonPath::new(["data", "attributes", "id"])];
        let paths = &AttributePaths::new([("id", places)]).unwrap();
        let escaped = r#"{"t\u0079pe":"a\"b\\","tenantid":"é\ud83d\ude00","data":{"id":"","x":[1e5,-0,"\n"]}}"#;
        let long = format!(
            r#"{{"type":"x","pad":"{}","tenantid":"t","data":{{"id":"{}\n"}}}}"#,
            "a\\\\b".repeat(500),
            "é".repeat(700)
        );
        let plain =
            include_str!("../../tests/data/events/com.qlik.v1.app.reload.finished.ce10.json");
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let rounds = if cfg!(miri) { 5 } else { 4_000 };
        let (mut good, mut bad) = (0, 0);
        for document in [escaped, &long, plain] {
            for _ in 0..rounds {
                let mut bytes = document.as_bytes().to_vec();
                for _ in 0..random(3) {
                    let at = random(bytes.len());
                    match random(3) {
                        0 => bytes[at] = b"\"\\{}[]:,0aue \n\x01\x7f\xc3"[random(17)],
                        1 => drop(bytes.remove(at)),
                        _ => bytes.truncate(at + 1),
                    }
                }
                let Ok(text) = std::str::from_utf8(&bytes) else { continue };
                let fast = format!("{:?}", read(paths, &bytes));
                let slow = format!("{:?}", read_by(paths, text, Plain));
                assert_eq!(fast, slow, "{text}");
                *if fast.starts_with("Ok") { &mut good } else { &mut bad } += 1;
            }
        }
        assert!(4 * good > rounds && 4 * bad > rounds, "{good} good, {bad} bad");
    }
}
