use crate::event::UserId;
use crate::matcher::InsertError;
use crate::webhook::WebhookId;

/// The tenant is not loaded, so nothing is known of its webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant is not loaded")]
pub struct NotLoaded;

/// Why a webhook was not put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The tenant is not loaded.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The webhook says that it is another tenant's.
    #[error("the webhook is another tenant's")]
    OtherTenant,
    /// The user has created as many webhooks as a user may have.
    #[error("user `{user}` has {most} webhooks, as many as a user may have", user = quote(.user))]
    TooMany {
        /// Who created the webhook.
        user: UserId,
        /// How many a user may have.
        most: usize,
    },
    /// The index did not take it.
    #[error(transparent)]
    Insert(#[from] InsertError),
}

fn quote(user: &UserId) -> String {
    crate::syntax::quote(user.as_str())
}

pub(super) struct OtherTenant;

impl From<OtherTenant> for PutError {
    fn from(OtherTenant: OtherTenant) -> Self {
        Self::OtherTenant
    }
}

/// Why a tenant was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhook `{id}`: {error}", id = crate::syntax::quote(id.as_str()))]
pub struct LoadError {
    pub(super) id: WebhookId,
    #[source]
    pub(super) error: PutError,
}

impl LoadError {
    /// The webhook that could not be put.
    #[must_use]
    pub fn id(&self) -> &WebhookId {
        &self.id
    }

    /// Why.
    #[must_use]
    pub fn error(&self) -> &PutError {
        &self.error
    }
}
