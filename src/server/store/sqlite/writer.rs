//! The writer: a thread that owns the only connection that writes.
//!
//! A commit costs one flush of the disk, regardless of its size. So the thread takes everything in
//! the queue, runs it in one transaction, and sends the results after COMMIT has returned. While
//! one transaction is flushed, the next one accumulates. The thread does not wait for more writes;
//! a wait only delays every result.
//!
//! ```text
//!          jobs                     one transaction                     between transactions
//! queue ──▶ take what waits ──▶ BEGIN  w1 │ w2 │ w3  COMMIT ──▶ reply ──▶ checkpoint
//!              ▲                       each in a savepoint                sweep a slice
//!              └───────────────────────────────────────────────────────── empty the log
//! ```
//!
//! # Failures
//!
//! A write fails by itself. Each has a savepoint, so that a refused one, such as a change at an old
//! revision, and one that violates the schema undo only themselves. If SQLite rolls back the whole
//! transaction, as it may when the store is full, each write is retried in its own transaction:
//! those that still fit succeed, and the others fail for their own reason. While another process
//! has locked the store, the transaction is tried a few times.
//!
//! Only a [fatal](super::error) error stops the writer: a failed read or flush, after which it is
//! unknown what reached the disk, and damage. The connection is dropped, and the [`Health`] that
//! the writer shares with the readers refuses every later write.
//!
//! # Between transactions
//!
//! SQLite's automatic checkpoint runs inside COMMIT and ignores its errors. So it is off, and the
//! thread copies the log into the file itself, after the replies: no caller waits for it, and a
//! failing disk is noticed.
//!
//! The deliveries of removed webhooks are deleted in slices, so that the removal of a million rows
//! delays no write for longer than a slice.
//!
//! An erasure is answered when its deliveries are deleted, the file is rewritten, and the log, which
//! still has the erased content, is empty. The file is rewritten because `secure_delete` is not
//! enough: when SQLite moves rows between pages, copies of them stay in the unused part of the old
//! page, and are not overwritten when the rows are deleted. A long read, such as a backup, keeps SQLite from emptying it. Meanwhile other
//! writes go on, and the thread tries again; after [`MAX_TRUNCATIONS`] it answers that the erasure
//! is not complete, and tries again after each later write.

use super::error::{Broken, is_locked, sqlite};
use super::file::DirectoryLock;
use super::write::{Write, sweep};
use crate::server::store::contract::StoreError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::oneshot;

/// The capacity of the queue; callers wait when it is full.
const QUEUE: usize = 1024;
/// The limits of one transaction, so that its first write is not delayed too long.
const MAX_WRITES: usize = 256;
const MAX_BYTES: usize = 8 << 20;
/// The number of deliveries of removed webhooks that one transaction deletes.
const SLICE: usize = 500;
/// How often a transaction is tried while another process has locked the store. Each time waits for
/// the patience of the settings.
const MAX_TRIES: usize = 3;
/// How many transactions, or bytes of documents, the log takes before it is copied into the file.
/// SQLite's own default is 1,000 pages, about as much.
const MAX_LOGGED: usize = 64;
const MAX_LOGGED_BYTES: usize = 4 << 20;
/// How often an erasure tries to empty the log before it is answered, and the wait of each time.
/// Other writes run between.
const MAX_TRUNCATIONS: usize = 100;
const TRUNCATION_TIME: Duration = Duration::from_millis(100);

/// The failure of the store, if it has failed.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<StoreError>>);

impl Health {
    /// Returns the failure as an error, if there is one.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Records an error, after which all writes are refused, unless it allows later writes to
    /// succeed.
    pub(super) fn note(&self, error: &StoreError) {
        if error.is_fatal() {
            let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert_with(|| error.clone());
        }
    }
}

type Reply = oneshot::Sender<Result<u64, StoreError>>;

struct Job {
    write: Write,
    reply: Reply,
}

/// The queue of the thread. Dropping it completes the queued writes and ends the thread.
#[derive(Debug)]
pub(super) struct Writer {
    // `None` only while the value is dropped.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// The arguments of the thread.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) connection: Connection,
    pub(super) health: Arc<Health>,
    pub(super) lock: Arc<DirectoryLock>,
    /// The number of revisions of a tenant whose removals are kept.
    pub(super) log: u64,
    /// The time to wait for another process that has locked the store.
    pub(super) patience: Duration,
}

