//! Signs requests for senders and verifies them for receivers.
//!
//! # What is signed
//!
//! ```text
//! Qlik-Signature       HMAC-SHA256(secret, body)                         in hexadecimal
//! webhook-signature    HMAC-SHA256(secret, id "." seconds "." body)      `v1,` and Base64
//! ```
//!
//! The first one covers only the body, so a recorded request can be sent again at any time. The
//! second one covers the id and the time, by which a receiver recognizes a replay. `.` separates
//! the parts, so an id must not contain one: `a` at `1.2` and `a.1` at `2` would be the same text.
//!
//! Both are over the exact bytes. A receiver must verify before it parses, since a parsed and
//! printed body has other blanks or another order of members.

use crate::diagnostic::Diagnostic;
use crate::webhook::Timestamp;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;
use std::fmt;
use std::time::{Duration, SystemTime};

/// Returns HMAC-SHA256 with a secret as the key.
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104)")]
fn hmac(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("a key of any length")
}

/// Returns HMAC-SHA256 (RFC 2104) of the parts, one after the other.
fn digest(secret: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut hmac = hmac(secret);
    // In parts, so that the body is not copied to put the id and the time before it.
    parts.iter().for_each(|part| hmac.update(part));
    hmac
}

/// Returns the value of `Qlik-Signature`: 64 hexadecimal digits in lower case.
pub(super) fn qlik(secret: &[u8], body: &[u8]) -> HeaderValue {
    let digest = digest(secret, &[body]).finalize().into_bytes();
    let mut digits = [0; 64];
    HEXLOWER.encode_mut(&digest, &mut digits);
    header(&digits)
}

/// Returns what Standard Webhooks sign: id, time and body with `.` between them.
fn standard_parts<'a>(id: &'a [u8], seconds: &'a [u8], body: &'a [u8]) -> [&'a [u8]; 5] {
    [id, b".", seconds, b".", body]
}

/// The values of `webhook-id`, `webhook-timestamp` and `webhook-signature`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standard {
    pub(super) id: HeaderValue,
    pub(super) time: HeaderValue,
    /// `None` without a secret.
    pub(super) signature: Option<HeaderValue>,
}

/// Returns the headers of Standard Webhooks.
pub(super) fn standard(
    secret: Option<&[u8]>,
    id: &MessageId,
    at: Timestamp,
    body: &[u8],
) -> Standard {
    let time = HeaderValue::from(seconds(at));
    let signature = secret.map(|secret| {
        let parts = standard_parts(id.0.as_bytes(), time.as_bytes(), body);
        let digest = digest(secret, &parts).finalize().into_bytes();
        // 32 bytes are always 44 characters of Base64, so the value has a fixed length.
        let mut value = *b"v1,00000000000000000000000000000000000000000000";
        if let Some(digits) = value.get_mut(3..) {
            BASE64.encode_mut(&digest, digits);
        }
        header(&value)
    });
    Standard { id: id.0.clone(), time, signature }
}

/// Returns a time in seconds since 1970.
fn seconds(at: Timestamp) -> u64 {
    let since = SystemTime::from(at).duration_since(SystemTime::UNIX_EPOCH);
    // A timestamp is never before 1970.
    since.unwrap_or_default().as_secs()
}

/// Makes a header value from a signature.
#[expect(clippy::expect_used, reason = "hexadecimal digits and Base64 are visible ASCII")]
fn header(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).expect("visible ASCII")
}

/// The id of a message for Standard Webhooks.
///
/// Use the same id whenever the message is sent again, so that a receiver recognizes a duplicate.
///
/// ```
/// use hooksieve::delivery::MessageId;
///
/// assert!(MessageId::new("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W").is_ok());
/// let error = MessageId::new("line\nbreak").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "expected a message id of 1 to 256 visible ASCII characters without `.`"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(HeaderValue);

impl MessageId {
    /// The limit of characters.
    pub const MAX: usize = 256;

    /// Creates an id from visible ASCII characters other than `.`.
    ///
    /// In the text that is signed, `.` ends the id.
    ///
    /// # Errors
    ///
    /// Another character, no character, or more than [`MAX`](Self::MAX).
    pub fn new(id: &str) -> Result<Self, Diagnostic> {
        let fits = (1..=Self::MAX).contains(&id.len());
        // Blanks are refused as well, since one at either end would not arrive (RFC 9110 section
        // 5.5).
        let visible = id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
        let value = HeaderValue::from_str(id).ok().filter(|_| fits && visible);
        value.map(Self).ok_or_else(|| {
            let max = Self::MAX;
            Diagnostic::error(
                "message-id-invalid",
                format!("expected a message id of 1 to {max} visible ASCII characters without `.`"),
                "use the id of the event or a UUID",
            )
        })
    }

    /// Returns the id as text.
    #[must_use]
    #[expect(clippy::expect_used, reason = "`new` accepts visible ASCII characters only")]
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("visible ASCII")
    }
}

impl AsRef<str> for MessageId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for MessageId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// The error for a request that a receiver must reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The header does not contain a signature.
    #[error("the signature is malformed")]
    Malformed,
    /// The signature is that of another body, key or message.
    #[error("the signature does not match the request")]
    Mismatch,
    /// The time of the message is not a number, or too far from now.
    #[error("the time of the message is too far from now")]
    Time,
}

