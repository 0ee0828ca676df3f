//! Decision diagrams over attributes: a question about a filter becomes one about a shape.
//!
//! A node asks for one attribute's value. It has a branch for each value on which the answer
//! differs from that on all other values and on none. Nodes that are equal are one, so two
//! conditions say the same exactly if their diagrams are the same.

use super::conditions::{Conditions, Exhausted, Op, Work};
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use std::hash::BuildHasher;

/// A diagram, by the number of its first node.
pub(super) type Id = u32;

pub(super) const FALSE: Id = 0;
pub(super) const TRUE: Id = 1;

/// What an attribute holds: a value by its number, or [`NONE`].
pub(super) type Cell = u32;

/// No value that a filter mentions: another one, or none at all, which no filter tells apart.
pub(super) const NONE: Cell = Cell::MAX;

impl Op {
    /// The answer where one operand alone gives it.
    fn shortcut(self, one: Id, other: Id) -> Option<Id> {
        match (self, one, other) {
            (Self::And, TRUE, id) | (Self::And, id, TRUE) => Some(id),
            (Self::And, FALSE, _) | (Self::And, _, FALSE) => Some(FALSE),
            (Self::Or, FALSE, id) | (Self::Or, id, FALSE) => Some(id),
            (Self::Or, TRUE, _) | (Self::Or, _, TRUE) => Some(TRUE),
            (Self::Minus, id, FALSE) => Some(id),
            (Self::Minus, FALSE, _) | (Self::Minus, _, TRUE) => Some(FALSE),
            (Self::Minus, one, other) if one == other => Some(FALSE),
            (Self::And | Self::Or, one, other) if one == other => Some(one),
            _ => None,
        }
    }

    fn key(self, one: Id, other: Id) -> (Self, Id, Id) {
        match self {
            Self::And | Self::Or => (self, one.min(other), one.max(other)),
            Self::Minus => (self, one, other),
        }
    }
}

/// Steps that a node takes beside its branches, by the time it takes.
const NODE: usize = 32;

/// Two nodes of one attribute, less the branches that were seen.
struct Both {
    one: Node,
    other: Node,
    /// Only on branches of the first can the outcome be anything but false.
    sparse: bool,
}

#[derive(Clone, Copy)]
struct Node {
    /// The attribute, by its place in the order of all diagrams.
    level: u32,
    /// Where its branches begin and end.
    from: u32,
    to: u32,
    /// The diagram behind every value without a branch of its own.
    other: Id,
}

/// The level of answers, below all attributes.
const ANSWER: u32 = u32::MAX;

/// Some diagrams, and how much work may yet be done.
pub(super) struct Diagrams {
    pub(super) work: Work,
    nodes: Vec<Node>,
    /// Those of all nodes, each by rising value.
    branches: Vec<(Cell, Id)>,
    unique: HashTable<Id>,
    done: HashMap<(Op, Id, Id), Id>,
    /// What is known to be false throughout, though it was never made.
    empty: HashSet<(Op, Id, Id)>,
    hasher: DefaultHashBuilder,
    /// Branches of nodes that are being made.
    pending: Vec<(Cell, Id)>,
}

/// What the search for a [nearest](Diagrams::nearest) assignment begins with and must leave alone.
pub(super) struct Start<'s> {
    /// For each level what the attribute holds.
    pub(super) cells: &'s [Cell],
    /// Terms whose verdict must stay.
    pub(super) kept: &'s HashSet<(u32, Cell)>,
}

impl Diagrams {
    pub(super) fn new(work: usize) -> Self {
        let answer = Node { level: ANSWER, from: 0, to: 0, other: FALSE };
        Self {
            work: Work::new(work),
            nodes: vec![answer; 2],
            branches: Vec::new(),
            unique: HashTable::new(),
            done: HashMap::new(),
            empty: HashSet::new(),
            hasher: DefaultHashBuilder::default(),
            pending: Vec::new(),
        }
    }

    /// Recursion goes down one attribute a step.
    fn combined(&mut self, op: Op, one: Id, other: Id) -> Result<Id, Exhausted> {
        if let Some(id) = op.shortcut(one, other) {
            return Ok(id);
        }
        let key = op.key(one, other);
        if let Some(id) = self.done.get(&key) {
            return Ok(*id);
        }
        self.work.steps(NODE)?;
        let mut both = self.both(op, one, other);
        let rest = self.combined(op, both.one.other, both.other.other)?;
        let start = self.pending.len();
        while let Some((value, one, other)) = self.next(&mut both)? {
            let id = self.combined(op, one, other)?;
            if id != rest {
                self.pending.push((value, id));
            }
        }
        let id = self.node(both.one.level, start, rest);
        self.done.insert(key, id);
        Ok(id)
    }

