//! Stores the webhooks of many tenants and matches events against them from many threads.
//!
//! A [`Registry`] keeps each tenant's webhooks and their [`Matcher`](crate::matcher::Matcher) in
//! step. Any thread may [`put`](Registry::put) and [`remove`](Registry::remove) webhooks. Each
//! thread that matches has its own [`Session`]. A match never waits, not even for a change of the
//! same tenant.
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
//! let document = WebhookDocument::read(br#"{
//!     "name": "Sales", "url": "https://hooks.example.com/", "enabled": true,
//!     "eventTypes": ["com.qlik.v1.app.created"], "filter": "spaceId eq \"sales\""
//! }"#)?;
//! let webhook = Webhook::create(&document, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
//! let change = registry.put(&tenant, webhook)?;
//!
//! let mut session = registry.session(); // one per thread
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
//! assert!(session.matches(&event, Access::EventOwner).is_err(), "the tenant is not loaded");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Session::deliveries`] does all steps from an event's bytes to signed requests.
//!
//! # Guarantees
//!
//! - A match returns the recipients at exactly one revision, which [`Recipients::revision`] names.
//!   It includes all of a change or none of it.
//! - A match that starts after a change returned includes that change.
//! - Tenants are isolated: a match reads only the webhooks of the event's tenant.
//! - Every webhook is checked by the [rules](Registry::rules) when it is loaded or changed. So a
//!   registry with the same rules can read every snapshot, unless the rules were
//!   [replaced](Registry::replace_rules) and webhooks that they refuse are still present.
//!
//! # Revisions
//!
//! A tenant has a revision, a number that each change raises. The first `load` sets it to 0; `put`,
//! `remove`, `update` and later loads raise it by 1. If a log of changes numbers them itself, use
//! `put_at`, `remove_at`, `update_at` and `load_at` with the number of the log entry: a change is
//! ignored unless its number is above the tenant's revision. A log can therefore be replayed from
//! any earlier point, and a removed webhook does not come back.
//!
//! To commit a change to a store before matches see it, [`reserve`](Registry::reserve) the next
//! revision: the change is checked before the commit, and cannot be refused after it.
//!
//! Load a tenant at the revision that its log has reached. Do not mix the two kinds of changes:
//! `put` takes the number of the log's next entry, and that entry is then ignored. At revision
//! `u64::MAX`, changes without a number are refused.
//!
//! # Cost
//!
//! A match costs one look-up of the tenant and one [match](crate::matcher) in its index. A tenant
//! that was only loaded has one copy of its index. Its first change makes a second copy, and each
//! later change is applied to both: at once to the one that becomes current, and with the next
//! change to the other. The copies share the webhooks; a webhook that was replaced or removed is
//! freed by the next change. [`Registry::stats`] returns the bytes.

// How it works
//
//   Registry ──▶ Inner
//                 ├─ policy ──▶ Policy { rules, limits }         replaced as a whole, see `rules`
//                 └─ shards[4096]
//                      └─ tenants ──▶ HashTable<Arc<Tenant>>     copied when a tenant is loaded
//                                       │                        or evicted
//                                       ▼
//                                     Tenant                     see `tenant`
//                                      ├─ current ──▶ State ◀── read by matching threads
//                                      └─ writer (lock)
//                                           └─ spare ──▶ State   changed next, then swapped
//
// Each arrow `──▶` out of `policy`, `tenants` and `current` is an atomic pointer (`ArcSwap`).
// Readers load the pointer and use what it points to; writers build a new value and store it. A
// match loads two of them: the shard's table and the tenant's state. It takes no lock.
//
// Locks, in the order in which they are taken:
//
// 1. `replacing`: rules or limits are replaced, or a snapshot is read.
// 2. `Shard::changing`: a tenant is loaded or evicted.
// 3. `Tenant::writer`: webhooks of the tenant are changed.
//
// No code takes a lock while it holds a later one in this list, so no two threads wait for each
// other. No code waits for a reservation while it holds lock 2. Foreign code runs in three cases
// only: the closure of `update` with lock 3; the input and the threads of `restore` with lock 1;
// and while a reservation exists. It does not hold the mutex; `Writer::reserved` makes
// `Tenant::lock` wait. Their documentation says what they may call.
//
// The path of a change:
//
//   changes, reserve    Inner::find ──▶ Tenant::lock, not evicted ──▶ Tenant::turn: its revision
//   rules               Inner::admit: the rules, the catalogue, the limits to check against
//   tenant              Tenant::prepare: the missed step and this one, in the spare
//   state               State::step: the index, the entry and the id; called by `prepare`
//   tenant              Tenant::publish: swaps the copies
//
// Rejected: one lock for readers and writers. It is as fast as long as no thread sleeps while it
// holds the lock, but readers write the cache line of the lock and wait for a writer. `tenant` has
// the figures. Also rejected: a persistent tree, which would share memory between revisions, but
// each look-up of a match would walk down from its root.

mod changes;
mod deliveries;
mod dry_run;
mod error;
#[cfg(all(test, shuttle))]
mod interleavings;
mod limits;
mod reserve;
mod restore;
mod rules;
mod session;
mod snapshot;
mod state;
mod stats;
mod sync;
mod tenant;

pub use changes::Change;
pub use deliveries::{DeliverError, Deliveries};
pub use dry_run::{Comparison, DryRun, Effect, Verdicts};
pub use error::{ChangeError, ChangeErrorKind, NotLoaded, UpdateError};
pub use limits::Limits;
pub use reserve::{Prepared, Reservation};
pub use restore::Restore;
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
use state::State;
use std::hash::BuildHasher;
use std::sync::Arc;
use sync::{ArcSwap, Guard, Mutex, MutexGuard, PoisonError};
use tenant::Tenant;

