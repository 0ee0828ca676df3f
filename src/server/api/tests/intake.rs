//! Accepting events: forms, receipts, matching, and what is refused as a whole.

use super::stage::{Answered, Flaky, Stage, document};
use crate::server::store::contract::outbox::{EventId, EventQuery, EventRow, Outbox};
use crate::server::store::contract::{Store, StoreError, WebhookChange, WebhookRow};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Rules, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

const EVENTS: &str = "/api/v1/events";
const TYPE: &str = "com.qlik.v1.app.created";

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "s", "type": TYPE, "tenantid": "north", "ownerid": "user"})
}

async fn send(stage: &Stage, media: &str, body: impl ToString) -> Answered {
    let headers = [("content-type", media)];
    stage.send(&stage.producer, ("POST", EVENTS), &headers, body.to_string()).await
}

async fn post(stage: &Stage, body: &Value) -> Answered {
    send(stage, "application/json", body).await
}

fn since() -> Timestamp {
    SystemTime::UNIX_EPOCH.into()
}

async fn rows(stage: &Stage, tenant: &str) -> Vec<EventRow> {
    let query = EventQuery { limit: 1_000, ..EventQuery::default() };
    let tenant = TenantId::from(tenant);
    stage.store.events(&tenant, &query, since()).await.unwrap().rows
}

