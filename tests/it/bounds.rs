//! Memory: the bytes that each entry point takes for its input, all of which it returns.
use allocation_counter::measure;
use hooksieve::delivery::{
    Delivery, ListQuery as DeliveryQuery, Payload, RequestBuilder, Response,
};
use hooksieve::event::{Envelope, ShapeCache};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Matcher, Subscription};
use hooksieve::registry::Registry;
use hooksieve::syntax::{Expr, Limits};
use hooksieve::webhook::{
    Catalogue, ListQuery, NewWebhook, Patch, Rules, Webhook, WebhookDocument,
};
use serde_json::json;
use std::sync::Arc;

/// Checks that a call takes at most `times` the bytes of each input, plus 64 KiB.
///
/// The preparation of an input is not counted.
fn takes<P, T>(
    times: u64,
    name: &str,
    inputs: &[String],
    prepare: impl Fn(&str) -> P,
    run: impl Fn(&P) -> T,
) {
    for input in inputs {
        let (prepared, mut result) = (prepare(input), None);
        let used = measure(|| result = Some(run(&prepared)));
        let max = times * input.len() as u64 + (64 << 10);
        let shown: String = input.chars().take(60).collect();
        let (bytes, len) = (used.bytes_max, input.len());
        assert!(bytes <= max, "{name} takes {bytes} bytes for the {len} of {shown}");
    }
}

/// Texts of the same size, each repeating one short piece.
fn repeated(pieces: &[(&str, &str, &str)]) -> Vec<String> {
    const SIZE: usize = 300_000;
    let text = |(open, piece, close): &(&str, &str, &str)| {
        format!("{open}{}{close}", piece.repeat(SIZE / piece.len()))
    };
    pieces.iter().map(text).collect()
}

/// Objects whose members have different short names.
fn members(open: &str, value: &str, close: &str) -> String {
    let members: Vec<_> = (0..30_000).map(|n| format!("\"{n}\":{value}")).collect();
    format!("{open}{}{close}", members.join(","))
}

fn wide() -> Limits {
    Limits::default().with_bytes(usize::MAX).with_depth(usize::MAX).with_terms(usize::MAX)
}

#[test]
fn bounds_the_work_of_filters() {
    let profile = Profile::webhook().with_limits(wide());
    let good = repeated(&[
        ("", "id eq \"\" or ", "id eq \"\""),
        ("", "id eq \"\" and ", "id eq \"\""),
        ("", "id eq \"\" or id ne \"\" and ", "id eq \"\""),
        ("", "(id eq \"\" and id ne \"\") or ", "id eq \"\""),
        ("id eq \"", "a", "\""),
        ("id eq \"", "\\n", "\""),
    ]);
    let bad = repeated(&[
        ("", "a pr or ", "b pr"),
        ("", "a.b pr or ", "b pr"),
        ("", "not (a pr) or ", "b pr"),
        ("", "a[b pr] or ", "b pr"),
        ("", "id eq 1 or ", "id eq 1"),
        ("", "data.status eq \"\" or ", "b pr"),
        ("a", "a", " pr"),
        ("", "(", ""),
        ("id eq \"", "a", ""),
    ]);
    let all = [&good[..], &bad[..]].concat();
    takes(35, "parsing", &all, str::to_owned, |text| Expr::parse_within(text, wide()));
    takes(20, "a filter", &good, str::to_owned, |text| profile.filter(text).unwrap());
    // Each term may be wrong, with a help of its own.
    takes(75, "errors", &bad, str::to_owned, |text| profile.filter(text).unwrap_err());
    let subscription = |text: &str| Subscription::new("t", ["x"], profile.filter(text).unwrap());
    takes(15, "an index", &good, subscription, |subscription| {
        let mut matcher = Matcher::new(&profile);
        matcher.insert(subscription).unwrap();
        matcher
    });
}

