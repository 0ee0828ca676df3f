//! The settings of the server: one table, which the flags, the environment, the file, the help and
//! `--print-config` are all made from.

/// A setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its flag without dashes, and its key in the file; in the environment `HOOKSIEVE_` and the
    /// name in capitals.
    pub(crate) name: &'static str,
    /// What stands for its value in the help; empty for a switch.
    pub(crate) value: &'static str,
    /// Whether it may be given more than once.
    pub(crate) many: bool,
    /// Its value if it is not given; empty for none.
    pub(crate) default: &'static str,
    /// What it does.
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
    one("data", "DIR", "hooksieve-data", "Where everything is kept"),
    one("keys", "FILE", "", "The file of keys; `keys.toml` in the data directory without it"),
    one("seal-key", "FILE", "", "The keys that seal secrets; `seal.keys` in the data directory"),
    one("max-store-bytes", "N", "0", "Bytes of the store's file; 0 is no limit"),
    one("listen", "ADDR", "127.0.0.1:8080", "The address of the API"),
    one("tls-cert", "PEM", "", "Serve HTTPS with this certificate chain"),
    one("tls-key", "PEM", "", "The private key of the certificate"),
    switch("behind-proxy", "Serve plain HTTP on a public address: a proxy ends TLS"),
    switch("dev", "Take targets on http, localhost and loopback; no rate limits unless set"),
    many("resolve", "HOST=ADDR", "Send what is for HOST to ADDR instead; only with --dev"),
    many("allow-target", "CIDR", "Send to addresses in this block, private ones too"),
    one("ca-file", "PEM", "", "Trust these certificate authorities of receivers, too"),
    one("catalogue", "FILE", "", "The event types, as `event-types --format json` prints them"),
    one("max-webhooks-per-user", "N", "150", "Webhooks that a user may have; 0 is no limit"),
    one("tier1-per-minute", "N", "1000", "Requests of a key that read and check; 0 is no limit"),
    one("tier2-per-minute", "N", "100", "Requests of a key that change and send; 0 is no limit"),
    one("max-body-bytes", "N", "1048576", "Bytes of a request's body"),
    one("max-header-bytes", "N", "32768", "Bytes of a request's line and headers"),
    one("max-connections", "N", "4096", "Connections at once; more wait to be accepted"),
    one("header-timeout", "TIME", "15s", "How long headers, and an idle connection, may take"),
    one("body-timeout", "TIME", "30s", "How long a body may take to arrive, or an answer to leave"),
    one("request-timeout", "TIME", "90s", "How long a request may take as a whole"),
    one("connect-timeout", "TIME", "5s", "How long it may take to connect to a receiver"),
    one("attempt-timeout", "TIME", "30s", "How long an attempt to deliver may take as a whole"),
    one("drain-timeout", "TIME", "30s", "How long requests in flight may take after SIGTERM"),
    one("log", "FILTER", "info", "What is logged, such as `warn` or `hooksieve=debug`"),
    one("log-format", "FORMAT", "text", "How it is logged: `text` or `json`"),
];

/// The setting of a name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// Its name in the environment.
    pub(crate) fn variable(&self) -> String {
        format!("HOOKSIEVE_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// Whether it has no value.
    pub(crate) fn is_switch(&self) -> bool {
        self.value.is_empty()
    }

    /// Whether its value is a number in the file.
    fn is_number(&self) -> bool {
        self.value == "N"
    }

    /// A line of a file that gives it these values.
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
