//! The dictionary: a value id for each attribute value that filters of a tenant mention.
//!
//! # Data structure
//!
//! A hash table whose entries are cache lines. An entry has all that a match needs of a value: the
//! text to compare, the id, and its postings if they are few. The table's control bytes, one for
//! each place, lead straight to it, so a rare value costs a match one line of memory.
//!
//! ```text
//! control bytes   entries, 64 bytes each, by place in the table
//!                 ┌─────────────────────────────────────────────────────────────────────┐
//! 1f ───────────► │ text (38) │ length │ attribute │ tenant │ id │ postings (4 words)   │
//!                 │ "s7"      │ 2      │ 2         │ 3      │ 0  │ slots 4 and 9        │
//! --              ├─────────────────────────────────────────────────────────────────────┤
//!                 │ no entry                                                            │
//! 6c ───────────► ├─────────────────────────────────────────────────────────────────────┤
//!                 │ a text above 38 bytes: length is LONG, the text is in `long`        │
//!                 └─────────────────────────────────────────────────────────────────────┘
//!
//! records         id 0: place 0, 14 references, 2 postings
//!                 id 1: free, in the free list
//!                 id 2: place 2, …
//! ```
//!
//! Code and residuals name a value by its id, which never changes, while its place does when the
//! table grows. So an array of records leads from the id to the place. It also has the counts that
//! only changes of subscriptions need.
//!
//! A value is identified by tenant, attribute and text: the same text in two tenants has two ids.
//! Otherwise a value such as `ok`, which many tenants mention, would lead each of their events
//! to one entry with the posting lists of all tenants.
//!
//! # Example
//!
//! An event of tenant 3 has `spaceId` `s7`. [`hash`](Dictionary::hash) hashes (3, `spaceId`, `s7`),
//! [`candidate`](Dictionary::candidate) finds the place 0 by that hash, from the control bytes only,
//! and [`confirm`](Dictionary::confirm) compares tenant, attribute and text in the entry and returns
//! the id 0 with slots 4 and 9. The steps are separate so that a batch of events can do each step
//! for all values, and their cache misses overlap. Most values of real events are not mentioned by
//! any filter; they end at the control bytes, which stay in the caches, without reading an entry.
//!
//! # Invariants
//!
//! - An id is in the table exactly while its reference count is above zero, except between
//!   [`intern`](Dictionary::intern) and the [`acquire`](Dictionary::acquire) that must follow it.
//! - The place in a record is that of the entry with the record's id. Places change only in
//!   [`grow`](Dictionary::grow) and [`shrink`](Dictionary::shrink), which write all of them again; a
//!   table with spare capacity moves no entry. A clone of the table has its entries at the same
//!   places.
//! - A reference is a term of a stored code or a subscription of a single term. Postings
//!   exist only while there is a reference, so a freed entry has none.
//! - Ids are below [`MAX`](Dictionary::MAX), 2²⁸. A code word has 28 bits for an id, and the
//!   all-ones pattern of these bits stands for "no value" in a residual.
//! - A profile has at most 256 attributes, so an attribute fits in a byte.
//!
//! # Rejected
//!
//! - A table of hashes and ids beside an array of entries by id: a value that is not in the caches
//!   costs three dependent cache misses (row, entry, list); here it costs one. With 100,000
//!   webhooks of the mix `growing`, which are not in the caches, a match took 583 ns and 5.6 misses
//!   of a cache of 2 MiB; it takes 421 ns and 2.1 misses here. In the caches it took 125 ns, and
//!   takes 96 ns.
//! - Perfect or cuckoo hashing reads two lines for a value that no filter mentions, where control
//!   bytes, which stay in the cache, need one. A table for each attribute has the same misses and
//!   more tables.

