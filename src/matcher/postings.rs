//! Which subscriptions are found under an attribute value.
//!
//! A posting lies in one block: how many slots the value alone turns, how many are to be tested, the
//! slots, and for each slot to be tested the [plan](super::plan) of what is left to test; both parts
//! ascending by slot. A value has a posting for each shelf; a block lists them where they are
//! several.

use super::blocks::{Blocks, Place};

/// The postings of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    /// The shelf of the only posting; or `NONE`, or `SEVERAL`.
    shelf: u32,
    at: Place,
}

const NONE: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;

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

    /// How many slots it has.
    pub(super) fn slots(self) -> usize {
        self.turns + self.tests
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
        match self.shelf {
            NONE => None,
            SEVERAL => self.search(blocks, shelf).ok().map(|(_, at)| at),
            only => (only == shelf).then_some(self.at),
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
        let word = |part| blocks.word(self.at.wrapping_add(slots / 8 * part));
        (0..=8).map(word).fold(0, u32::wrapping_add)
    }

    fn entries(self, blocks: &Blocks) -> &[[u32; 2]] {
        let count = blocks.word(self.at) as usize;
        blocks.list(self.at, 1 + 2 * count).get(1..).unwrap_or_default().as_chunks().0
    }

    /// Position and place of the posting on a shelf; or where it is to be.
    fn search(self, blocks: &Blocks, shelf: u32) -> Result<(usize, Place), usize> {
        let entries = self.entries(blocks);
        let at = entries.binary_search_by_key(&shelf, |[shelf, _]| *shelf)?;
        Ok((at, entries.get(at).map_or(0, |[_, place]| *place)))
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
            SEVERAL => match self.search(blocks, shelf) {
                Ok((at, place)) => {
                    let moved = add(blocks, place, slot, test);
                    blocks.set(self.entry(at) + 1, moved);
                }
                Err(at) => {
                    let place = new(blocks);
                    let count = self.entries(blocks).len();
                    self.at = blocks.insert(self.at, 1 + 2 * count, 1 + 2 * at, &[shelf, place]);
                    blocks.set(self.at, blocks.word(self.at) + 1);
                }
            },
            only => {
                let place = new(blocks);
                let (first, second) = ([only, self.at], [shelf, place]);
                let ([a, b], [c, d]) = (first.min(second), first.max(second));
                *self = Self { shelf: SEVERAL, at: blocks.put(&[2, a, b, c, d]) };
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
                let Ok((at, place)) = self.search(blocks, shelf) else { return };
                match lessen(blocks, place, slot, test) {
                    Some(place) => blocks.set(self.entry(at) + 1, place),
                    None => self.forget(blocks, at),
                }
            }
            _ => {}
        }
    }

    /// Forgets the entry at a position; at least one is left.
    fn forget(&mut self, blocks: &mut Blocks, at: usize) {
        let count = self.entries(blocks).len();
        self.at = blocks.remove(self.at, 1 + 2 * count, 1 + 2 * at, 2);
        blocks.set(self.at, blocks.word(self.at) - 1);
        if let [[shelf, place]] = *self.entries(blocks) {
            blocks.free(self.at, 3);
            *self = Self { shelf, at: place };
        }
    }

    /// Positions are far below 2³², as all words are.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    fn entry(self, at: usize) -> Place {
        self.at + 1 + 2 * at as Place
    }

    /// The same postings in other memory.
    pub(super) fn moved(self, from: &Blocks, to: &mut Blocks) -> Self {
        let mut posting = |at| to.put(from.list(at, Posting::at(from, at).len()));
        match self.shelf {
            NONE => self,
            SEVERAL => {
                let entries = self.entries(from);
                let mut list = vec![from.word(self.at)];
                for [shelf, at] in entries {
                    list.extend([*shelf, posting(*at)]);
                }
                Self { shelf: SEVERAL, at: to.put(&list) }
            }
            shelf => Self { shelf, at: posting(self.at) },
        }
    }
}

/// Whether a slot stands behind all others, as in a bulk load, so that no search is needed.
#[inline]
fn is_behind(posting: &Posting<'_>, slot: u32, tested: bool) -> bool {
    match tested {
        false => posting.turns().last().is_none_or(|last| *last < slot),
        true => posting.tests().last().is_none_or(|[last, _]| *last < slot),
    }
}

/// The place of the posting with one more slot.
fn add(blocks: &mut Blocks, at: Place, slot: u32, test: Option<u32>) -> Place {
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
    let posting = Posting::at(blocks, at);
    let (turns, len) = (posting.turns, posting.len());
    let found = match test {
        false => posting.turns().binary_search(&slot).ok(),
        true => {
            let found = posting.tests().binary_search_by_key(&slot, |[slot, _]| *slot);
            found.ok().map(|at| turns + 2 * at)
        }
    };
    let Some(position) = found else { return Some(at) };
    let (counter, count) = if test { (at + 1, 2) } else { (at, 1) };
    if len == 2 + count {
        blocks.free(at, len);
        return None;
    }
    blocks.set(counter, blocks.word(counter) - 1);
    Some(blocks.remove(at, len, 2 + position, count))
}
