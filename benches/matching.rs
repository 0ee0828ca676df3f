//! Events matched against webhooks: the index beside the plain scan with `Subscription::matches` and
//! the yardstick, one `serde_json::Value` parse of the same bytes. Groups begin with the rows of the
//! targets that they are about.
//!
//! `cargo bench --bench matching`, with `-- '^3'` only row 3; compare within one run.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a benchmark"
)]

mod support;
#[allow(dead_code, reason = "it is for all benches")]
#[path = "../src/cli/workload.rs"]
mod workload;

use criterion::{Criterion, criterion_group, criterion_main};
use hooksieve::matcher::{Access, Scratch, Subscription};
use std::hint::black_box;
use std::time::Duration;
use support::{EVENTS, Load, hit, queries, read, yardstick};
use workload::Mix;

fn matching(c: &mut Criterion) {
    for (name, mix, webhooks) in [
        ("1, 2: selective of 100,000", Mix::Selective, 100_000),
        ("3: selective of 1,000", Mix::Selective, 1_000),
        ("4: full of 100,000", Mix::Full, 100_000),
        ("full of 1,000", Mix::Full, 1_000),
        ("growing of 100,000", Mix::Growing, 100_000),
        ("growing of 1,000", Mix::Growing, 1_000),
    ] {
        group(c, name, &Load::new(mix, webhooks));
    }
    group(c, "5: unwanted type", &Load::new(Mix::Selective, 100_000).unwanted());
    group(c, "6: 1,000 tenants of 100", &Load::of_tenants(1_000, 100));
}

fn group(c: &mut Criterion, name: &str, load: &Load) {
    let (matcher, events) = (load.matcher(), load.events());
    let mut scratch = Scratch::default();
    let hits: usize = events.iter().map(|event| hit(&matcher, event, &mut scratch)).sum();
    let length = load.documents.iter().map(String::len).sum::<usize>() / EVENTS;
    println!("{name}: {:.2} matches an event of {length} bytes", hits as f64 / EVENTS as f64);

    let mut group = c.benchmark_group(name);
    group.measurement_time(Duration::from_secs(2));
    group.warm_up_time(Duration::from_millis(500));
    group.sample_size(20);
    let mut documents = load.documents.iter().cycle();
    group.bench_function("yardstick: serde_json::Value", |b| {
        b.iter(|| yardstick(documents.next().expect("endless")));
    });
    group.bench_function("reading alone", |b| {
        b.iter(|| black_box(read(documents.next().expect("endless"))).id().is_some());
    });
    group.bench_function("from bytes", |b| {
        b.iter(|| hit(&matcher, &read(documents.next().expect("endless")), &mut scratch));
    });
    let mut stream = events.iter().cycle();
    group.bench_function("from attributes", |b| {
        b.iter(|| hit(&matcher, stream.next().expect("endless"), &mut scratch));
    });
    let queries = queries(&events);
    let mut chunks = queries.chunks_exact(64).cycle();
    group.bench_function("from attributes, a batch of 64", |b| {
        b.iter(|| {
            let chunk = chunks.next().expect("endless");
            matcher.matches_all(chunk, &mut scratch).map(|hits| hits.len()).sum::<usize>()
        });
    });
    group.bench_function("plain scan", |b| {
        b.iter(|| {
            let event = stream.next().expect("endless");
            let wants = |one: &&Subscription| one.matches(event, Access::EventOwner);
            load.subscriptions.iter().filter(wants).count()
        });
    });
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
