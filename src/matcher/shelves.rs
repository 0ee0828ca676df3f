//! Which events reach a filter at all: tenant, event type, audience.
//!
//! A *channel* is an event type of a tenant. Its subscriptions stand on *shelves*: one of those to all
//! resources, one for each owner. Subscriptions of the same tenant, types, audience and state share
//! a *scope*, which knows its shelves.

use super::defaults::Defaults;
use super::hash::{Half, Hashes, same, spread};
use super::order::sort_from;
use super::{Access, Audience, Stats, Subscription};
use crate::event::{Event, EventType, TenantId, UserId};
use hashbrown::{HashMap, HashTable};
use slab::Slab;
use smallvec::SmallVec;

#[derive(Clone, Debug, Default)]
pub(super) struct Shelves {
    channels: Slab<Channel>,
    shelves: Slab<Shelf>,
    scopes: Slab<Scope>,
    /// Hash and number.
    by_name: HashTable<(Half, usize)>,
    by_scope: HashTable<(Half, usize)>,
    tenants: Slab<()>,
    /// Number, and how many scopes there are.
    by_tenant: HashMap<TenantId, (usize, usize)>,
    hashes: Hashes,
}

#[derive(Clone, Debug)]
pub(super) struct Channel {
    tenant: TenantId,
    event_type: EventType,
    /// The number of the tenant.
    pub(super) number: u32,
    /// For each attribute.
    pub(super) used: SmallVec<[Used; 4]>,
    /// The shelf of subscriptions to all resources.
    all: Option<u32>,
    owners: HashMap<UserId, u32>,
}

/// How many terms speak of an attribute, so that its values are looked up only where it helps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) all: u64,
    /// Those whose values are watched.
    pub(super) watched: u64,
}

impl Used {
    /// Whether its values tell which filters to look at.
    pub(super) fn is_watched(self) -> bool {
        self.watched > 0
    }

    /// Whether its values matter to filters that others tell of, and to those alone.
    pub(super) fn is_only_tested(self) -> bool {
        self.all > 0 && self.watched == 0
    }
}

#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) channel: usize,
    owner: Option<UserId>,
    pub(super) defaults: Defaults,
    /// Scopes.
    uses: usize,
}

#[derive(Clone, Debug)]
struct Scope {
    tenant: TenantId,
    event_types: Box<[EventType]>,
    enabled: bool,
    audience: Audience,
    /// The number of the tenant.
    number: u32,
    /// None where it is disabled.
    shelves: SmallVec<[u32; 2]>,
    /// Subscriptions.
    uses: usize,
}

/// Numbers count things that take far more than a byte each.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The bytes of a list that has outgrown its place.
fn spilled<T, const N: usize>(list: &SmallVec<[T; N]>) -> usize {
    if list.spilled() { list.capacity() * size_of::<T>() } else { 0 }
}

impl Scope {
    fn is_of(&self, subscription: &Subscription) -> bool {
        self.enabled == subscription.is_enabled()
            && self.tenant == *subscription.tenant()
            && *self.event_types == *subscription.event_types()
            && self.audience == *subscription.audience()
    }
}

impl Shelves {
    #[inline]
    fn name_hash(&self, tenant: &str, event_type: &str) -> Half {
        let tenant = self.hashes.text(0, tenant);
        self.hashes.text(tenant.into(), event_type)
    }

    fn scope_hash(
        &self,
        tenant: &TenantId,
        event_types: &[EventType],
        audience: &Audience,
    ) -> Half {
        self.hashes.of((tenant, event_types, audience))
    }

    /// The scope of a subscription, held once more.
    pub(super) fn hold(&mut self, subscription: &Subscription) -> usize {
        let (tenant, types) = (subscription.tenant(), subscription.event_types());
        let hash = self.scope_hash(tenant, types, subscription.audience());
        let same = |(other, at): &(Half, usize)| {
            *other == hash && self.scopes.get(*at).is_some_and(|scope| scope.is_of(subscription))
        };
        if let Some((_, at)) = self.by_scope.find(spread(hash), same) {
            let at = *at;
            if let Some(scope) = self.scopes.get_mut(at) {
                scope.uses += 1;
            }
            return at;
        }
        let tenants = &mut self.tenants;
        let known = self.by_tenant.entry_ref(tenant);
        let (number, uses) = known.or_insert_with(|| (tenants.insert(()), 0));
        *uses += 1;
        let number = narrow(*number);
        let mut scope = Scope {
            tenant: tenant.clone(),
            event_types: types.into(),
            enabled: subscription.is_enabled(),
            audience: subscription.audience().clone(),
            number,
            shelves: SmallVec::new(),
            uses: 1,
        };
        if scope.enabled {
            let shelf =
                |event_type| self.hold_shelf(tenant, number, event_type, subscription.audience());
            scope.shelves = types.iter().map(shelf).collect();
        }
        let at = self.scopes.insert(scope);
        self.by_scope.insert_unique(spread(hash), (hash, at), |(hash, _)| spread(*hash));
        at
    }

