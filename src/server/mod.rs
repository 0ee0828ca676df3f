//! The server: `hooksieve serve`.
//!
//! ```text
//! users ──▶ api ──▶ service ──▶ store
//!                      │   └──▶ dispatcher: one attempt, for resend
//!                   registry
//! ```
//!
//! This file starts, drains and stops; it is the only one that knows every part, and that names a
//! backend of the store. The parts are given what they need: nothing below it asks the machine for
//! the time, for randomness or for the environment.

pub(crate) mod ambient;
mod api;
pub(crate) mod config;
mod dispatcher;
pub(crate) mod keys;
mod limits;
mod listener;
mod service;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "administration and following other nodes are not built yet")
)]
pub(crate) mod store;

use ambient::Ambient;
use api::{Api, health::Health, origin::Origin};
use config::{Config, LogFormat, Tls};
use dispatcher::attempt::{Sender, Targets};
use hooksieve::filter::Profile;
use hooksieve::webhook::{Catalogue, Rules};
use keys::{Keys, KeysError, KeysFile, NewKey, Role};
use limits::Buckets;
use listener::Listener;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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

/// How often the file of keys is looked at.
const RELOAD: Duration = Duration::from_millis(500);

/// How often expired deliveries are removed.
const EXPIRE: Duration = Duration::from_secs(60);

/// The name of the file of keys in the data directory.
const KEYS: &str = "keys.toml";

/// The name of the file of the keys that seal secrets in the data directory.
const SEAL_KEYS: &str = "seal.keys";

/// Why a server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Something that was named in the configuration cannot be used.
    #[error("{0}: {1}")]
    Named(String, String),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store cannot be used.
    #[error("{0}")]
    Store(String),
    /// The system did not do its part.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs a server until it is told to stop.
///
/// # Errors
///
/// What keeps it from starting.
pub(crate) fn run(config: &Config) -> Result<(), ServeError> {
    log(config);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(config));
    // What still runs after the drain is given up.
    runtime.shutdown_background();
    served
}

/// Everything is logged on standard error: standard output is for what a program reads.
fn log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::new(&config.log);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It fails if there is one already, as in a test that starts two servers.
    let _ = match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

async fn serve(config: &Config) -> Result<(), ServeError> {
    let ambient = Ambient::machine();
    // Everything that may be wrong with the configuration comes before the first key is shown.
    let rules = rules(config)?;
    let attempt = Arc::new(sender(config, &rules)?);
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let store = store(config).await?;
    let seal_keys = seal_keys(config, &*store, &ambient).await?;
    let named = |error: io::Error| {
        ServeError::Named(format!("--listen {}", config.listen), error.to_string())
    };
    let socket = TcpListener::bind(config.listen).await.map_err(named)?;
    let keys = keys(config, &ambient)?;
    let parts = Parts {
        store,
        rules,
        keys: seal_keys,
        ambient: ambient.clone(),
        attempt,
        max_per_user: config.max_per_user,
        computing: std::thread::available_parallelism().map_or(2, usize::from),
    };
    let service = service(parts).await?;
    let (buckets, health) = (Arc::new(Buckets::new(config.rates)), Arc::new(Health::default()));
    tokio::spawn(reload(Arc::clone(&keys), Arc::clone(&buckets)));
    tokio::spawn(expire(service.clone()));
    let stop = stop_signal(Arc::clone(&health))?;
    let (scheme, origin) = match (&tls, config.behind_proxy) {
        (Some(_), _) => ("https", Origin::Https),
        (None, true) => ("http", Origin::Proxy),
        (None, false) => ("http", Origin::Http),
    };
    let address = socket.local_addr()?;
    let api = Api { service, keys, buckets, ambient, bounds: config.bounds, origin, health };
    let listener = Listener::new(socket, tls, api::router(api), config);
    announce(&format!("listening on {scheme}://{address}"))?;
    match listener.serve(stop, config.drain_time).await {
        true => tracing::info!("stopped; every request was answered"),
        false => tracing::warn!("stopped; some requests were not answered in time"),
    }
    Ok(())
}

/// The service, with what the store holds.
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

/// A line on standard output that another program waits for.
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

/// The store in the data directory, which no other process may use.
async fn store(config: &Config) -> Result<Arc<dyn Store>, ServeError> {
    let settings = Settings { max_bytes: config.max_store, ..Settings::new(&config.data) };
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(&settings)).await;
    let opened = opened.map_err(|error| ServeError::Store(error.to_string()))?;
    let named = |error: String| ServeError::Named(config.data.display().to_string(), error);
    Ok(Arc::new(opened.map_err(|error| named(error.to_string()))?))
}

