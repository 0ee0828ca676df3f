//! Every rule of a profile, applied to a tree: one pass, all violations.

use super::{
    Attribute, Filter, Node, Operator, Predicate, Profile, Violation, ViolationKind, Violations,
};
use crate::event::EventType;
use crate::syntax::{AttrPath, CompareOp, ExprKind, ExprRef, Span, Value, distance, quote};

pub(super) fn check(
    profile: &Profile,
    root: ExprRef<'_>,
    event_types: Option<&[EventType]>,
) -> Result<Filter, Violations> {
    let mut check = Check { profile, event_types, violations: Vec::new() };
    let mut skipped = 0;
    let nodes = root.iter().enumerate().filter_map(|(at, part)| {
        if at < skipped {
            return None;
        }
        match part.kind() {
            ExprKind::And(_) => return Some(Node::And { end: part.end() }),
            ExprKind::Or(_) => return Some(Node::Or { end: part.end() }),
            ExprKind::Compare { path, operator, value } => {
                return check.comparison(part, path, operator, value).map(Node::Term);
            }
            ExprKind::Present { path } => {
                check.attribute(part, path);
                check.operator(part, "pr", "with a value");
            }
            ExprKind::Not(_) => check.not(part),
            ExprKind::ValuePath { path, .. } => {
                check.value_path(part, path);
                // What stands in the brackets are sub-attributes, which the profile does not know.
                skipped = part.end();
            }
        }
        None
    });
    // Where nothing is wrong, every part becomes a node of its own, so the ends hold for the filter.
    let filter = Filter::from_nodes(profile, nodes);
    if check.violations.is_empty() { Ok(filter) } else { Err(Violations(check.violations)) }
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

    fn not(&mut self, part: ExprRef<'_>) {
        let help = match self.profile.operators().contains(&Operator::Ne) {
            true => "write `ne` for `not(… eq …)`, and turn `and` and `or` round inside",
            false => "say it without `not`",
        };
        let message = "`not` is not supported here";
        self.add(ViolationKind::UnsupportedNot, part.operator_span(), message, help);
    }

    fn value_path(&mut self, part: ExprRef<'_>, path: AttrPath<'_>) {
        let message = format!("value path `{}[…]` is not supported here", quote(path.as_str()));
        let help = format!("compare an attribute itself; known are {}", self.known());
        self.add(ViolationKind::UnsupportedValuePath, part.span(), message, help);
    }

    fn comparison<'v>(
        &mut self,
        part: ExprRef<'_>,
        path: AttrPath<'_>,
        operator: CompareOp,
        value: Value<'v>,
    ) -> Option<Predicate<'v>> {
        let attribute = self.attribute(part, path);
        let operator = self.operator(part, operator.keyword(), "");
        let Value::String(text) = value else {
            let written = quote(&value.to_string());
            let message = format!("value `{written}` is not a string");
            let help = format!("write it in double quotes: `\"{written}\"`");
            self.add(ViolationKind::ValueNotAString, part.value_span(), message, help);
            return None;
        };
        let (index, attribute) = attribute?;
        if let Some(allowed) = attribute.values()
            && !allowed.iter().any(|allowed| **allowed == *text)
        {
            let message = format!("`{}` is never `{}`", attribute.name(), quote(text));
            let help = format!(
                "use {}",
                list(allowed.iter().map(|value| format!("`\"{value}\"`")), " or ")
            );
            self.add(ViolationKind::ValueNotAllowed, part.value_span(), message, help);
        }
        Some(Predicate { attribute: index, operator: operator?, value: text })
    }

    fn attribute(
        &mut self,
        part: ExprRef<'_>,
        path: AttrPath<'_>,
    ) -> Option<(usize, &'a Attribute)> {
        let Some((index, attribute)) = self.profile.find(path) else {
            let message = format!("attribute `{}` is unknown", quote(path.as_str()));
            let known = self.known();
            let help = match self.nearest(path) {
                Some(nearest) => format!("did you mean `{nearest}`? known are {known}"),
                None => format!("known are {known}"),
            };
            self.add(ViolationKind::UnknownAttribute, part.path_span(), message, help);
            return None;
        };
        if let (Some(only), Some(types)) = (attribute.sole_event_type(), self.event_types)
            && (types.is_empty() || types.iter().any(|event_type| event_type != only))
        {
            let name = attribute.name();
            let message = format!("`{name}` does not go with the webhook's event types");
            let help = format!("make `{only}` the only event type, or remove the term");
            self.add(ViolationKind::AttributeNotAllowed, part.path_span(), message, help);
        }
        Some((index, attribute))
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

    fn operator(&mut self, part: ExprRef<'_>, keyword: &str, how: &str) -> Option<Operator> {
        let operators = self.profile.operators();
        let found = operators.iter().find(|known| known.compare_op().keyword() == keyword);
        if found.is_none() {
            let message = format!("`{keyword}` is not supported here");
            let help = format!("use {} {how}", list(operators.iter(), " or "));
            let span = part.operator_span();
            self.add(ViolationKind::UnsupportedOperator, span, message, help.trim_end());
        }
        found.copied()
    }
}

fn list(items: impl Iterator<Item = impl ToString>, between: &str) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}
