//! The matcher's own face: slots that it tells of, and what a removal leaves.

use hooksieve::event::{Event, EventType, TenantId, UserId};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Audience, Matcher, Scratch, Slot, Subscription};

fn subscription(profile: &Profile, tenant: &str, types: &[&str], filter: &str) -> Subscription {
    let types = types.iter().copied();
    Subscription::new(tenant, types, profile.filter(filter).unwrap())
}

fn insert(matcher: &mut Matcher, filter: &str) -> Slot {
    let subscription = subscription(matcher.profile(), "t", &["x"], filter);
    matcher.insert(&subscription).unwrap()
}

/// No look-up of values that only removed subscriptions were found by or tested by, and no entry
/// under values that others have, too.
#[test]
fn what_was_removed_costs_nothing() {
    let profile = Profile::webhook();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let event = event.with_attribute("id", "i").unwrap().with_attribute("spaceId", "s").unwrap();
    let event = event.with_attribute("data.status", "ok").unwrap();
    let stays = [r#"spaceId eq "s" and topLevelResourceId ne "r""#, r#"spaceId eq "s""#];
    let goes = [
        r#"id eq "j""#,
        r#"spaceId eq "o" and data.status eq "ok""#,
        r#"spaceId eq "s" and data.status eq "ok""#,
        r#"id ne "i" and data.status ne "ok""#,
    ];
    let mut matcher = Matcher::new(&profile);
    let kept = stays.map(|filter| insert(&mut matcher, filter));
    let mut scratch = Scratch::default();
    let mut ask = |matcher: &Matcher| {
        let hits: Vec<Slot> = matcher.matches(&event, Access::EventOwner, &mut scratch).collect();
        (hits, scratch.work(), matcher.stats())
    };
    let before = ask(&matcher);
    assert_eq!((&*before.0, before.1.probes, before.1.tests), (&kept[..], 1, 1));
    for round in 1..3 {
        let gone = goes.map(|filter| insert(&mut matcher, filter));
        assert_eq!(ask(&matcher).1.probes, 3, "spaceId, id and, for the tests, status");
        gone.into_iter().for_each(|slot| assert!(matcher.remove(slot)));
        assert_eq!(ask(&matcher), before, "in round {round}");
    }
}

#[test]
fn the_indices_of_hits_are_those_left() {
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
fn a_subscription_moves_to_another_tenant_unchanged() {
    let profile = Profile::webhook();
    let of = |tenant| {
        let subscription = subscription(&profile, tenant, &["x", "y"], r#"id eq "i""#);
        subscription.with_audience(Audience::Owner("u".into())).with_enabled(false)
    };
    assert_eq!(of("t").with_tenant("other"), of("other"));
}

#[test]
fn access_shows_who_it_is_for() {
    let users: [UserId; 1] = ["ann".into()];
    let shown = |access: Access<'_>| format!("{access:?}");
    assert_eq!(shown(Access::default()), "Owner");
    assert_eq!(shown(Access::Everyone), "Everyone");
    assert_eq!(shown(Access::Predicate(&|_| true)), "Asked(..)");
    assert!(shown(Access::Users(&users)).contains("ann"));
}
