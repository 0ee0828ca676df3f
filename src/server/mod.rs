//! The server: `hooksieve serve`.
//!
//! ```text
//! users ──▶ api ──▶ service ──▶ store ◀─── dispatcher ──▶ receivers
//!                      │                    │
//!                   registry                └─ webhooks as they are now, from the service
//! ```
//!
//! This file starts, drains and stops the server. It is the only file that uses every part. Besides
//! [`offline`], which administers a store without a server, it is the only one that names a backend
//! of the store. Each part receives what it depends on: no part below this file reads the clock,
//! random bytes or the environment by itself.
//!
//! # The start
//!
//! ```text
//! configuration ─▶ rules, authorities, certificate ─▶ store (lock) ─▶ seal keys ─▶ socket
//!     ─▶ API keys: the first one is printed ─▶ load ─▶ dispatcher, tasks ─▶ "listening on …"
//! ```
//!
//! What can be wrong comes first, and what changes something comes last: a start that fails leaves
//! no key that was printed and no file that a later start would stumble over. The line `listening
//! on` is printed when requests are answered; programs wait for it.
//!
//! # The stop
//!
//! ```text
//! signal ─▶ /readyz fails ─▶ socket closed ─┬▶ connections drained ─▶ changes done ─┬▶ store closed
//!                                           └▶ no new attempts ─▶ the others settled ┘
//!                                            └──────── at most the drain time ──────┘
//! ```
//!
//! What is not done in time is abandoned, as a kill would: the store is built for that.

pub(crate) mod ambient;
mod api;
pub(crate) mod config;
mod dispatcher;
pub(crate) mod files;
pub(crate) mod keys;
mod limits;
pub(crate) mod listen;
mod listener;
pub(crate) mod members;
pub(crate) mod offline;
mod service;
#[cfg_attr(not(test), expect(dead_code, reason = "following other nodes is not built yet"))]
pub(crate) mod store;

