//! The verb `validate`: checks webhooks, and prints errors and warnings with suggestions.
//!
//! ```text
//! error[url-not-https]: `url` must use https, not `http`
//! --> webhooks.json:1: webhook `n`: /url
//!  = help: write `https://a.example.com/`
//! warning[member-unknown]: unknown member `fliter` is ignored
//! --> webhooks.json:1: webhook `n`: /fliter
//!  = help: did you mean `filter`?
//!
//! 0 valid, 1 invalid: 1 error, 1 warning
//! ```
//!
//! In JSON it prints one object per webhook, with `valid`, `errors` and `warnings`, and no summary.
//!
//! # Bodies and responses
//!
//! One check serves both: a response has all members of a body, and those that the server sets. The
//! latter are neither errors nor warnings, or each response would have some. They are listed in a
//! note, which is what a body of a request must not have.

use super::Run;
use crate::cli::input::STDIN_ARGUMENT;
use crate::cli::input::items::{Item, Items, Malformed};
use crate::cli::input::webhooks::{
    CatalogueArgument, duplicate_id, finding, labels, webhook_origin,
};
use crate::cli::output::report;
use crate::cli::output::{Format, Out, counted, plain};
use crate::cli::{Failure, Outcome};
use hooksieve::diagnostic::Diagnostic;
use hooksieve::webhook::{Report, WebhookDocument};
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

/// Check webhooks: print errors and warnings with suggestions
///
/// Reads request bodies of POST and PUT, and responses of the API. The members of a response that
/// the server sets are listed in a note, which does not count as a warning.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Exit with 1 if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// A file of webhooks: an array, {"data": […]}, one per line, or one [default: standard input]
    #[arg(value_name = "FILE", default_value = STDIN_ARGUMENT, hide_default_value = true)]
    file: PathBuf,
}

impl Run for Arguments {
    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(&self, out)
    }
}

fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let rules = arguments.catalogue.rules()?;
    let items = Items::read(&arguments.file)?;
    let mut count = Count::default();
    let mut ids = HashSet::new();
    for (item, label) in items.list.iter().zip(labels(&items)) {
        let origin = Origin { file: &items.name, line: item.line, webhook: id(item, &label) };
        match &item.document {
            Ok(document) => {
                let report = rules.check(document);
                // Bodies of POST have no id, so only ids that are there can be duplicates.
                let duplicate = document.text("id").filter(|id| !id.is_empty());
                let duplicate = duplicate.filter(|id| !ids.insert(*id)).map(duplicate_id);
                let errors = report.error_count() + usize::from(duplicate.is_some());
                count.add(errors, report.warnings().len());
                match arguments.format {
                    Format::Json => out.json(&Line::new(origin, &report, duplicate.as_ref()))?,
                    Format::Text => {
                        let names = [document.text("id"), document.text("name")];
                        // People know a webhook by its name, so that is shown if it has no id.
                        let mut names = names.into_iter().flatten().filter(|name| !name.is_empty());
                        let name = names.next().unwrap_or(&label);
                        let origin = webhook_origin(&items.name, item.line, name);
                        let (report, duplicate) = (&report, duplicate.as_ref());
                        text(out, &origin, &Validated { document, report, duplicate })?;
                    }
                }
            }
            Err(malformed) => {
                count.add(1, 0);
                match arguments.format {
                    Format::Json => out.json(&Line::malformed(origin, malformed))?,
                    Format::Text => {
                        let origin = webhook_origin(&items.name, item.line, "");
                        let found = std::iter::once(malformed.finding(&origin));
                        writeln!(out, "{}", report::draw(found))?;
                    }
                }
            }
        }
    }
    // In JSON each line is a webhook. A program counts them itself, by `valid`.
    if arguments.format == Format::Text {
        writeln!(out, "{count}")?;
    }
    let bad = count.invalid > 0 || arguments.deny_warnings && count.warnings > 0;
    Ok(if bad { Outcome::BadInput } else { Outcome::Ok })
}

#[derive(Default)]
struct Count {
    valid: usize,
    invalid: usize,
    errors: u64,
    warnings: u64,
}

impl Count {
    fn add(&mut self, errors: usize, warnings: usize) {
        self.errors += errors as u64;
        self.warnings += warnings as u64;
        // Warnings leave a webhook valid; `--deny-warnings` changes the exit code only.
        *if errors == 0 { &mut self.valid } else { &mut self.invalid } += 1;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { valid, invalid, errors, warnings } = self;
        let errors = counted(*errors, "error", "errors");
        let warnings = counted(*warnings, "warning", "warnings");
        write!(f, "{valid} valid, {invalid} invalid: {errors}, {warnings}")
    }
}

/// A document, and what was found in it.
struct Validated<'a> {
    document: &'a WebhookDocument,
    report: &'a Report,
    /// The error for an id that another webhook has.
    duplicate: Option<&'a Diagnostic>,
}

fn text(out: &mut Out, origin: &str, validated: &Validated<'_>) -> io::Result<()> {
    let Validated { document, report, duplicate } = *validated;
    let errors = report.errors().iter();
    let errors = errors.map(|error| finding(error, document, origin));
    let valid = report.errors().is_empty() && duplicate.is_none();
    let duplicate = duplicate.map(|error| finding(error, document, origin));
    let errors: Vec<_> = duplicate.into_iter().chain(errors).collect();
    // The report counts errors that it does not list.
    let count = errors.len().max(report.error_count());
    write!(out, "{}", report::draw_of(count, &errors))?;
    let warnings = report.warnings().iter();
    let warnings = warnings.map(|warning| finding(warning, document, origin));
    write!(out, "{}", report::draw(warnings))?;
    // A response always has them, so a note and not a warning: warnings that matter stay visible.
    if !report.server_members().is_empty() {
        let members = report.server_members().join(", ");
        let note = "set by the server, ignored in a request";
        writeln!(out, "{}: note: {note}: {members}", plain(origin))?;
    }
    if valid {
        writeln!(out, "{}: valid", plain(origin))?;
    }
    writeln!(out)
}

/// The webhook that a line of output is about.
#[derive(Serialize)]
struct Origin<'a> {
    file: &'a str,
    line: usize,
    /// Its id, or its number as `#1` if it has none.
    webhook: &'a str,
}

fn id<'a>(item: &'a Item, label: &'a str) -> &'a str {
    let id = item.document.as_ref().ok().and_then(|document| document.text("id"));
    id.filter(|id| !id.is_empty()).unwrap_or(label)
}

/// The JSON output for a webhook.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    origin: Origin<'a>,
    valid: bool,
    errors: Vec<&'a Diagnostic>,
    warnings: Vec<&'a Diagnostic>,
    /// The members that a request may not set.
    #[serde(rename = "serverMembers", skip_serializing_if = "<[_]>::is_empty")]
    server_members: &'a [&'static str],
}

impl<'a> Line<'a> {
    fn new(origin: Origin<'a>, report: &'a Report, duplicate: Option<&'a Diagnostic>) -> Self {
        let errors: Vec<_> = report.errors().iter().chain(duplicate).collect();
        let warnings = report.warnings().iter().collect();
        let server_members = report.server_members();
        Self { origin, valid: errors.is_empty(), errors, warnings, server_members }
    }

    fn malformed(origin: Origin<'a>, malformed: &'a Malformed) -> Self {
        let errors = vec![malformed.diagnostic()];
        Self { origin, valid: false, errors, warnings: Vec::new(), server_members: &[] }
    }
}
