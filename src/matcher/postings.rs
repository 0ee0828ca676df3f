//! Posting lists: the subscriptions that have an attribute value as an access key.
//!
//! # Data structure
//!
//! A *posting* is a slot under a value in one bucket (a topic's subscriptions for one audience, see
//! [`topics`](super::topics)). A *posting list* holds the postings of a value in a bucket, in two
//! parts: slots for which the value is a *sufficient* key, so it flips their verdict, and
//! slots with a *residual* predicate, which decides whether it does. Both are ascending by slot.
//!
//! ```text
//! posting list     [2, 1,  4, 9,   6, R]
//!                   │  │  └─┬─┘   └─┬─┘
//!    sufficient: 2 ─┘  │    │       └─ slot 6, and its residual in one word
//!    with residual: 1 ─┘    └─ slots 4 and 9
//!
//! Postings         { bucket: NONE }                          no posting
//! (8 bytes, in     { bucket: 5,       at ──► posting list }  one bucket: no directory
//!  the entry of    { bucket: SEVERAL, at ──► directory of (bucket, posting list) }
//!  the value)
//!
//! long list        [PIECES, ●]
//!                           └──► directory of (least slot, piece), each piece as a posting list
//! ```
//!
//! The ordinary case costs a match one dependent cache line after the value's entry: most values
//! have postings in one bucket, and most lists are short.
//!
//! # Example
//!
//! Slot 4 has the filter `spaceId eq "s"`, slot 6 `spaceId eq "s" and data.status eq "ok"`. Under
//! the value `s` the list is `[1, 1, 4, 6, R]`: having `s` flips the verdict of slot 4, and that of
//! slot 6 only if the event also has `ok`, which is what `R` says. If slot 9 with `spaceId eq "s"`
//! is inserted, 9 goes after 4, and the first word becomes 2.
//!
//! If slots with `s` go on until the list exceeds 2,048 words, it is divided at its middle slot.
//! The two pieces are entered in a directory with the keys 0 and that slot, and two words at a
//! stable offset lead to the directory. A match reads the pieces in ascending order as if they were
//! one list.
//!
//! # Invariants
//!
//! - A slot occurs in a list at most once. A filter that mentions a value in several terms has
//!   one access key for it, which is sufficient if any of them is.
//! - `remove` gets the same "has a residual" as `insert`: access keys are marked in the
//!   filter's code and do not change while it is in use.
//! - A piece has at most [`PIECE`] words, and all of its slots are at least its key in the
//!   directory and below the next key.
//! - A long list keeps its two header words at the same offset as long as it is in pieces, so the
//!   directory of buckets need not change with it.
//!
//! # Rejected
//!
//! - One list however long: n removals under one value moved n² / 2 words. With pieces of 2,048
//!   words a change moves at most one piece; lists up to that length are as before.
//! - Compressed lists (roaring, delta-coded): a list has 3 to 14 slots on average, so headers eat
//!   the gain, and decoding costs what sorting does.
//! - Merging lists element by element during a match: each step waits for the last one.

use super::arena::{Arena, Offset, Tail};
use super::directory::Directory;
use super::table::word;

/// The posting lists of a value, over all buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Postings {
    /// The only bucket with postings, `NONE`, or `SEVERAL`.
    bucket: u32,
    /// The posting list, or the directory of posting lists by bucket.
    at: Offset,
}

/// No bucket. Bucket ids are slab indices of things far larger than a byte, so they stay below.
const NONE: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;

/// In the first word of a posting list: it is in pieces, and the second word is their directory.
///
/// A count of slots is never this large: it is bounded by the words of a piece.
const PIECES: u32 = u32::MAX;
/// The maximum number of words in a piece.
const PIECE: usize = 1 << 11;

impl Default for Postings {
    fn default() -> Self {
        Self { bucket: NONE, at: 0 }
    }
}

/// A posting list, or a piece of one, in the arena.
#[derive(Clone, Copy)]
pub(super) struct PostingList<'b> {
    /// The words after the counts.
    words: Tail<'b>,
    /// The number of slots without a residual.
    sufficient: usize,
    /// The number of slots with a residual.
    residuals: usize,
}

impl<'b> PostingList<'b> {
    #[inline]
    pub(super) fn at(arena: &'b Arena, at: Offset) -> Self {
        let ([sufficient, residuals], words) = arena.tail(at).split();
        Self { words, sufficient: *sufficient as usize, residuals: *residuals as usize }
    }

    /// Returns whether the list is in pieces, which [`each_piece`](Self::each_piece) reads.
    #[inline]
    pub(super) fn is_in_pieces(self) -> bool {
        self.sufficient == PIECES as usize
    }

