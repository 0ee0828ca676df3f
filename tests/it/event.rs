//! The law of event bytes over documents near events: generated, damaged and at the edge.
use crate::laws;

use hooksieve::event::{AttributePaths, Event, JsonPath, ShapeCache};
use proptest::prelude::*;

/// A document similar to an event: keys that are read, unusual values, duplicate keys.
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
    fn reads_any_bytes_by_the_law(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        laws::event::event_bytes(&bytes);
    }

    #[test]
    fn reads_documents_near_events_by_the_law(text in near_event()) {
        laws::event::event_bytes(text.as_bytes());
    }

    #[test]
    fn reads_sequences_of_events_by_the_law(
        texts in prop::collection::vec(near_event(), 1..4),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
    ) {
        let documents: Vec<_> = order.iter().map(|at| at.get(&texts).as_bytes()).collect();
        laws::event::event_sequence(&documents.join(&[0x1e][..]));
    }
}

/// Damage for JSON: structure, escapes, broken UTF-8, numbers at the limits, whole members.
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

/// Documents in which every byte matters: escapes, unusual white space, numbers, long text.
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

/// Damages a document in one to three places.
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

/// Damages real payloads in every way that changes one byte, and dense ones in many ways.
#[test]
fn reads_damaged_payloads_by_the_law() {
    let (mut documents, mut events) = (0, 0);
    // With the shapes of all earlier documents, and with that of the undamaged one only.
    let mut carried = ShapeCache::default();
    let mut hold = |document: &[u8], whole: &ShapeCache| {
        documents += 1;
        events += usize::from(laws::event::event_bytes(document));
        laws::event::same_by_shapes(&mut carried, document);
        laws::event::same_by_shapes(&mut whole.clone(), document);
    };
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut payloads = Vec::new();
    for entry in std::fs::read_dir("tests/data/events").unwrap() {
        let payload = std::fs::read(entry.unwrap().path()).unwrap();
        payloads.push((laws::event::familiar(&payload), payload));
    }
    for (shapes, payload) in &payloads {
        hold(payload, shapes);
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            let structural = b"\"\\{}[],:0e-. tnu"[random(16)];
            changed[at] = if random(2) == 0 { structural } else { random(256) as u8 };
            hold(&changed, shapes);
            changed.remove(at);
            hold(&changed, shapes);
        }
    }
    for (shapes, payload) in payloads.iter().cycle().take(5_000) {
        hold(&damaged(payload, &mut random), shapes);
    }
    let dense: Vec<_> =
        dense().into_iter().map(|text| (laws::event::familiar(&text), text)).collect();
    for _ in 0..20_000 {
        for (shapes, document) in &dense {
            hold(&damaged(document, &mut random), shapes);
        }
    }
    assert!(documents > 100_000, "{documents}");
    assert!(events > documents / 10, "{events} of {documents}");
}

