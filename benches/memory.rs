//! Row 8 of the targets: the memory of a full index, as counted by the allocator.
//!
//! `cargo bench --bench memory`. It is a bench of its own, since the counting allocator is slower,
//! the yardstick's allocations most of all, which would flatter every ratio.
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

use hooksieve::matcher::Matcher;
use support::number::{commas, number};
use support::table::{self, Goal};
use support::{PROFILE, filters, insert};
use workload::{Mix, TENANT};

fn main() {
    // `cargo test --benches` only checks that the bench runs, on a small load.
    let scale = if std::env::args().any(|word| word == "--bench") { 1 } else { 100 };
    let webhooks = 1_000_000 / scale;
    let texts: Vec<String> = filters(Mix::Selective, webhooks).collect();
    let mut matcher = Matcher::new(&PROFILE);
    let used = allocation_counter::measure(|| {
        for text in &texts {
            insert(&mut matcher, TENANT, text);
        }
    });
    let given_back = allocation_counter::measure(|| matcher.shrink());
    let per_webhook = |bytes: i64| bytes as f64 / matcher.len() as f64;
    let held = per_webhook(used.bytes_current);
    let max = number(per_webhook(used.bytes_max as i64));
    row(
        &format!("memory per webhook, {} webhooks with shared values: allocated", commas(webhooks)),
        &format!("{} bytes (maximum while filling: {max})", number(held)),
        Goal { value: held, must: 100.0, aim: 40.0, unit },
    );
    let held = per_webhook(used.bytes_current + given_back.bytes_current);
    row(
        "the same after `Matcher::shrink`",
        &format!("{} bytes", number(held)),
        Goal { value: held, must: 56.0, aim: 40.0, unit },
    );
}

fn row(subject: &str, measured: &str, goal: Goal) {
    table::row("8", subject, measured, "", &[goal]);
}

fn unit(of: f64) -> String {
    format!("{of} bytes")
}
