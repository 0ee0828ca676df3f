//! The behavior of this backend only: its directory, removal in slices, and erasure.

use super::random::{Random, delivery, webhook, with_body};
use super::{Directory, all, wait};
use crate::server::store::contract::{
    Attempt, DeliveryRow, Store, StoreError, WebhookChange, WebhookRow,
};
use crate::server::store::sqlite::{Settings, Sqlite, schema};
use hooksieve::delivery::{Delivery, ListQuery};
use std::path::Path;
use std::time::UNIX_EPOCH;

pub(super) fn open(place: &Path) -> Sqlite {
    Sqlite::open(&Settings::new(place)).unwrap()
}

pub(super) fn put(id: &str, text: &str) -> WebhookChange {
    let id = id.into();
    let document = webhook(&id, text);
    WebhookChange::Put(WebhookRow { id, document })
}

fn rows(count: u64, text: &str) -> Vec<DeliveryRow> {
    let mut random = Random(count);
    let row = |number| {
        let id = format!("d{number}").into();
        let row = DeliveryRow { id, webhook: "w".into(), ..delivery(&mut random) };
        with_body(row, &format!("{text}{number}"))
    };
    (0..count).map(row).collect()
}

#[test]
fn refuses_a_second_process() {
    let place = Directory::new();
    let first = open(place.path());
    let error = Sqlite::open(&Settings::new(place.path())).unwrap_err();
    let expected = format!("another process uses {}", place.path().display());
    assert!(error.to_string().contains(&expected), "{error}");
    drop(first);
    drop(open(place.path()));
    // A killed child leaves its lock file, but not the lock: see `kill`.
    assert!(place.path().join("lock").exists());
}

#[cfg(unix)]
#[test]
fn reports_a_directory_without_write_permission() {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;
    let place = Directory::new();
    set_permissions(place.path(), Permissions::from_mode(0o555)).unwrap();
    // The user root may write everywhere except into the kernel's file systems.
    let directory = match write(place.path().join("probe"), "") {
        Ok(()) => Path::new("/sys/kernel"),
        Err(_) => place.path(),
    };
    let error = Sqlite::open(&Settings::new(directory)).unwrap_err();
    let StoreError::Unusable(what) = &error else { panic!("{error:?}") };
    assert!(what.contains("cannot lock") && what.contains("right to read and write"), "{what}");
    set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
}

#[cfg(unix)]
#[test]
fn creates_files_that_only_its_user_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let outer = Directory::new();
    let place = outer.path().join("data");
    let store = open(&place);
    wait(store.ping()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place), 0o700);
    for entry in std::fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// Concurrent writes share a transaction; a refused one undoes only itself.
#[test]
fn commits_together_and_refuses_separately() {
    let place = Directory::new();
    let store = open(place.path());
    let tenant = "t".into();
    wait(async {
        let mut revision = 0;
        let commits = (0..500).map(|number| {
            let is_late = number % 10 == 3;
            let expected = if is_late { revision + 7 } else { revision };
            revision += u64::from(!is_late);
            store.commit(&tenant, expected, put(&format!("w{number}"), ""))
        });
        let results = all(commits.collect()).await;
        let done: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        let expected: Vec<u64> = (1..=done.len() as u64).collect();
        assert_eq!(done, expected.iter().collect::<Vec<_>>());
        let rows = store.load(&tenant).await.unwrap();
        assert_eq!((rows.revision, rows.webhooks.len()), (done.len() as u64, done.len()));
        assert_eq!(done.len(), 450);
    });
}

