//! Reads an event, matches it, and builds the requests that deliver it.

use super::session::recipients;
use super::{NotLoaded, Recipients, Session};
use crate::delivery::{Head, Payload, Request, RequestBuilder};
use crate::diagnostic::{Diagnostic, into_diagnostics};
use crate::event;
use crate::matcher::Access;
use bytes::Bytes;

/// An error from [`Session::deliveries`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliverError {
    /// The bytes are not an event.
    #[error(transparent)]
    Event(#[from] event::Error),
    /// The event's tenant is not loaded. Load it and try again.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

into_diagnostics!(DeliverError);

impl From<&DeliverError> for Diagnostic {
    fn from(error: &DeliverError) -> Self {
        match error {
            DeliverError::Event(error) => error.into(),
            DeliverError::NotLoaded(error) => (*error).into(),
        }
    }
}

impl Session {
    /// Reads an event, matches it, and returns an iterator of the requests that deliver it.
    ///
    /// A request is built when the iterator returns it. Requests in the envelope of the event share
    /// its bytes. For webhooks that want another envelope, the event is converted once, and their
    /// requests share the result.
    ///
    /// # Cost
    ///
    /// The call reads the event, [matches](Self::matches) it and allocates the payload. Each
    /// request costs what [`RequestBuilder::request`] costs, the first one in another envelope also
    /// the conversion.
    ///
    /// # Example
    ///
    /// ```
    /// # use hooksieve::{matcher::Access, delivery::RequestBuilder, registry::Registry};
    /// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    /// # let rules = Rules::default();
    /// # let registry = Registry::new(&rules);
    /// # let document = WebhookDocument::read(br#"{"name": "n", "enabled": true,
    /// #     "url": "https://hooks.example.com/", "eventTypes": ["com.qlik.v1.app.created"]}"#)?;
    /// # let new = NewWebhook::new("w1", "u1", now);
    /// # let webhook = Webhook::create(&document, &rules, new)?.webhook;
    /// registry.load("t1", [webhook])?;
    /// let mut session = registry.session();
    /// let bytes = br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1"}"#;
    /// let builder = RequestBuilder::default();
    /// let requests = session.deliveries(&builder, &bytes[..], Access::EventOwner)?;
    /// let urls: Vec<_> = requests.map(|request| request.url().to_owned()).collect();
    /// assert_eq!(urls, ["https://hooks.example.com/"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The bytes are not an event, or the event's tenant is not loaded.
    pub fn deliveries(
        &mut self,
        builder: &RequestBuilder,
        bytes: impl Into<Bytes>,
        access: Access<'_>,
    ) -> Result<Deliveries<'_>, DeliverError> {
        let bytes = bytes.into();
        let Self { registry, scratch, shapes } = self;
        let event = registry.profile().read_event_with(&bytes, shapes)?;
        let recipients = recipients(registry, scratch, &event, access)?;
        let head = Head::of(&event, &bytes);
        // The event borrows the bytes, which the payload takes over.
        drop(event);
        let payload = Payload::of(head, bytes);
        Ok(Deliveries { recipients, at: 0, payload, builder: builder.clone() })
    }
}

/// The requests that deliver an event, in the order of [`Recipients::webhooks`]; made by
/// [`Session::deliveries`].
///
/// It keeps a copy of the tenant's index in memory, as [`Recipients`] do. So collect the requests
/// before you send them.
#[derive(Debug)]
pub struct Deliveries<'r> {
    recipients: Recipients<'r>,
    at: usize,
    payload: Payload,
    builder: RequestBuilder,
}

impl Deliveries<'_> {
    /// Returns the tenant's revision that the event was matched at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.recipients.revision()
    }

    /// Returns the payload, which all requests share.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }
}

impl Iterator for Deliveries<'_> {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let webhook = self.recipients.get(self.at)?;
        self.at += 1;
        Some(self.builder.request(webhook, &self.payload))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.recipients.len() - self.at;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Deliveries<'_> {}
impl std::iter::FusedIterator for Deliveries<'_> {}
