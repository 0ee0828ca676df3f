//! Provokes each error that is not about a filter or a webhook: its code, message and help.
use hooksieve::delivery::{Delivery, MessageId, RequestBuilder};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::{Error, ErrorKind, JsonPath, TenantId};
use hooksieve::filter::{Attribute, Profile};
use hooksieve::matcher::{Access, InsertError};
use hooksieve::registry::{ChangeError, Limits, NotLoaded, Registry, UpdateError};
use hooksieve::webhook::{
    Catalogue, NewWebhook, Rules, Timestamp, Webhook, WebhookDocument, check_address,
};
use serde_json::json;

/// Renders an error: its code, HTTP status and line, then the message and the help.
fn line(diagnostic: impl Into<Diagnostic>) -> String {
    let diagnostic = diagnostic.into();
    let (code, status) = (diagnostic.code(), diagnostic.status().as_u16());
    let place = diagnostic.line().map(|line| format!(" line {line}")).unwrap_or_default();
    format!("{code} {status}{place}\n    {diagnostic}\n    {}\n", diagnostic.help())
}

fn made(rules: &Rules, id: &str, user: &str, filter: &str) -> Webhook {
    let document = json!({"name": "n", "url": "https://hooks.example.com/", "filter": filter});
    Webhook::create(
        &document.into(),
        rules,
        NewWebhook::new(id, user, std::time::UNIX_EPOCH.into()),
    )
    .unwrap()
    .webhook
}

