//! The members of a webhook: their names, who sets them, and their values once checked.

use super::headers::Header;
use super::url::Target;
use super::{Edit, Level, Origin, Secret};
use crate::event::{EventType, TenantId, UserId};
use crate::filter::Filter;

/// A member of a webhook's document.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) access: Access,
}

/// Who sets a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// A draft may, and a patch.
    Patch,
    /// A draft may.
    WebhookDocument,
    /// The server alone.
    Server,
}

/// All members, in the order of the API reference.
pub(super) const MEMBERS: [Member; 23] = {
    const fn row(name: &'static str, access: Access) -> Member {
        Member { name, access }
    }
    use Access::{Patch, Server, WebhookDocument};
    [
        row("id", Server),
        row("tenantId", Server),
        row("url", Patch),
        row("name", Patch),
        row("level", WebhookDocument),
        row("filter", WebhookDocument),
        row("secret", Patch),
        row("enabled", Patch),
        row("headers", Patch),
        row("ownerId", WebhookDocument),
        row("createdAt", Server),
        row("updatedAt", Server),
        row("eventTypes", Patch),
        row("description", Patch),
        row("disabledReason", Server),
        row("secretKeyAdded", Server),
        row("createdByUserId", Server),
        row("updatedByUserId", Server),
        row("encryptedHeaders", Patch),
        row("disabledReasonCode", Server),
        row("enableCloudEventDelivery", Patch),
        row("checkCertificateRevocation", WebhookDocument),
        row("origin", WebhookDocument),
    ]
};

/// What an author decides about a webhook, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) name: Box<str>,
    pub(super) target: Target,
    pub(super) description: Option<Box<str>>,
    pub(super) level: Level,
    pub(super) owner: Option<UserId>,
    pub(super) event_types: Box<[EventType]>,
    pub(super) filter: Filter,
    /// As written; `None` where there is no filter.
    pub(super) filter_text: Option<Box<str>>,
    pub(super) secret: Option<Secret>,
    pub(super) headers: Box<[Header]>,
    pub(super) encrypted_headers: Box<[Header]>,
    pub(super) enabled: bool,
    pub(super) cloud_events: bool,
    pub(super) check_revocation: bool,
    pub(super) origin: Origin,
}

/// What the server decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) tenant: Option<TenantId>,
    pub(super) created: Edit,
    pub(super) updated: Edit,
    pub(super) disabled_reason: Option<Box<str>>,
    pub(super) disabled_code: Option<Box<str>>,
}
