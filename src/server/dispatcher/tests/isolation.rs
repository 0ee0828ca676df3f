//! An endpoint that hangs, or a tenant with many messages, costs others nothing: counted, not timed.

use super::stage::{SECOND, World, policy, status};
use crate::server::store::contract::outbox::Outcome;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

/// One of 1,000 receivers hangs, and wants every event like the others.
#[test]
fn a_receiver_that_hangs_delays_no_other() {
    const RECEIVERS: usize = 1_000;
    const EVENTS: usize = 5;
    let mut world = World::new(policy(), 21);
    world.run(async |stage| {
        let mut webhooks = Vec::new();
        for _ in 0..RECEIVERS {
            webhooks.push(stage.webhook("t").await);
        }
        let hanging = webhooks[500].clone();
        let hangs = hanging.clone();
        stage.world.receivers.behave(move |request| {
            let time = if *request.webhook().id() == hangs { 30 * SECOND } else { Duration::ZERO };
            (time, if time.is_zero() { status(200) } else { Err("no response".to_owned()) })
        });
        let all: Vec<_> = webhooks.iter().collect();
        for _ in 0..EVENTS {
            stage.accept("t", &all).await;
        }
        sleep(SECOND).await;
        let receivers = &stage.world.receivers;
        let sent = receivers.accepted.load(Ordering::SeqCst);
        assert_eq!(sent, (RECEIVERS - 1) * EVENTS, "all deliveries to the others");
        // It holds its own permits, and no one else's.
        assert_eq!(receivers.in_flight(&hanging), 4);
        assert_eq!(receivers.all_in_flight.load(Ordering::SeqCst), 4);
        assert_eq!(receivers.max_at_once(), 4);
    });
}

/// The circuit of an endpoint that hangs opens: nothing is held for it any more.
#[test]
fn a_receiver_that_hangs_for_long_holds_nothing() {
    let mut world = World::new(policy(), 22);
    world.receivers.behave(|_| (30 * SECOND, Err("no response".to_owned())));
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        for _ in 0..200 {
            stage.accept("t", &[&webhook]).await;
        }
        sleep(91 * SECOND).await;
        assert_eq!(stage.world.receivers.ended.load(Ordering::SeqCst), 12);
        assert!(stage.dispatcher.0.state().is_empty());
        sleep(60 * SECOND).await;
        assert!(stage.world.receivers.in_flight(&webhook) <= 1, "a probe");
    });
}

/// A tenant has 100,000 waiting messages to slow receivers; another one has a single message.
#[test]
fn a_tenant_with_many_messages_leaves_room_for_others() {
    const WAITING: usize = 100_000;
    let mut world = World::new(policy(), 23);
    world.receivers.behave(|_| (SECOND, status(200)));
    world.run(async |stage| {
        let mut webhooks = Vec::new();
        for _ in 0..1_000 {
            webhooks.push(stage.webhook("flood").await);
        }
        let single = stage.webhook("single").await;
        let all: Vec<_> = webhooks.iter().collect();
        for _ in 0..WAITING / 1_000 {
            stage.accept("flood", &all).await;
        }
        sleep(Duration::from_millis(500)).await;
        let receivers = &stage.world.receivers;
        // Half of the permits are the limit of one tenant.
        assert_eq!(receivers.all_in_flight.load(Ordering::SeqCst), 512);
        let ids = stage.accept("single", &[&single]).await;
        // In flight at once, although all permits of the other tenant are taken.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(receivers.in_flight(&single), 1);
        sleep(Duration::from_millis(1_001)).await;
        assert_eq!(stage.message("single", &ids[0]).await.outcome, Some(Outcome::Delivered));
        assert!(receivers.ended.load(Ordering::SeqCst) < 3 * 512);
    });
}