    /// Whether [`combined`](Self::combined) would give [`FALSE`]: it is not made, and the first
    /// thing found in it ends the search.
    fn is_false(&mut self, op: Op, one: Id, other: Id) -> Result<bool, Exhausted> {
        if let Some(id) = op.shortcut(one, other) {
            return Ok(id == FALSE);
        }
        let key = op.key(one, other);
        if let Some(id) = self.done.get(&key) {
            return Ok(*id == FALSE);
        }
        if self.empty.contains(&key) {
            return Ok(true);
        }
        self.work.steps(NODE)?;
        let mut both = self.both(op, one, other);
        if !self.is_false(op, both.one.other, both.other.other)? {
            return Ok(false);
        }
        while let Some((_, one, other)) = self.next(&mut both)? {
            if !self.is_false(op, one, other)? {
                return Ok(false);
            }
        }
        self.empty.insert(key);
        Ok(true)
    }

    /// Two diagrams seen from the first attribute that either asks for.
    fn both(&self, op: Op, one: Id, other: Id) -> Both {
        let level = self.get(one).level.min(self.get(other).level);
        let (mut one, mut other) = (self.at(one, level), self.at(other, level));
        let rank = |node: &Node| (node.other != FALSE, node.to - node.from);
        if op == Op::And && rank(&other) < rank(&one) {
            std::mem::swap(&mut one, &mut other);
        }
        Both { one, other, sparse: op != Op::Or && one.other == FALSE }
    }

    /// The next value on which either has a branch, and what both say behind it.
    fn next(&mut self, both: &mut Both) -> Result<Option<(Cell, Id, Id)>, Exhausted> {
        let Both { one, other, sparse } = both;
        let (x, y) = (self.branch(*one), self.branch(*other).filter(|_| !*sparse));
        let value = match (x, y) {
            (None, None) => return Ok(None),
            (Some((x, _)), Some((y, _))) => x.min(y),
            (Some((value, _)), None) | (None, Some((value, _))) => value,
        };
        self.work.steps(1)?;
        let behind = |node: &mut Node, branch: Option<(Cell, Id)>| match branch {
            Some((own, id)) if own == value => {
                node.from += 1;
                id
            }
            _ => node.other,
        };
        let one = behind(one, x);
        let other = match sparse {
            true => self.branch_on(*other, value).unwrap_or(other.other),
            false => behind(other, y),
        };
        Ok(Some((value, one, other)))
    }

    fn get(&self, id: Id) -> Node {
        let outside = Node { level: ANSWER, from: 0, to: 0, other: FALSE };
        self.nodes.get(id as usize).copied().unwrap_or(outside)
    }

    /// A diagram seen from `level`, which it may not ask for.
    fn at(&self, id: Id, level: u32) -> Node {
        let node = self.get(id);
        if node.level == level { node } else { Node { level, from: 0, to: 0, other: id } }
    }

    fn branch(&self, node: Node) -> Option<(Cell, Id)> {
        if node.from < node.to { self.branches.get(node.from as usize).copied() } else { None }
    }

    fn branches(&self, node: Node) -> &[(Cell, Id)] {
        self.branches.get(node.from as usize..node.to as usize).unwrap_or_default()
    }

    /// The node whose branches are the pending ones from `start` on.
    #[expect(clippy::cast_possible_truncation, reason = "work is bounded, and so are nodes")]
    fn node(&mut self, level: u32, start: usize, other: Id) -> Id {
        let pending = self.pending.get(start..).unwrap_or_default();
        if pending.is_empty() {
            return other;
        }
        let hash = self.hasher.hash_one((level, other, pending));
        let same = |id: &Id| self.says(*id) == (level, other, pending);
        if let Some(id) = self.unique.find(hash, same).copied() {
            self.pending.truncate(start);
            return id;
        }
        let (id, from) = (self.nodes.len() as Id, self.branches.len() as u32);
        self.branches.extend(self.pending.drain(start..));
        self.nodes.push(Node { level, from, to: self.branches.len() as u32, other });
        let mut unique = std::mem::take(&mut self.unique);
        unique.insert_unique(hash, id, |id| self.hasher.hash_one(self.says(*id)));
        self.unique = unique;
        id
    }

    /// What makes a node one of its own.
    fn says(&self, id: Id) -> (u32, Id, &[(Cell, Id)]) {
        let node = self.get(id);
        (node.level, node.other, self.branches(node))
    }

    /// The fewest attributes to change, and to what, until a diagram gives `answer`; `None` where
    /// no change does. Of several such ways the one that keeps the earlier attributes, and then
    /// takes the earlier values.
    pub(super) fn nearest(
        &mut self,
        root: Id,
        answer: Id,
        start: &Start<'_>,
    ) -> Result<Option<Vec<(u32, Cell)>>, Exhausted> {
        let mut costs = HashMap::new();
        if self.cost(root, answer, start, &mut costs)? == FAR {
            return Ok(None);
        }
        let (mut changes, mut at) = (Vec::new(), root);
        while at != TRUE && at != FALSE {
            let level = self.get(at).level;
            let mut best = (FAR, None, answer);
            self.ways(at, start, |diagrams, change, id| {
                let cost = diagrams.cost(id, answer, start, &mut costs)?;
                let cost = cost.saturating_add(u32::from(change.is_some()));
                if cost < best.0 {
                    best = (cost, change, id);
                }
                Ok(())
            })?;
            changes.extend(best.1.map(|cell| (level, cell)));
            at = best.2;
        }
        Ok(Some(changes))
    }

