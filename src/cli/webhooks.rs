//! Webhooks out of a file, ready to be matched.

use super::items::{Item, Items, line_at};
use super::report::{self, Finding};
use super::{Failure, MAX_FILE, Out, Outcome, quote};
use clap::Args;
use hooksieve::diagnostic::{Diagnostic, Span, excerpt};
use hooksieve::event::{ErrorKind, EventType, TenantId};
use hooksieve::filter::Profile;
use hooksieve::matcher::Subscription;
use hooksieve::registry;
use hooksieve::syntax::Limits;
use hooksieve::webhook::{Catalogue, Level, Rules, Webhook, WebhookDocument};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

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
        let (name, bytes) = super::read(path, MAX_FILE)?;
        Catalogue::read(&bytes)
            .map_err(|error| Failure::Usage(format!("{name}: {error}; {}", error.help())))
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
    /// The tenant of webhooks without `tenantId`, and of events that name none
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

/// What matching needs of a webhook, and where it stands.
pub(super) struct Listed {
    id: Box<str>,
    line: usize,
    /// None until it is known whose the file is.
    tenant: Option<TenantId>,
    subscription: Subscription,
    /// Where all of it was asked for.
    pub(super) webhook: Option<Arc<Webhook>>,
}

impl Listed {
    fn new(webhook: &Webhook, line: usize, tenant: Option<&str>, catalogue: &Catalogue) -> Self {
        let tenant = webhook.tenant().cloned().or_else(|| tenant.map(TenantId::from));
        let nobody = TenantId::from("");
        let known = tenant.as_ref().unwrap_or(&nobody);
        let subscription = registry::subscription(webhook, known, catalogue);
        Self { id: webhook.id().as_str().into(), line, tenant, subscription, webhook: None }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// `tenant` is used where the webhook names none.
    pub(super) fn subscription(&self, tenant: &str) -> Subscription {
        let tenant = self.tenant.clone().unwrap_or_else(|| TenantId::from(tenant));
        self.subscription.clone().with_tenant(tenant)
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
    /// Reads a file and reports what is wrong with it on standard error. Of each webhook what
    /// matching needs is kept.
    pub(super) fn read(arguments: &WebhooksArguments) -> Result<Self, Failure> {
        Self::read_as(arguments, false)
    }

    /// The same, and all of each webhook is kept.
    pub(super) fn read_whole(arguments: &WebhooksArguments) -> Result<Self, Failure> {
        Self::read_as(arguments, true)
    }

    fn read_as(arguments: &WebhooksArguments, whole: bool) -> Result<Self, Failure> {
        let catalogue = arguments.catalogue.read()?.with_renames(arguments.renames);
        let rules = Rules::new(Profile::webhook(), catalogue);
        let items = Items::read(&arguments.webhooks)?;
        let mut reader = Reader {
            name: &items.name,
            tenant: arguments.tenant.as_deref(),
            rules: &rules,
            ids: HashSet::new(),
            named: BTreeSet::new(),
            whole,
            bad: 0,
            list: Vec::new(),
        };
        let labels = labels(&items);
        for (Item { line, draft }, label) in items.list.into_iter().zip(labels) {
            match draft {
                Ok(draft) => reader.webhook(&label, line, draft),
                Err(malformed) => {
                    reader.bad += 1;
                    let origin = origin(reader.name, line, "");
                    let drawn = report::draw(std::iter::once(malformed.finding(&origin)));
                    let _ = write!(anstream::stderr(), "{drawn}");
                }
            }
        }
        let tenancy = reader.tenancy();
        let Reader { list, bad, .. } = reader;
        Ok(Self { list, rules, bad, broken: items.broken, tenancy })
    }

    /// Says at the end how many are not valid, if any.
    pub(super) fn outcome(&self, out: &mut Out) -> Result<Outcome, Failure> {
        if self.bad == 0 {
            return Ok(Outcome::Well);
        }
        out.flush()?;
        let bad = self.bad;
        let _ = writeln!(io::stderr(), "webhooks that are not valid, and left out: {bad}");
        Ok(Outcome::BadInput)
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
    whole: bool,
    bad: usize,
    list: Vec<Listed>,
}

impl Reader<'_> {
    fn webhook(&mut self, label: &str, line: usize, mut draft: WebhookDocument) {
        if !draft.has("id") {
            draft.set("id", label);
        }
        // One that is no string is named by the check.
        let id = draft.text("id").unwrap_or_default().to_owned();
        let named = draft.text("tenantId").filter(|tenant| !tenant.is_empty());
        self.named.extend(named.map(str::to_owned));
        let doubled = !id.is_empty() && !self.ids.insert(id.clone());
        let webhook = Webhook::restore(&draft, self.rules);
        if let Err(problems) = &webhook {
            let origin = origin(self.name, line, &id);
            let findings = problems.iter().map(|problem| finding(problem, &draft, &origin));
            let _ = write!(anstream::stderr(), "{}", report::draw(findings));
        }
        if doubled {
            let error = doubled_id(&id);
            self.print(line, "", error.code(), error.message());
        }
        match webhook {
            Ok(webhook) if !doubled => {
                warn_unowned(&origin(self.name, line, webhook.id().as_str()), &webhook);
                let catalogue = self.rules.catalogue();
                let mut listed = Listed::new(&webhook, line, self.tenant, catalogue);
                listed.webhook = self.whole.then(|| Arc::new(webhook));
                self.list.push(listed);
            }
            _ => self.bad += 1,
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
                listed.tenant =
                    listed.tenant.take().or_else(|| tenant.as_deref().map(TenantId::from));
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

/// The error of an id that another webhook of the file has, too.
pub(super) fn doubled_id(id: &str) -> Diagnostic {
    let message = format!("duplicate id `{}` in the file", quote(id));
    let help = "give each webhook an id of its own";
    Diagnostic::error("webhook-doubled-id", message, help).with_pointer("/id")
}

/// What each item is called that has no id: its number, counted from 1, unless that is an id.
pub(super) fn labels(items: &Items) -> Vec<String> {
    let drafts = items.list.iter().filter_map(|item| item.draft.as_ref().ok());
    let ids: HashSet<&str> = drafts.filter_map(|draft| draft.text("id")).collect();
    let label = |at: usize| {
        let mut label = format!("#{}", at + 1);
        while ids.contains(&*label) {
            label.insert(0, '#');
        }
        label
    };
    (0..items.list.len()).map(label).collect()
}

/// Where a webhook stands, for messages.
pub(super) fn origin(name: &str, line: usize, id: &str) -> String {
    match id {
        "" => format!("{name}:{line}"),
        id => format!("{name}:{line}: webhook `{}`", quote(id)),
    }
}

/// Warns of a webhook that is nobody's.
pub(super) fn warn_unowned(origin: &str, webhook: &Webhook) {
    if webhook.level() == Level::User && webhook.owner().is_none() {
        let _ = writeln!(
            anstream::stderr(),
            "{origin}: warning[owner-unknown]: level is `user` and there is no `ownerId` or \
             `createdByUserId`: it matches with --access all alone"
        );
    }
}

/// A problem of a document, ready to be drawn.
pub(super) fn finding<'a>(
    problem: &'a Diagnostic,
    draft: &'a WebhookDocument,
    origin: &str,
) -> Finding<'a> {
    let pointer = excerpt(problem.pointer(), 80);
    let separator = if pointer.is_empty() { "" } else { ": " };
    Finding {
        diagnostic: Cow::Borrowed(problem),
        origin: Some(format!("{origin}{separator}{pointer}")),
        source: problem.span().and_then(|_| drawable_filter(draft)),
    }
}

/// What a filter's surroundings hold that nobody knows: an event type, or a member of a line.
pub(super) struct Strange {
    problem: Diagnostic,
    origin: Option<String>,
}

impl Strange {
    /// As a draft of a webhook is told, of which it is the members that were given.
    pub(super) fn document(rules: &Rules, document: &[u8], place: Option<&str>) -> Vec<Self> {
        let Ok(draft) = WebhookDocument::read(document) else { return Vec::new() };
        let report = rules.check(&draft);
        let strange =
            report.warnings().iter().chain(report.errors()).filter(|problem| {
                matches!(problem.code(), "member-unknown" | "event-type-unknown")
            });
        let origin = |problem: &Diagnostic| {
            place.map(|at| format!("{at}{}", excerpt(problem.pointer(), 80)))
        };
        strange
            .map(|problem| Self {
                origin: origin(problem),
                problem: problem.clone().into_warning().with_span(Span::default()),
            })
            .collect()
    }

    /// Those of the command line.
    pub(super) fn types(rules: &Rules, types: &[EventType]) -> Vec<Self> {
        let types: Vec<_> = types.iter().map(EventType::as_str).collect();
        let document = serde_json::json!({ "eventTypes": types }).to_string();
        Self::document(rules, document.as_bytes(), None)
    }

    /// For programs: it has no place in the filter.
    pub(super) fn diagnostic(&self) -> &Diagnostic {
        &self.problem
    }

    pub(super) fn finding(&self) -> Finding<'_> {
        Finding {
            diagnostic: Cow::Borrowed(&self.problem),
            origin: self.origin.clone(),
            source: None,
        }
    }
}

/// The filter, unless it is too long to be drawn or to be valid.
fn drawable_filter(draft: &WebhookDocument) -> Option<&str> {
    draft.text("filter").filter(|text| text.len() <= Limits::default().bytes())
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
