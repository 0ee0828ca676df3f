//! Concurrent changes: each is atomic, and none is lost or reverted.

use crate::HOOKS;
use crate::client::{Client, document, replacing};
use crate::process::{Folder, Server};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

fn started(more: &[&str]) -> (Folder, Server, Client) {
    let folder = Folder::new();
    let all = [more, &["--tier1-per-minute", "0", "--tier2-per-minute", "0"]].concat();
    let server = Server::start(&folder, &all);
    let client = server.client(server.printed[0].rsplit(' ').next().unwrap());
    (folder, server, client)
}

/// Runs closures concurrently.
fn at_once<T: Send>(count: usize, each: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    let (barrier, each) = (&barrier, &each);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    barrier.wait();
                    each(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn enforces_the_limit_for_concurrent_creates() {
    let (_folder, _server, admin) = started(&[]);
    (0..149).for_each(|_| drop(admin.create(&document("w", "tenant"))));
    let mut found: Vec<_> = at_once(8, |_| admin.post(HOOKS, &document("last", "tenant")).status);
    found.sort_unstable();
    assert_eq!(found, [201, 403, 403, 403, 403, 403, 403, 403]);
    assert_eq!(admin.all(&format!("{HOOKS}?limit=100")).len(), 150);
}

#[test]
fn applies_concurrent_patches_one_at_a_time() {
    let (_folder, _server, admin) = started(&[]);
    for round in 0..20 {
        let path = admin.create(&document("w", "tenant"));
        let (name, text) = (format!("n{round}"), format!("d{round}"));
        let adding = serde_json::json!([{"op": "add", "path": "/description", "value": text}]);
        let patches = [replacing("/name", &*name), adding];
        let revisions: BTreeSet<_> =
            at_once(2, |at| admin.patch(&path, &patches[at]).is(204).revision())
                .into_iter()
                .collect();
        assert_eq!(revisions.len(), 2, "each patch has its own revision");
        let webhook = admin.get(&path).is(200).json();
        assert_eq!((&webhook["name"], &webhook["description"]), (&name.into(), &text.into()));
    }
}

#[test]
fn never_restores_a_webhook_removed_during_a_patch() {
    let (_folder, _server, admin) = started(&[]);
    for _ in 0..20 {
        let path = admin.create(&document("w", "tenant"));
        let found = at_once(4, |at| match at {
            0 => admin.delete(&path).status,
            1 => admin.put(&path, &document("put", "tenant")).status,
            _ => admin.patch(&path, &replacing("/name", "patched")).status,
        });
        assert_eq!(found[0], 204);
        assert!(matches!(found[1], 200 | 404), "{found:?}");
        assert!(found[2..].iter().all(|status| matches!(status, 204 | 404)), "{found:?}");
        admin.get(&path).refused(404, &["not-found"]);
    }
    assert!(admin.all(HOOKS).is_empty());
}

#[test]
fn numbers_changes_without_gaps() {
    let (_folder, _server, admin) = started(&[]);
    let revisions = at_once(8, |_| {
        (0..10).map(|_| admin.post(HOOKS, &document("w", "tenant")).is(201).revision()).collect()
    });
    let revisions: BTreeSet<u64> = revisions.into_iter().flat_map(|one: Vec<u64>| one).collect();
    assert_eq!(revisions, (1..=80).collect());
    assert_eq!(admin.get(HOOKS).is(200).revision(), 80);
}

/// A change whose caller closes the connection is made completely or not at all.
#[test]
fn completes_or_skips_changes_of_closed_connections() {
    let (_folder, _server, admin) = started(&[]);
    at_once(4, |_| {
        for _ in 0..25 {
            let body = document("w", "tenant").to_string();
            let more =
                format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
            let mut stream = admin.connect();
            let request = admin.head("POST", HOOKS, &more) + &body;
            std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
            drop(stream);
        }
    });
    let last = admin.post(HOOKS, &document("last", "tenant")).is(201).revision();
    let all = admin.all(&format!("{HOOKS}?limit=100"));
    assert!(all.len() as u64 >= last, "{last} revisions, {} webhooks", all.len());
}
