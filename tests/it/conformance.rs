//! Runs the suite of `tests/conformance`, which the page `conformance` of the guide describes.
//!
//! Each case is checked against the published grammar and against this crate.
use crate::abnf;

use abnf::Grammar;
use hooksieve::event::JsonPath;
use hooksieve::filter::{Attribute, Profile};
use hooksieve::syntax::{AttrPath, Expr, ExprKind, ExprRef, Value};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    rule: String,
    filter: String,
    outcome: Outcome,
    lenient: Option<String>,
    tree: Option<Json>,
    #[serde(default)]
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Accept,
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    resource: Json,
    matches: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leniency {
    name: String,
    kind: Kind,
    rfc: String,
    here: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// This crate accepts it, but the grammar does not derive it.
    Wider,
    /// This crate refuses it, but the grammar derives it.
    Narrower,
    /// This crate follows the grammar where the RFCs leave a choice.
    Open,
}

fn suite() -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir("tests/conformance/cases")
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let read = |path| -> Topic {
        let topic: Topic = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(!topic.about.is_empty());
        topic
    };
    files.iter().flat_map(|path| read(path).cases).collect()
}

fn leniencies() -> BTreeMap<String, Leniency> {
    let text = std::fs::read_to_string("tests/conformance/leniencies.json").unwrap();
    let list: Vec<Leniency> = serde_json::from_str(&text).unwrap();
    list.into_iter().map(|leniency| (leniency.name.clone(), leniency)).collect()
}

/// Reads the grammar of several files. A later rule replaces an earlier one of the same name.
fn grammar(files: &[&str]) -> Grammar {
    let read = |file: &&str| std::fs::read_to_string(format!("tests/conformance/{file}")).unwrap();
    Grammar::new(&files.iter().map(read).collect::<String>())
}

const PUBLISHED: &[&str] = &["scim-filter.abnf"];
const HERE: &[&str] = &["scim-filter.abnf", "hooksieve.abnf"];

/// Returns a tree in the notation of the suite.
fn tree(expr: ExprRef<'_>) -> Json {
    let group = |word: &str, operands: &mut dyn Iterator<Item = ExprRef<'_>>| {
        Json::from_iter([json!(word)].into_iter().chain(operands.map(tree)))
    };
    match expr.kind() {
        ExprKind::And(mut operands) => group("and", &mut operands),
        ExprKind::Or(mut operands) => group("or", &mut operands),
        ExprKind::Not(operand) => json!(["not", tree(operand)]),
        ExprKind::ValuePath { path, filter } => json!(["[]", path_tree(path), tree(filter)]),
        ExprKind::Present { path } => json!(["pr", path_tree(path)]),
        ExprKind::Compare { path, operator, value } => {
            json!([operator.keyword(), path_tree(path), value_tree(value)])
        }
        other => panic!("{other:?} has no notation in the suite"),
    }
}

fn path_tree(path: AttrPath<'_>) -> Json {
    match (path.uri(), path.name(), path.sub_attribute()) {
        (None, name, None) => json!(name),
        (None, name, Some(sub)) => json!(format!("{name}.{sub}")),
        (Some(uri), name, None) => json!({"uri": uri, "name": name}),
        (Some(uri), name, Some(sub)) => json!({"uri": uri, "name": name, "sub": sub}),
    }
}

fn value_tree(value: Value<'_>) -> Json {
    match value {
        Value::String(text) => json!(text),
        Value::Number(text) => json!({"number": text}),
        Value::Bool(value) => json!(value),
        Value::Null => json!(null),
    }
}

#[test]
fn has_a_consistent_suite() {
    let suite = suite();
    assert!(suite.len() >= 700, "{} cases", suite.len());
    let ids: BTreeSet<_> = suite.iter().map(|case| &case.id).collect();
    let filters: BTreeSet<_> = suite.iter().map(|case| &case.filter).collect();
    assert_eq!(
        (ids.len(), filters.len()),
        (suite.len(), suite.len()),
        "ids and filters are unique"
    );
    let known = leniencies();
    for case in &suite {
        let words =
            case.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(words && case.rule.starts_with("RFC "), "{}", case.id);
        assert_eq!(case.tree.is_some(), case.outcome == Outcome::Accept, "{}", case.id);
        assert!(case.verdicts.is_empty() || case.tree.is_some(), "{}", case.id);
        assert!(case.lenient.as_ref().is_none_or(|name| known.contains_key(name)), "{}", case.id);
    }
    let marked: BTreeSet<_> = suite.iter().filter_map(|case| case.lenient.as_ref()).collect();
    assert_eq!(marked, known.keys().collect(), "each leniency has a case");
    // Every rule of the grammar has cases of both outcomes.
    for rule in ["FILTER", "valuePath", "valFilter", "attrExp", "logExp", "compValue", "compareOp"]
        .iter()
        .chain(&["attrPath", "ATTRNAME", "nameChar", "subAttr", "string", "number", "literal"])
    {
        for outcome in [Outcome::Accept, Outcome::Refuse] {
            let covers = |case: &Case| case.outcome == outcome && case.rule.contains(rule);
            assert!(suite.iter().any(covers), "no case for {rule}");
        }
    }
}

