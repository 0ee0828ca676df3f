//! What the matcher reports about itself: statistics, work, bytes; and that each stays within its
//! limit.
use allocation_counter::measure;
use hooksieve::event::{Event, EventType, JsonPath, TenantId};
use hooksieve::filter::{Attribute, Profile};
use hooksieve::matcher::{Access, Audience, Matcher, Scratch, Slot, Subscription, Work};

fn subscription(tenant: &str, types: &[&str], filter: &str) -> Subscription {
    let filter = Profile::webhook().filter(filter).unwrap();
    Subscription::new(tenant, types.iter().copied(), filter)
}

fn insert(matcher: &mut Matcher, filter: &str) -> Slot {
    matcher.insert(&subscription("t", &["x"], filter)).unwrap()
}

/// Returns the work for an event with these values, and the number of hits.
fn work(matcher: &Matcher, values: &[(&str, &str)]) -> (Work, usize) {
    let mut event =
        Event::new(matcher.profile().attribute_paths(), TenantId::from("t"), EventType::from("x"));
    for (attribute, value) in values {
        event = event.with_attribute(attribute, *value).unwrap();
    }
    let mut scratch = Scratch::default();
    let hits = matcher.matches(&event, Access::Everyone, &mut scratch).len();
    (scratch.work(), hits)
}

