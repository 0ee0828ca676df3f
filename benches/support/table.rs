//! The table of targets, as Markdown. Each bench that measures some of its rows prints them with
//! this, so that they can be pasted one below the other.

use super::number::number;

/// A figure, the less the better.
pub struct Goal {
    pub value: f64,
    pub must: f64,
    pub aim: f64,
    /// How such figures are written.
    pub unit: fn(f64) -> String,
}

pub fn head() {
    println!("| row | what | measured | ratio | must | aim | met? |\n|{}", " --- |".repeat(7));
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

/// A figure that is compared with another than the yardstick, by another bench.
pub fn elsewhere(row: &str, what: &str, measured: &str, ratio: &str, of: [&str; 2], bench: &str) {
    let [must, aim] = of;
    println!("| {row} | {what} | {measured} | {ratio} | {must} | {aim} | see {bench} |");
}

/// A ratio to the yardstick.
pub fn share(of: f64) -> String {
    if of < 1.0 { format!("Y/{:.1}", 1.0 / of) } else { format!("{of:.1} Y") }
}

pub fn micros(of: f64) -> String {
    format!("{} µs", number(of))
}
