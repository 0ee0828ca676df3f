//! Verdicts on every assignment there is, a bit for each: for worlds that are small.

use super::circuit::World;
use super::conditions::{Conditions, Exhausted, Op, Work};
use super::diagram::{Cell, NONE};
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
        let cell = if value == NONE { cells - 1 } else { value as usize };
        let mut table = vec![0; self.all.len()];
        let size = 64 * table.len();
        let starts = (cell * apart..size).step_by(apart * cells);
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
