use super::history::{Place, called, each_event};
use super::items::{Items, Malformed};
use super::patch::Refusal;
use super::reading::Reader;
use super::report;
use super::webhooks::{CatalogueArgument, finding, origin, warn_unowned};
use super::why::{BOLD, DIM, GOOD, MAX_HINTS, POOR};
use super::{AccessArgument, Failure, Format, Out, Outcome, counted, plain, quote};
use hooksieve::event::Event;
use hooksieve::filter::{Explanation, Filter, StepKind};
use hooksieve::matcher::Verdict;
use hooksieve::registry::DryRun;
use hooksieve::webhook::{Checked, Rules, Webhook};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Try a webhook on events that have been: which it would want, and why
///
/// It is taken as enabled, and its event types are held against each event as they are.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The webhook: a draft, a response of the API, or as it is stored
    #[arg(long, value_name = "DRAFT")]
    webhook: PathBuf,
    /// The tenant of the webhook and of events that name none; that of the first event without it
    #[arg(long, value_name = "ID", value_parser = super::tenant)]
    tenant: Option<String>,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// Of how many events that match, and that the filter misses, to say why
    #[arg(long, value_name = "N", default_value_t = 3)]
    reasons: usize,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Files of events: one a line, an array, or one object; standard input without any
    #[arg(value_name = "EVENTS")]
    events: Vec<PathBuf>,
}

pub(super) fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    super::once_on_stdin(&arguments.events, [&arguments.webhook])?;
    let rules = arguments.catalogue.rules()?;
    let mut print = Print {
        out,
        format: arguments.format,
        most: arguments.reasons,
        why: [0; 2],
        guessed: None,
    };
    let Some(webhook) = webhook(&arguments, &rules, &mut print)? else {
        return Ok(Outcome::BadInput);
    };
    let own = webhook.tenant().map(|tenant| tenant.as_str().to_owned());
    let mut tenant = own.or_else(|| arguments.tenant.clone());
    let mut trial = None;
    let (rules, access) = (&rules, arguments.access.access());
    let reader = Reader { profile: rules.profile(), tenant: arguments.tenant.as_deref() };
    let bad = each_event(arguments.events, reader, |found| {
        let (place, event) = match found {
            Ok(found) => found,
            Err(refusal) => return Ok(refusal.print(print.format, print.out)?),
        };
        let trial = trial.get_or_insert_with(|| {
            let tenant = tenant.take().unwrap_or_else(|| {
                print.guessed = Some(event.tenant().to_owned());
                event.tenant().to_owned()
            });
            DryRun::new(&webhook, tenant, rules)
        });
        let verdict = trial.event(event, access);
        print.event(place, event, verdict, trial.subscription().filter())
    })?;
    print.end(trial.as_ref(), bad)?;
    Ok(if bad == 0 { Outcome::Well } else { Outcome::BadInput })
}

/// The one webhook of a file, with its warnings on standard error; or what is wrong with it.
fn webhook(
    arguments: &Arguments,
    rules: &Rules,
    print: &mut Print<'_>,
) -> Result<Option<Webhook>, Failure> {
    let Items { name, mut list, .. } = Items::read(&arguments.webhook)?;
    let (Some(item), 0) = (list.pop(), list.len()) else {
        let message = "the file does not hold one webhook alone";
        let error = Malformed::new("webhook-not-one", message, "give a file of one webhook");
        print.malformed(1, &origin(&name, 1, ""), &error)?;
        return Ok(None);
    };
    let place = origin(&name, item.line, "");
    let mut draft = match item.draft {
        Ok(draft) => draft,
        Err(malformed) => {
            print.malformed(item.line, &place, &malformed)?;
            return Ok(None);
        }
    };
    if !draft.has("id") {
        draft.set("id", "draft");
    }
    let (problems, webhook) = match Webhook::read(&draft, rules) {
        Ok(Checked { webhook, warnings }) => (warnings, Some(webhook)),
        Err(problems) => {
            if print.format == Format::Json {
                let errors = problems.iter().collect();
                let line = Some(item.line);
                print.out.json(&Refusal { line, valid: false, errors })?;
                return Ok(None);
            }
            (problems.into_iter().collect(), None)
        }
    };
    let findings = problems.iter().map(|problem| finding(problem, &draft, &place));
    let _ = write!(anstream::stderr(), "{}", report::draw(findings));
    webhook.iter().for_each(|webhook| warn_unowned(&place, webhook));
    Ok(webhook)
}

struct Print<'o> {
    out: &'o mut Out,
    format: Format,
    most: usize,
    /// Of how many events it was said why: of those that match, and of those that do not.
    why: [usize; 2],
    /// The tenant of the first event, where it was taken for the webhook's.
    guessed: Option<String>,
}

/// What is printed of an event for programs: of each that matches, and of the first that the filter
/// misses.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    event: Option<&'a str>,
    matched: bool,
    /// Of the first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a Explanation<'a>>,
}

