//! The analysis of filters against brute force, and its bounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod laws;

use hooksieve::event::Event;
use hooksieve::filter::analysis::{Reach, Relation, WORK, Witness};
use hooksieve::filter::{Filter, Profile, StepKind};
use hooksieve::syntax::{CompareOp, Expr, ExprKind, ExprRef, Value};
use laws::history::{self, Choices};
use proptest::prelude::*;
use std::collections::HashMap;

/// Two attributes, each with one of two values that filters mention, another value, or none: the
/// verdicts on all sixteen assignments are the bits of a mask.
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

/// The mask of an expression in which one part, counted in `next`, is forced to a verdict.
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
        _ => panic!("a webhook's filter"),
    };
    forced.filter(|(part, _)| *part == own).map_or(mask, |(_, verdict)| verdict)
}

fn mask_of(filter: &Filter) -> u16 {
    if filter.is_everything() {
        return ALL;
    }
    mask(Expr::parse(&filter.to_string()).unwrap().root(), &mut 0, None)
}

/// The parts without which, or with which, the mask would be the same.
fn removable(filter: &Filter) -> Vec<usize> {
    let expr = Expr::parse(&filter.to_string()).unwrap();
    let whole = mask_of(filter);
    let same = |part, verdict| mask(expr.root(), &mut 0, Some((part, verdict))) == whole;
    (0..expr.iter().count()).filter(|part| same(*part, ALL) || same(*part, 0)).collect()
}

/// All filters of so many terms: groups in groups of the other kind.
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

/// All lists of operands with so many terms: of two operands or more, or with `rest` of one.
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

/// The mask's bit that a witness stands for.
fn bit(witness: &Witness) -> u16 {
    let held = ATTRIBUTES.map(|name| witness.get(name));
    assert_eq!(held.iter().flatten().count(), witness.iter().len());
    1 << assignments().position(|assignment| assignment == held).unwrap()
}

/// How few attributes an assignment of a mask has.
fn fewest(mask: u16) -> Option<usize> {
    let counts = assignments().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
    counts.map(|(_, held)| held.iter().flatten().count()).min()
}

fn check_witness(witness: Option<&Witness>, mask: u16) {
    assert_eq!(witness.map(|witness| witness.iter().len()), fewest(mask));
    assert!(witness.is_none_or(|witness| bit(witness) & mask != 0));
}

fn check(profile: &Profile, text: &str) {
    let filter = profile.filter(text, None).unwrap();
    let analysis = filter.analyze();
    let mask = mask_of(&filter);
    let reach = match mask {
        0 => Reach::Never,
        ALL => Reach::Always,
        _ => Reach::Sometimes,
    };
    assert_eq!(analysis.reach(), reach, "{text}");
    assert!(analysis.is_complete());
    check_witness(analysis.matching(), mask);
    check_witness(analysis.missing(), !mask);
    let simplified = analysis.simplified().unwrap_or(&filter);
    assert_eq!(mask_of(simplified), mask, "{text} is simplified to {simplified}");
    let (long, short) = (filter.to_string(), simplified.to_string());
    assert!(short == long || short.len() < long.len(), "{long} is simplified to {short}");
    assert_eq!(&profile.filter(&short, None).unwrap(), simplified, "{short} is canonical");
    if reach == Reach::Sometimes {
        assert_eq!(removable(simplified), [0usize; 0], "{text} is simplified to {simplified}");
        assert_eq!(analysis.redundant().is_empty(), removable(&filter).is_empty(), "{text}");
        assert_eq!(analysis.redundant().is_empty(), analysis.simplified().is_none());
    } else {
        assert!(analysis.redundant().is_empty());
        assert!(simplified.explain(&Event::new(profile.layout(), "", "")).steps().len() <= 3);
    }
}

#[test]
fn analysis_of_all_small_filters() {
    let profile = Profile::webhook();
    let mut count = 0;
    for terms in 1..=4 {
        for text in filters(terms) {
            check(&profile, &text);
            count += 1;
        }
    }
    assert_eq!(count, 8 + 2 * 64 + 6 * 512 + 22 * 4096);
}

#[test]
fn masks_are_what_filters_match() {
    let profile = Profile::webhook();
    for text in (1..=3).flat_map(filters) {
        let filter = profile.filter(&text, None).unwrap();
        let mask = mask_of(&filter);
        for (at, held) in assignments().enumerate() {
            assert_eq!(filter.matches(&event(&profile, held)), mask & (1 << at) != 0, "{text}");
        }
    }
}

fn event<'p>(profile: &'p Profile, held: [Option<&'static str>; 2]) -> Event<'p> {
    let event = Event::new(profile.layout(), "t", "x");
    ATTRIBUTES.iter().zip(held).fold(event, |event, (name, value)| match value {
        Some(value) => event.with_attribute(name, value).unwrap(),
        None => event,
    })
}

#[test]
fn diff_of_all_small_filters() {
    let profile = Profile::webhook();
    let small: Vec<Filter> = [String::new()]
        .into_iter()
        .chain((1..=2).flat_map(filters))
        // One of each condition, and others that say the same.
        .chain(filters(3).into_iter().step_by(23))
        .map(|text| profile.filter(&text, None).unwrap())
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

/// The size of the smallest set of terms whose verdicts on `at` decide the mask.
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
fn reasons_and_changes_of_all_small_filters() {
    let profile = Profile::webhook();
    for text in [String::new()].into_iter().chain((1..=3).flat_map(filters)) {
        let filter = profile.filter(&text, None).unwrap();
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
                    panic!("a reason is of terms")
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
