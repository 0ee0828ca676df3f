//! The proof: every event reaches exactly the webhooks that match it, while webhooks change.

use crate::events::{self, Random, TENANTS};
use crate::net::HttpClient;
use crate::receiver::{Arrival, Notes};
use crate::reference::{Reference, set_by_users};
use crate::traffic::{EVENTS_PER_CHANGE, Traffic, Until};
use crate::{HOOKS, Stage, stage};
use hooksieve::webhook::MAX_PER_USER;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Several tasks send events of several tenants, while other tasks change the webhooks: 1,200
/// events, or more by the variable `HOOKSIEVE_PROOF_EVENTS`, and one change for every four events.
#[tokio::test(flavor = "multi_thread")]
async fn delivers_each_event_to_exactly_its_matches_at_its_revision() {
    let events = std::env::var("HOOKSIEVE_PROOF_EVENTS").map_or(0, |text| text.parse().unwrap());
    let events = events.max(1_200);
    let Stage { server, api, intake, notes } = stage(Notes::default()).await;
    let until = Until { events, changes: events / EVENTS_PER_CHANGE };
    let traffic = Arc::new(Traffic::new(api.clone(), intake, until));
    for (seed, tenant) in TENANTS.into_iter().enumerate() {
        let mut random = Random(seed as u64);
        for _ in 0..MAX_PER_USER {
            traffic.collect(tenant, &mut random).await;
        }
        for _ in 0..20 {
            traffic.create(tenant, &mut random).await;
        }
    }
    traffic.begin();
    let before = traffic.done.log.lock().unwrap().len();
    let mut tasks = tokio::task::JoinSet::new();
    for (seed, tenant) in TENANTS.into_iter().cycle().take(3 * TENANTS.len()).enumerate() {
        let traffic = Arc::clone(&traffic);
        tasks.spawn(async move { traffic.make_changes(tenant, 1_000 + seed as u64).await });
    }
    for _ in 0..8 {
        let traffic = Arc::clone(&traffic);
        tasks.spawn(async move { traffic.send_events().await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    server.drained().await;

    assert_eq!(*notes.faults.lock().unwrap(), [] as [String; 0]);
    let counts = verify(&api, &traffic, &notes).await;
    let changes = counts.changes - before;
    let refused = std::mem::take(&mut *traffic.done.refused.lock().unwrap());
    println!("{counts:#?}, including {before} changes before the events; refused: {refused:?}");
    assert!(counts.events as u64 >= events && changes as u64 >= until.changes);
    assert!(counts.deliveries >= 3_000);
    assert!(counts.revisions >= 50, "webhooks change between events");
    assert!(counts.signed >= 500 && counts.converted >= 500 && counts.of_users >= 100);
    assert!(refused.contains_key("registry-too-many") && refused.contains_key("not-found"));
}

#[derive(Debug, Default)]
struct Counts {
    events: usize,
    changes: usize,
    deliveries: usize,
    /// The revisions at which events were matched.
    revisions: usize,
    signed: usize,
    converted: usize,
    /// The deliveries to webhooks of level `user`.
    of_users: usize,
}

impl Counts {
    fn add(&mut self, arrival: &Arrival) {
        self.deliveries += 1;
        self.signed += usize::from(arrival.url.contains("/signed"));
        self.converted += usize::from(arrival.form != events::event(arrival.number).form);
        self.of_users += usize::from(arrival.of_user);
    }
}

/// Compares what arrived with the reference.
async fn verify(api: &HttpClient, traffic: &Traffic, notes: &Notes) -> Counts {
    let (mut log, mut sent) = (Vec::new(), Vec::new());
    log.append(&mut traffic.done.log.lock().unwrap());
    sent.append(&mut traffic.done.sent.lock().unwrap());
    log.sort_by_key(|change| change.revision);
    sent.sort_by_key(|event| event.revision);
    let deleted = std::mem::take(&mut *traffic.done.deleted.lock().unwrap());
    let mut arrived: HashMap<u64, Vec<Arrival>> = HashMap::new();
    for arrival in notes.arrivals.lock().unwrap().drain(..) {
        arrived.entry(arrival.number).or_default().push(arrival);
    }
    let mut counts = Counts { events: sent.len(), changes: log.len(), ..Counts::default() };
    for tenant in TENANTS {
        let mut reference = Reference::new(tenant);
        let mut changes = log.iter().filter(|change| change.tenant == tenant).peekable();
        let mut last = None;
        for event in sent.iter().filter(|event| event.tenant == tenant) {
            while let Some(change) = changes.next_if(|change| change.revision <= event.revision) {
                reference.apply(change);
            }
            assert_eq!(
                reference.revision(),
                event.revision,
                "the change of each revision was acknowledged"
            );
            counts.revisions += usize::from(last.replace(event.revision) != Some(event.revision));

            let mut expected = reference.arrivals(event.number);
            let mut found = arrived.remove(&event.number).unwrap_or_default();
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "deliveries of {event:?}");
            assert_eq!(found.len() as u64, event.requests, "requests of {event:?}");
            for arrival in &found {
                let deleted = deleted.get(arrival.name());
                assert!(
                    deleted.is_none_or(|deleted| event.at < *deleted),
                    "deleted before: {arrival:?}"
                );
                counts.add(arrival);
            }
        }
        changes.for_each(|change| reference.apply(change));
        let path = format!("{HOOKS}?limit=50");
        let shown = api.all(&format!("{tenant}/ops/admin"), &path).await;
        let id = |webhook: &Value| webhook["id"].as_str().unwrap().to_owned();
        let listed = shown.len();
        let shown: BTreeMap<_, _> = shown.iter().map(|one| (id(one), set_by_users(one))).collect();
        assert_eq!((listed, &shown), (shown.len(), &reference.shown()), "the webhooks in the end");
    }
    assert!(arrived.is_empty(), "deliveries of events that were not sent: {arrived:?}");
    counts
}
