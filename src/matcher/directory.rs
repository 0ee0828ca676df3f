//! Sorted pairs of a key and a place, in blocks: the postings of a value by shelf, and the pieces of a
//! long posting by slot.
//!
//! ```text
//! few:   [count, key, place, key, place, …]                   a leaf
//! many:  [FORK + leaves, least key, leaf, least key, leaf, …]  each leaf as above
//! ```
//!
//! A list of pairs in one block would be moved for each pair that comes or goes: one subscription with
//! k event types, all under one value, took steps in k². A leaf has at most [`MAX`] pairs, so that a
//! change moves those, and the list of leaves only where one is divided, joined or emptied.
//!
//! Invariant: the keys of a leaf are at least its least key and below that of the next leaf. The least
//! key of the first leaf is never read: where a leaf becomes the first one, since the one before it was
//! emptied, it keeps its least key, and smaller ones are added to it.

use super::blocks::{Blocks, Place};

/// The limit of pairs in a leaf.
const MAX: usize = 1 << 7;
/// Marks the list of leaves in its first word.
const FORK: u32 = 1 << 31;

/// Where the pairs are, or their leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory(pub(super) Place);

/// A pair of a directory: its leaf and its position there.
#[derive(Clone, Copy)]
struct Position {
    /// Which leaf, where there are several.
    branch: Option<usize>,
    leaf: Place,
    at: usize,
}

fn is_fork(blocks: &Blocks, at: Place) -> bool {
    blocks.word(at) & FORK != 0
}

/// The pairs of a leaf or of a list of leaves.
fn pairs(blocks: &Blocks, at: Place) -> &[[u32; 2]] {
    let count = (blocks.word(at) & !FORK) as usize;
    blocks.list(at, 1 + 2 * count).get(1..).unwrap_or_default().as_chunks().0
}

/// A count or a position as a word of a block. Never cut: both are far below 2³².
#[expect(clippy::cast_possible_truncation, reason = "see above")]
pub(super) fn word(number: usize) -> u32 {
    debug_assert!(u32::try_from(number).is_ok(), "{number} does not fit in a word");
    number as u32
}

/// Keeps pairs in a block.
fn keep(blocks: &mut Blocks, mark: u32, pairs: &[[u32; 2]]) -> Place {
    let mut list = Vec::with_capacity(1 + 2 * pairs.len());
    list.push(mark | word(pairs.len()));
    list.extend_from_slice(pairs.as_flattened());
    blocks.put(&list)
}

/// Puts a pair into a block; its new place.
fn insert(blocks: &mut Blocks, block: Place, at: usize, pair: [u32; 2]) -> Place {
    let count = pairs(blocks, block).len();
    let block = blocks.insert(block, 1 + 2 * count, 1 + 2 * at, &pair);
    blocks.set(block, blocks.word(block) + 1);
    block
}

/// Takes a pair out of a block that has others; its new place.
fn remove(blocks: &mut Blocks, block: Place, at: usize) -> Place {
    let count = pairs(blocks, block).len();
    blocks.set(block, blocks.word(block) - 1);
    blocks.remove(block, 1 + 2 * count, 1 + 2 * at, 2)
}

fn free(blocks: &mut Blocks, block: Place) {
    let count = pairs(blocks, block).len();
    blocks.free(block, 1 + 2 * count);
}

impl Directory {
    /// A directory of two pairs or more, in ascending order.
    pub(super) fn new(blocks: &mut Blocks, pairs: &[[u32; 2]]) -> Self {
        Self(keep(blocks, 0, pairs))
    }

    /// The leaf in which a key is, or is to be.
    fn leaf(self, blocks: &Blocks, key: u32) -> (Option<usize>, Place) {
        if !is_fork(blocks, self.0) {
            return (None, self.0);
        }
        let leaves = pairs(blocks, self.0);
        let others = leaves.get(1..).unwrap_or_default();
        debug_assert!(others.is_sorted(), "least keys are not in order");
        let branch = others.partition_point(|[least, _]| *least <= key);
        debug_assert!(branch < leaves.len(), "a list of leaves has no leaf");
        (Some(branch), leaves.get(branch).map_or(self.0, |[_, leaf]| *leaf))
    }

