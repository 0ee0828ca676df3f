//! A sorted map from key to offset in the arena, as a tree of two levels.
//!
//! It has two uses: the posting lists of a value by bucket, and the pieces of a long posting list
//! by their least slot.
//!
//! # Data structure
//!
//! Up to [`MAX`] pairs are one *leaf*, an arena list with a count in its first word. More pairs are
//! several leaves and a *root* that lists the leaves by their least key; a mark in the first word
//! distinguishes the two. The handle is the offset of the leaf or of the root.
//!
//! ```text
//! few pairs    [count, key, offset, key, offset, …]               one leaf
//!
//! many pairs   [ROOT + 3,  0, ●,  40, ●,  90, ●]                  the root
//!                             │       │       │
//!               ┌─────────────┘       │       └───────────┐
//!               ▼                     ▼                   ▼
//!               [2, 3, ·, 17, ·]      [2, 40, ·, 71, ·]   [1, 90, ·]
//! ```
//!
//! # Example
//!
//! Searching 71 in the tree above: the root's least keys up to 71 end at 40, so it is in the second
//! leaf, at position 1 by binary search. Inserting 55 shifts the pair of 71 and leaves the root as
//! it is. If the leaf then has 129 pairs, it is divided in the middle, and the root gets a fourth
//! pair.
//!
//! Removing 90 empties the third leaf: its block is freed, and the root loses the pair `90, ●`.
//! Removing 40 leaves a leaf of one pair, which is joined to the first one. The root then has one
//! leaf, which replaces it. (The leaves are drawn small; in memory such leaves would have been
//! joined before.)
//!
//! # Invariants
//!
//! - The keys of a leaf are at least its least key in the root and below that of the next leaf.
//! - The least key of the first leaf is never read. When the first leaf is emptied, the second one
//!   becomes the first and keeps its least key, and smaller keys are added to it nevertheless.
//! - No leaf is empty, and a root has at least two leaves. A root with one leaf left is replaced by
//!   that leaf.
//! - A directory has at least one pair. Its owner stores a single pair itself and frees the
//!   directory, see [`only`](Directory::only).
//! - A leaf below `MAX / 8` pairs is joined to a neighbor below `MAX / 2`, so the number of
//!   leaves follows the number of pairs, and a joined leaf has room before it is divided again.
//!
//! # Rejected
//!
//! - One sorted list. Each change moved all pairs after its key, so one subscription with k event
//!   types under one value took steps in k². A leaf of 128 pairs bounds what a change moves.
//! - A hash table by value and bucket: every look-up of a match would compute one more hash.

use super::arena::{Arena, Offset};
use super::table::word;

/// The maximum number of pairs in a leaf.
const MAX: usize = 1 << 7;
/// Marks a root in its first word.
const ROOT: u32 = 1 << 31;

/// The offset of a leaf or of a root; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory(pub(super) Offset);

/// Where a pair is, or where it would be inserted.
#[derive(Clone, Copy)]
struct Position {
    /// The index of the leaf in the root; `None` if there is no root.
    branch: Option<usize>,
    leaf: Offset,
    at: usize,
}

fn is_root(arena: &Arena, at: Offset) -> bool {
    arena.word(at) & ROOT != 0
}

/// Returns the pairs of a leaf or of a root.
fn pairs(arena: &Arena, at: Offset) -> &[[u32; 2]] {
    // The first word counts the pairs, two words each.
    let count = (arena.word(at) & !ROOT) as usize;
    arena.list(at + 1, 2 * count).as_chunks().0
}

/// Returns the pair at a position that a search in the same leaf or root returned.
#[expect(clippy::indexing_slicing, reason = "the position of a pair, and none is empty")]
fn pair(pairs: &[[u32; 2]], at: usize) -> [u32; 2] {
    pairs[at]
}

/// Stores a leaf, or a root if `mark` is [`ROOT`].
fn store(arena: &mut Arena, mark: u32, pairs: &[[u32; 2]]) -> Offset {
    let mut list = Vec::with_capacity(1 + 2 * pairs.len());
    list.push(mark | word(pairs.len()));
    list.extend_from_slice(pairs.as_flattened());
    arena.store(&list)
}

/// Inserts a pair into a leaf or a root and returns its new offset.
fn insert(arena: &mut Arena, list: Offset, at: usize, pair: [u32; 2]) -> Offset {
    let count = pairs(arena, list).len();
    let list = arena.insert(list, 1 + 2 * count, 1 + 2 * at, &pair);
    // Adding 1 to the first word keeps its mark: counts are far below `ROOT`.
    arena.set(list, arena.word(list) + 1);
    list
}

/// Removes a pair from a leaf or a root that has others, and returns its new offset.
fn remove(arena: &mut Arena, list: Offset, at: usize) -> Offset {
    let count = pairs(arena, list).len();
    arena.set(list, arena.word(list) - 1);
    arena.remove(list, 1 + 2 * count, 1 + 2 * at, 2)
}

