//! Messages over real sockets to receivers with TLS that behave badly.

use super::stage::{Stage, World, policy};
use crate::server::ambient::Ambient;
use crate::server::dispatcher::attempt::{Sender, Targets, Times};
use crate::server::store::contract::outbox::Outcome;
use bytes::Bytes;
use hooksieve::delivery::MessageId;
use hooksieve::webhook::{Rules, WebhookId};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// An authority, and the addresses of its receivers by host.
struct Network {
    authority: CertifiedIssuer<'static, KeyPair>,
    hosts: Arc<Mutex<HashMap<String, SocketAddr>>>,
    rules: Rules,
}

/// A time limit that no attempt reaches.
const LONG: Duration = Duration::from_secs(60);

type Stream = TlsStream<TcpStream>;

impl Network {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            authority: CertifiedIssuer::self_signed(params, key).unwrap(),
            hosts: Arc::default(),
            rules: Rules::default().with_development(true),
        }
    }

    /// Starts a receiver for a host. Each connection is handled in a task.
    async fn receiver<F>(
        &self,
        host: &str,
        protocols: &[&[u8]],
        handle: impl Fn(Stream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        self.hosts.lock().unwrap().insert(host.to_owned(), address);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(handle(stream));
                }
            }
        });
    }

    /// Starts a receiver that reads one request of each connection and writes bytes.
    async fn raw(&self, host: &str, response: &'static [u8]) {
        let handle = move |mut stream: Stream| async move {
            read(&mut stream).await;
            let _ = stream.write_all(response).await;
            let _ = stream.shutdown().await;
        };
        self.receiver(host, &[], handle).await;
    }

    fn sender(&self, whole: Duration) -> Sender {
        let hosts = Arc::clone(&self.hosts);
        let resolved = Arc::new(move |host: &str| hosts.lock().unwrap().get(host).copied());
        let targets = Targets { rules: self.rules.clone(), allowed: Vec::new(), resolved };
        let times = Times { connect: Duration::from_secs(5), whole };
        Sender::new(targets, times, vec![self.authority.der().clone()]).unwrap()
    }
}

/// Reads a request; returns its head, or `None` at the end of the connection.
async fn read(stream: &mut Stream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return None,
        }
    }
    Some(String::from_utf8(bytes).unwrap())
}

/// Starts a server that sends over the network, with a quick schedule.
async fn start(network: &Network, whole: Duration) -> Stage {
    let mut policy = policy();
    policy.schedule = crate::server::dispatcher::schedule::Schedule::new(vec![
        Duration::from_millis(20),
        Duration::from_secs(2),
    ]);
    policy.health.park_after = 1_000;
    let world = World::new(policy, 31);
    let store = Arc::clone(&world.store);
    let sender = Arc::new(network.sender(whole));
    Stage::sending(&world, store, Ambient::machine(), sender).await
}

/// Creates a webhook for a host and sends it an event.
async fn send(stage: &Stage, host: &str) -> (WebhookId, MessageId) {
    let webhook = stage.webhook("t").await;
    stage.patch("t", &webhook, "/url", json!(format!("https://{host}/"))).await;
    let messages = stage.accept("t", &[&webhook]).await;
    (webhook, messages[0].clone())
}

