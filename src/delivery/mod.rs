//! Builds signed requests from events and webhooks, and records their deliveries.
//!
//! A [`RequestBuilder`] builds a [`Request`] from a webhook and a [`Payload`]. One payload serves
//! all webhooks that an event matches. Building cannot fail, since every [`Webhook`] is valid. The
//! server sends the request, retries it and stores the result as a [`Delivery`]. A [`ListQuery`]
//! selects deliveries, and [`RequestBuilder::resend`] builds the request that sends one again. A
//! receiver checks a request with [`verify`].
//!
//! ```
//! use hooksieve::delivery::{Payload, RequestBuilder, verify};
//! use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
//! use std::sync::Arc;
//! # let now = std::time::UNIX_EPOCH.into();
//!
//! let rules = Rules::default();
//! let document = WebhookDocument::read(br#"{
//!     "name": "Apps", "url": "https://hooks.example.com/apps",
//!     "eventTypes": ["com.qlik.v1.app.created"],
//!     "headers": {"X-Team": "data"}, "secret": "0123456789abcdef0123456789abcdef"
//! }"#)?;
//! let created = Webhook::create(&document, &rules, NewWebhook::new("w1", "u1", now))?;
//! let webhook = Arc::new(created.webhook);
//!
//! let bytes = br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1", "data": {"id": "a1"}}"#;
//! let event = rules.profile().read_event(bytes)?;
//! let payload = Payload::new(&event, bytes.as_slice());
//! let request = RequestBuilder::default().request(&webhook, &payload);
//!
//! assert_eq!((request.method(), request.url()), ("POST", "https://hooks.example.com/apps"));
//! assert_eq!(request.body().as_ref(), bytes, "the event is signed and sent as it was read");
//! let names: Vec<_> = request.headers().map(|(name, _)| name).collect();
//! assert_eq!(names, ["X-Team", "Content-Type", "User-Agent", "Qlik-Signature"]);
//! let signature = request.header("qlik-signature").ok_or("not signed")?.to_str()?;
//! verify("0123456789abcdef0123456789abcdef", request.body(), signature)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who does what
//!
//! ```text
//! event ──▶ Payload ─┐                 this crate: bytes, headers, signature
//! webhook ───────────┴─▶ Request ──▶ the server sends, retries, waits
//!                           │                            │
//!                           └─────▶ Delivery ◀───────────┘ response or error
//!                                      │
//!                        Serialize (API), stored (store), resend (again)
//! ```
//!
//! Nothing here reads a clock or opens a connection. Times and outcomes come from the server, so
//! every request can be reproduced from its inputs.

mod convert;
mod list;
mod payload;
mod record;
mod secrets;
mod signature;
mod uri;
mod value;

pub use list::{ListQuery, Lookup, Place, SortBy, SortKey};
pub(crate) use payload::Head;
pub use payload::Payload;
pub use record::{Delivery, DeliveryId, OMITTED, RETENTION, Response, Status};
pub use signature::{MessageId, StandardHeaders, VerifyError, verify, whsec};

use crate::webhook::{Secret, Timestamp, Webhook};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use std::sync::Arc;

/// The header of the platform's own signature.
const QLIK_SIGNATURE: HeaderName = HeaderName::from_static("qlik-signature");
/// The headers of Standard Webhooks.
const STANDARD: [HeaderName; 3] = [
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
];

/// Builds the requests of a server. Cheap to clone; clones share state.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    user_agent: HeaderValue,
    /// The `Content-Type` of CloudEvents 1.0.
    cloud_content_type: HeaderValue,
}

/// The `Content-Type` of both envelopes.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Default for RequestBuilder {
    /// Uses the `User-Agent` `Qlik Webhook`, and the `Content-Type` `application/json` for both
    /// envelopes.
    fn default() -> Self {
        let user_agent = HeaderValue::from_static("Qlik Webhook");
        Self { user_agent, cloud_content_type: JSON }
    }
}

impl RequestBuilder {
    /// Returns the builder with another `User-Agent`.
    #[must_use]
    pub fn with_user_agent(self, user_agent: HeaderValue) -> Self {
        Self { user_agent, ..self }
    }

