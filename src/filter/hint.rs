//! Hints: facts about an event that explain why a term fails.
//!
//! One pass over the values of the event collects two things: for each absent attribute, the value
//! that is in the way of its paths (the *obstacle*), and for each value of a failed term (a *wanted
//! value*), the paths at which the event has it. A failed term counts only if no group around it
//! holds, because the verdict depends on no other.
//!
//! # Example
//!
//! ```text
//! filter   id eq "a1"
//! event    {"data": {"id": 5, "app": "a1"}}
//!
//! value           absent attribute `id`, read from data.id     wanted value "a1"
//! data    object  on the way to the path, no obstacle
//! data.id 5       at the path, and not a string: obstacle
//! data.app "a1"                                                found at data.app
//!
//! hints: `data.id` is a number: only strings are compared
//!        "a1" is at `data.app`, which no attribute reads
//! ```
//!
//! # Cost
//!
//! One look-up for each string of the event, and one step for each of the first [`MAX_PLACES`]
//! paths of a wanted value, regardless of how many terms have that value. A loop over values and
//! terms would take 2,000,000 steps for 4,000 values and 500 terms.

use super::index_vec::IndexVec;
use super::{Filter, Operator, Step, StepKind};
use crate::diagnostic::excerpt;
use crate::event::{Event, JsonPath, Leaf};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// A fact about the event that explains why a term fails.
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
    /// The term, as an index into [`Explanation::steps`](super::Explanation::steps).
    pub step: usize,
    /// The kind of fact.
    pub kind: HintKind,
    /// The attribute that has the term's value instead; only for [`HintKind::OtherAttribute`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<&'a str>,
    /// The path in the event that the fact is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<JsonPath>,
    /// The fact as a sentence.
    pub message: String,
}

/// The kinds of [`Hint`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HintKind {
    /// A member that should be an object, such as `data`, is a string that contains JSON.
    JsonInString,
    /// The event has its data only in `data_base64`.
    Base64,
    /// The value at the attribute's path is null, which counts as absent.
    Null,
    /// The event has no `data`, the only object from which the attribute is read.
    NoData,
    /// A member that should be an object is an array, a number, a string or a boolean.
    NotAnObject,
    /// The value at the attribute's path is not a string.
    NotAString,
    /// Another attribute has the term's value.
    OtherAttribute,
    /// The term's value is at a path from which the attribute is not read in this event.
    OtherPlace,
    /// The event's value differs from the term's only in letter case.
    LetterCase,
    /// The values differ only in leading or trailing white space, and perhaps letter case.
    WhiteSpace,
}

/// A term of the filter, by its step.
#[derive(Clone, Copy)]
struct Term<'a> {
    step: usize,
    attribute: &'a str,
    value: &'a str,
}

/// A value that keeps an attribute from being read.
struct Obstacle {
    kind: HintKind,
    place: JsonPath,
    /// The value's type, for the message.
    what: &'static str,
}

/// Returns the hints of a filter's steps on an event.
///
/// They are in the order of the steps, without duplicates. `places` has the path of each
/// attribute's value in the event.
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
    // A nearly equal value explains the failure, so the exact value is not searched for.
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
    // Another hint on the same step says more than that the attribute is absent.
    let is_plain = |hint: &Hint<'_>| matches!(hint.kind, HintKind::Null | HintKind::NoData);
    let others = hints.iter().filter(|hint| !is_plain(hint));
    let others: HashSet<usize> = others.map(|hint| hint.step).collect();
    hints.retain(|hint| !is_plain(hint) || !others.contains(&hint.step));
    // A stable sort, so the hints of one step keep their order. One fact may explain several terms,
    // and is shown with the first of them.
    hints.sort_by_key(|hint| hint.step);
    let mut known = HashSet::new();
    hints.retain(|hint| known.insert(hint.message.clone()));
    hints
}

/// Returns the first term of each absent attribute.
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

