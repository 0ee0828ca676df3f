//! Slots out of several lists, in ascending order and without doubles.

use wide::i32x8;

/// Most slots that are ranked.
const RANKED: usize = 32;
/// Most slots that are spread; beyond, sorting in general is as fast.
const SPREAD: usize = 1 << 10;

/// Sorts the slots from `begin` on and drops doubles.
#[inline]
pub(super) fn sort_from(slots: &mut Vec<u32>, begin: usize) {
    let count = slots.len() - begin;
    // Slots are taken eight by eight, which may reach behind the last.
    slots.extend_from_slice(&[u32::MAX; 8]);
    let kept = slots.get_mut(begin..).map_or(0, |part| sort(part, count));
    slots.truncate(begin + kept);
}

/// Sorts the first `count`, behind which is the greatest number up to a multiple of eight; how many are
/// kept.
fn sort(slots: &mut [u32], count: usize) -> usize {
    match count {
        0..2 => count,
        2..=8 => rank::<1>(slots, count),
        9..=16 => rank::<2>(slots, count),
        17..=24 => rank::<3>(slots, count),
        25..=RANKED => rank::<4>(slots, count),
        33..=SPREAD => spread(slots, count),
        _ => sort_plainly(slots, count),
    }
}

#[cold]
fn sort_plainly(slots: &mut [u32], count: usize) -> usize {
    let slots = slots.get_mut(..count).unwrap_or_default();
    slots.sort_unstable();
    unique(slots)
}

/// Sorts at most eight times `N` slots by counting for each how many are less: many steps, and none
/// that depends on how a comparison came out, nor on how many there are, which no processor could
/// foresee. Those behind the last are greater than all others.
#[inline]
fn rank<const N: usize>(slots: &mut [u32], count: usize) -> usize {
    // Signed numbers compare as the slots do.
    const SIGN: i32x8 = i32x8::new([i32::MIN; 8]);
    let Some(slots) = slots.as_chunks_mut().0.first_chunk_mut::<N>() else { return 0 };
    let copy = *slots;
    let values = copy.map(|lanes| i32x8::new(lanes.map(u32::cast_signed)) ^ SIGN);
    let mut ranks = [i32x8::new([0; 8]); N];
    for slot in copy.as_flattened() {
        let other = i32x8::splat(slot.cast_signed()) ^ SIGN;
        for (rank, value) in ranks.iter_mut().zip(&values) {
            // A comparison that holds gives -1.
            *rank -= other.simd_lt(*value);
        }
    }
    let sum = ranks.iter().fold(i32x8::new([0; 8]), |sum, rank| sum + *rank).reduce_add() as usize;
    let slots = slots.as_flattened_mut();
    if sum != sum_without_doubles(count, slots.len()) {
        return sort_plainly(slots, count);
    }
    let ranks = ranks.map(i32x8::to_array);
    for (slot, rank) in copy.as_flattened().iter().zip(ranks.as_flattened()) {
        if let Some(place) = slots.get_mut(*rank as usize) {
            *place = *slot;
        }
    }
    count
}

/// Without doubles the ranks are 0, 1, 2, …, and for those behind the last the number of all others.
fn sum_without_doubles(count: usize, len: usize) -> usize {
    count * (count - 1) / 2 + (len - count) * count
}

/// Sorts slots by parts of the range they lie in, each of which has few of them.
fn spread(slots: &mut [u32], count: usize) -> usize {
    const PARTS: usize = 32;
    let mut copy = [0; SPREAD];
    let (Some(copy), Some(part)) = (copy.get_mut(..count), slots.get(..count)) else { return 0 };
    copy.copy_from_slice(part);
    let least = copy.iter().copied().min().unwrap_or_default();
    let range = copy.iter().copied().max().unwrap_or_default() - least;
    // So many bits less that the parts suffice.
    let shift = (u32::BITS - range.leading_zeros()).saturating_sub(PARTS.trailing_zeros());
    let part_of = |slot: u32| ((slot - least) >> shift) as usize % PARTS;
    let mut ends = [0; PARTS];
    for slot in &*copy {
        if let Some(count) = ends.get_mut(part_of(*slot)) {
            *count += 1;
        }
    }
    let mut end = 0;
    let begins = ends.map(|count| {
        end += count;
        end - count
    });
    let mut ends = begins;
    for slot in &*copy {
        if let Some(end) = ends.get_mut(part_of(*slot)) {
            if let Some(place) = slots.get_mut(*end) {
                *place = *slot;
            }
            *end += 1;
        }
    }
    let mut kept = 0;
    for (begin, end) in begins.into_iter().zip(ends) {
        let Some(part) = slots.get_mut(begin..end) else { break };
        let mut few = [u32::MAX; RANKED];
        let count = match few.get_mut(..part.len()) {
            Some(copy) => {
                copy.copy_from_slice(part);
                let count = sort(&mut few, part.len());
                part.copy_from_slice(few.get(..part.len()).unwrap_or_default());
                count
            }
            None => sort_plainly(part, part.len()),
        };
        slots.copy_within(begin..begin + count, kept);
        kept += count;
    }
    kept
}

/// Moves the first of equal neighbours to the front; how many there are.
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
    use super::{sort_from, sum_without_doubles};

    #[test]
    fn doubles_make_another_sum() {
        for (count, len, sum) in [(2, 8, 13), (5, 8, 25), (8, 8, 28), (9, 16, 99), (31, 32, 496)] {
            assert_eq!(sum_without_doubles(count, len), sum);
        }
        for count in 2..200 {
            let mut slots = vec![7; count];
            sort_from(&mut slots, 0);
            assert_eq!(slots, [7], "of {count}");
        }
    }

    /// Slots with the highest bit are behind those without.
    #[test]
    fn slots_are_numbers_without_a_sign() {
        let mut slots = [1, 1 << 31, 2, 3 + (1 << 31), u32::MAX - 1, 0, 2 + (1 << 31), 3].to_vec();
        let mut expected = slots.clone();
        expected.sort_unstable();
        sort_from(&mut slots, 0);
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
            let most = [4, 40, 1000, 1 << 32][round % 4];
            let count = if round % 50 == 0 { 1500 } else { 70 };
            let slots: Vec<u32> =
                (0..random(count)).map(|_| (random(most) as u32).min(u32::MAX - 1)).collect();
            let begin = random(slots.len() as u64 + 1) as usize;
            let mut expected = slots[begin..].to_vec();
            expected.sort_unstable();
            expected.dedup();
            let mut sorted = slots.clone();
            sort_from(&mut sorted, begin);
            assert_eq!(sorted, [&slots[..begin], &expected].concat());
        }
    }
}
