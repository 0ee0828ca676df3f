use super::plan::{Number, Plan, Plans};
use super::{Scratch, Stats};
use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// The subscriptions of one tenant, event type and audience.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Slots whose default verdict is true, ascending.
    defaults: SmallVec<[u32; 4]>,
    keys: HashTable<Key>,
    hasher: DefaultHashBuilder,
    /// Keys of each attribute, so that one that nobody asks about costs nothing.
    used: Vec<u32>,
}

/// An attribute value that a filter mentions.
#[derive(Clone, Debug)]
struct Key {
    attribute: usize,
    value: SmallVec<[u8; 40]>,
    /// What plans know the value by; `Number::NONE` while none that is evaluated mentions it.
    number: Number,
    /// How many such mentions there are.
    mentions: u32,
    /// Slots whose verdict this key alone turns, ascending.
    turns: SmallVec<[u32; 4]>,
    /// Slots whose plan is to be evaluated where this key holds, ascending.
    tests: SmallVec<[Test; 1]>,
}

impl Key {
    fn is(&self, attribute: usize, value: &str) -> bool {
        self.attribute == attribute && *self.value == *value.as_bytes()
    }
}

/// A slot and its plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Test {
    slot: u32,
    plan: u32,
}

impl Index {
    pub(super) fn is_empty(&self) -> bool {
        self.defaults.is_empty() && self.keys.is_empty()
    }

    /// Adds a slot with the plan that is found under `id`.
    pub(super) fn insert(&mut self, slot: u32, plan: &Plan, id: u32) {
        if plan.default() {
            self.defaults.put(slot, |slot| *slot);
        }
        for (attribute, value, number) in plan.mentions() {
            let key = self.key(attribute, value);
            key.number = number;
            key.mentions += 1;
        }
        for (attribute, value, enough) in plan.keys() {
            let key = self.key(attribute, value);
            if enough {
                key.turns.put(slot, |slot| *slot);
            } else {
                key.tests.put(Test { slot, plan: id }, |test| test.slot);
            }
        }
    }

    /// Undoes [`insert`](Self::insert) of the same slot and plan.
    pub(super) fn remove(&mut self, slot: u32, plan: &Plan) {
        if plan.default() {
            self.defaults.take(slot, |slot| *slot);
        }
        for (attribute, value, _) in plan.mentions() {
            self.lessen(attribute, value, |key| {
                key.mentions -= 1;
                if key.mentions == 0 {
                    key.number = Number::NONE;
                }
            });
        }
        for (attribute, value, enough) in plan.keys() {
            self.lessen(attribute, value, |key| {
                if enough {
                    key.turns.take(slot, |slot| *slot);
                } else {
                    key.tests.take(slot, |test| test.slot);
                }
            });
        }
    }

    fn hash(&self, attribute: usize, value: &str) -> u64 {
        self.hasher.hash_one((attribute, value.as_bytes()))
    }

    fn find(&self, attribute: usize, value: &str) -> Option<&Key> {
        self.keys.find(self.hash(attribute, value), |key| key.is(attribute, value))
    }

    /// The key, made where it is new.
    fn key(&mut self, attribute: usize, value: &str) -> &mut Key {
        let hash = self.hash(attribute, value);
        let Self { keys, hasher, used, .. } = self;
        let rehash = |key: &Key| hasher.hash_one((key.attribute, &*key.value));
        match keys.entry(hash, |key| key.is(attribute, value), rehash) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                if used.len() <= attribute {
                    used.resize(attribute + 1, 0);
                }
                if let Some(used) = used.get_mut(attribute) {
                    *used += 1;
                }
                let new = Key {
                    attribute,
                    value: SmallVec::from_slice(value.as_bytes()),
                    number: Number::NONE,
                    mentions: 0,
                    turns: SmallVec::new(),
                    tests: SmallVec::new(),
                };
                entry.insert(new).into_mut()
            }
        }
    }

    /// Takes something off a key, and the key away where nothing is left on it.
    fn lessen(&mut self, attribute: usize, value: &str, take: impl FnOnce(&mut Key)) {
        let hash = self.hash(attribute, value);
        let entry = self.keys.find_entry(hash, |key| key.is(attribute, value));
        let Ok(mut entry) = entry else { return };
        let key = entry.get_mut();
        take(key);
        if key.mentions == 0 && key.turns.is_empty() && key.tests.is_empty() {
            entry.remove();
            if let Some(used) = self.used.get_mut(attribute) {
                *used -= 1;
            }
        }
    }

    /// Appends the slots that an event hits to `scratch.hits`, ascending. `value` gives the event's
    /// value of an attribute.
    ///
    /// A posting tells whether its slot's verdict is turned from the default one, the same by
    /// whichever key the slot is reached. The hits are the defaults, but for the turned slots, of
    /// which those that were in are out and those that were out are in.
    pub(super) fn collect<'e>(
        &self,
        value: impl Fn(usize) -> Option<&'e str>,
        plans: &Plans,
        scratch: &mut Scratch,
    ) {
        let Scratch { turned, tests, numbers, hits, work } = scratch;
        turned.clear();
        tests.clear();
        numbers.clear();
        for (attribute, used) in self.used.iter().enumerate() {
            let mut number = Number::NONE;
            if *used > 0
                && let Some(value) = value(attribute)
            {
                work.probes += 1;
                if let Some(key) = self.find(attribute, value) {
                    number = key.number;
                    work.postings += key.turns.len() + key.tests.len();
                    turned.extend_from_slice(&key.turns);
                    tests.extend_from_slice(&key.tests);
                }
            }
            numbers.push(number);
        }
        work.tests += tests.len();
        let tests = tests.iter().filter(|test| plans.turns(test.plan, numbers));
        turned.extend(tests.map(|test| test.slot));
        turned.sort_unstable();
        turned.dedup();

        let mut defaults = self.defaults.as_slice();
        for slot in turned.iter() {
            let (before, rest) = defaults.split_at(defaults.partition_point(|other| other < slot));
            hits.extend_from_slice(before);
            match rest.split_first() {
                Some((first, rest)) if first == slot => defaults = rest,
                _ => {
                    hits.push(*slot);
                    defaults = rest;
                }
            }
        }
        hits.extend_from_slice(defaults);
    }

    pub(super) fn count(&self, stats: &mut Stats) {
        stats.defaults += self.defaults.len();
        stats.keys += self.keys.len();
        stats.postings +=
            self.keys.iter().map(|key| key.turns.len() + key.tests.len()).sum::<usize>();
    }
}

/// A list that is kept ascending by slot.
trait Ascending<T> {
    /// Appending to the end, as in a bulk load, takes constant time.
    fn put(&mut self, item: T, slot: impl Fn(&T) -> u32);
    fn take(&mut self, of: u32, slot: impl Fn(&T) -> u32);
}

impl<T, const N: usize> Ascending<T> for SmallVec<[T; N]> {
    fn put(&mut self, item: T, slot: impl Fn(&T) -> u32) {
        let at = match self.last() {
            Some(last) if slot(last) >= slot(&item) => {
                self.partition_point(|other| slot(other) < slot(&item))
            }
            _ => self.len(),
        };
        self.insert(at, item);
    }

    fn take(&mut self, of: u32, slot: impl Fn(&T) -> u32) {
        if let Ok(at) = self.binary_search_by_key(&of, slot) {
            self.remove(at);
        }
    }
}
