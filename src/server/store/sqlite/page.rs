//! Reads a page of a webhook's deliveries without reading the others.
//!
//! The history of a webhook is split into *runs*, one for each event type and status (see
//! [`schema`](super::schema)). Within a run, the rows of a page are adjacent. A page of `n` reads
//! `n + 1` rows of each run from the index, merges them, and fetches the first `n`; the additional
//! row shows whether there are more. One row in the other direction shows whether there are rows on
//! the other side of the place.
//!
//! ```text
//! created, fail       09:07  09:02  09:01                 ┐
//! created, success    09:08  09:06  09:05  09:03          ├─▶ 09:09  09:08  09:07  09:06
//! deleted, success    09:09  09:04                        ┘
//! ```
//!
//! A webhook has two runs for each event type that it received. The time is proportional to the
//! number of runs, not to the length of the history.

use super::reader::{DELIVERIES, Of, delivery_row};
use super::write::{count, nanoseconds, status_number};
use crate::server::store::contract::{DeliveryRow, DeliveryRows};
use hooksieve::delivery::{ListQuery, Lookup, SortBy, SortKey, Status};
use hooksieve::webhook::Timestamp;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use std::cmp::Ordering;

/// A row of the index.
struct Entry {
    seq: i64,
    /// The sort key: the time or the status.
    key: i64,
    id: String,
}

/// The start of a scan.
#[derive(Clone, Copy)]
struct Begin<'a> {
    key: i64,
    id: &'a str,
    /// Whether a row at exactly this place is included.
    inclusive: bool,
}

#[derive(Clone, Copy)]
struct Scan<'a> {
    connection: &'a Connection,
    webhook: i64,
    lookup: Lookup<'a>,
    since: i64,
    /// Whether the scan has the order of the query or its reverse.
    forward: bool,
    from: Option<Begin<'a>>,
    limit: usize,
}

/// Returns a page of the deliveries that were triggered after `since`.
pub(super) fn page(
    connection: &Connection,
    webhook: Of<'_>,
    query: &ListQuery,
    since: Timestamp,
) -> rusqlite::Result<DeliveryRows> {
    let lookup = query.lookup();
    // A page before a place is read from the place backwards, and then reversed: a list of a
    // million deliveries has no end to count from.
    let backwards = lookup.place.is_some_and(|place| place.backwards);
    let from = lookup.place.map(|place| {
        let key = match place.key {
            SortKey::Status(status) => status_number(status),
            SortKey::TriggeredAt(time) => nanoseconds(time),
        };
        Begin { key, id: place.id, inclusive: false }
    });
    let scan = Scan {
        connection,
        webhook: webhook.key,
        lookup,
        since: nanoseconds(since),
        forward: !backwards,
        from,
        // The additional row shows whether there is a next page, without counting the rest.
        limit: lookup.limit + 1,
    };
    let runs = scan.runs()?;
    let mut found = scan.entries(&runs)?;
    let more = found.len() > lookup.limit;
    found.truncate(lookup.limit);
    let others = match from {
        // The first page has nothing before it.
        None => false,
        Some(from) => {
            let from = Some(Begin { inclusive: true, ..from });
            let other = Scan { forward: backwards, from, limit: 1, ..scan };
            !other.entries(&runs)?.is_empty()
        }
    };
    // `more` is on the far side of the scan, `others` on the side of the place.
    let (before, after) = if backwards { (more, others) } else { (others, more) };
    if backwards {
        found.reverse();
    }
    Ok(DeliveryRows { rows: fetch(connection, webhook, &found)?, before, after })
}

