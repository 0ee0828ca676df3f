//! Reads lists of values, such as `('a', 'b')` after `in`.
//!
//! SCIM has no lists, so a list is written as one comparison per value, in brackets:
//! `id in ('a', 'b')` is `(id eq "a" or id eq "b")`.
//!
//! # Examples
//!
//! ```text
//! id in ('a', 'b')        (id eq "a" or id eq "b")
//! id not in ('a', 'b')    (id ne "a" and id ne "b")
//! id eq "a", "b"          (id eq "a" or id eq "b")
//! id co ("a", "b")        ambiguous: one of them, or all of them?
//! id in ('a,b')           ambiguous: one value, or two?
//! id = [appId]            ambiguous: in some languages a name and not a list
//! ```

use super::loose::Loose;
use super::value::is_quoted;
use super::{CompareOp, Stop, trim_start};

impl Loose<'_, '_> {
    /// Reads one value or a list of values.
    ///
    /// A list after `eq` means "one of these" and is joined with `or`; after `ne` it means "none of
    /// these" and is joined with `and`. A list after any other operator is ambiguous.
    pub(super) fn values(
        &mut self,
        path: &str,
        operator: CompareOp,
        gap: &str,
    ) -> Result<(), Stop> {
        let closing = match self.rest().chars().next() {
            Some('(') => Some(")"),
            Some('[') => Some("]"),
            _ => None,
        };
        let values = match closing {
            Some(closing) => self.list(closing)?,
            None => {
                let first = self.value(operator, gap)?;
                self.listed(first, false)?
            }
        };
        // A value without an attribute after the list, as in `id in ("a") or "b"`, takes both from
        // here.
        self.last = Some((path.to_owned(), operator));
        if let [value] = values.as_slice() {
            // `id in ('a,b')` may be a list in one string.
            if closing.is_some() && value.contains(',') {
                return Err(Stop::Ambiguous);
            }
            return self.term(path, operator, value);
        }
        let joint = match operator {
            CompareOp::Eq => " or ",
            CompareOp::Ne => " and ",
            _ => return Err(Stop::Ambiguous),
        };
        for (at, value) in values.iter().enumerate() {
            // The brackets keep the list together if an `and` follows; the printed form has them
            // only if needed.
            self.out.push_str(if at == 0 { "(" } else { joint });
            self.term(path, operator, value)?;
        }
        self.out.push(')');
        Ok(())
    }

    /// Reads values in brackets.
    fn list(&mut self, closing: &str) -> Result<Vec<String>, Stop> {
        self.at += 1;
        self.skip();
        let is_name = !is_quoted(self.rest());
        let first = self.item()?;
        let values = self.listed(first, true)?;
        self.skip();
        if !self.take(closing) {
            return Err(Stop::Nonsense);
        }
        // Other languages write names in square brackets: `id = [appId]`.
        match closing == "]" && is_name && values.len() == 1 {
            true => Err(Stop::Ambiguous),
            false => Ok(values),
        }
    }

    /// Reads the values after the first one of a list, each after a comma.
    ///
    /// Without brackets, the list goes on only if the next value is in quotes.
    fn listed(&mut self, first: String, in_brackets: bool) -> Result<Vec<String>, Stop> {
        let mut values = vec![first];
        loop {
            let start = self.at;
            self.skip();
            let next = self.rest().strip_prefix(',').map(trim_start);
            let goes_on = next.is_some_and(|next| in_brackets || is_quoted(next));
            // In an object, a comma separates members, and in `a, b` without quotes it may be part
            // of the value.
            if self.in_object || !goes_on {
                self.at = start;
                return Ok(values);
            }
            self.at += 1;
            self.skip();
            values.push(self.item()?);
        }
    }
}