/// The deliveries of a removed webhook disappear at once, although they are deleted in slices, and
/// a new webhook with the same id has its own deliveries.
#[test]
fn removes_a_long_history_in_slices() {
    let place = Directory::new();
    let store = open(place.path());
    let (tenant, webhook) = ("t".into(), "w".into());
    let count = 20_000;
    wait(async {
        store.commit(&tenant, 0, put("w", "")).await.unwrap();
        store.record(&tenant, rows(count, "first")).await.unwrap();
        store.commit(&tenant, 1, WebhookChange::Remove("w".into())).await.unwrap();
        assert_eq!(store.check(), Ok(Vec::new()), "the remaining deliveries are accounted for");
        store.commit(&tenant, 2, put("w", "")).await.unwrap();
        store.record(&tenant, rows(10, "second")).await.unwrap();
        let query = ListQuery::read("limit=100").unwrap();
        let page = store.deliveries(&tenant, &webhook, &query, UNIX_EPOCH.into()).await.unwrap();
        assert_eq!(page.rows.len(), 10);
        let bodies = page.rows.iter().map(|row| Delivery::read(&row.document).unwrap());
        assert!(bodies.into_iter().all(|read| read.body().starts_with(b"second")));
    });
    // The deletion continues after the store was closed and opened again.
    drop(store);
    let store = open(place.path());
    let connection = rusqlite::Connection::open(place.path().join("hooksieve.db")).unwrap();
    let left = || -> i64 {
        connection.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).unwrap()
    };
    let start = std::time::Instant::now();
    while left() > 10 {
        assert!(start.elapsed().as_secs() < 60, "{} are left", left());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(left(), 10);
    drop(store);
}

pub(super) fn holds(place: &Path, text: &str) -> bool {
    std::fs::read_dir(place).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn erases_every_trace_of_a_tenant() {
    let place = Directory::new();
    let store = open(place.path());
    let (erased, kept) = ("marked-tenant".into(), "other".into());
    wait(async {
        for (revision, text) in (0..).zip(["marked-one", "marked-two"]) {
            store.commit(&erased, revision, put("w", text)).await.unwrap();
            store.commit(&kept, revision, put("w", "other")).await.unwrap();
            let padding = "marked-delivery".repeat(10);
            store.record(&erased, rows(2_000, &padding)).await.unwrap();
            store.record(&kept, rows(500, "other")).await.unwrap();
        }
        // Some deliveries are removed before the erasure.
        store.expire(rows(9, "")[0].triggered_at, UNIX_EPOCH.into(), 500).await.unwrap();
        store.commit(&erased, 2, WebhookChange::Remove("w".into())).await.unwrap();
        store.commit(&erased, 3, put("w", "marked-three")).await.unwrap();
        store.record(&erased, rows(2_000, "marked-again")).await.unwrap();
        assert!(holds(place.path(), "marked-"), "the search finds stored content");
        store.erase(&erased).await.unwrap();
        assert!(!holds(place.path(), "marked-"), "while the store is open");
        assert_eq!(store.tenants().await, Ok(vec![kept.clone()]));
        assert_eq!(store.load(&erased).await.unwrap().revision, 0);
    });
    drop(store);
    assert!(!holds(place.path(), "marked-"), "after the store was closed");
    assert!(holds(place.path(), "other"));
}

/// Returns random deliveries.
fn sample(count: u64) -> Vec<Delivery> {
    let mut random = Random(11);
    let sample = (0..count).map(|number| {
        let id = format!("d{number}").into();
        let row = DeliveryRow { id, webhook: "w".into(), ..delivery(&mut random) };
        Delivery::read(&with_body(row, "{}").document).unwrap()
    });
    sample.collect()
}

/// The rows that the store finds make the same page as the library makes of all deliveries.
#[test]
fn finds_the_same_pages_as_the_library() {
    let place = Directory::new();
    let store = open(place.path());
    let stored = sample(300);
    let row = |delivery: &Delivery| DeliveryRow {
        id: delivery.id().clone(),
        webhook: delivery.webhook().clone(),
        triggered_at: delivery.triggered_at(),
        status: delivery.status(),
        event_type: delivery.event_type().clone(),
        document: serde_json::to_vec(&delivery.stored()).unwrap().into(),
        attempt: Attempt::default(),
    };
    let (tenant, webhook) = ("t".into(), "w".into());
    wait(async {
        store.commit(&tenant, 0, put("w", "")).await.unwrap();
        store.record(&tenant, stored.iter().map(row).collect()).await.unwrap();
        let mut pages = 0;
        for start in [
            "",
            "limit=7",
            "sort=status&limit=30",
            "sort=-status&limit=9",
            "sort=triggeredAt",
            "status=fail&limit=11",
            "eventType=a&limit=3",
            "eventType=a&status=success&sort=status",
        ] {
            let mut query = start.to_owned();
            let mut forth = true;
            loop {
                let list = ListQuery::read(&query).unwrap();
                let since = UNIX_EPOCH.into();
                let found = store.deliveries(&tenant, &webhook, &list, since).await.unwrap();
                let read = |row: &DeliveryRow| Delivery::read(&row.document).unwrap();
                let read: Vec<_> = found.rows.iter().map(read).collect();
                let page = list.page(&read, found.before, found.after);
                let expected = list.apply(&stored);
                let body = |page| serde_json::to_value(page).unwrap();
                assert_eq!(body(page.body("/d")), body(expected.body("/d")), "{query}");
                pages += 1;
                forth &= page.next("").is_some();
                let Some(link) = (if forth { page.next("") } else { page.prev("") }) else { break };
                query = link[1..].to_owned();
            }
        }
        assert!(pages > 200, "{pages}");
    });
}

/// Runs a statement as another program would, next to an open store.
fn alter(place: &Path, sql: &str) {
    rusqlite::Connection::open(place.join("hooksieve.db")).unwrap().execute_batch(sql).unwrap();
}

/// A write that SQLite refuses fails by itself, whether SQLite undoes the statement or the whole
/// transaction, and the store stays open.
#[test]
fn fails_only_the_write_that_sqlite_refuses() {
    for undone in ["ABORT", "FAIL", "ROLLBACK"] {
        let place = Directory::new();
        let store = open(place.path());
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON webhook WHEN NEW.id = 'bad'
             BEGIN SELECT RAISE({undone}, 'refused'); END"
        );
        alter(place.path(), &trigger);
        let tenant = "t".into();
        wait(async {
            let mut revision = 0;
            let commits = (0..30).map(|number| {
                let is_bad = number % 4 == 2;
                let name = if is_bad { "bad".to_owned() } else { format!("w{number}") };
                let commit = store.commit(&tenant, revision, put(&name, ""));
                revision += u64::from(!is_bad);
                commit
            });
            for (number, result) in all(commits.collect()).await.into_iter().enumerate() {
                match number % 4 == 2 {
                    true => assert!(matches!(result, Err(StoreError::Aborted(_))), "{result:?}"),
                    false => assert!(result.is_ok(), "{undone} {number}: {result:?}"),
                }
            }
            assert_eq!(store.load(&tenant).await.unwrap().revision, revision, "{undone}");
            store.ping().await.unwrap();
        });
        assert_eq!(store.check(), Ok(Vec::new()));
    }
}

