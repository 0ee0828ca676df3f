//! Sends one request to a receiver by POST.
//!
//! The author of a webhook chooses its host, and a name can resolve to another address at any time.
//! So the address is checked when it is dialed, not when the webhook is created. The name is
//! resolved once, the addresses that the rules refuse are dropped, and only the others are dialed;
//! there is no second look-up that could return a private address. Redirects are not followed: they
//! are returned as the response.
//!
//! Connections are kept for the next attempt to the same scheme, host and port, whose address was
//! checked when it was dialed. One that is not used for some seconds is closed. So a name that
//! resolves to another address soon leads there, and is checked again. A receiver chooses between
//! HTTP/1.1 and HTTP/2 in the TLS handshake.
//!
//! ```text
//! URL ──▶ host is a name ──▶ resolve once ──▶ drop refused addresses ──▶ dial one of the others
//!    └──▶ host is an address ─────────────▶ refused? error ───────────▶ dial it
//! ```
//!
//! | what goes wrong | outcome |
//! | --- | --- |
//! | no address, or only refused ones | an error that does not show the addresses |
//! | no connection in time, TLS, a broken response | an error with the innermost cause |
//! | the headers of the response are longer than 32 KiB | an error |
//! | its body is longer than 16 KiB | its beginning; the connection is closed |
//! | the whole attempt takes too long | an error |
//!
//! An attempt never panics and never outlives its time limit, so its caller needs neither a
//! deadline nor a task of its own to be safe from it.

use crate::server::service::attempt::{Attempt, Attempted};
use bytes::Bytes;
use hooksieve::delivery::{Request, Response};
use hooksieve::webhook::Rules;
use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::Service;

/// The number of bytes of a response that are kept.
const KEPT: usize = 16 << 10;

/// The maximum size of the headers of a response in bytes.
const MAX_HEAD: usize = 32 << 10;

/// The time after which a connection that is not used is closed. Many receivers close theirs after 5
/// seconds. A request that is sent at that moment is lost, so this end closes it first.
pub(super) const IDLE: Duration = Duration::from_secs(4);

/// The maximum number of connections to a host that are kept although they are not used.
const MAX_IDLE: usize = 16;

/// The interval at which a connection of HTTP/2 is checked. Requests share it, so that all of them
/// would wait if the other end is gone.
const CHECK: Duration = Duration::from_secs(5);

/// A block of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    address: IpAddr,
    bits: u8,
}

impl std::str::FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a block of addresses such as 10.0.0.0/8");
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl Block {
    fn has(self, address: IpAddr) -> bool {
        // The bits of both versions start at the same end, so that a prefix is compared alike.
        let number = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        let differs = number(self.address) ^ number(address);
        self.address.is_ipv4() == address.is_ipv4()
            && differs.leading_zeros() >= u32::from(self.bits)
    }
}

/// Returns the address of a name that is not to be looked up.
pub(crate) type Resolved = Arc<dyn Fn(&str) -> Option<SocketAddr> + Send + Sync>;

/// The addresses that may be dialed, and the resolution of names.
#[derive(Clone)]
pub(crate) struct Targets {
    /// The rules whose `check_address` decides.
    pub(crate) rules: Rules,
    /// Blocks that may be dialed although the rules refuse them.
    pub(crate) allowed: Vec<Block>,
    /// The addresses of names that are not looked up. Port 0 means the port of the URL.
    pub(crate) resolved: Resolved,
}

impl Targets {
    /// Returns an error if an address may not be dialed. The error does not show the address, so
    /// that the author of a webhook does not learn what a name resolves to inside the network.
    fn check(&self, address: IpAddr) -> Result<(), String> {
        // `::ffff:10.0.0.1` reaches 10.0.0.1, and must be refused like it.
        let address = address.to_canonical();
        if self.allowed.iter().any(|block| block.has(address)) {
            return Ok(());
        }
        self.rules.check_address(address).map_err(|refused| refused.to_string())
    }

    /// Returns the addresses of a name that may be dialed.
    async fn resolve(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let found = match (self.resolved)(host) {
            Some(address) => vec![address],
            None => tokio::net::lookup_host((host, 0)).await?.collect(),
        };
        // A name with a public and a private address is dialed at the public one only.
        let mut refused = None;
        let mut reachable = Vec::new();
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => reachable.push(address),
                Err(why) => refused = Some(why),
            }
        }
        // A refusal explains more than that there is no address.
        match (reachable.is_empty(), refused) {
            (false, _) => Ok(reachable),
            (true, Some(why)) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
            (true, None) => Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address")),
        }
    }
}

/// The resolver of the connector.
#[derive(Clone)]
struct Resolver(Arc<Targets>);

type Resolving = Pin<Box<dyn Future<Output = io::Result<std::vec::IntoIter<SocketAddr>>> + Send>>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, host: Name) -> Resolving {
        let targets = Arc::clone(&self.0);
        Box::pin(async move { Ok(targets.resolve(host.as_str()).await?.into_iter()) })
    }
}

/// A connector with a time limit for each connection. The client also makes connections in the
/// background, which the time limit of an attempt does not end.
#[derive(Clone)]
struct Limited {
    connector: HttpsConnector<HttpConnector<Resolver>>,
    limit: Duration,
}

type Stream = <HttpsConnector<HttpConnector<Resolver>> as Service<Uri>>::Response;
type Connecting = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

