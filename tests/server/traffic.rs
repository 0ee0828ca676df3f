//! Events and changes at once, from several tasks.

use crate::events::{self, Random, TENANTS, USERS};
use crate::net::{Answered, Asker};
use crate::reference::{Change, What};
use axum::http::StatusCode;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// For each change there are so many events.
pub const EVENTS_PER_CHANGE: u64 = 4;
/// About how many webhooks a tenant has, besides those that a user may have at most.
const WEBHOOKS: usize = 40;

/// An event that the server accepted.
#[derive(Debug)]
pub struct Sent {
    pub number: u64,
    pub tenant: &'static str,
    /// The moment before it was sent.
    pub at: u64,
    pub revision: u64,
    pub requests: u64,
}

/// When all that flows has flowed.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    pub events: u64,
    pub changes: u64,
}

pub struct Traffic {
    api: Asker,
    intake: Asker,
    until: Until,
    /// Counts moments: one that is read before something begins is below one that is taken after
    /// something else ended only if they come in that order.
    moments: AtomicU64,
    events: AtomicU64,
    changes: AtomicU64,
    names: AtomicU64,
    /// By tenant: the highest revision that was acknowledged.
    acknowledged: HashMap<&'static str, AtomicU64>,
    /// By tenant: webhooks that there are, or just were.
    webhooks: HashMap<&'static str, Mutex<Vec<Named>>>,
    /// Those of a user who has as many as a user may have.
    collected: HashMap<&'static str, Mutex<Vec<Named>>>,
    pub done: Done,
}

/// A webhook's id and name.
type Named = (String, String);

/// What happened.
#[derive(Default)]
pub struct Done {
    pub sent: Mutex<Vec<Sent>>,
    pub log: Mutex<Vec<Change>>,
    /// When deletions of webhooks had returned, by their names.
    pub deleted: Mutex<HashMap<String, u64>>,
    /// How often changes were refused, by code.
    pub refused: Mutex<BTreeMap<String, u64>>,
}

impl Traffic {
    pub fn new(api: Asker, intake: Asker, until: Until) -> Self {
        Self {
            api,
            intake,
            until,
            moments: AtomicU64::new(0),
            events: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            names: AtomicU64::new(0),
            acknowledged: TENANTS.map(|tenant| (tenant, AtomicU64::new(0))).into(),
            webhooks: TENANTS.map(|tenant| (tenant, Mutex::default())).into(),
            collected: TENANTS.map(|tenant| (tenant, Mutex::default())).into(),
            done: Done::default(),
        }
    }

    /// Ends the preparations, whose changes do not count.
    pub fn begin(&self) {
        self.changes.store(0, SeqCst);
    }

