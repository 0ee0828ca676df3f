//! Converts an event from one envelope to the other.
//!
//! The table in [`Payload`](super::Payload) has the names and the results. A conversion moves
//! members and copies their values as raw JSON, so `data` keeps its spacing, its numbers and the
//! order of its members. The names and places of the fields are those of
//! [`event::envelope`](crate::event::envelope), as in reading.
//!
//! # Example
//!
//! ```text
//! legacy                                  CloudEvents 1.0
//! {                                       {
//!   "cloudEventsVersion": "0.1",            "specversion": "1.0",        the marker, always first
//!   "eventId": "e1",                        "id": "e1",                  by the table, in its order
//!   "eventType": "x",                       "source": "unknown",         required; `unknown` if missing
//!   "extensions": {                         "type": "x",
//!     "tenantId": "t1",                     "tenantid": "t1",
//!     "actor": {"a": 1},                                                 an object: left out
//!     "Region": "eu"                        "region": "eu",              an extension
//!   },
//!   "data": {"n": 1.50}                     "data": {"n": 1.50}          copied as written
//! }                                       }
//! ```
//!
//! # Steps
//!
//! 1. [`Parts::split`] finds the members of the outermost object and of `extensions`.
//! 2. The marker is written, then each field of [`fields`] that has a value.
//! 3. The other members become extensions, or are left out if the envelope cannot hold them.
//! 4. The payload is written last in CloudEvents 1.0, and after `extensions` in the legacy envelope.
//!
//! # Invariants
//!
//! - The value of a field is chosen as in reading, so the converted event reads as the same event,
//!   apart from values that are left out.
//! - Each name is written once. No other member is written under a name of the table, except
//!   `dataschema`.
//! - The same bytes give the same event: a missing id is derived from the bytes.
//! - Nothing is allocated but the result, unless the event has escapes in names, values that must
//!   be changed, or more than 16 other members.

use super::value::{held, is_base64};
use crate::event::Envelope;
use crate::event::envelope::{DATA, DATA_SCHEMA, EXTENSIONS, Rule};
use crate::event::parts::{Member, Parts, Written, fields, has_key};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Converts the text of an event to an envelope.
///
/// Returns `None` for an event that the envelope cannot hold, and for the mixed envelope, to which
/// no event is converted.
pub(super) fn convert(text: &str, to: Envelope) -> Option<Vec<u8>> {
    match to {
        Envelope::CloudEvents => to_cloud_events(text),
        Envelope::Legacy => Some(to_legacy(text)),
        Envelope::Mixed => None,
    }
}

/// Converts an event to CloudEvents 1.0; `None` for a type that CloudEvents 1.0 cannot hold.
fn to_cloud_events(text: &str) -> Option<Vec<u8>> {
    let event = Parts::split(text);
    let mut out = Object::open(text.len(), Envelope::CloudEvents);
    let mut has_schema = false;
    for field in fields(Envelope::CloudEvents) {
        let value = event.field(field).and_then(|value| held(field.rule, value));
        let value = match (field.rule, value) {
            (Rule::Id, None) => derived_id(text).into(),
            (Rule::Source, None) => "\"unknown\"".into(),
            (Rule::Type, None) => return None,
            (_, None) => continue,
            (_, Some(value)) => value,
        };
        has_schema |= field.rule == Rule::Uri;
        out.add_field(field, &value);
    }
    for extension in extensions(event.rest()) {
        if extension.name != DATA_SCHEMA || !has_schema {
            out.add(&extension.name, &extension.value);
        }
    }
    if let Some((name, value)) = payload(event.data()) {
        out.add(name, value);
    }
    Some(out.close())
}

/// Converts an event to the legacy envelope.
fn to_legacy(text: &str) -> Vec<u8> {
    let event = Parts::split(text);
    let mut out = Object::open(text.len(), Envelope::Legacy);
    let fields = fields(Envelope::Legacy);
    let (outer, inner) = fields.split_at(fields.partition_point(|field| !field.in_extensions));
    let add = |out: &mut Object, field: &Written| {
        if let Some(value) = event.field(field) {
            out.add_field(field, value);
        }
    };
    outer.iter().for_each(|field| add(&mut out, field));
    out.open_member(EXTENSIONS);
    inner.iter().for_each(|field| add(&mut out, field));
    for member in event.rest() {
        // A name of the table would be read as its field if it were put into `extensions`.
        if member.value != "null" && !member.is_shadowed && !has_key(&member.name, true) {
            out.add(member.written, member.value);
        }
    }
    out.close_member();
    for (name, value) in DATA.into_iter().zip(event.data()) {
        if let Some(value) = value {
            out.add(name, value);
        }
    }
    out.close()
}

