//! Programs of operations on a registry, held against a plain twin; and snapshots of any bytes.

use super::history::{Choices, filter_text};
use hooksieve::delivery::Sender;
use hooksieve::event::{Event, TenantId};
use hooksieve::matcher::{Access, Subscription, Verdict};
use hooksieve::registry::{Limits, Registry, subscription};
use hooksieve::webhook::{Creation, Draft, Rules, Webhook};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

static RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

const TENANTS: [&str; 3] = ["t1", "t2", "T1"];
const TYPES: [&str; 3] =
    ["com.qlik.v1.app.created", "com.qlik.v1.app.exported", "com.qlik.v1.app.reload.finished"];
const USERS: [&str; 3] = ["u1", "u2", ""];
/// Most webhooks of a user.
const MOST: usize = 6;

/// A tenant as the twin has it: its revision, and each webhook with what it means.
#[derive(Default)]
struct Tenant {
    revision: u64,
    webhooks: BTreeMap<String, (Webhook, Subscription)>,
}

impl Tenant {
    fn put(&mut self, tenant: &str, webhook: Webhook) -> Option<Webhook> {
        let means = subscription(&webhook, &TenantId::from(tenant), RULES.catalogue());
        let id = webhook.id().to_string();
        self.webhooks.insert(id, (webhook, means)).map(|(before, _)| before)
    }

