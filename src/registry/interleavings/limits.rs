//! Programs in which threads compete for the places that a limit leaves.

use super::{Limits, Part, explore};

#[test]
fn gives_the_last_place_to_one_of_two() {
    let parts: [Part; 3] = [
        |world| drop(world.put("v", "a")),
        |world| drop(world.put("x", "a")),
        |world| drop(world.put("w", "b").unwrap()),
    ];
    let limits = Limits::default().webhooks(2).per_user(2);
    explore(limits, &[("w", "a")], parts, |world, reference| {
        assert_eq!(reference.len(), 2);
        assert!(world.put("y", "a").is_err(), "the limit counts the webhooks that exist");
        let _ = world.remove("w").unwrap();
        let _ = world.put("y", "a").unwrap();
    });
}

#[test]
fn frees_a_place_and_takes_it() {
    let parts: [Part; 3] = [
        |world| drop(world.remove("w").unwrap()),
        |world| drop(world.put("v", "a")),
        |world| drop(world.put("x", "a")),
    ];
    explore(Limits::default().webhooks(1), &[("w", "a")], parts, |world, reference| {
        assert!(reference.len() <= 1, "the limit holds");
        let refused = world.put("y", "a").is_err();
        assert_eq!(refused, reference.len() == 1, "the limit counts the webhooks that exist");
    });
}
