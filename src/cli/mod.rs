//! The command-line program: its arguments, exit codes, and standard streams.
//!
//! A verb is a file in `verbs` and a line in its list. `input` reads files, webhooks and events,
//! `output` writes text and JSON. All of it uses only the library's public API.
//!
//! # From the arguments to the exit code
//!
//! ```text
//! arguments ──▶ usage ──▶ Verb::run ──▶ input ──▶ library ──▶ output
//!                             │
//!                             ├─ Ok(Outcome::Ok)          0
//!                             ├─ Ok(Outcome::BadInput)    1   reported by the verb itself
//!                             └─ Err(Failure)             2   printed here, as `error: …`
//! ```
//!
//! The difference between 1 and 2 is for scripts: after 1, the input must be corrected; after 2,
//! the command. A verb goes on after invalid input wherever it can, so an [`Outcome`] is decided at
//! its end, while a [`Failure`] ends it at once.
//!
//! # What is printed where
//!
//! Standard output has the result and nothing else, so that it can be piped. For the verbs that
//! check something, that is what they found. Other messages go to standard error. In JSON, an error
//! in an event is a line of the result, in the place of the event. Everything that comes from the
//! input is printed with misleading characters escaped (see [`output`]), since a file from
//! elsewhere must not control the terminal.

mod input;
mod output;
mod usage;
mod verbs;

use clap::Parser;
use output::{Out, plain};
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "hooksieve", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 success, 1 invalid input, 2 usage or I/O error.")]
struct Arguments {
    #[command(subcommand)]
    verb: verbs::Verb,
}

/// The result of a verb that did its work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// Some input was invalid, and was reported.
    BadInput,
}

/// An error that keeps a verb from doing its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("{0}: {1}")]
    Input(String, io::Error),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The panic itself has already been printed.
    #[error("a thread panicked")]
    Panicked,
}

pub(crate) fn main() -> ExitCode {
    let arguments = match usage::arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    // Created here, so that a failed flush is a failure like any other and not lost in a
    // destructor.
    let mut out = Out::new(arguments.verb.format());
    let result = arguments.verb.run(&mut out);
    let result = result.and_then(|outcome| {
        // What is still buffered may fail to be written, such as on a full disk.
        out.flush()?;
        Ok(outcome)
    });
    match result {
        Ok(Outcome::Ok) => ExitCode::SUCCESS,
        Ok(Outcome::BadInput) => ExitCode::from(1),
        // The reader of the output, such as `head`, has closed the pipe on purpose.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            // If standard error is closed, the exit code is all that is left.
            let _ = writeln!(io::stderr(), "error: {}", plain(&failure.to_string()));
            ExitCode::from(2)
        }
    }
}

impl Failure {
    fn duplicate_stdin() -> Self {
        Self::Usage("standard input is given more than once".into())
    }
}
