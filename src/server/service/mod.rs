//! The use cases, shared by all interfaces: the API, and later the console and the intake.
//!
//! # Consistency of store and registry
//!
//! The store is the source of truth, and the registry holds what matching needs. The changes of a
//! tenant run one at a time, in these steps:
//!
//! ```text
//! lock of the tenant ──▶ checks, limits ──▶ store.commit ──▶ registry.put_at ──▶ response
//!                        nothing changed    durable          visible to matches
//! ```
//!
//! The invariant while no change runs: the registry's webhooks of a tenant together with those that
//! the rules [refuse](refused) are the store's, at the same revision. Three rules maintain it:
//! the checks that can refuse a change come before the commit, apart from the registry's limits of
//! bytes and of room; a change runs in its own task, so that it completes even if the caller closes
//! the connection; and if store and registry differ nevertheless, the tenant is loaded from the
//! store again.

pub(crate) mod attempt;
pub(crate) mod caller;
pub(crate) mod deliveries;
pub(crate) mod dry_runs;
pub(crate) mod problem;
pub(crate) mod refused;
pub(crate) mod rows;
mod webhooks;

use crate::server::ambient::Ambient;
use crate::server::store::contract::{Store, StoreError, TenantRows, WebhookChange};
use crate::server::store::seal::Keys;
use attempt::Attempt;
use hooksieve::delivery::RequestBuilder;
use hooksieve::event::TenantId;
use hooksieve::registry::Registry;
use hooksieve::webhook::{Rules, Webhook, WebhookDocument, WebhookId};
use problem::Problem;
use refused::Refused;
use rows::Documents;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
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
    /// The maximum number of webhooks that a user may create in a tenant; `None` for no limit.
    pub(crate) max_per_user: Option<usize>,
    /// The maximum number of dry runs that compute at once.
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
    builder: RequestBuilder,
    max_per_user: Option<usize>,
    computing: Arc<Semaphore>,
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>>>,
}

/// The state of a tenant outside the registry.
struct Tenant {
    id: TenantId,
    /// Held by the change that runs.
    turn: tokio::sync::Mutex<()>,
    state: RwLock<State>,
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
        let Parts { store, rules, keys, ambient, attempt, max_per_user, computing } = parts;
        let service = Self(Arc::new(Inner {
            store,
            documents: Documents { keys, ambient: ambient.clone() },
            registry: Registry::new(&rules),
            ambient,
            attempt,
            builder: RequestBuilder::default(),
            max_per_user,
            computing: Arc::new(Semaphore::new(computing)),
            tenants: Mutex::default(),
        }));
        let mut loaded = Loaded::default();
        for id in service.0.store.tenants().await? {
            let tenant = service.0.tenant(&id)?;
            service.0.load(&tenant).await?;
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
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = tenants.get(id) {
            return Ok(Arc::clone(tenant));
        }
        // A tenant without changes has revision 0.
        let _ = self.registry.load_at(id.clone(), [], 0)?;
        let (turn, state) = (tokio::sync::Mutex::default(), RwLock::default());
        let tenant = Arc::new(Tenant { id: id.clone(), turn, state });
        tenants.insert(id.clone(), Arc::clone(&tenant));
        Ok(tenant)
    }

    /// Loads a tenant from the store into the registry. The caller holds the tenant's lock, or is
    /// the start.
    async fn load(&self, tenant: &Tenant) -> Result<(), Problem> {
        let rows = self.store.load(&tenant.id).await?;
        let revision = rows.revision;
        let (webhooks, refused) = self.sort(tenant, rows)?;
        let _ = self.registry.load_at(tenant.id.clone(), webhooks, revision)?;
        tenant.set(State { revision, refused: Arc::new(refused) });
        Ok(())
    }

    /// Separates the webhooks that satisfy the rules from those that are refused.
    fn sort(
        &self,
        tenant: &Tenant,
        rows: TenantRows,
    ) -> Result<(Vec<Webhook>, BTreeMap<WebhookId, Refused>), Problem> {
        let (rules, now) = (self.registry.rules(), self.ambient.now());
        let (mut webhooks, mut refused) = (Vec::new(), BTreeMap::new());
        for row in rows.webhooks {
            let document = self.documents.open(&tenant.id, &row)?;
            let (tenant, id) = (tenant.id.as_str(), row.id.as_str());
            let read = WebhookDocument::read(&document);
            let problems = match read.and_then(|document| Webhook::restore(&document, &rules)) {
                Ok(webhook) => {
                    webhooks.push(webhook);
                    continue;
                }
                Err(problems) => problems,
            };
            match Refused::read(&row.id, &document, (&rules, &problems), now) {
                Some(kept) => {
                    tracing::warn!(
                        tenant,
                        webhook = id,
                        reason = kept.reason,
                        "disabled a webhook that the rules refuse"
                    );
                    refused.insert(row.id, kept);
                }
                None => tracing::error!(
                    tenant,
                    webhook = id,
                    "cannot read a stored webhook; it is not loaded"
                ),
            }
        }
        Ok((webhooks, refused))
    }

    /// Makes a change. The caller holds the tenant's lock. This is the only place where a change
    /// goes from the store to the registry.
    ///
    /// All checks have passed before. After the commit the registry could only refuse a webhook of
    /// more than 2 MiB of text, which exceeds the largest body, or one beyond the 2³² that an index
    /// can hold. In that case the tenant is loaded again, without the webhook.
    async fn make(&self, tenant: &Tenant, decided: Decided) -> Result<u64, Problem> {
        let mut state = tenant.state();
        let change = match &decided {
            Decided::Put(webhook) => WebhookChange::Put(self.documents.row(&tenant.id, webhook)?),
            Decided::Remove(id) => WebhookChange::Remove(id.clone()),
        };
        let revision = match self.store.commit(&tenant.id, state.revision, change).await {
            Ok(revision) => revision,
            Err(conflict @ StoreError::Conflict { .. }) => {
                self.load(tenant).await?;
                return Err(conflict.into());
            }
            Err(error) => return Err(error.into()),
        };
        let (id, applied) = match decided {
            Decided::Put(webhook) => {
                let id = webhook.id().clone();
                (id, self.registry.put_at(&tenant.id, *webhook, revision))
            }
            Decided::Remove(id) => {
                let applied = self.registry.remove_at(&tenant.id, &id, revision);
                (id, applied)
            }
        };
        if let Err(error) = applied {
            let tenant_id = tenant.id.as_str();
            tracing::error!(tenant = tenant_id, %error, "the registry refused a committed change");
            self.load(tenant).await?;
            return Err(error.into());
        }
        if state.refused.contains_key(&id) {
            Arc::make_mut(&mut state.refused).remove(&id);
        }
        tenant.set(State { revision, refused: state.refused });
        Ok(revision)
    }
}
