//! The analysis of filters, compared with brute force, and its limits.
use crate::laws;

use hooksieve::event::{Event, EventType, JsonPath, TenantId};
use hooksieve::filter::analysis::{Relation, Satisfiability, WORK, Witness};
use hooksieve::filter::{Attribute, Filter, Profile, StepKind};
use hooksieve::syntax::{CompareOp, Expr, ExprKind, ExprRef, Limits, Value};
use hooksieve::webhook::Catalogue;
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Write as _;

/// The attributes of the small filters.
///
/// Each has one of two values that filters mention, another value, or none. So there are sixteen
/// assignments, and the verdicts on them are the bits of a mask.
const ATTRIBUTES: [&str; 2] = ["id", "spaceId"];
const HELD: [Option<&str>; 4] = [Some("a"), Some("b"), Some("other"), None];
const ALL: u16 = u16::MAX;

fn assignments() -> impl Iterator<Item = [Option<&'static str>; 2]> {
    (0..16).map(|at| [HELD[at % 4], HELD[at / 4]])
}

fn term_mask(attribute: &str, operator: CompareOp, value: &str) -> u16 {
    let which = ATTRIBUTES.iter().position(|name| *name == attribute).unwrap();
    assignments().enumerate().fold(0, |mask, (at, held)| {
        let holds = (held[which] == Some(value)) == (operator == CompareOp::Eq);
        mask | u16::from(holds) << at
    })
}

/// Returns the mask of an expression. The part with the index in `forced` has the verdict there.
///
/// `next` counts the parts.
fn mask(part: ExprRef<'_>, next: &mut usize, forced: Option<(usize, u16)>) -> u16 {
    let own = *next;
    *next += 1;
    let mask = match part.kind() {
        ExprKind::And(operands) => {
            operands.fold(ALL, |all, operand| all & mask(operand, next, forced))
        }
        ExprKind::Or(operands) => {
            operands.fold(0, |any, operand| any | mask(operand, next, forced))
        }
        ExprKind::Compare { path, operator, value: Value::String(value) } => {
            term_mask(path.as_str(), operator, value)
        }
        _ => panic!("webhook filters have only these parts"),
    };
    forced.filter(|(part, _)| *part == own).map_or(mask, |(_, verdict)| verdict)
}

fn mask_of(filter: &Filter) -> u16 {
    if filter.is_everything() {
        return ALL;
    }
    mask(Expr::parse(&filter.to_string()).unwrap().root(), &mut 0, None)
}

/// Returns the parts that do not change the mask if they always hold, or if they never do.
fn removable(filter: &Filter) -> Vec<usize> {
    let expr = Expr::parse(&filter.to_string()).unwrap();
    let whole = mask_of(filter);
    let same = |part, verdict| mask(expr.root(), &mut 0, Some((part, verdict))) == whole;
    (0..expr.iter().count()).filter(|part| same(*part, ALL) || same(*part, 0)).collect()
}

/// Returns all filters of so many terms: groups in groups of the other kind.
fn filters(terms: usize) -> Vec<String> {
    if terms == 1 {
        let term = |n: usize| {
            let (name, operator) = (ATTRIBUTES[n % 2], ["eq", "ne"][n / 2 % 2]);
            format!("{name} {operator} \"{}\"", ["a", "b"][n / 4])
        };
        return (0..8).map(term).collect();
    }
    [true, false].into_iter().flat_map(|and| lists(and, terms, false)).collect()
}

/// Returns all lists of operands with so many terms: two or more operands, with `rest` one or more.
fn lists(and: bool, terms: usize, rest: bool) -> Vec<String> {
    let joint = if and { " and " } else { " or " };
    let operands = |terms| match terms {
        1 => filters(1),
        _ => lists(!and, terms, false).iter().map(|text| format!("({text})")).collect(),
    };
    let mut all = if rest { operands(terms) } else { Vec::new() };
    for first in 1..terms {
        let tails = lists(and, terms - first, true);
        for head in operands(first) {
            all.extend(tails.iter().map(|tail| format!("{head}{joint}{tail}")));
        }
    }
    all
}

