//! Tables whose entries are found by a typed id: looking one up always succeeds.
//!
//! # Why
//!
//! The index consists of arrays that refer to each other by position. A position comes from the
//! array itself, and the entry stays as long as something refers to it, so a look-up cannot fail.
//! A [`Table`] states this once. Its [`get`](Table::get) returns a reference, not an `Option` that
//! every caller would have to invent a fallback for.
//!
//! ```text
//! insert(value) ──► Id<T> ──► get(id)          the entry, always
//!                     │  └──► peek(id)         for a hint that may be out of date
//!                     └─────► remove(id)       the id may be given out again
//! ```
//!
//! # Invariants
//!
//! - An [`Id`] is used only with the table that returned it, and not after its entry was removed.
//!   Reference counts of the entries ensure the latter; see [`topics`](super::topics).
//! - A broken invariant panics: an entry of another subscription would be worse.

use slab::Slab;
use std::fmt;
use std::marker::PhantomData;

/// The position of an entry in a [`Table`].
pub(super) struct Id<T> {
    at: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id of no entry: a table never has so many.
    pub(super) const NONE: Self = Self::from_word(u32::MAX);

    /// Returns the id in one word, to be stored in an arena or used as a key.
    #[inline]
    pub(super) const fn word(self) -> u32 {
        self.at
    }

    /// Returns the id that [`word`](Self::word) was called on.
    #[inline]
    pub(super) const fn from_word(at: u32) -> Self {
        Self { at, of: PhantomData }
    }
}

// Derived implementations would require the same of `T`.

impl<T> Clone for Id<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Id<T> {}

/// The first id: a hint like any other.
impl<T> Default for Id<T> {
    fn default() -> Self {
        Self::from_word(0)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.at, f)
    }
}

/// Entries with typed ids; see the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Table<T>(Slab<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Slab::new())
    }
}

#[expect(clippy::indexing_slicing, reason = "an entry exists as long as its id is used")]
impl<T> Table<T> {
    pub(super) fn insert(&mut self, value: T) -> Id<T> {
        Id::from_word(word(self.0.insert(value)))
    }

    /// Removes an entry and returns it. Its id may be given out again.
    pub(super) fn remove(&mut self, id: Id<T>) -> T {
        self.0.remove(id.at as usize)
    }

    #[inline]
    pub(super) fn get(&self, id: Id<T>) -> &T {
        &self.0[id.at as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: Id<T>) -> &mut T {
        &mut self.0[id.at as usize]
    }

    /// Returns the entry at a position that may be out of date, or of another table.
    #[inline]
    pub(super) fn peek(&self, hint: Id<T>) -> Option<&T> {
        self.0.get(hint.at as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives back spare memory.
    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// Converts a number of entries or words, or a position among them, to a word.
///
/// It always fits: `Index::has_room` refuses what would exceed 2³² words or 2²⁸ values, and the
/// entries of a table take more than a byte each.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
#[inline]
pub(super) fn word(number: usize) -> u32 {
    debug_assert!(u32::try_from(number).is_ok(), "{number} does not fit in a word");
    number as u32
}

#[cfg(test)]
mod tests {
    use super::{Id, Table};

    #[test]
    fn finds_entries_by_id_until_they_are_removed() {
        let mut table = Table::default();
        let ids = ["a", "b", "c"].map(|value| table.insert(value));
        assert_eq!(ids.map(|id| *table.get(id)), ["a", "b", "c"]);
        *table.get_mut(ids[2]) = "d";
        assert_eq!(table.remove(ids[1]), "b");
        assert_eq!((table.peek(ids[1]), table.peek(Id::NONE)), (None, None));
        assert_eq!(table.iter().copied().collect::<Vec<_>>(), ["a", "d"]);
        assert_eq!(table.insert("e"), ids[1]);
    }

    #[test]
    #[should_panic(expected = "invalid key")]
    fn panics_rather_than_return_another_entry() {
        let mut table = Table::default();
        let id = table.insert("a");
        table.remove(id);
        table.get(id);
    }
}
