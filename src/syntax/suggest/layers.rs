//! Layers of encoding around a whole filter, and what is left without one of them.

use super::Cause;
use crate::diagnostic::is_misleading;
use crate::syntax::diagnose::{DOUBLE_QUOTES, SINGLE_QUOTES};
use crate::syntax::steps;
use crate::syntax::token::is_space;
use data_encoding::HEXLOWER_PERMISSIVE;

/// A layer that a text shows evidence of.
pub(super) struct Layer {
    pub(super) cause: Cause,
    /// The text without it; none where the layer cannot be taken off in one way only.
    pub(super) text: Option<String>,
}

impl Layer {
    fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: Some(text.into()) }
    }
}

/// The layers that a text shows evidence of. Several of one cause are several ways to take it off.
pub(super) fn of(text: &str) -> Vec<Layer> {
    let mut layers = Vec::new();
    if let Some(text) = prefix(text) {
        return vec![Layer::new(Cause::Prefix, text)];
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

/// The parts of a text in and outside closed strings in double quotes.
struct Strings<'t> {
    parts: Vec<(bool, &'t str)>,
    /// Where a string begins that is not closed.
    unclosed: Option<usize>,
}

impl<'t> Strings<'t> {
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
                        parts.push((false, text.get(start..open).unwrap_or_default()));
                        parts.push((true, text.get(open..=at).unwrap_or_default()));
                        start = at + 1;
                    }
                },
                _ => {}
            }
        }
        parts.push((false, text.get(start..).unwrap_or_default()));
        Self { parts, unclosed: opened }
    }

    fn any(&self, inside: bool, mut wanted: impl FnMut(&str) -> bool) -> bool {
        self.parts.iter().any(|(string, part)| *string == inside && wanted(part))
    }

    /// Percent and form encoding. A blank is `%20` or `+`, never both, so `+` is a plus where `%20`
    /// or a blank occurs.
    fn url(&self) -> Option<Layer> {
        let coded = |part: &str| percents(part).any(|byte| byte.is_some());
        let blank = |part: &str| {
            // Also where it is encoded twice.
            let twice = part.contains("%2520") || part.contains("%252520");
            twice || part.contains("%20") || part.contains(is_space)
        };
        // A plus at the start belongs to another language: `+id:a`.
        let first = self.parts.first().is_some_and(|(_, part)| part.starts_with('+'));
        let plus = !first && self.any(false, |part| part.contains('+')) && !self.any(false, blank);
        if !plus && !self.any(false, coded) {
            return None;
        }
        let hidden = |part: &str| coded(part) || plus && part.contains('+');
        let malformed = |part: &str| percents(part).any(|byte| byte.is_none());
        if self.any(true, hidden) || self.any(false, malformed) {
            return Some(Layer { cause: Cause::UrlEncoded, text: None });
        }
        let mut bytes = Vec::new();
        for (string, part) in &self.parts {
            decode(part, plus && !string, &mut bytes);
        }
        Some(Layer::new(Cause::UrlEncoded, String::from_utf8(bytes).ok()?))
    }

    fn html(&self) -> Option<Layer> {
        if !self.any(false, |part| entities(part).any(|(_, _, c)| c.is_some())) {
            return None;
        }
        let unknown = |part: &str| entities(part).any(|(_, _, c)| c.is_none());
        // A backslash may be an escape of this layer or of one below.
        let hidden = self.any(true, |part| entities(part).next().is_some())
            || self.any(false, |part| part.contains('\\'));
        if hidden || self.any(false, unknown) {
            return Some(Layer { cause: Cause::HtmlEncoded, text: None });
        }
        let mut plain = String::new();
        for (_, part) in &self.parts {
            let mut rest = 0;
            for (start, end, c) in entities(part) {
                plain.push_str(part.get(rest..start).unwrap_or_default());
                plain.extend(c);
                rest = end;
            }
            plain.push_str(part.get(rest..).unwrap_or_default());
        }
        Some(Layer::new(Cause::HtmlEncoded, plain))
    }

    /// Characters without form, and white space of other kinds.
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

pub(super) fn is_invisible(c: char) -> bool {
    is_misleading(c) && !is_space(c)
}

