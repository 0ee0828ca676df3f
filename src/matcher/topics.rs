//! Groups subscriptions by tenant, event type and owner.
//!
//! # Data structure
//!
//! A *topic* is an event type of a tenant. Its subscriptions are in *buckets*: the tenant bucket
//! for those to all resources, and an *owner bucket* for each user with subscriptions to the
//! resources that this user may access. Postings and default slots are kept per bucket, so an event
//! never visits the subscriptions of users without access.
//!
//! Subscriptions with the same tenant, event types, audience and state share a *subscription
//! group*, which lists its buckets, one per event type. A slot stores its group in one word instead
//! of all of that.
//!
//! ```text
//! slot ──► group                          topics               buckets
//!          (t1, [x, y], user u1) ───┬───► (t1, x)  tenant ───► 0  defaults
//!                                   │              owners u1 ► 1  defaults
//!                                   └───► (t1, y)  owners u1 ► 2  defaults
//!
//! event (t1, x), owner u1, access of the event's owner:  buckets 0 and 1
//! event (t1, x), owner u2, access of the event's owner:  bucket 0
//! ```
//!
//! Topics, buckets, groups and tenants are in tables and have small ids. Two hash tables find a
//! topic by its name and a group by its contents; both store hashes and ids only.
//!
//! # Example
//!
//! The first subscription of user u1 to x and y creates the group, the topics (t1, x) and (t1, y),
//! and one bucket in each. The next one of the same kind finds the group by its hash and adds a
//! reference. When the last one is removed, the group releases its buckets, a bucket without groups
//! leaves its topic, and a topic without buckets is removed.
//!
//! # Invariants
//!
//! - A group references its buckets once each, however many subscriptions it has.
//! - A group of disabled subscriptions has no bucket, so they have no posting and no match finds
//!   them.
//! - An id is stored only in what references its entry: the id of a group in slots, that of a bucket
//!   in groups, postings and its topic, that of a topic in its buckets. So looking one up cannot
//!   fail; [`Table`] relies on it.
//! - A topic exists exactly while it has a bucket, and a tenant id while its tenant has a group.
//! - `AttributeUse` counts the terms of all buckets of a topic, so it says whether a match needs to
//!   look up an attribute at all.
//! - The empty user id belongs to no user: only [`Access::Everyone`] reaches its bucket.
//!
//! # Rejected
//!
//! Indexing subscriptions of users like all others and checking access for each hit: the cost is
//! the number of such webhooks that match. By default only the event's owner can be hit, which is
//! one look-up here.

mod memory;

use super::defaults::Defaults;
use super::hash::{Hash32, Hashes, IdTable, same};
use super::order::sort_unique_from;
use super::postings::MAX_BUCKETS;
use super::table::{Id, Table};
use super::{Access, Audience, Stats, Subscription};
use crate::event::{Event, EventType, TenantId, UserId};
use crate::filter::Filter;
use hashbrown::HashMap;
use smallvec::SmallVec;

/// All topics, buckets and subscription groups; see the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Topics {
    topics: Table<Topic>,
    buckets: Table<Bucket>,
    groups: Table<SubscriptionGroup>,
    /// Topics by tenant and event type.
    by_name: IdTable<Id<Topic>>,
    /// Groups by tenant, event types and audience.
    by_contents: IdTable<Id<SubscriptionGroup>>,
    /// Gives ids to tenants; all that is known of one is in `by_tenant`.
    tenants: Table<()>,
    /// The id of each tenant, and how many groups it has.
    by_tenant: HashMap<TenantId, (Id<()>, usize)>,
    hashes: Hashes,
}

/// An event type of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    tenant: TenantId,
    event_type: EventType,
    pub(super) tenant_id: u32,
    /// For each attribute up to the last one that a filter of the topic mentions.
    pub(super) attributes: AttributeUses,
    /// The bucket of subscriptions to all resources.
    tenant_bucket: Option<Id<Bucket>>,
    owner_buckets: HashMap<UserId, Id<Bucket>>,
}

/// What filters use of each attribute, up to the last one that a filter mentions.
#[derive(Clone, Debug, Default)]
pub(super) struct AttributeUses(SmallVec<[AttributeUse; 4]>);

