//! The buffers that a match needs, kept by the caller, and its counters.
//!
//! A matcher is shared by threads and not changed by a match, so what a match writes is in a
//! [`Scratch`] of the caller. The buffers are cleared, not freed: a warm match allocates nothing,
//! which the cost tests check.
//!
//! ```text
//! run       topics    topic, topic, …, one for each of up to 16 events
//!           found     values of the first event, values of the second, …
//! per event values    known values ──► held: their ids, padded for comparison
//! per bucket          flipped, residuals
//! result    hits      hits of the first event, hits of the second, …   counts: 3, 0, 4
//! ```
//!
//! `last` is the only state that outlives a match. It is a hint, which is checked before it is
//! used.

use super::dictionary::{KnownValue, ValueId};
use super::table::Id;
use super::topics::Topic;

/// Reusable memory for matching.
///
/// Keep one per thread. It works with any matcher, and its state never changes a result. Once its
/// buffers have grown to the size they need, a match allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The topic of each event of the current batch; `None` if no subscription has its type.
    pub(super) topics: Vec<Option<Id<Topic>>>,
    /// The known values of all events of the batch, each with the index of its event, ascending.
    pub(super) found: Vec<(usize, KnownValue)>,
    pub(super) buffers: Buffers,
    /// How many of the slots in `buffers.hits` are hits of each event, for a match of several.
    pub(super) counts: Vec<usize>,
    /// The topic of the last event, which the next one often has, too.
    pub(super) last: Id<Topic>,
}

/// The buffers for the event at hand; `hits` and `work` are those of all events.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers {
    /// The event's values that filters mention: first the possible access keys, later all.
    pub(super) values: Vec<KnownValue>,
    /// Whether `values` is complete and `held` is filled.
    pub(super) has_all_values: bool,
    /// The ids of all values, padded with [`ValueId::NONE`] to a multiple of four.
    pub(super) held: Vec<ValueId>,
    /// Slots with their residuals.
    pub(super) residuals: Vec<[u32; 2]>,
    /// The slots of a bucket whose verdict is flipped.
    pub(super) flipped: Vec<u32>,
    /// The owner buckets of a list of users, each once.
    pub(super) listed: Vec<u32>,
    /// The hits of all events, one event after another.
    pub(super) hits: Vec<u32>,
    pub(super) work: Work,
}

/// Counters of the work of a match, which show why it is expensive.
///
/// The [guide](crate::guide::matching) explains access keys, postings and buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Attribute values looked up.
    ///
    /// First the values of the attributes under which filters are indexed. If a filter must be
    /// tested, also the values of all other attributes that filters of this event type mention.
    pub probes: usize,
    /// Postings visited under those values.
    pub postings: usize,
    /// Filters tested because the value under which they were found does not decide their verdict.
    pub tests: usize,
    /// Owner buckets visited: the subscriptions of one owner to the event's type.
    ///
    /// Each is visited once per event, even if the caller lists its owner several times.
    pub buckets: usize,
}

impl Scratch {
    /// Returns the work of the last match, summed over its events.
    #[must_use]
    pub fn work(&self) -> Work {
        self.buffers.work
    }

    /// Returns the [indices](super::Slot::index) of the slots that the last match hit.
    ///
    /// After [`Matcher::matches_all`](super::Matcher::matches_all), the hits of all events are
    /// concatenated in the order of the events.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.buffers.hits
    }

    /// Returns the hits of each event that [`run`](Self::run) matched.
    pub(super) fn hits(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        let mut rest = self.buffers.hits.as_slice();
        self.counts.iter().map(move |count| {
            // The counts add up to the number of hits.
            let (hits, after) = rest.split_at(*count);
            rest = after;
            hits
        })
    }

    /// Has no hits for each of `queries` events, as in a matcher without subscriptions.
    pub(super) fn find_nothing(&mut self, queries: usize) {
        self.begin();
        self.counts.resize(queries, 0);
    }

    /// Clears what the last match left. The buffers keep their capacity.
    pub(super) fn begin(&mut self) {
        self.buffers.hits.clear();
        self.buffers.work = Work::default();
        self.counts.clear();
    }
}
