//! Row 8: memory with many webhooks.

use crate::Run;
use crate::load::TYPE;
use crate::number::{commas, number};
use crate::program::{Folder, Server, resident, run};
use crate::table::{self, Goal};
use hooksieve::registry::Registry;
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// The argument by which the bench measures a registry in a process of its own.
pub const REGISTRY: &str = "--registry";

/// Row 8: the memory of a server beside that of its registry.
pub fn webhooks(of: &Run) {
    let count = 100_000 / of.scale;
    let folder = Folder::new();
    let list = folder.path("webhooks.ndjson");
    write(&list, count);
    let data = folder.path("data");
    let list_text = list.to_str().expect("UTF-8");
    run(&["store", "import", "--tenant", "default", list_text], &[("--data", &data)]);
    let server = Server::start(&folder);
    let whole = server.resident();
    drop(server);

    let bench = std::env::current_exe().expect("the bench is a file");
    let output = Command::new(bench).arg(REGISTRY).arg(&list).output().expect("it starts");
    let own: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
    let megabytes = |bytes: f64| bytes / 1e6;
    let beside = megabytes(whole - own);
    table::row(
        "8",
        &format!(
            "memory with {} webhooks, beside a process that has only a registry",
            commas(count)
        ),
        &format!(
            "{} MB ({} − {})",
            number(beside),
            number(megabytes(whole)),
            number(megabytes(own))
        ),
        "",
        &[Goal { value: beside, must: 100.0, aim: 40.0, unit: |of| format!("{of} MB") }],
    );
}

/// Writes webhooks as a response of the API lists them, one a line.
fn write(path: &Path, count: usize) {
    let mut file = BufWriter::new(File::create(path).expect("the directory is writable"));
    for number in 0..count {
        let webhook = serde_json::json!({
            "id": format!("00000000-0000-7000-8000-{number:012}"), "name": format!("w{number}"),
            "url": format!("https://hooks.example.com/{number}"), "enabled": true,
            "eventTypes": [TYPE], "filter": format!(r#"id eq "r{number}""#), "level": "tenant",
            "createdByUserId": "u1", "createdAt": "2026-01-31T09:00:00Z",
        });
        writeln!(file, "{webhook}").expect("the disk is not full");
    }
    file.flush().expect("the disk is not full");
}

/// Loads the webhooks of a file into a registry, and prints the resident memory of the process.
pub fn registry(path: &Path) {
    let rules = Rules::default();
    let file = BufReader::new(File::open(path).expect("the file exists"));
    let webhooks = file.lines().enumerate().map(|(number, line)| {
        let document = WebhookDocument::read(line.expect("UTF-8").as_bytes()).expect("it is valid");
        let id = format!("00000000-0000-7000-8000-{number:012}");
        let new = NewWebhook::new(id, "u1", SystemTime::now().into());
        Webhook::create(&document, &rules, new).expect("it is valid").webhook
    });
    let registry = Registry::new(&rules);
    let _ = registry.load("default", webhooks).expect("there is room");
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    println!("{}", resident(&status));
}
