//! Every rule of a profile, applied to a tree: one pass, all violations.

use super::kind::Kind;
use super::{Attribute, Filter, Inner, Node, Operator, Predicate, Profile, suggest};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, quote};
use crate::event::EventType;
use crate::syntax::{AttrPath, CompareOp, ExprKind, ExprRef, Value};
use std::sync::Arc;

pub(super) fn check(
    profile: &Profile,
    root: ExprRef<'_>,
    event_types: Option<&[EventType]>,
) -> Result<Filter, Diagnostics> {
    let Checked { filter, mut violations, more, edits } = checked(profile, root, event_types);
    if violations.is_empty() {
        return Ok(filter);
    }
    suggest::attach(profile, root, event_types, &mut violations, &edits);
    Err(Diagnostics::all(violations, more))
}

/// The filter, or else all violations, each with the change of the text that corrects it for sure.
pub(super) fn checked(
    profile: &Profile,
    root: ExprRef<'_>,
    event_types: Option<&[EventType]>,
) -> Checked {
    let mut check =
        Check { profile, event_types, violations: Vec::new(), more: 0, edits: Vec::new() };
    let parts = root.iter();
    let bytes = root.iter().map(|part| part.value_span().range().len()).sum();
    let mut filter = Inner::with_capacity(profile, parts.len(), bytes);
    let mut skipped = 0;
    for (at, part) in parts.enumerate() {
        if at < skipped {
            continue;
        }
        match part.kind() {
            ExprKind::And(_) => filter.push(Node::And { end: part.end() }),
            ExprKind::Or(_) => filter.push(Node::Or { end: part.end() }),
            ExprKind::Compare { path, operator, value: Value::String(value) } => {
                if let Some(term) = check.comparison(part, path, operator, value) {
                    filter.push(Node::Term(term));
                }
            }
            ExprKind::Compare { path, operator, value } => {
                check.attribute(part, path);
                check.operator(part, Some(operator));
                check.not_a_string(part, value);
            }
            ExprKind::Present { path } => {
                check.attribute(part, path);
                check.operator(part, None);
            }
            ExprKind::Not(_) => check.not(part),
            ExprKind::ValuePath { path, .. } => {
                check.value_path(part, path);
                // What stands in the brackets are sub-attributes, which the profile does not know.
                skipped = part.end();
            }
        }
    }
    // Without violations every part became a node of its own, so the ends hold for the filter too.
    let Check { violations, more, edits, .. } = check;
    Checked { filter: Filter(Arc::new(filter)), violations, more, edits }
}

/// A filter, if there are no violations.
pub(super) struct Checked {
    pub(super) filter: Filter,
    /// The first [`Diagnostics::MAX`].
    pub(super) violations: Vec<Diagnostic>,
    /// How many more there are.
    more: usize,
    /// For each violation the change that corrects it for sure; one without a change where there are
    /// more.
    pub(super) edits: Vec<Option<Edit>>,
}

/// A piece of the text, and what to write in its place.
pub(super) type Edit = (Span, String);

struct Check<'a> {
    profile: &'a Profile,
    event_types: Option<&'a [EventType]>,
    violations: Vec<Diagnostic>,
    more: usize,
    /// For each violation the change that corrects it.
    edits: Vec<Option<Edit>>,
}

impl<'a> Check<'a> {
    fn add(
        &mut self,
        kind: Kind,
        span: Span,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) {
        self.edits.push(None);
        if self.violations.len() < Diagnostics::MAX {
            self.violations.push(Diagnostic::error(kind.code(), message, help).with_span(span));
        } else {
            self.more += 1;
            self.edits.truncate(Diagnostics::MAX + 1);
        }
    }

    /// Adds the text that corrects the last violation when it is written in its place.
    fn correct(&mut self, written: impl Into<String>) {
        if self.more > 0 {
            return;
        }
        if let (Some(violation), Some(edit)) = (self.violations.last(), self.edits.last_mut()) {
            *edit = violation.span().map(|span| (span, written.into()));
        }
    }

    fn known(&self) -> String {
        list(self.profile.attributes().iter().map(Attribute::name), ", ")
    }

    #[cold]
    fn not(&mut self, part: ExprRef<'_>) {
        let help = suggest::without_not(self.profile);
        let message = "`not` is not supported here";
        self.add(Kind::UnsupportedNot, part.operator_span(), message, help);
    }

    #[cold]
    fn value_path(&mut self, part: ExprRef<'_>, path: AttrPath<'_>) {
        let message = format!("value path `{}[…]` is not supported here", quote(path.as_str()));
        let help = format!("compare an attribute itself; known are {}", self.known());
        self.add(Kind::UnsupportedValuePath, part.span(), message, help);
    }