impl AttributeUses {
    #[inline]
    pub(super) fn iter(&self) -> std::slice::Iter<'_, AttributeUse> {
        self.0.iter()
    }

    /// Returns the use of an attribute, which need not have been mentioned yet.
    #[expect(clippy::indexing_slicing, reason = "the list is made long enough")]
    pub(super) fn of_mut(&mut self, attribute: usize) -> &mut AttributeUse {
        if self.0.len() <= attribute {
            self.0.resize(attribute + 1, AttributeUse::default());
        }
        &mut self.0[attribute]
    }
}

/// Counts the terms that mention an attribute, so that a match looks up only values that matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AttributeUse {
    pub(super) terms: u64,
    /// The terms whose value is an access key.
    pub(super) access_keys: u64,
}

impl AttributeUse {
    /// Returns whether a value of the attribute can be an access key.
    pub(super) fn has_access_keys(self) -> bool {
        self.access_keys > 0
    }

    /// Returns whether values of the attribute occur only in residual predicates.
    pub(super) fn is_residual_only(self) -> bool {
        self.terms > 0 && self.access_keys == 0
    }
}

/// The subscriptions to a topic for one audience.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) topic: Id<Topic>,
    /// The user of an owner bucket; `None` for the tenant bucket.
    owner: Option<UserId>,
    pub(super) defaults: Defaults,
    /// How many groups have this bucket.
    references: usize,
}

/// What subscriptions have in common, apart from their filters.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionGroup {
    tenant: TenantId,
    event_types: Box<[EventType]>,
    enabled: bool,
    audience: Audience,
    tenant_id: u32,
    /// The bucket for each event type; none if the subscriptions are disabled.
    buckets: SmallVec<[Id<Bucket>; 2]>,
    /// How many subscriptions are in the group.
    references: usize,
}

impl SubscriptionGroup {
    /// Returns whether a subscription belongs to the group.
    fn includes(&self, subscription: &Subscription) -> bool {
        self.enabled == subscription.is_enabled()
            && self.tenant == *subscription.tenant()
            && *self.event_types == *subscription.event_types()
            && self.audience == *subscription.audience()
    }
}

impl Topics {
    #[inline]
    fn name_hash(&self, tenant: &str, event_type: &str) -> Hash32 {
        // The tenant's hash seeds that of the event type.
        let tenant = self.hashes.text(0, tenant);
        self.hashes.text(tenant.into(), event_type)
    }

    fn contents_hash(
        &self,
        tenant: &TenantId,
        event_types: &[EventType],
        audience: &Audience,
    ) -> Hash32 {
        self.hashes.of((tenant, event_types, audience))
    }

    /// Returns whether there is room for a bucket for each of `types` event types.
    ///
    /// The id of a new bucket is that of a removed one, or the number of buckets.
    pub(super) fn has_room(&self, types: usize) -> bool {
        types < MAX_BUCKETS && self.buckets.len() < MAX_BUCKETS - types
    }

    /// Returns the group of a subscription, and adds a reference to it.
    pub(super) fn acquire(&mut self, subscription: &Subscription) -> Id<SubscriptionGroup> {
        let (tenant, types) = (subscription.tenant(), subscription.event_types());
        let hash = self.contents_hash(tenant, types, subscription.audience());
        // `enabled` is not hashed: it distinguishes at most two groups of the same hash.
        let includes = |at| self.groups.get(at).includes(subscription);
        if let Some(at) = self.by_contents.find(hash, includes) {
            self.groups.get_mut(at).references += 1;
            return at;
        }
        let tenant_id = self.acquire_tenant(tenant);
        // A disabled subscription is stored, but reaches no bucket.
        let enabled_types = if subscription.is_enabled() { types } else { &[] };
        let bucket = |event_type| {
            self.acquire_bucket(tenant, tenant_id, event_type, subscription.audience())
        };
        let buckets = enabled_types.iter().map(bucket).collect();
        let at = self.groups.insert(SubscriptionGroup {
            tenant: tenant.clone(),
            event_types: types.into(),
            enabled: subscription.is_enabled(),
            audience: subscription.audience().clone(),
            tenant_id,
            buckets,
            references: 1,
        });
        self.by_contents.insert(hash, at);
        at
    }

    /// Returns the id of a tenant, and adds a reference to it.
    fn acquire_tenant(&mut self, tenant: &TenantId) -> u32 {
        let Self { tenants, by_tenant, .. } = self;
        let known = by_tenant.entry_ref(tenant);
        let (id, references) = known.or_insert_with(|| (tenants.insert(()), 0));
        *references += 1;
        id.word()
    }

