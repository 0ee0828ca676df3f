//! A filter as a circuit of gates with two operands, over a numbered domain.
//!
//! # Domain
//!
//! A filter distinguishes only the values it mentions. So the domain of an attribute is finite:
//! these values, numbered in the order of mention, and [`NONE`] for everything else. The attributes
//! are numbered in the same order, and their numbers are the levels of the
//! [diagrams](super::diagram). Filters that are compared share a domain.
//!
//! # Circuit
//!
//! A group of many operands becomes a balanced tree of gates with two operands. A gate that
//! represents a part of the filter (a group or a term) names it; the gates in between name none.
//!
//! ```text
//! id eq "a" or id eq "b" or id eq "c"
//!
//! parts of the filter          gates
//! 0  or                        0  or  (part 0)
//! 1  ├─ id eq "a"              ├─ 1  id eq "a"  (part 1)
//! 2  ├─ id eq "b"              └─ 2  or  (no part)
//! 3  └─ id eq "c"                 ├─ 3  id eq "b"  (part 2)
//!                                 └─ 4  id eq "c"  (part 3)
//! ```
//!
//! A balanced tree merges a list of `n` values in about `n log n` branches. A chain would merge
//! each value into the list of all before it, in `n²`.
//!
//! # Invariants
//!
//! - A gate comes before its operands. So one pass from the end sees the operands first, without
//!   recursion, and gate 0 is the filter.
//! - Every part of the filter has exactly one gate.

use super::conditions::{Conditions, Exhausted, Op};
use super::diagram::{NONE, ValueId};
use crate::filter::{Filter, Node, Operator, Predicate};
use hashbrown::HashMap;

/// The attributes and values that filters mention, numbered in the order of first mention.
#[derive(Default)]
pub(super) struct Domain<'f> {
    /// The attributes by level, each with its values by value id.
    attributes: Vec<(&'f str, Vec<&'f str>)>,
    /// The value id of each value of each level.
    numbers: HashMap<(u32, &'f str), ValueId>,
}

impl<'f> Domain<'f> {
    /// Returns an attribute's level. Names are compared case-insensitively, as profiles do.
    fn attribute(&mut self, name: &'f str) -> u32 {
        let known = self.attributes.iter().position(|known| known.0.eq_ignore_ascii_case(name));
        number(known.unwrap_or_else(|| {
            self.attributes.push((name, Vec::new()));
            self.attributes.len() - 1
        }))
    }

    /// Returns a value's id, a new one if it was not mentioned before.
    fn value(&mut self, level: u32, value: &'f str) -> ValueId {
        let Some((_, values)) = self.attributes.get_mut(level as usize) else { return NONE };
        *self.numbers.entry((level, value)).or_insert_with(|| {
            values.push(value);
            number(values.len() - 1)
        })
    }

    /// Returns the id of an event's value: [`NONE`] if it is absent or not mentioned.
    pub(super) fn value_id(&self, level: u32, value: Option<&str>) -> ValueId {
        value.and_then(|value| self.numbers.get(&(level, value)).copied()).unwrap_or(NONE)
    }

    /// Returns an attribute's name.
    pub(super) fn name(&self, level: u32) -> &'f str {
        self.attributes.get(level as usize).map_or("", |attribute| attribute.0)
    }

    /// Returns a value's text; `None` for [`NONE`].
    pub(super) fn text(&self, level: u32, value: ValueId) -> Option<&'f str> {
        self.attributes.get(level as usize)?.1.get(value as usize).copied()
    }

    /// Returns how many values of an attribute are mentioned.
    pub(super) fn values(&self, level: usize) -> usize {
        self.attributes.get(level).map_or(0, |attribute| attribute.1.len())
    }

    /// Returns how many attributes are mentioned.
    pub(super) fn levels(&self) -> usize {
        self.attributes.len()
    }
}

/// Returns a count as a level or a value id.
#[expect(clippy::cast_possible_truncation, reason = "filters have at most `Limits::MAX_TERMS`")]
fn number(count: usize) -> u32 {
    count as u32
}

/// A filter as gates with two operands.
pub(super) struct Circuit {
    /// The gates, each before its operands. The first is the whole filter.
    pub(super) gates: Vec<Gate>,
}

