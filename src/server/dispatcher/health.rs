//! When an endpoint is parked, and when its webhook is disabled.
//!
//! Both are functions of the facts that the store keeps about an endpoint, so they hold over
//! restarts:
//!
//! ```text
//!            10 failures in a row                    the time is over
//! closed ───────────────────────────▶ open: parked ────────────────────▶ one probe
//!   ▲                                     ▲              failure             │ │
//!   │                                     └──────────────────────────────────┘ │
//!   └───────────────────────────── success, or the webhook is changed ─────────┘
//! ```
//!
//! A webhook is disabled when there were many failures *and* none of the attempts succeeded for
//! long, counted from the first failure after the last success. One of the two would be wrong: a busy
//! endpoint that is down for a minute has many failures, and one that is seldom used has its last
//! success long ago.

use super::schedule::Verdict;
use crate::server::store::contract::outbox::Endpoint;
use hooksieve::webhook::Timestamp;
use std::time::{Duration, SystemTime};

/// The code of the reason for which the dispatcher disables a webhook.
pub(crate) const DELIVERY_FAILURES: &str = "delivery-failures";

/// The limits of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The number of failures in a row after which an endpoint is parked.
    pub(crate) park_after: u32,
    /// The maximum time for which it is parked.
    pub(crate) park_time: Duration,
    /// The number of failures in a row after which a webhook may be disabled.
    pub(crate) disable_after: u32,
    /// The time without a success after which it may be disabled.
    pub(crate) disable_time: Duration,
}

/// What is done about an endpoint after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing: it is used on.
    None,
    /// Nothing is sent to it until a time.
    Park(Timestamp),
    /// Its webhook is disabled for a reason.
    Disable(String),
}

impl Limits {
    /// Returns what is done about an endpoint after an attempt, at the time `now`. `step` is the
    /// wait of the schedule after the attempt, if there is one.
    pub(super) fn action(
        &self,
        endpoint: &Endpoint,
        verdict: Verdict,
        step: Option<Duration>,
        now: Timestamp,
    ) -> Action {
        match verdict {
            Verdict::Delivered => Action::None,
            Verdict::Gone => Action::Disable("the receiver responded with status 410".to_owned()),
            Verdict::Failed { .. } => self.after_failure(endpoint, step, now),
        }
    }

    fn after_failure(&self, endpoint: &Endpoint, step: Option<Duration>, now: Timestamp) -> Action {
        let Endpoint { failures, failing_since, .. } = *endpoint;
        let time = SystemTime::from(now);
        // A clock that was set back is before the first failure; then no time has passed.
        let failing = failing_since.and_then(|since| time.duration_since(since.into()).ok());
        if failures >= self.disable_after && failing.is_some_and(|time| time >= self.disable_time) {
            return Action::Disable(format!(
                "{failures} delivery attempts in a row have failed since {}",
                failing_since.unwrap_or(now)
            ));
        }
        if failures < self.park_after {
            return Action::None;
        }
        let wait = step.unwrap_or(self.park_time).min(self.park_time);
        time.checked_add(wait).map_or(Action::None, |until| Action::Park(until.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Limits, Verdict};
    use crate::server::store::contract::outbox::Endpoint;
    use hooksieve::webhook::Timestamp;
    use std::time::{Duration, UNIX_EPOCH};

    const LIMITS: Limits = Limits {
        park_after: 10,
        park_time: Duration::from_secs(60),
        disable_after: 20,
        disable_time: Duration::from_secs(86_400),
    };

    fn at(seconds: u64) -> Timestamp {
        (UNIX_EPOCH + Duration::from_secs(seconds)).into()
    }

    fn failing(failures: u32, since: u64, step: u64, now: u64) -> Action {
        let endpoint = Endpoint { failures, failing_since: Some(at(since)), ..Endpoint::default() };
        let verdict = Verdict::Failed { retry_after: None };
        LIMITS.action(&endpoint, verdict, Some(Duration::from_secs(step)), at(now))
    }

    #[test]
    fn parks_after_ten_failures_for_the_next_wait_of_the_schedule() {
        assert_eq!(failing(9, 0, 5, 1_000), Action::None);
        assert_eq!(failing(10, 0, 5, 1_000), Action::Park(at(1_005)));
        assert_eq!(failing(11, 0, 300, 1_000), Action::Park(at(1_060)));
        let endpoint = Endpoint { failures: 10, ..Endpoint::default() };
        let verdict = Verdict::Failed { retry_after: None };
        let last = LIMITS.action(&endpoint, verdict, None, at(0));
        assert_eq!(last, Action::Park(at(60)), "the last attempt of a message");
        assert_eq!(LIMITS.action(&endpoint, Verdict::Delivered, None, at(0)), Action::None);
    }

    #[test]
    fn disables_after_many_failures_and_a_long_time() {
        const DAY: u64 = 86_400;
        let disables = |action| matches!(action, Action::Disable(_));
        assert!(disables(failing(20, 100, 5, 100 + DAY)));
        assert!(!disables(failing(19, 100, 5, 100 + DAY)));
        assert!(!disables(failing(20, 100, 5, 99 + DAY)));
        assert!(!disables(failing(1_000, 100, 5, 50)), "the clock was set back");
        let gone = LIMITS.action(&Endpoint::default(), Verdict::Gone, None, at(0));
        assert!(disables(gone), "at once");
    }
}
