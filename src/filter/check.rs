//! Every rule of a profile, applied to a tree: one pass, all violations.

use super::{
    Attribute, Filter, Inner, Node, Operator, Predicate, Profile, Violation, ViolationKind,
    Violations,
};
use crate::event::EventType;
use crate::syntax::{
    self, AttrPath, CompareOp, ErrorKind, Expected, ExprKind, ExprRef, Span, Value, distance, quote,
};
use std::sync::Arc;

pub(super) fn check(
    profile: &Profile,
    root: ExprRef<'_>,
    event_types: Option<&[EventType]>,
) -> Result<Filter, Violations> {
    let mut check = Check { profile, event_types, violations: Vec::new() };
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
    if !check.violations.is_empty() {
        return Err(Violations(check.violations));
    }
    // Every part became a node of its own, so the ends hold for the filter too.
    Ok(Filter(Arc::new(filter)))
}

struct Check<'a> {
    profile: &'a Profile,
    event_types: Option<&'a [EventType]>,
    violations: Vec<Violation>,
}

impl<'a> Check<'a> {
    fn add(
        &mut self,
        kind: ViolationKind,
        span: Span,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) {
        self.violations.push(Violation { kind, span, message: message.into(), help: help.into() });
    }

    fn known(&self) -> String {
        list(self.profile.attributes().iter().map(Attribute::name), ", ")
    }

    #[cold]
    fn not(&mut self, part: ExprRef<'_>) {
        let help = without_not(self.profile);
        let message = "`not` is not supported here";
        self.add(ViolationKind::UnsupportedNot, part.operator_span(), message, help);
    }

    #[cold]
    fn value_path(&mut self, part: ExprRef<'_>, path: AttrPath<'_>) {
        let message = format!("value path `{}[…]` is not supported here", quote(path.as_str()));
        let help = format!("compare an attribute itself; known are {}", self.known());
        self.add(ViolationKind::UnsupportedValuePath, part.span(), message, help);
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
        let written = quote(&value.to_string());
        let message = format!("value `{written}` is not a string");
        let help = format!("write it in double quotes: `\"{written}\"`");
        self.add(ViolationKind::ValueNotAString, part.value_span(), message, help);
    }

    #[cold]
    fn not_allowed(
        &mut self,
        part: ExprRef<'_>,
        attribute: &Attribute,
        allowed: &[Box<str>],
        value: &str,
    ) {
        let message = format!("`{}` is never `{}`", attribute.name(), quote(value));
        let allowed = list(allowed.iter().map(|value| format!("`\"{value}\"`")), " or ");
        let help = format!("use {allowed}");
        self.add(ViolationKind::ValueNotAllowed, part.value_span(), message, help);
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
        if let (Some(only), Some(types)) = (attribute.sole_event_type(), self.event_types)
            && (types.is_empty() || types.iter().any(|event_type| event_type != only))
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
        self.add(ViolationKind::AttributeNotAllowed, part.path_span(), message, help);
    }

    #[cold]
    fn unknown(&mut self, part: ExprRef<'_>, path: AttrPath<'_>) {
        let message = format!("attribute `{}` is unknown", quote(path.as_str()));
        let known = self.known();
        let help = match self.nearest(path) {
            Some(nearest) => format!("did you mean `{nearest}`? known are {known}"),
            None => format!("known are {known}"),
        };
        self.add(ViolationKind::UnknownAttribute, part.path_span(), message, help);
    }

    /// The known attribute that an unknown one was likely meant to be: near in spelling, with or
    /// without what stands before its last dot.
    fn nearest(&self, path: AttrPath<'_>) -> Option<&'a str> {
        const LONGEST: usize = 64;
        let written = match path.sub_attribute() {
            Some(sub) => format!("{}.{sub}", path.name()),
            None => path.name().to_owned(),
        };
        if written.len() > LONGEST {
            return None;
        }
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let nearest = |known: &str| {
            let parts = [
                distance(&written, known),
                distance(&last(&written), &last(known)),
                distance(path.name(), &last(known)),
            ];
            parts.into_iter().flatten().min()
        };
        let known = self.profile.attributes().iter().map(Attribute::name);
        known
            .filter_map(|known| Some((nearest(known)?, known)))
            .min_by_key(|near| near.0)
            .map(|near| near.1)
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
        let mut help = one_of_operators(self.profile);
        if operator.is_none() {
            help.push_str(" with a value");
        }
        self.add(ViolationKind::UnsupportedOperator, part.operator_span(), message, help);
    }
}

fn without_not(profile: &Profile) -> &'static str {
    match profile.operators().contains(&Operator::Ne) {
        true => "write `ne` for `not(… eq …)`, and turn `and` and `or` round inside",
        false => "say it without `not`",
    }
}

fn one_of_operators(profile: &Profile) -> String {
    format!("use {}", list(profile.operators().iter(), " or "))
}

/// A mistake of syntax with a mend that the profile takes, where the grammar's own is refused.
#[cold]
pub(super) fn mended(profile: &Profile, text: &str, error: syntax::Error) -> syntax::Error {
    let taken = |operator: &Operator| error.help().starts_with(&format!("use `{operator}`"));
    let help = match (error.kind(), text.get(error.span().range())) {
        (ErrorKind::NotWithoutBrackets, _) | (ErrorKind::SymbolicOperator, Some("!")) => {
            without_not(profile).to_owned()
        }
        (ErrorKind::UnknownOperator | ErrorKind::SymbolicOperator, _)
            if error.expected() == Expected::Operator && !profile.operators().iter().any(taken) =>
        {
            one_of_operators(profile)
        }
        (ErrorKind::InvalidPath, Some("[")) => "group with `(` and `)`".to_owned(),
        _ => return error,
    };
    error.with_help(help)
}

fn list(items: impl Iterator<Item = impl ToString>, between: &str) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}
