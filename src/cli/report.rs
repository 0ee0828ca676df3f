//! What is wrong with somebody's input, drawn for people: the source with carets, and the mend.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use hooksieve::filter::{Error, Problem, Warning};
use hooksieve::syntax::{Span, misleads};
use serde::Serialize;

/// How bad something is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    Error,
    Warning,
}

/// Something that is drawn.
pub(super) struct Finding<'a> {
    pub(super) grade: Grade,
    pub(super) code: &'static str,
    pub(super) title: String,
    pub(super) help: &'a str,
    /// Where its source stands; the place in a filter is printed behind it.
    pub(super) origin: Option<String>,
    /// The filter, and what the carets point at.
    pub(super) source: Option<(&'a str, Span)>,
    /// What the carets say.
    pub(super) label: Option<String>,
}

/// Most findings of one document that are drawn.
const MOST: usize = 20;

/// Draws what was found; ends with a line break, unless there is nothing.
pub(super) fn draw<'a>(findings: impl Iterator<Item = Finding<'a>>) -> String {
    let findings: Vec<_> = findings.collect();
    draw_of(findings.len(), &findings)
}

/// Draws some of so many that were found.
pub(super) fn draw_of(count: usize, findings: &[Finding<'_>]) -> String {
    let sources: Vec<_> = findings
        .iter()
        .map(|finding| finding.source.map(|(text, span)| (drawable(text), span)))
        .take(MOST)
        .collect();
    let groups: Vec<_> =
        findings.iter().zip(&sources).map(|(finding, source)| group(finding, source)).collect();
    if groups.is_empty() {
        return String::new();
    }
    let more = match count.saturating_sub(MOST) {
        0 => String::new(),
        more => format!("and {more} more\n"),
    };
    format!("{}\n{more}", Renderer::styled().render(&groups))
}

fn group<'a>(finding: &'a Finding<'_>, source: &'a Option<(String, Span)>) -> Group<'a> {
    let level = match finding.grade {
        Grade::Error => Level::ERROR,
        Grade::Warning => Level::WARNING,
    };
    let group = level.primary_title(&finding.title).id(finding.code);
    let group = match (source, &finding.origin) {
        (Some((text, span)), origin) => {
            let mut snippet = Snippet::source(text.as_str());
            if let Some(origin) = origin {
                snippet = snippet.path(origin);
            }
            let mut caret = AnnotationKind::Primary.span(span.range());
            if let Some(label) = &finding.label {
                caret = caret.label(label);
            }
            group.element(snippet.annotation(caret))
        }
        (None, Some(origin)) => group.element(Origin::path(origin)),
        (None, None) => return group.element(Level::HELP.message(finding.help)),
    };
    group.element(Level::HELP.message(finding.help))
}

/// The problems of a filter, ready to be drawn.
pub(super) fn of_filter<'a>(
    text: &'a str,
    error: &'a Error,
    origin: Option<&'a str>,
) -> impl Iterator<Item = Finding<'a>> {
    let label = match error {
        Error::Syntax(error) => Some(format!("expected {}", error.expected())),
        _ => None,
    };
    error.problems().map(move |problem| {
        let label = label.clone();
        Finding { label, ..in_filter(text, problem, origin, Grade::Error) }
    })
}

/// What a filter is warned of, ready to be drawn.
pub(super) fn of_warnings<'a>(
    text: &'a str,
    warnings: &'a [Warning],
    origin: Option<&'a str>,
) -> impl Iterator<Item = Finding<'a>> {
    warnings.iter().map(move |warning| in_filter(text, warning.into(), origin, Grade::Warning))
}

fn in_filter<'a>(
    text: &'a str,
    Problem { code, message, help, span, .. }: Problem<'a>,
    origin: Option<&str>,
    grade: Grade,
) -> Finding<'a> {
    Finding {
        grade,
        code,
        title: message,
        help,
        origin: origin.map(str::to_owned),
        source: Some((text, span)),
        label: None,
    }
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

/// An error or a warning of a filter, for programs; offsets are in bytes.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) code: &'static str,
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The whole filter, corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suggestion: Option<String>,
}

impl From<Problem<'_>> for Entry {
    fn from(Problem { code, message, help, suggestion, span, .. }: Problem<'_>) -> Self {
        let detail = help.to_owned();
        let suggestion = suggestion.map(str::to_owned);
        Self { code, title: message, detail, start: span.start, end: span.end, suggestion }
    }
}
