//! The writer: a thread that owns the only connection that writes.
//!
//! A commit costs one flush of the disk, regardless of its size. So the thread takes everything in
//! the queue, runs it in one transaction, and sends the results after COMMIT has returned. While
//! one transaction is flushed, the next one accumulates. The thread does not wait for more writes;
//! a wait only delays every result.
//!
//! Each write has a savepoint in the transaction, so that a refused one, such as a change at an old
//! revision, undoes only itself. If SQLite rolls back the whole transaction, as it may when the
//! store is full, each write is retried in its own transaction: those that still fit succeed, and
//! the others fail for their own reason.
//!
//! After any other error it is unknown what reached the disk: a later flush that succeeds says
//! nothing about what an earlier one lost. The connection is dropped, and the [`Health`] that the
//! writer shares with the readers refuses every later write.
//!
//! Between transactions the thread deletes the deliveries of removed webhooks in slices, so that
//! the removal of a million rows delays no write for longer than a slice.

use super::error::{Broken, sqlite};
use super::file::{DirectoryLock, PATIENCE};
use super::write::{Write, sweep};
use crate::server::store::contract::StoreError;
use rusqlite::{Connection, TransactionBehavior};
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
        if let StoreError::Failed(_) | StoreError::Unusable(_) = error {
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
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// The arguments of the thread.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) connection: Connection,
    pub(super) health: Arc<Health>,
    pub(super) lock: Arc<DirectoryLock>,
    /// The maximum number of changes of a tenant in the log.
    pub(super) log: u64,
}

impl Writer {
    pub(super) fn start(start: Start) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = Thread {
            connection: Some(start.connection),
            health: start.health,
            log: start.log,
            // The last process may have left some.
            sweeping: true,
            erasures: Vec::new(),
            truncating: false,
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
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(Job { write, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        // An error is a panic of the thread, which was already reported.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Thread {
    /// `None` after a failure.
    connection: Option<Connection>,
    health: Arc<Health>,
    log: u64,
    /// Whether there may be deliveries of removed webhooks left.
    sweeping: bool,
    /// The replies of erasures, which are sent when the sweep is complete.
    erasures: Vec<Reply>,
    /// Whether the log may contain erased content.
    truncating: bool,
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let first = match self.sweeping {
                false => match jobs.blocking_recv() {
                    Some(job) => Some(job),
                    None => break,
                },
                true => match jobs.try_recv() {
                    Ok(job) => Some(job),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => break,
                },
            };
            if let Some(first) = first {
                let mut weight = first.write.weight();
                let mut batch = vec![first];
                while batch.len() < MAX_WRITES && weight < MAX_BYTES {
                    let Ok(job) = jobs.try_recv() else { break };
                    weight += job.write.weight();
                    batch.push(job);
                }
                self.batch(batch);
            }
            if self.sweeping {
                self.sweep();
            } else if self.truncating {
                // On a failure, the next write reports it.
                let _ = self.truncate(Duration::ZERO);
            }
        }
    }

    /// Runs writes in one transaction and sends their results.
    fn batch(&mut self, mut batch: Vec<Job>) {
        match self.attempt(&batch) {
            Ok(results) => {
                for (job, result) in batch.into_iter().zip(results) {
                    self.sweeping |= result.is_ok() && job.write.removes();
                    match (&job.write, result) {
                        (Write::Erase { .. }, Ok(_)) => self.erasures.push(job.reply),
                        // A reply fails only if the caller no longer waits.
                        (_, result) => drop(job.reply.send(result)),
                    }
                }
            }
            Err(StoreError::Full(_)) if batch.len() > 1 => {
                for job in batch.drain(..) {
                    self.batch(vec![job]);
                }
            }
            Err(error) => {
                self.fail(&error);
                for job in batch {
                    drop(job.reply.send(Err(error.clone())));
                }
            }
        }
    }

    /// Runs writes in one transaction. Returns their results if it was committed, or why it was
    /// not.
    fn attempt(&mut self, batch: &[Job]) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
        self.health.check()?;
        let log = self.log;
        let run = |connection: &mut Connection| -> Result<_, rusqlite::Error> {
            let behavior = TransactionBehavior::Immediate;
            let mut transaction = connection.transaction_with_behavior(behavior)?;
            let mut results = Vec::with_capacity(batch.len());
            for job in batch {
                let savepoint = transaction.savepoint()?;
                // A savepoint that is dropped without a commit undoes its write.
                results.push(match job.write.run(&savepoint, log) {
                    Ok(result) => {
                        savepoint.commit()?;
                        Ok(result)
                    }
                    Err(Broken::Refused(refused)) => Err(refused),
                    Err(Broken::Sqlite(error)) => return Err(error),
                });
            }
            transaction.commit()?;
            Ok(results)
        };
        match &mut self.connection {
            Some(connection) => run(connection).map_err(|error| sqlite(&error)),
            None => Err(StoreError::Failed("the store was closed after a failure".to_owned())),
        }
    }

    /// Deletes a slice of the deliveries of removed webhooks.
    fn sweep(&mut self) {
        let swept = self.health.check().and_then(|()| {
            let Some(connection) = &mut self.connection else { return Ok(false) };
            sweep_once(connection).map_err(|error| sqlite(&error))
        });
        match swept {
            Ok(more) => self.sweeping = more,
            Err(error) => {
                // If the store is full, the sweep continues after the next write.
                self.sweeping = false;
                self.fail(&error);
                for reply in self.erasures.drain(..) {
                    drop(reply.send(Err(error.clone())));
                }
            }
        }
        if !self.sweeping && !self.erasures.is_empty() {
            self.finish_erasures();
        }
    }

    /// Empties the log, which still contains the erased content, and then replies to the erasures.
    /// If a long read, such as a backup, needs the log, it is emptied after a later write.
    fn finish_erasures(&mut self) {
        self.truncating = true;
        let result = self.truncate(Duration::from_secs(1));
        for reply in self.erasures.drain(..) {
            drop(reply.send(result.clone().map(|()| 0)));
        }
    }

    /// Copies the log into the store and truncates it, if no read needs it within a time.
    fn truncate(&mut self, patience: Duration) -> Result<(), StoreError> {
        let Some(connection) = &self.connection else { return self.health.check() };
        let truncated = (|| {
            connection.busy_timeout(patience)?;
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let busy: bool = connection.query_row(sql, [], |row| row.get(0))?;
            connection.busy_timeout(PATIENCE)?;
            Ok(busy)
        })();
        match truncated.map_err(|error| sqlite(&error)) {
            Ok(busy) => {
                self.truncating = busy;
                Ok(())
            }
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    fn fail(&mut self, error: &StoreError) {
        self.health.note(error);
        if self.health.check().is_err() {
            self.connection = None;
        }
    }
}

fn sweep_once(connection: &mut Connection) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let more = sweep(&transaction, SLICE)?;
    transaction.commit()?;
    Ok(more)
}
