//! Loads the webhooks of a file, ready to be matched.
//!
//! # From a document to a webhook that can be matched
//!
//! ```text
//! items ──▶ id given, or `#3` ──▶ restore (the rules) ──▶ duplicate id? ──▶ Listed
//!                                     │ errors are printed at once
//!                                     ▼
//!                               bad, counted
//! ```
//!
//! A file is not refused for one invalid webhook: each is reported, the valid ones are kept, and
//! the verb decides whether it goes on.
//!
//! # Tenants
//!
//! Exports of one tenant often lack `tenantId`, and matching needs one: tenants never meet. So a
//! webhook without a tenant gets, in this order:
//!
//! 1. the tenant of `--tenant`;
//! 2. the tenant of the other webhooks of the file, if they have only one;
//! 3. the tenant of the first event, if no webhook of the file has one.
//!
//! If the others have several, a guess could show one tenant's events at the webhook of another, so
//! each webhook without a tenant is an error.
//!
//! # Why `Listed` and not `Webhook`
//!
//! Matching needs the id and the [`Subscription`]. A file may have millions of webhooks, and the
//! rest of each, its headers and secrets, would stay in memory for nothing. Only verbs that show a
//! webhook or build its requests keep it whole.

use crate::cli::input::MAX_FILE;
use crate::cli::input::items::{Item, Items, line_at};
use crate::cli::output::report::{self, Finding};
use crate::cli::output::{Out, counted, quote};
use crate::cli::{Failure, Outcome};
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

/// The option for the catalogue of event types.
#[derive(Args)]
pub(crate) struct CatalogueArgument {
    /// The catalogue of event types, as the API's GET /event-types returns it [default: built in]
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
}

impl CatalogueArgument {
    pub(crate) fn read(&self) -> Result<Catalogue, Failure> {
        let Some(path) = &self.catalogue else { return Ok(Catalogue::builtin()) };
        let (name, bytes) = crate::cli::input::read(path, MAX_FILE)?;
        Catalogue::read(&bytes)
            .map_err(|error| Failure::Usage(format!("{name}: {error}; {}", error.help())))
    }

    pub(crate) fn rules(&self) -> Result<Rules, Failure> {
        Ok(Rules::new(Profile::webhook(), self.read()?))
    }
}

/// The options for the webhooks to match.
#[derive(Args)]
pub(crate) struct WebhooksArguments {
    /// A file of webhooks, as in responses of the API: an array, {"data": […]}, or one per line
    #[arg(long, value_name = "FILE")]
    pub(crate) webhooks: PathBuf,
    /// The tenant of webhooks without `tenantId`, and of events without a tenant
    #[arg(long, value_name = "ID", value_parser = crate::cli::input::tenant)]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Also match events of renamed types to webhooks that subscribe to the old names
    #[arg(long)]
    renames: bool,
}

impl WebhooksArguments {
    /// Returns the options to read a file without matching it.
    #[cfg(feature = "serve")]
    pub(crate) fn of_file(
        webhooks: PathBuf,
        tenant: Option<String>,
        catalogue: CatalogueArgument,
    ) -> Self {
        Self { webhooks, tenant, catalogue, renames: false }
    }
}

/// The valid webhooks of a file.
pub(crate) struct Webhooks {
    pub(crate) list: Vec<Listed>,
    pub(crate) rules: Rules,
    /// The number of invalid webhooks.
    pub(crate) bad: usize,
    /// Whether the file as a whole is malformed.
    pub(crate) broken: bool,
    pub(crate) tenancy: Tenancy,
}

/// The parts of a webhook that matching needs, and its line in the file.
pub(crate) struct Listed {
    id: Box<str>,
    line: usize,
    /// `None` until the tenant of the file is known.
    tenant: Option<TenantId>,
    subscription: Subscription,
    /// The whole webhook, if [`Webhooks::read_whole`] read it.
    webhook: Option<Arc<Webhook>>,
}

