//! Looks at an event again, to explain why a value was found or is missing.
//!
//! An event keeps only its strings, since matching needs nothing else. Explanations are rare and
//! may take time, so they read the text again instead of making every event larger:
//!
//! - [`places`] walks it once more, for the path at which each attribute was found;
//! - [`Event::visit`] visits every value, to find one that is close to what a filter expects.

use super::json::Span;
use super::marks::Bits;
use super::paths::ATTRIBUTES;
use super::walk::walk;
use super::{AttributePaths, Event, JsonPath};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value of an event, without the items of an array or object.
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
    /// Calls `visit` with every value of the event and the keys that lead to it.
    ///
    /// An array or object comes before its items; the key of an item of an array is its number. An
    /// event that was made from parts has no values.
    ///
    /// # Cost
    ///
    /// Reads the text again, in time and memory that are linear in it.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&[Box<str>], Leaf<'_>)) {
        if self.text.is_empty() {
            return;
        }
        let mut walk = Walk { keys: Vec::new(), visit: &mut visit };
        let mut text = serde_json::Deserializer::from_str(self.text);
        // serde_json accepts what the walk accepted, so there is no error to return.
        let read = walk.deserialize(&mut text);
        debug_assert!(read.is_ok(), "an event is well-formed JSON");
    }

    /// Returns the paths of an attribute in order of precedence; none for an unknown name.
    pub(crate) fn places_of(&self, attribute: &str) -> Vec<JsonPath> {
        let field = self.paths.find(attribute).map(|index| ATTRIBUTES + index);
        let keys = field.and_then(|field| self.paths.fields().get(field));
        keys.into_iter().flatten().map(|key| self.paths.path(*key)).collect()
    }
}

/// Returns the path at which each attribute was found, in a text that was read before.
///
/// An event does not keep the path. Only explanations need it, so they walk once more.
pub(super) fn places(paths: &AttributePaths, text: &str) -> Vec<Option<JsonPath>> {
    let mut found = [Span::default(); AttributePaths::MAX_KEYS + 1];
    if walk(paths, text, Bits::default(), &mut found, ()).is_err() {
        return Vec::new();
    }
    let holds = |key: &&u16, full: bool| {
        let found = found.get(usize::from(**key));
        found.is_some_and(|found| if full { !found.is_empty() } else { found.to != 0 })
    };
    let place = |keys: &Vec<u16>| {
        // As `best` chooses the value. Of several empty strings the first one gives the path.
        let key = keys.iter().find(|key| holds(key, true));
        let key = key.or_else(|| keys.iter().find(|key| holds(key, false)));
        key.map(|key| paths.path(*key))
    };
    paths.fields().iter().skip(ATTRIBUTES).map(place).collect()
}

/// The state of a visit.
struct Walk<'f, F> {
    /// The keys that lead to the value that is visited.
    keys: Vec<Box<str>>,
    visit: &'f mut F,
}

impl<F: FnMut(&[Box<str>], Leaf<'_>)> Walk<'_, F> {
    /// Gives one value to the caller.
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
            // Pushed before it is known whether there is another item; popped in either case.
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
