//! Claims messages that are due.
//!
//! ```text
//! endpoint_by_due    w7 09:00 │ w2 09:01 │ w5 09:01 │ w9 10:30        now is 09:02, room for 3
//!                       │          │          └─ excepted
//!                       │          └─▶ message_waiting of w2: 09:01 ──────────▶ claimed
//!                       └─▶ message_waiting of w7: 09:00, 09:00, 09:02, … ────▶ two are claimed
//! ```
//!
//! The work is proportional to the messages that are claimed and the endpoints that are passed: those
//! that are excepted, and parked ones whose probe is in flight. Both have requests in flight, so
//! there are few.

use super::endpoint;
use super::error::Broken;
use super::write::{Write, count, execute, nanoseconds, time, timestamp};
use crate::server::store::contract::outbox::{Claimed, EventId, Message, Room};
use bytes::Bytes;
use hooksieve::delivery::MessageId;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};

/// Claims messages.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) now: Timestamp,
    pub(super) room: Room,
}

/// An endpoint from which messages may be claimed.
struct Candidate {
    key: i64,
    tenant: TenantId,
    webhook: WebhookId,
    due: i64,
    is_parked: bool,
}

impl Write for Claim {
    type Output = Claimed;

    fn weight(&self) -> usize {
        self.room.messages.saturating_mul(256)
    }

    fn run(&self, connection: &Connection) -> Result<Claimed, Broken> {
        let room = &self.room;
        let now = nanoseconds(self.now);
        let mut messages = Vec::new();
        // Each candidate has a message that is due.
        for candidate in candidates(connection, room, now, room.messages)? {
            let left = room.messages.saturating_sub(messages.len());
            // A parked endpoint is probed with one message.
            let most = if candidate.is_parked { 1 } else { left };
            let max = most.min(left).min(room.of_webhook);
            messages.extend(take(connection, &candidate, now, max)?);
        }
        let next = candidates(connection, room, i64::MAX, 1)?;
        let next = next.first().map(|next| time(next.due));
        Ok(Claimed { messages, next })
    }
}

/// Returns at most `max` endpoints outside of the exceptions that are due until a time, in the order
/// in which they are due.
fn candidates(
    connection: &Connection,
    room: &Room,
    until: i64,
    max: usize,
) -> rusqlite::Result<Vec<Candidate>> {
    let sql = "SELECT e.webhook, e.due, e.parked_until IS NOT NULL, t.name, w.id \
        FROM endpoint e INDEXED BY endpoint_by_due CROSS JOIN webhook w ON w.key = e.webhook \
        CROSS JOIN tenant t ON t.key = w.tenant WHERE e.due <= ?1 ORDER BY e.due, e.webhook";
    let sql_claimed =
        "SELECT 1 FROM message INDEXED BY message_claimed WHERE webhook = ?1 AND claimed = 1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut claimed = connection.prepare_cached(sql_claimed)?;
    let mut rows = statement.query([until])?;
    let mut found = Vec::new();
    while found.len() < max {
        let Some(row) = rows.next()? else { break };
        let (key, is_parked) = (row.get(0)?, row.get(2)?);
        let (name, id): (String, String) = (row.get(3)?, row.get(4)?);
        let of = (TenantId::from(name), WebhookId::from(id));
        // The probe of a parked endpoint is in flight.
        let is_probed = is_parked && claimed.exists([key])?;
        if is_probed || room.except.contains(&of) || room.except_tenants.contains(&of.0) {
            continue;
        }
        let (tenant, webhook) = of;
        found.push(Candidate { key, tenant, webhook, due: row.get(1)?, is_parked });
    }
    Ok(found)
}

/// Claims at most `max` messages of an endpoint that are due.
fn take(
    connection: &Connection,
    of: &Candidate,
    now: i64,
    max: usize,
) -> rusqlite::Result<Vec<Message>> {
    let sql = "SELECT m.seq, m.id, m.attempts, e.id, e.received_at, e.body \
        FROM message m INDEXED BY message_waiting CROSS JOIN event e ON e.seq = m.event \
        WHERE m.webhook = ?1 AND m.outcome IS NULL AND m.claimed = 0 AND m.at <= ?2 \
        ORDER BY m.at, m.seq LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let message = Message {
            tenant: of.tenant.clone(),
            webhook: of.webhook.clone(),
            id: message_id(row, 1)?,
            event: EventId(row.get(3)?),
            body: Bytes::from(row.get::<_, Vec<u8>>(5)?),
            attempts: row.get(2)?,
            received_at: timestamp(row, 4)?,
        };
        Ok((row.get(0)?, message))
    };
    let found = statement.query_map((of.key, now, count(max)), read)?;
    let found = found.collect::<Result<Vec<(i64, Message)>, _>>()?;
    for (seq, _) in &found {
        execute(connection, "UPDATE message SET claimed = 1 WHERE seq = ?1", [seq])?;
    }
    endpoint::refresh(connection, of.key)?;
    Ok(found.into_iter().map(|(_, message)| message).collect())
}

/// Reads the id of a message in a column.
pub(super) fn message_id(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageId> {
    let text = row.get_ref(column)?.as_str()?;
    MessageId::new(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.to_string().into())
    })
}

/// Forgets all claims: the process that made them has ended.
pub(super) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    // Of a removed webhook, nothing is claimed again.
    let sql = "UPDATE message SET claimed = 0, \
        outcome = CASE WHEN EXISTS (SELECT 1 FROM webhook WHERE key = message.webhook) \
            THEN NULL ELSE 2 END \
        WHERE claimed = 1 RETURNING webhook, event, outcome IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let all = statement.query_map([], read)?.collect::<Result<Vec<(i64, i64, bool)>, _>>()?;
    for &(webhook, event, waits) in &all {
        match waits {
            true => {
                // The endpoint may have no row yet.
                let sql = "INSERT INTO endpoint (webhook, failures) VALUES (?1, 0) \
                    ON CONFLICT (webhook) DO NOTHING";
                execute(connection, sql, [webhook])?;
                endpoint::refresh(connection, webhook)?;
            }
            false => {
                let sql = "UPDATE event SET holds = holds - 1 WHERE seq = ?1";
                execute(connection, sql, [event])?;
            }
        }
    }
    Ok(())
}
