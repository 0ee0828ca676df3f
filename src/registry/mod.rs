//! Webhooks and matcher kept in step, for many threads: the front door of a dispatch server.
//!
//! A [`Registry`] holds the webhooks of many tenants. Any thread may [`put`](Registry::put) and
//! [`remove`](Registry::remove) them; each thread that matches has a [`Session`]. Matching never
//! waits, not even for a change of the same tenant, and a change is seen as a whole or not at all:
//! by every match that begins after it returned, and by none that began before it was made. Each
//! [`Recipients`] tells the revision of the tenant that it was computed at.
//!
//! ```
//! use hooksieve::event::TenantId;
//! use hooksieve::matcher::Access;
//! use hooksieve::registry::Registry;
//! use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
//! # let now = std::time::UNIX_EPOCH.into();
//!
//! let rules = Rules::default();
//! let registry = Registry::new(&rules);
//! let tenant = TenantId::from("t1");
//! registry.load(tenant.clone(), [])?;
//!
//! let draft = WebhookDocument::read(br#"{
//!     "name": "Sales", "url": "https://hooks.example.com/", "enabled": true,
//!     "eventTypes": ["com.qlik.v1.app.created"], "filter": "spaceId eq \"sales\""
//! }"#)?;
//! let webhook = Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
//! let change = registry.put(&tenant, webhook)?;
//!
//! let mut session = registry.session(); // one a thread
//! let event = rules.profile().read_event(
//!     br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1", "spaceid": "sales"}"#,
//! )?;
//! let recipients = session.matches(&event, Access::EventOwner)?;
//! assert_eq!(recipients.revision(), change.revision);
//! let names: Vec<_> = recipients.webhooks().map(|webhook| webhook.name()).collect();
//! assert_eq!(names, ["Sales"]);
//!
//! registry.remove(&tenant, &"w1".into())?;
//! assert!(session.matches(&event, Access::EventOwner)?.is_empty());
//!
//! registry.evict(&tenant);
//! assert!(session.matches(&event, Access::EventOwner).is_err(), "not known is not nobody");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Session::deliveries`] goes all the way from an event's bytes to signed requests.
//!
//! # Revisions
//!
//! A tenant has a revision, which rises with each change. A change that comes from a log carries
//! its own: one at or below the tenant's has been seen, and is ignored, so that a log may be
//! replayed from anywhere before, and a webhook that was removed does not come back. A change
//! without one takes the next; at `u64::MAX` there is none, and the change is refused. Load a tenant
//! at the revision that its log has reached, and do not mix changes with a revision and without: the
//! log's next one might be taken by then.
//!
//! # Cost
//!
//! A match is a match of the [`matcher`](crate::matcher), and finding the tenant. A change is
//! made twice, once on each of two copies, the second time together with the next change; so a
//! tenant that changes holds its index twice, and one that is only loaded, once. The webhooks
//! themselves are held once; the last one that was replaced or removed, until the next change. [`Registry::stats`] tells the bytes.

mod deliveries;
mod dry_run;
mod error;
#[cfg(all(test, shuttle))]
mod interleavings;
mod limits;
mod restore;
mod rules;
mod session;
mod snapshot;
mod stats;
mod sync;
mod tenant;

pub use deliveries::{DeliverError, Deliveries};
pub use dry_run::{Comparison, DryRun, Effect, Verdicts};
use error::bounded;
pub use error::{ChangeError, ChangeErrorKind, NotLoaded, UpdateError};
pub use limits::Limits;
pub use rules::{Refused, subscription};
pub use session::{Recipients, Session};
pub use snapshot::{Loaded, SnapshotError, SnapshotErrorKind};
pub use stats::TenantStats;

use crate::event::{ShapeCache, TenantId};
use crate::filter::Profile;
use crate::matcher::Scratch;
use crate::webhook::{Rules, Webhook, WebhookId};
use hashbrown::{DefaultHashBuilder, HashTable};
use rules::Policy;
use std::hash::BuildHasher;
use std::sync::Arc;
use sync::{ArcSwap, Guard, Mutex, MutexGuard, PoisonError};
use tenant::{State, Tenant, Turn};

