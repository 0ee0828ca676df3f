//! Chooses the access keys of a filter.
//!
//! # Rule
//!
//! An `and` is decided by any false operand, an `or` by any true one. Look at a group with its
//! default verdict:
//!
//! - *Decided*: some operands decide the group by default, such as the false operands of an `and`.
//!   The group flips only if all of these flip, so the keys of any one of them are necessary. The
//!   cheapest one is chosen. Its keys are not sufficient: the other deciding operands must flip,
//!   too, and no other operand may come to decide it. In `id eq "a" or spaceId ne "s"` only `ne s`
//!   decides, but `s` does not flip the verdict of an event that also has `a`.
//! - *Undecided*: no operand decides the group by default, such as an `and` whose operands are all
//!   true. Any operand that flips decides it, so the keys of all operands are needed. A key
//!   that flips an operand flips the group.
//!
//! A term has one key, its value, which flips it.
//!
//! # Example
//!
//! ```text
//! bottom up: default, cost                  top down: access, sufficient
//!
//! and          false   3  (the cheaper)     access, sufficient
//! ├─ eq s      false   3                    access                       decided: s is chosen
//! └─ or        false   5  (the sum)         -
//!    ├─ eq a   false   1                    -
//!    └─ eq b   false   4                    -
//! ```
//!
//! Bottom up, the `and` is decided by both operands, which are false by default, and takes the cost
//! of the cheaper one. The `or` is undecided, since no operand is true by default, and costs the
//! sum. Top down, the root passes `access` to `eq s` only, and `sufficient` to none.
//!
//! Costs are shown as numbers of postings in this example; [`Dictionary::cost`] also breaks ties by
//! attribute order and puts attributes with a short list of values last. If `s` had 6 postings, the
//! `or` would be chosen with `a` and `b`, neither sufficient. For `id eq "a" or id eq "b"` the root
//! is undecided: both are sufficient keys.
//!
//! # Invariants
//!
//! - Each value that is an access key is marked in exactly one of its terms, so a subscription has
//!   one posting for it in each bucket.
//! - The choice depends on the order of operands and on the postings at the time, so it is made
//!   once and kept; see [`plan`](super).
//!
//! # Rejected
//!
//! All values of a filter as keys: a conjunction would have a posting under each of its values, and
//! a match would test it for each of them.

use super::by_node::ByNode;
use super::{ACCESS, AND, KIND, NE, SUFFICIENT, is_group, operands, value};
use crate::filter::Profile;
use crate::matcher::dictionary::{Dictionary, ValueId};
use smallvec::SmallVec;

/// What a term says about its value as an access key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::matcher) enum AccessKey {
    /// The value is not an access key, or is marked in another term.
    No,
    /// The value flips the verdict.
    Sufficient,
    /// The residual predicate decides whether the verdict is flipped.
    WithResidual,
}

/// What is known about a node.
#[derive(Clone, Copy, Default)]
struct NodeInfo {
    /// The default verdict.
    default: bool,
    /// The cost of its cheapest access keys.
    cost: u64,
    /// Whether its access keys are access keys of the filter.
    access: bool,
    /// Whether the filter flips if this node does.
    sufficient: bool,
}

type Infos = ByNode<SmallVec<[NodeInfo; 16]>>;

/// Chooses and marks the access keys of a code; returns its default verdict.
pub(super) fn mark(code: &mut [u32], dictionary: &Dictionary) -> bool {
    let mut infos = defaults_and_costs(ByNode(&*code), dictionary);
    let root = &mut infos[0];
    (root.access, root.sufficient) = (true, true);
    let default = root.default;
    choose(ByNode(&*code), &mut infos);
    mark_terms(code, &infos);
    default
}

