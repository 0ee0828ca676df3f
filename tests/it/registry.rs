//! The registry compared with a simple reference, under several threads, and through snapshots.

use crate::laws;

use hooksieve::delivery::RequestBuilder;
use hooksieve::event::{Event, EventType, TenantId};
use hooksieve::matcher::{Access, Subscription, Verdict};
use hooksieve::registry::{
    ChangeErrorKind, Comparison, DryRun, Effect, Limits, NotLoaded, Registry, Session,
    SnapshotErrorKind, UpdateError, subscription,
};
use hooksieve::webhook::{Catalogue, NewWebhook, Rules, Webhook, WebhookDocument};
use laws::history::{self, Choices};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const TYPE: &str = "com.qlik.v1.app.created";

fn webhook(rules: &Rules, id: &str, filter: &str) -> Webhook {
    created_by(rules, id, filter, "u1")
}

fn created_by(rules: &Rules, id: &str, filter: &str, user: &str) -> Webhook {
    let document = json!({
        "name": id, "url": "https://hooks.example.com/", "enabled": true,
        "eventTypes": [TYPE], "filter": filter,
    });
    let new = NewWebhook::new(id, user, std::time::UNIX_EPOCH.into());
    Webhook::create(&document.into(), rules, new).unwrap().webhook
}

fn event<'p>(rules: &'p Rules, tenant: &'p str, id: &'p str) -> Event<'p> {
    Event::new(rules.profile().attribute_paths(), TenantId::from(tenant), EventType::from(TYPE))
        .with_attribute("id", id)
        .unwrap()
}

fn hits(session: &mut Session, event: &Event<'_>) -> Result<Vec<String>, NotLoaded> {
    let recipients = session.matches(event, Access::EventOwner)?;
    let ids: Vec<String> = recipients.webhooks().map(|webhook| webhook.id().to_string()).collect();
    assert_eq!((recipients.len(), recipients.is_empty()), (ids.len(), ids.is_empty()));
    Ok(ids)
}

