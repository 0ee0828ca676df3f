//! The webhook as a resource: create, replace, patch and list it.
//!
//! A [`Webhook`] is always valid. The body of a request is read into a [`WebhookDocument`] or a
//! [`Patch`], which is not checked yet. [`Webhook::create`], [`Webhook::replaced`] and
//! [`Webhook::patched`] check it. They return a [`Checked`], the new webhook with its warnings, or
//! [`Diagnostics`](crate::diagnostic::Diagnostics), all errors at once. They never modify the old
//! webhook.
//!
//! [`Rules`] define what is allowed: a filter profile and a [`Catalogue`] of event types. [The
//! guide](crate::guide::webhooks) lists every rule and its code.
//!
//! ```
//! use hooksieve::webhook::{Checked, NewWebhook, WebhookDocument, Patch, Rules, Edit, Webhook};
//! use std::time::SystemTime;
//!
//! let rules = Rules::default();
//! let now = SystemTime::UNIX_EPOCH; // from the server's clock
//!
//! // POST
//! let document = WebhookDocument::read(br#"{
//!     "name": "Failed reloads", "url": "https://hooks.example.com/reloads", "enabled": true,
//!     "eventTypes": ["com.qlik.v1.app.reload.finished"], "filter": "data.status eq \"error\""
//! }"#)?;
//! let Checked { webhook, warnings } =
//!     Webhook::create(&document, &rules, NewWebhook::new("w1", "user-1", now.into()))?;
//! assert!(warnings.is_empty());
//!
//! // PATCH: the filter has an attribute that is allowed only with reload events.
//! let patch = Patch::read(br#"[
//!     {"op": "replace", "path": "/eventTypes", "value": ["com.qlik.v1.app.craeted"]},
//!     {"op": "replace", "path": "/name", "value": ""}
//! ]"#)?;
//! let problems = webhook.patched(&patch, &rules, Edit::new("user-1", now.into())).unwrap_err();
//! let found = problems.iter().map(|problem| (problem.pointer(), problem.code()));
//! assert_eq!(found.collect::<Vec<_>>(), [
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
mod report;
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
pub use report::{FilterReport, Report};
pub use rules::Rules;
pub use time::Timestamp;

use crate::diagnostic::Diagnostic;
use crate::event::{Envelope, EventType, TenantId, UserId, ids};
use crate::filter::Filter;
use content::{Content, Server};
use serde::{Deserialize, Serialize};
use std::fmt;

ids! {
    /// The id of a webhook of a tenant.
    WebhookId
}

