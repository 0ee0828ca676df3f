//! What an event holds beside the values that are read: for people who ask why one is missing.

use super::paths::ATTRIBUTES;
use super::{Event, JsonPath};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value of an event, without what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf<'t> {
    String(&'t str),
    Number,
    Bool,
    Null,
    Array,
    Object,
}

impl Event<'_> {
    /// Gives every value of the event to `visit`, with the keys that lead to it: an array or object
    /// before its items. The number of an item of an array counts as its key.
    ///
    /// Reads the bytes once more, in time and memory that grow with them; an event that was made from
    /// parts has none.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&[Box<str>], Leaf<'_>)) {
        if self.text.is_empty() {
            return;
        }
        let mut walk = Walk { keys: Vec::new(), visit: &mut visit };
        let mut text = serde_json::Deserializer::from_str(self.text);
        let read = walk.deserialize(&mut text);
        debug_assert!(read.is_ok(), "an event is well-formed JSON");
    }

    /// The places of an attribute, in the order in which they are looked in; none for a name that the
    /// paths does not know.
    pub(crate) fn places_of(&self, attribute: &str) -> Vec<JsonPath> {
        let field = self.paths.find(attribute).map(|index| ATTRIBUTES + index);
        let keys = field.and_then(|field| self.paths.fields().get(field));
        keys.into_iter().flatten().map(|key| self.paths.place(*key)).collect()
    }
}

struct Walk<'f, F> {
    keys: Vec<Box<str>>,
    visit: &'f mut F,
}

impl<F: FnMut(&[Box<str>], Leaf<'_>)> Walk<'_, F> {
    fn leaf<E>(&mut self, leaf: Leaf<'_>) -> Result<(), E> {
        (self.visit)(&self.keys, leaf);
        Ok(())
    }
}

impl<'de, F: FnMut(&[Box<str>], Leaf<'_>)> DeserializeSeed<'de> for &mut Walk<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&[Box<str>], Leaf<'_>)> Visitor<'de> for &mut Walk<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.leaf(Leaf::Object)?;
        while let Some(key) = map.next_key::<Box<str>>()? {
            self.keys.push(key);
            map.next_value_seed(&mut *self)?;
            self.keys.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.leaf(Leaf::Array)?;
        for number in 0_usize.. {
            self.keys.push(number.to_string().into());
            let item = seq.next_element_seed(&mut *self)?;
            self.keys.pop();
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.leaf(Leaf::String(text))
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.leaf(Leaf::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.leaf(Leaf::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.leaf(Leaf::Number)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.leaf(Leaf::Bool)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.leaf(Leaf::Null)
    }
}
