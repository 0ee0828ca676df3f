//! The law: a random program returns the same results over a backend as over the model.

use super::program::{Operation, Outcome, Written, everything};
use super::random::Operations;
use super::{Directory, variable, wait};
use crate::server::store::contract::Store;
use crate::server::store::contract::outbox::Accepted;
use crate::server::store::memory::Memory;
use crate::server::store::sqlite::{Settings, Sqlite};
use std::path::Path;
use std::time::{Duration, Instant};

/// The number of changes in the log: small, so that the log often does not reach back far enough.
pub(super) const LOG: u64 = 5;

/// A kind of store that keeps its data in a directory.
pub(super) trait Backend: Sync {
    /// The name by which a child finds it in [`BACKENDS`].
    fn name(&self) -> &'static str;
    /// Opens the store, or creates one.
    fn open(&self, place: &Path) -> Box<dyn Store>;
    /// Waits until the store has removed what it removes in the background.
    fn sweep(&self, place: &Path, store: &dyn Store);
    /// Returns the problems that the backend itself finds in the store, which may be open.
    fn problems(&self, place: &Path) -> Vec<String>;
}

/// The backends that are tested.
pub(super) const BACKENDS: &[&dyn Backend] = &[&InSqlite];

pub(super) struct InSqlite;

impl Backend for InSqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn open(&self, place: &Path) -> Box<dyn Store> {
        let settings = Settings { log: LOG, ..Settings::new(place) };
        Box::new(Sqlite::open(&settings).unwrap())
    }

    fn sweep(&self, place: &Path, store: &dyn Store) {
        let connection = rusqlite::Connection::open(place.join("hooksieve.db")).unwrap();
        let sql = "SELECT EXISTS (SELECT 1 FROM removed) OR EXISTS (SELECT 1 FROM erased)";
        let is_left = || connection.query_row(sql, [], |row| row.get(0)).unwrap();
        let start = Instant::now();
        // A store that is full does not sweep.
        while is_left() && wait(store.ping()).is_ok() {
            assert!(start.elapsed().as_secs() < 60, "the store sweeps");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn problems(&self, place: &Path) -> Vec<String> {
        crate::server::store::sqlite::check(place).unwrap()
    }
}

/// How many results showed something.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    pages: usize,
    events: usize,
    duplicates: usize,
    claimed: usize,
    failing: usize,
    attempts: usize,
    expired: usize,
}

impl Shown {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Page(page) => self.pages += usize::from(!page.rows.is_empty()),
            Outcome::Events(page) => self.events += usize::from(!page.rows.is_empty()),
            Outcome::Attempts(rows) => self.attempts += usize::from(!rows.is_empty()),
            Outcome::Written(all) => all.iter().flatten().for_each(|written| self.write(written)),
            _ => {}
        }
    }

    fn write(&mut self, written: &Written) {
        match written {
            Written::Accepted(all) => {
                let all = all.iter().flatten();
                self.duplicates += all.filter(|one| matches!(one, Accepted::Duplicate(_))).count();
            }
            Written::Claimed(claimed) => self.claimed += claimed.messages.len(),
            Written::Endpoints(all) => {
                self.failing += all.iter().filter(|endpoint| endpoint.failures > 0).count();
            }
            Written::Number(_) => {}
        }
    }
}

/// Runs a program over a backend and the model, and compares each result and the final content.
pub(super) fn hold(backend: &dyn Backend, seed: u64, operations: usize, shown: &mut Shown) {
    let place = Directory::new();
    let model = Memory::new(LOG);
    let mut store = backend.open(place.path());
    for (number, operation) in Operations::new(seed).take(operations).enumerate() {
        if let Operation::Reopen = operation {
            drop(store);
            store = backend.open(place.path());
            model.reopen();
        }
        if operation.expires() {
            backend.sweep(place.path(), &*store);
        }
        let expected = wait(operation.run(&model)).unwrap();
        let answer = wait(operation.run(&*store));
        assert_eq!(answer, Ok(expected.clone()), "seed {seed}, {number}: {operation:?}");
        shown.count(&expected);
        if operation.expires() && expected != Outcome::Written(vec![Ok(Written::Number(0))]) {
            shown.expired += 1;
        }
    }
    assert_eq!(wait(everything(&*store)), wait(everything(&model)), "seed {seed}");
    backend.sweep(place.path(), &*store);
    assert_eq!(backend.problems(place.path()), [""; 0], "seed {seed}");
}

#[test]
fn returns_the_results_of_the_model() {
    let operations = variable("STORE_OPERATIONS", 5_000);
    let seed = variable("STORE_SEED", 1) as u64;
    for backend in BACKENDS {
        let mut shown = Shown::default();
        // Each program of 2,500 operations starts with an empty store.
        for part in 0..operations.div_ceil(2_500) {
            let left = operations - 2_500 * part;
            hold(*backend, seed + part as u64, left.min(2_500), &mut shown);
        }
        let name = backend.name();
        println!("{name}: {operations} operations from seed {seed}, {shown:?}");
        let Shown { pages, events, duplicates, claimed, failing, attempts, expired } = shown;
        let least = pages.min(events).min(10 * duplicates).min(5 * claimed).min(5 * failing);
        let least = least.min(40 * attempts).min(10 * expired);
        assert!(least * 50 > operations, "{name}: {shown:?}");
    }
}
