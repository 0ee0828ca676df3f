//! The attribute values that filters mention, each with a number.

use super::blocks::Blocks;
use super::hash::{Half, Hashes, same, spread};
use super::postings::Lists;
use hashbrown::{HashMap, HashTable};

/// Stands for an attribute value of a tenant; below 2²⁸.
pub(super) type Number = u32;

/// No value.
pub(super) const NONE: Number = u32::MAX;

/// One line of cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Key {
    text: [u8; SHORT],
    /// `LONG` where the text stands elsewhere.
    length: u8,
    attribute: u8,
    tenant: u32,
    /// Terms of plans, and subscriptions of one term; 0 where the place is free.
    uses: u32,
    postings: u32,
    lists: Lists,
}

const SHORT: usize = 38;
const LONG: u8 = u8::MAX;

#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    free: Vec<Number>,
    /// Hash and number.
    table: HashTable<(Half, Number)>,
    long: HashMap<Number, Box<str>>,
    hashes: Hashes,
    /// For each attribute how dear its values are, where postings are equally long.
    ranks: Box<[u64]>,
}

/// An attribute value before it is known whether a filter mentions it.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'t> {
    tenant: u32,
    attribute: u8,
    text: &'t str,
}

impl<'t> Wanted<'t> {
    /// The attribute paths has at most 256 attributes.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    pub(super) fn new(tenant: u32, attribute: usize, text: &'t str) -> Self {
        Self { tenant, attribute: attribute as u8, text }
    }
}

impl Keys {
    /// Most numbers there can be.
    pub(super) const MAX: usize = 1 << 28;

