//! Random programs of operations, and their results over a store.

use super::all;
use crate::server::store::contract::{
    Answer, Attempt, DeliveryRow, DeliveryRows, Store, StoreError, TenantRows, WebhookChange,
    WebhookRow,
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use hooksieve::delivery::{DeliveryId, ListQuery, Status};
use hooksieve::event::{EventType, TenantId};
use hooksieve::webhook::{Timestamp, WebhookId};
use serde_json::json;
use std::collections::BTreeMap;
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
const TENANTS: &[&str] = &["t1", "T1", "t\0\u{fc}", "%"];
const WEBHOOKS: &[&str] = &["w1", "w2", "W2", "w\0", "\u{1f980}"];
const TYPES: &[&str] = &["a", "com.qlik.v1.app.created", "com.qlik.v1.app.deleted", "\u{e9}\0"];
/// The maximum number of deliveries of a webhook: as many as fit on one page.
const DELIVERIES: u64 = 90;

/// One operation on a store.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Tenants,
    Load(TenantId),
    /// Concurrent writes, in this order.
    Write(TenantId, Vec<Write>),
    /// The changes after a revision relative to the tenant's.
    Changes(TenantId, i64),
    Deliveries(TenantId, WebhookId, String, Timestamp),
    Delivery(TenantId, WebhookId, DeliveryId, Timestamp),
    /// Closes the store and opens it again.
    Reopen,
}

/// A write to a tenant, or to all.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// A change at a revision relative to the tenant's before the first write.
    Commit(i64, WebhookChange),
    Record(Vec<DeliveryRow>),
    Expire(Timestamp, usize),
    Erase,
    Ping,
}

/// The result of an operation, which can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Tenants(Vec<TenantId>),
    Rows(TenantRows),
    /// Revisions and counts.
    Written(Vec<Result<u64, StoreError>>),
    Changes(Option<Vec<(u64, WebhookChange)>>),
    Page(DeliveryRows),
    Delivery(Option<DeliveryRow>),
    Reopened,
}

impl Write {
    /// Returns a random write; `at` is the number of commits before it.
    fn random(random: &mut Random, at: i64) -> Self {
        match random.below(100) {
            0..45 => {
                let wrong = random.below(8) == 0;
                let at = if wrong { random.below(5) as i64 - 2 } else { at };
                Self::Commit(at, change(random))
            }
            45..85 => {
                let count = if random.below(3) == 0 { random.below(40) } else { 1 };
                Self::Record((0..count).map(|_| delivery(random)).collect())
            }
            85..93 => Self::Expire(time(random), random.below(30) as usize),
            93 if random.below(2) == 0 => Self::Erase,
            _ => Self::Ping,
        }
    }

    /// Starts the write, and returns its result as a number.
    fn begin<'a>(
        &self,
        store: &'a dyn Store,
        tenant: &'a TenantId,
        current: u64,
    ) -> Answer<'a, u64> {
        match self {
            Self::Commit(at, change) => {
                store.commit(tenant, current.saturating_add_signed(*at), change.clone())
            }
            Self::Record(rows) => number(store.record(tenant, rows.clone()), |()| 0),
            Self::Expire(before, max) => {
                number(store.expire(*before, *before, *max), |count| count as u64)
            }
            Self::Erase => number(store.erase(tenant), |()| 0),
            Self::Ping => number(store.ping(), |()| 0),
        }
    }
}

