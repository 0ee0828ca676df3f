//! The law of delivery records: a secret that a receiver sends back is not shown.

use hooksieve::delivery::{Delivery, OMITTED, Request, Response, whsec};
use hooksieve::webhook::Webhook;
use serde_json::Value;
use std::time::UNIX_EPOCH;

/// The number of header values that a record shows, and that it omits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    pub as_they_are: usize,
    pub omitted: usize,
}

/// Checks that a record shows no secret of the webhook and omits nothing else.
///
/// The law holds for the headers of the request and the response, in the form of the API and in the
/// stored form. A header is omitted only if it has something in common with a secret.
pub fn nothing_secret(request: &Request, response: &Response) -> Shown {
    let delivery = Delivery::new("d1", request, UNIX_EPOCH.into(), Ok(response));
    let secrets = secrets(request.webhook());
    let api = serde_json::to_value(&delivery).expect("JSON");
    let stored = serde_json::to_value(delivery.stored()).expect("JSON");
    assert_eq!(
        api["request"]["headers"], stored["request"]["headers"],
        "both forms show the same headers"
    );
    assert_eq!(
        api["response"]["headers"], stored["response"]["headers"],
        "both forms show the same headers"
    );
    let mut count = Shown::default();
    for part in ["request", "response"] {
        for (name, value) in api[part]["headers"].as_object().expect("an object") {
            // The server chooses this value, and needs it to send the message again.
            if name == "webhook-id" {
                continue;
            }
            let value = value.as_str().expect("a string");
            for secret in secrets.iter().filter(|_| value != OMITTED) {
                assert!(!holds(value, secret), "{name}: {value} shows {secret}");
            }
            count.as_they_are += usize::from(value != OMITTED);
            count.omitted += usize::from(value == OMITTED);
        }
    }
    for header in request.webhook().encrypted_headers() {
        if header.value().is_some() {
            let shown = &api["request"]["headers"][header.written()];
            assert_eq!(shown, OMITTED, "an encrypted value is not shown");
        }
    }
    names_and_others(request.webhook(), response, &secrets, &api["response"]["headers"]);
    count
}

/// Checks headers whose name contains a secret, and headers that are unrelated to any.
fn names_and_others(webhook: &Webhook, response: &Response, secrets: &[String], shown: &Value) {
    let encrypted = |name: &str| webhook.encrypted_headers().iter().any(|it| it.name() == name);
    for name in response.headers.keys().map(|name| name.as_str()).filter(|name| !encrypted(name)) {
        let is_in_name = |secret: &String| {
            let letters = secret.chars().filter(char::is_ascii_alphanumeric).count();
            // Shorter words occur in many names.
            secret.len() >= 4
                && if letters < 4 { name.contains(&**secret) } else { holds(name, secret) }
        };
        if secrets.iter().any(is_in_name) {
            assert!(shown.get(name).is_none(), "{name} contains a secret, so it is not shown");
            continue;
        }
        // No generated secret contains a `z`, and some generated names begin with it.
        let is_other = |c: char| matches!(c, 'z' | ' ' | ',' | '=');
        let values = response.headers.get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let value = values.join(", ");
        let is_in_value = |secret: &String| {
            secret.contains('z') || value.contains(secret.trim_matches(['"', '\'']))
        };
        if name.starts_with("zz") && value.chars().all(is_other) && !secrets.iter().any(is_in_value)
        {
            assert_eq!(shown[name], value, "{name} is unrelated to any secret");
        }
    }
}

/// Returns the secrets of a webhook.
///
/// They are the signing secret in both spellings, the values of encrypted headers, the text after
/// the first space in them, and the quoted parts of `Digest` credentials.
fn secrets(webhook: &Webhook) -> Vec<String> {
    let mut secrets = Vec::new();
    if let Some(secret) = webhook.secret().and_then(|secret| secret.expose()) {
        secrets.extend([secret.to_owned(), whsec(secret).split_off("whsec_".len())]);
    }
    for value in webhook.encrypted_headers().iter().filter_map(|header| header.value()) {
        let value = value.to_str().expect("visible ASCII").to_owned();
        let spaces = [' ', '\t'];
        let credentials = value.split_once(spaces).map(|(_, rest)| rest.trim_matches(spaces));
        secrets.extend(credentials.map(str::to_owned));
        if value.starts_with("Digest ") {
            secrets.extend(value.split('"').skip(1).step_by(2).map(str::to_owned));
        }
        secrets.push(value);
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// Returns whether a text shows a secret.
///
/// A long secret is shown anywhere, even with other signs between its letters and digits; a short
/// one only as whole words.
fn holds(text: &str, secret: &str) -> bool {
    let is_sign = |c: char| !c.is_ascii_alphanumeric();
    let letters = |text: &str| text.replace(is_sign, "");
    let words: Vec<&str> = text.split(is_sign).filter(|word| !word.is_empty()).collect();
    match letters(secret) {
        none if none.is_empty() && secret.len() < 4 => text.match_indices(secret).any(|(at, _)| {
            (text[..at].is_empty() || text[..at].ends_with(is_sign))
                && (text[at + secret.len()..].is_empty()
                    || text[at + secret.len()..].starts_with(is_sign))
        }),
        short if short.len() < 4 => {
            // A secret without signs is one word.
            let max = if secret.contains(&short) { 1 } else { 3 };
            let runs = (1..=max).flat_map(|count| words.windows(count));
            runs.map(<[&str]>::concat).any(|run| run == short)
                || (secret.len() >= 4 && text.contains(secret))
        }
        long => letters(text).contains(&long) || text.contains(secret),
    }
}
