//! A webhook as a JSON document: for responses, for a store, and for patching.

use super::content::{Content, Server};
use super::document::Json;
use super::headers::Header;
use super::{Edit, Webhook};
use crate::event::{TenantId, UserId};
use serde::ser::{Serialize, Serializer};

/// What a document holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing secret.
    Response,
    /// Everything, secrets included.
    Store,
    /// What an author decides, secrets included.
    Content,
}

/// The API's JSON of a webhook, for responses, and `tenantId` where the tenant is known. It never
/// holds the secret or a value of an encrypted header: `secretKeyAdded` tells that there is a
/// secret, and `encryptedHeaders` lists names. What is not set is left out.
impl Serialize for Webhook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self, Form::Response).serialize(serializer)
    }
}

/// A webhook with its secrets, for a store; made by [`Webhook::stored`].
#[derive(Clone, Copy, Debug)]
struct Stored<'a>(&'a Webhook);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self.0, Form::Store).serialize(serializer)
    }
}

impl Webhook {
    /// The webhook with the secret and the values of the encrypted headers, for a store that
    /// encrypts what it is given. [`read`](Self::read) takes it back.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, NewWebhook, Rules, Webhook};
    /// # use std::time::UNIX_EPOCH;
    ///
    /// let draft = WebhookDocument::read(br#"{
    ///     "name": "Reloads", "url": "https://hooks.example.com/", "eventTypes": [],
    ///     "secret": "0123456789abcdef0123456789abcdef"
    /// }"#)?;
    /// let rules = Rules::default();
    /// let webhook = Webhook::create(&draft, &rules, NewWebhook::new("w1", "u1", UNIX_EPOCH.into()))?.webhook;
    /// let text = serde_json::to_vec(&webhook.stored()).unwrap();
    /// assert_eq!(Webhook::read(&WebhookDocument::read(&text)?, &rules)?.webhook, webhook);
    ///
    /// let response = serde_json::to_string(&webhook).unwrap();
    /// assert!(response.contains(r#""secretKeyAdded":true"#) && !response.contains("abcdef"));
    /// # Ok::<(), hooksieve::diagnostic::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn stored(&self) -> impl Serialize + '_ {
        Stored(self)
    }

    /// The bytes of text in the members that have no small limit, and one for each event type. The
    /// [stored](Self::stored) form takes at most six times that, since JSON writes no byte as more
    /// than six, and less than 1 MiB for all else.
    pub(crate) fn text_bytes(&self) -> usize {
        let Self { id, server, content } = self;
        let Server { tenant, created, updated, disabled_reason, disabled_code } = server;
        let Content { owner, event_types, filter_text, .. } = content;
        let texts = [
            Some(id.as_str()),
            tenant.as_ref().map(TenantId::as_str),
            created.by.as_ref().map(UserId::as_str),
            updated.by.as_ref().map(UserId::as_str),
            disabled_reason.as_deref(),
            disabled_code.as_deref(),
            owner.as_ref().map(UserId::as_str),
            filter_text.as_deref(),
        ];
        let types: usize = event_types.iter().map(|name| name.as_str().len() + 1).sum();
        texts.iter().flatten().map(|text| text.len()).sum::<usize>() + types
    }

    /// What a patch is applied to.
    pub(super) fn patchable(&self) -> Json {
        document(self, Form::Content)
    }
}

struct Members(Vec<(Box<str>, Json)>);

impl Members {
    fn add(&mut self, name: &str, value: Json) {
        self.0.push((name.into(), value));
    }

    fn text(&mut self, name: &str, text: Option<impl ToString>) {
        if let Some(text) = text {
            self.add(name, Json::text(text.to_string()));
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.add(name, Json::Bool(value));
    }
}

fn document(webhook: &Webhook, form: Form) -> Json {
    let Webhook { id, server, content } = webhook;
    let mut members = Members(Vec::with_capacity(23));
    if form != Form::Content {
        members.text("id", Some(id));
        members.text("tenantId", server.tenant.as_ref());
    }
    members.text("url", Some(content.target.shown()));
    members.text("name", Some(&content.name));
    members.text("level", Some(content.level));
    members.text("filter", content.filter_text.as_ref());
    match content.secret.as_ref().map(|secret| secret.expose()) {
        Some(Some(secret)) if form != Form::Response => members.text("secret", Some(secret)),
        Some(None) if form == Form::Content => members.add("secret", Json::Withheld),
        _ => {}
    }
    members.flag("enabled", content.enabled);
    if !content.headers.is_empty() {
        members.add("headers", object(&content.headers));
    }
    members.text("ownerId", content.owner.as_ref());
    let types = content.event_types.iter().map(|name| Json::text(name.as_str())).collect();
    members.add("eventTypes", Json::Array(types));
    members.text("description", content.description.as_ref());
    if form != Form::Content {
        members.flag("secretKeyAdded", content.secret.is_some());
    }
    if !content.encrypted_headers.is_empty() {
        let withheld = content.encrypted_headers.iter().any(|header| header.value().is_none());
        let value = match form {
            Form::Content => object(&content.encrypted_headers),
            Form::Store if !withheld => object(&content.encrypted_headers),
            Form::Store | Form::Response => names(&content.encrypted_headers),
        };
        members.add("encryptedHeaders", value);
    }
    members.flag("enableCloudEventDelivery", content.cloud_events);
    members.flag("checkCertificateRevocation", content.check_revocation);
    members.text("origin", Some(content.origin));
    if form != Form::Content {
        let Server { created, updated, disabled_reason, disabled_code, .. } = server;
        stamp(&mut members, "createdAt", "createdByUserId", created);
        stamp(&mut members, "updatedAt", "updatedByUserId", updated);
        members.text("disabledReason", disabled_reason.as_ref());
        members.text("disabledReasonCode", disabled_code.as_ref());
    }
    Json::Object(members.0)
}

fn stamp(members: &mut Members, at: &str, by: &str, stamp: &Edit) {
    members.text(at, stamp.at);
    members.text(by, stamp.by.as_ref());
}

fn object(headers: &[Header]) -> Json {
    let member = |header: &Header| (header.written().into(), header.json());
    Json::Object(headers.iter().map(member).collect())
}

fn names(headers: &[Header]) -> Json {
    Json::Array(headers.iter().map(|header| Json::text(header.written())).collect())
}