/// The keys that seal secrets. They are made at the first start and never again: what the lost ones
/// have sealed is not opened by new ones.
async fn seal_keys(
    config: &Config,
    store: &dyn Store,
    ambient: &Ambient,
) -> Result<seal::Keys, ServeError> {
    let beside = || config.data.join(SEAL_KEYS);
    let path = config.seal_keys.clone().unwrap_or_else(beside);
    let named = |error: String| ServeError::Named(path.display().to_string(), error);
    let tenants = store.tenants().await.map_err(|error| ServeError::Store(error.to_string()))?;
    if !path.exists() && !tenants.is_empty() {
        let help = "there is no such file; restore the keys that sealed the store's secrets";
        return Err(named(help.to_owned()));
    }
    let random = ambient.random().map_err(|error| ServeError::Store(error.to_string()))?;
    seal::Keys::read_or_create(&path, &random).map_err(|error| ServeError::Store(error.to_string()))
}

/// The keys of the configured file. On a first start, with no file named, an administrator's key is
/// made and shown.
fn keys(config: &Config, ambient: &Ambient) -> Result<Arc<Keys>, ServeError> {
    let file = match &config.keys {
        Some(path) if !path.exists() => {
            let help = "there is no such file; `hooksieve key new --keys FILE …` makes one";
            return Err(ServeError::Named(format!("--keys {}", path.display()), help.to_owned()));
        }
        Some(path) => KeysFile::new(path),
        None => KeysFile::new(config.data.join(KEYS)),
    };
    if !file.path().exists() {
        let (tenant, user) = ("default".to_owned(), "admin".to_owned());
        let key = file.add(NewKey { tenant, user, role: Role::TenantAdmin }, ambient)?;
        announce(&format!("administrator's key of tenant `default`, shown only now: {key}"))?;
    }
    let keys = Keys::open(file)?;
    if keys.len() == 0 {
        tracing::warn!("there are no keys: nobody is let in");
    }
    Ok(Arc::new(keys))
}

/// Looks at the file of keys from time to time.
async fn reload(keys: Arc<Keys>, buckets: Arc<Buckets>) {
    let mut ticks = tokio::time::interval(RELOAD);
    loop {
        ticks.tick().await;
        let reading = Arc::clone(&keys);
        match tokio::task::spawn_blocking(move || reading.reload()).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(count))) => {
                buckets.retain(|key| keys.has(key));
                tracing::info!(keys = count, "the keys have changed");
            }
            Ok(Err(error)) => tracing::error!(%error, "the keys stay as they were"),
            Err(error) => tracing::error!(%error, "the keys were not read"),
        }
    }
}

/// Removes expired deliveries from time to time, slice by slice.
async fn expire(service: Service) {
    let mut ticks = tokio::time::interval(EXPIRE);
    loop {
        ticks.tick().await;
        loop {
            match service.expire().await {
                Ok(EXPIRED_AT_ONCE..) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::error!(%error, "expired deliveries were not removed");
                    break;
                }
            }
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ServeError> {
    let named = |error: String| ServeError::Named(path.display().to_string(), error);
    let read = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| named(error.to_string()))?;
    if read.is_empty() { Err(named("it holds no certificate".to_owned())) } else { Ok(read) }
}

fn sender(config: &Config, rules: &Rules) -> Result<Sender, ServeError> {
    let more = config.authorities.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let (allowed, resolved) = (config.allowed.clone(), config.resolved.clone());
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
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What the server is told to stop by; a second signal ends the process at once.
#[cfg(unix)]
fn stop_signal(health: Arc<Health>) -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = Arc::new(Notify::new());
    let telling = Arc::clone(&told);
    tokio::spawn(async move {
        let mut first = true;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if !std::mem::replace(&mut first, false) {
                tracing::warn!("ended at once");
                std::process::exit(1);
            }
            tracing::info!("stopping: requests in flight are answered");
            health.stop();
            telling.notify_one();
        }
    });
    Ok(async move { told.notified().await })
}

/// What the server is told to stop by.
#[cfg(not(unix))]
fn stop_signal(health: Arc<Health>) -> io::Result<impl Future<Output = ()>> {
    Ok(async move {
        let _ = tokio::signal::ctrl_c().await;
        health.stop();
    })
}
