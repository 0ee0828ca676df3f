//! Suggests the URL that the author of a refused one most likely meant.
//!
//! A URL is suggested only if it is accepted unchanged, and only for faults that leave no doubt
//! about the meaning:
//!
//! - quotes, brackets, link syntax and labels around it;
//! - percent-encoding of the whole URL;
//! - a missing or misspelled scheme, or `http` instead of `https`;
//! - wrong slashes, and blanks around it.
//!
//! There is no suggestion for these: a blank or a line break may separate the URL from other text,
//! `{id}` is a placeholder, a port of `http` does not speak TLS, and a user name belongs in a
//! header.
//!
//! # Steps
//!
//! ```text
//! written          "Webhook URL: <http://hooks.example.com/a>"
//! unwrap           http://hooks.example.com/a      without quotes, label and brackets
//! schemed          http://hooks.example.com/a      a scheme is added or corrected, if needed
//! parse, fixed     https://hooks.example.com/a     slashes are repaired, `http` becomes `https`
//! is_accepted      yes, so it is suggested
//! ```
//!
//! Nothing here decides what is valid. [`Target`] checks every result exactly as it checks a URL
//! that a user wrote, so a mistake in this file can suggest the wrong URL, but no invalid one.

use super::url::{Target, host_and_rest, parse};
use crate::diagnostic::nearest::nearest;
use crate::diagnostic::{is_misleading, quote};
use crate::filter::placeholder;
use url::Url;

/// A URL with other text around it, as when copied from a document.
pub(super) struct Wrapped<'a> {
    /// The URL.
    pub(super) inner: &'a str,
    /// The text around it, as the predicate of a sentence about `url`.
    pub(super) what: String,
    /// Whether it is only followed by punctuation, such as `.`, which may belong to the URL.
    pub(super) is_soft: bool,
}

/// The beginning of a text that is not a URL.
pub(super) enum Beginning {
    /// A scheme whose colon is percent-encoded, as in a query parameter.
    Encoded,
    /// A scheme and slashes without a colon.
    NoColon,
    /// Other text before a URL.
    Text,
}

/// The pairs of quotes and brackets in which a URL may be wrapped.
const PAIRS: [(&str, &str); 14] = [
    ("\\\"", "\\\""),
    ("\"", "\""),
    ("'", "'"),
    ("`", "`"),
    ("<", ">"),
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("“", "”"),
    ("„", "“"),
    ("‘", "’"),
    ("«", "»"),
    ("‹", "›"),
    ("«\u{a0}", "\u{a0}»"),
];

/// Punctuation that follows a URL in a sentence or a list.
const SOFT: [char; 5] = ['.', ',', ';', '!', ':'];

/// The limit of layers that are removed, which keeps the work linear.
const MAX_LAYERS: usize = 8;

/// Removes quotes, brackets, link syntax, labels and punctuation around a URL.
///
/// Returns `None` if there is nothing to remove, or no URL inside.
pub(super) fn unwrap(written: &str) -> Option<Wrapped<'_>> {
    let text = written.trim_matches(is_blank);
    let mut inner = text;
    let (mut link, mut label) = (None, None);
    let mut is_soft = true;
    for _ in 0..MAX_LAYERS {
        let before = inner;
        if let Some((kind, target)) = linked(inner) {
            (inner, link) = (target, Some(kind));
        }
        if let Some((known, rest)) = labelled(inner) {
            (inner, label) = (rest, Some(known));
        }
        inner = peeled(inner);
        // A layer other than punctuation was removed, so the text is certainly more than a URL.
        is_soft &= inner == before;
        inner = inner.trim_end_matches(SOFT).trim_matches(is_blank);
        if inner == before {
            break;
        }
    }
    let scheme = inner.split_once("://").map(|(scheme, _)| scheme);
    // Without a scheme, what is left may be any text in quotes.
    if inner == text || scheme.is_none_or(|scheme| scheme.is_empty() || !is_word(scheme)) {
        return None;
    }
    // Each step returned a part of the text, so the pointers give the place of the rest.
    let at = (inner.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let around = [text.get(..at)?, text.get(at + inner.len()..)?];
    // Other text may contain anything, even credentials, so it is not quoted.
    let is_quotable = around.iter().all(|part| !part.contains(char::is_alphanumeric));
    let [before, after] = around.map(quote);
    let what = match (link, before.is_empty(), after.is_empty()) {
        (Some(kind), ..) => format!("is a link in {kind}"),
        // The label is a known word and begins the text, so it may be quoted.
        (None, _, true) if label.is_some_and(|label| text.starts_with(label)) => {
            format!("begins with `{}`", quote(label.unwrap_or_default()))
        }
        _ if !is_quotable => "has other text around it".to_owned(),
        (_, true, _) => format!("ends with `{after}`"),
        (_, _, true) => format!("begins with `{before}`"),
        _ => format!("is between `{before}` and `{after}`"),
    };
    Some(Wrapped { inner, what, is_soft: is_soft && link.is_none() })
}

/// Returns whether a character is a blank or invisible.
fn is_blank(c: char) -> bool {
    c == ' ' || is_misleading(c)
}

