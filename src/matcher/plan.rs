//! Under which values a filter is found, and what is left to test there.
//!
//! An event that has none of the values a filter mentions gives it its *default* verdict: every
//! `eq` false, every `ne` true. So a filter need be looked at only where an event has one of a set of
//! values without which the default stands: those are *watched*. A watched value is *enough* where
//! it turns the verdict whatever else the event has.

use super::blocks::{Blocks, Place};
use super::hash::{Half, spread};
use super::keys::{Keys, Number};
use crate::filter::{Filter, Node, Operator, Predicate, Profile};
use hashbrown::HashTable;
use smallvec::SmallVec;

/// A filter in code: a word for each node in prefix order, its kind in the uppermost two bits. A
/// term has two marks and the number of its value, a group the index behind its last node.
pub(super) type Code = SmallVec<[u32; 16]>;

const KIND: u32 = 3 << 30;
const EQ: u32 = 0;
const NE: u32 = 1 << 30;
const AND: u32 = 2 << 30;
const OR: u32 = 3 << 30;
const WATCHED: u32 = 1 << 29;
const ENOUGH: u32 = 1 << 28;
const NUMBER: u32 = ENOUGH - 1;
const END: u32 = NE - 1;

fn is_group(word: u32) -> bool {
    word >= AND
}

/// The index behind the subtree whose first word stands at `at`.
fn end(word: u32, at: usize) -> usize {
    if is_group(word) { (word & END) as usize } else { at + 1 }
}

/// A word without its marks.
fn bare(word: u32) -> u32 {
    if is_group(word) { word } else { word & !(WATCHED | ENOUGH) }
}

/// What a filter became, in one word: a term, as in code; or the place of a code that is kept, and its
/// default verdict; or that there is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan(u32);

/// Kinds beside those of terms.
const FALSE: u32 = AND;
const TRUE: u32 = OR;
const EVERYTHING: Plan = Plan(u32::MAX);

impl Plan {
    /// The verdict on an event that has none of the values mentioned.
    pub(super) fn default(self) -> bool {
        self.0 & KIND == NE || self.0 & KIND == TRUE
    }

    /// The place of its code.
    fn code(self) -> Option<Place> {
        (is_group(self.0) && self != EVERYTHING).then_some(self.0 & END)
    }

    fn of_code(at: Place, default: bool) -> Self {
        Self(at | if default { TRUE } else { FALSE })
    }
}

/// How the value of a term is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Not at all, or in another term.
    Not,
    /// It turns the verdict.
    Enough,
    /// Something is left to test.
    Test,
}

/// What is left to test of a filter where a watched value holds, in one word: a term that must be
/// true. Of most filters that is all; of others it is so unless the term's value holds too, or
/// never, and then the code decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Test(pub(super) u32);

/// Where the value holds, the code decides.
const GUARD: u32 = WATCHED;
/// The code decides.
const DEEP: Test = Test(AND);
/// A value that is none: numbers are below [`Keys::MAX`] by more than one.
const NOTHING: Number = NUMBER;
/// Most words of a code whose values are supposed one by one to find what is left to test: each of
/// them costs a walk over all.
const SUPPOSED: usize = 128;

impl Test {
    #[inline]
    pub(super) fn number(self) -> Number {
        self.0 & NUMBER
    }

    /// Whether the verdict is turned, where the code does not decide.
    #[inline]
    pub(super) fn turns(self, holds: bool) -> bool {
        holds != (self.0 & NE != 0)
    }

    /// Whether the code decides.
    #[inline]
    pub(super) fn is_open(self, holds: bool) -> bool {
        (self == DEEP) | (holds & (self.0 & GUARD != 0))
    }
}

/// All codes, one for all equal filters of two terms or more.
#[derive(Clone, Debug, Default)]
pub(super) struct Plans {
    /// Hash and place.
    table: HashTable<(Half, Place)>,
    /// Each behind the number of its uses.
    codes: Blocks,
}

/// Where codes went when they were moved.
pub(super) struct Moved(Blocks);

impl Moved {
    /// The plan with the new place of its code.
    pub(super) fn plan(&self, plan: Plan) -> Plan {
        match plan.code() {
            Some(at) => Plan(plan.0 & KIND | self.0.word(at)),
            None => plan,
        }
    }
}

