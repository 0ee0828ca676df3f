//! The verb `requests`: the HTTP requests that would deliver an event.
//!
//! ```text
//! # webhook wh-1
//! POST https://hooks.example.com/a
//! Content-Type: application/json
//! User-Agent: Qlik Webhook
//!
//! {"id":"e1","type":"com.qlik.v1.app.reload.finished","tenantid":"t1",…}
//! ```
//!
//! Nothing is sent. With `--format curl` each request is a shell command, which sends exactly the
//! bytes that the signature is computed from: a body that an editor or a shell changed would not be
//! verified.
//!
//! # Why not the index
//!
//! Each webhook is asked for its verdict, since one event does not pay for an index. The verdict is
//! the specification that the index follows, so both give the same webhooks.
//!
//! # Secrets
//!
//! Responses of the API have no secrets, so the request of a webhook that has some is incomplete
//! and must not be sent. The output says so, and a warning. Values of encrypted headers are shown
//! only with `--show-encrypted`.

use super::Run;
use crate::cli::input::event_reader::EventReader;
use crate::cli::input::history::{Single, page_item_label};
use crate::cli::input::webhooks::{Webhooks, WebhooksArguments};
use crate::cli::input::{AccessArgument, MAX_FILE};
use crate::cli::output::why::{BOLD, DIM};
use crate::cli::output::{Format, Out, plain, quote, readable};
use crate::cli::{Failure, Outcome};
use clap::ValueEnum;
use hooksieve::delivery::{OMITTED, Payload, Request, RequestBuilder};
use hooksieve::event::Event;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;

/// Show the HTTP requests that would deliver an event
///
/// Sends nothing. The webhooks are those that `match` shows for the event.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// Also show the values of encrypted headers
    #[arg(long)]
    show_encrypted: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: RequestFormat,
    /// A file with one event or a page of past events; `-` for standard input
    #[arg(value_name = "EVENT")]
    event: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RequestFormat {
    /// Readable text
    Text,
    /// One JSON object per line
    Json,
    /// Shell commands that run curl
    Curl,
}

impl Run for Arguments {
    fn format(&self) -> Format {
        match self.format {
            RequestFormat::Text => super::Format::Text,
            // Byte for byte: removing colors could remove bytes from the body in a command.
            RequestFormat::Json | RequestFormat::Curl => super::Format::Json,
        }
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(&self, out)
    }
}

fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let webhooks = Webhooks::read_whole(&arguments.webhooks)?;
    let (name, bytes) = crate::cli::input::read(&arguments.event, MAX_FILE)?;
    let format = match arguments.format {
        RequestFormat::Json => Format::Json,
        RequestFormat::Text | RequestFormat::Curl => Format::Text,
    };
    let profile = webhooks.rules.profile();
    let reader = EventReader { profile, tenant: arguments.webhooks.tenant.as_deref() };
    let single = Single { verb: "requests", format, reader, file: &name, bytes: &bytes };
    let printer = Printer { arguments, webhooks: &webhooks };
    let mut requests = 0;
    let all_valid = single.each(out, |out, event, bytes, item| {
        let before = requests;
        let input = InputEvent { event, bytes, item };
        requests = printer.event(out, &input, requests)?;
        // With invalid webhooks, one of those might have matched, so "no webhook" would be wrong.
        if requests == before && webhooks.bad == 0 && arguments.format == RequestFormat::Text {
            let name = input.name().map_or(String::new(), |name| format!("event {name}: "));
            writeln!(
                out,
                "{name}no requests: no webhook matches this event; `hooksieve explain` shows why"
            )?;
        }
        Ok(())
    })?;
    let outcome = webhooks.outcome(out)?;
    Ok(if all_valid { outcome } else { Outcome::BadInput })
}

/// An event of the input.
struct InputEvent<'a, 'e> {
    event: &'a Event<'e>,
    bytes: &'a [u8],
    /// Its number in its page, counted from 1.
    item: Option<usize>,
}

impl InputEvent<'_, '_> {
    /// Returns a name that is unique in its page.
    fn name(&self) -> Option<String> {
        Some(page_item_label(self.item?, self.event))
    }
}

/// The webhooks to print requests to, and how.
struct Printer<'a> {
    arguments: &'a Arguments,
    webhooks: &'a Webhooks,
}

