//! The caller of an operation, and what the roles may do, in one place.
//!
//! An item that the caller may not see is reported as "not found", as is one that was removed or
//! belongs to another tenant. An operation that the role never allows is "forbidden".
//!
//! | role | operations on webhooks, events read | events sent | sees |
//! | --- | --- | --- | --- |
//! | tenant-admin | all | none | every webhook of the tenant |
//! | user | all | none | webhooks of level `user` that the user owns |
//! | producer | none | those of the key's tenant | none |
//! | operator | none | none | none |
//!
//! So a user who asks for the webhook of another learns nothing, not even that it exists; a producer
//! learns that the key is the wrong one. A test goes through every operation, role and owner.

use super::problem::Problem;
use crate::server::keys::Role;
use hooksieve::event::{TenantId, UserId};
use hooksieve::webhook::{Level, Webhook};

/// The caller of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// The user.
    pub(crate) user: UserId,
    /// The role.
    pub(crate) role: Role,
    /// The id of the key, for logs and rate limits.
    pub(crate) key: String,
}

/// A group of operations that a role allows or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Webhooks and their deliveries, and trying a webhook on events.
    Webhooks,
    /// Accepted events: what became of them, and why.
    Events,
    /// Sending events.
    Intake,
    /// Event types, filters and validation: operations that read no data of a tenant.
    Language,
}

impl Caller {
    /// Checks that the role allows a group of operations.
    pub(crate) fn may(&self, area: Area) -> Result<(), Problem> {
        if allows(self.role, area) {
            return Ok(());
        }
        let why = format!("role `{}` does not allow this operation", self.role);
        let roles = Role::ALL.into_iter().filter(|role| allows(*role, area));
        let roles: Vec<_> = roles.map(|role| format!("`{role}`")).collect();
        let help = match &*roles {
            [role] => format!("use an API key with role {role}"),
            roles => format!("use an API key with one of the roles {}", roles.join(", ")),
        };
        Err(Problem::forbidden(why, &help))
    }

    /// Returns whether the caller may see a webhook of the tenant.
    pub(super) fn sees(&self, webhook: &Webhook) -> bool {
        match self.role {
            Role::TenantAdmin => true,
            Role::User => webhook.level() == Level::User && webhook.owner() == Some(&self.user),
            Role::Producer | Role::Operator => false,
        }
    }

    /// Checks that the caller may create or change a webhook to this.
    pub(super) fn may_have(&self, webhook: &Webhook) -> Result<(), Problem> {
        // A user who could make a webhook that the user may not see could act for others with it.
        if self.sees(webhook) {
            return Ok(());
        }
        Err(Problem::forbidden(
            "only administrators may set level `tenant` or another owner",
            "set `level` to `user` and remove `ownerId`",
        ))
    }
}

/// Returns whether a role allows a group of operations.
fn allows(role: Role, area: Area) -> bool {
    // Without a wildcard for both, so that a new role or area does not compile before it is decided.
    match (role, area) {
        (Role::TenantAdmin | Role::User, Area::Webhooks | Area::Events | Area::Language) => true,
        (Role::Producer, Area::Intake | Area::Language) => true,
        (Role::TenantAdmin | Role::User, Area::Intake) => false,
        (Role::Producer, Area::Webhooks | Area::Events) | (Role::Operator, _) => false,
    }
}
