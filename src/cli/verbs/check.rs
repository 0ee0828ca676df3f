use super::Run;
use crate::cli::input::json_error::JsonError;
use crate::cli::input::webhooks::{CatalogueArgument, UnknownName};
use crate::cli::input::{STDIN, STDIN_ARGUMENT};
use crate::cli::output::report;
use crate::cli::output::{Format, Out, plain};
use crate::cli::verbs::event_types::event_type;
use crate::cli::{Failure, Outcome};
use clap::ValueEnum;
use hooksieve::diagnostic::{Diagnostic, Span};
use hooksieve::event::EventType;
use hooksieve::syntax::Expr;
use hooksieve::webhook::{FilterReport, Rules};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;

/// Check filters: print the canonical form with warnings, or errors with suggestions
///
/// Without FILTER, or if it is `-`, reads standard input. Each line is a JSON string, an object
/// `{"filter": …, "eventTypes": […]}`, or plain filter text. With `--fix`, filters that cannot be
/// corrected are reported on standard error, and the exit code is 1.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The filters [default: standard input]
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// The webhook's event types, separated by commas; enables the rules and warnings about them
    #[arg(long = "event-type", value_name = "TYPE", value_delimiter = ',', value_parser = event_type)]
    event_types: Vec<String>,
    /// The attributes and operators that filters may use
    #[arg(long, value_enum, default_value = "webhook")]
    profile: ProfileArgument,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Print only the corrected filters, one per line, where the correction is certain
    #[arg(long, conflicts_with = "format")]
    fix: bool,
    /// Exit with 1 if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileArgument {
    /// The attributes and operators of webhook filters
    Webhook,
    /// Everything in the grammar of RFC 7644
    Scim,
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
    let default_types = arguments.event_types.into_iter().map(EventType::from).collect::<Vec<_>>();
    let default_types = (!default_types.is_empty()).then_some(default_types);
    if matches!(arguments.profile, ProfileArgument::Scim) && default_types.is_some() {
        let message = "--profile scim has no rules about event types: remove --event-type";
        return Err(Failure::Usage(message.to_owned()));
    }
    let mut check = Check {
        rules: match arguments.profile {
            ProfileArgument::Webhook => Some(arguments.catalogue.rules()?),
            ProfileArgument::Scim => None,
        },
        deny_warnings: arguments.deny_warnings,
        fix: arguments.fix,
        format: arguments.format,
        out,
        outcome: Outcome::Ok,
        unknown: Vec::new(),
    };
    if let (Some(rules), Some(types)) = (&check.rules, &default_types) {
        check.unknown = UnknownName::in_types(rules, types);
    }
    if arguments.filters.is_empty() || arguments.filters == [STDIN_ARGUMENT] {
        check.standard_input(default_types.as_deref())?;
        return Ok(check.outcome);
    }
    let several = arguments.filters.len() > 1;
    for (at, filter) in arguments.filters.iter().enumerate() {
        let name = format!("filter {}", at + 1);
        let origin = several.then_some(&*name);
        check.filter(Some(filter), default_types.as_deref(), origin)?;
    }
    Ok(check.outcome)
}

/// A line of standard input. Other members are ignored here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    filter: Option<String>,
    event_types: Option<Vec<String>>,
}

/// The help for a line that has no filter.
const LINE: &str = "write each line as a JSON string, or as {\"filter\": …, \"eventTypes\": […]}";

/// Reads a line. Text that is not JSON is a filter, unless it begins as an object does.
fn object(line: &[u8]) -> Result<Object, String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("not UTF-8, at byte {} of the line", error.valid_up_to() + 1))?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if !is_json && !text.trim_ascii_start().starts_with('{') {
        return Ok(Object { filter: Some(text.to_owned()), event_types: None });
    }
    let not_json = |error| {
        let message = JsonError::new(line, &error).message;
        format!("not JSON: {message}, at column {}", error.column())
    };
    match serde_json::from_slice(line).map_err(not_json)? {
        Value::String(filter) => Ok(Object { filter: Some(filter), event_types: None }),
        Value::Object(members) if members.contains_key("filter") => {
            check_types(&members)?;
            // A `Value` keeps the last of duplicate members, so the text is read again. The types
            // were right, so this can fail only because of duplicates.
            serde_json::from_slice(line)
                .map_err(|_| "duplicate member `filter` or `eventTypes`".to_owned())
        }
        _ => Err("expected a string, or an object with the member `filter`".to_owned()),
    }
}

/// Checks the types of the members that are read.
fn check_types(members: &serde_json::Map<String, Value>) -> Result<(), String> {
    if members.get("filter").is_some_and(|filter| !filter.is_string() && !filter.is_null()) {
        return Err("`filter` is not a string".to_owned());
    }
    let is_list =
        |types: &Value| types.as_array().is_some_and(|types| types.iter().all(Value::is_string));
    match members.get("eventTypes") {
        Some(types) if !types.is_null() && !is_list(types) => {
            Err("`eventTypes` is not an array of strings".to_owned())
        }
        _ => Ok(()),
    }
}

struct Check<'o> {
    /// `None` for `--profile scim`.
    rules: Option<Rules>,
    deny_warnings: bool,
    /// Whether to print only corrected filters.
    fix: bool,
    format: Format,
    out: &'o mut Out,
    outcome: Outcome,
    /// Unknown event types and members, which are reported with the next filter.
    unknown: Vec<UnknownName>,
}

