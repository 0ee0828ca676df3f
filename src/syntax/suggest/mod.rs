//! Corrects a refused filter as a whole, or not at all.
//!
//! # The idea
//!
//! A damaged text has several *readings*. Each is one way to undo damage: the text is read term by
//! term with a tolerant reader ([`loose`]), and a layer of encoding that it shows evidence of is
//! taken off ([`layers`]), after which the rest has readings of its own. Of all readings those
//! count whose result is in the grammar and accepted by the caller's rules.
//!
//! > A suggestion exists only if all readings that count are the same filter.
//!
//! # Example
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
//! - A suggestion is parsed and accepted again in the very form in which it is shown.
//! - Work is bounded: a text of at most [`MAX_TEXT`] bytes has at most [`MAX_READINGS`] readings, each
//!   of them linear in the text; a longer one, or one above the limits, has none.
//!
//! # Rejected
//!
//! Taking the likeliest reading: of `id eq a%20b` either one is wrong for some author, and a wrong
//! suggestion is accepted when pasted back.

mod absence;
mod bare;
mod explain;
mod layers;
mod loose;
mod object;
mod operator;
mod path;
mod value;

use crate::diagnostic::excerpt;
use crate::syntax::error::Error;
use crate::syntax::{CompareOp, ExprKind, ExprRef, Limits, Value, parse, steps, token};
pub(crate) use absence::asks_for_absence;
use layers::Layer;
pub(super) use operator::{FUNCTIONS, is_operator};

/// What the author of a filter may write, as far as the grammar does not say.
pub(crate) struct Rules<'r> {
    /// Whether all values are strings, so that a bare number is a string without its quotes.
    pub(crate) strings: bool,
    /// The attribute that a name or JSON path means, where that is certain.
    pub(crate) attribute: &'r dyn Fn(&str) -> Option<String>,
    /// Whether a word is a name of attributes, so that it is not likely a value.
    pub(crate) is_name: &'r dyn Fn(&str) -> bool,
    /// Whether a value is accepted and probably unintended, such as one with a wildcard.
    pub(crate) is_doubtful: &'r dyn Fn(&str) -> bool,
    /// The accepted filter that a parsed text means, printed.
    pub(crate) accepted: &'r dyn Fn(ExprRef<'_>) -> Option<String>,
}

impl Rules<'_> {
    /// The rules of the grammar alone.
    pub(in crate::syntax) const GRAMMAR: Rules<'static> = Rules {
        strings: false,
        attribute: &|_| None,
        is_name: &|_| false,
        is_doubtful: &|_| false,
        accepted: &|root| Some(crate::syntax::expr::print(root)),
    };
}

/// What was wrong with the text as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing: each term has its own mistakes.
    Terms,
    Escaped,
    UrlEncoded,
    HtmlEncoded,
    DuplicateQuotes,
    OuterQuotes,
    Prefix,
    Json,
    Invisible,
}

/// The filter that the author of a text meant.
pub(super) struct Suggestion {
    pub(super) text: String,
    pub(super) cause: Cause,
}

/// Why a text has no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It makes no sense in this way.
    Nonsense,
    /// It makes sense in several ways.
    Ambiguous,
}

/// What the readings of a text have in common.
enum Reading {
    None,
    One(String, Cause),
    Several,
}

impl Reading {
    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) | (other, Self::None) => other,
            (Self::One(one, cause), Self::One(other, _)) if one == other => Self::One(one, cause),
            _ => Self::Several,
        }
    }
}

/// Bytes of a text for which there are suggestions: the default limit of filters.
const MAX_TEXT: usize = 32_768;
/// Readings of one text, which bound the work.
const MAX_READINGS: usize = 12;
/// Layers that may be on top of each other.
const MAX_LAYERS: usize = 3;

/// Finds the filter that a refused text means. Where it has several meanings, it has none.
#[cold]
pub(super) fn suggest(text: &str, limits: Limits, rules: &Rules<'_>) -> Option<Suggestion> {
    if text.len() > limits.bytes().min(MAX_TEXT) {
        return None;
    }
    let mut reader = Reader { limits, rules, readings: 0 };
    let Reading::One(text, cause) = reader.layers_and_terms(text, 0) else { return None };
    let text = excerpt(&text, usize::MAX);
    let tree = parse(&text, limits).ok()?;
    (rules.accepted)(tree.root())?;
    Some(Suggestion { text, cause })
}