impl Printer<'_> {
    /// Prints the requests of an event, and returns the number of requests so far, `before` included.
    fn event(
        &self,
        out: &mut Out,
        input: &InputEvent<'_, '_>,
        before: usize,
    ) -> Result<usize, Failure> {
        let Self { arguments, webhooks } = self;
        let InputEvent { event, bytes, .. } = *input;
        // White space around an event, such as a last line break, belongs to the file.
        let payload = Payload::new(event, bytes.trim_ascii().to_vec());
        let builder = RequestBuilder::default();
        let mut count = before;
        for listed in &webhooks.list {
            let subscription = listed.subscription(event.tenant());
            if !subscription.matches(event, arguments.access.access()) {
                continue;
            }
            let request = builder.request(listed.whole(), &payload);
            self.request(out, input, &request, count == 0)?;
            count += 1;
        }
        Ok(count)
    }

    /// Prints a request, and a warning if it lacks secrets.
    fn request(
        &self,
        out: &mut Out,
        input: &InputEvent<'_, '_>,
        request: &Request,
        is_first: bool,
    ) -> Result<(), Failure> {
        let id = request.webhook().id().as_str();
        if request.has_redacted_secrets() {
            let id = quote(id);
            let _ = writeln!(
                io::stderr(),
                "webhook `{id}`: warning[secrets-withheld]: the file lacks its secret or encrypted \
             headers, so the request is incomplete; use the webhook in its stored form"
            );
        }
        let (show, id) = (self.arguments.show_encrypted, plain(id));
        match self.arguments.format {
            RequestFormat::Text => {
                if !is_first {
                    writeln!(out)?;
                }
                let event = input.name().map_or(String::new(), |name| format!(", event {name}"));
                writeln!(out, "{DIM}# webhook {id}{event}{DIM:#}")?;
                text(out, request, show)?;
            }
            RequestFormat::Json => {
                let event = input.item.map(|_| input.event.id());
                out.json(&Line { event, item: input.item, ..Line::new(request, show) })?;
            }
            RequestFormat::Curl => {
                if let Some(name) = input.name() {
                    writeln!(out, "# webhook {id}, event {name}")?;
                }
                curl(out, request, show)?;
            }
        }
        Ok(())
    }
}

/// The comment before a request that lacks secrets.
const WITHHOLDS: &str = "# incomplete, do not send: the secret or encrypted headers are missing";

fn headers(request: &Request, show: bool) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    request.headers().map(move |(name, value)| {
        let hidden = value.is_sensitive() && !show;
        // Values have only visible ASCII characters, so none is replaced.
        let shown = || String::from_utf8_lossy(value.as_bytes());
        (name, if hidden { OMITTED.into() } else { shown() })
    })
}

/// Returns the body. It is UTF-8, as every event, so no character is replaced.
fn body(request: &Request) -> Cow<'_, str> {
    String::from_utf8_lossy(request.body())
}

/// The JSON output for a request.
#[derive(Serialize)]
struct Line<'r> {
    /// The id of the event, if it is an item of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Option<&'r str>>,
    /// Its number in the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    webhook: &'r str,
    method: &'static str,
    url: &'r str,
    headers: Vec<(&'r str, Cow<'r, str>)>,
    /// The exact text that is signed.
    body: Cow<'r, str>,
    /// Whether it lacks secrets, so that it must not be sent.
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

/// Prints a shell command that sends the request with its exact body.
fn curl(out: &mut Out, request: &Request, show: bool) -> io::Result<()> {
    if request.has_redacted_secrets() {
        writeln!(out, "{WITHHOLDS}")?;
    }
    // Linux limits an argument to 128 KiB. The shell's builtin `printf` has no such limit.
    let body = body(request);
    // Below the limit, since quoting a body makes it longer.
    let long = body.len() > 100_000;
    if long {
        write!(out, "printf %s {} | ", quoted(&body))?;
    }
    // `--globoff` keeps curl from expanding braces and brackets in the URL.
    write!(out, "curl --globoff --request {} {}", request.method(), quoted(request.url()))?;
    for (name, value) in headers(request, show) {
        // curl sends a header with an empty value only if it ends with a semicolon.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        write!(out, " \\\n  --header {}", quoted(&header))?;
    }
    let data = if long { "@-".to_owned() } else { quoted(&body) };
    writeln!(out, " \\\n  --data-binary {data}")
}

/// Quotes a text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
