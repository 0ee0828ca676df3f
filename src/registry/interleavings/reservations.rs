//! Programs that prepare changes, and apply or drop them, while other threads change webhooks.

use super::{Limits, Part, World, explore, webhook};
use crate::registry::{Change, ChangeError};
use std::convert::Infallible;

impl World {
    /// Puts a webhook in two steps, between which it is not visible.
    fn apply(&self, id: &'static str, value: &str) -> Result<Change, ChangeError> {
        self.one(id, None, || {
            let reserved = self.registry.reserve(&"t".into())?;
            let before = reserved.get(&id.into());
            assert_eq!(self.registry.get(&"t".into(), &id.into()), before);
            let prepared = reserved.put(webhook(id, value))?;
            assert_eq!(prepared.before(), before.as_ref(), "the tenant does not change meanwhile");
            assert_eq!(self.registry.get(&"t".into(), &id.into()), before);
            let revision = prepared.revision();
            let change = prepared.apply();
            assert_eq!(change.revision, revision, "as it was reserved");
            Ok(change)
        })
    }

    /// Prepares a put and drops it.
    fn abandon(&self, id: &'static str, value: &str) -> Result<(), ChangeError> {
        self.registry.reserve(&"t".into())?.put(webhook(id, value)).map(drop)
    }
}

#[test]
fn applies_prepared_changes_from_two_threads() {
    let parts: [Part; 3] = [
        |world| drop(world.apply("w", "a").unwrap()),
        |world| {
            let _ = world.apply("w", "b").unwrap();
            let _ = world.put("v", "b").unwrap();
        },
        |world| assert!(world.read("a") && world.read("b")),
    ];
    explore(Limits::default(), &[], parts, |_, reference| assert!(reference.contains_key("v")));
}

#[test]
fn leaves_nothing_of_a_change_that_is_dropped() {
    let parts: [Part; 3] = [
        |world| {
            world.abandon("v", "a").unwrap();
            let _ = world.put("x", "a").unwrap();
        },
        |world| {
            let _ = world.count("w").unwrap();
            world.abandon("w", "a").unwrap();
        },
        |world| assert!(world.read("a") && world.read("a")),
    ];
    explore(Limits::default(), &[("w", "0")], parts, |_, reference| {
        assert!(reference.keys().eq(["w", "x"]) && reference["w"].name() == "1");
    });
}

/// A change waits for a prepared one, and finds its place taken or free.
#[test]
fn keeps_the_place_of_a_prepared_change() {
    let parts: [Part; 3] = [
        |world| world.abandon("v", "a").unwrap_or_default(),
        |world| drop(world.apply("x", "a")),
        |world| drop(world.put("y", "a")),
    ];
    explore(Limits::default().webhooks(2), &[("w", "a")], parts, |world, reference| {
        assert_eq!(reference.len(), 2, "one of two gets the last place");
        assert!(world.put("v", "a").is_err(), "the limit counts the webhooks that exist");
    });
}

#[test]
fn applies_no_change_to_an_evicted_tenant() {
    let parts: [Part; 3] = [
        |world| {
            world.evict();
            let _ = world.load(&[("w", "2")], 10);
        },
        |world| drop(world.apply("v", "a")),
        |world| {
            world.abandon("x", "a").ok();
            world.read("a");
        },
    ];
    explore(Limits::default(), &[("w", "0")], parts, |world, reference| {
        assert!(!reference.contains_key("x"));
        assert!(world.registry.stats(&"t".into()).is_some_and(|stats| stats.revision >= 10));
    });
}

/// An eviction waits until a change is applied. The shard's other tenants do not wait for it, so
/// the owner of a reservation can load and evict them.
#[test]
fn evicts_no_tenant_while_its_next_revision_is_reserved() {
    let parts: [Part; 3] = [
        |world| {
            world.evict();
            let _ = world.load(&[("w", "2")], 10);
        },
        |world| drop(world.apply("w", "a")),
        |world| {
            let Ok(reserved) = world.registry.reserve(&"t".into()) else { return };
            let _ = world.registry.load("u", [webhook("w", "a")]).unwrap();
            assert!(world.registry.evict(&"u".into()));
            assert!(world.registry.get(&"t".into(), &"w".into()).is_some());
            assert!(reserved.get(&"w".into()).is_some());
        },
    ];
    explore(Limits::default(), &[("w", "0")], parts, |_, reference| {
        assert!(["2", "a"].contains(&reference["w"].name()), "loaded again, or put after that");
    });
}

/// Of changes that arrive in any order, each is applied once it is the next one.
#[test]
fn applies_stored_changes_in_the_order_of_revisions() {
    fn follow(world: &World, id: &'static str, revision: u64) {
        loop {
            match world.registry.reserve_at(&"t".into(), revision) {
                Ok(reserved) => {
                    let put = || reserved.put(webhook(id, "a")).map(|prepared| prepared.apply());
                    return drop(world.one(id, Some(revision), put).unwrap());
                }
                Err(error) => {
                    assert_eq!(error.kind(), crate::registry::ChangeErrorKind::RevisionGap);
                    shuttle::thread::yield_now();
                }
            }
        }
    }
    let parts: [Part; 3] = [
        |world| follow(world, "w", 3),
        |world| follow(world, "v", 1),
        |world| follow(world, "x", 2),
    ];
    explore(Limits::default(), &[], parts, |_, reference| assert_eq!(reference.len(), 3));
}

/// An update of a webhook waits for a change that is prepared.
#[test]
fn loses_no_update_to_a_prepared_change() {
    let parts: [Part; 3] = [
        |world| drop(world.apply("w", "0").unwrap()),
        |world| drop(world.count("w").unwrap()),
        |world| drop(world.count("w").unwrap()),
    ];
    explore(Limits::default(), &[("w", "1")], parts, |_, reference| {
        let count: Result<u64, Infallible> = Ok(reference["w"].name().parse().unwrap());
        assert!(count.is_ok_and(|count| count <= 2), "no put comes in between");
    });
}
