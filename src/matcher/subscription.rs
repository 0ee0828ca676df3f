//! The specification of matching: whether one subscription matches one event.
//!
//! [`Subscription::verdict`] checks one condition after another and needs no index. A
//! [`Matcher`](super::Matcher) must return exactly the subscriptions for which it is
//! [`Verdict::Matched`]; property tests compare the two after every change.
//!
//! # Example
//!
//! ```text
//! subscription   tenant t1, types [a, b], enabled, audience: owner u1, filter spaceId eq "s"
//! event          tenant t1, type b, owner u2, spaceId "s"
//!
//! disabled?      no
//! tenant         t1 = t1
//! event type     b is in [a, b]
//! access         of the event's owner: u2, not u1     ► Verdict::NoAccess
//! filter         not evaluated
//! ```
//!
//! # Invariants
//!
//! - Event types are sorted and unique: the index has one bucket, and so one posting per access
//!   key, for each of them.
//! - Nothing here depends on other subscriptions, so a verdict can be explained without the index.

use crate::event::{Event, EventType, TenantId, UserId};
use crate::filter::Filter;
use std::fmt;

/// What a webhook subscribes to: a tenant, event types, an audience and a filter.
///
/// It is all that matching needs to know about a webhook.
///
/// ```
/// use hooksieve::event::{Event, EventType, TenantId};
/// use hooksieve::filter::{Filter, Profile};
/// use hooksieve::matcher::{Access, Audience, Subscription, Verdict};
///
/// let profile = Profile::webhook();
/// let subscription = Subscription::new("t1", ["a", "b"], Filter::everything(&profile))
///     .with_audience(Audience::Owner("u1".into()));
/// let event = Event::new(profile.attribute_paths(), TenantId::from("t1"), EventType::from("b"));
/// assert_eq!(subscription.verdict(&event, Access::EventOwner), Verdict::NoAccess);
/// assert_eq!(subscription.verdict(&event.with_owner("u1"), Access::EventOwner), Verdict::Matched);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    tenant: TenantId,
    event_types: Box<[EventType]>,
    enabled: bool,
    audience: Audience,
    filter: Filter,
}

/// The resources whose events a subscription matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// All resources of the tenant.
    Tenant,
    /// The resources that this user may access.
    ///
    /// The empty id belongs to no user: such a subscription matches only under
    /// [`Access::Everyone`].
    Owner(UserId),
}

/// The users who may access the resource that an event is about.
///
/// The caller passes it to each match. Subscriptions with an [`Audience::Owner`] match only if
/// their owner is among these users.
#[derive(Clone, Copy, Default)]
pub enum Access<'a> {
    /// Only the event's owner. This is the safe choice if nothing else is known.
    #[default]
    EventOwner,
    /// These users.
    ///
    /// Costs a look-up for each entry. A user who is listed several times is visited once.
    Users(&'a [UserId]),
    /// The users for whom the predicate returns true.
    ///
    /// It is called at most once per event and user subscribed to the event's type, in no
    /// particular order. Prefer [`Users`](Self::Users) if many users subscribe.
    Predicate(&'a dyn Fn(&UserId) -> bool),
    /// Every user of the tenant.
    Everyone,
}

impl Access<'_> {
    /// Returns whether a user may access the resource of the event.
    #[must_use]
    pub(crate) fn allows(&self, user: &UserId, event: &Event<'_>) -> bool {
        match self {
            Self::Everyone => true,
            // The empty id belongs to no user, whatever the caller lists or allows.
            _ if user.as_str().is_empty() => false,
            Self::EventOwner => event.owner() == Some(user.as_str()),
            Self::Users(users) => users.contains(user),
            Self::Predicate(may_access) => may_access(user),
        }
    }
}

impl fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventOwner => f.write_str("EventOwner"),
            Self::Users(users) => f.debug_tuple("Users").field(users).finish(),
            Self::Predicate(_) => f.write_str("Predicate(..)"),
            Self::Everyone => f.write_str("Everyone"),
        }
    }
}