use ambient::Ambient;
use api::health::{Health, Pulse};
use api::{Api, origin::Origin};
use config::{Config, LogFormat, Tls};
use dispatcher::attempt::{Sender, Targets};
use dispatcher::{Disabling, Dispatcher, Webhooks, health::DELIVERY_FAILURES, work::BEAT};
use hooksieve::event::TenantId;
use hooksieve::filter::Profile;
use hooksieve::webhook::{Catalogue, Rules, Webhook, WebhookId};
use keys::{Keys, KeysError, KeysFile, NewKey, Role};
use limits::Buckets;
use listener::Listener;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use service::attempt::Attempt;
use service::deliveries::EXPIRED_AT_ONCE;
use service::{Parts, Service};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::contract::Store;
use store::seal;
use store::sqlite::{Settings, Sqlite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// The interval at which the keys file is checked for changes.
const RELOAD: Duration = Duration::from_millis(500);

/// The interval at which expired deliveries are removed.
const EXPIRE: Duration = Duration::from_secs(60);

/// The time limit for closing the store after the drain.
const CLOSE: Duration = Duration::from_secs(1);

/// The name of the keys file in the data directory.
const KEYS: &str = "keys.toml";

/// The name of the file in the data directory that holds the keys for sealing secrets.
const SEAL_KEYS: &str = "seal.keys";

/// An error that prevents the server from starting, or ends it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// A file or an address that the configuration names cannot be used.
    #[error("{0}: {1}")]
    Named(String, String),
    /// The API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store cannot be used.
    #[error("{0}")]
    Store(String),
    /// An operation of the system failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs a server until it receives a signal to stop. Blocks the calling thread.
///
/// # Errors
///
/// Returns an error if the server cannot start.
pub(crate) fn run(config: &Config) -> Result<(), ServeError> {
    log(config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(config));
    // Drops the tasks that run forever and those that were not done in time. With the last one the
    // store is closed, which empties its log. Work on a blocking thread cannot be stopped, and is
    // abandoned after a second.
    runtime.shutdown_timeout(CLOSE);
    served
}

/// Sends the log to standard error: standard output is for what a program reads.
fn log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::new(&config.log);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It would report that standard error cannot be written on standard error, and panic.
    let log = log.log_internal_errors(false);
    // This fails if a subscriber is already set, as in a test that starts two servers.
    let _ = match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

async fn serve(config: &Config) -> Result<(), ServeError> {
    let ambient = Ambient::machine();
    // Everything that can be wrong with the configuration is checked before the first key is
    // printed.
    let rules = rules(config)?;
    let attempt = Arc::new(sender(config, &rules)?);
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let store = store(config).await?;
    let seal_file = config.seal_keys.clone().unwrap_or_else(|| config.data.join(SEAL_KEYS));
    let seal_keys = seal_keys(&seal_file, &*store, &ambient).await?;
    let named = |error: io::Error| {
        ServeError::Named(format!("--listen {}", config.listen), error.to_string())
    };
    // Before the first key is printed: an address in use is the most frequent failure of a start.
    let socket = TcpListener::bind(config.listen).await.map_err(named)?;
    let keys = keys(config, &ambient)?;
    let dispatcher = Dispatcher::new(dispatcher::Parts {
        store: Arc::clone(&store),
        attempt: Arc::clone(&attempt) as Arc<dyn Attempt>,
        ambient: ambient.clone(),
        profile: rules.profile().clone(),
        policy: config.policy.clone(),
    });
    let parts = Parts {
        store,
        rules,
        keys: seal_keys,
        ambient: ambient.clone(),
        attempt,
        outlet: Arc::new(dispatcher.clone()),
        lease: config.policy.lease,
        events_per_second: config.events_per_second,
        max_per_user: config.max_per_user,
        // One for each processor: more would not be faster, and would delay the threads that serve
        // connections. A system that does not say how many it has gets two.
        computing: std::thread::available_parallelism().map_or(2, usize::from),
    };
    let service = service(parts).await?;
    let buckets = Arc::new(Buckets::new(config.rates));
    let health = Arc::new(Health::new(RELOAD, EXPIRE, BEAT));
    let beat = |pulse: fn(&Health) -> &Pulse| {
        let (health, ambient) = (Arc::clone(&health), ambient.clone());
        move || pulse(&health).beat(ambient.since_start())
    };
    tokio::spawn(reload(Arc::clone(&keys), Arc::clone(&buckets), beat(|health| &health.keys)));
    tokio::spawn(expire(service.clone(), beat(|health| &health.expiry)));
    let (sending, webhooks) = (dispatcher.clone(), Arc::new(service.clone()));
    let beat = beat(|health| &health.dispatch);
    tokio::spawn(async move { sending.run(webhooks, beat).await });
    let stop = stop_signal(Arc::clone(&health))?;
    // The scheme that is printed is the one that is spoken here; links use the one that callers see.
    let (scheme, origin) = match (&tls, config.behind_proxy) {
        (Some(_), _) => ("https", Origin::Https),
        (None, true) => ("http", Origin::Proxy),
        (None, false) => ("http", Origin::Http),
    };
    let address = socket.local_addr()?;
    let running = service.clone();
    let api = Api { service, keys, buckets, ambient, bounds: config.bounds, origin, health };
    let listener = Listener::new(socket, tls, api::router(api), config.into());
    // The socket already queues connections, so a program that reads this may connect at once.
    announce(&format!("listening on {scheme}://{address}"))?;
    let answered = listener.serve(stop).await;
    dispatcher.stop();
    // The connections first: their requests may still begin changes. A change outlives its request
    // if the caller went away or the request took too long.
    let drained = async {
        answered.await;
        running.idle().await;
        dispatcher.idle().await;
    };
    match tokio::time::timeout(config.drain_time, drained).await {
        Ok(()) => tracing::info!("stopped; every request in flight was answered"),
        Err(_) => tracing::warn!("stopped; some requests in flight were not answered in time"),
    }
    Ok(())
}

/// Creates the service and loads the content of the store.
async fn service(parts: Parts) -> Result<Service, ServeError> {
    if parts.rules.is_development() {
        tracing::warn!("development mode: targets on this machine are allowed");
    }
    let started = Service::start(parts).await;
    let (service, loaded) = started.map_err(|problem| ServeError::Store(problem.to_string()))?;
    let (tenants, webhooks, refused) = (loaded.tenants, loaded.webhooks, loaded.refused);
    tracing::info!(tenants, webhooks, refused, "loaded");
    Ok(service)
}

impl Webhooks for Service {
    fn ids(&self, tenant: &TenantId) -> Vec<WebhookId> {
        self.targets(tenant)
    }

    fn current(&self, tenant: &TenantId, id: &WebhookId) -> Option<Arc<Webhook>> {
        self.target(tenant, id)
    }

    fn disable(&self, tenant: TenantId, webhook: Arc<Webhook>, reason: String) -> Disabling {
        let service = self.clone();
        Box::pin(async move {
            let disabled = Service::disable(&service, tenant, webhook, reason, DELIVERY_FAILURES);
            disabled.await.map_err(|problem| problem.to_string())
        })
    }
}

/// Prints a line that another program may wait for, and flushes standard output.
fn announce(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn rules(config: &Config) -> Result<Rules, ServeError> {
    let catalogue = match &config.catalogue {
        None => Catalogue::builtin(),
        Some(path) => {
            let named = |error: String| ServeError::Named(path.display().to_string(), error);
            let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
            Catalogue::read(&bytes).map_err(|error| named(error.to_string()))?
        }
    };
    Ok(Rules::new(Profile::webhook(), catalogue).with_development(config.development))
}

/// Opens the store in the data directory and locks the directory for this process.
async fn store(config: &Config) -> Result<Arc<dyn Store>, ServeError> {
    let settings = Settings { max_bytes: config.max_store, ..Settings::new(&config.data) };
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(&settings)).await;
    let opened = opened.map_err(|error| ServeError::Store(error.to_string()))?;
    let named = |error: String| ServeError::Named(config.data.display().to_string(), error);
    Ok(Arc::new(opened.map_err(|error| named(error.to_string()))?))
}

/// Reads the keys that seal secrets, and creates them at the first start. They are not created if
/// the store has content: new keys cannot open what lost keys sealed.
async fn seal_keys(
    path: &Path,
    store: &dyn Store,
    ambient: &Ambient,
) -> Result<seal::Keys, ServeError> {
    let named = |error: String| ServeError::Named(path.display().to_string(), error);
    let tenants = store.tenants().await.map_err(|error| ServeError::Store(error.to_string()))?;
    // Creating keys here would hide the loss until the first secret is needed.
    if !path.exists() && !tenants.is_empty() {
        let help = "the file does not exist; restore the keys that sealed the secrets in the store";
        return Err(named(help.to_owned()));
    }
    let random = ambient.random().map_err(|error| ServeError::Store(error.to_string()))?;
    seal::Keys::read_or_create(path, &random).map_err(|error| ServeError::Store(error.to_string()))
}

/// Opens the keys file. If none is configured and the default one does not exist, creates and
/// prints an administrator's key.
fn keys(config: &Config, ambient: &Ambient) -> Result<Arc<Keys>, ServeError> {
    let file = match &config.keys {
        Some(path) if !path.exists() => {
            let help = "the file does not exist; create it with `hooksieve key new --keys FILE …`";
            return Err(ServeError::Named(format!("--keys {}", path.display()), help.to_owned()));
        }
        Some(path) => KeysFile::new(path),
        None => KeysFile::new(config.data.join(KEYS)),
    };
    // Only the default file, in the data directory, is created: a configured one that is missing was
    // refused above, since it is most likely a wrong path.
    if !file.path().exists() {
        let (tenant, user) = ("default".to_owned(), "admin".to_owned());
        let key = file.add(NewKey { tenant, user, role: Role::TenantAdmin }, ambient)?;
        announce(&format!(
            "administrator's key for tenant `default`, printed only this once: {key}"
        ))?;
    }
    let keys = Keys::open(file)?;
    if keys.len() == 0 {
        tracing::warn!("the keys file has no keys: every request that needs one is refused");
    }
    Ok(Arc::new(keys))
}

/// Checks the keys file for changes at an interval, and beats in each round.
async fn reload(keys: Arc<Keys>, buckets: Arc<Buckets>, beat: impl Fn()) {
    // By polling: notifications differ between systems, and miss files on network file systems.
    let mut ticks = tokio::time::interval(RELOAD);
    loop {
        ticks.tick().await;
        beat();
        let reading = Arc::clone(&keys);
        match tokio::task::spawn_blocking(move || reading.reload()).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(count))) => {
                // A revoked key needs no bucket any more; otherwise rotation would leave them forever.
                buckets.retain(|key| keys.has(key));
                tracing::info!(keys = count, "reloaded the keys");
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot reload the keys; the previous ones stay in use")
            }
            Err(error) => tracing::error!(%error, "cannot reload the keys"),
        }
    }
}

