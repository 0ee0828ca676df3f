//! Matches batches on several threads, and returns their output in input order.
//!
//! The threads share a [`Queue`]. A thread locks it, takes the next batch, and queues the receiver
//! of that batch's chunks before it unlocks. So the queue of receivers is in input order, whichever
//! thread finishes first. The queue is bounded, so that reading stays close to printing.
//!
//! # Example
//!
//! ```text
//! queue          thread 1: batch 1 …………………… done      thread 2: batch 2 … done, batch 3 …
//! outputs        [receiver 1] [receiver 2] [receiver 3]
//! printer        reads receiver 1 until its end, then receiver 2, …
//! ```
//!
//! Thread 2 is faster, but its chunks wait in their channel, since the printer is still at the
//! receiver of batch 1. When that channel is full, thread 2 waits. So a slow batch holds up the
//! others, and memory stays bounded by the number of threads times the chunks of a channel.
//!
//! # Invariants
//!
//! - A receiver is queued in the same lock in which its batch was taken, so the order of the
//!   receivers is that of the batches.
//! - The lock is held while a batch is read, which may wait for input. Threads that have a batch do
//!   not need it.
//! - Only a receiver whose sender is gone ends, so the printer never skips a batch.
//!
//! # Rejected
//!
//! Numbered batches that are sorted after the threads: they pile up after a slow one. A thread only
//! for reading: it is idle where reading is fast.

use crate::cli::Failure;
use crate::cli::input::batches::Batches;
use crate::cli::verbs::matching::batch_matcher::{BatchMatcher, CHUNK, Chunk};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{Builder, JoinHandle};

/// The maximum number of chunks of a batch that wait to be printed.
const AHEAD: usize = 16;

/// The batches to take, and the receivers of their chunks in the same order.
struct Queue {
    batches: Batches,
    outputs: SyncSender<Receiver<Chunk>>,
}

/// Threads that match batches.
///
/// They are joined only at the end of the input. A run that ends early leaves them: one of them may
/// be blocked on input that never comes.
pub(crate) struct Threads {
    max: usize,
    matcher: BatchMatcher,
    /// Weak, so that the queue is dropped with the last thread.
    queue: Weak<Mutex<Queue>>,
    running: Vec<JoinHandle<()>>,
    outputs: Receiver<Receiver<Chunk>>,
}

impl Threads {
    /// Starts the first thread.
    pub(crate) fn new(
        max: usize,
        batches: Batches,
        matcher: BatchMatcher,
    ) -> Result<Self, Failure> {
        // One receiver for each thread may wait. Then taking another batch waits for the printer.
        let (sender, outputs) = sync_channel(max);
        let queue = Arc::new(Mutex::new(Queue { batches, outputs: sender }));
        let (running, weak) = (Vec::new(), Arc::downgrade(&queue));
        let mut threads = Self { max, matcher, queue: weak, running, outputs };
        // The thread has the only strong reference now, so the queue lives as long as some thread
        // does.
        threads.start(queue).map_err(Failure::Thread)?;
        Ok(threads)
    }

    fn start(&mut self, queue: Arc<Mutex<Queue>>) -> io::Result<()> {
        // Every fork comes from the first matcher, which has the index and is itself never run
        // again.
        let matcher = self.matcher.fork();
        self.running.push(Builder::new().spawn(move || work(&queue, matcher))?);
        Ok(())
    }

    /// Returns the receiver of the next batch's chunks, or `None` at the end of the input.
    pub(crate) fn next_output(&mut self) -> Option<Receiver<Chunk>> {
        // An error means that all threads have ended, and with them the queue and its sender.
        let output = self.outputs.recv().ok()?;
        // Starts one more thread for each batch, so that few batches start few threads.
        if self.running.len() < self.max
            && let Some(queue) = self.queue.upgrade()
        {
            // If the system refuses another thread, the running ones do the work.
            let _ = self.start(queue);
        }
        Some(output)
    }

    /// Joins all threads, which end when no batch is left.
    pub(crate) fn end(self) -> Result<(), Failure> {
        for thread in self.running {
            thread.join().map_err(|_| Failure::Panicked)?;
        }
        Ok(())
    }
}

fn work(queue: &Mutex<Queue>, mut matcher: BatchMatcher) {
    let mut max = usize::MAX;
    loop {
        // Another thread has panicked, which `end` reports; or the input ends.
        let Ok(mut queue) = queue.lock() else { return };
        let Some(batch) = queue.batches.next(max) else { return };
        let (chunks, output) = sync_channel(AHEAD);
        // The printer has ended early, so no output is read any more.
        if queue.outputs.send(output).is_err() {
            return;
        }
        // Matching needs no lock, so another thread can read the next batch meanwhile.
        drop(queue);
        let (documents, mut bytes) = (batch.len(), 1);
        let sent = matcher.process(batch, |chunk| {
            bytes += chunk.out.len();
            chunks.send(chunk)
        });
        if sent.is_err() {
            return;
        }
        // Sizes the next batch so that all its chunks fit into the channel and this thread never
        // blocks.
        max = (documents * AHEAD * CHUNK / bytes).max(1);
    }
}
