//! Random events, webhooks and patches, each determined by a seed.

use crate::receiver::Target;
use serde_json::{Value, json};

pub const TENANTS: [&str; 3] = ["north", "south", "east"];
pub const USERS: [&str; 3] = ["ann", "ben", "cho"];
pub const RELOAD: &str = "com.qlik.v1.app.reload.finished";
pub const TYPES: [&str; 4] = [
    "com.qlik.v1.app.created",
    RELOAD,
    "com.qlik.v1.automation.run.failed",
    "com.qlik.v1.reload.finished",
];
pub const RECEIVERS: usize = 4;
/// The number of ids that few events have.
pub const RARE: u64 = 150;

/// A random number generator, SplitMix64.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len() as u64) as usize]
    }
}

/// The envelope of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    CloudEvents,
    Legacy,
    Mixed,
}

impl Form {
    fn of(body: &Value) -> Result<Self, String> {
        match (body.get("type").is_some(), body.get("eventType").is_some()) {
            (true, false) if body["specversion"] == "1.0" => Ok(Self::CloudEvents),
            (false, true) if body["cloudEventsVersion"] == "0.1" => Ok(Self::Legacy),
            (true, true) => Ok(Self::Mixed),
            _ => Err(format!("unknown envelope: {body}")),
        }
    }
}

pub struct Event {
    pub bytes: Vec<u8>,
    pub tenant: &'static str,
    pub form: Form,
    event_type: &'static str,
    data: Value,
}

/// Returns the event with a number, which is the seed of all its values.
pub fn event(number: u64) -> Event {
    let mut random = Random(number);
    let tenant = random.of(&TENANTS);
    let event_type = random.of(&TYPES);
    let form = random.of(&[Form::CloudEvents, Form::Legacy, Form::Mixed]);
    let id = match random.one_in(8) {
        true => format!("rare{}", random.below(RARE)),
        false => format!("a{}", random.below(12)),
    };
    let status = random.of(&["ok", "error"]);
    let data =
        json!({"id": id, "status": status, "number": number, "text": "Zürich \u{1f40e} \"\\"});
    let (mut cloud, mut extensions) = (serde_json::Map::new(), serde_json::Map::new());
    let mut attribute = |name: &str, old: &str, value: String| {
        cloud.insert(name.into(), value.clone().into());
        extensions.insert(old.into(), value.into());
    };
    attribute("tenantid", "tenantId", tenant.into());
    if !random.one_in(4) {
        attribute("spaceid", "spaceId", format!("s{}", random.below(5)));
    }
    if !random.one_in(4) {
        attribute("ownerid", "ownerId", random.of(&USERS).into());
    }
    if random.one_in(2) {
        attribute("toplevelresourceid", "topLevelResourceId", format!("a{}", random.below(12)));
    }
    let mut legacy = json!({
        "cloudEventsVersion": "0.1", "eventId": format!("e{number}"), "eventType": event_type,
        "eventTime": "2026-01-31T09:00:00Z", "contentType": "application/json",
        "source": "com.qlik/proof", "extensions": extensions, "data": data,
    });
    cloud.extend([
        ("specversion".into(), "1.0".into()),
        ("id".into(), format!("e{number}").into()),
        ("type".into(), event_type.into()),
        ("time".into(), "2026-01-31T09:00:00Z".into()),
        ("source".into(), "com.qlik/proof".into()),
        ("data".into(), data.clone()),
    ]);
    let body = match form {
        Form::CloudEvents => Value::Object(cloud),
        Form::Legacy => legacy,
        Form::Mixed => {
            legacy.as_object_mut().unwrap().extend(cloud);
            legacy
        }
    };
    // Two layouts, since a receiver must get the bytes as they came in.
    let bytes = match random.one_in(2) {
        true => serde_json::to_vec_pretty(&body).unwrap(),
        false => serde_json::to_vec(&body).unwrap(),
    };
    Event { bytes, tenant, form, event_type, data }
}

