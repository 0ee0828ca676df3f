//! An arena: many short lists of words in one array, addressed by offset.
//!
//! # Data structure
//!
//! The arena is one `Vec<u32>`. A list occupies a *block* whose capacity follows from the length
//! of the list, so the owner of a list keeps its offset and knows its length, and the arena keeps
//! nothing per list. Block capacities are 2, 3, 4, 6, 8, 12, …: two for each power of two, so less
//! than a third of a block is unused. A freed block joins the free list of its capacity, which is
//! linked through the first words of the free blocks.
//!
//! ```text
//! capacity   4         2      6             2        4
//! words    ┌─────────┬──────┬─────────────┬────────┬─────────┐
//!          │ a a a a │ 12 . │ b b b b b . │ NONE . │ c c c c │
//!          └─────────┴──────┴─────────────┴────────┴─────────┘
//! offset    0         4 ▲ │  6             12 ▲     14
//! free ─────────────────┘ └───────────────────┘     free blocks of capacity 2
//! ```
//!
//! # Example
//!
//! Inserting one word into the list `b` moves words within its block of capacity 6. Inserting one
//! word into `a` takes a block of capacity 6, copies the parts before and after the new word, and
//! frees the old block. [`Arena::insert`] returns the offset in both cases; the owner stores it.
//!
//! # Invariants
//!
//! - An offset and a length always come from the same list. The arena does not store lengths, so it
//!   cannot check them; a list's own header (a count, or the end of a group) is the only record.
//! - Offsets are below [`Arena::MAX`]. `Index::has_room` refuses an insert that could exceed it.
//! - `free_words` is the sum of the capacities in the free lists, and of the unused words below
//!   `packed`.
//! - A block begins below `packed` exactly if it is exact, so the capacity of a list is known from
//!   its offset and length.
//! - So every access is within the words, and none has a fallback. Only
//!   [`prefetch_word`](Arena::prefetch_word) may be asked for an offset that is not that of a list.
//!
//! # Relocation
//!
//! When most of an arena is free, its owner copies every list to a new arena and replaces the
//! offsets. [`Arena::is_sparse`] allows this only when more words were freed than the owner has to
//! visit, so relocation costs no more than the removals before it.
//!
//! The owner can also *pack* all lists, when no more changes are expected soon. Blocks below
//! `packed` are then exact: as long as their list. A list that grows leaves such a block for an
//! ordinary one. A list that shrinks stays, and no other list moves. Words of exact blocks that are
//! no longer used are not reused until the next relocation; they count as free.
//!
//! # Rejected
//!
//! One `Vec` for each list. A matcher of a million webhooks has two million short lists; as vectors
//! each needs a header and an allocation. With the arena the whole matcher takes 68.9 bytes per
//! webhook, and a clone copies a few arrays. With exact blocks it takes 55.2, and 58.0 if it is
//! shrunk into ordinary ones.

use super::table::word;

/// The index of the first word of a list.
pub(super) type Offset = u32;

/// The end of a free list.
const NONE: u32 = u32::MAX;

/// In place of the end of the exact blocks: every new block is exact.
const PACKING: usize = usize::MAX;

/// The number of size classes: two for each power of two that an offset can address.
const SIZES: usize = 64;

/// Lists of words in one array; see the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Arena {
    words: Vec<u32>,
    free: FreeLists,
    /// The words in free blocks.
    free_words: usize,
    /// The end of the exact blocks; [`PACKING`] while all lists are being packed.
    packed: usize,
    /// How many words changes of lists have moved so far; counted in tests only.
    pub(super) moved_words: MovedWords,
}

impl Default for Arena {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            free: FreeLists([NONE; SIZES]),
            free_words: 0,
            packed: 0,
            moved_words: MovedWords::default(),
        }
    }
}

/// For each size class the first free block. A free block holds the next one in its first word.
#[derive(Clone, Debug)]
struct FreeLists([u32; SIZES]);

impl FreeLists {
    /// Returns the first free block of a class, which [`size`] returned.
    #[expect(clippy::indexing_slicing, reason = "a length below 2³² has a class below `SIZES`")]
    fn first(&mut self, class: usize) -> &mut u32 {
        &mut self.0[class]
    }
}

/// The words of an arena from the first word of a list on. Other lists may follow it.
///
/// A reader that finds the length of the list in its first words needs one bounds check this way.
#[derive(Clone, Copy)]
pub(super) struct Tail<'a>(&'a [u32]);

