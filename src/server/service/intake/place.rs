//! Where an event is in a request, for errors: what is wrong is shown in what the producer sent.
//!
//! | place | an error has |
//! | --- | --- |
//! | the body | the byte in its title |
//! | an item of an array | `pointer`, such as `/3`, and the byte of the body |
//! | a line | `line`, counted with the blank ones, and the byte of the body |
//! | headers and body (binary mode) | the name of the header, or the byte of the body |

use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::{Error, ErrorKind};

/// Where an event is in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the body.
    Body,
    /// It is an item of an array.
    Item {
        /// The position, counted from 0.
        index: usize,
        /// The offset in the body.
        offset: usize,
    },
    /// It is on a line.
    Line {
        /// The number of the line, counted from 1.
        number: usize,
        /// The offset in the body.
        offset: usize,
    },
    /// Its attributes are headers, and its data is the body.
    Headers {
        /// The offset of the data in the event.
        data: usize,
        /// The offset of the data in the body.
        offset: usize,
    },
    /// As `Headers`, with data that the event has in Base64.
    Base64,
}

impl Place {
    /// Returns the diagnostic for an event that cannot be read.
    pub(super) fn unread(self, error: Error) -> Diagnostic {
        let at = error.offset();
        let in_body = match self {
            Self::Body | Self::Base64 => at,
            Self::Item { offset, .. } | Self::Line { offset, .. } => at + offset,
            Self::Headers { data, offset } => at.saturating_sub(data) + offset,
        };
        let header = match error.kind() {
            ErrorKind::MissingType => "set the header `ce-type` to a text that is not empty",
            ErrorKind::MissingTenant => "set the header `ce-tenantid` to a text that is not empty",
            _ => return error.with_offset(in_body).into(),
        };
        match self.is_binary() {
            true => Diagnostic::error(error.kind().code(), error.to_string(), header),
            false => error.into(),
        }
    }

    /// Returns the name of an attribute as it was sent.
    pub(super) fn attribute(self, header: &'static str, name: &'static str) -> &'static str {
        if self.is_binary() { header } else { name }
    }

    /// Returns the diagnostic with the place of the event.
    pub(super) fn locate(self, error: Diagnostic) -> Diagnostic {
        match self {
            Self::Item { index, .. } => error.with_pointer(format!("/{index}")),
            Self::Line { number, .. } => error.with_line(number),
            Self::Body | Self::Headers { .. } | Self::Base64 => error,
        }
    }

    fn is_binary(self) -> bool {
        matches!(self, Self::Headers { .. } | Self::Base64)
    }
}
