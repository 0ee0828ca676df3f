//! Records deliveries without secrets, writes the records and reads them back.
//!
//! A record has two JSON forms, which differ only in the body:
//!
//! | form | `request.body` | for |
//! | --- | --- | --- |
//! | `Serialize` | the JSON that was sent; otherwise as in the second form | responses of the API |
//! | [`Delivery::stored`] | a string with the exact bytes; `bodyBase64` if they are not UTF-8 | a store |
//!
//! A delivery is sent again from its record, and the signature covers the exact bytes. So only the
//! second form keeps what reading back needs.
//!
//! Secrets are omitted from the headers when the record is made, not when it is shown. So a store,
//! a log and a response need no rule of their own for headers. See [`secrets`](super::secrets) for
//! how secrets are found, and which are not.

use super::secrets::Secrets;
use super::{MessageId, Request};
use crate::diagnostic::Diagnostic;
use crate::event::{EventType, ids};
use crate::webhook::{Timestamp, WebhookId, words};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::ser::{SerializeMap, SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

ids! {
    /// The id of a delivery.
    DeliveryId
}

words! {
    /// The result of a delivery.
    Status {
        /// The receiver responded with a status of success, 2xx (RFC 9110 section 15.3).
        Success = "success",
        /// The receiver responded with another status, or not at all.
        Fail = "fail",
    }
}

/// The text in place of a value that is not recorded.
pub const OMITTED: &str = "**OMITTED**";

/// The header with the id of a message (Standard Webhooks).
const MESSAGE_ID: &str = "webhook-id";

/// The time for which deliveries are kept: a week.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The response of a receiver to a request.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or the part of it that is to be kept.
    pub body: Bytes,
}

/// The record of a delivery: the request that was sent and its response.
///
/// # Secrets
///
/// Values of encrypted headers are replaced by [`OMITTED`]. So is any other header of the request
/// or the response whose value contains a secret:
///
/// - the signing secret of the webhook, as it is or in Base64;
/// - the value of an encrypted header, or what follows its scheme (such as `Bearer`);
/// - a part of that, between blanks, commas or semicolons, or the value of a `name=value` in it. A
///   part counts if it has four bytes or more, or is in quotes.
///
/// All values of one response header are searched together. Only ASCII letters and digits are
/// compared, case-insensitively. A secret with fewer than four of them is found only as a word of
/// its own or, if it has four bytes or more, as it is written.
///
/// A response header with the name of an encrypted header keeps its name, and its value is omitted.
/// Any other response header whose name contains a secret is omitted together with its name.
///
/// These are recorded without a search: the URL, both bodies, the message, and `webhook-id`. The
/// server chose the last one and needs it to send the message again. A secret in another encoding
/// is not recognized. If the webhook was read from a response, its secrets are unknown.
///
/// # Forms
///
/// `Serialize` writes the response of the API, in which the body is the JSON that was sent.
/// [`stored`](Self::stored) returns the form for a store, which keeps the bytes of the body.
/// [`read`](Self::read) reads the form for a store.
///
/// ```
/// use hooksieve::delivery::{Delivery, Payload, RequestBuilder, Response, Status};
/// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
/// # use std::sync::Arc;
/// # let (rules, now) = (Rules::default(), std::time::UNIX_EPOCH.into());
/// # let document = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
/// #     "eventTypes": [], "encryptedHeaders": {"X-Key": "k3y"}}"#)?;
/// # let created = Webhook::create(&document, &rules, NewWebhook::new("w1", "u1", now))?;
/// # let webhook = Arc::new(created.webhook);
/// # let bytes = br#"{"type": "x", "tenantid": "t1"}"#;
/// # let event = rules.profile().read_event(bytes)?;
/// # let payload = Payload::new(&event, bytes.as_slice());
/// let builder = RequestBuilder::default();
/// let request = builder.request(&webhook, &payload);
/// // The request is sent, and the receiver responds:
/// let status = http::StatusCode::OK;
/// let mut response = Response { status, headers: Default::default(), body: "thanks".into() };
/// response.headers.insert("x-echo", "your key is k3y".parse()?);
///
/// let delivery = Delivery::new("d1", &request, now, Ok(&response));
/// assert_eq!(delivery.status(), Status::Success);
/// let shown = serde_json::to_string(&delivery)?;
/// assert!(shown.contains(r#""X-Key":"**OMITTED**""#) && !shown.contains("k3y"));
///
/// let text = serde_json::to_vec(&delivery.stored())?;
/// let read = Delivery::read(&text)?;
/// assert_eq!(read, delivery);
/// assert_eq!(builder.resend(&webhook, &read).body(), request.body());
///
/// let failed = Delivery::new("d2", &request, now, Err("connection refused"));
/// assert_eq!((failed.status(), failed.message()), (Status::Fail, Some("connection refused")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    id: DeliveryId,
    webhook: WebhookId,
    event_type: EventType,
    status: Status,
    triggered_at: Timestamp,
    message: Option<Box<str>>,
    url: Box<str>,
    body: Bytes,
    headers: Headers,
    response: Option<Received>,
}

