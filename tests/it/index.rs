//! What the matcher tells of itself: statistics, work, bytes; and that each is no more than it promises.
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

/// The work for an event of these values, and its hits.
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
fn all_that_is_held_is_counted() {
    let mut matcher = Matcher::new(&Profile::webhook());
    assert!(matcher.is_empty());
    for new in [
        // Entries for each event type.
        subscription("t1", &["x", "y"], r#"id eq "a""#),
        // Two of one plan.
        subscription("t1", &["x"], r#"id eq "a" and spaceId eq "s""#),
        subscription("t1", &["x"], r#"id eq "a" and spaceId eq "s""#),
        subscription("t1", &["x"], r#"id eq "a" or spaceId eq "s""#),
        // A tenant's values are its own.
        subscription("t2", &["x"], r#"id eq "a""#),
        // Hits by default, of which one has no other entry.
        subscription("t1", &["x", "y"], r#"id ne "a""#),
        subscription("t1", &["x"], ""),
        // Held, with what its filter mentions, and entered nowhere.
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
fn each_posting_and_each_test_is_counted() {
    let mut matcher = Matcher::new(&Profile::webhook());
    for n in 0..15 {
        let filter = if n < 10 { r#"id eq "a""# } else { r#"id eq "a" and id ne "b""# };
        insert(&mut matcher, filter);
    }
    let (work, hits) = work(&matcher, &[("id", "a")]);
    assert_eq!((work.probes, work.postings, work.tests, hits), (1, 15, 5, 15));
}

/// `spaceId` has a place behind attributes that nothing is said of.
#[test]
fn an_attribute_that_no_filter_mentions_is_never_looked_up() {
    let mut matcher = Matcher::new(&Profile::webhook());
    insert(&mut matcher, r#"spaceId eq "s" and data.status eq "ok""#);
    let others = [("id", "a"), ("topLevelResourceId", "r"), ("data.status", "ok")];
    let (work, hits) = work(&matcher, &[&others[..], &[("spaceId", "s")]].concat());
    assert_eq!((work.probes, work.tests, hits), (2, 1, 1));
}

#[test]
fn a_filter_is_found_by_as_few_values_as_suffice() {
    for (filter, postings) in [
        // The first operand is true by default, so that it decides nothing.
        (r#"id ne "a" and spaceId eq "s""#, 1),
        (r#"id eq "a" or spaceId ne "s""#, 1),
        // Nor is what stands in an operand that need not be watched.
        (r#"id eq "a" and (spaceId eq "r" or spaceId eq "s")"#, 1),
        (r#"id ne "a" or spaceId ne "r" and spaceId ne "s""#, 1),
        // Any of them turns the verdict.
        (r#"id eq "a" or spaceId eq "s""#, 2),
        (r#"id ne "a" and spaceId ne "s""#, 2),
        // Of equally dear ones the first.
        (r#"id eq "a" and id eq "b""#, 1),
        // The same value again.
        (r#"id eq "a" or id eq "a" and spaceId eq "s""#, 1),
    ] {
        let mut matcher = Matcher::new(&Profile::webhook());
        insert(&mut matcher, filter);
        assert_eq!(matcher.stats().postings, postings, "{filter}");
    }
}

/// Few postings are less than a few more, not only than very many.
#[test]
fn of_filters_that_share_a_value_one_is_found_under_it() {
    let mut matcher = Matcher::new(&Profile::webhook());
    for n in 0..100 {
        insert(&mut matcher, &format!(r#"id eq "a" and spaceId eq "s{n}""#));
    }
    let (work, hits) = work(&matcher, &[("id", "a"), ("spaceId", "s7")]);
    assert_eq!((work.postings, work.tests, hits), (2, 2, 1));
}

/// The fewer values an attribute may take, the more events share one of them.
#[test]
fn an_attribute_of_few_values_is_dear() {
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

/// Of matchers that hold little beside one thing, what they say that they hold is what an allocator gave them.
#[test]
fn bytes_of_each_part_are_counted() {
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
            // Some of all places are free.
            let slots: Vec<_> = slots.collect();
            slots.iter().step_by(3).for_each(|slot| assert!(matcher.remove(*slot)));
        });
        let (told, given) = (matcher.unwrap().bytes() as i64, used.bytes_current);
        assert_eq!(told, given, "{part}");
    }
}

/// How often bytes fall while the slots are removed in turn.
fn falls(matcher: &mut Matcher, slots: Vec<Slot>) -> usize {
    let mut before = matcher.bytes();
    let mut fall = |slot: &Slot| {
        assert!(matcher.remove(*slot));
        let bytes = matcher.bytes();
        std::mem::replace(&mut before, bytes) > bytes
    };
    slots.iter().filter(|slot| fall(slot)).count()
}

/// Memory is given back, and not for each filter.
#[test]
fn plans_move_once_most_of_their_memory_is_free() {
    const TERMS: usize = 61;
    let mut matcher = Matcher::new(&Profile::webhook());
    let mut slots = Vec::new();
    for n in 0..500 {
        // Each another order of the same values.
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

/// All values are walked over to move their lists, those that were forgotten too, so that it has to pay.
#[test]
fn lists_stay_while_fewer_words_are_free_than_there_were_values() {
    let mut matcher = Matcher::new(&Profile::webhook());
    insert(&mut matcher, "");
    let many = (0..4000).map(|n| insert(&mut matcher, &format!(r#"id eq "{n}""#))).collect();
    assert!(falls(&mut matcher, many) > 0);
    for _ in 0..2 {
        let one = (0..400).map(|_| insert(&mut matcher, r#"id eq "a""#)).collect();
        assert_eq!(falls(&mut matcher, one), 0);
    }
}

/// Values with lists for several event types and owners.
#[test]
fn changes_on_many_shelves_leave_nothing() {
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
