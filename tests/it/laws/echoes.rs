//! The law of records: a receiver that repeats a secret does not get it shown.

use hooksieve::delivery::{Delivery, OMITTED, Request, Response, whsec};
use hooksieve::webhook::Webhook;
use serde_json::Value;
use std::time::UNIX_EPOCH;

/// How many headers a record shows as they are, and how many it omits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    pub as_they_are: usize,
    pub omitted: usize,
}

/// No header of a record, of the request or the response, in either form, holds a secret of the
/// webhook; and no header is omitted that has nothing in common with one.
pub fn nothing_secret(request: &Request, response: &Response) -> Shown {
    let delivery = Delivery::new("d1", request, UNIX_EPOCH.into(), Ok(response));
    let secrets = secrets(request.webhook());
    let api = serde_json::to_value(&delivery).expect("JSON");
    let stored = serde_json::to_value(delivery.stored()).expect("JSON");
    assert_eq!(api["request"]["headers"], stored["request"]["headers"], "the forms agree");
    assert_eq!(api["response"]["headers"], stored["response"]["headers"], "the forms agree");
    let mut count = Shown::default();
    for part in ["request", "response"] {
        for (name, value) in api[part]["headers"].as_object().expect("an object") {
            // The server's own choice, by which a message is sent again.
            if name == "webhook-id" {
                continue;
            }
            let value = value.as_str().expect("a string");
            for secret in secrets.iter().filter(|_| value != OMITTED) {
                assert!(!holds(value, secret), "{name}: {value} does not hold {secret}");
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

fn names_and_others(webhook: &Webhook, response: &Response, secrets: &[String], shown: &Value) {
    let encrypted = |name: &str| webhook.encrypted_headers().iter().any(|it| it.name() == name);
    for name in response.headers.keys().map(|name| name.as_str()).filter(|name| !encrypted(name)) {
        let is_in_name = |secret: &String| {
            let letters = secret.chars().filter(char::is_ascii_alphanumeric).count();
            // Words of names are too common.
            secret.len() >= 4
                && if letters < 4 { name.contains(&**secret) } else { holds(name, secret) }
        };
        if secrets.iter().any(is_in_name) {
            assert!(shown.get(name).is_none(), "{name} is not shown, since it holds a secret");
            continue;
        }
        // No secret of the generator has this letter, which begins some of its names.
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
            assert_eq!(shown[name], value, "{name} has nothing to do with a secret");
        }
    }
}

/// The signing secret in both spellings, the values of encrypted headers, what follows their first
/// blanks, and the quoted parts of `Digest` credentials.
fn secrets(webhook: &Webhook) -> Vec<String> {
    let mut secrets = Vec::new();
    if let Some(secret) = webhook.secret().and_then(|secret| secret.expose()) {
        secrets.extend([secret.to_owned(), whsec(secret).split_off("whsec_".len())]);
    }
    for value in webhook.encrypted_headers().iter().filter_map(|header| header.value()) {
        let value = value.to_str().expect("visible ASCII").to_owned();
        let blanks = [' ', '\t'];
        let credentials = value.split_once(blanks).map(|(_, rest)| rest.trim_matches(blanks));
        secrets.extend(credentials.map(str::to_owned));
        if value.starts_with("Digest ") {
            secrets.extend(value.split('"').skip(1).step_by(2).map(str::to_owned));
        }
        secrets.push(value);
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// Whether a text shows a secret: a long one anywhere, even with other signs between its letters
/// and digits; a short one as one word or as several.
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
            // What has no signs of its own is one word.
            let max = if secret.contains(&short) { 1 } else { 3 };
            let runs = (1..=max).flat_map(|count| words.windows(count));
            runs.map(<[&str]>::concat).any(|run| run == short)
                || (secret.len() >= 4 && text.contains(secret))
        }
        long => letters(text).contains(&long) || text.contains(secret),
    }
}