    pub(super) fn new(ranks: Box<[u64]>) -> Self {
        Self { ranks, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many numbers there are, those that are free included.
    pub(super) fn places(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Key>()
            + self.free.capacity() * size_of::<Number>()
            + size_of_val(&*self.ranks)
            + self.table.allocation_size()
            + self.long.allocation_size()
            + self.long.values().map(|text| text.len()).sum::<usize>()
    }

    #[inline]
    pub(super) fn hash(&self, wanted: Wanted<'_>) -> Half {
        let place = u64::from(wanted.tenant) << 8 | u64::from(wanted.attribute);
        self.hashes.text(place, wanted.text)
    }

    pub(super) fn hashes(&self) -> &Hashes {
        &self.hashes
    }

    /// The only number that a value of this hash is likely to have.
    #[inline]
    pub(super) fn candidate(&self, hash: Half) -> Number {
        let found = self.table.find(spread(hash), |(other, _)| *other == hash);
        found.map_or(NONE, |(_, number)| *number)
    }

    /// A first look at a value.
    #[inline]
    pub(super) fn touch(&self, number: Number) -> u32 {
        self.keys.get(number as usize).map_or(0, |key| key.tenant)
    }

    /// The number of a value whose hash has this candidate, and where it is posted.
    #[inline(always)]
    pub(super) fn confirm(
        &self,
        candidate: Number,
        hash: Half,
        wanted: Wanted<'_>,
    ) -> Option<Found> {
        match self.keys.get(candidate as usize) {
            Some(key) if self.is(key, candidate, wanted) => {
                Some(Found { number: candidate, lists: key.lists })
            }
            _ => self.search(hash, wanted),
        }
    }

    /// A value in one step.
    #[inline(always)]
    pub(super) fn find(&self, wanted: Wanted<'_>) -> Option<Found> {
        let hash = self.hash(wanted);
        match self.candidate(hash) {
            NONE => None,
            candidate => self.confirm(candidate, hash, wanted),
        }
    }

    /// Where two values have the same hash.
    #[cold]
    fn search(&self, hash: Half, wanted: Wanted<'_>) -> Option<Found> {
        let found = |number: Number| {
            let key = self.keys.get(number as usize)?;
            self.is(key, number, wanted).then_some(Found { number, lists: key.lists })
        };
        let is = |(other, number): &(Half, Number)| *other == hash && found(*number).is_some();
        let (_, number) = self.table.find(spread(hash), is)?;
        found(*number)
    }

    #[inline(always)]
    fn is(&self, key: &Key, number: Number, wanted: Wanted<'_>) -> bool {
        key.tenant == wanted.tenant
            && key.attribute == wanted.attribute
            && same(self.bytes_of(key, number), wanted.text.as_bytes())
    }

    #[inline]
    fn bytes_of<'k>(&'k self, key: &'k Key, number: Number) -> &'k [u8] {
        match key.text.get(..usize::from(key.length)) {
            Some(text) => text,
            None => self.long.get(&number).map_or(&[], |text| text.as_bytes()),
        }
    }

    /// The number of a value, given to it where it has none; it is to be [used](Self::hold) then.
    pub(super) fn number(&mut self, wanted: Wanted<'_>) -> Number {
        let hash = self.hash(wanted);
        if let Some(found) = self.confirm(self.candidate(hash), hash, wanted) {
            return found.number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            // Beyond `MAX` an insert is refused before.
            u32::try_from(self.keys.len()).unwrap_or(NONE)
        });
        let bytes = wanted.text.as_bytes();
        let mut text = [0; SHORT];
        let length = match text.get_mut(..bytes.len()) {
            Some(short) => {
                short.copy_from_slice(bytes);
                u8::try_from(bytes.len()).unwrap_or(LONG)
            }
            None => {
                self.long.insert(number, wanted.text.into());
                LONG
            }
        };
        let Wanted { tenant, attribute, .. } = wanted;
        let key =
            Key { text, length, attribute, tenant, uses: 0, postings: 0, lists: Lists::default() };
        match self.keys.get_mut(number as usize) {
            Some(place) => *place = key,
            None => self.keys.push(key),
        }
        self.table.insert_unique(spread(hash), (hash, number), |(hash, _)| spread(*hash));
        number
    }

    /// Counts one more use of a number.
    pub(super) fn hold(&mut self, number: Number) {
        if let Some(key) = self.keys.get_mut(number as usize) {
            key.uses += 1;
        }
    }

    /// Undoes a [`hold`](Self::hold); a number that nobody uses is forgotten.
    pub(super) fn release(&mut self, number: Number) {
        let Some(key) = self.keys.get_mut(number as usize) else { return };
        key.uses -= 1;
        if key.uses > 0 {
            return;
        }
        let Some((tenant, attribute, text)) = self.value(number) else { return };
        let hash = self.hash(Wanted { tenant, attribute, text });
        if let Ok(entry) = self.table.find_entry(spread(hash), |(_, other)| *other == number) {
            entry.remove();
        }
        self.long.remove(&number);
        self.free.push(number);
    }

    /// Tenant, attribute and text of a value.
    fn value(&self, number: Number) -> Option<(u32, u8, &str)> {
        let key = self.keys.get(number as usize)?;
        let text = std::str::from_utf8(self.bytes_of(key, number)).unwrap_or_default();
        Some((key.tenant, key.attribute, text))
    }

    /// Attribute and text of a value.
    pub(super) fn term(&self, number: Number) -> (usize, &str) {
        self.value(number).map_or((0, ""), |(_, attribute, text)| (usize::from(attribute), text))
    }

    /// How dear it is to be found by this value: by the postings it has, then by its attribute.
    pub(super) fn cost(&self, number: Number) -> u64 {
        let Some(key) = self.keys.get(number as usize) else { return 0 };
        let rank = self.ranks.get(usize::from(key.attribute)).copied().unwrap_or_default();
        rank + (u64::from(key.postings) << 8)
    }

    /// The attribute of a value, where that is posted, and how often.
    pub(super) fn posted(&mut self, number: Number) -> Option<(usize, &mut Lists, &mut u32)> {
        let key = self.keys.get_mut(number as usize)?;
        Some((usize::from(key.attribute), &mut key.lists, &mut key.postings))
    }

    /// Reads what a change of a value's postings is going to read.
    pub(super) fn touch_postings(&self, number: Number, blocks: &Blocks) -> u32 {
        self.keys.get(number as usize).map_or(0, |key| key.lists.touch(blocks, key.postings))
    }

    /// Where all values are posted; in a free place none is.
    pub(super) fn all_posted(&mut self) -> impl Iterator<Item = &mut Lists> {
        self.keys.iter_mut().map(|key| &mut key.lists)
    }

    pub(super) fn postings(&self) -> usize {
        self.keys.iter().map(|key| key.postings as usize).sum()
    }
}

/// A value that filters mention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) number: Number,
    pub(super) lists: Lists,
}

