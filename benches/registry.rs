//! The registry: the latency of matches while webhooks change, and the cost of changes and
//! snapshots.
//!
//! `cargo bench --bench registry` prints two Markdown tables. The first one measures two matching
//! threads for a while without updates and for a while with them; the second one measures changes,
//! memory and snapshots without any other thread.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark")]

#[path = "../src/cli/verbs/generate/workload.rs"]
#[allow(dead_code, reason = "shared with the program")]
mod workload;

use hooksieve::event::Event;
use hooksieve::matcher::Access;
use hooksieve::registry::Registry;
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
use serde_json::json;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};
use workload::{Mix, TENANT, TYPE, Workload};

const READERS: usize = 2;
const ROUNDS: usize = 5;
const PHASE: Duration = Duration::from_millis(1500);

fn webhook(rules: &Rules, number: usize, workload: &mut Workload) -> Webhook {
    let document = WebhookDocument::from(json!({
        "name": "n", "url": "https://hooks.example.com/", "enabled": true,
        "eventTypes": [TYPE], "filter": workload.filter(),
    }));
    let new = NewWebhook::new(format!("wh-{number}"), "u1", UNIX_EPOCH.into());
    Webhook::create(&document, rules, new).expect("generated webhooks are valid").webhook
}

fn loaded(rules: &Rules, count: usize) -> Registry {
    let registry = Registry::new(rules);
    let mut workload = Workload::new(Mix::Selective, count, 42);
    let webhooks = (0..count).map(|number| webhook(rules, number, &mut workload));
    let _ = registry.load(TENANT, webhooks).expect("there is room");
    registry
}

/// Returns a quantile of sorted latencies, 0.5 for the median.
fn quantile(sorted: &[u32], of: f64) -> u32 {
    sorted.get(((sorted.len().max(1) - 1) as f64 * of) as usize).copied().unwrap_or_default()
}

