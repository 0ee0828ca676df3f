//! Recognizes layers of encoding around a whole filter, and removes them one at a time.
//!
//! A filter passes through shells, URLs, JSON, HTML and spreadsheets, and each may add a layer:
//!
//! ```text
//! Prefix           filter=id eq "a"                 id eq "a"
//! Json             {"filter": "id eq \"a\""}        id eq "a"
//! OuterQuotes      'id eq "a"'                      id eq "a"
//! Escaped          id eq \"a\"                      id eq "a"
//! DuplicateQuotes  id eq ""a""                      id eq "a"
//! UrlEncoded       id%20eq%20%22a%22                id eq "a"
//! HtmlEncoded      id eq &quot;a&quot;              id eq "a"
//! Invisible        id<U+00A0>eq "a"                 id eq "a"
//! ```
//!
//! [`of`] returns every layer that the text shows evidence of, and only those. Each is removed from
//! the whole text or not at all: a text is encoded as a whole, so a half-encoded one is ambiguous.
//!
//! # Closed strings
//!
//! A closed string in double quotes is a value as its author wrote it: `id eq "a%20b"` is the id
//! `a%20b`. So for the last three layers, [`Strings`] splits the text, and only text outside
//! strings is evidence. If the text shows a layer outside strings, and a string looks encoded too,
//! then its content has two meanings: the layer is returned without a text, and the caller makes no
//! suggestion. The layers of quotes consider the whole text, since they are why a string is closed
//! in the wrong place.

use super::Cause;
use crate::diagnostic::{Parts, is_misleading};
use crate::syntax::diagnose::{DOUBLE_QUOTES, SINGLE_QUOTES, before_first};
use crate::syntax::steps;
use crate::syntax::token::is_space;
use data_encoding::HEXLOWER_PERMISSIVE;

/// A layer that a text shows evidence of, and one way to remove it.
pub(super) struct Layer {
    pub(super) cause: Cause,
    /// The text without the layer, or `None` if removing it is ambiguous.
    pub(super) text: Option<String>,
}

impl Layer {
    fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: Some(text.into()) }
    }
}

/// Returns the layers that a text shows evidence of.
///
/// Several layers with the same cause are several ways to remove it. A prefix is returned without
/// the others, which are recognized in the text after it.
pub(super) fn of(text: &str) -> Vec<Layer> {
    let mut layers = Vec::new();
    if let Some((length, text)) = prefix(text) {
        return vec![Layer::new(Cause::Prefix(length), text)];
    }
    layers.extend(json(text).map(|text| Layer::new(Cause::Json, text)));
    outer_quotes(text, &mut layers);
    escapes(text, &mut layers);
    duplicate_quotes(text, &mut layers);
    let strings = Strings::of(text);
    layers.extend(strings.invisible());
    layers.extend(strings.url());
    layers.extend(strings.html());
    layers
}

/// A text split into closed strings in double quotes and what is between them.
struct Strings<'t> {
    /// The parts in order, and whether each is a string, with its quotes.
    parts: Vec<(bool, &'t str)>,
    /// Where a string begins that is never closed; it counts as outside.
    unclosed: Option<usize>,
}

