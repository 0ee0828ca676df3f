//! Reads values in quotes of any kind.
//!
//! A closed JSON string is taken as it is. For other quotes, the closing one is the first of the
//! same family (single or double) at which a value can end: before a connective, a closing bracket,
//! a comma, or the end of the text. A value is ambiguous if a quote of another kind could end it
//! earlier, or if its content looks escaped or encoded or contains such quotes itself.

use super::layers::{is_invisible, percents};
use super::loose::{Loose, connective};
use super::{CompareOp, Stop, trim_start};
use crate::diagnostic::Parts;
use crate::syntax::diagnose::{DOUBLE_QUOTES, QUOTES, SINGLE_QUOTES};
use crate::syntax::{steps, token};

/// The letter before SQL's national strings: `N'a'`. The letters that other languages write before
/// a quote are more likely to begin a value.
const STRING_PREFIXES: [char; 2] = ['N', 'n'];

/// Quotation marks of other scripts, and signs that look like one.
const OTHER_QUOTES: [char; 18] = [
    '＂', '＇', '′', '″', '‴', '‹', '›', '「', '」', '『', '』', '〝', '〞', '〟', '❛', '❜', '❝',
    '❞',
];

impl<'t> Loose<'t, '_> {
    /// Reads the value after an operator and the white space `gap`, and returns it as JSON.
    pub(super) fn value(&mut self, operator: CompareOp, gap: &str) -> Result<String, Stop> {
        let start = self.at;
        match self.quoted() {
            Err(Stop::Nonsense) => self.at = start,
            read => return read,
        }
        self.bare(operator, gap)
    }

    /// Reads a value in quotes of any kind and returns it as JSON.
    pub(super) fn quoted(&mut self) -> Result<String, Stop> {
        let rest = self.rest();
        if let Ok((after, _)) = token::string(rest)
            && self.ends_value(after)
        {
            let string = rest.before_rest(after);
            self.move_to(after);
            return Ok(string.to_owned());
        }
        // Most strings have no letter before their quote.
        let unprefixed = rest.strip_prefix(STRING_PREFIXES).unwrap_or(rest);
        let mut chars = unprefixed.chars();
        let Some(open) = chars.next().filter(|c| QUOTES.contains(c) || *c == '"') else {
            return Err(Stop::Nonsense);
        };
        // `N"a"`: without its letter it may be a closed JSON string, which the code above reads.
        if open == '"' && unprefixed.len() < rest.len() {
            self.move_to(unprefixed);
            return self.quoted();
        }
        let inner = chars.as_str();
        let (content, after) = self.closed(open, inner).ok_or(Stop::Nonsense)?;
        plain(content)?;
        let family = family(open);
        let nested = |c: char| family.contains(&c) || c == '"' && open == '"';
        // Inner quotes may be those of the value, and the outer ones a shell's: `'"a"'`.
        if content.contains(nested) || content.starts_with(is_quote) || content.ends_with(is_quote)
        {
            return Err(Stop::Ambiguous);
        }
        self.move_to(after);
        json(content)
    }

    /// Splits the text after an opening quote at the closing quote.
    ///
    /// The closing quote is the first one of the same family at which a value can end.
    fn closed(&self, open: char, inner: &'t str) -> Option<(&'t str, &'t str)> {
        let at = |quotes: &dyn Fn(char) -> bool| {
            let counted = inner.char_indices().inspect(|(_, c)| steps::count(c.len_utf8()));
            counted.filter(|(_, c)| quotes(*c)).find_map(|(at, c)| {
                let after = inner.tail(at + c.len_utf8());
                self.ends_value(after).then(|| (inner.head(at), after))
            })
        };
        let same = family(open);
        let closing = |c: char| same.contains(&c);
        let other = |c: char| QUOTES.contains(&c) || c == '"';
        if open == '"' {
            // Strings that `"` closes were read above.
            return at(&|c| closing(c) && c != '"').filter(|(content, _)| !content.contains('"'));
        }
        // If the value can end at an earlier quote of another kind, its end is uncertain.
        at(&closing).filter(|one| at(&other) == Some(*one))
    }

    /// Returns whether a value can end before this text.
    fn ends_value(&self, after: &str) -> bool {
        let next = trim_start(after);
        next.is_empty()
            || next.starts_with([')', ']', ','])
            || self.in_object && next.starts_with('}')
            || matches!(next, ";" | "," | ".")
            || connective(next).is_some()
    }
}

/// Returns the quotes that can close a value that `quote` opens.
fn family(quote: char) -> &'static [char] {
    match DOUBLE_QUOTES.contains(&quote) {
        true => &DOUBLE_QUOTES,
        false => &SINGLE_QUOTES,
    }
}

/// Refuses content that may be escaped or encoded, or that has invisible characters.
pub(super) fn plain(content: &str) -> Result<(), Stop> {
    steps::count(content.len());
    let unclear = |c: char| c == '\\' || is_invisible(c) || c.is_control();
    let entity = content.split_once('&').is_some_and(|(_, rest)| rest.contains(';'));
    let encoded = entity || percents(content).any(|byte| byte.is_some());
    match encoded || content.contains(unclear) {
        true => Err(Stop::Ambiguous),
        false => Ok(()),
    }
}

/// Returns content as a JSON string.
pub(super) fn json(content: &str) -> Result<String, Stop> {
    serde_json::to_string(content).map_err(|_| Stop::Nonsense)
}

/// Returns the operator and the value that a pattern of `like` means.
///
/// A pattern with wildcards only at its ends is `co`, `sw` or `ew`; any other is ambiguous.
pub(super) fn pattern(value: &str) -> Result<(CompareOp, String), Stop> {
    let text: String = serde_json::from_str(value).map_err(|_| Stop::Nonsense)?;
    let wild = |c: char| c == '%' || c == '*';
    let inner = text.trim_matches(wild);
    let (first, last) = (text.strip_prefix(wild), text.strip_suffix(wild));
    let operator = match (first, last) {
        (Some(_), Some(_)) => CompareOp::Co,
        (None, Some(_)) => CompareOp::Sw,
        (Some(_), None) => CompareOp::Ew,
        (None, None) => return Err(Stop::Ambiguous),
    };
    // `_`, `?` and sets in square brackets match one character each, which SCIM cannot express.
    let marks = |c: char| wild(c) || "_?[]\\".contains(c);
    // `%%a` has two wildcards at one end. In some languages a pair of them means the sign itself.
    let count = usize::from(first.is_some()) + usize::from(last.is_some());
    if inner.is_empty()
        || inner.contains(marks)
        || text.chars().count() != inner.chars().count() + count
    {
        return Err(Stop::Ambiguous);
    }
    Ok((operator, json(inner)?))
}

/// Returns whether a character is a quotation mark of any script, or looks like one.
pub(super) fn is_quote(c: char) -> bool {
    c == '"' || QUOTES.contains(&c) || OTHER_QUOTES.contains(&c)
}

/// Returns whether a text begins with a quote of any kind.
pub(super) fn is_quoted(text: &str) -> bool {
    text.starts_with(|c| c == '"' || QUOTES.contains(&c))
}
