//! The actions on filters and webhooks, compared with the program's verbs.

use crate::client::{Client, document};
use crate::process::{Folder, Server};
use serde_json::{Value, json};

fn started() -> (Folder, Server, Client) {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let client = server.client(server.printed[0].rsplit(' ').next().unwrap());
    (folder, server, client)
}

const FILTERS: &str = "/api/v1/filters/actions";
const WEBHOOK_ACTIONS: &str = "/api/v1/webhooks/actions";

#[test]
fn checks_filters_as_the_verb_does() {
    let (_folder, _server, client) = started();
    let check = |body: Value| client.post(&format!("{FILTERS}/check"), &body).is(200).json();
    let good = check(json!({"filter": r#"ID eq "a" OR (spaceId ne "b")"#}));
    assert_eq!(good["canonical"], r#"id eq "a" or spaceId ne "b""#);
    assert_eq!((&good["valid"], &good["errors"]), (&json!(true), &json!([])));
    let bad = check(json!({"filter": "id eq id123"}));
    assert_eq!((&bad["valid"], &bad["canonical"]), (&json!(false), &Value::Null));
    assert_eq!(bad["errors"][0]["code"], "filter-unquoted-value");
    let status = r#"data.status eq "error""#;
    let types = ["com.qlik.v1.app.created"];
    assert_eq!(check(json!({"filter": status, "eventTypes": types}))["valid"], false);
    assert_eq!(check(json!({}))["valid"], true, "no filter matches everything");

    let misspelt = client.post(&format!("{FILTERS}/check"), &json!({"fliter": ""}));
    misspelt.refused(400, &["body-invalid"]);
    let array = client.post(&format!("{FILTERS}/check"), &json!(["id", null]));
    array.refused(400, &["body-invalid"]);
    let arguments = ["check", "--format", "json", "id eq id123"];
    let verb = crate::process::run(&arguments).stdout;
    let verb: Value = serde_json::from_slice(&verb).unwrap();
    assert_eq!(bad, verb, "the same members as the verb");
}

#[test]
fn explains_and_compares_over_events() {
    let (_folder, _server, client) = started();
    let event = |id: &str| json!({"type": "com.qlik.v1.app.created", "data": {"id": id}});
    let explain = json!({
        "filter": r#"id eq "a""#, "eventTypes": ["com.qlik.v1.app.created"],
        "events": [event("a"), event("b"), {"type": "other"}, 5],
    });
    let explained = client.post(&format!("{FILTERS}/explain"), &explain).is(200).json();
    let reasons: Vec<_> = (0..3).map(|at| explained["data"][at]["reason"].clone()).collect();
    assert_eq!(reasons, ["matched", "filter", "event-type"]);
    assert_eq!(
        explained["data"][1]["change"],
        json!([{"attribute": "id", "found": "b", "to": "a"}])
    );
    assert_eq!(explained["data"][3]["error"]["code"], "event-not-an-object");
    let many: Vec<_> = (0..101).map(|_| event("a")).collect();
    let explain = json!({"filter": r#"id eq "a""#, "events": many});
    client.post(&format!("{FILTERS}/explain"), &explain).refused(400, &["explain-too-much"]);

    let compare = json!({
        "old": r#"id eq "a""#, "new": r#"id ne "b""#,
        "events": [event("a"), event("b"), event("c")],
    });
    let found = client.post(&format!("{FILTERS}/diff"), &compare).is(200).json();
    assert_eq!(found["relation"], "wider");
    let counts =
        json!({"kept": 1, "gained": 1, "lost": 0, "neither": 1, "otherTypes": 0, "bad": 0});
    assert_eq!(found["events"], counts);
    let wrong = json!({"old": "", "new": "id"});
    let wrong = client.post(&format!("{FILTERS}/diff"), &wrong).is(400).json();
    assert!(wrong["errors"][0]["detail"].as_str().unwrap().contains("/new"), "{wrong}");
}

#[test]
fn validates_and_tries_webhooks() {
    let (_folder, _server, client) = started();
    let mut sales = document("sales", "tenant");
    sales["filter"] = r#"spaceId eq "s1""#.into();
    sales["enabled"] = false.into();
    sales["enabeld"] = true.into();
    sales["id"] = "w".into();
    let found = client.post(&format!("{WEBHOOK_ACTIONS}/validate"), &sales).is(200).json();
    assert_eq!((&found["valid"], &found["serverMembers"]), (&json!(true), &json!(["id"])));
    assert_eq!(found["warnings"][0]["code"], "member-unknown");
    let found = client.post(&format!("{WEBHOOK_ACTIONS}/validate"), &json!({})).is(200).json();
    assert_eq!((&found["valid"], found["errors"].as_array().unwrap().len()), (&json!(false), 2));

    let event = |space: &str, tenant: &str| json!({"type": "com.qlik.v1.app.created", "tenantid": tenant, "spaceid": space, "id": space});
    let events = json!([
        event("s1", "default"),
        event("s2", "default"),
        event("s1", "other"),
        {"type": "com.qlik.v1.app.deleted"},
        {},
    ]);
    let body = json!({"webhook": sales, "events": events, "reasons": 1});
    let tried = client.post(&format!("{WEBHOOK_ACTIONS}/try"), &body).is(200).json();
    let counts = ["events", "matched", "otherTenant", "eventType", "access", "filter", "bad"];
    let counts: Vec<_> = counts.iter().map(|name| tried[*name].as_u64().unwrap()).collect();
    assert_eq!(counts, [4, 1, 1, 1, 0, 1, 1]);
    assert_eq!(tried["data"][0]["filter"]["holds"], true);
    assert!(!client.all(crate::HOOKS).iter().any(|_| true), "nothing was created");
}
