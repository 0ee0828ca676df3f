//! The table that `match` prints: columns fit their content and, on a terminal, its width.
//!
//! Events are a stream, and each is printed as soon as it is read, so the widths are fixed before
//! the first row. They come from what is known by then: the webhooks and the first event. An event
//! that matches has the type and the tenant of some webhook, and event ids mostly have the same
//! length, so only rows without a match are ever wider than their columns.
//!
//! Rejected: widths that fit all events read so far. How many those are depends on how the input
//! arrives, and the same input must print the same output.
//!
//! # Example
//!
//! On a terminal of 74 characters:
//!
//! ```text
//! EVENT     TYPE                   TENANT           WEBHOOKS
//! e1        a                      tenant-1         -
//! 7d4f9c2…  …ects.di-tasks.failed  tenant-number-2  wh-1, webhook-2,
//!                                                   webhook-number-3
//! ```
//!
//! Into a file or a pipe, nothing is cut and nothing wrapped, so that each event is one line with
//! all of its webhooks.

use crate::cli::output::plain;
use hooksieve::event::Event;
use hooksieve::matcher::Subscription;
use std::io::{self, IsTerminal, Write};

/// The widths of the columns, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    event: usize,
    event_type: usize,
    /// `None` if all webhooks are of one tenant.
    tenant: Option<usize>,
    /// The width of the last column; `None` if the output is not a terminal.
    webhooks: Option<usize>,
}

/// The minimum width to which a column is cut.
const MIN: usize = 8;

/// The width reserved for the webhooks, if the terminal is wide enough.
const WEBHOOKS: usize = 24;

/// The number of blanks between columns.
const GAP: usize = 2;

/// Returns the width of standard output if it is a terminal.
pub(crate) fn terminal() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(usize::from(width))
}

impl Columns {
    /// Returns the widths for the first event; `tenants` adds a column for the tenant.
    pub(crate) fn new(first: &Event<'_>, tenants: bool) -> Self {
        // Leaves room for ids that are counted up.
        let event = length(first.id().unwrap_or(NO_ID)).max(MIN).next_multiple_of(4);
        let event_type = length(first.event_type()).max("TYPE".len());
        let tenant = tenants.then(|| length(first.tenant()).max("TENANT".len()));
        Self { event, event_type, tenant, webhooks: None }
    }

    /// Widens the columns to fit events that the webhook matches.
    pub(crate) fn widen(&mut self, webhook: &Subscription) {
        let types = webhook.event_types().iter().map(|name| length(name.as_str()));
        self.event_type = types.fold(self.event_type, usize::max);
        if let Some(width) = &mut self.tenant {
            *width = length(webhook.tenant().as_str()).max(*width);
        }
    }

    /// Cuts the widest columns until the webhooks have room on a terminal of this width.
    pub(crate) fn fit(&mut self, terminal: usize) {
        // The widest column loses one character at a time, so that all get narrower before one gets
        // useless.
        while self.begin() + WEBHOOKS > terminal {
            let all = [&mut self.event, &mut self.event_type];
            let widest = all.into_iter().chain(&mut self.tenant).max_by_key(|width| **width);
            match widest {
                Some(width) if *width > MIN => *width -= 1,
                _ => break,
            }
        }
        // On a very narrow terminal, lines get longer than it, so that the webhooks are still
        // readable.
        self.webhooks = Some(terminal.saturating_sub(self.begin()).max(MIN));
    }

    /// Returns the position of the last column.
    fn begin(&self) -> usize {
        let tenant = self.tenant.map_or(0, |tenant| tenant + GAP);
        self.event + GAP + self.event_type + GAP + tenant
    }

    pub(crate) fn head(&self, out: &mut Vec<u8>) {
        let bold = anstyle::Style::new().bold();
        let _ = write!(out, "{bold}");
        self.cells(out, ["EVENT", "TYPE", "TENANT"]);
        let _ = writeln!(out, "WEBHOOKS{bold:#}");
    }

