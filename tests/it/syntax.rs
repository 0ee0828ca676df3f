//! The parser and its messages: each file of `tests/data/filters` is a filter, and its snapshot is
//! the canonical form with the tree, or the error.
use hooksieve::diagnostic::Diagnostic;
use hooksieve::filter;
use hooksieve::syntax::{Expr, ExprKind, Limits, Value};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Renders an error with its place marked in the text.
fn render(text: &str, error: &Diagnostic) -> String {
    let span = error.span().unwrap().range();
    let marked = format!("{}▶{}◀{}", &text[..span.start], &text[span.clone()], &text[span.end..]);
    format!(
        "{}: {error}\n{marked}\nexpected {}\nhelp: {}\n",
        error.code(),
        error.expected().unwrap(),
        error.help()
    )
}

#[test]
fn filters() {
    insta::glob!("../data", "filters/*.txt", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.strip_suffix('\n').unwrap();
        let report = match Expr::parse(text) {
            Ok(expr) => format!("{expr}\n\n{expr:?}"),
            Err(error) => render(text, &error),
        };
        insta::with_settings!({ description => text.escape_debug().to_string(), omit_expression => true }, {
            insta::assert_snapshot!(report);
        });
    });
}

#[test]
fn has_a_case_for_every_kind_of_error() {
    let mut seen = HashSet::new();
    for entry in std::fs::read_dir("tests/data/filters").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        if let Err(error) = Expr::parse(text.strip_suffix('\n').unwrap()) {
            seen.insert(error.code());
        }
    }
    // The limits have tests of their own.
    let limits = ["filter-too-long", "filter-too-deep", "filter-too-many-terms"];
    // The codes of syntax errors come first.
    let codes: Vec<_> =
        filter::codes().take_while(|code| *code != "filter-unknown-attribute").collect();
    for code in codes.iter().filter(|code| !limits.contains(code)) {
        assert!(seen.contains(code), "no case for {code}");
    }
    assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len(), "each code is unique");
}

