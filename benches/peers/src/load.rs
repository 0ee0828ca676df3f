//! The load of a run: filters and events, in the forms that the engines take.

use crate::hook;
use crate::term::{ATTRIBUTES, Term};
use crate::workload::{Mix, TENANT, Workload};
use serde_json::Value;

/// The filters and events that every engine gets.
pub struct Load {
    pub filters: Vec<Filter>,
    /// The events that are timed and checked.
    pub events: Vec<Input>,
    /// Events in which attributes are absent or null. They are checked, but not timed.
    pub gaps: Vec<Input>,
}

pub struct Filter {
    pub text: String,
    pub term: Term,
}

/// An event in all forms that an engine may take.
///
/// It is never freed, since wirefilter requires values that live as long as its scheme.
pub struct Input {
    pub bytes: &'static [u8],
    /// By index of [`ATTRIBUTES`].
    pub values: [Option<&'static str>; ATTRIBUTES.len()],
    pub read: hook::Event,
}

impl Load {
    /// Creates a load with the seeds of `benches/matching.rs`.
    pub fn new(mix: Mix, webhooks: usize, events: usize) -> Self {
        let mut workload = Workload::new(mix, webhooks, 42);
        let filters = (0..webhooks).map(|_| Filter::new(workload.filter())).collect();
        let mut workload = Workload::new(mix, webhooks, 7);
        let texts: Vec<String> = (0..events).map(|_| workload.event(TENANT)).collect();
        let gaps = texts.iter().take(64).enumerate().map(|(number, text)| gap(text, number));
        Self {
            filters,
            gaps: gaps.map(|text| Input::new(&text)).collect(),
            events: texts.iter().map(|text| Input::new(text)).collect(),
        }
    }
}

impl Filter {
    pub fn new(text: String) -> Self {
        Self { term: hook::term(&text), text }
    }
}

/// Returns the event without the attributes whose bits are 0 in the number.
///
/// The higher bits decide which of them are null instead of absent.
fn gap(text: &str, number: usize) -> String {
    let mut event: Value = serde_json::from_str(text).unwrap();
    for (bit, pointer) in ["/data/id", "/spaceid", "/toplevelresourceid", "/data/status"]
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| number >> bit & 1 == 0)
    {
        let (object, key) = pointer.rsplit_once('/').unwrap();
        let object = event.pointer_mut(object).and_then(Value::as_object_mut).unwrap();
        if ((number >> 4) + bit).is_multiple_of(2) {
            object.remove(key);
        } else {
            object.insert(key.to_owned(), Value::Null);
        }
    }
    event.to_string()
}

impl Input {
    fn new(text: &str) -> Self {
        let bytes: &'static str = text.to_owned().leak();
        let read = hook::read(bytes.as_bytes());
        let value = |name| Some(&*hook::attribute(&read, name)?.to_owned().leak());
        Self { bytes: bytes.as_bytes(), values: ATTRIBUTES.map(value), read }
    }
}
