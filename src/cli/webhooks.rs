//! The file of webhooks: objects of the API as an array, as `{"data": […]}`, as NDJSON, or one.

use super::events::Nesting;
use super::report::{self, Finding, Grade};
use super::{Failure, quote};
use clap::Args;
use hooksieve::event::{ErrorKind, EventType, UserId};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Audience, Subscription};
use hooksieve::syntax::excerpt;
use hooksieve::webhook::{Catalogue, Draft, Level, Problem, Rules, Webhook};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the event types come from.
#[derive(Args)]
pub(super) struct CatalogueArgument {
    /// The event types, as the API's GET /event-types answers; the built-in ones without it
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
}

impl CatalogueArgument {
    pub(super) fn read(&self) -> Result<Catalogue, Failure> {
        let Some(path) = &self.catalogue else { return Ok(Catalogue::builtin()) };
        let (name, bytes) = super::read(path)?;
        Catalogue::read(&bytes).map_err(|error| Failure::Usage(format!("{name}: {error}")))
    }

    pub(super) fn rules(&self) -> Result<Rules, Failure> {
        Ok(Rules::new(Profile::webhook(), self.read()?))
    }
}

/// Which webhooks are matched, and how.
#[derive(Args)]
pub(super) struct WebhooksArguments {
    /// Webhooks as the API writes them: an array, {"data": […]}, or one a line
    #[arg(long, value_name = "FILE")]
    pub(super) webhooks: PathBuf,
    /// The tenant of webhooks without `tenantId`
    #[arg(long, value_name = "ID", value_parser = super::tenant)]
    pub(super) tenant: Option<String>,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Deliver events of renamed types to webhooks with the old names, too
    #[arg(long)]
    renames: bool,
}

/// The webhooks of a file that are valid.
pub(super) struct Webhooks {
    pub(super) list: Vec<Listed>,
    pub(super) rules: Rules,
    /// How many are not.
    pub(super) bad: usize,
    /// Whether the file itself makes no sense.
    pub(super) broken: bool,
    pub(super) tenancy: Tenancy,
}

/// A webhook and where it stands.
pub(super) struct Listed {
    pub(super) webhook: Webhook,
    line: usize,
    /// None until it is known whose the file is.
    tenant: Option<String>,
}

impl Listed {
    pub(super) fn id(&self) -> &str {
        self.webhook.id().as_str()
    }

    /// `tenant` is used where the webhook names none.
    pub(super) fn subscription(&self, tenant: &str, rules: &Rules) -> Subscription {
        let tenant = self.tenant.as_deref().unwrap_or(tenant);
        let webhook = &self.webhook;
        let types: Vec<EventType> = webhook
            .event_types()
            .iter()
            .flat_map(|event_type| rules.catalogue().received(event_type))
            .collect();
        let audience = match webhook.level() {
            Level::Tenant => Audience::Tenant,
            // Nobody has the empty id, so a webhook of an unknown owner waits for `--access all`.
            Level::User => {
                Audience::Owner(webhook.owner().cloned().unwrap_or_else(|| UserId::from("")))
            }
        };
        Subscription::new(tenant, types, webhook.filter().clone())
            .with_audience(audience)
            .with_enabled(webhook.is_enabled())
    }
}

/// Whose the webhooks of a file are.
pub(super) enum Tenancy {
    /// Each says it, or was told.
    Named,
    /// Some do not say it, so the file is one tenant's: that which another webhook names, or else
    /// that of the first event.
    One(Option<String>),
}

impl Webhooks {
    /// Reads a file and reports what is wrong with it on standard error.
    pub(super) fn read(arguments: &WebhooksArguments) -> Result<Self, Failure> {
        let catalogue = arguments.catalogue.read()?.with_renames(arguments.renames);
        let rules = Rules::new(Profile::webhook(), catalogue);
        let items = Items::read(&arguments.webhooks)?;
        let mut reader = Reader {
            name: &items.name,
            tenant: arguments.tenant.as_deref(),
            rules: &rules,
            ids: HashSet::new(),
            named: BTreeSet::new(),
            bad: 0,
            list: Vec::new(),
        };
        for (at, Item { line, draft }) in items.list.into_iter().enumerate() {
            match draft {
                Ok(draft) => reader.webhook(at, line, draft),
                Err(malformed) => reader.report(line, "", malformed.code, &malformed.message),
            }
        }
        let tenancy = reader.tenancy();
        let Reader { list, bad, .. } = reader;
        Ok(Self { list, rules, bad, broken: items.broken, tenancy })
    }

    /// How many tenants have webhooks.
    pub(super) fn tenants(&self) -> usize {
        self.list.iter().map(|listed| &listed.tenant).collect::<BTreeSet<_>>().len()
    }
}

struct Reader<'a> {
    name: &'a str,
    tenant: Option<&'a str>,
    rules: &'a Rules,
    ids: HashSet<String>,
    /// Tenants that webhooks name, valid or not.
    named: BTreeSet<String>,
    bad: usize,
    list: Vec<Listed>,
}

