use super::{Delivery, Status};
use crate::diagnostic::Diagnostics;
use crate::webhook::{Field, Key, Page, Paging, Query, Sort, Timestamp, one_of};

/// The orders of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// By the word of their status, so that `fail` is before `success`.
    Status,
    /// By the time at which they were triggered.
    TriggeredAt,
}

/// A place in the order of deliveries: between two of them, or at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'q> {
    /// What the place has of the member by which deliveries are ordered.
    pub key: SortKey,
    /// The id, which orders deliveries that are equal in the key, ascending in both directions.
    pub id: &'q str,
    /// Whether the page is the one that ends before the place, or else the one that begins after
    /// it. A delivery at the place is on neither.
    pub backwards: bool,
}

/// A value of the member by which deliveries are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// Of [`SortBy::Status`].
    Status(Status),
    /// Of [`SortBy::TriggeredAt`].
    TriggeredAt(Timestamp),
}

/// What a store looks up to answer a [`ListQuery`]: see [`ListQuery::lookup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup<'q> {
    /// The only status asked for.
    pub status: Option<Status>,
    /// The only event type asked for.
    pub event_type: Option<&'q str>,
    /// By what deliveries are ordered.
    pub sort: SortBy,
    /// Whether the order of the keys is reversed; that of ids never is.
    pub descending: bool,
    /// The most deliveries of the page, 1 to 100.
    pub limit: usize,
    /// Where the page begins or ends; the first page where there is none.
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

/// `None` for a key that no delivery has, since a client made up the cursor.
fn sort_key(key: &Key<'_>) -> Option<SortKey> {
    match key {
        Key::Time(time) => time.map(SortKey::TriggeredAt),
        Key::Text(text) => {
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
    /// Reads the query of a URL, without its question mark.
    ///
    /// # Errors
    ///
    /// All errors in the parameters.
    pub fn read(query: &str) -> Result<Self, Diagnostics> {
        let known = &["limit", "sort", "eventType", "status", "next", "prev"];
        let mut query = Query::read(query, known, &[]);
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

    /// What a store looks up, so that it need not read all deliveries of a webhook.
    ///
    /// The deliveries that it finds make the page by [`page`](Self::page), which is then the one
    /// that [`apply`](Self::apply) would make of all.
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
    /// // Of no rows, and with nothing before or after them:
    /// let page = list.page([], false, false);
    /// assert_eq!(page.next("/api/v1/webhooks/w1/deliveries"), None);
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        let place = self.paging.place().and_then(|(key, id, backwards)| {
            // Always one, since other cursors are refused.
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

    /// The page of the deliveries that a store found by [`lookup`](Self::lookup), in the order
    /// asked for, and whether it has others that are asked for before and after them.
    pub fn page<'d>(
        &self,
        found: impl IntoIterator<Item = &'d Delivery>,
        before: bool,
        after: bool,
    ) -> Page<'d, Delivery> {
        let sort = self.paging.sort.field;
        let shown: Vec<_> = found.into_iter().map(|found| (sort.key(found), found)).collect();
        self.paging.page_of(&shown, before, after)
    }
}