/// Returns the bit of a witness in a mask.
fn bit(witness: &Witness) -> u16 {
    let held = ATTRIBUTES.map(|name| witness.get(name));
    assert_eq!(held.iter().flatten().count(), witness.iter().len());
    1 << assignments().position(|assignment| assignment == held).unwrap()
}

/// Returns the fewest attributes that an assignment of a mask has.
fn fewest(mask: u16) -> Option<usize> {
    let counts = assignments().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
    counts.map(|(_, held)| held.iter().flatten().count()).min()
}

/// Checks that a witness is in a mask and has the fewest attributes.
fn check_witness(witness: Option<&Witness>, mask: u16) {
    assert_eq!(witness.map(|witness| witness.iter().len()), fewest(mask));
    assert!(witness.is_none_or(|witness| bit(witness) & mask != 0));
}

/// Compares the analysis of a filter with its mask.
fn check(profile: &Profile, text: &str) {
    let filter = profile.filter(text).unwrap();
    let analysis = filter.analyze();
    let mask = mask_of(&filter);
    let satisfiability = match mask {
        0 => Satisfiability::Never,
        ALL => Satisfiability::Always,
        _ => Satisfiability::Sometimes,
    };
    assert_eq!(analysis.satisfiability, satisfiability, "{text}");
    assert!(analysis.complete);
    check_witness(analysis.matching.as_ref(), mask);
    check_witness(analysis.missing.as_ref(), !mask);
    let simplified = analysis.simplified.as_ref().unwrap_or(&filter);
    assert_eq!(mask_of(simplified), mask, "{text} is simplified to {simplified}");
    let (long, short) = (filter.to_string(), simplified.to_string());
    assert!(short == long || short.len() < long.len(), "{long} is simplified to {short}");
    assert_eq!(&profile.filter(&short).unwrap(), simplified, "{short} is canonical");
    if satisfiability == Satisfiability::Sometimes {
        assert_eq!(removable(simplified), [0usize; 0], "{text} is simplified to {simplified}");
        assert_eq!(analysis.redundant.is_empty(), removable(&filter).is_empty(), "{text}");
        assert_eq!(analysis.redundant.is_empty(), analysis.simplified.as_ref().is_none());
    } else {
        assert!(analysis.redundant.is_empty());
        assert!(
            simplified
                .explain(&Event::new(
                    profile.attribute_paths(),
                    TenantId::from(""),
                    EventType::from("")
                ))
                .steps()
                .len()
                <= 3
        );
    }
}

#[test]
fn analyzes_all_small_filters() {
    let profile = Profile::webhook();
    let all: Vec<String> = (1..=4).flat_map(filters).collect();
    assert_eq!(all.len(), 8 + 2 * 64 + 6 * 512 + 22 * 4096);
    // Of the filters of four terms, the others are these with attributes and values exchanged.
    let first = |text: &&String| {
        let term = text.trim_start_matches('(');
        text.len() < 50 || term.starts_with("id eq \"a\"") || term.starts_with("id ne \"a\"")
    };
    let checked = all.iter().filter(first).map(|text| check(&profile, text)).count();
    assert!(checked > 20_000, "{checked}");
}

#[test]
fn evaluates_filters_as_their_masks() {
    let profile = Profile::webhook();
    for text in (1..=3).flat_map(filters) {
        let filter = profile.filter(&text).unwrap();
        let mask = mask_of(&filter);
        for (at, held) in assignments().enumerate() {
            assert_eq!(filter.matches(&event(&profile, held)), mask & (1 << at) != 0, "{text}");
        }
    }
}

