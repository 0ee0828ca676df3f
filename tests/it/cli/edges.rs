//! The program with unusual, malformed and oversized input.
use crate::program;

use program::{Temporary, WEBHOOKS, run, sample, shown};

#[test]
fn describes_each_verb_in_its_help() {
    let cases = [
        (
            "check",
            "Each line is a JSON string, an object `{\"filter\": …, \"eventTypes\": […]}`, or plain",
        ),
        ("validate", "Reads request bodies of POST and PUT, and responses of the API"),
        ("patch", "without secrets"),
        ("generate", "Equal arguments give equal lines"),
    ];
    for (verb, expected) in cases {
        let output = run(&[verb, "--help"], b"");
        let words = String::from_utf8(output.stdout).unwrap();
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(expected), "{verb}: {words}");
    }
    let all = String::from_utf8(run(&["--help"], b"").stdout).unwrap();
    for line in ["check        Check filters: print", "match        Show which webhooks match"] {
        assert!(all.contains(line), "{all}");
    }
    assert!(all.starts_with("A SCIM filter engine"), "{all}");
}

#[test]
fn checks_standard_input_for_a_dash() {
    let input = "\"id eq \\\"a\\\"\"\n{\"b\"\nid eq \"c\"\n";
    assert_eq!(shown(&["check", "-"], input), shown(&["check"], input));
    assert_eq!(
        shown(&["check", "-"], input),
        "exit 1\n--- stdout\nid eq \"a\"\n\
         <stdin>:2: error[input-line]: not JSON: the text ends inside an object, at column 4; write each line as a JSON string, \
         or as {\"filter\": …, \"eventTypes\": […]}\nid eq \"c\"\n--- stderr\n"
    );
}

