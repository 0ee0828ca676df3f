use super::{Diagnostic, ErrorBody};
use http::StatusCode;
use serde::Serialize;
use std::fmt;

/// Everything that is wrong with a request or a filter: at least one diagnostic, in the order in
/// which it was found.
///
/// The first [`MAX`](Self::MAX) are listed, so that a small request cannot ask for an answer many
/// times its size; a last one with the code `more-problems` says how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    count: usize,
}

impl Diagnostics {
    /// How many diagnostics are listed one by one.
    pub const MAX: usize = 1000;

    /// Those of a list, which has at least one, and how many more there are.
    pub(crate) fn all(list: Vec<Diagnostic>, more: usize) -> Self {
        Found { list, more, lookups: 0 }.into_diagnostics()
    }

    /// The suggestion of the first diagnostic: of a filter's, the whole filter with all of them
    /// corrected.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        self.list.first().and_then(Diagnostic::suggestion)
    }

    /// How many there are, including those that are not listed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The diagnostics that are listed.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.list
    }

    /// The diagnostics that are listed.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// The HTTP status of an answer with these errors: that of the first.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.list.first().map_or(StatusCode::BAD_REQUEST, Diagnostic::status)
    }

    /// The API's error body: `{"errors":[{"code","title","detail"}],"traceId"}`.
    ///
    /// `detail` says what to do, and where, since the API's shape has no member for the place.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, Rules};
    ///
    /// let draft = WebhookDocument::read(br#"{"name": "", "url": "https://hooks.example.com"}"#)?;
    /// let errors = Rules::default().check(&draft).into_result().unwrap_err();
    /// assert_eq!(serde_json::to_string(&errors.body(Some("trace-1"))).unwrap(), concat!(
    ///     r#"{"errors":[{"code":"member-too-short","title":"`name` is empty","#,
    ///     r#""detail":"give it 1 to 512 characters (at /name)"}],"traceId":"trace-1"}"#
    /// ));
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn body<'a>(&'a self, trace_id: Option<&'a str>) -> impl Serialize + 'a {
        ErrorBody::new(&self.list, trace_id)
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

/// The first diagnostic, and how many more there are.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.list.first() {
            write!(f, "{first}")?;
        }
        match self.count {
            0 | 1 => Ok(()),
            more => write!(f, ", and {} more", more - 1),
        }
    }
}

/// Diagnostics while they are found: keeps the first [`Diagnostics::MAX`] and counts the others.
pub(crate) struct Found {
    list: Vec<Diagnostic>,
    more: usize,
    /// How many more unknown names are compared with the known ones, which is expensive.
    lookups: usize,
}

impl Default for Found {
    fn default() -> Self {
        Self { list: Vec::new(), more: 0, lookups: 16 }
    }
}

impl Found {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < Diagnostics::MAX {
            self.list.push(diagnostic);
        } else {
            self.more += 1;
        }
    }

    /// Adds all errors of a part, each as `each` makes it.
    pub(crate) fn extend(&mut self, errors: Diagnostics, each: impl Fn(Diagnostic) -> Diagnostic) {
        self.more += errors.count.saturating_sub(Diagnostics::MAX);
        let listed = errors.list.into_iter().take(Diagnostics::MAX);
        listed.for_each(|error| self.push(each(error)));
    }

    /// Looks up the known name that an unknown one is a misspelling of, for the first few of a
    /// request.
    pub(crate) fn suggest<'n>(
        &mut self,
        nearest: impl FnOnce() -> Option<&'n str>,
    ) -> Option<&'n str> {
        self.lookups = self.lookups.checked_sub(1)?;
        nearest()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn append(&mut self, other: Self) {
        other.list.into_iter().for_each(|diagnostic| self.push(diagnostic));
        self.more += other.more;
    }

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

    /// All that was found, as warnings.
    pub(crate) fn into_warnings(self) -> Vec<Diagnostic> {
        self.into_list().into_iter().map(Diagnostic::into_warning).collect()
    }

    /// All that was found, which is at least one.
    pub(crate) fn into_diagnostics(self) -> Diagnostics {
        debug_assert!(!self.is_empty(), "errors are reported only if there are any");
        let count = self.list.len() + self.more;
        Diagnostics { count, list: self.into_list() }
    }
}
