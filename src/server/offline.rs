//! Administration of a store without a server: `hooksieve store`.
//!
//! | verb | while a server runs | changes |
//! | --- | --- | --- |
//! | `backup`, `check` | yes: they read one state of the store, on their own connections | nothing |
//! | `import`, `erase`, `reseal` | no: they take the lock of the directory | see below |
//!
//! The verbs that change the store take the lock because a server keeps the webhooks in memory, and
//! would not see the change. Before they change anything, they check that the store is sound, and
//! those that need keys check that the keys open every secret in it: with a wrong key under the id
//! of the right one, they would add secrets that open only with the wrong one.
//!
//! Each change is a commit of its own and survives a crash. So a verb that was interrupted is run
//! again, and finds what is left to do:
//!
//! - An import skips the ids that the tenant already has.
//! - An erasure of a tenant that is gone only rewrites the file and empties its log.
//! - Sealing again skips the webhooks that are sealed with the first key.
//!
//! ```text
//! rotation of keys      seal.keys        store
//! insert a new line     new, old         a:old  b:old  c:old     both open
//! reseal, interrupted   new, old         a:new  b:old  c:old     both open
//! reseal                new, old         a:new  b:new  c:new     the old line may be deleted
//! ```

use super::ambient::Ambient;
use super::service::problem::Problem;
use super::service::rows::Documents;
use super::store::contract::{Store, StoreError, WebhookChange, WebhookRow};
use super::store::seal::{self, Owner, Random};
use super::store::sqlite::{self, BackupError, Settings, Sqlite};
use super::{SEAL_KEYS, ServeError, seal_keys};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Webhook, WebhookId};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The reason code of an imported webhook whose secrets are unknown.
const WITHHELD: &str = "secret-withheld";

/// The maximum length of an id. Removed ids are kept for a while, so they must be small.
const MAX_ID: usize = 256;

/// The files of a server that is not running.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The file of keys that seal secrets; `None` for the default one.
    pub(crate) seal_keys: Option<PathBuf>,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// The number of imported webhooks.
    pub(crate) webhooks: usize,
    /// How many of them are disabled because their secrets are withheld.
    pub(crate) disabled: usize,
    /// The number of webhooks that were skipped because the tenant has one with their id.
    pub(crate) existing: usize,
    /// Whether the store was created.
    pub(crate) created: bool,
}

/// What sealing again did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resealed {
    /// The number of webhooks.
    pub(crate) webhooks: usize,
    /// How many of them were sealed again.
    pub(crate) sealed: usize,
}

/// Copies the store to a new file, which can serve as the store in another directory.
///
/// # Errors
///
/// Returns an error if there is no store, if it has problems, or if the file exists or cannot be
/// written.
pub(crate) fn backup(place: &Place, to: &Path) -> Result<(), ServeError> {
    sqlite::backup(&place.data, to).map_err(|error| match error {
        BackupError::Store(error) => place.error(&error),
        BackupError::File(what) => ServeError::Named(to.display().to_string(), what),
    })
}

/// Returns a description of every problem of the store; empty if it is sound.
///
/// # Errors
///
/// Returns an error if there is no store, if it cannot be read, or if a newer version wrote it.
pub(crate) fn check(place: &Place) -> Result<Vec<String>, ServeError> {
    sqlite::check(&place.data).map_err(|error| place.error(&error))
}

/// Removes a tenant and everything that the store keeps for it. Returns whether there was anything.
///
/// # Errors
///
/// Returns an error if the store cannot be opened or written, if it has problems, which could hide
/// content of the tenant, or if a long read, such as a backup, keeps the content in the log of the
/// store.
pub(crate) fn erase(place: &Place, tenant: &TenantId) -> Result<bool, ServeError> {
    wait(async {
        let store = place.open(false)?;
        let erased = async {
            // Erased in any case: an earlier erasure may have left content in the file or its log.
            let known = store.tenants().await?.contains(tenant);
            store.erase(tenant).await?;
            Ok(known)
        };
        erased.await.map_err(|error| place.error(&error))
    })
}

/// Adds webhooks to their tenants. A webhook whose secret or encrypted headers are withheld, as in
/// a response of the API, is disabled: its receivers would refuse what it sends. With `create`, the
/// store and its keys are created if there is no store.
///
/// # Errors
///
/// Returns an error if the store cannot be opened or has problems, or if the keys do not open its
/// secrets; then nothing is imported. Otherwise returns an error at the first webhook that cannot be
/// imported; those before it are.
pub(crate) fn import(
    place: &Place,
    webhooks: Vec<(TenantId, Arc<Webhook>)>,
    create: bool,
) -> Result<Imported, ServeError> {
    let ambient = Ambient::machine();
    wait(async {
        let created = create && !sqlite::exists(&place.data);
        let store = place.open(create)?;
        let keys = seal_keys(&place.seal_file(), &store, &ambient).await?;
        let documents = Documents { keys, ambient };
        place.require_keys(&store, &documents).await?;
        let import = Import { place, store, documents };
        // By tenant, since each has its own sequence of revisions.
        let mut tenants: BTreeMap<TenantId, Vec<Arc<Webhook>>> = BTreeMap::new();
        for (tenant, webhook) in webhooks {
            tenants.entry(tenant).or_default().push(webhook);
        }
        let mut imported = Imported { created, ..Imported::default() };
        for (tenant, webhooks) in tenants {
            import.tenant(&tenant, &webhooks, &mut imported).await?;
        }
        Ok(imported)
    })
}

