use super::convert;
use crate::event::{Envelope, Event};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// What is sent of an event: its own bytes, or the event in the other envelope.
///
/// The other form is made when the first webhook asks for it, and shared by all requests. A clone
/// takes a few nanoseconds and shares state.
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
/// Values and `data` are copied as they are written. Of several places of an attribute the first
/// that holds a string which is not empty counts, those of CloudEvents 1.0 first, as in reading;
/// so a converted event reads as the same event, by the places of
/// [`Profile::webhook`](crate::filter::Profile::webhook).
///
/// An event that becomes CloudEvents 1.0 is valid by its
/// [specification](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) and its
/// published JSON schema. What an attribute cannot hold is left out:
///
/// | member | what becomes of it |
/// | --- | --- |
/// | `id` | a string that is not empty, or else derived from the event's bytes: the same bytes, the same id |
/// | `source` | percent-encoded where it is no URI reference (RFC 3986); `unknown` where it is missing, empty or no string |
/// | `time` | left out unless it is a date and time of RFC 3339: a day that exists, and second 60 only at the end of June or December in UTC |
/// | `datacontenttype` | left out unless it is a media type (RFC 2046) |
/// | `dataschema` | left out unless it is an absolute URI without a fragment (RFC 3986 section 4.3) |
/// | `subject` | left out unless it is a string that is not empty |
/// | any string | left out with control characters or noncharacters in it, even where events are read by it |
/// | a number that is no integer of 32 bits | a string of the number as written; left out as a tenant, owner, space or top-level resource, which would be read from it |
/// | an object, an array, `null` | left out |
/// | names | in lower case; left out unless made of ASCII letters and digits, or if CloudEvents gives them another meaning, such as `time` in `extensions`; a name in lower case wins over one that becomes it |
/// | `data_base64` | left out unless it is a string in Base64, or where `data` is present and not `null` |
/// | `specversion` | `1.0`, whichever `1.x` it was before it was converted to the legacy envelope |
///
/// An event whose type has control characters cannot be a CloudEvent and goes out as it came. In
/// the legacy envelope an event has nothing that is `null`, no `extensions` that are no object, and
/// no attributes of other names that mean something in `extensions`, such as `tenantId`.
#[derive(Clone, Debug)]
pub struct Payload(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    own: Bytes,
    /// In the other form; `None` where that cannot be.
    other: OnceLock<Option<Bytes>>,
}

/// What of an event is kept in addition to its bytes.
#[derive(Debug)]
pub(crate) struct Kind {
    /// In place, unless it is uncommonly long.
    event_type: SmallVec<[u8; 64]>,
    /// The envelope; `None` for what is never converted.
    envelope: Option<Envelope>,
}

impl Kind {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let event_type = SmallVec::from_slice(event.event_type().as_bytes());
        Self { event_type, envelope: Some(event.envelope()) }
    }
}

impl Payload {
    /// The payload of an event, `bytes` being those that it was read from. Other bytes that are
    /// no JSON object go out as they are, whatever form is asked for.
    #[must_use]
    pub fn new(event: &Event<'_>, bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::of(event), bytes.into())
    }

    /// A payload that is sent to every webhook as it is, never converted.
    ///
    /// For what a server has no event for, such as a test message. The bytes may be anything; they
    /// are signed as they are, and a [`Delivery`](super::Delivery) keeps them. `Content-Type` is
    /// `application/json` all the same.
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

    pub(crate) fn of(kind: Kind, own: Bytes) -> Self {
        Self(Arc::new(Inner { kind, own, other: OnceLock::new() }))
    }

    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> &str {
        // It was text before.
        std::str::from_utf8(&self.0.kind.event_type).unwrap_or_default()
    }

    /// As CloudEvents 1.0; an event in the mixed envelope, and what is verbatim, as it is.
    #[must_use]
    pub fn cloud_event(&self) -> &Bytes {
        match self.0.kind.envelope {
            Some(Envelope::Legacy) => self.other(convert::to_cloud_events),
            Some(Envelope::CloudEvents | Envelope::Mixed) | None => &self.0.own,
        }
    }

    /// Whether [`cloud_event`](Self::cloud_event) is a CloudEvent, and nothing else that goes out
    /// as it is.
    pub(super) fn is_cloud_event(&self) -> bool {
        match self.0.kind.envelope {
            Some(Envelope::CloudEvents) => true,
            Some(Envelope::Mixed) | None => false,
            Some(Envelope::Legacy) => {
                let _ = self.cloud_event();
                self.0.other.get().is_some_and(Option::is_some)
            }
        }
    }

    /// In the legacy envelope; an event in the mixed envelope, and what is verbatim, as it is.
    #[must_use]
    pub fn legacy(&self) -> &Bytes {
        match self.0.kind.envelope {
            Some(Envelope::CloudEvents) => self.other(convert::to_legacy),
            Some(Envelope::Legacy | Envelope::Mixed) | None => &self.0.own,
        }
    }

    fn other(&self, convert: fn(&[u8]) -> Option<Vec<u8>>) -> &Bytes {
        let Inner { own, other, .. } = &*self.0;
        other.get_or_init(|| convert(own).map(Bytes::from)).as_ref().unwrap_or(own)
    }
}
