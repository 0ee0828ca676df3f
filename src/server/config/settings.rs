//! The settings of the server: one table, from which the flags, the environment, the file, the help
//! and `--print-config` are derived.
//!
//! A new setting is a row here and a field of [`Config`](super::Config). Defaults are texts, parsed
//! like any other value: the help shows exactly what the server uses.

/// A setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The name: the flag without dashes and the key in the file. The variable of the environment
    /// is `HOOKSIEVE_` and the name in capitals.
    pub(crate) name: &'static str,
    /// The placeholder of the value in the help; empty for a switch.
    pub(crate) value: &'static str,
    /// Whether the setting may be given more than once.
    pub(crate) many: bool,
    /// The default value; empty for none.
    pub(crate) default: &'static str,
    /// The help text.
    pub(crate) help: &'static str,
}

const fn one(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, value, many: false, default, help }
}

const fn many(name: &'static str, value: &'static str, help: &'static str) -> Setting {
    Setting { name, value, many: true, default: "", help }
}

const fn switch(name: &'static str, help: &'static str) -> Setting {
    Setting { name, value: "", many: false, default: "false", help }
}

/// All settings, in the order of the help.
pub(crate) const SETTINGS: &[Setting] = &[
    one("data", "DIR", "hooksieve-data", "Directory in which the server keeps all its data"),
    one("keys", "FILE", "", "File of API keys; without it, `keys.toml` in the data directory"),
    one(
        "seal-key",
        "FILE",
        "",
        "File of keys that seal secrets; without it, `seal.keys` in the data directory",
    ),
    one("max-store-bytes", "N", "0", "Maximum size of the store's file in bytes; 0 is no limit"),
    one("listen", "ADDR", "127.0.0.1:8080", "Address on which the API listens"),
    one("tls-cert", "PEM", "", "Certificate chain with which to serve HTTPS"),
    one("tls-key", "PEM", "", "Private key of the certificate"),
    switch("behind-proxy", "Allow plain HTTP on any address, because a proxy terminates TLS"),
    switch("dev", "Allow http and loopback targets; no rate limits unless set"),
    many("resolve", "HOST=ADDR", "Send requests for HOST to ADDR; only with --dev"),
    many("allow-target", "CIDR", "Allow targets in this block of addresses, even private ones"),
    one("ca-file", "PEM", "", "Additional certificate authorities to trust for receivers"),
    one("catalogue", "FILE", "", "File of event types, in the form of `event-types --format json`"),
    one(
        "max-webhooks-per-user",
        "N",
        "150",
        "Maximum webhooks that a user may create; 0 is no limit",
    ),
    one(
        "tier1-per-minute",
        "N",
        "1000",
        "Requests per minute and key that read or check; 0 is no limit",
    ),
    one(
        "tier2-per-minute",
        "N",
        "100",
        "Requests per minute and key that change or send; 0 is no limit",
    ),
    one(
        "max-events-per-second",
        "N",
        "0",
        "Maximum events per second of a tenant that are accepted; 0 is no limit",
    ),
    one("max-body-bytes", "N", "1048576", "Maximum size of a request's body in bytes"),
    one("max-header-bytes", "N", "32768", "Maximum size of a request's line and headers in bytes"),
    one("max-connections", "N", "4096", "Maximum open connections; more wait to be accepted"),
    one(
        "header-timeout",
        "TIME",
        "15s",
        "Time limit for headers to arrive, and of an idle connection",
    ),
    one("body-timeout", "TIME", "30s", "Time limit for a body to arrive, or a response to be read"),
    one("request-timeout", "TIME", "90s", "Time limit of a whole request"),
    one("connect-timeout", "TIME", "5s", "Time limit for connecting to a receiver"),
    one("attempt-timeout", "TIME", "30s", "Time limit of a whole delivery attempt"),
    one(
        "retry-schedule",
        "TIMES",
        "5s,1m,5m,30m,2h,6h,12h",
        "Waits after failed delivery attempts, separated by commas",
    ),
    one("max-attempts", "N", "1024", "Maximum delivery attempts in flight"),
    one("max-attempts-per-endpoint", "N", "4", "Maximum delivery attempts in flight to a webhook"),
    one("max-messages", "N", "8192", "Maximum messages in memory; the others wait in the store"),
    one(
        "park-after",
        "N",
        "10",
        "Failed attempts in a row after which a webhook is not sent to for a time",
    ),
    one("park-time", "TIME", "1m", "Maximum of that time; the wait of the schedule if shorter"),
    one(
        "disable-after",
        "N",
        "20",
        "Failed attempts in a row after which a webhook is disabled, if none succeeds for long",
    ),
    one(
        "disable-time",
        "TIME",
        "24h",
        "Time in which none succeeds, from the first failed attempt",
    ),
    one("drain-timeout", "TIME", "30s", "Time limit for requests in flight after SIGTERM"),
    one("log", "FILTER", "info", "Filter of the log, such as `warn` or `hooksieve=debug`"),
    one("log-format", "FORMAT", "text", "Format of the log: `text` or `json`"),
];

/// Returns the setting with a name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// Returns the name of the variable of the environment.
    pub(crate) fn variable(&self) -> String {
        format!("HOOKSIEVE_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Returns whether the setting is a switch, which has no value on the command line.
    pub(crate) fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// Returns whether the value is a number in the file.
    fn is_number(&self) -> bool {
        self.value == "N"
    }

    /// Returns a line of a file that sets these values.
    pub(super) fn line(&self, values: &[String]) -> String {
        let quoted = |value: &String| toml::Value::from(value.as_str()).to_string();
        match values {
            _ if self.many => {
                let all: Vec<_> = values.iter().map(quoted).collect();
                format!("{} = [{}]", self.name, all.join(", "))
            }
            [value, ..] if self.is_switch() || self.is_number() => {
                format!("{} = {value}", self.name)
            }
            [value, ..] => format!("{} = {}", self.name, quoted(value)),
            [] => format!("# {} = \"\"", self.name),
        }
    }
}
