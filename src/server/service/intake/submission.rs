//! What a producer sends, and how it is split into events.
//!
//! | form | body | an error in one event |
//! | --- | --- | --- |
//! | `Json` | one event, or an array of events | affects only it, but the body must be JSON |
//! | `Single` | one event | – |
//! | `Batch` | an array of events | as in an array |
//! | `Lines` | an event on each line that is not blank (NDJSON) | affects only its line |
//! | `Binary` | the data of one event, whose attributes are beside it | – |
//!
//! Events are slices of the body, except for binary mode, in which the event is composed in the
//! JSON format of CloudEvents. What is stored and delivered is always one JSON object.

use super::place::Place;
use crate::server::service::problem::Problem;
use bytes::Bytes;
use data_encoding::BASE64;
use hooksieve::diagnostic::excerpt;
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::value::RawValue;

/// The maximum number of events in a request.
pub(crate) const MAX_EVENTS: usize = 1_000;

/// The body of a request to accept events, with its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Submission {
    /// The form of the body.
    pub(crate) form: Form,
    /// The body.
    pub(crate) body: Bytes,
}

/// The form of a body of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One event or an array of events.
    Json,
    /// One event.
    Single,
    /// An array of events.
    Batch,
    /// An event on each line that is not blank.
    Lines,
    /// The data of one event.
    Binary(Binary),
}

/// The attributes of an event in binary mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Binary {
    /// The names and values of the attributes, without `datacontenttype`. Names are unique letters
    /// and digits, and none is that of a member for the data.
    pub(crate) attributes: Vec<(Box<str>, Box<str>)>,
    /// The media type of the data.
    pub(crate) content_type: Option<Box<str>>,
}

/// An event of a request.
pub(super) struct Sent {
    /// The bytes.
    pub(super) bytes: Bytes,
    /// Where they are in the request.
    pub(super) place: Place,
}

impl Submission {
    /// Returns the bytes of each event, with their place.
    ///
    /// # Errors
    ///
    /// Returns an error if the body as a whole is malformed or has too many events.
    pub(super) fn split(self) -> Result<Vec<Sent>, Problem> {
        let Self { form, body } = self;
        match form {
            Form::Single => Ok(vec![Sent { bytes: body, place: Place::Body }]),
            Form::Json if body.trim_ascii_start().first() != Some(&b'[') => {
                Ok(vec![Sent { bytes: body, place: Place::Body }])
            }
            Form::Json | Form::Batch => array(&body),
            Form::Lines => lines(&body),
            Form::Binary(binary) => Ok(vec![binary.compose(&body)?]),
        }
    }
}

fn array(body: &Bytes) -> Result<Vec<Sent>, Problem> {
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let what = format!(
            "the body is not an array of events: {} (byte {} of the body)",
            excerpt(&text, 200),
            offset(body, &error)
        );
        Problem::invalid(
            "events-syntax",
            what,
            "send a JSON array, and an event as an object in it",
        )
    })?;
    few(items.len())?;
    let sent = |(index, item): (usize, &RawValue)| {
        let item = item.get().as_bytes();
        let place = Place::Item { index, offset: start(body, item) };
        Sent { bytes: Bytes::copy_from_slice(item), place }
    };
    Ok(items.into_iter().enumerate().map(sent).collect())
}

fn lines(body: &Bytes) -> Result<Vec<Sent>, Problem> {
    // Blank lines count, as in an editor.
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty());
    let sent = |(line, number): (&[u8], usize)| {
        let place = Place::Line { number, offset: start(body, line) };
        Sent { bytes: Bytes::copy_from_slice(line), place }
    };
    // Counted while they are collected, so that a body of short lines is not kept for nothing.
    let events: Vec<_> = lines.take(MAX_EVENTS + 1).map(sent).collect();
    few(events.len())?;
    Ok(events)
}

/// Returns the offset of a part of a body.
fn start(body: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(body.as_ptr().addr())
}

/// Returns the offset of an error in a body. The parser counts lines from 1, and the bytes of a
/// line, too.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let before = body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    before.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1)
}

/// Refuses a request with too many events.
fn few(events: usize) -> Result<(), Problem> {
    if events <= MAX_EVENTS {
        return Ok(());
    }
    let what = format!("the request has more than {MAX_EVENTS} events");
    Err(Problem::invalid("events-too-many", what, "send them in several requests"))
}

/// How the data of an event in binary mode is written in JSON.
enum Data<'b> {
    None,
    Json(&'b RawValue),
    Text(&'b str),
    Base64(String),
}

impl Binary {
    /// Composes the event in the JSON format of CloudEvents.
    fn compose(&self, body: &Bytes) -> Result<Sent, Problem> {
        let composed = Composed { binary: self, data: self.data(body)? };
        let event = serde_json::to_vec(&composed);
        let event = event.map_err(|error| Problem::Internal(error.to_string()))?;
        let place = match &composed.data {
            // The data is the last member, before the bracket that closes the event.
            Data::Json(data) => Place::Headers {
                data: event.len().saturating_sub(data.get().len() + 1),
                offset: start(body, data.get().as_bytes()),
            },
            Data::Base64(_) => Place::Base64,
            Data::None | Data::Text(_) => Place::Headers { data: event.len(), offset: 0 },
        };
        Ok(Sent { bytes: event.into(), place })
    }

    fn data<'b>(&self, body: &'b [u8]) -> Result<Data<'b>, Problem> {
        let given = self.content_type.as_deref().unwrap_or("application/json");
        let essence = given.split(';').next().unwrap_or(given).trim().to_ascii_lowercase();
        let text = || std::str::from_utf8(body).ok();
        if body.is_empty() {
            return Ok(Data::None);
        }
        // By the subtype, as CloudEvents does (JSON format, 3.1.1).
        if essence.ends_with("/json") || essence.ends_with("+json") {
            // Parsed, so that no data can close the event and add members to it.
            return serde_json::from_slice(body).map(Data::Json).map_err(|error| {
                let what = format!("the data is not JSON: {}", excerpt(&error.to_string(), 200));
                let help = "send JSON, or the media type of the data in `Content-Type`";
                Problem::invalid("event-syntax", what, help)
            });
        }
        let is_text = essence.starts_with("text/") || essence.ends_with("xml");
        match text().filter(|_| is_text) {
            Some(text) => Ok(Data::Text(text)),
            None => Ok(Data::Base64(BASE64.encode(body))),
        }
    }
}

/// An event in binary mode as it is written in JSON.
struct Composed<'b> {
    binary: &'b Binary,
    data: Data<'b>,
}

impl Serialize for Composed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_map(None)?;
        for (name, value) in &self.binary.attributes {
            event.serialize_entry(name, value)?;
        }
        if let Some(content_type) = &self.binary.content_type {
            event.serialize_entry("datacontenttype", content_type)?;
        }
        match &self.data {
            Data::None => {}
            Data::Json(data) => event.serialize_entry("data", data)?,
            Data::Text(data) => event.serialize_entry("data", data)?,
            Data::Base64(data) => event.serialize_entry("data_base64", data)?,
        }
        event.end()
    }
}
