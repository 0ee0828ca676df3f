//! Stored webhooks that the rules refuse after a restart.
//!
//! A restart with other rules (another catalogue, without development mode, a newer version) may
//! refuse webhooks in the store. They are neither deleted, because they belong to users, nor
//! delivered to, because the rules protect the server. They are shown as disabled with the reason
//! code `invalid-webhook`, and can be replaced or removed.
//!
//! The start also disables them *in the store*, and changes nothing else of the document. A later
//! start, whose rules accept the webhook again, then does not resume deliveries that its owner knows
//! to be off: the owner enables the webhook.
//!
//! ```text
//! stored document ──▶ rules ──▶ a webhook                            matched
//!                       │
//!                       └─▶ lenient rules ──▶ a webhook, disabled    shown, patched, listed
//!                              │
//!                              └─▶ a placeholder, disabled           listed and seen by it;
//!                                                                    the document is shown
//! ```
//!
//! A [`Webhook`] is always valid, and lists, limits and visibility are computed from webhooks. So a
//! refused document is read again by lenient rules, which accept its event types and the targets of
//! development mode. If that fails, a *placeholder* with the members that those computations need
//! represents the webhook, and the document is shown. A patch would be applied to the placeholder,
//! so it is refused.
//!
//! The registry may also refuse a valid webhook, if it is too large. It is then treated like one
//! that the lenient rules accept.

use super::problem::Problem;
use crate::server::members::Members;
use hooksieve::diagnostic::Diagnostics;
use hooksieve::webhook::{Catalogue, Rules, Timestamp, Webhook, WebhookDocument, WebhookId};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The reason code of a refused webhook.
pub(crate) const INVALID: &str = "invalid-webhook";

/// A webhook that the rules refuse.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// The webhook, disabled; a placeholder if there is a document.
    pub(super) webhook: Arc<Webhook>,
    /// The document that is shown in place of a placeholder.
    document: Option<Arc<RawValue>>,
    /// The reason of the refusal.
    pub(super) reason: String,
}

/// The form of a webhook in responses.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    webhook: Arc<Webhook>,
    document: Option<Arc<RawValue>>,
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.document {
            Some(document) => document.serialize(serializer),
            None => self.webhook.serialize(serializer),
        }
    }
}

impl From<Arc<Webhook>> for Shown {
    fn from(webhook: Arc<Webhook>) -> Self {
        Self { webhook, document: None }
    }
}

impl Refused {
    /// Reads a document that the rules refuse; `None` if not even a placeholder can be made.
    pub(super) fn read(
        id: &WebhookId,
        bytes: &[u8],
        (rules, problems): (&Rules, &Diagnostics),
        now: Timestamp,
    ) -> Option<Self> {
        // Only to be read by the library, so the order of members does not matter here.
        let mut value: Value = serde_json::from_slice(bytes).ok()?;
        let members = value.as_object_mut()?;
        // The id in the store is the one by which the webhook is found.
        members.insert("id".to_owned(), id.as_str().into());
        let reason = format!("the webhook is no longer valid: {problems}");
        let named = members.get("eventTypes").and_then(Value::as_array);
        let lenient = lenient(rules, named.map_or(&[], Vec::as_slice));
        if let Ok(webhook) = Webhook::restore(&value.clone().into(), &lenient) {
            return Some(Self::new(&webhook, reason, now));
        }
        let placeholder = Webhook::restore(&placeholder(&value), &lenient).ok()?;
        let document = shown(bytes, id, &reason).ok()?;
        Some(Self { document: Some(document), ..Self::new(&placeholder, reason, now) })
    }

    /// Creates a refused webhook for a reason that leaves the webhook readable.
    pub(super) fn new(webhook: &Webhook, reason: String, now: Timestamp) -> Self {
        // The server's own decision is not the last edit of a user, unless none is known.
        let at = webhook.updated().at.unwrap_or(now);
        let webhook = Arc::new(webhook.disabled(&reason, INVALID, at));
        Self { webhook, document: None, reason }
    }