struct Reader<'r> {
    limits: Limits,
    rules: &'r Rules<'r>,
    readings: usize,
}

impl Reader<'_> {
    /// What a text means that was made from the refused one by taking off so many layers.
    fn read(&mut self, text: &str, layers: usize) -> Reading {
        match parse(text, self.limits) {
            Ok(tree) => self.accepted(tree.root()),
            Err(_) => self.layers_and_terms(text, layers),
        }
    }

    fn layers_and_terms(&mut self, text: &str, layers: usize) -> Reading {
        self.readings += 1;
        if self.readings > MAX_READINGS {
            return Reading::Several;
        }
        let mut found = Reading::None;
        if layers < MAX_LAYERS {
            for layer in layers::of(text) {
                let Layer { cause, text } = layer;
                let Some(text) = text else { return Reading::Several };
                let mut reading = self.read(&text, layers + 1);
                if let Reading::One(_, inner) = &mut reading {
                    *inner = cause;
                }
                if cause == Cause::Prefix {
                    return reading;
                }
                found = found.merge(reading);
            }
        }
        found.merge(self.terms(text))
    }

    fn accepted(&self, root: ExprRef<'_>) -> Reading {
        match (self.rules.accepted)(root) {
            Some(_) if root.iter().any(|part| self.is_unclear(part)) => Reading::Several,
            Some(text) => Reading::One(text, Cause::Terms),
            None => Reading::None,
        }
    }

    fn is_unclear(&self, part: ExprRef<'_>) -> bool {
        let ExprKind::Compare { value: Value::String(value), .. } = part.kind() else {
            return false;
        };
        hides_a_term(value) || (self.rules.is_doubtful)(value)
    }

    fn terms(&self, text: &str) -> Reading {
        match loose::read(text, self.limits, self.rules) {
            Ok(candidate) => match parse(&candidate, self.limits) {
                Ok(tree) => self.accepted(tree.root()),
                Err(_) => Reading::None,
            },
            Err(Stop::Nonsense) => Reading::None,
            Err(Stop::Ambiguous) => Reading::Several,
        }
    }
}

/// The length of the longest start of a text in which nothing stops.
fn until(text: &str, stops: impl FnMut(char) -> bool) -> usize {
    let end = text.find(stops).unwrap_or(text.len());
    steps::count(end);
    end
}

/// What is left of a text after white space.
fn trim_start(text: &str) -> &str {
    let rest = text.trim_start_matches(token::is_space);
    steps::count(text.len() - rest.len());
    rest
}

/// Whether a value holds what reads as another term, so that it may be the end of one value, a term,
/// and the start of another value.
fn hides_a_term(value: &str) -> bool {
    steps::count(value.len());
    let mut rest = value;
    while let Some(at) = rest.find(token::is_space) {
        rest = rest.get(at..).unwrap_or_default().trim_start_matches(token::is_space);
        let Some((word, _)) = loose::connective(rest) else { continue };
        let after = rest.get(word.len()..).unwrap_or_default();
        let mut words = after.split(token::is_space).filter(|word| !word.is_empty());
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

/// Limit of the characters of a suggestion that a help shows; a longer one is only in the error's data.
const MAX_SHOWN: usize = 800;

impl Error {
    /// The same error with the filter that was meant, where that is certain.
    #[cold]
    pub(crate) fn suggesting(self, text: &str, limits: Limits, rules: &Rules<'_>) -> Self {
        if self.is_of_size() {
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

/// The help that shows a suggestion.
pub(crate) fn shown(suggestion: &str, advice: Option<&str>) -> String {
    let help = if suggestion.chars().nth(MAX_SHOWN).is_some() {
        "write the filter as suggested, too long to be shown here".to_owned()
    } else {
        format!("write `{suggestion}`")
    };
    match advice {
        Some(advice) => format!("{help}; {advice}"),
        None => help,
    }
}