#[test]
fn counts_all_that_it_holds() {
    let mut matcher = Matcher::new(&Profile::webhook());
    assert!(matcher.is_empty());
    for new in [
        // Entries for each of two event types.
        subscription("t1", &["x", "y"], r#"id eq "a""#),
        // Two subscriptions with one plan.
        subscription("t1", &["x"], r#"id eq "a" and spaceId eq "s""#),
        subscription("t1", &["x"], r#"id eq "a" and spaceId eq "s""#),
        subscription("t1", &["x"], r#"id eq "a" or spaceId eq "s""#),
        // Another tenant's values are distinct.
        subscription("t2", &["x"], r#"id eq "a""#),
        // Matches by default; the second has no other entry.
        subscription("t1", &["x", "y"], r#"id ne "a""#),
        subscription("t1", &["x"], ""),
        // Held with the values of its filter, but without entries.
        subscription("t3", &["x"], r#"id ne "b""#).with_enabled(false),
    ] {
        matcher.insert(&new).unwrap();
    }
    let stats = matcher.stats();
    assert_eq!((matcher.len(), matcher.is_empty()), (8, false));
    assert_eq!((stats.subscriptions, stats.tenants), (8, 3));
    assert_eq!((stats.plans, stats.values), (2, 4));
    assert_eq!((stats.postings, stats.defaults), (2 + 1 + 1 + 2 + 1 + 2, 2 + 1));
}

#[test]
fn counts_each_posting_and_each_test() {
    let mut matcher = Matcher::new(&Profile::webhook());
    for n in 0..15 {
        let filter = if n < 10 { r#"id eq "a""# } else { r#"id eq "a" and id ne "b""# };
        insert(&mut matcher, filter);
    }
    let (work, hits) = work(&matcher, &[("id", "a")]);
    assert_eq!((work.probes, work.postings, work.tests, hits), (1, 15, 5, 15));
}

/// `spaceId` comes after attributes that no filter mentions.
#[test]
fn never_looks_up_an_attribute_that_no_filter_mentions() {
    let mut matcher = Matcher::new(&Profile::webhook());
    insert(&mut matcher, r#"spaceId eq "s" and data.status eq "ok""#);
    let others = [("id", "a"), ("topLevelResourceId", "r"), ("data.status", "ok")];
    let (work, hits) = work(&matcher, &[&others[..], &[("spaceId", "s")]].concat());
    assert_eq!((work.probes, work.tests, hits), (2, 1, 1));
}

#[test]
fn indexes_a_filter_by_the_fewest_sufficient_values() {
    for (filter, postings) in [
        // The first operand is true by default, so it decides nothing.
        (r#"id ne "a" and spaceId eq "s""#, 1),
        (r#"id eq "a" or spaceId ne "s""#, 1),
        // No key is taken from an operand that is not chosen.
        (r#"id eq "a" and (spaceId eq "r" or spaceId eq "s")"#, 1),
        (r#"id ne "a" or spaceId ne "r" and spaceId ne "s""#, 1),
        // Each of them flips the verdict.
        (r#"id eq "a" or spaceId eq "s""#, 2),
        (r#"id ne "a" and spaceId ne "s""#, 2),
        // The first of equally expensive operands.
        (r#"id eq "a" and id eq "b""#, 1),
        // The same value in two terms has one posting.
        (r#"id eq "a" or id eq "a" and spaceId eq "s""#, 1),
    ] {
        let mut matcher = Matcher::new(&Profile::webhook());
        insert(&mut matcher, filter);
        assert_eq!(matcher.stats().postings, postings, "{filter}");
    }
}

/// A value with few postings is preferred to one with slightly more, not only to one with many.
#[test]
fn indexes_shared_value_filters_by_their_rarer_value() {
    let mut matcher = Matcher::new(&Profile::webhook());
    for n in 0..100 {
        insert(&mut matcher, &format!(r#"id eq "a" and spaceId eq "s{n}""#));
    }
    let (work, hits) = work(&matcher, &[("id", "a"), ("spaceId", "s7")]);
    assert_eq!((work.postings, work.tests, hits), (2, 2, 1));
}

/// The fewer values an attribute can have, the more events share each of them.
#[test]
fn avoids_keys_of_attributes_with_few_values() {
    let place = |name: &str| [JsonPath::new(["data", name])];
    let many: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    let profile = Profile::new([
        Attribute::new("size", place("size")).one_of(["s", "l"]),
        Attribute::new("colour", place("colour")).one_of(many.iter().map(String::as_str)),
        Attribute::new("name", place("name")),
    ])
    .unwrap();
    let postings = |filter: &str| {
        let mut matcher = Matcher::new(&profile);
        let filter = profile.filter(filter).unwrap();
        matcher.insert(&Subscription::new("t", ["x"], filter)).unwrap();
        [("size", "s"), ("colour", "c7"), ("name", "n")]
            .map(|value| work(&matcher, &[value]).0.postings)
    };
    assert_eq!(postings(r#"size eq "s" and colour eq "c7""#), [0, 1, 0]);
    assert_eq!(postings(r#"size eq "s" and name eq "n""#), [0, 0, 1]);
    assert_eq!(postings(r#"size eq "s" and colour eq "c7" and name eq "n""#), [0, 0, 1]);
}

/// For matchers that mostly hold one thing, `bytes` is what the allocator returned.
#[test]
fn counts_the_bytes_of_each_part() {
    const COUNT: usize = 700;
    let profile = Profile::webhook();
    let names: Vec<String> = (0..6).map(|n| format!("a{n}")).collect();
    let place = |name: &String| Attribute::new(&**name, [JsonPath::new(["data", name])]);
    let wide = Profile::new(names.iter().map(place)).unwrap();
    let long = |n: usize| format!("{n:0>500}");
    let value = |value: String| subscription("t", &["x"], &format!(r#"id eq "{value}""#));
    let owned = |types: &[&str], owner: String| {
        subscription("t", types, "").with_audience(Audience::Owner(owner.into()))
    };
    type New<'n> = (&'n str, &'n Profile, &'n dyn Fn(usize) -> Subscription);
    let parts: [New<'_>; 10] = [
        ("no filter", &profile, &|_| subscription("t", &["x"], "")),
        ("values", &profile, &|n| value(n.to_string())),
        ("long values", &profile, &|n| value(long(n))),
        ("tenants", &profile, &|n| subscription(&n.to_string(), &["x"], "")),
        ("long tenants", &profile, &|n| subscription(&long(n), &["x"], "")),
        ("event types", &profile, &|n| subscription("t", &[&long(n), &long(n + COUNT)], "")),
        ("many event types", &profile, &|n| {
            let types: Vec<_> = (0..5).map(|at| format!("x{}", n / 2 + at)).collect();
            owned(&types.iter().map(String::as_str).collect::<Vec<_>>(), n.to_string())
        }),
        ("owners", &profile, &|n| owned(&["x"], long(n))),
        ("disabled", &profile, &|n| owned(&["x", "y"], n.to_string()).with_enabled(false)),
        ("attributes", &wide, &|n| {
            let filter = wide.filter(r#"a5 ne "v""#).unwrap();
            Subscription::new("t", [n.to_string()], filter)
        }),
    ];
    for (part, profile, new) in parts {
        let subscriptions: Vec<_> = (0..COUNT).map(new).collect();
        let mut matcher = None;
        let used = measure(|| {
            let matcher = matcher.insert(Matcher::new(profile));
            let slots = subscriptions.iter().map(|new| matcher.insert(new).unwrap());
            // A third of the slots is free.
            let slots: Vec<_> = slots.collect();
            slots.iter().step_by(3).for_each(|slot| assert!(matcher.remove(*slot)));
        });
        let mut matcher = matcher.unwrap();
        let (reported, allocated) = (matcher.bytes() as i64, used.bytes_current);
        assert_eq!(reported, allocated, "{part}");
        let used = measure(|| matcher.shrink());
        assert!(used.bytes_current < 0, "{part}");
        assert_eq!(matcher.bytes() as i64, reported + used.bytes_current, "{part} after shrinking");
    }
}

/// Returns how often `bytes` decreases while the slots are removed one by one.
fn falls(matcher: &mut Matcher, slots: Vec<Slot>) -> usize {
    let mut before = matcher.bytes();
    let mut fall = |slot: &Slot| {
        assert!(matcher.remove(*slot));
        let bytes = matcher.bytes();
        std::mem::replace(&mut before, bytes) > bytes
    };
    slots.iter().filter(|slot| fall(slot)).count()
}

/// Memory is given back, but not on each removal.
#[test]
fn relocates_plans_when_most_of_their_memory_is_free() {
    const TERMS: usize = 61;
    let mut matcher = Matcher::new(&Profile::webhook());
    let mut slots = Vec::new();
    for n in 0..500 {
        // Each filter has the same values in another order.
        let term = |at| format!(r#"spaceId eq "s{}""#, (at * (1 + n / TERMS) + n) % TERMS);
        let terms: Vec<_> = (1..TERMS).map(term).collect();
        slots.push(insert(&mut matcher, &format!(r#"id eq "{n}" and ({})"#, terms.join(" or "))));
    }
    assert_eq!(matcher.stats().plans, slots.len());
    let before = matcher.bytes();
    let falls = falls(&mut matcher, slots);
    assert!(matcher.bytes() < before / 2, "{} of {before}", matcher.bytes());
    assert!((1..10).contains(&falls), "{falls} times");
}

/// Relocating visits the entries of all values, free ones included, so it must pay off.
#[test]
fn keeps_lists_in_place_while_fewer_words_are_free_than_entries_exist() {
    let mut matcher = Matcher::new(&Profile::webhook());
    insert(&mut matcher, "");
    // Four webhooks for each value: fewer have no list in the arena.
    let many = (0..16_000).map(|n| insert(&mut matcher, &format!(r#"id eq "{}""#, n / 4)));
    let many = many.collect();
    assert!(falls(&mut matcher, many) > 0);
    for _ in 0..2 {
        let one = (0..400).map(|_| insert(&mut matcher, r#"id eq "a""#)).collect();
        assert_eq!(falls(&mut matcher, one), 0);
    }
}

/// The values have posting lists for several event types and owners.
#[test]
fn leaves_nothing_after_changes_in_many_buckets() {
    let mut matcher = Matcher::new(&Profile::webhook());
    let owner = |n: usize| Audience::Owner(format!("u{}", n % 3).into());
    let new = |n: usize| {
        let filter = format!(r#"id eq "{}" or spaceId eq "s" and id ne "b""#, n % 4);
        let new = subscription("t", &["x", "y", "z"], &filter);
        if n.is_multiple_of(2) { new } else { new.with_audience(owner(n)) }
    };
    let new: Vec<_> = (0..6).map(new).collect();
    let mut round = || {
        let slots: Vec<_> = new.iter().map(|new| matcher.insert(new).unwrap()).collect();
        slots.into_iter().for_each(|slot| assert!(matcher.remove(slot)));
        matcher.bytes()
    };
    let warm = (0..10).map(|_| round()).last();
    (0..100).for_each(|_| assert_eq!(Some(round()), warm));
}
