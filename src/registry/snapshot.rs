//! Snapshots: the webhooks of tenants as a stream of lines.
//!
//! ```text
//! {"format":"hooksieve-snapshot","version":1}
//! {"tenant":"t1","revision":7,"webhooks":1}
//! {"id":"w1", …}
//! {"crc32":"5f1c0e92"}
//! {"end":true,"tenants":1}
//! ```
//!
//! A tenant's lines are followed by their checksum, and the last line says that nothing is missing.

use super::tenant::State;
use super::{Refused, Registry};
use crate::diagnostic::{Diagnostic, kinds};
use crate::event::TenantId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

pub(super) const FORMAT: &str = "hooksieve-snapshot";
pub(super) const VERSION: u64 = 1;
/// Most bytes of a line: a webhook takes six times [`Registry::MAX_BYTES`] at most, and less than
/// 1 MiB for what that does not count.
pub(super) const LONGEST: u64 = 16 << 20;

/// What was loaded out of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// Tenants that were loaded.
    pub tenants: usize,
    /// Their webhooks.
    pub webhooks: usize,
    /// Tenants that the registry held at the same or a higher revision, and kept.
    pub ignored: usize,
    /// Webhooks that [`read_snapshot_skipping`](Registry::read_snapshot_skipping) skipped, in the
    /// order of the snapshot's lines, those of ignored tenants included.
    pub skipped: Vec<Refused>,
}

/// Why a snapshot was refused; nothing of it has been loaded then.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the snapshot: {message}")]
pub struct SnapshotError {
    pub(super) kind: SnapshotErrorKind,
    pub(super) line: usize,
    pub(super) message: Box<str>,
    #[source]
    pub(super) source: Option<io::Error>,
}

kinds! {
    /// The kinds of snapshot error.
    pub SnapshotErrorKind {
        /// The stream could not be read.
        Io = "snapshot-io",
        /// It does not begin as a snapshot does, or names a version that there never was.
        NotASnapshot = "snapshot-unknown-format",
        /// A newer version of this crate wrote it.
        Newer = "snapshot-newer-version",
        /// Something is missing or was changed.
        Damaged = "snapshot-damaged",
        /// A webhook is not valid by the registry's rules.
        Invalid = "snapshot-invalid-webhook",
    }
}

impl SnapshotError {
    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> SnapshotErrorKind {
        self.kind
    }

    /// The line, counted from 1, in which it was found.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    fn help(&self) -> &'static str {
        match self.kind {
            SnapshotErrorKind::Io => "read it again",
            SnapshotErrorKind::NotASnapshot => "give a stream that a registry wrote",
            SnapshotErrorKind::Newer => "read it with the version that wrote it, or a newer one",
            SnapshotErrorKind::Damaged => "take another copy, or load the webhooks from the store",
            SnapshotErrorKind::Invalid => {
                "skip it, fix it in the store, or read with the rules it was made by"
            }
        }
    }
}

impl From<&SnapshotError> for Diagnostic {
    fn from(error: &SnapshotError) -> Self {
        Self::error(error.kind.code(), error.message.clone(), error.help())
            .with_line(error.line)
            .with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub(super) format: Cow<'a, str>,
    pub(super) version: Value,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Section<'a> {
    #[serde(borrow)]
    pub(super) tenant: Cow<'a, str>,
    pub(super) revision: u64,
    pub(super) webhooks: usize,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Checksum<'a> {
    #[serde(borrow)]
    pub(super) crc32: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct End {
    pub(super) end: bool,
    pub(super) tenants: usize,
}

pub(super) fn checksum(crc: &crc32fast::Hasher) -> String {
    format!("{:08x}", crc.clone().finalize())
}

impl Registry {
    /// Writes all tenants, each at one revision of its own, with their secrets: for a store that
    /// encrypts what it is given.
    ///
    /// ```
    /// use hooksieve::event::TenantId;
    /// use hooksieve::registry::Registry;
    /// use hooksieve::webhook::Rules;
    ///
    /// let registry = Registry::new(&Rules::default());
    /// let tenant = TenantId::from("t1");
    /// registry.load_at(tenant.clone(), [], 7)?;
    /// let mut bytes = Vec::new();
    /// registry.write_snapshot(&mut bytes)?;
    ///
    /// let other = Registry::new(&Rules::default());
    /// assert_eq!(other.read_snapshot(&*bytes)?.tenants, 1);
    /// assert_eq!(other.stats(&tenant).map(|stats| stats.revision), Some(7));
    ///
    /// let error = other.read_snapshot(&bytes[..bytes.len() - 5]).unwrap_err();
    /// assert_eq!(error.to_string(), "line 4 of the snapshot: the snapshot is cut short");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub fn write_snapshot(&self, out: impl Write) -> io::Result<()> {
        let states = self.tenants().into_iter().filter_map(|tenant| {
            // One that was evicted meanwhile is passed over.
            let state = self.0.find(tenant.as_str())?.current.load_full();
            Some((tenant, state))
        });
        write(states, out)
    }

    /// Writes one tenant as a snapshot; nothing at all where it is not loaded, and `false`.
    ///
    /// # Errors
    ///
    /// As [`write_snapshot`](Self::write_snapshot).
    pub fn write_tenant_snapshot(&self, tenant: &TenantId, out: impl Write) -> io::Result<bool> {
        let Some(found) = self.0.find(tenant.as_str()) else { return Ok(false) };
        let state = found.current.load_full();
        write(std::iter::once((found.id.clone(), state)), out).map(|()| true)
    }
}

fn write(
    states: impl Iterator<Item = (TenantId, Arc<State>)>,
    mut out: impl Write,
) -> io::Result<()> {
    let mut line = Vec::new();
    put(&mut line, &Header { format: FORMAT.into(), version: VERSION.into() })?;
    out.write_all(&line)?;
    let mut tenants = 0;
    for (tenant, state) in states {
        let mut crc = crc32fast::Hasher::new();
        let (revision, webhooks) = (state.revision, state.matcher.len());
        line.clear();
        put(&mut line, &Section { tenant: tenant.as_str().into(), revision, webhooks })?;
        for webhook in state.webhooks() {
            crc.update(&line);
            out.write_all(&line)?;
            line.clear();
            put(&mut line, &webhook.stored())?;
        }
        crc.update(&line);
        out.write_all(&line)?;
        line.clear();
        put(&mut line, &Checksum { crc32: checksum(&crc).into() })?;
        out.write_all(&line)?;
        tenants += 1;
    }
    line.clear();
    put(&mut line, &End { end: true, tenants })?;
    out.write_all(&line)?;
    out.flush()
}

fn put(line: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    Ok(())
}
