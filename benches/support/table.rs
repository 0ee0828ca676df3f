//! Prints the table of targets as Markdown.
//!
//! Several benches print rows of it, which can be pasted into one table.

use super::number::number;
use std::process::Command;

/// A figure with its targets. A lower one is better.
pub struct Goal {
    pub value: f64,
    pub must: f64,
    pub aim: f64,
    /// Formats such figures.
    pub unit: fn(f64) -> String,
}

/// Returns what figures depend on: the processor, the commit, and what else runs.
pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = git.map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned());
    let load = read("/proc/loadavg");
    format!(
        "Machine: {}, {cores} cores. Commit: {}. Load average: {}.",
        cpu.unwrap_or("unknown"),
        commit.unwrap_or_default(),
        load.split(' ').take(3).collect::<Vec<_>>().join(" "),
    )
}

/// Prints what the figures depend on, and the head of the table.
pub fn head() {
    println!("{}\n", machine());
    println!("| row | subject | measured | ratio | must | aim | met |\n|{}", " --- |".repeat(7));
}

pub fn row(row: &str, what: &str, measured: &str, ratio: &str, goals: &[Goal]) {
    let write = |pick: fn(&Goal) -> f64| {
        let figures = goals.iter().map(|goal| (goal.unit)(pick(goal)));
        figures.collect::<Vec<_>>().join(" / ")
    };
    let met = match goals {
        [] => "",
        _ if goals.iter().all(|goal| goal.value <= goal.aim) => "aim",
        _ if goals.iter().all(|goal| goal.value <= goal.must) => "must",
        _ => "no",
    };
    let (must, aim) = (write(|goal| goal.must), write(|goal| goal.aim));
    println!("| {row} | {what} | {measured} | {ratio} | {must} | {aim} | {met} |");
}

/// Prints a row whose targets are not relative to the yardstick, and are checked by another bench.
pub fn elsewhere(row: &str, what: &str, measured: &str, ratio: &str, of: [&str; 2], bench: &str) {
    let [must, aim] = of;
    println!("| {row} | {what} | {measured} | {ratio} | {must} | {aim} | see {bench} |");
}

/// Formats a ratio to the yardstick.
pub fn share(of: f64) -> String {
    if of < 1.0 { format!("Y/{:.1}", 1.0 / of) } else { format!("{of:.1} Y") }
}

pub fn micros(of: f64) -> String {
    format!("{} µs", number(of))
}
