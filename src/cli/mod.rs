//! Arguments, exit codes, and the streams that all verbs write to.

mod answers;
mod batches;
mod check;
mod diff;
mod event_types;
mod events;
mod explain;
mod generate;
mod history;
mod items;
mod json;
mod matching;
mod patch;
mod progress;
mod reading;
mod refusal;
mod report;
mod requests;
mod table;
mod threads;
mod trial;
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
#[command(after_help = "Exit codes: 0 all well, 1 some input was bad, 2 usage or I/O.")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

// Their arguments say what they do: a word here would hide all of that.
#[derive(Subcommand)]
enum Verb {
    Check(check::Arguments),
    Validate(validate::Arguments),
    Patch(patch::Arguments),
    EventTypes(event_types::Arguments),
    Match(matching::Arguments),
    Explain(explain::Arguments),
    Diff(diff::Arguments),
    Try(trial::Arguments),
    Requests(requests::Arguments),
    Generate(generate::Arguments),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: a JSON object a line
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum AccessArgument {
    /// The event's owner alone may access its resource
    Owner,
    /// Every user may
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

/// How a verb ended that did its work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Well,
    /// Some input was bad, and was reported.
    BadInput,
}

/// What keeps a verb from doing its work.
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
    /// It has said more.
    #[error("a thread panicked")]
    Panicked,
}

/// A tenant on the command line; an empty one is most likely an unset variable.
fn tenant(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("a tenant's id is not empty") } else { Ok(text.to_owned()) }
}

/// Most bytes of a file that holds one thing: an event, a patch, a catalogue.
const MAX_FILE: u64 = 16 << 20;

/// Most bytes of a file of webhooks: millions of them.
const MAX_TOTAL: u64 = 1 << 30;

/// A file or standard input, whole, with its name for messages; without the byte order mark that
/// some editors put before a text.
fn read(path: &Path, most: u64) -> Result<(String, Vec<u8>), Failure> {
    let mut bytes = Vec::new();
    let (name, read) = match path.as_os_str() == STDIN_ARGUMENT {
        true => (STDIN.to_owned(), stdin()?.take(most + 1).read_to_end(&mut bytes)),
        false => {
            let file = std::fs::File::open(path);
            let read = file.and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
            (plain(&path.display().to_string()), read)
        }
    };
    read.map_err(|error| Failure::Input(name.clone(), error))?;
    if bytes.len() as u64 > most {
        return Err(Failure::Usage(format!("{name} is longer than {most} bytes")));
    }
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(..3);
    }
    Ok((name, bytes))
}

/// Standard input, which is there once.
fn stdin() -> Result<io::StdinLock<'static>, Failure> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    match TAKEN.swap(true, Ordering::Relaxed) {
        false => {
            usage::announce_stdin();
            Ok(io::stdin().lock())
        }
        true => Err(Failure::twice_on_stdin()),
    }
}

/// The same of files without which nothing is read.
fn once_on_stdin_of(files: &[PathBuf]) -> Result<(), Failure> {
    if files.is_empty() { Ok(()) } else { once_on_stdin(files, []) }
}

/// Refuses standard input more than once among files; without any it is read.
fn once_on_stdin<'p>(
    files: &'p [PathBuf],
    others: impl IntoIterator<Item = &'p PathBuf>,
) -> Result<(), Failure> {
    let is = |path: &&PathBuf| path.as_os_str() == STDIN_ARGUMENT;
    let count = files.iter().chain(others).filter(is).count() + usize::from(files.is_empty());
    if count > 1 { Err(Failure::twice_on_stdin()) } else { Ok(()) }
}

impl Failure {
    fn twice_on_stdin() -> Self {
        Self::Usage("standard input is asked for twice".into())
    }
}

/// What names standard input among the arguments.
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
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::BadInput) => ExitCode::from(1),
        // Whoever reads the output has seen enough.
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
        Verb::Try(arguments) => trial::run(arguments, out),
        Verb::Requests(arguments) => requests::run(&arguments, out),
        Verb::Generate(arguments) => generate::run(&arguments, out),
    }
}

/// Standard output, buffered.
struct Out {
    stream: BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>,
}

impl Out {
    /// For text, colours are left out where nobody sees them; for programs every byte is kept.
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

/// Whether a text is of ASCII characters that print: none of them misleads, and most texts are of those.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A whole text from outside, without characters that mislead a person.
fn plain(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { excerpt(text, usize::MAX) }
}

/// A value as a JSON string, so that different values look different, without characters that mislead.
fn quoted(value: &str) -> String {
    plain(&serde_json::Value::from(value).to_string())
}

/// JSON text with every character escaped that misleads those who read it.
fn readable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    // Between its parts JSON may have tabs and carriage returns, which no string in it has.
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

/// Somebody's text in a message.
fn quote(text: &str) -> String {
    excerpt(text, 80)
}

/// A number of things.
fn counted(count: u64, one: &str, more: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {more}"),
    }
}
