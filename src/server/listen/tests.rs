use super::check::{Secret, check};
use super::{Earlier, REMEMBERED, Seen, Verdict};
use axum::http::{HeaderMap, HeaderValue};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use hooksieve::webhook::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_800_000_000;

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn at(seconds: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_secs(seconds)).into()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

/// Returns the reasons for a `Qlik-Signature`.
#[track_caller]
fn qlik(signature: &str, body: &str) -> Vec<String> {
    let headers = headers(&[("qlik-signature", signature)]);
    match check(&headers, body.as_bytes(), Some(&Secret::new(SECRET)), at(NOW)).qlik {
        Verdict::Wrong(reasons) => reasons,
        Verdict::Valid => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// Signs with a key that the secret is not.
fn signed_with(key: &[u8]) -> Vec<String> {
    qlik(&HEXLOWER.encode(&mac(key, b"{}")), "{}")
}

/// Receives another body than was signed.
fn changed(signed: &str, received: &str) -> Vec<String> {
    qlik(&HEXLOWER.encode(&mac(SECRET.as_bytes(), signed.as_bytes())), received)
}

#[test]
fn explains_wrong_keys() {
    assert!(signed_with(SECRET.as_bytes()).is_empty());
    let whsec = hooksieve::delivery::whsec(SECRET);
    let with = |key: &[u8]| signed_with(key).join("; ");
    insta::assert_snapshot!(
        [
            with(format!("{SECRET}\n").as_bytes()),
            with(b""),
            with(whsec.as_bytes()),
            with(BASE64.encode(SECRET.as_bytes()).as_bytes()),
            with(&HEXLOWER.decode(SECRET.as_bytes()).unwrap()),
            with(&BASE64.decode(SECRET.as_bytes()).unwrap()),
            with(b"another one"),
        ]
        .join("\n")
    );
}

#[test]
fn accepts_a_secret_in_the_form_of_standard_webhooks() {
    let headers = headers(&[("qlik-signature", &HEXLOWER.encode(&mac(SECRET.as_bytes(), b"{}")))]);
    let whsec = hooksieve::delivery::whsec(SECRET);
    let found = check(&headers, b"{}", Some(&Secret::new(&whsec)), at(NOW));
    assert_eq!((found.qlik, found.standard), (Verdict::Valid, Verdict::Absent));
}

#[test]
fn explains_changed_bodies() {
    let compact = r#"{"b":1.50,"a":["é"]}"#;
    let pretty = "{\n  \"b\": 1.50,\n  \"a\": [\n    \"é\"\n  ]\n}";
    let changes = [
        ("{}\n", "{}"),
        ("{}", "{}\n"),
        ("{}", "{}\r\n"),
        ("{}", "\u{feff}{}"),
        ("", "{}"),
        ("a\nb", "a\r\nb"),
        ("a\r\nb", "a\nb"),
        (compact, pretty),
        (pretty, compact),
        (r#"{"b": 1.50, "a": ["é"]}"#, compact),
        (r#"{"a":"é"}"#, r#"{"a":"\u00e9"}"#),
        ("{}", "[]"),
    ];
    let shown = changes.map(|(signed, received)| {
        format!("{signed:?} arrived as {received:?}\n  {}", changed(signed, received).join("; "))
    });
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn explains_wrong_forms() {
    let digest = mac(SECRET.as_bytes(), b"{}");
    let hex = HEXLOWER.encode(&digest);
    assert!(qlik(&hex.to_uppercase(), "{}").is_empty(), "digits may be in either case");
    let forms = [
        format!("sha256={hex}"),
        BASE64.encode(&digest),
        format!("v1,{}", BASE64.encode(&digest)),
        format!("sha1={}", HEXLOWER.encode(&digest[..20])),
        HEXLOWER.encode(&digest[..20]),
        "none".to_owned(),
        format!("sha256={}", HEXLOWER.encode(&mac(b"other", b"{}"))),
    ];
    let shown = forms.map(|form| format!("{form}\n  {}", qlik(&form, "{}").join("; ")));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn explains_signatures_of_standard_webhooks() {
    let text = |key: &[u8], time: &str| mac(key, format!("msg_1.{time}.{{}}").as_bytes());
    let (key, now, old) = (SECRET.as_bytes(), NOW.to_string(), (NOW - 3_600).to_string());
    let v1 = |digest: &[u8]| format!("v1,{}", BASE64.encode(digest));
    let right = v1(&text(key, &now));
    let cases = [
        ("msg_1", now.clone(), right.clone()),
        ("msg_1", now.clone(), format!("v1,AAAA {right}")),
        ("msg_1", old.clone(), v1(&text(key, &old))),
        ("msg_1", old.clone(), v1(&text(b"other", &old))),
        ("msg_1", (NOW + 301).to_string(), v1(&text(key, &(NOW + 301).to_string()))),
        ("msg_1", format!("{NOW}000"), v1(&text(key, &format!("{NOW}000")))),
        ("msg_1", "+1".to_owned(), right.clone()),
        ("msg_1", now.clone(), format!("v1,{}", HEXLOWER.encode(&text(key, &now)))),
        ("msg_1", now.clone(), BASE64.encode(&text(key, &now))),
        ("msg_1", now.clone(), format!("v1={}", BASE64.encode(&text(key, &now)))),
        ("msg_1", now.clone(), format!("v1,{}", BASE64URL_NOPAD.encode(&text(key, &now)))),
        ("msg_1", now.clone(), v1(&mac(key, b"{}"))),
        ("msg_1", now.clone(), v1(&text(hooksieve::delivery::whsec(key).as_bytes(), &now))),
        ("msg_1", now.clone(), format!("v1a,{}", BASE64.encode(&[7; 64]))),
        ("msg_1", now.clone(), "v1,".to_owned()),
        ("msg_2", now.clone(), right.clone()),
    ];
    let secret = Secret::new(SECRET);
    let shown = cases.map(|(id, time, signature)| {
        let pairs =
            [("webhook-id", id), ("webhook-timestamp", &*time), ("webhook-signature", &*signature)];
        let verdict = check(&headers(&pairs), b"{}", Some(&secret), at(NOW)).standard;
        format!("{id} {time} {signature}\n  {verdict:?}")
    });
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn says_what_is_missing() {
    let secret = Secret::new(SECRET);
    let found =
        |pairs: &[(&'static str, &str)], secret| check(&headers(pairs), b"{}", secret, at(NOW));
    let hex = HEXLOWER.encode(&mac(SECRET.as_bytes(), b"{}"));
    let shown = [
        found(&[], None),
        found(&[("qlik-signature", "x")], None),
        found(&[], Some(&secret)),
        found(&[("webhook-signature", "v1,x")], Some(&secret)),
        found(&[("webhook-id", "1"), ("webhook-signature", "v1,x")], Some(&secret)),
        // The secret is right, so something else was changed.
        found(
            &[
                ("qlik-signature", &hex),
                ("webhook-id", "1"),
                ("webhook-timestamp", "1800000000"),
                ("webhook-signature", &format!("v1,{}", BASE64.encode(&[0; 32]))),
            ],
            Some(&secret),
        ),
    ];
    insta::assert_debug_snapshot!(shown);
    let two = [("qlik-signature", hex.parse().unwrap()), ("qlik-signature", hex.parse().unwrap())];
    let mut repeated = HeaderMap::new();
    for (name, value) in two {
        repeated.append(name, value);
    }
    let found = check(&repeated, b"{}", Some(&secret), at(NOW)).qlik;
    assert_eq!(found, Verdict::Wrong(vec!["`qlik-signature` occurs more than once".to_owned()]));
}

#[test]
fn remembers_a_limited_number_of_messages() {
    let mut seen = Seen::default();
    let answered = |number, status| Earlier { number, status };
    assert_eq!(seen.remember("a", answered(1, 500)), None);
    assert_eq!(seen.remember("a", answered(2, 200)), Some(answered(1, 500)));
    // From the first success on, every further one is a duplicate.
    assert_eq!(seen.remember("a", answered(3, 500)), Some(answered(2, 200)));
    assert_eq!(seen.remember("a", answered(4, 200)), Some(answered(2, 200)));
    for number in 0..REMEMBERED {
        seen.remember(&format!("b{number}"), answered(5, 200));
    }
    assert_eq!((seen.by_id.len(), seen.ids.len()), (REMEMBERED, REMEMBERED));
    assert_eq!(seen.remember("a", answered(6, 200)), None, "the oldest one is forgotten");
}
