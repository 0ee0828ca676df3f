//! Errors in the arguments, and standard streams that are a terminal or closed.
//!
//! # A hostile argument
//!
//! `clap` repeats a wrong argument in its message. An argument may contain an escape sequence, for
//! example if a script passes on the name of a downloaded file:
//!
//! ```text
//! hooksieve check --$'\e[2J'
//!   clap       error: unexpected argument '--<ESC>[2J' found      clears the screen
//!   here       error: unexpected argument '--\u001b[2J' found
//! ```
//!
//! Parsing the escaped arguments again keeps the colors of the message, which escaping the rendered
//! text would remove.

use super::Arguments;
use clap::Parser;
use clap::error::ErrorKind;
use hooksieve::diagnostic::is_misleading;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Parses the arguments of the process.
///
/// Prints the help or an error itself, and then returns the exit code as the error.
pub(crate) fn arguments() -> Result<Arguments, ExitCode> {
    let given: Vec<OsString> = std::env::args_os().collect();
    Arguments::try_parse_from(&given).map_err(|error| {
        print(&error, &given);
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// Prints an error of the argument parser.
///
/// The parser repeats arguments verbatim. If they have misleading characters, parses them again
/// with those escaped, and prints that error instead.
fn print(error: &clap::Error, given: &[OsString]) {
    let mut given = given.iter().map(|argument| argument.to_string_lossy());
    let printed = match given.clone().any(|argument| argument.chars().any(is_misleading)) {
        false => error.print(),
        true => {
            // Escaping usually leaves the error the same. If not, the rendered text is escaped.
            let escaped = Arguments::try_parse_from(
                given.by_ref().map(|text| crate::cli::output::plain(&text)),
            );
            match escaped.err().filter(|same| same.kind() == error.kind()) {
                Some(same) => same.print(),
                None => write!(io::stderr(), "{}", without_misleading(error)),
            }
        }
    };
    // A failure to write the error cannot be reported anywhere.
    drop(printed);
}

/// Renders an error with misleading characters escaped, except the parser's own line breaks.
fn without_misleading(error: &clap::Error) -> String {
    let text = match error.kind() {
        // The parser's own message contains the bytes.
        ErrorKind::InvalidUtf8 => "error: an argument is not UTF-8\n".to_owned(),
        _ => error.render().to_string(),
    };
    // Line by line, since a line break is misleading in an argument and not between lines.
    text.lines().map(|line| crate::cli::output::plain(line) + "\n").collect()
}

/// Prints on standard error that the program waits for input, if that comes from a terminal.
pub(crate) fn announce_stdin() {
    if let Some(notice) = notice(io::stdin().is_terminal()) {
        let _ = writeln!(io::stderr(), "{notice}");
    }
}

/// Returns the notice for standard input that is a terminal; pipes and files end by themselves.
fn notice(terminal: bool) -> Option<String> {
    // Without it, a command that lacks a file name seems to hang.
    terminal.then(|| format!("reading standard input from the terminal; end it with {END}"))
}

const END: &str = if cfg!(windows) { "Ctrl-Z and Enter" } else { "Ctrl-D" };

/// Returns whether the process was started with standard output closed, as by a shell's `>&-`.
///
/// Before `main`, Rust replaces a closed stream by `/dev/null`, opened for reading and writing. A
/// standard output that was opened in any other way, as by a shell's `>/dev/null` or `>>/dev/null`,
/// was given on purpose. A parent that opens `/dev/null` for both, as Python's `DEVNULL` and Node's
/// `ignore` do, cannot be distinguished on Linux. So only verbs that do nothing but print check
/// this, and the message [`CLOSED`] names both cases.
#[cfg(target_os = "linux")]
pub(crate) fn stdout_is_closed() -> bool {
    is_opened_as_by_rust().unwrap_or(false)
}

#[cfg(target_os = "linux")]
fn is_opened_as_by_rust() -> io::Result<bool> {
    use std::fs::{File, read_link};
    use std::os::fd::AsFd;
    // The usual case, a terminal, a pipe or a file, needs no further look.
    if read_link("/proc/self/fd/1")?.as_os_str() != "/dev/null" {
        return Ok(false);
    }
    // The duplicate has close-on-exec set, as every file that Rust opens, so the flags are
    // comparable.
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    Ok(opening(&stdout)? == opening(&null)?)
}

/// Returns the flags, mount and inode of an open file as Linux shows them (`proc_pid_fdinfo(5)`).
#[cfg(target_os = "linux")]
fn opening(file: &impl std::os::fd::AsRawFd) -> io::Result<String> {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))
}

/// Returns false: only Linux shows how a file was opened.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stdout_is_closed() -> bool {
    false
}

/// The error of a verb whose standard output is [closed](stdout_is_closed).
pub(crate) const CLOSED: &str =
    "standard output is closed, or is /dev/null opened for reading and writing";

#[cfg(test)]
mod tests {
    #[test]
    fn announces_input_only_from_a_terminal() {
        let notice = super::notice(true).unwrap();
        assert!(notice.starts_with("reading standard input from the terminal; end it with Ctrl-"));
        assert_eq!(super::notice(false), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn distinguishes_how_files_were_opened() {
        use std::fs::File;
        let both = |path: &str| File::options().read(true).write(true).open(path).unwrap();
        let opening = |file: &File| super::opening(file).unwrap();
        let null = opening(&both("/dev/null"));
        assert_eq!(opening(&both("/dev/null")), null);
        assert_eq!(opening(&both("/dev/null").try_clone().unwrap()), null);
        let others = [
            File::create("/dev/null").unwrap(),
            File::open("/dev/null").unwrap(),
            File::options().append(true).open("/dev/null").unwrap(),
            File::options().read(true).append(true).open("/dev/null").unwrap(),
        ];
        for other in &others {
            assert_ne!(opening(other), null, "{other:?}");
        }
    }
}
