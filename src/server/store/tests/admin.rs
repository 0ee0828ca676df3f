//! Backups and checks, while a store is being written.

use super::law::{Backend, InSqlite};
use super::program::everything;
use super::random::{Operations, Random, delivery, webhook, with_body};
use super::{Directory, wait};
use crate::server::store::contract::outbox::{
    AcceptTimes, EventId, NewEvent, NewMessage, Next, Outbox, Outcome, Settled, TenantEvents,
};
use crate::server::store::contract::{
    Attempt, DeliveryRow, Store, StoreError, WebhookChange, WebhookRow,
};
use crate::server::store::sqlite::{BackupError, Settings, Sqlite, backup, check, schema};
use hooksieve::delivery::MessageId;
use hooksieve::webhook::Timestamp;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, UNIX_EPOCH};

fn put(number: u64) -> WebhookChange {
    let id = format!("w{}", number % 50).into();
    let document = webhook(&id, &number.to_string());
    WebhookChange::Put(WebhookRow { id, document })
}

#[test]
fn backs_up_while_the_store_is_written() {
    let place = Directory::new();
    let store = Arc::new(Sqlite::open(&Settings::new(place.path())).unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        move || {
            let mut revision = 0;
            while !done.load(Ordering::Relaxed) {
                revision = commit(&store, revision);
            }
            revision
        }
    });
    let revision = |store: &Sqlite| wait(store.load(&"t".into())).unwrap().revision;
    let start = Instant::now();
    while revision(&store) < 20 {
        assert!(start.elapsed().as_secs() < 60, "the writer makes progress");
    }
    for number in 0..5 {
        let copies = Directory::new();
        let copy = copies.path().join("hooksieve.db");
        let before = revision(&store);
        match number % 2 {
            0 => store.backup(&copy).unwrap(),
            // A backup as another process makes it.
            _ => backup(place.path(), &copy).unwrap(),
        }
        let after = revision(&store);
        assert_eq!(store.check(), Ok(Vec::new()));
        assert_eq!(std::fs::read_dir(copies.path()).unwrap().count(), 1, "one file");
        assert_eq!(check(copies.path()), Ok(Vec::new()));
        let copied = Sqlite::open(&Settings::new(copies.path())).unwrap();
        let rows = wait(copied.load(&"t".into())).unwrap();
        assert!((before..=after).contains(&rows.revision), "{before} {} {after}", rows.revision);
        for row in rows.webhooks {
            let number: u64 = row.id.as_str()[1..].parse().unwrap();
            let last = (0..rows.revision).rev().find(|at| at % 50 == number).unwrap();
            let expected = webhook(&row.id, &last.to_string());
            assert_eq!(row.document, expected, "all rows are of one revision");
        }
    }
    done.store(true, Ordering::Relaxed);
    assert_eq!(writer.join().unwrap(), revision(&store));
}

/// Commits a change and returns its revision.
fn commit(store: &Sqlite, revision: u64) -> u64 {
    wait(store.commit(&"t".into(), revision, put(revision))).unwrap()
}

#[test]
fn backs_up_everything_and_replaces_no_file() {
    let (place, copies) = (Directory::new(), Directory::new());
    let store = InSqlite.open(place.path());
    for operation in Operations::new(3).take(300) {
        wait(operation.run(&*store)).unwrap();
    }
    let copy = copies.path().join("hooksieve.db");
    backup(place.path(), &copy).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let bytes = std::fs::read(&copy).unwrap();
    let error = backup(place.path(), &copy).unwrap_err();
    assert!(matches!(error, BackupError::File(_)), "{error:?}");
    assert!(std::fs::read(&copy).unwrap() == bytes);
    let copied = InSqlite.open(copies.path());
    assert_eq!(wait(everything(&*copied)), wait(everything(&*store)));
}

