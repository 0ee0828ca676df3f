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
    /// A delivery to a webhook.
    DeliveryId
}

words! {
    /// How a delivery ended.
    Status {
        /// The receiver answered with a status of success (RFC 9110 section 15.3).
        Success = "success",
        /// It answered with another one, or not at all.
        Fail = "fail",
    }
}

/// What stands for the value of an encrypted header.
pub const OMITTED: &str = "**OMITTED**";

/// The header that holds the id of a message (Standard Webhooks).
const MESSAGE_ID: &str = "webhook-id";

/// How long the history of deliveries is kept: a week.
pub const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a server received for a request.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as much of it as is worth keeping.
    pub body: Bytes,
}

/// The record of a delivery: what was sent, and what came back, to be stored and shown.
///
/// Values of encrypted headers read [`OMITTED`]. So does any other header, of the request or the
/// response, whose value holds a secret: the webhook's signing secret, the value of an encrypted
/// header, what follows its scheme (such as `Bearer`), or a part of four bytes or more of that,
/// between blanks, commas or semicolons. The lines of a header are searched together; case, blanks,
/// commas, quotes and other characters that are no letters or digits make no difference. A value of
/// fewer than four bytes is found only as a word of its own. A response header is omitted with its
/// name if that holds a secret, and its value is if it has the name of an encrypted header.
///
/// Not searched are the `webhook-id`, which the server chose and which is needed to send the
/// message again, the URL, both bodies, and the message, which are kept as they are given; and a
/// secret that the receiver encoded, such as in Base64, is not recognised. Where the webhook was
/// read from a response, its secrets are not known.
///
/// `Serialize` writes the API's response, in which the body is the JSON that was sent;
/// [`stored`](Self::stored) is the form for a store, which keeps its bytes;
/// [`read`](Self::read) reads that.
///
/// ```
/// use hooksieve::delivery::{Delivery, Payload, Response, RequestBuilder, Status};
/// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
/// # use std::sync::Arc;
/// # let (rules, now) = (Rules::default(), std::time::UNIX_EPOCH.into());
/// # let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/", "eventTypes": [],
/// #     "encryptedHeaders": {"X-Key": "k3y"}}"#)?;
/// # let webhook = Arc::new(Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook);
/// # let bytes = br#"{"type": "x", "tenantid": "t1"}"#;
/// # let event = rules.profile().read_event(bytes)?;
/// # let payload = Payload::new(&event, bytes.as_slice());
/// let sender = RequestBuilder::default();
/// let request = sender.request(&webhook, &payload);
/// // … is sent, and answered:
/// let mut response = Response { status: http::StatusCode::OK, headers: Default::default(), body: "thanks".into() };
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
/// assert_eq!(sender.resend(&webhook, &read).body(), request.body());
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    body: String,
    headers: Headers,
    status_code: u16,
}

/// Names as written, and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Headers(Vec<(Box<str>, Box<str>)>);

impl Delivery {
    /// The record of a request that was triggered at a time, and of the response, or else of why
    /// there is none, which becomes the message.
    pub fn new(
        id: impl Into<DeliveryId>,
        request: &Request,
        triggered_at: Timestamp,
        outcome: Result<&Response, &str>,
    ) -> Self {
        let secrets = Secrets::of(request.webhook());
        let shown = |(name, value): (&str, &HeaderValue)| {
            let text = text(value);
            let is_hidden = value.is_sensitive() || (name != MESSAGE_ID && secrets.are_in(&text));
            (name.into(), if is_hidden { OMITTED.into() } else { text })
        };
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

    /// The same with a message, such as one that says what an answer means.
    #[must_use]
    pub fn with_message(self, message: impl Into<Box<str>>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// Reads the form for a store.
    ///
    /// # Errors
    ///
    /// Bytes that [`stored`](Self::stored) has not written.
    pub fn read(bytes: &[u8]) -> Result<Self, Diagnostic> {
        let document: Document<'_> = serde_json::from_slice(bytes).map_err(not_stored)?;
        let Document { request, status, triggered_at, .. } = &document;
        let body = match (&request.body, &request.body_base64) {
            (Some(text), None) => Bytes::copy_from_slice(text.as_bytes()),
            (None, Some(text)) => {
                let bytes = BASE64.decode(text.as_bytes());
                bytes.map_err(|_| not_stored("`bodyBase64` is not in Base64"))?.into()
            }
            _ => return Err(not_stored("`request` has one of `body` and `bodyBase64`")),
        };
        let time = triggered_at.parse();
        Ok(Self {
            triggered_at: time.map_err(|_| not_stored("`triggeredAt` is no time"))?,
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

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &DeliveryId {
        &self.id
    }

    /// The webhook that it was for.
    #[must_use]
    pub fn webhook(&self) -> &WebhookId {
        &self.webhook
    }

    /// The type of the event.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// How it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Why it failed, or what the server had to say.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// When it was triggered.
    #[must_use]
    pub fn triggered_at(&self) -> Timestamp {
        self.triggered_at
    }

    /// The exact bytes that were sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The id of the message, where it was sent with the headers of Standard Webhooks: for
    /// [`Request::with_standard_headers`] when it is sent again.
    #[must_use]
    pub fn message_id(&self) -> Option<MessageId> {
        // No webhook may have a header of this name.
        let (_, id) = self.headers.0.iter().find(|(name, _)| &**name == MESSAGE_ID)?;
        MessageId::new(id).ok()
    }

    /// Whether it is still to be kept at a time: less than [`RETENTION`] after it was triggered.
    #[must_use]
    pub fn is_kept(&self, now: Timestamp) -> bool {
        let age = SystemTime::from(now).duration_since(self.triggered_at.into());
        // `Err` where `now` is before it was triggered.
        age.map_or(true, |age| age < RETENTION)
    }

    /// The record for a store: the API's response, but for the body, which is a string here and so
    /// kept byte for byte (`bodyBase64` where it is not UTF-8).
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
        for name in response.headers.keys() {
            // A list of values is one value with commas (RFC 9110 section 5.3).
            let values = response.headers.get_all(name).iter().map(text);
            let value = values.collect::<Vec<_>>().join(", ");
            let is_encrypted = encrypted.iter().any(|header| header.name() == name);
            if !is_encrypted && secrets.are_in_name(name.as_str()) {
                omits_a_name = true;
            } else if is_encrypted || secrets.are_in(&value) {
                headers.push((name.as_str().into(), OMITTED.into()));
            } else {
                headers.push((name.as_str().into(), value.into()));
            }
        }
        if omits_a_name {
            headers.push((OMITTED.into(), OMITTED.into()));
        }
        let body = String::from_utf8_lossy(&response.body).into_owned();
        Self { body, headers: Headers(headers), status_code: response.status.as_u16() }
    }
}

fn text(value: &HeaderValue) -> Box<str> {
    String::from_utf8_lossy(value.as_bytes()).into()
}

/// The error that bytes are not a delivery as [`Delivery::stored`] writes it.
fn not_stored(error: impl fmt::Display) -> Diagnostic {
    Diagnostic::error(
        "delivery-not-stored",
        format!("not a stored delivery: {error}"),
        "read all of what `stored` wrote; the API's response does not keep the bytes of the body",
    )
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

/// The record for a store; made by [`Delivery::stored`].
#[derive(Clone, Copy, Debug)]
struct Stored<'a>(&'a Delivery);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self.0, true, serializer)
    }
}

/// The API's JSON of a delivery. A body that is no JSON is a string in it.
impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self, false, serializer)
    }
}

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
