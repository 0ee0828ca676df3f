//! The dictionary: a value id for each attribute value that filters of a tenant mention.
//!
//! # Data structure
//!
//! Two steps lead from an event's value to its postings: a hash table from hash to value id, and an
//! array of entries, one cache line each, indexed by value id.
//!
//! ```text
//! table                 entries, 64 bytes each, by value id
//! hash32   id           ┌──────────────────────────────────────────────────────────────┐
//! 9f31…     0 ────────► │ text (38) │ length │ attribute │ tenant │ references │        │
//!                       │ "s7"      │ 2      │ 1         │ 3      │ 14         │ count, │
//!                       │           │        │           │        │            │ lists  │
//!                       ├──────────────────────────────────────────────────────────────┤
//! 03c2…     2 ────┐   1 │ free: references 0, in no table row, id in the free list     │
//!                 │     ├──────────────────────────────────────────────────────────────┤
//!                 └───► │ a text above 38 bytes: length is LONG, the text is in `long` │
//!                       └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! A value is identified by tenant, attribute and text: the same text in two tenants has two ids.
//! Otherwise a value such as `ok`, which many tenants mention, would lead each of their events
//! to one entry with the posting lists of all tenants.
//!
//! # Example
//!
//! An event of tenant 3 has `spaceId` `s7`. [`hash`](Dictionary::hash) hashes (3, `spaceId`, `s7`),
//! [`candidate`](Dictionary::candidate) finds the id 0 by that hash, and
//! [`confirm`](Dictionary::confirm) compares tenant, attribute and text in the entry. The steps are
//! separate so that a batch of events can do each step for all values, and their cache misses
//! overlap. Most values of real events are not mentioned by any filter; they end at the table's
//! control bytes, without reading an entry.
//!
//! # Invariants
//!
//! - An id is in the table exactly while its reference count is above zero, except between
//!   [`intern`](Dictionary::intern) and the [`acquire`](Dictionary::acquire) that must follow it.
//! - A reference is a term of a stored code or a subscription of a single term. Postings
//!   exist only while there is a reference, so a freed entry has none.
//! - Ids are below [`MAX`](Dictionary::MAX), 2²⁸. A code word has 28 bits for an id, and the
//!   all-ones pattern of these bits stands for "no value" in a residual.
//! - A profile has at most 256 attributes, so an attribute fits in a byte.
//!
//! # Rejected
//!
//! Perfect or cuckoo hashing reads two lines for a value that no filter mentions, where control
//! bytes, which stay in the cache, need one. A table for each attribute has the same misses and
//! more tables.

use super::arena::Arena;
use super::hash::{Hash32, Hashes, IdTable, same};
use super::plan::Selectivity;
use super::postings::Postings;
use super::table::word;
use hashbrown::HashMap;
use std::ops::{Index, IndexMut};

/// Identifies an attribute value of a tenant; below [`Dictionary::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ValueId(u32);

impl ValueId {
    /// No value: a padding that equals no id.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// Returns the id as it is stored in a word of code.
    #[inline]
    pub(super) const fn word(self) -> u32 {
        self.0
    }

    /// Returns the id that [`word`](Self::word) was called on.
    #[inline]
    pub(super) const fn from_word(word: u32) -> Self {
        Self(word)
    }
}

/// A value, in one cache line, so that confirming a value also loads its postings.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Entry {
    text: [u8; SHORT],
    /// The length of the text; `LONG` if the text is in `Dictionary::long`.
    length: u8,
    attribute: u8,
    tenant: u32,
    /// Terms of stored codes, and subscriptions of a single term; 0 if the entry is free.
    references: u32,
    /// How many subscriptions have this value as an access key, over all buckets.
    postings: u32,
    lists: Postings,
}

/// The longest text that fits in an entry. An id of 36 bytes does.
const SHORT: usize = 38;
/// Marks a text that is longer than `SHORT`.
const LONG: u8 = u8::MAX;

/// The entries by value id. None is ever removed: a free one waits to be reused.
#[derive(Clone, Debug, Default)]
struct Entries(Vec<Entry>);

#[expect(clippy::indexing_slicing, reason = "an id is the index of an entry, which stays")]
impl Index<ValueId> for Entries {
    type Output = Entry;

