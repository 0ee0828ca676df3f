//! Which target URLs a webhook may have.

use super::{Problem, ProblemKind};
use crate::syntax::{excerpt, quote};
use std::cell::Cell;
use url::{Host, ParseError, SyntaxViolation, Url};

/// Most characters of a URL, as written.
pub(super) const MOST: usize = 2048;

/// Characters that the parser percent-encodes in some part of a URL.
const MAY_BE_ENCODED: [char; 12] = [' ', '"', '\'', '<', '>', '[', ']', '^', '`', '{', '|', '}'];

/// Names that are not for public use; no host may be one of them or stand under one.
const RESERVED: [&str; 8] =
    ["localhost", "local", "internal", "test", "invalid", "onion", "alt", "home.arpa"];

/// A URL that a webhook may have. Compares by what is sent.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Letter case, host and default port in normal form, all of it ASCII.
    sent: Box<str>,
    /// As written, where only that keeps to the limit: percent-encoding is longer.
    written: Option<Box<str>>,
    fragment: bool,
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.sent == other.sent
    }
}

impl Eq for Target {}

impl Target {
    pub(super) fn sent(&self) -> &str {
        &self.sent
    }

    /// A form that reads back as the same target.
    pub(super) fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.sent)
    }

    /// Whether it has a fragment, which is never sent.
    pub(super) fn has_fragment(&self) -> bool {
        self.fragment
    }

    /// Checks a URL but for its length. The problems have the pointer `/url`.
    pub(super) fn check(written: &str) -> Result<Self, Vec<Problem>> {
        match parse(written) {
            (Ok(url), repairs) => Self::of(written, url, &repairs),
            (Err(error), repairs) => {
                let mut faults = vec![unreadable(written, error)];
                // A bad port hides what else is wrong.
                if error == ParseError::InvalidPort
                    && let Some(mended) = without_port(written)
                    && let (Ok(url), repairs) = parse(&mended)
                {
                    faults.extend(Self::of(&mended, url, &repairs).err().into_iter().flatten());
                } else if repairs.credentials.get() {
                    faults.push(credentials());
                }
                Err(faults)
            }
        }
    }

    fn of(written: &str, url: Url, repairs: &Repairs) -> Result<Self, Vec<Problem>> {
        let host = host(&url);
        // One mend of all, so that none is refused for another fault.
        let mut mended = url.clone();
        let is_https = mended.set_scheme("https").is_ok();
        if mended.port() == Some(0) {
            let _ = mended.set_port(None);
        }
        // Nobody should be told to write a host that is refused.
        let write = || match host {
            None if is_https => format!("write `{}`", shown(&mended)),
            _ => BEGIN.to_owned(),
        };
        let mut faults = Vec::new();
        if url.scheme() != "https" {
            let title = format!("`url` has the scheme `{}`", quote(url.scheme()));
            faults.push(fault(ProblemKind::UrlNotHttps, title, write()));
            if !url.has_host() {
                return Err(faults);
            }
        }
        if let Some(what) = repairs.found(written, &url) {
            faults.push(fault(ProblemKind::UrlNeedsRepair, format!("`url` {what}"), write()));
        }
        if repairs.credentials.get() || !url.username().is_empty() || url.password().is_some() {
            faults.push(credentials());
        }
        faults.extend(host);
        if url.port() == Some(0) {
            let title = "`url` has port 0, at which nobody listens";
            faults.push(fault(ProblemKind::UrlPort, title, "remove the port, or give another"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let fragment = url.fragment().is_some();
        let sent: Box<str> = String::from(url).into();
        let written = (sent.len() > MOST).then(|| written.into());
        Ok(Self { sent, written, fragment })
    }
}

fn fault(kind: ProblemKind, title: impl Into<Box<str>>, help: impl Into<Box<str>>) -> Problem {
    Problem::new(kind, "/url", title, help)
}

fn parse(written: &str) -> (Result<Url, ParseError>, Repairs) {
    let repairs = Repairs::default();
    let callback = |violation| repairs.note(violation);
    let url = Url::options().syntax_violation_callback(Some(&callback)).parse(written);
    (url, repairs)
}

fn credentials() -> Problem {
    let title = "`url` has a user name or a password";
    let help = "remove all before the `@`, and send credentials in `encryptedHeaders`";
    fault(ProblemKind::UrlCredentials, title, help)
}

/// The same with the default port.
fn without_port(written: &str) -> Option<String> {
    let (host, rest) = host_and_rest(written);
    // What looks like a host may be the beginning of a password with a slash in it.
    let (name, _) = host.rsplit_once(':').filter(|_| !rest.contains('@'))?;
    let at = (host.as_ptr() as usize).checked_sub(written.as_ptr() as usize)?;
    Some([written.get(..at + name.len())?, written.get(at + host.len()..)?].concat())
}

/// A URL in a message, without its credentials.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Neither can fail where there is a host, and without one there are no credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    excerpt(url.as_str(), 160)
}

const BEGIN: &str = "begin it with `https://` and the host";

/// What the parser passed over or changed.
#[derive(Default)]
struct Repairs {
    first: Cell<Option<&'static str>>,
    credentials: Cell<bool>,
    characters: Cell<bool>,
}

impl Repairs {
    fn note(&self, violation: SyntaxViolation) {
        let what = match violation {
            SyntaxViolation::EmbeddedCredentials | SyntaxViolation::UnencodedAtSign => {
                return self.credentials.set(true);
            }
            SyntaxViolation::NonUrlCodePoint | SyntaxViolation::PercentDecode => {
                return self.characters.set(true);
            }
            SyntaxViolation::Backslash => "has a backslash for a slash",
            SyntaxViolation::C0SpaceIgnored => "has blanks or control characters around it",
            SyntaxViolation::TabOrNewlineIgnored => "has a tab or a line break in it",
            SyntaxViolation::ExpectedDoubleSlash => "has not exactly two slashes behind its scheme",
            _ => "is not a valid URL",
        };
        if self.first.get().is_none() {
            self.first.set(Some(what));
        }
    }

    fn found(&self, written: &str, url: &Url) -> Option<&'static str> {
        if self.first.get().is_some() {
            return self.first.get();
        }
        let (host, rest) = host_and_rest(written);
        if host.contains('%') {
            return Some("has a percent-encoded host");
        }
        // Some characters are against the standard and yet sent as they are, as in `?a[]=1`.
        let encoded = |c: &char| {
            let code = format!("%{:02X}", u32::from(*c));
            url.as_str().matches(&code).count() > rest.matches(&code).count()
        };
        let changed = || rest.contains(char::is_control) || MAY_BE_ENCODED.iter().any(encoded);
        (self.characters.get() && changed())
            .then_some("has characters that must be percent-encoded")
    }
}

