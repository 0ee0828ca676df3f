//! Creates, changes and reads webhooks: completely, or not at all.
//!
//! # From a document to a webhook
//!
//! ```text
//! POST   WebhookDocument ─────────────────────────┐
//! PUT    WebhookDocument ── old: self ────────────┤
//! PATCH  Patch ── meant? ── apply to self ────────┼──▶ check ──▶ Outcome ──▶ assemble ──▶ Checked
//! read   WebhookDocument with server's values ────┘                 │
//!                                                                  └──▶ Diagnostics, all of them
//! ```
//!
//! All four ways end in the same check of a whole document, so a rule has one place. A [`Basis`]
//! says what differs: whether members of the server are read, and which changes are not allowed.
//!
//! # All or nothing
//!
//! A PATCH of three operations, one of which is invalid, changes nothing. The other two are still
//! applied to a copy of the document, and the copy is checked, so that one response lists the
//! errors of the operations and those of the webhook that they lead to. The old webhook is only
//! read: each function takes `&self` and returns a new one.
//!
//! # Order of errors
//!
//! Errors of the request as a whole come first (the limit of webhooks, ids that the server set),
//! then those of the patch in the order of its operations, then those of the webhook. The status of
//! a response is that of the first error, so 403 for the limit takes precedence over 400.

use super::check::{Basis, Outcome, check};
use super::content::{Content, Server};
use super::document::{self, Json, WebhookDocument};
use super::kind::{Kind, problem};
use super::{Edit, Level, Patch, Rules, Timestamp, Webhook, WebhookId};
use crate::diagnostic::{Diagnostic, Diagnostics, Found};
use crate::event::{TenantId, UserId};
use http::StatusCode;

/// The limit of webhooks for each user, according to the API reference.
pub const MAX_PER_USER: usize = 150;

/// The values that the server sets when a webhook is created.
///
/// ```
/// use hooksieve::webhook::{WebhookDocument, MAX_PER_USER, NewWebhook, Rules, Webhook};
/// # let now = std::time::UNIX_EPOCH.into();
///
/// let document = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/"}"#)?;
/// let new = NewWebhook::new("w1", "user-1", now);
/// let new = new.of_tenant("tenant-1").within_limit(150, MAX_PER_USER);
/// let problems = Webhook::create(&document, &Rules::default(), new).unwrap_err();
/// assert_eq!(problems.to_string(), "user `user-1` has 150 webhooks");
/// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug)]
pub struct NewWebhook {
    id: WebhookId,
    tenant: Option<TenantId>,
    by: UserId,
    at: Timestamp,
    /// The number of webhooks that the user has, and the limit.
    limit: Option<(usize, usize)>,
}

impl NewWebhook {
    /// Creates the values from an id, the creating user and the time.
    ///
    /// `at` comes from the caller's clock.
    pub fn new(id: impl Into<WebhookId>, by: impl Into<UserId>, at: Timestamp) -> Self {
        Self { id: id.into(), tenant: None, by: by.into(), at, limit: None }
    }

    /// Sets the tenant.
    #[must_use]
    pub fn of_tenant(self, tenant: impl Into<TenantId>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// Sets a limit: creation is refused if the user already has `max` webhooks.
    ///
    /// `has` is the number of existing webhooks that the user created. The limit of the API is
    /// [`MAX_PER_USER`].
    #[must_use]
    pub fn within_limit(self, has: usize, max: usize) -> Self {
        Self { limit: Some((has, max)), ..self }
    }
}

/// A valid webhook and its warnings.
///
/// Show the warnings to the author. They report, for example, members that were ignored, such as
/// `enabeld`, and a webhook that never fires.
///
/// ```
/// use hooksieve::webhook::{Checked, NewWebhook, WebhookDocument, Rules, Webhook};
/// # let now = std::time::UNIX_EPOCH.into();
///
/// let document = WebhookDocument::read(br#"{
///     "name": "n", "url": "https://hooks.example.com/",
///     "eventTypes": ["com.qlik.v1.app.created"], "enabeld": true
/// }"#)?;
/// let Checked { webhook, warnings } =
///     Webhook::create(&document, &Rules::default(), NewWebhook::new("w1", "u1", now))?;
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
    /// The warnings, in the order of the checks.
    pub warnings: Vec<Diagnostic>,
}

