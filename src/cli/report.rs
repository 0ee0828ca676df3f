//! What is wrong with somebody's input, drawn for people: the source with carets, and the mend.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use hooksieve::diagnostic::{Diagnostic, Severity, Span, is_misleading};
use std::borrow::Cow;

/// A diagnostic that is drawn.
pub(super) struct Finding<'a> {
    pub(super) diagnostic: Cow<'a, Diagnostic>,
    /// The place of its source, before the place in a filter.
    pub(super) origin: Option<String>,
    /// The filter that the span is in.
    pub(super) source: Option<&'a str>,
}

/// Most findings of one document that are drawn.
const MAX: usize = 20;

/// Draws what was found; ends with a line break, unless there is nothing.
pub(super) fn draw<'a>(findings: impl Iterator<Item = Finding<'a>>) -> String {
    let findings: Vec<_> = findings.collect();
    draw_of(findings.len(), &findings)
}

/// Draws some of so many that were found.
pub(super) fn draw_of(count: usize, findings: &[Finding<'_>]) -> String {
    let sources: Vec<_> = findings
        .iter()
        .map(|finding| Some((drawable(finding.source?), finding.diagnostic.span()?)))
        .take(MAX)
        .collect();
    let groups: Vec<_> =
        findings.iter().zip(&sources).map(|(finding, source)| group(finding, source)).collect();
    if groups.is_empty() {
        return String::new();
    }
    let more = match count.saturating_sub(MAX) {
        0 => String::new(),
        more => format!("and {more} more\n"),
    };
    format!("{}\n{more}", Renderer::styled().render(&groups))
}

fn group<'a>(finding: &'a Finding<'_>, source: &'a Option<(String, Span)>) -> Group<'a> {
    let diagnostic = &*finding.diagnostic;
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = level.primary_title(diagnostic.message()).id(diagnostic.code());
    let group = match (source, &finding.origin) {
        (Some((text, span)), origin) => {
            let mut snippet = Snippet::source(text.as_str());
            if let Some(origin) = origin {
                snippet = snippet.path(origin);
            }
            let mut caret = AnnotationKind::Primary.span(span.range());
            if let Some(expected) = diagnostic.expected() {
                caret = caret.label(format!("expected {expected}"));
            }
            group.element(snippet.annotation(caret))
        }
        (None, Some(origin)) => group.element(Origin::path(origin)),
        (None, None) => return group.element(Level::HELP.message(diagnostic.help())),
    };
    group.element(Level::HELP.message(diagnostic.help()))
}

/// The diagnostics of a filter, ready to be drawn.
pub(super) fn of_filter<'a>(
    text: &'a str,
    diagnostics: impl IntoIterator<Item = &'a Diagnostic>,
    origin: Option<&str>,
) -> impl Iterator<Item = Finding<'a>> {
    let origin = origin.map(str::to_owned);
    diagnostics.into_iter().map(move |diagnostic| Finding {
        diagnostic: Cow::Borrowed(diagnostic),
        origin: origin.clone(),
        source: Some(text),
    })
}

/// The text with each character that misleads replaced by one that does not and has the same length
/// in bytes, so that carets stay in place. Those below U+0080 the drawing crate makes visible.
fn drawable(text: &str) -> String {
    let replaced = |c: char| match c.len_utf8() {
        _ if !is_misleading(c) => c,
        1 => c,
        2 => '¿',
        3 => '�',
        _ => '𝌆',
    };
    text.chars().map(replaced).collect()
}
