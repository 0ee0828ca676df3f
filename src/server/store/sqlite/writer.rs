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
//!              ▲                                                          sweep a slice
//!              └───────────────────────────────────────────────────────── empty the log
//! ```
//!
//! # Failures
//!
//! A write fails by itself. One that is refused, such as a change at an old revision, is refused
//! before it changes something, so that the others of its transaction go on. If SQLite refuses a
//! statement, because of the schema or of a full store, the transaction is rolled back, and each write
//! is tried again in its own transaction: those that still fit succeed, and the others fail for their
//! own reason. A savepoint for each write would avoid that, but SQLite would copy each page that a
//! write changes, which took a fifth of the processor time of an event. While another process has
//! locked the store, the transaction is tried a few times.
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
//! The rows of removed webhooks and erased tenants are deleted in slices, so that the removal of a
//! million rows delays no write for longer than a slice.
//!
//! An erasure is answered when its rows are deleted, the file is rewritten, and the log, which still
//! has the erased content, is empty. The file is rewritten because `secure_delete` is not enough: when
//! SQLite moves rows between pages, copies of them stay in the unused part of the old page, and are
//! not overwritten when the rows are deleted. A long read, such as a backup, keeps SQLite from
//! emptying the log. Meanwhile other writes go on, and the thread tries again; after
//! [`MAX_TRUNCATIONS`] it answers that the erasure is not complete, and tries again after each later
//! write.

use super::error::{Broken, is_locked, sqlite};
use super::expire::sweep;
use super::file::DirectoryLock;
use super::write::{Left, Write};
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
/// The number of rows of removed webhooks and erased tenants that one transaction deletes.
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

/// A queued write of any type.
trait Job: Send {
    fn weight(&self) -> usize;
    /// Returns what the write has left, if it was done.
    fn left(&self) -> Left;
    /// Runs the write, and keeps its output or refusal for the reply.
    fn run(&mut self, connection: &Connection) -> Result<(), Broken>;
    /// Keeps an error for the reply, in place of an output.
    fn refuse(&mut self, error: StoreError);
    /// Sends what was kept.
    fn reply(self: Box<Self>);
}

struct Queued<W: Write> {
    write: W,
    /// The result of the last run; `None` if it has not run.
    result: Option<Result<W::Output, StoreError>>,
    reply: oneshot::Sender<Result<W::Output, StoreError>>,
}

impl<W: Write> Job for Queued<W> {
    fn weight(&self) -> usize {
        self.write.weight()
    }

    fn left(&self) -> Left {
        match self.result {
            Some(Ok(_)) => self.write.left(),
            _ => Left::Nothing,
        }
    }

    fn run(&mut self, connection: &Connection) -> Result<(), Broken> {
        self.result = Some(Ok(self.write.run(connection)?));
        Ok(())
    }

    fn refuse(&mut self, error: StoreError) {
        self.result = Some(Err(error));
    }

    fn reply(self: Box<Self>) {
        // Without a result, dropping the sender reports the end of the thread. Sending fails only if
        // the caller no longer waits.
        if let Some(result) = self.result {
            drop(self.reply.send(result));
        }
    }
}

/// The queue of the thread. Dropping it completes the queued writes and ends the thread.
#[derive(Debug)]
pub(super) struct Writer {
    // `None` only while the value is dropped.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// The arguments of the thread.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) connection: Connection,
    pub(super) health: Arc<Health>,
    pub(super) lock: Arc<DirectoryLock>,
    /// The time to wait for another process that has locked the store.
    pub(super) patience: Duration,
}

