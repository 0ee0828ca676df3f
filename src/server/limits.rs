//! Limits the rate of requests with a token bucket for each key and tier.
//!
//! A bucket holds the tokens of one minute and refills at an even rate; each request takes one. A
//! client may therefore send a minute's worth of requests at once, and then as fast as the bucket
//! refills. A bucket is two numbers. There is at most one for each tier of each known key.
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
    tokens: f64,
    /// The time at which the tokens were counted.
    at: Duration,
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
        };
        // Also without a bucket: a server without limits keeps nothing about its callers.
        if rate == 0 {
            return Ok(());
        }
        let (size, per_second) = (f64::from(rate), f64::from(rate) / 60.0);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { tokens: size, at: now };
        // A key is seen here only after it was found, so the number of buckets is bounded.
        let bucket = buckets.entry((key.into(), tier)).or_insert(full);
        // The clock never goes back, but requests may take the lock in another order than their times.
        let filled = now.saturating_sub(bucket.at).as_secs_f64() * per_second;
        bucket.tokens = (bucket.tokens + filled).min(size);
        bucket.at = now;
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

#[cfg(test)]
mod tests {
    use super::{Buckets, Rates, Tier};
    use std::time::Duration;

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
