use super::history::{Single, called_in_page};
use super::reading::Reader;
use super::webhooks::{Webhooks, WebhooksArguments};
use super::why::{BOLD, DIM};
use super::{AccessArgument, Failure, Format, MAX_FILE, Out, Outcome, plain, quote, readable};
use clap::ValueEnum;
use hooksieve::delivery::{OMITTED, Payload, Request, RequestBuilder};
use hooksieve::event::Event;
use hooksieve::matcher::Verdict;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Show the requests that would deliver an event
///
/// Nothing is sent. Whether a webhook wants the event is decided as `match` does.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// Show the values of encrypted headers, too
    #[arg(long)]
    show_encrypted: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: RequestFormat,
    /// A file of one event, or of a page of past events; `-` for standard input
    #[arg(value_name = "EVENT")]
    event: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RequestFormat {
    /// For people
    Text,
    /// For programs: a JSON object a line
    Json,
    /// Commands for a shell
    Curl,
}

impl Arguments {
    pub(super) fn format(&self) -> super::Format {
        match self.format {
            RequestFormat::Text => super::Format::Text,
            RequestFormat::Json | RequestFormat::Curl => super::Format::Json,
        }
    }
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let webhooks = Webhooks::read_whole(&arguments.webhooks)?;
    let (name, bytes) = super::read(&arguments.event, MAX_FILE)?;
    let format = match arguments.format {
        RequestFormat::Json => Format::Json,
        RequestFormat::Text | RequestFormat::Curl => Format::Text,
    };
    let profile = webhooks.rules.profile();
    let reader = Reader { profile, tenant: arguments.webhooks.tenant.as_deref() };
    let single = Single { verb: "requests", format, reader, file: &name, bytes: &bytes };
    let mut requests = 0;
    let good = single.each(out, |out, event, bytes, item| {
        let before = requests;
        let found = Found { event, bytes, item };
        requests = of_event(out, arguments, &webhooks, &found, requests)?;
        if requests == before && webhooks.bad == 0 && arguments.format == RequestFormat::Text {
            let name = found.name().map_or(String::new(), |name| format!("event {name}: "));
            writeln!(
                out,
                "{name}no requests: no webhook matches this event; `hooksieve explain` shows why"
            )?;
        }
        Ok(())
    })?;
    let outcome = webhooks.outcome(out)?;
    Ok(if good { outcome } else { Outcome::BadInput })
}

/// An event of the input.
struct Found<'a, 'e> {
    event: &'a Event<'e>,
    bytes: &'a [u8],
    /// Its number in the page that it is out of, counted from 1.
    item: Option<usize>,
}

impl Found<'_, '_> {
    /// What tells it from the others of its page.
    fn name(&self) -> Option<String> {
        Some(called_in_page(self.item?, self.event))
    }
}

/// Prints the requests of an event; `before` it there were some already. Returns how many there are now.
fn of_event(
    out: &mut Out,
    arguments: &Arguments,
    webhooks: &Webhooks,
    found: &Found<'_, '_>,
    before: usize,
) -> Result<usize, Failure> {
    let Found { event, bytes, .. } = *found;
    let payload = Payload::new(event, bytes.to_vec());
    let sender = RequestBuilder::default();
    let mut count = before;
    for listed in &webhooks.list {
        let subscription = listed.subscription(event.tenant());
        if subscription.verdict(event, arguments.access.access()) != Verdict::Matched {
            continue;
        }
        let Some(webhook) = &listed.webhook else { continue };
        let request = sender.request(webhook, &payload);
        print(out, arguments, found, &request, count == 0)?;
        count += 1;
    }
    Ok(count)
}

