//! Events and messages in this backend only: bodies that are stored once, removal in slices, and
//! erasure.

use super::random::{Random, delivery};
use super::sqlite::{holds, open, put};
use super::{Directory, all, wait};
use crate::server::store::contract::outbox::{
    AcceptTimes, Accepted, EventId, EventQuery, NewEvent, NewMessage, Next, Outbox, Outcome, Room,
    Settled, TenantEvents,
};
use crate::server::store::contract::{Attempt, DeliveryRow, Store, StoreError, WebhookChange};
use crate::server::store::sqlite::{Settings, Sqlite};
use hooksieve::delivery::{Delivery, ListQuery, MessageId};
use hooksieve::event::TenantId;
use hooksieve::webhook::Timestamp;
use std::time::{Duration, Instant, UNIX_EPOCH};

fn at(seconds: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_secs(seconds)).into()
}

fn event(number: usize, body: &str, claimed: bool) -> NewEvent {
    let id = MessageId::new(&format!("m{number}")).unwrap();
    NewEvent {
        id: EventId(format!("e{number}").into()),
        own_id: None,
        key: None,
        event_type: "x".into(),
        source: "".into(),
        body: body.to_owned().into(),
        messages: vec![NewMessage { id, webhook: "w".into(), claimed }],
    }
}

fn of(tenant: &str, revision: u64, events: Vec<NewEvent>) -> Vec<TenantEvents> {
    vec![TenantEvents { tenant: tenant.into(), revision, events }]
}

fn times(seconds: u64) -> AcceptTimes {
    AcceptTimes { now: at(seconds), lease: at(seconds), unique_since: at(0) }
}

fn settled(number: usize, document: String) -> Settled {
    let id = MessageId::new(&format!("m{number}")).unwrap();
    let row = DeliveryRow {
        id: format!("d{number}").into(),
        webhook: "w".into(),
        document: document.into(),
        attempt: Attempt { message: Some(id.clone()), ..Attempt::default() },
        ..delivery(&mut Random(number as u64))
    };
    let next = Next::End(Outcome::Delivered);
    Settled { tenant: "t".into(), webhook: "w".into(), id, next, attempt: Some(row) }
}

/// Returns the document of a delivery as the library writes it.
fn document(body: &str) -> String {
    let document = serde_json::json!({
        "id": "d", "status": "success", "webhookId": "w", "eventType": "x",
        "triggeredAt": "2026-01-01T00:00:00Z",
        "request": {"url": "https://hooks.example.com/", "body": body, "headers": {}},
    });
    let read = Delivery::read(document.to_string().as_bytes()).unwrap();
    serde_json::to_string(&read.stored()).unwrap()
}

/// A body with `marked-body` once, and what JSON must escape.
const BODY: &str = "{\"type\":\"x\",\"data\":\"marked-body \\\" \\u0000 \u{e9}\u{1f980}\"}\n";

#[test]
fn stores_the_body_of_an_event_once() {
    let place = Directory::new();
    let store = open(place.path());
    let tenant = "t".into();
    let documents = [document(BODY), document("{\"type\":\"converted marked-body\"}")];
    wait(async {
        store.commit(&tenant, 0, put("w", "")).await.unwrap();
        let events = (0..2).map(|number| event(number, BODY, true)).collect();
        store.accept(of("t", 1, events), times(1)).await.unwrap();
        let all = documents.iter().enumerate();
        let all = all.map(|(number, document)| settled(number, document.clone())).collect();
        store.settle(all, at(2)).await.unwrap();
        // The same bytes, sent again.
        let again = settled(0, documents[0].clone()).attempt.unwrap();
        store.record(&tenant, vec![DeliveryRow { id: "again".into(), ..again }]).await.unwrap();
        for (id, document) in [("d0", 0), ("d1", 1), ("again", 0)] {
            let found = store.delivery(&tenant, &"w".into(), &id.into(), at(0)).await.unwrap();
            assert_eq!(found.unwrap().document, documents[document], "{id}");
        }
        let query = ListQuery::read("").unwrap();
        let page = store.deliveries(&tenant, &"w".into(), &query, at(0)).await.unwrap();
        assert_eq!(page.rows.len(), 3);
        let (webhook, id) = ("w".into(), MessageId::new("m0").unwrap());
        let attempts = store.attempts(&tenant, &webhook, &id, at(0)).await.unwrap();
        assert_eq!(attempts.len(), 2);
        assert!(attempts.iter().all(|row| row.document == documents[0]));
    });
    let connection = rusqlite::Connection::open(place.path().join("hooksieve.db")).unwrap();
    let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let with =
        "SELECT count(*) FROM delivery WHERE instr(CAST(document AS TEXT), 'marked-body') > 0";
    assert_eq!(count(with), 1, "only the converted body is stored with its delivery");
}

