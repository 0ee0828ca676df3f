//! Which URL the author of a refused one most likely meant.
//!
//! A URL is suggested only if it is accepted as it is, and only for faults that leave no doubt:
//! quotes, brackets and labels around it, percent-encoding as a whole, a missing or misspelt scheme,
//! `http` for `https`, slashes, blanks. A line break may separate two URLs, `{id}` is a placeholder, a port of `http` speaks no
//! TLS, and a user name belongs in a header: for those there is no suggestion.

use super::url::{Target, host_and_rest, parse};
use crate::diagnostic::nearest::nearest;
use crate::diagnostic::{is_misleading, quote};
use crate::filter::placeholder;
use url::Url;

/// A URL with something around it, as it is copied from a text.
pub(super) struct Wrapped<'a> {
    /// What is inside.
    pub(super) inner: &'a str,
    /// What is around it, as the predicate of a sentence about `url`.
    pub(super) what: String,
    /// Whether it is only followed by `.`, `,` or the like, which a URL may end with.
    pub(super) is_soft: bool,
}

/// How a text begins that is not a URL.
pub(super) enum Beginning {
    /// With a scheme whose colon is percent-encoded, as for a query parameter.
    Encoded,
    /// With a scheme and slashes, but no colon.
    NoColon,
    /// With other text before a URL.
    Text,
}

/// Pairs of signs in which a URL is wrapped by mistake.
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

/// What a sentence or a list has after a URL.
const SOFT: [char; 5] = ['.', ',', ';', '!', ':'];

/// How many layers of quotes and brackets are taken off, so that the work stays linear.
const MAX_LAYERS: usize = 8;

/// Takes quotes, brackets, link syntax and punctuation from around a URL.
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
        is_soft &= inner == before;
        inner = inner.trim_end_matches(SOFT).trim_matches(is_blank);
        if inner == before {
            break;
        }
    }
    let scheme = inner.split_once("://").map(|(scheme, _)| scheme);
    if inner == text || scheme.is_none_or(|scheme| scheme.is_empty() || !is_word(scheme)) {
        return None;
    }
    let at = (inner.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let around = [text.get(..at)?, text.get(at + inner.len()..)?];
    // Other text around it may hold anything, credentials included: it is not quoted.
    let is_quotable = around.iter().all(|part| !part.contains(char::is_alphanumeric));
    let [before, after] = around.map(quote);
    let what = match (link, before.is_empty(), after.is_empty()) {
        (Some(kind), ..) => format!("is a link of {kind}"),
        // The label is one of ours, and before it there is nothing.
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

fn is_blank(c: char) -> bool {
    c == ' ' || is_misleading(c)
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The target of a link, and in which language it is written.
fn linked(text: &str) -> Option<(&'static str, &str)> {
    if let Some((label, rest)) = text.strip_prefix('[').and_then(|text| text.split_once("](")) {
        let target = rest.strip_suffix(')')?.split(' ').next()?;
        let is_same = label.trim_end_matches('/') == target.trim_end_matches('/');
        return (is_same || !label.contains("://")).then_some(("Markdown", target));
    }
    if let Some((target, _)) = text.strip_prefix('<').and_then(|text| text.split_once('|')) {
        return text.ends_with('>').then_some(("a chat", target));
    }
    let (_, rest) = text.strip_prefix("<a ").and_then(|text| text.split_once("href=\""))?;
    Some(("HTML", rest.split('"').next()?))
}

/// Methods of HTTP, as they come before a URL in logs and documentation.
const METHODS: [&str; 7] = ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Names of a URL, without `url` or `uri` at the end.
const LABELS: [&str; 10] =
    ["", "webhook", "hook", "target", "callback", "payload", "request", "endpoint", "link", "href"];

/// The label before a URL, such as `POST`, `url=` or `Webhook URL:`, and what follows it.
fn labelled(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphabetic() || matches!(c, ' ' | '_' | '-');
    let end = text.find(|c: char| !is_part(c))?;
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
    if name.is_empty() || !LABELS.contains(&stem) {
        return None;
    }
    // As in JSON, the name may be in quotes.
    let rest = rest.trim_start_matches(['"', '\'']).trim_start_matches(' ');
    let rest = rest.strip_prefix(['=', ':'])?;
    let label = text.get(..text.len() - rest.len())?;
    // What follows `&` may be another parameter, or belong to the URL.
    let is_form = label.ends_with('=') && rest.contains('&');
    let rest = rest.trim_start_matches(' ');
    (!is_form && !rest.starts_with('/') && rest.contains("://")).then_some((label, rest))
}

/// How a text begins that has no scheme.
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

/// A scheme that is `http` or `https` case-insensitively, and what follows it.
fn after_scheme(text: &str) -> Option<(&'static str, &str)> {
    ["https", "http"].into_iter().find_map(|scheme| {
        let (begin, rest) = text.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some((scheme, rest))
    })
}

/// A scheme, and the slashes with what follows them, where one colon is not what is between the two.
fn colonless(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = after_scheme(text)?;
    let slashes = rest.strip_prefix("::").unwrap_or(rest).trim_start_matches([';', '.', ',']);
    slashes.starts_with("//").then_some((scheme, slashes))
}

/// A URL without a scheme that follows another one, as in `https://https://…`.
fn without_duplicate(text: &str) -> &str {
    let inner = after_scheme(text).and_then(|(_, rest)| rest.strip_prefix("://"));
    let is_url =
        |inner: &&str| after_scheme(inner).is_some_and(|(_, rest)| rest.starts_with("://"));
    inner.filter(is_url).unwrap_or(text)
}

/// What follows a scheme and its percent-encoded colon.
fn encoded_scheme(text: &str) -> Option<&str> {
    let rest = after_scheme(text)?.1.strip_prefix('%')?;
    // Each time that it is encoded again makes `%25` of `%`.
    let mut colon = rest;
    while let Some(inner) = colon.strip_prefix("25") {
        colon = inner;
    }
    colon.strip_prefix("3A").or_else(|| colon.strip_prefix("3a"))
}

/// How often a URL is decoded.
const MAX_DECODED: usize = 3;

/// A URL that is percent-encoded as a whole, decoded; none where only parts of it are, since then it
/// is not known which codes belong to it.
fn decoded(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..MAX_DECODED {
        let Some(rest) = encoded_scheme(&text) else { break };
        let is_kept = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()%".contains(c);
        let slashes = rest.trim_start_matches("%2F").trim_start_matches("%2f");
        if !text.chars().all(is_kept) && slashes.contains('%') {
            return None;
        }
        text = once_decoded(&text)?;
    }
    encoded_scheme(&text).is_none().then_some(text)
}

/// A text with each code replaced by its byte; none where that is not UTF-8 or a code is not one.
fn once_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        let is_code = code.bytes().all(|byte| byte.is_ascii_hexdigit());
        bytes.push(is_code.then(|| u8::from_str_radix(code, 16).ok())??);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A text without one pair around it, or without a bracket or quote that has no partner.
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
        let is_open = match open == close {
            true => count(close) % 2 == 1,
            false => count(open) < count(close),
        };
        is_open.then_some(without)
    });
    begins.or(ends).unwrap_or(text)
}

