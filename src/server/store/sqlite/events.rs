//! Reads events, and pages of them, without reading the others.
//!
//! For each combination of filters there is an index whose rows are the events of the list, in its
//! order: `event_by_time` and `event_by_type`, and the same for events that no webhook wanted. A page
//! of `n` reads `n + 1` rows of one index from its place, and one row in the other direction. The
//! additional rows show whether there are events on either side.
//!
//! Events are in the order of the time of receipt and then of their numbers, which break ties.

use super::claim::message_id;
use super::write::{count, integer, nanoseconds, number, tenant, timestamp};
use crate::server::store::contract::outbox::{
    EventId, EventQuery, EventRow, EventRows, MAX_MESSAGES, MessageRow, Outcome,
};
use bytes::Bytes;
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeSet;

/// The start of a scan.
#[derive(Clone, Copy)]
struct Begin {
    received_at: i64,
    seq: i64,
    /// Whether an event at exactly this place is included.
    inclusive: bool,
}

/// A scan of one index.
#[derive(Clone, Copy)]
struct Scan<'a> {
    connection: &'a Connection,
    tenant: i64,
    query: &'a EventQuery,
    /// Events are received after the first time and before the second one.
    between: (i64, i64),
    /// Whether newer events come first.
    descending: bool,
    from: Option<Begin>,
    limit: usize,
}

/// Returns a page of the events that were received after `since`.
pub(super) fn page(
    connection: &Connection,
    name: &TenantId,
    query: &EventQuery,
    since: Timestamp,
) -> rusqlite::Result<EventRows> {
    let Some((tenant, _)) = tenant(connection, name)? else { return Ok(EventRows::default()) };
    // At a time or later is after the nanosecond before it.
    let from = query.from.map_or(i64::MIN, |from| nanoseconds(from).saturating_sub(1));
    let to = query.to.map_or(i64::MAX, nanoseconds);
    let backwards = query.place.is_some_and(|place| place.backwards);
    let begin = query.place.map(|place| Begin {
        received_at: nanoseconds(place.received_at),
        seq: integer(place.number),
        inclusive: false,
    });
    let scan = Scan {
        connection,
        tenant,
        query,
        between: (from.max(nanoseconds(since)), to),
        descending: !backwards,
        from: begin,
        limit: query.limit.saturating_add(1),
    };
    let mut found = scan.seqs()?;
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let others = match begin {
        // The first page has nothing before it.
        None => false,
        Some(begin) => {
            let from = Some(Begin { inclusive: true, ..begin });
            let other = Scan { descending: backwards, from, limit: 1, ..scan };
            !other.seqs()?.is_empty()
        }
    };
    // `more` is on the far side of the scan, `others` on the side of the place.
    let (before, after) = if backwards { (more, others) } else { (others, more) };
    if backwards {
        found.reverse();
    }
    let rows = found.iter().map(|seq| fetch(connection, *seq, query.webhooks.as_ref()));
    Ok(EventRows { rows: rows.collect::<Result<_, _>>()?, before, after })
}

impl Scan<'_> {
    fn seqs(&self) -> rusqlite::Result<Vec<i64>> {
        let mut found = Vec::new();
        let (after, before) = self.between;
        let (after, before) = match self.from {
            None => (after, before),
            Some(Begin { received_at: at, seq, inclusive }) => {
                let past = match (self.descending, inclusive) {
                    (true, false) => "seq < ?",
                    (true, true) => "seq <= ?",
                    (false, false) => "seq > ?",
                    (false, true) => "seq >= ?",
                };
                if after < at && at < before {
                    let condition = format!("received_at = ? AND {past}");
                    self.read(&condition, (at, seq), &mut found)?;
                }
                match self.descending {
                    true => (after, before.min(at)),
                    false => (after.max(at), before),
                }
            }
        };
        // The events at the time of the place may fill the page.
        if found.len() < self.limit {
            let condition = "received_at > ? AND received_at < ?";
            self.read(condition, (after, before), &mut found)?;
        }
        found.truncate(self.limit);
        Ok(found)
    }

    /// Adds the first events that satisfy a condition with two parameters.
    fn read(
        &self,
        condition: &str,
        (first, second): (i64, i64),
        found: &mut Vec<i64>,
    ) -> rusqlite::Result<()> {
        let (index, of) = match (self.query.unmatched, &self.query.event_type) {
            (false, None) => ("event_by_time", "tenant = ?"),
            (false, Some(_)) => ("event_by_type", "tenant = ? AND event_type = ?"),
            (true, None) => ("event_unmatched", "wanted = 0 AND tenant = ?"),
            (true, Some(_)) => {
                ("event_unmatched_by_type", "wanted = 0 AND tenant = ? AND event_type = ?")
            }
        };
        let order = if self.descending { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT seq FROM event INDEXED BY {index} WHERE {of} AND {condition} \
             ORDER BY received_at {order}, seq {order} LIMIT ?"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let (limit, name) = (count(self.limit), self.query.event_type.as_ref());
        let name = name.map(|name| name.as_str());
        let mut params: Vec<&dyn ToSql> = vec![&self.tenant];
        params.extend(name.as_ref().map(|name| name as &dyn ToSql));
        params.extend([&first as &dyn ToSql, &second, &limit]);
        for seq in statement.query_map(&*params, |row| row.get(0))? {
            found.push(seq?);
        }
        Ok(())
    }
}

