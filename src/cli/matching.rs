use super::events::{Document, Documents, Trouble};
use super::webhooks::{Listed, Tenancy, Webhooks, WebhooksArguments, line_of};
use super::{
    AccessArgument, Failure, Format, Out, Outcome, STDIN, STDIN_ARGUMENT, counted, plain, quote,
};
use hooksieve::event::{Error, ErrorKind, Event};
use hooksieve::filter::Profile;
use hooksieve::matcher::{Matcher, Scratch};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Say for each event which webhooks want it
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// Go on without webhooks that are not valid
    #[arg(long)]
    skip_invalid: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Files of events: one a line, an array, or one object; standard input without any
    #[arg(value_name = "EVENTS")]
    events: Vec<PathBuf>,
}

pub(super) fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let on_stdin =
        arguments.events.iter().filter(|path| path.as_os_str() == STDIN_ARGUMENT).count()
            + usize::from(arguments.events.is_empty())
            + usize::from(arguments.webhooks.webhooks.as_os_str() == STDIN_ARGUMENT);
    if on_stdin > 1 {
        return Err(Failure::twice_on_stdin());
    }
    let webhooks = Webhooks::read(&arguments.webhooks)?;
    if webhooks.broken || webhooks.bad > 0 && !arguments.skip_invalid {
        if !webhooks.broken {
            let help = "--skip-invalid goes on without them";
            let _ = writeln!(io::stderr(), "webhooks that are not valid: {}; {help}", webhooks.bad);
        }
        return Ok(Outcome::BadInput);
    }
    let mut run = Run {
        profile: webhooks.rules.profile(),
        webhooks: &webhooks,
        tenant: match &webhooks.tenancy {
            Tenancy::One(tenant) => tenant.clone(),
            Tenancy::Named => None,
        },
        matcher: None,
        access: arguments.access,
        scratch: Scratch::default(),
        table: Table { header: false, tenants: webhooks.tenants() > 1 },
        format: arguments.format,
        out,
        progress: Progress::new(&arguments.events),
        events: 0,
        matches: 0,
        bad: webhooks.bad > 0,
    };
    if arguments.events.is_empty() {
        run.source(STDIN, super::stdin()?)?;
    }
    for path in &arguments.events {
        let name = path.display().to_string();
        let goes_on = if path.as_os_str() == STDIN_ARGUMENT {
            run.source(STDIN, super::stdin()?)?
        } else {
            let file = std::fs::File::open(path);
            run.source(&name, file.map_err(|error| Failure::Input(name.clone(), error))?)?
        };
        if !goes_on {
            break;
        }
    }
    run.finish()
}

struct Run<'a> {
    profile: &'a Profile,
    webhooks: &'a Webhooks,
    /// The tenant that all webhooks are of, once it is known.
    tenant: Option<String>,
    matcher: Option<Matcher>,
    access: AccessArgument,
    scratch: Scratch,
    table: Table,
    format: Format,
    out: &'a mut Out,
    progress: Progress,
    events: u64,
    matches: u64,
    bad: bool,
}

/// What is printed of an event for programs.
#[derive(Serialize)]
struct Hits<'e> {
    event: Option<&'e str>,
    #[serde(rename = "type")]
    event_type: &'e str,
    tenant: &'e str,
    webhooks: Vec<&'e str>,
}

/// What is printed for programs in place of an event that is none.
#[derive(Serialize)]
struct Refusal<'e> {
    line: usize,
    error: &'e BadEvent,
}

/// Something wrong with one event.
#[derive(Serialize)]
struct BadEvent {
    #[serde(skip)]
    line: usize,
    code: &'static str,
    title: String,
    detail: String,
}

