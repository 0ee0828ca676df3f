use std::fmt;

/// A place in an event: the keys from the outermost object to a string, such as `data`, `id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(Box<[Box<str>]>);

impl Place {
    /// The place behind these keys.
    pub fn new<K: Into<Box<str>>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }

    /// The keys, outermost first.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// The keys with dots between them.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Where an event keeps its attributes: for each a name and its places, the first non-empty
/// string of which wins. The fields of the envelope are known to every layout.
///
/// ```
/// use hooksieve::event::{Event, Layout, Place};
///
/// let layout = Layout::new([("color", vec![Place::new(["data", "color"]), Place::new(["color"])])])?;
/// let event = Event::read(&layout, br#"{"type": "x", "tenantid": "t", "color": "red"}"#)?;
/// assert_eq!(event.attribute("color"), Some("red"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    attributes: Box<[Box<str>]>,
    /// A tree of keys; the first node is the outermost object.
    nodes: Vec<Node>,
    keys: usize,
}

/// A layout that cannot be read by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Two attributes have the same name, letter case aside.
    #[error("attribute `{0}` is named twice")]
    DuplicateAttribute(Box<str>),
    /// An attribute has no place, or a place no keys.
    #[error("attribute `{0}` has no place")]
    NoPlace(Box<str>),
    /// A place has more keys than [`Layout::MAX_KEYS_IN_PLACE`].
    #[error("place `{0}` has more than {max} keys", max = Layout::MAX_KEYS_IN_PLACE)]
    DeepPlace(Box<str>),
    /// There are more keys than [`Layout::MAX_KEYS`] to look for, or more attributes, or more places
    /// of one.
    #[error("there are more than {max} keys to look for", max = Layout::MAX_KEYS)]
    TooManyKeys,
}

/// An object in which keys are looked for.
#[derive(Clone, PartialEq, Eq)]
struct Node {
    edges: Vec<Edge>,
    /// For each hash of a key the first edge whose key has it, counted from 1; 0 for none.
    first: [u16; HASHES],
}

/// Hashes of keys: most keys of an event share theirs with none that is looked for.
const HASHES: usize = 128;

impl Default for Node {
    fn default() -> Self {
        Self { edges: Vec::new(), first: [0; HASHES] }
    }
}

/// Without the table, which says nothing more than the edges.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.edges).finish()
    }
}

fn hash(key: &[u8]) -> usize {
    let (first, last) = (key.first().copied(), key.last().copied());
    let (first, last) = (usize::from(first.unwrap_or(0)), usize::from(last.unwrap_or(0)));
    (first ^ (last << 2) ^ (key.len() << 4)) % HASHES
}

/// A key that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    key: Box<str>,
    /// The next edge of the same hash, counted from 1; 0 for none.
    next: u16,
    /// A number of its own, for noticing that it stands twice.
    pub(super) number: usize,
    /// The object behind it, where more keys are looked for.
    pub(super) object: Option<usize>,
    /// What a string behind it is a value of: field and rank, the lowest rank wins.
    pub(super) fields: Vec<(usize, u32)>,
}

/// The fields of every envelope, before the attributes: those of CloudEvents 1.0 first.
pub(super) const ENVELOPE: [&[&[&str]]; 4] = [
    &[&["type"], &["eventType"]],
    &[&["tenantid"], &["extensions", "tenantId"], &["extensions", "tenantid"]],
    &[&["id"], &["eventId"], &["eventID"]],
    &[&["ownerid"], &["extensions", "ownerId"], &["extensions", "ownerid"]],
];

/// Whether two keys are the same; those of up to 16 bytes are compared in place.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0..4 => a.iter().eq(b),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        _ => a == b,
    }
}

impl Layout {
    /// Most keys that a layout can look for, those of the envelope included.
    pub const MAX_KEYS: usize = 256;
    /// Most keys in one place.
    pub const MAX_KEYS_IN_PLACE: usize = 8;

    /// A layout of attributes, each with its places in order of precedence.
    ///
    /// # Errors
    ///
    /// A name twice, an attribute without places, or more keys than the limits.
    pub fn new<N: Into<Box<str>>>(
        attributes: impl IntoIterator<Item = (N, Vec<Place>)>,
    ) -> Result<Self, LayoutError> {
        let mut layout = Self { attributes: [].into(), nodes: vec![Node::default()], keys: 0 };
        for (field, places) in ENVELOPE.iter().enumerate() {
            for (rank, keys) in places.iter().enumerate() {
                layout.add(keys.iter().copied(), field, rank)?;
            }
        }
        let mut names: Vec<Box<str>> = Vec::new();
        for (name, places) in attributes {
            let name: Box<str> = name.into();
            if names.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
                return Err(LayoutError::DuplicateAttribute(name));
            }
            if places.is_empty() || places.iter().any(|place| place.0.is_empty()) {
                return Err(LayoutError::NoPlace(name));
            }
            for (rank, place) in places.iter().enumerate() {
                if place.0.len() > Self::MAX_KEYS_IN_PLACE {
                    return Err(LayoutError::DeepPlace(place.to_string().into()));
                }
                layout.add(place.keys(), ENVELOPE.len() + names.len(), rank)?;
            }
            names.push(name);
            if names.len() > Self::MAX_KEYS {
                return Err(LayoutError::TooManyKeys);
            }
        }
        layout.attributes = names.into();
        Ok(layout)
    }

    fn add<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k str>,
        field: usize,
        rank: usize,
    ) -> Result<(), LayoutError> {
        let mut keys = keys.peekable();
        let mut at = 0;
        while let Some(key) = keys.next() {
            let next_node = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else {
                break;
            };
            let found = node.edges.iter().position(|edge| *edge.key == *key);
            let index = found.unwrap_or(node.edges.len());
            if found.is_none() {
                let count = u16::try_from(index + 1).map_err(|_| LayoutError::TooManyKeys)?;
                let first = node.first.get_mut(hash(key.as_bytes()));
                let next = first.map_or(0, |first| std::mem::replace(first, count));
                let key = key.into();
                let number = self.keys;
                node.edges.push(Edge { key, next, number, object: None, fields: vec![] });
                self.keys += 1;
            }
            let Some(edge) = node.edges.get_mut(index) else {
                break;
            };
            if keys.peek().is_none() {
                edge.fields
                    .push((field, u32::try_from(rank).map_err(|_| LayoutError::TooManyKeys)?));
            } else {
                at = *edge.object.get_or_insert(next_node);
                if at == next_node {
                    self.nodes.push(Node::default());
                }
            }
        }
        if self.keys > Self::MAX_KEYS || rank > Self::MAX_KEYS {
            return Err(LayoutError::TooManyKeys);
        }
        Ok(())
    }

    /// The names of the attributes, in the order they were given.
    #[must_use]
    pub fn attributes(&self) -> &[Box<str>] {
        &self.attributes
    }

    /// The index of an attribute by its name, letter case aside (RFC 7643 section 2.1).
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let named = |known: &str| {
            same(known.as_bytes(), name.as_bytes()) || known.eq_ignore_ascii_case(name)
        };
        self.attributes.iter().position(|known| named(known))
    }

    #[inline]
    pub(super) fn edge(&self, node: usize, key: &[u8]) -> Option<&Edge> {
        let node = self.nodes.get(node)?;
        let mut next = *node.first.get(hash(key))?;
        loop {
            let edge = node.edges.get(usize::from(next).checked_sub(1)?)?;
            if same(edge.key.as_bytes(), key) {
                return Some(edge);
            }
            next = edge.next;
        }
    }
}
