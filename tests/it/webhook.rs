//! The rules of webhooks: each with a valid and an invalid document.
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::Envelope;
use hooksieve::webhook::{
    Header, Level, MAX_PER_USER, NewWebhook, Rules, Webhook, WebhookDocument,
};
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

const CREATED: &str = "com.qlik.v1.app.created";
const DELETED: &str = "com.qlik.v1.app.deleted";
const RELOADED: &str = "com.qlik.v1.app.reload.finished";

/// Returns a valid document with some members set, or removed by null.
fn body(members: &Value) -> Value {
    let mut body = json!({
        "name": "n", "url": "https://hooks.example.com/", "enabled": true, "eventTypes": [CREATED],
    });
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => body.as_object_mut().unwrap().remove(name),
            value => body.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    body
}

fn new_webhook() -> NewWebhook {
    NewWebhook::new("w1", "creator", (UNIX_EPOCH + Duration::from_millis(1_600_000_000_250)).into())
}

fn create(members: &Value) -> Result<Webhook, Diagnostics> {
    Webhook::create(&body(members).into(), &Rules::default(), new_webhook())
        .map(|checked| checked.webhook)
}

fn found<'p>(problems: impl IntoIterator<Item = &'p Diagnostic>) -> Vec<(String, &'static str)> {
    problems.into_iter().map(|problem| (problem.pointer().to_owned(), problem.code())).collect()
}

fn refused(members: &Value) -> Vec<(String, &'static str)> {
    create(members).map_or_else(|problems| found(&problems), |_| Vec::new())
}

