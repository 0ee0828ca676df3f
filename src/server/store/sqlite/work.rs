//! The work of reads and claims does not grow with the store.
//!
//! It is counted in steps of SQLite's virtual machine, which are the same on every run. A statement
//! that visits each row of a table, or each message of a webhook, makes some steps for each.

use super::claim::Claim;
use super::reader::{self, Of};
use super::settle::Settle;
use super::write::Write;
use super::{Settings, Sqlite, events, expire::Expire, file, page};
use crate::server::store::contract::outbox::{
    AcceptTimes, EventId, EventPlace, EventQuery, NewEvent, NewMessage, Next, Outcome, Room,
    Settled, TenantEvents,
};
use crate::server::store::contract::{Attempt, DeliveryRow, WebhookChange, WebhookRow};
use hooksieve::delivery::{ListQuery, MessageId, Status};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};
use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

thread_local! {
    static STEPS: Cell<i64> = const { Cell::new(0) };
}

fn note(event: TraceEvent<'_>) {
    if let TraceEvent::Profile(statement, _) = event {
        STEPS.set(STEPS.get() + i64::from(statement.get_status(StatementStatus::VmStep)));
    }
}

/// Runs something in a transaction that is undone, and returns its steps.
fn steps<T>(connection: &Connection, run: impl FnOnce(&Connection) -> T) -> (T, i64) {
    // A cached statement would have the steps of earlier runs.
    connection.flush_prepared_statement_cache();
    connection.execute_batch("BEGIN").unwrap();
    STEPS.set(0);
    let found = run(connection);
    let steps = STEPS.get();
    connection.execute_batch("ROLLBACK").unwrap();
    (found, steps)
}

fn at(seconds: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)).into()
}

