//! The command-line program: its arguments, exit codes, and standard streams.
//!
//! Each verb is a module with its clap arguments and a `run` function. The verbs use only the
//! library's public API.

mod bad_event;
mod batch_matcher;
mod batches;
mod check;
mod diff;
mod dry_run;
mod event_reader;
mod event_types;
mod events;
mod explain;
mod generate;
mod history;
mod items;
mod json;
mod json_error;
mod matching;
mod patch;
mod progress;
mod report;
mod requests;
mod table;
mod threads;
mod usage;
mod validate;
mod webhooks;
mod why;
mod workload;

use clap::{Parser, Subcommand, ValueEnum};
use hooksieve::diagnostic::{excerpt, is_misleading};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Parser)]
#[command(name = "hooksieve", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 success, 1 invalid input, 2 usage or I/O error.")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

// A doc comment here would replace the help text of the verb's arguments.
#[derive(Subcommand)]
enum Verb {
    Check(check::Arguments),
    Validate(validate::Arguments),
    Patch(patch::Arguments),
    EventTypes(event_types::Arguments),
    Match(matching::Arguments),
    Explain(explain::Arguments),
    Diff(diff::Arguments),
    Try(dry_run::Arguments),
    Requests(requests::Arguments),
    Generate(generate::Arguments),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Readable text
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum AccessArgument {
    /// Only the event's owner may access its resource
    Owner,
    /// Every user may access it
    All,
}

impl AccessArgument {
    fn access(self) -> hooksieve::matcher::Access<'static> {
        match self {
            Self::Owner => hooksieve::matcher::Access::EventOwner,
            Self::All => hooksieve::matcher::Access::Everyone,
        }
    }
}

/// The result of a verb that did its work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// Some input was invalid, and was reported.
    BadInput,
}

/// An error that keeps a verb from doing its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
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

/// Parses a tenant id from the command line. An empty one is most likely an unset shell variable.
fn tenant(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("a tenant id must not be empty") } else { Ok(text.to_owned()) }
}

/// The maximum size in bytes of a file with one item: an event, a patch, or a catalogue.
const MAX_FILE: u64 = 16 << 20;

/// The maximum size in bytes of a file of webhooks, enough for millions of them.
const MAX_TOTAL: u64 = 1 << 30;

/// Reads a whole file or standard input, of at most `max` bytes.
///
/// Returns its name for messages, and its content without a leading byte order mark.
fn read(path: &Path, max: u64) -> Result<(String, Vec<u8>), Failure> {
    let mut bytes = Vec::new();
    let (name, read) = match path.as_os_str() == STDIN_ARGUMENT {
        true => (STDIN.to_owned(), stdin()?.take(max + 1).read_to_end(&mut bytes)),
        false => {
            let file = std::fs::File::open(path);
            let read = file.and_then(|file| file.take(max + 1).read_to_end(&mut bytes));
            (plain(&path.display().to_string()), read)
        }
    };
    read.map_err(|error| Failure::Input(name.clone(), error))?;
    if bytes.len() as u64 > max {
        return Err(Failure::Usage(format!("{name} is longer than {max} bytes")));
    }
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(..3);
    }
    Ok((name, bytes))
}

/// Locks standard input, or fails if it was already taken.
fn stdin() -> Result<io::StdinLock<'static>, Failure> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    match TAKEN.swap(true, Ordering::Relaxed) {
        false => {
            usage::announce_stdin();
            Ok(io::stdin().lock())
        }
        true => Err(Failure::duplicate_stdin()),
    }
}

/// Like [`check_stdin_once`], for an optional list: an empty one does not mean standard input.
fn check_stdin_once_if_any(files: &[PathBuf]) -> Result<(), Failure> {
    if files.is_empty() { Ok(()) } else { check_stdin_once(files, []) }
}

/// Fails if standard input is given more than once. An empty `files` means standard input.
fn check_stdin_once<'p>(
    files: &'p [PathBuf],
    others: impl IntoIterator<Item = &'p PathBuf>,
) -> Result<(), Failure> {
    let is = |path: &&PathBuf| path.as_os_str() == STDIN_ARGUMENT;
    let count = files.iter().chain(others).filter(is).count() + usize::from(files.is_empty());
    if count > 1 { Err(Failure::duplicate_stdin()) } else { Ok(()) }
}

