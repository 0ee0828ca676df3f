use super::analysis::{Redundancy, Redundant, Satisfiability};
use super::kind::Kind;
use super::{Filter, Node, Operator, Predicate, check, code_point, invisible, placeholder};
use crate::diagnostic::{Diagnostic, Span, quote};
use crate::syntax;
use hashbrown::HashSet;

impl Filter {
    /// Returns what is valid and probably unintended, in the order of `text`, from which the filter
    /// was made; with another text there are no warnings.
    ///
    /// `never_present` says of an attribute's name whether no event of the subscribed types has it;
    /// each such attribute has one warning.
    ///
    /// Takes the work of [`analyze`](Self::analyze); what that leaves undecided gives no warning.
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
    ///     r#"`id eq "a" and spaceId eq "s"` adds nothing: the rest matches all that it matches"#,
    /// );
    /// assert_eq!(warnings[0].help(), "remove it");
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn warnings(&self, text: &str, never_present: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
        let Ok(tree) = syntax::parse(text, self.profile().limits()) else { return Vec::new() };
        let parts: Vec<_> = tree.root().iter().collect();
        if !check::check(self.profile(), tree.root(), None).is_ok_and(|filter| filter == *self) {
            return Vec::new();
        }
        let analysis = self.analyze();
        let mut warnings = Vec::new();
        let mut warn = |kind: Kind, span, message: String, help: &str| {
            warnings.push(Diagnostic::warning(kind.code(), message, help).with_span(span));
        };
        match analysis.satisfiability {
            Satisfiability::Never => {
                let help =
                    "an attribute has one value or none: join values of one attribute by `or`";
                let message = "filter never matches".to_owned();
                warn(Kind::NeverMatches, tree.root().span(), message, help);
            }
            Satisfiability::Always => {
                let help = "remove it, or join `ne` terms of one attribute by `and`";
                let message = "filter matches every event".to_owned();
                warn(Kind::AlwaysMatches, tree.root().span(), message, help);
            }
            _ => {}
        }
        for Redundant { part, kind } in &analysis.redundant {
            let span = parts.get(*part).map_or_else(Span::default, |part| part.span());
            let written = quote(text.get(span.range()).unwrap_or_default());
            let (message, help) = redundant(&written, *kind);
            warn(Kind::RedundantTerm, span, message, help);
        }
        let mut seen = HashSet::new();
        for (part, node) in parts.iter().zip(self.nodes()) {
            let Node::Term(term) = node else { continue };
            let name = self.profile().attribute_name(term.attribute);
            if let Some((kind, message, help)) = value_warning(name, term) {
                warn(kind, part.value_span(), message, help);
            }
            if seen.insert(term.attribute) && never_present(name) {
                let message = format!("no event of these types has `{name}`");
                let help =
                    "use another attribute: `eq` with this one is always false, `ne` always true";
                warn(Kind::AttributeNeverPresent, part.path_span(), message, help);
            }
        }
        warnings.sort_by_key(|warning| warning.span().map(|span| span.start));
        warnings
    }
}

/// Whether a value is probably not one that is compared exactly: a placeholder, a wildcard, or outer
/// white space.
pub(super) fn is_doubtful(value: &str) -> bool {
    let term = Predicate { attribute: 0, operator: Operator::Eq, value };
    let kind = value_warning("", term).map(|(kind, ..)| kind);
    kind.is_some_and(|kind| {
        use Kind::{BlankAroundValue, PlaceholderValue, WildcardValue};
        matches!(kind, BlankAroundValue | PlaceholderValue | WildcardValue)
    })
}

/// What is probably unintended about a term's value: the first that applies.
fn value_warning(name: &str, term: Predicate<'_>) -> Option<(Kind, String, &'static str)> {
    let value = term.value;
    let is_outer =
        |pattern: fn(char) -> bool| value.starts_with(pattern) || value.ends_with(pattern);
    if value.is_empty() {
        let message = format!("`{name}` is compared with an empty value");
        let help = match term.operator {
            Operator::Eq => {
                "give a value, or remove the term: `eq \"\"` is false where the attribute is absent"
            }
            Operator::Ne => {
                "give a value, or remove the term: `ne \"\"` is true where the attribute is absent"
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
        let help = "remove it, unless the value has it, too: values are compared exactly";
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

fn redundant(written: &str, kind: Redundancy) -> (String, &'static str) {
    match kind {
        Redundancy::Repeated => (format!("`{written}` says what stands before it"), "remove it"),
        Redundancy::Absorbed => {
            let why = "adds nothing: the rest matches all that it matches";
            (format!("`{written}` {why}"), "remove it")
        }
        Redundancy::Implied => {
            (format!("`{written}` always holds where the rest does"), "remove it")
        }
        Redundancy::NeverHolds => {
            let help = "remove it; were values of one attribute meant to be joined by `or`?";
            (format!("`{written}` never holds here"), help)
        }
        Redundancy::AlwaysHolds => {
            let help = "remove it; were `ne` terms of one attribute meant to be joined by `and`?";
            (format!("`{written}` always holds here"), help)
        }
    }
}