impl Plans {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.codes.bytes()
    }

    /// Whether there is room for one more code of this length.
    pub(super) fn have_room(&self, len: usize) -> bool {
        self.codes.len() + Blocks::room(len + 1) < END as usize
    }

    /// The plan of a filter in code without marks, held once more.
    pub(super) fn hold(&mut self, mut code: Code, keys: &mut Keys) -> Plan {
        match *code {
            [_] => return EVERYTHING,
            [_, term] => {
                keys.hold(term & NUMBER);
                return Plan(term);
            }
            _ => {}
        }
        let words = code.get(1..).unwrap_or_default();
        let hash = keys.hashes().of(words);
        let same = |(other, at): &(Half, Place)| *other == hash && self.is(*at, words);
        if let Some((_, at)) = self.table.find(spread(hash), same) {
            let at = *at;
            self.codes.set(at, self.codes.word(at) + 1);
            return Plan::of_code(at, default(words));
        }
        terms(words).for_each(|term| keys.hold(term & NUMBER));
        let default = mark(code.get_mut(1..).unwrap_or_default(), keys);
        let at = self.codes.put(&code);
        self.table.insert_unique(spread(hash), (hash, at), |(hash, _)| spread(*hash));
        Plan::of_code(at, default)
    }

    /// Undoes one [`hold`](Self::hold).
    pub(super) fn release(&mut self, plan: Plan, keys: &mut Keys) {
        if plan == EVERYTHING {
            return;
        }
        let Some(at) = plan.code() else {
            return keys.release(plan.0 & NUMBER);
        };
        let uses = self.codes.word(at) - 1;
        self.codes.set(at, uses);
        if uses > 0 {
            return;
        }
        let code: Code = self.code(at).iter().map(|word| bare(*word)).collect();
        let hash = keys.hashes().of(&*code);
        if let Ok(entry) = self.table.find_entry(spread(hash), |(_, other)| *other == at) {
            entry.remove();
        }
        terms(&code).for_each(|term| keys.release(term & NUMBER));
        self.codes.free(at, 1 + code.len());
    }

    /// Reads what a [`release`](Self::release) is going to read.
    pub(super) fn touch_entry(&self, plan: Plan, keys: &Keys) -> u32 {
        let Some(at) = plan.code() else { return 0 };
        let code: Code = self.code(at).iter().map(|word| bare(*word)).collect();
        let hash = keys.hashes().of(&*code);
        self.table.find(spread(hash), |(other, _)| *other == hash).map_or(0, |(_, at)| *at)
    }

    /// Gives memory back where most of it is free; all plans are to be replaced then, which are in
    /// so many places.
    pub(super) fn compact(&mut self, places: usize) -> Option<Moved> {
        if !self.codes.is_sparse(places) {
            return None;
        }
        let mut codes = self.codes.moved();
        for (_, at) in &mut self.table {
            let kept = self.codes.list(*at, 1 + code(&self.codes, *at).len());
            let place = codes.put(kept);
            self.codes.set(*at, place);
            *at = place;
        }
        Some(Moved(std::mem::replace(&mut self.codes, codes)))
    }

    fn is(&self, at: Place, words: &[u32]) -> bool {
        self.code(at).iter().map(|word| bare(*word)).eq(words.iter().copied())
    }

    fn code(&self, at: Place) -> &[u32] {
        code(&self.codes, at)
    }

    /// The words of a plan's nodes.
    fn words<'p>(&'p self, plan: &'p Plan) -> &'p [u32] {
        match plan.code() {
            Some(at) => self.code(at),
            None if *plan == EVERYTHING => &[],
            None => std::slice::from_ref(&plan.0),
        }
    }

    /// The terms, each with its value and how that is watched.
    pub(super) fn terms<'p>(&'p self, plan: &'p Plan) -> impl Iterator<Item = (Number, Watch)> {
        let code = self.words(plan);
        let terms = code.iter().filter(|word| !is_group(**word));
        terms.map(move |word| {
            let watch = match word & (WATCHED | ENOUGH) {
                _ if code.len() == 1 => Watch::Enough,
                0 | ENOUGH => Watch::Not,
                WATCHED => Watch::Test,
                _ => Watch::Enough,
            };
            (word & NUMBER, watch)
        })
    }

    /// The values of all terms, as often as they stand there.
    pub(super) fn mentioned<'p>(&'p self, plan: &'p Plan) -> impl Iterator<Item = Number> {
        terms(self.words(plan)).map(|term| term & NUMBER)
    }

    /// Whether the verdict is not the default one; `holds` tells which values the event has.
    pub(super) fn turns(&self, plan: Plan, holds: impl Fn(Number) -> bool) -> bool {
        evaluate(self.words(&plan), 0, &holds) != plan.default()
    }

    /// What is left to test of a plan where a value holds.
    pub(super) fn test(&self, plan: Plan, value: Number, keys: &Keys) -> Test {
        let code = self.words(&plan);
        if code.len() > SUPPOSED {
            return DEEP;
        }
        let (verdict, need) = suppose(code, &[value], keys);
        let turned = if verdict == plan.default() { EQ } else { NE };
        match need {
            Need::Never => Test(turned | NOTHING),
            Need::Several => DEEP,
            Need::Value(other) => match suppose(code, &[value, other], keys) {
                (now, Need::Never) if now != verdict => Test(turned | other),
                _ => Test(turned | GUARD | other),
            },
        }
    }

    /// The filter that a plan was made of.
    pub(super) fn filter(&self, plan: Plan, profile: &Profile, keys: &Keys) -> Filter {
        let node = |word: &u32| match word & KIND {
            AND => Node::And { end: end(*word, 0) },
            OR => Node::Or { end: end(*word, 0) },
            kind => {
                let operator = if kind == EQ { Operator::Eq } else { Operator::Ne };
                let (attribute, value) = keys.term(word & NUMBER);
                Node::Term(Predicate { attribute, operator, value })
            }
        };
        Filter::from_nodes(profile, self.words(&plan).iter().map(node))
    }
}

