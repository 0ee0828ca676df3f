//! Reads events: JSON, the envelope, and the attributes that filters compare.
//!
//! Events come as CloudEvents 1.0, in the legacy envelope (CloudEvents 0.1), or in a mixture of
//! both. Each field is looked for at all of its paths, those of CloudEvents 1.0 first, regardless
//! of the marker of the envelope. [`AttributePaths`] holds the paths of the filter attributes. A
//! [`Profile`](crate::filter::Profile) owns such a table and reads events with it.
//!
//! The last path of the tenant is a top-level `tenantId`, as in the vendor's list of past events.
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

pub(crate) mod envelope;
mod error;
mod inspect;
mod json;
mod marks;
pub(crate) mod parts;
mod paths;
mod read;
mod shapes;
mod walk;

pub use envelope::Envelope;
pub use error::{Error, ErrorKind};
pub(crate) use inspect::Leaf;
pub(crate) use paths::same;
use paths::{ATTRIBUTES, ID, OWNER, TENANT, TYPE};
pub use paths::{AttributePaths, JsonPath};
pub use shapes::ShapeCache;

use smallvec::SmallVec;
use std::borrow::Cow;

/// Defines id types: text that is only compared.
macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $id:ident)+) => {$(
        $(#[doc = $doc])+
        ///
        /// Ids are compared exactly, including letter case.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $id(Box<str>);

        impl $id {
            /// Returns the id as it was given.
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
    /// The id of a tenant, which owns events and webhooks.
    TenantId
    /// The name of an event type, such as `com.qlik.v1.app.created`.
    EventType
    /// The id of a user of a tenant.
    UserId
}

/// The parts of an event that matching needs: tenant, type, owner and attributes.
///
/// Its text borrows from the bytes that were read, except for strings with escapes, which are rare.
/// An event made from parts ([`Event::new`]) borrows or owns what it is given.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    paths: &'a AttributePaths,
    envelope: Envelope,
    /// The text that it was read from; empty if it was made from parts, or changed.
    text: &'a str,
    /// The values of the fields: type, tenant, id and owner, then those of the attributes in the
    /// order of [`AttributePaths::attributes`].
    fields: Fields<'a>,
}

/// The fields of the envelope and four attributes fit without an allocation.
type Fields<'a> = SmallVec<[Option<Cow<'a, str>>; 8]>;

impl<'a> Event<'a> {
    /// Reads an event in one pass over its bytes.
    ///
    /// Accepts any object that `serde_json::Value` accepts: everywhere, nesting is below 128, there
    /// are no lone surrogates, the text is valid UTF-8 and numbers are in range. Unlike
    /// `serde_json`, it refuses a duplicate of a key that is read. A value that is not a string
    /// counts as absent where a string is expected.
    ///
    /// # Errors
    ///
    /// Bytes that are not a JSON object, a duplicate of a key that is read, no type, or no tenant.
    ///
    /// # Cost
    ///
    /// Linear in the bytes, without an allocation unless the event has escapes or more than four
    /// attributes.
    pub fn read(paths: &'a AttributePaths, bytes: &'a [u8]) -> Result<Self, Error> {
        read::read(paths, bytes)
    }

    /// Reads an event like [`read`](Self::read), faster if an earlier one had its shape.
    ///
    /// The results are the same. [`ShapeCache`] describes when this is useful.
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

    /// Reads an event like [`read`](Self::read), with `tenant` if it names none.
    ///
    /// Past events in the log of one tenant may lack the tenant. An event that names its tenant
    /// keeps it. An empty `tenant` counts as none.
    ///
    /// ```
    /// use hooksieve::event::{ErrorKind, Event, TenantId, EventType};
    /// use hooksieve::filter::Profile;
    ///
    /// let profile = Profile::webhook();
    /// let paths = profile.attribute_paths();
    /// let event = Event::read_for(paths, br#"{"type": "x", "tenantid": ""}"#, "t1")?;
    /// assert_eq!(event.tenant(), "t1");
    /// let event = Event::read_for(paths, br#"{"type": "x", "tenantid": "t2"}"#, "t1")?;
    /// assert_eq!(event.tenant(), "t2");
    /// let error = Event::read_for(paths, br#"{"tenantid": ""}"#, "t1").unwrap_err();
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

    /// Creates an event of a tenant and a type, without owner, id or attributes.
    #[must_use]
    pub fn new(paths: &'a AttributePaths, tenant: TenantId, event_type: EventType) -> Self {
        let mut fields = smallvec::smallvec![None; paths.fields().len()];
        for (field, value) in fields.iter_mut().zip([event_type.0, tenant.0]) {
            *field = Some(Cow::Owned(value.into()));
        }
        Self { paths, envelope: Envelope::CloudEvents, text: "", fields }
    }

    /// Returns the event with an owner.
    #[must_use]
    pub fn with_owner(mut self, owner: impl Into<Cow<'a, str>>) -> Self {
        if let Some(field) = self.fields.get_mut(OWNER) {
            *field = Some(owner.into());
        }
        self
    }

    /// Returns the event with a value for an attribute.
    ///
    /// Returns `None` if the paths have no attribute of this name.
    ///
    /// ```
    /// use hooksieve::{event::{Event, EventType, TenantId}, filter::Profile};
    ///
    /// let profile = Profile::webhook();
    /// let event_type = EventType::from("com.qlik.v1.app.created");
    /// let event = Event::new(profile.attribute_paths(), TenantId::from("t1"), event_type);
    /// let event = event.with_attribute("spaceId", "s1").ok_or("no such attribute")?;
    /// assert_eq!(event.attribute("spaceid"), Some("s1"));
    /// assert!(event.with_attribute("color", "red").is_none());
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: impl Into<Cow<'a, str>>) -> Option<Self> {
        let index = self.paths.find(name)?;
        *self.fields.get_mut(ATTRIBUTES + index)? = Some(value.into());
        // The text no longer says where the attributes were found.
        self.text = "";
        Some(self)
    }

    /// Returns the tenant in which it happened; never empty in an event that was read.
    #[must_use]
    pub fn tenant(&self) -> &str {
        // Every event has a tenant and a type: it cannot be read or made without.
        self.field(TENANT).unwrap_or_default()
    }

    /// Returns the type of the event; never empty in an event that was read.
    #[must_use]
    pub fn event_type(&self) -> &str {
        // As for the tenant.
        self.field(TYPE).unwrap_or_default()
    }

    /// Returns the id of the event, not of the resource that it is about.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.field(ID)
    }

    /// Returns the user who owns the resource that it is about.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.field(OWNER)
    }

    /// Returns the envelope, which is CloudEvents 1.0 for an event made from parts.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// Returns the [`AttributePaths`] with which it was read or made.
    #[must_use]
    pub fn attribute_paths(&self) -> &'a AttributePaths {
        self.paths
    }

    /// Returns the value of an attribute; its name is compared case-insensitively.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.field(ATTRIBUTES + self.paths.find(name)?)
    }

    /// Returns the path at which each attribute was found, in the order of
    /// [`AttributePaths::attributes`].
    ///
    /// The list is empty for an event that was made from parts, or whose attributes were changed.
    /// If an attribute has only empty strings, its path is that of the first one.
    ///
    /// # Cost
    ///
    /// Reads the bytes again, since matching does not need the paths.
    ///
    /// ```
    /// use hooksieve::filter::Profile;
    ///
    /// let profile = Profile::webhook();
    /// let event = br#"{"type": "x", "tenantid": "t", "spaceid": "", "data": {"spaceId": "s"}}"#;
    /// let places = profile.read_event(event)?.places();
    /// let attributes = profile.attribute_paths().attributes();
    /// let space = attributes.iter().position(|name| **name == *"spaceId");
    /// let place = places[space.unwrap()].as_ref().unwrap();
    /// assert_eq!(place.pointer(), "/data/spaceId");
    /// # Ok::<(), hooksieve::event::Error>(())
    /// ```
    #[must_use]
    pub fn places(&self) -> Vec<Option<JsonPath>> {
        if self.text.is_empty() { Vec::new() } else { inspect::places(self.paths, self.text) }
    }

    /// Returns whether it was read from these bytes, and its attributes were not changed since.
    pub(crate) fn was_read_from(&self, bytes: &[u8]) -> bool {
        let text = self.text.as_bytes();
        // Nearly always the same memory, which need not be compared.
        !text.is_empty() && (std::ptr::eq(text, bytes) || text == bytes)
    }

    /// Returns the value of the attribute `index` of `paths`.
    ///
    /// It is found by its index if the event was read with the same paths, otherwise by its name.
    #[inline]
    pub(crate) fn value(&self, paths: &AttributePaths, index: usize) -> Option<&str> {
        if self.paths.is_same(paths) {
            self.field(ATTRIBUTES + index)
        } else {
            self.attribute(paths.attributes().get(index)?)
        }
    }

    /// Returns the values of the attributes in the order of `paths`, if the event was read with
    /// them or with a clone.
    // Equal paths that are no clones are resolved by name, which costs time but changes no result.
    #[inline]
    pub(crate) fn values(&self, paths: &AttributePaths) -> Option<&[Option<Cow<'a, str>>]> {
        if self.paths.is_same(paths) { self.fields.get(ATTRIBUTES..) } else { None }
    }

    /// Returns the value of a field.
    #[inline]
    fn field(&self, index: usize) -> Option<&str> {
        self.fields.get(index)?.as_deref()
    }
}
