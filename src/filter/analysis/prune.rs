//! Redundant parts: which terms and groups can be removed without a change of meaning.
//!
//! # The algorithm
//!
//! Redundancy removal with *care sets*, as in logic synthesis, where their complements are known as
//! observability don't cares (Bartlett and others, "Multilevel logic minimization using implicit
//! don't cares", 1988). The care set of a part is the condition under which the verdict depends on
//! it: the other operands of every `and` around it hold, and those of every `or` around it do not.
//!
//! An operand of `and` that holds on its whole care set is redundant, and so is an operand of `or`
//! that holds nowhere on it. It is replaced by the constant that drops out of its group, and later
//! parts see the filter without it. The pass over the filter is repeated until it removes nothing.
//!
//! # Example
//!
//! ```text
//! id eq "a" or (id eq "a" and spaceId ne "s")
//!
//!            or                 care set: true
//!          ╱    ╲
//!  id eq "a"     and            care set: id ne "a"     (the other operand does not hold)
//!               ╱   ╲
//!       id eq "a"   spaceId ne "s"
//!
//! `and` holds nowhere on `id ne "a"`: redundant, replaced by false. It does hold on the care set
//! of its group, which is true, so the kind is `Absorbed` and not `NeverHolds`.
//! `id eq "a"` now has the care set true and holds on a part of it: it stays.
//! ```
//!
//! # Invariants
//!
//! - After each step the remaining filter is equivalent to the original, so all redundant parts can
//!   be removed at once, and what was found before the work ran out is right.
//! - When a pass removes nothing, no remaining part can be removed.
//! - Operands are visited from the last to the first, so of two equal ones the first stays.
//! - A group never loses all its operands. If the last one were constant on its care set, its group
//!   would be too, and so would the group around that, which was visited before and would have been
//!   removed. The filter itself is not constant.
//!
//! # Representation
//!
//! The conditions are [tables](super::table) if the domain is small, else
//! [diagrams](super::diagram). With diagrams only, hostile filters of 64 terms took a million
//! steps.

use super::circuit::{Circuit, GateId, Kind};
use super::conditions::{Conditions, Exhausted, Op};
use super::{Redundancy, Redundant};
use crate::filter::index_vec::IndexVec;
use crate::filter::{Filter, Node};
use hashbrown::HashMap;

/// A search for redundant parts.
pub(super) struct Pruning<'c, C: Conditions> {
    circuit: &'c Circuit,
    conditions: &'c mut C,
    /// The condition of each gate, without the redundant parts. During a pass, a gate's entry is
    /// out of date from the removal of a part inside it until its [`Leave`](Visit::Leave).
    ids: IndexVec<GateId, C::Id>,
    /// The care set of each part, from its first visit on; before it, the constant.
    care_sets: IndexVec<usize, C::Id>,
    /// The first of the equal terms of a group.
    firsts: HashMap<(usize, Kind), usize>,
    /// Whether each gate was removed.
    removed: IndexVec<GateId, bool>,
    redundant: &'c mut Vec<Redundant>,
}

/// The next step at a gate, with the gate's care set.
enum Visit<I> {
    /// No operand was visited.
    Enter(I),
    /// The second operand was visited; the first is next.
    First(I),
    /// Both operands were visited.
    Leave,
}

impl<'c, C: Conditions> Pruning<'c, C> {
    /// Adds all redundant parts of a filter to `redundant`.
    ///
    /// The filter must be satisfiable and no tautology. If the work runs out, the parts found so
    /// far are redundant, but there may be more.
    pub(super) fn run(
        circuit: &'c Circuit,
        conditions: &'c mut C,
        redundant: &'c mut Vec<Redundant>,
    ) -> Result<(), Exhausted> {
        let ids = circuit.conditions(conditions)?;
        // Each part has a gate, so there are at most as many parts.
        let care_sets = IndexVec::filled(conditions.constant(true), ids.len());
        let removed = IndexVec::filled(false, ids.len());
        // Gates are not in the order of the text, so the smallest part of equal terms is kept.
        let mut firsts = HashMap::new();
        for (_, gate) in circuit.gates.iter() {
            if let (Some(part), Kind::Term { .. }) = (gate.part, gate.kind) {
                let first = firsts.entry((gate.group, gate.kind)).or_insert(part);
                *first = part.min(*first);
            }
        }
        let mut pruning = Self { circuit, conditions, ids, care_sets, firsts, removed, redundant };
        // A removal can make a part redundant that was visited before it, so passes are repeated.
        // Each but the last one removes a part, so they end.
        loop {
            let before = pruning.redundant.len();
            pruning.pass()?;
            if pruning.redundant.len() == before {
                return Ok(());
            }
        }
    }

    /// Visits every part once, and removes the redundant ones.
    ///
    /// Keeps its own stack, so that the depth of the filter needs none.
    fn pass(&mut self) -> Result<(), Exhausted> {
        // The filter's verdict matters on every event.
        let mut open = vec![(GateId::FILTER, Visit::Enter(self.conditions.constant(true)))];
        while let Some((at, visit)) = open.pop() {
            if let Visit::Enter(care) = &visit
                && !self.enter(at, care)?
            {
                continue;
            }
            // A term has no operands.
            let Kind::Pair { op, left, right } = self.circuit.gates.get(at).kind else { continue };
            // An operand of `and` matters where the other one holds, of `or` where it does not.
            let narrow = if op == Op::And { Op::And } else { Op::Minus };
            let (one, other) = (self.ids.get(left), self.ids.get(right));
            match visit {
                Visit::Enter(care) => {
                    let inner = self.conditions.apply(narrow, &care, one)?;
                    // The stack runs backwards: the right operand, then this gate again.
                    open.push((at, Visit::First(care)));
                    open.push((right, Visit::Enter(inner)));
                }
                Visit::First(care) => {
                    // `other` is now without what was removed from it, so two equal operands cannot
                    // both be removed for the sake of the other.
                    let inner = self.conditions.apply(narrow, &care, other)?;
                    open.push((at, Visit::Leave));
                    open.push((left, Visit::Enter(inner)));
                }
                Visit::Leave => {
                    // Parts that are visited later see this gate without what was removed.
                    let id = self.conditions.apply(op, one, other)?;
                    self.ids.set(at, id);
                }
            }
        }
        Ok(())
    }

