//! Programs that read a snapshot on several threads. Each line is a chunk.

use super::{DEPTH, ORDERS, RULES, WEBHOOKS, webhook};
use crate::registry::{Loaded, Registry, SnapshotError};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};
use std::sync::LazyLock;

/// Reading and checking a webhook takes more than the stack of a model checker's thread.
const STACK: usize = 1 << 20;

/// Reads a changed snapshot on three threads in many orders, and compares with one thread.
///
/// All of it is done by threads of the model checker, since the registry's locks are its own.
fn explore(change: fn(String) -> String) {
    let program = move || {
        let snapshot = change(snapshot()).into_bytes();
        let result = |loaded: Result<Loaded, SnapshotError>| {
            loaded.map_err(|error| (error.kind(), error.to_string()))
        };
        let (one, registry) = (Registry::new(&RULES), Registry::new(&RULES));
        let read = registry.restore(&*snapshot).read_on(|work| {
            thread::scope(|scope| {
                scope.spawn(work);
                scope.spawn(work);
                work();
            });
        });
        let expected = one.restore(&*snapshot).read();
        assert_eq!(result(read), result(expected), "threads change no result");
        let webhooks = |registry: &Registry| registry.webhooks(&"t".into());
        assert_eq!(webhooks(&registry), webhooks(&one), "in the order of slots");
    };
    LazyLock::force(&WEBHOOKS);
    run(RandomScheduler::new(ORDERS / 10), program);
    run(PctScheduler::new(DEPTH, ORDERS / 10), program);
}

fn run(scheduler: impl Scheduler + 'static, program: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(scheduler, config).run(program);
}

fn snapshot() -> String {
    let registry = Registry::new(&RULES);
    let _ = registry.load("t", [webhook("w", "a"), webhook("v", "b"), webhook("x", "a")]).unwrap();
    let mut snapshot = Vec::new();
    registry.write_snapshot(&mut snapshot).unwrap();
    String::from_utf8(snapshot).unwrap()
}

#[test]
fn reads_a_snapshot_on_three_threads_as_on_one() {
    explore(|snapshot| snapshot);
}

/// Of two errors, the one of the first line is reported, and no thread waits for a chunk after it.
#[test]
fn reports_the_first_error_of_a_snapshot_on_three_threads() {
    explore(|snapshot| snapshot.replacen("https", "ftp", 2));
    explore(|snapshot| snapshot.replacen("\"tenants\":1", "\"tenants\":2", 1));
}