#[expect(clippy::indexing_slicing, reason = "a list is within the words, from its first word on")]
impl<'a> Tail<'a> {
    /// Returns `len` words of the list, from its word `from` on.
    #[inline]
    pub(super) fn range(self, from: usize, len: usize) -> &'a [u32] {
        &self.0[from..from + len]
    }

    /// Returns the first `N` words of a list that has as many, and the words after them.
    #[inline]
    #[expect(clippy::expect_used, reason = "as above")]
    pub(super) fn split<const N: usize>(self) -> (&'a [u32; N], Self) {
        let (first, rest) = self.0.split_first_chunk().expect("a list has its first words");
        (first, Self(rest))
    }

    /// Returns the next `N` words, of this list and others; `None` at the end of the arena.
    #[inline]
    pub(super) fn peek<const N: usize>(self) -> Option<&'a [u32; N]> {
        self.0.first_chunk()
    }
}

/// Returns the capacity of the block for a list of `len` words, and its size class.
///
/// `len` is at least 1. The capacity is at most 1.5 times the length, except for a list of one
/// word: every block holds at least two words.
fn size(len: usize) -> (usize, usize) {
    debug_assert!(len > 0, "an empty list has no block");
    let power = len.max(2).next_power_of_two();
    let class = 2 * power.trailing_zeros() as usize;
    // For the smallest power, 2, three quarters are 0, so no list gets the odd class below it.
    match power / 4 * 3 {
        three_quarters if len <= three_quarters => (three_quarters, class - 1),
        _ => (power, class),
    }
}

/// Reads words that are needed soon, so that the processor loads their cache lines together.
///
/// The sum keeps the reads: `black_box` makes the compiler believe that it is used. All loads are
/// issued before the first one has to arrive, so the misses overlap.
#[inline]
pub(super) fn prefetch(words: impl Iterator<Item = u32>) {
    std::hint::black_box(words.fold(0, u32::wrapping_add));
}

/// Access to the words of lists; all of it is here.
#[expect(clippy::indexing_slicing, reason = "an offset and a length are those of a stored list")]
impl Arena {
    /// Returns the word at an offset of a list.
    #[inline]
    pub(super) fn word(&self, at: Offset) -> u32 {
        self.words[at as usize]
    }

    /// Replaces the word at an offset of a list.
    #[inline]
    pub(super) fn set(&mut self, at: Offset, word: u32) {
        self.words[at as usize] = word;
    }

    /// Returns the words from an offset of a list on.
    #[inline]
    pub(super) fn tail(&self, at: Offset) -> Tail<'_> {
        Tail(&self.words[at as usize..])
    }

    /// Returns `len` words of a list.
    #[inline]
    pub(super) fn list(&self, at: Offset, len: usize) -> &[u32] {
        self.tail(at).range(0, len)
    }

    /// Writes words into a block that was allocated for as many.
    fn write(&mut self, at: Offset, list: &[u32]) {
        let at = at as usize;
        self.words[at..at + list.len()].copy_from_slice(list);
    }
}

impl Arena {
    /// The maximum number of words: offsets have 32 bits, and `NONE` is no offset.
    pub(super) const MAX: usize = NONE as usize;

    /// Returns how many words the arena may grow by when a list of `len` words is stored.
    pub(super) fn room(len: usize) -> usize {
        size(len).0
    }

