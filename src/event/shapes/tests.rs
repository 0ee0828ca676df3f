use super::{GOOD, MAX_LONG, PIECE, Policy, ShapeCache};
use crate::event::{AttributePaths, Event};

fn document(more: &str) -> String {
    format!(r#"{{"type":"x","id":"1","data":{{"n":12}},{more}"tenantid":"t","end":[]}}"#)
}

/// Reads documents; returns how many had a known shape, and how many were compared in vain.
fn count(documents: impl Iterator<Item = String>) -> (usize, usize) {
    let paths = AttributePaths::new([] as [(&str, Vec<_>); 0]).unwrap();
    let (mut shapes, mut hits, mut misses) = (ShapeCache::default(), 0, 0);
    for document in documents {
        let due = shapes.policy.pause == 0;
        let found = &mut [Default::default(); 32];
        let known = due && super::recognize(&shapes.nodes, &document, found).is_some();
        hits += usize::from(known);
        misses += usize::from(due && !known);
        Event::read_with(&paths, document.as_bytes(), &mut shapes).unwrap();
    }
    (hits, misses)
}

#[test]
fn learns_a_few_shapes_soon() {
    let (hits, misses) = count((0..1_000).map(|_| document("")));
    assert_eq!((hits, misses), (998, 1));
    let mut state = 1u64;
    let eight = (0..10_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bits = state >> 33;
        let mut more = String::new();
        for (bit, member) in [r#""a":"","#, r#""b":0,"#, r#""c":[1],"#].iter().enumerate() {
            more.push_str(if bits >> bit & 1 == 1 { member } else { "" });
        }
        document(&more)
    });
    let (hits, misses) = count(eight);
    assert!(hits > 9_000 && misses < 50, "{hits} {misses}");
}

#[test]
fn rarely_tries_shapes_if_each_event_has_a_new_one() {
    let (hits, misses) = count((0..10_000).map(|n| document(&format!(r#""x{n}":0,"#))));
    assert!(hits == 0 && misses < 60, "{hits} {misses}");
    let long = r#""a":0,"#.repeat(MAX_LONG);
    let (hits, misses) = count((0..10_000).map(|_| document(&long)));
    assert!(hits == 0 && misses < 60, "{hits} {misses}");
}

#[test]
fn forgets_all_shapes_if_there_is_no_room() {
    let new = |n: usize| {
        let members: String = (0..200).map(|at| format!(r#""x{n}-{at}":0,"#)).collect();
        document(&members)
    };
    let documents = (0..3_000).map(|n| if n < 1_000 { new(n) } else { document("") });
    let (hits, misses) = count(documents);
    assert!(hits > 1_500 && misses < 30, "{hits} {misses}");
}

/// A long name takes several pieces. The same member may be a number, a string or an array.
#[test]
fn recognizes_long_text_between_values_and_values_of_other_kinds() {
    let long = format!(r#""{}":0,"#, "x".repeat(4 * PIECE));
    let blanks = " ".repeat((MAX_LONG + 1) * PIECE);
    let more = [r#""a":0,"#, r#""a":"0","#, r#""a":[],"#, &long];
    let (hits, misses) = count((0..1_000).map(|n| document(more[n % more.len()])));
    assert!(hits > 950 && misses < 10, "{hits} {misses}");
    let (hits, _) = count((0..1_000).map(|_| document(&blanks)));
    assert_eq!(hits, 0, "the shape is too long to be remembered");
}

#[test]
fn lengthens_each_pause_until_hits_are_frequent() {
    let mut policy = Policy::default();
    let mut pause = |hits: u8| {
        (0..hits).for_each(|_| policy.hit());
        let learns = policy.miss();
        (learns, std::mem::take(&mut policy.pause))
    };
    assert_eq!([0, 3, 0].map(&mut pause), [(true, 1), (true, 3), (true, 7)]);
    assert_eq!([8, 0, 0].map(&mut pause), [(false, 0), (false, 0), (true, 15)]);
    let [less, good] = [GOOD, GOOD + 1].map(|hits| {
        let after = std::iter::once(pause(hits)).chain(std::iter::repeat_with(|| pause(0)));
        after.map(|(_, pause)| pause).find(|pause| *pause > 0)
    });
    assert_eq!((less, good), (Some(31), Some(1)));
}

#[test]
fn learns_every_sixteenth_miss() {
    let mut policy = Policy::default();
    let learns = |_: &u32| {
        (0..4).for_each(|_| policy.hit());
        policy.miss()
    };
    assert_eq!((1..=48).filter(learns).collect::<Vec<_>>(), [16, 32, 48]);
}

/// At any share of new shapes, misses cost little more than hits gain.
#[test]
fn misses_rarely_compared_with_hits() {
    for new in 1..=20u64 {
        let mut state = new;
        let documents = (0..20_000).map(|n| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let is_new = (state >> 33) % 20 < new;
            document(&if is_new { format!(r#""x{n}":0,"#) } else { String::new() })
        });
        let (hits, misses) = count(documents);
        assert!(misses < hits / 4 + 600, "{new} of 20: {hits} {misses}");
    }
}
