//! Output without misleading characters, and input in the forms that users have.
use crate::program;

use hooksieve::diagnostic::is_misleading;
use program::{EVENTS, Temporary, WEBHOOKS, run, sample, shown};
use serde_json::{Value, json};

const TYPE: &str = "com.qlik.v1.app.created";
const DRAFT: &str = "tests/data/draft.json";

/// Exit code, standard output and standard error.
fn text(arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = run(arguments, input.as_bytes());
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, program::without_rate(&err))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns a file with one webhook.
fn webhook(filter: &str, tenant: Option<&str>) -> Temporary {
    let webhook = json!({
        "id": "w", "name": "n", "url": "https://hooks.example.com/", "enabled": true,
        "eventTypes": [TYPE], "filter": filter, "tenantId": tenant,
    });
    Temporary::new("webhook.json", &webhook.to_string())
}

/// Returns a page of the vendor's listing of past events, one of which has no tenant.
fn page() -> Value {
    json!({
        "data": [
            {"id": "au1", "userId": "u1", "eventId": "e1", "source": "com.qlik/engine", "tenantId": "t1",
             "eventTime": "2024-01-01T00:00:00Z", "eventType": TYPE, "contentType": "application/json",
             "extensions": {"actor": {"subject": "x"}}, "data": {"id": "a1"},
             "links": {"self": {"href": "https://tenant.example/api/v1/audits/au1"}}},
            {"id": "au2", "eventType": "com.qlik.v1.app.deleted", "tenantId": "t1", "data": {"id": "a1"}},
            {"id": "au3", "eventType": TYPE, "data": {"id": "a2"}},
        ],
        "links": {"next": {"href": "https://tenant.example/api/v1/audits?page=2"}},
    })
}

