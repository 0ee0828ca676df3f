//! The webhooks of a tenant with their index at one revision, and the steps that change both.
//!
//! ```text
//! ids         hash of "w1" ──▶ 2
//! entries     0: None     1: w2     2: w1
//! matcher     the subscription of each webhook, in the slot with the entry's index
//! ```
//!
//! # Invariant
//!
//! `entries`, `ids` and the matcher have the same webhooks: `ids` leads from an id to the index of a
//! slot, `entries` from that index to the webhook, and the slot is the matcher's. So an index from
//! `ids` or from a match has an entry.

use crate::matcher::{InsertError, Matcher, Slot, Subscription};
use crate::webhook::{Catalogue, Rules, Webhook, WebhookId};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// All webhooks of a tenant at one revision.
#[derive(Clone)]
pub(super) struct State {
    pub(super) revision: u64,
    pub(super) matcher: Matcher,
    /// The catalogue whose event types the webhooks are indexed under.
    pub(super) catalogue: Catalogue,
    entries: Entries,
    /// The hash of each id with the index of its slot. The id itself is in the webhook, and the
    /// hash is kept so that growing the table reads no webhook.
    ids: HashTable<(u64, u32)>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone)]
struct Entry {
    slot: Slot,
    webhook: Arc<Webhook>,
}

/// The webhook of each slot, at the slot's index; `None` at indices that are free.
#[derive(Clone, Default)]
struct Entries(Vec<Option<Entry>>);

impl Entries {
    /// Returns the entry of a slot that has a webhook.
    #[inline]
    #[expect(clippy::indexing_slicing, clippy::expect_used, reason = "the invariant of the module")]
    fn get(&self, index: u32) -> &Entry {
        self.0[index as usize].as_ref().expect("a slot with a webhook")
    }

    /// Removes the entry of a slot that has a webhook.
    #[expect(clippy::indexing_slicing, clippy::expect_used, reason = "the invariant of the module")]
    fn remove(&mut self, index: u32) -> Entry {
        self.0[index as usize].take().expect("a slot with a webhook")
    }

    /// Replaces the webhook of a slot that has one, and returns the old one.
    #[expect(clippy::indexing_slicing, clippy::expect_used, reason = "the invariant of the module")]
    fn replace(&mut self, index: u32, webhook: Arc<Webhook>) -> Arc<Webhook> {
        let entry = self.0[index as usize].as_mut().expect("a slot with a webhook");
        std::mem::replace(&mut entry.webhook, webhook)
    }

    /// Puts an entry at the index of its slot, which has no webhook, and returns the index.
    #[expect(clippy::indexing_slicing, reason = "the list is made long enough")]
    #[expect(clippy::cast_possible_truncation, reason = "the matcher's slot indices have 32 bits")]
    fn insert(&mut self, entry: Entry) -> u32 {
        let index = entry.slot.index();
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        debug_assert!(self.0[index].is_none(), "slot {index} has a webhook");
        self.0[index] = Some(entry);
        index as u32
    }

    /// Returns whether the webhook of a slot has an id.
    fn has_id(&self, index: u32, id: &str) -> bool {
        self.get(index).webhook.id().as_str() == id
    }

    fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().flatten()
    }
}

/// A change, as it is applied to one copy now and to the other one later.
///
/// It has everything that the change depends on, so that the second copy becomes what the first is,
/// even if the rules were replaced between the two.
pub(super) struct Step {
    pub(super) revision: u64,
    pub(super) catalogue: Catalogue,
    pub(super) edit: Edit,
}

/// What a step does to the webhooks.
pub(super) enum Edit {
    /// Inserts a webhook, or replaces the one with its id.
    Put(Arc<Webhook>, Subscription),
    /// Replaces a webhook by one with an equal subscription, which needs no change of the index.
    ///
    /// It takes 5,000 instructions less than `Put` in each copy (bench `instructions`, row
    /// `registry_put_same`).
    Swap(Arc<Webhook>),
    /// Removes the webhook with an id, if there is one.
    Remove(WebhookId),
}

