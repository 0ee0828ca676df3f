//! Reserved revisions: a change that is checked first, then stored, then applied.
//!
//! # The idea
//!
//! A server with a store commits a change to the store before events see it. If the registry
//! refused the change after the commit, the two would differ. So the change is checked and prepared
//! before the commit, in the spare copy of the tenant (see `tenant`), and applying it swaps a
//! pointer, which cannot fail:
//!
//! ```text
//!                current   spare             writer.reserved
//! reserve        7         6                 true: other changes of the tenant wait
//! put            7         8, not visible    true
//!    the caller commits revision 8 to its store
//! apply          8         7                 false
//! or drop        7         none              false: the next change clones the current copy
//! ```
//!
//! The tenant's lock itself is not kept, so that a reservation may move between threads and live
//! across the `await` of an asynchronous store. While `reserved` is set, [`Tenant::lock`] waits.
//! Nothing waits for it with the lock of a shard: a load or an eviction of the tenant unlocks the
//! shard, waits and begins again. So a reservation does not affect the shard's other tenants.
//!
//! # Rejected
//!
//! - *Undoing the step when a prepared change is dropped*: it would save the next change a clone of
//!   the index, after a failure of the store, which is rare.
//! - *Several prepared changes of one tenant*: each would have to be checked against all outcomes
//!   of those before it.

use super::tenant::{Staged, Tenant};
use super::{Change, ChangeError, NotLoaded, Registry};
use crate::event::TenantId;
use crate::webhook::{Webhook, WebhookId};
use std::fmt;
use std::sync::Arc;

/// The next revision of a tenant, reserved for one change; created by [`Registry::reserve`].
///
/// While it exists, other changes of the tenant wait. Matches and reads do not. Dropping it gives
/// the revision back. If it is leaked, for example by [`std::mem::forget`], the tenant can never be
/// changed again.
#[must_use = "dropping it gives the revision back"]
pub struct Reservation {
    registry: Registry,
    held: Held,
    revision: u64,
}

/// A change that is checked and ready to be applied; created by [`Reservation::put`].
///
/// Matches do not see it yet, and other changes of the tenant wait. Dropping it leaves the tenant
/// as it was; the tenant's next change then clones the index. Drop it only if the commit has not
/// happened. If it may have happened, the registry may lack a change that the store has, until the
/// tenant is [loaded](Registry::load_at) from the store.
#[must_use = "dropping it abandons the change"]
pub struct Prepared {
    held: Held,
    staged: Staged,
}

