//! The instructions that the steps of a match take, counted by callgrind.
//!
//! Counts do not depend on the load of the machine, so they compare one version with the next.
//!
//! `cargo bench --bench instructions` needs valgrind and `gungraun-runner`, in the version of
//! gungraun in `Cargo.lock`. A count is for `ROUNDS` calls, so that the first, cold one weighs
//! little. Set-up is not counted.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a benchmark"
)]

mod support;
#[allow(dead_code, reason = "shared by all benches")]
#[path = "../src/cli/verbs/generate/workload.rs"]
mod workload;

use gungraun::Callgrind;
use gungraun::prelude::*;
use hooksieve::delivery::Payload;
use hooksieve::event::{Envelope, Event, ShapeCache};
use hooksieve::filter::Filter;
use hooksieve::matcher::{Matcher, Scratch, Slot};
use hooksieve::registry::Registry;
use hooksieve::webhook::{NewWebhook, Rules, Webhook};
use serde_json::json;
use std::hint::black_box;
use std::time::UNIX_EPOCH;
use support::{Load, PROFILE, filters, hit, insert, read, read_with, texts, yardstick};
use workload::{Mix, TENANT, TYPE};

const ROUNDS: usize = 100;

fn documents() -> Vec<String> {
    let mut documents = Load::new(Mix::Selective, 0).documents;
    documents.truncate(ROUNDS);
    documents
}

#[library_benchmark]
#[bench::an_event(documents())]
fn json_value(documents: Vec<String>) -> (Vec<String>, Vec<serde_json::Value>) {
    let values = documents.iter().map(|document| yardstick(document)).collect();
    (documents, values)
}

#[library_benchmark]
#[bench::an_event(documents())]
fn read_event(documents: Vec<String>) -> Vec<String> {
    for document in &documents {
        black_box(read(document));
    }
    documents
}

#[library_benchmark]
#[bench::an_event(documents())]
fn read_event_of_known_shape(documents: Vec<String>) -> Vec<String> {
    let mut shapes = ShapeCache::default();
    for document in &documents {
        black_box(read_with(document, &mut shapes));
    }
    documents
}

/// Payloads of CloudEvents 1.0.
fn payloads() -> Vec<Payload> {
    let documents = documents();
    documents.iter().map(|document| Payload::new(&read(document), document.clone())).collect()
}

/// Payloads of the same events in the legacy envelope.
fn legacy_payloads() -> Vec<Payload> {
    let converted = payloads();
    let documents: Vec<_> =
        converted.iter().map(|payload| payload.body(Envelope::Legacy).clone()).collect();
    let payload = |bytes: &bytes::Bytes| {
        let event = PROFILE.read_event(bytes).expect("a converted event is one");
        Payload::new(&event, bytes.clone())
    };
    documents.iter().map(payload).collect()
}

#[library_benchmark]
#[bench::an_event(payloads())]
fn convert_to_legacy(payloads: Vec<Payload>) -> Vec<Payload> {
    for payload in &payloads {
        black_box(payload.body(Envelope::Legacy));
    }
    payloads
}

#[library_benchmark]
#[bench::an_event(legacy_payloads())]
fn convert_to_cloud_events(payloads: Vec<Payload>) -> Vec<Payload> {
    for payload in &payloads {
        black_box(payload.body(Envelope::CloudEvents));
    }
    payloads
}

