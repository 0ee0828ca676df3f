//! What receives: it knows a webhook by the path alone, verifies what arrives with code that is not
//! hooksieve's, and notes it.

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

/// Where a webhook sends to, and which secrets go with that: both sides compute them from the path
/// `/tenant/name/generation/what`, in which `what` says whether there are a secret and a key.
#[derive(Clone, Debug)]
pub struct Target {
    pub url: String,
    pub secret: Option<String>,
    /// Of an encrypted header.
    pub key: Option<String>,
}

impl Target {
    pub fn new(receiver: usize, path: &str) -> Self {
        let what = path.rsplit('/').next().unwrap();
        let derived = |of: &str| Some(hex(&HMAC::mac(path, of)));
        Self {
            url: format!("https://receiver-{receiver}.example.com{path}"),
            secret: what.contains("signed").then(|| derived("secret")).flatten(),
            key: what.contains("keyed").then(|| derived("key")).flatten(),
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What arrived, and was right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Of the event.
    pub number: u64,
    pub url: Box<str>,
    pub form: Form,
    /// Whether the webhook is of level `user`.
    pub of_user: bool,
}

impl Arrival {
    /// The webhook's.
    pub fn name(&self) -> &str {
        self.url.split('/').nth(4).unwrap()
    }
}

#[derive(Default)]
pub struct Notes {
    pub arrivals: Mutex<Vec<Arrival>>,
    /// What was wrong with what else arrived.
    pub faults: Mutex<Vec<String>>,
    /// All requests whole, where somebody wants to look at them.
    pub whole: Option<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

/// Some receivers.
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
    match checked(number, &method, uri.path(), &headers, &body) {
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

fn checked(
    receiver: usize,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Arrival, String> {
    let target = Target::new(receiver, path);
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let is = |name: &str, wanted: Option<&str>| match text(name) == wanted {
        true => Ok(()),
        false => Err(format!("`{name}` is {:?} instead of {wanted:?}", text(name))),
    };
    if *method != Method::POST {
        return Err(format!("the method is {method}"));
    }
    is("host", Some(&format!("receiver-{receiver}.example.com")))?;
    is("content-type", Some("application/json"))?;
    is("user-agent", Some("Qlik Webhook"))?;
    is("x-key", target.key.as_deref())?;
    match &target.secret {
        Some(secret) => {
            is("qlik-signature", Some(&hex(&HMAC::mac(&**body, secret))))?;
            let standard = standardwebhooks::Webhook::from_bytes(secret.clone().into_bytes());
            let verified = standard.and_then(|standard| standard.verify(body, headers));
            verified.map_err(|error| error.to_string())?;
        }
        None => {
            is("qlik-signature", None)?;
            is("webhook-signature", None)?;
        }
    }
    let (number, form) = events::checked(body)?;
    let tenant = path.split('/').nth(1).unwrap();
    match events::event(number).tenant == tenant {
        true => Ok(Arrival {
            number,
            url: target.url.into(),
            form,
            of_user: text("x-level") == Some("user"),
        }),
        false => Err(format!("event {number} is another tenant's")),
    }
}