/// A response as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    body: String,
    headers: Headers,
    status_code: u16,
}

/// Headers: names as written, and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Headers(Vec<(Box<str>, Box<str>)>);

impl Delivery {
    /// Records a request and its outcome: the response, or why there is none.
    ///
    /// The reason becomes the [`message`](Self::message).
    pub fn new(
        id: impl Into<DeliveryId>,
        request: &Request,
        triggered_at: Timestamp,
        outcome: Result<&Response, &str>,
    ) -> Self {
        let secrets = Secrets::of(request.webhook());
        // An encrypted header is omitted by its flag, any other by a search.
        let shown = |(name, value): (&str, &HeaderValue)| {
            let text = text(value);
            let is_hidden = value.is_sensitive() || (name != MESSAGE_ID && secrets.are_in(&text));
            (name.into(), if is_hidden { OMITTED.into() } else { text })
        };
        // A redirect is not followed, since it could lead to an address that no webhook may reach.
        let succeeded = outcome.is_ok_and(|response| response.status.is_success());
        Self {
            id: id.into(),
            webhook: request.webhook().id().clone(),
            event_type: request.payload().event_type().into(),
            status: if succeeded { Status::Success } else { Status::Fail },
            triggered_at,
            message: outcome.err().map(Into::into),
            url: request.url().into(),
            body: request.body().clone(),
            headers: Headers(request.headers().map(shown).collect()),
            response: outcome.ok().map(|response| Received::of(request, &secrets, response)),
        }
    }

