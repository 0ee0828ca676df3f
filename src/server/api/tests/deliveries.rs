//! Deliveries, resend and test.

use super::stage::{Stage, document};
use crate::server::store::contract::{Cause, DeliveryRow, Store};
use hooksieve::delivery::{Delivery, Payload, RequestBuilder, Response};
use hooksieve::event::TenantId;
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Returns the row of an attempt some hours ago.
fn row(webhook: &str, id: &str, hours: u64, outcome: Result<u16, &str>) -> DeliveryRow {
    let rules = Rules::default();
    let at = SystemTime::now() - Duration::from_secs(3600 * hours);
    let document = json!({"name": "old", "url": "https://old.example.com/"});
    let new = NewWebhook::new(webhook, "user", at.into());
    let webhook = Webhook::create(&WebhookDocument::from(document), &rules, new).unwrap().webhook;
    let event_type = if hours.is_multiple_of(2) { "com.example.even" } else { "com.example.odd" };
    let bytes =
        format!(r#"{{"type": "{event_type}",  "tenantid": "north", "specversion": "1.0"}}"#);
    let event = rules.profile().read_event(bytes.as_bytes()).unwrap();
    let payload = Payload::new(&event, bytes.clone().into_bytes());
    let request = RequestBuilder::default().request(&Arc::new(webhook), &payload);
    let response = outcome.map(|status| Response {
        status: axum::http::StatusCode::from_u16(status).unwrap(),
        headers: Default::default(),
        body: "kept".into(),
    });
    let delivery = Delivery::new(id, &request, at.into(), response.as_ref().map_err(|why| *why));
    crate::server::service::rows::of_delivery(&delivery, Default::default()).unwrap()
}

/// Returns a webhook of the user with deliveries `d1` to `d9`, an hour apart, every third of which
/// failed, and an expired one.
async fn stage(change: Value) -> (Stage, String) {
    let stage = Stage::new().await;
    let mut webhook = document();
    for (name, value) in change.as_object().unwrap() {
        webhook[name] = value.clone();
    }
    let path = stage.create(&webhook).await;
    let id = path.rsplit('/').next().unwrap();
    let outcome =
        |hours: u64| if hours.is_multiple_of(3) { Err("connection refused") } else { Ok(204) };
    let mut rows: Vec<_> =
        (1..10).map(|hours| row(id, &format!("d{hours}"), hours, outcome(hours))).collect();
    rows.push(row(id, "expired", 24 * 7 + 1, Ok(200)));
    stage.store.record(&TenantId::from("north"), rows).await.unwrap();
    (stage, path)
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_deliveries_by_every_parameter_and_page() {
    let (stage, path) = stage(json!({})).await;
    for (query, expected) in [
        ("", &["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"][..]),
        ("?sort=triggeredAt&limit=2", &["d9", "d8"]),
        ("?status=fail", &["d3", "d6", "d9"]),
        ("?eventType=com.example.even&limit=3", &["d2", "d4", "d6"]),
        ("?sort=%2Bstatus&limit=3&unknown=1", &["d3", "d6", "d9"]),
    ] {
        let page = stage.get(&format!("{path}/deliveries{query}")).await.is(200);
        assert_eq!(ids(&page), expected, "{query}");
    }
    let mut found = Vec::new();
    let mut next = Some(format!("{path}/deliveries?limit=4"));
    while let Some(path) = next {
        let page = stage.get(&path).await.is(200);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        next = page["links"]["next"]["href"].as_str().map(str::to_owned);
        if let Some(prev) = page["links"]["prev"]["href"].as_str() {
            assert_eq!(ids(&stage.get(prev).await.is(200)).len(), 4);
        }
    }
    assert_eq!(found, ["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"]);
    stage.get(&format!("{path}/deliveries?status=failed")).await.refused(400, "list-invalid-value");
}

#[tokio::test]
async fn shows_deliveries_only_to_callers_who_see_the_webhook() {
    let (stage, path) = stage(json!({})).await;
    let others = stage.create(&json!({"name": "n", "url": "https://hooks.example.com/"})).await;
    let asked = async |key: &str, path: &str| stage.ask(key, ("GET", path), None).await;
    let shown = asked(&stage.user, &format!("{path}/deliveries/d3")).await.is(200);
    assert_eq!(
        (&shown["status"], &shown["statusMessage"]),
        (&json!("fail"), &json!("connection refused"))
    );
    assert_eq!(shown["request"]["body"]["tenantid"], "north");
    for (key, path) in [
        (&stage.user, format!("{path}/deliveries/none")),
        (&stage.user, format!("{path}/deliveries/expired")),
        (&stage.user, format!("{others}/deliveries")),
        (&stage.admin, format!("{others}/deliveries/d1")),
        (&stage.elsewhere, format!("{path}/deliveries/d1")),
    ] {
        asked(key, &path).await.refused(404, "not-found");
        let resend = format!("{path}/actions/resend");
        let sent = stage.ask(key, ("POST", &resend), None).await;
        assert_eq!(sent.status, 404, "{resend}");
    }
    assert_eq!(*stage.receiver.sent.lock().unwrap(), []);
    stage.ask(&stage.user, ("DELETE", &path), None).await.is(204);
    asked(&stage.admin, &format!("{path}/deliveries/d1")).await.refused(404, "not-found");
}

#[tokio::test]
async fn resends_the_same_bytes_to_the_current_webhook() {
    let secret = "0123456789abcdef0123456789abcdef";
    let change = json!({"secret": secret, "headers": {"X-Now": "yes"}, "encryptedHeaders": {"X-Key": "k3y!"}});
    let (stage, path) = stage(change).await;
    let resend = format!("{path}/deliveries/d3/actions/resend");
    let again = stage.ask(&stage.user, ("POST", &resend), None).await.is(201);
    assert_eq!(
        (&again["status"], &again["response"]["statusCode"]),
        (&json!("success"), &json!(200))
    );
    assert_eq!(again["request"]["headers"]["X-Key"], "**OMITTED**");
    let sent = stage.receiver.sent.lock().unwrap().pop().unwrap();
    assert_eq!(sent.url, "https://hooks.example.com/", "the current URL");
    assert_eq!(
        sent.body,
        r#"{"type": "com.example.odd",  "tenantid": "north", "specversion": "1.0"}"#
    );
    assert_eq!(sent.headers["webhook-id"], "d3");
    assert_eq!((&*sent.headers["x-now"], &*sent.headers["x-key"]), ("yes", "k3y!"));
    hooksieve::delivery::verify(secret, sent.body.as_bytes(), &sent.headers["qlik-signature"])
        .unwrap();

    // The new record has its own id and the message id of the first one.
    let id = again["id"].as_str().unwrap();
    assert_eq!(stage.get(&format!("{path}/deliveries/{id}")).await.is(200), again);
    *stage.receiver.outcome.lock().unwrap() = Err("no route");
    let resend = format!("{path}/deliveries/{id}/actions/resend");
    let failed = stage.ask(&stage.user, ("POST", &resend), None).await.is(201);
    assert_eq!((&failed["status"], &failed["statusMessage"]), (&json!("fail"), &json!("no route")));
    assert_eq!(stage.receiver.sent.lock().unwrap().pop().unwrap().headers["webhook-id"], "d3");
    *stage.receiver.outcome.lock().unwrap() = Ok(302);
    let redirected = stage.ask(&stage.user, ("POST", &resend), None).await.is(201);
    assert_eq!(redirected["status"], "fail", "redirects are not followed");
    let page = stage.get(&format!("{path}/deliveries?limit=100")).await.is(200);
    assert_eq!(ids(&page).len(), 9 + 3, "every attempt is a record");
}

#[tokio::test]
async fn turns_a_panic_into_one_response_with_a_trace_id() {
    let (stage, path) = stage(json!({})).await;
    *stage.receiver.outcome.lock().unwrap() = Err("panic");
    let resend = format!("{path}/deliveries/d3/actions/resend");
    stage.ask(&stage.user, ("POST", &resend), None).await.refused(500, "internal");
    assert_eq!(stage.get(&format!("{path}/deliveries")).await.is(200)["data"][0]["id"], "d1");
}

#[tokio::test]
async fn sends_a_signed_sample_as_a_test() {
    let secret = "0123456789abcdef0123456789abcdef";
    let (stage, path) = stage(json!({"secret": secret, "enabled": false})).await;
    let test = format!("{path}/actions/test");
    let sent = stage.ask(&stage.user, ("POST", &test), None).await.is(201);
    let id = sent["id"].as_str().unwrap();
    assert_eq!(
        (&sent["status"], &sent["eventType"]),
        (&json!("success"), &json!("com.qlik.v1.app.created"))
    );
    let request = stage.receiver.sent.lock().unwrap().pop().unwrap();
    hooksieve::delivery::verify(
        secret,
        request.body.as_bytes(),
        &request.headers["qlik-signature"],
    )
    .unwrap();
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!((&body["source"], &body["tenantid"]), (&json!("hooksieve/test"), &json!("north")));
    assert_eq!(request.headers["webhook-id"], body["id"].as_str().unwrap());
    let webhook = path.rsplit('/').next().unwrap().into();
    let since = std::time::UNIX_EPOCH.into();
    let stored = stage.store.delivery(&"north".into(), &webhook, &id.into(), since).await.unwrap();
    assert_eq!(stored.unwrap().attempt.cause, Cause::Test);

    // The test can be sent again, and the record says of which delivery.
    let resend = format!("{path}/deliveries/{id}/actions/resend");
    let again = stage.ask(&stage.user, ("POST", &resend), None).await.is(201);
    let again = again["id"].as_str().unwrap().into();
    let stored = stage.store.delivery(&"north".into(), &webhook, &again, since).await.unwrap();
    assert_eq!(stored.unwrap().attempt.cause, Cause::Resend(id.into()));

    let bare = json!({"name": "n", "url": "https://hooks.example.com/"});
    let test = format!("{}/actions/test", stage.create(&bare).await);
    let refused = stage.ask(&stage.admin, ("POST", &test), None).await;
    refused.refused(400, "test-without-event-type");
    stage.ask(&stage.elsewhere, ("POST", &test), None).await.refused(404, "not-found");
}
