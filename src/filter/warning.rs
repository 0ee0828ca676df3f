//! Warnings: what is valid in a filter and probably unintended.

use super::analysis::{Redundancy, Redundant, Satisfiability};
use super::index_vec::IndexVec;
use super::kind::Kind;
use super::{Filter, Node, Operator, Predicate, check, code_point, invisible, placeholder};
use crate::diagnostic::{Diagnostic, Parts, quote};
use crate::syntax;
use hashbrown::HashSet;

impl Filter {
    /// Returns warnings about parts that are valid but probably unintended, in the text's order.
    ///
    /// `text` must be the text that the filter was parsed from. For another text, the result is
    /// empty.
    ///
    /// `never_present` gets the name of an attribute, and returns whether no event of the
    /// subscribed types has it. An attribute for which it is true gets one warning, at its first
    /// term.
    ///
    /// Takes at most [`WORK`](super::analysis::WORK) steps, as [`analyze`](Self::analyze) does. A
    /// part on which the analysis is undecided gets no warning.
    ///
    /// ```
    /// use hooksieve::filter::Profile;
    ///
    /// let text = r#"spaceId eq "s" or id eq "a" and spaceId eq "s""#;
    /// let filter = Profile::webhook().filter(text)?;
    /// let warnings = filter.warnings(text, |_| false);
    /// assert_eq!(warnings[0].code(), "redundant-term");
    /// assert_eq!(warnings[0].span().map(|span| &text[span.range()]), Some(r#"id eq "a" and spaceId eq "s""#));
    /// assert_eq!(
    ///     warnings[0].message(),
    ///     r#"`id eq "a" and spaceId eq "s"` is redundant: the filter matches the same events without it"#,
    /// );
    /// assert_eq!(warnings[0].help(), "remove it");
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn warnings(&self, text: &str, never_present: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
        // The parts of the text and the nodes of the filter correspond one to one, which gives each
        // warning its span. So a text that does not give this very filter has no warnings.
        let Ok(tree) = syntax::parse(text, self.profile().limits()) else { return Vec::new() };
        let parts: IndexVec<usize, _> = tree.root().iter().collect();
        if !check::check(self.profile(), tree.root(), None).is_ok_and(|filter| filter == *self) {
            return Vec::new();
        }
        let analysis = self.analyze();
        let mut warnings = Vec::new();
        let mut warn = |kind: Kind, span, message: String, help: &str| {
            warnings.push(Diagnostic::warning(kind.code(), message, help).with_span(span));
        };
        if let Some((kind, message, help)) = verdict_warning(analysis.satisfiability) {
            warn(kind, tree.root().span(), message.to_owned(), help);
        }
        for Redundant { part, kind } in &analysis.redundant {
            let span = parts.get(*part).span();
            let written = quote(text.part(span.range()));
            let (message, help) = redundant(&written, *kind);
            warn(Kind::RedundantTerm, span, message, help);
        }
        let mut seen = HashSet::new();
        for (part, node) in parts.as_slice().iter().zip(self.nodes()) {
            // Only terms have a value or an attribute to warn of.
            let Node::Term(term) = node else { continue };
            let name = self.profile().attribute_name(term.attribute);
            if let Some((kind, message, help)) = value_warning(name, term) {
                warn(kind, part.value_span(), message, help);
            }
            if seen.insert(term.attribute) && never_present(name) {
                let message = format!("no event of these types has `{name}`");
                let help =
                    "use another attribute: `eq` is always false with this one, `ne` always true";
                warn(Kind::AttributeNeverPresent, part.path_span(), message, help);
            }
        }
        warnings.sort_by_key(|warning| warning.span().map(|span| span.start));
        warnings
    }
}

/// Returns what to warn of if a filter has the same verdict on every event.
fn verdict_warning(found: Satisfiability) -> Option<(Kind, &'static str, &'static str)> {
    match found {
        Satisfiability::Never => Some((
            Kind::NeverMatches,
            "filter never matches",
            "an attribute has at most one value: join values of one attribute with `or`",
        )),
        Satisfiability::Always => Some((
            Kind::AlwaysMatches,
            "filter matches every event",
            "remove it, or join `ne` terms of one attribute with `and`",
        )),
        Satisfiability::Sometimes | Satisfiability::Undecided => None,
    }
}

/// Returns whether a value probably means something else than itself.
///
/// That is a placeholder, a wildcard, or a value with outer white space. A suggestion with such a
/// value is not made.
pub(super) fn is_doubtful(value: &str) -> bool {
    let term = Predicate { attribute: 0, operator: Operator::Eq, value };
    let kind = value_warning("", term).map(|(kind, ..)| kind);
    kind.is_some_and(|kind| {
        use Kind::{BlankAroundValue, PlaceholderValue, WildcardValue};
        matches!(kind, BlankAroundValue | PlaceholderValue | WildcardValue)
    })
}

/// Returns the first reason why a term's value is probably unintended.
fn value_warning(name: &str, term: Predicate<'_>) -> Option<(Kind, String, &'static str)> {
    let value = term.value;
    let is_outer =
        |pattern: fn(char) -> bool| value.starts_with(pattern) || value.ends_with(pattern);
    if value.is_empty() {
        let message = format!("`{name}` is compared with an empty value");
        let help = match term.operator {
            Operator::Eq => {
                "give a value, or remove the term: `eq \"\"` is false if the attribute is absent"
            }
            Operator::Ne => {
                "give a value, or remove the term: `ne \"\"` is true if the attribute is absent"
            }
        };
        return Some((Kind::EmptyValue, message, help));
    }
    if let Some(found) = placeholder(value) {
        let message = format!("value of `{name}` has the placeholder `{}`", quote(found));
        return Some((Kind::PlaceholderValue, message, "replace it with the value"));
    }
    if is_outer(char::is_whitespace) {
        let message = format!("value of `{name}` begins or ends with white space");
        let help = "remove the white space: values are compared exactly";
        return Some((Kind::BlankAroundValue, message, help));
    }
    if let Some(found) = invisible(value) {
        let code = code_point(found);
        let message = format!("value of `{name}` has the invisible character {code}");
        let help = "remove it, unless events have it too: values are compared exactly";
        return Some((Kind::InvisibleInValue, message, help));
    }
    if value.contains('*') || is_outer(|c| c == '%') {
        let sign = if value.contains('*') { '*' } else { '%' };
        let message = format!("`{sign}` in a value of `{name}` is not a wildcard");
        let help = "write the whole value: values are compared exactly";
        return Some((Kind::WildcardValue, message, help));
    }
    None
}

/// Returns the message and the help for a redundant part.
fn redundant(written: &str, kind: Redundancy) -> (String, &'static str) {
    match kind {
        Redundancy::Repeated => (format!("`{written}` repeats an earlier term"), "remove it"),
        Redundancy::Absorbed => {
            let why = "is redundant: the filter matches the same events without it";
            (format!("`{written}` {why}"), "remove it")
        }
        Redundancy::Implied => {
            let why = "is redundant: the other conditions imply it";
            (format!("`{written}` {why}"), "remove it")
        }
        Redundancy::NeverHolds => {
            let help = "remove it, or join values of one attribute with `or` if you meant that";
            (format!("`{written}` is never true here"), help)
        }
        Redundancy::AlwaysHolds => {
            let help =
                "remove it, or join `ne` terms of one attribute with `and` if you meant that";
            (format!("`{written}` is always true here"), help)
        }
    }
}
