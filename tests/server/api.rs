//! The webhooks API: status codes, bodies, errors and pages, as its reference describes them.

use crate::events;
use crate::net::Reply;
use crate::receiver::{Notes, Target};
use crate::{HOOKS, Stage, stage};
use axum::http::{Method, StatusCode};
use hooksieve::webhook::MAX_PER_USER;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

const ROOT: &str = "north/ops/admin";

fn document(name: &str) -> Value {
    json!({
        "name": name, "url": format!("https://receiver-0.example.com/north/{name}/0/open"),
        "enabled": true, "eventTypes": ["com.qlik.v1.app.created"],
    })
}

#[track_caller]
fn assert_refused(reply: &Reply, status: StatusCode, codes: &[&str]) {
    assert_eq!(
        (reply.status, &*reply.codes()),
        (status, &*codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>())
    );
}

/// The reply to a change has the warnings; a webhook that is read has none.
#[tokio::test]
async fn shows_warnings_to_the_author() {
    let api = stage(Notes::default()).await.api;
    let mut sales = document("sales");
    sales["enabeld"] = true.into();
    sales.as_object_mut().unwrap().remove("enabled");
    let codes = |reply: &Reply| -> Vec<String> {
        let warnings = reply.json()["warnings"].as_array().cloned().unwrap_or_default();
        assert!(warnings.iter().all(|warning| warning["title"].is_string()));
        warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
    };
    let created = api.post(ROOT, HOOKS, &sales).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(codes(&created), ["member-unknown", "enabled-missing"]);
    assert_eq!(created.json()["enabled"], false);
    let path = format!("{HOOKS}/{}", created.json()["id"].as_str().unwrap());
    assert_eq!(codes(&api.get(ROOT, &path).await), [] as [&str; 0]);

    let replaced = api.put(ROOT, &path, &document("sales")).await;
    assert_eq!((replaced.status, codes(&replaced)), (StatusCode::OK, vec![]));

    let patch = json!([{"op": "replace", "path": "/eventTypes", "value": []}]);
    let patched = api.patch(ROOT, &path, &patch).await;
    assert_eq!(patched.status, StatusCode::NO_CONTENT);
    assert_eq!(patched.headers["x-warnings"], "event-types-none");
    let patch = json!([{"op": "replace", "path": "/name", "value": "n"}, document("x")]);
    assert_refused(
        &api.patch(ROOT, &path, &patch).await,
        StatusCode::BAD_REQUEST,
        &["patch-invalid-operation", "patch-invalid-operation"],
    );

    let merge = api.patch(ROOT, &path, &json!({"enabled": false})).await;
    assert_refused(&merge, StatusCode::BAD_REQUEST, &["patch-not-an-array"]);
    let operations = r#"[{"op":"replace","path":"/enabled","value":false}]"#;
    assert_eq!(merge.json()["errors"][0]["suggestion"], operations);
}

