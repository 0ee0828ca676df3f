//! A store in one SQLite file.
//!
//! ```text
//!  writes ──▶ queue ──▶ writer (one thread, one connection) ──▶ hooksieve.db
//!                                                                   │
//!  reads ─────────────▶ readers (blocking threads, a few connections, one snapshot per read)
//! ```
//!
//! With SQLite's write-ahead log, reads continue while the writer commits. `synchronous=FULL`
//! flushes the log at each commit, so that answered writes survive a loss of power.
//!
//! Two rules hold everywhere here. Only the writer writes, so that writes need no locks among
//! themselves and errors of the disk are judged in one place. And no connection is shared: a read
//! takes an idle one and returns it only if the read succeeded, so that a failed statement cannot
//! leave a transaction open for the next one.
//!
//! | file | what |
//! | --- | --- |
//! | `file` | the directory, its lock, identification of the file |
//! | `schema` | tables and migrations |
//! | `writer` | the thread: transactions, results, failures |
//! | `write` | what a write is; changes of webhooks |
//! | `accept`, `claim`, `settle` | the writes of the intake and of the dispatcher |
//! | `endpoint` | when a webhook is due, and what is known of its last attempts |
//! | `expire` | expiry, and removal in slices |
//! | `reader`, `page`, `events` | reads; the pages of lists |
//! | `document` | documents of deliveries without the bodies of their events |
//! | `admin` | backup and check |

mod accept;
mod admin;
mod claim;
mod document;
mod endpoint;
mod error;
mod events;
mod expire;
mod file;
mod outbox;
mod page;
mod reader;
pub(crate) mod schema;
mod settle;
#[cfg(test)]
mod work;
mod write;
mod writer;

pub(crate) use admin::{BackupError, backup, check};
pub(crate) use file::exists;

use crate::server::store::contract::{
    Answer, DeliveryRow, DeliveryRows, Store, StoreError, TenantRows, WebhookChange,
};
use error::Broken;
use expire::Expire;
use hooksieve::delivery::{DeliveryId, ListQuery};
use hooksieve::event::TenantId;
use hooksieve::webhook::{Timestamp, WebhookId};
use reader::{Of, Readers};
use rusqlite::Connection;
use settle::Record;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use write::{Commit, Erase, Ping};
use writer::{Health, Start, Writer};

/// The settings of a store.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// Whether to create the directory and the store if they do not exist.
    pub(crate) create: bool,
    /// The maximum size of the file in bytes, without its log. Writes beyond it fail with
    /// [`StoreError::Full`].
    pub(crate) max_bytes: Option<u64>,
    /// The number of revisions of a tenant whose removals are kept.
    pub(crate) log: u64,
    /// The time to wait for another process that has locked the store, such as the program
    /// `sqlite3`.
    pub(crate) patience: Duration,
    /// Whether to check for damage when opening, which reads the whole file.
    pub(crate) quick_check: bool,
}

impl Settings {
    /// Returns settings without a size limit, with the removals of the last 10,000 revisions of
    /// each tenant.
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            create: true,
            max_bytes: None,
            log: 10_000,
            patience: file::PATIENCE,
            quick_check: false,
        }
    }
}

/// An open store. Dropping it waits for the queued writes.
#[derive(Debug)]
pub(crate) struct Sqlite {
    // Dropped before the writer, so that the writer's connection is the last one, which empties the
    // log.
    readers: Readers,
    writer: Writer,
    directory: PathBuf,
    log: u64,
}

impl Sqlite {
    /// Opens the store in a directory.
    ///
    /// Blocks on files: do not call it on an asynchronous thread.
    ///
    /// # Errors
    ///
    /// Returns an error if another process uses the store, or if the file is not a store, is
    /// damaged, is newer, or cannot be written. The file is then unchanged.
    pub(crate) fn open(settings: &Settings) -> Result<Self, StoreError> {
        let directory = settings.directory.clone();
        match settings.create {
            true => file::make_directory(&directory)?,
            // Before the lock, which would be a new file in a wrong directory.
            false => drop(file::find(&directory)?),
        }
        let lock = Arc::new(file::lock(&directory)?);
        let path = file::find_or_create(&directory)?;
        let connection = prepare(&path, settings)?;
        // Shared: damage that a read finds stops the writer, and a failure of the writer is reported by
        // every later write. Reads go on after a failed flush, since what they find was committed.
        let health = Arc::new(Health::default());
        let readers = Readers::open(path, Arc::clone(&health), Arc::clone(&lock))?;
        let Settings { log, patience, .. } = *settings;
        let writer = Writer::start(Start { connection, health, lock, patience })?;
        Ok(Self { readers, writer, directory, log })
    }

