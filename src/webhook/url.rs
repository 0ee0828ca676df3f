//! Checks the target URL of a webhook.
//!
//! The URL parser follows the WHATWG standard and repairs much: missing slashes, backslashes, tabs.
//! A webhook's author should see what is stored, so whatever the parser would have to repair is an
//! error here. All errors of a URL are reported at once, with one suggestion that fixes all of
//! them; see `url_fix`.
//!
//! # What is refused, and why
//!
//! A server that sends requests to URLs of its tenants can be made to reach its own network
//! (server-side request forgery). So the host must be a public domain name, and the address that it
//! resolves to is checked again on each delivery (see [`check_address`](super::check_address)).
//!
//! | code | example | why |
//! | --- | --- | --- |
//! | `url-not-https` | `http://a.example.com` | anyone on the way could read the event |
//! | `url-credentials` | `https://u:p@a.example.com` | a URL is shown in responses and lists |
//! | `url-ip-address` | `https://0x7f.1/` | it may be in the server's own network |
//! | `url-reserved-host` | `https://a.internal/` | such names resolve inside of networks only |
//! | `url-host` | `https://billing/` | a name of one label depends on the resolver's search list |
//! | `url-port` | `https://a.example.com:0` | no server listens there |
//! | `url-needs-repair` | `https:\\a.example.com` | another parser may read another host |
//! | `url-invalid` | `a.example.com/hook` | it has no scheme |

use super::kind::{Kind, problem};
use super::url_fix::{self, Beginning, Wrapped};
use crate::diagnostic::{Diagnostic, quote};
use crate::filter::{code_point, invisible, placeholder};
use std::cell::Cell;
use url::{Host, ParseError, SyntaxViolation, Url};

/// The limit of characters of a URL, as written.
pub(super) const MAX: usize = 2048;

/// The characters that the parser percent-encodes in some part of a URL.
const MAY_BE_ENCODED: [char; 12] = [' ', '"', '\'', '<', '>', '[', ']', '^', '`', '{', '|', '}'];

/// Names that are not for public use. No host may be one of them or be under one.
///
/// They are reserved by RFC 6761, 7686, 8375 and 9476, reserved by ICANN for private networks or
/// used in them, or serve the metadata of clouds.
const RESERVED: [&str; 16] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "svc",
    "test",
    "invalid",
    "onion",
    "alt",
    "arpa",
    "metadata.goog",
];

/// A valid URL. Compares by the form that is sent.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The form that is sent: normalized and ASCII.
    sent: Box<str>,
    /// The URL as written, if `sent` is longer than the limit because of percent-encoding.
    written: Option<Box<str>>,
    /// Whether it has a fragment.
    fragment: bool,
    /// Whether it is accepted only in development mode.
    development: bool,
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.sent == other.sent
    }
}

impl Eq for Target {}

impl Target {
    /// Returns the form that is sent.
    pub(super) fn sent(&self) -> &str {
        &self.sent
    }