fn free(arena: &mut Arena, list: Offset) {
    let count = pairs(arena, list).len();
    arena.free(list, 1 + 2 * count);
}

impl Directory {
    /// Stores a directory of at most [`MAX`] pairs in ascending order.
    pub(super) fn new(arena: &mut Arena, pairs: &[[u32; 2]]) -> Self {
        Self(store(arena, 0, pairs))
    }

    /// Returns the leaf that has a key, or would have it.
    fn leaf(self, arena: &Arena, key: u32) -> (Option<usize>, Offset) {
        if !is_root(arena, self.0) {
            return (None, self.0);
        }
        // Skipping the first leaf makes it take all keys below the second one's least key, whatever
        // its own least key says.
        let leaves = pairs(arena, self.0);
        let (_, others) = leaves.split_at(1);
        debug_assert!(others.is_sorted(), "least keys are not in order");
        let branch = others.partition_point(|[least, _]| *least <= key);
        (Some(branch), pair(leaves, branch)[1])
    }

    /// Returns where a key is, or as an error where it would be inserted.
    fn search(self, arena: &Arena, key: u32) -> Result<Position, Position> {
        let (branch, leaf) = self.leaf(arena, key);
        let position = |at| Position { branch, leaf, at };
        let found = pairs(arena, leaf).binary_search_by_key(&key, |[key, _]| *key);
        found.map(position).map_err(position)
    }

    /// Returns where a key of the directory is.
    fn position(self, arena: &Arena, key: u32) -> Position {
        let found = self.search(arena, key);
        debug_assert!(found.is_ok(), "key {key} is not in the directory");
        match found {
            Ok(position) | Err(position) => position,
        }
    }

    /// Returns where a key that is not in the directory would be inserted.
    fn gap(self, arena: &Arena, key: u32) -> Position {
        let found = self.search(arena, key);
        debug_assert!(found.is_err(), "key {key} is already in the directory");
        match found {
            Ok(position) | Err(position) => position,
        }
    }

    /// Returns the offset of a key, or `None` if the directory does not have it.
    ///
    /// Never inlined: most values have postings in one bucket only, and a match reads those without
    /// a directory.
    #[inline(never)]
    pub(super) fn find(self, arena: &Arena, key: u32) -> Option<Offset> {
        let (_, leaf) = self.leaf(arena, key);
        let pairs = pairs(arena, leaf);
        let at = pairs.binary_search_by_key(&key, |[key, _]| *key).ok()?;
        Some(pair(pairs, at)[1])
    }

    /// Returns the offset of a key of the directory.
    pub(super) fn get(self, arena: &Arena, key: u32) -> Offset {
        let Position { leaf, at, .. } = self.position(arena, key);
        pair(pairs(arena, leaf), at)[1]
    }

    /// Returns the pair with the greatest key up to `key`; if its leaf has none, the leaf's first
    /// pair.
    pub(super) fn floor(self, arena: &Arena, key: u32) -> [u32; 2] {
        let (_, leaf) = self.leaf(arena, key);
        let pairs = pairs(arena, leaf);
        // Either the key is below all others, or its leaf lost its first pairs: both saturate at 0.
        pair(pairs, pairs.partition_point(|[other, _]| *other <= key).saturating_sub(1))
    }

    /// Returns the pairs before and after that of a key, if they are in the same leaf.
    pub(super) fn neighbors(self, arena: &Arena, key: u32) -> [Option<[u32; 2]>; 2] {
        let Position { leaf, at, .. } = self.position(arena, key);
        let (before, from) = pairs(arena, leaf).split_at(at);
        [before.last().copied(), from.get(1).copied()]
    }

    /// Replaces the pair of a key.
    ///
    /// The new key must be between the same neighbors, so that the pair keeps its position.
    pub(super) fn set(self, arena: &mut Arena, key: u32, pair: [u32; 2]) {
        let Position { leaf, at, .. } = self.position(arena, key);
        let at = leaf + 1 + 2 * word(at);
        arena.set(at, pair[0]);
        arena.set(at + 1, pair[1]);
    }

    /// Inserts a pair whose key is not in the directory.
    pub(super) fn insert(&mut self, arena: &mut Arena, pair: [u32; 2]) {
        let Position { branch, leaf, at } = self.gap(arena, pair[0]);
        let leaf = insert(arena, leaf, at, pair);
        let right = divide(arena, leaf, at);
        let (leaf, right) = match right {
            Some((leaf, right)) => (leaf, Some(right)),
            None => (leaf, None),
        };
        match (branch, right) {
            (None, None) => self.0 = leaf,
            // The least key of the first leaf is never read, so 0 serves.
            (None, Some(right)) => self.0 = store(arena, ROOT, &[[0, leaf], right]),
            // The leaf may have a new offset. A divided leaf's right half follows it in the root.
            (Some(branch), right) => {
                arena.set(self.0 + 2 + 2 * word(branch), leaf);
                if let Some(right) = right {
                    self.0 = insert(arena, self.0, branch + 1, right);
                }
            }
        }
    }

