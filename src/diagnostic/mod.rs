//! Diagnostics: what is wrong with a user's text, where, and what to do about it.
//!
//! Every error and warning that a person acts on is a [`Diagnostic`], regardless of the module that
//! finds it: a syntax error in a filter, an invalid URL of a webhook, a malformed event, a damaged
//! snapshot, an unknown list parameter. [`Diagnostics`] is the list of them for one request. Other
//! error types exist only where a caller branches on a kind.
//!
//! A diagnostic has three forms: `Display` writes the message in one line, `Serialize` writes JSON
//! for programs, and [`Diagnostics::body`] returns the error body of the webhooks API.
//!
//! ```
//! use hooksieve::filter::Profile;
//!
//! let errors = Profile::webhook().filter("id eq id123").unwrap_err();
//! let error = &errors.as_slice()[0];
//! assert_eq!(error.code(), "filter-unquoted-value");
//! assert_eq!(error.to_string(), "value `id123` is not in double quotes");
//! assert_eq!(error.span().map(|span| span.range()), Some(6..11));
//! assert_eq!(error.suggestion(), Some(r#"id eq "id123""#));
//! ```
//!
//! # Parts of a diagnostic
//!
//! ```text
//! severity  code                   message
//! error     filter-unquoted-value  value `id123` is not in double quotes
//!   pointer /filter                where in the document
//!   span    6..11                  where in the filter's text
//!   help    write `id eq "id123"`  what to do
//!   suggestion  id eq "id123"      the whole text, corrected; only if it is certain
//! ```
//!
//! The place is found in steps: the filter knows the span, the webhook adds the pointer, and the
//! reader of a snapshot adds the line. Each adds only what it knows.

mod body;
mod kinds;
mod list;
pub(crate) mod nearest;
mod parts;
mod text;

use body::ErrorBody;
pub(crate) use kinds::kinds;
pub use list::Diagnostics;
pub(crate) use list::{Found, into_diagnostics};
pub(crate) use parts::Parts;
pub(crate) use text::quote;
pub use text::{excerpt, is_misleading};

use http::StatusCode;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use std::fmt;
use std::ops::Range;

/// A half-open range of bytes in a filter's text. Both ends are character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The offset of the first byte.
    pub start: u32,
    /// The offset after the last byte; equal to `start` for a place between two characters.
    pub end: u32,
}

impl Span {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "texts have at most `Limits::MAX_BYTES`")]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        // Texts are checked against their limit before anything has a span.
        debug_assert!(start <= end && u32::try_from(end).is_ok(), "a span is in a text");
        Self { start: start as u32, end: end as u32 }
    }

    /// Returns the span as a range, to slice the text it belongs to.
    ///
    /// ```
    /// let text = r#"id eq "x""#;
    /// let expr = hooksieve::syntax::Expr::parse(text)?;
    /// assert_eq!(&text[expr.root().value_span().range()], r#""x""#);
    /// # Ok::<(), hooksieve::diagnostic::Diagnostic>(())
    /// ```
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Whether the text or document with the diagnostic is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It is refused.
    Error,
    /// It is accepted, but probably unintended.
    Warning,
}

/// One error or warning about a text or a document.
///
/// The code is a stable word for programs. Message and help are for people, one line of English
/// each, and may change between versions. Where this crate quotes user text in them, it shortens
/// the text, escapes control characters, and never quotes a secret. The type is one pointer wide,
/// so a `Result` with it stays small.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostic(Box<Inner>);

/// The members of a diagnostic, in the box that it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    code: &'static str,
    severity: Severity,
    message: Box<str>,
    help: Box<str>,
    suggestion: Option<Box<str>>,
    expected: Option<Box<str>>,
    line: Option<usize>,
    pointer: Option<Box<str>>,
    span: Option<Span>,
    status: StatusCode,
}

impl Diagnostic {
    /// Creates an error with a code, a message and a help text, which may be empty.
    ///
    /// The message says what is wrong, the help what to do. The HTTP status is 400 unless
    /// [`with_status`](Self::with_status) sets another one.
    ///
    /// ```
    /// use hooksieve::diagnostic::Diagnostic;
    ///
    /// let error = Diagnostic::error("not-found", "no such webhook", "").with_pointer("/id");
    /// assert_eq!(serde_json::to_string(&error).unwrap(),
    ///     r#"{"code":"not-found","title":"no such webhook","detail":"","pointer":"/id"}"#);
    /// ```
    #[must_use]
    #[cold]
    pub fn error(
        code: &'static str,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) -> Self {
        Self::new(Severity::Error, code, message.into(), help.into())
    }

