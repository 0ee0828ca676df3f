//! Converts an event from one envelope into the other.
//!
//! # The idea
//!
//! The JSON of an event is split into its members: names, and values as raw text. A value is never
//! parsed into a tree and written again, so numbers, escapes and the order of members inside `data`
//! stay exactly as they were. [`TABLE`] is the only place that names the paths of an attribute, and
//! [`value`](super::value) is the only one that knows which values CloudEvents 1.0 allows.
//!
//! # Example
//!
//! ```text
//! legacy                                  CloudEvents 1.0
//! {                                       {
//!   "cloudEventsVersion": "0.1",            "specversion": "1.0",        the marker, always first
//!   "eventId": "e1",                        "id": "e1",                  by TABLE, in its order
//!   "eventType": "x",                       "source": "unknown",         required, so derived
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
//! 1. [`Parts::read`] lists the members of the outermost object and of `extensions`.
//! 2. The marker is written, then each attribute of [`TABLE`] that has a value.
//! 3. [`Parts::rest`] lists the members that no attribute of the table uses. They become
//!    extensions, or are left out if the other envelope cannot hold them.
//! 4. The payload is written last.
//!
//! # Invariants
//!
//! - The value of an attribute is chosen as in reading: the first string that is not empty, the
//!   names of CloudEvents 1.0 first. So the converted event reads as the same event.
//! - [`Object`] writes each name once. The first value wins, which is that of the table.
//! - The same bytes give the same event: a missing id is derived from the bytes.

use super::value::{held, is_base64};
use hashbrown::{HashMap, HashSet};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// An attribute that has a name in both envelopes.
struct Attribute {
    /// The name in CloudEvents 1.0.
    cloud: &'static str,
    /// The names in the legacy envelope; the first is written.
    legacy: &'static [&'static str],
    /// Whether it is a member of `extensions` in the legacy envelope.
    extension: bool,
    /// Its name at the top level in the vendor's list of past events.
    listing: Option<&'static str>,
}

/// An attribute that is a member of the outermost object in both envelopes.
const fn own(cloud: &'static str, legacy: &'static [&'static str]) -> Attribute {
    Attribute { cloud, legacy, extension: false, listing: None }
}

/// An attribute that is a member of `extensions` in the legacy envelope.
const fn extension(cloud: &'static str, legacy: &'static [&'static str]) -> Attribute {
    Attribute { cloud, legacy, extension: true, listing: None }
}

/// The attributes, in the order in which they are written.
const TABLE: [Attribute; 12] = [
    own("id", &["eventId", "eventID"]),
    own("source", &["source"]),
    own("type", &["eventType"]),
    own("time", &["eventTime"]),
    own("datacontenttype", &["contentType"]),
    own("dataschema", &["schemaURL"]),
    own("eventtypeversion", &["eventTypeVersion"]),
    Attribute { listing: Some("tenantId"), ..extension("tenantid", &["tenantId", "tenantid"]) },
    extension("userid", &["userId", "userid"]),
    extension("ownerid", &["ownerId", "ownerid"]),
    extension("spaceid", &["spaceId", "spaceid"]),
    extension("toplevelresourceid", &["topLevelResourceId", "toplevelresourceid"]),
];

/// Members that are not attributes: the markers, `extensions`, and the payload.
const OTHERS: [&str; 5] =
    ["specversion", "cloudEventsVersion", "extensions", "data", "data_base64"];

/// The members of the payload, which are copied as written.
const DATA: [&str; 2] = ["data", "data_base64"];

impl Attribute {
    /// Returns its value in an event.
    ///
    /// This is the first string that is not empty, at any of its paths; otherwise an empty string,
    /// otherwise another scalar.
    fn value<'e>(&self, event: &Parts<'e>) -> Option<&'e str> {
        let legacy = if self.extension { &event.extensions } else { &event.members };
        let places = self.legacy.iter().map(|name| (legacy, *name));
        let found = [(&event.members, self.cloud)]
            .into_iter()
            .chain(places)
            .chain(self.listing.map(|name| (&event.members, name)))
            .filter_map(|(members, name)| members.get(name))
            .filter(|value| is_scalar(value));
        // Of equal keys, `min_by_key` returns the first.
        found.min_by_key(|value| (!is_text(value), *value != "\"\""))
    }

    /// Returns whether a member of the outermost object, or of `extensions`, is one of its paths.
    fn has_place(&self, name: &str, in_extensions: bool) -> bool {
        (!in_extensions && (name == self.cloud || self.listing == Some(name)))
            || (in_extensions == self.extension && self.legacy.contains(&name))
    }
}

