//! Why a term does not find the value that it wants: what else the event holds.
//!
//! One pass over the event's values collects two things: for each attribute that is absent, the value
//! that is in the way of its places, and for each value that a failed term wants, the places that hold
//! it. A term failed for good if no group around it holds: of the others the verdict does not depend.
//!
//! The pass costs one look-up for each value of the event, and a step for each of the first
//! [`MAX_PLACES`] places of a wanted value, however many terms want it.

use super::{Filter, Operator, Step, StepKind};
use crate::diagnostic::excerpt;
use crate::event::{Event, JsonPath, Leaf};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// A fact about the event that explains why a term does not find the value that it wants.
///
/// ```
/// use hooksieve::filter::{HintKind, Profile};
///
/// let profile = Profile::webhook();
/// let filter = profile.filter(r#"id eq "a1""#).unwrap();
/// let event = profile.read_event(br#"{"type": "x", "tenantid": "t", "toplevelresourceid": "a1"}"#).unwrap();
/// let explanation = filter.explain(&event);
/// let [hint] = explanation.hints() else { panic!() };
/// assert_eq!((hint.step, hint.kind), (0, HintKind::OtherAttribute));
/// assert_eq!(hint.attribute, Some("topLevelResourceId"));
/// assert_eq!(hint.message, r#""a1" is the value of `topLevelResourceId` in this event"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Hint<'a> {
    /// The term it is about: an index into [`Explanation::steps`](super::Explanation::steps).
    pub step: usize,
    /// What kind of fact it is.
    pub kind: HintKind,
    /// The attribute that has the wanted value instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<&'a str>,
    /// Where in the event it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<JsonPath>,
    /// The fact in words.
    pub message: String,
}

/// The kinds of [`Hint`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HintKind {
    /// What should be an object, such as `data`, is a string that holds JSON.
    JsonInString,
    /// The data is in `data_base64` only.
    Base64,
    /// The attribute's place holds null, which counts as absent.
    Null,
    /// The event has no object in which the attribute would be, such as `data`.
    NoData,
    /// What should be an object is an array, a number, a string or a literal.
    NotAnObject,
    /// The attribute's place holds a value that is not a string.
    NotAString,
    /// Another attribute has the wanted value.
    OtherAttribute,
    /// The wanted value is at a place from which the attribute is not read.
    OtherPlace,
    /// The value differs from the wanted one only in letter case.
    LetterCase,
    /// The value differs from the wanted one only in white space at its ends, or in that and in letter
    /// case.
    WhiteSpace,
}

/// A term of the filter.
#[derive(Clone, Copy)]
struct Term<'a> {
    step: usize,
    attribute: &'a str,
    value: &'a str,
}

/// What keeps an attribute from being read.
struct Obstacle {
    kind: HintKind,
    place: JsonPath,
    what: &'static str,
}

/// The hints of a filter's steps on an event whose attributes have these places, in the order of the
/// steps; no fact occurs more than once.
pub(super) fn hints<'a>(
    filter: &'a Filter,
    steps: &[Step<'a>],
    event: &'a Event<'_>,
    places: &[Option<JsonPath>],
) -> Vec<Hint<'a>> {
    let absent = absent(steps);
    let failed = failed(steps);
    let mut hints: Vec<Hint<'a>> =
        failed.iter().filter_map(|(term, found)| near(*term, *found)).collect();
    let near: Vec<usize> = hints.iter().map(|hint| hint.step).collect();
    let failed: Vec<Term<'a>> = failed
        .into_iter()
        .map(|(term, _)| term)
        .filter(|term| near.binary_search(&term.step).is_err())
        .collect();
    if !absent.is_empty() || !failed.is_empty() {
        let mut search = Search::new(event, &absent, &failed);
        event.visit(|keys, leaf| search.value(keys, leaf));
        hints.extend(search.obstacles(&absent, &failed));
        hints.extend(search.elsewhere(filter, event, places, &failed));
    }
    // Where the value is says more than that it is absent.
    let is_plain = |hint: &Hint<'_>| matches!(hint.kind, HintKind::Null | HintKind::NoData);
    let others = hints.iter().filter(|hint| !is_plain(hint));
    let others: HashSet<usize> = others.map(|hint| hint.step).collect();
    hints.retain(|hint| !is_plain(hint) || !others.contains(&hint.step));
    hints.sort_by_key(|hint| hint.step);
    let mut known = HashSet::new();
    hints.retain(|hint| known.insert(hint.message.clone()));
    hints
}

