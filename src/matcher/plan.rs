//! Compiles a filter into a *plan*: its default verdict, its access keys, and its residual
//! predicates.
//!
//! # The idea
//!
//! An event has at most one value per attribute, so of all the values that filters mention only a
//! handful can hold. Call a filter's verdict on an event that has *none* of its values the
//! **default verdict**: every `eq` is false, every `ne` is true. The index needs to look at a
//! filter only if the event has a value that can *flip* this verdict. A plan chooses a small set of
//! such values, the **access keys**, with this property:
//!
//! > If an event flips the verdict, it has at least one of the access keys.
//!
//! Together the keys are *necessary*. A key marked **sufficient** always flips the verdict; at any
//! other key the **residual predicate** decides. [`access`] chooses the keys, [`residual`] finds
//! the residual.
//!
//! # Example
//!
//! ```text
//! spaceId eq "s" and (id eq "a" or id eq "b")          default verdict: false
//!
//!            and     flips only if all operands flip: the keys of the cheapest one are enough
//!           /   \
//!       eq s     or        flips if any operand flips: the keys of all operands are needed
//!               /  \
//!           eq a    eq b
//!
//! access keys   { s } if s has fewer postings than a and b together, otherwise { a, b }
//! residual      at s: `id eq "a" or id eq "b"` is not a single term, so the code is evaluated
//! ```
//!
//! For `spaceId eq "s" and data.status eq "ok"` the access key is `s`, and the residual there is
//! the single term `data.status eq "ok"`. It is stored next to the slot in the posting list, so a
//! match compares one value id and never reads the code.
//!
//! # Representation
//!
//! A filter of a single term is its own plan: one word. A longer filter is *code*, one word per
//! node in prefix order; equal filters share it, with a reference count before the first node.
//!
//! ```text
//! bit    31 30   29       28           27 … 0
//! term   kind    access   sufficient   value id           kind: EQ, NE
//! group  kind    index after its last node (30 bits)      kind: AND, OR
//!
//! spaceId eq "s" and (id eq "a" or id eq "b"), with the ids 7, 8, 9 and the access key s:
//!
//! arena  [ 1,    AND 5,   EQ* 7,   OR 5,   EQ 8,   EQ 9 ]
//!          │     └─0──────1────────2───────3───────4── node index
//!          └─ references                   * access key, not sufficient
//!
//! plan   FALSE | offset of the list above          the kind is the default verdict
//! ```
//!
//! The end of a group lets evaluation skip the rest of it once an operand decides.
//!
//! # Life of a plan
//!
//! [`encode`] replaces each value of the filter by its id. [`Plans::acquire`] finds an equal code
//! and adds a reference, or chooses access keys and stores the code. For each bucket, the matcher
//! asks for the [`terms`](Plans::terms) with their access keys and for the residual at each key
//! that is not sufficient, and adds the postings. On removal it asks for the terms again, removes
//! the postings, and [`Plans::release`] drops the reference. [`Plans::filter`] decodes the filter,
//! so the matcher stores no other copy of it.
//!
//! # Invariants
//!
//! - The access keys are marked in the code when it is first stored, and do not change while it is
//!   in use. So a removal undoes exactly what the insertion did, whatever keys would be chosen
//!   later.
//! - A code begins with a group that ends where the code does. A group has at least two operands,
//!   so its length needs no record of its own.
//! - Equal filters have equal codes apart from the marks, since a value has one id while any filter
//!   mentions it. Hashing and comparing ignore the marks.
//! - Value ids are below [`Dictionary::MAX`], 2²⁸, so they do not collide with the marks.
//!
//! # Rejected
//!
//! - Choosing access keys only by the profile's attribute order: 10,000 filters that share their
//!   most selective value were all tested when it occurred, 10,000 tests instead of 1.
//! - A code for each subscription: it saves 0.25 µs per insert and 9.4 bytes per webhook if no two
//!   filters are equal, but in real tenants some are.

mod access;
mod by_node;
mod residual;

pub(super) use access::{AccessKey, Selectivity};
pub(super) use residual::Residual;