    fn flows(&self) -> bool {
        self.events.load(SeqCst) < self.until.events
            || self.changes.load(SeqCst) < self.until.changes
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, SeqCst)
    }

    /// Sends events one behind the other.
    pub async fn send_events(&self) {
        while self.flows() {
            let number = self.events.fetch_add(1, SeqCst);
            let events::Event { bytes, tenant, .. } = events::event(number);
            let acknowledged = self.acknowledged[tenant].load(SeqCst);
            let at = self.moment();
            let answer = self.intake.ask("", axum::http::Method::POST, "/events", bytes).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
            let answer = answer.json();
            let [revision, requests] =
                ["revision", "requests"].map(|name| answer[name].as_u64().unwrap());
            assert!(revision >= acknowledged, "a change that had returned was not seen");
            self.done.sent.lock().unwrap().push(Sent { number, tenant, at, revision, requests });
        }
    }

    /// Makes changes in step with the events, some of them two at a time of the same webhook.
    pub async fn make_changes(&self, tenant: &'static str, seed: u64) {
        let mut random = Random(seed);
        while self.flows() {
            let ahead = self.changes.load(SeqCst) * EVENTS_PER_CHANGE > self.events.load(SeqCst);
            if ahead {
                // Events flow until there are enough changes, so that this ends.
                tokio::task::yield_now().await;
                continue;
            }
            let (own, collected) = (&self.webhooks[tenant], &self.collected[tenant]);
            let count = own.lock().unwrap().len();
            let (any, random) = (Self::any(own, &mut random), &mut random);
            match (random.below(10), any) {
                (0..=2, _) if count < WEBHOOKS => self.create(tenant, random).await,
                (0..=2, Some(any)) => self.delete(tenant, own, &any, random).await,
                (3, _) => match Self::any(collected, random) {
                    Some(any) => self.delete(tenant, collected, &any, random).await,
                    None => self.collect(tenant, random).await,
                },
                (4, _) => {
                    let other = &mut Random(random.below(u64::MAX));
                    tokio::join!(self.collect(tenant, random), self.collect(tenant, other));
                }
                (5, Some(any)) => self.replace(tenant, &any, random).await,
                (6, Some(any)) => {
                    let other = &mut Random(random.below(u64::MAX));
                    let patches =
                        (self.patch(tenant, &any, random), self.patch(tenant, &any, other));
                    tokio::join!(patches.0, patches.1);
                }
                (7, Some(any)) => {
                    let other = &mut Random(random.below(u64::MAX));
                    let delete = self.delete(tenant, own, &any, other);
                    tokio::join!(self.patch(tenant, &any, random), delete);
                }
                (_, Some(any)) => self.patch(tenant, &any, random).await,
                (_, None) => self.create(tenant, random).await,
            }
        }
    }

    /// A name that no webhook had before.
    fn name(&self) -> String {
        format!("n{}", self.names.fetch_add(1, SeqCst))
    }

    /// A webhook by its id and name.
    fn any(of: &Mutex<Vec<Named>>, random: &mut Random) -> Option<Named> {
        let webhooks = of.lock().unwrap();
        // Often one of the last few, so that changes meet.
        let (count, few) = (webhooks.len() as u64, random.one_in(2));
        let back = random.below(if few { count.min(3) } else { count }.max(1));
        (count > 0).then(|| webhooks[(count - 1 - back) as usize].clone())
    }

    pub async fn create(&self, tenant: &'static str, random: &mut Random) {
        let (name, user) = (self.name(), random.of(&USERS));
        let owned = random.one_in(2);
        // Users for themselves, and an administrator for them and for all.
        let (by, caller) = match owned && random.one_in(2) {
            true => (user, format!("{tenant}/{user}")),
            false => ("ops", format!("{tenant}/ops/admin")),
        };
        let draft = events::draft(random, tenant, &name, owned.then_some(user));
        self.post(tenant, &self.webhooks[tenant], name, by, &caller, draft).await;
    }

    /// One more webhook that wants what hardly happens.
    pub async fn collect(&self, tenant: &'static str, random: &mut Random) {
        let name = self.name();
        let mut draft = events::draft(random, tenant, &name, None);
        draft["filter"] = format!(r#"id eq "rare{}""#, random.below(events::RARE)).into();
        draft["eventTypes"] = json!(events::TYPES);
        let caller = format!("{tenant}/max/admin");
        self.post(tenant, &self.collected[tenant], name, "max", &caller, draft).await;
    }

    async fn post(
        &self,
        tenant: &'static str,
        into: &Mutex<Vec<Named>>,
        name: String,
        by: &str,
        caller: &str,
        draft: serde_json::Value,
    ) {
        let answer = self.api.post(caller, "/api/v1/webhooks", &draft).await;
        if answer.status == StatusCode::CREATED {
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            into.lock().unwrap().push((id.clone(), name));
            self.acknowledge(tenant, &id, &answer, What::Created { by: by.to_owned(), draft });
        } else {
            self.refuse(&answer);
        }
    }

    async fn replace(&self, tenant: &'static str, (id, name): &Named, random: &mut Random) {
        let owner = random.one_in(2).then(|| random.of(&USERS));
        let draft = events::draft(random, tenant, name, owner);
        let path = format!("/api/v1/webhooks/{id}");
        let answer = self.api.put(&format!("{tenant}/ops/admin"), &path, &draft).await;
        match answer.status {
            StatusCode::OK => self.acknowledge(tenant, id, &answer, What::Replaced(draft)),
            _ => self.refuse(&answer),
        }
    }

    async fn patch(&self, tenant: &'static str, (id, name): &Named, random: &mut Random) {
        let patch = events::patch(random, tenant, name);
        let path = format!("/api/v1/webhooks/{id}");
        let answer = self.api.patch(&format!("{tenant}/ops/admin"), &path, &patch).await;
        match answer.status {
            StatusCode::NO_CONTENT => {
                self.acknowledge(tenant, id, &answer, What::Patched(patch));
            }
            _ => self.refuse(&answer),
        }
    }

    async fn delete(
        &self,
        tenant: &'static str,
        of: &Mutex<Vec<Named>>,
        (id, name): &Named,
        random: &mut Random,
    ) {
        let path = format!("/api/v1/webhooks/{id}");
        let answer = self.api.delete(&format!("{tenant}/ops/admin"), &path).await;
        let deleted = answer.status == StatusCode::NO_CONTENT;
        if deleted {
            self.acknowledge(tenant, id, &answer, What::Deleted);
            self.done.deleted.lock().unwrap().insert(name.clone(), self.moment());
        } else {
            self.refuse(&answer);
        }
        // Some stay for a while, so that changes come too late.
        if !deleted || !random.one_in(4) {
            of.lock().unwrap().retain(|(known, _)| known != id);
        }
    }

    fn acknowledge(&self, tenant: &'static str, id: &str, answer: &Answered, what: What) {
        let revision = answer.revision();
        self.acknowledged[tenant].fetch_max(revision, SeqCst);
        self.changes.fetch_add(1, SeqCst);
        self.done.log.lock().unwrap().push(Change { tenant, revision, id: id.to_owned(), what });
    }

    fn refuse(&self, answer: &Answered) {
        let expected = [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
        assert!(expected.contains(&answer.status), "{answer:?}");
        let mut refused = self.done.refused.lock().unwrap();
        for code in BTreeSet::from_iter(answer.codes()) {
            *refused.entry(code).or_default() += 1;
        }
    }
}
