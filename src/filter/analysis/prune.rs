//! Which parts of a filter never matter, and the filter without them.

use super::circuit::{Circuit, Gate, Kind};
use super::conditions::{Conditions, Exhausted, Op};
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
pub(super) struct Pruning<'c, C: Conditions> {
    circuit: &'c Circuit,
    conditions: &'c mut C,
    /// The condition of each gate, without what was left out.
    ids: Vec<C::Id>,
    /// Where each part matters.
    cares: HashMap<usize, C::Id>,
    /// The first term of a group that says this.
    firsts: HashMap<(usize, Kind), usize>,
    gone: Vec<bool>,
    redundant: &'c mut Vec<Redundant>,
}

/// What is to be done at a gate, and where it matters.
enum Visit<I> {
    Enter(I),
    /// Its second operand is done.
    Left(I),
    /// Both are.
    Leave,
}

impl<'c, C: Conditions> Pruning<'c, C> {
    /// Finds what can be left out of a circuit that matches neither always nor never. When the work
    /// runs out, what was found is right, though perhaps not all.
    pub(super) fn run(
        circuit: &'c Circuit,
        conditions: &'c mut C,
        redundant: &'c mut Vec<Redundant>,
    ) -> Result<(), Exhausted> {
        let ids = circuit.conditions(conditions)?;
        let (cares, gone) = (HashMap::new(), vec![false; ids.len()]);
        let mut firsts = HashMap::new();
        for gate in &circuit.gates {
            if let (Some(part), Kind::Term { .. }) = (gate.part, gate.kind) {
                let first = firsts.entry((gate.group, gate.kind)).or_insert(part);
                *first = part.min(*first);
            }
        }
        let mut pruning = Self { circuit, conditions, ids, cares, firsts, gone, redundant };
        loop {
            let before = pruning.redundant.len();
            pruning.pass()?;
            if pruning.redundant.len() == before {
                return Ok(());
            }
        }
    }

    fn pass(&mut self) -> Result<(), Exhausted> {
        let mut open = vec![(0, Visit::Enter(self.conditions.constant(true)))];
        while let Some((at, visit)) = open.pop() {
            let Some(gate) = self.circuit.gates.get(at).copied() else { continue };
            if let Visit::Enter(care) = &visit {
                if self.gone.get(at).is_none_or(|gone| *gone) {
                    continue;
                }
                if let Some(part) = gate.part {
                    if self.leaves_out(at, gate, part, care)? {
                        continue;
                    }
                    self.cares.insert(part, care.clone());
                }
            }
            let Kind::Pair { op, left, right } = gate.kind else { continue };
            // The other operand makes this one matter by holding, or by not holding.
            let opens = if op == Op::And { Op::And } else { Op::Minus };
            let (Some(one), Some(other)) = (self.ids.get(left), self.ids.get(right)) else {
                continue;
            };
            match visit {
                Visit::Enter(care) => {
                    let there = self.conditions.apply(opens, &care, one)?;
                    open.push((at, Visit::Left(care)));
                    open.push((right, Visit::Enter(there)));
                }
                Visit::Left(care) => {
                    let there = self.conditions.apply(opens, &care, other)?;
                    open.push((at, Visit::Leave));
                    open.push((left, Visit::Enter(there)));
                }
                Visit::Leave => {
                    let id = self.conditions.apply(op, one, other)?;
                    self.set(at, id);
                }
            }
        }
        Ok(())
    }

    /// Leaves out an operand of `and` that always holds where it matters, or one of `or` that
    /// never does. Any other constant would make the whole group one, which was looked at before.
    fn leaves_out(
        &mut self,
        at: usize,
        gate: Gate,
        part: usize,
        care: &C::Id,
    ) -> Result<bool, Exhausted> {
        let (value, against, alone, by_others) = match gate.within {
            Op::And => (true, Op::Minus, Redundancy::AlwaysHolds, Redundancy::Implied),
            _ => (false, Op::And, Redundancy::NeverHolds, Redundancy::Absorbed),
        };
        let Some(id) = self.ids.get(at) else { return Ok(false) };
        if part == gate.group || !self.conditions.is_empty(against, care, id)? {
            return Ok(false);
        }
        let around = self.cares.get(&gate.group);
        let kind = match around {
            Some(around) if self.conditions.is_empty(against, around, id)? => alone,
            _ if self.firsts.get(&(gate.group, gate.kind)).is_some_and(|first| *first != part) => {
                Redundancy::Repeated
            }
            _ => by_others,
        };
        self.redundant.push(Redundant { part, kind });
        if let Some(gone) = self.gone.get_mut(at) {
            *gone = true;
        }
        self.set(at, self.conditions.constant(value));
        Ok(true)
    }

    fn set(&mut self, at: usize, id: C::Id) {
        if let Some(place) = self.ids.get_mut(at) {
            *place = id;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::Pruning;
    use crate::filter::Profile;
    use crate::filter::analysis::WORK;
    use crate::filter::analysis::circuit::{Circuit, World};
    use crate::filter::analysis::diagram::Diagrams;
    use crate::filter::analysis::table::Tables;

    /// Tables and diagrams are the same conditions, so the same parts are found by either.
    #[test]
    fn tables_and_diagrams_agree() {
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let profile = Profile::webhook();
        let mut found = 0;
        for _ in 0..2000 {
            let clauses: Vec<String> = (0..1 + random(4))
                .map(|_| {
                    let term = |random: &mut dyn FnMut(usize) -> usize| {
                        let name = ["id", "spaceId", "topLevelResourceId"][random(3)];
                        let operator = ["eq", "ne"][random(2)];
                        format!("{name} {operator} \"{}\"", random(5))
                    };
                    let terms: Vec<String> =
                        (0..1 + random(4)).map(|_| term(&mut random)).collect();
                    format!("({})", terms.join(" or "))
                })
                .collect();
            let filter = profile.filter(&clauses.join(" and ")).unwrap();
            let mut world = World::default();
            let circuit = Circuit::new(&filter, &mut world);
            let mut diagrams = Diagrams::new(WORK);
            let [mut by_tables, mut by_diagrams] = [Vec::new(), Vec::new()];
            Pruning::run(&circuit, &mut diagrams, &mut by_diagrams).unwrap();
            let mut tables = Tables::new(&world, WORK, &mut diagrams.work).unwrap();
            Pruning::run(&circuit, &mut tables, &mut by_tables).unwrap();
            assert_eq!(by_tables, by_diagrams, "{filter}");
            found += by_tables.len();
        }
        assert!(found > 500, "{found} parts were found");
    }
}
