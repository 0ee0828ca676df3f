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
use super::tenant::{State, Tenant, Turn};
use super::{ChangeError, Inner, NotLoaded, Registry, Shard, UpdateError};
use crate::event::TenantId;
use crate::webhook::{Webhook, WebhookId};
use std::sync::Arc;

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a change at an old revision is ignored: see `applied`"]
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
}

impl Registry {
    /// Loads all webhooks of a tenant at its next revision, and replaces those it had.
    ///
    /// The first load of a tenant takes revision 0. If several webhooks have the same id, the last
    /// one counts. Matches and other changes go on while the index is built.
    ///
    /// # Errors
    ///
    /// A webhook belongs to another tenant or is refused by the registry's rules; a webhook or the
    /// tenant's id has more than [`MAX_BYTES`](Self::MAX_BYTES) of text; the index is full; or
    /// there is no next revision. Nothing is changed then.
    pub fn load(
        &self,
        tenant: impl Into<TenantId>,
        webhooks: impl IntoIterator<Item = Webhook>,
    ) -> Result<Change, ChangeError> {
        self.load_with(tenant.into(), webhooks, None)
    }

    /// Loads a tenant at a revision of the caller's store.
    ///
    /// It is ignored unless the revision is above the tenant's; `webhooks` is not iterated then.
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
        // Found and removed under one lock: of two evictions only one returns `true`.
        let _changing = shard.lock();
        let Some(found) = self.0.find(tenant.as_str()) else { return false };
        shard.change(|tenants| {
            if let Ok(entry) = tenants.find_entry(hash, |known| Arc::ptr_eq(known, &found)) {
                entry.remove();
            }
        });
        // A change that found the tenant before has ended by now, or sees this and changes nothing.
        found.lock().evicted = true;
        true
    }

    /// Inserts a webhook, or replaces the one with its id, at the tenant's next revision.
    ///
    /// To change a webhook depending on what it is now, [`update`](Self::update) it instead.
    ///
    /// # Cost
    ///
    /// Two inserts into the index and two removals, one of each for every copy. The tenant's first
    /// change copies the whole index, and so does a change while [`Recipients`](super::Recipients)
    /// of the copy that is next are kept.
    ///
    /// # Errors
    ///
    /// The tenant is not loaded, or it has reached a limit; the webhook belongs to another tenant,
    /// is refused by the registry's rules, or has more than [`MAX_BYTES`](Self::MAX_BYTES) of text;
    /// the index is full; or there is no next revision. Nothing is changed then.
    pub fn put(&self, tenant: &TenantId, webhook: Webhook) -> Result<Change, ChangeError> {
        self.put_with(tenant, webhook, None)
    }

    /// Puts a webhook at a revision of the caller's store.
    ///
    /// It is ignored unless the revision is above the tenant's.
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
                let (subscription, limits) = self.0.admit(&found, &mut writer, &webhook)?;
                let webhook = Arc::new(webhook);
                found.put(&mut writer, revision, webhook, subscription, &limits)
            }
        }
    }

    /// Changes a webhook depending on what it is now, as one change.
    ///
    /// `change` gets the current webhook and returns the new one. No other change of the tenant
    /// happens in between, so two updates never undo each other, and a removed webhook does not
    /// come back.
    ///
    /// `change` runs while the tenant is locked. Other changes of the tenant wait for it, and so
    /// may loads and evictions of other tenants; matches do not. Keep it short. It may call
    /// [`get`](Self::get), [`webhooks`](Self::webhooks), [`rules`](Self::rules) and the methods of
    /// a [`Session`](super::Session); another method of the registry may wait for itself forever.
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
    /// The webhook does not exist, `change` returned an error or a webhook with another id, or one
    /// of the errors of [`put`](Self::put). Nothing is changed then.
    pub fn update<E>(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
        change: impl FnOnce(&Webhook) -> Result<Webhook, E>,
    ) -> Result<Change, UpdateError<E>> {
        self.update_with(tenant, id, None, change)
    }

    /// Updates a webhook at a revision of the caller's store.
    ///
    /// It is ignored unless the revision is above the tenant's; `change` is not called then.
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
        let (subscription, limits) = self.0.admit(&found, &mut writer, &webhook)?;
        Ok(found.put(&mut writer, revision, Arc::new(webhook), subscription, &limits)?)
    }

    /// Removes a webhook at the tenant's next revision.
    ///
    /// The revision is taken even if the webhook does not exist; [`Change::before`] is `None` then.
    ///
    /// # Errors
    ///
    /// The tenant is not loaded, or there is no next revision.
    pub fn remove(&self, tenant: &TenantId, id: &WebhookId) -> Result<Change, ChangeError> {
        self.remove_with(tenant, id, None)
    }

    /// Removes a webhook at a revision of the caller's store.
    ///
    /// It is ignored unless the revision is above the tenant's.
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
        loop {
            state.matcher.settle();
            // A replacement locks every shard after it stored its policy. If the policy is current
            // under this lock, the replacement comes later and sees the tenant in the table.
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

    /// Installs a state in a shard that the caller has locked.
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
        // Not loaded, and nothing can load it meanwhile: the shard is locked.
        let revision = state.revision;
        // The tenant is complete before a reader can find it.
        let tenant = Arc::new(Tenant::new(id, state));
        let hash_of = |tenant: &Arc<Tenant>| self.hash(tenant.id.as_str());
        shard.change(|tenants| {
            tenants.insert_unique(hash, tenant, hash_of);
        });
        Ok(loaded(revision))
    }
}
