//! Builds the states of a snapshot's tenants from webhooks that were checked.

use super::lines::{Chunk, Item};
use crate::event::TenantId;
use crate::matcher::Subscription;
use crate::registry::rules::Policy;
use crate::registry::state::State;
use crate::registry::{ChangeError, Refused, Registry, SnapshotError, SnapshotErrorKind};
use crate::webhook::{Webhook, WebhookId};
use hashbrown::HashSet;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// A webhook as the rules see it.
pub(super) type Checked = Result<(Arc<Webhook>, Subscription), Rejected>;

/// A line that is no valid webhook, and why.
pub(super) struct Rejected {
    id: Option<WebhookId>,
    message: String,
}

/// Checks the webhooks of a chunk. This is most of the work, and needs nothing but the chunk.
pub(super) fn check(policy: &Policy, chunk: &mut Chunk) -> Vec<(usize, Item<Checked>)> {
    let mut tenant = chunk.tenant.clone();
    let items = std::mem::take(&mut chunk.items);
    let checked = |(number, item)| {
        let item = match item {
            Item::Tenant { id, revision, webhooks } => {
                tenant.clone_from(&id);
                Item::Tenant { id, revision, webhooks }
            }
            Item::Webhook(range) => Item::Webhook(webhook(policy, &tenant, chunk.line(&range))),
            Item::Verified => Item::Verified,
            Item::End { tenants } => Item::End { tenants },
            Item::Damaged(error) => Item::Damaged(error),
        };
        (number, item)
    };
    items.into_iter().map(checked).collect()
}

/// Reads a webhook and checks it by the rules.
fn webhook(policy: &Policy, tenant: &TenantId, line: &[u8]) -> Checked {
    let read = Webhook::restore_from(line, &policy.rules).map_err(|problems| problems.to_string());
    let checked = read.and_then(|webhook| match policy.subscription(tenant, &webhook) {
        Ok(subscription) => Ok((Arc::new(webhook), subscription)),
        Err(error) => Err(error.of(webhook.id().clone()).to_string()),
    });
    checked.map_err(|message| Rejected { id: id(line), message })
}

/// Returns the id of a webhook. It is read on its own, since the rest of the line may not be a
/// webhook.
fn id(line: &[u8]) -> Option<WebhookId> {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    let webhook: Option<Identified<'_>> = serde_json::from_slice(line).ok();
    webhook.map(|webhook| WebhookId::from(&*webhook.id))
}

/// Tenants read so far, not yet visible to other threads.
pub(super) struct Building<'r> {
    registry: &'r Registry,
    policy: &'r Policy,
    /// Whether refused webhooks are skipped, or are errors.
    skips: bool,
    /// The number of chunks that were added.
    pub(super) chunks: u64,
    tenant: Option<Tenant>,
    seen: HashSet<TenantId>,
    built: Built,
    /// The result, once there is one.
    outcome: Option<Result<Built, SnapshotError>>,
    /// Whether nothing is added any more.
    is_over: bool,
}

/// The complete tenants, and all webhooks that were skipped.
#[derive(Default)]
pub(super) struct Built {
    pub(super) states: Vec<(TenantId, State)>,
    pub(super) skipped: Vec<Refused>,
    /// The number of the last line.
    pub(super) lines: usize,
}

/// The tenant that is being read.
struct Tenant {
    id: TenantId,
    state: State,
    /// The number of its webhooks according to its first line.
    webhooks: usize,
    /// The first refused webhook, if it is an error. Only noted: the checksum decides first whether
    /// the lines are those that were written.
    invalid: Option<SnapshotError>,
    skipped: Vec<Refused>,
}

impl<'r> Building<'r> {
    pub(super) fn new(registry: &'r Registry, policy: &'r Policy, skips: bool) -> Self {
        let (seen, built) = (HashSet::new(), Built::default());
        Self {
            registry,
            policy,
            skips,
            chunks: 0,
            tenant: None,
            seen,
            built,
            outcome: None,
            is_over: false,
        }
    }

    /// Returns whether nothing is added any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Adds nothing more: there is an outcome, or a chunk is missing since its thread panicked.
    pub(super) fn stop(&mut self) {
        self.is_over = true;
    }