impl Reader<'_> {
    fn webhook(&mut self, at: usize, line: usize, mut draft: Draft) {
        if !draft.has("id") {
            draft.set("id", &format!("#{}", at + 1));
        }
        // One that is no string is named by the check.
        let id = draft.text("id").unwrap_or_default().to_owned();
        let named = draft.text("tenantId").filter(|tenant| !tenant.is_empty());
        self.named.extend(named.map(str::to_owned));
        let doubled = !id.is_empty() && !self.ids.insert(id.clone());
        let webhook = Webhook::read(&draft, self.rules);
        if let Err(problems) = &webhook {
            let origin = origin(self.name, line, &id);
            let findings =
                problems.iter().map(|problem| finding(problem, &draft, &origin, Grade::Error));
            let _ = write!(anstream::stderr(), "{}", report::draw(findings));
        }
        if doubled {
            let message = format!("id `{}` stands twice in the file", quote(&id));
            self.print(line, "", "webhook-doubled-id", &message);
        }
        match webhook {
            Ok(webhook) if !doubled => {
                let own = webhook.tenant().map(|tenant| tenant.as_str().to_owned());
                let tenant = own.or_else(|| self.tenant.map(str::to_owned));
                self.unowned(line, &webhook);
                self.list.push(Listed { webhook, line, tenant });
            }
            _ => self.bad += 1,
        }
    }

    fn unowned(&self, line: usize, webhook: &Webhook) {
        if webhook.level() == Level::User && webhook.owner().is_none() {
            let id = quote(webhook.id().as_str());
            let mut err = anstream::stderr();
            let _ = writeln!(
                err,
                "{}:{line}: webhook `{id}`: warning[owner-unknown]: level is `user` and there is no \
                 `ownerId` or `createdByUserId`: it matches with --access all alone",
                self.name
            );
        }
    }

    /// Where some webhooks name a tenant and others do not, those are the same tenant's, if it is
    /// one; else whose they are cannot be told.
    fn tenancy(&mut self) -> Tenancy {
        let names = std::mem::take(&mut self.named);
        if self.list.iter().all(|listed| listed.tenant.is_some()) {
            return Tenancy::Named;
        }
        if names.len() < 2 {
            let tenant = names.into_iter().next();
            for listed in &mut self.list {
                listed.tenant = listed.tenant.take().or_else(|| tenant.clone());
            }
            return Tenancy::One(tenant);
        }
        for listed in std::mem::take(&mut self.list) {
            if listed.tenant.is_some() {
                self.list.push(listed);
            } else {
                let message = "webhook has no `tenantId` in a file of several tenants: add it, or give --tenant";
                self.report(listed.line, listed.id(), "webhook-missing-tenant", message);
            }
        }
        Tenancy::Named
    }

    fn report(&mut self, line: usize, id: &str, code: &'static str, message: &str) {
        self.bad += 1;
        self.print(line, id, code, message);
    }

    fn print(&self, line: usize, id: &str, code: &'static str, message: &str) {
        let origin = origin(self.name, line, id);
        let mut err = anstream::stderr();
        let _ = writeln!(err, "{origin}: error[{code}]: {message}");
    }
}

/// Where a webhook stands, for messages.
pub(super) fn origin(name: &str, line: usize, id: &str) -> String {
    match id {
        "" => format!("{name}:{line}"),
        id => format!("{name}:{line}: webhook `{}`", quote(id)),
    }
}

/// A problem of a document, ready to be drawn.
pub(super) fn finding<'a>(
    problem: &'a Problem,
    draft: &'a Draft,
    origin: &str,
    grade: Grade,
) -> Finding<'a> {
    let pointer = excerpt(problem.pointer(), 80);
    let separator = if pointer.is_empty() { "" } else { ": " };
    Finding {
        grade,
        code: problem.code(),
        title: problem.title().to_owned(),
        help: problem.detail(),
        origin: Some(format!("{origin}{separator}{pointer}")),
        source: problem.span().map(|span| (draft.text("filter").unwrap_or_default(), span)),
        label: None,
    }
}

/// The documents of a file.
pub(super) struct Items {
    /// The file's name, for messages.
    pub(super) name: String,
    pub(super) list: Vec<Item>,
    /// Whether the file as a whole makes no sense; the last item says why.
    pub(super) broken: bool,
}

/// A document of a file.
pub(super) struct Item {
    pub(super) line: usize,
    pub(super) draft: Result<Draft, Malformed>,
}

/// Text that is no JSON.
pub(super) struct Malformed {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// A page of the API; a webhook has a name or a URL, if it is not a very bad one.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Listing<'t> {
    #[serde(borrow)]
    data: Option<Vec<&'t RawValue>>,
    name: Option<IgnoredAny>,
    url: Option<IgnoredAny>,
}

impl Items {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let (name, bytes) = super::read(path)?;
        let mut items = Self { name, list: Vec::new(), broken: false };
        match std::str::from_utf8(&bytes) {
            Ok(text) => items.text(text),
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                items.broken(line_at(before), "webhooks-utf8", "file is not UTF-8".to_owned());
            }
        }
        Ok(items)
    }

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
                Ok(Listing { data: Some(items), name: None, url: None }) => {
                    self.items(text, &items)
                }
                Ok(_) | Err(_) => self.items(text, &[one]),
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
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        for (at, line) in lines {
            self.item(at + 1, line);
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

    fn item(&mut self, line: usize, text: &str) {
        let malformed =
            |error| Malformed { code: "webhook-syntax", message: without_place(&error) };
        let draft = serde_json::from_str(text).map_err(malformed);
        self.list.push(Item { line, draft });
    }

    fn malformed(&mut self, text: &str, error: &serde_json::Error) {
        let skipped = text.len() - text.trim_ascii_start().len();
        let before = line_at(text.as_bytes().get(..skipped).unwrap_or_default());
        self.broken(before + error.line().max(1) - 1, "webhooks-syntax", without_place(error));
    }

    fn broken(&mut self, line: usize, code: &'static str, message: String) {
        self.broken = true;
        self.list.push(Item { line, draft: Err(Malformed { code, message }) });
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

/// serde_json's message without its line and column, which count from the start of an item.
pub(super) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    // It quotes values at any length.
    excerpt(text.strip_suffix(&place).unwrap_or(&text), 160)
}
