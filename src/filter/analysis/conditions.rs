//! The operations that the analysis needs from a representation of conditions.
//!
//! Two representations implement [`Conditions`]: [decision diagrams](super::diagram), whose size
//! depends on the filter, and [truth tables](super::table), whose size depends only on the number
//! of assignments. [Pruning](super::prune) is written once over both, and a test holds them to the
//! same result.

use super::diagram::{Level, ValueId};

/// The error for a question that needs more work than allowed.
#[derive(Debug)]
pub(super) struct Exhausted;

/// The work that a question may still spend, in steps.
///
/// Every loop of the analysis spends steps in proportion to its time, so the limit bounds time and,
/// since what is built is paid for, memory.
pub(super) struct Work {
    left: usize,
}

impl Work {
    pub(super) fn new(limit: usize) -> Self {
        Self { left: limit }
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Spends steps, or fails if fewer are left; none are left then.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        let enough = steps <= self.left;
        self.left = self.left.saturating_sub(steps);
        if enough { Ok(()) } else { Err(Exhausted) }
    }
}

/// An operation on two conditions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    And,
    Or,
    /// The first and not the second.
    Minus,
}

/// Conditions on the attributes of a [`Domain`](super::circuit::Domain).
pub(super) trait Conditions {
    /// A condition.
    type Id: Clone;

    /// Returns the condition that always holds, or never.
    fn constant(&self, verdict: bool) -> Self::Id;

    /// Returns the condition that an attribute has a value or, unless `equal`, that it does not.
    ///
    /// `value` must not be [`NONE`](super::diagram::NONE).
    fn term(&mut self, level: Level, value: ValueId, equal: bool) -> Result<Self::Id, Exhausted>;

    /// Combines two conditions.
    fn apply(&mut self, op: Op, one: &Self::Id, other: &Self::Id) -> Result<Self::Id, Exhausted>;

    /// Returns whether the result of [`apply`](Self::apply) would never hold, without building it.
    fn is_empty(&mut self, op: Op, one: &Self::Id, other: &Self::Id) -> Result<bool, Exhausted>;
}
