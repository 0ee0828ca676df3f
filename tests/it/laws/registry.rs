//! Laws of the registry: random programs like a simple reference, and snapshots of any bytes.

use super::history::{Choices, filter_text};
use hooksieve::delivery::RequestBuilder;
use hooksieve::event::{Event, EventType, TenantId};
use hooksieve::matcher::{Access, Matcher, Scratch, Slot, Subscription, Verdict};
use hooksieve::registry::{ChangeError, ChangeErrorKind, Limits, Refused, Registry, subscription};
use hooksieve::webhook::{
    Catalogue, Edit, Level, NewWebhook, Patch, Rules, Webhook, WebhookDocument, WebhookId,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

static RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

const TENANTS: [&str; 3] = ["t1", "t2", "T1"];
const TYPES: [&str; 3] =
    ["com.qlik.v1.app.created", "com.qlik.v1.app.exported", "com.qlik.v1.app.reload.finished"];
const USERS: [&str; 3] = ["u1", "u2", ""];
/// The limit of webhooks per user.
const MAX: usize = 6;

/// A tenant of the reference: its revision, and each webhook with its subscription.
struct Tenant {
    revision: u64,
    webhooks: BTreeMap<String, (Webhook, Subscription)>,
    /// An index that a put changes only if it changes the subscription, and the slots in it.
    matcher: Matcher,
    slots: BTreeMap<String, Slot>,
}

impl Tenant {
    /// Creates a tenant as a load does, which indexes every webhook.
    fn load(tenant: &str, revision: u64, all: Vec<Webhook>) -> Self {
        let matcher = Matcher::new(RULES.profile());
        let (webhooks, slots) = (BTreeMap::new(), BTreeMap::new());
        let mut new = Self { revision, webhooks, matcher, slots };
        for webhook in all {
            new.insert(tenant, webhook);
        }
        new
    }

    fn insert(&mut self, tenant: &str, webhook: Webhook) -> Option<Webhook> {
        let subscription = subscription(&webhook, &TenantId::from(tenant), RULES.catalogue());
        let id = webhook.id().to_string();
        let slot = self.matcher.insert(&subscription).expect("there is room");
        if let Some(old) = self.slots.insert(id.clone(), slot) {
            assert!(self.matcher.remove(old));
        }
        self.webhooks.insert(id, (webhook, subscription)).map(|(before, _)| before)
    }

    fn put(&mut self, tenant: &str, webhook: Webhook) -> Option<Webhook> {
        let subscription = subscription(&webhook, &TenantId::from(tenant), RULES.catalogue());
        match self.webhooks.get_mut(webhook.id().as_str()) {
            Some((old, same)) if *same == subscription => Some(std::mem::replace(old, webhook)),
            _ => self.insert(tenant, webhook),
        }
    }

    /// Returns whether the limit per user allows a webhook.
    fn has_room(&self, webhook: &Webhook) -> bool {
        let by = |webhook: &Webhook| webhook.created().by.as_ref().map(|user| user.to_string());
        let before = self.webhooks.get(webhook.id().as_str()).and_then(|(before, _)| by(before));
        let user = by(webhook);
        before == user || self.created_by(user.as_deref()) < MAX
    }

    fn remove(&mut self, id: &str) -> Option<Webhook> {
        if let Some(slot) = self.slots.remove(id) {
            assert!(self.matcher.remove(slot));
        }
        self.webhooks.remove(id).map(|(webhook, _)| webhook)
    }

    /// Returns the webhooks that match, in the order of their slots.
    fn matches(&self, event: &Event<'_>, access: Access<'_>) -> Vec<String> {
        let ids: BTreeMap<Slot, &String> =
            self.slots.iter().map(|(id, slot)| (*slot, id)).collect();
        let mut scratch = Scratch::default();
        let slots = self.matcher.matches(event, access, &mut scratch);
        slots.map(|slot| ids[&slot].clone()).collect()
    }

    fn created_by(&self, user: Option<&str>) -> usize {
        let by =
            |webhook: &Webhook| webhook.created().by.as_ref().map(|user| user.as_str().to_owned());
        self.webhooks.values().filter(|(webhook, _)| by(webhook).as_deref() == user).count()
    }
}

fn webhook(choices: &mut Choices<'_>) -> Webhook {
    let id = format!("w{}", choices.below(12));
    let kind = choices.below(4);
    let types = match kind {
        0 => vec![TYPES[2]],
        1 => vec![],
        _ => TYPES[..1 + choices.below(2)].to_vec(),
    };
    let text = filter_text(choices, 2);
    // `data.status` is valid only for one event type.
    let text = if kind != 0 && text.contains("status") { String::new() } else { text };
    let mut document = json!({
        "name": id, "url": "https://hooks.example.com/", "eventTypes": types, "filter": text,
        "enabled": choices.below(6) > 0, "enableCloudEventDelivery": choices.below(2) > 0,
    });
    if choices.below(3) == 0 {
        document["level"] = "user".into();
        document["ownerId"] = USERS[choices.below(2)].into();
    }
    if choices.below(3) == 0 {
        document["secret"] = "0123456789abcdef0123456789abcdef".into();
    }
    let user = *choices.pick(&["c1", "c2"]);
    let new = NewWebhook::new(id, user, std::time::UNIX_EPOCH.into());
    Webhook::create(&document.into(), &RULES, new).expect("a valid webhook").webhook
}

/// Returns a webhook with another name and the same subscription.
fn renamed(webhook: &Webhook) -> Webhook {
    let patch = Patch::read(br#"[{"op": "replace", "path": "/name", "value": "renamed"}]"#);
    let edit = Edit::new("c1", std::time::UNIX_EPOCH.into());
    let patched = webhook.patched(&patch.expect("a patch"), &RULES, edit);
    patched.expect("a valid webhook").webhook
}

/// Returns the bytes of an event in any envelope.
fn event(choices: &mut Choices<'_>) -> String {
    let (tenant, event_type) = (*choices.pick(&TENANTS), *choices.pick(&TYPES));
    let owner = *choices.pick(&USERS);
    let (space, status) =
        (*choices.pick(&["a", "b", "A", ""]), *choices.pick(&["ok", "error", "x"]));
    let data = json!({"id": choices.pick(&["a", "b", "A", ""]), "status": status});
    let event = match choices.below(3) {
        0 => {
            json!({"type": event_type, "tenantid": tenant, "ownerid": owner, "spaceid": space, "data": data})
        }
        1 => json!({"eventType": event_type, "data": data, "extensions":
            {"tenantId": tenant, "ownerId": owner, "spaceId": space}}),
        _ => json!({"type": event_type, "eventType": "x", "data": data, "extensions":
            {"tenantid": tenant, "ownerid": owner, "spaceid": space}}),
    };
    event.to_string()
}

/// Runs the program that `bytes` encode, and returns the number of matches.
///
/// It loads and evicts tenants, puts and removes webhooks with and without a revision, and matches
/// events. Every result must be that of the reference, and a snapshot must have all of it.
pub fn program(bytes: &[u8]) -> usize {
    // One for all programs, since creating one is expensive.
    static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(|| {
        Mutex::new(Registry::with_limits(&RULES, Limits::default().per_user(MAX)))
    });
    let registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    for tenant in TENANTS {
        registry.evict(&tenant.into());
    }
    let mut session = registry.session();
    let mut reference: BTreeMap<&str, Tenant> = BTreeMap::new();
    let mut choices = Choices(bytes);
    let mut hits = 0;
    while !choices.done() {
        let tenant = *choices.pick(&TENANTS);
        let revision = match choices.below(3) {
            0 => Some(match choices.below(200) {
                199 => u64::MAX,
                revision => revision as u64,
            }),
            _ => None,
        };
        let found = reference.get_mut(tenant);
        let is_last =
            revision.is_none() && found.as_ref().is_some_and(|found| found.revision == u64::MAX);
        if is_last {
            refuses_without_a_revision(&registry, tenant, &mut choices);
            if choices.below(4) == 0 {
                assert!(registry.evict(&tenant.into()) && reference.remove(tenant).is_some());
            }
            continue;
        }
        let next_revision = |tenant: &Tenant| match revision {
            Some(revision) => (revision > tenant.revision).then_some(revision),
            None => Some(tenant.revision + 1),
        };
        match choices.below(14) {
            0 => {
                let count = choices.below(8);
                let all: Vec<Webhook> = (0..count).map(|_| webhook(&mut choices)).collect();
                let change = match revision {
                    Some(revision) => registry.load_at(tenant, all.clone(), revision),
                    None => registry.load(tenant, all.clone()),
                };
                let change = change.expect("there is room");
                let next = match found {
                    Some(found) => next_revision(found),
                    None => Some(revision.unwrap_or(0)),
                };
                assert_eq!(
                    change.applied,
                    next.is_some(),
                    "a load is ignored unless its revision is above"
                );
                if let Some(revision) = next {
                    reference.insert(tenant, Tenant::load(tenant, revision, all));
                }
                assert_eq!(
                    change.revision, reference[tenant].revision,
                    "a change returns the tenant's revision"
                );
            }
            1 => {
                assert_eq!(
                    registry.evict(&tenant.into()),
                    reference.remove(tenant).is_some(),
                    "evicts a loaded one"
                )
            }
            2..6 => {
                let webhook = match &found {
                    Some(found) if choices.below(3) == 0 && !found.webhooks.is_empty() => {
                        let at = choices.below(found.webhooks.len());
                        let (webhook, _) = found.webhooks.values().nth(at).expect("it has one");
                        renamed(webhook)
                    }
                    _ => webhook(&mut choices),
                };
                let put = match revision {
                    Some(revision) => registry.put_at(&tenant.into(), webhook.clone(), revision),
                    None => registry.put(&tenant.into(), webhook.clone()),
                };
                let Some(found) = found else {
                    assert!(put.is_err(), "a tenant that is not loaded is an error");
                    continue;
                };
                let Some(revision) = next_revision(found) else {
                    let change = put.expect("ignored");
                    assert!(
                        !change.applied && change.revision == found.revision,
                        "ignored at its revision"
                    );
                    continue;
                };
                if !found.has_room(&webhook) {
                    assert!(put.is_err(), "the limit per user holds");
                    continue;
                }
                let change = put.expect("there is room");
                found.revision = revision;
                let before = found.put(tenant, webhook);
                assert!(
                    change.applied && change.revision == revision,
                    "a put is applied at its revision"
                );
                assert_eq!(
                    change.before.as_deref(),
                    before.as_ref(),
                    "a put returns what it replaced"
                );
            }
            6 | 7 => {
                let id = format!("w{}", choices.below(12));
                let id = WebhookId::from(id.as_str());
                let removed = match revision {
                    Some(revision) => registry.remove_at(&tenant.into(), &id, revision),
                    None => registry.remove(&tenant.into(), &id),
                };
                let Some(found) = found else {
                    assert!(removed.is_err(), "a tenant that is not loaded is an error");
                    continue;
                };
                let change = removed.expect("it is loaded");
                let next = next_revision(found);
                assert_eq!(
                    change.applied,
                    next.is_some(),
                    "a removal is ignored unless its revision is above"
                );
                if let Some(revision) = next {
                    found.revision = revision;
                    let before = found.remove(id.as_str());
                    assert_eq!(
                        change.before.as_deref(),
                        before.as_ref(),
                        "a removal returns what it removed"
                    );
                }
                assert_eq!(
                    change.revision, found.revision,
                    "a change returns the tenant's revision"
                );
            }
            8 => snapshot_has_everything(&registry, &reference),
            9 => reserves(&registry, (tenant, found), revision, &mut choices),
            _ => {
                let bytes = event(&mut choices);
                let event = RULES.profile().read_event(bytes.as_bytes()).expect("an event");
                let access = *choices.pick(&[Access::EventOwner, Access::Everyone]);
                let ids = delivered(&mut session, &bytes, access);
                let verdicts = registry.verdicts(&event, access);
                let Some(found) = reference.get(event.tenant()) else {
                    assert!(ids.is_none(), "a tenant that is not loaded is an error");
                    continue;
                };
                let (revision, mut ids) = ids.expect("it is loaded");
                assert_eq!(revision, found.revision, "recipients have the revision");
                assert_eq!(
                    ids,
                    found.matches(&event, access),
                    "a put that keeps the subscription keeps the slot"
                );
                ids.sort_unstable();
                assert_eq!(ids, expected(found, &event, access), "index and reference agree");
                let verdicts = verdicts.expect("it is loaded");
                assert_eq!(
                    verdicts.webhooks.len(),
                    found.webhooks.len(),
                    "every webhook has a verdict"
                );
                let is_match = |(_, verdict): &&(_, Verdict)| *verdict == Verdict::Matched;
                let mut hit: Vec<String> = verdicts
                    .webhooks
                    .iter()
                    .filter(is_match)
                    .map(|(w, _)| w.id().to_string())
                    .collect();
                hit.sort_unstable();
                assert_eq!(
                    (hit, verdicts.revision),
                    (ids.clone(), revision),
                    "index and verdicts agree"
                );
                hits += ids.len();
            }
        }
        for (tenant, found) in &reference {
            let stats = registry.stats(&(*tenant).into()).expect("it is loaded");
            assert_eq!(
                (stats.revision, stats.webhooks),
                (found.revision, found.webhooks.len()),
                "statistics"
            );
        }
    }
    snapshot_has_everything(&registry, &reference);
    hits
}

/// Reserves the next revision, or the given one if it is the next, and prepares a change that is
/// applied or dropped.
fn reserves(
    registry: &Registry,
    (tenant, found): (&str, Option<&mut Tenant>),
    revision: Option<u64>,
    choices: &mut Choices<'_>,
) {
    let id = TenantId::from(tenant);
    let reserved = match revision {
        Some(revision) => registry.reserve_at(&id, revision),
        None => registry.reserve(&id),
    };
    let Some(found) = found else {
        assert_eq!(reserved.unwrap_err().kind(), ChangeErrorKind::NotLoaded);
        return;
    };
    let kind = match revision {
        Some(revision) if revision <= found.revision => Some(ChangeErrorKind::OldRevision),
        Some(revision) if revision - found.revision > 1 => Some(ChangeErrorKind::RevisionGap),
        _ => None,
    };
    if let Some(kind) = kind {
        assert_eq!(reserved.unwrap_err().kind(), kind, "an old revision is not a gap");
        return;
    }
    let reserved = reserved.expect("the next revision");
    assert_eq!(reserved.revision(), found.revision + 1);
    let webhook = webhook(choices);
    let removes = choices.below(3) == 0;
    let prepared = match removes {
        true => reserved.remove(webhook.id()),
        false => reserved.put(webhook.clone()),
    };
    if !removes && !found.has_room(&webhook) {
        assert_eq!(prepared.unwrap_err().kind(), ChangeErrorKind::UserLimit);
        return;
    }
    let prepared = prepared.expect("there is room");
    let held = found.webhooks.get(webhook.id().as_str()).map(|(webhook, _)| webhook);
    let current = registry.get(&id, webhook.id());
    assert_eq!(current.as_deref(), held, "a prepared change is not visible");
    assert_eq!(prepared.before().map(|before| &**before), held);
    assert_eq!(prepared.after().map(|after| &**after), (!removes).then_some(&webhook));
    if choices.below(3) == 0 {
        return drop(prepared);
    }
    let change = prepared.apply();
    found.revision += 1;
    let before = match removes {
        true => found.remove(webhook.id().as_str()),
        false => found.put(tenant, webhook),
    };
    assert_eq!((change.applied, change.revision), (true, found.revision));
    assert_eq!(change.before.as_deref(), before.as_ref(), "it returns what it replaced");
}

/// Checks that a change without a revision is refused at `u64::MAX`, and changes nothing.
fn refuses_without_a_revision(registry: &Registry, tenant: &str, choices: &mut Choices<'_>) {
    let before = registry.stats(&tenant.into());
    let error = match choices.below(4) {
        3 => registry.reserve(&tenant.into()).expect_err("no next revision"),
        0 => registry.put(&tenant.into(), webhook(choices)).expect_err("no next revision"),
        1 => registry.remove(&tenant.into(), &"w1".into()).expect_err("no next revision"),
        _ => registry.load(tenant, []).expect_err("no next revision"),
    };
    assert_eq!(error.kind(), ChangeErrorKind::NoRevision);
    assert_eq!(registry.stats(&tenant.into()), before, "the tenant is unchanged");
}

fn expected(tenant: &Tenant, event: &Event<'_>, access: Access<'_>) -> Vec<String> {
    let all = tenant.webhooks.iter();
    let hit = all.filter(|(_, (_, subscription))| subscription.matches(event, access));
    hit.map(|(id, _)| id.clone()).collect()
}

/// Returns the revision and the webhooks of the requests for an event, whose bodies it checks.
fn delivered(
    session: &mut hooksieve::registry::Session,
    bytes: &str,
    access: Access<'_>,
) -> Option<(u64, Vec<String>)> {
    let requests = session.deliveries(&RequestBuilder::default(), bytes.to_owned(), access).ok()?;
    let revision = requests.revision();
    let payload = requests.payload().clone();
    let mut ids = Vec::new();
    for request in requests {
        let webhook = request.webhook();
        let body = payload.body(webhook.envelope());
        assert_eq!(request.body(), body, "the envelope that the webhook takes");
        assert_eq!(request.header("qlik-signature").is_some(), webhook.secret().is_some());
        ids.push(webhook.id().to_string());
    }
    Some((revision, ids))
}

fn snapshot_has_everything(registry: &Registry, reference: &BTreeMap<&str, Tenant>) {
    let mut bytes = Vec::new();
    registry.write_snapshot(&mut bytes).expect("a vector takes all");
    EMPTY.with(|[read, _]| {
        let loaded = read.read_snapshot(&*bytes).expect("what was written can be read");
        assert_eq!(loaded.tenants, reference.len(), "the snapshot has every tenant");
        assert_eq!(registry.tenants().len(), reference.len(), "the registry has every tenant");
        for (name, tenant) in reference {
            let mut webhooks = read.webhooks(&(*name).into()).expect("it is loaded");
            webhooks.sort_unstable_by(|a, b| a.id().cmp(b.id()));
            let held: Vec<&Webhook> =
                tenant.webhooks.values().map(|(webhook, _)| webhook).collect();
            assert_eq!(
                webhooks.iter().map(|webhook| &**webhook).collect::<Vec<_>>(),
                held,
                "the snapshot has every webhook"
            );
            let revision = read.stats(&(*name).into()).expect("it is loaded").revision;
            assert_eq!(revision, tenant.revision, "the snapshot has the revision");
        }
        for name in reference.keys() {
            read.evict(&(*name).into());
        }
    });
}

thread_local! {
    /// Registries without tenants, kept since creating one is expensive.
    static EMPTY: [Registry; 2] = [Registry::new(&RULES), Registry::new(&RULES)];
    static THREADED: Registry = Registry::new(&RULES);
}

/// Any bytes are a snapshot, or refused with a line. A snapshot is written as it was read.
pub fn snapshot(bytes: &[u8]) {
    EMPTY.with(|[registry, again]| {
        for bytes in [bytes, &sealed(bytes)] {
            THREADED.with(|threaded| reads_on_threads(again, threaded, bytes));
            for tenant in read(registry, again, bytes) {
                registry.evict(&tenant);
                again.evict(&tenant);
            }
        }
    });
}

/// Checks that threads read a snapshot as one thread does, with the slots in the same order.
pub fn reads_on_threads(one: &Registry, threaded: &Registry, bytes: &[u8]) {
    let both = |skips: bool| {
        let restore = |registry: &Registry, threads: usize| {
            let restore = registry.restore(bytes);
            let restore = if skips { restore.skipping() } else { restore };
            let loaded = match threads {
                1 => restore.read(),
                _ => restore.read_on(|work| {
                    std::thread::scope(|scope| {
                        (0..threads).for_each(|_| drop(scope.spawn(work)));
                    });
                }),
            };
            loaded.map_err(|error| (error.kind(), error.to_string()))
        };
        assert_eq!(restore(threaded, 3), restore(one, 1), "threads change no result");
        let tenants = one.tenants();
        assert_eq!(threaded.tenants().len(), tenants.len());
        for tenant in &tenants {
            assert_eq!(threaded.webhooks(tenant), one.webhooks(tenant), "in the order of slots");
            assert!(one.evict(tenant) && threaded.evict(tenant));
        }
    };
    both(false);
    both(true);
}

fn read(registry: &Registry, again: &Registry, bytes: &[u8]) -> Vec<TenantId> {
    let tenants = |loaded| {
        let tenants = registry.tenants();
        assert_eq!(tenants.len(), loaded, "all or nothing");
        tenants
    };
    let loaded = match registry.read_snapshot(bytes) {
        Ok(loaded) => loaded,
        Err(error) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&error.line()), "an error names a line of the input");
            return tenants(0);
        }
    };
    let tenants = tenants(loaded.tenants);
    let mut written = Vec::new();
    registry.write_snapshot(&mut written).expect("what was read can be written");
    assert_eq!(again.read_snapshot(&*written).ok(), Some(loaded), "and read again");
    for tenant in &tenants {
        let all = |registry: &Registry| {
            let mut all = registry.webhooks(tenant).expect("it is loaded");
            all.sort_unstable_by(|a: &Arc<Webhook>, b| a.id().cmp(b.id()));
            all
        };
        assert_eq!(all(registry), all(again), "as it was read");
    }
    tenants
}

