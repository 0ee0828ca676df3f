use super::analysis::{self, Justification};
use super::hint::{self, Hint};
use super::{Filter, Node, Operator};
use crate::event::{Event, JsonPath};
use serde::{Serialize, Serializer};

/// Why a filter matches an event or does not: the verdict of each of its parts.
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
/// `Serialize` writes an object with these members; later versions may add some.
///
/// | member | what it is |
/// | --- | --- |
/// | `holds` | whether the filter matches |
/// | `steps` | [`steps`](Self::steps): `depth`, `holds`, and `kind`, which is `and`, `or` or `term`; a term has `attribute`, `operator`, `value`, `found` (null where it is absent), `place` (a JSON pointer into the event, or null) |
/// | `reason` | [`Justification::reason`]: indices into `steps` |
/// | `change` | [`Justification::change`]: null, or objects of `attribute`, `found`, `to` |
/// | `exact` | [`Justification::exact`] |
/// | `hints` | [`hints`](Self::hints), left out where there are none: `step`, `kind`, `message`, and where they have one `attribute` and `place` (a JSON pointer) |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    filter: &'a Filter,
    holds: bool,
    steps: Vec<Step<'a>>,
    hints: Vec<Hint<'a>>,
}

/// A part of a filter with its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Step<'a> {
    /// How many groups it stands in.
    pub depth: usize,
    /// Its verdict.
    pub holds: bool,
    /// What it is.
    #[serde(flatten)]
    pub kind: StepKind<'a>,
}

/// What a part of a filter is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepKind<'a> {
    /// All operands must hold: the steps that follow, one deeper.
    And,
    /// One operand must hold: the steps that follow, one deeper.
    Or,
    /// An attribute compared with a value.
    Term {
        /// The attribute's name.
        attribute: &'a str,
        /// How it is compared.
        operator: Operator,
        /// What it is compared with.
        value: &'a str,
        /// The event's value, `None` where it is absent.
        found: Option<&'a str>,
        /// Where the event holds that value; `None` also in an event that was not read from bytes.
        place: Option<JsonPath>,
    },
}

impl<'a> Explanation<'a> {
    /// Whether the filter matches; the same as [`Filter::matches`].
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// All parts in the order of the text, a group before its operands; none for the filter that
    /// matches everything.
    #[must_use]
    pub fn steps(&self) -> &[Step<'a>] {
        &self.steps
    }

    /// Facts about the event that explain why a term does not find the value that it wants: why an
    /// attribute is absent, and where else the event holds that value. Empty for an event that was not
    /// read from bytes.
    ///
    /// Wanted values are looked for where the verdict depends on them: of `eq` terms that do not hold,
    /// in no group that holds. See [`HintKind`](super::HintKind) for all kinds.
    #[must_use]
    pub fn hints(&self) -> &[Hint<'a>] {
        &self.hints
    }

    /// The smallest reason of the verdict, and the smallest change that would turn a miss into a
    /// match. Takes at most [`WORK`](analysis::WORK) steps, as an analysis does.
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
    /// The verdict on an event, part by part.
    #[must_use]
    pub fn explain<'a>(&'a self, event: &'a Event<'_>) -> Explanation<'a> {
        let places = event.places();
        let place = |attribute: &str| places.get(event.attribute_paths().find(attribute)?)?.clone();
        let mut steps = Vec::with_capacity(self.nodes().len());
        let mut open: Vec<usize> = Vec::new();
        for (at, node) in self.nodes().enumerate() {
            while open.pop_if(|end| *end <= at).is_some() {}
            let depth = open.len();
            let (kind, holds) = match node {
                Node::Term(term) => {
                    let found = self.value(&term, event);
                    let attribute = self.profile().attribute_name(term.attribute);
                    let (operator, value) = (term.operator, term.value);
                    let place = place(attribute);
                    let kind = StepKind::Term { attribute, operator, value, found, place };
                    (kind, term.holds(found))
                }
                // Set below, once the operands are known.
                Node::And { .. } => (StepKind::And, false),
                Node::Or { .. } => (StepKind::Or, false),
            };
            if let Node::And { end } | Node::Or { end } = node {
                open.push(end);
            }
            steps.push(Step { depth, holds, kind });
        }
        for at in (0..steps.len()).rev() {
            let holds = |operand: usize| steps.get(operand).is_some_and(|step| step.holds);
            let holds = match self.node(at) {
                Some(Node::And { .. }) => self.operands(at).all(holds),
                Some(Node::Or { .. }) => self.operands(at).any(holds),
                _ => continue,
            };
            if let Some(step) = steps.get_mut(at) {
                step.holds = holds;
            }
        }
        let holds = steps.first().is_none_or(|step| step.holds);
        let hints = hint::hints(self, &steps, event, &places);
        Explanation { filter: self, holds, steps, hints }
    }
}
