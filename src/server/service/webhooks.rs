//! The use cases of webhooks: list, get, create, replace, patch and remove; and the event types.
//!
//! A change is *decided* by a function that changes nothing, under the tenant's lock, and then made:
//!
//! ```text
//! caller, body ──▶ find ──▶ library: the new webhook, or every error ──▶ may the caller have it?
//!                  404      400, 403 (limit)                             403
//!                                              Decision ──▶ Inner::make: prepare, commit, apply
//! ```
//!
//! The lock is what makes the decision hold: the limit of a user's webhooks, the webhook that a
//! patch is applied to, and its existence are the same when the change is committed.
//!
//! A read takes no lock. It may find a webhook that is newer than the revision it reports, and never
//! an older one: so a caller who waits for a revision sees what that revision changed.

use super::caller::{Area, Caller};
use super::problem::Problem;
use super::refused::{Refused, Shown};
use super::{Answered, Creators, Decided, Inner, Service, State, Tenant};
use crate::server::members::Members;
use hooksieve::event::TenantId;
use hooksieve::webhook::{
    Catalogue, Checked, Edit, Level, ListQuery, NewWebhook, Patch, Webhook, WebhookDocument,
    WebhookId,
};
use std::sync::Arc;

/// A webhook before a change.
enum Found {
    Valid(Arc<Webhook>),
    Refused(Refused),
}

impl Found {
    fn webhook(&self) -> &Arc<Webhook> {
        match self {
            Self::Valid(webhook) => webhook,
            Self::Refused(refused) => &refused.webhook,
        }
    }

    fn shown(&self) -> Shown {
        match self {
            Self::Valid(webhook) => Arc::clone(webhook).into(),
            Self::Refused(refused) => refused.shown(),
        }
    }
}

/// A change that passed all checks, and its warnings.
struct Decision {
    decided: Decided,
    warnings: usize,
}

impl Decision {
    fn put(Checked { webhook, warnings, .. }: Checked) -> Self {
        Self { decided: Decided::Put(Box::new(webhook)), warnings: warnings.len() }
    }
}

/// The context of a change. The tenant's lock is held while it exists.
struct Turn<'a> {
    inner: &'a Inner,
    tenant: &'a Tenant,
    creators: &'a Creators,
    caller: &'a Caller,
}

impl Turn<'_> {
    fn find(&self, id: &WebhookId) -> Result<Found, Problem> {
        self.inner.find(&self.tenant.state(), self.caller, id)
    }

    fn edit(&self) -> Edit {
        Edit::new(self.caller.user.as_str(), self.inner.ambient.now())
    }

    fn create(&self, document: &WebhookDocument) -> Result<Decision, Problem> {
        let id = self.inner.ambient.id()?;
        let mut new = NewWebhook::new(id, self.caller.user.as_str(), self.inner.ambient.now());
        // By creator and not by owner: an administrator's limit does not depend on who the webhooks
        // are for, and a user cannot avoid the limit by naming other owners.
        if let Some(max) = self.inner.max_per_user {
            new = new.within_limit(self.creators.count(&self.caller.user), max);
        }
        // The library reports the limit together with every error of the document.
        let checked = Webhook::create(document, &self.inner.registry.rules(), new)?;
        // After the check of the document: the level and the owner are known only then.
        self.caller.may_have(&checked.webhook)?;
        Ok(Decision::put(checked))
    }

    fn replace(&self, id: &WebhookId, mut document: WebhookDocument) -> Result<Decision, Problem> {
        let found = self.find(id)?;
        let old = found.webhook();
        // The library's default owner is the creator. With it, a user could not replace a webhook
        // that an administrator created for the user.
        let stays_owned = document.text("level") == Some(Level::User.as_str());
        if let Some(owner) = old.owner().filter(|_| stays_owned && !document.has("ownerId")) {
            document.set("ownerId", owner.as_str());
        }
        let checked = old.replaced(&document, &self.inner.registry.rules(), self.edit())?;
        self.caller.may_have(&checked.webhook)?;
        Ok(Decision::put(checked))
    }

    fn patch(&self, id: &WebhookId, patch: &Patch) -> Result<Decision, Problem> {
        let found = self.find(id)?;
        let webhook = match &found {
            Found::Valid(webhook) => webhook,
            Found::Refused(refused) => refused.patchable()?,
        };
        let checked = webhook.patched(patch, &self.inner.registry.rules(), self.edit())?;
        self.caller.may_have(&checked.webhook)?;
        Ok(Decision::put(checked))
    }

    fn remove(&self, id: &WebhookId) -> Result<Decision, Problem> {
        // A caller who may not see the webhook gets the same 404 as for one that does not exist.
        let found = self.find(id)?;
        let decided = Decided::Remove(found.webhook().id().clone());
        Ok(Decision { decided, warnings: 0 })
    }
}

