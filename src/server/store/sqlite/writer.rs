//! The thread that owns the write connection.
//!
//! A commit costs one flush of the disk, whatever it holds. So the thread takes everything that
//! waits at once, runs it in one transaction, and answers when COMMIT has returned: while one
//! transaction is flushed, the next one gathers. It does not wait for more to arrive; a wait only
//! adds to every answer.
//!
//! Each write has a savepoint in the transaction, so that one that is refused, such as a change at
//! an old revision, undoes nothing but itself. If SQLite gives the whole transaction up, as it may
//! when the store is full, each write is tried in a transaction of its own, so that those that
//! still fit are done and the others are refused for their own reason.
//!
//! After any other error nobody knows what reached the disk: a second flush that succeeds says
//! nothing about what the first one lost. The connection is dropped, and the [`Health`] that it
//! shares with the readers refuses every later write.
//!
//! Between transactions it deletes the deliveries of removed webhooks in slices, so that the
//! removal of a million rows holds no other write up for longer than a slice.

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

/// How many writes wait before callers do.
const QUEUE: usize = 1024;
/// What one transaction takes at most, so that its first write is not answered too late.
const MAX_WRITES: usize = 256;
const MAX_BYTES: usize = 8 << 20;
/// How many deliveries of removed webhooks one transaction deletes.
const SLICE: usize = 500;

/// Whether the store has failed, and how.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<StoreError>>);

impl Health {
    /// The error for a write after a failure.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Refuses writes from now on, unless the error says that later ones may succeed.
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

/// The queue of the thread. Dropping it ends the thread when all that waits is done.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread needs.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) connection: Connection,
    pub(super) health: Arc<Health>,
    pub(super) lock: Arc<DirectoryLock>,
    /// How many changes of a tenant the log keeps.
    pub(super) log: u64,
}

impl Writer {
    pub(super) fn start(start: Start) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = Thread {
            connection: Some(start.connection),
            health: start.health,
            log: start.log,
            // Of the last process, there may be some left.
            sweeping: true,
            erasures: Vec::new(),
            truncating: false,
        };
        let lock = start.lock;
        let run = move || {
            thread.run(jobs);
            // Only now may another process open the directory.
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(run);
        let thread = thread.map_err(|error| {
            StoreError::Failed(format!("the thread of the writer cannot start: {error}"))
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Waits for room in the queue, then for the commit.
    pub(super) async fn write(&self, write: Write) -> Result<u64, StoreError> {
        let ended = || StoreError::Failed("the thread of the writer has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(Job { write, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        // An error is a panic of the thread, which it has reported itself.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Thread {
    /// `None` after a failure.
    connection: Option<Connection>,
    health: Arc<Health>,
    log: u64,
    /// Whether there may be deliveries of removed webhooks.
    sweeping: bool,
    /// Erasures are answered when nothing is left to be swept.
    erasures: Vec<Reply>,
    /// Whether the log may hold what was erased.
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
                // If it fails, the next write says so.
                let _ = self.truncate(Duration::ZERO);
            }
        }
    }

    /// Runs writes in one transaction, and answers them.
    fn batch(&mut self, mut batch: Vec<Job>) {
        match self.attempt(&batch) {
            Ok(results) => {
                for (job, result) in batch.into_iter().zip(results) {
                    self.sweeping |= result.is_ok() && job.write.removes();
                    match (&job.write, result) {
                        (Write::Erase { .. }, Ok(_)) => self.erasures.push(job.reply),
                        // Nobody waits any more for an answer that cannot be sent.
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

    /// What each write returns, all of which are committed; or why none of them is.
    fn attempt(&mut self, batch: &[Job]) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
        self.health.check()?;
        let log = self.log;
        let run = |connection: &mut Connection| -> Result<_, rusqlite::Error> {
            let behavior = TransactionBehavior::Immediate;
            let mut transaction = connection.transaction_with_behavior(behavior)?;
            let mut results = Vec::with_capacity(batch.len());
            for job in batch {
                let savepoint = transaction.savepoint()?;
                // Dropped without its own commit, a savepoint undoes the write.
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

    /// Deletes a slice of what removed webhooks have left.
    fn sweep(&mut self) {
        let swept = self.health.check().and_then(|()| {
            let Some(connection) = &mut self.connection else { return Ok(false) };
            sweep_once(connection).map_err(|error| sqlite(&error))
        });
        match swept {
            Ok(more) => self.sweeping = more,
            Err(error) => {
                // When the store is full: again after the next write.
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

    /// Answers erasures when the log is empty, too, since it still holds what was erased. Where a
    /// long read needs the log, such as a backup, it is emptied after a later write.
    fn finish_erasures(&mut self) {
        self.truncating = true;
        let result = self.truncate(Duration::from_secs(1));
        for reply in self.erasures.drain(..) {
            drop(reply.send(result.clone().map(|()| 0)));
        }
    }

    /// Moves the log into the store and empties it, if no read needs it within a time.
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
