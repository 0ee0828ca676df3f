//! Suggests a correction of a whole filter, or nothing.
//!
//! # The idea
//!
//! A damaged text has several *readings*. Each reading undoes damage in one way:
//!
//! - The tolerant reader ([`loose`]) reads the text as it is, term by term. It accepts missing and
//!   wrong quotes, operators of other languages, JSON paths and so on, and writes a filter.
//! - A *layer* ([`layers`]) is an encoding around the whole text, such as URL encoding or the
//!   quotes of a shell. If the text shows evidence of one, it is removed, and the rest has readings
//!   of its own: it may be a filter, or be damaged within its terms, or have another layer.
//!
//! A reading counts if its result parses and the caller's [`Rules`] accept it.
//!
//! > A suggestion exists only if all readings that count are the same filter.
//!
//! # The steps
//!
//! ```text
//! suggest ──▶ layers_and_terms(text)                        one of at most MAX_READINGS
//!               │
//!               ├─ for each layer that the text shows ──▶ read(text without it)
//!               │                                           ├─ it parses ──▶ accepted
//!               │                                           └─ or else ────▶ layers_and_terms
//!               └─ terms(text) ──▶ loose::read ──▶ parse ──▶ accepted
//!
//! merge: None + x = x      One(f) + One(f) = One(f)      anything else = Several
//! ```
//!
//! `Several` absorbs everything: once two readings differ, or a reader finds that one piece of text
//! has two meanings, no suggestion is made. `None` is a reading that fails, and does not count.
//!
//! # Examples
//!
//! ```text
//! id eq a%20b          as it is:     id eq "a%20b"  ┐ two filters: no suggestion
//!                      URL-decoded:  id eq "a b"    ┘
//! id%20eq%20a1         as it is:     no operator    ┐
//!                      URL-decoded:  id eq a1       ┘ id eq "a1"
//! ```
//!
//! # Invariants
//!
//! - A suggestion is parsed and accepted again in exactly the form in which it is shown.
//! - Work is bounded: a text of at most [`MAX_TEXT`] bytes has at most [`MAX_READINGS`] readings,
//!   each linear in the text. A longer text has none. The tests in [`steps`] count the work.
//!
//! # How to add a mistake
//!
//! A mistake within a term is a row in a table of [`operator`], or a branch in the module that
//! reads that piece. A mistake around the whole text is a [`Cause`] and a function in [`layers`].
//! In both cases, add the damage to the law in `tests/it/suggestions.rs`: it combines all kinds of
//! damage on random filters, and fails if the new reading is wrong for another text.
//!
//! # Rejected
//!
//! Choosing the most likely reading. Of `id eq a%20b`, each reading is wrong for some author, and a
//! wrong suggestion is accepted when it is pasted back: no error follows, and the webhook gets the
//! wrong events.

mod absence;
mod bare;
mod explain;
mod layers;
mod list;
mod loose;
mod object;
mod operator;
mod path;
mod value;

use crate::diagnostic::{Parts, excerpt};
use crate::syntax::error::Error;
use crate::syntax::{CompareOp, ExprKind, ExprRef, Limits, Value, parse, steps, token};
pub(crate) use absence::asks_for_absence;
use layers::Layer;
pub(super) use operator::{FUNCTIONS, is_operator};

/// What the caller accepts beyond the grammar: the attributes and values of its profile.
pub(crate) struct Rules<'r> {
    /// Whether every value is a string, so that a bare number is a string without its quotes.
    pub(crate) strings: bool,
    /// Returns the attribute that a name or JSON path means, if that is certain.
    pub(crate) attribute: &'r dyn Fn(&str) -> Option<String>,
    /// Returns whether a word names an attribute, so that it is unlikely to be a value.
    pub(crate) is_name: &'r dyn Fn(&str) -> bool,
    /// Returns whether a value is valid but probably unintended, such as one with a wildcard.
    pub(crate) is_doubtful: &'r dyn Fn(&str) -> bool,
    /// Returns the filter that a parsed text means, printed, if it is accepted.
    pub(crate) accepted: &'r dyn Fn(ExprRef<'_>) -> Option<String>,
}

impl Rules<'_> {
    /// Accepts whatever is in the grammar.
    pub(in crate::syntax) const GRAMMAR: Rules<'static> = Rules {
        strings: false,
        attribute: &|_| None,
        is_name: &|_| false,
        is_doubtful: &|_| false,
        accepted: &|root| Some(crate::syntax::expr::print(root)),
    };
}

