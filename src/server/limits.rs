//! Limits the rates of requests and of events with token buckets.
//!
//! A bucket refills at an even rate; each request or event takes a token. A bucket of requests holds
//! the tokens of one minute, and one of events those of one second. A client may therefore send as
//! much at once, and then as fast as the bucket refills. A bucket is two numbers. There is at most
//! one for each tier of each known key, and one for each tenant with an event in the last second.
//!
//! ```text
//! tokens  60 ┤█▄                  ▁▂▃▄▅▆▇█        rate 60: one token a second
//!            │ ▀█▄  ▄ ▄ ▄ ▄ ▁▂▃▄▅▆
//!          0 ┤    ▀▄█▀▄▀▄▀▄▀                      refused below one token, with the time until it
//!             burst   steady     idle
//! ```
//!
//! A bucket is not refilled by a timer: the tokens since the last request are computed when the next
//! one comes. A fixed window per minute would need one number less, but lets a client send two
//! minutes' worth at its border.

use hooksieve::event::TenantId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The tier of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tier {
    /// Operations that read and check.
    One,
    /// Operations that change and send.
    Two,
    /// Sending events, which is limited by the number of events and not of requests.
    Events,
}

/// The requests per minute of each tier; 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Requests per minute of tier 1.
    pub(crate) tier1: u32,
    /// Requests per minute of tier 2.
    pub(crate) tier2: u32,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Below 0 after more was taken at once than the bucket holds.
    tokens: f64,
    /// The time at which the tokens were counted.
    at: Duration,
}

impl Bucket {
    /// Creates a full bucket.
    fn new(size: f64, now: Duration) -> Self {
        Self { tokens: size, at: now }
    }

    fn fill(&mut self, size: f64, per_second: f64, now: Duration) {
        // The clock never goes back, but requests may take the lock in another order than their times.
        let filled = now.saturating_sub(self.at).as_secs_f64() * per_second;
        self.tokens = (self.tokens + filled).min(size);
        self.at = now;
    }
}

/// The buckets of all keys.
pub(crate) struct Buckets {
    rates: Rates,
    buckets: Mutex<HashMap<(Box<str>, Tier), Bucket>>,
}

impl Buckets {
    /// Creates buckets, each of which starts full.
    pub(crate) fn new(rates: Rates) -> Self {
        Self { rates, buckets: Mutex::default() }
    }

    /// Takes a token at `now`, a time since the start.
    ///
    /// # Errors
    ///
    /// Returns the time until the next token is available.
    pub(crate) fn take(&self, key: &str, tier: Tier, now: Duration) -> Result<(), Duration> {
        let rate = match tier {
            Tier::One => self.rates.tier1,
            Tier::Two => self.rates.tier2,
            Tier::Events => 0,
        };
        // Also without a bucket: a server without limits keeps nothing about its callers.
        if rate == 0 {
            return Ok(());
        }
        let (size, per_second) = (f64::from(rate), f64::from(rate) / 60.0);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // A key is seen here only after it was found, so the number of buckets is bounded.
        let bucket = buckets.entry((key.into(), tier)).or_insert(Bucket::new(size, now));
        bucket.fill(size, per_second, now);
        // A refused request takes nothing: a client that retries in vain does not wait longer for it.
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Removes the buckets of keys that no longer exist.
    pub(crate) fn retain(&self, known: impl Fn(&str) -> bool) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|(key, _), _| known(key));
    }
}

/// The number of buckets of tenants below which full ones are not removed.
const MANY: usize = 1_024;

/// The rate of accepted events of each tenant.
pub(crate) struct EventRate {
    /// Events per second; `None` for no limit.
    per_second: Option<f64>,
    buckets: Mutex<Tenants>,
}

#[derive(Default)]
struct Tenants {
    all: HashMap<TenantId, Bucket>,
    /// The number of buckets above which full ones are removed. It grows with those that stay, so
    /// that removals cost each event a constant time.
    max: usize,
}

