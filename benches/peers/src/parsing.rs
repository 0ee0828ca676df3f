//! Times parsers of SCIM filters on two texts.

use crate::hook;
use crate::measure::median;
use crate::texts;
use crate::workload::{Mix, TENANT, Workload};
use std::fmt::Debug;
use std::hint::black_box;
use std::time::{Duration, Instant};

pub struct Row {
    pub name: &'static str,
    pub package: &'static str,
    /// The microseconds for 4 terms and for 100 terms, or why the parser fails.
    pub micros: [Result<f64, String>; 2],
    pub yardstick: f64,
}

pub fn run() -> Vec<Row> {
    vec![
        row("hooksieve, parse", "hooksieve", hook::parse),
        row("hooksieve, parse and check", "hooksieve", hook::check),
        row("scim_v2", "scim_v2", |text| text.parse::<scim_v2::filter::Filter>().map_err(words)),
        row("scim_proto", "scim_proto", |text| {
            text.parse::<scim_proto::filter::ScimFilter>().map_err(words)
        }),
        row("scim-filter", "scim-filter", |text| match scim_filter::parser::filter(text) {
            Ok(("", filter)) => Ok(filter),
            Ok((rest, _)) => Err(format!("leaves {} bytes unread", rest.len())),
            Err(error) => Err(words(error)),
        }),
    ]
}

fn words(error: impl ToString) -> String {
    error.to_string()
}

fn row<'t, T: Debug>(
    name: &'static str,
    package: &'static str,
    parse: impl Fn(&'t str) -> Result<T, String>,
) -> Row {
    eprintln!("parsing with {name}");
    let texts: [&'static str; 2] = [texts::FOUR, texts::hundred().leak()];
    let event = Workload::new(Mix::Selective, 1, 7).event(TENANT);
    let yardstick = time(|| serde_json::from_str::<serde_json::Value>(&event).unwrap());
    let micros = texts.map(|text| {
        // A parser that stops early would be fast, so every value must be in its tree.
        let tree = format!("{:?}", parse(text)?);
        match values(text).find(|value| !tree.contains(value)) {
            Some(value) => Err(format!("does not return `{value}`")),
            None => Ok(time(|| parse(text))),
        }
    });
    Row { name, package, micros, yardstick }
}

fn values(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// Returns the microseconds per call, as the median over passes.
fn time<T>(call: impl Fn() -> T) -> f64 {
    let start = Instant::now();
    let mut warm = 0;
    while start.elapsed() < Duration::from_millis(50) {
        black_box(call());
        warm += 1;
    }
    let calls = warm / 50 + 1;
    let pass = |_| {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call());
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    median((0..301).map(pass).collect())
}
