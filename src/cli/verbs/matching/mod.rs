//! The verb `match`: which webhooks match each event of a stream.
//!
//! ```text
//! EVENT     TYPE                             WEBHOOKS
//! e1        com.qlik.v1.app.reload.finished  wh-1, wh-2
//! e2        com.qlik.v1.app.reload.finished  wh-2
//! e3        com.qlik.v1.app.created          -
//! e.ndjson:4: error[event-missing-type]: event has no type; …
//! 4 events (1 with errors), 3 matches
//! ```
//!
//! # The parts
//!
//! ```text
//! Batches ──▶ BatchMatcher ──▶ Chunks ──▶ Matching::print          one thread
//!
//! Batches ──▶ Threads ─┬─▶ BatchMatcher ──▶ Chunks ─┬─▶ Matching::print
//!                      └─▶ BatchMatcher ──▶ Chunks ─┘   in input order
//! ```
//!
//! The main thread matches the first batches itself. A short input never starts a thread, and the
//! index, which is built at the first event, exists before it is shared. After that, the main
//! thread only prints.
//!
//! # Invariant
//!
//! The output is the same for any number of threads: rows are printed in input order, each message
//! at its place among them, and no row depends on the size of a batch.

mod batch_matcher;
mod threads;

use crate::cli::input::AccessArgument;
use crate::cli::input::batches::Batches;
use crate::cli::input::webhooks::{Webhooks, WebhooksArguments};
use crate::cli::output::progress::Progress;
use crate::cli::output::{Format, Out, counted};
use crate::cli::verbs::Run;
use crate::cli::verbs::matching::batch_matcher::{BatchMatcher, Chunk, End};
use crate::cli::verbs::matching::threads::Threads;
use crate::cli::{Failure, Outcome};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

/// Show which webhooks match each event
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// Number of threads [default: the number of processors]
    ///
    /// The output is the same for any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Continue without the webhooks that are invalid
    #[arg(long)]
    skip_invalid: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// Files of events: one per line, an array, objects, or pages of past events [default: standard
    /// input]
    #[arg(value_name = "EVENTS")]
    events: Vec<PathBuf>,
}

impl Run for Arguments {
    fn format(&self) -> Format {
        self.format
    }

    fn run(self, out: &mut Out) -> Result<Outcome, Failure> {
        run(self, out)
    }
}

fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    crate::cli::input::check_stdin_once(&arguments.events, [&arguments.webhooks.webhooks])?;
    let webhooks = Webhooks::read(&arguments.webhooks)?;
    let bad = webhooks.bad > 0;
    // Matching without some of the webhooks would show fewer matches than the file has, so it must
    // be asked for.
    if webhooks.broken || bad && !arguments.skip_invalid {
        if !webhooks.broken {
            let invalid = webhooks.invalid_count();
            let _ =
                writeln!(io::stderr(), "{invalid}; use --skip-invalid to continue without them");
        }
        return Ok(Outcome::BadInput);
    }
    let progress = Progress::new(&arguments.events);
    let tenant = arguments.webhooks.tenant;
    let matcher = BatchMatcher::new(webhooks, arguments.access, arguments.format, tenant);
    let mut run = Matching { out, progress, events: 0, matches: 0, bad: 0, skipped: bad };
    // The number of processors may be unknown, as in some containers. One thread is always right.
    let threads = arguments
        .threads
        .map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    run.match_all(Batches::new(arguments.events), matcher, threads)?;
    run.finish()
}

/// The number of batches that are matched on the main thread; short input starts no threads.
const BEFORE_THREADS: usize = 2;

/// The output of a run, and its counts.
struct Matching<'a> {
    out: &'a mut Out,
    progress: Progress,
    events: u64,
    matches: u64,
    /// The number of events with errors, those of another tenant included.
    bad: u64,
    /// Whether invalid webhooks were skipped.
    skipped: bool,
}

