//! Limits on what a tenant and its users may have, and the amounts that are counted for them.

use super::{ChangeError, ChangeErrorKind};
use crate::event::UserId;
use crate::filter::Node;
use crate::webhook::Webhook;
use hashbrown::HashMap;

/// Limits on what one tenant, or one of its users, may have. There are none by default.
///
/// A change that would exceed a limit is refused. If a tenant already has more than a limit allows,
/// a change that does not add to that amount is accepted. Loading a tenant ([`Registry::load`]) or
/// a snapshot does not check limits.
///
/// [`Registry::load`]: super::Registry::load
///
/// ```
/// use hooksieve::event::TenantId;
/// use hooksieve::registry::{Limits, ChangeErrorKind, Registry};
/// use hooksieve::webhook::{NewWebhook, WebhookDocument, MAX_PER_USER, Rules, Webhook};
/// # let now = std::time::UNIX_EPOCH.into();
///
/// let rules = Rules::default();
/// let limits = Limits::default().per_user(MAX_PER_USER).webhooks(10_000).terms(3);
/// let tenant = TenantId::from("t1");
/// let registry = Registry::with_limits(&rules, limits);
/// registry.load(tenant.clone(), [])?;
/// let document = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
///     "filter": "id eq \"a\" or id eq \"b\" or id eq \"c\" or id eq \"d\""}"#)?;
/// let webhook = Webhook::create(&document, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
/// let error = registry.put(&tenant, webhook).unwrap_err();
/// assert_eq!(error.kind(), ChangeErrorKind::TooManyTerms);
/// let message = "the tenant's filters would have 4 terms, more than the 3 allowed";
/// assert_eq!(error.to_string(), message);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    per_user: Option<usize>,
    webhooks: Option<usize>,
    filter_bytes: Option<usize>,
    terms: Option<usize>,
}

impl Limits {
    /// Sets the maximum number of a tenant's webhooks that one user created.
    ///
    /// A webhook without a known creator counts for no user. The API's limit is
    /// [`MAX_PER_USER`](crate::webhook::MAX_PER_USER).
    #[must_use]
    pub fn per_user(self, max: usize) -> Self {
        Self { per_user: Some(max), ..self }
    }

    /// Sets the maximum number of a tenant's webhooks.
    #[must_use]
    pub fn webhooks(self, max: usize) -> Self {
        Self { webhooks: Some(max), ..self }
    }

    /// Sets the maximum total length of a tenant's filters, in bytes.
    #[must_use]
    pub fn filter_bytes(self, max: usize) -> Self {
        Self { filter_bytes: Some(max), ..self }
    }

    /// Sets the maximum total number of terms in a tenant's filters.
    ///
    /// It bounds the comparisons that one event can cause.
    #[must_use]
    pub fn terms(self, max: usize) -> Self {
        Self { terms: Some(max), ..self }
    }
}

/// The amounts that count towards the limits of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    webhooks: usize,
    filter_bytes: usize,
    terms: usize,
}

impl Amount {
    fn of(webhook: &Webhook) -> Self {
        let terms = webhook.filter().nodes().filter(|node| matches!(node, Node::Term(_))).count();
        let filter_bytes = webhook.filter_text().map_or(0, str::len);
        Self { webhooks: 1, filter_bytes, terms }
    }

    fn with(self, other: Self, combine: fn(usize, usize) -> usize) -> Self {
        Self {
            webhooks: combine(self.webhooks, other.webhooks),
            filter_bytes: combine(self.filter_bytes, other.filter_bytes),
            terms: combine(self.terms, other.terms),
        }
    }
}

/// The amounts that a tenant has. Kept up to date by each change, so that checking reads no
/// webhook.
#[derive(Default)]
pub(super) struct Used {
    all: Amount,
    /// The number of webhooks that each user created, for users with at least one.
    users: HashMap<UserId, usize>,
}

impl Used {
    pub(super) fn add(&mut self, webhook: &Webhook) {
        self.all = self.all.with(Amount::of(webhook), usize::saturating_add);
        if let Some(user) = webhook.created().by.as_ref() {
            *self.users.entry_ref(user).or_insert(0) += 1;
        }
    }

    /// Replaces a webhook that was added by another one, where `None` stands for no webhook.
    pub(super) fn replace(&mut self, before: Option<&Webhook>, after: Option<&Webhook>) {
        match (before, after) {
            // Nearly always: a replacement keeps the user that created the webhook.
            (Some(before), Some(after)) if before.created().by == after.created().by => {
                self.all = self.all.with(Amount::of(before), usize::saturating_sub);
                self.all = self.all.with(Amount::of(after), usize::saturating_add);
            }
            _ => {
                before.into_iter().for_each(|webhook| self.remove(webhook));
                after.into_iter().for_each(|webhook| self.add(webhook));
            }
        }
    }

    fn remove(&mut self, webhook: &Webhook) {
        self.all = self.all.with(Amount::of(webhook), usize::saturating_sub);
        // Not every webhook names the user that created it.
        let Some(user) = webhook.created().by.as_ref() else { return };
        // At least 1, since only webhooks that were added are removed.
        let count = self.users.get_mut(user);
        debug_assert!(count.is_some(), "the user has no webhook");
        if let Some(count) = count {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }

    /// Checks that a webhook may replace another one with its id, or be added if there is none.
    ///
    /// # Errors
    ///
    /// A limit is exceeded, and the change increases the amount. The user's limit is checked first.
    pub(super) fn check(
        &self,
        limits: &Limits,
        before: Option<&Webhook>,
        webhook: &Webhook,
    ) -> Result<(), ChangeError> {
        let user = webhook.created().by.as_ref();
        // A replacement of a webhook by another user's counts as one more for that user.
        let same = |before: &Webhook| before.created().by.as_ref() == user;
        if let (Some(max), Some(user)) = (limits.per_user, user)
            && !before.is_some_and(same)
            && self.users.get(user).copied().unwrap_or(0) >= max
        {
            return Err(ChangeError::user_limit(user, max));
        }
        // An added webhook takes nothing away.
        let (old, new) = (before.map(Amount::of).unwrap_or_default(), Amount::of(webhook));
        let sum = self.all.with(old, usize::saturating_sub).with(new, usize::saturating_add);
        // An amount that does not grow is never refused, even if the sum is above a lowered limit.
        let rows = [
            (limits.webhooks, old.webhooks, new.webhooks, sum.webhooks),
            (limits.filter_bytes, old.filter_bytes, new.filter_bytes, sum.filter_bytes),
            (limits.terms, old.terms, new.terms, sum.terms),
        ];
        let words = [
            (ChangeErrorKind::TenantLimit, "the tenant", "webhooks"),
            (ChangeErrorKind::FiltersTooLong, "the tenant's filters", "bytes"),
            (ChangeErrorKind::TooManyTerms, "the tenant's filters", "terms"),
        ];
        for ((limit, old, new, sum), (kind, who, what)) in rows.into_iter().zip(words) {
            if let Some(max) = limit.filter(|max| sum > *max && new > old) {
                return Err(ChangeError::over(kind, who, sum, what, max));
            }
        }
        Ok(())
    }
}
