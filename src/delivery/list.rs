//! The query of a list of deliveries, and what a store needs to answer it.
//!
//! A list may be answered in two ways, with equal results:
//!
//! ```text
//! apply(all deliveries) ─────────────────────────────────▶ Page     in memory
//! lookup() ──▶ SELECT … WHERE … ORDER BY … LIMIT ──▶ page(rows) ──▶ Page     in a store
//! ```
//!
//! The second way reads only the rows of the page. A [`Lookup`] is therefore data and not a
//! function: a store turns it into a condition that an index supports.

use super::{Delivery, Status};
use crate::diagnostic::Diagnostics;
use crate::webhook::{Field, Key, Page, Paging, Query, Sort, Timestamp, one_of};

/// The members by which deliveries can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The word of the status: `fail` is before `success`.
    Status,
    /// The time at which the delivery was triggered.
    TriggeredAt,
}

/// A position in the order of deliveries, at or between two deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'q> {
    /// The sort key at this position.
    pub key: SortKey,
    /// The id at this position. Deliveries with equal sort keys are in ascending order of ids, also
    /// in a descending list.
    pub id: &'q str,
    /// Whether the page ends before this position; otherwise it begins after it. The page never
    /// contains a delivery at the position.
    pub backwards: bool,
}

/// A value by which deliveries are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The status, for [`SortBy::Status`].
    Status(Status),
    /// The time, for [`SortBy::TriggeredAt`].
    TriggeredAt(Timestamp),
}

/// The conditions with which a store finds the page of a [`ListQuery`].
///
/// [`ListQuery::lookup`] returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup<'q> {
    /// The status that deliveries must have; `None` for any.
    pub status: Option<Status>,
    /// The event type that deliveries must have; `None` for any.
    pub event_type: Option<&'q str>,
    /// The member by which deliveries are sorted.
    pub sort: SortBy,
    /// Whether sort keys are in descending order. Ids with equal keys are always in ascending
    /// order.
    pub descending: bool,
    /// The maximum number of deliveries on the page, 1 to 100.
    pub limit: usize,
    /// The position after or before which the page lies; `None` for the first page.
    pub place: Option<Place<'q>>,
}

impl Field for SortBy {
    type Item = Delivery;
    const ALL: &'static [(&'static str, Self)] =
        &[("status", Self::Status), ("triggeredAt", Self::TriggeredAt)];

    fn key(self, delivery: &Delivery) -> Key<'_> {
        match self {
            Self::Status => Key::text(delivery.status().as_str()),
            Self::TriggeredAt => Key::Time(Some(delivery.triggered_at())),
        }
    }

    fn id(delivery: &Delivery) -> &str {
        delivery.id().as_str()
    }

    fn is_time(self) -> bool {
        self == Self::TriggeredAt
    }

    fn has(self, key: &Key<'_>) -> bool {
        sort_key(key).is_some()
    }
}

/// Returns `None` for a key that no delivery has, which occurs only in a made-up cursor.
fn sort_key(key: &Key<'_>) -> Option<SortKey> {
    match key {
        Key::Time(time) => time.map(SortKey::TriggeredAt),
        Key::Text(text) => {
            // A cursor may hold any text, and only that of a status is a place in this order.
            let status = Status::ALL.into_iter().find(|status| status.as_str() == text);
            status.map(SortKey::Status)
        }
    }
}

/// The checked query parameters of `GET /webhooks/{id}/deliveries`.
///
/// | parameter | meaning |
/// | --- | --- |
/// | `limit` | the maximum number of deliveries on a page, 1 to 100; default 20 |
/// | `sort` | `status` or `triggeredAt`; `-` before it means descending; default `-triggeredAt` |
/// | `eventType` | the event type |
/// | `status` | `success` or `fail` |
/// | `next`, `prev` | a cursor from the links of a page |
///
/// Deliveries that are equal in this order are sorted by ascending id. Cursors work as in
/// [the query of webhooks](crate::webhook::ListQuery).
///
/// ```
/// use hooksieve::delivery::ListQuery;
///
/// let list = ListQuery::read("status=fail&limit=50")?;
/// assert!(list.apply([]).items().is_empty());
///
/// let problems = ListQuery::read("status=failed").unwrap_err();
/// let problem = problems.iter().next().ok_or("no problem")?;
/// assert_eq!((problem.pointer(), problem.help()), ("/status", "use one of: success, fail"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    paging: Paging<SortBy>,
    event_type: Option<Box<str>>,
    status: Option<Status>,
}

