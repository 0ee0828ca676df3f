//! The use cases, once, for every way in: the API, and later the console and the intake.
//!
//! # Store and registry in step
//!
//! The store has the truth, the registry what matching needs. A change of a tenant has its turn
//! alone and takes these steps:
//!
//! ```text
//! caller ──▶ turn of the tenant ──▶ validate, limits ──▶ store.commit(expected) ──▶ registry.put_at ──▶ answer
//!                                   nothing changed        durable at revision r      seen by matches
//! ```
//!
//! The invariant, whenever no change is in its turn: the registry's webhooks of a tenant and those
//! that the rules [refuse](refused) are together the store's, at the same revision. Three things
//! keep it: whatever can refuse a change is asked before the commit; a change runs as a task of its
//! own, so that a caller who hangs up between commit and registry does not stop it; and if the two
//! differ all the same, the tenant is loaded from the store again.

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

/// What the service is made of.
pub(crate) struct Parts {
    /// Where everything is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What webhooks are held to.
    pub(crate) rules: Rules,
    /// The keys that seal secrets in the store.
    pub(crate) keys: Keys,
    /// Time and randomness.
    pub(crate) ambient: Ambient,
    /// Sends what is resent.
    pub(crate) attempt: Arc<dyn Attempt>,
    /// How many webhooks a user may have created in a tenant; `None` for any number.
    pub(crate) max_per_user: Option<usize>,
    /// How many dry runs may compute at once.
    pub(crate) computing: usize,
}

/// The use cases. Cheap to clone: clones share state.
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

/// What the service knows of a tenant beside the registry.
struct Tenant {
    id: TenantId,
    /// Held by the change whose turn it is.
    turn: tokio::sync::Mutex<()>,
    state: RwLock<State>,
}

#[derive(Clone, Default)]
struct State {
    /// The store's.
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

/// What a use case returns, with the tenant's revision that it saw or made.
#[derive(Clone, Debug)]
pub(crate) struct Answered<T> {
    /// The answer.
    pub(crate) body: T,
    /// The tenant's revision.
    pub(crate) revision: u64,
    /// How many warnings there are about what was sent.
    pub(crate) warnings: usize,
}

impl<T> Answered<T> {
    fn new(body: T, revision: u64) -> Self {
        Self { body, revision, warnings: 0 }
    }
}

/// What a start found in the store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loaded {
    /// Tenants.
    pub(crate) tenants: usize,
    /// Webhooks that are matched.
    pub(crate) webhooks: usize,
    /// Webhooks that the rules refuse.
    pub(crate) refused: usize,
}

impl Service {
    /// A service over a store, with all its tenants loaded.
    ///
    /// # Errors
    ///
    /// A store that cannot be read, or secrets that the keys do not open: without them, deliveries
    /// would be missing and nobody would know.
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

    /// The rules that webhooks are held to.
    pub(crate) fn rules(&self) -> Rules {
        self.0.registry.rules()
    }

    /// Whether the store still writes.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.0.store.ping().await
    }
}

/// A change that is decided, and not yet made.
enum Decided {
    Put(Box<Webhook>),
    Remove(WebhookId),
}

impl Inner {
    /// A tenant, which need not have webhooks. There are as many as in the store and in the keys.
    fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, Problem> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tenant) = tenants.get(id) {
            return Ok(Arc::clone(tenant));
        }
        // Revision 0 is that of a tenant without changes.
        let _ = self.registry.load_at(id.clone(), [], 0)?;
        let (turn, state) = (tokio::sync::Mutex::default(), RwLock::default());
        let tenant = Arc::new(Tenant { id: id.clone(), turn, state });
        tenants.insert(id.clone(), Arc::clone(&tenant));
        Ok(tenant)
    }

    /// Loads a tenant from the store into the registry, in its turn or at the start.
    async fn load(&self, tenant: &Tenant) -> Result<(), Problem> {
        let rows = self.store.load(&tenant.id).await?;
        let revision = rows.revision;
        let (webhooks, refused) = self.sort(tenant, rows)?;
        let _ = self.registry.load_at(tenant.id.clone(), webhooks, revision)?;
        tenant.set(State { revision, refused: Arc::new(refused) });
        Ok(())
    }

    /// The webhooks that the rules take, and those that they refuse.
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
                        "disabled a webhook"
                    );
                    refused.insert(row.id, kept);
                }
                None => tracing::error!(tenant, webhook = id, "a webhook cannot be read"),
            }
        }
        Ok((webhooks, refused))
    }

    /// Makes a change in the tenant's turn: the one place where a change goes from the store to the
    /// registry.
    ///
    /// Everything that may refuse it was asked before. What the registry could still refuse after
    /// the commit is a webhook of more than 2 MiB of text, which no body is large enough to make, or
    /// one beyond the 2³² that an index can hold; then the tenant is loaded again, without it.
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
            tracing::error!(tenant = tenant.id.as_str(), %error, "loading a tenant again");
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
