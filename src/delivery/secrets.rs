//! Finds the secrets of a webhook in headers, even if a receiver changes their spelling.
//!
//! A record must not show a secret. The values of encrypted headers are known and are omitted. But
//! a receiver may echo a secret in a header of its own, and it may change the spelling: another
//! scheme or case, other blanks and quotes, or a value cut at a comma into several lines, which are
//! joined by `, `. Comparing the exact text would miss all of these.
//!
//! # How a text is searched
//!
//! A secret and a text are reduced to their letters and digits in lower case, and the text is
//! searched for the secret:
//!
//! ```text
//! encrypted value      Bearer k3y-1
//! secrets              bearerk3y1, k3y1                 the whole value, and without its scheme
//! header line          X-Echo: your token is "K3Y", 1
//! reduced              yourtokenisk3y1                  contains k3y1: the line is omitted
//! ```
//!
//! A text with a secret is omitted as a whole. The rest of it would show the length of the secret
//! and where it begins.
//!
//! # Short secrets
//!
//! Fewer than [`ANYWHERE`] letters and digits would occur in half of all texts, so they must be a
//! word of their own, with no letter or digit before or after:
//!
//! | secret | is | found in | not found in |
//! | --- | --- | --- | --- |
//! | `k3y1` or longer | [`Secret::Letters`] | `xk3y-1x` | |
//! | `k3y` | [`Secret::Word`] | `key=k3y` | `monk3y` |
//! | `a-b-c` | [`Secret::Words`] and [`Secret::Text`] | `a b c`, `abc` | `xabc` |
//! | `--` | [`Secret::Signs`] | `-- x` | `a--b` |
//!
//! # Which secrets are known
//!
//! - the signing secret, as it is and in Base64, the form that libraries for Standard Webhooks use;
//! - the value of each encrypted header, and what follows its scheme;
//! - the parts of that, as in `Digest username="u", response="6629"`.
//!
//! # Limits
//!
//! Any other encoding of a secret is not recognized, nor is a part of one that the receiver cut
//! out.

use crate::webhook::Webhook;
use data_encoding::BASE64;

/// The least number of letters and digits of a secret that is found inside words, too.
const ANYWHERE: usize = 4;

/// The secrets of a webhook, as they are searched for.
pub(super) struct Secrets(Vec<Secret>);

/// A secret, and how it is searched for.
enum Secret {
    /// At least [`ANYWHERE`] letters and digits in lower case; anywhere in those of a text.
    Letters(String),
    /// Fewer letters and digits in lower case; as a word.
    Word(String),
    /// Fewer letters and digits, with other characters between them; as one word or as several.
    Words(String),
    /// The text in lower case, with fewer letters and digits; anywhere.
    Text(String),
    /// Other characters only; with no letter or digit before or after them.
    Signs(String),
}

impl Secrets {
    /// Collects the secrets of a webhook, as far as they are known.
    pub(super) fn of(webhook: &Webhook) -> Self {
        let mut secrets = Self(Vec::new());
        if let Some(secret) = super::secret(webhook) {
            // A secret was read from JSON, so it is UTF-8 and nothing is replaced.
            secrets.add(&String::from_utf8_lossy(secret));
            // Receivers with a library for Standard Webhooks have it in this form.
            secrets.add(&BASE64.encode(secret));
        }
        for header in webhook.encrypted_headers() {
            let Some(value) = header.value() else { continue };
            let value = String::from_utf8_lossy(value.as_bytes());
            secrets.add(&value);
            let (scheme, credentials) = value.split_once([' ', '\t']).unwrap_or(("", &value));
            secrets.add(credentials);
            // Short parts are words such as `u` that occur everywhere, unless they are quoted
            // values.
            let with_parts = if is_scheme(scheme) { credentials } else { &value };
            let parts = parts(with_parts).filter(|part| part.len() >= ANYWHERE || is_quoted(part));
            parts.for_each(|part| secrets.add(part));
        }
        secrets
    }

