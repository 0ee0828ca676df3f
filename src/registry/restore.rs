//! Reading a snapshot: strictly, or skipping the webhooks that the rules refuse.

use super::rules::Policy;
use super::snapshot::{Checksum, End, FORMAT, Header, LONGEST, Section, VERSION, checksum};
use super::sync::PoisonError;
use super::tenant::State;
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
    /// Loads the tenants of a snapshot, up to its last line: all of them, or none where anything is wrong with it. One
    /// that is loaded is replaced if the snapshot's revision is above its own.
    ///
    /// A registry of the same rules reads back whatever a registry accepted. Where the rules were
    /// changed since, [`read_snapshot_skipping`](Self::read_snapshot_skipping) loads all but the
    /// webhooks that they refuse.
    ///
    /// Costs what reading the webhooks and inserting them costs; memory for the webhooks and their
    /// index, and one line. The rules stay as they are until it returns.
    ///
    /// # Errors
    ///
    /// A [`SnapshotError`] with the line in which the first fault was found.
    pub fn read_snapshot(&self, input: impl BufRead) -> Result<Loaded, SnapshotError> {
        self.read(input, None)
    }

    /// As [`read_snapshot`](Self::read_snapshot), but skips webhooks that the registry's rules refuse,
    /// and reports them.
    ///
    /// For a start after the rules were changed: one webhook with an event type that the catalogue
    /// has no more does not keep all tenants from being loaded. Damage is an error here, too.
    ///
    /// ```
    /// use hooksieve::registry::{Registry, SnapshotErrorKind};
    /// use hooksieve::webhook::{Catalogue, NewWebhook, WebhookDocument, Rules, Webhook};
    /// # let now = std::time::UNIX_EPOCH.into();
    ///
    /// let old = Rules::default();
    /// let registry = Registry::new(&old);
    /// let draft = WebhookDocument::read(br#"{"name": "n", "url": "https://hooks.example.com/",
    ///     "eventTypes": ["com.qlik.v1.app.created"]}"#)?;
    /// let webhook = Webhook::create(&draft, &old, NewWebhook::new("w1", "u1", now))?.webhook;
    /// registry.load("t1", [webhook])?;
    /// let mut snapshot = Vec::new();
    /// registry.write_snapshot(&mut snapshot)?;
    ///
    /// let catalogue = Catalogue::read(br#"{"data": [{"name": "com.example.order.paid"}]}"#)?;
    /// let registry = Registry::new(&Rules::new(old.profile().clone(), catalogue));
    /// assert_eq!(registry.read_snapshot(&*snapshot).unwrap_err().kind(), SnapshotErrorKind::Invalid);
    /// let restored = registry.read_snapshot_skipping(&*snapshot)?;
    /// assert_eq!((restored.tenants, restored.webhooks), (1, 0));
    /// let skipped = &restored.skipped[0];
    /// assert_eq!(skipped.tenant.as_str(), "t1");
    /// assert_eq!((skipped.diagnostic.line(), skipped.diagnostic.code()), (Some(3), "snapshot-invalid-webhook"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`read_snapshot`](Self::read_snapshot), without those of kind
    /// [`Invalid`](SnapshotErrorKind::Invalid) that are about a webhook. Nothing is loaded then.
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
        // With the policy fixed, nothing can be refused once the first tenant is loaded.
        let _replacing = self.0.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = self.0.policy.load_full();
        let lines = Lines { input, line: Vec::new(), number: 0, crc: None };
        let mut reading = Reading { registry: self, policy: &policy, lines, skipped };
        reading.header()?;
        let states = reading.sections()?;
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
    /// Where invalid webhooks are put; `None` where they are an error.
    skipped: Option<&'r mut Vec<Refused>>,
}

