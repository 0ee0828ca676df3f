use super::items::{Items, Malformed};
use super::report;
use super::webhooks::{CatalogueArgument, finding, origin};
use super::{Failure, Format, MAX_FILE, Out, Outcome, readable};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::webhook::{Checked, Patch, Webhook, WebhookDocument};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Show what a patch makes of a webhook
///
/// Prints the webhook as a response of the API would, without anything secret, or everything that
/// is wrong.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A file with one webhook, as the API writes it
    #[arg(long, value_name = "FILE")]
    webhook: PathBuf,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Exit with 1 where there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// A file with a JSON Patch (RFC 6902); `-` for standard input
    #[arg(value_name = "PATCHFILE")]
    patch: PathBuf,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let rules = arguments.catalogue.rules()?;
    let Items { name, mut list, .. } = Items::read(&arguments.webhook)?;
    let (line, document) = match (list.pop(), list.len()) {
        (Some(item), 0) => (item.line, item.draft),
        (last, more) => {
            let found = more + usize::from(last.is_some());
            let message = format!("{name} holds {found} webhooks; a patch is for one");
            return Err(Failure::Usage(message));
        }
    };
    let mut print = Print { out, format: arguments.format };
    let mut document = match document {
        Ok(document) => document,
        Err(malformed) => return print.malformed(&name, line, &malformed),
    };
    // A draft has no id yet.
    let draft = !document.has("id");
    if draft {
        document.set("id", LENT);
    }
    let id = document.text("id").unwrap_or_default();
    let place = origin(&name, line, if draft { "" } else { id });
    let webhook = match Webhook::restore(&document, &rules) {
        Ok(webhook) => webhook,
        Err(problems) => return print.problems(|_| place.clone(), &document, &problems),
    };
    let (name, bytes) = super::read(&arguments.patch, MAX_FILE)?;
    let patch = match serde_json::from_slice::<Patch>(&bytes) {
        Ok(patch) => patch,
        Err(error) => {
            let malformed = Malformed::json("patch-syntax", &error, Some(0));
            return print.malformed(&name, error.line(), &malformed);
        }
    };
    // Who changes it when is the server's to say.
    match webhook.patched(&patch, &rules, webhook.updated().clone()) {
        Ok(Checked { webhook, warnings }) => {
            print.webhook(&webhook, draft, &warnings)?;
            // For programs they are on standard output.
            let drawn = if print.format == Format::Text { &*warnings } else { &[] };
            let found = drawn.iter().map(|warning| finding(warning, &document, PATCHED));
            print.out.flush()?;
            let _ = write!(anstream::stderr(), "{}", report::draw(found));
            let bad = arguments.deny_warnings && !warnings.is_empty();
            Ok(if bad { Outcome::BadInput } else { Outcome::Well })
        }
        Err(problems) => {
            // Pointers of other problems lead into the webhook, not into the patch.
            let place = |problem: &Diagnostic| match problem.code().starts_with("patch-") {
                true => name.clone(),
                false => PATCHED.to_owned(),
            };
            print.problems(place, &document, &problems)
        }
    }
}

/// The id of a draft, which has none yet, while it is patched.
const LENT: &str = "new";

/// Where pointers lead that do not lead into the patch.
const PATCHED: &str = "the patched webhook";

struct Print<'o> {
    out: &'o mut Out,
    format: Format,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Patched<'a> {
    #[serde(flatten)]
    webhook: &'a Webhook,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'a Diagnostic>,
}

/// What is printed for programs where there is no webhook to show.
#[derive(Serialize)]
pub(super) struct Refusal<'a> {
    /// Of text that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    pub(super) valid: bool,
    pub(super) errors: Vec<&'a Diagnostic>,
}

impl Print<'_> {
    /// A draft is shown without the id that it was lent. For programs, warnings are a member behind
    /// those of the webhook, if there are any.
    fn webhook(
        &mut self,
        webhook: &Webhook,
        draft: bool,
        warnings: &[Diagnostic],
    ) -> Result<(), Failure> {
        let (text, lent) = match self.format {
            Format::Json => {
                let warnings = warnings.iter().collect();
                let line = Patched { webhook, warnings };
                (serde_json::to_string(&line), format!(r#""id":"{LENT}","#))
            }
            Format::Text => {
                (serde_json::to_string_pretty(webhook), format!("  \"id\": \"{LENT}\",\n"))
            }
        };
        let text = text.map_err(std::io::Error::from)?;
        let text = if draft { text.replacen(&lent, "", 1) } else { text };
        writeln!(self.out, "{}", readable(&text))?;
        Ok(())
    }

    fn problems(
        &mut self,
        place: impl Fn(&Diagnostic) -> String,
        document: &WebhookDocument,
        problems: &Diagnostics,
    ) -> Result<Outcome, Failure> {
        match self.format {
            Format::Json => {
                let errors = problems.iter().collect();
                self.out.json(&Refusal { line: None, valid: false, errors })?;
            }
            Format::Text => {
                let found =
                    problems.iter().map(|problem| finding(problem, document, &place(problem)));
                write!(self.out, "{}", report::draw(found))?;
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
                self.out.json(&Refusal { line: Some(line), valid: false, errors })?;
            }
            Format::Text => {
                let origin = origin(name, line, "");
                let found = std::iter::once(malformed.finding(&origin));
                write!(self.out, "{}", report::draw(found))?;
            }
        }
        Ok(Outcome::BadInput)
    }
}
