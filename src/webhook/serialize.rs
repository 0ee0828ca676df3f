//! Writes a webhook as a JSON document: for responses, for a store, and for patching.
//!
//! # Three forms of one document
//!
//! | member | response | store | content |
//! | --- | --- | --- | --- |
//! | `secret` | never | if known | if known, or withheld |
//! | `secretKeyAdded` | whether there is one | the same | - |
//! | `encryptedHeaders` | names | names and values, if known | names and values, or withheld |
//! | `id`, times, users | yes | yes | - |
//!
//! A patch is applied to the content form. A value that is unknown is [withheld](Json::Withheld)
//! there: it is present, so that `replace` finds the member, and a patch of the name keeps it.

use super::content::{Content, MEMBERS, Server};
use super::document::{Json, Member};
use super::headers::Header;
use super::{Edit, Webhook};
use crate::event::{Envelope, TenantId, UserId};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;

/// What a document contains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// No secrets.
    Response,
    /// Everything, including secrets.
    Store,
    /// The values that the author sets, including secrets.
    Content,
}

/// Writes the response of the API, with `tenantId` if the tenant is known.
///
/// It never contains the secret or the value of an encrypted header: `secretKeyAdded` says whether
/// there is a secret, and `encryptedHeaders` is a list of names. Members without a value are left
/// out.
impl Serialize for Webhook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self, Form::Response).serialize(serializer)
    }
}

/// The form for a store; see [`Webhook::stored`].
#[derive(Clone, Copy, Debug)]
struct Stored<'a>(&'a Webhook);

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        document(self.0, Form::Store).serialize(serializer)
    }
}

impl Webhook {
    /// Returns the form for a store, including the secret and the values of encrypted headers.
    ///
    /// The store must encrypt this form. [`read`](Self::read) reads it back.
    ///
    /// ```
    /// use hooksieve::webhook::{WebhookDocument, NewWebhook, Rules, Webhook};
    /// # use std::time::UNIX_EPOCH;
    ///
    /// let document = WebhookDocument::read(br#"{
    ///     "name": "Reloads", "url": "https://hooks.example.com/", "eventTypes": [],
    ///     "secret": "0123456789abcdef0123456789abcdef"
    /// }"#)?;
    /// let rules = Rules::default();
    /// let new = NewWebhook::new("w1", "u1", UNIX_EPOCH.into());
    /// let webhook = Webhook::create(&document, &rules, new)?.webhook;
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

    /// Returns the bytes of text in the members without a small limit, and one per event type.
    ///
    /// The [stored](Self::stored) form has at most six times as many bytes, since JSON writes a
    /// byte as at most six, plus less than 1 MiB for the other members.
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

    /// Returns the document to which a patch is applied.
    pub(super) fn patchable(&self) -> Json<'_> {
        document(self, Form::Content)
    }
}

/// The members of a document that is being written.
struct Members<'a>(Vec<Member<'a>>);

impl<'a> Members<'a> {
    fn add(&mut self, name: &'static str, value: Json<'a>) {
        self.0.push((name.into(), value));
    }

    fn text(&mut self, name: &'static str, text: Option<impl Into<Cow<'a, str>>>) {
        if let Some(text) = text {
            self.add(name, Json::text(text));
        }
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.add(name, Json::Bool(value));
    }
}

fn document(webhook: &Webhook, form: Form) -> Json<'_> {
    let Webhook { id, server, content } = webhook;
    let mut members = Members(Vec::with_capacity(MEMBERS.len()));
    if form != Form::Content {
        members.text("id", Some(id.as_str()));
        members.text("tenantId", server.tenant.as_ref().map(TenantId::as_str));
    }
    // The normalized form, unless that is too long to be read back.
    members.text("url", Some(content.target.shown()));
    members.text("name", Some(&*content.name));
    members.text("level", Some(content.level.as_str()));
    members.text("filter", content.filter_text.as_deref());
    match content.secret.as_ref().map(|secret| secret.expose()) {
        Some(Some(secret)) if form != Form::Response => members.text("secret", Some(secret)),
        Some(None) if form == Form::Content => members.add("secret", Json::Withheld),
        _ => {}
    }
    members.flag("enabled", content.enabled);
    if !content.headers.is_empty() {
        members.add("headers", object(&content.headers));
    }
    members.text("ownerId", content.owner.as_ref().map(UserId::as_str));
    let types = content.event_types.iter().map(|name| Json::text(name.as_str())).collect();
    members.add("eventTypes", Json::Array(types));
    members.text("description", content.description.as_deref());
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
    members.flag("enableCloudEventDelivery", content.envelope == Envelope::CloudEvents);
    members.flag("checkCertificateRevocation", content.check_revocation);
    members.text("origin", Some(content.origin.as_str()));
    if form != Form::Content {
        let Server { created, updated, disabled_reason, disabled_code, .. } = server;
        edit(&mut members, "createdAt", "createdByUserId", created);
        edit(&mut members, "updatedAt", "updatedByUserId", updated);
        members.text("disabledReason", disabled_reason.as_deref());
        members.text("disabledReasonCode", disabled_code.as_deref());
    }
    Json::Object(members.0)
}

fn edit<'a>(members: &mut Members<'a>, at: &'static str, by: &'static str, edit: &'a Edit) {
    members.text(at, edit.at.map(|time| time.to_string()));
    members.text(by, edit.by.as_ref().map(UserId::as_str));
}

fn object(headers: &[Header]) -> Json<'_> {
    let members = headers.iter().map(|header| (header.written().into(), header.json()));
    Json::Object(members.collect())
}

fn names(headers: &[Header]) -> Json<'_> {
    Json::Array(headers.iter().map(|header| Json::text(header.written())).collect())
}