/// Inserts each token at each offset of a block, in a key, in a value and outside them.
#[test]
fn reads_tokens_inserted_at_every_offset() {
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

/// Nests up to the limit and deeper, in a key that is read and in another one.
#[test]
fn refuses_deep_nesting() {
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

/// Numbers at the limits of a 64-bit float, in digits and in exponents.
#[test]
fn reads_numbers_at_the_limits() {
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

/// Attribute paths of a few keys and up to the limit. Each attribute has its value, with and
/// without shapes.
#[test]
fn reads_attribute_paths_of_any_size() {
    let paths = |attributes: usize| {
        let names = (0..attributes).map(|n| format!("a{n}"));
        AttributePaths::new(
            names.map(|name| (name.clone(), vec![JsonPath::new(["data".to_owned(), name])])),
        )
    };
    // The envelope has thirteen keys, and one is `data`.
    let most = AttributePaths::MAX_KEYS - 14;
    assert_eq!(paths(most + 1).unwrap_err().code(), "profile-too-many-keys");
    for attributes in [0, 1, 18, 19, 20, 100, most] {
        let paths = paths(attributes).unwrap();
        let members: Vec<String> = (0..attributes).map(|n| format!(r#""a{n}":"{n}""#)).collect();
        let document = format!(r#"{{"type":"x","tenantid":"t","data":{{{}}}}}"#, members.join(","));
        let mut shapes = ShapeCache::default();
        for _ in 0..3 {
            for event in [
                Event::read(&paths, document.as_bytes()).unwrap(),
                Event::read_with(&paths, document.as_bytes(), &mut shapes).unwrap(),
            ] {
                for n in 0..attributes {
                    let value = event.attribute(&format!("a{n}"));
                    assert_eq!(value, Some(&*n.to_string()), "{n} of {attributes}");
                }
            }
        }
    }
    assert_eq!(JsonPath::new(["data", "a/b"]).to_string(), "data.a/b");
}

/// Of several empty strings, the path of the first one is returned, in order of precedence.
#[test]
fn returns_the_first_of_several_empty_paths() {
    let profile = hooksieve::filter::Profile::webhook();
    let place = |event: &str, name: &str| {
        let event = profile.read_event(event.as_bytes()).unwrap();
        let at = profile
            .attribute_paths()
            .attributes()
            .iter()
            .position(|known| **known == *name)
            .unwrap();
        event.places()[at].as_ref().map(JsonPath::pointer)
    };
    for (members, name, expected) in [
        (
            r#""spaceid":"","extensions":{"spaceId":""},"data":{"spaceId":""}"#,
            "spaceId",
            "/spaceid",
        ),
        (
            r#""data":{"spaceId":""},"extensions":{"spaceid":"","spaceId":""}"#,
            "spaceId",
            "/extensions/spaceId",
        ),
        (r#""spaceid":"","data":{"spaceId":"s"}"#, "spaceId", "/data/spaceId"),
        (r#""data":{"attributes":{"id":""},"id":"","dataTask":{"id":""}}"#, "id", "/data/id"),
        (
            r#""data":{"id":5,"attributes":{"id":""},"dataTask":{"id":""}}"#,
            "id",
            "/data/attributes/id",
        ),
        (
            r#""toplevelresourceid":"","extensions":{"topLevelResourceId":""}"#,
            "topLevelResourceId",
            "/toplevelresourceid",
        ),
    ] {
        let event = format!(r#"{{"type":"x","tenantid":"t",{members}}}"#);
        assert_eq!(place(&event, name).as_deref(), Some(expected), "{members}");
    }
}

/// The vendor's list of past events has the tenant in `tenantId`, the last of its paths.
#[test]
fn reads_the_tenant_of_an_audit_listing_last() {
    let profile = hooksieve::filter::Profile::webhook();
    for (event, tenant) in [
        (r#"{"eventType":"x","tenantId":"a"}"#, "a"),
        (r#"{"eventType":"x","tenantId":"a","extensions":{"tenantId":"b"}}"#, "b"),
        (r#"{"tenantId":"a","type":"x","tenantid":"c"}"#, "c"),
        (r#"{"tenantId":"a","type":"x","tenantid":"","extensions":{"tenantid":"d"}}"#, "d"),
    ] {
        assert_eq!(profile.read_event(event.as_bytes()).unwrap().tenant(), tenant, "{event}");
    }
    let duplicate = br#"{"type":"x","tenantId":"a","tenantId":"b"}"#;
    let error = profile.read_event(duplicate).unwrap_err();
    assert_eq!(error.kind(), hooksieve::event::ErrorKind::DuplicateKey);
}

/// A given tenant replaces a missing one and changes nothing else.
#[test]
fn uses_a_given_tenant_if_none_is_named() {
    let profile = hooksieve::filter::Profile::webhook();
    let read =
        |event: &'static str| Event::read_for(profile.attribute_paths(), event.as_bytes(), "given");
    for members in [
        r#""data":{"id":"a\n"}"#,
        r#""tenantid":"","data":{"id":"a\n"}"#,
        r#""tenantid":5,"data":{"id":"a\n"}"#,
    ] {
        for event_type in [r#""type":"x""#, r#""eventType":"x""#] {
            let text = format!("{{{event_type},\"id\":\"e\",{members}}}").leak();
            let event = read(text).unwrap();
            assert_eq!((event.tenant(), event.event_type(), event.id()), ("given", "x", Some("e")));
            assert_eq!(event.attribute("id"), Some("a\n"));
            let named = text.replace(r#""tenantid":"","#, "").replace(r#""tenantid":5,"#, "");
            let named = named.replacen('{', r#"{"tenantid":"t","#, 1);
            let same = profile.read_event(named.as_bytes()).unwrap();
            assert_eq!((event.envelope(), event.owner()), (same.envelope(), same.owner()));
            assert_eq!(event.places(), same.places());
        }
    }
    assert_eq!(read(r#"{"type":"x","tenantid":"own"}"#).unwrap().tenant(), "own");
    assert!(read(r#"{"id":"x"}"#).is_err() && read("{").is_err());
    assert!(Event::read_for(profile.attribute_paths(), br#"{"type":"x"}"#, "").is_err());
}
