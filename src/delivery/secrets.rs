//! What a record must not show: the secrets of a webhook, in any form in which a receiver may
//! repeat them.
//!
//! A receiver that echoes a header may change its spelling: another scheme or case, other blanks
//! and quotes, a value cut at a comma into header lines, which are shown joined by `, `. So a
//! secret of [`ANYWHERE`] bytes or more is searched by its letters and digits only, in lower case,
//! in those of the text: `Bearer k3y-1` and `bearer  "K3Y", 1` are the same `k3y1` after their
//! scheme. A text with a secret is omitted as a whole, since what is left of it would show how long
//! the secret is and where it begins.
//!
//! Fewer letters and digits would occur in half of all texts. They are searched as a word, with no
//! letter or digit before or after it, and those with other signs between them as several words, too:
//! `"k3y"` is found in `key=k3y` but not in `monk3y`, and `a-b-c` in `a b c` and in `abc`.

use crate::webhook::Webhook;
use data_encoding::BASE64;

/// The fewest bytes of a secret that is searched anywhere in a text, inside of words too.
const ANYWHERE: usize = 4;

/// The secrets of a webhook.
pub(super) struct Secrets(Vec<Secret>);

enum Secret {
    /// At least [`ANYWHERE`] letters and digits in lower case, anywhere in those of a text.
    Letters(String),
    /// Fewer letters and digits in lower case, as a word.
    Word(String),
    /// Fewer, with other signs between them: as one word or as several.
    Words(String),
    /// In lower case, anywhere: what has fewer letters and digits, and signs.
    Text(String),
    /// Signs only, with no letter or digit before or after them.
    Signs(String),
}

impl Secrets {
    /// The signing secret of a webhook, and of each encrypted header whose value is known the
    /// value, what follows its scheme, and the parts of that.
    pub(super) fn of(webhook: &Webhook) -> Self {
        let mut secrets = Self(Vec::new());
        if let Some(secret) = super::secret(webhook) {
            secrets.add(&String::from_utf8_lossy(secret));
            // As receivers with a library for Standard Webhooks know it.
            secrets.add(&BASE64.encode(secret));
        }
        for header in webhook.encrypted_headers() {
            // A value is visible ASCII, blanks and tabs.
            let value = header.value().and_then(|value| value.to_str().ok()).unwrap_or_default();
            secrets.add(value);
            let (scheme, credentials) = value.split_once([' ', '\t']).unwrap_or(("", value));
            secrets.add(credentials);
            let with_parts = if is_scheme(scheme) { credentials } else { value };
            let parts = parts(with_parts).filter(|part| part.len() >= ANYWHERE || is_quoted(part));
            parts.for_each(|part| secrets.add(part));
        }
        secrets
    }

    fn add(&mut self, secret: &str) {
        let secret = secret.trim_matches([' ', '\t']).to_ascii_lowercase();
        let letters = letters(&secret);
        if letters.len() >= ANYWHERE {
            self.0.push(Secret::Letters(letters));
            return;
        }
        if letters.is_empty() {
            self.add_signs(&secret);
            self.add_signs(secret.trim_matches(QUOTES));
            return;
        }
        let kind = if secret.contains(&letters) { Secret::Word } else { Secret::Words };
        self.0.push(kind(letters));
        if secret.len() >= ANYWHERE {
            self.0.push(Secret::Text(secret));
        }
    }

    fn add_signs(&mut self, secret: &str) {
        self.0.push(match secret.len() {
            0 => return,
            1..ANYWHERE => Secret::Signs(secret.to_owned()),
            _ => Secret::Text(secret.to_owned()),
        });
    }

    /// Whether a text holds a secret.
    pub(super) fn are_in(&self, text: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
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

    /// Whether the name of a header holds a secret. Words of names are too common to be omitted.
    pub(super) fn are_in_name(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let letters = letters(&name);
        self.0.iter().any(|secret| match secret {
            Secret::Letters(secret) => letters.contains(secret),
            Secret::Text(secret) => name.contains(secret),
            Secret::Word(_) | Secret::Words(_) | Secret::Signs(_) => false,
        })
    }
}

/// Whether the first word of a value is a scheme such as `Bearer` (RFC 9110 section 11.1), and
/// not part of the secret.
fn is_scheme(word: &str) -> bool {
    !word.is_empty() && !word.contains(['=', ',', ';', ':', '"'])
}

/// The parts of credentials: what is between blanks, commas and semicolons, and of `name=value` the
/// value, as in `Digest username="u", response="6629"` and `session=6629; path=/`.
fn parts(credentials: &str) -> impl Iterator<Item = &str> {
    let words = credentials.split([' ', '\t', ',', ';']);
    words.flat_map(|word| [Some(word), word.split_once('=').map(|(_, value)| value)]).flatten()
}

const QUOTES: [char; 2] = ['"', '\''];

/// Whether a part is in quotes, as values are.
fn is_quoted(part: &str) -> bool {
    part.starts_with(QUOTES) && part.ends_with(QUOTES)
}

/// The letters and digits of a text.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}

/// The words of a text: letters and digits with none before or after them.
fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    let is_sign = |c: char| !c.is_ascii_alphanumeric();
    text.split(is_sign).filter(|word| !word.is_empty())
}

/// Whether letters and digits are one word of a text, or several that follow each other.
fn has_words(text: &str, letters: &str) -> bool {
    let mut words = words(text);
    while !begin_with(words.clone(), letters) {
        if words.next().is_none() {
            return false;
        }
    }
    true
}

/// Whether the first words, without what is between them, are these letters and digits.
fn begin_with<'t>(words: impl Iterator<Item = &'t str>, letters: &str) -> bool {
    let mut rest = letters;
    for word in words {
        match rest.strip_prefix(word) {
            None => return false,
            Some("") => return true,
            Some(more) => rest = more,
        }
    }
    false
}

/// Whether signs are in a text with no letter or digit before or after them.
fn has_signs(text: &str, signs: &str) -> bool {
    let bytes = text.as_bytes();
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.windows(signs.len().max(1)).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + window.len());
        window == signs.as_bytes() && !is_letter(before) && !is_letter(after)
    })
}
