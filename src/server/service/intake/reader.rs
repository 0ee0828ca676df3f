//! Reads an event and matches it: what the store needs of it, or why it is refused.
//!
//! An event costs a few microseconds here, so a request with few bytes is read on the thread that
//! serves its connection. One with many is read on a blocking thread.

use super::Submission;
use super::place::Place;
use super::submission::Sent;
use crate::server::keys;
use crate::server::service::problem::Problem;
use crate::server::store::contract::outbox::EventId;
use bytes::Bytes;
use hooksieve::diagnostic::{Diagnostic, excerpt};
use hooksieve::event::{EventType, ShapeCache, TenantId};
use hooksieve::matcher::Access;
use hooksieve::registry::{Registry, Session};
use hooksieve::webhook::WebhookId;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The maximum size of an event in bytes.
const MAX_EVENT: usize = 1 << 20;

/// The maximum length of an event's type, tenant and source in bytes. They are kept beside the event,
/// and a list of events shows them.
const MAX_NAME: usize = 2_048;

/// The maximum length of an event's own id, as it is used in addresses.
const MAX_ID: usize = 128;

/// The maximum size of a body that is read on the thread of its connection: some hundred small events.
const MAX_INLINE: usize = 16 << 10;

/// An event that can be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    /// The tenant.
    pub(super) tenant: TenantId,
    /// The type.
    pub(super) event_type: EventType,
    /// The source; empty if there is none.
    pub(super) source: Box<str>,
    /// The event's own id, if it can be used in an address.
    pub(super) own_id: Option<EventId>,
    /// A digest of the source and the id; `None` without an id.
    pub(super) key: Option<[u8; 32]>,
    /// The bytes.
    pub(super) body: Bytes,
    /// The tenant's revision at which the event was matched.
    pub(super) revision: u64,
    /// The webhooks that want it.
    pub(super) webhooks: Vec<WebhookId>,
}

/// Reads and matches events. Clones share state.
#[derive(Clone)]
pub(super) struct Reader {
    registry: Registry,
    /// What matching reuses; one for each thread that matches at the same time.
    idle: Arc<Mutex<Vec<Matching>>>,
    /// The permits to read large bodies.
    reading: Arc<Semaphore>,
}

struct Matching {
    session: Session,
    shapes: ShapeCache,
}

/// The members of an event by which duplicates are recognized.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'e> {
    #[serde(borrow, default)]
    source: Option<&'e RawValue>,
    #[serde(borrow, default)]
    id: Option<&'e RawValue>,
    #[serde(borrow, default)]
    event_id: Option<&'e RawValue>,
    #[serde(borrow, default, rename = "eventID")]
    legacy_id: Option<&'e RawValue>,
}

/// A value by which duplicates are recognized.
#[derive(Clone, Copy, Debug)]
enum Part<'e> {
    /// A string.
    Text(&'e str),
    /// The JSON text of a value of another kind. Values that are written differently differ, so
    /// that none is taken for a duplicate that is not.
    Json(&'e str),
}

impl Reader {
    /// Creates a reader that reads at most `reading` large bodies at once.
    pub(super) fn new(registry: Registry, reading: usize) -> Self {
        Self { registry, idle: Arc::default(), reading: Arc::new(Semaphore::new(reading)) }
    }

    /// Reads and matches the events of a submission. `only` is the tenant that they must have.
    pub(super) async fn read(
        &self,
        submission: Submission,
        only: Option<TenantId>,
    ) -> Result<Vec<Result<Incoming, Diagnostic>>, Problem> {
        let bytes = submission.body.len();
        self.run(bytes, move |registry, matching| {
            let events = submission.split()?.into_iter();
            let only = only.as_ref();
            let read = |Sent { bytes, place }| {
                let read = matching.read(registry, bytes, (place, only));
                read.map_err(|error| place.locate(error))
            };
            Ok(events.map(read).collect())
        })
        .await
    }

    /// Matches events again.
    pub(super) async fn rematch(&self, events: Vec<Incoming>) -> Result<Vec<Incoming>, Problem> {
        let bytes = events.iter().map(|event| event.body.len()).sum();
        self.run(bytes, move |registry, matching| {
            let again = |event: Incoming| matching.read(registry, event.body, (Place::Body, None));
            let again = events.into_iter().map(again);
            // They were read before, and reading does not depend on the webhooks.
            again.collect::<Result<_, _>>().map_err(|error| Problem::Internal(error.to_string()))
        })
        .await
    }

    /// Runs work on bodies with a number of bytes: here, or on a blocking thread if it takes long.
    async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Registry, &mut Matching) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        if bytes <= MAX_INLINE {
            return self.with(work);
        }
        let internal = |error: String| Problem::Internal(error);
        let permit = Arc::clone(&self.reading).acquire_owned().await;
        let permit = permit.map_err(|error| internal(error.to_string()))?;
        let reader = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            reader.with(work)
        });
        read.await.map_err(|error| internal(error.to_string()))?
    }

    fn with<T>(&self, work: impl FnOnce(&Registry, &mut Matching) -> T) -> T {
        let lock = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = lock().pop();
        let new = || Matching { session: self.registry.session(), shapes: ShapeCache::default() };
        let mut matching = idle.unwrap_or_else(new);
        let result = work(&self.registry, &mut matching);
        lock().push(matching);
        result
    }
}

