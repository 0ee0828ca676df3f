//! The verb `requests`: its formats, its secrets, and its errors.
use crate::program;

use hooksieve::delivery::verify;
use program::{Temporary, WEBHOOKS, run, shown};
use serde_json::{Value, json};

const STORED: &str = "tests/data/stored-webhook.json";
const DELETED: &str = "tests/data/events/com.qlik.v1.app.deleted.legacy01.json";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn prints_requests_in_every_format() {
    for format in ["text", "json", "curl"] {
        let arguments = ["requests", "--webhooks", STORED, "--format", format, DELETED];
        insta::assert_snapshot!(format!("requests_{format}"), shown(&arguments, ""));
    }
    let arguments =
        ["requests", "--webhooks", STORED, "--show-encrypted", "--format", "curl", DELETED];
    insta::assert_snapshot!("requests_curl_whole", shown(&arguments, ""));
}

/// Returns a webhook and an event with every character that is special in a shell or a terminal.
fn awkward() -> (Temporary, Temporary) {
    let webhook = json!({
        "id": "w'1\u{202e}", "name": "n", "url": "https://hooks.example.com/a?b={1}&c=[2]$HOME`",
        "enabled": true, "eventTypes": ["com.qlik.v1.app.created"], "secret": SECRET,
        "headers": {"X-Quote": "it's \"$HOME\" `ls` \\", "X-None": ""},
        "encryptedHeaders": {"Authorization": "s3cr3t"},
    });
    let event = "{\"type\":\"com.qlik.v1.app.created\",\"tenantid\":\"t\",\n\"data\":\"it's '$HOME' `ls` \\\\ \\n \u{202e}\u{7f}é\"}\n";
    (Temporary::new("webhook.json", &webhook.to_string()), Temporary::new("event.json", event))
}