/// Clears `Writer::reserved` when dropped.
struct Held(Arc<Tenant>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Registry {
    /// Reserves a tenant's next revision, for a change that is stored before it is applied.
    ///
    /// Waits for a change of the tenant that is in progress, or for another reservation. Until you
    /// apply or drop it, every other change, load and eviction of the tenant waits, and so does
    /// [`replace_rules`](Self::replace_rules), with everything that waits for that
    /// ([`replace_limits`](Self::replace_limits), [`read_snapshot`](Self::read_snapshot)). Other
    /// tenants are not affected.
    ///
    /// A thread that holds a reservation must change the registry only through it: anything else
    /// can wait for the reservation, and so for itself, forever. On an asynchronous runtime, call
    /// whatever changes the registry on a blocking thread.
    ///
    /// If the new webhook depends on the current one, read it by [`Reservation::get`].
    ///
    /// ```
    /// # use hooksieve::registry::Registry;
    /// # use hooksieve::event::TenantId;
    /// # use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
    /// # let rules = Rules::default();
    /// # let registry = Registry::new(&rules);
    /// # let tenant = TenantId::from("t1");
    /// # registry.load(tenant.clone(), [])?;
    /// # let document = WebhookDocument::read(br#"{"name": "n", "url": "https://a.example/"}"#)?;
    /// # let new = NewWebhook::new("w1", "u1", std::time::UNIX_EPOCH.into());
    /// # let webhook = Webhook::create(&document, &rules, new)?.webhook;
    /// # let commit = |revision: u64, webhook: &Webhook| Ok::<_, std::io::Error>(());
    /// let prepared = registry.reserve(&tenant)?.put(webhook)?;
    /// let webhook = prepared.after().ok_or("a put has a webhook")?;
    /// commit(prepared.revision(), webhook)?; // on an error, nothing is changed
    /// assert!(registry.get(&tenant, webhook.id()).is_none());
    /// assert_eq!(prepared.apply().revision, 1);
    /// assert!(registry.get(&tenant, &"w1".into()).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    ///
    /// A tenant takes one change in the time of one commit, since its changes wait for each other.
    ///
    /// # Errors
    ///
    /// The tenant is not loaded, or there is no next revision.
    pub fn reserve(&self, tenant: &TenantId) -> Result<Reservation, ChangeError> {
        self.reserve_with(tenant, None)
    }

    /// Reserves a tenant's next revision if it has a given number.
    ///
    /// Use it for changes that other processes have stored. [`put_at`](Self::put_at) ignores any
    /// revision that is not above the tenant's, so of two changes that arrive in the wrong order it
    /// would lose one. This distinguishes a change that was applied before from one that is too
    /// early.
    ///
    /// # Errors
    ///
    /// [`ChangeErrorKind::OldRevision`] if the revision is not above the tenant's,
    /// [`ChangeErrorKind::RevisionGap`] if it is not the next one, or the tenant is not loaded.
    ///
    /// [`ChangeErrorKind::OldRevision`]: super::ChangeErrorKind::OldRevision
    /// [`ChangeErrorKind::RevisionGap`]: super::ChangeErrorKind::RevisionGap
    pub fn reserve_at(&self, tenant: &TenantId, revision: u64) -> Result<Reservation, ChangeError> {
        self.reserve_with(tenant, Some(revision))
    }

    fn reserve_with(
        &self,
        tenant: &TenantId,
        given: Option<u64>,
    ) -> Result<Reservation, ChangeError> {
        let found = self.0.find(tenant.as_str()).ok_or(NotLoaded)?;
        let mut writer = found.lock();
        if writer.evicted {
            return Err(NotLoaded.into());
        }
        let revision = found.next(given)?;
        writer.reserved = true;
        drop(writer);
        Ok(Reservation { registry: self.clone(), held: Held(found), revision })
    }
}

impl Reservation {
    /// Returns the reserved revision.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the tenant's current webhook with this id, which does not change meanwhile.
    ///
    /// A patch of it therefore undoes no other change. `None` if there is none.
    #[must_use]
    pub fn get(&self, id: &WebhookId) -> Option<Arc<Webhook>> {
        self.held.0.current.load().get(id.as_str()).cloned()
    }

    /// Prepares to insert a webhook or to replace the one with its id.
    ///
    /// # Cost
    ///
    /// That of [`Registry::put`].
    ///
    /// # Errors
    ///
    /// As [`Registry::put`]. The revision is given back.
    pub fn put(self, webhook: Webhook) -> Result<Prepared, ChangeError> {
        let Self { registry, held, revision } = self;
        let mut writer = held.0.inspect();
        let admitted = registry.0.admit(&held.0, &mut writer, webhook)?;
        let staged = held.0.prepare_put(&mut writer, revision, admitted)?;
        drop(writer);
        Ok(Prepared { held, staged })
    }

    /// Prepares to remove a webhook.
    ///
    /// # Errors
    ///
    /// As [`Registry::remove`]. The revision is given back.
    pub fn remove(self, id: &WebhookId) -> Result<Prepared, ChangeError> {
        let Self { held, revision, .. } = self;
        let staged = held.0.prepare_remove(&mut held.0.inspect(), revision, id)?;
        Ok(Prepared { held, staged })
    }
}

impl Prepared {
    /// Returns the revision that the tenant will have.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.staged.revision()
    }

    /// Returns the webhook that will be replaced or removed, if there is one.
    #[must_use]
    pub fn before(&self) -> Option<&Arc<Webhook>> {
        self.staged.before()
    }

    /// Returns the webhook that will be put; `None` for a removal.
    #[must_use]
    pub fn after(&self) -> Option<&Arc<Webhook>> {
        self.staged.after()
    }

    /// Applies the change. Every match that starts after the call includes it.
    pub fn apply(self) -> Change {
        let Self { held, staged } = self;
        // Released by `held` at the end, so that no other change comes in between.
        held.0.publish(&mut held.0.inspect(), staged)
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tenant, revision) = (&self.held.0.id, self.revision);
        f.debug_struct("Reservation")
            .field("tenant", tenant)
            .field("revision", &revision)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("tenant", &self.held.0.id)
            .field("revision", &self.revision())
            .field("before", &self.before())
            .field("after", &self.after())
            .finish_non_exhaustive()
    }
}
