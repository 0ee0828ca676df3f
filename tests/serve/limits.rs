//! The limits: webhooks of a user, size of a body, requests per minute.

use crate::HOOKS;
use crate::client::document;
use crate::process::{Folder, Server, key};
use serde_json::json;

#[test]
fn limits_webhooks_by_their_creator() {
    let folder = Folder::new();
    let file = folder.path("keys.toml");
    let admin = key(&file, "north", "admin", "tenant-admin");
    let my_key = key(&file, "north", "me", "user");
    let more = ["--keys", &file, "--max-webhooks-per-user", "3", "--tier2-per-minute", "0"];
    let server = Server::start(&folder, &more);
    let (admin, me) = (server.client(&admin), server.client(&my_key));
    let first = me.create(&document("w", "user"));
    (0..2).for_each(|_| drop(me.create(&document("w", "user"))));
    me.post(HOOKS, &document("w", "user")).refused(403, &["webhook-limit"]);
    admin.create(&document("w", "tenant"));
    me.put(&first, &document("again", "user")).is(200);
    me.delete(&first).is(204);
    me.create(&document("w", "user"));
    me.post(HOOKS, &document("w", "user")).refused(403, &["webhook-limit"]);
    assert!(server.stop().success());
    let server = Server::start(&folder, &more);
    let me = server.client(&my_key);
    me.post(HOOKS, &document("w", "user")).refused(403, &["webhook-limit"]);
    me.delete(&me.all(HOOKS)[0]["id"].as_str().map(|id| format!("{HOOKS}/{id}")).unwrap()).is(204);
    me.create(&document("w", "user"));
}

#[test]
fn refuses_bodies_that_are_too_large() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--max-body-bytes", "1000"]);
    let client = server.client(server.printed[0].rsplit(' ').next().unwrap());
    let mut large = document("w", "tenant");
    large["description"] = "x".repeat(1000).into();
    client.post(HOOKS, &large).refused(413, &["body-too-large"]);
    client.create(&document("w", "tenant"));

    // The same without a declared length, so that it is refused while it is read.
    let mut stream = client.connect();
    let more = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let mut bytes = client.head("POST", HOOKS, more).into_bytes();
    bytes.extend(b"7d0\r\n");
    bytes.extend([b' '; 2000]);
    bytes.extend(b"\r\n0\r\n\r\n");
    std::io::Write::write_all(&mut stream, &bytes).unwrap();
    let answer = crate::client::Answer::read(&mut stream).unwrap();
    crate::description::check("POST", HOOKS, &answer);
    answer.refused(413, &["body-too-large"]);
}

#[test]
fn limits_requests_by_key_and_tier() {
    let folder = Folder::new();
    let file = folder.path("keys.toml");
    let first = key(&file, "north", "admin", "tenant-admin");
    let second = key(&file, "north", "admin", "tenant-admin");
    let more = ["--keys", &file, "--tier1-per-minute", "4", "--tier2-per-minute", "2"];
    let server = Server::start(&folder, &more);
    let (first, second) = (server.client(&first), server.client(&second));
    for _ in 0..2 {
        first.create(&document("w", "tenant"));
    }
    let refused = first.post(HOOKS, &document("w", "tenant"));
    refused.refused(429, &["too-many-requests"]);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    second.create(&document("w", "tenant"));
    // Checking a filter is in tier 1, trying a webhook in tier 2.
    let check = "/api/v1/filters/actions/check";
    for _ in 0..4 {
        first.post(check, &json!({})).is(200);
    }
    first.get(HOOKS).refused(429, &["too-many-requests"]);
    let body = json!({"webhook": document("w", "tenant"), "events": []});
    first.post("/api/v1/webhooks/actions/try", &body).refused(429, &["too-many-requests"]);
    server.client("").get("/livez").is(200);
}

#[test]
fn limits_no_rates_in_development() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--dev"]);
    let client = server.client(server.printed[0].rsplit(' ').next().unwrap());
    let mut local = document("w", "tenant");
    local["url"] = "http://localhost:1/".into();
    for _ in 0..120 {
        client.create(&local);
    }
    let ready = client.get("/readyz").is(200).json();
    assert_eq!(ready["development"], true);
}
