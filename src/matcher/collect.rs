//! Matches events: topic, look-ups, posting lists, residuals, hits.
//!
//! # Steps
//!
//! ```text
//!                                     ┌───────────────────── per bucket ─────────────────────┐
//! event ─► topic ─► look up values ─► posting lists ─► residuals ─► sort, unique, ─► merge ─► hits
//!          of its   of attributes     of each value    flipped      if from          with the
//!          tenant   with access                        or not       several          default
//!          and type keys                                            lists            slots
//! ```
//!
//! 1. Find the topic. Without one, no webhook of the tenant has the event's type.
//! 2. Look up the event's values of those attributes that have access keys in this topic.
//! 3. For each bucket that the event reaches: visit the posting list of each value. Slots
//!    with a sufficient key are flipped; for the others, the residual decides. The first residual
//!    of an event causes the look-up of its other attributes that filters of the topic mention.
//! 4. The hits are the symmetric difference of the default slots and the flipped slots: a flipped
//!    slot that matches by default does not match, and one that does not, does.
//!
//! # Example
//!
//! ```text
//! slot  filter                                      default   access key   residual
//! 0     id ne "a"                                   true      id a         -
//! 1     spaceId eq "s" and data.status eq "ok"      false     spaceId s    eq ok
//! 2     spaceId eq "s"                              false     spaceId s    -
//! 3     spaceId eq "t"                              false     spaceId t    -
//!
//! event: id "a", spaceId "s", data.status "ok"
//! look up id, spaceId    known: a, s     data.status has no access key: not yet
//! visit a, s             flipped 0 and 2; to be tested 1
//! test 1                 look up data.status: ok is known, so slot 1 is flipped
//! sort                   0, 1, 2
//! merge                  with the default slots { 0 }: hits 1, 2; slot 3 was never visited
//! ```
//!
//! # Batches
//!
//! [`Scratch::run`] does each step for up to [`TOGETHER`] events before the next step, and
//! prefetches what the next step reads, so that the cache misses of several events overlap.
//! [`Scratch::run_one`] takes the same steps for a single event without the intermediate lists.
//!
//! # Invariants
//!
//! - A slot gets the same verdict through each of its access keys, so flipped slots can be sorted
//!   and deduplicated before they are merged.
//! - The hits of several buckets are sorted together at the end.
//! - An event that flips a slot has one of its access keys (see [`plan`](super::plan)), so a slot
//!   that no posting list names keeps its default verdict.
//! - Counters follow from the index and the event only, never from earlier matches.
//!
//! # Rejected
//!
//! - Looking up all values at once: `data.status` is rarely an access key, and its look-up was a
//!   third of all work. If most events test a filter, looking it up late costs a few nanoseconds
//!   more.
//! - Remembering whether the last event tested a filter: work would depend on history.

use super::Access;
use super::arena::prefetch;
use super::dictionary::{AttributeValue, Place, ValueId};
use super::hash::Hash32;
use super::index::Index;
use super::order::sort_unique_from;
use super::plan::Residual;
use super::postings::{Found, PostingList};
use super::scratch::{Buffers, Scratch};
use super::table::Id;
use super::topics::{AttributeUse, Bucket, Topic};
use crate::event::{AttributePaths, Event};
use smallvec::SmallVec;

/// The number of values looked up together: more loads than a core can have outstanding.
const PROBES: usize = 64;

/// The number of events matched together.
const TOGETHER: usize = 16;

/// A value of an event that is being looked up.
struct Probe<'e> {
    value: AttributeValue<'e>,
    hash: Hash32,
    candidate: Option<Place>,
    /// The index of its event in the batch.
    query: usize,
}

impl Scratch {
    /// Matches many events.
    pub(super) fn run(&mut self, index: &Index, queries: &[(&Event<'_>, Access<'_>)]) {
        self.begin();
        // The hits of all batches follow one another in the same buffer.
        for together in queries.chunks(TOGETHER) {
            self.look_up(index, together);
            self.collect(index, together);
        }
    }

