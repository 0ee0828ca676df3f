//! No accepted event is lost when the server is killed while events flow.
//!
//! The server is killed at chosen moments of a delivery, as its client and its receiver see them:
//!
//! | moment | what the store has |
//! | --- | --- |
//! | an event was answered by 202 | the event; its messages are about to be sent |
//! | a request arrives at the receiver | messages that are claimed; the attempt has no outcome |
//! | a request was answered | an attempt with an outcome that is being settled, retried or parked |
//! | any time | any of these |

use crate::client::{Client, document};
use crate::process::{Folder, Server, eventually, key};
use crate::receiver::{Moment, Receiver};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver as Signals, channel};
use std::time::Duration;

const EVENTS: &str = "/api/v1/events";

/// Sends events until the server stops answering, and returns the ids of those it has accepted.
/// `accepted` is signaled for each.
fn produce(client: &Client, name: &str, accepted: impl Fn()) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0.. {
        let id = format!("{name}-{number}");
        let event = json!({"specversion": "1.0", "type": "com.qlik.v1.app.created", "id": id,
            "source": "test", "tenantid": "north"});
        match client.attempt("POST", EVENTS, &event.to_string()) {
            Some(answer) => {
                assert_eq!(answer.is(202).json()["results"][0]["id"], *id);
                ids.push(id);
                accepted();
            }
            None => break,
        }
    }
    ids
}

/// Kills a server at the moment of a round while events are sent, and returns the accepted ids.
fn round(number: usize, server: Server, producer: &Client, receiver: &Receiver) -> Vec<String> {
    let (sender, accepted) = channel();
    let count = 3 + 7 * (number % 5);
    let moment: Option<Signals<()>> = match number % 4 {
        0 => None,
        1 => Some(receiver.signal(Moment::Arrived, count)),
        2 => Some(receiver.signal(Moment::Answered, count)),
        _ => Some(accepted),
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let sender = sender.clone();
                let name = format!("e{number}-{writer}");
                let accepted = move || {
                    // There may be no one who waits for it.
                    let _ = sender.send(());
                };
                scope.spawn(move || produce(producer, &name, accepted))
            })
            .collect();
        let wait = Duration::from_millis(60 + 41 * (number % 10) as u64);
        match &moment {
            None => std::thread::sleep(wait),
            // A receiver that is not called any more must not stop the test.
            Some(signals) => drop(signals.recv_timeout(5 * wait)),
        }
        server.kill();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}

/// Returns an error if an event that was accepted is not shown as delivered to both webhooks.
fn all_delivered(admin: &Client, accepted: &BTreeSet<String>) -> Result<(), String> {
    let events = admin.all(&format!("{EVENTS}?limit=100"));
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    if let Some(lost) = accepted.iter().find(|id| !ids.contains(&***id)) {
        panic!("the event {lost} was answered and is not in the store");
    }
    let is_delivered = |event: &&Value| {
        let webhooks = event["webhooks"].as_array().unwrap();
        webhooks.len() != 2 || webhooks.iter().any(|webhook| webhook["outcome"] != "delivered")
    };
    match events.iter().find(is_delivered) {
        Some(event) => Err(event.to_string()),
        None => Ok(()),
    }
}

/// Runs `ROUNDS` rounds (4 by default), each of which kills the server at another moment.
#[test]
fn loses_no_accepted_event_to_a_kill() {
    let rounds: usize = std::env::var("ROUNDS").map_or(4, |rounds| rounds.parse().unwrap());
    let (folder, receiver) = (Folder::new(), Receiver::start());
    let file = folder.path("keys.toml");
    let admin = key(&file, "north", "admin", "tenant-admin");
    let producer = key(&file, "north", "app", "producer");
    let more =
        ["--dev", "--keys", &file, "--retry-schedule", "20ms,50ms,100ms,100ms,100ms,100ms,100ms"];
    let start = || Server::start(&folder, &more);
    let first = start();
    for path in ["/steady", "/flaky"] {
        let mut webhook = document("w", "tenant");
        webhook["url"] = receiver.url(path).into();
        first.client(&admin).create(&webhook);
    }
    assert!(first.stop().success());
    let mut accepted = BTreeSet::new();
    for number in 0..rounds {
        let server = start();
        let client = server.client(&producer);
        accepted.extend(round(number, server, &client, &receiver));
    }
    let server = start();
    let admin = server.client(&admin);
    eventually(|| all_delivered(&admin, &accepted));
    assert!(server.stop().success());

    let seen = receiver.seen();
    let mut repeated = 0;
    for path in ["/steady", "/flaky"] {
        for id in &accepted {
            let (delivered, _) = &seen[&(path.to_owned(), id.clone())];
            let messages: BTreeSet<_> = delivered.iter().collect();
            assert_eq!(messages.len(), 1, "{path} {id}: every attempt has the same message id");
            // Only a kill makes the server send a delivered message again.
            assert!(delivered.len() <= 1 + rounds, "{path} {id}: {}", delivered.len());
            repeated += delivered.len() - 1;
        }
    }
    assert!(accepted.len() > rounds, "events were accepted in {rounds} rounds");
    let events = accepted.len();
    eprintln!("{rounds} kills, {events} events accepted, none lost, {repeated} requests repeated");
}

/// Without a kill, nothing is sent twice.
#[test]
fn repeats_nothing_after_a_clean_stop() {
    let (folder, receiver) = (Folder::new(), Receiver::start());
    let file = folder.path("keys.toml");
    let admin = key(&file, "north", "admin", "tenant-admin");
    let producer = key(&file, "north", "app", "producer");
    let more = ["--dev", "--keys", &file];
    let mut server = Server::start(&folder, &more);
    let mut webhook = document("w", "tenant");
    webhook["url"] = receiver.url("/steady").into();
    server.client(&admin).create(&webhook);
    let events = |from: usize| {
        let event = |number| {
            json!({"specversion": "1.0", "type": "com.qlik.v1.app.created", "tenantid": "north",
                "id": format!("e{number}")})
        };
        (from..from + 100).map(event).collect::<Value>()
    };
    for from in [0, 100, 200] {
        server.client(&producer).post(EVENTS, &events(from)).is(202);
        assert!(server.stop().success());
        server = Server::start(&folder, &more);
    }
    eventually(|| match receiver.seen().len() {
        300 => Ok(()),
        seen => Err(seen),
    });
    assert!(server.stop().success());
    let repeated = receiver.seen().into_values().filter(|(delivered, _)| delivered.len() != 1);
    assert_eq!(repeated.count(), 0);
}
