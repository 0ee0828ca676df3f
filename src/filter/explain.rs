//! Explains a verdict: the verdict of each part, hints about the event, and the minimal reason.

use super::analysis::{self, Justification};
use super::hint::{self, Hint};
use super::index_vec::IndexVec;
use super::{Filter, Node, Operator};
use crate::event::{Event, JsonPath};
use serde::{Serialize, Serializer};

/// The verdict of a filter on an event, and the verdict of each part.
///
/// [`Filter::explain`] returns it.
///
/// ```
/// use hooksieve::filter::{Profile, StepKind};
///
/// let profile = Profile::webhook();
/// let filter = profile.filter(r#"id eq "a" or spaceId ne "s""#).unwrap();
/// let event = profile.read_event(br#"{"type": "x", "tenantid": "t", "data": {"id": "b"}}"#).unwrap();
/// let explanation = filter.explain(&event);
/// let [or, id, space] = explanation.steps() else { panic!() };
/// assert_eq!((or.holds, id.holds, space.holds), (true, false, true));
/// assert!(matches!(&id.kind, StepKind::Term { found: Some("b"), place: Some(place), .. }
///     if place.pointer() == "/data/id"));
/// assert!(matches!(space.kind, StepKind::Term { found: None, place: None, .. }));
/// assert_eq!(explanation.why().reason, [2]);
/// ```
///
/// # JSON
///
/// `Serialize` writes an object with these members; later versions may add some. It calls
/// [`why`](Self::why), so it takes up to [`WORK`](analysis::WORK) steps.
///
/// | member | what it is |
/// | --- | --- |
/// | `holds` | whether the filter matches |
/// | `steps` | [`steps`](Self::steps): `depth`, `holds`, and `kind`, which is `and`, `or` or `term`; a term has `attribute`, `operator`, `value`, `found` (null if the attribute is absent), `place` (a JSON pointer into the event, or null) |
/// | `reason` | [`Justification::reason`]: indices into `steps` |
/// | `change` | [`Justification::change`]: null, or objects of `attribute`, `found`, `to` |
/// | `exact` | [`Justification::exact`] |
/// | `hints` | [`hints`](Self::hints), left out if there are none: `step`, `kind`, `message`, and optionally `attribute` and `place` (a JSON pointer) |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    filter: &'a Filter,
    holds: bool,
    steps: Vec<Step<'a>>,
    hints: Vec<Hint<'a>>,
}

/// A part of a filter, a group or a term, with its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step<'a> {
    /// The number of groups around the part.
    pub depth: usize,
    /// Whether the part holds.
    pub holds: bool,
    /// The part itself.
    #[serde(flatten)]
    pub kind: StepKind<'a>,
}

/// The kinds of parts of a filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepKind<'a> {
    /// A group whose operands must all hold. The operands follow, one level deeper.
    And,
    /// A group with at least one operand that must hold. The operands follow, one level deeper.
    Or,
    /// An attribute compared with a value.
    Term {
        /// The attribute's name.
        attribute: &'a str,
        /// The operator.
        operator: Operator,
        /// The value in the filter.
        value: &'a str,
        /// The event's value; `None` if the attribute is absent.
        found: Option<&'a str>,
        /// The path of `found` in the event.
        ///
        /// Also `None` if the event was not read from bytes.
        place: Option<JsonPath>,
    },
}

impl<'a> Explanation<'a> {
    /// Returns whether the filter matches, as [`Filter::matches`] does.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// Returns all parts in the order of the text, a group before its operands.
    ///
    /// The filter that matches everything has none.
    #[must_use]
    pub fn steps(&self) -> &[Step<'a>] {
        &self.steps
    }

    /// Returns facts about the event that explain why terms fail.
    ///
    /// A hint says why an attribute is absent, or where else the event has the value of a term.
    /// The value of a term is searched for only if the verdict may depend on it: the term is a
    /// failed `eq`, and no group around it holds. [`HintKind`](super::HintKind) lists all kinds.
    /// For an event that was not read from bytes, there are only hints on letter case and white
    /// space.
    #[must_use]
    pub fn hints(&self) -> &[Hint<'a>] {
        &self.hints
    }

    /// Finds the minimal reason for the verdict, and the smallest change that gives a match.
    ///
    /// Takes at most [`WORK`](analysis::WORK) steps on each call: the result is not kept.
    #[must_use]
    pub fn why(&self) -> Justification<'a> {
        analysis::why(self.filter, &self.steps)
    }
}

impl Serialize for Explanation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Members<'e> {
            holds: bool,
            steps: &'e [Step<'e>],
            #[serde(flatten)]
            why: Justification<'e>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            hints: &'e [Hint<'e>],
        }
        let Self { holds, steps, hints, .. } = self;
        Members { holds: *holds, steps, why: self.why(), hints }.serialize(serializer)
    }
}

impl Filter {
    /// Evaluates the filter on an event, and returns the verdict of each part.
    ///
    /// Reads the event's bytes again, up to two times, to find paths and hints. So it costs far
    /// more than [`matches`](Self::matches).
    #[must_use]
    pub fn explain<'a>(&'a self, event: &'a Event<'_>) -> Explanation<'a> {
        let places = event.places();
        // There are none for an event that was not read from bytes.
        let place = |attribute: &str| places.get(event.attribute_paths().find(attribute)?)?.clone();
        let mut steps = IndexVec::<usize, Step<'_>>::with_capacity(self.nodes().len());
        // The ends of the groups around the current node.
        let mut open: Vec<usize> = Vec::new();
        for (at, node) in self.nodes().enumerate() {
            while open.pop_if(|end| *end <= at).is_some() {}
            let depth = open.len();
            let (kind, holds) = match node {
                Node::Term(term) => {
                    let found = self.value(&term, event);
                    let attribute = self.profile().attribute_name(term.attribute);
                    let (operator, value) = (term.operator, term.value);
                    // Paths are looked up by name: the event may be read for another profile.
                    let place = place(attribute);
                    let kind = StepKind::Term { attribute, operator, value, found, place };
                    (kind, term.holds(found))
                }
                // The verdicts of groups are set below, when those of all terms are known.
                Node::And { .. } => (StepKind::And, false),
                Node::Or { .. } => (StepKind::Or, false),
            };
            if let Node::And { end } | Node::Or { end } = node {
                open.push(end);
            }
            steps.push(Step { depth, holds, kind });
        }
        // Operands follow their group, so from the end their verdicts are known when needed.
        for at in (0..steps.len()).rev() {
            let holds = |operand: usize| steps.get(operand).holds;
            let holds = match self.node(at) {
                Node::And { .. } => self.operands(at).all(holds),
                Node::Or { .. } => self.operands(at).any(holds),
                Node::Term(_) => continue,
            };
            steps.get_mut(at).holds = holds;
        }
        let steps = steps.into_vec();
        // The first step is the whole filter; the filter without steps matches everything.
        let holds = steps.first().is_none_or(|step| step.holds);
        let hints = hint::hints(self, &steps, event, &places);
        Explanation { filter: self, holds, steps, hints }
    }
}
