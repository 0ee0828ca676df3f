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
use super::diagram::{Level, NONE, ValueId};
use crate::filter::index_vec::{Index, IndexVec};
use crate::filter::{Filter, Node, Operator, Predicate};
use hashbrown::HashMap;
use std::ops::Range;

/// The attributes and values that filters mention, numbered in the order of first mention.
#[derive(Default)]
pub(super) struct Domain<'f> {
    attributes: IndexVec<Level, Attribute<'f>>,
    /// The value id of each value of each level.
    numbers: HashMap<(Level, &'f str), ValueId>,
}

/// An attribute, and its values by value id.
struct Attribute<'f> {
    name: &'f str,
    values: IndexVec<ValueId, &'f str>,
}

impl<'f> Domain<'f> {
    /// Returns an attribute's level. Names are compared case-insensitively, as profiles do.
    fn attribute(&mut self, name: &'f str) -> Level {
        let same = |(_, known): &(Level, &Attribute<'_>)| known.name.eq_ignore_ascii_case(name);
        if let Some((level, _)) = self.attributes.iter().find(same) {
            return level;
        }
        self.attributes.push(Attribute { name, values: IndexVec::default() })
    }

    /// Returns a value's id, a new one if it was not mentioned before.
    fn value(&mut self, level: Level, value: &'f str) -> ValueId {
        let values = &mut self.attributes.get_mut(level).values;
        // Numbered by attribute: the same text in two attributes is two values.
        *self.numbers.entry((level, value)).or_insert_with(|| values.push(value))
    }

    /// Returns the id of an event's value: [`NONE`] if it is absent or not mentioned.
    pub(super) fn value_id(&self, level: Level, value: Option<&str>) -> ValueId {
        value.and_then(|value| self.numbers.get(&(level, value)).copied()).unwrap_or(NONE)
    }

    /// Returns an attribute's name.
    pub(super) fn name(&self, level: Level) -> &'f str {
        self.attributes.get(level).name
    }

    /// Returns the text of a value that is mentioned, so not of [`NONE`].
    pub(super) fn mentioned(&self, level: Level, value: ValueId) -> &'f str {
        self.attributes.get(level).values.get(value)
    }

    /// Returns a value's text; `None` for [`NONE`].
    pub(super) fn text(&self, level: Level, value: ValueId) -> Option<&'f str> {
        (value != NONE).then(|| self.mentioned(level, value))
    }

    /// Returns how many values of each attribute are mentioned, by level.
    pub(super) fn values(&self) -> impl Iterator<Item = usize> {
        self.attributes.iter().map(|(_, attribute)| attribute.values.len())
    }

    /// Returns how many attributes are mentioned.
    pub(super) fn levels(&self) -> usize {
        self.attributes.len()
    }
}

/// A filter as gates with two operands.
pub(super) struct Circuit {
    /// The gates, each before its operands. The first is the whole filter.
    pub(super) gates: IndexVec<GateId, Gate>,
}

/// A gate, by its number in the circuit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GateId(usize);

impl GateId {
    /// The gate of the whole filter. Every circuit has one.
    pub(super) const FILTER: Self = Self(0);
}

impl Index for GateId {
    fn from_index(index: usize) -> Self {
        Self(index)
    }

    fn index(self) -> usize {
        self.0
    }
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

impl Gate {
    /// A gate that is not built yet; also the only gate of the filter that matches everything.
    const BLANK: Self = Self { kind: Kind::True, part: None, group: 0, group_op: Op::And };
}

/// What a gate computes. Terms that are equal as conditions have equal kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The filter that matches everything; the only gate of its circuit.
    True,
    /// A comparison of an attribute with a value.
    Term { level: Level, value: ValueId, equal: bool },
    /// An operation on two gates.
    Pair { op: Op, left: GateId, right: GateId },
}

