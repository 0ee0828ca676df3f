//! Planted secrets appear nowhere: not in responses, the log, the keys file or the store.

use crate::HOOKS;
use crate::client::{document, replacing};
use crate::process::{Folder, Server, everything_under};
use serde_json::json;

const SECRET: &str = "planted-secret-0123456789-0123456789";
const HEADER: &str = "planted-header-value";

#[test]
fn shows_secrets_in_no_response_and_no_log() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--log", "trace"]);
    let key = server.printed[0].rsplit(' ').next().unwrap().to_owned();
    let admin = server.client(&key);
    let mut webhook = document("w", "tenant");
    webhook["secret"] = SECRET.into();
    webhook["encryptedHeaders"] = json!({"X-Key": HEADER});
    let mut answers = vec![admin.post(HOOKS, &webhook).is(201)];
    let path = format!("{HOOKS}/{}", answers[0].json()["id"].as_str().unwrap());
    let mut wrong = webhook.clone();
    wrong["url"] = "http://hooks.example.com/".into();
    wrong["encryptedHeaders"]["bad name"] = HEADER.into();
    let short = replacing("/secret", &SECRET[..20]);
    answers.extend([
        admin.get(&path).is(200),
        admin.get(HOOKS).is(200),
        admin.put(&path, &webhook).is(200),
        admin.put(&path, &wrong).is(400),
        admin.post(HOOKS, &wrong).is(400),
        admin.patch(&path, &replacing("/secret", SECRET)).is(204),
        admin.patch(&path, &short).is(400),
        admin.patch(&path, &replacing("/url", HEADER)).is(400),
        admin.post("/api/v1/webhooks/actions/validate", &wrong).is(200),
        admin
            .post("/api/v1/webhooks/actions/try", &json!({"webhook": webhook, "events": [1]}))
            .is(200),
        admin.ask(
            "POST",
            HOOKS,
            "application/json",
            format!("{{\"secret\": \"{SECRET}").as_bytes(),
        ),
        server.client(&format!("{key}x")).get(HOOKS).is(401),
    ]);
    // A URL is not secret and is repeated in errors. The other values must not be.
    for answer in &answers {
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains(&SECRET[..20]), "{text}");
        assert!(!text.contains(&format!("\"{HEADER}\"")), "{text}");
        assert!(!text.contains(&key), "{text}");
    }
    let log = server.log();
    assert!(log.contains(HOOKS), "something was logged");
    for planted in [&SECRET[..20], HEADER, &key] {
        assert!(!log.contains(planted), "{planted} is in the log");
    }
    server.stop();
    let kept = everything_under(&folder.path("data"));
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("sha256") && !kept.contains(&key[16..]), "keys are kept as hashes");
}

/// The store contains secrets only in sealed form.
#[test]
fn writes_secrets_to_no_file() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let admin = server.client(server.printed[0].rsplit(' ').next().unwrap());
    let mut webhook = document("named", "tenant");
    webhook["secret"] = SECRET.into();
    webhook["encryptedHeaders"] = json!({"X-Key": HEADER});
    admin.create(&webhook);
    for stopped in [false, true] {
        let kept = everything_under(&folder.path("data"));
        let has = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has("hooks.example.com"), "the webhook is there");
        assert!(!has(SECRET) && !has(HEADER), "{stopped}");
        if !stopped {
            server.signal("-TERM");
        }
    }
}
