//! Reads a JSON object of attributes and values as a filter.
//!
//! `{"id": "a1", "spaceId": "b"}` is written as `id eq "a1" and spaceId eq "b"`: every member is a
//! comparison with `eq`, as in the query objects of document databases. Nested objects and
//! lists have no such meaning, so they are ambiguous.
//!
//! ```text
//! {"id": "a1", "spaceId": "b"}     id eq "a1" and spaceId eq "b"
//! {"id": "a1", "ID": "b"}          ambiguous: one attribute with two values
//! {"id": ["a", "b"]}               ambiguous: the list has no meaning here
//! {"filter": "id eq \"a\""}        also a layer, whose reading is another filter (see `layers`)
//! ```

use super::loose::Loose;
use super::value::is_quoted;
use super::{CompareOp, Stop, until};
use crate::diagnostic::Parts;
use crate::syntax::token::{self, is_space};
use hashbrown::HashSet;

impl Loose<'_, '_> {
    /// Reads a whole object; nothing may follow it.
    pub(super) fn object(&mut self) -> Result<(), Stop> {
        self.in_object = true;
        self.at += 1;
        let mut names = HashSet::new();
        loop {
            self.skip();
            let name = self.member_name()?;
            // An attribute has one value, so two comparisons joined with `and` never hold.
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(Stop::Ambiguous);
            }
            let value = self.member_value()?;
            self.term(&name, CompareOp::Eq, &value)?;
            self.skip();
            if self.take(",") {
                self.out.push_str(" and ");
                continue;
            }
            let closed = self.take("}");
            self.skip();
            // Text after the object has no meaning, so this reading fails.
            return if closed && self.rest().is_empty() { Ok(()) } else { Err(Stop::Nonsense) };
        }
    }

    /// Reads the name of a member and the colon after it.
    fn member_name(&mut self) -> Result<String, Stop> {
        let name: String =
            serde_json::from_str(&self.quoted_name()?).map_err(|_| Stop::Nonsense)?;
        // A name without another meaning is a name of the grammar, or refused below.
        let name = (self.rules.attribute)(&name).unwrap_or(name);
        if !matches!(token::attr_path(name.as_bytes()), Ok((rest, _)) if rest.is_empty()) {
            return Err(Stop::Nonsense);
        }
        self.skip();
        let colon = self.take(":");
        self.skip();
        if colon { Ok(name) } else { Err(Stop::Nonsense) }
    }

    /// Reads the value of a member: in quotes, or a literal.
    fn member_value(&mut self) -> Result<String, Stop> {
        let rest = self.rest();
        if is_quoted(rest) {
            return self.quoted();
        }
        let end = until(rest, |c| matches!(c, ',' | '}'));
        self.at += end;
        let literal = rest.head(end).trim_end_matches(is_space);
        match literal.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            true => Ok(literal.to_owned()),
            false => Err(Stop::Ambiguous),
        }
    }

    /// Reads a name with its quotes.
    fn quoted_name(&mut self) -> Result<String, Stop> {
        let rest = self.rest();
        let end = rest.strip_prefix('"').and_then(|rest| rest.find('"')).ok_or(Stop::Nonsense)?;
        // Both quotes belong to the name.
        let name = rest.head(end + 2);
        self.at += name.len();
        Ok(name.to_owned())
    }
}
