//! Accepts connections up to a limit, bounds their headers and times, and drains them at the stop.
//!
//! A slow client occupies its own connection and nothing else. A connection ends after a time-out
//! if its headers do not arrive, if it is idle, or if the client does not read the response. At the
//! limit of open connections no more are accepted until one ends; the kernel queues the others.
//!
//! ```text
//!            permit        TLS: 10 s      headers, idle      body        response
//! accept ──▶ wait here ──▶ handshake ──▶ header-timeout ──▶ the API ──▶ body-timeout
//!    ▲        no permit:                  (hyper)                        (Patient)
//!    └─ stop  not accepted
//! ```
//!
//! A permit is taken *before* a connection is accepted. Accepting first and closing at the limit
//! would answer a flood with work, and a client that could have waited with an error.
//!
//! At the stop the socket is closed, so that another process may listen; idle connections end, and
//! the others after the response that they wait for.

use super::config::Config;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// The time limit of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The maximum number of headers of a request.
const MAX_HEADERS: usize = 64;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The maximum number of open connections.
    pub(super) connections: usize,
    /// The maximum size of a request's line and headers in bytes.
    pub(super) header: usize,
    /// The time limit for headers to arrive.
    pub(super) header_time: Duration,
    /// The time limit for a client to take bytes of a response.
    pub(super) write_time: Duration,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            connections: config.max_connections,
            header: config.max_header,
            header_time: config.header_time,
            write_time: config.bounds.body_time,
        }
    }
}

/// Serves a router on a socket.
pub(super) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    http: http1::Builder,
    router: Router,
    free: Arc<Semaphore>,
    write_time: Duration,
}

impl Listener {
    /// Creates a listener.
    pub(super) fn new(
        socket: TcpListener,
        tls: Option<TlsAcceptor>,
        router: Router,
        limits: Limits,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.header)
            .max_headers(MAX_HEADERS);
        // Never more than the process may open: the store and attempts need descriptors, too.
        let connections = limits.connections.min(files()).min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(connections));
        Self { socket, tls, http, router, free, write_time: limits.write_time }
    }

    /// Accepts connections until `stop` completes, then closes the socket. Returns a future that
    /// completes when the requests in flight are answered.
    pub(super) async fn serve(
        self,
        stop: impl Future<Output = ()>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            // Dropping `accept` loses no connection: one that was not returned stays in the kernel's queue.
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.accept() => accepted,
            };
            let Some((stream, permit)) = accepted else { continue };
            let watcher = graceful.watcher();
            let (http, tls, router) = (self.http.clone(), self.tls.clone(), self.router.clone());
            let write_time = self.write_time;
            tokio::spawn(async move {
                // Dropped at the end of the task, also if it panics.
                let _permit = permit;
                // Without it, the end of a response waits for an acknowledgement. If it fails, the
                // connection is only slower.
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(router);
                // How a connection ended matters only to its client.
                match tls {
                    None => {
                        let io = TokioIo::new(Patient::new(stream, write_time));
                        let _ = watcher.watch(http.serve_connection(io, service)).await;
                    }
                    Some(tls) => {
                        // In the task and not before it: a slow handshake delays no other connection.
                        let shaken = timeout(HANDSHAKE, tls.accept(stream)).await;
                        let Ok(Ok(stream)) = shaken else { return };
                        let io = TokioIo::new(Patient::new(stream, write_time));
                        let _ = watcher.watch(http.serve_connection(io, service)).await;
                    }
                }
            });
        }
        drop(self.socket);
        Box::pin(graceful.shutdown())
    }

    /// Accepts the next connection as soon as fewer than the limit are open.
    async fn accept(&self) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, permit)),
            Err(error) => {
                // The client closed it already, or no file descriptor is left; descriptors become
                // free as other connections end.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(20)).await;
                None
            }
        }
    }
}

/// Returns how many file descriptors the process may use for connections, with a reserve for the
/// rest.
fn files() -> usize {
    const REST: usize = 128;
    // Only Linux has the file. Elsewhere only `max-connections` limits the connections.
    let soft = std::fs::read_to_string("/proc/self/limits").ok().and_then(|limits| {
        let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
        line.split_ascii_whitespace().nth(3)?.parse().ok()
    });
    soft.map_or(usize::MAX, |soft: usize| soft.saturating_sub(REST).max(1))
}

/// A stream whose writes fail if the peer takes no bytes for a time.
///
/// The HTTP implementation has no such limit. A client that requests without reading would fill the
/// socket's buffer and then hold its connection, and its response, forever. Any progress resets the
/// time: a slow client that reads is served.
struct Patient<S> {
    stream: S,
    time: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Patient<S> {
    fn new(stream: S, time: Duration) -> Self {
        Self { stream, time, waiting: None }
    }

    /// Polls a write, and fails it if it has been pending for longer than the time.
    fn with_timeout<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let time = self.time;
        // Allocated only for a write that has to wait, which most never do.
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(time)));
        waiting.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.with_timeout(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.with_timeout(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.with_timeout(context, shut)
    }
}