#[test]
fn reads_pages_of_past_events() {
    let webhooks = webhook(r#"id eq "a1""#, Some("t1"));
    let arguments = ["match", "--webhooks", webhooks.path(), "--tenant", "t1", "--format", "json"];
    let pretty = serde_json::to_string_pretty(&page()).unwrap();
    let (code, expected, err) = text(&arguments, &page().to_string());
    let hits: Vec<_> = lines(&expected).iter().map(|line| line["webhooks"].clone()).collect();
    assert_eq!((code, hits), (0, vec![json!(["w"]), json!([]), json!([])]), "{err}");
    assert_eq!(lines(&expected)[0]["event"], "au1");
    assert_eq!(err, "3 events, 1 match\n");
    for (input, times) in [
        (pretty.clone(), 1),
        (format!("{}\n{}\n", page(), page()), 2),
        (format!("{pretty}\n{pretty}"), 2),
        (format!("[{pretty},{}]", page()), 2),
        (page().to_string().replacen("\"data\":[{", "\"data\":[\n{", 1), 1),
        ("{\"data\":[],\"links\":{}}".to_owned(), 0),
    ] {
        let (code, out, err) = text(&arguments, &input);
        assert_eq!((code, out), (0, expected.repeat(times)), "{input}: {err}");
    }
    // Without --tenant, the event without a tenant is an error, reported at the event's line.
    let plain = ["match", "--webhooks", webhooks.path(), "--format", "json"];
    let (code, out, err) = text(&plain, &pretty);
    let bad = &lines(&out)[2];
    let line = 1 + pretty[..pretty.find("au3").unwrap()]
        .rfind("    {")
        .map_or(0, |at| pretty[..at].matches('\n').count());
    assert_eq!(
        (code, &bad["line"], &bad["error"]["code"]),
        (1, &json!(line), &json!("event-missing-tenant"))
    );
    assert!(bad["error"]["detail"].as_str().unwrap().ends_with("or give --tenant"), "{bad}");
    assert_eq!(err, "3 events (1 with errors), 1 match\n");
}

#[test]
fn reads_pages_in_verbs_about_past_events() {
    let webhooks = webhook(r#"id eq "a1""#, None);
    let pages = Temporary::new("page.json", &serde_json::to_string_pretty(&page()).unwrap());
    let file = webhooks.path();

    let (code, out, _) =
        text(&["try", "--webhook", file, "--tenant", "t1", "--format", "json", pages.path()], "");
    let sum = lines(&out).pop().unwrap();
    assert_eq!(
        (code, &sum["events"], &sum["matched"], &sum["bad"]),
        (0, &json!(3), &json!(1), &json!(0))
    );

    let explain =
        ["explain", "--webhooks", file, "--tenant", "t1", "--format", "json", pages.path()];
    let (code, out, _) = text(&explain, "");
    let reasons: Vec<_> =
        lines(&out).iter().map(|line| (line["event"].clone(), line["reason"].clone())).collect();
    let expected = [("au1", "matched"), ("au2", "event-type"), ("au3", "filter")];
    assert_eq!(
        (code, reasons),
        (0, expected.map(|(event, reason)| (json!(event), json!(reason))).to_vec())
    );
    let (_, out, _) = text(&["explain", "--webhooks", file, "--tenant", "t1", pages.path()], "");
    assert_eq!(out.lines().filter(|line| line.starts_with("event au")).count(), 3, "{out}");

    let diff = [
        "diff",
        r#"id eq "a1""#,
        r#"id eq "a2""#,
        "--tenant",
        "t1",
        "--format",
        "json",
        "--events",
        pages.path(),
    ];
    let (code, out, _) = text(&diff, "");
    let events = &lines(&out)[0]["events"];
    assert_eq!((code, &events["lost"], &events["gained"]), (0, &json!(2), &json!(1)));

    let requests =
        ["requests", "--webhooks", file, "--tenant", "t1", "--format", "json", pages.path()];
    let (code, out, _) = text(&requests, "");
    assert_eq!((code, lines(&out).len()), (0, 1), "{out}");

    // Without --tenant, a verb reports the event without one, and continues.
    let (code, out, err) = text(&["explain", "--webhooks", file, pages.path()], "");
    assert_eq!((code, out.matches("event au").count()), (1, 2), "{out}");
    assert!(
        err.contains("error[event-missing-tenant]") && !err.contains("takes one event"),
        "{err}"
    );
}

/// An event whose data is an array is not a page: a page has no member of an envelope.
#[test]
fn distinguishes_events_from_pages() {
    let arguments = ["match", "--webhooks", WEBHOOKS, "--format", "json"];
    for event in [
        r#"{"data":[{"id":"a"}],"specversion":"1.0"}"#,
        r#"{"data":[{"id":"a"}],"source":"x"}"#,
        r#"{"data":[{"id":"a"}],"tenantid":"t"}"#,
        r#"{"data":[{"id":"a"}],"extensions":{}}"#,
        r#"{"data":{"data":[]}}"#,
        r#"{"links":{}}"#,
    ] {
        let (code, out, _) = text(&arguments, event);
        assert_eq!(
            (code, &lines(&out)[0]["error"]["code"]),
            (1, &json!("event-missing-type")),
            "{event}"
        );
    }
    // Each member of an envelope makes it an event, regardless of its value.
    for name in "id time subject datacontenttype dataschema data_base64 type specversion source \
        tenantid userid ownerid spaceid toplevelresourceid host authtype traceparent \
        cloudEventsVersion eventId eventID eventType eventTime eventTypeVersion contentType schemaURL \
        extensions tenantId userId"
        .split_whitespace()
    {
        for value in ["\"\"", "null", "{\"a\": [1]}"] {
            let event = format!("{{\"{name}\": {value}, \"data\": [1, 2]}}");
            let (code, out, _) = text(&arguments, &event);
            let codes: Vec<_> =
                lines(&out).iter().map(|line| line["error"]["code"].clone()).collect();
            assert_eq!((code, codes), (1, vec![json!("event-missing-type")]), "{event}");
        }
    }
    let event = r#"{"id":"e1","time":"2024-01-01T00:00:00Z","subject":"s","data":[1,2]}"#;
    assert_eq!(lines(&text(&arguments, event).1).len(), 1, "one event, not two");
    let (code, out, _) = text(&arguments, r#"{"data":[1],"type":"x","tenantid":"t"}"#);
    assert_eq!((code, &lines(&out)[0]["type"]), (0, &json!("x")));
    // Pages have events, not pages.
    let (_, out, _) = text(&arguments, r#"{"data":[{"data":[]}, 5]}"#);
    let codes: Vec<_> = lines(&out).iter().map(|line| line["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!("event-missing-type"), json!("event-not-an-object")]);
}

#[test]
fn keeps_the_tenant_of_an_event() {
    let webhooks = webhook("", None);
    let event = |tenant: &str| format!("{{\"type\":\"{TYPE}\"{tenant}}}\n");
    let input = [event(""), event(",\"tenantid\":\"t2\""), event(",\"tenantid\":\"\"")].concat();
    let arguments = ["match", "--webhooks", webhooks.path(), "--tenant", "t1", "--format", "json"];
    let (code, out, _) = text(&arguments, &input);
    let out = lines(&out);
    let answers: Vec<_> = out.iter().map(|line| (&line["tenant"], &line["webhooks"])).collect();
    let (own, other, hit, none) = (json!("t1"), json!("t2"), json!(["w"]), json!([]));
    assert_eq!((code, answers), (0, vec![(&own, &hit), (&other, &none), (&own, &hit)]));
}

#[test]
fn reports_several_events_on_a_line() {
    let (one, two) = (sample(1), sample(2));
    let second = "more than one event on a line: the second begins at byte";
    for (input, title, line) in [
        (format!("{one}{two}\n{two}\n"), second, 1),
        (format!("{two}\n{one} {two}"), second, 2),
        (format!("{one},{two}\n{two}\n"), second, 1),
        (format!("{one} , \t{two}\n{two}\n"), second, 1),
        (format!("{one},\n{two}\n"), "a comma follows the event at byte", 1),
    ] {
        let verbs: [&[&str]; 3] = [
            &["match", "--webhooks", WEBHOOKS, "--format", "json"],
            &["try", "--webhook", DRAFT, "--format", "json"],
            &["diff", "", r#"id eq "a""#, "--format", "json", "--events", "-"],
        ];
        for verb in verbs {
            let (code, out, _) = text(verb, &input);
            let out = lines(&out);
            let bad: Vec<_> = out.iter().filter(|line| line["error"].is_object()).collect();
            assert_eq!((code, bad.len()), (1, 1), "{verb:?}: {out:?}");
            let error = &bad[0]["error"];
            assert_eq!((&bad[0]["line"], &error["code"]), (&json!(line), &json!("event-syntax")));
            assert!(error["title"].as_str().unwrap().starts_with(title), "{error}");
            assert!(
                error["detail"].as_str().unwrap().starts_with("write one event per line"),
                "{error}"
            );
        }
    }
    for verb in ["explain", "requests"] {
        for (input, line) in [(format!("{one}{two}"), 1), (format!("{one}\n\n{two}\n"), 3)] {
            let (code, out, _) =
                text(&[verb, "--webhooks", WEBHOOKS, "--format", "json", "-"], &input);
            let error = &lines(&out)[0];
            assert_eq!((code, &error["line"]), (1, &json!(line)));
            let title = error["error"]["title"].as_str().unwrap();
            assert!(title.starts_with("more than one event: the second begins"), "{title}");
            assert_eq!(error["error"]["detail"], format!("{verb} takes one event, a JSON object"));
        }
    }
    // If the rest is not an event, or the first event is malformed, that is another error.
    for input in
        [format!("{one}]"), format!("{one}x"), "{\"type\":tru}{}".to_owned(), "{]}{}".to_owned()]
    {
        let (_, out, _) = text(&["match", "--webhooks", WEBHOOKS, "--format", "json"], &input);
        assert!(!out.contains("more than one event"), "{out}");
    }
    let objects = format!("{{\n{},\n{{\n{}", &one[1..], &two[1..]);
    let (_, out, _) = text(&["match", "--webhooks", WEBHOOKS, "--format", "json"], &objects);
    assert!(out.contains("found `,`: remove the commas between events"), "{out}");
}

#[test]
fn counts_events_with_errors_in_the_last_line() {
    let input = format!("{}\n{{\n{}\nnull\n", sample(1), sample(2));
    let (code, _, err) = text(&["match", "--webhooks", WEBHOOKS], &input);
    assert_eq!((code, err.lines().last().unwrap()), (1, "4 events (2 with errors), 7 matches"));
    let (_, out, _) = text(&["try", "--webhook", DRAFT, "--reasons", "0"], &input);
    assert!(out.contains(" of 2 events would be delivered\n"), "{out}");
    assert!(out.contains("\n     2  with errors, not counted\n"), "{out}");
    let (_, out, _) = text(&["diff", "", r#"id eq "a""#, "--events", "-"], &input);
    assert!(
        out.contains("\n2 events: ") && out.contains("\n  not counted: 2 events with errors\n"),
        "{out}"
    );
}

#[test]
fn compares_only_events_of_the_given_types() {
    let (old, new) = (r#"spaceId eq "64db65d5970c28d340790f5c""#, r#"data.status eq "error""#);
    let types = ["com.qlik.v1.app.reload.finished", "com.qlik.v1.reload.finished"];
    let counts = |types: &[&str]| {
        let mut arguments = vec!["diff", "--format", "json", "--events", EVENTS, old, old];
        types.iter().for_each(|name| arguments.extend(["--event-type", name]));
        let (code, out, _) = text(&arguments, "");
        assert_eq!(code, 0);
        let events = &lines(&out)[0]["events"];
        ["kept", "neither", "otherTypes"].map(|word| events[word].as_u64().unwrap())
    };
    assert_eq!(counts(&[]), [5, 8, 0]);
    assert_eq!(counts(&types[..1]), [2, 2, 9]);
    assert_eq!(counts(&types), [3, 2, 8]);
    let arguments = ["diff", old, new, "--event-type", types[0], "--events", EVENTS];
    let (_, out, _) = text(&arguments, "");
    let expected = "\n4 events of these types: 1 kept, 1 gained, 1 lost, 1 matched by neither\n  not counted: 9 events of other types\n  gained  evt-0003 (line 3)\n  lost    evt-0002 (line 2)\n";
    assert!(out.ends_with(expected), "{out}");
}

/// Different values look different.
#[test]
fn prints_values_as_json_strings_in_explain() {
    let values = [
        "a",
        "a\"",
        "a\\",
        "a\\\"",
        "a\n",
        "a\\n",
        "a\u{7f}",
        "a\\u007f",
        "a\u{202e}",
        "a\u{9b}",
        "\" at data.id",
        "",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for value in values {
        let quoted = serde_json::to_string(value).unwrap();
        let webhooks = webhook(&format!("id ne {quoted}"), None);
        let event = json!({"type": TYPE, "tenantid": "t", "ownerid": value, "data": {"id": value}});
        let (code, out, _) =
            text(&["explain", "--webhooks", webhooks.path(), "-"], &event.to_string());
        assert_eq!(code, 0);
        let shown = |begin: &str| {
            let line = out.lines().find(|line| line.trim_start().starts_with(begin)).unwrap();
            let text = line.trim_start().strip_prefix(begin).unwrap().trim_start();
            assert_eq!(serde_json::from_str::<String>(text).unwrap(), value, "{out}");
            text.to_owned()
        };
        seen.insert(shown("id  "));
        if !value.is_empty() {
            shown("owner  ");
        }
        assert!(out.contains("\n  would match if `id` were absent or any other value\n"), "{out}");
        assert!(!out.chars().any(|c| c != '\n' && is_misleading(c)), "{out:?}");
    }
    assert_eq!(seen.len(), values.len());
}

#[test]
fn escapes_misleading_characters_in_json() {
    let odd = "x\u{7f}\u{85}\u{9b}31m\u{ad}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}é𝌆";
    let value = serde_json::to_string(odd).unwrap();
    let webhooks = webhook(&format!("id eq {value}"), Some(odd));
    let event = json!({"type": TYPE, "tenantid": odd, "id": odd, "data": {"id": odd, odd: [odd]}})
        .to_string();
    let file = Temporary::new("odd\u{202e}.ndjson", &format!("{event}\n{{"));
    let draft = Temporary::new(
        "draft.json",
        &json!({"name": odd, "url": "https://a.example/"}).to_string(),
    );
    let patch = Temporary::new(
        "patch.json",
        &json!([{"op": "replace", "path": "/name", "value": odd}]).to_string(),
    );
    let catalogue = json!({"data": [{"name": odd, "title": odd}]}).to_string();
    let filter = format!("id eq {value}");
    let commands: [(&[&str], &str); 9] = [
        (&["match", "--webhooks", webhooks.path(), file.path()], ""),
        (&["explain", "--webhooks", webhooks.path(), "-"], &event),
        (&["try", "--webhook", webhooks.path(), file.path()], ""),
        (&["requests", "--webhooks", webhooks.path(), "-"], &event),
        (&["diff", &filter, "id eq \"b\"", "--events", file.path()], ""),
        (&["check", &filter, odd], ""),
        (&["validate", webhooks.path()], ""),
        (&["patch", "--webhook", draft.path(), patch.path()], ""),
        (&["event-types", "--catalogue", "-"], &catalogue),
    ];
    let escaped = odd.chars().map(|c| match is_misleading(c) {
        true => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        false => c.to_string(),
    });
    let escaped: String = escaped.collect();
    for (arguments, input) in commands {
        let (_, out, err) = text(&[arguments, &["--format", "json"]].concat(), input);
        assert!(!out.chars().any(|c| c != '\n' && is_misleading(c)), "{arguments:?}: {out:?}");
        assert!(
            lines(&out).len() == out.lines().count() && !out.is_empty(),
            "{arguments:?}: {err}"
        );
        assert!(out.contains(&escaped) || arguments[0] == "validate", "{arguments:?}: {out}");
        assert!(!err.chars().any(|c| c != '\n' && is_misleading(c)), "{arguments:?}: {err:?}");
    }
}

#[test]
fn escapes_misleading_characters_in_messages_about_arguments() {
    let odd = "\u{1b}[31m\u{9b}\u{7f}\u{202e}\u{200b}\nerror: forged";
    let argument = format!("--{odd}");
    let value = format!("--format={odd}");
    let number = format!("--reasons={odd}");
    for arguments in [
        &[odd][..],
        &["match", &argument],
        &["match", "--webhooks", "x", &value],
        &["try", "--webhook", "x", &number],
        &["check", "--profile", odd],
        &["event-types", odd],
        &["generate", odd],
        &["generate", "events", "--mix", odd],
        &["match", "--webhooks", odd],
    ] {
        let (code, out, err) = text(arguments, "");
        assert_eq!((code, out), (2, String::new()), "{arguments:?}");
        assert!(!err.chars().any(|c| c != '\n' && is_misleading(c)), "{arguments:?}: {err:?}");
        assert!(err.contains("\\u202e") && !err.contains("\nerror: forged"), "{err}");
    }
    // Help is not an error, and an argument without misleading characters is repeated verbatim.
    let (code, out, _) = text(&["--help"], "");
    assert!(code == 0 && out.contains("Usage: hooksieve"), "{out}");
    let (code, _, err) = text(&["match", "--é"], "");
    assert!(code == 2 && err.contains("'--é'"), "{err}");
}

#[test]
fn hints_why_a_value_is_missing() {
    let webhooks = webhook(r#"id eq "a1""#, None);
    for (members, note) in [
        (json!({"data": "{\"id\":\"a1\"}"}), "`data` is a string that holds JSON"),
        (json!({"data_base64": "e30="}), "the event's data is in `data_base64`"),
        (json!({"toplevelresourceid": "a1"}), "\"a1\" is the value of `topLevelResourceId`"),
        (json!({"data": {"appId": "a1"}}), "\"a1\" is at `data.appId`"),
    ] {
        let mut event = json!({"type": TYPE, "tenantid": "t"});
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let event = event.to_string();
        let (code, out, _) = text(&["explain", "--webhooks", webhooks.path(), "-"], &event);
        assert!(code == 0 && out.contains(&format!("\n  note: {note}")), "{out}");
        let (code, out, _) = text(&["try", "--webhook", webhooks.path(), "-"], &event);
        assert!(code == 0 && out.contains(&format!("; {note}")), "{out}");
        for arguments in [["explain", "--webhooks"], ["try", "--webhook"]] {
            let arguments = [&arguments[..], &[webhooks.path(), "--format", "json", "-"]].concat();
            let (_, out, _) = text(&arguments, &event);
            let line = &lines(&out)[0];
            let hints =
                if arguments[0] == "try" { &line["filter"]["hints"] } else { &line["hints"] };
            assert!(hints[0]["message"].as_str().unwrap().starts_with(note), "{out}");
        }
    }
}

/// A file that is given as a catalogue by mistake may contain a secret.
#[test]
fn repeats_no_content_of_a_catalogue_in_errors() {
    for content in [
        "s3cret",
        r#"["s3cret"]"#,
        r#"{"data":[{"name":"s3cret"},{"name":"s3cret"}]}"#,
        r#"{"data":["s3cret"]}"#,
    ] {
        let shown = shown(&["event-types", "--catalogue", "-"], content);
        assert!(shown.starts_with("exit 2\n") && !shown.contains("s3cret"), "{shown}");
    }
}

/// A closed standard output is an error; a pipe that its reader closes early is not.
#[cfg(target_os = "linux")]
#[test]
fn reports_a_closed_standard_output() {
    use std::process::Command;
    let program = env!("CARGO_BIN_EXE_hooksieve");
    let shell = |command: &str| {
        let command = format!("{program} {command}");
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let closed = "error: cannot write the output: standard output is closed, \
        or is /dev/null opened for reading and writing\n";
    for verb in ["event-types", "event-types --format json", "generate events --count 1"] {
        assert_eq!(shell(&format!("{verb} >&-")), (2, closed.to_owned()), "{verb}");
        for open in [">/dev/null", ">>/dev/null", "<&- >/dev/null", "2>&- >/dev/null"] {
            assert_eq!(shell(&format!("{verb} {open}")), (0, String::new()), "{verb} {open}");
        }
        let (code, err) = shell(&format!("{verb} >/dev/full"));
        assert!(code == 2 && err.starts_with("error: cannot write the output: "), "{verb}: {err}");
    }
    for verb in ["match", "explain", "requests"] {
        let (code, err) = shell(&format!("{verb} --webhooks {WEBHOOKS} - >/dev/full <{EVENTS}"));
        assert!(code != 0, "{verb}: {err}");
    }
    let (code, err) = shell("generate webhooks --count 100000 | head -1 >/dev/null; exit 0");
    assert_eq!((code, err.as_str()), (0, ""), "a closed pipe is not an error");
}

/// The columns fit the webhooks and the first event.
#[test]
fn sizes_the_columns_of_match_by_their_content() {
    let webhooks = webhook("", Some("t1"));
    let event = |id: &str, name: &str| {
        format!("{{\"id\":\"{id}\",\"type\":\"{name}\",\"tenantid\":\"t1\"}}\n")
    };
    let input = [
        event("e1", "x"),
        event("e2", TYPE),
        event("a-longer-id", "a.type.longer.than.every.subscription"),
    ]
    .concat();
    let expected = "\
EVENT     TYPE                     WEBHOOKS
e1        x                        -
e2        com.qlik.v1.app.created  w
a-longer-id  a.type.longer.than.every.subscription  -
";
    for threads in ["1", "4"] {
        let (code, out, _) =
            text(&["match", "--webhooks", webhooks.path(), "--threads", threads], &input);
        assert_eq!((code, out.as_str()), (0, expected));
    }
    let (_, out, _) = text(&["match", "--webhooks", WEBHOOKS, EVENTS], "");
    let begin: Vec<_> = out
        .lines()
        .map(|line| line.find("WEBHOOKS").or(line.find("wh-")).or(line.rfind('-')).unwrap())
        .collect();
    assert!(begin.iter().all(|at| *at == begin[0]), "{out}");
}
