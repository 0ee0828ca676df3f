//! The verbs `check`, `match`, `explain` and `generate`, and errors common to all verbs.
use crate::program;

use program::{EVENTS, Temporary, WEBHOOKS, run, sample, shown};
use std::io::Write;
use std::process::{Command, Output, Stdio};

const TYPE: &str = "com.qlik.v1.app.created";

/// Adds a name and a URL to webhooks without them.
fn complete(webhooks: &str) -> String {
    let mut webhooks: serde_json::Value = serde_json::from_str(webhooks).unwrap();
    for webhook in webhooks.as_array_mut().unwrap() {
        let webhook = webhook.as_object_mut().unwrap();
        webhook.entry("name").or_insert("n".into());
        webhook.entry("url").or_insert("https://hooks.example.com/".into());
    }
    webhooks.to_string()
}

#[test]
fn checks_filters_as_text() {
    let filters = [
        r#"ID eq "a" or (spaceId NE "b")"#,
        "id eq id123",
        r#"spaceIdd eq 5 and id co "x" and not (id pr)"#,
        "",
        "id eq \"a\" or\n  id eq b",
        "id eq x\u{1b}[31m\u{9b}31m",
    ];
    insta::assert_snapshot!("check_text", shown(&[&["check"][..], &filters].concat(), ""));
}

#[test]
fn checks_filters_as_json() {
    let reload = "--event-type=com.qlik.v1.app.reload.finished";
    let filters = [
        r#"data.status eq "OK" and id eq 5"#,
        r#"data.status eq "ok""#,
        "",
        "id eq é",
        "(id eq \"a\"",
    ];
    let arguments = [&["check", "--format", "json", reload][..], &filters].concat();
    insta::assert_snapshot!("check_json", shown(&arguments, ""));
}

/// A misspelled event type or member is reported, since it turns checks off.
#[test]
fn warns_of_unknown_event_types_and_members() {
    let types = ["--event-type=com.qlik.v1.app.reload.finishd", "--event-type="];
    let line = r#"{"filter":"id eq \"a\"","evntTypes":["x"],"eventTypes":["nope"]}"#;
    let filter = r#"id eq "a""#;
    let status = r#"data.status eq "ok""#;
    for (name, format) in [("text", "--format=text"), ("json", "--format=json")] {
        let outputs = [
            shown(&[&["check", format, filter, status][..], &types].concat(), ""),
            shown(&["check", "--deny-warnings", format], line),
            shown(&[&["diff", format, filter, filter][..], &types].concat(), ""),
            shown(&[&["diff", format, filter, status][..], &types].concat(), ""),
        ];
        insta::assert_snapshot!(format!("unknown_event_types_{name}"), outputs.join("\n"));
    }
}

#[test]
fn checks_lines_of_standard_input() {
    let input = concat!(
        "\"id eq \\\"x\\\"\"\n",
        "{\"filter\":\"data.status eq \\\"ok\\\"\",\"eventTypes\":[]}\n",
        "{\"filter\":\"data.status eq \\\"ok\\\"\",\"eventTypes\":[\"com.qlik.v1.app.reload.finished\"]}\n",
        "{\"filter\":\"data.status eq \\\"ok\\\"\"}\n",
        "nonsense\n",
        "\n",
        "{\"filter\":null,\"eventTypes\":[\"a\"]}\n",
        "{\"eventTypes\":[\"a\"]}\n",
        "{\"filter\":5}\n",
        "5\n",
        "\"id eq x\"",
    );
    insta::assert_snapshot!("check_lines_json", shown(&["check", "--format", "json"], input));
    insta::assert_snapshot!("check_lines_text", shown(&["check"], input));
}

