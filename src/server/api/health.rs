//! `/livez` and `/readyz`: whether the process runs, and whether it can do its work.
//!
//! Readiness is about *progress*. Each part that works on its own shows it in its own way:
//!
//! | check | fails if |
//! | --- | --- |
//! | `store` | a transaction without content is not committed in time |
//! | `keys` | the task that reloads the keys has not run for ten of its intervals |
//! | `expiry` | the same for the task that removes expired deliveries |
//! | `dispatch` | the loops that send messages wait for the store for ten seconds, or have ended |
//! | `accepting` | the server is stopping |
//!
//! A task can stop without an error: its thread is blocked, it panicked, or it waits for a lock
//! forever. So it does not report failures here but beats a [`Pulse`] in each round, whatever the
//! outcome of the round, and silence is the failure. A damaged keys file is no reason to be not
//! ready: the previous keys stay in use, and the log reports it.

use super::error::Answer;
use super::{Api, Shared, json};
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json as object};
use std::sync::Mutex as Lock;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// The number of intervals of a task without a beat after which it is reported.
const SILENT: u32 = 10;

/// The last time at which a task was seen to make progress.
pub(in crate::server) struct Pulse {
    interval: Duration,
    /// The time since the start.
    last: Lock<Duration>,
}

impl Pulse {
    /// Creates the pulse of a task that beats at an interval, and counts as alive at the start.
    fn new(interval: Duration) -> Self {
        Self { interval, last: Lock::default() }
    }

    /// Shows progress at `now`, a time since the start.
    pub(in crate::server) fn beat(&self, now: Duration) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn is_alive(&self, now: Duration) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_sub(last) < self.interval * SILENT
    }
}

/// The time limit for the store to show that it can write.
const WRITE_TIME: Duration = Duration::from_secs(5);

/// The time for which a result is reused, since the operation needs no key and costs a commit.
const RESULT_AGE: Duration = Duration::from_secs(1);

/// The state from which readiness is computed.
pub(in crate::server) struct Health {
    /// Whether the server is stopping.
    stopping: AtomicBool,
    /// Whether the store could write, and the time of that result.
    store: Mutex<Option<(Duration, bool)>>,
    /// The task that reloads the keys.
    pub(in crate::server) keys: Pulse,
    /// The task that removes expired deliveries.
    pub(in crate::server) expiry: Pulse,
    /// The sending of messages.
    pub(in crate::server) dispatch: Pulse,
}

impl Health {
    /// Creates the state of a server whose tasks run at these intervals.
    pub(in crate::server) fn new(keys: Duration, expiry: Duration, dispatch: Duration) -> Self {
        let (keys, expiry) = (Pulse::new(keys), Pulse::new(expiry));
        let (stopping, dispatch) = (AtomicBool::new(false), Pulse::new(dispatch));
        Self { stopping, store: Mutex::default(), keys, expiry, dispatch }
    }

    /// Reports the server as not ready from now on.
    pub(in crate::server) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Returns whether the store can write. Concurrent calls share one result.
    async fn store_writes(&self, api: &Api) -> bool {
        // Held while the store commits: calls at the same time wait for one result, so that probes
        // cannot make commits of their own.
        let mut known = self.store.lock().await;
        let now = api.ambient.since_start();
        if let Some((at, writes)) = *known
            && now.saturating_sub(at) < RESULT_AGE
        {
            return writes;
        }
        let writes = match tokio::time::timeout(WRITE_TIME, api.service.ping()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "the store cannot write");
                false
            }
            Err(_) => {
                tracing::error!("the store did not write in time");
                false
            }
        };
        // The time after the commit, which may have taken longer than a result is reused.
        *known = Some((api.ambient.since_start(), writes));
        writes
    }
}

// Asks no part of the server: a process that is slow or full must not be killed for it.
pub(super) async fn live() -> Answer {
    json(StatusCode::OK, &object!({"status": "live"}))
}

pub(super) async fn ready(State(api): State<Shared>) -> Answer {
    // Every check is made, also after one has failed, so that the body shows all of them.
    let stopping = api.health.is_stopping();
    let writes = api.health.store_writes(&api).await;
    let now = api.ambient.since_start();
    let (keys, expiry) = (api.health.keys.is_alive(now), api.health.expiry.is_alive(now));
    let dispatch = api.health.dispatch.is_alive(now);
    let ready = writes && keys && expiry && dispatch && !stopping;
    let word = |good: bool| Value::from(if good { "ok" } else { "failed" });
    let body = object!({
        "status": if ready { "ready" } else { "not ready" },
        "development": api.service.rules().is_development(),
        "checks": {
            "store": word(writes),
            "keys": word(keys),
            "expiry": word(expiry),
            "dispatch": word(dispatch),
            "accepting": word(!stopping),
        },
    });
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

#[cfg(test)]
mod tests {
    use super::{Pulse, SILENT};
    use std::time::Duration;

    #[test]
    fn reports_a_task_that_is_silent_for_ten_intervals() {
        let interval = Duration::from_secs(1);
        let pulse = Pulse::new(interval);
        assert!(pulse.is_alive(interval * (SILENT - 1)) && !pulse.is_alive(interval * SILENT));
        pulse.beat(interval * SILENT);
        assert!(pulse.is_alive(interval * (2 * SILENT - 1)));
        assert!(!pulse.is_alive(interval * 2 * SILENT));
    }
}
