//! How webhooks are created, changed and read: all or nothing.

use super::check::{Basis, Outcome, check};
use super::content::{Content, Server};
use super::document::WebhookDocument;
use super::kind::{Kind, problem};
use super::{Edit, Level, Patch, Rules, Timestamp, Webhook, WebhookId};
use crate::diagnostic::{Diagnostic, Diagnostics, Found};
use crate::event::{TenantId, UserId};
use http::StatusCode;

/// How many webhooks a user may have, by the API reference.
pub const MAX_PER_USER: usize = 150;

/// What the server decides about a webhook that is created.
///
/// ```
/// use hooksieve::webhook::{WebhookDocument, MAX_PER_USER, NewWebhook, Rules, Webhook};
/// # let now = std::time::UNIX_EPOCH.into();
///
/// let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/"}"#)?;
/// let new = NewWebhook::new("w1", "user-1", now).of_tenant("tenant-1").within_limit(150, MAX_PER_USER);
/// let problems = Webhook::create(&draft, &Rules::default(), new).unwrap_err();
/// assert_eq!(problems.to_string(), "user `user-1` has 150 webhooks");
/// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug)]
pub struct NewWebhook {
    id: WebhookId,
    tenant: Option<TenantId>,
    by: UserId,
    at: Timestamp,
    /// How many webhooks the user has, and may have.
    limit: Option<(usize, usize)>,
}

impl NewWebhook {
    /// A webhook with this id, created by a user, at a time that the caller's clock gives.
    pub fn new(id: impl Into<WebhookId>, by: impl Into<UserId>, at: Timestamp) -> Self {
        Self { id: id.into(), tenant: None, by: by.into(), at, limit: None }
    }

    /// The same, in a tenant.
    #[must_use]
    pub fn of_tenant(self, tenant: impl Into<TenantId>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// The same, refused where the user created `has` webhooks that exist, and that is as many as
    /// a user may have; the API's limit is [`MAX_PER_USER`].
    #[must_use]
    pub fn within_limit(self, has: usize, most: usize) -> Self {
        Self { limit: Some((has, most)), ..self }
    }
}

/// A valid webhook, with what is probably unintended about it.
///
/// Show the warnings to the author: they name members that were ignored, such as `enabeld`, and a
/// webhook that never fires.
///
/// ```
/// use hooksieve::webhook::{Checked, NewWebhook, WebhookDocument, Rules, Webhook};
/// # let now = std::time::UNIX_EPOCH.into();
///
/// let draft = WebhookDocument::read(br#"{
///     "name": "n", "url": "https://hooks.example.com/",
///     "eventTypes": ["com.qlik.v1.app.created"], "enabeld": true
/// }"#)?;
/// let Checked { webhook, warnings } =
///     Webhook::create(&draft, &Rules::default(), NewWebhook::new("w1", "u1", now))?;
/// assert!(!webhook.is_enabled());
/// let texts: Vec<_> = warnings.iter().map(|warning| warning.to_string()).collect();
/// assert_eq!(texts, [
///     "unknown member `enabeld` is ignored",
///     "webhook has no `enabled`, so it is off and matches no event",
/// ]);
/// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the warnings are for the webhook's author"]
pub struct Checked {
    /// The webhook.
    pub webhook: Webhook,
    /// What is valid and probably unintended, in the order of the checks.
    pub warnings: Vec<Diagnostic>,
}

impl Webhook {
    /// Creates a webhook from the body of a POST. An owner that is left out is the creator.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the draft; a limit that is reached; an empty id.
    pub fn create(
        draft: &WebhookDocument,
        rules: &Rules,
        new: NewWebhook,
    ) -> Result<Checked, Diagnostics> {
        let NewWebhook { id, tenant, by, at, limit } = new;
        let mut found = Found::default();
        if let Some((has, most)) = limit.filter(|(has, most)| has >= most) {
            let title = format!("user `{by}` has {has} webhooks");
            let help = format!("remove one first; a user may have {most}");
            let refused = problem(Kind::TenantLimit, "", title, help);
            found.push(refused.with_status(StatusCode::FORBIDDEN));
        }
        let created = Edit::new(by, at);
        let updated = created.clone();
        let server = Server { tenant, created, updated, ..Server::default() };
        server_given(Some(&id), &server, &mut found);
        let (content, warnings) = settled(check(rules, &draft.0, &Basis::WebhookDocument), found)?;
        Ok(Checked { webhook: Self::assemble(id, server, content), warnings })
    }

    /// Returns the webhook after a PUT: the draft in place of what was, less what the server set and the
    /// origin. What the draft leaves out is cleared.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the draft, and what may not change; an empty id in the stamp.
    pub fn replaced(
        &self,
        draft: &WebhookDocument,
        rules: &Rules,
        stamp: Edit,
    ) -> Result<Checked, Diagnostics> {
        // A draft that leaves the encrypted headers out removes them.
        let basis = Basis::Change { old: self, headers_anew: true, patch: false };
        self.changed(check(rules, &draft.0, &basis), Found::default(), stamp)
    }