/// Other writes are answered while the messages of a removed webhook are ended in slices. Until then
/// they are shown as removed, and none is claimed.
#[test]
fn ends_many_messages_of_a_removed_webhook_in_slices() {
    let place = Directory::new();
    let store = open(place.path());
    let tenant = "t".into();
    let count = 20_000;
    wait(async {
        store.commit(&tenant, 0, put("w", "")).await.unwrap();
        store.commit(&tenant, 1, put("other", "")).await.unwrap();
        for first in (0..count).step_by(1_000) {
            let events = (first..first + 1_000).map(|number| event(number, "{}", false)).collect();
            store.accept(of("t", 2, events), times(1)).await.unwrap();
        }
        store.commit(&tenant, 2, WebhookChange::Remove("w".into())).await.unwrap();
        assert!(left(&store, &place).await > 0, "the sweep has slices");
        let query = EventQuery { limit: 500, ..EventQuery::default() };
        for row in store.events(&tenant, &query, at(0)).await.unwrap().rows {
            assert_eq!((row.wanted, row.messages.len()), (1, 1));
            assert_eq!(row.messages[0].outcome, Some(Outcome::Removed));
        }
        let room = Room { messages: 10, of_webhook: 10, ..Room::default() };
        let claimed = store.claim(at(9), at(9), room).await.unwrap();
        assert_eq!((claimed.messages, claimed.next), (Vec::new(), None));
        assert_eq!(store.check(), Ok(Vec::new()), "the remaining messages are accounted for");
    });
    // The sweep continues after the store was closed and opened again.
    drop(store);
    let store = open(place.path());
    let start = Instant::now();
    while wait(left(&store, &place)) > 0 {
        assert!(start.elapsed().as_secs() < 60, "the store sweeps");
    }
    // Nothing holds the events any longer.
    let expired = wait(store.expire(at(5), at(5), 3 * count)).unwrap();
    assert_eq!(expired, 2 * count);
}

/// What is kept of an erased tenant's events is removed from every file, and other tenants keep theirs.
#[test]
fn erases_every_trace_of_events() {
    let place = Directory::new();
    let store = open(place.path());
    wait(async {
        for tenant in ["marked-t", "other"].map(TenantId::from) {
            store.commit(&tenant, 0, put("w", "")).await.unwrap();
            let body = format!("{} content", tenant.as_str());
            let name = |number: usize| format!("{}-{number}", tenant.as_str());
            let events = (0..2_000).map(|number| NewEvent {
                id: EventId(name(number).into()),
                key: Some([number as u8; 32]),
                source: name(number).into(),
                messages: vec![NewMessage {
                    id: MessageId::new(&name(number)).unwrap(),
                    webhook: "w".into(),
                    claimed: number % 2 == 0,
                }],
                ..event(number, &body, false)
            });
            let events = of(tenant.as_str(), 1, events.collect());
            let accepted = store.accept(events, times(1)).await.unwrap();
            let new = accepted[0].iter().filter(|one| matches!(one, Accepted::New(_)));
            assert_eq!(new.count(), 256, "as many as there are keys");
        }
        assert!(holds(place.path(), "marked-t"), "the search finds stored content");
        store.erase(&"marked-t".into()).await.unwrap();
        assert!(!holds(place.path(), "marked-t"), "while the store is open");
        assert_eq!(store.check(), Ok(Vec::new()));
        // A new tenant with the name is not related to the erased one.
        store.commit(&"marked-t".into(), 0, put("w", "")).await.unwrap();
        let all = EventQuery { limit: 500, ..EventQuery::default() };
        let page = store.events(&"marked-t".into(), &all, at(0)).await.unwrap();
        assert_eq!(page.rows, []);
        let page = store.events(&"other".into(), &all, at(0)).await.unwrap();
        assert_eq!(page.rows.len(), 256);
    });
}

