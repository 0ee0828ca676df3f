//! The plain specification that the model is compared with: see [`model`](super::model).

use super::model::Hook;
use super::stage::{Entry, Stage};
use crate::server::dispatcher::Policy;
use crate::server::store::contract::DeliveryRow;
use crate::server::store::contract::outbox::{MessageRow, Outcome};
use hooksieve::delivery::{MessageId, Status};
use hooksieve::webhook::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

pub(super) struct Spec<'a> {
    pub(super) policy: &'a Policy,
    pub(super) log: &'a [Entry],
}

/// An attempt as it was recorded.
struct Recorded {
    start: Timestamp,
    end: Timestamp,
    number: u32,
    status: u64,
    is_success: bool,
    retry_after: Duration,
}

fn plus(time: Timestamp, by: Duration) -> Timestamp {
    (SystemTime::from(time) + by).into()
}

impl Recorded {
    fn new(row: &DeliveryRow) -> Self {
        let document: Value = serde_json::from_slice(&row.document).unwrap();
        let response = &document["response"];
        let asked = response["headers"]["retry-after"].as_str().unwrap_or("");
        Self {
            start: row.triggered_at,
            end: plus(row.triggered_at, row.attempt.duration),
            number: row.attempt.number,
            status: response["statusCode"].as_u64().unwrap_or(0),
            is_success: row.status == Status::Success,
            retry_after: Duration::from_secs(asked.parse().unwrap_or(0)),
        }
    }
}

impl Spec<'_> {
    fn step(&self, number: u32) -> Option<Duration> {
        self.policy.schedule.step(number)
    }

    async fn recorded(stage: &Stage, hook: &Hook, id: &MessageId) -> Vec<Recorded> {
        stage.attempts(hook.tenant, &hook.id, id).await.iter().map(Recorded::new).collect()
    }

    /// Checks how a message has ended, and the numbers and times of its attempts.
    pub(super) async fn check_message(&self, stage: &Stage, hook: &Hook, message: &MessageRow) {
        let outcome = message.outcome.unwrap();
        if hook.is_removed {
            // Its attempts were removed with it.
            assert_ne!(outcome, Outcome::Unsendable);
            return;
        }
        let attempts = Self::recorded(stage, hook, &message.id).await;
        assert_eq!(message.attempts as usize, attempts.len());
        for (index, attempt) in attempts.iter().enumerate() {
            assert_eq!(attempt.number as usize, index + 1, "numbered without a gap");
            let Some(next) = attempts.get(index + 1) else { continue };
            assert!(!attempt.is_success && attempt.status != 410, "nothing after the end");
            let step = self.step(attempt.number).unwrap();
            let limit = self.step(attempt.number + 1).unwrap_or(step);
            let wait = step.max(attempt.retry_after.min(limit));
            assert!(next.start >= plus(attempt.end, wait), "an attempt too early");
        }
        let last = attempts.last();
        let given_up = |last: &Recorded| {
            !last.is_success && (last.status == 410 || self.step(last.number).is_none())
        };
        match outcome {
            Outcome::Delivered => assert!(last.unwrap().is_success),
            Outcome::Failed => assert!(given_up(last.unwrap())),
            Outcome::Disabled => {
                assert!(last.is_none_or(|last| !last.is_success && !given_up(last)));
                let disabled = self.log.iter().any(|entry| match entry {
                    Entry::Disable(of, _) | Entry::Changed(of, false) => *of == hook.id,
                    _ => false,
                });
                assert!(disabled, "the webhook was disabled");
            }
            Outcome::Removed | Outcome::Unsendable => panic!("{outcome:?}"),
        }
    }

    /// Checks when an endpoint was used, parked and disabled.
    pub(super) async fn check_endpoint(&self, stage: &Stage, hook: &Hook, ids: &[MessageId]) {
        let mut recorded = HashMap::new();
        for id in ids {
            for attempt in Self::recorded(stage, hook, id).await {
                recorded.insert((id.clone(), attempt.start), attempt);
            }
        }
        let mut endpoint = Endpoint::new(self);
        let mut starts: HashMap<MessageId, Timestamp> = HashMap::new();
        for entry in self.log {
            match entry {
                Entry::Start(of, id, at) if *of == hook.id => {
                    starts.insert(id.clone(), *at);
                    endpoint.start(id, *at);
                }
                Entry::End(of, id, at) if *of == hook.id => {
                    let start = starts[id];
                    // Otherwise the server was killed before it was settled.
                    match recorded.get(&(id.clone(), start)) {
                        Some(attempt) => endpoint.end(id, *at, attempt),
                        None => drop(endpoint.in_flight.remove(id)),
                    }
                }
                Entry::Disable(of, at) if *of == hook.id => endpoint.disable(*at),
                Entry::Changing(of) if *of == hook.id => endpoint.is_changing = true,
                Entry::Changed(of, enabled) if *of == hook.id => endpoint.changed(*enabled),
                Entry::Restart => endpoint.restarted(),
                _ => {}
            }
        }
        assert!(endpoint.expected.is_none(), "the webhook is to be disabled");
    }
}

