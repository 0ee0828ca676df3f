//! Reads the parameters in the query of a list.
//!
//! # Strict, and all at once
//!
//! An unknown parameter is an error, not ignored: `nmae=sales` would otherwise return the whole
//! list, which looks like a result. Each reader reports its errors and returns nothing for a wrong
//! value. [`Query::finish`] then decides, so a response lists the errors of all parameters.
//!
//! ```text
//! limit=1000&nmae=x&enabled=true
//!   take     limit, enabled kept; `/nmae`: did you mean `name`?
//!   one      limit: `/limit`: use a number from 1 to 100
//!   one      enabled: true
//!   finish   two errors
//! ```

use super::kind::{Kind, problem, token};
use crate::diagnostic::nearest::nearest;
use crate::diagnostic::{Diagnostics, Found, quote};
use std::collections::HashSet;
use std::hash::Hash;
use url::form_urlencoded;

/// The parameters as they were given, and their errors.
pub(crate) struct Query {
    pub(super) pairs: Vec<(Box<str>, Box<str>)>,
    known: &'static [&'static str],
    seen: HashSet<Box<str>>,
    found: Found,
}

/// Returns the help for a parameter whose value is one of a few words.
pub(crate) fn one_of<const N: usize>(words: [&str; N]) -> String {
    format!("one of: {}", words.join(", "))
}

impl Query {
    /// Reads the query of a URL, without its question mark.
    ///
    /// Of the `known` parameters, those in `repeatable` may occur more than once.
    pub(crate) fn read(query: &str, known: &'static [&'static str], repeatable: &[&str]) -> Self {
        let (pairs, seen, found) = (Vec::new(), HashSet::new(), Found::default());
        let mut read = Self { pairs, known, seen, found };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            read.take(&name, &value, repeatable);
        }
        read
    }

    /// Adds an error.
    pub(super) fn wrong(&mut self, kind: Kind, name: &str, title: String, help: String) {
        self.found.push(problem(kind, format!("/{}", token(name)), title, help));
    }

    /// Adds a parameter; reports an unknown or a duplicate one.
    fn take(&mut self, name: &str, value: &str, repeatable: &[&str]) {
        let known = self.known.contains(&name);
        let repeatable = repeatable.contains(&name);
        let shown = quote(name);
        if !known {
            let title = format!("unknown parameter `{shown}`");
            let help = match self.found.suggest(|| nearest(name, self.known.iter().copied())) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("expected one of: {}", self.known.join(", ")),
            };
            self.wrong(Kind::ListUnknownParameter, name, title, help);
        // Of two values, a proxy and this crate could each read another one.
        } else if !self.seen.insert(name.into()) && !repeatable {
            let title = format!("duplicate parameter `{shown}`");
            let help = "remove one of the two".to_owned();
            self.wrong(Kind::DuplicateParameter, name, title, help);
        } else {
            self.pairs.push((name.into(), value.into()));
        }
    }

    /// Returns the first value of a parameter.
    pub(super) fn value(&self, name: &str) -> Option<Box<str>> {
        self.pairs.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    }

    /// Reads the value of a parameter; reports an invalid one. `help` says what is valid.
    pub(crate) fn one<T>(
        &mut self,
        name: &str,
        help: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name)?;
        let read = read(&value);
        if read.is_none() {
            self.invalid(name, &value, help);
        }
        read
    }

    /// Reads the values of a parameter, separated by commas or in repeated parameters.
    pub(crate) fn list<T: Eq + Hash>(
        &mut self,
        name: &str,
        help: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<HashSet<T>> {
        let given: Vec<_> =
            self.pairs.iter().filter(|(known, _)| &**known == name).cloned().collect();
        if given.is_empty() {
            return None;
        }
        let mut values = HashSet::new();
        // Both notations may be combined: `origins=a,b&origins=c` has three values.
        for item in given.iter().flat_map(|(_, value)| value.split(',')) {
            match read(item) {
                Some(value) => drop(values.insert(value)),
                None => self.invalid(name, item, help),
            }
        }
        Some(values)
    }

    /// Reports an invalid value.
    fn invalid(&mut self, name: &str, value: &str, help: &str) {
        let title = format!("invalid value `{}` for parameter `{name}`", quote(value));
        self.wrong(Kind::ListInvalidValue, name, title, format!("use {help}"));
    }

    /// Returns what was read from the query, or all errors.
    pub(crate) fn finish<T>(self, read: T) -> Result<T, Diagnostics> {
        if self.found.is_empty() { Ok(read) } else { Err(self.found.into_diagnostics()) }
    }
}
