//! Splits an event into its members, for a conversion to another envelope.
//!
//! # Data structure
//!
//! A conversion moves members and changes few of them, so a member is slices of the text: its name
//! and its value, as written. The members with a name in the table of the
//! [envelopes](super::envelope) go to `values`, at the number of their key. All others are in
//! `rest`, in their order.
//!
//! ```text
//! {"eventType":"x","extensions":{"tenantId":"t","Region":"eu"},"host":"h","data":{"n":1.50}}
//!
//! values   eventType  "x"         extensions  {"tenantId":"t","Region":"eu"}
//!          tenantId   "t"         data        {"n":1.50}
//! rest     host       "h"         Region      "eu", in extensions
//! ```
//!
//! The event was read before, so the text is well-formed. Splitting only has to find where each
//! member ends. Objects and arrays are skipped by counting brackets, a block at a time.
//!
//! # Invariants
//!
//! - The text is a well-formed object: it was read as an event, or [`envelope_of`] has checked it. A
//!   text that is not panics in tests; otherwise the members before the error are returned.
//! - Of members with the same name in one object, the last value counts, as in most readers of
//!   JSON, and `rest` has the name once. Reading refuses a duplicate of a key that it looks for.
//! - The time is linear in the bytes, plus n log n for the n members that are not in the table.

use super::AttributePaths;
use super::envelope::{DATA, EXTENSIONS, Envelope, FIELDS, Place, Rule};
use super::json::{Cursor, Span};
use super::marks::{Bits, container_end};
use super::paths::{OTHER, ROOT};
use super::walk::walk;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::LazyLock;

/// The members of an event.
pub(crate) struct Parts<'t> {
    /// The value of each key of the table, by the number of the key; empty if it does not occur.
    values: [&'t str; KEYS],
    /// The members that the table does not have. An event has few of them.
    rest: SmallVec<[Member<'t>; 16]>,
}

/// A member that the table does not have.
pub(crate) struct Member<'t> {
    /// The name with escapes replaced.
    pub(crate) name: Cow<'t, str>,
    /// The name as written, without its quotes.
    pub(crate) written: &'t str,
    pub(crate) value: &'t str,
    /// Whether it is a member of `extensions`.
    in_extensions: bool,
    /// For a member of `extensions`: whether the outermost object has a member of the same name that
    /// is not null.
    pub(crate) is_shadowed: bool,
    /// Its position among the other members of the event.
    position: usize,
}

/// At least the number of keys in the table.
const KEYS: usize = 48;

/// The table with a number for each key, and with what a conversion writes.
struct Table {
    paths: AttributePaths,
    extensions: u16,
    data: [u16; 2],
    cloud_events: Box<[Written]>,
    legacy: Box<[Written]>,
}

/// A field as it is written in one envelope.
pub(crate) struct Written {
    /// Its index in [`FIELDS`].
    field: usize,
    pub(crate) rule: Rule,
    /// The name as JSON, with a comma before it and a colon after it.
    pub(crate) key: Box<str>,
    /// Whether it is a member of `extensions`.
    pub(crate) in_extensions: bool,
}

/// Computes what [`fields`] returns.
fn written(envelope: Envelope) -> Box<[Written]> {
    let mut fields: Box<[Written]> = FIELDS
        .into_iter()
        .enumerate()
        .filter_map(|(index, field)| {
            let place = field.places.iter().find(|place| place.envelope == Some(envelope))?;
            let Place { name, in_extensions, .. } = *place;
            let key = format!(r#","{name}":"#).into();
            Some(Written { field: index, rule: field.rule, key, in_extensions })
        })
        .collect();
    fields.sort_by_key(|field| field.in_extensions);
    fields
}

/// Returns the fields that an envelope has, in the order of writing: those of the outermost object,
/// then those of `extensions`. The list is empty for the mixed envelope, to which no event is
/// converted.
pub(crate) fn fields(envelope: Envelope) -> &'static [Written] {
    match envelope {
        Envelope::CloudEvents => &TABLE.cloud_events,
        Envelope::Legacy => &TABLE.legacy,
        Envelope::Mixed => &[],
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the table is a constant, and every conversion reads it"
    )]
    let paths = AttributePaths::of_envelopes().expect("few keys");
    assert!(paths.key_count() <= KEYS, "every key has a place in `values`");
    let key = |name: &str| paths.key(ROOT, name.as_bytes());
    let (extensions, data) = (key(EXTENSIONS), DATA.map(key));
    let (cloud_events, legacy) = (written(Envelope::CloudEvents), written(Envelope::Legacy));
    Table { paths, extensions, data, cloud_events, legacy }
});

/// Returns the envelope of bytes that were not read as an event; `None` if they are not a JSON
/// object with a type.
///
/// As in reading, the object is well-formed. A duplicate key is not an error here.
pub(crate) fn envelope_of(bytes: &[u8]) -> Option<Envelope> {
    let text = simdutf8::basic::from_utf8(bytes).ok()?;
    let mut found = [Span::default(); KEYS];
    walk(&TABLE.paths, text, Bits::default(), &mut found, ()).ok()?;
    let type_keys =
        TABLE.paths.fields().get(FIELDS.iter().position(|it| it.rule == Rule::Type)?)?;
    let has_type = |key: &u16| found.get(usize::from(*key)).is_some_and(|span| !span.is_empty());
    Envelope::detect(type_keys.iter().map(has_type))
}

