//! Reasons: the fewest terms that explain a verdict, and the fewest changes that flip a miss.
//!
//! # The problem
//!
//! A *fact* says whether an attribute of the event has a certain value. A set of facts is a
//! **reason** if the filter gives the same verdict on every event for which they hold. A reason
//! without a superfluous fact is a prime implicant of the verdict ("PI-explanation", Shih, Choi and
//! Darwiche, 2018); here the reason with the fewest facts is wanted. A **change** is an assignment
//! that flips the verdict.
//!
//! # The algorithm
//!
//! Reasons and changes are dual (Reiter, "A theory of diagnosis from first principles", 1987):
//!
//! > A set of facts is a reason if and only if every change violates a fact of the set.
//!
//! So the smallest reason is a *minimum hitting set* of all changes. It is found by branch and
//! bound. The changes are not enumerated: the [nearest](super::nearest) change that violates none
//! of the facts chosen so far is searched for when it is needed.
//!
//! 1. A change of a single attribute violates one fact, which is in every reason. The search starts
//!    with all of these.
//! 2. Branch: if some change violates none of the chosen facts, each of the facts that it violates
//!    is tried as the next choice. If there is none, the chosen facts are a reason.
//! 3. Bound: changes that have no fact in common need one fact each. If so many are found that the
//!    chosen facts cannot lead to a smaller reason than the best known, the branch is cut.
//!
//! # Example
//!
//! `spaceId eq "s" and (id eq "a" or id eq "b")` on an event with `spaceId` = `"r"` and `id` =
//! `"b"`, a miss.
//!
//! ```text
//! known at the start, by structure    { spaceId is not "s" }                 1 fact
//! changes of a single attribute       spaceId becomes "s"   violates  spaceId is not "s"
//! chosen                              { spaceId is not "s" }
//! a change that violates none of it   there is none: this is a reason, of 1 fact
//!
//! reason: the term `spaceId eq "s"`      change: spaceId from "r" to "s"
//! ```
//!
//! # Invariants
//!
//! - Facts are as strong as the event permits: if an attribute has a mentioned value, its only fact
//!   is that it has this value, which implies all others. So if `id eq "a"` holds, no reason needs
//!   `id eq "b"` too.
//! - The best known set is a reason at any time, so the result is right if the work runs out,
//!   though perhaps not the smallest.
//!
//! # Rejected
//!
//! - Only the walk over the tree, [`by_structure`]: it takes terms whose verdicts decide the
//!   outcome regardless of what the other terms say, and names more of them. It is the first bound
//!   of the search, and the result if the work runs out.

use super::WORK;
use super::circuit::{Circuit, Domain, Kind};
use super::conditions::Exhausted;
use super::diagram::{Diagrams, FALSE, Id, Level, NONE, TRUE, ValueId};
use super::nearest::Start;
use crate::filter::index_vec::IndexVec;
use crate::filter::{Filter, Node, Step, StepKind};
use hashbrown::HashSet;
use serde::Serialize;
use smallvec::SmallVec;

/// The smallest reason for a verdict, and the smallest change that gives a match.
///
/// [`Explanation::why`](crate::filter::Explanation::why) returns it.
///
/// ```
/// use hooksieve::filter::Profile;
///
/// let profile = Profile::webhook();
/// let filter = profile.filter(r#"spaceId eq "s" and (id eq "a" or id eq "b")"#)?;
/// let event = br#"{"type": "x", "tenantid": "t", "spaceid": "r", "data": {"id": "b"}}"#;
/// let event = profile.read_event(event).unwrap();
/// let explanation = filter.explain(&event);
/// let why = explanation.why();
/// // The steps are `and`, `spaceId`, `or`, `id`, `id`. The second one decides.
/// assert_eq!(why.reason, [1]);
/// let change = &why.change.unwrap()[0];
/// assert_eq!((change.attribute, change.found, change.to), ("spaceId", Some("r"), Some("s")));
/// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Justification<'a> {
    /// A minimal reason: the fewest terms whose verdicts decide the filter's verdict.
    ///
    /// The filter has the same verdict on every event that gives these terms the same verdicts. The
    /// terms are indices into [`Explanation::steps`](crate::filter::Explanation::steps), in
    /// ascending order. Empty for a filter that matches every event or no event.
    pub reason: Vec<usize>,
    /// The fewest attributes that would have to change for the filter to match.
    ///
    /// `None` if it matches, if no change would make it match, or if that is undecided.
    pub change: Option<Vec<Change<'a>>>,
    /// Whether the search for both was completed within [`WORK`] steps.
    ///
    /// If `false`, a smaller reason may exist, and `change` may be `None` although there is a
    /// change. Even then the reason decides the verdict, and a change that is present is the
    /// smallest.
    pub exact: bool,
}