/// Defines enums whose variants are words of the API.
macro_rules! words {
    (
        $(#[doc = $doc:literal])+
        $name:ident { $($(#[doc = $vdoc:literal])+ $variant:ident = $word:literal,)+ }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $vdoc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All variants.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Returns the word that the API uses.
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
    /// The resources whose events a webhook receives.
    Level {
        /// Resources that its owner may access.
        User = "user",
        /// All resources of the tenant.
        Tenant = "tenant",
    }
}

words! {
    /// The client that created a webhook.
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
    /// The user who made the change; `None` if the document names none.
    pub by: Option<UserId>,
    /// The time of the change; `None` if the document has none.
    pub at: Option<Timestamp>,
}

impl Edit {
    /// Creates a change by a user, at a time from the caller's clock.
    pub fn new(by: impl Into<UserId>, at: Timestamp) -> Self {
        Self { by: Some(by.into()), at: Some(at) }
    }
}

/// The key that signs the requests of a webhook. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Option<Box<str>>);

impl Secret {
    /// A secret with a known key.
    fn new(text: &str) -> Self {
        Self(Some(text.into()))
    }

    /// A secret whose key is unknown.
    fn withheld() -> Self {
        Self(None)
    }

    /// Returns the key; `None` if unknown, as in a webhook read from a response.
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

/// A valid webhook.
///
/// `Serialize` writes the response of the API, which has no secrets. [`stored`](Self::stored)
/// returns the form for a store, which has them. [`read`](Self::read) reads both forms. `Debug`
/// shows no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    id: WebhookId,
    server: Server,
    content: Content,
}

impl Webhook {
    /// Returns the id, which the server set.
    #[must_use]
    pub fn id(&self) -> &WebhookId {
        &self.id
    }

    /// Returns the tenant, if it is known.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.server.tenant.as_ref()
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.content.name
    }

    /// Returns the normalized target URL: ASCII, with scheme and host in lower case.
    ///
    /// It includes the fragment, if there is one. A fragment is never sent.
    #[must_use]
    pub fn url(&self) -> &str {
        self.content.target.sent()
    }

    /// Returns whether the URL is accepted only in development mode.
    pub(crate) fn is_for_development(&self) -> bool {
        self.content.target.is_for_development()
    }

    /// Returns the description.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.content.description.as_deref()
    }

    /// Returns the level: the resources whose events it receives.
    #[must_use]
    pub fn level(&self) -> Level {
        self.content.level
    }

    /// Returns the owner of a webhook of level `user`.
    ///
    /// Returns `None` for level `tenant`, and for a document with neither an owner nor a creator.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        self.content.owner.as_ref()
    }

    /// Returns the event types without duplicates, in the order in which they were given.
    #[must_use]
    pub fn event_types(&self) -> &[EventType] {
        &self.content.event_types
    }

    /// Returns the filter that an event must match.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.content.filter
    }

    /// Returns the filter as its author wrote it; `None` for no filter.
    #[must_use]
    pub fn filter_text(&self) -> Option<&str> {
        self.content.filter_text.as_deref()
    }

    /// Returns the secret, the key that signs its requests.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        self.content.secret.as_ref()
    }

    /// Returns the headers that it adds to its requests, sorted by name.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.content.headers
    }

    /// Returns the headers whose values are never shown, sorted by name.
    #[must_use]
    pub fn encrypted_headers(&self) -> &[Header] {
        &self.content.encrypted_headers
    }

    /// Returns whether it is enabled. A disabled webhook matches no event.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.content.enabled
    }

    /// Returns the envelope in which it receives events: CloudEvents 1.0 or the legacy one.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.content.envelope
    }

    /// Returns whether to check the certificates of its target for revocation.
    #[must_use]
    pub fn checks_revocation(&self) -> bool {
        self.content.check_revocation
    }

    /// Returns the client that created it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.content.origin
    }

    /// Returns the author and the time of its creation.
    #[must_use]
    pub fn created(&self) -> &Edit {
        &self.server.created
    }

    /// Returns the author and the time of the last change.
    #[must_use]
    pub fn updated(&self) -> &Edit {
        &self.server.updated
    }

    /// Returns the reason for which the server disabled it.
    #[must_use]
    pub fn disabled_reason(&self) -> Option<&str> {
        self.server.disabled_reason.as_deref()
    }

    /// Returns the code of the reason for which the server disabled it.
    #[must_use]
    pub fn disabled_code(&self) -> Option<&str> {
        self.server.disabled_code.as_deref()
    }

    /// Returns the warnings about what is valid but probably unintended.
    ///
    /// Only [`Checked`] has the warnings about the document, such as an unknown member.
    ///
    /// ```
    /// use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let (rules, new) = (Rules::default(), NewWebhook::new("w1", "u1", now));
    /// let document = br#"{"name": "n", "url": "https://hooks.example.com/"}"#;
    /// let created = Webhook::create(&WebhookDocument::read(document)?, &rules, new)?;
    /// let warnings = created.webhook.warnings(&rules);
    /// assert_eq!(warnings[0].code(), "event-types-none");
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn warnings(&self, rules: &Rules) -> Vec<Diagnostic> {
        self.content.warnings(rules).into_iter().map(Diagnostic::into_warning).collect()
    }

    /// Returns whether it has a secret or encrypted headers whose values are unknown.
    ///
    /// Such a webhook was read from a response. Events can be matched against it, but no request
    /// can be sent to it.
    #[must_use]
    pub fn has_redacted_secrets(&self) -> bool {
        self.secret().is_some_and(|secret| secret.expose().is_none())
            || self.encrypted_headers().iter().any(|header| header.value().is_none())
    }
}
