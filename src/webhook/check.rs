//! Checks the document of a webhook as a whole.
//!
//! Each member has one method with its rules. A member is checked even if others are wrong, so that
//! all errors are reported at once; a rule that needs two members is left out if one of them cannot
//! be read.

mod members;

use super::content::{Access, Content, MEMBERS, Server};
use super::document::Json;
use super::headers::{self, Group, Header};
use super::kind::{Kind, problem, token};
use super::url::{self, Target};
use super::{Edit, Level, Origin, Rules, Secret, Timestamp, Webhook, WebhookId, kind, warning};
use crate::diagnostic::nearest::nearest;
use crate::diagnostic::{Diagnostic, Found, quote};
use crate::event::{Envelope, EventType, UserId};
use crate::filter::Filter;
use crate::syntax::is_space;
use hashbrown::HashSet;

/// What a document is for.
pub(super) enum Basis<'a> {
    /// A new webhook. Members that the server sets are ignored.
    New,
    /// The new content of the webhook `old`, from a PUT or, with `patch`, from a PATCH.
    ///
    /// `sets_encrypted` says that the request sets or removes the encrypted headers.
    Change { old: &'a Webhook, sets_encrypted: bool, patch: bool },
    /// A response or a stored webhook. It has the values that the server set, and may lack secrets.
    Document { id_required: bool, warns: bool },
}

/// The result of a check. `content` is `None` if there are errors.
pub(super) struct Outcome {
    pub(super) id: Option<WebhookId>,
    pub(super) content: Option<Content>,
    pub(super) server: Server,
    pub(super) found: Found,
    pub(super) warnings: Found,
    /// The members of the document that only the server sets.
    pub(super) server_members: Vec<&'static str>,
}

/// Checks a document.
pub(super) fn check(rules: &Rules, document: &Json<'_>, basis: &Basis<'_>) -> Outcome {
    let (found, warnings) = (Found::default(), Found::default());
    let server_members = Vec::new();
    let mut check = Check { rules, document, basis, found, warnings, server_members };
    if !matches!(document, Json::Object(_)) {
        let title = format!("expected a webhook, a JSON object, found {}", document.kind());
        check.wrong(Kind::NotAnObject, "", title, "send a JSON object");
        return check.outcome(None, Server::default(), None);
    }
    check.names();
    let (id, server) = match basis {
        Basis::Document { id_required, .. } => (check.webhook_id(*id_required), check.server()),
        _ => (None, Server::default()),
    };
    let content = check.content();
    check.outcome(id, server, content)
}

/// The state of a check.
struct Check<'a> {
    rules: &'a Rules,
    document: &'a Json<'a>,
    basis: &'a Basis<'a>,
    found: Found,
    warnings: Found,
    server_members: Vec<&'static str>,
}

impl<'a> Check<'a> {
    /// Ends the check.
    fn outcome(self, id: Option<WebhookId>, server: Server, content: Option<Content>) -> Outcome {
        let Self { found, warnings, server_members, .. } = self;
        let content = content.filter(|_| found.is_empty());
        Outcome { id, server, content, found, warnings, server_members }
    }

    /// Adds an error.
    fn wrong(
        &mut self,
        kind: Kind,
        pointer: &str,
        title: impl Into<Box<str>>,
        detail: impl Into<Box<str>>,
    ) {
        self.found.push(problem(kind, pointer, title, detail));
    }

    /// Adds warnings, unless the check is without them.
    fn warn(&mut self, warnings: impl FnOnce(&Rules) -> Vec<Diagnostic>) {
        if self.warns() {
            let warnings = warnings(self.rules);
            warnings.into_iter().for_each(|warning| self.warnings.push(warning));
        }
    }

    /// Returns whether to look for warnings. They cost more than the rest of the check, so a store
    /// is read without them.
    fn warns(&self) -> bool {
        !matches!(self.basis, Basis::Document { warns: false, .. })
    }