    /// Creates a warning, with the same arguments as [`error`](Self::error).
    #[must_use]
    #[cold]
    pub fn warning(
        code: &'static str,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) -> Self {
        Self::new(Severity::Warning, code, message.into(), help.into())
    }

    fn new(severity: Severity, code: &'static str, message: Box<str>, help: Box<str>) -> Self {
        // Boxed, so that a `Result` is not larger for an error that rarely occurs.
        Self(Box::new(Inner {
            code,
            severity,
            message,
            help,
            suggestion: None,
            expected: None,
            line: None,
            pointer: None,
            span: None,
            status: StatusCode::BAD_REQUEST,
        }))
    }

    /// Sets the line in a file, counted from 1.
    #[must_use]
    pub fn with_line(mut self, line: usize) -> Self {
        self.0.line = Some(line);
        self
    }

    /// Sets the place in a document, as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn with_pointer(mut self, pointer: impl Into<Box<str>>) -> Self {
        self.0.pointer = Some(pointer.into());
        self
    }

    /// Sets the place in a filter's text.
    #[must_use]
    pub fn with_span(mut self, span: Span) -> Self {
        self.0.span = Some(span);
        self
    }

    /// Sets the HTTP status for a response with this error.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Sets what could occur in the place of a syntax error.
    pub(crate) fn with_expected(mut self, expected: impl Into<Box<str>>) -> Self {
        self.0.expected = Some(expected.into());
        self
    }

    /// Sets the corrected text, if there is one.
    pub(crate) fn with_suggestion(mut self, suggestion: Option<impl Into<Box<str>>>) -> Self {
        self.0.suggestion = suggestion.map(Into::into);
        self
    }

    /// Sets the corrected text.
    pub(crate) fn set_suggestion(&mut self, suggestion: impl Into<Box<str>>) {
        self.0.suggestion = Some(suggestion.into());
    }

    /// Replaces the help.
    pub(crate) fn set_help(&mut self, help: impl Into<Box<str>>) {
        self.0.help = help.into();
    }

    /// Turns the diagnostic into a warning.
    #[must_use]
    pub fn into_warning(mut self) -> Self {
        self.0.severity = Severity::Warning;
        self
    }

    /// Returns the code, a stable word such as `filter-unquoted-value`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Returns whether it is an error or a warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// Returns what is wrong, in one line. `Display` writes the same.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns what to do, in one line; it may be empty.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.0.help
    }

    /// Returns the corrected text, such as the whole filter or the whole URL.
    ///
    /// It replaces the text at [`pointer`](Self::pointer). It is accepted, and means what the
    /// author most likely meant; if that is in doubt, there is no suggestion.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.0.suggestion.as_deref()
    }

    /// Returns what a syntax error expected, such as `` `and`, `or` or end of filter ``.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        self.0.expected.as_deref()
    }

    /// Returns the line in a file, counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    /// Returns the place in a document, as a JSON pointer (RFC 6901).
    ///
    /// It points into the webhook's document, or into the patch for codes that begin with `patch-`.
    /// For codes that begin with `list-`, it is a slash and the parameter's name. A missing member
    /// has the pointer that it would have. The pointer is empty for the whole document, and for a
    /// text of its own, such as a filter on the command line.
    #[must_use]
    pub fn pointer(&self) -> &str {
        // A diagnostic without a pointer is about the whole document.
        self.0.pointer.as_deref().unwrap_or("")
    }

    /// Returns the HTTP status for a response with this error.
    ///
    /// It is 400 unless another one was set, such as 403 if a limit is reached, 404 if the webhook
    /// does not exist, or 500 if the cause is in the server.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the place in a filter's text.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Diagnostic {}

/// Writes an object with `code`, `title` (the message) and `detail` (the help).
///
/// `line`, `pointer`, `start` and `end` (the span in bytes) and `suggestion` follow if they are
/// known. The severity, the status and what was expected are not written.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = &*self.0;
        // Members that are unknown are left out, so that a program can ask for them by their
        // presence.
        let mut members = serializer.serialize_struct("Diagnostic", 8)?;
        members.serialize_field("code", inner.code)?;
        // `title` and `detail` are the words of the API's error body.
        members.serialize_field("title", &inner.message)?;
        members.serialize_field("detail", &inner.help)?;
        if let Some(line) = inner.line {
            members.serialize_field("line", &line)?;
        }
        if let Some(pointer) = &inner.pointer {
            members.serialize_field("pointer", pointer)?;
        }
        if let Some(Span { start, end }) = inner.span {
            members.serialize_field("start", &start)?;
            members.serialize_field("end", &end)?;
        }
        if let Some(suggestion) = &inner.suggestion {
            members.serialize_field("suggestion", suggestion)?;
        }
        members.end()
    }
}
