//! Reduced ordered multi-valued decision diagrams: conditions as graphs, compared by id.
//!
//! # The algorithm
//!
//! The diagrams are those of [Bryant (1986)][bryant], with nodes that branch over the values of an
//! attribute instead of over one bit ("multi-valued", Srinivasan, Ham, Malik and Brayton, ICCAD
//! 1990). A node tests one attribute. It has a branch for each value whose child differs from the
//! default child, which is taken for every other value and for an absent attribute.
//!
//! # Example
//!
//! `id eq "a" or id eq "b" and spaceId ne "s"`. Attributes get levels and values get ids as the
//! filter mentions them: `id` is level 0 with `"a"` = 0 and `"b"` = 1, `spaceId` is level 1 with
//! `"s"` = 0.
//!
//! ```text
//!                id               6: level 0, branches [(0, TRUE), (1, 2)], default FALSE
//!       "a"  ╱   │ "b"  ╲ default
//!           ▼    ▼       ▼
//!         TRUE  spaceId  FALSE    2: level 1, branches [(0, FALSE)], default TRUE
//!          "s" ╱     ╲ default
//!             ▼       ▼
//!           FALSE    TRUE
//! ```
//!
//! [`apply`](Conditions::apply) builds node 6 from the diagrams of `id eq "a"` and of
//! `id eq "b" and spaceId ne "s"`. Both test `id`, so it combines child with child:
//!
//! ```text
//! default   FALSE or FALSE   FALSE
//! "a"       TRUE  or FALSE   TRUE      differs from the default: a branch
//! "b"       FALSE or node 2  node 2    differs from the default: a branch
//! ```
//!
//! Each pair of operands is combined once and remembered, so an operation takes at most the product
//! of the two sizes.
//!
//! # Representation
//!
//! Nodes are numbered; [`FALSE`] and [`TRUE`] are the first two. The branches of all nodes share
//! one vector, in which a node has a range. New branches are collected in `pending`, a stack shared
//! by the levels of the recursion, and are moved only if no equal node exists.
//!
//! # Invariants
//!
//! - *Ordered*: a child has a greater level than its parent; the constants have the greatest.
//! - *Reduced*: no branch leads to the default child, a node has at least one branch, and no two
//!   nodes are equal. So equivalent conditions have the same id, a condition that is not
//!   satisfiable is [`FALSE`], and a tautology is [`TRUE`].
//! - The branches of a node are sorted by value, without duplicates.
//! - [`NONE`] never labels a branch. It always exists, so the default child is always reachable.
//!
//! # Rejected
//!
//! - Trying all assignments: three lists of a hundred values have a million. In a small domain
//!   [tables](super::table) do it.
//! - A solver of propositional formulas: it answers one question at a time, gives no smallest
//!   example, and is a dependency many times this size.
//! - Branching over "is it this value": "an attribute has one value" would need clauses of its own.
//!
//! [bryant]: https://doi.org/10.1109/TC.1986.1676819

use super::conditions::{Conditions, Exhausted, Op, Work};
use crate::diagnostic::Parts;
use crate::filter::index_vec::IndexVec;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use std::hash::BuildHasher;

/// A diagram, by the number of its root node.
pub(super) type Id = u32;

/// The condition that never holds.
pub(super) const FALSE: Id = 0;

/// The condition that always holds.
pub(super) const TRUE: Id = 1;

/// An attribute by its number in the domain.
pub(super) type Level = u32;

/// A value of an attribute by its number in the domain, or [`NONE`].
pub(super) type ValueId = u32;

/// No value that a filter mentions: any other value, or an absent attribute.
///
/// `eq` is false and `ne` is true on both, so no filter tells them apart.
pub(super) const NONE: ValueId = ValueId::MAX;

impl Op {
    /// Returns the outcome if it is known without looking into both operands.
    fn shortcut(self, one: Id, other: Id) -> Option<Id> {
        match (self, one, other) {
            (Self::And, TRUE, id) | (Self::And, id, TRUE) => Some(id),
            (Self::And, FALSE, _) | (Self::And, _, FALSE) => Some(FALSE),
            (Self::Or, FALSE, id) | (Self::Or, id, FALSE) => Some(id),
            (Self::Or, TRUE, _) | (Self::Or, _, TRUE) => Some(TRUE),
            (Self::Minus, id, FALSE) => Some(id),
            (Self::Minus, FALSE, _) | (Self::Minus, _, TRUE) => Some(FALSE),
            // Equal ids are equal conditions, because diagrams are reduced.
            (Self::Minus, one, other) if one == other => Some(FALSE),
            (Self::And | Self::Or, one, other) if one == other => Some(one),
            _ => None,
        }
    }

