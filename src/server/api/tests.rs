//! Tests of the API without sockets, for what only the inside can observe.

mod deliveries;
mod desk;
mod events;
mod failures;
mod intake;
mod mistakes;
mod stage;

use super::{OPENAPI, guarded, open};
use std::collections::BTreeSet;

/// The description has exactly the operations of the router.
#[test]
fn describes_every_route() {
    let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            described.insert((path.clone(), method.clone()));
        }
    }
    let of = |path: &str, method: &str| (path.to_owned(), method.to_owned());
    let guarded = guarded();
    let routed: BTreeSet<_> = guarded.iter().map(|(path, method, ..)| of(path, method)).collect();
    let routed: BTreeSet<_> =
        open().iter().map(|(path, method, _)| of(path, method)).chain(routed).collect();
    assert_eq!(described, routed);
}
