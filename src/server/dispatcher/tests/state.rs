//! Who may hold how much, and who is next.

use crate::server::dispatcher::state::{Capacity, State};
use crate::server::store::contract::outbox::{EventId, Message};
use bytes::Bytes;
use hooksieve::delivery::MessageId;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use std::time::{Duration, UNIX_EPOCH};

const CAPACITY: Capacity = Capacity { messages: 90, attempts: 12, of_endpoint: 1_000, at_once: 2 };

fn ids(tenant: &str, webhook: &str) -> (TenantId, WebhookId) {
    (tenant.into(), webhook.into())
}

fn message(tenant: &str, webhook: &str, number: usize) -> Message {
    let (tenant, webhook) = ids(tenant, webhook);
    let id = MessageId::new(&format!("{}-{}-{number}", tenant.as_str(), webhook.as_str())).unwrap();
    let (event, body) = (EventId("e".into()), Bytes::new());
    Message { tenant, webhook, id, event, body, attempts: 0, received_at: UNIX_EPOCH.into() }
}

/// Reserves room as often as possible, and returns how often.
fn fill(state: &mut State, tenant: &str, bytes: usize) -> usize {
    let mut count = 0;
    while count < 1_000 && {
        let (tenant, webhook) = ids(tenant, &format!("w{}", count % 10));
        state.reserve(&tenant, &webhook, bytes)
    } {
        count += 1;
    }
    count
}

#[test]
fn leaves_room_for_tenants_that_come_later() {
    let mut state = State::new(CAPACITY);
    assert_eq!(fill(&mut state, "a", 100), 45, "half");
    assert_eq!(fill(&mut state, "b", 100), 23, "half of the rest");
    assert_eq!(fill(&mut state, "c", 100), 11);
    assert_eq!(fill(&mut state, "a", 100), 0, "more than what is free now");
    // What is returned is free for all.
    for number in 0..45 {
        let (tenant, webhook) = ids("a", &format!("w{}", number % 10));
        state.unreserve(&tenant, &webhook, 100);
    }
    assert!(fill(&mut state, "c", 100) > 0);
}

#[test]
fn counts_large_bodies_more_than_once() {
    let mut state = State::new(CAPACITY);
    assert_eq!(fill(&mut state, "a", 4 * (16 << 10)), 9, "five for each");
}

#[test]
fn limits_the_messages_of_an_endpoint() {
    let mut state = State::new(Capacity { of_endpoint: 4, ..CAPACITY });
    let (tenant, webhook) = ids("a", "w");
    let reserved = (0..10).filter(|_| state.reserve(&tenant, &webhook, 0)).count();
    assert_eq!(reserved, 4);
    let room = state.room().unwrap();
    assert!(room.except.contains(&(tenant.clone(), webhook.clone())));
    let is_next = |state: &mut State| state.reserve(&tenant, &webhook, 0);
    assert!(!state.unreserve(&tenant, &webhook, 0), "too little room for a claim");
    assert!(!is_next(&mut state), "the store has older messages");
    assert!(state.unreserve(&tenant, &webhook, 0), "there is room for what was passed by");
    assert!(state.room().unwrap().except.is_empty() && is_next(&mut state));
}

#[test]
fn sends_round_robin_within_the_permits() {
    let now: Timestamp = UNIX_EPOCH.into();
    let mut state = State::new(CAPACITY);
    let mut all = Vec::new();
    for number in 0..20 {
        for webhook in ["w1", "w2", "w3", "w4", "w5"] {
            all.push(message("flood", webhook, number));
        }
    }
    all.push(message("single", "w", 0));
    assert!(state.claimed(all.clone(), now).is_empty());
    // A claimed message that is held already is returned to the store, and not sent twice.
    assert_eq!(state.claimed(all.clone(), now), all);
    for Message { tenant, webhook, id, body, .. } in &all {
        state.settled(tenant, webhook, (id, body.len()));
    }
    let mut sent = Vec::new();
    while let Some(message) = state.next() {
        sent.push((message.tenant.as_str().to_owned(), message.webhook.as_str().to_owned()));
    }
    let of = |tenant: &str| sent.iter().filter(|(of, _)| of == tenant).count();
    assert_eq!((of("flood"), of("single")), (6, 1), "half of the permits; and the other one");
    assert_eq!(sent[1].0, "single", "the second turn");
    for webhook in ["w1", "w2", "w3", "w4", "w5"] {
        let count = sent.iter().filter(|sent| *sent == &("flood".into(), webhook.into())).count();
        assert!((1..=2).contains(&count), "{webhook}: {count}");
    }
    // A permit that is returned is used by the endpoint whose turn it is.
    let (tenant, webhook) = ids("flood", "w1");
    state.finished(&tenant, &webhook);
    assert_eq!(state.next().unwrap().webhook.as_str(), "w2");
}

#[test]
fn releases_what_waits_for_a_parked_endpoint() {
    let now: Timestamp = UNIX_EPOCH.into();
    let until = (UNIX_EPOCH + Duration::from_secs(5)).into();
    let mut state = State::new(CAPACITY);
    let (tenant, webhook) = ids("a", "w");
    let messages = (0..3).map(|number| message("a", "w", number)).collect();
    assert!(state.claimed(messages, now).is_empty());
    assert!(state.next().is_some());
    assert_eq!(state.park(&tenant, &webhook, until).len(), 2);
    assert!(state.next().is_none() && !state.reserve(&tenant, &webhook, 0));
    assert_eq!(state.claimed(vec![message("a", "w", 3)], now).len(), 1, "too early");
    assert_eq!(state.claimed(vec![message("a", "w", 4)], until).len(), 1, "one is in flight");
    for number in 0..5 {
        if number == 0 {
            state.finished(&tenant, &webhook);
        }
        state.settled(&tenant, &webhook, (&message("a", "w", number).id, 0));
    }
    assert!(state.is_empty());
    let probes = (5..7).map(|number| message("a", "w", number)).collect();
    assert_eq!(state.claimed(probes, until).len(), 1, "one probe");
    assert!(state.next().is_some() && state.next().is_none());
    state.unpark(&tenant, &webhook);
    assert!(state.reserve(&tenant, &webhook, 0));
}
