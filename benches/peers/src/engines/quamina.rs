use super::Engine;
use crate::load::{Filter, Input};
use crate::term::{ATTRIBUTES, Term};
use quamina::{Quamina, QuaminaBuilder};
use serde_json::{Value, json};

/// The maximum number of patterns for one filter.
const MAX: usize = 64;

/// The condition of a pattern on one attribute.
#[derive(Clone, PartialEq, Eq)]
enum Condition {
    Anything,
    OneOf(Vec<String>),
    /// `anything-but` also requires that the field is present.
    NoneOf(Vec<String>),
    /// Quamina ignores it next to other conditions in one array, so it has a pattern of its own.
    Absent,
}

type Pattern = [Condition; ATTRIBUTES.len()];

/// Translates a filter into patterns, one per line.
///
/// A pattern is an `and` over fields, and all patterns of a webhook are an `or`.
pub fn translate(filter: &Filter) -> Option<String> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for pattern in disjuncts(&filter.term)? {
        if patterns.contains(&pattern) {
            continue;
        }
        // `id eq "a" or id eq "b"` is one pattern with two values.
        let alike = only_condition(&pattern).and_then(|(attribute, more)| {
            let alike = |other: &&mut Pattern| {
                only_condition(other).is_some_and(|(other, _)| other == attribute)
            };
            Some((&mut patterns.iter_mut().find(alike)?[attribute], more))
        });
        match alike {
            Some((Condition::OneOf(values), more)) => values.extend_from_slice(more),
            _ => patterns.push(pattern),
        }
    }
    let lines: Vec<String> = patterns.iter().map(|pattern| json(pattern).to_string()).collect();
    Some(lines.join("\n"))
}

/// Translates only filters whose patterns have one condition each.
///
/// Quamina panics at the first event if more than 255 patterns share a value and go on to another
/// attribute, as with `data.status`. In this load that happens at about 4,000 webhooks.
pub fn translate_single(filter: &Filter) -> Option<String> {
    let single = |pattern: &Pattern| only_condition(pattern).is_some();
    disjuncts(&filter.term)?.iter().all(single).then(|| translate(filter))?
}

/// Returns the attribute and its values, if the pattern has no other condition.
fn only_condition(pattern: &Pattern) -> Option<(usize, &[String])> {
    let mut conditions =
        pattern.iter().enumerate().filter(|(_, condition)| **condition != Condition::Anything);
    match (conditions.next(), conditions.next()) {
        (Some((attribute, Condition::OneOf(values))), None) => Some((attribute, values)),
        _ => None,
    }
}

/// Returns the disjunctive normal form, or `None` if it is longer than [`MAX`].
fn disjuncts(term: &Term) -> Option<Vec<Pattern>> {
    let patterns = match term {
        Term::Or(operands) => operands
            .iter()
            .map(disjuncts)
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect(),
        Term::And(operands) => {
            let mut all = vec![[const { Condition::Anything }; ATTRIBUTES.len()]];
            for operand in operands {
                let more = disjuncts(operand)?;
                all = all.iter().flat_map(|a| more.iter().filter_map(|b| both(a, b))).collect();
            }
            all
        }
        Term::Compare { attribute, equal, value } => {
            let value = vec![value.clone()];
            let conditions = if *equal {
                vec![Condition::OneOf(value)]
            } else {
                vec![Condition::NoneOf(value), Condition::Absent]
            };
            let pattern = |condition| {
                let mut pattern = [const { Condition::Anything }; ATTRIBUTES.len()];
                pattern[*attribute] = condition;
                pattern
            };
            conditions.into_iter().map(pattern).collect()
        }
    };
    (patterns.len() <= MAX).then_some(patterns)
}

/// Returns the pattern that requires both, or `None` if no event can satisfy both.
fn both(a: &Pattern, b: &Pattern) -> Option<Pattern> {
    let mut pattern = a.clone();
    for (a, b) in pattern.iter_mut().zip(b) {
        let condition = match (&*a, b) {
            (condition, Condition::Anything) | (Condition::Anything, condition) => {
                condition.clone()
            }
            (Condition::Absent, Condition::OneOf(_)) | (Condition::OneOf(_), Condition::Absent) => {
                return None;
            }
            (Condition::Absent, _) | (_, Condition::Absent) => Condition::Absent,
            (Condition::NoneOf(a), Condition::NoneOf(b)) => Condition::NoneOf([&a[..], b].concat()),
            (Condition::OneOf(some), Condition::OneOf(others)) => Condition::OneOf(
                some.iter().filter(|value| others.contains(value)).cloned().collect(),
            ),
            (Condition::OneOf(some), Condition::NoneOf(none))
            | (Condition::NoneOf(none), Condition::OneOf(some)) => Condition::OneOf(
                some.iter().filter(|value| !none.contains(value)).cloned().collect(),
            ),
        };
        if condition == Condition::OneOf(Vec::new()) {
            return None;
        }
        *a = condition;
    }
    Some(pattern)
}

/// Returns the pattern in Quamina's language, with the places of the attributes in a CloudEvent.
fn json(pattern: &Pattern) -> Value {
    let [id, space, top, status] = pattern.each_ref().map(|condition| match condition {
        Condition::Anything => None,
        Condition::OneOf(values) => Some(json!(values)),
        Condition::NoneOf(values) => Some(json!([{"anything-but": values}])),
        Condition::Absent => Some(json!([{"exists": false}])),
    });
    let object = |members: [(&str, Option<Value>); 2]| {
        let some = |(key, condition): (&str, Option<Value>)| Some((key.to_owned(), condition?));
        Some(Value::Object(members.into_iter().filter_map(some).collect()))
            .filter(|object| object.as_object().is_some_and(|members| !members.is_empty()))
    };
    let data = object([("id", id), ("status", status)]);
    let mut whole = json!({});
    for (key, condition) in [("data", data), ("spaceid", space), ("toplevelresourceid", top)] {
        if let Some(condition) = condition {
            whole[key] = condition;
        }
    }
    whole
}

pub struct Patterns(Quamina<u32>);

impl Patterns {
    /// Creates an engine with 4 GiB for the patterns of a field, in place of the default 10 MB.
    pub fn new() -> Self {
        Self(QuaminaBuilder::new().with_arena_byte_budget(4 << 30).build().unwrap())
    }
}

impl Engine for Patterns {
    fn insert(&mut self, webhook: u32, filter: &str) -> Result<(), String> {
        for pattern in filter.lines() {
            self.0.add_pattern(webhook, pattern).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn matches(&mut self, event: &Input, hits: &mut Vec<u32>) -> Result<(), String> {
        hits.extend(self.0.matches_for_event(event.bytes).map_err(|error| error.to_string())?);
        Ok(())
    }
}
