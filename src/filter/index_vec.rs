//! Lists whose indices have a type, such as one entry for each gate of a circuit.
//!
//! An index is made together with the entry that it names, or counts the entries of another list of
//! the same length, and entries are never removed. So every index is valid in its list, and looking
//! up an entry needs no option. An index of another list would be a mistake of this crate; it
//! panics, in tests and anywhere else.

use std::marker::PhantomData;

/// A typed index.
pub(super) trait Index: Copy {
    fn from_index(index: usize) -> Self;
    fn index(self) -> usize;
}

/// The parts of a filter, which the public types number with `usize`.
impl Index for usize {
    fn from_index(index: usize) -> Self {
        index
    }

    fn index(self) -> usize {
        self
    }
}

/// The numbers of the analysis: levels, value ids and diagrams.
impl Index for u32 {
    #[expect(clippy::cast_possible_truncation, reason = "terms and work are bounded far below")]
    fn from_index(index: usize) -> Self {
        debug_assert!(u32::try_from(index).is_ok());
        index as u32
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// A list with entries `T` under indices `I`.
#[derive(Clone, Debug)]
pub(super) struct IndexVec<I, T> {
    list: Vec<T>,
    index: PhantomData<I>,
}

impl<I, T> Default for IndexVec<I, T> {
    fn default() -> Self {
        Self { list: Vec::new(), index: PhantomData }
    }
}

impl<I, T> FromIterator<T> for IndexVec<I, T> {
    fn from_iter<A: IntoIterator<Item = T>>(entries: A) -> Self {
        Self { list: entries.into_iter().collect(), index: PhantomData }
    }
}

impl<I: Index, T> IndexVec<I, T> {
    /// Returns a list with `entry` under the first `len` indices.
    pub(super) fn filled(entry: T, len: usize) -> Self
    where
        T: Clone,
    {
        Self { list: vec![entry; len], index: PhantomData }
    }

    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity), index: PhantomData }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds an entry and returns its index.
    pub(super) fn push(&mut self, entry: T) -> I {
        self.list.push(entry);
        I::from_index(self.list.len() - 1)
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "an index is that of an entry, see the module")]
    pub(super) fn get(&self, at: I) -> &T {
        &self.list[at.index()]
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "an index is that of an entry, see the module")]
    pub(super) fn get_mut(&mut self, at: I) -> &mut T {
        &mut self.list[at.index()]
    }

    pub(super) fn set(&mut self, at: I, entry: T) {
        *self.get_mut(at) = entry;
    }

    /// Iterates over the entries with their indices.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (I, &T)> + DoubleEndedIterator {
        self.list.iter().enumerate().map(|(at, entry)| (I::from_index(at), entry))
    }

    pub(super) fn as_slice(&self) -> &[T] {
        &self.list
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.list
    }
}
