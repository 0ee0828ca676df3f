//! Events matched against webhooks of one tenant and one event type: the index beside the plain
//! scan with `Subscription::matches` and one `serde_json::Value` parse of the same bytes.
//!
//! `cargo bench --bench matching`; compare within one run.
#![allow(missing_docs, clippy::expect_used, unreachable_pub, reason = "a benchmark")]

mod workload;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hooksieve::event::Event;
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Matcher, Scratch, Subscription};
use std::hint::black_box;
use std::time::Duration;
use workload::{Mix, Random, TENANT, TYPE};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

fn subscriptions(profile: &Profile, mix: Mix, count: usize) -> Vec<Subscription> {
    let mut random = Random(42);
    let filters = (0..count).map(|_| workload::filter(&mut random, mix));
    let filters =
        filters.map(|text| profile.filter(&text, None).expect("generated filters are valid"));
    filters.map(|filter| Subscription::new(TENANT, [TYPE], filter)).collect()
}

fn matching(c: &mut Criterion) {
    let profile = Profile::webhook();
    let mut random = Random(7);
    let bytes: Vec<Vec<u8>> =
        (0..1_000).map(|_| workload::event(&mut random).into_bytes()).collect();
    let events: Vec<Event<'_>> = bytes
        .iter()
        .map(|bytes| profile.read_event(bytes).expect("generated events are valid"))
        .collect();
    let length: usize = bytes.iter().map(Vec::len).sum::<usize>() / bytes.len();
    println!("events of {length} bytes");

    for mix in Mix::ALL {
        let mut group = c.benchmark_group(mix.name());
        group
            .measurement_time(Duration::from_secs(2))
            .warm_up_time(Duration::from_millis(500))
            .sample_size(20);

        let mut documents = bytes.iter().cycle();
        group.bench_function("yardstick: serde_json::Value", |b| {
            b.iter(|| {
                serde_json::from_slice::<serde_json::Value>(documents.next().expect("endless"))
                    .expect("valid")
            });
        });
        let mut documents = bytes.iter().cycle();
        group.bench_function("reading alone", |b| {
            b.iter(|| {
                black_box(profile.read_event(documents.next().expect("endless")).expect("valid"))
                    .id()
                    .is_some()
            });
        });

        for count in SIZES {
            let subscriptions = subscriptions(&profile, mix, count);
            let mut matcher = Matcher::new(&profile);
            for subscription in &subscriptions {
                matcher.insert(subscription.clone()).expect("there is room");
            }
            let mut scratch = Scratch::default();
            let hits: usize = events
                .iter()
                .map(|event| matcher.matches(event, Access::Owner, &mut scratch).len())
                .sum();
            println!(
                "{} of {count}: {:.2} matches an event",
                mix.name(),
                hits as f64 / events.len() as f64
            );

            let mut stream = events.iter().cycle();
            group.bench_function(BenchmarkId::new("from attributes", count), |b| {
                b.iter(|| {
                    matcher
                        .matches(stream.next().expect("endless"), Access::Owner, &mut scratch)
                        .len()
                });
            });
            let mut documents = bytes.iter().cycle();
            group.bench_function(BenchmarkId::new("from bytes", count), |b| {
                b.iter(|| {
                    let event =
                        profile.read_event(documents.next().expect("endless")).expect("valid");
                    matcher.matches(&event, Access::Owner, &mut scratch).len()
                });
            });
            let mut stream = events.iter().cycle();
            group.bench_function(BenchmarkId::new("plain scan", count), |b| {
                b.iter(|| {
                    let event = stream.next().expect("endless");
                    subscriptions
                        .iter()
                        .filter(|subscription| subscription.matches(event, Access::Owner))
                        .count()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, matching);
criterion_main!(benches);
