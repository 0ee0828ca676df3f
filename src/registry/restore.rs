//! Reads a snapshot, strictly or skipping the webhooks that the rules refuse.
//!
//! # The idea
//!
//! Reading has two phases. The first one reads the whole stream and builds a [`State`] for each
//! tenant that no other thread can see. The second one installs the states one after another.
//! Everything that can be wrong with a snapshot is found in the first phase, so a snapshot is
//! loaded whole or not at all.
//!
//! The first phase has three steps. The second step is most of the work. Threads do it in parallel,
//! each on its own chunk of lines:
//!
//! ```text
//! line                                           1. read             2. check    3. build
//! {"format":"hooksieve-snapshot","version":1}    Reader::header
//! {"tenant":"t1","revision":7,"webhooks":2}      Item::Tenant                    an empty State
//! {"id":"w1", …}                                 Item::Webhook       the rules   index it
//! {"id":"w2", …}                                 Item::Webhook       the rules   index it
//! {"crc32":"5f1c0e92"}                           Item::Verified                  complete
//! {"end":true,"tenants":1}                       Item::End                       the outcome
//!
//! one at a time, in order                        lock `reader`       no lock     lock `building`
//! ```
//!
//! A thread takes a chunk through all three steps before it reads the next one. Before the third
//! step it waits until the chunks before its own are added:
//!
//! ```text
//! thread 1   read 0 ─ check 0 ─ build 0 ─ read 2 ─ check 2 ───────── build 2
//! thread 2            read 1 ─ check 1 ─ build 1 ─ read 3 ─ check 3 ───────── build 3
//! ```
//!
//! So each webhook gets the slot, and each error is the one, that a single thread would find.
//!
//! # Damage comes before refusal
//!
//! A webhook that the rules refuse may be damaged instead: a changed byte can make a valid event
//! type unknown. So an invalid webhook is only noted at first, and reported once the checksum of
//! its tenant has been verified. Otherwise
//! [`read_snapshot_skipping`](Registry::read_snapshot_skipping) would skip a damaged webhook as an
//! outdated one.
//!
//! # Invariants
//!
//! - The lock `replacing` is held from beginning to end. The policy is therefore the same in both
//!   phases, and installing does not check the webhooks again and refuse one.
//! - Memory is bounded by the webhooks and, for each thread, a chunk: at most 64 KiB and one line,
//!   which has at most [`LONGEST`](super::snapshot::LONGEST) bytes.
//! - A tenant is installed only if its revision is above that of the loaded one, so an old snapshot
//!   never undoes newer changes.
//! - The thread whose chunk is next never waits, and a thread that panics ends the restore. So no
//!   thread waits forever.
//!
//! # Rejected
//!
//! - *Threads of the crate*: their number, and what else runs on them, is the caller's decision.
//! - *Chunks that the caller takes, checks and gives back*, through a channel of its own: that is
//!   30 lines in each caller, and chunks in the wrong order would be one more error.

mod building;
mod lines;

use super::rules::Policy;
use super::sync::{Condvar, Mutex, PoisonError};
use super::{ChangeError, Loaded, Registry, SnapshotError, SnapshotErrorKind};
use building::{Building, Built};
use lines::{Chunk, Reader};
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

/// A snapshot that is about to be read; created by [`Registry::restore`].
#[must_use = "nothing is read before `read` or `read_on`"]
pub struct Restore<'r, R> {
    registry: &'r Registry,
    input: R,
    skips: bool,
}

impl Registry {
    /// Loads the tenants of a snapshot, or none if the snapshot has an error.
    ///
    /// Reads up to the snapshot's last line, not to the end of the stream. A tenant that is already
    /// loaded is replaced if the snapshot has it at a higher revision, and ignored otherwise.
    /// Limits are not checked.
    ///
    /// A snapshot is readable if all its webhooks satisfy this registry's rules. If the rules have
    /// changed since it was written, [`read_snapshot_skipping`](Self::read_snapshot_skipping) loads
    /// all webhooks except those that the new rules refuse.
    ///
    /// # Cost
    ///
    /// Linear in the webhooks, which are read, checked and indexed. Takes memory for them, their
    /// index, and 64 KiB or one line. To check the webhooks on several threads, use
    /// [`restore`](Self::restore).
    ///
    /// [`replace_rules`](Self::replace_rules), [`replace_limits`](Self::replace_limits) and other
    /// reads of snapshots wait until the call returns. `input` must not call them, since it is read
    /// under their lock: it would wait for itself forever.
    ///
    /// # Errors
    ///
    /// A [`SnapshotError`] with the line. A damaged line of a tenant is reported before a webhook
    /// of the same tenant that the registry refuses. On an error nothing is loaded.
    pub fn read_snapshot(&self, input: impl BufRead) -> Result<Loaded, SnapshotError> {
        self.restore(input).read()
    }

