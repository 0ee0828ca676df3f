//! What authors write for an attribute: its places in an event, its aliases, other spellings.

use super::{Attribute, Profile};
use crate::diagnostic::nearest::distance;

/// What is meant by a name that is not an attribute's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is a place in the event.
    Place,
    /// It is a word for the attribute elsewhere.
    Alias,
    /// It is the name with other separators, or in the plural.
    Spelling,
}

/// Limit of the length of a name that is compared with others; a filter has many, and each takes time.
const MAX_NAME: usize = 64;

/// The attributes that a name means, at least one.
pub(super) type Meant<'p> = (Why, Vec<&'p Attribute>);

impl Profile {
    /// The attributes that a name surely means, which is not the name of one.
    pub(super) fn meant(&self, written: &str) -> Option<Meant<'_>> {
        // A sign at the end belongs to an operator: `id /= "a1"`.
        if written.len() > MAX_NAME || !written.ends_with(|c: char| c.is_alphanumeric() || c == ']')
        {
            return None;
        }
        let (rooted, path) = json_path(written);
        // A sign before a name is an operator elsewhere: `-id:a` negates.
        if !path.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c))
            || !path.starts_with(char::is_alphanumeric)
        {
            return None;
        }
        let all = |wanted: &dyn Fn(&Attribute) -> bool| -> Vec<&Attribute> {
            self.attributes().iter().filter(|attribute| wanted(attribute)).collect()
        };
        let place = |attribute: &Attribute| {
            attribute.places().iter().any(|place| place.to_string().eq_ignore_ascii_case(&path))
        };
        let squeezed = squeeze(&path);
        let same = |name: &str| {
            let name = squeeze(name);
            squeezed == name || squeezed.strip_suffix('s') == Some(&name)
        };
        // What begins at the root of an event is a place in it, and no name: `$.id` is the event's id.
        let spelling = |attribute: &Attribute| !rooted && same(attribute.name());
        let alias = |attribute: &Attribute| attribute.aliases().iter().any(|alias| same(alias));
        let found = |why, attributes: Vec<_>| (!attributes.is_empty()).then_some((why, attributes));
        found(Why::Place, all(&place))
            .or_else(|| found(Why::Spelling, all(&spelling)))
            .or_else(|| found(Why::Alias, all(&alias)))
    }

    /// Whether a word is the name of an attribute, or means one or more.
    pub(super) fn is_name(&self, written: &str) -> bool {
        let is = |attribute: &Attribute| attribute.name().eq_ignore_ascii_case(written);
        self.attributes().iter().any(is) || self.meant(written).is_some()
    }

    /// The one attribute that a name surely means.
    pub(super) fn meant_one(&self, written: &str) -> Option<&Attribute> {
        match self.meant(written)?.1.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The known attribute that an unknown one was likely meant to be: near in spelling, with or
    /// without what is before its last dot.
    pub(super) fn nearest(&self, written: &str, name: &str) -> Option<&str> {
        if written.len() > MAX_NAME {
            return None;
        }
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let nearest = |known: &str| {
            let parts = [
                distance(written, known),
                distance(&last(written), &last(known)),
                distance(name, &last(known)),
            ];
            parts.into_iter().flatten().min()
        };
        let known = self.attributes().iter().map(Attribute::name);
        known
            .filter_map(|known| Some((nearest(known)?, known)))
            .min_by_key(|near| near.0)
            .map(|near| near.1)
    }

    /// The attribute that a name of some length misses by one letter, and no other by two.
    pub(super) fn misspelt(&self, written: &str) -> Option<&str> {
        const SHORTEST: usize = 5;
        if !(SHORTEST..=MAX_NAME).contains(&written.len()) {
            return None;
        }
        let known = self.attributes().iter().map(Attribute::name);
        let mut near = known.filter_map(|known| Some((distance(written, known)?, known)));
        let found = near.find(|(distance, _)| *distance == 1)?;
        let mut others = self.attributes().iter().map(Attribute::name);
        let only = !others.any(|other| {
            other != found.1 && distance(written, other).is_some_and(|distance| distance <= 2)
        });
        only.then_some(found.1)
    }
}

/// A JSON path or pointer with dots between its keys, and whether it says that it begins at the root.
fn json_path(written: &str) -> (bool, String) {
    let plain = written.replace("['", ".").replace("[\"", ".").replace("']", "").replace("\"]", "");
    let rest = match plain.get(..6) {
        Some(event) if event.eq_ignore_ascii_case("event.") => plain.get(6..),
        _ => plain.strip_prefix(['$', '/']),
    };
    let path = rest.unwrap_or(&plain).trim_start_matches('.').replace('/', ".");
    (rest.is_some(), path)
}

/// A name as it is compared with others: letters and digits in lower case.
fn squeeze(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}
