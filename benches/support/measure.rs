//! Measures times on a machine that also does other things.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// The times of a row and of the yardstick for one event.
#[derive(Clone, Copy)]
pub struct Reading {
    /// The median time of the row, in microseconds.
    pub micros: f64,
    /// The median time of the yardstick, in microseconds.
    pub yardstick: f64,
    /// The median over the rounds of row / yardstick.
    pub ratio: f64,
}

/// Runs the yardstick and a row in turn, over the same number of events, and compares them per
/// round.
///
/// A disturbance that lasts longer than a round slows both. Each timed pass follows an untimed one,
/// which brings back the caches that the other side emptied.
pub fn compare<Y, R>(
    budget: Duration,
    events: usize,
    yardstick: impl FnMut() -> Y,
    mut row: impl FnMut() -> R,
) -> Reading {
    compare_parts(budget, events, yardstick, || time(&mut row))
}

/// Like [`compare`], but a pass of the row returns the time of the parts of it that count.
pub fn compare_parts<Y>(
    budget: Duration,
    events: usize,
    mut yardstick: impl FnMut() -> Y,
    mut row: impl FnMut() -> Duration,
) -> Reading {
    let (mut yards, mut rows, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    while rows.len() < 7 || (start.elapsed() < budget && rows.len() < 500) {
        let yard = warm(events, &mut yardstick);
        row();
        let row = row().as_secs_f64() * 1e6 / events as f64;
        yards.push(yard);
        rows.push(row);
        ratios.push(row / yard);
    }
    Reading { micros: median(rows), yardstick: median(yards), ratio: median(ratios) }
}

/// Returns the microseconds per event of the second of two passes.
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

/// The durations of single calls, ascending, without the time to read the clock.
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

    /// Returns the microseconds that this share of the calls does not exceed.
    pub fn within(&self, share: f64) -> f64 {
        let at = (self.0.len() as f64 * share) as usize;
        self.0[at.min(self.0.len() - 1)].as_secs_f64() * 1e6
    }
}
