//! The paths of attributes, compiled into a table of keys for the walk.
//!
//! # Data structure
//!
//! All paths together are a tree of keys. Each key that is looked for has a number, its index in
//! `keys`. The number is also that of the object that is its value, so a key is known by its text
//! and the number of the object around it:
//!
//! ```text
//! paths                         number  text          object
//!                               0       (none)        -          ROOT, the outermost object
//! type                          1       type          0
//! eventType                     2       eventType     0
//! tenantid                      3       tenantid      0
//! extensions.tenantId           4       extensions    0
//!                               5       tenantId      4
//! extensions.tenantid           6       tenantid      4          `extensions` is shared
//! ```
//!
//! For each field, `fields` lists the numbers of its last keys in order of precedence: the tenant
//! has 3, 5, 6 and 7. The fields of the envelope come first, the attributes after them.
//!
//! # Look-up
//!
//! The walk asks for every key of an event, and most keys are not looked for. The hash is therefore
//! no more than the object, the length, and the first and last byte of the key. `table` has 512
//! entries for at most 256 keys, so most of these keys meet an empty entry and are done without a
//! comparison. Keys of the same hash form a list through `next`.
//!
//! # Invariants
//!
//! - Number 0 is the root and never a key, so 0 ends a list of the same hash.
//! - [`OTHER`] is beyond every table that is indexed by numbers: a key with it is never stored.
//! - The paths come from the server's configuration, not from its tenants. Keys that collide on
//!   purpose would slow down only their author.

use super::envelope::{self, DATA, EXTENSIONS, Envelope, FIELDS, Field, Place};
use crate::diagnostic::Diagnostic;
use http::StatusCode;
use std::fmt;
use std::sync::Arc;

/// The path to a string in an event: the keys from the outermost object inwards.
///
/// For example, the keys `data` and `id` lead to the string in `{"data": {"id": "a1"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonPath(Box<[Box<str>]>);

impl JsonPath {
    /// Creates a path from its keys, the outermost first.
    pub fn new<K: Into<Box<str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// Returns the keys, the outermost first.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Returns the keys as a JSON pointer (RFC 6901), such as `/data/id`.
    #[must_use]
    pub fn pointer(&self) -> String {
        let token = |key: &str| format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        self.keys().map(token).collect()
    }
}

/// Writes the JSON pointer.
impl serde::Serialize for JsonPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pointer())
    }
}

/// Writes the keys with dots between them.
impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// The names of attributes, and the paths at which events have them.
///
/// The value of an attribute is the first string at its paths that is not empty. If all of them are
/// empty, the value is the empty string. The paths of the envelope's fields (type, tenant, id and
/// owner) are always the same.
///
/// ```
/// use hooksieve::event::{Event, AttributePaths, JsonPath};
///
/// let places = vec![JsonPath::new(["data", "color"]), JsonPath::new(["color"])];
/// let paths = AttributePaths::new([("color", places)])?;
/// let event = Event::read(&paths, br#"{"type": "x", "tenantid": "t", "color": "red"}"#)?;
/// assert_eq!(event.attribute("color"), Some("red"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Cheap to clone; clones share state.
#[derive(Clone, PartialEq, Eq)]
pub struct AttributePaths(Arc<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    /// The names of the attributes.
    attributes: Vec<Box<str>>,
    /// The keys of each field in order of precedence; the fields of the envelope come first.
    fields: Vec<Vec<u16>>,
    /// The keys by their number.
    keys: Vec<Key>,
    /// For each hash, the first key that has it; 0 for none.
    table: [u16; HASHES],
}

/// Leaves out the table, which follows from the keys.
impl fmt::Debug for AttributePaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { attributes, fields, keys, table: _ } = &*self.0;
        f.debug_struct("AttributePaths")
            .field("attributes", attributes)
            .field("fields", fields)
            .field("keys", keys)
            .finish()
    }
}

/// A key that is looked for; see the [module](self) for its number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    text: Box<str>,
    /// The number of the object in which it is looked for.
    object: u16,
    /// The next key of the same hash; 0 for none.
    next: u16,
}

/// The number of the outermost object.
pub(super) const ROOT: u16 = 0;
/// The number of a key that is not looked for, and of an object in which none is.
pub(super) const OTHER: u16 = u16::MAX;

