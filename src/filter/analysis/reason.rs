//! Why a filter matches an event or does not, in the fewest terms, and the least that would have
//! to be otherwise.

use super::WORK;
use super::circuit::{Circuit, Kind, World};
use super::conditions::Exhausted;
use super::diagram::{Cell, Diagrams, FALSE, Id, NONE, Start, TRUE};
use crate::filter::{Filter, Node, Step, StepKind};
use hashbrown::{HashMap, HashSet};
use serde::Serialize;

/// The smallest reason of a verdict, and the smallest change that turns a miss into a match.
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
/// // Of the steps `and`, `spaceId`, `or`, `id`, `id` the second decides.
/// assert_eq!(why.reason, [1]);
/// let change = &why.change.unwrap()[0];
/// assert_eq!((change.attribute, change.found, change.to), ("spaceId", Some("r"), Some("s")));
/// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Justification<'a> {
    /// The fewest terms whose verdicts decide the outcome: the filter's verdict is the same on
    /// every event that gives these terms the same verdicts. None for a filter that matches always
    /// or never. By their places in
    /// [`Explanation::steps`](crate::filter::Explanation::steps), in the order of the text.
    pub reason: Vec<usize>,
    /// The fewest attributes that would have to be otherwise for the filter to match; `None` where
    /// it matches, where nothing would make it, and where that was not decided.
    pub change: Option<Vec<Change<'a>>>,
    /// Whether there is no smaller reason, and a change wherever one helps. Else that took more work
    /// than [`WORK`]; the reason decides the outcome all the same, and a change that is given is the
    /// smallest.
    pub exact: bool,
}

/// An attribute that would have to be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change<'a> {
    /// Its name.
    pub attribute: &'a str,
    /// The event's value, `None` where it is absent.
    pub found: Option<&'a str>,
    /// The value it would need; `None` for any that the filter does not mention, or none at all.
    pub to: Option<&'a str>,
}

/// What a term says, whichever way: that an attribute holds a value.
type Fact = (u32, Cell);