    fn hold_shelf(
        &mut self,
        tenant: &TenantId,
        number: u32,
        event_type: &EventType,
        audience: &Audience,
    ) -> u32 {
        let at = self.find(tenant.as_str(), event_type.as_str()).unwrap_or_else(|| {
            let channel = Channel {
                tenant: tenant.clone(),
                event_type: event_type.clone(),
                number,
                used: SmallVec::new(),
                all: None,
                owners: HashMap::new(),
            };
            let at = self.channels.insert(channel);
            let hash = self.name_hash(tenant.as_str(), event_type.as_str());
            self.by_name.insert_unique(spread(hash), (hash, at), |(hash, _)| spread(*hash));
            at
        });
        let Self { channels, shelves, .. } = self;
        let Some(channel) = channels.get_mut(at) else { return u32::MAX };
        let owner = match audience {
            Audience::Tenant => None,
            Audience::Owner(owner) => Some(owner),
        };
        let new = || {
            let owner = owner.cloned();
            let shelf = Shelf { channel: at, owner, defaults: Defaults::default(), uses: 0 };
            narrow(shelves.insert(shelf))
        };
        let shelf = match owner {
            None => *channel.all.get_or_insert_with(new),
            Some(owner) => *channel.owners.entry_ref(owner).or_insert_with(new),
        };
        if let Some(shelf) = shelves.get_mut(shelf as usize) {
            shelf.uses += 1;
        }
        shelf
    }

    /// Undoes one [`hold`](Self::hold).
    pub(super) fn release(&mut self, at: usize) {
        let Some(scope) = self.scopes.get_mut(at) else { return };
        scope.uses -= 1;
        if scope.uses > 0 {
            return;
        }
        let Scope { tenant, event_types, audience, shelves, .. } = self.scopes.remove(at);
        let hash = self.scope_hash(&tenant, &event_types, &audience);
        if let Ok(entry) = self.by_scope.find_entry(spread(hash), |(_, other)| *other == at) {
            entry.remove();
        }
        for shelf in &shelves {
            self.release_shelf(*shelf as usize);
        }
        if let Some((number, uses)) = self.by_tenant.get_mut(&tenant) {
            *uses -= 1;
            if *uses == 0 {
                self.tenants.remove(*number);
                self.by_tenant.remove(&tenant);
            }
        }
    }

    fn release_shelf(&mut self, at: usize) {
        let Some(shelf) = self.shelves.get_mut(at) else { return };
        shelf.uses -= 1;
        if shelf.uses > 0 {
            return;
        }
        let Shelf { channel: at, owner, .. } = self.shelves.remove(at);
        let Some(channel) = self.channels.get_mut(at) else { return };
        match owner {
            None => channel.all = None,
            Some(owner) => {
                channel.owners.remove(&owner);
                // Who asks for every owner walks the whole table. It moves where half of it would do for twice as many.
                channel.owners.shrink_to(2 * channel.owners.len());
            }
        }
        if channel.all.is_none() && channel.owners.is_empty() {
            let Channel { tenant, event_type, .. } = self.channels.remove(at);
            let hash = self.name_hash(tenant.as_str(), event_type.as_str());
            if let Ok(entry) = self.by_name.find_entry(spread(hash), |(_, other)| *other == at) {
                entry.remove();
            }
        }
    }

    /// The number of a scope's tenant and the shelves on which its subscriptions stand.
    pub(super) fn of_scope(&self, at: usize) -> (u32, SmallVec<[u32; 2]>) {
        let scope = self.scopes.get(at);
        scope.map(|scope| (scope.number, scope.shelves.clone())).unwrap_or_default()
    }

    /// A subscription of a scope.
    pub(super) fn subscription(
        &self,
        at: usize,
        filter: crate::filter::Filter,
    ) -> Option<Subscription> {
        let scope = self.scopes.get(at)?;
        let types = scope.event_types.iter().cloned();
        let subscription = Subscription::new(scope.tenant.clone(), types, filter);
        Some(subscription.with_audience(scope.audience.clone()).with_enabled(scope.enabled))
    }

