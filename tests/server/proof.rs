//! The proof: every event reaches exactly the webhooks that want it, while they change.

use crate::events::{self, Random, TENANTS};
use crate::net::Asker;
use crate::receiver::{Arrival, Notes};
use crate::reference::{Reference, compared};
use crate::traffic::{EVENTS_PER_CHANGE, Traffic, Until};
use crate::{HOOKS, Stage, stage};
use hooksieve::webhook::MAX_PER_USER;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The events of several tenants from several tasks, while others change the webhooks: 1,200 events,
/// or as many as `HOOKSIEVE_PROOF_EVENTS` says, and a change for each four.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_reaches_exactly_the_webhooks_that_want_it_at_its_revision() {
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
    println!("{counts:#?}, of which {before} changes came first; refused: {refused:?}");
    assert!(counts.events as u64 >= events && changes as u64 >= until.changes);
    assert!(counts.deliveries >= 3_000);
    assert!(counts.revisions >= 50, "changes while events flow");
    assert!(counts.signed >= 500 && counts.converted >= 500 && counts.of_users >= 100);
    assert!(refused.contains_key("registry-too-many") && refused.contains_key("not-found"));
}

#[derive(Debug, Default)]
struct Counts {
    events: usize,
    changes: usize,
    deliveries: usize,
    /// At which events were matched.
    revisions: usize,
    signed: usize,
    converted: usize,
    /// To webhooks of level `user`.
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

/// Compares what arrived with what the reference says.
async fn verify(api: &Asker, traffic: &Traffic, notes: &Notes) -> Counts {
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
            assert_eq!(reference.revision(), event.revision, "a revision without its change");
            counts.revisions += usize::from(last.replace(event.revision) != Some(event.revision));

            let mut wanted = reference.arrivals(event.number);
            let mut found = arrived.remove(&event.number).unwrap_or_default();
            wanted.sort();
            found.sort();
            assert_eq!(found, wanted, "of {event:?}");
            assert_eq!(found.len() as u64, event.requests, "of {event:?}");
            for arrival in &found {
                let gone = deleted.get(arrival.name());
                assert!(gone.is_none_or(|gone| event.at < *gone), "{arrival:?} of {event:?}");
                counts.add(arrival);
            }
        }
        changes.for_each(|change| reference.apply(change));
        let path = format!("{HOOKS}?limit=50");
        let shown = api.all(&format!("{tenant}/ops/admin"), &path).await;
        let id = |webhook: &Value| webhook["id"].as_str().unwrap().to_owned();
        let listed = shown.len();
        let shown: BTreeMap<_, _> = shown.iter().map(|one| (id(one), compared(one))).collect();
        assert_eq!((listed, &shown), (shown.len(), &reference.shown()), "what is there in the end");
    }
    assert!(arrived.is_empty(), "of events that nobody sent: {arrived:?}");
    counts
}
