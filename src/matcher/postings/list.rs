//! Posting lists in the arena: their words, and their division into pieces.
//!
//! See [`postings`](super) for the formats, an example and the invariants.

use crate::matcher::arena::{Arena, Offset, Tail};
use crate::matcher::directory::Directory;
use crate::matcher::table::word;

/// In the first word of a posting list: it is in pieces, and the second word is their directory.
///
/// A count of slots is never this large: it is bounded by the words of a piece.
const PIECES: u32 = u32::MAX;
/// The maximum number of words in a piece.
pub(super) const PIECE: usize = 1 << 11;

/// A posting list, or a piece of one, in the arena.
#[derive(Clone, Copy)]
pub(in crate::matcher) struct PostingList<'b> {
    /// The words after the counts.
    words: Tail<'b>,
    /// The number of slots without a residual.
    sufficient: usize,
    /// The number of slots with a residual.
    residuals: usize,
}

impl<'b> PostingList<'b> {
    #[inline]
    pub(in crate::matcher) fn at(arena: &'b Arena, at: Offset) -> Self {
        let ([sufficient, residuals], words) = arena.tail(at).split();
        Self { words, sufficient: *sufficient as usize, residuals: *residuals as usize }
    }

    /// Returns whether the list is in pieces, which [`each_piece`](Self::each_piece) reads.
    #[inline]
    pub(in crate::matcher) fn is_in_pieces(self) -> bool {
        self.sufficient == PIECES as usize
    }

    /// Calls `each` with each piece of the list at an offset, ascending by slot.
    pub(in crate::matcher) fn each_piece(arena: &'b Arena, at: Offset, each: impl FnMut(Self)) {
        let pieces = pieces(arena, at);
        debug_assert!(pieces.is_some(), "the posting list at {at} is not in pieces");
        let offsets = pieces.into_iter().flat_map(|pieces| pieces.all(arena));
        offsets.map(|[_, piece]| Self::at(arena, piece)).for_each(each);
    }

    /// Returns whether the value is a sufficient key of some slot.
    #[inline]
    pub(in crate::matcher) fn has_sufficient(self) -> bool {
        self.sufficient > 0
    }

    /// Returns the slots whose verdict the value flips.
    #[inline]
    pub(in crate::matcher) fn sufficient(self) -> &'b [u32] {
        self.words.range(0, self.sufficient)
    }

    /// Returns the slots with a residual, each with it.
    #[inline]
    pub(in crate::matcher) fn residuals(self) -> &'b [[u32; 2]] {
        self.words.range(self.sufficient, 2 * self.residuals).as_chunks().0
    }

    /// Appends the slots whose verdict the value flips.
    ///
    /// Up to eight slots are copied as eight words, whatever follows the list, and the excess is
    /// dropped: a copy of fixed length is one or two instructions and no branch on the length.
    #[inline]
    pub(in crate::matcher) fn append_sufficient(self, to: &mut Vec<u32>) {
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
    pub(super) fn len(&self) -> usize {
        2 + self.sufficient + 2 * self.residuals
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
pub(super) fn insert(arena: &mut Arena, at: Offset, slot: u32, residual: Option<u32>) -> Offset {
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
pub(super) fn words(sufficient: &[u32], residuals: &[[u32; 2]]) -> Vec<u32> {
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
pub(super) fn remove(
    arena: &mut Arena,
    at: Offset,
    slot: u32,
    has_residual: bool,
) -> Option<Offset> {
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

/// Copies a posting list to another arena and returns its offset there.
pub(super) fn relocated(from: &Arena, to: &mut Arena, at: Offset) -> Offset {
    let piece = |to: &mut Arena, at| to.store(from.list(at, PostingList::at(from, at).len()));
    match pieces(from, at) {
        None => piece(to, at),
        Some(pieces) => {
            let pieces = pieces.relocated(from, to, piece);
            to.store(&[PIECES, pieces.0])
        }
    }
}
