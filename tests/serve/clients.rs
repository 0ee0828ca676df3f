//! The published clients of the API, which must work unchanged.
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

fn works(needed: &str, command: impl FnOnce(&Path) -> Command) {
    let clients = installed();
    if !clients.join(needed).exists() {
        let required = std::env::var_os("CLIENTS").is_some_and(|value| value == "required");
        assert!(!required, "{needed} is missing: run .ci/clients");
        eprintln!("not checked: {needed} is missing; .ci/clients installs it");
        return;
    }
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let key = server.printed[0].rsplit(' ').next().unwrap();
    let url = format!("http://{}", server.address);
    let output = command(&clients).args([&url, key]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{}", server.log());
}

#[test]
fn works_with_the_javascript_client() {
    works("node/node_modules/@qlik/api", |clients| {
        let mut command = Command::new("node");
        command.arg(clients.join("node/qlik-api.mjs"));
        command
    });
}

#[test]
fn works_with_the_python_client() {
    works("python/lib", |clients| {
        let mut command = Command::new(clients.join("python/bin/python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/qlik-sdk.py"));
        command
    });
}
