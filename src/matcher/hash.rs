//! Keyed 32-bit hashes for the tables of a matcher.
//!
//! # Two hash functions
//!
//! - [`Hashes::text`] hashes the texts of events: attribute values, tenants, event types. It runs
//!   several times per match, before anything is known about the text.
//! - [`Hashes::of`] hashes everything that is looked up only when subscriptions change: filters in
//!   code, subscription groups. It is hashbrown's default hasher with a random state.
//!
//! Text of 16 to 48 bytes, the length of ids, is hashed in place. Up to three pieces of 16 bytes,
//! which may overlap, are each combined with two secrets, multiplied and folded, as in wyhash:
//!
//! ```text
//! text (36 bytes)   0123456789abcdef0123456789abcdef0123
//! first             ├──────────────┤                        xor a, b; multiply; fold ─┐
//! middle                            ├──────────────┤        xor e, f; multiply; fold ─┼─ sum
//! last                                  ├──────────────┤    xor c, d; multiply; fold ─┘
//!
//! hash = fold to 32 bits (sum + odd * (place, length))
//! ```
//!
//! Shorter and longer texts go through `rapidhash`.
//!
//! # Invariants
//!
//! - A hash never decides equality: every table compares the value itself before it reports a hit.
//! - Secrets are drawn for each matcher, so a caller cannot choose values that collide. A clone of
//!   a matcher keeps them, since its tables hold the hashes.
//! - `odd` is odd, so multiplying by it is a bijection: two places or lengths with the same sum
//!   never get the same 64-bit hash.
//!
//! # Rejected
//!
//! Other hash functions for texts. Instructions compared with those of this one, in the benches
//! `matches`, and the time of one text:
//!
//! | hash of texts | selective 1,000 | selective 100,000 | full 10,000 | 16 bytes | 36 bytes |
//! | --- | --- | --- | --- | --- | --- |
//! | pieces, as above | | | | 3.05 ns | 3.37 ns |
//! | `rapidhash` for every length | + 8.6 % | + 3.0 % | + 3.3 % | 3.05 ns | 3.48 ns |
//! | hashbrown's hasher | + 9.3 % | + 2.9 % | + 3.4 % | 3.05 ns | 3.95 ns |
//!
//! In a loop that only hashes, the three take about as long; a match saves the instructions.

pub(super) use crate::event::same;
use hashbrown::{DefaultHashBuilder, HashTable};
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use std::hash::{BuildHasher, Hash, RandomState};

/// A 64-bit hash folded to 32 bits.
///
/// Tables store it beside each id: they grow without reading the hashed value, and compare the hash
/// before they read the value.
pub(super) type Hash32 = u32;

/// The hash functions of one matcher, with its secrets.
#[derive(Clone, Debug)]
pub(super) struct Hashes {
    /// The secrets for texts of 16 to 48 bytes, two for each piece.
    lanes: [u64; 6],
    /// The factor for the place and the length of a text.
    odd: u64,
    /// The secrets for texts of other lengths.
    secrets: RapidSecrets,
    /// For values that are looked up only when subscriptions change.
    builder: DefaultHashBuilder,
}

impl Default for Hashes {
    fn default() -> Self {
        // `RandomState` is seeded by the operating system, so its hashes of 0, 1, … are secret.
        let state = RandomState::new();
        let mut secrets = 0u64..;
        let mut secret = || state.hash_one(secrets.next());
        Self {
            lanes: std::array::from_fn(|_| secret()),
            odd: secret() | 1,
            secrets: RapidSecrets::seed(secret()),
            builder: DefaultHashBuilder::default(),
        }
    }
}

/// Combines both halves of a piece with secrets, multiplies them, and folds the product.
///
/// Without the secrets, a half of zero bytes would make the product zero whatever the other half
/// is.
#[inline]
fn fold(piece: &[u8; 16], low: u64, high: u64) -> u64 {
    let piece = u128::from_le_bytes(*piece) ^ (u128::from(high) << 64 | u128::from(low));
    let product = u128::from(low_of(piece)) * u128::from(low_of(piece >> 64));
    halves_of(product)
}