    #[inline]
    fn comparison<'v>(
        &mut self,
        part: ExprRef<'_>,
        path: AttrPath<'_>,
        operator: CompareOp,
        value: &'v str,
    ) -> Option<Predicate<'v>> {
        let attribute = self.attribute(part, path);
        let operator = self.operator(part, Some(operator));
        let (index, attribute) = attribute?;
        if let Some(allowed) = attribute.values()
            && !allowed.iter().any(|allowed| **allowed == *value)
        {
            self.not_allowed(part, attribute, allowed, value);
        }
        Some(Predicate { attribute: index, operator: operator?, value })
    }

    #[cold]
    fn not_a_string(&mut self, part: ExprRef<'_>, value: Value<'_>) {
        let text = value.to_string();
        let written = quote(&text);
        let message = format!("value `{written}` is not a string");
        let span = part.value_span();
        if value == Value::Null {
            let help = format!("{}: compare with a string", suggest::NO_ABSENCE);
            return self.add(Kind::ValueNotAString, span, message, help);
        }
        let help = "values are strings: put it in double quotes";
        self.add(Kind::ValueNotAString, span, message, help);
        self.correct(format!("\"{text}\""));
    }

    #[cold]
    fn not_allowed(
        &mut self,
        part: ExprRef<'_>,
        attribute: &Attribute,
        allowed: &[Box<str>],
        value: &str,
    ) {
        let name = attribute.name();
        let words = list(allowed.iter().map(|value| format!("`\"{value}\"`")), " or ");
        let known = attribute.other_event_types();
        let other = self.event_types.unwrap_or_default().iter().find(|other| known.contains(other));
        let (message, help) = match (attribute.sole_event_type(), other) {
            (Some(only), Some(other)) => (
                format!("`{name}` cannot be compared with `{}`", quote(value)),
                format!(
                    "events of `{}` may have that value, but only `{only}` can be filtered by `{name}`, with {words}",
                    quote(other.as_str())
                ),
            ),
            (Some(only), None) if self.is_refused(attribute) => (
                format!("`{name}` cannot be compared with `{}`", quote(value)),
                format!("only `{only}` can be filtered by `{name}`, with {words}"),
            ),
            _ => (format!("`{name}` is never `{}`", quote(value)), format!("use {words}")),
        };
        self.add(Kind::ValueNotAllowed, part.value_span(), message, help);
        let mut same = allowed.iter().filter(|allowed| allowed.eq_ignore_ascii_case(value.trim()));
        if let (Some(one), None) = (same.next(), same.next()) {
            self.correct(Value::String(one).to_string());
        }
    }

    /// Whether the event types are such that the attribute cannot be used.
    fn is_refused(&self, attribute: &Attribute) -> bool {
        match (attribute.sole_event_type(), self.event_types) {
            (Some(only), Some(types)) => {
                types.is_empty() || types.iter().any(|event_type| event_type != only)
            }
            _ => false,
        }
    }

    #[inline]
    fn attribute(
        &mut self,
        part: ExprRef<'_>,
        path: AttrPath<'_>,
    ) -> Option<(usize, &'a Attribute)> {
        let Some((index, attribute)) = self.profile.find(path) else {
            self.unknown(part, path);
            return None;
        };
        if let Some(only) = attribute.sole_event_type()
            && self.is_refused(attribute)
        {
            self.not_with_types(part, attribute, only);
        }
        Some((index, attribute))
    }

    #[cold]
    fn not_with_types(&mut self, part: ExprRef<'_>, attribute: &Attribute, only: &EventType) {
        let name = attribute.name();
        let message = format!("`{name}` does not go with the webhook's event types");
        let help = format!("make `{only}` the only event type, or remove the term");
        self.add(Kind::AttributeNotAllowed, part.path_span(), message, help);
    }

    #[cold]
    fn unknown(&mut self, part: ExprRef<'_>, path: AttrPath<'_>) {
        let message = format!("attribute `{}` is unknown", quote(path.as_str()));
        let known = self.known();
        let profile = self.profile;
        let spelt = match path.sub_attribute() {
            Some(sub) => format!("{}.{sub}", path.name()),
            None => path.name().to_owned(),
        };
        let (help, written) = match profile.meant(path.as_str()) {
            Some(meant) => {
                let help = format!("{}; known are {known}", suggest::names(path.as_str(), &meant));
                (help, profile.meant_one(path.as_str()).map(Attribute::name))
            }
            None => {
                let written = profile.misspelt(path.as_str());
                match written.or_else(|| profile.nearest(&spelt, path.name())) {
                    Some(near) => (format!("did you mean `{near}`? known are {known}"), written),
                    None => (format!("known are {known}"), None),
                }
            }
        };
        self.add(Kind::UnknownAttribute, part.path_span(), message, help);
        if let Some(name) = written {
            self.correct(name);
        }
    }

    /// The operator of a comparison, or `pr`.
    fn operator(&mut self, part: ExprRef<'_>, operator: Option<CompareOp>) -> Option<Operator> {
        let operators = self.profile.operators();
        let found = operators.iter().find(|known| Some(known.compare_op()) == operator);
        if found.is_none() {
            self.unsupported(part, operator);
        }
        found.copied()
    }

    #[cold]
    fn unsupported(&mut self, part: ExprRef<'_>, operator: Option<CompareOp>) {
        let message =
            format!("`{}` is not supported here", operator.map_or("pr", CompareOp::keyword));
        let mut help = suggest::one_of_operators(self.profile);
        if operator.is_none() {
            help.push_str(" with a value");
        }
        self.add(Kind::UnsupportedOperator, part.operator_span(), message, help);
    }
}

pub(super) fn list(items: impl Iterator<Item = impl ToString>, between: &str) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}
