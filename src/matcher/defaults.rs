//! Slots that an event hits unless one of its values says otherwise.

/// Slots in ascending order, in pieces, so that taking one out of very many moves few.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    /// None is empty.
    pieces: Vec<Vec<u32>>,
}

/// Most slots of a piece.
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

    /// The first piece that may hold the slot.
    fn piece(&self, slot: u32) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|last| *last < slot))
    }

    pub(super) fn insert(&mut self, slot: u32) {
        // Behind all others, it goes to the end of the last piece.
        let at = self.piece(slot).min(self.pieces.len().saturating_sub(1));
        let Some(piece) = self.pieces.get_mut(at) else {
            self.pieces.push(vec![slot]);
            return;
        };
        let position = piece.partition_point(|other| *other < slot);
        if piece.len() < MAX {
            piece.insert(position, slot);
            return;
        }
        // In a bulk load the piece before stays full. None ever has room for more than it may hold.
        let half = if position == MAX { MAX } else { MAX / 2 };
        let mut rest = piece.split_off(half);
        match position.checked_sub(half) {
            Some(position) => rest.insert(position, slot),
            None => piece.insert(position, slot),
        }
        self.pieces.insert(at + 1, rest);
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let at = self.piece(slot);
        let Some(piece) = self.pieces.get_mut(at) else { return };
        if let Ok(position) = piece.binary_search(&slot) {
            piece.remove(position);
            self.settle(at);
        }
    }

    /// Joins a small piece to the next one, if that is not large, and gives memory back.
    fn settle(&mut self, at: usize) {
        let small = |at, most| self.pieces.get(at).is_some_and(|piece: &Vec<_>| piece.len() < most);
        let join = small(at, MAX / 8) && small(at + 1, MAX / 2);
        let next = if join { self.pieces.remove(at + 1) } else { Vec::new() };
        let Some(piece) = self.pieces.get_mut(at) else { return };
        piece.extend(next);
        if piece.is_empty() {
            self.pieces.remove(at);
        } else if piece.capacity() > 4 * piece.len() {
            piece.shrink_to_fit();
        }
    }

    /// Appends the slots to `hits`, less those of `turned` that are among them, and with those that
    /// are not. Both in ascending order, without doubles.
    pub(super) fn merge(&self, mut turned: &[u32], hits: &mut Vec<u32>) {
        for piece in &self.pieces {
            let mut rest = piece.as_slice();
            while let Some((slot, others)) = turned.split_first()
                && piece.last().is_some_and(|last| slot <= last)
            {
                let (before, from) = rest.split_at(rest.partition_point(|other| other < slot));
                hits.extend_from_slice(before);
                rest = match from.split_first() {
                    Some((first, behind)) if first == slot => behind,
                    _ => {
                        hits.push(*slot);
                        from
                    }
                };
                turned = others;
            }
            hits.extend_from_slice(rest);
        }
        hits.extend_from_slice(turned);
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
        // Growing in order, then at random, then shrinking to nothing.
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
            let turned: BTreeSet<u32> = (0..random(3000)).map(|_| random(25_000)).collect();
            let expected: Vec<u32> = plain.symmetric_difference(&turned).copied().collect();
            let mut hits = Vec::new();
            defaults.merge(&Vec::from_iter(turned), &mut hits);
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

    /// Of every piece: it holds something, not too much, and not much memory beside that.
    fn check(defaults: &Defaults) {
        for piece in &defaults.pieces {
            let (len, capacity) = (piece.len(), piece.capacity());
            assert!((1..=MAX).contains(&len), "{len}");
            assert!(capacity <= MAX.min(4 * len.max(1)), "{len} of {capacity}");
        }
    }

    #[test]
    fn pieces_stay_full_in_a_bulk_load_and_are_halved_otherwise() {
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

    /// Small pieces are joined and memory is given back, now and then and not each time.
    #[test]
    fn what_is_left_of_many_pieces_is_joined() {
        let slots = 20 * MAX as u32;
        let mut full = Defaults::default();
        // Every second one first, so that pieces are divided in the middle.
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
        // The next piece is full, each time.
        assert!(empty(&mut (0..slots)) <= before);
    }
}