    /// Matches one event.
    ///
    /// Its few values are looked up one after another, which costs less than separating the steps.
    #[inline]
    pub(super) fn run_one(&mut self, index: &Index, event: &Event<'_>, access: Access<'_>) {
        self.begin();
        let Self { buffers, last, .. } = self;
        let Index { topics, dictionary, postings, .. } = index;
        let at = topics.find_from(*last, event.tenant(), event.event_type());
        // No subscription of the tenant has the event's type.
        let Some(at) = at else { return };
        *last = at;
        let arrival = Arrival::new(index, at, event);
        buffers.values.clear();
        arrival.each_value(AttributeUse::has_access_keys, |value| {
            buffers.work.probes += 1;
            if let Some(value) = dictionary.find(value) {
                buffers.values.push(value);
            }
        });
        prefetch(buffers.values.iter().map(|value| postings.prefetch_word(value.postings.first())));
        index.collect_all(arrival, access, buffers);
    }

    /// Finds the topic of each event, and the values that are access keys or may be.
    #[inline]
    fn look_up(&mut self, index: &Index, queries: &[(&Event<'_>, Access<'_>)]) {
        self.topics.clear();
        self.found.clear();
        let mut probes: SmallVec<[Probe<'_>; PROBES]> = SmallVec::new();
        let Index { topics, dictionary, postings, .. } = index;
        for (query, (event, _)) in queries.iter().enumerate() {
            let at = topics.find_from(self.last, event.tenant(), event.event_type());
            self.topics.push(at);
            if let Some(at) = at {
                self.last = at;
                let arrival = Arrival::new(index, at, event);
                arrival.each_value(AttributeUse::has_access_keys, |value| {
                    let hash = dictionary.hash(value);
                    probes.push(Probe { value, hash, candidate: None, query });
                    // Full: confirm these first. The order of the events is kept.
                    if probes.len() == PROBES {
                        self.confirm(index, &mut probes);
                    }
                });
            }
        }
        self.confirm(index, &mut probes);
        let found = self.found.iter();
        prefetch(found.map(|(_, value)| postings.prefetch_word(value.postings.first())));
    }

    /// Keeps those of the values that filters mention: first all control bytes, then all entries.
    #[inline]
    fn confirm(&mut self, index: &Index, probes: &mut SmallVec<[Probe<'_>; PROBES]>) {
        let dictionary = &index.dictionary;
        self.buffers.work.probes += probes.len();
        for probe in &mut *probes {
            probe.candidate = dictionary.candidate(probe.hash);
        }
        let candidates = probes.iter().filter_map(|probe| probe.candidate);
        prefetch(candidates.map(|place| dictionary.prefetch_entry(place)));
        for Probe { value, hash, candidate, query } in &*probes {
            if let Some(candidate) = candidate
                && let Some(found) = dictionary.confirm(*candidate, *hash, *value)
            {
                self.found.push((*query, found));
            }
        }
        probes.clear();
    }

    /// Collects the hits of each event of a batch.
    #[inline]
    fn collect(&mut self, index: &Index, queries: &[(&Event<'_>, Access<'_>)]) {
        let Self { topics, found, buffers, counts, .. } = self;
        // Probes are in the order of the events, and so are the values found.
        let mut found = found.iter().peekable();
        for (query, (at, (event, access))) in topics.iter().zip(queries).enumerate() {
            let before = buffers.hits.len();
            buffers.values.clear();
            while let Some((_, value)) = found.next_if(|(of, _)| *of == query) {
                buffers.values.push(*value);
            }
            if let Some(at) = at {
                index.collect_all(Arrival::new(index, *at, event), *access, buffers);
            }
            counts.push(buffers.hits.len() - before);
        }
    }
}

/// An event with the topic that it belongs to.
#[derive(Clone, Copy)]
struct Arrival<'e, 'v> {
    topic: &'e Topic,
    event: &'e Event<'v>,
    paths: &'e AttributePaths,
}

impl<'e, 'v> Arrival<'e, 'v> {
    #[inline]
    fn new(index: &'e Index, at: Id<Topic>, event: &'e Event<'v>) -> Self {
        Self { topic: index.topics.topic(at), event, paths: index.profile.attribute_paths() }
    }

    /// Calls `each` with the event's value of each attribute for which `is_needed` returns true.
    #[inline]
    fn each_value(
        self,
        is_needed: impl Fn(AttributeUse) -> bool,
        mut each: impl FnMut(AttributeValue<'e>),
    ) {
        let Self { topic, event, paths } = self;
        // An event that was read with the same paths has its values by attribute; any other event
        // is read by name, which gives the same values.
        let values = event.values(paths);
        for (attribute, attribute_use) in topic.attributes.iter().enumerate() {
            if !is_needed(*attribute_use) {
                continue;
            }
            let value = match values {
                // `None` if the event does not have the attribute.
                Some(values) => values.get(attribute).and_then(Option::as_deref),
                None => event.value(paths, attribute),
            };
            if let Some(text) = value {
                each(AttributeValue::new(topic.tenant_id, attribute, text));
            }
        }
    }
}

impl Index {
    /// Appends the hits of an event, ascending.
    #[inline]
    fn collect_all(&self, arrival: Arrival<'_, '_>, access: Access<'_>, buffers: &mut Buffers) {
        // Hits of earlier events of the batch are before `begin`.
        let begin = buffers.hits.len();
        buffers.has_all_values = false;
        let tenant_bucket = arrival.topic.tenant_bucket();
        if let Some(bucket) = tenant_bucket {
            self.collect(bucket, arrival, buffers);
        }
        if arrival.topic.has_owners() {
            let owned = self.collect_owned(arrival, access, buffers);
            // The hits of each bucket are ascending; those of several together are not. A slot is
            // in one bucket of a topic, so there are no duplicates.
            if owned + usize::from(tenant_bucket.is_some()) > 1 {
                sort_unique_from(&mut buffers.hits, begin);
            }
        }
    }

    /// Appends the hits in owner buckets and returns the number of buckets. The hits are not
    /// sorted.
    ///
    /// Separate from [`collect_all`](Self::collect_all), so that an event of a topic without owners
    /// pays for one bucket only (the bench `matches selective_1_000`).
    #[inline(never)]
    fn collect_owned(
        &self,
        arrival: Arrival<'_, '_>,
        access: Access<'_>,
        buffers: &mut Buffers,
    ) -> usize {
        let Arrival { topic, event, .. } = arrival;
        let mut buckets = 0;
        // A list of one user, or any other access, names no bucket more than once.
        if let Access::Users([_, _, ..]) = access {
            let mut listed = std::mem::take(&mut buffers.listed);
            topic.listed_buckets(event, access, &mut listed);
            buckets = listed.len();
            let ids = listed.iter().map(|bucket| Id::from_word(*bucket));
            ids.for_each(|bucket| self.collect(bucket, arrival, buffers));
            buffers.listed = listed;
        } else {
            topic.each_owner_bucket(event, access, |bucket| {
                buckets += 1;
                self.collect(bucket, arrival, buffers);
            });
        }
        buffers.work.buckets += buckets;
        buckets
    }

    /// Appends the hits in a bucket, ascending.
    ///
    /// They are the symmetric difference of the default slots and the flipped slots, see
    /// [`Defaults::merge`].
    ///
    /// [`Defaults::merge`]: super::defaults::Defaults::merge
    #[inline]
    fn collect(&self, at: Id<Bucket>, arrival: Arrival<'_, '_>, buffers: &mut Buffers) {
        let bucket = self.topics.bucket(at);
        if buffers.values.is_empty() {
            // No value that was looked up is in a filter, so all verdicts are the default ones.
            if !bucket.defaults.is_empty() {
                bucket.defaults.merge(&[], &mut buffers.hits);
            }
        } else if bucket.defaults.is_empty() {
            // Every flipped slot is a hit, so it is appended to the hits directly.
            let mut hits = std::mem::take(&mut buffers.hits);
            self.flipped(at, arrival, &mut hits, buffers);
            buffers.hits = hits;
        } else {
            let mut flipped = std::mem::take(&mut buffers.flipped);
            flipped.clear();
            self.flipped(at, arrival, &mut flipped, buffers);
            bucket.defaults.merge(&flipped, &mut buffers.hits);
            buffers.flipped = flipped;
        }
    }

    /// Appends the slots in a bucket whose verdict is flipped, ascending and unique.
    fn flipped(
        &self,
        at: Id<Bucket>,
        arrival: Arrival<'_, '_>,
        flipped: &mut Vec<u32>,
        buffers: &mut Buffers,
    ) {
        let begin = flipped.len();
        let mut lists = self.gather(at, flipped, buffers);
        buffers.work.postings += flipped.len() - begin + buffers.residuals.len();
        if !buffers.residuals.is_empty() {
            self.look_up_late(arrival, buffers);
            lists += self.test(flipped, buffers);
        }
        // A single list is sorted.
        if lists > 1 {
            sort_unique_from(flipped, begin);
        }
    }

    /// Appends the slots in a bucket that a value of the event flips, and puts those to be tested
    /// into `residuals`.
    ///
    /// Returns the number of ascending lists that were appended.
    #[inline]
    fn gather(&self, at: Id<Bucket>, flipped: &mut Vec<u32>, buffers: &mut Buffers) -> usize {
        let Buffers { residuals, values, .. } = buffers;
        residuals.clear();
        let mut lists = 0;
        for value in &*values {
            let list = match value.postings.find(&self.postings, at.word()) {
                // No posting in this bucket: the value is an access key in other buckets only or in
                // none, as are the values that `look_up_late` added for an earlier bucket.
                Found::Nothing => continue,
                Found::Inline(list) => {
                    lists += usize::from(list.has_sufficient());
                    list.append_sufficient(flipped);
                    residuals.extend(list.residual());
                    continue;
                }
                Found::Stored(list) => list,
            };
            let postings = PostingList::at(&self.postings, list);
            if postings.is_in_pieces() {
                lists += self.gather_pieces(list, flipped, residuals);
                continue;
            }
            lists += usize::from(postings.has_sufficient());
            postings.append_sufficient(flipped);
            residuals.extend_from_slice(postings.residuals());
        }
        lists
    }

    /// Looks up the event's remaining values, because residuals may depend on them.
    ///
    /// Does so once per event, however many buckets it reaches.
    #[inline]
    fn look_up_late(&self, arrival: Arrival<'_, '_>, buffers: &mut Buffers) {
        let Buffers { values, has_all_values, held, work, .. } = buffers;
        if std::mem::replace(has_all_values, true) {
            return;
        }
        arrival.each_value(AttributeUse::is_residual_only, |value| {
            work.probes += 1;
            values.extend(self.dictionary.find(value));
        });
        held.clear();
        held.extend(values.iter().map(|value| value.id));
        held.resize(values.len().next_multiple_of(4), ValueId::NONE);
    }

    /// Appends those of the slots in `residuals` whose verdict is flipped.
    ///
    /// Returns how many. Each counts as a list of its own, since they come from several lists.
    #[inline]
    fn test(&self, flipped: &mut Vec<u32>, buffers: &mut Buffers) -> usize {
        let Buffers { residuals, held, work, .. } = buffers;
        work.tests += residuals.len();
        let before = flipped.len();
        for [slot, residual] in &*residuals {
            let residual = Residual(*residual);
            let holds = holds(held, residual.value());
            let mut is_flipped = residual.is_flipped(holds);
            if residual.needs_evaluation(holds) {
                is_flipped = self.evaluate(*slot, held);
            }
            flipped.push(*slot);
            keep_last_if(flipped, is_flipped);
        }
        flipped.len() - before
    }

    /// Gathers the slots of a posting list in pieces; returns 1 if it has slots without a residual.
    ///
    /// Pieces are ascending, so together they are one list.
    #[cold]
    #[inline(never)]
    fn gather_pieces(
        &self,
        list: u32,
        flipped: &mut Vec<u32>,
        residuals: &mut Vec<[u32; 2]>,
    ) -> usize {
        let before = flipped.len();
        PostingList::each_piece(&self.postings, list, |piece| {
            piece.append_sufficient(flipped);
            residuals.extend_from_slice(piece.residuals());
        });
        usize::from(flipped.len() > before)
    }

    /// Returns whether a filter's verdict is flipped, by evaluating its code.
    #[cold]
    fn evaluate(&self, slot: u32, held: &[ValueId]) -> bool {
        self.plans.is_flipped(self.slots.plan(slot), |id| holds(held, id))
    }
}

/// Returns whether a value is among those of the event.
///
/// `held` has a multiple of four ids, so each step compares four without a branch between them. The
/// padding, [`ValueId::NONE`], has more bits than an id, so it equals none.
#[inline]
fn holds(held: &[ValueId], id: ValueId) -> bool {
    let any = |four: &[ValueId; 4]| four.iter().fold(false, |any, held| any | (*held == id));
    held.as_chunks().0.iter().any(any)
}

/// Removes the last slot unless `keep`, without a branch, since the processor could not predict it.
#[inline(always)]
fn keep_last_if(slots: &mut Vec<u32>, keep: bool) {
    slots.truncate(slots.len() - usize::from(!keep));
}
