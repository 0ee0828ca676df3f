use super::convert;
use crate::event::{Event, Form};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// What is sent of an event: its own bytes, or the event in the other envelope.
///
/// The other form is made when the first webhook asks for it, and shared by all requests. Cheap
/// to clone: clones are the same.
///
/// | as CloudEvents 1.0 | in the legacy envelope |
/// | --- | --- |
/// | `specversion` `1.0` | `cloudEventsVersion` `0.1` |
/// | `id` | `eventId` |
/// | `source`, `data`, `data_base64` | the same |
/// | `type` | `eventType` |
/// | `time` | `eventTime` |
/// | `datacontenttype` | `contentType` |
/// | `eventtypeversion` | `eventTypeVersion` |
/// | `tenantid`, `userid`, `ownerid`, `spaceid`, `toplevelresourceid` | `extensions.tenantId`, `.userId`, `.ownerId`, `.spaceId`, `.topLevelResourceId` |
/// | any other attribute | `extensions`, by the same name |
///
/// Values and `data` are copied as they are written. Of several places of an attribute the first
/// that holds a string which is not empty counts, those of CloudEvents 1.0 first, as in reading;
/// so a converted event reads as the same event, by the
/// places of [`Profile::webhook`](crate::filter::Profile::webhook). As CloudEvents 1.0 an event
///
/// - without an `id` has one derived from its bytes, and without a `source` the source `unknown`;
/// - has the names of its extensions in lower case;
/// - has nothing of what has no place there: extensions that are objects, arrays or `null`, whose
///   names are not letters and digits, or whose names mean something else there, such as `time`;
/// - has the version `1.0`, whichever `1.x` it had before it was converted to the legacy envelope.
///
/// A time or content type that is no string, or an empty one, is left out, too. In the legacy
/// envelope it has nothing that is `null`, no `extensions` that are no object, and no attributes of
/// other names that mean something in `extensions`, such as `tenantId`.
#[derive(Clone, Debug)]
pub struct Payload(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    own: Bytes,
    /// In the other form; `None` where that cannot be.
    other: OnceLock<Option<Bytes>>,
}

/// What of an event is kept beside its bytes.
#[derive(Debug)]
pub(crate) struct Kind {
    /// In place, unless it is uncommonly long.
    event_type: SmallVec<[u8; 64]>,
    form: Form,
}

impl Kind {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let event_type = SmallVec::from_slice(event.event_type().as_bytes());
        Self { event_type, form: event.form() }
    }
}

impl Payload {
    /// The payload of an event, `bytes` being those that it was read from. Other bytes that are
    /// no JSON object go out as they are, whatever form is asked for.
    #[must_use]
    pub fn new(event: &Event<'_>, bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::of(event), bytes.into())
    }

    /// One that goes out as it is.
    pub(super) fn fixed(event_type: &str, bytes: Bytes) -> Self {
        Self::of(
            Kind { event_type: SmallVec::from_slice(event_type.as_bytes()), form: Form::Mixed },
            bytes,
        )
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

    /// As CloudEvents 1.0; an event in the mixed form as it is.
    #[must_use]
    pub fn cloud_event(&self) -> &Bytes {
        match self.0.kind.form {
            Form::CloudEvents | Form::Mixed => &self.0.own,
            Form::Legacy => self.other(convert::to_cloud_events),
        }
    }

    /// Whether [`cloud_event`](Self::cloud_event) is a CloudEvent, and nothing else that goes out
    /// as it is.
    pub(super) fn is_cloud_event(&self) -> bool {
        match self.0.kind.form {
            Form::CloudEvents => true,
            Form::Mixed => false,
            Form::Legacy => {
                let _ = self.cloud_event();
                self.0.other.get().is_some_and(Option::is_some)
            }
        }
    }

    /// In the legacy envelope; an event in the mixed form as it is.
    #[must_use]
    pub fn legacy(&self) -> &Bytes {
        match self.0.kind.form {
            Form::Legacy | Form::Mixed => &self.0.own,
            Form::CloudEvents => self.other(convert::to_legacy),
        }
    }

    fn other(&self, convert: fn(&[u8]) -> Option<Vec<u8>>) -> &Bytes {
        let Inner { own, other, .. } = &*self.0;
        other.get_or_init(|| convert(own).map(Bytes::from)).as_ref().unwrap_or(own)
    }
}
