//! Lanes, which keep the requests of one tenant from delaying those of another.
//!
//! All requests share the threads that read bodies, and the writer of the store, which serves them
//! in the order of their arrival. So a tenant may have only so much there at once. What is more
//! waits in the lane of the tenant, and what does not fit into the lane is refused.
//!
//! ```text
//! tenant a ▶▶▶▶▶▶▶▶▶▶▶▶│▶▶▶│
//! tenant b             │▶  │──▶ reading, matching, the store's writer
//! tenant c            ▶│▶▶▶│
//!          waiting      inside
//!          └─ MAX_LANE ────┘    more: 503
//! ```
//!
//! The weight of a request is its bytes, since they decide how long it occupies the writer. A lane
//! exists only while it has a request, so the names of tenants in events take no memory.

use hooksieve::event::TenantId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes of a unit of weight. A request has at least one, which a small event is.
const UNIT: usize = 1 << 10;

/// The maximum weight of a tenant's requests that are inside: 4 MiB.
const MAX_INSIDE: u32 = 4 << 10;

/// The maximum weight of a tenant's requests that are inside or waiting: 16 MiB.
const MAX_LANE: u32 = 16 << 10;

/// The lanes of all tenants. Clones share state.
#[derive(Clone, Default)]
pub(super) struct Lanes(Arc<Mutex<HashMap<TenantId, Lane>>>);

struct Lane {
    /// The units of weight that may go inside.
    free: Arc<Semaphore>,
    /// The weight of what is inside or waiting.
    weight: u32,
}

/// A request in a lane. When it is dropped, another one may go inside.
pub(super) struct Entered {
    // Dropped before the place in the lane, so that a lane without requests has all its permits.
    _inside: OwnedSemaphorePermit,
    _place: Place,
}

/// The weight of a request in its lane, until it is dropped.
struct Place {
    lanes: Lanes,
    tenant: TenantId,
    weight: u32,
}

/// A tenant's lane is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Lanes {
    /// Waits until a request with a number of bytes may go inside.
    ///
    /// # Errors
    ///
    /// Returns an error if the request does not fit into the lane. An empty lane takes any request.
    pub(super) async fn enter(&self, tenant: &TenantId, bytes: usize) -> Result<Entered, Full> {
        // At most the size of the lane's inside, so that the request can enter it.
        let weight = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).saturating_add(1);
        let weight = weight.min(MAX_INSIDE);
        let (free, place) = {
            let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let lane = lanes.entry(tenant.clone()).or_insert_with(|| Lane {
                free: Arc::new(Semaphore::new(MAX_INSIDE as usize)),
                weight: 0,
            });
            if lane.weight + weight > MAX_LANE {
                return Err(Full);
            }
            lane.weight += weight;
            let place = Place { lanes: self.clone(), tenant: tenant.clone(), weight };
            (Arc::clone(&lane.free), place)
        };
        // The semaphore is fair, and never closed.
        let inside = free.acquire_many_owned(weight).await.map_err(|_| Full)?;
        Ok(Entered { _inside: inside, _place: place })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lanes = self.lanes.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&self.tenant) else { return };
        lane.weight -= self.weight;
        if lane.weight == 0 {
            lanes.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Lanes, MAX_INSIDE, MAX_LANE, UNIT};
    use hooksieve::event::TenantId;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn admits_one_tenant_while_another_waits() {
        let lanes = Lanes::default();
        let (a, b) = (TenantId::from("a"), TenantId::from("b"));
        let all = MAX_INSIDE as usize * UNIT - 1;
        let Poll::Ready(Ok(first)) = poll(pin!(lanes.enter(&a, all))) else { panic!("waits") };
        let mut second = pin!(lanes.enter(&a, 10));
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(pin!(lanes.enter(&b, all))).is_ready());
        drop(first);
        assert!(poll(second.as_mut()).is_ready());
    }

    #[test]
    fn refuses_what_does_not_fit_and_forgets_empty_lanes() {
        let lanes = Lanes::default();
        let a = TenantId::from("a");
        // Larger than a lane, but the lane is empty.
        let Poll::Ready(Ok(large)) = poll(pin!(lanes.enter(&a, usize::MAX))) else {
            panic!("waits")
        };
        let units = (MAX_LANE - MAX_INSIDE) as usize;
        let mut waiting: Vec<_> = (0..units).map(|_| Box::pin(lanes.enter(&a, 0))).collect();
        assert!(waiting.iter_mut().all(|enter| poll(enter.as_mut()).is_pending()));
        assert!(matches!(poll(pin!(lanes.enter(&a, 0))), Poll::Ready(Err(Full))));
        // A request that ends while it waits gives its place back.
        drop(waiting.pop());
        assert!(poll(pin!(lanes.enter(&a, 0))).is_pending());
        drop(waiting);
        drop(large);
        assert!(lanes.0.lock().unwrap().is_empty());
    }
}
