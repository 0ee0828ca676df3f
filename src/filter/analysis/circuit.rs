//! A filter as gates of two operands, over numbered attributes and values.

use super::conditions::{Conditions, Exhausted, Op};
use super::diagram::{Cell, NONE};
use crate::filter::{Filter, Node, Operator, Predicate};
use hashbrown::HashMap;

/// The attributes and the values that filters speak of, numbered as they are first mentioned.
#[derive(Default)]
pub(super) struct World<'f> {
    attributes: Vec<(&'f str, Vec<&'f str>)>,
    numbers: HashMap<(u32, &'f str), Cell>,
}

impl<'f> World<'f> {
    /// Names are those of profiles, equal letter case aside.
    fn attribute(&mut self, name: &'f str) -> u32 {
        let known = self.attributes.iter().position(|known| known.0.eq_ignore_ascii_case(name));
        number(known.unwrap_or_else(|| {
            self.attributes.push((name, Vec::new()));
            self.attributes.len() - 1
        }))
    }

    fn value(&mut self, level: u32, value: &'f str) -> Cell {
        let Some((_, values)) = self.attributes.get_mut(level as usize) else { return NONE };
        *self.numbers.entry((level, value)).or_insert_with(|| {
            values.push(value);
            number(values.len() - 1)
        })
    }

    /// What an attribute that holds this holds in this world.
    pub(super) fn cell(&self, level: u32, value: Option<&str>) -> Cell {
        value.and_then(|value| self.numbers.get(&(level, value)).copied()).unwrap_or(NONE)
    }

    pub(super) fn name(&self, level: u32) -> &'f str {
        self.attributes.get(level as usize).map_or("", |attribute| attribute.0)
    }

    /// `None` for [`NONE`].
    pub(super) fn text(&self, level: u32, cell: Cell) -> Option<&'f str> {
        self.attributes.get(level as usize)?.1.get(cell as usize).copied()
    }

    /// How many values of an attribute are mentioned.
    pub(super) fn values(&self, level: usize) -> usize {
        self.attributes.get(level).map_or(0, |attribute| attribute.1.len())
    }

    pub(super) fn levels(&self) -> usize {
        self.attributes.len()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "filters have at most `Limits::MAX_TERMS`")]
fn number(count: usize) -> u32 {
    count as u32
}

pub(super) struct Circuit {
    /// A gate before its operands; the first is the whole.
    pub(super) gates: Vec<Gate>,
}

#[derive(Clone, Copy)]
pub(super) struct Gate {
    pub(super) kind: Kind,
    /// The part of the filter that it stands for; `None` for some operands of a group.
    pub(super) part: Option<usize>,
    /// The group whose operand it is; of the whole, itself.
    pub(super) group: usize,
    /// What the group makes of its operands.
    pub(super) within: Op,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The filter that matches everything.
    True,
    Term {
        level: u32,
        value: Cell,
        equal: bool,
    },
    Pair {
        op: Op,
        left: usize,
        right: usize,
    },
}

impl Circuit {
    /// Groups become balanced trees of pairs, so that a list of any length is taken in few steps
    /// an operand. Keeps its own stack.
    pub(super) fn new<'f>(filter: &'f Filter, world: &mut World<'f>) -> Self {
        let blank = Gate { kind: Kind::True, part: None, group: 0, within: Op::And };
        let mut gates = vec![blank];
        let mut operands = Vec::new();
        let mut levels = vec![None; filter.profile().attributes().len()];
        // What is to be made at a gate: some operands of a group.
        let mut open = Vec::new();
        if !filter.is_everything() {
            operands.push(0);
            open.push((0, 0..1, Op::And, 0));
        }
        while let Some((at, range, op, group)) = open.pop() {
            let (mut range, mut op, mut group) = (range, op, group);
            let mut gate = Gate { group, within: op, ..blank };
            if range.len() == 1 {
                let Some(part) = operands.get(range.start).copied() else { continue };
                gate.part = Some(part);
                op = match filter.node(part) {
                    Some(Node::And { .. }) => Op::And,
                    Some(Node::Or { .. }) => Op::Or,
                    Some(Node::Term(Predicate { attribute, operator, value })) => {
                        let mut level =
                            || world.attribute(filter.profile().attribute_name(attribute));
                        let level = match levels.get_mut(attribute) {
                            Some(known) => *known.get_or_insert_with(level),
                            None => level(),
                        };
                        let (value, equal) = (world.value(level, value), operator == Operator::Eq);
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
            let middle = range.start + range.len() / 2;
            let (left, right) = (gates.len(), gates.len() + 1);
            gates.extend([blank, blank]);
            gate.kind = Kind::Pair { op, left, right };
            put(&mut gates, at, gate);
            open.push((right, middle..range.end, op, group));
            open.push((left, range.start..middle, op, group));
        }
        Self { gates }
    }

    /// The condition of every gate.
    pub(super) fn conditions<C: Conditions>(&self, made: &mut C) -> Result<Vec<C::Id>, Exhausted> {
        let mut ids = vec![made.constant(true); self.gates.len()];
        for (at, gate) in self.gates.iter().enumerate().rev() {
            let id = match gate.kind {
                Kind::True => continue,
                Kind::Term { level, value, equal } => made.term(level, value, equal)?,
                Kind::Pair { op, left, right } => match (ids.get(left), ids.get(right)) {
                    (Some(left), Some(right)) => made.apply(op, left, right)?,
                    _ => continue,
                },
            };
            put(&mut ids, at, id);
        }
        Ok(ids)
    }
}

fn put<T>(list: &mut [T], at: usize, item: T) {
    if let Some(place) = list.get_mut(at) {
        *place = item;
    }
}