/// Returns the lines as the webhooks of a tenant with a right checksum, which no fuzzer would find.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let mut section = json!({"tenant": "t", "revision": 1, "webhooks": lines.len()}).to_string();
    section.push('\n');
    let mut section = section.into_bytes();
    for line in lines {
        section.extend_from_slice(line);
        section.push(b'\n');
    }
    let sum = format!("{{\"crc32\":\"{:08x}\"}}\n", crc32fast::hash(&section));
    let head = "{\"format\":\"hooksieve-snapshot\",\"version\":1}\n";
    let end = "{\"end\":true,\"tenants\":1}\n";
    [head.as_bytes(), &section, sum.as_bytes(), end.as_bytes()].concat()
}

/// Rules with one profile and different catalogues: event types are missing, support only one
/// level, or have other names.
static CATALOGUES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let reload = "com.qlik.v1.app.reload.finished";
    let all = [
        json!([{"name": "a"}, {"name": "b"}, {"name": reload}]),
        json!([{"name": "a"}, {"name": reload}]),
        json!([{"name": "a", "levels": ["tenant"]}, {"name": "b", "levels": ["user"]}]),
        json!([{"name": "b", "newerName": reload}, {"name": "a", "newerName": "c"}]),
        json!([{"name": "a", "newerName": "b"}, {"name": "c", "levels": []}]),
        json!([{"name": "c", "newerName": "a"}, {"name": reload, "newerName": "b"}]),
    ];
    let catalogues = all.map(|types| {
        let text = json!({"data": types}).to_string();
        let catalogue = Catalogue::read(text.as_bytes()).expect("a catalogue");
        [catalogue.with_renames(true), catalogue]
    });
    let rules = |(at, catalogue)| {
        Rules::new(RULES.profile().clone(), catalogue).with_development(at % 3 == 0)
    };
    catalogues.into_iter().flatten().enumerate().map(rules).collect()
});

