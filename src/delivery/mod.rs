//! From a match to a request: what is sent for a webhook, signed, and what is kept of it.
//!
//! A [`RequestBuilder`] makes a [`Request`] from a webhook and a [`Payload`], which is made once an event.
//! That cannot fail, since a [`Webhook`] that exists is deliverable. Sending, retrying and storing
//! are the server's; what it observed makes a [`Delivery`], which is listed by a [`ListQuery`] and sent
//! again by [`RequestBuilder::resend`]. Receivers [`verify`].
//!
//! ```
//! use hooksieve::delivery::{Payload, RequestBuilder, verify};
//! use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
//! use std::sync::Arc;
//! # let now = std::time::UNIX_EPOCH.into();
//!
//! let rules = Rules::default();
//! let draft = WebhookDocument::read(br#"{
//!     "name": "Apps", "url": "https://hooks.example.com/apps", "eventTypes": ["com.qlik.v1.app.created"],
//!     "headers": {"X-Team": "data"}, "secret": "0123456789abcdef0123456789abcdef"
//! }"#)?;
//! let webhook = Arc::new(Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook);
//!
//! let bytes = br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1", "data": {"id": "a1"}}"#;
//! let event = rules.profile().read_event(bytes)?;
//! let payload = Payload::new(&event, bytes.as_slice());
//! let request = RequestBuilder::default().request(&webhook, &payload);
//!
//! assert_eq!((request.method(), request.url()), ("POST", "https://hooks.example.com/apps"));
//! assert_eq!(request.body().as_ref(), bytes, "the bytes read are the bytes signed and sent");
//! let names: Vec<_> = request.headers().map(|(name, _)| name).collect();
//! assert_eq!(names, ["X-Team", "Content-Type", "User-Agent", "Qlik-Signature"]);
//! let signature = request.header("qlik-signature").ok_or("not signed")?.to_str()?;
//! verify("0123456789abcdef0123456789abcdef", request.body(), signature)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod convert;
mod list;
mod payload;
mod record;
mod secrets;
mod signature;
mod uri;
mod value;

pub use list::ListQuery;
pub(crate) use payload::Kind;
pub use payload::Payload;
pub use record::{Delivery, DeliveryId, OMITTED, RETENTION, Response, Status};
pub use signature::{MessageId, StandardHeaders, VerifyError, verify, whsec};

use crate::webhook::{Secret, Timestamp, Webhook};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use std::sync::Arc;

const QLIK_SIGNATURE: HeaderName = HeaderName::from_static("qlik-signature");
const STANDARD: [HeaderName; 3] = [
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
];

/// How a server makes its requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    user_agent: HeaderValue,
    /// Of CloudEvents 1.0.
    cloud_content_type: HeaderValue,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Default for RequestBuilder {
    /// With the `User-Agent` `Qlik Webhook`, and the `Content-Type` `application/json` in both
    /// forms.
    fn default() -> Self {
        let user_agent = HeaderValue::from_static("Qlik Webhook");
        Self { user_agent, cloud_content_type: JSON }
    }
}

impl RequestBuilder {
    /// The same with another `User-Agent`.
    #[must_use]
    pub fn with_user_agent(self, user_agent: HeaderValue) -> Self {
        Self { user_agent, ..self }
    }

    /// The same with the `Content-Type` `application/cloudevents+json` for CloudEvents 1.0, as
    /// the HTTP binding of CloudEvents has it (section 3.2, structured content mode). What is sent
    /// again, and events in the mixed form, keep `application/json`.
    #[must_use]
    pub fn with_cloud_events_type(self) -> Self {
        let cloud_content_type = HeaderValue::from_static("application/cloudevents+json");
        Self { cloud_content_type, ..self }
    }

    /// The request that delivers a payload to a webhook, signed if the webhook has a secret.
    ///
    /// Takes one allocation for a signature and none else; signing takes time in proportion to
    /// the body, and the first request in the other form than the event's converts it.
    #[must_use]
    pub fn request(&self, webhook: &Arc<Webhook>, payload: &Payload) -> Request {
        let (webhook, payload) = (Arc::clone(webhook), payload.clone());
        let content_type = match webhook.delivers_cloud_events() && payload.is_cloud_event() {
            true => self.cloud_content_type.clone(),
            false => JSON,
        };
        let signature =
            secret(&webhook).map(|secret| signature::qlik(secret, body(&webhook, &payload)));
        let user_agent = self.user_agent.clone();
        Request { webhook, payload, content_type, user_agent, signature, standard: None }
    }

    /// The request that sends a delivery again: the same body byte for byte, so that the signature
    /// is the same, too, as long as the webhook's secret is; URL, headers and secret are those
    /// that the webhook has now.
    #[must_use]
    pub fn resend(&self, webhook: &Arc<Webhook>, delivery: &Delivery) -> Request {
        let body = delivery.body().clone();
        self.request(webhook, &Payload::verbatim(delivery.event_type().as_str(), body))
    }
}