/// The code at a place; it begins with a group, which ends where the code does.
#[inline]
fn code(codes: &Blocks, at: Place) -> &[u32] {
    let behind = codes.from(at);
    let first = behind.get(1).copied().unwrap_or_default();
    behind.get(1..1 + end(first, 0)).unwrap_or_default()
}

/// A filter in code behind its first use; `number` gives the number of a value.
pub(super) fn encode(filter: &Filter, mut number: impl FnMut(Predicate<'_>) -> Number) -> Code {
    // Limits keep the nodes of a filter below 2²⁰.
    let group = |end: usize| u32::try_from(end).unwrap_or(END);
    let word = |node| match node {
        Node::And { end } => AND | group(end),
        Node::Or { end } => OR | group(end),
        Node::Term(term) => {
            let kind = if term.operator == Operator::Eq { EQ } else { NE };
            kind | number(term)
        }
    };
    std::iter::once(1).chain(filter.nodes().map(word)).collect()
}

fn terms(code: &[u32]) -> impl Iterator<Item = u32> {
    code.iter().copied().filter(|word| !is_group(*word))
}

/// Recursion is bounded by the depth of a filter, as in [`Filter::matches`].
fn evaluate(code: &[u32], at: usize, holds: &impl Fn(Number) -> bool) -> bool {
    let word = code.get(at).copied().unwrap_or_default();
    if !is_group(word) {
        return holds(word & NUMBER) == (word & KIND == EQ);
    }
    let and = word & KIND == AND;
    let mut operand = at + 1;
    while operand < end(word, at) {
        if evaluate(code, operand, holds) != and {
            return !and;
        }
        operand = end(code.get(operand).copied().unwrap_or_default(), operand);
    }
    and
}

fn default(code: &[u32]) -> bool {
    evaluate(code, 0, &|_| false)
}

/// Which value must hold before a verdict is another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// None makes it another.
    Never,
    Value(Number),
    /// Any of several.
    Several,
}

/// The verdict of a code where certain values hold and no other, and what else must hold before it is
/// another one.
///
/// What one operand decides stays as long as that one does, so that the value it needs, the rarest
/// of those, is needed; other groups need any of their operands' values.
fn suppose(code: &[u32], held: &[Number], keys: &Keys) -> (bool, Need) {
    let mut parts: SmallVec<[(bool, Need); 16]> =
        smallvec::smallvec![(false, Need::Never); code.len()];
    for at in (0..code.len()).rev() {
        let word = code.get(at).copied().unwrap_or_default();
        let number = word & NUMBER;
        let part = if is_group(word) {
            let and = word & KIND == AND;
            let operands = || operands(code, at).filter_map(|operand| parts.get(operand));
            let deciding = || operands().filter(|(verdict, _)| *verdict != and);
            let decided = deciding().map(|(_, need)| *need).min_by_key(|need| match need {
                Need::Never => (0, 0),
                Need::Value(number) => (1, keys.cost(*number)),
                Need::Several => (2, 0),
            });
            let need = decided.unwrap_or_else(|| {
                let needs = operands().map(|(_, need)| *need).filter(|need| *need != Need::Never);
                let same = |a, b| if a == b { a } else { Need::Several };
                needs.reduce(same).unwrap_or(Need::Never)
            });
            (and != decided.is_some(), need)
        } else {
            let holds = held.contains(&number);
            let need = if holds { Need::Never } else { Need::Value(number) };
            (holds == (word & KIND == EQ), need)
        };
        if let Some(place) = parts.get_mut(at) {
            *place = part;
        }
    }
    parts.first().copied().unwrap_or((false, Need::Never))
}