impl<'t> Strings<'t> {
    /// Splits a text. A backslash escapes the next byte, inside and outside strings.
    fn of(text: &'t str) -> Self {
        let mut parts = Vec::new();
        steps::count(text.len());
        let (mut start, mut opened) = (0, None);
        let mut escaped = false;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => match opened.take() {
                    None => opened = Some(at),
                    Some(open) => {
                        parts.push((false, text.part(start..open)));
                        parts.push((true, text.part(open..at + 1)));
                        start = at + 1;
                    }
                },
                _ => {}
            }
        }
        parts.push((false, text.tail(start)));
        Self { parts, unclosed: opened }
    }

    /// Returns whether any part, inside or outside strings, satisfies the predicate.
    fn any(&self, inside: bool, mut predicate: impl FnMut(&str) -> bool) -> bool {
        self.parts.iter().any(|(string, part)| *string == inside && predicate(part))
    }

    /// Removes percent or form encoding.
    ///
    /// An encoder writes a space as `%20` or as `+`, never as both. So `+` is a plus sign if the
    /// text contains `%20` or a space outside strings, and a space otherwise.
    fn url(&self) -> Option<Layer> {
        let coded = |part: &str| percents(part).any(|byte| byte.is_some());
        let blank = |part: &str| {
            // The same if the text is encoded two or three times.
            let nested = part.contains("%2520") || part.contains("%252520");
            nested || part.contains("%20") || part.contains(is_space)
        };
        // A plus at the start is an operator of another language: `+id:a`.
        let first = self.parts.first().is_some_and(|(_, part)| part.starts_with('+'));
        // Every part outside strings must be free of `%20` and spaces, not only the one with the
        // plus.
        let plus = !first && self.any(false, |part| part.contains('+')) && !self.any(false, blank);
        if !plus && !self.any(false, coded) {
            return None;
        }
        let hidden = |part: &str| coded(part) || plus && part.contains('+');
        let malformed = |part: &str| percents(part).any(|byte| byte.is_none());
        // A malformed `%` was written by an author, not by an encoder, so the text is not encoded
        // as a whole.
        if self.any(true, hidden) || self.any(false, malformed) {
            return Some(Layer { cause: Cause::UrlEncoded, text: None });
        }
        let mut bytes = Vec::new();
        for (string, part) in &self.parts {
            // Strings have nothing to decode here, or the layer would be ambiguous.
            decode(part, plus && !string, &mut bytes);
        }
        Some(Layer::new(Cause::UrlEncoded, String::from_utf8(bytes).ok()?))
    }

    /// Removes HTML entities. An entity that is not known here makes the layer ambiguous.
    fn html(&self) -> Option<Layer> {
        if !self.any(false, |part| entities(part).any(|(_, _, c)| c.is_some())) {
            return None;
        }
        let unknown = |part: &str| entities(part).any(|(_, _, c)| c.is_none());
        // A backslash may escape something in this layer, or in one inside it.
        let hidden = self.any(true, |part| entities(part).next().is_some())
            || self.any(false, |part| part.contains('\\'));
        if hidden || self.any(false, unknown) {
            return Some(Layer { cause: Cause::HtmlEncoded, text: None });
        }
        let mut plain = String::new();
        for (_, part) in &self.parts {
            let mut rest = 0;
            for (start, end, c) in entities(part) {
                plain.push_str(part.part(rest..start));
                plain.extend(c);
                rest = end;
            }
            plain.push_str(part.tail(rest));
        }
        Some(Layer::new(Cause::HtmlEncoded, plain))
    }

    /// Replaces foreign white space with spaces, and removes other invisible characters.
    fn invisible(&self) -> Option<Layer> {
        if !self.any(false, |part| part.chars().any(is_invisible)) {
            return None;
        }
        let mut plain = String::new();
        for (string, part) in &self.parts {
            for c in part.chars() {
                match c {
                    _ if *string || !is_invisible(c) => plain.push(c),
                    _ if c.is_whitespace() => plain.push(' '),
                    _ => {}
                }
            }
        }
        Some(Layer::new(Cause::Invisible, plain))
    }
}

/// Returns whether a character is invisible or misleading, and not white space of the grammar.
pub(super) fn is_invisible(c: char) -> bool {
    is_misleading(c) && !is_space(c)
}

/// Returns the characters outside strings with their offsets, up to a string that is never closed.
pub(super) fn outside(text: &str) -> impl Iterator<Item = (usize, char)> {
    // The parts are slices of the text, so the distance of the pointers is the offset.
    let base = text.as_ptr() as usize;
    let strings = Strings::of(text);
    let end = strings.unclosed.unwrap_or(text.len());
    let parts = strings.parts.into_iter().filter(|(string, _)| !string);
    let all = parts.flat_map(move |(_, part)| {
        let offset = part.as_ptr() as usize - base;
        part.char_indices().map(move |(at, c)| (offset + at, c))
    });
    all.take_while(move |(at, _)| *at < end)
}

/// Returns, for each `%` of a text, the byte that it encodes, or `None` if it is malformed.
pub(super) fn percents(text: &str) -> impl Iterator<Item = Option<u8>> {
    steps::count(text.len());
    text.match_indices('%').map(|(at, _)| percent(text, at))
}

