//! Every answered change survives a restart, regardless of how the server ended.

use crate::HOOKS;
use crate::client::{Client, document, replacing};
use crate::process::{Folder, Server};
use serde_json::json;
use std::collections::BTreeMap;

fn admin(server: &Server, key: &str) -> Client {
    server.client(key)
}

#[test]
fn keeps_every_answered_change() {
    let folder = Folder::new();
    let first = Server::start(&folder, &[]);
    let key = first.printed[0].rsplit(' ').next().unwrap().to_owned();
    let client = admin(&first, &key);
    let kept = client.create(&document("kept", "tenant"));
    let removed = client.create(&document("removed", "tenant"));
    client.delete(&removed).is(204);
    let revision = client.patch(&kept, &replacing("/name", "patched")).is(204).revision();
    let before = client.get(&kept).is(200).json();
    first.kill();

    let second = Server::start(&folder, &[]);
    assert_eq!(second.printed, [] as [String; 0], "the key is shown once");
    let client = admin(&second, &key);
    let after = client.get(&kept).is(200);
    assert_eq!((after.json(), after.revision()), (before, revision));
    client.get(&removed).refused(404, &["not-found"]);
    assert_eq!(client.patch(&kept, &replacing("/name", "again")).is(204).revision(), revision + 1);
    assert!(second.stop().success());
}

/// A webhook has the same text before and after a restart, and in a list.
#[test]
fn shows_the_same_text_after_a_restart() {
    let folder = Folder::new();
    let first = Server::start(&folder, &[]);
    let key = first.printed[0].rsplit(' ').next().unwrap().to_owned();
    let mut webhook = document("ordered", "tenant");
    webhook["headers"] = json!({"X-b": "1", "x-A": "2", "Y-0": "3", "W": "4", "x-a1": "5"});
    webhook["encryptedHeaders"] = json!({"E-b": "1", "e-A": "2"});
    let path = admin(&first, &key).create(&webhook);
    let text = |server: &Server, path: &str| {
        String::from_utf8(admin(server, &key).get(path).is(200).body).unwrap()
    };
    let before = text(&first, &path);
    assert!(text(&first, HOOKS).contains(&before), "the list has the same text");
    first.kill();
    let second = Server::start(&folder, &[]);
    assert_eq!(text(&second, &path), before);
    assert!(text(&second, HOOKS).contains(&before));
}

/// The answered changes before a kill.
#[derive(Default)]
struct Answers {
    kept: BTreeMap<String, String>,
    removed: Vec<String>,
    revision: u64,
}

/// Creates, patches and removes webhooks until the server stops answering.
fn change(client: &Client, writer: usize) -> Answers {
    let mut answers = Answers::default();
    for number in 0.. {
        let name = format!("w{writer}-{number}");
        let body = document(&name, "tenant").to_string();
        let Some(created) = client.attempt("POST", HOOKS, &body) else { break };
        let created = created.is(201);
        answers.revision = created.revision();
        let path = format!("{HOOKS}/{}", created.json()["id"].as_str().unwrap());
        match number % 3 {
            0 => drop(answers.kept.insert(path, name)),
            // A change without an answer may have been made or not, so it is in neither list.
            1 => {
                let new = format!("{name} patched");
                let patch = replacing("/name", &*new).to_string();
                let Some(patched) = client.attempt("PATCH", &path, &patch) else { break };
                answers.revision = patched.is(204).revision();
                answers.kept.insert(path, new);
            }
            _ => {
                let Some(removed) = client.attempt("DELETE", &path, "") else { break };
                answers.revision = removed.is(204).revision();
                answers.removed.push(path);
            }
        }
    }
    answers
}

