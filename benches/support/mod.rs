//! What the benches share: webhooks with events for them, and the yardstick.
//!
//! A bench that includes this has `src/cli/workload.rs` as its module `workload`.
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

/// Different events of a load; a bench goes through them in a circle.
pub const EVENTS: usize = 1_000;

/// Y: what everything is compared with.
pub fn yardstick(document: &str) -> serde_json::Value {
    serde_json::from_str(document).expect("generated events are valid")
}

pub fn read(document: &str) -> Event<'_> {
    PROFILE.read_event(document.as_bytes()).expect("generated events are valid")
}

/// As events are read one after another.
pub fn read_with<'a>(document: &'a str, shapes: &mut ShapeCache) -> Event<'a> {
    let event = PROFILE.read_event_with(document.as_bytes(), shapes);
    event.expect("generated events are valid")
}

/// How many match.
pub fn hit(matcher: &Matcher, event: &Event<'_>, scratch: &mut Scratch) -> usize {
    matcher.matches(event, Access::EventOwner, scratch).len()
}

/// The texts of filters for the tenant and type of all loads.
pub fn filters(mix: Mix, webhooks: usize) -> impl Iterator<Item = String> {
    let mut workload = Workload::new(mix, webhooks, 42);
    (0..webhooks).map(move |_| workload.filter())
}

pub fn subscription(tenant: &str, filter: &str) -> Subscription {
    let filter = PROFILE.filter(filter).expect("generated filters are valid");
    Subscription::new(tenant, [TYPE], filter)
}

/// From the text of a filter to its place in the index.
pub fn insert(matcher: &mut Matcher, tenant: &str, filter: &str) -> Slot {
    matcher.insert(&subscription(tenant, filter)).expect("there is room")
}

/// Webhooks, and events as they arrive.
pub struct Load {
    pub subscriptions: Vec<Subscription>,
    pub documents: Vec<String>,
}

impl Load {
    /// One tenant, one event type.
    pub fn new(mix: Mix, webhooks: usize) -> Self {
        let subscriptions = filters(mix, webhooks).map(|text| subscription(TENANT, &text));
        let mut workload = Workload::new(mix, webhooks, 7);
        Self {
            subscriptions: subscriptions.collect(),
            documents: (0..EVENTS).map(|_| workload.event(TENANT)).collect(),
        }
    }

    /// Many tenants, and each event another's than the one before.
    pub fn of_tenants(tenants: usize, webhooks: usize) -> Self {
        let tenant = |number: usize| format!("{number:04}{}", &TENANT[4..]);
        let texts = filters(Mix::Selective, tenants * webhooks).enumerate();
        let subscriptions =
            texts.map(|(number, text)| subscription(&tenant(number / webhooks), &text));
        let mut workload = Workload::new(Mix::Selective, webhooks, 7);
        // 617 is prime, so that the tenants take turns.
        let turns = (0..EVENTS).map(|turn| tenant(turn * 617 % tenants));
        Self {
            subscriptions: subscriptions.collect(),
            documents: turns.map(|tenant| workload.event(&tenant)).collect(),
        }
    }

    /// The same, but that the events have a type of the same length that no webhook names.
    pub fn unwanted(self) -> Self {
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

    /// The attributes of the events.
    pub fn events(&self) -> Vec<Event<'_>> {
        self.documents.iter().map(|document| read(document)).collect()
    }
}

/// The events as the batched call takes them.
pub fn queries<'e, 'd>(events: &'e [Event<'d>]) -> Vec<(&'e Event<'d>, Access<'e>)> {
    events.iter().map(|event| (event, Access::EventOwner)).collect()
}