impl Run<'_> {
    /// Whether the run goes on behind this source.
    fn source(&mut self, name: &str, input: impl Read) -> Result<bool, Failure> {
        let mut documents = Documents::new(input);
        let before = self.progress.bytes;
        loop {
            match documents.next() {
                Ok(None) => return Ok(true),
                Ok(Some(document)) => {
                    if !self.document(name, &document)? {
                        return Ok(false);
                    }
                }
                Err(Trouble::Io(error)) => return Err(Failure::Input(name.to_owned(), error)),
                Err(Trouble::Line { line, message }) => {
                    let title = format!("line {message}");
                    let detail = "send smaller events".to_owned();
                    self.bad(name, &BadEvent { line, code: "event-too-long", title, detail })?;
                }
                Err(Trouble::Broken { line, message }) => {
                    self.broken(name, line, &message)?;
                    return Ok(false);
                }
            }
            if documents.would_read() {
                self.out.flush()?;
            }
            self.progress.bytes = before + documents.taken();
            self.progress.tick(self.events);
        }
    }

    /// Whether the source can be read on.
    fn document(&mut self, name: &str, document: &Document<'_>) -> Result<bool, Failure> {
        let profile = self.profile;
        match profile.read_event(document.bytes) {
            Ok(event) => self.event(name, document, &event)?,
            Err(error) => {
                let line = document.line + line_of(document.bytes, &error) - 1;
                // Others are well-formed JSON, so that where the next event begins is known.
                let broken = matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Utf8);
                if broken && !document.alone {
                    self.broken(name, line, &within_event(&error))?;
                    return Ok(false);
                }
                self.bad(name, &BadEvent::of(line, &error))?;
            }
        }
        Ok(true)
    }

    fn event(
        &mut self,
        name: &str,
        document: &Document<'_>,
        event: &Event<'_>,
    ) -> Result<(), Failure> {
        if matches!(self.webhooks.tenancy, Tenancy::One(_)) {
            let tenant = self.tenant.get_or_insert_with(|| event.tenant().to_owned());
            if tenant != event.tenant() {
                let title = format!(
                    "event is of tenant `{}`, the webhooks are taken to be of `{}`",
                    quote(event.tenant()),
                    quote(tenant)
                );
                let detail = "give --tenant, or a `tenantId` in each webhook".to_owned();
                let bad =
                    BadEvent { line: document.line, code: "event-second-tenant", title, detail };
                return self.bad(name, &bad);
            }
        }
        let webhooks = &self.webhooks.list;
        let matcher = match &mut self.matcher {
            Some(matcher) => matcher,
            empty => empty.insert(index(self.webhooks, event.tenant())?),
        };
        let slots = matcher.matches(event, self.access.access(), &mut self.scratch);
        self.events += 1;
        self.matches += slots.len() as u64;
        // Slots were given out in the file's order.
        let ids = slots.filter_map(|slot| webhooks.get(slot.index())).map(Listed::id);
        match self.format {
            Format::Json => self.out.json(&Hits {
                event: event.id(),
                event_type: event.event_type(),
                tenant: event.tenant(),
                webhooks: ids.collect(),
            })?,
            Format::Text => self.table.row(self.out, event, ids)?,
        }
        Ok(())
    }

    fn bad(&mut self, name: &str, bad: &BadEvent) -> Result<(), Failure> {
        self.bad = true;
        match self.format {
            Format::Json => {
                self.out.json(&Refusal { line: bad.line, error: bad })?;
            }
            Format::Text => {
                let BadEvent { line, code, title, detail } = bad;
                self.out.flush()?;
                self.progress.say(&format!(
                    "{}:{line}: error[{code}]: {}; {}",
                    plain(name),
                    plain(title),
                    plain(detail)
                ));
            }
        }
        Ok(())
    }

    fn broken(&mut self, name: &str, line: usize, message: &str) -> Result<(), Failure> {
        self.bad = true;
        self.out.flush()?;
        let message = plain(message);
        self.progress.say(&format!(
            "{}:{line}: error[event-syntax]: {message}; the rest is not read",
            plain(name)
        ));
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome, Failure> {
        self.out.flush()?;
        let seconds = self.progress.begin.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { self.events as f64 / seconds } else { 0.0 };
        let (events, matches) = (self.events, self.matches);
        self.progress.end();
        let events = counted(events, "event", "events");
        let matches = counted(matches, "match", "matches");
        let _ = writeln!(io::stderr(), "{events}, {matches}, {rate:.0} events/s");
        Ok(if self.bad { Outcome::BadInput } else { Outcome::Well })
    }
}