    /// Returns the key of a remembered outcome. A commutative operation has one for both orders.
    fn key(self, one: Id, other: Id) -> (Self, Id, Id) {
        match self {
            Self::And | Self::Or => (self, one.min(other), one.max(other)),
            Self::Minus => (self, one, other),
        }
    }
}

/// Steps of a node besides those of its branches, in proportion to the time it takes.
pub(super) const NODE: usize = 32;

/// Two operands, expanded at the same level, while their branches are merged.
///
/// The ranges of the nodes shrink from the front: what is left are the branches not yet merged.
struct Cofactors {
    one: Node,
    other: Node,
    /// Whether the outcome is false on every value without a branch in `one`.
    sparse: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Node {
    /// The attribute that the node tests.
    pub(super) level: Level,
    /// The range of its branches.
    start: u32,
    end: u32,
    /// The child for every value without a branch.
    pub(super) default: Id,
}

impl Node {
    /// Removes the first branch from this copy of the node.
    pub(super) fn skip_branch(&mut self) {
        self.start += 1;
    }
}

/// The level of the constants, below all attributes.
const CONSTANT: Level = Level::MAX;

/// A set of diagrams that share nodes, and the work that is left.
pub(super) struct Diagrams {
    pub(super) work: Work,
    nodes: IndexVec<Id, Node>,
    /// The branches of all nodes.
    branches: Vec<(ValueId, Id)>,
    /// All nodes but the constants, hashed by [`content`](Self::content).
    unique: HashTable<Id>,
    /// The outcomes of earlier operations.
    combined: HashMap<(Op, Id, Id), Id>,
    /// Operations known to give [`FALSE`], whose diagram was never built.
    known_false: HashSet<(Op, Id, Id)>,
    hasher: DefaultHashBuilder,
    /// A stack of the branches of unfinished nodes, the innermost last.
    pending: Vec<(ValueId, Id)>,
}

impl Diagrams {
    pub(super) fn new(work: usize) -> Self {
        // Two nodes without branches take the numbers of `FALSE` and `TRUE`.
        let constant = Node { level: CONSTANT, start: 0, end: 0, default: FALSE };
        Self {
            work: Work::new(work),
            nodes: IndexVec::filled(constant, 2),
            branches: Vec::new(),
            unique: HashTable::new(),
            combined: HashMap::new(),
            known_false: HashSet::new(),
            hasher: DefaultHashBuilder::default(),
            pending: Vec::new(),
        }
    }

    /// Combines two diagrams.
    ///
    /// Recursion is as deep as there are attributes: each call goes down at least one level.
    fn combine(&mut self, op: Op, one: Id, other: Id) -> Result<Id, Exhausted> {
        if let Some(id) = op.shortcut(one, other) {
            return Ok(id);
        }
        let key = op.key(one, other);
        if let Some(id) = self.combined.get(&key) {
            return Ok(*id);
        }
        self.work.spend(NODE)?;
        let mut pair = self.cofactors(op, one, other);
        // The default child comes first: it decides which branches are kept.
        let default = self.combine(op, pair.one.default, pair.other.default)?;
        let start = self.pending.len();
        while let Some((value, one, other)) = self.next_branch(&mut pair)? {
            // The call leaves `pending` as long as it was: `make_node` drains what it pushed.
            let id = self.combine(op, one, other)?;
            if id != default {
                self.pending.push((value, id));
            }
        }
        let id = self.make_node(pair.one.level, start, default);
        self.combined.insert(key, id);
        Ok(id)
    }

    /// Returns whether [`combine`](Self::combine) would give [`FALSE`].
    ///
    /// Builds no nodes, and stops at the first assignment that satisfies the outcome.
    fn is_false(&mut self, op: Op, one: Id, other: Id) -> Result<bool, Exhausted> {
        if let Some(id) = op.shortcut(one, other) {
            return Ok(id == FALSE);
        }
        let key = op.key(one, other);
        if let Some(id) = self.combined.get(&key) {
            return Ok(*id == FALSE);
        }
        if self.known_false.contains(&key) {
            return Ok(true);
        }
        self.work.spend(NODE)?;
        let mut pair = self.cofactors(op, one, other);
        if !self.is_false(op, pair.one.default, pair.other.default)? {
            return Ok(false);
        }
        while let Some((_, one, other)) = self.next_branch(&mut pair)? {
            if !self.is_false(op, one, other)? {
                return Ok(false);
            }
        }
        // Only "false" is remembered: the first "not false" ends the whole search.
        self.known_false.insert(key);
        Ok(true)
    }

