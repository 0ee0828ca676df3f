//! Matches an event against many subscriptions at once.
//!
//! A [`Matcher`] is an index of [`Subscription`]s. For an event, it returns the [slots](Slot) of
//! those that match. It looks up only the attribute values that the event has, so the cost depends
//! on the index entries under these values and on the number of matches, not on the number of
//! subscriptions (guide, [matching](crate::guide::matching)). The result is always that of
//! [`Subscription::matches`] for each subscription, which property tests check.
//!
//! # Example
//!
//! ```
//! use hooksieve::filter::Profile;
//! use hooksieve::matcher::{Access, Matcher, Scratch, Subscription};
//!
//! let profile = Profile::webhook();
//! let mut matcher = Matcher::new(&profile);
//! let filter = profile.filter(r#"spaceId eq "s1""#)?;
//! let slot = matcher.insert(&Subscription::new("t1", ["com.qlik.v1.app.created"], filter))?;
//!
//! let mut scratch = Scratch::default();
//! let event = profile.read_event(
//!     br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1", "spaceid": "s1"}"#,
//! )?;
//! let hits = matcher.matches(&event, Access::EventOwner, &mut scratch);
//! assert_eq!(hits.collect::<Vec<_>>(), [slot]);
//!
//! matcher.remove(slot);
//! assert_eq!(matcher.matches(&event, Access::EventOwner, &mut scratch).len(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// How the parts fit together; each file has a header with its data structure and invariants.
//
//     insert                                    match
//       │                                         │
//     topics      group and buckets             collect      steps of a match, with buffers from
//       │                                         │          scratch
//     dictionary  value ids                     topics       topic and buckets of the event
//       │                                         │
//     plan        default verdict, access       dictionary   ids and posting lists of its values
//       │         keys, residuals                 │
//     postings    slots by value and bucket     postings     slots to flip or to test
//       │                                         │
//     defaults    slots that match by default   plan, order, defaults
//
//     table, arena, directory and hash are the ground on which the others are built. slots has the
//     group and plan of each subscription; all other parts store its index there.
//
// Sequences of changes and what they must preserve:
//
// - `insert` acquires the group, then the values and the plan, then adds postings. `remove` undoes
//   it in the order postings, plan with its values, group. So a value with postings has a
//   reference, and a tenant id outlives all values of its tenant.
// - Postings are a function of plan and bucket: `remove_postings` walks over the same terms with
//   the same marks as `add_postings` did.

mod arena;
mod collect;
mod decision;
mod defaults;
mod dictionary;
mod directory;
mod error;
mod hash;
mod matches;
mod order;
mod plan;
mod postings;
mod scratch;
mod slots;
mod subscription;
mod table;
mod topics;

pub use decision::Decision;
pub use error::InsertError;
pub use matches::{Matches, Slot};
pub use scratch::{Scratch, Work};
pub use subscription::{Access, Audience, Subscription, Verdict};

use crate::event::Event;
use crate::filter::{Node, Profile};
use arena::{Arena, prefetch};
use dictionary::{AttributeValue, Dictionary};
use plan::{AccessKey, Plan, Plans, Selectivity};
use slots::{Occupant, Slots};
use table::Id;
use topics::{Bucket, Topics};

/// An index of subscriptions; see the [module](self).
///
/// It is stored in a few arrays, so a clone costs little more than copying their bytes. A
/// subscription with a few terms takes about 66 bytes if other filters mention the same values
/// (guide, [matching](crate::guide::matching)).
#[derive(Clone, Debug)]
pub struct Matcher {
    profile: Profile,
    slots: Slots,
    topics: Topics,
    dictionary: Dictionary,
    plans: Plans,
    /// All posting lists and their directories.
    postings: Arena,
}

/// The number of entries of each kind in a [`Matcher`]; returned by [`Matcher::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Subscriptions, including disabled ones.
    pub subscriptions: usize,
    /// Tenants with a subscription.
    pub tenants: usize,
    /// Distinct filters of two or more terms.
    pub plans: usize,
    /// Distinct attribute values that filters mention.
    pub values: usize,
    /// Index entries: one for each indexed value of a filter and each event type.
    pub postings: usize,
    /// Index entries of subscriptions that match unless an attribute value of the event prevents
    /// it.
    pub defaults: usize,
}

