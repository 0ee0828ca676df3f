//! The use cases, shared by all interfaces: the API, and later the console.
//!
//! # Consistency of store and registry
//!
//! The store is the source of truth, and the registry holds what matching needs. The changes of a
//! tenant run one at a time, in these steps:
//!
//! ```text
//! lock of the tenant ──▶ checks, limits ──▶ prepare ──▶ store.commit ──▶ apply ──▶ response
//!                        nothing changed    registry    durable          visible to matches
//! ```
//!
//! The invariant while no change runs: the registry's webhooks of a tenant together with those that
//! are [refused] are the store's, at the same revision. Four rules maintain it:
//!
//! 1. Everything that can refuse a change comes before the commit. Applying a prepared change cannot
//!    fail, and a prepared change that is dropped leaves nothing.
//! 2. A change runs in its own [task](tasks), so that it completes even if the caller closes the
//!    connection.
//! 3. If the outcome of a commit is unknown, or if another writer changed the tenant, the tenant is
//!    loaded from the store again. A load never fails because of one webhook: one that the registry
//!    refuses is refused, too.
//! 4. While a change is prepared, loads and other changes of the tenant block their threads. So only
//!    a change that holds the tenant's lock prepares one, and it then waits for nothing but the
//!    commit, which needs no registry.
//!
//! # Threads
//!
//! Use cases run on the threads that serve connections, so none computes for long there. Changes
//! look at one webhook, and the number of webhooks that a user has created is counted along with
//! the changes. Lists, whose work grows with the tenant, run on blocking threads, as do the
//! [dry runs](dry_runs) and large bodies of [events](intake), each with permits of their own: a list
//! never waits for a dry run.

pub(crate) mod attempt;
pub(crate) mod caller;
pub(crate) mod deliveries;
pub(crate) mod dry_runs;
pub(crate) mod events;
pub(crate) mod intake;
pub(crate) mod outlet;
pub(crate) mod problem;
pub(crate) mod refused;
mod resend;
pub(crate) mod rows;
mod tasks;
pub(crate) mod trials;
mod webhooks;

use crate::server::ambient::Ambient;
use crate::server::store::contract::{Store, StoreError, TenantRows, WebhookChange, WebhookRow};
use crate::server::store::seal::Keys;
use attempt::Attempt;
use hooksieve::delivery::RequestBuilder;
use hooksieve::event::{TenantId, UserId};
use hooksieve::registry::{Change, Registry};
use hooksieve::webhook::{Rules, Webhook, WebhookId};
use intake::Intake;
use outlet::Outlet;
use problem::Problem;
use refused::Refused;
use rows::Documents;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tasks::Tasks;
use tokio::sync::Semaphore;

/// The dependencies and limits of a service.
pub(crate) struct Parts {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// The rules that webhooks must satisfy.
    pub(crate) rules: Rules,
    /// The keys that seal secrets in the store.
    pub(crate) keys: Keys,
    /// The clock and the source of random bytes.
    pub(crate) ambient: Ambient,
    /// The sender of attempts.
    pub(crate) attempt: Arc<dyn Attempt>,
    /// Where accepted messages go.
    pub(crate) outlet: Arc<dyn Outlet>,
    /// The time for which a message that is handed over is claimed.
    pub(crate) lease: Duration,
    /// The maximum number of events that are accepted per second and tenant; 0 for no limit.
    pub(crate) events_per_second: u32,
    /// The maximum number of webhooks that a user may create in a tenant; `None` for no limit.
    pub(crate) max_per_user: Option<usize>,
    /// The maximum number of dry runs, of lists, and of large bodies of events that are computed at
    /// once.
    pub(crate) computing: usize,
}

/// The use cases. Clones share state.
#[derive(Clone)]
pub(crate) struct Service(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    documents: Documents,
    registry: Registry,
    ambient: Ambient,
    attempt: Arc<dyn Attempt>,
    outlet: Arc<dyn Outlet>,
    intake: Intake,
    builder: RequestBuilder,
    max_per_user: Option<usize>,
    computing: Arc<Semaphore>,
    listing: Arc<Semaphore>,
    tasks: Tasks,
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>>>,
}

