//! What becomes of a message, step by step on a virtual clock.

use super::failing::Failing;
use super::stage::{SECOND, Stage, World, admin, later, policy, status};
use crate::server::ambient::Ambient;
use crate::server::store::contract::StoreError;
use crate::server::store::contract::outbox::{Outbox, Outcome};
use hooksieve::delivery::Status;
use hooksieve::event::TenantId;
use hooksieve::webhook::WebhookId;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn retries_after_the_waits_of_the_schedule_and_gives_up() {
    let mut world = World::new(policy(), 1);
    world.receivers.behave(|_| (3 * SECOND, status(500)));
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        let messages = stage.accept("t", &[&webhook]).await;
        sleep(48 * HOUR).await;
        let rows = stage.attempts("t", &webhook, &messages[0]).await;
        let numbers: Vec<_> = rows.iter().map(|row| row.attempt.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(rows.iter().all(|row| row.attempt.duration == 3 * SECOND));
        let steps = [5, 60, 300, 1_800, 7_200, 21_600, 43_200].map(Duration::from_secs);
        for (pair, step) in rows.windows(2).zip(steps) {
            let [first, second] = [&pair[0], &pair[1]].map(|r| SystemTime::from(r.triggered_at));
            let wait = second.duration_since(first).unwrap() - 3 * SECOND;
            // The timer of the runtime is exact to a millisecond.
            let latest = step + step / 10 + Duration::from_millis(2);
            assert!(wait >= step && wait <= latest, "{wait:?} after {step:?}");
        }
        let message = stage.message("t", &messages[0]).await;
        assert_eq!((message.outcome, message.attempts), (Some(Outcome::Failed), 8));
        assert_eq!(stage.shown("t", &webhook).await["enabled"], true);
    });
}

#[test]
fn honours_retry_after_and_counts_every_outcome() {
    let mut world = World::new(policy(), 2);
    let count = AtomicUsize::new(0);
    world.receivers.behave(move |_| {
        let outcome = match count.fetch_add(1, Ordering::SeqCst) {
            0 => later(429, "20"),
            1 => Err("refused".to_owned()),
            2 => status(302),
            _ => status(204),
        };
        (Duration::ZERO, outcome)
    });
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        let messages = stage.accept("t", &[&webhook]).await;
        sleep(HOUR).await;
        let rows = stage.attempts("t", &webhook, &messages[0]).await;
        let statuses: Vec<_> = rows.iter().map(|row| row.status).collect();
        assert_eq!(statuses, [Status::Fail, Status::Fail, Status::Fail, Status::Success]);
        let at = |index: usize| SystemTime::from(rows[index].triggered_at);
        let wait = at(1).duration_since(at(0)).unwrap();
        assert!(wait >= 20 * SECOND && wait < 23 * SECOND, "{wait:?}");
        let message = stage.message("t", &messages[0]).await;
        assert_eq!((message.outcome, message.attempts), (Some(Outcome::Delivered), 4));
    });
}

#[test]
fn disables_a_webhook_whose_receiver_is_gone() {
    let mut world = World::new(policy(), 3);
    world.receivers.behave(|_| (SECOND, status(410)));
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        for _ in 0..20 {
            stage.accept("t", &[&webhook]).await;
        }
        sleep(10 * SECOND).await;
        let shown = stage.shown("t", &webhook).await;
        assert_eq!(shown["enabled"], false);
        assert_eq!(shown["disabledReasonCode"], "delivery-failures");
        assert!(shown["disabledReason"].as_str().unwrap().contains("410"), "{shown}");
        // Those in flight ended with the refusal, the others without an attempt.
        let messages = stage.messages("t").await;
        let count = |outcome| messages.iter().filter(|m| m.outcome == Some(outcome)).count();
        assert_eq!((count(Outcome::Failed), count(Outcome::Disabled)), (4, 16));
        assert_eq!(stage.world.receivers.ended.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn disables_a_webhook_after_a_day_of_failures() {
    let mut world = World::new(policy(), 4);
    world.receivers.behave(|_| (SECOND, Err("refused".to_owned())));
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        for _ in 0..30 {
            stage.accept("t", &[&webhook]).await;
        }
        sleep(23 * HOUR).await;
        let endpoint = async || {
            let ids = [webhook.clone()];
            stage.store().endpoints(&TenantId::from("t"), &ids).await.unwrap()[0]
        };
        assert!(endpoint().await.failures > 20);
        assert_eq!(stage.shown("t", &webhook).await["enabled"], true);
        // The next attempt after a whole day is the last one.
        sleep(2 * HOUR).await;
        stage.accept("t", &[&webhook]).await;
        sleep(HOUR).await;
        let shown = stage.shown("t", &webhook).await;
        assert_eq!(
            (&shown["enabled"], &shown["disabledReasonCode"]),
            (&json!(false), &json!("delivery-failures"))
        );
        assert!(stage.messages("t").await.iter().all(|message| message.outcome.is_some()));
    });
}