    /// Calls `each` with each piece of the list at an offset, ascending by slot.
    pub(super) fn each_piece(arena: &'b Arena, at: Offset, each: impl FnMut(Self)) {
        let pieces = pieces(arena, at);
        debug_assert!(pieces.is_some(), "the posting list at {at} is not in pieces");
        let offsets = pieces.into_iter().flat_map(|pieces| pieces.all(arena));
        offsets.map(|[_, piece]| Self::at(arena, piece)).for_each(each);
    }

    /// Returns whether the value is a sufficient key of some slot.
    #[inline]
    pub(super) fn has_sufficient(self) -> bool {
        self.sufficient > 0
    }

    /// Returns the slots whose verdict the value flips.
    #[inline]
    pub(super) fn sufficient(self) -> &'b [u32] {
        self.words.range(0, self.sufficient)
    }

    /// Returns the slots with a residual, each with it.
    #[inline]
    pub(super) fn residuals(self) -> &'b [[u32; 2]] {
        self.words.range(self.sufficient, 2 * self.residuals).as_chunks().0
    }

    /// Appends the slots whose verdict the value flips.
    ///
    /// Up to eight slots are copied as eight words, whatever follows the list, and the excess is
    /// dropped: a copy of fixed length is one or two instructions and no branch on the length.
    #[inline]
    pub(super) fn append_sufficient(self, to: &mut Vec<u32>) {
        match self.words.peek::<8>() {
            Some(words) if self.sufficient <= 8 => {
                to.extend_from_slice(words);
                to.truncate(to.len() - (8 - self.sufficient));
            }
            // The list is longer, or the arena ends less than eight words after its start.
            _ => to.extend_from_slice(self.sufficient()),
        }
    }

    /// Returns the number of words, counts included.
    fn len(&self) -> usize {
        2 + self.sufficient + 2 * self.residuals
    }
}

impl Postings {
    /// Returns the posting list in a bucket.
    #[inline]
    pub(super) fn find(self, arena: &Arena, bucket: u32) -> Option<Offset> {
        // No bucket has the id `NONE` or `SEVERAL`, so this comparison is false for both.
        if self.bucket == bucket {
            return Some(self.at);
        }
        match self.bucket {
            SEVERAL => Directory(self.at).find(arena, bucket),
            _ => None,
        }
    }

    /// Returns the offset that a match reads first, for prefetching.
    #[inline]
    pub(super) fn first(self) -> Offset {
        self.at
    }

    /// Reads the words that a change of the list needs, if all `slots` postings are in one bucket.
    ///
    /// Reads one word in each of up to nine cache lines spread over the list, since the position of
    /// the slot is not known yet.
    pub(super) fn prefetch_words(self, arena: &Arena, slots: u32) -> u32 {
        let slots = slots.min(PIECE as u32);
        // The list may be shorter, so the offsets may be beyond it.
        let word = |part| arena.prefetch_word(self.at.wrapping_add(slots / 8 * part));
        (0..=8).map(word).fold(0, u32::wrapping_add)
    }

    /// Inserts a slot, with its residual if the value is not sufficient.
    pub(super) fn insert(
        &mut self,
        arena: &mut Arena,
        bucket: u32,
        slot: u32,
        residual: Option<u32>,
    ) {
        let new = |arena: &mut Arena| match residual {
            None => arena.store(&[1, 0, slot]),
            Some(residual) => arena.store(&[0, 1, slot, residual]),
        };
        match self.bucket {
            NONE => *self = Self { bucket, at: new(arena) },
            only if only == bucket => self.at = insert(arena, self.at, slot, residual),
            SEVERAL => {
                let mut buckets = Directory(self.at);
                match buckets.find(arena, bucket) {
                    Some(list) => {
                        let list = insert(arena, list, slot, residual);
                        buckets.set(arena, bucket, [bucket, list]);
                    }
                    None => {
                        let list = new(arena);
                        buckets.insert(arena, [bucket, list]);
                    }
                }
                self.at = buckets.0;
            }
            // The second bucket: a directory replaces the only list.
            only => {
                let list = new(arena);
                let (first, second) = ([only, self.at], [bucket, list]);
                let buckets = [first.min(second), first.max(second)];
                *self = Self { bucket: SEVERAL, at: Directory::new(arena, &buckets).0 };
            }
        }
    }

    /// Removes a slot that was inserted with or without a residual.
    pub(super) fn remove(&mut self, arena: &mut Arena, bucket: u32, slot: u32, has_residual: bool) {
        // The ordinary case: the value has postings in one bucket, which is this one.
        if self.bucket != SEVERAL {
            debug_assert_eq!(self.bucket, bucket, "the value has its postings elsewhere");
            match remove(arena, self.at, slot, has_residual) {
                Some(list) => self.at = list,
                None => *self = Self::default(),
            }
            return;
        }
        let mut buckets = Directory(self.at);
        let list = buckets.get(arena, bucket);
        match remove(arena, list, slot, has_residual) {
            Some(list) => buckets.set(arena, bucket, [bucket, list]),
            None => buckets.remove(arena, bucket),
        }
        self.at = buckets.0;
        // A single bucket is stored without a directory.
        if let Some([bucket, at]) = buckets.only(arena) {
            buckets.free(arena);
            *self = Self { bucket, at };
        }
    }