/// The state of a tenant outside the registry.
struct Tenant {
    id: TenantId,
    /// Held by the change that runs.
    turn: tokio::sync::Mutex<Creators>,
    state: RwLock<State>,
}

/// How many webhooks of a tenant each user has created.
///
/// Counted along with the changes, since a user's limit is checked at each creation: counting the
/// webhooks then would make `n` creations cost `n²`.
#[derive(Clone, Debug, Default)]
struct Creators(HashMap<UserId, usize>);

impl Creators {
    /// Returns how many webhooks a user has created.
    fn count(&self, user: &UserId) -> usize {
        self.0.get(user).copied().unwrap_or(0)
    }

    fn add(&mut self, webhook: &Webhook) {
        if let Some(user) = &webhook.created().by {
            *self.0.entry(user.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, webhook: &Webhook) {
        let Some(user) = &webhook.created().by else { return };
        if let Some(count) = self.0.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(user);
            }
        }
    }
}

#[derive(Clone, Default)]
struct State {
    /// The revision of the store.
    revision: u64,
    refused: Arc<BTreeMap<WebhookId, Refused>>,
}

impl Tenant {
    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// The result of a use case and the tenant's revision at which it was made or read.
#[derive(Clone, Debug)]
pub(crate) struct Answered<T> {
    /// The result.
    pub(crate) body: T,
    /// The tenant's revision.
    pub(crate) revision: u64,
    /// The number of warnings about the request.
    pub(crate) warnings: usize,
}

impl<T> Answered<T> {
    fn new(body: T, revision: u64) -> Self {
        Self { body, revision, warnings: 0 }
    }
}

/// The counts of what a start loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loaded {
    /// The number of tenants.
    pub(crate) tenants: usize,
    /// The number of webhooks that are matched.
    pub(crate) webhooks: usize,
    /// The number of webhooks that the rules refuse.
    pub(crate) refused: usize,
}

impl Service {
    /// Creates a service over a store and loads all tenants.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read, or if the keys do not open its secrets:
    /// otherwise deliveries would be lost silently.
    pub(crate) async fn start(parts: Parts) -> Result<(Self, Loaded), Problem> {
        let Parts { store, rules, keys, ambient, attempt, outlet, max_per_user, .. } = parts;
        let Parts { computing, lease, events_per_second, .. } = parts;
        let registry = Registry::new(&rules);
        let service = Self(Arc::new(Inner {
            store,
            documents: Documents { keys, ambient: ambient.clone() },
            intake: Intake::new(registry.clone(), computing, lease, events_per_second),
            registry,
            ambient,
            attempt,
            outlet,
            builder: RequestBuilder::default(),
            max_per_user,
            computing: Arc::new(Semaphore::new(computing)),
            listing: Arc::new(Semaphore::new(computing)),
            tasks: Tasks::default(),
            tenants: Mutex::default(),
        }));
        // One after the other: the time is spent in parsing, and a start has nothing else to do.
        let mut loaded = Loaded::default();
        for id in service.0.store.tenants().await? {
            let tenant = service.0.tenant(&id)?;
            service.0.load(&tenant, &mut *tenant.turn.lock().await).await?;
            loaded.tenants += 1;
            loaded.webhooks += service.0.registry.webhooks(&id).map_or(0, |all| all.len());
            loaded.refused += tenant.state().refused.len();
        }
        Ok((service, loaded))
    }

    /// Returns the rules that webhooks must satisfy.
    pub(crate) fn rules(&self) -> Rules {
        self.0.registry.rules()
    }

    /// Waits until no change and no attempt runs.
    pub(crate) async fn idle(&self) {
        self.0.tasks.idle().await;
    }

    /// Runs work that grows with the tenant on a blocking thread.
    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let internal = |error: String| Problem::Internal(error);
        let permit = Arc::clone(&self.0.listing).acquire_owned().await;
        let permit = permit.map_err(|error| internal(error.to_string()))?;
        let inner = Arc::clone(&self.0);
        let computed = tokio::task::spawn_blocking(move || {
            // Kept until the work ends, even if its caller waits no longer.
            let _permit = permit;
            work(&inner)
        });
        computed.await.map_err(|error| internal(error.to_string()))?
    }

    /// Checks that the store can write.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.0.store.ping().await
    }
}

