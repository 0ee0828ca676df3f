//! Events, and connections that send them.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub const EVENTS: &str = "/api/v1/events";
pub const HOOKS: &str = "/api/v1/webhooks";
pub const TYPE: &str = "com.qlik.v1.app.created";

/// The size of an event: that of a usual one of the vendor.
const SIZE: usize = 807;

/// What is before the number of an event. The receiver looks for the number there.
pub const START: &str = r#"{"specversion":"1.0","id":"e"#;

/// Returns the event with this number, about a resource.
pub fn event(number: usize, resource: usize) -> Bytes {
    let text = format!(
        r#"{START}{number:08}","source":"com.qlik/bench","type":"{TYPE}","tenantid":"default","datacontenttype":"application/json","data":{{"id":"r{resource}","name":""#
    );
    let padding = "x".repeat(SIZE.saturating_sub(text.len() + 3));
    format!("{text}{padding}\"}}}}").into()
}

/// A connection that is kept open.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    authorization: String,
}

impl Connection {
    pub async fn open(address: SocketAddr, key: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("the connection is open");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(async {
            // It ends with an error if the server is killed.
            let _ = connection.await;
        });
        Self { sender, address, authorization: format!("Bearer {key}") }
    }

    /// Sends a request, and returns the response; `None` if the server ended before it.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Option<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", self.address.to_string())
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json")
            .body(Full::new(body))
            .expect("a valid request");
        // The response before may have been read while the connection still waits for its end.
        self.sender.ready().await.ok()?;
        let response = self.sender.send_request(request).await.ok()?;
        let status = response.status();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, body))
    }
}

/// Creates webhooks: the one with number `n` wants the events about resource `n`.
pub async fn webhooks(address: SocketAddr, key: &str, receiver: SocketAddr, count: usize) {
    let document = move |number: usize| webhook(receiver, number, &format!(r#"id eq "r{number}""#));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..8.min(count) {
        let (next, mut connection) = (Arc::clone(&next), Connection::open(address, key).await);
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                let body = document(number).to_string().into();
                let (status, body) = connection.send("POST", HOOKS, body).await.expect("it runs");
                assert_eq!(status, 201, "{body:?}");
            }
        });
    }
    tasks.join_all().await;
}

/// Returns the document of a webhook, whose target shows its number.
pub fn webhook(receiver: SocketAddr, number: usize, filter: &str) -> serde_json::Value {
    serde_json::json!({
        "name": format!("w{number}"), "url": format!("http://{receiver}/{number}"),
        "enabled": true, "eventTypes": [TYPE], "filter": filter,
        "secret": "0123456789abcdef0123456789abcdef",
    })
}

/// When a flood ends.
#[derive(Clone, Copy)]
pub enum Until {
    Events(usize),
    After(Duration),
}

/// What a flood did.
pub struct Flood {
    /// The numbers of the events that were accepted.
    pub accepted: Vec<usize>,
    pub seconds: f64,
}

impl Flood {
    pub fn per_second(&self) -> f64 {
        self.accepted.len() as f64 / self.seconds
    }
}

/// Sends events on some connections, on each the next one when the last one is answered. The events
/// have numbers from `first` on.
pub async fn flood(
    (address, key): (SocketAddr, &str),
    connections: usize,
    until: Until,
    event: fn(usize) -> Bytes,
) -> Flood {
    let next = Arc::new(AtomicUsize::new(0));
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(address, key).await);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in opened {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            let mut accepted = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let is_over = match until {
                    Until::Events(count) => number >= count,
                    Until::After(time) => start.elapsed() >= time,
                };
                if is_over {
                    return accepted;
                }
                match connection.send("POST", EVENTS, event(number)).await {
                    Some((StatusCode::ACCEPTED, _)) => accepted.push(number),
                    Some((status, body)) => panic!("{status}: {body:?}"),
                    // The server was killed.
                    None => return accepted,
                }
            }
        });
    }
    let accepted = tasks.join_all().await.concat();
    Flood { accepted, seconds: start.elapsed().as_secs_f64() }
}

/// Sends events at a rate, without waiting for the responses. Returns for each event when it was
/// answered.
pub async fn steadily(
    (address, key): (SocketAddr, &str),
    rate: u32,
    count: usize,
    event: impl Fn(usize) -> Bytes,
) -> Vec<Instant> {
    const CONNECTIONS: usize = 16;
    let (give, mut take) = tokio::sync::mpsc::channel(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(address, key).await;
        give.send(connection).await.expect("there is room");
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut tasks = Vec::new();
    for number in 0..count {
        ticks.tick().await;
        let mut connection = take.recv().await.expect("`give` is open");
        let (give, body) = (give.clone(), event(number));
        tasks.push(tokio::spawn(async move {
            let sent = connection.send("POST", EVENTS, body).await;
            let answered = Instant::now();
            assert_eq!(sent.map(|(status, _)| status), Some(StatusCode::ACCEPTED));
            // After the last event, no connection is needed.
            let _ = give.send(connection).await;
            answered
        }));
    }
    let mut answered = Vec::new();
    for task in tasks {
        answered.push(task.await.expect("it does not panic"));
    }
    answered
}
