//! Warnings: what is valid and probably unintended in filters and webhooks.
use hooksieve::diagnostic::Diagnostic;
use hooksieve::filter::Profile;
use hooksieve::webhook::{Catalogue, Checked, Edit, NewWebhook, Rules, Webhook, WebhookDocument};
use serde_json::{Value, json};
use std::time::UNIX_EPOCH;

/// Returns a webhook document with these members besides the required ones.
fn document(members: &Value) -> WebhookDocument {
    let mut document = json!({
        "name": "n", "url": "https://hooks.example.com/", "enabled": true,
        "eventTypes": ["com.qlik.v1.app.created"],
    });
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
    }
    document.into()
}

fn create(members: &Value) -> Checked {
    let new = NewWebhook::new("w1", "u1", UNIX_EPOCH.into());
    Webhook::create(&document(members), &Rules::default(), new).unwrap()
}

fn found(warnings: &[Diagnostic]) -> Vec<(&str, &str)> {
    warnings.iter().map(|warning| (warning.pointer(), warning.code())).collect()
}

#[test]
fn warns_of_values_that_look_like_something_else() {
    for (filter, code, at) in [
        (r#"spaceId eq """#, "value-empty", r#""""#),
        (r#"id eq "a" and spaceId ne """#, "value-empty", r#""""#),
        (r#"id eq "*""#, "value-wildcard", r#""*""#),
        (r#"id eq "Sales*""#, "value-wildcard", r#""Sales*""#),
        (r#"id eq "a*b""#, "value-wildcard", r#""a*b""#),
        (r#"id eq "%Sales""#, "value-wildcard", r#""%Sales""#),
        (r#"id eq "a" and spaceId ne "Sales%""#, "value-wildcard", r#""Sales%""#),
        (r#"id eq " a1""#, "value-outer-blank", r#"" a1""#),
        (r#"id eq "a1\n""#, "value-outer-blank", r#""a1\n""#),
        (r#"id eq "a1\u00a0""#, "value-outer-blank", r#""a1\u00a0""#),
        ("id eq \"a\u{200b}b\"", "value-invisible-character", "\"a\u{200b}b\""),
        ("id eq \"a1\u{200b}\"", "value-invisible-character", "\"a1\u{200b}\""),
        ("id eq \"\u{202e}a1\"", "value-invisible-character", "\"\u{202e}a1\""),
        ("id ne \"a\u{a0}b\"", "value-invisible-character", "\"a\u{a0}b\""),
        ("id eq \"a\u{ad}b\"", "value-invisible-character", "\"a\u{ad}b\""),
        ("id eq \"a\u{200d}b\"", "value-invisible-character", "\"a\u{200d}b\""),
        (r#"id eq "a\u200eb""#, "value-invisible-character", r#""a\u200eb""#),
        (r#"id eq "{{ID}}""#, "value-placeholder", r#""{{ID}}""#),
        (r#"id eq "${ID}""#, "value-placeholder", r#""${ID}""#),
        (r#"id eq "<app id>""#, "value-placeholder", r#""<app id>""#),
        (r#"id eq "%APP_ID%""#, "value-placeholder", r#""%APP_ID%""#),
        (r#"id eq "YOUR_APP_ID""#, "value-placeholder", r#""YOUR_APP_ID""#),
    ] {
        let checked = Profile::webhook().filter(filter).unwrap();
        let warnings = checked.warnings(filter, |_| false);
        let [warning] = &warnings[..] else { panic!("{filter}: {warnings:?}") };
        assert_eq!(
            (warning.code(), &filter[warning.span().unwrap().range()]),
            (code, at),
            "{filter}"
        );
        assert!(!warning.help().is_empty() && !warning.to_string().is_empty());
        let webhook = create(&json!({"filter": filter}));
        assert_eq!(found(&webhook.warnings), [("/filter", code)], "{filter}");
        assert!(webhook.warnings[0].span().is_some());
    }
    for filter in [
        r#"id eq "a1""#,
        r#"id eq "a b""#,
        r#"id eq "5% of all""#,
        r#"id eq "{3f2504e0-4f89-11d3-9a0c-0305e82c3301}""#,
        r#"id ne "a?""#,
        // These characters join the ones around them.
        "id eq \"👨\u{200d}👩\"",
        "id eq \"می\u{200c}خواهم\"",
        "id eq \"東京\u{3000}支店\"",
    ] {
        assert_eq!(found(&create(&json!({"filter": filter})).warnings), [], "{filter}");
    }
}

#[test]
fn names_the_invisible_character() {
    let filter = "id eq \"a\u{202e}b\"";
    let warnings = Profile::webhook().filter(filter).unwrap().warnings(filter, |_| false);
    assert_eq!(warnings[0].to_string(), "value of `id` has the invisible character U+202E");
}

#[test]
fn warns_of_urls_that_end_like_a_sentence() {
    const URL: &str = "https://hooks.example.com/x";
    for sign in [".", ",", ";", "!", ":", ")", "]", "'", ".,", "')"] {
        let url = format!("{URL}{sign}");
        let Checked { webhook, warnings } = create(&json!({"url": url}));
        assert_eq!(webhook.url(), url, "the URL is kept as it is");
        assert_eq!(found(&warnings), [("/url", "url-trailing-punctuation")], "{url}");
        assert_eq!(warnings[0].suggestion(), Some(URL), "{url}");
        assert_eq!(warnings[0].message(), format!("`url` ends with `{sign}`"));
    }
    for url in [
        "https://hooks.example.com.",
        "https://hooks.example.com/a(b)",
        "https://hooks.example.com/?a[]",
        "https://hooks.example.com/'a'",
        "https://hooks.example.com/a?",
    ] {
        assert_eq!(found(&create(&json!({"url": url})).warnings), [], "{url}");
    }
}

/// Placeholders are found in every value that is sent, and those in secret values are not quoted.
#[test]
fn warns_of_placeholders() {
    for placeholder in ["{{TOKEN}}", "${TOKEN}", "<token>", "%TOKEN%", "YOUR_TOKEN", "$TOKEN"] {
        let value = format!("Bearer {placeholder}");
        let secret = format!("{:x<40}", format!("{placeholder} "));
        for (members, pointer, is_shown) in [
            (json!({"headers": {"X-Key": value}}), "/headers/X-Key", true),
            (json!({"encryptedHeaders": {"X-Key": value}}), "/encryptedHeaders/X-Key", false),
            (json!({"secret": secret}), "/secret", false),
        ] {
            let Checked { webhook, warnings } = create(&members);
            assert_eq!(found(&warnings), [(pointer, "placeholder")], "{members}");
            let written = serde_json::to_string(&warnings).unwrap();
            assert_eq!(written.contains(placeholder), is_shown, "{written}");
            assert_eq!(webhook.warnings(&Rules::default()), warnings);
        }
    }
    for url in [
        "https://hooks.example.com/YOUR_TENANT/x",
        "https://hooks.example.com/?key=%TOKEN%",
        "https://hooks.example.com/?key=${TOKEN}",
        "https://hooks.example.com/x/$TOKEN",
        "https://your-tenant.example.com/",
    ] {
        assert_eq!(
            found(&create(&json!({"url": url})).warnings),
            [("/url", "placeholder")],
            "{url}"
        );
    }
    for members in [
        json!({"url": "https://hooks.example.com/?q=%C3%A9t%C3%A9"}),
        json!({"headers": {"X-Key": "100% of {\"a\":1}"}}),
        json!({"secret": "s3cr3t-0123456789-abcdefghijklmnop"}),
    ] {
        assert_eq!(found(&create(&members).warnings), [], "{members}");
    }
}

#[test]
fn warns_of_secrets_with_outer_white_space_without_quoting_them() {
    let key = "0123456789abcdef0123456789abcdef";
    for secret in
        [format!("{key}\n"), format!(" {key}"), format!("{key}\u{a0}"), format!("\t{key} ")]
    {
        let Checked { webhook, warnings } = create(&json!({"secret": secret}));
        assert_eq!(found(&warnings), [("/secret", "secret-outer-blank")], "{secret:?}");
        assert_eq!(
            webhook.secret().unwrap().expose(),
            Some(&*secret),
            "the secret is kept as it is"
        );
        assert!(!serde_json::to_string(&warnings).unwrap().contains(key));
    }
    let inner = format!("{key} {}", &key[..8]);
    assert_eq!(found(&create(&json!({"secret": inner})).warnings), []);
}

#[test]
fn warns_of_a_document_without_enabled() {
    let Checked { webhook, warnings } = create(&json!({"enabled": null}));
    assert_eq!(found(&warnings), [("/enabled", "enabled-missing")]);
    assert!(!webhook.is_enabled());
    for enabled in [true, false] {
        let Checked { webhook, warnings } = create(&json!({"enabled": enabled}));
        assert_eq!((found(&warnings), webhook.is_enabled()), (vec![], enabled));
    }
    // A replacement clears what it omits.
    let on = create(&json!({})).webhook;
    let replaced =
        on.replaced(&document(&json!({"enabled": null})), &Rules::default(), Edit::default());
    assert_eq!(found(&replaced.unwrap().warnings), [("/enabled", "enabled-missing")]);
}

#[test]
fn names_a_member_only_if_another_is_a_misspelling_of_it() {
    for (member, detail) in [
        ("enabeld", "did you mean `enabled`?"),
        ("fliter", "did you mean `filter`?"),
        ("event_types", "did you mean `eventTypes`?"),
        ("eventType", "did you mean `eventTypes`?"),
        ("Secret", "did you mean `secret`?"),
        ("header", "did you mean `headers`?"),
        ("discription", "did you mean `description`?"),
        ("disabled", "remove it"),
        ("owner", "remove it"),
        ("uri", "remove it"),
        ("kind", "remove it"),
        ("createAt", "remove it"),
    ] {
        let Checked { warnings, .. } = create(&json!({member: "x"}));
        assert_eq!(found(&warnings), [(&*format!("/{member}"), "member-unknown")]);
        assert_eq!(warnings[0].message(), format!("unknown member `{member}` is ignored"));
        assert_eq!(warnings[0].help(), detail, "{member}");
    }
}

/// A request has one warning for all members that the server sets; a stored webhook has none.
#[test]
fn warns_of_all_read_only_members_at_once() {
    let one = create(&json!({"createdAt": "2026-01-31T09:00:00Z"})).warnings;
    assert_eq!(found(&one), [("/createdAt", "member-read-only")]);
    let old = create(&json!({})).webhook;
    let mut response = serde_json::to_value(&old).unwrap();
    let put_back = WebhookDocument::from(response.clone());
    let put_back = old.replaced(&put_back, &Rules::default(), Edit::default()).unwrap();
    assert_eq!(found(&put_back.warnings), [("", "member-read-only")]);
    let title = put_back.warnings[0].message();
    for member in ["`id`", "`createdAt`", "`updatedAt`", "`createdByUserId`", "`secretKeyAdded`"] {
        assert!(title.contains(member), "{title}");
    }
    response["enabeld"] = true.into();
    let read = Webhook::read(&WebhookDocument::from(response.clone()), &Rules::default()).unwrap();
    assert_eq!(found(&read.warnings), [("/enabeld", "member-unknown")]);
    let report = Rules::default().check(&WebhookDocument::from(response.clone()));
    assert_eq!(found(report.warnings()), [("/enabeld", "member-unknown")]);
    assert_eq!(report.server_members().len(), 6);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["valid"], &json["errors"]), (&json!(true), &json!([])));
    assert_eq!(json["warnings"][0]["code"], "member-unknown");
    assert_eq!(json["serverMembers"], json!(report.server_members()));
    // A stored webhook is read as it is.
    let restored = Webhook::restore(&WebhookDocument::from(response), &Rules::default()).unwrap();
    assert_eq!(restored, read.webhook);
}

/// Creating, replacing, patching and reading a webhook all return its warnings.
#[test]
fn returns_warnings_with_every_change() {
    let rules = Rules::default();
    let on = create(&json!({})).webhook;
    let never = json!({"filter": r#"id eq "a" and id eq "b""#});
    assert_eq!(found(&create(&never).warnings), [("/filter", "never-matches")]);
    let replaced = on.replaced(&document(&never), &rules, Edit::default()).unwrap();
    assert_eq!(found(&replaced.warnings), [("/filter", "never-matches")]);
    let patch = json!([
        {"op": "replace", "path": "/eventTypes", "value": []},
        {"op": "replace", "path": "/url", "value": "https://hooks.example.com/#x"},
    ]);
    let patched = on.patched(&patch.into(), &rules, Edit::default()).unwrap();
    assert_eq!(
        found(&patched.warnings),
        [("/url", "url-fragment"), ("/eventTypes", "event-types-none")]
    );
    assert_eq!(on.patched(&json!([]).into(), &rules, Edit::default()).unwrap().warnings, []);
    let read =
        Webhook::read(&serde_json::to_value(&patched.webhook).unwrap().into(), &rules).unwrap();
    assert_eq!(read, patched);
}

/// Rules are values: with another catalogue, a webhook has the warnings of that catalogue.
#[test]
fn replaces_the_catalogue_of_rules() {
    let rules = Rules::default();
    let catalogue = br#"{"data": [
        {"name": "com.qlik.v1.app.created", "carries": {"spaceId": false}}, {"name": "new"}
    ]}"#;
    let other = rules.clone().with_catalogue(Catalogue::read(catalogue).unwrap());
    assert_eq!((other.profile(), rules.catalogue()), (rules.profile(), &Catalogue::builtin()));
    assert_ne!(other, rules);
    assert_eq!(other.clone().with_catalogue(Catalogue::builtin()), rules);
    assert_eq!(rules.clone().with_profile(Profile::webhook()), rules);
    let webhook = create(&json!({"filter": r#"spaceId eq "s""#})).webhook;
    assert_eq!(found(&webhook.warnings(&rules)), []);
    assert_eq!(found(&webhook.warnings(&other)), [("/filter", "attribute-never-present")]);
    assert_eq!(rules.check(&document(&json!({"eventTypes": ["new"]}))).error_count(), 1);
    assert_eq!(other.check(&document(&json!({"eventTypes": ["new"]}))).error_count(), 0);
}
