use super::plan::Plan;
use super::{Scratch, Stats};
use hashbrown::HashMap;

/// The subscriptions of one tenant, event type and audience.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Slots whose default verdict is true, ascending.
    defaults: Vec<u32>,
    /// For each attribute, by value, ascending by slot.
    postings: Vec<HashMap<Box<str>, Vec<Posting>>>,
}

/// A subscription that looks at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting {
    slot: u32,
    /// Where the key holds, the verdict is not the default one.
    enough: bool,
}

impl Index {
    pub(super) fn is_empty(&self) -> bool {
        self.defaults.is_empty() && self.postings.iter().all(HashMap::is_empty)
    }

    pub(super) fn insert(&mut self, slot: u32, plan: &Plan) {
        if plan.default() {
            insert_sorted(&mut self.defaults, slot, |slot| *slot);
        }
        for (attribute, value, enough) in plan.keys() {
            if self.postings.len() <= attribute {
                self.postings.resize_with(attribute + 1, HashMap::default);
            }
            let Some(values) = self.postings.get_mut(attribute) else {
                continue;
            };
            let posting = Posting { slot, enough };
            match values.get_mut(value) {
                Some(postings) => insert_sorted(postings, posting, |posting| posting.slot),
                None => {
                    values.insert(value.into(), vec![posting]);
                }
            }
        }
    }

    /// Undoes [`insert`](Self::insert) of the same slot and plan.
    pub(super) fn remove(&mut self, slot: u32, plan: &Plan) {
        if plan.default() {
            remove_sorted(&mut self.defaults, slot, |slot| *slot);
        }
        for (attribute, value, _) in plan.keys() {
            let Some(values) = self.postings.get_mut(attribute) else {
                continue;
            };
            let Some(postings) = values.get_mut(value) else {
                continue;
            };
            remove_sorted(postings, slot, |posting| posting.slot);
            if postings.is_empty() {
                values.remove(value);
            }
        }
    }

    /// Appends the slots that an event hits to `scratch.hits`, ascending. `value` gives the event's
    /// value of an attribute; `matches` evaluates the filter in a slot.
    pub(super) fn collect<'e>(
        &self,
        value: impl Fn(usize) -> Option<&'e str>,
        matches: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            touched,
            hits,
            work,
        } = scratch;
        touched.clear();
        let mut lists = 0;
        for (attribute, values) in self.postings.iter().enumerate() {
            if values.is_empty() {
                continue;
            }
            let Some(value) = value(attribute) else {
                continue;
            };
            work.probes += 1;
            if let Some(postings) = values.get(value) {
                lists += 1;
                touched.extend_from_slice(postings);
            }
        }
        work.postings += touched.len();
        if lists > 1 {
            touched.sort_unstable();
        }
        let mut defaults = self.defaults.as_slice();
        for same_slot in touched.chunk_by(|a, b| a.slot == b.slot) {
            let Some(Posting { slot, .. }) = same_slot.first() else {
                continue;
            };
            let (before, rest) = defaults.split_at(defaults.partition_point(|other| other < slot));
            hits.extend_from_slice(before);
            let default = rest.first() == Some(slot);
            defaults = rest.get(usize::from(default)..).unwrap_or_default();
            let verdict = if same_slot.iter().any(|posting| posting.enough) {
                !default
            } else {
                work.tests += 1;
                matches(*slot)
            };
            if verdict {
                hits.push(*slot);
            }
        }
        hits.extend_from_slice(defaults);
    }

    pub(super) fn count(&self, stats: &mut Stats) {
        stats.defaults += self.defaults.len();
        for values in &self.postings {
            stats.keys += values.len();
            stats.postings += values.values().map(Vec::len).sum::<usize>();
        }
    }
}

/// Keeps a list ascending; appending to its end, as in a bulk load, takes constant time.
fn insert_sorted<T>(list: &mut Vec<T>, item: T, slot: impl Fn(&T) -> u32) {
    let key = slot(&item);
    let at = match list.last() {
        Some(last) if slot(last) >= key => list.partition_point(|other| slot(other) < key),
        _ => list.len(),
    };
    list.insert(at, item);
}

fn remove_sorted<T>(list: &mut Vec<T>, key: u32, slot: impl Fn(&T) -> u32) {
    if let Ok(at) = list.binary_search_by_key(&key, slot) {
        list.remove(at);
    }
}
