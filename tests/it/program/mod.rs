//! Runs the program, with sample files.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs the program with arguments and standard input.
pub fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hooksieve"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // The program may end before it has read everything.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

/// Removes the rate at the end of the last line, which depends on the machine.
pub fn without_rate(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(", ") {
        Some((counts, rate)) if rate.ends_with(" events/s") => format!("{counts}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Runs the program, and returns its exit code and both streams without the rate.
pub fn shown(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input.as_bytes());
    let err = without_rate(&String::from_utf8(output.stderr).unwrap());
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{err}",
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap()
    )
}

pub const WEBHOOKS: &str = "tests/data/webhooks.json";
pub const EVENTS: &str = "tests/data/events.ndjson";

/// Returns a line of the sample events, counted from 0.
pub fn sample(line: usize) -> String {
    std::fs::read_to_string(EVENTS).unwrap().lines().nth(line).unwrap().to_owned()
}

/// A file that is deleted on drop.
pub struct Temporary(std::path::PathBuf);

impl Temporary {
    pub fn new(name: &str, content: &str) -> Self {
        // Tests run concurrently, and some use the same name.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = format!("hooksieve-{}-{count}-{name}", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
