//! The changes of a registry: load, put, update, remove and evict.
//!
//! Each exists in two variants: at the tenant's next revision (`put`), and at a revision that the
//! caller's store gives (`put_at`), which is ignored unless it is above the tenant's.
//!
//! All changes of a webhook go through the same steps: find the tenant, lock it, look whether it
//! was evicted, decide by the revision, check by the policy, apply (see `tenant`). A load is
//! different: it builds a whole state first, without a lock, and locks only to install it.

use super::error::bounded;
use super::rules::Policy;
use super::state::State;
use super::tenant::{Tenant, Turn, Writer};
use super::{ChangeError, Inner, NotLoaded, Registry, UpdateError};
use crate::event::TenantId;
use crate::webhook::{Webhook, WebhookId};
use std::sync::Arc;

/// The outcome of a change of a tenant, with the webhook before and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it has the new revision, and whether a change at a given revision was applied"]
#[non_exhaustive]
pub struct Change {
    /// The tenant's revision after the change.
    pub revision: u64,
    /// Whether the change was applied; `false` if its revision was not above the tenant's.
    pub applied: bool,
    /// The webhook that was replaced or removed, if there was one.
    pub before: Option<Arc<Webhook>>,
    /// The webhook that was put; `None` after a removal or a load.
    pub after: Option<Arc<Webhook>>,
}

impl Change {
    fn ignored(highest: u64) -> Self {
        Self { revision: highest, applied: false, before: None, after: None }
    }

    fn loaded(revision: u64) -> Self {
        Self { revision, applied: true, before: None, after: None }
    }
}

impl Registry {
    /// Loads all webhooks of a tenant at its next revision, and replaces those it had.
    ///
    /// The first load of a tenant has revision 0. If several webhooks have the same id, the last
    /// one is kept. [`Limits`](super::Limits) are not checked. Matches and other changes of the
    /// tenant go on while the index is built. The load then replaces the result of those changes,
    /// too.
    ///
    /// # Cost
    ///
    /// Linear in the webhooks, which are checked and indexed. A tenant that is not loaded yet also
    /// copies the table of its shard, about 24 entries for 100,000 tenants.
    ///
    /// # Errors
    ///
    /// A webhook belongs to another tenant or is refused by the registry's rules; a webhook or the
    /// tenant's id has more than [`MAX_BYTES`](Self::MAX_BYTES) of text; the index is full; or
    /// there is no next revision. On an error nothing is changed.
    pub fn load(
        &self,
        tenant: impl Into<TenantId>,
        webhooks: impl IntoIterator<Item = Webhook>,
    ) -> Result<Change, ChangeError> {
        self.load_with(tenant.into(), webhooks, None)
    }