use super::arena::{Arena, Offset};
use super::dictionary::{Dictionary, ValueId};
use super::hash::IdTable;
use super::table::word;
use crate::filter::{Filter, Node, Operator, Predicate, Profile};
use by_node::ByNode;
use smallvec::SmallVec;

/// A code as it is stored: the reference count, then a word for each node in prefix order.
pub(super) type Code = SmallVec<[u32; 16]>;

const KIND: u32 = 3 << 30;
const EQ: u32 = 0;
const NE: u32 = 1 << 30;
const AND: u32 = 2 << 30;
const OR: u32 = 3 << 30;
/// Marks a term whose value is an access key. Of several terms with that value, one is marked.
const ACCESS: u32 = 1 << 29;
/// Marks an access key that is sufficient.
const SUFFICIENT: u32 = 1 << 28;
const VALUE: u32 = SUFFICIENT - 1;
const END: u32 = NE - 1;

/// Returns the value of a term.
#[inline]
fn value(word: u32) -> ValueId {
    ValueId::from_word(word & VALUE)
}

fn is_group(word: u32) -> bool {
    word >= AND
}

/// Returns the index after the last node of the subtree that starts at `at` with `word`.
fn end(word: u32, at: usize) -> usize {
    if is_group(word) { (word & END) as usize } else { at + 1 }
}

/// Returns a word without its marks.
fn bare(word: u32) -> u32 {
    if is_group(word) { word } else { word & !(ACCESS | SUFFICIENT) }
}

/// A compiled filter in one word.
///
/// It is a term as in code, or the offset of a stored code with its default verdict as the kind, or
/// [`EVERYTHING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan(u32);

/// The kind of a plan with stored code, if the default verdict is false.
const FALSE: u32 = AND;
/// The kind of a plan with stored code, if the default verdict is true.
const TRUE: u32 = OR;
/// The plan of the filter without terms, which matches every event. No code has this offset.
const EVERYTHING: Plan = Plan(u32::MAX);

impl Plan {
    /// Returns the verdict on an event that has none of the filter's values.
    pub(super) fn default(self) -> bool {
        self.0 & KIND == NE || self.0 & KIND == TRUE
    }

    /// Returns the offset of the stored code.
    fn code(self) -> Option<Offset> {
        (is_group(self.0) && self != EVERYTHING).then_some(self.0 & END)
    }

    fn of_code(at: Offset, default: bool) -> Self {
        Self(at | if default { TRUE } else { FALSE })
    }
}

/// All stored codes, one for all equal filters of two terms or more.
#[derive(Clone, Debug, Default)]
pub(super) struct Plans {
    table: IdTable<Offset>,
    codes: Arena,
}

/// The new offsets of codes that were relocated.
///
/// It is the old arena: each code's reference count was overwritten with the new offset.
pub(super) struct Relocations(Arena);

impl Relocations {
    /// Returns the plan with the new offset of its code.
    pub(super) fn plan(&self, plan: Plan) -> Plan {
        match plan.code() {
            Some(at) => Plan(plan.0 & KIND | self.0.word(at)),
            None => plan,
        }
    }
}

