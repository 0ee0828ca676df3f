//! PUT and PATCH: allowed and forbidden changes, and what they need of the old webhook.
use hooksieve::diagnostic::Diagnostics;
use hooksieve::event::Envelope;
use hooksieve::webhook::{Edit, NewWebhook, Patch, Rules, Webhook};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn webhook(members: &Value) -> Webhook {
    let mut document = json!({
        "name": "n", "url": "https://hooks.example.com/", "enabled": true,
        "eventTypes": ["com.qlik.v1.app.reload.finished"],
    });
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
    }
    let new = NewWebhook::new("w1", "creator", at(0).into()).of_tenant("t1");
    Webhook::create(&document.into(), &Rules::default(), new).unwrap().webhook
}

fn edit() -> Edit {
    Edit::new("changer", at(1).into())
}

fn found(problems: &Diagnostics) -> Vec<(&str, &str)> {
    problems.iter().map(|problem| (problem.pointer(), problem.code())).collect()
}

fn patched(webhook: &Webhook, patch: Value) -> Result<Webhook, Diagnostics> {
    webhook.patched(&patch.into(), &Rules::default(), edit()).map(|checked| checked.webhook)
}

fn secret() -> Value {
    json!({"secret": "s".repeat(32), "headers": {"x-a": "1"}, "encryptedHeaders": {"x-b": "2"}})
}

#[test]
fn clears_omitted_members_and_keeps_those_of_the_server() {
    let mut members = secret();
    members["filter"] = r#"data.status eq "ok""#.into();
    members["description"] = "d".into();
    members["origin"] = "automations".into();
    members["level"] = "user".into();
    members["ownerId"] = "owner".into();
    let old = webhook(&members);
    let document = json!({"name": "m", "url": "https://other.example.com/"});
    let new = old.replaced(&document.into(), &Rules::default(), edit()).unwrap().webhook;
    assert_eq!(
        serde_json::to_value(new.stored()).unwrap(),
        json!({
            "id": "w1", "tenantId": "t1", "name": "m", "url": "https://other.example.com/",
            "level": "tenant", "enabled": false, "eventTypes": [], "secretKeyAdded": false,
            "enableCloudEventDelivery": true, "checkCertificateRevocation": false,
            "origin": "automations",
            "createdAt": "1970-01-01T00:00:00Z", "createdByUserId": "creator",
            "updatedAt": "1970-01-01T00:00:01Z", "updatedByUserId": "changer",
        })
    );
    // An omitted owner is the creator, not the user who replaces the webhook.
    let document = json!({"name": "m", "url": "https://a.b/", "level": "user"});
    let new = old.replaced(&document.into(), &Rules::default(), edit()).unwrap().webhook;
    assert_eq!(new.owner().unwrap().as_str(), "creator");
}

/// A client that gets, edits and puts back a webhook receives an error for every loss.
#[test]
fn accepts_a_response_as_a_replacement() {
    let old = webhook(&json!({"headers": {"x-a": "1"}}));
    let response = serde_json::to_value(&old).unwrap();
    let new = old.replaced(&response.into(), &Rules::default(), old.updated().clone());
    assert_eq!(new.map(|checked| checked.webhook), Ok(old));

    let old = webhook(&secret());
    let mut response = serde_json::to_value(&old).unwrap();
    let problems = old.replaced(&response.clone().into(), &Rules::default(), edit());
    assert_eq!(found(&problems.unwrap_err()), [("/encryptedHeaders", "header-without-value")]);
    response["encryptedHeaders"] = json!({"x-b": "3"});
    let new = old.replaced(&response.into(), &Rules::default(), edit()).unwrap().webhook;
    assert!(new.secret().is_none(), "a document without the secret removes it");
}

