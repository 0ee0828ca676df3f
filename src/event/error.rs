use crate::diagnostic::Diagnostic;

/// Why bytes are not an event: one kind, the byte it was found at, and what to do.
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
    /// In one pointer, since a reader hands out results at every step.
    inner: Box<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    offset: usize,
    message: Box<str>,
}

impl Error {
    #[cold]
    pub(super) fn new(kind: ErrorKind, offset: usize, message: impl Into<Box<str>>) -> Self {
        Self { inner: Box::new(Inner { kind, offset, message: message.into() }) }
    }

    /// What is missing is missing from the whole.
    fn place(&self) -> String {
        match self.inner.kind {
            ErrorKind::MissingType | ErrorKind::MissingTenant => String::new(),
            _ => format!(" at byte {}", self.inner.offset),
        }
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The byte at which the mistake was found; the length of the input for what is missing.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.inner.offset
    }

    fn help(&self) -> &'static str {
        match self.inner.kind {
            ErrorKind::Syntax => "send JSON as RFC 8259 defines it",
            ErrorKind::Utf8 => "encode the event in UTF-8",
            ErrorKind::TooDeep => "nest fewer than 128 objects and arrays",
            ErrorKind::Number => "send a number that fits a 64-bit float, or a string",
            ErrorKind::NotAnObject => "send the event as one JSON object",
            ErrorKind::DuplicateKey => "send each key once: readers disagree on which one counts",
            ErrorKind::MissingType => {
                "set `type` (CloudEvents 1.0) or `eventType` (legacy) to a string that is not empty"
            }
            ErrorKind::MissingTenant => {
                "set `tenantid` (CloudEvents 1.0) or `extensions.tenantId` (legacy) to a string that is not empty"
            }
        }
    }
}

impl From<&Error> for Diagnostic {
    fn from(error: &Error) -> Self {
        Self::error(error.kind().code(), error.to_string(), error.help())
    }
}

/// The kinds of event error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not JSON.
    Syntax,
    /// Not UTF-8.
    Utf8,
    /// Objects and arrays nested 128 deep or deeper.
    TooDeep,
    /// A number out of the range of a 64-bit float.
    Number,
    /// JSON, but not an object.
    NotAnObject,
    /// A key that is read stands twice in its object.
    DuplicateKey,
    /// No type, so it could be matched to nobody.
    MissingType,
    /// No tenant, so it could be matched to the wrong ones.
    MissingTenant,
}

impl ErrorKind {
    /// The kind as a stable word.
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

    /// Whether the bytes are no well-formed JSON, so that what follows them in a larger document
    /// cannot be trusted either.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        matches!(self, Self::Syntax | Self::Utf8 | Self::TooDeep | Self::Number)
    }
}