async fn body(stage: &Stage, id: &str) -> String {
    let (north, id) = (TenantId::from("north"), EventId(id.into()));
    let (_, body) = stage.store.event(&north, &id, None, since()).await.unwrap().unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Returns the results in short: the id of an accepted event, `=id` of a duplicate, or the code.
fn short(results: &Value) -> Vec<String> {
    let results = results["results"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |result: &Value| match &result["error"] {
        Value::Null if result["duplicate"] == true => format!("={}", text(&result["id"])),
        Value::Null => text(&result["id"]),
        error => text(&error["code"]),
    };
    results.map(one).collect()
}

#[tokio::test]
async fn accepts_every_form_and_keeps_the_bytes() {
    let stage = Stage::new().await;
    let text = |id: &str| format!("  {}", event(id));
    for (media, sent, ids) in [
        ("application/json", text("one"), &["one"][..]),
        ("application/json", json!([event("a"), event("b")]).to_string(), &["a", "b"]),
        ("application/cloudevents+json; charset=utf-8", text("two"), &["two"]),
        ("application/cloudevents-batch+json", json!([event("c")]).to_string(), &["c"]),
        ("application/cloudevents-batch+json", "[]".to_owned(), &[]),
        ("application/x-ndjson", format!("\r\n{}\r\n\n{}", event("d"), event("e")), &["d", "e"]),
        ("application/x-ndjson", "\n \n".to_owned(), &[]),
    ] {
        let results = send(&stage, media, sent).await.is(202);
        assert_eq!(short(&results), ids, "{media}");
    }
    assert_eq!(body(&stage, "one").await, text("one"), "as received");
    assert_eq!(body(&stage, "e").await, event("e").to_string());
    let legacy = json!({"eventType": TYPE, "eventId": "l", "extensions": {"tenantId": "north"}});
    assert_eq!(short(&post(&stage, &legacy).await.is(202)), ["l"]);
    assert_eq!(rows(&stage, "north").await.len(), 8);
}

#[tokio::test]
async fn composes_events_in_binary_mode() {
    let stage = Stage::new().await;
    let send = async |media: &str, data: &[u8], id: &str| {
        let headers = [
            ("content-type", media),
            ("ce-specversion", "1.0"),
            ("ce-type", TYPE),
            ("ce-source", "/s%20%C3%A4"),
            ("ce-id", id),
            ("ce-tenantid", "north"),
        ];
        let headers = if media.is_empty() { &headers[1..] } else { &headers[..] };
        stage.send(&stage.producer, ("POST", EVENTS), headers, data.to_vec()).await
    };
    for (id, media, data, expected) in [
        ("j", "application/json", &br#" {"id": "a"} "#[..], json!({"data": {"id": "a"}})),
        ("p", "application/x+json; a=b", b"[1.50]", json!({"data": [1.50]})),
        ("n", "", b"5", json!({"data": 5})),
        ("x", "text/json", b"{}", json!({"data": {}})),
        ("y", "Application/JSON;a=b", b"{}", json!({"data": {}})),
        ("e", "application/json", b"", json!({})),
        ("t", "text/plain", "\u{e4}\"".as_bytes(), json!({"data": "\u{e4}\""})),
        ("b", "text/plain", b"\xff", json!({"data_base64": "/w=="})),
        ("o", "application/octet-stream", b"ab", json!({"data_base64": "YWI="})),
    ] {
        assert_eq!(short(&send(media, data, id).await.is(202)), [id]);
        let mut whole = json!({
            "specversion": "1.0", "type": TYPE, "source": "/s \u{e4}", "id": id, "tenantid": "north",
        });
        if !media.is_empty() {
            whole["datacontenttype"] = media.into();
        }
        whole.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
        assert_eq!(body(&stage, id).await.parse::<Value>().unwrap(), whole, "{id}");
    }
    // Data that would close the event and name another tenant.
    let injected = send("application/json", br#"1},"tenantid":"south","x":{"#, "i").await;
    injected.refused(400, "event-syntax");
}

#[tokio::test]
async fn returns_a_result_for_each_event_in_order() {
    let stage = Stage::new().await;
    stage.create(&document()).await;
    let mut foreign = event("f");
    foreign["tenantid"] = "south".into();
    let (mut ownerless, mut untyped) = (event("o"), event("u"));
    ownerless.as_object_mut().unwrap().remove("ownerid");
    untyped.as_object_mut().unwrap().remove("type");
    let sent = json!([event("a"), foreign, ownerless, untyped, event("a"), 5, event("b/c")]);
    let results = post(&stage, &sent).await.is(202);
    assert_eq!(results["results"][0], json!({"id": "a", "webhooks": 1, "revision": 1}));
    assert_eq!(results["results"][2], json!({"id": "o", "webhooks": 0, "revision": 1}));
    let found = short(&results);
    let expected =
        ["a", "event-other-tenant", "o", "event-missing-type", "=a", "event-not-an-object"];
    assert_eq!(found[..6], expected);
    assert_eq!(found[6].len(), 36, "an id that has no place in an address is replaced");
    assert!(results["results"][3]["error"]["title"].is_string());

    let refused = post(&stage, &json!([untyped, 5])).await;
    refused.refused(400, "event-missing-type");
    assert_eq!(short(&refused.body), ["event-missing-type", "event-not-an-object"]);
    let results = send(&stage, "application/x-ndjson", format!("{{\n{}", event("z"))).await.is(202);
    assert_eq!(short(&results), ["event-syntax", "z"]);
    assert_eq!(rows(&stage, "north").await.len(), 4);
    assert_eq!(rows(&stage, "south").await.len(), 0);
}

#[tokio::test]
async fn recognizes_duplicates_by_source_and_id() {
    let stage = Stage::new().await;
    assert_eq!(short(&post(&stage, &event("a")).await.is(202)), ["a"]);
    assert_eq!(short(&post(&stage, &event("a")).await.is(202)), ["=a"]);
    let mut other = event("a");
    other["source"] = "t".into();
    let id = short(&post(&stage, &other).await.is(202)).remove(0);
    assert_ne!(id, "a", "the id is taken");
    assert_eq!(short(&post(&stage, &other).await.is(202)), [format!("={id}")]);
    // An absent source counts as empty, and an event without an id is never a duplicate.
    other.as_object_mut().unwrap().remove("source");
    let first = short(&post(&stage, &other).await.is(202)).remove(0);
    other["source"] = "".into();
    assert_eq!(short(&post(&stage, &other).await.is(202)), [format!("={first}")]);
    let mut nameless = event("");
    for _ in 0..2 {
        let results = post(&stage, &json!([nameless, nameless])).await.is(202);
        assert!(short(&results).iter().all(|id| !id.starts_with('=')), "{results}");
        nameless.as_object_mut().unwrap().remove("id");
    }
}

#[tokio::test]
async fn distinguishes_sources_and_ids_that_are_not_strings() {
    let stage = Stage::new().await;
    let legacy = |id: Value| json!({"eventType": TYPE, "eventID": id, "tenantid": "north"});
    let with = |source: Value, id: Value| {
        let mut event = event("a");
        event["source"] = source;
        event["id"] = id;
        event
    };
    let sent = json!([
        with(json!(1), json!("a")),
        with(json!(2), json!("a")),
        with(json!("1"), json!("a")),
        with(json!({"a": 1}), json!("a")),
        with(json!("s"), json!(1)),
        with(json!("s"), json!("1")),
        with(json!("s"), json!(true)),
        legacy(json!(7)),
        legacy(json!("7")),
    ]);
    let duplicate = |id: &String| id.starts_with('=');
    let first = short(&post(&stage, &sent).await.is(202));
    assert!(!first.iter().any(duplicate), "{first:?}");
    let second = short(&post(&stage, &sent).await.is(202));
    assert!(second.iter().all(duplicate), "{second:?}");
    // Null counts as absent, as it does for each attribute.
    let nothing = [with(Value::Null, json!("n")), with(json!(""), json!("n"))];
    assert_eq!(short(&post(&stage, &json!(nothing)).await.is(202)), ["n", "=n"]);
    let nothing = with(json!("s"), Value::Null);
    let found = short(&post(&stage, &json!([nothing, nothing])).await.is(202));
    assert!(!found.iter().any(duplicate), "{found:?}");
}

#[tokio::test]
async fn refuses_bodies_as_a_whole() {
    let stage = Stage::new().await;
    let many = Value::from(vec![5; 1_001]);
    let lines = "{}\n".repeat(1_001);
    for (media, sent, code) in [
        ("application/json", "[{}".to_owned(), "events-syntax"),
        ("application/cloudevents-batch+json", event("a").to_string(), "events-syntax"),
        ("application/cloudevents+json", json!([event("a")]).to_string(), "event-not-an-object"),
        ("application/json", String::new(), "event-syntax"),
        ("application/json", many.to_string(), "events-too-many"),
        ("application/x-ndjson", lines, "events-too-many"),
    ] {
        send(&stage, media, sent).await.refused(400, code);
    }
    send(&stage, "application/xml", "<a/>").await.refused(415, "unsupported-media-type");
    send(&stage, "application/json", "5".repeat(3 << 20)).await.refused(413, "body-too-large");
    let mut large = event("a");
    large["data"] = "d".repeat(1 << 20).into();
    post(&stage, &large).await.refused(400, "event-too-large");
    for name in ["type", "source"] {
        let mut long = event("a");
        long[name] = "n".repeat(2_049).into();
        post(&stage, &long).await.refused(400, "event-name-too-long");
    }
    assert_eq!(rows(&stage, "north").await.len(), 0);
}

#[tokio::test]
async fn lets_only_producers_send_and_only_for_their_tenant() {
    let stage = Stage::new().await;
    for key in [&stage.admin, &stage.user] {
        let answer = stage.ask(key, ("POST", EVENTS), Some(&event("a"))).await;
        answer.refused(403, "forbidden");
        let detail = &answer.body["errors"][0]["detail"];
        assert_eq!(detail, "use an API key with role `producer`");
    }
    let mut elsewhere = event("s");
    elsewhere["tenantid"] = "unknown".into();
    let sent = json!([event("n"), elsewhere, event("m")]);
    let results = stage.ask(&stage.any, ("POST", EVENTS), Some(&sent)).await.is(202);
    assert_eq!(short(&results), ["n", "s", "m"]);
    assert_eq!((rows(&stage, "north").await.len(), rows(&stage, "unknown").await.len()), (2, 1));
}

#[tokio::test]
async fn accepts_nothing_if_the_store_fails() {
    let stage = Stage::new().await;
    stage.create(&document()).await;
    stage.desk.room.store(5, Ordering::SeqCst);
    let sent = json!([event("a"), event("b")]);
    for (error, code) in [
        (StoreError::Full("disk".to_owned()), "store-full"),
        (StoreError::Failed("fsync".to_owned()), "store-failed"),
    ] {
        stage.store.fail(error);
        let answer = post(&stage, &sent).await;
        answer.refused(503, code);
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(stage.desk.room.load(Ordering::SeqCst), 5, "the places are free again");
    }
    assert_eq!(short(&post(&stage, &sent).await.is(202)), ["a", "b"], "no duplicates");
    assert_eq!(stage.desk.handed.lock().unwrap().len(), 2);
}

/// Messages for which there is room are claimed and handed over; the others are in the store.
#[tokio::test]
async fn hands_messages_over_after_the_commit() {
    let stage = Stage::new().await;
    stage.create(&document()).await;
    stage.create(&document()).await;
    stage.desk.room.store(3, Ordering::SeqCst);
    let sent = json!([event("a"), event("b"), event("a")]);
    let results = post(&stage, &sent).await.is(202);
    assert_eq!(short(&results), ["a", "b", "=a"]);
    let handed = stage.desk.handed.lock().unwrap().clone();
    let of: Vec<_> = handed.iter().map(|message| &*message.event.0).collect();
    assert_eq!((of, stage.desk.woken.load(Ordering::SeqCst)), (vec!["a", "a", "b"], 1));
    assert_eq!(handed[0].body, event("a").to_string());
    let rows = rows(&stage, "north").await;
    let known = |id| rows.iter().flat_map(|row| &row.messages).any(|message| message.id == id);
    assert!(handed.iter().all(|message| known(message.id.clone()) && message.attempts == 0));
    // Only the unclaimed one is due.
    let room = crate::server::store::contract::outbox::Room {
        messages: 10,
        of_webhook: 10,
        ..Default::default()
    };
    let now = SystemTime::now().into();
    let claimed = stage.store.claim(now, now, room).await.unwrap().messages;
    assert_eq!(claimed.len(), 1);
    assert_eq!(&*claimed[0].event.0, "b");
}

/// A change that another process made is found by the commit, and holds for the event.
#[tokio::test]
async fn matches_again_after_a_change() {
    let stage = Stage::new().await;
    stage.create(&document()).await;
    let change = |id: &str| {
        let mut webhook = document();
        webhook["id"] = id.into();
        let document = webhook.to_string().into_bytes().into();
        WebhookChange::Put(WebhookRow { id: id.into(), document })
    };
    *stage.store.changes.lock().unwrap() = vec![change("c"), change("b"), change("a")];
    let results = post(&stage, &json!([event("1"), event("2")])).await.is(202);
    assert_eq!(results["results"][1], json!({"id": "2", "webhooks": 4, "revision": 4}));
    // With a change before each commit the tries end.
    *stage.store.changes.lock().unwrap() = (0..9).map(|n| change(&format!("x{n}"))).collect();
    post(&stage, &event("3")).await.refused(503, "store-conflict");
    stage.store.changes.lock().unwrap().clear();
    let results = post(&stage, &event("4")).await.is(202);
    assert_eq!(results["results"][0]["webhooks"], 8);
    let north = stage.store.load(&TenantId::from("north")).await.unwrap();
    assert_eq!(results["results"][0]["revision"], north.revision);
}

/// Events that are sent while webhooks change are matched at the revision of their receipt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn matches_each_event_at_its_revision() {
    let stage = Arc::new(Stage::new().await);
    let path = stage.create(&document()).await;
    let changing = Arc::clone(&stage);
    let changes = tokio::spawn(async move {
        for round in 0..100 {
            let enabled = json!([{"op": "replace", "path": "/enabled", "value": round % 2 == 1}]);
            changing.ask(&changing.admin, ("PATCH", &path), Some(&enabled)).await.is(204);
        }
    });
    let mut number = 0;
    while !changes.is_finished() || number < 100 {
        number += 1;
        let results = post(&stage, &json!([event(&number.to_string())])).await.is(202);
        let result = &results["results"][0];
        // The webhook is enabled at odd revisions.
        assert_eq!(result["webhooks"].as_u64().unwrap(), result["revision"].as_u64().unwrap() % 2);
    }
    changes.await.unwrap();
}

#[tokio::test]
async fn limits_the_events_per_second_of_a_tenant() {
    let (store, rules) = (Arc::<Flaky>::default(), Rules::default());
    let stage = Stage::start(store, &rules, Duration::from_secs(10), 1).await;
    let mut elsewhere = event("s");
    elsewhere["tenantid"] = "south".into();
    let any = async |body: &Value| stage.ask(&stage.any, ("POST", EVENTS), Some(body)).await;
    any(&event("a")).await.is(202);
    let refused = any(&json!([elsewhere, event("b")])).await;
    refused.refused(429, "too-many-events");
    assert!(refused.headers.contains_key("retry-after"));
    any(&elsewhere).await.is(202);
    assert_eq!(rows(&stage, "north").await.len(), 1);
}

/// A flood of one tenant, whose events wait for the store, is refused beyond a limit. Another
/// tenant's event is not.
#[tokio::test]
async fn refuses_what_waits_too_long_only_to_its_tenant() {
    let stage = Arc::new(Stage::new().await);
    let closed = stage.store.gate.write().await;
    let mut large = event("");
    large["data"] = "d".repeat((1 << 20) - 1_000).into();
    let large = Arc::new(large);
    let flood: Vec<_> = (0..17)
        .map(|_| {
            let (stage, large) = (Arc::clone(&stage), Arc::clone(&large));
            tokio::spawn(async move { post(&stage, &large).await })
        })
        .collect();
    let small = {
        let stage = Arc::clone(&stage);
        let mut small = event("s");
        small["tenantid"] = "south".into();
        tokio::spawn(async move { stage.ask(&stage.any, ("POST", EVENTS), Some(&small)).await })
    };
    // The one that does not fit is answered while the store accepts nothing.
    while !flood.iter().any(|request| request.is_finished()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(closed);
    let mut refused = 0;
    for request in flood {
        let answer = request.await.unwrap();
        if answer.status == 503 {
            answer.refused(503, "intake-full");
            assert!(answer.headers.contains_key("retry-after"));
            refused += 1;
        } else {
            answer.is(202);
        }
    }
    assert_eq!(refused, 1);
    small.await.unwrap().is(202);
}

/// What was committed is handed over, even if the request takes too long.
#[tokio::test]
async fn completes_what_was_begun_after_the_request_has_ended() {
    let time = Duration::from_millis(100);
    let stage = Stage::with(Arc::default(), &Rules::default(), time).await;
    stage.create(&document()).await;
    stage.desk.room.store(5, Ordering::SeqCst);
    let closed = stage.store.gate.write().await;
    post(&stage, &event("a")).await.refused(503, "request-timeout");
    drop(closed);
    stage.service.idle().await;
    assert_eq!(stage.desk.handed.lock().unwrap().len(), 1);
}