/// The last line for programs.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Sum<'a> {
    /// Whose the webhook was taken for; none where there was no event.
    tenant: Option<&'a str>,
    events: u64,
    matched: u64,
    other_tenant: u64,
    event_type: u64,
    access: u64,
    filter: u64,
    /// Not events.
    bad: u64,
}

impl Print<'_> {
    fn malformed(
        &mut self,
        line: usize,
        place: &str,
        malformed: &Malformed,
    ) -> Result<(), Failure> {
        if self.format == Format::Json {
            let errors = vec![malformed.diagnostic()];
            self.out.json(&Refusal { line: Some(line), valid: false, errors })?;
        } else {
            let drawn = report::draw(std::iter::once(malformed.finding(place)));
            let _ = write!(anstream::stderr(), "{drawn}");
        }
        Ok(())
    }

    fn event(
        &mut self,
        place: &Place<'_>,
        event: &Event<'_>,
        verdict: Verdict,
        filter: &Filter,
    ) -> Result<(), Failure> {
        let matched = verdict == Verdict::Matched;
        if !matched && verdict != Verdict::FilterFalse {
            return Ok(());
        }
        let [hit, missed] = &mut self.why;
        let said = if matched { hit } else { missed };
        let explains = *said < self.most;
        *said += 1;
        if !matched && !explains {
            return Ok(());
        }
        let explanation = explains.then(|| filter.explain(event));
        match self.format {
            Format::Json => {
                let Place { file, line, item, .. } = *place;
                let filter = explanation.as_ref();
                self.out.json(&Line { file, line, item, event: event.id(), matched, filter })?;
            }
            Format::Text => {
                let (style, mark) = if matched { (GOOD, "✓") } else { (POOR, "✗") };
                let name = called(place, event);
                let why = explanation.map(|filter| why(&filter, matched)).unwrap_or_default();
                writeln!(self.out, "{style}{mark}{style:#} {name}{DIM}{why}{DIM:#}")?;
            }
        }
        Ok(())
    }

    fn end(&mut self, trial: Option<&DryRun>, bad: u64) -> io::Result<()> {
        let count = |verdict| trial.map_or(0, |trial| trial.count(verdict));
        let sum = Sum {
            tenant: trial.map(|trial| trial.subscription().tenant().as_str()),
            events: trial.map_or(0, DryRun::events),
            matched: count(Verdict::Matched),
            other_tenant: count(Verdict::OtherTenant),
            event_type: count(Verdict::OtherEventType),
            access: count(Verdict::NoAccess),
            filter: count(Verdict::FilterFalse),
            bad,
        };
        if self.format == Format::Json {
            return self.out.json(&sum);
        }
        let events = counted(sum.events, "event", "events");
        writeln!(self.out, "{BOLD}{} of {events} would be delivered{BOLD:#}", sum.matched)?;
        for (count, what) in [
            (sum.other_tenant, "of another tenant"),
            (sum.event_type, "of a type that it does not name"),
            (sum.access, "on resources that its owner may not access"),
            (sum.filter, "that its filter does not match"),
            (sum.bad, "not counted, since they are bad"),
        ] {
            if count > 0 {
                writeln!(self.out, "{count:6}  {what}")?;
            }
        }
        if let Some(tenant) = &self.guessed {
            let tenant = quote(tenant);
            writeln!(
                self.out,
                "taken for a webhook of tenant `{tenant}`, that of the first event"
            )?;
        }
        Ok(())
    }
}

/// The smallest reason of a match, or the smallest change that would make one, and what else the event
/// holds that explains it.
fn why(explanation: &Explanation<'_>, matched: bool) -> String {
    let hints = explanation.hints().iter().take(MAX_HINTS);
    let notes: String = hints.map(|hint| format!("; {}", plain(&hint.message))).collect();
    decided(explanation, matched) + &notes
}

fn decided(explanation: &Explanation<'_>, matched: bool) -> String {
    let why = explanation.why();
    let value = |value: Option<&str>| match value {
        Some(value) => quote(&serde_json::to_string(value).unwrap_or_default()),
        None => "another one, or absent".to_owned(),
    };
    if !matched {
        let Some(change) = why.change else { return String::new() };
        let changes: Vec<_> = change
            .iter()
            .map(|change| {
                let found = change.found.map_or("absent".to_owned(), |found| value(Some(found)));
                format!("{} is {found}, not {}", change.attribute, value(change.to))
            })
            .collect();
        return format!("  {}", changes.join(", and "));
    }
    let term = |at: &usize| match explanation.steps().get(*at).map(|step| &step.kind) {
        Some(StepKind::Term { attribute, operator, value: wanted, .. }) => {
            Some(format!("{attribute} {operator} {}", value(Some(wanted))))
        }
        _ => None,
    };
    match why.reason.iter().filter_map(term).collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        terms => format!("  {}", terms.join(", ")),
    }
}
