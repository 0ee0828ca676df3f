//! The service's view of the dispatcher: where messages go.
//!
//! A message that was accepted is in the store, from which the dispatcher claims it when it is due.
//! A new one is due at once, and often the dispatcher has room for it. Then the intake claims it
//! with the same commit that accepts it, and hands it over in memory: the store is not read.
//!
//! ```text
//! reserve ──▶ Place ──▶ accept, claimed ──▶ Place::hand_over ──▶ dispatcher
//!    │          └──────── dropped: the room is free again
//!    └─ None ─────────▶ accept, unclaimed ─▶ wake ─▶ claimed from the store
//! ```
//!
//! The trait is here and not in the dispatcher, so that the service depends on no way to send.

use crate::server::store::contract::outbox::Message;
use hooksieve::event::TenantId;
use hooksieve::webhook::WebhookId;

/// Room for one message of a webhook. When it is dropped without a message, the room is free again.
pub(crate) trait Place: Send {
    /// Hands over the message for which the room was reserved. It was accepted as claimed.
    fn hand_over(self: Box<Self>, message: Message);
}

/// Where messages go after they were accepted. No method waits.
pub(crate) trait Outlet: Send + Sync + 'static {
    /// Reserves room for a message with a body of `bytes` bytes; `None` if it must be claimed from
    /// the store later.
    fn reserve(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        bytes: usize,
    ) -> Option<Box<dyn Place>>;

    /// Reports that the store has messages that were not claimed and are due.
    fn wake(&self);

    /// Reports that a webhook was changed or removed: what was known of its endpoint is obsolete.
    fn changed(&self, tenant: &TenantId, webhook: &WebhookId);

    /// Reports that an attempt was recorded that the dispatcher did not make. `gone` is whether the
    /// receiver answered that it will never accept another message.
    fn recorded(&self, tenant: &TenantId, webhook: &WebhookId, gone: bool);
}