type Crowd = (Matcher, Scratch, Vec<Event<'static>>);

fn crowd(mix: Mix, webhooks: usize) -> Crowd {
    let load = Load::new(mix, webhooks);
    let (matcher, mut scratch) = (load.matcher(), Scratch::default());
    let documents = load.documents.leak();
    let events: Vec<_> = documents[..ROUNDS].iter().map(|document| read(document)).collect();
    for event in &events {
        hit(&matcher, event, &mut scratch);
    }
    (matcher, scratch, events)
}

#[library_benchmark]
#[bench::selective_1_000(crowd(Mix::Selective, 1_000))]
#[bench::selective_100_000(crowd(Mix::Selective, 100_000))]
#[bench::full_10_000(crowd(Mix::Full, 10_000))]
fn matches((matcher, mut scratch, events): Crowd) -> (Crowd, usize) {
    let hits = events.iter().map(|event| hit(&matcher, event, &mut scratch)).sum();
    ((matcher, scratch, events), hits)
}

/// A function that takes it returns all of it, since freeing it would be counted.
type Filled = (Matcher, Vec<Slot>, Vec<String>);

fn filled(webhooks: usize) -> Filled {
    let mut matcher = Matcher::new(&PROFILE);
    let texts: Vec<_> = filters(Mix::Selective, webhooks + ROUNDS).collect();
    let (texts, more) = texts.split_at(webhooks);
    let slots = texts.iter().map(|text| insert(&mut matcher, TENANT, text)).collect();
    (matcher, slots, more.to_vec())
}

#[library_benchmark]
#[bench::among_10_000(filled(10_000))]
fn insert_text((mut matcher, slots, texts): Filled) -> Filled {
    for text in &texts {
        insert(&mut matcher, TENANT, text);
    }
    (matcher, slots, texts)
}

#[library_benchmark]
#[bench::among_10_000(filled(10_000))]
fn remove((mut matcher, slots, texts): Filled) -> Filled {
    for slot in slots.iter().step_by(slots.len() / ROUNDS) {
        matcher.remove(*slot);
    }
    (matcher, slots, texts)
}

fn webhook(rules: &Rules, number: usize, name: &str, filter: &str) -> Webhook {
    let document = json!({
        "name": name, "url": "https://hooks.example.com/", "enabled": true,
        "eventTypes": [TYPE], "filter": filter,
    });
    let new = NewWebhook::new(format!("wh-{number}"), "u1", UNIX_EPOCH.into());
    Webhook::create(&document.into(), rules, new).expect("a valid webhook").webhook
}

/// Returns a registry that has been changed before, and webhooks that replace some of its.
///
/// They have other names, and the same filters or those of other webhooks. The first changes clone
/// the index, and let the lists of the clone grow.
fn replacements(webhooks: usize, same_filter: bool) -> (Registry, Vec<Webhook>) {
    let rules = Rules::default();
    let registry = Registry::new(&rules);
    let texts: Vec<_> = filters(Mix::Selective, webhooks + ROUNDS).collect();
    let all = texts.iter().take(webhooks).enumerate();
    let all = all.map(|(number, text)| webhook(&rules, number, "Sales", text));
    let _ = registry.load(TENANT, all).expect("there is room");
    let replace = |round: usize, same_filter: bool| {
        let number = round * 7_919 % webhooks;
        let text = if same_filter { number } else { webhooks + round % ROUNDS };
        webhook(&rules, number, "Trade", &texts[text])
    };
    let first = (ROUNDS..2 * ROUNDS).map(|round| replace(round, false)).collect();
    (put_all(registry, first), (0..ROUNDS).map(|round| replace(round, same_filter)).collect())
}

fn put_all(registry: Registry, webhooks: Vec<Webhook>) -> Registry {
    let tenant = TENANT.into();
    for webhook in webhooks {
        let _ = black_box(registry.put(&tenant, webhook).expect("there is room"));
    }
    registry
}

#[library_benchmark]
#[bench::among_50_000(replacements(50_000, false))]
fn registry_put((registry, webhooks): (Registry, Vec<Webhook>)) -> Registry {
    put_all(registry, webhooks)
}

#[library_benchmark]
#[bench::among_50_000(replacements(50_000, true))]
fn registry_put_same((registry, webhooks): (Registry, Vec<Webhook>)) -> Registry {
    put_all(registry, webhooks)
}

/// Returns an empty registry, and a snapshot of one tenant.
fn snapshot(webhooks: usize) -> (Registry, Vec<u8>) {
    let (rules, mut snapshot) = (Rules::default(), Vec::new());
    let registry = Registry::new(&rules);
    let texts = filters(Mix::Selective, webhooks).enumerate();
    let all = texts.map(|(number, text)| webhook(&rules, number, "Sales", &text));
    let _ = registry.load(TENANT, all).expect("there is room");
    registry.write_snapshot(&mut snapshot).expect("a vector takes every write");
    (Registry::new(&rules), snapshot)
}

#[library_benchmark]
#[bench::of_100(snapshot(ROUNDS))]
fn restore((registry, snapshot): (Registry, Vec<u8>)) -> (Registry, Vec<u8>) {
    let _ = black_box(registry.read_snapshot(&*snapshot).expect("a valid snapshot"));
    (registry, snapshot)
}

#[library_benchmark]
#[bench::four_terms(texts::FOUR)]
fn parse_and_check(text: &str) -> Vec<Filter> {
    (0..ROUNDS).map(|_| PROFILE.filter(black_box(text)).expect("a filter")).collect()
}

library_benchmark_group!(
    name = instructions,
    benchmarks = [
        json_value,
        read_event,
        read_event_of_known_shape,
        convert_to_legacy,
        convert_to_cloud_events,
        matches,
        insert_text,
        remove,
        registry_put,
        registry_put_same,
        restore,
        parse_and_check
    ]
);

main!(
    // Simulating a cache takes long, and its misses say little about those of a real one.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = instructions
);