/// `steps` are those of the filter, one for each node.
pub(in crate::filter) fn why<'a>(filter: &'a Filter, steps: &[Step<'a>]) -> Justification<'a> {
    let holds = steps.first().is_none_or(|step| step.holds);
    let mut world = World::default();
    let circuit = Circuit::new(filter, &mut world);
    let mut found = vec![None; world.levels()];
    let mut terms = Vec::new();
    for gate in &circuit.gates {
        let (Some(part), Kind::Term { level, value, .. }) = (gate.part, gate.kind) else {
            continue;
        };
        terms.push((part, (level, value)));
        if let Some(Step { kind: StepKind::Term { found: value, .. }, .. }) = steps.get(part)
            && let Some(found) = found.get_mut(level as usize)
        {
            *found = *value;
        }
    }
    terms.sort_unstable();
    let cell = |(level, found): (u32, &Option<&str>)| world.cell(level, *found);
    let cells = (0..).zip(&found).map(cell).collect();
    let mut search = Search { diagrams: Diagrams::new(WORK), cells, root: TRUE, holds };
    let (mut reason, mut changes) = (by_structure(filter, steps), None);
    let exact = search.run(&circuit, &terms, &mut reason, &mut changes).is_ok();
    let change = |(level, cell): Fact| Change {
        attribute: world.name(level),
        found: found.get(level as usize).copied().flatten(),
        to: world.text(level, cell),
    };
    let change = changes.map(|changes| changes.into_iter().map(change).collect());
    Justification { reason, change, exact }
}

/// Terms that decide the outcome whatever the others say: all operands of an `and` that holds and
/// of an `or` that does not, else the operand with the fewest.
fn by_structure(filter: &Filter, steps: &[Step<'_>]) -> Vec<usize> {
    let holds = |at: usize| steps.get(at).is_some_and(|step| step.holds);
    let needs_all = |at: usize| match filter.node(at) {
        Some(Node::And { .. }) => holds(at),
        _ => !holds(at),
    };
    let mut counts = vec![1usize; steps.len()];
    let deciding = |counts: &[usize], at: usize| {
        let operands = filter.operands(at).filter(|operand| holds(*operand) == holds(at));
        operands.min_by_key(|operand| counts.get(*operand).copied())
    };
    let count = |counts: &[usize], at: usize| counts.get(at).copied().unwrap_or(0);
    for at in (0..steps.len()).rev() {
        if let Some(Node::Term(_)) = filter.node(at) {
            continue;
        }
        let least = if needs_all(at) {
            filter.operands(at).map(|operand| count(&counts, operand)).sum()
        } else {
            deciding(&counts, at).map_or(0, |operand| count(&counts, operand))
        };
        if let Some(place) = counts.get_mut(at) {
            *place = least;
        }
    }
    let mut reason = Vec::new();
    let mut open: Vec<usize> = (!steps.is_empty()).then_some(0).into_iter().collect();
    while let Some(at) = open.pop() {
        match filter.node(at) {
            Some(Node::Term(_)) => reason.push(at),
            _ if needs_all(at) => open.extend(filter.operands(at)),
            _ => open.extend(deciding(&counts, at)),
        }
    }
    reason.sort_unstable();
    reason
}

/// Reasons and changes are two sides of one thing: a set of facts is a reason if and only if no
/// change that keeps all of them turns the outcome. So the smallest reason is the smallest set that
/// keeps something of each change.
struct Search {
    diagrams: Diagrams,
    /// What each attribute holds in the event.
    cells: Vec<Cell>,
    root: Id,
    holds: bool,
}

impl Search {
    /// Finds the smallest change that turns a miss, and makes the reason the smallest. `terms` are
    /// all terms in the order of the text. Keeps what was found, should the work run out.
    fn run(
        &mut self,
        circuit: &Circuit,
        terms: &[(usize, Fact)],
        reason: &mut Vec<usize>,
        change: &mut Option<Vec<Fact>>,
    ) -> Result<(), Exhausted> {
        self.root = super::root(circuit, &mut self.diagrams)?;
        if !self.holds {
            *change = self.turn(&HashSet::new())?;
        }
        let fact = |part: &usize| {
            let at = terms.binary_search_by_key(part, |term| term.0).ok()?;
            terms.get(at).map(|term| self.fact(term.1))
        };
        let mut best: HashSet<Fact> = reason.iter().filter_map(fact).collect();
        let done = self.smallest(&mut best);
        let firsts: HashMap<Fact, usize> =
            terms.iter().rev().map(|(part, fact)| (*fact, *part)).collect();
        *reason = best.iter().filter_map(|fact| firsts.get(fact).copied()).collect();
        reason.sort_unstable();
        done
    }

    /// The strongest fact about an attribute that a term of it leads to: which of the mentioned
    /// values it holds, and where it holds none of them, that it does not hold this one.
    fn fact(&self, (level, cell): Fact) -> Fact {
        match self.cells.get(level as usize) {
            Some(held) if *held != NONE => (level, *held),
            _ => (level, cell),
        }
    }

    /// The smallest change that turns the outcome and keeps these facts.
    fn turn(&mut self, kept: &HashSet<Fact>) -> Result<Option<Vec<Fact>>, Exhausted> {
        let start = Start { cells: &self.cells, kept };
        self.diagrams.nearest(self.root, self.other(), &start)
    }

    /// The other outcome.
    fn other(&self) -> Id {
        if self.holds { FALSE } else { TRUE }
    }

    /// Makes a reason the smallest there is; if the work runs out, the smallest that was found.
    fn smallest(&mut self, best: &mut HashSet<Fact>) -> Result<(), Exhausted> {
        // What a change of one attribute touches is in every reason.
        let needed = self.diagrams.neighbours(self.root, self.other(), &self.cells)?;
        let needed = needed.into_iter().map(|fact| self.fact(fact)).collect();
        let mut open: Vec<HashSet<Fact>> = vec![needed];
        while let Some(known) = open.pop() {
            let Some(change) = self.turn(&known)? else {
                if known.len() < best.len() {
                    *best = known;
                }
                continue;
            };
            // Changes without a common fact: each asks for a fact of its own.
            let (mut kept, mut least) = (known.clone(), known.len());
            let mut next = Some(change.clone());
            while let Some(change) = next.filter(|_| least < best.len()) {
                least += 1;
                kept.extend(change.iter().map(|fact| self.fact(*fact)));
                next = self.turn(&kept)?;
            }
            if least < best.len() {
                self.diagrams.work.steps(known.len() * change.len())?;
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
