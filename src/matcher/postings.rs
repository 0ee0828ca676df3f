//! Which subscriptions are found under an attribute value.
//!
//! A posting lies in one block: how many slots the value alone turns, how many are to be tested, the
//! slots, and for each slot to be tested the [plan](super::plan) of what is left to test; both parts
//! ascending by slot. A value has a posting for each shelf; where they are several, a
//! [directory](super::directory) lists them.
//!
//! A long posting lies in *pieces*, each of which is as above and has the slots of a range; a directory
//! lists them by their least slots. So a change moves at most [`PIECE`] words, however many slots are
//! under the value: without pieces, removing n subscriptions of one value moved n² / 2 words.

use super::blocks::{Blocks, Place};
use super::directory::{Directory, word};

/// The postings of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    /// The shelf of the only posting; or `NONE`, or `SEVERAL`.
    shelf: u32,
    at: Place,
}

const NONE: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;

/// In the first word of a posting: it lies in pieces, whose directory the second word names.
const PIECES: u32 = u32::MAX;
/// The limit of words in a piece.
const PIECE: usize = 1 << 11;

impl Default for Lists {
    fn default() -> Self {
        Self { shelf: NONE, at: 0 }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Posting<'b> {
    /// From its slots on, and behind it those of other lists.
    words: &'b [u32],
    turns: usize,
    tests: usize,
}

impl<'b> Posting<'b> {
    #[inline]
    pub(super) fn at(blocks: &'b Blocks, at: Place) -> Self {
        match blocks.from(at) {
            [turns, tests, words @ ..] => {
                Self { words, turns: *turns as usize, tests: *tests as usize }
            }
            _ => Self { words: &[], turns: 0, tests: 0 },
        }
    }

    /// Whether it lies in pieces, which [`each_piece`](Self::each_piece) reads.
    #[inline]
    pub(super) fn is_in_pieces(self) -> bool {
        self.turns == PIECES as usize
    }

    /// Calls `each` with the pieces of the posting at a place, ascending by slot.
    pub(super) fn each_piece(blocks: &'b Blocks, at: Place, each: impl FnMut(Self)) {
        let pieces = pieces(blocks, at);
        debug_assert!(pieces.is_some(), "the posting at {at} is not in pieces");
        let places = pieces.into_iter().flat_map(|pieces| pieces.all(blocks));
        places.map(|[_, piece]| Self::at(blocks, piece)).for_each(each);
    }

    /// Whether the value alone turns the verdict of some slots.
    #[inline]
    pub(super) fn has_turns(self) -> bool {
        self.turns > 0
    }

    /// Slots whose verdict the value alone turns.
    #[inline]
    pub(super) fn turns(self) -> &'b [u32] {
        self.words.get(..self.turns).unwrap_or_default()
    }

    /// Slots and what is left to test of each.
    #[inline]
    pub(super) fn tests(self) -> &'b [[u32; 2]] {
        let tests = self.words.get(self.turns..self.turns + 2 * self.tests);
        tests.unwrap_or_default().as_chunks().0
    }

    /// Appends the slots whose verdict the value alone turns: few of them with all that stands
    /// behind, since a copy of a fixed length is a step or two.
    #[inline]
    pub(super) fn append_turns(self, to: &mut Vec<u32>) {
        match self.words.first_chunk::<8>() {
            Some(words) if self.turns <= 8 => {
                to.extend_from_slice(words);
                to.truncate(to.len() - (8 - self.turns));
            }
            _ => to.extend_from_slice(self.turns()),
        }
    }

    fn len(&self) -> usize {
        2 + self.turns + 2 * self.tests
    }
}

impl Lists {
    #[inline]
    pub(super) fn find(self, blocks: &Blocks, shelf: u32) -> Option<Place> {
        // No shelf has the number `NONE` or `SEVERAL`.
        if self.shelf == shelf {
            return Some(self.at);
        }
        match self.shelf {
            SEVERAL => Directory(self.at).find(blocks, shelf),
            _ => None,
        }
    }

    /// Where the postings of a value that has them on one shelf alone are read first.
    #[inline]
    pub(super) fn first(self) -> Place {
        self.at
    }

    /// Reads what a change of the only posting, of so many slots, is going to read: up to eight
    /// lines of cache, since nobody knows yet where in them the slot is.
    pub(super) fn touch(self, blocks: &Blocks, slots: u32) -> u32 {
        let slots = slots.min(PIECE as u32);
        let word = |part| blocks.word(self.at.wrapping_add(slots / 8 * part));
        (0..=8).map(word).fold(0, u32::wrapping_add)
    }

