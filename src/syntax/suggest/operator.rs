//! Reads operators of SCIM and of other languages.
//!
//! The tables are ordered: at one place the first entry that fits is taken, so a longer symbol or
//! phrase comes before each shorter one that it begins with: `==` before `=`, `is not` before `is`.
//!
//! A symbol ends where the table says, and so needs no space after it: `id=="a"`. A phrase must end
//! at a word boundary: `isabel` does not begin with the operator `is`.
//!
//! # Why `in` and `like` are no operators of SCIM
//!
//! Each has a [`Meaning`] of its own, since it is no single comparison. `in` becomes one comparison
//! for each value, and `like` becomes `co`, `sw` or `ew`, as its wildcards are placed.

use super::{CompareOp, loose::Loose, trim_start};

/// The meaning of an operator of any language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Compare(CompareOp),
    Present,
    Absent,
    /// Equal to one value of a list.
    In,
    /// Equal to no value of a list.
    NotIn,
    /// Matches a pattern with `%` or `*`.
    Like,
}

const fn compare(operator: CompareOp) -> Meaning {
    Meaning::Compare(operator)
}

/// Symbols of other languages.
const SYMBOLS: [(&str, Meaning); 11] = [
    ("===", compare(CompareOp::Eq)),
    ("!==", compare(CompareOp::Ne)),
    ("==", compare(CompareOp::Eq)),
    ("!=", compare(CompareOp::Ne)),
    ("<>", compare(CompareOp::Ne)),
    ("<=", compare(CompareOp::Le)),
    (">=", compare(CompareOp::Ge)),
    ("=", compare(CompareOp::Eq)),
    ("<", compare(CompareOp::Lt)),
    (">", compare(CompareOp::Gt)),
    (":", compare(CompareOp::Eq)),
];

/// Phrases of other languages, with single spaces between their words.
const WORDS: [(&str, Meaning); 30] = [
    ("is not present", Meaning::Absent),
    ("is not absent", Meaning::Present),
    ("is present", Meaning::Present),
    ("is absent", Meaning::Absent),
    ("is not equal to", compare(CompareOp::Ne)),
    ("not equal to", compare(CompareOp::Ne)),
    ("is equal to", compare(CompareOp::Eq)),
    ("is not in", Meaning::NotIn),
    ("not equals", compare(CompareOp::Ne)),
    ("not equal", compare(CompareOp::Ne)),
    ("is not", compare(CompareOp::Ne)),
    ("isnot", compare(CompareOp::Ne)),
    ("is in", Meaning::In),
    ("not in", Meaning::NotIn),
    ("equal to", compare(CompareOp::Eq)),
    ("equals", compare(CompareOp::Eq)),
    ("equal", compare(CompareOp::Eq)),
    ("neq", compare(CompareOp::Ne)),
    ("gte", compare(CompareOp::Ge)),
    ("lte", compare(CompareOp::Le)),
    ("contains", compare(CompareOp::Co)),
    ("starts with", compare(CompareOp::Sw)),
    ("startswith", compare(CompareOp::Sw)),
    ("ends with", compare(CompareOp::Ew)),
    ("endswith", compare(CompareOp::Ew)),
    ("like", Meaning::Like),
    ("in", Meaning::In),
    ("is", compare(CompareOp::Eq)),
    ("begins with", compare(CompareOp::Sw)),
    ("present", Meaning::Present),
];

/// Functions of other languages, each with the SCIM operator that replaces it.
pub(in crate::syntax) const FUNCTIONS: [(&str, CompareOp); 5] = [
    ("startswith", CompareOp::Sw),
    ("starts_with", CompareOp::Sw),
    ("endswith", CompareOp::Ew),
    ("ends_with", CompareOp::Ew),
    ("contains", CompareOp::Co),
];

/// Characters that form operators and connectives.
pub(super) const SYMBOL: [char; 8] = ['=', '!', '<', '>', '~', ':', '&', '|'];

/// Returns whether a word is an operator of any language, and so unlikely to be a value.
pub(in crate::syntax) fn is_operator(word: &str) -> bool {
    keyword(word).is_some()
        || WORDS.iter().any(|(other, _)| word.eq_ignore_ascii_case(other))
        || !word.is_empty() && word.chars().all(|c| SYMBOL.contains(&c))
}

/// Returns the operator of SCIM that a word is; a dash may be before it, as in PowerShell: `-eq`.
pub(super) fn keyword(word: &str) -> Option<Meaning> {
    let word = word.strip_prefix('-').unwrap_or(word);
    match word.eq_ignore_ascii_case("pr") {
        true => Some(Meaning::Present),
        false => CompareOp::from_keyword(word).map(Meaning::Compare),
    }
}

/// Removes a phrase from the start of a text and returns the rest.
///
/// Any amount of white space may separate its words. The last one must be a whole word of the text.
fn after_words<'t>(text: &'t str, words: &str) -> Option<&'t str> {
    let mut rest = text;
    for (at, word) in words.split(' ').enumerate() {
        if at > 0 {
            let trimmed = trim_start(rest);
            if trimmed.len() == rest.len() {
                return None;
            }
            rest = trimmed;
        }
        let (start, after) = rest.split_at_checked(word.len())?;
        if !start.eq_ignore_ascii_case(word) {
            return None;
        }
        rest = after;
    }
    // `is-admin` and `in_stock` are names, although a phrase is their first part.
    let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && !"-_.".contains(c));
    ends.then_some(rest)
}

impl Loose<'_, '_> {
    /// Reads an operator of any language, and records of which kind it is.
    pub(super) fn operator(&mut self) -> Option<Meaning> {
        let rest = self.rest();
        // Both describe the last operator only; `native` and `foreign` describe all of them.
        (self.symbol, self.worded) = (false, false);
        for (symbol, meaning) in SYMBOLS {
            if let Some(after) = rest.strip_prefix(symbol) {
                // A longer symbol is not in the table, so its meaning is unknown: `=~`.
                if after.starts_with(['=', '<', '>', '~', '&', '|']) {
                    return None;
                }
                (self.foreign, self.symbol) = (true, true);
                self.move_to(after);
                return Some(meaning);
            }
        }
        let word = self.word();
        if let Some(meaning) = keyword(word) {
            self.native = true;
            self.at += word.len();
            return Some(meaning);
        }
        let (after, meaning) = WORDS
            .iter()
            .find_map(|(words, meaning)| Some((after_words(rest, words)?, *meaning)))?;
        (self.foreign, self.worded) = (true, true);
        self.move_to(after);
        Some(meaning)
    }
}
