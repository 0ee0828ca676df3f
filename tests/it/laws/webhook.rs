//! Laws of webhooks.

use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::Envelope;
use hooksieve::webhook::{Checked, ListQuery, NewWebhook, Patch, Rules, Webhook, WebhookDocument};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Checks all laws of a document and of a patch of its webhook, each on a line of its own.
pub fn webhook_bytes(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (body, patch) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let read = WebhookDocument::read(body);
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        if let Err(problems) = read {
            readable(&problems);
        }
        return;
    };
    // Duplicate members are lost in a `Value`, and refused in a document.
    if let Some(webhook) = webhook(&read.expect("any JSON is a document"), Some(&body)) {
        let _ = Patch::read(patch).map(|patch| {
            let changed = webhook.patched(&patch, &Rules::default(), webhook.updated().clone());
            let _ = changed.map_err(|problems| readable(&problems));
        });
        let _ = serde_json::from_slice(patch).map(|patch: Value| patched(&webhook, &patch));
    }
}

/// Checking the filter by itself finds the same as creating the webhook.
fn checks_its_filter(webhook: &Webhook, warnings: &[Diagnostic], rules: &Rules) {
    let text = webhook.filter_text().unwrap_or_default();
    let report = rules.check_filter(text, Some(webhook.event_types()));
    assert_eq!(report.canonical, Ok(webhook.filter().to_string()));
    let shown = |warning: &Diagnostic| {
        (warning.code().to_owned(), warning.message().to_owned(), warning.span())
    };
    let of_filter = warnings.iter().filter(|warning| warning.pointer() == "/filter");
    let found: Vec<_> = report.warnings.iter().map(shown).collect();
    assert_eq!(found, of_filter.map(shown).collect::<Vec<_>>());
}

/// Creates a webhook. An error has a place; a webhook is read back.
pub fn webhook(body: &WebhookDocument, document: Option<&Value>) -> Option<Webhook> {
    let rules = Rules::default();
    let new = NewWebhook::new("w1", "u1", std::time::UNIX_EPOCH.into());
    match Webhook::create(body, &rules, new) {
        Err(problems) => {
            readable(&problems);
            problems.iter().for_each(|problem| suggests_what_is_accepted(problem, body, &rules));
            let report = rules.check(body);
            report.warnings().iter().for_each(readable_one);
            // Of duplicate members, a `Value` keeps the last, and a document is read by the first.
            let duplicate = problems.iter().any(|p| p.code() == "member-doubled");
            if let Some(document) = document.filter(|_| !duplicate) {
                problems.iter().for_each(|problem| points_into(problem, document));
                report.warnings().iter().for_each(|warning| points_into(warning, document));
            }
            None
        }
        Ok(Checked { webhook, warnings }) => {
            warnings.iter().for_each(readable_one);
            warnings.iter().for_each(|warning| suggests_what_is_accepted(warning, body, &rules));
            if let Some(document) = document {
                warnings.iter().for_each(|warning| points_into(warning, document));
            }
            reads_back(&webhook, &rules);
            checks_its_filter(&webhook, &warnings, &rules);
            super::delivery::request(&std::sync::Arc::new(webhook.clone()));
            // A valid document may have values that a response may not have, such as a time.
            let mut settable = body.clone();
            for member in ["createdAt", "updatedAt"] {
                settable.set(member, "2026-01-31T09:00:00Z");
            }
            let errors = rules.check(&settable).into_result().err();
            let server_set = ["/id", "/tenantId", "/createdByUserId", "/updatedByUserId"];
            let server_set =
                [&server_set[..], &["/secretKeyAdded", "/disabledReason", "/disabledReasonCode"]]
                    .concat();
            for problem in errors.iter().flatten() {
                assert!(
                    server_set.contains(&problem.pointer()),
                    "what is created validates: {problem:?}"
                );
            }
            Some(webhook)
        }
    }
}

/// A stored webhook is read back unchanged, and a response as the same response.
fn reads_back(webhook: &Webhook, rules: &Rules) {
    let text = serde_json::to_vec(&webhook.stored()).expect("a webhook is JSON");
    let read = Webhook::restore(&WebhookDocument::read(&text).expect("JSON"), rules);
    assert_eq!(read.as_ref(), Ok(webhook), "a stored webhook reads back as it was");
    assert_eq!(Webhook::restore_from(&text, rules), read, "its bytes read back as its document");
    let response = serde_json::to_value(webhook).expect("a webhook is JSON");
    let read = Webhook::read(&response.clone().into(), rules).expect("a response is valid").webhook;
    assert_eq!(serde_json::to_value(&read).expect("JSON"), response, "a response reads back");
    assert!(response.get("secret").is_none(), "a response holds no secret");
    assert!(!response["encryptedHeaders"].is_object(), "a response holds no encrypted value");
}

