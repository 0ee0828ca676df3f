//! Seals the secrets of documents before a store receives them.
//!
//! The JSON of `Webhook::stored` contains the webhook's secret and the values of its encrypted
//! headers. Sealing replaces each of these strings by a string of the form below. The rest is
//! unchanged, so that a person can still read the store.
//!
//! ```text
//! "secret": "sealed:3f9a1c02:dGhlIG5vbmNlLCB0aGVuIHRoZSBjaXBoZXJ0ZXh0…"
//!                   │        └ Base64 (URL) of a nonce of 24 bytes and the ciphertext with its tag
//!                   └ the id of the key, so that keys can be rotated webhook by webhook
//! ```
//!
//! XChaCha20-Poly1305 has nonces large enough to be random. The tenant, the webhook and the name of
//! the member are authenticated with the value. A sealed value that is copied to another webhook,
//! to be sent to another URL, does not open there.
//!
//! | who has | learns |
//! | --- | --- |
//! | a backup or the store's files | everything but the secrets, and how long they are |
//! | the key file only | nothing |
//! | the right to write the store | no secret, but may restore an old one of the same webhook |
//!
//! Sealing does not protect against a reader of both files, or the server's memory. There,
//! opened values are overwritten when they are dropped, as far as this program holds them.

mod keys;

pub(crate) use keys::Keys;
#[cfg(test)]
pub(crate) use keys::new_line;

use crate::server::members::Members;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use hooksieve::event::TenantId;
use hooksieve::webhook::WebhookId;
use keys::Key;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

const PREFIX: &str = "sealed:";
const NONCE: usize = 24;

/// An error from sealing, opening or reading keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// The key that sealed a value is not in the key file.
    #[error("`{field}` is sealed with key `{key}`, which is not in the key file: add the key")]
    MissingKey {
        /// The id of the key.
        key: String,
        /// The member that was sealed.
        field: String,
    },
    /// The key does not open the value.
    #[error(
        "`{field}` does not open with key `{key}`: the key file has another key under this id, or the \
         value was altered or is of another webhook; restore the key file that sealed it, or a \
         backup of the store"
    )]
    WrongKey {
        /// The id of the key.
        key: String,
        /// The member that was sealed.
        field: String,
    },
    /// A value that must be sealed is in the clear.
    #[error("`{field}` is not sealed")]
    NotSealed {
        /// The member.
        field: String,
    },
    /// The document is not one that `Webhook::stored` writes.
    #[error("not a stored webhook: {0}")]
    NotStored(String),
    /// The key file cannot be used.
    #[error("{0}")]
    KeyFile(String),
}

/// The tenant and webhook that a document belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    /// The tenant.
    pub(crate) tenant: &'a TenantId,
    /// The webhook.
    pub(crate) webhook: &'a WebhookId,
}

/// Fills a buffer with random bytes.
pub(crate) type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

impl Keys {
    /// Seals the secrets of a stored webhook under the first key.
    ///
    /// # Errors
    ///
    /// Returns an error if the document is not a JSON object as `Webhook::stored` writes it.
    pub(crate) fn seal(
        &self,
        owner: Owner<'_>,
        document: &[u8],
        random: Random<'_>,
    ) -> Result<Bytes, SealError> {
        let sealed = rewrite(document, &mut |field, value| {
            seal_value(self.first(), owner, Plain { field, value }, random).map(Zeroizing::new)
        })?;
        Ok(Bytes::copy_from_slice(&sealed))
    }

    /// Opens the secrets of a sealed document.
    ///
    /// # Errors
    ///
    /// Returns an error if a key is missing or wrong, a value is in the clear, or the document is
    /// not a JSON object.
    pub(crate) fn open(
        &self,
        owner: Owner<'_>,
        document: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        rewrite(document, &mut |field, value| self.open_value(owner, field, value))
    }

    /// Seals a sealed document under the first key; `None` if it already is.
    ///
    /// # Errors
    ///
    /// The same as for [`open`](Self::open).
    pub(crate) fn reseal(
        &self,
        owner: Owner<'_>,
        document: &[u8],
        random: Random<'_>,
    ) -> Result<Option<Bytes>, SealError> {
        let mut changed = false;
        let sealed = rewrite(document, &mut |field, sealed| {
            // Copied and not sealed again: a new nonce would change every document in each run.
            if key_id(field, sealed)?.0 == self.first().id() {
                return Ok(Zeroizing::new(sealed.to_owned()));
            }
            changed = true;
            let value = self.open_value(owner, field, sealed)?;
            let plain = Plain { field, value: &value };
            seal_value(self.first(), owner, plain, random).map(Zeroizing::new)
        })?;
        Ok(changed.then(|| Bytes::copy_from_slice(&sealed)))
    }

