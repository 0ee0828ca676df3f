//! Finds the residual predicate of a filter at an access key: what remains to be tested.
//!
//! # Idea
//!
//! Suppose that the event has the access key and no other value of the filter. This gives a
//! verdict. Which other value must hold before it changes?
//!
//! - none can change it: the verdict is final;
//! - one value is necessary: the residual is that value. If having it changes the verdict for good,
//!   it is the whole residual; otherwise it guards the code;
//! - one of several: the code is evaluated.
//!
//! In these examples `s` is a value of `spaceId`, `a` and `b` of `id`, and `ok` of `data.status`:
//!
//! ```text
//! filter, at the access key s    default   verdict   needs                residual
//! eq s and eq ok                 false     false     ok: true for good    eq ok
//! eq s and ne ok                 false     true      ok: false for good   ne ok
//! eq a or ne s                   true      false     a: true for good     ne a
//! eq s and eq a and ne ok        false     false     a: ok may matter     guarded by a
//! eq s and (eq a or eq b)        false     false     a or b               evaluate
//! ```
//!
//! The residual tests whether the verdict is *flipped*, not whether it is true. In the third row
//! the verdict at `s` is false, which is not the default: it is flipped unless the event has `a`.
//!
//! That an event has one value per attribute is not used here; it would only replace some guards
//! and evaluations by simpler residuals.
//!
//! Most filters have a single term as their residual, so a match compares one value id, which is
//! in the posting list next to the slot, and does not read the code.
//!
//! If the code was evaluated for each residual instead, the benches `matches selective_100_000` and
//! `matches full_10_000` would take 26 % and 2.4 % more instructions, and `insert_text` 1.9 % less.
//!
//! # Representation
//!
//! ```text
//! bit       31 30     29      28     27 … 0
//!           0  flips  guard   0      value id       a value that may hold
//!           1  0      0       0      0              EVALUATE
//! ```
//!
//! *flips* says whether the verdict is flipped without the value. If the verdict is final, the
//! value is all ones, which no event has. With *guard*, having the value means that the code is
//! evaluated; without it, having the value inverts *flips*.
//!
//! For the filter of the second row, supposing `s` makes it true: it is flipped without `ok`. So
//! *flips* is set, the value is the id of `ok`, and *guard* is not set. For an event with `s` and
//! `ok`, *flips* is inverted, and the verdict is the default one.
//!
//! # Invariants
//!
//! - The residual is exact: together with the code, if that is evaluated, it gives the verdict of
//!   [`Filter::matches`](crate::filter::Filter::matches) for every event that has the key.
//! - It is computed when a posting is inserted and never updated. The value it waits for is chosen
//!   by the costs at that time, and any necessary value is correct.

use super::by_node::ByNode;
use super::{ACCESS, AND, EQ, KIND, NE, Plan, Plans, VALUE, is_group, operands, value};
use crate::matcher::dictionary::{Dictionary, ValueId};
use smallvec::SmallVec;

/// What remains to be tested of a filter at an access key, in one word; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::matcher) struct Residual(pub(in crate::matcher) u32);

/// If the value holds, the code is evaluated.
const GUARD: u32 = ACCESS;
/// The code is evaluated in any case.
const EVALUATE: Residual = Residual(AND);
/// A value that never holds: ids are below [`Dictionary::MAX`], and the greatest is never assigned.
const NEVER_HOLDS: u32 = VALUE;
/// The maximum number of nodes of a code for which the residual is computed.
///
/// It takes one or two walks over the code for each access key, and a code has up to as many keys
/// as nodes.
const MAX_NODES: usize = 128;

impl Residual {
    /// The verdict is final.
    fn constant(is_flipped: bool) -> Self {
        Self::with(is_flipped, ValueId::from_word(NEVER_HOLDS))
    }

    /// Having the value inverts the verdict, for good.
    fn with(is_flipped: bool, inverting: ValueId) -> Self {
        let flips = if is_flipped { NE } else { EQ };
        Self(flips | inverting.word())
    }

    /// If the value holds, the code is evaluated.
    fn guarded(is_flipped: bool, guard: ValueId) -> Self {
        Self(Self::with(is_flipped, guard).0 | GUARD)
    }

    /// Returns the value that the residual depends on.
    #[inline]
    pub(in crate::matcher) fn value(self) -> ValueId {
        value(self.0)
    }

    /// Returns whether the verdict is flipped, unless the code must be evaluated.
    #[inline]
    pub(in crate::matcher) fn is_flipped(self, holds: bool) -> bool {
        holds != (self.0 & NE != 0)
    }

