//! Short programs of a few threads on one tenant, each in thousands of orders, which `shuttle`
//! chooses. Of every order the same is asked: nobody waits for ever, each revision is of one
//! change, what a change found and what a match answered is what a plain map says at its revision,
//! nobody sees less than was seen before he asked, and both copies end as the map does.
//!
//! `RUSTFLAGS='--cfg shuttle' cargo test --lib interleavings`. What fails prints its schedule, which
//! `shuttle::replay` takes in the place of `check_random`.

mod rules;

use super::{Change, ChangeError, Limits, Registry, UpdateError, subscription};
use crate::event::{Event, EventType, TenantId};
use crate::matcher::{Access, Subscription, Verdict};
use crate::webhook::{NewWebhook, Rules, Webhook};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

/// In how many orders each program runs by either scheduler.
const ORDERS: usize = 2_000;
/// How often the second one goes on with another thread than it would.
const DEPTH: usize = 3;

const TYPE: &str = "com.qlik.v1.app.created";
const IDS: [&str; 4] = ["w", "v", "x", "y"];
const VALUES: [&str; 6] = ["0", "1", "2", "3", "a", "b"];

static RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

/// Made once, since the threads are many and their stacks small.
static WEBHOOKS: LazyLock<BTreeMap<(&str, &str), (Webhook, Subscription)>> = LazyLock::new(|| {
    let all = IDS.iter().flat_map(|id| VALUES.iter().map(move |value| (*id, *value)));
    let made = all.map(|(id, value)| {
        let draft = serde_json::json!({
            "name": value, "url": "https://hooks.example.com/", "enabled": true,
            "eventTypes": [TYPE], "filter": format!("id eq \"{value}\""),
        });
        let creation = NewWebhook::new(id, "u1", std::time::UNIX_EPOCH.into());
        let webhook = Webhook::create(&draft.into(), &RULES, creation).unwrap().webhook;
        let plain = subscription(&webhook, &"t".into(), RULES.catalogue());
        ((id, value), (webhook, plain))
    });
    made.collect()
});

fn webhook(id: &str, value: &str) -> Webhook {
    WEBHOOKS[&(id, value)].0.clone()
}

fn event(value: &str) -> Event<'_> {
    Event::new(RULES.profile().attribute_paths(), TenantId::from("t"), EventType::from(TYPE))
        .with_attribute("id", value)
        .unwrap()
}

/// The reference: webhooks by their id.
type Twin = BTreeMap<String, Arc<Webhook>>;

fn wanted(twin: &Twin, value: &str) -> BTreeSet<String> {
    let event = event(value);
    let wants = |webhook: &Webhook| {
        let (same, plain) = &WEBHOOKS[&(webhook.id().as_str(), webhook.name())];
        assert_eq!(same, webhook);
        plain.matches(&event, Access::EventOwner)
    };
    twin.iter().filter(|(_, webhook)| wants(webhook)).map(|(id, _)| id.clone()).collect()
}

fn ids<'w>(webhooks: impl Iterator<Item = &'w Arc<Webhook>>) -> BTreeSet<String> {
    webhooks.map(|webhook| webhook.id().to_string()).collect()
}

/// What a change was, for the reference.
enum Made {
    One(&'static str, Change),
    All(Vec<Webhook>),
}

struct Answered {
    revision: u64,
    value: &'static str,
    ids: BTreeSet<String>,
}

#[derive(Default)]
struct Log {
    made: BTreeMap<u64, Made>,
    answered: Vec<Answered>,
    /// The highest revision that anybody was told.
    told: u64,
    /// And not loaded again; right where one thread does both.
    evicted: bool,
}

/// A registry, and what its threads were told. The lock of the log is a plain one: nobody is
/// stopped while he holds it.
#[derive(Clone)]
struct World {
    registry: Registry,
    log: Arc<Mutex<Log>>,
    /// The webhooks that new rules refused, once they were reported.
    reported: Arc<Mutex<Option<BTreeSet<String>>>>,
}

type Told<E> = Result<Change, E>;

impl World {
    fn new(limits: &Limits, loaded: &[(&str, &str)]) -> Self {
        let registry = Registry::with_limits(&RULES, limits.clone());
        let world = Self { registry, log: Arc::default(), reported: Arc::default() };
        let _ = world.load(loaded, 0);
        world
    }

    fn told(&self) -> u64 {
        self.log.lock().unwrap().told
    }