/// What is known of a part of a filter.
#[derive(Clone, Copy, Default)]
struct Part {
    default: bool,
    /// How many postings its watched values have by now, on a scale of their own.
    cost: u64,
    watched: bool,
    enough: bool,
}

/// Marks the terms to be watched; the default verdict.
///
/// An `and` is decided by its first false operand, an `or` by its first true one. Where the default
/// is what one operand decides, all of those operands must turn before the group does, so that it
/// suffices to watch the cheapest; otherwise any operand that turns decides, and all are watched.
fn mark(code: &mut [u32], keys: &Keys) -> bool {
    let mut parts: SmallVec<[Part; 16]> = smallvec::smallvec![Part::default(); code.len()];
    for at in (0..code.len()).rev() {
        let word = code.get(at).copied().unwrap_or_default();
        let part = if is_group(word) {
            let and = word & KIND == AND;
            let (mut sum, mut least) = (0u64, None);
            for operand in operands(code, at) {
                let Part { default, cost, .. } = parts.get(operand).copied().unwrap_or_default();
                sum = sum.saturating_add(cost);
                if default != and {
                    least = Some(least.map_or(cost, |least: u64| least.min(cost)));
                }
            }
            let (default, cost) = (and != least.is_some(), least.unwrap_or(sum));
            Part { default, cost, ..Part::default() }
        } else {
            let (default, cost) = (word & KIND == NE, keys.cost(word & NUMBER));
            Part { default, cost, ..Part::default() }
        };
        if let Some(place) = parts.get_mut(at) {
            *place = part;
        }
    }
    let root = parts.first().copied().unwrap_or_default();
    if let Some(place) = parts.first_mut() {
        *place = Part { watched: true, enough: true, ..root };
    }
    for at in 0..code.len() {
        let (word, part) = (code.get(at).copied(), parts.get(at).copied());
        let (Some(word), Some(part)) = (word, part) else { break };
        if !is_group(word) || !part.watched {
            continue;
        }
        let and = word & KIND == AND;
        let decided = part.default != and;
        let mut open = true;
        for operand in operands(code, at) {
            let Some(inner) = parts.get_mut(operand) else { break };
            if !decided {
                (inner.watched, inner.enough) = (true, part.enough);
            } else if open && inner.default != and && inner.cost == part.cost {
                (inner.watched, open) = (true, false);
            }
        }
    }
    watch(code, &parts);
    root.default
}

/// Marks each watched value once, as enough where any of its terms is.
fn watch(code: &mut [u32], parts: &[Part]) {
    let words = code.iter().zip(parts).enumerate();
    let watched = words.filter(|(_, (word, part))| !is_group(**word) && part.watched);
    let mut watched: SmallVec<[(Number, bool, usize); 16]> =
        watched.map(|(at, (word, part))| (word & NUMBER, !part.enough, at)).collect();
    watched.sort_unstable();
    watched.dedup_by_key(|(number, ..)| *number);
    for (_, part_of, at) in watched {
        if let Some(word) = code.get_mut(at) {
            *word |= WATCHED | if part_of { 0 } else { ENOUGH };
        }
    }
}

fn operands(code: &[u32], at: usize) -> impl Iterator<Item = usize> {
    let last = end(code.get(at).copied().unwrap_or_default(), at);
    let mut next = at + 1;
    std::iter::from_fn(move || {
        let operand = next;
        next = end(code.get(operand).copied().unwrap_or_default(), operand);
        (operand < last).then_some(operand)
    })
}

/// For each attribute a small number for how dear its values are by nature: attributes come the most
/// selective first, and those of few values, which many events share, after all others.
pub(super) fn ranks(profile: &Profile) -> Box<[u64]> {
    const FEW_VALUES: u64 = 1 << 48;
    let rank = |(at, values): (usize, Option<usize>)| match values {
        Some(count) => FEW_VALUES / count.max(1) as u64,
        None => at as u64,
    };
    let attributes = profile.attributes().iter();
    attributes.map(|attribute| attribute.values().map(<[_]>::len)).enumerate().map(rank).collect()
}

#[cfg(test)]
mod tests;
