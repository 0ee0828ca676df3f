//! Hashes of what is looked up, each with secrets of its own matcher, so that nobody can choose
//! values that collide.

use hashbrown::DefaultHashBuilder;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use std::hash::{BuildHasher, Hash, RandomState};

/// Half of a hash: tables keep it beside what it is of, so that they grow without a look at that,
/// and compare it before they do.
pub(super) type Half = u32;

#[derive(Clone, Debug)]
pub(super) struct Hashes {
    /// For the texts of an event, which are looked up for every event.
    secrets: RapidSecrets,
    /// For what is looked up when subscriptions change.
    builder: DefaultHashBuilder,
}

impl Default for Hashes {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(0);
        Self { secrets: RapidSecrets::seed(seed), builder: DefaultHashBuilder::default() }
    }
}

impl Hashes {
    /// The hash of a text in a place, such as an attribute of a tenant.
    #[inline]
    pub(super) fn text(&self, place: u64, text: &str) -> Half {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let hash = rapidhash_v3_nano_inline::<false, true>(text.as_bytes(), &self.secrets);
        half(hash.wrapping_add(place.wrapping_mul(ODD)))
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
