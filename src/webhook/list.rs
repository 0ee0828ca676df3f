//! The query of a list of webhooks: which ones, in which order, on which page.
//!
//! # Patterns
//!
//! `name=s*a*s` is split at each `*`: the text must begin with the first part, end with the last,
//! and have the others in between, in order and without overlapping. Taking the leftmost occurrence
//! of each part is enough, since a later one never leaves more text to the rest. So matching never
//! goes back, and a pattern of many `*` costs no more than a search for each part.

use super::paging::{Field, Key, Page, Paging, Sort};
use super::query::{Query, one_of};
use super::{Level, Origin, Webhook};
use crate::diagnostic::Diagnostics;
use std::collections::HashSet;

/// The orders of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Name,
    Url,
    CreatedAt,
    UpdatedAt,
}

impl Field for By {
    type Item = Webhook;
    const ALL: &'static [(&'static str, Self)] = &[
        ("name", Self::Name),
        ("url", Self::Url),
        ("createdAt", Self::CreatedAt),
        ("updatedAt", Self::UpdatedAt),
    ];

    fn key(self, webhook: &Webhook) -> Key<'_> {
        match self {
            Self::Name => Key::text(webhook.name()),
            Self::Url => Key::text(webhook.url()),
            Self::CreatedAt => Key::Time(webhook.created().at),
            Self::UpdatedAt => Key::Time(webhook.updated().at),
        }
    }

    fn id(webhook: &Webhook) -> &str {
        webhook.id().as_str()
    }

    fn is_time(self) -> bool {
        matches!(self, Self::CreatedAt | Self::UpdatedAt)
    }
}

/// The checked query parameters of `GET /webhooks`.
///
/// | parameter | meaning |
/// | --- | --- |
/// | `limit` | the maximum number of webhooks on a page, 1 to 100; default 20 |
/// | `sort` | `name`, `url`, `createdAt` or `updatedAt`; `-` before it means descending |
/// | `name`, `url` | the whole text, case-insensitively, with `*` for any characters |
/// | `enabled` | `true` or `false` |
/// | `level` | `user` or `tenant` |
/// | `eventTypes`, `origins` | any of these, separated by commas or in repeated parameters |
/// | `ownerId`, `createdByUserId`, `updatedByUserId` | the id of a user |
/// | `next`, `prev` | a cursor from the links of a page |
///
/// The default order is `-createdAt`. Names and URLs are ordered by the code points of their first
/// 256 characters. In ascending order, a missing time comes before all times. Webhooks that are
/// equal in this order are sorted by ascending id.
///
/// A cursor is a position in this order. So pages never repeat or skip a webhook that keeps its
/// position, even if others are created or deleted meanwhile. Sort by `createdAt` if webhooks may
/// be renamed or updated between two pages. `next` and `prev` cannot be combined.
///
/// ```
/// use hooksieve::webhook::{WebhookDocument, ListQuery, NewWebhook, Rules, Webhook};
/// # let (rules, now) = (Rules::default(), std::time::UNIX_EPOCH.into());
///
/// let create = |id: &str, name| {
///     let document = serde_json::json!({"name": name, "url": "https://hooks.example.com/"});
///     let new = NewWebhook::new(id, "u1", now);
///     let created = Webhook::create(&WebhookDocument::from(document), &rules, new);
///     created.map(|created| created.webhook)
/// };
/// let webhooks = [create("w1", "Sales")?, create("w2", "Support")?, create("w3", "Finance")?];
///
/// let page = ListQuery::read("name=s*&sort=name&limit=1")?.apply(&webhooks);
/// assert_eq!(page.items()[0].name(), "Sales");
/// let next = page.next("").ok_or("no next page")?;
/// let page = ListQuery::read(next.trim_start_matches('?'))?.apply(&webhooks);
/// assert_eq!(page.items()[0].name(), "Support");
/// assert_eq!(page.next(""), None);
///
/// let problems = ListQuery::read("limit=1000&nmae=x").unwrap_err();
/// let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer()).collect();
/// assert_eq!(pointers, ["/nmae", "/limit"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    paging: Paging<By>,
    name: Option<Pattern>,
    url: Option<Pattern>,
    enabled: Option<bool>,
    level: Option<Level>,
    event_types: Option<HashSet<Box<str>>>,
    origins: Option<HashSet<Origin>>,
    owner: Option<Box<str>>,
    created_by: Option<Box<str>>,
    updated_by: Option<Box<str>>,
}

