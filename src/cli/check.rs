use super::event_types::event_type;
use super::report;
use super::webhooks::{CatalogueArgument, Strange};
use super::{Failure, Format, Out, Outcome, STDIN, STDIN_ARGUMENT, plain};
use clap::ValueEnum;
use hooksieve::diagnostic::{Diagnostic, Diagnostics, Span};
use hooksieve::event::EventType;
use hooksieve::syntax::Expr;
use hooksieve::webhook::Rules;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;

/// Check filters: print the canonical form and warnings, or what is wrong and how to fix it
///
/// Without FILTER, or where it is only `-`, reads standard input: each line a JSON string, an object
/// `{"filter": …, "eventTypes": […]}`, or a filter as it is. What cannot be corrected with `--fix` is
/// reported on standard error, and the exit code is 1.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The filters; standard input without any
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// The webhook's event types, for rules and warnings about them; there are none without it
    #[arg(long = "event-type", value_name = "TYPE", value_delimiter = ',', value_parser = event_type)]
    event_types: Vec<String>,
    /// What filters may use
    #[arg(long, value_enum, default_value = "webhook")]
    profile: ProfileArgument,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Print only the corrected filter, one on a line, where it is certain what was meant
    #[arg(long, conflicts_with = "format")]
    fix: bool,
    /// Exit with 1 where there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProfileArgument {
    /// The subset of webhooks
    Webhook,
    /// All of RFC 7644: the grammar alone
    Scim,
}

pub(super) fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let default_types = arguments.event_types.into_iter().map(EventType::from).collect::<Vec<_>>();
    let default_types = (!default_types.is_empty()).then_some(default_types);
    if matches!(arguments.profile, ProfileArgument::Scim) && default_types.is_some() {
        let message = "--profile scim has no rules about event types: leave --event-type out";
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
        outcome: Outcome::Well,
        strange: Vec::new(),
    };
    if let (Some(rules), Some(types)) = (&check.rules, &default_types) {
        check.strange = Strange::types(rules, types);
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

/// A line of standard input; other members are not needed here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    filter: Option<String>,
    event_types: Option<Vec<String>>,
}

/// What a line is to be.
const LINE: &str = "write each line as a JSON string, or as {\"filter\": …, \"eventTypes\": […]}";

/// Reads a line: a JSON string is a filter, and so is what is neither JSON nor meant as an object.
fn object(line: &[u8]) -> Result<Object, String> {
    let message = |error| super::items::without_place(&error);
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("not UTF-8, at byte {} of the line", error.valid_up_to() + 1))?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if !is_json && !text.trim_ascii_start().starts_with('{') {
        return Ok(Object { filter: Some(text.to_owned()), event_types: None });
    }
    match serde_json::from_slice(line).map_err(|error| format!("not JSON, {}", message(error)))? {
        Value::String(filter) => Ok(Object { filter: Some(filter), event_types: None }),
        // From the text once more, since a `Value` keeps the last of duplicate keys.
        Value::Object(members) if members.contains_key("filter") => {
            serde_json::from_slice(line).map_err(message)
        }
        _ => Err("expected a string, or an object with the member `filter`".to_owned()),
    }
}

struct Check<'o> {
    /// None for the grammar alone.
    rules: Option<Rules>,
    deny_warnings: bool,
    /// Whether corrected filters are printed, and nothing else about them.
    fix: bool,
    format: Format,
    out: &'o mut Out,
    outcome: Outcome,
    /// What to report with the next filter: event types and members that are unknown.
    strange: Vec<Strange>,
}