    fn search(self, blocks: &Blocks, key: u32) -> Result<Position, Position> {
        let (branch, leaf) = self.leaf(blocks, key);
        let position = |at| Position { branch, leaf, at };
        let found = pairs(blocks, leaf).binary_search_by_key(&key, |[key, _]| *key);
        found.map(position).map_err(position)
    }

    /// The place of a key. Never inlined, since most values have postings on one shelf only.
    #[inline(never)]
    pub(super) fn find(self, blocks: &Blocks, key: u32) -> Option<Place> {
        let (_, leaf) = self.leaf(blocks, key);
        let pairs = pairs(blocks, leaf);
        let at = pairs.binary_search_by_key(&key, |[key, _]| *key).ok()?;
        pairs.get(at).map(|[_, place]| *place)
    }

    /// The pair of the greatest key up to this one, or else of the least key of its leaf.
    pub(super) fn floor(self, blocks: &Blocks, key: u32) -> [u32; 2] {
        let (_, leaf) = self.leaf(blocks, key);
        let pairs = pairs(blocks, leaf);
        let at = pairs.partition_point(|[other, _]| *other <= key).saturating_sub(1);
        debug_assert!(!pairs.is_empty(), "a leaf has no pair");
        pairs.get(at).copied().unwrap_or_default()
    }

    /// The pair before that of a key, and the one after it, as far as they are in the same leaf.
    pub(super) fn neighbours(self, blocks: &Blocks, key: u32) -> [Option<[u32; 2]>; 2] {
        let found = self.search(blocks, key);
        debug_assert!(found.is_ok(), "key {key} is not in the directory");
        let Ok(Position { leaf, at, .. }) = found else { return [None; 2] };
        let pair = |at: Option<usize>| pairs(blocks, leaf).get(at?).copied();
        [pair(at.checked_sub(1)), pair(at.checked_add(1))]
    }

    /// Gives the pair of a key another key, between the same neighbours, and another place.
    pub(super) fn set(self, blocks: &mut Blocks, key: u32, pair: [u32; 2]) {
        let found = self.search(blocks, key);
        debug_assert!(found.is_ok(), "key {key} is not in the directory");
        if let Ok(Position { leaf, at, .. }) = found {
            let at = leaf + 1 + 2 * word(at);
            blocks.set(at, pair[0]);
            blocks.set(at + 1, pair[1]);
        }
    }

    /// Adds a pair whose key is new.
    pub(super) fn insert(&mut self, blocks: &mut Blocks, pair: [u32; 2]) {
        let found = self.search(blocks, pair[0]);
        debug_assert!(found.is_err(), "key {} is in the directory already", pair[0]);
        let Err(Position { branch, leaf, at }) = found else { return };
        let leaf = insert(blocks, leaf, at, pair);
        let right = divide(blocks, leaf, at);
        let (leaf, right) = match right {
            Some((leaf, right)) => (leaf, Some(right)),
            None => (leaf, None),
        };
        match (branch, right) {
            (None, None) => self.0 = leaf,
            (None, Some(right)) => self.0 = keep(blocks, FORK, &[[0, leaf], right]),
            (Some(branch), right) => {
                blocks.set(self.0 + 2 + 2 * word(branch), leaf);
                if let Some(right) = right {
                    self.0 = insert(blocks, self.0, branch + 1, right);
                }
            }
        }
    }

    /// Removes the pair of a key; the last one stays, for the caller to take.
    pub(super) fn remove(&mut self, blocks: &mut Blocks, key: u32) {
        let found = self.search(blocks, key);
        debug_assert!(found.is_ok(), "key {key} is not in the directory");
        let Ok(Position { branch, leaf, at }) = found else { return };
        let Some(branch) = branch else {
            self.0 = remove(blocks, leaf, at);
            return;
        };
        if pairs(blocks, leaf).len() == 1 {
            free(blocks, leaf);
            self.0 = remove(blocks, self.0, branch);
        } else {
            let leaf = remove(blocks, leaf, at);
            blocks.set(self.0 + 2 + 2 * word(branch), leaf);
            self.join(blocks, branch);
        }
        if let [[_, only]] = *pairs(blocks, self.0) {
            free(blocks, self.0);
            self.0 = only;
        }
    }