impl ListQuery {
    /// The names of all parameters; any other one is an error.
    pub const PARAMETERS: &'static [&'static str] =
        &["limit", "sort", "eventType", "status", "next", "prev"];

    /// Reads the query of a URL, without its question mark.
    ///
    /// # Errors
    ///
    /// All errors in the parameters.
    pub fn read(query: &str) -> Result<Self, Diagnostics> {
        let mut query = Query::read(query, Self::PARAMETERS, &[]);
        let list = Self {
            paging: Paging::read(&mut query, Sort { field: SortBy::TriggeredAt, descending: true }),
            event_type: query.one("eventType", "the name of an event type", |text| {
                (!text.is_empty()).then(|| text.into())
            }),
            status: query.one("status", &one_of(Status::ALL.map(Status::as_str)), |text| {
                Status::ALL.into_iter().find(|status| status.as_str() == text)
            }),
        };
        query.finish(list)
    }

    /// Returns whether the query selects a delivery.
    #[must_use]
    pub fn wants(&self, delivery: &Delivery) -> bool {
        let is = |event_type: &str| delivery.event_type().as_str() == event_type;
        self.event_type.as_deref().is_none_or(is)
            && self.status.is_none_or(|status| status == delivery.status())
    }

    /// Returns the selected page of the given deliveries.
    ///
    /// Pass all deliveries of the webhook.
    ///
    /// # Cost
    ///
    /// Linear in the number of deliveries, and `n log n` in the number of selected ones.
    pub fn apply<'d>(
        &self,
        deliveries: impl IntoIterator<Item = &'d Delivery>,
    ) -> Page<'d, Delivery> {
        self.paging.page(deliveries.into_iter().filter(|delivery| self.wants(delivery)))
    }

    /// Returns what a store needs to find the page without reading all deliveries of a webhook.
    ///
    /// [`page`](Self::page) makes the page of the deliveries that the store finds. It equals the
    /// page that [`apply`](Self::apply) returns for all deliveries.
    ///
    /// ```
    /// use hooksieve::delivery::{ListQuery, SortBy};
    ///
    /// let list = ListQuery::read("status=fail&limit=50")?;
    /// let lookup = list.lookup();
    /// assert_eq!((lookup.sort, lookup.descending), (SortBy::TriggeredAt, true));
    /// // SELECT … WHERE status = 'fail' ORDER BY triggered_at DESC, id LIMIT 51
    /// assert_eq!((lookup.status.map(|status| status.as_str()), lookup.limit), (Some("fail"), 50));
    /// assert!(lookup.place.is_none());
    ///
    /// // A page without rows, and no deliveries before or after it.
    /// assert!(list.page([], false, false).items().is_empty());
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        let place = self.paging.place().and_then(|(key, id, backwards)| {
            // `sort_key` returns a key here, because a cursor without one was refused.
            Some(Place { key: sort_key(key)?, id, backwards })
        });
        Lookup {
            status: self.status,
            event_type: self.event_type.as_deref(),
            sort: self.paging.sort.field,
            descending: self.paging.sort.descending,
            limit: self.paging.limit,
            place,
        }
    }

    /// Returns the page of the deliveries that a store found by [`lookup`](Self::lookup).
    ///
    /// `found` are the deliveries of the page in the order of the list. `before` and `after` are
    /// whether the list has selected deliveries before and after them.
    pub fn page<'d>(
        &self,
        found: impl IntoIterator<Item = &'d Delivery>,
        before: bool,
        after: bool,
    ) -> Page<'d, Delivery> {
        let sort = self.paging.sort.field;
        // The keys are needed only at both ends of the page, for the cursors of the links.
        let shown: Vec<_> = found.into_iter().map(|found| (sort.key(found), found)).collect();
        self.paging.page_of(&shown, before, after)
    }
}
