//! Records attempts, and settles the messages that they were made for.
//!
//! The usual case is a message that is delivered by its first attempt. Then the hold of the message on
//! its event becomes that of the delivery, and nothing waits: no row of an event, and no `due`, is
//! written.

use super::error::Broken;
use super::write::{
    Write, execute, integer, nanoseconds, outcome_number, status_number, tenant, webhook,
};
use super::{document::Place, endpoint};
use crate::server::store::contract::outbox::{Endpoint, Next, Outcome, Settled, hour};
use crate::server::store::contract::{Attempt, Cause, DeliveryRow};
use hooksieve::delivery::{MessageId, Status};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::borrow::Cow;
use std::collections::HashMap;

/// Records deliveries that settle nothing.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) tenant: TenantId,
    pub(super) deliveries: Vec<DeliveryRow>,
}

impl Write for Record {
    type Output = ();

    fn weight(&self) -> usize {
        self.deliveries.iter().map(weight).sum()
    }

    fn run(&self, connection: &Connection) -> Result<(), Broken> {
        let mut keys = Keys::new(connection);
        let Some(tenant) = keys.tenant(&self.tenant)? else { return Ok(()) };
        for row in &self.deliveries {
            // The webhook may have been removed meanwhile.
            let Some(key) = keys.webhook(tenant, &row.webhook)? else { continue };
            let sent = match &row.attempt.message {
                Some(id) => find(connection, tenant, (&row.webhook, id), &row.document)?,
                None => None,
            };
            let sent = sent.filter(|sent| sent.webhook == key);
            if record(connection, key, row, sent)?.is_some() {
                hold(connection, sent, 1)?;
            }
        }
        Ok(())
    }
}

/// Settles claimed messages.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) settled: Vec<Settled>,
    pub(super) now: Timestamp,
}

impl Write for Settle {
    type Output = Vec<Endpoint>;

    fn weight(&self) -> usize {
        let attempts = self.settled.iter().filter_map(|settled| settled.attempt.as_ref());
        attempts.map(weight).sum::<usize>() + 256 * self.settled.len()
    }

    fn run(&self, connection: &Connection) -> Result<Vec<Endpoint>, Broken> {
        let mut keys = Keys::new(connection);
        let all = self.settled.iter().map(|settled| self.settle(connection, &mut keys, settled));
        Ok(all.collect::<rusqlite::Result<_>>()?)
    }
}

fn weight(row: &DeliveryRow) -> usize {
    row.document.len() + 512
}

impl Settle {
    fn settle<'a>(
        &self,
        connection: &Connection,
        keys: &mut Keys<'a>,
        settled: &'a Settled,
    ) -> rusqlite::Result<Endpoint> {
        let Settled { tenant, webhook, id, attempt, .. } = settled;
        let Some(tenant) = keys.tenant(tenant)? else { return Ok(Endpoint::default()) };
        let document = attempt.as_ref().map_or(&[][..], |row| &row.document);
        let sent = find(connection, tenant, (webhook, id), document)?;
        // A new webhook with the id of a removed one did not make the attempt.
        let key = keys.webhook(tenant, webhook)?;
        let key = key.filter(|key| sent.is_none_or(|sent| sent.webhook == *key));
        let claimed = sent.filter(|sent| sent.is_claimed);
        let ended = match claimed {
            Some(claimed) => self.end(connection, claimed, settled, key)?,
            None => false,
        };
        let recorded = match (key, attempt) {
            (Some(key), Some(row)) => {
                let of = sent.filter(|_| row.attempt.message.as_ref() == Some(id));
                record(connection, key, row, of)?
            }
            _ => None,
        };
        // Mostly none: the delivery holds the event in place of the message.
        hold(connection, sent, i64::from(recorded.is_some()) - i64::from(ended))?;
        match (recorded, key) {
            (Some(endpoint), _) => Ok(endpoint),
            (None, Some(key)) => endpoint::read(connection, key),
            (None, None) => Ok(Endpoint::default()),
        }
    }

    /// Ends a claimed message or lets it wait, and returns whether it has ended.
    fn end(
        &self,
        connection: &Connection,
        sent: Sent,
        settled: &Settled,
        webhook: Option<i64>,
    ) -> rusqlite::Result<bool> {
        let (outcome, at) = match (settled.next, webhook) {
            (Next::End(outcome), _) => (Some(outcome), self.now),
            (Next::Wait(due), Some(_)) => (None, due),
            (Next::Wait(_), None) => (Some(Outcome::Removed), self.now),
        };
        let at = nanoseconds(at);
        let sql = "UPDATE message SET claimed = 0, attempts = attempts + ?2, outcome = ?3, at = ?4 \
            WHERE seq = ?1";
        let params = (sent.seq, settled.attempt.is_some(), outcome.map(outcome_number), at);
        execute(connection, sql, params)?;
        if let (None, Some(webhook)) = (outcome, webhook) {
            endpoint::wait(connection, webhook, at)?;
        }
        Ok(outcome.is_some())
    }
}

