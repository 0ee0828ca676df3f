use super::items::{Item, Items, Malformed};
use super::report;
use super::webhooks::{CatalogueArgument, doubled_id, finding, labels, origin};
use super::{Failure, Format, Out, Outcome, STDIN_ARGUMENT, counted, plain};
use hooksieve::diagnostic::Diagnostic;
use hooksieve::webhook::{Report, WebhookDocument};
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;

/// Check webhooks: show what is wrong with each, and how to fix it
///
/// Takes drafts, as POST and PUT do, and responses of the API; the members of a response that the
/// server sets are listed in a note, which is not a warning.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Exit with 1 where there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Webhooks: an array, {"data": […]}, one a line, or one; standard input without it
    #[arg(value_name = "FILE", default_value = STDIN_ARGUMENT, hide_default_value = true)]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let rules = arguments.catalogue.rules()?;
    let items = Items::read(&arguments.file)?;
    let mut count = Count::default();
    let mut ids = HashSet::new();
    for (item, label) in items.list.iter().zip(labels(&items)) {
        let place = Place { file: &items.name, line: item.line, webhook: id(item, &label) };
        match &item.draft {
            Ok(draft) => {
                let report = rules.check(draft);
                let doubled = draft.text("id").filter(|id| !id.is_empty());
                let doubled = doubled.filter(|id| !ids.insert(*id)).map(doubled_id);
                let errors = report.error_count() + usize::from(doubled.is_some());
                count.add(errors, report.warnings().len());
                match arguments.format {
                    Format::Json => out.json(&Line::of(place, &report, doubled.as_ref()))?,
                    Format::Text => {
                        let called = [draft.text("id"), draft.text("name")];
                        let mut called = called.into_iter().flatten().filter(|c| !c.is_empty());
                        let called = called.next().unwrap_or(&label);
                        let origin = origin(&items.name, item.line, called);
                        text(out, &origin, draft, &report, doubled.as_ref())?;
                    }
                }
            }
            Err(malformed) => {
                count.add(1, 0);
                match arguments.format {
                    Format::Json => out.json(&Line::malformed(place, malformed))?,
                    Format::Text => {
                        let origin = origin(&items.name, item.line, "");
                        let found = std::iter::once(malformed.finding(&origin));
                        writeln!(out, "{}", report::draw(found))?;
                    }
                }
            }
        }
    }
    if arguments.format == Format::Text {
        writeln!(out, "{count}")?;
    }
    let bad = count.invalid > 0 || arguments.deny_warnings && count.warnings > 0;
    Ok(if bad { Outcome::BadInput } else { Outcome::Well })
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

fn text(
    out: &mut Out,
    origin: &str,
    draft: &WebhookDocument,
    report: &Report,
    doubled: Option<&Diagnostic>,
) -> io::Result<()> {
    let errors = report.errors().iter();
    let errors = errors.map(|error| finding(error, draft, origin));
    let valid = report.errors().is_empty() && doubled.is_none();
    let doubled = doubled.map(|error| finding(error, draft, origin));
    let errors: Vec<_> = doubled.into_iter().chain(errors).collect();
    let count = errors.len().max(report.error_count());
    write!(out, "{}", report::draw_of(count, &errors))?;
    let warnings = report.warnings().iter();
    let warnings = warnings.map(|warning| finding(warning, draft, origin));
    write!(out, "{}", report::draw(warnings))?;
    // A response has them by right: no warning, so that those that matter are seen.
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

/// Which webhook a line is about.
#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    /// Its id, or else its number, as `#1`.
    webhook: &'a str,
}

fn id<'a>(item: &'a Item, label: &'a str) -> &'a str {
    let id = item.draft.as_ref().ok().and_then(|draft| draft.text("id"));
    id.filter(|id| !id.is_empty()).unwrap_or(label)
}

/// What is printed of a draft for programs.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    valid: bool,
    errors: Vec<&'a Diagnostic>,
    warnings: Vec<&'a Diagnostic>,
    /// Those that a request may not set.
    #[serde(rename = "serverMembers", skip_serializing_if = "<[_]>::is_empty")]
    server_members: &'a [&'static str],
}

impl<'a> Line<'a> {
    fn of(place: Place<'a>, report: &'a Report, doubled: Option<&'a Diagnostic>) -> Self {
        let errors: Vec<_> = report.errors().iter().chain(doubled).collect();
        let warnings = report.warnings().iter().collect();
        let server_members = report.server_members();
        Self { place, valid: errors.is_empty(), errors, warnings, server_members }
    }

    fn malformed(place: Place<'a>, malformed: &'a Malformed) -> Self {
        let errors = vec![malformed.diagnostic()];
        Self { place, valid: false, errors, warnings: Vec::new(), server_members: &[] }
    }
}