/// Waits until a message has ended, and returns the outcome and the documents of its attempts.
async fn ended(stage: &Stage, (webhook, id): &(WebhookId, MessageId)) -> (Outcome, Vec<Value>) {
    loop {
        if let Some(outcome) = stage.message("t", id).await.outcome {
            let rows = stage.attempts("t", webhook, id).await;
            let read = |row: &crate::server::store::contract::DeliveryRow| {
                serde_json::from_slice(&row.document).unwrap()
            };
            return (outcome, rows.iter().map(read).collect());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn delivers_beside_receivers_that_behave_badly() {
    let network = Network::new();
    let reset = |mut stream: Stream| async move {
        read(&mut stream).await;
        // The end of the connection in the middle of TLS is an error for the other end.
        drop(stream.get_mut().0.set_zero_linger());
    };
    network.receiver("resets.example.com", &[], reset).await;
    let slow = |mut stream: Stream| async move {
        read(&mut stream).await;
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let _ = stream.write_all(&[*byte]).await;
        }
    };
    network.receiver("slow.example.com", &[], slow).await;
    let endless_head = |mut stream: Stream| async move {
        read(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-More: and more and more and more\r\n").await.is_ok() {}
    };
    network.receiver("heads.example.com", &[], endless_head).await;
    let endless_body = |mut stream: Stream| async move {
        read(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        while stream.write_all(b"10\r\n0123456789abcdef\r\n").await.is_ok() {}
    };
    network.receiver("bodies.example.com", &[], endless_body).await;
    let moved =
        b"HTTP/1.1 307 Moved\r\nLocation: https://good.example.com/\r\nContent-Length: 0\r\n\r\n";
    network.raw("redirects.example.com", moved).await;
    network.raw("fails.example.com", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await;
    network.raw("nonsense.example.com", b"\x00\x01nonsense\r\n\r\n").await;
    network.raw("good.example.com", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let stage = start(&network, LONG).await;

    let mut sent = Vec::new();
    for (host, outcome, attempts) in [
        ("resets", Outcome::Failed, 3),
        ("slow", Outcome::Delivered, 1),
        ("heads", Outcome::Failed, 3),
        ("bodies", Outcome::Delivered, 1),
        ("redirects", Outcome::Failed, 3),
        ("fails", Outcome::Failed, 3),
        ("nonsense", Outcome::Failed, 3),
        ("good", Outcome::Delivered, 1),
    ] {
        sent.push((send(&stage, &format!("{host}.example.com")).await, host, outcome, attempts));
    }
    for (sent, host, outcome, attempts) in sent {
        let (found, documents) = ended(&stage, &sent).await;
        assert_eq!((found, documents.len()), (outcome, attempts), "{host}: {documents:?}");
        for document in &documents {
            let response = &document["response"];
            let message = document["statusMessage"].as_str().unwrap_or("");
            assert!(response.is_object() || !message.is_empty(), "{host}");
            let body = response["body"].as_str().unwrap_or("");
            assert!(body.len() <= 16 << 10, "{host}: {}", body.len());
        }
        let code = documents[0]["response"]["statusCode"].as_u64();
        match host {
            "redirects" => assert_eq!(code, Some(307)),
            "fails" => assert_eq!(code, Some(500)),
            "bodies" => {
                assert_eq!(documents[0]["response"]["body"].as_str().unwrap().len(), 16 << 10)
            }
            "resets" | "heads" | "nonsense" => assert_eq!(code, None, "{host}"),
            _ => assert_eq!(code, Some(200)),
        }
    }
}

#[tokio::test]
async fn ends_attempts_to_receivers_that_hang() {
    let network = Network::new();
    let hang = |mut stream: Stream| async move {
        read(&mut stream).await;
        std::future::pending::<()>().await;
    };
    network.receiver("hangs.example.com", &[], hang).await;
    let stage = start(&network, Duration::from_millis(200)).await;
    let (outcome, documents) = ended(&stage, &send(&stage, "hangs.example.com").await).await;
    assert_eq!((outcome, documents.len()), (Outcome::Failed, 3));
    assert_eq!(documents[2]["statusMessage"], "no complete response within 200 ms");
}

#[tokio::test]
async fn follows_what_receivers_ask_for() {
    let network = Network::new();
    let count = Arc::new(AtomicUsize::new(0));
    let busy = move |mut stream: Stream| {
        let count = Arc::clone(&count);
        async move {
            read(&mut stream).await;
            let response: &[u8] = match count.fetch_add(1, Ordering::SeqCst) {
                0 => b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
                _ => b"HTTP/1.1 204 No Content\r\n\r\n",
            };
            let _ = stream.write_all(response).await;
            let _ = stream.shutdown().await;
        }
    };
    network.receiver("busy.example.com", &[], busy).await;
    network.raw("gone.example.com", b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").await;
    let stage = start(&network, LONG).await;
    let (busy, gone) =
        (send(&stage, "busy.example.com").await, send(&stage, "gone.example.com").await);
    let (outcome, documents) = ended(&stage, &busy).await;
    assert_eq!((outcome, documents.len()), (Outcome::Delivered, 2));
    let (outcome, documents) = ended(&stage, &gone).await;
    assert_eq!((outcome, documents.len()), (Outcome::Failed, 1));
    while stage.shown("t", &gone.0).await["disabledReasonCode"] != "delivery-failures" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A connection is used for the next request, also one of another webhook of the host. After the name
/// has changed to a private address, a new connection is refused.
#[tokio::test]
async fn reuses_connections_and_checks_the_address_of_new_ones() {
    let network = Network::new();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let handle = move |mut stream: Stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            while read(&mut stream).await.is_some() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    };
    network.receiver("changes.example.com", &[b"http/1.1"], handle).await;
    let stage = start(&network, LONG).await;
    for _ in 0..3 {
        let sent = send(&stage, "changes.example.com").await;
        assert_eq!(ended(&stage, &sent).await.0, Outcome::Delivered);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    network
        .hosts
        .lock()
        .unwrap()
        .insert("changes.example.com".to_owned(), "10.0.0.1:443".parse().unwrap());
    // The connection that is not used is closed after some seconds.
    tokio::time::sleep(crate::server::dispatcher::attempt::IDLE + Duration::from_secs(1)).await;
    let (outcome, documents) = ended(&stage, &send(&stage, "changes.example.com").await).await;
    assert_eq!(outcome, Outcome::Failed);
    let message = documents[0]["statusMessage"].as_str().unwrap();
    assert!(message.contains("10.0.0.0/8") && !message.contains("10.0.0.1"), "{message}");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn speaks_http2_over_one_connection() {
    let network = Network::new();
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (Arc::clone(&connections), Arc::clone(&requests));
    let handle = move |stream: Stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        let seen = Arc::clone(&seen);
        async move {
            let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
                let seen = Arc::clone(&seen);
                async move {
                    assert_eq!(request.version(), hyper::Version::HTTP_2);
                    assert!(!request.into_body().collect().await.unwrap().to_bytes().is_empty());
                    seen.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from("thanks"))))
                }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        }
    };
    network.receiver("two.example.com", &[b"h2", b"http/1.1"], handle).await;
    let stage = start(&network, LONG).await;
    let first = send(&stage, "two.example.com").await;
    assert_eq!(ended(&stage, &first).await.0, Outcome::Delivered);
    let mut sent = Vec::new();
    for _ in 0..20 {
        sent.push(send(&stage, "two.example.com").await);
    }
    for sent in &sent {
        let (outcome, documents) = ended(&stage, sent).await;
        assert_eq!(outcome, Outcome::Delivered);
        assert_eq!(documents[0]["response"]["body"], "thanks");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 21);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