/// A message for which an attempt was made.
#[derive(Clone, Copy)]
struct Sent {
    seq: i64,
    event: i64,
    webhook: i64,
    is_claimed: bool,
    /// Where the body of the event is in the document of the attempt.
    body: Option<Place>,
}

/// Finds the message of a webhook, which may be removed, and the body of its event in a document.
fn find(
    connection: &Connection,
    tenant: i64,
    (webhook, id): (&WebhookId, &MessageId),
    document: &[u8],
) -> rusqlite::Result<Option<Sent>> {
    let sql = "SELECT m.seq, m.event, m.webhook, m.claimed, e.body \
        FROM message m INDEXED BY message_by_id CROSS JOIN event e ON e.seq = m.event \
        WHERE m.id = ?1 AND m.webhook_id = ?2 AND e.tenant = ?3 ORDER BY m.seq LIMIT 1";
    let read = |row: &Row<'_>| {
        Ok(Sent {
            seq: row.get(0)?,
            event: row.get(1)?,
            webhook: row.get(2)?,
            is_claimed: row.get(3)?,
            body: Place::find(document, row.get_ref(4)?.as_blob()?),
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row((id.as_str(), webhook.as_str(), tenant), read).optional()
}

/// Changes the number of holds on the event of a message.
fn hold(connection: &Connection, sent: Option<Sent>, change: i64) -> rusqlite::Result<()> {
    if let Some(sent) = sent.filter(|_| change != 0) {
        let sql = "UPDATE event SET holds = holds + ?2 WHERE seq = ?1";
        execute(connection, sql, (sent.event, change))?;
    }
    Ok(())
}

/// Adds a delivery of a message to the history of a webhook, and returns the endpoint afterwards;
/// `None` if the webhook has a delivery with the id.
fn record(
    connection: &Connection,
    webhook: i64,
    row: &DeliveryRow,
    sent: Option<Sent>,
) -> rusqlite::Result<Option<Endpoint>> {
    let sql = "INSERT INTO delivery (webhook, id, event_type, status, triggered_at, document, \
        message, number, duration, cause, parent, cut) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
        ON CONFLICT (webhook, id) DO NOTHING";
    let place = sent.and_then(|sent| sent.body);
    let document = place.map_or(Cow::Borrowed(&*row.document), |place| place.cut(&row.document));
    let Attempt { number, duration, cause, .. } = &row.attempt;
    let (cause, parent) = match cause {
        Cause::Event => (0, None),
        Cause::Resend(parent) => (1, Some(parent.as_str())),
        Cause::Test => (2, None),
    };
    let params = params![
        webhook,
        row.id.as_str(),
        row.event_type.as_str(),
        status_number(row.status),
        nanoseconds(row.triggered_at),
        document,
        sent.map(|sent| sent.seq),
        number,
        i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
        cause,
        parent,
        place.map(|place| place.at()),
    ];
    if execute(connection, sql, params)? == 0 {
        return Ok(None);
    }
    count_hour(connection, webhook, row)?;
    endpoint::note(connection, webhook, row.status, row.triggered_at).map(Some)
}

/// Counts an attempt in its hour.
fn count_hour(connection: &Connection, webhook: i64, row: &DeliveryRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO hour (webhook, hour, successes, failures) VALUES (?1, ?2, ?3, ?4) \
        ON CONFLICT (webhook, hour) DO UPDATE SET \
        successes = successes + excluded.successes, failures = failures + excluded.failures";
    let succeeded = row.status == Status::Success;
    let params = (webhook, integer(hour(row.triggered_at)), succeeded, !succeeded);
    execute(connection, sql, params)?;
    Ok(())
}

/// The keys of tenants and webhooks, each looked up once in a write: attempts in one write are
/// mostly made for few webhooks.
struct Keys<'a> {
    connection: &'a Connection,
    tenants: HashMap<&'a TenantId, Option<i64>>,
    webhooks: HashMap<(i64, &'a WebhookId), Option<i64>>,
}

impl<'a> Keys<'a> {
    fn new(connection: &'a Connection) -> Self {
        Self { connection, tenants: HashMap::new(), webhooks: HashMap::new() }
    }

    fn tenant(&mut self, name: &'a TenantId) -> rusqlite::Result<Option<i64>> {
        if let Some(key) = self.tenants.get(name) {
            return Ok(*key);
        }
        let key = tenant(self.connection, name)?.map(|(key, _)| key);
        self.tenants.insert(name, key);
        Ok(key)
    }

    fn webhook(&mut self, tenant: i64, id: &'a WebhookId) -> rusqlite::Result<Option<i64>> {
        if let Some(key) = self.webhooks.get(&(tenant, id)) {
            return Ok(*key);
        }
        let key = webhook(self.connection, tenant, id)?;
        self.webhooks.insert((tenant, id), key);
        Ok(key)
    }
}
