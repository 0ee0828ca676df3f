//! `/livez` and `/readyz`: whether the process turns, and whether it does its work.

use super::error::Answer;
use super::{Api, Shared, json};
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json as object};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a store may take to show that it writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it is believed: anyone may ask, and asking costs a commit.
const BELIEVED: Duration = Duration::from_secs(1);

/// What readiness is made of.
#[derive(Default)]
pub(in crate::server) struct Health {
    /// Whether the server ends.
    stopping: AtomicBool,
    /// Whether the store wrote, and when that was found out.
    store: Mutex<Option<(Duration, bool)>>,
}

impl Health {
    /// The server ends: it is not ready any more.
    pub(in crate::server) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether the store writes. Those who ask at once share one answer.
    async fn store_writes(&self, api: &Api) -> bool {
        let mut known = self.store.lock().await;
        let now = api.ambient.since_start();
        if let Some((at, writes)) = *known
            && now.saturating_sub(at) < BELIEVED
        {
            return writes;
        }
        let writes = match tokio::time::timeout(PATIENCE, api.service.ping()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "the store does not write");
                false
            }
            Err(_) => {
                tracing::error!("the store makes no progress");
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
