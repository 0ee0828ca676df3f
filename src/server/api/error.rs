//! Errors as answers: one exhaustive match from what went wrong to a status.
//!
//! A handler returns a [`Failure`]. Its body is written by the outermost layer, which knows the
//! trace id; what only those who run the server may see is logged there with the same id.

use crate::server::service::problem::Problem;
use crate::server::store::contract::StoreError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use std::time::Duration;

/// An answer that is an error.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) errors: Diagnostics,
    /// How long to wait before the next request.
    pub(super) retry_after: Option<Duration>,
    /// What is logged, and not shown.
    pub(super) cause: Option<String>,
}

/// The result of a handler.
pub(super) type Answer = Result<Response, Failure>;

impl Failure {
    /// An error with a status.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: impl Into<Box<str>>,
        help: &str,
    ) -> Self {
        let errors = Diagnostic::error(code, title, help).into();
        Self { status, errors, retry_after: None, cause: None }
    }

    /// Nothing is at this address.
    pub(super) fn not_found(what: &str) -> Self {
        let help = "list what there is: it may have been removed";
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no such {what}"), help)
    }

    /// The caller is not known.
    pub(super) fn unauthorized(title: &str) -> Self {
        let help = "send a key of this server in the header `Authorization: Bearer …`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", title, help)
    }

    /// The caller has sent too many requests.
    pub(super) fn too_many(wait: Duration) -> Self {
        let title = "the key has sent too many requests";
        let help = "wait for the time in the header `Retry-After`";
        let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", title, help);
        Self { retry_after: Some(wait), ..failure }
    }

    /// The server cannot do it now.
    pub(super) fn unavailable(code: &'static str, title: &str, cause: String) -> Self {
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, "try again later");
        Self { retry_after: Some(Duration::from_secs(1)), cause: Some(cause), ..failure }
    }

    /// A mistake of the server.
    pub(super) fn internal(cause: String) -> Self {
        let title = "the server made a mistake";
        let help = "report it with the trace id";
        let failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, help);
        Self { cause: Some(cause), ..failure }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let cause = problem.to_string();
        match problem {
            Problem::NotFound(what) => Self::not_found(what),
            Problem::Forbidden(why) => {
                let status = StatusCode::FORBIDDEN;
                Self { status, errors: why.into(), retry_after: None, cause: None }
            }
            Problem::Invalid(errors) => errors.into(),
            Problem::Store(StoreError::Full(_)) => {
                Self::unavailable("store-full", "the server has no room for changes", cause)
            }
            Problem::Store(StoreError::Conflict { .. }) => {
                Self::unavailable("store-conflict", "another change came first", cause)
            }
            Problem::Store(StoreError::Failed(_) | StoreError::Unusable(_)) => {
                Self::unavailable("store-failed", "the server cannot store changes", cause)
            }
            Problem::NoRandomness(_) => {
                Self::unavailable("no-randomness", "the server cannot make ids", cause)
            }
            Problem::Seal(_) | Problem::OutOfStep(_) | Problem::Internal(_) => {
                Self::internal(cause)
            }
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(errors: Diagnostics) -> Self {
        Self { status: errors.status(), errors, retry_after: None, cause: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
