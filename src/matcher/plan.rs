//! Under which keys a filter is found.
//!
//! A key is an attribute value that an event may have. An event that has none of the keys a filter
//! mentions gives it its *default* verdict: every `eq` false, every `ne` true. So a filter need be
//! looked at only where an event has one of a set of keys without which the default stands.
//!
//! Where a key alone does not decide, the filter is evaluated: over numbers that stand for values,
//! in code that lies in one piece of memory.

use crate::filter::{Filter, Node, Operator, Predicate, Profile};
use hashbrown::HashMap;
use smallvec::SmallVec;

/// Stands for a value that an evaluated filter mentions: equal numbers, equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(u32);

impl Number {
    /// A value that no evaluated filter mentions.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A filter with its default verdict and its keys. Those depend on the filter alone, so an insert
/// and its removal find the same postings.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    filter: Filter,
    default: bool,
    /// At least one holds in every event that does not get the default verdict.
    keys: Box<[Key]>,
    /// For each node of the filter the number of its value, where the filter is ever evaluated.
    numbers: Box<[Number]>,
}

/// The attribute and value of a term of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    term: usize,
    /// Where it holds, the verdict is not the default one, whatever else the event has.
    enough: bool,
}

/// What is known of a part of the filter.
struct Part {
    default: bool,
    keys: Vec<Key>,
    cost: u64,
}

impl Plan {
    fn new(filter: Filter, values: &mut Values) -> Self {
        let mut parts: Vec<Option<Part>> = Vec::new();
        parts.resize_with(filter.nodes().len(), || None);
        for (at, node) in filter.nodes().enumerate().rev() {
            let operands = filter.operands(at);
            let operands: Vec<Part> =
                operands.filter_map(|operand| parts.get_mut(operand)?.take()).collect();
            let part = match node {
                Node::Term(term) => Part::term(at, &term, filter.profile()),
                Node::And { .. } => Part::group(operands, true),
                Node::Or { .. } => Part::group(operands, false),
            };
            if let Some(place) = parts.get_mut(at) {
                *place = Some(part);
            }
        }
        let everything = Part { default: true, keys: Vec::new(), cost: 0 };
        let root = parts.into_iter().next().flatten().unwrap_or(everything);
        let mut keys = root.keys;
        let name = |key: &Key| term(&filter, *key).map(|term| (term.attribute, term.value));
        // A key once, as enough where any of its terms is.
        keys.sort_by_key(|key| (name(key), !key.enough));
        keys.dedup_by_key(|key| name(key));
        let numbers = if keys.iter().all(|key| key.enough) {
            [].into()
        } else {
            filter.nodes().map(|node| values.number(node)).collect()
        };
        Self { default: root.default, keys: keys.into(), numbers, filter }
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The verdict on an event that has none of the keys.
    pub(super) fn default(&self) -> bool {
        self.default
    }

    /// Attribute, value, and whether it is enough to turn the default round.
    pub(super) fn keys(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        self.keys.iter().filter_map(|key| {
            let term = term(&self.filter, *key)?;
            Some((term.attribute, term.value, key.enough))
        })
    }

    /// Attribute, value and number of each term, where the filter is ever evaluated.
    pub(super) fn mentions(&self) -> impl Iterator<Item = (usize, &str, Number)> {
        self.filter.nodes().zip(&self.numbers).filter_map(|(node, number)| match node {
            Node::Term(term) => Some((term.attribute, term.value, *number)),
            Node::And { .. } | Node::Or { .. } => None,
        })
    }

    /// The filter's nodes with numbers in place of values; nothing where it is never evaluated.
    /// Limits of filters and layouts keep ends and attributes far below what is cut off here.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    fn code(&self) -> Code {
        let op = |(node, number): (Node<'_>, &Number)| match node {
            Node::And { end } => Op::And { end: end as u32 },
            Node::Or { end } => Op::Or { end: end as u32 },
            Node::Term(term) => {
                let (attribute, number) = (term.attribute as u16, *number);
                Op::Term { attribute, number, equal: term.operator == Operator::Eq }
            }
        };
        self.filter.nodes().zip(&self.numbers).map(op).collect()
    }
}

fn term(filter: &Filter, key: Key) -> Option<Predicate<'_>> {
    match filter.node(key.term) {
        Some(Node::Term(term)) => Some(term),
        _ => None,
    }
}

impl Part {
    fn term(at: usize, term: &Predicate<'_>, profile: &Profile) -> Self {
        let default = match term.operator {
            Operator::Eq => false,
            Operator::Ne => true,
        };
        let keys = vec![Key { term: at, enough: true }];
        Self { default, keys, cost: cost(profile, term.attribute) }
    }