    /// Returns the outcome.
    pub(super) fn outcome(self) -> Result<Built, SnapshotError> {
        let line = self.built.lines + 1;
        let missing = || {
            Err(SnapshotError::new(SnapshotErrorKind::Io, line, "the snapshot could not be read"))
        };
        // Missing only if the caller caught a panic of one of the threads.
        self.outcome.unwrap_or_else(missing)
    }

    /// Adds the next chunk.
    pub(super) fn add(&mut self, items: Vec<(usize, Item<Checked>)>) {
        self.chunks += 1;
        for (number, item) in items {
            let outcome = match self.item(number, item) {
                Ok(false) => continue,
                Ok(true) => Ok(std::mem::take(&mut self.built)),
                Err(error) => Err(error),
            };
            self.outcome = Some(outcome);
            return self.stop();
        }
    }

    /// Adds an item, and returns whether it was the last one.
    fn item(&mut self, number: usize, item: Item<Checked>) -> Result<bool, SnapshotError> {
        self.built.lines = number;
        match item {
            Item::Tenant { id, revision, webhooks } => {
                let empty = self.registry.0.empty(self.policy, &id, revision);
                let invalid = |error: ChangeError| {
                    SnapshotError::new(SnapshotErrorKind::Invalid, number, error.to_string())
                };
                let state = empty.map_err(invalid)?;
                let skipped = Vec::new();
                self.tenant = Some(Tenant { id, state, webhooks, invalid: None, skipped });
            }
            Item::Webhook(webhook) => {
                let skips = self.skips;
                self.tenant.as_mut().ok_or_else(|| outside(number))?.add(number, webhook, skips);
            }
            Item::Verified => {
                let tenant = self.tenant.take().ok_or_else(|| outside(number))?;
                self.complete(number, tenant)?;
            }
            // Checksums do not notice a tenant whose lines are all missing; the count does.
            Item::End { tenants } if tenants != self.built.states.len() => {
                let found = self.built.states.len();
                return Err(damaged(number, format!("expected {tenants} tenants, found {found}")));
            }
            Item::End { .. } => return Ok(true),
            Item::Damaged(error) => return Err(error),
        }
        Ok(false)
    }

    /// Adds a tenant whose lines are those that were written.
    fn complete(&mut self, number: usize, tenant: Tenant) -> Result<(), SnapshotError> {
        let Tenant { id, state, webhooks, invalid, mut skipped } = tenant;
        if let Some(error) = invalid {
            return Err(error);
        }
        // A webhook replaces an earlier one with the same id, so that there are fewer than lines.
        if state.matcher.len() + skipped.len() != webhooks {
            return Err(damaged(number, "two webhooks of the tenant have the same id"));
        }
        if !self.seen.insert(id.clone()) {
            return Err(damaged(number, "duplicate tenant"));
        }
        self.built.skipped.append(&mut skipped);
        self.built.states.push((id, state));
        Ok(())
    }
}

impl Tenant {
    /// Indexes a webhook, or notes that it is refused.
    fn add(&mut self, number: usize, webhook: Checked, skips: bool) {
        // The tenant is lost, but its other lines still count for the checksum.
        if self.invalid.is_some() {
            return;
        }
        let added = webhook.and_then(|(webhook, subscription)| {
            let full = |error| {
                let id = webhook.id().clone();
                let message = ChangeError::from(error).of(id.clone()).to_string();
                Rejected { id: Some(id), message }
            };
            self.state.put(Arc::clone(&webhook), &subscription).map_err(full)
        });
        let Err(Rejected { id, message }) = added else { return };
        let error = SnapshotError::new(SnapshotErrorKind::Invalid, number, message);
        match skips {
            true => {
                let (tenant, diagnostic) = (self.id.clone(), (&error).into());
                self.skipped.push(Refused { tenant, id, diagnostic });
            }
            false => self.invalid = Some(error),
        }
    }
}

fn damaged(number: usize, message: impl Into<Box<str>>) -> SnapshotError {
    SnapshotError::new(SnapshotErrorKind::Damaged, number, message)
}

/// The error for a webhook outside of a tenant, which the reader does not return.
fn outside(number: usize) -> SnapshotError {
    damaged(number, "expected a tenant or the end of the snapshot")
}
