//! The synchronization primitives of the registry, real or those of a model checker.
//!
//! All that threads of a registry share goes through the names of this module. A normal build takes
//! them from `arc-swap` and the standard library. A test build with `--cfg shuttle` takes them from
//! the model checker [shuttle](https://docs.rs/shuttle), which decides at each of them which thread
//! runs next, and so runs a program in thousands of different orders; see `interleavings`.
//!
//! ```text
//!             normal build                 --cfg shuttle
//! ArcSwap     arc_swap::ArcSwap            model::ArcSwap, a shuttle Mutex around an Arc
//! Guard       arc_swap::Guard, uncounted   the Arc itself, counted
//! Mutex       std::sync::Mutex             shuttle::sync::Mutex
//! Condvar     std::sync::Condvar           shuttle::sync::Condvar
//! yield_now   std::thread::yield_now       shuttle::thread::yield_now
//! ```
//!
//! `std::hint::spin_loop` is not among them: under the model checker no other thread runs during a
//! spin, so it would decide nothing. Reference counts of `Arc` are not among them either, so an
//! order in which a count changes between two steps is not tried. `tenant` relies on counts only
//! after a swap, when they can only fall.
//!
//! Rejected: loom, which goes through all orders and therefore through shorter programs. shuttle is
//! a dependency of the tests only, so that the lock files of users do not list its 32 crates; hence
//! its programs are unit tests.

#[cfg(not(all(test, shuttle)))]
pub(super) use {
    arc_swap::{ArcSwap, Guard},
    std::sync::{Condvar, Mutex, MutexGuard, PoisonError},
    std::thread::yield_now,
};

#[cfg(all(test, shuttle))]
pub(super) use {
    model::{ArcSwap, Guard},
    shuttle::sync::{Condvar, Mutex, MutexGuard, PoisonError},
    shuttle::thread::yield_now,
};

/// The guarantees of `arc_swap`, and no others.
///
/// Loads and swaps of one pointer happen in one order. Once a swap has returned the old value,
/// every guard of it is counted. That is invariant 3 of `tenant`.
#[cfg(all(test, shuttle))]
mod model {
    use super::Mutex;
    use std::sync::{Arc, PoisonError};

    /// A loaded value is counted from the beginning, which is stronger than what `arc_swap` does,
    /// but makes no difference after the swap.
    pub(crate) type Guard<T> = T;

    #[derive(Default)]
    pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        pub(crate) fn load(&self) -> Guard<Arc<T>> {
            self.load_full()
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            drop(self.swap(value));
        }

        pub(crate) fn swap(&self, value: Arc<T>) -> Arc<T> {
            let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut place, value)
        }
    }
}
