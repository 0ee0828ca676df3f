//! The nearest assignment: the fewest attributes to change until a diagram gives an answer.
//!
//! # The algorithm
//!
//! A shortest path in an acyclic graph. An assignment takes exactly one edge at each node; taking
//! another edge means to change that attribute, which costs 1. The cost of a node is the least over
//! its edges, computed once for each node, and the path follows edges of least cost down to the
//! constant.
//!
//! Two questions are answered by it:
//!
//! - A *witness* is the nearest assignment to the one in which every attribute is absent, so it has
//!   the fewest attributes.
//! - A *change* is the nearest assignment to an event that flips the verdict.
//!
//! # Example
//!
//! `id eq "a" or id eq "b" and spaceId ne "s"`, on an event with `id` = `"b"` and `spaceId` =
//! `"s"`. The edges that the event takes are double; the numbers are costs to `TRUE`, `∞` if there
//! is no path.
//!
//! ```text
//!                 id  1
//!        "a" +1 ╱   ║ "b"  ╲ default +1
//!              ▼    ▼       ▼
//!        TRUE  0  spaceId 1  FALSE  ∞
//!             "s" ╱╱     ╲ default +1
//!                ▼        ▼
//!           FALSE  ∞     TRUE  0
//! ```
//!
//! Two paths cost 1: change `id` to `"a"`, or `spaceId` to another value. The one that keeps the
//! earlier attribute is returned: `spaceId` becomes [`NONE`].
//!
//! # Invariants
//!
//! - An attribute that no node on the path tests keeps its value: changing it would not matter.
//! - Of several shortest paths the result is the one that keeps the earlier attributes, and then
//!   takes the smaller value ids, so it does not depend on the order of hashing.

use super::conditions::Exhausted;
use super::diagram::{Diagrams, FALSE, Id, Level, NODE, NONE, TRUE, ValueId};
use crate::filter::index_vec::IndexVec;
use hashbrown::{HashMap, HashSet};

/// Where a search for a [nearest](Diagrams::nearest) assignment starts, and what it must keep.
pub(super) struct Start<'s> {
    /// The value of each attribute, by level.
    pub(super) values: &'s IndexVec<Level, ValueId>,
    /// Facts "the attribute has this value", true or false, that must stay as they are.
    pub(super) kept: &'s HashSet<(Level, ValueId)>,
}

/// The cost of a node without a path to the answer.
const FAR: u32 = u32::MAX;

impl Diagrams {
    /// Returns the fewest changes of attributes after which a diagram gives `answer`.
    ///
    /// `None` if no change within the kept facts does.
    pub(super) fn nearest(
        &mut self,
        root: Id,
        answer: Id,
        start: &Start<'_>,
    ) -> Result<Option<Vec<(Level, ValueId)>>, Exhausted> {
        // Levels grow along every edge, so the graph has no cycles and each cost is computed once.
        let mut costs = HashMap::new();
        if self.cost(root, answer, start, &mut costs)? == FAR {
            return Ok(None);
        }
        // Walk down along edges of least cost: each leads to a node at most as far from the answer.
        let (mut changes, mut at) = (Vec::new(), root);
        while at != TRUE && at != FALSE {
            let level = self.get(at).level;
            // The first edge of least cost wins, which fixes the order among equal paths.
            let mut best = (FAR, None, answer);
            self.edges(at, start, |diagrams, change, id| {
                let cost = diagrams.cost(id, answer, start, &mut costs)?;
                // A dead end stays one: `FAR` is the largest cost, and nothing is added to it.
                let cost = cost.saturating_add(u32::from(change.is_some()));
                if cost < best.0 {
                    best = (cost, change, id);
                }
                Ok(())
            })?;
            changes.extend(best.1.map(|value| (level, value)));
            at = best.2;
        }
        Ok(Some(changes))
    }

    /// Returns every change of a single attribute after which a diagram gives `answer`.
    ///
    /// Follows the assignment from the root. At each node on this path it tries every other edge,
    /// and below that edge the assignment again.
    pub(super) fn neighbors(
        &mut self,
        root: Id,
        answer: Id,
        values: &IndexVec<Level, ValueId>,
    ) -> Result<Vec<(Level, ValueId)>, Exhausted> {
        let none = HashSet::new();
        let start = Start { values, kept: &none };
        let (mut changes, mut at) = (Vec::new(), root);
        while at != TRUE && at != FALSE {
            // `edges` always visits the unchanged edge, so `own` becomes a child and the loop ends.
            let (level, mut own) = (self.get(at).level, at);
            self.edges(at, &start, |diagrams, change, mut id| {
                let Some(value) = change else {
                    own = id;
                    return Ok(());
                };
                while id != TRUE && id != FALSE {
                    diagrams.work.spend(1)?;
                    let node = diagrams.get(id);
                    id = diagrams.child(node, *values.get(node.level));
                }
                if id == answer {
                    changes.push((level, value));
                }
                Ok(())
            })?;
            at = own;
        }
        Ok(changes)
    }

    /// Returns the least number of changes from a node to `answer`, or [`FAR`] if there is no path.
    ///
    /// Recursion is as deep as there are attributes.
    fn cost(
        &mut self,
        id: Id,
        answer: Id,
        start: &Start<'_>,
        costs: &mut HashMap<Id, u32>,
    ) -> Result<u32, Exhausted> {
        if id == TRUE || id == FALSE {
            return Ok(if id == answer { 0 } else { FAR });
        }
        if let Some(cost) = costs.get(&id) {
            return Ok(*cost);
        }
        let mut least = FAR;
        self.edges(id, start, |diagrams, change, id| {
            let cost = diagrams.cost(id, answer, start, costs)?;
            least = least.min(cost.saturating_add(u32::from(change.is_some())));
            Ok(())
        })?;
        costs.insert(id, least);
        Ok(least)
    }

    /// Visits the edges of a node that the kept facts permit.
    ///
    /// The edge of the value that the attribute has comes first, with `None`; then those of the
    /// other branches by value; last the default edge, with `Some(NONE)`.
    fn edges(
        &mut self,
        id: Id,
        start: &Start<'_>,
        mut visit: impl FnMut(&mut Self, Option<ValueId>, Id) -> Result<(), Exhausted>,
    ) -> Result<(), Exhausted> {
        self.work.spend(NODE)?;
        let mut node = self.get(id);
        let held = *start.values.get(node.level);
        let own = self.branch_on(node, held);
        visit(self, None, self.child(node, held))?;
        // A kept fact says that the attribute has this value, or that it lacks that one.
        let level = node.level;
        let keeps = |value: ValueId| start.kept.contains(&(level, value));
        if keeps(held) {
            return Ok(());
        }
        while let Some((value, id)) = self.branch(node) {
            self.work.spend(1)?;
            node.skip_branch();
            if value != held && !keeps(value) {
                visit(self, Some(value), id)?;
            }
        }
        // If the present value has no branch, the default edge was the first one.
        if own.is_some() { visit(self, Some(NONE), node.default) } else { Ok(()) }
    }
}
