//! The program where somebody gives it what nobody means.
use crate::program;

use program::{Temporary, WEBHOOKS, run, sample, shown};

/// What a verb says of itself at length.
#[test]
fn help_says_all() {
    let said = [
        (
            "check",
            "each line a JSON string, an object `{\"filter\": …, \"eventTypes\": […]}`, or a filter",
        ),
        ("validate", "Takes drafts, as POST and PUT do, and responses of the API"),
        ("patch", "without anything secret"),
        ("generate", "Equal arguments give equal lines"),
    ];
    for (verb, said) in said {
        let output = run(&[verb, "--help"], b"");
        let words = String::from_utf8(output.stdout).unwrap();
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(said), "{verb}: {words}");
    }
    let all = String::from_utf8(run(&["--help"], b"").stdout).unwrap();
    for line in ["check        Check filters: print", "match        Say for each event which"] {
        assert!(all.contains(line), "{all}");
    }
    assert!(all.starts_with("A SCIM filter engine"), "{all}");
}

#[test]
fn a_dash_is_standard_input_to_check() {
    let input = "\"id eq \\\"a\\\"\"\n{\"b\"\nid eq \"c\"\n";
    assert_eq!(shown(&["check", "-"], input), shown(&["check"], input));
    assert_eq!(
        shown(&["check", "-"], input),
        "exit 1\n--- stdout\nid eq \"a\"\n\
         <stdin>:2: error[input-line]: not JSON, EOF while parsing an object; write each line as a JSON string, \
         or as {\"filter\": …, \"eventTypes\": […]}\nid eq \"c\"\n--- stderr\n"
    );
}

/// `--fix` prints only the filter, corrected or in its canonical form; what has no certain correction is
/// described as without it.
#[test]
fn check_fix_prints_corrected_filters() {
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

/// Each line that is not JSON is a filter as it is, unless it looks like an object.
#[test]
fn check_takes_lines_that_only_begin_as_json_does() {
    let line = |line: &str| shown(&["check"], line);
    for text in ["\"id eq \"a1\"\"", "\"id eq \"\"a1\"\"\"", "\"id eq a1"] {
        let said = line(text);
        assert!(said.contains("write `id eq \"a1\"`"), "{said}");
        assert!(shown(&["check", "--fix"], text).contains("stdout\nid eq \"a1\"\n"), "{text}");
    }
    assert!(line("[id] eq 1").contains("error[filter-invalid-path]"));
    for text in ["{\"filter\": ", "[\"id eq 1\"]", "5", " {id: 1}"] {
        let said = line(text);
        assert!(said.contains("error[input-line]"), "{said}");
    }
    let output = run(&["check"], b"id eq \"\xff\"\n");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("error[input-line]: not UTF-8, at byte 8 of the line"), "{said}");
}

#[test]
fn event_types_say_nothing_of_the_grammar() {
    let shown = shown(&["check", "--profile", "scim", "--event-type", "a", "id pr"], "");
    assert_eq!(
        shown,
        "exit 2\n--- stdout\n--- stderr\n\
         error: --profile scim has no rules about event types: leave --event-type out\n"
    );
}

#[test]
fn a_patch_that_is_no_json_says_where() {
    let webhook = Temporary::new("w.json", r#"{"name": "n", "url": "https://hooks.example.com/"}"#);
    let patch = |format: &str, patch: &str| {
        let file = webhook.path();
        shown(&["patch", "--format", format, "--webhook", file, "-"], patch)
    };
    assert_eq!(
        patch("text", "\n[] []"),
        "exit 1\n--- stdout\nerror[patch-syntax]: trailing characters, at column 4\n\
         --> <stdin>:2\n = help: remove what follows the patch\n--- stderr\n"
    );
    assert_eq!(
        patch("json", "\n[] []"),
        "exit 1\n--- stdout\n{\"line\":2,\"valid\":false,\"errors\":[{\"code\":\"patch-syntax\",\
         \"title\":\"trailing characters, at column 4\",\
         \"detail\":\"remove what follows the patch\",\"pointer\":\"\"}]}\n--- stderr\n"
    );
}

/// Input without an end is not kept without an end.
#[test]
fn what_holds_one_thing_has_a_limit() {
    let event = sample(0);
    let spaces = |count: usize| " ".repeat(count - event.len());
    let most = 16 << 20;
    let explain = |input: &str| run(&["explain", "--webhooks", WEBHOOKS, "-"], input.as_bytes());
    assert_eq!(explain(&format!("{event}{}", spaces(most))).status.code(), Some(0));
    let output = explain(&format!("{event}{}", spaces(most + 1)));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"error: <stdin> is longer than 16777216 bytes\n");
    let output =
        run(&["event-types", "--catalogue", "-"], spaces(most + 1 + event.len()).as_bytes());
    assert_eq!(output.stderr, b"error: <stdin> is longer than 16777216 bytes\n");
}

#[test]
fn a_catalogue_of_another_shape_is_told_the_shape() {
    assert_eq!(
        shown(&["event-types", "--catalogue", "-"], "[]"),
        "exit 2\n--- stdout\n--- stderr\nerror: <stdin>: not a list of event types: a member is \
         missing, or is not of the type it should be, at line 1 column 0; `hooksieve event-types \
         --format json` shows the shape\n"
    );
}

/// Warnings stand beside the canonical form, and count as mistakes where they are denied alone.
#[test]
fn check_warns() {
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
    let (warned, fine) = (filters[0], filters[4]);
    assert_eq!(code(&["check", warned]), Some(0));
    assert_eq!(code(&["check", "--deny-warnings", warned, fine]), Some(1));
    assert_eq!(code(&["check", "--deny-warnings", "--format", "json", fine, warned]), Some(1));
    assert_eq!(code(&["check", "--deny-warnings", fine, ""]), Some(0));
    let twice = r#"a eq 1 or a eq 1"#;
    assert_eq!(code(&["check", "--deny-warnings", "--profile", "scim", twice]), Some(0));
    // What events carry is said by the catalogue.
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

/// Reasons and changes of every shape, drawn.
#[test]
fn explain_says_what_decides() {
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

/// Where the smallest reason takes too much work, one is given all the same, and said to be so.
#[test]
fn explain_says_what_it_did_not_decide() {
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
    let said = format!(
        "\n▸ these {because} decide, whatever the other terms say; whether fewer do was not decided\n"
    );
    assert!(text.contains(&said), "{text}");
}
