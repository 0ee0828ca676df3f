//! Recognizes URI references (RFC 3986), and makes one from any text by percent-encoding.
//!
//! # Where it is needed
//!
//! CloudEvents 1.0 requires a `source` that is a URI reference, and a `dataschema` that is a URI.
//! The older envelopes allow any text. So a text is kept if it is already valid, and encoded
//! otherwise:
//!
//! ```text
//! com.qlik/engine       com.qlik/engine          a relative reference, as it is
//! My App: reload        My%20App%3A%20reload     a colon in the first segment would end a scheme
//! 100%                  100%25                   no hexadecimal digits after the sign
//! a%20b                 a%20b                    encoded already, and not encoded again
//! ```
//!
//! The grammar is checked here and not by the `url` crate, which follows the WHATWG standard: that
//! has no relative references without a base, and repairs what RFC 3986 refuses.

use std::net::Ipv6Addr;

/// Returns whether a text is a URI without a fragment (`absolute-URI`, section 4.3).
///
/// This is what CloudEvents 1.0 calls a URI.
pub(super) fn is_absolute(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => {
            !text.contains('#') && is_hierarchical(rest, true)
        }
        _ => false,
    }
}

/// Returns whether a text is a URI reference (section 4.1). The empty text is one.
pub(super) fn is_reference(text: &str) -> bool {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let is_uri = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => is_hierarchical(rest, true),
        _ => is_hierarchical(text, false),
    };
    is_uri && has_only(fragment, b"!$&'()*+,;=:@/?")
}

/// Returns a text as a URI reference, with as few characters percent-encoded as possible.
///
/// Decoding the result gives the same as decoding the text.
pub(super) fn encoded(text: &str) -> String {
    if is_reference(text) {
        return text.to_owned();
    }
    // First, encode only single characters that no reference can have, such as blanks in a path.
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let mut light = percent_encoded(before, b"!$&'()*+,;=:@/?");
    if text.contains('#') {
        light.push('#');
        light.push_str(&percent_encoded(fragment, b"!$&'()*+,;=:@/?"));
    }
    // The frequent case: blanks and letters beyond ASCII in an otherwise well-formed text.
    if is_reference(&light) {
        return light;
    }
    // The structure is not that of a reference, for example because the port has letters. Encode
    // everything that has a meaning, so that the text becomes a path.
    // Slashes stay, so that a path is still readable.
    percent_encoded(text, b"/")
}

/// Percent-encodes a text, except unreserved characters, valid codes and those in `kept`.
fn percent_encoded(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let stays = match byte {
            b'%' => begins_with_hexadecimal(after),
            byte => is_unreserved(*byte) || kept.contains(byte),
        };
        if stays {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        rest = after;
    }
    encoded
}

/// `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Returns whether a text can follow a scheme, or be a reference without one.
///
/// It has an authority, a path and a query.
fn is_hierarchical(text: &str, has_scheme: bool) -> bool {
    // The first `?` begins the query, which may contain others (section 3.4).
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let is_path = match path.strip_prefix("//") {
        Some(rest) => {
            // An authority ends at the first slash (section 3.2); the query is gone already.
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            is_authority(authority) && has_only(path, b"!$&'()*+,;=:@/")
        }
        // Without a scheme, a colon in the first segment would end one.
        None => {
            let first = path.split('/').next().unwrap_or(path);
            (has_scheme || !first.contains(':')) && has_only(path, b"!$&'()*+,;=:@/")
        }
    };
    is_path && has_only(query, b"!$&'()*+,;=:@/?")
}

/// `[ userinfo "@" ] host [ ":" port ]`
fn is_authority(text: &str) -> bool {
    // An `@` is allowed neither in the user nor in the host, so the first one is the only one.
    let (user, place) = text.split_once('@').unwrap_or(("", text));
    // The address in brackets has colons of its own, so it is split off before the port.
    let (is_host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, port)) => (is_ip_literal(literal), port),
        None => {
            let (name, port) = place.split_at(place.find(':').unwrap_or(place.len()));
            (has_only(name, b"!$&'()*+,;="), port)
        }
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    has_only(user, b"!$&'()*+,;=:") && is_host && is_port
}

