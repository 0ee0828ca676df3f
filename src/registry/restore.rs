//! Reads a snapshot, strictly or skipping the webhooks that the rules refuse.
//!
//! # The idea
//!
//! Reading has two phases. The first one reads the whole stream and builds a [`State`] for each
//! tenant that no other thread can see. The second one installs the states one after another.
//! Everything that can be wrong with a snapshot is found in the first phase, so a snapshot is
//! loaded whole or not at all.
//!
//! ```text
//! line                                           phase 1                      phase 2
//! {"format":"hooksieve-snapshot","version":1}    header()
//! {"tenant":"t1","revision":7,"webhooks":2}      section(): an empty State
//! {"id":"w1", …}                                 webhook(): parse, check, index
//! {"id":"w2", …}                                 webhook()
//! {"crc32":"5f1c0e92"}                           checksum() of the three lines
//! {"end":true,"tenants":1}                       one tenant, as counted ────▶ install(t1), …
//! ```
//!
//! # Damage comes before refusal
//!
//! A webhook that the rules refuse may be damaged instead: a changed byte can make a valid event
//! type unknown. So an invalid webhook is only noted at first, and reported once the checksum of
//! its tenant has been verified. Otherwise
//! [`read_snapshot_skipping`](Registry::read_snapshot_skipping) would skip a damaged webhook as an
//! outdated one.
//!
//! # Invariants
//!
//! - The lock `replacing` is held from beginning to end. The policy is therefore the same in both
//!   phases, and installing does not check the webhooks again and refuse one.
//! - Memory is bounded by the webhooks and one line: a line has at most [`LONGEST`] bytes.
//! - A tenant is installed only if its revision is above that of the loaded one, so an old snapshot
//!   never undoes newer changes.

use super::rules::Policy;
use super::snapshot::{Checksum, End, FORMAT, Header, LONGEST, Section, VERSION, checksum};
use super::state::State;
use super::sync::PoisonError;
use super::{ChangeError, Loaded, Refused, Registry, SnapshotError, SnapshotErrorKind};
use crate::diagnostic::quote;
use crate::event::TenantId;
use crate::webhook::{Webhook, WebhookDocument, WebhookId};
use hashbrown::HashSet;
use serde::Deserialize;
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::io::{BufRead, Read};
use std::sync::Arc;

impl Registry {
    /// Loads the tenants of a snapshot, or none if the snapshot has an error.
    ///
    /// Reads up to the snapshot's last line, not to the end of the stream. A tenant that is already
    /// loaded is replaced if the snapshot has it at a higher revision, and ignored otherwise.
    /// Limits are not checked.
    ///
    /// A snapshot is readable if all its webhooks satisfy this registry's rules. If the rules have
    /// changed since it was written, [`read_snapshot_skipping`](Self::read_snapshot_skipping) loads
    /// all webhooks except those that the new rules refuse.
    ///
    /// # Cost
    ///
    /// Linear in the webhooks, which are read, checked and indexed. Takes memory for them, their
    /// index, and one line. A replacement of the rules waits until the call returns.
    ///
    /// # Errors
    ///
    /// A [`SnapshotError`] with the line. A damaged line of a tenant is reported before a webhook
    /// of the same tenant that the registry refuses. On an error nothing is loaded.
    pub fn read_snapshot(&self, input: impl BufRead) -> Result<Loaded, SnapshotError> {
        self.read(input, None)
    }

    /// Loads a snapshot without the webhooks that the registry's rules refuse, and reports those.
    ///
    /// Use it when a server starts with changed rules, for example without an event type that some
    /// webhooks have: only these webhooks are skipped. A damaged snapshot is still an error.
    ///
    /// ```
    /// use hooksieve::registry::{Registry, SnapshotErrorKind};
    /// use hooksieve::webhook::{Catalogue, NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let old = Rules::default();
    /// let registry = Registry::new(&old);
    /// let document = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
    ///     "eventTypes": ["com.qlik.v1.app.created"]}"#)?;
    /// let webhook = Webhook::create(&document, &old, NewWebhook::new("w1", "u1", now))?.webhook;
    /// registry.load("t1", [webhook])?;
    /// let mut snapshot = Vec::new();
    /// registry.write_snapshot(&mut snapshot)?;
    ///
    /// let catalogue = Catalogue::read(br#"{"data": [{"name": "com.example.order.paid"}]}"#)?;
    /// let registry = Registry::new(&Rules::new(old.profile().clone(), catalogue));
    /// let error = registry.read_snapshot(&*snapshot).unwrap_err();
    /// assert_eq!(error.kind(), SnapshotErrorKind::Invalid);
    /// let loaded = registry.read_snapshot_skipping(&*snapshot)?;
    /// assert_eq!((loaded.tenants, loaded.webhooks), (1, 0));
    /// let skipped = &loaded.skipped[0];
    /// assert_eq!(skipped.tenant.as_str(), "t1");
    /// assert_eq!(skipped.diagnostic.code(), "snapshot-invalid-webhook");
    /// assert_eq!(skipped.diagnostic.line(), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`read_snapshot`](Self::read_snapshot), except for refused webhooks. On an error
    /// nothing is loaded.
    pub fn read_snapshot_skipping(&self, input: impl BufRead) -> Result<Loaded, SnapshotError> {
        let mut skipped = Vec::new();
        let loaded = self.read(input, Some(&mut skipped))?;
        Ok(Loaded { skipped, ..loaded })
    }

