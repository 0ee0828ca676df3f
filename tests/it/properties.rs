//! Checks the laws of `tests/it/laws` on generated inputs.
use crate::laws;

use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Matcher, Scratch, Slot, Subscription};
use laws::history::{self, Choices, Tally, history};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Returns random bytes from a seed (splitmix64), the same on every run.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn matches_like_the_reference_over_100_000_steps() {
    let mut tally = Tally::default();
    for seed in 0.. {
        tally += history(&bytes(seed, 10_000));
        if tally.steps >= 120_000 {
            break;
        }
    }
    println!("{tally:?}");
    assert!(tally.steps >= 100_000);
    assert!(tally.matches >= 40_000);
    assert!(tally.hits * 5 >= tally.matches, "at least a fifth of the matches hit: {tally:?}");
}

/// Inserts thousands of subscriptions and removes nearly all, in two rounds: posting lists grow,
/// shrink and move to smaller memory, and the index agrees with the reference at every check.
#[test]
fn matches_like_the_reference_while_it_grows_and_shrinks() {
    let profile = Profile::webhook();
    let mut matcher = Matcher::new(&profile);
    let mut live: Vec<(Slot, Subscription)> = Vec::new();
    let mut scratch = Scratch::default();
    let random = bytes(11, 3_000_000);
    let mut choices = Choices(&random);
    let mut check =
        |matcher: &Matcher, live: &[(Slot, Subscription)], choices: &mut Choices<'_>| {
            let events: Vec<_> = (0..20).map(|_| history::event(&profile, choices)).collect();
            history::together(matcher, &events);
            for event in &events {
                let matches = |(_, subscription): &&(Slot, Subscription)| {
                    subscription.matches(event, Access::EventOwner)
                };
                let mut expected: Vec<Slot> =
                    live.iter().filter(matches).map(|(slot, _)| *slot).collect();
                expected.sort_unstable();
                let found: Vec<Slot> =
                    matcher.matches(event, Access::EventOwner, &mut scratch).collect();
                assert_eq!(found, expected);
            }
        };
    for round in 0..2 {
        while live.len() < 4_000 {
            let subscription = history::subscription(&profile, &mut choices);
            live.push((matcher.insert(&subscription).unwrap(), subscription));
            if round == 1 && live.len().is_multiple_of(1_500) {
                matcher.shrink();
            }
            if live.len().is_multiple_of(500) {
                check(&matcher, &live, &mut choices);
            }
        }
        let peak = matcher.bytes();
        while live.len() > 40 {
            let at = (choices.below(256) << 8 | choices.below(256)) % live.len();
            let (slot, subscription) = live.swap_remove(at);
            assert_eq!(matcher.get(slot), Some(subscription));
            assert!(matcher.remove(slot));
            if round == 1 && live.len().is_multiple_of(1_500) {
                matcher.shrink();
            }
            if live.len().is_multiple_of(500) || live.len() < 60 {
                check(&matcher, &live, &mut choices);
            }
        }
        assert!(matcher.bytes() < peak / 2, "{} of {peak} bytes in round {round}", matcher.bytes());
        assert!(matcher.clone().stats() == matcher.stats());
    }
    assert!(!choices.done(), "the random bytes last to the end");
}

/// The pieces of texts near the grammar.
const WORDS: [&str; 44] = [
    "id",
    "spaceId",
    "data.status",
    "topLevelResourceId",
    "a",
    "not",
    "and",
    "or",
    "eq",
    "ne",
    "co",
    "pr",
    "AND",
    "Or",
    "NOT",
    "(",
    ")",
    "[",
    "]",
    " ",
    " ",
    " ",
    " ",
    "\t",
    "\n",
    "\"x\"",
    "\"\\u00e9\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"",
    "\\",
    "'",
    "“",
    "”",
    "=",
    "==",
    "&&",
    "||",
    "1",
    "-0.5e3",
    "true",
    "null",
    "urn:a:b:",
    ".",
];

prop_compose! {
    fn near_filter()(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..40)) -> String {
        words.concat()
    }
}