    /// An `and` is decided by its first false operand, an `or` by its first true one. Where the
    /// default is what one operand decides, all of those operands must turn before the group does,
    /// so the keys of the cheapest are watched; otherwise any operand that turns decides.
    fn group(operands: Vec<Self>, and: bool) -> Self {
        let decided = operands.iter().any(|operand| operand.default != and);
        if decided {
            let deciding = operands.into_iter().filter(|operand| operand.default != and);
            let mut part = deciding.min_by_key(|operand| operand.cost).unwrap_or(Self {
                default: !and,
                keys: Vec::new(),
                cost: 0,
            });
            part.keys.iter_mut().for_each(|key| key.enough = false);
            return part;
        }
        let mut union = Self { default: and, keys: Vec::new(), cost: 0 };
        for mut operand in operands {
            union.keys.append(&mut operand.keys);
            union.cost = union.cost.saturating_add(operand.cost);
        }
        union
    }
}

/// How many events a key of this attribute is expected in, on a scale of its own: attributes come
/// the most selective first, and one with few allowed values comes after all others.
fn cost(profile: &Profile, attribute: usize) -> u64 {
    const FEW_VALUES: u64 = 1 << 56;
    match profile.attributes().get(attribute).and_then(|attribute| attribute.values()) {
        Some(values) => FEW_VALUES / (values.len().max(1) as u64),
        None => 1 << (4 * attribute.min(12)),
    }
}

/// All plans, one for all equal filters.
#[derive(Clone, Debug, Default)]
pub(super) struct Plans {
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_filter: HashMap<Filter, u32>,
    values: Values,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    code: Code,
    default: bool,
    uses: u32,
    plan: Option<Box<Plan>>,
}

type Code = SmallVec<[Op; 7]>;

#[derive(Clone, Copy, Debug)]
enum Op {
    And { end: u32 },
    Or { end: u32 },
    Term { attribute: u16, number: Number, equal: bool },
}

impl Plans {
    /// The plan of a filter, held once more.
    pub(super) fn hold(&mut self, filter: &Filter) -> u32 {
        if let Some(id) = self.by_filter.get(filter) {
            if let Some(entry) = self.entries.get_mut(*id as usize) {
                entry.uses += 1;
            }
            return *id;
        }
        let plan = Plan::new(filter.clone(), &mut self.values);
        let entry = Entry {
            code: plan.code(),
            default: plan.default(),
            uses: 1,
            plan: Some(Box::new(plan)),
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            // No more plans than slots, which are counted in 32 bits.
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.entries.get_mut(id as usize) {
            *place = entry;
        }
        self.by_filter.insert(filter.clone(), id);
        id
    }

    /// Undoes one [`hold`](Self::hold).
    pub(super) fn release(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(id as usize) else {
            return;
        };
        entry.uses -= 1;
        if entry.uses == 0
            && let Some(plan) = std::mem::take(entry).plan
        {
            for (_, value, _) in plan.mentions() {
                self.values.release(value);
            }
            self.by_filter.remove(plan.filter());
            self.free.push(id);
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&Plan> {
        self.entries.get(id as usize)?.plan.as_deref()
    }

    pub(super) fn len(&self) -> usize {
        self.by_filter.len()
    }

    pub(super) fn values(&self) -> usize {
        self.values.known.len()
    }

    /// Evaluates a plan: whether its verdict is not the default one. `numbers` are those of the
    /// event's values, by attribute.
    pub(super) fn turns(&self, id: u32, numbers: &[Number]) -> bool {
        let entry = self.entries.get(id as usize);
        entry.is_some_and(|entry| holds(&entry.code, 0, numbers) != entry.default)
    }
}

/// As [`Filter::matches`], over numbers.
fn holds(code: &[Op], at: usize, numbers: &[Number]) -> bool {
    let (and, end) = match code.get(at) {
        Some(Op::Term { attribute, number, equal }) => {
            return (numbers.get(usize::from(*attribute)) == Some(number)) == *equal;
        }
        Some(Op::And { end }) => (true, *end as usize),
        Some(Op::Or { end }) => (false, *end as usize),
        None => return true,
    };
    let mut operand = at + 1;
    while operand < end {
        if holds(code, operand, numbers) != and {
            return !and;
        }
        operand = match code.get(operand) {
            Some(Op::And { end } | Op::Or { end }) => *end as usize,
            _ => operand + 1,
        };
    }
    and
}

/// Numbers for the values of evaluated filters, as long as one mentions them.
#[derive(Clone, Debug, Default)]
struct Values {
    known: HashMap<Box<str>, (Number, u32)>,
    free: Vec<Number>,
}

impl Values {
    fn number(&mut self, node: Node<'_>) -> Number {
        let Node::Term(term) = node else {
            return Number::NONE;
        };
        if let Some((number, uses)) = self.known.get_mut(term.value) {
            *uses += 1;
            return *number;
        }
        // Never that many: each takes a term of a filter in memory.
        let next = || Number(u32::try_from(self.known.len()).unwrap_or(u32::MAX));
        let number = self.free.pop().unwrap_or_else(next);
        self.known.insert(term.value.into(), (number, 1));
        number
    }

    fn release(&mut self, value: &str) {
        if let Some((number, uses)) = self.known.get_mut(value) {
            *uses -= 1;
            if *uses == 0 {
                self.free.push(*number);
                self.known.remove(value);
            }
        }
    }
}
