//! The webhooks of a tenant, read by many threads while one changes them.
//!
//! There are two copies. Readers take the current one; a change is made on the spare, which then
//! becomes the current one, and the other one catches up before the next change. A spare that a
//! reader still holds is left to it, and a copy made instead: nobody waits for a reader, and no
//! reader waits at all.

use super::limits::{Limits, Used};
use super::sync::{ArcSwap, Mutex, MutexGuard, PoisonError, yield_now};
use super::{Change, ChangeError, subscription};
use crate::event::TenantId;
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
    /// By which the webhooks are indexed.
    pub(super) catalogue: Catalogue,
    /// By index of the slot.
    entries: Vec<Option<Entry>>,
    /// Hash of an id, and index of the slot.
    ids: HashTable<(u64, u32)>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone)]
struct Entry {
    slot: Slot,
    webhook: Arc<Webhook>,
}

/// A change that one copy has seen and the other has not.
struct Step {
    revision: u64,
    catalogue: Catalogue,
    remove: Option<WebhookId>,
    insert: Option<(Arc<Webhook>, Subscription)>,
}

impl State {
    pub(super) fn new(rules: &Rules, revision: u64) -> Self {
        Self {
            revision,
            matcher: Matcher::new(rules.profile()),
            catalogue: rules.catalogue().clone(),
            entries: Vec::new(),
            ids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn find(&self, id: &str) -> Option<(usize, &Entry)> {
        let is = |index: u32| {
            let entry = self.entries.get(index as usize)?.as_ref();
            entry.filter(|entry| entry.webhook.id().as_str() == id)
        };
        let hash = self.hasher.hash_one(id);
        let same = |(other, index): &(u64, u32)| *other == hash && is(*index).is_some();
        let (_, index) = self.ids.find(hash, same)?;
        Some((*index as usize, is(*index)?))
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Webhook>> {
        self.find(id).map(|(_, entry)| &entry.webhook)
    }

    /// The webhook in a slot of the matcher.
    #[inline]
    pub(super) fn at(&self, index: u32) -> Option<&Arc<Webhook>> {
        self.entries.get(index as usize)?.as_ref().map(|entry| &entry.webhook)
    }

    pub(super) fn webhooks(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.entries.iter().flatten().map(|entry| &entry.webhook)
    }

    /// Puts a webhook in; gives back the one of the same id that it takes the place of.
    pub(super) fn put(
        &mut self,
        webhook: Arc<Webhook>,
        subscription: &Subscription,
    ) -> Result<Option<Arc<Webhook>>, InsertError> {
        let slot = self.matcher.insert(subscription)?;
        let old = self.remove(webhook.id().as_str());
        let hash = self.hasher.hash_one(webhook.id().as_str());
        // The matcher counts its slots in 32 bits.
        let index = u32::try_from(slot.index()).unwrap_or(u32::MAX);
        self.ids.insert_unique(hash, (hash, index), |(hash, _)| *hash);
        if self.entries.len() <= slot.index() {
            self.entries.resize(slot.index() + 1, None);
        }
        if let Some(place) = self.entries.get_mut(slot.index()) {
            *place = Some(Entry { slot, webhook });
        }
        Ok(old)
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Webhook>> {
        let (index, _) = self.find(id)?;
        let hash = self.hasher.hash_one(id);
        if let Ok(entry) = self.ids.find_entry(hash, |(_, other)| *other as usize == index) {
            entry.remove();
        }
        let Entry { slot, webhook } = self.entries.get_mut(index)?.take()?;
        self.matcher.remove(slot);
        Some(webhook)
    }

    /// Makes a change; gives back the webhook that it replaced or removed.
    fn step(&mut self, step: &Step) -> Result<Option<Arc<Webhook>>, InsertError> {
        let mut old = None;
        if let Some((webhook, subscription)) = &step.insert {
            old = self.put(Arc::clone(webhook), subscription)?;
        }
        if let Some(id) = &step.remove {
            old = self.remove(id.as_str());
        }
        self.revision = step.revision;
        self.catalogue.clone_from(&step.catalogue);
        Ok(old)
    }

    /// Bytes of the index, and of what finds webhooks by id and slot.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let entries = self.entries.capacity() * size_of::<Option<Entry>>();
        (self.matcher.bytes(), entries + self.ids.allocation_size())
    }
}

/// Waits a little for readers that found this state while it was current: as long as the end of a
/// match takes on another core, and then as a thread that was put to sleep in the middle of one
/// needs to be woken. Copying is dearer than that, and waiting longer dearer than copying.
fn wait_for_readers(state: &Arc<State>) {
    const SPINS: usize = 64;
    const YIELDS: usize = 2;
    for attempt in 0..SPINS + YIELDS {
        if Arc::strong_count(state) == 1 {
            return;
        }
        match attempt < SPINS {
            true => std::hint::spin_loop(),
            false => yield_now(),
        }
    }
}

pub(super) struct Tenant {
    pub(super) id: TenantId,
    pub(super) current: ArcSwap<State>,
    writer: Mutex<Writer>,
}

/// What changes need, and who holds it makes them.
pub(super) struct Writer {
    spare: Option<Arc<State>>,
    /// What the spare has not seen.
    missed: Option<Step>,
    used: Used,
    /// What the next change is indexed by; what is there would be indexed alike.
    catalogue: Catalogue,
    pub(super) evicted: bool,
}

/// What becomes of a change, by its revision.
pub(super) enum Turn {
    /// It is made, and takes this revision.
    Takes(u64),
    /// Its revision is not above the tenant's, which is this: it has been seen.
    Seen(u64),
}

impl Writer {
    fn new(state: &State) -> Self {
        let mut used = Used::default();
        state.webhooks().for_each(|webhook| used.add(webhook));
        let catalogue = state.catalogue.clone();
        Self { spare: None, missed: None, used, catalogue, evicted: false }
    }
}

impl Tenant {
    pub(super) fn new(id: TenantId, state: State) -> Self {
        let writer = Mutex::new(Writer::new(&state));
        Self { id, current: ArcSwap::from_pointee(state), writer }
    }

    /// The right to change it. A panic while somebody had it left both copies whole or the spare
    /// taken, so that it is as good as ever.
    pub(super) fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all webhooks. A tenant that is evicted stays so.
    pub(super) fn replace(&self, writer: &mut Writer, state: State) {
        *writer = Writer { evicted: writer.evicted, ..Writer::new(&state) };
        self.current.store(Arc::new(state));
    }

    /// Whether a change is made, and the revision it takes: its own, or else the next.
    ///
    /// There is no next one after `u64::MAX`: such a change is refused, since to ignore it would lose
    /// it, and to take the same revision again would make two states of one.
    pub(super) fn turn(&self, given: Option<u64>) -> Result<Turn, ChangeError> {
        let highest = self.current.load().revision;
        match given {
            Some(revision) if revision <= highest => Ok(Turn::Seen(highest)),
            Some(revision) => Ok(Turn::Takes(revision)),
            None => highest.checked_add(1).map(Turn::Takes).ok_or_else(ChangeError::no_revision),
        }
    }

    /// Sees to it that what is there is indexed as the catalogue says, at the same revision.
    pub(super) fn index_by(
        &self,
        writer: &mut Writer,
        catalogue: &Catalogue,
    ) -> Result<(), InsertError> {
        if writer.catalogue == *catalogue {
            return Ok(());
        }
        let current = self.current.load_full();
        let under = |webhook, catalogue| subscription(webhook, &self.id, catalogue);
        let others = current.webhooks().filter_map(|webhook| {
            let new = under(webhook, catalogue);
            (new != under(webhook, &current.catalogue)).then_some((webhook, new))
        });
        let others: Vec<_> = others.collect();
        if !others.is_empty() {
            let mut state = State::clone(&current);
            state.catalogue.clone_from(catalogue);
            for (webhook, subscription) in others {
                state.put(Arc::clone(webhook), &subscription)?;
            }
            self.replace(writer, state);
        }
        writer.catalogue.clone_from(catalogue);
        Ok(())
    }

    pub(super) fn put(
        &self,
        writer: &mut Writer,
        revision: u64,
        webhook: Arc<Webhook>,
        subscription: Subscription,
        limits: &Limits,
    ) -> Result<Change, ChangeError> {
        let before = self.current.load().get(webhook.id().as_str()).cloned();
        writer.used.check(limits, before.as_deref(), &webhook)?;
        let insert = Some((webhook, subscription));
        let catalogue = writer.catalogue.clone();
        let step = Step { revision, catalogue, remove: None, insert };
        Ok(self.change(writer, step)?)
    }

    pub(super) fn remove(
        &self,
        writer: &mut Writer,
        revision: u64,
        id: &WebhookId,
    ) -> Result<Change, ChangeError> {
        let catalogue = writer.catalogue.clone();
        let step = Step { revision, catalogue, remove: Some(id.clone()), insert: None };
        Ok(self.change(writer, step)?)
    }

    fn change(&self, writer: &mut Writer, step: Step) -> Result<Change, InsertError> {
        let mut next = match writer.spare.take() {
            None => self.current.load_full(),
            Some(spare) => {
                wait_for_readers(&spare);
                spare
            }
        };
        // A copy, where somebody else holds it.
        let state = Arc::make_mut(&mut next);
        if let Some(missed) = writer.missed.take() {
            // What one copy took, the other takes.
            state.step(&missed)?;
        }
        match state.step(&step) {
            Ok(before) => {
                let revision = step.revision;
                let after = step.insert.as_ref().map(|(webhook, _)| Arc::clone(webhook));
                before.iter().for_each(|webhook| writer.used.remove(webhook));
                after.iter().for_each(|webhook| writer.used.add(webhook));
                writer.spare = Some(self.current.swap(next));
                writer.missed = Some(step);
                Ok(Change { revision, applied: true, before, after })
            }
            Err(error) => {
                writer.spare = Some(next);
                Err(error)
            }
        }
    }

    /// Bytes of the spare copy, where there is one.
    pub(super) fn spare_bytes(&self) -> usize {
        let bytes = |state: &Arc<State>| {
            let (index, places) = state.bytes();
            index + places
        };
        self.lock().spare.as_ref().map_or(0, bytes)
    }
}
