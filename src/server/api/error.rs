//! Maps errors to responses: one exhaustive match from the cause to a status.
//!
//! A handler returns a [`Failure`]. The outermost layer writes its body, since it knows the trace
//! id. A cause that callers must not see is only logged, with the same id.
//!
//! ```text
//! Problem (service) ──┐
//! Diagnostics ────────┼─▶ Failure: status, errors, Retry-After │ cause
//! layers of the API ──┘             sent to the caller         │ only logged
//! ```
//!
//! The causes that are kept from callers are those that show the inside: paths of files, texts of
//! SQLite, ids of seal keys. What a caller did wrong is shown completely, with its place and a
//! suggestion. A 503 has `Retry-After`, because the published clients wait for it.

use crate::server::service::problem::Problem;
use crate::server::store::contract::StoreError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// An error response.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) errors: Diagnostics,
    /// The time to wait before the next request.
    pub(super) retry_after: Option<Duration>,
    /// The cause, which is logged and never sent.
    pub(super) cause: Option<String>,
    /// The member `results` of the body, for a request of which each part was refused.
    pub(super) results: Option<Box<RawValue>>,
}

/// The result of a handler.
pub(super) type Answer = Result<Response, Failure>;

impl Failure {
    fn with(status: StatusCode, errors: Diagnostics) -> Self {
        Self { status, errors, retry_after: None, cause: None, results: None }
    }

    /// Returns the failure with the member `results` in its body.
    pub(super) fn with_results(self, results: &impl Serialize) -> Result<Self, Self> {
        let results = serde_json::value::to_raw_value(results);
        let results = results.map_err(|error| Self::internal(error.to_string()))?;
        Ok(Self { results: Some(results), ..self })
    }

    /// Creates a failure with one error.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: impl Into<Box<str>>,
        help: &str,
    ) -> Self {
        Self::with(status, Diagnostic::error(code, title, help).into())
    }

    /// A 404: the item does not exist, or the caller may not see it.
    pub(super) fn not_found(what: &str) -> Self {
        let help = "it may have been removed; list the existing ones";
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("no such {what}"), help)
    }

    /// A 404: the server has no such path.
    pub(super) fn no_address() -> Self {
        let help = "see the addresses of this server in `/openapi.json`";
        Self::new(StatusCode::NOT_FOUND, "not-found", "no such address", help)
    }

    /// A 401: the request has no known key.
    pub(super) fn unauthorized(title: &str) -> Self {
        let help = "send an API key of this server in the header `Authorization: Bearer …`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", title, help)
    }

    /// A 429: the bucket of the key and tier is empty.
    pub(super) fn too_many(wait: Duration) -> Self {
        let title = "too many requests with this API key";
        let help = "wait for the seconds in the header `Retry-After`";
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", title, help);
        Self { retry_after: Some(wait), ..failure }
    }

    /// A 503: the server cannot serve the request at present.
    pub(super) fn unavailable(code: &'static str, title: &str, cause: String) -> Self {
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, "try again later");
        Self { retry_after: Some(Duration::from_secs(1)), cause: Some(cause), ..failure }
    }

    /// A 500: the server has a bug.
    pub(super) fn internal(cause: String) -> Self {
        let title = "internal error of the server";
        let help = "report it to the server's operator with the trace id";
        let failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, help);
        Self { cause: Some(cause), ..failure }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let cause = problem.to_string();
        match problem {
            Problem::NotFound(what) => Self::not_found(what),
            Problem::Forbidden(why) => Self::with(StatusCode::FORBIDDEN, why.into()),
            Problem::Invalid(errors) => errors.into(),
            Problem::TooLarge { .. } => {
                let (code, help) = ("webhook-too-large", "shorten its ids, event types or filter");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, cause, help)
            }
            Problem::Busy => {
                let title = "too many events of the tenant wait to be accepted";
                Self::unavailable("intake-full", title, cause)
            }
            Problem::TooManyEvents(wait) => {
                let title = "more events per second than the server accepts for a tenant";
                let help = "wait for the seconds in the header `Retry-After`";
                let status = StatusCode::TOO_MANY_REQUESTS;
                let failure = Self::new(status, "too-many-events", title, help);
                Self { retry_after: Some(wait), ..failure }
            }
            Problem::Store(StoreError::Full(_)) => {
                Self::unavailable("store-full", "the server's store is full", cause)
            }
            // Only another process, which the lock of the directory keeps out, or another node.
            Problem::Store(StoreError::Conflict { .. }) => Self::unavailable(
                "store-conflict",
                "another change was made at the same time",
                cause,
            ),
            Problem::Store(
                StoreError::Aborted(_) | StoreError::Failed(_) | StoreError::Unusable(_),
            ) => Self::unavailable("store-failed", "the server cannot write to its store", cause),
            Problem::NoRandomness(_) => {
                Self::unavailable("no-randomness", "the server cannot create ids", cause)
            }
            Problem::Seal { .. } | Problem::Registry(_) | Problem::Internal(_) => {
                Self::internal(cause)
            }
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(errors: Diagnostics) -> Self {
        Self::with(errors.status(), errors)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
