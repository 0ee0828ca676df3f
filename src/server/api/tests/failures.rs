//! Responses when a part of the server fails, and webhooks that the rules refuse.

use super::stage::{Flaky, Stage, document, seal_keys};
use crate::server::store::contract::{Store, StoreError, WebhookChange, WebhookRow};
use crate::server::store::seal::Owner;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Rules, WebhookId};
use serde_json::{Value, json};
use std::sync::Arc;

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

#[tokio::test]
async fn reports_not_ready_when_the_store_cannot_write() {
    let stage = Stage::new().await;
    stage.store.fail(StoreError::Failed("fsync".to_owned()));
    let ready = stage.get("/readyz").await.is(503);
    assert_eq!(ready["checks"], json!({"store": "failed", "accepting": "ok"}));
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

    // After a restart no webhook is refused, and the removed one is gone.
    let stage = Stage::over(store, &Rules::default()).await;
    let list = stage.get(&format!("{HOOKS}?enabled=true&sort=name")).await;
    assert_eq!(list.headers["hooksieve-revision"], "6");
    assert_eq!(list.is(200)["data"].as_array().unwrap().len(), 2);
}
