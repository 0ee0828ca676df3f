//! The rules and limits that webhooks are checked against, and their replacement at run time.
//!
//! # The idea
//!
//! Rules and limits are one value, the [`Policy`], to which the registry has an atomic pointer. A
//! change reads the pointer after it has locked its tenant (a load: its shard), and keeps what it
//! read until it releases the lock. A replacement stores the new policy first and then takes every
//! one of these locks once:
//!
//! ```text
//! replace_rules         policy = new ── lock shard 0, lock its tenants ── … shard 4095 ──▶ report
//!
//! change A   lock ── read old ── put ── unlock           in the report
//! change B                                  lock ── read new ── …   checked by the new rules
//! ```
//!
//! Change A locked its tenant before the replacement did, change B after it. There is no third
//! case. A change that locks its tenant after the replacement did reads the new policy. A change
//! that locked it before has ended when the replacement gets the lock.
//!
//! # Guarantees
//!
//! - A change that begins after a replacement returned is checked by the new rules.
//! - The report has every webhook that the new rules refuse and that is in the registry when the
//!   replacement returns.
//! - A match neither waits nor sees a difference, except for event types that the new catalogue
//!   [receives](Catalogue::received) under other names.
//!
//! # Event types of the index
//!
//! Webhooks are indexed under the event types that the catalogue lets them receive. A [`State`]
//! keeps the catalogue that it was indexed by. If a new catalogue differs for some webhooks, the
//! tenant is indexed again at the same revision: by the replacement or, if it comes first, by the
//! next change of the tenant. Both hold the tenant's lock, and both leave an evicted tenant as it
//! is.
//!
//! # Rejected
//!
//! - *Reading the stored form of a webhook again on each change*, as the complete check: it costs
//!   more than indexing the webhook. While the profile is equal, few rules can differ, and those
//!   cost one look-up per event type.
//! - *A snapshot reader that takes any webhook*, without a check on `put`: no part of the program
//!   would then report which webhooks the rules refuse.

use super::error::bounded;
use super::state::State;
use super::sync::PoisonError;
use super::tenant::{Admitted, Tenant, Writer};
use super::{ChangeError, Inner, Limits, Registry};
use crate::diagnostic::{Diagnostic, quote};
use crate::event::{EventType, TenantId, UserId};
use crate::filter::Node;
use crate::matcher::{Audience, InsertError, Subscription};
use crate::webhook::{Catalogue, Level, Rules, Webhook, WebhookId};
use std::sync::Arc;

/// The rules and limits of a registry at one time. Never modified, only replaced as a whole.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) rules: Rules,
    pub(super) limits: Limits,
}

/// A webhook that a registry's rules refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The webhook's tenant.
    pub tenant: TenantId,
    /// The webhook's id; `None` only for a line of a snapshot without a readable id.
    pub id: Option<WebhookId>,
    /// The reason, with the line of the snapshot if there is one.
    pub diagnostic: Diagnostic,
}

