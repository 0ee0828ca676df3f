//! Exact analysis of filters: satisfiability, redundant parts, differences and minimal reasons.
//!
//! A filter compares attributes with values, and an attribute has at most one value. So a filter
//! distinguishes only the values it mentions: every other value, and an absent attribute, give the
//! same verdicts. [Decision diagrams][bryant] and truth tables over this finite domain give exact
//! answers.
//!
//! ```
//! use hooksieve::filter::Profile;
//! use hooksieve::filter::analysis::{Satisfiability, Redundancy, Relation};
//!
//! let profile = Profile::webhook();
//! let filter = profile.filter(r#"id eq "a" or id eq "a" and spaceId ne "s""#)?;
//! let analysis = filter.analyze();
//! assert_eq!(analysis.satisfiability, Satisfiability::Sometimes);
//! assert_eq!(analysis.redundant[0].kind, Redundancy::Absorbed);
//! assert_eq!(analysis.simplified.as_ref().unwrap().to_string(), r#"id eq "a""#);
//! assert_eq!(analysis.matching.as_ref().unwrap().to_string(), r#"{"id":"a"}"#);
//!
//! let wider = profile.filter(r#"id eq "a" or id eq "b""#)?;
//! let diff = filter.diff(&wider);
//! assert_eq!(diff.relation, Relation::Wider);
//! assert_eq!(diff.gained.unwrap().get("id"), Some("b"));
//!
//! let never = profile.filter(r#"id eq "a" and id eq "b""#)?;
//! assert_eq!(never.analyze().satisfiability, Satisfiability::Never);
//! # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
//! ```
//!
//! # Assumptions
//!
//! The analysis looks only at the filter, and assumes that any attribute may be absent. It does not
//! rely on the fields of an event type, because producers add fields. Nor does it rely on the
//! values that a profile allows: they restrict filters, not events, and an event may have a value
//! that no filter can mention.
//!
//! # Cost
//!
//! Work is counted in steps: one for each branch of a diagram that is built or visited, 32 for a
//! node, and one for 16 words of a truth table. A call of [`Filter::analyze`], [`Filter::diff`] or
//! [`Explanation::why`](super::Explanation::why) stops after [`WORK`] steps. What it has decided by
//! then is exact, and the result says what is undecided. Every filter of up to 64 terms over the
//! four attributes of [`Profile::webhook`](super::Profile::webhook) that was tried is decided. The
//! [guide](crate::guide::analysis) has the figures.
//!
//! [bryant]: https://doi.org/10.1109/TC.1986.1676819

// How the parts fit together:
//
//   filter ──circuit──▶ gates over a domain ──diagram──▶ one diagram for the filter
//                                                          │
//            satisfiable, tautology, relation ◀── compare ─┤
//            witness, smallest change         ◀── nearest ─┤
//            minimal reason                   ◀── reason ──┘
//
//   gates ──prune, over tables or diagrams──▶ redundant parts, simplified filter
//
// `conditions` is what `prune` needs from tables and diagrams.
mod circuit;
mod conditions;
mod diagram;
mod nearest;
mod prune;
mod reason;
mod table;

pub(super) use reason::why;
pub use reason::{Change, Justification};

use crate::filter::index_vec::IndexVec;
use crate::filter::{Filter, Node, Operator};
use circuit::{Circuit, Domain, GateId};
use conditions::{Conditions, Exhausted, Op};
use diagram::{Diagrams, FALSE, Id, NONE, TRUE};
use hashbrown::{HashMap, HashSet};
use nearest::Start;
use prune::Pruning;
use serde::{Serialize, Serializer};
use std::fmt;
use table::Tables;

/// The maximum number of steps that one call of the analysis takes.
///
/// They took about 4 ms on one core; the [guide](crate::guide::analysis) has more figures.
pub const WORK: usize = 1 << 20;

/// Whether a filter matches all events, some or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Satisfiability {
    /// No event matches: the filter is not satisfiable.
    Never,
    /// Some events match, others do not.
    Sometimes,
    /// Every event matches: the filter is a tautology.
    Always,
    /// The decision takes more than [`WORK`] steps.
    Undecided,
}