#[test]
fn shows_every_change_to_the_next_match() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let mut session = registry.session();
    let a = event(&rules, "t1", "a");
    assert_eq!(hits(&mut session, &a), Err(NotLoaded));
    assert_eq!(registry.put(&"t1".into(), webhook(&rules, "w", "")).unwrap_err(), NotLoaded.into());
    assert_eq!(registry.remove(&"t1".into(), &"w".into()), Err(NotLoaded.into()));

    let all = [webhook(&rules, "w1", r#"id eq "a""#), webhook(&rules, "w2", r#"id ne "a""#)];
    assert_eq!(registry.load("t1", all).unwrap().revision, 0);
    assert_eq!(hits(&mut session, &a).unwrap(), ["w1"]);
    let change = registry.put(&"t1".into(), webhook(&rules, "w2", "")).unwrap();
    assert_eq!((change.revision, change.applied), (1, true));
    assert_eq!(change.before.unwrap().filter_text(), Some(r#"id ne "a""#));
    let mut ids = hits(&mut session, &a).unwrap();
    ids.sort_unstable();
    assert_eq!(ids, ["w1", "w2"]);
    assert_eq!(registry.get(&"t1".into(), &"w1".into()).unwrap().name(), "w1");
    let change = registry.remove(&"t1".into(), &"w1".into()).unwrap();
    assert_eq!(change.before.unwrap().id().as_str(), "w1");
    assert_eq!(registry.get(&"t1".into(), &"w1".into()), None);
    assert_eq!(hits(&mut session, &a).unwrap(), ["w2"]);
    let change = registry.remove(&"t1".into(), &"w1".into()).unwrap();
    assert_eq!((change.revision, change.applied, change.before), (3, true, None));

    let _ = registry.load("t2", [webhook(&rules, "other", "")]).unwrap();
    assert_eq!(hits(&mut session, &a).unwrap(), ["w2"], "a match reads only its tenant");
    let mut tenants = registry.tenants();
    tenants.sort_unstable();
    assert_eq!(tenants, ["t1".into(), "t2".into()]);
    assert!(registry.evict(&"t1".into()));
    assert!(!registry.evict(&"t1".into()));
    assert_eq!(hits(&mut session, &a), Err(NotLoaded));
    assert_eq!(registry.stats(&"t1".into()), None);
    assert_eq!(registry.webhooks(&"t2".into()).unwrap().len(), 1);
    assert_eq!(format!("{registry:?}"), "Registry { tenants: 1, webhooks: 1 }");
    assert_eq!(
        format!("{session:#?}"),
        "Session { registry: Registry { tenants: 1, webhooks: 1 } }"
    );
}

#[test]
fn ignores_changes_of_a_replayed_log() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load_at("t", [], 10).unwrap();
    let put =
        |id, revision| registry.put_at(&"t".into(), webhook(&rules, id, ""), revision).unwrap();
    let ids = || {
        let mut ids: Vec<_> =
            registry.webhooks(&"t".into()).unwrap().iter().map(|w| w.id().to_string()).collect();
        ids.sort_unstable();
        ids
    };
    let old = put("old", 10);
    assert_eq!((old.applied, old.revision), (false, 10));
    assert!(put("w1", 12).applied && put("w2", 13).applied);
    assert!(registry.remove_at(&"t".into(), &"w1".into(), 20).unwrap().applied);
    // Replayed from the beginning, the log does not bring back what it removed.
    assert!(!put("w1", 12).applied && !put("w2", 13).applied);
    assert!(!registry.remove_at(&"t".into(), &"w2".into(), 20).unwrap().applied);
    assert_eq!(ids(), ["w2"]);
    let untouched = std::iter::from_fn(|| panic!("the webhooks are not iterated"));
    let stale = registry.load_at("t", untouched, 20).unwrap();
    assert_eq!((stale.applied, stale.revision), (false, 20));
    assert!(registry.load_at("t", [webhook(&rules, "w3", "")], 21).unwrap().applied);
    assert_eq!(ids(), ["w3"]);
    assert_eq!(registry.load("t", []).unwrap().revision, 22);
}

#[test]
fn changes_nothing_when_it_refuses_a_webhook() {
    let rules = Rules::default();
    let registry = Registry::with_limits(&rules, Limits::default().per_user(2));
    let _ = registry.load("t", []).unwrap();
    let put =
        |id, user| registry.put(&"t".into(), created_by(&rules, id, "", user)).map(|c| c.revision);
    assert_eq!((put("a", "u1"), put("b", "u1"), put("c", "u2")), (Ok(1), Ok(2), Ok(3)));
    let error = put("d", "u1").unwrap_err();
    assert_eq!(error.to_string(), "user `u1` has reached the limit of webhooks per user, 2");
    assert_eq!(put("b", "u1"), Ok(4), "a replacement adds no webhook");
    let _ = registry.remove(&"t".into(), &"a".into()).unwrap();
    assert_eq!(put("d", "u1"), Ok(6));

    let document =
        json!({"id": "x", "tenantId": "other", "name": "n", "url": "https://a.example/"});
    let foreign = Webhook::read(&WebhookDocument::from(document), &rules).unwrap().webhook;
    let refused = registry.put(&"t".into(), foreign.clone()).unwrap_err();
    assert_eq!(refused.kind(), ChangeErrorKind::OtherTenant);
    let error = registry.load("t", [foreign.clone()]).unwrap_err();
    assert_eq!(error.to_string(), "webhook `x`: the webhook belongs to tenant `other`");
    assert_eq!(error.kind(), refused.kind());
    assert!(std::error::Error::source(&error).is_none(), "the message has it already");
    assert_eq!(registry.stats(&"t".into()).unwrap().revision, 6);
    let _ = registry.load("other", [foreign.clone()]).unwrap();
    assert!(registry.put(&"other".into(), foreign).unwrap().applied, "its own tenant accepts it");
    let profile = rules.profile().with_operators([hooksieve::filter::Operator::Eq]);
    let strange = Registry::new(&Rules::new(profile, rules.catalogue().clone()));
    let _ = strange.load("t", []).unwrap();
    let error = strange.put(&"t".into(), webhook(&rules, "w", r#"id eq "a""#)).unwrap_err();
    assert_eq!(error.kind(), ChangeErrorKind::OtherProfile);
    assert_eq!(strange.stats(&"t".into()).unwrap().webhooks, 0);
    // Both copies are still equal.
    for _ in 0..4 {
        assert!(strange.remove(&"t".into(), &"w".into()).unwrap().applied);
    }
}

/// A limit never refuses a change that does not increase the amount.
#[test]
fn allows_no_webhook_per_user_if_the_limit_is_zero() {
    let rules = Rules::default();
    let registry = Registry::with_limits(&rules, Limits::default().per_user(0));
    let _ = registry.load("t", [webhook(&rules, "w1", "")]).unwrap();
    let put = |id, user| registry.put(&"t".into(), created_by(&rules, id, "", user));
    for user in ["u1", "u2"] {
        let error = put("w2", user).unwrap_err();
        let message = format!("user `{user}` has reached the limit of webhooks per user, 0");
        assert_eq!((error.kind(), error.to_string()), (ChangeErrorKind::UserLimit, message));
    }
    assert!(put("w1", "u1").unwrap().applied, "a replacement adds no webhook");
}

#[test]
fn refuses_what_exceeds_a_limit_of_the_tenant() {
    let rules = Rules::default();
    let long = r#"id eq "a" or id eq "b""#;
    let all = || [webhook(&rules, "w1", long), webhook(&rules, "w2", r#"id eq "a""#)];
    for (limits, kind, message) in [
        (
            Limits::default().webhooks(2),
            ChangeErrorKind::TenantLimit,
            "the tenant would have 3 webhooks, more than the 2 allowed",
        ),
        (
            Limits::default().filter_bytes(31),
            ChangeErrorKind::FiltersTooLong,
            "the tenant's filters would have 32 bytes, more than the 31 allowed",
        ),
        (
            Limits::default().terms(3),
            ChangeErrorKind::TooManyTerms,
            "the tenant's filters would have 4 terms, more than the 3 allowed",
        ),
    ] {
        let registry = Registry::with_limits(&rules, limits.clone());
        let _ = registry.load("t", all()).unwrap();
        let third = if kind == ChangeErrorKind::FiltersTooLong { "" } else { r#"id eq "c""# };
        let extra = match kind {
            ChangeErrorKind::FiltersTooLong => webhook(&rules, "w2", r#"id eq "aa""#),
            _ => webhook(&rules, "w3", third),
        };
        let error = registry.put(&"t".into(), extra).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
        assert!(registry.put(&"t".into(), webhook(&rules, "w1", long)).unwrap().applied);
        let _ = registry.remove(&"t".into(), &"w2".into()).unwrap();
        assert!(registry.put(&"t".into(), webhook(&rules, "w3", r#"id eq "a""#)).unwrap().applied);

        // A tenant that was loaded with more can still be changed, but cannot grow.
        let small = Registry::with_limits(&rules, Limits::default().webhooks(1).terms(1));
        let _ = small.load("t", all()).unwrap();
        assert!(small.put(&"t".into(), webhook(&rules, "w1", long)).unwrap().applied);
        assert!(small.put(&"t".into(), webhook(&rules, "w1", "")).unwrap().applied);
        assert!(small.put(&"t".into(), webhook(&rules, "w1", long)).is_err());
    }
}

/// The reported bytes are at least those of the entries, and not many times as much.
/// The recipients of an event are in the order of their slots.
#[test]
fn keeps_the_slot_of_a_webhook_whose_subscription_is_the_same() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let all = ["w1", "w2", "w3"].map(|id| webhook(&rules, id, r#"id eq "a""#));
    let _ = registry.load("t", all.clone()).unwrap();
    let mut session = registry.session();
    let event = event(&rules, "t", "a");
    let with = |(member, value): (&str, serde_json::Value)| {
        let mut document = json!({
            "name": "w1", "url": "https://hooks.example.com/", "enabled": true,
            "eventTypes": [TYPE], "filter": r#"id eq "a""#,
        });
        document[member] = value;
        let new = NewWebhook::new("w1", "u1", std::time::UNIX_EPOCH.into());
        Webhook::create(&document.into(), &rules, new).unwrap().webhook
    };
    let bytes = || registry.stats(&"t".into()).unwrap().index_bytes;
    // The copies that changes make current in turn differ in what they have to spare.
    let copies = [(); 2].map(|()| {
        let _ = registry.remove(&"t".into(), &"unknown".into()).unwrap();
        bytes()
    });
    for change in [
        ("name", json!("other")),
        ("url", json!("https://other.example.com/")),
        ("secret", json!("0123456789abcdef0123456789abcdef")),
        ("headers", json!({"X-A": "v"})),
        ("filter", json!("  id  EQ  \"a\"")),
    ] {
        let (name, webhook) = (change.0, with(change));
        let change = registry.put(&"t".into(), webhook.clone()).unwrap();
        assert_eq!(change.after.as_deref(), Some(&webhook));
        assert_eq!(hits(&mut session, &event).unwrap(), ["w1", "w2", "w3"], "{name}");
        assert_eq!(registry.get(&"t".into(), &"w1".into()).as_deref(), Some(&webhook));
        assert!(copies.contains(&bytes()), "the index is unchanged");
    }
    for change in [
        ("eventTypes", json!([])),
        ("enabled", json!(false)),
        ("level", json!("user")),
        ("filter", json!(r#"id eq "b""#)),
    ] {
        let (name, webhook) = (change.0, with(change));
        let _ = registry.put(&"t".into(), webhook).unwrap();
        assert_eq!(hits(&mut session, &event).unwrap(), ["w2", "w3"], "{name}");
    }
}

#[test]
fn reports_the_memory_of_a_tenant() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let count = 1_000;
    let webhooks = (0..count).map(|n| webhook(&rules, &format!("w{n}"), r#"id eq "a""#));
    let _ = registry.load("t", webhooks).unwrap();
    let loaded = registry.stats(&"t".into()).unwrap();
    assert_eq!(
        (loaded.webhooks, loaded.spare_bytes),
        (count, 0),
        "no second copy before the first change"
    );
    // For each webhook a pointer and a slot, and a hash with a slot index in a table with free
    // room.
    assert!((count * 40..count * 120).contains(&loaded.places_bytes), "{loaded:?}");
    let _ = registry.put(&"t".into(), webhook(&rules, "w0", "")).unwrap();
    let changed = registry.stats(&"t".into()).unwrap();
    let both = changed.index_bytes + changed.places_bytes;
    assert!((both / 2..both * 2).contains(&changed.spare_bytes), "{changed:?}");
}

#[test]
fn counts_the_verdicts_of_a_dry_run() {
    let rules = Rules::default();
    let document = json!({
        "name": "n", "url": "https://hooks.example.com/", "enabled": false, "level": "user",
        "eventTypes": [TYPE], "filter": r#"id ne "a""#,
    });
    let new = NewWebhook::new("w", "u1", std::time::UNIX_EPOCH.into());
    let webhook = Webhook::create(&document.into(), &rules, new).unwrap().webhook;
    let mut dry_run = DryRun::new(&webhook, "t", &rules);
    let other = Event::new(
        rules.profile().attribute_paths(),
        TenantId::from("t"),
        EventType::from("com.qlik.v1.app.deleted"),
    );
    let events = [
        (event(&rules, "t", "a"), Access::Everyone, Verdict::FilterFalse),
        (event(&rules, "t", "b"), Access::Everyone, Verdict::Matched),
        (event(&rules, "t", "c"), Access::Everyone, Verdict::Matched),
        (event(&rules, "t2", "a"), Access::Everyone, Verdict::OtherTenant),
        (other, Access::Everyone, Verdict::OtherEventType),
        (event(&rules, "t", "b"), Access::Users(&[]), Verdict::NoAccess),
    ];
    assert_eq!(dry_run.events(), 0);
    for (event, access, verdict) in &events {
        assert_eq!(dry_run.event(event, *access), *verdict);
    }
    assert_eq!(dry_run.events(), 6);
    let counted = json!({
        "events": 6, "matched": 2, "otherTenant": 1, "eventType": 1, "access": 1, "filter": 1,
    });
    assert_eq!(serde_json::to_value(&dry_run).unwrap(), counted);
    let counts = events.each_ref().map(|(_, _, verdict)| dry_run.count(*verdict));
    assert_eq!((counts, dry_run.count(Verdict::Disabled)), ([1, 2, 2, 1, 1, 1], 0));
}

#[test]
fn counts_the_effects_of_a_changed_filter() {
    let rules = Rules::default();
    let [old, new] = [r#"id eq "a" or id eq "b""#, r#"id eq "b" or id eq "c""#]
        .map(|text| rules.profile().filter(text).unwrap());
    let mut comparison = Comparison::new(old, new).with_event_types([TYPE]);
    for (times, id, effect) in [
        (1, "a", Effect::Lost),
        (2, "b", Effect::Kept),
        (3, "c", Effect::Gained),
        (4, "d", Effect::Neither),
    ] {
        for _ in 0..times {
            assert_eq!(comparison.event(&event(&rules, "t", id)), effect);
        }
    }
    let paths = rules.profile().attribute_paths();
    let other = Event::new(paths, TenantId::from("t"), EventType::from("other"));
    assert_eq!(comparison.event(&other), Effect::OtherType);
    let counted = json!({"kept": 2, "gained": 3, "lost": 1, "neither": 4, "otherTypes": 1});
    assert_eq!(serde_json::to_value(&comparison).unwrap(), counted);
}

#[test]
fn counts_the_deliveries_that_are_left() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", ["a", "b", "c"].map(|id| webhook(&rules, id, ""))).unwrap();
    let (mut session, builder) = (registry.session(), RequestBuilder::default());
    let bytes = format!(r#"{{"type":"{TYPE}","tenantid":"t"}}"#);
    let mut deliveries = session.deliveries(&builder, bytes, Access::Everyone).unwrap();
    for left in (1..=3).rev() {
        assert_eq!((deliveries.len(), deliveries.size_hint()), (left, (left, Some(left))));
        assert!(deliveries.next().is_some());
    }
    assert_eq!((deliveries.len(), deliveries.next().is_none()), (0, true));
}

/// Several threads count up in one webhook. An update does not bring back a removed webhook.
#[test]
fn loses_no_update_of_several_threads() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", [webhook(&rules, "w", r#"id eq "0""#)]).unwrap();
    let count_up = |webhook: &Webhook| {
        let filter = webhook.filter_text().unwrap();
        let count: u64 = filter[7..filter.len() - 1].parse().unwrap();
        Ok::<_, ()>(created_by(&rules, "w", &format!("id eq \"{}\"", count + 1), "u1"))
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..50).for_each(|_| {
                    drop(registry.update(&"t".into(), &"w".into(), count_up).unwrap())
                })
            });
        }
    });
    assert_eq!(
        registry.get(&"t".into(), &"w".into()).unwrap().filter_text(),
        Some(r#"id eq "200""#)
    );
    let refused = registry.update(&"t".into(), &"w".into(), |_| Err("no"));
    assert_eq!(refused, Err(UpdateError::Refused("no")));
    let other = |_: &Webhook| Ok::<_, ()>(webhook(&rules, "v", ""));
    let refused = registry.update(&"t".into(), &"w".into(), other).unwrap_err();
    assert_eq!(refused, UpdateError::OtherId);
    assert_eq!(registry.stats(&"t".into()).unwrap().revision, 200);
    let _ = registry.remove(&"t".into(), &"w".into()).unwrap();
    assert_eq!(registry.update(&"t".into(), &"w".into(), count_up), Err(UpdateError::NotFound));
    assert!(!registry.update_at(&"t".into(), &"w".into(), 7, count_up).unwrap().applied);
    assert!(matches!(
        registry.update(&"u".into(), &"w".into(), count_up),
        Err(UpdateError::Change(_))
    ));
}

/// A webhook of level `user` without an owner does not match events whose owner is empty or absent.
#[test]
fn matches_webhooks_without_an_owner_for_no_user() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let document = json!({"id": "w", "name": "n", "url": "https://a.example/", "enabled": true,
        "level": "user", "eventTypes": [TYPE]});
    let unowned = Webhook::read(&WebhookDocument::from(document), &rules).unwrap().webhook;
    let subscription = subscription(&unowned, &"t".into(), rules.catalogue());
    let _ = registry.load("t", [unowned]).unwrap();
    let mut session = registry.session();
    let event = event(&rules, "t", "a").with_owner("");
    let empty = ["".into()];
    for access in [Access::EventOwner, Access::Users(&empty), Access::Predicate(&|_| true)] {
        assert!(session.matches(&event, access).unwrap().is_empty(), "{access:?}");
        assert!(!subscription.matches(&event, access), "{access:?}");
    }
    assert_eq!(session.matches(&event, Access::Everyone).unwrap().len(), 1);
}

#[test]
fn refuses_changes_after_the_last_revision() {
    let rules = Rules::default();
    let registry = Registry::with_limits(&rules, Limits::default().per_user(1));
    let _ = registry.load_at("t", [], u64::MAX - 1).unwrap();
    let put = |id, user| registry.put(&"t".into(), created_by(&rules, id, "", user));
    assert!(put("a", "u1").unwrap().applied);
    assert_eq!(registry.stats(&"t".into()).unwrap().revision, u64::MAX);
    let error = put("b", "u2").unwrap_err();
    assert_eq!(error.kind(), ChangeErrorKind::NoRevision);
    assert_eq!(error.to_string(), "the tenant is at revision 18446744073709551615, the last one");
    assert_eq!(registry.remove(&"t".into(), &"a".into()).unwrap_err(), error);
    let updated = registry.update(&"t".into(), &"a".into(), |old| Ok::<_, ()>(old.clone()));
    assert_eq!(updated.unwrap_err(), UpdateError::Change(error.clone()));
    let load = registry.load("t", []).unwrap_err();
    assert_eq!(load, error);
    assert_eq!(registry.get(&"t".into(), &"a".into()).unwrap().name(), "a", "no webhook was lost");
    // A log entry at this revision has been seen already, and is ignored.
    assert!(!registry.remove_at(&"t".into(), &"a".into(), u64::MAX).unwrap().applied);
    assert!(!registry.load_at("t", [], u64::MAX).unwrap().applied);
    // A snapshot keeps the revision.
    let other = Registry::new(&rules);
    assert_eq!(other.read_snapshot(&*written(&registry)).unwrap().webhooks, 1);
    assert_eq!(other.put(&"t".into(), created_by(&rules, "b", "", "u2")).unwrap_err(), error);
    assert_eq!(other.read_snapshot(&*written(&registry)).unwrap().ignored, 1);
    assert!(other.evict(&"t".into()));
    let _ = other.load_at("t", [], 7).unwrap();
    assert_eq!(other.put(&"t".into(), created_by(&rules, "b", "", "u2")).unwrap().revision, 8);

    let _ = registry
        .load("t2", [created_by(&rules, "a", "", "u1"), created_by(&rules, "b", "", "u2")])
        .unwrap();
    let moved = registry.put(&"t2".into(), created_by(&rules, "b", "", "u1"));
    assert_eq!(
        moved.unwrap_err().kind(),
        ChangeErrorKind::UserLimit,
        "one more webhook of that user"
    );
}

/// Recipients that are kept stay at their revision and do not block changes.
#[test]
fn keeps_recipients_at_their_revision() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", [webhook(&rules, "w0", "")]).unwrap();
    let mut sessions: Vec<Session> =
        (0..if cfg!(miri) { 10 } else { 20 }).map(|_| registry.session()).collect();
    let a = event(&rules, "t", "a");
    let mut kept = Vec::new();
    for (n, session) in sessions.iter_mut().enumerate() {
        kept.push(session.matches(&a, Access::EventOwner).unwrap());
        let _ = registry.remove(&"t".into(), &format!("w{n}").into()).unwrap();
        let _ = registry.put(&"t".into(), webhook(&rules, &format!("w{}", n + 1), "")).unwrap();
    }
    for (n, recipients) in kept.iter().enumerate() {
        let ids: Vec<_> = recipients.webhooks().map(|webhook| webhook.id().as_str()).collect();
        assert_eq!((ids, recipients.revision()), (vec![format!("w{n}").as_str()], 2 * n as u64));
    }
}

/// The reference: the subscription of each webhook of a tenant, by id.
type Reference = BTreeMap<String, Subscription>;

fn expected(reference: &Reference, event: &Event<'_>, access: Access<'_>) -> Vec<String> {
    let hit = reference.iter().filter(|(_, subscription)| subscription.matches(event, access));
    hit.map(|(id, _)| id.clone()).collect()
}

/// Creates a webhook with a random filter, level and state.
fn any_webhook(rules: &Rules, choices: &mut Choices<'_>) -> Webhook {
    let id = format!("w{}", choices.below(40));
    let types: Vec<&str> = match choices.below(4) {
        0 => vec![TYPE, "com.qlik.v1.app.exported"],
        1 => vec!["com.qlik.v1.app.exported"],
        _ => vec![TYPE],
    };
    let filter = loop {
        let text = history::filter_text(choices, 2);
        // `data.status` is valid only for another event type.
        if !text.contains("status") || choices.done() {
            break if text.contains("status") { String::new() } else { text };
        }
    };
    let level = if choices.below(4) == 0 { "user" } else { "tenant" };
    let owner = if choices.below(2) == 0 { "u1" } else { "u2" };
    let enabled = choices.below(8) > 0;
    let mut document = json!({
        "name": id, "url": "https://hooks.example.com/", "enabled": enabled,
        "eventTypes": types, "filter": filter, "level": level,
    });
    if level == "user" {
        document["ownerId"] = owner.into();
    }
    let new = NewWebhook::new(id, "u1", std::time::UNIX_EPOCH.into());
    Webhook::create(&document.into(), rules, new).unwrap().webhook
}

fn any_event<'p>(rules: &'p Rules, tenant: &'static str, choices: &mut Choices<'_>) -> Event<'p> {
    let mut event = Event::new(
        rules.profile().attribute_paths(),
        TenantId::from(tenant),
        EventType::from(TYPE),
    );
    for (name, values) in [("id", ["a", "b", "A", ""]), ("spaceId", ["a", "b", "A", ""])] {
        if choices.below(4) > 0 {
            event = event.with_attribute(name, *choices.pick(&values)).unwrap();
        }
    }
    if choices.below(2) == 0 { event.with_owner("u1") } else { event }
}

fn bytes(mut seed: u64, count: usize) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// One writer and several sessions use one tenant, while other tenants are loaded and evicted.
/// Every match returns what the reference matches at its revision, and no match is older than a
/// change that had returned when it started.
#[test]
fn matches_like_the_reference_at_every_revision() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", []).unwrap();
    let references = Mutex::new(vec![Reference::new()]);
    let (returned, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let steps = 3_000;

    let matches = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..3u64)
            .map(|number| {
                let (rules, returned, done) = (&rules, &returned, &done);
                let mut session = registry.session();
                scope.spawn(move || {
                    let mut matches = Vec::new();
                    let mut seed = number;
                    let mut kept = None;
                    while !done.load(Ordering::Acquire) {
                        seed += 10;
                        let random = bytes(seed, 16);
                        let event = any_event(rules, "t", &mut Choices(&random));
                        let least = returned.load(Ordering::Acquire);
                        let recipients = session.matches(&event, Access::EventOwner).unwrap();
                        assert!(recipients.revision() >= least, "a change that returned is seen");
                        let mut ids: Vec<String> =
                            recipients.webhooks().map(|webhook| webhook.id().to_string()).collect();
                        ids.sort_unstable();
                        matches.push((recipients.revision(), random, ids));
                        drop(recipients);
                        // Sometimes a webhook of the recipients is kept.
                        if seed % 50 < 10 {
                            kept = kept_webhook(&mut session.clone(), rules);
                        }
                    }
                    drop(kept);
                    matches
                })
            })
            .collect();
        scope.spawn(|| {
            let mut others = registry.session();
            let mut round = 0;
            while !done.load(Ordering::Acquire) {
                round += 1;
                let name = format!("other{}", round % 5);
                let _ = registry.load(name.as_str(), [webhook(&rules, "w", "")]).unwrap();
                let event = event(&rules, &name, "a");
                assert_eq!(hits(&mut others, &event).unwrap(), ["w"]);
                registry.evict(&name.as_str().into());
                assert_eq!(hits(&mut others, &event), Err(NotLoaded));
            }
        });
        let random = bytes(99, 400_000);
        let mut choices = Choices(&random);
        let tenant = TenantId::from("t");
        for _ in 0..steps {
            let mut reference = references.lock().unwrap().last().unwrap().clone();
            let change = if choices.below(3) == 0 {
                let id = format!("w{}", choices.below(40));
                let removed = reference.remove(&id);
                // The reference has the change before a match can see it.
                references.lock().unwrap().push(reference);
                let change = registry.remove(&"t".into(), &id.as_str().into()).unwrap();
                assert_eq!(change.before.is_some(), removed.is_some());
                change
            } else {
                let webhook = any_webhook(&rules, &mut choices);
                let new = subscription(&webhook, &tenant, rules.catalogue());
                reference.insert(webhook.id().to_string(), new);
                references.lock().unwrap().push(reference);
                registry.put(&"t".into(), webhook).unwrap()
            };
            returned.store(change.revision, Ordering::Release);
        }
        assert!(!choices.done(), "there were enough choices");
        done.store(true, Ordering::Release);
        sessions.into_iter().flat_map(|session| session.join().unwrap()).collect::<Vec<_>>()
    });

    let references = references.into_inner().unwrap();
    assert_eq!(references.len(), steps + 1);
    let mut hit = 0;
    for (revision, random, ids) in &matches {
        let event = any_event(&rules, "t", &mut Choices(random));
        let reference = &references[usize::try_from(*revision).unwrap()];
        assert_eq!(*ids, expected(reference, &event, Access::EventOwner), "at revision {revision}");
        hit += usize::from(!ids.is_empty());
    }
    assert!(matches.len() > 500 && hit > 100, "{} matches, {hit} hit", matches.len());
}

/// Returns a webhook of some recipients; keeping it does not keep the recipients.
fn kept_webhook(session: &mut Session, rules: &Rules) -> Option<Arc<Webhook>> {
    let event = event(rules, "t", "a");
    let recipients = session.matches(&event, Access::EventOwner).ok()?;
    std::thread::yield_now();
    recipients.webhooks().next().cloned()
}

#[test]
fn loses_no_change_of_several_writers() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", []).unwrap();
    let each = if cfg!(miri) { 2 } else { 200 };
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (rules, registry) = (&rules, &registry);
            scope.spawn(move || {
                for n in 0..each {
                    let id = format!("w{writer}-{n}");
                    let _ = registry.put(&"t".into(), webhook(rules, &id, r#"id eq "a""#)).unwrap();
                    if n % 2 == 0 {
                        assert!(
                            registry
                                .remove(&"t".into(), &id.as_str().into())
                                .unwrap()
                                .before
                                .is_some()
                        );
                    }
                }
            });
        }
    });
    assert_eq!(registry.stats(&"t".into()).unwrap().revision, 4 * each * 3 / 2);
    let mut session = registry.session();
    assert_eq!(hits(&mut session, &event(&rules, "t", "a")).unwrap().len() as u64, 2 * each);
    assert_eq!(hits(&mut session, &event(&rules, "t", "b")).unwrap().len(), 0);
}

/// Most programs are long enough to fill a tenant.
#[test]
fn runs_random_programs_like_the_reference() {
    let mut hits = 0;
    for seed in 0..150 {
        let length = 200 + usize::try_from(seed % 10).unwrap() * 400;
        hits += laws::registry::program(&bytes(seed * 7 + 1, length));
    }
    assert!(hits > 500, "{hits} hits");
}

/// The lines are a stored webhook, damaged in every byte.
#[test]
fn reads_or_refuses_snapshots_of_any_bytes() {
    let stored = laws::registry::stored(json!({
        "name": "n", "url": "https://hooks.example.com/", "enabled": true, "eventTypes": [TYPE],
        "filter": "id eq \"a\"", "secret": "0123456789abcdef0123456789abcdef",
        "encryptedHeaders": {"X-Key": "k"},
    }));
    laws::registry::snapshot(stored.as_bytes());
    for at in 0..stored.len() {
        for byte in *b"\n\"\xff0" {
            let mut damaged = stored.clone().into_bytes();
            damaged[at] = byte;
            laws::registry::snapshot(&damaged);
            damaged.remove(at);
            laws::registry::snapshot(&damaged);
        }
    }
    let two = format!("{stored}\n{}", stored.replace("\"w1\"", "\"w2\""));
    laws::registry::snapshot(two.as_bytes());
}

fn written(registry: &Registry) -> Vec<u8> {
    let mut bytes = Vec::new();
    registry.write_snapshot(&mut bytes).unwrap();
    bytes
}

#[test]
fn reads_snapshots_back() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let random = bytes(5, 100_000);
    let mut choices = Choices(&random);
    let _ = registry.load_at("empty", [], 3).unwrap();
    for tenant in ["t1", "t\"2\u{202e}"] {
        let _ = registry.load(tenant, []).unwrap();
        for _ in 0..100 {
            let _ = registry.put(&tenant.into(), any_webhook(&rules, &mut choices)).unwrap();
        }
    }
    let snapshot = written(&registry);
    let other = Registry::new(&rules);
    let loaded = other.read_snapshot(&*snapshot).unwrap();
    assert_eq!((loaded.tenants, loaded.ignored), (3, 0));
    let held = |tenant: TenantId| registry.stats(&tenant).unwrap().webhooks;
    assert_eq!(loaded.webhooks, registry.tenants().into_iter().map(held).sum::<usize>());
    for tenant in registry.tenants() {
        let sorted = |registry: &Registry| {
            let mut all = registry.webhooks(&tenant).unwrap();
            all.sort_unstable_by(|a, b| a.id().cmp(b.id()));
            all
        };
        assert_eq!(sorted(&registry), sorted(&other));
        let revision = |registry: &Registry| registry.stats(&tenant).unwrap().revision;
        assert_eq!(revision(&registry), revision(&other));
    }
    // Read again, every tenant is at its revision already.
    assert_eq!(other.read_snapshot(&*snapshot).unwrap().ignored, 3);
    let mut one = Vec::new();
    assert!(registry.write_tenant_snapshot(&"t1".into(), &mut one).unwrap());
    assert!(!registry.write_tenant_snapshot(&"unknown".into(), &mut one).unwrap());
    let third = Registry::new(&rules);
    assert_eq!(third.read_snapshot(&*one).unwrap().tenants, 1);
    assert_eq!(third.tenants(), [TenantId::from("t1")]);
}

#[test]
fn loads_nothing_of_a_damaged_snapshot() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    for (tenant, count) in [("t1", 2), ("t2", 1)] {
        let all = (0..count).map(|n| webhook(&rules, &format!("w{n}"), r#"id eq "a""#));
        let _ = registry.load_at(tenant, all, 7).unwrap();
    }
    let snapshot = written(&registry);
    let other = Registry::new(&rules);
    let kind = |bytes: &[u8]| other.read_snapshot(bytes).map_err(|error| error.kind());
    for length in 0..snapshot.len() {
        let kind = kind(&snapshot[..length]).unwrap_err();
        let first = snapshot.iter().position(|byte| *byte == b'\n').unwrap();
        let expected = match length <= first {
            true => SnapshotErrorKind::NotASnapshot,
            false => SnapshotErrorKind::Damaged,
        };
        assert_eq!(kind, expected, "cut at {length}");
    }
    for at in 0..snapshot.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bytes = snapshot.clone();
            bytes[at] ^= flip;
            let Ok(loaded) = other.read_snapshot(&*bytes) else { continue };
            panic!("byte {at} of {} was accepted: {loaded:?}", String::from_utf8_lossy(&bytes));
        }
    }
    assert!(other.tenants().is_empty(), "nothing was loaded");

    let text = String::from_utf8(snapshot).unwrap();
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let error = other.read_snapshot(newer.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), SnapshotErrorKind::Newer);
    assert_eq!(
        error.to_string(),
        "line 1 of the snapshot: the snapshot has version 2, but this crate reads version 1"
    );
    for (version, kind, message) in [
        ("18446744073709551616", SnapshotErrorKind::Newer, None),
        ("0", SnapshotErrorKind::NotASnapshot, Some("unknown snapshot version 0")),
        ("-1", SnapshotErrorKind::NotASnapshot, Some("unknown snapshot version -1")),
        ("0.5", SnapshotErrorKind::NotASnapshot, Some("unknown snapshot version 0.5")),
        ("\"1\"", SnapshotErrorKind::NotASnapshot, Some("the snapshot's version is not a number")),
        ("null", SnapshotErrorKind::NotASnapshot, Some("the snapshot's version is not a number")),
    ] {
        let text = text.replacen("\"version\":1", &format!("\"version\":{version}"), 1);
        let error = other.read_snapshot(text.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.line()), (kind, 1), "{version}");
        if let Some(message) = message {
            let message = format!("line 1 of the snapshot: {message}, expected 1");
            assert_eq!(error.to_string(), message);
        }
        let skipping = other.read_snapshot_skipping(text.as_bytes()).unwrap_err();
        assert_eq!(skipping.to_string(), error.to_string());
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first = lines.iter().position(|line| line.contains("crc32")).unwrap();
    let duplicate = [&lines[..=first], &lines[1..=first], &lines[first + 1..]].concat().concat();
    assert_eq!(kind(duplicate.as_bytes()), Err(SnapshotErrorKind::Damaged), "a duplicate tenant");
    for nonsense in ["", "\n", "{}\n", "[1,2]\n", "{\"format\":\"tar\",\"version\":1}\n"] {
        assert_eq!(kind(nonsense.as_bytes()), Err(SnapshotErrorKind::NotASnapshot), "{nonsense}");
    }
    // The checksum is right, but no registry writes two webhooks with one id.
    let mut lines = lines.clone();
    let at = lines.iter().position(|line| line.contains("\"t1\"")).unwrap();
    lines[at + 2] = lines[at + 1];
    let crc = format!(
        "{{\"crc32\":\"{:08x}\"}}\n",
        crc32fast::hash(lines[at..at + 3].concat().as_bytes())
    );
    lines[at + 3] = &crc;
    let error = other.read_snapshot(lines.concat().as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("line {} of the snapshot: two webhooks of the tenant have the same id", at + 4)
    );
    // The snapshot is undamaged, but was written under other rules.
    let profile = rules.profile().with_operators([hooksieve::filter::Operator::Ne]);
    let strict = Registry::new(&Rules::new(profile, rules.catalogue().clone()));
    let error = strict.read_snapshot(text.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), SnapshotErrorKind::Invalid);
    assert_eq!(error.line(), 3);
    assert!(strict.tenants().is_empty());
}

