//! Laws of conversions, requests and signatures.

use super::{cloud_events, echoes};
use hooksieve::delivery::{
    Delivery, MessageId, Payload, Request, RequestBuilder, Response, StandardHeaders, verify,
};
use hooksieve::event::{Envelope, Event};
use hooksieve::filter::Profile;
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::webhook);

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An event means the same in both envelopes, also after conversion and back.
///
/// Its payload is unchanged, and so is an event that stays in its envelope. As CloudEvents 1.0 it
/// is what [`cloud_events`] computes. Returns whether the bytes were an event.
pub fn conversion(bytes: &[u8]) -> bool {
    let Ok(event) = PROFILE.read_event(bytes) else { return false };
    let payload = Payload::new(&event, bytes.to_vec());
    let (cloud, legacy) = (payload.body(Envelope::CloudEvents), payload.body(Envelope::Legacy));
    match event.envelope() {
        Envelope::CloudEvents => {
            assert_eq!(cloud, bytes, "an event stays as it is in its form");
            let read = PROFILE.read_event(legacy).expect("a converted event is one");
            assert_eq!(read.envelope(), Envelope::Legacy, "the form is the one asked for");
            means_the_same(&event, legacy);
            for name in ["data", "data_base64"] {
                assert_eq!(member(legacy, name), member(bytes, name), "data is copied as written");
            }
            let back = Payload::new(&read, legacy.clone());
            cloud_events::converted(legacy, back.body(Envelope::CloudEvents));
            means_the_same(&event, back.body(Envelope::CloudEvents));
            if cloud_events::is_clean(event.event_type()) {
                all_comes_back(bytes, back.body(Envelope::CloudEvents));
            }
        }
        Envelope::Legacy => {
            assert_eq!(legacy, bytes, "an event stays as it is in its form");
            becomes_cloud_event(&event, bytes, cloud);
        }
        Envelope::Mixed => {
            assert_eq!((&cloud[..], &legacy[..]), (bytes, bytes), "a mixed event stays as it is")
        }
    }
    let verbatim = Payload::verbatim(event.event_type(), bytes.to_vec());
    let both = (&verbatim.body(Envelope::CloudEvents)[..], &verbatim.body(Envelope::Legacy)[..]);
    assert_eq!(both, (bytes, bytes), "what is verbatim is never converted");
    true
}

fn becomes_cloud_event(event: &Event<'_>, bytes: &[u8], cloud: &[u8]) {
    cloud_events::converted(bytes, cloud);
    let again = Payload::new(event, bytes.to_vec());
    assert_eq!(again.body(Envelope::CloudEvents), cloud, "the same event has the same id");
    means_the_same(event, cloud);
    // If CloudEvents 1.0 cannot hold its tenant, our reader does not accept it.
    let Ok(read) = PROFILE.read_event(cloud) else { return };
    if cloud_events::is_clean(event.event_type()) {
        assert_eq!(read.envelope(), Envelope::CloudEvents, "the form is the one asked for");
        let back = Payload::new(&read, cloud.to_vec());
        means_the_same(event, back.body(Envelope::Legacy));
    }
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn members(bytes: &[u8]) -> Members<'_> {
    serde_json::from_slice(bytes).expect("a converted event is a JSON object")
}

fn member<'e>(bytes: &'e [u8], name: &str) -> Option<&'e str> {
    members(bytes).get(name).map(|value| value.get())
}

/// A converted event is read as the same event, except for what CloudEvents 1.0 cannot hold.
fn means_the_same(event: &Event<'_>, converted: &[u8]) {
    let is_clean = cloud_events::is_clean;
    if !is_clean(event.tenant()) {
        return;
    }
    let read = PROFILE.read_event(converted).expect("a converted event is one");
    assert_eq!(read.tenant(), event.tenant(), "the tenant is kept");
    assert_eq!(read.event_type(), event.event_type(), "the type is kept");
    if event.owner().is_none_or(is_clean) {
        assert_eq!(read.owner(), event.owner(), "the owner is kept");
    }
    if let Some(id) = event.id().filter(|id| is_clean(id)) {
        assert_eq!(read.id(), Some(id), "an id is kept");
    }
    for attribute in PROFILE.attributes() {
        let value = event.attribute(attribute.name());
        if value.is_none_or(is_clean) {
            assert_eq!(read.attribute(attribute.name()), value, "{} is kept", attribute.name());
        }
    }
}

/// What CloudEvents 1.0 can hold comes back.
fn all_comes_back(bytes: &[u8], back: &[u8]) {
    let (event, back) = (members(bytes), members(back));
    // With legacy members, an attribute may come from one of them.
    if event.keys().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase()))
        || event.contains_key("extensions")
    {
        return;
    }
    for (name, value) in event.iter().filter(|(name, _)| !name.starts_with("data_")) {
        let held = match &**name {
            "specversion" | "source" => None,
            // A payload in Base64 replaces `null`.
            "data" => Some(value.get().to_owned()).filter(|value| value != "null"),
            name if !cloud_events::is_name(name) => None,
            name => cloud_events::held(name, value.get()),
        };
        if let Some(held) = held {
            let found = back.get(name).map(|found| found.get());
            assert_eq!(found, Some(&*held), "{name} comes back");
        }
    }
}

