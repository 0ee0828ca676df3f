use super::Run;
use crate::cli::input::AccessArgument;
use crate::cli::input::event_reader::EventReader;
use crate::cli::input::history::{EventOrigin, each_event, event_label};
use crate::cli::input::items::{Items, Malformed};
use crate::cli::input::webhooks::{CatalogueArgument, finding, warn_unowned, webhook_origin};
use crate::cli::output::report;
use crate::cli::output::why::{BAD, BOLD, DIM, GOOD, MAX_HINTS, other_value};
use crate::cli::output::{Format, Out, counted, plain, quote};
use crate::cli::verbs::patch::InvalidInput;
use crate::cli::{Failure, Outcome};
use hooksieve::event::Event;
use hooksieve::filter::{Explanation, Filter, Step, StepKind};
use hooksieve::matcher::Verdict;
use hooksieve::registry::DryRun;
use hooksieve::webhook::{Checked, Rules, Webhook};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Match past events against one webhook, before it is created or changed
///
/// Shows which events it would get, and why it would not get others. The webhook counts as enabled,
/// and its event types must equal those of the events: renamed types do not match.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A file with one webhook: a request body, a response of the API, or the stored form
    #[arg(long, value_name = "DRAFT")]
    webhook: PathBuf,
    /// The tenant of the webhook, and of events without one [default: the first event's]
    #[arg(long, value_name = "ID", value_parser = crate::cli::input::tenant)]
    tenant: Option<String>,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// Number of matching events, and of events that the filter rejects, to explain
    #[arg(long, value_name = "N", default_value_t = 3)]
    reasons: usize,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// Files of events: one per line, an array, objects, or pages of past events [default: standard
    /// input]
    #[arg(value_name = "EVENTS")]
    events: Vec<PathBuf>,
}

impl Run for Arguments {
    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(self, out)
    }
}

fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    crate::cli::input::check_stdin_once(&arguments.events, [&arguments.webhook])?;
    let rules = arguments.catalogue.rules()?;
    let mut print = Print {
        out,
        format: arguments.format,
        max_explained: arguments.reasons,
        explained: [0; 2],
        assumed_tenant: None,
    };
    let Some(webhook) = webhook(&arguments, &rules, &mut print)? else {
        return Ok(Outcome::BadInput);
    };
    let own = webhook.tenant().map(|tenant| tenant.as_str().to_owned());
    let mut tenant = own.or_else(|| arguments.tenant.clone());
    let mut dry_run = None;
    let (rules, access) = (&rules, arguments.access.access());
    let reader = EventReader { profile: rules.profile(), tenant: arguments.tenant.as_deref() };
    let bad = each_event(arguments.events, reader, |found| {
        let (origin, event) = match found {
            Ok(found) => found,
            Err(bad_event) => return Ok(bad_event.print(print.format, print.out)?),
        };
        let dry_run = dry_run.get_or_insert_with(|| {
            let tenant = tenant.take().unwrap_or_else(|| {
                print.assumed_tenant = Some(event.tenant().to_owned());
                event.tenant().to_owned()
            });
            DryRun::new(&webhook, tenant, rules)
        });
        let verdict = dry_run.event(event, access);
        print.event(origin, event, verdict, dry_run.subscription().filter())
    })?;
    print.end(dry_run.as_ref(), bad)?;
    Ok(if bad == 0 { Outcome::Ok } else { Outcome::BadInput })
}

/// Reads the one webhook of a file.
///
/// Prints its warnings on standard error. Returns `None` after its errors were printed.
fn webhook(
    arguments: &Arguments,
    rules: &Rules,
    print: &mut Print<'_>,
) -> Result<Option<Webhook>, Failure> {
    let Items { name, mut list, .. } = Items::read(&arguments.webhook)?;
    let (Some(item), 0) = (list.pop(), list.len()) else {
        let message = "the file does not have exactly one webhook";
        let error = Malformed::new("webhook-not-one", message, "give a file with one webhook");
        print.malformed(1, &webhook_origin(&name, 1, ""), &error)?;
        return Ok(None);
    };
    let origin = webhook_origin(&name, item.line, "");
    let mut document = match item.document {
        Ok(document) => document,
        Err(malformed) => {
            print.malformed(item.line, &origin, &malformed)?;
            return Ok(None);
        }
    };
    if !document.has("id") {
        document.set("id", "draft");
    }
    let (problems, webhook) = match Webhook::read(&document, rules) {
        Ok(Checked { webhook, warnings }) => (warnings, Some(webhook)),
        Err(problems) => {
            if print.format == Format::Json {
                let errors = problems.iter().collect();
                let line = Some(item.line);
                print.out.json(&InvalidInput { line, valid: false, errors })?;
                return Ok(None);
            }
            (problems.into_iter().collect(), None)
        }
    };
    let findings = problems.iter().map(|problem| finding(problem, &document, &origin));
    let _ = write!(anstream::stderr(), "{}", report::draw(findings));
    webhook.iter().for_each(|webhook| warn_unowned(&origin, webhook));
    Ok(webhook)
}

struct Print<'o> {
    out: &'o mut Out,
    format: Format,
    /// The maximum number of events that are explained, for each of both kinds.
    max_explained: usize,
    /// The numbers of explained events: those that match, and those that the filter rejects.
    explained: [usize; 2],
    /// The tenant of the first event, if it was assumed for the webhook.
    assumed_tenant: Option<String>,
}

