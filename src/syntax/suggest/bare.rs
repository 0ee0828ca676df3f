//! Reads values without quotes.
//!
//! Without quotes, nothing says where a value ends. `id eq my app or spaceId eq b` has two values,
//! and `id eq black or white` may have one or two. A value ends before a connective, a bracket, or
//! the end of the text:
//!
//! ```text
//! id eq my app or spaceId eq b
//!       └──┬─┘ └─ connective: ends the value
//!        extent
//! ```
//!
//! Text after the value may belong to it or not: a comment (`a1 -- x`), a wildcard (`app*`), a
//! clause of a query (`a1 limit 10`), a placeholder (`${ID}`), a term of another language. Such
//! forms cannot be listed, so the value is held against a list of what is allowed: words of letters
//! and digits, with a few signs between them. Anything else is ambiguous, and the author decides.
//!
//! The steps: [`Loose::extent`] finds the end; [`Loose::unquoted_value`] separates encoded values,
//! literals and strings; [`Loose::is_one_value`] refuses what may be more than one value.

use super::absence::{is_absence, is_null};
use super::layers::{decode, percents};
use super::loose::{Loose, connective};
use super::operator::is_operator;
use super::value::{json, plain};
use super::{CompareOp, Stop, trim_start, until};
use crate::diagnostic::{Parts, nearest};
use crate::syntax::diagnose::{QUOTES, before_first};
use crate::syntax::token::{self, is_space};

/// Quotes as HTML entities.
const ENTITIES: [&str; 7] = ["&quot;", "&#34;", "&#x22;", "&apos;", "&#39;", "&#x27;", "&#039;"];

/// Characters that end a bare value.
const BRACKETS: [char; 4] = ['(', ')', '[', ']'];

/// Words that begin a choice of several values, or of none, rather than a value.
const QUANTIFIERS: [&str; 13] = [
    "one", "any", "all", "none", "no", "not", "either", "neither", "between", "within", "among",
    "every", "non",
];

/// Words that begin another clause of a query, or join in ways that SCIM does not have.
const CLAUSES: [&str; 27] = [
    "limit", "offset", "order", "orderby", "sort", "sortby", "group", "groupby", "having", "union",
    "fetch", "select", "from", "where", "asc", "desc", "take", "skip", "top", "by", "if", "when",
    "unless", "xor", "nor", "nand", "then",
];

/// Words for booleans and numbers in other languages.
const LITERALS: [&str; 11] =
    ["yes", "no", "on", "off", "y", "n", "t", "f", "nan", "inf", "infinity"];

