//! Many subscriptions, one event: who is hit.
//!
//! A [`Matcher`] holds [`Subscription`]s and answers, for an event, which of them want it. Only the
//! attribute values that the event has are looked up, so the work follows what the event touches
//! and who wants it, never how many subscriptions exist (guide, [matching](crate::guide::matching)).
//! It is a cache of [`Subscription::matches`], and tests hold it to that after every step.
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

mod blocks;
mod collect;
mod defaults;
mod directory;
mod error;
mod hash;
mod keys;
#[cfg(test)]
mod moves;
mod order;
mod plan;
mod postings;
mod shelves;
mod subscription;

pub use collect::{Scratch, Work};
pub use error::InsertError;
pub use subscription::{Access, Audience, Subscription, Verdict};

use crate::event::Event;
use crate::filter::{Node, Profile};
use blocks::{Blocks, look};
use keys::{Keys, Wanted};
use plan::{Plan, Plans, Watch};
use shelves::{Channel, Shelves, Used};

/// Names a subscription in a [`Matcher`].
///
/// Slots are ordered by index. An index is used again after a removal, with another generation, so
/// a slot that was removed stays without effect for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    index: u32,
    generation: u32,
}

impl Slot {
    /// A small number that no other subscription has at the same time: below the most
    /// subscriptions the matcher ever held at once.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Subscriptions, indexed; see the [module](self).
///
/// Of a subscription it keeps what matching and removal need, in a few arrays: a clone costs little
/// more than copying their bytes, and a webhook of a handful of terms takes some sixty bytes where
/// values are shared (guide, [matching](crate::guide::matching)).
#[derive(Clone, Debug)]
pub struct Matcher {
    profile: Profile,
    slots: Vec<Place>,
    free: Vec<u32>,
    len: usize,
    shelves: Shelves,
    keys: Keys,
    plans: Plans,
    postings: Blocks,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    generation: u32,
    /// `VACANT` where no subscription is held.
    scope: u32,
    plan: Plan,
}

const VACANT: u32 = u32::MAX;

/// What a matcher holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Subscriptions, disabled ones included.
    pub subscriptions: usize,
    /// Tenants with a subscription.
    pub tenants: usize,
    /// Distinct filters of two terms or more.
    pub plans: usize,
    /// Distinct attribute values that filters mention.
    pub values: usize,
    /// Entries under those values.
    pub postings: usize,
    /// Entries of subscriptions that match unless a value says otherwise.
    pub defaults: usize,
}

/// The slots that an event hits, ascending and without doubles.
#[derive(Clone, Debug)]
pub struct Matches<'m> {
    matcher: &'m Matcher,
    hits: std::slice::Iter<'m, u32>,
}

impl<'m> Matches<'m> {
    /// The [indices](Slot::index) of the slots that are left, as a slice.
    #[must_use]
    pub fn indices(&self) -> &'m [u32] {
        self.hits.as_slice()
    }
}

impl Iterator for Matches<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let index = *self.hits.next()?;
        let generation = self.matcher.slots.get(index as usize)?.generation;
        Some(Slot { index, generation })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.hits.size_hint()
    }
}

impl ExactSizeIterator for Matches<'_> {}