/// A change that passed all checks and is not made yet.
enum Decided {
    Put(Box<Webhook>),
    Remove(WebhookId),
}

impl Inner {
    /// Returns a tenant, which need not have webhooks. Their number is limited by the tenants in
    /// the store and in the keys file.
    fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, Problem> {
        // A poisoned lock is used on: a panic between two insertions leaves a valid map, and one request
        // that panicked must not stop all others.
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = tenants.get(id) {
            return Ok(Arc::clone(tenant));
        }
        // A tenant without changes has revision 0. Loaded now, so that the registry never reports it
        // as unknown: its callers exist, only webhooks do not.
        let _ = self.registry.load_at(id.clone(), [], 0)?;
        let (turn, state) = (tokio::sync::Mutex::default(), RwLock::default());
        let tenant = Arc::new(Tenant { id: id.clone(), turn, state });
        tenants.insert(id.clone(), Arc::clone(&tenant));
        Ok(tenant)
    }

    /// Loads a tenant from the store into the registry. `creators` is the tenant's, whose lock the
    /// caller holds.
    async fn load(&self, tenant: &Tenant, creators: &mut Creators) -> Result<(), Problem> {
        let mut too_large = BTreeMap::new();
        loop {
            let rows = self.store.load(&tenant.id).await?;
            let mut revision = rows.revision;
            let Sorted { webhooks, refused, disabled } = self.sort(tenant, rows, &too_large)?;
            // Refused webhooks count, too: their users created them, and can remove them.
            let mut counted = Creators::default();
            webhooks.iter().for_each(|webhook| counted.add(webhook));
            refused.values().for_each(|refused| counted.add(&refused.webhook));
            // Before the registry is loaded, so that it has the last revision.
            for row in disabled {
                revision = self.disable(tenant, revision, row).await;
            }
            match self.registry.load_at(tenant.id.clone(), webhooks, revision) {
                Ok(_) => {}
                // The registry names the webhook that it refuses. Without it, the others are loaded.
                Err(error) => match error.id() {
                    Some(id) if !too_large.contains_key(id) => {
                        too_large.insert(id.clone(), error.to_string());
                        continue;
                    }
                    _ => return Err(error.into()),
                },
            }
            *creators = counted;
            tenant.set(State { revision, refused: Arc::new(refused) });
            return Ok(());
        }
    }

    /// Disables a refused webhook in the store, and returns the tenant's revision afterwards. If
    /// the store cannot write, the webhook is disabled in memory only: a full store must not keep
    /// the server from starting.
    async fn disable(&self, tenant: &Tenant, revision: u64, row: WebhookRow) -> u64 {
        let (name, id) = (tenant.id.as_str(), row.id.clone());
        let id = id.as_str();
        match self.store.commit(&tenant.id, revision, WebhookChange::Put(row)).await {
            Ok(revision) => revision,
            Err(error) => {
                tracing::error!(tenant = name, webhook = id, %error, "cannot disable a webhook");
                revision
            }
        }
    }

    /// Separates the webhooks that satisfy the rules from those that are refused. `too_large` are
    /// those that the registry has refused, with the reasons.
    fn sort(
        &self,
        tenant: &Tenant,
        rows: TenantRows,
        too_large: &BTreeMap<WebhookId, String>,
    ) -> Result<Sorted, Problem> {
        let (rules, now) = (self.registry.rules(), self.ambient.now());
        let mut sorted = Sorted::default();
        for row in rows.webhooks {
            let document = self.documents.open(&tenant.id, &row)?;
            let (name, id) = (tenant.id.as_str(), row.id.as_str());
            let restored = Webhook::restore_from(&document, &rules);
            let kept = match (restored, too_large.get(&row.id)) {
                (Ok(webhook), None) => {
                    sorted.webhooks.push(webhook);
                    continue;
                }
                (Ok(webhook), Some(reason)) => Some(Refused::new(&webhook, reason.clone(), now)),
                (Err(problems), _) => Refused::read(&row.id, &document, (&rules, &problems), now),
            };
            let Some(kept) = kept else {
                tracing::error!(
                    tenant = name,
                    webhook = id,
                    "cannot read a stored webhook; it is not loaded"
                );
                continue;
            };
            tracing::warn!(
                tenant = name,
                webhook = id,
                reason = kept.reason,
                "disabled a webhook that the rules refuse"
            );
            // `read` has parsed the document, so this fails only if memory does.
            let disabled = kept.disabled(&document);
            if let Some(new) = disabled.map_err(|error| Problem::Internal(error.to_string()))? {
                sorted.disabled.push(self.documents.sealed(&tenant.id, &row.id, &new)?);
            }
            sorted.refused.insert(row.id, kept);
        }
        Ok(sorted)
    }

