//! What an attempt means, and when the next one is made.
//!
//! Everything here is a function of its arguments: the outcome, the number of the attempt, a seed
//! for the jitter and, for a date in `Retry-After`, the time.
//!
//! ```text
//! attempt   1 ──wait 1──▶ 2 ──wait 2──▶ 3 … ──wait n──▶ n + 1 ──▶ given up
//! wait i    the i-th of the schedule ≤ Retry-After ≤ the one after it, then up to 10 % more
//! ```
//!
//! | outcome | meaning |
//! | --- | --- |
//! | a status of 2xx | delivered |
//! | 410 | given up; the webhook is disabled |
//! | any other status, no response | tried again, until no wait is left |

use hooksieve::delivery::{MessageId, Response};
use hooksieve::webhook::Timestamp;
use std::time::{Duration, SystemTime};

/// The outcome of an attempt, as far as it decides what is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver accepted the message.
    Delivered,
    /// The receiver will never accept another message.
    Gone,
    /// The message may be accepted later.
    Failed {
        /// How long the receiver asks to wait.
        retry_after: Option<Duration>,
    },
}

impl Verdict {
    /// Returns what an outcome at a time means.
    pub(super) fn of(outcome: &Result<Response, String>, now: Timestamp) -> Self {
        match outcome {
            Ok(response) if response.status.is_success() => Self::Delivered,
            Ok(response) if response.status.as_u16() == 410 => Self::Gone,
            Ok(response) => {
                let asked = response.headers.get("retry-after");
                let asked = asked.and_then(|value| value.to_str().ok());
                Self::Failed { retry_after: asked.and_then(|text| retry_after(text, now)) }
            }
            Err(_) => Self::Failed { retry_after: None },
        }
    }
}

/// Parses the value of `Retry-After`: seconds or a date (RFC 9110 section 10.2.3). A date in the
/// past is no wait.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        // More digits than fit are a very long wait, which the schedule limits.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::from(now)).unwrap_or_default())
}

/// The waits after failed attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule(Box<[Duration]>);

impl Schedule {
    /// Creates a schedule from the wait after each attempt but the last.
    pub(crate) fn new(waits: Vec<Duration>) -> Self {
        Self(waits.into())
    }

    /// Returns the wait after the attempt with a number, without jitter; `None` after the last one.
    pub(super) fn step(&self, number: u32) -> Option<Duration> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.0.get(index).copied()
    }

    /// Returns how long to wait after the attempt with a number failed; `None` if it was the last
    /// one. `retry_after` may extend the wait up to the next one of the schedule, and the jitter up
    /// to a tenth more. The wait is never shorter than the schedule's.
    pub(super) fn wait(
        &self,
        number: u32,
        retry_after: Option<Duration>,
        seed: u64,
    ) -> Option<Duration> {
        let step = self.step(number)?;
        let next = self.step(number.saturating_add(1)).unwrap_or(step);
        // A schedule may have a shorter wait after a longer one.
        let wait = step.max(retry_after.unwrap_or_default().min(next));
        let tenth = u64::try_from(wait.as_millis() / 10).unwrap_or(u64::MAX);
        Some(wait + Duration::from_millis(seed % (tenth.saturating_add(1))))
    }
}

/// Returns the seed of the jitter after an attempt of a message. It is the same after a restart,
/// and differs between messages, so that those that failed together are not retried together.
pub(super) fn seed(message: &MessageId, number: u32) -> u64 {
    // FNV-1a, whose last step of SplitMix64 spreads what the last bytes change.
    let bytes = message.as_str().bytes().chain(number.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Schedule, Verdict, retry_after, seed};
    use hooksieve::delivery::{MessageId, Response};
    use std::time::{Duration, UNIX_EPOCH};

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn waits_as_scheduled_with_up_to_a_tenth_more() {
        let schedule = Schedule::new(vec![seconds(5), seconds(60), seconds(30)]);
        for (number, wait) in [(1, 5), (2, 60), (3, 30)] {
            let waits: Vec<_> =
                (0..9_000).map(|seed| schedule.wait(number, None, seed).unwrap()).collect();
            assert_eq!(*waits.iter().min().unwrap(), seconds(wait));
            assert_eq!(*waits.iter().max().unwrap(), seconds(wait) + seconds(wait) / 10);
        }
        assert_eq!(schedule.wait(4, None, 0), None, "the last attempt");
        assert_eq!(schedule.wait(0, None, 0), None, "no attempt");
        assert_eq!(Schedule::new(Vec::new()).wait(1, None, 0), None);
    }

    #[test]
    fn honours_retry_after_up_to_the_next_step() {
        let schedule = Schedule::new(vec![seconds(5), seconds(60), seconds(30)]);
        let wait = |number, asked| schedule.wait(number, Some(asked), 0);
        assert_eq!(wait(1, seconds(1)), Some(seconds(5)), "never earlier");
        assert_eq!(wait(1, seconds(20)), Some(seconds(20)));
        assert_eq!(wait(1, Duration::MAX), Some(seconds(60)));
        assert_eq!(wait(2, seconds(40)), Some(seconds(60)), "the next step is shorter");
        assert_eq!(wait(3, seconds(40)), Some(seconds(30)), "there is no next step");
    }

    #[test]
    fn reads_retry_after() {
        let now = (UNIX_EPOCH + seconds(784_111_770)).into();
        for (text, wait) in [
            ("120", Some(seconds(120))),
            (" 0 ", Some(seconds(0))),
            ("99999999999999999999999", Some(seconds(u64::MAX))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(seconds(7))),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(seconds(0))),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), wait, "{text}");
        }
    }

    #[test]
    fn retries_every_failure_but_410() {
        let verdict = |status: u16| {
            let mut response = Response {
                status: status.try_into().unwrap(),
                headers: Default::default(),
                body: "".into(),
            };
            response.headers.insert("retry-after", "7".parse().unwrap());
            Verdict::of(&Ok(response), UNIX_EPOCH.into())
        };
        let failed = Verdict::Failed { retry_after: Some(seconds(7)) };
        for status in [200, 202, 204, 299] {
            assert_eq!(verdict(status), Verdict::Delivered);
        }
        for status in [100, 301, 307, 400, 401, 404, 408, 425, 429, 500, 502, 503, 599, 999] {
            assert_eq!(verdict(status), failed, "{status}");
        }
        assert_eq!(verdict(410), Verdict::Gone);
        let none = Verdict::of(&Err("refused".to_owned()), UNIX_EPOCH.into());
        assert_eq!(none, Verdict::Failed { retry_after: None });
    }

    #[test]
    fn seeds_differ_between_messages_and_attempts() {
        let message = |id: &str| MessageId::new(id).unwrap();
        let all: std::collections::BTreeSet<_> = (0..1_000)
            .flat_map(|id| (1..8).map(move |number| seed(&message(&format!("m{id}")), number)))
            .map(|seed| seed % 1_000_000_007)
            .collect();
        assert!(all.len() > 6_990, "{}", all.len());
        assert_eq!(seed(&message("m"), 1), seed(&message("m"), 1));
    }
}
