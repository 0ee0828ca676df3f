//! Computations on a request and the rules only, without the tenant's webhooks: check a filter,
//! validate or try a webhook, explain and compare filters.
//!
//! The responses have the members that the program's verbs print with `--format json`. The size of
//! a request's body bounds the work, except for explanations, which have a step for each part of
//! the filter and each event; a limit bounds their number. The work runs on blocking threads. A
//! semaphore limits how many compute at once; only other requests of this kind wait for it. A
//! computation whose request has ended stops before its next event and gives its permit back.

use super::Service;
use super::caller::{Area, Caller};
use super::problem::Problem;
use hooksieve::diagnostic::Diagnostic;
use hooksieve::event::{Event, EventType, TenantId};
use hooksieve::filter::Explanation;
use hooksieve::filter::analysis::Diff;
use hooksieve::matcher::{Access, Decision, Subscription, Verdict};
use hooksieve::registry::{Comparison, DryRun};
use hooksieve::webhook::{Checked, FilterReport, NewWebhook, Rules, Webhook, WebhookDocument};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::{Arc, Weak};
use tokio::sync::Semaphore;

/// The request to check a filter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Check {
    filter: Option<String>,
    event_types: Option<Vec<EventType>>,
}

/// The request to explain a filter on events.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Explain {
    filter: Option<String>,
    event_types: Option<Vec<EventType>>,
    events: Vec<Box<RawValue>>,
}

/// The request to compare two filters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Compare {
    old: Option<String>,
    new: Option<String>,
    event_types: Option<Vec<EventType>>,
    events: Option<Vec<Box<RawValue>>>,
}

/// The request to try a webhook on events.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Try {
    webhook: WebhookDocument,
    events: Vec<Box<RawValue>>,
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

/// The maximum number of explanations in a response.
const MAX_EXPLAINED: usize = 100;

/// The limit of events in a request, so that the response is bounded, too.
const MAX_EVENTS: usize = 1_000;

/// The maximum number of explanation steps in a response.
const MAX_STEPS: usize = 100_000;

#[derive(Serialize)]
struct CheckedFilter<'a> {
    filter: Option<&'a str>,
    #[serde(flatten)]
    report: FilterReport,
}

#[derive(Serialize)]
struct Data<T> {
    data: Vec<T>,
}

/// The result for an event with an error.
#[derive(Serialize)]
struct Bad {
    item: usize,
    error: Diagnostic,
}

#[derive(Serialize)]
struct Explained<'a> {
    item: usize,
    event: Option<&'a str>,
    #[serde(flatten)]
    decision: &'a Decision<'a>,
}

#[derive(Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    diff: &'a Diff,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Counts>,
}

#[derive(Serialize)]
struct Counts {
    #[serde(flatten)]
    comparison: Comparison,
    bad: u64,
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
struct Trial<'a> {
    data: &'a [Box<RawValue>],
    #[serde(flatten)]
    run: &'a DryRun,
    bad: u64,
    warnings: &'a [Diagnostic],
}

/// The JSON of a response.
pub(crate) type Json = Vec<u8>;

impl Service {
    /// Checks the syntax and the attributes of a filter.
    pub(crate) async fn check(&self, caller: &Caller, check: Check) -> Result<Json, Problem> {
        caller.may(Area::Language)?;
        self.compute(move |computation| {
            let filter = check.filter.as_deref();
            let types = check.event_types.as_deref();
            let report = computation.rules.check_filter(filter.unwrap_or_default(), types);
            json(&CheckedFilter { filter, report })
        })
        .await
    }

    /// Explains a filter's verdicts on events.
    pub(crate) async fn explain(&self, caller: &Caller, explain: Explain) -> Result<Json, Problem> {
        caller.may(Area::Language)?;
        few(&explain.events)?;
        let tenant = caller.tenant.clone();
        self.compute(move |computation| {
            let rules = &computation.rules;
            let types = explain.event_types.as_deref();
            let text = explain.filter.as_deref().unwrap_or_default();
            let filter =
                rules.filter(text, types).map_err(|errors| errors.with_pointer("/filter"))?;
            let mut budget = Budget::default();
            let mut data = Vec::new();
            for (item, bytes) in explain.events.iter().enumerate() {
                computation.check()?;
                let event = match event(rules, bytes, &tenant) {
                    Ok(event) => event,
                    Err(error) => {
                        data.push(raw(&Bad { item, error })?);
                        continue;
                    }
                };
                let is_type = |known: &EventType| known.as_str() == event.event_type();
                let subscribed = types.is_none_or(|types| types.iter().any(is_type));
                // Any tenant's events are explained, so the subscription is to this event's topic.
                let event_type = subscribed.then(|| event.event_type());
                let subscription = Subscription::new(event.tenant(), event_type, filter.clone());
                let decision = &subscription.explain(&event, Access::Everyone);
                if !decision.explanation.as_ref().is_none_or(|found| budget.takes(found)) {
                    return Err(too_much());
                }
                data.push(raw(&Explained { item, event: event.id(), decision })?);
            }
            json(&Data { data })
        })
        .await
    }

