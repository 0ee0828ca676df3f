//! Recognizes questions for absence, such as `id is empty`.
//!
//! SCIM asks with `pr` whether an attribute is present, and a profile of strings may not support
//! it. Authors then write `id is null`, `id == undefined` or `id is not set`. Read as comparisons
//! with a value, these would compare with the string `null`, which no author means. So these words
//! are never values after a comparison in words, and the profile's errors explain that absence
//! cannot be asked for.
//!
//! # Examples
//!
//! ```text
//! id is null              asks for absence: `null` ends a term after a comparison
//! id == undefined         the same after a symbol
//! id eq "null"            a value: it is in a closed string
//! id is null island       a value of several words: the word does not end the term
//! id is set               asks for presence, by a word for it after a comparison
//! ```

use super::layers::outside;
use super::loose::connective;
use super::operator::SYMBOL;
use super::{trim_start, until};
use crate::diagnostic::Parts;
use crate::syntax::token::is_space;

/// Words for absence and presence. After a comparison in words they are not values.
const WORDS: [&str; 15] = [
    "null",
    "none",
    "nil",
    "undefined",
    "nothing",
    "empty",
    "blank",
    "missing",
    "set",
    "unset",
    "defined",
    "present",
    "absent",
    "unknown",
    "exists",
];

/// The null value of other languages.
const NULLS: [&str; 4] = ["null", "none", "nil", "undefined"];

/// Words that compare, so that a word for absence after them asks for it.
const COMPARISONS: [&str; 9] = ["is", "isnot", "not", "equals", "equal", "to", "eq", "ne", "neq"];

/// Returns whether a word asks for absence or presence.
pub(super) fn is_absence(word: &str) -> bool {
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Returns whether a word is the null value of another language.
pub(super) fn is_null(word: &str) -> bool {
    NULLS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Returns whether a text asks for absence, outside its closed strings.
///
/// The word must end a term: at the end of the text, or before a bracket or a connective.
pub(crate) fn asks_for_absence(text: &str) -> bool {
    let plain = plain(text);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut before, mut rest) = ("", plain.as_str());
    while let Some(start) = rest.find(is_part) {
        let (_, from_word) = rest.split_at(start);
        let (word, after) = from_word.split_at(until(from_word, |c| !is_part(c)));
        // The text before the word, not only the word before: a symbol is not a word.
        let symbol = plain.before_rest(from_word).trim_end().ends_with(SYMBOL);
        let compared = symbol || COMPARISONS.iter().any(|word| before.eq_ignore_ascii_case(word));
        let next = trim_start(after);
        let ends = next.is_empty() || next.starts_with([')', ']', '}', ',', ';', '.']);
        if is_absence(word) && compared && (ends || connective(next).is_some()) {
            return true;
        }
        (before, rest) = (word, after);
    }
    false
}

/// Returns the text with one `"` in place of each closed string, and plain spaces.
fn plain(text: &str) -> String {
    let (mut plain, mut end) = (String::with_capacity(text.len()), 0);
    for (at, c) in outside(text) {
        if at > end {
            plain.push('"');
        }
        plain.push(if is_space(c) { ' ' } else { c });
        end = at + c.len_utf8();
    }
    plain
}