/// A pattern with `*` for any characters, compared case-insensitively.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// The text before the first `*`.
    first: Box<str>,
    /// The text between the first and the last `*`, and after the last one; `None` without a `*`.
    /// In between, several `*` in a row are one.
    rest: Option<(Box<str>, Box<str>)>,
    /// The number of bytes in all parts. No shorter text matches, so a long pattern costs nothing.
    min_len: usize,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let text = folded(text);
        let (first, rest) = match text.split_once('*') {
            None => (&*text, None),
            Some((first, rest)) => (first, Some(rest.rsplit_once('*').unwrap_or(("", rest)))),
        };
        // `*` is one byte, and matches any text, even none.
        let min_len = text.len() - text.matches('*').count();
        let rest = rest.map(|(middle, last)| {
            let mut between = middle.to_owned();
            between.retain({
                let mut before = None;
                move |letter| before.replace(letter) != Some('*') || letter != '*'
            });
            (between.into(), last.into())
        });
        Self { first: first.into(), rest, min_len }
    }

    fn matches(&self, text: &str) -> bool {
        let text = folded(text);
        if text.len() < self.min_len {
            return false;
        }
        let Some((middle, last)) = &self.rest else { return *self.first == *text };
        // Removed one after the other, so that the first and the last part cannot overlap.
        let text = text.strip_prefix(&*self.first).and_then(|text| text.strip_suffix(&**last));
        let Some(mut text) = text else { return false };
        // Each part takes its leftmost occurrence, which leaves the most text to the others.
        middle.split('*').all(|part| {
            text.find(part).and_then(|at| text.get(at + part.len()..)).is_some_and(|rest| {
                text = rest;
                true
            })
        })
    }
}

/// Returns a text in lower case, one letter at a time.
///
/// The lower case of a whole text would depend on the position of a letter in it, as for `Σ`.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl ListQuery {
    /// The names of all parameters; any other one is an error.
    pub const PARAMETERS: &'static [&'static str] = &[
        "limit",
        "sort",
        "name",
        "url",
        "enabled",
        "level",
        "eventTypes",
        "origins",
        "ownerId",
        "createdByUserId",
        "updatedByUserId",
        "next",
        "prev",
    ];

    /// Reads the query of a URL, without its question mark.
    ///
    /// # Errors
    ///
    /// All errors in the parameters.
    pub fn read(query: &str) -> Result<Self, Diagnostics> {
        let mut query = Query::read(query, Self::PARAMETERS, &["eventTypes", "origins"]);
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        let pattern = |text: &str| (!text.is_empty()).then(|| Pattern::new(text));
        let user = "the id of a user";
        let list = Self {
            paging: Paging::read(&mut query, Sort { field: By::CreatedAt, descending: true }),
            name: query.one("name", "text, with * for any characters", pattern),
            url: query.one("url", "text, with * for any characters", pattern),
            enabled: query.one("enabled", "true or false", |text| text.parse().ok()),
            level: query.one("level", &one_of(Level::ALL.map(Level::as_str)), |text| {
                Level::ALL.into_iter().find(|level| level.as_str() == text)
            }),
            event_types: query.list("eventTypes", "names separated by commas", text),
            origins: query.list("origins", &one_of(Origin::ALL.map(Origin::as_str)), |text| {
                Origin::ALL.into_iter().find(|origin| origin.as_str() == text)
            }),
            owner: query.one("ownerId", user, text),
            created_by: query.one("createdByUserId", user, text),
            updated_by: query.one("updatedByUserId", user, text),
        };
        query.finish(list)
    }

    /// Returns whether the query selects a webhook.
    #[must_use]
    pub fn wants(&self, webhook: &Webhook) -> bool {
        // A webhook without an owner is selected only by a query that names none.
        let is = |wanted: &Option<Box<str>>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        self.name.as_ref().is_none_or(|pattern| pattern.matches(webhook.name()))
            && self.url.as_ref().is_none_or(|pattern| pattern.matches(webhook.url()))
            && self.enabled.is_none_or(|enabled| enabled == webhook.is_enabled())
            && self.level.is_none_or(|level| level == webhook.level())
            && self.event_types.as_ref().is_none_or(|wanted| {
                webhook.event_types().iter().any(|name| wanted.contains(name.as_str()))
            })
            && self.origins.as_ref().is_none_or(|origins| origins.contains(&webhook.origin()))
            && is(&self.owner, webhook.owner().map(|user| user.as_str()))
            && is(&self.created_by, webhook.created().by.as_ref().map(|user| user.as_str()))
            && is(&self.updated_by, webhook.updated().by.as_ref().map(|user| user.as_str()))
    }

    /// Returns the selected page of the given webhooks.
    ///
    /// Pass all webhooks that the calling user may see.
    ///
    /// # Cost
    ///
    /// Linear in the number of webhooks, and `n log n` in the number of selected ones.
    pub fn apply<'w>(&self, webhooks: impl IntoIterator<Item = &'w Webhook>) -> Page<'w, Webhook> {
        self.paging.page(webhooks.into_iter().filter(|webhook| self.wants(webhook)))
    }
}
