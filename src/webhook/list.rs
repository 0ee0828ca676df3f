//! Listing: which webhooks, in which order, which page.

use super::paging::{Field, Key, Page, Paging, Sort};
use super::query::{Query, one_of};
use super::{Level, Origin, Webhook};
use crate::diagnostic::Diagnostics;
use std::collections::HashSet;

/// By what webhooks are ordered.
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

/// A request to list webhooks: the query parameters of the API's `GET /webhooks`, checked.
///
/// | parameter | meaning |
/// | --- | --- |
/// | `limit` | most webhooks of a page, 1 to 100; 20 where it is left out |
/// | `sort` | `name`, `url`, `createdAt` or `updatedAt`, behind `+` or `-`; `-createdAt` where it is left out |
/// | `name`, `url` | the whole text, letter case aside, `*` standing for any characters |
/// | `enabled` | `true` or `false` |
/// | `level` | `user` or `tenant` |
/// | `eventTypes`, `origins` | one of these, with commas between them, or repeated |
/// | `ownerId`, `createdByUserId`, `updatedByUserId` | this user |
/// | `next`, `prev` | a cursor out of the links of a page |
///
/// Names and URLs are ordered by the code points of their first 256 characters, times with none
/// first, and equals by id. A cursor holds the place in that order, so that pages neither repeat
/// nor skip a webhook that stays where it is, whatever is created or deleted meanwhile; order by
/// `createdAt` where webhooks are renamed or updated while somebody reads.
///
/// ```
/// use hooksieve::webhook::{WebhookDocument, ListQuery, NewWebhook, Rules, Webhook};
/// # let (rules, now) = (Rules::default(), std::time::UNIX_EPOCH.into());
///
/// let draft = |name| WebhookDocument::from(serde_json::json!({"name": name, "url": "https://hooks.example.com/"}));
/// let create = |id: &str, name| Webhook::create(&draft(name), &rules, NewWebhook::new(id, "u1", now));
/// let webhooks = [
///     create("w1", "Sales")?.webhook, create("w2", "Support")?.webhook, create("w3", "Finance")?.webhook,
/// ];
///
/// let page = ListQuery::read("name=s*&sort=name&limit=1")?.apply(&webhooks);
/// assert_eq!(page.items()[0].name(), "Sales");
/// let next = page.next("").ok_or("no next page")?;
/// let page = ListQuery::read(next.trim_start_matches('?'))?.apply(&webhooks);
/// assert_eq!(page.items()[0].name(), "Support");
/// assert_eq!(page.next(""), None);
///
/// let problems = ListQuery::read("limit=1000&nmae=x").unwrap_err();
/// assert_eq!(problems.iter().map(|problem| problem.pointer()).collect::<Vec<_>>(), ["/nmae", "/limit"]);
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

/// Text with `*` for any characters, letter case aside: what stands before the first, between and
/// behind the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    first: Box<str>,
    /// None where there is no `*`; between there is one where there were several.
    rest: Option<(Box<str>, Box<str>)>,
    /// Bytes of all parts: no shorter text matches, however long the pattern was made.
    least: usize,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let text = folded(text);
        let (first, rest) = match text.split_once('*') {
            None => (&*text, None),
            Some((first, rest)) => (first, Some(rest.rsplit_once('*').unwrap_or(("", rest)))),
        };
        let least = text.len() - text.matches('*').count();
        let rest = rest.map(|(middle, last)| {
            let mut between = middle.to_owned();
            between.retain({
                let mut before = None;
                move |letter| before.replace(letter) != Some('*') || letter != '*'
            });
            (between.into(), last.into())
        });
        Self { first: first.into(), rest, least }
    }

    fn matches(&self, text: &str) -> bool {
        let text = folded(text);
        if text.len() < self.least {
            return false;
        }
        let Some((middle, last)) = &self.rest else { return *self.first == *text };
        let text = text.strip_prefix(&*self.first).and_then(|text| text.strip_suffix(&**last));
        let Some(mut text) = text else { return false };
        // The leftmost place for each part leaves most to the others.
        middle.split('*').all(|part| {
            text.find(part).and_then(|at| text.get(at + part.len()..)).is_some_and(|rest| {
                text = rest;
                true
            })
        })
    }
}

/// Letter by letter, since the lower case of a whole text depends on where a letter stands in it.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

const PARAMETERS: [&str; 13] = [
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

impl ListQuery {
    /// Reads the query of a URL, without its question mark.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the parameters.
    pub fn read(query: &str) -> Result<Self, Diagnostics> {
        let mut query = Query::read(query, &PARAMETERS, &["eventTypes", "origins"]);
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        let pattern = |text: &str| (!text.is_empty()).then(|| Pattern::new(text));
        let user = "the id of a user";
        let list = Self {
            paging: Paging::read(&mut query, Sort { field: By::CreatedAt, descending: true }),
            name: query.one("name", "text, * standing for any characters", pattern),
            url: query.one("url", "text, * standing for any characters", pattern),
            enabled: query.one("enabled", "true or false", |text| text.parse().ok()),
            level: query.one("level", &one_of(Level::ALL.map(Level::as_str)), |text| {
                Level::ALL.into_iter().find(|level| level.as_str() == text)
            }),
            event_types: query.list("eventTypes", "names with commas between them", text),
            origins: query.list("origins", &one_of(Origin::ALL.map(Origin::as_str)), |text| {
                Origin::ALL.into_iter().find(|origin| origin.as_str() == text)
            }),
            owner: query.one("ownerId", user, text),
            created_by: query.one("createdByUserId", user, text),
            updated_by: query.one("updatedByUserId", user, text),
        };
        query.finish(list)
    }

    /// Whether a webhook is among those asked for.
    #[must_use]
    pub fn wants(&self, webhook: &Webhook) -> bool {
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

    /// The page of those asked for among all webhooks that the asking user may see.
    ///
    /// Takes time in proportion to all of them, and to sort those asked for.
    pub fn apply<'w>(&self, webhooks: impl IntoIterator<Item = &'w Webhook>) -> Page<'w, Webhook> {
        self.paging.page(webhooks.into_iter().filter(|webhook| self.wants(webhook)))
    }
}
