//! Authenticates requests by their key, limits their rate, and checks their role.
//!
//! All three come before the body: a caller who may not do an operation cannot make the server read
//! and keep a megabyte for it. The order is that of their cost for others. An unknown key is
//! refused without a bucket, since buckets of unknown keys could fill the memory; a refused role
//! takes a token, since it is a request like any other.
//!
//! The service checks the role again, together with what the caller may see: other interfaces have
//! no such layer.

use super::Api;
use super::error::Failure;
use crate::server::limits::Tier;
use crate::server::service::caller::{Area, Caller};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// What [`admit`] knows about an operation.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) api: Arc<Api>,
    pub(super) tier: Tier,
    pub(super) area: Area,
}

/// Passes a request on if its key is known, the bucket of its tier has a token, and its role allows
/// the operation.
pub(super) async fn admit(
    State(Gate { api, tier, area }): State<Gate>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match caller(&api, request.headers()) {
        Ok(caller) => caller,
        Err(failure) => return failure.into_response(),
    };
    let taken = api.buckets.take(&caller.key, tier, api.ambient.since_start());
    let mut response = match taken.map_err(Failure::too_many).and_then(|()| Ok(caller.may(area)?)) {
        Err(failure) => failure.into_response(),
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
        // Schemes are case-insensitive (RFC 9110, 11.1), and some clients write `bearer`.
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let token = token.ok_or_else(|| {
        Failure::unauthorized("the header `Authorization` does not have the scheme `Bearer`")
    })?;
    // A revoked key, a mistyped one and one of another server look the same to the caller.
    let key = api.keys.find(token);
    let key = key.ok_or_else(|| Failure::unauthorized("the API key is unknown"))?;
    Ok(Caller {
        // From the key and never from the request: a caller cannot name another tenant.
        tenant: key.tenant.as_str().into(),
        user: key.user.as_str().into(),
        role: key.role,
        key: key.id.clone(),
    })
}
