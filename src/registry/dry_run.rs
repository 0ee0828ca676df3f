//! What would be: a webhook that is not put yet, or a filter that is not changed yet, over events
//! that have been; and all webhooks over one event.

use super::{NotLoaded, Registry, subscription};
use crate::event::{Event, TenantId, UserId};
use crate::filter::Filter;
use crate::matcher::{Access, Subscription, Verdict};
use crate::webhook::{Rules, Webhook};
use hashbrown::{HashMap, HashSet};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// One webhook over events, one after the other: how many it would want, and why not the others.
///
/// It is taken as enabled, since a draft is not until somebody says so.
///
/// ```
/// use hooksieve::matcher::{Access, Verdict};
/// use hooksieve::registry::DryRun;
/// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
/// # let now = std::time::UNIX_EPOCH.into();
/// # let rules = Rules::default();
/// # let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
/// #     "eventTypes": ["com.qlik.v1.app.created"], "filter": "spaceId eq \"s1\""}"#)?;
/// # let webhook = Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
///
/// let mut trial = DryRun::new(&webhook, "t1", &rules);
/// for space in ["s1", "s2", "s3"] {
///     let bytes = format!(r#"{{"type": "com.qlik.v1.app.created", "tenantid": "t1", "spaceid": "{space}"}}"#);
///     trial.event(&rules.profile().read_event(bytes.as_bytes())?, Access::EventOwner);
/// }
/// assert_eq!((trial.events(), trial.count(Verdict::Matched), trial.count(Verdict::FilterFalse)), (3, 1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DryRun {
    subscription: Subscription,
    counts: [u64; VERDICTS.len()],
}

/// In the order in which they are found.
const VERDICTS: [Verdict; 6] = [
    Verdict::Matched,
    Verdict::Disabled,
    Verdict::OtherTenant,
    Verdict::OtherEventType,
    Verdict::NoAccess,
    Verdict::FilterFalse,
];

impl DryRun {
    /// A trial of a webhook of a tenant.
    pub fn new(webhook: &Webhook, tenant: impl Into<TenantId>, rules: &Rules) -> Self {
        let subscription = subscription(webhook, &tenant.into(), rules.catalogue());
        Self { subscription: subscription.with_enabled(true), counts: [0; VERDICTS.len()] }
    }

    /// What the webhook is to the matcher.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Tries an event. [`Filter::explain`] has the reasons of a verdict that the filter decided.
    pub fn event(&mut self, event: &Event<'_>, access: Access<'_>) -> Verdict {
        let verdict = self.subscription.verdict(event, access);
        for (known, count) in VERDICTS.iter().zip(&mut self.counts) {
            *count += u64::from(*known == verdict);
        }
        verdict
    }

    /// How many events were tried.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many had this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        let mut counts = VERDICTS.iter().zip(self.counts);
        counts.find(|(known, _)| **known == verdict).map_or(0, |(_, count)| count)
    }
}

/// An old and a new filter over the same events.
///
/// [`Filter::diff`] says what they differ in over all events that could be.
///
/// ```
/// use hooksieve::filter::Profile;
/// use hooksieve::registry::Comparison;
///
/// let profile = Profile::webhook();
/// let (old, new) = (profile.filter(r#"id eq "a""#)?, profile.filter(r#"id ne "b""#)?);
/// let mut comparison = Comparison::new(old, new);
/// for id in ["a", "b", "c"] {
///     let bytes = format!(r#"{{"type": "x", "tenantid": "t", "data": {{"id": "{id}"}}}}"#);
///     comparison.event(&profile.read_event(bytes.as_bytes())?);
/// }
/// assert_eq!((comparison.kept, comparison.gained, comparison.lost, comparison.neither), (1, 1, 0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Comparison {
    old: Filter,
    new: Filter,
    /// Events that both match.
    pub kept: u64,
    /// Events that the new one matches, and the old one does not.
    pub gained: u64,
    /// Events that the old one matches, and the new one does not.
    pub lost: u64,
    /// Events that neither matches.
    pub neither: u64,
}

/// What a change of filter does to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Both match it.
    Kept,
    /// The new filter alone.
    Gained,
    /// The old filter alone.
    Lost,
    /// Neither.
    Neither,
}

impl Effect {
    /// A stable word for programs, such as `gained`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Gained => "gained",
            Self::Lost => "lost",
            Self::Neither => "neither",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes the word of [`as_str`](Self::as_str).
impl serde::Serialize for Effect {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Comparison {
    /// A comparison of two filters.
    #[must_use]
    pub fn new(old: Filter, new: Filter) -> Self {
        Self { old, new, kept: 0, gained: 0, lost: 0, neither: 0 }
    }

    /// Compares them on an event.
    pub fn event(&mut self, event: &Event<'_>) -> Effect {
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

/// What all webhooks of a tenant say to an event; made by [`Registry::verdicts`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdicts {
    /// The tenant's revision that they were found at.
    pub revision: u64,
    /// The webhooks in no particular order, each with its verdict.
    pub webhooks: Vec<(Arc<Webhook>, Verdict)>,
}

impl Registry {
    /// For each webhook of the event's tenant whether it wants the event, and if not, the first
    /// reason why.
    ///
    /// It asks the webhooks one by one, which is the specification of [`Session::matches`] and takes
    /// time in proportion to all of them: for people who ask why, not for every event. `access` is
    /// asked about each user at most once.
    ///
    /// [`Session::matches`]: super::Session::matches
    ///
    /// # Errors
    ///
    /// A tenant that is not loaded.
    pub fn verdicts(&self, event: &Event<'_>, access: Access<'_>) -> Result<Verdicts, NotLoaded> {
        let tenant = TenantId::from(event.tenant());
        let state = self.0.state(event.tenant()).ok_or(NotLoaded)?;
        let allowed = Allowed::new(access);
        let asked = |user: &UserId| allowed.asks(user);
        let access = allowed.access(&asked);
        let verdict = |webhook: &Arc<Webhook>| {
            let subscription = subscription(webhook, &tenant, &state.catalogue);
            (Arc::clone(webhook), subscription.verdict(event, access))
        };
        let webhooks = state.webhooks().map(verdict).collect();
        Ok(Verdicts { revision: state.revision, webhooks })
    }
}

/// Who may access an event's resource, for many webhooks of the same owners: the caller is asked
/// about each user once, and a list of users is walked once.
struct Allowed<'a> {
    access: Access<'a>,
    listed: HashSet<&'a UserId>,
    answers: RefCell<HashMap<UserId, bool>>,
}

impl<'a> Allowed<'a> {
    fn new(access: Access<'a>) -> Self {
        let listed = match access {
            Access::Users(users) => users.iter().collect(),
            _ => HashSet::new(),
        };
        Self { access, listed, answers: RefCell::default() }
    }

    fn asks(&self, user: &UserId) -> bool {
        let Access::Predicate(may_access) = self.access else { return self.listed.contains(user) };
        if let Some(answer) = self.answers.borrow().get(user) {
            return *answer;
        }
        // Nothing is borrowed while the caller's code runs.
        let answer = may_access(user);
        self.answers.borrow_mut().insert(user.clone(), answer);
        answer
    }

    fn access<'b>(&self, asked: &'b dyn Fn(&UserId) -> bool) -> Access<'b>
    where
        'a: 'b,
    {
        match self.access {
            Access::Users(_) | Access::Predicate(_) => Access::Predicate(asked),
            other => other,
        }
    }
}
