//! Listing: which webhooks, in which order, which page.

use super::order::{Cursor, Direction, Field, Key, Sort};
use super::problem::{Found, token};
use super::{Level, Origin, Problem, ProblemKind, Problems, Webhook, nearest};
use crate::syntax::quote;
use serde::Serialize;
use std::collections::HashSet;
use url::form_urlencoded;

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
/// use hooksieve::webhook::{Draft, List, Creation, Rules, Webhook};
/// # let (rules, now) = (Rules::default(), std::time::UNIX_EPOCH.into());
///
/// let draft = |name| Draft::from(serde_json::json!({"name": name, "url": "https://hooks.example.com/"}));
/// let create = |id: &str, name| Webhook::create(&draft(name), &rules, Creation::new(id, "u1", now));
/// let webhooks = [create("w1", "Sales")?, create("w2", "Support")?, create("w3", "Finance")?];
///
/// let page = List::read("name=s*&sort=name&limit=1")?.apply(&webhooks);
/// assert_eq!(page.webhooks()[0].name(), "Sales");
/// let next = page.next("").ok_or("no next page")?;
/// let page = List::read(next.trim_start_matches('?'))?.apply(&webhooks);
/// assert_eq!(page.webhooks()[0].name(), "Support");
/// assert_eq!(page.next(""), None);
///
/// let problems = List::read("limit=1000&nmae=x").unwrap_err();
/// assert_eq!(problems.iter().map(|problem| problem.pointer()).collect::<Vec<_>>(), ["/nmae", "/limit"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    limit: usize,
    sort: Sort,
    name: Option<Pattern>,
    url: Option<Pattern>,
    enabled: Option<bool>,
    level: Option<Level>,
    event_types: Option<Vec<Box<str>>>,
    origins: Option<Vec<Origin>>,
    owner: Option<Box<str>>,
    created_by: Option<Box<str>>,
    updated_by: Option<Box<str>>,
    cursor: Option<(Direction, Cursor)>,
    /// The parameters as given, less the cursor, for links.
    given: Vec<(Box<str>, Box<str>)>,
}

/// Text with `*` for any characters, letter case aside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(Box<str>);

impl Pattern {
    fn new(text: &str) -> Self {
        Self(folded(text).into())
    }

