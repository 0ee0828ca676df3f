//! What inserts and removals move in memory, counted: a change moves no more under a value that very
//! many subscriptions share, or that one has for very many event types or owners.

use crate::event::{Event, EventType, TenantId};
use crate::filter::Profile;
use crate::matcher::{Access, Audience, Matcher, Scratch, Slot, Stats, Subscription};

const SCALE: usize = if cfg!(miri) { 40 } else { 1_000 };
/// Words that a change of one posting may move on average: some 1,100 were seen in pieces, and 150 in
/// directories. One list each would be 5,000 and 10,000.
const MAX_OF_PIECES: usize = 1_500;
const MAX_OF_LEAVES: usize = 300;

fn subscription(types: impl IntoIterator<Item = String>, filter: &str) -> Subscription {
    Subscription::new("t", types, Profile::webhook().filter(filter).unwrap())
}

/// Inserts all and removes them in another order; returns the words moved per posting by either.
fn moved(all: &[Subscription], order: impl Fn(&mut [Slot])) -> [usize; 2] {
    let mut matcher = Matcher::new(&Profile::webhook());
    let mut slots: Vec<Slot> = all.iter().map(|new| matcher.insert(new).unwrap()).collect();
    let inserted = matcher.postings.moved_words;
    let postings = matcher.stats().postings;
    order(&mut slots);
    // Half of them come back, in slots that lie among the others.
    for (at, new) in all.iter().enumerate().step_by(2) {
        let at = at % slots.len();
        assert!(matcher.remove(slots[at]));
        slots[at] = matcher.insert(new).unwrap();
    }
    order(&mut slots);
    let before = matcher.postings.moved_words;
    for slot in slots {
        assert!(matcher.remove(slot));
    }
    assert_eq!(matcher.stats(), Stats::default());
    let removed = matcher.postings.moved_words - before;
    println!("{postings} postings: {inserted} words moved by inserts, {removed} by removals");
    [inserted / postings, removed / postings]
}

fn shuffle(slots: &mut [Slot]) {
    let count = slots.len();
    (1..count).for_each(|at| slots.swap(at, at.wrapping_mul(7_919) % (at + 1)));
}

/// Each order of removal, at one size and at ten times as many.
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
fn removing_from_a_value_that_all_share_moves_a_piece() {
    let tested = |n: usize| match n % 3 {
        0 => r#"spaceId eq "s" and id ne "i""#,
        _ => r#"spaceId eq "s""#,
    };
    bounded(MAX_OF_PIECES, |count| {
        (0..count).map(|n| subscription(["x".into()], tested(n))).collect()
    });
}

#[test]
fn removing_one_subscription_with_many_event_types_moves_a_leaf_for_each() {
    let types = |count: usize| (0..count).map(|n| format!("type-{n}"));
    bounded(MAX_OF_LEAVES, |count| vec![subscription(types(count), r#"spaceId eq "s""#)]);
    // Among others with the same value.
    bounded(MAX_OF_LEAVES, |count| {
        let one = |at: usize| subscription(types(count).skip(at).step_by(4), r#"spaceId eq "s""#);
        (0..4).map(one).collect()
    });
}

#[test]
fn removing_many_owners_of_one_value_moves_a_leaf() {
    let owned = |n: usize| {
        let owner = Audience::Owner(format!("u{n}").into());
        subscription(["x".into()], r#"spaceId eq "s""#).with_audience(owner)
    };
    bounded(MAX_OF_LEAVES, |count| (0..count).map(owned).collect());
}

/// Postings in pieces say what plain ones do, in each state on the way.
#[test]
fn pieces_are_matched_as_one_list() {
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
            let wants = |(_, one): &&(Slot, Subscription)| one.matches(event, Access::EventOwner);
            let mut expected: Vec<Slot> =
                live.iter().filter(wants).map(|(slot, _)| *slot).collect();
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
            // Growing at the end, and then in slots that are free again.
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
        matcher.settle();
        matcher.move_postings();
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
