use super::Warning;
use crate::syntax::{self, Span, kinds};
use std::fmt;
use std::sync::Arc;

/// Why a text is not a filter of a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not in the grammar.
    #[error(transparent)]
    Syntax(#[from] syntax::Error),
    /// The profile does not allow it.
    #[error(transparent)]
    Violations(#[from] Violations),
}

impl Error {
    /// The whole filter, corrected; `None` unless it is certain what was meant by each part.
    ///
    /// The profile accepts it, with the event types that the refused one was checked with.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        match self {
            Self::Syntax(error) => error.suggestion(),
            Self::Violations(violations) => violations.suggestion(),
        }
    }

    /// Everything that is wrong, at least one problem, in the order of the text.
    pub fn problems(&self) -> impl Iterator<Item = Problem<'_>> {
        let (syntax, violations) = match self {
            Self::Syntax(error) => (Some(error), [].iter()),
            Self::Violations(violations) => (None, violations.iter()),
        };
        syntax.map(Problem::from).into_iter().chain(violations.map(Problem::from))
    }
}

/// One thing that is wrong with a filter, or worth a warning, whoever found it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem<'a> {
    /// A stable word, such as `filter-unknown-attribute`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// How to fix it, in one line.
    pub help: &'a str,
    /// The whole filter, corrected, where it is certain what was meant.
    pub suggestion: Option<&'a str>,
    /// Where in the text.
    pub span: Span,
}

impl<'a> From<&'a syntax::Error> for Problem<'a> {
    fn from(error: &'a syntax::Error) -> Self {
        let (code, message, help) = (error.code(), error.to_string(), error.help());
        Self { code, message, help, suggestion: error.suggestion(), span: error.span() }
    }
}

impl<'a> From<&'a Violation> for Problem<'a> {
    fn from(violation: &'a Violation) -> Self {
        let (code, message, help) = (violation.code(), violation.to_string(), violation.help());
        let suggestion = violation.suggestion();
        Self { code, message, help, suggestion, span: violation.span() }
    }
}

impl<'a> From<&'a Warning> for Problem<'a> {
    fn from(warning: &'a Warning) -> Self {
        let (code, message, help) = (warning.code(), warning.to_string(), warning.help());
        Self { code, message, help, suggestion: None, span: warning.span() }
    }
}

/// Everything that a profile does not allow in a filter: at least one violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(pub(super) Vec<Violation>);

impl Violations {
    /// The violations, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }

    /// The whole filter, corrected; `None` unless it is certain what was meant by each part.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.0.first()?.suggestion()
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Violations {}

/// The first violation, and how many more there are.
impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.0.first() {
            write!(f, "{first}")?;
        }
        match self.0.len() {
            0 | 1 => Ok(()),
            more => write!(f, ", and {} more", more - 1),
        }
    }
}

/// Something in a well-formed filter that its profile does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    pub(super) kind: ViolationKind,
    pub(super) span: Span,
    pub(super) message: Box<str>,
    pub(super) help: Box<str>,
    pub(super) suggestion: Option<Arc<str>>,
}

impl Violation {
    /// What kind of mistake it is.
    #[must_use]
    pub fn kind(&self) -> ViolationKind {
        self.kind
    }

    /// The kind as a stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Where in the text the mistake is.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// How to fix it, in one line.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// The whole filter, with this and all other violations corrected; `None` unless it is certain
    /// what was meant by each. Of very many violations only the first has it.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }
}

kinds! {
    /// The kinds of violation.
    ViolationKind {
        /// An attribute that the profile does not have.
        UnknownAttribute = "filter-unknown-attribute",
        /// An operator that the profile does not have, `pr` included.
        UnsupportedOperator = "filter-unsupported-operator",
        /// `not(…)`.
        UnsupportedNot = "filter-unsupported-not",
        /// `attribute[…]`.
        UnsupportedValuePath = "filter-unsupported-value-path",
        /// A value that is a number, a boolean or null.
        ValueNotAString = "filter-value-not-a-string",
        /// A value that the attribute never takes.
        ValueNotAllowed = "filter-value-not-allowed",
        /// An attribute that does not go with the webhook's event types.
        AttributeNotAllowed = "filter-attribute-not-allowed",
    }
}
