use super::sync::Guard;
use super::tenant::State;
use super::{NotLoaded, Registry};
use crate::event::{Event, ShapeCache};
use crate::matcher::{Access, Scratch};
use crate::webhook::Webhook;
use std::fmt;
use std::sync::Arc;

/// Matches events in one thread; made by [`Registry::session`].
#[derive(Clone)]
pub struct Session {
    pub(super) registry: Registry,
    pub(super) scratch: Scratch,
    /// Of the events of [`deliveries`](Self::deliveries).
    pub(super) shapes: ShapeCache,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session {{ registry: {:?} }}", self.registry)
    }
}

impl Session {
    /// The webhooks of the event's tenant that want it.
    ///
    /// Never waits, allocates nothing once warm, and writes no memory that other threads read
    /// while nothing changes.
    ///
    /// # Errors
    ///
    /// A tenant that is not loaded: who wants the event is not known, which is not nobody.
    pub fn matches(
        &mut self,
        event: &Event<'_>,
        access: Access<'_>,
    ) -> Result<Recipients<'_>, NotLoaded> {
        recipients(&self.registry, &mut self.scratch, event, access)
    }
}

#[inline]
pub(super) fn recipients<'r>(
    registry: &Registry,
    scratch: &'r mut Scratch,
    event: &Event<'_>,
    access: Access<'_>,
) -> Result<Recipients<'r>, NotLoaded> {
    let state = registry.0.state(event.tenant()).ok_or(NotLoaded)?;
    state.matcher.matches(event, access, scratch);
    Ok(Recipients { state, hits: scratch.indices() })
}

/// Who wants an event, at one revision of its tenant.
///
/// It keeps that revision in memory: while one is held, the next changes of the tenant copy its
/// index. A thread holds eight at once for nothing; with more, of as many readers, each match
/// counts itself in memory that other threads count themselves in, too. Take what is needed and
/// let it go.
pub struct Recipients<'r> {
    state: Guard<Arc<State>>,
    hits: &'r [u32],
}

impl fmt::Debug for Recipients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (revision, webhooks) = (self.revision(), self.len());
        write!(f, "Recipients {{ revision: {revision}, webhooks: {webhooks} }}")
    }
}

impl Recipients<'_> {
    /// The tenant's revision that it was computed at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    /// How many webhooks want the event.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// Whether nobody wants the event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// The webhooks that want the event, in the order in which the tenant's were put, as far as
    /// places were not used again.
    pub fn webhooks(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.hits.iter().filter_map(|index| self.state.at(*index))
    }

    pub(super) fn get(&self, at: usize) -> Option<&Arc<Webhook>> {
        self.state.at(*self.hits.get(at)?)
    }
}
