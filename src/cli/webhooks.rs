//! The file of webhooks: objects of the API as an array, as `{"data": […]}`, as NDJSON, or one.

use super::events::Nesting;
use super::report::{self, Origin};
use super::{Failure, quote};
use hooksieve::event::{ErrorKind, EventType};
use hooksieve::filter::{Error, Filter, Profile};
use hooksieve::matcher::{Audience, Subscription};
use hooksieve::syntax::excerpt;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::Path;

/// What matching needs of a webhook.
pub(super) struct Webhook {
    pub(super) id: String,
    line: usize,
    tenant: Option<String>,
    event_types: Vec<EventType>,
    enabled: bool,
    audience: Audience,
    filter: Filter,
}

impl Webhook {
    /// `tenant` is used where the webhook names none.
    pub(super) fn subscription(&self, tenant: &str) -> Subscription {
        let tenant = self.tenant.as_deref().unwrap_or(tenant);
        Subscription::new(tenant, self.event_types.iter().cloned(), self.filter.clone())
            .with_audience(self.audience.clone())
            .with_enabled(self.enabled)
    }
}

/// The webhooks of a file that are valid.
pub(super) struct Webhooks {
    pub(super) list: Vec<Webhook>,
    /// How many are not.
    pub(super) bad: usize,
    /// Whether the file itself makes no sense.
    pub(super) broken: bool,
    pub(super) tenancy: Tenancy,
}

/// Whose the webhooks of a file are.
pub(super) enum Tenancy {
    /// Each says it, or was told.
    Named,
    /// Some do not say it, so the file is one tenant's: that which another webhook names, or else
    /// that of the first event.
    One(Option<String>),
}

/// A webhook as the API writes it; other members are not needed here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a webhook, a JSON object")]
struct Resource {
    id: Option<String>,
    tenant_id: Option<String>,
    level: Option<Level>,
    owner_id: Option<String>,
    created_by_user_id: Option<String>,
    event_types: Option<Vec<String>>,
    filter: Option<String>,
    enabled: Option<bool>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Level {
    Tenant,
    User,
}

/// Something wrong with a webhook.
enum Trouble {
    Resource { code: &'static str, message: String, line: usize },
    Filter { text: String, error: Error },
}

impl Webhooks {
    /// Reads a file and reports what is wrong with it on standard error. `tenant` is that of
    /// webhooks which name none.
    pub(super) fn read(
        path: &Path,
        tenant: Option<&str>,
        profile: &Profile,
    ) -> Result<Self, Failure> {
        let (name, bytes) = super::read(path)?;
        let mut reader = Reader {
            name: &name,
            tenant,
            profile,
            ids: HashSet::new(),
            named: BTreeSet::new(),
            bad: 0,
            broken: false,
            list: Vec::new(),
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => reader.text(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                reader.broken = true;
                reader.report(line_at(before), "", "webhooks-utf8", "file is not UTF-8");
            }
        }
        let tenancy = reader.tenancy();
        let Reader { list, bad, broken, .. } = reader;
        Ok(Self { list, bad, broken, tenancy })
    }

