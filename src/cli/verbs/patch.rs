//! The verb `patch`: applies a JSON Patch to a webhook, as the server would.
//!
//! ```text
//! hooksieve patch --webhook webhook.json patch.json
//!
//! error[member-too-short]: `name` is empty
//! --> the patched webhook: /name
//!  = help: give it 1 to 512 characters
//! ```
//!
//! An error is either in the patch, and then its pointer is into the patch, or in the webhook that
//! the patch leads to. The origin before the pointer shows which: the file of the patch, or "the
//! patched webhook".
//!
//! # A webhook without an id
//!
//! The file may be the body of a POST that was not sent yet. A webhook needs an id, so it gets a
//! [placeholder](PLACEHOLDER_ID) while it is patched, which is removed from the output.

use super::Run;
use crate::cli::input::MAX_FILE;
use crate::cli::input::items::{Item, Items, Malformed};
use crate::cli::input::webhooks::{CatalogueArgument, finding, webhook_origin};
use crate::cli::output::report;
use crate::cli::output::{Format, Out, readable};
use crate::cli::{Failure, Outcome};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::webhook::{Checked, Patch, Webhook, WebhookDocument};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Apply a JSON Patch to a webhook, and print the result
///
/// Prints the webhook as in a response of the API, without secrets. If the patch or its result is
/// invalid, prints every error instead.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A file with one webhook, as in responses of the API
    #[arg(long, value_name = "FILE")]
    webhook: PathBuf,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Exit with 1 if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// A file with a JSON Patch (RFC 6902); `-` for standard input
    #[arg(value_name = "PATCHFILE")]
    patch: PathBuf,
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
    let (name, Item { line, document }) = one_item(Items::read(&arguments.webhook)?)?;
    let mut print = Print { out, format: arguments.format };
    let mut document = match document {
        Ok(document) => document,
        Err(malformed) => return print.malformed(&name, line, &malformed),
    };
    // A webhook that was not created yet has no id, but `Webhook::restore` needs one.
    let is_new = !document.has("id");
    if is_new {
        document.set("id", PLACEHOLDER_ID);
    }
    // An id that is not a string is an error that `restore` reports.
    let id = document.text("id").filter(|_| !is_new).unwrap_or("");
    let origin = webhook_origin(&name, line, id);
    let webhook = match Webhook::restore(&document, &rules) {
        Ok(webhook) => webhook,
        Err(problems) => return print.problems(|_| origin.clone(), &document, &problems),
    };
    let (name, bytes) = crate::cli::input::read(&arguments.patch, MAX_FILE)?;
    let patch = match serde_json::from_slice::<Patch>(&bytes) {
        Ok(patch) => patch,
        Err(error) => {
            let malformed = Malformed::json("patch-syntax", &bytes, &error, Some(0));
            return print.malformed(&name, error.line(), &malformed);
        }
    };
    // The server decides who makes the change and when, so the update stamp stays.
    match webhook.patched(&patch, &rules, webhook.updated().clone()) {
        Ok(checked) => print.patched(&checked, is_new, &document, arguments.deny_warnings),
        Err(problems) => {
            // The pointers of other problems refer to the webhook, not to the patch.
            let origin = |problem: &Diagnostic| match problem.code().starts_with("patch-") {
                true => name.clone(),
                false => PATCHED.to_owned(),
            };
            print.problems(origin, &document, &problems)
        }
    }
}

/// Returns the only item of a file, with the file's name.
fn one_item(items: Items) -> Result<(String, Item), Failure> {
    let Items { name, list, .. } = items;
    // A page of the API's listing has several webhooks, and a patch does not say which one it is
    // for.
    let count = list.len();
    match <[Item; 1]>::try_from(list) {
        Ok([item]) => Ok((name, item)),
        Err(_) => {
            let message = format!("{name} has {count} webhooks; a patch applies to exactly one");
            Err(Failure::Usage(message))
        }
    }
}

