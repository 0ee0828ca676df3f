//! Checks the headers that a webhook adds to its requests.
//!
//! # Two groups
//!
//! `headers` are shown in responses, `encryptedHeaders` are not: a response has only their names,
//! as a list. Both are sent in one request, so a name may occur only once in both together,
//! compared case-insensitively (RFC 9110 section 5.1).
//!
//! # What no message contains
//!
//! Authors put a whole line into the name, such as `{"Authorization: Bearer abc": ""}`. So an
//! invalid name of an encrypted header is neither quoted nor part of a pointer, and no value is
//! ever quoted. Nothing else is reported about such a header.
//!
//! # Why so strict about values
//!
//! A line break in a value would begin a header of the tenant's choice, or a second request (header
//! injection). Receivers decode bytes above ASCII as UTF-8 or as Latin-1. A blank at either end is
//! dropped on the way (RFC 9110 section 5.5), so the receiver would compare another value than the
//! one that was set.

use super::document::Json;
use super::kind::{Kind, problem, token};
use crate::diagnostic::{Found, quote};
use hashbrown::HashMap;
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;

/// The limit of bytes in a group of headers, names and values together.
const MAX: usize = 2048;

/// Names that no webhook may set.
///
/// They frame the request or belong to one connection (RFC 9110, RFC 9112), or this crate sets
/// them.
///
/// Two `content-length`, or one beside `transfer-encoding`, let two servers disagree where a
/// request ends, so that a tenant could send a second one (request smuggling).
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

/// Prefixes of names that no webhook may set: they are set from the event and for signatures.
///
/// A receiver decides by `ce-type` and trusts `webhook-signature`, so a tenant must not set them.
const RESERVED_PREFIXES: [&str; 2] = ["ce-", "webhook-"];

/// A header that a webhook adds to its requests.
///
/// `Debug` does not show the value of an encrypted header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    written: Box<str>,
    name: HeaderName,
    value: Option<HeaderValue>,
}

impl Header {
    /// Returns the name as written, with its letter case.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Returns the name in its normal form, in lower case.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Returns the value; `None` if unknown, as in a webhook read from a response.
    #[must_use]
    pub fn value(&self) -> Option<&HeaderValue> {
        self.value.as_ref()
    }

    /// Returns the value as JSON.
    pub(super) fn json(&self) -> Json<'_> {
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
    /// Returns the name of its member.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Plain => "headers",
            Self::Encrypted => "encryptedHeaders",
        }
    }

    /// Returns the pointer to a place.
    fn pointer(self, place: Place<'_>) -> String {
        let member = self.member();
        match place {
            Place::Group => format!("/{member}"),
            Place::Name(name) => format!("/{member}/{}", token(name)),
            Place::Item(at) => format!("/{member}/{at}"),
        }
    }
}

/// Where an error is in a group.
#[derive(Clone, Copy)]
enum Place<'a> {
    Group,
    /// The member with a name, as written.
    Name(&'a str),
    /// An item of the list of names.
    Item(usize),
}

/// The result of checking a group.
#[derive(Default)]
pub(super) struct Checked<'a> {
    /// The valid headers, by name.
    pub(super) headers: Vec<Header>,
    /// For each name in lower case: its position, how it was first written, and where.
    names: HashMap<Cow<'a, str>, (usize, &'a str, Place<'a>)>,
}

/// Checks a group and returns its valid headers.
pub(super) fn check<'a>(group: Group, value: &'a Json<'a>, found: &mut Found) -> Checked<'a> {
    let mut check = Check { group, found, bytes: 0, checked: Checked::default() };
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                check.header(name, value);
            }
        }
        // A response has a list of names in place of the values. Read back, the values are unknown.
        Json::Array(names) if group == Group::Encrypted => {
            for (at, name) in names.iter().enumerate() {
                check.listed(at, name);
            }
        }
        other => {
            let title = format!("`{}` is {}", group.member(), other.kind());
            check.add(Kind::WrongType, Place::Group, title, "give an object of strings");
        }
    }
    // Counted with invalid headers, too: removing them may not be how the author corrects them.
    let bytes = check.bytes;
    if bytes > MAX {
        let title = format!("`{}` has {bytes} bytes of names and values", group.member());
        let help = format!("keep to {MAX} bytes");
        check.add(Kind::HeadersTooLarge, Place::Group, title, help);
    }
    let mut checked = check.checked;
    // The members of a JSON object have no order, so the headers are put into one.
    checked.headers.sort_unstable_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    checked
}

/// Reports names that are in both groups.
pub(super) fn check_both(plain: &Checked<'_>, encrypted: &Checked<'_>, found: &mut Found) {
    let mut duplicates: Vec<_> = encrypted
        .names
        .iter()
        .filter_map(|(name, seen)| Some((*seen, plain.names.get(name)?.1)))
        .collect();
    // The order of a hash map differs on each run; that of the errors must not.
    duplicates.sort_unstable_by_key(|((at, ..), _)| *at);
    for ((_, written, place), other) in duplicates {
        let title = format!("header `{}` is also in `headers`", quote(written));
        let pointer = Group::Encrypted.pointer(place);
        let problem = problem(Kind::DuplicateHeader, pointer, title, same_name(other));
        found.push(problem);
    }
}

