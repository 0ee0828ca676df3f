//! Tasks that go on without their caller, and the wait for them at the stop.
//!
//! A caller may close the connection, and a request has a time limit. Neither may stop a change
//! between commit and apply, or an attempt between the request and its record. So these parts
//! of a use case run in tasks of their own, which are counted here; everything else of a request
//! ends with the request.
//!
//! ```text
//! request ────────┬──── time limit: 503, the request's own task is aborted
//!                 └─▶ change: commit ─▶ apply           goes on, and is counted
//! stop ──▶ connections are drained ──▶ idle: no task is left ──▶ the store is closed
//! ```

use std::future::Future;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The number of tasks. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Tasks(watch::Sender<usize>);

/// Counts a task until it is dropped, also by a panic.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        // Each value is counted once, when it is created, so the number is above zero.
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Tasks {
    /// Runs a future to its end, even if the handle is dropped.
    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        // Counted here and not in the task, which may not have run yet when the stop looks.
        self.0.send_modify(|running| *running += 1);
        let counted = Counted(self.0.clone());
        tokio::spawn(async move {
            let _counted = counted;
            future.await
        })
    }

    /// Waits until no task runs.
    pub(super) async fn idle(&self) {
        // Fails only without a sender, and `self` is one.
        let _ = self.0.subscribe().wait_for(|running| *running == 0).await;
    }
}
