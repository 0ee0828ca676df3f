//! Verifies both signatures of a request, and explains why one is wrong.
//!
//! | header | of what | written |
//! | --- | --- | --- |
//! | `Qlik-Signature` | the body | 64 hexadecimal digits |
//! | `webhook-signature` | id, time and body, with `.` between them | `v1,` and Base64; several with spaces |
//!
//! The library decides what is valid. What is here only explains: a wrong form of the header, a
//! time too far from now, or a [mistake](super::mistakes) with the key or the body.

use super::mistakes::{self, Form, Written};
use axum::http::HeaderMap;
use data_encoding::{BASE64, HEXLOWER};
use hooksieve::delivery::{StandardHeaders, verify};
use hooksieve::webhook::Timestamp;
use std::time::{Duration, SystemTime};

/// How far the time of a message may be from now. The specification of Standard Webhooks leaves it
/// to the receiver; its libraries take this.
const TOLERANCE: Duration = Duration::from_secs(300);

const QLIK: &str = "qlik-signature";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const STANDARD: &str = "webhook-signature";

/// The keys that a secret gives.
#[derive(Clone)]
pub(super) struct Secret(Vec<Vec<u8>>);

impl Secret {
    /// Takes the bytes of a text as the key and, of a text `whsec_…`, also those that it encodes.
    pub(super) fn new(text: &str) -> Self {
        let keys = [Some(text.as_bytes().to_vec()), mistakes::encoded(text)];
        Self(keys.into_iter().flatten().collect())
    }
}

/// The result of the check of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request does not have it, and does not need it.
    Absent,
    /// There is no secret to verify it with.
    Unchecked,
    Valid,
    /// It is wrong, for these reasons.
    Wrong(Vec<String>),
}

/// The results for both signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signatures {
    /// That of `Qlik-Signature`.
    pub(crate) qlik: Verdict,
    /// That of `webhook-signature`.
    pub(crate) standard: Verdict,
}

/// Checks the signatures of a request that arrived at a time.
pub(super) fn check(
    headers: &HeaderMap,
    body: &[u8],
    secret: Option<&Secret>,
    now: Timestamp,
) -> Signatures {
    let present = |name| headers.contains_key(name);
    let Some(Secret(keys)) = secret else {
        let verdict = |name| if present(name) { Verdict::Unchecked } else { Verdict::Absent };
        return Signatures { qlik: verdict(QLIK), standard: verdict(STANDARD) };
    };
    if !present(QLIK) && !present(STANDARD) {
        let why = "it is missing: the webhook has no secret, or a proxy removed the header";
        return Signatures {
            qlik: Verdict::Wrong(vec![why.to_owned()]),
            standard: Verdict::Absent,
        };
    }
    let message = Message { headers, body, keys };
    let qlik = match present(QLIK) {
        true => message.qlik().into(),
        false => Verdict::Absent,
    };
    let standard = match present(STANDARD) {
        true => message.standard(now, qlik == Verdict::Valid).into(),
        false => Verdict::Absent,
    };
    Signatures { qlik, standard }
}

impl From<Result<(), Vec<String>>> for Verdict {
    fn from(checked: Result<(), Vec<String>>) -> Self {
        checked.map_or_else(Self::Wrong, |()| Self::Valid)
    }
}

/// A request to verify.
struct Message<'m> {
    headers: &'m HeaderMap,
    body: &'m [u8],
    keys: &'m [Vec<u8>],
}