impl Plans {
    /// Returns the number of stored codes.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.codes.bytes()
    }

    /// Returns whether there is room for one more code of `len` nodes.
    ///
    /// An offset must fit in the 30 bits of a plan, and must differ from that of [`EVERYTHING`].
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.codes.len() + Arena::room(len + 1) < END as usize
    }

    /// Returns the plan of a filter in code, and adds a reference to it.
    ///
    /// The code has no marks. If it is not stored yet, its access keys are chosen and marked now,
    /// by the postings that each value has at this time.
    pub(super) fn acquire(&mut self, mut code: Code, dictionary: &mut Dictionary) -> Plan {
        let nodes = match &mut *code {
            // Only the reference count: the filter has no terms.
            [] | [_] => return EVERYTHING,
            // A single term is not stored: its plan is the term, and each subscription a reference.
            [_, term] => {
                dictionary.acquire(value(*term));
                return Plan(*term);
            }
            [_, nodes @ ..] => nodes,
        };
        let hash = dictionary.hashes().of(&*nodes);
        if let Some(at) = self.table.find(hash, |at| self.is(at, nodes)) {
            self.codes.set(at, self.codes.word(at) + 1);
            return Plan::of_code(at, default(nodes));
        }
        // A stored code references each of its terms once, however many subscriptions share it.
        terms(nodes).for_each(|term| dictionary.acquire(value(term)));
        let default = access::mark(nodes, dictionary);
        let at = self.codes.store(&code);
        self.table.insert(hash, at);
        Plan::of_code(at, default)
    }

    /// Drops a reference to a plan, and frees its code with the last one.
    pub(super) fn release(&mut self, plan: Plan, dictionary: &mut Dictionary) {
        if plan == EVERYTHING {
            return;
        }
        // A single term has no code: it references its value directly.
        let Some(at) = plan.code() else {
            return dictionary.release(value(plan.0));
        };
        let references = self.codes.word(at) - 1;
        self.codes.set(at, references);
        if references > 0 {
            return;
        }
        // The hash was computed before the code was marked, so compute it without the marks.
        let code: Code = self.code(at).iter().map(|word| bare(*word)).collect();
        let hash = dictionary.hashes().of(&*code);
        self.table.remove(hash, at);
        terms(&code).for_each(|term| dictionary.release(value(term)));
        self.codes.free(at, 1 + code.len());
    }

    /// Reads the table entry that a [`release`](Self::release) needs.
    pub(super) fn prefetch_entry(&self, plan: Plan, dictionary: &Dictionary) -> u32 {
        let Some(at) = plan.code() else { return 0 };
        let code: Code = self.code(at).iter().map(|word| bare(*word)).collect();
        let hash = dictionary.hashes().of(&*code);
        // Only the read matters; the result is not used.
        self.table.find(hash, |_| true).unwrap_or(at)
    }

    /// Returns whether relocating all codes pays off, if the caller visits `visits` entries to
    /// replace its plans.
    pub(super) fn is_sparse(&self, visits: usize) -> bool {
        self.codes.is_sparse(visits)
    }

    /// Gives back spare memory of the table.
    pub(super) fn shrink(&mut self) {
        self.table.shrink();
    }

    /// Moves all codes to the arena that `target` returns. The caller must replace its plans.
    pub(super) fn relocate(&mut self, target: fn(&Arena) -> Arena) -> Relocations {
        let mut codes = target(&self.codes);
        // The table has each stored code exactly once, so each is copied once.
        for at in self.table.ids_mut() {
            let kept = self.codes.list(*at, 1 + code(&self.codes, *at).len());
            let place = codes.store(kept);
            // The old arena is not read again, except for this word, by `Relocations::plan`.
            self.codes.set(*at, place);
            *at = place;
        }
        codes.end_relocation();
        Relocations(std::mem::replace(&mut self.codes, codes))
    }

    /// Returns whether the code at an offset equals `words`, which have no marks.
    fn is(&self, at: Offset, words: &[u32]) -> bool {
        self.code(at).iter().map(|word| bare(*word)).eq(words.iter().copied())
    }

    fn code(&self, at: Offset) -> &[u32] {
        code(&self.codes, at)
    }

    /// Returns the words of a plan's nodes.
    fn words<'p>(&'p self, plan: &'p Plan) -> &'p [u32] {
        match plan.code() {
            Some(at) => self.code(at),
            None if *plan == EVERYTHING => &[],
            None => std::slice::from_ref(&plan.0),
        }
    }

    /// Returns the value of each term, and what the term says about it as an access key.
    pub(super) fn terms<'p>(
        &'p self,
        plan: &'p Plan,
    ) -> impl Iterator<Item = (ValueId, AccessKey)> {
        let code = self.words(plan);
        let terms = code.iter().filter(|word| !is_group(**word));
        terms.map(move |word| {
            let key = match word & (ACCESS | SUFFICIENT) {
                // The only term has no marks: its value decides the verdict.
                _ if code.len() == 1 => AccessKey::Sufficient,
                0 | SUFFICIENT => AccessKey::No,
                ACCESS => AccessKey::WithResidual,
                _ => AccessKey::Sufficient,
            };
            (value(*word), key)
        })
    }

    /// Returns the value of each term. A value in several terms is returned several times.
    pub(super) fn values<'p>(&'p self, plan: &'p Plan) -> impl Iterator<Item = ValueId> {
        terms(self.words(plan)).map(value)
    }

    /// Returns whether the verdict is flipped, by evaluating the code.
    ///
    /// `holds` returns whether the event has a value.
    pub(super) fn is_flipped(&self, plan: Plan, holds: impl Fn(ValueId) -> bool) -> bool {
        evaluate(ByNode(self.words(&plan)), 0, &holds) != plan.default()
    }

    /// Returns the filter that a plan was compiled from.
    pub(super) fn filter(&self, plan: Plan, profile: &Profile, dictionary: &Dictionary) -> Filter {
        let node = |word: &u32| match word & KIND {
            AND => Node::And { end: end(*word, 0) },
            OR => Node::Or { end: end(*word, 0) },
            kind => {
                let operator = if kind == EQ { Operator::Eq } else { Operator::Ne };
                let (attribute, value) = dictionary.term(value(*word));
                Node::Term(Predicate { attribute, operator, value })
            }
        };
        Filter::from_nodes(profile, self.words(&plan).iter().map(node))
    }
}

