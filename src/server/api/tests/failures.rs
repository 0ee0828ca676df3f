//! Responses when a part of the server fails, and webhooks that the rules refuse.

use super::stage::{Flaky, Lost, Stage, document, seal_keys};
use crate::server::store::contract::{Store, StoreError, WebhookChange, WebhookRow};
use crate::server::store::seal::Owner;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Rules, WebhookId};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const HOOKS: &str = "/api/v1/webhooks";

#[tokio::test]
async fn changes_nothing_when_a_commit_fails() {
    let stage = Stage::new().await;
    let path = stage.create(&document()).await;
    let before = stage.get(&path).await.is(200);
    for (error, code) in [
        (StoreError::Full("disk".to_owned()), "store-full"),
        (StoreError::Failed("fsync of /secret/path".to_owned()), "store-failed"),
    ] {
        for (method, path, body) in [
            ("POST", HOOKS, Some(document())),
            ("PUT", &path, Some(document())),
            ("PATCH", &path, Some(json!([{"op": "replace", "path": "/name", "value": "x"}]))),
            ("DELETE", &path, None),
        ] {
            stage.store.fail(error.clone());
            let answer = stage.ask(&stage.admin, (method, path), body.as_ref()).await;
            answer.refused(503, code);
            assert!(answer.headers.contains_key("retry-after"));
            assert!(!answer.body.to_string().contains("/secret/path"), "the cause is only logged");
        }
    }
    assert_eq!(stage.get(&path).await.is(200), before);
    assert_eq!(stage.get(HOOKS).await.is(200)["data"].as_array().unwrap().len(), 1);
    let last = stage.ask(&stage.admin, ("DELETE", &path), None).await;
    assert_eq!(last.headers["hooksieve-revision"], "2");
}

/// After a conflict with another writer the tenant is loaded again, and the next change succeeds.
#[tokio::test]
async fn reloads_the_tenant_after_a_conflict() {
    let stage = Stage::new().await;
    stage.create(&document()).await;
    let north = TenantId::from("north");
    let mut other = document();
    other["id"] = "other".into();
    let row = WebhookRow { id: "other".into(), document: other.to_string().into_bytes().into() };
    stage.store.commit(&north, 1, WebhookChange::Put(row)).await.unwrap();
    let refused = stage.ask(&stage.admin, ("POST", HOOKS), Some(&document())).await;
    refused.refused(503, "store-conflict");
    assert_eq!(stage.get(&format!("{HOOKS}/other")).await.is(200)["name"], "n");
    let created = stage.ask(&stage.admin, ("POST", HOOKS), Some(&document())).await;
    assert_eq!(created.headers["hooksieve-revision"], "3");
    created.is(201);
}

/// A commit whose result is unknown was made or not. The tenant shows what the store has.
#[tokio::test]
async fn reloads_the_tenant_after_a_commit_of_unknown_outcome() {
    let stage = Stage::new().await;
    let path = stage.create(&document()).await;
    let name = |name: &str| json!([{"op": "replace", "path": "/name", "value": name}]);
    let failed = StoreError::Failed("the writer's thread has ended".to_owned());
    stage.store.lose(Lost::Error(failed));
    let patched = stage.ask(&stage.admin, ("PATCH", &path), Some(&name("made"))).await;
    patched.refused(503, "store-failed");
    let found = stage.get(&path).await;
    assert_eq!(found.headers["hooksieve-revision"], "2");
    assert_eq!(found.is(200)["name"], "made");
    let removed = stage.ask(&stage.admin, ("DELETE", &path), None).await;
    assert_eq!(removed.headers["hooksieve-revision"], "3");
    removed.is(204);
}

/// A panic in the store does not leave the tenant's next revision reserved. The next change finds
/// that the commit was made, and the one after it succeeds.
#[tokio::test]
async fn goes_on_after_a_panic_in_a_commit() {
    let stage = Stage::new().await;
    let path = stage.create(&document()).await;
    stage.store.lose(Lost::Panic);
    stage.ask(&stage.admin, ("DELETE", &path), None).await.refused(500, "internal");
    let refused = stage.ask(&stage.admin, ("POST", HOOKS), Some(&document())).await;
    refused.refused(503, "store-conflict");
    stage.get(&path).await.is(404);
    let created = stage.ask(&stage.admin, ("POST", HOOKS), Some(&document())).await;
    assert_eq!(created.headers["hooksieve-revision"], "3");
    created.is(201);
}

#[tokio::test]
async fn reports_not_ready_when_the_store_cannot_write() {
    let stage = Stage::new().await;
    stage.store.fail(StoreError::Failed("fsync".to_owned()));
    let ready = stage.get("/readyz").await.is(503);
    let checks = json!({"store": "failed", "keys": "ok", "expiry": "ok", "dispatch": "ok", "accepting": "ok"});
    assert_eq!(ready["checks"], checks);
    stage.get("/livez").await.is(200);
}

