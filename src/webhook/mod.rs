//! The webhook as a resource: create, replace, patch, list; and the catalogue of event types.
//!
//! A [`Webhook`] exists only if nothing is wrong with it. The bodies of requests are read as they
//! are into a [`Draft`] or a [`Patch`]; [`Webhook::create`], [`Webhook::replaced`] and
//! [`Webhook::patched`] give the webhook, or all [`Problems`] at once, and leave the old value as
//! it was. What is allowed is said by [`Rules`]: a filter profile and a [`Catalogue`]. Every rule
//! with its code stands in [the guide](crate::guide::webhooks).
//!
//! ```
//! use hooksieve::webhook::{Draft, Creation, Patch, Rules, Stamp, Webhook};
//! use std::time::SystemTime;
//!
//! let rules = Rules::default();
//! let now = SystemTime::UNIX_EPOCH; // the server's clock; this crate has none
//!
//! // POST
//! let draft = Draft::read(br#"{
//!     "name": "Failed reloads", "url": "https://hooks.example.com/reloads", "enabled": true,
//!     "eventTypes": ["com.qlik.v1.app.reload.finished"], "filter": "data.status eq \"error\""
//! }"#)?;
//! let webhook = Webhook::create(&draft, &rules, Creation::new("w1", "user-1", now.into()))?;
//!
//! // PATCH: the filter speaks of an attribute that goes with reload events alone.
//! let patch = Patch::read(br#"[
//!     {"op": "replace", "path": "/eventTypes", "value": ["com.qlik.v1.app.craeted"]},
//!     {"op": "replace", "path": "/name", "value": ""}
//! ]"#)?;
//! let problems = webhook.patched(&patch, &rules, Stamp::new("user-1", now.into())).unwrap_err();
//! let found: Vec<_> = problems.iter().map(|problem| (problem.pointer(), problem.code())).collect();
//! assert_eq!(found, [
//!     ("/name", "member-too-short"),
//!     ("/eventTypes/0", "event-type-unknown"),
//!     ("/filter", "filter-attribute-not-allowed"),
//! ]);
//! # Ok::<(), hooksieve::webhook::Problems>(())
//! ```

mod address;
mod catalogue;
mod change;
mod check;
mod content;
mod document;
mod draft;
mod headers;
mod list;
mod paging;
mod patch;
mod problem;
mod query;
mod time;
mod url;

pub use address::{Unreachable, reachable};
pub use catalogue::{Catalogue, CatalogueError, KnownType};
pub use change::{Creation, MAX_PER_USER};
pub use document::Stored;
pub use draft::Draft;
pub use headers::Header;
pub use list::List;
pub(crate) use paging::{Field, Key, Paging, Sort};
pub use paging::{Page, PageBody};
pub use patch::Patch;
pub use problem::{ErrorBody, Problem, ProblemKind, Problems};
pub(crate) use query::{Query, one_of};
pub use time::{Timestamp, TimestampError};

use crate::event::{EventType, TenantId, UserId, ids};
use crate::filter::{Attribute, Filter, Profile};
use crate::syntax::distance;
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

/// What webhooks may say: the profile of their filters and the event types. Cheap to clone.
///
/// The default is that of the webhooks API: [`Profile::webhook`] and [`Catalogue::builtin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    profile: Profile,
    catalogue: Catalogue,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(Profile::webhook(), Catalogue::builtin())
    }
}

impl Rules {
    /// Rules of a profile and a catalogue.
    #[must_use]
    pub fn new(profile: Profile, catalogue: Catalogue) -> Self {
        Self { profile, catalogue }
    }

    /// What filters may say.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The event types.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// An event type by the name that a rule of the profile uses for it.
    pub(crate) fn as_in_profile(&self, event_type: &EventType) -> EventType {
        let Some(known) = self.catalogue.find(event_type.as_str()) else {
            return event_type.clone();
        };
        let used = |name: &&str| {
            let soles = self.profile.attributes().iter().filter_map(Attribute::sole_event_type);
            soles.into_iter().any(|sole| sole.as_str() == *name)
        };
        let newer = known.newer_name().filter(used);
        EventType::from(newer.unwrap_or(known.name()))
    }