    /// Adds a slot: to be tested where something is left to test.
    pub(super) fn put(&mut self, blocks: &mut Blocks, shelf: u32, slot: u32, test: Option<u32>) {
        let new = |blocks: &mut Blocks| match test {
            None => blocks.put(&[1, 0, slot]),
            Some(test) => blocks.put(&[0, 1, slot, test]),
        };
        match self.shelf {
            NONE => *self = Self { shelf, at: new(blocks) },
            only if only == shelf => self.at = add(blocks, self.at, slot, test),
            SEVERAL => {
                let mut shelves = Directory(self.at);
                match shelves.find(blocks, shelf) {
                    Some(place) => {
                        let moved = add(blocks, place, slot, test);
                        shelves.set(blocks, shelf, [shelf, moved]);
                    }
                    None => {
                        let place = new(blocks);
                        shelves.insert(blocks, [shelf, place]);
                    }
                }
                self.at = shelves.0;
            }
            only => {
                let place = new(blocks);
                let (first, second) = ([only, self.at], [shelf, place]);
                let shelves = [first.min(second), first.max(second)];
                *self = Self { shelf: SEVERAL, at: Directory::new(blocks, &shelves).0 };
            }
        }
    }

    /// Takes a slot out that was put with a test or without one.
    pub(super) fn take(&mut self, blocks: &mut Blocks, shelf: u32, slot: u32, test: bool) {
        match self.shelf {
            only if only == shelf => match lessen(blocks, self.at, slot, test) {
                Some(place) => self.at = place,
                None => *self = Self::default(),
            },
            SEVERAL => {
                let mut shelves = Directory(self.at);
                let found = shelves.find(blocks, shelf);
                debug_assert!(found.is_some(), "the value has no posting on shelf {shelf}");
                let Some(place) = found else { return };
                match lessen(blocks, place, slot, test) {
                    Some(place) => shelves.set(blocks, shelf, [shelf, place]),
                    None => shelves.remove(blocks, shelf),
                }
                self.at = shelves.0;
                if let Some([shelf, at]) = shelves.only(blocks) {
                    shelves.free(blocks);
                    *self = Self { shelf, at };
                }
            }
            other => debug_assert!(false, "the value has postings on {other}, not on {shelf}"),
        }
    }

    /// The same postings in other memory.
    pub(super) fn moved(self, from: &Blocks, to: &mut Blocks) -> Self {
        let piece = |to: &mut Blocks, at| to.put(from.list(at, Posting::at(from, at).len()));
        let posting = |to: &mut Blocks, at| match pieces(from, at) {
            None => piece(to, at),
            Some(pieces) => {
                let pieces = pieces.moved(from, to, piece);
                to.put(&[PIECES, pieces.0])
            }
        };
        match self.shelf {
            NONE => self,
            SEVERAL => {
                let shelves = Directory(self.at).moved(from, to, posting);
                Self { shelf: SEVERAL, at: shelves.0 }
            }
            shelf => Self { shelf, at: posting(to, self.at) },
        }
    }
}

/// The pieces of a posting that lies in some.
#[inline]
fn pieces(blocks: &Blocks, at: Place) -> Option<Directory> {
    match blocks.from(at) {
        [PIECES, pieces, ..] => Some(Directory(*pieces)),
        _ => None,
    }
}

/// Whether a slot comes after all others, as in a bulk load, so that no search is needed.
#[inline]
fn is_behind(posting: &Posting<'_>, slot: u32, tested: bool) -> bool {
    match tested {
        false => posting.turns().last().is_none_or(|last| *last < slot),
        true => posting.tests().last().is_none_or(|[last, _]| *last < slot),
    }
}

/// The place of the posting with one more slot.
fn add(blocks: &mut Blocks, at: Place, slot: u32, test: Option<u32>) -> Place {
    let Some(mut pieces) = pieces(blocks, at) else {
        let piece = add_to_piece(blocks, at, slot, test);
        return match divide(blocks, piece, slot) {
            None => piece,
            Some((left, right)) => {
                let pieces = Directory::new(blocks, &[[0, left], right]);
                blocks.put(&[PIECES, pieces.0])
            }
        };
    };
    let [least, piece] = pieces.floor(blocks, slot);
    let piece = add_to_piece(blocks, piece, slot, test);
    // The least slot of a piece is at or below all of its slots, and above those of the piece before.
    let now = least.min(slot);
    match divide(blocks, piece, slot) {
        None => pieces.set(blocks, least, [now, piece]),
        Some((left, right)) => {
            pieces.set(blocks, least, [now, left]);
            pieces.insert(blocks, right);
            blocks.set(at + 1, pieces.0);
        }
    }
    at
}

