//! The clock and the source of random bytes, which `mod.rs` passes to every part below it.
//!
//! No other code of the server reads either from the machine, so a test can control both. There are
//! two clocks, since the time of day answers another question than a duration does:
//!
//! | clock | for | can it go back? |
//! | --- | --- | --- |
//! | `now` | what is shown, stored and expired | yes, when an operator or NTP sets it |
//! | `since_start` | rate limits, durations, ages of results | no |

use hooksieve::webhook::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The machine provided no random bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes are available: {0}")]
pub(crate) struct NoRandomness(pub(crate) String);

/// Fills a buffer with random bytes.
type Fill = dyn Fn(&mut [u8]) -> Result<(), NoRandomness> + Send + Sync;

/// The clock and the source of random bytes. Clones are inexpensive.
#[derive(Clone)]
pub(crate) struct Ambient {
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    since_start: Arc<dyn Fn() -> Duration + Send + Sync>,
    fill: Arc<Fill>,
}

impl Ambient {
    /// Returns the machine's clock and source of random bytes.
    pub(crate) fn machine() -> Self {
        let start = Instant::now();
        let fill = |bytes: &mut [u8]| {
            getrandom::fill(bytes).map_err(|error| NoRandomness(error.to_string()))
        };
        Self {
            now: Arc::new(SystemTime::now),
            // Monotonic: the difference of two times of day can be negative.
            since_start: Arc::new(move || start.elapsed()),
            fill: Arc::new(fill),
        }
    }

    /// Returns the time of day, in whole milliseconds, which is the precision that clients can
    /// read.
    pub(crate) fn now(&self) -> Timestamp {
        let millis = self.millis();
        // Whole milliseconds of 64 bits are within the range of the system's times.
        let since = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH).into()
    }

    /// Returns the milliseconds since 1970. A machine whose clock shows an earlier time has no
    /// battery and was not set yet; it counts as 1970, so that ids and records are still made.
    fn millis(&self) -> u128 {
        let since = (self.now)().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis())
    }

    /// Returns the time since the start, which never decreases, for measuring durations.
    pub(crate) fn since_start(&self) -> Duration {
        (self.since_start)()
    }

    /// Returns cryptographically secure random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Fills a buffer with cryptographically secure random bytes.
    pub(crate) fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        (self.fill)(bytes)
    }

    /// Returns a new id: a UUID of version 7 (RFC 9562), so that ids sort by time of creation.
    pub(crate) fn id(&self) -> Result<String, NoRandomness> {
        // unix_ts_ms (48 bits) │ ver (4) │ rand_a (12) │ var (2) │ rand_b (62)
        let millis = self.millis() & 0xffff_ffff_ffff;
        let random = u128::from_be_bytes(self.random()?);
        let low = random & 0x0fff_3fff_ffff_ffff_ffff;
        let bits = (millis << 80) | (0x7 << 76) | (0x2 << 62) | low;
        // The groups of the text have 8, 4, 4, 4 and 12 digits.
        let group = |shift: u32, bytes: u32| (bits >> shift) & ((1 << (8 * bytes)) - 1);
        let (a, b, c) = (group(96, 4), group(80, 2), group(64, 2));
        Ok(format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", group(48, 2), group(0, 6)))
    }
}

#[cfg(test)]
impl Ambient {
    /// Returns a clock that shows a fixed time of day, and bytes from a counter.
    pub(crate) fn fixed(now: SystemTime, since_start: Arc<std::sync::atomic::AtomicU64>) -> Self {
        use std::sync::atomic::{AtomicU8, Ordering};
        let next = AtomicU8::new(0);
        let fill = move |bytes: &mut [u8]| {
            bytes.fill_with(|| next.fetch_add(1, Ordering::Relaxed));
            Ok(())
        };
        Self {
            now: Arc::new(move || now),
            since_start: Arc::new(move || {
                Duration::from_millis(since_start.load(Ordering::Relaxed))
            }),
            fill: Arc::new(fill),
        }
    }
}

#[cfg(test)]
impl Ambient {
    /// Returns the clock of the runtime, which may be paused, and bytes from a generator. The time
    /// of day was `base` when it was created, and is ahead by `skew` milliseconds.
    pub(crate) fn simulated(
        base: SystemTime,
        skew: Arc<std::sync::atomic::AtomicI64>,
        seed: u64,
    ) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        let (start, next) = (tokio::time::Instant::now(), AtomicU64::new(seed));
        let fill = move |bytes: &mut [u8]| {
            for byte in bytes {
                let state = next.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                *byte = (mixed >> 56) as u8;
            }
            Ok(())
        };
        let ahead = move || {
            let skew = skew.load(Ordering::Relaxed);
            let (time, by) = (base + start.elapsed(), Duration::from_millis(skew.unsigned_abs()));
            if skew < 0 { time - by } else { time + by }
        };
        Self {
            now: Arc::new(ahead),
            since_start: Arc::new(move || start.elapsed()),
            fill: Arc::new(fill),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ambient;
    use std::time::{Duration, SystemTime};

    #[test]
    fn makes_ids_that_sort_by_time() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let ids = [0x0123_4567_89ab, 0x0123_4567_89ac]
            .map(|millis| Ambient::fixed(at(millis), Default::default()).id().unwrap());
        assert_eq!(ids[0], "01234567-89ab-7607-8809-0a0b0c0d0e0f");
        assert!(ids[0] < ids[1]);
        assert_ne!(Ambient::machine().id(), Ambient::machine().id());
    }
}