/// The rules of the webhook table, each with accepted and refused members, and the place and code.
#[test]
fn applies_every_rule() {
    let text = |length: usize| "ü".repeat(length);
    let url = |length: usize| format!("https://hooks.example.com/{}", "é".repeat(length - 26));
    let header = |bytes: usize| json!({"x-a": "v".repeat(bytes - 3)});
    let accepted = [
        ("name: 1 to 512 characters", json!({"name": "n"})),
        ("name: 1 to 512 characters", json!({"name": text(512)})),
        ("url: up to 2048 characters as written", json!({"url": url(2048)})),
        ("url: https, a domain name", json!({"url": "https://Hooks.Example.com"})),
        ("description: up to 1024 characters", json!({"description": ""})),
        ("description: up to 1024 characters", json!({"description": text(1024)})),
        ("level: tenant or user", json!({"level": "tenant"})),
        ("level: tenant or user", json!({"level": "user"})),
        ("ownerId: for level user", json!({"level": "user", "ownerId": "u"})),
        ("eventTypes: known", json!({"eventTypes": [CREATED, DELETED]})),
        ("eventTypes: known by the newer name", json!({"eventTypes": ["com.qlik.app.created"]})),
        ("eventTypes: duplicates are dropped", json!({"eventTypes": [CREATED, CREATED]})),
        ("eventTypes: none is allowed", json!({"eventTypes": []})),
        ("eventTypes: none is allowed", json!({"eventTypes": null})),
        ("filter: the profile's", json!({"filter": r#"id eq "a" or spaceId ne "b""#})),
        ("filter: blank is none", json!({"filter": " "})),
        (
            "filter: data.status with reload events only",
            json!({"filter": r#"data.status eq "ok""#, "eventTypes": [RELOADED, RELOADED]}),
        ),
        ("secret: 32 to 64 characters", json!({"secret": text(32)})),
        ("secret: 32 to 64 characters", json!({"secret": text(64)})),
        ("headers: valid", json!({"headers": {"X-A": "", "authorization": "a\tb ~"}})),
        ("headers: up to 2048 bytes", json!({"headers": header(2048)})),
        (
            "encryptedHeaders: 2048 bytes of their own",
            json!({"headers": header(2048), "encryptedHeaders": {"x-b": "v".repeat(2045)}}),
        ),
        ("enabled: a boolean", json!({"enabled": true})),
        ("enableCloudEventDelivery: a boolean", json!({"enableCloudEventDelivery": false})),
        ("checkCertificateRevocation: a boolean", json!({"checkCertificateRevocation": true})),
        ("origin: one of three", json!({"origin": "management-console"})),
    ];
    for (rule, members) in accepted {
        assert_eq!(refused(&members), [], "{rule}: {members}");
    }
    let refusals = [
        ("name: required", json!({"name": null}), "/name", "member-missing"),
        ("name: 1 to 512 characters", json!({"name": ""}), "/name", "member-too-short"),
        ("name: 1 to 512 characters", json!({"name": text(513)}), "/name", "member-too-long"),
        ("name: a string", json!({"name": 5}), "/name", "member-wrong-type"),
        ("url: required", json!({"url": null}), "/url", "member-missing"),
        ("url: up to 2048 characters", json!({"url": url(2049)}), "/url", "member-too-long"),
        ("url: https", json!({"url": "http://hooks.example.com"}), "/url", "url-not-https"),
        ("url: a string", json!({"url": ["https://a.b"]}), "/url", "member-wrong-type"),
        (
            "description: up to 1024",
            json!({"description": text(1025)}),
            "/description",
            "member-too-long",
        ),
        ("level: tenant or user", json!({"level": "Tenant"}), "/level", "member-not-allowed"),
        ("level: a string", json!({"level": true}), "/level", "member-wrong-type"),
        ("ownerId: for level user", json!({"ownerId": "u"}), "/ownerId", "owner-not-allowed"),
        (
            "ownerId: not empty",
            json!({"level": "user", "ownerId": ""}),
            "/ownerId",
            "member-too-short",
        ),
        (
            "eventTypes: an array",
            json!({"eventTypes": CREATED}),
            "/eventTypes",
            "member-wrong-type",
        ),
        (
            "eventTypes: of strings",
            json!({"eventTypes": [CREATED, 5]}),
            "/eventTypes/1",
            "member-wrong-type",
        ),
        (
            "eventTypes: known",
            json!({"eventTypes": [CREATED, "com.qlik.v1.app.craeted"]}),
            "/eventTypes/1",
            "event-type-unknown",
        ),
        (
            "eventTypes: each supports the level",
            json!({"level": "user", "eventTypes": [CREATED, DELETED]}),
            "/eventTypes/1",
            "event-type-level",
        ),
        ("filter: a string", json!({"filter": 5}), "/filter", "member-wrong-type"),
        ("filter: its grammar", json!({"filter": "id eq x"}), "/filter", "filter-unquoted-value"),
        (
            "filter: the profile",
            json!({"filter": r#"id co "x""#}),
            "/filter",
            "filter-unsupported-operator",
        ),
        (
            "filter: data.status with reload events",
            json!({"filter": r#"data.status eq "ok""#}),
            "/filter",
            "filter-attribute-not-allowed",
        ),
        (
            "filter: data.status with reload events only",
            json!({"filter": r#"data.status eq "ok""#, "eventTypes": [RELOADED, CREATED]}),
            "/filter",
            "filter-attribute-not-allowed",
        ),
        (
            "filter: data.status with an event type",
            json!({"filter": r#"data.status eq "ok""#, "eventTypes": []}),
            "/filter",
            "filter-attribute-not-allowed",
        ),
        (
            "filter: the values of data.status",
            json!({"filter": r#"data.status eq "OK""#, "eventTypes": [RELOADED]}),
            "/filter",
            "filter-value-not-allowed",
        ),
        ("secret: 32 to 64", json!({"secret": text(31)}), "/secret", "member-too-short"),
        ("secret: 32 to 64", json!({"secret": text(65)}), "/secret", "member-too-long"),
        ("secret: a string", json!({"secret": {}}), "/secret", "member-wrong-type"),
        ("headers: an object", json!({"headers": ["x-a"]}), "/headers", "member-wrong-type"),
        (
            "headers: of strings",
            json!({"headers": {"x-a": 5}}),
            "/headers/x-a",
            "member-wrong-type",
        ),
        (
            "headers: names are tokens",
            json!({"headers": {"x a": ""}}),
            "/headers/x a",
            "header-name",
        ),
        ("headers: names are tokens", json!({"headers": {"": ""}}), "/headers/", "header-name"),
        ("headers: pointers", json!({"headers": {"a/b~": ""}}), "/headers/a~1b~0", "header-name"),
        (
            "headers: values",
            json!({"headers": {"x-a": "a\r\nx-b: c"}}),
            "/headers/x-a",
            "header-value",
        ),
        ("headers: values", json!({"headers": {"x-a": "é"}}), "/headers/x-a", "header-value"),
        ("headers: values", json!({"headers": {"x-a": " a"}}), "/headers/x-a", "header-value"),
        ("headers: values", json!({"headers": {"x-a": "a\0"}}), "/headers/x-a", "header-value"),
        (
            "headers: no duplicates, case-insensitively",
            json!({"headers": {"X-A": "1", "x-a": "2"}}),
            "/headers/x-a",
            "header-doubled",
        ),
        (
            "headers: reserved",
            json!({"headers": {"Host": "x"}}),
            "/headers/Host",
            "header-reserved",
        ),
        (
            "headers: up to 2048 bytes",
            json!({"headers": header(2049)}),
            "/headers",
            "headers-too-large",
        ),
        (
            "encryptedHeaders: an object",
            json!({"encryptedHeaders": "x-a"}),
            "/encryptedHeaders",
            "member-wrong-type",
        ),
        (
            "encryptedHeaders: values are given",
            json!({"encryptedHeaders": ["x-a"]}),
            "/encryptedHeaders",
            "header-without-value",
        ),
        (
            "encryptedHeaders: no duplicates",
            json!({"encryptedHeaders": {"X-A": "1", "x-a": "2"}}),
            "/encryptedHeaders/x-a",
            "header-doubled",
        ),
        (
            "encryptedHeaders: reserved",
            json!({"encryptedHeaders": {"Qlik-Signature": "x"}}),
            "/encryptedHeaders/Qlik-Signature",
            "header-reserved",
        ),
        (
            "encryptedHeaders: up to 2048 bytes",
            json!({"encryptedHeaders": header(2049)}),
            "/encryptedHeaders",
            "headers-too-large",
        ),
        (
            "both: a name is in one of them",
            json!({"headers": {"x-a": "1"}, "encryptedHeaders": {"X-A": "2"}}),
            "/encryptedHeaders/X-A",
            "header-doubled",
        ),
        ("enabled: a boolean", json!({"enabled": "true"}), "/enabled", "member-wrong-type"),
        (
            "enableCloudEventDelivery: a boolean",
            json!({"enableCloudEventDelivery": 1}),
            "/enableCloudEventDelivery",
            "member-wrong-type",
        ),
        (
            "checkCertificateRevocation: a boolean",
            json!({"checkCertificateRevocation": "no"}),
            "/checkCertificateRevocation",
            "member-wrong-type",
        ),
        ("origin: one of three", json!({"origin": "API"}), "/origin", "member-not-allowed"),
    ];
    for (rule, members, pointer, code) in refusals {
        assert_eq!(refused(&members), [(pointer.to_owned(), code)], "{rule}: {members}");
        for problem in &create(&members).unwrap_err() {
            let (title, detail) = (problem.message(), problem.help());
            assert!(
                !detail.is_empty() && title.starts_with(|c: char| !c.is_uppercase()),
                "{title}"
            );
            assert!(title.len() < 300 && !title.ends_with('.') && !title.contains('\n'), "{title}");
        }
    }
}

#[test]
fn refuses_reserved_headers() {
    let names = "connection keep-alive te trailer transfer-encoding upgrade proxy-connection \
        content-length content-encoding host content-type user-agent qlik-signature expect \
        via http2-settings proxy-authenticate proxy-authentication-info proxy-authorization \
        webhook-id webhook-signature webhook-x ce-id ce-type CE-X Content-LENGTH";
    for name in names.split_whitespace() {
        for group in ["headers", "encryptedHeaders"] {
            let pointer = format!("/{group}/{name}");
            let mut members = json!({});
            members[group] = json!({name: "x"});
            assert_eq!(refused(&members), [(pointer, "header-reserved")]);
        }
    }
    let fine = json!({"headers": {"webhook": "x", "ce": "x", "x-webhook-id": "x", "cookie": "x"}});
    assert_eq!(refused(&fine), []);
}

#[test]
fn reports_eight_errors_at_once() {
    let problems = create(&json!({
        "name": null,
        "url": "http://hooks.example.com/",
        "level": "everyone",
        "eventTypes": ["com.qlik.v1.app.craeted"],
        "filter": "id eq id123",
        "secret": "short",
        "headers": {"Host": "x"},
        "enabled": "yes",
    }))
    .unwrap_err();
    assert_eq!(
        found(&problems),
        [
            ("/name".to_owned(), "member-missing"),
            ("/url".to_owned(), "url-not-https"),
            ("/level".to_owned(), "member-not-allowed"),
            ("/eventTypes/0".to_owned(), "event-type-unknown"),
            ("/filter".to_owned(), "filter-unquoted-value"),
            ("/secret".to_owned(), "member-too-short"),
            ("/headers/Host".to_owned(), "header-reserved"),
            ("/enabled".to_owned(), "member-wrong-type"),
        ]
    );
    let filter = problems.iter().find(|problem| problem.code().starts_with("filter-")).unwrap();
    assert_eq!(filter.span().unwrap().range(), 6..11);
    assert_eq!(problems.to_string(), "webhook has no `name`, and 7 more");
}

/// One error does not hide another.
#[test]
fn reports_two_errors_of_one_header() {
    let duplicate = ("/encryptedHeaders/X-A".to_owned(), "header-doubled");
    let value = ("/encryptedHeaders/X-A".to_owned(), "header-value");
    let members = json!({"headers": {"x-a": "1"}, "encryptedHeaders": {"X-A": "é"}});
    assert_eq!(refused(&members), [value, duplicate.clone()]);
    let members = json!({"headers": {"x-a": 5}, "encryptedHeaders": {"X-A": "1"}});
    assert_eq!(refused(&members), [("/headers/x-a".to_owned(), "member-wrong-type"), duplicate]);
    let document = json!({"headers": {"x-b": "1"}, "encryptedHeaders": ["x-a", "X-B"]});
    let report = Rules::default().check(&body(&document).into());
    assert_eq!(found(report.errors()), [("/encryptedHeaders/1".to_owned(), "header-doubled")]);
}

/// An error that only follows from another one is not reported.
#[test]
fn reports_no_error_that_follows_from_another() {
    let members = json!({"eventTypes": [5], "filter": r#"data.status eq "ok""#});
    assert_eq!(refused(&members), [("/eventTypes/0".to_owned(), "member-wrong-type")]);
    let long = format!("http://localhost/{}", "a".repeat(3000));
    let codes = ["member-too-long", "url-not-https", "url-reserved-host"];
    let found: Vec<_> = refused(&json!({"url": long})).into_iter().map(|(_, code)| code).collect();
    assert_eq!(found, codes);
}

/// A small request cannot cause a large response.
#[test]
fn limits_the_listed_problems() {
    let problems = create(&json!({"eventTypes": vec![5; 3000]})).unwrap_err();
    assert_eq!(problems.iter().count(), Diagnostics::MAX + 1);
    let last = problems.iter().last().unwrap();
    assert_eq!((last.code(), last.message()), ("more-problems", "there are 2000 more problems"));
    assert_eq!(problems.to_string(), "an event type is a number, and 2999 more");
    let one_more = Rules::default().check(&body(&json!({"eventTypes": vec![5; 1001]})).into());
    assert_eq!((one_more.errors().len(), one_more.error_count()), (1001, 1001));
    assert_eq!(one_more.errors()[1000].message(), "there is 1 more problem");
    // Nor a long search: only the first few unknown names are compared with the known ones.
    let cased = |n: usize| {
        let letters = "created".chars().enumerate();
        letters.map(|(at, c)| if n >> at & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect()
    };
    let names =
        (1..=100).map(|n| format!("com.qlik.v1.app.{}", String::from_iter::<Vec<_>>(cased(n))));
    let names: Vec<_> = names.collect();
    let problems = create(&json!({"eventTypes": names})).unwrap_err();
    let helped = problems.iter().filter(|problem| problem.help().starts_with("did you mean"));
    assert_eq!((problems.iter().count(), helped.count()), (100, 16));
}

#[test]
fn refuses_duplicate_members() {
    let rules = Rules::default();
    for (text, pointer, code) in [
        (r#"{"name":"n","name":"m","url":"https://a.b"}"#, "/name", "member-doubled"),
        (r#"{"name":"n","url":"https://a.b","x/y":1,"x/y":2}"#, "/x~1y", "member-doubled"),
        (
            r#"{"name":"n","url":"https://a.b","headers":{"x-a":"1","x-b":"2","x-a":"3"}}"#,
            "/headers/x-a",
            "header-doubled",
        ),
    ] {
        let body = WebhookDocument::read(text.as_bytes()).unwrap();
        let problems = Webhook::create(&body, &rules, new_webhook()).unwrap_err();
        assert_eq!(found(&problems), [(pointer.to_owned(), code)], "{text}");
    }
}

#[test]
fn refuses_documents_other_than_objects() {
    for text in ["null", "5", "\"x\"", "[]", "true"] {
        let body = WebhookDocument::read(text.as_bytes()).unwrap();
        let problems = Webhook::create(&body, &Rules::default(), new_webhook()).unwrap_err();
        assert_eq!(found(&problems), [(String::new(), "webhook-not-an-object")]);
    }
    for text in [&b"{"[..], b"", b"{\"name\": \xff}", &[b'['; 200]] {
        let problems = WebhookDocument::read(text).unwrap_err();
        assert_eq!(found(&problems), [(String::new(), "webhook-syntax")]);
        let expected = serde_json::from_slice::<Value>(text).unwrap_err();
        assert_eq!(problems.to_string(), format!("the body is not JSON: {expected}"));
        assert_eq!(Webhook::restore_from(text, &Rules::default()), Err(problems));
    }
}

#[test]
fn applies_defaults() {
    let webhook = create(&json!({"eventTypes": null, "enabled": null})).unwrap();
    assert_eq!((webhook.level(), webhook.is_enabled()), (Level::Tenant, false));
    assert!(webhook.envelope() == Envelope::CloudEvents && !webhook.checks_revocation());
    assert_eq!(webhook.origin().as_str(), "api");
    assert_eq!((webhook.owner(), webhook.event_types().len()), (None, 0));
    assert_eq!((webhook.filter_text(), webhook.filter().to_string()), (None, String::new()));
    let user = create(&json!({"level": "user"})).unwrap();
    assert_eq!(user.owner().unwrap().as_str(), "creator");
}

#[test]
fn warns_of_what_is_probably_unintended() {
    let cases = [
        (json!({"eventTypes": []}), "/eventTypes", "event-types-none"),
        (json!({"eventTypes": null}), "/eventTypes", "event-types-none"),
        (json!({"url": "https://a.b/#x"}), "/url", "url-fragment"),
        (json!({"eventtypes": 5}), "/eventtypes", "member-unknown"),
        (json!({"enabled": null}), "/enabled", "enabled-missing"),
        (json!({"encryptedHeaders": ["x-a"]}), "/encryptedHeaders", "header-without-value"),
        (json!({"filter": "id eq \"a\" and id eq \"b\""}), "/filter", "never-matches"),
        (json!({"filter": "id ne \"a\" or id ne \"b\""}), "/filter", "always-matches"),
        (json!({"filter": "id eq \"a\" or ID EQ \"a\""}), "/filter", "redundant-term"),
        (
            json!({"eventTypes": ["com.qlik.v1.app.reload.finished"], "filter": "id eq \"a\""}),
            "/filter",
            "attribute-never-present",
        ),
    ];
    for (members, pointer, code) in cases {
        let report = Rules::default().check(&body(&members).into());
        assert_eq!(found(report.errors()), []);
        assert_eq!(found(report.warnings()), [(pointer.to_owned(), code)], "{members}");
        assert_eq!(report.clone().into_result(), Ok(report.warnings().to_vec()));
        // Creation gives the same warnings, except for those about the document only.
        let created = Webhook::create(&body(&members).into(), &Rules::default(), new_webhook());
        let Ok(created) = created else {
            assert_eq!(code, "header-without-value");
            continue;
        };
        assert_eq!(created.warnings, report.warnings(), "{members}");
        let of_document = ["member-unknown", "enabled-missing"].contains(&code);
        let warnings = created.webhook.warnings(&Rules::default());
        assert_eq!(warnings.is_empty(), of_document, "{members}");
    }
    // Null counts as absent.
    let mut plain = body(&json!({}));
    plain["id"] = Value::Null;
    assert_eq!(Rules::default().check(&plain.into()).into_result(), Ok(vec![]));
}

/// Returns a webhook with every member set.
fn full() -> Webhook {
    create(&json!({
        "name": "Everything", "url": "https://Hooks.Example.com/x#y", "description": "",
        "level": "user", "ownerId": "owner", "eventTypes": [RELOADED, RELOADED],
        "filter": "( data.status  EQ \"ok\" )", "secret": "s3cr3t-0123456789-abcdefghijklmnop",
        "headers": {"X-Plain": "shown"}, "encryptedHeaders": {"X-Hidden": "h1dden", "a": ""},
        "enabled": true, "enableCloudEventDelivery": false, "checkCertificateRevocation": true,
        "origin": "automations",
    }))
    .unwrap()
}

#[test]
fn returns_every_member() {
    let webhook = full();
    let names = |headers: &[Header]| headers.iter().map(|h| h.written().to_owned()).collect();
    let (plain, hidden): (Vec<_>, Vec<_>) =
        (names(webhook.headers()), names(webhook.encrypted_headers()));
    assert_eq!((webhook.id().as_str(), webhook.name()), ("w1", "Everything"));
    assert_eq!((webhook.url(), webhook.description()), ("https://hooks.example.com/x#y", Some("")));
    assert_eq!((webhook.level(), webhook.owner()), (Level::User, Some(&"owner".into())));
    assert_eq!((webhook.tenant(), webhook.event_types()), (None, &[RELOADED.into()][..]));
    assert_eq!(webhook.filter_text(), Some("( data.status  EQ \"ok\" )"));
    let secret = webhook.secret().unwrap().expose();
    assert_eq!(secret, Some("s3cr3t-0123456789-abcdefghijklmnop"));
    assert_eq!((plain, hidden), (vec!["X-Plain".into()], vec!["a".into(), "X-Hidden".into()]));
    assert!(webhook.is_enabled() && webhook.envelope() == Envelope::Legacy);
    assert!(webhook.checks_revocation());
    assert_eq!(webhook.origin().as_str(), "automations");
    assert_eq!(webhook.created(), webhook.updated());
    assert_eq!(webhook.created().by.as_ref(), Some(&"creator".into()));
    assert_eq!(webhook.created().at.unwrap().to_string(), "2020-09-13T12:26:40.250Z");
    assert_eq!((webhook.disabled_reason(), webhook.disabled_code()), (None, None));
}

#[test]
fn reads_and_sets_members_of_a_document() {
    let text = br#"{"name": "n", "name": "m", "url": null, "level": 5}"#;
    let mut body = WebhookDocument::read(text).unwrap();
    assert_eq!(body.text("name"), Some("n"));
    assert_eq!((body.text("url"), body.text("level"), body.text("id")), (None, None, None));
    assert_eq!(["name", "level", "url", "id"].map(|n| body.has(n)), [true, true, false, false]);
    body.set("url", "u");
    body.set("id", "w");
    assert_eq!((body.text("url"), body.text("id")), (Some("u"), Some("w")));
    let mut none = WebhookDocument::from(json!([]));
    none.set("name", "n");
    assert_eq!((none.has("name"), none == json!([]).into()), (false, true));
    // A value that JSON does not have, from another format.
    let bytes = serde::de::value::BytesDeserializer::<serde::de::value::Error>::new(b"x");
    let error =
        <WebhookDocument as serde::Deserialize>::deserialize(bytes).unwrap_err().to_string();
    assert_eq!(error, "invalid type: byte array, expected a JSON value");
}

#[test]
fn writes_and_reads_documents() {
    let webhook = full();
    insta::assert_snapshot!("response", serde_json::to_string_pretty(&webhook).unwrap());
    insta::assert_snapshot!("stored", serde_json::to_string_pretty(&webhook.stored()).unwrap());

    let rules = Rules::default();
    let stored = serde_json::to_vec(&webhook.stored()).unwrap();
    assert_eq!(
        Webhook::restore(&WebhookDocument::read(&stored).unwrap(), &rules),
        Ok(webhook.clone())
    );
    assert!(!webhook.has_redacted_secrets());

    let response = serde_json::to_value(&webhook).unwrap();
    let read = Webhook::read(&response.clone().into(), &rules).unwrap().webhook;
    assert!(read.has_redacted_secrets() && read.secret().is_some());
    assert_eq!(read.encrypted_headers()[1].written(), "X-Hidden");
    assert_eq!(serde_json::to_value(&read).unwrap(), response);
    // Unknown values are not invented.
    let stored = serde_json::to_value(read.stored()).unwrap();
    assert_eq!(stored, response);
    // One unknown value is enough.
    for members in [json!({"secretKeyAdded": true}), json!({"encryptedHeaders": ["x-a"]})] {
        let mut response = body(&members);
        response["id"] = "w1".into();
        assert!(
            Webhook::read(&response.into(), &rules).unwrap().webhook.has_redacted_secrets(),
            "{members}"
        );
    }
}

#[test]
fn checks_what_the_server_sets_when_reading() {
    let rules = Rules::default();
    let read = |members: Value| {
        let webhook = Webhook::read(&body(&members).into(), &rules);
        webhook.map_or_else(|problems| found(&problems), |_| Vec::new())
    };
    assert_eq!(read(json!({"id": "w"})), []);
    assert_eq!(read(json!({"id": "w", "createdAt": "2026-01-31T09:00:00.123456Z"})), []);
    let names = ["a".repeat(1024), "b".repeat(1024)];
    assert_eq!(read(json!({"id": "w", "encryptedHeaders": names})), []);
    for (members, pointer, code) in [
        (json!({}), "/id", "member-missing"),
        (json!({"id": ""}), "/id", "member-too-short"),
        (json!({"id": 5}), "/id", "member-wrong-type"),
        (json!({"id": "w", "tenantId": ""}), "/tenantId", "member-too-short"),
        (json!({"id": "w", "createdAt": "yesterday"}), "/createdAt", "member-invalid-time"),
        (
            json!({"id": "w", "updatedAt": "2026-02-30T00:00:00Z"}),
            "/updatedAt",
            "member-invalid-time",
        ),
        (
            json!({"id": "w", "updatedAt": "2026-01-31T09:00:00+02:00"}),
            "/updatedAt",
            "member-invalid-time",
        ),
        (json!({"id": "w", "createdByUserId": 5}), "/createdByUserId", "member-wrong-type"),
        (json!({"id": "w", "secretKeyAdded": "yes"}), "/secretKeyAdded", "member-wrong-type"),
        (json!({"id": "w", "disabledReason": 5}), "/disabledReason", "member-wrong-type"),
        (
            json!({"id": "w", "encryptedHeaders": ["x-a", "X-A"]}),
            "/encryptedHeaders/1",
            "header-doubled",
        ),
        (
            json!({"id": "w", "encryptedHeaders": ["x-a", 5]}),
            "/encryptedHeaders/1",
            "member-wrong-type",
        ),
        (
            json!({"id": "w", "encryptedHeaders": ["a".repeat(1024), "b".repeat(1025)]}),
            "/encryptedHeaders",
            "headers-too-large",
        ),
    ] {
        assert_eq!(read(members.clone()), [(pointer.to_owned(), code)], "{members}");
    }
    // By default, a webhook of level user belongs to its creator.
    let document = body(&json!({"id": "w", "level": "user", "createdByUserId": "u"}));
    let webhook = Webhook::read(&document.into(), &rules).unwrap().webhook;
    assert_eq!(webhook.owner().unwrap().as_str(), "u");
}

#[test]
fn limits_the_webhooks_of_a_user() {
    let rules = Rules::default();
    let body: WebhookDocument = body(&json!({"name": null})).into();
    let problems = |has| {
        let new = new_webhook().within_limit(has, MAX_PER_USER);
        found(&Webhook::create(&body, &rules, new).unwrap_err())
    };
    let codes = |has| problems(has).into_iter().map(|(_, code)| code).collect::<Vec<_>>();
    assert_eq!(codes(149), ["member-missing"]);
    assert_eq!(codes(150), ["webhook-limit", "member-missing"]);
}

#[test]
fn disables_and_enables_a_webhook() {
    let webhook = full().disabled("Too many failures", "failures", UNIX_EPOCH.into());
    assert!(!webhook.is_enabled());
    assert_eq!(webhook.disabled_reason(), Some("Too many failures"));
    assert_eq!(webhook.disabled_code(), Some("failures"));
    let response = serde_json::to_value(&webhook).unwrap();
    assert_eq!(response["disabledReasonCode"], "failures");
    assert!(response["updatedByUserId"].is_null(), "no user did it");
    assert_eq!(response["updatedAt"], "1970-01-01T00:00:00Z");
    let patch = json!([{"op": "replace", "path": "/enabled", "value": true}]);
    let edit = webhook.created().clone();
    let enabled = webhook.patched(&patch.into(), &Rules::default(), edit).unwrap().webhook;
    assert_eq!((enabled.disabled_reason(), enabled.disabled_code()), (None, None));
}

/// Any time of any clock can be written and read back.
#[test]
fn clamps_times_beyond_the_calendar() {
    use hooksieve::webhook::Timestamp;
    let far = Timestamp::from(UNIX_EPOCH + Duration::from_secs(1_000_000_000_000));
    assert_eq!(far.to_string(), "9999-12-31T23:59:59.999999999Z");
    let past = Timestamp::from(UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(past.to_string(), "1970-01-01T00:00:00Z");
    for time in [far, past] {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
}

/// As few digits of the fraction as are exact, in steps of three.
#[test]
fn writes_fractions_of_seconds() {
    use hooksieve::webhook::Timestamp;
    for (nanos, fraction) in [
        (0, ""),
        (500_000_000, ".500"),
        (1_000_000, ".001"),
        (250_000, ".000250"),
        (1_000, ".000001"),
        (999, ".000000999"),
        (123_456_789, ".123456789"),
    ] {
        let time = Timestamp::from(UNIX_EPOCH + Duration::from_nanos(nanos));
        assert_eq!(time.to_string(), format!("1970-01-01T00:00:00{fraction}Z"));
        assert_eq!((format!("{time:?}"), time.to_string().parse()), (time.to_string(), Ok(time)));
    }
}

/// Codes are stable, and each has one kind.
#[test]
fn lists_stable_codes() {
    let mut codes: Vec<_> = hooksieve::webhook::codes().collect();
    insta::assert_snapshot!(codes.join("\n"));
    // The guide explains each of them.
    let guide = std::fs::read_to_string("src/guide/webhooks.md").unwrap();
    for code in codes.iter().filter(|code| **code != "filter") {
        assert!(guide.contains(&format!("`{code}`")), "{code} is not in the guide");
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), hooksieve::webhook::codes().count());
}