impl<'t> Loose<'t, '_> {
    /// Reads a value without quotes and returns it as JSON.
    ///
    /// `gap` is the white space before it.
    pub(super) fn bare(&mut self, operator: CompareOp, gap: &str) -> Result<String, Stop> {
        let (content, after) = self.extent();
        if content.is_empty() {
            return Err(Stop::Nonsense);
        }
        // With several words, the connective without a space may belong to the value too.
        if self.cut && content.contains(is_space) {
            return Err(Stop::Ambiguous);
        }
        let value = self.unquoted_value(operator, content)?;
        if value.starts_with('"') {
            // White space beyond one separating space may be part of the value.
            let next = trim_start(after);
            let separated = match after.len() - next.len() {
                0 => connective(next).is_none() || self.cut,
                spaces => spaces == 1 && connective(next).is_some(),
            };
            if gap.len() > 1 || gap.chars().any(|c| c != ' ') || !separated {
                return Err(Stop::Ambiguous);
            }
            self.bare = true;
        }
        self.move_to(after);
        Ok(value)
    }

    /// Splits the rest into the value that begins here and the text after it.
    ///
    /// The value goes on over spaces, since an unquoted value may consist of several words. It also
    /// ends at a connective without a space if a whole term without spaces follows: `a&&id==b`.
    fn extent(&mut self) -> (&'t str, &'t str) {
        let rest = self.rest();
        let is_symbol = |c: char| matches!(c, '&' | '|');
        let (mut end, mut spaced) = (0, false);
        let after = loop {
            let tail = rest.tail(end);
            let next = trim_start(tail);
            let has_space = next.len() < tail.len();
            if next.is_empty()
                || next.starts_with(BRACKETS)
                || end > 0 && has_space && connective(next).is_some()
            {
                break tail;
            }
            if end > 0 && !has_space && !spaced && glued_term(next) {
                self.cut = true;
                break tail;
            }
            spaced |= has_space;
            // Symbols at the start of a word are part of it unless they form a connective, which
            // the checks above have found. Without moving past them, the loop would not advance.
            let symbols = until(next, |c| !is_symbol(c));
            let word = next.tail(symbols);
            let stops = |c| is_space(c) || BRACKETS.contains(&c) || self.glued && is_symbol(c);
            end = rest.len() - word.len() + until(word, stops);
        };
        (rest.head(end), after)
    }

    /// Returns a value without quotes as JSON.
    ///
    /// A literal stays one, unless every value is a string.
    fn unquoted_value(&mut self, operator: CompareOp, content: &str) -> Result<String, Stop> {
        if let Some(inner) = url_quoted(content) {
            return json(&inner?);
        }
        // Quotes that are escaped or encoded belong to a layer, which another reading removes.
        let escaped = content.strip_prefix('\\').is_some_and(|rest| rest.starts_with(QUOTES));
        if escaped
            || content.contains('"')
            || ENTITIES.iter().any(|quote| content.starts_with(quote))
        {
            return Err(Stop::Nonsense);
        }
        if let Some(literal) = self.literal_value(operator, content)? {
            return Ok(literal);
        }
        // `a1'` has lost its opening quote.
        // Most values have lost both quotes, or neither.
        let unquoted = content.strip_suffix(QUOTES).unwrap_or(content);
        if unquoted.is_empty() || unquoted.len() < content.len() && unquoted.contains(QUOTES) {
            return Err(Stop::Ambiguous);
        }
        self.is_one_value(unquoted)?;
        json(unquoted)
    }

    /// Returns the literal that a value without quotes is, or `None` if it is a string.
    fn literal_value(
        &mut self,
        operator: CompareOp,
        content: &str,
    ) -> Result<Option<String>, Stop> {
        let lower = content.to_ascii_lowercase();
        if lower == "null" && self.rules.strings {
            return Err(Stop::Nonsense);
        }
        let boolean = matches!(&*lower, "true" | "false" | "null");
        // `is null` may ask whether the attribute is absent, as `not(… pr)` does.
        let worded = self.worded || self.symbol || !self.rules.strings;
        let absent = is_null(&lower) || is_absence(&lower) && worded;
        if absent && (self.worded || !boolean) {
            return Err(Stop::Ambiguous);
        }
        if self.rules.strings {
            return Ok(None);
        }
        // From here on, values may be literals, so text that resembles one is not a string.
        let literal = token::bare_value(content.as_bytes()).is_some();
        if literal || boolean {
            // A number may be a string without its quotes, except after an operator of order.
            let ordered = [CompareOp::Gt, CompareOp::Ge, CompareOp::Lt, CompareOp::Le];
            self.literal |= !literal || !boolean && !ordered.contains(&operator);
            return Ok(Some(if boolean { lower } else { content.to_owned() }));
        }
        let number = content.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            && content.bytes().all(|b| b.is_ascii_digit() || b"+-.eE_,".contains(&b));
        // `0x10` and `5kg` may be numbers; dates and ids begin with a digit too, but have dashes.
        let foreign = content.starts_with(char::is_numeric) && !content.contains('-');
        let misspelled = ["true", "false", "null"].iter().any(|word| slips(&lower, word));
        match number || foreign || misspelled || LITERALS.contains(&&*lower) {
            true => Err(Stop::Ambiguous),
            false => Ok(None),
        }
    }

    /// Refuses content that may be several values, or a value followed by something else.
    fn is_one_value(&self, content: &str) -> Result<(), Stop> {
        plain(content)?;
        let words: Vec<&str> = content.split(is_space).filter(|word| !word.is_empty()).collect();
        // The content begins with its first word.
        let (first, is_one_word) = (before_first(content, is_space), words.len() == 1);
        let among = |list: &[&str], word: &str| list.iter().any(|w| word.eq_ignore_ascii_case(w));
        let other =
            |word: &&str| is_operator(word) || among(&["not"], word) || connective(word).is_some();
        let tail = words.iter().skip(1).any(|word| among(&CLAUSES, word) || word.contains(':'));
        let several = !is_one_word && among(&QUANTIFIERS, first);
        let absent = self.worded && !is_one_word && words.iter().any(|word| is_absence(word));
        // Other languages compare with a colon: `spaceId:b`.
        let name = first.split_once(':').map(|(name, _)| name);
        let colon =
            name.is_some_and(|name| !is_one_word || self.symbol || (self.rules.is_name)(name));
        let refused = words.iter().any(other)
            || tail
            || several
            || absent
            || colon
            || (self.rules.is_name)(content)
            // A path of a programming language: `event.id`, `process.env.ID`.
            || content.rsplit_once('.').is_some_and(|(_, name)| (self.rules.is_name)(name))
            || content.contains("env.")
            || !words.iter().all(|word| is_word(word));
        if refused { Err(Stop::Ambiguous) } else { Ok(()) }
    }

    /// Reads one value of a list: in quotes, or one word of letters and digits.
    pub(super) fn item(&mut self) -> Result<String, Stop> {
        let start = self.at;
        match self.quoted() {
            Err(Stop::Nonsense) => self.at = start,
            // Two quotes in a row may be one escaped quote.
            Ok(value) if value == "\"\"" && !self.from(start).starts_with('"') => {
                return Err(Stop::Ambiguous);
            }
            read => return read,
        }
        let rest = self.rest();
        let end = until(rest, |c| is_space(c) || c == ',' || BRACKETS.contains(&c));
        let content = rest.head(end);
        let is_word = |c: char| c.is_alphanumeric() || "-_.:@".contains(c);
        if content.is_empty() || !content.chars().all(is_word) || is_operator(content) {
            return Err(Stop::Nonsense);
        }
        // `1-5` is a range in other languages.
        let is_range = |(from, to): (&str, &str)| {
            let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            number(from) && number(to)
        };
        if content.split_once('-').is_some_and(is_range) {
            return Err(Stop::Ambiguous);
        }
        let value = self.unquoted_value(CompareOp::Eq, content)?;
        self.bare |= value.starts_with('"');
        self.at += content.len();
        Ok(value)
    }
}

