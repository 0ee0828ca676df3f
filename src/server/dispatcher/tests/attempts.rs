//! Attempts over real sockets: the request that a receiver gets, and the result of its response.

use crate::server::dispatcher::attempt::{Sender, Targets, Times};
use crate::server::service::attempt::Attempt;
use hooksieve::delivery::{Payload, Request, RequestBuilder, Response};
use hooksieve::webhook::{NewWebhook, Rules, Webhook, WebhookDocument};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Reads a request with its body, and writes the response.
fn answer(stream: &mut (impl Read + Write), answer: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    while !bytes.ends_with(b"}") {
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
            _ => break,
        }
    }
    // The sender may have closed the connection already.
    let _ = stream.write_all(answer).and_then(|()| stream.flush());
    String::from_utf8(bytes).unwrap()
}

/// Starts a receiver of one request over HTTP.
fn receiver(response: impl Into<Vec<u8>>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, response) = (listener.local_addr().unwrap(), response.into());
    let served = std::thread::spawn(move || answer(&mut listener.accept().unwrap().0, &response));
    (address, served)
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

/// Returns a sender that may reach receivers on this machine if the rules are in development mode.
fn sender(rules: &Rules, resolved: &[(&str, SocketAddr)], trusted: bool) -> Sender {
    let names: std::collections::HashMap<_, _> =
        resolved.iter().map(|(host, to)| ((*host).to_owned(), *to)).collect();
    let resolved = Arc::new(move |host: &str| names.get(host).copied());
    let targets = Targets { rules: rules.clone(), allowed: Vec::new(), resolved };
    let times = Times { connect: Duration::from_secs(5), whole: Duration::from_secs(20) };
    let authority = CertificateDer::from_pem_file(data("authority.pem")).unwrap();
    Sender::new(targets, times, if trusted { vec![authority] } else { Vec::new() }).unwrap()
}

fn development() -> Rules {
    Rules::default().with_development(true)
}

fn request(url: &str) -> Request {
    let document = json!({
        "name": "n", "url": url, "headers": {"X-Team": "data"}, "encryptedHeaders": {"X-Key": "k"},
    });
    let rules = development();
    let new = NewWebhook::new("w", "u", std::time::UNIX_EPOCH.into());
    let webhook = Webhook::create(&WebhookDocument::from(document), &rules, new).unwrap().webhook;
    let bytes = br#"{"type": "com.example.x", "tenantid": "t"}"#;
    let event = rules.profile().read_event(bytes).unwrap();
    let payload = Payload::new(&event, &bytes[..]);
    RequestBuilder::default().request(&Arc::new(webhook), &payload)
}

async fn post(sender: &Sender, url: &str) -> Result<Response, String> {
    sender.post(&request(url)).await
}

#[tokio::test]
async fn posts_the_body_and_the_headers_once() {
    let (address, served) =
        receiver("HTTP/1.1 202 Accepted\r\nX-Echo: yes\r\nContent-Length: 6\r\n\r\nthanks");
    let url = format!("http://localhost:{}/hook?a=b#never-sent", address.port());
    let answered = post(&sender(&development(), &[], false), &url).await.unwrap();
    assert_eq!((answered.status.as_u16(), &*answered.body), (202, &b"thanks"[..]));
    assert_eq!(answered.headers["x-echo"], "yes");
    let sent = served.join().unwrap();
    assert!(sent.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{sent}");
    for line in
        ["x-team: data", "x-key: k", "content-type: application/json", "user-agent: Qlik Webhook"]
    {
        assert!(sent.to_ascii_lowercase().contains(&line.to_ascii_lowercase()), "{line} in {sent}");
    }
    assert!(sent.ends_with(r#"{"type": "com.example.x", "tenantid": "t"}"#), "{sent}");
}

#[tokio::test]
async fn follows_no_redirects_and_truncates_large_responses() {
    let (inner, untouched) = receiver("HTTP/1.1 200 OK\r\n\r\n");
    let location =
        format!("HTTP/1.1 307 Moved\r\nLocation: http://{inner}/\r\nContent-Length: 0\r\n\r\n");
    let (address, _served) = receiver(location);
    let sender = sender(&development(), &[], false);
    let answered = post(&sender, &format!("http://localhost:{}/", address.port())).await.unwrap();
    assert_eq!(answered.status.as_u16(), 307);
    assert!(!untouched.is_finished());

    let mut large = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n".to_vec();
    large.extend(vec![b'x'; 100_000]);
    let (address, _served) = receiver(large);
    let answered = post(&sender, &format!("http://localhost:{}/", address.port())).await.unwrap();
    assert_eq!((answered.status.as_u16(), answered.body.len()), (200, 16 << 10));
}

#[tokio::test]
async fn returns_the_cause_when_there_is_no_response() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let targets = [("inside.example.com", "10.0.0.1:0".parse().unwrap())];
    let local = sender(&development(), &targets, false);
    let refused = post(&local, &format!("http://localhost:{}/", closed.port())).await.unwrap_err();
    assert!(refused.contains("refused"), "{refused}");
    let private = post(&local, "http://inside.example.com/").await.unwrap_err();
    assert!(private.contains("10.0.0.0/8") && !private.contains("10.0.0.1"), "{private}");
    let (address, _served) = receiver("nonsense\r\n\r\n");
    let broken = post(&local, &format!("http://localhost:{}/", address.port())).await.unwrap_err();
    assert!(!broken.is_empty());

    // A target from development mode is not dialed without it, whether by name or by address.
    let (address, served) = receiver("HTTP/1.1 200 OK\r\n\r\n");
    let strict = sender(&Rules::default(), &[], false);
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("http://{host}:{}/", address.port());
        let error = post(&strict, &url).await.unwrap_err();
        assert!(error.contains("127.0.0.0/8") || error.contains("::1/128"), "{host}: {error}");
    }
    assert!(!served.is_finished());
}

#[tokio::test]
async fn fails_after_the_time_limit() {
    // The kernel accepts the connection; no response is ever written.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let targets =
        Targets { rules: development(), allowed: Vec::new(), resolved: Arc::new(|_| None) };
    let times = Times { connect: Duration::from_secs(5), whole: Duration::from_millis(200) };
    let sender = Sender::new(targets, times, Vec::new()).unwrap();
    let late = post(&sender, &format!("http://localhost:{}/", address.port())).await.unwrap_err();
    assert_eq!(late, "no complete response within 200 ms");
}

#[tokio::test]
async fn trusts_only_known_authorities_and_matching_hosts() {
    let chain = vec![CertificateDer::from_pem_file(data("receiver.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(data("receiver.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(tls, stream);
            answer(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    let hosts = [("receiver.example.com", address), ("other.example.com", address)];
    let (trusting, wary) =
        (sender(&development(), &hosts, true), sender(&development(), &hosts, false));
    let answered = post(&trusting, "https://receiver.example.com/").await.unwrap();
    assert_eq!(answered.status.as_u16(), 204);
    for (sender, host) in [(&trusting, "other"), (&wary, "receiver")] {
        let error = post(sender, &format!("https://{host}.example.com/")).await.unwrap_err();
        assert!(error.contains("certificate"), "{error}");
    }
}