/// While another process has locked the store, writes wait, then fail, and succeed again.
#[test]
fn retries_while_another_process_has_locked_the_store() {
    let place = Directory::new();
    let patience = std::time::Duration::from_millis(200);
    let store = Sqlite::open(&Settings { patience, ..Settings::new(place.path()) }).unwrap();
    let other = rusqlite::Connection::open(place.path().join("hooksieve.db")).unwrap();
    let tenant = "t".into();
    wait(store.commit(&tenant, 0, put("w", ""))).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let result = wait(store.commit(&tenant, 1, put("w", "")));
    assert!(matches!(&result, Err(StoreError::Aborted(what)) if what.contains("locked")));
    // Released after the first try, in which it was still locked.
    let release = std::thread::spawn(move || {
        std::thread::sleep(patience * 3 / 2);
        other.execute_batch("COMMIT").unwrap();
    });
    assert_eq!(wait(store.commit(&tenant, 1, put("w", ""))), Ok(2));
    release.join().unwrap();
}

/// A read that was begun before the erasure needs the log. The erasure is not answered as complete
/// while the log still has the content.
#[test]
fn reports_an_erasure_that_a_long_read_keeps_incomplete() {
    let place = Directory::new();
    let store = open(place.path());
    let tenant = "t".into();
    wait(store.commit(&tenant, 0, put("w", "marked-content"))).unwrap();
    let reader = rusqlite::Connection::open(place.path().join("hooksieve.db")).unwrap();
    let read = "BEGIN; SELECT count(*) FROM webhook";
    reader.execute_batch(read).unwrap();
    let result = wait(store.erase(&tenant));
    assert!(matches!(&result, Err(StoreError::Aborted(what)) if what.contains("backup")));
    assert_eq!(wait(store.tenants()), Ok(Vec::new()), "the tenant is removed");
    assert!(holds(place.path(), "marked-content"), "so the answer was right");
    wait(store.commit(&"other".into(), 0, put("w", ""))).unwrap();
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(wait(store.erase(&tenant)), Ok(()), "again, after the read");
    assert!(!holds(place.path(), "marked-content"));
}

