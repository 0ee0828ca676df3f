//! Bytes → event: the JSON reader, the envelopes, and where each attribute is found.
//!
//! Events come as CloudEvents 1.0, in the legacy envelope (CloudEvents 0.1), or mixed. Whatever
//! the marker says, each field is looked for in all its places, those of 1.0 first; the last place of
//! the tenant, a top-level `tenantId`, is that of the vendor's listing of past events. A [`AttributePaths`]
//! holds the places of the filter attributes; a
//! [`Profile`](crate::filter::Profile) owns one and reads events by it.
//!
//! ```
//! use hooksieve::filter::Profile;
//!
//! let profile = Profile::webhook();
//! let event = profile.read_event(br#"{
//!     "type": "com.qlik.v1.app.created", "tenantid": "t1", "spaceid": "s1", "data": {"id": "a1"}
//! }"#)?;
//! assert_eq!((event.tenant(), event.event_type()), ("t1", "com.qlik.v1.app.created"));
//! assert_eq!(event.attribute("id"), Some("a1"));
//! assert_eq!(event.attribute("topLevelResourceId"), None);
//!
//! let error = profile.read_event(br#"{"type": "x", "tenantid": tru}"#).unwrap_err();
//! assert_eq!(error.to_string(), "expected `true` at byte 26");
//! # Ok::<(), hooksieve::event::Error>(())
//! ```

mod error;
mod inspect;
mod json;
mod marks;
mod paths;
mod read;
mod shapes;

pub use error::{Error, ErrorKind};
pub(crate) use inspect::Leaf;
pub(crate) use paths::same;
use paths::{ATTRIBUTES, ID, OWNER, TENANT, TYPE};
pub use paths::{AttributePaths, JsonPath};
pub use shapes::ShapeCache;

use smallvec::SmallVec;
use std::borrow::Cow;

/// Defines ids: text that is compared exactly and means nothing else.
macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $id:ident)+) => {$(
        $(#[doc = $doc])+
        ///
        /// Compared exactly, letter case included.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $id(Box<str>);

        impl $id {
            /// The id as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Box<str>>> From<T> for $id {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $id {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $id {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $id {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Box::deserialize(deserializer).map(Self)
            }
        }

        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

pub(crate) use ids;

ids! {
    /// A tenant: whose events, and whose webhooks.
    TenantId
    /// The name of an event type, such as `com.qlik.v1.app.created`.
    EventType
    /// A user of a tenant.
    UserId
}

/// What matching needs of an event: tenant, type, owner, and the attributes filters speak of.
///
/// Text is borrowed from the bytes that were read, but for the rare string with escapes. An event
/// made from parts ([`Event::new`]) borrows or owns what it is given.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    paths: &'a AttributePaths,
    envelope: Envelope,
    /// What it was read from; empty where it was made from parts, or changed.
    text: &'a str,
    /// Those of the paths: type, tenant, id and owner, then the attributes.
    fields: Fields<'a>,
}

/// The envelope of an event, by where its type stands, since that alone is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Envelope {
    /// CloudEvents 1.0: in `type`.
    CloudEvents,
    /// CloudEvents 0.1: in `eventType`.
    Legacy,
    /// That of the migration period: in both.
    Mixed,
}

type Fields<'a> = SmallVec<[Option<Cow<'a, str>>; 8]>;

impl<'a> Event<'a> {
    /// Reads an event in one pass over its bytes.
    ///
    /// Accepts what `serde_json::Value` accepts (nesting below 128, no lone surrogates, valid
    /// UTF-8 and numbers in range everywhere), less objects in which a key that is read stands
    /// twice. A value that is not a string, where a string is looked for, counts as absent.
    ///
    /// # Errors
    ///
    /// Bytes that are no JSON object, a key that is read and stands twice, no tenant, or no type.
    pub fn read(paths: &'a AttributePaths, bytes: &'a [u8]) -> Result<Self, Error> {
        read::read(paths, bytes)
    }

