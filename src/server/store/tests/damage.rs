//! Files that are damaged, newer or not a store are reported and left unchanged.

use super::law::{Backend, InSqlite, LOG};
use super::program::{Operation, Write, everything};
use super::random::Operations;
use super::{Directory, wait};
use crate::server::store::contract::{Store, StoreError};
use crate::server::store::sqlite::{Settings, Sqlite, backup, check, schema};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;

const NAME: &str = "hooksieve.db";

/// Returns the files of a directory except the lock and SQLite's shared memory.
fn files(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(place).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let kept = named.filter(|(name, _)| name != "lock" && !name.ends_with("-shm"));
    kept.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

fn open(place: &Path) -> Result<Sqlite, StoreError> {
    Sqlite::open(&Settings::new(place))
}

/// Returns the error of a store that cannot be opened, and checks that no file was changed.
fn refused(place: &Path) -> String {
    let before = files(place);
    let error = open(place).unwrap_err();
    let mut after = files(place);
    // An empty log is left by a connection that has only read.
    after.retain(|name, content| before.contains_key(name) || !content.is_empty());
    assert_eq!(after, before, "{error}");
    match error {
        StoreError::Unusable(what) => what,
        error => panic!("{error:?}"),
    }
}

/// Returns the bytes of a store with content and without free pages.
fn sample() -> Vec<u8> {
    let place = Directory::new();
    let store = InSqlite.open(place.path());
    for operation in Operations::new(7).take(1_000) {
        if let Operation::Write(tenant, mut writes) = operation {
            writes.retain(|write| !matches!(write, Write::Erase | Write::Expire(..)));
            wait(Operation::Write(tenant, writes).run(&*store)).unwrap();
        }
    }
    drop(store);
    // Forgets the claims, so that opening the sample writes nothing.
    drop(InSqlite.open(place.path()));
    let path = place.path().join(NAME);
    Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn reports_every_damaged_page() {
    let whole = sample();
    let pages = whole.len() / 4096;
    assert!(pages > 100, "{pages}");
    let mut opened = 0;
    for page in 0..pages {
        let place = Directory::new();
        let mut bytes = whole.clone();
        for (at, byte) in bytes[4096 * page..4096 * (page + 1)].iter_mut().enumerate() {
            *byte = if page % 2 == 0 { 0xa5 } else { (at % 251) as u8 };
        }
        let path = place.path().join(NAME);
        std::fs::write(&path, &bytes).unwrap();
        let problems = check(place.path());
        assert!(problems.is_err() || !problems.unwrap().is_empty(), "page {page} is checked");
        match open(place.path()) {
            Err(_) => drop(refused(place.path())),
            Ok(store) => {
                opened += 1;
                let read = wait(everything(&store));
                match read {
                    Err(StoreError::Unusable(_)) => {
                        // No write is accepted after damage was seen.
                        assert!(matches!(wait(store.ping()), Err(StoreError::Unusable(_))));
                    }
                    Err(error) => panic!("page {page}: {error:?}"),
                    // The page belongs to an index that these reads do not use.
                    Ok(_) => {}
                }
            }
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "page {page} was written");
        let settings = Settings { quick_check: true, ..Settings::new(place.path()) };
        let quick = Sqlite::open(&settings);
        assert!(matches!(quick, Err(StoreError::Unusable(_))), "page {page}: {quick:?}");
    }
    assert!(opened > 0, "some damage is only found by reads");
}

#[test]
fn reports_a_truncated_file() {
    let whole = sample();
    for length in [0, 1, 99, 100, 4_096, whole.len() / 2, whole.len() - 4_096] {
        let place = Directory::new();
        std::fs::write(place.path().join(NAME), &whole[..length]).unwrap();
        let problems = check(place.path());
        assert!(problems.is_err() || !problems.unwrap().is_empty(), "{length}");
        if length < 4_096 {
            refused(place.path());
        }
    }
}

#[test]
fn leaves_files_of_other_programs_unchanged() {
    let place = Directory::new();
    std::fs::write(place.path().join(NAME), "notes\n".repeat(100)).unwrap();
    let what = refused(place.path());
    assert!(what.contains("is not a store") && what.contains(NAME), "{what}");

    let place = Directory::new();
    let other = Connection::open(place.path().join(NAME)).unwrap();
    other.execute_batch("PRAGMA application_id = 5; CREATE TABLE t (x)").unwrap();
    drop(other);
    let what = refused(place.path());
    assert!(what.contains("database of another program"), "{what}");

    let place = Directory::new();
    std::fs::write(place.path().join("hooksieve.db-wal"), "x").unwrap();
    let what = refused(place.path());
    assert!(what.contains("without hooksieve.db"), "{what}");
}

#[test]
fn leaves_a_newer_store_unchanged() {
    let place = Directory::new();
    drop(open(place.path()).unwrap());
    let newer = Connection::open(place.path().join(NAME)).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let what = refused(place.path());
    assert!(what.contains("version 99") && what.contains("newer"), "{what}");
    assert_eq!(check(place.path()), Err(StoreError::Unusable(what.clone())));
    let copy = place.path().join("copy");
    assert_eq!(backup(place.path(), &copy), Err(StoreError::Unusable(what).into()));
    assert!(!copy.exists());
}

#[test]
fn reports_a_table_that_was_altered() {
    let place = Directory::new();
    drop(open(place.path()).unwrap());
    let altered = Connection::open(place.path().join(NAME)).unwrap();
    altered.execute_batch("DROP INDEX delivery_by_age").unwrap();
    drop(altered);
    let what = refused(place.path());
    assert!(what.contains("`delivery_by_age` is missing"), "{what}");
}

#[test]
fn migrates_forward_in_steps() {
    let path = Directory::new();
    let mut store = Connection::open(path.path().join("x")).unwrap();
    let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO a VALUES (1)", "nonsense"];
    let version = |store: &Connection| schema::version(store).unwrap();
    schema::migrate(&mut store, &steps[..1]).unwrap();
    assert_eq!(version(&store), 1);
    schema::migrate(&mut store, &steps[..2]).unwrap();
    schema::migrate(&mut store, &steps[..2]).unwrap();
    let rows = |store: &Connection| -> i64 {
        store.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((version(&store), rows(&store)), (2, 1), "each step runs once");
    let partial = ["", "", "INSERT INTO a VALUES (2); nonsense"];
    assert!(schema::migrate(&mut store, &partial).is_err());
    assert_eq!((version(&store), rows(&store)), (2, 1), "a step runs completely or not at all");
    assert!(schema::migrate(&mut store, &steps[..1]).is_err(), "a version never decreases");
}

#[test]
fn finds_no_problem_in_a_sound_store() {
    let place = Directory::new();
    std::fs::write(place.path().join(NAME), sample()).unwrap();
    assert_eq!(check(place.path()), Ok(Vec::new()));
    let settings = Settings { quick_check: true, log: LOG, ..Settings::new(place.path()) };
    let store = Sqlite::open(&settings).unwrap();
    assert!(!wait(everything(&store)).unwrap().is_empty());
}

/// A copy of a store and its rollback journal in the middle of a transaction, as after a loss of
/// power.
#[test]
fn rolls_back_the_journal_of_a_crash() {
    let (place, crashed) = (Directory::new(), Directory::new());
    std::fs::write(place.path().join(NAME), sample()).unwrap();
    let content = |place: &Path| {
        let store = Sqlite::open(&Settings { log: LOG, ..Settings::new(place) }).unwrap();
        wait(everything(&store)).unwrap()
    };
    let before = content(place.path());
    let writer = Connection::open(place.path().join(NAME)).unwrap();
    writer.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN").unwrap();
    writer.execute_batch("UPDATE webhook SET document = randomblob(100000)").unwrap();
    for name in [NAME, "hooksieve.db-journal"] {
        std::fs::copy(place.path().join(name), crashed.path().join(name)).unwrap();
    }
    drop(writer);
    assert!(std::fs::metadata(crashed.path().join("hooksieve.db-journal")).unwrap().len() > 4096);
    assert_eq!(content(crashed.path()), before);
    assert_eq!(check(crashed.path()), Ok(Vec::new()));
}
