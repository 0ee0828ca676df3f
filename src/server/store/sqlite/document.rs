//! Takes the body of an event out of the document of a delivery, and puts it back.
//!
//! A delivery mostly sent the bytes of its event, and its document has them as a JSON string. The
//! event is stored anyway, and is kept as long as its deliveries. So the string is not stored again:
//!
//! ```text
//! event       {"type":"x"}
//! document    {"id":"d1","request":{"url":"…","body":"{\"type\":\"x\"}","headers":{}},…}
//! stored      {"id":"d1","request":{"url":"…","body":,"headers":{}},…}
//!                                                     ▲ cut
//! ```
//!
//! The string is searched as bytes. Wherever it is found, putting it back makes the same document, so
//! that nothing needs to be known about the document.

use memchr::memmem;
use std::borrow::Cow;

/// The place of a body in a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: usize,
    length: usize,
}

impl Place {
    /// Finds the first JSON string of a body in a document.
    pub(super) fn find(document: &[u8], body: &[u8]) -> Option<Self> {
        // A document that is shorter has no string of the body.
        if document.len() < body.len() {
            return None;
        }
        let string = json(body)?;
        let at = memmem::find(document, &string)?;
        Some(Self { at, length: string.len() })
    }

    /// Returns where the body is put back.
    pub(super) fn at(self) -> i64 {
        super::write::count(self.at)
    }

    /// Returns the document without the body.
    pub(super) fn cut(self, document: &[u8]) -> Cow<'_, [u8]> {
        let (before, rest) = document.split_at(self.at);
        let (_, after) = rest.split_at(self.length);
        [before, after].concat().into()
    }
}

/// Returns a document with the body put back; `None` if the place is outside of the document, or the
/// body is not UTF-8.
pub(super) fn join(document: &[u8], at: i64, body: &[u8]) -> Option<Vec<u8>> {
    let (before, after) = document.split_at_checked(usize::try_from(at).ok()?)?;
    Some([before, &json(body)?, after].concat())
}

/// Returns a body as a JSON string; `None` if it is not UTF-8.
fn json(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::to_vec(text).ok()
}
