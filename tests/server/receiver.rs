//! The receivers of webhooks, which verify every request without hooksieve and record it.
//!
//! The path of a request says everything about its webhook, so a receiver needs no state of the
//! server.

use crate::{events, net};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use events::Form;
use hmac_sha256::HMAC;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// The URL of a webhook with its secrets, which both sides derive from the path.
///
/// The path is `/tenant/name/generation/what`; `what` says whether the webhook has a secret and a
/// key.
#[derive(Clone, Debug)]
pub struct Target {
    pub url: String,
    pub secret: Option<String>,
    /// The value of the encrypted header `X-Key`.
    pub key: Option<String>,
}

impl Target {
    pub fn new(receiver: usize, path: &str) -> Self {
        let what = path.rsplit('/').next().unwrap();
        let derive = |key: &str| Some(hex(&HMAC::mac(path, key)));
        Self {
            url: format!("https://receiver-{receiver}.example.com{path}"),
            secret: what.contains("signed").then(|| derive("secret")).flatten(),
            key: what.contains("keyed").then(|| derive("key")).flatten(),
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request that arrived and was correct.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// The number of the event.
    pub number: u64,
    pub url: Box<str>,
    pub form: Form,
    /// Whether the webhook is of level `user`.
    pub of_user: bool,
}

impl Arrival {
    /// Returns the name of the webhook.
    pub fn name(&self) -> &str {
        self.url.split('/').nth(4).unwrap()
    }
}

/// What the receivers recorded.
#[derive(Default)]
pub struct Notes {
    pub arrivals: Mutex<Vec<Arrival>>,
    /// What was wrong with each incorrect request.
    pub faults: Mutex<Vec<String>>,
    /// The headers and bodies of all requests, if a test needs them.
    pub whole: Option<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

/// Starts receivers and returns their addresses.
pub async fn receivers(count: usize, notes: &Arc<Notes>) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for number in 0..count {
        let router = Router::new().fallback(receive).layer(DefaultBodyLimit::disable());
        let router = router.with_state((number, Arc::clone(notes)));
        addresses.push(net::serve(router).await);
    }
    addresses
}

async fn receive(
    State((number, notes)): State<(usize, Arc<Notes>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(whole) = &notes.whole {
        whole.lock().unwrap().push((headers.clone(), body.clone()));
    }
    if uri.path().ends_with("failing") {
        return (StatusCode::SERVICE_UNAVAILABLE, "come again").into_response();
    }
    match verify(number, &method, uri.path(), &headers, &body) {
        Ok(arrival) => {
            notes.arrivals.lock().unwrap().push(arrival);
            let echo =
                headers.get("x-key").map(|key| (HeaderName::from_static("x-echo"), key.clone()));
            (StatusCode::OK, HeaderMap::from_iter(echo), "thanks").into_response()
        }
        Err(fault) => {
            notes.faults.lock().unwrap().push(format!("{uri}: {fault}"));
            (StatusCode::BAD_REQUEST, fault).into_response()
        }
    }
}

/// Verifies a request, and returns what arrived or what is wrong with it.
fn verify(
    receiver: usize,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Arrival, String> {
    let target = Target::new(receiver, path);
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let expect = |name: &str, expected: Option<&str>| match text(name) == expected {
        true => Ok(()),
        false => Err(format!("`{name}` is {:?}, expected {expected:?}", text(name))),
    };
    if *method != Method::POST {
        return Err(format!("the method is {method}"));
    }
    expect("host", Some(&format!("receiver-{receiver}.example.com")))?;
    expect("content-type", Some("application/json"))?;
    expect("user-agent", Some("Qlik Webhook"))?;
    expect("x-key", target.key.as_deref())?;
    match &target.secret {
        Some(secret) => {
            expect("qlik-signature", Some(&hex(&HMAC::mac(&**body, secret))))?;
            let standard = standardwebhooks::Webhook::from_bytes(secret.clone().into_bytes());
            let verified = standard.and_then(|standard| standard.verify(body, headers));
            verified.map_err(|error| error.to_string())?;
        }
        None => {
            expect("qlik-signature", None)?;
            expect("webhook-signature", None)?;
        }
    }
    let (number, form) = events::identify(body)?;
    let tenant = path.split('/').nth(1).unwrap();
    match events::event(number).tenant == tenant {
        true => Ok(Arrival {
            number,
            url: target.url.into(),
            form,
            of_user: text("x-level") == Some("user"),
        }),
        false => Err(format!("event {number} belongs to another tenant")),
    }
}
