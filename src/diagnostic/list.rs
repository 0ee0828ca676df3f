//! Lists of diagnostics: the public one, and the one that checks fill.
//!
//! A small request can contain millions of errors, so [`Found`] keeps the first
//! [`Diagnostics::MAX`] and only counts the others. It also limits the look-ups of similar names:
//! each compares a name with all known ones, which is expensive.
//!
//! # Example
//!
//! A query with 5,000 unknown parameters:
//!
//! ```text
//! Found          list: 1,000 diagnostics      more: 4,000      look-ups left: 0
//! Diagnostics    the same 1,000, then `more-problems`: there are 4000 more problems
//! count()        5,000
//! suggestions    on the first 16 of them only
//! ```

use super::{Diagnostic, ErrorBody};
use http::StatusCode;
use serde::Serialize;
use std::fmt;

/// The diagnostics of one request or filter, in the order in which they were found.
///
/// The list is never empty. It has the first [`MAX`](Self::MAX) diagnostics, so that a small
/// request cannot cause a huge response. If there are more, one more entry with the code
/// `more-problems` says how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    count: usize,
}

impl Diagnostics {
    /// The maximum number of diagnostics that are listed one by one.
    pub const MAX: usize = 1000;

    /// Creates the list from at least one diagnostic, and the number of those that are not in it.
    pub(crate) fn all(list: Vec<Diagnostic>, more: usize) -> Self {
        // Nothing is looked up in a finished list.
        Found { list, more, lookups: 0 }.into_diagnostics()
    }

    /// Returns the suggestion of the first diagnostic.
    ///
    /// For a filter, it is the whole filter with all errors corrected.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.first().suggestion()
    }

    /// Returns the number of diagnostics, including those that are not listed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the diagnostics that are listed.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Returns the first diagnostic; every list has one.
    #[expect(clippy::expect_used, reason = "both constructors fill the list")]
    fn first(&self) -> &Diagnostic {
        self.list.first().expect("a list has at least one diagnostic")
    }

    /// Returns an iterator over the diagnostics that are listed.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Returns the same errors, each with a place in a document, as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn with_pointer(mut self, pointer: &str) -> Self {
        self.list = self.list.into_iter().map(|error| error.with_pointer(pointer)).collect();
        self
    }

    /// Returns the HTTP status for a response with these errors: the status of the first.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.first().status()
    }

    /// Returns the error body of the webhooks API, to be serialized.
    ///
    /// It is `{"errors":[{"code","title","detail","suggestion"}],"traceId"}`. `title` is the
    /// message. `detail` is the help, followed by the place, for which the API has no member.
    /// `detail`, `suggestion` and `traceId` are left out if they are empty or absent.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, Rules};
    ///
    /// let text = br#"{"name": "", "url": "https://hooks.example.com"}"#;
    /// let document = WebhookDocument::read(text)?;
    /// let errors = Rules::default().check(&document).into_result().unwrap_err();
    /// assert_eq!(serde_json::to_string(&errors.body_with_trace("trace-1")).unwrap(), concat!(
    ///     r#"{"errors":[{"code":"member-too-short","title":"`name` is empty","#,
    ///     r#""detail":"give it 1 to 512 characters (at /name)"}],"traceId":"trace-1"}"#
    /// ));
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn body(&self) -> impl Serialize + '_ {
        ErrorBody::new(&self.list, None)
    }

    /// Returns the same body with a `traceId`, the id under which the server logged the request.
    #[must_use]
    pub fn body_with_trace<'a>(&'a self, trace_id: &'a str) -> impl Serialize + 'a {
        ErrorBody::new(&self.list, Some(trace_id))
    }
}

/// Implements the conversions of error types into one diagnostic and into a list of one, so that
/// `?` converts them.
macro_rules! into_diagnostics {
    ($($error:ty),+) => {$(
        impl From<$error> for $crate::diagnostic::Diagnostic {
            fn from(error: $error) -> Self {
                Self::from(&error)
            }
        }

        impl From<$error> for $crate::diagnostic::Diagnostics {
            fn from(error: $error) -> Self {
                $crate::diagnostic::Diagnostic::from(&error).into()
            }
        }
    )+};
}

pub(crate) use into_diagnostics;

impl From<std::convert::Infallible> for Diagnostics {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { list: vec![diagnostic], count: 1 }
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Diagnostics {}

/// Writes the first diagnostic and the number of others.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first())?;
        match self.count {
            1 => Ok(()),
            more => write!(f, ", and {} more", more - 1),
        }
    }
}

/// Collects diagnostics: keeps the first [`Diagnostics::MAX`] and counts the others.
pub(crate) struct Found {
    list: Vec<Diagnostic>,
    more: usize,
    /// How many more unknown names may be compared with the known ones.
    lookups: usize,
}

impl Default for Found {
    fn default() -> Self {
        Self { list: Vec::new(), more: 0, lookups: 16 }
    }
}

impl Found {
    /// Adds one diagnostic.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        // Found errors stay in order, so the ones that are kept are the first of the document.
        if self.list.len() < Diagnostics::MAX {
            self.list.push(diagnostic);
        } else {
            self.more += 1;
        }
    }

    /// Adds all errors of a part, each changed by `each`.
    pub(crate) fn extend(&mut self, errors: Diagnostics, each: impl Fn(Diagnostic) -> Diagnostic) {
        // The last entry of a full list only counts others, so the entries are taken and its number
        // is added.
        self.more += errors.count.saturating_sub(Diagnostics::MAX);
        let listed = errors.list.into_iter().take(Diagnostics::MAX);
        listed.for_each(|error| self.push(each(error)));
    }

    /// Calls `nearest` to find the known name that an unknown one misspells.
    ///
    /// After the first few calls for a request, it returns `None` without calling it.
    pub(crate) fn suggest<'n>(
        &mut self,
        nearest: impl FnOnce() -> Option<&'n str>,
    ) -> Option<&'n str> {
        // Counted even if nothing is found: the comparison is what costs.
        self.lookups = self.lookups.checked_sub(1)?;
        nearest()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds everything that another collector found.
    pub(crate) fn append(&mut self, other: Self) {
        other.list.into_iter().for_each(|diagnostic| self.push(diagnostic));
        self.more += other.more;
    }

    /// Returns the list, with a last entry for the diagnostics that are only counted.
    fn into_list(self) -> Vec<Diagnostic> {
        let Self { mut list, more, .. } = self;
        if more > 0 {
            let message = match more {
                1 => "there is 1 more problem".to_owned(),
                _ => format!("there are {more} more problems"),
            };
            list.push(Diagnostic::error("more-problems", message, "fix the problems above first"));
        }
        list
    }

    /// Returns everything that was found as warnings.
    pub(crate) fn into_warnings(self) -> Vec<Diagnostic> {
        self.into_list().into_iter().map(Diagnostic::into_warning).collect()
    }

    /// Returns everything that was found; there must be at least one diagnostic.
    pub(crate) fn into_diagnostics(self) -> Diagnostics {
        debug_assert!(!self.is_empty(), "there is at least one diagnostic");
        // Before the entry for the others is added, which is not one of them.
        let count = self.list.len() + self.more;
        Diagnostics { count, list: self.into_list() }
    }
}