impl Listed {
    fn new(webhook: &Webhook, line: usize, tenant: Option<&str>, catalogue: &Catalogue) -> Self {
        let tenant = webhook.tenant().cloned().or_else(|| tenant.map(TenantId::from));
        let unknown = TenantId::from("");
        // Replaced by the real tenant in `subscription`, before the webhook is matched.
        let known = tenant.as_ref().unwrap_or(&unknown);
        let subscription = registry::subscription(webhook, known, catalogue);
        Self { id: webhook.id().as_str().into(), line, tenant, subscription, webhook: None }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the whole webhook, which only [`Webhooks::read_whole`] reads.
    #[expect(clippy::expect_used, reason = "the caller has read whole webhooks")]
    pub(crate) fn whole(&self) -> &Arc<Webhook> {
        self.webhook.as_ref().expect("the webhook was read whole")
    }

    /// Returns the subscription; `tenant` is used if the webhook has none.
    pub(crate) fn subscription(&self, tenant: &str) -> Subscription {
        let tenant = self.tenant.clone().unwrap_or_else(|| TenantId::from(tenant));
        self.subscription.clone().with_tenant(tenant)
    }
}

/// The tenants of the webhooks of a file.
pub(crate) enum Tenancy {
    /// Each webhook has a tenant, of its own or from `--tenant`.
    Named,
    /// All webhooks are of one tenant, since some have none.
    ///
    /// It is the tenant that the other webhooks have or, if none has one, that of the first event.
    One(Option<String>),
}

impl Webhooks {
    /// Reads a file, and prints its errors on standard error. Keeps only what matching needs.
    pub(crate) fn read(arguments: &WebhooksArguments) -> Result<Self, Failure> {
        Self::read_as(arguments, false)
    }

    /// Like [`Webhooks::read`], but also keeps each webhook as a whole.
    pub(crate) fn read_whole(arguments: &WebhooksArguments) -> Result<Self, Failure> {
        Self::read_as(arguments, true)
    }

    fn read_as(arguments: &WebhooksArguments, whole: bool) -> Result<Self, Failure> {
        let catalogue = arguments.catalogue.read()?.with_renames(arguments.renames);
        let rules = Rules::new(Profile::webhook(), catalogue);
        let items = Items::read(&arguments.webhooks)?;
        let mut loader = Loader {
            name: &items.name,
            tenant: arguments.tenant.as_deref(),
            rules: &rules,
            ids: HashSet::new(),
            named: BTreeSet::new(),
            whole,
            bad: 0,
            list: Vec::new(),
        };
        // Before the loop, since a label must differ from every id of the file, also from later
        // ones.
        let labels = labels(&items);
        for (Item { line, document }, label) in items.list.into_iter().zip(labels) {
            match document {
                Ok(document) => loader.webhook(&label, line, document),
                Err(malformed) => {
                    // Text that is not JSON has no id, so its line is all that identifies it.
                    loader.bad += 1;
                    let origin = webhook_origin(loader.name, line, "");
                    let drawn = report::draw(std::iter::once(malformed.finding(&origin)));
                    let _ = write!(anstream::stderr(), "{drawn}");
                }
            }
        }
        let tenancy = loader.tenancy();
        let Loader { list, bad, .. } = loader;
        Ok(Self { list, rules, bad, broken: items.broken, tenancy })
    }

    /// Prints the number of invalid webhooks, if there are any, and returns the outcome of the run.
    pub(crate) fn outcome(&self, out: &mut Out) -> Result<Outcome, Failure> {
        if self.bad == 0 {
            return Ok(Outcome::Ok);
        }
        out.flush()?;
        let _ = writeln!(io::stderr(), "{} skipped", self.invalid_count());
        Ok(Outcome::BadInput)
    }

    /// Returns the number of invalid webhooks, with the noun.
    pub(crate) fn invalid_count(&self) -> String {
        counted(self.bad as u64, "invalid webhook", "invalid webhooks")
    }

