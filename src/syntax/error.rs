//! The parser's error, and how it becomes a [`Diagnostic`].
//!
//! # From an error to a diagnostic
//!
//! ```text
//! parse ──▶ diagnose ──▶ Error { kind, span, expected, message, help }
//!                          │
//!             suggesting   ▼    adds a suggestion, and the message for its cause
//!                        Error { …, suggestion, advice }
//!                          │
//!             filter       ▼    may replace the help by one in the profile's words
//!                        Error ──▶ Diagnostic
//! ```
//!
//! The parser knows the grammar, and not the profile: for `type co "x"` it has no error at all, and
//! for `type == "x"` it cannot say which operators the profile has. So the error keeps what the
//! `filter` module decides by, as data: [`ErrorKind`], [`Expected`] and the operator that was
//! [`meant`](Error::meant). Nothing is decided by the text of a message.
//!
//! # Kinds and codes
//!
//! Each kind has one code, which is stable, so programs may depend on it. Several messages may have
//! the same kind: "expected a term after `and`" and "expected a term before `or`" are both
//! `filter-missing-operand`.

use super::CompareOp;
use crate::diagnostic::Span;
use crate::diagnostic::{Diagnostic, kinds};
use std::fmt::{self, Display};

/// A syntax error, as the parser reports it to the [`filter`](crate::filter) module. Callers get the
/// [`Diagnostic`] it converts into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Error {
    pub(super) kind: ErrorKind,
    pub(super) span: Span,
    pub(super) expected: Expected,
    pub(super) message: Box<str>,
    pub(super) help: Box<str>,
    /// Advice that follows the help.
    pub(super) advice: Option<&'static str>,
    pub(super) suggestion: Option<Box<str>>,
    /// The operator of SCIM that the author meant by one of another language.
    pub(super) meant: Option<CompareOp>,
}

impl Error {
    /// The kind of error.
    #[must_use]
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The place of the error in the text.
    #[must_use]
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// What the parser accepts at that place.
    #[must_use]
    pub(crate) fn expected(&self) -> Expected {
        self.expected
    }

    /// The same error with another help.
    pub(crate) fn with_help(self, help: impl Into<Box<str>>) -> Self {
        Self { help: help.into(), ..self }
    }

    /// The same error as one about an invalid path.
    pub(crate) fn about_path(
        self,
        start: usize,
        end: usize,
        message: String,
        help: String,
    ) -> Self {
        let span = Span::new(start, end);
        Expected::Operand.error(ErrorKind::InvalidPath, span, message, help)
    }

    pub(crate) fn help(&self) -> &str {
        &self.help
    }

    /// The whole filter, corrected; `None` unless the meaning is certain.
    pub(crate) fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }

    /// The operator of SCIM that the author meant by one of another language.
    pub(crate) fn meant(&self) -> Option<CompareOp> {
        self.meant
    }
}

impl Error {
    /// The error for a text that is longer than the limit; its span is what is too much.
    pub(super) fn too_long(text: &str, max: usize) -> Self {
        // Only a text that is too long can exceed the 4 GiB of a span, whose end is then cut.
        // The start is at most a ceiling of 16 MiB. It is a character boundary, since the text is
        // quoted from there.
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span { start: clamp(text.floor_char_boundary(max)), end: clamp(text.len()) };
        let message = format!("filter is longer than {max} bytes");
        Self::too_large(
            ErrorKind::TooLong,
            span,
            message,
            "make it shorter, or split it into several filters",
        )
    }

    /// The error for the bracket that exceeds the limit of depth.
    pub(super) fn too_deep(bracket: Span, max: usize) -> Self {
        let message = format!("brackets are nested more than {max} levels deep");
        let help = "remove redundant brackets: `and` binds tighter than `or`";
        Self::too_large(ErrorKind::TooDeep, bracket, message, help)
    }

    /// The error for the term that exceeds the limit of terms.
    pub(super) fn too_many_terms(term: Span, max: usize) -> Self {
        let message = format!("filter has more than {max} terms");
        let help = "use fewer terms, or split it into several filters";
        Self::too_large(ErrorKind::TooManyTerms, term, message, help)
    }

    fn too_large(kind: ErrorKind, span: Span, message: String, help: &str) -> Self {
        Expected::Less.error(kind, span, message, help)
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self::error(error.kind.code(), error.message, error.help)
            .with_span(error.span)
            .with_expected(error.expected.to_string())
            .with_suggestion(error.suggestion)
    }
}

