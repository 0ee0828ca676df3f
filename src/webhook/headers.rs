//! Which headers a webhook may add to its requests.

use super::document::Json;
use super::kind::{Kind, problem, token};
use crate::diagnostic::{Found, quote};
use http::{HeaderName, HeaderValue};
use std::collections::HashMap;

/// Most bytes of the headers of a group, names and values together.
const MAX: usize = 2048;

/// Headers that frame the request or belong to one connection (RFC 9110, 9112), and those that
/// this crate sets.
const RESERVED: [&str; 19] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "qlik-signature",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// Names that begin like this are set from the event and for signatures.
const RESERVED_PREFIXES: [&str; 2] = ["ce-", "webhook-"];

/// A header that a webhook adds to its requests.
///
/// `Debug` does not show the value of an encrypted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    written: Box<str>,
    name: HeaderName,
    value: Option<HeaderValue>,
}

impl Header {
    /// The name with its letter case as written.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The value; `None` where a response told that there is one, and not which.
    #[must_use]
    pub fn value(&self) -> Option<&HeaderValue> {
        self.value.as_ref()
    }

    pub(super) fn json(&self) -> Json {
        // Values come from strings of visible ASCII characters.
        match self.value.as_ref().map(HeaderValue::to_str) {
            Some(Ok(value)) => Json::text(value),
            _ => Json::Withheld,
        }
    }
}

/// One of the two groups of headers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Plain,
    Encrypted,
}

impl Group {
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Plain => "headers",
            Self::Encrypted => "encryptedHeaders",
        }
    }

    fn pointer(self, name: &str) -> String {
        format!("/{}/{}", self.member(), token(name))
    }
}

/// What stands in a group.
#[derive(Default)]
pub(super) struct Checked {
    /// Those that are right, by name.
    pub(super) headers: Vec<Header>,
    /// Each name: how many came before it, as it was written first, and where.
    names: HashMap<HeaderName, (usize, Box<str>, String)>,
}

/// The headers of a group, read as far as they can be.
pub(super) fn check(group: Group, value: &Json, found: &mut Found) -> Checked {
    let mut check = Check { group, found, bytes: 0, checked: Checked::default() };
    let pointer = format!("/{}", group.member());
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                check.header(name, value);
            }
        }
        Json::Array(names) if group == Group::Encrypted => {
            for (at, name) in names.iter().enumerate() {
                check.listed(at, name);
            }
        }
        other => {
            let title = format!("`{}` is {}", group.member(), other.kind());
            check.add(Kind::WrongType, &pointer, title, "give an object of strings");
        }
    }
    let bytes = check.bytes;
    if bytes > MAX {
        let title = format!("`{}` has {bytes} bytes of names and values", group.member());
        let help = format!("keep to {MAX} bytes");
        check.add(Kind::HeadersTooLarge, &pointer, title, help);
    }
    let mut checked = check.checked;
    // The members of a JSON object have no order.
    checked.headers.sort_unstable_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    checked
}

/// Names that stand in both groups.
pub(super) fn check_both(plain: &Checked, encrypted: &Checked, found: &mut Found) {
    let mut doubled: Vec<_> = encrypted
        .names
        .iter()
        .filter_map(|(name, (at, written, pointer))| {
            Some((at, pointer, written, &plain.names.get(name)?.1))
        })
        .collect();
    doubled.sort_unstable();
    for (_, pointer, written, other) in doubled {
        let title = format!("header `{}` is in `headers`, too", quote(written));
        let problem = problem(Kind::HeaderDoubled, &**pointer, title, same_name(other));
        found.push(problem);
    }
}

fn same_name(other: &str) -> String {
    format!("remove one; `{}` is the same name, compared case-insensitively", quote(other))
}

struct Check<'a> {
    group: Group,
    found: &'a mut Found,
    bytes: usize,
    checked: Checked,
}

