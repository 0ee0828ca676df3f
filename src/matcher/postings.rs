//! Posting lists: the subscriptions that have an attribute value as an access key.
//!
//! # Data structure
//!
//! A *posting* is a slot under a value in one bucket (a topic's subscriptions for one audience, see
//! [`topics`](super::topics)). A *posting list* holds the postings of a value in a bucket, in two
//! parts: slots for which the value is a *sufficient* key, so it flips their verdict, and
//! slots with a *residual* predicate, which decides whether it does. Both are ascending by slot.
//!
//! Each value has [`Postings`] in its entry of the dictionary: four words. A list of up to three
//! words in a single bucket is *inline*, so a match that has found the value has read the list,
//! too. Most values that filters mention are like that. All other lists are in the arena, with
//! their counts in the first two words.
//!
//! ```text
//! Postings (16 bytes)
//! form  bucket   words
//! ┌────┬───────┬─────────────┐
//! │  0 │   -   │             │  no posting
//! │  2 │   5   │  4   9      │  inline: slots 4 and 9, both flipped
//! │  5 │   5   │  4   6   R  │  inline: slot 4, and slot 6 with its residual
//! │  6 │   5   │  ●          │  one bucket:       ● is the offset of a posting list
//! │  7 │   -   │  ●          │  several buckets:  ● is the directory of (bucket, posting list)
//! └────┴───────┴──│──────────┘
//!                 ▼
//! posting list     [2, 1,  4, 9,   6, R]
//!                   │  │  └─┬─┘   └─┬─┘
//!    sufficient: 2 ─┘  │    │       └─ slot 6, and its residual in one word
//!    with residual: 1 ─┘    └─ slots 4 and 9
//!
//! long list        [PIECES, ●]
//!                           └──► directory of (least slot, piece), each piece as a posting list
//! ```
//!
//! The form of an inline list is the number of its sufficient slots, plus 4 if it has a slot with a
//! residual: 1, 2, 3, 4 and 5 are all the lists that fit in three words.
//!
//! # Example
//!
//! Slot 4 has the filter `spaceId eq "s"`, slot 6 `spaceId eq "s" and data.status eq "ok"`. The
//! value `s` has the form 5 and the words `4, 6, R`: having `s` flips the verdict of slot 4, and
//! that of slot 6 only if the event also has `ok`, which is what `R` says. If slot 9 with
//! `spaceId eq "s"` is inserted, the four words are too many: they go to the arena as
//! `[2, 1, 4, 9, 6, R]`, and the form becomes 6. When slot 6 is removed, two words are left, and
//! they return to the entry.
//!
//! If more slots with `s` are inserted until the list exceeds 2,048 words, it is divided: at its
//! middle slot, or before the new slot if that is the greatest. The two pieces are entered in a
//! directory. The keys are 0 and the least slot of the right piece. Two words at a stable offset
//! lead to the directory. A match reads the pieces in ascending order as if they were one list.
//!
//! # Invariants
//!
//! - A slot occurs in a list at most once. A filter that mentions a value in several terms has
//!   one access key for it, which is sufficient if any of them is.
//! - `remove` gets the same "has a residual" as `insert`: access keys are marked in the
//!   filter's code and do not change while it is in use.
//! - A list is inline exactly if it fits and its value has no other. The lists of a directory are in
//!   the arena, however short.
//! - Bucket ids are below [`MAX_BUCKETS`], so they leave three bits for the form, and none is that of
//!   "no single bucket".
//! - A piece has at most 2,048 words, and all of its slots are at least its key in the
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

mod list;

use super::arena::{Arena, Offset};
use super::directory::Directory;
use super::table::word;
pub(super) use list::PostingList;
use smallvec::SmallVec;

/// The posting lists of a value, over all buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Postings {
    /// The form in the upper three bits, and the only bucket with postings or [`NONE`].
    head: u32,
    /// An inline list, or the offset of a list or of a directory.
    words: [u32; INLINE],
}

/// The maximum number of words of an inline list.
const INLINE: usize = 3;
/// The position of the form in the head.
const FORM: u32 = 29;
/// Added to the form of an inline list that has a slot with a residual.
const TESTED: u32 = 4;
/// The form of a list in the arena.
const STORED: u32 = 6;
/// The form of a directory of lists.
const SEVERAL: u32 = 7;
/// The bucket if there is no single one.
const NONE: u32 = (1 << FORM) - 1;

/// The maximum number of buckets: an id has 29 bits, and one id stands for none.
pub(super) const MAX_BUCKETS: usize = NONE as usize;

/// What [`Postings::find`] found.
pub(super) enum Found {
    Nothing,
    Inline(Inline),
    /// The list at an offset in the arena.
    Stored(Offset),
}

/// A list of up to three words.
#[derive(Clone, Copy)]
pub(super) struct Inline {
    form: u32,
    words: [u32; INLINE],
}

impl Inline {
    fn sufficient_len(self) -> usize {
        (self.form % TESTED) as usize
    }