    /// Expands two diagrams at the first attribute that either tests.
    fn cofactors(&self, op: Op, one: Id, other: Id) -> Cofactors {
        // Constants have the greatest level, so they are expanded only beside a node.
        let level = self.get(one).level.min(self.get(other).level);
        let (mut one, mut other) = (self.at(one, level), self.at(other, level));
        // For `and`, the operand that is false by default comes first, and of two the one with
        // fewer branches: only its branches are visited.
        let rank = |node: &Node| (node.default != FALSE, node.end - node.start);
        if op == Op::And && rank(&other) < rank(&one) {
            std::mem::swap(&mut one, &mut other);
        }
        Cofactors { one, other, sparse: op != Op::Or && one.default == FALSE }
    }

    /// Returns the next value that has a branch in either operand, with the child of each.
    ///
    /// This is a merge of two sorted lists. A sparse pair visits only the branches of the first
    /// operand and looks up each value in the second.
    fn next_branch(
        &mut self,
        pair: &mut Cofactors,
    ) -> Result<Option<(ValueId, Id, Id)>, Exhausted> {
        let Cofactors { one, other, sparse } = pair;
        let (x, y) = (self.branch(*one), self.branch(*other).filter(|_| !*sparse));
        let value = match (x, y) {
            (None, None) => return Ok(None),
            (Some((x, _)), Some((y, _))) => x.min(y),
            (Some((value, _)), None) | (None, Some((value, _))) => value,
        };
        self.work.spend(1)?;
        let child = |node: &mut Node, branch: Option<(ValueId, Id)>| match branch {
            Some((own, id)) if own == value => {
                node.skip_branch();
                id
            }
            _ => node.default,
        };
        let one = child(one, x);
        let other = match sparse {
            true => self.child(*other, value),
            false => child(other, y),
        };
        Ok(Some((value, one, other)))
    }

    pub(super) fn get(&self, id: Id) -> Node {
        *self.nodes.get(id)
    }

    /// Returns a diagram's node at `level`: its root, or a node whose only child is the diagram.
    fn at(&self, id: Id, level: Level) -> Node {
        let node = self.get(id);
        if node.level == level { node } else { Node { level, start: 0, end: 0, default: id } }
    }

    /// Returns the first branch.
    pub(super) fn branch(&self, node: Node) -> Option<(ValueId, Id)> {
        self.branches(node).first().copied()
    }

    fn branches(&self, node: Node) -> &[(ValueId, Id)] {
        self.branches.part(node.start as usize..node.end as usize)
    }

    /// Makes the node of the pending branches from `start` on, and removes them from the stack.
    ///
    /// This is the only place that makes nodes, and keeps the diagrams reduced: without branches
    /// the node is its default child, and an equal node is used again.
    #[expect(clippy::cast_possible_truncation, reason = "work is bounded, and so are branches")]
    fn make_node(&mut self, level: Level, start: usize, default: Id) -> Id {
        let pending = self.pending.tail(start);
        if pending.is_empty() {
            return default;
        }
        // Children were made before, so equal nodes have equal numbers for them: comparing one
        // level compares whole diagrams.
        let hash = self.hasher.hash_one((level, default, pending));
        let same = |id: &Id| self.content(*id) == (level, default, pending);
        if let Some(id) = self.unique.find(hash, same).copied() {
            self.pending.truncate(start);
            return id;
        }
        let start_of_branches = self.branches.len() as u32;
        self.branches.extend(self.pending.drain(start..));
        let end = self.branches.len() as u32;
        let id = self.nodes.push(Node { level, start: start_of_branches, end, default });
        // The table is taken out because hashing its entries again borrows the nodes.
        let mut unique = std::mem::take(&mut self.unique);
        unique.insert_unique(hash, id, |id| self.hasher.hash_one(self.content(*id)));
        self.unique = unique;
        id
    }

    /// Returns what two equal nodes have in common: level, default child and branches.
    fn content(&self, id: Id) -> (Level, Id, &[(ValueId, Id)]) {
        let node = self.get(id);
        (node.level, node.default, self.branches(node))
    }