/// Changes the file of a store as nothing but damage or a hostile hand does.
fn alter(place: &Path, sql: &str) {
    let connection = Connection::open(place.join("hooksieve.db")).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Returns a store that was closed: a tenant with three webhooks and a delivery of the first one.
fn closed() -> Directory {
    let place = Directory::new();
    let store = Sqlite::open(&Settings::new(place.path())).unwrap();
    for revision in 0..3 {
        commit(&store, revision);
    }
    let (id, webhook) = ("d".into(), "w0".into());
    let row = DeliveryRow { id, webhook, ..delivery(&mut Random(1)) };
    wait(store.record(&"t".into(), vec![with_body(row, "{}")])).unwrap();
    drop(store);
    assert_eq!(check(place.path()), Ok(Vec::new()));
    place
}

/// What a server does not start with.
const LOST: &[(&str, &str)] = &[
    ("DELETE FROM tenant", "webhook belongs to no tenant: w0"),
    ("UPDATE tenant SET revision = 2", "tenant has a webhook outside its revisions: t"),
    (
        "UPDATE webhook SET revision = 0 WHERE id = 'w0'",
        "tenant has a webhook outside its revisions: t",
    ),
    ("DELETE FROM webhook WHERE revision = 3", "tenant has no change at its own revision: t"),
    ("DELETE FROM webhook", "tenant has no change at its own revision: t"),
    ("UPDATE tenant SET floor = 4", "tenant has a floor above its revision: t"),
    ("UPDATE tenant SET floor = -1", "tenant has a floor above its revision: t"),
    ("DELETE FROM meta", "table `meta` lacks a row: pings"),
];

const ALTERED: &[(&str, &str)] = &[
    ("INSERT INTO removal VALUES (1, 'gone', 9)", "tenant has a removal outside its revisions: t"),
    ("INSERT INTO removal VALUES (1, 'gone', 2)", "tenant has two changes at one revision: t"),
    (
        "UPDATE webhook SET revision = 1 WHERE id = 'w1';
            INSERT INTO removal VALUES (1, 'w1', 2)",
        "webhook exists and is removed: w1",
    ),
    (
        "INSERT INTO removed SELECT key FROM webhook WHERE id = 'w0'",
        "webhook was removed but still exists: w0",
    ),
    ("UPDATE delivery SET webhook = 99", "delivery has no webhook: d"),
    ("DELETE FROM sqlite_sequence", "key of a webhook can be used again: 3"),
    ("UPDATE webhook SET id = 'w9' WHERE id = 'w1'", "webhook document has another id: w9"),
    (
        "UPDATE webhook SET document = x'7b7d' WHERE id = 'w1'",
        "webhook document is not JSON with an id: w1",
    ),
    ("UPDATE delivery SET document = x'7b'", "delivery document cannot be read: d"),
    ("UPDATE delivery SET document = x'7b7d'", "delivery document cannot be read: d"),
    ("UPDATE delivery SET id = 'e'", "delivery document differs from its row: e"),
    ("UPDATE delivery SET status = 1 - status", "delivery document differs from its row: d"),
    ("UPDATE delivery SET event_type = 'x'", "delivery document differs from its row: d"),
    ("UPDATE delivery SET triggered_at = 5", "delivery document differs from its row: d"),
    ("UPDATE delivery SET webhook = 2", "delivery document differs from its row: d"),
];

/// A check reports the damage, and a backup of it leaves no file.
#[test]
fn reports_violated_invariants() {
    for (change, problem) in LOST.iter().chain(ALTERED) {
        let place = closed();
        alter(place.path(), change);
        let problems = check(place.path()).unwrap();
        assert!(problems.iter().any(|found| found == problem), "{change}: {problems:?}");
        let copies = Directory::new();
        let error = backup(place.path(), &copies.path().join("copy")).unwrap_err();
        let BackupError::Store(StoreError::Unusable(what)) = error else { panic!("{error:?}") };
        assert!(what.contains(&problems[0]) && what.contains("restore a backup"), "{what}");
        assert_eq!(std::fs::read_dir(copies.path()).unwrap().count(), 0, "{change}");
    }
}

#[test]
fn opens_no_store_that_has_lost_webhooks() {
    for (change, problem) in LOST {
        let place = closed();
        alter(place.path(), change);
        let error = Sqlite::open(&Settings::new(place.path())).unwrap_err();
        let StoreError::Unusable(what) = error else { panic!("{change}: {error:?}") };
        assert!(what.contains(problem), "{what}");
        assert!(what.contains("store check") && what.contains("restore a backup"), "{what}");
    }
}

/// A program that was just installed backs up the store of its predecessor, which is unchanged.
#[test]
fn backs_up_and_checks_an_older_version() {
    let (place, copies) = (Directory::new(), Directory::new());
    let path = place.path().join("hooksieve.db");
    let mut older = Connection::open(&path).unwrap();
    older.pragma_update(None, "application_id", 0x686b_7376).unwrap();
    schema::migrate(&mut older, &schema::MIGRATIONS[..1]).unwrap();
    drop(older);
    assert_eq!(check(place.path()), Ok(Vec::new()));
    let copy = copies.path().join("hooksieve.db");
    backup(place.path(), &copy).unwrap();
    let version = schema::version(&Connection::open(&copy).unwrap()).unwrap();
    assert_eq!(version, 1);
    alter(copies.path(), "DROP TABLE change");
    let problems = check(copies.path()).unwrap();
    assert!(problems[0].contains("`change` is missing or was altered"), "{problems:?}");
}

/// Errors of the new file do not blame the store.
#[test]
fn names_the_new_file_if_it_cannot_be_written() {
    let place = closed();
    let missing = place.path().join("missing/copy");
    let BackupError::File(what) = backup(place.path(), &missing).unwrap_err() else { panic!() };
    assert!(what.contains("create its directory first"), "{what}");
    // A file of its own cannot be a directory of another.
    let inside = place.path().join("hooksieve.db/copy");
    assert!(matches!(backup(place.path(), &inside), Err(BackupError::File(_))));
}

/// The page of an index is damaged, which SQLite describes on several lines.
#[test]
fn reports_each_problem_on_a_line_of_its_own() {
    let place = closed();
    alter(
        place.path(),
        "PRAGMA writable_schema = ON;
        DELETE FROM sqlite_schema WHERE name = 'delivery_by_age';
        PRAGMA writable_schema = OFF",
    );
    // The index is missing, and nothing uses its page.
    let path = place.path().join("hooksieve.db");
    let connection = Connection::open(path).unwrap();
    let text: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert!(text.contains('\n'), "{text}");
    drop(connection);
    let sql = schema::MIGRATIONS[0];
    let index = sql.lines().find(|line| line.contains("delivery_by_age")).unwrap();
    alter(place.path(), index);
    let problems = check(place.path()).unwrap();
    assert!(!problems.is_empty(), "the old page is still unused");
    for problem in problems {
        assert!(!problem.contains('\n') && !problem.starts_with("***"), "{problem}");
    }
}

/// The store has an event that `w0` and `w1` want: the one message was sent without success, the other
/// one waits.
#[test]
fn reports_violated_invariants_of_events() {
    for (change, problem) in [
        ("INSERT INTO erased SELECT key FROM tenant", "tenant was erased but still exists: t"),
        ("UPDATE event SET tenant = 9", "event has no tenant: e"),
        ("UPDATE event_key SET tenant = 9", "key of an event has no tenant: e"),
        ("UPDATE event SET revision = 9", "event was not matched at a revision of its tenant: e"),
        (
            "UPDATE event SET wanted = 3",
            "event has not as many messages as webhooks that wanted it: e",
        ),
        ("UPDATE event SET holds = 3", "event is not held by its messages and deliveries: e"),
        ("DELETE FROM event", "message has no event: m0"),
        ("UPDATE message SET webhook = 2 WHERE id = 'm0'", "message is for another webhook: m0"),
        ("UPDATE message SET webhook = 99 WHERE id = 'm1'", "message waits for no webhook: m1"),
        ("UPDATE delivery SET message = 2", "delivery is of another message: d"),
        ("UPDATE endpoint SET webhook = 99 WHERE due IS NULL", "endpoint has no webhook: 99"),
        ("UPDATE endpoint SET due = NULL", "endpoint is not due when its messages are: w1"),
        ("UPDATE endpoint SET due = due - 1", "endpoint is not due when its messages are: w1"),
        ("DELETE FROM endpoint", "endpoint is not due when its messages are: w1"),
        ("UPDATE hour SET webhook = 99", "hour has no webhook: 0"),
    ] {
        let place = Directory::new();
        let store = Sqlite::open(&Settings::new(place.path())).unwrap();
        for revision in 0..2 {
            commit(&store, revision);
        }
        send(&store);
        drop(store);
        assert_eq!(check(place.path()), Ok(Vec::new()));
        alter(place.path(), change);
        let problems = check(place.path()).unwrap();
        assert!(problems.iter().any(|found| found == problem), "{change}: {problems:?}");
    }
}

fn send(store: &Sqlite) {
    let now: Timestamp = UNIX_EPOCH.into();
    let id = |text: &str| MessageId::new(text).unwrap();
    let message = |text: &str, webhook: &str, claimed| NewMessage {
        id: id(text),
        webhook: webhook.into(),
        claimed,
    };
    let event = NewEvent {
        id: EventId("e".into()),
        own_id: None,
        key: Some([0; 32]),
        event_type: "x".into(),
        source: "".into(),
        body: "{}".into(),
        messages: vec![message("m0", "w0", true), message("m1", "w1", false)],
    };
    let events = vec![TenantEvents { tenant: "t".into(), revision: 2, events: vec![event] }];
    let times = AcceptTimes { now, lease: now, unique_since: now };
    wait(store.accept(events, times)).unwrap();
    let attempt = Attempt { message: Some(id("m0")), ..Attempt::default() };
    let row = DeliveryRow {
        id: "d".into(),
        webhook: "w0".into(),
        triggered_at: now,
        attempt,
        ..delivery(&mut Random(1))
    };
    let row = with_body(row, "{}");
    let settled = Settled {
        tenant: "t".into(),
        webhook: "w0".into(),
        id: id("m0"),
        next: Next::End(Outcome::Failed),
        attempt: Some(row),
    };
    wait(store.settle(vec![settled], now)).unwrap();
}
