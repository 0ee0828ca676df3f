use super::answers::{Answers, End, Piece};
use super::batches::Batches;
use super::progress::Progress;
use super::threads::Threads;
use super::webhooks::{Webhooks, WebhooksArguments};
use super::{AccessArgument, Failure, Format, Out, Outcome, counted};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::available_parallelism;

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
    let answers = Answers::new(webhooks, arguments.access, arguments.format);
    let mut run = Run { out, progress, events: 0, matches: 0, bad };
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
    bad: bool,
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
        self.bad |= piece.bad;
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
        let seconds = self.progress.begin.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { self.events as f64 / seconds } else { 0.0 };
        let (events, matches) = (self.events, self.matches);
        self.progress.end();
        let events = counted(events, "event", "events");
        let matches = counted(matches, "match", "matches");
        let _ = writeln!(io::stderr(), "{events}, {matches}, {rate:.0} events/s");
        Ok(if self.bad { Outcome::BadInput } else { Outcome::Well })
    }
}
