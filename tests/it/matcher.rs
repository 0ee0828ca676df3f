//! The matcher's interface: the slots it returns, and what a removal leaves.

use hooksieve::event::{Event, EventType, TenantId, UserId};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Audience, Matcher, Scratch, Slot, Subscription, Verdict};

fn subscription(profile: &Profile, tenant: &str, types: &[&str], filter: &str) -> Subscription {
    let types = types.iter().copied();
    Subscription::new(tenant, types, profile.filter(filter).unwrap())
}

fn insert(matcher: &mut Matcher, filter: &str) -> Slot {
    let subscription = subscription(matcher.profile(), "t", &["x"], filter);
    matcher.insert(&subscription).unwrap()
}

/// A decision has the verdict of the specification, and an explanation if the filter decided.
#[test]
fn explains_each_verdict() {
    let profile = Profile::webhook();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let event = event.with_attribute("id", "i").unwrap();
    let matching = subscription(&profile, "t", &["x"], r#"id eq "i""#);
    let owned = Audience::Owner("u".into());
    for (subscription, verdict) in [
        (matching.clone().with_enabled(false), Verdict::Disabled),
        (matching.clone().with_tenant("other"), Verdict::OtherTenant),
        (subscription(&profile, "t", &["y"], ""), Verdict::OtherEventType),
        (matching.clone().with_audience(owned), Verdict::NoAccess),
        (subscription(&profile, "t", &["x"], r#"id eq "j""#), Verdict::FilterFalse),
        (matching, Verdict::Matched),
    ] {
        let decision = subscription.explain(&event, Access::EventOwner);
        assert_eq!(decision.verdict, verdict);
        assert_eq!(subscription.verdict(&event, Access::EventOwner), verdict);
        let json = serde_json::to_value(&decision).unwrap();
        assert_eq!(json["matched"], verdict == Verdict::Matched);
        assert_eq!(json["reason"], verdict.as_str());
        match decision.explanation {
            Some(explanation) => {
                let full = serde_json::to_value(&explanation).unwrap();
                assert_eq!(explanation.holds(), verdict == Verdict::Matched);
                let members = [&json["filter"], &json["because"], &json["change"], &json["exact"]];
                assert_eq!(
                    members,
                    [&full["steps"], &full["reason"], &full["change"], &full["exact"]]
                );
            }
            None => {
                assert!(!matches!(verdict, Verdict::Matched | Verdict::FilterFalse));
                let null = serde_json::Value::Null;
                let members = [&json["filter"], &json["because"], &json["change"], &json["exact"]];
                assert_eq!(members, [&null; 4]);
            }
        }
    }
}

/// A removal leaves no look-up of values that only removed filters mention, and no posting under
/// values that other filters mention, too.
#[test]
fn removes_a_subscription_from_every_posting() {
    let profile = Profile::webhook();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let event = event.with_attribute("id", "i").unwrap().with_attribute("spaceId", "s").unwrap();
    let event = event.with_attribute("data.status", "ok").unwrap();
    let remaining = [r#"spaceId eq "s" and topLevelResourceId ne "r""#, r#"spaceId eq "s""#];
    let removed = [
        r#"id eq "j""#,
        r#"spaceId eq "o" and data.status eq "ok""#,
        r#"spaceId eq "s" and data.status eq "ok""#,
        r#"id ne "i" and data.status ne "ok""#,
    ];
    let mut matcher = Matcher::new(&profile);
    let kept = remaining.map(|filter| insert(&mut matcher, filter));
    let mut scratch = Scratch::default();
    let mut state = |matcher: &Matcher| {
        let hits: Vec<Slot> = matcher.matches(&event, Access::EventOwner, &mut scratch).collect();
        (hits, scratch.work(), matcher.stats())
    };
    let before = state(&matcher);
    assert_eq!((&*before.0, before.1.probes, before.1.tests), (&kept[..], 1, 1));
    for round in 1..3 {
        let slots = removed.map(|filter| insert(&mut matcher, filter));
        assert_eq!(state(&matcher).1.probes, 3, "spaceId, id, and data.status for the tests");
        slots.into_iter().for_each(|slot| assert!(matcher.remove(slot)));
        assert_eq!(state(&matcher), before, "round {round}");
    }
}

#[test]
fn returns_the_indices_of_remaining_hits() {
    let mut matcher = Matcher::new(&Profile::webhook());
    let slots = ["", r#"id eq "i""#, "", ""].map(|filter| insert(&mut matcher, filter));
    let event =
        Event::new(matcher.profile().attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let mut scratch = Scratch::default();
    let mut hits = matcher.matches(&event, Access::EventOwner, &mut scratch);
    assert_eq!(hits.indices(), [0, 2, 3]);
    assert_eq!(hits.next(), Some(slots[0]));
    assert_eq!((hits.len(), hits.indices()), (2, &[2, 3][..]));
    assert_eq!(hits.nth(1), Some(slots[3]));
    assert!(hits.indices().is_empty());
}

#[test]
fn changes_only_the_tenant_of_a_subscription() {
    let profile = Profile::webhook();
    let of = |tenant| {
        let subscription = subscription(&profile, tenant, &["x", "y"], r#"id eq "i""#);
        subscription.with_audience(Audience::Owner("u".into())).with_enabled(false)
    };
    assert_eq!(of("t").with_tenant("other"), of("other"));
}

#[test]
fn shows_each_access_by_its_name() {
    let users: [UserId; 1] = ["ann".into()];
    let shown = |access: Access<'_>| format!("{access:?}");
    assert_eq!(shown(Access::default()), "EventOwner");
    assert_eq!(shown(Access::Everyone), "Everyone");
    assert_eq!(shown(Access::Predicate(&|_| true)), "Predicate(..)");
    assert!(shown(Access::Users(&users)).contains("ann"));
}
