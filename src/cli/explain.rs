use super::history::{Single, called_in_page};
use super::reading::Reader;
use super::webhooks::{Webhooks, WebhooksArguments};
use super::why::{self, BOLD, GOOD, POOR, shown};
use super::{AccessArgument, Failure, Format, MAX_FILE, Out, Outcome, plain, quote, quoted};
use hooksieve::event::Event;
use hooksieve::filter::analysis::{Change, Justification};
use hooksieve::filter::{Explanation, Hint, Profile, Step};
use hooksieve::matcher::{Audience, Subscription, Verdict};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Say for one event and each webhook why it matches or not, and what would make it
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Only this webhook, or these, separated by commas; may be given more than once
    #[arg(long = "webhook", value_name = "ID")]
    only: Vec<String>,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// A file of one event, or of a page of past events; `-` for standard input
    #[arg(value_name = "EVENT")]
    event: PathBuf,
}

pub(super) fn run(mut arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
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
    let (name, bytes) = super::read(&arguments.event, MAX_FILE)?;
    let reader = Reader { profile, tenant: arguments.webhooks.tenant.as_deref() };
    let format = arguments.format;
    let single = Single { verb: "explain", format, reader, file: &name, bytes: &bytes };
    let good = single.each(out, |out, event, _, item| {
        if item.is_some_and(|item| item > 1) && format == Format::Text {
            writeln!(out)?;
        }
        Ok(of_event(out, &arguments, &webhooks, event, item)?)
    })?;
    let outcome = webhooks.outcome(out)?;
    Ok(if good { outcome } else { Outcome::BadInput })
}

/// The ids of webhooks in arguments that may each name several; an id itself may have a comma.
fn separated(given: &[String], webhooks: &Webhooks) -> Vec<String> {
    let is_id = |text: &str| webhooks.list.iter().any(|listed| listed.id() == text);
    let mut ids = Vec::new();
    for argument in given {
        match is_id(argument) {
            true => ids.push(argument.clone()),
            false => ids.extend(argument.split(',').map(|id| id.trim().to_owned())),
        }
    }
    ids
}

/// Explains the verdicts of all webhooks, or of those that were asked for, on an event.
fn of_event(
    out: &mut Out,
    arguments: &Arguments,
    webhooks: &Webhooks,
    event: &Event<'_>,
    item: Option<usize>,
) -> io::Result<()> {
    if arguments.format == Format::Text {
        head(out, webhooks.rules.profile(), event, item)?;
    }
    for listed in &webhooks.list {
        let id = listed.id();
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == id) {
            continue;
        }
        let subscription = listed.subscription(event.tenant());
        let verdict = subscription.verdict(event, arguments.access.access());
        let decided = matches!(verdict, Verdict::Matched | Verdict::FilterFalse);
        let explanation = decided.then(|| subscription.filter().explain(event));
        match arguments.format {
            Format::Json => {
                let event = item.map(|_| event.id());
                let answer = Answer::new(id, verdict, explanation.as_ref());
                out.json(&Answer { event, item, ..answer })?;
            }
            Format::Text => text(out, id, &subscription, verdict, event, explanation.as_ref())?,
        }
    }
    Ok(())
}

/// What is printed of a webhook for programs; null where the filter was not asked.
#[derive(Serialize)]
struct Answer<'a> {
    /// The id of the event, where it is one of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Option<&'a str>>,
    /// Its number in the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    webhook: &'a str,
    matched: bool,
    reason: &'static str,
    filter: Option<&'a [Step<'a>]>,
    because: Option<Vec<usize>>,
    change: Option<Vec<Change<'a>>>,
    exact: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    hints: &'a [Hint<'a>],
}

impl<'a> Answer<'a> {
    fn new(webhook: &'a str, verdict: Verdict, explanation: Option<&'a Explanation<'a>>) -> Self {
        let (because, change, exact) = match explanation.map(Explanation::why) {
            Some(Justification { reason, change, exact, .. }) => {
                (Some(reason), change, Some(exact))
            }
            None => (None, None, None),
        };
        Self {
            event: None,
            item: None,
            webhook,
            matched: verdict == Verdict::Matched,
            reason: verdict.as_str(),
            filter: explanation.map(Explanation::steps),
            because,
            change,
            exact,
            hints: explanation.map_or(&[], Explanation::hints),
        }
    }
}

fn head(
    out: &mut Out,
    profile: &Profile,
    event: &Event<'_>,
    item: Option<usize>,
) -> io::Result<()> {
    let name = match item {
        Some(item) => called_in_page(item, event),
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

fn text(
    out: &mut Out,
    id: &str,
    subscription: &Subscription,
    verdict: Verdict,
    event: &Event<'_>,
    explanation: Option<&Explanation<'_>>,
) -> io::Result<()> {
    let id = plain(id);
    let why = match verdict {
        Verdict::Matched => String::new(),
        Verdict::Disabled => ": it is disabled".into(),
        Verdict::OtherTenant => {
            format!(": it is of another tenant, {}", quoted(subscription.tenant().as_str()))
        }
        Verdict::OtherEventType => ": it is not subscribed to this event type".into(),
        Verdict::NoAccess => match subscription.audience() {
            Audience::Owner(owner) => format!(
                ": its owner {} is not the event's, {}",
                quoted(owner.as_str()),
                shown(event.owner())
            ),
            Audience::Tenant => String::new(),
        },
        _ => ": its filter does not hold".into(),
    };
    let (style, word) =
        if verdict == Verdict::Matched { (GOOD, "matched") } else { (POOR, "not matched") };
    writeln!(out, "\n{BOLD}{id}{BOLD:#} {style}{word}{style:#}{why}")?;
    explanation.map_or(Ok(()), |explanation| why::draw(out, explanation))
}
