//! The statistics of a tenant: its revision, its webhooks, and the bytes it takes.

use super::Registry;
use crate::event::TenantId;
use std::fmt;

/// Statistics of a loaded tenant; returned by [`Registry::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantStats {
    /// The tenant's revision.
    pub revision: u64,
    /// The number of webhooks.
    pub webhooks: usize,
    /// The bytes of the index.
    pub index_bytes: usize,
    /// The bytes of the tables that find webhooks by id and by slot.
    pub places_bytes: usize,
    /// The bytes of the second copy of the index and the tables.
    ///
    /// 0 if the tenant has not been changed since it was loaded or indexed again, while a change is
    /// [prepared](Registry::reserve), and after a prepared change was dropped.
    pub spare_bytes: usize,
}

impl Registry {
    /// Returns statistics of a tenant, or `None` if it is not loaded.
    ///
    /// Waits for a change of the tenant that is in progress, so do not call it from the closure of
    /// [`update`](Self::update). The bytes of webhooks themselves are not included. Takes time
    /// linear in the tenant's values and event types, half of it while the tenant is locked.
    #[must_use]
    pub fn stats(&self, tenant: &TenantId) -> Option<TenantStats> {
        let found = self.0.find(tenant.as_str())?;
        // First, since it waits for the tenant's lock, and a guard should not be kept while
        // waiting.
        let spare_bytes = found.spare_bytes();
        let state = found.current.load();
        let (index_bytes, places_bytes) = state.bytes();
        let (revision, webhooks) = (state.revision, state.matcher.len());
        Some(TenantStats { revision, webhooks, index_bytes, places_bytes, spare_bytes })
    }
}

/// Shows the number of tenants and of all their webhooks.
impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut tenants, mut webhooks) = (0, 0);
        for shard in &self.0.shards {
            for tenant in shard.tenants.load().iter() {
                tenants += 1;
                webhooks += tenant.current.load().matcher.len();
            }
        }
        write!(f, "Registry {{ tenants: {tenants}, webhooks: {webhooks} }}")
    }
}