/// The first term of each attribute that is absent.
fn absent<'a>(steps: &[Step<'a>]) -> Vec<Term<'a>> {
    let mut absent: Vec<Term<'a>> = Vec::new();
    for (step, part) in steps.iter().enumerate() {
        if let StepKind::Term { attribute, value, found: None, .. } = part.kind
            && absent.iter().all(|known| known.attribute != attribute)
        {
            absent.push(Term { step, attribute, value });
        }
    }
    absent
}

/// The `eq` terms that do not hold, in no group that does, with the event's value.
fn failed<'a>(steps: &[Step<'a>]) -> Vec<(Term<'a>, Option<&'a str>)> {
    let mut failed = Vec::new();
    // The depth of the outermost group that holds, while the steps are inside of it.
    let mut inside: Option<usize> = None;
    for (step, part) in steps.iter().enumerate() {
        inside = inside.filter(|depth| part.depth > *depth);
        if part.holds && inside.is_none() {
            inside = Some(part.depth);
        }
        if let StepKind::Term { attribute, operator: Operator::Eq, value, found, .. } = part.kind
            && inside.is_none()
        {
            failed.push((Term { step, attribute, value }, found));
        }
    }
    failed
}

/// The hint on a value that is nearly the wanted one.
fn near<'a>(term: Term<'a>, found: Option<&str>) -> Option<Hint<'a>> {
    let (found, wanted) = (found?, term.value);
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let (kind, difference) = if found.trim() == wanted.trim() {
        (HintKind::WhiteSpace, "white space at its ends")
    } else if same(found, wanted) {
        (HintKind::LetterCase, "letter case, which counts in values")
    } else if same(found.trim(), wanted.trim()) {
        (HintKind::WhiteSpace, "white space at its ends and in letter case, which counts in values")
    } else {
        return None;
    };
    let message =
        format!("`{}` differs from {} only in {difference}", term.attribute, quoted(wanted));
    Some(Hint { step: term.step, kind, attribute: None, place: None, message })
}

/// What one pass over an event finds.
struct Search<'a> {
    /// Places of attributes that are absent, each with the attribute's number among them.
    places: Vec<(usize, Vec<Box<str>>)>,
    /// By the number of an absent attribute.
    obstacles: Vec<Option<Obstacle>>,
    /// By the value that failed terms want, where it is.
    wanted: HashMap<&'a str, Vec<JsonPath>>,
    /// Whether the event has values to look at.
    visited: bool,
    data: bool,
    base64: bool,
    /// Look-ups of values and places that were kept.
    #[cfg(test)]
    steps: usize,
}

/// Places that are kept for a wanted value.
const MAX_PLACES: usize = 64;