    /// Everything that is wrong with a draft or a response, and what deserves a warning: a member
    /// that nobody knows or that a draft may not set, no event types, a fragment in the URL. What
    /// a draft may not set is read all the same.
    ///
    /// ```
    /// use hooksieve::webhook::{Draft, Rules};
    ///
    /// let draft = Draft::read(br#"{"name": "n", "url": "https://hooks.example.com/", "fliter": ""}"#)?;
    /// let warnings = Rules::default().check(&draft).into_result()?;
    /// let warnings: Vec<_> = warnings.iter().map(|warning| warning.to_string()).collect();
    /// assert_eq!(warnings, [
    ///     "webhooks have no `fliter`; it is passed over",
    ///     "a webhook without event types never fires",
    /// ]);
    /// # Ok::<(), hooksieve::webhook::Problems>(())
    /// ```
    #[must_use]
    pub fn check(&self, document: &Draft) -> Report {
        let basis = check::Basis::Document { id_required: false };
        let checked = check::check(self, &document.0, &basis);
        let warnings = checked.warnings.into_problems();
        let errors = (!checked.found.is_empty()).then(|| Problems::all(checked.found));
        Report { errors, warnings }
    }
}

/// What [`Rules::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    errors: Option<Problems>,
    warnings: Vec<Problem>,
}

impl Report {
    /// What is wrong; nothing in a valid document.
    #[must_use]
    pub fn errors(&self) -> &[Problem] {
        self.errors.as_ref().map(Problems::as_slice).unwrap_or_default()
    }

    /// How many errors there are, those that are not listed included.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.errors.as_ref().map_or(0, Problems::count)
    }

    /// What is allowed, and hardly meant.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The warnings, if nothing is wrong.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn into_result(self) -> Result<Vec<Problem>, Problems> {
        self.errors.map_or(Ok(self.warnings), Err)
    }
}

/// Who changed a webhook, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    by: Option<UserId>,
    at: Option<Timestamp>,
}

impl Stamp {
    /// A change by a user, at a time that the caller's clock gives.
    pub fn new(by: impl Into<UserId>, at: Timestamp) -> Self {
        Self { by: Some(by.into()), at: Some(at) }
    }

    /// Who; `None` where a document that was read does not say.
    #[must_use]
    pub fn by(&self) -> Option<&UserId> {
        self.by.as_ref()
    }

    /// When; `None` where a document that was read does not say.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.at
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
    pub fn created(&self) -> &Stamp {
        &self.server.created
    }

    /// Who changed it last, and when.
    #[must_use]
    pub fn updated(&self) -> &Stamp {
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

    /// What is allowed, and hardly meant: for the answer to whoever created or changed it.
    ///
    /// ```
    /// use hooksieve::webhook::{Creation, Draft, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let draft = Draft::read(br#"{"name": "n", "url": "https://hooks.example.com/"}"#)?;
    /// let webhook = Webhook::create(&draft, &Rules::default(), Creation::new("w1", "u1", now))?;
    /// assert_eq!(webhook.warnings(&Rules::default())[0].code(), "event-types-none");
    /// # Ok::<(), hooksieve::webhook::Problems>(())
    /// ```
    #[must_use]
    pub fn warnings(&self, rules: &Rules) -> Vec<Problem> {
        self.content.warnings(rules)
    }

    /// Whether it was read from a response, and has a secret or encrypted headers whose values
    /// are not known: it can be matched, and not delivered.
    #[must_use]
    pub fn withholds(&self) -> bool {
        self.secret().is_some_and(|secret| secret.expose().is_none())
            || self.encrypted_headers().iter().any(|header| header.value().is_none())
    }
}

/// The known name that an unknown one was likely meant to be: near in spelling, or its end.
fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 128;
    if written.is_empty() || written.len() > LONGEST {
        return None;
    }
    let is_end = |known: &str| {
        let before = known.len().checked_sub(written.len() + 1);
        let end = before.and_then(|before| known.get(before..)?.strip_prefix('.'));
        end.is_some_and(|end| end.eq_ignore_ascii_case(written))
    };
    let near = |known: &'a str| {
        let distance = if is_end(known) { Some(0) } else { distance(written, known) };
        Some((distance?, known))
    };
    known.filter_map(near).min_by_key(|near| near.0).map(|near| near.1)
}
