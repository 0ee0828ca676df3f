use super::convert;
use crate::event::{Envelope, Event};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// The body of the requests for one event, in both envelopes.
///
/// In the event's own envelope, the body is its own bytes. The other envelope is made when the
/// first webhook needs it, and shared by all requests. Cheap to clone; clones share state.
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
/// Values and `data` are copied as written. If an event has an attribute at several paths, the
/// first string that is not empty counts, those of CloudEvents 1.0 first, as in reading. So a
/// converted event is read as the same event by
/// [`Profile::webhook`](crate::filter::Profile::webhook).
///
/// An event that is converted to CloudEvents 1.0 is valid according to its
/// [specification](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) and its
/// published JSON schema. What an attribute cannot hold is left out:
///
/// | member | result |
/// | --- | --- |
/// | `id` | a string that is not empty; otherwise derived from the event's bytes, so the same bytes have the same id |
/// | `source` | percent-encoded if it is not a URI reference (RFC 3986); `unknown` if it is missing, empty or not a string |
/// | `time` | left out unless it is a date and time of RFC 3339: a day that exists, and second 60 only at the end of June or December in UTC |
/// | `datacontenttype` | left out unless it is a media type (RFC 2046) |
/// | `dataschema` | left out unless it is an absolute URI without a fragment (RFC 3986 section 4.3) |
/// | `subject` | left out unless it is a string that is not empty |
/// | any string | left out if it has control characters or noncharacters, even if filters compare it |
/// | a number other than a 32-bit integer | a string of the number as written; left out as a tenant, owner, space or top-level resource, which would be read from the string |
/// | an object, an array, `null` | left out |
/// | names | in lower case; left out if they have other characters than ASCII letters and digits, or if CloudEvents gives them another meaning, such as `time` in `extensions`; a name written in lower case wins over one that becomes it |
/// | `data_base64` | left out if it is not a string in Base64, or if `data` is present and not `null` |
/// | `specversion` | `1.0`, even if the event was another `1.x` before it was converted to the legacy envelope |
///
/// An event whose type has control characters cannot be a CloudEvent and is sent as it was read.
/// Conversion to the legacy envelope drops members that are `null`, an `extensions` that is not an
/// object, and members whose names have another meaning in `extensions`, such as `tenantId`.
#[derive(Clone, Debug)]
pub struct Payload(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    /// The bytes of the event.
    own: Bytes,
    /// The bytes in the other envelope, once made; `None` inside if the event cannot be converted.
    other: OnceLock<Option<Bytes>>,
}

/// The parts of an event that a payload keeps in addition to its bytes.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The type of the event; stored in place up to 64 bytes.
    event_type: SmallVec<[u8; 64]>,
    /// The envelope; `None` for a payload that is never converted.
    envelope: Option<Envelope>,
}

impl Kind {
    /// Takes these parts from an event.
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let event_type = SmallVec::from_slice(event.event_type().as_bytes());
        Self { event_type, envelope: Some(event.envelope()) }
    }
}

impl Payload {
    /// Makes the payload of an event from the `bytes` that it was read from.
    ///
    /// Bytes that are not a JSON object are sent as they are, in both envelopes.
    #[must_use]
    pub fn new(event: &Event<'_>, bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::of(event), bytes.into())
    }

    /// Makes a payload that is sent to every webhook as it is, without conversion.
    ///
    /// Use it for a message that is not an event, such as a test message. The bytes may be
    /// anything: they are signed as they are, and a [`Delivery`](super::Delivery) keeps them.
    /// `Content-Type` is always `application/json`.
    ///
    /// ```
    /// use hooksieve::delivery::Payload;
    ///
    /// let payload = Payload::verbatim("ping", "{\"eventType\": \"ping\"}");
    /// assert_eq!(payload.event_type(), "ping");
    /// assert_eq!(payload.cloud_event(), payload.legacy());
    /// ```
    #[must_use]
    pub fn verbatim(event_type: &str, bytes: impl Into<Bytes>) -> Self {
        let event_type = SmallVec::from_slice(event_type.as_bytes());
        Self::of(Kind { event_type, envelope: None }, bytes.into())
    }

    /// Makes a payload from its parts.
    pub(crate) fn of(kind: Kind, own: Bytes) -> Self {
        Self(Arc::new(Inner { kind, own, other: OnceLock::new() }))
    }

    /// Returns the type of the event.
    #[must_use]
    pub fn event_type(&self) -> &str {
        // It was made from a `str`.
        std::str::from_utf8(&self.0.kind.event_type).unwrap_or_default()
    }

    /// Returns the body as CloudEvents 1.0.
    ///
    /// An event in the mixed envelope, and a verbatim payload, are returned as they are.
    #[must_use]
    pub fn cloud_event(&self) -> &Bytes {
        match self.0.kind.envelope {
            Some(Envelope::Legacy) => self.other(convert::to_cloud_events),
            Some(Envelope::CloudEvents | Envelope::Mixed) | None => &self.0.own,
        }
    }

    /// Returns whether [`cloud_event`](Self::cloud_event) is a CloudEvent 1.0.
    pub(super) fn is_cloud_event(&self) -> bool {
        match self.0.kind.envelope {
            Some(Envelope::CloudEvents) => true,
            Some(Envelope::Mixed) | None => false,
            Some(Envelope::Legacy) => {
                // Converts the event if that has not happened yet.
                let _ = self.cloud_event();
                self.0.other.get().is_some_and(Option::is_some)
            }
        }
    }

    /// Returns the body in the legacy envelope.
    ///
    /// An event in the mixed envelope, and a verbatim payload, are returned as they are.
    #[must_use]
    pub fn legacy(&self) -> &Bytes {
        match self.0.kind.envelope {
            Some(Envelope::CloudEvents) => self.other(convert::to_legacy),
            Some(Envelope::Legacy | Envelope::Mixed) | None => &self.0.own,
        }
    }

    /// Returns the body in the other envelope, or the event's own bytes if it cannot be converted.
    fn other(&self, convert: fn(&[u8]) -> Option<Vec<u8>>) -> &Bytes {
        let Inner { own, other, .. } = &*self.0;
        other.get_or_init(|| convert(own).map(Bytes::from)).as_ref().unwrap_or(own)
    }
}
