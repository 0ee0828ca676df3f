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
use super::{LoadError, Registry};
use crate::event::TenantId;
use crate::syntax::{kinds, quote};
use crate::webhook::{Draft, Webhook};
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

const FORMAT: &str = "hooksieve-snapshot";
const VERSION: u64 = 1;
/// Most bytes of a line: a webhook takes six times [`Registry::MAX_BYTES`] at most, and less than
/// 1 MiB for what that does not count.
const LONGEST: u64 = 16 << 20;

/// What was loaded out of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// Tenants that were loaded.
    pub tenants: usize,
    /// Their webhooks.
    pub webhooks: usize,
    /// Tenants that the registry held at the same or a higher revision, and kept.
    pub ignored: usize,
}

/// Why a snapshot was refused; nothing of it has been loaded then.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the snapshot: {message}")]
pub struct SnapshotError {
    kind: SnapshotErrorKind,
    line: usize,
    message: Box<str>,
    #[source]
    source: Option<io::Error>,
}

kinds! {
    /// The kinds of snapshot error.
    SnapshotErrorKind {
        /// The stream could not be read.
        Io = "snapshot-io",
        /// It does not begin as a snapshot does.
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

    /// The kind as a stable word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The line, counted from 1, in which it was found.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// What whoever runs the server can do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self.kind {
            SnapshotErrorKind::Io => "read it again",
            SnapshotErrorKind::NotASnapshot => "give a stream that a registry wrote",
            SnapshotErrorKind::Newer => "read it with the version that wrote it, or a newer one",
            SnapshotErrorKind::Damaged => "take another copy, or load the webhooks from the store",
            SnapshotErrorKind::Invalid => {
                "mend the webhook in the store, or read with the rules it was made by"
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Section<'a> {
    #[serde(borrow)]
    tenant: Cow<'a, str>,
    revision: u64,
    webhooks: usize,
}

#[derive(Serialize, Deserialize)]
struct Checksum<'a> {
    #[serde(borrow)]
    crc32: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: bool,
    tenants: usize,
}

fn checksum(crc: &crc32fast::Hasher) -> String {
    format!("{:08x}", crc.clone().finalize())
}

impl Registry {
    /// Writes all tenants, each at one revision of its own, with their secrets: for a store that
    /// encrypts what it is given.
    ///
    /// ```
    /// use hooksieve::registry::Registry;
    /// use hooksieve::webhook::Rules;
    ///
    /// let registry = Registry::new(&Rules::default());
    /// registry.load("t1", [], Some(7))?;
    /// let mut bytes = Vec::new();
    /// registry.write_snapshot(&mut bytes)?;
    ///
    /// let other = Registry::new(&Rules::default());
    /// assert_eq!(other.read_snapshot(&*bytes)?.tenants, 1);
    /// assert_eq!(other.stats("t1").map(|stats| stats.revision), Some(7));
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
    pub fn write_tenant_snapshot(&self, tenant: &str, out: impl Write) -> io::Result<bool> {
        let Some(found) = self.0.find(tenant) else { return Ok(false) };
        let state = found.current.load_full();
        write(std::iter::once((found.id.clone(), state)), out).map(|()| true)
    }

    /// Loads the tenants of a snapshot, up to its last line: all of them, or none where anything is wrong with it. One
    /// that is loaded is replaced if the snapshot's revision is above its own.
    ///
    /// Costs what reading the webhooks and inserting them costs; memory for the webhooks and their
    /// index, and one line.
    ///
    /// # Errors
    ///
    /// A [`SnapshotError`] with the line in which the first fault was found.
    pub fn read_snapshot(&self, input: impl BufRead) -> Result<Loaded, SnapshotError> {
        let mut lines = Lines { input, line: Vec::new(), number: 0, crc: None };
        lines.next()?;
        let header: Option<Header<'_>> = serde_json::from_slice(&lines.line).ok();
        match header {
            Some(Header { format, version }) if format == FORMAT => {
                if version != VERSION {
                    let message =
                        format!("the snapshot is of version {version}, this crate reads {VERSION}");
                    return Err(lines.error(SnapshotErrorKind::Newer, message));
                }
            }
            _ => {
                let message = "this is not the beginning of a snapshot";
                return Err(lines.error(SnapshotErrorKind::NotASnapshot, message));
            }
        }
        let mut states: Vec<(TenantId, State)> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            lines.crc = None;
            lines.next()?;
            if let Ok(End { end: true, tenants }) = serde_json::from_slice(&lines.line) {
                if tenants != states.len() {
                    let message = format!("{} of {tenants} tenants are there", states.len());
                    return Err(lines.damaged(message));
                }
                break;
            }
            let section = self.section(&mut lines)?;
            if !seen.insert(section.0.clone()) {
                return Err(lines.damaged("a tenant stands here for the second time"));
            }
            states.push(section);
        }
        let mut loaded = Loaded::default();
        for (tenant, state) in states {
            let (revision, webhooks) = (state.revision, state.matcher.len());
            match self.0.install(tenant, state, Some(revision)).applied {
                true => {
                    loaded.tenants += 1;
                    loaded.webhooks += webhooks;
                }
                false => loaded.ignored += 1,
            }
        }
        Ok(loaded)
    }

    /// Reads a tenant, the lines standing at its first one.
    fn section(&self, lines: &mut Lines<impl BufRead>) -> Result<(TenantId, State), SnapshotError> {
        let Ok(Section { tenant, revision, webhooks }) = serde_json::from_slice(&lines.line) else {
            return Err(lines.damaged("neither a tenant nor the end stands here"));
        };
        let tenant = TenantId::from(&*tenant);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&lines.line);
        lines.crc = Some(crc);
        let empty = self.0.empty(&tenant, revision);
        let mut state =
            empty.map_err(|error| lines.error(SnapshotErrorKind::Invalid, error.to_string()))?;
        // What is wrong with a webhook is told only once it is known to be what was written.
        let mut invalid = None;
        for _ in 0..webhooks {
            lines.next()?;
            if invalid.is_some() {
                continue;
            }
            let read = Draft::read(&lines.line)
                .and_then(|draft| Webhook::read(&draft, self.rules()))
                .map_err(|problems| problems.to_string());
            let added = read.and_then(|webhook| {
                let added = self.0.add(&tenant, &mut state, webhook);
                added.map_err(|error: LoadError| error.to_string())
            });
            if let Err(message) = added {
                invalid = Some(lines.error(SnapshotErrorKind::Invalid, message));
            }
        }
        let crc = lines.crc.take().unwrap_or_default();
        lines.next()?;
        let written: Option<Checksum<'_>> = serde_json::from_slice(&lines.line).ok();
        if written.is_none_or(|written| written.crc32 != checksum(&crc)) {
            let message = format!("tenant `{}` is not as it was written", quote(tenant.as_str()));
            return Err(lines.damaged(message));
        }
        match invalid {
            Some(error) => Err(error),
            None if state.matcher.len() != webhooks => {
                Err(lines.damaged("two webhooks of the tenant have the same id"))
            }
            None => Ok((tenant, state)),
        }
    }
}

