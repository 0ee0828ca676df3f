//! Sorts the slots of several posting lists and removes duplicates.
//!
//! Each posting list is ascending, but a match collects slots from several of them, and a slot
//! may be in two. The verdict is the same by whichever value a slot is reached, so duplicates are
//! simply dropped.
//!
//! # Algorithms
//!
//! | slots | algorithm | reason |
//! | --- | --- | --- |
//! | 0, 1 | nothing | already sorted |
//! | up to 32 | [`rank_sort`] over 8, 16, 24 or 32 lanes | no branch depends on a comparison |
//! | more | the standard library's sort | it is faster then |
//!
//! A rank sort counts for each slot how many others are less: that count is its position. It does
//! more comparisons than a merge, but the number of steps depends only on how many groups of eight
//! there are, so the processor predicts every branch.
//!
//! ```text
//! slots             7   3   9   3   MAX MAX MAX MAX     4 slots, padded to 8
//! less than each    2   0   3   0   4   4   4   4       sum 21
//! without duplicates the sum is 0 + 1 + 2 + 3 + 4 * 4 = 22: there is a duplicate
//! ```
//!
//! Two equal slots have the same rank and leave a position free, so any duplicate lowers the sum
//! of the ranks. If the sum is what unique slots have, the ranks are a permutation and each slot is
//! written to its position. Otherwise, which is rare, the standard sort and a pass over neighbors
//! do the work.
//!
//! # Invariants
//!
//! - `u32::MAX` is not a slot: it pads the list to a multiple of eight, and sorts last.
//! - The vectors compare signed numbers. Flipping the sign bit of every slot makes the signed order
//!   that of the slots.
//!
//! # Rejected
//!
//! Four ascending lists, concatenated, in ns:
//!
//! | slots | 8 | 16 | 21 | 32 | 33 | 64 | 128 | 300 | 1,000 |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | by rank | 9 | 22 | 50 | 72 | | | | | |
//! | the standard library's sort | 16 | 38 | 64 | 97 | 137 | 342 | 850 | 2,310 | 9,000 |
//! | 32 parts of the range, each by rank | | | | | 650 | 819 | 1,100 | 1,930 | 9,400 |
//!
//! - The standard library's sort for few slots: see the table. When it was replaced, a match with 21
//!   hits went from 362 to 303 ns. With it, the bench `matches selective_100_000` takes 6 % more
//!   instructions, but `matches full_10_000`, where there is less to sort, 2 % fewer.
//! - Dividing more than 32 slots into parts of their range: it is slower up to some 200 slots.
//! - Merging the lists element by element, and sort networks: 21 dependent steps that the processor
//!   cannot predict.
//! - Leaving slots unsorted: 8 to 10 % of a warm match, but `Matches` promises ascending slots.

use wide::i32x8;

/// Sorts the slots from `begin` on and removes duplicates among them.
#[inline]
pub(super) fn sort_unique_from(slots: &mut Vec<u32>, begin: usize) {
    let count = slots.len() - begin;
    // `rank_sort` reads groups of eight, so the last group may extend past the last slot.
    slots.extend_from_slice(&[u32::MAX; 8]);
    let (_, part) = slots.split_at_mut(begin);
    let kept = sort(part, count);
    slots.truncate(begin + kept);
}

/// Sorts the first `count` slots and returns how many unique ones there are.
///
/// After them, `slots` must have `u32::MAX` up to a multiple of eight.
fn sort(slots: &mut [u32], count: usize) -> usize {
    match count {
        0..2 => count,
        2..=8 => rank_sort::<1>(slots, count),
        9..=16 => rank_sort::<2>(slots, count),
        17..=24 => rank_sort::<3>(slots, count),
        25..=32 => rank_sort::<4>(slots, count),
        _ => sort_plainly(slots, count),
    }
}

#[cold]
fn sort_plainly(slots: &mut [u32], count: usize) -> usize {
    let (slots, _) = slots.split_at_mut(count);
    slots.sort_unstable();
    unique(slots)
}

