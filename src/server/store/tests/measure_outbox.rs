//! Prints figures of events and messages on request: `STORE_MEASURE=1 cargo test --release --features
//! serve --bins -- measures_events --nocapture`.

use super::measure::time;
use super::random::Random;
use super::{Directory, all, variable};
use crate::server::store::contract::outbox::{
    AcceptTimes, EventId, EventQuery, NewEvent, NewMessage, Next, Outbox, Outcome, Room, Settled,
    TenantEvents,
};
use crate::server::store::contract::{Attempt, DeliveryRow, Store, WebhookChange, WebhookRow};
use crate::server::store::sqlite::{Settings, Sqlite};
use bytes::Bytes;
use hooksieve::delivery::{ListQuery, MessageId, Status};
use hooksieve::event::TenantId;
use hooksieve::webhook::Timestamp;
use std::time::{Duration, Instant, UNIX_EPOCH};

const WEBHOOKS: u64 = 100;
/// The number of concurrent calls.
const CALLS: u64 = 64;

/// What is written for each event.
struct Sample {
    store: Sqlite,
    random: Random,
    number: u64,
    body: Bytes,
    document: Bytes,
    runtime: tokio::runtime::Runtime,
}

fn at(number: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + number)).into()
}

fn id(number: u64, random: &mut Random) -> String {
    format!("{:08x}-{:04x}-7{:03x}-{:016x}", number >> 16, number & 0xffff, 0, random.next())
}

/// Returns the processor time of the process, in seconds.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split(' ');
    // The fields 14 and 15 of the line, in hundredths of a second.
    let ticks = fields.skip(12).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

