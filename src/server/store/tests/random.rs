//! Random operations.

use super::program::{Operation, Write};
use crate::server::store::contract::outbox::{
    AcceptTimes, EventId, EventPlace, EventQuery, NewEvent, NewMessage, Next, Outcome, Room,
    Settled,
};
use crate::server::store::contract::{Attempt, Cause, DeliveryRow, WebhookChange, WebhookRow};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use hooksieve::delivery::{DeliveryId, MessageId, Status};
use hooksieve::event::{EventType, TenantId};
use hooksieve::webhook::{Timestamp, WebhookId};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

/// Random numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below another one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

/// Ids that a backend could treat wrongly: by order, case, NUL, or other scripts.
pub(super) const TENANTS: &[&str] = &["t1", "T1", "t\0\u{fc}", "%"];
pub(super) const WEBHOOKS: &[&str] = &["w1", "w2", "W2", "w\0", "\u{1f980}"];
const TYPES: &[&str] = &["a", "com.qlik.v1.app.created", "com.qlik.v1.app.deleted", "\u{e9}\0"];
/// The ids that events have themselves.
const EVENTS: &[&str] = &["e1", "E1", "e\0", "%"];
/// The maximum number of deliveries of a webhook: as many as fit on one page.
const DELIVERIES: u64 = 90;

/// A random program from a seed: an endless sequence of operations, in proportions that fill a store
/// and keep it small.
#[derive(Clone, Debug)]
pub(super) struct Operations {
    random: Random,
    /// The seed, by which the ids of programs over the same store differ.
    seed: u64,
    /// The number of ids that were made.
    made: u64,
    /// The last messages that may have been accepted, with the bodies of their events.
    messages: Vec<(TenantId, WebhookId, MessageId, String)>,
}

impl Operations {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random(seed), seed, made: 0, messages: Vec::new() }
    }

    fn id(&mut self) -> String {
        self.made += 1;
        format!("{:x}-{}", self.seed, self.made)
    }

    fn message(&mut self) -> Option<(TenantId, WebhookId, MessageId, String)> {
        let count = self.messages.len() as u64;
        (count > 0).then(|| self.messages[self.random.below(count) as usize].clone())
    }

    /// Returns a random write; `at` is the number of commits before it.
    fn write(&mut self, tenant: &TenantId, at: i64) -> Write {
        let random = &mut self.random;
        let wrong = random.below(8) == 0;
        let at = if wrong { random.below(5) as i64 - 2 } else { at };
        match random.below(100) {
            0..25 => Write::Commit(at, change(random)),
            25..40 => {
                let count = if random.below(3) == 0 { random.below(40) } else { 1 };
                Write::Record((0..count).map(|_| self.recorded(tenant)).collect())
            }
            40..60 => self.accept(tenant, at),
            60..72 => Write::Claim(time(random), room(random)),
            72..88 => {
                let settled = (0..self.random.below(4)).filter_map(|_| self.settled());
                Write::Settle(settled.collect(), time(&mut self.random))
            }
            88..93 => Write::Park(random.one(WEBHOOKS).into(), time(random)),
            93..97 => {
                let (since, max) = (time(random), random.below(4) as usize);
                Write::Requeue(random.one(WEBHOOKS).into(), since, max, time(random))
            }
            97 if random.below(2) == 0 => Write::Erase,
            _ => Write::Ping,
        }
    }

    fn accept(&mut self, tenant: &TenantId, at: i64) -> Write {
        let count = self.random.below(4);
        let events = (0..count).map(|_| self.event(tenant)).collect();
        let mut others = Vec::new();
        if self.random.below(4) == 0 {
            let other: TenantId = self.random.one(TENANTS).into();
            if other != *tenant {
                let events = (0..self.random.below(3)).map(|_| self.event(&other)).collect();
                others.push((other, events));
            }
        }
        let random = &mut self.random;
        let times =
            AcceptTimes { now: time(random), lease: time(random), unique_since: time(random) };
        Write::Accept(at, events, others, times)
    }

    fn event(&mut self, tenant: &TenantId) -> NewEvent {
        let id = EventId(self.id().into());
        let random = &mut self.random;
        let text = "\u{e9}\"\\\n".repeat(random.below(30) as usize);
        let padding = if random.below(20) == 0 { 9_000 } else { random.below(20) };
        let body =
            format!(r#"{{"n":{},"text":"{text}{}"}}"#, random.next(), "x".repeat(padding as usize));
        let own_id = (random.below(2) == 0).then(|| EventId(random.one(EVENTS).into()));
        // Two keys that differ in their last bytes, and one that starts like a text.
        let mut key = [b'%'; 32];
        key[31] = random.below(3) as u8;
        let key = (random.below(2) == 0).then_some(key);
        let event_type = random.one(TYPES).into();
        let source = random.one(&["", "s", "S\0"]).into();
        let wanted: BTreeSet<&str> = (0..random.below(4)).map(|_| random.one(WEBHOOKS)).collect();
        let messages = wanted.into_iter().map(|webhook| {
            let id = MessageId::new(&self.id()).unwrap();
            let webhook = WebhookId::from(webhook);
            self.messages.push((tenant.clone(), webhook.clone(), id.clone(), body.clone()));
            NewMessage { id, webhook, claimed: self.random.below(3) > 0 }
        });
        let messages = messages.collect();
        let first = self.messages.len().saturating_sub(40);
        self.messages.drain(..first);
        NewEvent { id, own_id, key, event_type, source, body: body.into(), messages }
    }

    /// Returns a delivery for a tenant, sometimes of a message.
    fn recorded(&mut self, tenant: &TenantId) -> DeliveryRow {
        match self.message() {
            Some((of, webhook, id, body)) if of == *tenant && self.random.below(3) == 0 => {
                self.attempted(webhook, id, &body)
            }
            _ => delivery(&mut self.random),
        }
    }

    fn settled(&mut self) -> Option<Settled> {
        let (tenant, webhook, id, body) = self.message()?;
        let random = &mut self.random;
        let next = match random.below(2) {
            0 => Next::Wait(time(random)),
            _ => Next::End(random.one(&[
                Outcome::Delivered,
                Outcome::Failed,
                Outcome::Failed,
                Outcome::Removed,
                Outcome::Disabled,
                Outcome::Unsendable,
            ])),
        };
        let attempted = random.below(5) > 0;
        let attempt = attempted.then(|| self.attempted(webhook.clone(), id.clone(), &body));
        Some(Settled { tenant, webhook, id, next, attempt })
    }

    /// Returns an attempt to send a message, whose document mostly has the body of the event.
    fn attempted(&mut self, webhook: WebhookId, id: MessageId, body: &str) -> DeliveryRow {
        let random = &mut self.random;
        let row = delivery(random);
        let row = DeliveryRow { webhook, attempt: attempt(random, Some(id)), ..row };
        match random.below(4) {
            0 => with_body(row, &text(random)),
            _ => with_body(row, body),
        }
    }

    fn writes(&mut self, tenant: TenantId) -> Operation {
        let random = &mut self.random;
        if random.below(8) == 0 {
            let (before, unique_before) = (time(random), time(random));
            let max = random.one(&[1, 5, 20, 1_000]);
            return Operation::Write(tenant, vec![Write::Expire(before, unique_before, max)]);
        }
        let count = if random.below(3) == 0 { 1 + random.below(6) } else { 1 };
        let mut commits = 0;
        let writes = (0..count).map(|_| {
            let write = self.write(&tenant, commits);
            commits += i64::from(matches!(write, Write::Commit(at, _) if at == commits));
            write
        });
        let writes = writes.collect();
        Operation::Write(tenant, writes)
    }
}