/// Returns the help for a duplicate name.
fn same_name(other: &str) -> String {
    format!("remove one; `{}` is the same name, compared case-insensitively", quote(other))
}

/// The state of checking a group.
struct Check<'a, 'f> {
    group: Group,
    found: &'f mut Found,
    bytes: usize,
    checked: Checked<'a>,
}

impl<'a> Check<'a, '_> {
    fn add(&mut self, kind: Kind, place: Place<'_>, title: String, help: impl Into<Box<str>>) {
        self.found.push(problem(kind, self.group.pointer(place), title, help));
    }

    /// Checks a name and its value.
    fn header(&mut self, written: &'a str, value: &Json<'_>) {
        let place = Place::Name(written);
        let text = match value {
            Json::String(text) => Some(&**text),
            _ => None,
        };
        self.bytes += written.len() + text.map_or(0, str::len);
        let hidden = self.group == Group::Encrypted;
        // An invalid name may be a secret, so it must not be in a pointer.
        let name = self.name(written, if hidden { Place::Group } else { place });
        if hidden && name.is_none() {
            // A message about the value would have to quote the name.
            return;
        }
        // The value is checked even if the name is not usable, so that both errors are reported at
        // once.
        let name = name.filter(|name| self.is_new(name, written, place));
        let value = match value {
            Json::Withheld => Some(None),
            Json::String(text) => self.value(written, text).map(Some),
            other => {
                let title = format!("header `{}` is {}", quote(written), other.kind());
                self.add(Kind::WrongType, place, title, "give a string");
                None
            }
        };
        if let (Some(name), Some(value)) = (name, value) {
            self.checked.headers.push(Header { written: written.into(), name, value });
        }
    }

    /// Checks a name in the list that a response has in place of the encrypted headers.
    fn listed(&mut self, at: usize, name: &'a Json<'_>) {
        let place = Place::Item(at);
        let Json::String(written) = name else {
            let title = format!("a name in `encryptedHeaders` is {}", name.kind());
            return self.add(Kind::WrongType, place, title, "give a string");
        };
        self.bytes += written.len();
        let name = self.name(written, place);
        if let Some(name) = name.filter(|name| self.is_new(name, written, place)) {
            self.checked.headers.push(Header { written: (&**written).into(), name, value: None });
        }
    }

    /// Returns whether a name is new in this group; reports a duplicate and a reserved name.
    fn is_new(&mut self, name: &HeaderName, written: &'a str, place: Place<'a>) -> bool {
        let word = name.as_str();
        if RESERVED.contains(&word) || RESERVED_PREFIXES.iter().any(|p| word.starts_with(p)) {
            let title = format!("header `{}` is reserved", quote(written));
            let help = "remove it: the server sets this header";
            self.add(Kind::HeaderReserved, place, title, help);
        }
        if let Some((_, first, _)) = self.checked.names.get(word) {
            let title = format!("duplicate header `{}`", quote(written));
            let help = same_name(first);
            self.add(Kind::DuplicateHeader, place, title, help);
            return false;
        }
        // A reserved name is kept as well: its duplicate in the other group is another error.
        let seen = (self.checked.names.len(), written, place);
        let name = if word == written { Cow::Borrowed(written) } else { word.to_owned().into() };
        self.checked.names.insert(name, seen);
        true
    }

    /// Returns a name if it is valid; reports it otherwise.
    ///
    /// An invalid name of an encrypted header is not quoted: it may be the value, as in a whole
    /// header line.
    fn name(&mut self, written: &str, place: Place<'_>) -> Option<HeaderName> {
        if let Ok(name) = HeaderName::from_bytes(written.as_bytes()) {
            return Some(name);
        }
        let hidden = self.group == Group::Encrypted;
        let title = match written {
            "" => "a header has an empty name".to_owned(),
            _ if hidden => "`encryptedHeaders` has an invalid header name".to_owned(),
            name => format!("`{}` is not a valid header name", quote(name)),
        };
        let help = match written.contains(':') {
            true => "give name and value separately: `{\"name\": \"value\"}`",
            false => "use letters, digits and any of !#$%&'*+-.^_`|~",
        };
        self.add(Kind::HeaderName, place, title, help);
        None
    }

    /// Returns a value if it is valid; reports it otherwise.
    ///
    /// Messages do not quote the value, which may be secret.
    fn value(&mut self, written: &str, text: &str) -> Option<HeaderValue> {
        // The only white space of a header (RFC 9110 section 5.6.3); any other is refused as a
        // control character or as beyond ASCII.
        let blank = [' ', '\t'];
        let (wrong, help) = match HeaderValue::from_str(text) {
            _ if !text.is_ascii() => (
                "has characters outside ASCII, which receivers decode differently",
                "encode them, such as by percent-encoding or Base64",
            ),
            Err(_) => ("has control characters, such as a line break", "remove them"),
            Ok(_) if text.starts_with(blank) || text.ends_with(blank) => {
                ("begins or ends with a blank, which receivers drop", "remove the blank")
            }
            Ok(mut value) => {
                // `Debug` of the value then writes `Sensitive`, and HTTP/2 does not index it for
                // compression.
                value.set_sensitive(self.group == Group::Encrypted);
                return Some(value);
            }
        };
        let title = format!("the value of header `{}` {wrong}", quote(written));
        self.add(Kind::HeaderValue, Place::Name(written), title, help);
        None
    }
}