/// Returns the number and envelope of the event in a request's body.
///
/// # Errors
///
/// The event was changed on its way: in another envelope than it came in a value differs, in the
/// same one a byte.
pub fn identify(body: &[u8]) -> Result<(u64, Form), String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let form = Form::of(&json)?;
    let number = json["data"]["number"].as_u64().ok_or("no number")?;
    let event = event(number);
    let (id, kind, tenant) = match form {
        Form::Legacy => ("eventId", "eventType", json["extensions"]["tenantId"].as_str()),
        _ => ("id", "type", json["tenantid"].as_str()),
    };
    let kept = json[id].as_str() == Some(&format!("e{number}"))
        && json[kind].as_str() == Some(event.event_type)
        && tenant == Some(event.tenant)
        && json["data"] == event.data
        && json["source"] == "com.qlik/proof";
    let same = form != event.form || body == event.bytes;
    match (kept, same) {
        (true, true) => Ok((number, form)),
        _ => Err(format!("event {number} has changed: {}", String::from_utf8_lossy(body))),
    }
}

/// Returns a random target for a webhook with this name.
pub fn target(random: &mut Random, tenant: &str, name: &str) -> Target {
    let what = random.of(&["open", "signed", "keyed", "signed-keyed"]);
    let generation = random.below(1 << 40);
    let receiver = random.below(RECEIVERS as u64) as usize;
    Target::new(receiver, &format!("/{tenant}/{name}/{generation}/{what}"))
}

fn types(random: &mut Random) -> Vec<&'static str> {
    let from = random.below(4) as usize;
    (0..=random.below(3) as usize).map(|more| TYPES[(from + more) % 4]).collect()
}

/// Returns the document of a random webhook; with an owner it has the level `user`.
pub fn document(random: &mut Random, tenant: &str, name: &str, owner: Option<&str>) -> Value {
    let filters = [
        "",
        r#"spaceId eq "s1""#,
        r#"id eq "a3" or id eq "a4" or spaceId eq "s0""#,
        r#"spaceId ne "s2" and id ne "a1""#,
        r#"(topLevelResourceId eq "a5" or spaceId eq "s3") and id ne "a2""#,
        r#"data.status eq "error""#,
    ];
    let filter = random.of(&filters);
    let types = match filter.starts_with("data") {
        true => vec![RELOAD],
        false => types(random),
    };
    let target = target(random, tenant, name);
    let mut document = json!({
        "name": name, "url": target.url, "enabled": !random.one_in(8), "eventTypes": types,
        "filter": filter, "headers": {"X-Level": owner.map_or("tenant", |_| "user")}, "secret": target.secret,
        "enableCloudEventDelivery": random.one_in(2),
    });
    if let Some(key) = target.key {
        document["encryptedHeaders"] = json!({"X-Key": key});
    }
    if let Some(owner) = owner {
        document["level"] = "user".into();
        document["ownerId"] = owner.into();
    }
    document
}

/// Returns a random patch, which may make the webhook invalid.
pub fn patch(random: &mut Random, tenant: &str, name: &str) -> Value {
    let one = |op: &str, path: &str, value: Value| json!({"op": op, "path": path, "value": value});
    match random.below(5) {
        0 => json!([one("replace", "/enabled", random.one_in(3).into())]),
        1 | 2 => json!([one("replace", "/enabled", true.into())]),
        3 => json!([one("replace", "/eventTypes", types(random).into())]),
        _ => {
            let Target { url, secret, key } = target(random, tenant, name);
            let headers = key.map_or(json!({}), |key| json!({"X-Key": key}));
            json!([
                one("replace", "/url", url.into()),
                one("add", "/secret", secret.into()),
                one("add", "/encryptedHeaders", headers),
                one("add", "/enableCloudEventDelivery", (!random.one_in(3)).into()),
            ])
        }
    }
}
