//! Words that ask whether an attribute is absent, such as `is empty`.

use super::layers::outside;
use super::loose::connective;
use super::operator::SYMBOL;
use super::trim_start;
use crate::syntax::token::is_space;

/// Words for absence and presence. After a comparison in words they are no value.
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

/// Words for no value at all in other languages.
const NULLS: [&str; 4] = ["null", "none", "nil", "undefined"];

/// Words after which a word for absence asks for it.
const COMPARISONS: [&str; 9] = ["is", "isnot", "not", "equals", "equal", "to", "eq", "ne", "neq"];

/// Whether a word is one for absence or presence.
pub(super) fn is_absence(word: &str) -> bool {
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether a word is one for no value in another language.
pub(super) fn is_null(word: &str) -> bool {
    NULLS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Whether a text asks for absence, outside of its closed values.
pub(crate) fn asks_for_absence(text: &str) -> bool {
    let plain = plain(text);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut before, mut at) = ("", 0);
    for word in plain.split(|c: char| !is_part(c)) {
        let (start, end) = (at, at + word.len());
        at = end + plain.get(end..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        if word.is_empty() {
            continue;
        }
        let symbol = plain.get(..start).unwrap_or_default().trim_end().ends_with(SYMBOL);
        let compared = symbol || COMPARISONS.iter().any(|word| before.eq_ignore_ascii_case(word));
        let next = trim_start(plain.get(end..).unwrap_or_default());
        let ends = next.is_empty() || next.starts_with([')', ']', '}', ',', ';', '.']);
        if is_absence(word) && compared && (ends || connective(next).is_some()) {
            return true;
        }
        before = word;
    }
    false
}

/// A text with a mark in place of each closed value.
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
