//! Connections: accepted up to a limit, bounded in headers and time, and ended gently.
//!
//! A slow client costs its connection and nothing else: headers that do not arrive, a connection that
//! is idle and an answer that is not taken all end it after a time. When as many connections are open
//! as may be, no more are accepted until one ends; the kernel keeps the others waiting.

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

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Headers of a request.
const MAX_HEADERS: usize = 64;

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
    /// A listener with the bounds of a configuration.
    pub(super) fn new(
        socket: TcpListener,
        tls: Option<TlsAcceptor>,
        router: Router,
        config: &Config,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(config.header_time)
            .max_buf_size(config.max_header)
            .max_headers(MAX_HEADERS);
        let connections = config.max_connections.min(files()).min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(connections));
        Self { socket, tls, http, router, free, write_time: config.bounds.body_time }
    }

    /// Accepts connections until `stop`, then waits for requests in flight, at most for a time;
    /// returns whether all of them were answered.
    pub(super) async fn serve(self, stop: impl Future<Output = ()>, drain: Duration) -> bool {
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.accept() => accepted,
            };
            let Some((stream, permit)) = accepted else { continue };
            let watcher = graceful.watcher();
            let (http, tls, router) = (self.http.clone(), self.tls.clone(), self.router.clone());
            let write_time = self.write_time;
            tokio::spawn(async move {
                let _permit = permit;
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(router);
                // How a connection ended concerns its client alone.
                match tls {
                    None => {
                        let io = TokioIo::new(Patient::new(stream, write_time));
                        let _ = watcher.watch(http.serve_connection(io, service)).await;
                    }
                    Some(tls) => {
                        let shaken = timeout(HANDSHAKE, tls.accept(stream)).await;
                        let Ok(Ok(stream)) = shaken else { return };
                        let io = TokioIo::new(Patient::new(stream, write_time));
                        let _ = watcher.watch(http.serve_connection(io, service)).await;
                    }
                }
            });
        }
        drop(self.socket);
        timeout(drain, graceful.shutdown()).await.is_ok()
    }

    /// The next connection, once there is room for it.
    async fn accept(&self) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, permit)),
            Err(error) => {
                // A client that went away at once, or no file left: others end meanwhile.
                tracing::warn!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(20)).await;
                None
            }
        }
    }
}

/// How many connections the process may have open files for, less what the rest needs.
fn files() -> usize {
    const REST: usize = 128;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().nth(3)?.parse().ok());
    soft.map_or(usize::MAX, |soft: usize| soft.saturating_sub(REST).max(1))
}

/// A stream that fails if nothing of what is written is taken for a time.
struct Patient<S> {
    stream: S,
    time: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Patient<S> {
    fn new(stream: S, time: Duration) -> Self {
        Self { stream, time, waiting: None }
    }

    /// Lets a write wait no longer than the time.
    fn patiently<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let time = self.time;
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
        self.patiently(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.patiently(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.patiently(context, shut)
    }
}
