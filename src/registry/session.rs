//! Sessions, which match events on one thread, and the recipients that a match returns.

use super::state::State;
use super::sync::Guard;
use super::{NotLoaded, Registry};
use crate::event::{Event, ShapeCache};
use crate::matcher::{Access, Scratch};
use crate::webhook::Webhook;
use std::fmt;
use std::sync::Arc;

/// Matches events on one thread; created by [`Registry::session`].
///
/// It holds the memory that matches reuse. A clone has its own memory, and uses the same registry.
#[derive(Clone)]
pub struct Session {
    pub(super) registry: Registry,
    pub(super) scratch: Scratch,
    /// The shapes of the events that [`deliveries`](Self::deliveries) read.
    pub(super) shapes: ShapeCache,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session {{ registry: {:?} }}", self.registry)
    }
}

impl Session {
    /// Returns the webhooks of the event's tenant that match it.
    ///
    /// Never waits for a change, and allocates nothing once the session's buffers have grown.
    /// Unless the tenant changes, it writes no memory that other threads read, so threads do not
    /// slow each other down. Costs one look-up of the tenant and one
    /// [match](crate::matcher::Matcher::matches).
    ///
    /// # Errors
    ///
    /// The event's tenant is not loaded, so its webhooks are unknown. That is different from a
    /// tenant without webhooks, which has no recipients.
    pub fn matches(
        &mut self,
        event: &Event<'_>,
        access: Access<'_>,
    ) -> Result<Recipients<'_>, NotLoaded> {
        recipients(&self.registry, &mut self.scratch, event, access)
    }
}

/// Matches an event. A function of its own, so that a caller may keep other parts of a session
/// borrowed.
#[inline]
pub(super) fn recipients<'r>(
    registry: &Registry,
    scratch: &'r mut Scratch,
    event: &Event<'_>,
    access: Access<'_>,
) -> Result<Recipients<'r>, NotLoaded> {
    let state = registry.0.state(event.tenant()).ok_or(NotLoaded)?;
    // The guard pins one state: the hits below are slot indices of exactly this matcher.
    state.matcher.matches(event, access, scratch);
    Ok(Recipients { state, hits: scratch.indices() })
}

/// The webhooks that match an event, at one revision of its tenant.
///
/// # Cost of keeping it
///
/// It keeps one copy of the tenant's index in memory. The second change after the match would reuse
/// this copy; if it is still kept, that change clones the index instead. Take what you need and
/// drop it.
///
/// A thread with several sessions can keep seven results at once for free. While it keeps seven,
/// each further match of the thread changes a reference count that all threads of the tenant share.
pub struct Recipients<'r> {
    state: Guard<Arc<State>>,
    /// Slot indices of `state`, ascending.
    hits: &'r [u32],
}

impl fmt::Debug for Recipients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (revision, webhooks) = (self.revision(), self.len());
        write!(f, "Recipients {{ revision: {revision}, webhooks: {webhooks} }}")
    }
}

impl Recipients<'_> {
    /// Returns the tenant's revision that the event was matched at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    /// Returns the number of webhooks that match the event.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// Returns whether no webhook matches the event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// Returns the webhooks that match the event, in the order of their slots in the index.
    ///
    /// The slots are in the order in which the webhooks were put, except that a new webhook may
    /// take the slot of one that was removed or replaced.
    pub fn webhooks(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.hits.iter().map(|index| self.state.at(*index))
    }

    /// Returns the recipient at a position, counted from 0; `None` after the last one.
    pub(super) fn get(&self, at: usize) -> Option<&Arc<Webhook>> {
        self.hits.get(at).map(|index| self.state.at(*index))
    }
}