/// Events in either envelope, of which much or nothing is read.
fn events() -> Vec<String> {
    let cloud = r#"{"type":"x","tenantid":"t","#;
    let mut events = repeated(&[
        (&format!("{cloud}\"spaceid\":\""), "x", "\"}"),
        (&format!("{cloud}\"spaceid\":\""), "\\n", "\"}"),
        (&format!("{cloud}\"spaceid\":\""), "\\u0041", "\"}"),
        (&format!("{cloud}\"x\":\""), "\\u0041", "\"}"),
        (cloud, "\"a\":0,", "\"b\":0}"),
        (cloud, "\"\\u0061\":0,", "\"b\":0}"),
        (&format!("{cloud}\"x\":["), "{},", "0]}"),
        (&format!("{cloud}\"data\":["), "{},", "0]}"),
    ]);
    events.push(members(cloud, "0", "}"));
    events.push(members(cloud, "\"\\n\"", "}"));
    events.push(members(&format!("{cloud}\"extensions\":{{"), "0", "}}"));
    let legacy = events.iter().map(|text| text.replace("\"type\"", "\"eventType\""));
    let legacy: Vec<_> = legacy.collect();
    [events, legacy].concat()
}

#[test]
fn bounds_the_work_of_events() {
    let profile = Profile::webhook();
    takes(2, "an event", &events(), str::to_owned, |text| {
        profile.read_event(text.as_bytes()).map(|event| event.envelope()).unwrap()
    });
    takes(2, "an event and its shape", &events(), str::to_owned, |text| {
        let mut shapes = ShapeCache::default();
        (0..3).for_each(|_| drop(profile.read_event_with(text.as_bytes(), &mut shapes).unwrap()));
        shapes
    });
    let payload =
        |text: &str| Payload::new(&profile.read_event(text.as_bytes()).unwrap(), text.to_owned());
    takes(25, "a conversion", &events(), payload, |payload| {
        payload.body(Envelope::Legacy).len() + payload.body(Envelope::CloudEvents).len()
    });
}

fn create(rules: &Rules, document: serde_json::Value) -> Webhook {
    let new = NewWebhook::new("w", "u", std::time::UNIX_EPOCH.into());
    Webhook::create(&document.into(), rules, new).unwrap().webhook
}

#[test]
fn bounds_the_work_of_webhook_requests() {
    let rules = Rules::default();
    let webhook = create(&rules, json!({"name": "n", "url": "https://a.b/"}));
    let deep = format!("{}0{},", "[".repeat(120), "]".repeat(120));
    let mut values = repeated(&[
        ("[", "0,", "0]"),
        ("[", "\"\",", "0]"),
        ("[", "[],", "0]"),
        ("[", "{},", "0]"),
        ("[", "{\"\":0},", "0]"),
        ("[", &deep, "0]"),
        ("{", "\"\":0,", "\"\":0}"),
        ("\"", "\\n", "\""),
        ("\"", "ü", "\""),
    ]);
    values.push(members("{", "0", "}"));
    let inside = |name: &'static str| {
        let inside = move |value: &String| format!("{{\"{name}\":{value}}}");
        values.iter().map(inside).collect::<Vec<_>>()
    };
    let names = ["eventTypes", "headers", "encryptedHeaders", "url", "name", "filter"];
    let documents = [values.clone(), names.map(inside).concat()].concat();
    let document = |text: &str| WebhookDocument::read(text.as_bytes()).unwrap();
    takes(50, "a document", &documents, str::to_owned, |text| document(text));
    takes(45, "checking", &documents, document, |document| rules.check(document));
    let member =
        |value: &String| format!("[{{\"op\":\"add\",\"path\":\"/headers\",\"value\":{value}}}]");
    let mut patches: Vec<_> = values.iter().map(member).collect();
    patches.extend(values.clone());
    patches.extend(repeated(&[
        ("[", "{\"op\":\"add\",\"path\":\"/a\",\"value\":0},", "0]"),
        ("[", "{\"op\":\"add\",\"path\":\"/name\",\"value\":\"\"},", "0]"),
    ]));
    let patch = |text: &str| Patch::read(text.as_bytes()).unwrap();
    takes(50, "a patch", &patches, str::to_owned, |text| patch(text));
    takes(50, "patching", &patches, patch, |patch| {
        webhook.patched(patch, &rules, webhook.updated().clone())
    });
    let queries = repeated(&[
        ("", "a&", "a"),
        ("", "eventTypes=a&", "a"),
        ("eventTypes=a", ",a", ""),
        ("origins=a", ",a", ""),
        ("name=", "*", ""),
        ("name=", "a*", ""),
        ("name=", "%00", ""),
        ("next=", "a", ""),
    ]);
    let queries =
        [queries, vec![(0..50_000).map(|n| format!("eventTypes={n}&")).collect()]].concat();
    takes(20, "a query", &queries, str::to_owned, |text| ListQuery::read(text));
    takes(20, "another query", &queries, str::to_owned, |text| DeliveryQuery::read(text));
}

