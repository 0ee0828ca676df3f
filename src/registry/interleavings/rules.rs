//! Programs in which the rules are replaced.

use super::{Limits, Part, RULES, explore, webhook};
use crate::registry::Refused;
use crate::webhook::{Catalogue, Rules, Webhook};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::LazyLock;

/// Rules without any of the webhooks' event types.
static OTHER_RULES: LazyLock<Rules> = LazyLock::new(|| {
    let catalogue = Catalogue::read(br#"{"data": [{"name": "other"}]}"#).unwrap();
    Rules::new(RULES.profile().clone(), catalogue)
});

/// Rules that index the webhooks under a second event type.
static RENAMING_RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::new(RULES.profile().clone(), RULES.catalogue().with_renames(true)));

/// Makes the rules before the threads begin, since their stacks are small.
pub(super) fn make() {
    LazyLock::force(&OTHER_RULES);
    LazyLock::force(&RENAMING_RULES);
}

/// Rules are replaced while others put: no webhook that the new rules refuse is missing from the
/// report, and none is put once the report was made.
#[test]
fn rules_are_replaced_while_others_put() {
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
        assert!(world.read("a"), "readers do not notice");
    }];
    explore(Limits::default(), &[("w", "a")], parts, |world, _| {
        let mut held = BTreeSet::new();
        for tenant in world.registry.tenants() {
            for webhook in world.registry.webhooks(&tenant).unwrap() {
                held.insert(format!("{tenant}/{}", webhook.id()));
            }
        }
        assert_eq!(world.reported.lock().unwrap().as_ref(), Some(&held), "all are listed");
    });
}

/// A replacement of rules that indexes a tenant again does not revive a tenant that was evicted
/// meanwhile: no change of it is made any more, which the counting update asserts.
///
/// The first part holds the tenant's lock until the others wait for it, so that every order in which
/// they get it is frequent.
#[test]
fn replacing_rules_does_not_revive_an_evicted_tenant() {
    let parts: [Part; 4] = [
        |world| {
            let slowly = |before: &Webhook| {
                (0..30).for_each(|_| shuttle::thread::yield_now());
                Ok::<_, Infallible>(before.clone())
            };
            let ask = || world.registry.update(&"t".into(), &"w".into(), slowly);
            drop(world.one("w", None, ask));
        },
        |world| world.evict(),
        |world| {
            drop(world.count("w"));
            drop(world.put("v", "a"));
        },
        |world| assert_eq!(world.registry.replace_rules(&RENAMING_RULES), Ok(Vec::new())),
    ];
    explore(Limits::default(), &[("w", "0")], parts, |world, _| {
        assert!(world.registry.stats(&"t".into()).is_none(), "nothing loads it again");
        assert!(world.put("x", "a").is_err());
    });
}