/// Events of two tenants are accepted together or not at all, and the others of the transaction are
/// not concerned.
#[test]
fn accepts_all_events_of_a_call_or_none() {
    let place = Directory::new();
    let store = open(place.path());
    wait(async {
        store.commit(&"t".into(), 0, put("w", "")).await.unwrap();
        let call = |number, revision| {
            let mut events = of("new", 0, vec![event(number, "{}", false)]);
            events.extend(of("t", revision, vec![event(number + 100, "{}", true)]));
            store.accept(events, times(1))
        };
        let results = all((0..30).map(|number| call(number, number as u64 % 3)).collect()).await;
        for (number, result) in results.into_iter().enumerate() {
            let conflict = StoreError::Conflict { expected: number as u64 % 3, current: 1 };
            match number % 3 == 1 {
                true => assert_eq!(result.map(|all| all.len()), Ok(2)),
                false => assert_eq!(result, Err(conflict)),
            }
        }
        for tenant in ["new", "t"].map(TenantId::from) {
            let all = EventQuery { limit: 500, ..EventQuery::default() };
            let page = store.events(&tenant, &all, at(0)).await.unwrap();
            assert_eq!(page.rows.len(), 10);
        }
    });
}

/// A claim ends with its process: what was claimed is due at once.
#[test]
fn forgets_claims_when_opened() {
    let place = Directory::new();
    let room = || Room { messages: 10, of_webhook: 10, ..Room::default() };
    let store = open(place.path());
    wait(async {
        store.commit(&"t".into(), 0, put("w", "")).await.unwrap();
        let events = (0..4).map(|number| event(number, "{}", number < 2)).collect();
        store.accept(of("t", 1, events), times(1)).await.unwrap();
        let claimed = store.claim(at(2), at(900), room()).await.unwrap();
        assert_eq!((claimed.messages.len(), claimed.next), (2, None));
    });
    drop(store);
    let store = open(place.path());
    let claimed = wait(store.claim(at(2), at(900), room())).unwrap();
    assert_eq!(claimed.messages.len(), 4);
    assert_eq!(store.check(), Ok(Vec::new()));
}

/// Returns the number of messages that have not ended.
async fn left(store: &Sqlite, place: &Directory) -> i64 {
    // A write, so that the sweep is between two others.
    store.ping().await.unwrap();
    let connection = rusqlite::Connection::open(place.path().join("hooksieve.db")).unwrap();
    let sql = "SELECT count(*) FROM message WHERE outcome IS NULL";
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// When no more events are accepted, what was accepted can still be settled.
#[test]
fn keeps_room_for_the_outcomes_of_events() {
    let place = Directory::new();
    let settings = Settings { max_bytes: Some(512 * 1024), ..Settings::new(place.path()) };
    let store = Sqlite::open(&settings).unwrap();
    wait(async {
        store.commit(&"t".into(), 0, put("w", "x")).await.unwrap();
        let mut accepted = 0;
        let error = loop {
            match store.accept(of("t", 1, vec![event(accepted, BODY, true)]), times(1)).await {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full(_)) && accepted > 50, "{accepted}: {error:?}");
        for number in 0..accepted.min(100) {
            let settled = store.settle(vec![settled(number, document(BODY))], at(2)).await;
            assert!(settled.is_ok(), "{number} of {accepted}: {settled:?}");
        }
    });
}
