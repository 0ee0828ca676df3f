//! The built program as a child process, with its own directory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_hooksieve");

/// A directory that is removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("hooksieve-bench-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a verb, and returns what it prints.
pub fn run(arguments: &[&str], paths: &[(&str, &Path)]) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    for (flag, path) in paths {
        command.arg(flag).arg(path);
    }
    let output = command.output().expect("the program starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

/// A running server.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub administrator: String,
    pub producer: String,
}

impl Server {
    /// Starts a server in a folder, in which an earlier one may have run.
    pub fn start(folder: &Folder) -> Self {
        let keys = folder.path("keys.toml");
        let key = |role| {
            let arguments = ["key", "new", "--tenant", "default", "--user", role, "--role", role];
            run(&arguments, &[("--keys", &keys)])
        };
        let (administrator, producer) = (key("tenant-admin"), key("producer"));
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--max-webhooks-per-user", "0"])
            .args(["--log", "error", "--data"])
            .arg(folder.path("data"))
            .arg("--keys")
            .arg(&keys)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let ready = out.lines().find_map(|line| {
            let line = line.expect("UTF-8");
            line.strip_prefix("listening on http://")?.parse().ok()
        });
        let address = ready.expect("the server starts");
        Self { child, address, administrator, producer }
    }

    /// Returns the processor time that the server has used.
    pub fn processor_time(&self) -> Duration {
        // Linux counts in hundredths of a second, for programs, on every machine.
        const TICK: Duration = Duration::from_millis(10);
        let stat = self.read("stat");
        // The name of the program is in brackets, and may contain anything.
        let fields = stat.rsplit(") ").next().expect("there is a name");
        let times = fields.split(' ').skip(11).take(2);
        TICK * times.map(|ticks| ticks.parse::<u32>().expect("a number")).sum()
    }

    /// Returns the resident memory in bytes.
    pub fn resident(&self) -> f64 {
        resident(&self.read("status"))
    }

    fn read(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(path).expect("the server runs, on Linux")
    }

    /// Kills the server.
    pub fn kill(mut self) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server ends");
    }

    /// Stops the server, which then has written everything.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("`kill` starts");
        self.child.wait().expect("the server ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the resident memory in bytes from a file `status`.
pub fn resident(status: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    let kibibytes = line.split_ascii_whitespace().next().expect("a number");
    kibibytes.parse::<f64>().expect("a number") * 1024.0
}