/// The number of hashes, two for each key: most keys of an event have the hash of none.
const HASHES: usize = 512;

/// Hashes a key in an object, cheaply: see the [module](self).
fn hash(object: u16, key: &[u8]) -> usize {
    let (first, last) = (key.first().copied(), key.last().copied());
    let (first, last) = (usize::from(first.unwrap_or(0)), usize::from(last.unwrap_or(0)));
    (first + 4 * last + 8 * (key.len() + usize::from(object))) % HASHES
}

/// Makes an error of the server's configuration.
fn error(code: &'static str, message: impl Into<Box<str>>, help: &'static str) -> Diagnostic {
    Diagnostic::error(code, message, help).with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

fn too_many_keys() -> Diagnostic {
    let max = AttributePaths::MAX_KEYS;
    error("profile-too-many-keys", format!("more than {max} keys to look for"), "use fewer paths")
}

/// The index of a field: those of the envelope, then the attributes.
pub(super) const TYPE: usize = 0;
pub(super) const TENANT: usize = 1;
pub(super) const ID: usize = 2;
pub(super) const OWNER: usize = 3;
pub(super) const ATTRIBUTES: usize = ENVELOPE.len();

/// The fields of the envelope that matching needs, in the order of their indices.
const ENVELOPE: [Field; 4] = [envelope::TYPE, envelope::TENANT, envelope::ID, envelope::OWNER];

/// Returns whether two texts are equal.
///
/// Texts of up to 48 bytes, the length of keys and ids, are compared by a few overlapping loads
/// instead of a call: the first and the last bytes, which may be partly the same ones.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0..4 => a.iter().eq(b),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        17..=48 => {
            a.first_chunk::<16>() == b.first_chunk()
                && a.last_chunk::<16>() == b.last_chunk()
                && (a.len() <= 32 || a.get(16..32) == b.get(16..32))
        }
        _ => a == b,
    }
}

impl AttributePaths {
    /// The limit of keys that are looked for, including those of the envelope.
    pub const MAX_KEYS: usize = 256;
    /// The limit of keys in one path.
    pub const MAX_KEYS_IN_PLACE: usize = 8;

