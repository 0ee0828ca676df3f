//! The dispatcher against a plain specification, over random histories on a virtual clock.
//!
//! A history has some tenants with webhooks, receivers that fail in every way, changes of webhooks,
//! and servers that are stopped or killed. At the end the receivers recover. Then the records in the
//! store and the log of what happened are compared with the specification:
//!
//! - every message has ended, for a reason that holds;
//! - its attempts are numbered, and each is made after the wait of the schedule, never earlier;
//! - nothing is sent to an endpoint whose circuit is open, and one probe after that;
//! - a webhook is disabled when the limits say so, and only then; nothing is sent to it afterwards;
//! - no endpoint has more attempts in flight than it may, nor have all together.
//!
//! `MODEL_HISTORIES` is the number of histories, and `MODEL_SEED` the first one's seed, which a
//! failure prints.

use super::spec::Spec;
use super::stage::{Answer, Entry, Receivers, SECOND, Stage, World, later, status};
use crate::server::dispatcher::Policy;
use crate::server::dispatcher::health::Limits;
use crate::server::dispatcher::schedule::Schedule;
use crate::server::dispatcher::state::Capacity;
use hooksieve::delivery::{MessageId, Request};
use hooksieve::webhook::WebhookId;
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// A generator of numbers (SplitMix64). Clones share state.
#[derive(Clone)]
struct Random(Arc<AtomicU64>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    fn below(&self, end: u64) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn index(&self, end: usize) -> usize {
        self.below(end as u64) as usize
    }
}

fn random_policy(random: &Random) -> Policy {
    let waits = (0..random.below(6)).map(|_| Duration::from_millis(1 + random.below(120_000)));
    let at_once = 1 + random.index(4);
    Policy {
        schedule: Schedule::new(waits.collect()),
        health: Limits {
            park_after: 1 + random.below(8) as u32,
            park_time: Duration::from_millis(1 + random.below(90_000)),
            disable_after: 2 + random.below(12) as u32,
            disable_time: Duration::from_millis(1 + random.below(900_000)),
        },
        capacity: Capacity {
            messages: 1 + random.index(80),
            attempts: 1 + random.index(12),
            of_endpoint: 1 + random.index(12),
            at_once,
        },
        lease: 600 * SECOND,
    }
}

/// How the receiver of a webhook behaves: how often of 100 it accepts, and how slow it is.
#[derive(Clone, Copy)]
struct Mood {
    accepts: u64,
    max_millis: u64,
}

type Moods = Arc<Mutex<HashMap<WebhookId, Mood>>>;

fn random_mood(random: &Random) -> Mood {
    let accepts = [0, 0, 30, 90, 100][random.index(5)];
    Mood { accepts, max_millis: [1, 500, 3_000, 30_000][random.index(4)] }
}

fn behaviour(random: Random, moods: Moods) -> impl Fn(&Request) -> Answer + Send + Sync {
    move |request| {
        let mood = moods.lock().unwrap()[request.webhook().id()];
        let time = Duration::from_millis(random.below(mood.max_millis));
        if random.below(100) < mood.accepts {
            return (time, status(200 + random.below(7) as u16));
        }
        let asked = random.below(200).to_string();
        let outcome = match random.below(60) {
            0 => status(410),
            1..10 => later(429, &asked),
            10..20 => later(503, "soon"),
            20..40 => status([302, 400, 404, 500][random.index(4)]),
            _ => Err("connection reset".to_owned()),
        };
        (time, outcome)
    }
}

/// A webhook of a history.
#[derive(Clone)]
pub(super) struct Hook {
    pub(super) tenant: &'static str,
    pub(super) id: WebhookId,
    pub(super) is_removed: bool,
}

const TENANTS: [&str; 3] = ["north", "south", "west"];

/// A history as it is made.
struct History {
    random: Random,
    moods: Moods,
    hooks: Vec<Hook>,
    messages: Vec<(usize, MessageId)>,
}

impl History {
    fn log(stage: &Stage, entry: Entry) {
        stage.world.receivers.log.lock().unwrap().push(entry);
    }

    async fn create(&mut self, stage: &Stage) {
        let tenant = TENANTS[self.random.index(TENANTS.len())];
        let id = stage.webhook(tenant).await;
        self.moods.lock().unwrap().insert(id.clone(), random_mood(&self.random));
        self.hooks.push(Hook { tenant, id, is_removed: false });
    }

    /// Returns the index of a webhook that exists.
    fn pick(&self) -> Option<usize> {
        let left: Vec<_> = (0..self.hooks.len()).filter(|i| !self.hooks[*i].is_removed).collect();
        (!left.is_empty()).then(|| left[self.random.index(left.len())])
    }

    async fn accept(&mut self, stage: &Stage) {
        let tenant = TENANTS[self.random.index(TENANTS.len())];
        let mut wanted = Vec::new();
        for (index, hook) in self.hooks.iter().enumerate() {
            if hook.tenant == tenant
                && !hook.is_removed
                && self.random.below(3) > 0
                && stage.shown(tenant, &hook.id).await["enabled"] == true
            {
                wanted.push(index);
            }
        }
        let ids: Vec<_> = wanted.iter().map(|index| &self.hooks[*index].id).collect();
        let messages = stage.accept(tenant, &ids).await;
        self.messages.extend(wanted.into_iter().zip(messages));
    }

