//! The laws of `tests/laws` over generated inputs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod laws;

use laws::history::{Choices, Tally, history};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Bytes from a seed (splitmix64), the same on every run.
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
fn index_agrees_with_reference_over_100_000_steps() {
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
    assert!(tally.hits * 5 >= tally.matches, "a fifth of the matches hit: {tally:?}");
}

/// Words that texts near the grammar are made of.
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

/// A document near an event: wanted keys, odd values, doubled keys.
fn near_event() -> impl Strategy<Value = String> {
    let key = prop::sample::select(
        &[
            "\"type\"",
            "\"eventType\"",
            "\"tenantid\"",
            "\"tenantId\"",
            "\"spaceid\"",
            "\"spaceId\"",
            "\"data\"",
            "\"extensions\"",
            "\"attributes\"",
            "\"dataTask\"",
            "\"id\"",
            "\"\\u0069d\"",
            "\"status\"",
            "\"ownerid\"",
            "\"toplevelresourceid\"",
            "\"x\"",
        ][..],
    );
    let leaf = prop_oneof![
        4 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        2 => Just("\"s\"".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => prop::sample::select(
            &["0", "-1.5e3", "1e999", "01", "1.", "-", "true", "nul", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\ud83d\\ude00\"",
              "\"\\x\"", "\"\u{1}\"", "[", "{", "", "1e-400", "123456789012345678901234567890"][..]
        ).prop_map(str::to_owned),
    ];
    let inner = leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            3 => prop::collection::vec((key.clone(), inner.clone()), 0..6)
                .prop_map(|members| members.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>())
                .prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => prop::collection::vec(inner, 0..4).prop_map(|items| format!("[ {} ]", items.join(" ,"))),
        ]
    });
    (inner.clone(), inner.clone(), inner).prop_map(|(data, extensions, x)| {
        format!(r#"{{"type":"t","tenantid":"u","data":{data},"extensions":{extensions},"x":{x}}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        laws::text::filter_text(text.as_bytes());
    }

    #[test]
    fn texts_near_the_grammar(text in near_filter()) {
        laws::text::filter_text(text.as_bytes());
    }

    #[test]
    fn valid_texts(text in valid_filter()) {
        prop_assert!(hooksieve::syntax::Expr::parse(&text).is_ok(), "valid: {}", text);
        laws::text::filter_text(text.as_bytes());
    }

    #[test]
    fn texts_under_limits(limits in any::<[u8; 3]>(), text in valid_filter()) {
        laws::text::limited_text(&[&limits[..], text.as_bytes()].concat());
    }

    #[test]
    fn any_bytes_as_event(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        laws::event::event_bytes(&bytes);
    }

    #[test]
    fn documents_near_events(text in near_event()) {
        laws::event::event_bytes(text.as_bytes());
    }

    #[test]
    fn explanation_agrees_with_filter(choices in prop::collection::vec(any::<u8>(), 0..200)) {
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
    fn index_agrees_with_reference(program in prop::collection::vec(any::<u8>(), 0..2_000)) {
        history(&program);
    }
}

/// What JSON is damaged with: structure, escapes, broken UTF-8, numbers at the edge, whole members.
const TOKENS: [&[u8]; 64] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\n",
    b"\t\r",
    b"\"\"",
    b"{}",
    b"[]",
    b"\\n",
    b"\\\"",
    b"\\\\",
    b"\\/",
    b"\\x",
    b"\\u00e9",
    b"\\u00",
    b"\\u12G4",
    b"\\ud800",
    b"\\udc00",
    b"\\ud83d\\ude00",
    b"\\ude00\\ud83d",
    b"\\ud800\\n",
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"\xc3",
    b"\xc3\xa9",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf0\x9f\x98\x80",
    b"\xf0\x9f",
    b"\xef\xbb\xbf",
    b"0",
    b"9",
    b"-",
    b".",
    b"1e5",
    b"E+",
    b"01",
    b"1.",
    b"1e308",
    b"1e309",
    b"-1e999",
    b"1e-400",
    b"1.7976931348623159e308",
    b"18446744073709551616",
    b"true",
    b"nul",
    b"NaN",
    b"/**/",
    b"\"id\":\"x\",",
    b"\"type\":\"\",",
    b"\"d\\u0061ta\":{},",
    b"\"data\":0,",
    b"\"extensions\":{\"tenantId\":\"\"},",
    b",\"spaceid\":\"s\"",
    b"\"tenantid\":\"t\",",
];

/// Documents in which every byte counts: escapes, odd white space, numbers, text of two windows.
fn dense() -> Vec<Vec<u8>> {
    let small = [
        r#"{"t\u0079pe":"a\"b\\","tenantid":"é\ud83d\ude00","data":{"id":"","attributes":{"id":"\n"},"x":[1e5,-0,"\\",{}]}}"#,
        "{ \"type\" :\"t\",\r\n\t\"tenantid\": \"u\" , \"data\" : { \"id\" : \"i\" , \"status\":\"ok\" } , \"x\" : [ [ ] , { } , null ] } ",
        r#"{"eventType":"t","extensions":{"tenantId":"u","spaceId":"","spaceid":"s","actor":[{"id":"no"}]},"spaceid":"","n":[0,-0.5,1E+2,12345678901234567890,1.5e-7,100000000]}"#,
        r#"[{"type":"t","tenantid":"u"},"a","b\u0000",true,false,null,-1.25]"#,
    ];
    let mut documents: Vec<Vec<u8>> = small.iter().map(|text| text.as_bytes().to_vec()).collect();
    let pad = "é\\\\b".repeat(40);
    documents.push(
        format!(r#"{{"type":"t","{pad}":"{pad}","tenantid":"u\n","data":{{"id":"{pad}"}}}}"#)
            .into(),
    );
    documents
}

/// One to three hits of any kind.
fn damaged(document: &[u8], random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = document.to_vec();
    for _ in 0..1 + random(3) {
        let at = random(bytes.len() + 1);
        let to = (at + random(4)).min(bytes.len());
        match random(8) {
            0 if at < to => bytes[at] ^= 1 << random(8),
            1 => drop(bytes.drain(at..to)),
            2 if random(4) == 0 => bytes.truncate(at),
            3 => {
                let copy = bytes[at..(at + random(60)).min(bytes.len())].to_vec();
                let there = random(bytes.len() + 1);
                drop(bytes.splice(there..there, copy));
            }
            4 => drop(bytes.splice(at..to, TOKENS[random(TOKENS.len())].iter().copied())),
            _ => drop(bytes.splice(at..at, TOKENS[random(TOKENS.len())].iter().copied())),
        }
    }
    bytes
}

/// Real payloads damaged in every way that one byte can be, and dense ones in many ways.
#[test]
fn damaged_payloads() {
    let (mut documents, mut events) = (0, 0);
    let mut hold = |document: &[u8]| {
        documents += 1;
        events += usize::from(laws::event::event_bytes(document));
    };
    let mut payloads = Vec::new();
    for entry in std::fs::read_dir("tests/data/events").unwrap() {
        payloads.push(std::fs::read(entry.unwrap().path()).unwrap());
    }
    for payload in &payloads {
        hold(payload);
        let noise = bytes(payload.len() as u64, payload.len());
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            let structural = b"\"\\{}[],:0e-. tnu"[usize::from(noise[at]) % 16];
            changed[at] = if at % 2 == 0 { structural } else { noise[at] };
            hold(&changed);
            changed.remove(at);
            hold(&changed);
        }
    }
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for payload in payloads.iter().cycle().take(5_000) {
        hold(&damaged(payload, &mut random));
    }
    let dense = dense();
    for _ in 0..20_000 {
        for document in &dense {
            hold(&damaged(document, &mut random));
        }
    }
    assert!(documents > 100_000, "{documents}");
    assert!(events > documents / 10, "{events} of {documents}");
}

/// Each token at each place of the blocks that marks are found in, in a key, a value and beside them.
#[test]
fn tokens_at_every_place() {
    for token in TOKENS {
        for pad in 0..70 {
            let pad = vec![b'a'; pad];
            let forms: [[&[u8]; 5]; 4] = [
                [b"{\"type\":\"t\",\"tenantid\":\"u\",\"x\":\"", &pad, token, b"\"", b"}"],
                [b"{\"type\":\"t\",\"tenantid\":\"u\",\"", &pad, token, b"\":0", b"}"],
                [b"{\"type\":\"t\",\"tenantid\":\"u\",\"", &pad, b"\":", token, b"}"],
                [b"{\"type\":\"t\",\"tenantid\":\"", &pad, token, b"u\"", b"}"],
            ];
            for form in forms {
                laws::event::event_bytes(&form.concat());
            }
        }
    }
}

/// As deep as can be read, and deeper, in a key that is read and in one that is not.
#[test]
fn depths() {
    for depth in 120..135 {
        for (open, close) in
            [("[", "]"), ("{\"id\":", "}"), ("[{\"data\":", "}]"), (" [ 0 , ", "]")]
        {
            for inner in ["", "1", "\"a\"", "[]", "{}", "[", "}"] {
                for key in ["data", "x"] {
                    let depth = depth / open.matches(['[', '{']).count();
                    let (open, close) = (open.repeat(depth), close.repeat(depth));
                    let event = format!(
                        r#"{{"type":"t","{key}":{open}{inner}{close},"tenantid":"u","id":"i"}}"#
                    );
                    laws::event::event_bytes(event.as_bytes());
                    laws::event::event_bytes(format!("{open}{inner}{close}").as_bytes());
                }
            }
        }
    }
}

/// Numbers about the ends of what a float holds, in digits and in exponents.
#[test]
fn numbers_at_the_edge() {
    let mut numbers = Vec::new();
    for digits in (1..20).chain(290..320) {
        for first in ["1", "17", "18", "9"] {
            let whole = format!("{first}{}", "0".repeat(digits));
            numbers.extend([format!("0.{whole}"), format!("{whole}.5e-5"), format!("{whole}e0")]);
            numbers.extend([format!("0{whole}"), format!("{whole}."), format!("{whole}x")]);
            numbers.push(whole);
            numbers.push(format!("{first}e{digits}"));
            numbers.push(format!("{first}.79769313486231580793e+{digits}"));
            numbers.push(format!("{first}E-{digits}"));
        }
    }
    for number in numbers {
        for number in [format!("-{number}"), number] {
            laws::event::event_bytes(number.as_bytes());
            let event = format!(r#"{{"type":"t","tenantid":"u","x":[{number} ,{number}]}}"#);
            laws::event::event_bytes(event.as_bytes());
        }
    }
}

/// A member of a draft: mostly valid, so that the whole often is.
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

fn draft() -> impl Strategy<Value = Value> {
    prop::collection::vec(member(), 0..6).prop_map(|members| {
        let mut draft = json!({"name": "n", "url": "https://a.b/"});
        for (name, value) in members {
            draft[name] = value;
        }
        draft
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
fn patched_is_patch_the_document_then_read() {
    use std::cell::Cell;
    let (changed, refused) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() };
    let cases = (draft(), prop::collection::vec(operation(), 0..4));
    proptest::test_runner::TestRunner::new(config)
        .run(&cases, |(draft, patch)| {
            if let Some(webhook) = laws::webhook::webhook(&draft.clone().into(), Some(&draft)) {
                let done = laws::webhook::patched(&webhook, &Value::Array(patch));
                let count = if done { &changed } else { &refused };
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
fn pages_neither_repeat_nor_skip() {
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
    fn damaged_drafts_and_patches(
        draft in draft(),
        patch in prop::collection::vec(operation(), 0..3),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut text = format!("{draft}\n{}", Value::Array(patch)).into_bytes();
        for (at, byte) in cuts {
            let at = at.index(text.len());
            text[at] = byte;
        }
        laws::webhook::webhook_bytes(&text);
    }
}