/// Returns whether a text has only ASCII letters and digits.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns the kind of a link and its target, if a text is one.
fn linked(text: &str) -> Option<(&'static str, &str)> {
    if let Some((label, rest)) = text.strip_prefix('[').and_then(|text| text.split_once("](")) {
        let target = rest.strip_suffix(')')?.split(' ').next()?;
        // `[https://a.example](https://b.example)` shows one URL and leads to another, so neither
        // is certain.
        let is_same = label.trim_end_matches('/') == target.trim_end_matches('/');
        return (is_same || !label.contains("://")).then_some(("Markdown", target));
    }
    if let Some((target, _)) = text.strip_prefix('<').and_then(|text| text.split_once('|')) {
        return text.ends_with('>').then_some(("chat syntax", target));
    }
    let (_, rest) = text.strip_prefix("<a ").and_then(|text| text.split_once("href=\""))?;
    Some(("HTML", rest.split('"').next()?))
}

/// HTTP methods, which occur before a URL in logs and documentation.
const METHODS: [&str; 7] = ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Labels of a URL, without `url` or `uri` at the end.
const LABELS: [&str; 10] =
    ["", "webhook", "hook", "target", "callback", "payload", "request", "endpoint", "link", "href"];

/// Splits a text after the label before a URL, such as `POST`, `url=` or `Webhook URL:`.
fn labelled(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | '-');
    let end = text.find(|c: char| !is_part(c))?;
    // The words before the first other character, such as `Webhook URL` of `Webhook URL:
    // https://…`.
    let (words, rest) = text.split_at_checked(end)?;
    if let Some((method, _)) = words.split_once(' ')
        && METHODS.iter().any(|known| known.eq_ignore_ascii_case(method))
    {
        let rest = text.get(method.len()..)?.trim_start_matches(' ');
        return rest.contains("://").then_some((method, rest));
    }
    let name: String = words.chars().filter(char::is_ascii_alphabetic).collect();
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix("url").or_else(|| name.strip_suffix("uri")).unwrap_or(&name);
    // `url` and `uri` leave an empty stem, which the list contains.
    if name.is_empty() || !LABELS.contains(&stem) {
        return None;
    }
    // As in JSON, the name may be in quotes.
    let rest = rest.trim_start_matches(['"', '\'']).trim_start_matches(' ');
    let rest = rest.strip_prefix(['=', ':'])?;
    let label = text.get(..text.len() - rest.len())?;
    // The text after `&` may be another parameter, or belong to the URL.
    let is_form = label.ends_with('=') && rest.contains('&');
    let rest = rest.trim_start_matches(' ');
    (!is_form && !rest.starts_with('/') && rest.contains("://")).then_some((label, rest))
}

/// Returns the beginning of a text that has no scheme.
pub(super) fn beginning(written: &str) -> Option<Beginning> {
    let text = written.trim_matches(is_blank);
    if encoded_scheme(text).is_some() {
        return Some(Beginning::Encoded);
    }
    if colonless(text).is_some() {
        return Some(Beginning::NoColon);
    }
    let text = text.to_ascii_lowercase();
    ["https://", "http://"].iter().any(|scheme| text.contains(scheme)).then_some(Beginning::Text)
}

/// Splits a text after `http` or `https`, compared case-insensitively.
fn after_scheme(text: &str) -> Option<(&'static str, &str)> {
    ["https", "http"].into_iter().find_map(|scheme| {
        let (begin, rest) = text.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some((scheme, rest))
    })
}

/// Returns the scheme and the rest from the slashes on, if there is not one colon between them.
fn colonless(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = after_scheme(text)?;
    // `https//a`, `https:://a` and `https;//a`: the colon is missing, duplicate, or another key.
    let slashes = rest.strip_prefix("::").unwrap_or(rest).trim_start_matches([';', '.', ',']);
    slashes.starts_with("//").then_some((scheme, slashes))
}

/// Removes a duplicate scheme, as in `https://https://…`.
fn without_duplicate(text: &str) -> &str {
    let inner = after_scheme(text).and_then(|(_, rest)| rest.strip_prefix("://"));
    let is_url =
        |inner: &&str| after_scheme(inner).is_some_and(|(_, rest)| rest.starts_with("://"));
    inner.filter(is_url).unwrap_or(text)
}

/// Returns the text after a scheme and its percent-encoded colon.
fn encoded_scheme(text: &str) -> Option<&str> {
    let rest = after_scheme(text)?.1.strip_prefix('%')?;
    // Each repeated encoding turns `%` into `%25`.
    let mut colon = rest;
    while let Some(inner) = colon.strip_prefix("25") {
        colon = inner;
    }
    colon.strip_prefix("3A").or_else(|| colon.strip_prefix("3a"))
}

/// The limit of repeated decoding.
const MAX_DECODED: usize = 3;