/// The webhooks of many tenants, shared between threads; see the [module](self).
///
/// Clones share state: cloning copies one pointer.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    /// Equal to that of `policy` at all times, since every index is built for it.
    profile: Profile,
    policy: ArcSwap<Policy>,
    /// Held while the policy is replaced or must not change; the first lock of the lock order.
    replacing: Mutex<()>,
    shards: Box<[Shard]>,
    hasher: DefaultHashBuilder,
}

/// One of the parts that tenants are distributed over by hash.
///
/// Loading or evicting a tenant copies its shard's table. There are so many shards that a table
/// stays small: 100,000 tenants are about 24 entries per shard.
#[derive(Default)]
struct Shard {
    tenants: ArcSwap<HashTable<Arc<Tenant>>>,
    /// Held while `tenants` is copied, changed and stored, so that no change of it is lost.
    changing: Mutex<()>,
}

/// The number of shards.
///
/// Miri gets few, since it takes half a minute to create 4,096. The model checker gets one, so that
/// all tenants of its programs meet in it.
const SHARDS: usize = if cfg!(shuttle) {
    1
} else if cfg!(miri) {
    4
} else {
    1 << 12
};

impl Registry {
    /// The maximum bytes of text in a webhook, and in a tenant's id: 2 MiB.
    ///
    /// It applies to the sum of the members that have no limit of their own: the ids of the
    /// webhook, tenant and users, the filter, the event types, and the reason and code with which a
    /// webhook was disabled. It bounds the length of a line in a snapshot.
    pub const MAX_BYTES: usize = 2 << 20;

    /// Creates an empty registry whose webhooks must satisfy `rules`.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Self::with_limits(rules, Limits::default())
    }

    /// Creates an empty registry with rules and with limits for each tenant.
    ///
    /// Loading a tenant or a snapshot does not check the limits.
    #[must_use]
    pub fn with_limits(rules: &Rules, limits: Limits) -> Self {
        let shards = std::iter::repeat_with(Shard::default).take(SHARDS).collect();
        let profile = rules.profile().clone();
        let policy = ArcSwap::from_pointee(Policy { rules: rules.clone(), limits });
        let (replacing, hasher) = (Mutex::new(()), DefaultHashBuilder::default());
        Self(Arc::new(Inner { profile, policy, replacing, shards, hasher }))
    }

    /// Returns the profile that all filters of the registry have; it never changes.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Returns the webhook of a tenant with this id.
    ///
    /// `None` if there is none, or if the tenant is not loaded.
    #[must_use]
    pub fn get(&self, tenant: &TenantId, id: &WebhookId) -> Option<Arc<Webhook>> {
        self.0.state(tenant.as_str())?.get(id.as_str()).cloned()
    }

    /// Returns all webhooks of a tenant at one revision.
    ///
    /// `None` if the tenant is not loaded. Takes time linear in the webhooks. They are in no
    /// particular order; [`ListQuery::apply`](crate::webhook::ListQuery::apply) sorts and pages
    /// them.
    #[must_use]
    pub fn webhooks(&self, tenant: &TenantId) -> Option<Vec<Arc<Webhook>>> {
        Some(self.0.state(tenant.as_str())?.webhooks().cloned().collect())
    }

    /// Returns the tenants that are loaded, in no particular order.
    ///
    /// A tenant that is loaded or evicted during the call may or may not be included.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        let ids = |shard: &Shard| -> Vec<TenantId> {
            shard.tenants.load().iter().map(|tenant| tenant.id.clone()).collect()
        };
        self.0.shards.iter().flat_map(ids).collect()
    }

    /// Creates a session that matches events on one thread.
    ///
    /// Keep the session: it reuses its memory, so that after the first matches a match allocates
    /// nothing, and it remembers the [shapes](crate::event::ShapeCache) of events.
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
        // The table inside a shard uses the lowest and the highest bits of the same hash. The shard
        // is chosen by others, so that the entries of one table still differ in those.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    /// Returns a loaded tenant, counted. It may be evicted before the caller locks it, so a change
    /// must look at [`Writer::evicted`](tenant::Writer::evicted) after locking.
    fn find(&self, tenant: &str) -> Option<Arc<Tenant>> {
        let hash = self.hash(tenant);
        let tenants = self.shard(hash).tenants.load();
        tenants.find(hash, |known| known.id.as_str() == tenant).cloned()
    }

    /// Returns the current state of a tenant: two pointer loads and one look-up, and no lock.
    #[inline]
    fn state(&self, tenant: &str) -> Option<Guard<Arc<State>>> {
        let hash = self.hash(tenant);
        let tenants = self.shard(hash).tenants.load();
        // The guard of the state keeps the state alive after that of the table is dropped, even if
        // the tenant is evicted now.
        Some(tenants.find(hash, |known| known.id.as_str() == tenant)?.current.load())
    }
}

impl Shard {
    /// Locks the table against other changes; readers are not affected.
    ///
    /// A panic in another thread cannot leave it half changed, since `store` is the last step, so a
    /// poisoned lock is taken over.
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a change to a copy of the table and makes the copy current. The caller has the lock.
    fn change(&self, change: impl FnOnce(&mut HashTable<Arc<Tenant>>)) {
        let mut tenants = HashTable::clone(&self.tenants.load());
        change(&mut tenants);
        self.tenants.store(Arc::new(tenants));
    }
}