/// The suggestion is the whole filter, and the help shows it.
#[test]
fn suggests_the_whole_filter() {
    for (text, suggestion) in [
        ("id eq id123", r#"id eq "id123""#),
        ("id eq 'id 123'", r#"id eq "id 123""#),
        ("id eq “id 123”", r#"id eq "id 123""#),
        (r#"id = "x""#, r#"id eq "x""#),
        ("id==x", r#"id eq "x""#),
        (r#"id != "x""#, r#"id ne "x""#),
        (r#"id eq"x""#, r#"id eq "x""#),
        (r#"id eq "a" or "b""#, r#"id eq "a" or id eq "b""#),
        (r#"a pr and(b pr)"#, "a pr and b pr"),
        (r#"not a eq "x" and b pr"#, r#"not(a eq "x") and b pr"#),
    ] {
        let error = Expr::parse(text).unwrap_err();
        assert_eq!(error.suggestion(), Some(suggestion), "{text}");
        assert!(error.help().starts_with(&format!("write `{suggestion}`")), "{}", error.help());
    }
}

/// It is uncertain where the group ends, or which operator was meant.
#[test]
fn suggests_nothing_for_ambiguous_texts() {
    for text in
        ["(a pr or b pr and c pr", r#"id "x""#, "id eq a%20b", "id eq black or white", "a pr b pr"]
    {
        assert_eq!(Expr::parse(text).unwrap_err().suggestion(), None, "{text}");
    }
}

#[test]
fn refuses_one_more_than_the_limits() {
    let limits = Limits::default().with_bytes(20).with_depth(2).with_terms(2);
    let kind = |text| Expr::parse_within(text, limits).err().map(|error| error.code());
    assert_eq!(kind("a eq \"0123456789012\""), None);
    assert_eq!(kind("a eq \"01234567890123\""), Some("filter-too-long"));
    assert_eq!(kind("((a pr))"), None);
    assert_eq!(kind("(((a pr)))"), Some("filter-too-deep"));
    assert_eq!(kind("not(a[b pr])"), None);
    assert_eq!(kind("not(not(a[b pr]))"), Some("filter-too-deep"));
    assert_eq!(kind("(a pr) or (b pr)"), None);
    assert_eq!(kind("a pr or b pr or c pr"), Some("filter-too-many-terms"));
}

#[test]
fn has_the_documented_default_limits() {
    let terms = |count: usize| vec!["id pr"; count].join(" or ");
    assert!(Expr::parse(&terms(512)).is_ok());
    assert_eq!(Expr::parse(&terms(513)).unwrap_err().code(), "filter-too-many-terms");
    let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expr::parse(&nested(64)).is_ok());
    assert_eq!(Expr::parse(&nested(65)).unwrap_err().code(), "filter-too-deep");
    let long = |bytes: usize| format!("a eq \"{}\"", "x".repeat(bytes - 7));
    assert!(Expr::parse(&long(32_768)).is_ok());
    assert_eq!(Expr::parse(&long(32_769)).unwrap_err().code(), "filter-too-long");
}

/// A message quotes at most 80 characters, regardless of which part of the text is long.
#[test]
fn keeps_messages_short() {
    let mut report = String::new();
    for text in [
        format!("id eq {}", "x".repeat(9000)),
        format!("{} co", "a".repeat(9000)),
        format!("a {} 1", "é".repeat(9000)),
    ] {
        let error = Expr::parse(&text).unwrap_err();
        writeln!(report, "{error} {}", error.help()).unwrap();
        assert!(
            error.to_string().chars().count() < 200 && error.help().chars().count() < 400,
            "{error}"
        );
    }
    for c in ["x", "a", "é"] {
        assert!(report.contains(&c.repeat(80)) && !report.contains(&c.repeat(81)), "{c}");
    }
}

/// The escape in the help is one that the parser reads as the same character.
#[test]
fn shows_the_escapes_of_control_characters() {
    let escapes =
        [('\t', r"\t"), ('\n', r"\n"), ('\r', r"\r"), ('\0', r"\u0000"), ('\u{1f}', r"\u001f")];
    for (c, escape) in escapes {
        let error = Expr::parse(&format!("a eq \"x{c}y\"")).unwrap_err();
        assert_eq!(error.code(), "filter-control-character");
        assert!(error.help().starts_with(&format!("escape it as `{escape}`,")), "{}", error.help());
        let fixed = Expr::parse(&format!("a eq \"x{escape}y\"")).unwrap();
        let ExprKind::Compare { value, .. } = fixed.root().kind() else { panic!("{fixed}") };
        assert_eq!(value, Value::String(&format!("x{c}y")));
    }
}

#[test]
fn ignores_only_places_and_redundant_brackets_in_equality() {
    let texts = [
        r#"a eq "x""#,
        r#"a ne "x""#,
        r#"a eq "y""#,
        r#"A eq "x""#,
        "a eq 1",
        "a pr",
        "not (a pr)",
        "b[a pr]",
        "c[a pr]",
        "a pr and b pr",
        "a pr or b pr",
        // The same parts in the same order, but one group ends elsewhere.
        "a pr and (b pr or c pr) and d pr",
        "a pr and (b pr or c pr or d pr)",
    ];
    let exprs = texts.map(|text| Expr::parse(text).unwrap());
    for (text, one) in texts.iter().zip(&exprs) {
        let equal = exprs.iter().filter(|other| *other == one).count();
        assert_eq!(equal, 1, "{text}");
        assert_eq!(*one, Expr::parse(&format!("  ({text} )")).unwrap());
    }
}

#[test]
fn debugs_a_part_without_its_operands() {
    let expr = Expr::parse(r#"(A Eq "x")  AND b pr"#).unwrap();
    let parts: Vec<String> = expr.iter().map(|part| format!("{part:?}")).collect();
    assert_eq!(parts, ["ExprRef(and)", r#"ExprRef(A eq "x")"#, "ExprRef(b pr)"]);
}
