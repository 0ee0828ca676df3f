//! Shared by the benches: webhooks, events for them, and the yardstick.
//!
//! A bench that includes this has `src/cli/verbs/generate/workload.rs` as its module `workload`.
#![allow(dead_code, reason = "no bench uses all of it")]

pub mod measure;
pub mod number;
pub mod table;
pub mod texts;

use crate::workload::{Mix, TENANT, TYPE, Workload};
use hooksieve::event::{Event, ShapeCache};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Access, Matcher, Scratch, Slot, Subscription};
use std::sync::LazyLock;

pub static PROFILE: LazyLock<Profile> = LazyLock::new(Profile::webhook);

/// The number of different events of a load; a bench repeats them.
pub const EVENTS: usize = 1_000;

/// The number of different events of a cold row: the parts of a large index that they use do not
/// stay in the caches.
pub const COLD_EVENTS: usize = 30_000;

/// Y, which every time is compared with: one `serde_json::Value` parse of an event.
pub fn yardstick(document: &str) -> serde_json::Value {
    serde_json::from_str(document).expect("generated events are valid")
}

pub fn read(document: &str) -> Event<'_> {
    PROFILE.read_event(document.as_bytes()).expect("generated events are valid")
}

/// Reads an event with the shapes of the events before it.
pub fn read_with<'a>(document: &'a str, shapes: &mut ShapeCache) -> Event<'a> {
    let event = PROFILE.read_event_with(document.as_bytes(), shapes);
    event.expect("generated events are valid")
}

/// Returns the number of webhooks that match.
pub fn hit(matcher: &Matcher, event: &Event<'_>, scratch: &mut Scratch) -> usize {
    matcher.matches(event, Access::EventOwner, scratch).len()
}

/// Reads what a match reads of an event, as if the event had just been read from its bytes.
pub fn touch(event: &Event<'_>) -> usize {
    let attributes = PROFILE.attributes().iter().map(|attribute| attribute.name());
    let values = attributes.filter_map(|name| event.attribute(name));
    let texts = values.chain([event.tenant(), event.event_type()]);
    texts.flat_map(str::bytes).map(usize::from).sum()
}

/// Returns the texts of random filters.
pub fn filters(mix: Mix, webhooks: usize) -> impl Iterator<Item = String> {
    let mut workload = Workload::new(mix, webhooks, 42);
    (0..webhooks).map(move |_| workload.filter())
}

pub fn subscription(tenant: &str, filter: &str) -> Subscription {
    let filter = PROFILE.filter(filter).expect("generated filters are valid");
    Subscription::new(tenant, [TYPE], filter)
}

/// Parses, checks and indexes the text of a filter.
pub fn insert(matcher: &mut Matcher, tenant: &str, filter: &str) -> Slot {
    matcher.insert(&subscription(tenant, filter)).expect("there is room")
}

/// Webhooks with events for them.
pub struct Load {
    pub subscriptions: Vec<Subscription>,
    pub documents: Vec<String>,
}

impl Load {
    /// Creates a load of one tenant and one event type.
    pub fn new(mix: Mix, webhooks: usize) -> Self {
        Self::with_events(mix, webhooks, EVENTS)
    }

    pub fn with_events(mix: Mix, webhooks: usize, events: usize) -> Self {
        Self::of_texts(filters(mix, webhooks), Workload::new(mix, webhooks, 7), events)
    }

    fn of_texts(
        texts: impl Iterator<Item = String>,
        mut workload: Workload,
        events: usize,
    ) -> Self {
        Self {
            subscriptions: texts.map(|text| subscription(TENANT, &text)).collect(),
            documents: (0..events).map(|_| workload.event(TENANT)).collect(),
        }
    }

    /// Creates a load whose filters have many terms: the terms of the mix `growing`, joined.
    pub fn of_terms(terms: usize, webhooks: usize, events: usize) -> Self {
        let texts: Vec<_> = filters(Mix::Growing, webhooks * terms).collect();
        let disjunctions = texts.iter().filter(|text| !text.contains(" and "));
        let all: Vec<_> = disjunctions.flat_map(|text| text.split(" or ")).collect();
        let texts = all.chunks(terms).take(webhooks).map(|terms| terms.join(" or "));
        Self::of_texts(texts, Workload::new(Mix::Growing, webhooks * terms, 7), events)
    }

    /// Creates a load whose values do not fit in the entries of the dictionary.
    pub fn of_long_values(webhooks: usize, events: usize) -> Self {
        const LONG: &str = "a-prefix-of-32-characters:-:-:-:";
        let longer = |text: String, places: &[&str]| {
            places.iter().fold(text, |text, place| text.replace(place, &format!("{place}{LONG}")))
        };
        let texts = filters(Mix::Growing, webhooks);
        let texts = texts.map(|text| longer(text, &[r#"d eq ""#, r#"d ne ""#]));
        let load = Self::of_texts(texts, Workload::new(Mix::Growing, webhooks, 7), events);
        let places = [r#""data":{"id":""#, r#""spaceid":""#, r#""toplevelresourceid":""#];
        let documents = load.documents.into_iter().map(|document| longer(document, &places));
        Self { documents: documents.collect(), ..load }
    }

    /// Creates a load of many tenants. An event has another tenant than the one before.
    pub fn of_tenants(tenants: usize, webhooks: usize, events: usize) -> Self {
        let tenant = |number: usize| format!("{number:04}{}", &TENANT[4..]);
        let texts = filters(Mix::Selective, tenants * webhooks).enumerate();
        let subscriptions =
            texts.map(|(number, text)| subscription(&tenant(number / webhooks), &text));
        let mut workload = Workload::new(Mix::Selective, webhooks, 7);
        // 617 has no divisor in common with the number of tenants, so each of them gets its turn.
        let turns = (0..events).map(|turn| tenant(turn * 617 % tenants));
        Self {
            subscriptions: subscriptions.collect(),
            documents: turns.map(|tenant| workload.event(&tenant)).collect(),
        }
    }

    /// Replaces the type of the events by one of the same length that no webhook has.
    pub fn without_type(self) -> Self {
        let (from, to) = (format!(r#""type":"{TYPE}""#), TYPE.replace("finished", "rejected"));
        let to = format!(r#""type":"{to}""#);
        let documents = self.documents.iter().map(|document| document.replace(&from, &to));
        Self { documents: documents.collect(), ..self }
    }

    pub fn matcher(&self) -> Matcher {
        let mut matcher = Matcher::new(&PROFILE);
        for subscription in &self.subscriptions {
            matcher.insert(subscription).expect("there is room");
        }
        matcher
    }

    /// Returns the events, read.
    pub fn events(&self) -> Vec<Event<'_>> {
        self.documents.iter().map(|document| read(document)).collect()
    }
}

/// Returns the events as `matches_all` takes them.
pub fn queries<'e, 'd>(events: &'e [Event<'d>]) -> Vec<(&'e Event<'d>, Access<'e>)> {
    events.iter().map(|event| (event, Access::EventOwner)).collect()
}

/// Returns the events in eight shapes, in turn: with and without three members.
pub fn of_eight_shapes(documents: &[String]) -> Vec<String> {
    const OPTIONAL: [&str; 3] = [r#""duration":42,"#, r#""rowLimit":-1,"#, r#""warnings":[],"#];
    let without = |(number, document): (usize, &String)| {
        let removed = OPTIONAL.iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
        removed.fold(document.clone(), |document, (_, member)| document.replace(member, ""))
    };
    documents.iter().enumerate().map(without).collect()
}