/// Prints a request, and a warning if something secret is not in it.
fn print(
    out: &mut Out,
    arguments: &Arguments,
    found: &Found<'_, '_>,
    request: &Request,
    is_first: bool,
) -> Result<(), Failure> {
    let id = request.webhook().id().as_str();
    if request.has_redacted_secrets() {
        let id = quote(id);
        let _ = writeln!(
            io::stderr(),
            "webhook `{id}`: warning[secrets-withheld]: its secret or encrypted headers are \
             not in the file, nor in the request: read the webhook as it is stored"
        );
    }
    let (show, id) = (arguments.show_encrypted, plain(id));
    match arguments.format {
        RequestFormat::Text => {
            if !is_first {
                writeln!(out)?;
            }
            let event = found.name().map_or(String::new(), |name| format!(", event {name}"));
            writeln!(out, "{DIM}# webhook {id}{event}{DIM:#}")?;
            text(out, request, show)?;
        }
        RequestFormat::Json => {
            let event = found.item.map(|_| found.event.id());
            out.json(&Line { event, item: found.item, ..Line::new(request, show) })?;
        }
        RequestFormat::Curl => {
            if let Some(name) = found.name() {
                writeln!(out, "# webhook {id}, event {name}")?;
            }
            curl(out, request, show)?;
        }
    }
    Ok(())
}

/// Stands before a request that is not whole.
const WITHHOLDS: &str = "# not to be sent: its secret or encrypted headers are withheld";

fn headers(request: &Request, show: bool) -> impl Iterator<Item = (&str, &str)> {
    request.headers().map(move |(name, value)| {
        let hidden = value.is_sensitive() && !show;
        // Values are of visible ASCII characters.
        (name, if hidden { OMITTED } else { value.to_str().unwrap_or_default() })
    })
}

/// The body, which is text, as events are.
fn body(request: &Request) -> &str {
    std::str::from_utf8(request.body()).unwrap_or_default()
}

/// What is printed of a request for programs.
#[derive(Serialize)]
struct Line<'r> {
    /// The id of the event, and its number, where it is one of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Option<&'r str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    webhook: &'r str,
    method: &'static str,
    url: &'r str,
    headers: Vec<(&'r str, &'r str)>,
    /// The exact text that is signed.
    body: &'r str,
    /// Whether something secret is not in it, so that it must not be sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    withholds: bool,
}

impl<'r> Line<'r> {
    fn new(request: &'r Request, show: bool) -> Self {
        Self {
            event: None,
            item: None,
            webhook: request.webhook().id().as_str(),
            method: request.method(),
            url: request.url(),
            headers: headers(request, show).collect(),
            body: body(request),
            withholds: request.has_redacted_secrets(),
        }
    }
}

fn text(out: &mut Out, request: &Request, show: bool) -> io::Result<()> {
    if request.has_redacted_secrets() {
        writeln!(out, "{DIM}{WITHHOLDS}{DIM:#}")?;
    }
    writeln!(out, "{BOLD}{} {}{BOLD:#}", request.method(), request.url())?;
    for (name, value) in headers(request, show) {
        writeln!(out, "{DIM}{name}:{DIM:#} {value}")?;
    }
    writeln!(out, "\n{}", readable(body(request).trim_end()))
}

/// A command that sends the request, with every byte of its body.
fn curl(out: &mut Out, request: &Request, show: bool) -> io::Result<()> {
    if request.has_redacted_secrets() {
        writeln!(out, "{WITHHOLDS}")?;
    }
    // A word of a command has 128 KiB at most on Linux; `printf` is no command of its own.
    let long = body(request).len() > 100_000;
    if long {
        write!(out, "printf %s {} | ", quoted(body(request)))?;
    }
    // Braces and brackets in a URL are meant as they stand.
    write!(out, "curl --globoff --request {} {}", request.method(), quoted(request.url()))?;
    for (name, value) in headers(request, show) {
        // That is how curl is told of a header without a value.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        write!(out, " \\\n  --header {}", quoted(&header))?;
    }
    let data = if long { "@-".to_owned() } else { quoted(body(request)) };
    writeln!(out, " \\\n  --data-binary {data}")
}

/// A word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