/// The snapshot has many chunks, of which some are shorter than a tenant and some are longer.
#[test]
fn reads_a_snapshot_on_threads_as_on_one() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let random = bytes(6, 400_000);
    let mut choices = Choices(&random);
    for (tenant, count) in [("t1", 400), ("t2", 0), ("t3", 3), ("t4", 300), ("t5", 1)] {
        let all = (0..count).map(|number| {
            let filter = history::filter_text(&mut choices, 2).replace("status", "id");
            let filter = if filter.contains("data.") { String::new() } else { filter };
            webhook(&rules, &format!("w{number}"), &filter)
        });
        let _ = registry.load(tenant, all).unwrap();
    }
    let snapshot = written(&registry);
    let (one, threaded) = (Registry::new(&rules), Registry::new(&rules));
    laws::registry::reads_on_threads(&one, &threaded, &snapshot);
    for at in (0..snapshot.len()).step_by(snapshot.len() / 50) {
        laws::registry::reads_on_threads(&one, &threaded, &snapshot[..at]);
        let mut damaged = snapshot.clone();
        damaged[at] ^= 1;
        laws::registry::reads_on_threads(&one, &threaded, &damaged);
    }
    // Every webhook is refused, and the first one is reported; or all are, in order.
    let rules = rules_without(TYPE);
    let (one, threaded) = (Registry::new(&rules), Registry::new(&rules));
    laws::registry::reads_on_threads(&one, &threaded, &snapshot);
    let loaded = one.restore(&*snapshot).read_on(|_| {}).map(|loaded| loaded.tenants);
    assert_eq!(loaded.unwrap_err().kind(), SnapshotErrorKind::Invalid, "on no thread but this one");
}

