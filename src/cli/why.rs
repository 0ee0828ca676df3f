//! Why a filter matches an event or does not, drawn for people.

use super::{Out, plain, quoted};
use anstyle::{AnsiColor, Style};
use hooksieve::filter::analysis::{Change, Justification};
use hooksieve::filter::{Explanation, Hint, Step, StepKind};
use std::collections::BTreeSet;
use std::io::{self, Write};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const POOR: Style = AnsiColor::Red.on_default();
pub(super) const DIM: Style = Style::new().dimmed();
const DECIDES: Style = AnsiColor::Yellow.on_default().bold();

/// An event's value, as a JSON string.
pub(super) fn shown(value: Option<&str>) -> String {
    match value {
        Some(value) => quoted(value),
        None => format!("{DIM}absent{DIM:#}"),
    }
}

/// Draws the filter as a tree, and below it what decided the verdict, for a miss what would flip it, and
/// what else the event holds that explains it.
pub(super) fn draw(out: &mut Out, explanation: &Explanation<'_>) -> io::Result<()> {
    if explanation.steps().is_empty() {
        return writeln!(out, "  no filter");
    }
    let why = explanation.why();
    let terms = explanation.steps().iter();
    let terms = terms.filter(|step| matches!(step.kind, StepKind::Term { .. })).count();
    // Where all terms decide, marks would single out nothing.
    let marked: &[usize] = if why.reason.len() < terms { &why.reason } else { &[] };
    tree(out, explanation, marked)?;
    reason(out, explanation, &why, marked.len())?;
    match &why.change {
        Some(change) => flipped(out, explanation, change)?,
        None if explanation.holds() => {}
        None if why.exact => writeln!(out, "  no event matches it")?,
        None => writeln!(out, "  what would make it match was not decided")?,
    }
    notes(out, explanation.hints())
}

/// Hints that are shown of one filter.
pub(super) const MAX_HINTS: usize = 5;

/// What else the event holds.
fn notes(out: &mut Out, hints: &[Hint<'_>]) -> io::Result<()> {
    for hint in hints.iter().take(MAX_HINTS) {
        writeln!(out, "  note: {}", plain(&hint.message))?;
    }
    match hints.len().saturating_sub(MAX_HINTS) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more notes of that kind"),
    }
}

/// The filter as a tree: before each part its verdict, behind each term the event's value and its
/// place, and in the margin a mark at each step that is `marked`.
fn tree(out: &mut Out, explanation: &Explanation<'_>, marked: &[usize]) -> io::Result<()> {
    let steps = explanation.steps();
    let term = |step: &Step<'_>| match &step.kind {
        StepKind::Term { attribute, operator, value, .. } => {
            format!("{attribute} {operator} {}", quoted(value))
        }
        StepKind::And => "and".to_owned(),
        _ => "or".to_owned(),
    };
    let width = |step: &Step<'_>| 3 * step.depth + term(step).chars().count();
    let widest = steps.iter().map(width).filter(|width| *width <= 80).max().unwrap_or(0);
    // For each depth whether more operands follow at it.
    let mut more: Vec<bool> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let following = steps.iter().skip(at + 1);
        let last = following
            .take_while(|next| next.depth >= step.depth)
            .all(|next| next.depth != step.depth);
        more.truncate(step.depth);
        let mut branches = String::new();
        for open in more.iter().skip(1) {
            branches.push_str(if *open { "│  " } else { "   " });
        }
        if step.depth > 0 {
            branches.push_str(if last { "└─ " } else { "├─ " });
        }
        more.push(!last);
        match marked.binary_search(&at) {
            Ok(_) => write!(out, "{DECIDES}▸{DECIDES:#} ")?,
            Err(_) => write!(out, "  ")?,
        }
        let (style, mark) = if step.holds { (GOOD, "✓") } else { (POOR, "✗") };
        let text = term(step);
        write!(out, "{DIM}{branches}{DIM:#}{style}{mark}{style:#} {text}")?;
        if let StepKind::Term { found, place, .. } = &step.kind {
            let gap = widest.saturating_sub(width(step)) + 2;
            write!(out, "{:gap$}{DIM}event:{DIM:#} {}", "", shown(*found))?;
            if let Some(place) = place {
                write!(out, " {DIM}at {}{DIM:#}", plain(&place.to_string()))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What decided; `marked` terms are singled out in the tree.
fn reason(
    out: &mut Out,
    explanation: &Explanation<'_>,
    why: &Justification<'_>,
    marked: usize,
) -> io::Result<()> {
    let unsure = if why.exact { "" } else { "; whether fewer do was not decided" };
    match (marked, why.reason.is_empty()) {
        (1, _) => {
            writeln!(out, "{DECIDES}▸{DECIDES:#} decides, whatever the other terms say{unsure}")
        }
        (2.., _) => writeln!(
            out,
            "{DECIDES}▸{DECIDES:#} these {marked} decide, whatever the other terms say{unsure}"
        ),
        (0, true) if explanation.holds() => writeln!(out, "  every event matches it"),
        (0, _) => Ok(()),
    }
}

/// The least that would flip a miss.
fn flipped(out: &mut Out, explanation: &Explanation<'_>, change: &[Change<'_>]) -> io::Result<()> {
    let mut before = "it would match if";
    for change in change {
        let wanted = match (change.to, change.found) {
            (Some(to), _) => quoted(to),
            (None, Some(found)) if values(explanation, change.attribute).len() == 1 => {
                format!("not {}", quoted(found))
            }
            (None, _) => "none of the values above".to_owned(),
        };
        writeln!(out, "  {before:>17} `{}` were {wanted}", change.attribute)?;
        before = "and";
    }
    Ok(())
}

/// The values that the filter compares an attribute with.
fn values<'a>(explanation: &'a Explanation<'_>, name: &str) -> BTreeSet<&'a str> {
    let values = explanation.steps().iter().filter_map(|step| match step.kind {
        StepKind::Term { attribute, value, .. } if attribute == name => Some(value),
        _ => None,
    });
    values.collect()
}