    /// Notes a change that was asked for when `least` had been told.
    fn note(&self, least: u64, given: Option<u64>, change: &Change, made: Made) {
        let mut log = self.log.lock().unwrap();
        if change.applied {
            assert!(change.revision > least || matches!(made, Made::All(_)), "made upon the last");
            assert!(given.is_none_or(|given| given == change.revision), "the one given");
            assert!(log.made.insert(change.revision, made).is_none(), "a revision of two changes");
        } else {
            assert!(given.is_some_and(|given| given <= change.revision), "what is news is made");
            assert!(change.revision >= least, "ignored for what is there");
        }
        log.told = log.told.max(change.revision);
    }

    fn one<E>(
        &self,
        id: &'static str,
        given: Option<u64>,
        ask: impl FnOnce() -> Told<E>,
    ) -> Told<E> {
        let least = self.told();
        let change = ask()?;
        self.note(least, given, &change, Made::One(id, change.clone()));
        Ok(change)
    }

    fn put(&self, id: &'static str, value: &str) -> Told<ChangeError> {
        self.one(id, None, || self.registry.put(&"t".into(), webhook(id, value)))
    }

    fn put_at(&self, id: &'static str, value: &str, revision: u64) -> Told<ChangeError> {
        let put = || self.registry.put_at(&"t".into(), webhook(id, value), revision);
        self.one(id, Some(revision), put)
    }

    fn remove(&self, id: &'static str) -> Told<ChangeError> {
        self.one(id, None, || self.registry.remove(&"t".into(), &id.into()))
    }

    fn remove_at(&self, id: &'static str, revision: u64) -> Told<ChangeError> {
        let remove = || self.registry.remove_at(&"t".into(), &id.into(), revision);
        self.one(id, Some(revision), remove)
    }

    /// Counts a webhook up.
    fn count(&self, id: &'static str) -> Told<UpdateError<Infallible>> {
        let change = |before: &Webhook| {
            let now = self.registry.get(&"t".into(), &id.into());
            // Nobody has it any more where it was evicted meanwhile.
            assert!(now.is_none_or(|now| std::ptr::eq(&*now, before)), "as it is now");
            assert!(!self.log.lock().unwrap().evicted, "an update of what is gone");
            let count: u64 = before.name().parse().unwrap();
            Ok(webhook(id, &(count + 1).to_string()))
        };
        self.one(id, None, || self.registry.update(&"t".into(), &id.into(), change))
    }

    fn load(&self, all: &[(&str, &str)], revision: u64) -> Change {
        let least = self.told();
        let all: Vec<Webhook> = all.iter().map(|(id, value)| webhook(id, value)).collect();
        self.log.lock().unwrap().evicted = false;
        let change = self.registry.load_at("t", all.clone(), revision).unwrap();
        self.note(least, Some(revision), &change, Made::All(all));
        change
    }

    fn evict(&self) {
        if self.registry.evict(&"t".into()) {
            self.log.lock().unwrap().evicted = true;
        }
    }

    fn answered(&self, least: u64, answered: Answered) {
        assert!(answered.revision >= least, "what was told is seen");
        let mut log = self.log.lock().unwrap();
        log.told = log.told.max(answered.revision);
        log.answered.push(answered);
    }

    /// Asks who wants an event, and again why; whether the tenant was there.
    fn read(&self, value: &'static str) -> bool {
        self.hold(value, || {}) && {
            let least = self.told();
            let Ok(verdicts) = self.registry.verdicts(&event(value), Access::EventOwner) else {
                return false;
            };
            let hit = verdicts.webhooks.iter().filter(|(_, verdict)| *verdict == Verdict::Matched);
            let (revision, ids) = (verdicts.revision, ids(hit.map(|(webhook, _)| webhook)));
            self.answered(least, Answered { revision, value, ids });
            true
        }
    }

    /// Asks who wants an event, and keeps the recipients for as long as something else takes.
    fn hold(&self, value: &'static str, meanwhile: impl FnOnce()) -> bool {
        let mut session = self.registry.session();
        let least = self.told();
        let event = event(value);
        let Ok(recipients) = session.matches(&event, Access::EventOwner) else { return false };
        let said = || (recipients.revision(), ids(recipients.webhooks()));
        let (revision, ids) = said();
        self.answered(least, Answered { revision, value, ids: ids.clone() });
        meanwhile();
        assert_eq!(said(), (revision, ids), "an recipients that is kept stays what it is");
        true
    }