#[test]
fn parks_an_endpoint_and_probes_it_once() {
    let mut world = World::new(policy(), 5);
    world.receivers.behave(|_| (SECOND, Err("refused".to_owned())));
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        for _ in 0..50 {
            stage.accept("t", &[&webhook]).await;
        }
        // Four at once, for a second each: the tenth failure comes with the twelfth.
        sleep(Duration::from_millis(3_500)).await;
        let receivers = &stage.world.receivers;
        assert_eq!(receivers.ended.load(Ordering::SeqCst), 12);
        assert_eq!(receivers.in_flight(&webhook), 0);
        assert!(stage.dispatcher.0.state().is_empty(), "nothing is held for it");
        // New messages do not pass by the ones that are parked.
        stage.accept("t", &[&webhook]).await;
        sleep(4 * SECOND).await;
        assert_eq!(receivers.ended.load(Ordering::SeqCst), 12);
        sleep(2 * SECOND).await;
        assert_eq!(receivers.ended.load(Ordering::SeqCst), 13, "a probe after five seconds");
        // A success closes the circuit, and everything is sent.
        receivers.behave(|_| (SECOND, status(200)));
        sleep(3 * 60 * SECOND).await;
        assert!(stage.messages("t").await.iter().all(|m| m.outcome == Some(Outcome::Delivered)));
        assert_eq!(receivers.max_at_once(), 4);
    });
}

#[test]
fn counts_attempts_that_a_user_asks_for() {
    let mut world = World::new(policy(), 14);
    world.receivers.behave(|_| (SECOND, Err("refused".to_owned())));
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        for _ in 0..20 {
            stage.accept("t", &[&webhook]).await;
        }
        sleep(Duration::from_millis(3_500)).await;
        // The circuit is open, and a success of any attempt closes it.
        stage.world.receivers.behave(|_| (Duration::ZERO, status(200)));
        stage.service.test(&admin("t"), &webhook).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        // Twelve attempts before, of which the messages are due later; the test; and those parked.
        assert_eq!(stage.world.receivers.ended.load(Ordering::SeqCst), 12 + 1 + 8);
        stage.world.receivers.behave(|_| (Duration::ZERO, status(410)));
        stage.service.test(&admin("t"), &webhook).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        assert_eq!(stage.shown("t", &webhook).await["disabledReasonCode"], "delivery-failures");
    });
}

#[test]
fn keeps_an_endpoint_parked_over_a_restart() {
    let mut world = World::new(policy(), 6);
    world.receivers.behave(|_| (SECOND, Err("refused".to_owned())));
    let webhook = world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        for _ in 0..20 {
            stage.accept("t", &[&webhook]).await;
        }
        sleep(Duration::from_millis(3_500)).await;
        webhook
    });
    world.run(async |stage| {
        for _ in 0..5 {
            stage.accept("t", &[&webhook]).await;
        }
        sleep(3 * SECOND).await;
        assert_eq!(stage.world.receivers.ended.load(Ordering::SeqCst), 12);
        // A change of the webhook may have corrected it.
        stage.patch("t", &webhook, "/name", json!("corrected")).await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(stage.world.receivers.in_flight(&webhook), 4);
    });
}