/// Returns whether the table has a name, in `extensions` or in the outermost object.
pub(crate) fn has_key(name: &str, in_extensions: bool) -> bool {
    let object = if in_extensions { TABLE.extensions } else { ROOT };
    TABLE.paths.key(object, name.as_bytes()) != OTHER
}

impl<'t> Parts<'t> {
    /// Splits the text of an event.
    pub(crate) fn split(text: &'t str) -> Self {
        let mut parts = Self { values: [""; KEYS], rest: SmallVec::new() };
        parts.take(ROOT, text);
        // After the outermost object, since the last of duplicate `extensions` counts.
        let extensions = parts.at(TABLE.extensions);
        if extensions.starts_with('{') {
            parts.take(TABLE.extensions, extensions);
        }
        // Keeps the last value of each name, at the position of its first.
        let rest = &mut parts.rest;
        rest.sort_unstable_by(|a, b| a.place().cmp(&b.place()));
        rest.dedup_by(|next, kept| {
            let is_same = (&next.name, next.in_extensions) == (&kept.name, kept.in_extensions);
            if is_same {
                kept.position = next.position;
            } else if next.name == kept.name {
                // `kept` is in the outermost object.
                next.is_shadowed = kept.value != "null";
            }
            is_same
        });
        rest.sort_unstable_by_key(|member| member.position);
        parts
    }

    /// Takes the members of an object, whose number in the table is `object`.
    fn take(&mut self, object: u16, text: &'t str) {
        let paths = &TABLE.paths;
        let mut members = Members::of(text);
        while let Some((key, value)) = members.next() {
            let value = value.written(text);
            // `escapes` is set once any string so far had an escape, so this name may have one.
            let number = match members.cursor.escapes {
                true => paths.key(object, key.value(text).as_bytes()),
                false => paths.key(object, key.bytes(text).unwrap_or_default()),
            };
            match self.values.get_mut(usize::from(number)) {
                Some(known) => *known = value,
                None => self.rest.push(Member {
                    name: key.value(text),
                    written: key.written(text),
                    value,
                    in_extensions: object != ROOT,
                    is_shadowed: false,
                    position: self.rest.len(),
                }),
            }
        }
        debug_assert!(members.has_ended(), "an event is well-formed: {text}");
    }

    /// Returns the value of a key of the table; empty if it does not occur.
    fn at(&self, key: u16) -> &'t str {
        self.values.get(usize::from(key)).copied().unwrap_or("")
    }

    /// Returns the value of a field.
    ///
    /// As in reading, this is the first string that is not empty, or else an empty string. If no
    /// place has a string, it is the first number or boolean.
    pub(crate) fn field(&self, field: &Written) -> Option<&'t str> {
        let mut best = None;
        for key in TABLE.paths.fields().get(field.field)? {
            let value = self.at(*key);
            let rank = match value.as_bytes() {
                // `null`, and values that no field can have.
                [] | [b'{' | b'[' | b'n', ..] => continue,
                [b'"', b'"'] => 1,
                [b'"', ..] => return Some(value),
                _ => 2,
            };
            if best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, value));
            }
        }
        best.map(|(_, value)| value)
    }

    /// Returns the values of the payload's members, in the order of [`DATA`].
    pub(crate) fn data(&self) -> [Option<&'t str>; 2] {
        TABLE.data.map(|key| Some(self.at(key)).filter(|value| !value.is_empty()))
    }

    /// Returns the other members in their order, those of `extensions` last.
    pub(crate) fn rest(&self) -> &[Member<'t>] {
        &self.rest
    }
}

impl Member<'_> {
    /// Returns the sort key: duplicates become neighbours, the last one first.
    fn place(&self) -> (&str, bool, Reverse<usize>) {
        (&self.name, self.in_extensions, Reverse(self.position))
    }
}

/// The members of an object in well-formed JSON, in their order.
struct Members<'t> {
    cursor: Cursor<'t, Bits>,
}

impl<'t> Members<'t> {
    /// Starts at the first member.
    fn of(text: &'t str) -> Self {
        let mut cursor = Cursor::new(text, Bits::default());
        cursor.eat(b'{');
        Self { cursor }
    }

    /// Returns the spans of the next key and value; `None` at the end.
    #[inline(always)]
    fn next(&mut self) -> Option<(Span, Span)> {
        // Most objects have no white space: `,"key":"string"` is read with fewer comparisons.
        if !self.cursor.eat_with_quote(b',') {
            self.cursor.eat(b',');
            if !self.cursor.eat(b'"') {
                return None;
            }
        }
        let key = self.cursor.string().ok()?;
        if self.cursor.eat_with_quote(b':') {
            let Span { from, to } = self.cursor.string().ok()?;
            // With its quotes.
            return Some((key, Span { from: from - 1, to: to + 1 }));
        }
        self.cursor.eat(b':');
        self.cursor.skip_spaces();
        let from = self.cursor.at;
        match self.cursor.peek()? {
            b'"' => {
                self.cursor.at += 1;
                self.cursor.string().ok()?;
            }
            b'{' | b'[' => self.cursor.at = container_end(self.cursor.text.as_bytes(), from)?,
            _ => self.cursor.scalar().ok()?,
        }
        Some((key, Span { from, to: self.cursor.at }))
    }

    /// Returns whether the cursor is at the end of the object.
    fn has_ended(&mut self) -> bool {
        self.cursor.eat(b'}')
    }
}
