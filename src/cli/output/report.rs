//! Draws diagnostics as text: the message, the source with carets, and the help.
//!
//! # Example
//!
//! ```text
//! error[filter-unquoted-value]: value `id123` is not in double quotes
//!   |
//! 1 | id eq id123
//!   |       ^^^^^ expected a string in double quotes, a number, true, false or null
//!   |
//!   = help: write `id eq "id123"`; on a command line, …
//! ```
//!
//! A diagnostic without a span, such as one about a whole member, has its origin in place of the
//! source: `--> webhooks.json:3: webhook `w1`: /url`.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use hooksieve::diagnostic::{Diagnostic, Severity, Span, is_misleading};
use std::borrow::Cow;

/// A diagnostic with its origin and source, ready to be drawn.
pub(crate) struct Finding<'a> {
    pub(crate) diagnostic: Cow<'a, Diagnostic>,
    /// The origin of the source, printed before the position in a filter.
    pub(crate) origin: Option<String>,
    /// The filter that contains the span.
    pub(crate) source: Option<&'a str>,
}

/// The maximum number of findings that are drawn for one document.
const MAX: usize = 20;

/// Draws findings; the text ends with a line break unless it is empty.
pub(crate) fn draw<'a>(findings: impl Iterator<Item = Finding<'a>>) -> String {
    let findings: Vec<_> = findings.collect();
    draw_of(findings.len(), &findings)
}

/// Draws findings; `count` is their total number, of which `findings` may have only the first ones.
pub(crate) fn draw_of(count: usize, findings: &[Finding<'_>]) -> String {
    // The drawing crate borrows the sources, so they are kept until the text is rendered.
    let sources: Vec<_> = findings
        .iter()
        .map(|finding| Some((drawable(finding.source?), finding.diagnostic.span()?)))
        // Cutting the sources is enough, since `zip` ends with them.
        .take(MAX)
        .collect();
    let groups: Vec<_> =
        findings.iter().zip(&sources).map(|(finding, source)| group(finding, source)).collect();
    if groups.is_empty() {
        return String::new();
    }
    // The number counts those that the library did not list either.
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
    // The place is drawn as exactly as it is known: in the text, in a document, or not at all.
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
        // Without a source and an origin, the help is all that follows the message.
        (None, None) => return group.element(Level::HELP.message(diagnostic.help())),
    };
    group.element(Level::HELP.message(diagnostic.help()))
}

/// Returns the findings for the diagnostics of one filter.
pub(crate) fn of_filter<'a>(
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

/// Replaces each misleading character by a visible one of the same length in bytes.
///
/// The lengths keep the carets in place. The drawing crate itself makes characters below U+0080
/// visible.
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
