//! The verbs `diff` and `try`.
use crate::program;

use program::{EVENTS, Temporary, WEBHOOKS, run, sample, shown};
use serde_json::{Value, json};

const DRAFT: &str = "tests/data/draft.json";

fn diff(arguments: &[&str]) -> Value {
    let output = run(&[&["diff", "--format", "json"], arguments].concat(), b"");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn finds_every_relation() {
    for (old, new, expected) in [
        (
            r#"id eq "a" or id eq "b""#,
            r#"id eq "b" or id eq "a""#,
            json!({"relation": "equivalent", "gained": null, "lost": null}),
        ),
        (
            r#"id eq "a" or id eq "b""#,
            r#"id eq "a""#,
            json!({"relation": "narrower", "gained": null, "lost": {"id": "b"}}),
        ),
        (r#"id eq "a""#, "", json!({"relation": "wider", "gained": {}, "lost": null})),
        (
            r#"id eq "a""#,
            r#"spaceId eq "s""#,
            json!({"relation": "overlapping", "gained": {"spaceId": "s"}, "lost": {"id": "a"}}),
        ),
        (
            r#"id eq "a""#,
            r#"id eq "b""#,
            json!({"relation": "disjoint", "gained": {"id": "b"}, "lost": {"id": "a"}}),
        ),
    ] {
        assert_eq!(diff(&[old, new]), expected, "{old} -> {new}");
    }
}

#[test]
fn compares_filters_over_events() {
    let (old, new) = (r#"spaceId eq "64db65d5970c28d340790f5c""#, r#"data.status eq "error""#);
    insta::assert_snapshot!("diff_text", shown(&["diff", old, new, "--events", EVENTS], ""));
    let counted = diff(&[old, new, "--events", EVENTS]);
    let events = &counted["events"];
    let counts = ["kept", "gained", "lost", "neither"].map(|word| events[word].as_u64());
    assert_eq!(counts, [1, 1, 4, 7].map(Some));
    let third = json!({"file": EVENTS, "line": 3, "event": "evt-0003", "type": "com.qlik.v1.app.reload.finished"});
    assert_eq!(events["gainedEvents"], json!([third]));
    let bad = Temporary::new("events.ndjson", &format!("{}\n{{\n", sample(2)));
    let output = run(&["diff", old, new, "--events", bad.path()], b"");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(":2: error[event-syntax]: "), "{text}");
}

#[test]
fn reports_errors_of_both_filters() {
    insta::assert_snapshot!("diff_wrong", shown(&["diff", "id eq a", r#"x eq "b""#], ""));
    let output = run(&["diff", "--format", "json", "id eq a", r#"id eq "a""#], b"");
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["valid"], false);
    assert_eq!(line["old"][0]["code"], "filter-unquoted-value");
    assert_eq!(line["new"], json!([]));
    let status = r#"data.status eq "ok""#;
    let output = run(&["diff", status, status, "--event-type", "com.qlik.v1.app.created"], b"");
    assert_eq!(output.status.code(), Some(1), "the rules about event types apply");
}

#[test]
fn tries_a_webhook_on_events() {
    let text = ["try", "--webhook", DRAFT, EVENTS];
    insta::assert_snapshot!("try_text", shown(&text, ""));
    let json = ["try", "--webhook", DRAFT, "--format", "json", "--reasons", "1", EVENTS];
    insta::assert_snapshot!("try_json", shown(&json, ""));
    let none = shown(&["try", "--webhook", DRAFT, "--reasons", "0", "-"], "");
    assert!(none.starts_with("exit 0\n--- stdout\n0 of 0 events would be delivered\n"), "{none}");
}

/// `try` gives the same result as `match` for the enabled webhook.
#[test]
fn tries_with_the_same_result_as_match() {
    let draft = std::fs::read_to_string(DRAFT).unwrap();
    let tenant: Value = serde_json::from_str(&sample(0)).unwrap();
    let tenant = tenant["tenantid"].as_str().unwrap().to_owned();
    let mut webhook: Value = serde_json::from_str(&draft).unwrap();
    webhook["enabled"] = true.into();
    webhook["id"] = "w".into();
    webhook["tenantId"] = tenant.into();
    for filter in ["", r#"data.status eq "error""#, r#"spaceId ne "x""#] {
        webhook["filter"] = filter.into();
        let file = Temporary::new("webhook.json", &webhook.to_string());
        let lines = |verb: &[&str]| -> Vec<Value> {
            let output = run(&[verb, &["--format", "json", EVENTS]].concat(), b"");
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let tried = lines(&["try", "--webhook", file.path()]);
        let matched = lines(&["match", "--webhooks", file.path()]);
        let hit = |line: &&Value| line["webhooks"].as_array().is_some_and(|all| !all.is_empty());
        let matched: Vec<_> = matched.iter().filter(hit).map(|line| &line["event"]).collect();
        let hit = |line: &&Value| line["matched"] == true;
        let tried: Vec<_> = tried.iter().filter(hit).map(|line| &line["event"]).collect();
        assert_eq!(tried, matched, "{filter}");
        assert!(!tried.is_empty());
    }
}

#[test]
fn reports_errors_of_the_tried_webhook() {
    let wrong = Temporary::new("draft.json", r#"{"name": "", "url": "https://a.example/"}"#);
    let output = run(&["try", "--webhook", wrong.path(), EVENTS], b"");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("error[member-too-short]: `name` is empty"), "{text}");
    let output = run(&["try", "--webhook", program::WEBHOOKS, EVENTS], b"");
    assert_eq!(output.status.code(), Some(1), "several webhooks");
    for (draft, code) in [(wrong.path(), "member-too-short"), (EVENTS, "webhook-not-one")] {
        let output = run(&["try", "--format", "json", "--webhook", draft, EVENTS], b"");
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&line["valid"], &line["errors"][0]["code"]), (&false.into(), &code.into()));
        let pointer = if draft == wrong.path() { "/name" } else { "" };
        assert_eq!(line["errors"][0]["pointer"], pointer, "{line}");
    }
}

#[test]
fn refuses_duplicate_standard_input() {
    for arguments in [
        &["try", "--webhook", "-"][..],
        &["try", "--webhook", "-", "-"],
        &["diff", "", "", "--events", "-", "--events", "-"],
    ] {
        let output = run(arguments, b"{}");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn shows_the_assumptions_of_try() {
    let draft = std::fs::read_to_string(DRAFT)
        .unwrap()
        .replace("\"name\"", "\"level\": \"user\", \"name\"");
    let draft = Temporary::new("draft.json", &draft);
    let output = run(&["try", "--webhook", draft.path(), EVENTS, EVENTS], b"");
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(out.contains("no tenant given: assumed `Acme-7pQzL2vK9xWc4RtYbN1mHs`"), "{out}");
    assert!(err.contains("warning[owner-unknown]"), "{err}");
    let all = run(&["try", "--webhook", draft.path(), "--access", "all", EVENTS, EVENTS], b"");
    let all = String::from_utf8(all.stdout).unwrap();
    assert!(all.contains("evt-0003 (tests/data/events.ndjson:3)"), "{all}");
}

/// In JSON, an event with errors is a line among the others.
#[test]
fn prints_events_with_errors_as_json_in_every_verb() {
    let filters = ["id eq \"a\"", "id eq \"b\""];
    for (verb, last) in [
        (&["match", "--webhooks", WEBHOOKS][..], "-"),
        (&["explain", "--webhooks", WEBHOOKS], "-"),
        (&["requests", "--webhooks", WEBHOOKS], "-"),
        (&["try", "--webhook", DRAFT], "-"),
        (&["diff", filters[0], filters[1], "--events"], "-"),
    ] {
        let arguments = [verb, &[last, "--format", "json"]].concat();
        let output = run(&arguments, b"{\"type\": tru}");
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        let out = String::from_utf8(output.stdout).unwrap();
        let record: Value = serde_json::from_str(out.lines().next().unwrap_or_default()).unwrap();
        assert_eq!(record["file"], "<stdin>", "{out}");
        assert_eq!(record["line"], 1, "{out}");
        assert_eq!(record["error"]["code"], "event-syntax", "{out}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!err.contains("error["), "{err}");
    }
}

#[test]
fn lists_the_first_events_whose_delivery_changes() {
    let arguments = ["", "data.status eq \"error\"", "--events", EVENTS, "--format", "json"];
    let output = run(&[&["diff"][..], &arguments].concat(), b"");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lost = line["events"]["lostEvents"].as_array().unwrap();
    assert_eq!(lost.len(), 5, "{line}");
    assert_eq!(lost[0]["file"], EVENTS);
    assert!(lost[0]["line"].is_u64() && lost[0]["type"].is_string(), "{line}");
    assert_eq!(line["events"]["gainedEvents"].as_array().map(Vec::len), Some(0));
}
