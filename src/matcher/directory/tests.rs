use super::{Directory, MAX, is_root, pairs};
use crate::matcher::arena::Arena;
use std::collections::{BTreeMap, btree_map::Entry};

fn check(directory: Directory, arena: &Arena, plain: &BTreeMap<u32, u32>) {
    assert!(directory.all(arena).eq(plain.iter().map(|(key, place)| [*key, *place])));
    let leaves = match is_root(arena, directory.0) {
        true => pairs(arena, directory.0),
        false => &[[0, directory.0]],
    };
    assert!(leaves.iter().all(|[_, leaf]| (1..=MAX).contains(&pairs(arena, *leaf).len())));
    assert!(leaves.len() <= 1 + plain.len() / (MAX / 16), "{} leaves", leaves.len());
    // The least key of the first leaf is never read.
    for (number, [least, leaf]) in leaves.iter().enumerate().skip(1) {
        let next = leaves.get(number + 1).map_or(u64::from(u32::MAX) + 1, |[key, _]| (*key).into());
        let keys = pairs(arena, *leaf).iter().map(|[key, _]| *key);
        assert!(
            keys.clone().all(|key| *least <= key && u64::from(key) < next),
            "leaf {number} of {least}..{next} has {keys:?}"
        );
    }
    for (key, place) in plain {
        assert_eq!(directory.find(arena, *key), Some(*place), "{key}");
        assert_eq!(directory.floor(arena, *key), [*key, *place]);
    }
}

#[test]
fn agrees_with_a_plain_map() {
    let mut state = 7u64;
    let mut random = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32 % below
    };
    let mut arena = Arena::default();
    let mut plain = BTreeMap::from([(5, 50), (9, 90)]);
    let mut directory = Directory::new(&mut arena, &[[5, 50], [9, 90]]);
    let steps = if cfg!(miri) { 300 } else { 6_000 };
    // Grows in order, then grows and shrinks at random, then shrinks.
    for (phase, add) in [(0, 100), (1, 70), (2, 30), (3, 50), (4, 0)] {
        for step in 0..steps {
            let key = if phase == 0 { 10 + step } else { random(3 * steps) };
            if random(100) < add {
                if let Entry::Vacant(entry) = plain.entry(key) {
                    entry.insert(step);
                    directory.insert(&mut arena, [key, step]);
                }
            } else if plain.len() > 2
                && let Some(key) = plain.range(key..).next().map(|(key, _)| *key)
            {
                plain.remove(&key);
                directory.remove(&mut arena, key);
            }
            let key = random(3 * steps);
            assert_eq!(directory.find(&arena, key), plain.get(&key).copied());
            if step % 50 == 0 {
                check(directory, &arena, &plain);
            }
        }
        check(directory, &arena, &plain);
        let mut other = Arena::default();
        let relocated = directory.relocated(&arena, &mut other, |_, place| place + 1);
        let expected = plain.iter().map(|(key, place)| (*key, place + 1)).collect();
        check(relocated, &other, &expected);
    }
    while plain.len() > 1 {
        let key = *plain.keys().next().unwrap();
        plain.remove(&key);
        assert_eq!(directory.only(&arena), None);
        directory.remove(&mut arena, key);
    }
    assert_eq!(directory.only(&arena), plain.pop_first().map(|(key, place)| [key, place]));
    directory.free(&mut arena);
    assert_eq!(arena.free_words(), arena.len(), "a block is not freed");
}

/// The leaf after an emptied first leaf keeps its least key, and smaller keys are added to it.
#[test]
fn agrees_with_a_plain_map_after_removing_first_leaves() {
    let mut state = 3u64;
    let mut random = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32 % below
    };
    let (rounds, few) = if cfg!(miri) { (2, 300) } else { (60, 600) };
    let mut arena = Arena::default();
    let mut plain: BTreeMap<u32, u32> = (0..2).map(|key| (100_000 + key, key)).collect();
    let start: Vec<_> = plain.iter().map(|(key, place)| [*key, *place]).collect();
    let mut directory = Directory::new(&mut arena, &start);
    for round in 0..rounds {
        let least = plain.keys().next().copied().unwrap();
        // Around the least key and below it: at random, descending, ascending.
        for step in 0..few {
            let key = match round % 3 {
                0 => random(least + 2_000),
                1 => least.saturating_sub(1 + step),
                _ => least.saturating_sub(few) + step,
            };
            if let Entry::Vacant(entry) = plain.entry(key) {
                entry.insert(step);
                directory.insert(&mut arena, [key, step]);
            }
        }
        check(directory, &arena, &plain);
        for _ in 0..few / 2 + random(few) {
            if plain.len() <= 2 {
                break;
            }
            let (key, _) = plain.pop_first().unwrap();
            directory.remove(&mut arena, key);
            assert_eq!(directory.find(&arena, key), None);
        }
        check(directory, &arena, &plain);
    }
}