    #[inline]
    fn index(&self, id: ValueId) -> &Entry {
        &self.0[id.0 as usize]
    }
}

#[expect(clippy::indexing_slicing, reason = "an id is the index of an entry, which stays")]
impl IndexMut<ValueId> for Entries {
    #[inline]
    fn index_mut(&mut self, id: ValueId) -> &mut Entry {
        &mut self.0[id.0 as usize]
    }
}

/// The attribute values that filters mention; see the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    entries: Entries,
    free: Vec<ValueId>,
    table: IdTable<ValueId>,
    /// The texts that do not fit in an entry.
    long: HashMap<ValueId, Box<str>>,
    hashes: Hashes,
    selectivity: Selectivity,
}

/// An attribute value of an event or a filter, which may or may not have an id.
#[derive(Clone, Copy)]
pub(super) struct AttributeValue<'t> {
    tenant: u32,
    attribute: u8,
    text: &'t str,
}

impl<'t> AttributeValue<'t> {
    /// `attribute` is an index into the profile's attributes, of which there are at most 256.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    pub(super) fn new(tenant: u32, attribute: usize, text: &'t str) -> Self {
        Self { tenant, attribute: attribute as u8, text }
    }
}

impl Dictionary {
    /// The maximum number of ids.
    pub(super) const MAX: usize = 1 << 28;

