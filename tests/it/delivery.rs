//! Requests: the envelope, the signature, and the record.
use crate::laws;

use hooksieve::delivery::{
    Delivery, ListQuery, MessageId, OMITTED, Payload, RETENTION, Request, RequestBuilder, Response,
    StandardHeaders, Status, VerifyError, verify, whsec,
};
use hooksieve::filter::Profile;
use hooksieve::webhook::{NewWebhook, Rules, Timestamp, Webhook, WebhookDocument};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
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

/// Shows the method, the URL, the headers and the body, one per line.
fn shown(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method(), request.url());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    format!("{text}\n{}", std::str::from_utf8(request.body()).unwrap())
}

/// Each envelope for both kinds of webhooks, with and without a secret.
#[test]
fn builds_requests() {
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
                let request = RequestBuilder::default().request(&webhook, &payload);
                let form = if cloud_events { "cloud-events" } else { "legacy" };
                let signed = if secret { "signed" } else { "unsigned" };
                let case = format!("{name}-as-{form}-{signed}");
                insta::with_settings!({ snapshot_path => "../data/requests", prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(case, shown(&request));
                });
            }
        }
    }
}

/// The signatures were computed with Python's `hmac` over the bodies of the snapshots, with the
/// secret of the law's webhook.
#[test]
fn agrees_with_another_implementation_on_signatures() {
    let secret = "0123456789abcdef0123456789abcdef";
    for (name, cloud_events, digits, standard) in SIGNATURES {
        let webhook = laws::delivery::webhook(cloud_events, true);
        let request = RequestBuilder::default().request(&webhook, &payload(&sample(name)));
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

/// Flips every bit of real bodies, in both envelopes.
#[test]
fn rejects_any_flipped_bit() {
    for cloud_events in [true, false] {
        let webhook = laws::delivery::webhook(cloud_events, true);
        let payload = payload(&sample("com.qlik.v1.user.created.legacy01"));
        let request = RequestBuilder::default().request(&webhook, &payload);
        let id = MessageId::new("msg_1").unwrap();
        let request = request.with_standard_headers(&id, at(1_700_000_000));
        laws::delivery::signature("0123456789abcdef0123456789abcdef", &request, 1);
    }
}

#[test]
fn rejects_invalid_signatures() {
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
fn checks_ids_of_messages() {
    for good in ["m", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", &"x".repeat(256)] {
        assert!(MessageId::new(good).is_ok(), "{good}");
    }
    for bad in ["", "a.b", "a b", "a\nb", "é", &"x".repeat(257)] {
        assert!(MessageId::new(bad).is_err(), "{bad}");
    }
}

fn created(document: Value) -> Arc<Webhook> {
    let new = NewWebhook::new("w1", "u1", at(0));
    Arc::new(
        Webhook::create(&WebhookDocument::from(document), &Rules::default(), new).unwrap().webhook,
    )
}

/// The crate `http` accepts every URL that is sent, with any ASCII character that it may have.
#[test]
fn builds_requests_for_any_webhook() {
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
            let document = json!({"name": "n", "url": url, "eventTypes": []});
            let new = NewWebhook::new("w1", "u1", at(0));
            let created = Webhook::create(&WebhookDocument::from(document), &Rules::default(), new);
            if let Ok(created) = created {
                laws::delivery::request(&Arc::new(created.webhook));
                taken += 1;
            }
        }
    }
    assert!(taken > 300, "{taken} URLs were taken");
}

#[test]
fn reports_unknown_secrets() {
    let webhook = laws::delivery::webhook(true, true);
    let response = serde_json::to_value(&*webhook).unwrap();
    let read = Webhook::read(&WebhookDocument::from(response), &Rules::default()).unwrap().webhook;
    let bytes = br#"{"type":"x","tenantid":"t"}"#;
    let request = RequestBuilder::default().request(&Arc::new(read), &payload(bytes));
    assert!(request.has_redacted_secrets());
    assert!(
        request.header("authorization").is_none() && request.header("qlik-signature").is_none()
    );
    assert!(!RequestBuilder::default().request(&webhook, &payload(bytes)).has_redacted_secrets());
}

#[test]
fn returns_whether_to_check_revocation() {
    for asked in [true, false] {
        let webhook = created(json!({
            "name": "n", "url": "https://hooks.example.com/", "eventTypes": [],
            "checkCertificateRevocation": asked,
        }));
        let request = RequestBuilder::default()
            .request(&webhook, &payload(br#"{"type":"x","tenantid":"t"}"#));
        assert_eq!((webhook.checks_revocation(), request.checks_revocation()), (asked, asked));
    }
}

#[test]
fn sets_the_headers_of_the_builder() {
    let bytes = br#"{"type":"x","tenantid":"t"}"#;
    let builder = RequestBuilder::default()
        .with_user_agent("dispatch/2".parse().unwrap())
        .with_cloud_events_type();
    let header = |cloud_events, name: &str| {
        let webhook = laws::delivery::webhook(cloud_events, false);
        let request = builder.request(&webhook, &payload(bytes));
        request.header(name).unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(header(true, "user-agent"), "dispatch/2");
    assert_eq!(header(true, "content-type"), "application/cloudevents+json");
    assert_eq!(header(false, "content-type"), "application/json");

    // A delivery that is sent again may be in another envelope by now; a mixed event is in neither.
    let webhook = laws::delivery::webhook(true, false);
    let mixed = br#"{"type":"x","eventType":"x","tenantid":"t"}"#;
    let request = builder.request(&webhook, &payload(mixed));
    assert_eq!(request.header("content-type").unwrap(), "application/json");
    let delivery = Delivery::new("d1", &request, at(0), Err("refused"));
    let again = builder.resend(&webhook, &delivery);
    assert_eq!(again.header("content-type").unwrap(), "application/json");
    let legacy = br#"{"eventType":"x","extensions":{"tenantId":"t"}}"#;
    let request = builder.request(&webhook, &payload(legacy));
    assert_eq!(request.header("content-type").unwrap(), "application/cloudevents+json");
}

#[test]
fn shows_no_secret() {
    let webhook = laws::delivery::webhook(true, true);
    let request =
        RequestBuilder::default().request(&webhook, &payload(br#"{"type":"x","tenantid":"t"}"#));
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

/// Records a request of a webhook and a response with these headers.
fn record_of(document: Value, response: &[(&str, &str)]) -> Value {
    let mut whole = json!({"name": "n", "url": "https://hooks.example.com/", "eventTypes": []});
    for (name, value) in document.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let request = RequestBuilder::default()
        .request(&created(whole), &payload(br#"{"type":"x","tenantid":"t"}"#));
    let mut headers = HeaderMap::new();
    for (name, value) in response {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let response = Response { status: StatusCode::OK, headers, body: "".into() };
    laws::echoes::nothing_secret(&request, &response);
    serde_json::to_value(Delivery::new("d1", &request, at(0), Ok(&response))).unwrap()
}

/// Returns the headers of a response that a record omits.
fn omitted(secret: &str, response: &[(&str, &str)]) -> Vec<String> {
    let record = record_of(json!({"encryptedHeaders": {"Authorization": secret}}), response);
    let headers = record["response"]["headers"].as_object().unwrap();
    headers.iter().filter(|(_, value)| *value == OMITTED).map(|(name, _)| name.clone()).collect()
}

#[test]
fn omits_a_secret_in_several_header_lines() {
    let secret = "Digest username=\"u\", response=\"66a9f0\", nc=00000001";
    let split = [
        ("x-echo", "Digest username=\"u\""),
        ("x-echo", "response=\"66a9f0\""),
        ("x-echo", "nc=00000001"),
    ];
    assert_eq!(omitted(secret, &split), ["x-echo"]);
    assert_eq!(omitted("abc, def", &[("x-echo", "abc"), ("x-echo", "def")]), ["x-echo"]);
    assert_eq!(omitted("abc,def", &[("x-echo", "abc"), ("x-echo", "def")]), ["x-echo"]);
    assert_eq!(omitted("Bearer s3cr3t", &[("x-echo", "s3c"), ("x-echo", "r3t")]), ["x-echo"]);
    assert_eq!(omitted(secret, &[("x-part", "response=\"66a9f0\"")]), ["x-part"], "a part of it");
    assert!(omitted("Bearer s3cr3t", &[("x-a", "s3c"), ("x-b", "r3t")]).is_empty(), "two headers");
}

#[test]
fn omits_what_follows_a_scheme_after_any_blanks() {
    for secret in ["Bearer k3y", "Bearer   k3y", "Bearer\tk3y", "Bearer \t k3y"] {
        for echo in
            ["k3y", "Bearer k3y", "bearer\tk3y", "BEARER    k3y", "you sent \"k3y\"!", "K3Y"]
        {
            assert_eq!(omitted(secret, &[("x-echo", echo)]), ["x-echo"], "{secret} {echo}");
        }
        assert!(omitted(secret, &[("x-other", "Bearer monk3y")]).is_empty(), "inside of a word");
    }
    let basic = "Basic dXNlcjpwdw==";
    for echo in ["dXNlcjpwdw==", "dXNlcjpwdw", "basic  dXNlcjpwdw==", "got:dXNlcjpwdw==."] {
        assert_eq!(omitted(basic, &[("x-echo", echo)]), ["x-echo"], "{echo}");
    }
    let others = [("www-authenticate", "Basic realm=\"hooks\""), ("x-short", "dXNlcjpw")];
    assert!(omitted(basic, &others).is_empty());
}

#[test]
fn omits_plain_request_headers_with_a_secret() {
    let record = record_of(
        json!({
            "headers": {"X-Same": "Bearer s3cr3t", "X-Token": "s3cr3t", "X-In": "a/s3cr3t/b", "X-Team": "data"},
            "encryptedHeaders": {"Authorization": "Bearer s3cr3t"},
        }),
        &[],
    );
    assert_eq!(
        record["request"]["headers"],
        json!({
            "Authorization": OMITTED, "X-Same": OMITTED, "X-Token": OMITTED, "X-In": OMITTED,
            "X-Team": "data", "Content-Type": "application/json", "User-Agent": "Qlik Webhook",
        })
    );
}

#[test]
fn omits_the_signing_secret() {
    let secret = "0123456789abcdef0123456789abcdef";
    let response =
        [("x-echo", secret), ("x-whsec", &whsec(secret)), ("x-other", "0123456789abcdef")];
    let record = record_of(json!({"secret": secret, "headers": {"X-Same": secret}}), &response);
    let expected = json!({"x-echo": OMITTED, "x-whsec": OMITTED, "x-other": "0123456789abcdef"});
    assert_eq!(record["response"]["headers"], expected);
    assert_eq!(record["request"]["headers"]["X-Same"], OMITTED);
}

#[test]
fn omits_response_header_names_with_a_secret() {
    let response = [("x-s3cr3t", "1"), ("s3cr3t", "2"), ("x-other", "3")];
    let record = record_of(json!({"encryptedHeaders": {"X-Key": "s3cr3t"}}), &response);
    assert_eq!(record["response"]["headers"], json!({"x-other": "3", OMITTED: OMITTED}));
}

/// A short secret occurs in many texts, so it is not searched for inside words.
#[test]
fn finds_a_short_secret_as_a_word() {
    let found = |value| !omitted("k", &[("x-echo", value)]).is_empty();
    assert!(found("k") && found("a k b") && found("token=k;") && found("\"k\""));
    assert!(!found("ok") && !found("k3y") && !found("talking"));
    assert_eq!(omitted("a-a", &[("x-echo", "xa-a-a")]), ["x-echo"], "overlapping");
    for (secret, echo) in [
        ("\"k3y\"", "k3y"),
        ("'k3y'", "you sent K3Y."),
        ("\"k\"", "k"),
        ("(k3y)", "k3y"),
        ("a-b-c", "a b c"),
        ("a-b-c", "abc"),
        ("a.b", "A, B"),
        ("Token \"k3y\"", "k3y"),
        ("Digest username=\"hook\", response=\"ab1\"", "ab1"),
        ("Digest username=\"hook\", nonce=\"x\"", "nonce: x"),
        ("\"--\"", "--"),
    ] {
        assert_eq!(omitted(secret, &[("x-echo", echo)]), ["x-echo"], "{secret} {echo}");
    }
    for (secret, other) in [
        ("\"k3y\"", "monk3y"),
        ("\"k3y\"", "k3ys"),
        ("a-b-c", "a b cd"),
        ("a-b-c", "xa b c"),
        ("a-b-c", "a b x c"),
        ("abc", "a-b-c"),
        ("Digest username=\"hook\", qop=1", "1"),
    ] {
        assert!(omitted(secret, &[("x-other", other)]).is_empty(), "{secret} {other}");
    }
    assert!(omitted("----", &[("x-other", "---")]).is_empty());
    assert_eq!(omitted("----", &[("x-echo", "a----b")]), ["x-echo"]);
}

/// Without its id, the message could not be sent again as the same one.
#[test]
fn keeps_a_message_id_with_a_secret() {
    let webhook = created(json!({
        "name": "n", "url": "https://hooks.example.com/", "eventTypes": [],
        "secret": "0123456789abcdef0123456789abcdef", "encryptedHeaders": {"X-Key": "msg_"},
    }));
    let request =
        RequestBuilder::default().request(&webhook, &payload(br#"{"type":"x","tenantid":"t"}"#));
    let id = MessageId::new("msg_1").unwrap();
    let request = request.with_standard_headers(&id, at(0));
    let delivery = Delivery::new("d1", &request, at(0), Err("refused"));
    assert_eq!(delivery.message_id(), Some(id));
}

/// Returns a value in spellings that a receiver may use.
fn echo(value: &str, how: u8, at: usize) -> Vec<String> {
    let blanks = [' ', '\t'];
    let key = value.split_once(blanks).map_or(value, |(_, rest)| rest.trim_matches(blanks));
    let (left, right) = value.split_at(at.min(value.len()));
    match how {
        0 => vec![value.to_owned()],
        1 => vec![key.to_owned()],
        2 => vec![format!("you sent {value}, thanks")],
        3 => vec![format!("zz{key}zz")],
        4 => value.split(", ").map(str::to_owned).collect(),
        5 => value.split(',').map(|part| part.trim().to_owned()).collect(),
        6 => vec![left.trim().to_owned(), right.trim().to_owned()],
        7 => vec!["z".to_owned(), format!("BEARER  {key}")],
        8 => vec![value.to_ascii_uppercase()],
        9 => vec![value.replace(blanks, "\t ")],
        10 => vec![format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))],
        11 => vec![value.trim_matches('"').to_owned()],
        12 => vec![key.replace(|c: char| !c.is_ascii_alphanumeric(), " ").trim().to_owned()],
        13 => key.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
        _ => vec!["z, zz=z".to_owned()],
    }
}

/// How a secret is echoed: the spelling, the secret, the cut, and the name of the header.
type Echo = (u8, usize, usize, usize);

/// Encrypted values, whether there is a signing secret, the echoes of a response, and the echo in a
/// plain header of the request.
type Case = (Vec<String>, bool, Vec<Echo>, (u8, usize));

/// 10,000 records with any encrypted headers and any echoes of them.
#[test]
fn omits_every_echo_of_a_secret() {
    let token = || "[a-y0-9A-Y._~+/-]{1,12}=?";
    let secret = prop_oneof![
        token(),
        token().prop_map(|token| format!("Bearer {token}")),
        (token(), "[ \t]{1,4}").prop_map(|(token, blanks)| format!("Token{blanks}{token}")),
        (token(), token()).prop_map(|(a, b)| format!("Digest a=\"{a}\", b=\"{b}\"")),
        (token(), token()).prop_map(|(a, b)| format!("session={a}; theme={b}")),
        "\"[a-y0-9]{1,3}\"",
        "[a-y0-9]([-. ][a-y0-9]){0,2}",
        ("[a-y0-9]{1,3}", token()).prop_map(|(a, b)| format!("Digest a=\"{a}\", b=\"{b}\"")),
        (token(), token()).prop_map(|(a, b)| format!("{a},{b}")),
        // Without `Z`, the letter of the text around the echo, in either case.
        "[!-Y\\[-y]{1,8}",
    ];
    let header = (0..15u8, 0..2usize, 0..20usize, 0..3usize);
    let cases = (
        prop::collection::vec(secret, 2),
        prop::bool::ANY,
        prop::collection::vec(header, 1..5),
        (0..4u8, 0..2usize),
    );
    let shown = std::cell::Cell::new((0, 0));
    let config = ProptestConfig { cases: 10_000, failure_persistence: None, ..Default::default() };
    let law = |(secrets, signed, echoes, plain): Case| {
        let mut document = json!({
            "name": "n", "url": "https://hooks.example.com/", "eventTypes": [],
            "encryptedHeaders": {"Authorization": secrets[0], "X-Key": secrets[1]},
            "headers": {"X-Plain": echo(&secrets[plain.1], plain.0, 0)[0].trim()},
        });
        let mut values = secrets.clone();
        if signed {
            values[1] = "s1gn1ng-secret-of-the-webh00k+AB/".to_owned();
            document["secret"] = values[1].clone().into();
        }
        let request = RequestBuilder::default()
            .request(&created(document), &payload(br#"{"type":"x","tenantid":"t"}"#));
        let request = request.with_standard_headers(&MessageId::new("msg_1").unwrap(), at(0));
        let mut headers = HeaderMap::new();
        let names = ["zz-zz", "zz", "authorization"];
        for (how, which, at, name) in echoes {
            for line in echo(&values[which], how, at) {
                headers.append(names[name], line.parse().unwrap());
            }
            if let Ok(name) = values[which].parse::<http::HeaderName>() {
                headers.append(name, "z".parse().unwrap());
            }
        }
        let response = Response { status: StatusCode::OK, headers, body: "".into() };
        let counts = laws::echoes::nothing_secret(&request, &response);
        let (kept, gone) = shown.get();
        shown.set((kept + counts.as_they_are, gone + counts.omitted));
        Ok(())
    };
    TestRunner::new(config).run(&cases, law).unwrap();
    println!("headers shown and omitted: {:?}", shown.get());
    assert!(shown.get().0 > 20_000 && shown.get().1 > 30_000, "{:?}", shown.get());
}

/// Such a payload is never converted; it is signed, recorded and sent again unchanged.
#[test]
fn sends_verbatim_payloads_unchanged() {
    let secret = "0123456789abcdef0123456789abcdef";
    let bodies: [&[u8]; 6] = [
        br#"{"eventType":"x","extensions":{"tenantId":"t"}}"#,
        br#" {"type":"x","tenantid":"t"} "#,
        br#"{"type":"x","eventType":"x","tenantid":"t"}"#,
        b"plain text",
        b"\xff\x00",
        b"",
    ];
    for body in bodies {
        let payload = Payload::verbatim("com.example.ping", body);
        assert_eq!(payload.event_type(), "com.example.ping");
        for cloud_events in [true, false] {
            let webhook = laws::delivery::webhook(cloud_events, true);
            let builder = RequestBuilder::default().with_cloud_events_type();
            let request = builder.request(&webhook, &payload);
            assert_eq!(request.body(), body);
            assert_eq!(request.header("content-type").unwrap(), "application/json");
            let signature = request.header("qlik-signature").unwrap();
            assert_eq!(verify(secret, body, signature.to_str().unwrap()), Ok(()));
            let delivery = Delivery::new("d1", &request, at(0), Err("refused"));
            assert_eq!(delivery.event_type().as_str(), "com.example.ping");
            let stored = serde_json::to_vec(&delivery.stored()).unwrap();
            let again = builder.resend(&webhook, &Delivery::read(&stored).unwrap());
            assert_eq!(
                (again.body(), again.header("qlik-signature")),
                (request.body(), Some(signature))
            );
        }
    }
}

#[test]
fn writes_and_reads_records() {
    let body = " {\"type\": \"x\",\n \"tenantid\":\"t\", \"n\": 1.0}\n";
    let webhook = laws::delivery::webhook(true, false);
    let request = RequestBuilder::default().request(&webhook, &payload(body.as_bytes()));
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
        (stored.replace("2023-", "last "), "not a stored delivery: `triggeredAt` is not a time"),
        (
            stored.replace("\"body\":\" {", "\"other\":\" {"),
            "not a stored delivery: expected either `body` or `bodyBase64` in `request`",
        ),
        (stored[..stored.len() - 1].to_owned(), "not a stored delivery: EOF"),
        (String::new(), "not a stored delivery: EOF"),
    ] {
        let error = Delivery::read(wrong.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.code(), "delivery-not-stored");
    }
}

/// Bytes other than those of the event are kept completely.
#[test]
fn keeps_bodies_of_any_bytes() {
    let event = PROFILE.read_event(br#"{"eventType":"x","extensions":{"tenantId":"t"}}"#).unwrap();
    for bytes in [&b"\xff\x00"[..], b"no json", b"[1]", b""] {
        let payload = Payload::new(&event, bytes.to_vec());
        let request =
            RequestBuilder::default().request(&laws::delivery::webhook(true, true), &payload);
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
    let request = RequestBuilder::default().request(&webhook, &payload(bytes.as_bytes()));
    let response = Response { status, headers: HeaderMap::new(), body: "".into() };
    Delivery::new(format!("d{id}"), &request, at(seconds), Ok(&response))
}

#[test]
fn keeps_deliveries_for_a_week() {
    let week = RETENTION.as_secs();
    let delivery = delivery(1, "x", StatusCode::OK, 1_000);
    for (now, kept) in [(0, true), (1_000, true), (999 + week, true), (1_000 + week, false)] {
        assert_eq!(delivery.is_kept(at(now)), kept, "{now}");
    }
}

#[test]
fn lists_deliveries() {
    let all: Vec<_> = (0..45)
        .map(|id| {
            let status = if id % 3 == 0 { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            delivery(id, if id % 2 == 0 { "x" } else { "y" }, status, 1_000 + id as u64 / 2)
        })
        .collect();
    let ids = |query: &str| -> Vec<String> {
        let page = ListQuery::read(query).unwrap().apply(&all);
        page.items().iter().map(|delivery| delivery.id().to_string()).collect()
    };
    assert_eq!(ids("limit=3"), ["d44", "d42", "d43"], "the latest first, equals by id");
    assert_eq!(ids("limit=3&sort=%2BtriggeredAt"), ["d0", "d1", "d2"]);
    assert_eq!(ids("limit=2&sort=-status"), ["d0", "d12"], "success comes after fail");
    assert_eq!(ids("limit=2&status=fail&eventType=y&sort=triggeredAt"), ["d1", "d5"]);
    assert!(ids("eventType=z").is_empty());

    // Forward over all pages, and back.
    for sort in ["status", "-status", "triggeredAt", "-triggeredAt"] {
        let mut query = format!("sort={sort}&limit=7");
        let (mut forth, mut back) = (Vec::new(), Vec::new());
        loop {
            let page = ListQuery::read(&query).unwrap().apply(&all);
            forth.extend(page.items().iter().map(|delivery| delivery.id().clone()));
            let Some(next) = page.next("") else { break };
            query = next[1..].to_owned();
        }
        loop {
            let page = ListQuery::read(&query).unwrap().apply(&all);
            back.splice(0..0, page.items().iter().map(|delivery| delivery.id().clone()));
            let Some(prev) = page.prev("") else { break };
            query = prev[1..].to_owned();
        }
        assert_eq!((forth.len(), &forth), (45, &back), "{sort}");
    }

    let found = |query: &str| -> Vec<_> {
        let problems = ListQuery::read(query).unwrap_err();
        problems.iter().map(|problem| (problem.pointer().to_owned(), problem.code())).collect()
    };
    let other = ListQuery::read("sort=status&limit=1").unwrap().apply(&all).next("").unwrap();
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
    let body =
        serde_json::to_value(ListQuery::read("limit=1").unwrap().apply(&all).body("/d")).unwrap();
    assert_eq!(body["data"][0]["id"], "d44");
    assert_eq!(body["links"]["self"]["href"], "/d?limit=1");
}