/// Runs `ROUNDS` rounds (4 by default), each of which kills the server at a different time.
#[test]
fn loses_no_answered_change_to_a_kill() {
    let rounds = std::env::var("ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    let folder = Folder::new();
    let more =
        ["--max-webhooks-per-user", "0", "--tier1-per-minute", "0", "--tier2-per-minute", "0"];
    let mut key = None;
    let (mut changes, mut lost) = (0, Vec::new());
    for round in 0..rounds {
        let server = Server::start(&folder, &more);
        let printed = || server.printed[0].rsplit(' ').next().unwrap().to_owned();
        let client = server.client(key.get_or_insert_with(printed));
        let before = client.get(HOOKS).is(200).revision();
        let answers: Vec<Answers> = std::thread::scope(|scope| {
            let client = &client;
            let writers: Vec<_> =
                (0..4).map(|writer| scope.spawn(move || change(client, writer))).collect();
            let moment = 40 + 37 * u64::try_from(round % 10).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(moment));
            server.kill();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let server = Server::start(&folder, &more);
        let client = server.client(key.as_deref().unwrap());
        let after = client.get(HOOKS).is(200).revision();
        assert!(after >= answers.iter().map(|answers| answers.revision).max().unwrap_or(0));
        changes += after - before;
        for answers in answers {
            for (path, name) in answers.kept {
                let found = client.get(&path);
                if found.status != 200 || found.json()["name"] != *name {
                    lost.push(path);
                }
            }
            let is_there = |path: &String| client.get(path).status != 404;
            lost.extend(answers.removed.into_iter().filter(is_there));
        }
        server.kill();
    }
    assert_eq!(lost, [] as [String; 0]);
    assert!(changes > 0, "something was changed in {rounds} rounds");
    eprintln!("{rounds} kills, {changes} changes, none lost");
}

#[test]
fn refuses_a_second_process_and_missing_seal_keys() {
    let folder = Folder::new();
    let first = Server::start(&folder, &[]);
    let client = first.client(first.printed[0].rsplit(' ').next().unwrap());
    client.create(&document("w", "tenant"));
    let arguments = crate::process::arguments(&folder);
    let again = || crate::process::program(&[]).args(&arguments).output().unwrap();
    let second = again();
    assert_eq!(second.status.code(), Some(2));
    assert!(second.stdout.is_empty() && !second.stderr.is_empty());
    client.get(HOOKS).is(200);
    first.stop();
    let keys = folder.path("data/seal.keys");
    let kept = std::fs::read(&keys).unwrap();
    std::fs::remove_file(&keys).unwrap();
    let without = again();
    let stderr = String::from_utf8(without.stderr).unwrap();
    assert!(without.status.code() == Some(2) && stderr.contains("restore the keys"), "{stderr}");
    assert!(!std::path::Path::new(&keys).exists(), "no new keys are created");
    std::fs::write(&keys, kept).unwrap();
    assert!(Server::start(&folder, &[]).stop().success());
}

#[test]
fn disables_refused_webhooks_after_a_restart() {
    let folder = Folder::new();
    let first = Server::start(&folder, &["--dev"]);
    let key = first.printed[0].rsplit(' ').next().unwrap().to_owned();
    let mut local = document("local", "tenant");
    local["url"] = "http://localhost:1/".into();
    let path = admin(&first, &key).create(&local);
    admin(&first, &key).create(&document("good", "tenant"));
    first.stop();

    let second = Server::start(&folder, &[]);
    let client = admin(&second, &key);
    let webhook = client.get(&path).is(200).json();
    assert_eq!(
        (&webhook["enabled"], &webhook["url"]),
        (&json!(false), &json!("http://localhost:1/"))
    );
    assert_eq!(webhook["disabledReasonCode"], "invalid-webhook");
    assert_eq!(client.all(&format!("{HOOKS}?enabled=true")).len(), 1);
    assert!(second.log().contains("disabled a webhook"), "the log reports it");
    client.patch(&path, &replacing("/name", "x")).is(400);
    client.put(&path, &document("good again", "tenant")).is(200);
    assert_eq!(client.get(&path).is(200).json()["enabled"], true);
    second.stop();
}

#[test]
fn answers_requests_in_flight_after_sigterm() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let client = server.client(server.printed[0].rsplit(' ').next().unwrap());
    let body = document("w", "tenant").to_string();
    let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let mut stream = client.connect();
    let write = |stream: &mut std::net::TcpStream, text: &str| {
        std::io::Write::write_all(stream, text.as_bytes()).unwrap();
    };
    write(&mut stream, &client.head("POST", HOOKS, &more));
    write(&mut stream, &body[..10]);
    // An answer on a newer connection shows that the server runs; then allow time to read the head.
    client.get("/livez").is(200);
    std::thread::sleep(std::time::Duration::from_millis(200));
    server.signal("-TERM");
    crate::process::eventually(|| match server.log().contains("stopping") {
        true => Ok(()),
        false => Err("no signal logged yet"),
    });
    write(&mut stream, &body[10..]);
    let answer = crate::client::Answer::read(&mut stream).unwrap();
    assert_eq!(answer.status, 201);
    assert!(server.wait().success());
}

#[test]
fn ends_at_once_at_the_second_signal() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let client = server.client(server.printed[0].rsplit(' ').next().unwrap());
    let mut stream = client.connect();
    let more = "Content-Type: application/json\r\nContent-Length: 10\r\n";
    let head = client.head("POST", HOOKS, more);
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    client.get("/livez").is(200);
    std::thread::sleep(std::time::Duration::from_millis(200));
    server.signal("-TERM");
    crate::process::eventually(|| match server.log().contains("stopping") {
        true => Ok(()),
        false => Err("no signal logged yet"),
    });
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(1));
}
