//! The JSON of a webhook or a patch before it is checked.
//!
//! `serde_json::Value` cannot be used here: it keeps only the last of duplicate members, so that
//! they could not be reported. A typed document would stop at the first member of a wrong type, and
//! not report all errors at once.

use super::kind::{Kind, problem};
use crate::diagnostic::{Diagnostics, quote};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
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
pub struct WebhookDocument(pub(super) Json);

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
        read(bytes, Kind::Syntax).map(Self)
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
        self.0.set(member, Json::String(text.into()));
    }
}

impl From<Value> for WebhookDocument {
    fn from(value: Value) -> Self {
        Self(value.into())
    }
}

impl<'de> Deserialize<'de> for WebhookDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self)
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
pub(super) fn read(bytes: &[u8], kind: Kind) -> Result<Json, Diagnostics> {
    serde_json::from_slice(bytes).map_err(|error| {
        let title = format!("the body is not JSON: {}", quote(&error.to_string()));
        problem(kind, "", title, "send well-formed JSON in UTF-8").into()
    })
}

/// A JSON value with its members in order, including duplicates.
///
/// The value of a number is not kept, since no member of a webhook is a number.
#[derive(Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number,
    String(Box<str>),
    Array(Vec<Json>),
    Object(Vec<(Box<str>, Json)>),
    /// A value that exists but is unknown, as in a document made from a response.
    Withheld,
}

impl Json {
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
            None => members.push((name.into(), value)),
        }
    }

    /// Removes all members with this name.
    pub(super) fn remove(&mut self, name: &str) {
        if let Self::Object(members) = self {
            members.retain(|(known, _)| &**known != name);
        }
    }

    /// Makes a string.
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        Self::String(text.as_ref().into())
    }
}

impl From<Value> for Json {
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

impl Serialize for Json {
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

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        // A vector of one item has room for four.
        list.shrink_to_fit();
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(member) = members.next_entry::<Box<str>, Json>()? {
            list.push(member);
        }
        list.shrink_to_fit();
        Ok(Json::Object(list))
    }
}