#[test]
fn refuses_to_switch_off_cloud_events() {
    let off = webhook(&json!({"enableCloudEventDelivery": false}));
    let on = webhook(&json!({}));
    let path = "/enableCloudEventDelivery";
    let set = |value| json!([{"op": "replace", "path": path, "value": value}]);
    assert_eq!(patched(&off, set(false)).unwrap().envelope(), Envelope::Legacy);
    assert_eq!(patched(&off, set(true)).unwrap().envelope(), Envelope::CloudEvents);
    assert_eq!(patched(&on, set(true)).unwrap().envelope(), Envelope::CloudEvents);
    let refused = [(path, "cloud-events-fixed")];
    assert_eq!(found(&patched(&on, set(false)).unwrap_err()), refused);
    let document = json!({"name": "n", "url": "https://a.b/", "enableCloudEventDelivery": false});
    let replaced = on.replaced(&document.clone().into(), &Rules::default(), edit());
    assert_eq!(found(&replaced.unwrap_err()), refused);
    assert!(off.replaced(&document.into(), &Rules::default(), edit()).is_ok());
    // Removed or omitted, it is true again.
    let removed = patched(&off, json!([{"op": "remove", "path": path}])).unwrap();
    assert_eq!(removed.envelope(), Envelope::CloudEvents);
}

#[test]
fn requires_encrypted_headers_with_another_url() {
    let old = webhook(&secret());
    let url = |url| json!({"op": "replace", "path": "/url", "value": url});
    let again = json!({"op": "replace", "path": "/encryptedHeaders", "value": {"x-b": "3"}});
    let removed = json!({"op": "remove", "path": "/encryptedHeaders"});
    let refused = patched(&old, json!([url("https://other.example.com/")])).unwrap_err();
    assert_eq!(found(&refused), [("/encryptedHeaders", "headers-needed-anew")]);
    for patch in [
        json!([url("https://other.example.com/"), again]),
        json!([again, url("https://other.example.com/")]),
        json!([removed, url("https://other.example.com/")]),
        json!([url("https://HOOKS.example.com:443")]),
        json!([url("https://other.example.com/"), url("https://hooks.example.com/")]),
    ] {
        let changed = patched(&old, patch.clone());
        assert!(changed.is_ok(), "{patch}: {changed:?}");
    }
    // An invalid URL counts as another one. An invalid operation still counts as setting the
    // headers.
    let wrong = patched(&old, json!([url("http://c.d/")])).unwrap_err();
    assert_eq!(
        found(&wrong),
        [("/url", "url-not-https"), ("/encryptedHeaders", "headers-needed-anew")]
    );
    let gone = patched(&old, json!([{"op": "remove", "path": "/url"}])).unwrap_err();
    assert_eq!(found(&gone), [("/url", "member-missing")]);
    let no_value = json!({"op": "replace", "path": "/encryptedHeaders"});
    let wrong = patched(&old, json!([no_value, url("https://c.d/")])).unwrap_err();
    assert_eq!(found(&wrong), [("/0/value", "patch-missing-value")]);
    // Without encrypted headers, nothing is needed.
    assert!(patched(&webhook(&json!({})), json!([url("https://other.example.com/")])).is_ok());
    // A replacement always sets or removes them.
    let document = json!({"name": "n", "url": "https://other.example.com/"});
    let new = old.replaced(&document.into(), &Rules::default(), edit()).unwrap().webhook;
    assert!(new.encrypted_headers().is_empty());
}

/// A webhook that could not be read back is refused.
#[test]
fn refuses_empty_ids_of_the_server() {
    let rules = Rules::default();
    let old = webhook(&json!({}));
    let document = json!({"name": "n", "url": "https://a.b/", "level": "user"});
    let create = |new| found_owned(&Webhook::create(&document.clone().into(), &rules, new));
    let now = at(0).into();
    let both = ["/createdByUserId", "/updatedByUserId"];
    assert_eq!(create(NewWebhook::new("", "u", now)), ["/id"]);
    assert_eq!(create(NewWebhook::new("w", "", now)), both);
    assert_eq!(create(NewWebhook::new("w", "u", now).of_tenant("")), ["/tenantId"]);
    let empty = Edit::new("", at(1).into());
    let replaced = old.replaced(&document.clone().into(), &rules, empty.clone());
    assert_eq!(found_owned(&replaced), ["/updatedByUserId"]);
    assert_eq!(found_owned(&old.patched(&json!([]).into(), &rules, empty)), ["/updatedByUserId"]);
}