use super::arena::Arena;
use super::hash::{Hash32, Hashes, same, table_hash};
use super::plan::Selectivity;
use super::postings::Postings;
use super::table::word;
use hashbrown::{HashMap, HashTable};
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
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Entry {
    text: [u8; SHORT],
    /// The length of the text; `LONG` if the text is in `Dictionary::long`.
    length: u8,
    attribute: u8,
    tenant: u32,
    id: ValueId,
    postings: Postings,
}

/// The longest text that fits in an entry. An id of 36 bytes does.
const SHORT: usize = 38;
/// Marks a text that is longer than `SHORT`.
const LONG: u8 = u8::MAX;

/// The position of an entry in the table, until the table grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

/// What is known about an id; a free one waits to be reused.
#[derive(Clone, Copy, Debug)]
struct Record {
    place: Place,
    /// Terms of stored codes, and subscriptions of a single term; 0 if the id is free.
    references: u32,
    /// How many postings the value has, over all buckets.
    postings: u32,
}

/// The records by value id. None is ever removed.
#[derive(Clone, Debug, Default)]
struct Records(Vec<Record>);

#[expect(clippy::indexing_slicing, reason = "an id is the index of a record, which stays")]
impl Index<ValueId> for Records {
    type Output = Record;

    #[inline]
    fn index(&self, id: ValueId) -> &Record {
        &self.0[id.0 as usize]
    }
}

#[expect(clippy::indexing_slicing, reason = "an id is the index of a record, which stays")]
impl IndexMut<ValueId> for Records {
    #[inline]
    fn index_mut(&mut self, id: ValueId) -> &mut Record {
        &mut self.0[id.0 as usize]
    }
}

/// The entries by place.
#[derive(Clone, Debug, Default)]
struct Entries(HashTable<Entry>);

#[expect(clippy::expect_used, reason = "a place is that of an entry until the table grows")]
impl Index<Place> for Entries {
    type Output = Entry;

    #[inline]
    fn index(&self, place: Place) -> &Entry {
        self.0.get_bucket(place.0 as usize).expect("an entry")
    }
}

#[expect(clippy::expect_used, reason = "a place is that of an entry until the table grows")]
impl IndexMut<Place> for Entries {
    #[inline]
    fn index_mut(&mut self, place: Place) -> &mut Entry {
        self.0.get_bucket_mut(place.0 as usize).expect("an entry")
    }
}

/// The texts that do not fit in an entry.
type LongTexts = HashMap<ValueId, Box<str>>;

/// The attribute values that filters mention; see the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary {
    entries: Entries,
    records: Records,
    free: Vec<ValueId>,
    long: LongTexts,
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

    #[inline]
    fn hash(self, hashes: &Hashes) -> Hash32 {
        // 32 bits of tenant and 8 of attribute: a place below 2⁴⁰, as `Hashes::text` requires.
        let place = u64::from(self.tenant) << 8 | u64::from(self.attribute);
        hashes.text(place, self.text)
    }
}

impl Entry {
    #[inline]
    fn bytes<'k>(&'k self, long: &'k LongTexts) -> &'k [u8] {
        match self.text.get(..usize::from(self.length)) {
            Some(text) => text,
            // `LONG` is above `SHORT`, so the range is out of bounds for exactly the long texts.
            None => long[&self.id].as_bytes(),
        }
    }

    #[expect(clippy::expect_used, reason = "the bytes were copied from a `str`")]
    fn value<'k>(&'k self, long: &'k LongTexts) -> AttributeValue<'k> {
        let text = std::str::from_utf8(self.bytes(long)).expect("a text");
        AttributeValue { tenant: self.tenant, attribute: self.attribute, text }
    }

    #[inline(always)]
    fn is(&self, value: AttributeValue<'_>, long: &LongTexts) -> bool {
        self.tenant == value.tenant
            && self.attribute == value.attribute
            // Last, since it is the most expensive; tenant and attribute are in the same line.
            && same(self.bytes(long), value.text.as_bytes())
    }