/// Bytes that are not events: the kind and the offset of the error, and whether they are JSON.
#[test]
fn shows_errors_of_events() {
    let deep = format!(r#"{{"type":"x","tenantid":"t","data":{}"#, "[".repeat(200));
    let cases: [(&[u8], ErrorKind, usize, bool); 14] = [
        (br#"{"type":"x""#, ErrorKind::Syntax, 11, true),
        (br#"{"type":"x",}"#, ErrorKind::Syntax, 12, true),
        (br#"{"type":[}"#, ErrorKind::Syntax, 9, true),
        (br#"{"type":{]"#, ErrorKind::Syntax, 9, true),
        (br#"{"type":["#, ErrorKind::Syntax, 9, true),
        (br#"{"type":{"#, ErrorKind::Syntax, 9, true),
        ("\u{feff}{}".as_bytes(), ErrorKind::Syntax, 0, true),
        (b"{\"type\":\"\xff\"}", ErrorKind::Utf8, 9, true),
        (deep.as_bytes(), ErrorKind::TooDeep, 160, true),
        (br#"{"type":"x","n":-1e999}"#, ErrorKind::Number, 16, true),
        (br#"["type"]"#, ErrorKind::NotAnObject, 0, false),
        (br#"{"tenantid":"t","type":"x","type":"y"}"#, ErrorKind::DuplicateKey, 27, false),
        (br#"{"tenantid":"t"}"#, ErrorKind::MissingType, 16, false),
        (br#"{"type":"x","tenantid":""}"#, ErrorKind::MissingTenant, 26, false),
    ];
    let registry = Registry::new(&Rules::default());
    let mut session = registry.session();
    let mut shown = String::new();
    for (bytes, kind, offset, malformed) in cases {
        let error: Error = Profile::webhook().read_event(bytes).unwrap_err();
        let text = String::from_utf8_lossy(bytes);
        assert_eq!((error.kind(), error.offset()), (kind, offset), "{text}");
        assert_eq!(error.kind().is_malformed(), malformed, "{text}");
        shown += &line(&error);
        // A session returns the same error.
        let of_reader =
            session.deliveries(&RequestBuilder::default(), bytes.to_vec(), Access::Everyone);
        let of_reader = of_reader.unwrap_err();
        assert_eq!(Diagnostic::from(&of_reader), Diagnostic::from(&error));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn shows_errors_of_matchers() {
    insta::assert_snapshot!(InsertError::ALL.iter().copied().map(line).collect::<String>());
}

#[test]
fn shows_errors_of_registries() {
    let rules = Rules::default();
    let put = |error: &ChangeError| line(error);
    let mut shown = line(NotLoaded);

    let limits = Limits::default().per_user(1).webhooks(3).filter_bytes(20).terms(2);
    let registry = Registry::with_limits(&rules, limits);
    assert_eq!(
        registry.put(&"t".into(), made(&rules, "w", "u", "")).unwrap_err(),
        NotLoaded.into()
    );
    let event = br#"{"type":"x","tenantid":"t"}"#.to_vec();
    let mut session = registry.session();
    let unknown =
        session.deliveries(&RequestBuilder::default(), event, Access::Everyone).unwrap_err();
    assert_eq!(Diagnostic::from(&unknown), NotLoaded.into());
    let _ = registry.load("t", [made(&rules, "w1", "u1", "")]).unwrap();
    let foreign = json!({"id": "w", "tenantId": "other", "name": "n", "url": "https://a.example/"});
    let foreign = Webhook::read(&WebhookDocument::from(foreign), &rules).unwrap().webhook;
    let long = format!(r#"id eq "{}""#, "x".repeat(20));
    let eq_only = rules.profile().with_operators([hooksieve::filter::Operator::Eq]);
    let eq_only = Rules::new(eq_only, rules.catalogue().clone());
    for webhook in [
        foreign.clone(),
        made(&rules, "w2", "u1", ""),
        made(&rules, "w2", "u2", &long),
        made(&rules, &"i".repeat(Registry::MAX_BYTES + 1), "u2", ""),
        made(&eq_only, "w2", "u2", r#"id eq "a""#),
    ] {
        shown += &put(&registry.put(&"t".into(), webhook).unwrap_err());
    }
    let few = Registry::with_limits(&rules, Limits::default().webhooks(1).terms(1));
    let _ = few.load("t", [made(&rules, "w1", "u1", "")]).unwrap();
    shown += &put(&few.put(&"t".into(), made(&rules, "w2", "u2", "")).unwrap_err());
    let two = made(&rules, "w1", "u1", r#"id eq "a" or id eq "b""#);
    shown += &put(&few.put(&"t".into(), two).unwrap_err());

    let error = registry.load("t2", [foreign]).unwrap_err();
    shown += &line(&error);

    let mut update = |id: &str, change: fn(&Webhook) -> Result<Webhook, Diagnostic>| {
        let error = registry.update(&"t".into(), &id.into(), change).unwrap_err();
        let refused = matches!(error, UpdateError::Refused(_));
        shown += &line(Diagnostics::from(error).iter().next().unwrap().clone());
        refused
    };
    assert!(!update("other", |webhook| Ok(webhook.clone())));
    assert!(!update("w1", |_| Ok(made(&Rules::default(), "w9", "u1", ""))));
    assert!(!update("w1", |_| Ok(made(
        &Rules::default(),
        "w1",
        "u1",
        r#"id eq "aaaaaaaaaaaaaaa""#
    ))));
    assert!(update("w1", |_| Err(Diagnostic::error("mine", "no", "ask again"))));
    insta::assert_snapshot!(shown);
}

#[test]
fn shows_errors_of_snapshots_and_records() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", [made(&rules, "w1", "u1", r#"id eq "a""#)]).unwrap();
    let mut written = Vec::new();
    registry.write_snapshot(&mut written).unwrap();
    let text = String::from_utf8(written).unwrap();
    let endless = format!("{}{}", text.split_inclusive('\n').next().unwrap(), "x".repeat(1 << 24));
    let ne_only = rules.profile().with_operators([hooksieve::filter::Operator::Ne]);
    let ne_only = Registry::new(&Rules::new(ne_only, rules.catalogue().clone()));
    let mut shown = String::new();
    for (registry, text) in [
        (&registry, String::new()),
        (&registry, text.replacen("\"version\":1", "\"version\":2", 1)),
        (&registry, text.replacen("\"version\":1", "\"version\":0", 1)),
        (&registry, text.replacen("\"a\\\"", "\"b\\\"", 1)),
        (&registry, text[..text.len() - 1].to_owned()),
        (&registry, endless),
        (&ne_only, text.clone()),
    ] {
        let error = registry.read_snapshot(text.as_bytes()).unwrap_err();
        shown += &line(&error);
    }
    let error = Delivery::read(b"{}").unwrap_err();
    shown += &line(error);
    insta::assert_snapshot!(shown);
}

#[test]
fn shows_errors_of_single_values() {
    let mut shown = String::new();
    let address = "169.254.169.254".parse().unwrap();
    shown += &line(check_address(address).unwrap_err());
    for catalogue in [
        r#"{"data": 5}"#,
        r#"{"data": [{"name": ""}]}"#,
        r#"{"data": [{"name": "a"}, {"name": "b", "newerName": "a"}]}"#,
    ] {
        shown += &line(Catalogue::read(catalogue.as_bytes()).unwrap_err());
    }
    shown += &line(MessageId::new("a.b").unwrap_err());
    shown += &line("yesterday".parse::<Timestamp>().unwrap_err());
    shown += &line(Profile::new([Attribute::new("a b", [JsonPath::new(["a"])])]).unwrap_err());
    insta::assert_snapshot!(shown);
}

#[test]
fn shows_errors_that_need_a_broken_registry() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load_at("t", [], u64::MAX).unwrap();
    let error = registry.put(&"t".into(), made(&rules, "w", "u", "")).unwrap_err();
    let mut shown = line(&error);
    let eq_only = rules.profile().with_operators([hooksieve::filter::Operator::Eq]);
    let eq_only = Rules::new(eq_only, rules.catalogue().clone());
    shown += &line(registry.replace_rules(&eq_only).unwrap_err());
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let input = std::io::BufReader::new(Broken);
    shown += &line(registry.read_snapshot(input).unwrap_err());
    insta::assert_snapshot!(shown);
}

/// Ids and times are written as text, and only valid text is read.
#[test]
fn reads_and_writes_values_as_json() {
    let time: Timestamp = serde_json::from_str("\"2026-01-31T09:00:00.5Z\"").unwrap();
    assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-01-31T09:00:00.500Z\"");
    assert!(serde_json::from_str::<Timestamp>("\"soon\"").is_err());
    let id: MessageId = serde_json::from_str("\"msg_1\"").unwrap();
    assert_eq!((id.as_str(), id.to_string().as_str(), id.as_ref()), ("msg_1", "msg_1", "msg_1"));
    assert_eq!(serde_json::to_string(&id).unwrap(), "\"msg_1\"");
    assert!(serde_json::from_str::<MessageId>("\"a.b\"").is_err());
    let tenant: TenantId = serde_json::from_str("\"t\\u0031\"").unwrap();
    assert_eq!((&tenant, serde_json::to_string(&tenant).unwrap()), (&"t1".into(), "\"t1\"".into()));
}