    pub(super) fn shelf(&self, at: u32) -> Option<&Shelf> {
        self.shelves.get(at as usize)
    }

    pub(super) fn shelf_mut(&mut self, at: u32) -> Option<&mut Shelf> {
        self.shelves.get_mut(at as usize)
    }

    pub(super) fn channel(&self, at: usize) -> Option<&Channel> {
        self.channels.get(at)
    }

    pub(super) fn channel_mut(&mut self, at: usize) -> Option<&mut Channel> {
        self.channels.get_mut(at)
    }

    /// The channel of a tenant and an event type.
    pub(super) fn find(&self, tenant: &str, event_type: &str) -> Option<usize> {
        let hash = self.name_hash(tenant, event_type);
        let is = |(other, at): &(Half, usize)| {
            *other == hash && self.channel(*at).is_some_and(|found| found.is(tenant, event_type))
        };
        self.by_name.find(spread(hash), is).map(|(_, at)| *at)
    }

    /// As [`find`](Self::find), without a search where it is the channel at `last`: events of one
    /// kind often come one behind the other.
    #[inline]
    pub(super) fn find_from(&self, last: usize, tenant: &str, event_type: &str) -> Option<usize> {
        match self.channels.get(last) {
            Some(channel) if channel.is(tenant, event_type) => Some(last),
            _ => self.find(tenant, event_type),
        }
    }

    pub(super) fn count(&self, stats: &mut Stats) {
        stats.tenants = self.by_tenant.len();
        stats.defaults = self.shelves.iter().map(|(_, shelf)| shelf.defaults.len()).sum();
    }

    /// All but what belongs to an allocator.
    pub(super) fn bytes(&self) -> usize {
        // An entry without a thing is as large as one that names the next free one.
        const TENANT: usize = size_of::<[usize; 2]>();
        let text = |text: &str| text.len();
        let channels = self.channels.iter().map(|(_, channel)| {
            let owners = channel.owners.keys().map(|owner| text(owner.as_str())).sum::<usize>();
            text(channel.tenant.as_str())
                + text(channel.event_type.as_str())
                + owners
                + channel.owners.allocation_size()
                + spilled(&channel.used)
        });
        let shelves = self.shelves.iter().map(|(_, shelf)| {
            shelf.defaults.bytes() + shelf.owner.as_ref().map_or(0, |owner| text(owner.as_str()))
        });
        let scopes = self.scopes.iter().map(|(_, scope)| {
            let owner = match &scope.audience {
                Audience::Tenant => 0,
                Audience::Owner(owner) => text(owner.as_str()),
            };
            let types =
                scope.event_types.iter().map(|name| size_of::<EventType>() + text(name.as_str()));
            text(scope.tenant.as_str()) + owner + types.sum::<usize>() + spilled(&scope.shelves)
        });
        let tenants = self.by_tenant.keys().map(|tenant| text(tenant.as_str()));
        self.channels.capacity() * size_of::<Channel>()
            + self.shelves.capacity() * size_of::<Shelf>()
            + self.scopes.capacity() * size_of::<Scope>()
            + self.tenants.capacity() * TENANT
            + self.by_name.allocation_size()
            + self.by_scope.allocation_size()
            + self.by_tenant.allocation_size()
            + channels.chain(shelves).chain(scopes).chain(tenants).sum::<usize>()
    }
}

impl Channel {
    #[inline]
    fn is(&self, tenant: &str, event_type: &str) -> bool {
        same(self.tenant.as_str().as_bytes(), tenant.as_bytes())
            && same(self.event_type.as_str().as_bytes(), event_type.as_bytes())
    }

    /// The shelf of subscriptions to all resources.
    #[inline]
    pub(super) fn all(&self) -> Option<u32> {
        self.all
    }

