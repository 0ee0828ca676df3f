//! Events matched against webhooks of one tenant and one event type: the index beside the plain
//! scan with `Subscription::matches` and one `serde_json::Value` parse of the same bytes.
//!
//! `cargo bench --bench matching`; compare within one run.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "../src/cli/workload.rs"]
mod workload;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hooksieve::event::Event;
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Matcher, Scratch, Subscription};
use std::hint::black_box;
use std::time::Duration;
use workload::{Mix, TENANT, TYPE, Workload};

const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];

fn subscriptions(profile: &Profile, mix: Mix, count: usize) -> Vec<Subscription> {
    let mut workload = Workload::new(mix, count, 42);
    let filter = |_| {
        let filter = profile.filter(&workload.filter(), None).expect("generated filters are valid");
        Subscription::new(TENANT, [TYPE], filter)
    };
    (0..count).map(filter).collect()
}

fn matching(c: &mut Criterion) {
    let profile = Profile::webhook();
    for mix in Mix::ALL {
        let mut group = c.benchmark_group(mix.name());
        group.measurement_time(Duration::from_secs(2));
        group.warm_up_time(Duration::from_millis(500));
        group.sample_size(20);
        for count in SIZES {
            let mut workload = Workload::new(mix, count, 7);
            let bytes: Vec<Vec<u8>> =
                (0..1_000).map(|_| workload.event(TENANT).into_bytes()).collect();
            let read = |bytes| profile.read_event(bytes).expect("generated events are valid");
            let events: Vec<Event<'_>> = bytes.iter().map(|bytes| read(bytes)).collect();
            let subscriptions = subscriptions(&profile, mix, count);
            let mut matcher = Matcher::new(&profile);
            for subscription in &subscriptions {
                matcher.insert(subscription).expect("there is room");
            }
            let mut scratch = Scratch::default();
            let hit = |event: &Event<'_>, scratch: &mut Scratch| {
                matcher.matches(event, Access::Owner, scratch).len()
            };
            let hits: usize = events.iter().map(|event| hit(event, &mut scratch)).sum();
            let length = bytes.iter().map(Vec::len).sum::<usize>() / bytes.len();
            let each = hits as f64 / events.len() as f64;
            println!("{} of {count}: {each:.2} matches an event of {length} bytes", mix.name());

            let mut stream = events.iter().cycle();
            group.bench_function(BenchmarkId::new("from attributes", count), |b| {
                b.iter(|| hit(stream.next().expect("endless"), &mut scratch));
            });
            let mut documents = bytes.iter().cycle();
            group.bench_function(BenchmarkId::new("from bytes", count), |b| {
                b.iter(|| hit(&read(documents.next().expect("endless")), &mut scratch));
            });
            let mut stream = events.iter().cycle();
            group.bench_function(BenchmarkId::new("plain scan", count), |b| {
                b.iter(|| {
                    let event = stream.next().expect("endless");
                    let wants = |one: &&Subscription| one.matches(event, Access::Owner);
                    subscriptions.iter().filter(wants).count()
                });
            });
            if count == SIZES[0] {
                let mut documents = bytes.iter().cycle();
                group.bench_function("yardstick: serde_json::Value", |b| {
                    b.iter(|| {
                        let bytes = documents.next().expect("endless");
                        serde_json::from_slice::<serde_json::Value>(bytes).expect("valid")
                    });
                });
                let mut documents = bytes.iter().cycle();
                group.bench_function("reading alone", |b| {
                    b.iter(|| black_box(read(documents.next().expect("endless"))).id().is_some());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, matching);
criterion_main!(benches);
