use super::Registry;
use crate::diagnostic::{Diagnostic, Diagnostics, kinds, quote};
use crate::event::{TenantId, UserId};
use crate::matcher::InsertError;
use crate::webhook::WebhookId;
use http::StatusCode;

/// The tenant is not loaded, so nothing is known of its webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant is not loaded")]
pub struct NotLoaded;

impl NotLoaded {
    /// The kind as a stable word.
    #[must_use]
    pub fn code(self) -> &'static str {
        PutErrorKind::NotLoaded.code()
    }

    /// What whoever runs the server can do.
    #[must_use]
    pub fn help(self) -> &'static str {
        PutErrorKind::NotLoaded.help()
    }
}

/// Why a change was not made.
///
/// ```
/// use hooksieve::event::TenantId;
/// use hooksieve::registry::{PutErrorKind, Registry};
/// use hooksieve::webhook::{WebhookDocument, Rules, Webhook};
///
/// let rules = Rules::default();
/// let registry = Registry::new(&rules);
/// let document = br#"{"id": "w1", "name": "n", "url": "https://hooks.example.com/"}"#;
/// let webhook = Webhook::read(&WebhookDocument::read(document)?, &rules)?.webhook;
/// let error = registry.put(&TenantId::from("t1"), webhook).unwrap_err();
/// assert_eq!((error.kind(), error.code()), (PutErrorKind::NotLoaded, "registry-not-loaded"));
/// assert_eq!(error.to_string(), "the tenant is not loaded");
/// assert_eq!(error.help(), "load the tenant with all its webhooks first");
/// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PutError {
    kind: PutErrorKind,
    message: Box<str>,
}

kinds! {
    /// The kinds of error of a change.
    pub PutErrorKind {
        /// The tenant is not loaded.
        NotLoaded = "registry-not-loaded",
        /// The webhook says that it is another tenant's.
        OtherTenant = "registry-other-tenant",
        /// The user has created as many webhooks as a user may have.
        UserLimit = "registry-too-many",
        /// The tenant would have more webhooks than a tenant may have.
        TenantLimit = "registry-too-many-webhooks",
        /// The tenant's filters would have more bytes of text than those of a tenant may have.
        FiltersTooLong = "registry-filters-too-long",
        /// The tenant's filters would have more terms than those of a tenant may have.
        TooManyTerms = "registry-too-many-terms",
        /// The webhook, or the tenant's id, has more than [`Registry::MAX_BYTES`] bytes of text.
        ///
        /// [`Registry::MAX_BYTES`]: super::Registry::MAX_BYTES
        TooLarge = "registry-too-large",
        /// The webhook was made by another profile than the registry's.
        OtherProfile = "registry-other-profile",
        /// The webhook is not valid by the registry's rules, so that it could not be read back.
        Invalid = "registry-invalid-webhook",
        /// The tenant is at the highest revision there is, so that a change cannot take the next.
        NoRevision = "registry-no-revision",
        /// The tenant's index has no room.
        Full = "registry-full",
    }
}

impl PutErrorKind {
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
            Self::OtherProfile | Self::Invalid => "make the webhook by the registry's rules",
            Self::NoRevision => "evict the tenant, and load it at a lower revision",
            Self::Full => "remove webhooks of the tenant, or load it anew",
        }
    }
}

impl PutError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> PutErrorKind {
        self.kind
    }

    /// The kind as a stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// What whoever runs the server, or for a limit the user, can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.kind.help()
    }

    pub(super) fn other_tenant(named: &TenantId) -> Self {
        let message = format!("the webhook is tenant `{}`'s", quote(named.as_str()));
        Self { kind: PutErrorKind::OtherTenant, message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<Box<str>>) -> Self {
        Self { kind: PutErrorKind::Invalid, message: message.into() }
    }

    pub(super) fn no_revision() -> Self {
        let message = format!("the tenant is at revision {}, after which there is none", u64::MAX);
        Self { kind: PutErrorKind::NoRevision, message: message.into() }
    }

    pub(super) fn too_many(user: &UserId, most: usize) -> Self {
        let user = quote(user.as_str());
        let message = format!("user `{user}` has as many webhooks as a user may have, {most}");
        Self { kind: PutErrorKind::UserLimit, message: message.into() }
    }

    pub(super) fn over(kind: PutErrorKind, who: &str, sum: usize, what: &str, most: usize) -> Self {
        let message = format!("{who} would have {sum} {what}, more than the {most} allowed");
        Self { kind, message: message.into() }
    }
}

impl From<&PutError> for Diagnostic {
    fn from(error: &PutError) -> Self {
        let message = error.message.clone();
        Self::error(error.code(), message, error.help()).with_status(error.kind.status())
    }
}

