use super::{Found, INLINE, PostingList, Postings, SEVERAL, STORED};
use crate::matcher::arena::Arena;
use std::collections::BTreeMap;

/// The slots of a bucket with their residuals.
type Plain = BTreeMap<u32, Option<u32>>;

fn read(postings: &Postings, arena: &Arena, bucket: u32) -> Plain {
    let (mut sufficient, mut residuals) = (Vec::new(), Vec::new());
    match postings.find(arena, bucket) {
        Found::Nothing => {}
        Found::Inline(list) => {
            list.append_sufficient(&mut sufficient);
            assert_eq!(list.has_sufficient(), !sufficient.is_empty());
            residuals.extend(list.residual());
        }
        Found::Stored(at) => {
            let list = PostingList::at(arena, at);
            sufficient.extend_from_slice(list.sufficient());
            residuals.extend_from_slice(list.residuals());
        }
    }
    assert!(sufficient.is_sorted() && residuals.is_sorted());
    let sufficient = sufficient.into_iter().map(|slot| (slot, None));
    sufficient.chain(residuals.into_iter().map(|[slot, residual]| (slot, Some(residual)))).collect()
}

/// A list is inline exactly if it fits and there is no other.
fn check_form(postings: &Postings, plain: &[Plain; 3]) {
    let words =
        |plain: &Plain| plain.values().map(|residual| 1 + usize::from(residual.is_some())).sum();
    let lens: Vec<usize> = plain.iter().map(words).filter(|len| *len > 0).collect();
    match *lens {
        [] => assert_eq!(*postings, Postings::default()),
        [len] if len <= INLINE => assert!((1..STORED).contains(&postings.form())),
        [_] => assert_eq!(postings.form(), STORED),
        _ => assert_eq!(postings.form(), SEVERAL),
    }
}

#[test]
fn keeps_short_lists_inline() {
    let mut state = 7u64;
    let mut random = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32 % below
    };
    let (mut arena, mut postings) = (Arena::default(), Postings::default());
    let mut plain: [Plain; 3] = Default::default();
    let steps = if cfg!(miri) { 500 } else { 20_000 };
    for step in 0..steps {
        // One bucket for most of the time, and few slots.
        let bucket = if step / 100 % 4 == 0 { random(3) } else { 1 };
        let slot = random(if step / 200 % 2 == 0 { 4 } else { 9 });
        let slots = &mut plain[bucket as usize];
        if let Some(residual) = slots.remove(&slot) {
            postings.remove(&mut arena, bucket, slot, residual.is_some());
        } else {
            let residual = (random(2) == 0).then_some(step);
            slots.insert(slot, residual);
            postings.insert(&mut arena, bucket, slot, residual);
        }
        check_form(&postings, &plain);
        (0..3).for_each(|at| assert_eq!(read(&postings, &arena, at), plain[at as usize]));
        if step % 50 == 0 {
            let mut other = Arena::default();
            let moved = postings.relocated(&arena, &mut other);
            (0..3).for_each(|at| assert_eq!(read(&moved, &other, at), plain[at as usize]));
            assert_eq!(other.free_words(), 0);
        }
    }
    for (bucket, slots) in (0..).zip(plain) {
        for (slot, residual) in slots {
            postings.remove(&mut arena, bucket, slot, residual.is_some());
        }
    }
    assert_eq!(postings, Postings::default());
    assert_eq!(arena.free_words(), arena.len(), "a block is not freed");
}
