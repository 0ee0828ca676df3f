//! The file of webhooks: objects of the API as an array, as `{"data": […]}`, as NDJSON, or one.

use super::report::{self, Origin};
use super::{Failure, plain};
use hooksieve::event::EventType;
use hooksieve::filter::{Error, Filter, Profile};
use hooksieve::matcher::{Audience, Subscription};
use serde::Deserialize;
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
}

/// A webhook as the API writes it; other members are not needed here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "expected a webhook, a JSON object")]
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
        let name = path.display().to_string();
        let io = |error| Failure::Input(name.clone(), error);
        let bytes = if name == "-" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map_err(io)?;
            bytes
        } else {
            std::fs::read(path).map_err(io)?
        };
        let mut reader =
            Reader { name: &name, tenant, profile, ids: HashSet::new(), bad: 0, list: Vec::new() };
        match std::str::from_utf8(&bytes) {
            Ok(text) => reader.text(text),
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                reader.report(line_at(before), "", "webhooks-utf8", "file is not UTF-8");
            }
        }
        reader.same_tenant();
        Ok(Self { list: reader.list, bad: reader.bad })
    }

    /// Whether the file says of no webhook whose it is.
    pub(super) fn of_one_unnamed_tenant(&self) -> bool {
        !self.list.is_empty() && self.list.iter().all(|webhook| webhook.tenant.is_none())
    }

    /// How many tenants have webhooks.
    pub(super) fn tenants(&self) -> usize {
        self.list.iter().map(|webhook| &webhook.tenant).collect::<BTreeSet<_>>().len()
    }
}

/// The number of the line in which the text ends.
pub(super) fn line_at(before: &[u8]) -> usize {
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

struct Reader<'a> {
    name: &'a str,
    tenant: Option<&'a str>,
    profile: &'a Profile,
    ids: HashSet<String>,
    bad: usize,
    list: Vec<Webhook>,
}

#[derive(Deserialize)]
#[serde(expecting = "expected an object")]
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
                let is_json = |line: &str| serde_json::from_str::<&RawValue>(line).is_ok();
                let object = |line: &str| line.trim_start().starts_with('{') && is_json(line);
                if text.lines().any(object) {
                    self.lines(text)
                } else {
                    self.malformed(text, &error)
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
        for item in items {
            let offset = (item.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
            self.item(line_at(text.as_bytes().get(..offset).unwrap_or_default()), item.get());
        }
    }

    fn malformed(&mut self, text: &str, error: &serde_json::Error) {
        let skipped = text.len() - text.trim_ascii_start().len();
        let before = line_at(text.as_bytes().get(..skipped).unwrap_or_default());
        self.report(before + error.line() - 1, "", "webhooks-syntax", &without_place(error));
    }

    fn item(&mut self, line: usize, item: &str) {
        let resource: Resource = match serde_json::from_str(item) {
            Ok(resource) => resource,
            Err(error) => {
                return self.report(
                    line + error.line() - 1,
                    "",
                    "webhook-invalid",
                    &without_place(&error),
                );
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
            wrong("webhook-doubled-id", format!("id `{id}` stands twice in the file"));
        }
        if resource.tenant_id.as_deref() == Some("") {
            wrong("webhook-empty-tenant", "`tenantId` is empty".into());
        }
        let owner = resource.owner_id.or(resource.created_by_user_id);
        let audience = match (resource.level.unwrap_or(Level::Tenant), owner) {
            (Level::Tenant, _) => Audience::Tenant,
            (Level::User, Some(owner)) => Audience::Owner(owner.into()),
            (Level::User, None) => {
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
    fn same_tenant(&mut self) {
        let named: BTreeSet<String> =
            self.list.iter().filter_map(|webhook| webhook.tenant.clone()).collect();
        let mut names = named.into_iter();
        let Some(tenant) = names.next() else { return };
        let only = names.next().is_none();
        for webhook in std::mem::take(&mut self.list) {
            match webhook.tenant {
                Some(_) => self.list.push(webhook),
                None if only => self.list.push(Webhook { tenant: Some(tenant.clone()), ..webhook }),
                None => {
                    let message = "webhook has no `tenantId` in a file of several tenants: add it, or give --tenant";
                    self.report(webhook.line, &webhook.id, "webhook-missing-tenant", message);
                }
            }
        }
    }

    fn report(&mut self, line: usize, id: &str, code: &'static str, message: &str) {
        self.bad += 1;
        self.print(id, &Trouble::Resource { code, message: message.to_owned(), line }, line);
    }

    fn print(&self, id: &str, trouble: &Trouble, line: usize) {
        let webhook =
            if id.is_empty() { String::new() } else { format!(" webhook `{}`:", plain(id)) };
        let mut err = anstream::stderr();
        let _ = match trouble {
            Trouble::Resource { code, message, line } => {
                writeln!(err, "{}:{line}:{webhook} error[{code}]: {}", self.name, plain(message))
            }
            Trouble::Filter { text, error } => {
                let origin = Origin { name: None, line: 1 };
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
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