impl<R: BufRead> Reading<'_, R> {
    fn header(&mut self) -> Result<(), SnapshotError> {
        self.lines.next()?;
        let header: Option<Header<'_>> = serde_json::from_slice(&self.lines.line).ok();
        let version = match header {
            Some(Header { format, version }) if format == FORMAT => version,
            _ => {
                let message = "this is not the beginning of a snapshot";
                return Err(self.lines.error(SnapshotErrorKind::NotASnapshot, message));
            }
        };
        if version.as_u64() == Some(VERSION) {
            return Ok(());
        }
        // A number that no integer of ours holds may be a later version all the same.
        let is_newer =
            |version: &Number| version.as_f64().is_some_and(|version| version > VERSION as f64);
        let (kind, message) = match &version {
            Value::Number(number) if is_newer(number) => (
                SnapshotErrorKind::Newer,
                format!("the snapshot is of version {number}, this crate reads {VERSION}"),
            ),
            Value::Number(number) => (
                SnapshotErrorKind::NotASnapshot,
                format!("there is no version {number} of snapshots, this crate reads {VERSION}"),
            ),
            _ => (
                SnapshotErrorKind::NotASnapshot,
                format!("the version of the snapshot is not a number, this crate reads {VERSION}"),
            ),
        };
        Err(self.lines.error(kind, message))
    }

    /// Reads all tenants and the last line.
    fn sections(&mut self) -> Result<Vec<(TenantId, State)>, SnapshotError> {
        let mut states: Vec<(TenantId, State)> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            self.lines.crc = None;
            self.lines.next()?;
            if let Ok(End { end: true, tenants }) = serde_json::from_slice(&self.lines.line) {
                if tenants != states.len() {
                    let message = format!("{} of {tenants} tenants are there", states.len());
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

    /// Reads a tenant, the lines being at its first one.
    fn section(&mut self) -> Result<(TenantId, State), SnapshotError> {
        let lines = &mut self.lines;
        let Ok(Section { tenant, revision, webhooks }) = serde_json::from_slice(&lines.line) else {
            return Err(lines.damaged("expected a tenant or the end"));
        };
        let tenant = TenantId::from(&*tenant);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&lines.line);
        lines.crc = Some(crc);
        let empty = self.registry.0.empty(self.policy, &tenant, revision);
        let mut state =
            empty.map_err(|error| lines.error(SnapshotErrorKind::Invalid, error.to_string()))?;
        // What is wrong with a webhook is reported only once it is known to be what was written.
        let (mut invalid, mut skipped) = (None, Vec::new());
        for _ in 0..webhooks {
            self.lines.next()?;
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
        self.checksum(&tenant)?;
        if let Some(error) = invalid {
            return Err(error);
        }
        if state.matcher.len() + skipped.len() != webhooks {
            return Err(self.lines.damaged("two webhooks of the tenant have the same id"));
        }
        if let Some(all) = &mut self.skipped {
            all.append(&mut skipped);
        }
        Ok((tenant, state))
    }

    /// Adds the webhook in the line to its tenant, or says what is wrong with it.
    fn webhook(&self, tenant: &TenantId, state: &mut State) -> Result<(), String> {
        let read = WebhookDocument::read(&self.lines.line)
            .and_then(|draft| Webhook::restore(&draft, &self.policy.rules))
            .map_err(|problems| problems.to_string())?;
        let added = self.policy.add(tenant, state, Arc::new(read));
        added.map_err(|error: ChangeError| error.to_string())
    }

    /// Reads the checksum of a tenant's lines and compares it with theirs.
    fn checksum(&mut self, tenant: &TenantId) -> Result<(), SnapshotError> {
        let crc = self.lines.crc.take().unwrap_or_default();
        self.lines.next()?;
        let written: Option<Checksum<'_>> = serde_json::from_slice(&self.lines.line).ok();
        if written.is_none_or(|written| written.crc32 != checksum(&crc)) {
            let message = format!("tenant `{}` is not as it was written", quote(tenant.as_str()));
            return Err(self.lines.damaged(message));
        }
        Ok(())
    }
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

    /// The webhook in this line, as it is reported.
    fn skipped(&self, tenant: &TenantId, message: String) -> Refused {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            id: Cow<'a, str>,
        }
        let named: Option<Named<'_>> = serde_json::from_slice(&self.line).ok();
        Refused {
            tenant: tenant.clone(),
            id: named.map(|named| WebhookId::from(&*named.id)),
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