fn secret(webhook: &Webhook) -> Option<&[u8]> {
    webhook.secret().and_then(Secret::expose).map(str::as_bytes)
}

fn body<'p>(webhook: &Webhook, payload: &'p Payload) -> &'p Bytes {
    match webhook.delivers_cloud_events() {
        true => payload.cloud_event(),
        false => payload.legacy(),
    }
}

/// A request that delivers an event to a webhook; made by a [`RequestBuilder`].
///
/// No name or value of a header holds CR, LF or NUL. `Debug` shows no value of an encrypted header.
/// Redirects are not to be followed: a receiver could lead elsewhere with them.
#[derive(Clone, Debug)]
pub struct Request {
    webhook: Arc<Webhook>,
    payload: Payload,
    content_type: HeaderValue,
    user_agent: HeaderValue,
    signature: Option<HeaderValue>,
    standard: Option<Box<[HeaderValue; 3]>>,
}

impl Request {
    /// The same with the headers of [Standard Webhooks](https://www.standardwebhooks.com), which
    /// protect a receiver against replay; without change if the webhook has no secret.
    ///
    /// `id` is the same whenever the message is sent again, `at` the time of this attempt. The key
    /// is the secret's own bytes, which receivers know as [`whsec`].
    #[must_use]
    pub fn with_standard_headers(self, id: &MessageId, at: Timestamp) -> Self {
        let sign = |secret| Box::new(signature::standard(secret, id, at, self.body()));
        let standard = secret(&self.webhook).map(sign);
        Self { standard, ..self }
    }

    /// The webhook.
    #[must_use]
    pub fn webhook(&self) -> &Arc<Webhook> {
        &self.webhook
    }

    /// What is sent, in both forms.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// `POST`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        "POST"
    }

    /// The webhook's, without its fragment, which is never sent.
    #[must_use]
    pub fn url(&self) -> &str {
        let url = self.webhook.url();
        url.split_once('#').map_or(url, |(url, _)| url)
    }

    /// Names as they are written, and values, each name once: the webhook's own by name, its
    /// encrypted ones by name, `Content-Type`, `User-Agent`, and for a webhook with a secret
    /// `Qlik-Signature` and the headers of Standard Webhooks, if they were asked for. Values of
    /// encrypted headers are [sensitive](HeaderValue::is_sensitive). The length of the body, the
    /// host and what else frames a request are its sender's.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.lines().map(|line| (line.written, line.value))
    }

    /// The value of a header by its name, letter case aside.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&HeaderValue> {
        let mut lines = self.lines();
        lines.find(|line| line.written.eq_ignore_ascii_case(name)).map(|line| line.value)
    }

    fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let groups = [self.webhook.headers(), self.webhook.encrypted_headers()];
        let own = groups.into_iter().flatten().filter_map(|header| {
            let (name, written) = (header.name().clone(), header.written());
            Some(Line { name, written, value: header.value()? })
        });
        let [id, time, signature] = STANDARD;
        let standard = self.standard.as_deref().map(|values| {
            let [i, t, s] = values;
            [
                Line { name: id, written: "webhook-id", value: i },
                Line { name: time, written: "webhook-timestamp", value: t },
                Line { name: signature, written: "webhook-signature", value: s },
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
        own.chain(fixed).chain(signature).chain(standard.into_iter().flatten())
    }

    /// The exact bytes that are signed and sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        body(&self.webhook, &self.payload)
    }

    /// Whether the certificates of the target are to be checked for revocation before.
    #[must_use]
    pub fn checks_revocation(&self) -> bool {
        self.webhook.checks_revocation()
    }

    /// Whether the webhook's secret, or a value of its encrypted headers, is not known, since the
    /// webhook was read from a response: the request is without them, and not to be sent.
    #[must_use]
    pub fn has_redacted_secrets(&self) -> bool {
        self.webhook.has_redacted_secrets()
    }
}

/// A header.
struct Line<'r> {
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "that feature asks for it"))]
    name: HeaderName,
    written: &'r str,
    value: &'r HeaderValue,
}

/// For hyper, reqwest and others, whole but for what frames a request.
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
    #[expect(clippy::expect_used, reason = "what `url` writes for https, `Uri` reads")]
    fn from(request: &Request) -> Self {
        let mut sent = Self::new(request.body().clone());
        *sent.method_mut() = http::Method::POST;
        *sent.uri_mut() = request.url().parse().expect("a URL in its normal form");
        for line in request.lines() {
            sent.headers_mut().append(line.name, line.value.clone());
        }
        sent
    }
}