/// Folds a product to 64 bits. The upper bits of a factor reach only its upper half.
fn halves_of(product: u128) -> u64 {
    low_of(product) ^ low_of(product >> 64)
}

#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
#[inline]
fn low_of(word: u128) -> u64 {
    word as u64
}

impl Hashes {
    /// Returns the hash of a text in a place, such as an attribute of a tenant.
    ///
    /// Equal texts in different places have different hashes. Places are below 2⁴⁰.
    #[inline]
    pub(super) fn text(&self, place: u64, text: &str) -> Hash32 {
        let text = text.as_bytes();
        let [a, b, c, d, e, f] = self.lanes;
        let hash = match (text.first_chunk(), text.last_chunk()) {
            // Three pieces of 16 bytes cover up to 48; first and last overlap below 32.
            (Some(first), Some(last)) if text.len() <= 48 => {
                let ends = fold(first, a, b).wrapping_add(fold(last, c, d));
                match text.get(16..).and_then(<[u8]>::first_chunk) {
                    Some(middle) => ends.wrapping_add(fold(middle, e, f)),
                    None => ends,
                }
            }
            _ => rapidhash_v3_nano_inline::<false, true>(text, &self.secrets),
        };
        // The pieces overlap, so their sum does not depend on the length: add it explicitly.
        let place = place << 8 | (text.len() as u64 & 0xff);
        to_hash32(hash.wrapping_add(place.wrapping_mul(self.odd)))
    }

    /// Returns the hash of a value that is not looked up for each event.
    pub(super) fn of(&self, value: impl Hash) -> Hash32 {
        to_hash32(self.builder.hash_one(value))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "folding both halves keeps all bits relevant")]
fn to_hash32(hash: u64) -> Hash32 {
    (hash >> 32) as u32 ^ hash as u32
}

