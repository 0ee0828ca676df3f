//! The traffic of the proof: events and changes at the same time, from several tasks.

use crate::events::{self, Random, TENANTS, USERS};
use crate::net::{HttpClient, Reply};
use crate::reference::{Change, ChangeKind};
use axum::http::StatusCode;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The number of events for each change.
pub const EVENTS_PER_CHANGE: u64 = 4;
/// About the number of webhooks of a tenant, besides those of the user at the limit.
const WEBHOOKS: usize = 40;

/// An event that the server accepted.
#[derive(Debug)]
pub struct Sent {
    pub number: u64,
    pub tenant: &'static str,
    /// The moment at which it was sent.
    pub at: u64,
    pub revision: u64,
    pub requests: u64,
}

/// The end of the traffic: when both numbers are reached.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    pub events: u64,
    pub changes: u64,
}

pub struct Traffic {
    api: HttpClient,
    intake: HttpClient,
    until: Until,
    /// A logical clock. If one operation takes its moment before another takes one, the first
    /// moment is lower.
    moments: AtomicU64,
    events: AtomicU64,
    changes: AtomicU64,
    names: AtomicU64,
    /// The highest acknowledged revision of each tenant.
    acknowledged: HashMap<&'static str, AtomicU64>,
    /// The webhooks of each tenant; some of them may be deleted already.
    webhooks: HashMap<&'static str, Mutex<Vec<Named>>>,
    /// The webhooks of each tenant's user at the limit of webhooks per user.
    collected: HashMap<&'static str, Mutex<Vec<Named>>>,
    pub done: Done,
}

/// A webhook's id and name.
type Named = (String, String);

/// The results of all operations.
#[derive(Default)]
pub struct Done {
    pub sent: Mutex<Vec<Sent>>,
    pub log: Mutex<Vec<Change>>,
    /// The moments after the deletions of webhooks returned, by the webhooks' names.
    pub deleted: Mutex<HashMap<String, u64>>,
    /// The number of refused changes by code.
    pub refused: Mutex<BTreeMap<String, u64>>,
}

impl Traffic {
    pub fn new(api: HttpClient, intake: HttpClient, until: Until) -> Self {
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

    /// Ends the preparation, whose changes do not count towards the end.
    pub fn begin(&self) {
        self.changes.store(0, SeqCst);
    }

    fn goes_on(&self) -> bool {
        self.events.load(SeqCst) < self.until.events
            || self.changes.load(SeqCst) < self.until.changes
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, SeqCst)
    }

    /// Sends events one after another.
    pub async fn send_events(&self) {
        while self.goes_on() {
            let number = self.events.fetch_add(1, SeqCst);
            let events::Event { bytes, tenant, .. } = events::event(number);
            let acknowledged = self.acknowledged[tenant].load(SeqCst);
            let at = self.moment();
            let reply = self.intake.request("", axum::http::Method::POST, "/events", bytes).await;
            assert_eq!(reply.status, StatusCode::ACCEPTED, "{reply:?}");
            let reply = reply.json();
            let [revision, requests] =
                ["revision", "requests"].map(|name| reply[name].as_u64().unwrap());
            assert!(revision >= acknowledged, "a change that returned is seen");
            self.done.sent.lock().unwrap().push(Sent { number, tenant, at, revision, requests });
        }
    }