impl Matching<'_> {
    fn match_all(
        &mut self,
        mut batches: Batches,
        mut matcher: BatchMatcher,
        threads: usize,
    ) -> Result<(), Failure> {
        let mut batch_count = 0;
        while let Some(batch) = batches.next(usize::MAX) {
            let mut end = None;
            matcher.process(batch, |chunk| {
                end = self.print(chunk)?;
                Ok::<_, Failure>(())
            })?;
            // The rest of a broken input cannot be read.
            if end != Some(true) {
                return Ok(());
            }
            batch_count += 1;
            if threads > 1 && batch_count >= BEFORE_THREADS && matcher.is_ready() {
                return self.match_on(Threads::new(threads, batches, matcher)?);
            }
        }
        Ok(())
    }

    fn match_on(&mut self, mut threads: Threads) -> Result<(), Failure> {
        while let Some(chunks) = threads.next_output() {
            let mut end = None;
            for chunk in chunks {
                end = self.print(chunk)?;
            }
            match end {
                Some(true) => {}
                Some(false) => return Ok(()),
                // The chunks ended without one that has an end, so the thread that made them is
                // gone.
                None => return Err(Failure::Panicked),
            }
        }
        threads.end()
    }

    /// Prints a chunk. For the last one of a batch, returns whether another batch may follow.
    fn print(&mut self, chunk: Chunk) -> Result<Option<bool>, Failure> {
        let mut rest = chunk.out.as_slice();
        let mut printed = 0;
        // The rows before a message are flushed first, since the streams may lead to one terminal.
        for (position, line) in chunk.messages {
            let (out, after) = rest.split_at(position - printed);
            self.out.write_all(out)?;
            self.out.flush()?;
            self.progress.print(&line);
            (rest, printed) = (after, position);
        }
        self.out.write_all(rest)?;
        self.events += chunk.events;
        self.matches += chunk.matches;
        self.bad += chunk.bad;
        let continues = match chunk.end {
            None => return Ok(None),
            // What was matched before the failure has been written above.
            Some(End::Failed(failure)) => return Err(failure),
            Some(End::Continues) => true,
            Some(End::Broken) => false,
        };
        // The next batch may wait for more input, so this output must not stay in the buffer.
        self.out.flush()?;
        self.progress.update(chunk.taken, self.events);
        Ok(Some(continues))
    }

    fn finish(mut self) -> Result<Outcome, Failure> {
        self.out.flush()?;
        let elapsed = self.progress.begin.elapsed();
        self.progress.end();
        let summary = summary(self.events, self.bad, self.matches, elapsed);
        let _ = writeln!(io::stderr(), "{summary}");
        Ok(if self.bad > 0 || self.skipped { Outcome::BadInput } else { Outcome::Ok })
    }
}

/// Formats the last line: the counts, and the rate if the run took at least a second.
fn summary(valid: u64, errors: u64, matches: u64, elapsed: Duration) -> String {
    let events = counted(valid + errors, "event", "events");
    let errors = if errors > 0 { format!(" ({errors} with errors)") } else { String::new() };
    let matches = counted(matches, "match", "matches");
    let rate = match elapsed >= Duration::from_secs(1) {
        true => format!(", {:.0} events/s", valid as f64 / elapsed.as_secs_f64()),
        false => String::new(),
    };
    format!("{events}{errors}, {matches}{rate}")
}

#[cfg(test)]
mod tests {
    use crate::cli::verbs::matching::summary;
    use std::time::Duration;

    #[test]
    fn shows_the_rate_after_a_second_and_counts_events_with_errors() {
        let second = Duration::from_secs(1);
        for (line, expected) in [
            (summary(13, 0, 17, second - Duration::from_nanos(1)), "13 events, 17 matches"),
            (summary(1, 0, 1, second), "1 event, 1 match, 1 events/s"),
            (summary(11, 2, 17, Duration::ZERO), "13 events (2 with errors), 17 matches"),
            (summary(0, 1, 0, Duration::ZERO), "1 event (1 with errors), 0 matches"),
            (
                summary(3000, 3, 0, 2 * second),
                "3003 events (3 with errors), 0 matches, 1500 events/s",
            ),
            (summary(0, 0, 0, Duration::ZERO), "0 events, 0 matches"),
        ] {
            assert_eq!(line, expected);
        }
    }
}
