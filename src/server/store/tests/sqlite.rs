//! The behavior of this backend only: its directory, removal in slices, and erasure.

use super::program::{Random, delivery};
use super::{Directory, all, wait};
use crate::server::store::contract::{DeliveryRow, Store, StoreError, WebhookChange, WebhookRow};
use crate::server::store::sqlite::{Settings, Sqlite};
use hooksieve::delivery::{Delivery, ListQuery};
use std::path::Path;
use std::time::UNIX_EPOCH;

fn open(place: &Path) -> Sqlite {
    Sqlite::open(&Settings::new(place)).unwrap()
}

fn put(id: &str, text: &str) -> WebhookChange {
    let document = format!(r#"{{"text":"{text}"}}"#).into();
    WebhookChange::Put(WebhookRow { id: id.into(), document })
}

fn rows(count: u64, text: &str) -> Vec<DeliveryRow> {
    let mut random = Random(count);
    let row = |number| DeliveryRow {
        id: format!("d{number}").into(),
        webhook: "w".into(),
        document: format!(r#"{{"text":"{text}{number}"}}"#).into(),
        ..delivery(&mut random)
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
    assert!(what.contains("cannot lock") && what.contains("right to write"), "{what}");
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
        assert!(page.rows.iter().all(|row| row.document.starts_with(br#"{"text":"second"#)));
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

fn holds(place: &Path, text: &str) -> bool {
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
        store.expire(rows(9, "")[0].triggered_at, 500).await.unwrap();
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
        let row = delivery(&mut random);
        let document = serde_json::json!({
            "id": format!("d{number}"), "status": row.status, "webhookId": "w",
            "eventType": row.event_type, "triggeredAt": row.triggered_at.to_string(),
            "request": {"url": "https://hooks.example.com/", "body": "{}", "headers": {}},
        });
        Delivery::read(document.to_string().as_bytes()).unwrap()
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
