//! Who asks, and what they may do: the matrix of roles in one place.
//!
//! What a caller may not see does not exist for them, so it is "not found", as is what was removed
//! or belongs to another tenant. What their role never allows is "forbidden".

use super::problem::Problem;
use crate::server::keys::Role;
use hooksieve::event::{TenantId, UserId};
use hooksieve::webhook::{Level, Webhook};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Their tenant.
    pub(crate) tenant: TenantId,
    /// The user.
    pub(crate) user: UserId,
    /// Their role.
    pub(crate) role: Role,
    /// The id of their key, for logs and limits.
    pub(crate) key: String,
}

/// What an operation is about, as far as roles tell operations apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Webhooks and their deliveries, and trying a webhook.
    Webhooks,
    /// Event types, filters, and checking a webhook: nothing of a tenant.
    Language,
}

impl Caller {
    /// Whether their role allows what an operation is about.
    pub(crate) fn may(&self, area: Area) -> Result<(), Problem> {
        let allowed = match (self.role, area) {
            (Role::TenantAdmin | Role::User, _) | (Role::Producer, Area::Language) => true,
            (Role::Producer, Area::Webhooks) | (Role::Operator, _) => false,
        };
        let why = || format!("role `{}` does not allow this", self.role);
        if allowed { Ok(()) } else { Err(Problem::forbidden(why(), "use a key of another role")) }
    }

    /// Whether a webhook of their tenant exists for them.
    pub(super) fn sees(&self, webhook: &Webhook) -> bool {
        match self.role {
            Role::TenantAdmin => true,
            Role::User => webhook.level() == Level::User && webhook.owner() == Some(&self.user),
            Role::Producer | Role::Operator => false,
        }
    }

    /// Whether they may have a webhook as it is to be.
    pub(super) fn may_have(&self, webhook: &Webhook) -> Result<(), Problem> {
        if self.sees(webhook) {
            return Ok(());
        }
        Err(Problem::forbidden(
            "only administrators have webhooks of level `tenant` or of other users",
            "set `level` to `user`, and leave `ownerId` out",
        ))
    }
}