/// An erasure waits for a read that ends soon.
#[test]
fn completes_an_erasure_when_a_read_ends() {
    let place = Directory::new();
    let store = open(place.path());
    let tenant = "t".into();
    wait(store.commit(&tenant, 0, put("w", "marked-content"))).unwrap();
    let reader = rusqlite::Connection::open(place.path().join("hooksieve.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM webhook").unwrap();
    let end = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        reader.execute_batch("COMMIT").unwrap();
    });
    assert_eq!(wait(store.erase(&tenant)), Ok(()));
    assert!(!holds(place.path(), "marked-content"));
    end.join().unwrap();
}

/// Sealed secrets of replaced and removed webhooks do not outlive them in the log of changes, and
/// the size of the documents does not count there.
#[test]
fn keeps_no_document_of_replaced_and_removed_webhooks() {
    let place = Directory::new();
    let store = open(place.path());
    let tenant = "t".into();
    let large = "x".repeat(100_000);
    wait(async {
        store.commit(&tenant, 0, put("w", "marked-first")).await.unwrap();
        store.commit(&tenant, 1, put("w", "marked-second")).await.unwrap();
        store.commit(&tenant, 2, WebhookChange::Remove("w".into())).await.unwrap();
        for revision in 3..103 {
            store.commit(&tenant, revision, put("large", &large)).await.unwrap();
        }
        let changes = store.changes(&tenant, 0).await.unwrap().unwrap();
        let revisions: Vec<_> = changes.iter().map(|(revision, _)| *revision).collect();
        assert_eq!(revisions, [3, 103]);
    });
    drop(store);
    assert!(!holds(place.path(), "marked-"));
    let length = std::fs::metadata(place.path().join("hooksieve.db")).unwrap().len();
    assert!(length < 1_000_000, "{length}");
}

/// A store of the first version, whose log of changes had documents, is migrated without them.
#[test]
fn migrates_the_log_of_changes_to_removals() {
    let place = Directory::new();
    let path = place.path().join("hooksieve.db");
    let mut old = rusqlite::Connection::open(&path).unwrap();
    old.pragma_update(None, "application_id", 0x686b_7376).unwrap();
    schema::migrate(&mut old, &schema::MIGRATIONS[..1]).unwrap();
    old.execute_batch(
        "INSERT INTO tenant VALUES (1, 't', 5), (2, 'idle', 0);
         INSERT INTO webhook (tenant, id, revision, document)
            VALUES (1, 'a', 5, CAST('{\"id\":\"a\"}' AS BLOB));
         INSERT INTO change VALUES (1, 3, 'a', x'7b7d'), (1, 4, 'b', NULL), (1, 5, 'a', x'7b7d');",
    )
    .unwrap();
    drop(old);
    let store = open(place.path());
    assert_eq!(store.check(), Ok(Vec::new()));
    let changes = |after| wait(store.changes(&"t".into(), after)).unwrap();
    let removed = (4, WebhookChange::Remove("b".into()));
    assert_eq!(changes(2).unwrap()[0], removed);
    assert_eq!(changes(2).unwrap().len(), 2);
    assert_eq!((changes(1), changes(5)), (None, Some(Vec::new())));
}