/// A filter without a certain correction is reported on standard error instead.
#[test]
fn prints_only_corrected_filters_with_fix() {
    let fix = |filters: &[&str]| shown(&[&["check", "--fix"], filters].concat(), "");
    assert_eq!(
        fix(&["id eq a1 or spaceId eq s1", r#"(ID eq "x")"#]),
        "exit 0\n--- stdout\nid eq \"a1\" or spaceId eq \"s1\"\nid eq \"x\"\n--- stderr\n"
    );
    let unclear = fix(&["id eq a%20b"]);
    let reported = "exit 1\n--- stdout\n--- stderr\nerror[filter-unquoted-value]";
    assert!(unclear.starts_with(reported), "{unclear}");
    let some = shown(&["check", "--fix"], "id = 'a'\nid eq a%20b\n{\nid eq c\n");
    assert!(
        some.starts_with("exit 1\n--- stdout\nid eq \"a\"\nid eq \"c\"\n--- stderr\n"),
        "{some}"
    );
    assert!(some.contains("<stdin>:3: error[input-line]: not JSON"), "{some}");
    assert!(fix(&["id eq a*"]).starts_with("exit 1\n--- stdout\n--- stderr\n"));
    assert!(fix(&["--deny-warnings", "id = 'a' or id = 'a'"]).starts_with("exit 1"));
    assert!(fix(&["--deny-warnings", "id = 'a'"]).starts_with("exit 0"));
    assert_eq!(
        shown(&["check", "--fix"], "id = 'a'\n\"id eq b\"\n"),
        "exit 0\n--- stdout\nid eq \"a\"\nid eq \"b\"\n--- stderr\n"
    );
}

/// A line that is not JSON is a filter, unless it begins as an object does.
#[test]
fn checks_lines_that_are_not_json_as_filters() {
    let line = |line: &str| shown(&["check"], line);
    for text in ["\"id eq \"a1\"\"", "\"id eq \"\"a1\"\"\"", "\"id eq a1"] {
        let printed = line(text);
        assert!(printed.contains("write `id eq \"a1\"`"), "{printed}");
        assert!(shown(&["check", "--fix"], text).contains("stdout\nid eq \"a1\"\n"), "{text}");
    }
    assert!(line("[id] eq 1").contains("error[filter-invalid-path]"));
    for text in ["{\"filter\": ", "[\"id eq 1\"]", "5", " {id: 1}"] {
        let printed = line(text);
        assert!(printed.contains("error[input-line]"), "{printed}");
    }
    for (text, message) in [
        (r#"{"filter":["a"]}"#, "`filter` is not a string"),
        (r#"{"filter":"","eventTypes":"a"}"#, "`eventTypes` is not an array of strings"),
        (r#"{"filter":"","eventTypes":[5]}"#, "`eventTypes` is not an array of strings"),
        (r#"{"filter":"","filter":"id pr"}"#, "duplicate member `filter` or `eventTypes`"),
    ] {
        let printed = line(text);
        assert!(printed.contains(&format!("error[input-line]: {message}; ")), "{printed}");
    }
    let output = run(&["check"], b"id eq \"\xff\"\n");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("error[input-line]: not UTF-8, at byte 8 of the line"), "{printed}");
}

#[test]
fn refuses_event_types_with_the_scim_profile() {
    let shown = shown(&["check", "--profile", "scim", "--event-type", "a", "id pr"], "");
    assert_eq!(
        shown,
        "exit 2\n--- stdout\n--- stderr\n\
         error: --profile scim has no rules about event types: remove --event-type\n"
    );
}

#[test]
fn shows_where_a_patch_is_not_json() {
    let webhook = Temporary::new("w.json", r#"{"name": "n", "url": "https://hooks.example.com/"}"#);
    let patch = |format: &str, patch: &str| {
        let file = webhook.path();
        shown(&["patch", "--format", format, "--webhook", file, "-"], patch)
    };
    assert_eq!(
        patch("text", "\n[] []"),
        "exit 1\n--- stdout\nerror[patch-syntax]: expected the end of the text, found `[`, \
         at column 4\n--> <stdin>:2\n = help: remove the text after the patch\n--- stderr\n"
    );
    assert_eq!(
        patch("json", "\n[] []"),
        "exit 1\n--- stdout\n{\"line\":2,\"valid\":false,\"errors\":[{\"code\":\"patch-syntax\",\
         \"title\":\"expected the end of the text, found `[`, at column 4\",\
         \"detail\":\"remove the text after the patch\",\"pointer\":\"\"}]}\n--- stderr\n"
    );
}

#[test]
fn limits_the_size_of_files_with_one_item() {
    let event = sample(0);
    let spaces = |count: usize| " ".repeat(count - event.len());
    let max = 16 << 20;
    let explain = |input: &str| run(&["explain", "--webhooks", WEBHOOKS, "-"], input.as_bytes());
    assert_eq!(explain(&format!("{event}{}", spaces(max))).status.code(), Some(0));
    let output = explain(&format!("{event}{}", spaces(max + 1)));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"error: <stdin> is longer than 16777216 bytes\n");
    let output =
        run(&["event-types", "--catalogue", "-"], spaces(max + 1 + event.len()).as_bytes());
    assert_eq!(output.stderr, b"error: <stdin> is longer than 16777216 bytes\n");
}

#[test]
fn shows_the_expected_shape_for_another_catalogue() {
    assert_eq!(
        shown(&["event-types", "--catalogue", "-"], "[]"),
        "exit 2\n--- stdout\n--- stderr\nerror: <stdin>: not a list of event types: a member is \
         missing or has the wrong type, at line 1 column 0; see `hooksieve event-types --format \
         json` for the form\n"
    );
}

/// Warnings are printed after the canonical form, and change the exit code only if they are denied.
#[test]
fn warns_of_probably_unintended_filters() {
    let reload = "--event-type=com.qlik.v1.app.reload.finished";
    let filters = [
        r#"spaceId eq "a" and spaceId eq "b""#,
        "",
        r#"spaceId eq "a" or spaceId eq "a" and id ne "\u202e""#,
        r#"spaceId ne "a" or spaceId ne "b""#,
        r#"spaceId eq "a""#,
        "id eq a",
    ];
    insta::assert_snapshot!(
        "warnings_text",
        shown(&[&["check", reload][..], &filters].concat(), "")
    );
    let json = [&["check", "--format", "json", reload][..], &filters].concat();
    insta::assert_snapshot!("warnings_json", shown(&json, ""));
    let lines = concat!(
        r#"{"filter":"id eq \"a\"","eventTypes":["com.qlik.v1.app.reload.finished"]}"#,
        "\n",
        r#"{"filter":"id eq \"a\"","eventTypes":["com.qlik.v1.app.created"]}"#,
    );
    insta::assert_snapshot!("warnings_lines", shown(&["check"], lines));

    let code = |arguments: &[&str]| run(arguments, b"").status.code();
    let (warned, clean) = (filters[0], filters[4]);
    assert_eq!(code(&["check", warned]), Some(0));
    assert_eq!(code(&["check", "--deny-warnings", warned, clean]), Some(1));
    assert_eq!(code(&["check", "--deny-warnings", "--format", "json", clean, warned]), Some(1));
    assert_eq!(code(&["check", "--deny-warnings", clean, ""]), Some(0));
    let redundant = r#"a eq 1 or a eq 1"#;
    assert_eq!(code(&["check", "--deny-warnings", "--profile", "scim", redundant]), Some(0));
    // The catalogue decides which attributes events have.
    let id = r#"id eq "a""#;
    assert_eq!(code(&["check", "--deny-warnings", reload, id]), Some(1));
    let catalogue = Temporary::new(
        "catalogue.json",
        &String::from_utf8(run(&["event-types", "--format", "json"], b"").stdout)
            .unwrap()
            .replace(r#""id":false"#, r#""id":true"#),
    );
    let catalogue = ["check", "--deny-warnings", "--catalogue", catalogue.path(), reload, id];
    assert_eq!(code(&catalogue), Some(0));
}

#[test]
fn explains_which_terms_decide() {
    let filters = [
        r#"id ne "a" and spaceId ne "s""#,
        r#"id ne "a" and id ne "b" and spaceId eq "t" and topLevelResourceId ne "r""#,
        r#"id eq "a" and id eq "b""#,
        r#"id ne "a" or id ne "b""#,
        r#"id eq "a" or spaceId eq "s""#,
        r#"(id eq "q" or spaceId eq "\u202e") and (spaceId eq "\u202e" or id eq "z")"#,
        "",
    ];
    let webhook = |(at, filter): (usize, &&str)| {
        serde_json::json!({
            "id": format!("w{at}"), "name": "n", "url": "https://a.example/", "enabled": true,
            "eventTypes": ["com.qlik.v1.app.created"], "filter": filter,
        })
    };
    let webhooks: Vec<_> = filters.iter().enumerate().map(webhook).collect();
    let webhooks = Temporary::new("reasons.json", &serde_json::json!(webhooks).to_string());
    let event = r#"{"type": "com.qlik.v1.app.created", "tenantid": "t", "spaceid": "s", "data": {"id": "a"}}"#;
    let arguments = ["explain", "--webhooks", webhooks.path(), "-"];
    insta::assert_snapshot!("reasons_text", shown(&arguments, event));
    let arguments = ["explain", "--format", "json", "--webhooks", webhooks.path(), "-"];
    insta::assert_snapshot!("reasons_json", shown(&arguments, event));
}

/// If the smallest reason is beyond the work limit, a larger one is shown and marked as inexact.
#[test]
fn marks_a_reason_that_may_not_be_the_smallest() {
    let mut state = 1u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % 40
    };
    let mut pair = |_| format!(r#"id eq "{}" and spaceId eq "{}""#, number(), number());
    let filter = (0..200).map(&mut pair).collect::<Vec<_>>().join(" or ");
    let webhook = serde_json::json!({
        "id": "w", "name": "n", "url": "https://a.example/", "enabled": true,
        "eventTypes": ["com.qlik.v1.app.created"], "filter": filter,
    });
    let webhook = Temporary::new("hostile.json", &webhook.to_string());
    let event = br#"{"type": "com.qlik.v1.app.created", "tenantid": "t"}"#;
    let output = run(&["explain", "--format", "json", "--webhooks", webhook.path(), "-"], event);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["exact"], &answer["reason"]), (&false.into(), &"filter".into()));
    assert_eq!(answer["change"].as_array().unwrap().len(), 2);
    let because = answer["because"].as_array().unwrap().len();
    let output = run(&["explain", "--webhooks", webhook.path(), "-"], event);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("\n▸ ").count(), because + 1, "{text}");
    let expected =
        format!("\n▸ these {because} decide, regardless of the other terms; fewer may suffice\n");
    assert!(text.contains(&expected), "{text}");
}
