//! Arguments that cannot be used, and standard streams that are not there.

use super::Arguments;
use clap::Parser;
use clap::error::ErrorKind;
use hooksieve::syntax::misleads;
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
    let printed = match given.clone().any(|argument| argument.chars().any(misleads)) {
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
/// Before `main`, Rust puts `/dev/null` in the place of a stream that is closed, for reading and
/// writing; a shell's `>/dev/null` is for writing only. Some parents open `/dev/null` for both, too, so
/// this is asked only by verbs whose output is all they do.
#[cfg(target_os = "linux")]
pub(super) fn stdout_is_closed() -> bool {
    use std::fs;
    let is_null =
        fs::read_link("/proc/self/fd/1").is_ok_and(|path| path.as_os_str() == "/dev/null");
    is_null && fs::read_to_string("/proc/self/fdinfo/1").is_ok_and(|info| for_both(&info))
}

/// Where that cannot be known.
#[cfg(not(target_os = "linux"))]
pub(super) fn stdout_is_closed() -> bool {
    false
}

/// Whether a file is open for reading and writing, by what Linux says of it (`proc(5)`).
#[cfg(target_os = "linux")]
fn for_both(info: &str) -> bool {
    const ACCESS: u32 = 3;
    const READ_AND_WRITE: u32 = 2;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS == READ_AND_WRITE)
}

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
    fn knows_a_file_that_is_open_for_reading_and_writing() {
        let info = |flags: &str| format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t25\n");
        assert!(super::for_both(&info("0100002")) && super::for_both(&info("02")));
        for other in ["0100001", "0100000", "0102001", "x", ""] {
            assert!(!super::for_both(&info(other)), "{other}");
        }
        assert!(!super::for_both(""));
    }
}
