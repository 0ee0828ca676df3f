//! The API over HTTP: a file per resource, and here the router and what the handlers share.
//!
//! ```text
//! request ──▶ frame: trace id, log, task ──▶ admit: key, rate, role ──▶ body ──▶ handler ──▶ service
//! response ◀─ error bodies, headers      ◀──                        ◀──      ◀──
//! ```
//!
//! HTTP ends here: the service knows neither statuses nor headers. Each request runs in its own
//! task, so that a panic becomes one response with status 500 and does not end the connection.
//!
//! | limit | where | response |
//! | --- | --- | --- |
//! | bytes and number of headers, time for them | the listener | the connection ends, or 431 |
//! | requests per minute | `admit` | 429 with `Retry-After` |
//! | bytes of a body, time for it | `body` | 413, 408 |
//! | time of the request | `frame` | 503; a change goes on |
//! | size of a webhook, number per user | the service | 413, 403 |
//! | events per second, events that wait for the store | the service | 429, 503 with `Retry-After` |
//!
//! The [table](guarded) of operations is the only list of them: the router, the gate before each
//! handler and the test that compares them with the description are derived from it.

mod body;
mod caller;
mod deliveries;
mod error;
mod event_types;
mod events;
mod filters;
mod frame;
pub(super) mod health;
pub(super) mod origin;
mod query;
mod submission;
#[cfg(test)]
mod tests;
mod webhooks;

use crate::server::ambient::Ambient;
use crate::server::keys::Keys;
use crate::server::limits::{Buckets, Tier};
use crate::server::service::caller::Area;
use crate::server::service::{Answered, Service};
use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use caller::Gate;
use error::{Answer, Failure};
use health::Health;
use origin::Origin;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// The path of the webhooks.
const WEBHOOKS: &str = "/api/v1/webhooks";

/// The path of the events.
const EVENTS: &str = "/api/v1/events";

/// The description of the API. A test compares it with the routes and with real responses.
const OPENAPI: &str = include_str!("openapi.json");

/// The limits of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The maximum size of a body in bytes.
    pub(crate) max_body: usize,
    /// The time limit for a body to arrive.
    pub(crate) body_time: Duration,
    /// The time limit of a whole request.
    pub(crate) request_time: Duration,
}

/// The state that handlers share.
pub(super) struct Api {
    /// The use cases.
    pub(super) service: Service,
    /// The API keys that are accepted.
    pub(super) keys: Arc<Keys>,
    /// The rate limits.
    pub(super) buckets: Arc<Buckets>,
    /// The clock and the source of random bytes.
    pub(super) ambient: Ambient,
    /// The limits of a request.
    pub(super) bounds: Bounds,
    /// The scheme and host by which callers reach the server.
    pub(super) origin: Origin,
    /// The readiness of the server.
    pub(super) health: Arc<Health>,
}

type Shared = Arc<Api>;

/// An operation that requires a key: path, method, tier, the area that the role must allow, handler.
type Guarded = (&'static str, &'static str, Tier, Area, MethodRouter<Shared>);

/// An operation that requires no key: path, method, handler.
type Open = (&'static str, &'static str, MethodRouter<Shared>);

