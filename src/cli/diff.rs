use super::event_types::event_type;
use super::history::{Place, called, each_event};
use super::reading::Reader;
use super::report;
use super::webhooks::{CatalogueArgument, Strange};
use super::why::{BOLD, DIM, GOOD, POOR};
use super::{Failure, Format, Out, Outcome, counted, quoted};
use hooksieve::diagnostic::{Diagnostic, Diagnostics};
use hooksieve::event::{Event, EventType};
use hooksieve::filter::Filter;
use hooksieve::filter::analysis::{Diff, Relation, Witness};
use hooksieve::registry::{Comparison, Effect};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Say what a change of filter changes, over all events that could be
///
/// The relation is that of NEW to OLD; `gained` are attributes that NEW matches and OLD does not,
/// `lost` the other way round. An empty filter matches everything.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The filter as it is
    #[arg(value_name = "OLD")]
    old: String,
    /// The filter as it is to be
    #[arg(value_name = "NEW")]
    new: String,
    /// The webhook's event types, for the rules about them; not applied where none is given
    #[arg(long = "event-type", value_name = "TYPE", value_delimiter = ',', value_parser = event_type)]
    event_types: Vec<String>,
    #[command(flatten)]
    catalogue: CatalogueArgument,
    /// Compare them over the events of a file, too; may be given more than once
    ///
    /// With --event-type over those of these types.
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// The tenant of events that name none
    #[arg(long, value_name = "ID", value_parser = super::tenant)]
    tenant: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// How many events are named.
const NAMED: usize = 5;

pub(super) fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    super::once_on_stdin_of(&arguments.events)?;
    let rules = arguments.catalogue.rules()?;
    let profile = rules.profile();
    let types: Vec<EventType> = arguments.event_types.iter().map(|t| (**t).into()).collect();
    let types = (!types.is_empty()).then_some(&*types);
    let strange = Strange::types(&rules, types.unwrap_or_default());
    if arguments.format == Format::Text {
        write!(out, "{}", report::draw(strange.iter().map(Strange::finding)))?;
    }
    let warnings: Vec<_> = strange.iter().map(Strange::diagnostic).collect();
    let read = |text: &str| match types {
        Some(types) => profile.filter_for(text, types),
        None => profile.filter(text),
    };
    let (old, new) = match (read(&arguments.old), read(&arguments.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            refuse(out, &arguments, old.err().as_ref(), new.err().as_ref(), warnings)?;
            return Ok(Outcome::BadInput);
        }
    };
    let diff = old.diff(&new);
    let mut over = Over::new(old, new, types);
    let reader = Reader { profile, tenant: arguments.tenant.as_deref() };
    let asked = !arguments.events.is_empty();
    over.bad = match asked {
        true => each_event(arguments.events, reader, |found| {
            match found {
                Ok((place, event)) => over.take(place, event),
                Err(refusal) => refusal.print(arguments.format, out)?,
            }
            Ok(())
        })?,
        false => 0,
    };
    match arguments.format {
        Format::Json => {
            let events = asked.then(|| over.effects());
            out.json(&Line { diff: &diff, events, warnings })?;
        }
        Format::Text => {
            text(out, &diff)?;
            if asked {
                over.text(out)?;
            }
        }
    }
    Ok(if over.bad == 0 { Outcome::Well } else { Outcome::BadInput })
}

/// What is wrong with one filter or both.
fn refuse<'e>(
    out: &mut Out,
    arguments: &Arguments,
    old: Option<&'e Diagnostics>,
    new: Option<&'e Diagnostics>,
    warnings: Vec<&'e Diagnostic>,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Refusal<'e> {
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
        out.json(&Refusal { valid: false, old: entries(old), new: entries(new), warnings })?;
        return Ok(());
    }
    for (error, written, name) in [(old, &arguments.old, "OLD"), (new, &arguments.new, "NEW")] {
        if let Some(error) = error {
            write!(out, "{}", report::draw(report::of_filter(written, error, Some(name))))?;
        }
    }
    Ok(())
}

/// What is printed for programs.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    diff: &'a Diff,
    /// None where no events were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Effects<'a>>,
    /// Of the event types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'a Diagnostic>,
}

#[derive(Serialize)]
struct Counts {
    kept: u64,
    gained: u64,
    lost: u64,
    neither: u64,
    /// Of types that the webhook does not name, and compared with nothing.
    #[serde(rename = "otherTypes")]
    other_types: u64,
    /// Not events.
    bad: u64,
}

