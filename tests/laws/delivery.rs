//! Laws of conversions, requests and signatures.

use hooksieve::delivery::{
    Delivery, MessageId, Payload, Request, Response, Sender, StandardHeaders, verify,
};
use hooksieve::event::{Event, Form};
use hooksieve::filter::Profile;
use hooksieve::webhook::{Creation, Draft, Rules, Webhook};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::webhook);

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An event means the same in both forms, there and back; its payload is not touched, and neither
/// is an event that stays in its form. Tells whether the bytes were an event.
pub fn conversion(bytes: &[u8]) -> bool {
    let Ok(event) = PROFILE.read_event(bytes) else { return false };
    let payload = Payload::new(&event, bytes.to_vec());
    let (cloud, legacy) = (payload.cloud_event(), payload.legacy());
    match event.form() {
        Form::CloudEvents => assert_eq!(cloud, bytes, "an event stays as it is in its form"),
        Form::Legacy => assert_eq!(legacy, bytes, "an event stays as it is in its form"),
        Form::Mixed => {
            assert_eq!((&cloud[..], &legacy[..]), (bytes, bytes), "a mixed event stays as it is")
        }
    }
    means_the_same(&event, bytes, cloud);
    means_the_same(&event, bytes, legacy);
    if event.form() == Form::Legacy {
        is_cloud_event(cloud);
        let read = PROFILE.read_event(cloud).expect("a converted event is one");
        assert_eq!(read.form(), Form::CloudEvents, "the form is the one asked for");
        let again = Payload::new(&event, bytes.to_vec());
        assert_eq!(again.cloud_event(), cloud, "the same event has the same id");
        let back = Payload::new(&read, cloud.clone());
        means_the_same(&event, bytes, back.legacy());
    }
    if event.form() == Form::CloudEvents {
        let read = PROFILE.read_event(legacy).expect("a converted event is one");
        assert_eq!(read.form(), Form::Legacy, "the form is the one asked for");
        let back = Payload::new(&read, legacy.clone());
        means_the_same(&event, bytes, back.cloud_event());
        all_comes_back(bytes, back.cloud_event());
    }
    true
}

type Members<'a> = BTreeMap<String, &'a RawValue>;

fn members(bytes: &[u8]) -> Members<'_> {
    serde_json::from_slice(bytes).expect("a converted event is a JSON object")
}

fn means_the_same(event: &Event<'_>, bytes: &[u8], converted: &[u8]) {
    let read = PROFILE.read_event(converted).expect("a converted event is one");
    let parts = |event: &Event<'_>| {
        let attributes = PROFILE.attributes().iter().map(|attribute| attribute.name());
        let values = attributes.map(|name| event.attribute(name).map(str::to_owned));
        let owner = event.owner().map(str::to_owned);
        (
            event.tenant().to_owned(),
            event.event_type().to_owned(),
            owner,
            values.collect::<Vec<_>>(),
        )
    };
    assert_eq!(parts(&read), parts(event), "a converted event reads as the same one");
    if let Some(id) = event.id() {
        assert_eq!(read.id(), Some(id), "an id is kept");
    }
    for name in ["data", "data_base64"] {
        let data = |bytes| members(bytes).get(name).map(|data| data.get().to_owned());
        assert_eq!(data(converted), data(bytes), "data is copied as it is written");
    }
}

/// CloudEvents 1.0, sections 3 (names, types) and 3.1 (what is required).
fn is_cloud_event(bytes: &[u8]) {
    let event: Map<String, Value> = serde_json::from_slice(bytes).expect("an object");
    assert_eq!(event["specversion"], "1.0", "the version");
    for name in ["id", "source", "type"] {
        assert!(event[name].as_str().is_some_and(|text| !text.is_empty()), "{name} is required");
    }
    for (name, value) in event.iter().filter(|(name, _)| !name.starts_with("data")) {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(plain && !name.is_empty(), "{name} is a name of CloudEvents");
        assert!(!value.is_object() && !value.is_array() && !value.is_null(), "{name} is a scalar");
    }
}