    /// Prints a row: an event, and the names of the webhooks that match it.
    pub(crate) fn row<'n>(
        &self,
        out: &mut Vec<u8>,
        event: &Event<'_>,
        mut names: impl Iterator<Item = &'n [u8]>,
    ) {
        let id = plain(event.id().unwrap_or(NO_ID));
        self.cells(out, [&id, &plain(event.event_type()), &plain(event.tenant())]);
        // An event that no webhook matches has a row as well, or it would look as if it had not
        // been read.
        let Some(first) = names.next() else {
            out.extend_from_slice(b"-\n");
            return;
        };
        let Some(width) = self.webhooks else {
            out.extend_from_slice(first);
            for name in names {
                out.extend_from_slice(b", ");
                out.extend_from_slice(name);
            }
            out.push(b'\n');
            return;
        };
        self.wrapped(out, width, std::iter::once(first).chain(names));
    }

    /// Prints the cells before the last column.
    ///
    /// A cut cell keeps the part that identifies it: the end of a type, the beginning of an id.
    fn cells(&self, out: &mut Vec<u8>, [id, event_type, tenant]: [&str; 3]) {
        // Only on a terminal does the last column have a width, and only there is anything cut.
        let cut = self.webhooks.is_some();
        let mut cell = |text: &str, width: usize, end: bool| {
            let more = text.chars().count().saturating_sub(width);
            let gap = "";
            let _ = match (more, end) {
                // The names of event types differ at their ends, those of ids at their beginnings.
                (1.., true) if cut => {
                    let kept: String = text.chars().skip(more + 1).collect();
                    write!(out, "…{kept}{gap:GAP$}")
                }
                (1.., false) if cut => {
                    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
                    write!(out, "{kept}…{gap:GAP$}")
                }
                _ => write!(out, "{text:width$}{gap:GAP$}"),
            };
        };
        cell(id, self.event, false);
        cell(event_type, self.event_type, true);
        if let Some(width) = self.tenant {
            cell(tenant, width, false);
        }
    }

    /// Prints names in a column of this width, on as many lines as needed; cuts a name longer than
    /// a line.
    fn wrapped<'n>(&self, out: &mut Vec<u8>, width: usize, names: impl Iterator<Item = &'n [u8]>) {
        let mut names = names.map(String::from_utf8_lossy).peekable();
        let mut at = 0;
        while let Some(name) = names.next() {
            // The comma is on the line of the name before it, so the name has less room.
            let comma = if names.peek().is_some() { "," } else { "" };
            let room = width.saturating_sub(comma.len());
            let name = match name.chars().count() > room {
                true => {
                    let kept = name.chars().take(room.saturating_sub(1));
                    kept.chain(std::iter::once('…')).collect()
                }
                false => name,
            };
            let length = name.chars().count() + comma.len();
            if at > 0 && at + 1 + length > width {
                let _ = write!(out, "\n{:1$}", "", self.begin());
                at = 0;
            }
            if at > 0 {
                out.push(b' ');
                at += 1;
            }
            let _ = write!(out, "{name}{comma}");
            at += length;
        }
        out.push(b'\n');
    }
}

/// Returns the number of characters of a text as it is printed.
fn length(text: &str) -> usize {
    plain(text).chars().count()
}

/// The name of an event without an id.
const NO_ID: &str = "(no id)";

#[cfg(test)]
mod tests {
    use super::Columns;
    use hooksieve::event::Event;
    use hooksieve::filter::Profile;
    use hooksieve::matcher::Subscription;

    const LONG: &str = "com.qlik.v1.di-projects.di-tasks.failed";

    /// Returns the head and two rows, for a terminal of the given width or for another output.
    fn table(terminal: Option<usize>, names: &[&str]) -> String {
        let profile = Profile::webhook();
        let filter = || profile.filter("").unwrap();
        let webhooks = [
            Subscription::new("tenant-1", [LONG], filter()),
            Subscription::new("tenant-number-2", ["a"], filter()),
        ];
        let read = |bytes: &'static [u8]| profile.read_event(bytes).unwrap();
        let first = read(br#"{"id":"e1","type":"a","tenantid":"tenant-1"}"#);
        let second = read(
            br#"{"id":"7d4f9c2e-1c1b-4a57-9c1e-0a5b7a3b1c11","type":"com.qlik.v1.di-projects.di-tasks.failed","tenantid":"tenant-number-2"}"#,
        );
        let mut columns = Columns::new(&first, true);
        webhooks.iter().for_each(|webhook| columns.widen(webhook));
        terminal.into_iter().for_each(|width| columns.fit(width));
        let mut out = Vec::new();
        columns.head(&mut out);
        let row = |out: &mut Vec<u8>, event: &Event<'_>, names: &[&str]| {
            columns.row(out, event, names.iter().map(|name| name.as_bytes()));
        };
        row(&mut out, &first, &[]);
        row(&mut out, &second, names);
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn sizes_columns_by_the_webhooks_and_the_first_event() {
        let expected = "\
EVENT     TYPE                                     TENANT           WEBHOOKS
e1        a                                        tenant-1         -
7d4f9c2e-1c1b-4a57-9c1e-0a5b7a3b1c11  com.qlik.v1.di-projects.di-tasks.failed  tenant-number-2  wh-1, wh-2
";
        assert_eq!(table(None, &["wh-1", "wh-2"]), expected);
    }

    #[test]
    fn fits_a_terminal_by_cutting_cells_and_wrapping_names() {
        let expected = "\
EVENT     TYPE                   TENANT           WEBHOOKS
e1        a                      tenant-1         -
7d4f9c2…  …ects.di-tasks.failed  tenant-number-2  wh-1, webhook-2,
                                                  webhook-number-3
";
        assert_eq!(table(Some(74), &["wh-1", "webhook-2", "webhook-number-3"]), expected);
    }

    #[test]
    fn cuts_a_name_that_is_longer_than_the_column() {
        let names = ["w".repeat(600), "wh-2".to_owned(), "x".repeat(24)];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let printed = table(Some(74), &names);
        let long = format!("{}…,", "w".repeat(22));
        assert!(printed.contains(&long), "{printed}");
        assert!(printed.contains("wh-2,") && printed.contains(&"x".repeat(24)), "{printed}");
        for line in printed.lines() {
            assert!(line.chars().count() <= 74, "{line}");
        }
        assert!(table(None, &names).contains(names[0]), "cells are cut only on a terminal");
    }

    #[test]
    fn prints_no_line_wider_than_the_terminal() {
        let names: Vec<String> = (0..50).map(|number| format!("webhook-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for width in 60..200 {
            let printed = table(Some(width), &names);
            for line in printed.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            for name in &names {
                assert!(printed.contains(name), "every webhook is printed");
            }
        }
    }
}