    /// Every change of one attribute that makes a diagram give `answer`, where none is kept.
    pub(super) fn neighbours(
        &mut self,
        root: Id,
        answer: Id,
        cells: &[Cell],
    ) -> Result<Vec<(u32, Cell)>, Exhausted> {
        let none = HashSet::new();
        let start = Start { cells, kept: &none };
        let (mut changes, mut at) = (Vec::new(), root);
        while at != TRUE && at != FALSE {
            let (level, mut own) = (self.get(at).level, at);
            self.ways(at, &start, |diagrams, change, mut id| {
                let Some(cell) = change else {
                    own = id;
                    return Ok(());
                };
                while id != TRUE && id != FALSE {
                    diagrams.work.steps(1)?;
                    let node = diagrams.get(id);
                    let held = cells.get(node.level as usize).copied().unwrap_or(NONE);
                    id = diagrams.branch_on(node, held).unwrap_or(node.other);
                }
                if id == answer {
                    changes.push((level, cell));
                }
                Ok(())
            })?;
            at = own;
        }
        Ok(changes)
    }

    /// The branch of a node for a value, if it has one.
    fn branch_on(&self, node: Node, value: Cell) -> Option<Id> {
        let branches = self.branches(node);
        let at = branches.binary_search_by_key(&value, |branch| branch.0).ok()?;
        branches.get(at).map(|branch| branch.1)
    }

    /// How many attributes must change; [`FAR`] where that is of no use.
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
        self.ways(id, start, |diagrams, change, id| {
            let cost = diagrams.cost(id, answer, start, costs)?;
            least = least.min(cost.saturating_add(u32::from(change.is_some())));
            Ok(())
        })?;
        costs.insert(id, least);
        Ok(least)
    }

    /// The diagrams behind a node, each with what the attribute must become, if it must change:
    /// first the one where it need not, last the one for no value that is mentioned.
    fn ways(
        &mut self,
        id: Id,
        start: &Start<'_>,
        mut way: impl FnMut(&mut Self, Option<Cell>, Id) -> Result<(), Exhausted>,
    ) -> Result<(), Exhausted> {
        self.work.steps(NODE)?;
        let mut node = self.get(id);
        let held = start.cells.get(node.level as usize).copied().unwrap_or(NONE);
        let own = self.branch_on(node, held);
        way(self, None, own.unwrap_or(node.other))?;
        let keeps = |value: Cell| start.kept.contains(&(node.level, value));
        if keeps(held) {
            return Ok(());
        }
        while let Some((value, id)) = self.branch(node) {
            self.work.steps(1)?;
            node.from += 1;
            if value != held && !keeps(value) {
                way(self, Some(value), id)?;
            }
        }
        // Where the value held has no branch of its own, this way is the first one.
        if own.is_some() { way(self, Some(NONE), node.other) } else { Ok(()) }
    }
}

impl Conditions for Diagrams {
    type Id = Id;

    fn constant(&self, verdict: bool) -> Id {
        Id::from(verdict)
    }

    fn term(&mut self, level: u32, value: Cell, equal: bool) -> Result<Id, Exhausted> {
        self.work.steps(NODE)?;
        let start = self.pending.len();
        self.pending.push((value, Id::from(equal)));
        Ok(self.node(level, start, Id::from(!equal)))
    }

    fn apply(&mut self, op: Op, one: &Id, other: &Id) -> Result<Id, Exhausted> {
        self.combined(op, *one, *other)
    }

    fn is_empty(&mut self, op: Op, one: &Id, other: &Id) -> Result<bool, Exhausted> {
        self.is_false(op, *one, *other)
    }
}

/// More attributes than there are.
const FAR: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::{Diagrams, FALSE, Id, NODE, TRUE};
    use crate::filter::analysis::WORK;
    use crate::filter::analysis::conditions::{Conditions, Op};

    /// What says the same is the same, however many nodes were made in between.
    #[test]
    fn equal_conditions_are_one() {
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
    fn what_one_operand_decides_takes_no_work() {
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

    /// A step for each of its values, whichever comes first.
    #[test]
    fn conjunctions_take_the_work_of_their_shorter_list() {
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
            diagrams.done.clear();
            let left = diagrams.work.left();
            diagrams.apply(Op::And, &one, &other).unwrap();
            let steps = left - diagrams.work.left();
            assert!(steps <= NODE + 4, "{steps} steps");
        }
    }
}