/// The webhooks of many tenants; see the [module](self). Cheap to clone: clones share state.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    profile: Profile,
    policy: ArcSwap<Policy>,
    /// Held while the policy is replaced, and before any other lock.
    replacing: Mutex<()>,
    shards: Box<[Shard]>,
    hasher: DefaultHashBuilder,
}

/// Some of the tenants: so many shards that making the map of one anew is a matter of a moment.
#[derive(Default)]
struct Shard {
    tenants: ArcSwap<HashTable<Arc<Tenant>>>,
    /// Held while tenants come and go.
    changing: Mutex<()>,
}

/// Few under Miri, which takes half a minute to make them, and one for all where the orders of
/// threads are tried.
const SHARDS: usize = if cfg!(shuttle) {
    1
} else if cfg!(miri) {
    4
} else {
    1 << 12
};

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a change at an old revision is ignored: see `applied`"]
#[non_exhaustive]
pub struct Change {
    /// The tenant's revision now.
    pub revision: u64,
    /// Whether it was made; or else it was ignored, since its revision was not above the tenant's.
    pub applied: bool,
    /// The webhook that was replaced or removed.
    pub before: Option<Arc<Webhook>>,
    /// The webhook that was put.
    pub after: Option<Arc<Webhook>>,
}

impl Change {
    fn ignored(highest: u64) -> Self {
        Self { revision: highest, applied: false, before: None, after: None }
    }
}

impl Registry {
    /// Most bytes of text in a webhook, and in the id of a tenant, so that a line of a snapshot has
    /// a limit, too: 2 MiB. Counted are the members without a smaller limit: ids, the filter, the
    /// event types, and why a webhook was disabled.
    pub const MAX_BYTES: usize = 2 << 20;

