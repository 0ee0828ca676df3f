//! Tries a webhook on events, before it is created or changed: on those of the request, or on the
//! newest stored ones.
//!
//! | events | items of the response |
//! | --- | --- |
//! | of the request | every event, by its position |
//! | stored | those that match, and those that are explained, by position and id, up to a limit |
//!
//! The counts are of all events in both cases.

use super::Service;
use super::caller::{Area, Caller};
use super::dry_runs::{Bad, Budget, Computation, Json, event, few, json, raw};
use super::problem::Problem;
use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::TenantId;
use hooksieve::filter::Explanation;
use hooksieve::matcher::{Access, Verdict};
use hooksieve::registry::DryRun;
use hooksieve::webhook::{Checked, NewWebhook, Webhook, WebhookDocument};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The maximum number of stored events on which a webhook is tried.
const MAX_STORED: usize = 10_000;

/// The maximum number of stored events in the response.
const MAX_ITEMS: usize = 1_000;

/// The request to try a webhook on events.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Try {
    webhook: WebhookDocument,
    /// The events; without them, the newest stored ones.
    events: Option<Vec<Box<RawValue>>>,
    #[serde(default = "Try::reasons")]
    reasons: usize,
}

impl Try {
    /// Returns the default number of matching events, and of events that the filter refuses, to
    /// explain.
    fn reasons() -> usize {
        3
    }
}

#[derive(Serialize)]
struct Tried<'a> {
    item: usize,
    event: Option<&'a str>,
    matched: bool,
    reason: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a Explanation<'a>>,
}

#[derive(Serialize)]
struct Response<'a> {
    data: &'a [Box<RawValue>],
    #[serde(flatten)]
    run: &'a DryRun,
    bad: u64,
    /// Whether there are more stored events.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<bool>,
    warnings: &'a [Diagnostic],
}

/// A webhook that is tried on one event after another.
struct Trial<'t> {
    computation: &'t Computation,
    tenant: &'t TenantId,
    webhook: &'t Webhook,
    run: DryRun,
    data: Vec<Box<RawValue>>,
    bad: u64,
    /// How many matching events, and how many that the filter refuses, may still be explained.
    left: [usize; 2],
    budget: Budget,
}

impl Service {
    /// Tries a webhook on events.
    pub(crate) async fn try_out(&self, caller: &Caller, trial: Try) -> Result<Json, Problem> {
        caller.may(Area::Webhooks)?;
        few(trial.events.as_deref().unwrap_or_default())?;
        let (caller, now) = (caller.clone(), self.0.ambient.now());
        let mut stored = self.newest(&caller.tenant, MAX_STORED);
        self.compute(move |computation| {
            let rules = &computation.rules;
            let new = NewWebhook::new("draft", caller.user.as_str(), now);
            let Checked { webhook, warnings, .. } = Webhook::create(&trial.webhook, rules, new)?;
            caller.may_have(&webhook)?;
            let mut run = Trial {
                computation,
                tenant: &caller.tenant,
                webhook: &webhook,
                run: DryRun::new(&webhook, caller.tenant.as_str(), rules),
                data: Vec::new(),
                bad: 0,
                left: [trial.reasons; 2],
                budget: Budget::default(),
            };
            let mut cut = None;
            match &trial.events {
                Some(events) => {
                    for (item, event) in events.iter().enumerate() {
                        run.event(item, event.get().as_bytes(), None)?;
                    }
                }
                None => {
                    let mut item = 0;
                    while let Some((id, body)) = stored.next()? {
                        run.event(item, &body, Some(&id.0))?;
                        item += 1;
                    }
                    cut = Some(stored.is_cut());
                }
            }
            let Trial { run, data, bad, .. } = run;
            json(&Response { data: &data, run: &run, bad, cut, warnings: &warnings })
        })
        .await
    }
}

impl Trial<'_> {
    /// Tries the webhook on an event. `stored` is its id in the store, from where it comes.
    fn event(&mut self, item: usize, bytes: &[u8], stored: Option<&str>) -> Result<(), Problem> {
        self.computation.check()?;
        let event = match event(&self.computation.rules, bytes, self.tenant) {
            Ok(event) => event,
            Err(error) => {
                self.bad += 1;
                self.data.push(raw(&Bad { item, error })?);
                return Ok(());
            }
        };
        let verdict = self.run.event(&event, Access::EventOwner);
        let matched = verdict == Verdict::Matched;
        let [hits, misses] = &mut self.left;
        let rest = if matched { hits } else { misses };
        let decided = matched || verdict == Verdict::FilterFalse;
        let explains = decided && *rest > 0;
        *rest -= usize::from(explains);
        let explanation = explains.then(|| self.webhook.filter().explain(&event));
        let explanation = explanation.filter(|found| self.budget.takes(Some(found)));
        if explains && explanation.is_none() {
            // Explaining is the expensive part, so nothing is explained only to be left out.
            self.left = [0; 2];
        }
        let filter = explanation.as_ref();
        let shown = matched || filter.is_some();
        if stored.is_some() && (!shown || self.data.len() >= MAX_ITEMS) {
            return Ok(());
        }
        let event = stored.or(event.id());
        self.data.push(raw(&Tried { item, event, matched, reason: verdict, filter })?);
        Ok(())
    }
}