    /// Returns the stored document with the webhook disabled; `None` if it already is, for this or
    /// an earlier reason.
    pub(super) fn disabled(&self, bytes: &[u8]) -> serde_json::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut members = Members::read(bytes)?;
        let is = |name: &str, value: &str| members.get(name).is_some_and(|v| v.get() == value);
        if is("enabled", "false") && is("disabledReasonCode", &format!("\"{INVALID}\"")) {
            return Ok(None);
        }
        disable(&mut members, &self.reason)?;
        // Allocates for the whole document: growing would leave copies of secrets in freed memory.
        let mut document =
            Zeroizing::new(Vec::with_capacity(bytes.len() + self.reason.len() + 4096));
        serde_json::to_writer(&mut *document, &members)?;
        Ok(Some(document))
    }

    /// Returns the form that is shown.
    pub(super) fn shown(&self) -> Shown {
        Shown { webhook: Arc::clone(&self.webhook), document: self.document.clone() }
    }

    /// Returns the webhook to which a patch is applied.
    pub(super) fn patchable(&self) -> Result<&Arc<Webhook>, Problem> {
        match self.document {
            None => Ok(&self.webhook),
            Some(_) => {
                let help = "replace the whole webhook with PUT, or delete it";
                Err(Problem::invalid(INVALID, self.reason.clone(), help))
            }
        }
    }
}

/// Returns rules that also accept the targets of development mode, and these event types at every
/// level.
fn lenient(rules: &Rules, named: &[Value]) -> Rules {
    // A catalogue of exactly the types that the document names accepts all of them.
    let data: Vec<Value> = named.iter().map(|name| json!({"name": name})).collect();
    let catalogue = Catalogue::read(json!({"data": data}).to_string().as_bytes());
    // Names that are no strings make no catalogue. The document is then refused by any rules, and
    // becomes a placeholder.
    let catalogue = catalogue.unwrap_or_else(|_| rules.catalogue().clone());
    rules.clone().with_catalogue(catalogue).with_development(true)
}

/// Returns a document with the members that lists, limits and visibility need, and a URL that is
/// never used.
fn placeholder(document: &Value) -> WebhookDocument {
    let kept = ["id", "name", "level", "ownerId", "origin", "createdAt", "createdByUserId"];
    let kept = kept.into_iter().chain(["updatedAt", "updatedByUserId", "eventTypes"]);
    let mut members = serde_json::Map::new();
    for name in kept {
        if let Some(value) = document.get(name) {
            members.insert(name.to_owned(), value.clone());
        }
    }
    // Required, and never sent to: a refused webhook is not in the registry.
    members.insert("url".to_owned(), "https://example.com/".into());
    Value::Object(members).into()
}

/// Sets the members that show why a webhook is disabled.
fn disable(members: &mut Members<'_>, reason: &str) -> serde_json::Result<()> {
    members.set("enabled", &false)?;
    members.set("disabledReason", &reason)?;
    members.set("disabledReasonCode", &INVALID)
}

/// Returns a stored document in the form of a response, without its secrets.
fn shown(bytes: &[u8], id: &WebhookId, reason: &str) -> serde_json::Result<Arc<RawValue>> {
    let mut members = Members::read(bytes)?;
    members.set("id", id)?;
    // Null means that there is no secret. Without the member, the secret is unknown, as in a
    // webhook that was read from a response, and the document's own statement holds.
    let has_secret = match members.get("secret") {
        Some(_) => members.has("secret"),
        None => members.get("secretKeyAdded").is_some_and(|added| added.get() == "true"),
    };
    members.remove("secret");
    members.set("secretKeyAdded", &has_secret)?;
    let headers = members.get("encryptedHeaders").map(RawValue::get).unwrap_or("null");
    if headers.starts_with('{') {
        let headers = headers.to_owned();
        let headers = Members::read(headers.as_bytes())?;
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        members.set("encryptedHeaders", &names)?;
    }
    disable(&mut members, reason)?;
    Ok(serde_json::value::to_raw_value(&members)?.into())
}

#[cfg(test)]
mod tests {
    use super::{INVALID, Refused};
    use hooksieve::webhook::{Rules, Webhook, WebhookDocument, WebhookId};
    use serde_json::{Value, json};

