//! Bodies of requests: JSON, bounded in size and time.

use super::Api;
use super::error::Failure;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::Bytes;
use hooksieve::delivery::DeliveryId;
use hooksieve::diagnostic::{Diagnostic, Diagnostics, excerpt};
use hooksieve::webhook::WebhookId;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::error::Error;
use std::sync::Arc;

/// The body of a request that is to be JSON.
pub(super) struct Json(pub(super) Bytes);

impl Json {
    /// Reads a request of this server's own operations, which is an object.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let invalid = |what: &str| {
            let title = format!("the body is not as it should be: {}", excerpt(what, 200));
            let help = "send JSON as `/openapi.json` describes it";
            Diagnostics::from(Diagnostic::error("body-invalid", title, help)).into()
        };
        // A derived reader takes an array of the members' values, too.
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
        let most = api.bounds.max_body;
        media_type(request.method(), request.headers())?;
        let declared = request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > most as u64) {
            return Err(too_large(most));
        }
        let reading = Limited::new(request.into_body(), most).collect();
        match tokio::time::timeout(api.bounds.body_time, reading).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(error)) if is_limit(&*error) => Err(too_large(most)),
            Ok(Err(_)) => {
                let title = "the body ended before it was complete";
                let help = "send as many bytes as `Content-Length` says";
                Err(Failure::new(StatusCode::BAD_REQUEST, "body-incomplete", title, help))
            }
            Err(_) => {
                let title = "the body took too long to arrive";
                let help = "send it faster, or less";
                Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", title, help))
            }
        }
    }
}

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

fn too_large(most: usize) -> Failure {
    let title = format!("the body has more than {most} bytes");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title, "send less at once")
}

/// Refuses another type than JSON; one that is not named is taken for JSON.
fn media_type(method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match &*essence {
        "application/json" => Ok(()),
        "application/json-patch+json" if method == Method::PATCH => Ok(()),
        _ => {
            let title = format!("the body has the media type `{}`", excerpt(given, 80));
            let help = "send `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Failure::new(status, "unsupported-media-type", title, help))
        }
    }
}

/// The id of a webhook in the path.
pub(super) struct Id(pub(super) WebhookId);

/// The ids of a webhook and of one of its deliveries in the path.
pub(super) struct Ids(pub(super) WebhookId, pub(super) DeliveryId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        // An id that is not UTF-8 is none of ours.
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