impl Iterator for Operations {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        let random = &mut self.random;
        // Mostly one tenant, so that its webhooks get a long history.
        let others = random.below(3) == 0;
        let tenant: TenantId = if others { random.one(TENANTS) } else { TENANTS[0] }.into();
        let webhook: WebhookId = random.one(WEBHOOKS).into();
        Some(match random.below(100) {
            0..2 => Operation::Tenants,
            2..6 => Operation::Load(tenant),
            6..62 => self.writes(tenant),
            62..66 => Operation::Changes(tenant, 3 - random.below(12) as i64),
            66..78 => Operation::Deliveries(tenant, webhook, query(random), time(random)),
            78..81 => Operation::Delivery(tenant, webhook, delivery_id(random), time(random)),
            81..90 => Operation::Events(tenant, event_query(random), time(random)),
            90..92 => {
                let id = EventId(random.one(EVENTS).into());
                Operation::Event(tenant, id, some_webhooks(random), time(random))
            }
            92..95 => match self.message() {
                Some((tenant, webhook, id, _)) => {
                    let random = &mut self.random;
                    let some = time(random);
                    let since = random.one(&[UNIX_EPOCH.into(), some]);
                    Operation::Attempts(tenant, webhook, id, since)
                }
                None => Operation::Tenants,
            },
            95..98 => Operation::Facts(tenant, time(random)),
            _ => Operation::Reopen,
        })
    }
}

fn some_webhooks(random: &mut Random) -> Option<BTreeSet<WebhookId>> {
    let some = random.below(3) == 0;
    some.then(|| (0..random.below(4)).map(|_| random.one(WEBHOOKS).into()).collect())
}

fn room(random: &mut Random) -> Room {
    let tenants = |random: &mut Random| random.one(TENANTS).into();
    Room {
        messages: random.below(7) as usize,
        of_webhook: random.below(4) as usize,
        except_tenants: (0..random.below(2)).map(|_| tenants(random)).collect(),
        except: (0..random.below(3))
            .map(|_| (tenants(random), random.one(WEBHOOKS).into()))
            .collect(),
    }
}

