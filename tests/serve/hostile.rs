//! Hostile clients: each occupies a connection for a while and delays no other client.

use crate::HOOKS;
use crate::client::{Answer, Client, document};
use crate::process::{Folder, Server, eventually};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn started(more: &[&str]) -> (Folder, Server, Client) {
    let folder = Folder::new();
    let server = Server::start(&folder, more);
    let client = server.client(server.printed[0].rsplit(' ').next().unwrap());
    (folder, server, client)
}

/// Waits until the server closes a connection, and returns what it sent before.
fn ended(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset also counts as closed.
    if let Err(error) = stream.read_to_end(&mut bytes) {
        let kind = error.kind();
        let waits = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
        assert!(!waits.contains(&kind), "the server did not close the connection in a minute");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn closes_connections_with_incomplete_headers() {
    let (_folder, _server, client) = started(&["--header-timeout", "300ms"]);
    let mut silent = client.connect();
    let mut slow = client.connect();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
    let mut idle = client.connect();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    client.get("/livez").is(200);
    assert!(!ended(&mut silent).contains("200 OK"));
    assert!(!ended(&mut slow).contains("200 OK"));
    let idle = ended(&mut idle);
    assert_eq!(idle.matches("200 OK").count(), 1, "answered once, then closed as idle");
}

#[test]
fn fails_requests_with_incomplete_bodies() {
    let (_folder, _server, client) = started(&["--body-timeout", "300ms"]);
    let more = "Content-Type: application/json\r\nContent-Length: 100\r\n";
    let mut slow = client.connect();
    slow.write_all(client.head("POST", HOOKS, more).as_bytes()).unwrap();
    slow.write_all(b"{").unwrap();
    Answer::read(&mut slow).unwrap().refused(408, &["body-too-slow"]);

    // A body that ends before its declared length.
    let mut short = client.connect();
    short.write_all(client.head("POST", HOOKS, more).as_bytes()).unwrap();
    short.write_all(b"{}").unwrap();
    short.shutdown(std::net::Shutdown::Write).unwrap();
    let text = ended(&mut short);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 400"), "{text}");
    assert!(client.all(HOOKS).is_empty());
}

#[test]
fn refuses_requests_with_invalid_framing() {
    let (_folder, server, client) = started(&[]);
    let key = server.printed[0].rsplit(' ').next().unwrap();
    let post = format!("POST {HOOKS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n");
    let many: String = (0..200).map(|n| format!("X-{n}: a\r\n")).collect();
    for request in [
        format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        format!("{post}Content-Length: -1\r\n\r\n"),
        format!("{post}Content-Length: 99999999999999999999\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
        format!("GET /livez HTTP/1.1\r\n{many}\r\n"),
        format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(100_000)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)),
        "GET /livez HTTP/9.9\r\n\r\n".to_owned(),
        "\0\r\n\r\n".to_owned(),
        "GET /livez\x01 HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let mut stream = client.connect();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let text = ended(&mut stream);
        let line = text.lines().next().unwrap_or_default();
        assert!(line.is_empty() || line.starts_with("HTTP/1.1 4"), "{line} to {:.80}", request);
    }
    client.get("/livez").is(200);
    assert!(client.all(HOOKS).is_empty());
}

/// A second request after one with two framings could be smuggled past a proxy.
#[test]
fn answers_no_request_inside_a_body() {
    let (_folder, _server, client) = started(&[]);
    let hidden = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = hidden.len() + 5;
    let head = "POST /livez HTTP/1.1\r\nHost: x\r\n";
    let both = format!(
        "{head}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
    );
    let mut stream = client.connect();
    stream.write_all(both.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let text = ended(&mut stream);
    assert!(!text.contains("200 OK"), "{text}");
}

#[test]
fn answers_while_many_connections_are_idle() {
    let (_folder, _server, client) = started(&[]);
    // Each connection takes two file descriptors, because this process has both ends.
    let idle: Vec<_> = (0..400).map(|_| client.connect()).collect();
    let began = Instant::now();
    for _ in 0..20 {
        client.create(&document("w", "tenant"));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "idle connections delay no request");
    drop(idle);
}

#[test]
fn accepts_connections_after_idle_ones_end() {
    let more = ["--max-connections", "8", "--header-timeout", "500ms"];
    let (_folder, server, client) = started(&more);
    let mut idle: Vec<_> = (0..8).map(|_| client.connect()).collect();
    // The new connection is accepted when an idle one has ended.
    client.get("/livez").is(200);
    idle.iter_mut().for_each(|stream| drop(ended(stream)));
    assert!(!server.log().contains("panicked"));
}

#[test]
fn closes_connections_that_read_no_responses() {
    let (_folder, server, client) =
        started(&["--body-timeout", "500ms", "--tier1-per-minute", "0"]);
    let mut greedy = client.connect();
    // Requests the same large response without reading it, until the server stops reading.
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    greedy.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    for _ in 0..2000 {
        if greedy.write_all(request).is_err() {
            break;
        }
    }
    // The server closes the connection while the client is still there: every write fails.
    eventually(|| match greedy.write_all(request) {
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
            ) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    });
    client.get("/livez").is(200);
    drop(server);
}

/// A caller whose role forbids the operation is refused before the body arrives.
#[test]
fn refuses_a_role_before_the_body() {
    let folder = Folder::new();
    let file = folder.path("keys.toml");
    let producer = crate::process::key(&file, "north", "me", "producer");
    let server = Server::start(&folder, &["--keys", &file, "--body-timeout", "60s"]);
    let client = server.client(&producer);
    let more = "Content-Type: application/json\r\nContent-Length: 1000000\r\n";
    let mut stream = client.connect();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(client.head("POST", HOOKS, more).as_bytes()).unwrap();
    let answer = Answer::read(&mut stream).expect("a response before the body");
    answer.refused(403, &["forbidden"]);
}
