//! Verdicts on every assignment there is, a bit for each: for worlds that are small.

use super::circuit::World;
use super::conditions::{Conditions, Exhausted, Op, Work};
use super::diagram::Cell;
use std::rc::Rc;

/// The tables of a world. An assignment's number is made of what each attribute holds, one of its
/// values or none of them, by mixed radix.
pub(super) struct Tables<'w> {
    /// For each attribute how far apart its values are, and how many they are, none included.
    levels: Vec<(usize, usize)>,
    all: Table,
    work: &'w mut Work,
}

type Table = Rc<[u64]>;

/// Words that take the time of a step.
const WORDS: usize = 16;

impl<'w> Tables<'w> {
    /// None where there are too many assignments to have a table of at most `words` words.
    pub(super) fn new(world: &World<'_>, words: usize, work: &'w mut Work) -> Option<Self> {
        let (mut levels, mut size) = (Vec::new(), 1usize);
        for level in 0..world.levels() {
            let cells = world.values(level) + 1;
            levels.push((size, cells));
            size = size.checked_mul(cells).filter(|size| size.div_ceil(64) <= words)?;
        }
        let mut all = vec![0; size.div_ceil(64)];
        fill(&mut all, 0, size);
        Some(Self { levels, all: all.into(), work })
    }
}

impl Conditions for Tables<'_> {
    type Id = Table;

    fn constant(&self, verdict: bool) -> Table {
        if verdict { self.all.clone() } else { vec![0; self.all.len()].into() }
    }

    fn term(&mut self, level: u32, value: Cell, equal: bool) -> Result<Table, Exhausted> {
        let (apart, cells) = self.levels.get(level as usize).copied().unwrap_or((1, 1));
        let mut table = vec![0; self.all.len()];
        let size = 64 * table.len();
        let starts = (value as usize * apart..size).step_by(apart * cells);
        self.work.steps(1 + (size / (apart * cells) + table.len()) / WORDS)?;
        starts.for_each(|start| fill(&mut table, start, start + apart));
        let op = if equal { Op::And } else { Op::Minus };
        self.apply(op, &self.all.clone(), &table.into())
    }

    fn apply(&mut self, op: Op, one: &Table, other: &Table) -> Result<Table, Exhausted> {
        self.work.steps(1 + one.len() / WORDS)?;
        let words = one.iter().zip(&**other);
        Ok(match op {
            Op::And => words.map(|(one, other)| one & other).collect(),
            Op::Or => words.map(|(one, other)| one | other).collect(),
            Op::Minus => words.map(|(one, other)| one & !other).collect(),
        })
    }

    fn is_empty(&mut self, op: Op, one: &Table, other: &Table) -> Result<bool, Exhausted> {
        self.work.steps(1 + one.len() / WORDS)?;
        let mut words = one.iter().zip(&**other);
        Ok(match op {
            Op::And => words.all(|(one, other)| one & other == 0),
            Op::Or => words.all(|(one, other)| one | other == 0),
            Op::Minus => words.all(|(one, other)| one & !other == 0),
        })
    }
}

/// Sets the bits from `start` to `end`.
fn fill(table: &mut [u64], start: usize, end: usize) {
    for at in start / 64..end.div_ceil(64) {
        let (from, to) = (start.max(64 * at) - 64 * at, end.min(64 * at + 64) - 64 * at);
        let ones = u64::MAX >> (64 - (to - from));
        if let Some(word) = table.get_mut(at) {
            *word |= ones << from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tables;
    use crate::filter::analysis::WORK;
    use crate::filter::analysis::circuit::{Circuit, World};
    use crate::filter::analysis::conditions::{Conditions, Op, Work};
    use crate::filter::{Filter, Profile};

    /// Two attributes with so many values each.
    fn filter(values: usize) -> Filter {
        let terms: Vec<String> =
            (0..values).map(|n| format!("id eq \"{n}\" or spaceId eq \"{n}\"")).collect();
        Profile::webhook().filter(&terms.join(" or ")).unwrap()
    }

    fn with_tables(values: usize, test: impl FnOnce(&mut Tables<'_>)) {
        let filter = filter(values);
        let (mut world, mut work) = (World::default(), Work::new(WORK));
        Circuit::new(&filter, &mut world);
        test(&mut Tables::new(&world, WORK, &mut work).unwrap());
    }

    /// A step, and one more for 16 words that are written or begun.
    #[test]
    fn steps_are_counted_by_words() {
        // Four cells take one word, 64 by 64 cells take 64.
        for (values, apply, terms) in [(1, 1, [4, 3]), (63, 5, [14, 10])] {
            with_tables(values, |tables| {
                let steps = |tables: &mut Tables<'_>, asks: &dyn Fn(&mut Tables<'_>)| {
                    let left = tables.work.left();
                    asks(tables);
                    left - tables.work.left()
                };
                let all = tables.constant(true);
                for op in [Op::And, Op::Or, Op::Minus] {
                    let made = steps(tables, &|tables| drop(tables.apply(op, &all, &all)));
                    let asked = steps(tables, &|tables| drop(tables.is_empty(op, &all, &all)));
                    assert_eq!((made, asked), (apply, apply));
                }
                let made =
                    [0, 1].map(|level| steps(tables, &|tables| drop(tables.term(level, 0, true))));
                assert_eq!(made, terms);
            });
        }
    }

    #[test]
    fn empty_is_what_never_holds() {
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
