//! Hashes of what is looked up, each with secrets of its own matcher, so that nobody can choose
//! values that collide.

pub(super) use crate::event::same;
use hashbrown::DefaultHashBuilder;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use std::hash::{BuildHasher, Hash, RandomState};

/// Half of a hash: tables keep it beside what it is of, so that they grow without a look at that,
/// and compare it before they do.
pub(super) type Half = u32;

#[derive(Clone, Debug)]
pub(super) struct Hashes {
    /// For texts of the length that ids have, which are looked up for every event.
    lanes: [u64; 6],
    odd: u64,
    /// For other texts.
    secrets: RapidSecrets,
    /// For what is looked up when subscriptions change.
    builder: DefaultHashBuilder,
}

impl Default for Hashes {
    fn default() -> Self {
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

/// Halves of a piece of text, each under a secret, multiplied and folded, as in wyhash.
#[inline]
fn fold(piece: &[u8; 16], low: u64, high: u64) -> u64 {
    let piece = u128::from_le_bytes(*piece) ^ (u128::from(high) << 64 | u128::from(low));
    let product = u128::from(low_of(piece)) * u128::from(low_of(piece >> 64));
    halves_of(product)
}

fn halves_of(product: u128) -> u64 {
    low_of(product) ^ low_of(product >> 64)
}

#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
#[inline]
fn low_of(word: u128) -> u64 {
    word as u64
}

impl Hashes {
    /// The hash of a text in a place, such as an attribute of a tenant; places are below 2⁴⁰.
    #[inline]
    pub(super) fn text(&self, place: u64, text: &str) -> Half {
        let text = text.as_bytes();
        let [a, b, c, d, e, f] = self.lanes;
        let hash = match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) if text.len() <= 48 => {
                let ends = fold(first, a, b).wrapping_add(fold(last, c, d));
                match text.get(16..).and_then(<[u8]>::first_chunk) {
                    Some(middle) => ends.wrapping_add(fold(middle, e, f)),
                    None => ends,
                }
            }
            _ => rapidhash_v3_nano_inline::<false, true>(text, &self.secrets),
        };
        // Pieces lie over each other, so that their hashes do not tell how long the text is.
        let place = place << 8 | (text.len() as u64 & 0xff);
        half(hash.wrapping_add(place.wrapping_mul(self.odd)))
    }

    pub(super) fn of(&self, value: impl Hash) -> Half {
        half(self.builder.hash_one(value))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
fn half(hash: u64) -> Half {
    (hash >> 32) as u32 ^ hash as u32
}

/// The half twice, since a table takes its place from the lower bits and its tag from the upper ones.
#[inline]
pub(super) fn spread(hash: Half) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::{Half, Hashes, same, spread};
    use hashbrown::HashTable;
    use std::collections::{HashMap, HashSet};

    /// Texts of every length that differ in one byte, wherever it stands, or in length alone.
    #[test]
    fn each_byte_counts() {
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
        // Of some 7,000 hashes of 32 bits, two are the same by chance once in 170 times.
        assert!(seen.len() + 2 >= 3 * texts.len(), "{} of {}", seen.len(), 3 * texts.len());
    }

    #[test]
    fn secrets_are_those_of_one_matcher() {
        let text = "0123456789abcdef0123456789abcdef";
        let hashes: HashSet<_> = (0..20).map(|_| Hashes::default().text(0, text)).collect();
        assert!(hashes.len() > 15);
    }

    /// Texts that were chosen since they have one hash in one matcher have several in the next one.
    #[test]
    fn collisions_are_those_of_one_matcher() {
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
            // Ten by chance, of so many.
            assert!(chosen < 40 && same <= 1, "{same} of {chosen}");
        }
    }

    #[test]
    fn each_table_has_a_hasher_of_its_own() {
        let of = |_| Hashes::default().of("0123456789abcdef");
        assert!((0..20).map(of).collect::<HashSet<_>>().len() > 15);
    }

    /// A factor without a secret would be zero, and the product with it.
    #[test]
    fn halves_of_zeros_hide_nothing() {
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

    /// The upper bits of a factor reach no other than the upper ones of the product's lower half.
    #[test]
    fn upper_bits_count_whatever_the_secrets() {
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

    /// Both the place in a table and the tag there tell values apart.
    #[test]
    fn a_table_looks_at_few_others() {
        let hashes = Hashes::default();
        let all: HashSet<Half> =
            (0..if cfg!(miri) { 400 } else { 4000 }).map(|n| hashes.of(n)).collect();
        let mut table = HashTable::new();
        for hash in &all {
            table.insert_unique(spread(*hash), *hash, |hash| spread(*hash));
        }
        let mut looks = 0;
        for hash in &all {
            let is = |other: &Half| {
                looks += 1;
                other == hash
            };
            assert_eq!(table.find(spread(*hash), is), Some(hash));
        }
        assert!(looks < all.len() / 8 * 9, "{looks} for {}", all.len());
    }
}
