//! The rules of profiles: what each refuses, and with which message.
use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::{AttributePaths, Event, EventType, JsonPath, TenantId};
use hooksieve::filter::{Attribute, Filter, Operator, Profile};
use hooksieve::matcher::{InsertError, Matcher, Subscription};
use hooksieve::syntax::{Expr, Limits};
use std::fmt::Write as _;

const RELOAD: &str = "com.qlik.v1.app.reload.finished";

fn report(text: &str, types: Option<&[&str]>) -> String {
    let types: Option<Vec<EventType>> =
        types.map(|types| types.iter().map(|name| EventType::from(*name)).collect());
    let mut report = format!(
        "{text}   {types:?}\n",
        types = types.as_ref().map(|types| types.iter().map(EventType::as_str).collect::<Vec<_>>())
    );
    let profile = Profile::webhook();
    let checked = match &types {
        Some(types) => profile.filter_for(text, types),
        None => profile.filter(text),
    };
    match checked {
        Ok(filter) => writeln!(report, "  ok: {filter}").unwrap(),
        Err(error) => {
            for problem in &error {
                let at = &text[problem.span().unwrap().range()];
                writeln!(
                    report,
                    "  {}: {}\n    at {at}\n    help: {}",
                    problem.code(),
                    problem.message(),
                    problem.help()
                )
                .unwrap();
            }
        }
    }
    report
}