/// The characters of a text outside strings, with their places, up to a string that is not closed.
pub(super) fn outside(text: &str) -> impl Iterator<Item = (usize, char)> {
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

/// Each `%` of a text, with the byte that it encodes.
pub(super) fn percents(text: &str) -> impl Iterator<Item = Option<u8>> {
    steps::count(text.len());
    text.match_indices('%').map(|(at, _)| percent(text, at))
}

fn percent(text: &str, at: usize) -> Option<u8> {
    let digits = text.as_bytes().get(at + 1..at + 3)?;
    HEXLOWER_PERMISSIVE.decode(digits).ok()?.first().copied()
}

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

/// Longest name or number of an entity that is looked at.
const MAX_ENTITY: usize = 10;

/// Each entity of a text: its place, and the character that it encodes, if that is known.
fn entities(text: &str) -> impl Iterator<Item = (usize, usize, Option<char>)> {
    steps::count(text.len());
    text.match_indices('&').filter_map(|(start, _)| {
        let rest = text.get(start + 1..)?;
        let length = rest.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
        let name = rest.get(..length)?;
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

/// Quotes that are escaped once too often: as in a JSON string, where backslashes are escaped too,
/// or the quotes only. Where a value holds backslashes, the two differ.
fn escapes(text: &str, layers: &mut Vec<Layer>) {
    steps::count(text.len());
    let cause = Cause::Escaped;
    if !is_escaped(text) {
        return;
    }
    let json = serde_json::from_str::<String>(&format!("\"{text}\""));
    layers.extend(json.ok().map(|text| Layer::new(cause, text)));
    let quotes = text.replace("\\\"", "\"").replace("\\'", "'");
    if quotes != text && layers.last().is_none_or(|layer| layer.text.as_ref() != Some(&quotes)) {
        layers.push(Layer::new(cause, quotes));
    }
}

/// Whether all quotes have a backslash before them; where one has none, the others may be meant to
/// have theirs.
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

/// Each quote twice, as in CSV.
fn duplicate_quotes(text: &str, layers: &mut Vec<Layer>) {
    let quotes = text.matches('"').count();
    if quotes > 0 && quotes == 2 * text.matches("\"\"").count() {
        layers.push(Layer::new(Cause::DuplicateQuotes, text.replace("\"\"", "\"")));
    }
}

/// Quotes around the whole filter; the last one may be missing.
fn outer_quotes(text: &str, layers: &mut Vec<Layer>) {
    let text = text.trim_matches(is_space);
    let Some(open) = text.chars().next() else { return };
    let family: &[char] = match open {
        _ if SINGLE_QUOTES.contains(&open) => &SINGLE_QUOTES,
        _ if DOUBLE_QUOTES.contains(&open) => &DOUBLE_QUOTES,
        _ => return,
    };
    let inner = text.strip_prefix(open).unwrap_or_default();
    let mut add = |text: &str| {
        if !text.is_empty() {
            layers.push(Layer::new(Cause::OuterQuotes, text));
        }
    };
    let string = serde_json::from_str::<String>(text);
    if let Ok(string) = &string {
        add(string);
    }
    let closed = inner.strip_suffix(family);
    if let Some(inner) = closed.filter(|inner| string.as_deref().ok() != Some(inner)) {
        add(inner);
    }
    if closed.is_none() {
        add(inner);
    }
}

/// The word that a filter is written after elsewhere: `filter=`, `--filter `, `$filter=`, `where `.
pub(super) fn prefix_of(text: &str) -> Option<&str> {
    let start = text.trim_start_matches(is_space);
    let query = if start.starts_with(['/', '?']) || start.contains("://") {
        start.find("filter=").filter(|at| *at > 0).and_then(|at| start.get(at..))
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
    text.get(..text.len() - end.len())
}

fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn prefix(text: &str) -> Option<String> {
    let prefix = prefix_of(text)?;
    let rest = text.get(prefix.len()..)?.trim_matches(is_space);
    let rest = rest.strip_suffix('\\').map_or(rest, |rest| rest.trim_end_matches(is_space));
    let rest = if rest.starts_with('"') { rest.strip_suffix(',').unwrap_or(rest) } else { rest };
    let in_url = prefix.contains(['/', '?']) && !rest.contains(|c| is_space(c) || c == '"');
    let rest = match in_url {
        true => rest.split(['&', '#']).next().unwrap_or_default(),
        false => rest,
    };
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// The filter in a JSON object that has it as a member, such as a webhook.
fn json(text: &str) -> Option<String> {
    if !text.trim_start_matches(is_space).starts_with('{') {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    Some(object.get("filter")?.as_str()?.to_owned())
}

/// What a text is called in a message: the layer that it shows the clearest evidence of.
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
