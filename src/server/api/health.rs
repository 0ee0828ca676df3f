//! `/livez` and `/readyz`: whether the process runs, and whether it can do its work.

use super::error::Answer;
use super::{Api, Shared, json};
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json as object};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// The time limit for the store to show that it can write.
const WRITE_TIME: Duration = Duration::from_secs(5);

/// The time for which a result is reused, since the operation needs no key and costs a commit.
const RESULT_AGE: Duration = Duration::from_secs(1);

/// The state from which readiness is computed.
#[derive(Default)]
pub(in crate::server) struct Health {
    /// Whether the server is stopping.
    stopping: AtomicBool,
    /// Whether the store could write, and the time of that result.
    store: Mutex<Option<(Duration, bool)>>,
}

impl Health {
    /// Reports the server as not ready from now on.
    pub(in crate::server) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Returns whether the store can write. Concurrent calls share one result.
    async fn store_writes(&self, api: &Api) -> bool {
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
        *known = Some((api.ambient.since_start(), writes));
        writes
    }
}

pub(super) async fn live() -> Answer {
    json(StatusCode::OK, &object!({"status": "live"}))
}

pub(super) async fn ready(State(api): State<Shared>) -> Answer {
    let stopping = api.health.is_stopping();
    let writes = api.health.store_writes(&api).await;
    let ready = writes && !stopping;
    let word = |good: bool| Value::from(if good { "ok" } else { "failed" });
    let body = object!({
        "status": if ready { "ready" } else { "not ready" },
        "development": api.service.rules().is_development(),
        "checks": {"store": word(writes), "accepting": word(!stopping)},
    });
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}