#[test]
fn checks_filters_with_the_scim_profile() {
    let filters = [r#"emails[type eq "work"] and not (a pr)"#, "", "a.b.c pr", "userName co 5"];
    let arguments = [&["check", "--profile", "scim"][..], &filters].concat();
    insta::assert_snapshot!("check_scim", shown(&arguments, ""));
}

#[test]
fn matches_events_as_text() {
    insta::assert_snapshot!("match_text", shown(&["match", "--webhooks", WEBHOOKS, EVENTS], ""));
}

#[test]
fn matches_events_as_json_with_access_for_all() {
    let arguments =
        ["match", "--webhooks", WEBHOOKS, "--access", "all", "--format", "json", EVENTS];
    insta::assert_snapshot!("match_json_of_everyone", shown(&arguments, ""));
}

/// Pretty-printed objects, an array, and lines with the same events give the same output.
#[test]
fn matches_events_in_every_form() {
    let lines = format!("{}\n\n{}\n", sample(1), sample(2));
    let pretty = |line: usize| {
        let event: serde_json::Value = serde_json::from_str(&sample(line)).unwrap();
        serde_json::to_string_pretty(&event).unwrap()
    };
    let array = format!(" [\n{},\n{}\n]\n", pretty(1), pretty(2));
    let objects = format!("{}\n{}\n", pretty(1), pretty(2));
    let arguments = ["match", "--webhooks", WEBHOOKS, "--format", "json"];
    let expected = run(&arguments, lines.as_bytes());
    assert_eq!(expected.status.code(), Some(0));
    assert_eq!(expected.stdout.iter().filter(|byte| **byte == b'\n').count(), 2);
    for input in [array, objects, format!("[{},{}]", sample(1), sample(2))] {
        let output = run(&arguments, input.as_bytes());
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stdout, expected.stdout, "{input}");
    }
    let one = run(&arguments, pretty(1).as_bytes());
    assert_eq!(one.stdout, expected.stdout.split_inclusive(|byte| *byte == b'\n').next().unwrap());
    for nothing in ["", "\n \n", "[]", " [ ] \n"] {
        let output = run(&arguments, nothing.as_bytes());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{nothing:?}");
    }
}

#[test]
fn continues_after_lines_with_errors() {
    let cut = &sample(0)[..100];
    let input = format!(
        "{cut}\n{}\n\n{{\"type\":\"a\",\"type\":\"b\",\"tenantid\":\"x\"}}\n[1]\n{{\"type\":\"x\",\n{}\nnull\n{{\"type\":\"x\"}}\n",
        sample(1),
        sample(2)
    );
    let arguments = ["match", "--webhooks", WEBHOOKS, "--format", "json"];
    insta::assert_snapshot!("bad_lines_json", shown(&arguments, &input));
    insta::assert_snapshot!("bad_lines_text", shown(&["match", "--webhooks", WEBHOOKS], &input));
}

#[test]
fn stops_at_a_broken_array() {
    let arguments = ["match", "--webhooks", WEBHOOKS, "--format", "json"];
    let mut report = String::new();
    for input in [
        format!("[{},\n{{\"type\": tru}},\n{}]", sample(1), sample(2)),
        format!("[{}\n{}]", sample(1), sample(2)),
        format!("[{},]", sample(1)),
        format!("[{}", sample(1)),
        format!("[{}] x", sample(1)),
        "[,]".to_owned(),
        format!("[5, {{\"type\":\"x\"}},\n{}]", sample(2)),
        "{\n  \"type\": \"x\",\n  \"tenantid\": }\n".to_owned(),
        "{\n  \"type\": \"x\",\n".to_owned(),
    ] {
        report.push_str(&shown(&arguments, &input));
        report.push('\n');
    }
    insta::assert_snapshot!("match_ends_at_a_broken_array", report);
}

#[test]
fn reports_invalid_webhooks() {
    let file = Temporary::new(
        "invalid.json",
        r#"[
  {"id": "a", "name": "n", "url": "https://hooks.example.com", "enabled": true, "eventTypes": ["com.qlik.v1.app.reload.finished"]},
  {"id": "a", "name": "n", "url": "https://hooks.example.com"},
  {"id": "b", "name": "n", "url": "https://localhost", "filter": "id eq x"},
  {"id": "c", "filter": "data.status eq \"ok\"", "eventTypes": ["x"]},
  {"id": 5},
  {"name": "n", "url": "https://hooks.example.com", "level": "user"},
  {"id": "d", "name": "n", "url": "https://hooks.example.com", "level": "user", "createdByUserId": "u", "ownerId": null, "enabled": null, "filter": null},
  {"id": "e", "enabled": "yes",
   "eventTypes": []},
  7
]"#,
    );
    let output = |more: &[&str]| {
        let arguments = [&["match", "--format", "json", "--webhooks", file.path()], more].concat();
        shown(&arguments, &sample(1)).replace(file.path(), "FILE")
    };
    insta::assert_snapshot!("invalid_webhooks", output(&[]));
    insta::assert_snapshot!("invalid_webhooks_skipped", output(&["--skip-invalid"]));
}

