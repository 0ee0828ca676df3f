//! The program as a child process, with its own directory, which is removed after the test.

use crate::client::Client;
use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A directory that is removed when the value is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("hooksieve-serve-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns a command of the program without settings from this process's environment.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hooksieve"));
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| name.to_string_lossy().starts_with("HOOKSIEVE_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs the program and waits for its end.
pub fn run(arguments: &[&str]) -> Output {
    program(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Creates a key.
#[track_caller]
pub fn key(file: &str, tenant: &str, user: &str, role: &str) -> String {
    let arguments =
        ["key", "new", "--keys", file, "--tenant", tenant, "--user", user, "--role", role];
    let output = run(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A running server.
pub struct Server {
    child: Child,
    /// The address, `127.0.0.1:PORT`.
    pub address: String,
    /// The lines that the server printed before it was ready.
    pub printed: Vec<String>,
    log: Arc<Mutex<String>>,
}

/// Returns the arguments of a server that keeps its data in a folder.
pub fn arguments(folder: &Folder) -> Vec<String> {
    let data = folder.path("data");
    ["serve", "--listen", "127.0.0.1:0", "--data", &data].map(str::to_owned).into()
}

impl Server {
    /// Starts a server with additional arguments, and waits until it is ready.
    #[track_caller]
    pub fn start(folder: &Folder, more: &[&str]) -> Self {
        let mut command = program(&[]);
        command.args(arguments(folder)).args(more);
        Self::spawn(command)
    }

    #[track_caller]
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (address, printed, log) = (String::new(), Vec::new(), Arc::default());
        let mut server = Self { child: command.spawn().unwrap(), address, printed, log };
        let (mut errors, log) = (server.child.stderr.take().unwrap(), Arc::clone(&server.log));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut bytes) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        let out = BufReader::new(server.child.stdout.take().unwrap());
        for line in out.lines() {
            let line = line.unwrap();
            if let Some((_, address)) = line.split_once("listening on ") {
                server.address = address.split_once("://").unwrap().1.to_owned();
                return server;
            }
            server.printed.push(line);
        }
        panic!("the server did not start: {}", server.log());
    }

    pub fn client(&self, key: &str) -> Client {
        Client::new(&self.address, key)
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Kills the server.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits up to half a minute for the server to end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().unwrap().ok_or("the server still runs"))
    }

    /// Sends SIGTERM, and waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Retries for up to half a minute, which is enough for a slow machine.
#[track_caller]
pub fn eventually<T, E: Debug>(mut ask: impl FnMut() -> Result<T, E>) -> T {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) if began.elapsed() > Duration::from_secs(30) => panic!("{error:?}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Returns the bytes of all files under a path.
pub fn everything_under(path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut folders = vec![PathBuf::from(path)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: &Path = &entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path.to_owned()),
                false => bytes.extend(std::fs::read(path).unwrap_or_default()),
            }
        }
    }
    bytes
}
