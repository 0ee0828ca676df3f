use crate::diagnostic::{Diagnostic, into_diagnostics};

/// The error for bytes that are not an event.
///
/// It has a kind, an offset and a message. The message ends with the offset, unless the type or the
/// tenant is missing. Only the first error is returned, and malformed JSON is reported before all
/// other errors.
///
/// ```
/// use hooksieve::{event::ErrorKind, filter::Profile};
///
/// let profile = Profile::webhook();
/// let error = profile.read_event(br#"{"type": "a", "type": "b", "tenantid": "t"}"#).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::DuplicateKey);
/// assert_eq!(error.to_string(), "duplicate key `type` at byte 14");
/// assert_eq!(error.offset(), 14);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{place}", message = inner.message, place = self.place())]
pub struct Error {
    /// Boxed, so that a result in the reader is as small as a pointer: it is returned at every
    /// token.
    inner: Box<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    offset: usize,
    message: Box<str>,
}

impl Error {
    /// Makes an error at an offset. Cold: errors are kept out of the reader's code.
    #[cold]
    pub(super) fn new(kind: ErrorKind, offset: usize, message: impl Into<Box<str>>) -> Self {
        Self { inner: Box::new(Inner { kind, offset, message: message.into() }) }
    }

    /// Returns the end of the message. What is missing has no place.
    fn place(&self) -> String {
        match self.inner.kind {
            // The offset would be the end of the input, which says nothing.
            ErrorKind::MissingType | ErrorKind::MissingTenant => String::new(),
            _ => format!(" at byte {}", self.inner.offset),
        }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the offset of the byte at which the error was found.
    ///
    /// For a missing type or tenant, this is the length of the input.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.inner.offset
    }

    /// Returns the error with another offset, for an event that is part of a larger text.
    #[must_use]
    pub fn with_offset(mut self, offset: usize) -> Self {
        self.inner.offset = offset;
        self
    }

    /// Returns what to do about the error.
    fn help(&self) -> &'static str {
        match self.inner.kind {
            ErrorKind::Syntax => "send JSON as RFC 8259 defines it",
            ErrorKind::Utf8 => "encode the event in UTF-8",
            ErrorKind::TooDeep => "nest fewer than 128 objects and arrays",
            ErrorKind::Number => "send a number that fits a 64-bit float, or a string",
            ErrorKind::NotAnObject => "send the event as one JSON object",
            ErrorKind::DuplicateKey => {
                "send each key once: readers of JSON disagree on which one counts"
            }
            ErrorKind::MissingType => {
                "set `type` (CloudEvents 1.0) or `eventType` (legacy) to a string that is not empty"
            }
            ErrorKind::MissingTenant => {
                "set `tenantid` (CloudEvents 1.0) or `extensions.tenantId` (legacy) to a string \
                 that is not empty"
            }
        }
    }
}

into_diagnostics!(Error);

impl From<&Error> for Diagnostic {
    fn from(error: &Error) -> Self {
        Self::error(error.kind().code(), error.to_string(), error.help())
    }
}

/// The kinds of [`Error`], each with a stable [`code`](Self::code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Bytes that are not JSON (RFC 8259).
    Syntax,
    /// Bytes that are not UTF-8.
    Utf8,
    /// Objects and arrays nested 128 levels deep or deeper.
    TooDeep,
    /// A number outside the range of a 64-bit float.
    Number,
    /// A JSON value other than an object.
    NotAnObject,
    /// A duplicate of a key that is read.
    DuplicateKey,
    /// No type, so no webhook could match.
    MissingType,
    /// No tenant, so webhooks of another tenant could match.
    MissingTenant,
}

impl ErrorKind {
    /// Returns the code, which never changes.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "event-syntax",
            Self::Utf8 => "event-utf8",
            Self::TooDeep => "event-too-deep",
            Self::Number => "event-number",
            Self::NotAnObject => "event-not-an-object",
            Self::DuplicateKey => "event-duplicate-key",
            Self::MissingType => "event-missing-type",
            Self::MissingTenant => "event-missing-tenant",
        }
    }

    /// Returns whether the bytes are not well-formed JSON.
    ///
    /// After such an error the end of the event is unknown, so a reader of a larger document must
    /// stop. After any other error it can continue with the next event.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        matches!(self, Self::Syntax | Self::Utf8 | Self::TooDeep | Self::Number)
    }
}
