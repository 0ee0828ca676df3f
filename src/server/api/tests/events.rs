//! What became of events: lists, single events, explanations, trials on stored events, bulk resend.

use super::stage::{Stage, document};
use crate::server::store::contract::outbox::{Next, Outbox, Outcome, Room, Settled};
use crate::server::store::contract::{Attempt, Cause, DeliveryRow, Store};
use hooksieve::delivery::Status;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

const EVENTS: &str = "/api/v1/events";
const TYPE: &str = "com.qlik.v1.app.created";

fn event(id: &str, owner: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "type": TYPE, "tenantid": "north", "ownerid": owner,
        "data": {"id": "app"},
    })
}

async fn send(stage: &Stage, event: &Value) {
    stage.ask(&stage.producer, ("POST", EVENTS), Some(event)).await.is(202);
}

fn of_tenant() -> Value {
    json!({
        "name": "t", "url": "https://hooks.example.com/", "enabled": true, "eventTypes": [TYPE],
        "filter": "id eq \"app\"",
    })
}

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

fn later(seconds: u64) -> Timestamp {
    (SystemTime::now() + Duration::from_secs(seconds)).into()
}

/// Claims every message and settles it with an attempt of this status.
async fn settle(stage: &Stage, status: Status, next: impl Fn(&WebhookId) -> Next) {
    let room = Room { messages: 100, of_webhook: 100, ..Room::default() };
    let claimed = stage.store.claim(later(0), later(9), room).await.unwrap().messages;
    let settled = claimed.into_iter().enumerate().map(|(at, message)| {
        let number = message.attempts + 1;
        let attempt = DeliveryRow {
            id: format!("{}-{at}-{number}", message.event.0).into(),
            webhook: message.webhook.clone(),
            triggered_at: later(0),
            status,
            event_type: TYPE.into(),
            document: "{}".into(),
            attempt: Attempt {
                message: Some(message.id.clone()),
                number,
                duration: Duration::from_millis(12),
                cause: Cause::Event,
            },
        };
        let next = next(&message.webhook);
        let (tenant, webhook, id) = (message.tenant, message.webhook, message.id);
        Settled { tenant, webhook, id, next, attempt: Some(attempt) }
    });
    stage.store.settle(settled.collect(), later(0)).await.unwrap();
}

/// A stage with a webhook of the tenant, one of the user and one of someone else, and the paths of
/// the first two.
async fn stage() -> (Stage, String, String) {
    let stage = Stage::new().await;
    let tenants = stage.create(&of_tenant()).await;
    let own = stage.create(&document()).await;
    let mut others = document();
    others["ownerId"] = "someone".into();
    stage.create(&others).await;
    (stage, tenants, own)
}

