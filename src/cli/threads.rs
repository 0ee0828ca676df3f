//! Batches answered on several threads, and printed in their order.

use super::Failure;
use super::answers::{Answers, PIECE, Piece};
use super::batches::Batches;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{Builder, JoinHandle};

/// Pieces of a batch that wait for their turn at most.
const AHEAD: usize = 16;

/// Whoever takes a batch queues, before the next one is taken, where its pieces will come from: the
/// queue is in order whoever is done first, and full where taking runs too far ahead of printing.
struct Queue {
    batches: Batches,
    turns: SyncSender<Receiver<Piece>>,
}

/// Threads that answer batches. None is waited for where the run ends early: one may wait for
/// input that never comes.
pub(super) struct Threads {
    most: usize,
    answers: Answers,
    /// Gone with the last thread.
    queue: Weak<Mutex<Queue>>,
    running: Vec<JoinHandle<()>>,
    turns: Receiver<Receiver<Piece>>,
}

impl Threads {
    /// Starts the first one.
    pub(super) fn new(most: usize, batches: Batches, answers: Answers) -> Result<Self, Failure> {
        let (sender, turns) = sync_channel(most);
        let queue = Arc::new(Mutex::new(Queue { batches, turns: sender }));
        let (running, weak) = (Vec::new(), Arc::downgrade(&queue));
        let mut threads = Self { most, answers, queue: weak, running, turns };
        threads.start(queue).map_err(Failure::Thread)?;
        Ok(threads)
    }

    fn start(&mut self, queue: Arc<Mutex<Queue>>) -> io::Result<()> {
        let answers = self.answers.twin();
        self.running.push(Builder::new().spawn(move || work(&queue, answers))?);
        Ok(())
    }

    /// The pieces of the next batch.
    pub(super) fn turn(&mut self) -> Option<Receiver<Piece>> {
        let turn = self.turns.recv().ok()?;
        // One more for each batch, so that few batches start few.
        if self.running.len() < self.most
            && let Some(queue) = self.queue.upgrade()
        {
            // Where the system gives no more, those that there are do it.
            let _ = self.start(queue);
        }
        Some(turn)
    }

    /// Waits for all, which are done once there are no more turns.
    pub(super) fn end(self) -> Result<(), Failure> {
        for thread in self.running {
            thread.join().map_err(|_| Failure::Panicked)?;
        }
        Ok(())
    }
}

fn work(queue: &Mutex<Queue>, mut answers: Answers) {
    let mut most = usize::MAX;
    loop {
        let Ok(mut queue) = queue.lock() else { return };
        let Some(batch) = queue.batches.next(most) else { return };
        let (pieces, turn) = sync_channel(AHEAD);
        if queue.turns.send(turn).is_err() {
            return;
        }
        drop(queue);
        let (documents, mut bytes) = (batch.len(), 1);
        let answered = answers.answer(batch, |piece| {
            bytes += piece.out.len();
            pieces.send(piece)
        });
        if answered.is_err() {
            return;
        }
        // The next batch's pieces fit into what may wait, so that this thread does not.
        most = (documents * AHEAD * PIECE / bytes).max(1);
    }
}
