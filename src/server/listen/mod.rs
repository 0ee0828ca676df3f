//! A receiver for development: `hooksieve listen`.
//!
//! It answers every request and shows what arrived, with the verdicts on its signatures. The verb
//! prints; this module receives, verifies and remembers.
//!
//! ```text
//! connection ──▶ body: 1 MiB, 10 s ──▶ check ──▶ number, earlier? ──▶ queue ──▶ show, in order
//!                                                                      └──▶ delay ──▶ response
//! ```
//!
//! Everything is bounded: connections and headers by the [listener](crate::server::listener), the body here,
//! the queue by its length, and the ids that are remembered by their number. A terminal that does
//! not scroll therefore delays the senders, and costs no memory.

mod check;
mod layout;
mod mistakes;
#[cfg(test)]
mod tests;

use crate::server::ServeError;
use crate::server::ambient::Ambient;
use crate::server::listener::{Limits, Listener};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use check::Secret;
pub(crate) use check::{Signatures, Verdict};
use hooksieve::webhook::Timestamp;
use http_body_util::{BodyExt, Limited};
pub(crate) use layout::{Layout, lay_out};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The maximum number of bytes of a body.
const MAX_BODY: usize = 1 << 20;

/// The time limit for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The maximum number of requests that wait to be shown.
const QUEUE: usize = 16;

/// The number of message ids that are remembered.
const REMEMBERED: usize = 10_000;

/// The status of the requests that are made to fail.
const FAILURE: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

const LIMITS: Limits = Limits {
    connections: 256,
    header: 64 << 10,
    header_time: Duration::from_secs(10),
    write_time: Duration::from_secs(10),
};

/// What a receiver does.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The address on which it listens.
    pub(crate) listen: SocketAddr,
    /// The secret with which signatures are verified.
    pub(crate) secret: Option<String>,
    /// The status of responses.
    pub(crate) status: u16,
    /// The time before a response.
    pub(crate) delay: Duration,
    /// The number of requests that are answered with an error before others succeed.
    pub(crate) fail_first: u64,
}

/// What a receiver shows.
pub(crate) enum Shown {
    /// It is ready, at this address.
    Listening(SocketAddr),
    /// A request arrived.
    Received(Box<Received>),
}

/// A request that arrived.
pub(crate) struct Received {
    /// Its number, counted from 1.
    pub(crate) number: u64,
    /// When its body was complete.
    pub(crate) at: Timestamp,
    pub(crate) method: String,
    /// The path with the query.
    pub(crate) path: String,
    /// The names and values of the headers; bytes that are not UTF-8 are replaced.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, or why it was not read.
    pub(crate) body: Result<Bytes, &'static str>,
    /// The results of verification, if the body was read.
    pub(crate) signatures: Option<Signatures>,
    /// The last request with the same message id.
    pub(crate) earlier: Option<Earlier>,
    /// The status of the response.
    pub(crate) status: u16,
}

/// A request that had the same message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) number: u64,
    pub(crate) status: u16,
}

impl Earlier {
    /// Returns whether the message had been accepted already, so that this one is a duplicate and
    /// not a retry.
    pub(crate) fn was_accepted(self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Receives requests and shows them, one at a time, until `show` fails. Blocks the calling thread.
///
/// # Errors
///
/// Returns an error if the address cannot be used, or, as [`ServeError::Io`], the error of `show`.
pub(crate) fn run(
    options: Options,
    ambient: Ambient,
    mut show: impl FnMut(Shown) -> io::Result<()>,
) -> Result<(), ServeError> {
    let listen = options.listen;
    let named =
        |error: io::Error| ServeError::Named(format!("--listen {listen}"), error.to_string());
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().map_err(named)?;
    let shown = runtime.block_on(async {
        let socket = TcpListener::bind(listen).await.map_err(named)?;
        let address = socket.local_addr().map_err(named)?;
        // The socket already queues connections, so a program that reads this may connect at once.
        show(Shown::Listening(address))?;
        let (sender, mut received) = mpsc::channel(QUEUE);
        let secret = options.secret.as_deref().map(Secret::new);
        let receiver = Receiver { options, secret, ambient, sender, seen: Mutex::default() };
        let router = Router::new().fallback(receive).with_state(Arc::new(receiver));
        let listener = Listener::new(socket, None, router, LIMITS);
        tokio::spawn(async { listener.serve(std::future::pending()).await.await });
        // On this thread, which serves no connections, so that a blocked terminal blocks none.
        while let Some(request) = received.recv().await {
            show(Shown::Received(request))?;
        }
        Ok(())
    });
    runtime.shutdown_background();
    shown
}

/// What the handler of requests needs.
struct Receiver {
    options: Options,
    secret: Option<Secret>,
    ambient: Ambient,
    sender: mpsc::Sender<Box<Received>>,
    seen: Mutex<Seen>,
}

/// The requests so far.
#[derive(Default)]
struct Seen {
    count: u64,
    by_id: HashMap<String, Earlier>,
    /// The ids in `by_id`, the oldest one first.
    ids: VecDeque<String>,
}

impl Seen {
    /// Remembers the answer to a message, and returns that of the last request with its id.
    fn remember(&mut self, id: &str, now: Earlier) -> Option<Earlier> {
        if let Some(known) = self.by_id.get_mut(id) {
            let before = *known;
            // A failed retry after a success does not make the message unknown.
            if !before.was_accepted() {
                *known = now;
            }
            return Some(before);
        }
        if self.ids.len() == REMEMBERED
            && let Some(oldest) = self.ids.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.ids.push_back(id.to_owned());
        self.by_id.insert(id.to_owned(), now);
        None
    }
}

/// Reads a body, or returns the status of the response and the reason.
async fn read(body: Body) -> Result<Bytes, (StatusCode, &'static str)> {
    match tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        // If the connection ended, no client is left to answer.
        Ok(Err(_)) => {
            let why = "the body is longer than 1 MiB or incomplete";
            Err((StatusCode::PAYLOAD_TOO_LARGE, why))
        }
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s")),
    }
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let body = read(body).await;
    let at = receiver.ambient.now();
    let check = |body: &Bytes| check::check(&head.headers, body, receiver.secret.as_ref(), at);
    let signatures = body.as_ref().ok().map(check);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = head.headers.iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
    let id = head.headers.get("webhook-id").map(|id| text(id.as_bytes()));
    // Before the number is taken, so that requests are shown in the order of their numbers.
    let Ok(permit) = receiver.sender.reserve().await else { return FAILURE };
    let status = {
        let mut seen = receiver.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.count += 1;
        let number = seen.count;
        let status = match body {
            Ok(_) => receiver.answer(number),
            Err((status, _)) => status,
        };
        let now = Earlier { number, status: status.as_u16() };
        let earlier = id.and_then(|id| seen.remember(&id, now));
        permit.send(Box::new(Received {
            number,
            at,
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers,
            body: body.map_err(|(_, why)| why),
            signatures,
            earlier,
            status: status.as_u16(),
        }));
        status
    };
    tokio::time::sleep(receiver.options.delay).await;
    status
}

impl Receiver {
    /// Returns the status of the response to a request.
    fn answer(&self, number: u64) -> StatusCode {
        if number <= self.options.fail_first {
            return FAILURE;
        }
        // The verb accepts only numbers that are a status.
        StatusCode::from_u16(self.options.status).unwrap_or(StatusCode::OK)
    }
}