/// Returns the byte that the `%` at an offset encodes.
fn percent(text: &str, at: usize) -> Option<u8> {
    let digits = text.as_bytes().get(at + 1..at + 3)?;
    HEXLOWER_PERMISSIVE.decode(digits).ok()?.first().copied()
}

/// Appends a text with its percent encoding removed, and each `+` read as a space if `plus` is set.
pub(super) fn decode(text: &str, plus: bool, bytes: &mut Vec<u8>) {
    steps::count(text.len());
    let mut skip = 0;
    for (at, byte) in text.bytes().enumerate() {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        match byte {
            b'%' => match percent(text, at) {
                Some(decoded) => {
                    bytes.push(decoded);
                    skip = 2;
                }
                None => bytes.push(byte),
            },
            b'+' if plus => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
}

/// The maximum length of an entity, in bytes, so that an `&` costs a constant.
const MAX_ENTITY: usize = 10;

/// Returns the start and end of each HTML entity, and the character that it encodes, if known.
fn entities(text: &str) -> impl Iterator<Item = (usize, usize, Option<char>)> {
    steps::count(text.len());
    text.match_indices('&').filter_map(|(start, _)| {
        let rest = text.tail(start + 1);
        let length = rest.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
        let name = rest.head(length);
        let c = match name {
            "quot" => Some('"'),
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "apos" => Some('\''),
            "nbsp" => Some(' '),
            _ => match name.strip_prefix('#') {
                Some(number) => {
                    let code = match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => number.parse(),
                    };
                    code.ok().and_then(char::from_u32)
                }
                None if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()) => None,
                None => return None,
            },
        };
        Some((start, start + length + 2, c))
    })
}

/// Adds the ways to unescape quotes that are escaped too many times.
///
/// Either the text is the content of a JSON string, so that its backslashes are escaped too, or
/// only the quotes are escaped. The two differ if a value contains backslashes.
fn escapes(text: &str, layers: &mut Vec<Layer>) {
    steps::count(text.len());
    let cause = Cause::Escaped;
    if !is_escaped(text) {
        return;
    }
    let json = serde_json::from_str::<String>(&format!("\"{text}\""));
    layers.extend(json.ok().map(|text| Layer::new(cause, text)));
    // If both ways give the same text, one layer is enough.
    let quotes = text.replace("\\\"", "\"").replace("\\'", "'");
    if quotes != text && layers.last().is_none_or(|layer| layer.text.as_ref() != Some(&quotes)) {
        layers.push(Layer::new(cause, quotes));
    }
}

/// Returns whether every quote has a backslash before it.
///
/// If one has none, the others may be escaped intentionally, inside a value.
pub(super) fn is_escaped(text: &str) -> bool {
    let escaped = |quote: char, written: &str| {
        let all = text.matches(quote).count();
        all > 0 && all == text.matches(written).count()
    };
    if text.contains('"') {
        return escaped('"', "\\\"");
    }
    escaped('\'', "\\'") || text.contains("\\u0022")
}

/// Adds the text with each pair of quotes replaced by one quote, as CSV writes them.
fn duplicate_quotes(text: &str, layers: &mut Vec<Layer>) {
    let quotes = text.matches('"').count();
    if quotes > 0 && quotes == 2 * text.matches("\"\"").count() {
        layers.push(Layer::new(Cause::DuplicateQuotes, text.replace("\"\"", "\"")));
    }
}