impl EventRate {
    /// Creates buckets, each of which starts full; 0 means no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = Some(f64::from(per_second)).filter(|rate| *rate > 0.0);
        Self { per_second, buckets: Mutex::default() }
    }

    /// Takes a token for each event at `now`, a time since the start: for all of them or for none.
    ///
    /// More events than a bucket holds are accepted if it is full. The next ones then wait until the
    /// tokens are repaid, so a large request is possible, and the rate holds over time.
    ///
    /// # Errors
    ///
    /// Returns the time until the tokens are available.
    pub(crate) fn take(
        &self,
        events: &[(&TenantId, usize)],
        now: Duration,
    ) -> Result<(), Duration> {
        let Some(rate) = self.per_second else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Tenants { all, max } = &mut *buckets;
        // Names of tenants come with the events of producers of any tenant, so they are not bounded.
        if all.len() > *max {
            all.retain(|_, bucket| {
                bucket.fill(rate, rate, now);
                bucket.tokens < rate
            });
            *max = MANY.max(2 * all.len());
        }
        let mut wait = Duration::ZERO;
        for (tenant, count) in events {
            let Some(bucket) = all.get_mut(*tenant) else { continue };
            bucket.fill(rate, rate, now);
            let missing = (*count as f64).min(rate) - bucket.tokens;
            if missing > 0.0 {
                wait = wait.max(Duration::from_secs_f64(missing / rate));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for (tenant, count) in events {
            let bucket = all.entry((*tenant).clone()).or_insert(Bucket::new(rate, now));
            bucket.tokens -= *count as f64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, EventRate, MANY, Rates, Tier};
    use hooksieve::event::TenantId;
    use std::time::Duration;

    #[test]
    fn takes_events_of_all_tenants_or_of_none() {
        let rate = EventRate::new(10);
        let (a, b) = (TenantId::from("a"), TenantId::from("b"));
        let at = Duration::from_millis;
        let take = |events: &[(&TenantId, usize)], now| rate.take(events, at(now));
        assert_eq!(take(&[(&a, 8), (&b, 1)], 0), Ok(()));
        assert_eq!(take(&[(&a, 3), (&b, 1)], 0), Err(at(100)));
        assert_eq!(take(&[(&b, 9)], 0), Ok(()), "the refused events took nothing");
        assert_eq!(take(&[(&a, 3)], 100), Ok(()));
        // More than a bucket holds, once it is full.
        assert_eq!(take(&[(&a, 50)], 1_000), Err(at(100)));
        assert_eq!(take(&[(&a, 50)], 1_100), Ok(()));
        assert_eq!(take(&[(&a, 1)], 5_100), Err(at(100)));
        assert_eq!(take(&[(&a, 1)], 5_200), Ok(()));
    }

    #[test]
    fn forgets_tenants_without_recent_events() {
        let rate = EventRate::new(10);
        for number in 0..3 * MANY {
            let tenant = TenantId::from(number.to_string());
            let now = Duration::from_secs(number as u64);
            assert_eq!(rate.take(&[(&tenant, 10)], now), Ok(()));
        }
        assert!(rate.buckets.lock().unwrap().all.len() <= MANY + 1);
        let free = EventRate::new(0);
        let tenant = TenantId::from("t");
        assert_eq!(free.take(&[(&tenant, 1_000)], Duration::ZERO), Ok(()));
        assert!(free.buckets.lock().unwrap().all.is_empty());
    }

    #[test]
    fn refuses_the_request_after_a_full_bucket_until_it_fills() {
        let buckets = Buckets::new(Rates { tier1: 60, tier2: 3 });
        let at = Duration::from_secs;
        for _ in 0..3 {
            assert_eq!(buckets.take("a", Tier::Two, at(0)), Ok(()));
        }
        assert_eq!(buckets.take("a", Tier::Two, at(0)), Err(at(20)));
        assert_eq!(buckets.take("a", Tier::One, at(0)), Ok(()), "each tier has its own bucket");
        assert_eq!(buckets.take("b", Tier::Two, at(0)), Ok(()), "each key has its own bucket");
        assert_eq!(buckets.take("a", Tier::Two, at(20)), Ok(()));
        assert_eq!(buckets.take("a", Tier::Two, at(20)), Err(at(20)));
        for _ in 0..3 {
            assert_eq!(
                buckets.take("a", Tier::Two, at(10_000)),
                Ok(()),
                "a bucket never exceeds its size"
            );
        }
        assert!(buckets.take("a", Tier::Two, at(10_000)).is_err());
        buckets.retain(|key| key != "a");
        assert_eq!(buckets.take("a", Tier::Two, at(10_000)), Ok(()));
    }

    #[test]
    fn limits_nothing_at_rate_zero() {
        let buckets = Buckets::new(Rates { tier1: 0, tier2: 0 });
        assert!((0..1000).all(|_| buckets.take("a", Tier::One, Duration::ZERO).is_ok()));
    }
}
