//! Renders diagnostics as the API's error body.

use super::{Diagnostic, Span};
use serde::Serialize;

/// The body of an error response.
///
/// [`Diagnostics::body`](super::Diagnostics::body) returns it, and describes its members.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorBody<'a> {
    errors: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

/// One error of a body.
#[derive(Clone, Debug, Serialize)]
struct Entry<'a> {
    code: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<&'a str>,
}

impl<'a> ErrorBody<'a> {
    pub(super) fn new(errors: &'a [Diagnostic], trace_id: Option<&'a str>) -> Self {
        Self { errors: errors.iter().map(Entry::of).collect(), trace_id }
    }
}

impl<'a> Entry<'a> {
    fn of(diagnostic: &'a Diagnostic) -> Self {
        let help = diagnostic.help();
        // The API has no member for a place, so it follows the help, in words.
        let line = diagnostic.line().map(|line| format!("line {line}"));
        let pointer = Some(diagnostic.pointer()).filter(|pointer| !pointer.is_empty());
        let bytes = |Span { start, end }| format!("bytes {start} to {end}");
        let places = [line, pointer.map(str::to_owned), diagnostic.span().map(bytes)];
        let places: Vec<_> = places.into_iter().flatten().collect();
        let detail = match places.is_empty() {
            true => help.to_owned(),
            false => format!("{help} (at {})", places.join(", ")),
        };
        let (code, title) = (diagnostic.code(), diagnostic.message());
        Self { code, title, detail, suggestion: diagnostic.suggestion() }
    }
}