    /// Adds a secret; its length and characters decide how it is searched for.
    fn add(&mut self, secret: &str) {
        let secret = secret.trim_matches([' ', '\t']).to_ascii_lowercase();
        let letters = letters(&secret);
        // The usual case. The length decides whether a chance occurrence in another text is likely.
        if letters.len() >= ANYWHERE {
            self.0.push(Secret::Letters(letters));
            return;
        }
        if letters.is_empty() {
            self.add_signs(&secret);
            self.add_signs(secret.trim_matches(QUOTES));
            return;
        }
        // In one piece, the letters are a word. With signs between them, a receiver may cut them
        // there.
        let kind = if secret.contains(&letters) { Secret::Word } else { Secret::Words };
        self.0.push(kind(letters));
        if secret.len() >= ANYWHERE {
            self.0.push(Secret::Text(secret));
        }
    }

    /// Adds a secret without letters and digits.
    fn add_signs(&mut self, secret: &str) {
        self.0.push(match secret.len() {
            0 => return,
            1..ANYWHERE => Secret::Signs(secret.to_owned()),
            _ => Secret::Text(secret.to_owned()),
        });
    }

    /// Returns whether a text contains a secret.
    pub(super) fn are_in(&self, text: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        // Once for the text, and not once for each secret.
        let text = text.to_ascii_lowercase();
        let letters = letters(&text);
        self.0.iter().any(|secret| match secret {
            Secret::Letters(secret) => letters.contains(secret),
            Secret::Word(secret) => words(&text).any(|word| word == secret),
            Secret::Words(secret) => has_words(&text, secret),
            Secret::Text(secret) => text.contains(secret),
            Secret::Signs(secret) => has_signs(&text, secret),
        })
    }

    /// Returns whether the name of a header contains a secret.
    ///
    /// Short secrets are not searched for: words of names are too common.
    pub(super) fn are_in_name(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let letters = letters(&name);
        self.0.iter().any(|secret| match secret {
            Secret::Letters(secret) => letters.contains(secret),
            Secret::Text(secret) => name.contains(secret),
            // With a secret `key`, each `x-api-key` would be dropped.
            Secret::Word(_) | Secret::Words(_) | Secret::Signs(_) => false,
        })
    }
}

/// Returns whether the first word of a value is a scheme such as `Bearer` (RFC 9110 section 11.1).
///
/// Otherwise it is a part of the secret.
fn is_scheme(word: &str) -> bool {
    !word.is_empty() && !word.contains(['=', ',', ';', ':', '"'])
}

/// Returns the parts of credentials between blanks, commas and semicolons.
///
/// Of `name=value` the value is a part as well, as in `Digest username="u", response="6629"` and
/// `session=6629; path=/`.
fn parts(credentials: &str) -> impl Iterator<Item = &str> {
    let words = credentials.split([' ', '\t', ',', ';']);
    // The whole word first: `a=b` may be one secret, and not a name with a value.
    words.flat_map(|word| [Some(word), word.split_once('=').map(|(_, value)| value)]).flatten()
}

const QUOTES: [char; 2] = ['"', '\''];

/// Returns whether a part is in quotes.
fn is_quoted(part: &str) -> bool {
    part.starts_with(QUOTES) && part.ends_with(QUOTES)
}

/// Returns the letters and digits of a text.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}

/// Returns the words of a text: the longest runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    let is_sign = |c: char| !c.is_ascii_alphanumeric();
    text.split(is_sign).filter(|word| !word.is_empty())
}

/// Returns whether letters and digits are one word of a text, or several in a row.
fn has_words(text: &str, letters: &str) -> bool {
    let mut words = words(text);
    while !begin_with(words.clone(), letters) {
        if words.next().is_none() {
            return false;
        }
    }
    true
}

/// Returns whether the first words, joined, are these letters and digits.
fn begin_with<'t>(words: impl Iterator<Item = &'t str>, letters: &str) -> bool {
    let mut rest = letters;
    for word in words {
        // The words must be used up exactly: `ab` is not found in `a bc`.
        match rest.strip_prefix(word) {
            None => return false,
            Some("") => return true,
            Some(more) => rest = more,
        }
    }
    false
}

/// Returns whether characters occur in a text with no letter or digit before or after them.
fn has_signs(text: &str, signs: &str) -> bool {
    let bytes = text.as_bytes();
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    // A window of length 0 would panic; `add_signs` adds no empty secret.
    bytes.windows(signs.len().max(1)).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + window.len());
        window == signs.as_bytes() && !is_letter(before) && !is_letter(after)
    })
}
