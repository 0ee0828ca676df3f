//! What is wrong with a filter, drawn for people: the source with carets, and the mend.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use hooksieve::filter::{Error, Problem};
use hooksieve::syntax::misleads;
use serde::Serialize;

/// Where a filter stands; the place in the filter is printed behind it.
pub(super) struct Origin<'a> {
    pub(super) name: Option<&'a str>,
}

/// Most problems of one filter that are drawn.
const MOST: usize = 20;

/// The problems of a filter; ends with a line break.
pub(super) fn draw(text: &str, error: &Error, origin: &Origin<'_>) -> String {
    let source = drawable(text);
    let groups: Vec<_> = error
        .problems()
        .take(MOST)
        .map(|Problem { code, message, help, span, .. }| {
            let mut snippet = Snippet::source(source.as_str());
            if let Some(name) = origin.name {
                snippet = snippet.path(name);
            }
            let mut caret = AnnotationKind::Primary.span(span.range());
            if let Error::Syntax(error) = error {
                caret = caret.label(format!("expected {}", error.expected()));
            }
            Level::ERROR
                .primary_title(message)
                .id(code)
                .element(snippet.annotation(caret))
                .element(Level::HELP.message(help))
        })
        .collect();
    let more = match error.problems().count().saturating_sub(MOST) {
        0 => String::new(),
        more => format!("and {more} more\n"),
    };
    format!("{}\n{more}", Renderer::styled().render(&groups))
}

/// The text with each character that misleads replaced by one that does not and has the same length
/// in bytes, so that carets stay in place. Those below U+0080 the drawing crate makes visible.
fn drawable(text: &str) -> String {
    let replaced = |c: char| match c.len_utf8() {
        _ if !misleads(c) => c,
        1 => c,
        2 => '¿',
        3 => '�',
        _ => '𝌆',
    };
    text.chars().map(replaced).collect()
}

/// A problem of a filter, for programs; offsets are in bytes.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) code: &'static str,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// All problems of a filter, for programs.
pub(super) fn entries(error: &Error) -> Vec<Entry> {
    let entry = |Problem { code, message, help, span, .. }: Problem<'_>| Entry {
        code,
        title: message,
        detail: help.to_owned(),
        start: span.start,
        end: span.end,
    };
    error.problems().map(entry).collect()
}
