//! Suggestions and help that depend on the profile, for syntax errors and for violations.
//!
//! A suggestion is a whole filter that can be pasted in place of the wrong one. It is made only if
//! every error has a correction that is certain, and it is parsed and checked again in the form in
//! which it is shown, so the profile accepts every suggestion.

use super::check::{Checked, Edit, checked, list};
use super::names::{Meant, Why};
use super::{Node, Operator, Profile, warning};
use crate::diagnostic::{Parts, quote};
use crate::event::EventType;
use crate::syntax::{self, CompareOp, Error, ErrorKind, Expected, ExprRef, Rules, is_space, shown};

/// The help for a comparison with null, which has no suggestion.
pub(super) const NO_ABSENCE: &str = "filters cannot test whether an attribute is absent";

/// The limit of bytes of all suggestions; above it only the first violation has one.
const MAX_SHARED: usize = 65_536;

/// Returns the canonical text of a tree, or its correction if every violation has an edit.
fn accepted(profile: &Profile, root: ExprRef<'_>, types: Option<&[EventType]>) -> Option<String> {
    let Checked { filter, violations, edits, .. } = checked(profile, root, types);
    if violations.is_empty() {
        return Some(filter.to_string());
    }
    corrected(profile, root, types, &edits)
}

/// Applies the edits of all violations, and returns the result if the profile accepts it.
fn corrected(
    profile: &Profile,
    root: ExprRef<'_>,
    types: Option<&[EventType]>,
    edits: &[Option<Edit>],
) -> Option<String> {
    let mut edits = edits.iter().map(Option::as_ref).collect::<Option<Vec<_>>>()?;
    // Edits replace paths and values, which do not overlap, so they are applied from left to right.
    edits.sort_by_key(|(span, _)| span.start);
    let (text, mut at) = (root.text(), 0);
    let mut written = String::with_capacity(text.len());
    for (span, piece) in edits {
        written.push_str(text.part(at..span.range().start));
        written.push_str(piece);
        at = span.range().end;
    }
    written.push_str(text.tail(at));
    let tree = syntax::parse(&written, profile.limits()).ok()?;
    let Checked { filter, violations, .. } = checked(profile, tree.root(), types);
    let doubtful =
        |node: Node<'_>| matches!(node, Node::Term(term) if warning::is_doubtful(term.value));
    // A placeholder or a wildcard as a value is probably not what the author means.
    if !violations.is_empty() || filter.nodes().any(doubtful) {
        return None;
    }
    // Escapes misleading characters, as messages do, and checks that the filter is still accepted.
    let shown = crate::diagnostic::excerpt(&filter.to_string(), usize::MAX);
    let tree = syntax::parse(&shown, profile.limits()).ok()?;
    checked(profile, tree.root(), types).violations.is_empty().then_some(shown)
}

/// Adds the corrected filter to violations, if there is one.
#[cold]
pub(super) fn attach(
    profile: &Profile,
    root: ExprRef<'_>,
    types: Option<&[EventType]>,
    Checked { violations, edits, .. }: &mut Checked,
) {
    // Not every violation has a correction that is certain.
    let Some(text) = corrected(profile, root, types, edits) else { return };
    // Every violation carries a copy, which would be quadratic for a long filter full of mistakes.
    let count = if violations.len() * text.len() > MAX_SHARED { 1 } else { violations.len() };
    for violation in violations.iter_mut().take(count) {
        violation.set_suggestion(text.as_str());
    }
    if let Some(first) = violations.first_mut() {
        let help = format!("{}; {}", first.help(), shown(&text, None));
        first.set_help(help);
    }
}