impl Matcher {
    /// An empty matcher for filters of this profile.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        Self {
            profile: profile.clone(),
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
            shelves: Shelves::default(),
            keys: Keys::new(plan::ranks(profile)),
            plans: Plans::default(),
            postings: Blocks::default(),
        }
    }

    /// The profile of the filters.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Adds a subscription; every later match sees it.
    ///
    /// Costs time linear in the terms of its filter, for each of its event types. However many
    /// subscriptions share a value, at most 8 KB of its postings move for each of them.
    ///
    /// # Errors
    ///
    /// A filter of another profile, or no room left.
    pub fn insert(&mut self, subscription: &Subscription) -> Result<Slot, InsertError> {
        let filter = subscription.filter();
        if filter.profile() != &self.profile {
            return Err(InsertError::OtherProfile);
        }
        let (terms, types) = (filter.nodes().len(), subscription.event_types().len());
        self.have_room(terms, types).ok_or(InsertError::Full)?;

        let scope = self.shelves.hold(subscription);
        let (tenant, shelves) = self.shelves.of_scope(scope);
        look(filter.nodes().map(|node| match node {
            Node::Term(term) => {
                let wanted = Wanted::new(tenant, term.attribute, term.value);
                self.keys.touch(self.keys.candidate(self.keys.hash(wanted)))
            }
            _ => 0,
        }));
        let code = plan::encode(filter, |term| {
            self.keys.number(Wanted::new(tenant, term.attribute, term.value))
        });
        let plan = self.plans.hold(code, &mut self.keys);
        self.look_at_postings(plan);
        let scope = u32::try_from(scope).unwrap_or(VACANT);
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Place { generation: 0, scope: VACANT, plan });
                u32::try_from(self.slots.len() - 1).unwrap_or(VACANT)
            }
        };
        let Some(place) = self.slots.get_mut(index as usize) else {
            return Err(InsertError::Full);
        };
        (place.scope, place.plan) = (scope, plan);
        let generation = place.generation;
        self.len += 1;
        for shelf in &shelves {
            self.post(index, plan, *shelf);
        }
        Ok(Slot { index, generation })
    }

    /// Reads what a change of the postings of a plan's values is going to read.
    fn look_at_postings(&self, plan: Plan) {
        let numbers = self.plans.mentioned(&plan);
        look(numbers.map(|number| self.keys.touch_postings(number, &self.postings)));
    }

    /// Whether one more filter fits, of at most `terms`, to be posted for each of `types`.
    fn have_room(&self, terms: usize, types: usize) -> Option<()> {
        // At the worst all lists are copied to grow, those of each value's shelves too.
        let copies = self.postings.len().checked_mul(3)?;
        let new = terms.checked_mul(types)?.checked_mul(16)?;
        let fits = self.slots.len() < VACANT as usize
            && self.keys.len() + terms < Keys::MAX
            && self.plans.have_room(terms)
            && copies.checked_add(new)? < Blocks::MAX;
        fits.then_some(())
    }

    fn post(&mut self, slot: u32, plan: Plan, at: u32) {
        let Self { shelves, keys, plans, postings, .. } = self;
        let Some(shelf) = shelves.shelf_mut(at) else { return };
        if plan.default() {
            shelf.defaults.insert(slot);
        }
        let channel = shelf.channel;
        let Some(Channel { used, .. }) = shelves.channel_mut(channel) else { return };
        for (number, watch) in plans.terms(&plan) {
            let test = (watch == Watch::Test).then(|| plans.test(plan, number, keys).0);
            let Some((attribute, lists, count)) = keys.posted(number) else { continue };
            if used.len() <= attribute {
                used.resize(attribute + 1, Used::default());
            }
            let Some(used) = used.get_mut(attribute) else { continue };
            used.all += 1;
            if watch != Watch::Not {
                lists.put(postings, at, slot, test);
                used.watched += 1;
                *count += 1;
            }
        }
    }

    fn unpost(&mut self, slot: u32, plan: Plan, at: u32) {
        let Self { shelves, keys, plans, postings, .. } = self;
        let Some(shelf) = shelves.shelf_mut(at) else { return };
        if plan.default() {
            shelf.defaults.remove(slot);
        }
        let channel = shelf.channel;
        let Some(Channel { used, .. }) = shelves.channel_mut(channel) else { return };
        for (number, watch) in plans.terms(&plan) {
            let Some((attribute, lists, count)) = keys.posted(number) else { continue };
            let Some(used) = used.get_mut(attribute) else { continue };
            used.all -= 1;
            if watch != Watch::Not {
                lists.take(postings, at, slot, watch != Watch::Enough);
                used.watched -= 1;
                *count -= 1;
            }
        }
    }

    /// Removes a subscription; no later match sees it. Returns whether it was there: a slot that was
    /// removed removes nothing.
    ///
    /// Costs as [`insert`](Self::insert): time linear in the terms of the filter, for each event type,
    /// and at most 8 KB moved for each, however many subscriptions, event types or owners share a
    /// value. Now and then, when most of the memory is free, all lists move to less of it, which costs
    /// no more than the removals before. Nothing is left but room for later inserts.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let Some(Place { scope, plan, .. }) = self.place(slot) else { return false };
        look(self.plans.mentioned(&plan).map(|number| self.keys.touch(number)));
        look(std::iter::once(self.plans.touch_entry(plan, &self.keys)));
        self.look_at_postings(plan);
        let (_, shelves) = self.shelves.of_scope(scope as usize);
        for shelf in &shelves {
            self.unpost(slot.index, plan, *shelf);
        }
        self.plans.release(plan, &mut self.keys);
        self.shelves.release(scope as usize);
        self.len -= 1;
        if let Some(place) = self.slots.get_mut(slot.index()) {
            place.scope = VACANT;
            // A slot whose generations are used up is never given out again.
            if let Some(next) = place.generation.checked_add(1) {
                place.generation = next;
                self.free.push(slot.index);
            }
        }
        self.compact();
        true
    }

    /// Gives memory back where most of it is free.
    fn compact(&mut self) {
        let Self { slots, keys, plans, postings, .. } = self;
        if let Some(moved) = plans.compact(slots.len() + keys.places()) {
            for place in slots.iter_mut().filter(|place| place.scope != VACANT) {
                place.plan = moved.plan(place.plan);
            }
        }
        if postings.is_sparse(keys.places()) {
            self.move_postings();
        }
    }

    fn move_postings(&mut self) {
        let Self { keys, postings, .. } = self;
        let mut dense = postings.moved();
        for lists in keys.all_posted() {
            *lists = lists.moved(postings, &mut dense);
        }
        *postings = dense;
    }

    /// Gives back the memory that lists left behind while they grew together, as in a bulk load.
    pub(crate) fn settle(&mut self) {
        if self.postings.idle() > self.postings.len() / 8 {
            self.move_postings();
        }
    }

    fn place(&self, slot: Slot) -> Option<Place> {
        let place = self.slots.get(slot.index())?;
        (place.generation == slot.generation && place.scope != VACANT).then_some(*place)
    }

    /// The subscription in a slot, made anew from what the matcher holds of it; `None` for one that
    /// was removed.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<Subscription> {
        let Place { scope, plan, .. } = self.place(slot)?;
        let filter = self.plans.filter(plan, &self.profile, &self.keys);
        self.shelves.subscription(scope as usize, filter)
    }

    /// The slots of all subscriptions that want the event, ascending.
    ///
    /// Work is counted in [`Scratch::work`]: a look-up for each attribute of the event, a visit
    /// for each posting under its values, and the output. `access` says who may access the
    /// event's resource; see [`Access`] for what it costs.
    pub fn matches<'m>(
        &'m self,
        event: &Event<'_>,
        access: Access<'_>,
        scratch: &'m mut Scratch,
    ) -> Matches<'m> {
        scratch.run_one(self, event, access);
        Matches { matcher: self, hits: scratch.hits(0).iter() }
    }

    /// As [`matches`](Self::matches) for each of many events, in their order.
    ///
    /// Faster than one by one where the index is larger than the processor's caches: the look-ups
    /// of several events wait for memory at the same time.
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
    ///     let event = Event::new(profile.attribute_paths(), TenantId::from("t1"), EventType::from("x"));
    ///     event.with_attribute("spaceId", space)
    /// };
    /// let events = [event("s1").ok_or("known")?, event("s2").ok_or("known")?];
    /// let queries = events.each_ref().map(|event| (event, Access::EventOwner));
    /// let mut scratch = Scratch::default();
    /// let hits: Vec<Vec<_>> = matcher.matches_all(&queries, &mut scratch).map(Iterator::collect).collect();
    /// assert_eq!(hits, [vec![slot], vec![]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn matches_all<'m>(
        &'m self,
        queries: &[(&Event<'_>, Access<'_>)],
        scratch: &'m mut Scratch,
    ) -> impl ExactSizeIterator<Item = Matches<'m>> {
        scratch.run(self, queries);
        let scratch = &*scratch;
        (0..queries.len()).map(move |at| Matches { matcher: self, hits: scratch.hits(at).iter() })
    }

    /// How many subscriptions it holds, disabled ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What it holds; takes time linear in that.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            subscriptions: self.len(),
            plans: self.plans.len(),
            values: self.keys.len(),
            postings: self.keys.postings(),
            ..Stats::default()
        };
        self.shelves.count(&mut stats);
        stats
    }

    /// The bytes of memory it has taken, those that it keeps for later inserts included; what an
    /// allocator adds to each allocation is not. Takes time linear in values and event types.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Place>()
            + self.free.capacity() * size_of::<u32>()
            + self.shelves.bytes()
            + self.keys.bytes()
            + self.plans.bytes()
            + self.postings.bytes()
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Event, EventType, TenantId};
    use crate::filter::Profile;
    use crate::matcher::blocks::Blocks;
    use crate::matcher::keys::Keys;
    use crate::matcher::{Access, Matcher, Scratch, Slot, Subscription};

    fn insert(matcher: &mut Matcher, filter: &str) -> Slot {
        let filter = matcher.profile().filter(filter).unwrap();
        matcher.insert(&Subscription::new("t", ["x"], filter)).unwrap()
    }

    /// None of these could be held, so that nobody can see it from outside.
    #[test]
    fn there_is_room_for_so_much_and_no_more() {
        let matcher = Matcher::new(&Profile::webhook());
        let room = |terms, types| matcher.have_room(terms, types).is_some();
        assert!(room(0, 0) && room(1 << 16, 1 << 8));
        assert!(room(Keys::MAX - 1, 0) && !room(Keys::MAX, 0), "values");
        assert!(!room(1 << 20, Blocks::MAX >> 20), "words of lists");
        assert!(!room(usize::MAX, 2) && !room(usize::MAX / 2, 2));
    }

    #[test]
    fn lists_that_grew_together_leave_nothing_once_they_are_settled() {
        let profile = Profile::webhook();
        let mut matcher = Matcher::new(&profile);
        let count = if cfg!(miri) { 1000 } else { 5000 };
        for n in 0..count {
            insert(&mut matcher, &format!(r#"spaceId eq "s{}""#, n % 50));
        }
        let event =
            Event::new(profile.attribute_paths(), TenantId::from("t"), EventType::from("x"));
        let event = event.with_attribute("spaceId", "s7").unwrap();
        let hits = |matcher: &Matcher| {
            let mut scratch = Scratch::default();
            matcher.matches(&event, Access::EventOwner, &mut scratch).collect::<Vec<_>>()
        };
        let (before, grown) = (hits(&matcher), matcher.postings.bytes());
        assert_eq!(before.len(), count / 50);
        matcher.settle();
        let (settled, len) = (matcher.postings.bytes(), matcher.postings.len());
        assert!(settled < grown / 4 * 3, "{settled} of {grown}");
        assert_eq!((matcher.postings.idle(), hits(&matcher)), (0, before));

        // A little that is free is kept for what comes next: moving all would cost more.
        let few: Vec<Slot> =
            (0..20).map(|n| insert(&mut matcher, &format!(r#"id eq "i{n}""#))).collect();
        few.into_iter().for_each(|slot| assert!(matcher.remove(slot)));
        let idle = matcher.postings.idle();
        assert!((8..len / 8).contains(&idle), "{idle} of {len}");
        matcher.settle();
        assert_eq!(matcher.postings.idle(), idle);
    }
}
