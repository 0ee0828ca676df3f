//! Recognizes what authors write for an attribute: a path in the event, an alias, another spelling.

use super::{Attribute, Profile};
use crate::diagnostic::nearest::distance;

/// The reason why an unknown name is taken for an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is a path at which events have the attribute.
    Place,
    /// It is an alias of the attribute.
    Alias,
    /// It is the attribute's name with other separators, or in the plural.
    Spelling,
}

/// The maximum length of a name that is compared with known ones.
///
/// An edit distance takes the product of both lengths, and a filter may have many names.
const MAX_NAME: usize = 64;

/// The attributes that a name means, at least one, and why.
pub(super) type Meant<'p> = (Why, Vec<&'p Attribute>);

impl Profile {
    /// Returns the attributes that an unknown name certainly means.
    ///
    /// Paths come before spellings, and those before aliases.
    pub(super) fn meant(&self, written: &str) -> Option<Meant<'_>> {
        // A sign at the end belongs to an operator: `id /= "a1"`.
        if written.len() > MAX_NAME || !written.ends_with(|c: char| c.is_alphanumeric() || c == ']')
        {
            return None;
        }
        let (rooted, path) = json_path(written);
        // A sign before a name is an operator in other languages: `-id:a` negates.
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
        // A path from the root of the event is no name: `$.id` is the event's own id.
        let spelling = |attribute: &Attribute| !rooted && same(attribute.name());
        let alias = |attribute: &Attribute| attribute.aliases().iter().any(|alias| same(alias));
        // A path or an exact spelling is stronger evidence than an alias.
        let found = |why, attributes: Vec<_>| (!attributes.is_empty()).then_some((why, attributes));
        found(Why::Place, all(&place))
            .or_else(|| found(Why::Spelling, all(&spelling)))
            .or_else(|| found(Why::Alias, all(&alias)))
    }

    /// Returns whether a word is the name of an attribute, or means one or more.
    pub(super) fn is_name(&self, written: &str) -> bool {
        let is = |attribute: &Attribute| attribute.name().eq_ignore_ascii_case(written);
        self.attributes().iter().any(is) || self.meant(written).is_some()
    }

    /// Returns the attribute that an unknown name certainly means, if it is only one.
    pub(super) fn meant_one(&self, written: &str) -> Option<&Attribute> {
        match self.meant(written)?.1.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Returns the attribute whose name is nearest in spelling, as a guess.
    ///
    /// Names are compared with and without the part before their last dot.
    pub(super) fn nearest(&self, written: &str, name: &str) -> Option<&str> {
        if written.len() > MAX_NAME {
            return None;
        }
        let last = |name: &str| name.rsplit_once('.').map_or(name, |(_, last)| last).to_owned();
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

    /// Returns the attribute whose name is one letter off, if no other is within two letters.
    ///
    /// Short names are never corrected, because one letter may make another name of them.
    pub(super) fn misspelled(&self, written: &str) -> Option<&str> {
        const MIN_NAME: usize = 5;
        if !(MIN_NAME..=MAX_NAME).contains(&written.len()) {
            return None;
        }
        let known = self.attributes().iter().map(Attribute::name);
        // If two names are one letter off, the second test fails for both.
        let mut near = known.filter_map(|known| Some((distance(written, known)?, known)));
        let found = near.find(|(distance, _)| *distance == 1)?;
        let mut others = self.attributes().iter().map(Attribute::name);
        let only = !others.any(|other| {
            other != found.1 && distance(written, other).is_some_and(|distance| distance <= 2)
        });
        only.then_some(found.1)
    }
}

/// Reads a JSON path or pointer: whether it begins at the root, and its keys joined by dots.
fn json_path(written: &str) -> (bool, String) {
    let plain = written.replace("['", ".").replace("[\"", ".").replace("']", "").replace("\"]", "");
    let rest = match plain.split_at_checked(6) {
        Some((event, rest)) if event.eq_ignore_ascii_case("event.") => Some(rest),
        _ => plain.strip_prefix(['$', '/']),
    };
    let path = rest.unwrap_or(&plain).trim_start_matches('.').replace('/', ".");
    (rest.is_some(), path)
}

/// Returns a name's letters and digits in lower case, the form in which names are compared.
fn squeeze(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}