    pub(super) fn new(selectivity: Selectivity) -> Self {
        Self { selectivity, ..Self::default() }
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns the number of entries, free ones included.
    pub(super) fn entries(&self) -> usize {
        self.entries.0.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.0.capacity() * size_of::<Entry>()
            + self.free.capacity() * size_of::<ValueId>()
            + self.selectivity.bytes()
            + self.table.bytes()
            + self.long.allocation_size()
            + self.long.values().map(|text| text.len()).sum::<usize>()
    }

    #[inline]
    pub(super) fn hash(&self, value: AttributeValue<'_>) -> Hash32 {
        // 32 bits of tenant and 8 of attribute: a place below 2⁴⁰, as `Hashes::text` requires.
        let place = u64::from(value.tenant) << 8 | u64::from(value.attribute);
        self.hashes.text(place, value.text)
    }

    pub(super) fn hashes(&self) -> &Hashes {
        &self.hashes
    }

    /// Returns the id of the first value with this hash.
    ///
    /// Reads only the table. [`confirm`](Self::confirm) must decide whether it is the value.
    #[inline]
    pub(super) fn candidate(&self, hash: Hash32) -> Option<ValueId> {
        self.table.find(hash, |_| true)
    }

    /// Reads a word of the value's entry, for [`prefetch`](super::arena::prefetch).
    #[inline]
    pub(super) fn prefetch_word(&self, id: ValueId) -> u32 {
        self.entries[id].tenant
    }

    /// Returns the value if a filter mentions it, given the candidate for its hash.
    #[inline(always)]
    pub(super) fn confirm(
        &self,
        candidate: ValueId,
        hash: Hash32,
        value: AttributeValue<'_>,
    ) -> Option<KnownValue> {
        match self.is(candidate, value) {
            true => Some(self.known(candidate)),
            // Either no filter mentions the value, or another value has the same hash.
            false => self.search(hash, value),
        }
    }

    /// Looks up a value in one step.
    #[inline(always)]
    pub(super) fn find(&self, value: AttributeValue<'_>) -> Option<KnownValue> {
        let hash = self.hash(value);
        self.confirm(self.candidate(hash)?, hash, value)
    }

    /// Looks up a value among all values with the same hash.
    #[cold]
    fn search(&self, hash: Hash32, value: AttributeValue<'_>) -> Option<KnownValue> {
        self.table.find(hash, |id| self.is(id, value)).map(|id| self.known(id))
    }

    #[inline(always)]
    fn known(&self, id: ValueId) -> KnownValue {
        KnownValue { id, lists: self.entries[id].lists }
    }

    #[inline(always)]
    fn is(&self, id: ValueId, value: AttributeValue<'_>) -> bool {
        let entry = &self.entries[id];
        entry.tenant == value.tenant
            && entry.attribute == value.attribute
            // Last, since it is the most expensive; tenant and attribute are in the same line.
            && same(self.bytes_of(entry, id), value.text.as_bytes())
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a text marked as `LONG` is in `long`")]
    fn bytes_of<'k>(&'k self, entry: &'k Entry, id: ValueId) -> &'k [u8] {
        match entry.text.get(..usize::from(entry.length)) {
            Some(text) => text,
            // `LONG` is above `SHORT`, so the range is out of bounds for exactly the long texts.
            None => self.long[&id].as_bytes(),
        }
    }

    /// Returns the id of a value, and assigns one if it has none.
    ///
    /// A new id has no reference. The caller must [`acquire`](Self::acquire) it, or it is never
    /// freed.
    pub(super) fn intern(&mut self, value: AttributeValue<'_>) -> ValueId {
        let hash = self.hash(value);
        let candidate = self.candidate(hash);
        if let Some(found) = candidate.and_then(|id| self.confirm(id, hash, value)) {
            return found.id;
        }
        let free = self.free.pop();
        let id = free.unwrap_or_else(|| ValueId(word(self.entries.0.len())));
        let bytes = value.text.as_bytes();
        // A text that fits is copied into the entry; a longer one goes to `long`.
        let mut text = [0; SHORT];
        let length = match (text.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(short), Ok(length)) => {
                short.copy_from_slice(bytes);
                length
            }
            _ => {
                self.long.insert(id, value.text.into());
                LONG
            }
        };
        let AttributeValue { tenant, attribute, .. } = value;
        let entry = Entry {
            text,
            length,
            attribute,
            tenant,
            references: 0,
            postings: 0,
            lists: Postings::default(),
        };
        match free {
            Some(id) => self.entries[id] = entry,
            // The next index is the new id.
            None => self.entries.0.push(entry),
        }
        self.table.insert(hash, id);
        id
    }

    /// Adds a reference to a value.
    pub(super) fn acquire(&mut self, id: ValueId) {
        self.entries[id].references += 1;
    }

    /// Drops a reference to a value, and frees its id with the last one.
    pub(super) fn release(&mut self, id: ValueId) {
        let entry = &mut self.entries[id];
        entry.references -= 1;
        if entry.references > 0 {
            return;
        }
        // No posting refers to the id any more: postings are removed before references are dropped.
        let hash = self.hash(self.value(id));
        self.table.remove(hash, id);
        self.long.remove(&id);
        self.free.push(id);
    }

    #[expect(clippy::expect_used, reason = "the bytes were copied from a `str`")]
    fn value(&self, id: ValueId) -> AttributeValue<'_> {
        let entry = &self.entries[id];
        let Entry { tenant, attribute, .. } = *entry;
        let text = std::str::from_utf8(self.bytes_of(entry, id)).expect("a text");
        AttributeValue { tenant, attribute, text }
    }

    /// Returns the attribute and text of a value.
    pub(super) fn term(&self, id: ValueId) -> (usize, &str) {
        let AttributeValue { attribute, text, .. } = self.value(id);
        (usize::from(attribute), text)
    }

    /// Returns the cost of this value as an access key; lower is more selective.
    ///
    /// The number of its postings decides, then the static selectivity of its attribute. For most
    /// attributes the latter is below 256, so it only breaks ties. For an attribute with a small
    /// declared set of values it is above the cost of any number of postings.
    pub(super) fn cost(&self, id: ValueId) -> u64 {
        let entry = &self.entries[id];
        self.selectivity.of(entry.attribute) + (u64::from(entry.postings) << 8)
    }

    /// Returns the attribute of a value, its posting lists, and the count of its postings.
    pub(super) fn postings_mut(&mut self, id: ValueId) -> (usize, &mut Postings, &mut u32) {
        let Entry { attribute, lists, postings, .. } = &mut self.entries[id];
        (usize::from(*attribute), lists, postings)
    }

    /// Reads the words that a change of the value's postings needs.
    pub(super) fn prefetch_postings(&self, id: ValueId, arena: &Arena) -> u32 {
        let entry = &self.entries[id];
        entry.lists.prefetch_words(arena, entry.postings)
    }