/// Divides a piece that is too long: the left one, and the right one after its least slot. After a slot
/// that was put at the end, as in a bulk load, the left one stays full.
fn divide(blocks: &mut Blocks, at: Place, slot: u32) -> Option<(Place, [u32; 2])> {
    let posting = Posting::at(blocks, at);
    if posting.len() <= PIECE {
        return None;
    }
    let (turns, tests) = (posting.turns(), posting.tests());
    let last = turns.last().copied().max(tests.last().map(|[slot, _]| *slot));
    let middle = match last == Some(slot) {
        true => last,
        false if turns.len() >= tests.len() => turns.get(turns.len() / 2).copied(),
        false => tests.get(tests.len() / 2).map(|[slot, _]| *slot),
    }?;
    let (turns, right_turns) = turns.split_at(turns.partition_point(|slot| *slot < middle));
    let (tests, right_tests) = tests.split_at(tests.partition_point(|[slot, _]| *slot < middle));
    let (left, right) = (list(turns, tests), list(right_turns, right_tests));
    let len = posting.len();
    let right = blocks.put(&right);
    blocks.free(at, len);
    Some((blocks.put(&left), [middle, right]))
}

/// The words of a piece.
fn list(turns: &[u32], tests: &[[u32; 2]]) -> Vec<u32> {
    let mut words = Vec::with_capacity(2 + turns.len() + 2 * tests.len());
    words.extend([turns.len(), tests.len()].map(word));
    words.extend_from_slice(turns);
    words.extend_from_slice(tests.as_flattened());
    words
}

fn add_to_piece(blocks: &mut Blocks, at: Place, slot: u32, test: Option<u32>) -> Place {
    let posting = Posting::at(blocks, at);
    let (turns, tests, len) = (posting.turns, posting.tests, posting.len());
    let (position, counter) = match (test, is_behind(&posting, slot, test.is_some())) {
        (None, true) => (turns, at),
        (None, false) => (posting.turns().partition_point(|other| *other < slot), at),
        (Some(_), true) => (turns + 2 * tests, at + 1),
        (Some(_), false) => {
            let before = posting.tests().partition_point(|[other, _]| *other < slot);
            (turns + 2 * before, at + 1)
        }
    };
    blocks.set(counter, blocks.word(counter) + 1);
    match test {
        None => blocks.insert(at, len, 2 + position, &[slot]),
        Some(test) => blocks.insert(at, len, 2 + position, &[slot, test]),
    }
}

/// The place of the posting with one slot less; `None` where that was the last one.
fn lessen(blocks: &mut Blocks, at: Place, slot: u32, test: bool) -> Option<Place> {
    let Some(mut pieces) = pieces(blocks, at) else {
        return lessen_piece(blocks, at, slot, test);
    };
    let [least, piece] = pieces.floor(blocks, slot);
    match lessen_piece(blocks, piece, slot, test) {
        None => pieces.remove(blocks, least),
        Some(piece) => {
            pieces.set(blocks, least, [least, piece]);
            join(blocks, &mut pieces, [least, piece]);
        }
    }
    if let Some([_, only]) = pieces.only(blocks) {
        pieces.free(blocks);
        blocks.free(at, 2);
        return Some(only);
    }
    blocks.set(at + 1, pieces.0);
    Some(at)
}

/// Joins a short piece to the next one or the one before, where that is not long.
fn join(blocks: &mut Blocks, pieces: &mut Directory, [least, piece]: [u32; 2]) {
    let len = |at: Place| Posting::at(blocks, at).len();
    if len(piece) >= PIECE / 8 {
        return;
    }
    let short = |pair: &[u32; 2]| len(pair[1]) < PIECE / 2;
    let [before, after] = pieces.neighbours(blocks, least).map(|pair| pair.filter(short));
    let (left, right) = match (before, after) {
        (_, Some(after)) => ([least, piece], after),
        (Some(before), None) => (before, [least, piece]),
        (None, None) => return,
    };
    let [first, second] = [left, right].map(|[_, at]| Posting::at(blocks, at));
    let turns = [first.turns(), second.turns()].concat();
    let tests = [first.tests(), second.tests()].concat();
    let lens = [first.len(), second.len()];
    blocks.free(left[1], lens[0]);
    blocks.free(right[1], lens[1]);
    let joined = blocks.put(&list(&turns, &tests));
    pieces.set(blocks, left[0], [left[0], joined]);
    pieces.remove(blocks, right[0]);
}

fn lessen_piece(blocks: &mut Blocks, at: Place, slot: u32, test: bool) -> Option<Place> {
    let posting = Posting::at(blocks, at);
    let (turns, len) = (posting.turns, posting.len());
    let found = match test {
        false => posting.turns().binary_search(&slot).ok(),
        true => {
            let found = posting.tests().binary_search_by_key(&slot, |[slot, _]| *slot);
            found.ok().map(|at| turns + 2 * at)
        }
    };
    debug_assert!(found.is_some(), "slot {slot} is not in the posting");
    let Some(position) = found else { return Some(at) };
    let (counter, count) = if test { (at + 1, 2) } else { (at, 1) };
    if len == 2 + count {
        blocks.free(at, len);
        return None;
    }
    blocks.set(counter, blocks.word(counter) - 1);
    Some(blocks.remove(at, len, 2 + position, count))
}