    /// Returns the number of tenants that have webhooks.
    pub(crate) fn tenants(&self) -> usize {
        self.list.iter().map(|listed| &listed.tenant).collect::<BTreeSet<_>>().len()
    }
}

struct Loader<'a> {
    name: &'a str,
    tenant: Option<&'a str>,
    rules: &'a Rules,
    ids: HashSet<String>,
    /// The tenants of all webhooks, valid or not.
    named: BTreeSet<String>,
    whole: bool,
    bad: usize,
    list: Vec<Listed>,
}

impl Loader<'_> {
    fn webhook(&mut self, label: &str, line: usize, mut document: WebhookDocument) {
        if !document.has("id") {
            document.set("id", label);
        }
        // The check reports an id that is not a string.
        let id = document.text("id").unwrap_or("").to_owned();
        let named = document.text("tenantId").filter(|tenant| !tenant.is_empty());
        self.named.extend(named.map(str::to_owned));
        // The id of an invalid webhook counts as well: the duplicate is an error in either case.
        let duplicate = !id.is_empty() && !self.ids.insert(id.clone());
        // Without warnings, which `validate` shows: this verb uses the webhooks as they are.
        let webhook = Webhook::restore(&document, self.rules);
        if let Err(problems) = &webhook {
            let origin = webhook_origin(self.name, line, &id);
            let findings = problems.iter().map(|problem| finding(problem, &document, &origin));
            let _ = write!(anstream::stderr(), "{}", report::draw(findings));
        }
        if duplicate {
            let error = duplicate_id(&id);
            self.print(line, "", error.code(), error.message());
        }
        match webhook {
            Ok(webhook) if !duplicate => {
                warn_unowned(&webhook_origin(self.name, line, webhook.id().as_str()), &webhook);
                let catalogue = self.rules.catalogue();
                let mut listed = Listed::new(&webhook, line, self.tenant, catalogue);
                listed.webhook = self.whole.then(|| Arc::new(webhook));
                self.list.push(listed);
            }
            _ => self.bad += 1,
        }
    }

    /// Gives webhooks without a tenant the only tenant of the others.
    ///
    /// If the others have several, the tenant is ambiguous, and each webhook without one is an
    /// error.
    fn tenancy(&mut self) -> Tenancy {
        let names = std::mem::take(&mut self.named);
        if self.list.iter().all(|listed| listed.tenant.is_some()) {
            return Tenancy::Named;
        }
        // No tenant or one: no other one could be meant.
        if names.len() < 2 {
            let tenant = names.into_iter().next();
            for listed in &mut self.list {
                listed.tenant =
                    listed.tenant.take().or_else(|| tenant.as_deref().map(TenantId::from));
            }
            return Tenancy::One(tenant);
        }
        // The list is rebuilt without the webhooks that are refused.
        for listed in std::mem::take(&mut self.list) {
            if listed.tenant.is_some() {
                self.list.push(listed);
            } else {
                let message = "webhook has no `tenantId`, and the file has webhooks of several \
                     tenants: add `tenantId`, or give --tenant";
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
        let origin = webhook_origin(self.name, line, id);
        let mut err = anstream::stderr();
        let _ = writeln!(err, "{origin}: error[{code}]: {message}");
    }
}

/// Returns the error for an id that an earlier webhook of the file has.
pub(crate) fn duplicate_id(id: &str) -> Diagnostic {
    let message = format!("duplicate id `{}` in the file", quote(id));
    let help = "give each webhook a unique id";
    Diagnostic::error("webhook-doubled-id", message, help).with_pointer("/id")
}

/// Returns a name for each item without an id: `#` and its number, with more `#` if that is an id.
pub(crate) fn labels(items: &Items) -> Vec<String> {
    let drafts = items.list.iter().filter_map(|item| item.document.as_ref().ok());
    let ids: HashSet<&str> = drafts.filter_map(|document| document.text("id")).collect();
    let label = |at: usize| {
        let mut label = format!("#{}", at + 1);
        // An id may be `#3`. Each `#` more makes another label, so the loop ends.
        while ids.contains(&*label) {
            label.insert(0, '#');
        }
        label
    };
    (0..items.list.len()).map(label).collect()
}

/// Returns the position of a webhook, for messages.
pub(crate) fn webhook_origin(name: &str, line: usize, id: &str) -> String {
    match id {
        "" => format!("{name}:{line}"),
        id => format!("{name}:{line}: webhook `{}`", quote(id)),
    }
}

/// Warns of a webhook of level `user` without an owner.
pub(crate) fn warn_unowned(origin: &str, webhook: &Webhook) {
    if webhook.level() == Level::User && webhook.owner().is_none() {
        let _ = writeln!(
            anstream::stderr(),
            "{origin}: warning[owner-unknown]: `level` is `user`, but the webhook has neither \
             `ownerId` nor `createdByUserId`: it matches only with --access all"
        );
    }
}

/// Returns the finding for a problem of a document.
pub(crate) fn finding<'a>(
    problem: &'a Diagnostic,
    document: &'a WebhookDocument,
    origin: &str,
) -> Finding<'a> {
    let pointer = excerpt(problem.pointer(), 80);
    let separator = if pointer.is_empty() { "" } else { ": " };
    Finding {
        diagnostic: Cow::Borrowed(problem),
        origin: Some(format!("{origin}{separator}{pointer}")),
        // Only an error with a place in the filter is drawn below the filter's text.
        source: problem.span().and_then(|_| drawable_filter(document)),
    }
}

