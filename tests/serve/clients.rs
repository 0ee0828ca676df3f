//! The published clients of the API, which must work unchanged, and requests that a generator makes
//! from the description of the API.
//!
//! `.ci/clients` installs them. Without them the tests are skipped with a message, unless
//! `CLIENTS=required`.

use crate::process::{Folder, Server};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the directory in which they are installed, next to the built programs.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_hooksieve")).parent().unwrap().join("../clients")
}

fn works(needed: &str, command: impl FnOnce(&Path, &str, &str) -> Command) {
    let clients = installed();
    if !clients.join(needed).exists() {
        let required = std::env::var_os("CLIENTS").is_some_and(|value| value == "required");
        assert!(!required, "{needed} is missing: run .ci/clients");
        eprintln!("not checked: {needed} is missing; .ci/clients installs it");
        return;
    }
    let folder = Folder::new();
    let server = Server::start(&folder, &["--tier1-per-minute", "0", "--tier2-per-minute", "0"]);
    let key = server.printed[0].rsplit(' ').next().unwrap();
    let url = format!("http://{}", server.address);
    let output = command(&clients, &url, key).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}\n{}", server.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn works_with_the_javascript_client() {
    works("node/node_modules/@qlik/api", |clients, url, key| {
        let mut command = Command::new("node");
        command.arg(clients.join("node/qlik-api.mjs")).args([url, key]);
        command
    });
}

#[test]
fn works_with_the_python_client() {
    works("python/lib", |clients, url, key| {
        let mut command = Command::new(clients.join("python/bin/python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/qlik-sdk.py"));
        command.args([url, key]);
        command
    });
}

/// About 300 requests, valid and invalid ones, from `/openapi.json`: no response has a status of
/// 500 or above, and each has a described status, media type and body.
#[test]
fn answers_generated_requests_as_described() {
    works("generator/bin/schemathesis", |clients, url, key| {
        let mut command = Command::new(clients.join("generator/bin/schemathesis"));
        let description = format!("{url}/openapi.json");
        command.args(["run", &description, "--header", &format!("Authorization: Bearer {key}")]);
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
