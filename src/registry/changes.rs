//! Changes of a registry: load, put, update, remove and evict.
//!
//! Each exists twice: at the tenant's next revision, and at a revision that the caller's store
//! gives (`…_at`), which is ignored unless it is above the tenant's.

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

    /// Removes a tenant with all its webhooks, and returns whether it was loaded.
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
    /// tenant's first change and while [`Recipients`](super::Recipients) of it are kept.
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
}

impl Inner {
    /// What a tenant is before its webhooks are added.
    pub(super) fn empty(
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
