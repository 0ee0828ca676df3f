//! The reference: the requests that must arrive for each event.
//!
//! It replays the acknowledged changes of a tenant, and matches an event against the webhooks of
//! its revision one by one.

use crate::events::{self, Form};
use crate::receiver::Arrival;
use hooksieve::event::Envelope;
use hooksieve::matcher::{Access, Audience, Subscription};
use hooksieve::webhook::{Level, MAX_PER_USER, NewWebhook, Rules, Webhook};
use serde_json::Value;
use std::collections::BTreeMap;

/// A change that the server acknowledged.
#[derive(Debug)]
pub struct Change {
    pub tenant: &'static str,
    pub revision: u64,
    pub id: String,
    pub kind: ChangeKind,
}

#[derive(Debug)]
pub enum ChangeKind {
    Created { by: String, document: Value },
    Replaced(Value),
    Patched(Value),
    Deleted,
}

/// A webhook with its document, which patches change as in RFC 6902, and its subscription.
struct Known {
    by: String,
    document: Value,
    webhook: Webhook,
    subscription: Subscription,
}

impl Known {
    fn new(rules: &Rules, tenant: &str, id: &str, by: String, document: Value) -> Self {
        let new = NewWebhook::new(id, by.as_str(), std::time::UNIX_EPOCH.into());
        let webhook = Webhook::create(&document.clone().into(), rules, new);
        let webhook = webhook.unwrap_or_else(|problems| panic!("{problems}: {document}")).webhook;
        let types = document["eventTypes"].as_array().unwrap().iter();
        let types = types.map(|name| name.as_str().unwrap());
        let owner = document["ownerId"].as_str().unwrap_or(&by);
        let audience = match document["level"] == "user" {
            true => Audience::Owner(owner.into()),
            false => Audience::Tenant,
        };
        let subscription = Subscription::new(tenant, types, webhook.filter().clone())
            .with_audience(audience)
            .with_enabled(document["enabled"] == true);
        Self { by, document, webhook, subscription }
    }
}

/// The webhooks of a tenant at a revision.
pub struct Reference {
    rules: Rules,
    tenant: &'static str,
    revision: u64,
    webhooks: BTreeMap<String, Known>,
}

impl Reference {
    pub fn new(tenant: &'static str) -> Self {
        Self { rules: Rules::default(), tenant, revision: 0, webhooks: BTreeMap::new() }
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Applies the next change.
    pub fn apply(&mut self, change: &Change) {
        self.revision += 1;
        assert_eq!(change.revision, self.revision, "each revision has one acknowledged change");
        let known = self.webhooks.remove(&change.id);
        let (by, document) = match (&change.kind, known) {
            (ChangeKind::Created { by, document }, None) => (by.clone(), document.clone()),
            (ChangeKind::Replaced(document), Some(known)) => (known.by, document.clone()),
            (ChangeKind::Patched(patch), Some(Known { by, mut document, .. })) => {
                let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
                json_patch::patch(&mut document, &patch).unwrap();
                (by, document)
            }
            (ChangeKind::Deleted, Some(_)) => return,
            (kind, known) => panic!("{kind:?} of a webhook (exists: {})", known.is_some()),
        };
        let known = Known::new(&self.rules, self.tenant, &change.id, by, document);
        self.webhooks.insert(change.id.clone(), known);
        let count = |user: &str| self.webhooks.values().filter(|known| known.by == user).count();
        let by = &self.webhooks[&change.id].by;
        assert!(count(by) <= MAX_PER_USER, "user `{by}` has {} webhooks", count(by));
    }

    /// Returns what must arrive for an event.
    pub fn arrivals(&self, number: u64) -> Vec<Arrival> {
        let event = events::event(number);
        let read = self.rules.profile().read_event(&event.bytes).unwrap();
        let matching = self
            .webhooks
            .values()
            .filter(|known| known.subscription.matches(&read, Access::EventOwner));
        let arrival = |known: &Known| {
            let form = match (event.form, known.webhook.envelope()) {
                (Form::Mixed, _) => Form::Mixed,
                (_, Envelope::Legacy) => Form::Legacy,
                _ => Form::CloudEvents,
            };
            let of_user = known.webhook.level() == Level::User;
            Arrival { number, url: known.webhook.url().into(), form, of_user }
        };
        matching.map(arrival).collect()
    }

    /// Returns the webhooks as the API shows them, reduced to the members that users set.
    pub fn shown(&self) -> BTreeMap<String, Value> {
        let members = |known: &Known| {
            let whole = serde_json::to_value(&known.webhook).unwrap();
            set_by_users(&whole)
        };
        self.webhooks.iter().map(|(id, known)| (id.clone(), members(known))).collect()
    }
}

/// Returns the members of a webhook that users set.
pub fn set_by_users(shown: &Value) -> Value {
    const SET: [&str; 13] = [
        "createdByUserId",
        "description",
        "enableCloudEventDelivery",
        "enabled",
        "encryptedHeaders",
        "eventTypes",
        "filter",
        "headers",
        "level",
        "name",
        "ownerId",
        "secretKeyAdded",
        "url",
    ];
    SET.iter()
        .map(|name| ((*name).to_owned(), shown[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
