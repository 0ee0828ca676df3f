//! `/api/v1/webhooks/{id}/deliveries`: the history of a webhook, and sending a delivery
//! again, or a test.
//!
//! The handlers only translate: parameters of clients, ids of the path, and the status of success.
//! Who may see which delivery is decided by the service.

use super::body::{Id, Ids};
use super::error::Answer;
use super::origin::Base;
use super::{Shared, answer, answer_bytes, query};
use crate::server::service::caller::Caller;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use url::form_urlencoded;

pub(super) async fn list(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    RawQuery(given): RawQuery,
    Base(base): Base,
) -> Answer {
    let query = query::of_deliveries(given.as_deref());
    // Ids of this server are UUIDs. Others, such as those of an import, are escaped.
    let escaped: String = form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
    let path = format!("{base}{}/{escaped}/deliveries", super::WEBHOOKS);
    Ok(answer_bytes(api.service.deliveries(&caller, &id, &query, path).await?))
}

pub(super) async fn get(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Ids(id, delivery): Ids,
) -> Answer {
    answer(StatusCode::OK, api.service.delivery(&caller, &id, &delivery).await?)
}

pub(super) async fn resend(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Ids(id, delivery): Ids,
) -> Answer {
    answer(StatusCode::CREATED, api.service.resend(&caller, &id, &delivery).await?)
}

pub(super) async fn test(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Answer {
    answer(StatusCode::CREATED, api.service.test(&caller, &id).await?)
}

pub(super) async fn resend_failed(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    RawQuery(given): RawQuery,
) -> Answer {
    let query = query::of_resend(given.as_deref());
    answer(StatusCode::ACCEPTED, api.service.resend_failed(&caller, &id, &query).await?)
}
