//! Sealed documents contain no secret, open only with their keys, and can be sealed with new keys.

use super::Directory;
use super::random::Random;
use crate::server::store::seal::{Keys, Owner, SealError, new_line};
use hooksieve::event::TenantId;
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument, WebhookId};
use std::time::UNIX_EPOCH;

const SECRETS: [&str; 3] = ["s3cr\u{e9}t \"0123456789abcdef0123456789", "Bearer h1dden", "t0ken"];

fn webhook() -> Webhook {
    let draft = serde_json::json!({
        "name": "n", "url": "https://hooks.example.com/", "eventTypes": ["com.qlik.v1.app.created"],
        "description": "plain \u{1f980}", "headers": {"X-Plain": "shown"}, "secret": SECRETS[0],
        "encryptedHeaders": {"X-Token": SECRETS[2], "Authorization": SECRETS[1]},
    });
    let new = NewWebhook::new("w1", "u1", UNIX_EPOCH.into());
    Webhook::create(&WebhookDocument::from(draft), &Rules::default(), new).unwrap().webhook
}

fn keys(numbers: &[u8]) -> Keys {
    let lines: String = numbers.iter().map(|number| new_line(&[*number; 32]).to_string()).collect();
    Keys::parse(&format!("# comment\n\n{lines}")).unwrap()
}

fn id(number: u8) -> String {
    new_line(&[number; 32])[..8].to_owned()
}

/// Returns a source of bytes that never repeat.
fn random() -> impl FnMut(&mut [u8]) {
    let mut random = Random(5);
    move |buffer| buffer.fill_with(|| random.next() as u8)
}

struct Case {
    tenant: TenantId,
    webhook: WebhookId,
}

impl Case {
    fn new(tenant: &str, webhook: &str) -> Self {
        Self { tenant: tenant.into(), webhook: webhook.into() }
    }

    fn owner(&self) -> Owner<'_> {
        Owner { tenant: &self.tenant, webhook: &self.webhook }
    }
}