const PATHS: [&str; 9] = [
    "/name",
    "/description",
    "/url",
    "/eventTypes",
    "/headers",
    "/enabled",
    "/secret",
    "/encryptedHeaders",
    "/enableCloudEventDelivery",
];

/// A patched webhook and its errors are those of the patched document.
///
/// Returns whether the webhook was changed.
pub fn patched(webhook: &Webhook, patch: &Value) -> bool {
    let rules = Rules::default();
    let actual = webhook.patched(&patch.clone().into(), &rules, webhook.updated().clone());
    let actual = actual.map(|checked| checked.webhook);
    let expected = reference(webhook, patch, &rules);
    match (&actual, &expected) {
        (Ok(actual), Ok(expected)) => {
            assert_eq!(actual, expected, "patched is patch the document, then read");
            reads_back(actual, &rules);
        }
        (Err(problems), Err(expected)) => {
            readable(problems);
            if let Some(expected) = expected {
                assert_eq!(found(problems), *expected, "wrong as the document is wrong: {patch}");
            }
        }
        (Ok(_), Err(_)) => panic!("a change that the document refuses: {patch}"),
        (Err(problems), Ok(_)) => panic!("a refusal that the document knows not: {problems:?}"),
    }
    actual.is_ok()
}

type Places = BTreeSet<(String, &'static str)>;

fn found<'p>(problems: impl IntoIterator<Item = &'p Diagnostic>) -> Places {
    problems.into_iter().map(|problem| (problem.pointer().to_owned(), problem.code())).collect()
}

/// Applies a patch to the stored document with another implementation of RFC 6902, and checks the
/// rules that need the old value. Returns `Err(None)` if the patch itself is wrong.
fn reference(webhook: &Webhook, patch: &Value, rules: &Rules) -> Result<Webhook, Option<Places>> {
    let mut document = serde_json::to_value(webhook.stored()).expect("JSON");
    document.as_object_mut().expect("an object").remove("secretKeyAdded");
    let mut touched = BTreeSet::new();
    for operation in patch.as_array().ok_or(None)? {
        let word = |name| operation.get(name).and_then(Value::as_str).ok_or(None);
        let (op, path) = (word("op")?, word("path")?);
        let value = operation.get("value").is_some();
        let known = PATHS.contains(&path) && ["add", "remove", "replace"].contains(&op);
        if !known || op != "remove" && !value {
            return Err(None);
        }
        touched.insert(path);
    }
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).expect("a JSON Patch");
    json_patch::patch(&mut document, &patch).map_err(|_| None)?;
    let headers = document["encryptedHeaders"].clone();
    let url = document["url"].clone();
    let switched_off = document["enableCloudEventDelivery"] == json!(false);
    let read = Webhook::restore(&document.into(), rules);
    let mut problems = read.as_ref().err().map(found).unwrap_or_default();
    if headers.as_array().is_some_and(|names| !names.is_empty()) {
        problems.insert(("/encryptedHeaders".into(), "header-without-value"));
    }
    // Another URL, or an invalid one.
    let other = json!({"id": "w", "name": "n", "url": url, "eventTypes": []});
    let other = Webhook::restore(&other.into(), rules).map(|other| other.url() != webhook.url());
    if other.unwrap_or(!url.is_null())
        && !webhook.encrypted_headers().is_empty()
        && !touched.contains("/encryptedHeaders")
    {
        problems.insert(("/encryptedHeaders".into(), "headers-needed-anew"));
    }
    if webhook.envelope() == Envelope::CloudEvents && switched_off {
        problems.insert(("/enableCloudEventDelivery".into(), "cloud-events-fixed"));
    }
    match read {
        Ok(webhook) if problems.is_empty() => Ok(webhook),
        _ => Err(Some(problems)),
    }
}

/// A suggestion, pasted in place of the value, fixes all of its errors.
fn suggests_what_is_accepted(problem: &Diagnostic, body: &WebhookDocument, rules: &Rules) {
    let Some(suggestion) = problem.suggestion() else { return };
    if problem.pointer() == "/url" {
        let mut fixed = body.clone();
        fixed.set("url", suggestion);
        let report = rules.check(&fixed);
        let is_right =
            |left: &Diagnostic| left.pointer() != "/url" || left.code() == "member-doubled";
        assert!(report.errors().iter().all(is_right), "{suggestion} is accepted");
    } else if problem.code() == "event-type-unknown" {
        assert!(rules.catalogue().find(suggestion).is_some(), "{suggestion} is an event type");
    }
}