    /// A registry without tenants, for webhooks of these rules.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Self::with_limits(rules, Limits::default())
    }

    /// The same, with limits for each tenant.
    #[must_use]
    pub fn with_limits(rules: &Rules, limits: Limits) -> Self {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        let profile = rules.profile().clone();
        let policy = ArcSwap::from_pointee(Policy { rules: rules.clone(), limits });
        let (replacing, hasher) = (Mutex::new(()), DefaultHashBuilder::default());
        Self(Arc::new(Inner { profile, policy, replacing, shards, hasher }))
    }

    /// The profile of its webhooks' filters, which stays the same.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Loads all webhooks of a tenant, which takes the next revision, the first being 0. The
    /// webhooks of a loaded tenant are replaced.
    ///
    /// The index is built before other changes have to wait. Of webhooks with the same id the last
    /// one counts.
    ///
    /// # Errors
    ///
    /// A webhook of another tenant or that the registry's rules refuse, a webhook or an id of more
    /// than [`MAX_BYTES`](Self::MAX_BYTES), no room, or no next revision; nothing is changed then.
    pub fn load(
        &self,
        tenant: impl Into<TenantId>,
        webhooks: impl IntoIterator<Item = Webhook>,
    ) -> Result<Change, ChangeError> {
        self.load_with(tenant.into(), webhooks, None)
    }

    /// Loads a tenant at a revision of the caller's store; ignored unless the revision is above the
    /// tenant's, and then `webhooks` is not iterated.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_at(
        &self,
        tenant: impl Into<TenantId>,
        webhooks: impl IntoIterator<Item = Webhook>,
        revision: u64,
    ) -> Result<Change, ChangeError> {
        self.load_with(tenant.into(), webhooks, Some(revision))
    }

    fn load_with(
        &self,
        tenant: TenantId,
        webhooks: impl IntoIterator<Item = Webhook>,
        revision: Option<u64>,
    ) -> Result<Change, ChangeError> {
        if let Some(found) = self.0.find(tenant.as_str())
            && let Turn::Seen(highest) = found.turn(revision)?
        {
            return Ok(Change::ignored(highest));
        }
        let policy = self.0.policy.load_full();
        let mut state = self.0.empty(&policy, &tenant, revision.unwrap_or(0))?;
        for webhook in webhooks {
            policy.add(&tenant, &mut state, Arc::new(webhook))?;
        }
        self.0.install(tenant, state, policy, revision)
    }

    /// Forgets a tenant as a whole; whether it was loaded.
    pub fn evict(&self, tenant: &TenantId) -> bool {
        let hash = self.0.hash(tenant.as_str());
        let shard = self.0.shard(hash);
        let _changing = shard.lock();
        let Some(found) = self.0.find(tenant.as_str()) else { return false };
        shard.change(|tenants| {
            if let Ok(entry) = tenants.find_entry(hash, |held| Arc::ptr_eq(held, &found)) {
                entry.remove();
            }
        });
        found.lock().evicted = true;
        true
    }

    /// Inserts a webhook, or replaces the one with its id, at the tenant's next revision. To change
    /// a webhook that exists, [`update`](Self::update) it.
    ///
    /// Costs two inserts into the index and two removals, and a copy of the whole index at the
    /// tenant's first change and while [`Recipients`] of it are kept.
    ///
    /// # Errors
    ///
    /// A tenant that is not loaded, a webhook of another tenant, that the registry's rules refuse or
    /// of more than [`MAX_BYTES`](Self::MAX_BYTES), a limit that is reached, no room, or no next
    /// revision.
    pub fn put(&self, tenant: &TenantId, webhook: Webhook) -> Result<Change, ChangeError> {
        self.put_with(tenant, webhook, None)
    }

    /// Puts a webhook at a revision of the caller's store; ignored unless the revision is above the
    /// tenant's.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn put_at(
        &self,
        tenant: &TenantId,
        webhook: Webhook,
        revision: u64,
    ) -> Result<Change, ChangeError> {
        self.put_with(tenant, webhook, Some(revision))
    }

    fn put_with(
        &self,
        tenant: &TenantId,
        webhook: Webhook,
        revision: Option<u64>,
    ) -> Result<Change, ChangeError> {
        let found = self.0.find(tenant.as_str()).ok_or(NotLoaded)?;
        if let Turn::Seen(highest) = found.turn(revision)? {
            return Ok(Change::ignored(highest));
        }
        let mut writer = found.lock();
        if writer.evicted {
            return Err(NotLoaded.into());
        }
        match found.turn(revision)? {
            Turn::Seen(highest) => Ok(Change::ignored(highest)),
            Turn::Takes(revision) => {
                let (subscription, limits) = self.0.admit(&found, &mut writer, &webhook)?;
                let webhook = Arc::new(webhook);
                found.put(&mut writer, revision, webhook, subscription, &limits)
            }
        }
    }

    /// Changes a webhook as it is now: no other change of the tenant comes between reading it and
    /// putting what `change` makes of it, so that two changes do not undo each other, and what was
    /// removed does not come back. `change` keeps changes of the tenant waiting, and tenants that
    /// are loaded and evicted beside it: it is to be quick, and of the registry to call nothing but
    /// [`get`](Self::get), [`webhooks`](Self::webhooks) and matching, or it may wait for itself.
    ///
    /// ```
    /// # use hooksieve::registry::{Registry, UpdateError};
    /// # use hooksieve::diagnostic::Diagnostics;
    /// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Patch, Rules, Edit, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    /// # let rules = Rules::default();
    /// # let registry = Registry::new(&rules);
    /// # let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/"}"#)?;
    /// # let (tenant, id) = (hooksieve::event::TenantId::from("t1"), hooksieve::webhook::WebhookId::from("w1"));
    /// # registry.load("t1", [Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook])?;
    /// let patch = Patch::read(br#"[{"op": "replace", "path": "/name", "value": "Sales"}]"#)?;
    /// let patched = |webhook: &Webhook| {
    ///     Ok::<_, Diagnostics>(webhook.patched(&patch, &rules, Edit::new("u1", now))?.webhook)
    /// };
    /// let change = registry.update(&tenant, &id, patched)?;
    /// assert_eq!(change.after.ok_or("ignored")?.name(), "Sales");
    /// registry.remove(&tenant, &id)?;
    /// assert!(matches!(registry.update(&tenant, &id, patched), Err(UpdateError::NotFound)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What [`put`](Self::put) refuses, a webhook that is not there, one of another id as its
    /// change, and what `change` says; nothing is changed then.
    pub fn update<E>(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        change: impl FnOnce(&Webhook) -> Result<Webhook, E>,
    ) -> Result<Change, UpdateError<E>> {
        self.update_with(tenant, id, None, change)
    }

    /// Updates a webhook at a revision of the caller's store; ignored unless the revision is above
    /// the tenant's.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn update_at<E>(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        revision: u64,
        change: impl FnOnce(&Webhook) -> Result<Webhook, E>,
    ) -> Result<Change, UpdateError<E>> {
        self.update_with(tenant, id, Some(revision), change)
    }

    fn update_with<E>(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        revision: Option<u64>,
        change: impl FnOnce(&Webhook) -> Result<Webhook, E>,
    ) -> Result<Change, UpdateError<E>> {
        let found = self.0.find(tenant.as_str()).ok_or(ChangeError::from(NotLoaded))?;
        let mut writer = found.lock();
        if writer.evicted {
            return Err(ChangeError::from(NotLoaded).into());
        }
        let revision = match found.turn(revision)? {
            Turn::Seen(highest) => return Ok(Change::ignored(highest)),
            Turn::Takes(revision) => revision,
        };
        let before = found.current.load().get(id.as_str()).cloned().ok_or(UpdateError::NotFound)?;
        let webhook = change(&before).map_err(UpdateError::Refused)?;
        if webhook.id() != before.id() {
            return Err(UpdateError::OtherId);
        }
        let (subscription, limits) = self.0.admit(&found, &mut writer, &webhook)?;
        Ok(found.put(&mut writer, revision, Arc::new(webhook), subscription, &limits)?)
    }

    /// Removes a webhook. The tenant takes its next revision, even where the webhook did not exist.
    ///
    /// # Errors
    ///
    /// A tenant that is not loaded, or no next revision.
    pub fn remove(&self, tenant: &TenantId, id: &WebhookId) -> Result<Change, ChangeError> {
        self.remove_with(tenant, id, None)
    }

    /// Removes a webhook at a revision of the caller's store; ignored unless the revision is above
    /// the tenant's.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub fn remove_at(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        revision: u64,
    ) -> Result<Change, ChangeError> {
        self.remove_with(tenant, id, Some(revision))
    }

    fn remove_with(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        revision: Option<u64>,
    ) -> Result<Change, ChangeError> {
        let found = self.0.find(tenant.as_str()).ok_or(NotLoaded)?;
        let mut writer = found.lock();
        if writer.evicted {
            return Err(NotLoaded.into());
        }
        match found.turn(revision)? {
            Turn::Seen(highest) => Ok(Change::ignored(highest)),
            Turn::Takes(revision) => found.remove(&mut writer, revision, id),
        }
    }

    /// A webhook by its id.
    #[must_use]
    pub fn get(&self, tenant: &TenantId, id: &WebhookId) -> Option<Arc<Webhook>> {
        self.0.state(tenant.as_str())?.get(id.as_str()).cloned()
    }

    /// All webhooks of a tenant at one revision, in no particular order, for
    /// [`ListQuery::apply`](crate::webhook::ListQuery::apply); `None` where it is not loaded.
    #[must_use]
    pub fn webhooks(&self, tenant: &TenantId) -> Option<Vec<Arc<Webhook>>> {
        Some(self.0.state(tenant.as_str())?.webhooks().cloned().collect())
    }

    /// The tenants that are loaded, in no particular order.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        let ids = |shard: &Shard| -> Vec<TenantId> {
            shard.tenants.load().iter().map(|tenant| tenant.id.clone()).collect()
        };
        self.0.shards.iter().flat_map(ids).collect()
    }

    /// A reader for one thread. Making one is cheap; one that is kept has warm memory, and
    /// remembers the [shapes](crate::event::ShapeCache) of events.
    #[must_use]
    pub fn session(&self) -> Session {
        let (scratch, shapes) = (Scratch::default(), ShapeCache::default());
        Session { registry: self.clone(), scratch, shapes }
    }
}