    /// Copies all posting lists to another arena.
    pub(super) fn relocated(self, from: &Arena, to: &mut Arena) -> Self {
        let piece = |to: &mut Arena, at| to.store(from.list(at, PostingList::at(from, at).len()));
        let list = |to: &mut Arena, at| match pieces(from, at) {
            None => piece(to, at),
            Some(pieces) => {
                let pieces = pieces.relocated(from, to, piece);
                to.store(&[PIECES, pieces.0])
            }
        };
        match self.bucket {
            NONE => self,
            SEVERAL => {
                let buckets = Directory(self.at).relocated(from, to, list);
                Self { bucket: SEVERAL, at: buckets.0 }
            }
            bucket => Self { bucket, at: list(to, self.at) },
        }
    }
}

/// Returns the directory of pieces of a list that is in pieces.
#[inline]
fn pieces(arena: &Arena, at: Offset) -> Option<Directory> {
    let ([sufficient, pieces], _) = arena.tail(at).split();
    (*sufficient == PIECES).then_some(Directory(*pieces))
}

/// Returns whether a slot comes after all others of its part, as in a bulk load.
///
/// Then its position is known without a search.
#[inline]
fn is_last(list: &PostingList<'_>, slot: u32, has_residual: bool) -> bool {
    match has_residual {
        false => list.sufficient().last().is_none_or(|last| *last < slot),
        true => list.residuals().last().is_none_or(|[last, _]| *last < slot),
    }
}

/// Inserts a slot into a posting list and returns its new offset.
fn insert(arena: &mut Arena, at: Offset, slot: u32, residual: Option<u32>) -> Offset {
    let Some(mut pieces) = pieces(arena, at) else {
        let piece = insert_into_piece(arena, at, slot, residual);
        return match divide(arena, piece, slot) {
            None => piece,
            Some((left, right)) => {
                // 0 is at or below every slot, so it serves as the key of the first piece.
                let pieces = Directory::new(arena, &[[0, left], right]);
                arena.store(&[PIECES, pieces.0])
            }
        };
    };
    let [least, piece] = pieces.floor(arena, slot);
    let piece = insert_into_piece(arena, piece, slot, residual);
    // A piece's key is at or below all of its slots and above those of the piece before. A smaller
    // slot lowers it; `floor` chose this piece, so the new key is still above the previous one.
    let lowered = least.min(slot);
    match divide(arena, piece, slot) {
        None => pieces.set(arena, least, [lowered, piece]),
        Some((left, right)) => {
            pieces.set(arena, least, [lowered, left]);
            pieces.insert(arena, right);
            arena.set(at + 1, pieces.0);
        }
    }
    at
}

/// Divides a piece that is too long: returns the left piece, and the least slot and offset of the
/// right.
///
/// If `slot`, the last one inserted, is the greatest, only that slot goes to the right: in a bulk
/// load, which inserts in order, the left pieces stay full.
fn divide(arena: &mut Arena, at: Offset, slot: u32) -> Option<(Offset, [u32; 2])> {
    let list = PostingList::at(arena, at);
    if list.len() <= PIECE {
        return None;
    }
    let (sufficient, residuals) = (list.sufficient(), list.residuals());
    let middle = match last(sufficient, residuals) == Some(slot) {
        true => slot,
        false => middle(sufficient, residuals),
    };
    let (sufficient, right_sufficient) =
        sufficient.split_at(sufficient.partition_point(|slot| *slot < middle));
    let (residuals, right_residuals) =
        residuals.split_at(residuals.partition_point(|[slot, _]| *slot < middle));
    let (left, right) = (words(sufficient, residuals), words(right_sufficient, right_residuals));
    let len = list.len();
    // Store the right piece before the old one is freed and the left one takes its block again.
    let right = arena.store(&right);
    arena.free(at, len);
    Some((arena.store(&left), [middle, right]))
}

/// Returns the greatest slot of a posting list.
fn last(sufficient: &[u32], residuals: &[[u32; 2]]) -> Option<u32> {
    sufficient.last().copied().max(residuals.last().map(|[slot, _]| *slot))
}

/// Returns the slot in the middle of the larger part of a posting list that is too long.
///
/// It leaves each side of the list a fair share of the words.
#[expect(clippy::indexing_slicing, reason = "the larger part of a list with slots is not empty")]
fn middle(sufficient: &[u32], residuals: &[[u32; 2]]) -> u32 {
    match sufficient.len() >= residuals.len() {
        true => sufficient[sufficient.len() / 2],
        false => residuals[residuals.len() / 2][0],
    }
}