/// Verifies a `Qlik-Signature` in a receiver.
///
/// `body` is the exact bytes that were received, and the key is the bytes of the secret. The digits
/// of the signature may be in either case. The comparison takes constant time.
///
/// An old request is accepted like a new one, so this header does not protect against replay.
/// [`StandardHeaders`] do.
///
/// # Errors
///
/// A malformed signature, or one that does not match.
///
/// ```
/// use hooksieve::delivery::{VerifyError, verify};
///
/// // Computed by Python's hmac module.
/// let signature = "b326604c0dc7364c8b688556189c0a510e5150cd4628736be814c7c9898f899d";
/// let secret = "0123456789abcdef0123456789abcdef";
/// assert_eq!(verify(secret, b"{}", signature), Ok(()));
/// assert_eq!(verify(secret, b"{ }", signature), Err(VerifyError::Mismatch));
/// assert_eq!(verify(secret, b"{}", "none"), Err(VerifyError::Malformed));
/// ```
pub fn verify(secret: impl AsRef<[u8]>, body: &[u8], signature: &str) -> Result<(), VerifyError> {
    let given = HEXLOWER_PERMISSIVE.decode(signature.as_bytes());
    let given = given.ok().filter(|given| given.len() == 32).ok_or(VerifyError::Malformed)?;
    // Compares in constant time.
    digest(secret.as_ref(), &[body]).verify_slice(&given).map_err(|_| VerifyError::Mismatch)
}

/// The headers of Standard Webhooks in a receiver.
///
/// ```
/// use hooksieve::delivery::{StandardHeaders, VerifyError};
/// use std::time::{Duration, UNIX_EPOCH};
///
/// // Computed by Python's hmac module.
/// let headers = StandardHeaders {
///     id: "msg_1",
///     timestamp: "1731705121",
///     signature: "v1,Z6ULfIbiJfeL3rhekhUoZmk/g/OFLAe4x/EheswkHZ0=",
/// };
/// let secret = "0123456789abcdef0123456789abcdef";
/// let now = UNIX_EPOCH + Duration::from_secs(1_731_705_200);
/// let tolerance = Duration::from_secs(300);
/// assert_eq!(headers.verify(secret, b"{}", now.into(), tolerance), Ok(()));
/// let later = now + Duration::from_secs(3_600);
/// assert_eq!(headers.verify(secret, b"{}", later.into(), tolerance), Err(VerifyError::Time));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardHeaders<'a> {
    /// The value of `webhook-id`.
    pub id: &'a str,
    /// The value of `webhook-timestamp`.
    pub timestamp: &'a str,
    /// The value of `webhook-signature`: one or more signatures with blanks between them.
    pub signature: &'a str,
}

impl StandardHeaders<'_> {
    /// Verifies that a signature matches and that the message was sent near `now`.
    ///
    /// Only signatures of version 1 are compared, in constant time. The time of the message may be
    /// at most `tolerance` before or after `now`, in whole seconds.
    ///
    /// # Errors
    ///
    /// A time that is not a number or is outside the tolerance, no well-formed signature of version
    /// 1, or none that matches.
    pub fn verify(
        &self,
        secret: impl AsRef<[u8]>,
        body: &[u8],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), VerifyError> {
        // `u64::from_str` also accepts a plus sign, which no sender writes.
        let digits = self.timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let sent: Option<u64> = self.timestamp.parse().ok().filter(|_| digits);
        let sent = sent.ok_or(VerifyError::Time)?;
        // In both directions: a time far in the future would be accepted again and again until
        // then.
        if sent.abs_diff(seconds(now)) > tolerance.as_secs() {
            return Err(VerifyError::Time);
        }
        let parts = standard_parts(self.id.as_bytes(), self.timestamp.as_bytes(), body);
        let digest = digest(secret.as_ref(), &parts);
        // Only a well-formed signature that differs is a mismatch. A list of other versions is
        // malformed.
        let mut found = VerifyError::Malformed;
        // A sender that changes its key signs with both for a time, so any one that matches is
        // enough.
        for signature in self.signature.split(' ').filter_map(|text| text.strip_prefix("v1,")) {
            let given = BASE64.decode(signature.as_bytes());
            if let Some(given) = given.ok().filter(|given| given.len() == 32) {
                // In constant time: how many bytes are right must not show in how long the
                // comparison takes.
                match digest.clone().verify_slice(&given) {
                    Ok(()) => return Ok(()),
                    Err(_) => found = VerifyError::Mismatch,
                }
            }
        }
        Err(found)
    }
}

/// Returns a secret in the form that libraries for Standard Webhooks expect.
///
/// This is `whsec_` and the Base64 of its bytes.
///
/// ```
/// assert_eq!(hooksieve::delivery::whsec("secret"), "whsec_c2VjcmV0");
/// ```
#[must_use]
pub fn whsec(secret: impl AsRef<[u8]>) -> String {
    format!("whsec_{}", BASE64.encode(secret.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::{MessageId, Standard, StandardHeaders, header, standard};
    use data_encoding::BASE64;
    use std::time::{Duration, UNIX_EPOCH};

    /// Test vectors published by Standard Webhooks and Svix.
    #[test]
    fn reproduces_published_vectors() {
        let ping = r#"{"event_type":"ping","data":{"success":true}}"#;
        let vectors = [
            (
                "plJ3nmyCDGBKInavdOK15jsl",
                "msg_loFOjxBNrRLzqYUf",
                1_731_705_121,
                ping,
                "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
            ),
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ];
        for (key, id, seconds, body, published) in vectors {
            let key = BASE64.decode(key.as_bytes()).unwrap();
            let at = (UNIX_EPOCH + Duration::from_secs(seconds)).into();
            let Standard { id: sent, time, signature } =
                standard(Some(&key), &MessageId::new(id).unwrap(), at, body.as_bytes());
            assert_eq!(
                (sent, signature),
                (header(id.as_bytes()), Some(header(published.as_bytes())))
            );
            let timestamp = time.to_str().unwrap();
            let headers = StandardHeaders { id, timestamp, signature: published };
            assert_eq!(headers.verify(&key, body.as_bytes(), at, Duration::ZERO), Ok(()));
        }
    }
}