    #[inline(always)]
    fn known(&self) -> KnownValue {
        KnownValue { id: self.id, postings: self.postings }
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
        self.entries.0.len()
    }

    /// Returns the number of places in the table, which [`all_postings`](Self::all_postings)
    /// visits.
    pub(super) fn places(&self) -> usize {
        self.entries.0.num_buckets()
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.0.allocation_size()
            + self.records.0.capacity() * size_of::<Record>()
            + self.free.capacity() * size_of::<ValueId>()
            + self.selectivity.bytes()
            + self.long.allocation_size()
            + self.long.values().map(|text| text.len()).sum::<usize>()
    }

    #[inline]
    pub(super) fn hash(&self, value: AttributeValue<'_>) -> Hash32 {
        value.hash(&self.hashes)
    }

    pub(super) fn hashes(&self) -> &Hashes {
        &self.hashes
    }

    /// Returns the first place that may have a value with this hash.
    ///
    /// Reads only control bytes. [`confirm`](Self::confirm) must decide whether it is the value.
    #[inline]
    pub(super) fn candidate(&self, hash: Hash32) -> Option<Place> {
        self.entries.0.find_bucket_index(table_hash(hash), |_| true).map(|place| Place(word(place)))
    }

    /// Reads a word of the entry at a place, for [`prefetch`](super::arena::prefetch).
    #[inline]
    pub(super) fn prefetch_entry(&self, place: Place) -> u32 {
        self.entries[place].tenant
    }

    /// Reads a word of the value's entry, as above.
    pub(super) fn prefetch_word(&self, id: ValueId) -> u32 {
        self.prefetch_entry(self.records[id].place)
    }

    /// Returns the value if a filter mentions it, given the candidate for its hash.
    #[inline(always)]
    pub(super) fn confirm(
        &self,
        candidate: Place,
        hash: Hash32,
        value: AttributeValue<'_>,
    ) -> Option<KnownValue> {
        let entry = &self.entries[candidate];
        match entry.is(value, &self.long) {
            true => Some(entry.known()),
            // Either no filter mentions the value, or the hash of another begins with the same bits.
            false => self.search(hash, value),
        }
    }

    /// Looks up a value in one step.
    #[inline(always)]
    pub(super) fn find(&self, value: AttributeValue<'_>) -> Option<KnownValue> {
        let is = |entry: &Entry| entry.is(value, &self.long);
        self.entries.0.find(table_hash(self.hash(value)), is).map(Entry::known)
    }

    /// Looks up a value among all values with the same hash.
    #[cold]
    fn search(&self, hash: Hash32, value: AttributeValue<'_>) -> Option<KnownValue> {
        let is = |entry: &Entry| entry.is(value, &self.long);
        self.entries.0.find(table_hash(hash), is).map(Entry::known)
    }

    fn entry(&self, id: ValueId) -> &Entry {
        let entry = &self.entries[self.records[id].place];
        debug_assert_eq!(entry.id, id, "the record of an id leads to the entry of another");
        entry
    }

    /// Returns the id of a value, and assigns one if it has none.
    ///
    /// A new id has no reference. The caller must [`acquire`](Self::acquire) it, or it is never
    /// freed.
    pub(super) fn intern(&mut self, value: AttributeValue<'_>) -> ValueId {
        if let Some(found) = self.find(value) {
            return found.id;
        }
        let free = self.free.pop();
        let id = free.unwrap_or_else(|| ValueId(word(self.records.0.len())));
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
        let postings = Postings::default();
        let place = self.place(Entry { text, length, attribute, tenant, id, postings });
        let record = Record { place, references: 0, postings: 0 };
        match free {
            Some(id) => self.records[id] = record,
            // The next index is the new id.
            None => self.records.0.push(record),
        }
        id
    }

