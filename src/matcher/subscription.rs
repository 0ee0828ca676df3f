use crate::event::{Event, EventType, TenantId, UserId};
use crate::filter::Filter;
use std::fmt;

/// Which events a webhook wants: all that matching needs to know of it.
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

/// On whose resources events are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// All resources of the tenant.
    Tenant,
    /// Those that this user may access. The empty id is nobody's: its events are wanted where
    /// everyone may access everything.
    Owner(UserId),
}

/// Who may access the resource that an event is about: asked of the caller at match time.
#[derive(Clone, Copy, Default)]
pub enum Access<'a> {
    /// The event's owner alone: the safe answer where nothing else is known.
    #[default]
    EventOwner,
    /// These users. Costs a look-up for each entry; a user who is listed several times is visited
    /// once.
    Users(&'a [UserId]),
    /// The users for whom this returns true. Called at most once per event and user subscribed to
    /// the event's type, in no particular order; prefer [`Users`](Self::Users) where they are many.
    Predicate(&'a dyn Fn(&UserId) -> bool),
    /// Every user of the tenant.
    Everyone,
}

impl Access<'_> {
    /// Whether a user may access the resource of the event.
    #[must_use]
    pub(crate) fn allows(&self, user: &UserId, event: &Event<'_>) -> bool {
        match self {
            Self::Everyone => true,
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
            Self::EventOwner => f.write_str("Owner"),
            Self::Users(users) => f.debug_tuple("Users").field(users).finish(),
            Self::Predicate(_) => f.write_str("Asked(..)"),
            Self::Everyone => f.write_str("Everyone"),
        }
    }
}

/// Whether a subscription wants an event, and if not, the first reason why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It wants the event.
    Matched,
    /// It is disabled.
    Disabled,
    /// The event happened in another tenant.
    OtherTenant,
    /// It does not name the event's type.
    OtherEventType,
    /// Its owner may not access the event's resource.
    NoAccess,
    /// Its filter does not match the event.
    FilterFalse,
}

impl Verdict {
    /// A stable word for programs, such as `event-type`.
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

/// Writes the word of [`as_str`](Self::as_str).
impl serde::Serialize for Verdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Subscription {
    /// An enabled subscription to all resources of a tenant. Doubled event types are dropped.
    pub fn new<T: Into<EventType>>(
        tenant: impl Into<TenantId>,
        event_types: impl IntoIterator<Item = T>,
        filter: Filter,
    ) -> Self {
        let mut event_types: Vec<EventType> = event_types.into_iter().map(Into::into).collect();
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

    /// The same subscription, of another tenant.
    #[must_use]
    pub fn with_tenant(self, tenant: impl Into<TenantId>) -> Self {
        Self { tenant: tenant.into(), ..self }
    }

    /// The same subscription for another audience.
    #[must_use]
    pub fn with_audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// The same subscription, enabled or disabled.
    #[must_use]
    pub fn with_enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// The tenant whose events it wants.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The event types it wants, sorted, each once.
    #[must_use]
    pub fn event_types(&self) -> &[EventType] {
        &self.event_types
    }

    /// Whether it wants anything at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// On whose resources it wants events.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// What an event must fulfil.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Whether it wants the event: the specification that a [`Matcher`](super::Matcher) is held to.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>, access: Access<'_>) -> bool {
        self.verdict(event, access) == Verdict::Matched
    }

    /// Whether it wants the event, and if not, the first reason in the order of [`Verdict`].
    #[must_use]
    pub fn verdict(&self, event: &Event<'_>, access: Access<'_>) -> Verdict {
        if !self.enabled {
            Verdict::Disabled
        } else if self.tenant.as_str() != event.tenant() {
            Verdict::OtherTenant
        } else if !self.event_types.iter().any(|wanted| wanted.as_str() == event.event_type()) {
            Verdict::OtherEventType
        } else if !self.audience.includes(event, access) {
            Verdict::NoAccess
        } else if !self.filter.matches(event) {
            Verdict::FilterFalse
        } else {
            Verdict::Matched
        }
    }
}

impl Audience {
    fn includes(&self, event: &Event<'_>, access: Access<'_>) -> bool {
        match self {
            Self::Tenant => true,
            Self::Owner(owner) => access.allows(owner, event),
        }
    }
}