    /// Joins a small leaf to the next one or the one before, where that is not large.
    fn join(&mut self, blocks: &mut Blocks, branch: usize) {
        let leaves = pairs(blocks, self.0);
        let count =
            |branch: usize| leaves.get(branch).map_or(MAX, |[_, leaf]| pairs(blocks, *leaf).len());
        if count(branch) >= MAX / 8 {
            return;
        }
        let first = match branch.checked_sub(1) {
            _ if count(branch + 1) < MAX / 2 => branch,
            Some(before) if count(before) < MAX / 2 => before,
            _ => return,
        };
        let both = leaves.get(first..first + 2);
        debug_assert!(both.is_some(), "leaf {first} has no next one");
        let Some([[_, left], [_, right]]) = both else { return };
        let (left, right) = (*left, *right);
        let all = [pairs(blocks, left), pairs(blocks, right)].concat();
        free(blocks, left);
        free(blocks, right);
        let leaf = keep(blocks, 0, &all);
        blocks.set(self.0 + 2 + 2 * word(first), leaf);
        self.0 = remove(blocks, self.0, first + 1);
    }

    /// The only pair that is left; `None` where there are several.
    pub(super) fn only(self, blocks: &Blocks) -> Option<[u32; 2]> {
        match *pairs(blocks, self.0) {
            [pair] if !is_fork(blocks, self.0) => Some(pair),
            _ => None,
        }
    }

    /// Forgets the block of a directory of one pair.
    pub(super) fn free(self, blocks: &mut Blocks) {
        free(blocks, self.0);
    }

    /// All pairs, ascending by key.
    pub(super) fn all(self, blocks: &Blocks) -> impl Iterator<Item = [u32; 2]> {
        let leaves = match is_fork(blocks, self.0) {
            true => pairs(blocks, self.0),
            false => &[],
        };
        let few = if leaves.is_empty() { pairs(blocks, self.0) } else { &[] };
        let many = leaves.iter().flat_map(|[_, leaf]| pairs(blocks, *leaf));
        few.iter().chain(many).copied()
    }

    /// The same pairs in other memory, each with the place that `place` gives.
    pub(super) fn moved(
        self,
        from: &Blocks,
        to: &mut Blocks,
        mut place: impl FnMut(&mut Blocks, Place) -> Place,
    ) -> Self {
        let mut leaf = |at: Place, to: &mut Blocks| {
            let moved: Vec<_> =
                pairs(from, at).iter().map(|[key, at]| [*key, place(to, *at)]).collect();
            keep(to, 0, &moved)
        };
        if !is_fork(from, self.0) {
            return Self(leaf(self.0, to));
        }
        let leaves: Vec<_> =
            pairs(from, self.0).iter().map(|[least, at]| [*least, leaf(*at, to)]).collect();
        Self(keep(to, FORK, &leaves))
    }
}

/// Divides a leaf that has too many pairs: the left one, and the pair that leads to the right one. After
/// a pair that was put at the end, as in a bulk load, the left one stays full.
fn divide(blocks: &mut Blocks, leaf: Place, at: usize) -> Option<(Place, [u32; 2])> {
    let all = pairs(blocks, leaf);
    let count = all.len();
    if count <= MAX {
        return None;
    }
    let half = if at + 1 == count { count - 1 } else { count / 2 };
    let right = all.get(half..).unwrap_or_default().to_vec();
    debug_assert!(!right.is_empty(), "no pair is on the right of {half}");
    let least = right.first().map_or(0, |[key, _]| *key);
    let place = keep(blocks, 0, &right);
    let left = blocks.remove(leaf, 1 + 2 * count, 1 + 2 * half, 2 * (count - half));
    blocks.set(left, word(half));
    Some((left, [least, place]))
}

#[cfg(test)]
mod tests {
    use super::{Directory, MAX, is_fork, pairs};
    use crate::matcher::blocks::Blocks;
    use std::collections::{BTreeMap, btree_map::Entry};

