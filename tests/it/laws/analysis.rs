//! Laws of the analysis: its results hold for every event of a small domain.

use super::history::{Choices, filter_text};
use hooksieve::event::{Event, EventType, TenantId};
use hooksieve::filter::analysis::{Relation, Satisfiability, Witness};
use hooksieve::filter::{Filter, Profile};

/// The values that generated filters mention, another one, and an absent attribute.
const HELD: [(&str, &[Option<&str>]); 4] = [
    ("id", &[Some("a"), Some("b"), Some("A"), Some(""), Some("other"), None]),
    ("spaceId", &[Some("a"), Some("b"), Some("A"), Some(""), Some("other"), None]),
    ("topLevelResourceId", &[Some("a"), Some("b"), Some("A"), Some(""), Some("other"), None]),
    ("data.status", &[Some("ok"), Some("error"), Some("other"), None]),
];

/// Returns one event of each kind that generated filters distinguish.
pub fn events(profile: &Profile) -> Vec<Event<'_>> {
    let mut events =
        vec![Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"))];
    for (name, held) in HELD {
        events = events
            .into_iter()
            .flat_map(|event| {
                held.iter().map(move |value| match value {
                    Some(value) => event
                        .clone()
                        .with_attribute(name, *value)
                        .expect("the profile has the attribute"),
                    None => event.clone(),
                })
            })
            .collect();
    }
    events
}

/// Returns the event that a witness describes.
fn event<'p>(profile: &'p Profile, witness: &Witness) -> Event<'p> {
    witness.iter().fold(
        Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x")),
        |event, (name, value)| {
            event.with_attribute(name, value.to_owned()).expect("the profile has the attribute")
        },
    )
}

/// Checks the analysis of two filters made from bytes, and their difference.
pub fn analysis(bytes: &[u8]) {
    let profile = Profile::webhook();
    let mut choices = Choices(bytes);
    let filters = [4, 3].map(|depth| {
        let text = filter_text(&mut choices, depth);
        profile.filter(&text).expect("generated filters are valid")
    });
    let events = events(&profile);
    let verdicts = filters
        .each_ref()
        .map(|filter| events.iter().map(|event| filter.matches(event)).collect::<Vec<_>>());
    for (filter, verdicts) in filters.iter().zip(&verdicts) {
        one(&profile, filter, verdicts, &events);
    }
    let [old, new] = &filters;
    let diff = old.diff(new);
    let some = |kind: (bool, bool)| {
        verdicts[0].iter().zip(&verdicts[1]).any(|(old, new)| (*old, *new) == kind)
    };
    let relation = match (some((false, true)), some((true, false)), some((true, true))) {
        (false, false, _) => Relation::Equivalent,
        (false, true, _) => Relation::Narrower,
        (true, false, _) => Relation::Wider,
        (true, true, false) => Relation::Disjoint,
        (true, true, true) => Relation::Overlapping,
    };
    assert_eq!(diff.relation, relation, "{old} to {new}");
    for (witness, [no, yes]) in [(&diff.gained, [old, new]), (&diff.lost, [new, old])] {
        let event = witness.as_ref().map(|witness| event(&profile, witness));
        let right = event.is_none_or(|event| yes.matches(&event) && !no.matches(&event));
        assert!(right, "only one filter matches the witness {witness:?}: {old} to {new}");
    }
}

/// Checks the analysis, the warnings and the explanations of one filter.
fn one(profile: &Profile, filter: &Filter, verdicts: &[bool], events: &[Event<'_>]) {
    let analysis = filter.analyze();
    assert!(analysis.complete, "a small filter is always decided: {filter}");
    let satisfiability = match (verdicts.contains(&true), verdicts.contains(&false)) {
        (true, true) => Satisfiability::Sometimes,
        (true, false) => Satisfiability::Always,
        _ => Satisfiability::Never,
    };
    assert_eq!(analysis.satisfiability, satisfiability, "{filter}");
    let holds = |witness: &Witness| filter.matches(&event(profile, witness));
    assert_eq!(
        analysis.matching.as_ref().map(holds),
        (satisfiability != Satisfiability::Never).then_some(true)
    );
    assert_eq!(
        analysis.missing.as_ref().map(holds),
        (satisfiability != Satisfiability::Always).then_some(false)
    );
    let text = filter.to_string();
    if let Some(simplified) = analysis.simplified.as_ref() {
        let same =
            events.iter().zip(verdicts).all(|(event, held)| simplified.matches(event) == *held);
        assert!(same, "{filter} is simplified to {simplified}");
        assert!(
            simplified.to_string().len() < text.len(),
            "{filter} is simplified to {simplified}"
        );
        let again = simplified.analyze();
        assert!(
            again.redundant.is_empty(),
            "{simplified}, simplified from {filter}, has no redundant parts"
        );
    }
    for warning in filter.warnings(&text, |_| true) {
        assert!(
            text.get(warning.span().expect("every warning has a span").range())
                .is_some_and(|part| !part.is_empty())
        );
    }
    // A sample of the events, since each explanation is compared with all events.
    for (event, held) in events.iter().zip(verdicts).step_by(97) {
        let explanation = filter.explain(event);
        assert_eq!(explanation.holds(), *held);
        let why = explanation.why();
        assert!(why.exact, "a small filter is always decided: {filter}");
        for change in why.change.iter().flatten() {
            assert_eq!(event.attribute(change.attribute), change.found);
            assert_ne!(change.found, change.to, "a change has another value");
        }
        let alike = |other: &Event<'_>| {
            let other = filter.explain(other);
            why.reason
                .iter()
                .all(|part| other.steps()[*part].holds == explanation.steps()[*part].holds)
        };
        let decided = events
            .iter()
            .zip(verdicts)
            .all(|(other, held)| *held == explanation.holds() || !alike(other));
        assert!(decided, "{filter}: the reason decides the verdict: {why:?}");
    }
}
