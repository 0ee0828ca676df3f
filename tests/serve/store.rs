//! The verb `store`: back up, check, import, erase and seal again.

use crate::HOOKS;
use crate::client::document;
use crate::process::{Folder, Server, everything_under, key, run};
use serde_json::{Value, json};
use std::process::Output;

const SECRET: &str = "planted-secret-0123456789-0123456789";

/// Runs `store` with these arguments, and returns the exit code, standard output and error.
fn store(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = run(&[&["store"], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let (code, out, error) = store(arguments);
    assert_eq!(code, 0, "{out}{error}");
    out
}

/// Returns a server with a webhook of the tenant `default`, and the key of its administrator.
fn started(folder: &Folder) -> (Server, String) {
    let server = Server::start(folder, &[]);
    let key = server.printed[0].rsplit(' ').next().unwrap().to_owned();
    let mut webhook = document("kept", "tenant");
    webhook["secret"] = SECRET.into();
    server.client(&key).create(&webhook);
    (server, key)
}

fn names(server: &Server, key: &str) -> Vec<String> {
    let all = server.client(key).all(&format!("{HOOKS}?sort=name"));
    all.iter().map(|webhook| webhook["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn backs_up_and_checks_while_the_server_runs() {
    let folder = Folder::new();
    let (server, key) = started(&folder);
    let (data, copy) = (folder.path("data"), folder.path("copy/hooksieve.db"));
    std::fs::create_dir(folder.path("copy")).unwrap();
    done(&["backup", "--data", &data, &copy]);
    assert_eq!(done(&["check", "--data", &data]), "no problems\n");
    server.client(&key).create(&document("later", "tenant"));
    let (code, _, error) = store(&["backup", "--data", &data, &copy]);
    assert!(code == 2 && error.contains("already exists"), "{error}");
    server.stop();

    // Restored next to the keys of the first server.
    assert_eq!(done(&["check", "--data", &folder.path("copy")]), "no problems\n");
    for name in ["seal.keys", "keys.toml"] {
        std::fs::copy(format!("{data}/{name}"), folder.path(&format!("copy/{name}"))).unwrap();
    }
    let mut restored = crate::process::program(&["serve", "--listen", "127.0.0.1:0"]);
    restored.args(["--data", &folder.path("copy")]);
    let restored = Server::spawn(restored);
    assert_eq!(names(&restored, &key), ["kept"]);
}

#[test]
fn reports_problems_and_missing_stores() {
    let folder = Folder::new();
    let (server, _) = started(&folder);
    server.stop();
    let data = folder.path("data");
    let path = format!("{data}/hooksieve.db");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 4096]).unwrap();
    let (code, _, error) = store(&["check", "--data", &data]);
    assert!(code == 2 && error.contains("restore a backup"), "{error}");
    // A document that is no JSON any more, on a page that is whole.
    let mut altered = whole.clone();
    let name = br#""name":"kept""#;
    let at = whole.windows(name.len()).position(|part| part == name).unwrap();
    altered[at + name.len() - 1] = b'?';
    std::fs::write(&path, altered).unwrap();
    let (code, out, _) = store(&["check", "--data", &data]);
    assert!(code == 1 && out.starts_with("webhook document is not JSON: "), "{out}");

    let none = folder.path("none");
    for arguments in [
        &["check", "--data", &none][..],
        &["backup", "--data", &none, &folder.path("copy")],
        &["erase", "--data", &none, "--tenant", "t"],
        &["reseal", "--data", &none],
    ] {
        let (code, out, error) = store(arguments);
        assert!(code == 2 && out.is_empty() && error.contains("none"), "{error}");
        assert!(!std::path::Path::new(&none).exists(), "{arguments:?} creates nothing");
    }
}

#[test]
fn changes_no_store_that_a_server_uses() {
    let folder = Folder::new();
    let (server, key) = started(&folder);
    let data = folder.path("data");
    let listing = folder.path("listing.json");
    std::fs::write(&listing, "[]").unwrap();
    for arguments in [
        &["erase", "--data", &data, "--tenant", "default"][..],
        &["reseal", "--data", &data],
        &["import", "--data", &data, "--tenant", "default", &listing],
    ] {
        let (code, _, error) = store(arguments);
        assert!(code == 2 && error.contains("another process uses"), "{error}");
    }
    assert_eq!(names(&server, &key), ["kept"]);
}

#[test]
fn erases_a_tenant_from_every_file() {
    let folder = Folder::new();
    let keys = folder.path("keys.toml");
    let (north, south) =
        (key(&keys, "north", "a", "tenant-admin"), key(&keys, "south", "a", "tenant-admin"));
    let server = Server::start(&folder, &["--keys", &keys]);
    server.client(&north).create(&document("marked-webhook", "tenant"));
    server.client(&south).create(&document("kept", "tenant"));
    server.kill();
    let data = folder.path("data");
    let holds = |text: &str| {
        everything_under(&data).windows(text.len()).any(|part| part == text.as_bytes())
    };
    assert!(holds("marked-webhook"));
    let erase = ["erase", "--data", &data, "--tenant", "north"];
    assert_eq!(done(&erase), "erased tenant `north`\n");
    assert!(!holds("marked-webhook") && holds("kept"));
    assert_eq!(done(&erase), "the store has nothing of tenant `north`\n");
    let server = Server::start(&folder, &["--keys", &keys]);
    assert_eq!(names(&server, &north), [] as [String; 0]);
    assert_eq!(names(&server, &south), ["kept"]);
}

/// A listing of the API as its clients get it: secrets are withheld.
fn listing() -> Value {
    let webhook = |id: &str, secret: bool| {
        json!({
            "id": id, "name": id, "url": "https://hooks.example.com/", "level": "tenant",
            "enabled": true, "eventTypes": ["com.qlik.v1.app.created"], "secretKeyAdded": secret,
            "createdAt": "2026-01-01T00:00:00Z", "createdByUserId": "u1",
        })
    };
    json!({"data": [webhook("open", false), webhook("closed", true)], "links": {}})
}

#[test]
fn imports_a_listing_and_disables_webhooks_without_their_secrets() {
    let folder = Folder::new();
    let (server, key) = started(&folder);
    server.stop();
    let (data, file) = (folder.path("data"), folder.path("listing.json"));
    std::fs::write(&file, listing().to_string()).unwrap();
    let (code, _, error) = store(&["import", "--data", &data, &file]);
    assert!(code == 2 && error.contains("--tenant"), "{error}");
    let import = ["import", "--data", &data, "--tenant", "default", &file];
    let expected =
        "imported 2 webhooks\n1 of them disabled: their secrets are withheld\n".to_owned();
    assert_eq!(done(&import), expected);
    assert_eq!(done(&import), "imported 0 webhooks\n2 skipped: the tenant has their ids\n");

    let mut bad = listing();
    bad["data"][0]["id"] = "third".into();
    bad["data"][1]["url"] = "ftp://x".into();
    std::fs::write(&file, bad.to_string()).unwrap();
    let (code, out, error) = store(&import);
    assert!(code == 1 && out.starts_with("imported 1 webhook\n"), "{out}{error}");
    assert!(error.contains("url"), "{error}");

    let server = Server::start(&folder, &[]);
    assert_eq!(names(&server, &key), ["closed", "kept", "open", "open"]);
    let client = server.client(&key);
    let closed = client.get(&format!("{HOOKS}/closed")).is(200).json();
    assert_eq!(
        (&closed["enabled"], &closed["disabledReasonCode"], &closed["secretKeyAdded"]),
        (&json!(false), &json!("secret-withheld"), &json!(true))
    );
    let open = client.get(&format!("{HOOKS}/open")).is(200).json();
    assert_eq!((&open["enabled"], &open["createdByUserId"]), (&json!(true), &json!("u1")));
}

#[test]
fn imports_into_a_new_store() {
    let folder = Folder::new();
    let (data, file) = (folder.path("data"), folder.path("listing.json"));
    std::fs::write(&file, listing().to_string()).unwrap();
    done(&["import", "--data", &data, "--tenant", "default", &file]);
    let server = Server::start(&folder, &[]);
    let key = server.printed[0].rsplit(' ').next().unwrap();
    assert_eq!(names(&server, key), ["closed", "open"]);
}

/// After sealing again, the old key is not needed. An interrupted run is continued.
#[test]
fn seals_again_with_the_first_key() {
    let folder = Folder::new();
    let (server, key) = started(&folder);
    let client = server.client(&key);
    client.create(&document("without", "tenant"));
    server.stop();
    let (data, keys) = (folder.path("data"), folder.path("data/seal.keys"));
    let old = std::fs::read_to_string(&keys).unwrap();
    let new = "new q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=\n";
    std::fs::write(&keys, format!("{new}{old}")).unwrap();
    let reseal = ["reseal", "--data", &data];
    assert_eq!(done(&reseal), "sealed 1 of 2 webhooks again\n");
    assert_eq!(done(&reseal), "sealed 0 of 2 webhooks again\n");
    let old_id = old.lines().find(|line| !line.starts_with('#')).unwrap().split(' ').next();
    let sealed = format!("sealed:{}:", old_id.unwrap());
    let kept = everything_under(&data);
    let has = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("sealed:new:") && !has(&sealed), "no file has values of the old key");

    std::fs::write(&keys, new).unwrap();
    assert!(Server::start(&folder, &[]).stop().success());
    // Without the key that sealed a value, nothing is changed.
    std::fs::write(&keys, &old).unwrap();
    let (code, _, error) = store(&reseal);
    assert!(code == 2 && error.contains("key `new`"), "{error}");
}
