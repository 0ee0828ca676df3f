//! The errors of changes: one kind for each code, with a message that has the values.

use super::Registry;
use crate::diagnostic::{Diagnostic, Diagnostics, into_diagnostics, kinds, quote};
use crate::event::{TenantId, UserId};
use crate::matcher::InsertError;
use crate::webhook::WebhookId;
use http::StatusCode;

/// An error for a tenant that is not loaded, whose webhooks are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant is not loaded")]
pub struct NotLoaded;

/// An error from changing a registry. The registry is unchanged.
///
/// ```
/// use hooksieve::diagnostic::Diagnostic;
/// use hooksieve::event::TenantId;
/// use hooksieve::registry::{ChangeErrorKind, Registry};
/// use hooksieve::webhook::{Rules, Webhook, WebhookDocument};
///
/// let rules = Rules::default();
/// let registry = Registry::new(&rules);
/// let document = br#"{"id": "w1", "name": "n", "url": "https://hooks.example.com/"}"#;
/// let webhook = Webhook::read(&WebhookDocument::read(document)?, &rules)?.webhook;
/// let error = registry.put(&TenantId::from("t1"), webhook).unwrap_err();
/// assert_eq!(error.kind(), ChangeErrorKind::NotLoaded);
/// assert_eq!(error.to_string(), "the tenant is not loaded");
/// let diagnostic = Diagnostic::from(&error);
/// assert_eq!(diagnostic.code(), "registry-not-loaded");
/// assert_eq!(diagnostic.help(), "load the tenant with all its webhooks first");
/// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ChangeError {
    kind: ChangeErrorKind,
    id: Option<WebhookId>,
    message: Box<str>,
}

kinds! {
    /// The kinds of [`ChangeError`].
    pub ChangeErrorKind {
        /// The tenant is not loaded.
        NotLoaded = "registry-not-loaded",
        /// The webhook belongs to another tenant.
        OtherTenant = "registry-other-tenant",
        /// The user has reached the limit of webhooks per user.
        UserLimit = "registry-too-many",
        /// The tenant would exceed the limit of webhooks per tenant.
        TenantLimit = "registry-too-many-webhooks",
        /// The tenant's filters would exceed the limit of bytes per tenant.
        FiltersTooLong = "registry-filters-too-long",
        /// The tenant's filters would exceed the limit of terms per tenant.
        TooManyTerms = "registry-too-many-terms",
        /// The webhook, or the tenant's id, has more than [`Registry::MAX_BYTES`] bytes of text.
        ///
        /// [`Registry::MAX_BYTES`]: super::Registry::MAX_BYTES
        TooLarge = "registry-too-large",
        /// The webhook's filter, or the new rules, are for another profile than the registry's.
        OtherProfile = "registry-other-profile",
        /// The webhook is not valid by the registry's rules.
        Invalid = "registry-invalid-webhook",
        /// The tenant is at revision `u64::MAX`, so there is no next one.
        NoRevision = "registry-no-revision",
        /// The reserved revision is not above the tenant's: the change was applied before.
        OldRevision = "registry-old-revision",
        /// The reserved revision is above the tenant's next one: changes in between are missing.
        RevisionGap = "registry-revision-gap",
        /// The tenant's index is full.
        Full = "registry-full",
    }
}

impl ChangeErrorKind {
    fn status(self) -> StatusCode {
        match self {
            Self::NotLoaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::OtherTenant
            | Self::UserLimit
            | Self::TenantLimit
            | Self::FiltersTooLong
            | Self::TooManyTerms => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::OldRevision | Self::RevisionGap => StatusCode::CONFLICT,
            Self::OtherProfile | Self::NoRevision | Self::Full => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::NotLoaded => "load the tenant with all its webhooks first",
            Self::OtherTenant => "put it in the tenant that its `tenantId` names",
            Self::UserLimit => "remove one of the user's webhooks first",
            Self::TenantLimit => "remove webhooks of the tenant first",
            Self::FiltersTooLong | Self::TooManyTerms => {
                "shorten the filter, or remove webhooks of the tenant first"
            }
            Self::TooLarge => "shorten its ids, `disabledReason` or filter",
            Self::OtherProfile => {
                "use the registry's profile, or create a registry for the other one"
            }
            Self::Invalid => "create the webhook with the registry's rules",
            Self::NoRevision => "evict the tenant, and load it at a lower revision",
            Self::OldRevision => "ignore the change",
            Self::RevisionGap => "apply the changes in between first, or load the tenant",
            Self::Full => "remove webhooks of the tenant, or load it again",
        }
    }
}

impl ChangeError {
    /// Returns the kind of error.
    #[must_use]
    pub fn kind(&self) -> ChangeErrorKind {
        self.kind
    }

    /// Returns the id of the webhook that a load refused.
    ///
    /// `None` if the error is about the tenant, or comes from the change of a single webhook.
    #[must_use]
    pub fn id(&self) -> Option<&WebhookId> {
        self.id.as_ref()
    }

