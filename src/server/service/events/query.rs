//! The query of a list of events: its parameters, cursors and links.
//!
//! It follows the lists of the library: a wrong value is an error, a cursor is opaque, and a link
//! repeats the parameters. A cursor holds the place of an event in the order, so that events that are
//! accepted or expire between two requests move no other one:
//!
//! ```text
//! ["2026-01-31T09:00:00.123Z", 17]    time of receipt and number in JSON, then Base64url
//! ```
//!
//! There is only one order, so a cursor does not name it.

use crate::server::store::contract::outbox::{EventPlace, EventQuery, EventRow, EventRows};
use data_encoding::BASE64URL_NOPAD;
use hooksieve::diagnostic::{Diagnostic, excerpt};
use hooksieve::webhook::Timestamp;
use serde::Serialize;
use url::form_urlencoded::{Serializer, parse};

/// The checked query parameters of a list of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventList {
    pub(super) query: EventQuery,
    /// The parameters as given, without a cursor, for links.
    given: Vec<(String, String)>,
}

/// The parameters of a query, one by one.
pub(in crate::server::service) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query of a URL, in which a parameter must not be repeated.
    pub(in crate::server::service) fn read(query: &str) -> Result<Self, Diagnostic> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in parse(query.as_bytes()) {
            if pairs.iter().any(|(known, _)| *known == name) {
                let title = format!("duplicate parameter `{}`", excerpt(&name, 80));
                let error =
                    Diagnostic::error("list-doubled-parameter", title, "remove one of the two");
                return Err(error.with_pointer(format!("/{name}")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// Returns the value of a parameter. `help` says what is valid.
    pub(in crate::server::service) fn one<T>(
        &self,
        name: &str,
        help: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Diagnostic> {
        let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) else {
            return Ok(None);
        };
        read(value).map(Some).ok_or_else(|| {
            let title = format!("invalid value `{}` for parameter `{name}`", excerpt(value, 80));
            let help = format!("use {help}");
            Diagnostic::error("list-invalid-value", title, &*help).with_pointer(format!("/{name}"))
        })
    }

    /// Returns a time.
    pub(in crate::server::service) fn time(
        &self,
        name: &str,
    ) -> Result<Option<Timestamp>, Diagnostic> {
        let help = "a time in UTC, such as `2026-01-31T09:00:00Z`";
        self.one(name, help, |text| text.parse().ok())
    }

    fn place(&self, name: &'static str) -> Result<Option<EventPlace>, Diagnostic> {
        let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) else {
            return Ok(None);
        };
        let decode = || {
            let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
            let (received_at, number) = serde_json::from_slice(&bytes).ok()?;
            Some(EventPlace { received_at, number, backwards: name == "prev" })
        };
        decode().map(Some).ok_or_else(|| {
            let title = format!("parameter `{name}` is not a cursor of this list");
            let help = "use a link of a page unchanged, or remove the cursor";
            Diagnostic::error("list-invalid-cursor", title, help).with_pointer(format!("/{name}"))
        })
    }
}

#[derive(Serialize)]
struct Link {
    href: String,
}

/// The links of a page.
#[derive(Serialize)]
pub(super) struct Links {
    #[serde(rename = "self")]
    own: Link,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Link>,
}

impl EventList {
    /// The names of all parameters.
    pub(crate) const PARAMETERS: &'static [&'static str] =
        &["limit", "next", "prev", "type", "from", "to", "unmatched"];

    /// Reads the query of a URL, without its question mark.
    pub(super) fn read(query: &str) -> Result<Self, Diagnostic> {
        let parameters = Parameters::read(query)?;
        let limit = parameters.one("limit", "a number from 1 to 100", |text| {
            text.parse().ok().filter(|limit| (1..=100).contains(limit))
        })?;
        let unmatched = parameters.one("unmatched", "`true` or `false`", |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })?;
        let event_type = parameters.one("type", "the name of an event type", |text| {
            (!text.is_empty()).then(|| text.into())
        })?;
        let (next, prev) = (parameters.place("next")?, parameters.place("prev")?);
        if next.is_some() && prev.is_some() {
            let title = "parameters `next` and `prev` cannot be combined";
            let error = Diagnostic::error("list-doubled-parameter", title, "remove one of the two");
            return Err(error.with_pointer("/prev"));
        }
        let query = EventQuery {
            limit: limit.unwrap_or(20),
            place: next.or(prev),
            event_type,
            from: parameters.time("from")?,
            to: parameters.time("to")?,
            unmatched: unmatched.unwrap_or(false),
            webhooks: None,
        };
        let given = parameters.0.into_iter().filter(|(name, _)| name != "next" && name != "prev");
        Ok(Self { query, given: given.collect() })
    }

    /// Returns the links of a page. `path` is the path of the list.
    pub(super) fn links(&self, path: &str, page: &EventRows) -> Links {
        let place = |row: &EventRow, backwards| {
            Some(EventPlace { received_at: row.received_at, number: row.number, backwards })
        };
        let (next, prev) = match (page.rows.first(), page.rows.last()) {
            (Some(first), Some(last)) => {
                (page.after.then(|| place(last, false)), page.before.then(|| place(first, true)))
            }
            // All events of the page have expired. Link to the first page, and to the one that ends
            // with the event of the cursor.
            _ => {
                let place = self.query.place.filter(|_| page.before).map(|place| {
                    Some(EventPlace {
                        number: place.number.saturating_sub(1),
                        backwards: true,
                        ..place
                    })
                });
                (page.after.then_some(None), place)
            }
        };
        let link = |place| self.link(path, place);
        Links { own: link(self.query.place), next: next.map(link), prev: prev.map(link) }
    }

    /// Returns the link to the same list at another place.
    fn link(&self, path: &str, place: Option<EventPlace>) -> Link {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.given);
        if let Some(EventPlace { received_at, number, backwards }) = place {
            let cursor = serde_json::json!([received_at, number]).to_string();
            let name = if backwards { "prev" } else { "next" };
            query.append_pair(name, &BASE64URL_NOPAD.encode(cursor.as_bytes()));
        }
        let href = format!("{path}?{}", query.finish());
        Link { href: href.trim_end_matches('?').to_owned() }
    }
}
