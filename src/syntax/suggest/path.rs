//! Reads attribute paths as authors write them.
//!
//! ```text
//! userName, name.familyName          a path of the grammar: taken as it is
//! Space Ids                          two words that name one attribute
//! $.data.id, data['id'], /data/id    a JSON path, if the rules know which attribute it means
//! urn:a:b: User:userName             a URN with a space in it
//! urn:a:b:2.0:User.name.first        a URN with a dot instead of its last colon
//! ```
//!
//! The dots of a URN are ambiguous in general, because its version has dots too (`2.0`). A dot is
//! replaced only if the parts around it leave one way to read the rest (see [`dots`]).

use super::operator::{SYMBOL, is_operator};
use super::{Stop, loose::Loose, trim_start, until};
use crate::diagnostic::Parts;
use crate::syntax::diagnose::{after_last, is_urn};
use crate::syntax::token::{self, is_space};
use std::borrow::Cow;

impl<'t> Loose<'t, '_> {
    /// Reads an attribute path, or the words or JSON path that mean one.
    pub(super) fn path(&mut self) -> Result<Cow<'t, str>, Stop> {
        if let Some(urn) = self.urn() {
            return urn;
        }
        let rest = self.rest();
        if let Ok((after, path)) = token::attr_path(rest.as_bytes()) {
            debug_assert_eq!(path.len() + after.len(), rest.len(), "a path begins the rest");
            let (path, after) = rest.split_at(path.len());
            // The path of the grammar may be the start of a longer word, such as a JSON path:
            // `data['id']`.
            let ends = after
                .chars()
                .next()
                .is_none_or(|c| is_space(c) || SYMBOL.contains(&c) || "(),\"".contains(c));
            if ends
                || after.starts_with('[') && !after.starts_with("['") && !after.starts_with("[\"")
            {
                if let Some(name) = self.two_words(path, after) {
                    return Ok(name.into());
                }
                self.move_to(after);
                return Ok(path.into());
            }
        }
        self.json_path()
    }

    /// A name of two words, such as `Space Ids`, before an operator.
    fn two_words(&mut self, first: &str, after: &str) -> Option<String> {
        let second = trim_start(after);
        if second.len() == after.len() {
            return None;
        }
        let word = super::loose::word(second);
        if word.is_empty() || is_operator(word) {
            return None;
        }
        let name = (self.rules.attribute)(&format!("{first} {word}"))?;
        self.move_to(second.tail(word.len()));
        Some(name)
    }

    /// Reads a JSON path, and returns the attribute that it means by the rules.
    fn json_path(&mut self) -> Result<Cow<'t, str>, Stop> {
        let rest = self.rest();
        let mut after = rest;
        // Plain steps, then keys in brackets and quotes, in any order: `$.data['id']`.
        loop {
            let step = until(after, |c| !c.is_ascii_alphanumeric() && !"_$./-".contains(c));
            after = after.tail(step);
            let key = ["'", "\""].iter().find_map(|quote| {
                let key = after.strip_prefix('[')?.strip_prefix(quote)?;
                key.split_once(quote)?.1.strip_prefix(']')
            });
            match key {
                Some(next) => after = next,
                None => break,
            }
        }
        let written = rest.before_rest(after);
        let name = (self.rules.attribute)(written).ok_or(Stop::Nonsense)?;
        self.move_to(after);
        Ok(name.into())
    }

    /// Reads a path that begins with a URN, with spaces in it or a dot instead of its last colon.
    fn urn(&mut self) -> Option<Result<Cow<'t, str>, Stop>> {
        let rest = self.rest();
        if !rest.get(..4)?.eq_ignore_ascii_case("urn:") {
            return None;
        }
        let mut urn = String::new();
        let mut after = rest;
        loop {
            let word = super::loose::urn_word(after);
            urn.push_str(word);
            let next = after.tail(word.len());
            let spaced = trim_start(next);
            let second = super::loose::urn_word(spaced);
            // The URN goes on after a space only if a colon is at either side of it.
            // `urn:a: b` and `urn:a :b` go on; of `urn:a:b eq`, the `eq` is the operator.
            let goes_on = urn.ends_with(':') || second.contains(':') && !second.ends_with(':');
            if second.is_empty() || is_operator(second) || !goes_on {
                after = next;
                break;
            }
            after = spaced;
        }
        // Most URNs have their last colon.
        let fixed = dots(&urn).unwrap_or(urn);
        if !matches!(token::attr_path(fixed.as_bytes()), Ok((rest, _)) if rest.is_empty()) {
            return Some(Err(Stop::Nonsense));
        }
        // The grammar accepts it, and the filter would then compare an attribute that does not
        // exist.
        if may_have_dots(&fixed) {
            return Some(Err(Stop::Ambiguous));
        }
        self.move_to(after);
        Some(Ok(fixed.into()))
    }
}

/// Returns whether a URN in the grammar may have a dot where a colon belongs.
///
/// Schemas begin with a capital letter and names do not, so `2.0.User:userName` and
/// `2.0:User.userName` are suspicious.
fn may_have_dots(urn: &str) -> bool {
    let is_schema = |part: &str| part.starts_with(|c: char| c.is_ascii_uppercase());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    // Each URN has at least the colon of `urn:`.
    debug_assert!(is_urn(urn));
    let Some((uri, name)) = urn.rsplit_once(':') else { return false };
    let version = after_last(uri, |c| c == ':');
    let mut parts = version.split('.');
    let numbered = parts.next().is_some_and(is_number);
    numbered && parts.any(is_schema) || name.contains('.') && is_schema(name)
}

/// Returns a URN with its last colon restored, if a dot is in its place.
///
/// In such a URN, the part after the last colon has one dot too many.
pub(super) fn dots(urn: &str) -> Option<String> {
    let (uri, names) = urn.rsplit_once(':')?;
    let parts: Vec<&str> = names.split('.').collect();
    let is_name = |part: &&str| part.starts_with(|c: char| c.is_ascii_alphabetic());
    match parts.as_slice() {
        [schema, name, sub] if parts.iter().all(is_name) => {
            Some(format!("{uri}:{schema}:{name}.{sub}"))
        }
        // After a version of two numbers: `2.0.User.userName` is `2.0:User:userName`.
        [major, minor, schema, rest @ ..]
            if [major, minor]
                .iter()
                .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
                && (1..=2).contains(&rest.len())
                && is_name(schema) =>
        {
            Some(format!("{uri}:{major}.{minor}:{schema}:{}", rest.join(".")))
        }
        _ => None,
    }
}
