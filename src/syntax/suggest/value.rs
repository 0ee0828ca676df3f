//! Values as authors write them.

use super::layers::{decode, is_invisible, percents};
use super::loose::{Loose, connective};
use super::operator::{SYMBOL, is_operator};
use super::{CompareOp, Stop};
use crate::syntax::diagnose::{DOUBLE_QUOTES, QUOTES, SINGLE_QUOTES};
use crate::syntax::token::{self, is_space};

/// The letter of SQL's national strings: `N'a'`. Letters that other languages use are likelier the
/// start of a value.
const STRING_PREFIXES: [char; 2] = ['N', 'n'];

/// Quotes as HTML writes them.
const ENTITIES: [&str; 7] = ["&quot;", "&#34;", "&#x22;", "&apos;", "&#39;", "&#x27;", "&#039;"];

const BRACKETS: [char; 4] = ['(', ')', '[', ']'];

impl<'t> Loose<'t, '_> {
    /// Reads a value after its operator; gives it as JSON.
    pub(super) fn value(&mut self, operator: CompareOp, gap: &str) -> Result<String, Stop> {
        let start = self.at;
        match self.quoted() {
            Err(Stop::Nonsense) => self.at = start,
            read => return read,
        }
        self.bare(operator, gap)
    }

    /// Reads a value in quotes of any kind.
    pub(super) fn quoted(&mut self) -> Result<String, Stop> {
        let rest = self.rest();
        if let Ok((after, _)) = token::string(rest)
            && self.ends_value(after)
        {
            let string = rest.get(..rest.len() - after.len()).unwrap_or_default();
            self.move_to(after);
            return Ok(string.to_owned());
        }
        let unprefixed = rest.strip_prefix(STRING_PREFIXES).unwrap_or(rest);
        let Some(open) = unprefixed.chars().next().filter(|c| QUOTES.contains(c) || *c == '"')
        else {
            return Err(Stop::Nonsense);
        };
        if open == '"' && unprefixed.len() < rest.len() {
            self.move_to(unprefixed);
            return self.quoted();
        }
        let inner = unprefixed.get(open.len_utf8()..).unwrap_or_default();
        let (content, after) = self.closed(open, inner).ok_or(Stop::Nonsense)?;
        plain(content)?;
        let family = family(open);
        let nested = |c: char| family.contains(&c) || c == '"' && open == '"';
        if content.contains(nested) {
            return Err(Stop::Ambiguous);
        }
        self.move_to(after);
        json(content)
    }

    /// The content of a value in wrong quotes and what is after it: up to the first quote of the same
    /// family at which a value can end.
    fn closed(&self, open: char, inner: &'t str) -> Option<(&'t str, &'t str)> {
        let at = |quotes: &dyn Fn(char) -> bool| {
            inner.char_indices().filter(|(_, c)| quotes(*c)).find_map(|(at, c)| {
                let after = inner.get(at + c.len_utf8()..)?;
                self.ends_value(after).then(|| (inner.get(..at).unwrap_or_default(), after))
            })
        };
        let same = family(open);
        let closing = |c: char| same.contains(&c);
        let other = |c: char| QUOTES.contains(&c) || c == '"';
        if open == '"' {
            // Strings that are closed as they should be were read before.
            return at(&|c| closing(c) && c != '"').filter(|(content, _)| !content.contains('"'));
        }
        // Another quote at which a value can end leaves open which one ends it.
        at(&closing).filter(|one| at(&other) == Some(*one))
    }

    /// Whether a value can end before this text.
    fn ends_value(&self, after: &str) -> bool {
        let next = after.trim_start_matches(is_space);
        next.is_empty()
            || next.starts_with([')', ']', ','])
            || self.in_object && next.starts_with('}')
            || matches!(next, ";" | "," | ".")
            || connective(next).is_some()
    }

    /// Reads a value without quotes, up to a connective, a bracket or the end.
    fn bare(&mut self, operator: CompareOp, gap: &str) -> Result<String, Stop> {
        let rest = self.rest();
        let mut end = 0;
        let after = loop {
            let tail = rest.get(end..).unwrap_or_default();
            let next = tail.trim_start_matches(is_space);
            if next.is_empty()
                || next.starts_with(BRACKETS)
                || end > 0 && connective(next).is_some()
            {
                break tail;
            }
            let stop = next.find(|c| is_space(c) || BRACKETS.contains(&c)).unwrap_or(next.len());
            end = rest.len() - next.len() + stop;
        };
        let content = rest.get(..end).unwrap_or_default();
        if content.is_empty() {
            return Err(Stop::Nonsense);
        }
        let value = self.meant(operator, content)?;
        if value.starts_with('"') {
            // Blanks beyond the one that separates may be part of the value.
            let blanks = after.len() - after.trim_start_matches(is_space).len();
            let separated = blanks == usize::from(connective(after.trim_start()).is_some());
            if gap.len() > 1 || gap.chars().any(|c| c != ' ') || !separated {
                return Err(Stop::Ambiguous);
            }
            self.bare = true;
        }
        self.move_to(after);
        Ok(value)
    }

    /// A value without quotes as JSON: literals stay literals where values need not be strings.
    fn meant(&mut self, operator: CompareOp, content: &str) -> Result<String, Stop> {
        if let Some(inner) = url_quoted(content) {
            return json(&inner?);
        }
        let escaped = content.strip_prefix('\\').is_some_and(|rest| rest.starts_with(QUOTES));
        if escaped
            || content.contains('"')
            || ENTITIES.iter().any(|quote| content.starts_with(quote))
        {
            return Err(Stop::Nonsense);
        }
        let lower = content.to_ascii_lowercase();
        let literal = token::bare_value(content.as_bytes()).is_some();
        let boolean = matches!(&*lower, "true" | "false" | "null");
        if self.rules.strings {
            if lower == "null" {
                return Err(Stop::Nonsense);
            }
            if matches!(&*lower, "none" | "nil" | "undefined") {
                return Err(Stop::Ambiguous);
            }
        } else if literal || boolean {
            let ordered = [CompareOp::Gt, CompareOp::Ge, CompareOp::Lt, CompareOp::Le];
            self.literal |= !literal || !boolean && !ordered.contains(&operator);
            return Ok(if boolean { lower } else { content.to_owned() });
        } else if content.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            && content.bytes().all(|b| b.is_ascii_digit() || b"+-.eE_,".contains(&b))
        {
            return Err(Stop::Ambiguous);
        }
        let unquoted = content.strip_suffix(QUOTES).unwrap_or(content);
        if unquoted.is_empty() || unquoted.len() < content.len() && unquoted.contains(QUOTES) {
            return Err(Stop::Ambiguous);
        }
        is_one_value(unquoted)?;
        json(unquoted)
    }

    /// Reads a value of a list: in quotes, or one word of letters and digits.
    pub(super) fn item(&mut self) -> Result<String, Stop> {
        let start = self.at;
        match self.quoted() {
            Err(Stop::Nonsense) => self.at = start,
            // Two quotes in a row may be one that is escaped.
            Ok(value) if value == "\"\"" && !self.from(start).starts_with('"') => {
                return Err(Stop::Ambiguous);
            }
            read => return read,
        }
        let rest = self.rest();
        let end = rest.find(|c: char| is_space(c) || c == ',' || BRACKETS.contains(&c));
        let content = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let is_word = |c: char| c.is_alphanumeric() || "-_.:@".contains(c);
        if content.is_empty() || !content.chars().all(is_word) || is_operator(content) {
            return Err(Stop::Nonsense);
        }
        let value = self.meant(CompareOp::Eq, content)?;
        self.bare |= value.starts_with('"');
        self.at += content.len();
        Ok(value)
    }
}