/// A stream that has more than the snapshot is left where the error ended the restore.
#[test]
fn reads_nothing_more_after_an_error() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let all = (0..100).map(|number| webhook(&rules, &format!("w{number}"), ""));
    let _ = registry.load("t1", [webhook(&rules, "w", "")]).unwrap();
    let one = written(&registry);
    let _ = registry.load("t2", all).unwrap();
    assert!(registry.evict(&"t1".into()));
    // The first tenant is duplicate, which the lines themselves do not show, and many lines follow.
    let mut lines: Vec<&[u8]> = one.split_inclusive(|byte| *byte == b'\n').collect();
    let other = written(&registry);
    let section = lines[1..lines.len() - 1].to_vec();
    lines.truncate(1);
    lines.extend(section.iter().chain(&section));
    lines.extend(other.split_inclusive(|byte| *byte == b'\n').skip(1));
    let snapshot = lines.concat();
    let strict = Registry::new(&rules);
    let (mut read, mut read_on) = (&*snapshot, &*snapshot);
    let expected = strict.restore(&mut read).read().unwrap_err();
    assert!(expected.to_string().contains("duplicate tenant"), "{expected}");
    let error = strict.restore(&mut read_on).read_on(|work| [(); 3].iter().for_each(|()| work()));
    assert_eq!(error.unwrap_err().to_string(), expected.to_string());
    assert!(!read.is_empty());
    assert_eq!(read_on.len(), read.len());
}

