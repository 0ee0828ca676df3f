//! Stored webhooks that the rules refuse after a restart.
//!
//! A restart with other rules (another catalogue, without development mode, a newer version) may
//! refuse webhooks in the store. They are neither deleted, because they belong to users, nor
//! delivered to, because the rules protect the server. They stay unchanged in the store, are shown
//! as disabled with the reason code `invalid-webhook`, and can be replaced or removed. The start
//! writes nothing, so that one with the wrong rules does no damage.
//!
//! A [`Webhook`] is always valid, and lists, limits and visibility are computed from webhooks. So a
//! refused document is read again by lenient rules, which accept its event types and the targets of
//! development mode. If that fails, a *placeholder* with the members that those computations need
//! represents the webhook, and the document is shown. A patch would be applied to the placeholder,
//! so it is refused.

use super::problem::Problem;
use hooksieve::diagnostic::Diagnostics;
use hooksieve::webhook::{Catalogue, Rules, Timestamp, Webhook, WebhookDocument, WebhookId};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::sync::Arc;

/// The reason code of a refused webhook.
pub(crate) const INVALID: &str = "invalid-webhook";

/// A webhook that the rules refuse.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// The webhook, disabled; a placeholder if there is a document.
    pub(super) webhook: Arc<Webhook>,
    /// The document that is shown in place of a placeholder.
    document: Option<Arc<Value>>,
    /// The reason of the refusal.
    pub(super) reason: String,
}

/// The form of a webhook in responses.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    webhook: Arc<Webhook>,
    document: Option<Arc<Value>>,
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
        let mut value: Value = serde_json::from_slice(bytes).ok()?;
        let members = value.as_object_mut()?;
        members.insert("id".to_owned(), id.as_str().into());
        let reason = format!("the webhook is no longer valid: {problems}");
        let named = members.get("eventTypes").and_then(Value::as_array).cloned();
        let lenient = lenient(rules, &named.unwrap_or_default());
        let disabled = |webhook: Webhook| {
            let at = webhook.updated().at.unwrap_or(now);
            Arc::new(webhook.disabled(&reason, INVALID, at))
        };
        if let Ok(webhook) = Webhook::restore(&value.clone().into(), &lenient) {
            let webhook = disabled(webhook);
            return Some(Self { webhook, document: None, reason });
        }
        let webhook = disabled(Webhook::restore(&placeholder(&value), &lenient).ok()?);
        let document = Some(Arc::new(shown(value, &reason)));
        Some(Self { webhook, document, reason })
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
    let data: Vec<Value> = named.iter().map(|name| json!({"name": name})).collect();
    let catalogue = Catalogue::read(json!({"data": data}).to_string().as_bytes());
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
    members.insert("url".to_owned(), "https://example.com/".into());
    Value::Object(members).into()
}

/// Returns a stored document in the form of a response, without its secrets.
fn shown(mut document: Value, reason: &str) -> Value {
    if let Some(members) = document.as_object_mut() {
        let secret = members.remove("secret").is_some();
        members.insert("secretKeyAdded".to_owned(), secret.into());
        if let Some(Value::Object(headers)) = members.remove("encryptedHeaders") {
            let names: Vec<Value> = headers.into_iter().map(|(name, _)| name.into()).collect();
            members.insert("encryptedHeaders".to_owned(), names.into());
        }
        members.insert("enabled".to_owned(), false.into());
        members.insert("disabledReason".to_owned(), reason.into());
        members.insert("disabledReasonCode".to_owned(), INVALID.into());
    }
    document
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
}