/// A request is safe to send, and signed if the webhook has a secret.
pub fn request(webhook: &Arc<Webhook>) {
    let bytes = br#"{"eventType":"x","extensions":{"tenantId":"t"},"data":{"a":1}}"#;
    let event = PROFILE.read_event(bytes).expect("an event");
    let payload = Payload::new(&event, bytes.as_slice());
    let builder = RequestBuilder::default().with_cloud_events_type();
    let request = builder.request(webhook, &payload);
    let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let id = MessageId::new("msg_1").expect("an id");
    let request = request.with_standard_headers(&id, at.into());
    let mut names = BTreeSet::new();
    for (name, value) in request.headers() {
        let bytes = name.bytes().chain(value.as_bytes().iter().copied());
        let breaks = |byte| matches!(byte, b'\r' | b'\n' | 0);
        assert!(!bytes.into_iter().any(breaks), "no header holds CR, LF or NUL");
        assert!(names.insert(name.to_ascii_lowercase()), "{name} occurs once");
    }
    let count = webhook.headers().len()
        + webhook.encrypted_headers().iter().filter(|header| header.value().is_some()).count();
    let secret = webhook.secret().and_then(|secret| secret.expose());
    assert_eq!(names.len(), count + 4 + secret.map_or(0, |_| 2), "every header is there");
    let converts = webhook.envelope() == Envelope::CloudEvents;
    assert_eq!(request.body() == &bytes[..], !converts, "the form that the webhook takes");
    if let Some(secret) = secret {
        // A prime, so that all bits of a byte and all bytes are flipped.
        signature(secret, &request, 13);
    }
    record(&request, &builder);
    #[cfg(feature = "http")]
    sent(&request);
}

/// A signature is valid, and invalid after flipping a bit of the body, one in `step`.
pub fn signature(secret: &str, request: &Request, step: usize) {
    let text = |name| request.header(name).expect("is there").to_str().expect("is text");
    let now = (UNIX_EPOCH + Duration::from_secs(1_700_000_060)).into();
    let headers = StandardHeaders {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signature: text("webhook-signature"),
    };
    let tolerance = Duration::from_secs(60);
    let standard = |body: &[u8]| headers.verify(secret, body, now, tolerance);
    let qlik = |body: &[u8]| verify(secret, body, text("Qlik-Signature"));
    let mut body = request.body().to_vec();
    assert_eq!((qlik(&body), standard(&body)), (Ok(()), Ok(())), "a signature verifies");
    for bit in (0..body.len() * 8).step_by(step) {
        body[bit / 8] ^= 1 << (bit % 8);
        let refused = qlik(&body).is_err() && standard(&body).is_err();
        assert!(refused, "a signature fails after a flipped bit");
        body[bit / 8] ^= 1 << (bit % 8);
    }
}

/// A record is read back, shows no secret, and is sent again unchanged.
fn record(request: &Request, builder: &RequestBuilder) {
    let mut headers = http::HeaderMap::new();
    for header in request.webhook().encrypted_headers() {
        let Some(value) = header.value() else { continue };
        headers.insert(header.name(), "another".parse().expect("a value"));
        headers.append("x-echo", value.clone());
    }
    let response = Response { status: http::StatusCode::OK, headers, body: "thanks".into() };
    echoes::nothing_secret(request, &response);
    let now = UNIX_EPOCH.into();
    let delivery = Delivery::new("d1", request, now, Ok(&response));
    let stored = serde_json::to_string(&delivery.stored()).expect("JSON");
    let read = Delivery::read(stored.as_bytes()).expect("reads back");
    assert_eq!(read, delivery, "a record reads back");
    let again = builder.resend(request.webhook(), &read);
    assert_eq!(again.body(), request.body(), "the same bytes are sent again");
    let signature = |request: &Request| request.header("qlik-signature").cloned();
    assert_eq!(signature(&again), signature(request), "with the same signature");
    let shown: Value = serde_json::to_value(&delivery).expect("JSON");
    for header in request.webhook().encrypted_headers() {
        if header.value().is_some() {
            let shown = &shown["request"]["headers"][header.written()];
            assert_eq!(shown, "**OMITTED**", "an encrypted value is not shown");
        }
    }
}

#[cfg(feature = "http")]
fn sent(request: &Request) {
    let sent = http::Request::from(request);
    assert_eq!(sent.method(), request.method(), "the method");
    assert_eq!(sent.uri().scheme_str(), Some("https"), "the scheme");
    assert_eq!(sent.uri().to_string(), request.url(), "the URL");
    assert_eq!(sent.headers().len(), request.headers().count(), "the headers");
    for (name, value) in request.headers() {
        assert_eq!(sent.headers().get(name), Some(value), "{name}");
    }
    assert_eq!(sent.body(), request.body(), "the body");
}

/// Returns a webhook with some of everything that a request may have.
pub fn webhook(cloud_events: bool, with_secret: bool) -> Arc<Webhook> {
    let mut document = serde_json::json!({
        "name": "n",
        "url": "https://Hooks.Example.com/a%20b?q=\u{fc}#part",
        "eventTypes": ["com.qlik.v1.app.deleted"],
        "headers": {"X-Team": "data", "accept-language": "de"},
        "encryptedHeaders": {"Authorization": "Bearer s3cr3t"},
        "enableCloudEventDelivery": cloud_events,
    });
    if with_secret {
        document["secret"] = SECRET.into();
    }
    let new = NewWebhook::new("w1", "u1", UNIX_EPOCH.into());
    let webhook = Webhook::create(&WebhookDocument::from(document), &Rules::default(), new);
    Arc::new(webhook.expect("a valid webhook").webhook)
}