#[cfg(test)]
mod tests {
    use super::{Key, Keys, Wanted, spread};
    use std::collections::HashSet;

    #[test]
    fn a_key_is_one_line_of_cache() {
        assert_eq!(size_of::<Key>(), 64);
    }

    /// Values of one hash are told apart, and so are equal texts of two tenants or attributes.
    #[test]
    fn equal_hashes_are_not_equal_values() {
        let mut keys = Keys::new([0, 1].into());
        let [short, longer, long] = [38, 39, 100].map(|length| "x".repeat(length));
        let mut wanted = vec![];
        for (tenant, attribute) in [(0, 0), (0, 1), (1, 0)] {
            for text in ["", "a", "b", &short, &longer, &long] {
                wanted.push(Wanted { tenant, attribute, text });
            }
        }
        let numbers: Vec<_> = wanted.iter().map(|wanted| keys.number(*wanted)).collect();
        numbers.iter().for_each(|number| keys.hold(*number));
        for (at, one) in wanted.iter().enumerate() {
            assert_eq!(keys.number(*one), numbers[at]);
            assert_eq!(keys.term(numbers[at]), (usize::from(one.attribute), one.text));
            let hash = keys.hash(*one);
            // As if the table had given the wrong one for the hash.
            for candidate in &numbers {
                let found = keys.confirm(*candidate, hash, *one).unwrap();
                assert_eq!(found.number, numbers[at]);
            }
        }
        numbers.iter().for_each(|number| keys.release(*number));
        assert_eq!((keys.len(), keys.long.len(), keys.free.len()), (0, 0, wanted.len()));
        assert_eq!(keys.number(wanted[3]), numbers[numbers.len() - 1], "places are used again");
    }

    /// A value that many tenants mention is no longer a search for each of them.
    #[test]
    fn equal_texts_of_tenants_and_attributes_have_hashes_of_their_own() {
        let keys = Keys::default();
        let places =
            (0..300).flat_map(|tenant| [0, 1, 2, 255].map(|attribute| (tenant, attribute)));
        let wanted = places.map(|(tenant, attribute)| Wanted::new(tenant, attribute, "ok"));
        let hashes: HashSet<_> = wanted.map(|wanted| keys.hash(wanted)).collect();
        // Two of them are the same by chance once in 6,000 times.
        assert!(hashes.len() + 2 >= 1200, "{}", hashes.len());
    }

    /// As if all values had one hash.
    #[test]
    fn of_values_of_one_hash_each_is_found() {
        let mut keys = Keys::new([0, 1].into());
        let wanted = [(0, 0, "a"), (0, 0, "b"), (0, 1, "a"), (1, 0, "a")]
            .map(|(tenant, attribute, text)| Wanted { tenant, attribute, text });
        let numbers = wanted.map(|wanted| keys.number(wanted));
        keys.table.clear();
        for number in numbers {
            keys.table.insert_unique(spread(7), (7, number), |(hash, _)| spread(*hash));
        }
        for (wanted, number) in wanted.into_iter().zip(numbers) {
            assert_eq!(keys.search(7, wanted).unwrap().number, number);
            assert_eq!(keys.confirm(keys.candidate(7), 7, wanted).unwrap().number, number);
        }
        let other = Wanted { tenant: 1, attribute: 0, text: "b" };
        assert!(keys.confirm(keys.candidate(7), 7, other).is_none());
    }
}
