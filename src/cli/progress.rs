use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A bar for long input, where somebody watches and the results go elsewhere.
pub(super) struct Progress {
    pub(super) begin: Instant,
    /// Of all files; none where that is not known.
    total: Option<u64>,
    watched: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let sizes =
            files.iter().map(|path| std::fs::metadata(path).ok().filter(|file| file.is_file()));
        let total = sizes.map(|size| size.map(|size| size.len())).sum::<Option<u64>>();
        Self {
            begin: Instant::now(),
            total: total.filter(|total| *total > 0),
            watched: io::stderr().is_terminal() && !io::stdout().is_terminal(),
            bar: None,
        }
    }

    pub(super) fn tick(&mut self, bytes: u64, events: u64) {
        const PATIENCE: Duration = Duration::from_millis(500);
        if !self.watched || self.begin.elapsed() < PATIENCE {
            return;
        }
        let total = self.total;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = match total {
                Some(_) => "{bar:40} {bytes}/{total_bytes} {msg} {eta}",
                None => "{spinner} {bytes} {msg}",
            };
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        bar.set_position(bytes);
        bar.set_message(format!("{events} events"));
    }

    pub(super) fn say(&self, line: &str) {
        let write = || {
            let _ = writeln!(io::stderr(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