/// A part of a filter that can be removed without a change of meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Redundant {
    /// The part, as an index into [`Explanation::steps`](super::Explanation::steps).
    ///
    /// [`Expr::iter`](crate::syntax::Expr::iter) over the parsed text has the part at the same
    /// index.
    pub part: usize,
    /// Why it can be removed.
    pub kind: Redundancy,
}

/// Why a part of a filter can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Redundancy {
    /// It is a term that is equal to an earlier one of its group.
    Repeated,
    /// It is an operand of `or`, and the other operands match everything that it matches.
    Absorbed,
    /// It is an operand of `and`, and holds whenever the other operands do.
    Implied,
    /// It is an operand of `or` that never holds when the verdict depends on its group.
    NeverHolds,
    /// It is an operand of `and` that always holds when the verdict depends on its group.
    AlwaysHolds,
}

/// The result of [`Filter::analyze`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Analysis {
    /// Whether the filter matches all events, some or none.
    pub satisfiability: Satisfiability,
    /// An example event that the filter matches, with the fewest attributes.
    ///
    /// `None` if the filter matches no event, or if the work ran out.
    pub matching: Option<Witness>,
    /// An example event that the filter does not match, with the fewest attributes.
    ///
    /// `None` if the filter matches every event, or if the work ran out.
    pub missing: Option<Witness>,
    /// The parts that can be removed together, in the order of the text.
    ///
    /// No part is inside another one. Empty for a filter that always or never matches.
    pub redundant: Vec<Redundant>,
    /// An equivalent filter with fewer terms and bytes; `None` if none was found.
    ///
    /// It is the filter without the redundant parts. A filter that always matches becomes the
    /// filter without terms. A filter of three or more terms that never matches becomes two
    /// contradicting terms, joined by `and`.
    pub simplified: Option<Filter>,
    /// Whether everything was decided.
    ///
    /// If so, and the filter matches some events but not all, no further part can be removed once
    /// the redundant ones are.
    pub complete: bool,
    /// The steps taken, at most [`WORK`].
    pub work: usize,
}

/// How the events that a new filter matches relate to those that an old one matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Relation {
    /// Both match the same events.
    Equivalent,
    /// The new filter matches a proper subset of the old one's events.
    Narrower,
    /// The new filter matches all events that the old one matches, and others.
    Wider,
    /// Some events match both filters, and each filter matches events that the other does not.
    Overlapping,
    /// No event matches both filters.
    Disjoint,
    /// The decision takes more than [`WORK`] steps.
    Undecided,
}

/// The difference between two filters, the result of [`Filter::diff`].
///
/// `Serialize` writes `{"relation","gained","lost"}`: `relation` is a word in lower case, the
/// others are an object of attributes or null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// The first relation that holds, in the order of [`Relation`].
    pub relation: Relation,
    /// An example event that only the new filter matches.
    ///
    /// `None` if there is none, or if the work ran out.
    pub gained: Option<Witness>,
    /// An example event that only the old filter matches.
    ///
    /// `None` if there is none, or if the work ran out.
    pub lost: Option<Witness>,
    /// The steps taken, at most [`WORK`].
    #[serde(skip)]
    pub work: usize,
}

/// An example event: the attributes it has, each with its value. All others are absent.
///
/// `Serialize` and `Display` write a JSON object from attribute names to values. It has no event
/// type and no tenant, so it is not an event that
/// [`Profile::read_event`](super::Profile::read_event) reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Witness(Vec<(Box<str>, Box<str>)>);

impl Witness {
    /// Iterates over the attributes that are present, as pairs of name and value.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the value of an attribute, whose name is compared case-insensitively.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|known| known.0.eq_ignore_ascii_case(name)).map(|known| known.1)
    }
}