impl Matching {
    fn read(
        &mut self,
        registry: &Registry,
        body: Bytes,
        (place, only): (Place, Option<&TenantId>),
    ) -> Result<Incoming, Diagnostic> {
        if body.len() > MAX_EVENT {
            let with = if place == Place::Base64 { " with its data in Base64" } else { "" };
            let what = format!("the event{with} is larger than {MAX_EVENT} bytes");
            return Err(Diagnostic::error("event-too-large", what, "send a smaller event"));
        }
        let event = registry.profile().read_event_with(&body, &mut self.shapes);
        let event = event.map_err(|error| place.unread(error))?;
        check_tenant(event.tenant(), place, only)?;
        let head = head(&body)?;
        let source = head.source();
        for (what, name) in [
            (place.attribute("`ce-type`", "the event's type"), event.event_type()),
            (place.attribute("`ce-tenantid`", "the event's tenant"), event.tenant()),
            (place.attribute("`ce-source`", "the event's source"), &source),
        ] {
            if name.len() > MAX_NAME {
                let what = format!("{what} is longer than {MAX_NAME} bytes");
                return Err(Diagnostic::error("event-name-too-long", what, "shorten it"));
            }
        }
        // A tenant that is not loaded has no webhooks. It is not loaded here: its name is the event's,
        // so there is no limit of their number.
        let (revision, webhooks) = match self.session.matches(&event, Access::EventOwner) {
            Ok(found) => (found.revision(), found.webhooks().map(|hit| hit.id().clone()).collect()),
            Err(_) => (0, Vec::new()),
        };
        let id = event.id().filter(|id| !id.is_empty());
        let own_id = id.filter(|id| is_public(id)).map(|id| EventId(id.into()));
        let part = id.map(Part::Text).or_else(|| head.other_id());
        let key = part.map(|id| key(head.source_part(&source), id));
        let (tenant, event_type) = (event.tenant().into(), event.event_type().into());
        // It borrows the bytes, which are moved.
        drop(event);
        Ok(Incoming { tenant, event_type, source, own_id, key, body, revision, webhooks })
    }
}

/// Checks that an event of a tenant may be sent. `only` is the tenant of the key, unless it may send
/// events of any.
fn check_tenant(tenant: &str, place: Place, only: Option<&TenantId>) -> Result<(), Diagnostic> {
    let what = place.attribute("`ce-tenantid`", "the tenant of the event");
    let shown = excerpt(tenant, 80);
    let Some(only) = only else {
        // No caller could ever see what became of the event.
        return keys::check_tenant(tenant).map_err(|why| {
            let what = format!("{what} is `{shown}`: {why}");
            Diagnostic::error("event-tenant-invalid", what, "send the id of one tenant")
        });
    };
    if tenant == only.as_str() {
        return Ok(());
    }
    let what = format!("{what} is `{shown}`, that of the API key `{}`", excerpt(only.as_str(), 80));
    let help = "send it with an API key of its tenant";
    Err(Diagnostic::error("event-other-tenant", what, help))
}