/// What CloudEvents 1.0 has names and types for comes back as it was.
fn all_comes_back(bytes: &[u8], back: &[u8]) {
    let (event, back) = (members(bytes), members(back));
    // With legacy places in it, an attribute may come from there.
    if event.keys().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase()))
        || event.contains_key("extensions")
    {
        return;
    }
    for (name, value) in &event {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.is_empty();
        let scalar = !value.get().starts_with(['{', '[', 'n']);
        let is_text = ["id", "source", "time", "datacontenttype"].contains(&&**name);
        let given = value.get() != "\"\"" || !is_text;
        let text = value.get().starts_with('"') || !is_text;
        if plain && scalar && given && text && name != "specversion" {
            let found = back.get(name).map(|found| found.get());
            assert_eq!(found, Some(value.get()), "{name} comes back as it was");
        }
    }
}

/// A request is safe to send, and signed if there is a secret.
pub fn request(webhook: &Arc<Webhook>) {
    let bytes = br#"{"eventType":"x","extensions":{"tenantId":"t"},"data":{"a":1}}"#;
    let event = PROFILE.read_event(bytes).expect("an event");
    let payload = Payload::new(&event, bytes.as_slice());
    let sender = Sender::default().with_cloud_events_type();
    let request = sender.request(webhook, &payload);
    let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let id = MessageId::new("msg_1").expect("an id");
    let request = request.with_standard_headers(&id, at.into());
    let mut names = BTreeSet::new();
    for (name, value) in request.headers() {
        let bytes = name.bytes().chain(value.as_bytes().iter().copied());
        let breaks = |byte| matches!(byte, b'\r' | b'\n' | 0);
        assert!(!bytes.into_iter().any(breaks), "no header holds CR, LF or NUL");
        assert!(names.insert(name.to_ascii_lowercase()), "{name} stands once");
    }
    let count = webhook.headers().len()
        + webhook.encrypted_headers().iter().filter(|header| header.value().is_some()).count();
    let secret = webhook.secret().and_then(|secret| secret.expose());
    assert_eq!(names.len(), count + 2 + secret.map_or(0, |_| 4), "every header is there");
    let converts = webhook.delivers_cloud_events();
    assert_eq!(request.body() == &bytes[..], !converts, "the form that the webhook takes");
    if let Some(secret) = secret {
        // A prime, so that all bits of a byte and all bytes have their turn.
        signature(secret, &request, 13);
    }
    record(&request, &sender);
    #[cfg(feature = "http")]
    sent(&request);
}

/// A signature verifies, and fails after a flipped bit of the body, each `step`th one.
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

/// A record reads back, holds nothing encrypted, and is sent again as it was.
fn record(request: &Request, sender: &Sender) {
    let mut response = Response {
        status: http::StatusCode::OK,
        headers: http::HeaderMap::new(),
        body: "thanks".into(),
    };
    for header in request.webhook().encrypted_headers() {
        let Some(value) = header.value() else { continue };
        response.headers.insert(header.name(), "another".parse().expect("a value"));
        response.headers.append("x-echo", value.clone());
    }
    let now = UNIX_EPOCH.into();
    let delivery = Delivery::new("d1", request, now, Ok(&response));
    let stored = serde_json::to_string(&delivery.stored()).expect("JSON");
    let read = Delivery::read(stored.as_bytes()).expect("reads back");
    assert_eq!(read, delivery, "a record reads back");
    let again = sender.resend(request.webhook(), &read);
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
    if response.headers.values().any(|value| !value.is_empty() && value.is_sensitive()) {
        let shown = &shown["response"]["headers"]["x-echo"];
        assert_eq!(shown, "**OMITTED**", "nor an echo of it");
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

/// A webhook with some of all that a request may hold.
pub fn webhook(cloud_events: bool, with_secret: bool) -> Arc<Webhook> {
    let mut draft = serde_json::json!({
        "name": "n",
        "url": "https://Hooks.Example.com/a%20b?q=\u{fc}#part",
        "eventTypes": ["com.qlik.v1.app.deleted"],
        "headers": {"X-Team": "data", "accept-language": "de"},
        "encryptedHeaders": {"Authorization": "Bearer s3cr3t"},
        "enableCloudEventDelivery": cloud_events,
    });
    if with_secret {
        draft["secret"] = SECRET.into();
    }
    let creation = Creation::new("w1", "u1", UNIX_EPOCH.into());
    let webhook = Webhook::create(&Draft::from(draft), &Rules::default(), creation);
    Arc::new(webhook.expect("a valid webhook"))
}
