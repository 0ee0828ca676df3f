//! The envelopes: the names and places of each field, in one table.
//!
//! # The table
//!
//! An event is a JSON object in one of two envelopes, or in a mixture of both. The *fields* of an
//! event are the same in all of them. Only their places differ: the name, and whether the member is
//! in the outermost object or in `extensions`. [`FIELDS`] has a row for each field, which lists its
//! places in order of precedence:
//!
//! ```text
//! field    places: CloudEvents 1.0   legacy                                past events
//! ID       id                        eventId, eventID
//! TENANT   tenantid                  extensions.tenantId, .tenantid        tenantId
//! SPACE    spaceid                   extensions.spaceId, .spaceid
//! DATA     data                      (the same place)
//! ```
//!
//! - *Reading*: the value of a field is the first string that is not empty. So fields of
//!   CloudEvents 1.0 win in the mixed envelope. [`AttributePaths`](super::AttributePaths) compiles
//!   the rows that matching needs; a profile takes the places of its attributes from here.
//! - *Detection*: the envelope of an event follows from the place of its type. The markers
//!   `specversion` and `cloudEventsVersion` are not always there; the type is.
//! - *Writing*: a converted event has its marker first, then its fields in the order of the rows.
//!   Each is written at its first place in the envelope.
//!
//! # Adding an envelope
//!
//! Add the envelope to [`Envelope`], its marker to [`Envelope::marker`], and its places to the rows.
//! `delivery::convert` decides what the envelope can hold.

use super::JsonPath;

/// The envelope of an event, or the one in which a webhook takes events.
///
/// The markers `specversion` and `cloudEventsVersion` are not always present, so the envelope of an
/// event follows from the key of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Envelope {
    /// CloudEvents 1.0: the type is in `type`.
    CloudEvents,
    /// The legacy envelope, CloudEvents 0.1: the type is in `eventType`.
    Legacy,
    /// The mixture of both, used during a migration: the type is in both.
    Mixed,
}

impl Envelope {
    /// Returns the member that marks an event of this envelope, and its value as JSON.
    ///
    /// The mixed envelope has none of its own, since no event is converted to it.
    pub(crate) fn marker(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::CloudEvents => Some(("specversion", r#""1.0""#)),
            Self::Legacy => Some(("cloudEventsVersion", r#""0.1""#)),
            Self::Mixed => None,
        }
    }

    /// Returns the envelope, given whether the event has its type at each of the places of
    /// [`TYPE`]; `None` if it has none.
    #[inline(always)]
    pub(super) fn detect(has_type: impl Iterator<Item = bool>) -> Option<Self> {
        let (mut cloud_events, mut legacy) = (false, false);
        for (place, has_type) in TYPE.iter().zip(has_type) {
            match place.envelope {
                Some(Self::CloudEvents) => cloud_events |= has_type,
                _ => legacy |= has_type,
            }
        }
        match (cloud_events, legacy) {
            (true, false) => Some(Self::CloudEvents),
            (false, true) => Some(Self::Legacy),
            (true, true) => Some(Self::Mixed),
            (false, false) => None,
        }
    }
}

/// A place at which an event may have a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The envelope that has the field here; `None` for a place that is only read.
    pub(crate) envelope: Option<Envelope>,
    /// Whether it is a member of `extensions` and not of the outermost object.
    pub(crate) in_extensions: bool,
    pub(crate) name: &'static str,
}

impl Place {
    /// Returns the keys that lead to it.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.in_extensions.then_some(EXTENSIONS).into_iter().chain([self.name])
    }
}

/// The places of a field, in order of precedence.
pub(crate) type Field = &'static [Place];

/// A member of the outermost object in CloudEvents 1.0.
const fn cloud(name: &'static str) -> Place {
    Place { envelope: Some(Envelope::CloudEvents), in_extensions: false, name }
}

/// A member of the outermost object in the legacy envelope.
const fn legacy(name: &'static str) -> Place {
    Place { envelope: Some(Envelope::Legacy), in_extensions: false, name }
}

/// A member of `extensions` in the legacy envelope.
const fn extension(name: &'static str) -> Place {
    Place { envelope: Some(Envelope::Legacy), in_extensions: true, name }
}

/// A member of the outermost object in the vendor's list of past events.
const fn listing(name: &'static str) -> Place {
    Place { envelope: None, in_extensions: false, name }
}

pub(super) const ID: Field = &[cloud("id"), legacy("eventId"), legacy("eventID")];
const SOURCE: Field = &[cloud("source"), legacy("source")];
pub(super) const TYPE: Field = &[cloud("type"), legacy("eventType")];
const TIME: Field = &[cloud("time"), legacy("eventTime")];
const CONTENT_TYPE: Field = &[cloud("datacontenttype"), legacy("contentType")];
const SCHEMA: Field = &[cloud("dataschema"), legacy("schemaURL")];
const TYPE_VERSION: Field = &[cloud("eventtypeversion"), legacy("eventTypeVersion")];
pub(super) const TENANT: Field =
    &[cloud("tenantid"), extension("tenantId"), extension("tenantid"), listing("tenantId")];
const USER: Field = &[cloud("userid"), extension("userId"), extension("userid")];
pub(super) const OWNER: Field = &[cloud("ownerid"), extension("ownerId"), extension("ownerid")];
pub(crate) const SPACE: Field = &[cloud("spaceid"), extension("spaceId"), extension("spaceid")];
pub(crate) const TOP_LEVEL_RESOURCE: Field = &[
    cloud("toplevelresourceid"),
    extension("topLevelResourceId"),
    extension("toplevelresourceid"),
];

/// The fields that are scalars, in the order in which they are written.
pub(crate) const FIELDS: [Field; 12] = [
    ID,
    SOURCE,
    TYPE,
    TIME,
    CONTENT_TYPE,
    SCHEMA,
    TYPE_VERSION,
    TENANT,
    USER,
    OWNER,
    SPACE,
    TOP_LEVEL_RESOURCE,
];

/// The member of the legacy envelope that holds further fields.
pub(crate) const EXTENSIONS: &str = "extensions";

/// The members of the payload, which are the same in every envelope.
pub(crate) const DATA: [&str; 2] = ["data", "data_base64"];

/// Returns the paths of a field, in order of precedence.
pub(crate) fn paths(field: Field) -> impl Iterator<Item = JsonPath> {
    field.iter().map(|place| JsonPath::new(place.keys()))
}