fn family(quote: char) -> &'static [char] {
    match DOUBLE_QUOTES.contains(&quote) {
        true => &DOUBLE_QUOTES,
        false => &SINGLE_QUOTES,
    }
}

/// Refuses a value that may be more than one, or whose text may be an encoding of it.
fn is_one_value(content: &str) -> Result<(), Stop> {
    plain(content)?;
    let others = |c: char| QUOTES.contains(&c) && !matches!(c, '\'' | '’');
    let marks = |c: char| ",;{}<>".contains(c) || others(c);
    let words: Vec<&str> = content.split(is_space).collect();
    let begins = |c: char| SYMBOL.contains(&c) || c == '$' || QUOTES.contains(&c);
    let several = words.len() > 1 && words.iter().any(|word| word.contains(['=', '<', '>']));
    let parts = words.iter().any(|word| is_operator(word) || word.eq_ignore_ascii_case("not"));
    match content.contains(marks) || content.starts_with(begins) || several || parts {
        true => Err(Stop::Ambiguous),
        false => Ok(()),
    }
}

/// Refuses what may be an escape or an encoding, and characters without form.
fn plain(content: &str) -> Result<(), Stop> {
    let unclear = |c: char| c == '\\' || is_invisible(c) || c.is_control();
    let entity = content
        .find('&')
        .is_some_and(|at| content.get(at..).is_some_and(|rest| rest.contains(';')));
    let encoded = entity || percents(content).any(|byte| byte.is_some());
    match encoded || content.contains(unclear) {
        true => Err(Stop::Ambiguous),
        false => Ok(()),
    }
}

fn json(content: &str) -> Result<String, Stop> {
    serde_json::to_string(content).map_err(|_| Stop::Nonsense)
}

/// The content of a value whose quotes are URL-encoded, such as `%22a1%22`.
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

/// What a pattern of `like` means: an operator and the text it compares with.
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
    let marks = |c: char| wild(c) || "_?[]\\".contains(c);
    let count = usize::from(first.is_some()) + usize::from(last.is_some());
    if inner.is_empty()
        || inner.contains(marks)
        || text.chars().count() != inner.chars().count() + count
    {
        return Err(Stop::Ambiguous);
    }
    Ok((operator, json(inner)?))
}

/// Whether a text begins with a quote of any kind.
pub(super) fn is_quoted(text: &str) -> bool {
    text.starts_with(|c| c == '"' || QUOTES.contains(&c))
}