    /// Returns a form that is read back as the same target.
    pub(super) fn shown(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.sent)
    }

    /// Returns whether it has a fragment, which is never sent.
    pub(super) fn has_fragment(&self) -> bool {
        self.fragment
    }

    /// Returns whether it is accepted only in development mode.
    pub(super) fn is_for_development(&self) -> bool {
        self.development
    }

    /// Checks a URL, except for its length. The errors have the pointer `/url`.
    pub(super) fn check(written: &str, development: bool) -> Result<Self, Vec<Diagnostic>> {
        Self::read(written, development).map_err(|faults| explained(written, faults, development))
    }

    /// Returns whether a URL is valid, including its length.
    pub(super) fn is_accepted(written: &str, development: bool) -> bool {
        written.chars().count() <= MAX && Self::read(written, development).is_ok()
    }

    /// Checks a URL like [`check`](Self::check), without suggestions.
    fn read(written: &str, development: bool) -> Result<Self, Vec<Diagnostic>> {
        match parse(written) {
            (Ok(url), repairs) => Self::of(written, url, &repairs, development),
            (Err(error), repairs) => {
                let mut faults = vec![unreadable(written, error)];
                // The parser stops at an invalid port, so the rest is checked without it.
                if error == ParseError::InvalidPort
                    && let Some(without) = without_port(written)
                    && let (Ok(url), repairs) = parse(&without)
                {
                    let others = Self::of(&without, url, &repairs, development);
                    faults.extend(others.err().into_iter().flatten());
                } else if repairs.credentials.get() {
                    faults.push(credentials());
                }
                Err(faults)
            }
        }
    }

    /// Checks a URL that the parser has read.
    fn of(
        written: &str,
        url: Url,
        repairs: &Repairs,
        development: bool,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        if url.scheme() != "https" && !(development && url.scheme() == "http") {
            // A host and a port were read as a scheme and a path.
            let is_host = url.scheme().contains('.') || url.scheme() == "localhost";
            let title = match is_host {
                true => "`url` has no scheme".to_owned(),
                false => format!("`url` must use https, not `{}`", quote(url.scheme())),
            };
            faults.push(fault(Kind::UrlNotHttps, title, BEGIN));
            // `mailto:a@b.example` has no host, and the other checks would only repeat that it is
            // no web address.
            if !url.has_host() {
                return Err(faults);
            }
        }
        // An invisible character also causes a repair, but only this message names it.
        if let Some(fault) = unseen(written) {
            faults.push(fault);
        } else if let Some((what, help)) = repairs.found(written, &url) {
            faults.push(fault(Kind::UrlNeedsRepair, what, help));
        }
        if repairs.credentials.get() || !url.username().is_empty() || url.password().is_some() {
            faults.push(credentials());
        }
        faults.extend(host(written, &url, development));
        if url.port() == Some(0) {
            let title = "`url` has port 0, on which no server listens";
            faults.push(fault(Kind::UrlPort, title, "remove the port, or use 1 to 65535"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let fragment = url.fragment().is_some();
        // The host is checked again as in production, since what fails there was accepted only
        // here.
        let development =
            development && (url.scheme() != "https" || host(written, &url, false).is_some());
        let sent: Box<str> = String::from(url).into();
        // Reading `sent` back would exceed the limit, so the text that was accepted is kept for
        // that.
        let written = (sent.len() > MAX).then(|| written.into());
        Ok(Self { sent, written, fragment, development })
    }
}

/// Adds one suggestion to the errors of a URL that fixes all of them, if one is certain.
fn explained(written: &str, mut faults: Vec<Diagnostic>, development: bool) -> Vec<Diagnostic> {
    // A URL that is much too long cannot be fixed, and the search would take time.
    if written.len() > 5 * MAX {
        return faults;
    }
    let suggestion = url_fix::suggestion(written, development);
    if let Some(found) = placeholder(written) {
        // What looks like a placeholder may be a password, which is not quoted.
        let help = match written.contains('@') {
            true => "replace the placeholder with its value".to_owned(),
            false => format!("replace the placeholder `{}` with its value", quote(found)),
        };
        let names_it = |fault: &Diagnostic| {
            use Kind::{UrlHost, UrlInvalid, UrlNeedsRepair};
            [UrlHost, UrlInvalid, UrlNeedsRepair].iter().any(|kind| kind.code() == fault.code())
        };
        faults
            .iter_mut()
            // A placeholder may be why the host is invalid, but not why the scheme is `http`.
            .filter(|fault| names_it(fault))
            .for_each(|fault| fault.set_help(help.as_str()));
        return faults;
    }
    if let Some(Wrapped { inner, what, is_soft }) = url_fix::unwrap(written) {
        let others = Target::read(inner, development).err().unwrap_or_default();
        // Punctuation after a URL is reported only if nothing else is wrong with it.
        if !is_soft || others.is_empty() {
            let first = faults.first().map(Diagnostic::code);
            // The text around the URL caused the first error if the URL itself has none of that
            // kind.
            let is_only_here = |kind: &&Kind| {
                Some(kind.code()) == first && others.iter().all(|other| other.code() != kind.code())
            };
            let kind = Kind::ALL.iter().find(is_only_here).copied();
            let kind = kind.unwrap_or(Kind::UrlNeedsRepair);
            let help = "remove what is not part of the URL";
            faults = vec![fault(kind, format!("`url` {what}"), help)];
            faults.extend(others);
        }
    }
    if let Some(url) = suggestion {
        // A longer URL would be cut in a line of text.
        let help = (url.len() <= 160).then(|| format!("write `{url}`"));
        for fault in &mut faults {
            help.as_deref().into_iter().for_each(|help| fault.set_help(help));
            fault.set_suggestion(url.as_str());
        }
    }
    faults
}

/// Makes an error about the URL.
fn fault(kind: Kind, title: impl Into<Box<str>>, help: impl Into<Box<str>>) -> Diagnostic {
    problem(kind, "/url", title, help)
}

/// Parses a URL and notes what the parser repaired.
pub(super) fn parse(written: &str) -> (Result<Url, ParseError>, Repairs) {
    let repairs = Repairs::default();
    // The parser takes a shared function, so what it notes is in cells.
    let callback = |violation| repairs.note(violation);
    let url = Url::options().syntax_violation_callback(Some(&callback)).parse(written);
    (url, repairs)
}

/// Makes the error for a URL with a user name or a password.
fn credentials() -> Diagnostic {
    let title = "`url` has a user name or a password";
    let help = "remove everything before the `@`, and send credentials in `encryptedHeaders`";
    fault(Kind::UrlCredentials, title, help)
}

/// Returns the URL without its port.
fn without_port(written: &str) -> Option<String> {
    let (host, rest) = host_and_rest(written);
    // With an `@` after it, this may be the beginning of a password with a slash in it, not a host.
    let (name, _) = host.rsplit_once(':').filter(|_| !rest.contains('@'))?;
    let at = (host.as_ptr() as usize).checked_sub(written.as_ptr() as usize)?;
    Some([written.get(..at + name.len())?, written.get(at + host.len()..)?].concat())
}

/// The help for a wrong beginning.
const BEGIN: &str = "begin it with `https://` and the host";

/// What the parser repaired.
#[derive(Default)]
pub(super) struct Repairs {
    /// The message and help of the first repair.
    first: Cell<Option<(&'static str, &'static str)>>,
    /// Whether the URL has credentials.
    credentials: Cell<bool>,
    /// Whether it has characters that are invalid in a URL.
    characters: Cell<bool>,
}

impl Repairs {
    /// Notes a repair.
    fn note(&self, violation: SyntaxViolation) {
        let what = match violation {
            SyntaxViolation::EmbeddedCredentials | SyntaxViolation::UnencodedAtSign => {
                return self.credentials.set(true);
            }
            // Only noted: whether the parser changes such a character depends on the part of the
            // URL.
            SyntaxViolation::NonUrlCodePoint | SyntaxViolation::PercentDecode => {
                return self.characters.set(true);
            }
            SyntaxViolation::Backslash => ("`url` has a backslash instead of a slash", "write `/`"),
            SyntaxViolation::C0SpaceIgnored => {
                ("`url` has blanks or control characters around it", "remove them")
            }
            SyntaxViolation::TabOrNewlineIgnored => {
                ("`url` has a tab or a line break", "remove it, and what is not part of the URL")
            }
            SyntaxViolation::ExpectedDoubleSlash => {
                ("expected exactly two slashes after the scheme of `url`", BEGIN)
            }
            _ => ("`url` is not a valid URL", BEGIN),
        };
        if self.first.get().is_none() {
            self.first.set(Some(what));
        }
    }

    /// Returns whether the URL has credentials.
    pub(super) fn credentials(&self) -> bool {
        self.credentials.get()
    }

    /// Returns the message and help of the first repair.
    fn found(&self, written: &str, url: &Url) -> Option<(&'static str, &'static str)> {
        if self.first.get().is_some() {
            return self.first.get();
        }
        if !self.characters.get() && !written.contains('%') {
            return None;
        }
        let (host, rest) = host_and_rest(written);
        if host.contains('%') {
            return Some(("`url` has a percent-encoded host", "write the host in plain letters"));
        }
        // Some characters are invalid but sent unchanged, as in `?a[]=1`. They are accepted.
        let encoded = |c: &char| {
            let code = format!("%{:02X}", u32::from(*c));
            // The parsed URL has a code that was not written, so the parser has encoded the
            // character.
            url.as_str().matches(&code).count() > rest.matches(&code).count()
        };
        let changed = || rest.contains(char::is_control) || MAY_BE_ENCODED.iter().any(encoded);
        (self.characters.get() && changed()).then_some((
            "`url` has characters that must be percent-encoded",
            "encode or remove them",
        ))
    }
}

/// Returns the host with its port, and the rest from the path on, of a URL that may be invalid.
pub(super) fn host_and_rest(written: &str) -> (&str, &str) {
    let after = written.split_once(':').map_or("", |(_, after)| after);
    // The parser reads a backslash as a slash in `https`, and skips superfluous ones.
    let after = after.trim_start_matches(['/', '\\']);
    let end = after.find(['/', '\\', '?', '#']).unwrap_or(after.len());
    // `end` is where a character begins, or the end of the text.
    let (authority, rest) = after.split_at_checked(end).unwrap_or_default();
    // The last `@` ends the credentials, since a password may contain one.
    (authority.rsplit('@').next().unwrap_or_default(), rest)
}

/// Makes the error for a URL that the parser cannot read.
///
/// It quotes only the host, since there may be a password before it.
fn unreadable(written: &str, error: ParseError) -> Diagnostic {
    let host = quote(host_and_rest(written).0);
    let (kind, title, help) = match error {
        ParseError::RelativeUrlWithoutBase | ParseError::RelativeUrlWithCannotBeABaseBase => {
            return unseen(written).unwrap_or_else(|| without_scheme(written));
        }
        ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => address(&host),
        ParseError::EmptyHost => {
            let title = "`url` has no host".to_owned();
            (Kind::UrlHost, title, "write a domain name after `https://`".to_owned())
        }
        ParseError::IdnaError | ParseError::InvalidDomainCharacter => {
            let title = format!("the host of `url` is not a domain name: `{host}`");
            (Kind::UrlHost, title, DOMAIN.to_owned())
        }
        ParseError::InvalidPort => {
            let title = "the port of `url` is not a number below 65536".to_owned();
            (Kind::UrlPort, title, "remove the port, or use 1 to 65535".to_owned())
        }
        other => {
            let title = format!("`url` is not a URL: {other}");
            (Kind::UrlInvalid, title, BEGIN.to_owned())
        }
    };
    fault(kind, title, help)
}

/// Reports an invisible character at either end of a URL or after the host.
///
/// Inside the host, IDNA drops it or refuses it.
fn unseen(written: &str) -> Option<Diagnostic> {
    if written.is_ascii() {
        return None;
    }
    let is_outer = |c: &char| written.starts_with(*c) || written.ends_with(*c);
    let (_, rest) = host_and_rest(written);
    let found = invisible(rest).or_else(|| invisible(written).filter(is_outer));
    let title = format!("`url` has the invisible character {}", code_point(found?));
    Some(fault(Kind::UrlNeedsRepair, title, "remove it, or percent-encode it"))
}

/// Makes the error for a URL that does not begin with a scheme.
fn without_scheme(written: &str) -> Diagnostic {
    let (title, help) = match url_fix::beginning(written) {
        Some(Beginning::Encoded) => ("`url` is percent-encoded as a whole", "decode it"),
        Some(Beginning::NoColon) => ("`url` has no `:` after its scheme", BEGIN),
        Some(Beginning::Text) => {
            ("`url` has other text before the URL", "remove what is not part of the URL")
        }
        None => ("`url` has no scheme", BEGIN),
    };
    fault(Kind::UrlInvalid, title, help)
}

/// The help for a wrong host.
const DOMAIN: &str = "use a fully qualified domain name, such as `hooks.example.com`";

/// Makes the error for an IP address.
fn address(what: &str) -> (Kind, String, String) {
    let title = format!("the host of `url` is an IP address, or looks like one: `{what}`");
    (Kind::UrlAddress, title, DOMAIN.to_owned())
}

/// Checks the host.
fn host(written: &str, url: &Url, development: bool) -> Option<Diagnostic> {
    let domain = match url.host() {
        Some(Host::Domain(domain)) => domain,
        Some(host) => {
            let text = url.host_str().unwrap_or_default();
            let is_loopback = match host {
                Host::Ipv4(address) => address.is_loopback(),
                Host::Ipv6(address) => address.is_loopback(),
                Host::Domain(_) => false,
            };
            if development && is_loopback && is_canonical(written, text) {
                return None;
            }
            let (kind, title, help) = address(text);
            return Some(fault(kind, title, help));
        }
        None => return Some(fault(Kind::UrlHost, "`url` has no host", DOMAIN)),
    };
    // A final dot, the empty label of the root, means the same name.
    let name = domain.strip_suffix('.').unwrap_or(domain);
    let under = |reserved: &str| {
        // `a.local` is under `local`, and `mylocal` is not.
        name.strip_suffix(reserved).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let is_local = development && under("localhost");
    if let Some(reserved) = RESERVED.iter().find(|reserved| under(reserved) && !is_local) {
        let title = match name == *reserved {
            true => format!("the host of `url` is `{reserved}`, which is not for public use"),
            false => {
                format!("the host of `url` is under `{reserved}`, which is not for public use")
            }
        };
        return Some(fault(Kind::UrlReservedHost, title, DOMAIN));
    }
    // RFC 1035 section 2.3.4, without the bytes for the lengths.
    let wrong = if name.len() > 253 {
        "is longer than 253 characters"
    } else if name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        "has a label that is empty or longer than 63 characters"
    } else if !name.split('.').all(is_label) {
        "has a label with characters other than letters, digits, inner hyphens and underscores"
    } else if !name.contains('.') && !is_local {
        // `https://billing/` would reach whatever the server's network calls `billing`.
        "has only one label"
    } else {
        return None;
    };
    let title = format!("the host of `url`, `{}`, {wrong}", quote(domain));
    Some(fault(Kind::UrlHost, title, DOMAIN))
}

/// Returns whether the host is written in its canonical form `host`, that of the parser.
fn is_canonical(written: &str, host: &str) -> bool {
    let rest = host_and_rest(written).0.strip_prefix(host);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Returns whether a label has only letters, digits and inner hyphens (RFC 1123).
///
/// An underscore, which some hosts have, is allowed as well.
fn is_label(label: &str) -> bool {
    !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
