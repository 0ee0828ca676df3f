//! Under which keys a filter is found.
//!
//! A key is an attribute value that an event may have. An event that has none of the keys a filter
//! mentions gives it its *default* verdict: every `eq` false, every `ne` true. So a filter need be
//! looked at only where an event has one of a set of keys without which the default stands.

use crate::filter::{Filter, Node, Predicate, Profile};

/// A filter with its default verdict and its keys. Depends on the filter alone, so an insert and
/// its removal find the same postings.
#[derive(Debug)]
pub(super) struct Plan {
    filter: Filter,
    default: bool,
    /// At least one holds in every event that does not get the default verdict.
    keys: Box<[Key]>,
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
    pub(super) fn new(filter: Filter) -> Self {
        let mut parts: Vec<Option<Part>> = Vec::new();
        parts.resize_with(filter.nodes().len(), || None);
        for (at, node) in filter.nodes().iter().enumerate().rev() {
            let mut operands = filter
                .operands(at)
                .filter_map(|operand| parts.get_mut(operand).and_then(Option::take));
            let part = match node {
                Node::Term(term) => Part::term(at, term, filter.profile()),
                Node::And { .. } => Part::group(&mut operands, true),
                Node::Or { .. } => Part::group(&mut operands, false),
            };
            drop(operands);
            if let Some(place) = parts.get_mut(at) {
                *place = Some(part);
            }
        }
        let everything = Part {
            default: true,
            keys: Vec::new(),
            cost: 0,
        };
        let root = parts.into_iter().next().flatten().unwrap_or(everything);
        let mut keys = root.keys;
        let name = |key: &Key| term(&filter, *key).map(|term| (term.attribute, &*term.value));
        // A key once, as enough where any of its terms is.
        keys.sort_by_key(|key| (name(key), !key.enough));
        keys.dedup_by_key(|key| name(key));
        Self {
            default: root.default,
            keys: keys.into(),
            filter,
        }
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
            Some((term.attribute, &*term.value, key.enough))
        })
    }
}

fn term(filter: &Filter, key: Key) -> Option<&Predicate> {
    match filter.nodes().get(key.term) {
        Some(Node::Term(term)) => Some(term),
        _ => None,
    }
}

impl Part {
    fn term(at: usize, term: &Predicate, profile: &Profile) -> Self {
        let default = match term.operator {
            crate::filter::Operator::Eq => false,
            crate::filter::Operator::Ne => true,
        };
        let keys = vec![Key {
            term: at,
            enough: true,
        }];
        Self {
            default,
            keys,
            cost: cost(profile, term.attribute),
        }
    }

    /// An `and` is decided by its first false operand, an `or` by its first true one. Where the
    /// default is what one operand decides, all of those operands must turn before the group does,
    /// so the keys of the cheapest are watched; otherwise any operand that turns decides.
    fn group(operands: &mut dyn Iterator<Item = Self>, and: bool) -> Self {
        let operands: Vec<Self> = operands.collect();
        let decided = operands.iter().any(|operand| operand.default != and);
        if decided {
            let deciding = operands
                .into_iter()
                .filter(|operand| operand.default != and);
            let mut part = deciding.min_by_key(|operand| operand.cost).unwrap_or(Self {
                default: !and,
                keys: Vec::new(),
                cost: 0,
            });
            part.keys.iter_mut().for_each(|key| key.enough = false);
            return part;
        }
        let mut union = Self {
            default: and,
            keys: Vec::new(),
            cost: 0,
        };
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
    match profile
        .attributes()
        .get(attribute)
        .and_then(|attribute| attribute.values())
    {
        Some(values) => FEW_VALUES / (values.len().max(1) as u64),
        None => 1 << (4 * attribute.min(12)),
    }
}
