//! The server: throughput, processor time, latency, recovery and memory.
//!
//! `cargo bench --bench server --features serve`; add `-- 1 5` for some of the rows only. It starts
//! the built program with a temporary directory and `--dev`. Receivers, senders and what the server
//! is compared with run in the process of the bench, on the same processors.
//!
//! ```text
//! flood, steadily ──▶ hooksieve serve ──▶ receiver      rows 1 to 9
//!       └───────────▶ bare::intake                      row 1: a handler, the same rows
//!                     bare::posts ──────▶ receiver      row 2: a loop, the same requests
//! ```
//!
//! A ratio compares rounds that follow each other, and is the median of three. Everything is on one
//! machine, so the senders and receivers take processor time that a server would have for itself.
#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    reason = "a benchmark that shares files with others"
)]

mod bare;
mod load;
#[path = "../support/measure.rs"]
mod measure;
mod memory;
#[path = "../support/number.rs"]
mod number;
mod program;
mod receiver;
mod recovery;
mod speed;
#[path = "../support/table.rs"]
mod table;

use table::Goal;

/// Which rows are measured, and how large they are.
pub struct Run {
    only: Vec<String>,
    /// The divisor of all sizes and times.
    pub scale: usize,
}

impl Run {
    fn includes(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == row)
    }
}

fn main() {
    // Row 8 measures the memory of a registry in a process of its own.
    if let Some(path) = std::env::args().skip_while(|word| word != memory::REGISTRY).nth(1) {
        return memory::registry(path.as_ref());
    }
    let (options, only): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word.starts_with('-'));
    // `cargo test --benches` only checks that the bench runs, on small loads.
    let scale = if options.iter().any(|option| option == "--bench") { 1 } else { 20 };
    let run = Run { only, scale };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads can be started");
    table::head();
    if run.includes("1") {
        runtime.block_on(speed::intake(&run));
    }
    if run.includes("2") {
        runtime.block_on(speed::deliveries(&run));
    }
    if run.includes("3") || run.includes("4") {
        runtime.block_on(speed::processor_time(&run));
    }
    if run.includes("5") {
        runtime.block_on(speed::latency(&run));
    }
    if run.includes("6") {
        runtime.block_on(speed::isolation(&run));
    }
    if run.includes("7") {
        runtime.block_on(recovery::kill(&run));
    }
    if run.includes("8") {
        memory::webhooks(&run);
    }
    if run.includes("9") {
        runtime.block_on(recovery::page(&run));
    }
}

/// A target for a share of what the bare program does; higher is better.
pub fn at_least(share: f64, must: f64, aim: f64) -> Goal {
    let unit = |of: f64| format!("≥ {:.1}", 1.0 / of);
    Goal { value: 1.0 / share, must: 1.0 / must, aim: 1.0 / aim, unit }
}

/// Formats a time in milliseconds.
pub fn millis(of: f64) -> String {
    // Below the resolution, three significant digits are noise.
    if of < 0.001 { "0 ms".to_owned() } else { format!("{} ms", number::number(of)) }
}