fn stored(id: &str, member: &str, value: impl Into<Value>) -> (TenantId, WebhookChange) {
    let mut document = document();
    document["id"] = id.into();
    document["secret"] = "planted-0123456789-0123456789-0123456789".into();
    document["encryptedHeaders"] = json!({"X-Key": "planted"});
    document[member] = value.into();
    let (north, id) = (TenantId::from("north"), WebhookId::from(id));
    let owner = Owner { tenant: &north, webhook: &id };
    let sealed = seal_keys().seal(owner, document.to_string().as_bytes(), &mut |b| b.fill(1));
    let row = WebhookRow { id: id.clone(), document: sealed.unwrap() };
    (north.clone(), WebhookChange::Put(row))
}

/// Returns a store with a valid webhook, one from development mode, and one with a refused filter.
async fn refusing() -> Arc<Flaky> {
    let store = Arc::new(Flaky::default());
    let changes = [
        stored("good", "name", "good"),
        stored("local", "url", "http://localhost:1/"),
        stored("broken", "filter", "data.status eq \"ok\""),
    ];
    for (revision, (tenant, change)) in changes.into_iter().enumerate() {
        store.commit(&tenant, revision as u64, change).await.unwrap();
    }
    store
}

#[tokio::test]
async fn shows_refused_webhooks_as_disabled() {
    let stage = Stage::over(refusing().await, &Rules::default()).await;
    let list = stage.get(&format!("{HOOKS}?sort=name")).await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 3);
    assert!(!list.to_string().contains("planted"), "{list}");
    let enabled = stage.get(&format!("{HOOKS}?enabled=true")).await.is(200);
    assert_eq!(enabled["data"][0]["id"], "good");
    assert_eq!(enabled["data"].as_array().unwrap().len(), 1);
    let local = stage.get(&format!("{HOOKS}/local")).await.is(200);
    assert_eq!((&local["url"], &local["enabled"]), (&json!("http://localhost:1/"), &json!(false)));
    let broken = stage.get(&format!("{HOOKS}/broken")).await.is(200);
    assert_eq!(broken["filter"], "data.status eq \"ok\"");
    for webhook in [&local, &broken] {
        assert_eq!(webhook["disabledReasonCode"], "invalid-webhook");
        assert!(webhook["disabledReason"].as_str().unwrap().len() > 20);
    }
    stage.ask(&stage.user, ("GET", &format!("{HOOKS}/broken")), None).await.is(200);
    stage.ask(&stage.elsewhere, ("GET", &format!("{HOOKS}/broken")), None).await.is(404);
}

#[tokio::test]
async fn lets_refused_webhooks_be_corrected_or_removed() {
    let store = refusing().await;
    let stage = Stage::over(Arc::clone(&store), &Rules::default()).await;
    let ask = async |method: &str, id: &str, body: Option<Value>| {
        let path = format!("{HOOKS}/{id}");
        stage.ask(&stage.user, (method, &path), body.as_ref()).await
    };
    let name = json!([{"op": "replace", "path": "/name", "value": "x"}]);
    ask("PATCH", "local", Some(name.clone())).await.is(400);
    ask("PATCH", "broken", Some(name)).await.refused(400, "invalid-webhook");
    let url = json!([
        {"op": "replace", "path": "/url", "value": "https://hooks.example.com/"},
        {"op": "remove", "path": "/encryptedHeaders"},
        {"op": "replace", "path": "/enabled", "value": true},
    ]);
    ask("PATCH", "local", Some(url)).await.is(204);
    let local = ask("GET", "local", None).await.is(200);
    assert_eq!((&local["enabled"], &local["disabledReason"]), (&json!(true), &Value::Null));
    assert_eq!(ask("PUT", "broken", Some(document())).await.is(200)["enabled"], true);
    ask("DELETE", "broken", None).await.is(204);
    drop(stage);

    // After a restart no webhook is refused, and the removed one is gone. The first start disabled
    // two webhooks in the store.
    let stage = Stage::over(store, &Rules::default()).await;
    let list = stage.get(&format!("{HOOKS}?enabled=true&sort=name")).await;
    assert_eq!(list.headers["hooksieve-revision"], "8");
    assert_eq!(list.is(200)["data"].as_array().unwrap().len(), 2);
}