impl Service<Uri> for Limited {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let connecting = tokio::time::timeout(self.limit, self.connector.call(uri));
        let limit = self.limit.as_millis();
        Box::pin(async move {
            let late = |_| format!("no connection within {limit} ms");
            connecting.await.map_err(late)?
        })
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

/// The time limits of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// The limit for connecting.
    pub(crate) connect: Duration,
    /// The limit for the whole attempt.
    pub(crate) whole: Duration,
}

/// Sends requests over HTTPS, and over HTTP to targets that the rules allow.
pub(crate) struct Sender {
    client: Client<Limited, Full<Bytes>>,
    targets: Arc<Targets>,
    times: Times,
}

impl Sender {
    /// Creates a sender that trusts the machine's certificate authorities and `more`.
    ///
    /// # Errors
    ///
    /// Returns an error if a certificate in `more` cannot be used.
    pub(crate) fn new(
        targets: Targets,
        times: Times,
        more: Vec<CertificateDer<'static>>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        // One certificate that cannot be parsed must not keep the others from being trusted.
        roots.add_parsable_certificates(native.certs);
        for certificate in more {
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let targets = Arc::new(targets);
        let mut http = HttpConnector::new_with_resolver(Resolver(Arc::clone(&targets)));
        // The connector below the TLS one also gets the URLs of HTTPS.
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(times.connect));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_buf_size(MAX_HEAD)
            .http2_max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .http2_keep_alive_interval(CHECK)
            .http2_keep_alive_timeout(CHECK)
            .build(Limited { connector: https, limit: times.connect });
        Ok(Self { client, targets, times })
    }

    async fn exchange(&self, request: &Request) -> Result<Response, String> {
        let sent: http::Request<Bytes> = request.into();
        // An address in place of a name bypasses the resolver, so it is checked here. The URL of a
        // webhook always has a host.
        let host = sent.uri().host().ok_or("the URL has no host")?;
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            self.targets.check(address)?;
        }
        let answered = self.client.request(sent.map(Full::new)).await;
        let (head, mut body) = answered.map_err(|error| innermost(&error))?.into_parts();
        let mut kept = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| innermost(&error))?;
            let Some(data) = frame.data_ref() else { continue };
            // A receiver that sends forever is read until this is full, or until the time is over.
            let room = KEPT - kept.len();
            kept.extend_from_slice(data.get(..room).unwrap_or(data));
            if kept.len() == KEPT {
                break;
            }
        }
        Ok(Response { status: head.status, headers: head.headers, body: kept.into() })
    }
}

/// Returns the text of the innermost source, which is the cause; the outer ones show where it was
/// noticed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    // The outer errors repeat that the request failed, and some show the URL with its query.
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

impl Attempt for Sender {
    fn post<'a>(&'a self, request: &'a Request) -> Attempted<'a> {
        Box::pin(async move {
            let whole = self.times.whole;
            // Includes the look-up of the name, which has no limit of its own.
            match tokio::time::timeout(whole, self.exchange(request)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!("no complete response within {} ms", whole.as_millis())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Targets};
    use hooksieve::webhook::Rules;
    use std::sync::Arc;

    fn targets(development: bool, allowed: &[&str]) -> Targets {
        let rules = Rules::default().with_development(development);
        let allowed = allowed.iter().map(|block| block.parse().unwrap()).collect();
        let resolved = [
            ("inside.example.com".to_owned(), "10.1.2.3:0".parse().unwrap()),
            ("here.example.com".to_owned(), "127.0.0.1:81".parse().unwrap()),
            ("mapped.example.com".to_owned(), "[::ffff:10.1.2.3]:0".parse().unwrap()),
        ];
        let resolved = std::collections::HashMap::from(resolved);
        Targets { rules, allowed, resolved: Arc::new(move |host| resolved.get(host).copied()) }
    }

    #[tokio::test]
    async fn drops_addresses_that_the_rules_refuse() {
        let reaches = async |targets: &Targets, host: &str| targets.resolve(host).await.is_ok();
        let strict = targets(false, &[]);
        assert!(!reaches(&strict, "inside.example.com").await);
        assert!(!reaches(&strict, "here.example.com").await);
        assert!(!reaches(&strict, "localhost").await, "a name that is looked up is checked");
        let development = targets(true, &[]);
        assert!(reaches(&development, "here.example.com").await);
        assert!(!reaches(&development, "inside.example.com").await);
        let allowing = targets(false, &["10.0.0.0/8"]);
        assert!(reaches(&allowing, "inside.example.com").await);
        assert!(
            reaches(&allowing, "mapped.example.com").await,
            "an IPv4-mapped address is checked as IPv4"
        );
        assert!(!reaches(&allowing, "here.example.com").await);
    }

    #[test]
    fn reads_blocks() {
        let has = |block: &str, address: &str| {
            block.parse::<Block>().unwrap().has(address.parse().unwrap())
        };
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("fd00::/8", "fd12::1") && !has("fd00::/8", "fe80::1"));
        assert!(has("0.0.0.0/0", "8.8.8.8") && !has("0.0.0.0/0", "::1"));
        assert!(has("192.0.2.7/32", "192.0.2.7") && !has("192.0.2.7/32", "192.0.2.6"));
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "::/129", "a/8", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Block>().is_err(), "{wrong}");
        }
    }
}