/// A gate, and its place in the filter.
#[derive(Clone, Copy)]
pub(super) struct Gate {
    pub(super) kind: Kind,
    /// The part of the filter that it represents; `None` for a gate inside the tree of a group.
    pub(super) part: Option<usize>,
    /// The part that is the group around it; for the first gate its own part.
    pub(super) group: usize,
    /// The operation of that group.
    pub(super) group_op: Op,
}

/// What a gate computes. Terms that are equal as conditions have equal kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The filter that matches everything; the only gate of its circuit.
    True,
    /// A comparison of an attribute with a value.
    Term { level: u32, value: ValueId, equal: bool },
    /// An operation on two gates.
    Pair { op: Op, left: usize, right: usize },
}

impl Circuit {
    /// Builds the circuit of a filter, and adds what it mentions to `domain`.
    ///
    /// Keeps its own stack, so that the depth of the filter needs none.
    pub(super) fn new<'f>(filter: &'f Filter, domain: &mut Domain<'f>) -> Self {
        let blank = Gate { kind: Kind::True, part: None, group: 0, group_op: Op::And };
        let mut gates = vec![blank];
        let mut operands = Vec::new();
        // The levels of the profile's attributes, looked up by name once each.
        let mut levels = vec![None; filter.profile().attributes().len()];
        // Gates to build, each with its range of `operands` and its group's operation and part.
        let mut open = Vec::new();
        if !filter.is_everything() {
            operands.push(0);
            open.push((0, 0..1, Op::And, 0));
        }
        while let Some((at, range, op, group)) = open.pop() {
            let (mut range, mut op, mut group) = (range, op, group);
            // A range of one is a part of the filter; a longer one is an inner gate of its group.
            let mut gate = Gate { group, group_op: op, ..blank };
            if range.len() == 1 {
                let Some(part) = operands.get(range.start).copied() else { continue };
                gate.part = Some(part);
                op = match filter.node(part) {
                    Some(Node::And { .. }) => Op::And,
                    Some(Node::Or { .. }) => Op::Or,
                    Some(Node::Term(Predicate { attribute, operator, value })) => {
                        let mut level =
                            || domain.attribute(filter.profile().attribute_name(attribute));
                        let level = match levels.get_mut(attribute) {
                            Some(known) => *known.get_or_insert_with(level),
                            None => level(),
                        };
                        let (value, equal) = (domain.value(level, value), operator == Operator::Eq);
                        gate.kind = Kind::Term { level, value, equal };
                        put(&mut gates, at, gate);
                        continue;
                    }
                    None => continue,
                };
                group = part;
                let start = operands.len();
                operands.extend(filter.operands(part));
                range = start..operands.len();
            }
            // Groups have two operands or more, so both halves have at least one.
            let middle = range.start + range.len() / 2;
            let (left, right) = (gates.len(), gates.len() + 1);
            gates.extend([blank, blank]);
            gate.kind = Kind::Pair { op, left, right };
            put(&mut gates, at, gate);
            // The left half is built first, so that the text gives the order of the attributes.
            open.push((right, middle..range.end, op, group));
            open.push((left, range.start..middle, op, group));
        }
        Self { gates }
    }

    /// Returns the condition of every gate.
    pub(super) fn conditions<C: Conditions>(
        &self,
        conditions: &mut C,
    ) -> Result<Vec<C::Id>, Exhausted> {
        let mut ids = vec![conditions.constant(true); self.gates.len()];
        // Operands follow their gate, so from the end their conditions are known when needed.
        for (at, gate) in self.gates.iter().enumerate().rev() {
            let id = match gate.kind {
                Kind::True => continue,
                Kind::Term { level, value, equal } => conditions.term(level, value, equal)?,
                Kind::Pair { op, left, right } => match (ids.get(left), ids.get(right)) {
                    (Some(left), Some(right)) => conditions.apply(op, left, right)?,
                    _ => continue,
                },
            };
            put(&mut ids, at, id);
        }
        Ok(ids)
    }
}

/// Replaces an item, whose index comes from the circuit and is always valid.
fn put<T>(list: &mut [T], at: usize, item: T) {
    if let Some(place) = list.get_mut(at) {
        *place = item;
    }
}
