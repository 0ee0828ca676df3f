//! Backups and checks, while a store is being written.

use super::law::{Backend, InSqlite};
use super::program::{Operation, Random, everything};
use super::{Directory, wait};
use crate::server::store::contract::{Store, StoreError, WebhookChange, WebhookRow};
use crate::server::store::sqlite::{Settings, Sqlite, backup, check};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

fn put(number: u64) -> WebhookChange {
    let document = format!(r#"{{"n":{number}}}"#).into();
    WebhookChange::Put(WebhookRow { id: format!("w{}", number % 50).into(), document })
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
            assert_eq!(row.document, format!(r#"{{"n":{last}}}"#), "all rows are of one revision");
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
    let mut random = Random(3);
    for _ in 0..300 {
        wait(Operation::random(&mut random).run(&*store)).unwrap();
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
    assert!(matches!(error, StoreError::Unusable(_)), "{error:?}");
    assert!(std::fs::read(&copy).unwrap() == bytes);
    let copied = InSqlite.open(copies.path());
    assert_eq!(wait(everything(&*copied)), wait(everything(&*store)));
}

#[test]
fn reports_violated_invariants() {
    for (change, problem) in [
        (
            "UPDATE tenant SET revision = 2",
            "tenant has a webhook of a later revision than its own: t",
        ),
        ("DELETE FROM webhook WHERE revision = 3", "tenant has no change at its own revision: t"),
        (
            "INSERT INTO removal VALUES (1, 'gone', 9)",
            "tenant has a removal outside its revisions: t",
        ),
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
        (
            "INSERT INTO delivery VALUES (1, 99, 'd', 'e', 0, 0, x'7b7d')",
            "delivery has no webhook: d",
        ),
        (
            "INSERT INTO delivery SELECT 1, key, 'd', 'e', 0, 0, x'7b' FROM webhook WHERE id = 'w0'",
            "delivery document is not JSON: d",
        ),
    ] {
        let place = Directory::new();
        let store = Sqlite::open(&Settings::new(place.path())).unwrap();
        for revision in 0..3 {
            commit(&store, revision);
        }
        drop(store);
        assert_eq!(check(place.path()), Ok(Vec::new()));
        let path = place.path().join("hooksieve.db");
        rusqlite::Connection::open(path).unwrap().execute_batch(change).unwrap();
        let problems = check(place.path()).unwrap();
        assert!(problems.iter().any(|found| found == problem), "{change}: {problems:?}");
    }
}
