//! The outermost layer: trace ids, a task per request, the log, and error bodies.
//!
//! ```text
//!            ┌────────────── time limit ──────────────┐
//! request ──▶│ task: admit, body, handler, service    │──▶ body of a failure ──▶ log ──▶ response
//!            └─ panic: 500 ─ late: 503 ─ gone: aborted┘
//! ```
//!
//! A handler returns a failure as a value in the response's extensions, since only this layer knows
//! the trace id that its body and its log line share. The layers between need not know about it.
//!
//! A log line shows the route and not the URL, which may contain what users searched for. It never
//! shows a body or a key.

use super::error::Failure;
use super::{Api, Shared};
use crate::server::service::caller::Caller;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::task::JoinHandle;

pub(super) async fn frame(State(api): State<Shared>, request: Request, next: Next) -> Response {
    let began = api.ambient.since_start();
    let trace = trace(&api);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut handled = Handled(tokio::spawn(next.run(request)));
    let mut response = match tokio::time::timeout(api.bounds.request_time, &mut handled.0).await {
        Ok(Ok(response)) => response,
        Ok(Err(panicked)) => Failure::internal(panicked.to_string()).into_response(),
        Err(_) => {
            let cause = "the request did not finish in time".to_owned();
            let title = "the request did not finish in time; its change may still be made";
            Failure::unavailable("request-timeout", title, cause).into_response()
        }
    };
    // Values for this layer only; the response that is sent has no extensions of ours.
    let failure = response.extensions_mut().remove::<Failure>();
    let caller = response.extensions_mut().remove::<Caller>();
    if let Some(failure) = &failure {
        response = written(failure, &trace, response);
    }
    let headers = response.headers_mut();
    // A body may have text that a user wrote, and no browser may take it for a page. Responses
    // depend on the key, so no cache may keep one for another caller.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let took = api.ambient.since_start().saturating_sub(began);
    Line { trace, method, route, caller, took }.log(response.status(), failure.as_ref());
    response
}

/// The task of a request. It ends with the request: after the time limit, or when the caller closes
/// the connection. What must not end halfway, such as a change, runs in a task of the service.
struct Handled(JoinHandle<Response>);

impl Drop for Handled {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn trace(api: &Api) -> String {
    let random = api.ambient.random::<16>();
    // Without random bytes few requests succeed, and the log must show that.
    let bytes = random.unwrap_or_else(|_| api.ambient.since_start().as_nanos().to_be_bytes());
    HEXLOWER.encode(&bytes)
}

/// Writes the body and the headers of an error response.
fn written(failure: &Failure, trace: &str, response: Response) -> Response {
    // Strings and numbers always have a form in JSON. If that changes, the status still shows the
    // caller what happened, and the log has the cause.
    let errors = failure.errors.body_with_trace(trace);
    let body = serde_json::to_vec(&Body { results: failure.results.as_deref(), errors });
    debug_assert!(body.is_ok(), "an error body is strings and numbers");
    let body = body.unwrap_or_else(|_| b"{}".to_vec());
    let (mut head, _) = response.into_parts();
    // It is that of the empty body which is replaced.
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if head.status == StatusCode::UNAUTHORIZED {
        head.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = failure.retry_after {
        // In whole seconds (RFC 9110, 10.2.3), rounded up: a client that waits less is refused again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        head.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(head, body.into())
}

/// The body of an error response.
#[derive(Serialize)]
struct Body<'f, E> {
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'f RawValue>,
    #[serde(flatten)]
    errors: E,
}

/// A line of the log.
struct Line {
    trace: String,
    method: Method,
    route: Option<MatchedPath>,
    caller: Option<Caller>,
    took: Duration,
}

impl Line {
    fn log(&self, status: StatusCode, failure: Option<&Failure>) {
        let trace = self.trace.as_str();
        let method = self.method.as_str();
        let route = self.route.as_ref().map(MatchedPath::as_str);
        let tenant = self.caller.as_ref().map(|caller| caller.tenant.as_str());
        let user = self.caller.as_ref().map(|caller| caller.user.as_str());
        let key = self.caller.as_ref().map(|caller| caller.key.as_str());
        // The time limit of a request is far below the 584,000 years that fit.
        let micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        let status = status.as_u16();
        let code = failure.and_then(|failure| failure.errors.iter().next()).map(|e| e.code());
        let cause = failure.and_then(|failure| failure.cause.as_deref());
        // What a caller did wrong is no error of the server: its operator has nothing to do.
        match cause {
            Some(cause) => tracing::error!(
                trace, method, route, status, tenant, user, key, micros, code, cause, "failed"
            ),
            None => tracing::info!(
                trace, method, route, status, tenant, user, key, micros, code, "answered"
            ),
        }
    }
}
