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
    // Damage is what a check is for, also if the file cannot be opened as a store.
    let other = [&whole[..100], b"is not a page"].concat();
    for damaged in [&whole[..whole.len() - 4096], b"notes", &other] {
        std::fs::write(&path, damaged).unwrap();
        let (code, out, error) = store(&["check", "--data", &data]);
        assert!(code == 1 && error.is_empty() && out.contains("restore a backup"), "{out}{error}");
    }
    // A document that is no JSON any more, on a page that is whole.
    let mut altered = whole.clone();
    let name = br#""name":"kept""#;
    let at = whole.windows(name.len()).position(|part| part == name).unwrap();
    altered[at + name.len() - 1] = b'?';
    std::fs::write(&path, altered).unwrap();
    let (code, out, _) = store(&["check", "--data", &data]);
    assert!(code == 1 && out.starts_with("webhook document is not JSON with an id: "), "{out}");
    // No verb works on a damaged store, and a backup of it is not one.
    let (copy, listing) = (folder.path("copy"), folder.path("listing.json"));
    std::fs::write(&listing, "[]").unwrap();
    for arguments in [
        &["backup", "--data", &data, &copy][..],
        &["erase", "--data", &data, "--tenant", "default"],
        &["reseal", "--data", &data],
        &["import", "--data", &data, "--tenant", "default", &listing],
    ] {
        let (code, out, error) = store(arguments);
        assert!(code == 2 && out.is_empty() && error.contains("store check"), "{out}{error}");
    }
    assert!(!std::path::Path::new(&copy).exists());

    let none = folder.path("none");
    for arguments in [
        &["check", "--data", &none][..],
        &["backup", "--data", &none, &folder.path("copy")],
        &["erase", "--data", &none, "--tenant", "t"],
        &["reseal", "--data", &none],
        &["import", "--data", &none, "--tenant", "t", &listing],
    ] {
        let (code, out, error) = store(arguments);
        assert!(code == 2 && out.is_empty() && error.contains("none"), "{error}");
        assert!(error.contains("data directory of a server"), "{error}");
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
    let import = ["import", "--data", &data, "--tenant", "default", &file];
    let (code, _, error) = store(&import);
    assert!(code == 2 && error.contains("--create"), "{error}");
    assert!(!std::path::Path::new(&data).exists(), "a wrong directory is not created");
    let create = [&import[..], &["--create"]].concat();
    assert!(
        done(&create).starts_with(&format!("created a store in {data}\nimported 2 webhooks\n"))
    );
    // Also an import that was interrupted after it had created the store.
    assert_eq!(done(&create), "imported 0 webhooks\n2 skipped: the tenant has their ids\n");
    let server = Server::start(&folder, &[]);
    let key = server.printed[0].rsplit(' ').next().unwrap();
    assert_eq!(names(&server, key), ["closed", "open"]);
}

/// With a wrong key, or without one, nothing is written: neither key would open the whole store.
#[test]
fn changes_no_store_whose_secrets_the_keys_do_not_open() {
    let folder = Folder::new();
    let (server, _) = started(&folder);
    server.stop();
    let (data, keys, file) =
        (folder.path("data"), folder.path("data/seal.keys"), folder.path("listing.json"));
    std::fs::write(&file, listing().to_string()).unwrap();
    let old = std::fs::read_to_string(&keys).unwrap();
    let line = old.lines().find(|line| !line.starts_with('#')).unwrap();
    let (id, _) = line.split_once(' ').unwrap();
    let (new, other) = (
        "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=",
    );
    let before = everything_under(&data);
    for wrong in [
        format!("{id} {new}\n"),
        format!("{id} {new}\nsecond {other}\n"),
        format!("second {other}\n{id} {new}\n"),
        format!("second {other}\n"),
    ] {
        std::fs::write(&keys, wrong).unwrap();
        let import = ["store", "import", "--data", &data, "--tenant", "default", &file];
        let serve = crate::process::arguments(&folder);
        let serve: Vec<_> = serve.iter().map(String::as_str).collect();
        for arguments in [&["store", "reseal", "--data", &data][..], &import, &serve] {
            let output = run(arguments);
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
            for part in ["webhook `", "` of tenant `default`: `secret`", &format!("key `{id}`")] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }
    std::fs::write(&keys, old).unwrap();
    assert!(everything_under(&data) == before, "nothing was written");
}

#[test]
fn does_not_start_with_fewer_webhooks_than_the_file_has() {
    let folder = Folder::new();
    let (server, _) = started(&folder);
    server.stop();
    let path = folder.path("data/hooksieve.db");
    let whole = std::fs::read(&path).unwrap();
    for damage in ["DELETE FROM tenant", "UPDATE tenant SET revision = 0"] {
        std::fs::write(&path, &whole).unwrap();
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection.execute_batch(damage).unwrap();
        drop(connection);
        let output =
            crate::process::program(&[]).args(crate::process::arguments(&folder)).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("store check") && error.contains("restore a backup"), "{error}");
    }
    std::fs::write(&path, whole).unwrap();
    assert!(Server::start(&folder, &[]).stop().success());
}

