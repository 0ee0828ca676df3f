use super::Run;
use crate::cli::input::event_reader::EventReader;
use crate::cli::input::history::{EventOrigin, each_event, event_label};
use crate::cli::input::webhooks::{CatalogueArgument, UnknownName};
use crate::cli::output::report;
use crate::cli::output::why::{BAD, BOLD, DIM, GOOD};
use crate::cli::output::{Format, Out, counted, quoted};
use crate::cli::verbs::event_types::event_type;
use crate::cli::{Failure, Outcome};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::{Event, EventType};
use hooksieve::filter::Filter;
use hooksieve::filter::analysis::{Diff, Relation, Witness};
use hooksieve::registry::{Comparison, Effect};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Compare two filters over all possible events
///
/// Prints the relation of NEW to OLD. `gained` has attributes of an event that NEW matches and OLD
/// does not, `lost` the reverse. An empty filter matches every event.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The current filter
    #[arg(value_name = "OLD")]
    old: String,
    /// The new filter
    #[arg(value_name = "NEW")]
    new: String,
    /// The webhook's event types, separated by commas; enables the rules about them
    #[arg(long = "event-type", value_name = "TYPE", value_delimiter = ',', value_parser = event_type)]
    event_types: Vec<String>,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Also compare the filters over the events of this file; can be repeated
    ///
    /// With --event-type, only events of these types count.
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// The tenant of events without one
    #[arg(long, value_name = "ID", value_parser = crate::cli::input::tenant)]
    tenant: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// The maximum number of events that are listed per effect.
const MAX_LISTED: usize = 5;

impl Run for Arguments {
    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(self, out)
    }
}

fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    crate::cli::input::check_stdin_once_if_any(&arguments.events)?;
    let rules = arguments.catalogue.rules()?;
    let types: Vec<EventType> = arguments.event_types.iter().map(|t| (**t).into()).collect();
    let unknown = UnknownName::in_types(&rules, &types);
    let types = (!types.is_empty()).then_some(&*types);
    if arguments.format == Format::Text {
        write!(out, "{}", report::draw(unknown.iter().map(UnknownName::finding)))?;
    }
    let warnings: Vec<_> = unknown.iter().map(UnknownName::diagnostic).collect();
    let read = |text: &str| rules.filter(text, types);
    let (old, new) = match (read(&arguments.old), read(&arguments.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let errors = [&old, &new].map(|read| read.as_ref().err());
            print_errors(out, &arguments, errors, warnings)?;
            return Ok(Outcome::BadInput);
        }
    };
    let diff = old.diff(&new);
    let mut events = EventComparison::new(old, new, types);
    let reader = EventReader { profile: rules.profile(), tenant: arguments.tenant.as_deref() };
    let has_events = !arguments.events.is_empty();
    if has_events {
        events.bad = each_event(arguments.events, reader, |found| {
            match found {
                Ok((origin, event)) => events.add(origin, event),
                Err(bad_event) => bad_event.print(arguments.format, out)?,
            }
            Ok(())
        })?;
    }
    match arguments.format {
        Format::Json => {
            let events = has_events.then(|| events.effects());
            out.json(&Line { diff: &diff, events, warnings })?;
        }
        Format::Text => {
            text(out, &diff)?;
            if has_events {
                events.text(out)?;
            }
        }
    }
    Ok(if events.bad == 0 { Outcome::Ok } else { Outcome::BadInput })
}

/// Prints the errors of one filter or both.
fn print_errors<'e>(
    out: &mut Out,
    arguments: &Arguments,
    [old, new]: [Option<&'e Diagnostics>; 2],
    warnings: Vec<&'e Diagnostic>,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct InvalidFilters<'e> {
        valid: bool,
        old: Vec<&'e Diagnostic>,
        new: Vec<&'e Diagnostic>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<&'e Diagnostic>,
    }
    let entries = |errors: Option<&'e Diagnostics>| -> Vec<&'e Diagnostic> {
        errors.into_iter().flatten().collect()
    };
    if arguments.format == Format::Json {
        out.json(&InvalidFilters { valid: false, old: entries(old), new: entries(new), warnings })?;
        return Ok(());
    }
    for (error, written, name) in [(old, &arguments.old, "OLD"), (new, &arguments.new, "NEW")] {
        if let Some(error) = error {
            write!(out, "{}", report::draw(report::of_filter(written, error, Some(name))))?;
        }
    }
    Ok(())
}

/// The JSON output.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    diff: &'a Diff,
    /// `None` if no events were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Effects<'a>>,
    /// The warnings about the event types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'a Diagnostic>,
}