impl BadEvent {
    fn of(line: usize, error: &Error) -> Self {
        let title = within_event(error);
        Self { line, code: error.code(), title, detail: error.help().to_owned() }
    }
}

/// The message of an error, whose place counts from the event's first byte.
fn within_event(error: &Error) -> String {
    match error.kind() {
        ErrorKind::MissingType | ErrorKind::MissingTenant => error.to_string(),
        _ => format!("{error} of the event"),
    }
}

/// A matcher whose slots have the indices of the list; `tenant` is that of webhooks without one.
fn index(webhooks: &Webhooks, tenant: &str) -> Result<Matcher, Failure> {
    let mut matcher = Matcher::new(webhooks.rules.profile());
    for listed in &webhooks.list {
        let slot = matcher.insert(&listed.subscription(tenant, &webhooks.rules));
        slot.map_err(|error| Failure::Usage(error.to_string()))?;
    }
    Ok(matcher)
}

/// Rows for people. Widths are fixed, since the input is a stream.
struct Table {
    header: bool,
    /// Whether there is more than one tenant to tell apart.
    tenants: bool,
}

impl Table {
    fn row<'w>(
        &mut self,
        out: &mut Out,
        event: &Event<'_>,
        ids: impl Iterator<Item = &'w str>,
    ) -> io::Result<()> {
        let bold = anstyle::Style::new().bold();
        if !std::mem::replace(&mut self.header, true) {
            let tenant = if self.tenants { format!("{:32}  ", "TENANT") } else { String::new() };
            writeln!(out, "{bold}{:36}  {:40}  {tenant}WEBHOOKS{bold:#}", "EVENT", "TYPE")?;
        }
        let id = plain(event.id().unwrap_or("(no id)"));
        write!(out, "{id:36}  {:40}  ", plain(event.event_type()))?;
        if self.tenants {
            write!(out, "{:32}  ", plain(event.tenant()))?;
        }
        let mut none = true;
        for id in ids {
            write!(out, "{}{}", if none { "" } else { ", " }, plain(id))?;
            none = false;
        }
        writeln!(out, "{}", if none { "-" } else { "" })
    }
}

/// A bar for long input, where somebody watches and the results go elsewhere.
struct Progress {
    begin: Instant,
    bytes: u64,
    /// Of all files; none where that is not known.
    total: Option<u64>,
    watched: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(files: &[PathBuf]) -> Self {
        let sizes =
            files.iter().map(|path| std::fs::metadata(path).ok().filter(|file| file.is_file()));
        let total = sizes.map(|size| size.map(|size| size.len())).sum::<Option<u64>>();
        Self {
            begin: Instant::now(),
            bytes: 0,
            total: total.filter(|total| *total > 0),
            watched: io::stderr().is_terminal() && !io::stdout().is_terminal(),
            bar: None,
        }
    }

    fn tick(&mut self, events: u64) {
        const PATIENCE: Duration = Duration::from_millis(500);
        if !self.watched || !events.is_multiple_of(1024) || self.begin.elapsed() < PATIENCE {
            return;
        }
        let total = self.total;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = match total {
                Some(_) => "{bar:40} {bytes}/{total_bytes} {msg} {eta}",
                None => "{spinner} {bytes} {msg}",
            };
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        bar.set_position(self.bytes);
        bar.set_message(format!("{events} events"));
    }

    fn say(&self, line: &str) {
        let write = || {
            let _ = writeln!(io::stderr(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