    /// Makes a change. The caller holds the tenant's lock, and `creators` is what it protects. This
    /// is the only place where a change goes to the store and to the registry.
    async fn make(
        &self,
        tenant: &Tenant,
        creators: &mut Creators,
        decided: Decided,
    ) -> Result<Change, Problem> {
        let mut state = tenant.state();
        // Sealed first, since it can fail: preparing a change in vain costs a clone of the index.
        let row = match &decided {
            Decided::Put(webhook) => WebhookChange::Put(self.documents.row(&tenant.id, webhook)?),
            Decided::Remove(id) => WebhookChange::Remove(id.clone()),
        };
        let id = row.webhook().clone();
        let reserved = self.registry.reserve(&tenant.id)?;
        let prepared = match decided {
            Decided::Put(webhook) => reserved.put(*webhook)?,
            Decided::Remove(_) => reserved.remove(&id)?,
        };
        let expected = prepared.revision() - 1;
        debug_assert_eq!(expected, state.revision, "the registry is at the store's revision");
        // If this future is dropped here, so is the prepared change, and the commit may or may not be
        // made. It is dropped only with the process: the change runs in a task of its own. After a
        // panic the next change finds a conflict, if the commit was made.
        if let Err(error) = self.store.commit(&tenant.id, expected, row).await {
            // Before the load, which would wait for it forever.
            drop(prepared);
            self.reload(tenant, creators, &error).await?;
            return Err(error.into());
        }
        let change = prepared.apply();
        let refused = state.refused.get(&id).map(|refused| Arc::clone(&refused.webhook));
        // A replacement keeps its creator, so only a new webhook and a removal change a count.
        match (&change.after, refused.as_ref().or(change.before.as_ref())) {
            (Some(new), None) => creators.add(new),
            (None, Some(old)) => creators.remove(old),
            _ => {}
        }
        if refused.is_some() {
            Arc::make_mut(&mut state.refused).remove(&id);
        }
        // Last, so that a reader who sees this revision finds the change in the registry.
        tenant.set(State { revision: change.revision, refused: state.refused });
        self.outlet.changed(&tenant.id, &id);
        Ok(change)
    }

    /// Loads a tenant again after a failed commit, if the store has another revision than the
    /// registry.
    async fn reload(
        &self,
        tenant: &Tenant,
        creators: &mut Creators,
        error: &StoreError,
    ) -> Result<(), Problem> {
        match error {
            // Nothing was done.
            StoreError::Full(_) | StoreError::Aborted(_) => return Ok(()),
            StoreError::Conflict { .. } => {}
            // A store that failed refuses every change, so each of them comes here. The load, whose
            // work grows with the tenant, is needed only if the commit was made after all.
            StoreError::Failed(_) | StoreError::Unusable(_) => {
                return self.follow(tenant, creators).await;
            }
        }
        self.load(tenant, creators).await
    }

    /// Loads a tenant again if the store has another revision than the registry.
    async fn follow(&self, tenant: &Tenant, creators: &mut Creators) -> Result<(), Problem> {
        let changes = self.store.changes(&tenant.id, tenant.state().revision).await?;
        match changes.is_some_and(|changes| changes.is_empty()) {
            true => Ok(()),
            false => self.load(tenant, creators).await,
        }
    }
}

/// The webhooks of a tenant as a load found them.
#[derive(Default)]
struct Sorted {
    /// Those that are matched.
    webhooks: Vec<Webhook>,
    refused: BTreeMap<WebhookId, Refused>,
    /// The rows of refused webhooks that the store still has as enabled.
    disabled: Vec<WebhookRow>,
}
