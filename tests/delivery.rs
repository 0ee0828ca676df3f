//! Requests: what is sent, in which form, signed how, and what is kept of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod laws;

use hooksieve::delivery::{
    Delivery, List, MessageId, Payload, RETENTION, Request, Response, Sender, StandardHeaders,
    Status, VerifyError, verify, whsec,
};
use hooksieve::filter::Profile;
use hooksieve::webhook::{Creation, Draft, Rules, Timestamp, Webhook};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::webhook);

fn at(seconds: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_secs(seconds)).into()
}

fn payload(bytes: &[u8]) -> Payload {
    Payload::new(&PROFILE.read_event(bytes).unwrap(), bytes.to_vec())
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("tests/data/events/{name}.json")).unwrap()
}

/// Method, URL, headers and body, a line each.
fn shown(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method(), request.url());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    format!("{text}\n{}", std::str::from_utf8(request.body()).unwrap())
}

/// Each envelope in each form that a webhook may take, with and without a secret.
#[test]
fn requests() {
    let samples = [
        "com.qlik.v1.reload.finished.ce10",
        "com.qlik.v1.app.deleted.legacy01",
        "com.qlik.scheduling.task.created.mixed",
    ];
    for name in samples {
        let payload = payload(&sample(name));
        for cloud_events in [true, false] {
            for secret in [true, false] {
                let webhook = laws::delivery::webhook(cloud_events, secret);
                let request = Sender::default().request(&webhook, &payload);
                let form = if cloud_events { "cloud-events" } else { "legacy" };
                let signed = if secret { "signed" } else { "unsigned" };
                let case = format!("{name}-as-{form}-{signed}");
                insta::with_settings!({ snapshot_path => "data/requests", prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(case, shown(&request));
                });
            }
        }
    }
}