impl Inner {
    /// Finds a webhook that the caller may see.
    fn find(&self, state: &State, caller: &Caller, id: &WebhookId) -> Result<Found, Problem> {
        let valid = || self.registry.get(&caller.tenant, id).map(Found::Valid);
        // First, although no webhook is in both while no change runs: a change moves a webhook from one
        // to the other, and a reader between must find it.
        let refused = state.refused.get(id).cloned().map(Found::Refused);
        let found = refused.or_else(valid).filter(|found| caller.sees(found.webhook()));
        found.ok_or(Problem::NotFound("webhook"))
    }

    /// Returns the webhooks that the caller may see, in no particular order. Those that the rules
    /// refuse are disabled, and may be placeholders.
    pub(super) fn webhooks(&self, caller: &Caller) -> Result<Vec<Arc<Webhook>>, Problem> {
        Ok(self.seen(caller, &self.tenant(&caller.tenant)?.state()))
    }

    fn seen(&self, caller: &Caller, state: &State) -> Vec<Arc<Webhook>> {
        // Of a tenant that is not loaded only refused webhooks are known, which is every webhook.
        let valid = self.registry.webhooks(&caller.tenant).into_iter().flatten();
        let valid = valid.filter(|webhook| !state.refused.contains_key(webhook.id()));
        let refused = state.refused.values().map(|refused| Arc::clone(&refused.webhook));
        valid.chain(refused).filter(|webhook| caller.sees(webhook)).collect()
    }

    /// Returns the JSON of a page of webhooks. Its items have the members that [`Found::shown`] has,
    /// in the same order.
    fn page(
        &self,
        caller: &Caller,
        state: &State,
        query: &ListQuery,
        path: &str,
    ) -> Result<Vec<u8>, Problem> {
        // Before the query is applied: a page that was cut first would show by its length how many
        // webhooks the caller may not see.
        let seen = self.seen(caller, state);
        let page = query.apply(seen.iter().map(|webhook| &**webhook));
        let internal = |error: serde_json::Error| Problem::Internal(error.to_string());
        let body = serde_json::to_vec(&page.body(path)).map_err(internal)?;
        let items = page.items();
        if !items.iter().any(|webhook| state.refused.contains_key(webhook.id())) {
            return Ok(body);
        }
        // A refused webhook may be a placeholder, in whose place its document is shown.
        let shown: Vec<_> = items
            .iter()
            .map(|webhook| match state.refused.get(webhook.id()) {
                Some(refused) => refused.shown(),
                None => Shown::from(Arc::new(Webhook::clone(webhook))),
            })
            .collect();
        let mut body = Members::read(&body).map_err(internal)?;
        body.set("data", &shown).map_err(internal)?;
        serde_json::to_vec(&body).map_err(internal)
    }
}

