//! The webhook as a resource: create, replace, patch, list; and the catalogue of event types.
//!
//! A [`Webhook`] exists only if nothing is wrong with it. The bodies of requests are read as they
//! are into a [`WebhookDocument`] or a [`Patch`]; [`Webhook::create`], [`Webhook::replaced`] and
//! [`Webhook::patched`] return the webhook with its warnings, as [`Checked`], or all [`Diagnostics`](crate::diagnostic::Diagnostics) at
//! once, and leave the old value as it was. What is allowed is in [`Rules`]: a filter profile and a
//! [`Catalogue`]. [The guide](crate::guide::webhooks) has every rule with its code.
//!
//! ```
//! use hooksieve::webhook::{Checked, NewWebhook, WebhookDocument, Patch, Rules, Edit, Webhook};
//! use std::time::SystemTime;
//!
//! let rules = Rules::default();
//! let now = SystemTime::UNIX_EPOCH; // the server's clock; this crate has none
//!
//! // POST
//! let draft = WebhookDocument::read(br#"{
//!     "name": "Failed reloads", "url": "https://hooks.example.com/reloads", "enabled": true,
//!     "eventTypes": ["com.qlik.v1.app.reload.finished"], "filter": "data.status eq \"error\""
//! }"#)?;
//! let Checked { webhook, warnings } =
//!     Webhook::create(&draft, &rules, NewWebhook::new("w1", "user-1", now.into()))?;
//! assert!(warnings.is_empty());
//!
//! // PATCH: the filter has an attribute that is only allowed with reload events.
//! let patch = Patch::read(br#"[
//!     {"op": "replace", "path": "/eventTypes", "value": ["com.qlik.v1.app.craeted"]},
//!     {"op": "replace", "path": "/name", "value": ""}
//! ]"#)?;
//! let problems = webhook.patched(&patch, &rules, Edit::new("user-1", now.into())).unwrap_err();
//! let found: Vec<_> = problems.iter().map(|problem| (problem.pointer(), problem.code())).collect();
//! assert_eq!(found, [
//!     ("/name", "member-too-short"),
//!     ("/eventTypes/0", "event-type-unknown"),
//!     ("/filter", "filter-attribute-not-allowed"),
//! ]);
//! # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
//! ```

mod address;
mod catalogue;
mod change;
mod check;
mod content;
mod document;
mod headers;
mod kind;
mod list;
mod merge;
mod paging;
mod patch;
mod query;
mod rules;
mod serialize;
mod spelling;
mod time;
mod url;
mod url_fix;
mod warning;

pub use address::check_address;
pub use catalogue::{Catalogue, EventTypeInfo};
pub use change::{Checked, MAX_PER_USER, NewWebhook};
pub use document::WebhookDocument;
pub use headers::Header;
pub use kind::codes;
pub use list::ListQuery;
pub use paging::Page;
pub(crate) use paging::{Field, Key, Paging, Sort};
pub use patch::Patch;
pub(crate) use query::{Query, one_of};
pub use rules::{Report, Rules};
pub use time::Timestamp;

use crate::diagnostic::Diagnostic;
use crate::event::{EventType, TenantId, UserId, ids};
use crate::filter::Filter;
use content::{Content, Server};
use serde::{Deserialize, Serialize};
use std::fmt;

ids! {
    /// A webhook of a tenant.
    WebhookId
}

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $vdoc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $vdoc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word of the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words! {
    /// On whose resources a webhook wants events.
    Level {
        /// Those that its owner may access.
        User = "user",
        /// All of the tenant.
        Tenant = "tenant",
    }
}

words! {
    /// From where a webhook was created.
    Origin {
        /// The API; the default.
        Api = "api",
        /// Automations.
        Automations = "automations",
        /// The management console.
        ManagementConsole = "management-console",
    }
}

/// The author and time of a change to a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// The user who made the change; `None` if the document that was read does not name one.
    pub by: Option<UserId>,
    /// The time of the change; `None` if the document that was read does not have it.
    pub at: Option<Timestamp>,
}

impl Edit {
    /// A change by a user, at a time from the caller's clock.
    pub fn new(by: impl Into<UserId>, at: Timestamp) -> Self {
        Self { by: Some(by.into()), at: Some(at) }
    }
}

/// The key with which requests are signed. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Option<Box<str>>);