/// Returns whether raw JSON is a string that is not empty.
fn is_text(value: &str) -> bool {
    value.starts_with('"') && value != "\"\""
}

/// Returns whether raw JSON is a string, a number or a boolean.
fn is_scalar(value: &str) -> bool {
    !value.starts_with(['{', '[', 'n'])
}

/// Returns a name as CloudEvents 1.0 writes it: lower-case letters and digits; `None` for others.
///
/// The specification advises against names of more than 20 characters. They are kept.
fn attribute_name<'n>(name: &Cow<'n, str>) -> Option<Cow<'n, str>> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.clone(),
    })
}

/// Returns whether CloudEvents 1.0 uses a name for something other than an extension.
///
/// `dataschema` has the same meaning wherever an event has it.
fn is_reserved(name: &str) -> bool {
    let is_of_table = || TABLE.iter().any(|attribute| attribute.cloud == name);
    OTHERS.contains(&name) || (is_of_table() && name != "dataschema")
}

/// Converts an event to CloudEvents 1.0.
///
/// Returns `None` for bytes that are not a JSON object, and for a type that CloudEvents 1.0 cannot
/// hold.
pub(super) fn to_cloud_events(bytes: &[u8]) -> Option<Vec<u8>> {
    let event = Parts::read(bytes)?;
    let mut out = Object::open(bytes.len());
    out.add("specversion".into(), "\"1.0\"");
    for attribute in &TABLE {
        let value = attribute.value(&event).and_then(|value| held(attribute.cloud, value));
        let value = match (attribute.cloud, value) {
            ("id", None) => Some(derived_id(bytes).into()),
            ("source", None) => Some("\"unknown\"".into()),
            ("type", None) => return None,
            (_, value) => value,
        };
        value.into_iter().for_each(|value| out.add(attribute.cloud.into(), &value));
    }
    let rest: Vec<_> =
        event.rest().filter_map(|(name, value)| Extension::of(name, value)).collect();
    // A name that is written in lower case wins over one that becomes it.
    let exact: HashSet<_> = rest.iter().filter(|it| it.is_exact).map(|it| &it.name).collect();
    for extension in &rest {
        if extension.is_exact || !exact.contains(&extension.name) {
            out.add(extension.name.clone(), &extension.value);
        }
    }
    if let Some((name, value)) = payload(&event) {
        out.add(name.into(), value);
    }
    Some(out.close())
}

/// A member that the table does not have, as CloudEvents 1.0 holds it.
struct Extension<'e> {
    name: Cow<'e, str>,
    /// Whether the event has the name in lower case.
    is_exact: bool,
    value: Cow<'e, str>,
}

impl<'e> Extension<'e> {
    /// Converts a member; `None` if CloudEvents 1.0 cannot hold it.
    fn of(written: &Cow<'e, str>, value: &'e str) -> Option<Self> {
        let name = attribute_name(written).filter(|name| !is_reserved(name))?;
        let value = held(&name, value)?;
        Some(Self { is_exact: name == *written, name, value })
    }
}

/// Returns the member of the payload: `data`, or `data_base64` if `data` is missing or null.
///
/// CloudEvents 1.0 allows only one of the two.
fn payload<'e>(event: &Parts<'e>) -> Option<(&'static str, &'e str)> {
    let [data, base64] = DATA.map(|name| event.members.get(name).map(|value| (name, value)));
    let base64 = base64.filter(|(_, value)| is_base64(value));
    data.filter(|(_, value)| *value != "null").or(base64).or(data)
}

