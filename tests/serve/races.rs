//! Changes at once: each is made whole, in some order, and none is lost or undone.

use crate::HOOKS;
use crate::client::{Client, draft, replacing};
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

/// Runs all at once.
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
fn creates_the_150th_webhook_once() {
    let (_folder, _server, admin) = started(&[]);
    (0..149).for_each(|_| drop(admin.create(&draft("w", "tenant"))));
    let mut found: Vec<_> = at_once(8, |_| admin.post(HOOKS, &draft("last", "tenant")).status);
    found.sort_unstable();
    assert_eq!(found, [201, 403, 403, 403, 403, 403, 403, 403]);
    assert_eq!(admin.all(&format!("{HOOKS}?limit=100")).len(), 150);
}

#[test]
fn makes_two_patches_of_a_webhook_one_after_the_other() {
    let (_folder, _server, admin) = started(&[]);
    for round in 0..20 {
        let path = admin.create(&draft("w", "tenant"));
        let (name, text) = (format!("n{round}"), format!("d{round}"));
        let adding = serde_json::json!([{"op": "add", "path": "/description", "value": text}]);
        let patches = [replacing("/name", &*name), adding];
        let revisions: BTreeSet<_> =
            at_once(2, |at| admin.patch(&path, &patches[at]).is(204).revision())
                .into_iter()
                .collect();
        assert_eq!(revisions.len(), 2, "each has a revision of its own");
        let webhook = admin.get(&path).is(200).json();
        assert_eq!((&webhook["name"], &webhook["description"]), (&name.into(), &text.into()));
    }
}

#[test]
fn revives_no_webhook_that_is_removed_during_a_patch() {
    let (_folder, _server, admin) = started(&[]);
    for _ in 0..20 {
        let path = admin.create(&draft("w", "tenant"));
        let found = at_once(4, |at| match at {
            0 => admin.delete(&path).status,
            1 => admin.put(&path, &draft("put", "tenant")).status,
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
        (0..10).map(|_| admin.post(HOOKS, &draft("w", "tenant")).is(201).revision()).collect()
    });
    let revisions: BTreeSet<u64> = revisions.into_iter().flat_map(|one: Vec<u64>| one).collect();
    assert_eq!(revisions, (1..=80).collect());
    assert_eq!(admin.get(HOOKS).is(200).revision(), 80);
}

/// A caller who hangs up has either changed a webhook or not, and the next one sees the same.
#[test]
fn makes_a_change_whole_although_its_caller_hangs_up() {
    let (_folder, _server, admin) = started(&[]);
    at_once(4, |_| {
        for _ in 0..25 {
            let body = draft("w", "tenant").to_string();
            let more =
                format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
            let mut stream = admin.connect();
            let request = admin.head("POST", HOOKS, &more) + &body;
            std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
            drop(stream);
        }
    });
    let last = admin.post(HOOKS, &draft("last", "tenant")).is(201).revision();
    let all = admin.all(&format!("{HOOKS}?limit=100"));
    assert!(all.len() as u64 >= last, "{last} revisions, {} webhooks", all.len());
}
