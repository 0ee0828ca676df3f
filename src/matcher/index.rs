//! The index of a matcher: its parts, and how a change goes through them.
//!
//! ```text
//!     insert                                    match
//!       │                                         │
//!     topics      group and buckets             collect      steps of a match, with buffers from
//!       │                                         │          scratch
//!     dictionary  value ids                     topics       topic and buckets of the event
//!       │                                         │
//!     plan        default verdict, access       dictionary   ids and short posting lists of its
//!       │         keys                            │          values
//!     slots       group and plan                postings     slots to flip or to test
//!       │                                         │
//!       │   then for each bucket:               plan, order, defaults
//!       │
//!     defaults    slots that match by default
//!       │
//!     postings    slots by value, residuals
//! ```
//!
//! `table`, `arena`, `directory` and `hash` are the ground on which the others are built. `slots`
//! has the group and plan of each subscription; all other parts refer to a subscription by its
//! index in `slots`.
//!
//! # Invariants
//!
//! - `insert` acquires the group, then the values and the plan, then adds postings. `remove` undoes
//!   it in the order postings, plan with its values, group. So a value with postings has a
//!   reference, and a tenant id outlives all values of its tenant.
//! - Postings are a function of plan and bucket: `remove_postings` walks over the same terms with
//!   the same marks as `add_postings` did.

use super::arena::{Arena, prefetch};
use super::dictionary::{AttributeValue, Dictionary};
use super::plan::{self, AccessKey, Plan, Plans, Selectivity};
use super::slots::{Occupant, Slots};
use super::table::Id;
use super::topics::{Bucket, Topics};
use super::{Slot, Stats, Subscription};
use crate::filter::{Node, Profile};

/// What a [`Matcher`](super::Matcher) with subscriptions consists of; see the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) profile: Profile,
    pub(super) slots: Slots,
    pub(super) topics: Topics,
    pub(super) dictionary: Dictionary,
    pub(super) plans: Plans,
    /// The directories, and all posting lists that are not in the dictionary.
    pub(super) postings: Arena,
}

impl Index {
    pub(super) fn new(profile: &Profile) -> Self {
        Self {
            profile: profile.clone(),
            slots: Slots::default(),
            topics: Topics::default(),
            dictionary: Dictionary::new(Selectivity::of_profile(profile)),
            plans: Plans::default(),
            postings: Arena::default(),
        }
    }

    /// Inserts a subscription, or returns `None` and changes nothing if there is no room.
    pub(super) fn insert(&mut self, subscription: &Subscription) -> Option<Slot> {
        let filter = subscription.filter();
        // All sizes are checked here, so nothing below can fail half-way.
        let (terms, types) = (filter.nodes().len(), subscription.event_types().len());
        self.has_room(terms, types)?;

        let group = self.topics.acquire(subscription);
        let (tenant, buckets) = self.topics.group(group);
        // An insert reads a dozen places far apart. Reading them here makes their misses overlap.
        prefetch(filter.nodes().map(|node| match node {
            Node::Term(term) => {
                let value = AttributeValue::new(tenant, term.attribute, term.value);
                let candidate = self.dictionary.candidate(self.dictionary.hash(value));
                // A new value has no entry to read.
                candidate.map_or(0, |place| self.dictionary.prefetch_entry(place))
            }
            _ => 0,
        }));
        let code = plan::encode(filter, |term| {
            self.dictionary.intern(AttributeValue::new(tenant, term.attribute, term.value))
        });
        // An id that `encode` assigned has no reference until `acquire` adds one; nothing is
        // released in between.
        let plan = self.plans.acquire(code, &mut self.dictionary);
        self.prefetch_postings(plan);
        let slot = self.slots.insert(Occupant { group, plan });
        for bucket in &buckets {
            self.add_postings(slot.index, plan, *bucket);
        }
        Some(slot)
    }

    /// Reads what a change of the postings of a plan's values needs.
    fn prefetch_postings(&self, plan: Plan) {
        let values = self.plans.values(&plan);
        prefetch(values.map(|id| self.dictionary.prefetch_postings(id, &self.postings)));
    }

    /// Returns whether a filter of at most `terms` terms fits, with postings for each of `types`
    /// types.
    pub(super) fn has_room(&self, terms: usize, types: usize) -> Option<()> {
        // Worst case: every list and directory is copied to a larger block, which has at most twice
        // the words, and the old blocks remain: three times the words.
        let copies = self.postings.len().checked_mul(3)?;
        // Worst case: each posting is in a second bucket, which takes 16 words: 6 for the list that
        // was inline, 4 for the new list, and 6 for the directory of both.
        let new = terms.checked_mul(types)?.checked_mul(16)?;
        let fits = self.slots.has_room()
            && self.topics.has_room(types)
            && self.dictionary.len() + terms < Dictionary::MAX
            && self.plans.has_room(terms)
            && copies.checked_add(new)? < Arena::MAX;
        fits.then_some(())
    }

