//! Reads the values of members by their JSON type, and reports wrong ones.
//!
//! # Two options
//!
//! A member may be absent, valid or wrong, and a wrong one has been reported already. So the
//! readers return `Option<Option<T>>`:
//!
//! ```text
//! {}                    Some(None)         absent: the caller uses the default
//! {"name": "n"}         Some(Some("n"))
//! {"name": 5}           None               wrong and reported; the next member follows
//! ```
//!
//! With one option, a wrong member would look absent, and "webhook has no `name`" would be reported
//! beside "`name` is a number".

use super::Check;
use crate::diagnostic::quote;
use crate::webhook::document::Json;
use crate::webhook::kind::Kind;

impl<'a> Check<'a> {
    /// Returns the value of a member; null counts as absent.
    pub(super) fn member(&self, name: &str) -> Option<&'a Json<'a>> {
        // A patch clears a member by null, so its result must be checked as if the member were left
        // out.
        self.document.member(name).filter(|value| **value != Json::Null)
    }

    /// Reports a value of the wrong JSON type.
    pub(super) fn wrong_type(&mut self, name: &str, found: &Json<'_>, help: &'static str) {
        let title = format!("`{name}` is {}", found.kind());
        self.wrong(Kind::WrongType, &format!("/{name}"), title, help);
    }

    /// Reads a string.
    ///
    /// The outer `None` means that it is wrong and was reported, the inner one that it is absent.
    /// This holds for all methods that return two options.
    pub(super) fn string(&mut self, name: &str) -> Option<Option<&'a str>> {
        match self.member(name) {
            None => Some(None),
            Some(Json::String(text)) => Some(Some(text)),
            Some(other) => {
                self.wrong_type(name, other, "give a string");
                None
            }
        }
    }

    /// Reads a string of `min` to `max` characters.
    pub(super) fn text(&mut self, name: &str, min: usize, max: usize) -> Option<Option<&'a str>> {
        let text = self.string(name)?;
        text.is_none_or(|text| self.has_length(name, text, min, max)).then_some(text)
    }

    /// Returns whether a text has `min` to `max` characters; reports it otherwise.
    pub(super) fn has_length(&mut self, name: &str, text: &str, min: usize, max: usize) -> bool {
        let length = text.chars().count();
        let (kind, title) = match length {
            0 if min > 0 => (Kind::TooShort, format!("`{name}` is empty")),
            _ if length < min => {
                let s = if length == 1 { "" } else { "s" };
                (Kind::TooShort, format!("`{name}` has {length} character{s}"))
            }
            _ if length > max => (Kind::TooLong, format!("`{name}` has {length} characters")),
            _ => return true,
        };
        let help = match (min, max) {
            (_, usize::MAX) => "give it a value, or remove it".to_owned(),
            (0, _) => format!("give it at most {max} characters"),
            _ => format!("give it {min} to {max} characters"),
        };
        self.wrong(kind, &format!("/{name}"), title, help);
        false
    }

    /// Reads an id, which must not be empty.
    pub(super) fn id<I: From<&'a str>>(&mut self, name: &str) -> Option<Option<I>> {
        Some(self.text(name, 1, usize::MAX)?.map(I::from))
    }

    /// Reads a boolean.
    pub(super) fn boolean(&mut self, name: &str, default: bool) -> Option<bool> {
        match self.member(name) {
            None => Some(default),
            Some(Json::Bool(value)) => Some(*value),
            Some(other) => {
                self.wrong_type(name, other, "give true or false");
                None
            }
        }
    }

    /// Reads one of a few words.
    pub(super) fn word<W: Copy>(&mut self, name: &str, words: &[(&str, W)]) -> Option<Option<W>> {
        let Some(text) = self.string(name)? else { return Some(None) };
        if let Some((_, word)) = words.iter().find(|(known, _)| *known == text) {
            return Some(Some(*word));
        }
        let title = format!("`{name}` is `{}`", quote(text));
        let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let help = format!("use {}", known.join(" or "));
        self.wrong(Kind::NotAllowed, &format!("/{name}"), title, help);
        None
    }

    /// Reports a required member that is absent.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        help: &str,
        found: Option<Option<T>>,
    ) -> Option<T> {
        // Not for the outer `None`: that member is there, and its error was reported.
        if let Some(None) = found {
            let title = format!("webhook has no `{name}`");
            self.wrong(Kind::MissingMember, &format!("/{name}"), title, help);
        }
        found.flatten()
    }
}
