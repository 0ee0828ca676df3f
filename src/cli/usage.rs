//! Arguments that cannot be used, and standard streams that are not there.

use super::Arguments;
use clap::Parser;
use clap::error::ErrorKind;
use hooksieve::diagnostic::is_misleading;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// The arguments of the process, or the exit code after the help or an error was printed.
pub(super) fn arguments() -> Result<Arguments, ExitCode> {
    let given: Vec<OsString> = std::env::args_os().collect();
    Arguments::try_parse_from(&given).map_err(|error| {
        print(&error, &given);
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// Prints an error of the argument parser, which repeats arguments as they were given: where they hold
/// characters that mislead, it repeats them with those escaped.
fn print(error: &clap::Error, given: &[OsString]) {
    let mut given = given.iter().map(|argument| argument.to_string_lossy());
    let printed = match given.clone().any(|argument| argument.chars().any(is_misleading)) {
        false => error.print(),
        true => {
            // Escaped arguments are as wrong as they were, unless the escapes change what is wrong.
            let escaped = Arguments::try_parse_from(given.by_ref().map(|text| super::plain(&text)));
            match escaped.err().filter(|same| same.kind() == error.kind()) {
                Some(same) => same.print(),
                None => write!(io::stderr(), "{}", without_misleading(error)),
            }
        }
    };
    // There is no other place to report that.
    drop(printed);
}

/// The text of an error with its line breaks, the only misleading characters that the parser writes.
fn without_misleading(error: &clap::Error) -> String {
    let text = match error.kind() {
        ErrorKind::InvalidUtf8 => "error: an argument is not UTF-8\n".to_owned(),
        _ => error.render().to_string(),
    };
    text.lines().map(|line| super::plain(line) + "\n").collect()
}

/// Says on a terminal that the program waits for input.
pub(super) fn announce_stdin() {
    if let Some(notice) = notice(io::stdin().is_terminal()) {
        let _ = writeln!(io::stderr(), "{notice}");
    }
}

/// What is said where standard input is a terminal; a pipe or a file comes to its end without it.
fn notice(terminal: bool) -> Option<String> {
    terminal.then(|| format!("reading standard input from the terminal; end it with {END}"))
}

const END: &str = if cfg!(windows) { "Ctrl-Z and Enter" } else { "Ctrl-D" };

/// Whether the process was started without a standard output, as a shell's `>&-` does.
///
/// Before `main`, Rust opens `/dev/null` in the place of a stream that is closed, for reading and
/// writing. A standard output that was opened in any other way, as a shell's `>/dev/null` and
/// `>>/dev/null` are, or in another container, is there on purpose. What remains is a parent that opens
/// `/dev/null` for both, as Python's `DEVNULL` and Node's `ignore` do: Linux shows no difference. So
/// this is asked only by verbs whose output is all they do, and [`CLOSED`] names both.
#[cfg(target_os = "linux")]
pub(super) fn stdout_is_closed() -> bool {
    is_opened_as_by_rust().unwrap_or(false)
}

#[cfg(target_os = "linux")]
fn is_opened_as_by_rust() -> io::Result<bool> {
    use std::fs::{File, read_link};
    use std::os::fd::AsFd;
    if read_link("/proc/self/fd/1")?.as_os_str() != "/dev/null" {
        return Ok(false);
    }
    // A duplicate is closed on `exec`, as all files that Rust opens: their flags can be compared.
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    Ok(opening(&stdout)? == opening(&null)?)
}

/// Flags, mount and inode of an open file, as Linux shows them (`proc_pid_fdinfo(5)`).
#[cfg(target_os = "linux")]
fn opening(file: &impl std::os::fd::AsRawFd) -> io::Result<String> {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))
}

/// Where that cannot be known.
#[cfg(not(target_os = "linux"))]
pub(super) fn stdout_is_closed() -> bool {
    false
}

/// The error of a verb whose standard output [is closed](stdout_is_closed).
pub(super) const CLOSED: &str =
    "standard output is closed, or is /dev/null opened for reading and writing";

#[cfg(test)]
mod tests {
    #[test]
    fn says_on_a_terminal_only_that_input_is_awaited() {
        let notice = super::notice(true).unwrap();
        assert!(notice.starts_with("reading standard input from the terminal; end it with Ctrl-"));
        assert_eq!(super::notice(false), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn compares_how_files_were_opened() {
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
