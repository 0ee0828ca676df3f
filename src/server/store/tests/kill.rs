//! A process that writes is killed at random times. Every answered operation is kept, and the
//! interrupted one is done completely or not at all.
//!
//! The child is this test binary. Variables of the environment make it run one test, which runs a
//! program of operations from a seed and writes a line to standard output for each answered
//! operation. The parent runs the same program over the model up to the last line. It then finds
//! the model's content in the store, before or after the interrupted operation.

use super::law::{BACKENDS, Backend, LOG};
use super::program::{Operation, everything};
use super::random::{Operations, Random};
use super::{Directory, variable, wait};
use crate::server::store::contract::StoreError;
use crate::server::store::memory::Memory;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The variable that makes a test binary a child: the name of a backend, a seed and a directory.
const CHILD: &str = "HOOKSIEVE_STORE_CHILD";

/// Returns a result as one word, to be compared between processes.
fn digest(outcome: &impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{outcome:?}").hash(&mut hasher);
    hasher.finish()
}

/// Returns the operations of a child, none of which closes the store.
fn operations(seed: u64) -> impl Iterator<Item = Operation> {
    Operations::new(seed).filter(Operation::writes)
}

/// The arguments of a child.
#[derive(Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) backend: &'a dyn Backend,
    pub(super) place: &'a Path,
    pub(super) seed: u64,
}

impl Program<'_> {
    /// Configures a command that starts this binary, or a shell that does, as a child.
    pub(super) fn configure(self, command: &mut Command) -> &mut Command {
        let Self { backend, place, seed } = self;
        command
            .args([
                "--exact",
                "server::store::tests::kill::runs_the_program_of_a_child",
                "--nocapture",
            ])
            .env(CHILD, format!("{} {seed} {}", backend.name(), place.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
    }

    /// Runs the answered operations over the model, compares the results, and finds the model's
    /// content in the store, before or after what the next operation may have done.
    pub(super) fn compare(
        self,
        model: Memory,
        answered: &[String],
        done: fn(&Operation) -> Vec<Operation>,
    ) -> Memory {
        let mut program = operations(self.seed);
        for line in answered {
            let operation = program.next().unwrap();
            let outcome = wait(operation.run(&model)).unwrap();
            assert_eq!(*line, format!("answered {}", digest(&outcome)), "{operation:?}");
        }
        let store = self.backend.open(self.place);
        let found = wait(everything(&*store)).unwrap();
        drop(store);
        assert_eq!(self.backend.problems(self.place), [""; 0]);
        let interrupted = program.next().unwrap();
        let mut candidates = vec![model.fork()];
        for operation in done(&interrupted) {
            let after = model.fork();
            wait(operation.run(&after)).unwrap();
            candidates.push(after);
        }
        // The claims of the child ended with it.
        candidates.iter().for_each(Memory::reopen);
        let fits = |candidate: &Memory| wait(everything(candidate)).unwrap() == found;
        let candidate = candidates.into_iter().find(fits);
        candidate.unwrap_or_else(|| panic!("{interrupted:?}\n{:#?}", wait(everything(&model))))
    }
}

/// Returns the lines of a child after the one that reports the open store.
pub(super) fn lines(child: &mut Child) -> Vec<String> {
    let out = BufReader::new(child.stdout.take().unwrap());
    let lines = out.lines().map_while(Result::ok);
    lines.skip_while(|line| line != "opened").skip(1).collect()
}

/// Does nothing unless this process is a child.
#[test]
fn runs_the_program_of_a_child() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let [name, seed, place] = text.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let backend = BACKENDS.iter().find(|backend| backend.name() == name).unwrap();
    let store = backend.open(Path::new(place));
    // `println!` is not used, because the test harness may capture it.
    let mut out = std::io::stdout();
    let mut say = |text: String| {
        out.write_all(text.as_bytes()).unwrap();
        out.flush().unwrap();
    };
    say("\nopened\n".to_owned());
    for operation in operations(seed.parse().unwrap()) {
        if operation.expires() {
            backend.sweep(Path::new(place), &*store);
        }
        match wait(operation.run(&*store)) {
            Ok(outcome) => say(format!("answered {}\n", digest(&outcome))),
            Err(StoreError::Failed(_) | StoreError::Aborted(_)) => {
                say("failed\n".to_owned());
                break;
            }
            Err(StoreError::Full(_)) => {
                say("full\n".to_owned());
                break;
            }
            Err(error) => panic!("{operation:?}: {error}"),
        }
    }
    // Only a failure leads here. Writes that change nothing show whether it passes.
    for _ in 0..50 {
        if wait(store.ping()).is_ok() {
            return say("recovered\n".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn keeps_answered_operations_when_killed() {
    for backend in BACKENDS {
        let rounds = variable("ROUNDS", 20);
        let answered = kill_and_compare(*backend, rounds, variable("STORE_SEED", 1) as u64);
        println!("{}: {rounds} kills, {answered} answered operations", backend.name());
        assert!(answered > 0);
    }
}

/// Kills children over one store at random times, and returns how many operations they answered.
fn kill_and_compare(backend: &dyn Backend, rounds: usize, seed: u64) -> usize {
    let directory = Directory::new();
    let mut place = directory.path().join("0");
    let mut model = Memory::new(LOG);
    let mut random = Random(seed);
    let mut all = 0;
    for round in 0..rounds {
        // Sometimes an empty directory, so that the creation of a store is interrupted, too.
        if random.below(6) == 0 {
            place = directory.path().join(round.to_string());
            model = Memory::new(LOG);
        }
        let program = Program { backend, place: &place, seed: random.next() };
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = program.configure(&mut command).spawn().unwrap();
        let longest = random.one(&[30_000, 300_000, 300_000]);
        std::thread::sleep(Duration::from_micros(random.below(longest)));
        process.kill().unwrap();
        // The pipe is read to its end, so that no written line is lost.
        let answered = lines(&mut process);
        process.wait().unwrap();
        all += answered.len();
        model = program.compare(model, &answered, Operation::interrupted);
    }
    all
}