/// Converts an event to the legacy envelope; `None` for bytes that are not a JSON object.
pub(super) fn to_legacy(bytes: &[u8]) -> Option<Vec<u8>> {
    let event = Parts::read(bytes)?;
    let mut out = Object::open(bytes.len());
    out.add("cloudEventsVersion".into(), "\"0.1\"");
    let mut extensions = Object::open(bytes.len() / 2);
    for attribute in &TABLE {
        let written = attribute.legacy.first().zip(attribute.value(&event));
        let group = if attribute.extension { &mut extensions } else { &mut out };
        written.into_iter().for_each(|(name, value)| group.add((*name).into(), value));
    }
    // A name of the table would be read as its attribute if it were put into `extensions`.
    let means_more = |name: &str| TABLE.iter().any(|attribute| attribute.has_place(name, true));
    for (name, value) in event.rest() {
        if value != "null" && !means_more(name) {
            extensions.add(name.clone(), value);
        }
    }
    if let Ok(extensions) = String::from_utf8(extensions.close()) {
        out.add("extensions".into(), &extensions);
    }
    out.add_data(&event);
    Some(out.close())
}

/// Derives an event id from the bytes: the same bytes give the same id.
fn derived_id(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let half = digest.get(..16).unwrap_or(&digest);
    format!("\"{}\"", data_encoding::HEXLOWER.encode(half))
}

/// The members of an event: names, and values as written.
struct Parts<'e> {
    /// Those of the outermost object.
    members: Members<'e>,
    /// Those of `extensions`; none if it is not an object.
    extensions: Members<'e>,
}

/// The members of an object, each name once.
///
/// Of duplicate members the last value counts, as in most readers of JSON.
#[derive(Default)]
struct Members<'e>(Vec<(Cow<'e, str>, &'e str)>);

impl<'e> Members<'e> {
    /// Returns the value of a name.
    fn get(&self, name: &str) -> Option<&'e str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }
}

impl<'e> Parts<'e> {
    /// Splits an event into its members; `None` for bytes that are not a JSON object.
    fn read(bytes: &'e [u8]) -> Option<Self> {
        let members: Members<'e> = serde_json::from_slice(bytes).ok()?;
        let extensions = members.get("extensions").filter(|value| value.starts_with('{'));
        let extensions = extensions.map(serde_json::from_str).transpose().ok()?;
        Some(Self { members, extensions: extensions.unwrap_or_default() })
    }

    /// Returns what the table does not use: members of the outermost object, then of `extensions`.
    fn rest(&self) -> impl Iterator<Item = (&Cow<'e, str>, &'e str)> {
        let members = [(false, &self.members), (true, &self.extensions)];
        members.into_iter().flat_map(|(in_extensions, members)| {
            let names = members.0.iter().map(|(name, value)| (name, *value));
            names.filter(move |(name, _)| {
                (in_extensions || !OTHERS.contains(&&***name))
                    && !TABLE.iter().any(|attribute| attribute.has_place(name, in_extensions))
            })
        })
    }
}

impl<'de: 'e, 'e> Deserialize<'de> for Members<'e> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Name<'e>(#[serde(borrow)] Cow<'e, str>);

        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de str)> = Vec::new();
                let mut places = HashMap::new();
                while let Some((Name(name), value)) = map.next_entry::<_, &'de RawValue>()? {
                    let place = *places.entry(name.clone()).or_insert(members.len());
                    match members.get_mut(place) {
                        Some(member) => member.1 = value.get(),
                        None => members.push((name, value.get())),
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// A JSON object that is being written, each name once.
struct Object<'e> {
    text: Vec<u8>,
    names: HashSet<Cow<'e, str>>,
}

impl<'e> Object<'e> {
    /// Begins an object of about so many bytes.
    fn open(bytes: usize) -> Self {
        let mut text = Vec::with_capacity(bytes + 64);
        text.push(b'{');
        Self { text, names: HashSet::new() }
    }

    /// Adds a member, unless the object has one of this name.
    fn add(&mut self, name: Cow<'e, str>, value: &str) {
        if self.names.contains(&name) {
            return;
        }
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        // Writing a string to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.text, &name);
        self.text.push(b':');
        self.text.extend_from_slice(value.as_bytes());
        self.names.insert(name);
    }

    /// Adds the members of the payload.
    fn add_data(&mut self, event: &Parts<'_>) {
        for name in DATA {
            let value = event.members.get(name);
            value.into_iter().for_each(|value| self.add(name.into(), value));
        }
    }

    /// Ends the object and returns its text.
    fn close(mut self) -> Vec<u8> {
        self.text.push(b'}');
        self.text
    }
}