fn guarded() -> Vec<Guarded> {
    use Area::{Events, Intake, Language, Webhooks};
    use Tier::{One, Two};
    const WEBHOOK: &str = "/api/v1/webhooks/{id}";
    const DELIVERIES: &str = "/api/v1/webhooks/{id}/deliveries";
    const DELIVERY: &str = "/api/v1/webhooks/{id}/deliveries/{deliveryId}";
    const RESEND: &str = "/api/v1/webhooks/{id}/deliveries/{deliveryId}/actions/resend";
    const TEST: &str = "/api/v1/webhooks/{id}/actions/test";
    const RESEND_FAILED: &str = "/api/v1/webhooks/{id}/deliveries/actions/resend";
    const EVENT: &str = "/api/v1/events/{eventId}";
    const EXPLAIN: &str = "/api/v1/events/{eventId}/explain";
    vec![
        (WEBHOOKS, "get", One, Webhooks, get(webhooks::list)),
        (WEBHOOKS, "post", Two, Webhooks, post(webhooks::create)),
        (WEBHOOK, "get", One, Webhooks, get(webhooks::get)),
        (WEBHOOK, "put", Two, Webhooks, put(webhooks::replace)),
        (WEBHOOK, "patch", Two, Webhooks, patch(webhooks::patch)),
        (WEBHOOK, "delete", Two, Webhooks, delete(webhooks::remove)),
        (DELIVERIES, "get", One, Webhooks, get(deliveries::list)),
        (DELIVERY, "get", One, Webhooks, get(deliveries::get)),
        (RESEND, "post", Two, Webhooks, post(deliveries::resend)),
        (TEST, "post", Two, Webhooks, post(deliveries::test)),
        (RESEND_FAILED, "post", Two, Webhooks, post(deliveries::resend_failed)),
        (EVENTS, "post", Tier::Events, Intake, post(events::accept)),
        (EVENTS, "get", One, Events, get(events::list)),
        (EVENT, "get", One, Events, get(events::get)),
        (EXPLAIN, "get", One, Events, get(events::explain)),
        ("/api/v1/webhooks/event-types", "get", One, Language, get(event_types::list)),
        ("/api/v1/webhooks/actions/validate", "post", One, Language, post(filters::validate)),
        ("/api/v1/webhooks/actions/try", "post", Two, Webhooks, post(filters::try_out)),
        ("/api/v1/filters/actions/check", "post", One, Language, post(filters::check)),
        ("/api/v1/filters/actions/explain", "post", One, Language, post(filters::explain)),
        ("/api/v1/filters/actions/diff", "post", One, Language, post(filters::compare)),
    ]
}

fn open() -> Vec<Open> {
    vec![
        ("/livez", "get", get(health::live)),
        ("/readyz", "get", get(health::ready)),
        ("/openapi.json", "get", get(openapi)),
    ]
}

/// Returns the router of the API with all its layers.
pub(super) fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let mut router = Router::new();
    for (path, _, tier, area, handler) in guarded() {
        let gate = Gate { api: Arc::clone(&api), tier, area };
        let admit = from_fn_with_state(gate, caller::admit);
        // On the route and not on the router: a request without a route has no tier and no area, and
        // is answered with 404 whatever key it has.
        router = router.route(path, handler.route_layer(admit));
    }
    for (path, _, handler) in open() {
        router = router.route(path, handler);
    }
    router
        // Both would otherwise be empty bodies, which the published clients cannot parse.
        .fallback(async || Failure::no_address())
        .method_not_allowed_fallback(async || {
            let (title, help) = (
                "the method is not allowed at this address",
                "use one of the methods in the header `Allow`",
            );
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title, help)
        })
        .layer(from_fn_with_state(Arc::clone(&api), frame::frame))
        .with_state(api)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

const REVISION: HeaderName = HeaderName::from_static("hooksieve-revision");
const WARNINGS: HeaderName = HeaderName::from_static("hooksieve-warnings");

/// Makes a response of a body, the tenant's revision and the number of warnings.
fn answer<T: Serialize>(status: StatusCode, answered: Answered<T>) -> Answer {
    let mut response = json(status, &answered.body)?;
    counted(&mut response, &answered);
    Ok(response)
}

/// Makes a response of the JSON of a body.
fn answer_bytes(answered: Answered<Vec<u8>>) -> Response {
    let mut response = StatusCode::OK.into_response();
    counted(&mut response, &answered);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    *response.body_mut() = answered.body.into();
    response
}

/// Makes a response without a body.
fn no_content<T>(answered: &Answered<T>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    counted(&mut response, answered);
    response
}

fn counted<T>(response: &mut Response, answered: &Answered<T>) {
    // Headers and not members: the bodies are those of the vendor's reference.
    response.headers_mut().insert(REVISION, HeaderValue::from(answered.revision));
    if answered.warnings > 0 {
        response.headers_mut().insert(WARNINGS, HeaderValue::from(answered.warnings));
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    // Before the status is sent, so that a failure is a response of its own and not a short body.
    let bytes = serde_json::to_vec(body).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(json_bytes(status, bytes))
}

fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}