#[test]
fn applies_changes_of_a_webhook_to_messages_that_wait() {
    let mut world = World::new(policy(), 7);
    world.receivers.behave(|request| {
        let delay = if request.url().ends_with("/slow") { 10 * SECOND } else { SECOND };
        (delay, status(200))
    });
    world.run(async |stage| {
        let [removed, disabled, changed] =
            [stage.webhook("t").await, stage.webhook("t").await, stage.webhook("t").await];
        for webhook in [&removed, &disabled, &changed] {
            stage.patch("t", webhook, "/url", json!("https://hooks.example.com/slow")).await;
        }
        for _ in 0..10 {
            stage.accept("t", &[&removed, &disabled, &changed]).await;
        }
        sleep(SECOND).await;
        stage.remove("t", &removed).await;
        stage.patch("t", &disabled, "/enabled", json!(false)).await;
        stage.patch("t", &changed, "/url", json!("https://hooks.example.com/fast")).await;
        sleep(14 * SECOND).await;
        let messages = stage.messages("t").await;
        let count = |webhook: &WebhookId, outcome| {
            let of = messages.iter().filter(|m| m.webhook == *webhook);
            of.filter(|m| m.outcome == Some(outcome)).count()
        };
        // What is in flight ends; the rest ends without an attempt.
        assert_eq!(count(&removed, Outcome::Removed) + count(&removed, Outcome::Delivered), 10);
        assert_eq!(count(&disabled, Outcome::Delivered), 4);
        assert_eq!(count(&disabled, Outcome::Disabled), 6);
        assert_eq!(count(&changed, Outcome::Delivered), 10, "to the new URL");
        assert_eq!(stage.world.receivers.ended.load(Ordering::SeqCst), 4 + 4 + 10);
    });
}

#[test]
fn ends_messages_that_cannot_be_sent_and_goes_on() {
    let mut world = World::new(policy(), 8);
    world.receivers.behave(|request| match request.webhook().name() {
        "panics" => panic!("a panic on request"),
        _ => (Duration::ZERO, status(200)),
    });
    world.run(async |stage| {
        let [good, panics] = [stage.webhook("t").await, stage.webhook("t").await];
        stage.patch("t", &panics, "/name", json!("panics")).await;
        let poison = stage.accept_bytes("t", &[&good], b"nonsense").await;
        let panicked = stage.accept("t", &[&panics]).await;
        let sent = stage.accept("t", &[&good]).await;
        sleep(SECOND).await;
        for (ids, outcome) in [
            (poison, Outcome::Unsendable),
            (panicked, Outcome::Unsendable),
            (sent, Outcome::Delivered),
        ] {
            assert_eq!(stage.message("t", &ids[0]).await.outcome, Some(outcome));
        }
        assert!(stage.dispatcher.0.state().is_empty());
    });
}

#[test]
fn sends_what_is_due_when_the_clock_jumps() {
    for jump in [-7_200_000, 7_200_000] {
        let mut world = World::new(policy(), 9);
        world.receivers.behave(|_| (SECOND, status(503)));
        world.run(async |stage| {
            let webhook = stage.webhook("t").await;
            let messages = stage.accept("t", &[&webhook]).await;
            sleep(10 * SECOND).await;
            let skew = &stage.world.skew;
            skew.store(jump, Ordering::SeqCst);
            // Leases of what is held end, or were not begun: nothing is sent twice at once.
            for _ in 0..10 {
                stage.accept("t", &[&webhook]).await;
            }
            sleep(10 * SECOND).await;
            skew.store(0, Ordering::SeqCst);
            stage.world.receivers.behave(|_| (SECOND, status(200)));
            sleep(4 * HOUR).await;
            assert_eq!(stage.message("t", &messages[0]).await.outcome, Some(Outcome::Delivered));
            assert!(stage.messages("t").await.iter().all(|m| m.outcome.is_some()));
            assert!(stage.world.receivers.max_at_once() <= 4);
        });
    }
}