/// Decodes a URL that is percent-encoded as a whole.
///
/// Returns `None` if only parts of it are encoded: it is then unknown which codes belong to the
/// URL.
fn decoded(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..MAX_DECODED {
        let Some(rest) = encoded_scheme(&text) else { break };
        // What an encoder leaves, and its percent signs. Another character shows that only parts
        // were encoded.
        let is_kept = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()%".contains(c);
        let slashes = rest.trim_start_matches("%2F").trim_start_matches("%2f");
        if !text.chars().all(is_kept) && slashes.contains('%') {
            return None;
        }
        text = once_decoded(&text)?;
    }
    encoded_scheme(&text).is_none().then_some(text)
}

/// Decodes a text once; `None` for an invalid code, or if the result is not UTF-8.
fn once_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        // Each part after the first begins with the two digits of a code.
        let (code, rest) = part.split_at_checked(2)?;
        let is_code = code.bytes().all(|byte| byte.is_ascii_hexdigit());
        bytes.push(is_code.then(|| u8::from_str_radix(code, 16).ok())??);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Removes one pair of quotes or brackets around a text, or a single one without a partner.
fn peeled(text: &str) -> &str {
    for (open, close) in PAIRS {
        let without = text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
        if let Some(without) = without {
            return without;
        }
    }
    let begins = PAIRS.iter().find_map(|(open, _)| text.strip_prefix(open));
    let ends = PAIRS.iter().find_map(|(open, close)| {
        let without = text.strip_suffix(close)?;
        let count = |part: &str| text.matches(part).count();
        // A closing bracket without an opening one: `https://a.example.com/x)`. In `/x(1)` both are
        // the URL's.
        let is_open = match open == close {
            true => count(close) % 2 == 1,
            false => count(open) < count(close),
        };
        is_open.then_some(without)
    });
    begins.or(ends).unwrap_or(text)
}

/// Returns the URL that the author most likely meant, if it is certain and accepted.
pub(super) fn suggestion(written: &str, development: bool) -> Option<String> {
    if placeholder(written).is_some() {
        return None;
    }
    let accepted =
        |url: String| (is_one_url(&url) && Target::is_accepted(&url, development)).then_some(url);
    let as_it_is = || fixed(written, development).and_then(accepted);
    let without = |inner: &str| {
        let inner_is = || fixed(inner, development).and_then(accepted);
        // The URL inside is suggested as it was written if that is valid, and only otherwise
        // normalized.
        accepted(inner.to_owned()).or_else(inner_is)
    };
    let text = written.trim_matches(is_blank);
    if encoded_scheme(text).is_some() {
        return decoded(text).as_deref().and_then(without);
    }
    match unwrap(written) {
        None => as_it_is(),
        // A URL may end with a dot, so either of the two could be meant.
        Some(Wrapped { is_soft: true, .. }) if as_it_is().is_some() => None,
        Some(Wrapped { inner, .. }) => without(inner),
    }
}

/// Fixes every fault of a URL that leaves no doubt. The result may have other faults.
fn fixed(written: &str, development: bool) -> Option<String> {
    let text = written.trim_matches(is_blank);
    if !is_one_url(text) {
        return None;
    }
    // An escape of JSON or a shell that was applied once too often.
    let text = text.replace("\\/", "/");
    let text = schemed(without_duplicate(&text))?;
    let (url, repairs) = parse(&text);
    let mut url: Url = url.ok()?;
    let has_credentials = repairs.credentials() || !url.username().is_empty();
    if has_credentials || url.password().is_some() || url.port() == Some(0) {
        return None;
    }
    if url.scheme() == "http" && !development {
        // A port of plain HTTP does not speak TLS.
        if url.port().is_some_and(|port| port != 443) {
            return None;
        }
        // The port 80 of `http` was dropped by the parser, so the URL gets the default port of
        // `https`.
        url.set_scheme("https").ok()?;
    }
    Some(url.into())
}

/// Returns whether a text has no blank, which may separate a URL from other text or from another
/// URL, and nothing to be filled in.
fn is_one_url(text: &str) -> bool {
    let marks = ['<', '>', '{', '}', '"', '“', '”', '„', '‘', '’', '«', '»', '‹', '›'];
    !text.contains(' ')
        && !text.contains("](")
        && !text.contains(marks)
        && !text.contains(is_misleading)
}

/// Adds a missing scheme, or corrects a misspelled one.
fn schemed(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("//").or_else(|| text.strip_prefix("://")) {
        return Some(format!("https://{rest}"));
    }
    if let Some((scheme, rest)) = colonless(text) {
        return Some(format!("{scheme}:{rest}"));
    }
    match text.split_once(':') {
        Some((scheme, rest)) if is_word(scheme) => {
            let known = ["https", "http"];
            // `htps:` and `HTTPS:`. For `ftp:`, neither is near, so there is no suggestion.
            let scheme = nearest(scheme, known.into_iter())?;
            Some(format!("{scheme}:{rest}"))
        }
        _ => {
            let whole = format!("https://{text}");
            let (host, _) = host_and_rest(&whole);
            // Other characters may be quotes, a list, or credentials.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/?&=%+".contains(c);
            let is_host = host.contains('.') && text.chars().all(is_plain);
            (is_host && !text.ends_with(SOFT)).then_some(whole)
        }
    }
}
