//! The result of a match: slots in ascending order.

use super::slots::Slots;

/// Identifies a subscription in a [`Matcher`](super::Matcher).
///
/// Slots are ordered by index. After a removal the index is reused with another generation, so a
/// removed slot never refers to a later subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    pub(super) index: u32,
    /// How many subscriptions had the index before.
    pub(super) generation: u32,
}

impl Slot {
    /// Returns a small number that no other current subscription has.
    ///
    /// It is below the maximum number of subscriptions that the matcher has held at once, so a
    /// caller can keep data of its own in a vector by this index.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// An iterator over the slots of the subscriptions that match an event, ascending and unique.
///
/// Returned by [`Matcher::matches`](super::Matcher::matches) and [`Matcher::matches_all`](super::Matcher::matches_all).
#[derive(Clone, Debug)]
pub struct Matches<'m> {
    slots: &'m Slots,
    hits: std::slice::Iter<'m, u32>,
}

impl<'m> Matches<'m> {
    #[inline]
    pub(super) fn new(slots: &'m Slots, hits: &'m [u32]) -> Self {
        Self { slots, hits: hits.iter() }
    }

    /// Returns the [indices](Slot::index) of the remaining slots as a slice.
    #[must_use]
    pub fn indices(&self) -> &'m [u32] {
        self.hits.as_slice()
    }
}

impl Iterator for Matches<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        // The matcher is borrowed since the match, so the slot still has the subscription that
        // matched.
        self.hits.next().map(|index| self.slots.slot(*index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.hits.size_hint()
    }
}

impl ExactSizeIterator for Matches<'_> {}