    /// Returns the posting lists of all values. Those of a free entry are empty.
    pub(super) fn all_postings(&mut self) -> impl Iterator<Item = &mut Postings> {
        self.entries.0.iter_mut().map(|entry| &mut entry.lists)
    }

    /// Returns the number of postings under all values.
    pub(super) fn postings(&self) -> usize {
        self.entries.0.iter().map(|entry| entry.postings as usize).sum()
    }
}

/// A value of an event that some filter mentions.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownValue {
    pub(super) id: ValueId,
    pub(super) lists: Postings,
}

#[cfg(test)]
mod tests {
    use super::{AttributeValue, Dictionary, Entry, IdTable, Selectivity};
    use crate::filter::Profile;
    use std::collections::HashSet;

    #[test]
    fn entry_is_one_cache_line() {
        assert_eq!(size_of::<Entry>(), 64);
    }

    /// So it does for equal texts of two tenants or attributes.
    #[test]
    fn distinguishes_values_with_equal_hashes() {
        let mut dictionary = Dictionary::new(Selectivity::of_profile(&Profile::webhook()));
        let [short, longer, long] = [38, 39, 100].map(|length| "x".repeat(length));
        let mut values = vec![];
        for (tenant, attribute) in [(0, 0), (0, 1), (1, 0)] {
            for text in ["", "a", "b", &short, &longer, &long] {
                values.push(AttributeValue { tenant, attribute, text });
            }
        }
        let ids: Vec<_> = values.iter().map(|value| dictionary.intern(*value)).collect();
        ids.iter().for_each(|id| dictionary.acquire(*id));
        for (at, one) in values.iter().enumerate() {
            assert_eq!(dictionary.intern(*one), ids[at]);
            assert_eq!(dictionary.term(ids[at]), (usize::from(one.attribute), one.text));
            let hash = dictionary.hash(*one);
            // As if the table had returned the wrong candidate for the hash.
            for candidate in &ids {
                let found = dictionary.confirm(*candidate, hash, *one).unwrap();
                assert_eq!(found.id, ids[at]);
            }
        }
        ids.iter().for_each(|id| dictionary.release(*id));
        let lens = (dictionary.len(), dictionary.long.len(), dictionary.free.len());
        assert_eq!(lens, (0, 0, values.len()));
        assert_eq!(dictionary.intern(values[3]), ids[ids.len() - 1], "reuses ids");
    }

    /// Otherwise a value that many tenants mention would be a search for each of them.
    #[test]
    fn hashes_equal_texts_of_tenants_and_attributes_differently() {
        let dictionary = Dictionary::default();
        let places =
            (0..300).flat_map(|tenant| [0, 1, 2, 255].map(|attribute| (tenant, attribute)));
        let values = places.map(|(tenant, attribute)| AttributeValue::new(tenant, attribute, "ok"));
        let hashes: HashSet<_> = values.map(|value| dictionary.hash(value)).collect();
        // Allows two collisions; random hashes have more in one run of 6,000.
        assert!(hashes.len() + 2 >= 1200, "{}", hashes.len());
    }

    /// As if all values had one hash.
    #[test]
    fn finds_each_value_of_one_hash() {
        let mut dictionary = Dictionary::new(Selectivity::of_profile(&Profile::webhook()));
        let values = [(0, 0, "a"), (0, 0, "b"), (0, 1, "a"), (1, 0, "a")]
            .map(|(tenant, attribute, text)| AttributeValue { tenant, attribute, text });
        let ids = values.map(|value| dictionary.intern(value));
        dictionary.table = IdTable::default();
        ids.iter().for_each(|id| dictionary.table.insert(7, *id));
        for (value, id) in values.into_iter().zip(ids) {
            assert_eq!(dictionary.search(7, value).unwrap().id, id);
            let candidate = dictionary.candidate(7).unwrap();
            assert_eq!(dictionary.confirm(candidate, 7, value).unwrap().id, id);
        }
        let other = AttributeValue { tenant: 1, attribute: 0, text: "b" };
        let candidate = dictionary.candidate(7).unwrap();
        assert!(dictionary.confirm(candidate, 7, other).is_none());
    }
}