/// Whether a subscription matches an event; if not, the first reason.
///
/// The reasons are in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The subscription matches the event.
    Matched,
    /// The subscription is disabled.
    Disabled,
    /// The event happened in another tenant.
    OtherTenant,
    /// The subscription does not include the event's type.
    OtherEventType,
    /// Its owner may not access the event's resource.
    NoAccess,
    /// Its filter does not match the event.
    FilterFalse,
}

impl Verdict {
    /// Returns a stable identifier for programs, such as `event-type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Disabled => "disabled",
            Self::OtherTenant => "other-tenant",
            Self::OtherEventType => "event-type",
            Self::NoAccess => "access",
            Self::FilterFalse => "filter",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Serializes the identifier of [`as_str`](Self::as_str).
impl serde::Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Subscription {
    /// Creates an enabled subscription to all resources of a tenant.
    ///
    /// Event types are sorted, and duplicates are dropped.
    pub fn new<T: Into<EventType>>(
        tenant: impl Into<TenantId>,
        event_types: impl IntoIterator<Item = T>,
        filter: Filter,
    ) -> Self {
        let mut event_types: Vec<EventType> = event_types.into_iter().map(Into::into).collect();
        // Sorted, so that equal sets of types are equal, and their subscriptions share a group.
        event_types.sort_unstable();
        event_types.dedup();
        Self {
            tenant: tenant.into(),
            event_types: event_types.into(),
            enabled: true,
            audience: Audience::Tenant,
            filter,
        }
    }

    /// Replaces the tenant.
    #[must_use]
    pub fn with_tenant(self, tenant: impl Into<TenantId>) -> Self {
        Self { tenant: tenant.into(), ..self }
    }

    /// Replaces the audience.
    #[must_use]
    pub fn with_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Enables or disables the subscription.
    #[must_use]
    pub fn with_enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// Returns the tenant whose events it matches.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Returns the event types, sorted and unique.
    #[must_use]
    pub fn event_types(&self) -> &[EventType] {
        &self.event_types
    }

    /// Returns whether it is enabled. A disabled subscription matches no event.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Returns the resources whose events it matches.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Returns the filter that an event must match.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns whether the subscription matches an event.
    ///
    /// This is the specification: a [`Matcher`](super::Matcher) always gives the same result. Takes
    /// time linear in the terms of the filter.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>, access: Access<'_>) -> bool {
        self.verdict(event, access) == Verdict::Matched
    }

    /// Returns whether the subscription matches an event, or why not.
    ///
    /// Of several reasons, it is the first in the order of [`Verdict`].
    #[must_use]
    pub fn verdict(&self, event: &Event<'_>, access: Access<'_>) -> Verdict {
        self.decide(event, access, || self.filter.matches(event))
    }

    /// Returns the verdict. Calls `filter_matches` only if all other conditions hold.
    pub(super) fn decide(
        &self,
        event: &Event<'_>,
        access: Access<'_>,
        filter_matches: impl FnOnce() -> bool,
    ) -> Verdict {
        // The order is that of `Verdict`, which callers see: the first reason is returned.
        if !self.enabled {
            Verdict::Disabled
        } else if self.tenant.as_str() != event.tenant() {
            Verdict::OtherTenant
        } else if !self.event_types.iter().any(|name| name.as_str() == event.event_type()) {
            Verdict::OtherEventType
        } else if !self.audience.includes(event, access) {
            Verdict::NoAccess
        } else if !filter_matches() {
            Verdict::FilterFalse
        } else {
            Verdict::Matched
        }
    }
}

impl Audience {
    /// Returns whether the event's resource belongs to the audience.
    fn includes(&self, event: &Event<'_>, access: Access<'_>) -> bool {
        match self {
            Self::Tenant => true,
            Self::Owner(owner) => access.allows(owner, event),
        }
    }
}
