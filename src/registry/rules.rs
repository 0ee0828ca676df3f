//! What a registry holds its webhooks to, and how that is replaced while it runs.
//!
//! Rules and limits are one value, the *policy*, behind a pointer that is exchanged as a whole. Two
//! promises hold for every order of threads:
//!
//! - *A change that begins after a replacement returned is checked by the new rules.* A change reads
//!   the policy while it holds the tenant's lock, a load while it holds the shard's.
//! - *The report lists every webhook that the new rules refuse, as of its return.* The pointer is
//!   exchanged first. Then each shard and each of its tenants is locked once: what still went by the
//!   old policy has ended by then and is seen, and what comes later goes by the new one.
//!
//! Event types are indexed as the catalogue [receives](Catalogue::received) them. A state knows the
//! catalogue that it was indexed by; where a new one receives otherwise, the tenant is indexed again
//! at the same revision, by the replacement or by the first change that comes before it.

use super::error::bounded;
use super::sync::PoisonError;
use super::tenant::{State, Tenant, Writer};
use super::{ChangeError, Inner, Limits, Registry};
use crate::diagnostic::{Diagnostic, quote};
use crate::event::{EventType, TenantId, UserId};
use crate::filter::Node;
use crate::matcher::{Audience, InsertError, Subscription};
use crate::webhook::{Catalogue, Level, Rules, Webhook, WebhookId};
use std::sync::Arc;

/// What webhooks are held to.
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
    /// The rules of its webhooks, as they are now. Cheap: two reference counts.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.0.policy.load().rules.clone()
    }

    /// The limits for each tenant, as they are now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.policy.load().limits.clone()
    }

    /// Replaces the rules while the registry runs; returns the webhooks that the new ones refuse.
    ///
    /// Readers neither wait nor notice, and every change that begins after the return is checked by
    /// the new rules. Webhooks that they refuse stay and are matched as before, until they are
    /// changed or removed; the list is in the order of tenants and ids. A snapshot that holds them is
    /// read by [`read_snapshot_skipping`](Self::read_snapshot_skipping), which skips and reports them.
    /// Where the catalogues receive [renamed](Catalogue::with_renames) types differently, tenants are
    /// indexed again, at the same revision.
    ///
    /// Takes time in proportion to all webhooks. It waits for changes that are being made, for a
    /// snapshot that is being read, and for another replacement.
    ///
    /// ```
    /// use hooksieve::event::TenantId;
    /// use hooksieve::registry::{ChangeErrorKind, Registry};
    /// use hooksieve::webhook::{Catalogue, NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let rules = Rules::default();
    /// let registry = Registry::new(&rules);
    /// let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
    ///     "eventTypes": ["com.qlik.v1.app.created"]}"#)?;
    /// let webhook = Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
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
    /// Rules of another profile: the index is made for the registry's. Nothing is changed then.
    pub fn replace_rules(&self, rules: &Rules) -> Result<Vec<Refused>, ChangeError> {
        if rules.profile() != self.profile() {
            return Err(ChangeError::other_profile());
        }
        let _replacing = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = Arc::new(Policy { rules: rules.clone(), limits: self.limits() });
        self.0.policy.store(Arc::clone(&policy));
        let mut refused = Vec::new();
        for shard in &self.0.shards {
            // A load by the old rules holds this lock, and has ended once it is free.
            drop(shard.lock());
            for tenant in shard.tenants.load().iter() {
                tenant.recheck(&policy, &mut refused);
            }
        }
        refused.sort_unstable_by(|a, b| (&a.tenant, &a.id).cmp(&(&b.tenant, &b.id)));
        Ok(refused)
    }

    /// Replaces the limits for each tenant while the registry runs.
    ///
    /// Every change that begins after the return is held to the new ones. A tenant that has more
    /// keeps it, as one that was loaded with more does.
    pub fn replace_limits(&self, limits: Limits) {
        let _replacing = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = self.rules();
        self.0.policy.store(Arc::new(Policy { rules, limits }));
    }
}

impl Inner {
    /// What a webhook is to the index of a tenant whose lock the caller holds, by the policy that
    /// holds until that lock is free.
    pub(super) fn admit(
        &self,
        tenant: &Tenant,
        writer: &mut Writer,
        webhook: &Webhook,
    ) -> Result<(Subscription, Limits), ChangeError> {
        let policy = self.policy.load_full();
        let subscription = policy.subscription(&tenant.id, webhook)?;
        tenant.index_by(writer, policy.rules.catalogue())?;
        Ok((subscription, policy.limits.clone()))
    }
}

impl Tenant {
    /// Indexes the tenant by the rules of a policy, and lists what they refuse; a tenant that was
    /// evicted is left as it is.
    fn recheck(&self, policy: &Policy, refused: &mut Vec<Refused>) {
        let mut writer = self.lock();
        // The map of tenants was read before this lock was taken: the tenant may be gone by now.
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
                // The whole tenant is indexed as before.
                (Ok(()), Err(full)) => refuse(webhook, ChangeError::from(*full)),
                (Ok(()), Ok(())) => {}
            }
        }
    }
}

impl Policy {
    /// Adds a webhook to a state that is built by this policy.
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

    /// What a webhook is to a tenant's index.
    fn subscription(
        &self,
        tenant: &TenantId,
        webhook: &Webhook,
    ) -> Result<Subscription, ChangeError> {
        self.check(tenant, webhook)?;
        Ok(subscription(webhook, tenant, self.rules.catalogue()))
    }

    /// Refuses a webhook that could not be read back from a snapshot by these rules.
    ///
    /// These are all the rules that can differ while the profile is equal. They cost a look-up for
    /// each event type; reading a webhook again would cost more than indexing it.
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

    /// Checks a filter again where it depends on event types: catalogues may name those differently.
    fn check_filter(&self, webhook: &Webhook) -> Result<(), ChangeError> {
        let attributes = self.rules.profile().attributes();
        let depends = |node: Node<'_>| match node {
            Node::Term(predicate) => attributes
                .get(predicate.attribute)
                .is_some_and(|known| known.sole_event_type().is_some()),
            _ => false,
        };
        if !webhook.filter().nodes().any(depends) {
            return Ok(());
        }
        let types: Vec<EventType> =
            webhook.event_types().iter().map(|name| self.rules.as_in_profile(name)).collect();
        let text = webhook.filter_text().unwrap_or_default();
        match self.rules.profile().filter_for(text, &types) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(ChangeError::invalid("the filter does not go with the webhook's event types"))
            }
        }
    }
}

/// What matching needs to know of a webhook of a tenant.
///
/// Its event types are those under which the catalogue lets it [receive](Catalogue::received)
/// events. A webhook of level `user` whose owner is not known belongs to no user: it is matched where
/// everybody may access everything.
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
