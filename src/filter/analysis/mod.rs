//! What a filter says, decided exactly: whether it can match at all, which of its parts never
//! matter, how it differs from another, and a shorter one that says the same.
//!
//! A filter compares attributes with values, and an attribute has one value or none. So of each
//! attribute only the values that the filter mentions tell events apart; all others, and none, are
//! alike to it. Over that small world every question is decided by [decision diagrams][bryant].
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
//! # What is taken for granted
//!
//! The filter alone, and that any attribute may be absent. What an event type carries is not asked,
//! since producers add fields. Nor does it matter which values a profile allows: the allowed values
//! bound what a filter may say, and on one that it does not mention an event is like one without
//! the attribute.
//!
//! # Cost
//!
//! Work is counted in steps: one for a branch of a diagram that is made or looked at, more for a
//! node. What needs more than [`WORK`] steps is not decided, and said to be so; what is decided is
//! right. Filters of up to 64 terms over the four attributes of
//! [`Profile::webhook`](super::Profile::webhook) are always decided. The [guide](crate::guide::analysis)
//! has the figures.
//!
//! [bryant]: https://doi.org/10.1109/TC.1986.1676819

mod circuit;
mod conditions;
mod diagram;
mod prune;
mod reason;
mod table;

pub(super) use reason::why;
pub use reason::{Change, Justification};

use crate::filter::{Filter, Node, Operator};
use circuit::{Circuit, World};
use conditions::{Conditions, Exhausted, Op};
use diagram::{Diagrams, FALSE, Id, NONE, Start, TRUE};
use hashbrown::{HashMap, HashSet};
use prune::Pruning;
use serde::{Serialize, Serializer};
use std::fmt;
use table::Tables;

/// Most steps that one question takes: some 4 ms.
pub const WORK: usize = 1 << 20;

/// Which events a filter reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Satisfiability {
    /// None that could ever come.
    Never,
    /// Some and not others.
    Sometimes,
    /// All.
    Always,
    /// That takes more than [`WORK`] to decide.
    Undecided,
}

/// A part of a filter that never matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Redundant {
    /// The part, by its place in [`Explanation::steps`](super::Explanation::steps), which is that in
    /// [`Expr::iter`](crate::syntax::Expr::iter) of the text.
    pub part: usize,
    /// Why it does not matter.
    pub kind: Redundancy,
}

/// Why a part of a filter never matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Redundancy {
    /// An operand before it says the same.
    Repeated,
    /// An operand of `or`: the others match all that it matches.
    Absorbed,
    /// An operand of `and`: it holds wherever the others do.
    Implied,
    /// An operand that never holds where its group is asked.
    NeverHolds,
    /// An operand that always holds where its group is asked.
    AlwaysHolds,
}

/// The result of [`Filter::analyze`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Analysis {
    /// Whether the filter matches all events, some or none.
    pub satisfiability: Satisfiability,
    /// The fewest attribute values that the filter matches; `None` if there are none, or if that
    /// is undecided.
    pub matching: Option<Witness>,
    /// The fewest attribute values that the filter does not match; `None` as for `matching`.
    pub missing: Option<Witness>,
    /// Parts that can be removed, all of them at once, in the order of the text; none is inside
    /// another. Empty for a filter that always or never matches, in which no part matters.
    pub redundant: Vec<Redundant>,
    /// A filter that matches the same events in fewer terms and bytes: without the redundant
    /// parts, or two contradicting terms if it never matches. `None` if none was found.
    pub simplified: Option<Filter>,
    /// Whether everything was decided: if so, only the redundant parts can be removed.
    pub complete: bool,
    /// The steps it took, at most [`WORK`].
    pub work: usize,
}

/// How a new filter stands to an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Relation {
    /// Both match the same.
    Equivalent,
    /// All that the new one matches is matched by the old one.
    Narrower,
    /// All that the old one matches is matched by the new one.
    Wider,
    /// Some is matched by both, and some by either alone.
    Overlapping,
    /// Nothing is matched by both.
    Disjoint,
    /// That takes more than [`WORK`] to decide.
    Undecided,
}

/// What a change of filter changes, by [`Filter::diff`].
///
/// `Serialize` writes `{"relation","gained","lost"}`: the relation as a word in lower case, the others
/// an object of attributes or null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// The first of the relations, in their order, that holds.
    pub relation: Relation,
    /// Attributes that the new filter matches and the old one does not.
    pub gained: Option<Witness>,
    /// Attributes that the old filter matches and the new one does not.
    pub lost: Option<Witness>,
    /// The steps it took, at most [`WORK`].
    #[serde(skip)]
    pub work: usize,
}