/// Reads the members of an event that was read before.
fn head(body: &[u8]) -> Result<Head<'_>, Diagnostic> {
    // The event is an object and well-formed, and a duplicate of a key of its id was refused, so the
    // only possible error is a duplicate of the other member.
    serde_json::from_slice(body).map_err(|_| {
        let help = "send each key once: readers of JSON disagree on which one counts";
        Diagnostic::error("event-duplicate-key", "duplicate key `source`", help)
    })
}

impl<'e> Head<'e> {
    /// Returns the source; empty if it is not a string.
    fn source(&self) -> Box<str> {
        let text = self.source.and_then(|source| serde_json::from_str(source.get()).ok());
        text.unwrap_or_default()
    }

    /// Returns the value of the source, whose text is given if it is a string. An absent source, or
    /// null, counts as empty.
    fn source_part<'s>(&'s self, text: &'s str) -> Part<'s> {
        let other = self.source.filter(|source| is_other(source));
        other.map_or(Part::Text(text), |source| Part::Json(source.get()))
    }

    /// Returns the value of an id that is not a string.
    fn other_id(&self) -> Option<Part<'e>> {
        let ids = [self.id, self.event_id, self.legacy_id];
        let other = ids.into_iter().flatten().find(|id| is_other(id));
        other.map(|id| Part::Json(id.get()))
    }
}

/// Returns whether a value is not a string.
fn is_other(value: &RawValue) -> bool {
    !value.get().starts_with('"')
}

/// Returns whether an event's own id can be used in an address.
fn is_public(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(fits) && !matches!(id, "." | "..")
}

/// Returns the digest by which duplicates are recognized.
fn key(source: Part<'_>, id: Part<'_>) -> [u8; 32] {
    // The length separates the two: otherwise `a` and `bc` would be `ab` and `c`. Its highest bits,
    // which no length has, separate the string `"1"` from the number 1.
    let ((source, first), (id, second)) = (source.marked(1 << 63), id.marked(1 << 62));
    let length = (source.len() as u64 | first | second).to_be_bytes();
    let digest = Sha256::new().chain_update(length).chain_update(source).chain_update(id);
    digest.finalize().into()
}

impl<'e> Part<'e> {
    /// Returns the text, and the mark if it is not a string.
    fn marked(self, mark: u64) -> (&'e str, u64) {
        match self {
            Self::Text(text) => (text, 0),
            Self::Json(text) => (text, mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Part::{Json, Text};
    use super::{head, is_public, key};

    #[test]
    fn uses_own_ids_in_addresses_only_if_they_fit() {
        for id in ["a", "A-b_c.d~e:1", "...", &"x".repeat(128)] {
            assert!(is_public(id), "{id}");
        }
        for id in ["", "a/b", "a b", "ä", "%41", ".", "..", "a?b", &"x".repeat(129)] {
            assert!(!is_public(id), "{id}");
        }
    }

    #[test]
    fn recognizes_the_same_source_and_id() {
        assert_eq!(key(Text("a"), Text("bc")), key(Text("a"), Text("bc")));
        assert_ne!(key(Text("a"), Text("bc")), key(Text("ab"), Text("c")));
        assert_ne!(key(Text(""), Text("a")), key(Text("a"), Text("")));
        let parts = [Text("1"), Json("1")];
        let keys = parts.map(|source| parts.map(|id| key(source, id)));
        let keys: std::collections::HashSet<_> = keys.into_iter().flatten().collect();
        assert_eq!(keys.len(), 4);
    }

    #[test]
    fn reads_the_source_that_is_a_string() {
        for (event, expected) in [
            (r#"{"source":"a\u0062","data":{"source":"x"}}"#, "ab"),
            (r#"{"source":5}"#, ""),
            (r#"{"source":null}"#, ""),
            (r#"{}"#, ""),
        ] {
            assert_eq!(&*head(event.as_bytes()).unwrap().source(), expected);
        }
        let error = head(br#"{"source":"a","source":"b"}"#).err().unwrap();
        assert_eq!(error.code(), "event-duplicate-key");
    }
}
