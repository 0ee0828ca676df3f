//! The event types that webhooks may subscribe to, and what is known about each.
//!
//! ```text
//! types   0  com.qlik.v1.app.created
//!         1  com.example.order.paid     newer name: com.example.v2.order.paid
//!         …
//! names   com.qlik.v1.app.created ─▶ 0
//!         com.example.order.paid ─▶ 1
//!         com.example.v2.order.paid ─▶ 1
//! ```
//!
//! # Two names of one type
//!
//! A type that is renamed has both names for a time. Either one finds it, so a webhook may
//! subscribe to either. The name that its author wrote is kept, and decides which events arrive:
//! only those under that name or, with renames, also those under the newer one
//! ([`received`](Catalogue::received)). A name may belong to one type only, or the table would have
//! two meanings.
//!
//! # What `carries` is for
//!
//! A filter on an attribute that no event of its types has can never match, which is a warning.
//! That needs positive knowledge: `false` for every type of the webhook. A type that is not in the
//! catalogue, or an attribute that is not in `carries`, may have it, and then there is no warning.

use super::{Level, spelling};
use crate::diagnostic::{Diagnostic, quote};
use crate::event::EventType;
use hashbrown::HashMap;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};

/// The event types to which webhooks may subscribe.
///
/// [`builtin`](Self::builtin) has those of the webhooks API; a server may define its own. Cloning
/// copies no data. Catalogues are compared by content.
///
/// ```
/// use hooksieve::webhook::{Catalogue, Level};
///
/// let catalogue = Catalogue::read(br#"{"data": [
///     {"name": "com.example.order.paid", "title": "Order paid", "levels": ["tenant"]}
/// ]}"#)?;
/// let known = catalogue.find("com.example.order.paid").ok_or("not known")?;
/// assert!(known.supports(Level::Tenant) && !known.supports(Level::User));
/// assert_eq!(catalogue.nearest("com.example.ordre.paid"), Some("com.example.order.paid"));
/// assert_eq!(Catalogue::builtin().types().len(), 23);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `Serialize` writes the form that [`read`](Self::read) reads.
#[derive(Clone)]
pub struct Catalogue(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    types: Box<[EventTypeInfo]>,
    /// The index of a type by its name and by its newer name.
    names: HashMap<Box<str>, usize>,
    /// Whether subscriptions to old names receive events under newer ones.
    renames: bool,
}

/// An event type of a [`Catalogue`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeInfo {
    name: Box<str>,
    title: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Box<str>>,
    levels: Box<[Level]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newer_name: Option<Box<str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    carries: BTreeMap<Box<str>, bool>,
}

impl EventTypeInfo {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the title that is shown to people; by default the name.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the category for grouping in a list, such as `Analytics apps`.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// Returns the description, which says when such events occur.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Returns the newer name of the type, if it was renamed or will be.
    #[must_use]
    pub fn newer_name(&self) -> Option<&str> {
        self.newer_name.as_deref()
    }

    /// Returns whether any event of this type has an attribute; `None` if that is not known.
    #[must_use]
    pub(crate) fn carries(&self, attribute: &str) -> Option<bool> {
        let mut known = self.carries.iter();
        known.find(|(name, _)| name.eq_ignore_ascii_case(attribute)).map(|(_, carries)| *carries)
    }

    /// Returns whether webhooks of a level may subscribe to it.
    #[must_use]
    pub fn supports(&self, level: Level) -> bool {
        self.levels.contains(&level)
    }

    /// Returns the levels whose webhooks may subscribe to it.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<Object<Item>>,
}

/// Reads only an object. A derived reader would also accept an array of the values of its members.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an event type, a JSON object")]
struct Item {
    name: Box<str>,
    title: Option<Box<str>>,
    category: Option<Box<str>>,
    levels: Option<Vec<Level>>,
    description: Option<Box<str>>,
    newer_name: Option<Box<str>>,
    #[serde(default)]
    carries: BTreeMap<Box<str>, bool>,
}