fn valid_filter() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        Just("true".to_owned()),
        Just("null".to_owned()),
    ];
    let path = "(urn:[a-z]{1,5}:[a-z0-9.]{0,5}:)?[a-zA-Z][a-zA-Z0-9_-]{0,6}(\\.[a-z]{1,4})?";
    let operator =
        prop::sample::select(&["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "EQ"][..]);
    let term = prop_oneof![
        (path, operator, value)
            .prop_map(|(path, operator, value)| format!("{path} {operator} {value}")),
        path.prop_map(|path| format!("{path} pr")),
    ];
    term.prop_recursive(6, 60, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.join(" and ")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.join("  OR ")),
            inner.clone().prop_map(|inner| format!("( {inner} )")),
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            (path, inner).prop_map(|(path, inner)| format!("{path}[{inner} and x pr]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn obeys_the_laws_for_any_text(text in any::<String>()) {
        laws::text::filter_text(text.as_bytes());
    }

    #[test]
    fn obeys_the_laws_for_texts_near_the_grammar(text in near_filter()) {
        laws::text::filter_text(text.as_bytes());
    }

    #[test]
    fn obeys_the_laws_for_valid_texts(text in valid_filter()) {
        prop_assert!(hooksieve::syntax::Expr::parse(&text).is_ok(), "valid: {}", text);
        laws::text::filter_text(text.as_bytes());
    }

    #[test]
    fn obeys_the_laws_under_limits(limits in any::<[u8; 3]>(), text in valid_filter()) {
        laws::text::limited_text(&[&limits[..], text.as_bytes()].concat());
    }

    #[test]
    fn explains_the_verdict_of_the_filter(choices in prop::collection::vec(any::<u8>(), 0..200)) {
        let profile = hooksieve::filter::Profile::webhook();
        let mut choices = Choices(&choices);
        let filter = laws::history::filter(&profile, &mut choices);
        let event = laws::history::event(&profile, &mut choices);
        prop_assert_eq!(filter.explain(&event).holds(), filter.matches(&event));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn matches_like_the_reference(program in prop::collection::vec(any::<u8>(), 0..2_000)) {
        history(&program);
    }
}

/// Generates a member of a webhook document. Most are valid, so that many whole documents are.
fn member() -> impl Strategy<Value = (&'static str, Value)> {
    let types = [
        "com.qlik.v1.app.created",
        "com.qlik.v1.app.reload.finished",
        "com.qlik.v1.app.deleted",
        "x",
    ];
    let types = prop::collection::vec(prop::sample::select(types.to_vec()), 0..3);
    let header = (prop::sample::select(&["x-a", "X-A", "x-b", "host", "x c"][..]), "[a-z]{0,3}");
    let headers = || {
        prop::collection::hash_map(header.clone(), Just(()), 0..3).prop_map(|headers| {
            headers
                .into_keys()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect::<serde_json::Map<_, Value>>()
        })
    };
    let filters = ["", "id eq \"a\"", "data.status eq \"ok\"", "id eq a"];
    let urls = ["https://a.b/", "https://c.d/x", "HTTPS://A.B", "http://a.b/"];
    prop_oneof![
        prop::sample::select(&["n", "m", ""][..]).prop_map(|name| ("name", name.into())),
        prop::sample::select(urls.to_vec()).prop_map(|url| ("url", url.into())),
        types.prop_map(|types| ("eventTypes", types.into())),
        prop::sample::select(filters.to_vec()).prop_map(|filter| ("filter", filter.into())),
        prop::sample::select(&["user", "tenant"][..]).prop_map(|level| ("level", level.into())),
        "[a-z]{30,34}".prop_map(|secret| ("secret", secret.into())),
        headers().prop_map(|headers| ("headers", headers.into())),
        headers().prop_map(|headers| ("encryptedHeaders", headers.into())),
        prop::collection::vec("x-[ab]", 0..2).prop_map(|names| ("encryptedHeaders", names.into())),
        any::<bool>().prop_map(|value| ("enableCloudEventDelivery", value.into())),
        any::<bool>().prop_map(|value| ("enabled", value.into())),
        "[a-z]{0,2}".prop_map(|text| ("description", text.into())),
        prop::sample::select(&["ownerId", "description", "headers", "id"][..])
            .prop_map(|name| (name, Value::Null)),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    prop::collection::vec(member(), 0..6).prop_map(|members| {
        let mut document = json!({"name": "n", "url": "https://a.b/"});
        for (name, value) in members {
            document[name] = value;
        }
        document
    })
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(&["add", "replace", "replace", "remove", "test"][..]);
    (op, member(), 0..20u8).prop_map(|(op, (name, value), odd)| match odd {
        0 => json!({"op": op, "path": format!("/{name}/x"), "value": value}),
        1 => json!({"op": op, "path": format!("/{name}")}),
        2 => json!({"op": op, "path": format!("/{name}"), "value": 5}),
        _ => json!({"op": op, "path": format!("/{name}"), "value": value, "from": "/x"}),
    })
}

#[test]
fn patches_a_webhook_like_its_document() {
    use std::cell::Cell;
    let (changed, refused) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() };
    let cases = (document(), prop::collection::vec(operation(), 0..4));
    proptest::test_runner::TestRunner::new(config)
        .run(&cases, |(document, patch)| {
            if let Some(webhook) = laws::webhook::webhook(&document.clone().into(), Some(&document))
            {
                let patched = laws::webhook::patched(&webhook, &Value::Array(patch));
                let count = if patched { &changed } else { &refused };
                count.set(count.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    let (changed, refused) = (changed.get(), refused.get());
    println!("{changed} changed, {refused} refused");
    assert!(changed > 500 && refused > 500, "{changed} changed, {refused} refused");
}

#[test]
fn lists_every_webhook_on_exactly_one_page() {
    let orders = ["", "-", "%2B"];
    let fields = ["name", "url", "createdAt", "updatedAt"];
    let mut shown = 0;
    for seed in 0..600 {
        let order = orders[seed % orders.len()];
        let field = fields[seed % fields.len()];
        let sort = format!("{order}{field}");
        shown += laws::webhook::paging(1 + seed % 5, &sort, &bytes(seed as u64, 20 + seed % 120));
    }
    assert!(shown > 5000, "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn obeys_the_laws_for_damaged_documents_and_patches(
        document in document(),
        patch in prop::collection::vec(operation(), 0..3),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut text = format!("{document}\n{}", Value::Array(patch)).into_bytes();
        for (at, byte) in cuts {
            let at = at.index(text.len());
            text[at] = byte;
        }
        laws::webhook::webhook_bytes(&text);
    }
}