impl Registry {
    /// Returns a copy of the current rules, which shares their data.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.0.policy.load().rules.clone()
    }

    /// Returns the current limits for each tenant.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.policy.load().limits.clone()
    }

    /// Replaces the rules, and returns the webhooks that the new rules refuse.
    ///
    /// A change that begins after this call returns is checked by the new rules. A refused webhook
    /// stays and matches as before until it is changed or removed. The result is sorted by tenant
    /// and id. It also has the webhooks of a tenant that could not be indexed again, because its
    /// index is full. To read a snapshot with refused webhooks, use
    /// [`read_snapshot_skipping`](Self::read_snapshot_skipping).
    ///
    /// If the new catalogue treats [renamed](Catalogue::with_renames) event types differently, the
    /// tenants with such types are indexed again, at the same revision.
    ///
    /// # Cost
    ///
    /// Linear in all webhooks of the registry. Matches are not affected. The call waits for changes
    /// that are in progress, for a snapshot that is being read, and for another replacement.
    ///
    /// # Example
    ///
    /// ```
    /// use hooksieve::event::TenantId;
    /// use hooksieve::registry::{ChangeErrorKind, Registry};
    /// use hooksieve::webhook::{Catalogue, NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let rules = Rules::default();
    /// let registry = Registry::new(&rules);
    /// let document = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
    ///     "eventTypes": ["com.qlik.v1.app.created"]}"#)?;
    /// let webhook = Webhook::create(&document, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
    /// let tenant = TenantId::from("t1");
    /// registry.load(tenant.clone(), [webhook.clone()])?;
    ///
    /// let catalogue = Catalogue::read(br#"{"data": [{"name": "com.example.order.paid"}]}"#)?;
    /// let refused = registry.replace_rules(&Rules::new(rules.profile().clone(), catalogue))?;
    /// assert_eq!(refused[0].id.as_ref(), Some(webhook.id()));
    /// assert!(registry.get(&tenant, webhook.id()).is_some(), "it stays");
    /// assert_eq!(registry.put(&tenant, webhook).unwrap_err().kind(), ChangeErrorKind::Invalid);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The rules have another profile than the registry. The indexes depend on the profile, so it
    /// cannot change. On an error nothing is changed.
    pub fn replace_rules(&self, rules: &Rules) -> Result<Vec<Refused>, ChangeError> {
        if rules.profile() != self.profile() {
            return Err(ChangeError::other_profile());
        }
        // Held to the end, so that two replacements do not mix their reports.
        let _replacing = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = Arc::new(Policy { rules: rules.clone(), limits: self.limits() });
        // Stored before any lock is taken, so that every change that locks later reads it.
        self.0.policy.store(Arc::clone(&policy));
        let mut refused = Vec::new();
        for shard in &self.0.shards {
            // A load by the old rules holds this lock, so it has ended, and its tenant is in the
            // table.
            drop(shard.lock());
            for tenant in shard.tenants.load().iter() {
                tenant.recheck(&policy, &mut refused);
            }
        }
        // Shards are in the order of hashes, which differs from run to run.
        refused.sort_unstable_by(|a, b| (&a.tenant, &a.id).cmp(&(&b.tenant, &b.id)));
        Ok(refused)
    }

    /// Replaces the limits for each tenant.
    ///
    /// A change that begins after this call returns is checked against the new limits. A tenant
    /// that has more than the new limits allow keeps its webhooks. Waits for a snapshot that is
    /// being read.
    pub fn replace_limits(&self, limits: Limits) {
        // The lock keeps a replacement of the rules from storing the limits that it read before.
        let _replacing = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = self.rules();
        self.0.policy.store(Arc::new(Policy { rules, limits }));
    }
}

impl Inner {
    /// Checks a webhook that is about to be put, and returns it with the limits.
    ///
    /// The caller holds the tenant's lock. The tenant is indexed by the policy's catalogue
    /// afterwards.
    pub(super) fn admit(
        &self,
        tenant: &Tenant,
        writer: &mut Writer,
        webhook: Webhook,
    ) -> Result<Admitted, ChangeError> {
        // Read under the tenant's lock: see the module's drawing.
        let policy = self.policy.load_full();
        policy.check(&tenant.id, &webhook)?;
        tenant.index_by(writer, policy.rules.catalogue())?;
        let limits = policy.limits.clone();
        Ok(Admitted { webhook: Arc::new(webhook), limits })
    }
}

impl Tenant {
    /// Indexes the tenant by a policy's catalogue, and adds the webhooks that its rules refuse to a
    /// list.
    fn recheck(&self, policy: &Policy, refused: &mut Vec<Refused>) {
        let mut writer = self.lock();
        // The table was read before this lock was taken, so the tenant may have been evicted since.
        // Indexing it again would change a tenant that no reader can find.
        if writer.evicted {
            return;
        }
        let mut refuse = |webhook: &Webhook, error: ChangeError| {
            let (tenant, id) = (self.id.clone(), Some(webhook.id().clone()));
            refused.push(Refused { tenant, id, diagnostic: (&error).into() });
        };
        let full = self.index_by(&mut writer, policy.rules.catalogue());
        for webhook in self.current.load().webhooks() {
            match (policy.check(&self.id, webhook), &full) {
                (Err(error), _) => refuse(webhook, error),
                // The new index did not fit, so the tenant is still indexed by the old catalogue.
                (Ok(()), Err(full)) => refuse(webhook, ChangeError::from(*full)),
                (Ok(()), Ok(())) => {}
            }
        }
    }
}

impl Policy {
    /// Checks a webhook and adds it to a state that is being built.
    pub(super) fn add(
        &self,
        tenant: &TenantId,
        state: &mut State,
        webhook: Arc<Webhook>,
    ) -> Result<(), ChangeError> {
        let id = webhook.id().clone();
        let put = self
            .subscription(tenant, &webhook)
            .and_then(|subscription| state.put(webhook, &subscription).map_err(ChangeError::from));
        put.map(drop).map_err(|error| error.of(id))
    }