    /// Puts a new entry into the table and returns its place.
    fn place(&mut self, entry: Entry) -> Place {
        if self.entries.0.len() == self.entries.0.capacity() {
            self.grow();
        }
        let Self { entries, long, hashes, .. } = self;
        let hash = |entry: &Entry| table_hash(entry.value(long).hash(hashes));
        Place(word(entries.0.insert_unique(hash(&entry), entry, hash).bucket_index()))
    }

    /// Makes room in a table without spare capacity, and writes the new places to the records.
    #[cold]
    fn grow(&mut self) {
        let Self { entries, long, hashes, .. } = self;
        entries.0.reserve(1, |entry| table_hash(entry.value(long).hash(hashes)));
        self.write_places();
    }

    /// Gives back spare memory.
    pub(super) fn shrink(&mut self) {
        let Self { entries, records, free, long, hashes, .. } = self;
        entries.0.shrink_to_fit(|entry| table_hash(entry.value(long).hash(hashes)));
        records.0.shrink_to_fit();
        free.shrink_to_fit();
        long.shrink_to_fit();
        self.write_places();
    }

    /// Writes the place of each entry to its record.
    fn write_places(&mut self) {
        let Self { entries, records, .. } = self;
        for place in 0..entries.0.num_buckets() {
            if let Some(entry) = entries.0.get_bucket(place) {
                records[entry.id].place = Place(word(place));
            }
        }
    }

    /// Adds a reference to a value.
    pub(super) fn acquire(&mut self, id: ValueId) {
        self.records[id].references += 1;
    }

    /// Drops a reference to a value, and frees its id with the last one.
    pub(super) fn release(&mut self, id: ValueId) {
        let record = &mut self.records[id];
        record.references -= 1;
        if record.references > 0 {
            return;
        }
        // No posting refers to the id any more: postings are removed before references are dropped.
        let entry = self.entries.0.get_bucket_entry(record.place.0 as usize);
        debug_assert!(entry.is_ok(), "the value of an id is not in the table");
        if let Ok(entry) = entry {
            entry.remove();
        }
        self.long.remove(&id);
        self.free.push(id);
    }

    /// Returns the attribute and text of a value.
    pub(super) fn term(&self, id: ValueId) -> (usize, &str) {
        let AttributeValue { attribute, text, .. } = self.entry(id).value(&self.long);
        (usize::from(attribute), text)
    }

    /// Returns the cost of this value as an access key; lower is more selective.
    ///
    /// The number of its postings decides, then the static selectivity of its attribute. For most
    /// attributes the latter is below 256, so it only breaks ties. For an attribute with a declared
    /// set of up to 256 values it is at least 2⁴⁰, above the cost of any number of postings.
    pub(super) fn cost(&self, id: ValueId) -> u64 {
        let postings = self.records[id].postings;
        self.selectivity.of(self.entry(id).attribute) + (u64::from(postings) << 8)
    }

    /// Returns the attribute of a value, its posting lists, and the count of its postings.
    pub(super) fn postings_mut(&mut self, id: ValueId) -> (usize, &mut Postings, &mut u32) {
        let record = &mut self.records[id];
        let entry = &mut self.entries[record.place];
        (usize::from(entry.attribute), &mut entry.postings, &mut record.postings)
    }

    /// Reads the words that a change of the value's postings needs.
    pub(super) fn prefetch_postings(&self, id: ValueId, arena: &Arena) -> u32 {
        self.entry(id).postings.prefetch_words(arena, self.records[id].postings)
    }

    /// Returns the posting lists of all values.
    pub(super) fn all_postings(&mut self) -> impl Iterator<Item = &mut Postings> {
        self.entries.0.iter_mut().map(|entry| &mut entry.postings)
    }

    /// Returns the number of postings under all values.
    pub(super) fn postings(&self) -> usize {
        self.records.0.iter().map(|record| record.postings as usize).sum()
    }
}

/// A value of an event that some filter mentions.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownValue {
    pub(super) id: ValueId,
    pub(super) postings: Postings,
}

#[cfg(test)]
mod tests;
