use super::webhooks::{Webhooks, WebhooksArguments, line_of};
use super::{AccessArgument, Failure, Format, MOST_OF_ONE, Out, Outcome, plain, quote};
use anstyle::{AnsiColor, Style};
use hooksieve::event::Event;
use hooksieve::filter::{Explanation, Profile, Step, StepKind};
use hooksieve::matcher::{Audience, Subscription, Verdict};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Say for one event and each webhook why it matches or not
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Only this webhook; may be given more than once
    #[arg(long = "webhook", value_name = "ID")]
    only: Vec<String>,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// A file of one event; `-` for standard input
    #[arg(value_name = "EVENT")]
    event: PathBuf,
}

pub(super) fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let webhooks = Webhooks::read(&arguments.webhooks)?;
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
    let (name, bytes) = super::read(&arguments.event, MOST_OF_ONE)?;
    let event = match profile.read_event(&bytes) {
        Ok(event) => event,
        Err(error) => {
            let line = line_of(&bytes, &error);
            let (code, message, help) = (error.code(), error.to_string(), error.help());
            let one = "explain takes one event, a JSON object";
            let _ = writeln!(
                io::stderr(),
                "{}:{line}: error[{code}]: {message}; {help}; {one}",
                plain(&name)
            );
            return Ok(Outcome::BadInput);
        }
    };
    if arguments.format == Format::Text {
        head(out, profile, &event)?;
    }
    for listed in &webhooks.list {
        let id = listed.id();
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == id) {
            continue;
        }
        let subscription = listed.subscription(event.tenant());
        let verdict = subscription.verdict(&event, arguments.access.access());
        let decided = matches!(verdict, Verdict::Matched | Verdict::FilterFalse);
        let explanation = decided.then(|| subscription.filter().explain(&event));
        match arguments.format {
            Format::Json => out.json(&answer(id, verdict, explanation.as_ref()))?,
            Format::Text => text(out, id, &subscription, verdict, &event, explanation.as_ref())?,
        }
    }
    if webhooks.bad > 0 {
        out.flush()?;
        let _ =
            writeln!(io::stderr(), "webhooks that are not valid, and left out: {}", webhooks.bad);
        return Ok(Outcome::BadInput);
    }
    Ok(Outcome::Well)
}

/// A stable word for programs.
fn reason(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Matched => "matched",
        Verdict::Disabled => "disabled",
        Verdict::OtherTenant => "other-tenant",
        Verdict::OtherEventType => "event-type",
        Verdict::NoAccess => "access",
        Verdict::FilterFalse => "filter",
        _ => "other",
    }
}

/// What is printed of a webhook for programs.
#[derive(Serialize)]
struct Answer<'a> {
    webhook: &'a str,
    matched: bool,
    reason: &'static str,
    /// None where the filter was not asked.
    filter: Option<Vec<Value>>,
}

fn answer<'a>(
    webhook: &'a str,
    verdict: Verdict,
    explanation: Option<&Explanation<'_>>,
) -> Answer<'a> {
    let step = |Step { depth, holds, kind, .. }: &Step<'_>| match kind {
        StepKind::Term { attribute, operator, value, found, .. } => json!({
            "depth": depth, "holds": holds, "kind": "term", "attribute": attribute,
            "operator": operator.to_string(), "value": value, "found": found,
        }),
        StepKind::And => json!({"depth": depth, "holds": holds, "kind": "and"}),
        _ => json!({"depth": depth, "holds": holds, "kind": "or"}),
    };
    Answer {
        webhook,
        matched: verdict == Verdict::Matched,
        reason: reason(verdict),
        filter: explanation.map(|explanation| explanation.steps().iter().map(step).collect()),
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const POOR: Style = AnsiColor::Red.on_default();

fn head(out: &mut Out, profile: &Profile, event: &Event<'_>) -> io::Result<()> {
    let id = plain(event.id().unwrap_or("(no id)"));
    writeln!(out, "{BOLD}event {id}{BOLD:#}")?;
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

fn shown(value: Option<&str>) -> String {
    match value {
        Some(value) => format!("\"{}\"", plain(value)),
        None => format!("{DIM}absent{DIM:#}"),
    }
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
            format!(": it is of another tenant, \"{}\"", plain(subscription.tenant().as_str()))
        }
        Verdict::OtherEventType => ": it is not subscribed to this event type".into(),
        Verdict::NoAccess => match subscription.audience() {
            Audience::Owner(owner) => format!(
                ": its owner \"{}\" is not the event's, {}",
                plain(owner.as_str()),
                shown(event.owner())
            ),
            Audience::Tenant => String::new(),
        },
        _ => ": its filter does not hold".into(),
    };
    let (style, word) =
        if verdict == Verdict::Matched { (GOOD, "matched") } else { (POOR, "not matched") };
    writeln!(out, "\n{BOLD}{id}{BOLD:#} {style}{word}{style:#}{why}")?;
    match explanation {
        Some(explanation) if explanation.steps().is_empty() => writeln!(out, "  no filter"),
        Some(explanation) => tree(out, explanation),
        None => Ok(()),
    }
}

/// The filter as a tree: before each part its verdict, behind each term the event's value.
fn tree(out: &mut Out, explanation: &Explanation<'_>) -> io::Result<()> {
    let steps = explanation.steps();
    let term = |step: &Step<'_>| match &step.kind {
        StepKind::Term { attribute, operator, value, .. } => {
            let value = serde_json::to_string(value).unwrap_or_default();
            format!("{attribute} {operator} {}", plain(&value))
        }
        StepKind::And => "and".to_owned(),
        _ => "or".to_owned(),
    };
    let width = |step: &Step<'_>| 3 * step.depth + term(step).chars().count();
    let widest = steps.iter().map(width).filter(|width| *width <= 80).max().unwrap_or(0);
    // For each depth whether more operands follow at it.
    let mut more: Vec<bool> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let following = steps.iter().skip(at + 1);
        let last = following
            .take_while(|next| next.depth >= step.depth)
            .all(|next| next.depth != step.depth);
        more.truncate(step.depth);
        let mut branches = String::new();
        for open in more.iter().skip(1) {
            branches.push_str(if *open { "│  " } else { "   " });
        }
        if step.depth > 0 {
            branches.push_str(if last { "└─ " } else { "├─ " });
        }
        more.push(!last);
        let (style, mark) = if step.holds { (GOOD, "✓") } else { (POOR, "✗") };
        let text = term(step);
        write!(out, "  {DIM}{branches}{DIM:#}{style}{mark}{style:#} {text}")?;
        if let StepKind::Term { found, .. } = &step.kind {
            let gap = widest.saturating_sub(width(step)) + 2;
            write!(out, "{:gap$}{DIM}event:{DIM:#} {}", "", shown(*found))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