impl Catalogue {
    /// Returns the catalogue of the webhooks API.
    #[must_use]
    pub fn builtin() -> Self {
        BUILTIN.clone()
    }

    /// Reads a catalogue in the form of the API's `GET /event-types`.
    ///
    /// The form is `{"data":[{"name","title","levels","description"}]}`. Only `name` is required. A
    /// type without `levels` supports both. Two members are read in addition to those of the API:
    ///
    /// - `newerName` is the new name of a type that was or will be renamed;
    /// - `carries` says which filter attributes events of the type have, such as
    ///   `{"id": false, "spaceId": true}`. For an attribute that is not listed, this is unknown.
    ///
    /// # Errors
    ///
    /// Returns the first error. The message does not quote the bytes, since they may be those of
    /// another, secret file.
    pub fn read(bytes: &[u8]) -> Result<Self, Diagnostic> {
        let listing: Object<Listing> =
            serde_json::from_slice(bytes).map_err(|error| shape(&error))?;
        let mut names = HashMap::new();
        let mut types = Vec::with_capacity(listing.0.data.len());
        for (at, Object(item)) in listing.0.data.into_iter().enumerate() {
            let Item { name, title, category, levels, description, newer_name, carries } = item;
            // Old and new names share one table, so a new name may not be the old one of another
            // type.
            for name in std::iter::once(&name).chain(&newer_name) {
                if name.is_empty() {
                    return Err(Diagnostic::error(
                        "catalogue-empty-name",
                        format!(
                            "event type {at}, counted from 0, has an empty `name` or `newerName`"
                        ),
                        "give it a name",
                    ));
                }
                if names.insert(name.clone(), at).is_some() {
                    return Err(Diagnostic::error(
                        "catalogue-duplicate-name",
                        "two event types have the same `name` or `newerName`",
                        "remove one of them",
                    ));
                }
            }
            let title = title.unwrap_or_else(|| name.clone());
            let levels = levels.unwrap_or_else(|| Level::ALL.into());
            // In the order of the enum and without duplicates, so that equal catalogues compare
            // equal.
            let levels = Level::ALL.into_iter().filter(|level| levels.contains(level)).collect();
            types.push(EventTypeInfo {
                name,
                title,
                category,
                levels,
                description,
                newer_name,
                carries,
            });
        }
        Ok(Self(Arc::new(Inner { types: types.into(), names, renames: false })))
    }

    /// Returns the catalogue with renames on or off; by default they are off.
    ///
    /// With renames, a subscription to an old name also receives events under the newer name.
    #[must_use]
    pub fn with_renames(&self, renames: bool) -> Self {
        let Inner { types, names, .. } = &*self.0;
        // A copy, since clones share the content and must keep their own setting.
        Self(Arc::new(Inner { types: types.clone(), names: names.clone(), renames }))
    }

    /// Returns all types, in the order in which they were given.
    #[must_use]
    pub fn types(&self) -> &[EventTypeInfo] {
        &self.0.types
    }