/// Returns a webhook with unusual ids and texts that some rules of [`CATALOGUES`] accept, with the
/// number of these rules. It is created or read.
fn odd_webhook(choices: &mut Choices<'_>) -> Option<(usize, Webhook)> {
    let made_by = choices.below(CATALOGUES.len());
    let rules = &CATALOGUES[made_by];
    let types = ["a", "b", "c", "com.qlik.v1.app.reload.finished"];
    let types: Vec<&str> = (0..choices.below(3)).map(|_| *choices.pick(&types)).collect();
    let text = *choices.pick(&["a", "", " ", "\u{1}\u{2028}\"\\", "ä€𝄞"]);
    let filters =
        ["", " ", "id eq \"a\"", "data.status eq \"ok\"", "id ne \"a\" or data.status ne \"ok\""];
    let mut document = json!({
        "name": format!("n{text}"), "eventTypes": types, "filter": choices.pick(&filters),
        "url": choices.pick(&["https://a.example/", "https://A.example:443/ü?x#y", "http://localhost:1/"]),
        "enabled": choices.below(4) > 0, "enableCloudEventDelivery": choices.below(2) > 0,
        "description": text, "headers": {"X-A": "v"}, "origin": "automations",
    });
    if choices.below(2) == 0 {
        document["level"] = Level::User.as_str().into();
    }
    match choices.below(4) {
        0 => document["secret"] = "0123456789abcdef0123456789abcdef".into(),
        1 => document["encryptedHeaders"] = json!({"X-B": "v"}),
        _ => {}
    }
    let id = choices.pick(&["w1", "w2", "w3", "w4", "w5", "ä\n", ""]);
    if choices.below(2) == 0 {
        let new = NewWebhook::new(*id, text, std::time::UNIX_EPOCH.into());
        let new = if choices.below(2) == 0 { new.of_tenant("t") } else { new };
        return Webhook::create(&document.into(), rules, new)
            .ok()
            .map(|made| (made_by, made.webhook));
    }
    document["id"] = (*id).into();
    document["disabledReason"] = text.into();
    document["createdAt"] = "2026-01-31T09:00:00.000000001Z".into();
    match choices.below(4) {
        0 => document["createdByUserId"] = text.into(),
        1 => document["secretKeyAdded"] = true.into(),
        2 => document["encryptedHeaders"] = json!(["X-B"]),
        _ => document["tenantId"] = (*choices.pick(&["t", "u"])).into(),
    }
    Webhook::read(&document.into(), rules).ok().map(|made| (made_by, made.webhook))
}