/// An attribute that would have to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change<'a> {
    /// The attribute's name.
    pub attribute: &'a str,
    /// The event's value; `None` if the attribute is absent.
    pub found: Option<&'a str>,
    /// The value that the attribute would need.
    ///
    /// `None` means that it must be absent or have a value that the filter does not mention; either
    /// is enough.
    pub to: Option<&'a str>,
}

/// The statement that an attribute has a value. Whether it is true is seen from the event.
type Fact = (Level, ValueId);

/// Explains the verdict in `steps`, which has one step for each node of the filter.
pub(in crate::filter) fn why<'a>(filter: &'a Filter, steps: &[Step<'a>]) -> Justification<'a> {
    debug_assert_eq!(steps.len(), filter.nodes().len());
    // The filter that matches everything has no steps.
    let holds = steps.first().is_none_or(|step| step.holds);
    let mut domain = Domain::default();
    let circuit = Circuit::new(filter, &mut domain);
    let found_by_part: IndexVec<usize, _> = steps.iter().map(found).collect();
    // The event's values, by level: every attribute of the domain has a term that found its value.
    let mut found = IndexVec::filled(None, domain.levels());
    let mut terms = Vec::new();
    for (_, gate) in circuit.gates.iter() {
        if let (Some(part), Kind::Term { level, value, .. }) = (gate.part, gate.kind) {
            terms.push((part, (level, value)));
            found.set(level, *found_by_part.get(part));
        }
    }
    terms.sort_unstable();
    let values = found.iter().map(|(level, found)| domain.value_id(level, *found)).collect();
    let mut search = Search { diagrams: Diagrams::new(WORK), values, root: TRUE, holds };
    // The reason by structure is right without any work, so there is always one to return.
    let (mut reason, mut changes) = (by_structure(filter, steps), None);
    let exact = search.run(&circuit, &terms, &mut reason, &mut changes).is_ok();
    let change = |(level, value): Fact| Change {
        attribute: domain.name(level),
        found: *found.get(level),
        to: domain.text(level, value),
    };
    let change = changes.map(|changes| changes.into_iter().map(change).collect());
    Justification { reason, change, exact }
}

/// Returns the event's value that a term was evaluated on.
fn found<'a>(step: &Step<'a>) -> Option<&'a str> {
    match step.kind {
        StepKind::Term { found, .. } => found,
        _ => None,
    }
}

/// Returns terms that decide the verdict regardless of the others, found by the tree's structure.
///
/// An `and` that holds and an `or` that does not need the terms of all operands; of any other group
/// the one deciding operand with the fewest terms is enough.
fn by_structure(filter: &Filter, steps: &[Step<'_>]) -> Vec<usize> {
    let holds = steps.iter().map(|step| step.holds).collect();
    let mut verdicts = Verdicts { filter, holds, counts: IndexVec::filled(1, steps.len()) };
    // Operands follow their group, so the loop runs from the end.
    for at in (0..steps.len()).rev() {
        let operands = verdicts.needed(at);
        if !operands.is_empty() {
            let count = operands.iter().map(|operand| verdicts.counts.get(*operand)).sum();
            verdicts.counts.set(at, count);
        }
    }
    let mut reason = Vec::new();
    let mut open: Vec<usize> = if filter.is_everything() { Vec::new() } else { vec![0] };
    while let Some(at) = open.pop() {
        let operands = verdicts.needed(at);
        if operands.is_empty() {
            reason.push(at);
        }
        open.extend(operands);
    }
    reason.sort_unstable();
    reason
}

/// The verdicts of a filter's parts, and how many terms decide each.
struct Verdicts<'f> {
    filter: &'f Filter,
    holds: IndexVec<usize, bool>,
    /// The number of terms that each part needs; right for the operands of the parts in question.
    counts: IndexVec<usize, usize>,
}