impl From<NotLoaded> for Diagnostic {
    fn from(error: NotLoaded) -> Self {
        Self::from(&PutError::from(error))
    }
}

/// Why a webhook was not updated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError<E> {
    /// The tenant has no such webhook, or not any more.
    #[error("there is no such webhook")]
    NotFound,
    /// The change gave a webhook of another id.
    #[error("the changed webhook has another id")]
    OtherId,
    /// What the change said of it.
    #[error(transparent)]
    Refused(E),
    /// What came of the change was not put.
    #[error(transparent)]
    Put(#[from] PutError),
}

impl<E> UpdateError<E> {
    /// A stable word; `None` for what the change said.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("registry-no-such-webhook"),
            Self::OtherId => Some("registry-other-id"),
            Self::Put(error) => Some(error.code()),
            Self::Refused(_) => None,
        }
    }

    /// What to do; `None` for what the change said.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("list the tenant's webhooks: it may have been removed"),
            Self::OtherId => Some("keep the id of the webhook that is changed"),
            Self::Put(error) => Some(error.help()),
            Self::Refused(_) => None,
        }
    }
}

/// The rules are of another profile than the registry's; see
/// [`Registry::replace_rules`](super::Registry::replace_rules).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rules have another profile than the registry's")]
pub struct OtherProfile;

impl OtherProfile {
    /// The kind as a stable word.
    #[must_use]
    pub fn code(self) -> &'static str {
        PutErrorKind::OtherProfile.code()
    }

    /// What the operator of the server can do.
    #[must_use]
    pub fn help(self) -> &'static str {
        "make a registry for the other profile, and load the tenants into it"
    }
}

/// What the change itself reported is converted as it asks.
impl<E> From<UpdateError<E>> for Diagnostics
where
    Diagnostics: From<E>,
{
    fn from(error: UpdateError<E>) -> Self {
        let status = match &error {
            UpdateError::NotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        let (code, help) = (error.code().unwrap_or_default(), error.help().unwrap_or_default());
        let message = match error {
            UpdateError::Refused(refused) => return refused.into(),
            UpdateError::Put(error) => return Diagnostic::from(&error).into(),
            UpdateError::NotFound => "there is no such webhook",
            UpdateError::OtherId => "the changed webhook has another id",
        };
        Diagnostic::error(code, message, help).with_status(status).into()
    }
}

/// Refuses what could not be read back from a snapshot.
pub(super) fn bounded(what: &str, bytes: usize) -> Result<(), PutError> {
    let most = Registry::MAX_BYTES;
    let message = || format!("{what} has {bytes} bytes of text, more than {most}");
    let error = || PutError { kind: PutErrorKind::TooLarge, message: message().into() };
    if bytes > most { Err(error()) } else { Ok(()) }
}

impl From<NotLoaded> for PutError {
    fn from(error: NotLoaded) -> Self {
        Self { kind: PutErrorKind::NotLoaded, message: error.to_string().into() }
    }
}

impl From<InsertError> for PutError {
    fn from(error: InsertError) -> Self {
        let (kind, message) = match error {
            InsertError::OtherProfile => {
                (PutErrorKind::OtherProfile, "the webhook was made by another profile")
            }
            InsertError::Full => (PutErrorKind::Full, "the tenant's index has no room left"),
        };
        Self { kind, message: message.into() }
    }
}

/// Why a tenant was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{error}", place = self.place())]
pub struct LoadError {
    pub(super) id: Option<WebhookId>,
    pub(super) error: PutError,
}

impl LoadError {
    /// What is wrong with the load as a whole, and with no webhook of it.
    pub(super) fn whole(error: PutError) -> Self {
        Self { id: None, error }
    }

    fn place(&self) -> String {
        let place = |id: &WebhookId| format!("webhook `{}`: ", quote(id.as_str()));
        self.id.as_ref().map(place).unwrap_or_default()
    }

    /// The webhook that could not be put; `None` where the tenant's id is too long, or where there
    /// is no revision to take.
    #[must_use]
    pub fn id(&self) -> Option<&WebhookId> {
        self.id.as_ref()
    }

    /// Why; `Display` says it, too.
    #[must_use]
    pub fn error(&self) -> &PutError {
        &self.error
    }

    /// The kind of the reason as a stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.error.code()
    }

    /// What whoever runs the server can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.error.help()
    }
}

impl From<&LoadError> for Diagnostic {
    fn from(error: &LoadError) -> Self {
        Self::error(error.code(), error.to_string(), error.help())
            .with_status(error.error.kind.status())
    }
}
