//! The body of the requests for an event: its own bytes, or the event in the other envelope.

use super::convert::convert;
use crate::event::parts::envelope_of;
use crate::event::{Envelope, Event};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// The body of the requests for one event, in both envelopes.
///
/// In the event's own envelope, the body is the bytes of the event. The body in the other envelope
/// is made when the first webhook needs it, and all requests share it. Cheap to clone; clones share
/// state.
///
/// | as CloudEvents 1.0 | in the legacy envelope |
/// | --- | --- |
/// | `specversion` `1.0` | `cloudEventsVersion` `0.1` |
/// | `id` | `eventId` |
/// | `source`, `data`, `data_base64` | the same |
/// | `type` | `eventType` |
/// | `time` | `eventTime` |
/// | `datacontenttype` | `contentType` |
/// | `dataschema` | `schemaURL` |
/// | `eventtypeversion` | `eventTypeVersion` |
/// | `tenantid`, `userid`, `ownerid`, `spaceid`, `toplevelresourceid` | `extensions.tenantId`, `.userId`, `.ownerId`, `.spaceId`, `.topLevelResourceId` |
/// | any other attribute | `extensions`, by the same name |
///
/// Values and `data` are copied as written. If an event has an attribute at several paths, its
/// value is the first string that is not empty, and the paths of CloudEvents 1.0 come first. Without
/// one, it is an empty string, or else the first number or boolean.
/// [`Profile::webhook`](crate::filter::Profile::webhook) reads an event by the same rule. It
/// therefore reads the same attributes from the converted event, except those that were left out.
///
/// An event that is converted to CloudEvents 1.0 is valid according to its
/// [specification](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) and its
/// published JSON schema. What an attribute cannot hold is left out or replaced, even if filters
/// compare it:
///
/// | member | result |
/// | --- | --- |
/// | `id` | derived from the event's bytes unless it is a valid string that is not empty |
/// | `source` | percent-encoded unless it is a URI reference (RFC 3986) |
/// | `source` that is missing, empty or not a string | `unknown` |
/// | `time` | left out unless it is a valid date and time of RFC 3339 |
/// | `datacontenttype` | left out unless it is a media type (RFC 2046) |
/// | `dataschema` | left out unless it is an absolute URI without a fragment (RFC 3986 section 4.3) |
/// | `subject` | left out unless it is a string that is not empty |
/// | any other string | left out if it has control characters or noncharacters |
/// | a number other than a 32-bit integer, also `-0` | becomes a string of the number as written |
/// | such a number as the tenant, owner, space or top-level resource | left out |
/// | an object, an array, `null` | left out |
/// | the name of an extension | becomes lower case |
/// | a name with characters other than ASCII letters and digits | member is left out |
/// | a name with another use in CloudEvents, such as `time` in `extensions` | member is left out |
/// | `dataschema` in `extensions` | used unless the event has a valid one of its own |
/// | names that are equal in lower case | of those that can be held, the one in lower case, otherwise the first |
/// | `data_base64` | left out unless it is a string in Base64 and `data` is missing or `null` |
/// | `specversion` | always `1.0` |
///
/// The same bytes give the same derived `id`. In a valid `time`, the day exists, and the second is
/// 60 only at the end of June or December in UTC.
///
/// An event whose type has control characters or noncharacters cannot be a CloudEvent and is sent
/// as it was read. Conversion to the legacy envelope drops these members:
///
/// - a member that is `null`, other than `data` and `data_base64`;
/// - an attribute of the first table that is an object or an array;
/// - an `extensions` that is not an object;
/// - a member whose name has another meaning in `extensions`, such as `tenantId`.
#[derive(Clone, Debug)]
pub struct Payload(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    head: Head,
    /// The bytes of the event.
    own: Bytes,
    /// The bytes in the other envelope, once made; `None` inside if the event cannot be converted.
    other: OnceLock<Option<Bytes>>,
}

/// The parts of an event that a payload keeps in addition to its bytes.
#[derive(Debug)]
pub(crate) struct Head {
    /// The type of the event; stored in place up to 64 bytes.
    event_type: SmallVec<[u8; 64]>,
    /// The envelope; `None` for a payload that is never converted.
    envelope: Option<Envelope>,
}

impl Head {
    /// Takes these parts from an event with the bytes from which it was read.
    pub(crate) fn of(event: &Event<'_>, bytes: &[u8]) -> Self {
        let event_type = SmallVec::from_slice(event.event_type().as_bytes());
        // A conversion needs well-formed JSON. Bytes that the event was not read from are checked.
        let envelope = match event.was_read_from(bytes) {
            true => Some(event.envelope()),
            false => envelope_of(bytes),
        };
        Self { event_type, envelope }
    }
}

impl Payload {
    /// Creates the payload of an event from the `bytes` from which it was read.
    ///
    /// Bytes that are not a JSON object with a type are sent as they are, in both envelopes.
    #[must_use]
    pub fn new(event: &Event<'_>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::of(Head::of(event, &bytes), bytes)
    }

    /// Creates a payload that is sent to every webhook without conversion.
    ///
    /// Use it for a message that is not an event, such as a test message. The bytes may be
    /// anything: they are signed as they are, and a [`Delivery`](super::Delivery) keeps them.
    /// `Content-Type` is always `application/json`.
    ///
    /// ```
    /// use hooksieve::{delivery::Payload, event::Envelope};
    ///
    /// let payload = Payload::verbatim("ping", "{\"eventType\": \"ping\"}");
    /// assert_eq!(payload.event_type(), "ping");
    /// assert_eq!(payload.body(Envelope::CloudEvents), payload.body(Envelope::Legacy));
    /// ```
    #[must_use]
    pub fn verbatim(event_type: &str, bytes: impl Into<Bytes>) -> Self {
        let event_type = SmallVec::from_slice(event_type.as_bytes());
        Self::of(Head { event_type, envelope: None }, bytes.into())
    }

    /// Makes a payload from its parts.
    pub(crate) fn of(head: Head, own: Bytes) -> Self {
        Self(Arc::new(Inner { head, own, other: OnceLock::new() }))
    }

    /// Returns the type of the event.
    #[must_use]
    pub fn event_type(&self) -> &str {
        // It was made from a `str`.
        std::str::from_utf8(&self.0.head.event_type).unwrap_or_default()
    }

    /// Returns the body in an envelope.
    ///
    /// An event in the mixed envelope, and a verbatim payload, are returned as they are. Every payload
    /// is returned as it is for the mixed envelope, to which no event is converted.
    #[must_use]
    pub fn body(&self, envelope: Envelope) -> &Bytes {
        self.converted(envelope).unwrap_or(&self.0.own)
    }

    /// Returns whether the body in this envelope is one of CloudEvents 1.0.
    pub(super) fn is_cloud_event(&self, envelope: Envelope) -> bool {
        let is_own = self.0.head.envelope == Some(Envelope::CloudEvents);
        envelope == Envelope::CloudEvents && (is_own || self.converted(envelope).is_some())
    }

    /// Returns the body after a conversion, which is made once; `None` if there is none.
    fn converted(&self, to: Envelope) -> Option<&Bytes> {
        let Inner { head, own, other } = &*self.0;
        if !head.envelope?.converts_to(to) {
            return None;
        }
        // There is only one envelope to which an event may be converted, so one cell is enough.
        let converted = other.get_or_init(|| {
            let text = simdutf8::basic::from_utf8(own).ok()?;
            convert(text, to).map(Bytes::from)
        });
        converted.as_ref()
    }
}
