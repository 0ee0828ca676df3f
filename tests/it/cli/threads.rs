//! `match` on several threads: the output is the same, and a live stream is answered at once.
use crate::program;

use program::{Temporary, WEBHOOKS, run, sample, shown};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// The number of events, enough for many batches.
const EVENTS: usize = 1000;

fn generated(what: &str, count: usize, more: &[&str]) -> String {
    let count = count.to_string();
    let arguments = [&["generate", what, "--count", &count, "--mix", "full"], more].concat();
    String::from_utf8(run(&arguments, b"").stdout).unwrap()
}

/// Asserts that text and JSON are the same on 1, 2 and 7 threads, and returns the JSON.
fn assert_same_on_threads(webhooks: &str, input: &str) -> String {
    let [text, json] = ["text", "json"].map(|format| {
        let [one, two, seven] = ["1", "2", "7"].map(|threads| {
            let arguments =
                ["match", "--webhooks", webhooks, "--format", format, "--threads", threads];
            shown(&arguments, input)
        });
        assert!(one == two && one == seven, "{format}");
        one
    });
    assert_ne!(text, json);
    json
}

fn lines(output: &str, with: &str) -> usize {
    output.lines().filter(|line| line.contains(with)).count()
}

#[test]
fn prints_the_same_for_lines_with_and_without_errors() {
    let webhooks =
        Temporary::new("webhooks.ndjson", &generated("webhooks", 30, &["--tenants", "2"]));
    let long = format!("{{\"a\":\"{}", "x".repeat(300_000));
    let bad = [
        "{",
        "",
        "null",
        "{\"type\":\"x\"}",
        "[1, {}]",
        "{\"type\":\"a\",\"type\":\"b\",\"tenantid\":\"t\"}",
        "{\"n\":1e999}",
        "{\"type\":\"x\u{202e}\",\"tenantid\":\"t\"}",
        &long,
        "\"\\ud800\"",
        "}",
    ];
    let mut input = String::from("5\n");
    let events = generated("events", EVENTS, &["--seed", "2", "--tenants", "3"]);
    for (at, event) in events.lines().enumerate() {
        input.extend([event, "\n"]);
        if at % 47 == 3 {
            input.extend([bad[at / 47 % bad.len()], "\n"]);
        }
    }
    input.push_str("{\"type\":");
    let output = assert_same_on_threads(webhooks.path(), &input);
    // Of the inserted lines, two are blank, and two are valid events without a match.
    assert_eq!(lines(&output, "\"error\":"), 2 + 22 - 4);
    assert_eq!(lines(&output, "\"webhooks\":["), EVENTS + 2);
}

#[test]
fn prints_the_same_for_arrays_and_objects_even_if_they_are_broken() {
    let webhooks = Temporary::new("webhooks.ndjson", &generated("webhooks", 30, &[]));
    let events = generated("events", EVENTS, &["--seed", "2"]);
    let pretty: Vec<String> = events
        .lines()
        .map(|event| serde_json::from_str::<serde_json::Value>(event).unwrap())
        .map(|event| serde_json::to_string_pretty(&event).unwrap())
        .collect();
    let array = format!("[{}]", events.lines().collect::<Vec<_>>().join(","));
    let objects = pretty.join("\n");
    let bad_item = format!("[{}, 5, {}]", pretty.join(",\n"), pretty[0]);
    for whole in [&array, &objects, &bad_item] {
        let output = assert_same_on_threads(webhooks.path(), whole);
        assert!(lines(&output, "\"webhooks\":[") >= EVENTS);
        let (begin, rest) = whole.split_at(whole.len() / 3 * 2);
        let malformed = format!("{begin}{}", rest.replacen("\"status\"", "status", 1));
        for broken in [begin, &malformed] {
            let output = assert_same_on_threads(webhooks.path(), broken);
            assert_eq!(lines(&output, "the rest of the input was not read"), 1, "{output}");
            assert!(lines(&output, "\"webhooks\":[") > EVENTS / 2);
        }
    }
}

/// The first event comes late, and its tenant is assumed for the webhooks.
#[test]
fn prints_the_same_if_the_tenant_comes_from_an_event() {
    let webhook = r#"{"id":"a","name":"n","url":"https://hooks.example.com","enabled":true,"eventTypes":["com.qlik.v1.app.reload.finished"]}"#;
    let webhooks = Temporary::new("unnamed.ndjson", webhook);
    let bad = "{\"type\": 5, \"tenantid\": \"none\"}\n".repeat(20_000);
    let events = generated("events", EVENTS, &["--tenants", "2"]);
    let output = assert_same_on_threads(webhooks.path(), &format!("{bad}{events}{bad}"));
    assert_eq!(lines(&output, "\"webhooks\":[\"a\"]"), EVENTS / 2);
    assert_eq!(lines(&output, "event-second-tenant"), EVENTS / 2);
}

#[test]
fn refuses_a_number_of_threads_below_one() {
    for number in ["0", "-1", "many"] {
        let output = run(&["match", "--webhooks", WEBHOOKS, &format!("--threads={number}")], b"");
        assert_eq!(output.status.code(), Some(2));
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains(&format!("'{number}' for '--threads <N>'")), "{err}");
    }
}

fn live() -> Child {
    Command::new(env!("CARGO_BIN_EXE_hooksieve"))
        .args(["match", "--webhooks", WEBHOOKS, "--format", "json", "--threads", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Each part completes one event, whose output comes before the next part is written.
#[test]
fn answers_a_live_stream_event_by_event() {
    let event = sample(1);
    let line = format!("{event}\n");
    let blank = format!("{event}\n\n \n{{\"ty");
    let rest = format!("{}\n", &event[4..]);
    let pretty = format!("{{\n{}\n", &event[1..]);
    let next_begins = format!("{event}\n{{\"data\": {{}},\n");
    for parts in [
        vec![&*line, &line, &line, &line, &line, &blank, &rest, &line],
        vec![&*format!("[{event}"), &format!(",{event}"), &format!(",{event} , {{\"a\":{{}}, \n")],
        vec![&*pretty, &line, &line, &line, &next_begins],
    ] {
        let mut child = live();
        let mut stdin = child.stdin.take().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, answers) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        for (at, part) in parts.iter().enumerate() {
            write!(stdin, "{part}").unwrap();
            // No timeout: a program that waits for more input blocks this test forever.
            let answer = answers.recv();
            assert!(answer.is_ok_and(|line| line.contains("wh-all-reloads")), "{at}: {part}");
        }
        drop(stdin);
        child.wait().unwrap();
    }
}

/// The program ends although a thread waits for more input.
#[test]
fn ends_a_live_stream_at_a_closed_pipe() {
    let mut child = live();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..5 {
        writeln!(stdin, "{}", sample(1)).unwrap();
        stdout.read_line(&mut String::new()).unwrap();
    }
    drop(stdout);
    // A process that another test starts may inherit the pipe for a moment, so more than one event
    // may be needed. Writing to the ended program blocks or fails.
    let feeder = std::thread::spawn(move || {
        while writeln!(stdin, "{}", sample(1)).is_ok() {
            std::thread::yield_now();
        }
        stdin
    });
    let output = child.wait_with_output().unwrap();
    let stdin = feeder.join().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    drop(stdin);
}
