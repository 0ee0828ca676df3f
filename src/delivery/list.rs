use super::{Delivery, Status};
use crate::diagnostic::Diagnostics;
use crate::webhook::{Field, Key, Page, Paging, Query, Sort, one_of};

/// The orders of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Status,
    TriggeredAt,
}

impl Field for By {
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
    paging: Paging<By>,
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
            paging: Paging::read(&mut query, Sort { field: By::TriggeredAt, descending: true }),
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
}
