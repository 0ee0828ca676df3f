//! How many requests a key may send: a token bucket per key and tier.
//!
//! A bucket holds as many tokens as a minute allows and fills evenly; a request takes one. So a
//! client may send a minute's requests at once, and then as fast as the bucket fills. A bucket is two
//! numbers, and there is one for each tier of each key that sends requests: as many as there are keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tier {
    /// Reading and checking.
    One,
    /// Changing and sending.
    Two,
}

/// Requests a minute of each tier; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Of tier 1.
    pub(crate) tier1: u32,
    /// Of tier 2.
    pub(crate) tier2: u32,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    /// When they were counted.
    at: Duration,
}

/// The buckets of all keys.
pub(crate) struct Buckets {
    rates: Rates,
    buckets: Mutex<HashMap<(Box<str>, Tier), Bucket>>,
}

impl Buckets {
    /// Full buckets.
    pub(crate) fn new(rates: Rates) -> Self {
        Self { rates, buckets: Mutex::default() }
    }

    /// Takes a token at a time since the start.
    ///
    /// # Errors
    ///
    /// How long to wait for the next token.
    pub(crate) fn take(&self, key: &str, tier: Tier, now: Duration) -> Result<(), Duration> {
        let rate = match tier {
            Tier::One => self.rates.tier1,
            Tier::Two => self.rates.tier2,
        };
        if rate == 0 {
            return Ok(());
        }
        let (size, per_second) = (f64::from(rate), f64::from(rate) / 60.0);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { tokens: size, at: now };
        let bucket = buckets.entry((key.into(), tier)).or_insert(full);
        let filled = now.saturating_sub(bucket.at).as_secs_f64() * per_second;
        bucket.tokens = (bucket.tokens + filled).min(size);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Drops the buckets of keys that are gone.
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
        assert_eq!(buckets.take("a", Tier::One, at(0)), Ok(()), "tiers are counted apart");
        assert_eq!(buckets.take("b", Tier::Two, at(0)), Ok(()), "and so are keys");
        assert_eq!(buckets.take("a", Tier::Two, at(20)), Ok(()));
        assert_eq!(buckets.take("a", Tier::Two, at(20)), Err(at(20)));
        for _ in 0..3 {
            assert_eq!(buckets.take("a", Tier::Two, at(10_000)), Ok(()), "never more than full");
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
