//! What is wrong with a filter, drawn for people: the source with carets, and the mend.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use hooksieve::filter::{Error, Problem};
use serde::Serialize;

/// Where a filter stands: a name for its source, and its line there.
pub(super) struct Origin<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) line: usize,
}

/// All problems of a filter; ends with a line break.
pub(super) fn draw(text: &str, error: &Error, origin: &Origin<'_>) -> String {
    let source = drawable(text);
    let groups: Vec<_> = error
        .problems()
        .map(|Problem { code, message, help, span, .. }| {
            let mut snippet = Snippet::source(source.as_str()).line_start(origin.line);
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
    format!("{}\n", Renderer::styled().render(&groups))
}

/// The text with each character that steers a terminal or hides others replaced by one that does
/// not and has the same length in bytes, so that carets stay in place. What is left of those below
/// U+0080 the drawing crate makes visible.
fn drawable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{80}'..='\u{9f}' => '¿',
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => '�',
            c => c,
        })
        .collect()
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
