//! Converts webhooks and deliveries to and from the rows of the store.
//!
//! This is the only place where documents are sealed and opened. What is between here and the file
//! has no secret in the clear, and buffers that have one are overwritten when they are dropped.

use super::problem::Problem;
use crate::server::ambient::Ambient;
use crate::server::store::contract::{Attempt, DeliveryRow, WebhookRow};
use crate::server::store::seal::{Keys, Owner, Random, SealError};
use hooksieve::delivery::Delivery;
use hooksieve::event::TenantId;
use hooksieve::registry::Registry;
use hooksieve::webhook::{Webhook, WebhookId};
use zeroize::Zeroizing;

/// Seals and opens the documents of webhooks.
pub(crate) struct Documents {
    /// The keys.
    pub(crate) keys: Keys,
    /// The source of nonces.
    pub(crate) ambient: Ambient,
}

impl Documents {
    /// Returns the row of a webhook, with its secrets sealed.
    ///
    /// # Errors
    ///
    /// Returns an error if the document has more bytes than the registry accepts of text. The text
    /// is part of the document, so the registry accepts what this function does.
    pub(crate) fn row(&self, tenant: &TenantId, webhook: &Webhook) -> Result<WebhookRow, Problem> {
        // Has every secret in the clear, so it is overwritten when it is dropped.
        let document = serde_json::to_vec(&webhook.stored());
        let document =
            Zeroizing::new(document.map_err(|error| Problem::Internal(error.to_string()))?);
        let (bytes, max) = (document.len(), Registry::MAX_BYTES);
        if bytes > max {
            return Err(Problem::TooLarge { bytes, max });
        }
        self.sealed(tenant, webhook.id(), &document)
    }

    /// Returns the row of a document, with its secrets sealed.
    pub(super) fn sealed(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        document: &[u8],
    ) -> Result<WebhookRow, Problem> {
        let owner = Owner { tenant, webhook };
        let document = self.random(owner, |random| self.keys.seal(owner, document, random))?;
        Ok(WebhookRow { id: webhook.clone(), document })
    }

    /// Runs an operation on a webhook that needs nonces.
    ///
    /// # Errors
    ///
    /// The operation's own, or that of the machine if it provides no random bytes: what was sealed
    /// with a nonce that is not random must not be stored.
    pub(crate) fn random<T>(
        &self,
        owner: Owner<'_>,
        seal: impl FnOnce(Random<'_>) -> Result<T, SealError>,
    ) -> Result<T, Problem> {
        let mut missing = None;
        let mut random = |bytes: &mut [u8]| {
            if let Err(error) = self.ambient.fill(bytes) {
                missing = Some(error);
            }
        };
        let sealed = seal(&mut random).map_err(|error| Problem::seal(owner, error))?;
        match missing {
            Some(error) => Err(error.into()),
            None => Ok(sealed),
        }
    }

    /// Returns the document of a row, with its secrets in the clear.
    pub(crate) fn open(
        &self,
        tenant: &TenantId,
        row: &WebhookRow,
    ) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let owner = Owner { tenant, webhook: &row.id };
        self.keys.open(owner, &row.document).map_err(|error| Problem::seal(owner, error))
    }
}

/// Returns the row of a delivery, which contains no secrets.
pub(crate) fn of_delivery(delivery: &Delivery, attempt: Attempt) -> Result<DeliveryRow, Problem> {
    let document = serde_json::to_vec(&delivery.stored())
        .map_err(|error| Problem::Internal(error.to_string()))?;
    Ok(DeliveryRow {
        id: delivery.id().clone(),
        webhook: delivery.webhook().clone(),
        triggered_at: delivery.triggered_at(),
        status: delivery.status(),
        event_type: delivery.event_type().clone(),
        document: document.into(),
        attempt,
    })
}
