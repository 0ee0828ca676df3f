use super::kind::{Kind, problem};
use crate::diagnostic::{Diagnostics, quote};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::fmt;

/// A webhook's JSON document before any rule was applied: the body of POST and PUT, a response of
/// the API, or what a store holds.
///
/// Any JSON value is taken as it is, in its order and with doubled members, so that every mistake
/// can be named at once; a server's framework may read bodies into it, since it is `Deserialize`.
/// Holds at most 50 times the bytes of its text. `Debug` shows the names of members alone, since
/// values may be secret.
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
    /// assert_eq!(error.to_string(), "the body is no JSON: EOF while parsing a value at line 1 column 9");
    /// ```
    ///
    /// # Errors
    ///
    /// Bytes that are no JSON, or nested deeper than 127.
    pub fn read(bytes: &[u8]) -> Result<Self, Diagnostics> {
        read(bytes, Kind::Syntax).map(Self)
    }

    /// The text of a member; `None` where it is absent or no string.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        match self.0.member(member)? {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a member is there and not null.
    #[must_use]
    pub fn has(&self, member: &str) -> bool {
        self.0.member(member).is_some_and(|value| *value != Json::Null)
    }

    /// Sets a member, in place of one of the same name. A document that is no object stays as it
    /// is.
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

pub(super) fn read(bytes: &[u8], kind: Kind) -> Result<Json, Diagnostics> {
    serde_json::from_slice(bytes).map_err(|error| {
        let title = format!("the body is no JSON: {}", quote(&error.to_string()));
        problem(kind, "", title, "send well-formed JSON in UTF-8").into()
    })
}

/// A JSON value with its members in order, doubles included. Numbers are not kept: no member of a
/// webhook is one.
#[derive(Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number,
    String(Box<str>),
    Array(Vec<Json>),
    Object(Vec<(Box<str>, Json)>),
    /// A value that exists and is not known, as in a document made from a response.
    Withheld,
}

impl Json {
    /// The JSON type, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
            Self::Withheld => "a value that is not known",
        }
    }

    /// The first member of this name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    pub(super) fn set(&mut self, name: &str, value: Self) {
        let Self::Object(members) = self else { return };
        match members.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, old)) => *old = value,
            None => members.push((name.into(), value)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Self::Object(members) = self {
            members.retain(|(known, _)| &**known != name);
        }
    }

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
            // Documents that are written hold neither numbers nor values that are not known.
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
        // A list of one has room for four.
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