/// Returns the nodes of the code at an offset. The first one is a group, whose end is their number.
#[inline]
fn code(codes: &Arena, at: Offset) -> &[u32] {
    let tail = codes.tail(at);
    let ([_references, first], _) = tail.split();
    tail.range(1, end(*first, 0))
}

/// Encodes a filter as code with one reference and without marks.
///
/// `intern` returns the id of a term's value.
pub(super) fn encode(filter: &Filter, mut intern: impl FnMut(Predicate<'_>) -> ValueId) -> Code {
    // The limits of a filter keep its nodes below 2²⁰, so the end of a group always fits.
    let group = |end: usize| {
        debug_assert!(end <= END as usize, "the end {end} of a group has more than 30 bits");
        word(end)
    };
    let node = |node| match node {
        Node::And { end } => AND | group(end),
        Node::Or { end } => OR | group(end),
        Node::Term(term) => {
            let kind = if term.operator == Operator::Eq { EQ } else { NE };
            kind | intern(term).word()
        }
    };
    std::iter::once(1).chain(filter.nodes().map(node)).collect()
}

fn terms(code: &[u32]) -> impl Iterator<Item = u32> {
    code.iter().copied().filter(|word| !is_group(*word))
}

/// Returns the verdict of the subtree at `at`.
///
/// The recursion is as deep as the filter, which the limits bound, as in [`Filter::matches`].
fn evaluate(code: ByNode<&[u32]>, at: usize, holds: &impl Fn(ValueId) -> bool) -> bool {
    let word = code[at];
    if !is_group(word) {
        return holds(value(word)) == (word & KIND == EQ);
    }
    // The first false operand decides an `and`, the first true one an `or`.
    let and = word & KIND == AND;
    let mut operand = at + 1;
    while operand < end(word, at) {
        if evaluate(code, operand, holds) != and {
            return !and;
        }
        operand = end(code[operand], operand);
    }
    and
}

/// Returns the default verdict of a code.
fn default(nodes: &[u32]) -> bool {
    evaluate(ByNode(nodes), 0, &|_| false)
}

/// Returns the indices of the operands of the group at `at`.
fn operands(code: ByNode<&[u32]>, at: usize) -> impl Iterator<Item = usize> {
    let last = end(code[at], at);
    let mut next = at + 1;
    std::iter::from_fn(move || {
        let operand = next;
        (operand < last).then(|| {
            next = end(code[operand], operand);
            operand
        })
    })
}

#[cfg(test)]
mod tests;