    fn matches(&self, text: &str) -> bool {
        let text = folded(text);
        let Some((first, rest)) = self.0.split_once('*') else { return *self.0 == *text };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut text) = text.strip_prefix(first).and_then(|text| text.strip_suffix(last))
        else {
            return false;
        };
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

impl List {
    /// Reads the query of a URL, without its question mark.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the parameters.
    pub fn read(query: &str) -> Result<Self, Problems> {
        let mut reader = Reader::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            reader.take(&name, &value);
        }
        let limit = reader.one("limit", "a number from 1 to 100", |text| {
            text.parse().ok().filter(|limit| (1..=100).contains(limit))
        });
        let orders = Field::ALL.map(|(word, _)| word).join(", ");
        let help = format!("one of {orders}, behind + or -");
        let sort = reader.one("sort", &help, Sort::parse);
        let sort = sort.unwrap_or(Sort { field: Field::CreatedAt, descending: true });
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        let pattern = |text: &str| (!text.is_empty()).then(|| Pattern::new(text));
        let user = "the id of a user";
        let next = reader.cursor(Direction::Next, sort);
        let prev = reader.cursor(Direction::Prev, sort);
        let list = Self {
            limit: limit.unwrap_or(20),
            sort,
            name: reader.one("name", "text, * standing for any characters", pattern),
            url: reader.one("url", "text, * standing for any characters", pattern),
            enabled: reader.one("enabled", "true or false", |text| text.parse().ok()),
            level: reader.one("level", &words(Level::ALL.map(Level::as_str)), |text| {
                Level::ALL.into_iter().find(|level| level.as_str() == text)
            }),
            event_types: reader.list("eventTypes", "names with commas between them", text),
            origins: reader.list("origins", &words(Origin::ALL.map(Origin::as_str)), |text| {
                Origin::ALL.into_iter().find(|origin| origin.as_str() == text)
            }),
            owner: reader.one("ownerId", user, text),
            created_by: reader.one("createdByUserId", user, text),
            updated_by: reader.one("updatedByUserId", user, text),
            cursor: next.or(prev),
            given: Vec::new(),
        };
        let Reader { pairs, found, .. } = reader;
        let given = pairs.into_iter().filter(|(name, _)| !matches!(&**name, "next" | "prev"));
        if !found.is_empty() {
            return Err(Problems::all(found));
        }
        Ok(Self { given: given.collect(), ..list })
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
                webhook
                    .event_types()
                    .iter()
                    .any(|name| wanted.iter().any(|w| **w == *name.as_str()))
            })
            && self.origins.as_ref().is_none_or(|origins| origins.contains(&webhook.origin()))
            && is(&self.owner, webhook.owner().map(|user| user.as_str()))
            && is(&self.created_by, webhook.created().by().map(|user| user.as_str()))
            && is(&self.updated_by, webhook.updated().by().map(|user| user.as_str()))
    }

    /// The page of those asked for among all webhooks that the asking user may see.
    ///
    /// Takes time in proportion to all of them, and to sort those asked for.
    pub fn apply<'w>(&self, webhooks: impl IntoIterator<Item = &'w Webhook>) -> Page<'w> {
        let wanted = webhooks.into_iter().filter(|webhook| self.wants(webhook));
        let mut found: Vec<_> = wanted.map(|webhook| (self.sort.key(webhook), webhook)).collect();
        let order = |a: &(Key<'_>, &Webhook), key: &Key<'_>, id: &str| {
            self.sort.compare((&a.0, a.1.id().as_str()), (key, id))
        };
        found.sort_by(|a, b| order(a, &b.0, b.1.id().as_str()));
        let (from, to) = match &self.cursor {
            None => (0, self.limit),
            Some((Direction::Next, Cursor { key, id })) => {
                let from = found.partition_point(|found| order(found, key, id).is_le());
                (from, from + self.limit)
            }
            Some((Direction::Prev, Cursor { key, id })) => {
                let to = found.partition_point(|found| order(found, key, id).is_lt());
                (to.saturating_sub(self.limit), to)
            }
        };
        let to = to.min(found.len());
        let shown = found.get(from..to).unwrap_or_default();
        let place = |name, (key, webhook): &(Key<'_>, &Webhook), behind: &str| {
            Some((name, self.sort.encode(key, &format!("{}{behind}", webhook.id()))))
        };
        let (before, after) = (from > 0, to < found.len());
        let (next, prev) = match (shown.first(), shown.last()) {
            (Some(first), Some(last)) => {
                (after.then(|| place("next", last, "")), before.then(|| place("prev", first, "")))
            }
            // All that stood here is gone: on from the beginning, or back from behind the last,
            // which is before the next id that could be.
            _ => (
                after.then_some(None),
                found.last().filter(|_| before).map(|last| place("prev", last, "\0")),
            ),
        };
        let own = self.cursor.as_ref().map(|(direction, Cursor { key, id })| {
            (direction.parameter(), self.sort.encode(key, id))
        });
        Page {
            webhooks: shown.iter().map(|(_, webhook)| *webhook).collect(),
            own: self.query(own),
            next: next.map(|cursor| self.query(cursor)),
            prev: prev.map(|cursor| self.query(cursor)),
        }
    }

    /// The query of the same list at another place.
    fn query(&self, cursor: Option<(&str, String)>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.given);
        query.extend_pairs(cursor);
        query.finish()
    }
}

fn words<const N: usize>(words: [&str; N]) -> String {
    format!("one of {}", words.join(", "))
}

#[derive(Default)]
struct Reader {
    pairs: Vec<(Box<str>, Box<str>)>,
    seen: HashSet<Box<str>>,
    found: Found,
}

impl Reader {
    fn wrong(&mut self, kind: ProblemKind, name: &str, title: String, help: String) {
        self.found.push(Problem::new(kind, format!("/{}", token(name)), title, help));
    }