    /// Loads a snapshot without the webhooks that the registry's rules refuse, and reports those.
    ///
    /// Use it when a server starts with changed rules, for example without an event type that some
    /// webhooks have: only these webhooks are skipped. A damaged snapshot is still an error.
    ///
    /// ```
    /// use hooksieve::registry::{Registry, SnapshotErrorKind};
    /// use hooksieve::webhook::{Catalogue, NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let old = Rules::default();
    /// let registry = Registry::new(&old);
    /// let document = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
    ///     "eventTypes": ["com.qlik.v1.app.created"]}"#)?;
    /// let webhook = Webhook::create(&document, &old, NewWebhook::new("w1", "u1", now))?.webhook;
    /// registry.load("t1", [webhook])?;
    /// let mut snapshot = Vec::new();
    /// registry.write_snapshot(&mut snapshot)?;
    ///
    /// let catalogue = Catalogue::read(br#"{"data": [{"name": "com.example.order.paid"}]}"#)?;
    /// let registry = Registry::new(&Rules::new(old.profile().clone(), catalogue));
    /// let error = registry.read_snapshot(&*snapshot).unwrap_err();
    /// assert_eq!(error.kind(), SnapshotErrorKind::Invalid);
    /// let loaded = registry.read_snapshot_skipping(&*snapshot)?;
    /// assert_eq!((loaded.tenants, loaded.webhooks), (1, 0));
    /// let skipped = &loaded.skipped[0];
    /// assert_eq!(skipped.tenant.as_str(), "t1");
    /// assert_eq!(skipped.diagnostic.code(), "snapshot-invalid-webhook");
    /// assert_eq!(skipped.diagnostic.line(), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`read_snapshot`](Self::read_snapshot), except for refused webhooks. On an error
    /// nothing is loaded.
    pub fn read_snapshot_skipping(&self, input: impl BufRead) -> Result<Loaded, SnapshotError> {
        self.restore(input).skipping().read()
    }

    /// Prepares to read a snapshot, for example on several threads.
    ///
    /// [`read_snapshot`](Self::read_snapshot) and
    /// [`read_snapshot_skipping`](Self::read_snapshot_skipping) are its short forms.
    pub fn restore<R: BufRead>(&self, input: R) -> Restore<'_, R> {
        Restore { registry: self, input, skips: false }
    }
}