impl Writer {
    pub(super) fn start(start: Start) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = Thread {
            connection: Some(start.connection),
            health: start.health,
            log: start.log,
            patience: start.patience,
            // The last process may have been killed before it had deleted or emptied everything.
            sweeping: true,
            truncating: Some(0),
            erasures: Vec::new(),
            logged: Logged::default(),
        };
        let lock = start.lock;
        let run = move || {
            thread.run(jobs);
            // Another process may open the directory only after the thread has ended.
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(run);
        let thread = thread.map_err(|error| {
            StoreError::Failed(format!("cannot start the writer's thread: {error}"))
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a write, waits for its commit, and returns its result.
    pub(super) async fn write(&self, write: Write) -> Result<u64, StoreError> {
        let ended = || StoreError::Failed("the writer's thread has ended".to_owned());
        // If the caller goes away after this, the write is still made: the job is in the queue.
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(Job { write, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Closes the channel, after which the thread completes what is queued and ends.
        drop(self.queue.take());
        // An error is a panic of the thread, which was already reported.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What was written to the log since it was last copied into the file.
#[derive(Default)]
struct Logged {
    transactions: usize,
    bytes: usize,
}

struct Thread {
    /// `None` after a fatal error.
    connection: Option<Connection>,
    health: Arc<Health>,
    log: u64,
    patience: Duration,
    /// Whether there may be deliveries of removed webhooks left.
    sweeping: bool,
    /// Whether the log may have erased content, and how often emptying it has failed.
    truncating: Option<usize>,
    /// The replies of erasures, which are sent when the log is empty.
    erasures: Vec<Reply>,
    logged: Logged,
}

/// The results of the writes of a committed transaction.
type Results = Vec<Result<u64, StoreError>>;

/// The reason why a transaction was not committed.
enum Undone {
    /// SQLite rolled it back because of one of its writes, which may be any of them.
    ByOne(StoreError),
    /// For a reason that all its writes share.
    ForAll(StoreError),
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let first = match self.has_own_work() {
                false => match jobs.blocking_recv() {
                    Some(job) => Some(job),
                    None => break,
                },
                true => match jobs.try_recv() {
                    Ok(job) => Some(job),
                    Err(TryRecvError::Empty) => None,
                    // The process ends. What is left is done at the next start, and the connection
                    // empties the log when it is closed.
                    Err(TryRecvError::Disconnected) => break,
                },
            };
            if let Some(first) = first {
                // What waits now, without waiting for more: under load, the queue fills during the flush.
                let mut weight = first.write.weight();
                let mut batch = vec![first];
                while batch.len() < MAX_WRITES && weight < MAX_BYTES {
                    let Ok(job) = jobs.try_recv() else { break };
                    weight += job.write.weight();
                    batch.push(job);
                }
                self.logged.bytes += weight;
                self.batch(batch);
            }
            // One step per round, so that writes that came meanwhile are next. Erased content is emptied
            // from the log only after the sweep, which writes to the log itself.
            if self.sweeping {
                self.sweep();
            } else if self.truncating.is_some() {
                self.truncate();
            }
            self.checkpoint();
        }
    }

    /// Returns whether there is work besides the queue. A log that a long read keeps from being
    /// emptied is left to the next write, unless an erasure waits for it: otherwise an idle server
    /// would try forever.
    fn has_own_work(&self) -> bool {
        self.sweeping || self.truncating == Some(0) || !self.erasures.is_empty()
    }

    /// Runs writes in one transaction and sends their results.
    fn batch(&mut self, mut batch: Vec<Job>) {
        match self.attempt(&batch) {
            Ok(results) => {
                for (job, result) in batch.into_iter().zip(results) {
                    self.sweeping |= result.is_ok() && job.write.removes();
                    match (&job.write, result) {
                        (Write::Erase { .. }, Ok(_)) => {
                            self.truncating = Some(0);
                            self.erasures.push(job.reply);
                        }
                        // A reply fails only if the caller no longer waits.
                        (_, result) => drop(job.reply.send(result)),
                    }
                }
            }
            Err(Undone::ByOne(error)) if batch.len() > 1 && !error.is_fatal() => {
                for job in batch.drain(..) {
                    self.batch(vec![job]);
                }
            }
            Err(Undone::ByOne(error) | Undone::ForAll(error)) => {
                self.note(&error);
                for job in batch {
                    drop(job.reply.send(Err(error.clone())));
                }
            }
        }
    }

    /// Runs writes in one transaction, again while another process has locked the store.
    fn attempt(&mut self, batch: &[Job]) -> Result<Results, Undone> {
        self.health.check().map_err(Undone::ForAll)?;
        let Some(connection) = &mut self.connection else {
            let what = "the store was closed after a failure".to_owned();
            return Err(Undone::ForAll(StoreError::Failed(what)));
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match transact(connection, batch, self.log) {
                Err(error) if is_locked(&error) && tries < MAX_TRIES => {}
                Err(error) if is_locked(&error) => {
                    let what = "another process has locked the store; stop it, or try again";
                    return Err(Undone::ForAll(StoreError::Aborted(what.to_owned())));
                }
                Err(error) => return Err(Undone::ByOne(sqlite(&error))),
                Ok(results) => {
                    self.logged.transactions += 1;
                    return Ok(results);
                }
            }
        }
    }

    /// Deletes a slice of the deliveries of removed webhooks.
    fn sweep(&mut self) {
        let Some(connection) = &mut self.connection else { return self.sweeping = false };
        match sweep_once(connection) {
            Ok(more) => {
                self.sweeping = more;
                self.logged.transactions += 1;
            }
            Err(error) => {
                // Unless the error is fatal, the sweep continues after the next removal or start.
                self.sweeping = false;
                let error = sqlite(&error);
                self.note(&error);
                self.answer_erasures(&Err(error));
            }
        }
    }

    /// Rewrites the file if erasures wait, empties the log by copying it into the file, and then
    /// answers the erasures.
    fn truncate(&mut self) {
        let Some(connection) = &self.connection else { return self.truncating = None };
        // Once for the erasures that wait: only a new one can leave content again.
        if self.truncating == Some(0)
            && !self.erasures.is_empty()
            && let Err(error) = connection.execute_batch("VACUUM")
        {
            let error = sqlite(&error);
            self.note(&error);
            let what = format!(
                "the tenant is removed, but the file still has some of its content: {error}; erase \
                 it again"
            );
            return self.answer_erasures(&Err(StoreError::Aborted(what)));
        }
        // Without an erasure that waits, no write is delayed for a log that is only not yet empty.
        let wait = if self.erasures.is_empty() { Duration::ZERO } else { TRUNCATION_TIME };
        match checkpoint(connection, "TRUNCATE", wait, self.patience) {
            // Only now no file has the erased content.
            Ok(true) => {
                self.logged = Logged::default();
                self.truncating = None;
                self.answer_erasures(&Ok(0));
            }
            Ok(false) => {
                let failed = self.truncating.map_or(1, |failed| failed + 1);
                self.truncating = Some(failed);
                if failed >= MAX_TRUNCATIONS {
                    let what = "the tenant is removed, but a long read, such as a backup, keeps its \
                                content in the log of the store; erase it again when that has ended";
                    self.answer_erasures(&Err(StoreError::Aborted(what.to_owned())));
                }
            }
            Err(error) => {
                self.note(&error);
                self.answer_erasures(&Err(error));
            }
        }
    }

    /// Copies the log into the file if it has grown, as far as no read needs it.
    fn checkpoint(&mut self) {
        let Logged { transactions, bytes } = self.logged;
        if transactions < MAX_LOGGED && bytes < MAX_LOGGED_BYTES {
            return;
        }
        let Some(connection) = &self.connection else { return };
        // Also after an error: the next attempt is after as many transactions, not after each.
        self.logged = Logged::default();
        if let Err(error) = checkpoint(connection, "PASSIVE", Duration::ZERO, self.patience) {
            // If the disk is full, the next write reports it.
            self.note(&error);
        }
    }

    fn answer_erasures(&mut self, result: &Result<u64, StoreError>) {
        for reply in self.erasures.drain(..) {
            drop(reply.send(result.clone()));
        }
    }

    /// Closes the store for writes if an error is fatal.
    fn note(&mut self, error: &StoreError) {
        self.health.note(error);
        if self.health.check().is_err() {
            self.connection = None;
        }
    }
}

/// Runs writes in one transaction and returns their results if it was committed.
fn transact(connection: &mut Connection, batch: &[Job], log: u64) -> rusqlite::Result<Results> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(batch.len());
    for job in batch {
        // Less expensive than a transaction of its own, since it needs no flush.
        let mut savepoint = transaction.savepoint()?;
        let result = match job.write.run(&savepoint, log) {
            Ok(result) => Ok(result),
            Err(refused @ (Broken::Refused(_) | Broken::Damaged(_))) => Err(refused.into()),
            Err(Broken::Sqlite(error)) => {
                let class = sqlite(&error);
                // SQLite has ended the transaction if it is outside one now. A full store and a
                // fatal error concern the other writes, too.
                if savepoint.is_autocommit() || !matches!(class, StoreError::Aborted(_)) {
                    return Err(error);
                }
                Err(class)
            }
        };
        // Statements that ran before the one that failed are undone, too.
        if result.is_err() {
            savepoint.rollback()?;
        }
        savepoint.commit()?;
        results.push(result);
    }
    transaction.commit()?;
    Ok(results)
}

/// Copies the log into the file, and returns whether all of it was copied.
///
/// # Errors
///
/// Any failure of the disk is one of the main file, and fatal.
fn checkpoint(
    connection: &Connection,
    mode: &str,
    wait: Duration,
    patience: Duration,
) -> Result<bool, StoreError> {
    let copied = (|| {
        connection.busy_timeout(wait)?;
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let busy: bool = connection.query_row(&sql, [], |row| row.get(0))?;
        connection.busy_timeout(patience)?;
        Ok(!busy)
    })();
    copied.map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => StoreError::Failed(error.to_string()),
        _ => sqlite(&error),
    })
}

fn sweep_once(connection: &mut Connection) -> rusqlite::Result<bool> {
    // Immediate: a transaction that begins by reading could not be retried as a whole.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let more = sweep(&transaction, SLICE)?;
    transaction.commit()?;
    Ok(more)
}
