//! Programs of a few threads on one tenant, each run in thousands of orders by `shuttle`.
//!
//! Every thread notes in a log what each change and each match returned. When all threads have
//! ended, the log is compared with a reference, which is a plain map from ids to webhooks:
//!
//! ```text
//! log, by revision     1: put w "a"     2: remove w     3: put v "a"
//! reference            {w}              {}              {v}
//! observed             event "a" at revision 1: {w} ✓   at revision 3: {v} ✓
//! ```
//!
//! In every order:
//! - No thread waits forever.
//! - Each revision belongs to one change, and what the change replaced is what the reference had.
//! - Each match returned what the reference matches at its revision.
//! - A thread never sees a revision below one that was returned before it started.
//! - In the end, both copies of the tenant equal the reference.
//!
//! `RUSTFLAGS='--cfg shuttle' cargo test --lib interleavings`. A failure prints its schedule. To
//! replay it, pass the schedule to `shuttle::replay` in the place of `check_random`.

mod limits;
mod reservations;
mod restore;
mod rules;

use super::{Change, ChangeError, Limits, Registry, UpdateError, subscription};
use crate::event::{Event, EventType, TenantId};
use crate::matcher::{Access, Subscription, Verdict};
use crate::webhook::{NewWebhook, Rules, Webhook};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

/// The number of orders in which each of the two schedulers runs a program.
const ORDERS: usize = 2_000;
/// The bug depth of the second scheduler, PCT: it looks for errors that need this many ordered
/// steps.
const DEPTH: usize = 3;

const TYPE: &str = "com.qlik.v1.app.created";
const IDS: [&str; 4] = ["w", "v", "x", "y"];
const VALUES: [&str; 6] = ["0", "1", "2", "3", "a", "b"];

static RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

/// The webhook of each id and value, with its subscription. Created once, outside of the threads,
/// whose stacks are small.
static WEBHOOKS: LazyLock<BTreeMap<(&str, &str), (Webhook, Subscription)>> = LazyLock::new(|| {
    let all = IDS.iter().flat_map(|id| VALUES.iter().map(move |value| (*id, *value)));
    let created = all.map(|(id, value)| {
        let document = serde_json::json!({
            "name": value, "url": "https://hooks.example.com/", "enabled": true,
            "eventTypes": [TYPE], "filter": format!("id eq \"{value}\""),
        });
        let new = NewWebhook::new(id, "u1", std::time::UNIX_EPOCH.into());
        let webhook = Webhook::create(&document.into(), &RULES, new).unwrap().webhook;
        let indexed = subscription(&webhook, &"t".into(), RULES.catalogue());
        ((id, value), (webhook, indexed))
    });
    created.collect()
});

fn webhook(id: &str, value: &str) -> Webhook {
    WEBHOOKS[&(id, value)].0.clone()
}

fn event(value: &str) -> Event<'_> {
    Event::new(RULES.profile().attribute_paths(), TenantId::from("t"), EventType::from(TYPE))
        .with_attribute("id", value)
        .unwrap()
}

/// The reference: the webhooks of the tenant by id.
type Reference = BTreeMap<String, Arc<Webhook>>;

/// The ids of the webhooks that the reference matches against an event.
fn expected(reference: &Reference, value: &str) -> BTreeSet<String> {
    let event = event(value);
    let matches = |webhook: &Webhook| {
        let (same, subscription) = &WEBHOOKS[&(webhook.id().as_str(), webhook.name())];
        assert_eq!(same, webhook);
        subscription.matches(&event, Access::EventOwner)
    };
    reference.iter().filter(|(_, webhook)| matches(webhook)).map(|(id, _)| id.clone()).collect()
}

fn ids<'w>(webhooks: impl Iterator<Item = &'w Arc<Webhook>>) -> BTreeSet<String> {
    webhooks.map(|webhook| webhook.id().to_string()).collect()
}