impl Webhook {
    /// Creates a webhook from the body of a POST.
    ///
    /// The owner of a webhook of level `user` is its creator, unless the document names another.
    ///
    /// # Errors
    ///
    /// All errors in the document, a limit that was already reached, and an empty id.
    pub fn create(
        document: &WebhookDocument,
        rules: &Rules,
        new: NewWebhook,
    ) -> Result<Checked, Diagnostics> {
        let NewWebhook { id, tenant, by, at, limit } = new;
        // The limit does not end the check: the author sees the errors of the document as well.
        let mut found = Found::default();
        if let Some((has, max)) = limit.filter(|(has, max)| has >= max) {
            let title = format!("user `{by}` has {has} webhooks");
            let help = format!("remove one first; a user may have {max}");
            let refused = problem(Kind::UserLimit, "", title, help);
            found.push(refused.with_status(StatusCode::FORBIDDEN));
        }
        let created = Edit::new(by, at);
        // A new webhook was last changed when it was created.
        let updated = created.clone();
        let server = Server { tenant, created, updated, ..Server::default() };
        check_server_ids(Some(&id), &server, &mut found);
        let (content, warnings) = content_or_errors(check(rules, &document.0, &Basis::New), found)?;
        Ok(Checked { webhook: Self::assemble(id, server, content), warnings })
    }

    /// Returns the webhook after a PUT: the document replaces its content.
    ///
    /// Members that the document leaves out get their default values. The id, the tenant, the
    /// creation and the origin are kept, and `edit` becomes the last change. An enabled webhook
    /// loses the reason for which it was disabled.
    ///
    /// # Errors
    ///
    /// All errors in the document, changes that are not allowed, and an empty id in the edit.
    pub fn replaced(
        &self,
        document: &WebhookDocument,
        rules: &Rules,
        edit: Edit,
    ) -> Result<Checked, Diagnostics> {
        // A document that leaves the encrypted headers out removes them, so they need no new
        // values.
        let basis = Basis::Change { old: self, sets_encrypted: true, patch: false };
        self.changed(check(rules, &document.0, &basis), Found::default(), edit)
    }

    /// Returns the webhook after a PATCH.
    ///
    /// All operations are applied in order. Then the result is checked as a whole.
    ///
    /// # Errors
    ///
    /// All errors in the operations, an empty id in the edit, and all errors in the webhook that
    /// results from the valid operations.
    pub fn patched(
        &self,
        patch: &Patch,
        rules: &Rules,
        edit: Edit,
    ) -> Result<Checked, Diagnostics> {
        // The patch is not an array of operations, so it is refused in any case. What follows
        // decides only whether the operations that were meant can be shown.
        if let Some(meant) = patch.meant(&self.patchable()) {
            let (mut found, mut is_valid) = (Found::default(), false);
            if let Some(patch) = &meant.patch {
                let (outcome, faults) = self.after(patch, rules);
                // Faults of the suggested operations would be reported at places that were not
                // sent.
                if faults.is_empty() {
                    is_valid = outcome.found.is_empty();
                    found = outcome.found;
                }
            }
            let mut all = Found::default();
            // The refusal comes first, since the other errors are about a patch that was not sent.
            all.push(meant.problem(is_valid));
            all.append(found);
            return Err(all.into_diagnostics());
        }
        let (outcome, found) = self.after(patch, rules);
        self.changed(outcome, found, edit)
    }

    /// Applies a patch and checks the result; returns the outcome and the faults of the operations.
    fn after(&self, patch: &Patch, rules: &Rules) -> (Outcome, Found) {
        let mut document = self.patchable();
        let applied = patch.apply(&mut document);
        let basis =
            Basis::Change { old: self, sets_encrypted: applied.sets_encrypted, patch: true };
        (check(rules, &document, &basis), applied.found)
    }

    /// Reads a [stored](Self::stored) webhook, or a response of the API.
    ///
    /// The document has the values that the server set. The secrets of a response are unknown.
    ///
    /// # Errors
    ///
    /// All errors in the document.
    pub fn read(document: &WebhookDocument, rules: &Rules) -> Result<Checked, Diagnostics> {
        Self::from_document(&document.0, rules, true)
    }

    /// Reads a [stored](Self::stored) webhook like [`read`](Self::read), without warnings.
    ///
    /// Warnings cost more than the rest of the check, and the author has already received them.
    ///
    /// # Errors
    ///
    /// All errors in the document.
    pub fn restore(document: &WebhookDocument, rules: &Rules) -> Result<Self, Diagnostics> {
        Self::from_document(&document.0, rules, false).map(|checked| checked.webhook)
    }