/// Signatures computed by Python's `hmac` over the bodies of the snapshots, with the secret of the
/// law's webhook.
#[test]
fn signatures_of_another_implementation() {
    let secret = "0123456789abcdef0123456789abcdef";
    for (name, cloud_events, digits, standard) in SIGNATURES {
        let webhook = laws::delivery::webhook(cloud_events, true);
        let request = Sender::default().request(&webhook, &payload(&sample(name)));
        let id = MessageId::new("msg_1").unwrap();
        let request = request.with_standard_headers(&id, at(1_731_705_121));
        let delivery = Delivery::new("d1", &request, at(0), Err("refused"));
        assert_eq!(delivery.message_id().as_ref(), Some(&id), "to send it again by");
        let header = |name| request.header(name).unwrap().to_str().unwrap();
        let given = (header("qlik-signature"), header("webhook-signature"));
        assert_eq!(given, (digits, standard), "{name} {cloud_events}");
        assert_eq!((header("webhook-id"), header("webhook-timestamp")), ("msg_1", "1731705121"));
        assert_eq!(verify(secret, request.body(), &digits.to_ascii_uppercase()), Ok(()));
    }
    assert_eq!(whsec(secret), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
}

const SIGNATURES: [(&str, bool, &str, &str); 6] = [
    (
        "com.qlik.v1.reload.finished.ce10",
        true,
        "4198f6f7f4459652dab312068e0da033d1e8cd1f3219e5f5012198a3eb38b040",
        "v1,i3Tw/tAcvCfaiOWNAXdAo+pcENQNtSDvein8EiK+eWY=",
    ),
    (
        "com.qlik.v1.reload.finished.ce10",
        false,
        "22eb54d6dab95fbc2537becc4b1c0e8dc1f43b43f8018bd7d5f631f734be4026",
        "v1,qHGHcwB1KmWJULyOgR2jpOd/7xQg1GHOgfBWBa787NY=",
    ),
    (
        "com.qlik.v1.app.deleted.legacy01",
        true,
        "7294f81879103f668e37e29564072d6bf9fb74b9ff6135722da9ed578b586eed",
        "v1,wF9HJVLNqwNJ2VFhzGbByNa07AoJ/SkZJCjwpRom0pY=",
    ),
    (
        "com.qlik.v1.app.deleted.legacy01",
        false,
        "47091e54a7454c21e45ad5e0f664e5db197d8f7983c4a53491b487e935b9814e",
        "v1,YBVuqykyORNM65QISORpIoHf52GF8C7LZUD/o7yeo6Q=",
    ),
    (
        "com.qlik.scheduling.task.created.mixed",
        true,
        "7aea541f8d5e2738b102e1cd27c773aaf81091d6bb93cd61834b1129657cb161",
        "v1,nhEeVj9nX6EP97i1OuiHdrGxqmpEuWv71MIC7DaGN4w=",
    ),
    (
        "com.qlik.scheduling.task.created.mixed",
        false,
        "7aea541f8d5e2738b102e1cd27c773aaf81091d6bb93cd61834b1129657cb161",
        "v1,nhEeVj9nX6EP97i1OuiHdrGxqmpEuWv71MIC7DaGN4w=",
    ),
];

/// Every bit of real bodies, in both forms.
#[test]
fn signatures_fail_after_any_flipped_bit() {
    for cloud_events in [true, false] {
        let webhook = laws::delivery::webhook(cloud_events, true);
        let payload = payload(&sample("com.qlik.v1.user.created.legacy01"));
        let request = Sender::default().request(&webhook, &payload);
        let id = MessageId::new("msg_1").unwrap();
        let request = request.with_standard_headers(&id, at(1_700_000_000));
        laws::delivery::signature("0123456789abcdef0123456789abcdef", &request, 1);
    }
}

#[test]
fn what_does_not_verify() {
    let secret = "0123456789abcdef0123456789abcdef";
    let good = "b326604c0dc7364c8b688556189c0a510e5150cd4628736be814c7c9898f899d";
    let malformed = ["", "b3", &good[1..], &format!("{good}00"), &format!(" {good}"), "sha256=b3"];
    assert_eq!(verify(secret, b"{}", good), Ok(()));
    for signature in malformed {
        assert_eq!(verify(secret, b"{}", signature), Err(VerifyError::Malformed), "{signature}");
    }
    assert_eq!(verify("another", b"{}", good), Err(VerifyError::Mismatch));

    let signature = "v1,Z6ULfIbiJfeL3rhekhUoZmk/g/OFLAe4x/EheswkHZ0=";
    let several = format!("v1a,abc v1,AAAA {} {signature}", signature.replace('Z', "Y"));
    let verify = |id, timestamp, signature, now, tolerance| {
        let headers = StandardHeaders { id, timestamp, signature };
        headers.verify(secret, b"{}", at(now), Duration::from_secs(tolerance))
    };
    let sent = "1731705121";
    let now = 1_731_705_121;
    assert_eq!(verify("msg_1", sent, signature, now, 0), Ok(()));
    assert_eq!(verify("msg_1", sent, &several, now, 0), Ok(()), "one of several");
    assert_eq!(verify("msg_1", sent, signature, now + 300, 300), Ok(()));
    assert_eq!(verify("msg_1", sent, signature, now - 300, 300), Ok(()));
    for now in [now + 301, now - 301] {
        assert_eq!(verify("msg_1", sent, signature, now, 300), Err(VerifyError::Time));
    }
    for time in ["", "+1731705121", "1731705121.0", " 1731705121", "99999999999999999999"] {
        assert_eq!(verify("msg_1", time, signature, now, 300), Err(VerifyError::Time), "{time}");
    }
    assert_eq!(verify("msg_2", sent, signature, now, 0), Err(VerifyError::Mismatch));
    assert_eq!(verify("msg_1", "1731705122", signature, now, 9), Err(VerifyError::Mismatch));
    for none in ["", "v1", "v1,", "v2,AAAA", &signature[3..]] {
        assert_eq!(verify("msg_1", sent, none, now, 0), Err(VerifyError::Malformed), "{none}");
    }
}

#[test]
fn ids_of_messages() {
    for good in ["m", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", &"x".repeat(256)] {
        assert!(MessageId::new(good).is_ok(), "{good}");
    }
    for bad in ["", "a.b", "a b", "a\nb", "é", &"x".repeat(257)] {
        assert!(MessageId::new(bad).is_err(), "{bad}");
    }
}

fn created(draft: Value) -> Arc<Webhook> {
    let creation = Creation::new("w1", "u1", at(0));
    Arc::new(Webhook::create(&Draft::from(draft), &Rules::default(), creation).unwrap())
}

/// Whatever of ASCII a URL may hold, the crate `http` takes what is sent of it.
#[test]
fn requests_for_any_url_and_webhook() {
    for cloud_events in [true, false] {
        for secret in [true, false] {
            laws::delivery::request(&laws::delivery::webhook(cloud_events, secret));
        }
    }
    let mut taken = 0;
    for c in (' '..='~').chain(['é', '\u{202e}', '😀', '\u{7f}']) {
        for url in [
            format!("https://hooks.example.com/a{c}b"),
            format!("https://hooks.example.com/?a{c}b={c}"),
            format!("https://hooks.example.com?{c}#a{c}b"),
            format!("https://hooks.example.com:8443/%{c}#"),
        ] {
            let draft = json!({"name": "n", "url": url, "eventTypes": []});
            let creation = Creation::new("w1", "u1", at(0));
            if let Ok(webhook) = Webhook::create(&Draft::from(draft), &Rules::default(), creation) {
                laws::delivery::request(&Arc::new(webhook));
                taken += 1;
            }
        }
    }
    assert!(taken > 300, "{taken} URLs were taken");
}

#[test]
fn a_request_without_what_a_response_withholds_says_so() {
    let webhook = laws::delivery::webhook(true, true);
    let response = serde_json::to_value(&*webhook).unwrap();
    let read = Webhook::read(&Draft::from(response), &Rules::default()).unwrap();
    let bytes = br#"{"type":"x","tenantid":"t"}"#;
    let request = Sender::default().request(&Arc::new(read), &payload(bytes));
    assert!(request.withholds());
    assert!(
        request.header("authorization").is_none() && request.header("qlik-signature").is_none()
    );
    assert!(!Sender::default().request(&webhook, &payload(bytes)).withholds());
}

#[test]
fn a_request_says_whether_certificates_are_to_be_checked() {
    for asked in [true, false] {
        let webhook = created(json!({
            "name": "n", "url": "https://hooks.example.com/", "eventTypes": [],
            "checkCertificateRevocation": asked,
        }));
        let request =
            Sender::default().request(&webhook, &payload(br#"{"type":"x","tenantid":"t"}"#));
        assert_eq!((webhook.checks_revocation(), request.checks_revocation()), (asked, asked));
    }
}

#[test]
fn what_a_sender_sets() {
    let bytes = br#"{"type":"x","tenantid":"t"}"#;
    let sender =
        Sender::default().with_user_agent("dispatch/2".parse().unwrap()).with_cloud_events_type();
    let header = |cloud_events, name: &str| {
        let webhook = laws::delivery::webhook(cloud_events, false);
        let request = sender.request(&webhook, &payload(bytes));
        request.header(name).unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(header(true, "user-agent"), "dispatch/2");
    assert_eq!(header(true, "content-type"), "application/cloudevents+json");
    assert_eq!(header(false, "content-type"), "application/json");

    // What is sent again may be of the other form by now, and a mixed event is of neither.
    let webhook = laws::delivery::webhook(true, false);
    let mixed = br#"{"type":"x","eventType":"x","tenantid":"t"}"#;
    let request = sender.request(&webhook, &payload(mixed));
    assert_eq!(request.header("content-type").unwrap(), "application/json");
    let delivery = Delivery::new("d1", &request, at(0), Err("refused"));
    let again = sender.resend(&webhook, &delivery);
    assert_eq!(again.header("content-type").unwrap(), "application/json");
    let legacy = br#"{"eventType":"x","extensions":{"tenantId":"t"}}"#;
    let request = sender.request(&webhook, &payload(legacy));
    assert_eq!(request.header("content-type").unwrap(), "application/cloudevents+json");
}

#[test]
fn nothing_secret_is_shown() {
    let webhook = laws::delivery::webhook(true, true);
    let request = Sender::default().request(&webhook, &payload(br#"{"type":"x","tenantid":"t"}"#));
    let mut response =
        Response { status: StatusCode::OK, headers: HeaderMap::new(), body: "".into() };
    response.headers.insert("authorization", "Bearer other".parse().unwrap());
    response.headers.insert("x-echo", "you sent Bearer s3cr3t!".parse().unwrap());
    response.headers.append("x-echo", "second".parse().unwrap());
    response.headers.append("x-token", "s3cr3t".parse().unwrap());
    response.headers.append("set-cookie", "a=1".parse().unwrap());
    response.headers.append("set-cookie", "b=2".parse().unwrap());
    let delivery = Delivery::new("d1", &request, at(1_700_000_000), Ok(&response));
    let shown: Value = serde_json::to_value(&delivery).unwrap();
    let expected = json!({"authorization": "**OMITTED**", "x-echo": "**OMITTED**", "x-token": "**OMITTED**", "set-cookie": "a=1, b=2"});
    assert_eq!(shown["response"]["headers"], expected);
    let texts = [
        format!("{request:?}"),
        format!("{delivery:?}"),
        serde_json::to_string(&delivery).unwrap(),
        serde_json::to_string(&delivery.stored()).unwrap(),
    ];
    for text in texts {
        assert!(!text.contains("s3cr3t") && !text.contains("0123456789abcdef0"), "{text}");
    }
}

#[test]
fn records() {
    let body = " {\"type\": \"x\",\n \"tenantid\":\"t\", \"n\": 1.0}\n";
    let webhook = laws::delivery::webhook(true, false);
    let request = Sender::default().request(&webhook, &payload(body.as_bytes()));
    let response = Response {
        status: StatusCode::NOT_FOUND,
        headers: HeaderMap::new(),
        body: vec![0xff].into(),
    };
    let delivery = Delivery::new("d1", &request, at(1_700_000_000), Ok(&response));
    assert_eq!(delivery.status(), Status::Fail);
    let delivery = delivery.with_message("no such place");
    assert_eq!((delivery.message(), delivery.message_id()), (Some("no such place"), None));
    assert_eq!(
        serde_json::to_value(&delivery).unwrap(),
        json!({
            "id": "d1", "status": "fail", "eventType": "x", "webhookId": "w1",
            "triggeredAt": "2023-11-14T22:13:20Z", "statusMessage": "no such place",
            "request": {
                "url": "https://hooks.example.com/a%20b?q=%C3%BC",
                "body": {"type": "x", "tenantid": "t", "n": 1.0},
                "headers": {
                    "accept-language": "de", "X-Team": "data", "Authorization": "**OMITTED**",
                    "Content-Type": "application/json", "User-Agent": "Qlik Webhook",
                },
            },
            "response": {"body": "\u{fffd}", "headers": {}, "statusCode": 404},
        })
    );
    let stored = serde_json::to_string(&delivery.stored()).unwrap();
    let read = Delivery::read(stored.as_bytes()).unwrap();
    assert_eq!((&read, &read.body()[..]), (&delivery, body.as_bytes()));

    for (wrong, message) in [
        (
            serde_json::to_string(&delivery).unwrap(),
            "not a stored delivery: invalid type: map, expected a string",
        ),
        (stored.replace("2023-", "last "), "not a stored delivery: `triggeredAt` is no time"),
        (
            stored.replace("\"body\":\" {", "\"other\":\" {"),
            "not a stored delivery: `request` has one of",
        ),
        (stored[..stored.len() - 1].to_owned(), "not a stored delivery: EOF"),
        (String::new(), "not a stored delivery: EOF"),
    ] {
        let error = Delivery::read(wrong.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.code(), "delivery-not-stored");
    }
}

/// Bytes that are not those of the event: nothing is lost.
#[test]
fn bodies_of_any_bytes() {
    let event = PROFILE.read_event(br#"{"eventType":"x","extensions":{"tenantId":"t"}}"#).unwrap();
    for bytes in [&b"\xff\x00"[..], b"no json", b"[1]", b""] {
        let payload = Payload::new(&event, bytes.to_vec());
        let request = Sender::default().request(&laws::delivery::webhook(true, true), &payload);
        assert_eq!(request.body(), bytes);
        let delivery = Delivery::new("d1", &request, at(0), Err("refused"));
        let stored = serde_json::to_vec(&delivery.stored()).unwrap();
        assert_eq!(Delivery::read(&stored).unwrap(), delivery);
        assert!(serde_json::to_string(&delivery).is_ok());
    }
}

fn delivery(id: usize, event_type: &str, status: StatusCode, seconds: u64) -> Delivery {
    let webhook =
        created(json!({"name": "n", "url": "https://hooks.example.com/", "eventTypes": []}));
    let bytes = format!(r#"{{"type":"{event_type}","tenantid":"t"}}"#);
    let request = Sender::default().request(&webhook, &payload(bytes.as_bytes()));
    let response = Response { status, headers: HeaderMap::new(), body: "".into() };
    Delivery::new(format!("d{id}"), &request, at(seconds), Ok(&response))
}

#[test]
fn a_week_is_kept() {
    let week = RETENTION.as_secs();
    let delivery = delivery(1, "x", StatusCode::OK, 1_000);
    for (now, kept) in [(0, true), (1_000, true), (999 + week, true), (1_000 + week, false)] {
        assert_eq!(delivery.is_kept(at(now)), kept, "{now}");
    }
}

#[test]
fn lists() {
    let all: Vec<_> = (0..45)
        .map(|id| {
            let status = if id % 3 == 0 { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            delivery(id, if id % 2 == 0 { "x" } else { "y" }, status, 1_000 + id as u64 / 2)
        })
        .collect();
    let ids = |query: &str| -> Vec<String> {
        let page = List::read(query).unwrap().apply(&all);
        page.items().iter().map(|delivery| delivery.id().to_string()).collect()
    };
    assert_eq!(ids("limit=3"), ["d44", "d42", "d43"], "the latest first, equals by id");
    assert_eq!(ids("limit=3&sort=%2BtriggeredAt"), ["d0", "d1", "d2"]);
    assert_eq!(ids("limit=2&sort=-status"), ["d0", "d12"], "success behind fail");
    assert_eq!(ids("limit=2&status=fail&eventType=y&sort=triggeredAt"), ["d1", "d5"]);
    assert!(ids("eventType=z").is_empty());

    // Forth over all pages, and back.
    for sort in ["status", "-status", "triggeredAt", "-triggeredAt"] {
        let mut query = format!("sort={sort}&limit=7");
        let (mut forth, mut back) = (Vec::new(), Vec::new());
        loop {
            let page = List::read(&query).unwrap().apply(&all);
            forth.extend(page.items().iter().map(|delivery| delivery.id().clone()));
            let Some(next) = page.next("") else { break };
            query = next[1..].to_owned();
        }
        loop {
            let page = List::read(&query).unwrap().apply(&all);
            back.splice(0..0, page.items().iter().map(|delivery| delivery.id().clone()));
            let Some(prev) = page.prev("") else { break };
            query = prev[1..].to_owned();
        }
        assert_eq!((forth.len(), &forth), (45, &back), "{sort}");
    }

    let found = |query: &str| -> Vec<_> {
        let problems = List::read(query).unwrap_err();
        problems.iter().map(|problem| (problem.pointer().to_owned(), problem.code())).collect()
    };
    let other = List::read("sort=status&limit=1").unwrap().apply(&all).next("").unwrap();
    let cursor = other.rsplit_once("next=").unwrap().1.to_owned();
    assert_eq!(
        found(&format!("stauts=fail&limit=0&sort=name&status=failed&eventType=&next={cursor}")),
        [
            ("/stauts".to_owned(), "list-unknown-parameter"),
            ("/limit".to_owned(), "list-invalid-value"),
            ("/sort".to_owned(), "list-invalid-value"),
            ("/next".to_owned(), "list-invalid-cursor"),
            ("/eventType".to_owned(), "list-invalid-value"),
            ("/status".to_owned(), "list-invalid-value"),
        ]
    );
    let body = serde_json::to_value(List::read("limit=1").unwrap().apply(&all).body("/d")).unwrap();
    assert_eq!(body["data"][0]["id"], "d44");
    assert_eq!(body["links"]["self"]["href"], "/d?limit=1");
}