impl Serialize for Witness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Filter {
    /// Decides what the filter can match and which of its parts are redundant.
    ///
    /// Takes at most [`WORK`] steps.
    ///
    /// ```
    /// use hooksieve::filter::Profile;
    /// use hooksieve::filter::analysis::Satisfiability;
    ///
    /// let filter = Profile::webhook().filter(r#"spaceId ne "a" or spaceId ne "b""#)?;
    /// let analysis = filter.analyze();
    /// assert_eq!(analysis.satisfiability, Satisfiability::Always);
    /// assert!(analysis.simplified.as_ref().is_some_and(|simplified| simplified.is_everything()));
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn analyze(&self) -> Analysis {
        // Undecided until proved otherwise.
        let mut diagrams = Diagrams::new(WORK);
        let mut analysis = Analysis {
            satisfiability: Satisfiability::Undecided,
            matching: None,
            missing: None,
            redundant: Vec::new(),
            simplified: None,
            complete: false,
            work: 0,
        };
        analysis.complete = self.analyze_within(&mut diagrams, &mut analysis).is_ok();
        analysis.work = WORK - diagrams.work.left();
        analysis
    }

    /// Fills in the analysis. If the work runs out, what was decided so far is kept.
    fn analyze_within(
        &self,
        diagrams: &mut Diagrams,
        analysis: &mut Analysis,
    ) -> Result<(), Exhausted> {
        let mut domain = Domain::default();
        let circuit = Circuit::new(self, &mut domain);
        let root = root(&circuit, diagrams)?;
        analysis.satisfiability = match root {
            TRUE => Satisfiability::Always,
            FALSE => Satisfiability::Never,
            _ => Satisfiability::Sometimes,
        };
        analysis.matching = witness(diagrams, &domain, root, TRUE)?;
        analysis.missing = witness(diagrams, &domain, root, FALSE)?;
        match analysis.satisfiability {
            // It has no terms that could be removed.
            Satisfiability::Always if self.is_everything() => {}
            Satisfiability::Always => analysis.simplified = Some(Self::everything(self.profile())),
            Satisfiability::Never => analysis.simplified = self.contradiction(),
            _ => {
                // One table for each gate, which together have at most `WORK` words.
                let words = WORK / circuit.gates.len();
                let mut found = Vec::new();
                let done = match Tables::new(&domain, words, &mut diagrams.work) {
                    Some(mut tables) => Pruning::run(&circuit, &mut tables, &mut found),
                    None => Pruning::run(&circuit, diagrams, &mut found),
                };
                let mut removed = IndexVec::filled(false, self.nodes().len());
                for redundant in &found {
                    removed.set(redundant.part, true);
                }
                analysis.redundant = self.outermost(found);
                if !analysis.redundant.is_empty() {
                    analysis.simplified = Some(prune::without(self, &removed));
                }
                // Only now: parts found before the work ran out are redundant all the same.
                done?;
            }
        }
        Ok(())
    }

    /// Sorts redundant parts by the text, and drops those that are inside another one.
    fn outermost(&self, mut redundant: Vec<Redundant>) -> Vec<Redundant> {
        redundant.sort_unstable_by_key(|redundant| redundant.part);
        // Parts are numbered in prefix order, so a part's inner parts follow it directly.
        let mut end = 0;
        redundant.retain(|redundant| {
            let outside = redundant.part >= end;
            if outside {
                end = self.end(redundant.part);
            }
            outside
        });
        redundant
    }

    /// Returns the first two contradicting terms, joined by `and`, if that is a shorter filter.
    ///
    /// A filter that never matches has such a pair: otherwise one event could match all its terms.
    fn contradiction(&self) -> Option<Self> {
        // The first `eq` of each attribute, and the first `ne` of each attribute and value.
        let mut equal = HashMap::new();
        let mut unequal = HashMap::new();
        let terms = self.nodes().filter_map(|node| match node {
            Node::Term(term) => Some(term),
            _ => None,
        });
        for term in terms {
            let key = (term.attribute, term.value);
            let other = match term.operator {
                Operator::Eq => {
                    // Contradicts `ne` with the same value, and `eq` with another one.
                    let first = *equal.entry(term.attribute).or_insert(term);
                    unequal.get(&key).copied().or((first.value != term.value).then_some(first))
                }
                Operator::Ne => {
                    unequal.entry(key).or_insert(term);
                    equal.get(&term.attribute).copied().filter(|first| first.value == term.value)
                }
            };
            if let Some(other) = other {
                let nodes = [Node::And { end: 3 }, Node::Term(other), Node::Term(term)];
                let shorter = nodes.len() < self.nodes().len();
                return shorter.then(|| Self::from_nodes(self.profile(), nodes));
            }
        }
        None
    }