    fn created_by(&self, user: Option<&str>) -> usize {
        let by = |webhook: &Webhook| webhook.created().by().map(|user| user.as_str().to_owned());
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
    // `data.status` goes with one event type alone.
    let text = if kind != 0 && text.contains("status") { String::new() } else { text };
    let mut draft = json!({
        "name": id, "url": "https://hooks.example.com/", "eventTypes": types, "filter": text,
        "enabled": choices.below(6) > 0, "enableCloudEventDelivery": choices.below(2) > 0,
    });
    if choices.below(3) == 0 {
        draft["level"] = "user".into();
        draft["ownerId"] = USERS[choices.below(2)].into();
    }
    if choices.below(3) == 0 {
        draft["secret"] = "0123456789abcdef0123456789abcdef".into();
    }
    let user = *choices.pick(&["c1", "c2"]);
    let creation = Creation::new(id, user, std::time::UNIX_EPOCH.into());
    Webhook::create(&draft.into(), &RULES, creation).expect("a valid webhook")
}

/// An event as bytes, in any envelope.
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

/// Runs the program in `bytes`: tenants that come and go, puts and removals with a revision and
/// without, events. The registry must do what the twin does, and a snapshot hold all of it. Tells
/// how many webhooks were hit.
pub fn program(bytes: &[u8]) -> usize {
    // One for all programs, since making one anew is dear.
    static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(|| {
        Mutex::new(Registry::with_limits(&RULES, Limits::default().per_user(MOST)))
    });
    let registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    for tenant in TENANTS {
        registry.evict(tenant);
    }
    let mut reader = registry.reader();
    let mut twin: BTreeMap<&str, Tenant> = BTreeMap::new();
    let mut choices = Choices(bytes);
    let mut hits = 0;
    while !choices.done() {
        let tenant = *choices.pick(&TENANTS);
        let revision = match choices.below(3) {
            0 => Some(choices.below(200) as u64),
            _ => None,
        };
        let found = twin.get_mut(tenant);
        let news = |tenant: &Tenant| match revision {
            Some(revision) => (revision > tenant.revision).then_some(revision),
            None => Some(tenant.revision + 1),
        };
        match choices.below(12) {
            0 => {
                let count = choices.below(8);
                let all: Vec<Webhook> = (0..count).map(|_| webhook(&mut choices)).collect();
                let change = registry.load(tenant, all.clone(), revision).expect("there is room");
                let next = match found {
                    Some(found) => news(found),
                    None => Some(revision.unwrap_or(0)),
                };
                assert_eq!(change.applied, next.is_some(), "only what is news is loaded");
                if let Some(revision) = next {
                    let mut new = Tenant { revision, ..Tenant::default() };
                    all.into_iter().for_each(|webhook| drop(new.put(tenant, webhook)));
                    twin.insert(tenant, new);
                }
                assert_eq!(change.revision, twin[tenant].revision, "the revision is told");
            }
            1 => assert_eq!(registry.evict(tenant), twin.remove(tenant).is_some(), "evicted"),
            2..6 => {
                let webhook = webhook(&mut choices);
                let put = registry.put(tenant, webhook.clone(), revision);
                let Some(found) = found else {
                    assert!(put.is_err(), "not loaded is not nobody");
                    continue;
                };
                let Some(revision) = news(found) else {
                    let change = put.expect("ignored");
                    assert!(!change.applied && change.revision == found.revision, "no news");
                    continue;
                };
                let by = webhook.created().by().map(|user| user.as_str());
                let before = found.webhooks.get(webhook.id().as_str());
                let one_more = before.is_none_or(|(before, _)| {
                    before.created().by().map(|user| user.as_str()) != by
                });
                if one_more && found.created_by(by) >= MOST {
                    assert!(put.is_err(), "a user has a limit");
                    continue;
                }
                let change = put.expect("there is room");
                found.revision = revision;
                let before = found.put(tenant, webhook);
                assert!(change.applied && change.revision == revision, "it is made");
                assert_eq!(change.before.as_deref(), before.as_ref(), "what was there before");
            }
            6 | 7 => {
                let id = format!("w{}", choices.below(12));
                let removed = registry.remove(tenant, &id, revision);
                let Some(found) = found else {
                    assert!(removed.is_err(), "not loaded is not nobody");
                    continue;
                };
                let change = removed.expect("it is loaded");
                let next = news(found);
                assert_eq!(change.applied, next.is_some(), "only what is news is made");
                if let Some(revision) = next {
                    found.revision = revision;
                    let before = found.webhooks.remove(&id).map(|(webhook, _)| webhook);
                    assert_eq!(change.before.as_deref(), before.as_ref(), "what was removed");
                }
                assert_eq!(change.revision, found.revision, "the revision is told");
            }
            8 => snapshot_holds_all(&registry, &twin),
            _ => {
                let bytes = event(&mut choices);
                let event = RULES.profile().read_event(bytes.as_bytes()).expect("an event");
                let access = *choices.pick(&[Access::Owner, Access::Everyone]);
                let ids = delivered(&mut reader, &bytes, access);
                let verdicts = registry.verdicts(&event, access);
                let Some(found) = twin.get(event.tenant()) else {
                    assert!(ids.is_none(), "not loaded is not nobody");
                    continue;
                };
                let (revision, mut ids) = ids.expect("it is loaded");
                assert_eq!(revision, found.revision, "an answer tells its revision");
                ids.sort_unstable();
                assert_eq!(ids, wanted(found, &event, access), "the reference's answer");
                let verdicts = verdicts.expect("it is loaded");
                assert_eq!(verdicts.webhooks.len(), found.webhooks.len(), "one for each webhook");
                let hit = |(_, verdict): &&(_, Verdict)| *verdict == Verdict::Matched;
                let mut hit: Vec<String> =
                    verdicts.webhooks.iter().filter(hit).map(|(w, _)| w.id().to_string()).collect();
                hit.sort_unstable();
                assert_eq!((hit, verdicts.revision), (ids.clone(), revision), "verdicts agree");
                hits += ids.len();
            }
        }
        for (tenant, found) in &twin {
            let stats = registry.stats(tenant).expect("it is loaded");
            assert_eq!(
                (stats.revision, stats.webhooks),
                (found.revision, found.webhooks.len()),
                "counts"
            );
        }
    }
    snapshot_holds_all(&registry, &twin);
    hits
}

fn wanted(tenant: &Tenant, event: &Event<'_>, access: Access<'_>) -> Vec<String> {
    let all = tenant.webhooks.iter();
    let hit = all.filter(|(_, (_, subscription))| subscription.matches(event, access));
    hit.map(|(id, _)| id.clone()).collect()
}

/// Whose requests an event leads to, each with the body of the webhook's form.
fn delivered(
    reader: &mut hooksieve::registry::Reader,
    bytes: &str,
    access: Access<'_>,
) -> Option<(u64, Vec<String>)> {
    let requests = reader.deliveries(&Sender::default(), bytes.to_owned(), access).ok()?;
    let revision = requests.revision();
    let payload = requests.payload().clone();
    let mut ids = Vec::new();
    for request in requests {
        let webhook = request.webhook();
        let form = match webhook.delivers_cloud_events() {
            true => payload.cloud_event(),
            false => payload.legacy(),
        };
        assert_eq!(request.body(), form, "the form that the webhook takes");
        assert_eq!(request.header("qlik-signature").is_some(), webhook.secret().is_some());
        ids.push(webhook.id().to_string());
    }
    Some((revision, ids))
}

fn snapshot_holds_all(registry: &Registry, twin: &BTreeMap<&str, Tenant>) {
    let mut bytes = Vec::new();
    registry.write_snapshot(&mut bytes).expect("a vector takes all");
    EMPTY.with(|[read, _]| {
        let loaded = read.read_snapshot(&*bytes).expect("what was written is read");
        assert_eq!(loaded.tenants, twin.len(), "every tenant is in a snapshot");
        assert_eq!(registry.tenants().len(), twin.len(), "tenants are counted");
        for (name, tenant) in twin {
            let mut webhooks = read.webhooks(name).expect("it is loaded");
            webhooks.sort_unstable_by(|a, b| a.id().cmp(b.id()));
            let held: Vec<&Webhook> =
                tenant.webhooks.values().map(|(webhook, _)| webhook).collect();
            assert_eq!(
                webhooks.iter().map(|webhook| &**webhook).collect::<Vec<_>>(),
                held,
                "whole"
            );
            let revision = read.stats(name).expect("it is loaded").revision;
            assert_eq!(revision, tenant.revision, "at its revision");
        }
        for name in twin.keys() {
            read.evict(name);
        }
    });
}

thread_local! {
    /// Registries without tenants, since making one anew is dear.
    static EMPTY: [Registry; 2] = [Registry::new(&RULES), Registry::new(&RULES)];
}

/// Any bytes are a snapshot or refused with the line; what is one is written again as it was read.
pub fn snapshot(bytes: &[u8]) {
    EMPTY.with(|[registry, again]| {
        for bytes in [bytes, &sealed(bytes)] {
            for tenant in read(registry, again, bytes) {
                registry.evict(tenant.as_str());
                again.evict(tenant.as_str());
            }
        }
    });
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
            let mut all = registry.webhooks(tenant.as_str()).expect("it is loaded");
            all.sort_unstable_by(|a: &Arc<Webhook>, b| a.id().cmp(b.id()));
            all
        };
        assert_eq!(all(registry), all(again), "as it was read");
    }
    tenants
}

/// Lines as the webhooks of a tenant, framed and with a checksum, which no fuzzer finds.
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

/// A webhook as a snapshot holds it, to begin with.
pub fn stored(draft: serde_json::Value) -> String {
    let creation = Creation::new("w1", "u1", std::time::UNIX_EPOCH.into());
    let webhook = Webhook::create(&Draft::from(draft), &RULES, creation).expect("a valid webhook");
    serde_json::to_string(&webhook.stored()).expect("JSON")
}
