//! A bare receiver that notes when each event arrives first.

use crate::load::START;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The path at which requests are never answered.
pub const HANGING: &str = "/hanging";

/// What has arrived.
pub struct Arrivals {
    start: Instant,
    /// For each event, the nanoseconds from the start to its first arrival; 0 is none.
    first: Vec<AtomicU64>,
    /// The number of requests.
    count: AtomicUsize,
    /// The nanoseconds from the start to the last request.
    last: AtomicU64,
}

impl Arrivals {
    fn note(&self, body: &[u8]) {
        let nanos = self.start.elapsed().as_nanos() as u64;
        let number = body.get(START.len()..START.len() + 8);
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let number: usize = number.expect("the body is an event of the bench");
        let first = &self.first[number];
        // A later arrival of the same event does not replace it.
        let _ = first.compare_exchange(0, nanos, Ordering::Relaxed, Ordering::Relaxed);
        self.last.fetch_max(nanos, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns when an event arrived first.
    pub fn first(&self, number: usize) -> Option<Instant> {
        let nanos = self.first[number].load(Ordering::Relaxed);
        (nanos > 0).then(|| self.start + Duration::from_nanos(nanos))
    }

    /// Returns when the last request arrived.
    pub fn last(&self) -> Instant {
        self.start + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }

    /// Waits until a condition holds, for two minutes, and returns whether it does.
    pub async fn wait(&self, holds: impl Fn(&Self) -> bool) -> bool {
        let limit = Instant::now() + Duration::from_secs(120);
        while !holds(self) {
            if Instant::now() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }
}

/// Starts a receiver for events with numbers below `events`.
pub async fn start(events: usize) -> (SocketAddr, Arc<Arrivals>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    let arrivals = Arc::new(Arrivals {
        start: Instant::now(),
        first: std::iter::repeat_with(AtomicU64::default).take(events).collect(),
        count: AtomicUsize::new(0),
        last: AtomicU64::new(0),
    });
    let noting = Arc::clone(&arrivals);
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.expect("a descriptor is free");
            stream.set_nodelay(true).expect("the connection is open");
            let arrivals = Arc::clone(&noting);
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&arrivals, request));
                // It ends with an error if the server is killed.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, arrivals)
}

async fn answer(
    arrivals: &Arrivals,
    request: hyper::Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let hangs = request.uri().path() == HANGING;
    if let Ok(body) = request.into_body().collect().await {
        if hangs {
            std::future::pending::<()>().await;
        }
        arrivals.note(&body.to_bytes());
    }
    Ok(Response::new(Empty::new()))
}
