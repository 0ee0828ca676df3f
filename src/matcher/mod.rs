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
//! let filter = profile.filter(r#"spaceId eq "s1""#, None)?;
//! let slot = matcher.insert(Subscription::new("t1", ["com.qlik.v1.app.created"], filter))?;
//!
//! let mut scratch = Scratch::default();
//! let event = profile.read_event(
//!     br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1", "spaceid": "s1"}"#,
//! )?;
//! let hits = matcher.matches(&event, Access::Owner, &mut scratch);
//! assert_eq!(hits.collect::<Vec<_>>(), [slot]);
//!
//! matcher.remove(slot);
//! assert_eq!(matcher.matches(&event, Access::Owner, &mut scratch).len(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod index;
mod plan;
mod subscription;

pub use subscription::{Access, Audience, Subscription, Verdict};

use crate::event::{Event, EventType, TenantId, UserId};
use crate::filter::Profile;
use hashbrown::HashMap;
use index::{Index, Test};
use plan::{Number, Plan, Plans};

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

/// A subscription that cannot be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// The filter was checked by another profile than the matcher's.
    #[error("the filter was checked by another profile than the matcher's")]
    OtherProfile,
    /// There is no slot left: 2³² are in use or worn out.
    #[error("the matcher has no slot left")]
    Full,
}

/// Subscriptions, indexed; see the [module](self).
#[derive(Clone, Debug)]
pub struct Matcher {
    profile: Profile,
    slots: Vec<Place>,
    free: Vec<u32>,
    len: usize,
    tenants: HashMap<TenantId, HashMap<EventType, Shelf>>,
    plans: Plans,
}

#[derive(Clone, Debug)]
struct Place {
    generation: u32,
    held: Option<Box<Held>>,
}

#[derive(Clone, Debug)]
struct Held {
    subscription: Subscription,
    plan: u32,
}

/// The subscriptions of one tenant to one event type.
#[derive(Clone, Debug, Default)]
struct Shelf {
    tenant: Index,
    owners: HashMap<UserId, Index>,
}

/// Memory that matching needs, kept by the caller from one match to the next.
///
/// One for each thread; any matcher may use it. Once it has grown to its use, a match allocates
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    turned: Vec<u32>,
    tests: Vec<Test>,
    /// Of the event's values, by attribute.
    numbers: Vec<Number>,
    hits: Vec<u32>,
    work: Work,
}

impl Scratch {
    /// What the last match did.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }
}

/// What one match did, to tell what makes it dear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Attribute values looked up.
    pub probes: usize,
    /// Postings of those values visited.
    pub postings: usize,
    /// Filters evaluated, where the value alone did not decide.
    pub tests: usize,
}