fn write(
    states: impl Iterator<Item = (TenantId, Arc<State>)>,
    mut out: impl Write,
) -> io::Result<()> {
    let mut line = Vec::new();
    put(&mut line, &Header { format: FORMAT.into(), version: VERSION })?;
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

struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: usize,
    /// Of the lines read, where they are to be added up.
    crc: Option<crc32fast::Hasher>,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line.
    fn next(&mut self) -> Result<(), SnapshotError> {
        self.line.clear();
        self.number += 1;
        let read = self.input.by_ref().take(LONGEST).read_until(b'\n', &mut self.line);
        if let Err(source) = read {
            let error = self.error(SnapshotErrorKind::Io, "it could not be read");
            return Err(SnapshotError { source: Some(source), ..error });
        }
        if self.line.last() != Some(&b'\n') {
            let long = self.line.len() as u64 == LONGEST;
            let message = if long { "the line is too long" } else { "the snapshot is cut short" };
            return Err(match self.number {
                1 => self.error(SnapshotErrorKind::NotASnapshot, message),
                _ => self.damaged(message),
            });
        }
        if let Some(crc) = &mut self.crc {
            crc.update(&self.line);
        }
        Ok(())
    }

    fn error(&self, kind: SnapshotErrorKind, message: impl Into<Box<str>>) -> SnapshotError {
        SnapshotError { kind, line: self.number, message: message.into(), source: None }
    }

    fn damaged(&self, message: impl Into<Box<str>>) -> SnapshotError {
        self.error(SnapshotErrorKind::Damaged, message)
    }
}