    /// Reads the bytes of a [stored](Self::stored) webhook like [`restore`](Self::restore).
    ///
    /// It takes less time than to read a [`WebhookDocument`] first, since nothing is copied into
    /// one.
    ///
    /// # Errors
    ///
    /// Bytes that are not JSON, or all errors in the document.
    pub fn restore_from(bytes: &[u8], rules: &Rules) -> Result<Self, Diagnostics> {
        let document = document::read(bytes, Kind::Syntax)?;
        Self::from_document(&document, rules, false).map(|checked| checked.webhook)
    }

    /// Reads a document that has the values that the server set.
    fn from_document(
        document: &Json<'_>,
        rules: &Rules,
        warns: bool,
    ) -> Result<Checked, Diagnostics> {
        let outcome = check(rules, document, &Basis::Document { id_required: true, warns });
        match (outcome.id, outcome.content) {
            // The content is `None` if there are errors, and a missing id is one of them here.
            (Some(id), Some(content)) => Ok(Checked {
                webhook: Self::assemble(id, outcome.server, content),
                warnings: outcome.warnings.into_warnings(),
            }),
            _ => Err(outcome.found.into_diagnostics()),
        }
    }

    /// Returns the webhook after the server has disabled it, with a reason and its code.
    ///
    /// [`updated`](Self::updated) then has this time but no user.
    #[must_use]
    pub fn disabled(&self, reason: &str, code: &str, at: Timestamp) -> Self {
        let mut webhook = self.clone();
        webhook.content.enabled = false;
        webhook.server.disabled_reason = Some(reason.into());
        webhook.server.disabled_code = Some(code.into());
        // The server is no user. A name such as `system` could be the id of one.
        webhook.server.updated = Edit { by: None, at: Some(at) };
        webhook
    }

    /// Returns the webhook with the content of a check.
    fn changed(
        &self,
        outcome: Outcome,
        mut found: Found,
        edit: Edit,
    ) -> Result<Checked, Diagnostics> {
        // The rest of what the server set is kept, so a PUT cannot change the tenant or the
        // creation.
        let server = Server { updated: edit, ..self.server.clone() };
        check_server_ids(None, &server, &mut found);
        let (content, warnings) = content_or_errors(outcome, found)?;
        Ok(Checked { webhook: Self::assemble(self.id.clone(), server, content), warnings })
    }

    /// Makes a webhook from its parts.
    ///
    /// The owner of a webhook of level `user` is its creator by default. An enabled webhook has no
    /// reason for being disabled.
    fn assemble(id: WebhookId, mut server: Server, mut content: Content) -> Self {
        // Set here and not in the check, which does not know the creator of a new webhook.
        if content.level == Level::User && content.owner.is_none() {
            content.owner = server.created.by.clone();
        }
        // Otherwise a webhook would show, after it was enabled again, why it had been disabled.
        if content.enabled {
            (server.disabled_reason, server.disabled_code) = (None, None);
        }
        Self { id, server, content }
    }
}

/// Checks that the ids that the server sets are not empty: the webhook could not be read back.
fn check_server_ids(id: Option<&WebhookId>, server: &Server, found: &mut Found) {
    let Server { tenant, created, updated, .. } = server;
    let ids = [
        ("id", id.map(WebhookId::as_str)),
        ("tenantId", tenant.as_ref().map(TenantId::as_str)),
        ("createdByUserId", created.by.as_ref().map(UserId::as_str)),
        ("updatedByUserId", updated.by.as_ref().map(UserId::as_str)),
    ];
    for (name, _) in ids.iter().filter(|(_, id)| *id == Some("")) {
        let title = format!("the server set an empty `{name}`");
        // Reported with 500, so that the author of the request does not look for the error there.
        let help = "this is an error of the server, not of the request";
        let problem = problem(Kind::TooShort, format!("/{name}"), title, help);
        found.push(problem.with_status(StatusCode::INTERNAL_SERVER_ERROR));
    }
}

/// Returns the content and its warnings, or all errors.
///
/// `found` has the errors that were found before the check.
fn content_or_errors(
    outcome: Outcome,
    mut found: Found,
) -> Result<(Content, Vec<Diagnostic>), Diagnostics> {
    found.append(outcome.found);
    match outcome.content {
        // The document may be valid while an operation or the limit is not.
        Some(content) if found.is_empty() => Ok((content, outcome.warnings.into_warnings())),
        _ => Err(found.into_diagnostics()),
    }
}
