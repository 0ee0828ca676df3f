//! Builds, times and checks one engine at one size.

use crate::agreement::{self, Agreement};
use crate::arguments::Arguments;
use crate::engines::{Engine, Peer};
use crate::load::{Input, Load};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The outcome of one engine at one size.
pub struct Outcome {
    /// The number of webhooks whose filters the engine can express.
    pub expressed: usize,
    /// The number of all webhooks.
    pub webhooks: usize,
    pub result: Result<Figures, String>,
}

pub struct Figures {
    /// The time from the texts in the engine's language to the result of the first event, until
    /// which some engines delay work.
    pub build: Duration,
    /// The microseconds per event.
    pub micros: f64,
    /// The microseconds of the yardstick in the same period.
    pub yardstick: f64,
    /// The number of events that were timed.
    pub events: usize,
    pub agreement: Agreement,
}

/// Builds, times and checks an engine. Its errors and panics are its result.
pub fn run(peer: &Peer, load: &Load, arguments: &Arguments) -> Outcome {
    let texts: Vec<Option<String>> = load.filters.iter().map(peer.translate).collect();
    let expressed: Vec<bool> = texts.iter().map(Option::is_some).collect();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let (mut engine, build) = build(peer, load, &texts, arguments)?;
        let Times { micros, yardstick, events } =
            time(&mut *engine, &load.events, arguments.measure)?;
        let agreement = agreement::check(&mut *engine, load, &expressed, arguments.measure)?;
        Ok(Figures { build, micros, yardstick, events, agreement })
    }));
    let result = result.unwrap_or_else(|panic| {
        let message = panic.downcast::<String>().map(|text| *text);
        let message =
            message.or_else(|panic| panic.downcast::<&str>().map(|text| text.to_string()));
        Err(format!("panics: {}", message.unwrap_or_default()))
    });
    let count = expressed.iter().filter(|expressed| **expressed).count();
    Outcome { expressed: count, webhooks: expressed.len(), result }
}

fn build(
    peer: &Peer,
    load: &Load,
    texts: &[Option<String>],
    arguments: &Arguments,
) -> Result<(Box<dyn Engine>, Duration), String> {
    let before = resident();
    let start = Instant::now();
    let mut engine = (peer.new)();
    for (webhook, text) in (0u32..).zip(texts) {
        let Some(text) = text else { continue };
        engine.insert(webhook, text).map_err(|error| format!("{error} (webhook {webhook})"))?;
        if webhook % 64 == 0 {
            let progress = || format!("at {webhook} of {} webhooks", texts.len());
            if start.elapsed() > arguments.build {
                return Err(format!(
                    "not built after {} s, {}",
                    arguments.build.as_secs(),
                    progress()
                ));
            }
            if resident().saturating_sub(before) > arguments.memory {
                return Err(format!(
                    "uses more than {} GiB, {}",
                    arguments.memory >> 30,
                    progress()
                ));
            }
        }
    }
    engine.matches(&load.events[0], &mut Vec::new())?;
    Ok((engine, start.elapsed()))
}

/// Returns the bytes of memory that the process uses; 0 if the system does not report them.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

struct Times {
    micros: f64,
    yardstick: f64,
    events: usize,
}

/// Times an engine that is warm: medians over passes. A slow engine gets fewer events.
fn time(engine: &mut dyn Engine, events: &[Input], budget: Duration) -> Result<Times, String> {
    let mut hits = Vec::new();
    let mut pass = |events: &[Input]| {
        let start = Instant::now();
        for event in events {
            hits.clear();
            engine.matches(event, &mut hits)?;
            black_box(&hits);
        }
        Ok::<_, String>(start.elapsed().as_secs_f64() * 1e6 / events.len() as f64)
    };
    let start = Instant::now();
    let mut warm = 0;
    while warm < events.len() && start.elapsed() < budget / 5 {
        pass(&events[warm..=warm])?;
        warm += 1;
    }
    // At least ten events; otherwise as many as the warm-up had time for.
    let sample = &events[..warm.max(10).min(events.len())];
    let (mut passes, mut yardsticks) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while passes.len() < 3 || (start.elapsed() < budget && passes.len() < 1_000) {
        if passes.len() % 4 == 0 {
            yardsticks.push(yardstick(&events[..events.len().min(200)]));
        }
        passes.push(pass(sample)?);
    }
    Ok(Times { micros: median(passes), yardstick: median(yardsticks), events: sample.len() })
}

/// Returns the microseconds that `serde_json` takes to make a `Value` of an event.
///
/// A first pass, which is not timed, brings back the caches that a slow engine emptied.
fn yardstick(events: &[Input]) -> f64 {
    let pass = || {
        let start = Instant::now();
        for event in events {
            black_box(serde_json::from_slice::<serde_json::Value>(event.bytes).unwrap());
        }
        start.elapsed().as_secs_f64() * 1e6 / events.len() as f64
    };
    pass();
    pass()
}

pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}