#[test]
fn loads_webhooks_in_every_form() {
    let one = r#"{"id":"a","name":"n","url":"https://hooks.example.com","tenantId":null,"enabled":true,"eventTypes":["com.qlik.v1.app.reload.finished"],"encryptedHeaders":["x"],"unknown":{}}"#;
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(one).unwrap())
            .unwrap();
    for text in [
        one.to_owned(),
        pretty.clone(),
        format!("[{one}]"),
        format!("{{\"data\":[{pretty}],\"links\":{{}}}}"),
        format!("\n{one}\n\n"),
    ] {
        let file = Temporary::new("shape.json", &text);
        let output =
            run(&["match", "--format", "json", "--webhooks", file.path()], sample(1).as_bytes());
        let line = String::from_utf8(output.stdout).unwrap();
        assert!(line.contains(r#""webhooks":["a"]"#), "{text}: {line}");
    }
    for text in ["", "{", "[", "[{]", "nonsense", "{\"data\": 5}", "{\"id\":\"a\"}\n{\"id\":\n"] {
        let file = Temporary::new("broken.json", text);
        let output = run(&["match", "--webhooks", file.path()], b"");
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {err}");
        assert!(err.contains("broken.json:") && err.contains("error["), "{text}: {err}");
    }
}

#[test]
fn refuses_events_of_a_second_tenant_for_webhooks_without_one() {
    let file = Temporary::new(
        "unnamed.ndjson",
        &complete(&format!(r#"[{{"id":"a","enabled":true,"eventTypes":["{TYPE}"]}}]"#)),
    );
    let event = |tenant| format!("{{\"type\":\"{TYPE}\",\"tenantid\":\"{tenant}\"}}\n");
    let events = &[event("t1"), event("t2"), event("t1")].concat();
    let arguments = ["match", "--format", "json", "--webhooks", file.path()];
    insta::assert_snapshot!("second_tenant", shown(&arguments, events));
    let named = [&arguments[..], &["--tenant", "t2"]].concat();
    insta::assert_snapshot!("named_tenant", shown(&named, events));
}

#[test]
fn explains_verdicts() {
    let event = Temporary::new("event.json", &sample(2));
    let arguments = ["explain", "--webhooks", WEBHOOKS, event.path()];
    insta::assert_snapshot!("explain_text", shown(&arguments, ""));
    let arguments = [
        "explain",
        "--webhooks",
        WEBHOOKS,
        "--format",
        "json",
        "--webhook",
        "wh-two-apps",
        "--webhook",
        "wh-globex",
        "-",
    ];
    insta::assert_snapshot!("explain_json", shown(&arguments, &sample(2)));
    let arguments = ["explain", "--webhooks", WEBHOOKS, "--webhook", "wh-nested", "-"];
    insta::assert_snapshot!("explain_nested", shown(&arguments, &sample(5)));
    let arguments = ["explain", "--webhooks", WEBHOOKS, "--webhook", "wh-mine", "-"];
    insta::assert_snapshot!("explain_access", shown(&arguments, &sample(1)));
    insta::assert_snapshot!("explain_bad_event", shown(&arguments, "{\n\"type\": \"x\" \"y\"}"));
}

#[test]
fn exits_with_2_for_usage_and_io_errors() {
    for arguments in [
        &["match"][..],
        &["match", "--webhooks", "no/such/file"],
        &["match", "--webhooks", WEBHOOKS, "no/such/file"],
        &["match", "--webhooks", "-"],
        &["match", "--webhooks", "-", EVENTS, "-"],
        &["match", "--webhooks", WEBHOOKS, EVENTS, "-", "-"],
        &["explain", "--webhooks", WEBHOOKS, "no/such/file"],
        &["check", "--profile", "xml", "id pr"],
        &["nonsense"],
    ] {
        let output = run(arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    let output = run(
        &["explain", "--webhooks", WEBHOOKS, "--webhook", "unknown", "-"],
        sample(1).as_bytes(),
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn ends_without_an_error_at_a_closed_pipe() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hooksieve"))
        .args(["check"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..100_000 {
        if stdin.write_all(b"\"id eq \\\"x\\\"\"\n").is_err() {
            break;
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

/// Returns the event that the README gives to `requests`.
fn json_in(readme: &str) -> String {
    let (_, text) = readme.split_once("$ echo '").unwrap();
    text.split_once('\'').unwrap().0.to_owned()
}

/// What the README and the guide's page on the program show is what the program prints.
#[test]
fn shows_the_output_of_every_command_in_the_readme() {
    let page = |path| std::fs::read_to_string(path).unwrap();
    let readme = page("README.md") + &page("src/guide/program.md");
    let mistakes = std::fs::read_to_string("tests/data/webhooks-with-mistakes.ndjson").unwrap();
    for (arguments, input) in [
        (&["match", "--webhooks", WEBHOOKS, EVENTS][..], String::new()),
        (&["check", r#"ID eq "a1" or (spaceId NE "s1")"#, "id eq a1"], String::new()),
        (&["validate"], mistakes.lines().nth(1).unwrap().to_owned()),
        (&["explain", "--webhooks", WEBHOOKS, "--webhook", "wh-two-apps", "-"], sample(5)),
        (&["requests", "--webhooks", "tests/data/stored-webhook.json", "-"], json_in(&readme)),
        (
            &[
                "diff",
                r#"spaceId eq "64db65d5970c28d340790f5c""#,
                r#"data.status eq "error""#,
                "--events",
                EVENTS,
            ],
            String::new(),
        ),
    ] {
        let output = String::from_utf8(run(arguments, input.as_bytes()).stdout).unwrap();
        assert!(readme.contains(output.trim_end()), "not in the README: {output}");
    }
}

fn match_json(webhooks: &str, more: &[&str], events: &str) -> Output {
    let file = Temporary::new("webhooks.json", webhooks);
    run(
        &[&["match", "--format", "json", "--webhooks", file.path()], more].concat(),
        events.as_bytes(),
    )
}

/// JSON keeps every character, escaped if it is misleading. Text has no misleading character.
#[test]
fn escapes_misleading_characters() {
    let webhooks = &complete(&format!(
        "[{{\"id\":\"w\u{7f}\u{9b}\u{202e}\",\"enabled\":true,\"eventTypes\":[\"{TYPE}\"],\"filter\":\"id ne \\\"\u{202e}\\\"\"}}]"
    ));
    let event =
        &format!("{{\"id\":\"a\\nFAKE\u{7f}\u{202e}\",\"type\":\"{TYPE}\",\"tenantid\":\"t\"}}\n");
    let json = String::from_utf8(match_json(webhooks, &[], event).stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["event"], "a\nFAKE\u{7f}\u{202e}");
    assert_eq!(json["webhooks"][0], "w\u{7f}\u{9b}\u{202e}");

    let file = Temporary::new("misleading.json", webhooks);
    let matched = run(&["match", "--webhooks", file.path()], event.as_bytes());
    let explained = run(&["explain", "--webhooks", file.path(), "-"], event.as_bytes());
    let checked = run(&["check", "id eq \"\u{202e}\u{7f}\"", "id eq \u{202e}\u{7f}"], b"");
    for output in [matched, explained, checked] {
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\\u202e"), "{text}");
        assert!(
            !text.chars().any(|c| c != '\n' && hooksieve::diagnostic::is_misleading(c)),
            "{text:?}"
        );
        assert!(!text.contains("\nFAKE"), "{text}");
    }
    let checked = run(&["check", "--format", "json", "id eq \u{7f}x"], b"");
    assert!(String::from_utf8(checked.stdout).unwrap().contains(r"id eq \u007fx"));
}

/// Loading takes time linear in the file: a quadratic reader would need minutes.
#[test]
fn loads_many_webhooks_from_an_array() {
    let webhook = |n: usize| {
        format!(
            "{{\"id\":\"w{n}\",\"tenantId\":\"t\",\n\"enabled\":true,\"eventTypes\":[\"{TYPE}\"],\"name\":\"n\",\"url\":\"https://hooks.example.com\",\"filter\":\"id eq \\\"{n}\\\"\"}}"
        )
    };
    let list: Vec<String> = (0..50_000).map(webhook).collect();
    let events =
        format!("{{\"type\":\"{TYPE}\",\"tenantid\":\"t\",\"data\":{{\"id\":\"49999\"}}}}\n");
    let output = match_json(&format!("[{}]", list.join(",\n")), &[], &events);
    assert!(String::from_utf8(output.stdout).unwrap().contains(r#"["w49999"]"#));
}

#[test]
fn counts_tenants_of_invalid_webhooks() {
    let webhooks = r#"[
        {"id": "a", "tenantId": "t1", "enabled": true, "eventTypes": ["TYPE"]},
        {"id": "b", "tenantId": "t2", "filter": "id eq x"},
        {"id": "c", "enabled": true, "eventTypes": ["TYPE"]}
    ]"#;
    let event = format!("{{\"type\":\"{TYPE}\",\"tenantid\":\"t1\"}}\n");
    let webhooks = complete(&webhooks.replace("TYPE", TYPE));
    let output = match_json(&webhooks, &["--skip-invalid"], &event);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains(r#""webhooks":["a"]"#));
    assert!(String::from_utf8(output.stderr).unwrap().contains("webhook-missing-tenant"));
}

#[test]
fn reports_webhooks_that_are_not_objects_or_have_wrong_members() {
    for (webhook, code) in [
        (r#"["w",null,null,null,null,["x"],null,true]"#, "webhook-not-an-object"),
        (r#"{"id":"w","level":"user","ownerId":"","createdByUserId":"u"}"#, "/ownerId"),
        (r#"{"id":"w","level":"both"}"#, "member-not-allowed"),
        (r#"{"id":"w","id":"v"}"#, "member-doubled"),
        (r#"{"id":"","tenantId":""}"#, "/tenantId"),
    ] {
        let output = match_json(&format!("[{webhook}]"), &[], "");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains(code), "{webhook}: {err}");
    }
    let long = format!(r#"[{{"id":"{}","eventTypes":"{}"}}]"#, "i".repeat(500), "y".repeat(5000));
    let err = String::from_utf8(match_json(&long, &[], "").stderr).unwrap();
    assert!(err.len() < 1000, "{err}");
}

#[test]
fn stops_at_a_broken_array_without_the_other_files() {
    let broken = Temporary::new("first.json", "[{]");
    let good = Temporary::new("second.json", &sample(1));
    let arguments =
        ["match", "--webhooks", WEBHOOKS, "--format", "json", broken.path(), good.path()];
    let output = run(&arguments, b"");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), lines.lines().count()), (Some(1), 1), "{lines}");
    let record: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(record["file"], broken.path());
    assert_eq!(record["error"]["detail"], "fix this; the rest of the input was not read");
    // Errors in well-formed JSON do not stop the run.
    let odd = format!("[{{\"n\": 1e999}}, {}1{}, {}]", "[".repeat(200), "]".repeat(200), sample(1));
    let output = run(&["match", "--webhooks", WEBHOOKS, "--format", "json"], odd.as_bytes());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.contains("event-number") && lines.contains("event-too-deep"), "{lines}");
}

#[test]
fn reads_lines_that_begin_with_objects_in_arrays() {
    let event = "{\"type\":\"x\",\"tenantid\":\"t\",\"data\":{\"l\":[{\"a\":1},\n{\"b\":2}]}}\n";
    let output = run(&["match", "--webhooks", WEBHOOKS, "--format", "json"], event.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    for cut in ["{\"type\":\"x\"", "{\"type\":\"x\"\n", "{\"type\":\"x"] {
        let output = run(&["match", "--webhooks", WEBHOOKS, "--format", "json"], cut.as_bytes());
        let line = String::from_utf8(output.stdout).unwrap();
        assert!(line.starts_with("{\"file\":\"<stdin>\",\"line\":1,\"error\""), "{cut:?}: {line}");
    }
}

#[test]
fn shows_the_line_of_errors() {
    let file = Temporary::new(
        "webhooks.ndjson",
        "\n{\"id\":\"a\",\"name\":\"n\",\"url\":\"https://hooks.example.com\"}\n\n{\"id\":\"b\",\"filter\":\"x\"}\n{]\n",
    );
    let err = String::from_utf8(run(&["match", "--webhooks", file.path()], b"").stderr).unwrap();
    assert!(
        err.contains(".ndjson:4: webhook `b`")
            && err.contains("--> ")
            && err.contains(".ndjson:5\n"),
        "{err}"
    );
    let pretty = "\n[\n{\n\"type\": \"x\"\n},\n{\"tenantid\": \"t\",\n\"type\":\n tru}\n]";
    let output = run(&["match", "--webhooks", WEBHOOKS, "--format", "json"], pretty.as_bytes());
    assert!(output.stdout.starts_with(b"{\"file\":\"<stdin>\",\"line\":3,"));
    let lines = String::from_utf8(output.stdout).unwrap();
    let broken = r#"{"file":"<stdin>","line":8,"item":2,"error":{"code":"event-syntax""#;
    assert!(lines.lines().any(|line| line.starts_with(broken)), "{lines}");
}

#[test]
fn limits_the_length_of_lines() {
    let padding =
        |bytes: usize| format!("{{\"type\":\"x\",\"tenantid\":\"t\"{}}}", " ".repeat(bytes - 27));
    let input = format!("{}\n{}\n{}\n", padding(16 << 20), padding((16 << 20) + 1), padding(100));
    let output = run(&["match", "--webhooks", WEBHOOKS, "--format", "json"], input.as_bytes());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].contains("\"type\":\"x\"") && lines[2].contains("\"type\":\"x\""),
        "{lines:?}"
    );
    assert!(lines[1].contains("\"line\":2,\"error\":{\"code\":\"event-too-long\""), "{lines:?}");
}

/// Text shows a bounded number of errors; JSON has more of them.
#[test]
fn limits_the_errors_shown_as_text() {
    let filter = vec!["x co 5"; 500].join(" or ");
    let text = String::from_utf8(run(&["check", &filter], b"").stdout).unwrap();
    assert!(text.ends_with("and 1480 more\n"), "{}", &text[text.len() - 200..]);
    let json = String::from_utf8(run(&["check", "--format", "json", &filter], b"").stdout).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1001);
    assert_eq!(errors[1000]["code"], "more-problems");
    assert_eq!(errors[1000]["title"], "there are 500 more problems");
}

#[test]
fn reports_missing_commas_and_values() {
    let missing_comma = format!("[{} {}]", sample(1), sample(2));
    let output =
        run(&["match", "--webhooks", WEBHOOKS, "--format", "json"], missing_comma.as_bytes());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("expected `,` or `]` after an item"), "{lines}");

    let marked = format!("\u{feff}{}", sample(1));
    let output = run(&["match", "--webhooks", WEBHOOKS, "--format", "json"], marked.as_bytes());
    assert_eq!(output.status.code(), Some(0), "a byte order mark is skipped");
    let output = run(&["check"], "\u{feff}\"id eq \\\"x\\\"\"\n".as_bytes());
    assert_eq!(output.status.code(), Some(0), "a byte order mark is skipped");

    let webhooks = r#"[{"id":"b","eventTypes":[],"enabled":"yes"}]"#;
    let err = String::from_utf8(match_json(webhooks, &[], "").stderr).unwrap();
    assert!(
        err.contains("error[member-wrong-type]: `enabled` is a string")
            && err.contains("webhook `b`"),
        "{err}"
    );

    let err = String::from_utf8(match_json("[{]", &["--skip-invalid"], &sample(1)).stderr).unwrap();
    assert!(!err.contains("skip-invalid") && !err.contains("matches"), "{err}");
    assert_eq!(match_json("[]", &["--tenant", ""], "").status.code(), Some(2));
}

/// If only some webhooks have a tenant, and it is the same, it is the tenant of all.
#[test]
fn uses_the_only_tenant_for_webhooks_without_one() {
    let webhooks = r#"[
        {"id": "a", "tenantId": "t1", "enabled": true, "eventTypes": ["TYPE"]},
        {"id": "b", "enabled": true, "eventTypes": ["TYPE"]}
    ]"#;
    let event = |tenant| format!("{{\"type\":\"{TYPE}\",\"tenantid\":\"{tenant}\"}}\n");
    let events = [event("t2"), event("t1")].concat();
    let output = match_json(&complete(&webhooks.replace("TYPE", TYPE)), &[], &events);
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.contains(r#""line":1,"error":{"code":"event-second-tenant""#), "{lines}");
    assert!(lines.contains(r#""webhooks":["a","b"]"#), "{lines}");
}

/// Generated webhooks are valid and match generated events, and the output is reproducible.
#[test]
fn generates_webhooks_and_events() {
    for mix in ["selective", "full", "growing"] {
        for tenants in ["1", "3"] {
            let generate = |what: &str, seed: &str| {
                let arguments = ["generate", what, "--count", "300", "--seed", seed];
                let arguments = [&arguments[..], &["--mix", mix, "--tenants", tenants]].concat();
                String::from_utf8(run(&arguments, b"").stdout).unwrap()
            };
            let (webhooks, events) = (generate("webhooks", "1"), generate("events", "2"));
            assert_eq!((webhooks.lines().count(), events.lines().count()), (300, 300));
            assert_eq!(webhooks, generate("webhooks", "1"));
            assert_ne!(events, generate("events", "3"));
            let validated = run(&["validate", "--format", "json"], webhooks.as_bytes());
            assert_eq!(validated.status.code(), Some(0));
            let output = match_json(&webhooks, &[], &events);
            assert_eq!(output.status.code(), Some(0));
            let lines = String::from_utf8(output.stdout).unwrap();
            assert!(lines.contains("\"webhooks\":[\"wh-"), "{mix}, {tenants} tenants: no match");
        }
    }
    for count in ["0", "1", "2"] {
        for what in ["webhooks", "events"] {
            let output = run(&["generate", what, "--mix", "growing", "--count", count], b"");
            assert_eq!(output.status.code(), Some(0));
            let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(lines.to_string(), count);
        }
    }
    for wrong in [
        &["generate"][..],
        &["generate", "events", "--tenants", "0"],
        &["generate", "events", "--mix", "x"],
    ] {
        assert_eq!(run(wrong, b"").status.code(), Some(2), "{wrong:?}");
    }
}

/// An event matches a pattern of a webhook exactly if it matches the webhook.
#[test]
fn generates_the_patterns_of_the_webhooks() {
    use serde_json::Value;
    fn accepts(pattern: &Value, event: &Value) -> bool {
        match pattern {
            Value::Object(fields) => {
                fields.iter().all(|(name, field)| accepts(field, &event[name]))
            }
            Value::Array(values) => values.iter().any(|value| match &value["anything-but"] {
                Value::Array(none) => !none.contains(event),
                _ => value == event,
            }),
            other => panic!("{other}"),
        }
    }
    for tenants in ["1", "2"] {
        let generate = |what| {
            let arguments = ["generate", what, "--count", "200", "--mix", "growing"];
            let output = run(&[&arguments[..], &["--tenants", tenants]].concat(), b"");
            String::from_utf8(output.stdout).unwrap()
        };
        let lines = |text: &str| -> Vec<Value> {
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let (events, patterns) = (generate("events"), lines(&generate("patterns")));
        assert_eq!(patterns[0]["id"], "wh-1");
        let output = match_json(&generate("webhooks"), &[], &events);
        let results = lines(&String::from_utf8(output.stdout).unwrap());
        let mut matched = 0;
        for (event, result) in lines(&events).iter().zip(results) {
            let hits = patterns.iter().filter(|line| accepts(&line["pattern"], event));
            let mut hits: Vec<_> = hits.map(|line| line["id"].clone()).collect();
            hits.dedup();
            matched += hits.len();
            assert_eq!(result["webhooks"], Value::Array(hits), "{event}");
        }
        assert!(matched > 20, "only {matched} matches");
    }
    let output = run(&["generate", "patterns", "--mix", "full", "--count", "40"], b"");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.contains(r#""pattern":{"type":["com.qlik.v1.app.reload.finished"]}"#), "{lines}");
}

/// The output for an event comes as soon as its line is complete, not with the next line.
#[test]
fn answers_a_live_stream_line_by_line() {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(env!("CARGO_BIN_EXE_hooksieve"))
        .args(["match", "--webhooks", WEBHOOKS, "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let stdout = child.stdout.take().unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let _ = sender.send(line.unwrap());
        }
    });
    for number in [1, 2] {
        writeln!(stdin, "{}", sample(number)).unwrap();
        let answer = lines.recv();
        assert!(answer.is_ok_and(|line| line.contains("wh-all-reloads")), "event {number}");
    }
    // An incomplete line after an event must not delay the output for it.
    write!(stdin, "{}\n{{\"ty", sample(2)).unwrap();
    let answer = lines.recv();
    assert!(answer.is_ok(), "the event before an incomplete line");
    drop(stdin);
    child.wait().unwrap();
    reader.join().unwrap();
}