    /// Returns whether the value is a sufficient key of some slot.
    #[inline]
    pub(super) fn has_sufficient(self) -> bool {
        self.sufficient_len() > 0
    }

    /// Appends the slots whose verdict the value flips, without a branch on their number.
    #[inline]
    pub(super) fn append_sufficient(self, to: &mut Vec<u32>) {
        to.extend_from_slice(&self.words);
        to.truncate(to.len() - (INLINE - self.sufficient_len()));
    }

    /// Returns the slot with a residual, with it; there is at most one.
    #[inline]
    pub(super) fn residual(self) -> Option<[u32; 2]> {
        let [first, second, third] = self.words;
        match self.form {
            TESTED => Some([first, second]),
            _ if self.form > TESTED => Some([second, third]),
            _ => None,
        }
    }
}

/// The postings of a short list, while it is changed.
#[derive(Default)]
struct Short {
    sufficient: SmallVec<[u32; 4]>,
    residuals: SmallVec<[[u32; 2]; 2]>,
}

impl Short {
    fn of_list(list: PostingList<'_>) -> Self {
        Self { sufficient: list.sufficient().into(), residuals: list.residuals().into() }
    }

    fn insert(&mut self, slot: u32, residual: Option<u32>) {
        match residual {
            None => {
                let at = self.sufficient.partition_point(|other| *other < slot);
                self.sufficient.insert(at, slot);
            }
            Some(residual) => {
                let at = self.residuals.partition_point(|[other, _]| *other < slot);
                self.residuals.insert(at, [slot, residual]);
            }
        }
    }

    fn remove(&mut self, slot: u32, has_residual: bool) {
        let before = self.len();
        match has_residual {
            false => self.sufficient.retain(|other| *other != slot),
            true => self.residuals.retain(|[other, _]| *other != slot),
        }
        debug_assert!(self.len() < before, "slot {slot} is not in the posting list");
    }

    fn len(&self) -> usize {
        self.sufficient.len() + 2 * self.residuals.len()
    }

    fn store(&self, arena: &mut Arena) -> Offset {
        arena.store(&list::words(&self.sufficient, &self.residuals))
    }
}

impl Default for Postings {
    fn default() -> Self {
        Self { head: NONE, words: [0; INLINE] }
    }
}

impl Postings {
    fn new(form: u32, bucket: u32, words: [u32; INLINE]) -> Self {
        debug_assert!(bucket <= NONE, "bucket {bucket} has too many bits");
        Self { head: form << FORM | bucket, words }
    }

    /// Returns the postings with a list in the arena, or a directory of several.
    fn at(form: u32, bucket: u32, at: Offset) -> Self {
        Self::new(form, bucket, [at, 0, 0])
    }

    #[inline]
    fn form(&self) -> u32 {
        self.head >> FORM
    }

    #[inline]
    fn bucket(&self) -> u32 {
        self.head & NONE
    }

    fn offset(&self) -> Offset {
        let [offset, _, _] = self.words;
        offset
    }

    /// Returns the postings of a single bucket with a short list, which may be empty.
    fn of_short(short: &Short, bucket: u32, arena: &mut Arena) -> Self {
        match short.len() {
            0 => Self::default(),
            1..=INLINE => {
                let mut words = [0; INLINE];
                let list = short.sufficient.iter().chain(short.residuals.as_flattened());
                words.iter_mut().zip(list).for_each(|(word, listed)| *word = *listed);
                let tested = TESTED * word(short.residuals.len());
                Self::new(word(short.sufficient.len()) + tested, bucket, words)
            }
            _ => Self::at(STORED, bucket, short.store(arena)),
        }
    }

    /// Returns the postings of a single bucket with a list in the arena, which moves here if it
    /// fits.
    fn of_list(at: Offset, bucket: u32, arena: &mut Arena) -> Self {
        let list = PostingList::at(arena, at);
        if list.is_in_pieces() || list.len() > 2 + INLINE {
            return Self::at(STORED, bucket, at);
        }
        let (short, len) = (Short::of_list(list), list.len());
        arena.free(at, len);
        Self::of_short(&short, bucket, arena)
    }

    /// Returns the inline list.
    fn short(&self) -> Short {
        let inline = Inline { form: self.form(), words: self.words };
        let (sufficient, _) = inline.words.split_at(inline.sufficient_len());
        Short { sufficient: sufficient.into(), residuals: inline.residual().into_iter().collect() }
    }

    /// Returns the posting list in a bucket.
    #[inline]
    pub(super) fn find(&self, arena: &Arena, bucket: u32) -> Found {
        // No bucket has the id `NONE`.
        if self.bucket() == bucket {
            return match self.form() {
                STORED => Found::Stored(self.offset()),
                form => Found::Inline(Inline { form, words: self.words }),
            };
        }
        let found = match self.form() {
            SEVERAL => Directory(self.offset()).find(arena, bucket),
            _ => None,
        };
        found.map_or(Found::Nothing, Found::Stored)
    }