    /// Returns the child of a node's branch for `value`, if there is such a branch.
    ///
    /// [`NONE`] has none.
    pub(super) fn branch_on(&self, node: Node, value: ValueId) -> Option<Id> {
        // Branches are pushed in the order of `next_branch`, which is ascending.
        let branches = self.branches(node);
        let from = branches.tail(branches.partition_point(|branch| branch.0 < value));
        from.first().filter(|branch| branch.0 == value).map(|branch| branch.1)
    }

    /// Returns a node's child for `value`: that of its branch, or else the default.
    pub(super) fn child(&self, node: Node, value: ValueId) -> Id {
        self.branch_on(node, value).unwrap_or(node.default)
    }
}

impl Conditions for Diagrams {
    type Id = Id;

    fn constant(&self, verdict: bool) -> Id {
        // `FALSE` is 0 and `TRUE` is 1, as numbers made of `bool` are.
        Id::from(verdict)
    }

    fn term(&mut self, level: Level, value: ValueId, equal: bool) -> Result<Id, Exhausted> {
        self.work.spend(NODE)?;
        let start = self.pending.len();
        self.pending.push((value, Id::from(equal)));
        Ok(self.make_node(level, start, Id::from(!equal)))
    }

    fn apply(&mut self, op: Op, one: &Id, other: &Id) -> Result<Id, Exhausted> {
        self.combine(op, *one, *other)
    }

    fn is_empty(&mut self, op: Op, one: &Id, other: &Id) -> Result<bool, Exhausted> {
        self.is_false(op, *one, *other)
    }
}

#[cfg(test)]
mod tests {
    use super::{Diagrams, FALSE, Id, NODE, TRUE};
    use crate::filter::analysis::WORK;
    use crate::filter::analysis::conditions::{Conditions, Op};

    /// Holds however many nodes are made in between.
    #[test]
    fn gives_equal_conditions_one_id() {
        let mut diagrams = Diagrams::new(WORK);
        let mut list = |values: &mut dyn Iterator<Item = u32>| {
            values.fold(0, |list: Id, value| {
                let term = diagrams.term(value % 3, value, true).unwrap();
                diagrams.apply(Op::Or, &list, &term).unwrap()
            })
        };
        for length in 1..100 {
            assert_eq!(list(&mut (0..length)), list(&mut (0..length).rev()));
        }
        assert!(diagrams.nodes.len() > 1000);
    }

    #[test]
    fn spends_no_work_where_one_operand_decides() {
        let mut diagrams = Diagrams::new(WORK);
        let some = diagrams.term(0, 0, true).unwrap();
        let left = diagrams.work.left();
        for (op, one, other, outcome) in [
            (Op::And, TRUE, some, some),
            (Op::And, some, TRUE, some),
            (Op::And, FALSE, some, FALSE),
            (Op::And, some, FALSE, FALSE),
            (Op::And, some, some, some),
            (Op::Or, FALSE, some, some),
            (Op::Or, some, FALSE, some),
            (Op::Or, TRUE, some, TRUE),
            (Op::Or, some, TRUE, TRUE),
            (Op::Or, some, some, some),
            (Op::Minus, some, FALSE, some),
            (Op::Minus, some, TRUE, FALSE),
            (Op::Minus, FALSE, some, FALSE),
            (Op::Minus, some, some, FALSE),
        ] {
            assert_eq!(diagrams.apply(op, &one, &other).unwrap(), outcome);
            assert_eq!(diagrams.is_empty(op, &one, &other).unwrap(), outcome == FALSE);
        }
        assert_eq!(diagrams.work.left(), left);
    }

    /// One step for each of its values, in either order of the operands.
    #[test]
    fn spends_work_for_the_shorter_list_of_a_conjunction() {
        let mut diagrams = Diagrams::new(WORK);
        let mut list = |values: std::ops::Range<u32>, equal: bool| {
            let (op, none) = if equal { (Op::Or, FALSE) } else { (Op::And, TRUE) };
            values.fold(none, |list: Id, value| {
                let term = diagrams.term(0, value, equal).unwrap();
                diagrams.apply(op, &list, &term).unwrap()
            })
        };
        let (long, others, short) = (list(0..300, true), list(0..300, false), list(296..300, true));
        for (one, other) in [(long, short), (short, long), (others, short), (short, others)] {
            diagrams.combined.clear();
            let left = diagrams.work.left();
            diagrams.apply(Op::And, &one, &other).unwrap();
            let steps = left - diagrams.work.left();
            assert!(steps <= NODE + 4, "{steps} steps");
        }
    }
}
