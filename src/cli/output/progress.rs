//! Shows how far a long run is, on standard error.
//!
//! ```text
//! ███████████████░░░░░░░░░░░░░░░ {bytes}/{size of all files} {events} events {time left}
//! ```
//!
//! # When it is shown
//!
//! A bar is drawn over itself again and again. On a terminal that also shows the results, it would
//! be drawn between them, and in a file it would be noise. So it is shown only if standard error is
//! a terminal and standard output is not. A short run shows none: a bar that vanishes at once only
//! flickers.
//!
//! Messages are printed through [`Progress::print`], which takes the bar away first and draws it
//! again below.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A progress bar for long input.
///
/// It is shown if standard error is a terminal and standard output is not.
pub(crate) struct Progress {
    pub(crate) begin: Instant,
    /// The size of all files in bytes; `None` if it is unknown.
    total: Option<u64>,
    visible: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let sizes =
            files.iter().map(|path| std::fs::metadata(path).ok().filter(|file| file.is_file()));
        // One file of unknown size, such as a pipe, makes the sum unknown, and then the bar is a
        // spinner.
        let total = sizes.map(|size| size.map(|size| size.len())).sum::<Option<u64>>();
        Self {
            begin: Instant::now(),
            total: total.filter(|total| *total > 0),
            visible: io::stderr().is_terminal() && !io::stdout().is_terminal(),
            bar: None,
        }
    }

    /// Updates the bar, and shows it once the run has lasted for some time.
    pub(crate) fn update(&mut self, bytes: u64, events: u64) {
        const DELAY: Duration = Duration::from_millis(500);
        if !self.visible || self.begin.elapsed() < DELAY {
            return;
        }
        let total = self.total;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = match total {
                Some(_) => "{bar:40} {bytes}/{total_bytes} {msg} {eta}",
                None => "{spinner} {bytes} {msg}",
            };
            // The templates are constants. If one were wrong, the bar would have another look.
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        bar.set_position(bytes);
        bar.set_message(format!("{events} events"));
    }

    /// Prints a line on standard error without damage to the bar.
    pub(crate) fn print(&self, line: &str) {
        let write = || {
            let _ = writeln!(io::stderr(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