/// A thread that panics does not leave the others waiting, and nothing is loaded.
#[test]
fn ends_a_restore_when_the_input_panics() {
    struct Panics(usize);
    impl std::io::Read for Panics {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            assert!(self.0 > 0, "the input panics");
            self.0 -= 1;
            let line = br#"{"format":"hooksieve-snapshot","version":1}"#;
            into[..line.len()].copy_from_slice(line);
            into[line.len()] = b'\n';
            Ok(line.len() + 1)
        }
    }
    let registry = Registry::new(&Rules::default());
    let restore = registry.restore(std::io::BufReader::new(Panics(1)));
    let error = restore.read_on(|work| {
        let run = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
        let panicked = std::thread::scope(|scope| {
            [scope.spawn(run), scope.spawn(run)].map(|thread| thread.join().unwrap())
        });
        assert!(panicked.contains(&true));
    });
    assert_eq!(error.unwrap_err().kind(), SnapshotErrorKind::Io);
    assert!(registry.tenants().is_empty());
}

#[test]
fn applies_a_prepared_change_or_leaves_nothing() {
    let rules = Rules::default();
    let registry = Registry::with_limits(&rules, Limits::default().webhooks(1));
    let (tenant, id) = (TenantId::from("t"), "w1".into());
    assert_eq!(registry.reserve(&tenant).unwrap_err().kind(), ChangeErrorKind::NotLoaded);
    let _ = registry.load("t", []).unwrap();
    let first = webhook(&rules, "w1", r#"id eq "a""#);
    let prepared = registry.reserve(&tenant).unwrap().put(first.clone()).unwrap();
    assert_eq!((prepared.revision(), prepared.before()), (1, None));
    assert_eq!(prepared.after().map(|webhook| &**webhook), Some(&first));
    assert_eq!(registry.get(&tenant, &id), None);
    assert_eq!(registry.stats(&tenant).unwrap().revision, 0);
    drop(prepared);
    drop(registry.reserve(&tenant).unwrap());
    assert_eq!(registry.stats(&tenant).unwrap().webhooks, 0, "it leaves nothing");
    let prepared = registry.reserve(&tenant).unwrap().put(first).unwrap();
    let change = prepared.apply();
    assert_eq!((change.applied, change.revision), (true, 1));

    // The limit refuses before the commit, and the revision is free again.
    let reserved = registry.reserve(&tenant).unwrap();
    assert_eq!(
        format!("{reserved:?}"),
        r#"Reservation { tenant: TenantId("t"), revision: 2, .. }"#
    );
    let error = reserved.put(webhook(&rules, "w2", "")).unwrap_err();
    assert_eq!(error.kind(), ChangeErrorKind::TenantLimit);
    for (revision, kind, message) in [
        (0, ChangeErrorKind::OldRevision, "revision 0 is not above the tenant's, 1"),
        (1, ChangeErrorKind::OldRevision, "revision 1 is not above the tenant's, 1"),
        (3, ChangeErrorKind::RevisionGap, "revision 3 is not the next after the tenant's, 1"),
    ] {
        let error = registry.reserve_at(&tenant, revision).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    }
    let reserved = registry.reserve_at(&tenant, 2).unwrap();
    assert_eq!((reserved.get(&id), reserved.get(&"w2".into())), (registry.get(&tenant, &id), None));
    let prepared = reserved.remove(&id).unwrap();
    assert!(registry.get(&tenant, &id).is_some() && prepared.before().is_some());
    assert_eq!(prepared.apply().after, None);
    assert_eq!(registry.get(&tenant, &id), None);
}

/// The prepared change moves to another thread, and matches go on.
#[test]
fn lets_other_changes_wait_for_a_prepared_one() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", [webhook(&rules, "w1", "")]).unwrap();
    let prepared = registry.reserve(&"t".into()).unwrap().remove(&"w1".into()).unwrap();
    std::thread::scope(|scope| {
        let put = scope.spawn(|| registry.put(&"t".into(), webhook(&rules, "w2", "")).unwrap());
        let mut session = registry.session();
        assert_eq!(hits(&mut session, &event(&rules, "t", "a")).unwrap(), ["w1"]);
        assert_eq!(scope.spawn(|| prepared.apply()).join().unwrap().revision, 1);
        assert_eq!(put.join().unwrap().revision, 2);
    });
    assert_eq!(registry.webhooks(&"t".into()).unwrap().len(), 1);
}