/// The facts about an endpoint as the log is read.
struct Endpoint<'s> {
    spec: &'s Spec<'s>,
    failures: u32,
    failing_since: Option<Timestamp>,
    /// When the circuit opened, and until when it is open.
    open: Option<(Timestamp, Timestamp)>,
    /// When each attempt in flight began.
    in_flight: HashMap<MessageId, Timestamp>,
    /// When it was disabled, if it is.
    disabled: Option<Timestamp>,
    /// When a disabling became due that was not seen yet.
    expected: Option<Timestamp>,
    is_changing: bool,
    /// Whether attempts ended while a change was made, so that their order is unknown.
    is_unknown: bool,
}

impl<'s> Endpoint<'s> {
    fn new(spec: &'s Spec<'s>) -> Self {
        Self {
            spec,
            failures: 0,
            failing_since: None,
            open: None,
            in_flight: HashMap::new(),
            disabled: None,
            expected: None,
            is_changing: false,
            is_unknown: false,
        }
    }

    fn start(&mut self, id: &MessageId, at: Timestamp) {
        self.in_flight.insert(id.clone(), at);
        if self.is_unknown || self.is_changing {
            return;
        }
        // In the same millisecond, an attempt may begin before another one is settled.
        if let Some(since) = self.disabled {
            assert!(at <= since, "sent to a disabled webhook");
        }
        if let Some((since, until)) = self.open.filter(|(since, _)| at > *since) {
            assert!(at >= until, "sent while the circuit is open");
            let probes = self.in_flight.values().filter(|start| **start > since).count();
            assert_eq!(probes, 1, "one probe");
        }
    }

    fn end(&mut self, id: &MessageId, at: Timestamp, attempt: &Recorded) {
        self.in_flight.remove(id);
        self.is_unknown |= self.is_changing;
        if attempt.is_success {
            (self.failures, self.failing_since, self.open) = (0, None, None);
            return;
        }
        self.failures += 1;
        let first = *self.failing_since.get_or_insert(attempt.start);
        let limits = &self.spec.policy.health;
        let failing = SystemTime::from(at).duration_since(first.into()).unwrap_or_default();
        let gone = attempt.status == 410;
        let long = self.failures >= limits.disable_after && failing >= limits.disable_time;
        if gone || long {
            // A webhook that is disabled already is not disabled again.
            self.expected = self.expected.or(Some(at).filter(|_| self.disabled.is_none()));
        } else if self.failures >= limits.park_after {
            let step = self.spec.step(attempt.number).unwrap_or(limits.park_time);
            let until = plus(at, step.min(limits.park_time));
            self.open = Some((self.open.map_or(at, |(since, _)| since), until));
        }
    }

    fn disable(&mut self, at: Timestamp) {
        if self.is_unknown {
            self.expected = None;
            return;
        }
        match (self.expected.take(), self.disabled) {
            (Some(due), _) => assert_eq!(due, at, "disabled when it is due"),
            (None, disabled) => assert!(disabled.is_some(), "disabled without a reason"),
        }
        // The change resets what is known, and nothing is sent any more.
        (self.failures, self.failing_since, self.open) = (0, None, None);
        self.disabled = Some(at);
    }

    /// What was in flight is sent again, and what was to be done may not have been.
    fn restarted(&mut self) {
        self.in_flight.clear();
        self.expected = None;
    }

    fn changed(&mut self, enabled: bool) {
        (self.failures, self.failing_since, self.open) = (0, None, None);
        self.is_changing = false;
        self.disabled = match (enabled, self.disabled) {
            (true, _) => None,
            // Nothing may be sent after it, not even in the same millisecond.
            (false, since) => since.or(Some(SystemTime::UNIX_EPOCH.into())),
        };
    }
}
