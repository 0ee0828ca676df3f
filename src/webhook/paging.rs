//! Orders a list, and cuts it into pages by cursors.
//!
//! # Cursors
//!
//! A cursor is a position in the order, and not a number of items to skip. It holds the order, the
//! key and the id of the item at the edge of a page:
//!
//! ```text
//! ["-createdAt", "2026-01-31T09:00:00Z", "w7"]    in JSON, then Base64url without padding
//! ```
//!
//! The next page has the items after that position, and the previous page those before it:
//!
//! ```text
//! order    w9   w8   w7 │ w5   w4   w3 │ w1
//!                      │ └── page ──┘ │
//!                 prev = w5       next = w3
//! ```
//!
//! Items that are created or deleted between two requests move no other item across a position.
//! With numbers, deleting `w9` would make the next page skip an item.
//!
//! # Invariants
//!
//! - The id breaks ties of equal keys, in ascending order for both directions. So the order is
//!   total, and a position is before or after every item.
//! - A cursor is valid only in the order that it was made in. In another order its key would be
//!   compared with keys of another member.
//! - A cursor is text that a client may have changed. Whatever it holds, it is only compared.

use super::Timestamp;
use super::kind::Kind;
use super::query::Query;
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use url::form_urlencoded;

/// A member by which items of a list can be ordered.
pub(crate) trait Field: Copy + PartialEq + fmt::Debug + 'static {
    /// The items of the list.
    type Item;
    /// All members, with the words of the API.
    const ALL: &'static [(&'static str, Self)];
    /// Returns the key by which an item is ordered.
    fn key(self, item: &Self::Item) -> Key<'_>;
    /// Returns the id, which orders items with equal keys.
    fn id(item: &Self::Item) -> &str;
    /// Returns whether keys are times; otherwise they are texts.
    fn is_time(self) -> bool;
    /// Returns whether an item can have this key. A cursor with an impossible key is refused.
    fn has(self, _key: &Key<'_>) -> bool {
        true
    }
}

/// A value by which items are ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key<'i> {
    Text(Cow<'i, str>),
    Time(Option<Timestamp>),
}

impl<'i> Key<'i> {
    /// Makes a key of the first 256 characters, so that a cursor fits into the line of a request.
    pub(crate) fn text(text: &'i str) -> Self {
        const MAX: usize = 256;
        let end = text.char_indices().nth(MAX).map_or(text.len(), |(at, _)| at);
        Self::Text(text.get(..end).unwrap_or(text).into())
    }
}

/// An order and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort<F> {
    pub(crate) field: F,
    pub(crate) descending: bool,
}

/// Whether a page is after or before a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Next,
    Prev,
}

impl Direction {
    fn parameter(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Prev => "prev",
        }
    }
}

/// A position in the order of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    key: Key<'static>,
    id: Box<str>,
}

impl<F: Field> Sort<F> {
    /// Parses the value of `sort`.
    fn parse(text: &str) -> Option<Self> {
        // In a query, `+` means a blank unless it is percent-encoded.
        let descending = text.starts_with('-');
        let word = text.strip_prefix(['-', '+', ' ']).unwrap_or(text);
        let field = F::ALL.iter().find(|(known, _)| *known == word)?.1;
        Some(Self { field, descending })
    }

    /// Compares two positions.
    fn compare(self, a: (&Key<'_>, &str), b: (&Key<'_>, &str)) -> Ordering {
        // Only the keys are reversed. Reversed ids would need a second rule in every store that
        // pages.
        let keys = if self.descending { b.0.cmp(a.0) } else { a.0.cmp(b.0) };
        keys.then_with(|| a.1.cmp(b.1))
    }

    /// Encodes a position as a cursor.
    fn encode(self, key: &Key<'_>, id: &str) -> String {
        // The sign is always written, so that each order has one text.
        let order = if self.descending { "-" } else { "+" };
        let field = F::ALL.iter().find(|(_, field)| *field == self.field);
        let field = field.map_or("", |(word, _)| word);
        let key = match key {
            Key::Text(text) => text.to_string(),
            Key::Time(time) => time.map(|time| time.to_string()).unwrap_or_default(),
        };
        let place = serde_json::json!([format!("{order}{field}"), key, id]);
        BASE64URL_NOPAD.encode(place.to_string().as_bytes())
    }

