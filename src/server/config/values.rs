//! The parsed values of the settings.
//!
//! A start with a wrong setting reports every wrong one, not the first. So a value that does not
//! parse is noted in the [`Reader`] and replaced by one that is never used, and the configuration
//! exists only if nothing was noted. Below this file no part meets a text that is still to be
//! parsed, or two settings that contradict each other.
//!
//! ```text
//! texts by name ──▶ Reader: each value ──▶ check: values against each other ──▶ Config
//!                      └──── what is wrong ──────┴──────────────────────────▶ ConfigError
//! ```

use super::{ConfigError, Settings};
use crate::server::api::Bounds;
use crate::server::dispatcher::Policy;
use crate::server::dispatcher::attempt::{Block, Times};
use crate::server::dispatcher::health::Limits;
use crate::server::dispatcher::schedule::Schedule;
use crate::server::dispatcher::state::Capacity;
use crate::server::limits::Rates;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line, for programs.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected `text` or `json`".to_owned()),
        }
    }
}

/// The files for serving HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The certificate chain.
    pub(crate) certificate: PathBuf,
    /// The private key of the certificate.
    pub(crate) key: PathBuf,
}

/// The configuration of a server.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The directory in which the server keeps all its data.
    pub(crate) data: PathBuf,
    /// The keys file; `None` for the default one.
    pub(crate) keys: Option<PathBuf>,
    /// The file of keys that seal secrets; `None` for the default one.
    pub(crate) seal_keys: Option<PathBuf>,
    /// The maximum size of the store's file in bytes; `None` for no limit.
    pub(crate) max_store: Option<u64>,
    /// The address on which the API listens.
    pub(crate) listen: SocketAddr,
    /// The files for serving HTTPS; `None` for plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Whether a proxy terminates TLS.
    pub(crate) behind_proxy: bool,
    /// Whether the rules are in development mode.
    pub(crate) development: bool,
    /// The addresses of host names that are not looked up.
    pub(crate) resolved: HashMap<String, SocketAddr>,
    /// Blocks of addresses that may be dialed although the rules refuse them.
    pub(crate) allowed: Vec<Block>,
    /// Additional certificate authorities to trust for receivers.
    pub(crate) authorities: Option<PathBuf>,
    /// The file of event types; `None` for the built-in ones.
    pub(crate) catalogue: Option<PathBuf>,
    /// The maximum number of webhooks that a user may create; `None` for no limit.
    pub(crate) max_per_user: Option<usize>,
    /// The rate limits of a key.
    pub(crate) rates: Rates,
    /// The maximum number of events of a tenant that are accepted per second; 0 for no limit.
    pub(crate) events_per_second: u32,
    /// The limits of a request.
    pub(crate) bounds: Bounds,
    /// The maximum size of a request's line and headers in bytes.
    pub(crate) max_header: usize,
    /// The time limit for headers to arrive.
    pub(crate) header_time: Duration,
    /// The maximum number of open connections.
    pub(crate) max_connections: usize,
    /// The time limits of a delivery attempt.
    pub(crate) times: Times,
    /// The numbers by which messages are sent.
    pub(crate) policy: Policy,
    /// The time limit for requests in flight at the stop.
    pub(crate) drain_time: Duration,
    /// The filter of the log.
    pub(crate) log: String,
    /// The format of the log.
    pub(crate) log_format: LogFormat,
}