impl Writer {
    pub(super) fn start(start: Start) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = Thread {
            connection: Some(start.connection),
            health: start.health,
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
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let ended = || StoreError::Failed("the writer's thread has ended".to_owned());
        // If the caller goes away after this, the write is still made: the job is in the queue.
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        let job = Box::new(Queued { write, result: None, reply });
        queue.send(job).await.map_err(|_| ended())?;
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
    patience: Duration,
    /// Whether there may be rows of removed webhooks and erased tenants left.
    sweeping: bool,
    /// Whether the log may have erased content, and how often emptying it has failed.
    truncating: Option<usize>,
    /// The erasures that are answered when the log is empty.
    erasures: Vec<Box<dyn Job>>,
    logged: Logged,
}

/// The reason why a transaction was not committed.
enum Undone {
    /// SQLite rolled it back because of one of its writes, which may be any of them.
    ByOne(StoreError),
    /// For a reason that all its writes share.
    ForAll(StoreError),
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
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
                let mut weight = first.weight();
                let mut batch = vec![first];
                while batch.len() < MAX_WRITES && weight < MAX_BYTES {
                    let Ok(job) = jobs.try_recv() else { break };
                    weight += job.weight();
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
    fn batch(&mut self, mut batch: Vec<Box<dyn Job>>) {
        match self.attempt(&mut batch) {
            Ok(()) => {
                for job in batch {
                    match job.left() {
                        Left::Nothing => job.reply(),
                        Left::Rows => {
                            self.sweeping = true;
                            job.reply();
                        }
                        Left::Content => {
                            self.sweeping = true;
                            self.truncating = Some(0);
                            self.erasures.push(job);
                        }
                    }
                }
            }
            Err(Undone::ByOne(error)) if batch.len() > 1 && !error.is_fatal() => {
                for job in batch {
                    self.batch(vec![job]);
                }
            }
            Err(Undone::ByOne(error) | Undone::ForAll(error)) => {
                self.note(&error);
                for mut job in batch {
                    job.refuse(error.clone());
                    job.reply();
                }
            }
        }
    }

    /// Runs writes in one transaction, again while another process has locked the store.
    fn attempt(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Undone> {
        self.health.check().map_err(Undone::ForAll)?;
        let Some(connection) = &mut self.connection else {
            let what = "the store was closed after a failure".to_owned();
            return Err(Undone::ForAll(StoreError::Failed(what)));
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match transact(connection, batch) {
                Err(error) if is_locked(&error) && tries < MAX_TRIES => {}
                Err(error) if is_locked(&error) => {
                    let what = "another process has locked the store; stop it, or try again";
                    return Err(Undone::ForAll(StoreError::Aborted(what.to_owned())));
                }
                Err(error) => return Err(Undone::ByOne(sqlite(&error))),
                Ok(()) => {
                    self.logged.transactions += 1;
                    return Ok(());
                }
            }
        }
    }

    /// Deletes a slice of the rows of removed webhooks and erased tenants.
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
                self.answer_erasures(Some(&error));
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
            return self.answer_erasures(Some(&StoreError::Aborted(what)));
        }
        // Without an erasure that waits, no write is delayed for a log that is only not yet empty.
        let wait = if self.erasures.is_empty() { Duration::ZERO } else { TRUNCATION_TIME };
        match checkpoint(connection, "TRUNCATE", wait, self.patience) {
            // Only now no file has the erased content.
            Ok(true) => {
                self.logged = Logged::default();
                self.truncating = None;
                self.answer_erasures(None);
            }
            Ok(false) => {
                let failed = self.truncating.map_or(1, |failed| failed + 1);
                self.truncating = Some(failed);
                if failed >= MAX_TRUNCATIONS {
                    let what = "the tenant is removed, but a long read, such as a backup, keeps its \
                                content in the log of the store; erase it again when that has ended";
                    self.answer_erasures(Some(&StoreError::Aborted(what.to_owned())));
                }
            }
            Err(error) => {
                self.note(&error);
                self.answer_erasures(Some(&error));
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

    fn answer_erasures(&mut self, error: Option<&StoreError>) {
        for mut erasure in self.erasures.drain(..) {
            if let Some(error) = error {
                erasure.refuse(error.clone());
            }
            erasure.reply();
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

/// Runs writes in one transaction. Their results may be sent if it was committed.
fn transact(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in batch {
        let before = transaction.total_changes();
        match job.run(&transaction) {
            Ok(()) => {}
            Err(refused @ (Broken::Refused(_) | Broken::Damaged(_))) => {
                debug_assert_eq!(transaction.total_changes(), before, "refused after a change");
                job.refuse(refused.into());
            }
            Err(Broken::Sqlite(error)) => return Err(error),
        }
    }
    transaction.commit()
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