#[test]
fn checks_the_rules_of_the_webhook_profile() {
    let cases: &[(&str, Option<&[&str]>)] = &[
        (r#"ID eq "x" AND (spaceid NE "y" or toplevelresourceid EQ "z")"#, Some(&["a", "b"])),
        ("", None),
        (" \t\r\n", Some(&[])),
        (r#"spaceIdd eq "x""#, None),
        (r#"space eq "x" or status eq "ok" or color eq "red" or data.state eq "ok""#, None),
        (r#"urn:a:b:id eq "x" and id.value eq "x""#, None),
        (r#"id co "x" and id sw "x" and id ge "x""#, None),
        (r#"id pr"#, None),
        (r#"not (id eq "x" or idd pr)"#, None),
        (r#"emails[type eq "work" and idd pr] and idd pr"#, None),
        (r#"id eq 5 or id eq true or id eq null"#, None),
        (r#"idd co 5"#, None),
        (r#"data.status eq "ok" or data.status ne "error""#, None),
        (r#"DATA.STATUS eq "ok""#, Some(&[RELOAD])),
        (r#"data.status eq "ok""#, Some(&[RELOAD, RELOAD])),
        (r#"data.status eq "ok""#, Some(&[RELOAD, "a"])),
        (r#"data.status eq "ok" and data.status ne "error""#, Some(&["a"])),
        (r#"data.status eq "ok""#, Some(&[])),
        (r#"data.status eq "OK""#, None),
        (r#"data.status eq "OK" and idd eq 5"#, Some(&["a"])),
    ];
    let reports: Vec<String> = cases.iter().map(|(text, types)| report(text, *types)).collect();
    insta::assert_snapshot!("rules_of_the_webhook_profile", reports.join("\n"));
}

#[test]
fn reports_the_same_codes_for_another_profile() {
    let profile = Profile::new([
        Attribute::new("region", [JsonPath::new(["data", "region"]), JsonPath::new(["region"])]),
        Attribute::new("level", [JsonPath::new(["data", "level"])])
            .one_of(["high", "low"])
            .only_with("alert"),
    ])
    .unwrap();
    let profile =
        profile.with_operators([Operator::Eq]).with_limits(Limits::default().with_terms(2));
    let alert = [EventType::from("alert")];
    assert!(profile.filter_for(r#"region eq "eu" and level eq "low""#, &alert).is_ok());
    let code = |text: &str| {
        let error = profile.filter_for(text, &[EventType::from("x")]).unwrap_err();
        error.iter().next().unwrap().code()
    };
    assert_eq!(code(r#"region ne "eu""#), "filter-unsupported-operator");
    assert_eq!(code(r#"id eq "eu""#), "filter-unknown-attribute");
    assert_eq!(code(r#"level eq "low""#), "filter-attribute-not-allowed");
    assert_eq!(code(r#"region eq "a" or region eq "b" or region eq "c""#), "filter-too-many-terms");
    let filter = profile.filter(r#"region eq "eu""#).unwrap();
    let event = profile.read_event(br#"{"type":"x","tenantid":"t","region":"eu"}"#).unwrap();
    assert!(filter.matches(&event));
}

#[test]
fn resolves_events_of_another_profile_by_name() {
    let other = Profile::new([
        Attribute::new("spaceId", [JsonPath::new(["room"])]),
        Attribute::new("ID", [JsonPath::new(["thing"])]),
    ])
    .unwrap();
    let event = other
        .read_event(br#"{"type":"x","tenantid":"t","thing":"1","room":"s","spaceid":"no"}"#)
        .unwrap();
    let webhook = Profile::webhook();
    for (text, expected) in [
        (r#"id eq "1" and spaceId eq "s""#, true),
        (r#"topLevelResourceId ne "r""#, true),
        (r#"spaceId eq "no""#, false),
    ] {
        let filter = webhook.filter(text).unwrap();
        assert_eq!(filter.matches(&event), expected, "{text}");
        let mut matcher = Matcher::new(&webhook);
        matcher.insert(&Subscription::new("t", ["x"], filter)).unwrap();
        let mut scratch = hooksieve::matcher::Scratch::default();
        let hits = matcher.matches(&event, hooksieve::matcher::Access::EventOwner, &mut scratch);
        assert_eq!(hits.len() == 1, expected, "{text}");
    }
}

#[test]
fn refuses_filters_of_another_profile_in_a_matcher() {
    let other = Profile::new([Attribute::new("id", [JsonPath::new(["x"])])]).unwrap();
    let mut matcher = Matcher::new(&Profile::webhook());
    let foreign = Subscription::new("t", ["x"], Filter::everything(&other));
    let error = matcher.insert(&foreign).unwrap_err();
    assert_eq!((error, error.code()), (InsertError::OtherProfile, "matcher-other-profile"));
    assert!(matcher.is_empty());
}

#[test]
fn refuses_invalid_profiles() {
    let one = |name: &str, places: Vec<JsonPath>| {
        Profile::new([Attribute::new(name, places)]).unwrap_err()
    };
    let place = || vec![JsonPath::new(["x"])];
    for name in ["", "1a", "a b", "a.b.c", "urn:a:b:c", "a eq", "x[y"] {
        assert_eq!(one(name, place()).code(), "profile-invalid-name", "{name}");
    }
    assert_eq!(one("a", vec![]).code(), "profile-no-path");
    assert_eq!(one("a", vec![JsonPath::new([""; 0])]).code(), "profile-no-path");
    assert_eq!(one("a", vec![JsonPath::new(["k"; 9])]).code(), "profile-deep-path");
    let same = [Attribute::new("a", place()), Attribute::new("A", place())];
    assert_eq!(Profile::new(same).unwrap_err().code(), "profile-duplicate-attribute");
    let many = (0..300).map(|n| (format!("a{n}"), vec![JsonPath::new([format!("k{n}")])]));
    assert_eq!(AttributePaths::new(many).unwrap_err().code(), "profile-too-many-keys");
}

/// All attributes are present in one event.
#[test]
fn supports_a_profile_of_200_attributes() {
    let attributes =
        (0..200).map(|n| Attribute::new(format!("a{n}"), [JsonPath::new([format!("k{n}")])]));
    let profile = Profile::new(attributes).unwrap();
    let mut matcher = Matcher::new(&profile);
    for n in 0..200 {
        let text = format!(r#"a{n} eq "v" and a{} ne "w""#, (n + 1) % 200);
        let filter = profile.filter(&text).unwrap();
        matcher.insert(&Subscription::new("t", ["x"], filter)).unwrap();
    }
    let mut event =
        Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
    for n in 0..200 {
        event = event.with_attribute(&format!("a{n}"), if n == 50 { "w" } else { "v" }).unwrap();
    }
    let mut scratch = hooksieve::matcher::Scratch::default();
    let hits: Vec<usize> = matcher
        .matches(&event, Default::default(), &mut scratch)
        .map(|slot| slot.index())
        .collect();
    let expected: Vec<usize> = (0..200).filter(|n| *n != 50 && *n != 49).collect();
    assert_eq!(hits, expected);
}

#[test]
fn compares_and_hashes_filters_regardless_of_spelling() {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let profile = Profile::webhook();
    let filter = |text: &str| profile.filter(text).unwrap();
    let hash = |filter: &Filter| BuildHasherDefault::<DefaultHasher>::default().hash_one(filter);
    let same = [
        r#"id eq "a" or spaceId ne "b""#,
        r#"(ID EQ "a")or2"#.replace("or2", " OR  ((SPACEID ne \"\\u0062\"))").as_str(),
    ]
    .map(filter);
    assert_eq!(same[0], same[1]);
    let hashed = hash(&same[0]);
    assert_eq!(hash(&same[1]), hashed);
    let set: HashSet<Filter> = same.into_iter().collect();
    assert_eq!(set.len(), 1);
    for other in [
        r#"spaceId ne "b" or id eq "a""#,
        r#"id eq "A" or spaceId ne "b""#,
        r#"id eq "a" and spaceId ne "b""#,
        r#"id eq "a""#,
        "",
    ] {
        assert!(!set.contains(&filter(other)), "{other}");
        assert_ne!(hash(&filter(other)), hashed, "{other}");
    }
}

#[test]
fn counts_attributes_that_share_a_path() {
    let many = |count: usize| (0..count).map(|n| (format!("a{n}"), vec![JsonPath::new(["x"])]));
    assert!(AttributePaths::new(many(AttributePaths::MAX_KEYS)).is_ok());
    let error = AttributePaths::new(many(AttributePaths::MAX_KEYS + 1)).unwrap_err();
    assert_eq!(error.code(), "profile-too-many-keys");
}

#[test]
fn reports_and_counts_all_violations() {
    let profile = Profile::webhook();
    let check = |text: &str| profile.check(&Expr::parse(text).unwrap()).unwrap_err();
    let violations = check(r#"idd eq "x" and (id co "y" or id eq 5)"#);
    let codes: Vec<&str> = (&violations).into_iter().map(Diagnostic::code).collect();
    let expected =
        ["filter-unknown-attribute", "filter-unsupported-operator", "filter-value-not-a-string"];
    assert_eq!(codes, expected);
    assert_eq!(violations.to_string(), "unknown attribute `idd`, and 2 more");
    assert_eq!(check("idd eq \"x\"").to_string(), "unknown attribute `idd`");
}

/// A guess takes the product of the lengths of two names, and a filter may have many names.
#[test]
fn gives_no_guess_for_names_above_64_bytes() {
    let help = |length: usize| {
        let text = format!("{}.spaceIdd eq \"x\"", "x".repeat(length - ".spaceIdd".len()));
        let error = Profile::webhook().filter(&text).unwrap_err();
        error.iter().next().unwrap().help().to_owned()
    };
    assert!(help(64).starts_with("did you mean `spaceId`? known attributes: "));
    assert!(help(65).starts_with("known attributes: "));
}

#[test]
fn compares_profiles_by_content() {
    let webhook = Profile::webhook();
    let limits = Limits::default();
    assert_eq!(webhook.with_operators(Operator::ALL), webhook);
    assert_eq!(webhook.with_limits(limits), webhook);
    assert_ne!(webhook.with_operators([Operator::Eq]), webhook);
    assert_ne!(webhook.with_limits(limits.with_terms(1)), webhook);
    let other = Profile::new([Attribute::new("id", [JsonPath::new(["data", "id"])])]).unwrap();
    assert_ne!(other, webhook);
}

/// A filter that only wider limits accept has warnings too.
#[test]
fn applies_the_limits_of_the_profile_to_warnings() {
    let depth = Limits::default().depth() + 1;
    let text = format!("{}id eq \"a\" and id eq \"b\"{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Profile::webhook().filter(&text).is_err());
    let wider = Profile::webhook().with_limits(Limits::default().with_depth(depth));
    let warnings = wider.filter(&text).unwrap().warnings(&text, |_| false);
    let codes: Vec<_> = warnings.iter().map(Diagnostic::code).collect();
    assert_eq!(codes, ["never-matches"]);
}

#[test]
fn shows_the_filter_and_the_profile_in_debug_output() {
    let profile = Profile::webhook();
    let filter = profile.filter(r#"(ID eq "a")"#).unwrap();
    assert_eq!(format!("{filter:?}"), r#"Filter(id eq "a")"#);
    let names = r#"["id", "topLevelResourceId", "spaceId", "data.status"]"#;
    assert_eq!(format!("{profile:?}"), names);
}

/// The help never suggests an operator that the profile does not have.
#[test]
fn fits_the_help_for_syntax_to_the_profile() {
    let profile = Profile::webhook();
    let without_not = "write `ne` instead of `not(… eq …)`, and swap `and` and `or` inside it";
    for (text, help) in [
        (r#"id like "a""#, "use eq or ne"),
        (r#"id in ("a", "b")"#, r#"write `id eq "a" or id eq "b"`"#),
        (r#"id contains "a""#, "`co` is not supported here; use eq or ne"),
        (r#"contains(id, "a")"#, "`co` is not supported here; use eq or ne"),
        (r#"id > "a""#, "`gt` is not supported here; use eq or ne"),
        (r#"id = "a""#, r#"write `id eq "a"`"#),
        (r#"not id eq "a""#, without_not),
        (r#"!(id eq "a")"#, without_not),
        (r#"[id eq "a"]"#, "group with `(` and `)`"),
    ] {
        let error = profile.filter(text).unwrap_err();
        assert_eq!(error.iter().next().unwrap().help(), help, "{text}");
    }
}