/// A change, as the reference applies it.
enum Applied {
    One(&'static str, Change),
    All(Vec<Webhook>),
}

/// The result of a match.
struct Observed {
    revision: u64,
    value: &'static str,
    ids: BTreeSet<String>,
}

#[derive(Default)]
struct Log {
    /// The changes by revision.
    applied: BTreeMap<u64, Applied>,
    observed: Vec<Observed>,
    /// The highest revision that was returned to a thread.
    highest: u64,
    /// Whether the tenant is evicted. It is exact if one thread evicts and loads.
    evicted: bool,
}

/// A registry, and the log of its threads.
///
/// The log has a lock of the standard library: no thread is preempted while it holds it.
#[derive(Clone)]
struct World {
    registry: Registry,
    log: Arc<Mutex<Log>>,
    /// The webhooks that new rules refused, once the replacement has returned.
    reported: Arc<Mutex<Option<BTreeSet<String>>>>,
}

impl World {
    fn new(limits: &Limits, loaded: &[(&str, &str)]) -> Self {
        let registry = Registry::with_limits(&RULES, limits.clone());
        let world = Self { registry, log: Arc::default(), reported: Arc::default() };
        let _ = world.load(loaded, 0);
        world
    }

    fn highest(&self) -> u64 {
        self.log.lock().unwrap().highest
    }

    /// Notes a change that started when the highest revision returned so far was `least`.
    fn note(&self, least: u64, given: Option<u64>, change: &Change, applied: Applied) {
        let mut log = self.log.lock().unwrap();
        if change.applied {
            let is_load = matches!(applied, Applied::All(_));
            assert!(is_load || change.revision > least, "revisions rise");
            assert!(given.is_none_or(|given| given == change.revision), "takes the given revision");
            let other = log.applied.insert(change.revision, applied);
            assert!(other.is_none(), "two changes have one revision");
        } else {
            let is_old = given.is_some_and(|given| given <= change.revision);
            assert!(is_old, "ignored only at an old revision");
            assert!(change.revision >= least, "ignored for a revision that exists");
        }
        log.highest = log.highest.max(change.revision);
    }

    /// Runs and notes a change of one webhook.
    fn one<E>(
        &self,
        id: &'static str,
        given: Option<u64>,
        run: impl FnOnce() -> Result<Change, E>,
    ) -> Result<Change, E> {
        let least = self.highest();
        let change = run()?;
        self.note(least, given, &change, Applied::One(id, change.clone()));
        Ok(change)
    }

    fn put(&self, id: &'static str, value: &str) -> Result<Change, ChangeError> {
        self.one(id, None, || self.registry.put(&"t".into(), webhook(id, value)))
    }

    fn put_at(&self, id: &'static str, value: &str, revision: u64) -> Result<Change, ChangeError> {
        let put = || self.registry.put_at(&"t".into(), webhook(id, value), revision);
        self.one(id, Some(revision), put)
    }

    fn remove(&self, id: &'static str) -> Result<Change, ChangeError> {
        self.one(id, None, || self.registry.remove(&"t".into(), &id.into()))
    }

    fn remove_at(&self, id: &'static str, revision: u64) -> Result<Change, ChangeError> {
        let remove = || self.registry.remove_at(&"t".into(), &id.into(), revision);
        self.one(id, Some(revision), remove)
    }

    /// Updates a webhook whose name is a number to the next number.
    fn count(&self, id: &'static str) -> Result<Change, UpdateError<Infallible>> {
        let change = |before: &Webhook| {
            let now = self.registry.get(&"t".into(), &id.into());
            // It has a current value, since an eviction waits for the tenant's lock.
            assert!(now.is_some_and(|now| std::ptr::eq(&*now, before)), "reads the current one");
            assert!(!self.log.lock().unwrap().evicted, "no update of an evicted tenant");
            let count: u64 = before.name().parse().unwrap();
            Ok(webhook(id, &(count + 1).to_string()))
        };
        self.one(id, None, || self.registry.update(&"t".into(), &id.into(), change))
    }

    fn load(&self, all: &[(&str, &str)], revision: u64) -> Change {
        let least = self.highest();
        let all: Vec<Webhook> = all.iter().map(|(id, value)| webhook(id, value)).collect();
        self.log.lock().unwrap().evicted = false;
        let change = self.registry.load_at("t", all.clone(), revision).unwrap();
        self.note(least, Some(revision), &change, Applied::All(all));
        change
    }

    fn evict(&self) {
        if self.registry.evict(&"t".into()) {
            self.log.lock().unwrap().evicted = true;
        }
    }

