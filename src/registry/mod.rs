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

mod changes;
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

pub use changes::Change;
pub use deliveries::{DeliverError, Deliveries};
pub use dry_run::{Comparison, DryRun, Effect, Verdicts};
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
use tenant::{State, Tenant};

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