kinds! {
    /// The kinds of syntax error.
    pub(crate) ErrorKind {
        /// Nothing but white space.
        Empty = "filter-empty",
        /// More bytes than [`Limits`](super::Limits) allow.
        TooLong = "filter-too-long",
        /// Brackets are nested deeper than [`Limits`](super::Limits) allow.
        TooDeep = "filter-too-deep",
        /// More terms than [`Limits`](super::Limits) allow.
        TooManyTerms = "filter-too-many-terms",
        /// A term is missing.
        MissingOperand = "filter-missing-operand",
        /// An attribute path was expected.
        InvalidPath = "filter-invalid-path",
        /// An attribute without an operator.
        MissingOperator = "filter-missing-operator",
        /// An operator was expected, and another word found.
        UnknownOperator = "filter-unknown-operator",
        /// A symbol such as `==` or `&&` in place of a word.
        SymbolicOperator = "filter-symbolic-operator",
        /// An operator without a value.
        MissingValue = "filter-missing-value",
        /// A string without its quotes.
        UnquotedValue = "filter-unquoted-value",
        /// Quotes other than `"`.
        WrongQuotes = "filter-wrong-quotes",
        /// A number that JSON does not allow, such as `01`.
        InvalidNumber = "filter-invalid-number",
        /// `true`, `false` or `null` in upper or mixed case.
        InvalidLiteral = "filter-invalid-literal",
        /// A string without its closing quote.
        UnclosedString = "filter-unclosed-string",
        /// An escape that JSON does not allow.
        InvalidEscape = "filter-invalid-escape",
        /// Half of a surrogate pair.
        LoneSurrogate = "filter-lone-surrogate",
        /// A raw control character inside a string.
        ControlCharacter = "filter-control-character",
        /// Two terms without `and` or `or` between them.
        MissingConnective = "filter-missing-connective",
        /// White space is missing before or after a word.
        MissingSpace = "filter-missing-space",
        /// A bracket that is never closed.
        UnclosedBracket = "filter-unclosed-bracket",
        /// A closing bracket without its opening one, or of the other kind.
        UnopenedBracket = "filter-unopened-bracket",
        /// `not` without brackets around what it negates.
        NotWithoutBrackets = "filter-not-without-brackets",
        /// A value path whose whole filter is another value path.
        NestedValuePath = "filter-nested-value-path",
    }
}

/// What the parser accepts at the place of an error. `Display` is for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Expected {
    /// A term, or a bracket that begins one.
    Operand,
    /// A comparison operator or `pr`.
    Operator,
    /// A JSON literal.
    Value,
    /// The rest of a JSON string.
    StringEnd,
    /// One of JSON's escapes.
    Escape,
    /// `and`, `or`, or the end of the filter or group.
    Connective,
    /// `)` or `]`.
    Closing(char),
    /// White space.
    Space,
    /// `(` after `not`.
    Bracket,
    /// A smaller filter.
    Less,
}

impl Expected {
    /// Returns the error for a place where this was expected.
    pub(super) fn error(
        self,
        kind: ErrorKind,
        span: Span,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) -> Error {
        Error {
            kind,
            span,
            expected: self,
            message: message.into(),
            help: help.into(),
            advice: None,
            suggestion: None,
            meant: None,
        }
    }
}

impl Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operand => f.write_str("an attribute, `not(` or `(`"),
            Self::Operator => {
                write!(f, "an operator: {}", operators())
            }
            Self::Value => f.write_str("a string in double quotes, a number, true, false or null"),
            Self::StringEnd => f.write_str("a closing `\"`"),
            Self::Escape => f.write_str(r#"one of \" \\ \/ \b \f \n \r \t \uXXXX"#),
            Self::Connective => f.write_str("`and`, `or` or end of filter"),
            Self::Closing(bracket) => write!(f, "`{bracket}`"),
            Self::Space => f.write_str("white space"),
            Self::Bracket => f.write_str("`(`"),
            Self::Less => f.write_str("a smaller filter"),
        }
    }
}

/// All operators, for a message.
pub(super) fn operators() -> String {
    let words: Vec<_> = CompareOp::ALL.iter().map(|operator| operator.keyword()).collect();
    format!("{}, pr", words.join(", "))
}