/// A warning about an unknown event type, or an unknown member of a line of `check`.
pub(crate) struct UnknownName {
    problem: Diagnostic,
    origin: Option<String>,
}

impl UnknownName {
    /// Returns the unknown names in a document, which is checked as a webhook.
    pub(crate) fn in_document(rules: &Rules, document: &[u8], origin: Option<&str>) -> Vec<Self> {
        // A line of `check` may be a string, which has no members.
        let Ok(document) = WebhookDocument::read(document) else { return Vec::new() };
        // The line is no webhook, so its other problems, such as a missing URL, do not count here.
        let report = rules.check(&document);
        let unknown =
            report.warnings().iter().chain(report.errors()).filter(|problem| {
                matches!(problem.code(), "member-unknown" | "event-type-unknown")
            });
        let origin = |problem: &Diagnostic| {
            origin.map(|origin| format!("{origin}{}", excerpt(problem.pointer(), 80)))
        };
        unknown
            .map(|problem| Self {
                origin: origin(problem),
                problem: problem.clone().into_warning().with_span(Span::default()),
            })
            .collect()
    }

    /// Returns the unknown types among event types of the command line.
    pub(crate) fn in_types(rules: &Rules, types: &[EventType]) -> Vec<Self> {
        let types: Vec<_> = types.iter().map(EventType::as_str).collect();
        let document = serde_json::json!({ "eventTypes": types }).to_string();
        Self::in_document(rules, document.as_bytes(), None)
    }

    /// Returns the diagnostic for JSON. It has no span in the filter.
    pub(crate) fn diagnostic(&self) -> &Diagnostic {
        &self.problem
    }

    pub(crate) fn finding(&self) -> Finding<'_> {
        Finding {
            diagnostic: Cow::Borrowed(&self.problem),
            origin: self.origin.clone(),
            source: None,
        }
    }
}

/// Returns the filter, unless it is longer than a valid one can be.
fn drawable_filter(document: &WebhookDocument) -> Option<&str> {
    document.text("filter").filter(|text| text.len() <= Limits::default().bytes())
}

/// Returns the line of an error in a document, counted from 1.
///
/// It is the first line if a member is missing.
pub(crate) fn line_of(document: &[u8], error: &hooksieve::event::Error) -> usize {
    let (before, _) = document.split_at(error.offset());
    match error.kind() {
        ErrorKind::MissingType | ErrorKind::MissingTenant => 1,
        // The error is at the end of the text, and a last line break would put it on an empty line.
        _ if before.len() == document.len() => line_at(before.trim_ascii_end()),
        _ => line_at(before),
    }
}
