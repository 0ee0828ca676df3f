//! Reads the documents of a file of webhooks: an array, `{"data": […]}`, NDJSON, or a single one.
//!
//! # The forms
//!
//! ```text
//! [{"id": "a"}, {"id": "b"}]                an array
//! {"data": [{"id": "a"}, {"id": "b"}]}      a page of the API's listing
//! {"id": "a"}                               NDJSON: one document per line
//! {"id": "b"}
//! {                                         a single document, also on several lines
//!   "id": "a"
//! }
//! ```
//!
//! No option names the form; the text shows it. The whole text is JSON in all forms but NDJSON. If
//! it is not JSON, it is either NDJSON or damaged, and [`are_lines`] decides: a first line that
//! cannot go on in the second one is a document of its own. The message about a damaged text
//! depends on that, since in NDJSON the error is in one line and the others are still read.
//!
//! # Lines
//!
//! Each document has the line where it begins, for messages. Documents are slices of the text, so
//! the lines before them are counted in the text between one and the next. Each byte is counted
//! once.

use crate::cli::Failure;
use crate::cli::input::MAX_TOTAL;
use crate::cli::input::events::Nesting;
use crate::cli::input::json_error::JsonError;
use crate::cli::output::quote;
use crate::cli::output::report::Finding;
use hooksieve::diagnostic::Diagnostic;
use hooksieve::webhook::WebhookDocument;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::path::Path;

pub(crate) struct Items {
    /// The file's name, for messages.
    pub(crate) name: String,
    pub(crate) list: Vec<Item>,
    /// Whether the file as a whole is malformed; the last item has the error.
    pub(crate) broken: bool,
}

/// A document of a file.
pub(crate) struct Item {
    pub(crate) line: usize,
    pub(crate) document: Result<WebhookDocument, Malformed>,
}

/// The error for text that is not a document.
pub(crate) struct Malformed(Diagnostic);

impl Malformed {
    pub(crate) fn new(code: &'static str, message: &str, help: &'static str) -> Self {
        Self(Diagnostic::error(code, message, help).with_pointer(""))
    }

    pub(crate) fn diagnostic(&self) -> &Diagnostic {
        &self.0
    }

    /// Describes text that is not JSON. `column` is the number of bytes before it on its first
    /// line.
    pub(crate) fn json(
        code: &'static str,
        text: &[u8],
        error: &serde_json::Error,
        column: Option<usize>,
    ) -> Self {
        let JsonError { message, help, is_trailing } = JsonError::new(text, error);
        let help = match code {
            // A file has only one patch.
            // The general help, to put the documents into an array, would be wrong for it.
            "patch-syntax" if is_trailing => "remove the text after the patch",
            _ => help,
        };
        // The first line of a part may begin in the middle of a line of the file. Other lines are
        // whole.
        let column = match error.line() {
            0 | 1 => column.map(|column| column + error.column()),
            _ => Some(error.column()),
        };
        let message = match column {
            Some(column) => format!("{message}, at column {column}"),
            None => message,
        };
        Self::new(code, &message, help)
    }

    fn utf8(what: &str) -> Self {
        let message = format!("{what} is not UTF-8");
        Self::new("webhook-utf8", &message, "save the file as UTF-8")
    }

    pub(crate) fn finding(&self, origin: &str) -> Finding<'_> {
        Finding {
            diagnostic: Cow::Borrowed(&self.0),
            origin: Some(origin.to_owned()),
            source: None,
        }
    }
}

/// A page of the API's listing. It has neither `name` nor `url`, of which a webhook has at least
/// one.
#[derive(Deserialize)]
struct Listing<'t> {
    #[serde(borrow)]
    data: Option<&'t RawValue>,
    name: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
}

/// The body of an error response of the API, without the members that are not shown.
#[derive(Deserialize)]
struct ErrorResponse {
    errors: Vec<ApiError>,
    data: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ApiError {
    code: Option<String>,
    title: Option<String>,
}

/// Returns the message and the help for a document that is an error response of the API.
///
/// `things` names what was expected in its place.
pub(crate) fn error_response(document: &[u8], things: &str) -> Option<(String, &'static str)> {
    let ErrorResponse { errors, data: None } = serde_json::from_slice(document).ok()? else {
        return None;
    };
    // The code and title of the first error show why the request failed.
    // `{"errors": []}` says nothing, so it is read as any other document.
    let first = errors.first()?;
    let parts: Vec<_> =
        [&first.code, &first.title].into_iter().flatten().map(|t| quote(t)).collect();
    let why = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(" ")) };
    let title = format!("this is an error response of the API, not {things}{why}");
    Some((title, "fix its cause, and repeat the request"))
}