#[tokio::test]
async fn lists_events_by_every_parameter_and_page() {
    let (stage, tenants, _) = stage().await;
    let mut times = Vec::new();
    for number in 0..7 {
        let mut event = event(&format!("e{number}"), "stranger");
        if number % 3 == 0 {
            event["type"] = "com.example.other".into();
        }
        send(&stage, &event).await;
        times.push(later(0));
        // The cursor and the times have milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let between = format!("{EVENTS}?from={}&to={}", times[1], times[4]);
    for (path, expected) in [
        (EVENTS, &["e6", "e5", "e4", "e3", "e2", "e1", "e0"][..]),
        (&format!("{EVENTS}?type={TYPE}"), &["e5", "e4", "e2", "e1"]),
        (&format!("{EVENTS}?unmatched=True&unknown=1"), &["e6", "e3", "e0"]),
        (&between, &["e4", "e3", "e2"]),
    ] {
        assert_eq!(ids(&stage.get(path).await.is(200)), expected, "{path}");
    }
    let shown = stage.get(&format!("{EVENTS}?limit=1&type={TYPE}")).await.is(200);
    let shown = &shown["data"][0];
    assert_eq!(
        (&shown["type"], &shown["source"], &shown["revision"]),
        (&json!(TYPE), &json!(""), &json!(3))
    );
    let webhook = &shown["webhooks"][0];
    assert_eq!((&webhook["id"], &webhook["outcome"]), (&json!(id(&tenants)), &json!("pending")));
    assert_eq!((&webhook["attempts"], &shown["wanted"]), (&json!(0), &json!(1)));
    assert!(webhook["nextAttemptAt"].is_string());

    let (mut found, mut next) = (Vec::new(), Some(format!("{EVENTS}?limit=3")));
    while let Some(path) = next {
        let page = stage.get(&path).await.is(200);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        assert_eq!(
            ids(&stage.get(page["links"]["self"]["href"].as_str().unwrap()).await.is(200)),
            ids(&page)
        );
        next = page["links"]["next"]["href"].as_str().map(str::to_owned);
        if let Some(prev) = page["links"]["prev"]["href"].as_str() {
            assert_eq!(ids(&stage.get(prev).await.is(200)).len(), 3);
        }
    }
    assert_eq!(found, ["e6", "e5", "e4", "e3", "e2", "e1", "e0"]);
    for (query, code) in [
        ("limit=0", "list-invalid-value"),
        ("unmatched=x", "list-invalid-value"),
        ("from=today", "list-invalid-value"),
        ("type=", "list-invalid-value"),
        ("limit=1&limit=2", "list-doubled-parameter"),
        ("next=x", "list-invalid-cursor"),
        ("prev=WyIyMDI2Il0", "list-invalid-cursor"),
    ] {
        stage.get(&format!("{EVENTS}?{query}")).await.refused(400, code);
    }
}

#[tokio::test]
async fn shows_an_event_with_its_attempts() {
    let (stage, tenants, own) = stage().await;
    send(&stage, &event("e", "user")).await;
    let wait = later(60);
    let own_id = WebhookId::from(id(&own));
    settle(&stage, Status::Fail, |webhook| match *webhook == own_id {
        true => Next::Wait(wait),
        false => Next::End(Outcome::Failed),
    })
    .await;
    let shown = stage.get(&format!("{EVENTS}/e")).await.is(200);
    assert_eq!((&shown["body"], &shown["wanted"]), (&event("e", "user"), &json!(2)));
    let of = |id: &str| {
        shown["webhooks"].as_array().unwrap().iter().find(|webhook| webhook["id"] == id).unwrap()
    };
    let (failed, pending) = (of(id(&tenants)), of(id(&own)));
    assert_eq!((&failed["outcome"], &failed["nextAttemptAt"]), (&json!("failed"), &Value::Null));
    assert_eq!((&pending["outcome"], &pending["nextAttemptAt"]), (&json!("pending"), &json!(wait)));
    let attempt = &pending["deliveries"][0];
    assert_eq!((&attempt["number"], &attempt["status"]), (&json!(1), &json!("fail")));
    assert_eq!((&attempt["durationMs"], &attempt["cause"]), (&json!(12), &json!("event")));
    stage.get(&format!("{EVENTS}/none")).await.refused(404, "not-found");
    stage
        .ask(&stage.elsewhere, ("GET", &format!("{EVENTS}/e")), None)
        .await
        .refused(404, "not-found");
}

#[tokio::test]
async fn shows_users_only_their_webhooks_and_events() {
    let (stage, _, own) = stage().await;
    for (id, owner) in [("mine", "user"), ("theirs", "someone"), ("none", "stranger")] {
        send(&stage, &event(id, owner)).await;
    }
    let ask = async |path: String| stage.ask(&stage.user, ("GET", &path), None).await.is(200);
    let list = ask(EVENTS.to_owned()).await;
    assert_eq!(ids(&list), ["none", "theirs", "mine"]);
    let webhooks: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|e| &e["webhooks"]).collect();
    assert_eq!((webhooks[0], webhooks[1]), (&json!([]), &json!([])));
    assert_eq!(webhooks[2][0]["id"], id(&own));
    assert!(!list.to_string().contains("wanted"));
    assert_eq!(ids(&ask(format!("{EVENTS}?unmatched=true")).await), ["none", "theirs"]);
    let admins = stage.get(&format!("{EVENTS}?unmatched=true")).await.is(200);
    assert_eq!(ids(&admins), [] as [&str; 0], "the tenant's webhook wanted all of them");

    assert_eq!(ask(format!("{EVENTS}/mine")).await["body"], event("mine", "user"));
    assert_eq!(ask(format!("{EVENTS}/theirs")).await.get("body"), None);
    let explained = ask(format!("{EVENTS}/theirs/explain")).await;
    assert_eq!(explained["data"].as_array().unwrap().len(), 1);
    assert_eq!(explained["data"][0]["reason"], "access");
    // An event that a webhook would get now.
    let mut early = event("early", "user");
    early["type"] = "com.qlik.v1.app.published".into();
    send(&stage, &early).await;
    assert_eq!(ask(format!("{EVENTS}/early")).await.get("body"), None);
    let mut wants = document();
    wants["eventTypes"] = json!(["com.qlik.v1.app.published"]);
    stage.create(&wants).await;
    assert_eq!(ask(format!("{EVENTS}/early")).await["body"], early);
    for key in [&stage.producer, &stage.any] {
        for path in ["", "/mine", "/mine/explain"] {
            let path = format!("{EVENTS}{path}");
            stage.ask(key, ("GET", &path), None).await.refused(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn explains_what_became_of_an_event() {
    let (stage, tenants, own) = stage().await;
    let mut sent = event("e", "stranger");
    sent["data"]["id"] = "other".into();
    send(&stage, &sent).await;
    let explained = stage.get(&format!("{EVENTS}/e/explain")).await.is(200);
    let data = explained["data"].as_array().unwrap();
    let reasons: Vec<_> = data.iter().map(|webhook| webhook["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["filter", "access", "access"], "the nearest first");
    assert_eq!((&data[0]["webhook"], &data[0]["matched"]), (&json!(id(&tenants)), &json!(false)));
    assert_eq!(data[0]["change"][0]["to"], "app");
    assert_eq!((data[0].get("outcome"), data[0].get("changedAt")), (None, None));

    send(&stage, &event("f", "user")).await;
    settle(&stage, Status::Success, |_| Next::End(Outcome::Delivered)).await;
    let path = format!("{EVENTS}/f/explain");
    stage.ask(&stage.admin, ("DELETE", &tenants), None).await.is(204);
    let disable = json!([{"op": "replace", "path": "/enabled", "value": false}]);
    stage.ask(&stage.admin, ("PATCH", &own), Some(&disable)).await.is(204);
    let explained = stage.get(&path).await.is(200);
    let data = explained["data"].as_array().unwrap();
    assert_eq!(
        (&data[0]["webhook"], &data[0]["reason"]),
        (&json!(id(&tenants)), &json!("removed"))
    );
    assert_eq!((&data[0]["outcome"], &data[0]["filter"]), (&json!("delivered"), &Value::Null));
    assert_eq!((&data[1]["webhook"], &data[1]["reason"]), (&json!(id(&own)), &json!("disabled")));
    assert_eq!(data[1]["outcome"], "delivered", "as it happened, although it is disabled now");
    assert!(data[1]["changedAt"].is_string());
    assert_eq!(data.len(), 3);

    let one = stage.get(&format!("{path}?webhook={}", id(&own))).await.is(200);
    assert_eq!(one["data"], json!([data[1]]));
    let removed = stage.get(&format!("{path}?webhook={}", id(&tenants))).await.is(200);
    assert_eq!(removed["data"], json!([data[0]]));
    stage.get(&format!("{path}?webhook=absent")).await.refused(404, "not-found");
    stage.get(&format!("{EVENTS}/absent/explain")).await.refused(404, "not-found");
}

/// Of more webhooks than fit into a response, the recipients come first.
#[tokio::test]
async fn leaves_out_explanations_beyond_a_limit() {
    let stage = Stage::new().await;
    for _ in 0..101 {
        stage.create(&document()).await;
    }
    let tenants = stage.create(&of_tenant()).await;
    send(&stage, &event("e", "stranger")).await;
    let explained = stage.get(&format!("{EVENTS}/e/explain")).await.is(200);
    assert_eq!(
        (explained["data"].as_array().unwrap().len(), &explained["omitted"]),
        (100, &json!(2))
    );
    assert_eq!(explained["data"][0]["webhook"], id(&tenants));
    assert_eq!(explained["data"][0]["outcome"], "pending");
}

#[tokio::test]
async fn tries_webhooks_on_stored_events() {
    let stage = Stage::new().await;
    for number in 0..105 {
        let mut event = event(&format!("e{number}"), "user");
        if number % 2 == 1 {
            event["type"] = "com.example.other".into();
        }
        if number % 4 == 0 {
            event["data"]["id"] = "other".into();
        }
        send(&stage, &event).await;
    }
    let try_out = async |key: &str, webhook: Value| {
        let body = json!({"webhook": webhook, "reasons": 2});
        stage.ask(key, ("POST", "/api/v1/webhooks/actions/try"), Some(&body)).await.is(200)
    };
    let tried = try_out(&stage.admin, of_tenant()).await;
    let counts = ["events", "matched", "eventType", "filter", "bad"].map(|name| &tried[name]);
    assert_eq!(counts, [&json!(105), &json!(26), &json!(52), &json!(27), &json!(0)]);
    assert_eq!(tried["cut"], false);
    let data = tried["data"].as_array().unwrap();
    assert_eq!(data.len(), 26 + 2, "those that match, and two that are explained");
    assert_eq!((&data[0]["event"], &data[0]["item"]), (&json!("e104"), &json!(0)));
    assert_eq!(data[0]["reason"], "filter");
    assert_eq!((&data[1]["event"], &data[1]["matched"]), (&json!("e102"), &json!(true)));
    assert!(data[1]["filter"].is_object() && data[5]["filter"].is_null());
    let mut own = document();
    own.as_object_mut().unwrap().remove("ownerId");
    assert_eq!(try_out(&stage.user, own).await["matched"], 53);
}

#[tokio::test]
async fn resends_failed_messages_through_the_dispatcher() {
    let (stage, tenants, own) = stage().await;
    for id in ["a", "b", "c"] {
        send(&stage, &event(id, "user")).await;
    }
    let before = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(2)).await;
    settle(&stage, Status::Fail, |_| Next::End(Outcome::Failed)).await;
    let path = format!("{own}/deliveries/actions/resend");
    let resend =
        async |query: &str| stage.ask(&stage.user, ("POST", &format!("{path}{query}")), None).await;
    let future = format!("?since={}", later(60));
    assert_eq!(resend(&future).await.is(202), json!({"resent": 0}));
    let since = format!("?status=fail&since={}", Timestamp::from(before));
    assert_eq!(resend(&since).await.is(202), json!({"resent": 3}));
    assert_eq!(resend("").await.is(202), json!({"resent": 0}), "they are pending now");
    let room = Room { messages: 9, of_webhook: 9, ..Room::default() };
    let claimed = stage.store.claim(later(0), later(1), room).await.unwrap();
    assert!(
        claimed.messages.len() == 3
            && claimed.messages.iter().all(|m| m.webhook.as_str() == id(&own))
    );
    resend("?status=success").await.refused(400, "list-invalid-value");
    resend("?since=now").await.refused(400, "list-invalid-value");
    let others = format!("{tenants}/deliveries/actions/resend");
    stage.ask(&stage.user, ("POST", &others), None).await.refused(404, "not-found");
    stage.ask(&stage.producer, ("POST", &path), None).await.refused(403, "forbidden");
    let disable = json!([{"op": "replace", "path": "/enabled", "value": false}]);
    stage.ask(&stage.user, ("PATCH", &own), Some(&disable)).await.is(204);
    resend("").await.refused(400, "webhook-disabled");
    let north = TenantId::from("north");
    assert_eq!(stage.store.load(&north).await.unwrap().revision, 4);
}