/// The stream's own message is the source of the error, and not repeated in its message.
#[test]
fn reports_the_error_of_a_broken_stream() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the tape is torn"))
        }
    }
    let registry = Registry::new(&Rules::default());
    let error = registry.read_snapshot(std::io::BufReader::new(Broken)).unwrap_err();
    assert_eq!(error.kind(), SnapshotErrorKind::Io);
    assert_eq!(error.to_string(), "line 1 of the snapshot: the snapshot could not be read");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the tape is torn");
}

/// A webhook or tenant of the maximum size can be written and read back; a larger one is refused.
#[test]
fn refuses_text_that_no_snapshot_line_can_hold() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let document = |size: usize| {
        let filter = "id eq \"a\"";
        // JSON writes this character as six bytes.
        let long = "\u{1}".repeat(size - "w".len() - filter.len() - (TYPE.len() + 1));
        let document = json!({"id": "w", "name": "n", "url": "https://a.example/",
            "eventTypes": [TYPE], "filter": filter, "disabledReason": long});
        Webhook::read(&WebhookDocument::from(document), &rules).unwrap().webhook
    };
    let max = Registry::MAX_BYTES;
    let _ = registry.load("t", []).unwrap();
    let error = registry.put(&"t".into(), document(max + 1)).unwrap_err();
    assert_eq!(error.kind(), ChangeErrorKind::TooLarge);
    assert_eq!(error.to_string(), "the webhook has 2097153 bytes of text, more than 2097152");
    let error = registry.load("t", [document(max + 1)]).unwrap_err();
    assert_eq!((error.kind(), error.id().unwrap().as_str()), (ChangeErrorKind::TooLarge, "w"));
    let error = registry.load("\u{1}".repeat(max + 1), []).unwrap_err();
    assert_eq!((error.kind(), error.id()), (ChangeErrorKind::TooLarge, None));
    assert_eq!(error.to_string(), "the tenant's id has 2097153 bytes of text, more than 2097152");

    let _ = registry.put(&"t".into(), document(max)).unwrap();
    let _ = registry.load("\u{1}".repeat(max), []).unwrap();
    let snapshot = written(&registry);
    assert!(snapshot.len() > 2 * 6 * max - 6 * 100, "two lines of the maximum length");
    assert_eq!(Registry::new(&rules).read_snapshot(&*snapshot).unwrap().tenants, 2);
}