/// Returns the words of a posting list with these slots.
fn words(sufficient: &[u32], residuals: &[[u32; 2]]) -> Vec<u32> {
    let mut words = Vec::with_capacity(2 + sufficient.len() + 2 * residuals.len());
    words.extend([sufficient.len(), residuals.len()].map(word));
    words.extend_from_slice(sufficient);
    words.extend_from_slice(residuals.as_flattened());
    words
}

/// Inserts a slot into a list that is not in pieces and returns its new offset.
fn insert_into_piece(arena: &mut Arena, at: Offset, slot: u32, residual: Option<u32>) -> Offset {
    let list = PostingList::at(arena, at);
    let (sufficient, residuals, len) = (list.sufficient, list.residuals, list.len());
    let (position, counter) = match (residual, is_last(&list, slot, residual.is_some())) {
        (None, true) => (sufficient, at),
        (None, false) => (list.sufficient().partition_point(|other| *other < slot), at),
        (Some(_), true) => (sufficient + 2 * residuals, at + 1),
        (Some(_), false) => {
            let before = list.residuals().partition_point(|[other, _]| *other < slot);
            (sufficient + 2 * before, at + 1)
        }
    };
    // The count is changed in place, before the insertion that may copy the list.
    arena.set(counter, arena.word(counter) + 1);
    match residual {
        None => arena.insert(at, len, 2 + position, &[slot]),
        Some(residual) => arena.insert(at, len, 2 + position, &[slot, residual]),
    }
}

/// Removes a slot from a posting list; returns its new offset, or `None` if it was the last slot.
fn remove(arena: &mut Arena, at: Offset, slot: u32, has_residual: bool) -> Option<Offset> {
    let Some(mut pieces) = pieces(arena, at) else {
        return remove_from_piece(arena, at, slot, has_residual);
    };
    let [least, piece] = pieces.floor(arena, slot);
    match remove_from_piece(arena, piece, slot, has_residual) {
        None => pieces.remove(arena, least),
        Some(piece) => {
            pieces.set(arena, least, [least, piece]);
            join(arena, &mut pieces, [least, piece]);
        }
    }
    // A single piece is a posting list itself, without a directory.
    if let Some([_, only]) = pieces.only(arena) {
        pieces.free(arena);
        arena.free(at, 2);
        return Some(only);
    }
    arena.set(at + 1, pieces.0);
    Some(at)
}

/// Joins a short piece to the next one, or else the previous one, if that is not long.
fn join(arena: &mut Arena, pieces: &mut Directory, [least, piece]: [u32; 2]) {
    let len = |at: Offset| PostingList::at(arena, at).len();
    // The limits are far apart, so a joined piece is neither divided nor joined again soon.
    if len(piece) >= PIECE / 8 {
        return;
    }
    let short = |pair: &[u32; 2]| len(pair[1]) < PIECE / 2;
    let [before, after] = pieces.neighbors(arena, least).map(|pair| pair.filter(short));
    let (left, right) = match (before, after) {
        (_, Some(after)) => ([least, piece], after),
        (Some(before), None) => (before, [least, piece]),
        (None, None) => return,
    };
    // All slots on the left are below those on the right, so concatenation keeps the order.
    let [first, second] = [left, right].map(|[_, at]| PostingList::at(arena, at));
    let sufficient = [first.sufficient(), second.sufficient()].concat();
    let residuals = [first.residuals(), second.residuals()].concat();
    let lens = [first.len(), second.len()];
    arena.free(left[1], lens[0]);
    arena.free(right[1], lens[1]);
    let joined = arena.store(&words(&sufficient, &residuals));
    pieces.set(arena, left[0], [left[0], joined]);
    pieces.remove(arena, right[0]);
}

/// Removes a slot from a list that is not in pieces; see [`remove`].
fn remove_from_piece(
    arena: &mut Arena,
    at: Offset,
    slot: u32,
    has_residual: bool,
) -> Option<Offset> {
    let list = PostingList::at(arena, at);
    let (sufficient, len) = (list.sufficient, list.len());
    let found = match has_residual {
        false => list.sufficient().binary_search(&slot),
        true => list.residuals().binary_search_by_key(&slot, |[slot, _]| *slot),
    };
    debug_assert!(found.is_ok(), "slot {slot} is not in the posting list");
    let (Ok(before) | Err(before)) = found;
    let position = if has_residual { sufficient + 2 * before } else { before };
    let (counter, count) = if has_residual { (at + 1, 2) } else { (at, 1) };
    if len == 2 + count {
        arena.free(at, len);
        return None;
    }
    arena.set(counter, arena.word(counter) - 1);
    Some(arena.remove(at, len, 2 + position, count))
}