    fn read(
        &self,
        input: impl BufRead,
        skipped: Option<&mut Vec<Refused>>,
    ) -> Result<Loaded, SnapshotError> {
        // Fixes the policy, so that no webhook is refused once the first tenant is installed.
        let _replacing = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = self.0.policy.load_full();
        let lines = Lines { input, line: Vec::new(), number: 0 };
        let mut reading = Reading { registry: self, policy: &policy, lines, skipped };
        reading.header()?;
        let states = reading.sections()?;
        // The snapshot is whole and valid: from here on it is loaded.
        let mut loaded = Loaded::default();
        for (tenant, state) in states {
            let (revision, webhooks) = (state.revision, state.matcher.len());
            let change = self.0.install(tenant, state, Arc::clone(&policy), Some(revision));
            let invalid = |error: ChangeError| {
                reading.lines.error(SnapshotErrorKind::Invalid, error.to_string())
            };
            match change.map_err(invalid)?.applied {
                true => {
                    loaded.tenants += 1;
                    loaded.webhooks += webhooks;
                }
                false => loaded.ignored += 1,
            }
        }
        Ok(loaded)
    }
}

/// A snapshot that is being read.
struct Reading<'r, R> {
    registry: &'r Registry,
    policy: &'r Policy,
    lines: Lines<R>,
    /// Collects the refused webhooks; `None` if a refused webhook is an error.
    skipped: Option<&'r mut Vec<Refused>>,
}

