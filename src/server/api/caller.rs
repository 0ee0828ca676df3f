//! Authenticates requests by their key and limits their rate.

use super::Api;
use super::error::Failure;
use crate::server::limits::Tier;
use crate::server::service::caller::Caller;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Passes a request on if its key is known and the bucket of its tier has a token.
pub(super) async fn admit(
    State((api, tier)): State<(Arc<Api>, Tier)>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match caller(&api, request.headers()) {
        Ok(caller) => caller,
        Err(failure) => return failure.into_response(),
    };
    let taken = api.buckets.take(&caller.key, tier, api.ambient.since_start());
    let mut response = match taken {
        Err(wait) => Failure::too_many(wait).into_response(),
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            next.run(request).await
        }
    };
    // The log line shows the caller.
    response.extensions_mut().insert(caller);
    response
}

fn caller(api: &Api, headers: &HeaderMap) -> Result<Caller, Failure> {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.ok_or_else(|| Failure::unauthorized("the request has no API key"))?;
    let token = given.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let key = token.and_then(|token| api.keys.find(token));
    let key = key.ok_or_else(|| Failure::unauthorized("the API key is unknown"))?;
    Ok(Caller {
        tenant: key.tenant.as_str().into(),
        user: key.user.as_str().into(),
        role: key.role,
        key: key.id.clone(),
    })
}