/// Matches on [`READERS`] threads and updates at a rate for a while, 0 for no updates.
///
/// Returns the latencies of matches and of updates in nanoseconds, ascending.
fn phase(registry: &Registry, rate: u32, count: usize, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let rules = registry.rules();
    let mut source = Workload::new(Mix::Selective, count, 7);
    let bytes: Vec<Vec<u8>> = (0..1000).map(|_| source.event(TENANT).into_bytes()).collect();
    let read = |bytes| rules.profile().read_event(bytes).expect("generated events are valid");
    let events: Vec<Event<'_>> = bytes.iter().map(|bytes| read(bytes)).collect();
    let done = AtomicBool::new(false);
    let nanos = |begin: Instant| begin.elapsed().as_nanos() as u32;
    let (mut matches, mut updates) = thread::scope(|scope| {
        let sessions: Vec<_> = (0..READERS)
            .map(|number| {
                let (mut session, events, done) = (registry.session(), &events, &done);
                scope.spawn(move || {
                    let mut latencies = Vec::with_capacity(1 << 23);
                    for event in events.iter().cycle().skip(number * 500) {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        let begin = Instant::now();
                        let recipients =
                            session.matches(event, Access::EventOwner).expect("it is loaded");
                        black_box(recipients.len());
                        drop(recipients);
                        latencies.push(nanos(begin));
                    }
                    latencies
                })
            })
            .collect();
        let (begin, mut updates) = (Instant::now(), Vec::new());
        let mut source = Workload::new(Mix::Selective, count, seed);
        let interval = Duration::from_secs(1).checked_div(rate);
        while begin.elapsed() < PHASE {
            let Some(interval) = interval else {
                thread::sleep(PHASE / 10);
                continue;
            };
            let number = updates.len() * 7919 % count;
            let webhook = webhook(&rules, number, &mut source);
            let update = Instant::now();
            let _ = registry.put(&TENANT.into(), webhook).expect("it is loaded");
            updates.push(nanos(update));
            let next = begin + interval * updates.len() as u32;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        done.store(true, Ordering::Relaxed);
        let matches = sessions.into_iter().flat_map(|session| session.join().expect("it ends"));
        (matches.collect::<Vec<_>>(), updates)
    });
    matches.sort_unstable();
    updates.sort_unstable();
    (matches, updates)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn matches_under_updates(rules: &Rules) {
    println!(
        "| webhooks | updates/s | match p50, without → with updates | match p99 | match p99.9 | p99.9 ratio | update p50 | update p99 |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (count, rate) in [(10_000, 1_000), (100_000, 100)] {
        let registry = loaded(rules, count);
        let mut columns: Vec<Vec<f64>> = vec![Vec::new(); 9];
        for round in 0..ROUNDS {
            let (quiet, _) = phase(&registry, 0, count, 1);
            let (busy, updates) = phase(&registry, rate, count, 100 + round as u64);
            let mut row: Vec<f64> = [0.5, 0.99, 0.999]
                .iter()
                .flat_map(|of| [quantile(&quiet, *of), quantile(&busy, *of)].map(f64::from))
                .collect();
            row.push(row[5] / row[4]);
            row.extend([0.5, 0.99].map(|of| f64::from(quantile(&updates, of)) / 1000.0));
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
        let row: Vec<f64> = columns.into_iter().map(median).collect();
        println!(
            "| {count} | {rate} | {:.0} → {:.0} ns | {:.0} → {:.0} | {:.0} → {:.0} | {:.2} | {:.1} µs | {:.1} |",
            row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8]
        );
    }
}

/// Returns the time to read a snapshot on a number of threads.
fn restart(rules: &Rules, snapshot: &[u8], threads: usize) -> Duration {
    let registry = Registry::new(rules);
    let begin = Instant::now();
    let read = registry.restore(snapshot).read_on(|work| {
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    });
    read.expect("it was written whole");
    begin.elapsed()
}

fn changes_and_snapshots(rules: &Rules) {
    println!();
    println!(
        "| webhooks | put p50 | put p99 | remove p50 | remove p99 | index, bytes per webhook | ids and slots, bytes per webhook | second copy, bytes per webhook | write a snapshot | read a snapshot | on 2 threads |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for count in [100_000, 1_000_000] {
        let registry = loaded(rules, count);
        let mut source = Workload::new(Mix::Selective, count, 5);
        let (mut puts, mut removes) = (Vec::new(), Vec::new());
        for number in 0..20_000 {
            let number = number * 7919 % count;
            let webhook = webhook(rules, number, &mut source);
            let id = format!("wh-{number}");
            let begin = Instant::now();
            let _ = registry.remove(&TENANT.into(), &id.as_str().into()).expect("it is loaded");
            removes.push(begin.elapsed().as_nanos() as u32);
            let begin = Instant::now();
            let _ = registry.put(&TENANT.into(), webhook).expect("it is loaded");
            puts.push(begin.elapsed().as_nanos() as u32);
        }
        puts.sort_unstable();
        removes.sort_unstable();
        let micros = |sorted: &[u32], of| f64::from(quantile(sorted, of)) / 1000.0;
        let stats = registry.stats(&TENANT.into()).expect("it is loaded");
        let each = |bytes: usize| bytes as f64 / count as f64;
        let mut snapshot = Vec::new();
        let begin = Instant::now();
        registry.write_snapshot(&mut snapshot).expect("a vector takes all");
        let written = begin.elapsed();
        drop(registry);
        let [read, on_threads] = [1, READERS].map(|threads| restart(rules, &snapshot, threads));
        println!(
            "| {count} | {:.2} µs | {:.2} | {:.2} µs | {:.2} | {:.0} | {:.0} | {:.0} | {:.2} s | {:.2} s | {:.2} s |",
            micros(&puts, 0.5),
            micros(&puts, 0.99),
            micros(&removes, 0.5),
            micros(&removes, 0.99),
            each(stats.index_bytes),
            each(stats.places_bytes),
            each(stats.spare_bytes),
            written.as_secs_f64(),
            read.as_secs_f64(),
            on_threads.as_secs_f64(),
        );
    }
}

fn main() {
    let rules = Rules::default();
    matches_under_updates(&rules);
    changes_and_snapshots(&rules);
}