fn event(number: u64) -> NewEvent {
    let message = |webhook: &str, claimed| NewMessage {
        id: MessageId::new(&format!("{webhook}-{number}")).unwrap(),
        webhook: webhook.into(),
        claimed,
    };
    // One in 25 is not wanted, and half of these are of another type.
    let messages = match number % 25 {
        24 => Vec::new(),
        _ => vec![message("waiting", false), message("sent", true)],
    };
    NewEvent {
        id: EventId(format!("e{number}").into()),
        own_id: None,
        key: None,
        event_type: if number % 50 == 49 { "rare" } else { "usual" }.into(),
        source: "".into(),
        body: format!(r#"{{"number":{number}}}"#).into(),
        messages,
    }
}

fn attempt(number: u64) -> Settled {
    let id = MessageId::new(&format!("sent-{number}")).unwrap();
    let status = if number % 50 == 7 { Status::Fail } else { Status::Success };
    let row = DeliveryRow {
        id: format!("d{number}").into(),
        webhook: "sent".into(),
        triggered_at: at(number),
        status,
        event_type: "usual".into(),
        document: format!(r#"{{"body":"{{\"number\":{number}}}"}}"#).into(),
        attempt: Attempt { message: Some(id.clone()), ..Attempt::default() },
    };
    let next = Next::End(Outcome::Delivered);
    Settled { tenant: "t".into(), webhook: "sent".into(), id, next, attempt: Some(row) }
}

/// Makes a store with events, of which one webhook has received nearly all, and which wait for another.
fn fill(place: &std::path::Path, count: u64) -> Connection {
    let settings = Settings::new(place);
    drop(Sqlite::open(&settings).unwrap());
    let mut connection = file::open_writer(&place.join("hooksieve.db"), &settings).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for (expected, id) in ["waiting", "sent", "other"].into_iter().enumerate() {
        let change = WebhookChange::Put(WebhookRow { id: id.into(), document: "{}".into() });
        let commit =
            super::Commit { tenant: "t".into(), expected: expected as u64, change, log: 9 };
        commit.run(&connection).unwrap();
    }
    for number in 0..count {
        accept(&connection, at(number), event(number));
        let settled = vec![attempt(number)];
        Settle { settled, now: at(number) }.run(&connection).unwrap();
    }
    // The newest one, so that it is due last.
    let id = MessageId::new("other").unwrap();
    let messages = vec![NewMessage { id, webhook: "other".into(), claimed: false }];
    accept(&connection, at(count), NewEvent { messages, ..event(count) });
    connection.execute_batch("COMMIT").unwrap();
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(note)).unwrap();
    connection
}

fn accept(connection: &Connection, now: Timestamp, event: NewEvent) {
    let events = vec![TenantEvents { tenant: "t".into(), revision: 3, events: vec![event] }];
    let times = AcceptTimes { now, lease: now, unique_since: now };
    super::accept::Accept { events, times }.run(connection).unwrap();
}

/// Returns the steps of each read and write of a store with this number of events.
fn all(count: u64) -> Vec<(String, i64)> {
    let directory = crate::server::store::tests::Directory::new();
    let connection = fill(directory.path(), count);
    let tenant = TenantId::from("t");
    let mut all = Vec::new();
    let mut add = |name: String, steps: i64| all.push((name, steps));

    let place = |number, backwards| EventPlace { received_at: at(number), number, backwards };
    let usual = EventQuery { limit: 20, ..EventQuery::default() };
    let middle = Some(place(count / 2, false));
    let types = [None, Some("rare".into())];
    for (event_type, unmatched) in types.iter().flat_map(|name| [(name, false), (name, true)]) {
        let usual = EventQuery { event_type: event_type.clone(), unmatched, ..usual.clone() };
        for query in [
            usual.clone(),
            EventQuery { place: middle, ..usual.clone() },
            EventQuery { place: Some(place(count / 2, true)), ..usual.clone() },
            EventQuery { to: Some(at(count / 2)), ..usual.clone() },
            EventQuery { from: Some(at(count / 4)), place: middle, ..usual.clone() },
        ] {
            let (page, steps) = steps(&connection, |connection| {
                events::page(connection, &tenant, &query, UNIX_EPOCH.into()).unwrap()
            });
            assert_eq!(page.rows.len(), 20, "{query:?}");
            add(format!("{query:?}"), steps);
        }
    }
    let id = WebhookId::from("sent");
    let key = reader::webhook_key(&connection, &tenant, &id).unwrap().unwrap();
    for text in ["", "status=fail", "status=fail&eventType=usual", "sort=status"] {
        let query = ListQuery::read(text).unwrap();
        let (page, steps) = steps(&connection, |connection| {
            page::page(connection, Of { id: &id, key }, &query, UNIX_EPOCH.into()).unwrap()
        });
        assert_eq!(page.rows.len(), 20, "{text}");
        add(format!("deliveries {text}"), steps);
    }
    let message = MessageId::new("sent-10").unwrap();
    let (rows, read) = steps(&connection, |connection| {
        reader::attempts(connection, Of { id: &id, key }, &message, UNIX_EPOCH.into()).unwrap()
    });
    assert_eq!(rows.len(), 1);
    add("attempts".to_owned(), read);

    for (name, messages, of_webhook, except, found) in [
        ("claim", 20, 5, None, 6),
        ("claim one", 1, 1, None, 1),
        ("claim of others", 20, 5, Some("waiting"), 1),
    ] {
        let except = except.map(|id: &str| (tenant.clone(), id.into())).into_iter().collect();
        let room = Room { messages, of_webhook, except, ..Room::default() };
        let (claimed, steps) = steps(&connection, |connection| {
            Claim { now: at(2 * count), room }.run(connection).unwrap()
        });
        assert_eq!(claimed.messages.len(), found, "{name}");
        add(name.to_owned(), steps);
    }
    // Nothing of it has expired: all events but those that no webhook wanted are held.
    let before = at(0);
    let (expired, read) = steps(&connection, |connection| {
        Expire { before, unique_before: before, max: 100 }.run(connection).unwrap()
    });
    assert_eq!(expired, 0);
    add("expire".to_owned(), read);
    all
}

#[test]
fn does_not_grow_with_the_store() {
    let (small, large) = (all(5_000), all(20_000));
    for ((name, small), (_, large)) in small.iter().zip(&large) {
        println!("{small:8} {large:8} {name}");
    }
    for ((name, small), (_, large)) in small.into_iter().zip(large) {
        assert!(small > 0 && large * 10 <= small * 11 + 200, "{name}: {small} {large}");
    }
}
