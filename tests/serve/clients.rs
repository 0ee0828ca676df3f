//! The published clients of the API, which must work unchanged, libraries of producers and receivers,
//! and requests that a generator makes from the description of the API.
//!
//! `.ci/clients` installs them. Without them the tests are skipped with a message, unless
//! `CLIENTS=required`.

use crate::process::{Folder, Server, key};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the directory in which they are installed, next to the built programs.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_hooksieve")).parent().unwrap().join("../clients")
}

/// A server, and what a client needs for it.
struct Started {
    clients: PathBuf,
    url: String,
    administrator: String,
    producer: String,
}

impl Started {
    fn node(&self, script: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.clients.join("node").join(script));
        command
    }

    fn python(&self, script: &str) -> Command {
        let mut command = Command::new(self.clients.join("python/bin/python"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        command.arg(folder.join(script));
        command
    }
}

fn works(needed: &str, command: impl FnOnce(&Started) -> Command) {
    let clients = installed();
    if !clients.join(needed).exists() {
        let required = std::env::var_os("CLIENTS").is_some_and(|value| value == "required");
        assert!(!required, "{needed} is missing: run .ci/clients");
        eprintln!("not checked: {needed} is missing; .ci/clients installs it");
        return;
    }
    let folder = Folder::new();
    let keys = folder.path("keys.toml");
    let administrator = key(&keys, "default", "ann", "tenant-admin");
    let producer = key(&keys, "default", "engine", "producer");
    // Without rate limits, and with targets on loopback.
    let server = Server::start(&folder, &["--keys", &keys, "--dev"]);
    let url = format!("http://{}", server.address);
    let started = Started { clients, url, administrator, producer };
    let output = command(&started).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}\n{}", server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn works_with_the_javascript_client() {
    works("node/node_modules/@qlik/api", |started| {
        let mut command = started.node("qlik-api.mjs");
        command.args([&started.url, &started.administrator]);
        command
    });
}

#[test]
fn works_with_the_python_client() {
    works("python/lib", |started| {
        let mut command = started.python("qlik-sdk.py");
        command.args([&started.url, &started.administrator]);
        command
    });
}

/// CloudEvents in structured, binary and batch mode; the deliveries are verified by
/// `standardwebhooks`.
#[test]
fn works_with_javascript_producers_and_receivers() {
    works("node/node_modules/cloudevents", |started| {
        let mut command = started.node("events.mjs");
        command.args([&started.url, &started.administrator, &started.producer]);
        command
    });
}

/// The same with the libraries for Python.
#[test]
fn works_with_python_producers_and_receivers() {
    works("python/bin/python", |started| {
        let mut command = started.python("events.py");
        command.args([&started.url, &started.administrator, &started.producer]);
        command
    });
}

/// About 300 requests, valid and invalid ones, from `/openapi.json`: no response has a status of
/// 500 or above, and each has a described status, media type and body.
#[test]
fn answers_generated_requests_as_described() {
    works("generator/bin/schemathesis", |started| {
        let Started { clients, url, administrator, .. } = started;
        let mut command = Command::new(clients.join("generator/bin/schemathesis"));
        let description = format!("{url}/openapi.json");
        let authorization = format!("Authorization: Bearer {administrator}");
        command.args(["run", &description, "--header", &authorization]);
        command.args(["--phases", "fuzzing", "--max-examples", "22", "--seed", "1"]);
        command.args(["--checks", CHECKS, "--no-shrink", "--generation-database", "none"]);
        // The hypothesis library keeps files in the working directory.
        command.current_dir(clients);
        command
    });
}

/// The checks of the generator. Left out are those that need knowledge about the meaning: which
/// valid requests must succeed, and which references to other webhooks exist.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance";
