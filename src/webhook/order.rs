//! The order of a list, and places in it.

use super::{Timestamp, Webhook};
use data_encoding::BASE64URL_NOPAD;
use std::borrow::Cow;
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) field: Field,
    pub(super) descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    Url,
    CreatedAt,
    UpdatedAt,
}

impl Field {
    pub(super) const ALL: [(&str, Self); 4] = [
        ("name", Self::Name),
        ("url", Self::Url),
        ("createdAt", Self::CreatedAt),
        ("updatedAt", Self::UpdatedAt),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Next,
    Prev,
}

/// A place in the order of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) key: Key<'static>,
    pub(super) id: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'w> {
    Text(Cow<'w, str>),
    Time(Option<Timestamp>),
}

impl<'w> Key<'w> {
    /// The beginning of a text, so that a cursor fits into the line of a request.
    fn text(text: &'w str) -> Self {
        const MOST: usize = 256;
        let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
        Self::Text(text.get(..end).unwrap_or(text).into())
    }
}

impl Sort {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // A plus sign in a query is a blank unless it is percent-encoded.
        let descending = text.starts_with('-');
        let word = text.strip_prefix(['-', '+', ' ']).unwrap_or(text);
        let field = Field::ALL.into_iter().find(|(known, _)| *known == word)?.1;
        Some(Self { field, descending })
    }

    pub(super) fn key(self, webhook: &Webhook) -> Key<'_> {
        match self.field {
            Field::Name => Key::text(webhook.name()),
            Field::Url => Key::text(webhook.url()),
            Field::CreatedAt => Key::Time(webhook.created().at()),
            Field::UpdatedAt => Key::Time(webhook.updated().at()),
        }
    }

    pub(super) fn compare(self, a: (&Key<'_>, &str), b: (&Key<'_>, &str)) -> Ordering {
        let keys = if self.descending { b.0.cmp(a.0) } else { a.0.cmp(b.0) };
        keys.then_with(|| a.1.cmp(b.1))
    }

    pub(super) fn encode(self, key: &Key<'_>, id: &str) -> String {
        let order = if self.descending { "-" } else { "+" };
        let field = Field::ALL.iter().find(|(_, field)| *field == self.field);
        let field = field.map_or("", |(word, _)| word);
        let key = match key {
            Key::Text(text) => text.to_string(),
            Key::Time(time) => time.map(|time| time.to_string()).unwrap_or_default(),
        };
        let place = serde_json::json!([format!("{order}{field}"), key, id]);
        BASE64URL_NOPAD.encode(place.to_string().as_bytes())
    }

    /// The place that a cursor of this order holds.
    pub(super) fn decode(self, cursor: &str) -> Option<Cursor> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (sort, key, id): (String, String, Box<str>) = serde_json::from_slice(&bytes).ok()?;
        if Self::parse(&sort) != Some(self) {
            return None;
        }
        let key = match self.field {
            Field::Name | Field::Url => Key::Text(key.into()),
            Field::CreatedAt | Field::UpdatedAt if key.is_empty() => Key::Time(None),
            Field::CreatedAt | Field::UpdatedAt => Key::Time(Some(key.parse().ok()?)),
        };
        Some(Cursor { key, id })
    }
}

impl Direction {
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Prev => "prev",
        }
    }
}
