//! Slots out of several lists, in ascending order and without doubles.

use wide::i32x8;

/// Sorts the slots from `begin` on and drops doubles.
#[inline]
pub(super) fn sort_from(slots: &mut Vec<u32>, begin: usize) {
    let Some(part) = slots.get_mut(begin..) else { return };
    let kept = match part.len() {
        0..2 => return,
        2..=8 => rank::<1>(part),
        9..=16 => rank::<2>(part),
        17..=24 => rank::<3>(part),
        25..=32 => rank::<4>(part),
        _ => {
            part.sort_unstable();
            unique(part)
        }
    };
    slots.truncate(begin + kept);
}

/// Sorts at most eight times `N` slots by counting for each how many are less: many steps, and none
/// that depends on how a comparison came out, which no processor could foresee.
#[inline]
fn rank<const N: usize>(slots: &mut [u32]) -> usize {
    // Signed numbers compare as the slots do.
    const SIGN: u32 = 1 << 31;
    const NO_SLOT: u32 = u32::MAX;
    let mut lanes = [[i32::MAX; 8]; N];
    for (lane, slot) in lanes.as_flattened_mut().iter_mut().zip(&*slots) {
        *lane = (slot ^ SIGN).cast_signed();
    }
    let values = lanes.map(i32x8::new);
    let mut ranks = [i32x8::new([0; 8]); N];
    for slot in &*slots {
        let other = i32x8::splat((slot ^ SIGN).cast_signed());
        for (rank, value) in ranks.iter_mut().zip(&values) {
            // A comparison that holds gives -1.
            *rank -= other.simd_lt(*value);
        }
    }
    let mut sorted = [[NO_SLOT; 8]; N];
    let sorted = sorted.as_flattened_mut();
    let ranks = ranks.map(i32x8::to_array);
    for (slot, rank) in slots.iter().zip(ranks.as_flattened()) {
        if let Some(place) = sorted.get_mut(*rank as usize) {
            *place = *slot;
        }
    }
    // Equal slots took the same place, and left others empty.
    let mut kept = 0;
    let count = slots.len();
    for slot in sorted.iter().take(count) {
        if let Some(place) = slots.get_mut(kept) {
            *place = *slot;
        }
        kept += usize::from(*slot != NO_SLOT);
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
            let most = [4, 40, 1 << 32][round % 3];
            let slots: Vec<u32> =
                (0..random(70)).map(|_| (random(most) as u32).min(u32::MAX - 1)).collect();
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