    /// Enters a gate with its care set, and returns whether it is still part of the filter.
    fn enter(&mut self, at: GateId, care: &C::Id) -> Result<bool, Exhausted> {
        if *self.removed.get(at) {
            return Ok(false);
        }
        if let Some(part) = self.circuit.gates.get(at).part {
            if self.removes(at, part, care)? {
                return Ok(false);
            }
            self.care_sets.set(part, care.clone());
        }
        Ok(true)
    }

    /// Removes an operand of `and` that holds on its whole care set, or an operand of `or` that
    /// holds nowhere on it, and returns whether it did.
    ///
    /// The opposite cases need no test: an operand of `and` that holds nowhere makes its whole
    /// group hold nowhere, and the group was visited before.
    fn removes(&mut self, at: GateId, part: usize, care: &C::Id) -> Result<bool, Exhausted> {
        let gate = self.circuit.gates.get(at);
        let (neutral, against, by_itself, by_others) = match gate.group_op {
            Op::And => (true, Op::Minus, Redundancy::AlwaysHolds, Redundancy::Implied),
            _ => (false, Op::And, Redundancy::NeverHolds, Redundancy::Absorbed),
        };
        let id = self.ids.get(at);
        // Only the first gate is its own group: the whole filter stays.
        if part == gate.group || !self.conditions.is_empty(against, care, id)? {
            return Ok(false);
        }
        // On the care set of its group, the part is constant by itself; else the other operands
        // make it redundant. The group was visited before, so its care set is known.
        let around = self.care_sets.get(gate.group);
        // Only terms have an entry.
        let first = self.firsts.get(&(gate.group, gate.kind));
        let kind = if self.conditions.is_empty(against, around, id)? {
            by_itself
        } else if first.is_some_and(|first| *first != part) {
            Redundancy::Repeated
        } else {
            by_others
        };
        self.redundant.push(Redundant { part, kind });
        self.removed.set(at, true);
        self.ids.set(at, self.conditions.constant(neutral));
        Ok(true)
    }
}

/// Returns a filter without some of its parts.
///
/// No group may lose all its operands.
pub(super) fn without(filter: &Filter, removed: &IndexVec<usize, bool>) -> Filter {
    let is_removed = |part: usize| *removed.get(part);
    let mut nodes: IndexVec<usize, Node<'_>> = IndexVec::default();
    let mut open: Vec<Open> = Vec::new();
    let mut skipped = 0;
    for (at, node) in filter.nodes().enumerate() {
        while let Some(group) = open.pop_if(|group| group.end <= at) {
            group.close(&mut nodes);
        }
        if at < skipped {
            continue;
        }
        let (Node::And { end } | Node::Or { end }) = node else {
            if !is_removed(at) {
                nodes.push(node);
            }
            continue;
        };
        if is_removed(at) {
            skipped = end;
            continue;
        }
        // A group with one operand left is replaced by that operand, and a group that ends up in a
        // group of its own kind is merged with it: only then is the result in canonical form.
        let kept = filter.operands(at).filter(|operand| !is_removed(*operand)).count();
        let is_and = matches!(node, Node::And { .. });
        if kept > 1 && open.last().is_none_or(|group| group.is_and != is_and) {
            open.push(Open { at: nodes.push(node), end, is_and });
        }
    }
    while let Some(group) = open.pop() {
        group.close(&mut nodes);
    }
    Filter::from_nodes(filter.profile(), nodes.into_vec())
}

/// A group whose operands are being copied.
struct Open {
    /// Its node in the new filter.
    at: usize,
    /// Its end in the old filter.
    end: usize,
    is_and: bool,
}

impl Open {
    /// Sets the end of the group in the new filter, now that its operands are complete.
    fn close(self, nodes: &mut IndexVec<usize, Node<'_>>) {
        let end = nodes.len();
        nodes.set(self.at, if self.is_and { Node::And { end } } else { Node::Or { end } });
    }
}

#[cfg(test)]
mod tests {
    use super::Pruning;
    use crate::filter::Profile;
    use crate::filter::analysis::WORK;
    use crate::filter::analysis::circuit::{Circuit, Domain};
    use crate::filter::analysis::diagram::Diagrams;
    use crate::filter::analysis::table::Tables;

    /// Both represent the same conditions, so both must lead to the same parts.
    #[test]
    fn finds_the_same_parts_with_tables_and_diagrams() {
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
            let mut domain = Domain::default();
            let circuit = Circuit::new(&filter, &mut domain);
            let mut diagrams = Diagrams::new(WORK);
            let [mut by_tables, mut by_diagrams] = [Vec::new(), Vec::new()];
            Pruning::run(&circuit, &mut diagrams, &mut by_diagrams).unwrap();
            let mut tables = Tables::new(&domain, WORK, &mut diagrams.work).unwrap();
            Pruning::run(&circuit, &mut tables, &mut by_tables).unwrap();
            assert_eq!(by_tables, by_diagrams, "{filter}");
            found += by_tables.len();
        }
        assert!(found > 500, "only {found} redundant parts in all filters");
    }
}
