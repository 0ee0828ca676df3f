//! Computations on a request and the rules only, without the tenant's webhooks: check a filter,
//! validate a webhook, explain and compare filters; and, with stored events, [trials](super::trials).
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
use hooksieve::matcher::{Access, Decision, Subscription};
use hooksieve::registry::Comparison;
use hooksieve::webhook::{FilterReport, Rules, WebhookDocument};
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
pub(super) struct Bad {
    pub(super) item: usize,
    pub(super) error: Diagnostic,
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
                let event = match event(rules, bytes.get().as_bytes(), &tenant) {
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
                let explanation = decision.explanation.as_ref();
                if explanation.is_some() && !budget.takes(explanation) {
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
                    match event(rules, bytes.get().as_bytes(), &tenant) {
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

    pub(super) async fn compute(
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
pub(super) struct Computation {
    /// The rules that webhooks must satisfy.
    pub(super) rules: Rules,
    /// Gone once the request has ended.
    waiting: Weak<()>,
}

impl Computation {
    /// Returns an error if the request has ended. It ends the computation, and no caller gets it.
    pub(super) fn check(&self) -> Result<(), Problem> {
        match self.waiting.strong_count() {
            0 => Err(Problem::Internal("the request has ended".to_owned())),
            _ => Ok(()),
        }
    }
}

/// The remaining explanations and steps of a response.
pub(super) struct Budget {
    explained: usize,
    steps: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { explained: MAX_EXPLAINED, steps: MAX_STEPS }
    }
}

impl Budget {
    /// Takes an explanation out of the budget, and returns whether it fits. One without a filter has
    /// no steps.
    pub(super) fn takes(&mut self, explanation: Option<&Explanation<'_>>) -> bool {
        let steps = explanation.map_or(0, |explanation| explanation.steps().len());
        let steps = self.steps.checked_sub(steps);
        let (Some(explained), Some(steps)) = (self.explained.checked_sub(1), steps) else {
            return false;
        };
        *self = Self { explained, steps };
        true
    }
}

/// Refuses a request with too many events.
pub(super) fn few(events: &[Box<RawValue>]) -> Result<(), Problem> {
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
pub(super) fn event<'a>(
    rules: &'a Rules,
    bytes: &'a [u8],
    tenant: &'a TenantId,
) -> Result<Event<'a>, Diagnostic> {
    let paths = rules.profile().attribute_paths();
    Event::read_for(paths, bytes, tenant.as_str()).map_err(|error| Diagnostic::from(&error))
}

pub(super) fn json(value: &impl Serialize) -> Result<Json, Problem> {
    serde_json::to_vec(value).map_err(|error| Problem::Internal(error.to_string()))
}

pub(super) fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Problem> {
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
