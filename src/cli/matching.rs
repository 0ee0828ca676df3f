use super::answers::{Answers, End, Piece};
use super::batches::Batches;
use super::progress::Progress;
use super::threads::Threads;
use super::webhooks::{Webhooks, WebhooksArguments};
use super::{AccessArgument, Failure, Format, Out, Outcome, counted};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

/// Say for each event which webhooks want it
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    webhooks: WebhooksArguments,
    /// Who may access an event's resource, for webhooks of level `user`
    #[arg(long, value_enum, default_value = "owner")]
    access: AccessArgument,
    /// On how many threads; as many as there are processors without it
    ///
    /// What is printed is the same for any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Go on without webhooks that are not valid
    #[arg(long)]
    skip_invalid: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Files of events: one a line, an array, or one object; standard input without any
    #[arg(value_name = "EVENTS")]
    events: Vec<PathBuf>,
}

pub(super) fn run(arguments: Arguments, out: &mut Out) -> Result<Outcome, Failure> {
    super::once_on_stdin(&arguments.events, [&arguments.webhooks.webhooks])?;
    let webhooks = Webhooks::read(&arguments.webhooks)?;
    let bad = webhooks.bad > 0;
    if webhooks.broken || bad && !arguments.skip_invalid {
        if !webhooks.broken {
            let help = "--skip-invalid goes on without them";
            let _ = writeln!(io::stderr(), "webhooks that are not valid: {}; {help}", webhooks.bad);
        }
        return Ok(Outcome::BadInput);
    }
    let progress = Progress::new(&arguments.events);
    let given = arguments.webhooks.tenant;
    let answers = Answers::new(webhooks, arguments.access, arguments.format, given);
    let mut run = Run { out, progress, events: 0, matches: 0, bad: 0, skipped: bad };
    let threads = arguments
        .threads
        .map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    run.all(Batches::new(arguments.events), answers, threads)?;
    run.finish()
}

/// Batches before threads pay.
const ALONE: usize = 2;

/// What is printed, and what came of it.
struct Run<'a> {
    out: &'a mut Out,
    progress: Progress,
    events: u64,
    matches: u64,
    /// Events that are none, or of another tenant.
    bad: u64,
    /// Whether webhooks were skipped.
    skipped: bool,
}

impl Run<'_> {
    fn all(
        &mut self,
        mut batches: Batches,
        mut answers: Answers,
        threads: usize,
    ) -> Result<(), Failure> {
        let mut answered = 0;
        while let Some(batch) = batches.next(usize::MAX) {
            let mut end = None;
            answers.answer(batch, |piece| {
                end = self.print(piece)?;
                Ok::<_, Failure>(())
            })?;
            if end != Some(true) {
                return Ok(());
            }
            answered += 1;
            if threads > 1 && answered >= ALONE && answers.are_ready() {
                return self.all_on(Threads::new(threads, batches, answers)?);
            }
        }
        Ok(())
    }

    fn all_on(&mut self, mut threads: Threads) -> Result<(), Failure> {
        while let Some(pieces) = threads.turn() {
            let mut end = None;
            for piece in pieces {
                end = self.print(piece)?;
            }
            match end {
                Some(true) => {}
                Some(false) => return Ok(()),
                None => return Err(Failure::Panicked),
            }
        }
        threads.end()
    }

    /// At the end of a batch, whether another one may follow.
    fn print(&mut self, piece: Piece) -> Result<Option<bool>, Failure> {
        let mut rest = piece.out.as_slice();
        let mut printed = 0;
        for (place, line) in piece.said {
            let (out, behind) = rest.split_at_checked(place - printed).unwrap_or((rest, &[]));
            self.out.write_all(out)?;
            self.out.flush()?;
            self.progress.say(&line);
            (rest, printed) = (behind, place);
        }
        self.out.write_all(rest)?;
        self.events += piece.events;
        self.matches += piece.matches;
        self.bad += piece.bad;
        let goes_on = match piece.end {
            None => return Ok(None),
            Some(End::Failed(failure)) => return Err(failure),
            Some(End::GoesOn) => true,
            Some(End::Broken) => false,
        };
        // The next batch may have to wait for more input.
        self.out.flush()?;
        self.progress.tick(piece.taken, self.events);
        Ok(Some(goes_on))
    }

    fn finish(mut self) -> Result<Outcome, Failure> {
        self.out.flush()?;
        let elapsed = self.progress.begin.elapsed();
        self.progress.end();
        let sum = sum(self.events, self.bad, self.matches, elapsed);
        let _ = writeln!(io::stderr(), "{sum}");
        Ok(if self.bad > 0 || self.skipped { Outcome::BadInput } else { Outcome::Well })
    }
}

/// The last line: how many events there were, good and bad, and the rate where the time says something.
fn sum(good: u64, bad: u64, matches: u64, elapsed: Duration) -> String {
    let events = counted(good + bad, "event", "events");
    let bad = if bad > 0 { format!(" ({bad} bad)") } else { String::new() };
    let matches = counted(matches, "match", "matches");
    let rate = match elapsed >= Duration::from_secs(1) {
        true => format!(", {:.0} events/s", good as f64 / elapsed.as_secs_f64()),
        false => String::new(),
    };
    format!("{events}{bad}, {matches}{rate}")
}

#[cfg(test)]
mod tests {
    use super::sum;
    use std::time::Duration;

    #[test]
    fn gives_a_rate_from_a_second_on_and_counts_bad_events() {
        let second = Duration::from_secs(1);
        for (sum, expected) in [
            (sum(13, 0, 17, second - Duration::from_nanos(1)), "13 events, 17 matches"),
            (sum(1, 0, 1, second), "1 event, 1 match, 1 events/s"),
            (sum(11, 2, 17, Duration::ZERO), "13 events (2 bad), 17 matches"),
            (sum(0, 1, 0, Duration::ZERO), "1 event (1 bad), 0 matches"),
            (sum(3000, 3, 0, 2 * second), "3003 events (3 bad), 0 matches, 1500 events/s"),
            (sum(0, 0, 0, Duration::ZERO), "0 events, 0 matches"),
        ] {
            assert_eq!(sum, expected);
        }
    }
}