impl Verdicts<'_> {
    /// Returns the operands that decide a group's verdict; empty for a term.
    fn needed(&self, at: usize) -> SmallVec<[usize; 1]> {
        let holds = *self.holds.get(at);
        let needs_all = match self.filter.node(at) {
            Node::Term(_) => return SmallVec::new(),
            Node::And { .. } => holds,
            Node::Or { .. } => !holds,
        };
        let operands = self.filter.operands(at);
        if needs_all {
            return operands.collect();
        }
        let deciding = operands.filter(|operand| *self.holds.get(*operand) == holds);
        deciding.min_by_key(|operand| *self.counts.get(*operand)).into_iter().collect()
    }
}

/// The search for the smallest reason and the smallest change.
struct Search {
    diagrams: Diagrams,
    /// The event's value of each attribute, by level.
    values: IndexVec<Level, ValueId>,
    /// The diagram of the filter.
    root: Id,
    /// The filter's verdict on the event.
    holds: bool,
}

impl Search {
    /// Finds the smallest change of a miss, and replaces `reason` by the smallest one.
    ///
    /// `terms` holds all terms in the order of the text. If the work runs out, `reason` is still a
    /// reason, the smallest that was found.
    fn run(
        &mut self,
        circuit: &Circuit,
        terms: &[(usize, Fact)],
        reason: &mut Vec<usize>,
        change: &mut Option<Vec<Fact>>,
    ) -> Result<(), Exhausted> {
        self.root = super::root(circuit, &mut self.diagrams)?;
        if !self.holds {
            *change = self.flip(&HashSet::new())?;
        }
        let known = terms.iter().filter(|(part, _)| reason.binary_search(part).is_ok());
        let mut best: HashSet<Fact> = known.map(|(_, fact)| self.fact(*fact)).collect();
        let done = self.smallest(&mut best);
        // A fact is named by its first term. Every fact comes from a term: a change to a value, or
        // away from one, is possible only if a term mentions the value.
        let firsts = terms.iter().filter(|(_, fact)| best.remove(fact));
        *reason = firsts.map(|(part, _)| *part).collect();
        debug_assert!(best.is_empty(), "every fact comes from a term");
        done
    }

    /// Returns the strongest fact of the event that a change of an attribute to `value` violates.
    ///
    /// If the attribute has a mentioned value, that is the fact; else it is that the attribute does
    /// not have `value`.
    fn fact(&self, (level, value): Fact) -> Fact {
        match *self.values.get(level) {
            NONE => (level, value),
            held => (level, held),
        }
    }

    /// Returns the smallest change that flips the verdict and violates none of the kept facts.
    fn flip(&mut self, kept: &HashSet<Fact>) -> Result<Option<Vec<Fact>>, Exhausted> {
        let start = Start { values: &self.values, kept };
        self.diagrams.nearest(self.root, self.flipped(), &start)
    }

    /// Returns the verdict that a change must lead to.
    fn flipped(&self) -> Id {
        if self.holds { FALSE } else { TRUE }
    }

    /// Replaces a reason by the smallest one or, if the work runs out, by the smallest found.
    fn smallest(&mut self, best: &mut HashSet<Fact>) -> Result<(), Exhausted> {
        // The fact that a change of a single attribute violates is in every reason.
        let needed = self.diagrams.neighbors(self.root, self.flipped(), &self.values)?;
        let needed = needed.into_iter().map(|fact| self.fact(fact)).collect();
        // Sets of chosen facts to extend, searched depth first.
        let mut open: Vec<HashSet<Fact>> = vec![needed];
        while let Some(known) = open.pop() {
            let Some(change) = self.flip(&known)? else {
                // No change keeps these facts: they are a reason.
                if known.len() < best.len() {
                    *best = known;
                }
                continue;
            };
            // The lower bound: each change found here violates none of the facts of those before
            // it, so each needs one more fact.
            let (mut kept, mut least) = (known.clone(), known.len());
            let mut next = Some(change.clone());
            while let Some(change) = next.filter(|_| least < best.len()) {
                least += 1;
                kept.extend(change.iter().map(|fact| self.fact(*fact)));
                next = self.flip(&kept)?;
            }
            // Else every reason with the chosen facts is at least as large as the best one.
            if least < best.len() {
                // Pays for the copies below.
                self.diagrams.work.spend(known.len() * change.len())?;
                // Reversed, so that the fact of the first attribute is tried first.
                open.extend(change.iter().rev().map(|fact| {
                    let mut more = known.clone();
                    more.insert(self.fact(*fact));
                    more
                }));
            }
        }
        Ok(())
    }
}