/// Removes expired deliveries at an interval, in slices, and beats at each slice.
async fn expire(service: Service, beat: impl Fn()) {
    let mut ticks = tokio::time::interval(EXPIRE);
    loop {
        ticks.tick().await;
        loop {
            beat();
            match service.expire().await {
                Ok(EXPIRED_AT_ONCE..) => {}
                Ok(_) => break,
                // Tried again at the next interval. Until then they are still not shown.
                Err(error) => {
                    tracing::error!(%error, "cannot remove expired deliveries");
                    break;
                }
            }
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let named = |error: String| ServeError::Named(path.display().to_string(), error);
    let read = CertificateDer::pem_file_iter(path)
        // A file of another kind, such as a key, is read as no certificates, which is refused below.
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| named(error.to_string()))?;
    if read.is_empty() { Err(named("the file has no certificate".to_owned())) } else { Ok(read) }
}

fn sender(config: &Config, rules: &Rules) -> Result<Sender, ServeError> {
    let more = match &config.authorities {
        Some(path) => certificates(path)?,
        None => Vec::new(),
    };
    let (allowed, names) = (config.allowed.clone(), config.resolved.clone());
    let resolved = Arc::new(move |host: &str| names.get(host).copied());
    let targets = Targets { rules: rules.clone(), allowed, resolved };
    Sender::new(targets, config.times, more)
        .map_err(|error| ServeError::Named("certificate authorities".to_owned(), error))
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ServeError> {
    let named = |path: &Path, error: String| ServeError::Named(path.display().to_string(), error);
    let chain = certificates(&tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| named(&tls.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| named(&tls.certificate, error.to_string()))?;
    // Without it, a client could agree on HTTP/2, which the listener does not speak.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Returns a future that completes at the first SIGTERM or SIGINT. A second signal ends the process
/// at once.
#[cfg(unix)]
fn stop_signal(health: Arc<Health>) -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = Arc::new(Notify::new());
    let signaled = Arc::clone(&stop);
    tokio::spawn(async move {
        let mut first = true;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // An operator who sends a second signal does not want to wait for what the first one began.
            if !std::mem::replace(&mut first, false) {
                tracing::warn!("second signal: ending at once");
                std::process::exit(1);
            }
            tracing::info!("stopping: waiting for the requests in flight");
            // Readiness first, so that a load balancer stops sending before connections are refused.
            health.stop();
            signaled.notify_one();
        }
    });
    Ok(async move { stop.notified().await })
}

/// Returns a future that completes at Ctrl-C.
#[cfg(not(unix))]
fn stop_signal(health: Arc<Health>) -> io::Result<impl Future<Output = ()>> {
    Ok(async move {
        let _ = tokio::signal::ctrl_c().await;
        health.stop();
    })
}
