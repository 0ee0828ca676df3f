use super::Run;
use crate::cli::input::event_reader::EventReader;
use crate::cli::input::history::{Single, page_item_label};
use crate::cli::input::webhooks::{Webhooks, WebhooksArguments};
use crate::cli::input::{AccessArgument, MAX_FILE};
use crate::cli::output::why::{self, BAD, BOLD, GOOD, shown};
use crate::cli::output::{Format, Out, plain, quote, quoted};
use crate::cli::{Failure, Outcome};
use hooksieve::event::Event;
use hooksieve::filter::Profile;
use hooksieve::matcher::{Audience, Decision, Subscription, Verdict};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Explain why each webhook matches an event or not
///
/// For a filter that does not match, also shows the smallest change of the event that would make it
/// match.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Explain only these webhooks, separated by commas; can be repeated
    #[arg(long = "webhook", value_name = "ID")]
    only: Vec<String>,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// A file with one event or a page of past events; `-` for standard input
    #[arg(value_name = "EVENT")]
    event: PathBuf,
}

impl Run for Arguments {
    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(self, out)
    }
}

fn run(mut arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let webhooks = Webhooks::read(&arguments.webhooks)?;
    arguments.only = separated(&arguments.only, &webhooks);
    let profile = webhooks.rules.profile();
    if let Some(id) =
        arguments.only.iter().find(|id| webhooks.list.iter().all(|listed| listed.id() != *id))
    {
        return Err(Failure::Usage(format!(
            "no valid webhook `{}` in {}",
            quote(id),
            arguments.webhooks.webhooks.display()
        )));
    }
    let (name, bytes) = crate::cli::input::read(&arguments.event, MAX_FILE)?;
    let reader = EventReader { profile, tenant: arguments.webhooks.tenant.as_deref() };
    let format = arguments.format;
    let single = Single { verb: "explain", format, reader, file: &name, bytes: &bytes };
    let selection = Selection { arguments: &arguments, webhooks: &webhooks };
    let all_valid = single.each(out, |out, event, _, item| {
        if item.is_some_and(|item| item > 1) && format == Format::Text {
            writeln!(out)?;
        }
        Ok(selection.explain(out, event, item)?)
    })?;
    let outcome = webhooks.outcome(out)?;
    Ok(if all_valid { outcome } else { Outcome::BadInput })
}

/// Splits arguments into ids at commas. An argument that is an id of a webhook is not split.
fn separated(arguments: &[String], webhooks: &Webhooks) -> Vec<String> {
    let is_id = |text: &str| webhooks.list.iter().any(|listed| listed.id() == text);
    let mut ids = Vec::new();
    for argument in arguments {
        match is_id(argument) {
            true => ids.push(argument.clone()),
            false => ids.extend(argument.split(',').map(|id| id.trim().to_owned())),
        }
    }
    ids
}

/// The webhooks to explain, and how.
struct Selection<'a> {
    arguments: &'a Arguments,
    webhooks: &'a Webhooks,
}

impl Selection<'_> {
    /// Explains the verdicts of the selected webhooks on an event.
    fn explain(&self, out: &mut Out, event: &Event<'_>, item: Option<usize>) -> io::Result<()> {
        let Self { arguments, webhooks } = self;
        if arguments.format == Format::Text {
            head(out, webhooks.rules.profile(), event, item)?;
        }
        for listed in &webhooks.list {
            let id = listed.id();
            if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == id) {
                continue;
            }
            let subscription = listed.subscription(event.tenant());
            let decision = subscription.explain(event, arguments.access.access());
            match arguments.format {
                Format::Json => {
                    let event = item.map(|_| event.id());
                    out.json(&Line { event, item, webhook: id, decision })?;
                }
                Format::Text => {
                    let verdict = decision.verdict;
                    text(out, id, verdict, &reason(&subscription, verdict, event))?;
                    if let Some(explanation) = &decision.explanation {
                        why::draw(out, explanation)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The JSON output for a webhook.
#[derive(Serialize)]
struct Line<'a> {
    /// The id of the event, if it is an item of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Option<&'a str>>,
    /// Its number in the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    webhook: &'a str,
    #[serde(flatten)]
    decision: Decision<'a>,
}

fn head(
    out: &mut Out,
    profile: &Profile,
    event: &Event<'_>,
    item: Option<usize>,
) -> io::Result<()> {
    let name = match item {
        Some(item) => page_item_label(item, event),
        None => plain(event.id().unwrap_or("(no id)")),
    };
    writeln!(out, "{BOLD}event {name}{BOLD:#}")?;
    let fields = [
        ("type", Some(event.event_type())),
        ("tenant", Some(event.tenant())),
        ("owner", event.owner()),
    ];
    let attributes = profile
        .attributes()
        .iter()
        .map(|attribute| (attribute.name(), event.attribute(attribute.name())));
    for (name, value) in fields.into_iter().chain(attributes) {
        writeln!(out, "  {name:20} {}", shown(value))?;
    }
    Ok(())
}

/// Prints a webhook's verdict and the reason, which may be empty.
fn text(out: &mut Out, id: &str, verdict: Verdict, reason: &str) -> io::Result<()> {
    let id = plain(id);
    let (style, word) =
        if verdict == Verdict::Matched { (GOOD, "matched") } else { (BAD, "not matched") };
    writeln!(out, "\n{BOLD}{id}{BOLD:#} {style}{word}{style:#}{reason}")
}

/// Returns why a webhook did not match, as the end of a sentence.
fn reason(subscription: &Subscription, verdict: Verdict, event: &Event<'_>) -> String {
    match verdict {
        Verdict::Matched => String::new(),
        Verdict::Disabled => ": the webhook is disabled".into(),
        Verdict::OtherTenant => {
            format!(": it belongs to another tenant, {}", quoted(subscription.tenant().as_str()))
        }
        Verdict::OtherEventType => ": it does not subscribe to this event type".into(),
        Verdict::NoAccess => match subscription.audience() {
            Audience::Owner(owner) => format!(
                ": its owner {} is not the event's owner, {}",
                quoted(owner.as_str()),
                shown(event.owner())
            ),
            Audience::Tenant => String::new(),
        },
        _ => ": its filter does not match".into(),
    }
}