    /// Compares this filter with the one that replaces it.
    ///
    /// Filters of different profiles are compared by the names of their attributes. Takes at most
    /// [`WORK`] steps.
    ///
    /// ```
    /// use hooksieve::filter::Profile;
    ///
    /// let profile = Profile::webhook();
    /// let old = profile.filter(r#"id eq "a" or id eq "b""#)?;
    /// let new = profile.filter(r#"id eq "b" and spaceId ne "s""#)?;
    /// assert_eq!(
    ///     serde_json::to_string(&old.diff(&new)).unwrap(),
    ///     r#"{"relation":"narrower","gained":null,"lost":{"id":"a"}}"#,
    /// );
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn diff(&self, new: &Self) -> Diff {
        let mut diagrams = Diagrams::new(WORK);
        let (relation, gained, lost) = match self.diff_within(new, &mut diagrams) {
            Ok(found) => found,
            Err(Exhausted) => (Relation::Undecided, None, None),
        };
        Diff { relation, gained, lost, work: WORK - diagrams.work.left() }
    }

    fn diff_within(
        &self,
        new: &Self,
        diagrams: &mut Diagrams,
    ) -> Result<(Relation, Option<Witness>, Option<Witness>), Exhausted> {
        if self == new {
            return Ok((Relation::Equivalent, None, None));
        }
        // One domain for both, so that levels and value ids mean the same in both diagrams.
        let mut domain = Domain::default();
        let circuits = [self, new].map(|filter| Circuit::new(filter, &mut domain));
        let [old, new] = circuits.each_ref().map(|circuit| root(circuit, diagrams));
        let (old, new) = (old?, new?);
        let gained = diagrams.apply(Op::Minus, &new, &old)?;
        let lost = diagrams.apply(Op::Minus, &old, &new)?;
        // Diagrams are reduced, so an empty difference is exactly the id `FALSE`.
        let relation = match (gained, lost) {
            (FALSE, FALSE) => Relation::Equivalent,
            (FALSE, _) => Relation::Narrower,
            (_, FALSE) => Relation::Wider,
            _ if diagrams.is_empty(Op::And, &old, &new)? => Relation::Disjoint,
            _ => Relation::Overlapping,
        };
        let gained = witness(diagrams, &domain, gained, TRUE)?;
        Ok((relation, gained, witness(diagrams, &domain, lost, TRUE)?))
    }
}

/// Returns the diagram of a whole filter.
fn root(circuit: &Circuit, diagrams: &mut Diagrams) -> Result<Id, Exhausted> {
    Ok(*circuit.conditions(diagrams)?.get(GateId::FILTER))
}

/// Returns the witness with the fewest attributes on which a diagram gives `answer`.
fn witness(
    diagrams: &mut Diagrams,
    domain: &Domain<'_>,
    root: Id,
    answer: Id,
) -> Result<Option<Witness>, Exhausted> {
    // The nearest assignment to "every attribute is absent" has the fewest attributes.
    let values = IndexVec::filled(NONE, domain.levels());
    let start = Start { values: &values, kept: &HashSet::new() };
    let changes = diagrams.nearest(root, answer, &start)?;
    // A change from `NONE` leads to a value that is mentioned.
    let present = |(level, id)| (domain.name(level).into(), domain.mentioned(level, id).into());
    Ok(changes.map(|changes| Witness(changes.into_iter().map(present).collect())))
}
