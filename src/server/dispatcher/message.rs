//! What is sent of a message, and what becomes of it.
//!
//! ```text
//! the webhook now ─▶ the event ─▶ request ─▶ post ─▶ record, verdict ─▶ delivered, due again, failed
//!   │                  │
//!   └ removed, disabled└ cannot be sent: the message ends without an attempt
//! ```
//!
//! The webhook is looked up when the message is sent: a change holds for all messages that were not
//! sent yet, and one that was removed or disabled gets none.

use super::schedule::{Verdict, seed};
use super::{Inner, Policy, Webhooks};
use crate::server::service::attempt::{Made, Purpose, make};
use crate::server::store::contract::outbox::{Message, Next, Outcome, Settled};
use crate::server::store::contract::{Cause, DeliveryRow};
use hooksieve::delivery::{Payload, RequestBuilder};
use hooksieve::webhook::{Timestamp, Webhook};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A message that is to be settled.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// What became of it.
    pub(super) settled: Settled,
    /// The size of its body.
    pub(super) bytes: usize,
    /// The number of the attempt and what it means, if one was made.
    pub(super) judged: Option<(u32, Verdict)>,
    /// The webhook as it was when the attempt began.
    pub(super) webhook: Option<Arc<Webhook>>,
}

impl Done {
    fn new(message: Message, next: Next, attempt: Option<DeliveryRow>) -> Self {
        let bytes = message.body.len();
        let Message { tenant, webhook, id, .. } = message;
        let settled = Settled { tenant, webhook, id, next, attempt };
        Self { settled, bytes, judged: None, webhook: None }
    }

    /// Returns a message to the store without an attempt, due at a time.
    pub(super) fn released(message: Message, due: Timestamp) -> Self {
        Self::new(message, Next::Wait(due), None)
    }

    /// Returns whether the message has its permit until it is settled: after a failure, nothing more
    /// is sent to the endpoint before it is known whether to park it.
    pub(super) fn keeps_permit(&self) -> bool {
        self.judged.is_some_and(|(_, verdict)| verdict != Verdict::Delivered)
    }

    /// Ends a message without an attempt.
    fn ended(message: Message, outcome: Outcome) -> Self {
        Self::new(message, Next::End(outcome), None)
    }
}

/// Returns the time after a wait.
fn after(now: Timestamp, wait: Duration) -> Timestamp {
    // Beyond what the system can represent is never.
    SystemTime::from(now).checked_add(wait).map_or(now, Into::into)
}

impl Policy {
    /// Returns what is next for a message after an attempt with a number.
    pub(super) fn next(
        &self,
        message: &Message,
        number: u32,
        verdict: Verdict,
        now: Timestamp,
    ) -> Next {
        match verdict {
            Verdict::Delivered => Next::End(Outcome::Delivered),
            Verdict::Gone => Next::End(Outcome::Failed),
            Verdict::Failed { retry_after } => {
                let wait = self.schedule.wait(number, retry_after, seed(&message.id, number));
                wait.map_or(Next::End(Outcome::Failed), |wait| Next::Wait(after(now, wait)))
            }
        }
    }
}

/// A message in flight. If its task panics, it ends as one that cannot be sent: sending it again
/// would panic again.
struct Flight {
    dispatcher: Arc<Inner>,
    /// `None` once it has an outcome.
    message: Option<Message>,
}

impl Flight {
    fn end(&mut self, done: Done) {
        self.message = None;
        // Before it is settled, so that a success does not wait for the store to send the next one.
        if !done.keeps_permit() {
            let Settled { tenant, webhook, .. } = &done.settled;
            self.dispatcher.state().finished(tenant, webhook);
        }
        self.dispatcher.settled(done);
        self.dispatcher.start();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Also dropped with the process, when nothing is settled any more: the message is due then.
        if let Some(message) = self.message.take()
            && std::thread::panicking()
        {
            let (tenant, id) = (message.tenant.as_str(), message.id.as_str());
            tracing::error!(tenant, message = id, "a panic while a message was sent");
            self.end(Done::ended(message, Outcome::Unsendable));
        }
    }
}

/// Sends a message once.
pub(super) async fn send(dispatcher: Arc<Inner>, webhooks: Arc<dyn Webhooks>, message: Message) {
    let mut flight = Flight { dispatcher: Arc::clone(&dispatcher), message: Some(message.clone()) };
    let done = dispatcher.attempt(&*webhooks, message).await;
    flight.end(done);
}

impl Inner {
    /// Sends a message once, if it can be sent, and returns what becomes of it.
    async fn attempt(&self, webhooks: &dyn Webhooks, message: Message) -> Done {
        let Some(webhook) = webhooks.current(&message.tenant, &message.webhook) else {
            return Done::ended(message, Outcome::Removed);
        };
        if !webhook.is_enabled() {
            return Done::ended(message, Outcome::Disabled);
        }
        let body = message.body.clone();
        let event = match self.parts.profile.read_event(&body) {
            Ok(event) => event,
            Err(error) => {
                let (tenant, id) = (message.tenant.as_str(), message.id.as_str());
                tracing::error!(tenant, message = id, %error, "cannot read a stored event");
                return Done::ended(message, Outcome::Unsendable);
            }
        };
        let payload = Payload::new(&event, body.clone());
        let request = RequestBuilder::default().request(&webhook, &payload);
        let number = message.attempts.saturating_add(1);
        let (id, cause) = (message.id.clone(), Cause::Event);
        let purpose = Purpose { message: id, has_event: true, number, cause };
        let ambient = &self.parts.ambient;
        match make(&*self.parts.attempt, ambient, request, purpose).await {
            Ok(Made { row, outcome, .. }) => {
                let now = ambient.now();
                let verdict = Verdict::of(&outcome, now);
                let next = self.parts.policy.next(&message, number, verdict, now);
                let done = Done::new(message, next, Some(row));
                Done { judged: Some((number, verdict)), webhook: Some(webhook), ..done }
            }
            Err(error) => {
                tracing::error!(%error, "cannot send");
                Done::released(message, after(ambient.now(), super::work::RETRY))
            }
        }
    }
}