/// Computes the default verdict and the cost of each node, operands before their groups.
fn defaults_and_costs(code: ByNode<&[u32]>, dictionary: &Dictionary) -> Infos {
    let mut infos: Infos = ByNode(smallvec::smallvec![NodeInfo::default(); code.0.len()]);
    // In prefix order, the nodes from the last to the first have operands before their groups.
    for (at, word) in code.0.iter().enumerate().rev() {
        infos[at] = if is_group(*word) {
            let operands = operands(code, at).map(|operand| infos[operand]);
            NodeInfo::of_group(word & KIND == AND, operands)
        } else {
            let (default, cost) = (word & KIND == NE, dictionary.cost(value(*word)));
            NodeInfo { default, cost, ..NodeInfo::default() }
        };
    }
    infos
}

impl NodeInfo {
    /// Returns what is known about an `and`, or else an `or`, of these operands.
    fn of_group(and: bool, operands: impl Iterator<Item = Self>) -> Self {
        let (mut sum, mut least) = (0u64, None);
        for Self { default, cost, .. } in operands {
            sum = sum.saturating_add(cost);
            if default != and {
                least = Some(least.map_or(cost, |least: u64| least.min(cost)));
            }
        }
        // Decided by some operand: one of those is enough. Undecided: all are needed.
        let (default, cost) = (and != least.is_some(), least.unwrap_or(sum));
        Self { default, cost, ..Self::default() }
    }
}

/// Passes `access` and `sufficient` from the root to the terms, groups before their operands.
fn choose(code: ByNode<&[u32]>, infos: &mut Infos) {
    for (at, word) in code.0.iter().enumerate() {
        let info = infos[at];
        if !is_group(*word) || !info.access {
            continue;
        }
        let and = word & KIND == AND;
        // An undecided `and` is true and an undecided `or` false; otherwise some operand decides.
        let decided = info.default != and;
        let mut open = true;
        for operand in operands(code, at) {
            let inner = &mut infos[operand];
            if !decided {
                // An operand that flips decides the group, so it is as good as the group itself.
                (inner.access, inner.sufficient) = (true, info.sufficient);
            } else if open && inner.default != and && inner.cost == info.cost {
                // The first of equally cheap operands; the group's cost is the least of them.
                (inner.access, open) = (true, false);
            }
        }
    }
}

/// Marks each access key in one term, as sufficient if any of its terms is.
fn mark_terms(code: &mut [u32], infos: &Infos) {
    let words = code.iter().zip(&infos.0).enumerate();
    let keys = words.filter(|(_, (word, info))| !is_group(**word) && info.access);
    let mut keys: SmallVec<[(ValueId, bool, usize); 16]> =
        keys.map(|(at, (word, info))| (value(*word), !info.sufficient, at)).collect();
    // Sufficient terms come first among those of a value, so deduplication keeps one of them.
    keys.sort_unstable();
    keys.dedup_by_key(|(value, ..)| *value);
    let mut code = ByNode(code);
    for (_, has_residual, at) in keys {
        code[at] |= ACCESS | if has_residual { 0 } else { SUFFICIENT };
    }
}

/// The static selectivity of each attribute of a profile; lower is more selective.
///
/// Attributes come in the profile's order, the most selective first. An attribute with a declared
/// set of up to 256 values comes after all others, the fewer values the later: many events share
/// each of them.
#[derive(Clone, Debug, Default)]
pub(in crate::matcher) struct Selectivity(Box<[u64]>);

impl Selectivity {
    pub(in crate::matcher) fn of_profile(profile: &Profile) -> Self {
        /// Divided by the number of values. The cost of postings is below 2⁴⁰ (32 bits, shifted by
        /// 8), so an attribute of up to 256 values comes after all others.
        const FEW_VALUES: u64 = 1 << 48;
        let of = |(at, values): (usize, Option<usize>)| match values {
            Some(count) => FEW_VALUES / count.max(1) as u64,
            None => at as u64,
        };
        let values = profile.attributes().iter().map(|known| known.values().map(<[_]>::len));
        Self(values.enumerate().map(of).collect())
    }

    /// Returns the selectivity of an attribute of the profile.
    #[expect(clippy::indexing_slicing, reason = "the profile's attributes are those of filters")]
    pub(in crate::matcher) fn of(&self, attribute: u8) -> u64 {
        self.0[usize::from(attribute)]
    }

    pub(in crate::matcher) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}
