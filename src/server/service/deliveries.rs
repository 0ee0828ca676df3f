//! The use cases of deliveries: list, get, resend and test.
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

use super::attempt::{self, Purpose, is_gone};
use super::caller::{Area, Caller};
use super::problem::Problem;
use super::{Answered, Inner, Service};
use crate::server::store::contract::{Cause, DeliveryRow, StoreError};
use bytes::Bytes;
use hooksieve::delivery::{
    Delivery, DeliveryId, ListQuery, MessageId, Payload, RETENTION, Request,
};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The time in which an event with the same source and id is a duplicate.
const UNIQUE: Duration = Duration::from_secs(24 * 60 * 60);

/// The maximum number of deliveries that one commit removes; other writes run between commits.
pub(crate) const EXPIRED_AT_ONCE: usize = 1_000;

impl Service {
    /// Returns the time before which deliveries have expired.
    pub(super) fn since(&self) -> Timestamp {
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
        Ok(Answered::new(self.kept(caller, id, delivery).await?.0, revision))
    }

    /// Returns a delivery and its row.
    async fn kept(
        &self,
        caller: &Caller,
        id: &WebhookId,
        delivery: &DeliveryId,
    ) -> Result<(Delivery, DeliveryRow), Problem> {
        let found = self.0.store.delivery(&caller.tenant, id, delivery, self.since()).await?;
        let row = found.ok_or(Problem::NotFound("delivery"))?;
        let read = Delivery::read(&row.document);
        Ok((read.map_err(|error| Problem::Internal(error.to_string()))?, row))
    }

    /// Sends a delivery again, immediately and once: the same body and message id, to the current
    /// URL with the current headers and secret. The outcome is a new record.
    pub(crate) async fn resend(
        &self,
        caller: &Caller,
        id: &WebhookId,
        delivery: &DeliveryId,
    ) -> Result<Answered<Delivery>, Problem> {
        let Answered { revision, .. } = self.webhook(caller, id)?;
        let (old, row) = self.kept(caller, id, delivery).await?;
        let webhook = self.valid(caller, id)?;
        let request = self.0.builder.resend(&webhook, &old);
        let kept = row.attempt.message;
        let has_event = kept.is_some();
        // A delivery without a message id is the first attempt of its message.
        let message = kept.or_else(|| old.message_id());
        let message = match message.or_else(|| MessageId::new(old.id().as_str()).ok()) {
            Some(message) => message,
            // The id is of another server, and no message can have it.
            None => self.message_id()?,
        };
        let cause = Cause::Resend(old.id().clone());
        let purpose = Purpose { message, has_event, number: 1, cause };
        Ok(Answered::new(self.send(&caller.tenant, request, purpose).await?, revision))
    }

    /// Sends a sample of one of a webhook's event types, immediately and once.
    pub(crate) async fn test(
        &self,
        caller: &Caller,
        id: &WebhookId,
    ) -> Result<Answered<Delivery>, Problem> {
        let Answered { revision, .. } = self.webhook(caller, id)?;
        let webhook = self.valid(caller, id)?;
        let internal = |error: String| Problem::Internal(error);
        let Some(event_type) = webhook.event_types().first() else {
            let (title, help) = ("the webhook has no event types", "add one to `eventTypes`");
            return Err(Problem::invalid("test-without-event-type", title, help));
        };
        let message = self.message_id()?;
        let sample = serde_json::to_vec(&json!({
            "specversion": "1.0", "id": message, "source": "hooksieve/test",
            "type": event_type.as_str(), "time": self.0.ambient.now(),
            "tenantid": caller.tenant.as_str(), "userid": caller.user.as_str(),
            "data": {"id": message},
        }));
        let sample = Bytes::from(sample.map_err(|error| internal(error.to_string()))?);
        let event = self.0.registry.profile().read_event(&sample);
        let event = event.map_err(|error| internal(error.to_string()))?;
        let request = self.0.builder.request(&webhook, &Payload::new(&event, sample.clone()));
        let purpose = Purpose { message, has_event: false, number: 1, cause: Cause::Test };
        Ok(Answered::new(self.send(&caller.tenant, request, purpose).await?, revision))
    }

    /// Returns a new id of a message.
    fn message_id(&self) -> Result<MessageId, Problem> {
        let id = MessageId::new(&self.0.ambient.id()?);
        id.map_err(|error| Problem::Internal(error.to_string()))
    }

    /// Makes an attempt that a user asked for, and records it.
    async fn send(
        &self,
        tenant: &TenantId,
        request: Request,
        purpose: Purpose,
    ) -> Result<Delivery, Problem> {
        // The webhook is taken as it is now. If it is changed or removed while the request is sent, the
        // attempt is still recorded, or ignored by the store together with the webhook.
        let (inner, tenant) = (Arc::clone(&self.0), tenant.clone());
        // A task of its own, so that the attempt is recorded even if the caller closes the
        // connection.
        let sending = self.0.tasks.spawn(async move {
            let Inner { attempt, ambient, store, outlet, .. } = &*inner;
            let made = attempt::make(&**attempt, ambient, request, purpose).await?;
            store.record(&tenant, vec![made.row]).await?;
            // It counts like any other attempt, also for disabling the webhook.
            outlet.recorded(&tenant, made.delivery.webhook(), is_gone(&made.outcome));
            Ok(made.delivery)
        });
        sending.await.map_err(|error| Problem::Internal(error.to_string()))?
    }
}