    /// Checks a webhook and returns what the index needs of it.
    pub(super) fn subscription(
        &self,
        tenant: &TenantId,
        webhook: &Webhook,
    ) -> Result<Subscription, ChangeError> {
        self.check(tenant, webhook)?;
        Ok(subscription(webhook, tenant, self.rules.catalogue()))
    }

    /// Refuses a webhook that these rules could not read back from a snapshot.
    ///
    /// A [`Webhook`] is valid by the rules that created it. Checked here is all that can differ
    /// under other rules with an equal profile.
    fn check(&self, tenant: &TenantId, webhook: &Webhook) -> Result<(), ChangeError> {
        if webhook.filter().profile() != self.rules.profile() {
            return Err(InsertError::OtherProfile.into());
        }
        bounded("the webhook", webhook.text_bytes())?;
        if let Some(other) = webhook.tenant().filter(|other| *other != tenant) {
            return Err(ChangeError::other_tenant(other));
        }
        if webhook.is_for_development() && !self.rules.is_development() {
            return Err(ChangeError::invalid(
                "the webhook's URL is valid only in development mode",
            ));
        }
        self.check_event_types(webhook)
    }

    fn check_event_types(&self, webhook: &Webhook) -> Result<(), ChangeError> {
        let level = webhook.level();
        for event_type in webhook.event_types() {
            let name = event_type.as_str();
            let Some(known) = self.rules.catalogue().find(name) else {
                let message =
                    format!("event type `{}` is not in the registry's catalogue", quote(name));
                return Err(ChangeError::invalid(message));
            };
            if !known.supports(level) {
                let name = quote(name);
                let message = format!("event type `{name}` does not support level `{level}`");
                return Err(ChangeError::invalid(message));
            }
        }
        self.check_filter(webhook)
    }

    /// Checks a filter again if it depends on the event types, which catalogues may name
    /// differently.
    ///
    /// Such a filter has a term on an attribute that exists for one event type only. Other filters
    /// are valid in every catalogue.
    fn check_filter(&self, webhook: &Webhook) -> Result<(), ChangeError> {
        // The filter has the registry's profile, which was checked before.
        let attributes = self.rules.profile().attributes();
        #[expect(clippy::indexing_slicing, reason = "an attribute is an index into its profile")]
        let depends_on_type = |node: Node<'_>| match node {
            Node::Term(predicate) => attributes[predicate.attribute].sole_event_type().is_some(),
            _ => false,
        };
        // A webhook without a filter text matches every event, whatever its types.
        let Some(text) = webhook.filter_text() else { return Ok(()) };
        if !webhook.filter().nodes().any(depends_on_type) {
            return Ok(());
        }
        match self.rules.filter(text, Some(webhook.event_types())) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(ChangeError::invalid("the filter is not valid for the webhook's event types"))
            }
        }
    }
}

/// Returns whether two webhooks have equal [subscriptions](subscription) in every catalogue.
pub(super) fn subscribe_equally(one: &Webhook, other: &Webhook) -> bool {
    one.is_enabled() == other.is_enabled()
        && one.level() == other.level()
        && one.owner() == other.owner()
        && one.event_types() == other.event_types()
        && one.filter() == other.filter()
}

/// Returns a webhook's subscription: its event types, filter, audience, and whether it is enabled.
///
/// The event types are those under which it [receives](Catalogue::received) events according to the
/// catalogue. A webhook of level `user` without an owner belongs to no user, and matches only under
/// [`Access::Everyone`].
///
/// [`Access::Everyone`]: crate::matcher::Access::Everyone
#[must_use]
pub fn subscription(webhook: &Webhook, tenant: &TenantId, catalogue: &Catalogue) -> Subscription {
    let types: Vec<EventType> =
        webhook.event_types().iter().flat_map(|name| catalogue.received(name)).collect();
    let audience = match webhook.level() {
        Level::Tenant => Audience::Tenant,
        Level::User => {
            Audience::Owner(webhook.owner().cloned().unwrap_or_else(|| UserId::from("")))
        }
    };
    Subscription::new(tenant.clone(), types, webhook.filter().clone())
        .with_audience(audience)
        .with_enabled(webhook.is_enabled())
}