/// Returns whether a text is an address in square brackets: IPv6, or of a future version.
fn is_ip_literal(text: &str) -> bool {
    let future = text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
    match future {
        Some((version, address)) => {
            let hexadecimal = version.bytes().all(|byte| byte.is_ascii_hexdigit());
            let given = |byte| is_unreserved(byte) || b"!$&'()*+,;=:".contains(&byte);
            let is_address = !address.is_empty() && address.bytes().all(given);
            hexadecimal && !version.is_empty() && is_address
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Returns whether a text has only unreserved characters (section 2.3), percent-encoded ones and
/// those in `others`.
fn has_only(text: &str, others: &[u8]) -> bool {
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let fits = match byte {
            b'%' => begins_with_hexadecimal(after),
            byte => is_unreserved(*byte) || others.contains(byte),
        };
        if !fits {
            return false;
        }
        rest = after;
    }
    true
}

fn begins_with_hexadecimal(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{encoded, is_absolute, is_reference};

    #[test]
    fn recognizes_uri_references() {
        let valid = [
            "",
            "a",
            "/a/b",
            "./a:b",
            "a/b:c",
            "?q",
            "#f",
            "//h",
            "//h:80/",
            "//",
            "///x",
            "com.qlik/engine",
            "https://u:p@h.example:443/a%20b?c=d/e?#f?/",
            "mailto:a@b.example",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "1-555-123-4567",
            "http://[::1]:80/",
            "http://[2001:db8::192.0.2.1]",
            "http://[v1.x:y]",
            "a:",
            "http://h:",
            "a+b-c.d:x",
        ];
        for text in valid {
            assert!(is_reference(text), "{text}");
            assert_eq!(encoded(text), text);
        }
    }

    #[test]
    fn encodes_other_text() {
        let cases = [
            ("a b", "a%20b"),
            ("é", "%C3%A9"),
            ("100%", "100%25"),
            ("%zz%41", "%25zz%41"),
            ("a\"<>\\^`{|}\u{7f}\0\n", "a%22%3C%3E%5C%5E%60%7B%7C%7D%7F%00%0A"),
            ("a#b#c", "a#b%23c"),
            ("/a[1]", "/a%5B1%5D"),
            ("1:a", "1%3Aa"),
            (":a", "%3Aa"),
            ("My App: reload", "My%20App%3A%20reload"),
            ("http://a b/c d", "http://a%20b/c%20d"),
            ("http://h:8a/x?y", "http%3A//h%3A8a/x%3Fy"),
            ("http://[::1", "http%3A//%5B%3A%3A1"),
            ("http://[v1.]:x/", "http%3A//%5Bv1.%5D%3Ax/"),
            ("http://[1::2::3]/", "http%3A//%5B1%3A%3A2%3A%3A3%5D/"),
            ("http://[v1.]/", "http://%5Bv1.%5D/"),
            ("http://[v.x]/", "http://%5Bv.x%5D/"),
            ("//a@b@c", "//a%40b%40c"),
        ];
        for (text, expected) in cases {
            assert!(!is_reference(text), "{text}");
            assert!(is_reference(expected), "{expected}");
            assert_eq!(encoded(text), expected);
        }
    }

    #[test]
    fn recognizes_uris_without_fragment() {
        for text in ["https://example.com/schema", "urn:x:y", "a:", "A1+:/x?y"] {
            assert!(is_absolute(text), "{text}");
        }
        for text in ["", "x", "/x", "//h/x", "1:a", ":a", "a b:c", "a:b c", "https://h/#f", "é:x"]
        {
            assert!(!is_absolute(text), "{text}");
        }
    }
}
