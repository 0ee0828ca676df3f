//! The members of a webhook: their names, who may set them, and their checked values.

use super::headers::Header;
use super::url::Target;
use super::{Edit, Level, Origin, Secret};
use crate::event::{Envelope, EventType, TenantId, UserId};
use crate::filter::Filter;

/// A member of the document of a webhook.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) access: Access,
}

/// Who may set a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The author, in the document of a POST or PUT and in a patch.
    Patch,
    /// The author, in the document of a POST or PUT only.
    Document,
    /// Only the server.
    Server,
}

/// The members, in the order of the API reference.
pub(super) const MEMBERS: [Member; 23] = {
    const fn row(name: &'static str, access: Access) -> Member {
        Member { name, access }
    }
    use Access::{Document, Patch, Server};
    [
        row("id", Server),
        row("tenantId", Server),
        row("url", Patch),
        row("name", Patch),
        row("level", Document),
        row("filter", Document),
        row("secret", Patch),
        row("enabled", Patch),
        row("headers", Patch),
        row("ownerId", Document),
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
        row("checkCertificateRevocation", Document),
        row("origin", Document),
    ]
};

/// The checked values that the author sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) name: Box<str>,
    pub(super) target: Target,
    pub(super) description: Option<Box<str>>,
    pub(super) level: Level,
    /// Only for level `user`.
    pub(super) owner: Option<UserId>,
    /// Each once, in the order in which they were written.
    pub(super) event_types: Box<[EventType]>,
    pub(super) filter: Filter,
    /// The filter as written; `None` for no filter.
    pub(super) filter_text: Option<Box<str>>,
    pub(super) secret: Option<Secret>,
    pub(super) headers: Box<[Header]>,
    pub(super) encrypted_headers: Box<[Header]>,
    pub(super) enabled: bool,
    /// The envelope in which it takes events: CloudEvents 1.0 or the legacy one.
    pub(super) envelope: Envelope,
    pub(super) check_revocation: bool,
    pub(super) origin: Origin,
}

/// The values that the server sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) tenant: Option<TenantId>,
    pub(super) created: Edit,
    pub(super) updated: Edit,
    pub(super) disabled_reason: Option<Box<str>>,
    pub(super) disabled_code: Option<Box<str>>,
}