    async fn change(&mut self, stage: &Stage) {
        let Some(index) = self.pick() else { return };
        let Hook { tenant, id, .. } = self.hooks[index].clone();
        Self::log(stage, Entry::Changing(id.clone()));
        match self.random.below(8) {
            0 => {
                stage.remove(tenant, &id).await;
                self.hooks[index].is_removed = true;
                return;
            }
            1..3 => stage.patch(tenant, &id, "/enabled", json!(false)).await,
            3..6 => stage.patch(tenant, &id, "/enabled", json!(true)).await,
            _ => stage.patch(tenant, &id, "/name", json!("changed")).await,
        }
        let enabled = stage.shown(tenant, &id).await["enabled"] == true;
        Self::log(stage, Entry::Changed(id, enabled));
    }

    async fn step(&mut self, stage: &Stage) {
        match self.random.below(100) {
            0..45 => self.accept(stage).await,
            45..48 => self.create(stage).await,
            48..60 => self.change(stage).await,
            60..68 => {
                if let Some(index) = self.pick() {
                    let mood = random_mood(&self.random);
                    self.moods.lock().unwrap().insert(self.hooks[index].id.clone(), mood);
                }
            }
            _ => {
                let max = [10, 1_000, 10_000, 120_000][self.random.index(4)];
                sleep(Duration::from_millis(self.random.below(max))).await;
            }
        }
    }

    /// Lets the receivers recover, and waits until every message has ended.
    async fn recover(&self, stage: &Stage) {
        let good = Mood { accepts: 100, max_millis: 50 };
        self.moods.lock().unwrap().values_mut().for_each(|mood| *mood = good);
        for _ in 0..500 {
            sleep(5 * SECOND).await;
            let mut left = 0;
            for tenant in TENANTS {
                let messages = stage.messages(tenant).await;
                left += messages.iter().filter(|message| message.outcome.is_none()).count();
            }
            if left == 0 {
                return;
            }
        }
        panic!("some messages have not ended");
    }
}

/// A change of the policy by which a history is checked.
type Change = fn(&mut Policy);

/// Makes a history and compares it with the specification, for a policy that may be changed. Returns
/// the number of steps.
fn history(seed: u64, change: Change) -> usize {
    let random = Random::new(seed);
    let mut world = World::new(random_policy(&random), seed);
    let moods = Moods::default();
    world.receivers.behave(behaviour(random.clone(), Arc::clone(&moods)));
    let mut history =
        History { random: random.clone(), moods, hooks: Vec::new(), messages: Vec::new() };
    let (lives, mut steps) = (1 + random.below(3), 0);
    for _ in 0..lives {
        let count = 10 + random.index(60);
        steps += count;
        world.run(async |stage| {
            for _ in 0..2 {
                history.create(stage).await;
            }
            for _ in 0..count {
                history.step(stage).await;
            }
            // Some servers are stopped, the others are killed.
            if random.below(2) == 0 {
                stage.dispatcher.stop();
                stage.dispatcher.idle().await;
            }
        });
    }
    let mut policy = world.policy.clone();
    change(&mut policy);
    world.run(async |stage| {
        history.recover(stage).await;
        let log = stage.world.receivers.log.lock().unwrap().clone();
        let spec = Spec { policy: &policy, log: &log };
        let mut rows = Vec::new();
        for tenant in TENANTS {
            rows.extend(stage.messages(tenant).await);
        }
        assert_eq!(rows.len(), history.messages.len());
        for row in &rows {
            let hook = history.hooks.iter().find(|hook| hook.id == row.webhook).unwrap();
            spec.check_message(stage, hook, row).await;
        }
        for hook in history.hooks.iter().filter(|hook| !hook.is_removed) {
            let of =
                history.messages.iter().filter(|(index, _)| history.hooks[*index].id == hook.id);
            let ids: Vec<_> = of.map(|(_, id)| id.clone()).collect();
            spec.check_endpoint(stage, hook, &ids).await;
        }
    });
    let Receivers { max_in_flight, ended, .. } = &*world.receivers;
    assert!(world.receivers.max_at_once() <= policy.capacity.at_once);
    assert!(max_in_flight.load(Ordering::SeqCst) <= policy.capacity.attempts);
    steps + ended.load(Ordering::SeqCst)
}

#[test]
fn agrees_with_the_specification_over_random_histories() {
    let number =
        |name: &str, other: u64| std::env::var(name).map_or(other, |text| text.parse().unwrap());
    let (first, count) = (number("MODEL_SEED", 1), number("MODEL_HISTORIES", 60));
    let mut steps = 0;
    for seed in first..first + count {
        match std::panic::catch_unwind(|| history(seed, |_| ())) {
            Ok(made) => steps += made,
            Err(error) => {
                eprintln!("MODEL_SEED={seed}");
                std::panic::resume_unwind(error);
            }
        }
    }
    println!("{steps} steps in {count} histories");
}

/// The specification is not so lenient that it agrees with everything: with another policy than the
/// dispatcher's it disagrees.
#[test]
fn disagrees_with_a_dispatcher_of_another_policy() {
    let changes: [(&str, Change); 5] = [
        ("waits", |policy| {
            let steps = (1..).map_while(|number| policy.schedule.step(number));
            policy.schedule = Schedule::new(steps.map(|step| step * 2).collect());
        }),
        ("parks later", |policy| policy.health.park_time *= 2),
        ("parks earlier", |policy| policy.health.park_after = 1),
        ("disables earlier", |policy| policy.health.disable_time = Duration::ZERO),
        ("disables later", |policy| policy.health.disable_after = 1_000),
    ];
    for (name, change) in changes {
        let disagrees = |seed| std::panic::catch_unwind(|| history(seed, change)).is_err();
        assert!((1..200).any(disagrees), "{name}");
    }
}