#[test]
fn names_the_file_and_what_to_do() {
    let folder = Folder::new();
    let (server, _) = started(&folder);
    server.stop();
    let (data, copy) = (folder.path("data"), folder.path("none/copy"));
    let (code, _, error) = store(&["backup", "--data", &data, &copy]);
    assert!(code == 2 && error.starts_with(&format!("error: {copy}: ")), "{error}");
    assert!(error.contains("create its directory") && !error.contains("the store"), "{error}");
    for arguments in [
        &["store", "backup", "--data", &data, "-"][..],
        &["key", "new", "--keys", "-", "--tenant", "t", "--user", "u", "--role", "user"],
    ] {
        let output = crate::process::program(arguments).current_dir(folder.path("")).output();
        let error = String::from_utf8(output.unwrap().stderr).unwrap();
        assert!(error.contains("`./-`"), "{error}");
        assert!(!std::path::Path::new(&folder.path("-")).exists());
    }
    let error = store(&["reseal", "--data", &data, "--seal-key", &folder.path("typo")]).2;
    assert!(error.contains("typo") && error.contains("--seal-key"), "{error}");
}

/// Runs the program as a process without the rights of root, if this machine allows it.
#[cfg(target_os = "linux")]
fn without_rights(arguments: &[&str]) -> Option<(i32, String)> {
    let probe = std::process::Command::new("unshare").args(["--user", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("not checked: this machine allows no user namespaces");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_hooksieve");
    let run =
        std::process::Command::new("unshare").args(["--user", program]).args(arguments).output();
    let Output { status, stdout, stderr } = run.unwrap();
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    Some((status.code().unwrap(), text))
}

/// Files that may not be read or written: the message names the right that is missing.
#[cfg(target_os = "linux")]
#[test]
fn names_the_missing_right() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let (server, _) = started(&folder);
    server.kill();
    let data = folder.path("data");
    let set = |name: &str, mode| {
        set_permissions(format!("{data}/{name}"), Permissions::from_mode(mode)).unwrap();
    };
    let erase = ["store", "erase", "--data", &data, "--tenant", "t"];
    let rights = "needs the right to read and write the data directory and its files";
    for (name, mode, arguments) in [
        ("hooksieve.db", 0o444, &erase[..]),
        ("hooksieve.db", 0o000, &erase),
        ("hooksieve.db-wal", 0o000, &["store", "check", "--data", &data]),
        ("lock", 0o000, &erase),
    ] {
        set(name, mode);
        let Some((code, text)) = without_rights(arguments) else { return };
        set(name, 0o600);
        assert!(code == 2 && text.contains(rights), "{name} {mode:o}: {text}");
    }
    // A log without its index, in a directory where it cannot be made.
    std::fs::remove_file(format!("{data}/hooksieve.db-shm")).unwrap();
    set("", 0o555);
    let Some((code, text)) = without_rights(&["store", "check", "--data", &data]) else { return };
    set("", 0o700);
    assert!(code == 2 && text.contains(rights), "{text}");
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