    /// Reports duplicate members, unknown ones, and those that a request may not set.
    fn names(&mut self) {
        let Json::Object(members) = self.document else { return };
        // Most documents have known members only, for which no hash is needed.
        let (mut seen, mut unknown) = ([false; MEMBERS.len()], HashSet::new());
        for (name, value) in members {
            let mut known = MEMBERS.iter().zip(&mut seen).find(|(known, _)| *known.name == **name);
            let is_duplicate = match &mut known {
                Some((_, seen)) => std::mem::replace(*seen, true),
                None => !unknown.insert(name),
            };
            if is_duplicate {
                let title = format!("duplicate member `{}`", quote(name));
                let pointer = format!("/{}", token(name));
                self.wrong(Kind::DuplicateMember, &pointer, title, "remove one of the two");
            } else if self.warns() {
                match known {
                    None => self.unknown_member(name),
                    Some((known, _)) if known.access == Access::Server && *value != Json::Null => {
                        self.server_members.push(known.name);
                    }
                    Some(_) => {}
                }
            }
        }
        // A response or a stored webhook has these members rightly.
        if !matches!(self.basis, Basis::Document { .. }) {
            let read_only = warning::read_only(&self.server_members);
            read_only.into_iter().for_each(|warning| self.warnings.push(warning));
        }
    }

    /// Warns of an unknown member.
    fn unknown_member(&mut self, name: &str) {
        let settable = MEMBERS.iter().filter(|known| known.access != Access::Server);
        let settable = settable.map(|known| known.name);
        let help = match self.warnings.suggest(|| nearest(name, settable)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "remove it".to_owned(),
        };
        let (pointer, title) =
            (format!("/{}", token(name)), format!("unknown member `{}` is ignored", quote(name)));
        self.warnings.push(problem(Kind::UnknownMember, pointer, title, help));
    }

    fn is_patch(&self) -> bool {
        matches!(self.basis, Basis::Change { patch: true, .. })
    }

    /// Reads the id of the webhook.
    fn webhook_id(&mut self, required: bool) -> Option<WebhookId> {
        let id = self.id("id");
        match required {
            true => self.required("id", "give it the id that the server uses for it", id),
            false => id.flatten(),
        }
    }

    /// Reads the values that the server sets.
    fn server(&mut self) -> Server {
        let tenant = self.id("tenantId").flatten();
        let created = self.edit("createdAt", "createdByUserId");
        let updated = self.edit("updatedAt", "updatedByUserId");
        let disabled_reason = self.string("disabledReason").flatten().map(Box::from);
        let disabled_code = self.string("disabledReasonCode").flatten().map(Box::from);
        Server { tenant, created, updated, disabled_reason, disabled_code }
    }

    /// Reads the time and the author of a change.
    fn edit(&mut self, at: &str, by: &str) -> Edit {
        let time = match self.text(at, 1, usize::MAX).flatten() {
            None => None,
            Some(text) => {
                let time = text.parse::<Timestamp>().ok();
                if time.is_none() {
                    let title =
                        format!("`{at}` is not a time in UTC since 1970: `{}`", quote(text));
                    let help = "write it like `2026-01-31T09:00:00Z`";
                    self.wrong(Kind::InvalidTime, &format!("/{at}"), title, help);
                }
                time
            }
        };
        Edit { by: self.id(by).flatten(), at: time }
    }

    /// Reads the values that the author sets.
    fn content(&mut self) -> Option<Content> {
        let name = self.text("name", 1, 512);
        let name = self.required("name", "give it 1 to 512 characters", name);
        let target = self.url();
        let description = self.text("description", 0, 1024);
        let level = self.word("level", &Level::ALL.map(|level| (level.as_str(), level)));
        let level = level.map(|level| level.unwrap_or(Level::Tenant));
        let owner = self.owner(level);
        let event_types = self.event_types(level);
        let filter = self.filter(event_types.as_deref());
        let secret = self.secret();
        let (headers, encrypted_headers) = self.headers(target.as_ref());
        let enabled = self.boolean("enabled", false);
        if self.member("enabled").is_none() {
            self.warn(|_| vec![warning::not_enabled()]);
        }
        let envelope = self.envelope();
        let check_revocation = self.boolean("checkCertificateRevocation", false);
        let origin = self.origin();
        let (filter, filter_text) = filter?;
        Some(Content {
            name: name?.into(),
            target: target?,
            description: description?.map(Box::from),
            level: level?,
            owner: owner?,
            event_types: event_types?.into(),
            filter,
            filter_text,
            secret: secret?,
            headers: headers.into(),
            encrypted_headers: encrypted_headers.into(),
            enabled: enabled?,
            envelope: envelope?,
            check_revocation: check_revocation?,
            origin: origin?,
        })
    }