/// A member that is no field, as CloudEvents 1.0 holds it.
struct Extension<'e> {
    name: Cow<'e, str>,
    /// Whether the event has the name in lower case.
    is_exact: bool,
    value: Cow<'e, str>,
    position: usize,
}

impl<'e> Extension<'e> {
    /// Converts a member; `None` if CloudEvents 1.0 cannot hold it.
    fn of(member: &'e Member<'_>, position: usize) -> Option<Self> {
        let name = extension_name(&member.name)?;
        let rule = match &*name {
            DATA_SCHEMA => Rule::Uri,
            "subject" => Rule::Text,
            _ => Rule::Scalar,
        };
        let value = held(rule, member.value)?;
        Some(Self { is_exact: name == member.name, name, value, position })
    }
}

/// Returns the extensions of an event, each name once, in the order of their members.
///
/// A name that the event has in lower case wins over one that becomes it, otherwise the first.
fn extensions<'e>(members: &'e [Member<'_>]) -> SmallVec<[Extension<'e>; 16]> {
    let converted = members.iter().enumerate();
    let mut extensions: SmallVec<[_; 16]> =
        converted.filter_map(|(position, member)| Extension::of(member, position)).collect();
    extensions.sort_unstable_by(|a, b| {
        (&a.name, !a.is_exact, a.position).cmp(&(&b.name, !b.is_exact, b.position))
    });
    extensions.dedup_by(|next, kept| next.name == kept.name);
    extensions.sort_unstable_by_key(|extension| extension.position);
    extensions
}

/// Returns a name as CloudEvents 1.0 writes it: lower-case letters and digits.
///
/// Returns `None` for a name with other characters, and for one that CloudEvents 1.0 uses for
/// something other than an extension. The specification advises against names of more than 20
/// characters. They are kept.
fn extension_name(name: &str) -> Option<Cow<'_, str>> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    };
    // Legacy names at this place have capitals, except `extensions` itself.
    (!has_key(&name, false) || name == DATA_SCHEMA).then_some(name)
}

/// Returns the member of the payload: `data`, or `data_base64` if `data` is missing or null.
///
/// CloudEvents 1.0 allows only one of the two.
fn payload(data: [Option<&str>; 2]) -> Option<(&'static str, &str)> {
    let [data_name, base64_name] = DATA;
    let [data, base64] = data;
    let data = data.map(|value| (data_name, value));
    let base64 = base64.filter(|value| is_base64(value)).map(|value| (base64_name, value));
    data.filter(|(_, value)| *value != "null").or(base64).or(data)
}

/// Derives an event id from the text: the same text gives the same id.
fn derived_id(text: &str) -> String {
    let mut id = data_encoding::HEXLOWER.encode(&Sha256::digest(text));
    // Half of the digest is enough to tell events apart.
    id.truncate(32);
    format!("\"{id}\"")
}

/// A JSON object that is being written, with its marker first.
struct Object(Vec<u8>);

impl Object {
    /// Begins an object of about so many bytes.
    fn open(bytes: usize, envelope: Envelope) -> Self {
        // Usually, the other envelope has no more than a marker, `extensions` and a derived id more.
        let mut text = Vec::with_capacity(bytes + 160);
        text.push(b'{');
        let mut object = Self(text);
        if let Some((name, value)) = envelope.marker() {
            object.add(name, value);
        }
        object
    }

    /// Adds a member, given its name as it is between its quotes.
    fn add(&mut self, written: &str, value: &str) {
        self.name(written);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// Adds a field.
    fn add_field(&mut self, field: &Written, value: &str) {
        let first = usize::from(self.0.ends_with(b"{"));
        self.0.extend_from_slice(field.key.as_bytes().get(first..).unwrap_or_default());
        self.0.extend_from_slice(value.as_bytes());
    }

    /// Begins a member whose value is an object.
    fn open_member(&mut self, name: &str) {
        self.name(name);
        self.0.push(b'{');
    }

    /// Ends the object of [`open_member`](Self::open_member).
    fn close_member(&mut self) {
        self.0.push(b'}');
    }

    /// Writes a name, as it is between its quotes, and everything around it.
    fn name(&mut self, written: &str) {
        if !self.0.ends_with(b"{") {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(written.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// Ends the object and returns its text.
    fn close(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}
