//! The operations of the API in sequence, as a client uses them.

use crate::HOOKS;
use crate::client::{Client, document, replacing};
use crate::process::{Folder, Server};
use serde_json::{Value, json};

fn started(more: &[&str]) -> (Folder, Server, Client) {
    let folder = Folder::new();
    let server = Server::start(&folder, more);
    let key = server.printed[0].rsplit(' ').next().unwrap();
    let client = server.client(key);
    (folder, server, client)
}

#[test]
fn creates_shows_replaces_patches_and_removes_a_webhook() {
    let (_folder, _server, admin) = started(&[]);
    let mut document = document("sales", "tenant");
    document["filter"] = r#"spaceId eq "s1""#.into();
    document["headers"] = json!({"X-Team": "data"});
    document["encryptedHeaders"] = json!({"X-Key": "planted"});
    document["secret"] = "0123456789abcdef0123456789abcdef".into();
    document["origin"] = "automations".into();
    let created = admin.post(HOOKS, &document).is(201);
    assert_eq!((created.revision(), created.header("hooksieve-warnings")), (1, None));
    let shown = created.json();
    for member in ["name", "url", "filter", "headers", "eventTypes", "origin", "enabled"] {
        assert_eq!(shown[member], document[member], "{member}");
    }
    assert_eq!(shown["encryptedHeaders"], json!(["X-Key"]));
    assert_eq!(
        (&shown["secretKeyAdded"], &shown["createdByUserId"]),
        (&json!(true), &json!("admin"))
    );
    let path = format!("{HOOKS}/{}", shown["id"].as_str().unwrap());
    let got = admin.get(&path).is(200);
    assert_eq!((got.json(), got.revision()), (shown, 1));

    let patched = admin.patch(&path, &replacing("/name", "Sales")).is(204);
    assert_eq!(patched.revision(), 2);
    let media_type = "application/json-patch+json; charset=utf-8";
    let patch = replacing("/enabled", false).to_string();
    admin.ask("PATCH", &path, media_type, patch.as_bytes()).is(204);
    let patched = admin.get(&path).is(200).json();
    assert_eq!((&patched["name"], &patched["enabled"]), (&json!("Sales"), &json!(false)));

    let again = json!({"name": "again", "url": "https://hooks.example.com/", "id": "other"});
    let replaced = admin.put(&path, &again).is(200);
    assert_eq!(replaced.header("hooksieve-warnings"), Some("3"), "id, eventTypes, enabled");
    let replaced = replaced.json();
    assert_eq!(replaced["origin"], "automations", "fixed at creation");
    assert!(replaced["filter"].is_null() && replaced["headers"].is_null(), "cleared");
    assert_eq!((&replaced["secretKeyAdded"], &replaced["id"]), (&json!(false), &patched["id"]));

    assert_eq!(admin.delete(&path).is(204).revision(), 5);
    for answer in [
        admin.get(&path),
        admin.put(&path, &document),
        admin.patch(&path, &replacing("/name", "x")),
        admin.delete(&path),
        admin.get(&format!("{path}/deliveries")),
    ] {
        answer.refused(404, &["not-found"]);
    }
}

#[test]
fn reports_all_errors_and_changes_nothing() {
    let (_folder, _server, admin) = started(&[]);
    let wrong =
        json!({"name": "", "url": "http://hooks.example.com/", "eventTypes": ["app.created"]});
    let codes = ["member-too-short", "url-not-https", "event-type-unknown"];
    admin.post(HOOKS, &wrong).refused(400, &codes);
    for (body, code) in [
        (&b"{"[..], "webhook-syntax"),
        (b"", "webhook-syntax"),
        (b"[]", "webhook-not-an-object"),
        (b"\xff", "webhook-syntax"),
    ] {
        admin.ask("POST", HOOKS, "application/json", body).refused(400, &[code]);
    }
    let path = admin.create(&document("w", "tenant"));
    let before = admin.get(&path).json();
    let mut off = document("w", "tenant");
    off["enableCloudEventDelivery"] = false.into();
    admin.put(&path, &off).refused(400, &["cloud-events-fixed"]);
    let off = replacing("/enableCloudEventDelivery", false);
    admin.patch(&path, &off).refused(400, &["cloud-events-fixed"]);
    admin.patch(&path, &replacing("/filter", "")).refused(400, &["patch-path"]);
    admin.patch(&path, &json!({"name": "x"})).refused(400, &["patch-not-an-array"]);
    assert_eq!(admin.get(&path).json(), before);

    let form = admin.ask("POST", HOOKS, "application/x-www-form-urlencoded", b"name=x");
    form.refused(415, &["unsupported-media-type"]);
    admin.ask("PUT", &path, "application/json-patch+json", b"[]").is(415);
    admin.get("/api/v1/nowhere").refused(404, &["not-found"]);
    admin.get(&format!("{HOOKS}/%ff")).refused(404, &["not-found"]);
    admin.delete(HOOKS).refused(405, &["method-not-allowed"]);
}

