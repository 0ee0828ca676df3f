//! The use case of sending again what failed: many messages of a webhook, through the dispatcher.
//!
//! A single delivery is sent [at once](super::deliveries), since a person waits for its outcome. Many
//! would delay each other there, and the endpoint has just failed. So they become due again, and the
//! dispatcher sends them with its limits and retries, as it sends new ones.

use super::caller::Caller;
use super::events::Parameters;
use super::problem::Problem;
use super::{Answered, Service};
use hooksieve::diagnostic::Diagnostic;
use hooksieve::webhook::{Timestamp, WebhookId};
use serde::Serialize;

/// The maximum number of messages that a request makes due again.
const MAX_RESENT: usize = 1_000;

/// The number of messages that are sent again.
#[derive(Debug, Serialize)]
pub(crate) struct Resent {
    resent: usize,
}

impl Service {
    /// Makes messages of a webhook due again that failed since a time, at most [`MAX_RESENT`].
    pub(crate) async fn resend_failed(
        &self,
        caller: &Caller,
        id: &WebhookId,
        query: &str,
    ) -> Result<Answered<Resent>, Problem> {
        let Answered { revision, .. } = self.webhook(caller, id)?;
        let since = since(query).map_err(|error| Problem::Invalid(error.into()))?;
        let since = since.unwrap_or_else(|| self.since());
        // The dispatcher would give the messages up at once.
        if !self.valid(caller, id)?.is_enabled() {
            let (title, help) = ("the webhook is disabled", "enable it first");
            return Err(Problem::invalid("webhook-disabled", title, help));
        }
        let (store, now) = (&self.0.store, self.0.ambient.now());
        let resent = store.requeue(&caller.tenant, id, since, MAX_RESENT, now).await?;
        self.0.outlet.wake();
        Ok(Answered::new(Resent { resent }, revision))
    }
}

/// Reads the query: the time since when the messages have failed.
fn since(query: &str) -> Result<Option<Timestamp>, Diagnostic> {
    let parameters = Parameters::read(query)?;
    // What was delivered is only sent again one by one: receivers would get it a second time.
    parameters.one("status", "`fail`", |status| (status == "fail").then_some(()))?;
    parameters.time("since")
}