    /// As [`read`](Self::read), with the same results, but faster where events have the
    /// [shapes](ShapeCache) of events that were read before with the same `shapes`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_with(
        paths: &'a AttributePaths,
        bytes: &'a [u8],
        shapes: &mut ShapeCache,
    ) -> Result<Self, Error> {
        read::read_shaped(paths, bytes, shapes)
    }

    /// As [`read`](Self::read), with `tenant` for an event that names none.
    ///
    /// Past events out of a store or a log that is one tenant's may lack it. An event that names its
    /// tenant keeps it, and an empty `tenant` is none.
    ///
    /// ```
    /// use hooksieve::event::{ErrorKind, Event, TenantId, EventType};
    /// use hooksieve::filter::Profile;
    ///
    /// let profile = Profile::webhook();
    /// let event = Event::read_for(profile.attribute_paths(), br#"{"type": "x", "tenantid": ""}"#, "t1")?;
    /// assert_eq!(event.tenant(), "t1");
    /// let event = Event::read_for(profile.attribute_paths(), br#"{"type": "x", "tenantid": "t2"}"#, "t1")?;
    /// assert_eq!(event.tenant(), "t2");
    /// let error = Event::read_for(profile.attribute_paths(), br#"{"tenantid": ""}"#, "t1").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::MissingType);
    /// # Ok::<(), hooksieve::event::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_for(
        paths: &'a AttributePaths,
        bytes: &'a [u8],
        tenant: &'a str,
    ) -> Result<Self, Error> {
        read::read_for(paths, bytes, tenant)
    }

    /// An event of a tenant and a type, without owner, id or attributes.
    #[must_use]
    pub fn new(paths: &'a AttributePaths, tenant: TenantId, event_type: EventType) -> Self {
        let mut fields = smallvec::smallvec![None; paths.fields().len()];
        for (field, value) in fields.iter_mut().zip([event_type.0, tenant.0]) {
            *field = Some(Cow::Owned(value.into()));
        }
        Self { paths, envelope: Envelope::CloudEvents, text: "", fields }
    }

    /// The same event with an owner.
    #[must_use]
    pub fn with_owner(mut self, owner: impl Into<Cow<'a, str>>) -> Self {
        if let Some(field) = self.fields.get_mut(OWNER) {
            *field = Some(owner.into());
        }
        self
    }

    /// The same event with a value for an attribute; `None` for a name the attribute paths do not know.
    ///
    /// ```
    /// use hooksieve::{event::{Event, EventType, TenantId}, filter::Profile};
    ///
    /// let profile = Profile::webhook();
    /// let (tenant, event_type) = (TenantId::from("t1"), EventType::from("com.qlik.v1.app.created"));
    /// let event = Event::new(profile.attribute_paths(), tenant, event_type);
    /// let event = event.with_attribute("spaceId", "s1").ok_or("no such attribute")?;
    /// assert_eq!(event.attribute("spaceid"), Some("s1"));
    /// assert!(event.with_attribute("color", "red").is_none());
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: impl Into<Cow<'a, str>>) -> Option<Self> {
        let index = self.paths.find(name)?;
        *self.fields.get_mut(ATTRIBUTES + index)? = Some(value.into());
        self.text = "";
        Some(self)
    }

    /// The tenant it happened in; never empty in an event that was read.
    #[must_use]
    pub fn tenant(&self) -> &str {
        self.field(TENANT).unwrap_or_default()
    }

    /// What happened; never empty in an event that was read.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.field(TYPE).unwrap_or_default()
    }

    /// The event's own id, which is not the id of the resource it is about.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.field(ID)
    }

    /// The user who owns the resource it is about.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.field(OWNER)
    }

    /// The envelope it came in; that of an event made from parts is CloudEvents 1.0.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// The places it was read by.
    #[must_use]
    pub fn attribute_paths(&self) -> &'a AttributePaths {
        self.paths
    }

    /// The value of an attribute by its name, letter case aside; `None` where the event has none.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.field(ATTRIBUTES + self.paths.find(name)?)
    }

    /// Where in the event each attribute was found, in the order of the attribute paths; empty for an event
    /// that was made from parts, or whose attributes were changed.
    ///
    /// Where all strings of an attribute are empty, the first of its places is named.
    ///
    /// Reads the bytes once more, since matching has no use for it.
    ///
    /// ```
    /// use hooksieve::filter::Profile;
    ///
    /// let profile = Profile::webhook();
    /// let event = br#"{"type": "x", "tenantid": "t", "spaceid": "", "data": {"spaceId": "s"}}"#;
    /// let places = profile.read_event(event)?.places();
    /// let space = profile.attribute_paths().attributes().iter().position(|name| **name == *"spaceId");
    /// let place = places[space.unwrap()].as_ref().unwrap();
    /// assert_eq!(place.pointer(), "/data/spaceId");
    /// # Ok::<(), hooksieve::event::Error>(())
    /// ```
    #[must_use]
    pub fn places(&self) -> Vec<Option<JsonPath>> {
        if self.text.is_empty() { Vec::new() } else { read::places(self.paths, self.text) }
    }

    /// The value of the attribute `index` of `paths`: by index where the event was read by those
    /// paths, else by its name.
    #[inline]
    pub(crate) fn value(&self, paths: &AttributePaths, index: usize) -> Option<&str> {
        if std::ptr::eq(self.paths, paths) {
            self.field(ATTRIBUTES + index)
        } else {
            self.attribute(paths.attributes().get(index)?)
        }
    }

    /// The values of the attributes in the order of `paths`, where the event was read by that.
    #[inline]
    pub(crate) fn values(&self, paths: &AttributePaths) -> Option<&[Option<Cow<'a, str>>]> {
        if std::ptr::eq(self.paths, paths) { self.fields.get(ATTRIBUTES..) } else { None }
    }

    #[inline]
    fn field(&self, index: usize) -> Option<&str> {
        self.fields.get(index)?.as_deref()
    }
}
