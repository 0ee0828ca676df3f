//! The JSON of a webhook or a patch before it is checked.
//!
//! `serde_json::Value` cannot be used here: it keeps only the last of duplicate members, so that
//! they could not be reported. A typed document would stop at the first member of a wrong type, and
//! not report all errors at once.

use super::content::MEMBERS;
use super::kind::{Kind, problem};
use crate::diagnostic::{Diagnostics, quote};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// The JSON document of a webhook, before it is checked.
///
/// This is the body of a POST or PUT, a response of the API, or a stored webhook. Any JSON value is
/// accepted. Its members keep their order and their duplicates, so that all errors can be reported
/// at once. The type implements `Deserialize`, so a server's framework can read bodies into it.
///
/// A document takes at most 50 times the bytes of its text. `Debug` shows only the names of
/// members, since values may be secret.
#[derive(Clone, PartialEq)]
pub struct WebhookDocument(pub(super) Json<'static>);

impl WebhookDocument {
    /// Reads a document.
    ///
    /// ```
    /// use hooksieve::webhook::WebhookDocument;
    ///
    /// assert!(WebhookDocument::read(br#"{"name": 5}"#).is_ok());
    /// let error = WebhookDocument::read(br#"{"name": "#).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the body is not JSON: EOF while parsing a value at line 1 column 9"
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// Bytes that are not JSON, or nested deeper than 127 levels.
    pub fn read(bytes: &[u8]) -> Result<Self, Diagnostics> {
        read(bytes, Kind::Syntax).map(Json::into_owned).map(Self)
    }

    /// Returns the value of a member; `None` if it is absent or not a string.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        match self.0.member(member)? {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether a member is present and not null.
    #[must_use]
    pub fn has(&self, member: &str) -> bool {
        self.0.member(member).is_some_and(|value| *value != Json::Null)
    }

    /// Sets a member to a string, replacing its value if it exists.
    ///
    /// A document that is not an object is unchanged.
    pub fn set(&mut self, member: &str, text: &str) {
        self.0.set(member, Json::String(text.to_owned().into()));
    }
}

impl From<Value> for WebhookDocument {
    fn from(value: Value) -> Self {
        Self(value.into())
    }
}

impl<'de> Deserialize<'de> for WebhookDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Json::into_owned).map(Self)
    }
}

impl fmt::Debug for WebhookDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookDocument ")?;
        match &self.0 {
            Json::Object(members) => f.debug_set().entries(members.iter().map(|(n, _)| n)).finish(),
            other => f.write_str(other.kind()),
        }
    }
}

/// Reads JSON; `kind` is the kind of the error.
///
/// Strings without escapes borrow from the bytes.
pub(super) fn read(bytes: &[u8], kind: Kind) -> Result<Json<'_>, Diagnostics> {
    // Checked as a whole, text takes less time than string by string. If it is not UTF-8, the parser
    // reports where.
    let read = match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => whole(serde_json::Deserializer::from_str(text)),
        Err(_) => whole(serde_json::Deserializer::from_slice(bytes)),
    };
    read.map_err(|error| {
        let title = format!("the body is not JSON: {}", quote(&error.to_string()));
        problem(kind, "", title, "send well-formed JSON in UTF-8").into()
    })
}

fn whole<'a>(
    mut deserializer: serde_json::Deserializer<impl serde_json::de::Read<'a>>,
) -> serde_json::Result<Json<'a>> {
    let json = deserializer.deserialize_any(Reader { members: MEMBERS.len() })?;
    deserializer.end().map(|()| json)
}

/// A JSON value with its members in order, including duplicates.
///
/// The value of a number is not kept, since no member of a webhook is a number. Strings borrow from
/// the text that is read, or from the webhook that is written.
#[derive(Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number,
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<Member<'a>>),
    /// A value that exists but is unknown, as in a document made from a response.
    Withheld,
}

/// A member of an object: its name and its value.
pub(super) type Member<'a> = (Cow<'a, str>, Json<'a>);

impl<'a> Json<'a> {
    /// Returns the JSON type for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
            Self::Withheld => "an unknown value",
        }
    }

    /// Returns the first member with this name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    /// Sets the first member with this name, or adds one.
    pub(super) fn set(&mut self, name: &str, value: Self) {
        let Self::Object(members) = self else { return };
        match members.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.to_owned().into(), value)),
        }
    }

    /// Removes all members with this name.
    pub(super) fn remove(&mut self, name: &str) {
        if let Self::Object(members) = self {
            members.retain(|(known, _)| &**known != name);
        }
    }

    /// Makes a string.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    /// Copies what is borrowed.
    pub(super) fn into_owned(self) -> Json<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Number => Json::Number,
            Self::String(text) => Json::String(owned(text)),
            Self::Array(items) => Json::Array(items.into_iter().map(Json::into_owned).collect()),
            Self::Object(members) => {
                let member = |(name, value): Member<'a>| (owned(name), value.into_owned());
                Json::Object(members.into_iter().map(member).collect())
            }
            Self::Withheld => Json::Withheld,
        }
    }
}

impl From<Value> for Json<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(_) => Self::Number,
            Value::String(text) => Self::String(text.into()),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                let member = |(name, value): (String, Value)| (name.into(), value.into());
                Self::Object(members.into_iter().map(member).collect())
            }
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // A document that is written has no numbers and no unknown values.
            Self::Null | Self::Number | Self::Withheld => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { members: 0 })
    }
}

struct Reader {
    /// The number of members for which an object has room at first.
    members: usize,
}

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::text(text.to_owned()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        trim(&mut list);
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::with_capacity(self.members);
        while let Some((Name(name), value)) = members.next_entry()? {
            list.push((name, value));
        }
        trim(&mut list);
        Ok(Json::Object(list))
    }
}

/// Gives memory back if more than half of it is spare: a list of one item has room for four.
fn trim<T>(list: &mut Vec<T>) {
    if list.capacity() > 2 * list.len() {
        list.shrink_to_fit();
    }
}

/// The name of a member. `Cow` itself would never borrow.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