/// Adds the ways to remove quotes around the whole filter. The last quote may be missing.
///
/// In double quotes, the text may be a JSON string, whose escapes are resolved, or a filter between
/// quotes, whose own strings are kept: `"id eq "a""`.
fn outer_quotes(text: &str, layers: &mut Vec<Layer>) {
    let text = text.trim_matches(is_space);
    let mut chars = text.chars();
    // A text of white space has no quotes.
    let Some(open) = chars.next() else { return };
    let family: &[char] = match open {
        _ if SINGLE_QUOTES.contains(&open) => &SINGLE_QUOTES,
        _ if DOUBLE_QUOTES.contains(&open) => &DOUBLE_QUOTES,
        _ => return,
    };
    let inner = chars.as_str();
    let mut add = |text: &str| {
        if !text.is_empty() {
            layers.push(Layer::new(Cause::OuterQuotes, text));
        }
    };
    // `"id eq \"a\""` is a JSON string; `"id eq "a""` is not, but has quotes at both ends.
    let string = serde_json::from_str::<String>(text);
    if let Ok(string) = &string {
        add(string);
    }
    let closed = inner.strip_suffix(family);
    if let Some(inner) = closed.filter(|inner| string.as_deref().ok() != Some(inner)) {
        add(inner);
    }
    // The last quote was lost: `'id eq "a"`.
    if closed.is_none() {
        add(inner);
    }
}

/// Returns the part of a text that introduces a filter elsewhere, with white space before it.
///
/// The forms are those of options, queries, members and clauses:
///
/// ```text
/// filter=  --filter=  --filter   -filter   ?filter=  &filter=  $filter=
/// "filter":  filter:  where   https://example.com/webhooks?sort=name&filter=
/// ```
///
/// A word without `=` or `:` is a prefix only after a dash, or if it is `where`: an attribute may
/// be called `filter`.
pub(super) fn prefix_of(text: &str) -> Option<&str> {
    let start = text.trim_start_matches(is_space);
    let query = if start.starts_with(['/', '?']) || start.contains("://") {
        start.find("filter=").filter(|at| *at > 0).map(|at| start.tail(at))
    } else {
        None
    };
    let from = query.unwrap_or(start);
    let named = from.trim_start_matches(['-', '?', '&', '$']);
    let dashes = from.len() - named.len();
    let rest = match named.strip_prefix("\"filter\"") {
        Some(member) => member,
        None => strip_word(named, "filter").or_else(|| strip_word(named, "where"))?,
    };
    let spaced = rest.trim_start_matches(is_space);
    let end = match spaced.strip_prefix(['=', ':']) {
        Some(rest) if !rest.starts_with('=') => rest,
        Some(_) => return None,
        None if spaced.len() < rest.len()
            && (dashes > 0 || strip_word(named, "where").is_some()) =>
        {
            spaced
        }
        None => return None,
    };
    Some(text.before_rest(end))
}

/// Removes a word from the start of a text, compared case-insensitively.
fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// Returns the length of a prefix, and the filter after it.
///
/// What comes after the filter because of the prefix is removed too: a comma in JSON, other
/// parameters in a URL, or the backslash that continues a shell's line.
fn prefix(text: &str) -> Option<(usize, String)> {
    let prefix = prefix_of(text)?;
    let rest = text.tail(prefix.len()).trim_matches(is_space);
    let rest = rest.strip_suffix('\\').map_or(rest, |rest| rest.trim_end_matches(is_space));
    // `"filter": "…",` is a line of a JSON document. Its comma belongs to the object.
    let rest = if rest.starts_with('"') { rest.strip_suffix(',').unwrap_or(rest) } else { rest };
    let in_url = prefix.contains(['/', '?']) && !rest.contains(|c| is_space(c) || c == '"');
    let rest = match in_url {
        true => before_first(rest, |c| matches!(c, '&' | '#')),
        false => rest,
    };
    (!rest.is_empty()).then(|| (prefix.len(), rest.to_owned()))
}

/// Returns the member `filter` of a JSON object, such as a webhook.
fn json(text: &str) -> Option<String> {
    if !text.trim_start_matches(is_space).starts_with('{') {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    Some(object.get("filter")?.as_str()?.to_owned())
}

/// Returns the layer that a text shows the clearest evidence of, for a message.
pub(super) fn evidence(text: &str) -> Option<Cause> {
    let strings = Strings::of(text);
    let quote = |part: &str| part.contains("%22");
    if is_escaped(text) {
        Some(Cause::Escaped)
    } else if strings.any(false, quote) || strings.any(false, |part| part.contains("%20")) {
        Some(Cause::UrlEncoded)
    } else if strings.any(false, |part| part.contains("&quot;") || part.contains("&#34;")) {
        Some(Cause::HtmlEncoded)
    } else {
        None
    }
}
