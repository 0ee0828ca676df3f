//! What the analysis asks of conditions on attributes, however they are kept.

use super::diagram::Cell;

/// The work was more than allowed.
#[derive(Debug)]
pub(super) struct Exhausted;

/// How much work may yet be done.
pub(super) struct Work {
    left: usize,
}

impl Work {
    pub(super) fn new(most: usize) -> Self {
        Self { left: most }
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn steps(&mut self, count: usize) -> Result<(), Exhausted> {
        let left = self.left.checked_sub(count);
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Exhausted)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    And,
    Or,
    /// The first and not the second.
    Minus,
}

/// Conditions on the attributes of a [`World`](super::circuit::World).
pub(super) trait Conditions {
    type Id: Clone;

    /// What always holds, or never.
    fn constant(&self, verdict: bool) -> Self::Id;

    /// "The attribute at `level` holds `value`", which is never [`NONE`](super::diagram::NONE), or
    /// that it does not.
    fn term(&mut self, level: u32, value: Cell, equal: bool) -> Result<Self::Id, Exhausted>;

    fn apply(&mut self, op: Op, one: &Self::Id, other: &Self::Id) -> Result<Self::Id, Exhausted>;

    /// Whether what [`apply`](Self::apply) would give never holds.
    fn is_empty(&mut self, op: Op, one: &Self::Id, other: &Self::Id) -> Result<bool, Exhausted>;
}
