//! Converts webhooks and deliveries to and from the rows of the store.
//!
//! This is the only place where documents are sealed and opened.

use super::problem::Problem;
use crate::server::ambient::Ambient;
use crate::server::store::contract::{DeliveryRow, WebhookRow};
use crate::server::store::seal::{Keys, Owner};
use hooksieve::delivery::Delivery;
use hooksieve::event::TenantId;
use hooksieve::webhook::Webhook;
use zeroize::Zeroizing;

/// Seals and opens the documents of webhooks.
pub(super) struct Documents {
    /// The keys.
    pub(super) keys: Keys,
    /// The source of nonces.
    pub(super) ambient: Ambient,
}

impl Documents {
    /// Returns the row of a webhook, with its secrets sealed.
    pub(super) fn row(&self, tenant: &TenantId, webhook: &Webhook) -> Result<WebhookRow, Problem> {
        let document = serde_json::to_vec(&webhook.stored());
        let document =
            Zeroizing::new(document.map_err(|error| Problem::Internal(error.to_string()))?);
        let owner = Owner { tenant, webhook: webhook.id() };
        let mut missing = None;
        let mut random = |bytes: &mut [u8]| {
            if let Err(error) = self.ambient.fill(bytes) {
                missing = Some(error);
            }
        };
        let sealed = self.keys.seal(owner, &document, &mut random)?;
        match missing {
            // A value that was sealed without random bytes must not be stored.
            Some(error) => Err(error.into()),
            None => Ok(WebhookRow { id: webhook.id().clone(), document: sealed }),
        }
    }

    /// Returns the document of a row, with its secrets in the clear.
    pub(super) fn open(
        &self,
        tenant: &TenantId,
        row: &WebhookRow,
    ) -> Result<Zeroizing<Vec<u8>>, Problem> {
        Ok(self.keys.open(Owner { tenant, webhook: &row.id }, &row.document)?)
    }
}

/// Returns the row of a delivery, which contains no secrets.
pub(crate) fn of_delivery(delivery: &Delivery) -> Result<DeliveryRow, Problem> {
    let document = serde_json::to_vec(&delivery.stored())
        .map_err(|error| Problem::Internal(error.to_string()))?;
    Ok(DeliveryRow {
        id: delivery.id().clone(),
        webhook: delivery.webhook().clone(),
        triggered_at: delivery.triggered_at(),
        status: delivery.status(),
        event_type: delivery.event_type().clone(),
        document: document.into(),
    })
}