/// Parses values and collects the errors.
struct Reader<'s> {
    settings: &'s Settings,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn refuse(&mut self, name: &str, what: impl std::fmt::Display) {
        self.wrong.push(format!("{}: {what}", self.settings.called(name)));
    }

    fn all<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut values = Vec::new();
        for text in self.settings.texts(name) {
            match read(text) {
                Ok(value) => values.push(value),
                Err(what) => self.refuse(name, format_args!("`{text}`: {what}")),
            }
        }
        values
    }

    /// Returns the value. After an error it returns `other`, which is never used because the
    /// configuration is refused.
    fn one<T>(&mut self, name: &str, other: T, read: impl Fn(&str) -> Result<T, String>) -> T {
        self.all(name, read).pop().unwrap_or(other)
    }

    fn number<T: FromStr + Default>(&mut self, name: &str) -> T {
        // The default is one of the values that are never used: see the head of this file.
        self.one(name, T::default(), |text| text.parse().map_err(|_| "expected a number".into()))
    }

    /// Returns a number, for which 0 is an error: the server would do nothing.
    fn positive<T: FromStr + Default + PartialEq>(&mut self, name: &str) -> T {
        self.one(name, T::default(), |text| match text.parse() {
            Ok(number) if number != T::default() => Ok(number),
            _ => Err("expected a number above 0".to_owned()),
        })
    }

    fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.settings.texts(name).last().map(PathBuf::from)
    }

    fn required_path(&mut self, name: &str) -> PathBuf {
        self.path(name).unwrap_or_else(|| {
            self.refuse(name, "expected a path");
            PathBuf::new()
        })
    }

    fn switch(&mut self, name: &str) -> bool {
        self.one(name, false, |text| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("expected `true` or `false`".to_owned()),
        })
    }

    fn time(&mut self, name: &str) -> Duration {
        self.one(name, Duration::ZERO, duration)
    }
}

/// Parses a time with its unit, such as `500ms`, `5s`, `1m` or `2h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time such as 500ms, 5s, 1m or 2h".to_owned();
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(millis) {
        // No setting means "at once", and most libraries take 0 as no limit at all.
        Some(0) => Err("expected a time above 0".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err(wrong()),
    }
}

