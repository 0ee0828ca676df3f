//! The permissions: every operation by every role, on the caller's own webhook, another user's,
//! another tenant's, and one that does not exist.

use crate::HOOKS;
use crate::client::{Client, document, replacing};
use crate::process::{Folder, Server, key};
use serde_json::{Value, json};

/// The owner of the webhook in an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Whose {
    Own,
    Others,
    OtherTenants,
    Absent,
}

const WHOSE: [Whose; 4] = [Whose::Own, Whose::Others, Whose::OtherTenants, Whose::Absent];
const ROLES: [&str; 6] = ["tenant-admin", "user", "producer", "operator", "none", "wrong"];

/// The specification's matrix for operations on one webhook; `ok` is the status of success.
fn of_webhook(role: &str, whose: Whose, ok: u16) -> u16 {
    match (role, whose) {
        ("tenant-admin", Whose::Own | Whose::Others) | ("user", Whose::Own) => ok,
        ("tenant-admin" | "user", _) => 404,
        ("producer" | "operator", _) => 403,
        _ => 401,
    }
}

/// The specification's matrix for operations without a webhook.
fn of_none(role: &str, area: &str, ok: u16) -> u16 {
    match (role, area) {
        ("tenant-admin" | "user", "webhooks" | "language" | "events") => ok,
        ("producer", "language" | "intake") => ok,
        ("tenant-admin" | "user" | "producer" | "operator", _) => 403,
        _ => 401,
    }
}

struct Stage {
    server: Server,
    file: String,
    _folder: Folder,
}

impl Stage {
    fn new() -> Self {
        let folder = Folder::new();
        let file = folder.path("keys.toml");
        key(&file, "north", "owner", "tenant-admin");
        let more = ["--keys", &file, "--tier2-per-minute", "0", "--tier1-per-minute", "0"];
        let server = Server::start(&folder, &more);
        Self { server, file, _folder: folder }
    }

    fn key(&self, tenant: &str, user: &str, role: &str) -> Client {
        let client = self.server.client(&key(&self.file, tenant, user, role));
        crate::process::eventually(|| match client.get(&format!("{HOOKS}/event-types")).status {
            401 => Err("the key is not loaded yet"),
            _ => Ok(()),
        });
        client
    }
}

/// Creates a webhook of level `user` whose owner is `me`, as an administrator.
fn webhook(admin: &Client, owner: &str) -> String {
    let mut webhook = document("w", "user");
    webhook["ownerId"] = owner.into();
    admin.create(&webhook)
}

fn ask(client: &Client, method: &str, path: &str) -> u16 {
    let body: Option<Value> = match (method, path) {
        // Without an owner: it stays the one that it is, not the creator, who is an administrator.
        ("PUT", _) => Some(document("again", "user")),
        ("PATCH", _) => Some(replacing("/name", "patched")),
        ("POST", path) if path.ends_with("/resend") || path.ends_with("/test") => None,
        ("POST", "/api/v1/events") => Some(json!({"type": "x", "tenantid": "north"})),
        ("POST", path) if path.ends_with("/try") => {
            Some(json!({"webhook": document("w", "user"), "events": []}))
        }
        ("POST", path) if path.ends_with("/explain") => Some(json!({"events": []})),
        ("POST", path) if path.contains("/filters/") => Some(json!({})),
        ("POST", _) => Some(document("w", "user")),
        _ => None,
    };
    match body {
        Some(body) => client.send(method, path, &body).status,
        None => client.ask(method, path, "", b"").status,
    }
}