impl Edit {
    /// Returns the webhook that the step puts.
    pub(super) fn webhook(&self) -> Option<&Arc<Webhook>> {
        match self {
            Self::Put(webhook, _) | Self::Swap(webhook) => Some(webhook),
            Self::Remove(_) => None,
        }
    }
}

impl State {
    /// Creates a state without webhooks.
    pub(super) fn new(rules: &Rules, revision: u64) -> Self {
        Self {
            revision,
            matcher: Matcher::new(rules.profile()),
            catalogue: rules.catalogue().clone(),
            entries: Entries::default(),
            ids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Returns the index of the slot that has the webhook with an id.
    fn find(&self, id: &str) -> Option<u32> {
        // The hash only narrows the search; what decides is that the ids are equal.
        let hash = self.hasher.hash_one(id);
        let is = |(other, index): &(u64, u32)| *other == hash && self.entries.has_id(*index, id);
        self.ids.find(hash, is).map(|(_, index)| *index)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Webhook>> {
        self.find(id).map(|index| self.at(index))
    }

    /// Returns the webhook whose slot has this index, which this state's matcher returned.
    #[inline]
    pub(super) fn at(&self, index: u32) -> &Arc<Webhook> {
        &self.entries.get(index).webhook
    }

    pub(super) fn webhooks(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.entries.iter().map(|entry| &entry.webhook)
    }

    /// Inserts a webhook, and returns the one with the same id that it replaced.
    pub(super) fn put(
        &mut self,
        webhook: Arc<Webhook>,
        subscription: &Subscription,
    ) -> Result<Option<Arc<Webhook>>, InsertError> {
        // The insert comes first: it is all that can fail, and nothing has been changed then.
        let slot = self.matcher.insert(subscription)?;
        // The old webhook is in another slot, since the new one has taken its own already.
        let old = self.remove(webhook.id().as_str());
        let hash = self.hasher.hash_one(webhook.id().as_str());
        let index = self.entries.insert(Entry { slot, webhook });
        self.ids.insert_unique(hash, (hash, index), |(hash, _)| *hash);
        Ok(old)
    }

    /// Removes a webhook and returns it.
    fn remove(&mut self, id: &str) -> Option<Arc<Webhook>> {
        let hash = self.hasher.hash_one(id);
        let is = |(other, index): &(u64, u32)| *other == hash && self.entries.has_id(*index, id);
        // If no webhook has the id, there is nothing to remove.
        let ((_, index), _) = self.ids.find_entry(hash, is).ok()?.remove();
        let Entry { slot, webhook } = self.entries.remove(index);
        self.matcher.remove(slot);
        Some(webhook)
    }

    /// Replaces a webhook by one with its id and an equal subscription, and returns the old one.
    #[expect(clippy::expect_used, reason = "a step is prepared for a state with the webhook")]
    fn swap(&mut self, webhook: &Arc<Webhook>) -> Arc<Webhook> {
        let index = self.find(webhook.id().as_str()).expect("a webhook to replace");
        self.entries.replace(index, Arc::clone(webhook))
    }

    /// Applies a change, and returns the webhook that it replaced or removed.
    pub(super) fn step(&mut self, step: &Step) -> Result<Option<Arc<Webhook>>, InsertError> {
        let old = match &step.edit {
            Edit::Put(webhook, subscription) => self.put(Arc::clone(webhook), subscription)?,
            Edit::Swap(webhook) => Some(self.swap(webhook)),
            Edit::Remove(id) => self.remove(id.as_str()),
        };
        self.revision = step.revision;
        self.catalogue.clone_from(&step.catalogue);
        Ok(old)
    }

    /// Returns the bytes of the index, and those of the tables that find webhooks by id and slot.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let entries = self.entries.0.capacity() * size_of::<Option<Entry>>();
        (self.matcher.bytes(), entries + self.ids.allocation_size())
    }
}