impl Message<'_> {
    /// Returns the only value of a header.
    fn header(&self, name: &str) -> Result<&str, Vec<String>> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().ok_or_else(|| vec![format!("`{name}` is missing")])?;
        if values.next().is_some() {
            return Err(vec![format!("`{name}` occurs more than once")]);
        }
        value.to_str().map_err(|_| vec![format!("`{name}` has characters that are not ASCII")])
    }

    /// Returns whether a key matches, by any way to verify.
    fn any(&self, matches: &dyn Fn(&[u8], &[u8]) -> bool) -> bool {
        self.keys.iter().any(|key| matches(key, self.body))
    }

    fn qlik(&self) -> Result<(), Vec<String>> {
        let given = self.header(QLIK)?;
        if self.any(&|key, body| verify(key, body, given).is_ok()) {
            return Ok(());
        }
        let Some(written) = Written::read(given) else {
            return Err(vec!["it is not 64 hexadecimal digits".to_owned()]);
        };
        if written.prefix == "v1," {
            let why =
                "it is a signature of Standard Webhooks, which belongs in `webhook-signature`";
            return Err(vec![why.to_owned()]);
        }
        let mut reasons = form_of_qlik(&written);
        if let Some(function) = written.other_function() {
            reasons.push(format!("it has the length of {function}; expected HMAC-SHA256"));
            return Err(reasons);
        }
        let digits = HEXLOWER.encode(&written.digest);
        let matches = |key: &[u8], body: &[u8]| verify(key, body, &digits).is_ok();
        if !self.any(&matches) {
            let otherwise = "another secret was used, or the body was changed after it was signed";
            reasons.push(self.why(&matches, otherwise));
        }
        Err(reasons)
    }

    fn standard(&self, now: Timestamp, rest_is_right: bool) -> Result<(), Vec<String>> {
        let (id, timestamp) = (self.header(ID)?, self.header(TIMESTAMP)?);
        let signature = self.header(STANDARD)?;
        let headers = StandardHeaders { id, timestamp, signature };
        if self.any(&|key, body| headers.verify(key, body, now, TOLERANCE).is_ok()) {
            return Ok(());
        }
        let at = time(timestamp).ok_or_else(|| vec![not_seconds(timestamp)])?;
        let mut reasons = Vec::from_iter(distance(at, now));
        // Verified again at the time of the message itself, to find what else is wrong.
        reasons.extend(self.standard_at(headers, at, rest_is_right));
        Err(reasons)
    }

    /// Returns what is wrong besides the time.
    fn standard_at(
        &self,
        headers: StandardHeaders<'_>,
        at: Timestamp,
        rest_is_right: bool,
    ) -> Vec<String> {
        if self.any(&|key, body| headers.verify(key, body, at, TOLERANCE).is_ok()) {
            return Vec::new();
        }
        // Of several signatures, the first one that can be read is explained.
        let Some(written) = headers.signature.split(' ').find_map(Written::read) else {
            return vec!["it is not `v1,` and the Base64 of 32 bytes".to_owned()];
        };
        if written.prefix == "v1a," {
            return vec![
                "it is of version `v1a`, a public-key signature; expected `v1`".to_owned(),
            ];
        }
        let mut reasons = form_of_standard(&written);
        if let Some(function) = written.other_function() {
            reasons.push(format!("it has the length of {function}; expected HMAC-SHA256"));
            return reasons;
        }
        let signature = format!("v1,{}", BASE64.encode(&written.digest));
        let headers = StandardHeaders { signature: &signature, ..headers };
        let matches = |key: &[u8], body: &[u8]| headers.verify(key, body, at, TOLERANCE).is_ok();
        if !self.any(&matches) {
            let digits = HEXLOWER.encode(&written.digest);
            reasons.push(if self.any(&|key, body| verify(key, body, &digits).is_ok()) {
                "it is of the body; expected of the id, the time and the body".to_owned()
            } else {
                let otherwise = match rest_is_right {
                    true => {
                        "the secret and the body are right, since `Qlik-Signature` is valid; so \
                        `webhook-id` or `webhook-timestamp` was changed"
                    }
                    false => "another secret was used, or the id, the time or the body was changed",
                };
                self.why(&matches, otherwise)
            });
        }
        reasons
    }

    /// Returns the mistake that explains a mismatch, or what else it can be.
    fn why(&self, matches: &dyn Fn(&[u8], &[u8]) -> bool, otherwise: &str) -> String {
        mistakes::find(self.keys, self.body, matches).unwrap_or(otherwise).to_owned()
    }
}

/// Returns what is wrong with how a `Qlik-Signature` is written.
fn form_of_qlik(written: &Written) -> Vec<String> {
    let mut reasons = Vec::new();
    if !written.prefix.is_empty() {
        reasons.push(format!("it begins with `{}`; expected digits only", written.prefix));
    }
    if written.form != Form::Hexadecimal {
        reasons.push("it is Base64; expected hexadecimal digits".to_owned());
    }
    reasons
}

/// Returns what is wrong with how a `webhook-signature` is written.
fn form_of_standard(written: &Written) -> Vec<String> {
    let mut reasons = Vec::new();
    match written.prefix.as_str() {
        "v1," => {}
        "" => reasons.push("it has no version; expected `v1,` before the Base64".to_owned()),
        other => reasons.push(format!("it begins with `{other}`; expected `v1,`")),
    }
    match written.form {
        Form::Base64 => {}
        Form::Hexadecimal => reasons.push("it is hexadecimal; expected Base64".to_owned()),
        Form::OtherBase64 => reasons
            .push("it is Base64 for URLs or without padding; expected ordinary Base64".to_owned()),
    }
    reasons
}

/// Returns the time of a `webhook-timestamp`, if it is a number of seconds.
fn time(text: &str) -> Option<Timestamp> {
    let seconds = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
    // A number of milliseconds would be a year far beyond those that can be written.
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    (seconds < MILLIS).then(|| time.into())
}

/// As seconds, a time after the year 5000; as milliseconds, one in 1973.
const MILLIS: u64 = 100_000_000_000;

fn not_seconds(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(MILLIS..) => {
            "`webhook-timestamp` is in milliseconds or less; expected seconds since 1970".to_owned()
        }
        _ => "`webhook-timestamp` is not a number of seconds since 1970".to_owned(),
    }
}

/// Returns how far a time is from now, if that is too far.
fn distance(at: Timestamp, now: Timestamp) -> Option<String> {
    let seconds = |time: Timestamp| {
        SystemTime::from(time).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    };
    let (sent, arrived, most) = (seconds(at), seconds(now), TOLERANCE.as_secs());
    let (far, direction) = match arrived.checked_sub(sent) {
        Some(age) => (age, "before"),
        None => (sent - arrived, "after"),
    };
    (far > most).then(|| {
        format!(
            "`webhook-timestamp` is {far} s {direction} the clock of this machine, {most} s are \
             accepted: the request is a replay, or a clock is wrong"
        )
    })
}