    fn take(&mut self, name: &str, value: &str) {
        let known = PARAMETERS.contains(&name);
        let repeatable = matches!(name, "eventTypes" | "origins");
        let shown = quote(name);
        if !known {
            let title = format!("there is no parameter `{shown}`");
            let help = match self.found.suggest(|| nearest(name, PARAMETERS.into_iter())) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("known are {}", PARAMETERS.join(", ")),
            };
            self.wrong(ProblemKind::ListUnknownParameter, name, title, help);
        } else if !self.seen.insert(name.into()) && !repeatable {
            let title = format!("parameter `{shown}` stands twice");
            let help = "remove one of the two".to_owned();
            self.wrong(ProblemKind::ListDoubledParameter, name, title, help);
        } else {
            self.pairs.push((name.into(), value.into()));
        }
    }

    fn value(&self, name: &str) -> Option<Box<str>> {
        self.pairs.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    }

    fn one<T>(
        &mut self,
        name: &str,
        help: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name)?;
        let read = read(&value);
        if read.is_none() {
            self.invalid(name, &value, help);
        }
        read
    }

    fn list<T>(
        &mut self,
        name: &str,
        help: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let given: Vec<_> =
            self.pairs.iter().filter(|(known, _)| &**known == name).cloned().collect();
        if given.is_empty() {
            return None;
        }
        let mut values = Vec::new();
        for item in given.iter().flat_map(|(_, value)| value.split(',')) {
            match read(item) {
                Some(value) => values.push(value),
                None => self.invalid(name, item, help),
            }
        }
        Some(values)
    }

    fn invalid(&mut self, name: &str, value: &str, help: &str) {
        let title = format!("parameter `{name}` is `{}`", quote(value));
        self.wrong(ProblemKind::ListInvalidValue, name, title, format!("give {help}"));
    }

    fn cursor(&mut self, direction: Direction, sort: Sort) -> Option<(Direction, Cursor)> {
        let name = direction.parameter();
        let value = self.value(name)?;
        if direction == Direction::Prev && self.value("next").is_some() {
            let title = "parameters `next` and `prev` stand together".to_owned();
            let help = "remove one of the two".to_owned();
            self.wrong(ProblemKind::ListDoubledParameter, name, title, help);
            return None;
        }
        let cursor = sort.decode(&value);
        if cursor.is_none() {
            let title = format!("parameter `{name}` is no cursor of a list in this order");
            let help = "take the links of a page as they are, or leave the cursor out".to_owned();
            self.wrong(ProblemKind::ListInvalidCursor, name, title, help);
        }
        Some((direction, cursor?))
    }
}

/// A page of webhooks.
#[derive(Clone, Debug)]
pub struct Page<'w> {
    webhooks: Vec<&'w Webhook>,
    own: String,
    next: Option<String>,
    prev: Option<String>,
}

impl<'w> Page<'w> {
    /// The webhooks, in the order asked for.
    #[must_use]
    pub fn webhooks(&self) -> &[&'w Webhook] {
        &self.webhooks
    }

    /// The URL of the next page; `path` is that of the list, such as `/api/v1/webhooks`.
    #[must_use]
    pub fn next(&self, path: &str) -> Option<String> {
        self.next.as_ref().map(|query| format!("{path}?{query}"))
    }

    /// The URL of the page before.
    #[must_use]
    pub fn prev(&self, path: &str) -> Option<String> {
        self.prev.as_ref().map(|query| format!("{path}?{query}"))
    }

    /// The API's answer: `{"data":[…],"links":{"self":{"href"},"next":…,"prev":…}}`.
    #[must_use]
    pub fn body(&self, path: &str) -> PageBody<'_> {
        let link = |href| Link { href };
        let own = link(format!("{path}?{}", self.own).trim_end_matches('?').to_owned());
        let (next, prev) = (self.next(path).map(link), self.prev(path).map(link));
        PageBody { data: &self.webhooks, links: Links { own, next, prev } }
    }
}

/// The body of a response with a page, made by [`Page::body`].
#[derive(Clone, Debug, Serialize)]
pub struct PageBody<'a> {
    data: &'a [&'a Webhook],
    links: Links,
}

#[derive(Clone, Debug, Serialize)]
struct Links {
    #[serde(rename = "self")]
    own: Link,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Link>,
}

#[derive(Clone, Debug, Serialize)]
struct Link {
    href: String,
}
