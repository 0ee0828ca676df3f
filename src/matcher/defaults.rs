//! The slots of a bucket that match by default: unless a value of the event flips them.
//!
//! A filter such as `id ne "a"` matches every event that has none of its values. Such slots have no
//! posting that an event would have to visit; a match copies them, except for the flipped ones.
//!
//! # Data structure
//!
//! A sorted list of slots in *pieces* of at most [`MAX`], each a `Vec`. Inserting or removing a
//! slot moves the slots of one piece, however many slots there are.
//!
//! ```text
//! pieces    [0, 1, 4, 5]   [9, 10]   [17, 20, 21]
//! flipped    4, 7, 20
//! hits       0, 1, 5, 7, 9, 10, 17, 21            4 and 20 are out, 7 is in
//! ```
//!
//! [`merge`](Defaults::merge) copies the runs between flipped slots in one step each, so its cost
//! is the output, and one binary search for each flipped slot. Each search is independent of the
//! previous one and is issued before the preceding run is copied, so the processor does both at
//! once.
//!
//! In the drawing, the first flipped slot, 4, ends the run `0, 1` and is dropped. The next, 7, is
//! above the last slot of the first piece, so the rest of that piece, `5`, is copied first. 7 is
//! not a default slot: it is a hit.
//!
//! # Invariants
//!
//! - No piece is empty, and the slots of a piece are below those of the next one.
//! - The capacity of a piece is at most [`MAX`]: it is divided instead of growing.
//!
//! # Rejected
//!
//! - Searching only the rest of a piece, so that each search waits for the last one. With 21 flipped
//!   slots among 15,000 defaults a merge took 1.96 µs, and takes 1.59 µs. Copying by itself takes 1.31.
//! - A bit for each slot, and a count for each 64 of them, in place of the searches: no faster, and
//!   pieces of a range of slots take more memory if defaults are few.
//! - A bitmap of default slots. A match with 15,000 hits takes 0.31 to 0.35 µs with bits, 2.3 µs with
//!   this list. But [`Matches`](super::Matches) returns slots: with its hits walked to the end the
//!   match takes 16 µs with bits read one by one, 4.05 µs with this list.

/// The slots that match by default, ascending; see the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    pieces: Vec<Vec<u32>>,
}

/// The maximum number of slots in a piece.
const MAX: usize = 1 << 11;

impl Defaults {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        let slots: usize = self.pieces.iter().map(Vec::capacity).sum();
        self.pieces.capacity() * size_of::<Vec<u32>>() + slots * size_of::<u32>()
    }

    /// Gives back spare memory.
    pub(super) fn shrink_to_fit(&mut self) {
        self.pieces.iter_mut().for_each(Vec::shrink_to_fit);
        self.pieces.shrink_to_fit();
    }

    /// Returns the first piece whose greatest slot is at least `slot`: the only one that can have
    /// it.
    fn piece(&self, slot: u32) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|last| *last < slot))
    }

    pub(super) fn insert(&mut self, slot: u32) {
        // A slot above all others goes to the end of the last piece.
        let at = self.piece(slot).min(self.pieces.len().saturating_sub(1));
        // There is no piece at all if this is the first slot.
        let Some(piece) = self.pieces.get_mut(at) else {
            self.pieces.push(vec![slot]);
            return;
        };
        let position = piece.partition_point(|other| *other < slot);
        if piece.len() < MAX {
            piece.insert(position, slot);
            return;
        }
        // In a bulk load, which inserts in order, the full piece stays full. Dividing before the
        // insertion keeps every capacity at or below `MAX`.
        let half = if position == MAX { MAX } else { MAX / 2 };
        let mut rest = piece.split_off(half);
        match position.checked_sub(half) {
            Some(position) => rest.insert(position, slot),
            None => piece.insert(position, slot),
        }
        self.pieces.insert(at + 1, rest);
    }

    /// Removes a slot that was inserted.
    #[expect(clippy::indexing_slicing, reason = "the slot is in this piece or in none")]
    pub(super) fn remove(&mut self, slot: u32) {
        let at = self.piece(slot);
        let found = self.pieces[at].binary_search(&slot);
        debug_assert!(found.is_ok(), "slot {slot} is not a default slot");
        if let Ok(position) = found {
            self.pieces[at].remove(position);
            self.shrink(at);
        }
    }

    /// Joins a small piece to the next one if that is not large, and gives memory back.
    #[expect(clippy::indexing_slicing, reason = "there is a piece at `at`")]
    fn shrink(&mut self, at: usize) {
        // The last piece has no next one.
        let next_is_small = self.pieces.get(at + 1).is_some_and(|next| next.len() < MAX / 2);
        if self.pieces[at].len() < MAX / 8 && next_is_small {
            let next = self.pieces.remove(at + 1);
            self.pieces[at].extend(next);
        }
        let piece = &mut self.pieces[at];
        if piece.is_empty() {
            self.pieces.remove(at);
        } else if piece.capacity() > 4 * piece.len() {
            // Only at a quarter, so that inserts and removals in turn do not reallocate each time.
            piece.shrink_to_fit();
        }
    }

    /// Appends the symmetric difference of the default slots and `flipped` to `hits`, ascending.
    ///
    /// A flipped slot that matches by default is left out; one that does not is a hit. `flipped`
    /// must be ascending and unique.
    #[expect(clippy::indexing_slicing, reason = "positions ascend, and are within the piece")]
    pub(super) fn merge(&self, flipped: &[u32], hits: &mut Vec<u32>) {
        let mut flipped = flipped.iter().copied().peekable();
        for piece in &self.pieces {
            // Flipped slots above the greatest slot of this piece belong to a later one.
            let is_here = |slot: &u32| piece.last().is_some_and(|last| slot <= last);
            let mut find = || {
                let slot = flipped.next_if(is_here)?;
                Some((slot, piece.partition_point(|other| *other < slot)))
            };
            let (mut next, mut done) = (find(), 0);
            while let Some((slot, position)) = next {
                // Before the copy, so that the processor does both at the same time.
                next = find();
                let (before, from) = piece.split_at(position);
                hits.extend_from_slice(&before[done..]);
                done = position;
                match from.first() {
                    Some(first) if *first == slot => done += 1,
                    _ => hits.push(slot),
                }
            }
            hits.extend_from_slice(&piece[done..]);
        }
        hits.extend(flipped);
    }
}