struct Import<'a> {
    place: &'a Place,
    store: Sqlite,
    documents: Documents,
}

impl Import<'_> {
    async fn tenant(
        &self,
        tenant: &TenantId,
        webhooks: &[Arc<Webhook>],
        imported: &mut Imported,
    ) -> Result<(), ServeError> {
        let rows = self.store.load(tenant).await.map_err(|error| self.place.error(&error))?;
        let mut revision = rows.revision;
        let mut known: HashSet<WebhookId> = rows.webhooks.into_iter().map(|row| row.id).collect();
        for webhook in webhooks {
            let id = webhook.id();
            let refused = |what: String| {
                let name = format!("webhook `{}` of tenant `{}`", id.as_str(), tenant.as_str());
                ServeError::Named(name, what)
            };
            // Also a duplicate within the file: the first one is kept, as the reader has reported.
            if !known.insert(id.clone()) {
                imported.existing += 1;
                continue;
            }
            if id.as_str().len() > MAX_ID {
                return Err(refused(format!("the id has more than {MAX_ID} bytes")));
            }
            // Enabled without its secret, it would send requests that receivers refuse or cannot verify.
            let withheld = webhook.has_redacted_secrets().then(|| {
                let reason = "the webhook was imported without its secret or the values of its \
                              encrypted headers: set them, then enable it";
                webhook.disabled(reason, WITHHELD, self.documents.ambient.now())
            });
            imported.disabled += usize::from(withheld.is_some());
            let row = self.documents.row(tenant, withheld.as_ref().unwrap_or(webhook));
            let row = row.map_err(|problem| refused(problem.to_string()))?;
            let committed = self.store.commit(tenant, revision, WebhookChange::Put(row)).await;
            revision = committed.map_err(|error| self.place.error(&error))?;
            imported.webhooks += 1;
        }
        Ok(())
    }
}

/// Seals every webhook with the first key that is sealed with another one. Every key that sealed
/// one must be in the file.
///
/// # Errors
///
/// Returns an error if the store cannot be opened or has problems, or if a webhook does not open;
/// then nothing is sealed again. Also returns an error if the store cannot be written; what was
/// sealed before stays sealed with the first key.
pub(crate) fn reseal(place: &Place) -> Result<Resealed, ServeError> {
    let ambient = Ambient::machine();
    wait(async {
        let store = place.open(false)?;
        // Never created: new keys open nothing.
        let keys = seal::Keys::read(&place.seal_file());
        let keys = keys.map_err(|error| ServeError::Store(error.to_string()))?;
        let documents = Documents { keys, ambient };
        place.require_keys(&store, &documents).await?;
        let mut resealed = Resealed::default();
        let failed = |error: StoreError| place.error(&error);
        for tenant in store.tenants().await.map_err(failed)? {
            let rows = store.load(&tenant).await.map_err(failed)?;
            let mut revision = rows.revision;
            for row in rows.webhooks {
                resealed.webhooks += 1;
                // One commit each. What is done stays done if a later one fails, and the old key still opens
                // what is left.
                let Some(row) = again(&documents, &tenant, &row).map_err(problem)? else {
                    continue;
                };
                let change = WebhookChange::Put(row);
                revision = store.commit(&tenant, revision, change).await.map_err(failed)?;
                resealed.sealed += 1;
            }
        }
        Ok(resealed)
    })
}

/// Returns a row sealed with the first key; `None` if it already is.
fn again(
    documents: &Documents,
    tenant: &TenantId,
    row: &WebhookRow,
) -> Result<Option<WebhookRow>, Problem> {
    let owner = Owner { tenant, webhook: &row.id };
    let reseal = |random: Random<'_>| documents.keys.reseal(owner, &row.document, random);
    let sealed = documents.random(owner, reseal)?;
    Ok(sealed.map(|document| WebhookRow { id: row.id.clone(), document }))
}

/// Converts an error about a webhook, which names it.
fn problem(problem: Problem) -> ServeError {
    ServeError::Store(problem.to_string())
}

impl Place {
    /// Opens a sound store and locks the directory; an error if a server uses it. The store must
    /// exist unless `create` is set.
    fn open(&self, create: bool) -> Result<Sqlite, ServeError> {
        let settings = Settings { create, ..Settings::new(&self.data) };
        // A store with a lost tenant or a damaged page would hide webhooks from the change.
        let opened = Sqlite::open(&settings).and_then(|store| {
            store.require_sound()?;
            Ok(store)
        });
        opened.map_err(|error| self.error(&error))
    }

    /// Returns an error unless the keys open every secret in the store.
    async fn require_keys(&self, store: &Sqlite, documents: &Documents) -> Result<(), ServeError> {
        let failed = |error: StoreError| self.error(&error);
        for tenant in store.tenants().await.map_err(failed)? {
            for row in store.load(&tenant).await.map_err(failed)?.webhooks {
                documents.open(&tenant, &row).map_err(problem)?;
            }
        }
        Ok(())
    }

    fn seal_file(&self) -> PathBuf {
        self.seal_keys.clone().unwrap_or_else(|| self.data.join(SEAL_KEYS))
    }

    fn error(&self, error: &StoreError) -> ServeError {
        ServeError::Named(self.data.display().to_string(), error.to_string())
    }
}

/// Runs a future on this thread; the store has threads of its own.
fn wait<T>(future: impl Future<Output = Result<T, ServeError>>) -> Result<T, ServeError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