/// What is wrong with the text as a whole: the outermost layer of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No layer: the mistakes are within the terms.
    Terms,
    /// Quotes have backslashes, as after one serialization as JSON too many.
    Escaped,
    /// The filter is part of a URL or a form.
    UrlEncoded,
    /// The filter was copied from the source of an HTML page.
    HtmlEncoded,
    /// Each quote is written two times, as in CSV and some shells.
    DuplicateQuotes,
    /// Quotes of a shell or a JSON string are around the filter.
    OuterQuotes,
    /// The name of an option or parameter is before the filter, such as `filter=`.
    ///
    /// It has this many bytes.
    Prefix(usize),
    /// The filter is a member of a JSON object, such as a webhook.
    Json,
    /// The filter contains no-break spaces or other invisible characters.
    Invisible,
}

/// The filter that the author meant, printed, and what was wrong.
pub(super) struct Suggestion {
    pub(super) text: String,
    pub(super) cause: Cause,
}

/// Why a reader gives up on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The text cannot be read in this way; another way may succeed.
    Nonsense,
    /// The text has more than one meaning, so there must be no suggestion.
    Ambiguous,
}

/// The combined result of the readings of a text so far.
enum Reading {
    /// No reading counts.
    None,
    /// All readings that count are this filter.
    One(String, Cause),
    /// The readings differ, or one of them is ambiguous.
    Several,
}

impl Reading {
    /// Combines two results; of two equal filters, the cause of the first is kept.
    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) | (other, Self::None) => other,
            (Self::One(one, cause), Self::One(other, _)) if one == other => Self::One(one, cause),
            _ => Self::Several,
        }
    }
}

/// The maximum length of a text that gets a suggestion, in bytes: the default limit of filters.
const MAX_TEXT: usize = 32_768;
/// The maximum number of readings of one text, which bounds the work.
const MAX_READINGS: usize = 12;
/// The maximum number of nested layers.
const MAX_LAYERS: usize = 3;

/// Returns the filter that a refused text means, or `None` unless there is exactly one.
#[cold]
pub(super) fn suggest(text: &str, limits: Limits, rules: &Rules<'_>) -> Option<Suggestion> {
    // A suggestion costs more than parsing, and limits may be far above the default.
    if text.len() > limits.bytes().min(MAX_TEXT) {
        return None;
    }
    let mut reader = Reader { limits, rules, readings: 0 };
    let Reading::One(text, cause) = reader.layers_and_terms(text, 0) else { return None };
    // Misleading characters become JSON escapes, so that the form that is shown is checked again.
    let text = excerpt(&text, usize::MAX);
    // An escape is longer than its character, so the text may now exceed the limit.
    let tree = parse(&text, limits).ok()?;
    (rules.accepted)(tree.root())?;
    Some(Suggestion { text, cause })
}

/// Collects the readings of one text.
struct Reader<'r> {
    limits: Limits,
    rules: &'r Rules<'r>,
    /// How many readings were started.
    readings: usize,
}

