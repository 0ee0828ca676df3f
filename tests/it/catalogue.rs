//! The catalogue of event types: the built-in one, other ones, and other documents.

use hooksieve::event::EventType;
use hooksieve::webhook::{Catalogue, Level, Rules, WebhookDocument};
use serde_json::{Value, json};

const CREATED: &str = "com.qlik.v1.app.created";
const RELOADED: &str = "com.qlik.v1.app.reload.finished";

/// Returns a document with these event types and a filter.
fn document(event_types: &Value, filter: &str) -> WebhookDocument {
    let url = "https://hooks.example.com/";
    json!({"name": "n", "url": url, "eventTypes": event_types, "filter": filter}).into()
}

#[test]
fn matches_the_published_table() {
    let catalogue = Catalogue::builtin();
    let of_users = catalogue.types().iter().filter(|known| known.supports(Level::User)).count();
    assert_eq!((catalogue.types().len(), of_users), (23, 16));
    assert!(catalogue.types().iter().all(|known| known.supports(Level::Tenant)));
    assert_eq!(catalogue.find("com.qlik.core.user.deleted").unwrap().title(), "User deleted");
    for (written, nearest) in [
        ("com.qlik.v1.app.craeted", Some(CREATED)),
        ("COM.QLIK.V1.APP.CREATED", Some(CREATED)),
        ("com.qlik.app.creatd", Some("com.qlik.app.created")),
        ("app.reload.finished", Some(RELOADED)),
        ("com.qlik.app.reload.finished", Some(RELOADED)),
        ("app Created", Some(CREATED)),
        ("com.qlik.v1.apps.created", Some(CREATED)),
        ("com.qlik.v1.app.create", Some(CREATED)),
        ("com.qlik.v1.app_created", Some(CREATED)),
        (" com.qlik.v1.app.created ", Some(CREATED)),
        ("com.qilk.v1.ap.created", Some(CREATED)),
        ("app.created", Some(CREATED)),
        ("v1.app.created", Some(CREATED)),
        ("com.qlik.v1.api.key.validation.failed", Some("com.qlik.v1.api-key.validation.failed")),
        ("com.qlik.core.user.craeted", Some("com.qlik.core.user.created")),
        ("com.qlik.core.user.created2", None),
        ("com.qlik.v1.web-integration.created", Some("com.qlik.web-integration.created")),
        ("com.qlik.v1.reload.finshed", Some("com.qlik.v1.reload.finished")),
        ("reload.finished", Some("com.qlik.v1.reload.finished")),
        ("com.qlik.v1.app.opened", None),
        ("com.qlik.v1.app.updated", None),
        ("com.qlik.v1.app.imported", None),
        ("com.qlik.v1.app.unpublished", None),
        ("com.qlik.v1.app.reload.started", None),
        ("com.qlik.v1.app.reload.failed", None),
        ("com.qlik.v1.user.updated", None),
        ("com.qlik.v1.api.created", None),
        ("com.qlik.v1.space.created", None),
        ("com.qlik.v2.app.created", None),
        ("com.qlik.v1.automation.run.stopped", None),
        ("com.qlik.v1.app.*", None),
        ("finished", None),
        ("created", None),
        ("something.else.altogether", None),
        ("", None),
    ] {
        assert_eq!(catalogue.nearest(written), nearest, "{written}");
    }
    let text = serde_json::to_vec(&catalogue).unwrap();
    assert_eq!(Catalogue::read(&text).unwrap(), catalogue);
}

