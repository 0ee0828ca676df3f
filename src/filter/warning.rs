use super::analysis::{Reach, Redundancy, Redundant};
use super::{Filter, Node, Operator, Predicate, check, code_point, invisible, placeholder};
use crate::syntax::{self, Span, kinds, quote};
use hashbrown::HashSet;
use std::fmt;

/// Something in a filter that is valid and probably unintended. It never makes a filter invalid.
///
/// ```
/// use hooksieve::filter::{Profile, WarningKind};
///
/// let text = r#"spaceId eq "s" or id eq "a" and spaceId eq "s""#;
/// let filter = Profile::webhook().filter(text, None)?;
/// let warnings = filter.warnings(text, |_| false);
/// let warning = &warnings[0];
/// assert_eq!((warning.kind(), warning.code()), (WarningKind::RedundantTerm, "redundant-term"));
/// assert_eq!(&text[warning.span().range()], r#"id eq "a" and spaceId eq "s""#);
/// assert_eq!(
///     warning.to_string(),
///     r#"`id eq "a" and spaceId eq "s"` adds nothing: the rest matches all that it matches"#,
/// );
/// assert_eq!(warning.help(), "remove it");
/// # Ok::<(), hooksieve::filter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    kind: WarningKind,
    span: Span,
    message: Box<str>,
    help: &'static str,
}

kinds! {
    /// The kinds of warning.
    WarningKind {
        /// A filter that matches no event.
        NeverMatches = "never-matches",
        /// A filter that matches every event.
        AlwaysMatches = "always-matches",
        /// A part that could be left out: a term, or a group with all its operands.
        RedundantTerm = "redundant-term",
        /// An attribute that no event of the subscribed types has.
        AttributeNeverPresent = "attribute-never-present",
        /// A term that compares with the empty string, which no absent attribute equals.
        EmptyValue = "value-empty",
        /// A value with `*` in it, or with `%` at an end: values are compared exactly.
        WildcardValue = "value-wildcard",
        /// A value that begins or ends with white space.
        BlankAroundValue = "value-outer-blank",
        /// A value with a placeholder, such as `{{ID}}`.
        PlaceholderValue = "value-placeholder",
        /// A value with a character that is not visible, such as U+200B, or a no-break space.
        InvisibleInValue = "value-invisible-character",
    }
}

impl Warning {
    /// What kind of warning it is.
    #[must_use]
    pub fn kind(&self) -> WarningKind {
        self.kind
    }

    /// The kind as a stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Where in the text.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn help(&self) -> &str {
        self.help
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Filter {
    /// Returns what is valid and probably unintended, in the order of `text`, from which the filter
    /// was made; with another text there are no warnings.
    ///
    /// `never_present` says of an attribute's name whether no event of the subscribed types has it;
    /// each such attribute has one warning.
    ///
    /// Takes the work of [`analyze`](Self::analyze); what that leaves undecided gives no warning.
    #[must_use]
    pub fn warnings(&self, text: &str, never_present: impl Fn(&str) -> bool) -> Vec<Warning> {
        let Ok(tree) = syntax::parse(text, self.profile().limits()) else { return Vec::new() };
        let parts: Vec<_> = tree.root().iter().collect();
        if !check::check(self.profile(), tree.root(), None).is_ok_and(|filter| filter == *self) {
            return Vec::new();
        }
        let analysis = self.analyze();
        let mut warnings = Vec::new();
        let mut warn = |kind, span, message: String, help| {
            warnings.push(Warning { kind, span, message: message.into(), help });
        };
        match analysis.reach() {
            Reach::Never => {
                let help =
                    "an attribute has one value or none: join values of one attribute by `or`";
                let message = "filter never matches".to_owned();
                warn(WarningKind::NeverMatches, tree.root().span(), message, help);
            }
            Reach::Always => {
                let help = "remove it, or join `ne` terms of one attribute by `and`";
                let message = "filter matches every event".to_owned();
                warn(WarningKind::AlwaysMatches, tree.root().span(), message, help);
            }
            _ => {}
        }
        for Redundant { part, kind } in analysis.redundant() {
            let span = parts.get(*part).map_or_else(Span::default, |part| part.span());
            let written = quote(text.get(span.range()).unwrap_or_default());
            let (message, help) = redundant(&written, *kind);
            warn(WarningKind::RedundantTerm, span, message, help);
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
                warn(WarningKind::AttributeNeverPresent, part.path_span(), message, help);
            }
        }
        warnings.sort_by_key(|warning| warning.span.start);
        warnings
    }
}

/// Whether a value is probably not one that is compared exactly: a placeholder, a wildcard, or outer
/// white space.
pub(super) fn is_doubtful(value: &str) -> bool {
    let term = Predicate { attribute: 0, operator: Operator::Eq, value };
    let kind = value_warning("", term).map(|(kind, ..)| kind);
    kind.is_some_and(|kind| {
        use WarningKind::{BlankAroundValue, PlaceholderValue, WildcardValue};
        matches!(kind, BlankAroundValue | PlaceholderValue | WildcardValue)
    })
}

/// What is probably unintended about a term's value: the first that applies.
fn value_warning(name: &str, term: Predicate<'_>) -> Option<(WarningKind, String, &'static str)> {
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
        return Some((WarningKind::EmptyValue, message, help));
    }
    if let Some(found) = placeholder(value) {
        let message = format!("value of `{name}` has the placeholder `{}`", quote(found));
        return Some((WarningKind::PlaceholderValue, message, "replace it with the value"));
    }
    if is_outer(char::is_whitespace) {
        let message = format!("value of `{name}` begins or ends with white space");
        let help = "remove the white space: values are compared exactly";
        return Some((WarningKind::BlankAroundValue, message, help));
    }
    if let Some(found) = invisible(value) {
        let code = code_point(found);
        let message = format!("value of `{name}` has the invisible character {code}");
        let help = "remove it, unless the value has it, too: values are compared exactly";
        return Some((WarningKind::InvisibleInValue, message, help));
    }
    if value.contains('*') || is_outer(|c| c == '%') {
        let sign = if value.contains('*') { '*' } else { '%' };
        let message = format!("`{sign}` in a value of `{name}` is not a wildcard");
        let help = "write the whole value: values are compared exactly";
        return Some((WarningKind::WildcardValue, message, help));
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