impl Sample {
    fn new(place: &Directory) -> Self {
        let store = Sqlite::open(&Settings::new(place.path())).unwrap();
        let body = format!(
            r#"{{"specversion":"1.0","type":"com.qlik.v1.app.created","tenantid":"t","data":{{"text":"{}"}}}}"#,
            "x".repeat(900)
        );
        let document = serde_json::json!({
            "id": "0", "status": "success", "request": {
                "url": "https://hooks.example.com/path", "body": body,
                "headers": {"content-type": "application/json", "user-agent": "Qlik Webhook"},
            },
            "response": {"body": "ok", "headers": {"content-length": "2"}, "statusCode": 200},
            "eventType": "com.qlik.v1.app.created", "webhookId": "w1",
            "triggeredAt": "2026-01-01T00:00:00.000Z",
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let sample = Self {
            store,
            random: Random(1),
            number: 0,
            body: body.into(),
            document: document.to_string().into(),
            runtime,
        };
        for number in 0..WEBHOOKS {
            let row = WebhookRow { id: format!("w{number}").into(), document: "{}".into() };
            let change = WebhookChange::Put(row);
            sample.runtime.block_on(sample.store.commit(&"t".into(), number, change)).unwrap();
        }
        sample
    }

    /// Returns events with a message for a webhook, and the settlement of each.
    fn events(&mut self, count: u64, claimed: bool) -> (TenantEvents, AcceptTimes, Vec<Settled>) {
        let now = at(self.number);
        let tenant = TenantId::from("t");
        let mut settled = Vec::new();
        let events = (0..count).map(|_| {
            self.number += 1;
            let webhook = format!("w{}", if claimed { self.number % WEBHOOKS } else { 0 });
            let message = MessageId::new(&id(self.number, &mut self.random)).unwrap();
            let mut key = [0; 32];
            for part in key.chunks_mut(8) {
                part.copy_from_slice(&self.random.next().to_be_bytes());
            }
            let attempt = DeliveryRow {
                id: id(self.number, &mut self.random).into(),
                webhook: webhook.as_str().into(),
                triggered_at: now,
                status: Status::Success,
                event_type: "com.qlik.v1.app.created".into(),
                document: self.document.clone(),
                attempt: Attempt {
                    message: Some(message.clone()),
                    number: 1,
                    ..Attempt::default()
                },
            };
            settled.push(Settled {
                tenant: tenant.clone(),
                webhook: webhook.as_str().into(),
                id: message.clone(),
                next: Next::End(Outcome::Delivered),
                attempt: Some(attempt),
            });
            NewEvent {
                id: EventId(id(self.number, &mut self.random).into()),
                own_id: Some(EventId(id(self.random.next(), &mut self.random).into())),
                key: Some(key),
                event_type: "com.qlik.v1.app.created".into(),
                source: "https://example.com/source".into(),
                body: self.body.clone(),
                messages: vec![NewMessage { id: message, webhook: webhook.into(), claimed }],
            }
        });
        let events = events.collect();
        let times = AcceptTimes { now, lease: now, unique_since: UNIX_EPOCH.into() };
        (TenantEvents { tenant, revision: WEBHOOKS, events }, times, settled)
    }

    /// Accepts and settles this number of events in each call.
    fn deliver(&mut self, total: u64, per_call: u64) {
        let (start, before) = (Instant::now(), processor());
        let first = self.number;
        let mut made = Duration::ZERO;
        while self.number < first + total {
            let making = Instant::now();
            let calls: Vec<_> = (0..CALLS).map(|_| self.events(per_call, true)).collect();
            made += making.elapsed();
            let (mut accepts, mut settles) = (Vec::new(), Vec::new());
            for (events, times, settled) in calls {
                accepts.push(self.store.accept(vec![events], times));
                settles.push(self.store.settle(settled, times.now));
            }
            self.runtime.block_on(async {
                all(accepts).await.into_iter().for_each(|result| drop(result.unwrap()));
                all(settles).await.into_iter().for_each(|result| drop(result.unwrap()));
            });
        }
        let count = (self.number - first) as f64;
        let seconds = start.elapsed().as_secs_f64();
        let processor = 1e6 * (processor() - before - made.as_secs_f64()) / count;
        let rate = count / seconds;
        println!("{per_call} a call: {rate:.0} events/s, {processor:.1} us of the processor each");
    }
}

#[test]
fn measures_events() {
    if std::env::var_os("STORE_MEASURE").is_none() {
        return;
    }
    let place = Directory::new();
    let mut sample = Sample::new(&place);
    let total = variable("STORE_ROWS", 1_000_000) as u64;
    for per_call in [1, 8, 1, 8] {
        sample.deliver(total / 20, per_call);
    }
    sample.deliver(total * 4 / 5, 32);
    let size = std::fs::metadata(place.path().join("hooksieve.db")).unwrap().len();
    println!("{} bytes an event", size / sample.number);

    let (tenant, since) = (TenantId::from("t"), UNIX_EPOCH.into());
    let usual = EventQuery { limit: 20, ..EventQuery::default() };
    let middle = at(sample.number / 2);
    for query in [
        usual.clone(),
        EventQuery { to: Some(middle), ..usual.clone() },
        EventQuery { event_type: Some("com.qlik.v1.app.created".into()), ..usual.clone() },
        EventQuery { unmatched: true, ..usual },
    ] {
        let page = || {
            let page = sample.store.events(&tenant, &query, since);
            drop(sample.runtime.block_on(page).unwrap());
        };
        println!("page of events: {:?}", time(page));
    }
    let (list, webhook) = (ListQuery::read("").unwrap(), "w1".into());
    let page = || {
        let page = sample.store.deliveries(&tenant, &webhook, &list, since);
        assert_eq!(sample.runtime.block_on(page).unwrap().rows.len(), 20);
    };
    println!("page of deliveries: {:?}", time(page));

    // 100,000 messages wait for one webhook.
    for _ in 0..100 {
        let (events, times, _) = sample.events(1_000, false);
        sample.runtime.block_on(sample.store.accept(vec![events], times)).unwrap();
    }
    let now = at(sample.number);
    let claim = || {
        let room = Room { messages: 64, of_webhook: 4, ..Room::default() };
        let claimed = sample.runtime.block_on(sample.store.claim(now, now, room)).unwrap();
        assert_eq!(claimed.messages.len(), 4);
    };
    println!("claim with 100,000 waiting: {:?}", time(claim));
    let remove = WebhookChange::Remove("w0".into());
    sample.runtime.block_on(sample.store.commit(&tenant, WEBHOOKS, remove)).unwrap();
    let write = || sample.runtime.block_on(sample.store.ping()).unwrap();
    println!("commit while 100,000 are removed: {:?}", time(write));

    let before = at(sample.number / 10);
    let start = Instant::now();
    let expired = sample.runtime.block_on(sample.store.expire(before, before, 5_000)).unwrap();
    println!("expire {expired}: {:?}", start.elapsed());
}
