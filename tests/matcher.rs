//! The matcher's own face: what it tells of itself and of its slots, and what a removal leaves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use allocation_counter::measure;
use hooksieve::event::{Event, Place, UserId};
use hooksieve::filter::{Attribute, Filter, Profile};
use hooksieve::matcher::{Access, Audience, InsertError, Matcher, Scratch, Slot, Subscription};

fn subscription(profile: &Profile, tenant: &str, types: &[&str], filter: &str) -> Subscription {
    let types = types.iter().copied();
    Subscription::new(tenant, types, profile.filter(filter, None).unwrap())
}

fn insert(matcher: &mut Matcher, filter: &str) -> Slot {
    let subscription = subscription(matcher.profile(), "t", &["x"], filter);
    matcher.insert(&subscription).unwrap()
}

#[test]
fn stats_tell_what_it_holds() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    assert!(matcher.is_empty());
    let either = r#"id eq "a" or spaceId eq "s""#;
    let slots = [
        // Two values, posted for two types.
        subscription(&profile, "t", &["x", "y"], either),
        // Equal to it: no plan or value more.
        subscription(&profile, "t", &["x"], either),
        subscription(&profile, "t", &["x"], r#"id ne "a""#),
        // The same value of another tenant is another value.
        subscription(&profile, "u", &["x"], r#"id eq "a""#),
        subscription(&profile, "u", &["x", "y"], ""),
        subscription(&profile, "u", &["x"], "").with_enabled(false),
    ]
    .map(|subscription| matcher.insert(&subscription).unwrap());
    let stats = matcher.stats();
    assert_eq!((stats.subscriptions, stats.tenants), (6, 2));
    assert_eq!((stats.plans, stats.values), (1, 3));
    assert_eq!((stats.postings, stats.defaults), (4 + 2 + 1 + 1, 1 + 2));
    assert_eq!((matcher.len(), matcher.is_empty()), (6, false));
    assert!(slots.into_iter().all(|slot| matcher.remove(slot)));
    assert!(matcher.is_empty());
}

/// Whatever takes most of the memory: slots and defaults, an owner's shelf each, slots that are free.
#[test]
fn bytes_are_those_taken_from_the_allocator() {
    let profile = Profile::webhook();
    let everything = Subscription::new("t", ["x"], Filter::everything(&profile));
    let crowd = |count: usize| {
        let mut matcher = Matcher::new(&profile);
        let slots: Vec<Slot> = (0..count).map(|_| matcher.insert(&everything).unwrap()).collect();
        (matcher, slots)
    };
    let owned = |count: usize| {
        let mut matcher = Matcher::new(&profile);
        for n in 0..count {
            let owner = Audience::Owner(format!("owner-of-this-webhook-{n:06}").into());
            matcher.insert(&everything.clone().with_audience(owner)).unwrap();
        }
        matcher
    };
    let emptied = |count| {
        let (mut matcher, slots) = crowd(count);
        slots.into_iter().for_each(|slot| assert!(matcher.remove(slot)));
        matcher
    };
    let kinds: [(&str, &dyn Fn(usize) -> Matcher); 3] =
        [("no filter", &|count| crowd(count).0), ("owners", &owned), ("emptied", &emptied)];
    for (name, build) in kinds {
        let mut matcher = None;
        let used = measure(|| matcher = Some(build(3_000)));
        let (told, given) = (matcher.unwrap().bytes(), used.bytes_current);
        // But for what each matcher has and short texts take.
        assert!(given.abs_diff(told as i64) <= 200, "{name}: {told} told, {given} given");
    }
}

/// No look-up of values that only removed subscriptions were found by or tested by, and no entry
/// under values that others have, too.
#[test]
fn what_was_removed_costs_nothing() {
    let profile = Profile::webhook();
    let event = Event::new(profile.layout(), "t", "x");
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
        let hits: Vec<Slot> = matcher.matches(&event, Access::Owner, &mut scratch).collect();
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
    let event = Event::new(matcher.profile().layout(), "t", "x");
    let mut scratch = Scratch::default();
    let mut hits = matcher.matches(&event, Access::Owner, &mut scratch);
    assert_eq!(hits.indices(), [0, 2, 3]);
    assert_eq!(hits.next(), Some(slots[0]));
    assert_eq!((hits.len(), hits.indices()), (2, &[2, 3][..]));
    assert_eq!(hits.nth(1), Some(slots[3]));
    assert!(hits.indices().is_empty());
}

#[test]
fn a_filter_of_another_profile_is_refused() {
    let other = Profile::new([Attribute::new("id", [Place::new(["id"])])]).unwrap();
    let mut matcher = Matcher::new(&Profile::webhook());
    let error = matcher.insert(&subscription(&other, "t", &["x"], "")).unwrap_err();
    assert_eq!((error, error.code()), (InsertError::OtherProfile, "matcher-other-profile"));
    assert!(matcher.is_empty());
}

#[test]
fn each_refusal_says_what_is_wrong_and_what_to_do() {
    let told = |error: &InsertError| (error.code(), error.to_string(), error.help());
    let expected = [
        (
            "matcher-other-profile",
            "the filter was checked by another profile than the matcher's".to_owned(),
            "check the filter by the profile that the matcher was made with",
        ),
        (
            "matcher-full",
            "the matcher has no room left".to_owned(),
            "divide the subscriptions among several matchers, such as one a tenant",
        ),
    ];
    assert!(InsertError::ALL.iter().map(told).eq(expected));
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
    assert_eq!(shown(Access::Asked(&|_| true)), "Asked(..)");
    assert!(shown(Access::Users(&users)).contains("ann"));
}