impl Service {
    /// Makes a change under the tenant's lock, in a task that completes even if the caller closes
    /// the connection.
    async fn change(
        &self,
        caller: Caller,
        decide: impl FnOnce(&Turn<'_>) -> Result<Decision, Problem> + Send + 'static,
    ) -> Result<Answered<Option<Shown>>, Problem> {
        caller.may(Area::Webhooks)?;
        let inner = Arc::clone(&self.0);
        let change = self.0.tasks.spawn(async move {
            let tenant = inner.tenant(&caller.tenant)?;
            let mut creators = tenant.turn.lock().await;
            let turn =
                Turn { inner: &inner, tenant: &tenant, creators: &creators, caller: &caller };
            let Decision { decided, warnings } = decide(&turn)?;
            let change = inner.make(&tenant, &mut creators, decided).await?;
            Ok(Answered {
                body: change.after.map(Shown::from),
                revision: change.revision,
                warnings,
            })
        });
        change.await.map_err(|error| Problem::Internal(error.to_string()))?
    }

    /// Creates a webhook.
    pub(crate) async fn create(
        &self,
        caller: Caller,
        document: WebhookDocument,
    ) -> Result<Answered<Option<Shown>>, Problem> {
        self.change(caller, move |turn| turn.create(&document)).await
    }

    /// Replaces a webhook; members that the document omits are cleared.
    pub(crate) async fn replace(
        &self,
        caller: Caller,
        id: WebhookId,
        document: WebhookDocument,
    ) -> Result<Answered<Option<Shown>>, Problem> {
        self.change(caller, move |turn| turn.replace(&id, document)).await
    }

    /// Patches a webhook.
    pub(crate) async fn patch(
        &self,
        caller: Caller,
        id: WebhookId,
        patch: Patch,
    ) -> Result<Answered<Option<Shown>>, Problem> {
        self.change(caller, move |turn| turn.patch(&id, &patch)).await
    }

    /// Removes a webhook with its deliveries.
    pub(crate) async fn remove(
        &self,
        caller: Caller,
        id: WebhookId,
    ) -> Result<Answered<Option<Shown>>, Problem> {
        self.change(caller, move |turn| turn.remove(&id)).await
    }

    /// Disables a webhook because of its deliveries, unless it was removed or changed since: the
    /// change may be the repair.
    pub(crate) async fn disable(
        &self,
        tenant: TenantId,
        webhook: Arc<Webhook>,
        reason: String,
        code: &'static str,
    ) -> Result<(), Problem> {
        let inner = Arc::clone(&self.0);
        let change = self.0.tasks.spawn(async move {
            let tenant = inner.tenant(&tenant)?;
            let mut creators = tenant.turn.lock().await;
            // One that the rules refuse is disabled, and not in the registry.
            let found = inner.registry.get(&tenant.id, webhook.id());
            let is_unchanged = found.is_some_and(|found| Arc::ptr_eq(&found, &webhook));
            if is_unchanged && webhook.is_enabled() {
                let disabled = webhook.disabled(&reason, code, inner.ambient.now());
                let (name, id) = (tenant.id.as_str(), webhook.id().as_str());
                tracing::warn!(tenant = name, webhook = id, reason, "disabling a webhook");
                let _ =
                    inner.make(&tenant, &mut creators, Decided::Put(Box::new(disabled))).await?;
            }
            Ok(())
        });
        change.await.map_err(|error| Problem::Internal(error.to_string()))?
    }

    /// Returns the ids of a tenant's webhooks that the rules do not refuse.
    pub(crate) fn targets(&self, tenant: &TenantId) -> Vec<WebhookId> {
        let webhooks = self.0.registry.webhooks(tenant).into_iter().flatten();
        webhooks.map(|webhook| webhook.id().clone()).collect()
    }

    /// Returns a webhook as it is now, for sending to it; `None` if it does not exist. One that the
    /// rules refuse is disabled.
    pub(crate) fn target(&self, tenant: &TenantId, id: &WebhookId) -> Option<Arc<Webhook>> {
        let state = self.0.tenant(tenant).ok()?.state();
        // In this order: see `Inner::find`.
        let refused = state.refused.get(id).map(|refused| Arc::clone(&refused.webhook));
        refused.or_else(|| self.0.registry.get(tenant, id))
    }

    /// Returns a webhook that the caller may see.
    pub(crate) fn webhook(
        &self,
        caller: &Caller,
        id: &WebhookId,
    ) -> Result<Answered<Shown>, Problem> {
        caller.may(Area::Webhooks)?;
        // The state is taken first, so that the webhook is at least as new as the reported
        // revision.
        let state = self.0.tenant(&caller.tenant)?.state();
        let found = self.0.find(&state, caller, id)?;
        Ok(Answered::new(found.shown(), state.revision))
    }

    /// Returns a page of the webhooks that the caller may see, as the JSON of the API's response.
    /// `path` is the path of the list.
    pub(crate) async fn list(
        &self,
        caller: Caller,
        query: &str,
        path: String,
    ) -> Result<Answered<Vec<u8>>, Problem> {
        caller.may(Area::Webhooks)?;
        let query = ListQuery::read(query)?;
        self.off_thread(move |inner| {
            // As in `webhook`: the state first, so that the page is at least as new as its revision.
            let state = inner.tenant(&caller.tenant)?.state();
            let body = inner.page(&caller, &state, &query, &path)?;
            Ok(Answered::new(body, state.revision))
        })
        .await
    }

    /// Returns the event types that webhooks may subscribe to.
    pub(crate) fn event_types(&self, caller: &Caller) -> Result<Catalogue, Problem> {
        caller.may(Area::Language)?;
        Ok(self.rules().catalogue().clone())
    }

    /// Returns a webhook that deliveries can be sent to: one that the caller sees and the rules do
    /// not refuse.
    pub(super) fn valid(&self, caller: &Caller, id: &WebhookId) -> Result<Arc<Webhook>, Problem> {
        caller.may(Area::Webhooks)?;
        let state = self.0.tenant(&caller.tenant)?.state();
        match self.0.find(&state, caller, id)? {
            Found::Valid(webhook) => Ok(webhook),
            Found::Refused(refused) => {
                let help = "correct the webhook first";
                Err(Problem::invalid(super::refused::INVALID, refused.reason, help))
            }
        }
    }
}