    /// Loads a tenant at a revision that the caller chooses.
    ///
    /// The load is ignored unless the revision is above the tenant's. If it is not above when the
    /// call begins, `webhooks` is not iterated.
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
        // Only saves work: the revision is decided again when the state is installed.
        if let Some(found) = self.0.find(tenant.as_str())
            && let Turn::Seen(highest) = found.turn(revision)?
        {
            return Ok(Change::ignored(highest));
        }
        let policy = self.0.policy.load_full();
        // Without a revision of its own, a tenant that is loaded for the first time is at 0.
        let mut state = self.0.empty(&policy, &tenant, revision.unwrap_or(0))?;
        for webhook in webhooks {
            policy.add(&tenant, &mut state, Arc::new(webhook))?;
        }
        self.0.install(tenant, state, policy, revision)
    }

    /// Removes a tenant with all its webhooks, and returns whether it was loaded.
    pub fn evict(&self, tenant: &TenantId) -> bool {
        let hash = self.0.hash(tenant.as_str());
        let shard = self.0.shard(hash);
        loop {
            // Found and removed under one lock: of two evictions only one returns `true`.
            let changing = shard.lock();
            let Some(found) = self.0.find(tenant.as_str()) else { return false };
            // Locked before it is removed, so that no change is applied to a tenant that matches no
            // longer find.
            let Some(mut writer) = found.try_lock() else {
                // The shard is free for its other tenants meanwhile.
                drop(changing);
                found.wait();
                continue;
            };
            shard.change(|tenants| {
                let entry = tenants.find_entry(hash, |known| Arc::ptr_eq(known, &found));
                debug_assert!(entry.is_ok(), "the table has changed under its lock");
                if let Ok(entry) = entry {
                    entry.remove();
                }
            });
            // A change that found the tenant before sees this and changes nothing.
            writer.evicted = true;
            return true;
        }
    }

    /// Inserts a webhook, or replaces the one with its id, at the tenant's next revision.
    ///
    /// If the new webhook depends on the current one, use [`update`](Self::update).
    ///
    /// # Cost
    ///
    /// One insert and at most one removal in each of the two copies of the index; the second copy
    /// gets them with the next change. If the webhook replaces one with the same filter, event
    /// types, level, owner and `enabled`, the index is not changed. That takes a third of the
    /// time, and the webhook keeps its place among the recipients of an event.
    ///
    /// The tenant's first change after a load clones the whole index. A change also clones it while
    /// [`Recipients`](super::Recipients) of the previous revision are held.
    ///
    /// # Errors
    ///
    /// The tenant is not loaded; the change would exceed one of the [`Limits`](super::Limits); the
    /// webhook belongs to another tenant, is refused by the registry's rules, or has more than
    /// [`MAX_BYTES`](Self::MAX_BYTES) of text; the index is full; or there is no next revision. On
    /// an error nothing is changed.
    pub fn put(&self, tenant: &TenantId, webhook: Webhook) -> Result<Change, ChangeError> {
        self.put_with(tenant, webhook, None)
    }

    /// Inserts or replaces a webhook at a revision that the caller chooses.
    ///
    /// The change is ignored unless the revision is above the tenant's.
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
        // Without the lock, since revisions only rise: a log that is replayed waits for no other
        // change.
        if let Turn::Seen(highest) = found.turn(revision)? {
            return Ok(Change::ignored(highest));
        }
        let mut writer = found.lock();
        // Evicted between `find` and `lock`: a change would be lost, since no reader finds the
        // tenant.
        if writer.evicted {
            return Err(NotLoaded.into());
        }
        // Again, since another change may have taken the revision before the lock was free.
        match found.turn(revision)? {
            Turn::Seen(highest) => Ok(Change::ignored(highest)),
            Turn::Takes(revision) => {
                let admitted = self.0.admit(&found, &mut writer, webhook)?;
                found.put(&mut writer, revision, admitted)
            }
        }
    }

    /// Replaces a webhook by a function of the current one, atomically.
    ///
    /// `change` gets the current webhook and returns the new one. No other change of the tenant
    /// happens in between, so two updates never undo each other, and a removed webhook does not
    /// come back.
    ///
    /// `change` runs while the tenant is locked, so keep it short. Other changes of the tenant wait
    /// for it. Loads and evictions of tenants in the same shard, replacements of rules or limits,
    /// and reading a snapshot may wait, too. Matches do not wait. `change` may call
    /// [`get`](Self::get), [`webhooks`](Self::webhooks), [`rules`](Self::rules) and the methods of
    /// a [`Session`](super::Session). A method that changes the registry, or
    /// [`stats`](Self::stats), can deadlock.
    ///
    /// ```
    /// # use hooksieve::registry::{Registry, UpdateError};
    /// # use hooksieve::diagnostic::Diagnostics;
    /// # use hooksieve::event::TenantId;
    /// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Edit, Patch, Rules};
    /// # use hooksieve::webhook::{Webhook, WebhookId};
    /// # let now = std::time::UNIX_EPOCH.into();
    /// # let rules = Rules::default();
    /// # let registry = Registry::new(&rules);
    /// # let document =
    /// #     WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/"}"#)?;
    /// # let (tenant, id) = (TenantId::from("t1"), WebhookId::from("w1"));
    /// # let new = NewWebhook::new("w1", "u1", now);
    /// # registry.load("t1", [Webhook::create(&document, &rules, new)?.webhook])?;
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
    /// [`UpdateError::NotFound`] if the webhook does not exist, [`UpdateError::Refused`] if
    /// `change` returned an error, [`UpdateError::OtherId`] if it returned a webhook with another
    /// id, and [`UpdateError::Change`] for the errors of [`put`](Self::put). On an error nothing is
    /// changed.
    pub fn update<E>(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        change: impl FnOnce(&Webhook) -> Result<Webhook, E>,
    ) -> Result<Change, UpdateError<E>> {
        self.update_with(tenant, id, None, change)
    }

    /// Updates a webhook at a revision that the caller chooses.
    ///
    /// If the revision is not above the tenant's, the update is ignored and `change` is not called.
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
        // Read under the lock, so it is still the current one when its change is put.
        let before = found.current.load().get(id.as_str()).cloned().ok_or(UpdateError::NotFound)?;
        let webhook = change(&before).map_err(UpdateError::Refused)?;
        // With another id it would add a webhook and leave the old one in place.
        if webhook.id() != before.id() {
            return Err(UpdateError::OtherId);
        }
        let admitted = self.0.admit(&found, &mut writer, webhook)?;
        Ok(found.put(&mut writer, revision, admitted)?)
    }

    /// Removes a webhook at the tenant's next revision.
    ///
    /// If the webhook does not exist, the revision still rises, and [`Change::before`] is `None`.
    ///
    /// # Errors
    ///
    /// The tenant is not loaded, or there is no next revision.
    pub fn remove(&self, tenant: &TenantId, id: &WebhookId) -> Result<Change, ChangeError> {
        self.remove_with(tenant, id, None)
    }

    /// Removes a webhook at a revision that the caller chooses.
    ///
    /// The change is ignored unless the revision is above the tenant's.
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
}

