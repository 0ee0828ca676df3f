//! `/api/v1/webhooks/event-types`: the catalogue, in the form that `--catalogue` reads.

use super::error::Answer;
use super::{Shared, json};
use crate::server::service::caller::Caller;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

pub(super) async fn list(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    json(StatusCode::OK, &api.service.event_types(&caller)?)
}