/// A webhook that was refused once stays disabled under rules that accept it again, until its owner
/// enables it. Nothing else of its document changes.
#[tokio::test]
async fn keeps_refused_webhooks_disabled_in_the_store() {
    let store = refusing().await;
    let north = TenantId::from("north");
    let documents = async || -> Vec<Value> {
        let rows = store.load(&north).await.unwrap().webhooks;
        rows.iter().map(|row| serde_json::from_slice(&row.document).unwrap()).collect()
    };
    let before = documents().await;
    drop(Stage::over(Arc::clone(&store), &Rules::default()).await);
    let after = documents().await;
    for (old, new) in before.iter().zip(&after) {
        let mut expected = old.clone();
        if old["id"] != "good" {
            assert!(new["disabledReason"].as_str().unwrap().len() > 20);
            expected["enabled"] = false.into();
            expected["disabledReason"] = new["disabledReason"].clone();
            expected["disabledReasonCode"] = "invalid-webhook".into();
        }
        // Secrets are sealed again, with other nonces.
        let without = |document: &Value| {
            let mut document = document.clone();
            for name in ["secret", "encryptedHeaders"] {
                document.as_object_mut().unwrap().remove(name);
            }
            document
        };
        assert_eq!(without(new), without(&expected));
    }
    let revision = store.load(&north).await.unwrap().revision;
    let accepting = Rules::default().with_development(true);
    let stage = Stage::over(Arc::clone(&store), &accepting).await;
    let local = stage.get(&format!("{HOOKS}/local")).await.is(200);
    assert_eq!(
        (&local["enabled"], &local["disabledReasonCode"]),
        (&json!(false), &json!("invalid-webhook"))
    );
    let enable = json!([{"op": "replace", "path": "/enabled", "value": true}]);
    let path = format!("{HOOKS}/local");
    stage.ask(&stage.user, ("PATCH", &path), Some(&enable)).await.is(204);
    assert_eq!(stage.get(&path).await.is(200)["disabledReason"], Value::Null);
    assert_eq!(store.load(&north).await.unwrap().revision, revision + 1, "disabled only once");
}

/// The start disables webhooks in memory if the store cannot write.
#[tokio::test]
async fn starts_with_a_full_store() {
    let store = refusing().await;
    store.fail(StoreError::Full("disk".to_owned()));
    let stage = Stage::over(store, &Rules::default()).await;
    let list = stage.get(&format!("{HOOKS}?enabled=true")).await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

/// The registry accepts 2 MiB of text. A larger webhook is refused before the commit.
#[tokio::test]
async fn refuses_too_large_webhooks_before_the_commit() {
    let stage = Stage::new().await;
    let mut large = document();
    large["ownerId"] = "o".repeat((2 << 20) - 300).into();
    let refused = stage.ask(&stage.admin, ("POST", HOOKS), Some(&large)).await;
    refused.refused(413, "webhook-too-large");
    let path = stage.create(&document()).await;
    let refused = stage.ask(&stage.admin, ("PUT", &path), Some(&large)).await;
    refused.refused(413, "webhook-too-large");
    assert_eq!(stage.store.load(&TenantId::from("north")).await.unwrap().revision, 1);
    large["ownerId"] = "o".repeat(1 << 20).into();
    stage.create(&large).await;
}

/// One webhook that the registry refuses does not keep the tenant from being loaded.
#[tokio::test]
async fn loads_the_others_if_the_registry_refuses_a_webhook() {
    let store = Arc::new(Flaky::default());
    let (north, change) = stored("large", "ownerId", "o".repeat((2 << 20) + 1));
    store.commit(&north, 0, change).await.unwrap();
    store.commit(&north, 1, stored("good", "name", "good").1).await.unwrap();
    let stage = Stage::over(Arc::clone(&store), &Rules::default()).await;
    assert_eq!(stage.get(&format!("{HOOKS}/good")).await.is(200)["enabled"], true);
    let large = stage.get(&format!("{HOOKS}/large")).await.is(200);
    assert_eq!(
        (&large["enabled"], &large["disabledReasonCode"]),
        (&json!(false), &json!("invalid-webhook"))
    );
    assert!(large["disabledReason"].as_str().unwrap().contains("bytes of text"), "{large:.200}");
    stage.ask(&stage.admin, ("DELETE", &format!("{HOOKS}/large")), None).await.is(204);
    stage.create(&document()).await;
}

/// A change goes on after its request took too long, and the stop waits for it. A read ends with
/// its request.
#[tokio::test]
async fn ends_requests_after_their_time_and_waits_for_changes() {
    let time = Duration::from_millis(100);
    let stage = Stage::with(Arc::default(), &Rules::default(), time).await;
    *stage.store.commit_time.lock().unwrap() = time * 4;
    let late = stage.ask(&stage.admin, ("POST", HOOKS), Some(&document())).await;
    late.refused(503, "request-timeout");
    assert_eq!(stage.get(HOOKS).await.is(200)["data"], json!([]));
    stage.service.idle().await;
    let list = stage.get(HOOKS).await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "the change is made before the stop");

    stage.store.hangs.store(true, Ordering::SeqCst);
    let path = format!("{HOOKS}/{}/deliveries", list["data"][0]["id"].as_str().unwrap());
    stage.get(&path).await.refused(503, "request-timeout");
    // The task is aborted, which its thread does next.
    while stage.store.waiting.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The list and the single webhook have the same members in the same order.
#[tokio::test]
async fn lists_webhooks_with_the_members_of_get_in_order() {
    let stage = Stage::over(refusing().await, &Rules::default()).await;
    let mut with_headers = document();
    with_headers["headers"] = json!({"X-b": "1", "x-A": "2", "Z": "3"});
    stage.create(&with_headers).await;
    let list = stage.text(HOOKS).await;
    for id in stage.get(HOOKS).await.is(200)["data"].as_array().unwrap() {
        let one = stage.text(&format!("{HOOKS}/{}", id["id"].as_str().unwrap())).await;
        assert!(list.contains(&one), "{one}\n{list}");
    }
}