    /// Notes a match that started when the highest revision returned so far was `least`.
    fn observe(&self, least: u64, observed: Observed) {
        assert!(observed.revision >= least, "a change that returned is seen");
        let mut log = self.log.lock().unwrap();
        log.highest = log.highest.max(observed.revision);
        log.observed.push(observed);
    }

    /// Matches an event by the index and by the specification, and returns whether the tenant is
    /// loaded.
    fn read(&self, value: &'static str) -> bool {
        self.hold(value, || {}) && {
            let least = self.highest();
            let Ok(verdicts) = self.registry.verdicts(&event(value), Access::EventOwner) else {
                return false;
            };
            let matched = verdicts.webhooks.iter().filter(|(_, one)| *one == Verdict::Matched);
            let (revision, ids) = (verdicts.revision, ids(matched.map(|(webhook, _)| webhook)));
            self.observe(least, Observed { revision, value, ids });
            true
        }
    }

    /// Matches an event, and keeps the recipients while `meanwhile` runs.
    fn hold(&self, value: &'static str, meanwhile: impl FnOnce()) -> bool {
        let mut session = self.registry.session();
        let least = self.highest();
        let event = event(value);
        let Ok(recipients) = session.matches(&event, Access::EventOwner) else { return false };
        let kept = || (recipients.revision(), ids(recipients.webhooks()));
        let (revision, ids) = kept();
        self.observe(least, Observed { revision, value, ids: ids.clone() });
        meanwhile();
        assert_eq!(kept(), (revision, ids), "recipients that are kept never change");
        true
    }

    /// Compares the log with the reference, and returns the reference at the last revision.
    fn check(&self) -> Reference {
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let (mut reference, mut references) = (Reference::new(), BTreeMap::new());
        for (revision, applied) in log.applied {
            match applied {
                Applied::All(all) => {
                    let all = all.into_iter().map(|w| (w.id().to_string(), Arc::new(w)));
                    reference = all.collect();
                }
                Applied::One(id, change) => {
                    let before = match change.after {
                        Some(after) => reference.insert(id.to_owned(), after),
                        None => reference.remove(id),
                    };
                    assert_eq!(change.before, before, "replaced at {revision}");
                }
            }
            references.insert(revision, reference.clone());
        }
        for Observed { revision, value, ids } in log.observed {
            let reference = references.get(&revision).expect("the revision of a change");
            assert_eq!(ids, expected(reference, value), "event {value} at revision {revision}");
        }
        reference
    }