impl Reader<'_> {
    /// Reads a text that is left after `layers` layers were removed from the refused one.
    fn read(&mut self, text: &str, layers: usize) -> Reading {
        match parse(text, self.limits) {
            Ok(tree) => self.accepted(tree.root()),
            Err(_) => self.layers_and_terms(text, layers),
        }
    }

    /// Combines the readings without each layer and the reading term by term.
    ///
    /// A layer that cannot be removed in exactly one way makes the result ambiguous. After a prefix
    /// such as `filter=`, only the rest counts, since the prefix is never part of a filter.
    fn layers_and_terms(&mut self, text: &str, layers: usize) -> Reading {
        self.readings += 1;
        if self.readings > MAX_READINGS {
            return Reading::Several;
        }
        let mut found = Reading::None;
        if layers < MAX_LAYERS {
            for layer in layers::of(text) {
                let Layer { cause, text } = layer;
                // The text has this layer, but what is inside has two meanings. That is not a
                // reading that fails: another reading may succeed, and would then be shown as if it
                // were certain.
                let Some(text) = text else { return Reading::Several };
                let mut reading = self.read(&text, layers + 1);
                // The outermost layer is the cause that the author sees first.
                if let Reading::One(_, inner) = &mut reading {
                    *inner = cause;
                }
                // Read as it is, `filter=id eq a` compares an attribute `filter`, which is
                // never meant.
                if matches!(cause, Cause::Prefix(_)) {
                    return reading;
                }
                found = found.merge(reading);
            }
        }
        found.merge(self.terms(text))
    }

    /// Returns the reading that a parsed text is, if the caller accepts it.
    fn accepted(&self, root: ExprRef<'_>) -> Reading {
        match (self.rules.accepted)(root) {
            Some(_) if root.iter().any(|part| self.is_unclear(part)) => Reading::Several,
            Some(text) => Reading::One(text, Cause::Terms),
            None => Reading::None,
        }
    }

    /// Returns whether a term has an accepted value that may still be unintended.
    fn is_unclear(&self, part: ExprRef<'_>) -> bool {
        let ExprKind::Compare { value: Value::String(value), .. } = part.kind() else {
            return false;
        };
        hides_a_term(value) || (self.rules.is_doubtful)(value)
    }

    /// Reads the text as it is, with the tolerant reader.
    fn terms(&self, text: &str) -> Reading {
        match loose::read(text, self.limits, self.rules) {
            Ok(candidate) => match parse(&candidate, self.limits) {
                Ok(tree) => self.accepted(tree.root()),
                // The tolerant reader copies brackets as they are, so `((id == a)` becomes a text
                // that does not parse.
                Err(_) => Reading::None,
            },
            Err(Stop::Nonsense) => Reading::None,
            Err(Stop::Ambiguous) => Reading::Several,
        }
    }
}

/// Returns the length of the text before the first character that `stops` accepts.
fn until(text: &str, stops: impl FnMut(char) -> bool) -> usize {
    let end = text.find(stops).unwrap_or(text.len());
    steps::count(end);
    end
}

/// Returns the text without white space at its start.
fn trim_start(text: &str) -> &str {
    let rest = text.trim_start_matches(token::is_space);
    steps::count(text.len() - rest.len());
    rest
}

/// Returns whether a value contains what reads as another term: `a or id eq b`.
///
/// Such a value may be one value that lost its quotes, or the end of one value, a whole term and
/// the start of another value.
fn hides_a_term(value: &str) -> bool {
    steps::count(value.len());
    let mut rest = value;
    while let Some(at) = rest.find(token::is_space) {
        // Only the places after white space matter: `a or id eq b` has one, `word` has none.
        rest = rest.tail(at).trim_start_matches(token::is_space);
        let Some((word, _)) = loose::connective(rest) else { continue };
        let after = rest.tail(word.len());
        let mut words = after.split(token::is_space).filter(|word| !word.is_empty());
        // Three words are enough to recognize a term: a connective, a path and an operator. A
        // symbol may be part of the path, as in `or id==b`.
        let (path, operator) = (words.next(), words.next());
        let symbol = path.is_some_and(|path| path.contains(operator::SYMBOL));
        if symbol
            || operator.is_some_and(|word| is_operator(word) || word.contains(operator::SYMBOL))
        {
            return true;
        }
    }
    false
}

/// The maximum number of characters of a suggestion in a help text. A longer suggestion is only in
/// the error's data.
const MAX_SHOWN: usize = 800;

impl Error {
    /// Adds a suggestion, if there is one, and the message for the cause that it fixes.
    #[cold]
    pub(crate) fn suggesting(self, text: &str, limits: Limits, rules: &Rules<'_>) -> Self {
        if self.is_about_size() {
            return self;
        }
        let suggestion = suggest(text, limits, rules);
        let cause = suggestion.as_ref().map(|suggestion| suggestion.cause);
        let mut error = self.explained(text, cause);
        if let Some(Suggestion { text, .. }) = suggestion {
            error.help = shown(&text, error.advice).into();
            error.suggestion = Some(text.into());
        }
        error
    }
}

/// Returns the help that shows a suggestion, followed by the advice.
pub(crate) fn shown(suggestion: &str, advice: Option<&str>) -> String {
    let help = if suggestion.chars().nth(MAX_SHOWN).is_some() {
        "use the suggested filter, which is too long to show here".to_owned()
    } else {
        format!("write `{suggestion}`")
    };
    match advice {
        Some(advice) => format!("{help}; {advice}"),
        None => help,
    }
}
