//! Messages about webhooks: they say what is wrong and how to fix it, and show no secrets.
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::webhook::{Catalogue, Edit, NewWebhook, Patch, Rules, Webhook, WebhookDocument};
use serde_json::{Value, json};
use std::time::UNIX_EPOCH;

const CREATED: &str = "com.qlik.v1.app.created";
const DELETED: &str = "com.qlik.v1.app.deleted";
const RELOADED: &str = "com.qlik.v1.app.reload.finished";

fn document(members: &Value) -> WebhookDocument {
    let mut document = json!({
        "name": "n", "url": "https://hooks.example.com/", "eventTypes": [CREATED]
    });
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
    }
    document.into()
}

fn create(members: &Value) -> Result<Webhook, Diagnostics> {
    let new = NewWebhook::new("w1", "creator", UNIX_EPOCH.into());
    Webhook::create(&document(members), &Rules::default(), new).map(|checked| checked.webhook)
}

fn texts(problems: &Diagnostics) -> Vec<(&str, &str)> {
    problems.iter().map(|problem| (problem.message(), problem.help())).collect()
}

#[test]
fn reports_one_error_for_each_mistake() {
    let name_help = "use letters, digits and any of !#$%&'*+-.^_`|~";
    let hidden = "`encryptedHeaders` has an invalid header name";
    for (members, title, detail) in [
        (json!({"name": ""}), "`name` is empty", "give it 1 to 512 characters"),
        (json!({"secret": ""}), "`secret` is empty", "give it 32 to 64 characters"),
        (json!({"secret": "ü"}), "`secret` has 1 character", "give it 32 to 64 characters"),
        (json!({"secret": "üü"}), "`secret` has 2 characters", "give it 32 to 64 characters"),
        (
            json!({"description": "d".repeat(1025)}),
            "`description` has 1025 characters",
            "give it at most 1024 characters",
        ),
        (
            json!({"level": "user", "ownerId": ""}),
            "`ownerId` is empty",
            "give it a value, or remove it",
        ),
        (json!({"headers": {"": "x"}}), "a header has an empty name", name_help),
        (json!({"headers": {"x a": "x"}}), "`x a` is not a valid header name", name_help),
        (json!({"encryptedHeaders": {"": "x"}}), "a header has an empty name", name_help),
        // The name is not shown: it may contain the value, as in the next case.
        (json!({"encryptedHeaders": {"x a": "x"}}), hidden, name_help),
        (
            json!({"encryptedHeaders": {"Authorization: x": ""}}),
            hidden,
            "give name and value separately: `{\"name\": \"value\"}`",
        ),
        (
            json!({"headers": {"X-A": "1", "x-a": "2"}}),
            "duplicate header `x-a`",
            "remove one; `X-A` is the same name, compared case-insensitively",
        ),
        (
            json!({"headers": {"X-A": "1"}, "encryptedHeaders": {"x-a": "2"}}),
            "header `x-a` is also in `headers`",
            "remove one; `X-A` is the same name, compared case-insensitively",
        ),
    ] {
        assert_eq!(texts(&create(&members).unwrap_err()), [(title, detail)], "{members}");
    }
}