    /// Decodes a cursor; `None` if it is not one of this order.
    fn decode(self, cursor: &str) -> Option<Cursor> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (sort, key, id): (String, String, Box<str>) = serde_json::from_slice(&bytes).ok()?;
        // The list was sorted in another way than the link says.
        if Self::parse(&sort) != Some(self) {
            return None;
        }
        let key = match self.field.is_time() {
            false => Key::Text(key.into()),
            // An item without a time, such as one read from a document that lacks it.
            true if key.is_empty() => Key::Time(None),
            true => Key::Time(Some(key.parse().ok()?)),
        };
        self.field.has(&key).then_some(Cursor { key, id })
    }
}

/// The page of a list and its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paging<F> {
    pub(crate) limit: usize,
    pub(crate) sort: Sort<F>,
    cursor: Option<(Direction, Cursor)>,
    /// The parameters as given, without the cursor, for links.
    given: Vec<(Box<str>, Box<str>)>,
}

impl<F: Field> Paging<F> {
    /// Reads the parameters `limit`, `sort`, `next` and `prev`.
    pub(crate) fn read(query: &mut Query, default: Sort<F>) -> Self {
        let limit = query.one("limit", "a number from 1 to 100", |text| {
            text.parse().ok().filter(|limit| (1..=100).contains(limit))
        });
        let orders: Vec<_> = F::ALL.iter().map(|(word, _)| *word).collect();
        let help = format!("one of: {}, optionally prefixed with `+` or `-`", orders.join(", "));
        let sort = query.one("sort", &help, Sort::parse).unwrap_or(default);
        let next = Self::cursor(query, Direction::Next, sort);
        let prev = Self::cursor(query, Direction::Prev, sort);
        // A link repeats the filters and the order, and has a cursor of its own.
        let given = query.pairs.iter().filter(|(name, _)| !matches!(&**name, "next" | "prev"));
        let given = given.cloned().collect();
        Self { limit: limit.unwrap_or(20), sort, cursor: next.or(prev), given }
    }

    /// Reads a cursor.
    fn cursor(
        query: &mut Query,
        direction: Direction,
        sort: Sort<F>,
    ) -> Option<(Direction, Cursor)> {
        let name = direction.parameter();
        let value = query.value(name)?;
        // Reported once, with `prev`, though both are wrong together.
        if direction == Direction::Prev && query.value("next").is_some() {
            let title = "parameters `next` and `prev` cannot be combined".to_owned();
            let help = "remove one of the two".to_owned();
            query.wrong(Kind::DuplicateParameter, name, title, help);
            return None;
        }
        let cursor = sort.decode(&value);
        if cursor.is_none() {
            let title = format!("parameter `{name}` is not a cursor of a list in this order");
            let help = "use a link of a page unchanged, or remove the cursor".to_owned();
            query.wrong(Kind::ListInvalidCursor, name, title, help);
        }
        Some((direction, cursor?))
    }