fn found_owned<T: std::fmt::Debug>(result: &Result<T, Diagnostics>) -> Vec<String> {
    let problems = result.as_ref().unwrap_err();
    problems.iter().map(|problem| problem.pointer().to_owned()).collect()
}

#[test]
fn keeps_the_origin() {
    let old = webhook(&json!({"origin": "automations"}));
    let document = |origin: &str| json!({"name": "n", "url": "https://a.b/", "origin": origin});
    let same =
        old.replaced(&document("automations").into(), &Rules::default(), edit()).unwrap().webhook;
    assert_eq!(same.origin(), old.origin());
    let other = old.replaced(&document("api").into(), &Rules::default(), edit()).unwrap_err();
    assert_eq!(found(&other), [("/origin", "origin-fixed")]);
}

#[test]
fn checks_filter_and_level_after_a_patch_of_event_types() {
    let types = |types: Value| json!([{"op": "replace", "path": "/eventTypes", "value": types}]);
    let filtered = webhook(&json!({"filter": r#"data.status eq "ok""#}));
    let reloaded = "com.qlik.v1.app.reload.finished";
    assert!(patched(&filtered, types(json!([reloaded, reloaded]))).is_ok());
    for wrong in [json!([reloaded, "com.qlik.v1.app.created"]), json!([])] {
        let problems = patched(&filtered, types(wrong)).unwrap_err();
        assert_eq!(found(&problems), [("/filter", "filter-attribute-not-allowed")]);
    }
    let problems = patched(&filtered, types(json!([]))).unwrap_err();
    let detail = problems.iter().next().unwrap().help();
    assert!(
        detail.ends_with("a patch cannot change the filter: replace the webhook (PUT) instead")
    );
    let user = webhook(&json!({"level": "user"}));
    let problems = patched(&user, types(json!(["com.qlik.v1.app.deleted"]))).unwrap_err();
    assert_eq!(found(&problems), [("/eventTypes/0", "event-type-level")]);
}

#[test]
fn applies_operations_in_order() {
    let old = webhook(&json!({"description": "old"}));
    let description = |patch: Value| patched(&old, patch).unwrap().description().map(str::to_owned);
    let path = "/description";
    assert_eq!(
        description(json!([
            {"op": "remove", "path": path},
            {"op": "add", "path": path, "value": "a"},
            {"op": "replace", "path": path, "value": "b", "from": "/x", "comment": 1},
        ])),
        Some("b".into())
    );
    assert_eq!(description(json!([])), Some("old".into()));
    assert_eq!(
        description(json!([{"op": "add", "path": path, "value": "new"}])),
        Some("new".into())
    );
    assert_eq!(description(json!([{"op": "add", "path": path, "value": null}])), None);
    let same = json!([{"op": "remove", "path": path}, {"op": "remove", "path": path}]);
    assert_eq!(found(&patched(&old, same).unwrap_err()), [("/1/path", "patch-absent")]);
}

/// Exactly the paths of the reference can be patched.
#[test]
fn patches_only_the_documented_paths() {
    let old = webhook(&json!({}));
    for (path, value) in [
        ("/name", json!("m")),
        ("/description", json!("d")),
        ("/url", json!("https://a.b/")),
        ("/eventTypes", json!(["com.qlik.v1.app.created"])),
        ("/headers", json!({"x-a": "1"})),
        ("/enabled", json!(false)),
        ("/secret", json!("s".repeat(32))),
        ("/encryptedHeaders", json!({"x-b": "2"})),
        ("/enableCloudEventDelivery", json!(true)),
    ] {
        let patch = json!([{"op": "add", "path": path, "value": value}]);
        let new = serde_json::to_value(patched(&old, patch).unwrap().stored()).unwrap();
        assert_eq!(new.pointer(path), Some(&value));
    }
    for (path, help) in [
        ("/filter", "replace the whole webhook to change it; a patch takes /url, /name"),
        ("/level", "replace the whole webhook"),
        ("/ownerId", "replace the whole webhook"),
        ("/origin", "replace the whole webhook"),
        ("/checkCertificateRevocation", "replace the whole webhook"),
        ("/id", "the server sets it"),
        ("/updatedAt", "the server sets it"),
        ("/secretKeyAdded", "the server sets it"),
        ("/headers/x-a", "replace `/headers` as a whole"),
        ("/headers/", "replace `/headers` as a whole"),
        ("/eventTypes/-", "replace `/eventTypes` as a whole"),
        ("/eventTypes/0", "replace `/eventTypes` as a whole"),
        ("/encryptedHeaders/x", "replace `/encryptedHeaders` as a whole"),
        ("/Name", "did you mean `/name`?"),
        ("/discription", "did you mean `/description`?"),
        ("name", "write `/name`"),
        ("", "a patch takes "),
        ("/", "a patch takes "),
        ("/colour", "a patch takes "),
    ] {
        for op in ["add", "remove", "replace"] {
            let patch = json!([{"op": op, "path": path, "value": "x"}]);
            let problems = patched(&old, patch).unwrap_err();
            assert_eq!(found(&problems), [("/0/path", "patch-path")], "{op} {path}");
            let detail = problems.iter().next().unwrap().help().replace('`', "");
            assert!(detail.starts_with(&help.replace('`', "")), "{path}: {detail}");
        }
    }
}

#[test]
fn refuses_malformed_patches() {
    let old = webhook(&json!({}));
    for (patch, pointer, code) in [
        (json!({}), "", "patch-not-an-array"),
        (json!(null), "", "patch-not-an-array"),
        (json!([5]), "/0", "patch-invalid-operation"),
        (json!([{"path": "/name"}]), "/0/op", "patch-invalid-operation"),
        (json!([{"op": "remove"}]), "/0/path", "patch-invalid-operation"),
        (json!([{"op": "remove", "path": 5}]), "/0/path", "patch-invalid-operation"),
        (
            json!([{"op": "test", "path": "/name", "value": "n"}]),
            "/0/op",
            "patch-unknown-operation",
        ),
        (
            json!([{"op": "move", "path": "/name", "from": "/x"}]),
            "/0/op",
            "patch-unknown-operation",
        ),
        (json!([{"op": "ADD", "path": "/name", "value": ""}]), "/0/op", "patch-unknown-operation"),
        (json!([{"op": "add", "path": "/name"}]), "/0/value", "patch-missing-value"),
        (json!([{"op": "replace", "path": "/enabled"}]), "/0/value", "patch-missing-value"),
        (json!([{"op": "remove", "path": "/secret"}]), "/0/path", "patch-absent"),
        (json!([{"op": "replace", "path": "/headers", "value": {}}]), "/0/path", "patch-absent"),
        (json!([{"op": "remove", "path": "/name"}]), "/name", "member-missing"),
        (json!([{"op": "replace", "path": "/name", "value": null}]), "/name", "member-missing"),
    ] {
        assert_eq!(found(&patched(&old, patch.clone()).unwrap_err()), [(pointer, code)], "{patch}");
    }
    let duplicate = Patch::read(br#"[{"op": "remove", "op": "add", "path": "/name"}]"#).unwrap();
    let problems = old.patched(&duplicate, &Rules::default(), edit()).unwrap_err();
    assert_eq!(found(&problems), [("/0/op", "patch-invalid-operation")]);
}

/// Reports the errors of the operations and of the webhook that the others lead to.
#[test]
fn reports_all_errors_of_a_patch_at_once() {
    let old = webhook(&json!({}));
    let patch = json!([
        {"op": "replace", "path": "/filter", "value": ""},
        {"op": "replace", "path": "/name", "value": ""},
        {"op": "add", "path": "/headers", "value": {"Host": "x"}},
        {"op": "remove", "path": "/description"},
    ]);
    let problems = patched(&old, patch).unwrap_err();
    assert_eq!(
        found(&problems),
        [
            ("/0/path", "patch-path"),
            ("/3/path", "patch-absent"),
            ("/name", "member-too-short"),
            ("/headers/Host", "header-reserved"),
        ]
    );
    let worst = json!([{"op": "frob", "path": "/filter"}, {}]);
    assert_eq!(
        found(&patched(&old, worst).unwrap_err()),
        [
            ("/0/op", "patch-unknown-operation"),
            ("/0/path", "patch-path"),
            ("/1/op", "patch-invalid-operation"),
            ("/1/path", "patch-invalid-operation"),
        ]
    );
}

/// A webhook read from a response keeps its secret and headers whose values are unknown.
#[test]
fn keeps_unknown_secrets() {
    let rules = Rules::default();
    let response = serde_json::to_value(webhook(&secret())).unwrap();
    let read = Webhook::read(&response.into(), &rules).unwrap().webhook;
    let name = json!([{"op": "replace", "path": "/name", "value": "m"}]);
    let new = patched(&read, name).unwrap();
    assert!(
        new.has_redacted_secrets() && new.secret().is_some() && new.encrypted_headers().len() == 1
    );
    let both = json!([
        {"op": "remove", "path": "/secret"}, {"op": "remove", "path": "/encryptedHeaders"}
    ]);
    let new = patched(&read, both).unwrap();
    assert!(
        !new.has_redacted_secrets() && new.secret().is_none() && new.encrypted_headers().is_empty()
    );
    let url = json!([{"op": "replace", "path": "/url", "value": "https://a.b/"}]);
    let problems = patched(&read, url).unwrap_err();
    assert_eq!(found(&problems), [("/encryptedHeaders", "headers-needed-anew")]);
    let names = json!([{"op": "replace", "path": "/encryptedHeaders", "value": ["x-b"]}]);
    let problems = patched(&read, names).unwrap_err();
    assert_eq!(found(&problems), [("/encryptedHeaders", "header-without-value")]);
    // A header that becomes a plain one must be removed from the encrypted ones.
    let open = json!([{"op": "replace", "path": "/headers", "value": {"X-B": "2"}}]);
    let problems = patched(&read, open).unwrap_err();
    assert_eq!(found(&problems), [("/encryptedHeaders/x-b", "header-doubled")]);
}

/// Members in place of operations are refused; the suggestion is the operations that set them.
#[test]
fn suggests_the_operations_of_a_merge_patch() {
    let old = webhook(&json!({"description": "d", "filter": r#"id eq "a""#}));
    for (merge, operations) in [
        (json!({"enabled": false}), json!([{"op": "replace", "path": "/enabled", "value": false}])),
        (
            json!({"name": "m", "headers": {"x-a": "1"}}),
            json!([
                {"op": "add", "path": "/headers", "value": {"x-a": "1"}},
                {"op": "replace", "path": "/name", "value": "m"},
            ]),
        ),
        (json!({"description": null}), json!([{"op": "remove", "path": "/description"}])),
        (
            json!({"description": "\u{202e}\u{7f}"}),
            json!([{"op": "replace", "path": "/description", "value": "\u{202e}\u{7f}"}]),
        ),
        (
            json!({"eventTypes": ["com.qlik.v1.app.created"]}),
            json!([
                {"op": "replace", "path": "/eventTypes", "value": ["com.qlik.v1.app.created"]}
            ]),
        ),
        (
            json!({"op": "replace", "path": "/enabled", "value": false}),
            json!([{"op": "replace", "path": "/enabled", "value": false}]),
        ),
        (
            json!({"description": "d".repeat(1000)}),
            json!([{"op": "replace", "path": "/description", "value": "d".repeat(1000)}]),
        ),
    ] {
        let problems = patched(&old, merge.clone()).unwrap_err();
        assert_eq!(found(&problems), [("", "patch-not-an-array")], "{merge}");
        let problem = problems.iter().next().unwrap();
        let suggestion = problem.suggestion().unwrap();
        assert_eq!(serde_json::from_str::<Value>(suggestion).unwrap(), operations, "{merge}");
        assert!(patched(&old, operations).is_ok(), "{merge}");
        let shown = suggestion.len() <= 300;
        assert_eq!(problem.help() == format!("send `{suggestion}`"), shown, "{merge}");
        assert!(!problem.help().chars().any(hooksieve::diagnostic::is_misleading));
        let body = serde_json::to_value(problems.body()).unwrap();
        assert_eq!(body["errors"][0]["suggestion"], suggestion);
    }
    let items = json!([{"enabled": false}, {"name": "m"}]);
    let problems = patched(&old, items).unwrap_err();
    assert_eq!(found(&problems), [("/0", "patch-invalid-operation")]);
    let suggestion = problems.iter().next().unwrap().suggestion().unwrap();
    let both = patched(&old, serde_json::from_str(suggestion).unwrap()).unwrap();
    assert_eq!((both.is_enabled(), both.name()), (false, "m"));
}

#[test]
fn suggests_no_operations_that_are_refused_or_secret() {
    let old = webhook(&json!({"filter": r#"data.status eq "ok""#}));
    for (merge, help) in [
        (json!({}), "send an array, such as"),
        (
            json!({"enabled": false, "level": "user"}),
            "send an array of operations; `level` cannot be patched: replace the whole webhook",
        ),
        (
            json!({"id": "w2"}),
            "send an array of operations; `id` cannot be patched: the server sets it",
        ),
        (
            json!({"enabeld": false}),
            "send an array of operations; `enabeld` cannot be patched: did you mean `/enabled`?",
        ),
        (json!({"op": "replace", "path": "/level", "value": "user"}), "put the operation into"),
        (json!("enabled"), "send an array, such as"),
    ] {
        let problems = patched(&old, merge.clone()).unwrap_err();
        assert_eq!(found(&problems), [("", "patch-not-an-array")], "{merge}");
        let problem = problems.iter().next().unwrap();
        assert!(problem.help().starts_with(help), "{merge}: {}", problem.help());
        assert_eq!(problem.suggestion(), None, "{merge}");
    }
    // An invalid value, or an invalid result, is an error of its own.
    let each = "send an array with an operation for each of";
    for (merge, at, code) in [
        (json!({"enabled": "no"}), "/enabled", "member-wrong-type"),
        (json!({"name": null}), "/name", "member-missing"),
        (json!({"url": "<https://hooks.example.com/x>"}), "/url", "url-invalid"),
        (json!({"eventTypes": "com.qlik.v1.app.created"}), "/eventTypes", "member-wrong-type"),
        (json!({"description": {}}), "/description", "member-wrong-type"),
        (json!({"headers": {"x-a": 5}}), "/headers/x-a", "member-wrong-type"),
        (json!({"headers": ["x-a"]}), "/headers", "member-wrong-type"),
        // It would make the filter invalid.
        (json!({"eventTypes": []}), "/filter", "filter-attribute-not-allowed"),
    ] {
        let problems = patched(&old, merge.clone()).unwrap_err();
        assert_eq!(found(&problems), [("", "patch-not-an-array"), (at, code)], "{merge}");
        let problem = problems.iter().next().unwrap();
        assert!(problem.help().starts_with(each), "{merge}: {}", problem.help());
        assert_eq!(problem.suggestion(), None, "{merge}");
    }
    let hidden = "hidden-0123456789-abcdefghijklmnopq";
    for merge in [
        json!({"secret": hidden}),
        json!({"name": "m", "secret": hidden}),
        json!({"encryptedHeaders": {"x-a": hidden}}),
        json!({"op": "add", "path": "/secret", "value": hidden}),
        json!([{"secret": hidden}]),
    ] {
        let problems = patched(&old, merge.clone()).unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.suggestion(), None, "{merge}");
        let text = format!("{problems:?} {}", serde_json::to_string(&problems.body()).unwrap());
        assert!(!text.contains("hidden"), "{text}");
    }
}

/// A merge patch changes the headers that it names, but an operation replaces all of them.
#[test]
fn suggests_operations_that_keep_the_other_headers() {
    let old = webhook(&json!({"headers": {"A": "1", "B": "2"}, "description": "d"}));
    let replaced = |value: Value| json!([{"op": "replace", "path": "/headers", "value": value}]);
    for (merge, operations) in [
        (json!({"X": "y"}), replaced(json!({"A": "1", "B": "2", "X": "y"}))),
        (json!({"B": "3"}), replaced(json!({"A": "1", "B": "3"}))),
        (json!({"b": "3"}), replaced(json!({"A": "1", "b": "3"}))),
        (json!({"A": null}), replaced(json!({"B": "2"}))),
        (json!({"a": null, "C": "3", "Z": null}), replaced(json!({"B": "2", "C": "3"}))),
        (json!({"A": null, "B": null}), json!([{"op": "remove", "path": "/headers"}])),
        (Value::Null, json!([{"op": "remove", "path": "/headers"}])),
    ] {
        let problems = patched(&old, json!({"headers": merge})).unwrap_err();
        let problem = problems.iter().next().unwrap();
        let suggestion: Value = serde_json::from_str(problem.suggestion().unwrap()).unwrap();
        assert_eq!(suggestion, operations, "{merge}");
        let mut expected = serde_json::to_value(&old).unwrap();
        json_patch::merge(&mut expected, &json!({"headers": merge}));
        let kept = serde_json::to_value(patched(&old, suggestion).unwrap()).unwrap();
        let count = |document: &Value| document["headers"].as_object().map_or(0, |all| all.len());
        if merge.get("b").is_none() && merge.get("a").is_none() {
            assert_eq!(count(&kept), count(&expected), "{merge}");
        }
        assert_eq!(kept["description"], "d");
    }
}

#[test]
fn reports_a_merge_patch_that_changes_nothing() {
    let old = webhook(&json!({"headers": {"A": "1"}}));
    for merge in [
        json!({"headers": {}}),
        json!({"headers": {"A": "1"}}),
        json!({"headers": {"Z": null}}),
        json!({"encryptedHeaders": {}}),
        json!({"encryptedHeaders": null}),
        json!({"description": null}),
        json!({"description": null, "headers": {}}),
        json!({"secret": null}),
    ] {
        let problems = patched(&old, merge.clone()).unwrap_err();
        assert_eq!(found(&problems), [("", "patch-not-an-array")], "{merge}");
        let problem = problems.iter().next().unwrap();
        assert!(problem.help().starts_with("there is nothing to change"), "{merge}");
        assert_eq!(problem.suggestion(), None, "{merge}");
    }
    // Removing a secret does not show it.
    let old = webhook(&json!({"secret": "s".repeat(32)}));
    let problems = patched(&old, json!({"secret": null})).unwrap_err();
    let suggestion = problems.iter().next().unwrap().suggestion().unwrap();
    assert_eq!(suggestion, r#"[{"op":"remove","path":"/secret"}]"#);
}

/// The array is the whole body, not a member of an object as in SCIM.
#[test]
fn takes_operations_out_of_an_object() {
    let old = webhook(&json!({}));
    let operations = json!([{"op": "replace", "path": "/enabled", "value": false}]);
    let scim = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    for (body, name, is_certain) in [
        (json!({"schemas": [scim], "Operations": operations}), "Operations", true),
        (json!({"Operations": operations}), "Operations", true),
        (json!({"patch": operations}), "patch", true),
        (json!({"changes": operations}), "changes", true),
        (json!({"changes": operations, "dryRun": true}), "changes", false),
        (json!({"enabled": true, "patch": operations}), "patch", false),
        (json!({"a": operations, "b": operations}), "a", false),
        (
            json!({"Operations": [{"op": "Replace", "value": {"enabled": false}}]}),
            "Operations",
            false,
        ),
        (
            json!({"Operations": [{"op": "add", "path": "/enabled", "value": "no"}]}),
            "Operations",
            false,
        ),
    ] {
        let problems = patched(&old, body.clone()).unwrap_err();
        let problem = problems.iter().next().unwrap();
        let suggestion = problem.suggestion().map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(suggestion, is_certain.then(|| operations.clone()), "{body}");
        if !is_certain {
            let help = format!("send the array in `{name}` as the whole body");
            assert_eq!(problem.help(), help, "{body}");
        }
    }
    let hidden = json!({"patch": [{"op": "add", "path": "/secret", "value": "hidden".repeat(6)}]});
    let problems = patched(&old, hidden).unwrap_err();
    assert!(!format!("{problems:?}").contains("hidden"));
}