    /// Returns the offset in the arena that a match reads first, for prefetching.
    ///
    /// It is 0, which is in the caches, if a match reads none.
    #[inline]
    pub(super) fn first(&self) -> Offset {
        if self.form() < STORED { 0 } else { self.offset() }
    }

    /// Reads the words that a change of the list needs, if all `slots` postings are in one bucket.
    ///
    /// Reads one word in each of up to nine cache lines spread over the list, since the position of
    /// the slot is not known yet.
    pub(super) fn prefetch_words(&self, arena: &Arena, slots: u32) -> u32 {
        if self.form() < STORED {
            return self.head;
        }
        let slots = slots.min(list::PIECE as u32);
        // The list may be shorter, so the offsets may be beyond it.
        let word = |part| arena.prefetch_word(self.offset().wrapping_add(slots / 8 * part));
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
        match self.form() {
            SEVERAL => self.insert_among_several(arena, bucket, slot, residual),
            STORED if self.bucket() == bucket => {
                let at = list::insert(arena, self.offset(), slot, residual);
                *self = Self::at(STORED, bucket, at);
            }
            _ if self.bucket() == bucket || *self == Self::default() => {
                *self = self.with_last(bucket, slot, residual).unwrap_or_else(|| {
                    let mut short = self.short();
                    short.insert(slot, residual);
                    Self::of_short(&short, bucket, arena)
                });
            }
            // The second bucket: a directory replaces the only list.
            form => {
                let own = if form == STORED { self.offset() } else { self.short().store(arena) };
                let mut new = Short::default();
                new.insert(slot, residual);
                let (first, second) = ([self.bucket(), own], [bucket, new.store(arena)]);
                let buckets = [first.min(second), first.max(second)];
                *self = Self::at(SEVERAL, NONE, Directory::new(arena, &buckets).0);
            }
        }
    }

    /// Returns an inline list with one more slot at its end, as in a bulk load; `None` if that is not
    /// the place of the slot, or there is no room.
    fn with_last(&self, bucket: u32, slot: u32, residual: Option<u32>) -> Option<Self> {
        let [first, second, _] = self.words;
        let words = match (self.form(), residual) {
            (0, None) => [slot, 0, 0],
            (1, None) if first < slot => [first, slot, 0],
            (2, None) if second < slot => [first, second, slot],
            _ => return None,
        };
        Some(Self::new(self.form() + 1, bucket, words))
    }

    fn insert_among_several(
        &mut self,
        arena: &mut Arena,
        bucket: u32,
        slot: u32,
        residual: Option<u32>,
    ) {
        let mut buckets = Directory(self.offset());
        match buckets.find(arena, bucket) {
            Some(list) => {
                let list = list::insert(arena, list, slot, residual);
                buckets.set(arena, bucket, [bucket, list]);
            }
            None => {
                let mut new = Short::default();
                new.insert(slot, residual);
                let list = new.store(arena);
                buckets.insert(arena, [bucket, list]);
            }
        }
        *self = Self::at(SEVERAL, NONE, buckets.0);
    }

    /// Removes a slot that was inserted with or without a residual.
    pub(super) fn remove(&mut self, arena: &mut Arena, bucket: u32, slot: u32, has_residual: bool) {
        let form = self.form();
        debug_assert!(
            form == SEVERAL || self.bucket() == bucket,
            "the value has its postings elsewhere"
        );
        *self = match form {
            SEVERAL => return self.remove_among_several(arena, bucket, slot, has_residual),
            STORED => match list::remove(arena, self.offset(), slot, has_residual) {
                Some(at) => Self::of_list(at, bucket, arena),
                None => Self::default(),
            },
            _ => {
                let mut short = self.short();
                short.remove(slot, has_residual);
                Self::of_short(&short, bucket, arena)
            }
        };
    }

    fn remove_among_several(
        &mut self,
        arena: &mut Arena,
        bucket: u32,
        slot: u32,
        has_residual: bool,
    ) {
        let mut buckets = Directory(self.offset());
        let list = buckets.get(arena, bucket);
        match list::remove(arena, list, slot, has_residual) {
            Some(list) => buckets.set(arena, bucket, [bucket, list]),
            None => buckets.remove(arena, bucket),
        }
        // A single bucket is stored without a directory.
        *self = match buckets.only(arena) {
            Some([bucket, at]) => {
                buckets.free(arena);
                Self::of_list(at, bucket, arena)
            }
            None => Self::at(SEVERAL, NONE, buckets.0),
        };
    }

    /// Copies all posting lists to another arena.
    pub(super) fn relocated(&self, from: &Arena, to: &mut Arena) -> Self {
        let at = match self.form() {
            SEVERAL => {
                let list = |to: &mut Arena, at| list::relocated(from, to, at);
                Directory(self.offset()).relocated(from, to, list).0
            }
            STORED => list::relocated(from, to, self.offset()),
            _ => return *self,
        };
        Self::at(self.form(), self.bucket(), at)
    }
}

#[cfg(test)]
mod tests;
