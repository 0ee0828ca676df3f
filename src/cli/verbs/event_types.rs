//! The verb `event-types`: the catalogue, as a table or as the JSON that `--catalogue` reads.
//!
//! ```text
//! EVENT TYPE                TITLE         LEVELS        NEWER NAME
//! com.qlik.v1.app.created   App created   user, tenant  com…
//! ```
//!
//! With `--catalogue`, it shows what a file of another server means, so a catalogue can be checked
//! before a server uses it.

use super::Run;
use crate::cli::input::webhooks::CatalogueArgument;
use crate::cli::output::{Format, Out, plain};
use crate::cli::{Failure, Outcome};
use hooksieve::webhook::Level;
use std::convert::Infallible;
use std::io::Write;

/// Parses an event type from a comma-separated list on the command line, which may have blanks.
pub(crate) fn event_type(text: &str) -> Result<String, Infallible> {
    Ok(text.trim().to_owned())
}

/// List the event types that webhooks may subscribe to
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Output format; --catalogue reads the `json` form
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

impl Run for Arguments {
    const NEEDS_OUTPUT: bool = true;

    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(&self, out)
    }
}

fn run(arguments: &Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    let catalogue = arguments.catalogue.read()?;
    // As a whole, since this form is what `--catalogue` of the other verbs reads.
    if arguments.format == Format::Json {
        out.json(&catalogue)?;
        return Ok(Outcome::Ok);
    }
    let rows: Vec<[String; 4]> = catalogue
        .types()
        .iter()
        .map(|known| {
            let levels: Vec<_> = known.levels().iter().copied().map(Level::as_str).collect();
            // Most types were never renamed.
            let newer = known.newer_name().unwrap_or("");
            [plain(known.name()), plain(known.title()), levels.join(", "), plain(newer)]
        })
        .collect();
    let head = ["EVENT TYPE", "TITLE", "LEVELS", "NEWER NAME"].map(str::to_owned);
    let bold = anstyle::Style::new().bold();
    let width = |column: fn(&[String; 4]) -> &String| {
        rows.iter().chain([&head]).map(|row| column(row).chars().count()).fold(0, usize::max)
    };
    // The last column needs no width, since nothing follows it.
    let widths = [width(|row| &row[0]), width(|row| &row[1]), width(|row| &row[2])];
    for (at, [name, title, levels, newer]) in std::iter::once(&head).chain(&rows).enumerate() {
        let [a, b, c] = widths;
        let line = format!("{name:a$}  {title:b$}  {levels:c$}  {newer}");
        // A type without a newer name would leave blanks at the end of its line.
        let line = line.trim_end();
        match at {
            0 => writeln!(out, "{bold}{line}{bold:#}")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(Outcome::Ok)
}