    /// Checks that both copies equal the reference. A removal of an unknown id swaps them.
    fn check_copies(&self, reference: &Reference) {
        let mut session = self.registry.session();
        for _ in 0..2 {
            let held = self.registry.webhooks(&"t".into()).unwrap();
            assert_eq!(held.len(), reference.len(), "no webhook is missing or duplicate");
            for webhook in held {
                assert_eq!(reference.get(webhook.id().as_str()), Some(&webhook), "as it was put");
            }
            for value in reference.values().map(|webhook| webhook.name()).chain(["a"]) {
                let event = event(value);
                let recipients = session.matches(&event, Access::EventOwner).unwrap();
                assert_eq!(
                    ids(recipients.webhooks()),
                    expected(reference, value),
                    "event {value} in the end"
                );
            }
            let change = self.registry.remove(&"t".into(), &"unknown".into()).unwrap();
            assert_eq!((change.applied, change.before), (true, None));
        }
    }
}

/// The part of a program that one thread runs.
type Part = fn(&World);

/// Runs the parts concurrently, in thousands of orders.
///
/// After each order it checks the log and both copies, and then calls `end` with the reference.
fn explore<const PARTS: usize>(
    limits: Limits,
    loaded: &'static [(&str, &str)],
    parts: [Part; PARTS],
    end: fn(&World, &Reference),
) {
    LazyLock::force(&WEBHOOKS);
    rules::create();
    let orders = Arc::new(AtomicUsize::new(0));
    let ran = Arc::clone(&orders);
    let program = move || {
        let world = World::new(&limits, loaded);
        let threads = parts.map(|part| {
            let world = world.clone();
            shuttle::thread::spawn(move || part(&world))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let reference = world.check();
        if world.registry.stats(&"t".into()).is_some() {
            world.check_copies(&reference);
        }
        end(&world, &reference);
        orders.fetch_add(1, Ordering::Relaxed);
    };
    shuttle::check_random(program.clone(), ORDERS);
    shuttle::check_pct(program, ORDERS, DEPTH);
    assert_eq!(ran.load(Ordering::Relaxed), 2 * ORDERS, "every order runs to its end");
}

#[test]
fn puts_one_webhook_from_two_threads() {
    let parts: [Part; 3] = [
        |world| drop(world.put("w", "a").unwrap()),
        |world| drop(world.put("w", "b").unwrap()),
        |world| assert!(world.read("a") && world.read("b")),
    ];
    explore(Limits::default(), &[], parts, |_, reference| assert_eq!(reference.len(), 1));
}

#[test]
fn puts_and_removes_webhooks_from_two_threads() {
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
    explore(Limits::default(), &[("w", "a")], parts, |_, reference| {
        assert!(reference.contains_key("v") && reference.contains_key("x"));
    });
}

/// What the log removed does not come back.
#[test]
fn replays_a_log_from_two_threads() {
    const REPLAY: Part = |world| {
        let _ = world.put_at("w", "a", 1).unwrap();
        let _ = world.remove_at("w", 2).unwrap();
        let _ = world.put_at("v", "a", 3).unwrap();
    };
    let parts: [Part; 3] = [REPLAY, REPLAY, |world| assert!(world.read("a") && world.read("a"))];
    explore(Limits::default(), &[], parts, |_, reference| assert!(reference.keys().eq(["v"])));
}

#[test]
fn loads_a_tenant_or_ignores_the_load_as_a_whole() {
    let parts: [Part; 3] = [
        |world| drop(world.load(&[("w", "b"), ("v", "b")], 5)),
        |world| {
            let _ = world.put_at("w", "a", 4).unwrap();
            let _ = world.put_at("x", "a", 6).unwrap();
        },
        |world| assert!(world.read("b") && world.read("a")),
    ];
    explore(Limits::default(), &[("w", "0")], parts, |_, end| assert!(end.contains_key("x")));
}

#[test]
fn loses_no_update() {
    const COUNT: Part = |world| drop(world.count("w").unwrap());
    explore(Limits::default(), &[("w", "0")], [COUNT; 3], |_, reference| {
        assert_eq!(reference["w"].name(), "3");
    });
}

#[test]
fn does_not_bring_a_removed_webhook_back_by_an_update() {
    let parts: [Part; 3] = [
        |world| match world.count("w") {
            Ok(change) => assert_eq!(change.revision, 1),
            Err(error) => assert_eq!(error, UpdateError::NotFound),
        },
        |world| drop(world.remove("w").unwrap().before.unwrap()),
        |world| assert!(world.read("0") && world.read("1")),
    ];
    explore(Limits::default(), &[("w", "0")], parts, |_, reference| assert!(reference.is_empty()));
}

/// Changes are applied to clones while both copies are kept by readers.
#[test]
fn keeps_recipients_unchanged_while_webhooks_change() {
    let parts: [Part; 3] = [
        |world| {
            let _ = world.put("v", "a").unwrap();
            let _ = world.remove("w").unwrap();
            let _ = world.put("x", "a").unwrap();
        },
        |world| assert!(world.hold("a", || assert!(world.hold("a", || assert!(world.read("a")))))),
        |world| assert!(world.hold("a", || drop(world.put("y", "a").unwrap()))),
    ];
    explore(Limits::default(), &[("w", "a")], parts, |_, reference| {
        assert!(reference.keys().eq(["v", "x", "y"]));
    });
}

#[test]
fn changes_no_evicted_tenant() {
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
    explore(Limits::default(), &[("w", "0")], parts, |world, reference| {
        assert!(["2", "3"].contains(&reference["w"].name()), "loaded again, or updated after that");
        assert!(world.registry.stats(&"t".into()).is_some_and(|stats| stats.revision >= 10));
    });
}

/// A load or eviction of one tenant does not undo that of another in the same shard.
#[test]
fn loads_and_evicts_tenants_from_several_threads() {
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
        assert!(held(&"s"), "no thread evicts it");
        let mut listed = world.registry.tenants();
        listed.sort_unstable();
        assert!(listed.iter().map(|id| id.as_str()).eq(["s", "t", "u"].into_iter().filter(held)));
    });
}