fn number<'a, T: 'a>(answer: Answer<'a, T>, number: fn(T) -> u64) -> Answer<'a, u64> {
    Box::pin(async move { answer.await.map(number) })
}

impl Operation {
    /// Returns a random operation, in proportions that fill a store and keep it small.
    pub(super) fn random(random: &mut Random) -> Self {
        // Mostly one tenant, so that its webhooks get a long history.
        let others = random.below(3) == 0;
        let tenant: TenantId = if others { random.one(TENANTS) } else { TENANTS[0] }.into();
        let webhook: WebhookId = random.one(WEBHOOKS).into();
        match random.below(100) {
            0..3 => Self::Tenants,
            3..12 => Self::Load(tenant),
            12..58 => {
                let count = if random.below(3) == 0 { 1 + random.below(6) } else { 1 };
                let mut commits = 0;
                let writes = (0..count).map(|_| {
                    let write = Write::random(random, commits);
                    commits += i64::from(matches!(write, Write::Commit(at, _) if at == commits));
                    write
                });
                Self::Write(tenant, writes.collect())
            }
            58..66 => Self::Changes(tenant, 3 - random.below(12) as i64),
            66..92 => Self::Deliveries(tenant, webhook, query(random), time(random)),
            92..98 => Self::Delivery(tenant, webhook, delivery_id(random), time(random)),
            _ => Self::Reopen,
        }
    }

    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Write(..))
    }

    /// Returns the operations that an interrupted one may have been: any prefix of its writes.
    pub(super) fn interrupted(&self) -> Vec<Self> {
        match self {
            Self::Write(tenant, writes) => (1..=writes.len())
                .map(|count| Self::Write(tenant.clone(), writes[..count].to_vec()))
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// Returns the operations that one with failed writes may have been: any part of its writes.
    pub(super) fn partial(&self) -> Vec<Self> {
        match self {
            Self::Write(tenant, writes) => (0..1_u32 << writes.len())
                .map(|mask| {
                    let kept = (0..).zip(writes).filter(|(bit, _)| mask & (1 << bit) != 0);
                    Self::Write(tenant.clone(), kept.map(|(_, write)| write.clone()).collect())
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// Runs the operation. A conflict is a result, and any other error is an error of the store.
    pub(super) async fn run(&self, store: &dyn Store) -> Result<Outcome, StoreError> {
        Ok(match self {
            Self::Tenants => Outcome::Tenants(store.tenants().await?),
            Self::Load(tenant) => Outcome::Rows(store.load(tenant).await?),
            Self::Write(tenant, writes) => {
                let current = store.load(tenant).await?.revision;
                let begun = writes.iter().map(|write| write.begin(store, tenant, current));
                let results = all(begun.collect()).await;
                for result in &results {
                    match result {
                        Ok(_) | Err(StoreError::Conflict { .. }) => {}
                        Err(error) => return Err(error.clone()),
                    }
                }
                Outcome::Written(results)
            }
            Self::Changes(tenant, at) => {
                let current = store.load(tenant).await?.revision;
                let after = current.saturating_add_signed(*at);
                Outcome::Changes(store.changes(tenant, after).await?)
            }
            Self::Deliveries(tenant, webhook, query, since) => {
                let query = ListQuery::read(query).unwrap();
                Outcome::Page(store.deliveries(tenant, webhook, &query, *since).await?)
            }
            Self::Delivery(tenant, webhook, id, since) => {
                Outcome::Delivery(store.delivery(tenant, webhook, id, *since).await?)
            }
            Self::Reopen => Outcome::Reopened,
        })
    }
}

/// The complete content of a store.
pub(super) type Everything = BTreeMap<TenantId, (TenantRows, Vec<Outcome>)>;

pub(super) async fn everything(store: &dyn Store) -> Result<Everything, StoreError> {
    let mut everything = Everything::new();
    for tenant in store.tenants().await? {
        let rows = store.load(&tenant).await?;
        let mut outcomes = Vec::new();
        for after in 0..=rows.revision {
            outcomes.push(Outcome::Changes(store.changes(&tenant, after).await?));
        }
        let query = ListQuery::read("limit=100").unwrap();
        for webhook in &rows.webhooks {
            let since = UNIX_EPOCH.into();
            let page = store.deliveries(&tenant, &webhook.id, &query, since).await?;
            assert!(!page.before && !page.after, "all deliveries fit on one page");
            outcomes.push(Outcome::Page(page));
        }
        everything.insert(tenant, (rows, outcomes));
    }
    Ok(everything)
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
        attempt: Attempt::default(),
    };
    with_body(row, &text(random))
}

fn delivery_id(random: &mut Random) -> DeliveryId {
    format!("d{}", random.below(DELIVERIES)).into()
}

/// Returns one of few times, so that many are equal and some differ only in nanoseconds.
fn time(random: &mut Random) -> Timestamp {
    let seconds = Duration::from_secs(1_700_000_000 + random.below(6));
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