    fn open_value(
        &self,
        owner: Owner<'_>,
        field: &str,
        sealed: &str,
    ) -> Result<Zeroizing<String>, SealError> {
        let (id, rest) = key_id(field, sealed)?;
        let of = || (id.to_owned(), field.to_owned());
        let Some(key) = self.get(id) else {
            let (key, field) = of();
            return Err(SealError::MissingKey { key, field });
        };
        let wrong = || {
            let (key, field) = of();
            SealError::WrongKey { key, field }
        };
        let bytes = BASE64URL_NOPAD.decode(rest.as_bytes()).map_err(|_| wrong())?;
        // From here on, every failure is the same one: an attacker learns nothing from the difference.
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        let aad = context(owner, field);
        let cipher = XChaCha20Poly1305::new(key.bytes().into());
        let nonce = XNonce::from(*nonce);
        let opened = cipher.decrypt(&nonce, Payload { msg: sealed, aad: &aad });
        let opened = Zeroizing::new(opened.map_err(|_| wrong())?);
        match std::str::from_utf8(&opened) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(wrong()),
        }
    }
}

/// Splits a sealed value into the id of its key and the rest.
fn key_id<'v>(field: &str, sealed: &'v str) -> Result<(&'v str, &'v str), SealError> {
    // A secret that begins like a sealed value is sealed like any other, so the form is unambiguous.
    let parts = sealed.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':'));
    parts.ok_or_else(|| SealError::NotSealed { field: field.to_owned() })
}

#[derive(Clone, Copy)]
struct Plain<'a> {
    field: &'a str,
    value: &'a str,
}

fn seal_value(
    key: &Key,
    owner: Owner<'_>,
    plain: Plain<'_>,
    random: Random<'_>,
) -> Result<String, SealError> {
    let mut nonce = [0; NONCE];
    random(&mut nonce);
    // Authenticated and not stored: only a reader who knows where the value belongs can open it.
    let aad = context(owner, plain.field);
    let cipher = XChaCha20Poly1305::new(key.bytes().into());
    let payload = Payload { msg: plain.value.as_bytes(), aad: &aad };
    // Fails only for values above 256 GiB.
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
    let sealed = sealed.map_err(|_| SealError::NotStored("a value is too long".to_owned()))?;
    // The nonce is not secret, and opening needs it.
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(&sealed);
    Ok(format!("{PREFIX}{}:{}", key.id(), BASE64URL_NOPAD.encode(&bytes)))
}

/// Returns the context that is authenticated with a value. Each part is preceded by its length, so
/// that no two contexts are equal.
fn context(owner: Owner<'_>, field: &str) -> Vec<u8> {
    let mut context = b"hooksieve webhook".to_vec();
    for part in [owner.tenant.as_str(), owner.webhook.as_str(), field] {
        context.extend_from_slice(&(part.len() as u64).to_le_bytes());
        context.extend_from_slice(part.as_bytes());
    }
    context
}

/// Maps a secret value, given the name of its member, to its replacement.
type Rule<'r> = &'r mut dyn FnMut(&str, &str) -> Result<Zeroizing<String>, SealError>;

/// Replaces the secrets of a document.
fn rewrite(document: &[u8], rule: Rule<'_>) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let members = Members::read(document).map_err(not_stored)?;
    // Allocates for the whole result: growing would leave copies of secrets in freed memory.
    let mut out = Zeroizing::new(Vec::with_capacity(4096 + 3 * document.len()));
    write_members(&members, &mut out, &mut |name, value, out| match name {
        "secret" => write_secret(value, out, &mut |value| rule(name, value)),
        "encryptedHeaders" if value.get().starts_with('{') => {
            let headers = Members::read(value.get().as_bytes()).map_err(not_stored)?;
            write_members(&headers, out, &mut |header, value, out| {
                let field = format!("{name}/{header}");
                write_secret(value, out, &mut |value| rule(&field, value))
            })
        }
        _ => {
            out.extend_from_slice(value.get().as_bytes());
            Ok(())
        }
    })?;
    Ok(out)
}

/// Writes the value of a member, given its name and text.
type Write<'w> = &'w mut dyn FnMut(&str, &RawValue, &mut Vec<u8>) -> Result<(), SealError>;

fn write_members(
    members: &Members<'_>,
    out: &mut Vec<u8>,
    write: Write<'_>,
) -> Result<(), SealError> {
    out.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, name).map_err(not_stored)?;
        out.push(b':');
        write(name, value, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Writes the replacement of a secret. Null is not a secret and stays.
fn write_secret(
    value: &RawValue,
    out: &mut Vec<u8>,
    rule: &mut dyn FnMut(&str) -> Result<Zeroizing<String>, SealError>,
) -> Result<(), SealError> {
    let text: Option<String> = serde_json::from_str(value.get()).map_err(|_| {
        // The parser's message could quote the value.
        SealError::NotStored("a secret is not a string".to_owned())
    })?;
    let Some(text) = text.map(Zeroizing::new) else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    let other = rule(&text)?;
    serde_json::to_writer(out, other.as_str()).map_err(not_stored)
}

/// Reports the position at which the parser stopped, without the text there, which could be a
/// secret.
fn not_stored(error: serde_json::Error) -> SealError {
    let (line, column) = (error.line(), error.column());
    SealError::NotStored(format!("not a JSON object: error at line {line} column {column}"))
}