#[test]
fn reads_back_every_accepted_webhook() {
    let mut total = laws::registry::Kept::default();
    for seed in 0..10_000 {
        let kept = laws::registry::accepted_is_readable(&bytes(seed, 250));
        total.accepted += kept.accepted;
        total.refused += kept.refused;
        total.outdated += kept.outdated;
    }
    println!("{total:?}");
    assert!(total.accepted > 10_000 && total.refused > 2_000 && total.outdated > 300);
}

/// Returns the default rules without one event type.
fn rules_without(event_type: &str) -> Rules {
    let rules = Rules::default();
    let mut listing = serde_json::to_value(rules.catalogue()).unwrap();
    listing["data"].as_array_mut().unwrap().retain(|known| known["name"] != event_type);
    let catalogue = Catalogue::read(listing.to_string().as_bytes()).unwrap();
    Rules::new(rules.profile().clone(), catalogue)
}

#[test]
fn refuses_webhooks_that_are_invalid_by_its_rules() {
    let (rules, fewer) = (Rules::default(), rules_without(TYPE));
    let registry = Registry::new(&fewer);
    let _ = registry.load("t", []).unwrap();
    let error = registry.put(&"t".into(), webhook(&rules, "w", "")).unwrap_err();
    assert_eq!(error.kind(), ChangeErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        format!("event type `{TYPE}` is not in the registry's catalogue")
    );
    let load = registry.load("t", [webhook(&rules, "w", "")]).unwrap_err();
    assert_eq!((load.id().unwrap().as_str(), load.kind()), ("w", error.kind()));
    // The catalogue has the event type, but not for this level.
    let listing = json!({"data": [{"name": TYPE, "levels": ["user"]}]}).to_string();
    let users = Catalogue::read(listing.as_bytes()).unwrap();
    let users = Registry::new(&Rules::new(rules.profile().clone(), users));
    let error = users.load("t", [webhook(&rules, "w", "")]).unwrap_err();
    let expected = format!("webhook `w`: event type `{TYPE}` does not support level `tenant`");
    assert_eq!((error.kind(), error.to_string()), (ChangeErrorKind::Invalid, expected));
    // The filter is valid for the event type only under its newer name.
    let reloads = "com.qlik.v1.app.reload.finished";
    let by_name = |types: serde_json::Value| {
        let text = json!({"data": types}).to_string();
        Rules::new(rules.profile().clone(), Catalogue::read(text.as_bytes()).unwrap())
    };
    let renamed = by_name(json!([{"name": "old", "newerName": reloads}]));
    let document = json!({"name": "n", "url": "https://a.example/", "eventTypes": ["old"],
        "filter": "data.status eq \"ok\""});
    let new = NewWebhook::new("w", "u", std::time::UNIX_EPOCH.into());
    let webhook = Webhook::create(&document.into(), &renamed, new).unwrap().webhook;
    let unnamed = Registry::new(&by_name(json!([{"name": "old"}])));
    let error = unnamed.load("t", [webhook.clone()]).unwrap_err();
    let expected = "webhook `w`: the filter is not valid for the webhook's event types";
    assert_eq!((error.kind(), error.to_string()), (ChangeErrorKind::Invalid, expected.into()));
    assert!(Registry::new(&renamed).load("t", [webhook]).is_ok());
    assert_eq!(registry.stats(&"t".into()).unwrap().webhooks, 0);
}

