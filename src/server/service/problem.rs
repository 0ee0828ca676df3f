//! The errors of the use cases.
//!
//! A variant exists for each *reaction*, not for each cause: the API turns each into one status, and
//! a new interface turns them into its own. Texts for callers come with the diagnostics; the others
//! are for the log.

use crate::server::ambient::NoRandomness;
use crate::server::store::contract::StoreError;
use crate::server::store::seal::{Owner, SealError};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::TenantId;
use hooksieve::registry::ChangeError;
use hooksieve::webhook::WebhookId;
use std::time::Duration;

/// An error from a use case. The API maps it to a status.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The item does not exist, or the caller may not see it.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The caller's role does not allow it.
    #[error("{0}")]
    Forbidden(Diagnostic),
    /// The request is invalid.
    #[error("{0}")]
    Invalid(#[from] Diagnostics),
    /// The webhook exceeds what the registry accepts. Nothing was changed.
    #[error("the webhook has {bytes} bytes as JSON, more than {max}")]
    TooLarge {
        /// The size of the document.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Too many events of the tenant wait to be accepted. None of the request was.
    #[error("too many events wait to be accepted")]
    Busy,
    /// The events exceed the rate of the tenant. None of the request was accepted; it may be sent
    /// again after the time.
    #[error("more events per second than allowed")]
    TooManyEvents(Duration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The document of a webhook cannot be sealed or opened.
    #[error("webhook `{webhook}` of tenant `{tenant}`: {error}")]
    Seal {
        /// The tenant.
        tenant: TenantId,
        /// The webhook.
        webhook: WebhookId,
        /// What is wrong.
        error: SealError,
    },
    /// The machine provided no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The registry refused a change before it was committed, or a load.
    #[error("refused by the registry: {0}")]
    Registry(#[from] ChangeError),
    /// A bug of the server.
    #[error("{0}")]
    Internal(String),
}

impl Problem {
    /// Creates the error for a document that cannot be sealed or opened.
    pub(super) fn seal(owner: Owner<'_>, error: SealError) -> Self {
        let Owner { tenant, webhook } = owner;
        Self::Seal { tenant: tenant.clone(), webhook: webhook.clone(), error }
    }

    /// Creates the error for what the caller's role does not allow.
    pub(super) fn forbidden(what: impl Into<Box<str>>, help: &str) -> Self {
        Self::Forbidden(Diagnostic::error("forbidden", what, help))
    }

    /// Creates the error of an invalid request.
    pub(super) fn invalid(code: &'static str, what: impl Into<Box<str>>, help: &str) -> Self {
        Self::Invalid(Diagnostic::error(code, what, help).into())
    }
}
