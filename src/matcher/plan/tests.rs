use super::{Code, END, Plan, Plans, Watch, encode, ranks, spread};
use crate::filter::Profile;
use crate::matcher::keys::{Keys, Wanted};

fn code(filter: &str, keys: &mut Keys) -> Code {
    let filter = Profile::webhook().filter(filter).unwrap();
    encode(&filter, |term| keys.number(Wanted::new(0, term.attribute, term.value)))
}

fn text(plans: &Plans, plan: Plan, keys: &Keys) -> String {
    plans.filter(plan, &Profile::webhook(), keys).to_string()
}

/// As if other filters had the hash of one that is held.
#[test]
fn a_plan_is_shared_by_equal_filters_alone() {
    let profile = Profile::webhook();
    let (mut plans, mut keys) = (Plans::default(), Keys::new(ranks(&profile)));
    let held = r#"id eq "a" and spaceId eq "s""#;
    let first = code(held, &mut keys);
    let first = plans.hold(first, &mut keys);
    for other in [
        r#"id eq "a" and spaceId eq "r""#,
        r#"id eq "a" or spaceId eq "s""#,
        r#"id eq "a" and spaceId eq "s" and spaceId eq "r""#,
    ] {
        let other_code = code(other, &mut keys);
        let hash = keys.hashes().of(other_code.get(1..).unwrap());
        let entry = (hash, first.code().unwrap());
        plans.table.insert_unique(spread(hash), entry, |(hash, _)| spread(*hash));
        let plan = plans.hold(other_code.clone(), &mut keys);
        assert_ne!(plan, first, "{other}");
        assert_eq!(text(&plans, plan, &keys), other);
        assert_eq!(plans.hold(other_code, &mut keys), plan, "{other}");
    }
    assert_eq!(text(&plans, first, &keys), held);
}

/// Whether the code is read where the one value holds that is looked for, and where it does not.
#[test]
fn code_is_read_where_one_term_does_not_decide() {
    let profile = Profile::webhook();
    // One group and so many terms.
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
        let (mut plans, mut keys) = (Plans::default(), Keys::new(ranks(&profile)));
        let code = code(filter, &mut keys);
        let plan = plans.hold(code, &mut keys);
        let tested = plans.terms(&plan).filter(|(_, watch)| *watch == Watch::Test);
        let tests: Vec<_> = tested.map(|(value, _)| plans.test(plan, value, &keys)).collect();
        assert!(!tests.is_empty(), "{filter}");
        for test in tests {
            let found = [true, false].map(|holds| test.is_open(holds));
            assert_eq!(found, [held, not_held], "{filter}");
        }
    }
}

#[test]
fn there_is_room_for_codes_whose_place_fits_into_a_plan() {
    let plans = Plans::default();
    // The largest block that ends below the last place has so many words; the next one a third more.
    let most = 3 << 28;
    assert!(plans.have_room(1) && plans.have_room(most - 1));
    assert!(!plans.have_room(most) && !plans.have_room(END as usize));
}