/// What stands between the slashes, or the credentials, and the path; and what follows.
fn host_and_rest(written: &str) -> (&str, &str) {
    let behind = written.split_once(':').map_or("", |(_, behind)| behind);
    let behind = behind.trim_start_matches(['/', '\\']);
    let end = behind.find(['/', '\\', '?', '#']).unwrap_or(behind.len());
    let (authority, rest) = behind.split_at_checked(end).unwrap_or_default();
    (authority.rsplit('@').next().unwrap_or_default(), rest)
}

/// Messages quote the host alone, since there may be a password before it.
fn unreadable(written: &str, error: ParseError) -> Problem {
    let host = quote(host_and_rest(written).0);
    let (kind, title, help) = match error {
        ParseError::RelativeUrlWithoutBase | ParseError::RelativeUrlWithCannotBeABaseBase => {
            (ProblemKind::UrlInvalid, "`url` has no scheme".to_owned(), BEGIN.to_owned())
        }
        ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => address(&host),
        ParseError::EmptyHost => {
            let title = "`url` has no host".to_owned();
            (ProblemKind::UrlHost, title, "write a domain name behind `https://`".to_owned())
        }
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => {
            let title = format!("the host of `url` is no domain name: `{host}`");
            (ProblemKind::UrlHost, title, DOMAIN.to_owned())
        }
        ParseError::InvalidPort => {
            let title = "the port of `url` is no number below 65536".to_owned();
            (ProblemKind::UrlPort, title, "remove the port, or mend it".to_owned())
        }
        other => {
            let title = format!("`url` is no URL: {other}");
            (ProblemKind::UrlInvalid, title, BEGIN.to_owned())
        }
    };
    fault(kind, title, help)
}

const DOMAIN: &str = "use a fully qualified domain name, such as `hooks.example.com`";

fn address(what: &str) -> (ProblemKind, String, String) {
    let title = format!("the host of `url` is an IP address, or looks like one: `{what}`");
    (ProblemKind::UrlAddress, title, DOMAIN.to_owned())
}

fn host(url: &Url) -> Option<Problem> {
    let domain = match url.host() {
        Some(Host::Domain(domain)) => domain,
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => {
            let (kind, title, help) = address(url.host_str().unwrap_or_default());
            return Some(fault(kind, title, help));
        }
        None => return Some(fault(ProblemKind::UrlHost, "`url` has no host", DOMAIN)),
    };
    // The root's empty label makes the same name absolute.
    let name = domain.strip_suffix('.').unwrap_or(domain);
    let under = |reserved: &&str| {
        name.strip_suffix(*reserved).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if let Some(reserved) = RESERVED.iter().find(|reserved| under(reserved)) {
        let title = format!("the host of `url` stands under `{reserved}`, not for public use");
        return Some(fault(ProblemKind::UrlReservedHost, title, DOMAIN));
    }
    let wrong = if name.len() > 253 {
        "is longer than 253 characters"
    } else if name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        "has a label that is empty or longer than 63 characters"
    } else if !name.split('.').all(is_label) {
        "has a label with other characters than letters, digits, inner hyphens and underscores"
    } else if !name.contains('.') {
        "has one label alone"
    } else {
        return None;
    };
    let title = format!("the host of `url`, `{}`, {wrong}", quote(domain));
    Some(fault(ProblemKind::UrlHost, title, DOMAIN))
}

/// Letters, digits and inner hyphens (RFC 1123), and the underscore that some hosts have.
fn is_label(label: &str) -> bool {
    !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
