//! The slots of a matcher: the subscription in each, as its group and its plan.
//!
//! ```text
//! index        0             1           2             3
//! generation   0             4           1             0
//! group        g0            vacant      g2            g0
//! plan         p0            -           p1            p1
//!
//! free         [1]           taken by the next insert, as generation 4
//! ```
//!
//! All other parts of the index store indices only. A [`Slot`], which callers keep, also has the
//! generation, so that it does not refer to a later subscription at its index.
//!
//! # Invariants
//!
//! - Entries are never removed, and an index occurs in postings, default slots and hits only while
//!   its slot is occupied. So an index from those always has an entry.
//! - An index is in `free` exactly if it is vacant and its generations are not used up.

use super::Slot;
use super::plan::Plan;
use super::table::{Id, word};
use super::topics::SubscriptionGroup;
use std::ops::{Index, IndexMut};

/// All slots; see the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    entries: Entries,
    free: Vec<u32>,
    /// The number of occupied slots.
    len: usize,
}

/// What is known about a subscription.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occupant {
    pub(super) group: Id<SubscriptionGroup>,
    pub(super) plan: Plan,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    generation: u32,
    /// The occupant. The group [`VACANT`] marks a vacant slot, so that no flag is needed.
    occupant: Occupant,
}

const VACANT: Id<SubscriptionGroup> = Id::NONE;

#[derive(Clone, Debug, Default)]
struct Entries(Vec<Entry>);

#[expect(clippy::indexing_slicing, reason = "an index has an entry, which stays")]
impl Index<u32> for Entries {
    type Output = Entry;

    #[inline]
    fn index(&self, index: u32) -> &Entry {
        &self.0[index as usize]
    }
}

#[expect(clippy::indexing_slicing, reason = "an index has an entry, which stays")]
impl IndexMut<u32> for Entries {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Entry {
        &mut self.0[index as usize]
    }
}

impl Entry {
    fn is_occupied(&self) -> bool {
        self.occupant.group != VACANT
    }
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self { entries: Entries(Vec::new()), free: Vec::new(), len: 0 }
    }

    /// Returns the number of occupied slots.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of slots, vacant ones included.
    pub(super) fn entries(&self) -> usize {
        self.entries.0.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.0.capacity() * size_of::<Entry>() + self.free.capacity() * size_of::<u32>()
    }

    /// Gives back spare memory. Vacant slots keep their generations.
    pub(super) fn shrink(&mut self) {
        self.entries.0.shrink_to_fit();
        self.free.shrink_to_fit();
    }

    /// Returns whether there is room for one more slot: an index is below `u32::MAX`.
    pub(super) fn has_room(&self) -> bool {
        self.entries.0.len() < u32::MAX as usize
    }

    /// Puts a subscription into a vacant slot.
    pub(super) fn insert(&mut self, occupant: Occupant) -> Slot {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            // It keeps the generation that its removal set.
            let entry = &mut self.entries[index];
            entry.occupant = occupant;
            return Slot { index, generation: entry.generation };
        }
        let index = word(self.entries.0.len());
        self.entries.0.push(Entry { generation: 0, occupant });
        Slot { index, generation: 0 }
    }

    /// Returns the subscription in a slot, or `None` if it was removed.
    pub(super) fn get(&self, slot: Slot) -> Option<Occupant> {
        // A caller may have the slot of another matcher, so there may be no entry.
        let entry = self.entries.0.get(slot.index())?;
        let is_current = entry.generation == slot.generation && entry.is_occupied();
        is_current.then_some(entry.occupant)
    }

    /// Removes the subscription at an index that is occupied.
    pub(super) fn remove(&mut self, index: u32) {
        let entry = &mut self.entries[index];
        debug_assert!(entry.is_occupied(), "the slot at {index} is vacant");
        entry.occupant.group = VACANT;
        self.len -= 1;
        // A slot whose generations are used up is never reused, or an old `Slot` would be valid
        // again.
        if let Some(next) = entry.generation.checked_add(1) {
            entry.generation = next;
            self.free.push(index);
        }
    }

    /// Returns the slot at an index that is occupied.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> Slot {
        Slot { index, generation: self.entries[index].generation }
    }

    /// Returns the plan of the subscription at an index that is occupied.
    #[inline]
    pub(super) fn plan(&self, index: u32) -> Plan {
        self.entries[index].occupant.plan
    }

    /// Returns the plans of all subscriptions, to be replaced.
    ///
    /// The plan of a vacant slot was released, and is not among them.
    pub(super) fn plans_mut(&mut self) -> impl Iterator<Item = &mut Plan> {
        let occupied = self.entries.0.iter_mut().filter(|entry| entry.is_occupied());
        occupied.map(|entry| &mut entry.occupant.plan)
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Occupant, Slots};
    use crate::matcher::dictionary::Dictionary;
    use crate::matcher::plan::Plans;
    use crate::matcher::table::Id;

    #[test]
    fn takes_three_words_for_a_slot() {
        assert_eq!(size_of::<Entry>(), 12);
    }

    #[test]
    fn reuses_an_index_until_its_generations_are_used_up() {
        let everything =
            Plans::default().acquire(smallvec::smallvec![1], &mut Dictionary::default());
        let occupant = Occupant { group: Id::default(), plan: everything };
        let mut slots = Slots::default();
        let first = slots.insert(occupant);
        slots.remove(first.index);
        assert!(slots.get(first).is_none());
        let second = slots.insert(occupant);
        assert_eq!((second.index, slots.entries()), (first.index, 1));
        assert_ne!(second, first);
        slots.entries[second.index].generation = u32::MAX;
        slots.remove(second.index);
        assert_eq!(slots.len(), 0);
        assert_ne!(slots.insert(occupant).index, first.index);
    }
}