    /// Returns the builder with `application/cloudevents+json` for CloudEvents 1.0.
    ///
    /// This is the `Content-Type` of the HTTP binding of CloudEvents (section 3.2, structured
    /// content mode). A delivery that is sent again and an event in the mixed envelope keep
    /// `application/json`.
    #[must_use]
    pub fn with_cloud_events_type(self) -> Self {
        let cloud_content_type = HeaderValue::from_static("application/cloudevents+json");
        Self { cloud_content_type, ..self }
    }

    /// Builds the request that delivers a payload to a webhook.
    ///
    /// The request is signed if the webhook has a secret whose key is known.
    ///
    /// # Cost
    ///
    /// One allocation for a signature, otherwise none. Signing is linear in the body. The first
    /// request that needs the other envelope also converts the event.
    #[must_use]
    pub fn request(&self, webhook: &Arc<Webhook>, payload: &Payload) -> Request {
        let (webhook, payload) = (Arc::clone(webhook), payload.clone());
        // A payload that is sent again, or is in the mixed envelope, is not certainly CloudEvents
        // 1.0.
        let content_type = match payload.is_cloud_event(webhook.envelope()) {
            true => self.cloud_content_type.clone(),
            false => JSON,
        };
        let body = payload.body(webhook.envelope());
        let signature = secret(&webhook).map(|secret| signature::qlik(secret, body));
        let user_agent = self.user_agent.clone();
        Request { webhook, payload, content_type, user_agent, signature, standard: None }
    }

    /// Builds the request that sends a delivery again.
    ///
    /// The body is the same byte for byte, and so is the signature if the secret has not changed.
    /// The URL, the headers and the secret are the current ones of the webhook.
    #[must_use]
    pub fn resend(&self, webhook: &Arc<Webhook>, delivery: &Delivery) -> Request {
        // The bytes of the record and not a new conversion, so that the receiver gets the same
        // message.
        let body = delivery.body().clone();
        self.request(webhook, &Payload::verbatim(delivery.event_type().as_str(), body))
    }
}

/// Returns the signing secret of a webhook, if it has one that is known.
fn secret(webhook: &Webhook) -> Option<&[u8]> {
    webhook.secret().and_then(Secret::expose).map(str::as_bytes)
}

/// A request that delivers an event to a webhook, built by a [`RequestBuilder`].
///
/// No name or value of a header contains CR, LF or NUL. `Debug` does not show the values of
/// encrypted headers. Do not follow redirects when sending: they could lead to an address that no
/// webhook may reach.
#[derive(Clone, Debug)]
pub struct Request {
    webhook: Arc<Webhook>,
    payload: Payload,
    content_type: HeaderValue,
    user_agent: HeaderValue,
    signature: Option<HeaderValue>,
    standard: Option<Box<signature::Standard>>,
}

impl Request {
    /// Returns the request with the headers of [Standard
    /// Webhooks](https://www.standardwebhooks.com).
    ///
    /// These headers protect a receiver against replay, and let it recognize a message that is sent
    /// again. Without a secret whose key is known, the request has no `webhook-signature`. `at` is the time of this attempt. Use the same `id` whenever the
    /// message is sent again. The key is the bytes of the secret; [`whsec`] returns the form in
    /// which receivers expect it.
    #[must_use]
    pub fn with_standard_headers(self, id: &MessageId, at: Timestamp) -> Self {
        let standard = signature::standard(secret(&self.webhook), id, at, self.body());
        Self { standard: Some(Box::new(standard)), ..self }
    }

    /// Returns the webhook.
    #[must_use]
    pub fn webhook(&self) -> &Arc<Webhook> {
        &self.webhook
    }