/// The columns that [`event_row`] reads.
const COLUMNS: &str = "id, event_type, source, received_at, revision, wanted, seq";

fn fetch(
    connection: &Connection,
    seq: i64,
    webhooks: Option<&BTreeSet<WebhookId>>,
) -> rusqlite::Result<EventRow> {
    let sql = format!("SELECT {COLUMNS} FROM event WHERE seq = ?1");
    let mut row = connection.prepare_cached(&sql)?.query_row([seq], event_row)?;
    row.messages = messages(connection, seq, row.wanted, webhooks)?;
    Ok(row)
}

/// Reads an event without its messages.
fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        id: EventId(row.get(0)?),
        event_type: row.get::<_, String>(1)?.into(),
        source: row.get(2)?,
        received_at: timestamp(row, 3)?,
        revision: number(row, 4)?,
        wanted: number(row, 5)?,
        number: number(row, 6)?,
        messages: Vec::new(),
    })
}

/// Returns an event with its body.
pub(super) fn event(
    connection: &Connection,
    name: &TenantId,
    id: &EventId,
    webhooks: Option<&BTreeSet<WebhookId>>,
    since: Timestamp,
) -> rusqlite::Result<Option<(EventRow, Bytes)>> {
    let Some((tenant, _)) = tenant(connection, name)? else { return Ok(None) };
    let sql = format!(
        "SELECT {COLUMNS}, body FROM event WHERE tenant = ?1 AND id = ?2 AND received_at > ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let read =
        |row: &Row<'_>| Ok((row.get(6)?, event_row(row)?, Bytes::from(row.get::<_, Vec<u8>>(7)?)));
    let params = (tenant, &*id.0, nanoseconds(since));
    let Some((seq, mut row, body)) = statement.query_row(params, read).optional()? else {
        return Ok(None);
    };
    row.messages = messages(connection, seq, row.wanted, webhooks)?;
    Ok(Some((row, body)))
}

/// Returns the first messages of an event that were made for some webhooks. The work is limited by
/// the number of the messages, of the webhooks, and of [`MAX_MESSAGES`] if all are wanted.
fn messages(
    connection: &Connection,
    event: i64,
    wanted: u64,
    webhooks: Option<&BTreeSet<WebhookId>>,
) -> rusqlite::Result<Vec<MessageRow>> {
    // The messages of a removed webhook that wait have ended, although the sweep has not yet come to
    // them.
    let columns = "SELECT id, webhook_id, attempts, at, CASE WHEN outcome IS NULL AND claimed = 0 \
        AND EXISTS (SELECT 1 FROM removed WHERE removed.webhook = message.webhook) \
        THEN 2 ELSE outcome END FROM message INDEXED BY message_by_event WHERE event = ?1";
    let mut found = Vec::new();
    match webhooks {
        Some(ids) if (ids.len() as u64) < wanted => {
            let sql = format!("{columns} AND webhook_id = ?2 ORDER BY seq");
            let mut statement = connection.prepare_cached(&sql)?;
            for id in ids {
                for row in statement.query_map((event, id.as_str()), message_row)? {
                    found.push(row?);
                }
            }
        }
        _ => {
            let sql = format!("{columns} ORDER BY webhook_id, seq");
            let mut statement = connection.prepare_cached(&sql)?;
            for row in statement.query_map([event], message_row)? {
                let row = row?;
                if webhooks.is_none_or(|ids| ids.contains(&row.webhook)) {
                    found.push(row);
                }
                if found.len() == MAX_MESSAGES {
                    break;
                }
            }
        }
    }
    found.truncate(MAX_MESSAGES);
    Ok(found)
}

fn message_row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let outcome = match row.get(4)? {
        None => None,
        Some(0) => Some(Outcome::Delivered),
        Some(1) => Some(Outcome::Failed),
        Some(2) => Some(Outcome::Removed),
        Some(3) => Some(Outcome::Disabled),
        Some(4) => Some(Outcome::Unsendable),
        Some(other) => return Err(rusqlite::Error::IntegralValueOutOfRange(4, other)),
    };
    Ok(MessageRow {
        id: message_id(row, 0)?,
        webhook: row.get::<_, String>(1)?.into(),
        attempts: row.get(2)?,
        outcome,
        at: timestamp(row, 3)?,
    })
}
