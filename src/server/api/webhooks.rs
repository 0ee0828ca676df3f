//! `/api/v1/webhooks`: list, create, get, replace, patch and remove.
//!
//! The bodies are read by the library, so that their errors point into the text that was sent. The
//! response of a change is the webhook as it was committed, not as it is found afterwards: another
//! change may have been made in between.

use super::body::{Id, Json};
use super::error::{Answer, Failure};
use super::origin::Base;
use super::{Shared, answer, answer_bytes, no_content, query};
use crate::server::service::Answered;
use crate::server::service::caller::Caller;
use crate::server::service::refused::Shown;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use hooksieve::webhook::{Patch, WebhookDocument};

pub(super) async fn list(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    RawQuery(given): RawQuery,
    Base(base): Base,
) -> Answer {
    let query = query::of_webhooks(given.as_deref());
    let path = format!("{base}{}", super::WEBHOOKS);
    Ok(answer_bytes(api.service.list(caller, &query, path).await?))
}

pub(super) async fn create(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    body: Json,
) -> Answer {
    let document = WebhookDocument::read(&body.0)?;
    answer(StatusCode::CREATED, changed(api.service.create(caller, document).await?)?)
}

pub(super) async fn get(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Answer {
    answer(StatusCode::OK, api.service.webhook(&caller, &id)?)
}

pub(super) async fn replace(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: Json,
) -> Answer {
    let document = WebhookDocument::read(&body.0)?;
    answer(StatusCode::OK, changed(api.service.replace(caller, id, document).await?)?)
}

pub(super) async fn patch(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: Json,
) -> Answer {
    let patch = Patch::read(&body.0)?;
    Ok(no_content(&api.service.patch(caller, id, patch).await?))
}

pub(super) async fn remove(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Answer {
    Ok(no_content(&api.service.remove(caller, id).await?))
}

/// Makes the response of a change that returns the webhook.
fn changed(done: Answered<Option<Shown>>) -> Result<Answered<Shown>, Failure> {
    let Answered { body, revision, warnings } = done;
    let body = body.ok_or_else(|| Failure::internal("a change returned no webhook".to_owned()))?;
    Ok(Answered { body, revision, warnings })
}
