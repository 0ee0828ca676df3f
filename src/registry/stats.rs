//! What a registry holds: revisions, counts, bytes.

use super::Registry;
use crate::event::TenantId;
use std::fmt;

/// What the registry holds of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantStats {
    /// The revision.
    pub revision: u64,
    /// Webhooks.
    pub webhooks: usize,
    /// Bytes of the index.
    pub index_bytes: usize,
    /// Bytes of what finds webhooks by id and by slot.
    pub places_bytes: usize,
    /// Bytes of the second copy of both, which a tenant has once it has been changed.
    pub spare_bytes: usize,
}

impl Registry {
    /// What it holds of a tenant; `None` where it is not loaded.
    #[must_use]
    pub fn stats(&self, tenant: &TenantId) -> Option<TenantStats> {
        let found = self.0.find(tenant.as_str())?;
        let spare_bytes = found.spare_bytes();
        let state = found.current.load();
        let (index_bytes, places_bytes) = state.bytes();
        let (revision, webhooks) = (state.revision, state.matcher.len());
        Some(TenantStats { revision, webhooks, index_bytes, places_bytes, spare_bytes })
    }
}

/// How many tenants there are, and what they hold together.
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