/// The id of a webhook without one, while it is patched.
const PLACEHOLDER_ID: &str = "new";

/// The origin of problems in the patched webhook.
const PATCHED: &str = "the patched webhook";

struct Print<'o> {
    out: &'o mut Out,
    format: Format,
}

/// The JSON output for a patched webhook.
#[derive(Serialize)]
struct Patched<'a> {
    #[serde(flatten)]
    webhook: &'a Webhook,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'a Diagnostic>,
}

/// The JSON output for an invalid webhook or patch.
#[derive(Serialize)]
pub(crate) struct InvalidInput<'a> {
    /// The line of text that is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    pub(crate) valid: bool,
    pub(crate) errors: Vec<&'a Diagnostic>,
}

impl Print<'_> {
    /// Prints a patched webhook and its warnings; `document` is the webhook before.
    fn patched(
        &mut self,
        Checked { webhook, warnings }: &Checked,
        is_new: bool,
        document: &WebhookDocument,
        deny_warnings: bool,
    ) -> Result<Outcome, Failure> {
        self.webhook(webhook, is_new, warnings)?;
        // JSON has the warnings on standard output.
        let drawn = if self.format == Format::Text { &**warnings } else { &[] };
        let findings = drawn.iter().map(|warning| finding(warning, document, PATCHED));
        // The webhook is printed before its warnings, also if both streams are the same terminal.
        self.out.flush()?;
        let _ = write!(anstream::stderr(), "{}", report::draw(findings));
        let bad = deny_warnings && !warnings.is_empty();
        Ok(if bad { Outcome::BadInput } else { Outcome::Ok })
    }

    /// Prints a webhook, without the placeholder id if it is new.
    ///
    /// In JSON, warnings are a member after those of the webhook.
    fn webhook(
        &mut self,
        webhook: &Webhook,
        is_new: bool,
        warnings: &[Diagnostic],
    ) -> Result<(), Failure> {
        let (text, placeholder) = match self.format {
            Format::Json => {
                let warnings = warnings.iter().collect();
                let line = Patched { webhook, warnings };
                (serde_json::to_string(&line), format!(r#""id":"{PLACEHOLDER_ID}","#))
            }
            Format::Text => (
                serde_json::to_string_pretty(webhook),
                format!("  \"id\": \"{PLACEHOLDER_ID}\",\n"),
            ),
        };
        let text = text.map_err(std::io::Error::from)?;
        // The id is the first member, so the first occurrence is the placeholder, even if the name
        // has such a text.
        let text = if is_new { text.replacen(&placeholder, "", 1) } else { text };
        writeln!(self.out, "{}", readable(&text))?;
        Ok(())
    }

    fn problems(
        &mut self,
        origin: impl Fn(&Diagnostic) -> String,
        document: &WebhookDocument,
        problems: &Diagnostics,
    ) -> Result<Outcome, Failure> {
        match self.format {
            Format::Json => {
                let errors = problems.iter().collect();
                self.out.json(&InvalidInput { line: None, valid: false, errors })?;
            }
            Format::Text => {
                let findings =
                    problems.iter().map(|problem| finding(problem, document, &origin(problem)));
                write!(self.out, "{}", report::draw(findings))?;
            }
        }
        Ok(Outcome::BadInput)
    }

    fn malformed(
        &mut self,
        name: &str,
        line: usize,
        malformed: &Malformed,
    ) -> Result<Outcome, Failure> {
        match self.format {
            Format::Json => {
                let errors = vec![malformed.diagnostic()];
                self.out.json(&InvalidInput { line: Some(line), valid: false, errors })?;
            }
            Format::Text => {
                let origin = webhook_origin(name, line, "");
                let finding = malformed.finding(&origin);
                write!(self.out, "{}", report::draw(std::iter::once(finding)))?;
            }
        }
        Ok(Outcome::BadInput)
    }
}