    /// Compares two filters.
    pub(crate) async fn compare(&self, caller: &Caller, compare: Compare) -> Result<Json, Problem> {
        caller.may(Area::Language)?;
        few(compare.events.as_deref().unwrap_or_default())?;
        let tenant = caller.tenant.clone();
        self.compute(move |computation| {
            let rules = &computation.rules;
            let types = compare.event_types.as_deref();
            let read = |text: &Option<String>, pointer| {
                let text = text.as_deref().unwrap_or_default();
                rules.filter(text, types).map_err(|errors| errors.with_pointer(pointer))
            };
            let (old, new) = (read(&compare.old, "/old")?, read(&compare.new, "/new")?);
            let diff = old.diff(&new);
            let count = |events: &[Box<RawValue>]| {
                let mut comparison = Comparison::new(old, new);
                if let Some(types) = types {
                    comparison = comparison.with_event_types(types.iter().cloned());
                }
                let mut bad = 0;
                for bytes in events {
                    computation.check()?;
                    match event(rules, bytes, &tenant) {
                        Ok(event) => drop(comparison.event(&event)),
                        Err(_) => bad += 1,
                    }
                }
                Ok::<_, Problem>(Counts { comparison, bad })
            };
            let events = compare.events.as_deref().map(count).transpose()?;
            json(&Compared { diff: &diff, events })
        })
        .await
    }

    /// Validates a webhook.
    pub(crate) async fn validate(
        &self,
        caller: &Caller,
        document: WebhookDocument,
    ) -> Result<Json, Problem> {
        caller.may(Area::Language)?;
        self.compute(move |computation| json(&computation.rules.check(&document))).await
    }

    /// Tries a webhook on events.
    pub(crate) async fn try_out(&self, caller: &Caller, trial: Try) -> Result<Json, Problem> {
        caller.may(Area::Webhooks)?;
        few(&trial.events)?;
        let (caller, now) = (caller.clone(), self.0.ambient.now());
        self.compute(move |computation| {
            let rules = &computation.rules;
            let new = NewWebhook::new("draft", caller.user.as_str(), now);
            let checked = Webhook::create(&trial.webhook, rules, new)?;
            caller.may_have(&checked.webhook)?;
            tried(computation, &caller.tenant, &trial, &checked)
        })
        .await
    }

    async fn compute(
        &self,
        work: impl FnOnce(&Computation) -> Result<Json, Problem> + Send + 'static,
    ) -> Result<Json, Problem> {
        compute(Arc::clone(&self.0.computing), self.rules(), work).await
    }
}

/// Runs a computation on a blocking thread, once there is a permit.
async fn compute(
    permits: Arc<Semaphore>,
    rules: Rules,
    work: impl FnOnce(&Computation) -> Result<Json, Problem> + Send + 'static,
) -> Result<Json, Problem> {
    let internal = |error: String| Problem::Internal(error);
    let permit = permits.acquire_owned().await;
    let permit = permit.map_err(|error| internal(error.to_string()))?;
    // Dropped with this future, for example at the time limit of the request.
    let waiting = Arc::new(());
    let computation = Computation { rules, waiting: Arc::downgrade(&waiting) };
    let computed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        // The thread may start long after the request has ended.
        computation.check()?;
        work(&computation)
    });
    computed.await.map_err(|error| internal(error.to_string()))?
}

/// What a computation needs beside its request.
struct Computation {
    rules: Rules,
    /// Gone once the request has ended.
    waiting: Weak<()>,
}