impl Secret {
    fn new(text: &str) -> Self {
        Self(Some(text.into()))
    }

    fn withheld() -> Self {
        Self(None)
    }

    /// The key; `None` where a response told that there is one, and not which.
    #[must_use]
    pub fn expose(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A webhook that is valid.
///
/// `Serialize` writes the API's response, which holds nothing secret; [`stored`](Self::stored) is
/// the form for a store; [`read`](Self::read) reads both. `Debug` shows nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    id: WebhookId,
    server: Server,
    content: Content,
}

impl Webhook {
    /// Its id, given by the server.
    #[must_use]
    pub fn id(&self) -> &WebhookId {
        &self.id
    }

    /// The tenant it belongs to, if that is known.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.server.tenant.as_ref()
    }

    /// A name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.content.name
    }

    /// Where requests go, in the form in which it is sent: ASCII, host and scheme in lower case.
    #[must_use]
    pub fn url(&self) -> &str {
        self.content.target.sent()
    }

    /// Whether only rules in development mode accept the URL.
    pub(crate) fn is_for_development(&self) -> bool {
        self.content.target.is_for_development()
    }

    /// Why there is such a webhook.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.content.description.as_deref()
    }

    /// On whose resources it wants events.
    #[must_use]
    pub fn level(&self) -> Level {
        self.content.level
    }

    /// The owner of a webhook of level `user`; `None` for level `tenant`, and where a document
    /// that was read names neither owner nor creator.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        self.content.owner.as_ref()
    }

    /// The event types it wants, each once, in the order they were given.
    #[must_use]
    pub fn event_types(&self) -> &[EventType] {
        &self.content.event_types
    }

    /// What an event must fulfil.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.content.filter
    }

    /// The filter as its author wrote it; `None` where there is none.
    #[must_use]
    pub fn filter_text(&self) -> Option<&str> {
        self.content.filter_text.as_deref()
    }

    /// The key with which its requests are signed.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.content.secret.as_ref()
    }

    /// Headers of its requests, by name.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.content.headers
    }

    /// Headers of its requests whose values nobody is shown, by name.
    #[must_use]
    pub fn encrypted_headers(&self) -> &[Header] {
        &self.content.encrypted_headers
    }

    /// Whether it wants events at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.content.enabled
    }

    /// Whether it takes CloudEvents 1.0, or else the legacy envelope.
    #[must_use]
    pub fn delivers_cloud_events(&self) -> bool {
        self.content.cloud_events
    }

    /// Whether the certificates of its target are checked for revocation.
    #[must_use]
    pub fn checks_revocation(&self) -> bool {
        self.content.check_revocation
    }

    /// From where it was created.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.content.origin
    }

    /// Who created it, and when.
    #[must_use]
    pub fn created(&self) -> &Edit {
        &self.server.created
    }

    /// Who changed it last, and when.
    #[must_use]
    pub fn updated(&self) -> &Edit {
        &self.server.updated
    }

    /// Why the server disabled it.
    #[must_use]
    pub fn disabled_reason(&self) -> Option<&str> {
        self.server.disabled_reason.as_deref()
    }

    /// The code for why the server disabled it.
    #[must_use]
    pub fn disabled_code(&self) -> Option<&str> {
        self.server.disabled_code.as_deref()
    }

    /// Returns what is valid and probably unintended in the webhook as it is.
    ///
    /// What only its document showed, such as an unknown member, is in the warnings of [`Checked`].
    ///
    /// ```
    /// use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/"}"#)?;
    /// let created = Webhook::create(&draft, &Rules::default(), NewWebhook::new("w1", "u1", now))?;
    /// let warnings = created.webhook.warnings(&Rules::default());
    /// assert_eq!(warnings[0].code(), "event-types-none");
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn warnings(&self, rules: &Rules) -> Vec<Diagnostic> {
        self.content.warnings(rules).into_iter().map(Diagnostic::into_warning).collect()
    }

    /// Whether it was read from a response, and has a secret or encrypted headers whose values
    /// are not known: it can be matched, and not delivered.
    #[must_use]
    pub fn has_redacted_secrets(&self) -> bool {
        self.secret().is_some_and(|secret| secret.expose().is_none())
            || self.encrypted_headers().iter().any(|header| header.value().is_none())
    }
}
