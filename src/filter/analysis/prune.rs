//! Which parts of a filter never matter, and the filter without them.

use super::circuit::{Circuit, Kind};
use super::diagram::{Diagrams, Exhausted, FALSE, Id, Op, TRUE};
use super::{Redundancy, Redundant};
use crate::filter::{Filter, Node};
use hashbrown::HashMap;

/// Parts that can be left out all at once.
///
/// A part matters only where the parts around it leave the outcome open: the operands of an `and`
/// where all others hold, those of an `or` where none of the others does. A part that always
/// holds there, or never, is left out, and those that are looked at later see a filter without
/// it. Later operands are looked at first, so that of two equal ones the first stays. This is
/// done again until nothing more goes, so each part that stays matters.
pub(super) struct Pruning<'c> {
    circuit: &'c Circuit,
    /// The diagram of each gate, without what was left out.
    ids: Vec<Id>,
    /// Where each part matters.
    cares: HashMap<usize, Id>,
    /// The first operand of a group that says this.
    firsts: HashMap<(usize, Id), usize>,
    pub(super) redundant: Vec<Redundant>,
    gone: Vec<bool>,
}

/// What is to be done at a gate; `Id` is where it matters.
#[derive(Clone, Copy)]
enum Visit {
    Enter(usize, Id),
    /// Its second operand is done.
    Left(usize, Id),
    /// Both are.
    Leave(usize),
}

impl<'c> Pruning<'c> {
    /// `ids` are the diagrams of all gates, the first of which is neither never nor always true.
    pub(super) fn new(circuit: &'c Circuit, ids: Vec<Id>) -> Self {
        let mut firsts = HashMap::new();
        for (gate, id) in circuit.gates.iter().zip(&ids) {
            if let Some(part) = gate.part {
                let first = firsts.entry((gate.group, *id)).or_insert(part);
                *first = part.min(*first);
            }
        }
        let (cares, gone) = (HashMap::new(), vec![false; ids.len()]);
        Self { circuit, ids, cares, firsts, redundant: Vec::new(), gone }
    }

    /// Leaves out all it can; what was left out when the work ran out may be.
    pub(super) fn run(&mut self, diagrams: &mut Diagrams) -> Result<(), Exhausted> {
        loop {
            let before = self.redundant.len();
            self.pass(diagrams)?;
            if self.redundant.len() == before {
                return Ok(());
            }
        }
    }

    fn pass(&mut self, diagrams: &mut Diagrams) -> Result<(), Exhausted> {
        let mut open = vec![Visit::Enter(0, TRUE)];
        while let Some(visit) = open.pop() {
            diagrams.step()?;
            let (Visit::Enter(at, _) | Visit::Left(at, _) | Visit::Leave(at)) = visit;
            let Some(gate) = self.circuit.gates.get(at) else { continue };
            if let Visit::Enter(_, care) = visit {
                if self.gone.get(at).is_none_or(|gone| *gone) {
                    continue;
                }
                if let Some(part) = gate.part {
                    if self.leave_out(diagrams, at, part, gate.group, care)? {
                        continue;
                    }
                    self.cares.insert(part, care);
                }
            }
            let Kind::Pair { op, left, right } = gate.kind else { continue };
            match visit {
                Visit::Enter(_, care) => {
                    let there = diagrams.apply(open_by(op), care, self.id(left))?;
                    open.push(Visit::Left(at, care));
                    open.push(Visit::Enter(right, there));
                }
                Visit::Left(_, care) => {
                    let there = diagrams.apply(open_by(op), care, self.id(right))?;
                    open.push(Visit::Leave(at));
                    open.push(Visit::Enter(left, there));
                }
                Visit::Leave(_) => {
                    let id = diagrams.apply(op, self.id(left), self.id(right))?;
                    self.set(at, id);
                }
            }
        }
        Ok(())
    }

    /// Leaves out a part that always holds where it matters, or never does.
    fn leave_out(
        &mut self,
        diagrams: &mut Diagrams,
        at: usize,
        part: usize,
        group: usize,
        care: Id,
    ) -> Result<bool, Exhausted> {
        let id = self.id(at);
        let constant = |diagrams: &mut Diagrams, care| {
            Ok::<_, Exhausted>(if diagrams.apply(Op::Minus, care, id)? == FALSE {
                Some(TRUE)
            } else if diagrams.apply(Op::And, care, id)? == FALSE {
                Some(FALSE)
            } else {
                None
            })
        };
        let Some(value) = constant(diagrams, care)? else { return Ok(false) };
        let around = self.cares.get(&group).copied().unwrap_or(TRUE);
        let first = self.firsts.get(&(group, id)).copied().filter(|first| *first != part);
        let kind = match (constant(diagrams, around)?, first) {
            (Some(TRUE), _) => Redundancy::AlwaysHolds,
            (Some(_), _) => Redundancy::NeverHolds,
            (None, Some(_)) => Redundancy::Repeated,
            (None, None) if value == TRUE => Redundancy::Implied,
            (None, None) => Redundancy::Absorbed,
        };
        self.redundant.push(Redundant { part, kind });
        if let Some(gone) = self.gone.get_mut(at) {
            *gone = true;
        }
        self.set(at, value);
        Ok(true)
    }

    fn id(&self, at: usize) -> Id {
        self.ids.get(at).copied().unwrap_or(TRUE)
    }

    fn set(&mut self, at: usize, id: Id) {
        if let Some(place) = self.ids.get_mut(at) {
            *place = id;
        }
    }
}

/// What makes the other operand matter: that this one holds, or that it does not.
fn open_by(op: Op) -> Op {
    if op == Op::And { Op::And } else { Op::Minus }
}

/// The filter without some parts, of which no group loses all.
pub(super) fn without(filter: &Filter, gone: &[bool]) -> Filter {
    let is_gone = |part: usize| gone.get(part).is_some_and(|gone| *gone);
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut skipped = 0;
    for (at, node) in filter.nodes().enumerate() {
        while open.last().is_some_and(|group| group.end <= at) {
            close(&mut nodes, open.pop());
        }
        if at < skipped {
            continue;
        }
        let (Node::And { end } | Node::Or { end }) = node else {
            if !is_gone(at) {
                nodes.push(node);
            }
            continue;
        };
        if is_gone(at) {
            skipped = end;
            continue;
        }
        // With one operand left a group is none, and in one of its own kind it is that one.
        let kept = filter.operands(at).filter(|operand| !is_gone(*operand)).count();
        let is_and = matches!(node, Node::And { .. });
        if kept > 1 && open.last().is_none_or(|group| group.is_and != is_and) {
            open.push(Open { at: nodes.len(), end, is_and });
            nodes.push(node);
        }
    }
    while let Some(group) = open.pop() {
        close(&mut nodes, Some(group));
    }
    Filter::from_nodes(filter.profile(), nodes)
}

/// A group whose operands are being taken.
struct Open {
    at: usize,
    /// Where it ends in the filter they are taken from.
    end: usize,
    is_and: bool,
}

fn close(nodes: &mut [Node<'_>], group: Option<Open>) {
    let len = nodes.len();
    if let Some(Node::And { end } | Node::Or { end }) =
        group.and_then(|group| nodes.get_mut(group.at))
    {
        *end = len;
    }
}