#[cfg(test)]
mod tests {
    use super::{Defaults, MAX};
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_a_plain_set() {
        let (mut defaults, mut plain) = (Defaults::default(), BTreeSet::new());
        let mut state = 7u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32 % below
        };
        // Grows in order, then at random, then shrinks to nothing.
        for (step, add) in [(0, 100), (1, 60), (2, 20), (3, 0)] {
            for n in 0..12_000 {
                let slot = if step == 0 { n } else { random(20_000) };
                if random(100) < add && plain.insert(slot) {
                    defaults.insert(slot);
                } else if let Some(slot) = plain.range(slot..).next().copied() {
                    plain.remove(&slot);
                    defaults.remove(slot);
                }
            }
            let flipped: BTreeSet<u32> = (0..random(3000)).map(|_| random(25_000)).collect();
            let expected: Vec<u32> = plain.symmetric_difference(&flipped).copied().collect();
            let mut hits = Vec::new();
            defaults.merge(&Vec::from_iter(flipped), &mut hits);
            assert_eq!(hits, expected);
            assert_eq!(defaults.len(), plain.len());
            assert!(defaults.pieces.iter().all(|piece| !piece.is_empty()));
            assert!(defaults.bytes() <= 24 * plain.len() + 20_000, "{}", defaults.bytes());
        }
        assert!(plain.len() < 10_000);
        for slot in plain {
            defaults.remove(slot);
        }
        assert!(defaults.is_empty());
    }

    /// Each piece has at least one slot, at most `MAX`, and little spare capacity.
    fn check(defaults: &Defaults) {
        for piece in &defaults.pieces {
            let (len, capacity) = (piece.len(), piece.capacity());
            assert!((1..=MAX).contains(&len), "{len}");
            assert!(capacity <= MAX.min(4 * len.max(1)), "{len} of {capacity}");
        }
    }

    #[test]
    fn fills_pieces_in_a_bulk_load_and_halves_them_otherwise() {
        let mut defaults = Defaults::default();
        for slot in 0..6 * MAX as u32 {
            defaults.insert(2 * slot);
            check(&defaults);
        }
        let capacities: Vec<usize> = defaults.pieces.iter().map(Vec::capacity).collect();
        assert_eq!(capacities, [MAX; 6]);
        defaults.insert(2 * MAX as u32 + 1);
        check(&defaults);
        let lens: Vec<usize> = defaults.pieces.iter().map(Vec::len).collect();
        assert_eq!(lens, [MAX, MAX / 2 + 1, MAX / 2, MAX, MAX, MAX, MAX]);
    }

    /// Memory is given back occasionally, not on each removal.
    #[test]
    fn joins_small_pieces() {
        let slots = 20 * MAX as u32;
        let mut full = Defaults::default();
        // Every other slot first, so that pieces are divided in the middle.
        (0..slots).step_by(2).chain((1..slots).step_by(2)).for_each(|slot| full.insert(slot));
        let before = full.pieces.len();
        let empty = |order: &mut dyn Iterator<Item = u32>| {
            let mut defaults = full.clone();
            let (mut bytes, mut changes) = (defaults.bytes(), 0);
            for slot in order.filter(|slot| slot % 512 > 0) {
                defaults.remove(slot);
                check(&defaults);
                changes += usize::from(std::mem::replace(&mut bytes, defaults.bytes()) != bytes);
            }
            assert_eq!(defaults.len(), 80);
            assert!(before >= 20 && changes <= 10 * before, "{changes} of {before} pieces");
            defaults.pieces.len()
        };
        assert_eq!(empty(&mut (0..slots).rev()), 1);
        // Ascending, the next piece is always full, so nothing is joined.
        assert!(empty(&mut (0..slots)) <= before);
    }
}