    /// Returns the page of the selected items.
    pub(crate) fn page<'i>(&self, items: impl Iterator<Item = &'i F::Item>) -> Page<'i, F::Item> {
        let mut found: Vec<_> = items.map(|item| (self.sort.field.key(item), item)).collect();
        let order = |a: &(Key<'_>, &F::Item), key: &Key<'_>, id: &str| {
            self.sort.compare((&a.0, F::id(a.1)), (key, id))
        };
        found.sort_by(|a, b| order(a, &b.0, F::id(b.1)));
        let (from, to) = match &self.cursor {
            None => (0, self.limit),
            Some((Direction::Next, Cursor { key, id })) => {
                // The item of the cursor was on the page before, so it is not repeated. It may have
                // been deleted, and the position is still valid.
                let from = found.partition_point(|found| order(found, key, id).is_le());
                (from, from + self.limit)
            }
            Some((Direction::Prev, Cursor { key, id })) => {
                let to = found.partition_point(|found| order(found, key, id).is_lt());
                // The page ends before the cursor and reaches back by the limit, or to the start of
                // the list.
                (to.saturating_sub(self.limit), to)
            }
        };
        let to = to.min(found.len());
        // `from` is a number of elements before `to`, so the range is valid.
        let shown = found.get(from..to).unwrap_or_default();
        self.page_of(shown, from > 0, to < found.len())
    }

    /// Returns the page of items that a store found, in the order of the list. `before` and `after`
    /// are whether the list has selected items on either side of it, and decide which links the
    /// page has.
    pub(crate) fn page_of<'i>(
        &self,
        shown: &[(Key<'_>, &'i F::Item)],
        before: bool,
        after: bool,
    ) -> Page<'i, F::Item> {
        let place = |name, (key, item): &(Key<'_>, &F::Item)| {
            Some((name, self.sort.encode(key, F::id(item))))
        };
        let (next, prev) = match (shown.first(), shown.last()) {
            (Some(first), Some(last)) => {
                (after.then(|| place("next", last)), before.then(|| place("prev", first)))
            }
            // The page is empty, since all its items were deleted. Link to the first page, and to
            // the page before the position after the cursor: no id is between its own and its own
            // with a zero byte.
            _ => {
                let cursor = self.cursor.as_ref().filter(|_| before);
                let place = |(_, cursor): &(_, Cursor)| {
                    Some(("prev", self.sort.encode(&cursor.key, &format!("{}\0", cursor.id))))
                };
                (after.then_some(None), cursor.map(place))
            }
        };
        let own = self.cursor.as_ref().map(|(direction, Cursor { key, id })| {
            (direction.parameter(), self.sort.encode(key, id))
        });
        Page {
            items: shown.iter().map(|(_, item)| *item).collect(),
            own: self.query(own),
            next: next.map(|cursor| self.query(cursor)),
            prev: prev.map(|cursor| self.query(cursor)),
        }
    }

    /// Returns the position of the cursor, and whether the page ends there.
    pub(crate) fn place(&self) -> Option<(&Key<'static>, &str, bool)> {
        let (direction, cursor) = self.cursor.as_ref()?;
        Some((&cursor.key, &cursor.id, *direction == Direction::Prev))
    }

    /// Returns the query of the same list at another position.
    fn query(&self, cursor: Option<(&str, String)>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.given);
        query.extend_pairs(cursor);
        query.finish()
    }
}

/// A page of a list of webhooks or deliveries.
#[derive(Clone, Debug)]
pub struct Page<'i, T> {
    items: Vec<&'i T>,
    own: String,
    next: Option<String>,
    prev: Option<String>,
}

impl<'i, T> Page<'i, T> {
    /// Returns the items of the page, in the order of the list.
    #[must_use]
    pub fn items(&self) -> &[&'i T] {
        &self.items
    }

    /// Returns the URL of the next page; `None` if there is none.
    ///
    /// `path` is the path of the list, such as `/api/v1/webhooks`.
    #[must_use]
    pub fn next(&self, path: &str) -> Option<String> {
        self.next.as_ref().map(|query| format!("{path}?{query}"))
    }

    /// Returns the URL of the previous page; `None` if there is none.
    #[must_use]
    pub fn prev(&self, path: &str) -> Option<String> {
        self.prev.as_ref().map(|query| format!("{path}?{query}"))
    }

    /// Returns the page in the form of an API response.
    ///
    /// The form is `{"data":[…],"links":{"self":{"href"},"next":…,"prev":…}}`. The link to a page
    /// that does not exist is left out.
    #[must_use]
    pub fn body(&self, path: &str) -> impl Serialize + use<'_, 'i, T>
    where
        T: Serialize,
    {
        let link = |href| Link { href };
        let own = link(format!("{path}?{}", self.own).trim_end_matches('?').to_owned());
        let (next, prev) = (self.next(path).map(link), self.prev(path).map(link));
        PageBody { data: &self.items, links: Links { own, next, prev } }
    }
}

#[derive(Serialize)]
struct PageBody<'a, T> {
    data: &'a [&'a T],
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
