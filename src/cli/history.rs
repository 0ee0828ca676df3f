//! Events of files, for the verbs that ask what would have been.

use super::batches::Batches;
use super::events::Trouble;
use super::refusal::Refusal;
use super::webhooks::line_of;
use super::{Failure, Format, Out, Outcome, plain, quote};
use hooksieve::event::{Error, Event, Shapes};
use hooksieve::filter::Profile;
use std::path::PathBuf;

/// Gives every event with its place to `take`, and of what is none why; whether all were good.
pub(super) fn each_event(
    files: Vec<PathBuf>,
    profile: &Profile,
    mut take: impl FnMut(Result<(&Place<'_>, &Event<'_>), &Refusal<'_>>) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let several = files.len() > 1;
    let (mut batches, mut shapes, mut good) = (Batches::new(files), Shapes::default(), true);
    while let Some(mut batch) = batches.next(usize::MAX) {
        let trouble = batch.trouble.take();
        let name = plain(&batch.name);
        let file = &*batch.name;
        let refusal = |line, code, title, help: &str| {
            let detail = help.to_owned();
            Refusal { file, line, code, title, detail }
        };
        for document in batch.documents() {
            match profile.read_event_with(document.bytes, &mut shapes) {
                Ok(event) => {
                    take(Ok((&Place { file: &name, line: document.line, several }, &event)))?;
                }
                Err(error) => {
                    let line = document.line + line_of(document.bytes, &error) - 1;
                    good = false;
                    take(Err(&refusal(line, error.code(), error.to_string(), error.help())))?;
                }
            }
        }
        match trouble {
            None => {}
            Some(Trouble::Io(error)) => return Err(Failure::Input(name, error)),
            Some(Trouble::Line { line, message }) => {
                good = false;
                let title = format!("line {message}");
                take(Err(&refusal(line, "event-too-long", title, "give smaller events")))?;
            }
            Some(Trouble::Broken { line, message }) => {
                let help = "mend the file; nothing behind it was read";
                take(Err(&refusal(line, "event-syntax", message, help)))?;
                return Ok(false);
            }
        }
    }
    Ok(good)
}

/// Says why the bytes that a verb took for its one event are none.
pub(super) fn refuse_one(
    (verb, format): (&str, Format),
    out: &mut Out,
    file: &str,
    bytes: &[u8],
    error: &Error,
) -> Result<Outcome, Failure> {
    let (line, code) = (line_of(bytes, error), error.code());
    let detail = format!("{}; {verb} takes one event, a JSON object", error.help());
    Refusal { file, line, code, title: error.to_string(), detail }.print(format, out)?;
    Ok(Outcome::BadInput)
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
