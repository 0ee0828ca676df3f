//! Snapshots: writes the webhooks of tenants as a stream of lines.
//!
//! ```text
//! {"format":"hooksieve-snapshot","version":1}     the format
//! {"tenant":"t1","revision":7,"webhooks":1}       a tenant, and the number of its webhooks
//! {"id":"w1", …}                                  a webhook in its stored form
//! {"crc32":"5f1c0e92"}                            the checksum of the tenant's lines
//! {"end":true,"tenants":1}                        the number of tenants
//! ```
//!
//! The checksum of a tenant covers its first line and its webhooks, line feeds included. The last
//! line proves that no tenant is missing. `restore` reads this format.
//!
//! A webhook has one stored form, whose reader reports errors with the member's name. A second
//! form, for snapshots only, would need a second reader.

use super::state::State;
use super::{Refused, Registry};
use crate::diagnostic::{Diagnostic, into_diagnostics, kinds};
use crate::event::TenantId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

pub(super) const FORMAT: &str = "hooksieve-snapshot";
pub(super) const VERSION: u64 = 1;
/// The maximum bytes of a line.
///
/// A webhook takes at most six times [`Registry::MAX_BYTES`], since JSON writes a control character
/// as six bytes, and less than 1 MiB for members that it does not count.
pub(super) const LONGEST: u64 = 16 << 20;

/// The result of reading a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// The number of tenants that were loaded.
    pub tenants: usize,
    /// The number of webhooks of these tenants.
    pub webhooks: usize,
    /// The number of tenants that were already loaded at the same revision or above.
    pub ignored: usize,
    /// The webhooks that [`read_snapshot_skipping`](Registry::read_snapshot_skipping) skipped.
    ///
    /// They are in the order of the lines, and include those of ignored tenants.
    pub skipped: Vec<Refused>,
}

/// An error from reading a snapshot. Nothing was loaded.
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
    /// The kinds of [`SnapshotError`].
    pub SnapshotErrorKind {
        /// The stream could not be read.
        Io = "snapshot-io",
        /// The first line is not a snapshot's header, or has an unknown older version.
        NotASnapshot = "snapshot-unknown-format",
        /// The snapshot was written by a newer version of this crate.
        Newer = "snapshot-newer-version",
        /// Lines are missing or were changed.
        Damaged = "snapshot-damaged",
        /// The registry refuses a webhook or a tenant, for example by its rules.
        Invalid = "snapshot-invalid-webhook",
    }
}

impl SnapshotError {
    pub(super) fn new(kind: SnapshotErrorKind, line: usize, message: impl Into<Box<str>>) -> Self {
        Self { kind, line, message: message.into(), source: None }
    }

    /// Returns the kind of error.
    #[must_use]
    pub fn kind(&self) -> SnapshotErrorKind {
        self.kind
    }

    /// Returns the line of the error, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    fn help(&self) -> &'static str {
        match self.kind {
            SnapshotErrorKind::Io => "read the snapshot again",
            SnapshotErrorKind::NotASnapshot => "pass a stream that a registry wrote",
            SnapshotErrorKind::Newer => "read it with the version that wrote it, or a newer one",
            SnapshotErrorKind::Damaged => "take another copy, or load the webhooks from the store",
            SnapshotErrorKind::Invalid => {
                "skip it, fix it in the store, or read with the rules it was made by"
            }
        }
    }
}

into_diagnostics!(SnapshotError);

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

/// Returns a checksum as a snapshot has it: eight hexadecimal digits.
pub(super) fn checksum(crc: &crc32fast::Hasher) -> String {
    format!("{:08x}", crc.clone().finalize())
}

impl Registry {
    /// Writes all tenants as a snapshot, including the secrets of their webhooks.
    ///
    /// Each tenant is written at one revision, while matches and changes go on. The second change
    /// of a tenant while it is being written clones its index. Each webhook is one line and one
    /// call of `write_all`, so pass a [`BufWriter`](io::BufWriter). Encrypt the snapshot as you
    /// encrypt your store.
    ///
    /// # Example
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
    /// assert_eq!(error.to_string(), "line 4 of the snapshot: the snapshot is truncated");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An error from writing to `out`.
    pub fn write_snapshot(&self, out: impl Write) -> io::Result<()> {
        let states = self.tenants().into_iter().filter_map(|tenant| {
            // A tenant that was evicted since the list was made is left out.
            // Counted rather than guarded: writing takes long, and a thread has few guards.
            let state = self.0.find(tenant.as_str())?.current.load_full();
            Some((tenant, state))
        });
        write(states, out)
    }

    /// Writes one tenant as a snapshot, and returns whether the tenant is loaded.
    ///
    /// If it is not loaded, nothing is written.
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

/// Writes tenants with the header before and the count after them, in one buffer of a line.
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
        // Known before the webhooks are written, since the state is never modified.
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

/// Appends a value and a line feed.
fn put(line: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    Ok(())
}