/// An example: the attributes of an event, each with its value; all others are absent.
///
/// `Serialize` and `Display` write an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Witness(Vec<(Box<str>, Box<str>)>);

impl Witness {
    /// The attributes that are present.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// An attribute's value, by its name, letter case aside.
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
    /// What the filter can match, and which of its parts never matter.
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

    /// Keeps what was found, should the work run out.
    fn analyze_within(
        &self,
        diagrams: &mut Diagrams,
        analysis: &mut Analysis,
    ) -> Result<(), Exhausted> {
        let mut world = World::default();
        let circuit = Circuit::new(self, &mut world);
        let root = root(&circuit, diagrams)?;
        analysis.satisfiability = match root {
            TRUE => Satisfiability::Always,
            FALSE => Satisfiability::Never,
            _ => Satisfiability::Sometimes,
        };
        analysis.matching = witness(diagrams, &world, root, TRUE)?;
        analysis.missing = witness(diagrams, &world, root, FALSE)?;
        match analysis.satisfiability {
            Satisfiability::Always if self.is_everything() => {}
            Satisfiability::Always => analysis.simplified = Some(Self::everything(self.profile())),
            Satisfiability::Never => analysis.simplified = self.contradiction(),
            _ => {
                // All tables together hold as many words as there are steps.
                let words = WORK / circuit.gates.len();
                let mut found = Vec::new();
                let done = match Tables::new(&world, words, &mut diagrams.work) {
                    Some(mut tables) => Pruning::run(&circuit, &mut tables, &mut found),
                    None => Pruning::run(&circuit, diagrams, &mut found),
                };
                let mut gone = vec![false; self.nodes().len()];
                for redundant in &found {
                    if let Some(gone) = gone.get_mut(redundant.part) {
                        *gone = true;
                    }
                }
                analysis.redundant = self.outermost(found);
                if !analysis.redundant.is_empty() {
                    analysis.simplified = Some(prune::without(self, &gone));
                }
                done?;
            }
        }
        Ok(())
    }

    /// Those inside no other, in the order of the text.
    fn outermost(&self, mut redundant: Vec<Redundant>) -> Vec<Redundant> {
        redundant.sort_unstable_by_key(|redundant| redundant.part);
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

    /// The first two terms that no event fulfils both, joined by `and`. A filter without such two
    /// matches the event that fulfils all its terms.
    fn contradiction(&self) -> Option<Self> {
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

    /// What changes where this filter is replaced by `new`.
    ///
    /// Filters of different profiles are compared by the names of their attributes.
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
        let mut world = World::default();
        let circuits = [self, new].map(|filter| Circuit::new(filter, &mut world));
        let [old, new] = circuits.each_ref().map(|circuit| root(circuit, diagrams));
        let (old, new) = (old?, new?);
        let gained = diagrams.apply(Op::Minus, &new, &old)?;
        let lost = diagrams.apply(Op::Minus, &old, &new)?;
        let relation = match (gained, lost) {
            (FALSE, FALSE) => Relation::Equivalent,
            (FALSE, _) => Relation::Narrower,
            (_, FALSE) => Relation::Wider,
            _ if diagrams.is_empty(Op::And, &old, &new)? => Relation::Disjoint,
            _ => Relation::Overlapping,
        };
        let gained = witness(diagrams, &world, gained, TRUE)?;
        Ok((relation, gained, witness(diagrams, &world, lost, TRUE)?))
    }
}

/// The diagram of a whole filter.
fn root(circuit: &Circuit, diagrams: &mut Diagrams) -> Result<Id, Exhausted> {
    Ok(circuit.conditions(diagrams)?.first().copied().unwrap_or(TRUE))
}

/// The fewest attributes that make a diagram give `answer`.
fn witness(
    diagrams: &mut Diagrams,
    world: &World<'_>,
    root: Id,
    answer: Id,
) -> Result<Option<Witness>, Exhausted> {
    let cells = vec![NONE; world.levels()];
    let start = Start { cells: &cells, kept: &HashSet::new() };
    let changes = diagrams.nearest(root, answer, &start)?;
    let present = |(level, cell)| Some((world.name(level).into(), world.text(level, cell)?.into()));
    Ok(changes.map(|changes| Witness(changes.into_iter().filter_map(present).collect())))
}
