//! Tests of what cannot be seen from outside: room, free memory, and the words that changes move.
//!
//! The last part counts words: a change must not move more if very many subscriptions share a
//! value, or if one subscription has it for very many event types or owners.

use crate::event::{Event, EventType, TenantId};
use crate::filter::Profile;
use crate::matcher::arena::Arena;
use crate::matcher::dictionary::Dictionary;
use crate::matcher::index::Index;
use crate::matcher::postings::MAX_BUCKETS;
use crate::matcher::{Access, Audience, Matcher, Scratch, Slot, Stats, Subscription};

fn insert(matcher: &mut Matcher, filter: &str) -> Slot {
    let filter = matcher.profile().filter(filter).unwrap();
    matcher.insert(&Subscription::new("t", ["x"], filter)).unwrap()
}

/// These sizes cannot be reached from outside.
#[test]
fn refuses_what_exceeds_the_room() {
    let index = Index::new(&Profile::webhook());
    let room = |terms, types| index.has_room(terms, types).is_some();
    assert!(room(0, 0) && room(1 << 16, 1 << 8));
    assert!(room(Dictionary::MAX - 1, 0) && !room(Dictionary::MAX, 0), "values");
    assert!(!room(1 << 20, Arena::MAX >> 20), "words of lists");
    assert!(room(0, MAX_BUCKETS - 1) && !room(0, MAX_BUCKETS), "buckets");
    assert!(!room(usize::MAX, 2) && !room(usize::MAX / 2, 2));
}

#[test]
fn packs_all_lists_when_it_shrinks() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let count = if cfg!(miri) { 1000 } else { 5000 };
    let filter = |n: usize| format!(r#"spaceId eq "s{}" or id eq "i{}""#, n % 50, n % 70);
    let slots: Vec<Slot> = (0..count).map(|n| insert(&mut matcher, &filter(n))).collect();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let event = event.with_attribute("spaceId", "s7").unwrap();
    let hits = |matcher: &Matcher| {
        let mut scratch = Scratch::default();
        matcher.matches(&event, Access::EventOwner, &mut scratch).collect::<Vec<_>>()
    };
    let (before, grown) = (hits(&matcher), matcher.bytes());
    assert_eq!(before.len(), count / 50);
    matcher.shrink();
    assert!(matcher.bytes() < grown / 8 * 7, "{} of {grown}", matcher.bytes());
    assert_eq!(hits(&matcher), before);
    let postings = &matcher.index_mut().postings;
    // Two counts for each value, and two postings for each webhook.
    assert_eq!((postings.bytes(), postings.free_words()), (4 * (2 * 120 + 2 * count), 0));

    // A list that grows leaves its block; one that shrinks does not.
    let moved = |matcher: &mut Matcher| matcher.index_mut().postings.moved_words.0;
    let start = moved(&mut matcher);
    assert!(matcher.remove(slots[0]));
    assert_eq!(matcher.index_mut().postings.free_words(), 2);
    let removed = moved(&mut matcher);
    insert(&mut matcher, &filter(0));
    assert!(removed - start <= 2 * (2 + count / 50), "{} words", removed - start);
    assert!(moved(&mut matcher) - removed <= 2 * (3 + count / 50));
    slots.into_iter().skip(1).for_each(|slot| assert!(matcher.remove(slot)));
    assert_eq!(hits(&matcher), []);
    matcher.shrink();
    assert_eq!(matcher.stats().values, 2);
}

#[test]
fn has_no_index_before_the_first_insert() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let mut scratch = Scratch::default();
    matcher.shrink();
    let filter = profile.filter(r#"id eq "i""#).unwrap();
    let slot = Matcher::new(&profile).insert(&Subscription::new("t", ["x"], filter)).unwrap();
    assert!(!matcher.remove(slot) && matcher.get(slot).is_none());
    assert_eq!(matcher.matches(&event, Access::EventOwner, &mut scratch).len(), 0);
    let queries = [(&event, Access::EventOwner); 3];
    let hits: Vec<_> = matcher.matches_all(&queries, &mut scratch).map(|of| of.len()).collect();
    assert_eq!(hits, [0; 3]);
    assert_eq!((matcher.bytes(), matcher.stats()), (0, Stats::default()));
    assert!(matcher.is_empty() && matcher.index.is_none());
}

const SCALE: usize = if cfg!(miri) { 40 } else { 1_000 };
/// The limits of words that a change of one posting moves on average. Measured are some 1,100 in
/// pieces and 150 in directories; without them it would be 5,000 and 10,000.
const MAX_OF_PIECES: usize = 1_500;
const MAX_OF_LEAVES: usize = 300;

fn subscription(types: impl IntoIterator<Item = String>, filter: &str) -> Subscription {
    Subscription::new("t", types, Profile::webhook().filter(filter).unwrap())
}