/// Counts, and the first events whose deliveries change.
#[derive(Serialize)]
struct Effects<'a> {
    #[serde(flatten)]
    counts: Counts,
    #[serde(rename = "gainedEvents")]
    gained_events: &'a [Named],
    #[serde(rename = "lostEvents")]
    lost_events: &'a [Named],
}

/// An event whose delivery changes.
#[derive(Serialize)]
struct Named {
    file: String,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    event: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    #[serde(skip)]
    called: String,
}

/// Both filters over events that have been.
struct Over<'t> {
    comparison: Comparison,
    /// The types of the events that count; none for all.
    types: Option<&'t [EventType]>,
    other_types: u64,
    bad: u64,
    gained: Vec<Named>,
    lost: Vec<Named>,
}

impl<'t> Over<'t> {
    fn new(old: Filter, new: Filter, types: Option<&'t [EventType]>) -> Self {
        let comparison = Comparison::new(old, new);
        let (gained, lost) = (Vec::new(), Vec::new());
        Self { comparison, types, other_types: 0, bad: 0, gained, lost }
    }

    fn take(&mut self, place: &Place<'_>, event: &Event<'_>) {
        let counts = |known: &EventType| known.as_str() == event.event_type();
        if self.types.is_some_and(|types| !types.iter().any(counts)) {
            self.other_types += 1;
            return;
        }
        let named = match self.comparison.event(event) {
            Effect::Gained => &mut self.gained,
            Effect::Lost => &mut self.lost,
            Effect::Kept | Effect::Neither => return,
        };
        if named.len() < NAMED {
            named.push(Named {
                file: place.file.to_owned(),
                line: place.line,
                item: place.item,
                event: event.id().map(str::to_owned),
                event_type: event.event_type().to_owned(),
                called: called(place, event),
            });
        }
    }

    fn counts(&self) -> Counts {
        let Comparison { kept, gained, lost, neither, .. } = self.comparison;
        let Self { other_types, bad, .. } = *self;
        Counts { kept, gained, lost, neither, other_types, bad }
    }

    fn effects(&self) -> Effects<'_> {
        let counts = self.counts();
        Effects { counts, gained_events: &self.gained, lost_events: &self.lost }
    }

    fn text(&self, out: &mut Out) -> io::Result<()> {
        let Counts { kept, gained, lost, neither, other_types, bad } = self.counts();
        let events = counted(kept + gained + lost + neither, "event", "events");
        let of_types = if self.types.is_some() { " of these types" } else { "" };
        writeln!(
            out,
            "\nof {events}{of_types}: {kept} kept, {gained} gained, {lost} lost, {neither} neither"
        )?;
        let others = counted(other_types, "event of another type", "events of other types");
        for (count, what) in [(other_types, others), (bad, counted(bad, "bad event", "bad events"))]
        {
            if count > 0 {
                writeln!(out, "  not counted: {what}")?;
            }
        }
        for (word, style, names, count) in
            [("gained", GOOD, &self.gained, gained), ("lost", POOR, &self.lost, lost)]
        {
            for Named { called: name, .. } in names {
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
    let (word, says) = match diff.relation {
        Relation::Equivalent => ("equivalent", "both match the same events"),
        Relation::Narrower => ("narrower", "the new filter matches less, and nothing else"),
        Relation::Wider => ("wider", "the new filter matches all that the old one does, and more"),
        Relation::Overlapping => ("overlapping", "each matches something that the other does not"),
        Relation::Disjoint => ("disjoint", "they match no event in common"),
        _ => ("undecided", "the filters are too involved to be compared in the time given"),
    };
    writeln!(out, "{BOLD}{word}{BOLD:#}: {says}")?;
    let known = diff.relation != Relation::Undecided;
    for (word, style, witness) in [("gained", GOOD, &diff.gained), ("lost", POOR, &diff.lost)] {
        match witness {
            Some(witness) => writeln!(out, "  {style}{word:6}{style:#}  {}", shown(witness))?,
            None if known => writeln!(out, "  {DIM}{word:6}  nothing{DIM:#}")?,
            None => {}
        }
    }
    Ok(())
}

/// An example of attributes.
fn shown(witness: &Witness) -> String {
    let value = |(name, value): (&str, &str)| format!("{name} {}", quoted(value));
    match witness.iter().map(value).collect::<Vec<_>>() {
        none if none.is_empty() => "an event without these attributes, for one".to_owned(),
        values => format!("{}, for one", values.join(", ")),
    }
}
