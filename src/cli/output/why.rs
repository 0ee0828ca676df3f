//! Draws as text why a filter matches an event or not.
//!
//! # Example
//!
//! For the filter `id eq "a" or (spaceId eq "s" and data.status eq "error")`:
//!
//! ```text
//!   ✗ or
//! ▸ ├─ ✗ id eq "a"                  event: "b" at data.id
//!   └─ ✗ and
//! ▸    ├─ ✗ spaceId eq "s"          event: absent
//!      └─ ✓ data.status eq "error"  event: "error" at data.status
//! ▸ these 2 decide, regardless of the other terms
//!   would match if `spaceId` were "s"
//! ```
//!
//! The library computes all of it, and this file only draws. The marks show terms that decide the
//! verdict together, and the last line a change of the event that flips it.

use crate::cli::output::{Out, plain, quoted};
use anstyle::{AnsiColor, Style};
use hooksieve::filter::analysis::{Change, Justification};
use hooksieve::filter::{Explanation, Hint, Step, StepKind};
use std::collections::BTreeSet;
use std::io::{self, Write};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const DIM: Style = Style::new().dimmed();
const DECIDES: Style = AnsiColor::Yellow.on_default().bold();

/// Formats an event's value as a JSON string.
pub(crate) fn shown(value: Option<&str>) -> String {
    match value {
        Some(value) => quoted(value),
        None => format!("{DIM}absent{DIM:#}"),
    }
}

/// Draws an explanation.
///
/// It has the filter as a tree, the terms that decide the verdict, the smallest change that would
/// flip a mismatch, and hints about the event.
pub(crate) fn draw(out: &mut Out, explanation: &Explanation<'_>) -> io::Result<()> {
    if explanation.steps().is_empty() {
        return writeln!(out, "  no filter");
    }
    let why = explanation.why();
    let terms = explanation.steps().iter();
    let terms = terms.filter(|step| matches!(step.kind, StepKind::Term { .. })).count();
    // If all terms decide, marks would carry no information.
    let marked: &[usize] = if why.reason.len() < terms { &why.reason } else { &[] };
    tree(out, explanation, marked)?;
    reason(out, explanation, &why, marked.len())?;
    match &why.change {
        Some(change) => flipped(out, explanation, change)?,
        // A change is searched for only if the filter does not match.
        None if explanation.holds() => {}
        None if why.exact => writeln!(out, "  no event matches this filter")?,
        None => writeln!(out, "  no change that makes it match was found within the work limit")?,
    }
    notes(out, explanation.hints())
}

/// The maximum number of hints shown for one filter.
pub(crate) const MAX_HINTS: usize = 5;

/// Prints the hints.
fn notes(out: &mut Out, hints: &[Hint<'_>]) -> io::Result<()> {
    for hint in hints.iter().take(MAX_HINTS) {
        writeln!(out, "  note: {}", plain(&hint.message))?;
    }
    match hints.len().saturating_sub(MAX_HINTS) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more notes"),
    }
}

/// Draws the filter as a tree.
///
/// Each part has its verdict before it, and each term has the event's value and its path after it.
/// The steps in `marked` have a mark in the margin.
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
    // Long terms do not count, so one of them does not push the values of all others to the right.
    let widest = steps.iter().map(width).filter(|width| *width <= 80).fold(0, usize::max);
    // For each depth, whether more operands follow.
    let mut more: Vec<bool> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let following = steps.iter().skip(at + 1);
        // The next step at this depth is another operand of the same group.
        let last = following
            .take_while(|next| next.depth >= step.depth)
            .all(|next| next.depth != step.depth);
        // Back to the group of this step: the deeper groups before it are complete.
        more.truncate(step.depth);
        let mut branches = String::new();
        // The root has no branch, so depth 1 is the first with a line.
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
        // By a sign and not only by a color, so that a file or a pipe shows the verdict as well.
        let (style, mark) = if step.holds { (GOOD, "✓") } else { (BAD, "✗") };
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

/// Prints which terms decide; `marked` is how many are marked in the tree.
fn reason(
    out: &mut Out,
    explanation: &Explanation<'_>,
    why: &Justification<'_>,
    marked: usize,
) -> io::Result<()> {
    let unsure = if why.exact { "" } else { "; fewer may suffice" };
    match (marked, why.reason.is_empty()) {
        (1, _) => {
            writeln!(out, "{DECIDES}▸{DECIDES:#} decides, regardless of the other terms{unsure}")
        }
        (2.., _) => writeln!(
            out,
            "{DECIDES}▸{DECIDES:#} these {marked} decide, regardless of the other terms{unsure}"
        ),
        (0, true) if explanation.holds() => writeln!(out, "  every event matches this filter"),
        (0, _) => Ok(()),
    }
}

/// Prints the smallest change of the event that would make it match.
fn flipped(out: &mut Out, explanation: &Explanation<'_>, change: &[Change<'_>]) -> io::Result<()> {
    // The changes of several attributes belong together: one of them is not enough.
    let mut before = "would match if";
    for change in change {
        let wanted = match change.to {
            Some(to) => quoted(to),
            None => other_value(explanation, change.attribute).to_owned(),
        };
        writeln!(out, "  {before:>14} `{}` were {wanted}", change.attribute)?;
        before = "and";
    }
    Ok(())
}

/// Describes the values of an attribute that are none of those in the filter.
pub(crate) fn other_value(explanation: &Explanation<'_>, attribute: &str) -> &'static str {
    match values(explanation, attribute).len() {
        1 => "absent or any other value",
        _ => "absent or a value that the filter does not name",
    }
}

/// Returns the values that the filter compares an attribute with.
fn values<'a>(explanation: &'a Explanation<'_>, name: &str) -> BTreeSet<&'a str> {
    let values = explanation.steps().iter().filter_map(|step| match step.kind {
        StepKind::Term { attribute, value, .. } if attribute == name => Some(value),
        _ => None,
    });
    values.collect()
}