fn event<'p>(profile: &'p Profile, held: [Option<&'static str>; 2]) -> Event<'p> {
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    ATTRIBUTES.iter().zip(held).fold(event, |event, (name, value)| match value {
        Some(value) => event.with_attribute(name, value).unwrap(),
        None => event,
    })
}

#[test]
fn compares_all_small_filters() {
    let profile = Profile::webhook();
    let small: Vec<Filter> = [String::new()]
        .into_iter()
        .chain((1..=2).flat_map(filters))
        // Conditions that shorter filters do not express, and some that they do.
        .chain(filters(3).into_iter().step_by(23))
        .map(|text| profile.filter(&text).unwrap())
        .collect();
    let mut relations = HashMap::new();
    for old in &small {
        for new in &small {
            let (was, is) = (mask_of(old), mask_of(new));
            let diff = old.diff(new);
            let relation = match (is & !was, was & !is, was & is) {
                (0, 0, _) => Relation::Equivalent,
                (0, _, _) => Relation::Narrower,
                (_, 0, _) => Relation::Wider,
                (_, _, 0) => Relation::Disjoint,
                _ => Relation::Overlapping,
            };
            assert_eq!(diff.relation, relation, "{old} to {new}");
            check_witness(diff.gained.as_ref(), is & !was);
            check_witness(diff.lost.as_ref(), was & !is);
            *relations.entry(relation).or_insert(0) += 1;
        }
    }
    assert_eq!(relations.len(), 5, "{relations:?}");
    assert!(relations.values().all(|count| *count > 1000), "{relations:?}");
}

/// Returns the size of the smallest set of terms whose verdicts on `at` decide the mask.
fn smallest_reason(terms: &[u16], mask: u16, at: usize) -> usize {
    let decides = |chosen: &usize| {
        let alike = terms.iter().enumerate().filter(|(term, _)| chosen & (1 << term) != 0).fold(
            ALL,
            |alike, (_, verdicts)| {
                alike & if verdicts & (1 << at) != 0 { *verdicts } else { !verdicts }
            },
        );
        alike & mask == 0 || alike & !mask == 0
    };
    (0..1usize << terms.len()).filter(decides).map(|chosen| chosen.count_ones()).min().unwrap()
        as usize
}

#[test]
fn finds_the_smallest_reasons_and_changes() {
    let profile = Profile::webhook();
    let some = filters(4).into_iter().step_by(37);
    for text in [String::new()].into_iter().chain((1..=3).flat_map(filters)).chain(some) {
        let filter = profile.filter(&text).unwrap();
        let mask = mask_of(&filter);
        for (at, held) in assignments().enumerate() {
            let event = event(&profile, held);
            let explanation = filter.explain(&event);
            let why = explanation.why();
            assert!(why.exact);
            let terms: Vec<u16> = explanation
                .steps()
                .iter()
                .filter_map(|step| match &step.kind {
                    StepKind::Term { attribute, operator, value, .. } => {
                        Some(term_mask(attribute, operator.compare_op(), value))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(why.reason.len(), smallest_reason(&terms, mask, at), "{text} on {held:?}");
            let mut alike = ALL;
            for part in &why.reason {
                let step = &explanation.steps()[*part];
                let StepKind::Term { attribute, operator, value, .. } = &step.kind else {
                    panic!("a reason has only terms")
                };
                let verdicts = term_mask(attribute, operator.compare_op(), value);
                alike &= if step.holds { verdicts } else { !verdicts };
            }
            assert!(alike & mask == 0 || alike & !mask == 0, "{text} on {held:?}: {why:?}");
            if mask & (1 << at) != 0 {
                assert_eq!(why.change, None);
                continue;
            }
            let differ =
                |other: &[Option<&str>; 2]| (0..2).filter(|n| other[*n] != held[*n]).count();
            let least = assignments().enumerate().filter(|(to, _)| mask & (1 << to) != 0);
            let least = least.map(|(_, other)| differ(&other)).min();
            assert_eq!(why.change.as_ref().map(Vec::len), least, "{text} on {held:?}");
            if let Some(changes) = why.change {
                let mut changed = held;
                for change in changes {
                    let which =
                        ATTRIBUTES.iter().position(|name| *name == change.attribute).unwrap();
                    assert_eq!(change.found, held[which]);
                    changed[which] = change
                        .to
                        .map(|to| *HELD.iter().flatten().find(|known| **known == to).unwrap());
                }
                let to = assignments().position(|other| other == changed).unwrap();
                assert!(mask & (1 << to) != 0, "{text} on {held:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn keeps_the_laws_for_larger_filters(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        laws::analysis::analysis(&choices);
    }
}

/// Returns a profile of the attributes `a0`, `a1` and so on.
fn profile(attributes: usize) -> Profile {
    let attribute = |n| Attribute::new(format!("a{n}"), [JsonPath::new([format!("k{n}")])]);
    Profile::new((0..attributes).map(attribute))
        .unwrap()
        .with_limits(Limits::default().with_depth(Limits::MAX_DEPTH))
}

/// A generator of random trees, in groups of at most `operands`.
struct Tree<'r> {
    random: &'r mut u64,
    attributes: usize,
    values: usize,
    operands: usize,
}

impl Tree<'_> {
    fn below(&mut self, n: usize) -> usize {
        *self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*self.random >> 33) as usize % n
    }

    fn text(&mut self, terms: usize, and: bool) -> String {
        if terms == 1 {
            let (attribute, value) = (self.below(self.attributes), self.below(self.values));
            return format!("a{attribute} {} \"{value}\"", ["eq", "ne"][self.below(2)]);
        }
        let mut sizes = vec![1; (2 + self.below(self.operands - 1)).min(terms)];
        for _ in sizes.len()..terms {
            let at = self.below(sizes.len());
            sizes[at] += 1;
        }
        let operands: Vec<String> = sizes.into_iter().map(|size| self.text(size, !and)).collect();
        format!("({})", operands.join(if and { " and " } else { " or " }))
    }
}

/// Returns filters with large diagrams: random trees, lists of clauses over permuted values, and
/// chains nested to the limit.
fn hostile(terms: usize, attributes: usize) -> Vec<String> {
    let mut random = terms as u64;
    let mut texts = Vec::new();
    for operands in [2, 4, 16] {
        for values in [4, 16, terms / 4] {
            let mut tree = Tree { random: &mut random, attributes, values, operands };
            texts.extend([true, false].map(|and| tree.text(terms, and)));
        }
    }
    for size in 2..=5 {
        let term = |n: usize| {
            let value = n / attributes * 7919 % (terms / attributes).max(1);
            let operator = ["eq", "ne"][(n ^ n >> 2) % 2];
            format!("a{} {operator} \"{value}\"", n % attributes)
        };
        for (inner, outer) in [(" or ", " and "), (" and ", " or ")] {
            let clause = |n: usize| {
                let terms: Vec<String> = (n * size..(n + 1) * size).map(term).collect();
                format!("({})", terms.join(inner))
            };
            texts.push((0..terms / size).map(clause).collect::<Vec<_>>().join(outer));
        }
    }
    let mut chain = "a0 eq \"x\"".to_owned();
    for n in 1..terms.min(Limits::MAX_DEPTH) {
        let (joint, operator) = (["and", "or"][n % 2], ["eq", "ne"][n / 2 % 2]);
        chain = format!("a{} {operator} \"{}\" {joint} ({chain})", n % attributes, n / 5);
    }
    texts.push(chain);
    texts
}

#[test]
fn decides_filters_of_64_terms() {
    let profile = profile(4);
    let filters: Vec<Filter> =
        hostile(64, 4).iter().map(|text| profile.filter(text).unwrap()).collect();
    let (mut analyzed, mut compared) = (0, 0);
    for filter in &filters {
        let analysis = filter.analyze();
        assert!(analysis.complete, "{filter}");
        analyzed = analyzed.max(analysis.work);
        let other = &filters[analyzed % filters.len()];
        let diff = filter.diff(other);
        assert_ne!(diff.relation, Relation::Undecided, "{filter} to {other}");
        compared = compared.max(diff.work);
    }
    assert!(analyzed < WORK / 2 && compared < WORK / 2, "{analyzed} and {compared} steps");
}

/// What takes too much work is reported as undecided, and every other result is right.
#[test]
fn stays_within_limits_for_hostile_filters() {
    let mut undecided = 0;
    for attributes in [4, 16, 64] {
        let profile = profile(attributes);
        let filters: Vec<Filter> =
            hostile(512, attributes).iter().map(|text| profile.filter(text).unwrap()).collect();
        for (filter, other) in filters.iter().zip(filters.iter().skip(1)) {
            let mut analysis = None;
            let used = allocation_counter::measure(|| analysis = Some(filter.analyze()));
            let analysis = analysis.unwrap();
            assert!(analysis.work <= WORK);
            assert!(used.bytes_max < 64 << 20, "{} bytes", used.bytes_max);
            undecided += usize::from(!analysis.complete);
            let event =
                Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
            if analysis.satisfiability == Satisfiability::Undecided {
                assert_eq!((analysis.matching.as_ref(), analysis.missing.as_ref()), (None, None));
            } else {
                let expected = if filter.matches(&event) {
                    Satisfiability::Never
                } else {
                    Satisfiability::Always
                };
                assert_ne!(analysis.satisfiability, expected);
            }
            let diff = filter.diff(other);
            assert!(diff.work <= WORK);
            if diff.relation == Relation::Undecided {
                assert_eq!((diff.gained, diff.lost), (None, None));
            }
            let why = filter.explain(&event).why();
            let constant =
                matches!(analysis.satisfiability, Satisfiability::Always | Satisfiability::Never);
            assert_eq!(why.reason.is_empty(), constant);
            let simplified = analysis.simplified.as_ref().unwrap_or(filter);
            let mut random = 7;
            let mut values = Tree { random: &mut random, attributes, values: 128, operands: 2 };
            for _ in 0..50 {
                let event = (0..attributes).fold(event.clone(), |event, n| match values.below(3) {
                    0 => event,
                    _ => {
                        let value = values.below(128).to_string();
                        event.with_attribute(&format!("a{n}"), value).unwrap()
                    }
                });
                assert_eq!(simplified.matches(&event), filter.matches(&event), "{filter}");
            }
        }
    }
    assert!(undecided > 20, "only {undecided} hostile filters were undecided");
}

#[test]
fn decides_long_lists() {
    let list = |name: &str, count: usize| {
        let terms: Vec<String> = (0..count).map(|n| format!("{name} eq \"{n}\"")).collect();
        format!("({})", terms.join(" or "))
    };
    let texts = [
        list("id", 512),
        format!("{} and {}", list("id", 400), list("spaceId", 112)),
        format!("{} or {}", list("id", 256), list("id", 256)),
        format!(
            "{} and {} and {}",
            list("id", 100),
            list("spaceId", 100),
            list("topLevelResourceId", 100)
        ),
    ];
    let profile = Profile::webhook();
    let filters = texts.map(|text| profile.filter(&text).unwrap());
    for filter in &filters {
        let analysis = filter.analyze();
        assert!(analysis.complete && analysis.satisfiability == Satisfiability::Sometimes);
        let event =
            Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
        let why = filter.explain(&event).why();
        assert!(why.exact && why.change.is_some());
        for other in &filters {
            assert_ne!(filter.diff(other).relation, Relation::Undecided);
        }
    }
    let duplicate = filters[2].analyze();
    assert_eq!(duplicate.redundant.len(), 256);
    assert_eq!(duplicate.simplified.as_ref().unwrap().to_string().matches(" or ").count(), 255);
}

#[test]
fn warns_of_unintended_filters() {
    let reload = ["com.qlik.v1.app.reload.finished"];
    let cases: &[(&str, &[&str])] = &[
        (r#"id eq "a""#, &[]),
        ("", &[]),
        (r#"id eq "a" and id eq "b""#, &[]),
        (r#"id eq "a" and id ne "a""#, &[]),
        (r#"id ne "a" or id ne "b""#, &[]),
        (r#"data.status ne "ok" or data.status ne "error""#, &reload),
        (r#"data.status ne "ok" and data.status ne "error""#, &reload),
        (r#"data.status eq "ok" or data.status eq "error""#, &reload),
        (r#"id eq "a" or spaceId eq "s" or ID eq "\u0061""#, &[]),
        (r#"id eq "a" or (id eq "a" and spaceId ne "s")"#, &[]),
        (r#"id eq "a" and id ne "b""#, &[]),
        (r#"spaceId eq "s" or (id eq "a" and id eq "b")"#, &[]),
        (r#"spaceId eq "s" and (id ne "a" or id ne "b")"#, &[]),
        (r#"(id eq "a" or spaceId eq "s") and (id eq "a" or spaceId eq "s")"#, &[]),
        (r#"(id eq "a" and spaceId eq "s") or (id ne "a" and spaceId eq "s")"#, &[]),
        (r#"id eq "a" or id eq "b""#, &reload),
        (r#"topLevelResourceId eq "a" and spaceId ne "b""#, &reload),
        (r#"id eq "a""#, &["com.qlik.v1.app.reload.finished", "com.qlik.v1.app.created"]),
        (r#"id eq "a""#, &["com.qlik.v1.app.reload.finished", "unheard.of"]),
    ];
    let (profile, catalogue) = (Profile::webhook(), Catalogue::builtin());
    let mut report = String::new();
    for (text, types) in cases {
        let types: Vec<EventType> = types.iter().map(|name| EventType::from(*name)).collect();
        let filter = profile.filter(text).unwrap();
        writeln!(report, "{text}").unwrap();
        for warning in filter.warnings(text, |name| catalogue.lacks(&types, name)) {
            let at = &text[warning.span().unwrap().range()];
            let help = warning.help();
            writeln!(report, "  {}: {warning}\n    at {at}\n    help: {help}", warning.code())
                .unwrap();
        }
    }
    insta::assert_snapshot!("warnings_of_filters", report);
    let filter = profile.filter(r#"id eq "a" and id eq "b""#).unwrap();
    assert!(
        filter.warnings(r#"id eq "a" and id eq "c""#, |_| true).is_empty(),
        "the text is not that of the filter"
    );
}

/// Each of these reasons is smaller than the one found by a walk over the tree.
#[test]
fn finds_smaller_reasons_than_the_structure_shows() {
    let profile = Profile::webhook();
    let filter = |text: &str| profile.filter(text).unwrap();
    let event = ATTRIBUTES.iter().chain(&["topLevelResourceId"]);
    let event = event.fold(
        Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x")),
        |event, name| event.with_attribute(name, "v").unwrap(),
    );
    let cases: [(&str, &[usize]); 5] = [
        // `spaceId` and `topLevelResourceId` come first, but `id` is enough.
        (r#"(spaceId eq "v" or id eq "v") and (topLevelResourceId eq "v" or id eq "v")"#, &[3]),
        // That `id` is "v" implies that it is not "w".
        (r#"id eq "w" or id eq "x" or id eq "v" and spaceId eq "w""#, &[4, 5]),
        (r#"id ne "v" and spaceId ne "v" and topLevelResourceId ne "v""#, &[1]),
        (r#"id ne "w" and id ne "x" and id ne "y""#, &[1, 2, 3]),
        (r#"id eq "v" or id ne "v""#, &[]),
    ];
    for (text, reason) in cases {
        let filter = filter(text);
        let why = filter.explain(&event).why();
        assert_eq!((&*why.reason, why.exact), (reason, true), "{text}");
    }
}

/// Programs rely on these forms.
#[test]
fn serializes_explanations_and_differences() {
    let profile = Profile::webhook();
    let filter =
        profile.filter(r#"(id eq "a" or spaceId ne "s") and data.status eq "ok""#).unwrap();
    let event = br#"{"type": "x", "tenantid": "t", "extensions": {"spaceId": "s"}, "data": {"attributes": {"id": "b"}}}"#;
    let event = profile.read_event(event).unwrap();
    let term = |depth,
                name: &str,
                operator: &str,
                value: &str,
                found: Option<&str>,
                place: Option<&str>| {
        json!({
            "depth": depth, "holds": false, "kind": "term", "attribute": name, "operator": operator,
            "value": value, "found": found, "place": place,
        })
    };
    let expected = json!({
        "holds": false,
        "steps": [
            {"depth": 0, "holds": false, "kind": "and"},
            {"depth": 1, "holds": false, "kind": "or"},
            term(2, "id", "eq", "a", Some("b"), Some("/data/attributes/id")),
            term(2, "spaceId", "ne", "s", Some("s"), Some("/extensions/spaceId")),
            term(1, "data.status", "eq", "ok", None, None),
        ],
        "reason": [4],
        "change": [
            {"attribute": "spaceId", "found": "s", "to": null},
            {"attribute": "data.status", "found": null, "to": "ok"},
        ],
        "exact": true,
    });
    assert_eq!(serde_json::to_value(filter.explain(&event)).unwrap(), expected);
    let other = profile.filter(r#"id eq "c" or spaceId eq "s""#).unwrap();
    assert_eq!(
        serde_json::to_string(&filter.diff(&other)).unwrap(),
        r#"{"relation":"overlapping","gained":{"spaceId":"s"},"lost":{"data.status":"ok"}}"#
    );
    let undecided = dense();
    assert_eq!(
        serde_json::to_string(&undecided[0].diff(&undecided[1])).unwrap(),
        r#"{"relation":"undecided","gained":null,"lost":null}"#
    );
}

/// Returns two filters with large diagrams for every order of attributes.
fn dense() -> [Filter; 2] {
    let profile = profile(64);
    let mut random = 1;
    [true, false].map(|and| {
        let mut tree = Tree { random: &mut random, attributes: 64, values: 2, operands: 3 };
        profile.filter(&tree.text(512, and)).unwrap()
    })
}

#[test]
fn returns_the_paths_of_the_values() {
    let profile = Profile::webhook();
    let bytes = br#"{"type": "x", "tenantid": "t", "spaceid": "", "data": {"id": 5, "spaceId": "s",
        "attributes": {"id": "a~b"}, "status": ""}}"#;
    let event = profile.read_event(bytes).unwrap();
    let places: Vec<Option<String>> =
        event.places().iter().map(|place| place.as_ref().map(JsonPath::pointer)).collect();
    let expected = [Some("/data/attributes/id"), None, Some("/data/spaceId"), Some("/data/status")];
    assert_eq!(places, expected.map(|place| place.map(str::to_owned)));
    assert_eq!(event.attribute("data.status"), Some(""));
    let changed = event.with_attribute("id", "x").unwrap();
    assert!(changed.places().is_empty());
    assert_eq!(JsonPath::new(["a/b", "~c"]).pointer(), "/a~1b/~0c");
}

#[test]
fn simplifies_filters_that_match_always_or_never() {
    let profile = Profile::webhook();
    let cases = [
        ("", Satisfiability::Always, None),
        (r#"id ne "a" or id ne "b""#, Satisfiability::Always, Some("")),
        (r#"id eq "a" or spaceId eq "s" or id ne "a""#, Satisfiability::Always, Some("")),
        (r#"id eq "a" and id eq "b""#, Satisfiability::Never, None),
        (r#"id ne "a" and id eq "a""#, Satisfiability::Never, None),
        (
            r#"id eq "a" and spaceId ne "s" and id eq "b""#,
            Satisfiability::Never,
            Some(r#"id eq "a" and id eq "b""#),
        ),
        (
            r#"id eq "a" and id ne "b" and spaceId ne "a" and id ne "a""#,
            Satisfiability::Never,
            Some(r#"id eq "a" and id ne "a""#),
        ),
        (
            r#"id ne "a" and id ne "b" and (id eq "b" or id eq "a")"#,
            Satisfiability::Never,
            Some(r#"id ne "b" and id eq "b""#),
        ),
    ];
    for (text, satisfiability, simplified) in cases {
        let analysis = profile.filter(text).unwrap().analyze();
        assert_eq!(analysis.satisfiability, satisfiability, "{text}");
        assert!(analysis.complete && analysis.redundant.is_empty(), "{text}");
        let found = analysis.simplified.as_ref().map(Filter::to_string);
        assert_eq!(found.as_deref(), simplified, "{text}");
        let nothing = Witness::default();
        let witnesses = match satisfiability {
            Satisfiability::Always => (Some(&nothing), None),
            _ => (None, Some(&nothing)),
        };
        assert_eq!((analysis.matching.as_ref(), analysis.missing.as_ref()), witnesses, "{text}");
    }
}

#[test]
fn reports_what_is_undecided() {
    let [dense, _] = dense();
    let analysis = dense.analyze();
    assert!(!analysis.complete);
    assert_eq!(analysis.work, WORK);
    let small = Profile::webhook().filter(r#"id eq "a" and id ne "b""#).unwrap().analyze();
    assert!(small.complete);
    assert!((2..WORK / 1000).contains(&small.work), "{} steps", small.work);
}

#[test]
fn reads_witnesses_by_name() {
    let text = r#"id eq "a\"" and spaceId eq "s" and topLevelResourceId ne "r""#;
    let analysis = Profile::webhook().filter(text).unwrap().analyze();
    let witness = analysis.matching.as_ref().unwrap();
    let values = ["id", "SPACEID", "topLevelResourceId"].map(|name| witness.get(name));
    assert_eq!(values, [Some("a\""), Some("s"), None]);
    assert_eq!(witness.to_string(), r#"{"id":"a\"","spaceId":"s"}"#);
}

/// A term that flips the verdict by itself is in every reason, so nothing is left to search.
#[test]
fn finds_exact_reasons_for_long_lists() {
    let limits = Limits::default().with_bytes(Limits::MAX_BYTES).with_terms(Limits::MAX_TERMS);
    let profile = Profile::webhook().with_limits(limits);
    let terms: Vec<String> = (0..2000).map(|n| format!("id ne \"{n}\"")).collect();
    let filter = profile.filter(&terms.join(" and ")).unwrap();
    let event = Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    let why = filter.explain(&event).why();
    assert!(why.exact);
    assert_eq!(why.reason, (1..=2000).collect::<Vec<_>>());
}

/// `id eq "b"` is removed because the second group does not hold with it. Then that whole group is
/// redundant, after one of its operands was removed.
#[test]
fn reports_no_redundant_part_inside_another() {
    let text = r#"(id eq "a" or id eq "b") and (id ne "b" or id ne "b")"#;
    let analysis = Profile::webhook().filter(text).unwrap().analyze();
    let parts: Vec<usize> = analysis.redundant.iter().map(|redundant| redundant.part).collect();
    assert_eq!(parts, [3, 4]);
    assert_eq!(analysis.simplified.as_ref().unwrap().to_string(), r#"id eq "a""#);
}

/// With one bit for each assignment, the time does not depend on the structure of the filter.
#[test]
fn finds_redundant_parts_of_a_small_domain_in_little_work() {
    let mut random = 24_799;
    let mut tree = Tree { random: &mut random, attributes: 4, values: 16, operands: 2 };
    let analysis = profile(4).filter(&tree.text(64, true)).unwrap().analyze();
    assert!(analysis.complete);
    assert!(analysis.work < 75_000, "{} steps", analysis.work);
}