    fn read(document: &Value) -> Refused {
        let rules = Rules::default();
        let bytes = document.to_string();
        let parsed = WebhookDocument::read(bytes.as_bytes()).unwrap();
        let problems = Webhook::restore(&parsed, &rules).unwrap_err();
        let now = std::time::UNIX_EPOCH.into();
        Refused::read(&WebhookId::from("w1"), bytes.as_bytes(), (&rules, &problems), now).unwrap()
    }

    fn document(url: &str, types: &[&str]) -> Value {
        json!({
            "id": "w1", "name": "n", "url": url, "level": "user", "ownerId": "u1", "enabled": true,
            "eventTypes": types, "secret": "0123456789abcdef0123456789abcdef",
            "encryptedHeaders": {"X-Key": "planted"},
        })
    }

    #[test]
    fn keeps_development_targets_and_unknown_event_types() {
        for (url, types) in [
            ("http://localhost:1/", ["com.qlik.v1.app.created"]),
            ("https://hooks.example.com/", ["com.example.gone"]),
        ] {
            let refused = read(&document(url, &types));
            assert!(refused.patchable().is_ok());
            let shown = serde_json::to_value(refused.shown()).unwrap();
            assert_eq!((&shown["url"], &shown["enabled"]), (&json!(url), &json!(false)));
            assert_eq!(shown["disabledReasonCode"], INVALID);
        }
    }

    #[test]
    fn shows_the_document_of_a_placeholder_without_secrets() {
        let refused = read(&document("https://10.0.0.1/", &["com.qlik.v1.app.created"]));
        assert!(refused.patchable().is_err());
        let shown = serde_json::to_value(refused.shown()).unwrap();
        assert_eq!(shown["url"], "https://10.0.0.1/");
        assert_eq!(shown["encryptedHeaders"], json!(["X-Key"]));
        assert_eq!((&shown["secretKeyAdded"], &shown["enabled"]), (&json!(true), &json!(false)));
        let text = shown.to_string();
        assert!(!text.contains("planted") && !text.contains("0123456789abcdef"), "{text}");
        assert_eq!(refused.webhook.owner().unwrap().as_str(), "u1");
    }
    #[test]
    fn shows_whether_there_is_a_secret() {
        for (change, expected) in [
            (json!({"secret": null}), false),
            (json!({"secret": null, "secretKeyAdded": true}), false),
            (json!({"secretKeyAdded": true}), true),
            (json!({}), false),
        ] {
            let mut document = document("https://10.0.0.1/", &["com.qlik.v1.app.created"]);
            document.as_object_mut().unwrap().remove("secret");
            document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let shown = serde_json::to_value(read(&document).shown()).unwrap();
            assert_eq!(shown["secretKeyAdded"], expected, "{change}");
        }
    }

    #[test]
    fn shows_members_and_headers_in_the_order_of_the_document() {
        let text = r#"{"url":"https://10.0.0.1/","name":"n","id":"w1","enabled":true,
            "headers":{"X-b":"1","x-A":"2"},"encryptedHeaders":{"X-d":"1","x-C":"2"}}"#;
        let rules = Rules::default();
        let parsed = WebhookDocument::read(text.as_bytes()).unwrap();
        let problems = Webhook::restore(&parsed, &rules).unwrap_err();
        let now = std::time::UNIX_EPOCH.into();
        let id = WebhookId::from("w1");
        let refused = Refused::read(&id, text.as_bytes(), (&rules, &problems), now).unwrap();
        let shown = serde_json::to_string(&refused.shown()).unwrap();
        let start = r#"{"url":"https://10.0.0.1/","name":"n","id":"w1","enabled":false,"#;
        assert!(shown.starts_with(start), "{shown}");
        assert!(shown.contains(r#""headers":{"X-b":"1","x-A":"2"}"#), "{shown}");
        assert!(shown.contains(r#""encryptedHeaders":["X-d","x-C"]"#), "{shown}");
        let stored = refused.disabled(text.as_bytes()).unwrap().unwrap();
        assert_eq!(refused.disabled(&stored).unwrap(), None, "it is disabled once");
    }
}
