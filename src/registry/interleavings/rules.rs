//! Programs that replace the rules while other threads change webhooks.

use super::{Limits, Part, RULES, explore, webhook};
use crate::registry::Refused;
use crate::webhook::{Catalogue, Rules, Webhook};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::LazyLock;

/// Rules that have none of the webhooks' event types.
static OTHER_RULES: LazyLock<Rules> = LazyLock::new(|| {
    let catalogue = Catalogue::read(br#"{"data": [{"name": "other"}]}"#).unwrap();
    Rules::new(RULES.profile().clone(), catalogue)
});

/// Rules that index the webhooks under a second event type.
static RENAMING_RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::new(RULES.profile().clone(), RULES.catalogue().with_renames(true)));

/// Creates the rules before the threads start, whose stacks are small.
pub(super) fn create() {
    LazyLock::force(&OTHER_RULES);
    LazyLock::force(&RENAMING_RULES);
}

/// The report has every webhook that the new rules refuse, and none is put after the replacement
/// has returned.
#[test]
fn reports_every_webhook_that_replaced_rules_refuse() {
    const PUT: Part = |world| {
        let late = world.reported.lock().unwrap().is_some();
        for id in ["v", "x"] {
            let put = world.put(id, "a");
            assert!(!(late && put.is_ok()), "checked by the new rules");
        }
        drop(world.registry.load("u", [webhook("w", "a")]));
    };
    let parts: [Part; 3] = [PUT, PUT, |world| {
        let refused = world.registry.replace_rules(&OTHER_RULES).unwrap();
        let name = |one: &Refused| format!("{}/{}", one.tenant, one.id.as_ref().unwrap());
        *world.reported.lock().unwrap() = Some(refused.iter().map(name).collect());
        assert!(world.put("y", "a").is_err());
        assert!(world.read("a"), "matches are not affected");
    }];
    explore(Limits::default(), &[("w", "a")], parts, |world, _| {
        let mut held = BTreeSet::new();
        for tenant in world.registry.tenants() {
            for webhook in world.registry.webhooks(&tenant).unwrap() {
                held.insert(format!("{tenant}/{}", webhook.id()));
            }
        }
        assert_eq!(world.reported.lock().unwrap().as_ref(), Some(&held), "the report is complete");
    });
}

/// A replacement that indexes a tenant again does not make a tenant current that was evicted
/// meanwhile. The counting update asserts it, since it must not run on an evicted tenant.
///
/// The first part holds the tenant's lock until the others wait for it, so that every order in
/// which they get the lock is frequent.
#[test]
fn does_not_revive_an_evicted_tenant_by_replacing_rules() {
    let parts: [Part; 4] = [
        |world| {
            let slowly = |before: &Webhook| {
                (0..30).for_each(|_| shuttle::thread::yield_now());
                Ok::<_, Infallible>(before.clone())
            };
            let update = || world.registry.update(&"t".into(), &"w".into(), slowly);
            drop(world.one("w", None, update));
        },
        |world| world.evict(),
        |world| {
            drop(world.count("w"));
            drop(world.put("v", "a"));
        },
        |world| assert_eq!(world.registry.replace_rules(&RENAMING_RULES), Ok(Vec::new())),
    ];
    explore(Limits::default(), &[("w", "0")], parts, |world, _| {
        assert!(world.registry.stats(&"t".into()).is_none(), "no thread loads it again");
        assert!(world.put("x", "a").is_err());
    });
}