/// The counts, and the first events whose delivery changes.
#[derive(Serialize)]
struct Effects<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    /// The number of events with errors.
    bad: u64,
    #[serde(rename = "gainedEvents")]
    gained_events: &'a [ChangedEvent],
    #[serde(rename = "lostEvents")]
    lost_events: &'a [ChangedEvent],
}

/// An event whose delivery changes.
#[derive(Serialize)]
struct ChangedEvent {
    file: String,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    event: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(skip)]
    label: String,
}

/// Compares both filters over past events.
struct EventComparison {
    comparison: Comparison,
    /// Whether only events of some types are compared.
    of_types: bool,
    bad: u64,
    gained: Vec<ChangedEvent>,
    lost: Vec<ChangedEvent>,
}

impl EventComparison {
    fn new(old: Filter, new: Filter, types: Option<&[EventType]>) -> Self {
        let comparison = Comparison::new(old, new);
        let comparison = match types {
            Some(types) => comparison.with_event_types(types.iter().cloned()),
            None => comparison,
        };
        let (gained, lost) = (Vec::new(), Vec::new());
        Self { comparison, of_types: types.is_some(), bad: 0, gained, lost }
    }

    /// Compares the filters on an event.
    fn add(&mut self, origin: &EventOrigin<'_>, event: &Event<'_>) {
        let list = match self.comparison.event(event) {
            Effect::Gained => &mut self.gained,
            Effect::Lost => &mut self.lost,
            Effect::Kept | Effect::Neither | Effect::OtherType => return,
        };
        if list.len() < MAX_LISTED {
            list.push(ChangedEvent {
                file: origin.file.to_owned(),
                line: origin.line,
                item: origin.item,
                event: event.id().map(str::to_owned),
                event_type: event.event_type().to_owned(),
                label: event_label(origin, event),
            });
        }
    }

    fn effects(&self) -> Effects<'_> {
        let Self { comparison, bad, gained, lost, .. } = self;
        Effects { comparison, bad: *bad, gained_events: gained, lost_events: lost }
    }

    fn text(&self, out: &mut Out) -> io::Result<()> {
        let Comparison { kept, gained, lost, neither, other_types, .. } = self.comparison;
        let events = counted(kept + gained + lost + neither, "event", "events");
        let of_types = if self.of_types { " of these types" } else { "" };
        writeln!(
            out,
            "\n{events}{of_types}: {kept} kept, {gained} gained, {lost} lost, \
             {neither} matched by neither"
        )?;
        let others = counted(other_types, "event of another type", "events of other types");
        let errors = counted(self.bad, "event with errors", "events with errors");
        for (count, what) in [(other_types, others), (self.bad, errors)] {
            if count > 0 {
                writeln!(out, "  not counted: {what}")?;
            }
        }
        for (word, style, names, count) in
            [("gained", GOOD, &self.gained, gained), ("lost", BAD, &self.lost, lost)]
        {
            for ChangedEvent { label: name, .. } in names {
                writeln!(out, "  {style}{word:6}{style:#}  {name}")?;
            }
            let more = count - names.len() as u64;
            if more > 0 {
                writeln!(out, "          and {more} more")?;
            }
        }
        Ok(())
    }
}

fn text(out: &mut Out, diff: &Diff) -> io::Result<()> {
    let (word, meaning) = match diff.relation {
        Relation::Equivalent => ("equivalent", "both filters match the same events"),
        Relation::Narrower => {
            ("narrower", "the new filter matches only some of the old filter's events")
        }
        Relation::Wider => {
            ("wider", "the new filter matches all of the old filter's events, and more")
        }
        Relation::Overlapping => {
            ("overlapping", "each filter matches events that the other does not")
        }
        Relation::Disjoint => ("disjoint", "no event matches both filters"),
        _ => ("undecided", "the comparison reached its work limit"),
    };
    writeln!(out, "{BOLD}{word}{BOLD:#}: {meaning}")?;
    let known = diff.relation != Relation::Undecided;
    for (word, style, witness) in [("gained", GOOD, &diff.gained), ("lost", BAD, &diff.lost)] {
        match witness {
            Some(witness) => writeln!(out, "  {style}{word:6}{style:#}  {}", shown(witness))?,
            None if known => writeln!(out, "  {DIM}{word:6}  no events{DIM:#}")?,
            None => {}
        }
    }
    Ok(())
}

/// Formats the attributes of an example event.
fn shown(witness: &Witness) -> String {
    let value = |(name, value): (&str, &str)| format!("{name} {}", quoted(value));
    match witness.iter().map(value).collect::<Vec<_>>() {
        none if none.is_empty() => "e.g. an event without these attributes".to_owned(),
        values => format!("e.g. {}", values.join(", ")),
    }
}