fn event_query(random: &mut Random) -> EventQuery {
    let times = |random: &mut Random| (random.below(4) == 0).then(|| time(random));
    let place = |random: &mut Random| EventPlace {
        received_at: time(random),
        number: random.below(200),
        backwards: random.below(2) == 0,
    };
    EventQuery {
        limit: random.one(&[1, 2, 5, 20]),
        place: (random.below(2) == 0).then(|| place(random)),
        event_type: (random.below(3) == 0).then(|| random.one(TYPES).into()),
        from: times(random),
        to: times(random),
        unmatched: random.below(4) == 0,
        webhooks: some_webhooks(random),
    }
}

/// Returns a text, sometimes large enough for several pages of a file.
fn text(random: &mut Random) -> String {
    let length = match random.below(12) {
        0 => random.below(20_000),
        _ => random.below(200),
    };
    format!("{} {}", random.next(), "x".repeat(length as usize))
}

/// Returns the document of a webhook.
pub(super) fn webhook(id: &WebhookId, text: &str) -> Bytes {
    json!({"id": id, "text": text}).to_string().into()
}

/// Returns a delivery with the document of its other members, whose body is a text.
pub(super) fn with_body(row: DeliveryRow, text: &str) -> DeliveryRow {
    let document = json!({
        "id": row.id, "status": row.status, "webhookId": row.webhook, "eventType": row.event_type,
        "triggeredAt": row.triggered_at.to_string(),
        "request": {"url": "https://hooks.example.com/", "body": text, "headers": {}},
    });
    DeliveryRow { document: document.to_string().into(), ..row }
}

fn change(random: &mut Random) -> WebhookChange {
    let id: WebhookId = random.one(WEBHOOKS).into();
    match random.below(9) {
        0 => WebhookChange::Remove(id),
        _ => {
            let document = webhook(&id, &text(random));
            WebhookChange::Put(WebhookRow { id, document })
        }
    }
}

pub(super) fn delivery(random: &mut Random) -> DeliveryRow {
    let row = DeliveryRow {
        id: delivery_id(random),
        webhook: random.one(WEBHOOKS).into(),
        triggered_at: time(random),
        status: random.one(&Status::ALL),
        event_type: EventType::from(random.one(TYPES)),
        document: Bytes::new(),
        attempt: attempt(random, None),
    };
    with_body(row, &text(random))
}

/// Returns an attempt to send a message, or mostly one that no event is stored for.
fn attempt(random: &mut Random, message: Option<MessageId>) -> Attempt {
    let unknown = || MessageId::new("unknown").unwrap();
    let message = message.or_else(|| (random.below(4) == 0).then(unknown));
    Attempt {
        message,
        number: random.below(9) as u32,
        duration: Duration::from_millis(random.below(40_000)),
        cause: match random.below(3) {
            0 => Cause::Event,
            1 => Cause::Resend(delivery_id(random)),
            _ => Cause::Test,
        },
    }
}

fn delivery_id(random: &mut Random) -> DeliveryId {
    format!("d{}", random.below(DELIVERIES)).into()
}

/// Returns one of few times, so that many are equal and some differ only in nanoseconds.
fn time(random: &mut Random) -> Timestamp {
    // A few are in another hour.
    let hours = random.one(&[0, 0, 0, 3_600]);
    let seconds = Duration::from_secs(1_700_000_000 + random.below(6) + hours);
    (UNIX_EPOCH + seconds + Duration::from_nanos(random.below(3))).into()
}

fn query(random: &mut Random) -> String {
    let sort = random.one(&["status", "-status", "triggeredAt", "-triggeredAt"]);
    let mut query = format!("sort={sort}&limit={}", random.one(&[1, 2, 5, 20, 100]));
    if random.below(3) == 0 {
        query += &format!("&status={}", random.one(&Status::ALL));
    }
    if random.below(3) == 0 {
        let types = url::form_urlencoded::byte_serialize(random.one(TYPES).as_bytes());
        query += &format!("&eventType={}", types.collect::<String>());
    }
    if random.below(2) == 0 {
        let key = match sort.ends_with("status") {
            true => random.one(&Status::ALL).to_string(),
            // Some keys that no delivery can have.
            false if random.below(10) == 0 => "9999-12-31T23:59:59Z".to_owned(),
            false if random.below(10) == 0 => "1970-01-01T00:00:00Z".to_owned(),
            false => time(random).to_string(),
        };
        let end = random.one(&["", "\0"]);
        let place = json!([sort, key, format!("{}{end}", delivery_id(random))]);
        let cursor = BASE64URL_NOPAD.encode(place.to_string().as_bytes());
        query += &format!("&{}={cursor}", random.one(&["next", "prev"]));
    }
    query
}
