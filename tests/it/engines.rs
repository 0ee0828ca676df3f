//! Runs the cases of `tests/data/matching` through three engines.
//!
//! They are the specification (each subscription's own `matches`), a matcher built by inserts only,
//! and a matcher built by inserts and removes in another order, with decoys. All must give the
//! expected hits.
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Audience, Matcher, Scratch, Slot, Subscription};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    webhooks: BTreeMap<String, Webhook>,
    events: Vec<Expectation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Webhook {
    tenant: Option<String>,
    types: Option<Vec<String>>,
    filter: Option<String>,
    owner: Option<String>,
    disabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    event: serde_json::Value,
    /// Whether every user has access; without it, only the event's owner.
    everyone: Option<bool>,
    hits: Vec<String>,
}

fn subscription(profile: &Profile, name: &str, webhook: &Webhook) -> Subscription {
    let types = webhook.types.clone().unwrap_or_else(|| vec!["x".into()]);
    let text = webhook.filter.as_deref().unwrap_or_default();
    let filter = profile.filter(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let tenant = webhook.tenant.as_deref().unwrap_or("t");
    let subscription = Subscription::new(tenant, types, filter);
    let subscription = match &webhook.owner {
        Some(owner) => subscription.with_audience(Audience::Owner(owner.as_str().into())),
        None => subscription,
    };
    subscription.with_enabled(!webhook.disabled.unwrap_or(false))
}

/// Serializes an event, and adds `tenantid` and `type` if it has none.
fn bytes(event: &serde_json::Value) -> Vec<u8> {
    let mut event = event.clone();
    let object = event.as_object_mut().unwrap();
    if !object.contains_key("extensions") && !object.contains_key("tenantid") {
        object.insert("tenantid".into(), "t".into());
    }
    if !object.contains_key("eventType") && !object.contains_key("type") {
        object.insert("type".into(), "x".into());
    }
    serde_json::to_vec(&event).unwrap()
}

#[test]
fn agrees_with_every_matching_case() {
    let profile = Profile::webhook();
    let mut files = 0;
    for entry in std::fs::read_dir("tests/data/matching").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case: Case = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        run(&profile, &name, &case);
        files += 1;
    }
    assert!(files >= 25, "{files}");
}

fn run(profile: &Profile, name: &str, case: &Case) {
    let all: Vec<(&str, Subscription)> = case
        .webhooks
        .iter()
        .map(|(id, webhook)| (id.as_str(), subscription(profile, name, webhook)))
        .collect();

    let mut bulk = Matcher::new(profile);
    let in_bulk: Vec<(Slot, &str)> =
        all.iter().map(|(id, subscription)| (bulk.insert(subscription).unwrap(), *id)).collect();

    // Decoys are copies of the case's subscriptions. All are removed before the first event.
    let mut changed = Matcher::new(profile);
    let mut decoys = Vec::new();
    let mut in_changed: Vec<(Slot, &str)> = Vec::new();
    for (at, (id, subscription)) in all.iter().rev().enumerate() {
        for (_, other) in all.iter().skip(at % 3) {
            decoys.push(changed.insert(other).unwrap());
        }
        in_changed.push((changed.insert(subscription).unwrap(), id));
        for decoy in decoys.drain(decoys.len() / 2..) {
            assert!(changed.remove(decoy));
        }
    }
    for decoy in decoys {
        assert!(changed.remove(decoy));
    }
    assert_eq!(changed.len(), all.len(), "{name}");

    let mut scratch = Scratch::default();
    for (number, Expectation { event, everyone, hits }) in case.events.iter().enumerate() {
        let bytes = bytes(event);
        let event = profile.read_event(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let access = if everyone.unwrap_or(false) { Access::Everyone } else { Access::EventOwner };

        let hit = |(id, subscription): &(&str, Subscription)| {
            subscription.matches(&event, access).then(|| (*id).to_owned())
        };
        let expected: Vec<String> = all.iter().filter_map(hit).collect();
        assert_eq!(expected, *hits, "{name}, event {number}: the specification");

        let engines = [("bulk", &bulk, &in_bulk), ("changed", &changed, &in_changed)];
        for (engine, matcher, slots) in engines {
            let found: Vec<Slot> = matcher.matches(&event, access, &mut scratch).collect();
            assert!(found.is_sorted(), "{name}, event {number}: {engine} is sorted");
            let id = |slot: &Slot| slots.iter().find(|(other, _)| other == slot).unwrap().1;
            let mut ids: Vec<&str> = found.iter().map(id).collect();
            ids.sort_unstable();
            assert_eq!(ids, *hits, "{name}, event {number}: {engine}");
        }
    }
}