/// Returns the 64-bit hash that a hashbrown table expects: the 32 bits in both halves.
///
/// The table takes the position from the lower bits and the tag from the upper bits.
#[inline]
pub(super) fn table_hash(hash: Hash32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// A hash table of ids. It has hashes and ids only, so growing it reads nothing else.
#[derive(Clone, Debug)]
pub(super) struct IdTable<I>(HashTable<(Hash32, I)>);

impl<I> Default for IdTable<I> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<I: Copy + PartialEq> IdTable<I> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.allocation_size()
    }

    /// Returns the id with this hash for which `is` returns true.
    #[inline]
    pub(super) fn find(&self, hash: Hash32, is: impl Fn(I) -> bool) -> Option<I> {
        let found = self.0.find(table_hash(hash), |(other, id)| *other == hash && is(*id));
        found.map(|(_, id)| *id)
    }

    /// Inserts an id that is not in the table.
    pub(super) fn insert(&mut self, hash: Hash32, id: I) {
        self.0.insert_unique(table_hash(hash), (hash, id), |(hash, _)| table_hash(*hash));
    }

    /// Removes an id that is in the table, with the hash that it was inserted with.
    pub(super) fn remove(&mut self, hash: Hash32, id: I) {
        let row = self.0.find_entry(table_hash(hash), |(_, other)| *other == id);
        debug_assert!(row.is_ok(), "the id is not in the table");
        if let Ok(row) = row {
            row.remove();
        }
    }

    /// Gives back spare memory.
    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit(|(hash, _)| table_hash(*hash));
    }

    /// Returns all ids, to be replaced.
    pub(super) fn ids_mut(&mut self) -> impl Iterator<Item = &mut I> {
        self.0.iter_mut().map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::{Hash32, Hashes, same, table_hash};
    use hashbrown::HashTable;
    use std::collections::{HashMap, HashSet};

    /// Texts of every length that differ in one byte, at any position, or only in length.
    #[test]
    fn depends_on_each_byte() {
        let hashes = Hashes::default();
        let mut seen = HashSet::new();
        let mut texts = vec![];
        for length in 0..70 {
            texts.push("a".repeat(length));
            for at in (0..length).step_by(if cfg!(miri) { 9 } else { 1 }) {
                let mut text = "a".repeat(length);
                text.replace_range(at..=at, "b");
                texts.push(text);
            }
        }
        for (at, text) in texts.iter().enumerate() {
            seen.insert(hashes.text(0, text));
            seen.insert(hashes.text(1, text));
            seen.insert(hashes.text(1 << 32, text));
            for other in texts.get(at.saturating_sub(3)..at + 1).unwrap_or_default() {
                assert_eq!(same(text.as_bytes(), other.as_bytes()), text == other);
            }
        }
        // Some 7,000 random 32-bit hashes have a collision in one run of 170.
        assert!(seen.len() + 2 >= 3 * texts.len(), "{} of {}", seen.len(), 3 * texts.len());
    }

    #[test]
    fn draws_secrets_for_each_matcher() {
        let text = "0123456789abcdef0123456789abcdef";
        let hashes: HashSet<_> = (0..20).map(|_| Hashes::default().text(0, text)).collect();
        assert!(hashes.len() > 15);
    }

    /// Texts that collide in one matcher do not collide in another.
    #[test]
    fn collides_for_other_texts_in_each_matcher() {
        let count = if cfg!(miri) { 200 } else { 300_000 };
        for pad in ["", "0123456789", "0123456789abcdef0123456789abcdef0123456789abcdef"] {
            let text = |n: u32| format!("{pad}{n:06}");
            let (hashes, others) = (Hashes::default(), Hashes::default());
            let (mut seen, mut chosen, mut same) = (HashMap::new(), 0, 0);
            for n in 0..count {
                if let Some(other) = seen.insert(hashes.text(0, &text(n)), n) {
                    chosen += 1;
                    same += usize::from(others.text(0, &text(other)) == others.text(0, &text(n)));
                }
            }
            // Ten collisions are expected by chance.
            assert!(chosen < 40 && same <= 1, "{same} of {chosen}");
        }
    }

    #[test]
    fn seeds_each_table_hasher() {
        let of = |_| Hashes::default().of("0123456789abcdef");
        assert!((0..20).map(of).collect::<HashSet<_>>().len() > 15);
    }

    /// A factor without a secret would be zero, and so would the product.
    #[test]
    fn depends_on_both_halves_if_one_is_zero() {
        let hashes = Hashes::default();
        let zeros = "\0".repeat(8);
        for texts in [
            [format!("{zeros}abcdefgh"), format!("{zeros}abcdefgi")],
            [format!("abcdefgh{zeros}"), format!("abcdefgi{zeros}")],
        ] {
            let [a, b] = texts.map(|text| hashes.text(0, &text));
            assert_ne!(a, b);
        }
    }

    /// The upper bits of a factor reach only the upper bits of the product's lower half.
    #[test]
    fn depends_on_upper_bits_for_all_secrets() {
        let plain = "aaaaaaaaaaaaaaaa";
        for at in [7, 15] {
            let mut other = plain.to_owned();
            other.replace_range(at..=at, "!");
            let collide = |hashes: Hashes| hashes.text(0, plain) == hashes.text(0, &other);
            let rounds = if cfg!(miri) { 40 } else { 400 };
            let count = (0..rounds).filter(|_| collide(Hashes::default())).count();
            assert!(count <= 1, "{count} at {at}");
        }
    }

    /// Both the position in a table and the tag distinguish values.
    #[test]
    fn compares_few_other_entries_in_a_table() {
        let hashes = Hashes::default();
        let all: HashSet<Hash32> =
            (0..if cfg!(miri) { 400 } else { 4000 }).map(|n| hashes.of(n)).collect();
        let mut table = HashTable::new();
        for hash in &all {
            table.insert_unique(table_hash(*hash), *hash, |hash| table_hash(*hash));
        }
        let mut comparisons = 0;
        for hash in &all {
            let is = |other: &Hash32| {
                comparisons += 1;
                other == hash
            };
            assert_eq!(table.find(table_hash(*hash), is), Some(hash));
        }
        assert!(comparisons < all.len() / 8 * 9, "{comparisons} for {}", all.len());
    }
}
