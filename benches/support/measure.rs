//! Times on a machine that does other things too.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// What a row and the yardstick beside it take for one event.
#[derive(Clone, Copy)]
pub struct Reading {
    /// Medians of microseconds.
    pub micros: f64,
    pub yardstick: f64,
    /// The median of their ratio in each round.
    pub ratio: f64,
}

/// Runs both in turn over the same number of events and compares what they took in each round, so
/// that a disturbance which outlasts a round slows both. Before each timed pass goes one that is
/// not, to bring back the caches that the other emptied.
pub fn beside<Y, R>(
    budget: Duration,
    events: usize,
    mut yardstick: impl FnMut() -> Y,
    mut row: impl FnMut() -> R,
) -> Reading {
    let (mut yards, mut rows, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    while rows.len() < 7 || (start.elapsed() < budget && rows.len() < 500) {
        let yard = warm(events, &mut yardstick);
        let row = warm(events, &mut row);
        yards.push(yard);
        rows.push(row);
        ratios.push(row / yard);
    }
    Reading { micros: median(rows), yardstick: median(yards), ratio: median(ratios) }
}

/// Microseconds an event.
pub fn warm<T>(events: usize, mut pass: impl FnMut() -> T) -> f64 {
    black_box(pass());
    time(pass).as_secs_f64() * 1e6 / events as f64
}

pub fn time<T>(once: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(once());
    start.elapsed()
}

pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Durations of single calls, without that of reading the clock, in ascending order.
pub struct Calls(Vec<Duration>);

impl Calls {
    pub fn new(mut calls: Vec<Duration>) -> Self {
        let mut clock: Vec<Duration> = (0..10_000).map(|_| time(|| ())).collect();
        clock.sort_unstable();
        let clock = clock[clock.len() / 2];
        calls.iter_mut().for_each(|call| *call = call.saturating_sub(clock));
        calls.sort_unstable();
        Self(calls)
    }

    /// Microseconds that this share of the calls stays within.
    pub fn within(&self, share: f64) -> f64 {
        let at = (self.0.len() as f64 * share) as usize;
        self.0[at.min(self.0.len() - 1)].as_secs_f64() * 1e6
    }
}