    /// Returns the payload, which has the event in both envelopes.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Returns `POST`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        "POST"
    }

    /// Returns the URL of the webhook without its fragment, which is never sent.
    #[must_use]
    pub fn url(&self) -> &str {
        // A fragment is for the client only (RFC 3986 section 3.5), so the target must not see it.
        let url = self.webhook.url();
        url.split_once('#').map_or(url, |(url, _)| url)
    }

    /// Returns the headers, each name once and in its written letter case.
    ///
    /// The order is:
    ///
    /// 1. the webhook's headers, sorted by name;
    /// 2. its encrypted headers, sorted by name, whose values are
    ///    [sensitive](HeaderValue::is_sensitive);
    /// 3. `Content-Type` and `User-Agent`;
    /// 4. `Qlik-Signature`, if the request is signed;
    /// 5. the headers of Standard Webhooks, if they were added.
    ///
    /// Headers whose values are unknown are left out. The HTTP client adds `Host`,
    /// `Content-Length` and others that frame the request.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.lines().map(|line| (line.written, line.value))
    }

    /// Returns the value of a header, whose name is compared case-insensitively.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&HeaderValue> {
        let mut lines = self.lines();
        lines.find(|line| line.written.eq_ignore_ascii_case(name)).map(|line| line.value)
    }

    /// Returns the headers, in the order of [`headers`](Self::headers).
    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        // No name is in both, or is one of those below: such a webhook is not valid.
        let groups = [self.webhook.headers(), self.webhook.encrypted_headers()];
        let own = groups.into_iter().flatten().filter_map(|header| {
            let (name, written) = (header.name().clone(), header.written());
            // An unknown value leaves the header out. An empty one would be another value.
            Some(Line { name, written, value: header.value()? })
        });
        let [id, time, signed] = STANDARD;
        let standard = self.standard.as_deref().into_iter().flat_map(move |values| {
            let line =
                |name: &HeaderName, written, value| Line { name: name.clone(), written, value };
            let signature = values.signature.as_ref();
            [
                Some(line(&id, "webhook-id", &values.id)),
                Some(line(&time, "webhook-timestamp", &values.time)),
                signature.map(|value| line(&signed, "webhook-signature", value)),
            ]
        });
        let fixed = [
            Line { name: CONTENT_TYPE, written: "Content-Type", value: &self.content_type },
            Line { name: USER_AGENT, written: "User-Agent", value: &self.user_agent },
        ];
        let signature = self.signature.as_ref().map(|value| Line {
            name: QLIK_SIGNATURE,
            written: "Qlik-Signature",
            value,
        });
        own.chain(fixed).chain(signature).chain(standard.flatten())
    }

    /// Returns the exact bytes that are signed and sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.payload.body(self.webhook.envelope())
    }

    /// Returns whether to check the certificates of the target for revocation before sending.
    #[must_use]
    pub fn checks_revocation(&self) -> bool {
        self.webhook.checks_revocation()
    }

    /// Returns whether the webhook has a secret or an encrypted header whose value is unknown.
    ///
    /// Such a webhook was read from a response of the API. The request lacks these values: do not
    /// send it.
    #[must_use]
    pub fn has_redacted_secrets(&self) -> bool {
        self.webhook.has_redacted_secrets()
    }
}

/// A header of a request.
struct Line<'r> {
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only `http` uses it"))]
    name: HeaderName,
    written: &'r str,
    value: &'r HeaderValue,
}

/// Converts the request for hyper, reqwest and other clients, which add the framing headers.
///
/// ```
/// # use hooksieve::{delivery::{Payload, Request}, webhook::Webhook};
/// fn send(request: Request) -> http::Request<bytes::Bytes> {
///     assert!(!request.has_redacted_secrets());
///     (&request).into()
/// }
/// ```
#[cfg(feature = "http")]
impl From<&Request> for http::Request<Bytes> {
    #[expect(clippy::expect_used, reason = "`Uri` reads what `url` writes for https")]
    fn from(request: &Request) -> Self {
        let mut sent = Self::new(request.body().clone());
        *sent.method_mut() = http::Method::POST;
        *sent.uri_mut() = request.url().parse().expect("a URL in its normal form");
        for line in request.lines() {
            // No two lines have the same name, so appending never makes a second value.
            sent.headers_mut().append(line.name, line.value.clone());
        }
        sent
    }
}