#[test]
fn bounds_the_work_of_catalogues_and_snapshots() {
    let types: Vec<_> = (0..20_000).map(|n| format!("{{\"name\":\"{n}\"}}")).collect();
    let newer: Vec<_> =
        (0..20_000).map(|n| format!("{{\"name\":\"a{n}\",\"newerName\":\"b{n}\"}}")).collect();
    let mut catalogues = repeated(&[
        ("{\"data\":[", "{},", "0]}"),
        ("{\"data\":[{\"name\":\"a\",\"levels\":[", "\"user\",", "\"user\"]}]}"),
    ]);
    catalogues.extend([types, newer].map(|types| format!("{{\"data\":[{}]}}", types.join(","))));
    takes(25, "a catalogue", &catalogues, str::to_owned, |text| Catalogue::read(text.as_bytes()));

    let rules = Rules::default();
    let document = json!({
        "name": "n", "url": "https://a.b/", "enabled": true, "filter": "id eq \"a\" or id eq \"b\"",
        "eventTypes": ["com.qlik.v1.app.created"],
    });
    let webhook = create(&rules, document);
    let written = |tenants: usize, webhooks: usize| {
        let registry = Registry::new(&rules);
        for tenant in 0..tenants {
            let webhook = |n: usize| {
                let text = serde_json::to_string(&webhook.stored()).unwrap();
                let text = text.replace("\"w\"", &format!("\"w{n}\""));
                Webhook::read(&WebhookDocument::read(text.as_bytes()).unwrap(), &rules)
                    .unwrap()
                    .webhook
            };
            let _ = registry.load(format!("t{tenant}"), (0..webhooks).map(webhook)).unwrap();
        }
        let mut bytes = Vec::new();
        registry.write_snapshot(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let header = "{\"format\":\"hooksieve-snapshot\",\"version\":1}\n";
    let snapshots = vec![written(5_000, 0), written(1_000, 1), written(1, 1_000)];
    let damaged = vec![header.repeat(10_000), format!("{header}{}", "x".repeat(1_000_000))];
    // A tenant without webhooks is one line, and takes 4 KB once it is loaded.
    let inputs = [snapshots, damaged].concat();
    let into = |text: &str| (text.to_owned(), Registry::new(&rules));
    takes(80, "a snapshot", &inputs, into, |(text, registry)| {
        registry.read_snapshot(text.as_bytes()).is_ok()
    });
}

#[test]
fn bounds_the_work_of_deliveries() {
    let rules = Rules::default();
    let webhook = Arc::new(create(&rules, json!({"name": "n", "url": "https://a.b/"})));
    let records = events().into_iter().map(|text| {
        let event = rules.profile().read_event(text.as_bytes()).unwrap();
        let request =
            RequestBuilder::default().request(&webhook, &Payload::new(&event, text.clone()));
        let headers = (0..500).map(|n| {
            let name = http::HeaderName::from_bytes(format!("x{n}").as_bytes()).unwrap();
            (name, http::HeaderValue::from_static("v"))
        });
        let response = Response {
            status: http::StatusCode::OK,
            headers: headers.collect(),
            body: vec![b'\xff'; 1_000].into(),
        };
        let now = std::time::UNIX_EPOCH.into();
        serde_json::to_string(&Delivery::new("d", &request, now, Ok(&response)).stored()).unwrap()
    });
    let mut records: Vec<_> = records.collect();
    let record = records[0].clone();
    let headers = members("\"headers\":{\"\":\"\",", "\"\"", "}");
    records.push(record.replacen("\"headers\":{}", &headers, 1));
    records.extend(repeated(&[("{\"request\":{\"headers\":{", "\"\":\"\",", "")]));
    takes(15, "a record", &records, str::to_owned, |text| Delivery::read(text.as_bytes()));
}

/// A million webhooks are inserted or removed, in twenty rounds that have nothing in common. No
/// byte is left.
#[test]
fn keeps_no_memory_after_a_million_changes() {
    const LIVE: usize = 500;
    let profile = Profile::webhook();
    let subscription = |n: usize| {
        let text = match n % 4 {
            0 => format!(r#"id eq "i{n}" or spaceId eq "s{}""#, n % 70),
            1 => format!(r#"spaceId eq "s{}" and topLevelResourceId ne "r{n}""#, n % 70),
            2 => format!(r#"id ne "i{n}""#),
            _ => String::new(),
        };
        Subscription::new("t", ["x"], profile.filter(&text).unwrap())
    };
    let subscriptions: Vec<_> = (0..20 * LIVE).map(subscription).collect();
    let mut matcher = Matcher::new(&profile);
    let (mut slots, mut next) = (Vec::with_capacity(LIVE), 0);
    let mut round = |matcher: &mut Matcher, number: usize| {
        for _ in 0..LIVE {
            slots.push(matcher.insert(&subscriptions[next % subscriptions.len()]).unwrap());
            next += 1;
        }
        slots.rotate_left(number % 20 * 31 % LIVE);
        slots.drain(..).for_each(|slot| assert!(matcher.remove(slot)));
    };
    (0..100).for_each(|number| round(&mut matcher, number));
    let begin = matcher.bytes();
    let used = measure(|| (100..1_000).for_each(|number| round(&mut matcher, number)));
    assert!(matcher.is_empty());
    // A hash table may have grown once: where removed entries collide is up to the random hash.
    let end = matcher.bytes();
    assert_eq!(used.bytes_current, end as i64 - begin as i64);
    assert!(end <= begin + begin / 4, "{begin} bytes, then {end}");
    assert!(used.bytes_max < end as u64, "{used:?}");
}

/// A registry keeps two copies of a tenant; both return their memory.
#[test]
fn keeps_no_memory_after_changes_of_a_registry() {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let _ = registry.load("t", []).unwrap();
    let webhooks: Vec<_> = (0..50)
        .map(|n| {
            let document = json!({
                "name": "n", "url": "https://a.b/", "enabled": true,
                "filter": format!("id eq \"{n}\" or spaceId eq \"{}\"", n % 7),
                "eventTypes": ["com.qlik.v1.app.created"],
            });
            let new = NewWebhook::new(format!("w{n}"), "u", std::time::UNIX_EPOCH.into());
            Webhook::create(&document.into(), &rules, new).unwrap().webhook
        })
        .collect();
    let round = || {
        for webhook in &webhooks {
            let _ = registry.put(&"t".into(), webhook.clone()).unwrap();
        }
        for webhook in &webhooks {
            let _ = registry.remove(&"t".into(), webhook.id()).unwrap();
        }
    };
    let bytes = || {
        let stats = registry.stats(&"t".into()).unwrap();
        (stats.webhooks, stats.index_bytes, stats.places_bytes, stats.spare_bytes)
    };
    (0..10).for_each(|_| round());
    let begin = bytes();
    let used = measure(|| (0..200).for_each(|_| round()));
    assert_eq!((bytes(), used.bytes_current), (begin, 0));
}