    /// Returns the type with this name or newer name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&EventTypeInfo> {
        self.0.types.get(*self.0.names.get(name)?)
    }

    /// Returns whether it is known that no event of these types has an attribute.
    ///
    /// Returns `false` for an empty list, and if any type is not in the catalogue or may have the
    /// attribute.
    ///
    /// ```
    /// use hooksieve::event::EventType;
    /// use hooksieve::webhook::Catalogue;
    ///
    /// let catalogue = Catalogue::builtin();
    /// let reloads = [EventType::from("com.qlik.v1.app.reload.finished")];
    /// assert!(catalogue.lacks(&reloads, "id"));
    /// assert!(!catalogue.lacks(&reloads, "topLevelResourceId"));
    /// ```
    #[must_use]
    pub fn lacks(&self, event_types: &[EventType], attribute: &str) -> bool {
        let lacks = |event_type: &EventType| {
            let known = self.find(event_type.as_str());
            known.and_then(|known| known.carries(attribute)) == Some(false)
        };
        !event_types.is_empty() && event_types.iter().all(lacks)
    }

    /// Returns the names under which a subscription to `event_type` receives events.
    ///
    /// These are the name itself and, with [renames](Self::with_renames), the newer name.
    pub fn received<'a>(
        &'a self,
        event_type: &'a EventType,
    ) -> impl Iterator<Item = EventType> + 'a {
        let newer = self.find(event_type.as_str()).and_then(EventTypeInfo::newer_name);
        // The subscription may already use the newer name, which is returned once.
        let newer = newer.filter(|newer| self.0.renames && *newer != event_type.as_str());
        std::iter::once(event_type.clone()).chain(newer.map(EventType::from))
    }

    /// Returns the event type that an unknown name was most likely meant to be.
    ///
    /// This is the type that has the text as its title, or whose name it misspells.
    /// Names are compared segment by segment, case-insensitively and with or without a prefix such
    /// as `com.qlik.v1.`. Another verb, such as `opened` for `created`, is not a misspelling.
    /// Returns `None` if no type is near, or if two are equally near.
    ///
    /// # Cost
    ///
    /// Linear in the catalogue. A name of more than 128 bytes is compared only with titles.
    ///
    /// ```
    /// let catalogue = hooksieve::webhook::Catalogue::builtin();
    /// assert_eq!(catalogue.nearest("app.creatd"), Some("com.qlik.v1.app.created"));
    /// assert_eq!(catalogue.nearest("com.qlik.v1.app.opened"), None);
    /// ```
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let mut titled =
            self.types().iter().filter(|known| known.title.eq_ignore_ascii_case(name.trim()));
        match (titled.next(), titled.next()) {
            // A title that two types have means neither of them.
            (Some(known), None) => Some(known.name()),
            _ => spelling::nearest_type(name, self.types()),
        }
    }

    /// Returns the help for an unknown name that is not a misspelling.
    pub(super) fn help(&self, name: &str) -> String {
        let mut items = name.split(',').map(str::trim);
        // `"a,b"` as one item: each part is known, so only the notation is wrong.
        if name.contains(',') && items.all(|item| self.find(item).is_some()) {
            return "write each event type as an item of its own".to_owned();
        }
        let related = spelling::related(name, self.types());
        match related.as_slice() {
            [] => "use an event type of the catalogue".to_owned(),
            names => {
                let shown: Vec<_> =
                    names.iter().take(8).map(|name| format!("`{}`", quote(name))).collect();
                let more = if names.len() > 8 { ", …" } else { "" };
                format!("event types of that resource are {}{more}", shown.join(", "))
            }
        }
    }
}

/// Makes the error for a wrong form, without the text that serde_json quotes.
fn shape(error: &serde_json::Error) -> Diagnostic {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or has the wrong type",
        serde_json::error::Category::Eof => "the JSON ends too early",
        _ => "it is not JSON",
    };
    let (line, column) = (error.line(), error.column());
    Diagnostic::error(
        "catalogue-shape",
        format!("not a list of event types: {what}, at line {line} column {column}"),
        "see `hooksieve event-types --format json` for the form",
    )
}

impl Serialize for Catalogue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Listing<'a> {
            data: &'a [EventTypeInfo],
        }
        Listing { data: self.types() }.serialize(serializer)
    }
}

impl PartialEq for Catalogue {
    fn eq(&self, other: &Self) -> bool {
        // Most comparisons are of clones of one catalogue, which need no look at the content.
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Catalogue {}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.types().iter().map(EventTypeInfo::name)).finish()
    }
}

/// The event types in the documentation of the platform, with the renames that it announces.
static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the file is a constant, and every test reads it")]
    Catalogue::read(include_bytes!("event-types.json")).expect("the built-in catalogue is valid")
});