/// The URL that the author of a refused one most likely meant, which is accepted.
pub(super) fn suggestion(written: &str, development: bool) -> Option<String> {
    if placeholder(written).is_some() {
        return None;
    }
    let accepted =
        |url: String| (is_one_url(&url) && Target::is_accepted(&url, development)).then_some(url);
    let as_it_is = || fixed(written, development).and_then(accepted);
    let without = |inner: &str| {
        let inner_is = || fixed(inner, development).and_then(accepted);
        accepted(inner.to_owned()).or_else(inner_is)
    };
    let text = written.trim_matches(is_blank);
    if encoded_scheme(text).is_some() {
        return decoded(text).as_deref().and_then(without);
    }
    match unwrap(written) {
        None => as_it_is(),
        // A URL may end with a dot, so it is not certain which of the two was meant.
        Some(Wrapped { is_soft: true, .. }) if as_it_is().is_some() => None,
        Some(Wrapped { inner, .. }) => without(inner),
    }
}

/// A URL with every fault fixed that leaves no doubt; it may have others.
fn fixed(written: &str, development: bool) -> Option<String> {
    let text = written.trim_matches(is_blank);
    if !is_one_url(text) {
        return None;
    }
    // An escape of JSON or of a shell, one level too many.
    let text = text.replace("\\/", "/");
    let text = schemed(without_duplicate(&text))?;
    let (url, repairs) = parse(&text);
    let mut url: Url = url.ok()?;
    let has_credentials = repairs.credentials() || !url.username().is_empty();
    if has_credentials || url.password().is_some() || url.port() == Some(0) {
        return None;
    }
    if url.scheme() == "http" && !development {
        // A port of plain HTTP speaks no TLS.
        if url.port().is_some_and(|port| port != 443) {
            return None;
        }
        url.set_scheme("https").ok()?;
    }
    Some(url.into())
}

/// Whether a text has nothing that may separate a URL from others or is to be filled in.
fn is_one_url(text: &str) -> bool {
    let blanks_are_inner = text.match_indices(' ').all(|(at, _)| {
        text.get(at + 1..).is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
    });
    let is_one = !text.contains(' ') || text.matches("://").count() < 2;
    let marks = ['<', '>', '{', '}', '"', '“', '”', '„', '‘', '’', '«', '»', '‹', '›'];
    blanks_are_inner
        && is_one
        && !text.contains("](")
        && !text.contains(marks)
        && !text.contains(is_misleading)
}

/// The same with a scheme, where there is none or a misspelt one.
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
            let scheme = nearest(scheme, known.into_iter())?;
            Some(format!("{scheme}:{rest}"))
        }
        _ => {
            let whole = format!("https://{text}");
            let (host, _) = host_and_rest(&whole);
            // Other signs may be quotes, a list, or credentials.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/?&=%+".contains(c);
            let is_host = host.contains('.') && text.chars().all(is_plain);
            (is_host && !text.ends_with(SOFT)).then_some(whole)
        }
    }
}
