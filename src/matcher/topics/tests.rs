use super::{Audience, EventType, Subscription, TenantId, Topics};
use crate::filter::{Filter, Profile};
use std::collections::HashSet;

fn subscription(tenant: &str, owner: Option<usize>) -> Subscription {
    let filter = Filter::everything(&Profile::webhook());
    let audience = match owner {
        Some(owner) => Audience::Owner(format!("u{owner}").into()),
        None => Audience::Tenant,
    };
    Subscription::new(tenant, ["x"], filter).with_audience(audience)
}

#[test]
fn distinguishes_topics_and_groups_by_hash() {
    let topics = Topics::default();
    let (mut names, mut groups) = (HashSet::new(), HashSet::new());
    for n in 0..100u32 {
        let (tenant, event_type) = (format!("t{}", n / 10), format!("x{}", n % 10));
        names.insert(topics.name_hash(&tenant, &event_type));
        let (tenant, types) = (TenantId::from(tenant), [EventType::from(event_type)]);
        for audience in [Audience::Tenant, Audience::Owner("u".into())] {
            groups.insert(topics.contents_hash(&tenant, &types, &audience));
        }
    }
    // Allows one collision each; random hashes have more in one run of 200,000.
    assert!(names.len() >= 99 && groups.len() >= 199, "{} {}", names.len(), groups.len());
}

/// As if another tenant or event type had the hash.
#[test]
fn finds_a_topic_by_its_name_not_its_hash() {
    let mut topics = Topics::default();
    topics.acquire(&subscription("t1", None));
    let at = topics.find("t1", "x").unwrap();
    for (tenant, event_type) in [("t2", "x"), ("t1", "y")] {
        let hash = topics.name_hash(tenant, event_type);
        topics.by_name.insert(hash, at);
        assert_eq!(topics.find(tenant, event_type), None);
        assert_eq!(topics.find_from(at, tenant, event_type), None);
    }
}

/// Some accesses walk the whole table, so it shrinks with its owners; but it is rarely reallocated.
#[test]
fn shrinks_the_table_of_owners() {
    for all in [None, Some(0)] {
        let mut topics = Topics::default();
        topics.acquire(&subscription("t", all));
        let at = topics.find("t", "x").unwrap();
        let size = |topics: &Topics| topics.topic(at).owner_buckets.allocation_size();
        for count in [10, if cfg!(miri) { 60 } else { 1000 }] {
            let acquire = |topics: &mut Topics, n| topics.acquire(&subscription("t", Some(n)));
            let groups: Vec<_> = (1..=count).map(|n| acquire(&mut topics, n)).collect();
            let (mut reallocations, mut last) = (0, size(&topics));
            for group in groups {
                topics.release(group);
                let len = topics.topic(at).owner_buckets.len();
                // Room for twice as many at a load of 7/8, and as much again before it shrinks.
                let limit = 6 * (size_of::<(crate::event::UserId, u32)>() + 1);
                assert!(size(&topics) <= limit * len.max(4), "{len}: {}", size(&topics));
                if len > 8 {
                    // Some owners come and go.
                    let groups: Vec<_> = (2000..2004).map(|n| acquire(&mut topics, n)).collect();
                    reallocations += usize::from(size(&topics) != last);
                    last = size(&topics);
                    groups.into_iter().for_each(|group| topics.release(group));
                }
                reallocations += usize::from(size(&topics) != last);
                last = size(&topics);
            }
            assert!(reallocations < 15, "{reallocations}");
        }
    }
}
