use super::{AccessKey, Code, END, Plan, Plans, Selectivity, encode};
use crate::filter::Profile;
use crate::matcher::dictionary::{AttributeValue, Dictionary};

fn code(filter: &str, dictionary: &mut Dictionary) -> Code {
    let filter = Profile::webhook().filter(filter).unwrap();
    encode(&filter, |term| dictionary.intern(AttributeValue::new(0, term.attribute, term.value)))
}

fn text(plans: &Plans, plan: Plan, dictionary: &Dictionary) -> String {
    plans.filter(plan, &Profile::webhook(), dictionary).to_string()
}

/// Enters the stored code under the hash of other filters, as a collision would.
#[test]
fn shares_a_plan_only_among_equal_filters() {
    let profile = Profile::webhook();
    let (mut plans, mut dictionary) =
        (Plans::default(), Dictionary::new(Selectivity::of_profile(&profile)));
    let held = r#"id eq "a" and spaceId eq "s""#;
    let first = code(held, &mut dictionary);
    let first = plans.acquire(first, &mut dictionary);
    for other in [
        r#"id eq "a" and spaceId eq "r""#,
        r#"id eq "a" or spaceId eq "s""#,
        r#"id eq "a" and spaceId eq "s" and spaceId eq "r""#,
    ] {
        let other_code = code(other, &mut dictionary);
        let hash = dictionary.hashes().of(other_code.get(1..).unwrap());
        plans.table.insert(hash, first.code().unwrap());
        let plan = plans.acquire(other_code.clone(), &mut dictionary);
        assert_ne!(plan, first, "{other}");
        assert_eq!(text(&plans, plan, &dictionary), other);
        assert_eq!(plans.acquire(other_code, &mut dictionary), plan, "{other}");
    }
    assert_eq!(text(&plans, first, &dictionary), held);
}

/// For each filter: whether the code is evaluated if the residual's value holds, and if it does
/// not.
#[test]
fn evaluates_code_only_if_one_term_does_not_decide() {
    let profile = Profile::webhook();
    // One group and `terms` terms.
    let all = |terms: usize| {
        let spaces = (1..terms).map(|n| format!(r#" and spaceId eq "{n}""#));
        format!(r#"id eq "a"{}"#, spaces.collect::<String>())
    };
    for (filter, held, not_held) in [
        (r#"id eq "a" and spaceId eq "s""#, false, false),
        (r#"id eq "a" and spaceId ne "s""#, false, false),
        (r#"id ne "a" or spaceId ne "s""#, false, false),
        (r#"spaceId eq "s" and (id eq "a" or id eq "b")"#, false, false),
        (r#"id eq "a" and spaceId eq "s" and spaceId eq "r""#, true, false),
        (r#"id eq "a" and (spaceId eq "s" or spaceId eq "r")"#, true, true),
        (&all(127), true, false),
        (&all(128), true, true),
    ] {
        let (mut plans, mut dictionary) =
            (Plans::default(), Dictionary::new(Selectivity::of_profile(&profile)));
        let code = code(filter, &mut dictionary);
        let plan = plans.acquire(code, &mut dictionary);
        let keys = plans.terms(&plan).filter(|(_, key)| *key == AccessKey::WithResidual);
        let residuals: Vec<_> =
            keys.map(|(value, _)| plans.residual(plan, value, &dictionary)).collect();
        assert!(!residuals.is_empty(), "{filter}");
        for residual in residuals {
            let found = [true, false].map(|holds| residual.needs_evaluation(holds));
            assert_eq!(found, [held, not_held], "{filter}");
        }
    }
}

#[test]
fn has_room_for_codes_whose_offset_fits_in_a_plan() {
    let plans = Plans::default();
    // The capacity of the largest block that ends below the greatest offset; the next is a third
    // more.
    let limit = 3 << 28;
    assert!(plans.has_room(1) && plans.has_room(limit - 1));
    assert!(!plans.has_room(limit) && !plans.has_room(END as usize));
}