impl Circuit {
    /// Builds the circuit of a filter, and adds what it mentions to `domain`.
    ///
    /// Keeps its own stack, so that the depth of the filter needs none.
    pub(super) fn new<'f>(filter: &'f Filter, domain: &mut Domain<'f>) -> Self {
        let mut builder = Builder {
            filter,
            domain,
            levels: IndexVec::filled(None, filter.profile().attributes().len()),
            gates: [Gate::BLANK].into_iter().collect(),
            parts: IndexVec::default(),
            open: Vec::new(),
        };
        if !filter.is_everything() {
            let whole = builder.parts.push(0);
            let range = whole..builder.parts.len();
            builder.open.push(Unbuilt { at: GateId::FILTER, range, op: Op::And, group: 0 });
        }
        while let Some(unbuilt) = builder.open.pop() {
            builder.build(unbuilt);
        }
        Self { gates: builder.gates }
    }

    /// Returns the condition of every gate.
    pub(super) fn conditions<C: Conditions>(
        &self,
        conditions: &mut C,
    ) -> Result<IndexVec<GateId, C::Id>, Exhausted> {
        let mut ids = IndexVec::filled(conditions.constant(true), self.gates.len());
        // Operands follow their gate, so from the end their conditions are known when needed.
        for (at, gate) in self.gates.iter().rev() {
            let id = match gate.kind {
                Kind::True => continue,
                Kind::Term { level, value, equal } => conditions.term(level, value, equal)?,
                Kind::Pair { op, left, right } => {
                    conditions.apply(op, ids.get(left), ids.get(right))?
                }
            };
            ids.set(at, id);
        }
        Ok(ids)
    }
}

/// A circuit under construction.
struct Builder<'f, 'd> {
    filter: &'f Filter,
    domain: &'d mut Domain<'f>,
    /// The levels of the profile's attributes, looked up by name once each.
    levels: IndexVec<usize, Option<Level>>,
    gates: IndexVec<GateId, Gate>,
    /// The operands of the groups that were built so far, those of one group in a row.
    parts: IndexVec<usize, usize>,
    /// The gates to build, as a stack.
    open: Vec<Unbuilt>,
}

/// A gate to build, for one operand of a group or for several in a row.
struct Unbuilt {
    at: GateId,
    /// The operands, as a range of [`Builder::parts`] that is not empty.
    range: Range<usize>,
    /// The operation and the part of the group.
    op: Op,
    group: usize,
}

impl<'f> Builder<'f, '_> {
    /// Builds a gate, and opens its operands.
    ///
    /// A range of one operand is a part of the filter; a longer one is an inner gate of its group.
    fn build(&mut self, Unbuilt { at, range, op, group }: Unbuilt) {
        let gate = Gate { group, group_op: op, ..Gate::BLANK };
        let gate = if range.len() > 1 {
            Gate { kind: self.pair(range, op, group), ..gate }
        } else {
            let part = *self.parts.get(range.start);
            let kind = match self.filter.node(part) {
                Node::And { .. } => self.group(part, Op::And),
                Node::Or { .. } => self.group(part, Op::Or),
                Node::Term(term) => self.term(term),
            };
            Gate { kind, part: Some(part), ..gate }
        };
        self.gates.set(at, gate);
    }

    fn term(&mut self, Predicate { attribute, operator, value }: Predicate<'f>) -> Kind {
        let name = self.filter.profile().attribute_name(attribute);
        let level = self.levels.get_mut(attribute);
        let level = *level.get_or_insert_with(|| self.domain.attribute(name));
        let (value, equal) = (self.domain.value(level, value), operator == Operator::Eq);
        Kind::Term { level, value, equal }
    }

    fn group(&mut self, part: usize, op: Op) -> Kind {
        let start = self.parts.len();
        for operand in self.filter.operands(part) {
            self.parts.push(operand);
        }
        self.pair(start..self.parts.len(), op, part)
    }

    /// Divides two or more operands of a group between two new gates.
    fn pair(&mut self, range: Range<usize>, op: Op, group: usize) -> Kind {
        debug_assert!(range.len() > 1, "groups have two operands or more");
        let middle = range.start + range.len() / 2;
        let (left, right) = (self.gates.push(Gate::BLANK), self.gates.push(Gate::BLANK));
        // The left half is built first, so that the text gives the order of the attributes.
        self.open.push(Unbuilt { at: right, range: middle..range.end, op, group });
        self.open.push(Unbuilt { at: left, range: range.start..middle, op, group });
        Kind::Pair { op, left, right }
    }
}