    /// Whether it has other shelves.
    #[inline]
    pub(super) fn has_owners(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Calls `each` with each shelf of an owner that an event of this channel may reach: once, but for a
    /// list of users that repeats some, of which [`of_users`](Self::of_users) takes care.
    pub(super) fn owned(&self, event: &Event<'_>, access: Access<'_>, mut each: impl FnMut(u32)) {
        // The empty id belongs to no user.
        let is_user = |owner: &&str| !owner.is_empty();
        let of = |owner: &str| {
            Some(owner).filter(is_user).and_then(|owner| self.owners.get(owner)).copied()
        };
        match access {
            Access::EventOwner => event.owner().and_then(of).into_iter().for_each(each),
            Access::Users(users) => {
                users.iter().filter_map(|user| of(user.as_str())).for_each(each);
            }
            Access::Everyone => self.owners.values().copied().for_each(each),
            Access::Predicate(may_access) => {
                let owners = self.owners.iter().filter(|(owner, _)| is_user(&owner.as_str()));
                let owners = owners.filter(|(owner, _)| may_access(owner));
                owners.for_each(|(_, shelf)| each(*shelf));
            }
        }
    }

    /// Puts the shelves of a list of users into `named`, each once.
    ///
    /// A list may repeat users. The shelves found are sorted and freed of duplicates, so that the cost is
    /// a look-up for each entry of the list and a visit for each shelf, never their product.
    pub(super) fn of_users(&self, event: &Event<'_>, access: Access<'_>, named: &mut Vec<u32>) {
        named.clear();
        self.owned(event, access, |shelf| named.push(shelf));
        sort_from(named, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Audience, EventType, Shelves, Subscription, TenantId, spread};
    use crate::filter::{Filter, Profile};
    use std::collections::HashSet;

    fn subscription(tenant: &str, owner: Option<usize>) -> Subscription {
        let filter = Filter::everything(&Profile::webhook());
        let audience = match owner {
            Some(owner) => Audience::Owner(format!("u{owner}").into()),
            None => Audience::Tenant,
        };
        Subscription::new(tenant, ["x"], filter).with_audience(audience)
    }

    #[test]
    fn hashes_tell_channels_and_scopes_apart() {
        let shelves = Shelves::default();
        let (mut names, mut scopes) = (HashSet::new(), HashSet::new());
        for n in 0..100u32 {
            let (tenant, event_type) = (format!("t{}", n / 10), format!("x{}", n % 10));
            names.insert(shelves.name_hash(&tenant, &event_type));
            let (tenant, types) = (TenantId::from(tenant), [EventType::from(event_type)]);
            for audience in [Audience::Tenant, Audience::Owner("u".into())] {
                scopes.insert(shelves.scope_hash(&tenant, &types, &audience));
            }
        }
        // Two are the same by chance once in 200,000 times.
        assert!(names.len() >= 99 && scopes.len() >= 199, "{} {}", names.len(), scopes.len());
    }

    /// As if another tenant's name had the hash.
    #[test]
    fn a_channel_is_found_by_its_name_alone() {
        let mut shelves = Shelves::default();
        shelves.hold(&subscription("t1", None));
        let at = shelves.find("t1", "x").unwrap();
        for (tenant, event_type) in [("t2", "x"), ("t1", "y")] {
            let hash = shelves.name_hash(tenant, event_type);
            shelves.by_name.insert_unique(spread(hash), (hash, at), |(hash, _)| spread(*hash));
            assert_eq!(shelves.find(tenant, event_type), None);
            assert_eq!(shelves.find_from(at, tenant, event_type), None);
        }
    }

    /// Who asks for every owner walks the whole table; and it moves seldom.
    #[test]
    fn a_table_of_owners_is_not_much_larger_than_they_are_many() {
        for all in [None, Some(0)] {
            let mut shelves = Shelves::default();
            shelves.hold(&subscription("t", all));
            let at = shelves.find("t", "x").unwrap();
            let size = |shelves: &Shelves| shelves.channels[at].owners.allocation_size();
            for count in [10, if cfg!(miri) { 60 } else { 1000 }] {
                let hold = |shelves: &mut Shelves, n| shelves.hold(&subscription("t", Some(n)));
                let held: Vec<_> = (1..=count).map(|n| hold(&mut shelves, n)).collect();
                let (mut moves, mut last) = (0, size(&shelves));
                for scope in held {
                    shelves.release(scope);
                    let len = shelves.channels[at].owners.len();
                    // Room for twice as many, eight places of seven that are used, and as much again before it moves.
                    let most = 6 * (size_of::<(crate::event::UserId, u32)>() + 1);
                    assert!(size(&shelves) <= most * len.max(4), "{len}: {}", size(&shelves));
                    if len > 8 {
                        // Some who come and go.
                        let held: Vec<_> = (2000..2004).map(|n| hold(&mut shelves, n)).collect();
                        moves += usize::from(size(&shelves) != last);
                        last = size(&shelves);
                        held.into_iter().for_each(|scope| shelves.release(scope));
                    }
                    moves += usize::from(size(&shelves) != last);
                    last = size(&shelves);
                }
                assert!(moves < 15, "{moves}");
            }
        }
    }
}
