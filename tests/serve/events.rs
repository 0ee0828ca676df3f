//! Events over HTTP: every form of a request, and what is shown of them.

use crate::client::{Client, document};
use crate::process::{Folder, Server, key};
use serde_json::{Value, json};

const EVENTS: &str = "/api/v1/events";

struct Stage {
    server: Server,
    admin: Client,
    producer: Client,
    folder: Folder,
}

fn stage(more: &[&str]) -> Stage {
    let folder = Folder::new();
    let file = folder.path("keys.toml");
    let admin = key(&file, "north", "admin", "tenant-admin");
    let producer = key(&file, "north", "app", "producer");
    let server = Server::start(&folder, &[&["--keys", &file], more].concat());
    let (admin, producer) = (server.client(&admin), server.client(&producer));
    Stage { server, admin, producer, folder }
}

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "type": "com.qlik.v1.app.created", "tenantid": "north"})
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[test]
fn accepts_events_and_shows_them_after_a_restart() {
    let Stage { server, admin, producer, folder } = stage(&[]);
    let mut narrow = document("narrow", "tenant");
    narrow["filter"] = r#"id eq "other""#.into();
    admin.create(&narrow);
    let sent = |media: &str, body: &str| {
        producer.ask("POST", EVENTS, media, body.as_bytes()).is(202).json()
    };
    let one = sent("application/json", &event("a").to_string());
    assert_eq!(one, json!({"results": [{"id": "a", "webhooks": 0, "revision": 1}]}));
    let lines = format!("{}\n\n{{\n{}\n", event("b"), event("a"));
    let lines = sent("application/x-ndjson", &lines);
    assert_eq!(lines["results"][2], json!({"id": "a", "duplicate": true}));
    assert_eq!(lines["results"][1]["error"]["code"], "event-syntax");
    sent("application/cloudevents-batch+json", &json!([event("c"), event("d")]).to_string());
    // The other headers follow the media type.
    let binary = "text/plain\r\nce-specversion: 1.0\r\nce-id: e\r\n\
                  ce-type: com.example.%C3%A4\r\nce-tenantid: north";
    producer.ask("POST", EVENTS, binary, b"hello").is(202);
    let refused = producer.post(EVENTS, &json!([{"type": "x"}, 5]));
    refused.refused(400, &["event-missing-tenant"]);
    assert_eq!(refused.json()["results"].as_array().unwrap().len(), 2);
    producer.ask("POST", EVENTS, "text/plain", b"hello").refused(415, &["unsupported-media-type"]);

    assert!(server.stop().success());
    let server = Server::start(&folder, &["--keys", &folder.path("keys.toml")]);
    let admin = admin.at(&server);
    let page = admin.get(&format!("{EVENTS}?limit=3&unmatched=true")).is(200).json();
    assert_eq!(ids(&page), ["e", "d", "c"]);
    let next = page["links"]["next"]["href"].as_str().unwrap();
    let path = &next[next.find("/api").unwrap()..];
    assert_eq!(ids(&admin.get(path).is(200).json()), ["b", "a"]);
    let shown = admin.get(&format!("{EVENTS}/e")).is(200).json();
    assert_eq!(
        (&shown["type"], &shown["body"]["data"]),
        (&json!("com.example.\u{e4}"), &json!("hello"))
    );
    let explained = admin.get(&format!("{EVENTS}/a/explain")).is(200).json();
    assert_eq!(explained["data"][0]["reason"], "filter");
    let trial = json!({"webhook": document("w", "tenant")});
    let tried = admin.post("/api/v1/webhooks/actions/try", &trial).is(200).json();
    assert_eq!((&tried["events"], &tried["matched"]), (&json!(5), &json!(4)));
}

#[test]
fn limits_events_per_second() {
    let Stage { producer, server, folder, .. } = stage(&["--max-events-per-second", "2"]);
    producer.post(EVENTS, &json!([event("a"), event("b")])).is(202);
    let refused = producer.post(EVENTS, &json!([event("c"), event("d")]));
    refused.refused(429, &["too-many-events"]);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(server.stop().success());
    drop(folder);
}