impl Inner {
    fn hash(&self, tenant: &str) -> u64 {
        self.hasher.hash_one(tenant)
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the number of shards")]
    fn shard(&self, hash: u64) -> &Shard {
        // Tables use the lowest and the uppermost bits.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    fn find(&self, tenant: &str) -> Option<Arc<Tenant>> {
        let hash = self.hash(tenant);
        let tenants = self.shard(hash).tenants.load();
        tenants.find(hash, |held| held.id.as_str() == tenant).cloned()
    }

    #[inline]
    fn state(&self, tenant: &str) -> Option<Guard<Arc<State>>> {
        let hash = self.hash(tenant);
        let tenants = self.shard(hash).tenants.load();
        Some(tenants.find(hash, |held| held.id.as_str() == tenant)?.current.load())
    }

    /// What a tenant is before its webhooks are added.
    fn empty(
        &self,
        policy: &Policy,
        tenant: &TenantId,
        revision: u64,
    ) -> Result<State, ChangeError> {
        bounded("the tenant's id", tenant.as_str().len())?;
        Ok(State::new(&policy.rules, revision))
    }

    /// Makes a state that was built by a policy the tenant's; where the policy was replaced
    /// meanwhile, after building it again by the new one.
    fn install(
        &self,
        id: TenantId,
        mut state: State,
        mut policy: Arc<Policy>,
        given: Option<u64>,
    ) -> Result<Change, ChangeError> {
        let hash = self.hash(id.as_str());
        let shard = self.shard(hash);
        loop {
            state.matcher.settle();
            let changing = shard.lock();
            let now = self.policy.load_full();
            if Arc::ptr_eq(&now, &policy) {
                return self.place(shard, hash, id, state, given);
            }
            drop(changing);
            policy = now;
            let mut again = self.empty(&policy, &id, state.revision)?;
            for webhook in state.webhooks() {
                policy.add(&id, &mut again, Arc::clone(webhook))?;
            }
            state = again;
        }
    }

    /// Makes a state the tenant's, in a shard that the caller has locked.
    fn place(
        &self,
        shard: &Shard,
        hash: u64,
        id: TenantId,
        mut state: State,
        given: Option<u64>,
    ) -> Result<Change, ChangeError> {
        let loaded = |revision| Change { revision, applied: true, before: None, after: None };
        if let Some(tenant) = self.find(id.as_str()) {
            let mut writer = tenant.lock();
            return Ok(match tenant.turn(given)? {
                Turn::Seen(highest) => Change::ignored(highest),
                Turn::Takes(revision) => {
                    state.revision = revision;
                    tenant.replace(&mut writer, state);
                    loaded(revision)
                }
            });
        }
        let revision = state.revision;
        let tenant = Arc::new(Tenant::new(id, state));
        let hash_of = |tenant: &Arc<Tenant>| self.hash(tenant.id.as_str());
        shard.change(|tenants| {
            tenants.insert_unique(hash, tenant, hash_of);
        });
        Ok(loaded(revision))
    }
}

impl Shard {
    /// The right to change the map.
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a copy of the map and makes it the current one.
    fn change(&self, change: impl FnOnce(&mut HashTable<Arc<Tenant>>)) {
        let mut tenants = HashTable::clone(&self.tenants.load());
        change(&mut tenants);
        self.tenants.store(Arc::new(tenants));
    }
}
