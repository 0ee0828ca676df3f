//! Truth tables: a condition as one bit for each assignment, for small domains.
//!
//! # The algorithm
//!
//! The assignments of a domain are numbered by mixed radix: an attribute with `n` mentioned values
//! is a digit with `n + 1` states, the last of which is "none of them". A condition is a set of
//! bits, and an operation is one instruction for each 64 assignments.
//!
//! # Example
//!
//! `id eq "a" or id eq "b" and spaceId ne "s"` has 3 × 2 assignments. `id` is the digit of weight 1
//! with three states, `spaceId` that of weight 3 with two.
//!
//! ```text
//! bit                                         0    1    2    3    4    5
//! id                                         "a"  "b"   -   "a"  "b"   -
//! spaceId                                    "s"  "s"  "s"   -    -    -
//!
//! id eq "a"                                   1    0    0    1    0    0
//! id eq "b"                                   0    1    0    0    1    0
//! spaceId ne "s"                              0    0    0    1    1    1
//! id eq "b" and spaceId ne "s"                0    0    0    0    1    0
//! the filter                                  1    0    0    1    1    0
//! ```
//!
//! # Why beside the diagrams
//!
//! [Pruning](super::prune) combines the context of every part with the part. In diagrams, hostile
//! filters of 64 terms made that take a million steps. A table takes the same time for every filter
//! of a domain: 64 terms over four attributes have at most 17⁴ assignments, which is 1,306 words.
//!
//! # Invariants
//!
//! - All tables have the same length, and no bit is set from the number of assignments on. So a
//!   condition that is not satisfiable has only zero words.

use super::circuit::Domain;
use super::conditions::{Conditions, Exhausted, Op, Work};
use super::diagram::{Level, ValueId};
use crate::filter::index_vec::IndexVec;
use std::rc::Rc;

/// The truth tables of a domain.
pub(super) struct Tables<'w> {
    /// The digit of each attribute: its weight and its number of states, "none" included.
    digits: IndexVec<Level, (usize, usize)>,
    /// The table in which every assignment is set.
    all: Table,
    work: &'w mut Work,
}

/// One bit for each assignment, the lowest bit first. Shared: cloning copies no words.
type Table = Rc<[u64]>;

/// Words that an operation takes in the time of one step.
const WORDS: usize = 16;

impl<'w> Tables<'w> {
    /// Returns `None` if a table would need more than `words` words.
    pub(super) fn new(domain: &Domain<'_>, words: usize, work: &'w mut Work) -> Option<Self> {
        let (mut digits, mut size) = (IndexVec::default(), 1usize);
        for values in domain.values() {
            let states = values + 1;
            digits.push((size, states));
            size = size.checked_mul(states).filter(|size| size.div_ceil(64) <= words)?;
        }
        let mut all = vec![0; size.div_ceil(64)];
        fill(&mut all, 0, size);
        Some(Self { digits, all: all.into(), work })
    }
}

impl Conditions for Tables<'_> {
    type Id = Table;

    fn constant(&self, verdict: bool) -> Table {
        if verdict { self.all.clone() } else { vec![0; self.all.len()].into() }
    }

    fn term(&mut self, level: Level, value: ValueId, equal: bool) -> Result<Table, Exhausted> {
        let (weight, states) = *self.digits.get(level);
        let mut table = vec![0; self.all.len()];
        let size = 64 * table.len();
        // A digit has a state in runs as long as its weight, once in each period of all its states.
        let starts = (value as usize * weight..size).step_by(weight * states);
        self.work.spend(1 + (size / (weight * states) + table.len()) / WORDS)?;
        starts.for_each(|start| fill(&mut table, start, start + weight));
        // The last run may reach beyond the assignments; `all` cuts it, and complements `ne`.
        let op = if equal { Op::And } else { Op::Minus };
        self.apply(op, &self.all.clone(), &table.into())
    }

    fn apply(&mut self, op: Op, one: &Table, other: &Table) -> Result<Table, Exhausted> {
        self.work.spend(1 + one.len() / WORDS)?;
        let words = one.iter().zip(&**other);
        Ok(match op {
            Op::And => words.map(|(one, other)| one & other).collect(),
            Op::Or => words.map(|(one, other)| one | other).collect(),
            Op::Minus => words.map(|(one, other)| one & !other).collect(),
        })
    }

    fn is_empty(&mut self, op: Op, one: &Table, other: &Table) -> Result<bool, Exhausted> {
        self.work.spend(1 + one.len() / WORDS)?;
        let mut words = one.iter().zip(&**other);
        Ok(match op {
            Op::And => words.all(|(one, other)| one & other == 0),
            Op::Or => words.all(|(one, other)| one | other == 0),
            Op::Minus => words.all(|(one, other)| one & !other == 0),
        })
    }
}