    fn new(kind: ChangeErrorKind, message: impl Into<Box<str>>) -> Self {
        Self { kind, id: None, message: message.into() }
    }

    /// Returns the same error with the id of the webhook among those that are loaded.
    pub(super) fn of(self, id: WebhookId) -> Self {
        let message = format!("webhook `{}`: {}", quote(id.as_str()), self.message);
        Self { id: Some(id), message: message.into(), ..self }
    }

    pub(super) fn other_tenant(named: &TenantId) -> Self {
        let message = format!("the webhook belongs to tenant `{}`", quote(named.as_str()));
        Self::new(ChangeErrorKind::OtherTenant, message)
    }

    pub(super) fn other_profile() -> Self {
        let message = "the rules have another profile than the registry";
        Self::new(ChangeErrorKind::OtherProfile, message)
    }

    pub(super) fn invalid(message: impl Into<Box<str>>) -> Self {
        Self::new(ChangeErrorKind::Invalid, message)
    }

    pub(super) fn no_revision() -> Self {
        let message = format!("the tenant is at revision {}, the last one", u64::MAX);
        Self::new(ChangeErrorKind::NoRevision, message)
    }

    pub(super) fn old_revision(given: u64, highest: u64) -> Self {
        let message = format!("revision {given} is not above the tenant's, {highest}");
        Self::new(ChangeErrorKind::OldRevision, message)
    }

    pub(super) fn revision_gap(given: u64, highest: u64) -> Self {
        let message = format!("revision {given} is not the next after the tenant's, {highest}");
        Self::new(ChangeErrorKind::RevisionGap, message)
    }

    pub(super) fn user_limit(user: &UserId, max: usize) -> Self {
        let user = quote(user.as_str());
        let message = format!("user `{user}` has reached the limit of webhooks per user, {max}");
        Self::new(ChangeErrorKind::UserLimit, message)
    }

    /// Creates an error for a sum that would exceed a limit of the tenant.
    pub(super) fn over(
        kind: ChangeErrorKind,
        who: &str,
        sum: usize,
        what: &str,
        max: usize,
    ) -> Self {
        Self::new(kind, format!("{who} would have {sum} {what}, more than the {max} allowed"))
    }
}

into_diagnostics!(ChangeError, NotLoaded);

impl From<&ChangeError> for Diagnostic {
    fn from(error: &ChangeError) -> Self {
        Self::error(error.kind.code(), error.message.clone(), error.kind.help())
            .with_status(error.kind.status())
    }
}

impl From<&NotLoaded> for Diagnostic {
    fn from(error: &NotLoaded) -> Self {
        Self::from(&ChangeError::from(*error))
    }
}

/// An error from [`Registry::update`]. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError<E> {
    /// The tenant has no webhook with this id.
    #[error("no webhook with this id")]
    NotFound,
    /// The closure returned a webhook with another id.
    #[error("the changed webhook has another id")]
    OtherId,
    /// The closure returned this error.
    #[error(transparent)]
    Refused(E),
    /// The registry refused the changed webhook.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Converts an error of the closure by its own conversion, and any other into one diagnostic.
impl<E> From<UpdateError<E>> for Diagnostics
where
    Diagnostics: From<E>,
{
    fn from(error: UpdateError<E>) -> Self {
        let diagnostic = match error {
            // The closure's errors may be many; all others are one.
            UpdateError::Refused(refused) => return refused.into(),
            UpdateError::Change(error) => Diagnostic::from(&error),
            UpdateError::NotFound => Diagnostic::error(
                "registry-no-such-webhook",
                "no webhook with this id",
                "list the tenant's webhooks: it may have been removed",
            )
            .with_status(StatusCode::NOT_FOUND),
            UpdateError::OtherId => Diagnostic::error(
                "registry-other-id",
                "the changed webhook has another id",
                "keep the webhook's id",
            )
            .with_status(StatusCode::INTERNAL_SERVER_ERROR),
        };
        diagnostic.into()
    }
}

/// Refuses text that is too long to be read back from a snapshot.
pub(super) fn bounded(what: &str, bytes: usize) -> Result<(), ChangeError> {
    let max = Registry::MAX_BYTES;
    if bytes <= max {
        return Ok(());
    }
    let message = format!("{what} has {bytes} bytes of text, more than {max}");
    Err(ChangeError::new(ChangeErrorKind::TooLarge, message))
}

impl From<NotLoaded> for ChangeError {
    fn from(error: NotLoaded) -> Self {
        Self::new(ChangeErrorKind::NotLoaded, error.to_string())
    }
}

impl From<InsertError> for ChangeError {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::OtherProfile => Self::new(
                ChangeErrorKind::OtherProfile,
                "the webhook has another profile than the registry",
            ),
            InsertError::Full => Self::new(ChangeErrorKind::Full, "the tenant's index is full"),
        }
    }
}