    /// Creates a table of attributes, each with its JSON paths in order of precedence.
    ///
    /// # Errors
    ///
    /// A duplicate name (compared case-insensitively), an attribute without a path, a path without
    /// keys, or more keys than the limits.
    pub fn new<N: Into<Box<str>>>(
        attributes: impl IntoIterator<Item = (N, Vec<JsonPath>)>,
    ) -> Result<Self, Diagnostic> {
        let mut paths = Inner::new();
        for field in ENVELOPE {
            paths.add(field.places.iter().map(Place::keys))?;
        }
        for (name, places) in attributes {
            let name: Box<str> = name.into();
            if paths.attributes.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                return Err(error(
                    "profile-duplicate-attribute",
                    format!("duplicate attribute `{name}`"),
                    "remove one, or join their paths",
                ));
            }
            if places.is_empty() || places.iter().any(|place| place.0.is_empty()) {
                return Err(error(
                    "profile-no-path",
                    format!("attribute `{name}` has no path, or one without keys"),
                    "give the path at which events have it",
                ));
            }
            if let Some(place) = places.iter().find(|place| place.0.len() > Self::MAX_KEYS_IN_PLACE)
            {
                return Err(error(
                    "profile-deep-path",
                    format!("path `{place}` has more than {} keys", Self::MAX_KEYS_IN_PLACE),
                    "use a shorter path",
                ));
            }
            paths.add(places.iter().map(JsonPath::keys))?;
            paths.attributes.push(name);
        }
        Ok(Self(Arc::new(paths)))
    }

    /// Compiles the whole table of the envelopes: [`FIELDS`] in their order, then every other
    /// member. It has no attributes.
    pub(super) fn of_envelopes() -> Result<Self, Diagnostic> {
        let mut paths = Inner::new();
        for field in FIELDS {
            paths.add(field.places.iter().map(Place::keys))?;
        }
        let markers = Envelope::ALL.map(Envelope::marker);
        let markers = markers.into_iter().flatten().map(|(name, _)| name);
        for name in DATA.into_iter().chain([EXTENSIONS]).chain(markers) {
            paths.add([[name].into_iter()].into_iter())?;
        }
        Ok(Self(Arc::new(paths)))
    }

    /// Returns the names of the attributes, in the order in which they were given.
    #[must_use]
    pub fn attributes(&self) -> &[Box<str>] {
        &self.0.attributes
    }

    /// Returns the index of an attribute, whose name is compared case-insensitively (RFC 7643
    /// section 2.1).
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let named = |known: &str| {
            same(known.as_bytes(), name.as_bytes()) || known.eq_ignore_ascii_case(name)
        };
        self.0.attributes.iter().position(|known| named(known))
    }

    /// Returns the keys of each field in order of precedence: first the fields of the envelope
    /// (type, tenant, id, owner), then the attributes.
    pub(super) fn fields(&self) -> &[Vec<u16>] {
        &self.0.fields
    }

    /// Returns the number of keys, including the one of the outermost object.
    pub(super) fn key_count(&self) -> usize {
        self.0.keys.len()
    }

    /// Returns the path that ends with the key of this number.
    pub(super) fn path(&self, number: u16) -> JsonPath {
        self.0.path(number)
    }

    /// Returns the number of a key in `object`; [`OTHER`] if it is not looked for.
    #[inline(always)]
    pub(super) fn key(&self, object: u16, text: &[u8]) -> u16 {
        self.0.key(object, text)
    }

    /// Returns whether both are the same paths, in memory; equal ones need not be.
    #[inline(always)]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Inner {
    /// Returns a table without fields, whose only key is that of the root.
    fn new() -> Self {
        let root = Key { text: "".into(), object: OTHER, next: 0 };
        Self { attributes: vec![], fields: vec![], keys: vec![root], table: [0; HASHES] }
    }

    /// Adds a field with its paths; keys that are known already are shared.
    fn add<'k>(
        &mut self,
        places: impl Iterator<Item = impl Iterator<Item = &'k str>>,
    ) -> Result<(), Diagnostic> {
        let mut field = Vec::new();
        for keys in places {
            let mut at = ROOT;
            for text in keys {
                at = match self.key(at, text.as_bytes()) {
                    OTHER => self.add_key(at, text)?,
                    known => known,
                };
            }
            field.push(at);
        }
        // Without the key of the root, which `new` puts first.
        let keys = self.keys.len() - 1;
        if keys.max(field.len()).max(self.attributes.len() + 1) > AttributePaths::MAX_KEYS {
            return Err(too_many_keys());
        }
        self.fields.push(field);
        Ok(())
    }

    /// Adds a key and returns its number.
    fn add_key(&mut self, object: u16, text: &str) -> Result<u16, Diagnostic> {
        let number = u16::try_from(self.keys.len()).map_err(|_| too_many_keys())?;
        // At the end of the list, so that the keys of the first paths are found first.
        let hash = hash(object, text.as_bytes());
        let (mut last, mut at) = (ROOT, self.table.get(hash).copied().unwrap_or(0));
        while at != 0 {
            last = at;
            at = self.keys.get(usize::from(at)).map_or(0, |key| key.next);
        }
        let link = match last {
            ROOT => self.table.get_mut(hash),
            last => self.keys.get_mut(usize::from(last)).map(|key| &mut key.next),
        };
        if let Some(link) = link {
            *link = number;
        }
        self.keys.push(Key { text: text.into(), object, next: 0 });
        Ok(number)
    }

    /// Returns the path that ends with the key of this number.
    fn path(&self, number: u16) -> JsonPath {
        let key = |number: u16| self.keys.get(usize::from(number)).filter(|_| number != ROOT);
        // From the last key to the root, by the objects around it.
        let up = std::iter::successors(key(number), |below| key(below.object));
        let mut keys: Vec<Box<str>> = up.map(|key| key.text.clone()).collect();
        keys.reverse();
        JsonPath::new(keys)
    }

    /// Returns the number of a key in `object`; [`OTHER`] if it is not looked for.
    #[inline(always)]
    fn key(&self, object: u16, text: &[u8]) -> u16 {
        let mut number = self.table.get(hash(object, text)).copied().unwrap_or(0);
        while number != 0 {
            match self.keys.get(usize::from(number)) {
                Some(key) if key.object == object && same(key.text.as_bytes(), text) => break,
                key => number = key.map_or(0, |key| key.next),
            }
        }
        if number == 0 { OTHER } else { number }
    }
}