/// The body in JSON is the exact text that is signed.
#[test]
fn prints_the_exact_request_as_json() {
    let (webhook, event) = awkward();
    let bytes = std::fs::read(event.path()).unwrap();
    let output =
        run(&["requests", "--webhooks", webhook.path(), "--format", "json", event.path()], b"");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["webhook"], "w'1\u{202e}");
    assert_eq!(line["method"], "POST");
    // White space after the event is not sent.
    assert_eq!(line["body"].as_str().unwrap().as_bytes(), bytes.trim_ascii());
    let headers = line["headers"].as_array().unwrap();
    let header = |name: &str| headers.iter().find(|pair| pair[0] == name).unwrap()[1].as_str();
    assert_eq!(header("Authorization"), Some("**OMITTED**"));
    assert_eq!(header("X-None"), Some(""));
    verify(SECRET, bytes.trim_ascii(), header("Qlik-Signature").unwrap()).unwrap();
    let shown = shown(
        &["requests", "--webhooks", webhook.path(), "--show-encrypted", "--format", "json", "-"],
        std::str::from_utf8(&bytes).unwrap(),
    );
    assert!(shown.contains(r#"["Authorization","s3cr3t"]"#), "{shown}");
}

/// A shell passes the exact parts of the request to curl.
#[test]
#[cfg(unix)]
fn quotes_the_curl_command() {
    let (webhook, event) = awkward();
    let arguments = [
        "requests",
        "--webhooks",
        webhook.path(),
        "--show-encrypted",
        "--format",
        "curl",
        event.path(),
    ];
    let command = run(&arguments, b"").stdout;
    let script = format!(
        "curl() {{ for word in \"$@\"; do printf '%s\\0' \"$word\"; done; }}\n{}",
        String::from_utf8(command).unwrap()
    );
    let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    assert_eq!(
        words[..4],
        ["--globoff", "--request", "POST", "https://hooks.example.com/a?b={1}&c=[2]$HOME`"]
    );
    let headers: Vec<&str> = words[4..words.len() - 2].chunks(2).map(|pair| pair[1]).collect();
    assert_eq!(
        words[4..words.len() - 2].iter().step_by(2).filter(|w| **w != "--header").count(),
        0
    );
    assert!(headers.contains(&"X-None;") && headers.contains(&"Authorization: s3cr3t"));
    assert!(headers.contains(&"X-Quote: it's \"$HOME\" `ls` \\"));
    assert_eq!(words[words.len() - 2], "--data-binary");
    let bytes = std::fs::read(event.path()).unwrap();
    assert_eq!(words[words.len() - 1].as_bytes(), bytes.trim_ascii());
}

/// A body longer than the limit of an argument goes through a pipe.
#[test]
#[cfg(unix)]
fn pipes_a_long_body_to_curl() {
    let (webhook, _) = awkward();
    let body = format!(
        r#"{{"type":"com.qlik.v1.app.created","tenantid":"t","data":"it's {}"}}"#,
        "x".repeat(300_000)
    );
    let event = Temporary::new("long.json", &body);
    let arguments = ["requests", "--webhooks", webhook.path(), "--format", "curl", event.path()];
    let command = String::from_utf8(run(&arguments, b"").stdout).unwrap();
    let script = Temporary::new("long.sh", &format!("curl() {{ cat; }}\n{command}"));
    let output = std::process::Command::new("sh").arg(script.path()).output().unwrap();
    assert!(output.stdout == body.as_bytes(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn escapes_misleading_characters_in_text() {
    let (webhook, event) = awkward();
    let shown = shown(&["requests", "--webhooks", webhook.path(), event.path()], "");
    assert!(!shown.contains(['\u{202e}', '\u{7f}']), "{shown}");
    assert!(shown.contains("\\u202e\\u007fé"), "{shown}");
}

#[test]
fn prints_requests_for_the_webhooks_that_match() {
    // `match` shows the same webhooks for this event.
    let event = program::sample(2);
    let webhooks = |access| -> Vec<String> {
        let arguments =
            ["requests", "--webhooks", WEBHOOKS, "--access", access, "--format", "json", "-"];
        let output = run(&arguments, event.as_bytes());
        assert_eq!(output.status.code(), Some(0));
        let lines = String::from_utf8(output.stdout).unwrap();
        let id = |line: &str| -> String {
            let line: Value = serde_json::from_str(line).unwrap();
            line["webhook"].as_str().unwrap().to_owned()
        };
        lines.lines().map(id).collect()
    };
    let matched = |access| -> Vec<String> {
        let arguments =
            ["match", "--webhooks", WEBHOOKS, "--access", access, "--format", "json", "-"];
        let answer: Value =
            serde_json::from_slice(&run(&arguments, event.as_bytes()).stdout).unwrap();
        let ids = answer["webhooks"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    for access in ["owner", "all"] {
        assert_eq!(webhooks(access), matched(access), "{access}");
        assert!(webhooks(access).len() > 3);
    }
    let printed = shown(&["requests", "--webhooks", WEBHOOKS, "-"], &program::sample(7));
    let expected = "no requests: no webhook matches this event; `hooksieve explain` shows why\n";
    assert_eq!(printed, format!("exit 0\n--- stdout\n{expected}--- stderr\n"));
}

#[test]
fn reports_events_with_errors_and_missing_secrets() {
    for (event, message) in [
        ("{\n\"type\": tru}", "<stdin>:2: error[event-syntax]: expected `true` at byte 10; "),
        (
            "{}\n{}",
            "<stdin>:2: error[event-syntax]: more than one event: the second begins at byte 3; ",
        ),
        ("{}", "<stdin>:1: error[event-missing-type]: event has no type; "),
    ] {
        let shown = shown(&["requests", "--webhooks", STORED, "-"], event);
        assert!(
            shown.starts_with(&format!("exit 1\n--- stdout\n--- stderr\n{message}")),
            "{shown}"
        );
    }
    let secret = format!("\"secret\": \"{SECRET}\"");
    let stored = std::fs::read_to_string(STORED).unwrap();
    let withheld = stored.replace(&secret, "\"secretKeyAdded\": true");
    let withheld = Temporary::new("withheld.json", &withheld);
    let shown = shown(&["requests", "--webhooks", withheld.path(), DELETED], "");
    assert!(shown.contains("webhook `wh-deleted`: warning[secrets-withheld]: "), "{shown}");
    assert!(!shown.contains("Qlik-Signature"), "{shown}");
}

#[test]
fn marks_incomplete_requests_in_every_format() {
    let (webhook, event) = awkward();
    let text = std::fs::read_to_string(webhook.path()).unwrap();
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    let whole = text.clone();
    answer.as_object_mut().unwrap().remove("secret");
    answer["secretKeyAdded"] = json!(true);
    answer["encryptedHeaders"] = json!(["Authorization"]);
    let answer = Temporary::new("answer.json", &answer.to_string());
    let stored = Temporary::new("stored.json", &whole);
    for (format, mark) in
        [("json", "\"withholds\":true"), ("curl", "# incomplete"), ("text", "# incomplete")]
    {
        let of = |webhook: &Temporary| {
            let path = webhook.path();
            let arguments = ["requests", "--webhooks", path, "--format", format, event.path()];
            String::from_utf8(run(&arguments, b"").stdout).unwrap()
        };
        assert!(of(&answer).contains(mark), "{format}");
        assert!(!of(&stored).contains(mark), "{format}");
    }
}