impl Items {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let (name, bytes) = crate::cli::input::read(path, MAX_TOTAL)?;
        let mut items = Self { name, list: Vec::new(), broken: false };
        match std::str::from_utf8(&bytes) {
            Ok(text) => items.text(text),
            // In NDJSON, one line that is not UTF-8 leaves the others readable.
            Err(_) if are_lines(trimmed(&String::from_utf8_lossy(&bytes))) => items.lines(&bytes),
            Err(error) => {
                let (before, _) = bytes.split_at(error.valid_up_to());
                items.broken(line_at(before), Malformed::utf8("the file"));
            }
        }
        Ok(items)
    }

    fn text(&mut self, text: &str) {
        let whole = trimmed(text);
        // An empty file is more often a failed export than a list of no webhooks, which `[]`
        // writes.
        if whole.is_empty() {
            let message = "the file has only white space".to_owned();
            let help = "write a webhook, or `[]` for none";
            return self.broken(1, Malformed::new("webhook-syntax", &message, help));
        }
        // An array is never NDJSON: a line with an array would be a document that no webhook is.
        if whole.starts_with('[') {
            return self.array(text, whole);
        }
        match serde_json::from_str::<&RawValue>(whole) {
            // A webhook may have an unknown member `data`, so that member does not decide by
            // itself.
            Ok(one) => match serde_json::from_str::<Listing<'_>>(whole) {
                Ok(Listing { data: Some(data), name: None, url: None }) => {
                    self.array(text, data.get());
                }
                Ok(Listing { data: None, name: None, url: None }) => {
                    match error_response(whole.as_bytes(), "webhooks") {
                        Some((message, help)) => {
                            let line = line_at(before(text, whole).as_bytes());
                            self.broken(line, Malformed::new("webhook-syntax", &message, help));
                        }
                        None => self.items(text, &[one]),
                    }
                }
                Ok(_) | Err(_) => self.items(text, &[one]),
            },
            Err(_) if are_lines(whole) => self.lines(text.as_bytes()),
            Err(error) => self.malformed(text, whole, &error),
        }
    }

    /// Reads an array that is a part of the text.
    fn array(&mut self, text: &str, array: &str) {
        match serde_json::from_str::<Vec<&RawValue>>(array) {
            Ok(items) => self.items(text, &items),
            // `{"data": 5}`: valid JSON, but not a list.
            Err(_) if !array.starts_with('[') => {
                let message = "`data` is not an array of webhooks".to_owned();
                let help = "write `{\"data\": […]}`, or only the webhook";
                let line = line_at(before(text, array).as_bytes());
                self.broken(line, Malformed::new("webhook-syntax", &message, help));
            }
            Err(error) => self.malformed(text, array, &error),
        }
    }

    fn lines(&mut self, bytes: &[u8]) {
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            match std::str::from_utf8(line) {
                Ok(line) if trimmed(line).is_empty() => {}
                Ok(text) => self.item(at + 1, text, Some(0)),
                Err(_) => {
                    let document = Err(Malformed::utf8("the line"));
                    self.list.push(Item { line: at + 1, document });
                }
            }
        }
    }

    fn items(&mut self, text: &str, items: &[&RawValue]) {
        // Goes on from item to item, so the text is scanned once and not once per item.
        let (mut line, mut rest) = (1, text);
        for item in items {
            let before = before(rest, item.get());
            line += line_at(before.as_bytes()) - 1;
            (_, rest) = rest.split_at(before.len());
            self.item(line, item.get(), None);
        }
    }

    fn item(&mut self, line: usize, text: &str, column: Option<usize>) {
        let document = serde_json::from_str(text)
            .map_err(|error| Malformed::json("webhook-syntax", text.as_bytes(), &error, column));
        self.list.push(Item { line, document });
    }

    /// Records that `part` of the text is not JSON.
    fn malformed(&mut self, text: &str, part: &str, error: &serde_json::Error) {
        let before = before(text, part);
        // The error's line counts from the part, and the part begins in the middle of the text.
        let line = line_at(before.as_bytes()) + error.line().max(1) - 1;
        let column = before.rsplit('\n').next().map(str::len);
        self.broken(line, Malformed::json("webhook-syntax", part.as_bytes(), error, column));
    }

    fn broken(&mut self, line: usize, malformed: Malformed) {
        self.broken = true;
        self.list.push(Item { line, document: Err(malformed) });
    }
}

/// Returns whether a text that is not JSON is one document per line, not one on several lines.
fn are_lines(whole: &str) -> bool {
    let (line, rest) = whole.split_once('\n').unwrap_or((whole, ""));
    let mut first = Nesting::default();
    first.scan(line.as_bytes());
    // The first line that is not blank decides: `{` after a complete line begins a second document.
    let next = rest.lines().find_map(|line| line.trim_ascii_start().bytes().next());
    next.is_some() && !first.continues(next) && !whole.starts_with('[')
}

/// Returns the text without JSON's white space at both ends.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Returns the text before a part of it.
fn before<'t>(text: &'t str, part: &str) -> &'t str {
    // The part is a slice of the text, as every raw value that was read from it.
    text.split_at(part.as_ptr() as usize - text.as_ptr() as usize).0
}

/// Returns the number of the line in which the text ends, counted from 1.
pub(crate) fn line_at(before: &[u8]) -> usize {
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
