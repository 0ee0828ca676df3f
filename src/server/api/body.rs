//! Reads the bodies of requests: JSON, limited in size and time; and the ids in their paths.
//!
//! ```text
//! headers ──▶ media type, encoding? 415 ──▶ declared length? 413 ──▶ read ──▶ bytes, not yet parsed
//!                                                           ├─ longer than the limit: 413
//!                                                           ├─ ends too early: 400
//!                                                           └─ not here in time: 408
//! ```
//!
//! The body is kept as bytes, since the readers of the library report errors with their place in
//! the text. A declared length above the limit is refused without reading; a body without a length
//! is refused as soon as it is longer.

use super::Api;
use super::error::Failure;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use hooksieve::delivery::DeliveryId;
use hooksieve::diagnostic::{Diagnostic, Diagnostics, excerpt};
use hooksieve::webhook::WebhookId;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::error::Error;
use std::sync::Arc;

/// A request body with the media type of JSON, not yet parsed.
pub(super) struct Json(pub(super) Bytes);

impl Json {
    /// Parses the body of an operation that only this server has. It must be an object.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let invalid = |what: &str| {
            let title = format!("invalid request body: {}", excerpt(what, 200));
            let help = "send a body that fits the schema in `/openapi.json`";
            Diagnostics::from(Diagnostic::error("body-invalid", title, help)).into()
        };
        // serde's derived reader would also accept an array of the members' values.
        match self.0.trim_ascii_start().first() {
            Some(b'{') | None => {
                serde_json::from_slice(&self.0).map_err(|error| invalid(&error.to_string()))
            }
            Some(_) => Err(invalid("expected an object")),
        }
    }
}

impl FromRequest<Arc<Api>> for Json {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Failure> {
        media_type(request.method(), request.headers())?;
        Ok(Self(read(request, api).await?))
    }
}

/// Reads a body of any media type.
pub(super) async fn read(request: Request, api: &Api) -> Result<Bytes, Failure> {
    encoding(request.headers())?;
    let max = api.bounds.max_body;
    let declared = request.headers().get(header::CONTENT_LENGTH);
    // A length that does not parse was already refused by the HTTP implementation.
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max as u64) {
        return Err(too_large(max));
    }
    // Counted while it is read, since a declared length may be missing or wrong.
    let reading = Limited::new(request.into_body(), max).collect();
    match tokio::time::timeout(api.bounds.body_time, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if is_limit(&*error) => Err(too_large(max)),
        Ok(Err(_)) => {
            let title = "the request body is incomplete";
            let help = "send as many bytes as `Content-Length` declares";
            Err(Failure::new(StatusCode::BAD_REQUEST, "body-incomplete", title, help))
        }
        Err(_) => {
            let title = "the request body did not arrive in time";
            let help = "send a smaller body, or use a faster connection";
            Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", title, help))
        }
    }
}

/// Returns whether the limit of bytes caused an error, which other layers have wrapped.
fn is_limit(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<LengthLimitError>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn too_large(max: usize) -> Failure {
    let title = format!("the request body is larger than {max} bytes");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title, "send a smaller body")
}

/// Refuses media types other than JSON. A body without one is taken as JSON.
fn media_type(method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    match essence(headers).as_deref() {
        None | Some("application/json") => Ok(()),
        // The type of RFC 6902, which some clients send; the reference names only the other one.
        Some("application/json-patch+json") if method == Method::PATCH => Ok(()),
        Some(given) => Err(unsupported(given, "send `Content-Type: application/json`")),
    }
}

/// Refuses bodies that are compressed: their size is not known before they are read.
fn encoding(headers: &HeaderMap) -> Result<(), Failure> {
    let mut given = headers.get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
    let Some(given) = given.find(|given| !given.trim_ascii().eq_ignore_ascii_case(b"identity"))
    else {
        return Ok(());
    };
    let given = excerpt(&String::from_utf8_lossy(given), 80);
    let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-content-encoding");
    let title = format!("unsupported `Content-Encoding: {given}`");
    Err(Failure::new(status, code, title, "send the body without `Content-Encoding`"))
}

/// Returns the media type of a body in lower case, without parameters.
pub(super) fn essence(headers: &HeaderMap) -> Option<String> {
    // A media type is ASCII (RFC 9110, 8.3.1), so anything else is none that is known.
    let given = String::from_utf8_lossy(headers.get(header::CONTENT_TYPE)?.as_bytes());
    let essence = given.split_once(';').map_or(&*given, |(essence, _)| essence);
    Some(essence.trim().to_ascii_lowercase())
}

/// Refuses a media type.
pub(super) fn unsupported(given: &str, help: &str) -> Failure {
    let title = format!("unsupported media type `{}`", excerpt(given, 80));
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, help)
}

/// A webhook id in the path.
pub(super) struct Id(pub(super) WebhookId);

/// A webhook id and a delivery id in the path.
pub(super) struct Ids(pub(super) WebhookId, pub(super) DeliveryId);

/// An event id in the path.
pub(super) struct Event(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        // No webhook has an id that is not UTF-8.
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id.into())).map_err(|_| Failure::not_found("webhook"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let ids = path.map(|Path((webhook, delivery))| Self(webhook.into(), delivery.into()));
        ids.map_err(|_| Failure::not_found("delivery"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Event {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| Failure::not_found("event"))
    }
}