/// What a matcher holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Subscriptions, disabled ones included.
    pub subscriptions: usize,
    /// Tenants with an enabled subscription.
    pub tenants: usize,
    /// Distinct filters.
    pub plans: usize,
    /// Distinct values that filters which are ever evaluated mention.
    pub values: usize,
    /// Attribute values under which subscriptions are found.
    pub keys: usize,
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
            tenants: HashMap::new(),
            plans: Plans::default(),
        }
    }

    /// Adds a subscription; every later match sees it.
    ///
    /// Costs time linear in the terms of its filter, for each of its event types, and, where a
    /// slot is used again, in the length of the lists it joins.
    ///
    /// # Errors
    ///
    /// A filter of another profile, or no slot left.
    pub fn insert(&mut self, mut subscription: Subscription) -> Result<Slot, InsertError> {
        if subscription.filter().profile() != &self.profile {
            return Err(InsertError::OtherProfile);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).map_err(|_| InsertError::Full)?;
                self.slots.push(Place { generation: 0, held: None });
                index
            }
        };
        let id = self.plans.hold(subscription.filter());
        let Some(plan) = self.plans.get(id) else {
            return Err(InsertError::Full);
        };
        subscription.share_filter(plan.filter());
        if subscription.is_enabled() {
            let tenant = self.tenants.entry_ref(subscription.tenant()).or_default();
            for event_type in subscription.event_types() {
                let shelf = tenant.entry_ref(event_type).or_default();
                shelf.index_mut(subscription.audience()).insert(index, plan, id);
            }
            if tenant.is_empty() {
                self.tenants.remove(subscription.tenant());
            }
        }
        let Some(place) = self.slots.get_mut(index as usize) else {
            return Err(InsertError::Full);
        };
        place.held = Some(Box::new(Held { subscription, plan: id }));
        self.len += 1;
        Ok(Slot { index, generation: place.generation })
    }

    /// Takes a subscription out; no later match sees it. `None` for a slot that was removed.
    ///
    /// Costs as [`insert`](Self::insert), and leaves nothing behind.
    pub fn remove(&mut self, slot: Slot) -> Option<Subscription> {
        let place = self.slots.get_mut(slot.index())?;
        if place.generation != slot.generation {
            return None;
        }
        let Held { subscription, plan: id } = *place.held.take()?;
        self.len -= 1;
        // A slot whose generations are used up is never given out again.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.free.push(slot.index);
        }
        if subscription.is_enabled()
            && let Some(tenant) = self.tenants.get_mut(subscription.tenant())
            && let Some(plan) = self.plans.get(id)
        {
            for event_type in subscription.event_types() {
                if let Some(shelf) = tenant.get_mut(event_type) {
                    shelf.remove(slot.index, plan, subscription.audience());
                    if shelf.is_empty() {
                        tenant.remove(event_type);
                    }
                }
            }
            if tenant.is_empty() {
                self.tenants.remove(subscription.tenant());
            }
        }
        self.plans.release(id);
        Some(subscription)
    }

    /// The subscription in a slot; `None` for one that was removed.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Subscription> {
        let place = self.slots.get(slot.index())?;
        let held = place.held.as_ref().filter(|_| place.generation == slot.generation)?;
        Some(&held.subscription)
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
        scratch.hits.clear();
        scratch.work = Work::default();
        let tenant = self.tenants.get(event.tenant());
        if let Some(shelf) = tenant.and_then(|tenant| tenant.get(event.event_type())) {
            let mut lists = usize::from(!shelf.tenant.is_empty());
            self.collect(&shelf.tenant, event, scratch);
            let mut of_owner = |index: &Index| {
                lists += 1;
                self.collect(index, event, scratch);
            };
            match access {
                Access::Owner => {
                    let owner = event.owner().and_then(|owner| shelf.owners.get(owner));
                    owner.into_iter().for_each(&mut of_owner);
                }
                Access::Users(users) => {
                    users.iter().filter_map(|user| shelf.owners.get(user)).for_each(&mut of_owner);
                }
                Access::Everyone => shelf.owners.values().for_each(&mut of_owner),
                Access::Asked(may_access) => {
                    let owners = shelf.owners.iter().filter(|(owner, _)| may_access(owner));
                    owners.map(|(_, index)| index).for_each(&mut of_owner);
                }
            }
            if lists > 1 {
                scratch.hits.sort_unstable();
                // A user may be named twice.
                scratch.hits.dedup();
            }
        }
        Matches { matcher: self, hits: scratch.hits.iter() }
    }

    fn collect(&self, index: &Index, event: &Event<'_>, scratch: &mut Scratch) {
        let value = |attribute| event.value(self.profile.layout(), attribute);
        index.collect(value, &self.plans, scratch);
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
            tenants: self.tenants.len(),
            plans: self.plans.len(),
            values: self.plans.values(),
            ..Stats::default()
        };
        for shelf in self.tenants.values().flat_map(HashMap::values) {
            shelf.tenant.count(&mut stats);
            shelf.owners.values().for_each(|index| index.count(&mut stats));
        }
        stats
    }
}

impl Shelf {
    fn index_mut(&mut self, audience: &Audience) -> &mut Index {
        match audience {
            Audience::Tenant => &mut self.tenant,
            Audience::Owner(owner) => self.owners.entry_ref(owner).or_default(),
        }
    }

    fn remove(&mut self, slot: u32, plan: &Plan, audience: &Audience) {
        let index = self.index_mut(audience);
        index.remove(slot, plan);
        if let Audience::Owner(owner) = audience
            && index.is_empty()
        {
            self.owners.remove(owner);
        }
    }

    fn is_empty(&self) -> bool {
        self.tenant.is_empty() && self.owners.is_empty()
    }
}