    /// Returns the delivery with a message, such as what the response means.
    #[must_use]
    pub fn with_message(self, message: impl Into<Box<str>>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// Reads a delivery that was written by [`stored`](Self::stored).
    ///
    /// # Errors
    ///
    /// Bytes that are not in this form, such as a response of the API whose `request.body` is not a
    /// string.
    pub fn read(bytes: &[u8]) -> Result<Self, Diagnostic> {
        // Strings without escapes are borrowed from the bytes until they are copied into the
        // record.
        let document: Document<'_> = serde_json::from_slice(bytes).map_err(not_stored)?;
        let Document { request, status, triggered_at, .. } = &document;
        let body = match (&request.body, &request.body_base64) {
            (Some(text), None) => Bytes::copy_from_slice(text.as_bytes()),
            (None, Some(text)) => {
                let bytes = BASE64.decode(text.as_bytes());
                bytes.map_err(|_| not_stored("`bodyBase64` is not valid Base64"))?.into()
            }
            // With both, it would be unknown which bytes were signed.
            _ => return Err(not_stored("expected either `body` or `bodyBase64` in `request`")),
        };
        let time = triggered_at.parse();
        Ok(Self {
            triggered_at: time.map_err(|_| not_stored("`triggeredAt` is not a time"))?,
            status: *status,
            url: (*request.url).into(),
            body,
            id: (*document.id).into(),
            webhook: (*document.webhook_id).into(),
            event_type: (*document.event_type).into(),
            headers: document.request.headers,
            message: document.status_message.map(|text| text.into_owned().into()),
            response: document.response,
        })
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &DeliveryId {
        &self.id
    }

    /// Returns the id of the webhook.
    #[must_use]
    pub fn webhook(&self) -> &WebhookId {
        &self.webhook
    }

    /// Returns the type of the event.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Returns whether the delivery succeeded or failed.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the reason for a failure, or a message of the server.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the time at which it was triggered.
    #[must_use]
    pub fn triggered_at(&self) -> Timestamp {
        self.triggered_at
    }

    /// Returns the exact bytes that were sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the id of the message, if it has headers of Standard Webhooks.
    ///
    /// Use it for [`Request::with_standard_headers`] when the message is sent again.
    #[must_use]
    pub fn message_id(&self) -> Option<MessageId> {
        // No webhook can have a header of this name, so it is ours.
        let (_, id) = self.headers.0.iter().find(|(name, _)| &**name == MESSAGE_ID)?;
        MessageId::new(id).ok()
    }

    /// Returns whether it was triggered less than [`RETENTION`] before `now`.
    #[must_use]
    pub fn is_kept(&self, now: Timestamp) -> bool {
        // The clock of a server may have been set back since then.
        let age = SystemTime::from(now).duration_since(self.triggered_at.into());
        // `Err` if `now` is before it was triggered.
        age.map_or(true, |age| age < RETENTION)
    }

    /// Returns the form for a store.
    ///
    /// This is the response of the API, except that `request.body` is always a string, which keeps
    /// every byte. Bytes that are not UTF-8 are in `bodyBase64` instead.
    #[must_use]
    pub fn stored(&self) -> impl Serialize + '_ {
        Stored(self)
    }
}

impl Received {
    fn of(request: &Request, secrets: &Secrets, response: &Response) -> Self {
        let encrypted = request.webhook().encrypted_headers();
        let mut headers: Vec<(Box<str>, Box<str>)> = Vec::new();
        let mut omits_a_name = false;
        // Once for each name: lines with the same name are joined below.
        for name in response.headers.keys() {
            // Several lines of one header are one value with commas (RFC 9110 section 5.3). Joined,
            // a secret that the receiver cut at a comma is found as well.
            let values = response.headers.get_all(name).iter().map(text);
            let value = values.collect::<Vec<_>>().join(", ");
            let is_encrypted = encrypted.iter().any(|header| header.name() == name);
            // A name with a secret is dropped, and one entry says that a header was.
            if !is_encrypted && secrets.are_in_name(name.as_str()) {
                omits_a_name = true;
            } else if is_encrypted || secrets.are_in(&value) {
                headers.push((name.as_str().into(), OMITTED.into()));
            } else {
                headers.push((name.as_str().into(), value.into()));
            }
        }
        // One entry for all of them: their number says nothing that a reader needs.
        if omits_a_name {
            headers.push((OMITTED.into(), OMITTED.into()));
        }
        // For people only: unlike the request's body, it is never sent again.
        let body = String::from_utf8_lossy(&response.body).into_owned();
        Self { body, headers: Headers(headers), status_code: response.status.as_u16() }
    }
}

fn text(value: &HeaderValue) -> Box<str> {
    String::from_utf8_lossy(value.as_bytes()).into()
}

/// Makes the error for bytes that [`Delivery::stored`] has not written.
fn not_stored(error: impl fmt::Display) -> Diagnostic {
    Diagnostic::error(
        "delivery-not-stored",
        format!("not a stored delivery: {error}"),
        "read what `stored` wrote; a response of the API does not keep the bytes of the body",
    )
    .with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The form for a store, as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    status: Status,
    #[serde(borrow)]
    request: Sent<'a>,
    response: Option<Received>,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    webhook_id: Cow<'a, str>,
    #[serde(borrow)]
    triggered_at: Cow<'a, str>,
    #[serde(borrow)]
    status_message: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body_base64: Option<Cow<'a, str>>,
    headers: Headers,
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(header) = map.next_entry()? {
                    headers.push(header);
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// The form for a store, as it is written.
#[derive(Clone, Copy, Debug)]
struct Stored<'a>(&'a Delivery);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self.0, true, serializer)
    }
}

/// Writes the response of the API.
///
/// A body that is not JSON is written as a string, or as `bodyBase64` if it is not UTF-8.
impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self, false, serializer)
    }
}

/// Writes either form of a delivery.
fn document<S: Serializer>(
    delivery: &Delivery,
    stored: bool,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    struct Request<'a>(&'a Delivery, bool);

    impl Serialize for Request<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let Self(delivery, stored) = *self;
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("url", &delivery.url)?;
            let text = std::str::from_utf8(&delivery.body);
            // Raw, so that numbers and the order of members are shown as they were sent.
            let json: Option<&RawValue> = match stored {
                true => None,
                false => serde_json::from_slice(&delivery.body).ok(),
            };
            match (json, text) {
                (Some(json), _) => map.serialize_entry("body", json)?,
                (None, Ok(text)) => map.serialize_entry("body", text)?,
                (None, Err(_)) => {
                    map.serialize_entry("bodyBase64", &BASE64.encode(&delivery.body))?;
                }
            }
            map.serialize_entry("headers", &delivery.headers)?;
            map.end()
        }
    }

    let mut members = serializer.serialize_struct("Delivery", 8)?;
    members.serialize_field("id", delivery.id.as_str())?;
    members.serialize_field("status", &delivery.status)?;
    members.serialize_field("request", &Request(delivery, stored))?;
    if let Some(response) = &delivery.response {
        members.serialize_field("response", response)?;
    }
    members.serialize_field("eventType", delivery.event_type.as_str())?;
    members.serialize_field("webhookId", delivery.webhook.as_str())?;
    members.serialize_field("triggeredAt", &delivery.triggered_at.to_string())?;
    if let Some(message) = &delivery.message {
        members.serialize_field("statusMessage", message)?;
    }
    members.end()
}