impl<R: BufRead> Reading<'_, R> {
    /// Reads the first line: the format and its version.
    fn header(&mut self) -> Result<(), SnapshotError> {
        self.lines.next()?;
        let header: Option<Header<'_>> = serde_json::from_slice(&self.lines.line).ok();
        let version = match header {
            Some(Header { format, version }) if format == FORMAT => version,
            _ => {
                let message = "expected the header of a snapshot";
                return Err(self.lines.error(SnapshotErrorKind::NotASnapshot, message));
            }
        };
        if version.as_u64() == Some(VERSION) {
            return Ok(());
        }
        // A number beyond `u64` is a later version, too, so it is compared as a float.
        let is_newer =
            |version: &Number| version.as_f64().is_some_and(|version| version > VERSION as f64);
        let (kind, message) = match &version {
            Value::Number(number) if is_newer(number) => (
                SnapshotErrorKind::Newer,
                format!(
                    "the snapshot has version {number}, but this crate reads version {VERSION}"
                ),
            ),
            Value::Number(number) => (
                SnapshotErrorKind::NotASnapshot,
                format!("unknown snapshot version {number}, expected {VERSION}"),
            ),
            _ => (
                SnapshotErrorKind::NotASnapshot,
                format!("the snapshot's version is not a number, expected {VERSION}"),
            ),
        };
        Err(self.lines.error(kind, message))
    }

    /// Reads all tenants, up to the last line of the snapshot.
    fn sections(&mut self) -> Result<Vec<(TenantId, State)>, SnapshotError> {
        let mut states: Vec<(TenantId, State)> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            self.lines.next()?;
            if let Ok(End { end: true, tenants }) = serde_json::from_slice(&self.lines.line) {
                // Checksums do not notice a tenant whose lines are all missing; the count does.
                if tenants != states.len() {
                    let message = format!("expected {tenants} tenants, found {}", states.len());
                    return Err(self.lines.damaged(message));
                }
                return Ok(states);
            }
            let section = self.section()?;
            if !seen.insert(section.0.clone()) {
                return Err(self.lines.damaged("duplicate tenant"));
            }
            states.push(section);
        }
    }

    /// Reads one tenant, whose first line has been read.
    fn section(&mut self) -> Result<(TenantId, State), SnapshotError> {
        let lines = &mut self.lines;
        let Ok(Section { tenant, revision, webhooks }) = serde_json::from_slice(&lines.line) else {
            return Err(lines.damaged("expected a tenant or the end of the snapshot"));
        };
        let tenant = TenantId::from(&*tenant);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&lines.line);
        let empty = self.registry.0.empty(self.policy, &tenant, revision);
        let mut state =
            empty.map_err(|error| lines.error(SnapshotErrorKind::Invalid, error.to_string()))?;
        // Only noted: the checksum decides first whether the lines are those that were written.
        let (mut invalid, mut skipped) = (None, Vec::new());
        for _ in 0..webhooks {
            self.lines.next()?;
            crc.update(&self.lines.line);
            // The tenant is lost, but its lines still count for the checksum.
            if invalid.is_some() {
                continue;
            }
            if let Err(message) = self.webhook(&tenant, &mut state) {
                match self.skipped {
                    None => invalid = Some(self.lines.error(SnapshotErrorKind::Invalid, message)),
                    Some(_) => skipped.push(self.lines.skipped(&tenant, message)),
                }
            }
        }
        self.checksum(&tenant, &crc)?;
        if let Some(error) = invalid {
            return Err(error);
        }
        // A webhook replaces an earlier one with the same id, so that there are fewer than lines.
        if state.matcher.len() + skipped.len() != webhooks {
            return Err(self.lines.damaged("two webhooks of the tenant have the same id"));
        }
        if let Some(all) = &mut self.skipped {
            all.append(&mut skipped);
        }
        Ok((tenant, state))
    }

    /// Adds the webhook of the current line to its tenant, or returns why the rules refuse it.
    fn webhook(&self, tenant: &TenantId, state: &mut State) -> Result<(), String> {
        let webhook = WebhookDocument::read(&self.lines.line)
            .and_then(|document| Webhook::restore(&document, &self.policy.rules))
            .map_err(|problems| problems.to_string())?;
        let added = self.policy.add(tenant, state, Arc::new(webhook));
        added.map_err(|error: ChangeError| error.to_string())
    }

    /// Reads the line with a tenant's checksum, and compares it with that of the lines before.
    fn checksum(
        &mut self,
        tenant: &TenantId,
        crc: &crc32fast::Hasher,
    ) -> Result<(), SnapshotError> {
        self.lines.next()?;
        let written: Option<Checksum<'_>> = serde_json::from_slice(&self.lines.line).ok();
        if written.is_none_or(|written| written.crc32 != checksum(crc)) {
            let message =
                format!("the checksum of tenant `{}` does not match", quote(tenant.as_str()));
            return Err(self.lines.damaged(message));
        }
        Ok(())
    }
}

/// The lines of the input, of which one is held at a time.
struct Lines<R> {
    input: R,
    /// The current line with its line feed.
    line: Vec<u8>,
    /// The number of the current line, counted from 1.
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line.
    fn next(&mut self) -> Result<(), SnapshotError> {
        self.line.clear();
        self.number += 1;
        // `take` bounds what a damaged stream without line feeds can make this hold.
        let read = self.input.by_ref().take(LONGEST).read_until(b'\n', &mut self.line);
        if let Err(source) = read {
            let error = self.error(SnapshotErrorKind::Io, "the snapshot could not be read");
            return Err(SnapshotError { source: Some(source), ..error });
        }
        if self.line.last() != Some(&b'\n') {
            let long = self.line.len() as u64 == LONGEST;
            let message = if long { "the line is too long" } else { "the snapshot is truncated" };
            return Err(match self.number {
                1 => self.error(SnapshotErrorKind::NotASnapshot, message),
                _ => self.damaged(message),
            });
        }
        Ok(())
    }

    /// Reports the webhook of the current line as refused. Its id is read on its own, since the
    /// rest of the line may not be a webhook.
    fn skipped(&self, tenant: &TenantId, message: String) -> Refused {
        #[derive(Deserialize)]
        struct Identified<'a> {
            #[serde(borrow)]
            id: Cow<'a, str>,
        }
        let webhook: Option<Identified<'_>> = serde_json::from_slice(&self.line).ok();
        Refused {
            tenant: tenant.clone(),
            id: webhook.map(|webhook| WebhookId::from(&*webhook.id)),
            diagnostic: (&self.error(SnapshotErrorKind::Invalid, message)).into(),
        }
    }

    fn error(&self, kind: SnapshotErrorKind, message: impl Into<Box<str>>) -> SnapshotError {
        SnapshotError { kind, line: self.number, message: message.into(), source: None }
    }

    fn damaged(&self, message: impl Into<Box<str>>) -> SnapshotError {
        self.error(SnapshotErrorKind::Damaged, message)
    }
}
