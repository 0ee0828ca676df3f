//! `/api/v1/filters/actions` and `/api/v1/webhooks/actions`: the program's verbs over HTTP, for
//! servers in any language.
//!
//! They change nothing and look at no webhook of the tenant; `try` looks at stored events. Their responses are the JSON that the
//! verbs print, byte for byte, so they pass through here without being parsed again.

use super::body::Json;
use super::error::Answer;
use super::{Shared, json_bytes};
use crate::server::service::caller::Caller;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use hooksieve::webhook::WebhookDocument;

pub(super) async fn check(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Json,
) -> Answer {
    Ok(json_bytes(StatusCode::OK, api.service.check(&caller, body.parse()?).await?))
}

pub(super) async fn explain(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Json,
) -> Answer {
    Ok(json_bytes(StatusCode::OK, api.service.explain(&caller, body.parse()?).await?))
}

pub(super) async fn compare(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Json,
) -> Answer {
    Ok(json_bytes(StatusCode::OK, api.service.compare(&caller, body.parse()?).await?))
}

pub(super) async fn validate(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Json,
) -> Answer {
    let document = WebhookDocument::read(&body.0)?;
    Ok(json_bytes(StatusCode::OK, api.service.validate(&caller, document).await?))
}

pub(super) async fn try_out(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Json,
) -> Answer {
    Ok(json_bytes(StatusCode::OK, api.service.try_out(&caller, body.parse()?).await?))
}
