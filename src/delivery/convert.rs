//! Converts one envelope into the other. [`TABLE`] alone names the places of each attribute, and
//! `value` alone says what an attribute of CloudEvents 1.0 can hold.

use super::value::{held, is_base64};
use hashbrown::{HashMap, HashSet};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// An attribute that has a name in both envelopes.
struct Attribute {
    cloud: &'static str,
    legacy: &'static [&'static str],
    /// Whether the legacy envelope keeps it in `extensions`.
    extension: bool,
    /// The name that it has at the top level in the vendor's listing of past events.
    listing: Option<&'static str>,
}

const fn own(cloud: &'static str, legacy: &'static [&'static str]) -> Attribute {
    Attribute { cloud, legacy, extension: false, listing: None }
}

const fn extension(cloud: &'static str, legacy: &'static [&'static str]) -> Attribute {
    Attribute { cloud, legacy, extension: true, listing: None }
}

/// In the order in which they are written. Of several spellings the first is written.
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

/// What is no attribute: the markers, the legacy group of attributes, and the payload.
const OTHERS: [&str; 5] =
    ["specversion", "cloudEventsVersion", "extensions", "data", "data_base64"];

/// The payload, which is copied as it is written.
const DATA: [&str; 2] = ["data", "data_base64"];

impl Attribute {
    /// Its value: the first string that is not empty, wherever the event keeps one; or else an
    /// empty one, or what is a scalar.
    fn value<'e>(&self, event: &Parts<'e>) -> Option<&'e str> {
        let legacy = if self.extension { &event.extensions } else { &event.members };
        let places = self.legacy.iter().map(|name| (legacy, *name));
        let found = [(&event.members, self.cloud)]
            .into_iter()
            .chain(places)
            .chain(self.listing.map(|name| (&event.members, name)))
            .filter_map(|(members, name)| members.get(name))
            .filter(|value| is_scalar(value));
        found.min_by_key(|value| (!is_text(value), *value != "\"\""))
    }

    /// Whether a member of the outermost object, or else of `extensions`, is a place of its.
    fn has_place(&self, name: &str, in_extensions: bool) -> bool {
        (!in_extensions && (name == self.cloud || self.listing == Some(name)))
            || (in_extensions == self.extension && self.legacy.contains(&name))
    }
}

fn is_text(value: &str) -> bool {
    value.starts_with('"') && value != "\"\""
}

fn is_scalar(value: &str) -> bool {
    !value.starts_with(['{', '[', 'n'])
}

/// A name as CloudEvents 1.0 has it, if it can be one: letters in lower case, and digits. Names
/// of more than 20 characters, which should not be, are kept.
fn attribute_name<'n>(name: &Cow<'n, str>) -> Option<Cow<'n, str>> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.clone(),
    })
}

/// Whether CloudEvents 1.0 has another use for a name than an extension's. `dataschema` has the
/// same use wherever an event keeps it.
fn is_reserved(name: &str) -> bool {
    let is_of_table = || TABLE.iter().any(|attribute| attribute.cloud == name);
    OTHERS.contains(&name) || (is_of_table() && name != "dataschema")
}

/// As CloudEvents 1.0; `None` for bytes that are no JSON object, and for an event whose type no
/// CloudEvent can have.
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

/// An attribute that the table does not know, as CloudEvents 1.0 holds it.
struct Extension<'e> {
    name: Cow<'e, str>,
    /// Whether the event has this very name, and not one with letters in upper case.
    is_exact: bool,
    value: Cow<'e, str>,
}

impl<'e> Extension<'e> {
    fn of(written: &Cow<'e, str>, value: &'e str) -> Option<Self> {
        let name = attribute_name(written).filter(|name| !is_reserved(name))?;
        let value = held(&name, value)?;
        Some(Self { is_exact: name == *written, name, value })
    }
}

/// The payload's member. CloudEvents 1.0 has one of the two only: `data`, unless that is `null`.
fn payload<'e>(event: &Parts<'e>) -> Option<(&'static str, &'e str)> {
    let [data, base64] = DATA.map(|name| event.members.get(name).map(|value| (name, value)));
    let base64 = base64.filter(|(_, value)| is_base64(value));
    data.filter(|(_, value)| *value != "null").or(base64).or(data)
}

/// In the legacy envelope; `None` for bytes that are no JSON object.
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

/// The same for the same bytes, and another for others.
fn derived_id(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let half = digest.get(..16).unwrap_or(&digest);
    format!("\"{}\"", data_encoding::HEXLOWER.encode(half))
}

/// The members of an event: names, and values as they are written.
struct Parts<'e> {
    members: Members<'e>,
    extensions: Members<'e>,
}

/// Each name once: of several values the last, as most readers of JSON have it.
#[derive(Default)]
struct Members<'e>(Vec<(Cow<'e, str>, &'e str)>);

impl<'e> Members<'e> {
    fn get(&self, name: &str) -> Option<&'e str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }
}

impl<'e> Parts<'e> {
    fn read(bytes: &'e [u8]) -> Option<Self> {
        let members: Members<'e> = serde_json::from_slice(bytes).ok()?;
        let extensions = members.get("extensions").filter(|value| value.starts_with('{'));
        let extensions = extensions.map(serde_json::from_str).transpose().ok()?;
        Some(Self { members, extensions: extensions.unwrap_or_default() })
    }

    /// What the table does not know: members of the outermost object, then extensions.
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

/// An object that is being written, each name once.
struct Object<'e> {
    text: Vec<u8>,
    names: HashSet<Cow<'e, str>>,
}

impl<'e> Object<'e> {
    fn open(bytes: usize) -> Self {
        let mut text = Vec::with_capacity(bytes + 64);
        text.push(b'{');
        Self { text, names: HashSet::new() }
    }

    /// Adds a member, unless there is one of the name.
    fn add(&mut self, name: Cow<'e, str>, value: &str) {
        if self.names.contains(&name) {
            return;
        }
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        // A text has a JSON form, and a vector takes all that is written.
        let _ = serde_json::to_writer(&mut self.text, &name);
        self.text.push(b':');
        self.text.extend_from_slice(value.as_bytes());
        self.names.insert(name);
    }

    fn add_data(&mut self, event: &Parts<'_>) {
        for name in DATA {
            let value = event.members.get(name);
            value.into_iter().for_each(|value| self.add(name.into(), value));
        }
    }

    fn close(mut self) -> Vec<u8> {
        self.text.push(b'}');
        self.text
    }
}