/// Parses `HOST=ADDR`, where the address may have a port.
fn resolved(text: &str) -> Result<(String, SocketAddr), String> {
    let wrong = || "expected HOST=ADDR, such as hooks.example.com=127.0.0.1".to_owned();
    // Without a port, the one of the URL is used, which 0 stands for: see `Targets`.
    let (host, address) = text.split_once('=').ok_or_else(wrong)?;
    let without_port = |address: IpAddr| SocketAddr::new(address, 0);
    let address = match address.parse().map(without_port) {
        Ok(address) => address,
        Err(_) => address.parse().map_err(|_| wrong())?,
    };
    if host.is_empty() { Err(wrong()) } else { Ok((host.to_ascii_lowercase(), address)) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| "expected an address and a port, such as 127.0.0.1:8080".to_owned();
    text.parse().map_err(wrong)
}

fn log_filter(text: &str) -> Result<String, String> {
    let checked = text.parse::<tracing_subscriber::filter::EnvFilter>();
    checked.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Returns the rate limits. In development mode there are none by default.
fn rates(read: &mut Reader<'_>) -> Rates {
    // Read as text, since the value itself is parsed, and reported if it is wrong, elsewhere.
    let development = read.settings.texts("dev").iter().any(|text| text == "true" || text == "1");
    let mut rate = |name| match development && !read.settings.is_given(name) {
        true => 0,
        false => read.number(name),
    };
    Rates { tier1: rate("tier1-per-minute"), tier2: rate("tier2-per-minute") }
}

fn bounds(read: &mut Reader<'_>) -> Bounds {
    Bounds {
        max_body: read.number("max-body-bytes"),
        body_time: read.time("body-timeout"),
        request_time: read.time("request-timeout"),
    }
}

fn times(read: &mut Reader<'_>) -> Times {
    Times { connect: read.time("connect-timeout"), whole: read.time("attempt-timeout") }
}

/// The maximum of messages of an endpoint in memory. Enough to send from while more are claimed, and
/// few enough that an endpoint that hangs takes little room.
const OF_ENDPOINT: usize = 64;

fn policy(read: &mut Reader<'_>, times: Times) -> Policy {
    let waits = read.one("retry-schedule", Vec::new(), |text| {
        text.split(',').map(|text| duration(text.trim())).collect()
    });
    let at_once: usize = read.positive("max-attempts-per-endpoint");
    let capacity = Capacity {
        messages: read.positive("max-messages"),
        attempts: read.positive("max-attempts"),
        of_endpoint: at_once.saturating_mul(4).max(OF_ENDPOINT),
        at_once,
    };
    let health = Limits {
        park_after: read.positive("park-after"),
        park_time: read.time("park-time"),
        disable_after: read.positive("disable-after"),
        disable_time: read.time("disable-time"),
    };
    // The last message of an endpoint in memory is sent after the others of it, each as late as the
    // limit allows.
    let rounds = u32::try_from(capacity.of_endpoint / at_once.max(1) + 2).unwrap_or(u32::MAX);
    let lease = times.whole.saturating_mul(rounds);
    Policy { schedule: Schedule::new(waits), health, capacity, lease }
}

/// The maximum of `max-body-bytes`: a webhook from a larger body could exceed what the registry
/// accepts.
const MAX_BODY: usize = 2 << 20;

/// The smallest buffer for headers that the HTTP implementation accepts.
const MIN_HEADER: usize = 8 << 10;

impl Config {
    /// Parses the settings.
    ///
    /// # Errors
    ///
    /// Returns every error in them.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let mut read = Reader { settings, wrong: Vec::new() };
        let listen = read.one("listen", SocketAddr::from(([127, 0, 0, 1], 0)), address);
        let times = times(&mut read);
        let config = Self {
            // The setting has a default, so it is missing only if it was set to nothing.
            data: read.required_path("data"),
            keys: read.path("keys"),
            seal_keys: read.path("seal-key"),
            // In texts, 0 is no limit; from here on, no limit is `None`, which cannot be compared by mistake.
            max_store: Some(read.number("max-store-bytes")).filter(|most| *most > 0),
            listen,
            tls: tls(&mut read, listen),
            behind_proxy: read.switch("behind-proxy"),
            development: read.switch("dev"),
            resolved: read.all("resolve", resolved).into_iter().collect(),
            allowed: read.all("allow-target", str::parse),
            authorities: read.path("ca-file"),
            catalogue: read.path("catalogue"),
            max_per_user: Some(read.number("max-webhooks-per-user")).filter(|most| *most > 0),
            rates: rates(&mut read),
            events_per_second: read.number("max-events-per-second"),
            bounds: bounds(&mut read),
            max_header: read.number("max-header-bytes"),
            header_time: read.time("header-timeout"),
            max_connections: read.positive("max-connections"),
            times,
            policy: policy(&mut read, times),
            drain_time: read.time("drain-timeout"),
            log: read.one("log", String::new(), log_filter),
            log_format: read.one("log-format", LogFormat::Text, str::parse),
        };
        config.check(&mut read);
        if read.wrong.is_empty() { Ok(config) } else { Err(ConfigError(read.wrong)) }
    }

    /// Checks settings that are well formed against each other.
    fn check(&self, read: &mut Reader<'_>) {
        // It sends requests to other addresses than the ones that names resolve to.
        if !self.development && !self.resolved.is_empty() {
            read.refuse("resolve", "is only allowed with --dev");
        }
        if self.bounds.max_body > MAX_BODY {
            read.refuse("max-body-bytes", format_args!("expected at most {MAX_BODY}"));
        }
        if self.max_header < MIN_HEADER {
            read.refuse("max-header-bytes", format_args!("expected at least {MIN_HEADER}"));
        }
    }
}

/// Returns the files for serving HTTPS, and checks that plain HTTP is allowed on the address.
fn tls(read: &mut Reader<'_>, listen: SocketAddr) -> Option<Tls> {
    let given = read.settings.texts("behind-proxy");
    let behind_proxy = given.iter().any(|text| text == "true" || text == "1");
    match (read.path("tls-cert"), read.path("tls-key")) {
        (Some(_), Some(_)) if behind_proxy => {
            read.refuse(
                "behind-proxy",
                "cannot be combined with --tls-cert: either the proxy or the server terminates TLS",
            );
            None
        }
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        (Some(_), None) => {
            read.refuse("tls-cert", "requires --tls-key");
            None
        }
        (None, Some(_)) => {
            read.refuse("tls-key", "requires --tls-cert");
            None
        }
        (None, None) => {
            // A key in plain text can be read and used by anyone between, without a trace.
            if !behind_proxy && !listen.ip().is_loopback() {
                let what = "is not loopback: keys would be sent in plain text; give \
                            --tls-cert and --tls-key, or --behind-proxy if a proxy ends TLS";
                read.refuse("listen", format_args!("{listen} {what}"));
            }
            None
        }
    }
}