#[test]
fn ends_attempts_in_flight_at_a_stop_and_releases_the_others() {
    let mut world = World::new(policy(), 10);
    world.receivers.behave(|_| (5 * SECOND, status(200)));
    world.run(async |stage| {
        let webhook = stage.webhook("t").await;
        for _ in 0..20 {
            stage.accept("t", &[&webhook]).await;
        }
        sleep(SECOND).await;
        let before = stage.now();
        stage.dispatcher.stop();
        stage.dispatcher.idle().await;
        let waited = SystemTime::from(stage.now()).duration_since(before.into()).unwrap();
        assert!(waited >= 4 * SECOND && waited < 5 * SECOND, "{waited:?}");
        stage.accept("t", &[&webhook]).await;
        sleep(10 * SECOND).await;
        let messages = stage.messages("t").await;
        let ended = messages.iter().filter(|m| m.outcome == Some(Outcome::Delivered)).count();
        assert_eq!((ended, messages.len()), (4, 21));
        assert_eq!(stage.world.receivers.ended.load(Ordering::SeqCst), 4, "none was sent twice");
    });
    world.run(async |stage| {
        sleep(60 * SECOND).await;
        assert!(stage.messages("t").await.iter().all(|m| m.outcome == Some(Outcome::Delivered)));
        assert_eq!(stage.world.receivers.ended.load(Ordering::SeqCst), 21);
    });
}

/// Starts a server over a store that fails on request, within the world of another one.
async fn failing(world: &World) -> (Stage, Arc<Failing>) {
    let store = Arc::new(Failing::new(Arc::clone(&world.store)));
    let ambient = Ambient::simulated(world.now, Arc::clone(&world.skew), 77);
    (Stage::over(world, Arc::clone(&store) as _, ambient).await, store)
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_store_that_fails_and_loses_nothing() {
    let world = World::new(policy(), 11);
    let (stage, store) = failing(&world).await;
    let webhook = stage.webhook("t").await;
    store.fail(Some(StoreError::Full("disk".to_owned())));
    for _ in 0..10 {
        stage.accept("t", &[&webhook]).await;
    }
    sleep(600 * SECOND).await;
    let tries = store.calls.load(Ordering::SeqCst);
    assert!((2 * 100..2 * 140).contains(&tries), "one in five seconds from each loop: {tries}");
    let beats = stage.beats.load(Ordering::SeqCst);
    assert!(beats < 5, "no progress is shown: {beats}");
    store.fail(None);
    sleep(60 * SECOND).await;
    assert!(stage.messages("t").await.iter().all(|m| m.outcome == Some(Outcome::Delivered)));
    assert_eq!(world.receivers.ended.load(Ordering::SeqCst), 10, "none was sent twice");
    assert!(stage.beats.load(Ordering::SeqCst) > beats + 50);
}

#[tokio::test(start_paused = true)]
async fn shows_no_progress_while_a_settle_does_not_return() {
    let world = World::new(policy(), 12);
    let (stage, store) = failing(&world).await;
    let webhook = stage.webhook("t").await;
    store.hangs.store(true, Ordering::SeqCst);
    stage.accept("t", &[&webhook]).await;
    sleep(2 * SECOND).await;
    let beats = stage.beats.load(Ordering::SeqCst);
    sleep(60 * SECOND).await;
    assert_eq!(stage.beats.load(Ordering::SeqCst), beats);
}

/// The store does not complete the settle of one message. The others are settled.
#[tokio::test(start_paused = true)]
async fn settles_the_others_if_one_message_is_refused() {
    let world = World::new(policy(), 13);
    let (stage, store) = failing(&world).await;
    let [good, refused] = [stage.webhook("t").await, stage.webhook("t").await];
    *store.refused.lock().unwrap() = Some(refused.clone());
    world.receivers.behave(|_| (SECOND, status(200)));
    for _ in 0..10 {
        stage.accept("t", &[&good, &refused]).await;
    }
    sleep(60 * SECOND).await;
    let ended = async |webhook: &WebhookId| {
        let messages = stage.messages("t").await;
        let of = messages.iter().filter(|m| m.webhook == *webhook);
        of.filter(|m| m.outcome == Some(Outcome::Delivered)).count()
    };
    assert_eq!((ended(&good).await, ended(&refused).await), (10, 0));
    *store.refused.lock().unwrap() = None;
    sleep(60 * SECOND).await;
    assert_eq!((ended(&good).await, ended(&refused).await), (10, 10));
    assert_eq!(world.receivers.ended.load(Ordering::SeqCst), 20, "none was sent twice");
}