impl<R: BufRead> Restore<'_, R> {
    /// Skips the webhooks that the registry's rules refuse, and reports them.
    ///
    /// See [`Registry::read_snapshot_skipping`].
    pub fn skipping(self) -> Self {
        Self { skips: true, ..self }
    }

    /// Reads the snapshot on this thread.
    ///
    /// # Errors
    ///
    /// As [`Registry::read_snapshot`].
    pub fn read(self) -> Result<Loaded, SnapshotError> {
        self.run(|pipeline| pipeline.work())
    }

    /// Reads the snapshot on threads of the caller.
    ///
    /// `threads` gets a function and calls it on as many threads as there are cores. A call returns
    /// when no chunk is left for it. The result is the same as on one thread.
    ///
    /// `threads` and the input run under a lock. They must not replace rules or limits or read
    /// another snapshot of this registry: they would wait for themselves forever.
    ///
    /// ```
    /// # use hooksieve::registry::Registry;
    /// # use hooksieve::webhook::Rules;
    /// use std::thread;
    ///
    /// # let registry = Registry::new(&Rules::default());
    /// # let mut snapshot = Vec::new();
    /// # registry.write_snapshot(&mut snapshot)?;
    /// let loaded = registry.restore(&*snapshot).read_on(|work| {
    ///     thread::scope(|scope| {
    ///         for _ in 0..thread::available_parallelism().map_or(1, |cores| cores.get()) {
    ///             scope.spawn(work);
    ///         }
    ///     });
    /// })?;
    /// assert_eq!(loaded.tenants, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Cost
    ///
    /// Checking a webhook is 80 % of the work and is done on all threads; finding the lines and
    /// indexing is done on one thread at a time. Takes memory for 64 KiB or one line on each
    /// thread.
    ///
    /// # Errors
    ///
    /// As [`Registry::read_snapshot`].
    pub fn read_on(self, threads: impl FnOnce(&(dyn Fn() + Sync))) -> Result<Loaded, SnapshotError>
    where
        R: Send,
    {
        self.run(|pipeline| {
            threads(&|| pipeline.work());
            // If the caller called it, there is nothing left to do.
            pipeline.work();
        })
    }

    fn run(self, work: impl FnOnce(&Pipeline<'_, R>)) -> Result<Loaded, SnapshotError> {
        let registry = self.registry;
        // Fixes the policy, so that no webhook is refused once the first tenant is installed.
        let _replacing = registry.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = registry.0.policy.load_full();
        let pipeline = Pipeline {
            policy: &policy,
            reader: Mutex::new(Reader::new(self.input)),
            building: Mutex::new(Building::new(registry, &policy, self.skips)),
            added: Condvar::new(),
        };
        work(&pipeline);
        let building = pipeline.building.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Built { states, skipped, lines } = building.outcome()?;
        let error = |error: ChangeError| {
            SnapshotError::new(SnapshotErrorKind::Invalid, lines, error.to_string())
        };
        // The snapshot is whole and valid: from here on it is loaded.
        let mut loaded = Loaded { skipped, ..Loaded::default() };
        for (tenant, state) in states {
            let (revision, webhooks) = (state.revision, state.matcher.len());
            let change = registry.0.install(tenant, state, Arc::clone(&policy), Some(revision));
            match change.map_err(error)?.applied {
                true => {
                    loaded.tenants += 1;
                    loaded.webhooks += webhooks;
                }
                false => loaded.ignored += 1,
            }
        }
        Ok(loaded)
    }
}

impl<R> fmt::Debug for Restore<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, skips, .. } = self;
        f.debug_struct("Restore")
            .field("registry", registry)
            .field("skips", skips)
            .finish_non_exhaustive()
    }
}

/// The first phase: see the [module](self).
struct Pipeline<'r, R> {
    policy: &'r Policy,
    reader: Mutex<Reader<R>>,
    building: Mutex<Building<'r>>,
    /// Notified when a chunk was added.
    added: Condvar,
}

impl<R: BufRead> Pipeline<'_, R> {
    /// Takes chunks through the three steps until there are no more.
    fn work(&self) {
        // Nothing is read after an error, even if the caller calls this again.
        if self.building.lock().unwrap_or_else(PoisonError::into_inner).is_over() {
            return;
        }
        let mut chunk = Chunk::default();
        // Poisoned if the input panicked. What it returns after that could be anything.
        while self.reader.lock().is_ok_and(|mut reader| reader.fill(&mut chunk)) {
            let mut turn = Turn { pipeline: self, is_over: true };
            let items = building::check(self.policy, &mut chunk);
            let mut building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
            while building.chunks != chunk.number && !building.is_over() {
                building = self.added.wait(building).unwrap_or_else(PoisonError::into_inner);
            }
            if !building.is_over() {
                building.add(items);
            }
            turn.is_over = building.is_over();
            drop(building);
            if turn.is_over {
                return;
            }
        }
    }
}

/// The turn of a chunk. When it ends, the thread that has the next chunk may go on.
///
/// If it ends by a panic, or with the outcome, all threads may.
struct Turn<'p, 'r, R> {
    pipeline: &'p Pipeline<'r, R>,
    is_over: bool,
}

impl<R> Drop for Turn<'_, '_, R> {
    fn drop(&mut self) {
        if self.is_over {
            let building = self.pipeline.building.lock();
            building.unwrap_or_else(PoisonError::into_inner).stop();
        }
        self.pipeline.added.notify_all();
    }
}
