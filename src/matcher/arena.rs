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
//! - Offsets are below [`Arena::MAX`]. `Matcher::has_room` refuses an insert that could exceed it.
//! - `free_words` is the sum of the capacities in the free lists.
//! - So every access is within the words, and none has a fallback. Only
//!   [`prefetch_word`](Arena::prefetch_word) may be asked for an offset that is not that of a list.
//!
//! # Relocation
//!
//! When most of an arena is free, its owner copies every list to a new arena and replaces the
//! offsets. [`Arena::is_sparse`] allows this only when more words were freed than the owner has to
//! visit, so relocation costs no more than the removals before it.
//!
//! # Rejected
//!
//! One `Vec` for each list. A matcher of a million webhooks has two million short lists; as vectors
//! each needs a header and an allocation. With the arena the whole matcher takes 65.8 bytes per
//! webhook, of which posting lists are 21.8, and a clone copies a few arrays.

use super::table::word;

/// The index of the first word of a list.
pub(super) type Offset = u32;

/// The end of a free list.
const NONE: u32 = u32::MAX;

/// The number of size classes: two for each power of two that an offset can address.
const SIZES: usize = 64;

/// Lists of words in one array; see the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Arena {
    words: Vec<u32>,
    free: FreeLists,
    /// The words in free blocks.
    free_words: usize,
    /// How many words changes of lists have moved so far; counted in tests only.
    pub(super) moved_words: MovedWords,
}

impl Default for Arena {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            free: FreeLists([NONE; SIZES]),
            free_words: 0,
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
        self.moved_words.add(if size(more) == size(len) { len - position } else { more });
        if size(more) == size(len) {
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
        self.moved_words.add(len - position + if size(less) == size(len) { 0 } else { less });
        self.words.copy_within(from + count..to, from);
        if size(less) == size(len) {
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
        let (words, class) = size(len);
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
mod tests {
    use super::{Arena, Offset, size};

    #[test]
    fn gives_each_length_a_sufficient_capacity() {
        let mut last = (0, 0);
        for len in 1..5000 {
            let found = size(len);
            assert!(found.0 >= len && 2 * found.0 <= 3 * len.max(2), "{len}: {found:?}");
            assert!(found == last || (found.0 > last.0 && found.1 > last.1), "{len}: {found:?}");
            last = found;
        }
    }

    /// Lists that grow and shrink keep their words, and freed arena are reused.
    #[test]
    fn agrees_with_plain_vectors() {
        let mut arena = Arena::default();
        let mut plain: Vec<(Offset, Vec<u32>)> = Vec::new();
        let mut state = 7u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut len_at_half = 0;
        for step in 0..40_000u32 {
            match (random(4), plain.len()) {
                (0, 0..50) | (_, 0) => {
                    let list: Vec<u32> = (0..1 + random(6) as u32).map(|n| n ^ step).collect();
                    plain.push((arena.store(&list), list));
                }
                (1, count) => {
                    let (at, list) = &mut plain[random(count)];
                    let position = random(list.len() + 1);
                    let new: Vec<u32> = (0..1 + random(3) as u32).map(|n| n ^ step).collect();
                    *at = arena.insert(*at, list.len(), position, &new);
                    list.splice(position..position, new);
                }
                (2, count) => {
                    let (at, list) = &mut plain[random(count)];
                    let position = random(list.len());
                    let cut = (1 + random(4)).min(list.len() - position).min(list.len() - 1);
                    if cut > 0 {
                        *at = arena.remove(*at, list.len(), position, cut);
                        list.drain(position..position + cut);
                    }
                }
                (_, count) => {
                    let (at, list) = plain.swap_remove(random(count));
                    arena.free(at, list.len());
                }
            }
            for (at, list) in &plain {
                assert_eq!(arena.list(*at, list.len()), list);
            }
            if step == 20_000 {
                len_at_half = arena.len();
            }
        }
        assert!(arena.len() < 2 * len_at_half, "{} {len_at_half}", arena.len());
        for (at, list) in plain {
            arena.free(at, list.len());
        }
        assert_eq!(arena.free_words, arena.len());
    }

    #[test]
    fn predicts_the_room_of_a_list() {
        for len in 1..300 {
            let mut arena = Arena::default();
            arena.store(&vec![7; len]);
            assert_eq!(arena.len(), Arena::room(len));
        }
    }

    /// The capacity grows by an eighth: not by more, and not on each insert.
    #[test]
    fn grows_by_an_eighth() {
        let (mut arena, mut bytes, mut times) = (Arena::default(), 0, 0);
        for _ in 0..20_000 {
            arena.store(&[7; 3]);
            times += usize::from(std::mem::replace(&mut bytes, arena.bytes()) != arena.bytes());
            let limit = arena.len() + arena.len() / 8 + 64;
            assert!(bytes <= limit * size_of::<u32>(), "{bytes} for {}", arena.len());
        }
        assert!(times < 100, "{times}");
    }

    #[test]
    fn is_sparse_only_if_relocating_pays_off() {
        let mut arena = Arena::default();
        let mut lists: Vec<Offset> = (0..1000).map(|_| arena.store(&[7; 4])).collect();
        let mut free = |count: usize, arena: &mut Arena| {
            lists.drain(..count).for_each(|at| arena.free(at, 4));
        };
        assert!(!arena.is_sparse(0));
        free(400, &mut arena);
        assert!(!arena.is_sparse(0), "most words are used");
        free(300, &mut arena);
        assert_eq!((arena.free_words(), arena.len()), (2800, 4000));
        assert!(arena.is_sparse(0) && arena.is_sparse(2700));
        assert!(!arena.is_sparse(2900), "visiting all entries costs more");
        let mut few = Arena::default();
        let at = few.store(&[7; 4]);
        few.free(at, 4);
        assert!(!few.is_sparse(0), "too few words to matter");
    }

    #[test]
    fn relocates_lists_without_growing() {
        let mut arena = Arena::default();
        let lists: Vec<Offset> = (0..1000).map(|_| arena.store(&[7; 4])).collect();
        lists.iter().take(700).for_each(|at| arena.free(*at, 4));
        let mut moved = arena.relocation_target();
        let bytes = moved.bytes();
        lists.iter().skip(700).for_each(|at| {
            moved.store(arena.list(*at, 4));
        });
        assert_eq!((moved.len(), moved.free_words()), (300 * 4, 0));
        assert_eq!((moved.bytes(), bytes), (bytes, 300 * 4 * size_of::<u32>()));
    }
}
