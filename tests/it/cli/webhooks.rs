//! The verbs about webhooks: `validate`, `patch` and `event-types`.
use crate::program;

use hooksieve::webhook::{NewWebhook, Patch, Rules, Webhook, WebhookDocument};
use program::{EVENTS, Temporary, WEBHOOKS, run, sample, shown};
use serde_json::{Value, json};

const MISTAKES: &str = "tests/data/webhooks-with-mistakes.ndjson";

#[test]
fn validates_webhooks() {
    insta::assert_snapshot!("validate_text", shown(&["validate", MISTAKES], ""));
    insta::assert_snapshot!(
        "validate_json",
        shown(&["validate", "--format", "json", MISTAKES], "")
    );
    let output = run(&["validate", WEBHOOKS], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.ends_with("\n10 valid, 0 invalid: 0 errors, 0 warnings\n"), "{text}");
}

/// The members that the server sets are in one note per webhook, and are not warnings.
#[test]
fn validates_responses_without_warnings() {
    let denied = run(&["validate", "--deny-warnings", WEBHOOKS], b"");
    assert_eq!(denied.status.code(), Some(0));
    let text = String::from_utf8(denied.stdout).unwrap();
    assert_eq!(text.matches(": note: set by the server, ignored in a request: id, ").count(), 10);
    let response = json!({
        "id": "w1", "name": "n", "url": "https://a.b/", "eventTypes": ["com.qlik.v1.app.created"],
        "enabled": true, "createdAt": "2026-01-31T09:00:00Z", "secretKeyAdded": true,
        "encryptedHeaders": ["x-a"],
    });
    let report = |document: &Value, code| {
        let arguments = ["validate", "--deny-warnings", "--format", "json"];
        let output = run(&arguments, document.to_string().as_bytes());
        assert_eq!(output.status.code(), Some(code), "{document}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let clean = report(&response, 0);
    assert_eq!(clean["warnings"], json!([]));
    assert_eq!(clean["serverMembers"], json!(["createdAt", "id", "secretKeyAdded"]));
    let mut misspelled = response.clone();
    misspelled["enabeld"] = json!(true);
    assert_eq!(report(&misspelled, 1)["warnings"][0]["code"], "member-unknown");
    let mut request = response;
    for member in ["id", "createdAt", "secretKeyAdded", "encryptedHeaders"] {
        request.as_object_mut().unwrap().remove(member);
    }
    assert!(report(&request, 0).get("serverMembers").is_none());
}

/// The suggested patch has the effect that the merge patch was meant to have.
#[test]
fn suggests_operations_for_a_merge_patch() {
    let document = json!({
        "name": "n", "url": "https://a.b/", "enabled": true, "secret": "s".repeat(32),
        "eventTypes": ["com.qlik.v1.app.created"],
    });
    let file = Temporary::new("merge.json", &document.to_string());
    let patch = |patch: &str| {
        let arguments = ["patch", "--format", "json", "--webhook", file.path(), "-"];
        let output = run(&arguments, patch.as_bytes());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), answer)
    };
    let (code, refused) = patch(r#"{"enabled": false}"#);
    assert_eq!((code, &refused["errors"][0]["code"]), (Some(1), &json!("patch-not-an-array")));
    let (code, patched) = patch(refused["errors"][0]["suggestion"].as_str().unwrap());
    assert_eq!((code, &patched["enabled"]), (Some(0), &json!(false)));
    let output = run(&["patch", "--webhook", file.path(), "-"], br#"{"enabled": false}"#);
    let text = String::from_utf8(output.stdout).unwrap();
    let help = r#"send `[{"op":"replace","path":"/enabled","value":false}]`"#;
    assert!(text.contains(help), "{text}");
}

/// Commas separate event types, as in the vendor's program.
#[test]
fn splits_event_types_at_commas() {
    let filter = r#"data.status eq "ok""#;
    let reloaded = "com.qlik.v1.app.reload.finished";
    for (types, code) in [
        (vec![reloaded], 0),
        (vec!["com.qlik.v1.app.created,com.qlik.v1.app.reload.finished"], 1),
        (vec!["com.qlik.v1.app.created, com.qlik.v1.app.reload.finished"], 1),
        (vec!["com.qlik.v1.app.created", reloaded], 1),
    ] {
        let mut arguments = vec!["check", "--format", "json", filter];
        arguments.extend(types.iter().flat_map(|name| ["--event-type", *name]));
        let output = run(&arguments, b"");
        assert_eq!(output.status.code(), Some(code), "{types:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let codes = report["errors"].as_array().unwrap().iter().map(|error| &error["code"]);
        let expected = vec!["filter-attribute-not-allowed"; usize::from(code == 1)];
        assert_eq!(codes.collect::<Vec<_>>(), expected);
        // Each is a known event type, so the list was split.
        assert_eq!(report["warnings"], json!([]), "{types:?}");
        let mut arguments = vec!["diff", "--format", "json", filter, filter];
        arguments.extend(types.iter().flat_map(|name| ["--event-type", *name]));
        let output = run(&arguments, b"");
        assert_eq!(output.status.code(), Some(code), "{types:?}");
    }
}

/// Each webhook gives one line of output for every form of the file; line numbers count in the
/// file.
#[test]
fn validates_files_in_every_form() {
    let good = r#"{"name":"n","url":"https://a.b/","enabled":true,"eventTypes":["com.qlik.v1.app.created"]}"#;
    let bad = r#"{"name":"","url":"https://a.b/","enabled":true,"eventTypes":["com.qlik.v1.app.created"]}"#;
    let place =
        |line, number| format!(r##"{{"file":"<stdin>","line":{line},"webhook":"#{number}""##);
    let valid = |line, number| {
        format!(r#"{},"valid":true,"errors":[],"warnings":[]}}"#, place(line, number))
    };
    let invalid = |line, number| {
        format!(
            r#"{},"valid":false,"errors":[{{"code":"member-too-short","title":"`name` is empty","detail":"give it 1 to 512 characters","pointer":"/name"}}],"warnings":[]}}"#,
            place(line, number)
        )
    };
    for (input, lines) in [
        (good.to_owned(), vec![valid(1, 1)]),
        (format!("\n\n{bad}\n"), vec![invalid(3, 1)]),
        (format!("{good}\n\n{bad}\n"), vec![valid(1, 1), invalid(3, 2)]),
        (format!("[{good},\n{bad}]"), vec![valid(1, 1), invalid(2, 2)]),
        (format!("{{\"data\":[\n{bad},\n\n{good}]}}"), vec![invalid(2, 1), valid(4, 2)]),
        ("[]".to_owned(), vec![]),
    ] {
        for arguments in
            [&["validate", "--format", "json"][..], &["validate", "--format", "json", "-"]]
        {
            let output = run(arguments, input.as_bytes());
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.lines().collect::<Vec<_>>(), lines, "{input}");
            let bad = lines.iter().any(|line| line.contains("false"));
            assert_eq!(output.status.code(), Some(i32::from(bad)), "{input}");
        }
    }
    for (input, line, code) in [
        ("[{]", 1, "webhook-syntax"),
        ("\n{\n\"name\": }", 3, "webhook-syntax"),
        ("", 1, "webhook-syntax"),
        ("\u{fffd}", 1, "webhook-syntax"),
        ("[5]", 1, "webhook-not-an-object"),
        ("5", 1, "webhook-not-an-object"),
        ("{\"data\": 5}", 1, "webhook-syntax"),
        ("\n{\"data\": {}}", 2, "webhook-syntax"),
        ("{\"data\": null}", 1, "member-missing"),
        (r#"{"name": "", "url": "x", "data": []}"#, 1, "member-too-short"),
    ] {
        let output = run(&["validate", "--format", "json"], input.as_bytes());
        let text = String::from_utf8(output.stdout).unwrap();
        let report: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&report["line"], &report["valid"]), (&json!(line), &json!(false)), "{input}");
        assert_eq!(report["errors"][0]["code"], code, "{input}");
        assert_eq!(output.status.code(), Some(1));
    }
    // A line that is not UTF-8 does not affect the others; an array that is not cannot be read.
    let lines = [good.as_bytes(), b"\n{\"name\": \"\xff\"}\n", good.as_bytes()].concat();
    let output = run(&["validate", "--format", "json"], &lines);
    let text = String::from_utf8(output.stdout).unwrap();
    let wrong =
        r#"{},"valid":false,"errors":[{"code":"webhook-utf8""#.replacen("{}", &place(2, 2), 1);
    let codes = [valid(1, 1), wrong, valid(3, 3)];
    assert!(text.lines().zip(&codes).all(|(line, code)| line.starts_with(code)), "{text}");
    assert_eq!(text.lines().count(), 3);
    for bytes in [&b"{\"name\": \"\xff\"}"[..], b"[{},\n{\"name\": \"\xff\"}]"] {
        let output = run(&["validate", "--format", "json"], bytes);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("webhook-utf8") && text.lines().count() == 1, "{text}");
    }
}

/// `match` accepts exactly the webhooks that `validate` accepts.
#[test]
fn validates_and_matches_the_same_webhooks() {
    let lines = std::fs::read_to_string(MISTAKES).unwrap();
    for line in lines.lines().chain([r#"{"name":"n","url":"https://a.b/","level":"user"}"#]) {
        let file = Temporary::new("one.ndjson", &format!("{line}\n"));
        let validated = run(&["validate", "--format", "json", file.path()], b"");
        let arguments = ["match", "--format", "json", "--webhooks", file.path()];
        let matched = run(&arguments, sample(1).as_bytes());
        assert_eq!(matched.status.code(), validated.status.code(), "{line}");
        assert_eq!(matched.stdout.is_empty(), validated.status.code() == Some(1), "{line}");
    }
}

/// Denied warnings change only the exit code, not the output.
#[test]
fn exits_with_1_for_denied_warnings() {
    let webhook = |filter: &str| {
        json!({
            "name": "n", "url": "https://a.b/", "enabled": true,
            "eventTypes": ["com.qlik.v1.app.created"], "filter": filter,
        })
    };
    for (filter, code) in
        [(r#"id eq "a""#, 0), (r#"id eq "a" or id eq "a""#, 1), (r#"id eq "a" and id eq "b""#, 1)]
    {
        let file = Temporary::new("warned.json", &webhook(filter).to_string());
        for verb in [
            &["validate", file.path()][..],
            &["validate", "--format", "json", file.path()],
            &["patch", "--webhook", file.path(), "-"],
        ] {
            let allowed = run(verb, b"[]");
            let denied = run(&[verb, &["--deny-warnings"]].concat(), b"[]");
            assert_eq!(allowed.status.code(), Some(0), "{verb:?} {filter}");
            assert_eq!(denied.status.code(), Some(code), "{verb:?} {filter}");
            assert_eq!(
                (allowed.stdout, allowed.stderr),
                (denied.stdout, denied.stderr),
                "{verb:?} {filter}"
            );
        }
    }
}

/// The name of a webhook without an id is a number that no webhook has as its id.
#[test]
fn reports_duplicate_ids() {
    let webhook = |id: &str| {
        format!(
            "{{{id}\"name\":\"n\",\"url\":\"https://a.b/\",\"enabled\":true,\"eventTypes\":[\"com.qlik.v1.app.reload.finished\"]}}\n"
        )
    };
    let duplicates = [webhook("\"id\":\"a\","), webhook("\"id\":\"a\",")].concat();
    let output = run(&["validate", "--format", "json"], duplicates.as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().nth(1).unwrap().contains("webhook-doubled-id"), "{text}");
    assert_eq!(output.status.code(), Some(1));

    let file = Temporary::new("labels.ndjson", &[webhook(""), webhook("\"id\":\"#1\",")].concat());
    assert_eq!(run(&["validate", file.path()], b"").status.code(), Some(0));
    let arguments = ["match", "--format", "json", "--webhooks", file.path()];
    let text = String::from_utf8(run(&arguments, sample(1).as_bytes()).stdout).unwrap();
    assert!(text.contains(r###""webhooks":["##1","#1"]"###), "{text}");
}

/// The text has no control characters, and is still JSON of the webhook.
#[test]
fn escapes_misleading_characters_in_a_patched_webhook() {
    let name = "A\u{202e}B\u{9b}31mC\u{7f}D\u{e0041}\u{1f600}";
    let webhook = Temporary::new(
        "odd.json",
        &json!({"id": "w", "name": name, "url": "https://a.b/"}).to_string(),
    );
    let output = run(&["patch", "--webhook", webhook.path(), "-"], b"[]");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.chars().any(|c| c != '\n' && hooksieve::diagnostic::is_misleading(c)),
        "{text:?}"
    );
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["name"], name);
    // Warnings are on standard error.
    assert!(String::from_utf8(output.stderr).unwrap().contains("event-types-none"));
}

#[test]
fn patches_a_webhook() {
    let webhook = Temporary::new(
        "webhook.json",
        r#"{"id": "w1", "name": "n", "url": "https://Hooks.example.com", "enabled": true,
            "eventTypes": ["com.qlik.v1.app.reload.finished"], "filter": "data.status eq \"ok\"",
            "encryptedHeaders": ["X-Key"], "secretKeyAdded": true, "unknown": 5,
            "createdAt": "2026-10-01T09:00:00Z", "updatedAt": "2026-10-02T09:00:00Z"}"#,
    );
    let patch = |name: &str, patch: &str| {
        let text = shown(&["patch", "--webhook", webhook.path(), "-"], patch);
        let json = shown(&["patch", "--webhook", webhook.path(), "--format", "json", "-"], patch);
        let both = format!("{text}\n{json}").replace(webhook.path(), "FILE");
        insta::assert_snapshot!(name, both);
    };
    patch("patch_good", r#"[{"op": "replace", "path": "/name", "value": "m"}]"#);
    patch(
        "patch_bad",
        r#"[{"op": "replace", "path": "/url", "value": "https://a.b"},
            {"op": "replace", "path": "/filter", "value": ""},
            {"op": "replace", "path": "/eventTypes", "value": ["com.qlik.v1.app.created"]}]"#,
    );
    patch("patch_malformed", "[{\"op\": \"replace\",\n]");
    let wrong = Temporary::new("wrong.json", r#"{"id": "w1", "name": "n"}"#);
    let output = run(&["patch", "--webhook", wrong.path(), "-"], b"[]");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("member-missing"));
    // A webhook that was not created yet has no id, and gets none.
    let draft = Temporary::new("draft.json", r#"{"name": "n", "url": "https://a.b/"}"#);
    let arguments = ["patch", "--webhook", draft.path(), "--format", "json", "-"];
    let output = run(&arguments, br#"[{"op": "add", "path": "/enabled", "value": true}]"#);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(r#"{"url":"https://a.b/","name":"n","level":"tenant","enabled":true"#),
        "{text}"
    );
    // JSON has the warnings as a member.
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["warnings"][0]["code"], "event-types-none", "{text}");
    assert!(output.stderr.is_empty());

    let two = Temporary::new("two.json", "[{}, {}]");
    for (webhook, patch) in
        [(two.path(), "-"), ("-", "-"), ("no/such/file", "-"), (webhook.path(), "no/such/file")]
    {
        let output = run(&["patch", "--webhook", webhook, patch], b"[]");
        assert_eq!(output.status.code(), Some(2), "{webhook} {patch}");
    }
}

#[test]
fn lists_event_types() {
    insta::assert_snapshot!("event_types", shown(&["event-types"], ""));
    let output = run(&["event-types", "--format", "json"], b"");
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        listing["data"][3],
        json!({
            "name": "com.qlik.v1.app.deleted", "title": "App deleted",
            "category": "Analytics apps", "levels": ["tenant"],
            "description": "An analytics app was deleted.", "newerName": "com.qlik.app.deleted",
            "carries": {"id": true},
        })
    );
    // --catalogue reads what it prints.
    let file = Temporary::new("catalogue.json", &String::from_utf8(output.stdout.clone()).unwrap());
    let again = run(&["event-types", "--format", "json", "--catalogue", file.path()], b"");
    assert_eq!(again.stdout, output.stdout);
}

#[test]
fn reads_another_catalogue() {
    let catalogue = Temporary::new(
        "own.json",
        r#"{"data": [{"name": "order.paid", "newerName": "v2.order.paid"}]}"#,
    );
    let webhooks = Temporary::new(
        "orders.json",
        r#"{"id": "w", "name": "n", "url": "https://a.b/", "enabled": true, "eventTypes": ["order.paid"]}"#,
    );
    let own = ["--catalogue", catalogue.path()];
    let validate = ["validate", webhooks.path()];
    assert_eq!(run(&validate, b"").status.code(), Some(1));
    assert_eq!(run(&[&validate[..], &own].concat(), b"").status.code(), Some(0));
    let events = "{\"type\":\"order.paid\",\"tenantid\":\"t\"}\n{\"type\":\"v2.order.paid\",\"tenantid\":\"t\"}\n";
    let matches = |more: &[&str]| {
        let arguments =
            [&["match", "--format", "json", "--webhooks", webhooks.path()], &own[..], more];
        let output = run(&arguments.concat(), events.as_bytes());
        String::from_utf8(output.stdout).unwrap().matches(r#"["w"]"#).count()
    };
    assert_eq!((matches(&[]), matches(&["--renames"])), (1, 2));
    // A byte order mark is skipped; standard input can be given only once.
    let marked = Temporary::new("marked.json", "\u{feff}{\"data\":[]}");
    let output = run(&["event-types", "--format", "json", "--catalogue", marked.path()], b"");
    assert_eq!(output.stdout, b"{\"data\":[]}\n");
    assert_eq!(run(&["validate", "--catalogue", "-"], b"{\"data\":[]}").status.code(), Some(2));
    for broken in ["{", "[]", r#"{"data":[{"name":"a"},{"name":"a"}]}"#] {
        let file = Temporary::new("broken.json", broken);
        let output = run(&["event-types", "--catalogue", file.path()], b"");
        assert_eq!(output.status.code(), Some(2), "{broken}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("broken.json: ") && err.starts_with("error: "), "{err}");
    }
}

const SECRETS: [&str; 3] =
    ["s3cr3tKEY-0123456789-abcdefghijklmn", "h1ddenVALUE", "p4tchedKEY-0123456789-abcdefghijk"];

/// Secrets and encrypted values occur only in the stored form.
#[test]
fn shows_secrets_only_in_the_stored_form() {
    let [secret, hidden, patched] = SECRETS;
    let shows = |text: &str| SECRETS.iter().any(|secret| text.contains(secret));
    let whole = json!({
        "id": "w1", "name": "n", "url": "https://a.b/", "enabled": true,
        "eventTypes": ["com.qlik.v1.app.reload.finished"],
        "secret": secret, "encryptedHeaders": {"X-Key": hidden},
    });
    let rules = Rules::default();
    let document = WebhookDocument::from(whole.clone());
    let webhook = Webhook::read(&document, &rules).unwrap().webhook;
    assert!(shows(&serde_json::to_string(&webhook.stored()).unwrap()));
    let patch = json!([
        {"op": "replace", "path": "/secret", "value": patched},
        {"op": "add", "path": "/encryptedHeaders", "value": {"Y-Key": hidden}},
    ]);
    let new =
        webhook.patched(&patch.clone().into(), &rules, webhook.updated().clone()).unwrap().webhook;
    let new_webhook = NewWebhook::new("w1", "u", std::time::UNIX_EPOCH.into());
    let mut outputs = vec![
        serde_json::to_string(&webhook).unwrap(),
        format!("{webhook:?} {webhook:#?} {document:?} {document:#?}"),
        format!("{:?} {:?}", webhook.secret(), webhook.encrypted_headers()),
        format!("{new:?} {}", serde_json::to_string(&new).unwrap()),
        format!("{:?}", Patch::from(patch.clone())),
        format!("{new_webhook:?}"),
    ];

    // Every error that can involve a secret.
    let wrong = [
        ("secret", json!(format!("{secret}{secret}"))),
        ("secret", json!([secret])),
        ("secret", json!({secret: secret})),
        ("encryptedHeaders", json!(hidden)),
        ("encryptedHeaders", json!({"x-a": [hidden]})),
        ("encryptedHeaders", json!({"x-a": format!("{hidden}é")})),
        ("encryptedHeaders", json!({"x-a": format!(" {hidden}")})),
        ("encryptedHeaders", json!({"host": hidden})),
        ("encryptedHeaders", json!({"x a": hidden})),
        ("encryptedHeaders", json!([format!("Authorization: {hidden}")])),
        ("encryptedHeaders", json!({format!("Authorization: {hidden}"): ""})),
        ("encryptedHeaders", json!({format!("Authorization: {hidden}"): null})),
        ("encryptedHeaders", json!({format!("Authorization: {hidden}"): 5})),
        ("encryptedHeaders", json!({format!("Authorization: {hidden}"): " x"})),
        ("encryptedHeaders", json!({format!("Authorization: {hidden}"): "a\nb"})),
        ("encryptedHeaders", json!({"x-a": hidden, "X-A": hidden})),
        ("encryptedHeaders", json!({"x-a": hidden.repeat(300)})),
        ("encryptedheaders", json!({"x-a": hidden})),
        ("sercet", json!(secret)),
    ];
    for (member, value) in wrong {
        let mut document = whole.clone();
        document[member] = value.clone();
        let report = rules.check(&document.clone().into());
        assert!(report.errors().len() + report.warnings().len() > 0, "{member}");
        outputs.push(format!("{report:?}"));
        if let Err(problems) = report.into_result() {
            outputs
                .push(format!("{problems} {}", serde_json::to_string(&problems.body()).unwrap()));
        }
        let path = format!("{member}/{secret}");
        let patch = json!([{"op": "replace", "path": path, "value": value}]);
        outputs.push(format!(
            "{:?}",
            webhook.patched(&patch.into(), &rules, webhook.updated().clone())
        ));
        let path = format!("/{member}/{secret}");
        let patch = json!([{"op": "replace", "path": path, "value": value}]);
        outputs.push(format!(
            "{:?}",
            webhook.patched(&patch.into(), &rules, webhook.updated().clone())
        ));
        let patch = json!([{"op": "replace", "path": format!("/{member}"), "value": value}]);
        let result = webhook.patched(&patch.into(), &rules, webhook.updated().clone());
        outputs.push(format!("{result:?}"));
        let file = Temporary::new("secret.ndjson", &format!("{document}\n"));
        for arguments in [
            &["validate", file.path()][..],
            &["validate", "--format", "json", file.path()],
            &["match", "--webhooks", file.path(), EVENTS],
            &["patch", "--webhook", file.path(), "-"],
        ] {
            let output = run(arguments, b"[]");
            outputs.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
        }
    }

    let file = Temporary::new("secrets.ndjson", &format!("{whole}\n"));
    let broken =
        Temporary::new("broken.ndjson", &format!("{}\n{whole}\n", &whole.to_string()[..150]));
    let text = patch.to_string();
    let event = sample(1);
    for (arguments, input) in [
        (&["patch", "--webhook", file.path(), "-"][..], &*text),
        (&["patch", "--format", "json", "--webhook", file.path(), "-"], &text),
        (&["patch", "--webhook", file.path(), "-"], &text[..text.len() - 3]),
        (&["explain", "--webhooks", file.path(), "-"], &event),
        (&["explain", "--format", "json", "--webhooks", file.path(), "-"], &event),
        (&["match", "--webhooks", file.path(), "-"], &event),
        (&["match", "--webhooks", broken.path(), "-"], &event),
        (&["validate", broken.path()], ""),
        (&["validate", "--format", "json", broken.path()], ""),
    ] {
        let output = run(arguments, input.as_bytes());
        outputs.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
    }
    assert!(outputs.len() > 90 && outputs.iter().all(|output| !output.is_empty()));
    for output in outputs {
        assert!(!shows(&output), "{output}");
    }
}
