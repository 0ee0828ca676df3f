//! Finds out why a signature does not match.
//!
//! HMAC shows only that something differs. But most mistakes of senders, proxies and receivers are
//! known, so each of them is tried: if a signature matches after a mistake is repeated, it was made.
//!
//! ```text
//! signature ──▶ read in any form: hexadecimal, Base64, with a prefix ──▶ wrong form
//!     └──▶ other keys from the secret, with the body as it is ─────────▶ wrong key
//!     └──▶ the keys, with the body in other layouts ──────────────────▶ changed body
//!     └──▶ no match: another secret, or a change that cannot be repeated
//! ```

use super::layout::{Layout, lay_out};
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

/// A signature as it is written, in any form.
pub(super) struct Written {
    /// The bytes of the signature.
    pub(super) digest: Vec<u8>,
    /// What is before the digits, such as `sha256=`.
    pub(super) prefix: String,
    /// The form of the digits.
    pub(super) form: Form,
}

/// A form in which bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Hexadecimal,
    Base64,
    /// The alphabet for URLs, or without padding.
    OtherBase64,
}

impl Written {
    /// Reads a signature in any form that senders use; `None` if it is none of them.
    pub(super) fn read(text: &str) -> Option<Self> {
        // A short word before the digits. `=` at the end of Base64 has nothing after it.
        let split = text.split_once(['=', ',', ':']);
        let split = split.filter(|(word, rest)| word.len() <= 12 && rest.len() >= 27);
        let digits = split.map_or(text, |(_, rest)| rest);
        let prefix = text.strip_suffix(digits).unwrap_or_default().to_owned();
        let bytes = digits.as_bytes();
        let (digest, form) = if let Ok(digest) = HEXLOWER_PERMISSIVE.decode(bytes) {
            (digest, Form::Hexadecimal)
        } else if let Ok(digest) = BASE64.decode(bytes) {
            (digest, Form::Base64)
        } else {
            let others = [BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD];
            let digest = others.iter().find_map(|other| other.decode(bytes).ok())?;
            (digest, Form::OtherBase64)
        };
        // A word may be Base64, too, but has not the length of a signature.
        matches!(digest.len(), 16 | 20 | 32 | 48 | 64).then_some(Self { digest, prefix, form })
    }

    /// Returns the hash function by the length of its result, if it is not SHA-256.
    pub(super) fn other_function(&self) -> Option<&'static str> {
        match self.digest.len() {
            16 => Some("HMAC-MD5"),
            20 => Some("HMAC-SHA1"),
            48 => Some("HMAC-SHA384"),
            64 => Some("HMAC-SHA512"),
            _ => None,
        }
    }
}

/// The bytes that a `whsec_` secret encodes.
pub(super) fn encoded(secret: &str) -> Option<Vec<u8>> {
    BASE64.decode(secret.strip_prefix("whsec_")?.as_bytes()).ok()
}

/// A mistake, and the key or the body that it makes.
type Mistake = (&'static str, Vec<u8>);

/// Returns the first mistake after which the signature matches.
pub(super) fn find(
    keys: &[Vec<u8>],
    body: &[u8],
    matches: &dyn Fn(&[u8], &[u8]) -> bool,
) -> Option<&'static str> {
    let other_keys = keys.iter().flat_map(|key| of_key(key));
    let wrong_key = other_keys.into_iter().find(|(_, other)| matches(other, body));
    let wrong = wrong_key.or_else(|| {
        of_body(body).into_iter().find(|(_, other)| keys.iter().any(|key| matches(key, other)))
    });
    wrong.map(|(mistake, _)| mistake)
}

/// Returns the keys that senders make of a secret by mistake.
fn of_key(key: &[u8]) -> Vec<Mistake> {
    let mut mistakes = vec![
        (
            "the sender's key ends with a line break that the secret does not have",
            [key, b"\n"].concat(),
        ),
        (
            "the secret has white space at an end that the sender's key does not have",
            key.trim_ascii().to_vec(),
        ),
        ("the sender signed with an empty key", Vec::new()),
        (
            "the sender used the text `whsec_…` as the key; the key is the bytes that it encodes",
            hooksieve::delivery::whsec(key).into_bytes(),
        ),
        (
            "the sender used the Base64 of the secret as the key; the key is the secret's bytes",
            BASE64.encode(key).into_bytes(),
        ),
    ];
    let decoded = [
        (
            "the sender decoded the secret from hexadecimal; the key is the bytes of its text",
            HEXLOWER_PERMISSIVE.decode(key),
        ),
        (
            "the sender decoded the secret from Base64; the key is the bytes of its text",
            BASE64.decode(key).or_else(|_| BASE64URL_NOPAD.decode(key)),
        ),
    ];
    let decoded = decoded.into_iter().filter_map(|(what, key)| Some((what, key.ok()?)));
    mistakes.extend(decoded);
    mistakes
}

/// Returns the bodies that may have been signed if what arrived is changed.
fn of_body(body: &[u8]) -> Vec<Mistake> {
    const JSON: &str = "the body was parsed and printed again after it was signed: the signature is \
        of the same JSON with other white space";
    let mut mistakes = vec![
        ("the body lost a line break at its end after it was signed", [body, b"\n"].concat()),
        ("the body lost a line break (CR LF) at its end", [body, b"\r\n"].concat()),
        ("the signature is of an empty body", Vec::new()),
    ];
    let shorter = [b"\r\n".as_slice(), b"\n"].map(|end| body.strip_suffix(end));
    let shorter = shorter.into_iter().flatten();
    mistakes.extend(shorter.map(|signed| {
        ("the body got a line break at its end after it was signed", signed.to_vec())
    }));
    if let Some(signed) = body.strip_prefix(b"\xef\xbb\xbf") {
        mistakes.push(("the body got a byte order mark after it was signed", signed.to_vec()));
    }
    let Ok(text) = std::str::from_utf8(body) else { return mistakes };
    const LINES: &str = "the line breaks in the body were changed after it was signed";
    mistakes.push((LINES, text.replace("\r\n", "\n").into_bytes()));
    mistakes.push((LINES, text.replace('\n', "\r\n").into_bytes()));
    let layouts = [Layout::Compact, Layout::Spaced, Layout::Lines(2), Layout::Lines(4)];
    let laid_out = layouts.into_iter().filter_map(|layout| lay_out(text, layout));
    for text in laid_out {
        mistakes.push((JSON, [text.as_bytes(), b"\n"].concat()));
        mistakes.push((JSON, text.into_bytes()));
    }
    // Members in the order of their names, and characters that are not escaped.
    let value = serde_json::from_str::<serde_json::Value>(text).ok();
    let sorted = value.and_then(|value| serde_json::to_vec(&value).ok());
    mistakes.extend(sorted.map(|signed| {
        (
            "the signature is of the same JSON with its members sorted or characters unescaped",
            signed,
        )
    }));
    mistakes
}