impl Check<'_> {
    fn standard_input(&mut self, default_types: Option<&[EventType]>) -> Result<(), Failure> {
        let mut lines = super::events::Lines::new(super::stdin()?);
        while let Some(line) = lines.next().map_err(|error| Failure::Input(STDIN.into(), error))? {
            let parsed = line.bytes.clone().and_then(object);
            let name = format!("{STDIN}:{}: filter", line.number);
            match parsed {
                Err(message) => self.bad_line(line.number, &message)?,
                Ok(Object { filter, event_types }) => {
                    if let (Some(rules), Ok(bytes)) = (&self.rules, line.bytes) {
                        let place = format!("{STDIN}:{}: ", line.number);
                        self.strange.extend(Strange::document(rules, bytes, Some(&place)));
                    }
                    let own = event_types
                        .map(|types| types.into_iter().map(EventType::from).collect::<Vec<_>>());
                    let types = own.as_deref().or(default_types);
                    self.filter(filter.as_deref(), types, Some(&name))?;
                }
            }
            if !lines.at_hand() {
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
        let text = written.unwrap_or_default();
        let checked = self.checked(text, types);
        let (canonical, warnings) = match checked.as_ref() {
            Ok((canonical, warnings)) => (Some(canonical), &**warnings),
            Err(_) => (None, [].as_slice()),
        };
        let strange = std::mem::take(&mut self.strange);
        let warned = !warnings.is_empty() || !strange.is_empty();
        if self.deny_warnings && warned {
            self.outcome = Outcome::BadInput;
        }
        if self.fix && self.fixed(&checked, types)? {
            return Ok(());
        }
        if canonical.is_none() {
            self.outcome = Outcome::BadInput;
        }
        match (self.format, &checked) {
            (Format::Json, checked) => {
                let errors = match checked {
                    Ok(_) => Vec::new(),
                    Err(error) => error.iter().collect(),
                };
                let warnings = strange.iter().map(Strange::diagnostic).chain(warnings).collect();
                let (valid, canonical) = (canonical.is_some(), canonical.map(|form| &**form));
                let (line, filter) = (None, written);
                self.out.json(&Report { line, filter, valid, canonical, errors, warnings })?;
            }
            (Format::Text, Ok((canonical, warnings))) => {
                match &**canonical {
                    "" => writeln!(self.out, "(no filter: matches every event)")?,
                    canonical => writeln!(self.out, "{}", plain(canonical))?,
                }
                let strange = strange.iter().map(Strange::finding);
                let warnings = report::of_filter(text, warnings, origin);
                let drawn = report::draw(strange.chain(warnings));
                write!(self.out, "{drawn}")?;
            }
            (Format::Text, Err(error)) => {
                let count = strange.len() + error.count();
                let strange = strange.iter().map(Strange::finding);
                let errors = report::of_filter(text, error, origin);
                let findings: Vec<_> = strange.chain(errors).collect();
                self.report(&report::draw_of(count, &findings))?;
            }
        }
        Ok(())
    }

    /// Prints what is wrong; with `--fix` on standard error, since standard output holds only filters.
    fn report(&mut self, text: &impl std::fmt::Display) -> Result<(), Failure> {
        match self.fix {
            // Nothing is left to do where it cannot be written.
            true => drop(write!(anstream::stderr(), "{text}")),
            false => write!(self.out, "{text}")?,
        }
        Ok(())
    }

    /// Prints the corrected or canonical filter, if there is one; whether it did.
    fn fixed(
        &mut self,
        checked: &Result<(String, Vec<Diagnostic>), Diagnostics>,
        types: Option<&[EventType]>,
    ) -> Result<bool, Failure> {
        let fixed = match checked {
            Ok((canonical, _)) => Some(&**canonical),
            Err(error) => error.suggestion(),
        };
        let Some(fixed) = fixed else { return Ok(false) };
        // The warnings of a filter as it was written are counted before.
        if self.deny_warnings
            && checked.is_err()
            && !self.checked(fixed, types).is_ok_and(|(_, warnings)| warnings.is_empty())
        {
            self.outcome = Outcome::BadInput;
        }
        writeln!(self.out, "{}", plain(fixed))?;
        Ok(true)
    }

    /// The canonical form, and what deserves a warning.
    fn checked(
        &self,
        text: &str,
        types: Option<&[EventType]>,
    ) -> Result<(String, Vec<Diagnostic>), Diagnostics> {
        let Some(rules) = &self.rules else {
            let expr = Expr::parse(text)?;
            return Ok((expr.to_string(), Vec::new()));
        };
        let filter = match types {
            Some(types) => rules.profile().filter_for(text, types),
            None => rules.profile().filter(text),
        }?;
        let lacks = |name: &str| rules.catalogue().lacks(types.unwrap_or_default(), name);
        Ok((filter.to_string(), filter.warnings(text, lacks)))
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
                let title = format!("line {number} holds no filter: {message}");
                let error = Diagnostic::error("input-line", title, LINE).with_span(Span::default());
                let (errors, warnings) = (vec![&error], Vec::new());
                let report = Report {
                    line: Some(number),
                    filter: None,
                    valid: false,
                    canonical: None,
                    errors,
                    warnings,
                };
                self.out.json(&report)?;
            }
        }
        Ok(())
    }
}

/// What is printed of a filter for programs.
#[derive(Serialize)]
struct Report<'t> {
    /// Of a line that holds no filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// None for null, and for a line that holds no filter.
    filter: Option<&'t str>,
    valid: bool,
    canonical: Option<&'t str>,
    errors: Vec<&'t Diagnostic>,
    warnings: Vec<&'t Diagnostic>,
}
