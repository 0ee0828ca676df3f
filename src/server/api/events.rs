//! `/api/v1/events`: accepting events, and what became of them.

use super::body::Event;
use super::error::{Answer, Failure};
use super::origin::Base;
use super::submission::Events;
use super::{EVENTS, Shared, answer_bytes, json, query};
use crate::server::service::caller::Caller;
use crate::server::service::intake::Receipt;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use hooksieve::diagnostic::Diagnostics;
use serde::Serialize;

/// The response to a request with events.
#[derive(Serialize)]
struct Results<'r> {
    results: &'r [Receipt],
}

pub(super) async fn accept(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Events(submission): Events,
) -> Answer {
    let results = api.service.accept(&caller, submission).await?;
    let first = results.first().and_then(Receipt::error);
    match first.filter(|_| results.iter().all(|receipt| receipt.error().is_some())) {
        None => json(StatusCode::ACCEPTED, &Results { results: &results }),
        // With the results, too: each event was refused for a reason of its own.
        Some(first) => {
            let errors = Diagnostics::from(first.clone());
            Err(Failure::from(errors).with_results(&results)?)
        }
    }
}

pub(super) async fn list(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    RawQuery(given): RawQuery,
    Base(base): Base,
) -> Answer {
    let query = query::of_events(given.as_deref());
    Ok(answer_bytes(api.service.events(&caller, &query, format!("{base}{EVENTS}")).await?))
}

pub(super) async fn get(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Event(id): Event,
) -> Answer {
    Ok(answer_bytes(api.service.event(&caller, &id).await?))
}

pub(super) async fn explain(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Event(id): Event,
    RawQuery(given): RawQuery,
) -> Answer {
    let query = query::of_explanation(given.as_deref());
    Ok(answer_bytes(api.service.explain_event(&caller, &id, &query).await?))
}