    /// Reads the target URL.
    fn url(&mut self) -> Option<Target> {
        let text = self.string("url");
        let help = "give an https URL, such as `https://hooks.example.com/`";
        let text = self.required("url", help, text)?;
        self.has_length("url", text, 0, url::MAX);
        match Target::check(text, self.rules.development) {
            Ok(target) => {
                self.warn(|rules| warning::of_url(&target, rules.development));
                Some(target)
            }
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.found.push(problem));
                None
            }
        }
    }

    /// Reads the owner, which only level `user` has.
    fn owner(&mut self, level: Option<Level>) -> Option<Option<UserId>> {
        let owner = self.id("ownerId")?;
        if owner.is_some() && level == Some(Level::Tenant) {
            let title = "a webhook of level `tenant` has no `ownerId`";
            let help = "remove it, or set `level` to `user`";
            self.wrong(Kind::OwnerNotAllowed, "/ownerId", title, help);
        }
        Some(owner)
    }

    /// Reads the event types, each once.
    ///
    /// Unknown types are included, since the rules of the filter depend on all types. `None` if an
    /// item is not a string.
    fn event_types(&mut self, level: Option<Level>) -> Option<Vec<EventType>> {
        let items = match self.member("eventTypes") {
            None => &[][..],
            Some(Json::Array(items)) => items,
            Some(other) => {
                self.wrong_type("eventTypes", other, "give an array of strings");
                return None;
            }
        };
        if items.is_empty() {
            self.warn(|_| vec![warning::no_event_types()]);
        }
        let mut seen = HashSet::new();
        let mut types = Vec::new();
        let mut all = true;
        for (at, item) in items.iter().enumerate() {
            let pointer = format!("/eventTypes/{at}");
            match item {
                Json::String(name) if !seen.insert(name) => {}
                Json::String(name) => {
                    self.event_type(&pointer, name, level);
                    types.push(EventType::from(&**name));
                }
                other => {
                    let title = format!("an event type is {}", other.kind());
                    self.wrong(Kind::WrongType, &pointer, title, "give a string");
                    all = false;
                }
            }
        }
        all.then_some(types)
    }

    /// Checks one event type.
    fn event_type(&mut self, pointer: &str, name: &str, level: Option<Level>) {
        let catalogue = &self.rules.catalogue;
        let Some(known) = catalogue.find(name) else {
            let title = format!("`{}` is not a webhook event type", quote(name));
            let nearest = self.found.suggest(|| catalogue.nearest(name));
            let help = match nearest {
                Some(nearest) => format!("did you mean `{}`?", quote(nearest)),
                None => catalogue.help(name),
            };
            let problem = problem(Kind::EventTypeUnknown, pointer, title, help);
            return self.found.push(problem.with_suggestion(nearest));
        };
        if let Some(level) = level.filter(|level| !known.supports(*level)) {
            let title = format!("event type `{}` does not support level `{level}`", quote(name));
            let levels: Vec<_> = known.levels().iter().map(|known| format!("`{known}`")).collect();
            let help = match levels.is_empty() {
                true => "remove it; it supports no level".to_owned(),
                false if self.is_patch() => format!(
                    "remove it; it supports only {}, and a patch cannot change the level",
                    levels.join(" or ")
                ),
                false => format!("remove it, or set `level` to {}", levels.join(" or ")),
            };
            self.wrong(Kind::EventTypeLevel, pointer, title, help);
        }
    }

    /// Reads the filter and its text.
    fn filter(&mut self, types: Option<&[EventType]>) -> Option<(Filter, Option<Box<str>>)> {
        let text = self.string("filter")?.unwrap_or_default();
        match self.rules.filter(text, types) {
            Ok(filter) => {
                let types = types.unwrap_or_default();
                self.warn(|rules| warning::of_filter(rules, &filter, text, types));
                let written = (!text.chars().all(is_space)).then(|| text.into());
                Some((filter, written))
            }
            Err(errors) => {
                let more = match self.is_patch() {
                    true => "; a patch cannot change the filter: replace the webhook (PUT) instead",
                    false => "",
                };
                self.found.extend(errors, |error| kind::of_filter(error, more));
                None
            }
        }
    }

    /// Reads the secret. A response only says that there is one.
    fn secret(&mut self) -> Option<Option<Secret>> {
        if self.document.member("secret") == Some(&Json::Withheld) {
            return Some(Some(Secret::withheld()));
        }
        let added = match self.basis {
            Basis::Document { .. } => self.boolean("secretKeyAdded", false),
            _ => Some(false),
        };
        let secret = self.text("secret", 32, 64)?.map(Secret::new);
        self.warn(|_| secret.iter().flat_map(warning::of_secret).collect());
        let added = added?.then(Secret::withheld);
        Some(secret.or(added))
    }

    /// Reads both groups of headers, as far as they are valid.
    fn headers(&mut self, target: Option<&Target>) -> (Vec<Header>, Vec<Header>) {
        let mut group = |group: Group| match self.member(group.member()) {
            None => headers::Checked::default(),
            Some(value) => headers::check(group, value, &mut self.found),
        };
        let (plain, encrypted) = (group(Group::Plain), group(Group::Encrypted));
        headers::check_both(&plain, &encrypted, &mut self.found);
        self.warn(|_| {
            let mut warnings = warning::of_headers(Group::Plain, &plain.headers);
            warnings.extend(warning::of_headers(Group::Encrypted, &encrypted.headers));
            warnings
        });
        let pointer = "/encryptedHeaders";
        if let Some(Json::Array(names)) = self.member("encryptedHeaders")
            && !names.is_empty()
        {
            let title = "`encryptedHeaders` has names without values".to_owned();
            let help = "give an object of names and values, or leave it out";
            let problem = problem(Kind::HeaderWithoutValue, pointer, title, help);
            match self.basis {
                // A response, or a document made from one, does not have the values.
                Basis::Document { .. } if !self.server_members.is_empty() => {}
                Basis::Document { .. } => self.warn(|_| vec![problem]),
                _ => self.found.push(problem),
            }
        }
        // An invalid URL counts as another one.
        if let Basis::Change { old, sets_encrypted: false, .. } = self.basis
            && target != Some(&old.content.target)
            && self.member("url").is_some()
            && !old.content.encrypted_headers.is_empty()
        {
            let title = "`url` changes, so the encrypted headers are needed again";
            let help = "give `encryptedHeaders` in the same request, or remove it";
            self.wrong(Kind::HeadersNeeded, pointer, title, help);
        }
        (plain.headers, encrypted.headers)
    }

    /// Reads the envelope. Once it is CloudEvents 1.0, it cannot be changed.
    fn envelope(&mut self) -> Option<Envelope> {
        let name = "enableCloudEventDelivery";
        let enabled = self.boolean(name, true)?;
        if let Basis::Change { old, .. } = self.basis
            && old.content.envelope == Envelope::CloudEvents
            && !enabled
        {
            let title = format!("`{name}` cannot be switched off again");
            let help = "leave it true, or create another webhook";
            self.wrong(Kind::CloudEventsFixed, &format!("/{name}"), title, help);
        }
        Some(if enabled { Envelope::CloudEvents } else { Envelope::Legacy })
    }

    /// Reads the origin, which is fixed at creation.
    fn origin(&mut self) -> Option<Origin> {
        let origin = self.word("origin", &Origin::ALL.map(|origin| (origin.as_str(), origin)))?;
        let Basis::Change { old, .. } = self.basis else {
            return Some(origin.unwrap_or(Origin::Api));
        };
        let fixed = old.origin();
        if origin.is_some_and(|origin| origin != fixed) {
            let title = format!("`origin` is `{fixed}` since the webhook was created");
            self.wrong(Kind::OriginFixed, "/origin", title, "remove it");
        }
        Some(fixed)
    }
}
