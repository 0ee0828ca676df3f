//! Deletes what has expired, and the rows of removed webhooks and erased tenants, in slices.
//!
//! Deliveries are deleted before the events whose bodies they need. An event counts what it is needed
//! for in `holds`, and the index `event_by_age` has only the events with none. So an expiry never
//! reads events that it must keep, however many have messages that wait.

use super::error::Broken;
use super::write::{Write, count, execute, nanoseconds};
use crate::server::store::contract::outbox::hour;
use hooksieve::webhook::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params};

/// Deletes up to `max` expired rows, and returns how many.
#[derive(Debug)]
pub(super) struct Expire {
    pub(super) before: Timestamp,
    pub(super) unique_before: Timestamp,
    pub(super) max: usize,
}

impl Write for Expire {
    type Output = usize;

    fn weight(&self) -> usize {
        // Removed rows are overwritten, which counts as writing.
        self.max.saturating_mul(1024)
    }

    fn run(&self, connection: &Connection) -> Result<usize, Broken> {
        let before = nanoseconds(self.before);
        let select = "SELECT seq FROM delivery INDEXED BY delivery_by_age \
            WHERE triggered_at < ?1 ORDER BY triggered_at, seq LIMIT ?2";
        let mut removed = deliveries(connection, select, (before, count(self.max)))?;
        let select = "SELECT seq FROM event INDEXED BY event_by_age \
            WHERE holds = 0 AND received_at < ?1 ORDER BY received_at, seq LIMIT ?2";
        removed += events(connection, select, before, self.max.saturating_sub(removed))?;
        let sql = "DELETE FROM hour WHERE (hour, webhook) IN ( \
            SELECT hour, webhook FROM hour INDEXED BY hour_by_age \
            WHERE hour < ?1 ORDER BY hour, webhook LIMIT ?2)";
        let left = self.max.saturating_sub(removed);
        removed += execute(connection, sql, (count_hours(self.before), count(left)))?;
        Ok(removed + self.keys(connection, self.max.saturating_sub(removed))?)
    }
}

fn count_hours(time: Timestamp) -> i64 {
    super::write::integer(hour(time))
}

impl Expire {
    /// Deletes keys in the order of their events, up to the first one that is kept: an index by time
    /// would cost each accepted event more than a key that is kept for longer.
    fn keys(&self, connection: &Connection, max: usize) -> rusqlite::Result<usize> {
        let unique_before = nanoseconds(self.unique_before);
        let sql = "SELECT event, received_at FROM event_key ORDER BY event LIMIT ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([count(max)])?;
        let (mut last, mut removed) = (None, 0);
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(1)? >= unique_before {
                break;
            }
            last = Some(row.get::<_, i64>(0)?);
            removed += 1;
        }
        drop(rows);
        if let Some(last) = last {
            execute(connection, "DELETE FROM event_key WHERE event <= ?1", [last])?;
        }
        Ok(removed)
    }
}

/// Deletes the deliveries that a statement selects, and returns how many.
fn deliveries(
    connection: &Connection,
    select: &str,
    params: impl Params,
) -> rusqlite::Result<usize> {
    let sql = format!("DELETE FROM delivery WHERE seq IN ({select}) RETURNING message");
    let mut statement = connection.prepare_cached(&sql)?;
    let messages = statement.query_map(params, |row| row.get(0))?;
    let messages = messages.collect::<Result<Vec<Option<i64>>, _>>()?;
    let sql = "UPDATE event SET holds = holds - 1 \
        WHERE seq = (SELECT event FROM message WHERE seq = ?1)";
    for message in messages.iter().flatten() {
        execute(connection, sql, [message])?;
    }
    Ok(messages.len())
}

/// Deletes events that a statement with a key and a limit selects, with their messages, until about
/// `max` rows are deleted, and returns how many are.
fn events(connection: &Connection, select: &str, key: i64, max: usize) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(select)?;
    let seqs = statement.query_map((key, count(max)), |row| row.get(0))?;
    let seqs = seqs.collect::<Result<Vec<i64>, _>>()?;
    let mut removed = 0;
    for seq in seqs {
        if removed >= max {
            break;
        }
        removed += execute(connection, "DELETE FROM message WHERE event = ?1", [seq])?;
        removed += execute(connection, "DELETE FROM event WHERE seq = ?1", [seq])?;
    }
    Ok(removed)
}

/// Deletes or ends about `max` rows of removed webhooks and erased tenants, and returns whether there
/// may be more.
pub(super) fn sweep(connection: &Connection, max: usize) -> rusqlite::Result<bool> {
    let first = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional();
    let mut left = max;
    while left > 0 {
        // Webhooks first: a delivery refers to its message, whose number may be used again.
        let done = match first("SELECT webhook FROM removed ORDER BY webhook LIMIT 1")? {
            Some(webhook) => sweep_webhook(connection, webhook, left)?,
            None => match first("SELECT tenant FROM erased ORDER BY tenant LIMIT 1")? {
                Some(tenant) => sweep_tenant(connection, tenant, left)?,
                None => return Ok(false),
            },
        };
        left = left.saturating_sub(done);
    }
    Ok(true)
}

fn sweep_webhook(connection: &Connection, webhook: i64, max: usize) -> rusqlite::Result<usize> {
    let select = "SELECT seq FROM delivery WHERE webhook = ?1 LIMIT ?2";
    let mut done = deliveries(connection, select, (webhook, count(max)))?;
    let sql = "UPDATE message SET outcome = 2 WHERE seq IN ( \
        SELECT seq FROM message INDEXED BY message_waiting \
        WHERE webhook = ?1 AND outcome IS NULL AND claimed = 0 LIMIT ?2) RETURNING event";
    let mut statement = connection.prepare_cached(sql)?;
    let params = (webhook, count(max.saturating_sub(done)));
    let events = statement.query_map(params, |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for event in &events {
        execute(connection, "UPDATE event SET holds = holds - 1 WHERE seq = ?1", [event])?;
    }
    done += events.len();
    let sql = "DELETE FROM hour WHERE webhook = ?1 AND hour IN \
        (SELECT hour FROM hour WHERE webhook = ?1 LIMIT ?2)";
    done += execute(connection, sql, (webhook, count(max.saturating_sub(done))))?;
    if done < max {
        done += execute(connection, "DELETE FROM removed WHERE webhook = ?1", [webhook])?;
    }
    Ok(done)
}

fn sweep_tenant(connection: &Connection, tenant: i64, max: usize) -> rusqlite::Result<usize> {
    let select = "SELECT seq FROM event WHERE tenant = ?1 LIMIT ?2";
    let mut done = events(connection, select, tenant, max)?;
    let sql = "DELETE FROM event_key WHERE event IN \
        (SELECT event FROM event_key WHERE tenant = ?1 LIMIT ?2)";
    done += execute(connection, sql, (tenant, count(max.saturating_sub(done))))?;
    if done < max {
        done += execute(connection, "DELETE FROM erased WHERE tenant = ?1", [tenant])?;
    }
    Ok(done)
}