/// The expected outcomes agree with the published grammar, except in marked cases.
#[test]
fn expects_what_the_published_grammar_derives() {
    let (grammar, leniencies) = (grammar(PUBLISHED), leniencies());
    let mut wrong = Vec::new();
    for case in suite() {
        let accepted = case.outcome == Outcome::Accept;
        let expected = match case.lenient.as_ref().map(|name| leniencies[name].kind) {
            None | Some(Kind::Open) => accepted,
            Some(Kind::Wider) if accepted => false,
            Some(Kind::Narrower) if !accepted => true,
            Some(kind) => panic!("{} is marked {kind:?}", case.id),
        };
        if grammar.derives("FILTER", &case.filter) != expected {
            wrong.push(case.id);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn parses_the_trees_of_the_suite() {
    let mut wrong = Vec::new();
    for case in suite() {
        let found = Expr::parse(&case.filter).ok().map(|expr| tree(expr.root()));
        if found != case.tree {
            let text = |tree: Option<Json>| tree.map_or("refused".into(), |tree| tree.to_string());
            wrong.push(format!("{}: found {}, expected {}", case.id, text(found), text(case.tree)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Damages each filter of the suite at every place. The parser accepts exactly what the grammar
/// derives with the rules in which this crate departs from it.
#[test]
fn accepts_damaged_filters_like_the_grammar() {
    const INSERTED: &[char] = &[
        ' ', '"', '(', ')', '[', ']', ':', '.', '\\', 'n', '0', '-', '\t', '#', '/', '%', 'u', 'é',
        '\n', '$', 'D', '\'', ',', '_', '+', 'e', '@', '?', '<', '\u{a0}', '\u{1}',
    ];
    let grammar = grammar(HERE);
    let (mut accepted, mut refused) = (0, 0);
    for case in suite().iter().filter(|case| case.filter.len() <= 32) {
        let text: Vec<char> = case.filter.chars().collect();
        for at in 0..=text.len() {
            let (before, after) = text.split_at(at);
            let damaged = |middle: &[char], after: &[char]| [before, middle, after].concat();
            let inserted = INSERTED[(accepted + refused) % INSERTED.len()];
            let damages =
                [damaged(&[inserted], after), damaged(&[], after.get(1..).unwrap_or_default())];
            for text in damages.map(String::from_iter) {
                let found = Expr::parse(&text).is_ok();
                assert_eq!(grammar.derives("text", &text), found, "{text:?}");
                *if found { &mut accepted } else { &mut refused } += 1;
            }
        }
    }
    assert!(accepted > 2_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
}

/// A printed filter parses to an equal tree, and the published grammar derives it.
#[test]
fn prints_forms_of_the_published_grammar() {
    let grammar = grammar(PUBLISHED);
    for case in suite().into_iter().filter(|case| case.outcome == Outcome::Accept) {
        let expr = Expr::parse(&case.filter).unwrap();
        let printed = expr.to_string();
        assert!(Expr::parse(&printed).is_ok_and(|again| again == expr), "{}: {printed}", case.id);
        if case.lenient.as_deref() != Some("unchecked-uri") {
            assert!(grammar.derives("FILTER", &printed), "{}: {printed}", case.id);
        }
    }
}

#[test]
fn expects_the_verdicts_of_the_trees() {
    for case in suite() {
        for verdict in &case.verdicts {
            let found = holds(case.tree.as_ref().unwrap(), &verdict.resource);
            assert_eq!(found, verdict.matches, "{}: {}", case.id, verdict.resource);
        }
    }
}

/// Checks the verdicts that a profile can give, which are `eq` and `ne` of strings.
#[test]
fn matches_with_the_verdicts_of_the_suite() {
    let mut given = 0;
    for case in suite() {
        for Verdict { resource, matches } in &case.verdicts {
            let tree = case.tree.as_ref().unwrap();
            let mut paths = BTreeMap::new();
            if !collect_paths(tree, &mut paths) || has_list(resource) {
                continue;
            }
            let attributes =
                paths.values().map(|path| Attribute::new(*path, [place(path, resource)]));
            let profile = Profile::new(attributes).unwrap();
            let Ok(filter) = profile.filter(&case.filter) else { continue };
            let event = json!({"type": "x", "tenantid": "t", "data": resource}).to_string();
            let event = profile.read_event(event.as_bytes()).unwrap();
            assert_eq!(filter.matches(&event), *matches, "{}: {resource}", case.id);
            given += 1;
        }
    }
    assert!(given >= 80, "{given} verdicts");
}

/// Collects the paths of a tree by their lower-case form. Returns `false` if one has a URI.
fn collect_paths<'t>(tree: &'t Json, paths: &mut BTreeMap<String, &'t str>) -> bool {
    match tree[0].as_str().unwrap() {
        "and" | "or" | "not" => {
            tree.as_array().unwrap()[1..].iter().all(|operand| collect_paths(operand, paths))
        }
        _ => {
            let path = tree[1].as_str();
            path.is_some_and(|path| {
                paths.entry(path.to_lowercase()).or_insert(path);
                true
            })
        }
    }
}

fn has_list(resource: &Json) -> bool {
    match resource {
        Json::Array(_) => true,
        Json::Object(members) => members.values().any(has_list),
        _ => false,
    }
}

/// Returns the JSON path of an attribute in the event of a resource, in the resource's spelling.
fn place(path: &str, resource: &Json) -> JsonPath {
    let mut at = resource;
    let mut keys = vec!["data".to_owned()];
    for name in path.split('.') {
        let found = at
            .as_object()
            .and_then(|object| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
        keys.push(found.map_or(name.to_owned(), |(key, _)| key.clone()));
        at = found.map_or(&Json::Null, |(_, value)| value);
    }
    JsonPath::new(keys)
}

/// Evaluates a tree by tables 3, 4 and 5 of RFC 7644, case-sensitively.
fn holds(tree: &Json, resource: &Json) -> bool {
    let operands = || tree.as_array().unwrap()[1..].iter();
    match tree[0].as_str().unwrap() {
        "and" => operands().all(|operand| holds(operand, resource)),
        "or" => operands().any(|operand| holds(operand, resource)),
        "not" => !holds(&tree[1], resource),
        "[]" => values(&tree[1], resource).iter().any(|value| holds(&tree[2], value)),
        "pr" => !values(&tree[1], resource).is_empty(),
        "ne" => !holds(&json!(["eq", tree[1], tree[2]]), resource),
        operator => values(&tree[1], resource).iter().any(|value| {
            // A complex value is compared by its member `value` (RFC 7643 section 2.4).
            compares(operator, value.get("value").unwrap_or(value), &tree[2])
        }),
    }
}

/// Returns the values of an attribute. Null and `[]` are no values (RFC 7643 section 2.5).
fn values<'r>(path: &Json, resource: &'r Json) -> Vec<&'r Json> {
    let mut found = vec![resource];
    for name in path.as_str().unwrap().split('.') {
        let members = found.iter().filter_map(|value| value.as_object());
        let named = members.flatten().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found = named
            .flat_map(|(_, value)| match value {
                Json::Array(items) => items.iter().collect(),
                one => vec![one],
            })
            .filter(|value| !value.is_null())
            .collect();
    }
    found
}

fn compares(operator: &str, value: &Json, literal: &Json) -> bool {
    let order = match (value, literal) {
        (Json::String(value), Json::String(literal)) => match operator {
            "co" => return value.contains(literal),
            "sw" => return value.starts_with(literal),
            "ew" => return value.ends_with(literal),
            _ => value.partial_cmp(literal),
        },
        (Json::Number(value), literal) if literal["number"].is_string() => {
            let literal = literal["number"].as_str().unwrap().parse().unwrap();
            value.as_f64().unwrap().partial_cmp(&literal)
        }
        (value, literal) => return operator == "eq" && value == literal,
    };
    order.is_some_and(|order| match operator {
        "eq" => order.is_eq(),
        "gt" => order.is_gt(),
        "ge" => order.is_ge(),
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        other => panic!("{other} is not an operator of the suite"),
    })
}

/// The page of the guide lists exactly the leniencies of the suite, in the same words.
#[test]
fn lists_every_leniency_in_the_guide() {
    let page = std::fs::read_to_string("src/guide/conformance.md").unwrap();
    let (_, departures) = page.split_once("## Where this crate departs").unwrap();
    let mut listed: Vec<_> = departures.lines().filter(|line| line.starts_with("| `")).collect();
    let leniencies = leniencies();
    let row = |it: &Leniency| format!("| `{}` | {} | {} |", it.name, it.rfc, it.here);
    let mut rows: Vec<_> = leniencies.values().map(row).collect();
    listed.sort_unstable();
    rows.sort_unstable();
    assert_eq!(listed, rows);
}

/// Checks the interpreter of the grammar on cases with an obvious answer.
#[test]
fn interprets_the_published_grammar() {
    let grammar = grammar(PUBLISHED);
    let derives = |rule, text| grammar.derives(rule, text);
    for (rule, yes, no) in [
        ("DIGIT", "7", "a"),
        ("HEXDIG", "f", "g"),
        ("h16", "12ab", "12abc"),
        ("compareOp", "Eq", "eqs"),
        ("true", "true", "TRUE"),
        ("int", "10", "01"),
        ("dec-octet", "255", "256"),
        ("IPv6address", "1:2::3", "1::2::3"),
        ("IPv6address", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7"),
        ("path-empty", "", "a"),
        ("scheme", "urn", "1urn"),
        ("char", "\\u0041", "\\u004"),
        ("logExp", "a pr or b pr and c pr", "a pr"),
        ("pct-encoded", "%4F", "%4"),
    ] {
        assert!(derives(rule, yes) && !derives(rule, no), "{rule}");
    }
    assert_eq!(grammar.names().count(), 60);
}