impl<'a> Search<'a> {
    fn new(event: &Event<'_>, absent: &[Term<'a>], failed: &[Term<'a>]) -> Self {
        let places = absent.iter().enumerate().flat_map(|(number, term)| {
            let places = event.places_of(term.attribute).into_iter();
            places.map(move |place| (number, place.keys().map(Box::from).collect()))
        });
        Self {
            places: places.collect(),
            obstacles: absent.iter().map(|_| None).collect(),
            wanted: failed.iter().map(|term| (term.value, Vec::new())).collect(),
            visited: false,
            data: false,
            base64: false,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Takes a value of the event and the keys that lead to it.
    fn value(&mut self, keys: &[Box<str>], leaf: Leaf<'_>) {
        let what = what(leaf);
        self.visited = true;
        let is_null = matches!(leaf, Leaf::Null);
        self.data |= !is_null && matches!(keys, [key] if **key == *"data");
        self.base64 |= matches!((keys, leaf), ([key], Leaf::String(_)) if **key == *"data_base64");
        for (number, place) in &self.places {
            if keys.is_empty() || !place.starts_with(keys) {
                continue;
            }
            let kind = match leaf {
                Leaf::Object if keys.len() < place.len() => continue,
                Leaf::String(_) if keys.len() == place.len() => continue,
                Leaf::String(text) if holds_json(text) => HintKind::JsonInString,
                Leaf::Null => HintKind::Null,
                _ if keys.len() < place.len() => HintKind::NotAnObject,
                _ => HintKind::NotAString,
            };
            // Another value than null says more.
            let is_better = |known: &Option<Obstacle>| match known {
                Some(known) => known.kind == HintKind::Null && kind != HintKind::Null,
                None => true,
            };
            if let Some(obstacle) = self.obstacles.get_mut(*number).filter(|o| is_better(o)) {
                *obstacle =
                    Some(Obstacle { kind, place: JsonPath::new(keys.iter().cloned()), what });
            }
        }
        let Leaf::String(text) = leaf else { return };
        let places = self.wanted.get_mut(text).filter(|places| places.len() < MAX_PLACES);
        #[cfg(test)]
        {
            self.steps += 1 + usize::from(places.is_some());
        }
        if let Some(places) = places {
            places.push(JsonPath::new(keys.iter().cloned()));
        }
    }

    /// Whether an attribute is read from `data` and from nowhere else.
    fn is_only_in_data(&self, number: usize) -> bool {
        let mut own = self.places.iter().filter(|(at, _)| *at == number).peekable();
        own.peek().is_some()
            && own.all(|(_, keys)| keys.first().is_some_and(|key| **key == *"data"))
    }

    /// Why attributes are absent.
    ///
    /// That it is null, or that there is no data, matters only to a term that failed for it.
    fn obstacles<'h>(&mut self, absent: &[Term<'h>], failed: &[Term<'h>]) -> Vec<Hint<'h>> {
        let mut hints = Vec::new();
        for (number, term) in absent.iter().enumerate() {
            let obstacle = self.obstacles.get_mut(number).and_then(Option::take);
            let in_data = |(at, keys): &(usize, Vec<Box<str>>)| {
                *at == number && keys.first().is_some_and(|key| **key == *"data")
            };
            let is_base64 = self.base64 && !self.data && self.places.iter().any(in_data);
            let obstacle = obstacle.filter(|known| known.kind != HintKind::Null || !is_base64);
            let (kind, place, message) = match obstacle {
                Some(Obstacle { kind, place, what }) => {
                    let at = shown(&place);
                    let message = match kind {
                        HintKind::JsonInString => format!(
                            "`{at}` is a string that holds JSON: attributes are read from an object only"
                        ),
                        HintKind::Null => format!("`{at}` is null, which counts as absent"),
                        HintKind::NotAString => {
                            format!("`{at}` is {what}: only strings are compared")
                        }
                        _ => format!("`{at}` is {what}: attributes are read from an object only"),
                    };
                    (kind, place, message)
                }
                None if is_base64 => {
                    let message = "the event's data is in `data_base64`, which is not read";
                    (HintKind::Base64, JsonPath::new(["data_base64"]), message.to_owned())
                }
                None if self.visited && !self.data && self.is_only_in_data(number) => {
                    let message = "the event has no `data`, from which attributes are read";
                    (HintKind::NoData, JsonPath::new(["data"]), message.to_owned())
                }
                None => continue,
            };
            let step = match kind {
                HintKind::Null | HintKind::NoData => {
                    let own = failed.iter().find(|other| other.attribute == term.attribute);
                    own.map(|own| own.step)
                }
                _ => Some(term.step),
            };
            let hint = |step| Hint { step, kind, attribute: None, place: Some(place), message };
            hints.extend(step.map(hint));
        }
        hints
    }

    /// Where the wanted values are.
    fn elsewhere<'h>(
        &self,
        filter: &'h Filter,
        event: &'h Event<'_>,
        places: &[Option<JsonPath>],
        failed: &[Term<'h>],
    ) -> Vec<Hint<'h>> {
        let mut hints = Vec::new();
        for term in failed {
            let found = self.wanted.get(term.value).map_or(&[][..], Vec::as_slice);
            let names =
                || event.attribute_paths().attributes().iter().map(|name| &**name).zip(places);
            let attribute_at = |place: &JsonPath| {
                names().find(|(_, known)| known.as_ref() == Some(place)).map(|(name, _)| name)
            };
            let value = quoted(term.value);
            let attribute = found.iter().find_map(|place| Some((attribute_at(place)?, place)));
            let (kind, attribute, place, message) = if let Some((name, place)) = attribute {
                let message = format!("{value} is the value of `{name}` in this event");
                (HintKind::OtherAttribute, Some(name), place, message)
            } else if let Some(place) = found.first().filter(|_| !is_listed(filter, term)) {
                let own = event.places_of(term.attribute).contains(place);
                let is_id = event.id() == Some(term.value) && place.keys().count() == 1;
                let message = match names().find(|(name, _)| *name == term.attribute) {
                    Some((name, Some(read))) if own => format!(
                        "{value} is at `{}`, but `{name}` is read from `{}`, which comes first",
                        shown(place),
                        shown(read)
                    ),
                    _ if is_id => {
                        format!("{value} is the event's own id, which no attribute reads")
                    }
                    _ => format!("{value} is at `{}`, which no attribute reads", shown(place)),
                };
                (HintKind::OtherPlace, None, place, message)
            } else {
                continue;
            };
            hints.push(Hint {
                step: term.step,
                kind,
                attribute,
                place: Some(place.clone()),
                message,
            });
        }
        hints
    }
}

/// Whether the attribute has a list of values: that such a word occurs elsewhere says nothing.
fn is_listed(filter: &Filter, term: &Term<'_>) -> bool {
    let mut attributes = filter.profile().attributes().iter();
    attributes.any(|attribute| attribute.name() == term.attribute && attribute.values().is_some())
}

/// What a value is, in words.
fn what(leaf: Leaf<'_>) -> &'static str {
    match leaf {
        Leaf::String(_) => "a string",
        Leaf::Number => "a number",
        Leaf::Bool => "a boolean",
        Leaf::Null => "null",
        Leaf::Array => "an array",
        Leaf::Object => "an object",
    }
}

/// Whether a string is an object or array that was written as a string.
fn holds_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Characters that are shown of a value or a place.
const SHOWN: usize = 80;

fn quoted(value: &str) -> String {
    excerpt(&serde_json::Value::from(value).to_string(), SHOWN)
}

fn shown(place: &JsonPath) -> String {
    excerpt(&place.to_string(), SHOWN)
}

#[cfg(test)]
mod tests {
    use super::{HintKind, MAX_PLACES, Search, absent, failed};
    use crate::filter::Profile;

    /// Values of the event times terms of the filter would be 2,000,000 steps.
    #[test]
    fn looks_each_value_up_once_however_many_terms_want_it() {
        let profile = Profile::webhook();
        let (terms, values) = (500, 4_000);
        for other in ["a1", "b2"] {
            let terms = (0..terms).map(|n| match n % 2 {
                0 => r#"spaceId eq "a1""#.to_owned(),
                _ => format!(r#"topLevelResourceId eq "{other}""#),
            });
            let text = terms.collect::<Vec<_>>().join(" or ");
            let filter = profile.filter(&text).unwrap();
            let members: Vec<_> = (0..values).map(|n| format!(r#""m{n}":"a1""#)).collect();
            let document =
                format!(r#"{{"type":"x","tenantid":"t","data":{{{}}}}}"#, members.join(","));
            let event = profile.read_event(document.as_bytes()).unwrap();
            let explanation = filter.explain(&event);
            let (absent, failed) = (absent(explanation.steps()), failed(explanation.steps()));
            let failed: Vec<_> = failed.into_iter().map(|(term, _)| term).collect();
            let mut search = Search::new(&event, &absent, &failed);
            event.visit(|keys, leaf| search.value(keys, leaf));
            // The type and the tenant are values, too.
            assert_eq!(search.steps, values + 2 + MAX_PLACES);
            assert_eq!(search.wanted["a1"].len(), MAX_PLACES);
            let hint = &explanation.hints()[0];
            assert_eq!(hint.kind, HintKind::OtherPlace);
            assert_eq!(hint.place.as_ref().unwrap().pointer(), "/data/m0");
        }
    }
}