/// Returns the failed `eq` terms that are in no group that holds, with the event's values.
fn failed<'a>(steps: &[Step<'a>]) -> Vec<(Term<'a>, Option<&'a str>)> {
    let mut failed = Vec::new();
    // The depth of the outermost part that holds, while the steps are inside it.
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

/// Returns the hint for an event's value that is nearly equal to the term's.
fn near<'a>(term: Term<'a>, found: Option<&str>) -> Option<Hint<'a>> {
    let (found, wanted) = (found?, term.value);
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let (kind, difference) = if found.trim() == wanted.trim() {
        (HintKind::WhiteSpace, "leading or trailing white space")
    } else if same(found, wanted) {
        (HintKind::LetterCase, "letter case; values are compared case-sensitively")
    } else if same(found.trim(), wanted.trim()) {
        let difference = "outer white space and letter case; values are compared exactly";
        (HintKind::WhiteSpace, difference)
    } else {
        return None;
    };
    let message =
        format!("`{}` differs from {} only in {difference}", term.attribute, quoted(wanted));
    Some(Hint { step: term.step, kind, attribute: None, place: None, message })
}

/// What one pass over an event collects.
struct Search<'a> {
    /// The paths of the absent attributes, each with the number of its attribute among these.
    places: Vec<(usize, Vec<Box<str>>)>,
    /// The obstacle of each absent attribute, by its number.
    obstacles: IndexVec<usize, Option<Obstacle>>,
    /// The paths of each wanted value.
    wanted: HashMap<&'a str, Vec<JsonPath>>,
    /// Whether any value was visited: an event that was not read from bytes has none.
    visited: bool,
    /// Whether the event has a `data` other than null.
    data: bool,
    /// Whether the event has a string `data_base64`.
    base64: bool,
    /// Look-ups of values, and paths that were kept.
    #[cfg(test)]
    steps: usize,
}