    /// Removes the pair of a key.
    ///
    /// The last pair remains: the caller takes it by [`only`](Self::only) and frees the directory.
    pub(super) fn remove(&mut self, arena: &mut Arena, key: u32) {
        let Position { branch, leaf, at } = self.position(arena, key);
        // Without a root, the only leaf keeps its last pair for the caller.
        let Some(branch) = branch else {
            self.0 = remove(arena, leaf, at);
            return;
        };
        // A leaf is never empty: with its last pair it is freed and leaves the root.
        if pairs(arena, leaf).len() == 1 {
            free(arena, leaf);
            self.0 = remove(arena, self.0, branch);
        } else {
            let leaf = remove(arena, leaf, at);
            arena.set(self.0 + 2 + 2 * word(branch), leaf);
            self.join(arena, branch, leaf);
        }
        // A root with a single leaf is replaced by the leaf.
        if let [[_, only]] = *pairs(arena, self.0) {
            free(arena, self.0);
            self.0 = only;
        }
    }

    /// Joins a small leaf to the next one, or else the previous one, if that is not large.
    fn join(&mut self, arena: &mut Arena, branch: usize, leaf: Offset) {
        let count = |leaf: Offset| pairs(arena, leaf).len();
        if count(leaf) >= MAX / 8 {
            return;
        }
        // The first leaf has no previous one, and the last one no next one.
        let leaves = pairs(arena, self.0);
        let small = |branch: Option<usize>| {
            let leaf = leaves.get(branch?).map(|[_, leaf]| *leaf);
            leaf.filter(|leaf| count(*leaf) < MAX / 2)
        };
        let (first, left, right) =
            match (small(branch.checked_sub(1)), small(branch.checked_add(1))) {
                (_, Some(next)) => (branch, leaf, next),
                (Some(previous), None) => (branch - 1, previous, leaf),
                (None, None) => return,
            };
        let all = [pairs(arena, left), pairs(arena, right)].concat();
        free(arena, left);
        free(arena, right);
        let leaf = store(arena, 0, &all);
        // The joined leaf keeps the left least key, which is at or below all of its keys.
        arena.set(self.0 + 2 + 2 * word(first), leaf);
        self.0 = remove(arena, self.0, first + 1);
    }

    /// Returns the pair if there is only one.
    pub(super) fn only(self, arena: &Arena) -> Option<[u32; 2]> {
        match *pairs(arena, self.0) {
            [pair] if !is_root(arena, self.0) => Some(pair),
            _ => None,
        }
    }

    /// Frees a directory of one leaf.
    pub(super) fn free(self, arena: &mut Arena) {
        free(arena, self.0);
    }

    /// Returns all pairs, ascending by key.
    pub(super) fn all(self, arena: &Arena) -> impl Iterator<Item = [u32; 2]> {
        let leaves = match is_root(arena, self.0) {
            true => pairs(arena, self.0),
            false => &[],
        };
        let few = if leaves.is_empty() { pairs(arena, self.0) } else { &[] };
        let many = leaves.iter().flat_map(|[_, leaf]| pairs(arena, *leaf));
        few.iter().chain(many).copied()
    }

    /// Copies the directory to another arena, each pair with the offset that `relocate` returns.
    pub(super) fn relocated(
        self,
        from: &Arena,
        to: &mut Arena,
        mut relocate: impl FnMut(&mut Arena, Offset) -> Offset,
    ) -> Self {
        let mut leaf = |at: Offset, to: &mut Arena| {
            let relocated: Vec<_> =
                pairs(from, at).iter().map(|[key, at]| [*key, relocate(to, *at)]).collect();
            store(to, 0, &relocated)
        };
        if !is_root(from, self.0) {
            return Self(leaf(self.0, to));
        }
        let leaves: Vec<_> =
            pairs(from, self.0).iter().map(|[least, at]| [*least, leaf(*at, to)]).collect();
        Self(store(to, ROOT, &leaves))
    }
}

/// Divides a leaf with too many pairs; returns the left leaf, and the root's pair for the right
/// one.
///
/// If the pair at `at`, the last one inserted, is at the end, only that pair goes to the right: in
/// a bulk load, which inserts in order, the left leaves stay full.
fn divide(arena: &mut Arena, leaf: Offset, at: usize) -> Option<(Offset, [u32; 2])> {
    let all = pairs(arena, leaf);
    let count = all.len();
    if count <= MAX {
        return None;
    }
    // `MAX + 1` pairs: both sides get at least one, and at most `MAX`.
    let half = if at + 1 == count { count - 1 } else { count / 2 };
    let right = all.split_at(half).1.to_vec();
    let least = pair(&right, 0)[0];
    let right_leaf = store(arena, 0, &right);
    let left = arena.remove(leaf, 1 + 2 * count, 1 + 2 * half, 2 * (count - half));
    arena.set(left, word(half));
    Some((left, [least, right_leaf]))
}

#[cfg(test)]
mod tests;