/// A patch cannot change the level or the filter, so its help does not suggest that.
#[test]
fn suggests_to_a_patch_only_what_a_patch_can_do() {
    let rules = Rules::default();
    let title = "event type `com.qlik.v1.app.deleted` does not support level `user`";
    let level = json!({"level": "user", "eventTypes": [DELETED]});
    let by_document = [(title, "remove it, or set `level` to `tenant`")];
    assert_eq!(texts(&create(&level).unwrap_err()), by_document);
    let old = create(&json!({"level": "user"})).unwrap();
    assert_eq!(
        texts(&old.replaced(&document(&level), &rules, Edit::default()).unwrap_err()),
        by_document
    );

    let types = |types: Value| -> Patch {
        json!([{"op": "replace", "path": "/eventTypes", "value": types}]).into()
    };
    let problems = old.patched(&types(json!([DELETED])), &rules, Edit::default()).unwrap_err();
    let help = "remove it; it supports only `tenant`, and a patch cannot change the level";
    assert_eq!(texts(&problems), [(title, help)]);

    let filter = json!({"filter": r#"data.status eq "ok""#, "eventTypes": [CREATED]});
    let problems = create(&filter).unwrap_err();
    let by_document = texts(&problems)[0].1;
    assert!(!by_document.contains("patch"), "{by_document}");
    let filter = json!({"filter": r#"data.status eq "ok""#, "eventTypes": [RELOADED]});
    let old = create(&filter).unwrap();
    let problems = old.patched(&types(json!([CREATED])), &rules, Edit::default()).unwrap_err();
    let by_patch = texts(&problems)[0].1;
    let more = "; a patch cannot change the filter: replace the webhook (PUT) instead";
    assert_eq!(by_patch.strip_suffix(more), Some(by_document));
}

#[test]
fn refuses_an_event_type_without_levels() {
    let catalogue = Catalogue::read(br#"{"data": [{"name": "a", "levels": []}]}"#).unwrap();
    assert_eq!(catalogue.types()[0].levels(), []);
    let rules = Rules::new(hooksieve::filter::Profile::webhook(), catalogue);
    let errors = rules.check(&document(&json!({"eventTypes": ["a"]}))).into_result().unwrap_err();
    let title = "event type `a` does not support level `tenant`";
    assert_eq!(texts(&errors), [(title, "remove it; it supports no level")]);
}

/// The part of a path after the member may be secret, so it is not shown.
#[test]
fn reports_paths_that_cannot_be_patched() {
    let webhook = create(&json!({})).unwrap();
    for (path, title) in [
        ("/filter", "`/filter` cannot be patched"),
        ("filter", "`filter` cannot be patched"),
        ("/headers/x-a", "`/headers/…` cannot be patched"),
        ("headers/x-a", "`headers/…` cannot be patched"),
        ("/headers/", "`/headers/…` cannot be patched"),
        ("/encryptedHeaders/x-a/hidden", "`/encryptedHeaders/…` cannot be patched"),
        ("//hidden", "`//…` cannot be patched"),
        ("/", "`/` cannot be patched"),
        ("", "`` cannot be patched"),
    ] {
        let patch = json!([{"op": "add", "path": path, "value": "x"}]);
        let problems = webhook.patched(&patch.into(), &Rules::default(), Edit::default());
        assert_eq!(problems.unwrap_err().iter().next().unwrap().message(), title, "{path}");
    }
}

/// Unknown members are ignored, and do not use up the limited look-ups of similar names.
#[test]
fn unknown_members_leave_help_for_event_types() {
    let mut members = json!({"eventTypes": ["com.qlik.v1.app.craeted"]});
    for n in 0..20 {
        members[format!("nmae{n}")] = json!("x");
    }
    let help = format!("did you mean `{CREATED}`?");
    let problems = create(&members).unwrap_err();
    assert_eq!(problems.iter().map(Diagnostic::help).collect::<Vec<_>>(), [help]);
}

/// `detail` has the place, and for a filter the bytes. An error about the whole has no place.
#[test]
fn writes_the_place_into_error_bodies() {
    let body = |problems: &Diagnostics| serde_json::to_value(problems.body()).unwrap();
    let filter = create(&json!({"filter": "id eq x", "secret": "short"})).unwrap_err();
    let errors = &body(&filter)["errors"];
    let at = |at: usize| errors[at]["detail"].as_str().unwrap();
    assert!(at(0).ends_with(" (at /filter, bytes 6 to 7)"), "{}", at(0));
    assert_eq!(at(1), "give it 32 to 64 characters (at /secret)");
    let whole = Rules::default().check(&json!([]).into()).into_result().unwrap_err();
    assert_eq!(
        body(&whole),
        json!({"errors": [{
            "code": "webhook-not-an-object",
            "title": "expected a webhook, a JSON object, found an array",
            "detail": "send a JSON object",
        }]})
    );
    let own = Diagnostics::from(Diagnostic::error("not-found", "no such webhook", "list them"));
    let own = own.body_with_trace("t-1");
    assert_eq!(
        serde_json::to_value(own).unwrap(),
        json!({
            "errors": [{"code": "not-found", "title": "no such webhook", "detail": "list them"}],
            "traceId": "t-1",
        })
    );
}

#[test]
fn debugs_without_values() {
    let members = json!({
        "secret": "hidden-0123456789-abcdefghijklmnopq", "encryptedHeaders": {"x-a": "hidden"},
    });
    let document = document(&members);
    for name in ["name", "url", "eventTypes", "secret", "encryptedHeaders"] {
        assert!(format!("{document:?}").contains(&format!("{name:?}")), "{document:?}");
    }
    assert!(!format!("{document:?}").contains("hidden"));
    assert_eq!(format!("{:?}", WebhookDocument::from(json!("hidden"))), "WebhookDocument a string");
    let patch = Patch::from(json!([{"op": "add", "path": "/secret", "value": "hidden"}]));
    assert_eq!(format!("{patch:?}"), "Patch(1 operations)");
    assert_eq!(format!("{:?}", Patch::from(json!("hidden"))), "Patch(a string)");
    let webhook = create(&members).unwrap();
    assert_eq!(format!("{:?}", webhook.secret().unwrap()), "Secret(..)");
    assert!(!format!("{webhook:?}").contains("hidden"));
}
