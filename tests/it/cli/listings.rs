//! Listings of past events, and error responses in place of events and webhooks.
use crate::program;

use program::{Temporary, run};
use serde_json::{Value, json};

const TYPE: &str = "com.qlik.v1.app.created";

/// Exit code, standard output and standard error.
fn text(arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = run(arguments, input.as_bytes());
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, err)
}

/// Items of a listing on one line have unique names in every verb.
#[test]
fn names_the_items_of_a_listing() {
    let webhooks = webhooks_file();
    let event = |id: &str, app: &str| json!({"id": id, "type": TYPE, "tenantid": "t1", "data": {"id": app}});
    let good = [event("e1", "a1"), json!({"id": "e2"}), event("e3", "a2")];
    let text_of = |arguments: &[&str], input: &str| {
        let (_, out, err) = text(arguments, input);
        out + &err
    };
    for (input, name) in [
        (json!({"data": good, "links": {}}).to_string(), "a page"),
        (json!(good).to_string(), "an array"),
    ] {
        let file = Temporary::new("items.json", &input);
        let verbs: [&[&str]; 4] = [
            &["match", "--webhooks", webhooks.path(), file.path()],
            &["try", "--webhook", webhooks.path(), file.path()],
            &["diff", "id eq \"a1\"", "id eq \"a2\"", "--events", file.path()],
            &["match", "--webhooks", webhooks.path(), "--format", "json", file.path()],
        ];
        for verb in verbs {
            let printed = text_of(verb, "");
            let is_json = verb.contains(&"json");
            let expected = if is_json { "\"line\":1,\"item\":2," } else { ":1: item 2: error[" };
            assert!(printed.contains(expected), "{verb:?} of {name}: {printed}");
        }
        let printed = text_of(verbs[1], "");
        assert!(printed.contains("e1 (line 1, item 1)"), "{printed}");
        assert!(printed.contains("e3 (line 1, item 3)"), "{printed}");
        let printed = text_of(verbs[2], "");
        assert!(printed.contains("gained  e3 (line 1, item 3)"), "{printed}");
        assert!(printed.contains("lost    e1 (line 1, item 1)"), "{printed}");
    }
    let page = Temporary::new("page.json", &json!({"data": good}).to_string());
    for (format, expected) in [
        ("text", "# webhook w1, event e1 (item 1)\n"),
        ("curl", "# webhook w1, event e1 (item 1)\ncurl "),
        ("json", r#"{"event":"e1","item":1,"webhook":"w1","#),
        ("text", "event e3 (item 3): no requests"),
    ] {
        let arguments =
            ["requests", "--webhooks", webhooks.path(), "--format", format, page.path()];
        let printed = text_of(&arguments, "");
        assert!(printed.contains(expected), "{format}: {printed}");
    }
    let printed = text_of(&["explain", "--webhooks", webhooks.path(), page.path()], "");
    assert!(printed.contains("event e3 (item 3)\n"), "{printed}");
}

/// Returns a file with one webhook, which matches events of the app `a1`.
fn webhooks_file() -> Temporary {
    let webhook = json!({
        "id": "w1", "tenantId": "t1", "name": "n", "url": "https://hooks.example.com/",
        "enabled": true, "eventTypes": [TYPE], "filter": "id eq \"a1\"",
    });
    Temporary::new("one.json", &webhook.to_string())
}

#[test]
fn recognizes_an_error_response_of_the_api() {
    let webhooks = webhooks_file();
    let response = json!({"errors": [{"code": "AUTH-1", "title": "Unauthorized"}], "traceId": "x"});
    for input in [response.to_string(), serde_json::to_string_pretty(&response).unwrap()] {
        let file = Temporary::new("errors.json", &input);
        let arguments: [&[&str]; 5] = [
            &["match", "--webhooks", webhooks.path(), file.path()],
            &["try", "--webhook", webhooks.path(), file.path()],
            &["explain", "--webhooks", webhooks.path(), file.path()],
            &["requests", "--webhooks", webhooks.path(), file.path()],
            &["diff", "", "id eq \"a\"", "--events", file.path()],
        ];
        for arguments in arguments {
            let (code, out, err) = text(arguments, "");
            let expected = "this is an error response of the API, not events: AUTH-1 Unauthorized";
            assert!(err.contains(expected), "{arguments:?}: {out}{err}");
            assert_eq!(code, 1, "{arguments:?}");
        }
        let (_, out, _) = text(&["validate", file.path()], "");
        assert!(out.contains("an error response of the API, not webhooks"), "{out}");
    }
    // An event may also have such a member.
    let event =
        json!({"type": TYPE, "tenantid": "t1", "errors": [{"code": "x"}], "data": {"id": "a1"}});
    let (code, out, _) = text(&["match", "--webhooks", webhooks.path(), "-"], &event.to_string());
    assert!(code == 0 && out.contains("w1"), "{out}");
}

#[test]
fn splits_webhook_ids_at_commas() {
    let webhook = |id: &str| {
        json!({
            "id": id, "tenantId": "t1", "name": "n", "url": "https://hooks.example.com/",
            "enabled": true, "eventTypes": [TYPE],
        })
    };
    let list = json!([webhook("w1"), webhook("w2"), webhook("w,3")]).to_string();
    let file = Temporary::new("three.json", &list);
    let event = json!({"type": TYPE, "tenantid": "t1", "data": {"id": "a1"}}).to_string();
    for (only, expected) in [
        ("w1,w2", &["w1", "w2"][..]),
        ("w2, w1", &["w1", "w2"]),
        ("w,3", &["w,3"]),
        ("w1", &["w1"]),
    ] {
        let arguments =
            ["explain", "--webhooks", file.path(), "--webhook", only, "--format", "json", "-"];
        let (code, out, err) = text(&arguments, &event);
        let found: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: Vec<&str> =
            found.iter().map(|answer| answer["webhook"].as_str().unwrap()).collect();
        assert_eq!((code, &*ids), (0, expected), "{only}: {err}");
    }
    let (code, _, err) =
        text(&["explain", "--webhooks", file.path(), "--webhook", "w1,w9", "-"], &event);
    assert!(code == 2 && err.contains("no valid webhook `w9`"), "{err}");
}