/// The JSON output for an event: each that matches, and the first ones that the filter rejects.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    event: Option<&'a str>,
    matched: bool,
    /// The explanation, for the first events.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a Explanation<'a>>,
}

/// The last line of the JSON output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    /// The tenant of the webhook, as given or assumed; `None` if there was no event.
    tenant: Option<&'a str>,
    events: u64,
    matched: u64,
    other_tenant: u64,
    event_type: u64,
    access: u64,
    filter: u64,
    /// The number of events with errors.
    bad: u64,
}

impl Print<'_> {
    fn malformed(
        &mut self,
        line: usize,
        origin: &str,
        malformed: &Malformed,
    ) -> Result<(), Failure> {
        if self.format == Format::Json {
            let errors = vec![malformed.diagnostic()];
            self.out.json(&InvalidInput { line: Some(line), valid: false, errors })?;
        } else {
            let drawn = report::draw(std::iter::once(malformed.finding(origin)));
            let _ = write!(anstream::stderr(), "{drawn}");
        }
        Ok(())
    }

    fn event(
        &mut self,
        origin: &EventOrigin<'_>,
        event: &Event<'_>,
        verdict: Verdict,
        filter: &Filter,
    ) -> Result<(), Failure> {
        let matched = verdict == Verdict::Matched;
        if !matched && verdict != Verdict::FilterFalse {
            return Ok(());
        }
        let [hits, misses] = &mut self.explained;
        let count = if matched { hits } else { misses };
        let is_explained = *count < self.max_explained;
        *count += 1;
        if !matched && !is_explained {
            return Ok(());
        }
        let explanation = is_explained.then(|| filter.explain(event));
        match self.format {
            Format::Json => {
                let EventOrigin { file, line, item, .. } = *origin;
                let filter = explanation.as_ref();
                self.out.json(&Line { file, line, item, event: event.id(), matched, filter })?;
            }
            Format::Text => {
                let (style, mark) = if matched { (GOOD, "✓") } else { (BAD, "✗") };
                let name = event_label(origin, event);
                let why = explanation.map_or(String::new(), |filter| why(&filter, matched));
                writeln!(self.out, "{style}{mark}{style:#} {name}{DIM}{why}{DIM:#}")?;
            }
        }
        Ok(())
    }

    fn end(&mut self, dry_run: Option<&DryRun>, bad: u64) -> io::Result<()> {
        let count = |verdict| dry_run.map_or(0, |dry_run| dry_run.count(verdict));
        let summary = Summary {
            tenant: dry_run.map(|dry_run| dry_run.subscription().tenant().as_str()),
            events: dry_run.map_or(0, DryRun::events),
            matched: count(Verdict::Matched),
            other_tenant: count(Verdict::OtherTenant),
            event_type: count(Verdict::OtherEventType),
            access: count(Verdict::NoAccess),
            filter: count(Verdict::FilterFalse),
            bad,
        };
        if self.format == Format::Json {
            return self.out.json(&summary);
        }
        let events = counted(summary.events, "event", "events");
        writeln!(self.out, "{BOLD}{} of {events} would be delivered{BOLD:#}", summary.matched)?;
        for (count, what) in [
            (summary.other_tenant, "of another tenant"),
            (summary.event_type, "of event types that it does not subscribe to"),
            (summary.access, "on resources that its owner may not access"),
            (summary.filter, "that its filter does not match"),
            (summary.bad, "with errors, not counted"),
        ] {
            if count > 0 {
                writeln!(self.out, "{count:6}  {what}")?;
            }
        }
        if let Some(tenant) = &self.assumed_tenant {
            let tenant = quote(tenant);
            writeln!(
                self.out,
                "no tenant given: assumed `{tenant}`, the tenant of the first event"
            )?;
        }
        Ok(())
    }
}

/// Formats the smallest reason of a match or the smallest change that would make one, and the
/// hints.
fn why(explanation: &Explanation<'_>, matched: bool) -> String {
    let hints = explanation.hints().iter().take(MAX_HINTS);
    let notes: String = hints.map(|hint| format!("; {}", plain(&hint.message))).collect();
    decided(explanation, matched) + &notes
}

fn decided(explanation: &Explanation<'_>, matched: bool) -> String {
    let why = explanation.why();
    let value = |value: &str| quote(&serde_json::Value::from(value).to_string());
    if !matched {
        // No change makes it match, or the search for one takes too long.
        let Some(change) = why.change else { return String::new() };
        let changes: Vec<_> = change
            .iter()
            .map(|change| {
                let found = change.found.map_or("absent".to_owned(), value);
                let other = || other_value(explanation, change.attribute).to_owned();
                let wanted = change.to.map_or_else(other, value);
                format!("`{}` were {wanted} instead of {found}", change.attribute)
            })
            .collect();
        return format!("  would match if {}", changes.join(" and "));
    }
    // The steps of a reason are terms.
    let steps = explanation.steps().iter().enumerate();
    let reason = steps.filter(|(at, _)| why.reason.binary_search(at).is_ok());
    let term = |(_, step): (usize, &Step<'_>)| match &step.kind {
        StepKind::Term { attribute, operator, value: wanted, .. } => {
            Some(format!("{attribute} {operator} {}", value(wanted)))
        }
        _ => None,
    };
    match reason.filter_map(term).collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        terms => format!("  {}", terms.join(", ")),
    }
}
