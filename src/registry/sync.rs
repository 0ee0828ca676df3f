//! All that threads meet at in the registry. For `interleavings` it is a model checker's, which
//! decides at each place who goes on; a spin is none, since nobody else runs meanwhile.

#[cfg(not(all(test, shuttle)))]
pub(super) use {
    arc_swap::{ArcSwap, Guard},
    std::sync::{Mutex, MutexGuard, PoisonError},
    std::thread::yield_now,
};

#[cfg(all(test, shuttle))]
pub(super) use {
    model::{ArcSwap, Guard},
    shuttle::sync::{Mutex, MutexGuard, PoisonError},
    shuttle::thread::yield_now,
};

/// What `arc_swap` promises, and no more: reads and exchanges of one place come one after the
/// other, and whoever has read a value has it counted by the time it has been exchanged.
#[cfg(all(test, shuttle))]
mod model {
    use super::Mutex;
    use std::sync::{Arc, PoisonError};

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