    /// Returns the number of words, used and free.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Returns the number of words in free blocks.
    #[cfg(test)]
    pub(super) fn free_words(&self) -> usize {
        self.free_words
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// Returns whether relocating all lists pays off.
    ///
    /// It does when most words are free and there are more of them than `visits`, the number of
    /// entries that the owner walks over to relocate its lists: the removals that freed the words
    /// cost at least as much.
    pub(super) fn is_sparse(&self, visits: usize) -> bool {
        const SMALL: usize = 1 << 9;
        self.free_words > visits.max(SMALL) && self.free_words > self.words.len() / 2
    }

    /// Returns an empty arena with room for all lists of this one.
    pub(super) fn relocation_target(&self) -> Self {
        Self {
            words: Vec::with_capacity(self.words.len() - self.free_words),
            moved_words: self.moved_words,
            ..Self::default()
        }
    }

    /// Returns an empty arena in which all lists of this one are to be packed.
    pub(super) fn packing_target(&self) -> Self {
        Self { packed: PACKING, ..self.relocation_target() }
    }

    /// Ends a relocation. If all lists were packed, those of later inserts get ordinary blocks.
    pub(super) fn end_relocation(&mut self) {
        if self.packed == PACKING {
            self.packed = self.words.len();
            // The lists had larger blocks before.
            self.words.shrink_to_fit();
        }
    }

    /// Returns whether the block at an offset is exact.
    fn is_exact(&self, at: Offset) -> bool {
        (at as usize) < self.packed
    }

    /// Returns whether a list of `len` words stays in its block when it has `new_len` words.
    fn stays(&self, at: Offset, len: usize, new_len: usize) -> bool {
        match self.is_exact(at) {
            true => new_len <= len,
            false => size(new_len) == size(len),
        }
    }

    /// Returns the word at any offset, of a list or not; 0 beyond the arena.
    ///
    /// Only for [`prefetch`], which makes no use of the word.
    #[inline]
    pub(super) fn prefetch_word(&self, at: Offset) -> u32 {
        self.words.get(at as usize).copied().unwrap_or_default()
    }

    /// Stores a list and returns its offset.
    pub(super) fn store(&mut self, list: &[u32]) -> Offset {
        self.moved_words.add(list.len());
        let at = self.allocate(list.len());
        self.write(at, list);
        at
    }

    /// Frees the block of a list.
    pub(super) fn free(&mut self, at: Offset, len: usize) {
        if self.is_exact(at) {
            self.free_words += len;
            return;
        }
        let (words, class) = size(len);
        let next = std::mem::replace(self.free.first(class), at);
        // The block is not read as a list any more, so its first word can hold the link.
        self.set(at, next);
        self.free_words += words;
    }

    /// Inserts `new` at `position` of a list and returns the offset of the list, which may change.
    pub(super) fn insert(
        &mut self,
        at: Offset,
        len: usize,
        position: usize,
        new: &[u32],
    ) -> Offset {
        let (begin, more) = (at as usize, len + new.len());
        let (from, to) = (begin + position, begin + len);
        let stays = self.stays(at, len, more);
        self.moved_words.add(if stays { len - position } else { more });
        if stays {
            // The block has room: `to + new.len()` is within its capacity, not in the next block.
            self.words.copy_within(from..to, from + new.len());
            self.write(word(from), new);
            return at;
        }
        // The old block is freed only after the copy, so the new block is never the old one.
        let copy = self.allocate(more);
        let target = copy as usize;
        self.words.copy_within(begin..from, target);
        self.write(word(target + position), new);
        self.words.copy_within(from..to, target + position + new.len());
        self.free(at, len);
        copy
    }

    /// Removes `count` words at `position` of a list and returns its offset, which may change.
    ///
    /// At least one word must remain: an empty list has no block, and its owner frees it instead.
    pub(super) fn remove(
        &mut self,
        at: Offset,
        len: usize,
        position: usize,
        count: usize,
    ) -> Offset {
        let begin = at as usize;
        let (from, to) = (begin + position, begin + len);
        let less = len - count;
        let stays = self.stays(at, len, less);
        self.moved_words.add(len - position + if stays { 0 } else { less });
        self.words.copy_within(from + count..to, from);
        if stays {
            self.free_words += if self.is_exact(at) { count } else { 0 };
            return at;
        }
        // The capacity must follow from the length, or `free` would use a wrong free list later.
        let copy = self.allocate(less);
        self.words.copy_within(begin..begin + less, copy as usize);
        self.free(at, len);
        copy
    }

    /// Returns a block for a list of `len` words. Its contents are unspecified.
    fn allocate(&mut self, len: usize) -> Offset {
        let (words, class) = if self.packed == PACKING { (len, 0) } else { size(len) };
        // Reuse a block of the same capacity if there is one; blocks are never split or joined.
        let first = *self.free.first(class);
        if first != NONE {
            *self.free.first(class) = self.word(first);
            self.free_words -= words;
            return first;
        }
        let at = self.words.len();
        // Grow by an eighth: doubling, as `Vec` does, would leave a third of the memory unused.
        if self.words.capacity() < at + words {
            self.words.reserve_exact(words.max(at / 8).max(64));
        }
        self.words.resize(at + words, 0);
        word(at)
    }
}

/// Counts moved words in tests; empty otherwise.
#[cfg(not(test))]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MovedWords(());

#[cfg(not(test))]
impl MovedWords {
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "it counts in tests only")]
    fn add(&mut self, _: usize) {}
}

/// Counts moved words in tests; empty otherwise.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MovedWords(pub(super) usize);

#[cfg(test)]
impl MovedWords {
    fn add(&mut self, words: usize) {
        self.0 += words;
    }
}

#[cfg(test)]
mod tests;