/// Sets the bits from `start` up to `end`, cut at the end of the table.
fn fill(table: &mut [u64], start: usize, end: usize) {
    let words = table.iter_mut().enumerate().take(end.div_ceil(64)).skip(start / 64);
    for (at, word) in words {
        // The part of the run in this word. It is never empty, so the shift is below 64.
        let (from, to) = (start.max(64 * at) - 64 * at, end.min(64 * at + 64) - 64 * at);
        let ones = u64::MAX >> (64 - (to - from));
        *word |= ones << from;
    }
}

#[cfg(test)]
mod tests {
    use super::Tables;
    use crate::filter::analysis::WORK;
    use crate::filter::analysis::circuit::{Circuit, Domain};
    use crate::filter::analysis::conditions::{Conditions, Op, Work};
    use crate::filter::{Filter, Profile};

    /// A filter of two attributes with `values` values each.
    fn filter(values: usize) -> Filter {
        let terms: Vec<String> =
            (0..values).map(|n| format!("id eq \"{n}\" or spaceId eq \"{n}\"")).collect();
        Profile::webhook().filter(&terms.join(" or ")).unwrap()
    }

    fn with_tables(values: usize, test: impl FnOnce(&mut Tables<'_>)) {
        let filter = filter(values);
        let (mut domain, mut work) = (Domain::default(), Work::new(WORK));
        Circuit::new(&filter, &mut domain);
        test(&mut Tables::new(&domain, WORK, &mut work).unwrap());
    }

    /// One step, and one more for each 16 words that are written.
    #[test]
    fn spends_work_in_proportion_to_words() {
        // Four assignments take one word, 64 by 64 assignments take 64.
        for (values, apply, terms) in [(1, 1, [4, 3]), (63, 5, [14, 10])] {
            with_tables(values, |tables| {
                let steps = |tables: &mut Tables<'_>, run: &dyn Fn(&mut Tables<'_>)| {
                    let left = tables.work.left();
                    run(tables);
                    left - tables.work.left()
                };
                let all = tables.constant(true);
                for op in [Op::And, Op::Or, Op::Minus] {
                    let made = steps(tables, &|tables| drop(tables.apply(op, &all, &all)));
                    let tested = steps(tables, &|tables| drop(tables.is_empty(op, &all, &all)));
                    assert_eq!((made, tested), (apply, apply));
                }
                let made =
                    [0, 1].map(|level| steps(tables, &|tables| drop(tables.term(level, 0, true))));
                assert_eq!(made, terms);
            });
        }
    }

    #[test]
    fn reports_as_empty_what_never_holds() {
        with_tables(2, |tables| {
            let mut all = vec![tables.constant(true), tables.constant(false)];
            for (level, equal) in [(0, true), (0, false), (1, true), (1, false)] {
                all.push(tables.term(level, 1, equal).unwrap());
            }
            for op in [Op::And, Op::Or, Op::Minus] {
                for (one, other) in all.iter().flat_map(|one| all.iter().map(move |o| (one, o))) {
                    let made = tables.apply(op, one, other).unwrap();
                    let empty = made == tables.constant(false);
                    assert_eq!(tables.is_empty(op, one, other).unwrap(), empty);
                }
            }
        });
    }
}