impl Check<'_> {
    fn add(&mut self, kind: Kind, pointer: &str, title: String, help: impl Into<Box<str>>) {
        self.found.push(problem(kind, pointer, title, help));
    }

    fn header(&mut self, written: &str, value: &Json) {
        let pointer = self.group.pointer(written);
        let text = match value {
            Json::String(text) => Some(&**text),
            _ => None,
        };
        self.bytes += written.len() + text.map_or(0, str::len);
        let hidden = self.group == Group::Encrypted;
        // What is no name may be secret, and a pointer to it would hold it.
        let group = format!("/{}", self.group.member());
        let name = self.name(written, if hidden { &group } else { &pointer });
        if hidden && name.is_none() {
            // A message about the value would have to say whose it is.
            return;
        }
        let name = name.filter(|name| self.is_new(name, written, &pointer));
        let value = match value {
            Json::Withheld => Some(None),
            Json::String(text) => self.value(written, text, &pointer).map(Some),
            other => {
                let title = format!("header `{}` is {}", quote(written), other.kind());
                self.add(Kind::WrongType, &pointer, title, "give a string");
                None
            }
        };
        if let (Some(name), Some(value)) = (name, value) {
            self.checked.headers.push(Header { written: written.into(), name, value });
        }
    }

    /// A name in the list that a response has for encrypted headers.
    fn listed(&mut self, at: usize, name: &Json) {
        let pointer = self.group.pointer(&at.to_string());
        let Json::String(written) = name else {
            let title = format!("a name in `encryptedHeaders` is {}", name.kind());
            return self.add(Kind::WrongType, &pointer, title, "give a string");
        };
        self.bytes += written.len();
        let name = self.name(written, &pointer);
        if let Some(name) = name.filter(|name| self.is_new(name, written, &pointer)) {
            self.checked.headers.push(Header { written: written.clone(), name, value: None });
        }
    }

    /// Whether a name stands here first; says so if not, and if it is reserved.
    fn is_new(&mut self, name: &HeaderName, written: &str, pointer: &str) -> bool {
        let shown = quote(written);
        let word = name.as_str();
        if RESERVED.contains(&word) || RESERVED_PREFIXES.iter().any(|p| word.starts_with(p)) {
            let title = format!("header `{shown}` is reserved");
            let help = "remove it: the request's framing, content and signature are the server's";
            self.add(Kind::HeaderReserved, pointer, title, help);
        }
        if let Some((_, first, _)) = self.checked.names.get(name) {
            let title = format!("duplicate header `{shown}`");
            let help = same_name(first);
            self.add(Kind::HeaderDoubled, pointer, title, help);
            return false;
        }
        let seen = (self.checked.names.len(), written.into(), pointer.to_owned());
        self.checked.names.insert(name.clone(), seen);
        true
    }

    /// A name that is one. What stands where the name of an encrypted header should may be its
    /// value, as in a whole header line: it is not quoted.
    fn name(&mut self, written: &str, pointer: &str) -> Option<HeaderName> {
        if let Ok(name) = HeaderName::from_bytes(written.as_bytes()) {
            return Some(name);
        }
        let hidden = self.group == Group::Encrypted;
        let title = match written {
            "" => "a header has an empty name".to_owned(),
            _ if hidden => "a name in `encryptedHeaders` is no name of a header".to_owned(),
            name => format!("`{}` is no name of a header", quote(name)),
        };
        let help = match written.contains(':') {
            true => "give name and value apart: `{\"name\": \"value\"}`",
            false => "use letters, digits and any of !#$%&'*+-.^_`|~",
        };
        self.add(Kind::HeaderName, pointer, title, help);
        None
    }

    /// Messages do not quote the value, which may be secret.
    fn value(&mut self, written: &str, text: &str, pointer: &str) -> Option<HeaderValue> {
        let blank = [' ', '\t'];
        let (wrong, help) = match HeaderValue::from_str(text) {
            _ if !text.is_ascii() => (
                "has characters beyond ASCII, which arrive as each receiver pleases",
                "encode them, such as by percent-encoding or Base64",
            ),
            Err(_) => ("has control characters, such as a line break", "remove them"),
            Ok(_) if text.starts_with(blank) || text.ends_with(blank) => {
                ("begins or ends with a blank, which receivers drop", "remove the blank")
            }
            Ok(mut value) => {
                value.set_sensitive(self.group == Group::Encrypted);
                return Some(value);
            }
        };
        let title = format!("the value of header `{}` {wrong}", quote(written));
        self.add(Kind::HeaderValue, pointer, title, help);
        None
    }
}