#[test]
fn applies_the_matrix_to_operations_on_a_webhook() {
    let stage = Stage::new();
    let admin = stage.key("north", "admin", "tenant-admin");
    let elsewhere = stage.key("south", "me", "tenant-admin");
    let operations = [
        ("GET", "", 200),
        ("PUT", "", 200),
        ("PATCH", "", 204),
        ("GET", "/deliveries", 200),
        // There are no deliveries, so a caller who sees the webhook also gets a 404.
        ("GET", "/deliveries/d", 404),
        ("POST", "/deliveries/d/actions/resend", 404),
        // Nothing answers under the host; the failed attempt is the result.
        ("POST", "/actions/test", 201),
        ("POST", "/deliveries/actions/resend", 202),
        ("DELETE", "", 204),
    ];
    let mut checked = 0;
    for role in ROLES {
        let client = match role {
            "none" => stage.server.client(""),
            "wrong" => stage.server.client("hs_00_00"),
            role => stage.key("north", "me", role),
        };
        for whose in WHOSE {
            for (method, suffix, ok) in operations {
                let path = match whose {
                    Whose::Own => webhook(&admin, "me"),
                    Whose::Others => webhook(&admin, "someone"),
                    Whose::OtherTenants => webhook(&elsewhere, "me"),
                    Whose::Absent => format!("{HOOKS}/absent"),
                };
                let expected = of_webhook(role, whose, ok);
                let found = ask(&client, method, &format!("{path}{suffix}"));
                assert_eq!(found, expected, "{role} {whose:?} {method} {suffix}");
                let owner = if whose == Whose::OtherTenants { &elsewhere } else { &admin };
                if whose != Whose::Absent {
                    let remains = owner.get(&path).status == 200;
                    assert_eq!(remains, (method, found) != ("DELETE", 204), "{role} {whose:?}");
                    owner.delete(&path);
                }
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 6 * 4 * 9);
}

#[test]
fn applies_the_matrix_to_other_operations() {
    let stage = Stage::new();
    let operations = [
        ("GET", HOOKS, "webhooks", 200),
        ("POST", HOOKS, "webhooks", 201),
        ("POST", "/api/v1/webhooks/actions/try", "webhooks", 200),
        ("POST", "/api/v1/webhooks/actions/validate", "language", 200),
        ("GET", "/api/v1/webhooks/event-types", "language", 200),
        ("POST", "/api/v1/events", "intake", 202),
        ("GET", "/api/v1/events", "events", 200),
        // There are no such events, so a caller who may ask for one gets a 404.
        ("GET", "/api/v1/events/e", "events", 404),
        ("GET", "/api/v1/events/e/explain", "events", 404),
        ("POST", "/api/v1/filters/actions/check", "language", 200),
        ("POST", "/api/v1/filters/actions/explain", "language", 200),
        ("POST", "/api/v1/filters/actions/diff", "language", 200),
    ];
    for role in ROLES {
        let client = match role {
            "none" => stage.server.client(""),
            "wrong" => stage.server.client("hs_00_00"),
            role => stage.key("north", "me", role),
        };
        for (method, path, area, ok) in operations {
            let found = ask(&client, method, path);
            assert_eq!(found, of_none(role, area, ok), "{role} {method} {path}");
        }
        for path in ["/livez", "/readyz", "/openapi.json"] {
            client.get(path).is(200);
        }
    }
}

#[test]
fn lists_only_what_the_caller_sees() {
    let stage = Stage::new();
    let admin = stage.key("north", "admin", "tenant-admin");
    let (me, someone) = (stage.key("north", "me", "user"), stage.key("north", "someone", "user"));
    let elsewhere = stage.key("south", "me", "tenant-admin");
    webhook(&admin, "me");
    someone.create(&document("w", "user"));
    admin.create(&document("w", "tenant"));
    elsewhere.create(&document("w", "tenant"));
    let count = |client: &Client| client.all(&format!("{HOOKS}?limit=1")).len();
    assert_eq!((count(&admin), count(&me), count(&someone), count(&elsewhere)), (3, 1, 1, 1));
}

#[test]
fn refuses_users_webhooks_of_others() {
    let stage = Stage::new();
    let me = stage.key("north", "me", "user");
    let path = me.create(&document("mine", "user"));
    let mut others = document("w", "user");
    others["ownerId"] = "someone".into();
    let mut without_level = document("w", "user");
    without_level.as_object_mut().unwrap().remove("level");
    for document in [document("w", "tenant"), others, without_level] {
        me.post(HOOKS, &document).refused(403, &["forbidden"]);
        me.put(&path, &document).refused(403, &["forbidden"]);
        let trial = json!({"webhook": document, "events": []});
        me.post("/api/v1/webhooks/actions/try", &trial).refused(403, &["forbidden"]);
    }
    assert_eq!(me.get(&path).is(200).json()["name"], "mine");
}

/// A document without an owner keeps the owner, regardless of who created it and who replaces it.
#[test]
fn keeps_the_owner_of_a_replaced_webhook() {
    let stage = Stage::new();
    let admin = stage.key("north", "admin", "tenant-admin");
    let me = stage.key("north", "me", "user");
    let path = webhook(&admin, "me");
    for client in [&me, &admin] {
        let replaced = client.put(&path, &document("again", "user")).is(200).json();
        assert_eq!((&replaced["ownerId"], &replaced["name"]), (&json!("me"), &json!("again")));
    }
    let mut other = document("again", "user");
    other["ownerId"] = "someone".into();
    me.put(&path, &other).refused(403, &["forbidden"]);
    assert_eq!(admin.put(&path, &document("w", "tenant")).is(200).json()["ownerId"], Value::Null);
}