    /// Drops a reference to a tenant, and frees its id with the last one.
    fn release_tenant(&mut self, tenant: &TenantId) {
        let known = self.by_tenant.get_mut(tenant);
        debug_assert!(known.is_some(), "the tenant of a group has no id");
        if let Some((id, references)) = known {
            *references -= 1;
            if *references == 0 {
                // The id may be reused: no value of the tenant is left in the dictionary, since
                // its subscriptions released their plans before their groups.
                self.tenants.remove(*id);
                self.by_tenant.remove(tenant);
            }
        }
    }

    /// Returns the bucket of an audience in a topic, and adds a reference to it.
    fn acquire_bucket(
        &mut self,
        tenant: &TenantId,
        tenant_id: u32,
        event_type: &EventType,
        audience: &Audience,
    ) -> Id<Bucket> {
        let known = self.find(tenant.as_str(), event_type.as_str());
        let at = known.unwrap_or_else(|| {
            let at = self.topics.insert(Topic {
                tenant: tenant.clone(),
                event_type: event_type.clone(),
                tenant_id,
                attributes: AttributeUses::default(),
                tenant_bucket: None,
                owner_buckets: HashMap::new(),
            });
            let hash = self.name_hash(tenant.as_str(), event_type.as_str());
            self.by_name.insert(hash, at);
            at
        });
        let Self { topics, buckets, .. } = self;
        let topic = topics.get_mut(at);
        let owner = match audience {
            Audience::Tenant => None,
            Audience::Owner(owner) => Some(owner),
        };
        let new = || {
            let owner = owner.cloned();
            let defaults = Defaults::default();
            buckets.insert(Bucket { topic: at, owner, defaults, references: 0 })
        };
        let bucket = match owner {
            None => *topic.tenant_bucket.get_or_insert_with(new),
            Some(owner) => *topic.owner_buckets.entry_ref(owner).or_insert_with(new),
        };
        buckets.get_mut(bucket).references += 1;
        bucket
    }

    /// Drops a reference to a group, and removes what only this group needs with the last one.
    pub(super) fn release(&mut self, at: Id<SubscriptionGroup>) {
        let group = self.groups.get_mut(at);
        group.references -= 1;
        if group.references > 0 {
            return;
        }
        let SubscriptionGroup { tenant, event_types, audience, buckets, .. } =
            self.groups.remove(at);
        let hash = self.contents_hash(&tenant, &event_types, &audience);
        // By id: a group that differs only in `enabled` has the same hash.
        self.by_contents.remove(hash, at);
        buckets.into_iter().for_each(|bucket| self.release_bucket(bucket));
        self.release_tenant(&tenant);
    }

    fn release_bucket(&mut self, at: Id<Bucket>) {
        let bucket = self.buckets.get_mut(at);
        bucket.references -= 1;
        if bucket.references > 0 {
            return;
        }
        let Bucket { topic: at, owner, .. } = self.buckets.remove(at);
        let topic = self.topics.get_mut(at);
        match owner {
            None => topic.tenant_bucket = None,
            Some(owner) => {
                topic.owner_buckets.remove(&owner);
                // `Access::Everyone` and `Access::Predicate` walk the whole table, so it must not
                // stay large. Room for twice as many owners keeps reallocations rare.
                topic.owner_buckets.shrink_to(2 * topic.owner_buckets.len());
            }
        }
        if topic.tenant_bucket.is_none() && topic.owner_buckets.is_empty() {
            let Topic { tenant, event_type, .. } = self.topics.remove(at);
            // No group has a bucket in the topic, so no slot can refer to its id, which may be
            // reused.
            let hash = self.name_hash(tenant.as_str(), event_type.as_str());
            self.by_name.remove(hash, at);
        }
    }

    /// Returns the tenant id and the buckets of a group.
    pub(super) fn group(&self, at: Id<SubscriptionGroup>) -> (u32, SmallVec<[Id<Bucket>; 2]>) {
        let group = self.groups.get(at);
        (group.tenant_id, group.buckets.clone())
    }

    /// Returns a subscription of a group with a filter.
    pub(super) fn subscription(&self, at: Id<SubscriptionGroup>, filter: Filter) -> Subscription {
        let group = self.groups.get(at);
        let types = group.event_types.iter().cloned();
        let subscription = Subscription::new(group.tenant.clone(), types, filter);
        subscription.with_audience(group.audience.clone()).with_enabled(group.enabled)
    }

