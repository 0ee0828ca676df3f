//! The settings, and the errors that a start reports.

use crate::process::{Folder, Server, program, run};
use std::process::Command;

#[track_caller]
fn refused(mut command: Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn reports_every_invalid_setting_at_the_start() {
    let folder = Folder::new();
    let (data, file) = (folder.path("data"), folder.path("serve.toml"));
    std::fs::write(&file, "max-connections = \"many\"\n").unwrap();
    let mut command = program(&["serve", "--data", &data, "--config", &file, "--listen", "here"]);
    command.env("HOOKSIEVE_LOG_FORMAT", "xml");
    refused(
        command,
        &["--listen: `here`", "HOOKSIEVE_LOG_FORMAT: `xml`", "max-connections: `many`"],
    );
    assert!(!std::path::Path::new(&data).exists(), "no directory was created");
}

#[test]
fn names_files_and_addresses_that_cannot_be_used() {
    let folder = Folder::new();
    let (data, none) = (folder.path("data"), folder.path("none"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
    for (more, parts) in [
        (&["--keys", &none][..], &["--keys", "key new"][..]),
        (&["--catalogue", &none], &[&*none]),
        (&["--ca-file", &none], &[&*none]),
        (&["--tls-cert", &none, "--tls-key", &none], &[&*none]),
        (&["--config", &none], &[&*none]),
        (&["--resolve", "a=127.0.0.1"], &["--dev"]),
    ] {
        refused(program(&[&serve[..], more].concat()), parts);
    }
    refused(program(&["serve", "--data", &data, "--listen", "0.0.0.0:0"]), &["--behind-proxy"]);
    std::fs::write(&none, "").unwrap();
    refused(program(&["serve", "--data", &none]), &[&none]);
    let server = Server::start(&folder, &[]);
    let taken = ["serve", "--data", &folder.path("other"), "--listen", &server.address];
    let output = program(&taken).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("--listen"), "{text}");
}

#[test]
fn prints_a_file_with_the_same_meaning() {
    let folder = Folder::new();
    let file = folder.path("serve.toml");
    let allow = ["--allow-target", "10.0.0.0/8", "--allow-target", "fd00::/8"];
    let mut command = program(&["serve", "--print-config", "--max-connections", "7"]);
    command.args(allow).env("HOOKSIEVE_DEV", "true");
    let printed = command.output().unwrap().stdout;
    std::fs::write(&file, &printed).unwrap();
    let again = run(&["serve", "--print-config", "--config", &file]).stdout;
    let settings = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(settings(&again), settings(&printed));
    let text = String::from_utf8(printed).unwrap();
    assert!(text.contains("max-connections = 7") && text.contains("dev = true"), "{text}");
    assert!(text.contains(r#"allow-target = ["10.0.0.0/8", "fd00::/8"]"#), "{text}");
    assert!(text.contains("(HOOKSIEVE_DEV)") && text.contains("(--max-connections)"), "{text}");
}

/// A response over HTTPS. The printed address and the links start with `https`.
#[test]
fn serves_https_with_a_certificate() {
    use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
    let folder = Folder::new();
    let data = |name: &str| format!("{}/tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let (certificate, key) = (data("receiver.pem"), data("receiver.key.pem"));
    let server = Server::start(&folder, &["--tls-cert", &certificate, "--tls-key", &key]);
    let token = server.printed[0].rsplit(' ').next().unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data("authority.pem")).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = rustls::ClientConnection::new(config.into(), name).unwrap();
    let socket = std::net::TcpStream::connect(&server.address).unwrap();
    let mut stream = rustls::StreamOwned::new(tls, socket);
    let head = server.client(token).head("GET", crate::HOOKS, "");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut text = String::new();
    // A connection that ends without a TLS close is acceptable here.
    let _ = std::io::Read::read_to_string(&mut stream, &mut text);
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(text.contains(&format!("https://{}{}", server.address, crate::HOOKS)), "{text}");

    // A plain HTTP request on that port gets no response.
    let mut plain = std::net::TcpStream::connect(&server.address).unwrap();
    std::io::Write::write_all(&mut plain, head.as_bytes()).unwrap();
    let mut text = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut text);
    assert!(!String::from_utf8_lossy(&text).contains("200 OK"));
}

#[test]
fn writes_the_log_as_json_to_standard_error() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--log-format", "json"]);
    let answer = server.client("").get(crate::HOOKS).is(401);
    let trace = answer.json()["traceId"].as_str().unwrap().to_owned();
    let line = crate::process::eventually(|| {
        let log = server.log();
        let found = log.lines().find(|line| line.contains(&trace)).map(str::to_owned);
        found.ok_or("not logged yet")
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["status"], &line["code"]), (&401.into(), &"unauthorized".into()));
    assert_eq!(line["route"], crate::HOOKS);
}