/// Adds a suggestion and help that fit the profile to a syntax error.
#[cold]
pub(super) fn explained(
    profile: &Profile,
    text: &str,
    types: Option<&[EventType]>,
    error: Error,
) -> Error {
    let attribute = |name: &str| profile.meant_one(name).map(|found| found.name().to_owned());
    let accepted = |root: ExprRef<'_>| accepted(profile, root, types);
    let is_name = |name: &str| profile.is_name(name);
    let is_doubtful = |value: &str| warning::is_doubtful(value);
    // The syntax module knows no profiles; it asks for names and acceptance through these rules.
    let rules = Rules {
        strings: true,
        attribute: &attribute,
        is_name: &is_name,
        is_doubtful: &is_doubtful,
        accepted: &accepted,
    };
    let error = error.suggesting(text, profile.limits(), &rules);
    let error = by_name(profile, text, error);
    if error.suggestion().is_some() {
        return error;
    }
    match operator_help(profile, text, &error) {
        Some(help) => error.with_help(help),
        None if syntax::asks_for_absence(text) => {
            // An operator in its place would be refused because of the value.
            error.with_help(format!("{NO_ABSENCE}; compare with a string"))
        }
        None => error,
    }
}

/// Returns help about operators and grouping that fits the profile.
fn operator_help(profile: &Profile, text: &str, error: &Error) -> Option<String> {
    let has = |operator: CompareOp| {
        profile.operators().iter().any(|known| known.compare_op() == operator)
    };
    let written = || text.part(error.span().range());
    match error.kind() {
        ErrorKind::NotWithoutBrackets => Some(without_not(profile).to_owned()),
        ErrorKind::SymbolicOperator if written() == "!" => Some(without_not(profile).to_owned()),
        ErrorKind::UnknownOperator | ErrorKind::SymbolicOperator => match error.meant() {
            Some(meant) if has(meant) => None,
            Some(meant) => {
                Some(format!("`{meant}` is not supported here; {}", one_of_operators(profile)))
            }
            None if error.expected() == Expected::Operator => Some(one_of_operators(profile)),
            None => None,
        },
        ErrorKind::InvalidPath if written() == "[" => Some("group with `(` and `)`".to_owned()),
        _ => None,
    }
}

/// Adds the attribute that a name means to an error about the name.
///
/// Such names, for example `$.data.id` or `app id`, are outside the grammar.
fn by_name(profile: &Profile, text: &str, error: Error) -> Error {
    let stops = |c: char| is_space(c) || "()=!<>:,".contains(c);
    let (start, end) = (error.span().range().start, error.span().range().end);
    let before = text.head(start);
    let from = match error.kind() {
        ErrorKind::InvalidPath => before.rfind(stops),
        // The second word of a name of two words was read as an operator.
        ErrorKind::UnknownOperator => before.trim_end_matches(is_space).rfind(stops),
        _ => return error,
    };
    // All characters of `stops` are one byte long.
    let from = from.map_or(0, |at| at + 1);
    let rest = text.tail(end);
    let to = end + rest.find(stops).unwrap_or(rest.len());
    let written = text.part(from..to);
    // Most names mean no attribute.
    let Some(meant) = profile.meant(written) else { return error };
    let names = names(written, &meant);
    match error.suggestion() {
        Some(_) => {
            let help = format!("{}; {names}", error.help());
            error.with_help(help)
        }
        None => {
            error.about_path(from, to, format!("`{}` is not an attribute", quote(written)), names)
        }
    }
}

/// Returns the help that shows which attributes a name means.
pub(super) fn names(written: &str, (why, attributes): &Meant<'_>) -> String {
    let known = list(attributes.iter().map(|attribute| format!("`{}`", attribute.name())), " or ");
    let written = quote(written);
    match why {
        Why::Place => format!("`{written}` is a path in the event; use the attribute {known}"),
        Why::Alias | Why::Spelling => format!("use {known} instead of `{written}`"),
    }
}

/// Returns the help for `not`, which depends on whether the profile has `ne`.
pub(super) fn without_not(profile: &Profile) -> &'static str {
    match profile.operators().contains(&Operator::Ne) {
        true => "write `ne` instead of `not(… eq …)`, and swap `and` and `or` inside it",
        false => "write the filter without `not`",
    }
}

/// Returns the help that lists the profile's operators.
pub(super) fn one_of_operators(profile: &Profile) -> String {
    format!("use {}", list(profile.operators().iter(), " or "))
}