    fn check(directory: Directory, blocks: &Blocks, plain: &BTreeMap<u32, u32>) {
        assert!(directory.all(blocks).eq(plain.iter().map(|(key, place)| [*key, *place])));
        let leaves = match is_fork(blocks, directory.0) {
            true => pairs(blocks, directory.0),
            false => &[[0, directory.0]],
        };
        assert!(leaves.iter().all(|[_, leaf]| (1..=MAX).contains(&pairs(blocks, *leaf).len())));
        assert!(leaves.len() <= 1 + plain.len() / (MAX / 16), "{} leaves", leaves.len());
        // The least key of the first leaf is never read.
        for (number, [least, leaf]) in leaves.iter().enumerate().skip(1) {
            let next =
                leaves.get(number + 1).map_or(u64::from(u32::MAX) + 1, |[key, _]| (*key).into());
            let keys = pairs(blocks, *leaf).iter().map(|[key, _]| *key);
            assert!(
                keys.clone().all(|key| *least <= key && u64::from(key) < next),
                "leaf {number} of {least}..{next} has {keys:?}"
            );
        }
        for (key, place) in plain {
            assert_eq!(directory.find(blocks, *key), Some(*place), "{key}");
            assert_eq!(directory.floor(blocks, *key), [*key, *place]);
        }
    }

    #[test]
    fn agrees_with_a_plain_map() {
        let mut state = 7u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32 % below
        };
        let mut blocks = Blocks::default();
        let mut plain = BTreeMap::from([(5, 50), (9, 90)]);
        let mut directory = Directory::new(&mut blocks, &[[5, 50], [9, 90]]);
        let steps = if cfg!(miri) { 300 } else { 6_000 };
        // Growing in order, growing and shrinking at random, shrinking.
        for (phase, add) in [(0, 100), (1, 70), (2, 30), (3, 50), (4, 0)] {
            for step in 0..steps {
                let key = if phase == 0 { 10 + step } else { random(3 * steps) };
                if random(100) < add {
                    if let Entry::Vacant(entry) = plain.entry(key) {
                        entry.insert(step);
                        directory.insert(&mut blocks, [key, step]);
                    }
                } else if plain.len() > 2
                    && let Some(key) = plain.range(key..).next().map(|(key, _)| *key)
                {
                    plain.remove(&key);
                    directory.remove(&mut blocks, key);
                }
                let key = random(3 * steps);
                assert_eq!(directory.find(&blocks, key), plain.get(&key).copied());
                if step % 50 == 0 {
                    check(directory, &blocks, &plain);
                }
            }
            check(directory, &blocks, &plain);
            let mut other = Blocks::default();
            let moved = directory.moved(&blocks, &mut other, |_, place| place + 1);
            let expected = plain.iter().map(|(key, place)| (*key, place + 1)).collect();
            check(moved, &other, &expected);
        }
        while plain.len() > 1 {
            let key = *plain.keys().next().unwrap();
            plain.remove(&key);
            assert_eq!(directory.only(&blocks), None);
            directory.remove(&mut blocks, key);
        }
        assert_eq!(directory.only(&blocks), plain.pop_first().map(|(key, place)| [key, place]));
        directory.free(&mut blocks);
        assert_eq!(blocks.idle(), blocks.len(), "nothing is left");
    }

    /// The leaf after a first one that was emptied keeps its least key, below which others are added.
    #[test]
    fn agrees_with_a_plain_map_after_its_first_leaves_were_removed() {
        let mut state = 3u64;
        let mut random = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32 % below
        };
        let (rounds, few) = if cfg!(miri) { (2, 300) } else { (60, 600) };
        let mut blocks = Blocks::default();
        let mut plain: BTreeMap<u32, u32> = (0..2).map(|key| (100_000 + key, key)).collect();
        let start: Vec<_> = plain.iter().map(|(key, place)| [*key, *place]).collect();
        let mut directory = Directory::new(&mut blocks, &start);
        for round in 0..rounds {
            let least = plain.keys().next().copied().unwrap();
            // Around the least key and below it: at random, descending, ascending.
            for step in 0..few {
                let key = match round % 3 {
                    0 => random(least + 2_000),
                    1 => least.saturating_sub(1 + step),
                    _ => least.saturating_sub(few) + step,
                };
                if let Entry::Vacant(entry) = plain.entry(key) {
                    entry.insert(step);
                    directory.insert(&mut blocks, [key, step]);
                }
            }
            check(directory, &blocks, &plain);
            for _ in 0..few / 2 + random(few) {
                if plain.len() <= 2 {
                    break;
                }
                let (key, _) = plain.pop_first().unwrap();
                directory.remove(&mut blocks, key);
                assert_eq!(directory.find(&blocks, key), None);
            }
            check(directory, &blocks, &plain);
        }
    }
}