#[test]
fn reads_other_catalogues() {
    let read = |text: &str| Catalogue::read(text.as_bytes()).unwrap();
    let catalogue = read(
        r#"{"data": [
            {"name": "a", "title": "A", "levels": ["user", "tenant", "user"], "description": "d"},
            {"name": "b", "levels": ["tenant"], "newerName": "c"}
        ]}"#,
    );
    let [a, b] = catalogue.types() else { panic!("two types") };
    assert_eq!((a.title(), a.description(), a.newer_name()), ("A", Some("d"), None));
    assert_eq!((b.title(), b.description(), b.newer_name()), ("b", None, Some("c")));
    assert_eq!((a.levels(), b.levels()), (&Level::ALL[..], &[Level::Tenant][..]));
    assert_eq!(format!("{catalogue:?}"), r#"["a", "b"]"#);
    // Catalogues compare by content.
    assert_eq!(catalogue.with_renames(false), catalogue);
    assert_ne!(catalogue.with_renames(true), catalogue);
    assert_ne!(read(r#"{"data": []}"#), catalogue);
    // An empty name is no misspelling.
    assert_eq!((catalogue.nearest(""), catalogue.nearest("x")), (None, None));
    // The length of a compared name is limited, so the time is linear in the catalogue.
    let long = "n".repeat(128);
    let catalogue = read(&json!({"data": [{"name": long}]}).to_string());
    assert_eq!(catalogue.nearest(&format!("{}m", "n".repeat(127))), Some(&*long));
    assert_eq!(catalogue.nearest(&"n".repeat(129)), None);
}

#[test]
fn renames_only_on_request() {
    let received = |catalogue: &Catalogue, name: &str| -> Vec<String> {
        catalogue.received(&name.into()).map(|name| name.to_string()).collect()
    };
    let plain = Catalogue::builtin();
    assert_eq!(received(&plain, CREATED), [CREATED]);
    let renamed = plain.with_renames(true);
    assert_eq!(received(&renamed, CREATED), [CREATED, "com.qlik.app.created"]);
    assert_eq!(received(&renamed, "com.qlik.app.created"), ["com.qlik.app.created"]);
    assert_eq!(received(&renamed, RELOADED), [RELOADED]);
    assert_eq!(received(&renamed.with_renames(false), CREATED), [CREATED]);
}

/// A rule of a filter that names an event type also holds for its newer name.
#[test]
fn applies_rules_of_the_profile_to_other_catalogues() {
    let catalogue = format!(
        r#"{{"data": [{{"name": "{RELOADED}", "newerName": "reloaded"}}, {{"name": "other"}}]}}"#
    );
    let profile = hooksieve::filter::Profile::webhook();
    let rules = Rules::new(profile, Catalogue::read(catalogue.as_bytes()).unwrap());
    let text = r#"data.status eq "ok""#;
    let check = |types: Value| {
        let errors = rules.check(&document(&types, text)).errors().len();
        let types: Vec<EventType> = serde_json::from_value(types).unwrap();
        assert_eq!(rules.check_filter(text, Some(&types)).canonical.is_err(), errors > 0);
        errors
    };
    assert_eq!(check(json!(["reloaded"])), 0);
    assert_eq!(check(json!(["reloaded", RELOADED])), 0);
    assert_eq!(check(json!(["reloaded", "other"])), 1);
    assert_eq!(check(json!(["other"])), 1);

    // The profile may use either of the two names.
    let place = hooksieve::event::JsonPath::new(["data", "state"]);
    let state = hooksieve::filter::Attribute::new("state", [place]).only_with("reloaded");
    let profile = hooksieve::filter::Profile::new([state]).unwrap();
    let rules = Rules::new(profile, Catalogue::read(catalogue.as_bytes()).unwrap());
    for (types, errors) in [(json!(["reloaded"]), 0), (json!([RELOADED]), 0), (json!(["other"]), 1)]
    {
        let document = document(&types, r#"state eq "ok""#);
        assert_eq!(rules.check(&document).errors().len(), errors, "{types}");
    }
}

#[test]
fn refuses_other_documents() {
    for (text, message) in [
        ("{", "not a list of event types: the JSON ends too early, at line 1 column 1"),
        ("[]", "not a list of event types: a member is missing or has the wrong type, at line 1"),
        ("{}", "not a list of event types: a member is missing or has the wrong type, at line 1"),
        (
            r#"{"data": {}}"#,
            "not a list of event types: a member is missing or has the wrong type, at line 1",
        ),
        (
            r#"{"data": [["a", "A", ["user"], "d", "n"]]}"#,
            "not a list of event types: a member is missing or has the wrong type, at line 1",
        ),
        (
            r#"{"data": [{}]}"#,
            "not a list of event types: a member is missing or has the wrong type, at line 1 column 12",
        ),
        (
            r#"{"data": [{"name": "a", "levels": ["all"]}]}"#,
            "not a list of event types: a member is missing or has the wrong type, at",
        ),
        (
            r#"{"data": [{"name": "a", "name": "b"}]}"#,
            "not a list of event types: a member is missing or has the wrong type, at",
        ),
        (
            r#"{"data": [{"name": "a"}, {"name": ""}]}"#,
            "event type 1, counted from 0, has an empty",
        ),
        (
            r#"{"data": [{"name": "a"}, {"name": "a"}]}"#,
            "two event types have the same `name` or `newerName`",
        ),
        (
            r#"{"data": [{"name": "a", "newerName": "b"}, {"name": "b"}]}"#,
            "two event types have the same `name` or `newerName`",
        ),
    ] {
        let error = Catalogue::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
}

/// A name that is no misspelling is explained by the types of its resource.
#[test]
fn explains_an_event_type_that_is_not_one() {
    for (written, help, suggestion) in [
        ("com.qlik.v1.app.craeted", "did you mean `com.qlik.v1.app.created`?", Some(CREATED)),
        (
            "com.qlik.v1.user.updated",
            "event types of that resource are `com.qlik.v1.user.created`, `com.qlik.v1.user.deleted`",
            None,
        ),
        (
            "com.qlik.v1.app.created, com.qlik.v1.app.deleted",
            "write each event type as an item of its own",
            None,
        ),
        ("com.qlik.v1.space.created", "use an event type of the catalogue", None),
        ("org.example.thing", "use an event type of the catalogue", None),
    ] {
        let report = Rules::default().check(&document(&json!([written]), ""));
        let [problem] = report.errors() else { panic!("{written}: {report:?}") };
        assert_eq!(problem.code(), "event-type-unknown");
        assert_eq!(problem.message(), format!("`{written}` is not a webhook event type"));
        assert_eq!((problem.help(), problem.suggestion()), (help, suggestion), "{written}");
    }
    let opened = Rules::default().check(&document(&json!(["com.qlik.v1.app.opened"]), ""));
    let help = opened.errors()[0].help();
    assert!(help.starts_with("event types of that resource are `com.qlik.v1.app.created`, "));
    assert!(!help.contains("did you mean"), "{help}");
}

/// For every single slip in every known name, a suggestion is an event type.
#[test]
fn suggests_the_name_that_was_damaged_or_none() {
    let catalogue = Catalogue::builtin();
    let (mut given, mut withheld) = (0, 0);
    for known in catalogue.types() {
        for name in std::iter::once(known.name()).chain(known.newer_name()) {
            let letters: Vec<char> = name.chars().collect();
            let damaged = (0..letters.len()).flat_map(|at| {
                let mut missing = letters.clone();
                missing.remove(at);
                let mut repeated = letters.clone();
                repeated.insert(at, letters[at]);
                let mut swapped = letters.clone();
                swapped.swap(at, (at + 1) % letters.len());
                let mut exchanged = letters.clone();
                exchanged[at] = if letters[at] == 'q' { 'z' } else { 'q' };
                [missing, repeated, swapped, exchanged].map(String::from_iter)
            });
            for damaged in damaged.filter(|damaged| catalogue.find(damaged).is_none()) {
                match catalogue.nearest(&damaged) {
                    None => withheld += 1,
                    Some(found) => {
                        given += 1;
                        assert_eq!(catalogue.find(found), Some(known), "{damaged}");
                    }
                }
            }
        }
    }
    assert!(given > 2 * withheld && withheld > 0, "{given} given, {withheld} withheld");
}

/// A catalogue may be another file by mistake, such as one with a secret.
#[test]
fn quotes_nothing_of_a_catalogue() {
    for text in [
        "s3cret",
        "\"s3cret\"",
        r#"{"data": "s3cret"}"#,
        r#"{"data": [{"name": "a", "levels": ["s3cret"]}]}"#,
        r#"{"data": [{"name": "a", "levels": {"s3cret": 1}}]}"#,
        r#"{"data": [{"name": "a", "carries": "s3cret"}]}"#,
        r#"{"data": [{"name": "s3cret"}, {"name": "s3cret"}]}"#,
        r#"{"data": [{"name": "a", "newerName": "s3cret"}, {"name": "s3cret"}]}"#,
        r#"{"data": [{"name": "a"}] "s3cret"}"#,
        "{\"data\": [\"s3cret",
    ] {
        let error = Catalogue::read(text.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("s3cret") && error.len() > 20, "{text}: {error}");
    }
}
