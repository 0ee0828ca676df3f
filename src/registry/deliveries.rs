//! Bytes in, requests out.

use super::session::recipients;
use super::{NotLoaded, Recipients, Session};
use crate::delivery::{Kind, Payload, Request, RequestBuilder};
use crate::diagnostic::Diagnostic;
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
    /// The event's tenant is not loaded: load it and try again.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

impl From<&DeliverError> for Diagnostic {
    fn from(error: &DeliverError) -> Self {
        match error {
            DeliverError::Event(error) => error.into(),
            DeliverError::NotLoaded(error) => (*error).into(),
        }
    }
}

impl Session {
    /// The requests that deliver an event: reads it, matches it, and makes the requests one by one
    /// as they are taken.
    ///
    /// Takes [`matches`](Self::matches), an allocation for the payload, and for each request
    /// what [`RequestBuilder::request`] takes. The bytes are shared by all requests whose webhooks take
    /// the form that they came in.
    ///
    /// ```
    /// # use hooksieve::{matcher::Access, delivery::RequestBuilder, registry::Registry};
    /// # use hooksieve::webhook::{NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    /// # let rules = Rules::default();
    /// # let registry = Registry::new(&rules);
    /// # let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/", "enabled": true,
    /// #     "eventTypes": ["com.qlik.v1.app.created"]}"#)?;
    /// # let webhook = Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", now))?.webhook;
    /// registry.load("t1", [webhook])?;
    /// let mut session = registry.session();
    /// let bytes = br#"{"type": "com.qlik.v1.app.created", "tenantid": "t1"}"#;
    /// let requests = session.deliveries(&RequestBuilder::default(), &bytes[..], Access::EventOwner)?;
    /// assert_eq!(requests.map(|request| request.url().to_owned()).collect::<Vec<_>>(), ["https://hooks.example.com/"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Bytes that are no event, and a tenant that is not loaded.
    pub fn deliveries(
        &mut self,
        sender: &RequestBuilder,
        bytes: impl Into<Bytes>,
        access: Access<'_>,
    ) -> Result<Deliveries<'_>, DeliverError> {
        let bytes = bytes.into();
        let Self { registry, scratch, shapes } = self;
        let event = registry.profile().read_event_with(&bytes, shapes)?;
        let recipients = recipients(registry, scratch, &event, access)?;
        let kind = Kind::of(&event);
        drop(event);
        let payload = Payload::of(kind, bytes);
        Ok(Deliveries { recipients, at: 0, payload, sender: sender.clone() })
    }
}

/// The requests that deliver an event, in the order of [`Recipients::webhooks`]; made by
/// [`Session::deliveries`].
///
/// Keeps the tenant's revision in memory as an [`Recipients`] does: take the requests out of it before
/// they are sent.
#[derive(Debug)]
pub struct Deliveries<'r> {
    recipients: Recipients<'r>,
    at: usize,
    payload: Payload,
    sender: RequestBuilder,
}

impl Deliveries<'_> {
    /// The tenant's revision that they were computed at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.recipients.revision()
    }

    /// What is sent.
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
        Some(self.sender.request(webhook, &self.payload))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.recipients.len() - self.at;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Deliveries<'_> {}
impl std::iter::FusedIterator for Deliveries<'_> {}