impl Failure {
    fn duplicate_stdin() -> Self {
        Self::Usage("standard input is given more than once".into())
    }
}

/// The argument that means standard input.
const STDIN_ARGUMENT: &str = "-";

/// The name of standard input in messages.
const STDIN: &str = "<stdin>";

pub(crate) fn main() -> ExitCode {
    let arguments = match usage::arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let mut out = Out::new(match &arguments.verb {
        Verb::Check(arguments) => arguments.format,
        Verb::Validate(arguments) => arguments.format,
        Verb::Patch(arguments) => arguments.format,
        Verb::EventTypes(arguments) => arguments.format,
        Verb::Match(arguments) => arguments.format,
        Verb::Explain(arguments) => arguments.format,
        Verb::Diff(arguments) => arguments.format,
        Verb::Try(arguments) => arguments.format,
        Verb::Requests(arguments) => arguments.format(),
        Verb::Generate(arguments) => arguments.format,
    });
    let result = run(arguments.verb, &mut out);
    let result = result.and_then(|outcome| {
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
            let _ = writeln!(io::stderr(), "error: {}", plain(&failure.to_string()));
            ExitCode::from(2)
        }
    }
}

fn run(verb: Verb, out: &mut Out) -> Result<Outcome, Failure> {
    match verb {
        Verb::Check(arguments) => check::run(arguments, out),
        Verb::Validate(arguments) => validate::run(&arguments, out),
        Verb::Patch(arguments) => patch::run(&arguments, out),
        Verb::EventTypes(_) | Verb::Generate(_) if usage::stdout_is_closed() => {
            Err(Failure::Output(io::Error::other(usage::CLOSED)))
        }
        Verb::EventTypes(arguments) => event_types::run(&arguments, out),
        Verb::Match(arguments) => matching::run(arguments, out),
        Verb::Explain(arguments) => explain::run(arguments, out),
        Verb::Diff(arguments) => diff::run(arguments, out),
        Verb::Try(arguments) => dry_run::run(arguments, out),
        Verb::Requests(arguments) => requests::run(&arguments, out),
        Verb::Generate(arguments) => generate::run(&arguments, out),
    }
}

/// Buffered standard output.
struct Out {
    stream: BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>,
}

impl Out {
    /// Removes colors from text that does not go to a terminal. JSON is written byte for byte.
    fn new(format: Format) -> Self {
        let stdout = io::stdout().lock();
        let stream = match format {
            Format::Text => anstream::AutoStream::auto(stdout),
            Format::Json => anstream::AutoStream::always_ansi(stdout),
        };
        Self { stream: BufWriter::with_capacity(1 << 16, stream) }
    }

    fn json(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        json::write(&mut self.stream, line)?;
        self.stream.write_all(b"\n")
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Returns whether a text has only printable ASCII characters.
///
/// A fast path: none of them is misleading, and most texts have no others.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns the whole of an untrusted text, with misleading characters escaped.
fn plain(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { excerpt(text, usize::MAX) }
}

/// Formats a value as a JSON string with misleading characters escaped.
///
/// Different values look different.
fn quoted(value: &str) -> String {
    plain(&serde_json::Value::from(value).to_string())
}

/// Replaces misleading characters in JSON text by `\u` escapes, so that it stays the same JSON.
fn readable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    // Tabs, line feeds and carriage returns occur only between tokens: a JSON string escapes them.
    for c in json.chars().filter(|c| *c != '\r') {
        if !matches!(c, '\n' | '\t') && is_misleading(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Shortens and escapes an untrusted text for a message.
fn quote(text: &str) -> String {
    excerpt(text, 80)
}

/// Formats a count with its noun in the singular or plural.
fn counted(count: u64, singular: &str, plural: &str) -> String {
    match count {
        1 => format!("1 {singular}"),
        _ => format!("{count} {plural}"),
    }
}