impl Check<'_> {
    fn standard_input(&mut self, default_types: Option<&[EventType]>) -> Result<(), Failure> {
        let mut lines = crate::cli::input::events::Lines::new(crate::cli::input::stdin()?);
        while let Some(line) = lines.next().map_err(|error| Failure::Input(STDIN.into(), error))? {
            let parsed = line.bytes.clone().and_then(object);
            let name = format!("{STDIN}:{}: filter", line.number);
            match parsed {
                Err(message) => self.bad_line(line.number, &message)?,
                Ok(Object { filter, event_types }) => {
                    if let (Some(rules), Ok(bytes)) = (&self.rules, line.bytes) {
                        let origin = format!("{STDIN}:{}: ", line.number);
                        self.unknown.extend(UnknownName::in_document(rules, bytes, Some(&origin)));
                    }
                    let own = event_types
                        .map(|types| types.into_iter().map(EventType::from).collect::<Vec<_>>());
                    let types = own.as_deref().or(default_types);
                    self.filter(filter.as_deref(), types, Some(&name))?;
                }
            }
            if !lines.is_buffered() {
                self.out.flush()?;
            }
        }
        Ok(())
    }

    fn filter(
        &mut self,
        written: Option<&str>,
        types: Option<&[EventType]>,
        origin: Option<&str>,
    ) -> Result<(), Failure> {
        // Null is no filter, as in a webhook.
        let text = written.unwrap_or("");
        let checked = self.checked(text, types);
        let unknown = std::mem::take(&mut self.unknown);
        if self.deny_warnings && !(checked.warnings.is_empty() && unknown.is_empty()) {
            self.outcome = Outcome::BadInput;
        }
        if self.fix && self.print_fixed(&checked, types)? {
            return Ok(());
        }
        if checked.canonical.is_err() {
            self.outcome = Outcome::BadInput;
        }
        match self.format {
            Format::Json => self.print_json(written, checked, &unknown),
            Format::Text => self.print_text(text, &checked, &unknown, origin),
        }
    }

    fn print_json(
        &mut self,
        filter: Option<&str>,
        mut report: FilterReport,
        unknown: &[UnknownName],
    ) -> Result<(), Failure> {
        report.warnings.splice(0..0, unknown.iter().map(|name| name.diagnostic().clone()));
        self.out.json(&Line { line: None, filter, report })?;
        Ok(())
    }

    fn print_text(
        &mut self,
        text: &str,
        checked: &FilterReport,
        unknown: &[UnknownName],
        origin: Option<&str>,
    ) -> Result<(), Failure> {
        let unknown_count = unknown.len();
        let unknown = unknown.iter().map(UnknownName::finding);
        match &checked.canonical {
            Ok(canonical) => {
                match &**canonical {
                    "" => writeln!(self.out, "(no filter: matches every event)")?,
                    canonical => writeln!(self.out, "{}", plain(canonical))?,
                }
                let warnings = report::of_filter(text, &checked.warnings, origin);
                write!(self.out, "{}", report::draw(unknown.chain(warnings)))?;
                Ok(())
            }
            Err(errors) => {
                let count = unknown_count + errors.count();
                let errors = report::of_filter(text, errors, origin);
                let findings: Vec<_> = unknown.chain(errors).collect();
                self.report(&report::draw_of(count, &findings))
            }
        }
    }

    /// Prints errors, with `--fix` on standard error: then standard output has only filters.
    fn report(&mut self, text: &impl std::fmt::Display) -> Result<(), Failure> {
        match self.fix {
            // A failure to write to standard error cannot be reported.
            true => drop(write!(anstream::stderr(), "{text}")),
            false => write!(self.out, "{text}")?,
        }
        Ok(())
    }

    /// Prints the canonical or the corrected filter, and returns whether there is one.
    fn print_fixed(
        &mut self,
        checked: &FilterReport,
        types: Option<&[EventType]>,
    ) -> Result<bool, Failure> {
        let fixed = match &checked.canonical {
            Ok(canonical) => Some(&**canonical),
            Err(error) => error.suggestion(),
        };
        // Not every error has a correction that is certain.
        let Some(fixed) = fixed else { return Ok(false) };
        // The caller has counted the warnings of a valid filter already.
        if self.deny_warnings
            && checked.canonical.is_err()
            && !self.checked(fixed, types).warnings.is_empty()
        {
            self.outcome = Outcome::BadInput;
        }
        writeln!(self.out, "{}", plain(fixed))?;
        Ok(true)
    }

    fn checked(&self, text: &str, types: Option<&[EventType]>) -> FilterReport {
        let Some(rules) = &self.rules else {
            let canonical = Expr::parse(text).map(|expr| expr.to_string());
            return FilterReport { canonical: canonical.map_err(Into::into), warnings: Vec::new() };
        };
        rules.check_filter(text, types)
    }

    fn bad_line(&mut self, number: usize, message: &str) -> Result<(), Failure> {
        self.outcome = Outcome::BadInput;
        let message = plain(message);
        match self.format {
            Format::Text => {
                let line = format!("{STDIN}:{number}: error[input-line]: {message}; {LINE}\n");
                self.report(&line)?;
            }
            Format::Json => {
                let title = format!("line {number} is not a filter: {message}");
                let error = Diagnostic::error("input-line", title, LINE).with_span(Span::default());
                let report = FilterReport { canonical: Err(error.into()), warnings: Vec::new() };
                self.out.json(&Line { line: Some(number), filter: None, report })?;
            }
        }
        Ok(())
    }
}

/// The JSON output for a filter.
#[derive(Serialize)]
struct Line<'t> {
    /// The number of a line that is not a filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// `None` for null, and for a line that is not a filter.
    filter: Option<&'t str>,
    #[serde(flatten)]
    report: FilterReport,
}