/// Fetches the rows of a page. The scans that found them read only the index.
fn fetch(
    connection: &Connection,
    webhook: Of<'_>,
    found: &[Entry],
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sql = format!("{DELIVERIES} WHERE d.seq = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let row = |entry: &Entry| statement.query_row([entry.seq], |row| delivery_row(webhook, row));
    found.iter().map(row).collect()
}

impl Scan<'_> {
    /// Returns the runs that the query selects and that may have rows.
    fn runs(&self) -> rusqlite::Result<Vec<(String, Status)>> {
        let types = match self.lookup.event_type {
            Some(name) => vec![name.to_owned()],
            None => self.event_types()?,
        };
        let wanted = |status: &Status| self.lookup.status.is_none_or(|wanted| wanted == *status);
        let runs = types.into_iter().flat_map(|name| {
            let statuses = Status::ALL.into_iter().filter(wanted);
            statuses.map(move |status| (name.clone(), status))
        });
        Ok(runs.collect())
    }

    /// Returns the event types of the webhook's deliveries, with one step in the index for each.
    fn event_types(&self) -> rusqlite::Result<Vec<String>> {
        let mut names = Vec::new();
        let from = "SELECT event_type FROM delivery INDEXED BY delivery_by_time WHERE webhook = ?1";
        let first = format!("{from} ORDER BY event_type LIMIT 1");
        let next = format!("{from} AND event_type > ?2 ORDER BY event_type LIMIT 1");
        let mut first = self.connection.prepare_cached(&first)?;
        let mut next = self.connection.prepare_cached(&next)?;
        let mut name: Option<String> =
            first.query_row([self.webhook], |row| row.get(0)).optional()?;
        // A `SELECT DISTINCT` would read every row of the index.
        while let Some(found) = name {
            name = next.query_row((self.webhook, &*found), |row| row.get(0)).optional()?;
            names.push(found);
        }
        Ok(names)
    }

    /// Merges the first rows of all runs.
    fn entries(&self, runs: &[(String, Status)]) -> rusqlite::Result<Vec<Entry>> {
        let mut found = Vec::new();
        // Each run contributes at most `limit` rows, in order, so the first `limit` of the page are
        // among them.
        for (event_type, status) in runs {
            match self.lookup.sort {
                SortBy::Status => self.by_status(event_type, *status, &mut found)?,
                SortBy::TriggeredAt => self.by_time(event_type, *status, &mut found)?,
            }
        }
        found.sort_by(|a, b| self.order((a.key, &a.id), (b.key, &b.id)));
        found.truncate(self.limit);
        Ok(found)
    }

    fn keys_descend(&self) -> bool {
        self.lookup.descending == self.forward
    }

    fn order(&self, a: (i64, &str), b: (i64, &str)) -> Ordering {
        let keys = if self.keys_descend() { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) };
        let ids = if self.forward { a.1.cmp(b.1) } else { b.1.cmp(a.1) };
        keys.then(ids)
    }

    /// Returns the condition that an id is after the place, and the direction of ids.
    fn ids(&self) -> (&'static str, &'static str) {
        let inclusive = self.from.is_some_and(|from| from.inclusive);
        match (self.forward, inclusive) {
            (true, false) => ("id > ?", "ASC"),
            (true, true) => ("id >= ?", "ASC"),
            (false, false) => ("id < ?", "DESC"),
            (false, true) => ("id <= ?", "DESC"),
        }
    }

    /// Reads the rows at the time of the place, then those at later times in the scan.
    fn by_time(
        &self,
        event_type: &str,
        status: Status,
        found: &mut Vec<Entry>,
    ) -> rusqlite::Result<()> {
        let run = Run { scan: self, index: "delivery_by_time", event_type, status };
        let (past, ids) = self.ids();
        let times = if self.keys_descend() { "DESC" } else { "ASC" };
        let order = format!("triggered_at {times}, id {ids}");
        let Some(from) = self.from else {
            let since = [Param::Integer(self.since)];
            return run.read("triggered_at > ?", &since, &order, found);
        };
        let start = found.len();
        if from.key > self.since {
            let params = [Param::Integer(from.key), Param::Text(from.id)];
            let order = format!("id {ids}");
            run.read(&format!("triggered_at = ? AND {past}"), &params, &order, found)?;
        }
        // The rows at the time of the place fill the page: no row at another time is on it.
        if found.len() - start >= self.limit {
            return Ok(());
        }
        match self.keys_descend() {
            true => {
                let params = [Param::Integer(self.since), Param::Integer(from.key)];
                run.read("triggered_at > ? AND triggered_at < ?", &params, &order, found)
            }
            // A single bound: with two, SQLite may start the scan at either.
            false => {
                let params = [Param::Integer(from.key.max(self.since))];
                run.read("triggered_at > ?", &params, &order, found)
            }
        }
    }

    /// Reads the rows of a run whose status is after that of the place, or at the same status,
    /// whose id is.
    fn by_status(
        &self,
        event_type: &str,
        status: Status,
        found: &mut Vec<Entry>,
    ) -> rusqlite::Result<()> {
        let run = Run { scan: self, index: "delivery_by_status", event_type, status };
        let (past, ids) = self.ids();
        let order = format!("id {ids}");
        let since = Param::Integer(self.since);
        let from = self.from.map(|from| {
            let keys = status_number(status).cmp(&from.key);
            (if self.keys_descend() { keys.reverse() } else { keys }, from.id)
        });
        match from {
            // All rows of the run are on the other side of the place.
            Some((Ordering::Less, _)) => Ok(()),
            Some((Ordering::Equal, id)) => {
                let params = [since, Param::Text(id)];
                run.read(&format!("triggered_at > ? AND {past}"), &params, &order, found)
            }
            None | Some((Ordering::Greater, _)) => {
                run.read("triggered_at > ?", &[since], &order, found)
            }
        }
    }
}

/// The deliveries of one event type and status.
struct Run<'a> {
    scan: &'a Scan<'a>,
    index: &'static str,
    event_type: &'a str,
    status: Status,
}

#[derive(Clone, Copy)]
enum Param<'a> {
    Integer(i64),
    Text(&'a str),
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl Run<'_> {
    fn read(
        &self,
        condition: &str,
        params: &[Param<'_>],
        order: &str,
        found: &mut Vec<Entry>,
    ) -> rusqlite::Result<()> {
        let Self { scan, index, event_type, status } = *self;
        let sql = format!(
            "SELECT seq, triggered_at, id FROM delivery INDEXED BY {index} \
             WHERE webhook = ? AND event_type = ? AND status = ? AND {condition} \
             ORDER BY {order} LIMIT ?"
        );
        // Equality on the first three columns of the index selects the run; the rest is a scan.
        let status = status_number(status);
        let run = [Param::Integer(scan.webhook), Param::Text(event_type), Param::Integer(status)];
        let limit = Param::Integer(count(scan.limit));
        let params = run.iter().chain(params).chain([&limit]);
        let mut statement = scan.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            let key = match scan.lookup.sort {
                SortBy::Status => status,
                SortBy::TriggeredAt => row.get(1)?,
            };
            found.push(Entry { seq: row.get(0)?, key, id: row.get(2)? });
        }
        Ok(())
    }
}
