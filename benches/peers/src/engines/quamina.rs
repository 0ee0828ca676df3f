use super::Engine;
use crate::load::{Filter, Input};
use crate::term::{ATTRIBUTES, Term};
use quamina::{Quamina, QuaminaBuilder};
use serde_json::{Value, json};

/// Most patterns that a filter may become.
const MAX: usize = 64;

/// What a pattern wants of one attribute.
#[derive(Clone, PartialEq, Eq)]
enum Want {
    Anything,
    OneOf(Vec<String>),
    /// `anything-but` wants the field to be there.
    NoneOf(Vec<String>),
    /// It is ignored beside other wants in one array, so it stands in a pattern of its own.
    Absent,
}

type Pattern = [Want; ATTRIBUTES.len()];

/// A pattern is an `and` over fields, and the patterns of one name are an `or`: one pattern a line.
pub fn translate(filter: &Filter) -> Option<String> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for pattern in disjuncts(&filter.term)? {
        if patterns.contains(&pattern) {
            continue;
        }
        // `id eq "a" or id eq "b"` is one pattern with two values.
        let alike = lone_values(&pattern).and_then(|(attribute, more)| {
            let alike = |other: &&mut Pattern| {
                lone_values(other).is_some_and(|(other, _)| other == attribute)
            };
            Some((&mut patterns.iter_mut().find(alike)?[attribute], more))
        });
        match alike {
            Some((Want::OneOf(values), more)) => values.extend_from_slice(more),
            _ => patterns.push(pattern),
        }
    }
    let lines: Vec<String> = patterns.iter().map(|pattern| json(pattern).to_string()).collect();
    Some(lines.join("\n"))
}

/// Only filters whose patterns want one attribute each. Where more than 255 patterns want the same
/// value and go on to another attribute, as with `data.status`, it panics at the first event; of
/// this load it takes some 4,000 webhooks.
pub fn translate_single(filter: &Filter) -> Option<String> {
    let single = |pattern: &Pattern| lone_values(pattern).is_some();
    disjuncts(&filter.term)?.iter().all(single).then(|| translate(filter))?
}

/// The attribute and its values, of a pattern that wants nothing else.
fn lone_values(pattern: &Pattern) -> Option<(usize, &[String])> {
    let mut wants = pattern.iter().enumerate().filter(|(_, want)| **want != Want::Anything);
    match (wants.next(), wants.next()) {
        (Some((attribute, Want::OneOf(values))), None) => Some((attribute, values)),
        _ => None,
    }
}

/// The disjunctive normal form; none where it is too long.
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
            let mut all = vec![[const { Want::Anything }; ATTRIBUTES.len()]];
            for operand in operands {
                let more = disjuncts(operand)?;
                all = all.iter().flat_map(|a| more.iter().filter_map(|b| both(a, b))).collect();
            }
            all
        }
        Term::Compare { attribute, equal, value } => {
            let value = vec![value.clone()];
            let wants = if *equal {
                vec![Want::OneOf(value)]
            } else {
                vec![Want::NoneOf(value), Want::Absent]
            };
            let pattern = |want| {
                let mut pattern = [const { Want::Anything }; ATTRIBUTES.len()];
                pattern[*attribute] = want;
                pattern
            };
            wants.into_iter().map(pattern).collect()
        }
    };
    (patterns.len() <= MAX).then_some(patterns)
}

/// None where nothing can fulfil both.
fn both(a: &Pattern, b: &Pattern) -> Option<Pattern> {
    let mut pattern = a.clone();
    for (a, b) in pattern.iter_mut().zip(b) {
        let want = match (&*a, b) {
            (want, Want::Anything) | (Want::Anything, want) => want.clone(),
            (Want::Absent, Want::OneOf(_)) | (Want::OneOf(_), Want::Absent) => return None,
            (Want::Absent, _) | (_, Want::Absent) => Want::Absent,
            (Want::NoneOf(a), Want::NoneOf(b)) => Want::NoneOf([&a[..], b].concat()),
            (Want::OneOf(some), Want::OneOf(others)) => {
                Want::OneOf(some.iter().filter(|value| others.contains(value)).cloned().collect())
            }
            (Want::OneOf(some), Want::NoneOf(none)) | (Want::NoneOf(none), Want::OneOf(some)) => {
                Want::OneOf(some.iter().filter(|value| !none.contains(value)).cloned().collect())
            }
        };
        if want == Want::OneOf(Vec::new()) {
            return None;
        }
        *a = want;
    }
    Some(pattern)
}

/// By where a CloudEvent has the attributes.
fn json(pattern: &Pattern) -> Value {
    let [id, space, top, status] = pattern.each_ref().map(|want| match want {
        Want::Anything => None,
        Want::OneOf(values) => Some(json!(values)),
        Want::NoneOf(values) => Some(json!([{"anything-but": values}])),
        Want::Absent => Some(json!([{"exists": false}])),
    });
    let object = |members: [(&str, Option<Value>); 2]| {
        let some = |(key, want): (&str, Option<Value>)| Some((key.to_owned(), want?));
        Some(Value::Object(members.into_iter().filter_map(some).collect()))
            .filter(|object| object.as_object().is_some_and(|members| !members.is_empty()))
    };
    let data = object([("id", id), ("status", status)]);
    let mut whole = json!({});
    for (key, want) in [("data", data), ("spaceid", space), ("toplevelresourceid", top)] {
        if let Some(want) = want {
            whole[key] = want;
        }
    }
    whole
}

pub struct Patterns(Quamina<u32>);

impl Patterns {
    /// Its default limit of 10 MB for the patterns of a field is lifted, to see what it can do.
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