    /// Makes changes at the pace of the events, sometimes two of the same webhook at a time.
    pub async fn make_changes(&self, tenant: &'static str, seed: u64) {
        let mut random = Random(seed);
        while self.goes_on() {
            let ahead = self.changes.load(SeqCst) * EVENTS_PER_CHANGE > self.events.load(SeqCst);
            if ahead {
                // Events are sent until there are enough changes, so this ends.
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

    /// Returns a name that no webhook had before.
    fn name(&self) -> String {
        format!("n{}", self.names.fetch_add(1, SeqCst))
    }

    /// Picks a webhook at random.
    fn any(of: &Mutex<Vec<Named>>, random: &mut Random) -> Option<Named> {
        let webhooks = of.lock().unwrap();
        // In half of the cases one of the last three, so that changes of one webhook meet.
        let (count, recent) = (webhooks.len() as u64, random.one_in(2));
        let back = random.below(if recent { count.min(3) } else { count }.max(1));
        (count > 0).then(|| webhooks[(count - 1 - back) as usize].clone())
    }

    pub async fn create(&self, tenant: &'static str, random: &mut Random) {
        let (name, user) = (self.name(), random.of(&USERS));
        let owned = random.one_in(2);
        // A user creates its own webhooks, an administrator those of users and of the tenant.
        let (by, caller) = match owned && random.one_in(2) {
            true => (user, format!("{tenant}/{user}")),
            false => ("ops", format!("{tenant}/ops/admin")),
        };
        let document = events::document(random, tenant, &name, owned.then_some(user));
        self.post(tenant, &self.webhooks[tenant], name, by, &caller, document).await;
    }

    /// Creates a webhook of the user at the limit. Its filter matches few events.
    pub async fn collect(&self, tenant: &'static str, random: &mut Random) {
        let name = self.name();
        let mut document = events::document(random, tenant, &name, None);
        document["filter"] = format!(r#"id eq "rare{}""#, random.below(events::RARE)).into();
        document["eventTypes"] = json!(events::TYPES);
        let caller = format!("{tenant}/max/admin");
        self.post(tenant, &self.collected[tenant], name, "max", &caller, document).await;
    }

    async fn post(
        &self,
        tenant: &'static str,
        into: &Mutex<Vec<Named>>,
        name: String,
        by: &str,
        caller: &str,
        document: serde_json::Value,
    ) {
        let reply = self.api.post(caller, "/api/v1/webhooks", &document).await;
        if reply.status == StatusCode::CREATED {
            let id = reply.json()["id"].as_str().unwrap().to_owned();
            into.lock().unwrap().push((id.clone(), name));
            self.acknowledge(
                tenant,
                &id,
                &reply,
                ChangeKind::Created { by: by.to_owned(), document },
            );
        } else {
            self.refuse(&reply);
        }
    }

    async fn replace(&self, tenant: &'static str, (id, name): &Named, random: &mut Random) {
        let owner = random.one_in(2).then(|| random.of(&USERS));
        let document = events::document(random, tenant, name, owner);
        let path = format!("/api/v1/webhooks/{id}");
        let reply = self.api.put(&format!("{tenant}/ops/admin"), &path, &document).await;
        match reply.status {
            StatusCode::OK => self.acknowledge(tenant, id, &reply, ChangeKind::Replaced(document)),
            _ => self.refuse(&reply),
        }
    }

    async fn patch(&self, tenant: &'static str, (id, name): &Named, random: &mut Random) {
        let patch = events::patch(random, tenant, name);
        let path = format!("/api/v1/webhooks/{id}");
        let reply = self.api.patch(&format!("{tenant}/ops/admin"), &path, &patch).await;
        match reply.status {
            StatusCode::NO_CONTENT => {
                self.acknowledge(tenant, id, &reply, ChangeKind::Patched(patch));
            }
            _ => self.refuse(&reply),
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
        let reply = self.api.delete(&format!("{tenant}/ops/admin"), &path).await;
        let deleted = reply.status == StatusCode::NO_CONTENT;
        if deleted {
            self.acknowledge(tenant, id, &reply, ChangeKind::Deleted);
            self.done.deleted.lock().unwrap().insert(name.clone(), self.moment());
        } else {
            self.refuse(&reply);
        }
        // Some stay in the list for a while, so that later changes of them are refused.
        if !deleted || !random.one_in(4) {
            of.lock().unwrap().retain(|(known, _)| known != id);
        }
    }

    fn acknowledge(&self, tenant: &'static str, id: &str, reply: &Reply, kind: ChangeKind) {
        let revision = reply.revision();
        self.acknowledged[tenant].fetch_max(revision, SeqCst);
        self.changes.fetch_add(1, SeqCst);
        self.done.log.lock().unwrap().push(Change { tenant, revision, id: id.to_owned(), kind });
    }

    fn refuse(&self, reply: &Reply) {
        let expected = [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
        assert!(expected.contains(&reply.status), "{reply:?}");
        let mut refused = self.done.refused.lock().unwrap();
        for code in BTreeSet::from_iter(reply.codes()) {
            *refused.entry(code).or_default() += 1;
        }
    }
}