/// Sorts at most `8 * N` slots by their ranks; see the [module](self).
#[inline]
#[expect(clippy::expect_used, reason = "the slots are padded to a multiple of eight")]
#[expect(clippy::indexing_slicing, reason = "a rank is at most the number of slots")]
fn rank_sort<const N: usize>(slots: &mut [u32], count: usize) -> usize {
    const SIGN: i32x8 = i32x8::new([i32::MIN; 8]);
    let slots = slots.as_chunks_mut().0.first_chunk_mut::<N>().expect("padded slots");
    // The ranks of the copy are computed before the slots are overwritten.
    let copy = *slots;
    let values = copy.map(|lanes| i32x8::new(lanes.map(u32::cast_signed)) ^ SIGN);
    let mut ranks = [i32x8::new([0; 8]); N];
    for slot in copy.as_flattened() {
        let other = i32x8::splat(slot.cast_signed()) ^ SIGN;
        for (rank, value) in ranks.iter_mut().zip(&values) {
            // A comparison that holds has all bits set, which is -1.
            *rank -= other.simd_lt(*value);
        }
    }
    let sum = ranks.iter().fold(i32x8::new([0; 8]), |sum, rank| sum + *rank).reduce_add() as usize;
    let slots = slots.as_flattened_mut();
    if sum != sum_of_unique_ranks(count, slots.len()) {
        return sort_plainly(slots, count);
    }
    let ranks = ranks.map(i32x8::to_array);
    // The padding has rank `count`, so it overwrites nothing that is kept.
    for (slot, rank) in copy.as_flattened().iter().zip(ranks.as_flattened()) {
        slots[*rank as usize] = *slot;
    }
    count
}

/// Returns the sum of the ranks of `count` unique slots, padded to `len`.
///
/// The slots have the ranks 0, 1, 2, …; each padding lane has the rank `count`.
fn sum_of_unique_ranks(count: usize, len: usize) -> usize {
    count * (count - 1) / 2 + (len - count) * count
}

/// Moves the first of equal neighbors to the front and returns how many there are.
fn unique(sorted: &mut [u32]) -> usize {
    let (mut kept, mut last) = (0, None);
    for at in 0..sorted.len() {
        let slot = sorted.get(at).copied();
        if slot != last {
            sorted.swap(kept, at);
            kept += 1;
        }
        last = slot;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{sort_unique_from, sum_of_unique_ranks};

    #[test]
    fn detects_duplicates_by_the_sum_of_ranks() {
        for (count, len, sum) in [(2, 8, 13), (5, 8, 25), (8, 8, 28), (9, 16, 99), (31, 32, 496)] {
            assert_eq!(sum_of_unique_ranks(count, len), sum);
        }
        for count in 2..200 {
            let mut slots = vec![7; count];
            sort_unique_from(&mut slots, 0);
            assert_eq!(slots, [7], "of {count}");
        }
    }

    /// Slots with the highest bit come after those without.
    #[test]
    fn compares_slots_as_unsigned() {
        let mut slots = [1, 1 << 31, 2, 3 + (1 << 31), u32::MAX - 1, 0, 2 + (1 << 31), 3].to_vec();
        let mut expected = slots.clone();
        expected.sort_unstable();
        sort_unique_from(&mut slots, 0);
        assert_eq!(slots, expected);
    }

    #[test]
    fn agrees_with_a_plain_sort() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) % below
        };
        for round in 0..if cfg!(miri) { 60 } else { 20_000 } {
            let limit = [4, 40, 1000, 1 << 32][round % 4];
            let count = if round % 50 == 0 { 1500 } else { 70 };
            let slots: Vec<u32> =
                (0..random(count)).map(|_| (random(limit) as u32).min(u32::MAX - 1)).collect();
            let begin = random(slots.len() as u64 + 1) as usize;
            let mut expected = slots[begin..].to_vec();
            expected.sort_unstable();
            expected.dedup();
            let mut sorted = slots.clone();
            sort_unique_from(&mut sorted, begin);
            assert_eq!(sorted, [&slots[..begin], &expected].concat());
        }
    }
}
