//! Translates filters into patterns of event-ruler and quamina, so that these engines can be
//! measured with the same load.
//!
//! A pattern has fields of an event, each with values of which the event must have one. So a pattern
//! is an `and` over fields, and the patterns of a webhook are an `or`: the disjunctive normal form
//! of its filter.
//!
//! ```text
//! id eq "a" or spaceId eq "s" or id eq "b"   {"data":{"id":["a","b"]}}
//!                                            {"spaceid":["s"]}
//! id eq "a" and spaceId ne "s"               {"data":{"id":["a"]},"spaceid":[{"anything-but":["s"]}]}
//! ```
//!
//! `anything-but` requires that the event has the field, and `ne` does not. Generated events have
//! all fields, so there the two are the same.

use hooksieve::syntax::{CompareOp, Expr, ExprKind, ExprRef, Value};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What a pattern requires of a field.
#[derive(Clone)]
enum Condition {
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
}

/// The conditions of a pattern, by the path of the field in a CloudEvent.
#[derive(Clone, Default)]
pub(super) struct Pattern(BTreeMap<&'static str, Condition>);

/// Returns the patterns of a filter; none if no event satisfies it.
///
/// Fails with the part of the filter that a pattern cannot express.
pub(super) fn patterns(filter: &str) -> Result<Vec<Pattern>, String> {
    let filter = Expr::parse(filter).map_err(|error| error.to_string())?;
    let mut patterns: Vec<Pattern> = Vec::new();
    for pattern in disjuncts(filter.root())? {
        // `id eq "a" or id eq "b"` is one pattern with two values.
        if !patterns.iter_mut().any(|other| other.absorb(&pattern)) {
            patterns.push(pattern);
        }
    }
    Ok(patterns)
}

fn disjuncts(part: ExprRef<'_>) -> Result<Vec<Pattern>, String> {
    match part.kind() {
        ExprKind::Or(operands) => {
            let operands = operands.map(disjuncts).collect::<Result<Vec<_>, _>>()?;
            Ok(operands.into_iter().flatten().collect())
        }
        ExprKind::And(operands) => {
            let mut all = vec![Pattern::default()];
            for operand in operands {
                let more = disjuncts(operand)?;
                all = all.iter().flat_map(|a| more.iter().filter_map(|b| a.and(b))).collect();
            }
            Ok(all)
        }
        ExprKind::Compare { path, operator, value: Value::String(value) } => {
            let value = vec![value.to_owned()];
            let condition = match operator {
                CompareOp::Eq => Condition::OneOf(value),
                CompareOp::Ne => Condition::NoneOf(value),
                _ => return Err(inexpressible(part)),
            };
            let field = field(path.as_str()).ok_or_else(|| inexpressible(part))?;
            Ok(vec![Pattern([(field, condition)].into())])
        }
        _ => Err(inexpressible(part)),
    }
}

fn inexpressible(part: ExprRef<'_>) -> String {
    let (start, end) = (part.span().range().start, part.span().range().end);
    format!("a pattern cannot express bytes {start} to {end} of the filter")
}

/// Returns where a generated event has the attribute.
fn field(attribute: &str) -> Option<&'static str> {
    match attribute {
        "id" => Some("data.id"),
        "spaceId" => Some("spaceid"),
        "topLevelResourceId" => Some("toplevelresourceid"),
        "data.status" => Some("data.status"),
        _ => None,
    }
}

impl Pattern {
    /// Returns the pattern that also requires this value of a field.
    pub(super) fn with(mut self, field: &'static str, value: &str) -> Self {
        self.0.insert(field, Condition::OneOf(vec![value.to_owned()]));
        self
    }

    /// Returns the pattern that requires both, or `None` if no event satisfies both.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (field, condition) in &other.0 {
            match both.0.entry(field) {
                Entry::Vacant(entry) => {
                    entry.insert(condition.clone());
                }
                Entry::Occupied(mut entry) => {
                    let condition = entry.get().and(condition)?;
                    entry.insert(condition);
                }
            }
        }
        Some(both)
    }

    /// Adds the values of the other pattern, if both have one field only, the same, with values.
    fn absorb(&mut self, other: &Self) -> bool {
        let (1, 1) = (self.0.len(), other.0.len()) else { return false };
        match (self.0.iter_mut().next(), other.0.iter().next()) {
            (Some((a, Condition::OneOf(values))), Some((b, Condition::OneOf(more)))) if a == b => {
                values.extend_from_slice(more);
                true
            }
            _ => false,
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let (mut event, mut data) = (Map::new(), Map::new());
        for (field, condition) in &self.0 {
            let (object, name) = match field.strip_prefix("data.") {
                Some(name) => (&mut data, name),
                None => (&mut event, *field),
            };
            object.insert(name.to_owned(), condition.json());
        }
        if !data.is_empty() {
            event.insert("data".to_owned(), data.into());
        }
        event.into()
    }
}

impl Condition {
    fn and(&self, other: &Self) -> Option<Self> {
        use Condition::{NoneOf, OneOf};
        let values = match (self, other) {
            (NoneOf(a), NoneOf(b)) => return Some(NoneOf([&a[..], b].concat())),
            (OneOf(some), OneOf(others)) => filtered(some, |value| others.contains(value)),
            (OneOf(some), NoneOf(none)) | (NoneOf(none), OneOf(some)) => {
                filtered(some, |value| !none.contains(value))
            }
        };
        (!values.is_empty()).then_some(OneOf(values))
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::OneOf(values) => json!(values),
            Self::NoneOf(values) => json!([{ "anything-but": values }]),
        }
    }
}

fn filtered(values: &[String], keep: impl Fn(&String) -> bool) -> Vec<String> {
    values.iter().filter(|value| keep(value)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::patterns;

    fn written(filter: &str) -> Vec<String> {
        patterns(filter).unwrap().iter().map(|pattern| pattern.json().to_string()).collect()
    }

    #[test]
    fn writes_the_disjuncts_of_a_filter() {
        assert_eq!(
            written(r#"id eq "a" or spaceId eq "s" or id eq "b""#),
            [r#"{"data":{"id":["a","b"]}}"#, r#"{"spaceid":["s"]}"#]
        );
        assert_eq!(
            written(
                r#"topLevelResourceId eq "t" and (spaceId ne "s" or (id eq "a" and data.status ne "ok"))"#
            ),
            [
                r#"{"spaceid":[{"anything-but":["s"]}],"toplevelresourceid":["t"]}"#,
                r#"{"data":{"id":["a"],"status":[{"anything-but":["ok"]}]},"toplevelresourceid":["t"]}"#,
            ]
        );
    }

    #[test]
    fn combines_conditions_on_one_field() {
        assert!(written(r#"id eq "a" and id eq "b""#).is_empty());
        assert!(written(r#"id ne "a" and id eq "a""#).is_empty());
        assert_eq!(written(r#"id ne "a" and id eq "b""#), [r#"{"data":{"id":["b"]}}"#]);
        assert_eq!(
            written(r#"id ne "a" and id ne "b""#),
            [r#"{"data":{"id":[{"anything-but":["a","b"]}]}}"#]
        );
    }

    #[test]
    fn names_what_a_pattern_cannot_express() {
        for part in [r#"id co "a""#, "id eq 5", "id pr", r#"not (id eq "a")"#, r#"other eq "a""#] {
            let error = patterns(&format!(r#"id eq "a" or {part}"#)).err().unwrap();
            let end = 13 + part.len();
            assert_eq!(error, format!("a pattern cannot express bytes 13 to {end} of the filter"));
        }
    }
}