#[test]
fn skips_invalid_webhooks_of_a_snapshot_and_reports_them() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let exported = |id: &str| {
        let document = json!({"name": id, "url": "https://hooks.example.com/", "enabled": true,
            "eventTypes": ["com.qlik.v1.app.exported"]});
        let new = NewWebhook::new(id, "u1", std::time::UNIX_EPOCH.into());
        Webhook::create(&document.into(), &rules, new).unwrap().webhook
    };
    let _ = registry.load_at("t1", [webhook(&rules, "a", ""), exported("b")], 3).unwrap();
    let _ = registry.load_at("t2", [webhook(&rules, "c", "")], 4).unwrap();
    let snapshot = written(&registry);

    let other = Registry::new(&rules_without(TYPE));
    let error = other.read_snapshot(&*snapshot).unwrap_err();
    assert_eq!(error.kind(), SnapshotErrorKind::Invalid);
    assert!(other.tenants().is_empty(), "all or nothing");
    let loaded = other.read_snapshot_skipping(&*snapshot).unwrap();
    assert_eq!((loaded.tenants, loaded.webhooks, loaded.ignored), (2, 1, 0));
    let mut skipped: Vec<_> =
        loaded.skipped.iter().map(|one| one.id.as_ref().unwrap().as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(skipped, ["a", "c"]);
    for one in &loaded.skipped {
        assert!(one.diagnostic.message().contains("is not a webhook event type"), "{one:?}");
        let line = one.diagnostic.line().unwrap();
        let line = snapshot.split(|byte| *byte == b'\n').nth(line - 1).unwrap();
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(line["id"], one.id.as_ref().unwrap().as_str());
        assert!(other.stats(&one.tenant).is_some());
    }
    assert_eq!(other.get(&"t1".into(), &"b".into()).as_deref(), Some(&exported("b")));
    assert_eq!(
        other.stats(&"t2".into()).map(|stats| (stats.revision, stats.webhooks)),
        Some((4, 0))
    );

    // A damaged webhook is an error, never skipped.
    let other = Registry::new(&rules_without(TYPE));
    for at in 0..snapshot.len() {
        let mut bytes = snapshot.clone();
        bytes[at] ^= 1;
        assert!(other.read_snapshot_skipping(&*bytes).is_err(), "byte {at}");
        assert!(other.read_snapshot_skipping(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(other.tenants().is_empty());
}

#[test]
fn replaces_rules_and_limits_in_place() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let all = || [webhook(&rules, "b", r#"id eq "a""#), webhook(&rules, "a", "")];
    let _ = registry.load_at("t2", all(), 7).unwrap();
    let _ = registry.load_at("t1", all(), 7).unwrap();
    let _ = registry.put(&"t1".into(), webhook(&rules, "c", "")).unwrap();
    let mut session = registry.session();
    let event = event(&rules, "t1", "a");
    let before = hits(&mut session, &event).unwrap();
    assert_eq!(before.len(), 3);

    let fewer = rules_without(TYPE);
    let refused = registry.replace_rules(&fewer).unwrap();
    let listed: Vec<_> = refused
        .iter()
        .map(|one| (one.tenant.as_str(), one.id.as_ref().unwrap().as_str()))
        .collect();
    let expected = [("t1", "a"), ("t1", "b"), ("t1", "c"), ("t2", "a"), ("t2", "b")];
    assert_eq!(listed, expected);
    assert!(refused.iter().all(|one| one.diagnostic.code() == "registry-invalid-webhook"));
    assert_eq!((registry.rules(), registry.profile()), (fewer, rules.profile()));
    assert_eq!(hits(&mut session, &event).unwrap(), before, "they stay and match as before");
    assert_eq!(registry.stats(&"t1".into()).unwrap().revision, 8, "the revision is the same");
    let invalid = |error: ChangeErrorKind| error == ChangeErrorKind::Invalid;
    let put = registry.put(&"t1".into(), webhook(&rules, "d", "")).unwrap_err();
    assert!(invalid(put.kind()));
    let updated =
        registry.update(&"t1".into(), &"a".into(), |old| Ok::<_, ()>(old.clone())).unwrap_err();
    assert!(matches!(updated, UpdateError::Change(error) if invalid(error.kind())));
    let load = registry.load("t1", all()).unwrap_err();
    assert!(invalid(load.kind()));
    assert!(
        registry.remove(&"t1".into(), &"c".into()).unwrap().applied,
        "a removal is not checked"
    );
    assert_eq!(registry.replace_rules(&rules).unwrap(), []);
    let _ = registry.put(&"t1".into(), webhook(&rules, "d", "")).unwrap();

    let profile = rules.profile().with_operators([hooksieve::filter::Operator::Eq]);
    let strange = Rules::new(profile, rules.catalogue().clone());
    let error = registry.replace_rules(&strange).unwrap_err();
    assert_eq!(error.kind(), ChangeErrorKind::OtherProfile);
    assert_eq!(error.to_string(), "the rules have another profile than the registry");
    assert_eq!(registry.rules(), rules, "nothing is changed");

    let limits = Limits::default().webhooks(1);
    registry.replace_limits(limits.clone());
    assert_eq!((registry.limits(), registry.rules()), (limits.clone(), rules.clone()));
    let error = registry.put(&"t2".into(), webhook(&rules, "c", "")).unwrap_err();
    assert_eq!(error.kind(), ChangeErrorKind::TenantLimit);
    assert!(
        registry.put(&"t2".into(), webhook(&rules, "a", "")).unwrap().applied,
        "the number of webhooks is the same"
    );
    registry.replace_rules(&rules).unwrap();
    assert_eq!(registry.limits(), limits, "replacing the rules keeps the limits");
    registry.replace_limits(Limits::default());
    assert!(registry.put(&"t2".into(), webhook(&rules, "c", "")).unwrap().applied);
}

/// A subscription to an old name receives events under the newer one, if the rules say so.
#[test]
fn indexes_renamed_types_when_rules_are_replaced() {
    let rules = Rules::default();
    let renamed = Rules::new(rules.profile().clone(), rules.catalogue().with_renames(true));
    let registry = Registry::new(&rules);
    let _ = registry.load("t", [webhook(&rules, "a", "")]).unwrap();
    let _ = registry.put(&"t".into(), webhook(&rules, "b", "")).unwrap();
    let mut session = registry.session();
    let newer = Event::new(
        rules.profile().attribute_paths(),
        TenantId::from("t"),
        EventType::from("com.qlik.app.created"),
    );
    let mut count = |registry: &Registry| {
        let verdicts = registry.verdicts(&newer, Access::EventOwner).unwrap().webhooks;
        let matched = verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Matched).count();
        let mut ids = hits(&mut session, &newer).unwrap();
        assert_eq!(ids.len(), matched, "index and specification agree");
        ids.sort_unstable();
        ids.concat()
    };
    assert_eq!(count(&registry), "");
    for _ in 0..2 {
        assert_eq!(registry.replace_rules(&renamed).unwrap(), []);
        assert_eq!(count(&registry), "ab");
        // Changes use the two copies in turn, so both are indexed by the new rules.
        for id in ["c", "d", "e"] {
            let _ = registry.put(&"t".into(), webhook(&rules, id, "")).unwrap();
        }
        assert_eq!(count(&registry), "abcde");
        for id in ["c", "d", "e"] {
            let _ = registry.remove(&"t".into(), &id.into()).unwrap();
            assert_eq!(
                registry.stats(&"t".into()).unwrap().webhooks,
                registry.webhooks(&"t".into()).unwrap().len()
            );
        }
        assert_eq!(count(&registry), "ab");
        registry.replace_rules(&rules).unwrap();
        assert_eq!(count(&registry), "");
    }
}

/// The report has every webhook that is refused, and none is put after the replacement has
/// returned.
#[test]
fn replaces_rules_while_threads_change_webhooks() {
    let (rules, fewer) = (Rules::default(), rules_without(TYPE));
    let rounds = if cfg!(miri) { 3 } else { 40 };
    for _ in 0..rounds {
        let registry = Registry::new(&rules);
        let _ = registry.load("t", []).unwrap();
        let replaced = AtomicBool::new(false);
        let refused = std::thread::scope(|scope| {
            for thread in 0..2 {
                let (registry, replaced, rules) = (&registry, &replaced, &rules);
                scope.spawn(move || {
                    for n in 0.. {
                        let late = replaced.load(Ordering::SeqCst);
                        let put = match n % 2 {
                            0 => registry
                                .put(&"t".into(), webhook(rules, &format!("w{thread}-{n}"), ""))
                                .is_ok(),
                            _ => {
                                let all = [webhook(rules, "w", "")];
                                registry.load(format!("t{thread}-{n}"), all).is_ok()
                            }
                        };
                        assert!(!(late && put), "a later change is checked by the new rules");
                        if late || n > 2_000 {
                            break;
                        }
                    }
                });
            }
            scope.spawn(|| {
                let (mut session, mut last) = (registry.session(), 0);
                while !replaced.load(Ordering::SeqCst) {
                    let count = hits(&mut session, &event(&rules, "t", "a")).unwrap().len();
                    assert!(count >= last, "nothing is removed");
                    last = count;
                }
            });
            std::thread::yield_now();
            let refused = registry.replace_rules(&fewer).unwrap();
            replaced.store(true, Ordering::SeqCst);
            refused
        });
        let listed: Vec<_> =
            refused.iter().map(|one| (one.tenant.clone(), one.id.clone().unwrap())).collect();
        let mut held: Vec<_> = registry
            .tenants()
            .into_iter()
            .flat_map(|tenant| {
                let all = registry.webhooks(&tenant).unwrap();
                all.into_iter().map(move |webhook| (tenant.clone(), webhook.id().clone()))
            })
            .collect();
        held.sort_unstable();
        assert_eq!(listed, held);
    }
}