#[test]
fn seals_secrets_and_nothing_else() {
    let (webhook, case) = (webhook(), Case::new("t1", "w1"));
    let plain = serde_json::to_vec(&webhook.stored()).unwrap();
    let keys = keys(&[1]);
    let sealed = keys.seal(case.owner(), &plain, &mut random()).unwrap();
    let text = std::str::from_utf8(&sealed).unwrap();
    for secret in ["s3cr", "0123456789abcdef", "Bearer", "h1dden", "t0ken"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let mut expected: serde_json::Value = serde_json::from_slice(&plain).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
    for pointer in ["/secret", "/encryptedHeaders/X-Token", "/encryptedHeaders/Authorization"] {
        let value = found.pointer(pointer).unwrap();
        assert!(value.as_str().unwrap().starts_with(&format!("sealed:{}:", id(1))), "{value}");
        *expected.pointer_mut(pointer).unwrap() = value.clone();
    }
    assert_eq!(found, expected, "the other members are unchanged");

    let opened = keys.open(case.owner(), &sealed).unwrap();
    assert_eq!(*opened, plain, "the document is restored byte for byte");
    let document = WebhookDocument::read(&opened).unwrap();
    assert_eq!(Webhook::read(&document, &Rules::default()).unwrap().webhook, webhook);
    let again = keys.seal(case.owner(), &plain, &mut |buffer| buffer.fill(9)).unwrap();
    assert_ne!(again, sealed, "each nonce is used once");
    assert!(!format!("{keys:?}").contains(&new_line(&[1; 32])[9..20]));
}

#[test]
fn opens_only_for_the_same_webhook_and_member() {
    let keys = keys(&[1]);
    let case = Case::new("t1", "w1");
    let plain = br#"{"secret":"one","encryptedHeaders":{"A":"two"}}"#;
    let sealed = keys.seal(case.owner(), plain, &mut random()).unwrap();
    let wrong = |field: &str| Err(SealError::WrongKey { key: id(1), field: field.to_owned() });
    for other in [Case::new("t2", "w1"), Case::new("t1", "w2"), Case::new("t1w", "1")] {
        assert_eq!(keys.open(other.owner(), &sealed), wrong("secret"));
    }
    let value: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
    let moved = serde_json::json!({"encryptedHeaders": {"A": value["secret"]}});
    assert_eq!(keys.open(case.owner(), moved.to_string().as_bytes()), wrong("encryptedHeaders/A"));
    let renamed = serde_json::json!({"encryptedHeaders": {"B": value["encryptedHeaders"]["A"]}});
    assert_eq!(
        keys.open(case.owner(), renamed.to_string().as_bytes()),
        wrong("encryptedHeaders/B")
    );

    // No byte of a value can be changed or removed.
    let text = value["secret"].as_str().unwrap();
    let start = text.rfind(':').unwrap() + 1;
    for at in start..text.len() {
        let mut changed = text.to_owned().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        for text in [&*changed, &text[..at]] {
            let document = serde_json::json!({"secret": text}).to_string();
            assert_eq!(keys.open(case.owner(), document.as_bytes()), wrong("secret"), "{at}");
        }
    }
}

#[test]
fn reports_the_missing_or_wrong_key() {
    let case = Case::new("t1", "w1");
    let plain = br#"{"name":"n","secret":"one"}"#;
    let sealed = keys(&[1]).seal(case.owner(), plain, &mut random()).unwrap();
    let error = keys(&[2, 3]).open(case.owner(), &sealed).unwrap_err();
    assert_eq!(error, SealError::MissingKey { key: id(1), field: "secret".to_owned() });
    assert!(error.to_string().contains(&id(1)), "{error}");
    let line = new_line(&[2; 32]).replace(&id(2), &id(1));
    let error = Keys::parse(&line).unwrap().open(case.owner(), &sealed).unwrap_err();
    assert_eq!(error, SealError::WrongKey { key: id(1), field: "secret".to_owned() });
    let error = keys(&[1]).open(case.owner(), plain).unwrap_err();
    assert_eq!(error, SealError::NotSealed { field: "secret".to_owned() });
}

#[test]
fn seals_again_under_the_first_key() {
    let case = Case::new("t1", "w1");
    let plain = br#"{"secret":"one","name":"n","encryptedHeaders":{"A":"two","B":"three"}}"#;
    let old = keys(&[1]).seal(case.owner(), plain, &mut random()).unwrap();
    let both = keys(&[2, 1]);
    let new = both.reseal(case.owner(), &old, &mut random()).unwrap().unwrap();
    assert_eq!(*keys(&[2]).open(case.owner(), &new).unwrap(), plain);
    assert_eq!(both.reseal(case.owner(), &new, &mut random()), Ok(None), "sealed only once");
    assert_eq!(*both.open(case.owner(), &old).unwrap(), plain, "the old key still opens it");
    assert!(keys(&[2]).reseal(case.owner(), &old, &mut random()).is_err());
}

#[test]
fn leaves_documents_without_secrets_as_they_are() {
    let case = Case::new("t1", "w1");
    for plain in [
        r#"{}"#,
        r#"{"name":"secret","headers":{"secret":"shown"}}"#,
        r#"{"secret":null,"encryptedHeaders":["A","B"]}"#,
        r#"{"encryptedHeaders":{},"n":1.50,"n":[ {"secret":"inner"} ]}"#,
    ] {
        let keys = keys(&[1]);
        let sealed = keys.seal(case.owner(), plain.as_bytes(), &mut random()).unwrap();
        assert_eq!(std::str::from_utf8(&sealed).unwrap(), plain);
        assert_eq!(keys.reseal(case.owner(), &sealed, &mut random()), Ok(None));
    }
    for plain in ["", "[]", "{", r#"{"secret":5}"#, r#"{"secret":{"a":"hidden"}}"#, "\"hidden\""] {
        let error = keys(&[1]).seal(case.owner(), plain.as_bytes(), &mut random()).unwrap_err();
        assert!(matches!(error, SealError::NotStored(_)), "{plain}: {error:?}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}

#[test]
fn creates_a_key_file_once() {
    let place = Directory::new();
    let path = place.path().join("seal.keys");
    let made = Keys::read_or_create(&path, &[7; 32]).unwrap();
    assert_eq!(format!("{made:?}"), format!("[{:?}]", id(7)));
    let text = std::fs::read_to_string(&path).unwrap();
    let again = Keys::read_or_create(&path, &[8; 32]).unwrap();
    assert_eq!(format!("{again:?}"), format!("{made:?}"), "an existing file is read");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn reports_key_files_that_hold_no_keys() {
    let line = new_line(&[1; 32]).to_string();
    let shorter = line.replace("=", "");
    for (text, what) in [
        (String::new(), "has no key"),
        ("# only a comment\n".to_owned(), "has no key"),
        (format!("{line}{line}"), "line 2 of the key file has the duplicate id"),
        (format!("{line}nonsense\n"), "line 2 of the key file is not a key"),
        (shorter, "line 1 of the key file is not a key"),
        ("a:b q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=".to_owned(), "line 1"),
    ] {
        let error = Keys::parse(&text).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(!error.to_string().contains(line.trim()), "{error}");
    }
    let error = Keys::read("/nowhere/seal.keys".as_ref()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/seal.keys"), "{error}");
}