/// The webhooks that one run of [`accepted_is_readable`] covered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    pub accepted: usize,
    pub refused: usize,
    /// The webhooks that other rules refused, and that were kept or skipped.
    pub outdated: usize,
}

/// A registry reads back every webhook that a registry with the same rules accepted.
///
/// With other rules it keeps every webhook that they accept. Reading the snapshot skips the others,
/// and replacing the rules reports them.
pub fn accepted_is_readable(bytes: &[u8]) -> Kept {
    let mut choices = Choices(bytes);
    let (first, second) = (choices.below(CATALOGUES.len()), choices.below(CATALOGUES.len()));
    let (old, new) = (&CATALOGUES[first], &CATALOGUES[second]);
    let mut kept = Kept::default();
    POOL.with(|pool| {
        let [registry, again, _] = &pool[first];
        let other = &pool[second][2];
        let replace =
            |registry: &Registry, rules| registry.replace_rules(rules).expect("one profile");
        let _ = registry.load_at("t", [], choices.below(3) as u64).expect("nothing is wrong");
        let mut held = BTreeMap::new();
        for _ in 0..8 {
            let Some((made_by, webhook)) = odd_webhook(&mut choices) else { continue };
            let put = registry.put(&"t".into(), webhook.clone());
            let load = again.load("t", [webhook.clone()]);
            let kind =
                |change: &Result<_, ChangeError>| change.as_ref().err().map(ChangeError::kind);
            assert_eq!(kind(&put), kind(&load), "put and load agree");
            again.evict(&"t".into());
            match put {
                Ok(_) => drop(held.insert(webhook.id().to_string(), webhook)),
                Err(error) if error.kind() == ChangeErrorKind::OtherTenant => {}
                Err(error) => {
                    assert_eq!(error.kind(), ChangeErrorKind::Invalid);
                    let is_refused = document_is_refused(&webhook, old);
                    assert!(is_refused, "{error}: refused, but its document is valid");
                    assert!(made_by != first, "its own rules accept it: {error}");
                    kept.refused += 1;
                }
            }
        }
        kept.accepted += held.len();
        let events = ["a", "b", "c", "com.qlik.v1.app.reload.finished"];
        let events = events.map(|event_type| {
            Event::new(
                RULES.profile().attribute_paths(),
                TenantId::from("t"),
                EventType::from(event_type),
            )
        });
        let hits = |registry: &Registry| {
            let mut session = registry.session();
            events.each_ref().map(|event| {
                let recipients = session.matches(event, Access::Everyone).expect("it is loaded");
                let mut ids: Vec<String> =
                    recipients.webhooks().map(|w| w.id().to_string()).collect();
                ids.sort_unstable();
                let verdicts = registry.verdicts(event, Access::Everyone).expect("it is loaded");
                let hit = verdicts.webhooks.iter().filter(|(_, hit)| *hit == Verdict::Matched);
                let mut matched: Vec<String> = hit.map(|(w, _)| w.id().to_string()).collect();
                matched.sort_unstable();
                assert_eq!(ids, matched, "index and specification agree on {event:?}");
                ids
            })
        };
        let all = |registry: &Registry| -> BTreeMap<String, Webhook> {
            let all = registry.webhooks(&"t".into()).expect("it is loaded").into_iter();
            all.map(|webhook| (webhook.id().to_string(), (*webhook).clone())).collect()
        };
        let revision =
            |registry: &Registry| registry.stats(&"t".into()).expect("it is loaded").revision;
        assert_eq!(all(registry), held);
        let mut snapshot = Vec::new();
        registry.write_snapshot(&mut snapshot).expect("a vector takes all");
        let loaded = again.read_snapshot(&*snapshot).expect("what was accepted is read back");
        assert_eq!((loaded.tenants, loaded.webhooks), (1, held.len()));
        assert_eq!((all(again), revision(again)), (held.clone(), revision(registry)));
        assert_eq!(hits(again), hits(registry), "the same events match");

        // The same under other rules, but only sometimes, since it visits all shards.
        if choices.below(5) > 0 {
            for registry in [registry, again] {
                registry.evict(&"t".into());
            }
            return;
        }
        let loaded = other.read_snapshot_skipping(&*snapshot).expect("it is whole");
        let name = |one: &Refused| one.id.as_ref().expect("it has one").to_string();
        let skipped: Vec<String> = loaded.skipped.iter().map(name).collect();
        let refused = replace(registry, new);
        let listed: Vec<String> = refused.iter().map(name).collect();
        assert_eq!(listed, {
            let mut ids = skipped.clone();
            ids.sort_unstable();
            ids
        });
        assert_eq!(all(registry), held, "refused webhooks stay");
        let mut accepted = held.clone();
        accepted.retain(|id, _| !skipped.contains(id));
        assert_eq!((all(other), revision(other)), (accepted, revision(registry)));
        assert_eq!(loaded.webhooks + skipped.len(), held.len());
        for (found, all) in hits(other).iter().zip(hits(registry)) {
            let valid: Vec<String> = all.into_iter().filter(|id| !skipped.contains(id)).collect();
            assert_eq!(*found, valid, "valid webhooks are indexed by the new rules");
        }
        other.evict(&"t".into());
        let strict = other.read_snapshot(&*snapshot);
        assert_eq!(strict.is_ok(), skipped.is_empty(), "{strict:?}");
        for (id, webhook) in &held {
            let put = registry.put(&"t".into(), webhook.clone());
            assert_eq!(put.is_err(), skipped.contains(id), "later changes are checked: {put:?}");
        }
        kept.outdated += skipped.len();
        for registry in [registry, again, other] {
            registry.evict(&"t".into());
        }
        assert_eq!(replace(registry, old), [], "an empty registry has nothing to refuse");
    });
    kept
}

/// Returns whether rules refuse the stored form of a webhook.
fn document_is_refused(webhook: &Webhook, rules: &Rules) -> bool {
    let text = serde_json::to_vec(&webhook.stored()).expect("JSON");
    WebhookDocument::read(&text).and_then(|document| Webhook::read(&document, rules)).is_err()
}

thread_local! {
    /// Registries without tenants for each of [`CATALOGUES`], kept as [`EMPTY`].
    static POOL: Vec<[Registry; 3]> =
        CATALOGUES.iter().map(|rules| std::array::from_fn(|_| Registry::new(rules))).collect();
}

/// Returns the stored form of a webhook, as in a snapshot.
pub fn stored(document: serde_json::Value) -> String {
    let new = NewWebhook::new("w1", "u1", std::time::UNIX_EPOCH.into());
    let webhook = Webhook::create(&WebhookDocument::from(document), &RULES, new)
        .expect("a valid webhook")
        .webhook;
    serde_json::to_string(&webhook.stored()).expect("JSON")
}
