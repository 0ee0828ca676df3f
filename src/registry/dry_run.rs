//! Dry runs: what a webhook or a filter would match, and why a webhook does not match.
//!
//! Everything here uses the specification of matching (`Subscription::verdict` and
//! `Filter::matches`) rather than the index. It costs time per webhook, and would show if the two
//! ever disagreed.

use super::{NotLoaded, Registry, subscription};
use crate::event::{Event, EventType, TenantId, UserId};
use crate::filter::Filter;
use crate::matcher::{Access, Subscription, Verdict};
use crate::webhook::{Rules, Webhook};
use hashbrown::{HashMap, HashSet};
use serde::{Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// Evaluates one webhook on events, one by one, and counts the verdicts.
///
/// The webhook is treated as enabled, because a webhook is usually tried before it is enabled. It
/// need not be in a registry.
///
/// ```
/// use hooksieve::matcher::{Access, Verdict};
/// use hooksieve::registry::DryRun;
/// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
/// # let now = std::time::UNIX_EPOCH.into();
/// # let rules = Rules::default();
/// # let document = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
/// #     "eventTypes": ["com.qlik.v1.app.created"], "filter": "spaceId eq \"s1\""}"#)?;
/// # let webhook = Webhook::create(&document, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
///
/// let mut dry_run = DryRun::new(&webhook, "t1", &rules);
/// for space in ["s1", "s2", "s3"] {
///     let event = serde_json::json!({
///         "type": "com.qlik.v1.app.created", "tenantid": "t1", "spaceid": space,
///     });
///     let bytes = event.to_string();
///     dry_run.event(&rules.profile().read_event(bytes.as_bytes())?, Access::EventOwner);
/// }
/// assert_eq!(dry_run.events(), 3);
/// assert_eq!(dry_run.count(Verdict::Matched), 1);
/// assert_eq!(dry_run.count(Verdict::FilterFalse), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `Serialize` writes the counts: an object with the members `events` and `matched`, and the reasons
/// of the others, `otherTenant`, `eventType`, `access` and `filter`; later versions may add some.
#[derive(Clone, Debug)]
pub struct DryRun {
    subscription: Subscription,
    /// The number of events for each of [`VERDICTS`].
    counts: [u64; VERDICTS.len()],
}

/// All verdicts. Those without a match are in the order in which they are checked.
const VERDICTS: [Verdict; 6] = [
    Verdict::Matched,
    Verdict::Disabled,
    Verdict::OtherTenant,
    Verdict::OtherEventType,
    Verdict::NoAccess,
    Verdict::FilterFalse,
];

impl DryRun {
    /// Creates a dry run of a webhook, evaluated as if it belonged to `tenant`.
    ///
    /// The catalogue of `rules` decides which renamed event types the webhook receives.
    pub fn new(webhook: &Webhook, tenant: impl Into<TenantId>, rules: &Rules) -> Self {
        let subscription = subscription(webhook, &tenant.into(), rules.catalogue());
        Self { subscription: subscription.with_enabled(true), counts: [0; VERDICTS.len()] }
    }

    /// Returns the webhook as the matcher sees it.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Evaluates the webhook on an event, and counts the verdict.
    ///
    /// If the verdict is [`Verdict::FilterFalse`], [`Filter::explain`] returns the reasons.
    pub fn event(&mut self, event: &Event<'_>, access: Access<'_>) -> Verdict {
        let verdict = self.subscription.verdict(event, access);
        for (known, count) in VERDICTS.iter().zip(&mut self.counts) {
            *count += u64::from(*known == verdict);
        }
        verdict
    }

    /// Returns the number of events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the number of events with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        let counts = VERDICTS.iter().zip(self.counts);
        counts.filter(|(known, _)| **known == verdict).map(|(_, count)| count).sum()
    }
}

impl Serialize for DryRun {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Counts {
            events: u64,
            matched: u64,
            other_tenant: u64,
            event_type: u64,
            access: u64,
            filter: u64,
        }
        // No event has the verdict `Disabled`: the webhook is treated as enabled.
        let counts = Counts {
            events: self.events(),
            matched: self.count(Verdict::Matched),
            other_tenant: self.count(Verdict::OtherTenant),
            event_type: self.count(Verdict::OtherEventType),
            access: self.count(Verdict::NoAccess),
            filter: self.count(Verdict::FilterFalse),
        };
        counts.serialize(serializer)
    }
}

/// Compares an old and a new filter on the same events.
///
/// [`Filter::diff`] compares two filters on all possible events instead. `Serialize` writes the
/// counts: an object with the members `kept`, `gained`, `lost`, `neither` and `otherTypes`; later
/// versions may add some.
///
/// ```
/// use hooksieve::filter::Profile;
/// use hooksieve::registry::Comparison;
///
/// let profile = Profile::webhook();
/// let (old, new) = (profile.filter(r#"id eq "a""#)?, profile.filter(r#"id ne "b""#)?);
/// let mut comparison = Comparison::new(old, new).with_event_types(["x"]);
/// for id in ["a", "b", "c"] {
///     let bytes = format!(r#"{{"type": "x", "tenantid": "t", "data": {{"id": "{id}"}}}}"#);
///     comparison.event(&profile.read_event(bytes.as_bytes())?);
/// }
/// assert_eq!((comparison.kept, comparison.gained), (1, 1));
/// assert_eq!((comparison.lost, comparison.neither), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    #[serde(skip)]
    old: Filter,
    #[serde(skip)]
    new: Filter,
    /// The types of the events that are compared; `None` for all.
    #[serde(skip)]
    event_types: Option<Box<[EventType]>>,
    /// The number of events that both filters match.
    pub kept: u64,
    /// The number of events that only the new filter matches.
    pub gained: u64,
    /// The number of events that only the old filter matches.
    pub lost: u64,
    /// The number of events that neither filter matches.
    pub neither: u64,
    /// The number of events that are not compared, because of their type.
    pub other_types: u64,
}