    /// [Copies](backup) the store to a new file while it is in use.
    pub(crate) fn backup(&self, to: &Path) -> Result<(), BackupError> {
        backup(&self.directory, to)
    }

    /// [Checks](check) the store while it is in use.
    pub(crate) fn check(&self) -> Result<Vec<String>, StoreError> {
        check(&self.directory)
    }

    /// Returns an error if a [check] finds a problem.
    pub(crate) fn require_sound(&self) -> Result<(), StoreError> {
        admin::require_sound(&self.directory.join(file::NAME))
    }
}

/// Opens the writer's connection, and migrates the store to this version.
fn prepare(path: &Path, settings: &Settings) -> Result<Connection, StoreError> {
    let prepared = || -> Result<Connection, Broken> {
        if settings.quick_check {
            let connection = file::open_read_only(path)?;
            // The first problem suffices to refuse the file.
            let sql = "PRAGMA quick_check(1)";
            let found: String = connection.query_row(sql, [], |row| row.get(0))?;
            if found != "ok" {
                // The last line, after one that names the file.
                let what = found.lines().last().unwrap_or_default();
                return Err(Broken::Damaged(what.to_owned()));
            }
        }
        let mut connection = file::open_writer(path, settings)?;
        schema::migrate(&mut connection, schema::MIGRATIONS)?;
        schema::verify(&connection)?;
        admin::verify_at_start(&connection)?;
        let transaction = connection.transaction()?;
        claim::forget(&transaction)?;
        transaction.commit()?;
        Ok(connection)
    };
    prepared().map_err(StoreError::from)
}

impl Store for Sqlite {
    fn tenants(&self) -> Answer<'_, Vec<TenantId>> {
        Box::pin(self.readers.read(|store| reader::tenants(store)))
    }

    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, TenantRows> {
        let tenant = tenant.clone();
        Box::pin(self.readers.read(move |store| reader::load(store, &tenant)))
    }

    fn commit<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: u64,
        change: WebhookChange,
    ) -> Answer<'a, u64> {
        let (tenant, log) = (tenant.clone(), self.log);
        Box::pin(self.writer.write(Commit { tenant, expected, change, log }))
    }

    fn changes<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: u64,
    ) -> Answer<'a, Option<Vec<(u64, WebhookChange)>>> {
        let tenant = tenant.clone();
        Box::pin(self.readers.read(move |store| reader::changes(store, &tenant, after)))
    }

    fn record<'a>(&'a self, tenant: &'a TenantId, deliveries: Vec<DeliveryRow>) -> Answer<'a, ()> {
        Box::pin(self.writer.write(Record { tenant: tenant.clone(), deliveries }))
    }

    fn deliveries<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        query: &'a ListQuery,
        since: Timestamp,
    ) -> Answer<'a, DeliveryRows> {
        let (tenant, id, query) = (tenant.clone(), webhook.clone(), query.clone());
        Box::pin(self.readers.read(move |store| match reader::webhook_key(store, &tenant, &id)? {
            Some(key) => page::page(store, Of { id: &id, key }, &query, since),
            None => Ok(DeliveryRows::default()),
        }))
    }

    fn delivery<'a>(
        &'a self,
        tenant: &'a TenantId,
        webhook: &'a WebhookId,
        id: &'a DeliveryId,
        since: Timestamp,
    ) -> Answer<'a, Option<DeliveryRow>> {
        let (tenant, of, id) = (tenant.clone(), webhook.clone(), id.clone());
        Box::pin(self.readers.read(move |store| match reader::webhook_key(store, &tenant, &of)? {
            Some(key) => reader::delivery(store, Of { id: &of, key }, &id, since),
            None => Ok(None),
        }))
    }

    fn expire(&self, before: Timestamp, unique_before: Timestamp, max: usize) -> Answer<'_, usize> {
        Box::pin(self.writer.write(Expire { before, unique_before, max }))
    }

    fn erase<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        Box::pin(self.writer.write(Erase { tenant: tenant.clone() }))
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(self.writer.write(Ping))
    }
}