/// The maximum number of paths that are kept for a wanted value.
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

    /// Takes in a value of the event, with the keys that lead to it.
    fn value(&mut self, keys: &[Box<str>], leaf: Leaf<'_>) {
        let what = what(leaf);
        self.visited = true;
        let is_null = matches!(leaf, Leaf::Null);
        self.data |= !is_null && matches!(keys, [key] if **key == *"data");
        self.base64 |= matches!((keys, leaf), ([key], Leaf::String(_)) if **key == *"data_base64");
        for (number, place) in &self.places {
            // Only values on the way to a path, or at its end, can be in its way.
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
            // A null is the weakest explanation, since it counts as an absent member.
            let is_better = |known: &Option<Obstacle>| match known {
                Some(known) => known.kind == HintKind::Null && kind != HintKind::Null,
                None => true,
            };
            let obstacle = self.obstacles.get_mut(*number);
            if is_better(obstacle) {
                let place = JsonPath::new(keys.iter().cloned());
                *obstacle = Some(Obstacle { kind, place, what });
            }
        }
        // The map is keyed by value, so one look-up serves all terms that have this value.
        // Terms compare with strings only.
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

    /// Returns whether all paths of an absent attribute begin with `data`.
    fn is_only_in_data(&self, number: usize) -> bool {
        let mut own = self.places.iter().filter(|(at, _)| *at == number).peekable();
        own.peek().is_some()
            && own.all(|(_, keys)| keys.first().is_some_and(|key| **key == *"data"))
    }

    /// Returns the hints on absent attributes.
    ///
    /// A null, or the absence of all data, is a hint only for a term that failed because of it.
    fn obstacles<'h>(&mut self, absent: &[Term<'h>], failed: &[Term<'h>]) -> Vec<Hint<'h>> {
        let mut hints = Vec::new();
        for (number, term) in absent.iter().enumerate() {
            let obstacle = self.obstacles.get_mut(number).take();
            let in_data = |(at, keys): &(usize, Vec<Box<str>>)| {
                *at == number && keys.first().is_some_and(|key| **key == *"data")
            };
            let is_base64 = self.base64 && !self.data && self.places.iter().any(in_data);
            // `data` that is null beside `data_base64` is no obstacle of its own.
            let obstacle = obstacle.filter(|known| known.kind != HintKind::Null || !is_base64);
            let (kind, place, message) = match obstacle {
                Some(Obstacle { kind, place, what }) => {
                    let at = shown(&place);
                    let message = match kind {
                        HintKind::JsonInString => format!(
                            "`{at}` is a string that holds JSON: \
                             attributes are only read from objects"
                        ),
                        HintKind::Null => format!("`{at}` is null, which counts as absent"),
                        HintKind::NotAString => {
                            format!("`{at}` is {what}: only strings are compared")
                        }
                        _ => format!("`{at}` is {what}: attributes are only read from objects"),
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

    /// Returns the paths at which the event has a failed term's value.
    #[expect(clippy::expect_used, reason = "`new` made an entry for each failed term")]
    fn places_with(&self, term: &Term<'_>) -> &[JsonPath] {
        self.wanted.get(term.value).expect("a failed term has an entry")
    }

    /// Returns the hints on values that the event has elsewhere.
    fn elsewhere<'h>(
        &self,
        filter: &'h Filter,
        event: &'h Event<'_>,
        places: &[Option<JsonPath>],
        failed: &[Term<'h>],
    ) -> Vec<Hint<'h>> {
        let mut hints = Vec::new();
        for term in failed {
            let found = self.places_with(term);
            let names =
                || event.attribute_paths().attributes().iter().map(|name| &**name).zip(places);
            let attribute_at = |place: &JsonPath| {
                names().find(|(_, known)| known.as_ref() == Some(place)).map(|(name, _)| name)
            };
            let value = quoted(term.value);
            // Another attribute with the value is the best explanation, then the first path.
            let attribute = found.iter().find_map(|place| Some((attribute_at(place)?, place)));
            let (kind, attribute, place, message) = if let Some((name, place)) = attribute {
                let message = format!("{value} is the value of `{name}` in this event");
                (HintKind::OtherAttribute, Some(name), place, message)
            } else if let Some(place) = found.first().filter(|_| !is_listed(filter, term)) {
                // An attribute may have several paths. The event has the value at one of them, and
                // another one won.
                let own = event.places_of(term.attribute).contains(place);
                // The event has an `id` of its own in the envelope, beside that of the resource in
                // `data`.
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

/// Returns whether a term's attribute has a list of allowed values.
///
/// Such words are common, so one that occurs elsewhere explains nothing.
fn is_listed(filter: &Filter, term: &Term<'_>) -> bool {
    let mut attributes = filter.profile().attributes().iter();
    attributes.any(|attribute| attribute.name() == term.attribute && attribute.values().is_some())
}

/// Returns a value's type as messages name it.
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

/// Returns whether a string contains a JSON object or array.
fn holds_json(text: &str) -> bool {
    // Compared first, since parsing every string of the event would cost more.
    text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The maximum number of characters of a value or a path in a message.
const MAX_SHOWN: usize = 80;

/// Returns a value as a JSON string for a message.
fn quoted(value: &str) -> String {
    excerpt(&serde_json::Value::from(value).to_string(), MAX_SHOWN)
}

/// Returns a path for a message.
fn shown(place: &JsonPath) -> String {
    excerpt(&place.to_string(), MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::{HintKind, MAX_PLACES, Search, absent, failed};
    use crate::filter::Profile;

    /// A step for each value and term would be 2,000,000 steps.
    #[test]
    fn looks_up_each_value_once_regardless_of_how_many_terms_have_it() {
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
            // The type and the tenant are strings of the event as well.
            assert_eq!(search.steps, values + 2 + MAX_PLACES);
            assert_eq!(search.wanted["a1"].len(), MAX_PLACES);
            let hint = &explanation.hints()[0];
            assert_eq!(hint.kind, HintKind::OtherPlace);
            assert_eq!(hint.place.as_ref().unwrap().pointer(), "/data/m0");
        }
    }
}
