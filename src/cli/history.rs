//! Events of files, for the verbs that ask what would have been.

use super::batches::Batches;
use super::events::Trouble;
use super::webhooks::line_of;
use super::{Failure, Outcome, plain, quote};
use hooksieve::event::{Error, Event, Shapes};
use hooksieve::filter::Profile;
use std::io::{self, Write};
use std::path::PathBuf;

/// Gives every event with its place to `take`, and says of what is none why, on
/// standard error; whether all were good.
pub(super) fn each_event(
    files: Vec<PathBuf>,
    profile: &Profile,
    mut take: impl FnMut(&Place<'_>, &Event<'_>) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let several = files.len() > 1;
    let (mut batches, mut shapes, mut good) = (Batches::new(files), Shapes::default(), true);
    while let Some(mut batch) = batches.next(usize::MAX) {
        let trouble = batch.trouble.take();
        let name = plain(&batch.name);
        let mut bad = |line: usize, code: &str, message: String, help: &str| {
            good = false;
            let message = plain(&message);
            let _ = writeln!(io::stderr(), "{name}:{line}: error[{code}]: {message}; {help}");
        };
        for document in batch.documents() {
            match profile.read_event_with(document.bytes, &mut shapes) {
                Ok(event) => take(&Place { file: &name, line: document.line, several }, &event)?,
                Err(error) => {
                    let line = document.line + line_of(document.bytes, &error) - 1;
                    bad(line, error.code(), error.to_string(), error.help());
                }
            }
        }
        match trouble {
            None => {}
            Some(Trouble::Io(error)) => return Err(Failure::Input(name, error)),
            Some(Trouble::Line { line, message }) => {
                bad(line, "event-too-long", format!("line {message}"), "give smaller events");
            }
            Some(Trouble::Broken { line, message }) => {
                bad(line, "event-syntax", message, "mend the file; nothing behind it was read");
                return Ok(false);
            }
        }
    }
    Ok(good)
}

/// Says why the bytes that a verb took for its one event are none.
pub(super) fn refuse_one(verb: &str, name: &str, bytes: &[u8], error: &Error) -> Outcome {
    let (name, line) = (plain(name), line_of(bytes, error));
    let (code, help) = (error.code(), error.help());
    let one = format!("{verb} takes one event, a JSON object");
    let _ = writeln!(io::stderr(), "{name}:{line}: error[{code}]: {error}; {help}; {one}");
    Outcome::BadInput
}

/// Where an event stands.
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    /// Whether there are more files.
    several: bool,
}

/// How an event is called: its id, if it has one, and its place.
pub(super) fn called(place: &Place<'_>, event: &Event<'_>) -> String {
    let Place { file, line, several } = place;
    let place = if *several { format!("{file}:{line}") } else { format!("line {line}") };
    match event.id() {
        Some(id) => format!("{} ({place})", quote(id)),
        None => place,
    }
}
