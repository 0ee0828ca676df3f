use crate::diagnostic::Diagnostic;
use http::StatusCode;
use std::fmt;
use std::sync::Arc;

/// A place in an event: the keys from the outermost object to a string, such as `data`, `id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonPath(Box<[Box<str>]>);

impl JsonPath {
    /// The place behind these keys.
    pub fn new<K: Into<Box<str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// The keys, outermost first.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The keys as a JSON pointer (RFC 6901), such as `/data/id`.
    #[must_use]
    pub fn pointer(&self) -> String {
        let token = |key: &str| format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        self.keys().map(token).collect()
    }
}

/// The JSON pointer.
impl serde::Serialize for JsonPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pointer())
    }
}

/// The keys with dots between them.
impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Where an event keeps its attributes: for each a name and its places, the first non-empty
/// string of which wins. The fields of the envelope are known to all.
///
/// ```
/// use hooksieve::event::{Event, AttributePaths, JsonPath};
///
/// let paths = AttributePaths::new([("color", vec![JsonPath::new(["data", "color"]), JsonPath::new(["color"])])])?;
/// let event = Event::read(&paths, br#"{"type": "x", "tenantid": "t", "color": "red"}"#)?;
/// assert_eq!(event.attribute("color"), Some("red"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Cheap to clone: clones are the same.
#[derive(Clone, PartialEq, Eq)]
pub struct AttributePaths(Arc<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    attributes: Vec<Box<str>>,
    /// For each field, those of the envelope first, the keys whose values are taken, in order.
    fields: Vec<Vec<u16>>,
    keys: Vec<Key>,
    /// For each hash the first key that has it; 0 for none.
    table: [u16; HASHES],
}

/// Without the table, which says nothing more than the keys.
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

/// A key that is looked for. Its number also stands for the object behind it; the first key is
/// none, and its number [`ROOT`] that of the outermost object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    text: Box<str>,
    /// The object that it is looked for in.
    object: u16,
    /// The next key of the same hash; 0 for none.
    next: u16,
}

/// The number of the outermost object.
pub(super) const ROOT: u16 = 0;
/// The number of a key that is not looked for, and of an object without any that is.
pub(super) const OTHER: u16 = u16::MAX;

/// Hashes of keys: most keys of an event share theirs with none that is looked for.
const HASHES: usize = 512;

fn hash(object: u16, key: &[u8]) -> usize {
    let (first, last) = (key.first().copied(), key.last().copied());
    let (first, last) = (usize::from(first.unwrap_or(0)), usize::from(last.unwrap_or(0)));
    (first + 4 * last + 8 * (key.len() + usize::from(object))) % HASHES
}

fn error(code: &'static str, message: impl Into<Box<str>>, help: &'static str) -> Diagnostic {
    Diagnostic::error(code, message, help).with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

fn too_many_keys() -> Diagnostic {
    let max = AttributePaths::MAX_KEYS;
    error("profile-too-many-keys", format!("more than {max} keys to look for"), "use fewer paths")
}

/// The fields of every envelope, and behind them the attributes.
pub(super) const TYPE: usize = 0;
pub(super) const TENANT: usize = 1;
pub(super) const ID: usize = 2;
pub(super) const OWNER: usize = 3;
pub(super) const ATTRIBUTES: usize = ENVELOPE.len();

/// The places of the envelope's fields: those of CloudEvents 1.0 first.
const ENVELOPE: [&[&[&str]]; 4] = [
    &[&["type"], &["eventType"]],
    // The last place is that of the vendor's audit listing.
    &[&["tenantid"], &["extensions", "tenantId"], &["extensions", "tenantid"], &["tenantId"]],
    &[&["id"], &["eventId"], &["eventID"]],
    &[&["ownerid"], &["extensions", "ownerId"], &["extensions", "ownerid"]],
];

/// Whether two texts are the same; those of up to 48 bytes, as keys and ids have, are compared in
/// place.
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
    /// Most keys that the attribute paths can look for, those of the envelope included.
    pub const MAX_KEYS: usize = 256;
    /// Most keys in one place.
    pub const MAX_KEYS_IN_PLACE: usize = 8;

    /// The attribute paths of attributes, each with its places in order of precedence.
    ///
    /// # Errors
    ///
    /// A name twice, an attribute without places, or more keys than the limits.
    pub fn new<N: Into<Box<str>>>(
        attributes: impl IntoIterator<Item = (N, Vec<JsonPath>)>,
    ) -> Result<Self, Diagnostic> {
        let root = Key { text: "".into(), object: OTHER, next: 0 };
        let (keys, table) = (vec![root], [0; HASHES]);
        let mut paths = Inner { attributes: vec![], fields: vec![], keys, table };
        for places in ENVELOPE {
            paths.add(places.iter().map(|keys| keys.iter().copied()))?;
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

    /// The names of the attributes, in the order they were given.
    #[must_use]
    pub fn attributes(&self) -> &[Box<str>] {
        &self.0.attributes
    }

    /// The index of an attribute by its name, letter case aside (RFC 7643 section 2.1).
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let named = |known: &str| {
            same(known.as_bytes(), name.as_bytes()) || known.eq_ignore_ascii_case(name)
        };
        self.0.attributes.iter().position(|known| named(known))
    }

    /// The keys of each field in order of precedence: first those of the envelope (type, tenant,
    /// id, owner), then the attributes.
    pub(super) fn fields(&self) -> &[Vec<u16>] {
        &self.0.fields
    }

    /// How many numbers keys have, that of the outermost object included.
    pub(super) fn numbers(&self) -> usize {
        self.0.keys.len()
    }

    /// The keys down to the key of this number.
    pub(super) fn place(&self, number: u16) -> JsonPath {
        self.0.place(number)
    }

    /// The number of a key in the object `object`; [`OTHER`] where it is not looked for.
    #[inline(always)]
    pub(super) fn key(&self, object: u16, text: &[u8]) -> u16 {
        self.0.key(object, text)
    }

    /// Whether both are the same, which equal ones need not be.
    #[inline(always)]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Inner {
    /// Adds a field with its places.
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
        let keys = self.keys.len() - 1;
        if keys.max(field.len()).max(self.attributes.len() + 1) > AttributePaths::MAX_KEYS {
            return Err(too_many_keys());
        }
        self.fields.push(field);
        Ok(())
    }

    fn add_key(&mut self, object: u16, text: &str) -> Result<u16, Diagnostic> {
        let number = u16::try_from(self.keys.len()).map_err(|_| too_many_keys())?;
        // After the keys of the same hash: those of places that are looked in first are found first.
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

    /// The keys down to the key of this number.
    fn place(&self, number: u16) -> JsonPath {
        let key = |number: u16| self.keys.get(usize::from(number)).filter(|_| number != ROOT);
        let up = std::iter::successors(key(number), |below| key(below.object));
        let mut keys: Vec<Box<str>> = up.map(|key| key.text.clone()).collect();
        keys.reverse();
        JsonPath::new(keys)
    }

    /// The number of a key in the object `object`; [`OTHER`] where it is not looked for.
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
