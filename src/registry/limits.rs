use super::{ChangeError, ChangeErrorKind};
use crate::event::UserId;
use crate::filter::Node;
use crate::webhook::Webhook;
use hashbrown::HashMap;

/// How much a tenant and its users may have, so that none takes what others need. Without limits
/// by default.
///
/// A change that would exceed one is refused with the number that is allowed; one that asks for no
/// more than was there before is not, even if a tenant was loaded with more. What is loaded is not
/// held to any.
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
/// let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
///     "filter": "id eq \"a\" or id eq \"b\" or id eq \"c\" or id eq \"d\""}"#)?;
/// let webhook = Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
/// let error = registry.put(&tenant, webhook).unwrap_err();
/// assert_eq!(error.kind(), ChangeErrorKind::TooManyTerms);
/// assert_eq!(error.to_string(), "the tenant's filters would have 4 terms, more than the 3 allowed");
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
    /// Most webhooks of a tenant that a user may have created; the API's limit is
    /// [`MAX_PER_USER`](crate::webhook::MAX_PER_USER).
    #[must_use]
    pub fn per_user(self, most: usize) -> Self {
        Self { per_user: Some(most), ..self }
    }

    /// Most webhooks of a tenant.
    #[must_use]
    pub fn webhooks(self, most: usize) -> Self {
        Self { webhooks: Some(most), ..self }
    }

    /// Most bytes of the texts of all filters of a tenant.
    #[must_use]
    pub fn filter_bytes(self, most: usize) -> Self {
        Self { filter_bytes: Some(most), ..self }
    }

    /// Most terms of all filters of a tenant: what an event may have to be compared with.
    #[must_use]
    pub fn terms(self, most: usize) -> Self {
        Self { terms: Some(most), ..self }
    }
}

/// What counts towards the limits.
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

/// What a tenant has of what is limited.
#[derive(Default)]
pub(super) struct Used {
    all: Amount,
    /// How many webhooks each user created.
    users: HashMap<UserId, usize>,
}

impl Used {
    pub(super) fn add(&mut self, webhook: &Webhook) {
        self.all = self.all.with(Amount::of(webhook), usize::saturating_add);
        if let Some(user) = webhook.created().by.as_ref() {
            *self.users.entry_ref(user).or_insert(0) += 1;
        }
    }

    pub(super) fn remove(&mut self, webhook: &Webhook) {
        self.all = self.all.with(Amount::of(webhook), usize::saturating_sub);
        let user = webhook.created().by.as_ref();
        if let Some((user, count)) = user.and_then(|user| Some((user, self.users.get_mut(user)?))) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }

    /// Whether a webhook may take the place of another, or of none.
    pub(super) fn check(
        &self,
        limits: &Limits,
        before: Option<&Webhook>,
        webhook: &Webhook,
    ) -> Result<(), ChangeError> {
        let user = webhook.created().by.as_ref();
        let same = |before: &Webhook| before.created().by.as_ref() == user;
        if let (Some(most), Some(user)) = (limits.per_user, user)
            && !before.is_some_and(same)
            && self.users.get(user).is_some_and(|count| *count >= most)
        {
            return Err(ChangeError::user_limit(user, most));
        }
        let (old, new) = (before.map(Amount::of).unwrap_or_default(), Amount::of(webhook));
        let sum = self.all.with(old, usize::saturating_sub).with(new, usize::saturating_add);
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
            if let Some(most) = limit.filter(|most| sum > *most && new > old) {
                return Err(ChangeError::over(kind, who, sum, what, most));
            }
        }
        Ok(())
    }
}
