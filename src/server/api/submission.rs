//! Reads the events of a request, in the forms of the HTTP binding of CloudEvents and some more.
//!
//! | `Content-Type` | headers `ce-…` | form |
//! | --- | --- | --- |
//! | `application/cloudevents+json` | ignored | one event |
//! | `application/cloudevents-batch+json` | ignored | an array of events |
//! | `application/x-ndjson`, `application/ndjson`, `application/jsonl` | ignored | an event on each line |
//! | any other, or none | `ce-specversion` or `ce-type` | binary mode: the body is the data |
//! | `application/json`, or none | none | one event or an array |
//! | any other | none | 415 |

use super::Api;
use super::body::{essence, read, unsupported};
use super::error::Failure;
use crate::server::service::intake::{Binary, Form, Submission};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use hooksieve::diagnostic::excerpt;
use percent_encoding::percent_decode;
use std::borrow::Cow;
use std::sync::Arc;

/// What the names of the headers with an event's attributes begin with.
const PREFIX: &str = "ce-";

/// The events of a request.
pub(super) struct Events(pub(super) Submission);

impl FromRequest<Arc<Api>> for Events {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Failure> {
        let form = form(request.headers())?;
        let body = read(request, api).await?;
        Ok(Self(Submission { form, body }))
    }
}

/// Returns the form in which events are sent.
fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let essence = essence(headers);
    let is_binary = headers.contains_key("ce-specversion") || headers.contains_key("ce-type");
    match essence.as_deref() {
        Some("application/cloudevents+json") => Ok(Form::Single),
        Some("application/cloudevents-batch+json") => Ok(Form::Batch),
        Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => {
            Ok(Form::Lines)
        }
        // Another format of CloudEvents, such as XML: its attributes are in the body.
        Some(given) if given.starts_with("application/cloudevents") => Err(refused(given)),
        _ if is_binary => Ok(Form::Binary(binary(headers)?)),
        None | Some("application/json") => Ok(Form::Json),
        Some(given) => Err(refused(given)),
    }
}

fn refused(given: &str) -> Failure {
    let help = "send `application/json`, `application/x-ndjson`, `application/cloudevents+json`, \
                `application/cloudevents-batch+json`, or the attributes as `ce-…` headers";
    unsupported(given, help)
}

fn invalid(what: impl Into<Box<str>>, help: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "event-header-invalid", what, help)
}

/// Reads the attributes of an event in binary mode.
fn binary(headers: &HeaderMap) -> Result<Binary, Failure> {
    let mut attributes: Vec<(Box<str>, Box<str>)> = Vec::new();
    // A header that occurs several times is returned several times.
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match name {
            "datacontenttype" => {
                let what = "`ce-datacontenttype` is not a header of an event";
                return Err(invalid(what, "use `Content-Type`"));
            }
            "data" => {
                return Err(invalid(
                    "`ce-data` is not a header of an event",
                    "send the data as body",
                ));
            }
            _ => {}
        }
        // Another name has no place in the JSON format (CloudEvents 1.0, 3.1).
        let fits = !name.is_empty() && name.bytes().all(is_letter);
        if !fits {
            let what = format!("`{PREFIX}{}` is not an attribute of an event", excerpt(name, 80));
            return Err(invalid(what, "use lower-case letters and digits after `ce-`"));
        }
        if attributes.iter().any(|(known, _)| **known == *name) {
            return Err(invalid(format!("duplicate header `{PREFIX}{name}`"), "send it once"));
        }
        let value = decode(value.as_bytes()).ok_or_else(|| {
            let what = format!("the value of `{PREFIX}{name}` is not UTF-8");
            invalid(what, "percent-encode the bytes of its UTF-8 form")
        })?;
        attributes.push((name.into(), value));
    }
    let content_type = headers.get(header::CONTENT_TYPE);
    // The characters of a media type are ASCII, so others are replaced and not refused.
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
    Ok(Binary { attributes, content_type: content_type.map(|given| given.trim().into()) })
}

/// Decodes the value of an attribute: unquoted, then percent-decoded (HTTP binding, 3.1.3.2).
/// Returns `None` if it is not UTF-8.
fn decode(value: &[u8]) -> Option<Box<str>> {
    let value = value.trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let value = quoted.map_or(Cow::Borrowed(value), |inner| Cow::Owned(unescape(inner)));
    let decoded = percent_decode(&value).decode_utf8().ok()?;
    Some(decoded.into())
}

/// Replaces the escapes of a quoted string (RFC 9110, 5.6.4).
fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut bytes = quoted.iter();
    let mut plain = Vec::with_capacity(quoted.len());
    while let Some(byte) = bytes.next() {
        // A backslash at the end escapes nothing, and stays.
        let next = if *byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte };
        plain.push(*next);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{decode, form};
    use crate::server::service::intake::{Binary, Form};
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    fn headers(list: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let value = HeaderValue::from_bytes(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn distinguishes_the_forms() {
        for (given, expected) in [
            (&b"application/cloudevents+json; charset=UTF-8"[..], Form::Single),
            (b"application/cloudevents-batch+json", Form::Batch),
            (b"Application/X-NDJSON", Form::Lines),
        ] {
            let found = form(&headers(&[("content-type", given), ("ce-type", b"x")]));
            assert_eq!(found.unwrap(), expected);
        }
        let plain = |given| form(&headers(&[("content-type", given)]));
        assert_eq!(plain(b"application/json").unwrap(), Form::Json);
        assert_eq!(form(&headers(&[("ce-id", b"x")])).unwrap(), Form::Json);
        for given in [&b"text/plain"[..], b"application/cloudevents+xml", b"\xff"] {
            assert_eq!(plain(given).unwrap_err().status, 415);
        }
        let xml = headers(&[("content-type", b"application/cloudevents+xml"), ("ce-type", b"x")]);
        assert_eq!(form(&xml).unwrap_err().status, 415);
    }

    #[test]
    fn reads_the_attributes_of_binary_mode() {
        let given = headers(&[
            ("content-type", b" text/plain; charset=utf-8"),
            ("ce-specversion", b"1.0"),
            ("ce-subject", b"Euro%20%E2%82%AC%20100%"),
            ("host", b"h"),
        ]);
        let attributes = [("specversion", "1.0"), ("subject", "Euro \u{20ac} 100%")]
            .map(|(n, v)| (n.into(), v.into()));
        let content_type = Some("text/plain; charset=utf-8".into());
        let expected = Binary { attributes: attributes.into(), content_type };
        assert_eq!(form(&given).unwrap(), Form::Binary(expected));
        for (name, value) in [
            ("ce-data", &b"x"[..]),
            ("ce-datacontenttype", b"x"),
            ("ce-data_base64", b"x"),
            ("ce-", b"x"),
            ("ce-id", b"%ff"),
            ("ce-id", b"\xff"),
            ("ce-type", b"y"),
        ] {
            let failure = form(&headers(&[("ce-type", b"x"), (name, value)])).unwrap_err();
            assert_eq!(failure.errors.iter().next().unwrap().code(), "event-header-invalid");
        }
    }

    #[test]
    fn decodes_values() {
        for (value, expected) in [
            (&b"plain"[..], "plain"),
            (b"\"quoted \\\" \\\\ %41\"", "quoted \" \\ A"),
            (b"%zz%4", "%zz%4"),
            (b"%2541", "%41"),
            ("ä".as_bytes(), "ä"),
            (b"\"a", "\"a"),
        ] {
            assert_eq!(decode(value).as_deref(), Some(expected));
        }
    }
}
