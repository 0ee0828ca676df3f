//! Why each webhook got an event or not: what the program's verb `explain` prints, and what happened.
//!
//! The verdicts are those of the webhooks as they are now, since a webhook's earlier documents are not
//! kept. What happened to a message is what the store says. If a webhook was changed after the event
//! was received, both may disagree, so the explanation has the time of the change.
//!
//! A tenant may have more webhooks than fit into a response. Those that say most about the event come
//! first: the recipients, then those that only a few conditions keep from it.

use super::query::Parameters;
use super::{Found, State, json};
use crate::server::service::caller::Caller;
use crate::server::service::dry_runs::{Budget, Computation, raw};
use crate::server::service::problem::Problem;
use crate::server::service::{Answered, Inner, Service};
use crate::server::store::contract::outbox::MessageRow;
use hooksieve::event::Event;
use hooksieve::matcher::{Access, Decision, Subscription, Verdict};
use hooksieve::registry::subscription;
use hooksieve::webhook::{Timestamp, Webhook, WebhookId};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Serialize)]
struct Explanations {
    data: Vec<Box<RawValue>>,
    /// The number of webhooks that are left out.
    #[serde(skip_serializing_if = "is_zero")]
    omitted: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The explanation of a webhook.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained<'e> {
    webhook: &'e WebhookId,
    #[serde(flatten)]
    decision: &'e Decision<'e>,
    #[serde(flatten)]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<Timestamp>,
}

/// What is left to say of a webhook that got the event and was removed.
#[derive(Serialize)]
struct Removed<'e> {
    webhook: &'e WebhookId,
    matched: bool,
    reason: &'static str,
    filter: Option<()>,
    because: Option<()>,
    change: Option<()>,
    exact: Option<()>,
    #[serde(flatten)]
    state: State,
}

/// A webhook with its verdict.
struct Judged<'e> {
    webhook: &'e Webhook,
    subscription: Subscription,
    verdict: Verdict,
    message: Option<&'e MessageRow>,
}

impl Judged<'_> {
    /// Returns the position among the explanations: the less, the more it says about the event.
    fn rank(&self) -> (bool, u8, WebhookId) {
        let rank = match self.verdict {
            Verdict::Matched => 0,
            Verdict::FilterFalse => 1,
            Verdict::NoAccess => 2,
            Verdict::Disabled => 3,
            _ => 4,
        };
        (self.message.is_none(), rank, self.webhook.id().clone())
    }
}

impl Service {
    /// Explains what became of an event for each webhook that the caller sees, as JSON. The query
    /// may name one of them.
    pub(crate) async fn explain_event(
        &self,
        caller: &Caller,
        id: &str,
        query: &str,
    ) -> Result<Answered<Vec<u8>>, Problem> {
        let parameters = Parameters::read(query).map_err(|error| Problem::Invalid(error.into()))?;
        let only = parameters.one("webhook", "the id of a webhook", |id| Some(WebhookId::from(id)));
        let only = only.map_err(|error| Problem::Invalid(error.into()))?;
        let (found, revision) = self.found(caller, id).await?;
        let (inner, caller) = (Arc::clone(&self.0), caller.clone());
        let explained = self.compute(move |computation| {
            inner.explained(computation, &caller, &found, only.as_ref())
        });
        Ok(Answered::new(explained.await?, revision))
    }
}

impl Inner {
    fn explained(
        &self,
        computation: &Computation,
        caller: &Caller,
        found: &Found,
        only: Option<&WebhookId>,
    ) -> Result<Vec<u8>, Problem> {
        let event = self.read(found)?;
        let mut webhooks = self.webhooks(caller)?;
        webhooks.retain(|webhook| only.is_none_or(|only| only == webhook.id()));
        // What remains after the webhooks took theirs are the messages of removed webhooks.
        let rows = found.row.messages.iter();
        let rows = rows.filter(|row| only.is_none_or(|only| *only == row.webhook));
        let mut messages: BTreeMap<_, _> = rows.map(|row| (&row.webhook, row)).collect();
        let mut judged = self.judged(caller, &event, &webhooks, &mut messages);
        if judged.is_empty() && messages.is_empty() && only.is_some() {
            return Err(Problem::NotFound("webhook"));
        }
        judged.sort_by_cached_key(Judged::rank);
        let mut data = Vec::new();
        for row in messages.into_values() {
            data.push(raw(&removed(row))?);
        }
        let (mut budget, count) = (Budget::default(), judged.len());
        let mut shown = 0;
        for Judged { webhook, subscription, message, .. } in judged {
            computation.check()?;
            let decision = subscription.explain(&event, Access::EventOwner);
            if !budget.takes(decision.explanation.as_ref()) {
                break;
            }
            let received_at = found.row.received_at;
            let changed_at = webhook.updated().at.filter(|at| *at >= received_at);
            let (webhook, state) = (webhook.id(), message.map(State::from));
            data.push(raw(&Explained { webhook, decision: &decision, state, changed_at })?);
            shown += 1;
        }
        json(&Explanations { data, omitted: count - shown })
    }

    /// Returns the verdicts of webhooks, and takes the messages that they got.
    fn judged<'e>(
        &self,
        caller: &Caller,
        event: &Event<'_>,
        webhooks: &'e [Arc<Webhook>],
        messages: &mut BTreeMap<&WebhookId, &'e MessageRow>,
    ) -> Vec<Judged<'e>> {
        let rules = self.registry.rules();
        let judge = |webhook: &'e Arc<Webhook>| {
            let subscription = subscription(webhook, &caller.tenant, rules.catalogue());
            let verdict = subscription.verdict(event, Access::EventOwner);
            let message = messages.remove(webhook.id());
            Judged { webhook, subscription, verdict, message }
        };
        webhooks.iter().map(judge).collect()
    }
}

fn removed(row: &MessageRow) -> Removed<'_> {
    Removed {
        webhook: &row.webhook,
        matched: false,
        reason: "removed",
        filter: None,
        because: None,
        change: None,
        exact: None,
        state: row.into(),
    }
}