impl Computation {
    /// Returns an error if the request has ended. It ends the computation, and no caller gets it.
    fn check(&self) -> Result<(), Problem> {
        match self.waiting.strong_count() {
            0 => Err(Problem::Internal("the request has ended".to_owned())),
            _ => Ok(()),
        }
    }
}

/// Returns the response of a trial.
fn tried(
    computation: &Computation,
    tenant: &TenantId,
    trial: &Try,
    Checked { webhook, warnings, .. }: &Checked,
) -> Result<Json, Problem> {
    let rules = &computation.rules;
    let mut run = DryRun::new(webhook, tenant.as_str(), rules);
    let (mut data, mut bad, mut left) = (Vec::new(), 0, [trial.reasons; 2]);
    let mut budget = Budget::default();
    for (item, bytes) in trial.events.iter().enumerate() {
        computation.check()?;
        let event = match event(rules, bytes, tenant) {
            Ok(event) => event,
            Err(error) => {
                bad += 1;
                data.push(raw(&Bad { item, error })?);
                continue;
            }
        };
        let verdict = run.event(&event, Access::EventOwner);
        let matched = verdict == Verdict::Matched;
        let [hits, misses] = &mut left;
        let rest = if matched { hits } else { misses };
        let decided = matched || verdict == Verdict::FilterFalse;
        let explains = decided && *rest > 0;
        *rest -= usize::from(explains);
        let explanation = explains.then(|| webhook.filter().explain(&event));
        let explanation = explanation.filter(|found| budget.takes(found));
        if explains && explanation.is_none() {
            // Explaining is the expensive part, so nothing is explained only to be left out.
            left = [0; 2];
        }
        let filter = explanation.as_ref();
        data.push(raw(&Tried { item, event: event.id(), matched, reason: verdict, filter })?);
    }
    json(&Trial { data: &data, run: &run, bad, warnings })
}

/// The remaining explanations and steps of a response.
struct Budget {
    explained: usize,
    steps: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { explained: MAX_EXPLAINED, steps: MAX_STEPS }
    }
}

impl Budget {
    /// Takes an explanation out of the budget, and returns whether it fits.
    fn takes(&mut self, explanation: &Explanation<'_>) -> bool {
        let steps = self.steps.checked_sub(explanation.steps().len());
        let (Some(explained), Some(steps)) = (self.explained.checked_sub(1), steps) else {
            return false;
        };
        *self = Self { explained, steps };
        true
    }
}

/// Refuses a request with too many events.
fn few(events: &[Box<RawValue>]) -> Result<(), Problem> {
    if events.len() <= MAX_EVENTS {
        return Ok(());
    }
    let what = format!("`events` has {} events, more than {MAX_EVENTS}", events.len());
    Err(Problem::invalid("events-too-many", what, "send fewer events"))
}

fn too_much() -> Problem {
    let what =
        format!("the response would exceed {MAX_EXPLAINED} explanations or {MAX_STEPS} steps");
    Problem::invalid("explain-too-much", what, "send fewer events")
}

/// Reads an event. One without a tenant belongs to the caller's.
fn event<'a>(
    rules: &'a Rules,
    bytes: &'a RawValue,
    tenant: &'a TenantId,
) -> Result<Event<'a>, Diagnostic> {
    let (paths, bytes) = (rules.profile().attribute_paths(), bytes.get().as_bytes());
    Event::read_for(paths, bytes, tenant.as_str()).map_err(|error| Diagnostic::from(&error))
}

fn json(value: &impl Serialize) -> Result<Json, Problem> {
    serde_json::to_vec(value).map_err(|error| Problem::Internal(error.to_string()))
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Problem> {
    serde_json::value::to_raw_value(value).map_err(|error| Problem::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::compute;
    use hooksieve::webhook::Rules;
    use std::sync::Arc;
    use tokio::sync::{Semaphore, oneshot};

    #[tokio::test]
    async fn gives_the_permit_back_when_the_request_has_ended() {
        let permits = Arc::new(Semaphore::new(1));
        let (begin, begun) = oneshot::channel();
        let request =
            tokio::spawn(compute(Arc::clone(&permits), Rules::default(), move |computation| {
                begin.send(()).unwrap();
                loop {
                    computation.check()?;
                    std::thread::yield_now();
                }
            }));
        begun.await.unwrap();
        assert_eq!(permits.available_permits(), 0);
        request.abort();
        // Would wait forever if the computation went on.
        drop(permits.acquire().await.unwrap());
    }
}