    /// Adds a slot to a bucket: to its default slots and to the posting lists of its access keys.
    fn add_postings(&mut self, slot: u32, plan: Plan, at: Id<Bucket>) {
        let Self { topics, dictionary, plans, postings, .. } = self;
        let (bucket, topic) = topics.bucket_mut(at);
        if plan.default() {
            bucket.defaults.insert(slot);
        }
        for (id, key) in plans.terms(&plan) {
            let residual =
                (key == AccessKey::WithResidual).then(|| plans.residual(plan, id, dictionary).0);
            let (attribute, lists, count) = dictionary.postings_mut(id);
            let attribute_use = topic.attributes.of_mut(attribute);
            // Terms without a key count, too: a residual may need the value.
            attribute_use.terms += 1;
            if key != AccessKey::No {
                lists.insert(postings, at.word(), slot, residual);
                attribute_use.access_keys += 1;
                *count += 1;
            }
        }
    }

    /// Undoes [`add_postings`](Self::add_postings).
    fn remove_postings(&mut self, slot: u32, plan: Plan, at: Id<Bucket>) {
        let Self { topics, dictionary, plans, postings, .. } = self;
        let (bucket, topic) = topics.bucket_mut(at);
        if plan.default() {
            bucket.defaults.remove(slot);
        }
        // The marks in the code are those of the insertion, so each posting is found where it was
        // put.
        for (id, key) in plans.terms(&plan) {
            let (attribute, lists, count) = dictionary.postings_mut(id);
            let attribute_use = topic.attributes.of_mut(attribute);
            attribute_use.terms -= 1;
            if key != AccessKey::No {
                lists.remove(postings, at.word(), slot, key != AccessKey::Sufficient);
                attribute_use.access_keys -= 1;
                *count -= 1;
            }
        }
    }

    /// Removes a subscription and returns whether it was present.
    pub(super) fn remove(&mut self, slot: Slot) -> bool {
        // Removed before: the caller's slot is out of date.
        let Some(Occupant { group, plan }) = self.slots.get(slot) else { return false };
        // As in `insert`: read the places first, so that their misses overlap.
        prefetch(self.plans.values(&plan).map(|id| self.dictionary.prefetch_word(id)));
        prefetch(std::iter::once(self.plans.prefetch_entry(plan, &self.dictionary)));
        self.prefetch_postings(plan);
        let (_, buckets) = self.topics.group(group);
        for bucket in &buckets {
            self.remove_postings(slot.index, plan, *bucket);
        }
        self.plans.release(plan, &mut self.dictionary);
        self.topics.release(group);
        self.slots.remove(slot.index);
        self.compact();
        true
    }

    /// Gives memory back if most of it is free.
    fn compact(&mut self) {
        let Self { slots, dictionary, plans, postings, .. } = self;
        let places = dictionary.places();
        let sparse_postings = postings.is_sparse(places);
        if plans.is_sparse(slots.entries() + places) {
            self.relocate_codes(Arena::relocation_target);
        }
        if sparse_postings {
            self.relocate_postings(Arena::relocation_target);
        }
    }

    /// Moves all posting lists to a new arena without free blocks.
    fn relocate_postings(&mut self, target: fn(&Arena) -> Arena) {
        let Self { dictionary, postings, .. } = self;
        let mut dense = target(postings);
        for lists in dictionary.all_postings() {
            *lists = lists.relocated(postings, &mut dense);
        }
        dense.end_relocation();
        *postings = dense;
    }

    /// Gives back all memory that is kept for later inserts.
    pub(super) fn shrink(&mut self) {
        self.relocate_codes(Arena::packing_target);
        self.relocate_postings(Arena::packing_target);
        let Self { slots, topics, dictionary, plans, .. } = self;
        slots.shrink();
        topics.shrink();
        dictionary.shrink();
        plans.shrink();
    }

    /// Moves all codes to a new arena without free blocks.
    fn relocate_codes(&mut self, target: fn(&Arena) -> Arena) {
        let relocations = self.plans.relocate(target);
        self.slots.plans_mut().for_each(|plan| *plan = relocations.plan(*plan));
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Returns the subscription in a slot, or `None` if it was removed.
    pub(super) fn get(&self, slot: Slot) -> Option<Subscription> {
        let Occupant { group, plan } = self.slots.get(slot)?;
        let filter = self.plans.filter(plan, &self.profile, &self.dictionary);
        Some(self.topics.subscription(group, filter))
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats {
            subscriptions: self.slots.len(),
            plans: self.plans.len(),
            values: self.dictionary.len(),
            postings: self.dictionary.postings(),
            ..Stats::default()
        };
        self.topics.count(&mut stats);
        stats
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.bytes()
            + self.topics.bytes()
            + self.dictionary.bytes()
            + self.plans.bytes()
            + self.postings.bytes()
    }
}