    /// Holds all that was told against the reference; gives back what it has in the end.
    fn check(&self) -> Twin {
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let (mut twin, mut twins) = (Twin::new(), BTreeMap::new());
        for (revision, made) in log.made {
            match made {
                Made::All(all) => {
                    let all = all.into_iter().map(|w| (w.id().to_string(), Arc::new(w)));
                    twin = all.collect();
                }
                Made::One(id, change) => {
                    let before = match change.after {
                        Some(after) => twin.insert(id.to_owned(), after),
                        None => twin.remove(id),
                    };
                    assert_eq!(change.before, before, "found at {revision}, what was there");
                }
            }
            twins.insert(revision, twin.clone());
        }
        for Answered { revision, value, ids } in log.answered {
            let twin = twins.get(&revision).expect("a revision that somebody made");
            assert_eq!(ids, wanted(twin, value), "event {value} at revision {revision}");
        }
        twin
    }

    /// Whether both copies are what the reference is.
    fn check_copies(&self, twin: &Twin) {
        let mut session = self.registry.session();
        for _ in 0..2 {
            let held = self.registry.webhooks(&"t".into()).unwrap();
            assert_eq!(held.len(), twin.len(), "each once");
            for webhook in held {
                assert_eq!(twin.get(webhook.id().as_str()), Some(&webhook), "as it was put");
            }
            for value in twin.values().map(|webhook| webhook.name()).chain(["a"]) {
                let event = event(value);
                let recipients = session.matches(&event, Access::EventOwner).unwrap();
                assert_eq!(
                    ids(recipients.webhooks()),
                    wanted(twin, value),
                    "event {value} in the end"
                );
            }
            let change = self.registry.remove(&"t".into(), &"nobody".into()).unwrap();
            assert_eq!((change.applied, change.before), (true, None));
        }
    }
}

/// A thread's part of a program.
type Part = fn(&World);

/// Runs the parts beside each other in thousands of orders. `end` is told what the reference has
/// once all have ended, and how it came there is checked by then.
fn explore<const PARTS: usize>(
    limits: Limits,
    loaded: &'static [(&str, &str)],
    parts: [Part; PARTS],
    end: fn(&World, &Twin),
) {
    LazyLock::force(&WEBHOOKS);
    rules::make();
    let orders = Arc::new(AtomicUsize::new(0));
    let ran = Arc::clone(&orders);
    let program = move || {
        let world = World::new(&limits, loaded);
        let threads = parts.map(|part| {
            let world = world.clone();
            shuttle::thread::spawn(move || part(&world))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let twin = world.check();
        if world.registry.stats(&"t".into()).is_some() {
            world.check_copies(&twin);
        }
        end(&world, &twin);
        orders.fetch_add(1, Ordering::Relaxed);
    };
    shuttle::check_random(program.clone(), ORDERS);
    shuttle::check_pct(program, ORDERS, DEPTH);
    assert_eq!(ran.load(Ordering::Relaxed), 2 * ORDERS, "each to its end");
}

#[test]
fn two_put_the_same_webhook() {
    let parts: [Part; 3] = [
        |world| drop(world.put("w", "a").unwrap()),
        |world| drop(world.put("w", "b").unwrap()),
        |world| assert!(world.read("a") && world.read("b")),
    ];
    explore(Limits::default(), &[], parts, |_, twin| assert_eq!(twin.len(), 1));
}

#[test]
fn many_are_put_and_removed() {
    let parts: [Part; 3] = [
        |world| {
            let _ = world.put("v", "a").unwrap();
            let _ = world.remove("w").unwrap();
        },
        |world| {
            let _ = world.put("w", "b").unwrap();
            let _ = world.put("x", "a").unwrap();
        },
        |world| assert!(world.read("a") && world.read("a")),
    ];
    explore(Limits::default(), &[("w", "a")], parts, |_, twin| {
        assert!(twin.contains_key("v") && twin.contains_key("x"));
    });
}

/// Two replay the same log: what it removed does not come back.
#[test]
fn a_log_is_replayed_by_two() {
    const REPLAY: Part = |world| {
        let _ = world.put_at("w", "a", 1).unwrap();
        let _ = world.remove_at("w", 2).unwrap();
        let _ = world.put_at("v", "a", 3).unwrap();
    };
    let parts: [Part; 3] = [REPLAY, REPLAY, |world| assert!(world.read("a") && world.read("a"))];
    explore(Limits::default(), &[], parts, |_, twin| assert!(twin.keys().eq(["v"])));
}

#[test]
fn a_whole_load_is_news_or_ignored() {
    let parts: [Part; 3] = [
        |world| drop(world.load(&[("w", "b"), ("v", "b")], 5)),
        |world| {
            let _ = world.put_at("w", "a", 4).unwrap();
            let _ = world.put_at("x", "a", 6).unwrap();
        },
        |world| assert!(world.read("b") && world.read("a")),
    ];
    explore(Limits::default(), &[("w", "0")], parts, |_, twin| assert!(twin.contains_key("x")));
}

#[test]
fn updates_are_not_lost() {
    const COUNT: Part = |world| drop(world.count("w").unwrap());
    explore(Limits::default(), &[("w", "0")], [COUNT; 3], |_, twin| {
        assert_eq!(twin["w"].name(), "3");
    });
}

#[test]
fn an_update_brings_nothing_back() {
    let parts: [Part; 3] = [
        |world| match world.count("w") {
            Ok(change) => assert_eq!(change.revision, 1),
            Err(error) => assert_eq!(error, UpdateError::NotFound),
        },
        |world| drop(world.remove("w").unwrap().before.unwrap()),
        |world| assert!(world.read("0") && world.read("1")),
    ];
    explore(Limits::default(), &[("w", "0")], parts, |_, twin| assert!(twin.is_empty()));
}

/// While answers are kept, changes are made on copies.
#[test]
fn answers_are_kept_while_changes_pass() {
    let parts: [Part; 3] = [
        |world| {
            let _ = world.put("v", "a").unwrap();
            let _ = world.remove("w").unwrap();
            let _ = world.put("x", "a").unwrap();
        },
        |world| assert!(world.hold("a", || assert!(world.hold("a", || assert!(world.read("a")))))),
        |world| assert!(world.hold("a", || drop(world.put("y", "a").unwrap()))),
    ];
    explore(Limits::default(), &[("w", "a")], parts, |_, twin| {
        assert!(twin.keys().eq(["v", "x", "y"]));
    });
}

/// The last place is one's alone.
#[test]
fn two_want_the_last_place() {
    let parts: [Part; 3] = [
        |world| drop(world.put("v", "a")),
        |world| drop(world.put("x", "a")),
        |world| drop(world.put("w", "b").unwrap()),
    ];
    let limits = Limits::default().webhooks(2).per_user(2);
    explore(limits, &[("w", "a")], parts, |world, twin| {
        assert_eq!(twin.len(), 2);
        assert!(world.put("y", "a").is_err(), "counted as they are");
        let _ = world.remove("w").unwrap();
        let _ = world.put("y", "a").unwrap();
    });
}

#[test]
fn a_place_is_made_and_taken() {
    let parts: [Part; 3] = [
        |world| drop(world.remove("w").unwrap()),
        |world| drop(world.put("v", "a")),
        |world| drop(world.put("x", "a")),
    ];
    explore(Limits::default().webhooks(1), &[("w", "a")], parts, |world, twin| {
        assert!(twin.len() <= 1, "no more than one");
        let refused = world.put("y", "a").is_err();
        assert_eq!(refused, twin.len() == 1, "counted as they are");
    });
}

/// No change is made of a tenant that is gone.
#[test]
fn a_tenant_goes_and_comes_back() {
    let parts: [Part; 3] = [
        |world| {
            world.evict();
            let _ = world.load(&[("w", "2")], 10);
        },
        |world| drop(world.count("w")),
        |world| {
            world.put("v", "a").ok();
            world.read("a");
        },
    ];
    explore(Limits::default(), &[("w", "0")], parts, |world, twin| {
        assert!(["2", "3"].contains(&twin["w"].name()), "as it was loaded again, or counted");
        assert!(world.registry.stats(&"t".into()).is_some_and(|stats| stats.revision >= 10));
    });
}

/// Those who load and those who evict wait for each other, and do not undo each other.
#[test]
fn tenants_come_and_go() {
    let parts: [Part; 3] = [
        |world| {
            world.registry.evict(&"t".into());
            let _ = world.registry.load("u", [webhook("w", "a")]).unwrap();
        },
        |world| {
            let _ = world.load(&[("w", "b")], 10);
            world.registry.evict(&"u".into());
        },
        |world| {
            let _ = world.registry.load("s", [webhook("w", "a")]).unwrap();
            world.read("b");
        },
    ];
    explore(Limits::default(), &[("w", "0")], parts, |world, _| {
        let held = |tenant: &&str| world.registry.webhooks(&(*tenant).into()).is_some();
        assert!(held(&"s"), "nobody was to evict it");
        let mut listed = world.registry.tenants();
        listed.sort_unstable();
        assert!(listed.iter().map(|id| id.as_str()).eq(["s", "t", "u"].into_iter().filter(held)));
    });
}