/// Inserts all and removes them in another order; returns the words moved per posting by both.
fn moved(all: &[Subscription], order: impl Fn(&mut [Slot])) -> [usize; 2] {
    let mut matcher = Matcher::new(&Profile::webhook());
    let mut slots: Vec<Slot> = all.iter().map(|new| matcher.insert(new).unwrap()).collect();
    let inserted = matcher.index_mut().postings.moved_words.0;
    let postings = matcher.stats().postings;
    order(&mut slots);
    // Half of them are inserted again, in slots between the others.
    for (at, new) in all.iter().enumerate().step_by(2) {
        let at = at % slots.len();
        assert!(matcher.remove(slots[at]));
        slots[at] = matcher.insert(new).unwrap();
    }
    order(&mut slots);
    let before = matcher.index_mut().postings.moved_words.0;
    for slot in slots {
        assert!(matcher.remove(slot));
    }
    assert_eq!(matcher.stats(), Stats::default());
    let removed = matcher.index_mut().postings.moved_words.0 - before;
    println!("{postings} postings: {inserted} words moved by inserts, {removed} by removals");
    [inserted / postings, removed / postings]
}

fn shuffle(slots: &mut [Slot]) {
    let count = slots.len();
    (1..count).for_each(|at| slots.swap(at, at.wrapping_mul(7_919) % (at + 1)));
}

/// Checks the limit in each order of removal, at one size and at ten times that size.
fn bounded(max: usize, make: impl Fn(usize) -> Vec<Subscription>) {
    let orders: [fn(&mut [Slot]); 3] = [|_| (), <[Slot]>::reverse, shuffle];
    for order in orders {
        let [few, many] = [SCALE, 10 * SCALE].map(|count| moved(&make(count), order));
        for (few, many) in few.into_iter().zip(many) {
            assert!(many <= max, "{few} words, and {many} with ten times as many");
        }
    }
}

#[test]
fn moves_one_piece_when_removing_from_a_shared_value() {
    let tested = |n: usize| match n % 3 {
        0 => r#"spaceId eq "s" and id ne "i""#,
        _ => r#"spaceId eq "s""#,
    };
    bounded(MAX_OF_PIECES, |count| {
        (0..count).map(|n| subscription(["x".into()], tested(n))).collect()
    });
}

#[test]
fn moves_one_leaf_for_each_event_type_of_a_subscription() {
    let types = |count: usize| (0..count).map(|n| format!("type-{n}"));
    bounded(MAX_OF_LEAVES, |count| vec![subscription(types(count), r#"spaceId eq "s""#)]);
    // Among other subscriptions with the same value.
    bounded(MAX_OF_LEAVES, |count| {
        let one = |at: usize| subscription(types(count).skip(at).step_by(4), r#"spaceId eq "s""#);
        (0..4).map(one).collect()
    });
}

#[test]
fn moves_one_leaf_when_removing_an_owner() {
    let owned = |n: usize| {
        let owner = Audience::Owner(format!("u{n}").into());
        subscription(["x".into()], r#"spaceId eq "s""#).with_audience(owner)
    };
    bounded(MAX_OF_LEAVES, |count| (0..count).map(owned).collect());
}

/// Long posting lists match as the specification does, while they grow and shrink.
#[test]
fn matches_pieces_as_one_list() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let mut live: Vec<(Slot, Subscription)> = Vec::new();
    let event = |id| {
        let event =
            Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"))
                .with_attribute("spaceId", "s")
                .unwrap();
        event.with_attribute("id", id).unwrap()
    };
    let events = ["a", "b"].map(event);
    let check = |matcher: &Matcher, live: &[(Slot, Subscription)]| {
        let mut scratch = Scratch::default();
        for event in &events {
            let is_hit = |(_, one): &&(Slot, Subscription)| one.matches(event, Access::EventOwner);
            let mut expected: Vec<Slot> =
                live.iter().filter(is_hit).map(|(slot, _)| *slot).collect();
            expected.sort_unstable();
            let hits: Vec<Slot> =
                matcher.matches(event, Access::EventOwner, &mut scratch).collect();
            assert_eq!(hits, expected);
        }
    };
    let filters = [
        r#"spaceId eq "s""#,
        r#"spaceId eq "s" and id eq "a""#,
        r#"spaceId ne "s""#,
        r#"spaceId eq "s" or id eq "b""#,
        r#"spaceId ne "s" or id ne "a""#,
    ];
    let mut state = 7usize;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let max = if cfg!(miri) { 30 } else { 9_000 };
    for round in 0..2 {
        while live.len() < max {
            // Grows at the end, and then in reused slots.
            if round > 0 && random(3) == 0 {
                let at = random(live.len());
                assert!(matcher.remove(live.swap_remove(at).0));
            }
            let new = subscription(["x".into()], filters[random(filters.len())]);
            live.push((matcher.insert(&new).unwrap(), new));
            if live.len().is_multiple_of(max / 6) {
                check(&matcher, &live);
            }
        }
        matcher.shrink();
        check(&matcher, &live);
        while live.len() > 5 {
            let at = if round == 0 { random(live.len()) } else { 0 };
            let (slot, one) = live.swap_remove(at);
            assert_eq!(matcher.get(slot), Some(one));
            assert!(matcher.remove(slot));
            if live.len().is_multiple_of(max / 6) || live.len() < 20 {
                check(&matcher, &live);
            }
        }
    }
    live.into_iter().for_each(|(slot, _)| assert!(matcher.remove(slot)));
    assert_eq!(matcher.stats(), Stats::default());
}