    #[inline]
    pub(super) fn bucket(&self, at: Id<Bucket>) -> &Bucket {
        self.buckets.get(at)
    }

    /// Returns a bucket and its topic.
    pub(super) fn bucket_mut(&mut self, at: Id<Bucket>) -> (&mut Bucket, &mut Topic) {
        let bucket = self.buckets.get_mut(at);
        let topic = self.topics.get_mut(bucket.topic);
        (bucket, topic)
    }

    #[inline]
    pub(super) fn topic(&self, at: Id<Topic>) -> &Topic {
        self.topics.get(at)
    }

    /// Returns the id of the topic of a tenant and an event type.
    pub(super) fn find(&self, tenant: &str, event_type: &str) -> Option<Id<Topic>> {
        let hash = self.name_hash(tenant, event_type);
        self.by_name.find(hash, |at| self.topic(at).is(tenant, event_type))
    }

    /// As [`find`](Self::find), but tries the topic `last` first, without hashing.
    ///
    /// Events of one topic often arrive one after another. A stale `last` is harmless, since the
    /// name is compared.
    #[inline]
    pub(super) fn find_from(
        &self,
        last: Id<Topic>,
        tenant: &str,
        event_type: &str,
    ) -> Option<Id<Topic>> {
        match self.topics.peek(last) {
            Some(topic) if topic.is(tenant, event_type) => Some(last),
            _ => self.find(tenant, event_type),
        }
    }

    /// Adds the counts of tenants and default slots to `stats`.
    pub(super) fn count(&self, stats: &mut Stats) {
        stats.tenants = self.by_tenant.len();
        stats.defaults = self.buckets.iter().map(|bucket| bucket.defaults.len()).sum();
    }
}

impl Topic {
    #[inline]
    fn is(&self, tenant: &str, event_type: &str) -> bool {
        same(self.tenant.as_str().as_bytes(), tenant.as_bytes())
            && same(self.event_type.as_str().as_bytes(), event_type.as_bytes())
    }

    /// Returns the bucket of subscriptions to all resources.
    #[inline]
    pub(super) fn tenant_bucket(&self) -> Option<Id<Bucket>> {
        self.tenant_bucket
    }

    /// Returns whether the topic has owner buckets.
    #[inline]
    pub(super) fn has_owners(&self) -> bool {
        !self.owner_buckets.is_empty()
    }

    /// Calls `each` with each owner bucket that an event reaches under `access`.
    ///
    /// Each bucket is passed once, except that a list of users that repeats some repeats their
    /// buckets: use [`listed_buckets`](Self::listed_buckets) for lists.
    pub(super) fn each_owner_bucket(
        &self,
        event: &Event<'_>,
        access: Access<'_>,
        mut each: impl FnMut(Id<Bucket>),
    ) {
        // The empty id belongs to no user.
        let is_user = |owner: &&str| !owner.is_empty();
        let of = |owner: &str| {
            Some(owner).filter(is_user).and_then(|owner| self.owner_buckets.get(owner)).copied()
        };
        match access {
            Access::EventOwner => event.owner().and_then(of).into_iter().for_each(each),
            Access::Users(users) => {
                users.iter().filter_map(|user| of(user.as_str())).for_each(each);
            }
            Access::Everyone => self.owner_buckets.values().copied().for_each(each),
            Access::Predicate(may_access) => {
                let owners = self.owner_buckets.iter();
                let owners = owners.filter(|(owner, _)| is_user(&owner.as_str()));
                let owners = owners.filter(|(owner, _)| may_access(owner));
                owners.for_each(|(_, bucket)| each(*bucket));
            }
        }
    }

    /// Puts the buckets of a list of users into `listed`, each once, as the words of their ids.
    ///
    /// The buckets found are sorted and deduplicated, so the cost is a look-up for each entry of
    /// the list and a visit for each bucket, never their product.
    pub(super) fn listed_buckets(
        &self,
        event: &Event<'_>,
        access: Access<'_>,
        listed: &mut Vec<u32>,
    ) {
        listed.clear();
        self.each_owner_bucket(event, access, |bucket| listed.push(bucket.word()));
        sort_unique_from(listed, 0);
    }
}

#[cfg(test)]
mod tests;