#[tokio::test]
async fn creates_shows_changes_and_removes_webhooks() {
    let api = stage(Notes::default()).await.api;
    let target = Target::new(1, "/north/sales/1/signed-keyed");
    let (secret, key) = (target.secret.unwrap(), target.key.unwrap());
    let mut sales = document("sales");
    sales["secret"] = secret.clone().into();
    sales["encryptedHeaders"] = json!({"X-Key": key});

    let created = api.post(ROOT, HOOKS, &sales).await;
    assert_eq!((created.status, created.revision()), (StatusCode::CREATED, 1));
    let shown = created.json();
    assert_eq!(shown["name"], "sales");
    assert_eq!(
        (&shown["createdByUserId"], &shown["secretKeyAdded"]),
        (&json!("ops"), &json!(true))
    );
    assert_eq!(shown["encryptedHeaders"], json!(["X-Key"]));
    let path = format!("{HOOKS}/{}", shown["id"].as_str().unwrap());
    let got = api.get(ROOT, &path).await;
    assert_eq!((got.status, got.json()), (StatusCode::OK, shown));

    let patch = json!([{"op": "replace", "path": "/name", "value": "Sales"}]);
    let patched = api.patch(ROOT, &path, &patch).await;
    assert_eq!((patched.status, patched.revision()), (StatusCode::NO_CONTENT, 2));
    assert!(patched.body.is_empty());
    assert_eq!(api.get(ROOT, &path).await.json()["name"], "Sales");

    sales["filter"] = r#"spaceId eq "s1""#.into();
    sales.as_object_mut().unwrap().remove("secret");
    let replaced = api.put(ROOT, &path, &sales).await;
    assert_eq!((replaced.status, replaced.revision()), (StatusCode::OK, 3));
    assert_eq!(replaced.json()["filter"], r#"spaceId eq "s1""#);
    assert_eq!(replaced.json()["secretKeyAdded"], false);

    for reply in [&created, &got, &patched, &replaced] {
        let text = String::from_utf8_lossy(&reply.body);
        assert!(!text.contains(&secret) && !text.contains(&key), "{text}");
    }

    let removed = api.delete(ROOT, &path).await;
    assert_eq!((removed.status, removed.revision()), (StatusCode::NO_CONTENT, 4));
    assert_refused(&api.get(ROOT, &path).await, StatusCode::NOT_FOUND, &["not-found"]);
    assert_refused(&api.put(ROOT, &path, &sales).await, StatusCode::NOT_FOUND, &["not-found"]);
    assert_refused(&api.patch(ROOT, &path, &patch).await, StatusCode::NOT_FOUND, &["not-found"]);
    assert_refused(&api.delete(ROOT, &path).await, StatusCode::NOT_FOUND, &["not-found"]);
}

#[tokio::test]
async fn reports_all_errors_and_changes_nothing() {
    let api = stage(Notes::default()).await.api;
    let bad = json!({"name": "", "url": "http://example.com", "eventTypes": ["app.created"]});
    let codes = ["member-too-short", "url-not-https", "event-type-unknown"];
    assert_refused(&api.post(ROOT, HOOKS, &bad).await, StatusCode::BAD_REQUEST, &codes);
    let cut = api.request(ROOT, Method::POST, HOOKS, r#"{"name""#).await;
    assert_refused(&cut, StatusCode::BAD_REQUEST, &["webhook-syntax"]);

    let mut reloads = document("reloads");
    reloads["eventTypes"] = json!([events::RELOAD]);
    reloads["filter"] = r#"data.status eq "error""#.into();
    let created = api.post(ROOT, HOOKS, &reloads).await;
    let path = format!("{HOOKS}/{}", created.json()["id"].as_str().unwrap());
    let more = json!([{"op": "replace", "path": "/eventTypes", "value": events::TYPES}]);
    let codes = ["filter-attribute-not-allowed"];
    assert_refused(&api.patch(ROOT, &path, &more).await, StatusCode::BAD_REQUEST, &codes);
    let unknown = json!([{"op": "replace", "path": "/filter", "value": ""}, {"op": "move"}]);
    let codes = ["patch-path", "patch-unknown-operation", "patch-invalid-operation"];
    assert_refused(&api.patch(ROOT, &path, &unknown).await, StatusCode::BAD_REQUEST, &codes);
    reloads["enableCloudEventDelivery"] = false.into();
    let codes = ["cloud-events-fixed"];
    assert_refused(&api.put(ROOT, &path, &reloads).await, StatusCode::BAD_REQUEST, &codes);
    assert_eq!(api.get(ROOT, &path).await.json(), created.json());

    let lists = [("limit=0", "list-invalid-value"), ("nmae=x", "list-unknown-parameter")];
    for (query, code) in lists {
        let path = format!("{HOOKS}?{query}");
        assert_refused(&api.get(ROOT, &path).await, StatusCode::BAD_REQUEST, &[code]);
    }
    assert_refused(&api.get("", HOOKS).await, StatusCode::UNAUTHORIZED, &["unauthorized"]);
    assert_refused(&api.get("nowhere/ann", HOOKS).await, StatusCode::NOT_FOUND, &["not-found"]);
    assert_refused(&api.get(ROOT, "/api/v1/hooks").await, StatusCode::NOT_FOUND, &["not-found"]);
}

#[tokio::test]
async fn hides_webhooks_of_other_users_and_tenants() {
    let api = stage(Notes::default()).await.api;
    let (mut own, common) = (document("own"), document("common"));
    own["level"] = "user".into();
    let created = api.post("north/ann", HOOKS, &own).await;
    assert_eq!((created.status, &created.json()["ownerId"]), (StatusCode::CREATED, &json!("ann")));
    let path = format!("{HOOKS}/{}", created.json()["id"].as_str().unwrap());

    assert_refused(
        &api.post("north/ann", HOOKS, &common).await,
        StatusCode::FORBIDDEN,
        &["forbidden"],
    );
    own["ownerId"] = "ben".into();
    assert_refused(&api.put("north/ann", &path, &own).await, StatusCode::FORBIDDEN, &["forbidden"]);
    for stranger in ["north/ben", "south/ann", "south/ops/admin"] {
        let patch = json!([{"op": "replace", "path": "/enabled", "value": false}]);
        let deliveries = format!("{path}/deliveries");
        for reply in [
            api.get(stranger, &path).await,
            api.put(stranger, &path, &own).await,
            api.patch(stranger, &path, &patch).await,
            api.delete(stranger, &path).await,
            api.get(stranger, &deliveries).await,
        ] {
            assert_refused(&reply, StatusCode::NOT_FOUND, &["not-found"]);
        }
        assert_eq!(api.all(stranger, HOOKS).await, [] as [Value; 0]);
    }
    assert_eq!(api.all(ROOT, HOOKS).await, [created.json()]);

    let types = api.get("north/ann", &format!("{HOOKS}/event-types")).await;
    assert_eq!(types.status, StatusCode::OK);
    let types = types.json();
    let listed = types["data"].as_array().unwrap();
    assert!(
        listed.iter().any(|known| known["name"] == events::RELOAD && known["levels"].is_array())
    );
}

#[tokio::test]
async fn limits_the_webhooks_of_a_user_and_lists_them_in_pages() {
    let api = stage(Notes::default()).await.api;
    let mut first = String::new();
    for number in 0..MAX_PER_USER {
        let created = api.post(ROOT, HOOKS, &document(&format!("n{number:03}"))).await;
        assert_eq!(created.status, StatusCode::CREATED);
        if number == 0 {
            first = created.json()["id"].as_str().unwrap().to_owned();
        }
    }
    let more = document("more");
    assert_refused(
        &api.post(ROOT, HOOKS, &more).await,
        StatusCode::FORBIDDEN,
        &["registry-too-many"],
    );
    assert_eq!(api.post("north/eve/admin", HOOKS, &more).await.status, StatusCode::CREATED);
    assert_eq!(api.post("south/ops/admin", HOOKS, &more).await.status, StatusCode::CREATED);

    let all = api.all(ROOT, &format!("{HOOKS}?sort=name&limit=7&createdByUserId=ops")).await;
    let names: Vec<_> = all.iter().map(|webhook| webhook["name"].as_str().unwrap()).collect();
    assert_eq!(names, (0..MAX_PER_USER).map(|number| format!("n{number:03}")).collect::<Vec<_>>());

    assert_eq!(api.delete(ROOT, &format!("{HOOKS}/{first}")).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.post(ROOT, HOOKS, &more).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn keeps_shows_and_resends_deliveries() {
    let notes = Notes { whole: Some(Mutex::default()), ..Notes::default() };
    let Stage { server, api, intake, notes } = stage(notes).await;
    let numbers: Vec<_> =
        (0..).filter(|number| events::event(*number).tenant == "north").take(9).collect();
    let mut paths = BTreeMap::new();
    for what in ["signed-keyed", "failing", "none"] {
        let target = Target::new(2, &format!("/north/{what}/1/{what}"));
        let mut webhook = document(what);
        webhook["url"] = match what {
            "none" => "https://nowhere.example.com/".into(),
            _ => target.url.into(),
        };
        webhook["eventTypes"] = json!(events::TYPES);
        webhook["secret"] = target.secret.into();
        if let Some(key) = target.key {
            webhook["encryptedHeaders"] = json!({"X-Key": key});
        }
        let created = api.post(ROOT, HOOKS, &webhook).await.json();
        paths.insert(what, format!("{HOOKS}/{}/deliveries", created["id"].as_str().unwrap()));
    }
    for number in &numbers {
        let reply = intake.request("", Method::POST, "/events", events::event(*number).bytes).await;
        assert_eq!((reply.status, &reply.json()["requests"]), (StatusCode::ACCEPTED, &json!(3)));
    }
    server.drained().await;

    let good = api.all(ROOT, &format!("{}?limit=2", paths["signed-keyed"])).await;
    assert_eq!(good.len(), numbers.len());
    for delivery in &good {
        assert_eq!(
            (&delivery["status"], &delivery["response"]["statusCode"]),
            (&json!("success"), &json!(200))
        );
        assert_eq!(delivery["request"]["headers"]["X-Key"], "**OMITTED**");
        assert_eq!(delivery["response"]["headers"]["x-echo"], "**OMITTED**");
        assert_eq!(delivery["response"]["body"], "thanks");
        assert!(delivery["request"]["body"]["data"]["number"].is_u64());
        let path = format!("{}/{}", paths["signed-keyed"], delivery["id"].as_str().unwrap());
        assert_eq!(api.get(ROOT, &path).await.json(), *delivery);
    }
    let failed = api.all(ROOT, &format!("{}?status=fail", paths["failing"])).await;
    assert_eq!(failed.len(), numbers.len());
    assert_eq!(failed[0]["response"]["statusCode"], 503);
    assert_eq!(
        api.all(ROOT, &format!("{}?status=success", paths["failing"])).await,
        [] as [Value; 0]
    );
    let unreachable = api.all(ROOT, &paths["none"]).await;
    assert!(unreachable.iter().all(|delivery| delivery["status"] == "fail"
        && delivery["response"].is_null()
        && delivery["statusMessage"].is_string()));

    let (id, whole) = (good[4]["id"].as_str().unwrap(), notes.whole.as_ref().unwrap());
    let sent: Vec<_> = std::mem::take(&mut *whole.lock().unwrap());
    let again =
        api.post(ROOT, &format!("{}/{id}/actions/resend", paths["signed-keyed"]), &json!({})).await;
    assert_eq!((again.status, &again.json()["status"]), (StatusCode::CREATED, &json!("success")));
    assert_eq!(again.json()["request"]["body"], good[4]["request"]["body"]);
    assert_ne!(again.json()["id"], good[4]["id"]);
    let (headers, body) = whole.lock().unwrap().pop().unwrap();
    let (first, _) = sent
        .iter()
        .find(|(headers, _)| headers.get("webhook-id").is_some_and(|sent| sent == id))
        .unwrap();
    assert!(sent.iter().any(|(headers, sent)| headers == first && *sent == body), "the same bytes");
    for name in ["qlik-signature", "webhook-id", "x-key"] {
        assert_eq!(headers[name], first[name], "{name}");
    }
    let unknown = format!("{}/d0/actions/resend", paths["signed-keyed"]);
    assert_refused(
        &api.post(ROOT, &unknown, &json!({})).await,
        StatusCode::NOT_FOUND,
        &["not-found"],
    );
    assert_eq!(*notes.faults.lock().unwrap(), [] as [String; 0]);

    let broken = intake.request("", Method::POST, "/events", r#"{"type": "x"}"#).await;
    assert_refused(&broken, StatusCode::BAD_REQUEST, &["event-missing-tenant"]);
    let lost =
        intake.request("", Method::POST, "/events", r#"{"type": "x", "tenantid": "west"}"#).await;
    assert_refused(&lost, StatusCode::NOT_FOUND, &["not-found"]);
}
