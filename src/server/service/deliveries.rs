//! The use cases of deliveries: list, get and resend.
//!
//! A delivery is seen by every caller who sees its webhook, and only for the retention time, whether or not
//! it was already removed from the store: expiry is in slices, and must not show through.
//!
//! ```text
//! resend:  old delivery ─▶ request: old body, current URL, headers and secret
//!               │                 ─▶ task: sign, post, record ─▶ new delivery
//!               └─ message id ──────────────┘                    (a record of its own)
//! ```
//!
//! The outcome of an attempt, also a failed one, is a result and not an error: the record is what the
//! caller asked for. Only a record that cannot be stored is an error.

use super::caller::{Area, Caller};
use super::problem::Problem;
use super::{Answered, Service, rows};
use crate::server::store::contract::StoreError;
use hooksieve::delivery::{Delivery, DeliveryId, ListQuery, MessageId, RETENTION, Request};
use hooksieve::webhook::{Timestamp, WebhookId};
use std::time::{Duration, SystemTime};

/// The time in which an event with the same source and id is a duplicate.
const UNIQUE: Duration = Duration::from_secs(24 * 60 * 60);

/// The maximum number of deliveries that one commit removes; other writes run between commits.
pub(crate) const EXPIRED_AT_ONCE: usize = 1_000;

impl Service {
    /// Returns the time before which deliveries have expired.
    fn since(&self) -> Timestamp {
        let now = SystemTime::from(self.0.ambient.now());
        // In the first week of 1970 nothing has expired.
        now.checked_sub(RETENTION).unwrap_or(SystemTime::UNIX_EPOCH).into()
    }

    /// Returns the time before which events are no longer compared with new ones.
    pub(super) fn unique_since(&self) -> Timestamp {
        let now = SystemTime::from(self.0.ambient.now());
        now.checked_sub(UNIQUE).unwrap_or(SystemTime::UNIX_EPOCH).into()
    }

    /// Removes up to [`EXPIRED_AT_ONCE`] expired deliveries and returns how many.
    pub(crate) async fn expire(&self) -> Result<usize, StoreError> {
        self.0.store.expire(self.since(), self.unique_since(), EXPIRED_AT_ONCE).await
    }

    /// Returns a page of a webhook's deliveries as the JSON of the API's response. `path` is the
    /// path of the list.
    pub(crate) async fn deliveries(
        &self,
        caller: &Caller,
        id: &WebhookId,
        query: &str,
        path: String,
    ) -> Result<Answered<Vec<u8>>, Problem> {
        caller.may(Area::Webhooks)?;
        let query = ListQuery::read(query)?;
        // Also decides whether the caller may see the deliveries: they belong to the webhook.
        let Answered { revision, .. } = self.webhook(caller, id)?;
        let found = self.0.store.deliveries(&caller.tenant, id, &query, self.since()).await?;
        // A page may have the bodies of a hundred requests and responses.
        self.off_thread(move |_| {
            let internal = |error: String| Problem::Internal(error);
            let read: Result<Vec<Delivery>, _> =
                found.rows.iter().map(|row| Delivery::read(&row.document)).collect();
            let read = read.map_err(|error| internal(error.to_string()))?;
            let page = query.page(&read, found.before, found.after);
            let body = serde_json::to_vec(&page.body(&path));
            Ok(Answered::new(body.map_err(|error| internal(error.to_string()))?, revision))
        })
        .await
    }

    /// Returns a delivery of a webhook.
    pub(crate) async fn delivery(
        &self,
        caller: &Caller,
        id: &WebhookId,
        delivery: &DeliveryId,
    ) -> Result<Answered<Delivery>, Problem> {
        let Answered { revision, .. } = self.webhook(caller, id)?;
        let found = self.0.store.delivery(&caller.tenant, id, delivery, self.since()).await?;
        let row = found.ok_or(Problem::NotFound("delivery"))?;
        let read = Delivery::read(&row.document);
        let delivery = read.map_err(|error| Problem::Internal(error.to_string()))?;
        Ok(Answered::new(delivery, revision))
    }

    /// Sends a delivery again, immediately and once: the same body and message id, to the current
    /// URL with the current headers and secret. The outcome is a new record.
    pub(crate) async fn resend(
        &self,
        caller: &Caller,
        id: &WebhookId,
        delivery: &DeliveryId,
    ) -> Result<Answered<Delivery>, Problem> {
        let Answered { body: old, revision, .. } = self.delivery(caller, id, delivery).await?;
        let webhook = self.valid(caller, id)?;
        let request = self.0.builder.resend(&webhook, &old);
        // The webhook is taken as it is now. If it is changed or removed while the request is sent, the
        // attempt is still recorded, or ignored by the store together with the webhook.
        let (service, tenant) = (self.clone(), caller.tenant.clone());
        // A task of its own, so that the attempt is recorded even if the caller closes the
        // connection.
        let sending = self.0.tasks.spawn(async move {
            let new = service.send(request, &old).await?;
            service.0.store.record(&tenant, vec![rows::of_delivery(&new)?]).await?;
            Ok(Answered::new(new, revision))
        });
        sending.await.map_err(|error| Problem::Internal(error.to_string()))?
    }

    async fn send(&self, request: Request, old: &Delivery) -> Result<Delivery, Problem> {
        // Before the request is sent, so that an attempt without a record cannot happen for want of an
        // id, and so that the record shows when the attempt began.
        let (id, at) = (self.0.ambient.id()?, self.0.ambient.now());
        // A delivery without a message id is the first attempt of its message.
        let message = old.message_id().or_else(|| MessageId::new(old.id().as_str()).ok());
        let request = match &message {
            Some(message) => request.with_standard_headers(message, at),
            None => request,
        };
        // A request without its secret would be refused by the receiver, or accepted unsigned.
        let outcome = match request.has_redacted_secrets() {
            true => Err(
                "not sent: the webhook's secret or encrypted headers are unknown; set them again"
                    .to_owned(),
            ),
            false => self.0.attempt.post(&request).await,
        };
        let outcome = outcome.as_ref().map_err(String::as_str);
        Ok(Delivery::new(id, &request, at, outcome))
    }
}