/// The effect of a changed filter on one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Both filters match it.
    Kept,
    /// Only the new filter matches it.
    Gained,
    /// Only the old filter matches it.
    Lost,
    /// Neither filter matches it.
    Neither,
    /// Its type is not among those that are compared.
    OtherType,
}

impl Effect {
    /// Returns a stable word for programs, such as `gained`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Gained => "gained",
            Self::Lost => "lost",
            Self::Neither => "neither",
            Self::OtherType => "other-type",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Serializes as the word of [`as_str`](Self::as_str).
impl Serialize for Effect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Comparison {
    /// Creates a comparison of two filters, with all counts at 0.
    #[must_use]
    pub fn new(old: Filter, new: Filter) -> Self {
        let event_types = None;
        Self { old, new, event_types, kept: 0, gained: 0, lost: 0, neither: 0, other_types: 0 }
    }

    /// Compares the filters only on events of these types; by default, all are compared.
    #[must_use]
    pub fn with_event_types<T: Into<EventType>>(
        self,
        event_types: impl IntoIterator<Item = T>,
    ) -> Self {
        let event_types = event_types.into_iter().map(Into::into).collect();
        Self { event_types: Some(event_types), ..self }
    }

    /// Returns whether an event is compared.
    fn has_type(&self, event: &Event<'_>) -> bool {
        let is_type = |known: &EventType| known.as_str() == event.event_type();
        self.event_types.as_ref().is_none_or(|types| types.iter().any(is_type))
    }

    /// Compares the filters on an event, and counts the effect.
    pub fn event(&mut self, event: &Event<'_>) -> Effect {
        if !self.has_type(event) {
            self.other_types += 1;
            return Effect::OtherType;
        }
        let (effect, count) = match (self.old.matches(event), self.new.matches(event)) {
            (true, true) => (Effect::Kept, &mut self.kept),
            (false, true) => (Effect::Gained, &mut self.gained),
            (true, false) => (Effect::Lost, &mut self.lost),
            (false, false) => (Effect::Neither, &mut self.neither),
        };
        *count += 1;
        effect
    }
}

/// The verdict of each webhook of a tenant on an event; returned by [`Registry::verdicts`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdicts {
    /// The tenant's revision that the webhooks were evaluated at.
    pub revision: u64,
    /// Each webhook with its verdict, in no particular order.
    pub webhooks: Vec<(Arc<Webhook>, Verdict)>,
}

impl Registry {
    /// Returns the verdict of each webhook of the event's tenant on the event.
    ///
    /// It evaluates the webhooks one by one, without the index, and always agrees with
    /// [`Session::matches`]. Takes time linear in the number of webhooks, so use it to explain a
    /// result to a person, not for every event. The predicate of `access` is called at most once
    /// per user.
    ///
    /// [`Session::matches`]: super::Session::matches
    ///
    /// # Errors
    ///
    /// The event's tenant is not loaded.
    pub fn verdicts(&self, event: &Event<'_>, access: Access<'_>) -> Result<Verdicts, NotLoaded> {
        let tenant = TenantId::from(event.tenant());
        let state = self.0.state(event.tenant()).ok_or(NotLoaded)?;
        let users = KnownAccess::new(access);
        let has_access = |user: &UserId| users.has_access(user);
        let access = users.access(&has_access);
        let verdict = |webhook: &Arc<Webhook>| {
            let subscription = subscription(webhook, &tenant, &state.catalogue);
            (Arc::clone(webhook), subscription.verdict(event, access))
        };
        let webhooks = state.webhooks().map(verdict).collect();
        Ok(Verdicts { revision: state.revision, webhooks })
    }
}

/// The users with access to an event's resource, for many webhooks with the same owners.
///
/// It calls a predicate at most once per user, and turns a list of users into a set once.
struct KnownAccess<'a> {
    access: Access<'a>,
    listed: HashSet<&'a UserId>,
    answers: RefCell<HashMap<UserId, bool>>,
}

impl<'a> KnownAccess<'a> {
    fn new(access: Access<'a>) -> Self {
        let listed = match access {
            Access::Users(users) => users.iter().collect(),
            _ => HashSet::new(),
        };
        Self { access, listed, answers: RefCell::default() }
    }

    fn has_access(&self, user: &UserId) -> bool {
        let Access::Predicate(may_access) = self.access else { return self.listed.contains(user) };
        if let Some(answer) = self.answers.borrow().get(user) {
            return *answer;
        }
        // Nothing is borrowed while the caller's code runs.
        let answer = may_access(user);
        self.answers.borrow_mut().insert(user.clone(), answer);
        answer
    }

    /// Returns the access with a list or predicate replaced by one that remembers.
    fn access<'b>(&self, has_access: &'b dyn Fn(&UserId) -> bool) -> Access<'b>
    where
        'a: 'b,
    {
        match self.access {
            Access::Users(_) | Access::Predicate(_) => Access::Predicate(has_access),
            other => other,
        }
    }
}
