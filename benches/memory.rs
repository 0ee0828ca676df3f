//! Row 8 of the targets, counted by the allocator: what an index has allocated, and what it held at
//! most while it was filled.
//!
//! `cargo bench --bench memory`. A bench of its own, since the allocator that counts is slower.
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

use hooksieve::matcher::Matcher;
use support::number::{commas, number};
use support::table::{self, Goal};
use support::{PROFILE, filters, insert};
use workload::{Mix, TENANT};

fn main() {
    // `cargo test --benches` shows that it runs, no more.
    let scale = if std::env::args().any(|word| word == "--bench") { 1 } else { 100 };
    let webhooks = 1_000_000 / scale;
    let texts: Vec<String> = filters(Mix::Selective, webhooks).collect();
    let mut matcher = Matcher::new(&PROFILE);
    let used = allocation_counter::measure(|| {
        for text in &texts {
            insert(&mut matcher, TENANT, text);
        }
    });
    let [held, most] = [used.bytes_current as f64, used.bytes_max as f64];
    let [held, most] = [held, most].map(|bytes| bytes / matcher.len() as f64);
    table::row(
        "8",
        &format!("memory of a webhook, of {} with shared values: allocated", commas(webhooks)),
        &format!("{} bytes ({} at most while filled)", number(held), number(most)),
        "",
        &[Goal { value: held, must: 100.0, aim: 40.0, unit: |of| format!("{of} bytes") }],
    );
}
