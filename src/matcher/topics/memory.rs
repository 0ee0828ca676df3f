//! The memory of the topics, and how spare memory is given back.

use super::{Bucket, SubscriptionGroup, Topic, Topics};
use crate::event::EventType;
use crate::matcher::Audience;
use smallvec::SmallVec;

/// Returns the bytes that a list has allocated.
fn spilled<T, const N: usize>(list: &SmallVec<[T; N]>) -> usize {
    if list.spilled() { list.capacity() * size_of::<T>() } else { 0 }
}

impl Topics {
    /// Gives back spare memory.
    pub(in crate::matcher) fn shrink(&mut self) {
        self.topics.shrink();
        self.buckets.shrink();
        self.groups.shrink();
        self.tenants.shrink();
        self.by_name.shrink();
        self.by_contents.shrink();
        self.by_tenant.shrink_to_fit();
        self.topics.iter_mut().for_each(|topic| topic.owner_buckets.shrink_to_fit());
        self.buckets.iter_mut().for_each(|bucket| bucket.defaults.shrink_to_fit());
    }

    /// Returns the allocated bytes, without the overhead of an allocator.
    pub(in crate::matcher) fn bytes(&self) -> usize {
        // An entry is the value or the index of the next free entry, and a tag: two words for `()`.
        const TENANT: usize = size_of::<[usize; 2]>();
        let text = |text: &str| text.len();
        let topics = self.topics.iter().map(|topic| {
            let owners = topic.owner_buckets.keys();
            let owners = owners.map(|owner| text(owner.as_str())).sum::<usize>();
            text(topic.tenant.as_str())
                + text(topic.event_type.as_str())
                + owners
                + topic.owner_buckets.allocation_size()
                + spilled(&topic.attributes.0)
        });
        let buckets = self.buckets.iter().map(|bucket| {
            bucket.defaults.bytes() + bucket.owner.as_ref().map_or(0, |owner| text(owner.as_str()))
        });
        let groups = self.groups.iter().map(|group| {
            let owner = match &group.audience {
                Audience::Tenant => 0,
                Audience::Owner(owner) => text(owner.as_str()),
            };
            let types =
                group.event_types.iter().map(|name| size_of::<EventType>() + text(name.as_str()));
            text(group.tenant.as_str()) + owner + types.sum::<usize>() + spilled(&group.buckets)
        });
        let tenants = self.by_tenant.keys().map(|tenant| text(tenant.as_str()));
        self.topics.capacity() * size_of::<Topic>()
            + self.buckets.capacity() * size_of::<Bucket>()
            + self.groups.capacity() * size_of::<SubscriptionGroup>()
            + self.tenants.capacity() * TENANT
            + self.by_name.bytes()
            + self.by_contents.bytes()
            + self.by_tenant.allocation_size()
            + topics.chain(buckets).chain(groups).chain(tenants).sum::<usize>()
    }
}