impl Inner {
    /// Creates the state of a tenant that has no webhooks yet.
    pub(super) fn empty(
        &self,
        policy: &Policy,
        tenant: &TenantId,
        revision: u64,
    ) -> Result<State, ChangeError> {
        bounded("the tenant's id", tenant.as_str().len())?;
        Ok(State::new(&policy.rules, revision))
    }

    /// Installs a state that was built by a policy as the tenant's.
    ///
    /// If the policy was replaced since, the state is built again by the new one, until the policy
    /// is still the current one while the shard is locked.
    pub(super) fn install(
        &self,
        id: TenantId,
        mut state: State,
        mut policy: Arc<Policy>,
        given: Option<u64>,
    ) -> Result<Change, ChangeError> {
        let hash = self.hash(id.as_str());
        let shard = self.shard(hash);
        state.matcher.shrink();
        loop {
            // A replacement locks every shard after it stored its policy. If the policy is current
            // under this lock, the replacement comes later and sees the tenant in the table.
            let changing = shard.lock();
            let now = self.policy.load_full();
            if Arc::ptr_eq(&now, &policy) {
                let Some(tenant) = self.find(id.as_str()) else {
                    // Nothing can load it meanwhile: the shard is locked.
                    return Ok(self.place(hash, id, state));
                };
                if let Some(mut writer) = tenant.try_lock() {
                    return tenant.load(&mut writer, state, given);
                }
                // The shard is free for its other tenants meanwhile.
                drop(changing);
                tenant.wait();
                continue;
            }
            drop(changing);
            policy = now;
            let mut again = self.empty(&policy, &id, state.revision)?;
            for webhook in state.webhooks() {
                policy.add(&id, &mut again, Arc::clone(webhook))?;
            }
            state = again;
            state.matcher.shrink();
        }
    }

    /// Adds a tenant that is not loaded to the shard of a hash, which the caller has locked.
    fn place(&self, hash: u64, id: TenantId, state: State) -> Change {
        let revision = state.revision;
        // The tenant is complete before a reader can find it.
        let tenant = Arc::new(Tenant::new(id, state));
        let hash_of = |tenant: &Arc<Tenant>| self.hash(tenant.id.as_str());
        self.shard(hash).change(|tenants| {
            tenants.insert_unique(hash, tenant, hash_of);
        });
        Change::loaded(revision)
    }
}

impl Tenant {
    /// Replaces all webhooks at the given revision, or else at the next one.
    fn load(
        &self,
        writer: &mut Writer,
        mut state: State,
        given: Option<u64>,
    ) -> Result<Change, ChangeError> {
        match self.turn(given)? {
            Turn::Seen(highest) => Ok(Change::ignored(highest)),
            Turn::Takes(revision) => {
                state.revision = revision;
                self.replace(writer, state);
                Ok(Change::loaded(revision))
            }
        }
    }
}