    /// How many tenants have webhooks.
    pub(super) fn tenants(&self) -> usize {
        self.list.iter().map(|webhook| &webhook.tenant).collect::<BTreeSet<_>>().len()
    }
}

/// The line of a document, counted from 1, in which an error was found; its first one where
/// something is missing from it.
pub(super) fn line_of(document: &[u8], error: &hooksieve::event::Error) -> usize {
    let before = document.get(..error.offset()).unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingType | ErrorKind::MissingTenant => 1,
        _ if before.len() == document.len() => line_at(before.trim_ascii_end()),
        _ => line_at(before),
    }
}

/// The number of the line in which the text ends.
fn line_at(before: &[u8]) -> usize {
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    name: &'a str,
    tenant: Option<&'a str>,
    profile: &'a Profile,
    ids: HashSet<String>,
    /// Tenants that webhooks name, valid or not.
    named: BTreeSet<String>,
    bad: usize,
    broken: bool,
    list: Vec<Webhook>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Listing<'t> {
    #[serde(borrow)]
    data: Option<Vec<&'t RawValue>>,
}

impl Reader<'_> {
    fn text(&mut self, text: &str) {
        let whole = text.trim_ascii();
        if whole.starts_with('[') {
            return match serde_json::from_str::<Vec<&RawValue>>(whole) {
                Ok(items) => self.items(text, &items),
                Err(error) => self.malformed(text, &error),
            };
        }
        match serde_json::from_str::<&RawValue>(whole) {
            Ok(one) => match serde_json::from_str::<Listing<'_>>(whole) {
                Ok(Listing { data: Some(items) }) => self.items(text, &items),
                Ok(Listing { data: None }) => self.items(text, &[one]),
                Err(error) => self.malformed(text, &error),
            },
            // An object over several lines that is not well formed, or lines of objects.
            Err(error) => {
                let mut lines = whole.lines();
                let mut first = Nesting::default();
                first.scan(lines.next().unwrap_or_default().as_bytes());
                let next = lines.find_map(|line| line.trim_ascii_start().bytes().next());
                if next.is_none() || first.goes_on(next) {
                    self.malformed(text, &error);
                } else {
                    self.lines(text);
                }
            }
        }
    }

    fn lines(&mut self, text: &str) {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty())
        {
            match serde_json::from_str::<&RawValue>(line) {
                Ok(item) => self.item(at + 1, item.get()),
                Err(error) => self.report(at + 1, "", "webhook-syntax", &without_place(&error)),
            }
        }
    }

    fn items(&mut self, text: &str, items: &[&RawValue]) {
        let (mut line, mut counted) = (1, 0);
        for item in items {
            let offset = (item.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            line += line_at(text.as_bytes().get(counted..offset).unwrap_or_default()) - 1;
            counted = offset;
            self.item(line, item.get());
        }
    }

    fn malformed(&mut self, text: &str, error: &serde_json::Error) {
        self.broken = true;
        let skipped = text.len() - text.trim_ascii_start().len();
        let before = line_at(text.as_bytes().get(..skipped).unwrap_or_default());
        self.report(before + error.line() - 1, "", "webhooks-syntax", &without_place(error));
    }

    fn item(&mut self, line: usize, item: &str) {
        // A derived reader would take the members' values in an array, too.
        if !item.starts_with('{') {
            return self.report(line, "", "webhook-invalid", "expected a webhook, a JSON object");
        }
        let mut reader = serde_json::Deserializer::from_str(item);
        let resource: Resource = match serde_path_to_error::deserialize(&mut reader) {
            Ok(resource) => resource,
            Err(error) => {
                let member = match error.path().to_string() {
                    path if path == "." => String::new(),
                    path => format!("`{}`: ", quote(&path)),
                };
                let error = error.into_inner();
                let message = format!("{member}{}", without_place(&error));
                let any: Option<Value> = serde_json::from_str(item).ok();
                let id = any.as_ref().and_then(|any| any.get("id")?.as_str()).unwrap_or_default();
                return self.report(line + error.line() - 1, id, "webhook-invalid", &message);
            }
        };
        let id = resource.id.clone().unwrap_or_default();
        match self.webhook(line, resource) {
            Ok(webhook) => self.list.push(webhook),
            Err(troubles) => {
                self.bad += 1;
                for trouble in troubles {
                    self.print(&id, &trouble, line);
                }
            }
        }
    }

    fn webhook(&mut self, line: usize, resource: Resource) -> Result<Webhook, Vec<Trouble>> {
        let mut troubles = Vec::new();
        let mut wrong =
            |code, message: String| troubles.push(Trouble::Resource { code, message, line });
        let id = resource.id.unwrap_or_default();
        if id.is_empty() {
            wrong("webhook-missing-id", "webhook has no `id`".into());
        } else if !self.ids.insert(id.clone()) {
            wrong("webhook-doubled-id", format!("id `{}` stands twice in the file", quote(&id)));
        }
        self.named.extend(resource.tenant_id.clone());
        if resource.tenant_id.as_deref() == Some("") {
            wrong("webhook-empty-tenant", "`tenantId` is empty".into());
        }
        let owner = resource.owner_id.or(resource.created_by_user_id);
        let audience = match (resource.level.unwrap_or(Level::Tenant), owner) {
            (Level::Tenant, _) => Audience::Tenant,
            (Level::User, Some(owner)) if !owner.is_empty() => Audience::Owner(owner.into()),
            (Level::User, _) => {
                wrong(
                    "webhook-missing-owner",
                    "webhook of level `user` has no `ownerId` and no `createdByUserId`".into(),
                );
                Audience::Tenant
            }
        };
        let event_types: Vec<EventType> =
            resource.event_types.unwrap_or_default().into_iter().map(EventType::from).collect();
        let text = resource.filter.unwrap_or_default();
        let filter = match self.profile.filter(&text, Some(&event_types)) {
            Ok(filter) => filter,
            Err(error) => {
                troubles.push(Trouble::Filter { text, error });
                return Err(troubles);
            }
        };
        if !troubles.is_empty() {
            return Err(troubles);
        }
        let tenant = resource.tenant_id.or(self.tenant.map(str::to_owned));
        let enabled = resource.enabled.unwrap_or(false);
        Ok(Webhook { id, line, tenant, event_types, enabled, audience, filter })
    }

    /// Where some webhooks name a tenant and others do not, those are the same tenant's, if it is
    /// one; else whose they are cannot be told.
    fn tenancy(&mut self) -> Tenancy {
        let names = std::mem::take(&mut self.named);
        if self.list.iter().all(|webhook| webhook.tenant.is_some()) {
            return Tenancy::Named;
        }
        if names.len() < 2 {
            let tenant = names.into_iter().next();
            for webhook in &mut self.list {
                webhook.tenant = webhook.tenant.take().or_else(|| tenant.clone());
            }
            return Tenancy::One(tenant);
        }
        for webhook in std::mem::take(&mut self.list) {
            if webhook.tenant.is_some() {
                self.list.push(webhook);
            } else {
                let message = "webhook has no `tenantId` in a file of several tenants: add it, or give --tenant";
                self.report(webhook.line, &webhook.id, "webhook-missing-tenant", message);
            }
        }
        Tenancy::Named
    }

    fn report(&mut self, line: usize, id: &str, code: &'static str, message: &str) {
        self.bad += 1;
        self.print(id, &Trouble::Resource { code, message: message.to_owned(), line }, line);
    }

    fn print(&self, id: &str, trouble: &Trouble, line: usize) {
        let webhook =
            if id.is_empty() { String::new() } else { format!(" webhook `{}`:", quote(id)) };
        let mut err = anstream::stderr();
        let _ = match trouble {
            Trouble::Resource { code, message, line } => {
                writeln!(err, "{}:{line}:{webhook} error[{code}]: {}", self.name, message)
            }
            Trouble::Filter { text, error } => {
                let origin = Origin { name: None };
                write!(
                    err,
                    "{}:{line}:{webhook} filter is not valid\n{}",
                    self.name,
                    report::draw(text, error, &origin)
                )
            }
        };
    }
}

/// serde_json's message without its line and column, which count from the start of an item.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    // It quotes values at any length.
    excerpt(text.strip_suffix(&place).unwrap_or(&text), 160)
}
