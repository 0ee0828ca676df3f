//! JSON objects whose members keep their order, and the text of their values.
//!
//! A stored document is a text that a person reads and other programs compare. Parsing it into a
//! `serde_json::Value` would sort its members, so that a webhook would look different after a
//! restart, and would copy the values of secrets into memory that is not overwritten. Here names and
//! values are slices of the text, and only a value that is [set](Members::set) is new.
//!
//! ```text
//! {"name":"n","secret":"s","url":"u"}
//!         └┬┘          └┬┘       └┬┘   slices of the document
//!                    remove
//! {"name":"n",             "url":"u","enabled":false}
//!                                    └── set: at its place if the member exists, else at the end
//! ```

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;
use std::fmt;

/// The members of an object, in order.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> Members<'a> {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a JSON object.
    pub(crate) fn read(text: &'a [u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// Returns the names and the texts of the values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the text of a member.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns whether a member exists and is not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.get() != "null")
    }

    /// Sets a member at its place, or adds it.
    ///
    /// # Errors
    ///
    /// Returns an error if the value has no form in JSON.
    pub(crate) fn set(
        &mut self,
        name: &'static str,
        value: &impl Serialize,
    ) -> serde_json::Result<()> {
        // Before anything is changed, so that a failure leaves the object as it was.
        let value = Cow::Owned(to_raw_value(value)?);
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.into(), value)),
        }
        Ok(())
    }

    /// Removes a member.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                // Duplicate names are kept, as the text has them: what is not understood is not repaired.
                while let Some((name, value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    members.push((name.0, Cow::Borrowed(value)));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// A name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::Members;

    #[test]
    fn keeps_the_order_and_the_text_of_other_members() {
        let text = r#"{"z":1.50,"a":{"y":1,"x":2},"s":null,"\u0062":"\u00e9"}"#;
        let mut members = Members::read(text.as_bytes()).unwrap();
        assert!(members.has("z") && !members.has("s") && !members.has("none"));
        members.set("z", &false).unwrap();
        members.set("new", &"n").unwrap();
        members.remove("s");
        let written = serde_json::to_string(&members).unwrap();
        assert_eq!(written, r#"{"z":false,"a":{"y":1,"x":2},"b":"\u00e9","new":"n"}"#);
        assert!(Members::read(b"[]").is_err());
    }
}
