//! Slots out of several lists, in ascending order and without doubles.

use wide::i32x8;

/// Most slots that are spread; beyond, sorting in general is as fast.
const SPREAD: usize = 1 << 10;

/// Sorts the slots from `begin` on and drops doubles.
#[inline]
pub(super) fn sort_from(slots: &mut Vec<u32>, begin: usize) {
    let Some(part) = slots.get_mut(begin..) else { return };
    let kept = sort(part);
    slots.truncate(begin + kept);
}

/// How many are kept.
fn sort(slots: &mut [u32]) -> usize {
    match slots.len() {
        len @ 0..2 => len,
        2..=8 => rank::<1>(slots),
        9..=16 => rank::<2>(slots),
        17..=24 => rank::<3>(slots),
        25..=32 => rank::<4>(slots),
        33..=SPREAD => spread(slots),
        _ => {
            slots.sort_unstable();
            unique(slots)
        }
    }
}

/// Sorts at most eight times `N` slots by counting for each how many are less: many steps, and none
/// that depends on how a comparison came out, which no processor could foresee.
#[inline]
fn rank<const N: usize>(slots: &mut [u32]) -> usize {
    // Signed numbers compare as the slots do.
    const SIGN: i32x8 = i32x8::new([i32::MIN; 8]);
    let count = slots.len();
    let mut copy = [[u32::MAX; 8]; N];
    if let Some(copy) = copy.as_flattened_mut().get_mut(..count) {
        copy.copy_from_slice(slots);
    }
    let values = copy.map(|lanes| i32x8::new(lanes.map(u32::cast_signed)) ^ SIGN);
    let mut ranks = [i32x8::new([0; 8]); N];
    for slot in &*slots {
        let other = i32x8::splat(slot.cast_signed()) ^ SIGN;
        for (rank, value) in ranks.iter_mut().zip(&values) {
            // A comparison that holds gives -1.
            *rank -= other.simd_lt(*value);
        }
    }
    // Without doubles the ranks are 0, 1, 2, … and behind them `count` for each empty lane.
    let sum: i32 = ranks.iter().map(|rank| rank.reduce_add()).sum();
    if sum as usize != count * (count - 1) / 2 + (8 * N - count) * count {
        slots.sort_unstable();
        return unique(slots);
    }
    let ranks = ranks.map(i32x8::to_array);
    for (slot, rank) in copy.as_flattened().iter().zip(ranks.as_flattened()).take(count) {
        if let Some(place) = slots.get_mut(*rank as usize) {
            *place = *slot;
        }
    }
    count
}

/// Sorts slots by parts of the range they lie in, each of which has few of them.
fn spread(slots: &mut [u32]) -> usize {
    const PARTS: usize = 32;
    let mut copy = [0; SPREAD];
    let Some(copy) = copy.get_mut(..slots.len()) else { return 0 };
    copy.copy_from_slice(slots);
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
        let few = match part.len() {
            0..=32 => sort(part),
            _ => {
                part.sort_unstable();
                unique(part)
            }
        };
        if kept != begin {
            slots.copy_within(begin..begin + few, kept);
        }
        kept += few;
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
    use super::sort_from;

    #[test]
    fn agrees_with_a_plain_sort() {
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) % below
        };
        for round in 0..20_000 {
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