impl Matcher {
    /// Creates an empty matcher for filters of a profile.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self {
            profile: profile.clone(),
            slots: Slots::default(),
            topics: Topics::default(),
            dictionary: Dictionary::new(Selectivity::of_profile(profile)),
            plans: Plans::default(),
            postings: Arena::default(),
        }
    }

    /// Returns the profile of the filters.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Inserts a subscription and returns its slot.
    ///
    /// Every later match sees it.
    ///
    /// # Cost
    ///
    /// Amortized time proportional to the terms of the filter times the event types. For each of
    /// these pairs at most 8 KiB of the index move, regardless of how many subscriptions share a
    /// value.
    ///
    /// # Errors
    ///
    /// [`InsertError::OtherProfile`] if the filter was checked with another profile than the
    /// matcher's, and [`InsertError::Full`] if the matcher is full. On an error nothing is changed.
    pub fn insert(&mut self, subscription: &Subscription) -> Result<Slot, InsertError> {
        let filter = subscription.filter();
        if filter.profile() != &self.profile {
            return Err(InsertError::OtherProfile);
        }
        // All sizes are checked here, so nothing below can fail half-way.
        let (terms, types) = (filter.nodes().len(), subscription.event_types().len());
        self.has_room(terms, types).ok_or(InsertError::Full)?;

        let group = self.topics.acquire(subscription);
        let (tenant, buckets) = self.topics.group(group);
        // An insert reads a dozen places far apart. Reading them here makes their misses overlap.
        prefetch(filter.nodes().map(|node| match node {
            Node::Term(term) => {
                let value = AttributeValue::new(tenant, term.attribute, term.value);
                let candidate = self.dictionary.candidate(self.dictionary.hash(value));
                // The value may be new.
                candidate.map_or(0, |place| self.dictionary.prefetch_entry(place))
            }
            _ => 0,
        }));
        let code = plan::encode(filter, |term| {
            self.dictionary.intern(AttributeValue::new(tenant, term.attribute, term.value))
        });
        // The ids are new and have no reference until the plan is acquired; nothing is released
        // between.
        let plan = self.plans.acquire(code, &mut self.dictionary);
        self.prefetch_postings(plan);
        let slot = self.slots.insert(Occupant { group, plan });
        for bucket in &buckets {
            self.add_postings(slot.index, plan, *bucket);
        }
        Ok(slot)
    }

    /// Reads what a change of the postings of a plan's values needs.
    fn prefetch_postings(&self, plan: Plan) {
        let values = self.plans.values(&plan);
        prefetch(values.map(|id| self.dictionary.prefetch_postings(id, &self.postings)));
    }

    /// Returns whether a filter of at most `terms` terms fits, with postings for each of `types`
    /// types.
    fn has_room(&self, terms: usize, types: usize) -> Option<()> {
        // Worst case: every list is copied to a larger block, and so are the directories of each
        // value.
        let copies = self.postings.len().checked_mul(3)?;
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
    ///
    /// No later match returns the slot. A slot that was already removed has an old generation:
    /// removing it again changes nothing and returns `false`.
    ///
    /// # Cost
    ///
    /// As for [`insert`](Self::insert), regardless of how many subscriptions, event types or owners
    /// share a value. Freed memory is kept for later inserts. When most of it is free, all posting
    /// lists move to a smaller allocation. The move costs at most as much as the removals since the
    /// last one.
    pub fn remove(&mut self, slot: Slot) -> bool {
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
        if let Some(relocations) = plans.compact(slots.entries() + dictionary.places()) {
            slots.plans_mut().for_each(|plan| *plan = relocations.plan(*plan));
        }
        if postings.is_sparse(dictionary.places()) {
            self.relocate_postings();
        }
    }

    /// Moves all posting lists to a new arena without free blocks.
    fn relocate_postings(&mut self) {
        let Self { dictionary, postings, .. } = self;
        let mut dense = postings.relocation_target();
        for lists in dictionary.all_postings() {
            *lists = lists.relocated(postings, &mut dense);
        }
        *postings = dense;
    }

    /// Gives back the blocks that lists left while they grew, as in a bulk load.
    pub(crate) fn settle(&mut self) {
        if self.postings.free_words() > self.postings.len() / 8 {
            self.relocate_postings();
        }
    }

    /// Returns the subscription in a slot, or `None` if it was removed.
    ///
    /// The matcher does not store subscriptions. This assembles an equal one from the index.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<Subscription> {
        let Occupant { group, plan } = self.slots.get(slot)?;
        let filter = self.plans.filter(plan, &self.profile, &self.dictionary);
        Some(self.topics.subscription(group, filter))
    }

    /// Returns the slots of all subscriptions that match an event, ascending.
    ///
    /// `access` says which users may access the event's resource; see [`Access`] for what it costs.
    ///
    /// # Cost
    ///
    /// A look-up for each attribute value of the event that filters may mention, a visit for each
    /// index entry under these values, and a step for each slot returned. [`Scratch::work`] counts
    /// them.
    pub fn matches<'m>(
        &'m self,
        event: &Event<'_>,
        access: Access<'_>,
        scratch: &'m mut Scratch,
    ) -> Matches<'m> {
        scratch.run_one(self, event, access);
        Matches::new(self, scratch.indices())
    }

    /// Matches several events, and returns the slots for each, in the order of the events.
    ///
    /// The memory accesses of up to 16 events overlap. In a large index with few hits per event,
    /// this is faster than [`matches`](Self::matches) for one event after another; in a small
    /// index, or with many hits, it can be slower (guide, [matching](crate::guide::matching)).
    ///
    /// ```
    /// use hooksieve::event::{Event, EventType, TenantId};
    /// use hooksieve::filter::Profile;
    /// use hooksieve::matcher::{Access, Matcher, Scratch, Subscription};
    ///
    /// let profile = Profile::webhook();
    /// let mut matcher = Matcher::new(&profile);
    /// let filter = profile.filter(r#"spaceId eq "s1""#)?;
    /// let slot = matcher.insert(&Subscription::new("t1", ["x"], filter))?;
    ///
    /// let event = |space| {
    ///     let (tenant, event_type) = (TenantId::from("t1"), EventType::from("x"));
    ///     let event = Event::new(profile.attribute_paths(), tenant, event_type);
    ///     event.with_attribute("spaceId", space)
    /// };
    /// let events = [event("s1").ok_or("known")?, event("s2").ok_or("known")?];
    /// let queries = events.each_ref().map(|event| (event, Access::EventOwner));
    /// let mut scratch = Scratch::default();
    /// let mut hits = matcher.matches_all(&queries, &mut scratch);
    /// assert_eq!(hits.next().map(|hits| hits.collect::<Vec<_>>()), Some(vec![slot]));
    /// assert_eq!(hits.next().map(|hits| hits.len()), Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn matches_all<'m>(
        &'m self,
        queries: &[(&Event<'_>, Access<'_>)],
        scratch: &'m mut Scratch,
    ) -> impl ExactSizeIterator<Item = Matches<'m>> {
        scratch.run(self, queries);
        scratch.hits().map(move |hits| Matches::new(self, hits))
    }

    /// Returns the number of subscriptions, including disabled ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether the matcher holds no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of entries of each kind.
    ///
    /// Takes time linear in the attribute values and in the event types with their owners.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            subscriptions: self.len(),
            plans: self.plans.len(),
            values: self.dictionary.len(),
            postings: self.dictionary.postings(),
            ..Stats::default()
        };
        self.topics.count(&mut stats);
        stats
    }

    /// Returns the bytes of memory that the matcher has allocated.
    ///
    /// This includes memory kept for later inserts, but not the overhead of the allocator. Takes
    /// time linear in values and event types.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.bytes()
            + self.topics.bytes()
            + self.dictionary.bytes()
            + self.plans.bytes()
            + self.postings.bytes()
    }
}

#[cfg(test)]
mod tests;