#[test]
fn lists_by_every_parameter() {
    let (_folder, _server, admin) = started(&[]);
    let mut third = document("Gamma", "user");
    third["origin"] = "management-console".into();
    third["enabled"] = false.into();
    third["url"] = "https://other.example.com/".into();
    third["eventTypes"] = json!(["com.qlik.v1.app.exported"]);
    third["ownerId"] = "someone".into();
    for document in [document("Beta", "tenant"), document("Alpha", "tenant"), third] {
        admin.create(&document);
    }
    let names = |query: &str| -> Vec<String> {
        let all = admin.all(&format!("{HOOKS}?{query}"));
        all.iter().map(|webhook| webhook["name"].as_str().unwrap().to_owned()).collect()
    };
    for (query, expected) in [
        ("sort=name", &["Alpha", "Beta", "Gamma"][..]),
        ("sort=%2Bname&limit=1", &["Alpha", "Beta", "Gamma"]),
        ("sort=-name&limit=2", &["Gamma", "Beta", "Alpha"]),
        ("sort=createdAt&limit=1", &["Beta", "Alpha", "Gamma"]),
        ("sort=-updatedAt", &["Gamma", "Alpha", "Beta"]),
        ("sort=url&level=user", &["Gamma"]),
        ("name=*LPH*", &["Alpha"]),
        ("url=*other*", &["Gamma"]),
        ("enabled=false", &["Gamma"]),
        ("enabled=False", &["Gamma"]),
        ("enabled=TRUE&sort=name", &["Alpha", "Beta"]),
        ("eventTypes=com.qlik.v1.app.exported", &["Gamma"]),
        ("eventType=com.qlik.v1.app.exported,com.example.none", &["Gamma"]),
        ("origins=management-console,automations", &["Gamma"]),
        ("ownerId=someone", &["Gamma"]),
        ("createdByUserId=someone", &[]),
        ("createdByUserId=admin&updatedByUserId=admin&sort=name", &["Alpha", "Beta", "Gamma"]),
        ("sort=name&csrf-token=x&unknown=1", &["Alpha", "Beta", "Gamma"]),
    ] {
        assert_eq!(names(query), expected, "{query}");
    }
    for query in ["limit=0", "limit=101", "sort=colour", "enabled=maybe", "level=x", "next=x"] {
        let answer = admin.get(&format!("{HOOKS}?{query}"));
        assert_eq!(answer.status, 400, "{query}");
    }
    let first = admin.get(&format!("{HOOKS}?sort=name&limit=1")).json();
    let second = admin.get(&admin.linked(&first, "next").unwrap()).json();
    assert_eq!(second["data"][0]["name"], "Beta");
    let back = admin.get(&admin.linked(&second, "prev").unwrap()).json();
    assert_eq!(back["data"], first["data"]);
}

#[test]
fn lists_the_event_types_with_their_categories() {
    let (_folder, _server, admin) = started(&[]);
    let types = admin.get(&format!("{HOOKS}/event-types")).is(200).json();
    let types = types["data"].as_array().unwrap();
    assert_eq!(types.len(), 23);
    let category = |name: &str| -> &Value {
        &types.iter().find(|known| known["name"] == name).unwrap()["category"]
    };
    assert_eq!(category("com.qlik.v1.reload.finished"), "Analytics apps");
    assert_eq!(category("com.qlik.v1.di-projects.di-tasks.failed"), "Data integration projects");
}

#[test]
fn answers_head_with_the_headers_of_get_and_no_body() {
    let (_folder, _server, admin) = started(&[]);
    let mut stream = admin.connect();
    std::io::Write::write_all(&mut stream, admin.head("HEAD", HOOKS, "").as_bytes()).unwrap();
    let answer = crate::client::Answer::read(&mut stream).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}
