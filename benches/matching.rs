//! Matching events against webhooks: the index, a plain scan, and the yardstick.
//!
//! The plain scan calls `Subscription::matches` for each webhook. The yardstick is one
//! `serde_json::Value` parse of the same bytes. A group's name begins with the rows of the targets
//! that it measures.
//!
//! `cargo bench --bench matching`; add `-- '^3'` for row 3 only. Compare figures of one run only.
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

use criterion::{Criterion, criterion_group, criterion_main};
use hooksieve::matcher::{Access, Scratch, Subscription};
use std::hint::black_box;
use std::time::Duration;
use support::{EVENTS, Load, hit, queries, read, yardstick};
use workload::Mix;

fn matching(c: &mut Criterion) {
    for (name, mix, webhooks) in [
        ("1, 2: selective, 100,000 webhooks", Mix::Selective, 100_000),
        ("3: selective, 1,000 webhooks", Mix::Selective, 1_000),
        ("4: full, 100,000 webhooks", Mix::Full, 100_000),
        ("full, 1,000 webhooks", Mix::Full, 1_000),
        ("growing, 100,000 webhooks", Mix::Growing, 100_000),
        ("growing, 1,000 webhooks", Mix::Growing, 1_000),
    ] {
        group(c, name, &Load::new(mix, webhooks));
    }
    group(c, "5: no webhook of the event type", &Load::new(Mix::Selective, 100_000).without_type());
    group(c, "6: 1,000 tenants, 100 webhooks each", &Load::of_tenants(1_000, 100, EVENTS));
}

fn group(c: &mut Criterion, name: &str, load: &Load) {
    let (matcher, events) = (load.matcher(), load.events());
    let mut scratch = Scratch::default();
    let hits: usize = events.iter().map(|event| hit(&matcher, event, &mut scratch)).sum();
    let length = load.documents.iter().map(String::len).sum::<usize>() / EVENTS;
    println!("{name}: {:.2} matches per event of {length} bytes", hits as f64 / EVENTS as f64);

    let mut group = c.benchmark_group(name);
    group.measurement_time(Duration::from_secs(2));
    group.warm_up_time(Duration::from_millis(500));
    group.sample_size(20);
    let mut documents = load.documents.iter().cycle();
    group.bench_function("yardstick: serde_json::Value", |b| {
        b.iter(|| yardstick(documents.next().expect("it never ends")));
    });
    group.bench_function("reading only", |b| {
        b.iter(|| black_box(read(documents.next().expect("it never ends"))).id().is_some());
    });
    group.bench_function("from bytes", |b| {
        b.iter(|| hit(&matcher, &read(documents.next().expect("it never ends")), &mut scratch));
    });
    let mut stream = events.iter().cycle();
    group.bench_function("from attributes", |b| {
        b.iter(|| hit(&matcher, stream.next().expect("it never ends"), &mut scratch));
    });
    let queries = queries(&events);
    let mut chunks = queries.chunks_exact(64).cycle();
    group.bench_function("from attributes, in batches of 64", |b| {
        b.iter(|| {
            let chunk = chunks.next().expect("it never ends");
            matcher.matches_all(chunk, &mut scratch).map(|hits| hits.len()).sum::<usize>()
        });
    });
    group.bench_function("plain scan", |b| {
        b.iter(|| {
            let event = stream.next().expect("it never ends");
            let matches = |one: &&Subscription| one.matches(event, Access::EventOwner);
            load.subscriptions.iter().filter(matches).count()
        });
    });
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
