//! Each file of `tests/data/matching` runs through three engines: the reference one by one, a
//! matcher built in bulk, and one that got there by inserts and removes in shuffled order with
//! decoys. All must say what the file says.
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
    /// The event's owner where left out.
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

/// `tenantid` and `type` where the file leaves them out.
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
fn cases() {
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

    // Decoys want all that the case is about; each is gone before an event comes.
    let mut lived = Matcher::new(profile);
    let mut decoys = Vec::new();
    let mut in_life: Vec<(Slot, &str)> = Vec::new();
    for (at, (id, subscription)) in all.iter().rev().enumerate() {
        for (_, other) in all.iter().skip(at % 3) {
            decoys.push(lived.insert(other).unwrap());
        }
        in_life.push((lived.insert(subscription).unwrap(), id));
        for decoy in decoys.drain(decoys.len() / 2..) {
            assert!(lived.remove(decoy));
        }
    }
    for decoy in decoys {
        assert!(lived.remove(decoy));
    }
    assert_eq!(lived.len(), all.len(), "{name}");

    let mut scratch = Scratch::default();
    for (number, Expectation { event, everyone, hits }) in case.events.iter().enumerate() {
        let bytes = bytes(event);
        let event = profile.read_event(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let access = if everyone.unwrap_or(false) { Access::Everyone } else { Access::EventOwner };

        let wants = |(id, subscription): &(&str, Subscription)| {
            subscription.matches(&event, access).then(|| (*id).to_owned())
        };
        let reference: Vec<String> = all.iter().filter_map(wants).collect();
        assert_eq!(reference, *hits, "{name}, event {number}: the reference");

        for (engine, matcher, slots) in [("bulk", &bulk, &in_bulk), ("lived", &lived, &in_life)] {
            let found: Vec<Slot> = matcher.matches(&event, access, &mut scratch).collect();
            assert!(found.is_sorted(), "{name}, event {number}: {engine} is ascending");
            let id = |slot: &Slot| slots.iter().find(|(other, _)| other == slot).unwrap().1;
            let mut ids: Vec<&str> = found.iter().map(id).collect();
            ids.sort_unstable();
            assert_eq!(ids, *hits, "{name}, event {number}: {engine}");
        }
    }
}