fn readable(problems: &Diagnostics) {
    assert!(problems.iter().count() > 0, "an error has a problem");
    problems.iter().for_each(readable_one);
    let body = serde_json::to_value(problems.body()).expect("JSON");
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(problems.iter().count()));
}

fn readable_one(problem: &Diagnostic) {
    for text in [problem.message(), problem.help()] {
        assert!(!text.is_empty() && text.len() < 2000, "a message has some length: {text}");
        assert!(
            !text.chars().any(hooksieve::diagnostic::is_misleading),
            "a message is readable: {text:?}"
        );
    }
}

/// The pointer leads to a value, unless the error is that it is missing.
fn points_into(problem: &Diagnostic, document: &Value) {
    if !matches!(problem.code(), "enabled-missing" | "member-missing" | "event-types-none") {
        let pointer = problem.pointer();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads into {document}");
    }
}

/// Pages forward and back while webhooks are created and deleted. Three bytes are a step: two to
/// create or delete a webhook, one to go on.
pub fn paging(limit: usize, sort: &str, bytes: &[u8]) -> usize {
    let query = format!("limit={limit}&sort={sort}");
    let rules = Rules::default();
    let webhook = |name: u8, at: u8| {
        let document = json!({
            "id": format!("w{name}-{at}"), "name": format!("n{}", name % 5),
            "url": format!("https://h{}.example.com/", at % 3), "eventTypes": [],
            "createdAt": format!("2026-01-01T00:00:0{}Z", at % 4),
            "updatedAt": format!("2026-01-01T00:00:0{}Z", name % 3),
        });
        Webhook::read(&document.into(), &rules).expect("valid").webhook
    };
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    let mut all: Vec<Webhook> = first.chunks_exact(2).map(|b| webhook(b[0], b[1])).collect();
    all.sort_by(|a, b| a.id().cmp(b.id()));
    all.dedup_by(|a, b| a.id() == b.id());
    let mut steps = rest.chunks_exact(3);
    let mut there_all_the_time: BTreeSet<String> =
        all.iter().map(|webhook| webhook.id().to_string()).collect();
    let mut change = |all: &mut Vec<Webhook>| {
        let Some([what, name, at]) = steps.next() else { return };
        if what % 2 == 0 {
            let new = webhook(*name, *at);
            if all.iter().all(|webhook| webhook.id() != new.id()) {
                all.insert(usize::from(*what) % (all.len() + 1), new);
            }
        } else if !all.is_empty() {
            let gone = all.remove(usize::from(*name) % all.len());
            there_all_the_time.remove(gone.id().as_str());
        }
    };
    let mut seen = Vec::new();
    let mut link = Some(format!("?{query}"));
    let mut last = None;
    let mut last_page = Vec::new();
    while let Some(query) = link {
        let list = ListQuery::read(query.trim_start_matches('?')).expect("a link is a query");
        let page = list.apply(&all);
        assert!(page.items().len() <= limit, "a page has its limit");
        last_page = page.items().iter().map(|webhook| webhook.id().to_string()).collect();
        seen.extend(last_page.iter().cloned());
        (link, last) = (page.next(""), page.prev(""));
        change(&mut all);
    }
    let mut back = Vec::new();
    let mut backward = last;
    while let Some(query) = backward {
        let list = ListQuery::read(query.trim_start_matches('?')).expect("a link is a query");
        let page = list.apply(&all);
        assert!(page.items().len() <= limit, "a page has its limit");
        back.extend(page.items().iter().rev().map(|webhook| webhook.id().to_string()));
        backward = page.prev("");
        change(&mut all);
    }
    let unique: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(unique.len(), seen.len(), "each webhook is shown once: {seen:?}");
    assert!(there_all_the_time.is_subset(&unique), "none is skipped: {seen:?}");
    let unique_back: BTreeSet<_> = back.iter().cloned().collect();
    assert_eq!(unique_back.len(), back.len(), "nor on the way back: {back:?}");
    let both: BTreeSet<_> = unique_back.iter().chain(&last_page).cloned().collect();
    assert!(there_all_the_time.is_subset(&both), "nor skipped on the way back: {back:?}");
    seen.len()
}