    /// Returns the webhook after a PATCH: all operations applied in order, and the result checked as
    /// a whole.
    ///
    /// # Errors
    ///
    /// Everything that is wrong: first with the operations, then with the webhook that the others
    /// lead to; an empty id in the stamp.
    pub fn patched(
        &self,
        patch: &Patch,
        rules: &Rules,
        stamp: Edit,
    ) -> Result<Checked, Diagnostics> {
        if let Some(meant) = patch.meant(&self.patchable()) {
            let (mut found, mut is_valid) = (Found::default(), false);
            if let Some(patch) = &meant.patch {
                let (outcome, faults) = self.after(patch, rules);
                // Faults of the operations lie in a document that was not sent.
                if faults.is_empty() {
                    is_valid = outcome.found.is_empty();
                    found = outcome.found;
                }
            }
            let mut all = Found::default();
            all.push(meant.problem(is_valid));
            all.append(found);
            return Err(all.into_diagnostics());
        }
        let (outcome, found) = self.after(patch, rules);
        self.changed(outcome, found, stamp)
    }

    /// What a patch leads to, and what is wrong with its operations.
    fn after(&self, patch: &Patch, rules: &Rules) -> (Outcome, Found) {
        let mut document = self.patchable();
        let applied = patch.apply(&mut document);
        let basis = Basis::Change { old: self, headers_anew: applied.headers_anew, patch: true };
        (check(rules, &document, &basis), applied.found)
    }

    /// Reads a document that holds what the server has set, too: a response of the API, whose
    /// secrets are then not known, or a [stored](Self::stored) webhook.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the document.
    pub fn read(document: &WebhookDocument, rules: &Rules) -> Result<Checked, Diagnostics> {
        Self::from_document(document, rules, true)
    }

    /// Reads a [stored](Self::stored) webhook as [`read`](Self::read) does, without looking for
    /// warnings, which cost more than all else: its author has had them.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the document.
    pub fn restore(document: &WebhookDocument, rules: &Rules) -> Result<Self, Diagnostics> {
        Self::from_document(document, rules, false).map(|checked| checked.webhook)
    }

    fn from_document(
        document: &WebhookDocument,
        rules: &Rules,
        warns: bool,
    ) -> Result<Checked, Diagnostics> {
        let outcome = check(rules, &document.0, &Basis::Document { id_required: true, warns });
        match (outcome.id, outcome.content) {
            (Some(id), Some(content)) => Ok(Checked {
                webhook: Self::assemble(id, outcome.server, content),
                warnings: outcome.warnings.into_warnings(),
            }),
            _ => Err(outcome.found.into_diagnostics()),
        }
    }

    /// Returns the webhook after the server, and no user, has disabled it, with the reason and its
    /// code.
    #[must_use]
    pub fn disabled(&self, reason: &str, code: &str, at: Timestamp) -> Self {
        let mut webhook = self.clone();
        webhook.content.enabled = false;
        webhook.server.disabled_reason = Some(reason.into());
        webhook.server.disabled_code = Some(code.into());
        webhook.server.updated = Edit { by: None, at: Some(at) };
        webhook
    }

    fn changed(
        &self,
        outcome: Outcome,
        mut found: Found,
        stamp: Edit,
    ) -> Result<Checked, Diagnostics> {
        let server = Server { updated: stamp, ..self.server.clone() };
        server_given(None, &server, &mut found);
        let (content, warnings) = settled(outcome, found)?;
        Ok(Checked { webhook: Self::assemble(self.id.clone(), server, content), warnings })
    }

    fn assemble(id: WebhookId, mut server: Server, mut content: Content) -> Self {
        if content.level == Level::User && content.owner.is_none() {
            content.owner = server.created.by.clone();
        }
        if content.enabled {
            (server.disabled_reason, server.disabled_code) = (None, None);
        }
        Self { id, server, content }
    }
}

/// Ids that the server gives are not empty, or the webhook could not be read back.
fn server_given(id: Option<&WebhookId>, server: &Server, found: &mut Found) {
    let Server { tenant, created, updated, .. } = server;
    let ids = [
        ("id", id.map(WebhookId::as_str)),
        ("tenantId", tenant.as_ref().map(TenantId::as_str)),
        ("createdByUserId", created.by.as_ref().map(UserId::as_str)),
        ("updatedByUserId", updated.by.as_ref().map(UserId::as_str)),
    ];
    for (name, _) in ids.iter().filter(|(_, id)| *id == Some("")) {
        let title = format!("the server gives an empty `{name}`");
        let help = "this is a mistake of the server, not of the request";
        found.push(problem(Kind::TooShort, format!("/{name}"), title, help));
    }
}

/// The content and its warnings, if nothing is wrong; `found` is what was found before the check.
fn settled(outcome: Outcome, mut found: Found) -> Result<(Content, Vec<Diagnostic>), Diagnostics> {
    found.append(outcome.found);
    match outcome.content {
        Some(content) if found.is_empty() => Ok((content, outcome.warnings.into_warnings())),
        _ => Err(found.into_diagnostics()),
    }
}