/// Returns whether a word is certainly part of a bare value.
///
/// It consists of letters and digits, and between them of signs that do not join, compare or
/// comment in any language that authors may have in mind.
fn is_word(word: &str) -> bool {
    let sign = |c: char| "-_.:@/'’".contains(c);
    // Modifier letters look like quotes.
    let letter = |c: char| c.is_alphanumeric() && !('\u{2b0}'..='\u{2ff}').contains(&c);
    let ends = |c: char| letter(c) || c == '_';
    let marks = ["--", "//", ".."].iter().any(|mark| word.replacen("://", "", 1).contains(mark));
    word.chars().all(|c| letter(c) || sign(c))
        && word.starts_with(ends)
        && word.ends_with(|c| ends(c) || c == '-')
        && !marks
}

/// Returns whether a word is a misspelling of a literal.
fn slips(word: &str, literal: &str) -> bool {
    word.len() < 8 && nearest::distance(word, literal).is_some_and(|letters| letters == 1)
}

/// Returns whether a text begins with a connective, a name and an operator, without spaces between
/// them: `&&spaceId==b`.
fn glued_term(text: &str) -> bool {
    let Some((symbol, _)) = connective(text) else { return false };
    let term = text.tail(symbol.len());
    let name = until(term, |c| !c.is_ascii_alphanumeric() && !"._-".contains(c));
    name > 0 && term.tail(name).starts_with(['=', '!', '<', '>', ':'])
}

/// Returns the content of a value whose quotes are URL-encoded, such as `%22a1%22`.
///
/// It is ambiguous if it contains a character that an encoder would have encoded.
fn url_quoted(content: &str) -> Option<Result<String, Stop>> {
    let inner_of = |quote: &str| content.strip_prefix(quote)?.strip_suffix(quote);
    let inner = inner_of("%22").or_else(|| inner_of("%27"))?;
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'():@%".contains(&b);
    let decodable =
        percents(inner).all(|byte| byte.is_some_and(|byte| byte != b'"' && byte != b'\\'));
    if !decodable || !inner.bytes().all(safe) {
        return Some(Err(Stop::Ambiguous));
    }
    let mut bytes = Vec::new();
    decode(inner, false, &mut bytes);
    Some(String::from_utf8(bytes).map_err(|_| Stop::Ambiguous))
}
