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

// `index` shows how the parts fit together. Each file has a header with its data structure and
// invariants.

mod arena;
mod collect;
mod decision;
mod defaults;
mod dictionary;
mod directory;
mod error;
mod hash;
mod index;
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
use crate::filter::Profile;
use index::Index;
use slots::Slots;

/// An index of subscriptions; see the [module](self).
///
/// It is stored in a few arrays, so a clone costs little more than copying their bytes. A
/// subscription with a few terms takes about 69 bytes if other filters mention the same values, and
/// 55 after [`shrink`](Self::shrink)
/// (guide, [matching](crate::guide::matching)).
#[derive(Clone, Debug)]
pub struct Matcher {
    profile: Profile,
    /// Created by the first insert, because many tenants have a matcher but no webhook.
    index: Option<Box<Index>>,
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
        Self { profile: profile.clone(), index: None }
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
        self.index_mut().insert(subscription).ok_or(InsertError::Full)
    }

    /// Returns the index, which an empty matcher does not have.
    fn index_mut(&mut self) -> &mut Index {
        let Self { profile, index } = self;
        index.get_or_insert_with(|| Box::new(Index::new(profile)))
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
    /// last move.
    pub fn remove(&mut self, slot: Slot) -> bool {
        self.index.as_mut().is_some_and(|index| index.remove(slot))
    }

    /// Gives back the memory that is kept for later inserts.
    ///
    /// Useful after many inserts, as in a load: with a million webhooks that share values, it takes
    /// the memory of each from 69 to 55 bytes. Slots remain valid, and later changes grow the index
    /// again.
    ///
    /// # Cost
    ///
    /// Copies the whole index. At most one part at a time exists in two copies.
    pub fn shrink(&mut self) {
        if let Some(index) = &mut self.index {
            index.shrink();
        }
    }

    /// Returns the subscription in a slot, or `None` if it was removed.
    ///
    /// The matcher does not store subscriptions. This assembles an equal one from the index.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<Subscription> {
        self.index.as_ref()?.get(slot)
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
        match &self.index {
            Some(index) => scratch.run_one(index, event, access),
            None => scratch.begin(),
        }
        Matches::new(self.slots(), scratch.indices())
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
        match &self.index {
            Some(index) => scratch.run(index, queries),
            None => scratch.find_nothing(queries.len()),
        }
        scratch.hits().map(move |hits| Matches::new(self.slots(), hits))
    }

    fn slots(&self) -> &Slots {
        static EMPTY: Slots = Slots::new();
        self.index.as_ref().map_or(&EMPTY, |index| index.slots())
    }

    /// Returns the number of subscriptions, including disabled ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots().len()
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
        self.index.as_ref().map(|index| index.stats()).unwrap_or_default()
    }

    /// Returns the bytes of memory that the matcher has allocated.
    ///
    /// This includes memory kept for later inserts, but not the overhead of the allocator. Takes
    /// time linear in values and event types.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.index.as_ref().map_or(0, |index| size_of::<Index>() + index.bytes())
    }
}

#[cfg(test)]
mod tests;
