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
//! field    places: CloudEvents 1.0   legacy                                past events   rule
//! ID       id                        eventId, eventID                                    Id
//! SOURCE   source                    source                                              Source
//! TENANT   tenantid                  extensions.tenantId, .tenantid        tenantId      Compared
//! SPACE    spaceid                   extensions.spaceId, .spaceid                        Compared
//! ```
//!
//! - *Reading*: the value of a field is the first string that is not empty. So fields of
//!   CloudEvents 1.0 win in the mixed envelope. [`AttributePaths`](super::AttributePaths) compiles
//!   the rows that matching needs; a profile takes the places of its attributes from here.
//! - *Detection*: the envelope of an event follows from the place of its type. The markers
//!   `specversion` and `cloudEventsVersion` are not always there; the type is.
//! - *Writing*: a converted event has its marker first, then its fields in the order of the rows.
//!   Each is written at its first place in the envelope. Its [`Rule`] says which values CloudEvents
//!   1.0 can hold.
//!
//! # Adding a field or an envelope
//!
//! A field is a row here. An envelope is a variant of [`Envelope`] and places in the rows; the
//! compiler then names the matches that must decide about it, in this file, in `event::parts` and in
//! `delivery`. Which webhooks take it is decided by the member `enableCloudEventDelivery`, which is
//! a boolean: a third envelope also needs another member of the API.

use super::JsonPath;

/// The envelope of an event, or the one in which a webhook takes events.
///
/// The envelope of an event follows from the key of its type.
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
    pub(crate) const ALL: [Self; 3] = [Self::CloudEvents, Self::Legacy, Self::Mixed];

    /// Returns whether an event of this envelope is converted for a webhook that takes another.
    pub(crate) fn converts_to(self, to: Self) -> bool {
        match (self, to) {
            (Self::CloudEvents, Self::Legacy) | (Self::Legacy, Self::CloudEvents) => true,
            (Self::CloudEvents, Self::CloudEvents) | (Self::Legacy, Self::Legacy) => false,
            // A mixed event has the fields of both, and no event is converted to a mixed one.
            (Self::Mixed, _) | (_, Self::Mixed) => false,
        }
    }

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
        for (place, has_type) in TYPE.places.iter().zip(has_type) {
            match place.envelope {
                Some(Self::CloudEvents) => cloud_events |= has_type,
                Some(Self::Legacy) => legacy |= has_type,
                Some(Self::Mixed) | None => {}
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

/// A field: its places in order of precedence, and the values that CloudEvents 1.0 can hold.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) places: &'static [Place],
    pub(crate) rule: Rule,
}

/// Which values an attribute of CloudEvents 1.0 can hold; `delivery::value` decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Required: a string that is not empty, otherwise an id derived from the event.
    Id,
    /// Required: a URI reference, otherwise `unknown`.
    Source,
    /// Required: a string that is not empty, otherwise the event cannot be a CloudEvent.
    Type,
    /// A string that is not empty.
    Text,
    /// A date and time of RFC 3339.
    Time,
    /// A media type of RFC 2046.
    MediaType,
    /// An absolute URI.
    Uri,
    /// A string, a boolean or a 32-bit integer that filters may compare, so that no other number
    /// may become a string.
    Compared,
    /// A string, a boolean or a number; a number that is no 32-bit integer becomes a string.
    Scalar,
}

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

pub(super) const ID: Field =
    Field { places: &[cloud("id"), legacy("eventId"), legacy("eventID")], rule: Rule::Id };
const SOURCE: Field = Field { places: &[cloud("source"), legacy("source")], rule: Rule::Source };
pub(super) const TYPE: Field =
    Field { places: &[cloud("type"), legacy("eventType")], rule: Rule::Type };
const TIME: Field = Field { places: &[cloud("time"), legacy("eventTime")], rule: Rule::Time };
const CONTENT_TYPE: Field =
    Field { places: &[cloud("datacontenttype"), legacy("contentType")], rule: Rule::MediaType };
const SCHEMA: Field = Field { places: &[cloud(DATA_SCHEMA), legacy("schemaURL")], rule: Rule::Uri };
const TYPE_VERSION: Field =
    Field { places: &[cloud("eventtypeversion"), legacy("eventTypeVersion")], rule: Rule::Scalar };
pub(super) const TENANT: Field = Field {
    places: &[cloud("tenantid"), extension("tenantId"), extension("tenantid"), listing("tenantId")],
    rule: Rule::Compared,
};
const USER: Field = Field {
    places: &[cloud("userid"), extension("userId"), extension("userid")],
    rule: Rule::Scalar,
};
pub(super) const OWNER: Field = Field {
    places: &[cloud("ownerid"), extension("ownerId"), extension("ownerid")],
    rule: Rule::Compared,
};
pub(crate) const SPACE: Field = Field {
    places: &[cloud("spaceid"), extension("spaceId"), extension("spaceid")],
    rule: Rule::Compared,
};
pub(crate) const TOP_LEVEL_RESOURCE: Field = Field {
    places: &[
        cloud("toplevelresourceid"),
        extension("topLevelResourceId"),
        extension("toplevelresourceid"),
    ],
    rule: Rule::Compared,
};

/// The one field that CloudEvents 1.0 may also take from `extensions`: it has one meaning
/// everywhere.
pub(crate) const DATA_SCHEMA: &str = "dataschema";

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
    field.places.iter().map(|place| JsonPath::new(place.keys()))
}
