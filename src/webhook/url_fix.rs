//! Which URL the author of a refused one most likely meant.
//!
//! A URL is suggested only if it is accepted as it is, and only for faults that leave no doubt:
//! quotes and brackets around it, a missing or misspelt scheme, `http` for `https`, slashes,
//! blanks. A line break may separate two URLs, `{id}` is a placeholder, a port of `http` speaks no
//! TLS, and a user name belongs in a header: for those there is no suggestion.

use super::spelling;
use super::url::{Target, host_and_rest, parse};
use crate::filter::placeholder;
use crate::syntax::{misleads, quote};
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
    let mut link = None;
    let mut is_soft = true;
    for _ in 0..MAX_LAYERS {
        let before = inner;
        if let Some((kind, target)) = linked(inner) {
            (inner, link) = (target, Some(kind));
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
        _ if !is_quotable => "has other text around it".to_owned(),
        (_, true, _) => format!("ends with `{after}`"),
        (_, _, true) => format!("begins with `{before}`"),
        _ => format!("is between `{before}` and `{after}`"),
    };
    Some(Wrapped { inner, what, is_soft: is_soft && link.is_none() })
}

fn is_blank(c: char) -> bool {
    c == ' ' || misleads(c)
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
    let text = schemed(&text.replace("\\/", "/"))?;
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
        && !text.contains(misleads)
}

/// The same with a scheme, where there is none or a misspelt one.
fn schemed(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("//") {
        return Some(format!("https://{rest}"));
    }
    match text.split_once(':') {
        Some((scheme, rest)) if is_word(scheme) => {
            let known = ["https", "http"];
            let scheme = spelling::nearest(scheme, known.into_iter())?;
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
