//! Why a use case was refused or failed.

use crate::server::ambient::NoRandomness;
use crate::server::store::contract::StoreError;
use crate::server::store::seal::SealError;
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::registry::ChangeError;

/// Why a use case was refused or failed. Which status that is, the API decides.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// There is no such thing, or the caller may not see it.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The caller's role does not allow it.
    #[error("{0}")]
    Forbidden(Diagnostic),
    /// Something is wrong with what was sent.
    #[error("{0}")]
    Invalid(#[from] Diagnostics),
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The machine did not do its part.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The registry refused what the store has committed; the tenant was loaded again.
    #[error("the change was committed, and cannot be used: {0}")]
    OutOfStep(#[from] ChangeError),
    /// A mistake of the server.
    #[error("{0}")]
    Internal(String),
}

impl Problem {
    /// What the caller's role does not allow.
    pub(super) fn forbidden(what: impl Into<Box<str>>, help: &str) -> Self {
        Self::Forbidden(Diagnostic::error("forbidden", what, help))
    }

    /// One thing that is wrong with what was sent.
    pub(super) fn invalid(code: &'static str, what: impl Into<Box<str>>, help: &str) -> Self {
        Self::Invalid(Diagnostic::error(code, what, help).into())
    }
}
