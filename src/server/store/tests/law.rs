//! The law: a random program returns the same results over a backend as over the model.

use super::program::{Operation, Outcome, Random, everything};
use super::{Directory, variable, wait};
use crate::server::store::contract::Store;
use crate::server::store::memory::Memory;
use crate::server::store::sqlite::{Settings, Sqlite};
use std::path::Path;

/// The number of changes in the log: small, so that the log often does not reach back far enough.
pub(super) const LOG: u64 = 5;

/// A kind of store that keeps its data in a directory.
pub(super) trait Backend: Sync {
    /// The name by which a child finds it in [`BACKENDS`].
    fn name(&self) -> &'static str;
    /// Opens the store, or creates one.
    fn open(&self, place: &Path) -> Box<dyn Store>;
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

    fn problems(&self, place: &Path) -> Vec<String> {
        crate::server::store::sqlite::check(place).unwrap()
    }
}

/// Runs a program over a backend and the model, compares each result and the final content, and
/// returns how many pages had rows.
pub(super) fn hold(backend: &dyn Backend, seed: u64, operations: usize) -> usize {
    let place = Directory::new();
    let model = Memory::new(LOG);
    let mut store = backend.open(place.path());
    let mut random = Random(seed);
    let mut pages = 0;
    for number in 0..operations {
        let operation = Operation::random(&mut random);
        if let Operation::Reopen = operation {
            drop(store);
            store = backend.open(place.path());
        }
        let expected = wait(operation.run(&model)).unwrap();
        let answer = wait(operation.run(&*store));
        assert_eq!(answer, Ok(expected.clone()), "seed {seed}, {number}: {operation:?}");
        pages += usize::from(matches!(expected, Outcome::Page(page) if !page.rows.is_empty()));
    }
    assert_eq!(wait(everything(&*store)), wait(everything(&model)), "seed {seed}");
    assert_eq!(backend.problems(place.path()), [""; 0], "seed {seed}");
    pages
}

#[test]
fn returns_the_results_of_the_model() {
    let operations = variable("STORE_OPERATIONS", 5_000);
    let seed = variable("STORE_SEED", 1) as u64;
    for backend in BACKENDS {
        // Each program of 2,500 operations starts with an empty store.
        let parts = (0..operations.div_ceil(2_500)).map(|part| {
            let left = operations - 2_500 * part;
            hold(*backend, seed + part as u64, left.min(2_500))
        });
        let pages: usize = parts.sum();
        let name = backend.name();
        println!("{name}: {operations} operations from seed {seed}, {pages} pages with rows");
        assert!(pages * 15 > operations, "{name}: {pages} pages with rows");
    }
}