    /// Returns whether the code must be evaluated.
    #[inline]
    pub(in crate::matcher) fn needs_evaluation(self, holds: bool) -> bool {
        // `|` and `&` on purpose: both sides are a register operation, cheaper than a branch.
        (self == EVALUATE) | (holds & (self.0 & GUARD != 0))
    }
}

impl Plans {
    /// Returns the residual of a plan at a value.
    pub(in crate::matcher) fn residual(
        &self,
        plan: Plan,
        value: ValueId,
        dictionary: &Dictionary,
    ) -> Residual {
        let code = self.words(&plan);
        // `EVALUATE` is always correct, only slower to match.
        if code.len() > MAX_NODES {
            return EVALUATE;
        }
        let code = ByNode(code);
        let Outcome { verdict, need } = suppose(code, &[value], dictionary);
        let is_flipped = verdict != plan.default();
        match need {
            Need::Nothing => Residual::constant(is_flipped),
            Need::AnyOfSeveral => EVALUATE,
            Need::Value(other) => match suppose(code, &[value, other], dictionary) {
                // With both values the verdict is the opposite one for good.
                Outcome { verdict: now, need: Need::Nothing } if now != verdict => {
                    Residual::with(is_flipped, other)
                }
                // Without `other` the verdict stays; with it, only the code knows.
                _ => Residual::guarded(is_flipped, other),
            },
        }
    }
}

/// Which further value must hold before a verdict changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// No value changes the verdict.
    Nothing,
    /// The verdict changes only if this value holds. Other values may have to hold, too.
    Value(ValueId),
    /// The verdict may change by any of several values.
    AnyOfSeveral,
}

/// The verdict of a node under a supposition, and what it takes to change it.
#[derive(Clone, Copy)]
struct Outcome {
    verdict: bool,
    need: Need,
}

/// Returns the outcome for an event that has the values in `held` and no other.
///
/// ```text
/// with s held            verdict   need
/// and                    false     a       decided by the `or` and by the `eq c`: the first is
/// ├─ eq s                true      nothing   taken if a has fewer postings than c
/// ├─ or                  false     a       undecided, and both operands need the same value
/// │  ├─ eq a             false     a
/// │  └─ eq a             false     a
/// └─ eq c                false     c
/// ```
fn suppose(code: ByNode<&[u32]>, held: &[ValueId], dictionary: &Dictionary) -> Outcome {
    const UNKNOWN: Outcome = Outcome { verdict: false, need: Need::Nothing };
    let mut outcomes: ByNode<SmallVec<[Outcome; 16]>> =
        ByNode(smallvec::smallvec![UNKNOWN; code.0.len()]);
    // From the last node to the first: operands come before their groups.
    for (at, word) in code.0.iter().enumerate().rev() {
        outcomes[at] = if is_group(*word) {
            let operands = || operands(code, at).map(|operand| outcomes[operand]);
            Outcome::of_group(word & KIND == AND, operands, dictionary)
        } else {
            // A value that holds cannot cease to, so the term's verdict is final.
            let holds = held.contains(&value(*word));
            let need = if holds { Need::Nothing } else { Need::Value(value(*word)) };
            Outcome { verdict: holds == (word & KIND == EQ), need }
        };
    }
    outcomes[0]
}

impl Outcome {
    /// Returns the outcome of an `and`, or else an `or`, of these operands.
    ///
    /// A group that some operands decide keeps its verdict until all of these change, so the need
    /// of any of them is a need of the group: nothing if one is final, otherwise the cheapest
    /// single value. A group that no operand decides changes with any operand, so it needs one
    /// value only if all operands that can change need the same one.
    fn of_group<I: Iterator<Item = Self>>(
        and: bool,
        operands: impl Fn() -> I,
        dictionary: &Dictionary,
    ) -> Self {
        let deciding = operands().filter(|operand| operand.verdict != and);
        // Any need of a deciding operand is correct. The least in this order helps most: nothing is
        // final, and a value with few postings rarely holds.
        let decided = deciding.map(|operand| operand.need).min_by_key(|need| match need {
            Need::Nothing => (0, 0),
            Need::Value(value) => (1, dictionary.cost(*value)),
            Need::AnyOfSeveral => (2, 0),
        });
        let need = decided.unwrap_or_else(|| {
            let needs = operands().map(|operand| operand.need);
            let needs = needs.filter(|need| *need != Need::Nothing);
            let same = |a, b| if a == b { a } else { Need::AnyOfSeveral };
            // No operand can change: neither can the group.
            needs.reduce(same).unwrap_or(Need::Nothing)
        });
        Self { verdict: and != decided.is_some(), need }
    }
}
