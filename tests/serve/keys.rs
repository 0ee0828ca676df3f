//! The verb `key`, and a server that reloads the keys file.

use crate::HOOKS;
use crate::process::{Folder, Server, eventually, key, run};
use std::time::{Duration, Instant};

#[test]
fn applies_new_and_revoked_keys_while_the_server_runs() {
    let folder = Folder::new();
    let file = folder.path("keys.toml");
    let first = key(&file, "north", "ann", "tenant-admin");
    let server = Server::start(&folder, &["--keys", &file]);
    assert_eq!(server.printed, [] as [String; 0]);
    server.client(&first).get(HOOKS).is(200);

    let began = Instant::now();
    let second = key(&file, "north", "ben", "user");
    eventually(|| match server.client(&second).get(HOOKS).status {
        200 => Ok(()),
        status => Err(status),
    });
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "reloaded within a second on an idle machine: {took:?}");

    let list = String::from_utf8(run(&["key", "list", "--keys", &file]).stdout).unwrap();
    let rows: Vec<Vec<&str>> =
        list.lines().map(|line| line.split_ascii_whitespace().collect()).collect();
    assert_eq!((rows[0][1], rows[0][3], rows[1][1]), ("tenant-admin", "ann", "user"));
    assert!(!list.contains(&second[16..]));
    assert!(run(&["key", "revoke", "--keys", &file, rows[1][0]]).status.success());
    eventually(|| match server.client(&second).get(HOOKS).status {
        401 => Ok(()),
        status => Err(status),
    });
    server.client(&first).get(HOOKS).is(200);

    // With a damaged file, the previous keys stay in use.
    std::fs::write(&file, "key = 5").unwrap();
    eventually(|| match server.log().contains("the previous ones stay in use") {
        true => Ok(()),
        false => Err("not reported yet"),
    });
    server.client(&first).get(HOOKS).is(200);
}

#[test]
fn refuses_invalid_keys_with_a_reason() {
    let folder = Folder::new();
    let file = folder.path("keys.toml");
    let new = |tenant, role| {
        run(&["key", "new", "--keys", &file, "--tenant", tenant, "--user", "u", "--role", role])
    };
    for (tenant, role, part) in [
        ("north", "admin", "expected one of tenant-admin, user, producer, operator"),
        ("*", "user", "only producers and operators"),
        ("", "user", "a key requires a tenant"),
    ] {
        let output = new(tenant, role);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(part), "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let output = run(&["key", "revoke", "--keys", &file, "none"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn keeps_every_key_of_concurrent_writers() {
    let folder = Folder::new();
    let file = folder.path("keys.toml");
    let made: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| key(&file, "t", "u", "user"))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let list = String::from_utf8(run(&["key", "list", "--keys", &file]).stdout).unwrap();
    for key in made {
        assert!(list.contains(key.split('_').nth(1).unwrap()));
    }
}
