use super::report::{self, Finding, Grade};
use super::validate::Entry;
use super::webhooks::{CatalogueArgument, Items, Malformed, finding, origin};
use super::{Failure, Format, Out, Outcome};
use hooksieve::webhook::{Draft, Patch, Problem, Problems, Webhook};
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
        Err(malformed) => return print.malformed(&origin(&name, line, ""), &malformed),
    };
    // A draft has no id yet.
    let draft = !document.has("id");
    if draft {
        document.set("id", "new");
    }
    let id = document.text("id").unwrap_or_default();
    let place = origin(&name, line, if draft { "" } else { id });
    let webhook = match Webhook::read(&document, &rules) {
        Ok(webhook) => webhook,
        Err(problems) => return print.problems(|_| place.clone(), &document, &problems),
    };
    let (name, bytes) = super::read(&arguments.patch)?;
    let patch = match serde_json::from_slice::<Patch>(&bytes) {
        Ok(patch) => patch,
        Err(error) => {
            let message = super::webhooks::without_place(&error);
            let malformed = Malformed { code: "patch-syntax", message };
            return print.malformed(&origin(&name, error.line(), ""), &malformed);
        }
    };
    // Who changes it when is the server's to say.
    match webhook.patched(&patch, &rules, webhook.updated().clone()) {
        Ok(patched) => {
            if draft {
                let mut shown = serde_json::to_value(&patched).map_err(std::io::Error::from)?;
                shown.as_object_mut().map(|members| members.remove("id"));
                print.webhook(&shown)?;
            } else {
                print.webhook(&patched)?;
            }
            Ok(Outcome::Well)
        }
        Err(problems) => {
            // Pointers of other problems lead into the webhook, not into the patch.
            let place = |problem: &Problem| match problem.code().starts_with("patch-") {
                true => name.clone(),
                false => "the patched webhook".to_owned(),
            };
            print.problems(place, &document, &problems)
        }
    }
}

struct Print<'o> {
    out: &'o mut Out,
    format: Format,
}

/// What is printed for programs where there is no webhook to show.
#[derive(Serialize)]
struct Refusal<'a> {
    valid: bool,
    errors: Vec<Entry<'a>>,
}

impl Print<'_> {
    fn webhook(&mut self, webhook: &impl Serialize) -> Result<(), Failure> {
        if self.format == Format::Text {
            serde_json::to_writer_pretty(&mut *self.out, webhook).map_err(std::io::Error::from)?;
            writeln!(self.out)?;
        } else {
            self.out.json(webhook)?;
        }
        Ok(())
    }

    fn problems(
        &mut self,
        place: impl Fn(&Problem) -> String,
        document: &Draft,
        problems: &Problems,
    ) -> Result<Outcome, Failure> {
        match self.format {
            Format::Json => {
                let errors = problems.iter().map(Entry::of).collect();
                self.out.json(&Refusal { valid: false, errors })?;
            }
            Format::Text => {
                let found = problems
                    .iter()
                    .map(|problem| finding(problem, document, &place(problem), Grade::Error));
                write!(self.out, "{}", report::draw(found))?;
            }
        }
        Ok(Outcome::BadInput)
    }

    fn malformed(&mut self, origin: &str, malformed: &Malformed) -> Result<Outcome, Failure> {
        match self.format {
            Format::Json => {
                let errors = vec![Entry::malformed(malformed)];
                self.out.json(&Refusal { valid: false, errors })?;
            }
            Format::Text => {
                let found = Finding::malformed(malformed.code, &malformed.message, origin);
                write!(self.out, "{}", report::draw(std::iter::once(found)))?;
            }
        }
        Ok(Outcome::BadInput)
    }
}
