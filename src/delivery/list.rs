use super::{Delivery, Status};
use crate::diagnostic::Diagnostics;
use crate::webhook::{Field, Key, Page, Paging, Query, Sort, one_of};

/// By what deliveries are ordered.
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

/// A request to list deliveries of a webhook: the query parameters of the API's
/// `GET /webhooks/{id}/deliveries`, checked.
///
/// | parameter | meaning |
/// | --- | --- |
/// | `limit` | most deliveries of a page, 1 to 100; 20 where it is left out |
/// | `sort` | `status` or `triggeredAt`, behind `+` or `-`; `-triggeredAt` where it is left out |
/// | `eventType` | of this type |
/// | `status` | `success` or `fail` |
/// | `next`, `prev` | a cursor out of the links of a page |
///
/// Equals are ordered by id, and pages behave as those of [webhooks](crate::webhook::ListQuery).
///
/// ```
/// use hooksieve::delivery::ListQuery;
///
/// let list = ListQuery::read("status=fail&limit=50")?;
/// assert!(list.apply([]).items().is_empty());
///
/// let problems = ListQuery::read("status=failed").unwrap_err();
/// let problem = problems.iter().next().ok_or("no problem")?;
/// assert_eq!((problem.pointer(), problem.help()), ("/status", "give one of success, fail"));
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
    /// Everything that is wrong with the parameters.
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

    /// Whether a delivery is among those asked for.
    #[must_use]
    pub fn wants(&self, delivery: &Delivery) -> bool {
        let is = |wanted: &str| delivery.event_type().as_str() == wanted;
        self.event_type.as_deref().is_none_or(is)
            && self.status.is_none_or(|status| status == delivery.status())
    }

    /// The page of those asked for among all deliveries of a webhook.
    ///
    /// Takes time in proportion to all of them, and to sort those asked for.
    pub fn apply<'d>(
        &self,
        deliveries: impl IntoIterator<Item = &'d Delivery>,
    ) -> Page<'d, Delivery> {
        self.paging.page(deliveries.into_iter().filter(|delivery| self.wants(delivery)))
    }
}
