//! Checks a parsed filter against a profile: one pass that collects every violation.
//!
//! Each violation may come with an *edit*, a replacement of its span that certainly corrects it. If
//! every violation has one, all edits together make the [suggestion](super::suggest), which is
//! checked again before it is shown.

use super::kind::Kind;
use super::{Attribute, Filter, Inner, Node, Operator, Predicate, Profile, suggest};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, quote};
use crate::event::EventType;
use crate::syntax::{AttrPath, CompareOp, ExprKind, ExprRef, Value};
use std::sync::Arc;

/// Returns the filter, or all violations with suggestions.
pub(super) fn check(
    profile: &Profile,
    root: ExprRef<'_>,
    event_types: Option<&[EventType]>,
) -> Result<Filter, Diagnostics> {
    let mut checked = checked(profile, root, event_types);
    if checked.violations.is_empty() {
        return Ok(checked.filter);
    }
    suggest::attach(profile, root, event_types, &mut checked);
    Err(Diagnostics::all(checked.violations, checked.more))
}

/// Checks a tree, without making suggestions.
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
            // Attribute and operator are checked too, so that one run shows every problem.
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
                // The names in the brackets are sub-attributes, which no profile has. Reporting
                // each of them would only repeat the violation.
                skipped = part.end();
            }
        }
    }
    // Without violations each part of the tree became one node, so the ends of groups are those of
    // the tree. With violations the filter is incomplete, and no caller uses it.
    let Check { violations, more, edits, .. } = check;
    Checked { filter: Filter(Arc::new(filter)), violations, more, edits }
}

/// The result of a check.
pub(super) struct Checked {
    /// The filter; meaningful only if there are no violations.
    pub(super) filter: Filter,
    /// The first [`Diagnostics::MAX`] violations, in the order of the text.
    pub(super) violations: Vec<Diagnostic>,
    /// How many more violations there are.
    more: usize,
    /// The edit that certainly corrects each violation, if there is one. Beyond
    /// [`Diagnostics::MAX`] violations, one `None` follows, so that no suggestion is made.
    pub(super) edits: Vec<Option<Edit>>,
}

/// A replacement of a part of the text.
pub(super) type Edit = (Span, String);

/// A check in progress. The last three fields become those of [`Checked`].
struct Check<'a> {
    profile: &'a Profile,
    /// The event types of the webhook; `None` if they are not checked.
    event_types: Option<&'a [EventType]>,
    violations: Vec<Diagnostic>,
    more: usize,
    edits: Vec<Option<Edit>>,
}

impl<'a> Check<'a> {
    /// Adds a violation, without an edit.
    fn add(
        &mut self,
        kind: Kind,
        span: Span,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) {
        // `correct` replaces it.
        self.edits.push(None);
        if self.violations.len() < Diagnostics::MAX {
            self.violations.push(Diagnostic::error(kind.code(), message, help).with_span(span));
        } else {
            self.more += 1;
            // Keeps one edit beyond the violations, the `None` of this one.
            self.edits.truncate(Diagnostics::MAX + 1);
        }
    }

    /// Sets the edit of the violation that was added last: `span` is to be replaced by `written`.
    fn correct(&mut self, span: Span, written: impl Into<String>) {
        // Beyond the limit, the last edit is the `None` that prevents a suggestion.
        if self.more > 0 {
            return;
        }
        debug_assert_eq!(self.violations.last().and_then(Diagnostic::span), Some(span));
        self.edits.pop();
        self.edits.push(Some((span, written.into())));
    }

    /// Returns the list of the profile's attributes, as messages show it.
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
        let help = format!("compare an attribute instead; known attributes: {}", self.known());
        self.add(Kind::UnsupportedValuePath, part.span(), message, help);
    }

    /// Checks a comparison with a string. Returns a predicate if attribute and operator are known.
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
            let help = format!("{}; compare with a string", suggest::NO_ABSENCE);
            return self.add(Kind::ValueNotAString, span, message, help);
        }
        let help = "values are strings: put it in double quotes";
        self.add(Kind::ValueNotAString, span, message, help);
        // The text of a number or a boolean has no character that a string would escape.
        self.correct(span, format!("\"{text}\""));
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
        let types = self.event_types.unwrap_or(&[]);
        let other = types.iter().find(|other| known.contains(other));
        let message = format!("`{name}` cannot be compared with `{}`", quote(value));
        let help = match (attribute.sole_event_type(), other) {
            (Some(only), Some(other)) => format!(
                "events of `{}` may have that value, \
                 but only `{only}` can be filtered by `{name}`, with {words}",
                quote(other.as_str())
            ),
            (Some(only), None) if self.is_refused(attribute) => {
                format!("only `{only}` can be filtered by `{name}`, with {words}")
            }
            _ => format!("use {words}"),
        };
        self.add(Kind::ValueNotAllowed, part.value_span(), message, help);
        // The value is corrected only if exactly one allowed value has its letters.
        let mut same = allowed.iter().filter(|allowed| allowed.eq_ignore_ascii_case(value.trim()));
        if let (Some(one), None) = (same.next(), same.next()) {
            self.correct(part.value_span(), Value::String(one).to_string());
        }
    }

    /// Returns whether the event types rule out the attribute.
    fn is_refused(&self, attribute: &Attribute) -> bool {
        match (attribute.sole_event_type(), self.event_types) {
            (Some(only), Some(types)) => {
                types.is_empty() || types.iter().any(|event_type| event_type != only)
            }
            _ => false,
        }
    }

    /// Finds the attribute of a path, and checks it against the event types.
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
        let message = format!("`{name}` cannot be used with the webhook's event types");
        let help = format!("make `{only}` the only event type, or remove the term");
        self.add(Kind::AttributeNotAllowed, part.path_span(), message, help);
    }

    #[cold]
    fn unknown(&mut self, part: ExprRef<'_>, path: AttrPath<'_>) {
        let message = format!("unknown attribute `{}`", quote(path.as_str()));
        let known = self.known();
        let profile = self.profile;
        // The path without its schema URI.
        let spelled = match path.sub_attribute() {
            Some(sub) => format!("{}.{sub}", path.name()),
            None => path.name().to_owned(),
        };
        // A name that certainly means an attribute is corrected. A guess is only shown.
        let (help, written) = match profile.meant(path.as_str()) {
            Some(meant) => {
                let help =
                    format!("{}; known attributes: {known}", suggest::names(path.as_str(), &meant));
                (help, profile.meant_one(path.as_str()).map(Attribute::name))
            }
            None => {
                // One letter off a single known name is certain enough; anything else is a guess.
                let written = profile.misspelled(path.as_str());
                match written.or_else(|| profile.nearest(&spelled, path.name())) {
                    Some(near) => {
                        (format!("did you mean `{near}`? known attributes: {known}"), written)
                    }
                    None => (format!("known attributes: {known}"), None),
                }
            }
        };
        self.add(Kind::UnknownAttribute, part.path_span(), message, help);
        if let Some(name) = written {
            self.correct(part.path_span(), name);
        }
    }

    /// Returns the operator if the profile has it. `None` as an argument is `pr`.
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

/// Joins items for a message.
pub(super) fn list(items: impl Iterator<Item = impl ToString>, between: &str) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}
